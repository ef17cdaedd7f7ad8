//! The AWS connector against moto where there is one, and against answers of our own.

use model::{ActionState, KeyResponder, KeyStatus, RespondError, Secret};
use respond::{AwsIam, AwsIamConfig, Error};

use crate::http_server::{HttpServer, Reply, Request, answer};
use crate::{door, sample};

const SECRET: &str = "hunter2hunter2hunter2";
const TOKEN: &str = "hunter2token";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fn connector(url: &str) -> AwsIam {
    let config = AwsIamConfig {
        enabled: true,
        access_key_id: "AKIAOWNKEY0000000000".to_owned(),
        secret_access_key: Secret::new(SECRET.to_owned()),
        session_token: Some(Secret::new(TOKEN.to_owned())),
        endpoint_url: Some(url.to_owned()),
        timeout_secs: 1,
        ..AwsIamConfig::default()
    };
    AwsIam::new(config, sample::clock()).unwrap()
}

/// Answers as IAM does, with the key in `status`; `update` answers the change.
fn iam(request: &Request, status: &str, update: &dyn Fn() -> Reply) -> Reply {
    let result = |action: &str, body: &str| {
        answer(
            200,
            format!("<{action}Response><{action}Result>{body}</{action}Result></{action}Response>"),
        )
    };
    if request.body.contains("Action=GetAccessKeyLastUsed") {
        result("GetAccessKeyLastUsed", "<UserName>bob</UserName>")
    } else if request.body.contains("Action=ListAccessKeys") {
        let member = format!(
            "<UserName>bob</UserName><AccessKeyId>{KEY}</AccessKeyId><Status>{status}</Status>"
        );
        let list = format!(
            "<AccessKeyMetadata><member>{member}</member></AccessKeyMetadata><IsTruncated>false</IsTruncated>"
        );
        result("ListAccessKeys", &list)
    } else {
        update()
    }
}

fn problem(status: u16, code: &str) -> Reply {
    answer(
        status,
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{SECRET} {TOKEN} {code}</Message></Error></ErrorResponse>"
        ),
    )
}

#[tokio::test]
async fn every_answer_leads_to_the_right_state() {
    for (code, status, expected, updates) in [
        ("AccessDenied", 403, ActionState::NeedsHuman, 1),
        ("InvalidClientTokenId", 403, ActionState::NeedsHuman, 1),
        ("NoSuchEntity", 404, ActionState::AlreadyGone, 1),
        (
            "EntityTemporarilyUnmodifiable",
            409,
            ActionState::NeedsHuman,
            3,
        ),
        ("Throttling", 400, ActionState::NeedsHuman, 3),
        ("SlowDown", 429, ActionState::NeedsHuman, 3),
        ("Unheard", 503, ActionState::NeedsHuman, 3),
        ("", 502, ActionState::NeedsHuman, 3),
        ("ServiceFailure", 500, ActionState::NeedsHuman, 3),
    ] {
        let server =
            HttpServer::start(move |request| iam(request, "Active", &|| problem(status, code)))
                .await;
        let (responder, store) = sample::responder(Box::new(connector(&server.url)));
        let request = sample::freeze(&responder, &sample::entity("aws.bedrock", KEY));
        let action = responder.act(request).await.unwrap();
        assert_eq!(action.state, expected, "{code} {action:?}");
        let is_update = |request: &&Request| request.body.contains("Action=UpdateAccessKey");
        let requests = server.requests();
        assert_eq!(requests.iter().filter(is_update).count(), updates, "{code}");
        let shown = sample::everything(&store);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn an_accepted_call_that_does_not_bite_is_not_verified() {
    let accepted = || answer(200, "<UpdateAccessKeyResponse></UpdateAccessKeyResponse>");
    let server = HttpServer::start(move |request| iam(request, "Active", &accepted)).await;
    let (responder, _) = sample::responder(Box::new(connector(&server.url)));
    let request = sample::freeze(&responder, &sample::entity("aws.bedrock", KEY));
    let action = responder.act(request).await.unwrap();
    assert_eq!(action.state, ActionState::NeedsHuman);
    let requests = server.requests();
    let update = requests
        .iter()
        .find(|request| request.body.contains("UpdateAccessKey"))
        .unwrap();
    for part in [
        "UserName=bob",
        &format!("AccessKeyId={KEY}"),
        "Status=Inactive",
    ] {
        assert!(update.body.contains(part), "{}", update.body);
    }
    assert!(
        update.header("authorization").starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIAOWNKEY0000000000/20260504/us-east-1/iam/"
        )
    );
    assert_eq!(update.header("x-amz-date"), "20260504T120000Z");
    assert_eq!(update.header("x-amz-security-token"), TOKEN);
    assert_eq!(
        update.header("content-type"),
        "application/x-www-form-urlencoded"
    );
}

#[tokio::test]
async fn statuses_are_read_and_an_expired_key_counts_as_gone() {
    for (word, expected) in [
        ("Active", Some(KeyStatus::Active)),
        ("Inactive", Some(KeyStatus::Inactive)),
        ("Expired", Some(KeyStatus::Gone)),
        ("Paused", None),
    ] {
        let server =
            HttpServer::start(move |request| iam(request, word, &|| problem(500, "x"))).await;
        let status = connector(&server.url)
            .status(&sample::entity("aws.bedrock", KEY))
            .await;
        match expected {
            Some(expected) => assert_eq!(status.unwrap(), expected),
            None => assert!(
                matches!(status, Err(RespondError::Refused(_))),
                "{status:?}"
            ),
        }
    }
}

/// Answers a list of keys in pages: `pages` hold the XML behind the members.
async fn status_in_pages(pages: &'static [&'static str], found_at: usize) -> StatusInPages {
    let server = HttpServer::start(move |request| {
        if request.body.contains("Action=GetAccessKeyLastUsed") {
            return iam(request, "Active", &|| problem(500, "x"));
        }
        let marker = request.body.split("Marker=page%2B").nth(1);
        let page: usize = marker.map_or(0, |marker| marker.parse().unwrap());
        let key = if page == found_at { KEY } else { "AKIAOTHEROTHEROTHER0" };
        answer(
            200,
            format!(
                "<ListAccessKeysResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\n  <ListAccessKeysResult>\n    <AccessKeyMetadata>\n      <member><AccessKeyId>{key}</AccessKeyId><Status>Inactive</Status></member>\n    </AccessKeyMetadata>\n    {}\n  </ListAccessKeysResult>\n</ListAccessKeysResponse>",
                pages[page]
            ),
        )
    })
    .await;
    let status = connector(&server.url)
        .status(&sample::entity("aws.bedrock", KEY))
        .await;
    (status, server.requests().len())
}

