//! Slack: one Block Kit message per telling of an incident, through an incoming webhook.

mod channel;
mod client;
mod config;
mod message;

pub use channel::SlackChannel;
pub use config::SlackConfig;
pub use message::SlackMessage;
