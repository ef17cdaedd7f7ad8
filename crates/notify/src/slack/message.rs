//! The message in Block Kit.
//!
//! Slack reads markup in some texts and not in others, so text of strangers goes only where
//! nothing is read as markup:
//!
//! | Where | What may stand there |
//! |---|---|
//! | header (`plain_text`) | account, escaped |
//! | `rich_text` | everything; angle brackets are replaced by look-alikes besides |
//! | `text`, the fallback | the verdict, escaped, dots broken so that no domain is linked |

use model::{Notice, SelfAlert};
use serde_json::{Value, json};

use crate::summary::{KeySummary, LEDGER, Summary};
use crate::text::{capital, clean, plural, shorten};

/// Slack's limits: 50 blocks, 150 characters in a header, 3000 in a text.
const MAX_HEADER_CHARS: usize = 150;
const MAX_TEXT_CHARS: usize = 3_000;
/// At two blocks a key this stays far below 50 blocks, and below what anybody scrolls.
const MAX_KEYS: usize = 10;

/// What a notice looks like in Slack.
#[derive(Clone, Debug, PartialEq)]
pub struct SlackMessage {
    body: Value,
}

impl SlackMessage {
    /// Writes `notice` as a message.
    pub fn render(notice: &Notice) -> Self {
        let summary = Summary::of(notice, MAX_KEYS);
        Self::of(fallback(&summary), blocks(&summary))
    }

    /// Writes that Spikewatch itself is not well, or is again.
    pub fn of_self_alert(alert: &SelfAlert) -> Self {
        let title = format!("Spikewatch: {}", alert.title());
        let paragraphs = alert.paragraphs().into_iter();
        let paragraphs = paragraphs.map(|words| section(vec![text(&clean(&words, 1_000))]));
        let mut blocks = vec![json!({ "type": "header", "text": plain(&title, MAX_HEADER_CHARS) })];
        blocks.extend(paragraphs.map(|paragraph| rich(vec![paragraph])));
        Self::of(unlinked(&title), blocks)
    }

    fn of(fallback: String, blocks: Vec<Value>) -> Self {
        Self {
            body: json!({
                "text": fallback,
                "mrkdwn": false,
                "parse": "none",
                "link_names": false,
                "unfurl_links": false,
                "unfurl_media": false,
                "blocks": blocks,
            }),
        }
    }

    /// Returns the body of the request.
    pub fn body(&self) -> &Value {
        &self.body
    }
}

fn blocks(summary: &Summary) -> Vec<Value> {
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&summary.title, MAX_HEADER_CHARS) }),
        rich(vec![section(vec![text(&summary.verdict)])]),
        rich(vec![section(money(summary))]),
    ];
    if let Some(vendors) = &summary.vendors {
        blocks.push(rich(vec![section(vec![bold(vendors)])]));
    }
    for key in &summary.keys {
        blocks.push(json!({ "type": "divider" }));
        blocks.push(rich(key_elements(key)));
    }
    if summary.keys_left_out > 0 {
        let more = format!("… and {} more.", plural(summary.keys_left_out, "alert"));
        blocks.push(rich(vec![section(vec![text(&more)])]));
    }
    blocks.push(json!({ "type": "divider" }));
    let mut next = vec![section(vec![bold("What to do next")]), list(&summary.steps)];
    next.extend(summary.commands.iter().map(|command| preformatted(command)));
    blocks.push(rich(next));
    if let Some(link) = &summary.link {
        let link = json!({ "type": "link", "url": link, "text": "Open the incident" });
        blocks.push(rich(vec![section(vec![link])]));
    }
    let footer = format!(
        "{LEDGER} Incident {}, {}, reference {}.",
        summary.incident_id, summary.telling, summary.reference
    );
    blocks.push(json!({ "type": "context", "elements": [plain(&footer, MAX_TEXT_CHARS)] }));
    blocks
}

fn money(summary: &Summary) -> Vec<Value> {
    let mut elements = vec![
        text("Lost so far: "),
        bold(&summary.lost),
        text("\nBurning: "),
        bold(&summary.burn),
    ];
    if let Some(saving) = &summary.saving {
        elements.push(text(&format!("\n{}.", capital(saving))));
    }
    elements
}

