//! E-mail: one message per telling of an incident, threaded, without anything remote in it.

mod channel;
mod config;
mod html;
mod message;
mod plain;
mod session;

pub use channel::EmailChannel;
pub use config::{EmailConfig, Security};
pub use message::Mail;
