//! The e-mail channel against a mail server that behaves, and one that does not.

use std::time::{Duration, Instant};

use model::{AlertChannel, DeliveryError, Notice, Receipt, Secret};
use notify::{EmailChannel, EmailConfig, Error, Security};

use crate::sample;
use crate::smtp_server::{Manners, SmtpServer};

fn config(port: u16) -> EmailConfig {
    EmailConfig {
        enabled: true,
        host: "127.0.0.1".to_owned(),
        port,
        security: Security::Plain,
        from: "Spikewatch <spikewatch@example.com>".to_owned(),
        to: vec![
            "security@example.com".to_owned(),
            "On Call <oncall@example.com>".to_owned(),
        ],
        timeout_secs: 1,
        ..EmailConfig::default()
    }
}

async fn deliver(manners: Manners, notice: &Notice) -> (Result<Receipt, DeliveryError>, String) {
    let server = SmtpServer::start(manners).await;
    let outcome = EmailChannel::new(config(server.port))
        .unwrap()
        .deliver(notice)
        .await;
    (outcome, server.transcript())
}

async fn answering(word: &'static str, answer: &'static str) -> (DeliveryError, String) {
    let manners = Manners {
        answers: vec![(word, answer)],
        ..Manners::default()
    };
    let (outcome, transcript) = deliver(manners, &sample::two_keys()).await;
    (outcome.unwrap_err(), transcript)
}

#[track_caller]
fn check(err: &DeliveryError, transient: bool, words: &str) {
    assert_eq!(err.transient, transient, "{err}");
    assert!(err.message.contains(words), "{err}");
    assert!(!err.message.contains('\n'), "{err}");
}

#[tokio::test]
async fn the_receipt_is_the_servers_answer() {
    let (outcome, transcript) = deliver(Manners::default(), &sample::two_keys()).await;
    assert_eq!(outcome.unwrap().answer, "250 2.0.0 queued as 12345");
    assert!(
        transcript.contains("RCPT TO:<security@example.com>"),
        "{transcript}"
    );
    assert!(
        transcript.contains("RCPT TO:<oncall@example.com>"),
        "{transcript}"
    );
}

#[tokio::test]
async fn headers_thread_the_incident_and_keep_robots_quiet() {
    let first = sample::two_keys();
    let id = &first.incident.incident_id;
    let (_, transcript) = deliver(Manners::default(), &first).await;
    for line in [
        &format!("Message-ID: <incident.{id}.0@spikewatch>"),
        "List-Id: Spikewatch alerts <alerts.spikewatch>",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "Importance: high",
    ] {
        assert!(
            transcript.lines().any(|seen| seen == line),
            "{line}\n{transcript}"
        );
    }
    assert!(
        transcript.contains("Content-Type: multipart/alternative"),
        "{transcript}"
    );
    let text = transcript.find("Content-Type: text/plain").unwrap();
    assert!(text < transcript.find("Content-Type: text/html").unwrap());
    assert!(!transcript.contains("In-Reply-To"), "{transcript}");

    let (_, transcript) = deliver(Manners::default(), &sample::over()).await;
    for line in [
        format!("Message-ID: <incident.{id}.2@spikewatch>"),
        format!("In-Reply-To: <incident.{id}.0@spikewatch>"),
        format!("References: <incident.{id}.0@spikewatch>"),
    ] {
        assert!(transcript.contains(&line), "{line}\n{transcript}");
    }
}

#[tokio::test]
async fn a_busy_server_is_tried_again_and_a_refusing_one_is_not() {
    check(
        &answering("MAIL", "451 4.3.0 try later").await.0,
        true,
        "try later",
    );
    check(
        &answering("DATA", "451 4.3.0 try later").await.0,
        true,
        "451",
    );
    check(&answering(".", "452 4.2.2 full").await.0, true, "full");
    check(&answering("EHLO", "421 4.3.2 closing").await.0, true, "421");
    check(
        &answering("MAIL", "550 5.7.1 go away").await.0,
        false,
        "go away",
    );
    check(&answering(".", "554 5.6.0 spam").await.0, false, "spam");
    check(
        &answering("RCPT", "550 5.1.1 nobody").await.0,
        false,
        "nobody",
    );
    check(
        &answering("RCPT", "451 4.7.1 greylisted").await.0,
        true,
        "greylisted",
    );
}

