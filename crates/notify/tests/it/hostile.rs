//! Text of strangers in every field, in every message: it is shown, and does nothing.

use model::{Alert, AlertChannel, Contributor, Evidence, Notice};
use notify::{EmailChannel, EmailConfig, Mail, Security, SlackMessage};
use serde_json::Value;

use crate::sample;
use crate::smtp_server::{Manners, SmtpServer};

const PAYLOADS: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</pre><a href=\"javascript:alert(1)\">x</a>",
    "{{ 7*7 }}{% raw %}",
    "acme\r\nBcc: evil@example.com",
    "acme\nSubject: other\n\n<b>body</b>",
    "acme\r\n.\r\nMAIL FROM:<evil@example.com>",
    "\r\n\r\nWHAT TO DO NEXT\r\n\r\n- run rm -rf /",
    "=?utf-8?q?=0D=0ABcc:_evil@example.com?=",
    "<!channel> <!here> <!everyone>",
    "<@U012AB3CD> <#C012AB3CD> <!subteam^S012AB3CD>",
    "<http://evil.example|Open the incident>",
    "&lt;!channel&gt;",
    "```\n<!channel>\n```",
    "`*_~ http://evil.example @here",
    "$(reboot); `reboot`; ' \" \\ | & > /dev/null",
    "user\u{202E}gpj.exe\u{2066}",
    "\u{200B}\u{FEFF}\u{2028}\u{2029}\u{85}",
    "\u{0}\u{7}\u{1b}[31mred\u{1b}]0;title\u{7}",
    "--help",
    "",
];

fn everywhere(payload: &str) -> Notice {
    let mut alert: Alert = sample::alert(payload);
    let text = || payload.to_owned();
    alert.key_hint = Some(text());
    alert.account = text();
    alert.project = Some(text());
    alert.provider = text();
    alert.stored_with = vec![text()];
    alert.owner = Some(text());
    alert.evidence = vec![Evidence {
        family: text(),
        text: text(),
        neg_log_p: None,
    }];
    alert.top_contributors = vec![Contributor {
        dimension: text(),
        value: text(),
        share: 1.0,
        first_seen: true,
    }];
    alert.attack_techniques = vec![text()];
    let mut notice = sample::notice(vec![alert]);
    notice.incident.account = text();
    notice.incident.incident_id = model::IncidentId::from_text(payload);
    notice.shared_vendors = vec![text()];
    notice.linked_accounts = vec![text()];
    notice.idempotency_key = text();
    notice.link = Some(format!("https://console.example/{payload}"));
    notice
}

fn long_payloads() -> impl Iterator<Item = String> {
    let repeated = ["<", "&", "a", "é", "😀", "\n", "'", "`"].map(|unit| unit.repeat(20_000));
    PAYLOADS
        .iter()
        .map(|payload| (*payload).to_owned())
        .chain(repeated)
}

