//! The fields of each format that its decoder reads.

use serde::Deserialize;

use super::value::{Amount, AnyValue, Count, Flag, Loose, Members, Scalar, Text};

/// Structs of optional fields: `field = "name on the wire" | "another one": kind`.
macro_rules! shapes {
    ($($name:ident { $($field:ident $(= $wire:literal $(| $alias:literal)*)?: $kind:ty,)* })*) => {$(
        #[derive(Deserialize)]
        #[serde(bound(deserialize = "'de: 'a"))]
        #[allow(dead_code, reason = "only reading them is measured")]
        pub(super) struct $name<'a> {
            $(
                #[serde(default)]
                $(#[serde(rename = $wire $(, alias = $alias)*)])?
                $field: Option<$kind>,
            )*
            #[serde(skip)]
            lifetime: std::marker::PhantomData<&'a ()>,
        }
    )*};
}

pub(super) use shapes;

shapes! {
    OpenaiPage { object: Text<'a>, data: Vec<OpenaiBucket<'a>>, }
    OpenaiBucket { object: Text<'a>, start_time: Scalar<'a>, end_time: Scalar<'a>, results = "results" | "result": Vec<OpenaiResult<'a>>, }
    OpenaiResult {
        object: Text<'a>, start_time: Scalar<'a>, end_time: Scalar<'a>, input_tokens: Count, output_tokens: Count,
        input_cached_tokens: Count, input_cache_write_tokens: Count, num_model_requests: Count,
        project_id: Text<'a>, organization_id: Text<'a>, user_id: Text<'a>, api_key_id: Text<'a>, model: Text<'a>, batch: Flag,
        service_tier: Text<'a>, api_source: Text<'a>, size: Text<'a>, source: Text<'a>,
        context_level: Text<'a>, images: Amount, characters: Amount, seconds: Amount, usage_bytes: Amount,
        num_sessions: Amount, num_requests: Count, amount: Money<'a>, line_item: Text<'a>, quantity: Amount,
        quantity_unit: Text<'a>,
    }
    Money { value: Amount, currency: Text<'a>, }
    AnthropicPage { data: Vec<AnthropicBucket<'a>>, }
    AnthropicBucket { starting_at: Text<'a>, ending_at: Text<'a>, results: Vec<AnthropicResult<'a>>, }
    AnthropicResult {
        starting_at: Text<'a>, ending_at: Text<'a>,
        uncached_input_tokens: Count, cache_read_input_tokens: Count, cache_creation: CacheCreation<'a>,
        output_tokens: Count, server_tool_use: ServerTools<'a>, api_key_id: Text<'a>, workspace_id: Text<'a>,
        account_id: Text<'a>, service_account_id: Text<'a>, model: Text<'a>, service_tier: Text<'a>,
        context_window: Text<'a>, inference_geo: Text<'a>, speed: Text<'a>, amount: Amount, currency: Text<'a>,
        cost_type: Text<'a>, description: Text<'a>, token_type: Text<'a>,
    }
    CacheCreation { ephemeral_1h_input_tokens: Count, ephemeral_5m_input_tokens: Count, }
    ServerTools { web_search_requests: Amount, }
    // The usage object of any provider.
    Usage {
        prompt_tokens = "prompt_tokens" | "promptTokenCount" | "inputTokens" | "prompt_token": Count,
        completion_tokens = "completion_tokens" | "candidatesTokenCount" | "outputTokens" | "completion_token": Count,
        input_tokens: Count, output_tokens: Count, total_tokens = "total_tokens" | "totalTokenCount" | "totalTokens": Count,
        input_details = "prompt_tokens_details" | "input_tokens_details": Details<'a>,
        output_details = "completion_tokens_details" | "output_tokens_details": Details<'a>,
        cache_read = "cache_read_input_tokens" | "cachedContentTokenCount" | "cacheReadInputTokens": Count,
        cache_write = "cache_creation_input_tokens" | "cacheWriteInputTokens": Count, cache_creation: CacheCreation<'a>,
        tool_prompts = "toolUsePromptTokenCount": Count, thoughts = "thoughtsTokenCount": Count, cost: Amount,
        service_tier: Text<'a>,
    }
    Details { cached_tokens: Count, cache_write_tokens: Count, reasoning_tokens: Count, }
    Litellm {
        id: Text<'a>, litellm_call_id: Text<'a>, trace_id: Text<'a>, call_type: Text<'a>, stream: Flag,
        status: Scalar<'a>, custom_llm_provider: Text<'a>, response_cost: Amount, model: Text<'a>, model_id: Text<'a>,
        model_group: Text<'a>, prompt_tokens: Count, completion_tokens: Count, total_tokens: Count,
        start = "startTime": Scalar<'a>, end = "endTime": Scalar<'a>, response_time: Amount, cache_hit: Flag,
        end_user: Text<'a>, requester_ip_address: Text<'a>, user_agent: Text<'a>, error_information: LitellmError<'a>,
        zero_cost_diagnostic: Diagnostic<'a>, metadata: LitellmMetadata<'a>,
    }
    LitellmError { error_code: Text<'a>, error_class: Text<'a>, }
    Diagnostic { reason: Text<'a>, }
    LitellmMetadata {
        user_api_key_hash: Text<'a>, user_api_key_alias: Text<'a>, user_api_key_team_id: Text<'a>,
        user_api_key_team_alias: Text<'a>, user_api_key_user_id: Text<'a>, user_api_key_user_email: Text<'a>,
        user_api_key_org_id: Text<'a>, user_api_key_project_id: Text<'a>, requester_ip_address: Text<'a>,
        user_agent: Text<'a>, usage_object: Usage<'a>,
    }
    Kong {
        workspace: Text<'a>, workspace_name: Text<'a>, client_ip: Text<'a>, started_at: Scalar<'a>, request: Request<'a>,
        response: Response<'a>, latencies: Latencies<'a>, service: Named<'a>, route: Named<'a>, consumer: Consumer<'a>,
        authenticated_entity: Named<'a>, ai: Members<'a, KongCall<'a>>,
    }
    Request { id: Text<'a>, uri: Text<'a>, url: Text<'a>, headers: Headers<'a>, }
    Headers {
        user_agent = "user-agent": Text<'a>, authorization: Text<'a>, x_api_key = "x-api-key": Text<'a>,
        hops = "x-forwarded-for": Text<'a>,
    }
    Response { status: Count, }
    Latencies { request: Amount, }
    Named { id: Text<'a>, name: Text<'a>, }
    Consumer { id: Text<'a>, username: Text<'a>, custom_id: Text<'a>, }
    KongCall { usage: Usage<'a>, meta: KongMeta<'a>, cache: KongCache<'a>, }
    KongMeta {
        provider_name: Text<'a>, request_model: Text<'a>, response_model: Text<'a>, request_mode: Text<'a>,
        plugin_id: Text<'a>,
    }
    KongCache { cache_status: Text<'a>, }
    Bedrock {
        schema = "schemaType": Text<'a>, timestamp: Scalar<'a>, account = "accountId": Text<'a>, identity: Arn<'a>,
        region: Text<'a>, request = "requestId": Text<'a>, operation: Text<'a>, model = "modelId": Text<'a>,
        error = "errorCode": Text<'a>, inference = "inferenceRegion": Text<'a>, input: BedrockSide<'a>,
        output: BedrockSide<'a>, metadata = "requestMetadata": Members<'a>,
    }
    Arn { arn: Text<'a>, }
    BedrockSide {
        input = "inputTokenCount": Count, output = "outputTokenCount": Count, read = "cacheReadInputTokenCount": Count,
        write = "cacheWriteInputTokenCount": Count, body = "outputBodyJson": BedrockBody<'a>,
    }
    BedrockBody { usage: Usage<'a>, }
    Cloudtrail {
        records = "Records": Vec<Cloudtrail<'a>>, detail: Box<Cloudtrail<'a>>,
        identity = "userIdentity": TrailIdentity<'a>, time = "eventTime": Scalar<'a>, source = "eventSource": Text<'a>,
        name = "eventName": Text<'a>, region = "awsRegion": Text<'a>, address = "sourceIPAddress": Text<'a>,
        agent = "userAgent": Text<'a>, error = "errorCode": Text<'a>, request = "requestID": Text<'a>,
        id = "eventID": Text<'a>, recipient = "recipientAccountId": Text<'a>, vpc_endpoint = "vpcEndpointId": Text<'a>,
        parameters = "requestParameters": TrailParameters<'a>, additional = "additionalEventData": TrailParameters<'a>,
        response = "responseElements": TrailResponse<'a>,
    }
    TrailIdentity {
        kind = "type": Scalar<'a>, arn: Text<'a>, account = "accountId": Text<'a>, key = "accessKeyId": Text<'a>,
        user = "userName": Text<'a>, principal = "principalId": Text<'a>, by = "invokedBy": Text<'a>,
        session = "sessionContext": TrailSession<'a>,
    }
    TrailSession { issuer = "sessionIssuer": Arn<'a>, }
    TrailParameters {
        model = "modelId" | "model": Text<'a>, region = "inferenceRegion": Text<'a>, bearer = "callWithBearerToken": Flag,
        kind = "bearerTokenType": Scalar<'a>, user = "userName": Text<'a>, service = "serviceName": Scalar<'a>,
        key = "accessKeyId" | "serviceSpecificCredentialId": Text<'a>, status: Scalar<'a>,
        days = "credentialAgeDays": Scalar<'a>,
    }
    TrailResponse { key = "accessKey" | "serviceSpecificCredential": TrailKey<'a>, }
    TrailKey {
        user = "userName": Text<'a>, id = "accessKeyId" | "serviceSpecificCredentialId": Text<'a>, status: Scalar<'a>,
        alias = "serviceCredentialAlias": Text<'a>, expires = "expirationDate": Text<'a>,
    }
    Langfuse {
        data: Vec<Langfuse<'a>>, id: Text<'a>, trace = "traceId" | "trace_id": Text<'a>,
        project = "projectId" | "project_id": Text<'a>, kind = "type": Scalar<'a>, start = "startTime" | "start_time": Scalar<'a>,
        end = "endTime" | "end_time": Scalar<'a>, model = "model" | "provided_model_name": Text<'a>,
        usage = "usageDetails" | "usage_details": Loose<Members<'a>>, costs = "costDetails" | "cost_details": Loose<Total<'a>>,
        total = "totalCost" | "total_cost": Amount, user = "userId" | "user_id": Text<'a>, session = "sessionId": Text<'a>,
        environment: Text<'a>, level: Text<'a>, metadata: Loose<LangfuseMetadata<'a>>,
    }
    Total { total: Amount, }
    LangfuseMetadata {
        provider = "custom_llm_provider" | "provider" | "ls_provider": Text<'a>,
        key = "user_api_key_hash" | "api_key_id" | "key_id": Text<'a>, alias = "user_api_key_alias": Text<'a>,
        team = "user_api_key_team_id": Text<'a>, user = "user_api_key_user_id": Text<'a>,
        address = "requester_ip_address": Text<'a>, stream: Flag,
    }
    CloudflareAnswer { result: Loose<Cloudflare<'a>>, }
    Cloudflare {
        id: Text<'a>, created_at: Scalar<'a>, provider: Text<'a>, model: Text<'a>,
        path: Text<'a>, request_type: Text<'a>, model_type: Text<'a>, user_agent: Text<'a>, gateway: Text<'a>,
        status_code: Count, success: Flag, cached: Flag, action = "dlp_action" | "firewall_action": Text<'a>,
        duration: Amount, step: Scalar<'a>, tokens_in: Count, tokens_out: Count, cached_tokens_in: Count, cost: Amount,
        metadata: Loose<Members<'a>>,
    }
    Portkey {
        id: Text<'a>, trace_id: Text<'a>, created_at: Scalar<'a>, is_success: Flag, ai_org: Text<'a>, ai_model: Text<'a>,
        req_units: Count, res_units: Count, total_units: Count, cost: Amount, cost_currency: Text<'a>, request_url: Text<'a>,
        response_status_code: Count, response_time: Amount, cache_status: Text<'a>, stream_mode: Flag,
        metadata: Loose<Members<'a>>, prompt_slug: Text<'a>, config: Text<'a>, key = "api_key_id" | "virtual_key": Text<'a>,
        organisation = "organisation_id": Text<'a>, workspace = "workspace_slug": Text<'a>, response: BedrockBody<'a>,
    }
    Lago {
        events: Vec<Lago<'a>>, event: Box<Lago<'a>>, organization_id: Text<'a>, external_subscription_id: Text<'a>,
        external_customer_id: Text<'a>, transaction_id: Text<'a>, timestamp: Scalar<'a>, code: Scalar<'a>,
        properties: Loose<LagoProperties<'a>>, cents = "precise_total_amount_cents": Amount,
    }
    LagoProperties {
        provider: Text<'a>, model: Text<'a>, key = "api_key_id" | "key_id": Text<'a>, user_id: Text<'a>,
        cost = "response_cost" | "cost": Amount, prompt_tokens = "prompt_tokens" | "input_tokens": Count,
        completion_tokens = "completion_tokens" | "output_tokens": Count, total_tokens: Count,
        amount = "tokens" | "value": Count, class = "token_type" | "type": Text<'a>,
    }
    Envoy {
        start_time: Scalar<'a>, path = "x-envoy-origin-path" | "path": Text<'a>, response_code: Count, response_flags: Text<'a>,
        duration: Amount, agent = "user-agent": Text<'a>, id = "x-request-id": Text<'a>, hops = "x-forwarded-for": Text<'a>,
        address = "downstream_remote_address": Text<'a>, route_name: Text<'a>, authorization: Text<'a>,
        asked = "gen_ai.request.model" | "x-ai-eg-model": Text<'a>, model = "gen_ai.response.model": Text<'a>,
        provider = "gen_ai.provider.name" | "backend_name": Text<'a>, key = "x-client-id": Text<'a>, tenant = "x-tenant-id": Text<'a>,
        input = "gen_ai.usage.input_tokens" | "llm_input_token": Count, output = "gen_ai.usage.output_tokens" | "llm_output_token": Count,
        total = "gen_ai.usage.total_tokens" | "llm_total_token": Count,
        cached = "gen_ai.usage.cached_input_tokens" | "llm_cached_input_token": Count,
        written = "llm_cache_creation_input_token": Count, session = "session.id": Text<'a>, dynamic_metadata: Box<Envoy<'a>>,
        own = "io.envoy.ai_gateway": Loose<Box<Envoy<'a>>>,
    }
    GcpAudit {
        payload = "protoPayload": GcpPayload<'a>, insert = "insertId": Text<'a>, timestamp: Scalar<'a>,
        received = "receiveTimestamp": Text<'a>, severity: Text<'a>, log = "logName": Text<'a>, resource: GcpResource<'a>,
        operation: GcpOperation<'a>,
    }
    GcpOperation { first: Flag, last: Flag, }
    GcpPayload {
        service = "serviceName": Scalar<'a>, method = "methodName": Text<'a>, resource = "resourceName": Text<'a>,
        status: GcpStatus<'a>, authentication = "authenticationInfo": GcpAuthentication<'a>, meta = "requestMetadata": GcpRequest<'a>,
    }
    GcpStatus { code: Scalar<'a>, }
    GcpAuthentication {
        email = "principalEmail": Text<'a>, key = "serviceAccountKeyName": Text<'a>, subject = "principalSubject": Text<'a>,
    }
    GcpRequest { address = "callerIp": Text<'a>, agent = "callerSuppliedUserAgent": Text<'a>, }
    GcpResource { labels: GcpLabels<'a>, }
    GcpLabels { project_id: Text<'a>, location: Text<'a>, }
    // What the records say, and none of the hundred other names.
    Generic {
        id: Text<'a>, event_id: Text<'a>, request_id: Text<'a>, timestamp: Scalar<'a>, time: Scalar<'a>, created: Scalar<'a>,
        created_at: Scalar<'a>, model = "model" | "modelId" | "modelVersion": Text<'a>, api_key_id: Text<'a>, key: Text<'a>,
        user_id: Text<'a>, provider: Text<'a>, client_ip: Text<'a>, user_agent: Text<'a>, headers: Headers<'a>,
        latency_ms: Amount, status_code: Count, status: Scalar<'a>, service_tier: Text<'a>, cost = "cost" | "cost_usd": Amount,
        prompt_tokens: Count, completion_tokens: Count, usage = "usage" | "usageMetadata": Usage<'a>,
        response = "response" | "message" | "data": GenericResponse<'a>, subject: Text<'a>, source: Text<'a>,
        kind = "type": Scalar<'a>,
    }
    GenericResponse {
        id: Text<'a>, created: Scalar<'a>, model: Text<'a>, service_tier: Text<'a>, api_key_id: Text<'a>, usage: Usage<'a>,
    }
    Otlp {
        resources = "resourceSpans" | "resource_spans" | "resourceLogs" | "resource_logs": Vec<Resource<'a>>,
    }
    Resource { resource: Attributed<'a>, scopes = "scopeSpans" | "scope_spans" | "instrumentationLibrarySpans" | "instrumentation_library_spans" | "scopeLogs" | "scope_logs": Vec<Scope<'a>>, }
    Attributed { attributes: Loose<Attribute<'a>>, name: Text<'a>, }
    Scope { scope = "scope" | "instrumentationLibrary" | "instrumentation_library": Attributed<'a>, items = "spans" | "logRecords" | "log_records": Vec<Item<'a>>, }
    Item {
        trace = "traceId" | "trace_id": Text<'a>, span = "spanId" | "span_id": Text<'a>, kind: Scalar<'a>,
        start = "startTimeUnixNano" | "start_time_unix_nano": Scalar<'a>, end = "endTimeUnixNano" | "end_time_unix_nano": Scalar<'a>,
        time = "timeUnixNano" | "time_unix_nano": Scalar<'a>, observed = "observedTimeUnixNano" | "observed_time_unix_nano": Scalar<'a>,
        event = "eventName" | "event_name": Text<'a>, body: Loose<AnyValue<'a>>, attributes: Loose<Attribute<'a>>,
        status: GcpStatus<'a>,
    }
    Attribute { key: Text<'a>, value: AnyValue<'a>, }
    OtlpMetrics { resources = "resourceMetrics" | "resource_metrics": Vec<MetricResource<'a>>, }
    MetricResource { resource: Attributed<'a>, scopes = "scopeMetrics" | "scope_metrics": Vec<MetricScope<'a>>, }
    MetricScope { scope: Attributed<'a>, metrics: Vec<Metric<'a>>, }
    Metric { name: Text<'a>, data = "sum" | "histogram": MetricData<'a>, }
    MetricData {
        temporality = "aggregationTemporality" | "aggregation_temporality": Scalar<'a>,
        points = "dataPoints" | "data_points": Vec<Point<'a>>,
    }
    Point {
        start = "startTimeUnixNano" | "start_time_unix_nano": Scalar<'a>,
        end = "timeUnixNano" | "time_unix_nano": Scalar<'a>, count: Count, flags: Count,
        value = "asInt" | "as_int" | "asDouble" | "as_double" | "sum": Amount, attributes: Loose<Attribute<'a>>,
    }
}
