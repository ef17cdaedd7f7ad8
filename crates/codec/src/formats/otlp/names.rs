//! The names of the attributes, in every generation, and the fields they are.
//!
//! A list has the current name first and the older ones after it, then those of libraries that came
//! before the conventions.

use model::TextField;

/// Where the key of a call may be, the first that is there: no convention has an attribute for it.
///
/// Those of the event come before those of its scope and its resource, and a header of the record
/// is last. Whatever looks like a secret becomes a fingerprint. Last are the accounts that coding
/// assistants are signed in to, where no key is named.
pub const DEFAULT_KEY_ATTRIBUTES: &[&str] = &[
    "gen_ai.api_key.id",
    "api_key.id",
    "api_key_id",
    "anthropic.api_key.id",
    "anthropic.api_key_id",
    "openai.api_key.id",
    "openai.api_key_id",
    "metadata.user_api_key_hash",
    "api_key.hash",
    "api_key_hash",
    "virtual_key.id",
    "virtual_key_id",
    "virtual_key",
    "gen_ai.api_key",
    "api_key",
    "http.request.header.authorization",
    "http.request.header.x-api-key",
    "http.request.header.api-key",
    "http.request.header.x-goog-api-key",
    "user.account_uuid",
    "user.account_id",
];

/// The last two of the list.
pub(super) const SIGNED_IN: [&str; 2] = ["user.account_uuid", "user.account_id"];

/// What is text, by the names it is found under.
pub(super) const TEXTS: &[(TextField, &[&str])] = &[
    (
        TextField::Account,
        &[
            "anthropic.organization.id",
            "organization.id",
            "openai.organization.id",
            "gen_ai.openai.response.organization",
            "metadata.user_api_key_org_id",
        ],
    ),
    (
        TextField::Project,
        &[
            "openai.project.id",
            "project.id",
            "metadata.user_api_key_project_id",
        ],
    ),
    (
        TextField::Workspace,
        &["anthropic.workspace.id", "workspace.id"],
    ),
    (
        TextField::Team,
        &["team.id", "metadata.user_api_key_team_id"],
    ),
    (
        TextField::KeyAlias,
        &[
            "gen_ai.api_key.name",
            "api_key.name",
            "api_key_name",
            "api_key.alias",
            "metadata.user_api_key_alias",
        ],
    ),
    (
        TextField::Principal,
        &[
            "user.email",
            "metadata.user_api_key_user_email",
            "user.account_uuid",
            "user.account_id",
        ],
    ),
    (
        TextField::User,
        &["user.id", "metadata.user_api_key_user_id"],
    ),
    (
        TextField::EndUser,
        &[
            "enduser.id",
            "enduser.pseudo.id",
            "langfuse.user.id",
            "traceloop.association.properties.user_id",
        ],
    ),
    (TextField::Service, &["service.name"]),
    (TextField::Model, MODEL),
    (TextField::ModelRequested, REQUESTED),
    (
        TextField::ServiceTier,
        &[
            "openai.response.service_tier",
            "gen_ai.openai.response.service_tier",
            "gen_ai.response.service_tier",
            "openai.request.service_tier",
            "gen_ai.openai.request.service_tier",
        ],
    ),
    (
        TextField::Error,
        &["error.type", "error.code", "error_type", "exception.type"],
    ),
    (
        TextField::UserAgent,
        &[
            "user_agent.original",
            "http.user_agent",
            "user_agent",
            "user-agent",
            "http.request.header.user-agent",
        ],
    ),
];

pub(super) const MODEL: &[&str] = &[
    "gen_ai.response.model",
    "llm.response.model",
    "gen_ai.request.model",
    "llm.request.model",
    "llm.model_name",
    "embedding.model_name",
    "langfuse.observation.model.name",
    "model",
];
pub(super) const REQUESTED: &[&str] = &["gen_ai.request.model", "llm.request.model"];
pub(super) const PROVIDER: &[&str] = &[
    "gen_ai.provider.name",
    "gen_ai.system",
    "gen_ai.model.provider",
    "llm.provider",
    "llm.system",
];

pub(super) const INPUT: &[&str] = &[
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
    "input_tokens",
    "input_token_count",
];
pub(super) const OUTPUT: &[&str] = &[
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
    "output_tokens",
    "output_token_count",
];
/// Names by which cached tokens are said to be a part of the input.
pub(super) const CACHE_READ_INSIDE: &[&str] = &[
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "llm.token_count.prompt_details.cache_read",
    "cached_token_count",
    "cached_content_token_count",
];
/// Names by which they may be either.
pub(super) const CACHE_READ: &[&str] = &[
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cache_read_tokens",
    "llm.usage.cache_read_input_tokens",
    "cache_read_tokens",
];
pub(super) const CACHE_WRITE_INSIDE: &[&str] = &[
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.input_tokens.cache_write",
    "llm.token_count.prompt_details.cache_write",
];
pub(super) const CACHE_WRITE: &[&str] = &[
    "gen_ai.usage.cache_creation_input_tokens",
    "gen_ai.usage.details.cache_write_tokens",
    "llm.usage.cache_creation_input_tokens",
    "cache_creation_tokens",
];
pub(super) const WRITE_5M: &[&str] = &["anthropic.usage.cache_creation.ephemeral_5m_input_tokens"];
pub(super) const WRITE_1H: &[&str] = &["anthropic.usage.cache_creation.ephemeral_1h_input_tokens"];
pub(super) const REASONING: &[&str] = &[
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.output_tokens.reasoning",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "reasoning_token_count",
];
pub(super) const TOTAL: &[&str] = &[
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "total_token_count",
];

pub(super) const COST: &[&str] = &[
    "gen_ai.usage.cost",
    "gen_ai.usage.total_cost",
    "llm.cost.total",
    "cost_usd",
];
pub(super) const COST_MICROS: &[&str] = &["cost_usd_micros"];

pub(super) const OPERATION: &str = "gen_ai.operation.name";
pub(super) const STATUS: &[&str] = &[
    "http.response.status_code",
    "http.status_code",
    "status_code",
    "response_code",
];
pub(super) const ADDRESS: &[&str] = &[
    "client.address",
    "source.address",
    "http.client_ip",
    "client.ip",
    "downstream_remote_address",
];
pub(super) const HOPS: &[&str] = &["x-forwarded-for", "http.request.header.x-forwarded-for"];
pub(super) const STREAM: &[&str] = &[
    "gen_ai.request.stream",
    "gen_ai.is_streaming",
    "llm.is_streaming",
];
pub(super) const ERROR_MESSAGE: &[&str] = &[
    "error.message",
    "exception.message",
    "error_message",
    "error",
];

/// What is kept beside the fields, by the name it is kept under.
pub(super) const EXTRA: &[(&str, &[&str])] = &[
    ("response_id", &["gen_ai.response.id"]),
    ("session_id", &["session.id", "langfuse.session.id"]),
    (
        "conversation_id",
        &["gen_ai.conversation.id", "conversation.id"],
    ),
    ("server", &["server.address"]),
    ("query_source", &["query_source"]),
    ("app_version", &["app.version"]),
    ("terminal", &["terminal.type"]),
    ("auth_mode", &["auth_mode"]),
];

/// What tells a call from all others, in the order of how many of its reports have it: the id of
/// the request is on the client's span, on the server's, and in the client's log.
pub(super) const IDS: &[&str] = &[
    "anthropic.request.id",
    "gen_ai.response.id",
    "request_id",
    "response_id",
    "x-request-id",
];
