//! Delivers one alert by e-mail or Slack, with a receipt.
//!
//! A [`model::Notice`] (one incident, its alerts, which telling of it this is) goes in; what
//! the other side answered comes out. A channel tries once and says whether trying again may
//! help; when to try again, and for how long, is decided by whoever calls.
//!
//! | Channel | Section | What it is |
//! |---|---|---|
//! | [`EmailChannel`] | `[notify.email]` | SMTP submission, always encrypted outside this machine |
//! | [`SlackChannel`] | `[notify.slack]` | an incoming webhook with Block Kit |
//!
//! Both say the same: [`Mail`] and [`SlackMessage`] are two shapes of one summary. They are
//! pure and public, so that a message can be looked at without sending it.
//!
//! Names, evidence and user agents come from whoever abuses a key. They are cut, cleaned of
//! control and direction characters, and placed only where no markup, mention, link, header
//! or shell word can come of them.
//!
//! ```
//! # fn main() -> Result<(), notify::Error> {
//! use notify::{EmailChannel, EmailConfig};
//! let config = EmailConfig {
//!     enabled: true,
//!     host: "mail.example.com".to_owned(),
//!     from: "Spikewatch <spikewatch@example.com>".to_owned(),
//!     to: vec!["security@example.com".to_owned()],
//!     ..EmailConfig::default()
//! };
//! let channel = EmailChannel::new(config)?;
//! assert_eq!(model::AlertChannel::name(&channel), "email");
//! # Ok(())
//! # }
//! ```

mod chart;
mod config;
mod email;
mod error;
mod shell;
mod slack;
mod summary;
mod text;

pub use config::{NotifyConfig, channels};
pub use email::{EmailChannel, EmailConfig, Mail, Security};
pub use error::Error;
pub use slack::{SlackChannel, SlackConfig, SlackMessage};