fn key_elements(key: &KeySummary) -> Vec<Value> {
    let mut facts = vec![
        bold(&format!("Key {}", key.name)),
        text(&format!(" ({})", key.grade)),
    ];
    for (label, value) in [
        ("", &key.card),
        ("Measured: ", &key.window),
        ("Seen: ", &key.observed),
        ("Expected: ", &key.expected),
        ("Factor: ", &format!("{}; {}", key.factor, key.rarity)),
        ("Since: ", &key.since),
        ("Money: ", &key.money),
    ] {
        facts.push(text(&format!("\n{label}{value}")));
    }
    let mut elements = vec![section(facts)];
    if let Some(chart) = &key.chart {
        let rows = format!("seen   {}\nlimit  {}", chart.seen, chart.limit);
        let marks = match chart.marks.as_str() {
            "" => String::new(),
            marks => format!("\nabove  {marks}"),
        };
        elements.push(preformatted(&format!("{rows}{marks}\n{}", chart.caption)));
    }
    for (heading, lines) in [("Evidence", &key.evidence), ("Made of", &key.contributors)] {
        if !lines.is_empty() {
            elements.push(section(vec![bold(heading)]));
            elements.push(list(lines));
        }
    }
    if !key.techniques.is_empty() {
        elements.push(section(vec![text(&format!("May be: {}", key.techniques))]));
    }
    elements
}

fn rich(elements: Vec<Value>) -> Value {
    json!({ "type": "rich_text", "elements": elements })
}

fn section(elements: Vec<Value>) -> Value {
    json!({ "type": "rich_text_section", "elements": elements })
}

fn list(lines: &[String]) -> Value {
    let items: Vec<Value> = lines.iter().map(|line| section(vec![text(line)])).collect();
    json!({ "type": "rich_text_list", "style": "bullet", "elements": items })
}

fn preformatted(words: &str) -> Value {
    json!({ "type": "rich_text_preformatted", "elements": [text(words)] })
}

fn text(words: &str) -> Value {
    json!({ "type": "text", "text": literal(words) })
}

fn bold(words: &str) -> Value {
    json!({ "type": "text", "text": literal(words), "style": { "bold": true } })
}

fn plain(words: &str, max_chars: usize) -> Value {
    json!({ "type": "plain_text", "text": escaped(words, max_chars), "emoji": false })
}

/// Rich text is shown as it is. A receiver that reads markup after all finds no bracket.
fn literal(words: &str) -> String {
    shorten(&words.replace('<', "‹").replace('>', "›"), MAX_TEXT_CHARS)
}

/// Escapes what Slack reads as control characters, and stays within `max_chars` afterwards.
fn escaped(words: &str, max_chars: usize) -> String {
    let mut kept = max_chars;
    loop {
        let escaped = shorten(words, kept)
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let length = escaped.chars().count();
        if length <= max_chars || kept <= 1 {
            return escaped;
        }
        // What is cut is at most what the escapes added, so that the loop ends soon.
        kept = kept.saturating_sub((length - max_chars).div_ceil(5)).max(1);
    }
}

/// The line of a notification, and all that a receiver without Block Kit shows.
fn fallback(summary: &Summary) -> String {
    let (verdict, lost, burn) = (&summary.verdict, &summary.lost, &summary.burn);
    unlinked(&format!("{verdict} Lost so far: {lost}. Burning: {burn}."))
}

/// Slack links bare domains in the fallback, so dots before letters are broken.
fn unlinked(words: &str) -> String {
    let mut line = String::new();
    let mut characters = words.chars().peekable();
    while let Some(character) = characters.next() {
        let inside = characters.peek().is_some_and(|next| next.is_alphabetic());
        match character {
            '.' if inside => line.push_str("[.]"),
            '@' => line.push_str("(at)"),
            other => line.push(other),
        }
    }
    escaped(&line, MAX_TEXT_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_never_break_a_limit() {
        for words in [
            "<".repeat(400),
            "&".repeat(151),
            "a".repeat(150),
            "a".repeat(151),
        ] {
            let escaped = escaped(&words, 150);
            assert!(escaped.chars().count() <= 150, "{escaped}");
            assert!(!escaped.contains('<'));
        }
        assert_eq!(escaped("a<b", 150), "a&lt;b");
    }

    #[test]
    fn the_fallback_links_and_mentions_nothing() {
        assert_eq!(
            unlinked("<!channel> @here evil.example. <http[:]//x|ok>"),
            "&lt;!channel&gt; (at)here evil[.]example. &lt;http[:]//x|ok&gt;"
        );
    }
}