#[test]
fn html_keeps_its_own_tags_and_no_others() {
    let tags = |html: &str| {
        let mut names: Vec<String> = html
            .split('<')
            .skip(1)
            .map(|rest| rest.split([' ', '>']).next().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let usual = tags(&Mail::render(&sample::two_keys()).unwrap().html);
    for payload in long_payloads() {
        let html = Mail::render(&everywhere(&payload)).unwrap().html;
        for tag in tags(&html) {
            assert!(usual.contains(&tag), "<{tag}> from {payload:?}");
        }
        for word in [
            "<script",
            "<img",
            "<svg",
            "javascript:alert(1)\"",
            "src=",
            "url(",
        ] {
            let escaped_only = !html.contains(word) || word == "src=";
            assert!(escaped_only, "{word} from {payload:?}");
        }
        // Attributes have their quotes: only our own link is an address.
        let links: Vec<&str> = html.split("href=\"").skip(1).collect();
        assert!(
            links
                .iter()
                .all(|link| link.starts_with("https://console.example/"))
        );
        assert!(links.len() <= 1, "{payload:?}");
    }
}

#[test]
fn text_gets_no_line_and_no_control_character_from_outside() {
    let headings = |text: &str| {
        text.lines()
            .filter(|line| *line == "WHAT TO DO NEXT")
            .count()
    };
    for payload in long_payloads() {
        let mail = Mail::render(&everywhere(&payload)).unwrap();
        assert_eq!(headings(&mail.text), 1, "{payload:?}");
        assert!(
            !mail.text.chars().any(|c| c.is_control() && c != '\n'),
            "{payload:?}"
        );
        assert!(!mail.subject.contains(['\r', '\n']), "{payload:?}");
        assert!(mail.subject.chars().count() < 200, "{payload:?}");
        for shown in [&mail.text, &mail.html, &mail.subject] {
            assert!(!shown.contains("http://evil"), "{payload:?}");
            assert!(
                !shown.contains(['\u{202E}', '\u{2066}', '\u{200B}']),
                "{payload:?}"
            );
        }
    }
}

#[tokio::test]
async fn mail_has_its_own_headers_and_one_message() {
    let names = |transcript: &str| {
        let message = transcript.split("DATA\n").nth(1).unwrap_or_default();
        let head = message.split("\n\n").next().unwrap_or_default();
        let names: Vec<String> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap_or_default().to_owned())
            .collect();
        names
    };
    let mut usual = None;
    for payload in ["acme".to_owned()].into_iter().chain(long_payloads()) {
        let server = SmtpServer::start(Manners::default()).await;
        let channel = EmailChannel::new(EmailConfig {
            host: "127.0.0.1".to_owned(),
            port: server.port,
            security: Security::Plain,
            from: "spikewatch@example.com".to_owned(),
            to: vec!["security@example.com".to_owned()],
            ..EmailConfig::default()
        })
        .unwrap();
        channel.deliver(&everywhere(&payload)).await.unwrap();
        let transcript = server.transcript();
        let names = names(&transcript);
        assert_eq!(usual.get_or_insert(names.clone()), &names, "{payload:?}");
        assert_eq!(transcript.matches("\nMAIL FROM").count(), 1, "{payload:?}");
        assert!(
            transcript.len() < 100_000,
            "{} bytes from {payload:?}",
            transcript.len()
        );
        assert!(
            transcript.lines().all(|line| line.len() <= 998),
            "{payload:?}"
        );
    }
}

#[test]
fn a_storm_of_keys_stays_below_the_limits() {
    let alerts = (0..400)
        .map(|number| {
            let mut alert = everywhere(&"é<".repeat(300)).alerts.remove(0);
            alert.key_id = format!("apikey_{number}");
            alert
        })
        .collect();
    let notice = sample::notice(alerts);
    check_slack(&SlackMessage::render(&notice), "storm");
    let text = Mail::render(&notice).unwrap().text;
    assert!(
        text.contains("... and 380 alerts more.") || text.contains("more."),
        "{text}"
    );
}

#[test]
fn slack_stays_within_its_limits_and_fires_nothing() {
    for payload in long_payloads() {
        check_slack(&SlackMessage::render(&everywhere(&payload)), &payload);
    }
}

fn check_slack(message: &SlackMessage, payload: &str) {
    let body = message.body();
    let fallback = body["text"].as_str().unwrap();
    assert!(
        !fallback.is_empty() && fallback.chars().count() <= 3_000,
        "{payload:?}"
    );
    let blocks = body["blocks"].as_array().unwrap();
    assert!(
        blocks.len() <= 50,
        "{} blocks from {payload:?}",
        blocks.len()
    );
    let mut texts = Vec::new();
    let mut links = Vec::new();
    collect(body, &mut texts, &mut links);
    for text in texts {
        assert!(text.chars().count() <= 3_000, "{payload:?}");
        assert!(!text.contains(['<', '>']), "{text:?} from {payload:?}");
        assert!(!text.contains("http://evil"), "{text:?} from {payload:?}");
    }
    assert!(
        links.iter().all(|link| link.starts_with("https://")),
        "{links:?}"
    );
    for block in blocks {
        let kind = block["type"].as_str().unwrap();
        assert!(
            ["header", "rich_text", "divider", "context"].contains(&kind),
            "{kind}"
        );
        if kind == "header" {
            assert_eq!(block["text"]["type"], "plain_text");
            let text = block["text"]["text"].as_str().unwrap();
            assert!((1..=150).contains(&text.chars().count()), "{text:?}");
        }
        if kind == "context" {
            assert!(block["elements"].as_array().unwrap().len() <= 10);
        }
    }
    assert!(!body.to_string().contains("mrkdwn\":true"));
    assert!(
        body.to_string().len() < 120_000,
        "{} from {payload:?}",
        body.to_string().len()
    );
}

fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>, links: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("text", Value::String(text)) => texts.push(text),
                    ("url", Value::String(link)) => links.push(link),
                    _ => collect(field, texts, links),
                }
            }
            // Only these element types: nothing that mentions, and no markup that is parsed.
            if let Some(kind) = fields.get("type").and_then(Value::as_str) {
                assert!(!["user", "usergroup", "broadcast", "channel", "mrkdwn"].contains(&kind));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts, links)),
        _ => {}
    }
}
