//! What a registry is asked, as Confluent documents it and Apicurio answers it.

use std::time::Duration;

use model::{SchemaId, Timestamp};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;

use super::{RegistryConfig, RegistryError};
use crate::http::{Failure, Http, checked_url};

/// Schemas that one schema may refer to, all in all.
const MAX_REFERENCES: usize = 64;

/// A schema with everything that it refers to.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetched {
    pub(super) kind: Kind,
    #[cfg_attr(
        not(feature = "schemas"),
        allow(dead_code, reason = "nothing reads it")
    )]
    pub(super) text: String,
    /// Name and text of what it refers to, each before what refers to it.
    pub(super) references: Vec<(String, String)>,
}

/// The language of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Kind {
    /// What it is where nothing is said.
    #[default]
    Avro,
    Protobuf,
    Json,
    #[serde(other)]
    Other,
}

/// Why a schema was not fetched.
#[derive(Debug)]
pub(super) enum FetchError {
    /// The registry does not have it, or not in a form that is understood.
    Missing(String),
    /// The registry does not answer, or not us.
    Away(String),
}

#[derive(Deserialize)]
struct Answer {
    schema: String,
    #[serde(default, rename = "schemaType")]
    kind: Option<Kind>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

#[derive(Clone, Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: u32,
}

pub(super) struct Client {
    http: Http,
    base_url: Url,
}

impl Client {
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let refused = |field, reason| RegistryError::Config { field, reason };
        let url = config.url.as_deref().unwrap_or_default();
        let base_url = checked_url(url).map_err(|reason| refused("url", reason))?;
        if !(1..=60).contains(&config.timeout_secs) {
            return Err(refused("timeout_secs", "it must lie between 1 and 60"));
        }
        let password = config.password.expose();
        let mut secrets = vec![password.clone()];
        let mut headers = Vec::new();
        if let Some(user) = &config.user {
            let basic = base64(format!("{user}:{password}").as_bytes());
            let header = HeaderValue::from_str(&format!("Basic {basic}"));
            let header = header.map_err(|_| refused("password", "it cannot be sent"))?;
            headers.push((AUTHORIZATION, header));
            secrets.push(basic);
        }
        let http = Http::new(
            "the schema registry",
            &base_url,
            Duration::from_secs(config.timeout_secs),
            headers,
            secrets,
            config.max_schema_bytes,
        );
        Ok(Self {
            http: http.map_err(RegistryError::HttpClient)?,
            base_url,
        })
    }

    pub(super) async fn probe(&self, now: Timestamp) -> Result<(), String> {
        let url = self.address(&["schemas", "types"]);
        match self.http.get(url, now).await {
            Ok(_) => Ok(()),
            Err(Failure::Status { status, answer, .. }) => Err(format!(
                "the schema registry answered {}: {answer}",
                status.as_u16()
            )),
            Err(Failure::Lost(reason)) => Err(reason),
            Err(Failure::TooLarge) => Err("the schema registry says too much".to_owned()),
        }
    }

    /// Fetches a schema and what it refers to.
    pub(super) async fn schema(
        &self,
        id: &SchemaId,
        now: Timestamp,
    ) -> Result<Fetched, FetchError> {
        let url = match id {
            SchemaId::Number(id) => self.address(&["schemas", "ids", &id.to_string()]),
            SchemaId::Guid(guid) => self.address(&["schemas", "guids", &guid_text(guid)]),
        };
        let answer = self.ask(url, now).await?;
        let mut fetched = Fetched {
            kind: answer.kind.unwrap_or_default(),
            text: answer.schema,
            references: Vec::new(),
        };
        // Depth first, so that what is referred to comes before what refers to it; a reference is
        // fetched when it is met first and put in its place when its own are there.
        let mut path: Vec<Step> = vec![Step::into(answer.references)];
        let mut met = 0;
        while let Some(step) = path.last_mut() {
            let Some(reference) = step.todo.pop() else {
                let step = path.pop().and_then(|step| step.is);
                fetched.references.extend(step);
                continue;
            };
            let known = |name: &String| fetched.references.iter().any(|(known, _)| known == name);
            let on_path = |name: &String| {
                let mut names = path.iter().filter_map(|step| step.is.as_ref());
                names.any(|(other, _)| other == name)
            };
            if known(&reference.name) || on_path(&reference.name) {
                continue;
            }
            met += 1;
            if met > MAX_REFERENCES {
                let reason = format!("it refers to more than {MAX_REFERENCES} schemas");
                return Err(FetchError::Missing(reason));
            }
            let version = reference.version.to_string();
            let url = self.address(&["subjects", &reference.subject, "versions", &version]);
            let answer = self.ask(url, now).await?;
            path.push(Step {
                is: Some((reference.name, answer.schema)),
                todo: answer.references.unwrap_or_default(),
            });
        }
        Ok(fetched)
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn ask(&self, url: Url, now: Timestamp) -> Result<Answer, FetchError> {
        let body = self
            .http
            .get(url, now)
            .await
            .map_err(|failure| match failure {
                Failure::Status { status, answer, .. } if matches!(status.as_u16(), 404 | 422) => {
                    FetchError::Missing(format!("the registry does not have it: {answer}"))
                }
                Failure::Status { status, answer, .. } => {
                    FetchError::Away(format!("it answered {}: {answer}", status.as_u16()))
                }
                Failure::Lost(reason) => FetchError::Away(reason),
                Failure::TooLarge => FetchError::Missing("it is too long".to_owned()),
            })?;
        serde_json::from_slice(&body)
            .map_err(|err| FetchError::Away(format!("its answer is no schema: {err}")))
    }
}

/// A schema that is being fetched, and what it refers to that was not looked at yet.
struct Step {
    is: Option<(String, String)>,
    todo: Vec<Reference>,
}

impl Step {
    fn into(references: Option<Vec<Reference>>) -> Self {
        Self {
            is: None,
            todo: references.unwrap_or_default(),
        }
    }
}

fn guid_text(guid: &[u8; 16]) -> String {
    let hex: String = guid.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|part| hex[part].to_owned()).join("-")
}

/// Base64 with padding (RFC 4648, section 4), for one header.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() {
                letter.into()
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn a_guid_is_written_in_its_five_parts() {
        let guid: [u8; 16] = std::array::from_fn(|i| u8::try_from(i * 16 + i).unwrap());
        assert_eq!(guid_text(&guid), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
