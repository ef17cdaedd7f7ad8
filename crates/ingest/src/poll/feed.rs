//! The feeds of each provider: where they are, how they are asked, how often.

use model::Timestamp;
use reqwest::Url;

use super::{AnthropicPollConfig, OpenaiPollConfig, PollError};

/// OpenAI's usage endpoints, and by what each can be grouped that tells keys and prices apart.
///
/// What a report is grouped by is part of its rows' ids, so that this is no setting.
pub(super) const OPENAI_USAGE: [(&str, &[&str]); 10] = [
    (
        "completions",
        &["project_id", "api_key_id", "model", "batch", "service_tier"],
    ),
    ("embeddings", &["project_id", "api_key_id", "model"]),
    ("moderations", &["project_id", "api_key_id", "model"]),
    (
        "images",
        &["project_id", "api_key_id", "model", "size", "source"],
    ),
    ("audio_speeches", &["project_id", "api_key_id", "model"]),
    (
        "audio_transcriptions",
        &["project_id", "api_key_id", "model"],
    ),
    ("vector_stores", &["project_id"]),
    ("code_interpreter_sessions", &["project_id"]),
    ("file_search_calls", &["project_id", "api_key_id"]),
    (
        "web_search_calls",
        &["project_id", "api_key_id", "model", "context_level"],
    ),
];

/// Whose API it is: the names of its parameters and the form of its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    Openai,
    Anthropic,
}

impl Provider {
    /// Returns the name, as events spell it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
        }
    }

    /// Returns the parameter that asks for what is behind a cursor in a list.
    pub(super) fn after(self) -> &'static str {
        match self {
            Self::Openai => "after",
            Self::Anthropic => "after_id",
        }
    }

    /// Returns the most entries that a page of a list may have.
    pub(super) fn list_limit(self) -> u32 {
        match self {
            Self::Openai => 100,
            Self::Anthropic => 1_000,
        }
    }

    /// Writes a moment as the API takes it; the second it lies in.
    pub(super) fn moment(self, millis: i64) -> String {
        let seconds = millis.div_euclid(Timestamp::SECOND);
        match self {
            Self::Openai => seconds.to_string(),
            Self::Anthropic => {
                let text = Timestamp::from_millis(seconds * Timestamp::SECOND).to_string();
                text.replace(".000Z", "Z")
            }
        }
    }

    /// Returns the query of a report from `from` on, without page and limit.
    pub(super) fn report_query(self, report: &Buckets, from: i64) -> Vec<(String, String)> {
        let (start, group_by) = match self {
            Self::Openai => ("start_time", "group_by"),
            Self::Anthropic => ("starting_at", "group_by[]"),
        };
        let mut query = vec![
            (start.to_owned(), self.moment(from)),
            ("bucket_width".to_owned(), report.width.to_owned()),
        ];
        let dimensions = report.group_by.iter();
        query.extend(dimensions.map(|name| (group_by.to_owned(), (*name).to_owned())));
        query
    }

    /// Returns the query of the events in [`from`, `to`), without cursor and limit.
    pub(super) fn events_query(self, from: i64, to: Option<i64>) -> Vec<(String, String)> {
        let (from_name, to_name) = match self {
            Self::Openai => ("effective_at[gte]", "effective_at[lt]"),
            Self::Anthropic => ("created_at.gte", "created_at.lt"),
        };
        let mut query = vec![(from_name.to_owned(), self.moment(from))];
        query.extend(to.map(|to| (to_name.to_owned(), self.moment(to))));
        query
    }
}

/// A report in buckets of time.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    /// As the API calls it.
    pub(super) width: &'static str,
    pub(super) width_millis: i64,
    /// Buckets that are asked for at a time.
    pub(super) limit: u32,
    pub(super) group_by: &'static [&'static str],
}

/// How a feed is read.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Buckets(Buckets),
    Events,
    /// One list of keys.
    Keys,
    /// A list of keys for each project.
    ProjectKeys,
}

/// One feed.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    /// The name of its position, such as "openai/usage/completions".
    pub(super) name: String,
    pub(super) path: Vec<String>,
    pub(super) kind: Kind,
    pub(super) every_millis: i64,
    /// What is read again each time.
    pub(super) overlap_millis: i64,
    /// How far the first reading goes back.
    pub(super) back_millis: i64,
}