type StatusInPages = (Result<KeyStatus, RespondError>, usize);

#[tokio::test]
async fn a_list_is_read_to_its_end_and_only_then_is_a_key_gone() {
    const PAGES: &[&str] = &[
        "<IsTruncated>true</IsTruncated><Marker>page+1</Marker>",
        "<IsTruncated>true</IsTruncated><Marker>page+2</Marker>",
        "<IsTruncated>false</IsTruncated>",
    ];
    let (status, requests) = status_in_pages(PAGES, 2).await;
    assert_eq!((status.unwrap(), requests), (KeyStatus::Inactive, 4));
    let (status, requests) = status_in_pages(PAGES, 9).await;
    assert!(matches!(status, Err(RespondError::Gone)), "{status:?}");
    assert_eq!(requests, 4);
    const TO_ITSELF: &[&str] = &[
        "<IsTruncated>true</IsTruncated><Marker>page+1</Marker>",
        "<IsTruncated>true</IsTruncated><Marker>page+1</Marker>",
    ];
    const TO_NOWHERE: &[&str] = &["<IsTruncated>true</IsTruncated>"];
    for (pages, expected) in [(TO_ITSELF, 3), (TO_NOWHERE, 2)] {
        let (status, requests) = status_in_pages(pages, 9).await;
        assert!(
            matches!(status, Err(RespondError::Refused(_))),
            "{status:?}"
        );
        assert_eq!(requests, expected);
    }
}

#[tokio::test]
async fn what_is_no_answer_of_iam_is_transient_and_a_redirect_is_not_followed() {
    let thief = HttpServer::start(|_| answer(200, "")).await;
    let location = format!("{}/", thief.url);
    let server = HttpServer::start(move |_| {
        Reply::Answer(307, vec![("location", location.clone())], String::new())
    })
    .await;
    let ask = async |url: &str| {
        let key = sample::entity("aws.bedrock", KEY);
        connector(url).status(&key).await.unwrap_err()
    };
    let err = ask(&server.url).await;
    assert!(
        matches!(&err, RespondError::Refused(why) if why.contains("redirect")),
        "{err}"
    );
    assert!(thief.requests().is_empty());
    for reply in [
        || answer(200, "<html>sign in first</html>"),
        || answer(403, "<html>blocked</html>"),
        || Reply::Flood,
    ] {
        let server = HttpServer::start(move |_| reply()).await;
        let err = ask(&server.url).await;
        assert!(matches!(err, RespondError::Transient(_)), "{err}");
    }
}