#[tokio::test]
async fn one_dead_mailbox_does_not_keep_the_others_from_being_told() {
    let answers = vec![("RCPT TO:<security@example.com>", "550 5.1.1 nobody")];
    let manners = Manners {
        answers,
        ..Manners::default()
    };
    let (outcome, transcript) = deliver(manners, &sample::two_keys()).await;
    let answer = outcome.unwrap().answer;
    assert!(
        answer.starts_with("250 2.0.0 queued as 12345; not accepted: security@"),
        "{answer}"
    );
    assert!(transcript.contains("Subject: "), "{transcript}");
}

#[tokio::test]
async fn a_hanging_server_is_left_after_the_timeout() {
    for word in ["EHLO", "DATA", "."] {
        let started = Instant::now();
        let manners = Manners {
            silent_at: vec![word],
            ..Manners::default()
        };
        let (outcome, _) = deliver(manners, &sample::two_keys()).await;
        check(&outcome.unwrap_err(), true, "did not answer within 1 s");
        assert!(started.elapsed() < Duration::from_secs(3), "{word}");
    }
}

#[tokio::test]
async fn a_message_that_was_taken_stays_taken_when_the_goodbye_hangs() {
    let manners = Manners {
        silent_at: vec!["QUIT"],
        ..Manners::default()
    };
    let (outcome, _) = deliver(manners, &sample::two_keys()).await;
    assert!(outcome.unwrap().answer.starts_with("250 "));
}

#[tokio::test]
async fn a_lost_answer_is_tried_again_under_the_same_message_id() {
    let manners = Manners {
        drops_at: vec!["."],
        ..Manners::default()
    };
    let ids: Vec<String> = {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let (outcome, transcript) = deliver(manners.clone(), &sample::two_keys()).await;
            check(&outcome.unwrap_err(), true, "mail server");
            let id = transcript
                .lines()
                .find(|line| line.starts_with("Message-ID"))
                .unwrap();
            ids.push(id.to_owned());
        }
        ids
    };
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_when_starttls_is_missing() {
    let manners = Manners {
        extensions: vec!["AUTH PLAIN LOGIN"],
        ..Manners::default()
    };
    let server = SmtpServer::start(manners).await;
    let channel = EmailChannel::new(EmailConfig {
        security: Security::StartTls,
        username: Some("spikewatch".to_owned()),
        password: Some(Secret::new("hunter2-hunter2".to_owned())),
        ..config(server.port)
    })
    .unwrap();
    let err = channel.deliver(&sample::two_keys()).await.unwrap_err();
    check(&err, true, "offers no STARTTLS");
    let transcript = server.transcript();
    assert!(
        !transcript.contains("MAIL") && !transcript.contains("AUTH"),
        "{transcript}"
    );
    check(
        &channel.probe().await.unwrap_err(),
        true,
        "offers no STARTTLS",
    );
}

#[tokio::test]
async fn nothing_is_said_in_the_clear_when_the_upgrade_fails() {
    // The server agrees to STARTTLS and then goes on in the clear, as a stripping proxy does.
    let manners = Manners {
        extensions: vec!["STARTTLS"],
        ..Manners::default()
    };
    let server = SmtpServer::start(manners).await;
    let channel = EmailChannel::new(EmailConfig {
        security: Security::StartTls,
        ..config(server.port)
    })
    .unwrap();
    let err = channel.deliver(&sample::two_keys()).await.unwrap_err();
    assert!(err.transient, "{err}");
    assert!(
        !server.transcript().contains("MAIL"),
        "{}",
        server.transcript()
    );
}

