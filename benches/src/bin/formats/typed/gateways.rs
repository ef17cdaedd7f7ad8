//! The fields of what gateways, meters and the logs of Azure say of a call.

use serde::Deserialize;

use super::shapes::{Diagnostic, LagoProperties, LitellmError, Usage, shapes};
use super::value::{Amount, Count, Flag, Loose, Members, Scalar, Text};

shapes! {
    Spend {
        payload: Box<Spend<'a>>, after: Box<Spend<'a>>, request_id: Text<'a>, call_type: Text<'a>,
        api_key: Text<'a>, spend: Amount, prompt_tokens: Count, completion_tokens: Count, total_tokens: Count,
        start = "startTime": Scalar<'a>, end = "endTime": Scalar<'a>, model: Text<'a>, model_id: Text<'a>,
        model_group: Text<'a>, custom_llm_provider: Text<'a>, user: Text<'a>,
        metadata: Loose<SpendMetadata<'a>>, cache_hit: Flag, request_tags: Loose<Text<'a>>, team_id: Text<'a>,
        organization_id: Text<'a>, end_user: Text<'a>, requester_ip_address: Text<'a>, session_id: Text<'a>,
        agent_id: Text<'a>, status: Text<'a>, request_duration_ms: Amount,
    }
    SpendMetadata {
        alias = "user_api_key_alias": Text<'a>, project = "user_api_key_project_id": Text<'a>,
        email = "user_api_key_user_email": Text<'a>, team = "user_api_key_team_alias": Text<'a>,
        user_agent: Text<'a>, status: Text<'a>, error = "error_information": LitellmError<'a>,
        values = "additional_usage_values": Usage<'a>, usage_object: Usage<'a>,
        costs = "cost_breakdown": SpendCosts<'a>, diagnostic = "zero_cost_diagnostic": Diagnostic<'a>,
    }
    SpendCosts { total_cost: Amount, }
    // A generation, a day of activity or a key.
    Openrouter {
        data: Loose<Box<Openrouter<'a>>>, id: Text<'a>, created_at: Scalar<'a>, model: Text<'a>,
        provider_name = "provider_name" | "providerName": Text<'a>, api_type: Text<'a>,
        external_user: Text<'a>, user_agent: Text<'a>, service_tier: Text<'a>, origin: Text<'a>,
        app_id: Scalar<'a>, request_id: Text<'a>, session_id: Text<'a>, upstream_id: Text<'a>, streamed: Flag,
        latency: Amount, finish_reason: Text<'a>, searches = "num_search_results": Count,
        images = "num_media_completion": Count, total_cost: Amount, is_byok: Flag,
        upstream_inference_cost: Amount, native_tokens_prompt: Count, native_tokens_completion: Count,
        native_tokens_cached: Count, native_tokens_reasoning: Count, tokens_prompt: Count,
        tokens_completion: Count, usage: Amount, date: Scalar<'a>,
        endpoint = "endpoint_id" | "endpointId": Text<'a>,
        permanent = "model_permaslug" | "modelPermaslug": Text<'a>, key = "api_key_hash": Text<'a>,
        user_id: Text<'a>, requests: Count, own = "byok_usage_inference" | "byokUsageInference": Amount,
        prompt_tokens = "prompt_tokens" | "promptTokens": Count,
        completion_tokens = "completion_tokens" | "completionTokens": Count,
        reasoning_tokens = "reasoning_tokens" | "reasoningTokens": Count, hash: Text<'a>, label: Text<'a>,
        name: Text<'a>, disabled: Flag, creator_user_id: Text<'a>, workspace_id: Text<'a>,
        updated_at: Scalar<'a>, expires_at: Scalar<'a>, limit: Amount, limit_remaining: Amount,
        limit_reset: Text<'a>, usage_daily: Amount, usage_weekly: Amount, usage_monthly: Amount,
        byok_usage: Amount,
    }
    Openmeter {
        id: Scalar<'a>, time: Scalar<'a>, source: Text<'a>, subject: Text<'a>, kind = "type": Text<'a>,
        data: Loose<LagoProperties<'a>>,
    }
    // What the proxy sends.
    Helicone { authorization: Text<'a>, meta = "heliconeMeta": HeliconeMeta<'a>, log: HeliconeLog<'a>, }
    HeliconeMeta {
        provider = "gatewayProvider": Text<'a>, model = "gatewayModel": Text<'a>,
        overridden = "modelOverride": Text<'a>,
    }
    HeliconeLog { request: HeliconeCall<'a>, response: HeliconeAnswer<'a>, }
    HeliconeCall {
        id: Text<'a>, time = "requestCreatedAt": Scalar<'a>, provider: Text<'a>,
        proxy_key = "heliconeProxyKeyId": Scalar<'a>, api_key = "heliconeApiKeyId": Scalar<'a>,
        user = "userId": Text<'a>, path: Text<'a>, country = "countryCode": Text<'a>,
        stream = "isStream": Flag, prompt = "promptId": Text<'a>, properties: Members<'a>,
        cached = "cacheReferenceId": Text<'a>, threat: Flag,
    }
    HeliconeAnswer { time = "responseCreatedAt": Scalar<'a>, delay = "delayMs": Amount, status: Amount, }
    // What the API lists.
    HeliconePage { data: Vec<HeliconeListed<'a>>, }
    HeliconeListed {
        request_id: Text<'a>, request_created_at: Scalar<'a>, provider: Text<'a>,
        key = "proxy_key_id": Text<'a>, organization_id: Text<'a>, request_user_id: Text<'a>,
        response_model: Text<'a>, request_model: Text<'a>, request_path: Text<'a>, country_code: Text<'a>,
        delay_ms: Amount, request_properties: Loose<Members<'a>>, response_status: Amount,
        cache_reference_id: Text<'a>, threat: Flag, cost = "costUSD": Amount, prompt_tokens: Count,
        prompt_cache_read_tokens: Count, prompt_cache_write_tokens: Count, completion_tokens: Count,
        reasoning_tokens: Count, total_tokens: Count,
    }
    // The log of a request, and what a plugin writes into it or beside it.
    Higress {
        ai_log: Loose<Box<Higress<'a>>>, start_time: Scalar<'a>, request_id: Text<'a>, consumer: Text<'a>,
        x_mse_consumer: Text<'a>, authorization: Text<'a>, cluster = "upstream_cluster": Text<'a>,
        path: Text<'a>, route_name: Text<'a>, response_flags: Text<'a>, trace_id: Text<'a>,
        user_agent: Text<'a>, address = "downstream_remote_address": Text<'a>,
        hops = "x_forwarded_for": Text<'a>, response_code: Count, duration: Amount, provider: Text<'a>,
        model: Text<'a>, asked = "request_model_original": Text<'a>, chat_id: Text<'a>, session_id: Text<'a>,
        response_type: Text<'a>, usage: Loose<Usage<'a>>, input_token: Count, output_token: Count,
        total_token: Count, cached_tokens: Count, reasoning_tokens: Count,
    }
    Apisix {
        time = "start_time" | "@timestamp": Scalar<'a>, request: ApisixRequest<'a>,
        response: ApisixResponse<'a>, service_id: Text<'a>, route_id: Text<'a>, client_ip: Text<'a>,
        latency: Amount, summary = "llm_summary": ApisixSummary<'a>, consumer: ApisixConsumer<'a>,
        consumer_name: Text<'a>, request_type: Text<'a>, status: Count, asked = "request_llm_model": Text<'a>,
        model = "llm_model": Text<'a>, prompt_tokens = "llm_prompt_tokens": Count,
        completion_tokens = "llm_completion_tokens": Count,
    }
    ApisixRequest { uri: Text<'a>, headers: ApisixHeaders<'a>, size: Count, }
    ApisixResponse { status: Count, headers: ApisixHeaders<'a>, size: Count, }
    ApisixHeaders {
        agent = "user-agent": Text<'a>, authorization: Text<'a>, apikey: Text<'a>,
        id = "x-request-id": Text<'a>,
    }
    ApisixConsumer { username: Text<'a>, }
    ApisixSummary {
        model: Text<'a>, request_model: Text<'a>, end_user_id: Text<'a>, stream: Flag, prompt_tokens: Count,
        completion_tokens: Count, total_tokens: Count, cache_read_input_tokens: Count,
        cache_creation_input_tokens: Count, reasoning_tokens: Count,
    }
    // A record and its properties, which an export of Log Analytics has in the record itself.
    Apim {
        records: Vec<Apim<'a>>, category = "category" | "Type": Text<'a>,
        resource = "resourceId" | "_ResourceId": Text<'a>, time = "time" | "TimeGenerated": Scalar<'a>,
        location: Text<'a>, region = "Region": Text<'a>, address = "callerIpAddress": Text<'a>,
        correlation = "correlationId" | "CorrelationId": Text<'a>, duration = "durationMs": Amount,
        properties: Loose<Box<Apim<'a>>>, sequence = "sequenceNumber" | "SequenceNumber": Count,
        model = "modelName" | "ModelName": Text<'a>, prompt = "promptTokens" | "PromptTokens": Count,
        cached = "promptCachedTokens": Count, completion = "completionTokens" | "CompletionTokens": Count,
        total = "totalTokens" | "TotalTokens": Count,
        deployment = "deploymentName" | "DeploymentName": Text<'a>,
        request = "requestId" | "RequestId": Text<'a>,
        stream = "isStreamCompletion" | "IsStreamCompletion": Flag,
        version = "apiVersion" | "ApiVersion": Text<'a>, url: Text<'a>, backend = "backendUrl": Text<'a>,
        operation = "operationId": Text<'a>, user = "userId": Text<'a>,
        subscription = "apimSubscriptionId": Text<'a>, headers = "requestHeaders": ApisixHeaders<'a>,
        status = "responseCode": Count, error = "lastError": Diagnostic<'a>, api = "apiId": Text<'a>,
        product = "productId": Text<'a>,
    }
    Diagnostics {
        records: Vec<Diagnostics<'a>>, time: Scalar<'a>, resource = "resourceId": Text<'a>,
        category: Text<'a>, operation = "operationName": Text<'a>, address = "callerIpAddress": Text<'a>,
        correlation = "correlationId": Text<'a>, result = "resultType": Text<'a>,
        signature = "resultSignature": Scalar<'a>, duration = "durationMs": Amount, location: Text<'a>,
        caller: Text<'a>, identity: DiagnosticsIdentity<'a>, properties: Loose<DiagnosticsCall<'a>>,
    }
    DiagnosticsIdentity { claims: DiagnosticsClaims<'a>, }
    DiagnosticsClaims {
        upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": Text<'a>,
        object = "http://schemas.microsoft.com/identity/claims/objectidentifier": Text<'a>, appid: Text<'a>,
    }
    DiagnosticsCall {
        api = "apiName": Text<'a>, asked = "requestTime": Scalar<'a>, answered = "responseTime": Scalar<'a>,
        request_bytes = "requestLength": Count, response_bytes = "responseLength": Count,
        object = "objectId": Text<'a>, stream = "streamType": Text<'a>,
        deployment = "modelDeploymentName": Text<'a>, model = "modelName": Text<'a>,
        version = "modelVersion": Text<'a>, tenant = "tenantId": Text<'a>,
    }
}
