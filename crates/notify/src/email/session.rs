//! One conversation with the mail server.
//!
//! The steps are taken one by one instead of with lettre's transport for two reasons: a
//! refused recipient must not keep the others from being told, and an answer after the
//! message (a hanging QUIT) must not turn a delivered message into a failed one.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Quit, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;

/// How long the server may take to say goodbye.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// How the server is reached.
pub(crate) enum Encryption {
    /// After STARTTLS.
    StartTls(TlsParameters),
    /// From the first byte.
    Tls(TlsParameters),
    /// Not at all.
    Plain,
}

/// Why a message was not taken.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server answered, or the way to it broke.
    Smtp(SmtpError),
    /// The connection would have stayed in the clear.
    NotEncrypted,
    /// No recipient was accepted; whether one of them may be later.
    Recipients { answers: String, transient: bool },
}

impl From<SmtpError> for Failure {
    fn from(err: SmtpError) -> Self {
        Self::Smtp(err)
    }
}

/// What the server said about a message that it took.
pub(crate) struct Taken {
    /// The answer after the message.
    pub(crate) answer: String,
    /// Recipients that were not accepted, with the answers.
    pub(crate) refused: Vec<String>,
}

/// An open conversation, encrypted and signed in as configured.
pub(crate) struct Session {
    connection: AsyncSmtpConnection,
}

impl Session {
    /// Connects, encrypts and signs in.
    pub(crate) async fn open(
        host: &str,
        port: u16,
        timeout: Duration,
        encryption: &Encryption,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Failure> {
        let hello = ClientId::default();
        let implicit = match encryption {
            Encryption::Tls(parameters) => Some(parameters.clone()),
            Encryption::StartTls(_) | Encryption::Plain => None,
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (host, port),
            Some(timeout),
            &hello,
            implicit,
            None,
        )
        .await?;
        if let Encryption::StartTls(parameters) = encryption {
            if !connection.can_starttls() {
                return Err(Failure::NotEncrypted);
            }
            connection.starttls(parameters.clone(), &hello).await?;
        }
        // Nothing below may run in the clear by mistake.
        if !matches!(encryption, Encryption::Plain) && !connection.is_encrypted() {
            return Err(Failure::NotEncrypted);
        }
        if let Some(credentials) = credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, credentials).await?;
        }
        Ok(Self { connection })
    }

    /// Hands over a message to those recipients that the server accepts.
    pub(crate) async fn send(
        &mut self,
        from: &Mailbox,
        to: &[Mailbox],
        message: &[u8],
    ) -> Result<Taken, Failure> {
        self.connection
            .command(Mail::new(Some(from.email.clone()), Vec::new()))
            .await?;
        let (mut refused, mut transient) = (Vec::new(), false);
        for mailbox in to {
            match self
                .connection
                .command(Rcpt::new(mailbox.email.clone(), Vec::new()))
                .await
            {
                Ok(_) => {}
                Err(err) if err.is_permanent() || err.is_transient() => {
                    transient |= err.is_transient();
                    refused.push(format!("{}: {err}", mailbox.email));
                }
                Err(err) => return Err(err.into()),
            }
        }
        if refused.len() == to.len() {
            return Err(Failure::Recipients {
                answers: refused.join("; "),
                transient,
            });
        }
        self.connection.command(Data).await?;
        let response = self.connection.message(message).await?;
        Ok(Taken {
            answer: answer(&response),
            refused,
        })
    }

    /// Asks the server for nothing, to see that it is there.
    pub(crate) async fn ask(&mut self) -> Result<(), Failure> {
        self.connection.command(Noop).await?;
        Ok(())
    }

    /// Says goodbye; nobody needs the answer.
    pub(crate) async fn close(mut self) {
        let _ = tokio::time::timeout(QUIT_TIMEOUT, self.connection.command(Quit)).await;
    }
}

fn answer(response: &Response) -> String {
    let lines: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), lines.join(" "))
}
