//! One provider's API: a page at a time, with patience.

use std::sync::Arc;
use std::time::Duration;

use model::Clock;
use reqwest::Url;

use super::feed::{Provider, address};
use super::page::Page;
use super::patience::Pauses;
use super::{PollDoors, PollError, PollLimits, Sleep};
use crate::http::{Failure, Http};

/// Asks for pages, again where that may help.
pub(super) struct Api {
    provider: Provider,
    http: Http,
    base_url: Url,
    limits: PollLimits,
    pauses: Pauses,
    clock: Arc<dyn Clock>,
    sleep: Arc<dyn Sleep>,
}

/// Why one attempt gave no page.
enum Attempt {
    Failed(Failure),
    /// The answer is cut off or is something else: what a proxy between has to say, for example.
    NotAPage(String),
}

impl Api {
    pub(super) fn new(
        provider: Provider,
        http: Http,
        base_url: Url,
        limits: PollLimits,
        doors: &PollDoors,
    ) -> Self {
        Self {
            provider,
            http,
            base_url,
            pauses: Pauses::new(doors.seed, &limits),
            limits,
            clock: Arc::clone(&doors.clock),
            sleep: Arc::clone(&doors.sleep),
        }
    }

    pub(super) fn limits(&self) -> &PollLimits {
        &self.limits
    }

    /// Returns a page.
    ///
    /// # Errors
    /// [`PollError::Refused`] for what asking again does not change, [`PollError::TooLarge`], and
    /// [`PollError::Unavailable`] when no attempt gave one.
    pub(super) async fn page(
        &mut self,
        feed: &str,
        path: &[String],
        query: &[(String, String)],
    ) -> Result<Page, PollError> {
        let url = address(&self.base_url, path, query);
        let mut failures = 0;
        loop {
            let attempt = match self.http.get(url.clone(), self.clock.now()).await {
                Ok(body) => match serde_json::from_slice(&body) {
                    Ok(page) => return Ok(page),
                    Err(err) => Attempt::NotAPage(err.to_string()),
                },
                Err(failure) => Attempt::Failed(failure),
            };
            failures += 1;
            let (reason, retry_after) = self.reason(feed, attempt)?;
            let longest = Duration::from_secs(self.limits.max_retry_after_secs);
            let gives_up = failures >= self.limits.max_attempts
                || retry_after.is_some_and(|pause| pause > longest);
            if gives_up {
                return Err(PollError::Unavailable {
                    who: self.provider.name(),
                    feed: feed.to_owned(),
                    reason,
                    retry_after,
                });
            }
            let pause = self.pauses.after(failures);
            // Never sooner than it asks, and not all at the moment that it says.
            let pause = retry_after.map_or(pause, |asked| asked + pause.min(asked / 4));
            tracing::debug!(
                feed,
                pause_millis = pause.as_millis(),
                "asking again: {reason}"
            );
            self.sleep.sleep(pause).await;
        }
    }

    /// Says why an attempt failed and how long the provider asks to wait.
    ///
    /// # Errors
    /// When asking again does not help.
    fn reason(
        &self,
        feed: &str,
        attempt: Attempt,
    ) -> Result<(String, Option<Duration>), PollError> {
        let failure = match attempt {
            Attempt::NotAPage(err) => return Ok((format!("the answer is no page: {err}"), None)),
            Attempt::Failed(failure) => failure,
        };
        let may_pass = failure.may_pass();
        match failure {
            Failure::Lost(reason) => Ok((reason, None)),
            Failure::TooLarge => Err(PollError::TooLarge {
                feed: feed.to_owned(),
                max_body_bytes: self.limits.max_body_bytes,
            }),
            Failure::Status {
                status,
                answer,
                retry_after,
            } if may_pass => Ok((
                format!("it answered {}: {answer}", status.as_u16()),
                retry_after,
            )),
            Failure::Status { status, answer, .. } => Err(PollError::Refused {
                who: self.provider.name(),
                feed: feed.to_owned(),
                status: status.as_u16(),
                hint: self.hint(status.as_u16()),
                answer,
            }),
        }
    }

    /// Says what somebody has to do.
    fn hint(&self, status: u16) -> String {
        let who = self.provider.name();
        let console = match self.provider {
            Provider::Openai => "platform.openai.com/settings/organization/admin-keys",
            Provider::Anthropic => "platform.claude.com/settings/admin-keys",
        };
        match status {
            401 => format!(
                "the admin key is not accepted, because it expired, was revoked or is no admin \
                 key; make a new one at {console} and set `poll.{who}.admin_key`"
            ),
            403 => format!(
                "the admin key may not read this; give it the right at {console}, or turn the \
                 feed off in `[poll.{who}]`"
            ),
            404 => format!(
                "there is no such feed for this organisation; check `poll.{who}.base_url`, or turn \
                 the feed off in `[poll.{who}]`"
            ),
            300..=399 => {
                format!("it is a redirect, which is not followed; check `poll.{who}.base_url`")
            }
            _ => "the request is not understood; the API may have changed".to_owned(),
        }
    }
}
