//! The message: subject, the two parts, and the headers that thread it and keep robots quiet.

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Message, message::MessageBuilder};
use model::{DeliveryError, Notice, SelfAlert, Severity};

use super::{html::html_part, plain::text_part};
use crate::summary::Summary;
use crate::text::clean;

/// Larger messages are cut off or held back by some mail servers and programs.
const MAX_BYTES: usize = 95_000;
/// How many keys are told in full, tried in this order until the message is small enough.
const KEYS_TRIED: [usize; 5] = [20, 10, 5, 2, 1];

/// What a notice looks like as mail, before there is a sender and a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The same for every telling of an incident, so that mail programs thread them.
    pub subject: String,
    /// The text/plain part.
    pub text: String,
    /// The text/html part.
    pub html: String,
}

impl Mail {
    /// Writes `notice` as mail with at most `max_keys` keys in full.
    fn of(notice: &Notice, max_keys: usize) -> Result<Self, askama::Error> {
        let summary = Summary::of(notice, max_keys);
        Ok(Self {
            subject: subject(notice),
            text: text_part(&summary),
            html: html_part(&summary)?,
        })
    }

    /// Writes `notice` as mail.
    ///
    /// # Errors
    /// Never for a template that compiled; the error of the template engine is passed on.
    pub fn render(notice: &Notice) -> Result<Self, askama::Error> {
        Self::of(notice, KEYS_TRIED[0])
    }
}

/// What stays the same about an incident: the account and the id, but no figure, no count and
/// no severity, which change from one telling to the next.
fn subject(notice: &Notice) -> String {
    let account = match clean(&notice.incident.account, 60) {
        account if account.is_empty() => "an unnamed account".to_owned(),
        account => account,
    };
    let id = id_word(notice.incident.incident_id.as_str());
    format!("[Spikewatch] {account}: unusual API key usage ({id})")
}

/// Builds the message, small enough to arrive.
pub(crate) fn build(
    notice: &Notice,
    from: &Mailbox,
    to: &[Mailbox],
) -> Result<Message, DeliveryError> {
    let mut smallest = None;
    for max_keys in KEYS_TRIED {
        let mail = Mail::of(notice, max_keys).map_err(|err| permanent("write", &err))?;
        let message = addressed(notice, from, to)
            .subject(mail.subject)
            .multipart(
                MultiPart::alternative()
                    .singlepart(SinglePart::plain(mail.text))
                    .singlepart(SinglePart::html(mail.html)),
            )
            .map_err(|err| permanent("build", &err))?;
        let fits = message.formatted().len() <= MAX_BYTES;
        smallest = Some(message);
        if fits {
            break;
        }
    }
    smallest.ok_or_else(|| permanent("build", &"no size was tried"))
}

/// Builds the message that Spikewatch itself is not well, or is again.
pub(crate) fn of_self_alert(
    alert: &SelfAlert,
    from: &Mailbox,
    to: &[Mailbox],
) -> Result<Message, DeliveryError> {
    let began = SelfAlert {
        ended: None,
        ..alert.clone()
    };
    let message_id = |alert: &SelfAlert| {
        let id = id_word(&alert.idempotency_key());
        format!("<{id}@spikewatch>")
    };
    let mut builder = envelope(message_id(alert), from, to);
    if alert.ended.is_some() {
        let first = message_id(&began);
        builder = builder.in_reply_to(first.clone()).references(first);
    } else {
        builder = builder.header(Importance("high".to_owned()));
    }
    let paragraphs = alert
        .paragraphs()
        .into_iter()
        .map(|words| clean(&words, 1_000));
    let text = paragraphs.collect::<Vec<_>>().join("\n\n");
    // The same subject for the end, so that mail programs thread them.
    let subject = format!("[Spikewatch] {}", clean(&began.title(), 120));
    builder
        .subject(subject)
        .singlepart(SinglePart::plain(format!("{text}\n")))
        .map_err(|err| permanent("build", &err))
}

/// Begins a message by a robot, which no robot is to answer.
fn envelope(message_id: String, from: &Mailbox, to: &[Mailbox]) -> MessageBuilder {
    let builder = Message::builder()
        .from(from.clone())
        .message_id(Some(message_id))
        .date_now()
        .header(ListId("Spikewatch alerts <alerts.spikewatch>".to_owned()))
        .header(AutoSubmitted("auto-generated".to_owned()))
        .header(SuppressReplies("All".to_owned()));
    let to = to.iter().cloned();
    to.fold(builder, MessageBuilder::to)
}

fn addressed(notice: &Notice, from: &Mailbox, to: &[Mailbox]) -> MessageBuilder {
    let id = id_word(notice.incident.incident_id.as_str());
    let message_id = |sequence: u32| format!("<incident.{id}.{sequence}@spikewatch>");
    let mut builder = envelope(message_id(notice.sequence), from, to);
    if notice.sequence > 0 {
        builder = builder.in_reply_to(message_id(0)).references(message_id(0));
    }
    if notice.incident.severity >= Severity::High {
        builder = builder.header(Importance("high".to_owned()));
    }
    builder
}

/// Keeps of an id what may stand in a message id.
fn id_word(id: &str) -> String {
    let word: String = id
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || "_-".contains(*character))
        .take(64)
        .collect();
    if word.is_empty() {
        "unknown".to_owned()
    } else {
        word
    }
}

fn permanent(step: &str, err: &dyn std::fmt::Display) -> DeliveryError {
    DeliveryError {
        message: format!("could not {step} the mail: {err}"),
        transient: false,
        retry_after: None,
    }
}

macro_rules! text_header {
    ($name:ident, $header:literal) => {
        #[derive(Clone)]
        struct $name(String);

        impl Header for $name {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($header)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    };
}

text_header!(ListId, "List-Id");
text_header!(AutoSubmitted, "Auto-Submitted");
text_header!(SuppressReplies, "X-Auto-Response-Suppress");
text_header!(Importance, "Importance");
