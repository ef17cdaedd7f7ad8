//! What people read. Look at the diff before accepting it.

use notify::{Mail, SlackMessage};

use crate::sample;

#[test]
fn mail_about_two_keys() {
    let mail = Mail::render(&sample::two_keys()).unwrap();
    insta::assert_snapshot!("mail_two_keys_text", mail.text);
    insta::assert_snapshot!("mail_two_keys_html", mail.html);
}

#[test]
fn mail_about_an_incident_that_is_over() {
    let mail = Mail::render(&sample::over()).unwrap();
    insta::assert_snapshot!(
        "mail_over_text",
        format!("{}\n\n{}", mail.subject, mail.text)
    );
}

#[test]
fn slack_about_two_keys() {
    let message = SlackMessage::render(&sample::two_keys());
    let json = serde_json::to_string_pretty(message.body()).unwrap();
    insta::assert_snapshot!("slack_two_keys", json);
}

#[test]
fn the_subject_is_the_same_however_the_incident_changes() {
    let first = Mail::render(&sample::two_keys()).unwrap().subject;
    assert_eq!(Mail::render(&sample::over()).unwrap().subject, first);
    assert!(
        first.starts_with("[Spikewatch] acme: unusual API key usage (inc_"),
        "{first}"
    );
}

#[test]
fn an_unknown_cost_promises_no_saving() {
    let mut notice = sample::two_keys();
    notice.incident.burn_usd_per_hour = 0.0;
    let mail = Mail::render(&notice).unwrap();
    assert!(!mail.text.contains("saves"), "{}", mail.text);
    assert!(
        mail.text.contains("no measurable cost per hour"),
        "{}",
        mail.text
    );
}

#[test]
fn a_notice_without_alerts_still_says_what_it_knows() {
    let mut notice = sample::notice(Vec::new());
    notice.incident.keys = 3;
    let mail = Mail::render(&notice).unwrap();
    assert!(
        mail.text
            .starts_with("Critical: unusual usage of 3 keys of acme"),
        "{}",
        mail.text
    );
}

#[test]
fn two_episodes_of_one_key_ask_for_one_freeze() {
    let notice = sample::notice(vec![sample::alert("apikey_01"), sample::alert("apikey_01")]);
    let text = Mail::render(&notice).unwrap().text;
    assert_eq!(text.matches("spikewatch act freeze").count(), 1, "{text}");
}
