//! What a program that knows one format and nothing else would read.
//!
//! Each struct has the fields that the decoder of the format reads, as texts that borrow where they
//! can and numbers in whatever spelling.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hint::black_box;

use codec::Format;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) type Reader = fn(&[u8]);

/// A text that borrows unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
#[allow(dead_code, reason = "only reading it is measured")]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

type Str<'a> = Option<Text<'a>>;
/// A number or a text with one, to be parsed by whoever needs it.
type Num<'a> = Option<&'a RawValue>;

/// One document, or a list of them.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only reading it is measured")]
struct Page<T> {
    data: Vec<T>,
}

macro_rules! typed {
    ($($name:ident { $($field:ident $(= $wire:literal)?: $kind:ty,)* })*) => {$(
        #[derive(Deserialize)]
        #[allow(dead_code, reason = "only reading them is measured")]
        struct $name<'a> {
            $(#[serde(borrow, default)] $(#[serde(rename = $wire)])? $field: Option<$kind>,)*
            #[serde(skip)]
            lifetime: std::marker::PhantomData<&'a ()>,
        }
    )*};
}

typed! {
    OpenaiBucket { start_time: Num<'a>, end_time: Num<'a>, results: Vec<OpenaiResult<'a>>, }
    OpenaiResult {
        object: Str<'a>, start_time: Num<'a>, end_time: Num<'a>, input_tokens: Num<'a>, output_tokens: Num<'a>,
        input_cached_tokens: Num<'a>, input_cache_write_tokens: Num<'a>, num_model_requests: Num<'a>,
        project_id: Str<'a>, user_id: Str<'a>, api_key_id: Str<'a>, model: Str<'a>, batch: Num<'a>, service_tier: Str<'a>,
        api_source: Str<'a>, size: Str<'a>, source: Str<'a>, context_level: Str<'a>, images: Num<'a>,
        characters: Num<'a>, seconds: Num<'a>, usage_bytes: Num<'a>, num_sessions: Num<'a>, num_requests: Num<'a>,
        amount: Amount<'a>, line_item: Str<'a>, quantity: Num<'a>, quantity_unit: Str<'a>,
    }
    Amount { value: Num<'a>, currency: Str<'a>, }
    AnthropicBucket { starting_at: Str<'a>, ending_at: Str<'a>, results: Vec<AnthropicResult<'a>>, }
    AnthropicResult {
        uncached_input_tokens: Num<'a>, cache_read_input_tokens: Num<'a>, cache_creation: CacheCreation<'a>,
        output_tokens: Num<'a>, server_tool_use: ServerTools<'a>, api_key_id: Str<'a>, workspace_id: Str<'a>,
        account_id: Str<'a>, service_account_id: Str<'a>, model: Str<'a>, service_tier: Str<'a>, context_window: Str<'a>,
        inference_geo: Str<'a>, speed: Str<'a>, amount: Str<'a>, currency: Str<'a>, cost_type: Str<'a>, description: Str<'a>,
        token_type: Str<'a>,
    }
    CacheCreation { ephemeral_1h_input_tokens: Num<'a>, ephemeral_5m_input_tokens: Num<'a>, }
    ServerTools { web_search_requests: Num<'a>, }
    Litellm {
        id: Str<'a>, litellm_call_id: Str<'a>, trace_id: Str<'a>, call_type: Str<'a>, stream: Num<'a>, status: Str<'a>,
        custom_llm_provider: Str<'a>, response_cost: Num<'a>, model: Str<'a>, model_id: Str<'a>, model_group: Str<'a>,
        prompt_tokens: Num<'a>, completion_tokens: Num<'a>, total_tokens: Num<'a>,
        start_time = "startTime": Num<'a>, end_time = "endTime": Num<'a>, response_time: Num<'a>, cache_hit: Num<'a>,
        end_user: Str<'a>, requester_ip_address: Str<'a>, user_agent: Str<'a>, error_information: LitellmError<'a>,
        metadata: LitellmMetadata<'a>,
    }
    LitellmError { error_code: Str<'a>, error_class: Str<'a>, }
    LitellmMetadata {
        user_api_key_hash: Str<'a>, user_api_key_alias: Str<'a>, user_api_key_team_id: Str<'a>, user_api_key_team_alias: Str<'a>,
        user_api_key_user_id: Str<'a>, user_api_key_user_email: Str<'a>, user_api_key_org_id: Str<'a>,
        user_api_key_project_id: Str<'a>, requester_ip_address: Str<'a>, user_agent: Str<'a>, usage_object: Usage<'a>,
    }
    Usage {
        prompt_tokens: Num<'a>, completion_tokens: Num<'a>, input_tokens: Num<'a>, output_tokens: Num<'a>, total_tokens: Num<'a>,
        prompt_tokens_details: Details<'a>, completion_tokens_details: Details<'a>, input_tokens_details: Details<'a>,
        output_tokens_details: Details<'a>, cache_read_input_tokens: Num<'a>, cache_creation_input_tokens: Num<'a>,
        cost: Num<'a>,
    }
    Details { cached_tokens: Num<'a>, reasoning_tokens: Num<'a>, }
    Kong {
        workspace_name: Str<'a>, client_ip: Str<'a>, started_at: Num<'a>, request: Request<'a>, response: Response<'a>,
        latencies: Latencies<'a>, service: Named<'a>, route: Named<'a>, consumer: Consumer<'a>,
        authenticated_entity: Named<'a>, ai: BTreeMap<Cow<'a, str>, KongCall<'a>>,
    }
    Request { id: Str<'a>, uri: Str<'a>, url: Str<'a>, headers: Headers<'a>, }
    Headers { user_agent = "user-agent": Str<'a>, authorization: Str<'a>, x_api_key = "x-api-key": Str<'a>, }
    Response { status: Num<'a>, headers: Headers<'a>, }
    Latencies { request: Num<'a>, }
    Named { id: Str<'a>, name: Str<'a>, }
    Consumer { id: Str<'a>, username: Str<'a>, custom_id: Str<'a>, }
    KongCall { usage: Usage<'a>, meta: KongMeta<'a>, cache: KongCache<'a>, }
    KongMeta { provider_name: Str<'a>, request_model: Str<'a>, response_model: Str<'a>, request_mode: Str<'a>, plugin_id: Str<'a>, }
    KongCache { cache_status: Str<'a>, }
    Bedrock {
        timestamp: Str<'a>, account = "accountId": Str<'a>, identity: Identity<'a>, region: Str<'a>, request = "requestId": Str<'a>,
        operation: Str<'a>, model = "modelId": Str<'a>, error = "errorCode": Str<'a>, inference = "inferenceRegion": Str<'a>,
        input: BedrockSide<'a>, output: BedrockSide<'a>, metadata = "requestMetadata": BTreeMap<Cow<'a, str>, Num<'a>>,
    }
    Identity { arn: Str<'a>, }
    BedrockSide {
        input = "inputTokenCount": Num<'a>, output = "outputTokenCount": Num<'a>, read = "cacheReadInputTokenCount": Num<'a>,
        write = "cacheWriteInputTokenCount": Num<'a>,
    }
    Cloudtrail {
        user_identity = "userIdentity": TrailIdentity<'a>, time = "eventTime": Str<'a>, source = "eventSource": Str<'a>,
        name = "eventName": Str<'a>, region = "awsRegion": Str<'a>, address = "sourceIPAddress": Str<'a>, agent = "userAgent": Str<'a>,
        error = "errorCode": Str<'a>, request = "requestID": Str<'a>, id = "eventID": Str<'a>, recipient = "recipientAccountId": Str<'a>,
        parameters = "requestParameters": TrailParameters<'a>, additional = "additionalEventData": TrailParameters<'a>,
    }
    TrailIdentity {
        kind = "type": Str<'a>, arn: Str<'a>, account = "accountId": Str<'a>, key = "accessKeyId": Str<'a>, user = "userName": Str<'a>,
        principal = "principalId": Str<'a>,
    }
    TrailParameters { model = "modelId": Str<'a>, region = "inferenceRegion": Str<'a>, bearer = "callWithBearerToken": Num<'a>, }
    Langfuse {
        id: Str<'a>, trace = "traceId": Str<'a>, project = "projectId": Str<'a>, kind = "type": Str<'a>, start = "startTime": Str<'a>,
        end = "endTime": Str<'a>, model: Str<'a>, usage = "usageDetails": &'a RawValue, costs = "costDetails": &'a RawValue,
        total = "totalCost": Num<'a>, user = "userId": Str<'a>, session = "sessionId": Str<'a>, environment: Str<'a>, level: Str<'a>,
        metadata: &'a RawValue,
    }
    Cloudflare {
        id: Str<'a>, created_at: Str<'a>, provider: Str<'a>, model: Str<'a>, path: Str<'a>, request_type: Str<'a>,
        status_code: Num<'a>, success: Num<'a>, cached: Num<'a>, duration: Num<'a>, step: Num<'a>, tokens_in: Num<'a>,
        tokens_out: Num<'a>, cost: Num<'a>, metadata: &'a RawValue,
    }
    Portkey {
        id: Str<'a>, trace_id: Str<'a>, created_at: Str<'a>, is_success: Num<'a>, ai_org: Str<'a>, ai_model: Str<'a>,
        req_units: Num<'a>, res_units: Num<'a>, total_units: Num<'a>, cost: Num<'a>, cost_currency: Str<'a>, request_url: Str<'a>,
        response_status_code: Num<'a>, response_time: Num<'a>, cache_status: Str<'a>, stream_mode: Str<'a>, metadata: &'a RawValue,
        prompt_slug: Str<'a>, config: Str<'a>, api_key_id: Str<'a>,
    }
    Lago {
        organization_id: Str<'a>, external_subscription_id: Str<'a>, external_customer_id: Str<'a>, transaction_id: Str<'a>,
        timestamp: Num<'a>, code: Str<'a>, properties: &'a RawValue, cents = "precise_total_amount_cents": Str<'a>,
    }
    Envoy {
        start_time: Str<'a>, path = "x-envoy-origin-path": Str<'a>, response_code: Num<'a>, response_flags: Str<'a>,
        duration: Num<'a>, agent = "user-agent": Str<'a>, id = "x-request-id": Str<'a>, hops = "x-forwarded-for": Str<'a>,
        address = "downstream_remote_address": Str<'a>, route_name: Str<'a>, asked = "gen_ai.request.model": Str<'a>,
        model = "gen_ai.response.model": Str<'a>, provider = "gen_ai.provider.name": Str<'a>,
        input = "gen_ai.usage.input_tokens": Num<'a>, output = "gen_ai.usage.output_tokens": Num<'a>, session = "session.id": Str<'a>,
    }
    GcpAudit {
        payload = "protoPayload": GcpPayload<'a>, insert = "insertId": Str<'a>, timestamp: Str<'a>, received = "receiveTimestamp": Str<'a>,
        severity: Str<'a>, log = "logName": Str<'a>, resource: GcpResource<'a>,
    }
    GcpPayload {
        service = "serviceName": Str<'a>, method = "methodName": Str<'a>, resource = "resourceName": Str<'a>, status: GcpStatus<'a>,
        authentication = "authenticationInfo": GcpAuthentication<'a>, request = "requestMetadata": GcpRequest<'a>,
    }
    GcpStatus { code: Num<'a>, }
    GcpAuthentication { email = "principalEmail": Str<'a>, key = "serviceAccountKeyName": Str<'a>, subject = "principalSubject": Str<'a>, }
    GcpRequest { address = "callerIp": Str<'a>, agent = "callerSuppliedUserAgent": Str<'a>, }
    GcpResource { labels: GcpLabels<'a>, }
    GcpLabels { project_id: Str<'a>, location: Str<'a>, }
    Generic {
        id: Str<'a>, timestamp: Num<'a>, time: Num<'a>, created: Num<'a>, model: Str<'a>, api_key: Str<'a>, api_key_id: Str<'a>, key: Str<'a>, user: Str<'a>,
        account: Str<'a>, service: Str<'a>, provider: Str<'a>, source_ip: Str<'a>, user_agent: Str<'a>, cost: Num<'a>,
        usage: Usage<'a>, response: GenericResponse<'a>,
    }
    GenericResponse { id: Str<'a>, model: Str<'a>, created: Num<'a>, usage: Usage<'a>, }
    Traces { resources = "resourceSpans": Vec<ResourceSpans<'a>>, }
    ResourceSpans { resource: Attributed<'a>, scopes = "scopeSpans": Vec<ScopeSpans<'a>>, }
    Attributed { attributes: Vec<KeyValue<'a>>, name: Str<'a>, }
    ScopeSpans { scope: Attributed<'a>, spans: Vec<Span<'a>>, }
    Span {
        trace = "traceId": Str<'a>, span = "spanId": Str<'a>, name: Str<'a>, kind: Num<'a>, start = "startTimeUnixNano": Num<'a>,
        end = "endTimeUnixNano": Num<'a>, attributes: Vec<KeyValue<'a>>, status: GcpStatus<'a>,
    }
    KeyValue { key: Str<'a>, value: AnyValue<'a>, }
    AnyValue { text = "stringValue": Str<'a>, int = "intValue": Num<'a>, double = "doubleValue": Num<'a>, flag = "boolValue": Num<'a>, }
    Logs { resources = "resourceLogs": Vec<ResourceLogs<'a>>, }
    ResourceLogs { resource: Attributed<'a>, scopes = "scopeLogs": Vec<ScopeLogs<'a>>, }
    ScopeLogs { scope: Attributed<'a>, logs = "logRecords": Vec<Log<'a>>, }
    Log {
        time = "timeUnixNano": Num<'a>, observed = "observedTimeUnixNano": Num<'a>, name = "eventName": Str<'a>, body: AnyValue<'a>,
        attributes: Vec<KeyValue<'a>>, trace = "traceId": Str<'a>, span = "spanId": Str<'a>,
    }
}

pub(crate) fn skip(bytes: &[u8]) {
    black_box(serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok());
}

/// Reads one document of a type, a list of them, or a page.
macro_rules! reader {
    ($kind:ident) => {
        |bytes| {
            let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
            let fits = if first == Some(&b'[') {
                black_box(serde_json::from_slice::<Vec<$kind<'_>>>(bytes)).is_ok()
            } else if bytes.starts_with(b"{\"object\":\"page\"")
                || bytes.starts_with(b"{\"data\":[")
            {
                black_box(serde_json::from_slice::<Page<$kind<'_>>>(bytes)).is_ok()
            } else {
                black_box(serde_json::from_slice::<$kind<'_>>(bytes)).is_ok()
            };
            black_box(fits);
        }
    };
}

/// Returns what reads a format, if it is one of those that are here.
pub(crate) fn reader_of(format: Format) -> Option<Reader> {
    Some(match format {
        Format::OpenaiUsage | Format::OpenaiCosts => reader!(OpenaiBucket),
        Format::AnthropicUsage | Format::AnthropicCosts => reader!(AnthropicBucket),
        Format::Litellm => reader!(Litellm),
        Format::Kong => reader!(Kong),
        Format::Bedrock => reader!(Bedrock),
        Format::Cloudtrail => reader!(Cloudtrail),
        Format::Langfuse => reader!(Langfuse),
        Format::Cloudflare => reader!(Cloudflare),
        Format::Portkey => reader!(Portkey),
        Format::Lago => reader!(Lago),
        Format::Envoy => reader!(Envoy),
        Format::GcpAudit => reader!(GcpAudit),
        Format::Generic => reader!(Generic),
        Format::OtlpTraces => reader!(Traces),
        Format::OtlpLogs => reader!(Logs),
        _ => return None,
    })
}
