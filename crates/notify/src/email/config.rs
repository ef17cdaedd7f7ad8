//! `[notify.email]`.

use model::Secret;
use serde::Deserialize;

/// How the way to the mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Begins in the clear and is encrypted before anything is said; port 587. A server that
    /// does not offer it is refused, never spoken to in the clear.
    #[default]
    StartTls,
    /// Encrypted from the first byte; port 465.
    Tls,
    /// Not encrypted; for a mail server on this machine only.
    Plain,
}

/// `[notify.email]`: mail through one submission server.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmailConfig {
    /// Whether mail is sent.
    pub enabled: bool,
    /// The mail server's name; its certificate must carry it.
    pub host: String,
    /// The mail server's port: 587 for starttls, 465 for tls.
    pub port: u16,
    /// `starttls`, `tls`, or `plain` if the host is this machine.
    pub security: Security,
    /// The user to sign in as, if the server asks for one.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret<String>>,
    /// The sender, such as `Spikewatch <spikewatch@example.com>`.
    pub from: String,
    /// Who is told. All of them stand in the message.
    pub to: Vec<String>,
    /// How long one delivery may take, from connecting to the server's answer.
    pub timeout_secs: u64,
    /// A PEM file with root certificates that are trusted besides those of the system.
    pub ca_file: Option<String>,
}

impl Default for EmailConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            host: String::new(),
            port: 587,
            security: Security::StartTls,
            username: None,
            password: None,
            from: String::new(),
            to: Vec::new(),
            timeout_secs: 10,
            ca_file: None,
        }
    }
}
