//! Pages, and the records that are made of them.

use std::collections::BTreeMap;

use model::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::feed::Provider;
use super::seen::Mark;

/// The longest record that is produced, in bytes: well below what Kafka takes by default and what
/// the codec reads.
const MAX_RECORD_BYTES: usize = 512 << 10;

/// The longest member that a longer entry keeps, in bytes.
const MAX_MEMBER_BYTES: usize = 16 << 10;

/// Members that hold a whole key: never in a list, and never in a record.
const SECRETS: [&str; 2] = ["value", "api_key"];

/// One JSON object whose values stay as they were written, amounts of money to the last digit.
pub(super) type Object = BTreeMap<String, Box<RawValue>>;

/// An answer. `data` has to be there: anything else is no page, and no end of pages.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) data: Vec<Object>,
    #[serde(default)]
    pub(super) has_more: bool,
    #[serde(default)]
    pub(super) next_page: Option<String>,
    #[serde(default)]
    pub(super) last_id: Option<String>,
}

impl Page {
    /// Returns the cursor of the next page of a list, where there is one.
    pub(super) fn last_id(&self) -> Option<String> {
        let of_last = || text(self.data.last()?, "id");
        self.last_id.clone().or_else(of_last)
    }
}

/// A record to be, with what tells whether it was produced already.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) key: String,
    pub(super) payload: Vec<u8>,
    pub(super) mark: Mark,
}

/// Returns a member that is a text or a number.
pub(super) fn text(object: &Object, name: &str) -> Option<String> {
    let raw = object.get(name)?.get();
    serde_json::from_str::<String>(raw)
        .ok()
        .or_else(|| serde_json::from_str::<i64>(raw).ok().map(|n| n.to_string()))
}

/// Returns a member that is a moment: RFC 3339, or seconds.
fn moment(object: &Object, name: &str) -> Option<i64> {
    let text = text(object, name)?;
    let seconds = text.parse::<i64>().ok().map(|seconds| {
        let millis = seconds.saturating_mul(Timestamp::SECOND);
        Timestamp::from_millis(millis)
    });
    let moment = seconds.or_else(|| Timestamp::parse(&text).ok())?;
    moment.in_range().ok().map(Timestamp::millis)
}

/// The times of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// Returns the times of a bucket, or `None` where it has none.
pub(super) fn span(provider: Provider, bucket: &Object) -> Option<Span> {
    let (start, end) = match provider {
        Provider::Openai => ("start_time", "end_time"),
        Provider::Anthropic => ("starting_at", "ending_at"),
    };
    Some(Span {
        start: moment(bucket, start)?,
        end: moment(bucket, end)?,
    })
}

/// The dimensions that say whose a line is.
#[derive(Deserialize)]
struct Whose {
    #[serde(default)]
    api_key_id: Option<String>,
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    workspace_id: Option<String>,
}

/// Returns a record for each key of a bucket, and one for each project of what names no key.
///
/// Lines are sorted, so that the order in which a provider has them today changes nothing.
/// `None` means that the results are no list of objects.
pub(super) fn of_bucket(
    provider: Provider,
    mut bucket: Object,
    span: Span,
) -> Option<Vec<Outgoing>> {
    let results = bucket.remove("results").or_else(|| bucket.remove("result"));
    bucket.remove("result");
    let results: Vec<Box<RawValue>> = serde_json::from_str(results?.get()).ok()?;
    let mut by_key: BTreeMap<String, Vec<Box<RawValue>>> = BTreeMap::new();
    for result in results {
        let whose: Whose = serde_json::from_str(result.get()).ok()?;
        let key = whose.api_key_id.unwrap_or_else(|| {
            let whole = provider.name();
            let part = whose.project_id.or(whose.workspace_id);
            part.map_or(whole.to_owned(), |part| format!("{whole}/{part}"))
        });
        by_key.entry(key).or_default().push(result);
    }
    let mut outgoing = Vec::new();
    for (key, mut lines) in by_key {
        lines.sort_by(|a, b| a.get().cmp(b.get()));
        for (part, lines) in parts(&lines).into_iter().enumerate() {
            let payload = write(&bucket, Some(lines));
            outgoing.push(Outgoing {
                mark: Mark::new(span.start, &format!("{key}#{part}"), &payload),
                key: key.clone(),
                payload,
            });
        }
    }
    Some(outgoing)
}