#[tokio::test]
async fn a_server_that_repeats_the_password_does_not_bring_it_into_an_error() {
    let echo = "535 5.7.8 no: AHNwaWtld2F0Y2gAaHVudGVyMi1odW50ZXIy hunter2-hunter2";
    let manners = Manners {
        extensions: vec!["AUTH PLAIN LOGIN"],
        answers: vec![("AUTH", echo)],
        ..Manners::default()
    };
    let server = SmtpServer::start(manners).await;
    let channel = EmailChannel::new(EmailConfig {
        username: Some("spikewatch".to_owned()),
        password: Some(Secret::new("hunter2-hunter2".to_owned())),
        ..config(server.port)
    })
    .unwrap();
    let err = channel.deliver(&sample::two_keys()).await.unwrap_err();
    assert!(
        server
            .transcript()
            .contains("AHNwaWtld2F0Y2gAaHVudGVyMi1odW50ZXIy")
    );
    check(&err, false, "535");
    let shown = format!("{err} {err:?} {channel:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("AHNwaW"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_probe_signs_in_and_sends_nothing() {
    let server = SmtpServer::start(Manners::default()).await;
    EmailChannel::new(config(server.port))
        .unwrap()
        .probe()
        .await
        .unwrap();
    let transcript = server.transcript();
    assert!(
        transcript.contains("NOOP") && !transcript.contains("MAIL"),
        "{transcript}"
    );
}

#[test]
fn a_config_that_cannot_work_is_refused_with_its_field() {
    let refused = |change: &dyn Fn(&mut EmailConfig)| {
        let mut config = config(25);
        change(&mut config);
        EmailChannel::new(config).unwrap_err()
    };
    let err = refused(&|config| config.host = "mail.example.com".to_owned());
    assert!(matches!(err, Error::PlainText { .. }), "{err}");
    assert!(err.to_string().contains("only a loopback host"), "{err}");
    assert!(
        refused(&|config| config.host.clear())
            .to_string()
            .contains("notify.email.host")
    );
    assert!(
        refused(&|config| config.to.clear())
            .to_string()
            .contains("notify.email.to")
    );
    let address = "a@b\r\nBcc: c@d".to_owned();
    assert!(matches!(
        refused(&|config| config.from = address.clone()),
        Error::Address { .. }
    ));
    assert!(matches!(
        refused(&|config| config.timeout_secs = 0),
        Error::Timeout { .. }
    ));
    let username = Some("spikewatch".to_owned());
    assert!(matches!(
        refused(&|config| config.username = username.clone()),
        Error::Credentials
    ));
    let err = refused(&|config| {
        config.security = Security::Tls;
        config.ca_file = Some("/nonexistent/ca.pem".to_owned());
    });
    assert!(matches!(err, Error::CaFile { .. }), "{err}");
    let err = refused(&|config| {
        config.security = Security::Tls;
        config.ca_file = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").to_owned());
    });
    assert!(matches!(err, Error::NoCertificate { .. }), "{err}");
}

/// Needs a mail server with a certificate for `localhost` on two ports, named by
/// `SPIKEWATCH_SMTP_CA_FILE`, `SPIKEWATCH_SMTP_STARTTLS_PORT` and `SPIKEWATCH_SMTP_TLS_PORT`.
#[tokio::test]
async fn mail_goes_through_starttls_and_through_tls() {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(ca_file) = variable("SPIKEWATCH_SMTP_CA_FILE") else {
        eprintln!("SKIPPED: SPIKEWATCH_SMTP_CA_FILE is not set, no TLS mail server was spoken to");
        return;
    };
    for (name, security) in [
        ("SPIKEWATCH_SMTP_STARTTLS_PORT", Security::StartTls),
        ("SPIKEWATCH_SMTP_TLS_PORT", Security::Tls),
    ] {
        let port = variable(name).expect(name).parse().unwrap();
        let trusting = EmailConfig {
            host: "localhost".to_owned(),
            security,
            timeout_secs: 5,
            ca_file: Some(ca_file.clone()),
            ..config(port)
        };
        let channel = EmailChannel::new(trusting.clone()).unwrap();
        channel.probe().await.unwrap();
        let receipt = channel.deliver(&sample::two_keys()).await.unwrap();
        assert!(receipt.answer.starts_with("250 "), "{receipt:?}");
        // Without the root certificate nobody is trusted.
        let strict = EmailChannel::new(EmailConfig {
            ca_file: None,
            ..trusting
        })
        .unwrap();
        let err = strict.deliver(&sample::two_keys()).await.unwrap_err();
        assert!(err.transient && err.message.contains("ertificate"), "{err}");
    }
}
