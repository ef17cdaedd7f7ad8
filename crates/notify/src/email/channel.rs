//! The e-mail channel: config checked once, one session per message, answers classified.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use model::{AlertChannel, DeliveryError, Notice, Receipt, SelfAlert};
use tracing::warn;

use super::session::{Encryption, Failure, Session, Taken};
use super::{EmailConfig, Security, message};
use crate::Error;
use crate::config::{checked_timeout, is_loopback};
use crate::text::clean;

/// Servers say a word or a page; a receipt needs the word.
const MAX_ANSWER_CHARS: usize = 300;
const PEM_HEADER: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Sends one mail per notice through one submission server.
pub struct EmailChannel {
    host: String,
    port: u16,
    encryption: Encryption,
    credentials: Option<Credentials>,
    /// The password in the forms in which a server could repeat it.
    secrets: Vec<String>,
    from: Mailbox,
    to: Vec<Mailbox>,
    timeout: Duration,
}

impl std::fmt::Debug for EmailChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmailChannel")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("recipients", &self.to.len())
            .finish_non_exhaustive()
    }
}

impl EmailChannel {
    /// Checks the config and reads the certificate file; connects to nothing.
    ///
    /// # Errors
    /// [`Error`] when a field is empty or does not fit the others.
    pub fn new(config: EmailConfig) -> Result<Self, Error> {
        if config.host.trim().is_empty() {
            return Err(Error::Empty {
                field: "notify.email.host",
            });
        }
        if config.to.is_empty() {
            return Err(Error::Empty {
                field: "notify.email.to",
            });
        }
        if config.security == Security::Plain && !is_loopback(&config.host) {
            return Err(Error::PlainText { host: config.host });
        }
        let timeout = checked_timeout("notify.email.timeout_secs", config.timeout_secs)?;
        let from = mailbox("notify.email.from", &config.from)?;
        let to: Result<Vec<_>, _> = config
            .to
            .iter()
            .map(|address| mailbox("notify.email.to", address))
            .collect();
        let (credentials, secrets) = match (&config.username, &config.password) {
            (None, None) => (None, Vec::new()),
            (Some(username), Some(password)) => {
                let password = password.expose();
                let credentials = Credentials::new(username.clone(), password.clone());
                (Some(credentials), spellings(username, password))
            }
            _ => return Err(Error::Credentials),
        };
        let encryption = match config.security {
            Security::StartTls => Encryption::StartTls(tls_parameters(&config)?),
            Security::Tls => Encryption::Tls(tls_parameters(&config)?),
            Security::Plain => Encryption::Plain,
        };
        Ok(Self {
            host: config.host,
            port: config.port,
            encryption,
            credentials,
            secrets,
            from,
            to: to?,
            timeout,
        })
    }

    async fn open(&self) -> Result<Session, Failure> {
        let credentials = self.credentials.as_ref();
        Session::open(
            &self.host,
            self.port,
            self.timeout,
            &self.encryption,
            credentials,
        )
        .await
    }

    /// Runs one conversation under the one deadline.
    async fn within<T>(
        &self,
        conversation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, DeliveryError> {
        match tokio::time::timeout(self.timeout, conversation).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(failure)) => Err(self.classified(&failure)),
            Err(_) => Err(DeliveryError {
                message: format!(
                    "mail server \"{}\" did not answer within {} s",
                    self.host,
                    self.timeout.as_secs()
                ),
                transient: true,
                retry_after: None,
            }),
        }
    }

    /// Says what happened and whether trying again may help.
    ///
    /// A server that refuses for good (5xx) will do so again. Everything else may pass: a busy
    /// server (4xx), a broken connection, and a way that cannot be encrypted now. Waiting for
    /// an operator to mend a certificate loses no alert, giving up would.
    fn classified(&self, failure: &Failure) -> DeliveryError {
        let host = &self.host;
        let (message, transient) = match failure {
            Failure::Smtp(err) => (
                format!("mail server \"{host}\": {err}"),
                !err.is_permanent(),
            ),
            Failure::NotEncrypted => (
                format!("mail server \"{host}\" offers no STARTTLS; nothing was sent in the clear"),
                true,
            ),
            Failure::Recipients { answers, transient } => (
                format!("mail server \"{host}\" accepted no recipient: {answers}"),
                *transient,
            ),
        };
        DeliveryError {
            message: self.told(&message),
            transient,
            retry_after: None,
        }
    }

    /// Makes the server's words fit for a log: one line, short, without the password.
    fn told(&self, words: &str) -> String {
        let redacted = self.secrets.iter().fold(words.to_owned(), |words, secret| {
            words.replace(secret, "[redacted]")
        });
        clean(&redacted, MAX_ANSWER_CHARS)
    }
}

