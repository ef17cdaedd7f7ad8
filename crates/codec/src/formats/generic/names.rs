//! The names that people give the fields of an event; of each list the first that is there.

use model::TextField;

use crate::json::Path;

/// Where the usage object is.
pub(super) const USAGE: &[Path] = &Path::all([
    "usage",
    "usageMetadata",
    "usage_metadata",
    "response.usage",
    "response.usageMetadata",
    "response.body.usage",
    "response.body.usageMetadata",
    "response_body.usage",
    "responseBody.usage",
    "body.usage",
    "result.usage",
    "message.usage",
    "completion.usage",
    "llm.usage",
    "output.usage",
]);

/// Token counts that stand in the event itself, under names that the native event does not have.
pub(super) const FLAT: &[Path] = &Path::all([
    "prompt_tokens",
    "completion_tokens",
    "promptTokenCount",
    "inputTokens",
    "outputTokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
]);

/// Token counts that the native event has too.
pub(super) const COUNTS: &[Path] = &Path::all(["input_tokens", "output_tokens"]);

/// When it happened.
pub(super) const TIMES: &[Path] = &Path::all([
    "time",
    "timestamp",
    "@timestamp",
    "ts",
    "event_time",
    "eventTime",
    "start_time",
    "startTime",
    "started_at",
    "startedAt",
    "request_time",
    "requestTime",
    "created_at",
    "createdAt",
    "created",
    "date",
    "response.created",
    "response.created_at",
    "response.createTime",
]);

/// Where the key is, from the safest name to the last.
pub(crate) const KEYS: &[Path] = &Path::all([
    "api_key_id",
    "apiKeyId",
    "key_id",
    "keyId",
    "api_key_hash",
    "key_hash",
    "virtual_key",
    "virtual_key_id",
    "api_key",
    "apiKey",
    "key",
    "authorization",
    "headers.authorization",
    "headers.Authorization",
    "headers.x-api-key",
    "request.headers.authorization",
    "request.headers.Authorization",
    "request.headers.x-api-key",
]);

/// What is text, by the names it is found under; the first that is there.
pub(super) const TEXTS: &[(TextField, &[Path])] = &[
    (
        TextField::Id,
        &Path::all([
            "event_id",
            "eventId",
            "id",
            "request_id",
            "requestId",
            "x-request-id",
            "response.id",
            "response.body.id",
        ]),
    ),
    (
        TextField::Account,
        &Path::all([
            "account",
            "account_id",
            "accountId",
            "tenant",
            "tenant_id",
            "tenantId",
            "organization",
            "organization_id",
            "org_id",
            "orgId",
        ]),
    ),
    (
        TextField::Project,
        &Path::all(["project", "project_id", "projectId"]),
    ),
    (
        TextField::Workspace,
        &Path::all(["workspace", "workspace_id", "workspaceId"]),
    ),
    (TextField::Team, &Path::all(["team", "team_id", "teamId"])),
    (TextField::Key, KEYS),
    (
        TextField::KeyAlias,
        &Path::all([
            "api_key_name",
            "apiKeyName",
            "key_name",
            "keyName",
            "key_alias",
        ]),
    ),
    (TextField::User, &Path::all(["user_id", "userId", "user"])),
    (
        TextField::EndUser,
        &Path::all(["end_user", "endUser", "end_user_id", "customer_id"]),
    ),
    (
        TextField::Service,
        &Path::all([
            "service",
            "service_name",
            "serviceName",
            "app",
            "application",
            "app_name",
        ]),
    ),
    (
        TextField::Model,
        &Path::all([
            "response.model",
            "response.body.model",
            "response_model",
            "model",
            "model_name",
            "modelName",
            "modelVersion",
            "modelId",
            "model_id",
            "response.modelVersion",
        ]),
    ),
    (
        TextField::ModelRequested,
        &Path::all([
            "request.model",
            "request.body.model",
            "request_model",
            "requested_model",
        ]),
    ),
    (
        TextField::Deployment,
        &Path::all(["deployment", "deployment_id", "deployment_name"]),
    ),
    (
        TextField::Operation,
        &Path::all(["operation", "operation_name", "endpoint", "path"]),
    ),
    (
        TextField::Error,
        &Path::all(["error_code", "errorCode", "error.code", "error.type"]),
    ),
    (TextField::Country, &Path::all(["country", "country_code"])),
    (
        TextField::UserAgent,
        &Path::all([
            "user_agent",
            "userAgent",
            "user-agent",
            "headers.user-agent",
            "headers.User-Agent",
            "request.headers.user-agent",
            "request.user_agent",
            "client.user_agent",
        ]),
    ),
    (TextField::Region, &Path::all(["region", "location"])),
    (
        TextField::ServiceTier,
        &Path::all([
            "service_tier",
            "usage.service_tier",
            "response.service_tier",
            "response.usage.service_tier",
        ]),
    ),
];

pub(super) const PROVIDERS: &[Path] = &Path::all([
    "provider",
    "provider_name",
    "providerName",
    "llm_provider",
    "vendor",
]);
pub(super) const ADDRESSES: &[Path] = &Path::all([
    "source_ip",
    "sourceIp",
    "client_ip",
    "clientIp",
    "ip",
    "ip_address",
    "ipAddress",
    "remote_addr",
    "remote_ip",
    "client.ip",
    "client.address",
    "request.ip",
    "request.client_ip",
]);
pub(super) const HOPS: &[Path] = &Path::all([
    "x-forwarded-for",
    "x_forwarded_for",
    "headers.x-forwarded-for",
    "headers.X-Forwarded-For",
    "request.headers.x-forwarded-for",
]);
pub(super) const STATUSES: &[Path] = &Path::all([
    "status_code",
    "statusCode",
    "http_status",
    "response.status",
    "response.status_code",
    "response.statusCode",
    "status",
]);
pub(super) const COSTS: &[Path] = &Path::all([
    "cost_usd",
    "costUsd",
    "cost",
    "total_cost",
    "totalCost",
    "usage.cost",
    "response.usage.cost",
]);
pub(super) const LATENCIES: &[Path] = &Path::all([
    "latency_ms",
    "latencyMs",
    "duration_ms",
    "durationMs",
    "response_time_ms",
]);