#[tokio::test]
async fn a_key_without_a_user_and_a_clock_that_is_wrong_are_said_clearly() {
    let no_user = || {
        answer(
            200,
            "<GetAccessKeyLastUsedResponse><GetAccessKeyLastUsedResult/></GetAccessKeyLastUsedResponse>",
        )
    };
    let late = || {
        answer(
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Signature expired: 20260504T120000Z is now earlier than 20260504T123000Z (20260504T124500Z - 15 min.)</Message></Error></ErrorResponse>",
        )
    };
    let wrong_secret = || problem(403, "SignatureDoesNotMatch");
    for (reply, words, is_about_the_clock) in [
        (no_user as fn() -> Reply, "root user", false),
        (late, "the clock of this machine", true),
        (wrong_secret, "SignatureDoesNotMatch", false),
    ] {
        let server = HttpServer::start(move |_| reply()).await;
        let err = connector(&server.url)
            .status(&sample::entity("aws.bedrock", KEY))
            .await
            .unwrap_err();
        assert!(
            matches!(&err, RespondError::Refused(why) if why.contains(words)),
            "{err}"
        );
        assert_eq!(err.to_string().contains("clock"), is_about_the_clock);
        assert!(!err.to_string().contains("hunter2"), "{err}");
    }
}

#[tokio::test]
async fn a_silent_aws_is_transient() {
    let server = HttpServer::start(|_| Reply::Silence).await;
    let status = connector(&server.url)
        .status(&sample::entity("aws.bedrock", KEY))
        .await;
    assert!(
        matches!(status, Err(RespondError::Transient(_))),
        "{status:?}"
    );
}

#[tokio::test]
async fn an_id_that_is_none_is_refused_before_anything_is_sent() {
    let server = HttpServer::start(|_| problem(404, "NoSuchEntity")).await;
    let connector = connector(&server.url);
    for key in [
        "",
        "AKIA",
        "akiaiosfodnn7example",
        "fp_3a1c00000000000000",
        "AKIAIOSFODNN7EXAMPL&E",
    ] {
        let status = connector.status(&sample::entity("aws.bedrock", key)).await;
        assert!(
            matches!(status, Err(RespondError::Refused(_))),
            "{key} {status:?}"
        );
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_config_that_cannot_work_is_refused_and_shows_no_secret() {
    let full = || AwsIamConfig {
        access_key_id: "AKIAOWNKEY0000000000".to_owned(),
        secret_access_key: Secret::new(SECRET.to_owned()),
        ..AwsIamConfig::default()
    };
    let connector = AwsIam::new(full(), sample::clock()).unwrap();
    assert!(!format!("{connector:?} {:?}", full()).contains("hunter2"));
    for config in [
        AwsIamConfig {
            access_key_id: String::new(),
            ..full()
        },
        AwsIamConfig {
            secret_access_key: Secret::default(),
            ..full()
        },
        AwsIamConfig {
            region: String::new(),
            ..full()
        },
        AwsIamConfig {
            endpoint_url: Some("http://iam.example.com".to_owned()),
            ..full()
        },
        AwsIamConfig {
            timeout_secs: 0,
            ..full()
        },
    ] {
        assert!(matches!(
            AwsIam::new(config, sample::clock()).unwrap_err(),
            Error::Config { .. }
        ));
    }
}

/// Asks moto for something the connector has no need of: users and keys to work on.
async fn moto(url: &str, form: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=a/20260504/us-east-1/iam/aws4_request",
        )
        .body(format!("{form}&Version=2010-05-08"));
    request.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn moto_keeps_the_contract_of_the_door_and_a_freeze_is_verified() {
    let Ok(url) = std::env::var("SPIKEWATCH_MOTO_URL") else {
        eprintln!("SKIPPED: SPIKEWATCH_MOTO_URL is not set, AWS was not spoken to");
        return;
    };
    moto(&url, "Action=CreateUser&UserName=bob").await;
    let created = moto(&url, "Action=CreateAccessKey&UserName=bob").await;
    let (_, rest) = created.split_once("<AccessKeyId>").expect(&created);
    let key = sample::entity("aws.bedrock", rest.split('<').next().unwrap());
    let missing = sample::entity("aws.bedrock", "AKIA0000000000000000");
    door::suite(&connector(&url), &key, &missing).await;

    let (responder, _) = sample::responder(Box::new(connector(&url)));
    let action = responder
        .act(sample::freeze(&responder, &key))
        .await
        .unwrap();
    assert_eq!(action.state, ActionState::Verified, "{action:?}");
    assert_eq!(action.undo.as_ref().unwrap()["user_name"], "bob");
    let undone = responder
        .undo(&action.action_id, "lead", "why")
        .await
        .unwrap();
    assert_eq!(undone.state, ActionState::Undone);
    moto(
        &url,
        &format!(
            "Action=DeleteAccessKey&UserName=bob&AccessKeyId={}",
            key.key
        ),
    )
    .await;
}