#[async_trait]
impl AlertChannel for EmailChannel {
    fn name(&self) -> &str {
        "email"
    }

    /// Delivers a notice once. The message id is the same at every attempt, so that a
    /// repeat after a lost answer can be seen for what it is.
    async fn deliver(&self, notice: &Notice) -> Result<Receipt, DeliveryError> {
        let message = message::build(notice, &self.from, &self.to)?.formatted();
        self.send(&message).await
    }

    async fn tell(&self, alert: &SelfAlert) -> Result<Receipt, DeliveryError> {
        let message = message::of_self_alert(alert, &self.from, &self.to)?;
        self.send(&message.formatted()).await
    }

    async fn probe(&self) -> Result<(), DeliveryError> {
        let conversation = async {
            let mut session = self.open().await?;
            session.ask().await?;
            Ok(session)
        };
        self.within(conversation).await?.close().await;
        Ok(())
    }
}

impl EmailChannel {
    /// Sends a message once to everybody.
    async fn send(&self, message: &[u8]) -> Result<Receipt, DeliveryError> {
        let conversation = async {
            let mut session = self.open().await?;
            let taken = session.send(&self.from, &self.to, message).await?;
            Ok((session, taken))
        };
        let (session, Taken { answer, refused }) = self.within(conversation).await?;
        session.close().await;
        if refused.is_empty() {
            return Ok(Receipt {
                answer: self.told(&answer),
            });
        }
        // Somebody was told, and a repeat would tell them again: this is a delivery.
        let refused = self.told(&refused.join("; "));
        warn!(host = %self.host, refused, "mail server did not accept every recipient");
        Ok(Receipt {
            answer: self.told(&format!("{answer}; not accepted: {refused}")),
        })
    }
}

fn mailbox(field: &'static str, text: &str) -> Result<Mailbox, Error> {
    if text.trim().is_empty() {
        return Err(Error::Empty { field });
    }
    match text.parse::<Mailbox>() {
        // An address outside ASCII needs SMTPUTF8 from every server on the way.
        Ok(mailbox) if AsRef::<str>::as_ref(&mailbox.email).is_ascii() => Ok(mailbox),
        _ => Err(Error::Address {
            field,
            address: clean(text, 100),
        }),
    }
}

fn tls_parameters(config: &EmailConfig) -> Result<TlsParameters, Error> {
    let failed = |source| Error::Tls {
        host: config.host.clone(),
        source,
    };
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path).map_err(|source| Error::CaFile {
            path: path.clone(),
            source,
        })?;
        // An empty file would be read as no certificates, and every delivery would fail later.
        if !pem
            .windows(PEM_HEADER.len())
            .any(|window| window == PEM_HEADER)
        {
            return Err(Error::NoCertificate { path: path.clone() });
        }
        let certificate = Certificate::from_pem(&pem).map_err(failed)?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(failed)
}

/// Returns the password as it is and as AUTH PLAIN and AUTH LOGIN spell it.
fn spellings(username: &str, password: &str) -> Vec<String> {
    let mut spellings = vec![
        STANDARD.encode(format!("\0{username}\0{password}")),
        STANDARD.encode(password),
        password.to_owned(),
    ];
    spellings.retain(|spelling| !spelling.is_empty());
    spellings
}
