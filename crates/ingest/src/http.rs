//! One GET at a time: no redirects, a deadline, a bounded answer, no secret in errors.

use std::time::Duration;

use model::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};

/// How much of another side's words is told on.
const MAX_WORDS_CHARS: usize = 300;

/// How much of the answer to a failed request is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 16 << 10;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for one service. Deliberately without `Debug`.
pub(crate) struct Http {
    client: reqwest::Client,
    /// Who is spoken to, in messages.
    who: String,
    headers: HeaderMap,
    /// What is taken out of everything that was heard.
    secrets: Vec<String>,
    max_body_bytes: usize,
}

/// Why a request did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The other side answered with something else than success.
    Status {
        status: StatusCode,
        /// What it said, on one line.
        answer: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// It did not answer, or not to the end.
    Lost(String),
    /// The answer is longer than is read.
    TooLarge,
}

impl Failure {
    /// Returns whether trying again may help: 408, 425, 429, every 5xx, and what was lost.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
            }
            Self::Lost(_) => true,
            Self::TooLarge => false,
        }
    }
}

impl Http {
    /// Builds a client; the headers go out with every request and are never shown.
    ///
    /// # Errors
    /// When the platform has no TLS to offer.
    pub(crate) fn new(
        who: &str,
        url: &Url,
        timeout: Duration,
        headers: Vec<(HeaderName, HeaderValue)>,
        secrets: Vec<String>,
        max_body_bytes: usize,
    ) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .referer(false)
            .user_agent("spikewatch");
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        let headers = headers.into_iter().map(|(name, mut value)| {
            value.set_sensitive(true);
            (name, value)
        });
        Ok(Self {
            client: builder.build()?,
            who: who.to_owned(),
            headers: headers.collect(),
            secrets: secrets.into_iter().filter(|s| !s.is_empty()).collect(),
            max_body_bytes,
        })
    }

    /// Asks once and returns the body of a success.
    pub(crate) async fn get(&self, url: Url, now: Timestamp) -> Result<Vec<u8>, Failure> {
        let request = self.client.get(url).headers(self.headers.clone());
        let mut response = request.send().await.map_err(|err| self.lost(&err))?;
        let status = response.status();
        let cap = if status.is_success() {
            self.max_body_bytes
        } else {
            MAX_REFUSAL_BYTES
        };
        let retry_after = retry_after(response.headers(), now);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|err| self.lost(&err))? {
            if body.len() + chunk.len() > cap {
                if status.is_success() {
                    return Err(Failure::TooLarge);
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(body);
        }
        Err(Failure::Status {
            status,
            answer: self.told(&String::from_utf8_lossy(&body)),
            retry_after,
        })
    }

    /// Says what went wrong on the way, without the address.
    fn lost(&self, err: &reqwest::Error) -> Failure {
        let who = &self.who;
        Failure::Lost(if err.is_timeout() {
            format!("{who} did not answer in time")
        } else if err.is_connect() {
            format!("could not connect to {who}")
        } else {
            format!("lost the connection to {who}")
        })
    }

    /// Makes words of the other side fit for a log: one line, short, without secrets.
    fn told(&self, words: &str) -> String {
        let redacted = self.secrets.iter().fold(words.to_owned(), |words, secret| {
            words.replace(secret, "[redacted]")
        });
        one_line(&redacted)
    }
}

/// Parses the address of a service: https, or http on this machine; no user, no query.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn checked_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not an address")?;
    if url.host_str().is_none() || url.cannot_be_a_base() {
        return Err("it is not an address");
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err("it is not https, and not on this machine"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user or a password in it");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment");
    }
    Ok(url)
}

/// Returns whether the address is one of this machine, by its literal.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Reads `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let millis = date.timestamp_millis().saturating_sub(now.millis());
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// Cuts `words` to one short line without control characters.
fn one_line(words: &str) -> String {
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

    #[test]
    fn an_address_is_https_or_of_this_machine() {
        for (text, fine) in [
            ("https://api.openai.com", true),
            ("https://proxy.example/openai/", true),
            ("http://127.0.0.1:8081", true),
            ("http://[::1]:8081", true),
            ("http://api.openai.com", false),
            ("http://127.0.0.1.example", false),
            ("https://user:pw@h.example", false),
            ("https://h.example/?a=b", false),
            ("ftp://h.example", false),
            ("data:x", false),
            ("", false),
        ] {
            assert_eq!(checked_url(text).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn a_pause_is_told_in_seconds_or_as_a_date() {
        let now = Timestamp::parse("2026-05-04T12:00:00Z").unwrap();
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        let date = "Mon, 04 May 2026 12:01:30 GMT";
        assert_eq!(read(date), Some(Duration::from_secs(90)));
        assert_eq!(
            read("Mon, 04 May 2026 11:00:00 GMT"),
            Some(Duration::from_secs(0))
        );
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn what_was_heard_is_one_short_line_without_secrets() {
        let url = Url::parse("https://h.example/").unwrap();
        let secrets = vec!["hunter2".to_owned(), String::new()];
        let http = Http::new("x", &url, Duration::from_secs(1), Vec::new(), secrets, 1).unwrap();
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
