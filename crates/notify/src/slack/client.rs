//! One POST to a secret address: no redirects, a deadline, a bounded answer, no address in errors.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};

use crate::Error;
use crate::config::is_loopback;
use crate::text::clean;

/// Slack answers with a word; whatever is longer is not Slack.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const MAX_ANSWER_CHARS: usize = 200;
/// A longer wait is asked for by a mistake.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// The first words, clean.
    pub(crate) words: String,
}

/// The address and the client that knows it. Deliberately without `Debug`.
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
}

impl Client {
    pub(crate) fn new(webhook_url: &str, timeout: Duration) -> Result<Self, Error> {
        let refused = |reason| Error::WebhookUrl { reason };
        // The parser's own error is not passed on: it may quote the address.
        let url = Url::parse(webhook_url).map_err(|_| refused("it is not an absolute URL"))?;
        let loopback = url.host_str().is_some_and(is_loopback);
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(refused("it must begin with https://")),
            _ => return Err(refused("it is not an https URL")),
        }
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(timeout)
            .referer(false)
            .user_agent("spikewatch");
        if loopback {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|source| Error::HttpClient { source })?;
        Ok(Self { http, url })
    }

    /// Posts `body` and reads the beginning of the answer.
    pub(crate) async fn post(&self, body: &serde_json::Value) -> Result<Answer, reqwest::Error> {
        let response = self.http.post(self.url.clone()).json(body).send().await;
        let mut response = response.map_err(reqwest::Error::without_url)?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let mut bytes = Vec::new();
        while bytes.len() < MAX_ANSWER_BYTES {
            match response
                .chunk()
                .await
                .map_err(reqwest::Error::without_url)?
            {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => break,
            }
        }
        bytes.truncate(MAX_ANSWER_BYTES);
        let words = self.redacted(&String::from_utf8_lossy(&bytes));
        Ok(Answer {
            status,
            retry_after,
            words,
        })
    }

    /// Takes the address and its secret parts out of what a server said.
    fn redacted(&self, words: &str) -> String {
        let secret_parts = self.url.path_segments().into_iter().flatten();
        let mut words = words.replace(self.url.as_str(), "[redacted]");
        for part in secret_parts
            .chain(self.url.query())
            .filter(|part| part.len() >= 6)
        {
            words = words.replace(part, "[redacted]");
        }
        clean(&words, MAX_ANSWER_CHARS)
    }
}

/// Reads `Retry-After` in seconds; Slack never sends a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}
