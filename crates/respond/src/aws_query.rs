//! The Query protocol of AWS: a form goes out, signed by Signature Version 4; XML comes back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use model::{Clock, RespondError};
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::http::{Answer, Failure, Http, may_pass, redirect_refused};

const FORM: &str = "application/x-www-form-urlencoded";

/// Codes of errors that pass by themselves. Every other code is refused for good, unless the
/// status of the answer says that it passes.
const TRANSIENT_CODES: &[&str] = &[
    "EntityTemporarilyUnmodifiable",
    "ConcurrentModification",
    "InternalFailure",
    "RequestLimitExceeded",
    "ServiceFailure",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Codes that say that the time of the signature is too far from AWS's own.
const CLOCK_CODES: &[&str] = &[
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
];

/// How the words begin that say the same under the code `SignatureDoesNotMatch`.
const CLOCK_WORDS: &[&str] = &["Signature expired", "Signature not yet current"];

/// Which service is spoken to.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    /// Its name in signatures.
    pub(crate) name: &'static str,
    /// The version of its API.
    pub(crate) version: &'static str,
}

/// Speaks to one service. Deliberately without `Debug`.
pub(crate) struct Query {
    pub(crate) http: Http,
    pub(crate) endpoint: Url,
    /// The region that is signed for.
    pub(crate) region: String,
    pub(crate) service: Service,
    pub(crate) credentials: Credentials,
    pub(crate) clock: Arc<dyn Clock>,
}

#[derive(Default, Deserialize)]
struct ErrorResponse {
    #[serde(rename = "Error")]
    error: Problem,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Query {
    /// Asks for something and reads the answer.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<T, RespondError> {
        let answer = self.send(action, params).await?;
        understood(&answer.body).ok_or_else(|| {
            RespondError::Transient(format!("could not read the answer of aws to {action}"))
        })
    }

    /// Asks for a change. The body of a success says nothing, so it is not looked at.
    pub(crate) async fn write(
        &self,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<(), RespondError> {
        self.send(action, params).await.map(|_| ())
    }

    async fn send(&self, action: &str, params: &[(&str, &str)]) -> Result<Answer, RespondError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", self.service.version)
            .extend_pairs(params)
            .finish();
        let headers = self.signed(&form).ok_or_else(|| {
            RespondError::Refused("could not build the request to aws".to_owned())
        })?;
        let mut request = self
            .http
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, FORM);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = self
            .http
            .ask(request.body(form))
            .await
            .map_err(Failure::about_the_service)?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(self.sorted(&answer))
        }
    }

    /// Returns the headers that sign `form` now, or nothing when a region, an id or a token
    /// cannot stand in a header.
    fn signed(&self, form: &str) -> Option<Vec<(&'static str, HeaderValue)>> {
        let millis = u64::try_from(self.clock.now().millis()).ok()?;
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service.name)
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        // The host is signed too; it is taken from the address, as the client does.
        let request = SignableRequest::new(
            "POST",
            self.endpoint.as_str(),
            [(CONTENT_TYPE.as_str(), FORM)].into_iter(),
            SignableBody::Bytes(form.as_bytes()),
        );
        let (instructions, _) = sign(request.ok()?, &params).ok()?.into_parts();
        let (headers, _) = instructions.into_parts();
        headers
            .iter()
            .map(|header| {
                let mut value = HeaderValue::from_str(header.value()).ok()?;
                value.set_sensitive(true);
                Some((header.name(), value))
            })
            .collect()
    }

    /// Sorts a refusal by its code, and takes what is secret out of its words.
    fn sorted(&self, answer: &Answer) -> RespondError {
        let status = answer.status;
        if status.is_redirection() {
            return redirect_refused(status);
        }
        let ErrorResponse {
            error: Problem { code, message },
        } = understood(&answer.body).unwrap_or_default();
        let (code, message) = (code.trim(), message.trim());
        match code {
            "NoSuchEntity" => RespondError::Gone,
            // Not from the service itself, but from something on the way to it.
            "" => {
                RespondError::Transient(format!("aws answered {} without a code", status.as_u16()))
            }
            _ => {
                let words = format!("aws answered {code}: {message}");
                if TRANSIENT_CODES.contains(&code) || may_pass(status) {
                    RespondError::Transient(self.http.told(&words))
                } else if is_about_the_clock(code, message) {
                    RespondError::Refused(self.http.told(&format!(
                        "the clock of this machine is too far from that of aws; {words}"
                    )))
                } else {
                    RespondError::Refused(self.http.told(&words))
                }
            }
        }
    }
}