const ONE_DAY: (&str, i64, u32) = ("1d", Timestamp::DAY, 14);

/// The widths that both providers have, with the buckets of a page.
fn width_of(field: &str, text: &str) -> Result<(&'static str, i64, u32), PollError> {
    match text {
        "1m" => Ok(("1m", Timestamp::MINUTE, 240)),
        "1h" => Ok(("1h", Timestamp::HOUR, 72)),
        "1d" => Ok(ONE_DAY),
        other => Err(PollError::Config {
            field: field.to_owned(),
            reason: format!("\"{other}\" is none of 1m, 1h, 1d"),
        }),
    }
}

/// Times a setting, however large somebody typed it.
fn millis(count: u64, unit: i64) -> i64 {
    i64::try_from(count)
        .unwrap_or(i64::MAX)
        .saturating_mul(unit)
}

fn feed(name: &str, path: &[&str], kind: Kind, every_secs: u64) -> Feed {
    Feed {
        name: name.to_owned(),
        path: path.iter().map(|segment| (*segment).to_owned()).collect(),
        kind,
        every_millis: millis(every_secs, Timestamp::SECOND),
        overlap_millis: 0,
        back_millis: 0,
    }
}

fn buckets(
    (width, width_millis, limit): (&'static str, i64, u32),
    group_by: &'static [&'static str],
) -> Kind {
    Kind::Buckets(Buckets {
        width,
        width_millis,
        limit,
        group_by,
    })
}

/// Returns OpenAI's feeds that are on.
///
/// # Errors
/// [`PollError::Config`] for an endpoint or a width that does not exist.
pub(super) fn openai(config: &OpenaiPollConfig) -> Result<Vec<Feed>, PollError> {
    let width = width_of("poll.openai.bucket_width", &config.bucket_width)?;
    let back_millis = millis(config.start_back_hours, Timestamp::HOUR);
    let mut feeds = Vec::new();
    for endpoint in &config.usage_endpoints {
        let known = OPENAI_USAGE.iter().find(|(name, _)| name == endpoint);
        let Some((name, group_by)) = known else {
            let names: Vec<_> = OPENAI_USAGE.iter().map(|(name, _)| *name).collect();
            return Err(PollError::Config {
                field: "poll.openai.usage_endpoints".to_owned(),
                reason: format!("\"{endpoint}\" is none of {}", names.join(", ")),
            });
        };
        feeds.push(Feed {
            overlap_millis: millis(config.usage_overlap_minutes, Timestamp::MINUTE),
            back_millis,
            ..feed(
                &format!("openai/usage/{name}"),
                &["v1", "organization", "usage", name],
                buckets(width, group_by),
                config.usage_secs,
            )
        });
    }
    feeds.push(Feed {
        overlap_millis: millis(config.costs_overlap_days, Timestamp::DAY),
        back_millis: back_millis.max(7 * Timestamp::DAY),
        ..feed(
            "openai/costs",
            &["v1", "organization", "costs"],
            buckets(ONE_DAY, &["project_id", "api_key_id", "line_item"]),
            config.costs_secs,
        )
    });
    feeds.push(Feed {
        overlap_millis: millis(config.audit_overlap_minutes, Timestamp::MINUTE),
        back_millis,
        ..feed(
            "openai/audit",
            &["v1", "organization", "audit_logs"],
            Kind::Events,
            config.audit_secs,
        )
    });
    feeds.push(feed(
        "openai/keys/project",
        &["v1", "organization", "projects"],
        Kind::ProjectKeys,
        config.keys_secs,
    ));
    feeds.push(feed(
        "openai/keys/admin",
        &["v1", "organization", "admin_api_keys"],
        Kind::Keys,
        config.keys_secs,
    ));
    feeds.retain(|feed| feed.every_millis > 0);
    Ok(feeds)
}

