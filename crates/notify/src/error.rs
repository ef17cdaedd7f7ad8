//! Why a channel could not be built. What happens to a delivery is a `model::DeliveryError`.

/// Why a channel could not be built from its section of the config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field that has no default was left empty.
    #[error("could not use an empty {field}")]
    Empty {
        /// The field, as in the config.
        field: &'static str,
    },
    /// A deadline outside one second to five minutes.
    #[error("could not use {field} = {timeout_secs}: it must lie between 1 and 300")]
    Timeout {
        /// The field, as in the config.
        field: &'static str,
        /// What was typed.
        timeout_secs: u64,
    },
    /// Mail would leave the machine without encryption.
    #[error(
        "could not use notify.email.security = \"plain\" with host \"{host}\": only a loopback \
         host may be reached without TLS; use \"starttls\" or \"tls\""
    )]
    PlainText {
        /// The mail host.
        host: String,
    },
    /// A mail address that is not one, or not in ASCII.
    #[error("could not read mail address \"{address}\" in {field}")]
    Address {
        /// The field, as in the config.
        field: &'static str,
        /// What was typed.
        address: String,
    },
    /// A username without a password, or the other way round.
    #[error("could not use notify.email.username without a password, or a password without it")]
    Credentials,
    /// The file with additional root certificates could not be read.
    #[error("could not read notify.email.ca_file \"{path}\"")]
    CaFile {
        /// The path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file with additional root certificates holds none.
    #[error("could not find a PEM certificate in notify.email.ca_file \"{path}\"")]
    NoCertificate {
        /// The path.
        path: String,
    },
    /// The TLS settings could not be built, for example from a file that holds no certificate.
    #[error("could not set up TLS for mail host \"{host}\"")]
    Tls {
        /// The mail host.
        host: String,
        /// Why.
        source: lettre::transport::smtp::Error,
    },
    /// The webhook address is not one that may be used. The address itself is a secret.
    #[error("could not use notify.slack.webhook_url: {reason}")]
    WebhookUrl {
        /// Why.
        reason: &'static str,
    },
    /// The HTTP client could not be built.
    #[error("could not set up the HTTP client")]
    HttpClient {
        /// Why.
        source: reqwest::Error,
    },
}
