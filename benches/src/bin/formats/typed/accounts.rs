//! The fields of lists of keys, audit logs and reports of users.

use serde::Deserialize;

use super::shapes::shapes;
use super::value::{Amount, Count, Flag, Loose, Members, Scalar, Text};

shapes! {
    OpenaiKeys {
        data: Vec<OpenaiKeys<'a>>, object: Text<'a>, id: Text<'a>, name: Text<'a>, created_at: Scalar<'a>,
        last_used_at: Scalar<'a>, expires_at: Scalar<'a>, project = "project_id": Text<'a>,
        organization = "organization_id": Text<'a>, hint = "redacted_value": Text<'a>, deleted: Flag,
        access = "owner_project_access": Text<'a>, owner: KeyOwner<'a>,
    }
    KeyOwner {
        kind = "type": Text<'a>, inner = "user" | "service_account": Box<KeyOwner<'a>>, id: Text<'a>,
        name: Text<'a>, email: Text<'a>, role: Text<'a>,
    }
    OpenaiAudit {
        data: Vec<OpenaiAudit<'a>>, id: Text<'a>, kind = "type": Text<'a>, time = "effective_at": Scalar<'a>,
        organization = "organization_id": Text<'a>, project: AuditProject<'a>, actor: AuditActor<'a>,
        // What happened stands under the name of its type.
        payload = "api_key.created" | "api_key.updated" | "api_key.deleted" | "login.failed"
            | "rate_limit.updated": AuditPayload<'a>,
    }
    AuditProject { id: Text<'a>, name: Text<'a>, }
    AuditActor { kind = "type": Text<'a>, session: AuditSession<'a>, api_key: AuditSession<'a>, }
    AuditSession {
        id: Text<'a>, user: AuditUser<'a>, service_account: AuditUser<'a>, address = "ip_address": Text<'a>,
        agent = "user_agent": Text<'a>, ja3: Text<'a>, ja4: Text<'a>,
        network = "ip_address_details": AuditNetwork<'a>,
    }
    AuditUser { id: Text<'a>, email: Text<'a>, }
    AuditNetwork { country: Text<'a>, asn: Scalar<'a>, }
    AuditPayload {
        id: Text<'a>, error_code: Text<'a>, error_message: Text<'a>, data: AuditDetails<'a>,
        changes = "changes_requested": AuditDetails<'a>,
    }
    AuditDetails {
        scopes: Vec<Text<'a>>, name: Text<'a>, requests = "max_requests_per_1_minute": Scalar<'a>,
        tokens = "max_tokens_per_1_minute": Scalar<'a>,
    }
    AnthropicKeys {
        data: Vec<AnthropicKeys<'a>>, id: Text<'a>, kind = "type": Text<'a>, name: Text<'a>,
        created_at: Scalar<'a>, last_used_at: Scalar<'a>, expires_at: Scalar<'a>, scope: KeyScope<'a>,
        principal: KeyPrincipal<'a>, created_by: KeyPrincipal<'a>, hint = "partial_key_hint": Text<'a>,
        organization = "organization_id": Text<'a>, workspace = "workspace_id": Text<'a>, status: Text<'a>,
    }
    KeyScope { kind = "type": Text<'a>, workspace = "workspace_id": Text<'a>, }
    KeyPrincipal {
        kind = "type": Text<'a>, id = "id" | "user_id" | "service_account_id": Text<'a>, name: Text<'a>,
        email = "email_address": Text<'a>,
    }
    ClaudeCode {
        data: Vec<ClaudeCode<'a>>, date: Scalar<'a>, organization = "organization_id": Text<'a>,
        actor: ClaudeActor<'a>, customer_type: Text<'a>, subscription_type: Text<'a>,
        terminal_type: Text<'a>, is_remote: Flag, lines = "model_breakdown": Vec<ClaudeLine<'a>>,
    }
    ClaudeActor {
        kind = "type": Text<'a>, key = "api_key_name": Text<'a>, email = "email_address": Text<'a>,
    }
    ClaudeLine { model: Text<'a>, tokens: ClaudeTokens<'a>, cost = "estimated_cost": ClaudeCost<'a>, }
    ClaudeTokens { input: Count, output: Count, cache_read: Count, cache_creation: Count, }
    ClaudeCost { amount: Amount, currency: Text<'a>, }
    // Of the fields that differ by type those that the records have and the decoder keeps.
    Activities {
        data: Vec<Activities<'a>>, id: Text<'a>, kind = "type": Text<'a>, time = "created_at": Scalar<'a>,
        organization_id: Text<'a>, organization_uuid: Text<'a>, actor: ActivityActor<'a>,
        workspace_id: Text<'a>, user_id: Text<'a>, api_key_id: Text<'a>, request_id: Text<'a>,
        claude_chat_id: Text<'a>, failure_reason: Text<'a>, changed_value_type: Text<'a>,
    }
    ActivityActor {
        kind = "type": Text<'a>, key = "api_key_id" | "admin_api_key_id": Text<'a>,
        user = "user_id": Text<'a>, service: Text<'a>, directory = "directory_id": Text<'a>,
        account = "service_account_id": Text<'a>,
        email = "email_address" | "unauthenticated_email_address": Text<'a>, address = "ip_address": Text<'a>,
        agent = "user_agent": Text<'a>,
    }
    LitellmAudit {
        after: Box<LitellmAudit<'a>>, id: Scalar<'a>, time = "updated_at": Scalar<'a>, changed_by: Text<'a>,
        key = "changed_by_api_key": Text<'a>, action: Text<'a>, table = "table_name": Text<'a>,
        object = "object_id": Text<'a>, success: Flag, before_value: Loose<AuditValues<'a>>,
        updated_values: Loose<Members<'a>>,
    }
    AuditValues {
        alias = "key_alias": Text<'a>, name = "key_name": Text<'a>, team = "team_id": Text<'a>,
        user = "user_id": Text<'a>, organization = "organization_id": Text<'a>,
        project = "project_id": Text<'a>,
    }
}
