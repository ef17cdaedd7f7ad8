//! Takes approved actions, asks a provider to freeze or restore a key, verifies, undoes.
//!
//! [`Responder`] carries an action through its states. Each step is durable, with its audit
//! line, before the next begins, so that a crash leaves either nothing sent or a record that
//! something may have been:
//!
//! ```text
//! requested ── status before ──► calling ── call ──► applied ── read-back ──► verified
//!     │                             │                   │
//!     │                             │                   └─► stays applied: no status to read
//!     └──────────────┬──────────────┴─────────┬─────────┘
//!               already_gone             needs_human
//! ```
//!
//! Nothing is ever called verified without a read-back that says so, because providers
//! accept calls that do not bite. An undo restores the status from before the action and
//! nothing else: a key that was switched off already stays switched off.
//!
//! Connectors are the other side of the door [`model::KeyResponder`]:
//!
//! | Connector | Section | How it freezes |
//! |---|---|---|
//! | [`Anthropic`] | `[respond.anthropic]` | sets the key's status to inactive |
//! | [`AwsIam`] | `[respond.aws_iam]` | sets the access key's status to Inactive |
//! | [`Webhook`] | `[respond.webhook]` | asks a service of yours, signed by Standard Webhooks |
//!
//! None of them deletes or rotates: what cannot be undone is left to a person at the
//! provider's console.

mod act;
mod anthropic;
mod aws_iam;
mod aws_query;
mod config;
mod error;
mod guard;
mod http;
mod patience;
mod responder;
mod signature;
mod status_url;
mod undo;
mod webhook;

pub use anthropic::{Anthropic, AnthropicConfig};
pub use aws_iam::{AwsIam, AwsIamConfig};
pub use config::{RespondConfig, connectors};
pub use error::Error;
pub use patience::Patience;
pub use responder::Responder;
pub use webhook::{Webhook, WebhookConfig};