fn is_about_the_clock(code: &str, message: &str) -> bool {
    CLOCK_CODES.contains(&code)
        || (code == "SignatureDoesNotMatch"
            && CLOCK_WORDS.iter().any(|words| message.starts_with(words)))
}

/// Reads XML. Entities that a document declares itself are never resolved.
fn understood<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    quick_xml::de::from_str(std::str::from_utf8(body).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use model::double::FixedClock;

    use super::*;

    fn query(token: Option<&str>) -> Query {
        let endpoint = Url::parse("https://example.amazonaws.com/").unwrap();
        Query {
            http: Http::to_provider("aws", &endpoint, Duration::from_secs(1), Vec::new()).unwrap(),
            endpoint,
            region: "us-east-1".to_owned(),
            service: Service {
                name: "service",
                version: "1",
            },
            credentials: Credentials::new(
                "AKIDEXAMPLE",
                "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                token.map(str::to_owned),
                None,
                "test",
            ),
            clock: Arc::new(FixedClock(
                Timestamp::parse("2015-08-30T12:36:00Z").unwrap(),
            )),
        }
    }

    /// `post-x-www-form-urlencoded` of AWS's test suite for Signature Version 4.
    #[test]
    fn the_known_example_is_signed_as_known() {
        let headers = query(None).signed("Param1=value1").unwrap();
        assert_eq!(
            headers,
            [
                ("x-amz-date", HeaderValue::from_static("20150830T123600Z")),
                (
                    "authorization",
                    HeaderValue::from_static(
                        "AWS4-HMAC-SHA256 \
                         Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                         SignedHeaders=content-type;host;x-amz-date, \
                         Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
                    )
                ),
            ]
        );
        assert!(!format!("{headers:?}").contains("Signature="));
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_not_sent() {
        assert!(query(Some("two\nlines")).signed("").is_none());
        let mut query = query(None);
        query.region = "us\neast".to_owned();
        assert!(query.signed("").is_none());
    }

    #[test]
    fn a_session_token_is_sent_and_signed() {
        let headers = query(Some("token")).signed("").unwrap();
        let value = |name| headers.iter().find(|header| header.0 == name).unwrap();
        assert_eq!(value("x-amz-security-token").1, "token");
        let authorization = value("authorization").1.to_str().unwrap();
        assert!(authorization.contains("host;x-amz-date;x-amz-security-token,"));
    }

    fn problem(body: &str) -> Option<(String, String)> {
        let ErrorResponse { error } = understood(body.as_bytes())?;
        Some((error.code, error.message))
    }

    #[test]
    fn errors_are_read_as_xml() {
        let read = problem(
            "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\n  \
             <Error>\n    <Type>Sender</Type>\n    <Code>A</Code>\n    \
             <Message>a &amp; b &#60;c&gt; <![CDATA[&d]]></Message>\n  </Error>\n  \
             <RequestId>r</RequestId>\n</ErrorResponse>\n",
        );
        assert_eq!(read, Some(("A".to_owned(), "a & b <c> &d".to_owned())));
    }

    #[test]
    fn what_is_no_answer_of_aws_is_not_understood() {
        let deep = format!(
            "<ErrorResponse><x>{}</x><Error><Code>A</Code></Error></ErrorResponse>",
            "<x>".repeat(20_000)
        );
        for body in [
            "",
            "Bad Gateway",
            "<html><body>Bad Gateway</body></html>",
            "<ErrorResponse><Error><Code>A</Code>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><ErrorResponse><Error><Code>&a;</Code></Error></ErrorResponse>",
            "{\"message\": \"Forbidden\"}",
            &deep,
        ] {
            assert_eq!(problem(body), None, "{body:.80}");
        }
        assert!(understood::<ErrorResponse>(b"<ErrorResponse>\xff</ErrorResponse>").is_none());
    }
}