/// Returns Anthropic's feeds that are on.
///
/// # Errors
/// [`PollError::Config`] for a width that does not exist.
pub(super) fn anthropic(config: &AnthropicPollConfig) -> Result<Vec<Feed>, PollError> {
    const GROUP_BY: [&str; 4] = ["api_key_id", "workspace_id", "model", "service_tier"];
    let width = width_of("poll.anthropic.bucket_width", &config.bucket_width)?;
    let back_millis = millis(config.start_back_hours, Timestamp::HOUR);
    let mut feeds = vec![
        Feed {
            overlap_millis: millis(config.usage_overlap_minutes, Timestamp::MINUTE),
            back_millis,
            ..feed(
                "anthropic/usage",
                &["v1", "organizations", "usage_report", "messages"],
                buckets(width, &GROUP_BY),
                config.usage_secs,
            )
        },
        Feed {
            overlap_millis: millis(config.costs_overlap_days, Timestamp::DAY),
            back_millis: back_millis.max(7 * Timestamp::DAY),
            ..feed(
                "anthropic/costs",
                &["v1", "organizations", "cost_report"],
                buckets(ONE_DAY, &["workspace_id", "description"]),
                config.costs_secs,
            )
        },
        feed(
            "anthropic/keys",
            &["v1", "organizations", "api_keys"],
            Kind::Keys,
            config.keys_secs,
        ),
        Feed {
            overlap_millis: millis(config.activities_overlap_minutes, Timestamp::MINUTE),
            back_millis,
            ..feed(
                "anthropic/activities",
                &["v1", "compliance", "activities"],
                Kind::Events,
                config.activities_secs,
            )
        },
    ];
    feeds.retain(|feed| feed.every_millis > 0);
    Ok(feeds)
}

/// Returns the address of a path below `base_url`; each segment is percent-encoded, so that an id
/// can never become a path.
pub(super) fn address(base_url: &Url, path: &[String], query: &[(String, String)]) -> Url {
    let mut url = base_url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url.query_pairs_mut().extend_pairs(query);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_asked_for_in_the_words_of_its_provider() {
        let base = Url::parse("https://h.example/proxy/").unwrap();
        let noon = 1_777_896_000_123;
        let config = OpenaiPollConfig::default();
        let feeds = openai(&config).unwrap();
        let names: Vec<_> = feeds.iter().map(|feed| feed.name.as_str()).collect();
        assert_eq!(names.len(), 14, "{names:?}");
        let Kind::Buckets(report) = &feeds[1].kind else {
            panic!("no report")
        };
        let query = Provider::Openai.report_query(report, noon);
        assert_eq!(
            address(&base, &feeds[1].path, &query).as_str(),
            "https://h.example/proxy/v1/organization/usage/embeddings?start_time=1777896000\
             &bucket_width=1m&group_by=project_id&group_by=api_key_id&group_by=model"
        );
        let config = AnthropicPollConfig {
            bucket_width: "1h".to_owned(),
            ..AnthropicPollConfig::default()
        };
        let feeds = anthropic(&config).unwrap();
        let names: Vec<_> = feeds.iter().map(|feed| feed.name.as_str()).collect();
        assert_eq!(
            names,
            ["anthropic/usage", "anthropic/costs", "anthropic/keys"]
        );
        let Kind::Buckets(report) = &feeds[0].kind else {
            panic!("no report")
        };
        let query = Provider::Anthropic.report_query(report, noon);
        assert_eq!(query[0].1, "2026-05-04T12:00:00Z");
        assert_eq!(query[2], ("group_by[]".to_owned(), "api_key_id".to_owned()));
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        let config = OpenaiPollConfig {
            usage_endpoints: vec!["completion".to_owned()],
            ..OpenaiPollConfig::default()
        };
        let err = openai(&config).unwrap_err().to_string();
        assert!(err.contains("completions, embeddings"), "{err}");
        let config = AnthropicPollConfig {
            bucket_width: "5m".to_owned(),
            ..AnthropicPollConfig::default()
        };
        assert!(anthropic(&config).is_err());
    }

    #[test]
    fn an_id_never_becomes_a_path() {
        let base = Url::parse("https://h.example").unwrap();
        let path = ["v1".to_owned(), "../admin?x=1".to_owned()];
        let url = address(&base, &path, &[]);
        assert_eq!(url.path(), "/v1/..%2Fadmin%3Fx=1");
    }
}