/// Cuts lines into runs that fit a record.
fn parts(lines: &[Box<RawValue>]) -> Vec<&[Box<RawValue>]> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, line) in lines.iter().enumerate() {
        let length = line.get().len() + 1;
        if index > start && bytes + length > MAX_RECORD_BYTES {
            parts.push(&lines[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += length;
    }
    parts.push(&lines[start..]);
    parts
}

/// Returns the record of an event of an audit log, under its provider's name.
///
/// One without an id or a time is produced as well: what is wrong with it is the codec's to say,
/// and a feed must not stop at it. `time` then stands for its own.
pub(super) fn of_event(provider: Provider, event: Object, time: i64) -> Outgoing {
    let id = text(&event, "id");
    let own = moment(&event, "effective_at").or_else(|| moment(&event, "created_at"));
    let payload = bounded(event);
    let tag = id.unwrap_or_else(|| String::from_utf8_lossy(&payload).into_owned());
    Outgoing {
        key: format!("{}/audit", provider.name()),
        mark: Mark::new(own.unwrap_or(time), &tag, &payload),
        payload,
    }
}

/// Returns the record of a key in a list, under its id; one without an id is produced as well.
pub(super) fn of_key(provider: Provider, mut entry: Object, project: Option<&str>) -> Outgoing {
    for secret in SECRETS {
        entry.remove(secret);
    }
    if let Some(project) = project
        && !entry.contains_key("project_id")
        // The list of a project does not say which project it is of.
        && let Ok(project) = serde_json::value::to_raw_value(project)
    {
        entry.insert("project_id".to_owned(), project);
    }
    let id = text(&entry, "id");
    let payload = bounded(entry);
    let tag = id
        .clone()
        .unwrap_or_else(|| String::from_utf8_lossy(&payload).into_owned());
    Outgoing {
        mark: Mark::new(0, &tag, &payload),
        key: id.unwrap_or_else(|| provider.name().to_owned()),
        payload,
    }
}

/// Writes an object; one that no record holds loses its longest members.
fn bounded(mut object: Object) -> Vec<u8> {
    let bytes: usize = object.iter().map(|(n, v)| n.len() + v.get().len()).sum();
    if bytes > MAX_RECORD_BYTES {
        object.retain(|_, value| value.get().len() <= MAX_MEMBER_BYTES);
    }
    write(&object, None)
}

/// Writes an object, with these results in it.
fn write(object: &Object, results: Option<&[Box<RawValue>]>) -> Vec<u8> {
    let mut json = b"{".to_vec();
    for (name, value) in object {
        if json.len() > 1 {
            json.push(b',');
        }
        let name = serde_json::Value::from(name.as_str()).to_string();
        json.extend_from_slice(name.as_bytes());
        json.push(b':');
        json.extend_from_slice(value.get().as_bytes());
    }
    if let Some(results) = results {
        if json.len() > 1 {
            json.push(b',');
        }
        json.extend_from_slice(b"\"results\":[");
        for (index, result) in results.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(result.get().as_bytes());
        }
        json.push(b']');
    }
    json.push(b'}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Object {
        serde_json::from_str(json).unwrap()
    }

    fn split(json: &str) -> Vec<(String, String)> {
        let bucket = object(json);
        let span = span(Provider::Openai, &bucket).unwrap();
        let records = of_bucket(Provider::Openai, bucket, span).unwrap();
        let text = |record: Outgoing| (record.key, String::from_utf8(record.payload).unwrap());
        records.into_iter().map(text).collect()
    }

    #[test]
    fn a_bucket_becomes_a_record_for_each_key() {
        let records = split(
            r#"{"object":"bucket","start_time":1777896000,"end_time":1777896060,"results":[
                {"api_key_id":"key_2","n":0.10000000000000000001},
                {"api_key_id":null,"project_id":"proj_1","n":2},
                {"api_key_id":"key_1","n":3},
                {"n":4},
                {"api_key_id":"key_1","n":1}]}"#,
        );
        let head =
            r#"{"end_time":1777896060,"object":"bucket","start_time":1777896000,"results":["#;
        let expected = [
            (
                "key_1",
                r#"{"api_key_id":"key_1","n":1},{"api_key_id":"key_1","n":3}"#,
            ),
            (
                "key_2",
                r#"{"api_key_id":"key_2","n":0.10000000000000000001}"#,
            ),
            ("openai", r#"{"n":4}"#),
            (
                "openai/proj_1",
                r#"{"api_key_id":null,"project_id":"proj_1","n":2}"#,
            ),
        ];
        let expected = expected.map(|(key, lines)| (key.to_owned(), format!("{head}{lines}]}}")));
        assert_eq!(records, expected);
    }

    #[test]
    fn a_bucket_without_results_is_no_record() {
        let records = split(
            r#"{"object":"bucket","start_time":1777896000,"end_time":1777896060,"results":[]}"#,
        );
        assert!(records.is_empty());
        let broken = object(r#"{"start_time":1777896000,"end_time":1777896060,"results":{"a":1}}"#);
        let span = span(Provider::Openai, &broken).unwrap();
        assert!(of_bucket(Provider::Openai, broken, span).is_none());
    }

    #[test]
    fn a_record_stays_within_its_bound() {
        let line = format!(
            r#"{{"api_key_id":"key_1","pad":"{}"}}"#,
            "x".repeat(100 << 10)
        );
        let lines = vec![line; 12].join(",");
        let records = split(&format!(
            r#"{{"start_time":1777896000,"end_time":1777896060,"results":[{lines}]}}"#
        ));
        assert_eq!(records.len(), 3);
        assert!(
            records
                .iter()
                .all(|(key, text)| key == "key_1" && text.len() < 600 << 10)
        );
        let event = format!(
            r#"{{"id":"audit_1","effective_at":1777896000,"type":"a.b","a.b":"{}"}}"#,
            "x".repeat(1 << 20)
        );
        let record = of_event(Provider::Openai, object(&event), 0);
        assert!(record.payload.len() < 1_000, "{}", record.payload.len());
    }

    #[test]
    fn a_key_gets_its_project_and_loses_its_secret() {
        let entry = r#"{"object":"organization.project.api_key","id":"key_1","value":"sk-proj-x"}"#;
        let record = of_key(Provider::Openai, object(entry), Some("proj_1"));
        assert_eq!(record.key, "key_1");
        assert_eq!(
            String::from_utf8(record.payload).unwrap(),
            r#"{"id":"key_1","object":"organization.project.api_key","project_id":"proj_1"}"#
        );
        let record = of_key(Provider::Openai, object(r#"{"object":"x"}"#), None);
        assert_eq!(record.key, "openai");
    }
}
