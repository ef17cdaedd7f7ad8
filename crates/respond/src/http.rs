//! One request at a time: no redirects, a deadline, a bounded answer, no secret in errors.

use std::error::Error as _;
use std::time::Duration;

use model::RespondError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, RequestBuilder, StatusCode, Url};

use crate::Error;
use crate::guard::{ForbiddenAddress, GuardedResolver, is_loopback};

const MAX_ANSWER_BYTES: usize = 64 * 1024;
const MAX_WORDS_CHARS: usize = 300;
/// A provider that asks for a longer pause gets the usual one.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long the other side asks to wait, where that is short.
    retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// A client that knows what it must never repeat. Deliberately without `Debug`.
pub(crate) struct Http {
    client: reqwest::Client,
    /// Who is spoken to, in messages.
    who: &'static str,
    /// What is taken out of everything that was heard.
    secrets: Vec<String>,
}

impl Http {
    /// Builds a client for a provider's public API, through the proxy of the environment.
    pub(crate) fn to_provider(
        who: &'static str,
        url: &Url,
        timeout: Duration,
        secrets: Vec<String>,
    ) -> Result<Self, Error> {
        let mut builder = builder(timeout);
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        Self::of(builder, who, secrets)
    }

    /// Builds a client for an address of the operator's, straight and guarded: behind a proxy
    /// nobody here could see which address is meant.
    pub(crate) fn to_webhook(
        who: &'static str,
        all_loopback: bool,
        private_allowed: bool,
        timeout: Duration,
        secrets: Vec<String>,
    ) -> Result<Self, Error> {
        let mut builder = builder(timeout).no_proxy();
        if !all_loopback {
            builder = builder.dns_resolver(GuardedResolver { private_allowed });
        }
        Self::of(builder, who, secrets)
    }

    fn of(builder: ClientBuilder, who: &'static str, secrets: Vec<String>) -> Result<Self, Error> {
        let client = builder
            .build()
            .map_err(|source| Error::HttpClient { source })?;
        let secrets = secrets
            .into_iter()
            .filter(|secret| !secret.is_empty())
            .collect();
        Ok(Self {
            client,
            who,
            secrets,
        })
    }

    /// Begins a GET.
    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// Begins a POST.
    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends a request and hands back whatever was answered, a refusal as much as a success.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let lost = |err: reqwest::Error| self.lost(&err);
        let mut response = request.send().await.map_err(lost)?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let mut body = Vec::new();
        while body.len() < MAX_ANSWER_BYTES {
            match response.chunk().await.map_err(lost)? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        body.truncate(MAX_ANSWER_BYTES);
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    /// Sends a request and sorts the answer: `Ok` is a success with its body.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let answer = self.ask(request).await?;
        let status = answer.status;
        if status.is_success() {
            return Ok(answer);
        }
        if let (true, Some(pause)) = (may_pass(status), answer.retry_after) {
            // The caller knows no pause of the provider's, so it is kept here.
            tokio::time::sleep(pause).await;
        }
        let answer = self.told(&format!(
            "{} answered {}: {}",
            self.who,
            status.as_u16(),
            String::from_utf8_lossy(&answer.body)
        ));
        Err(Failure::Status { status, answer })
    }

    /// Says what went wrong on the way, without the address.
    fn lost(&self, err: &reqwest::Error) -> Failure {
        let who = self.who;
        let mut cause = err.source();
        while let Some(err) = cause {
            if err.is::<ForbiddenAddress>() {
                return Failure::Forbidden(format!("the name of {who}: {ForbiddenAddress}"));
            }
            cause = err.source();
        }
        Failure::Lost(if err.is_timeout() {
            format!("{who} did not answer in time")
        } else if err.is_connect() {
            format!("could not connect to {who}")
        } else {
            format!("lost the connection to {who}")
        })
    }

    /// Makes words of the other side fit for a log: one line, short, without secrets.
    pub(crate) fn told(&self, words: &str) -> String {
        let redacted = self.secrets.iter().fold(words.to_owned(), |words, secret| {
            words.replace(secret, "[redacted]")
        });
        one_line(&redacted)
    }
}

/// Why a request did not succeed.
pub(crate) enum Failure {
    /// The other side answered with something else than success.
    Status { status: StatusCode, answer: String },
    /// It did not answer; whether it did what it was asked is not known.
    Lost(String),
    /// It was not spoken to, because of where it lives.
    Forbidden(String),
}

impl Failure {
    /// Sorts a failure where not-found means that the key does not exist.
    pub(crate) fn about_a_key(self) -> RespondError {
        match self {
            Self::Status {
                status: StatusCode::NOT_FOUND | StatusCode::GONE,
                ..
            } => RespondError::Gone,
            other => other.about_the_service(),
        }
    }

    /// Sorts a failure where not-found means that the address is wrong.
    pub(crate) fn about_the_service(self) -> RespondError {
        match self {
            Self::Lost(message) => RespondError::Transient(message),
            Self::Forbidden(message) => RespondError::Refused(message),
            Self::Status { status, answer } if may_pass(status) => RespondError::Transient(answer),
            Self::Status { status, .. } if status.is_redirection() => redirect_refused(status),
            Self::Status { answer, .. } => RespondError::Refused(answer),
        }
    }
}

/// 408, 425, 429 and every 5xx (529 is Anthropic's "overloaded").
pub(crate) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
}

/// Says that a redirect was answered.
pub(crate) fn redirect_refused(status: StatusCode) -> RespondError {
    RespondError::Refused(format!(
        "the answer {} is a redirect, which is not followed",
        status.as_u16()
    ))
}

fn builder(timeout: Duration) -> ClientBuilder {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .timeout(timeout)
        .referer(false)
        .user_agent("spikewatch")
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds)).filter(|pause| *pause <= MAX_RETRY_AFTER)
}

/// Cuts `words` to one short line without control characters.
pub(crate) fn one_line(words: &str) -> String {
    let visible: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for a name that has come to mean this machine, as after DNS rebinding.
    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_for_good() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        let timeout = Duration::from_secs(1);
        let http = Http::to_webhook("the webhook", false, true, timeout, Vec::new()).unwrap();
        let failure = http
            .send(http.get(Url::parse(&url).unwrap()))
            .await
            .err()
            .unwrap();
        let err = failure.about_the_service();
        assert!(
            matches!(&err, RespondError::Refused(why) if why.contains("reserved")),
            "{err}"
        );
    }

    #[test]
    fn what_was_heard_is_one_short_line_without_secrets() {
        let url = Url::parse("https://h.example/").unwrap();
        let secrets = vec!["hunter2".to_owned(), String::new()];
        let http = Http::to_provider("x", &url, Duration::from_secs(1), secrets).unwrap();
        assert_eq!(
            http.told("a\r\nb\u{1b}[31m hunter2!"),
            "a b [31m [redacted]!"
        );
        assert_eq!(
            http.told(&"é".repeat(900)).chars().count(),
            MAX_WORDS_CHARS + 1
        );
    }
}
