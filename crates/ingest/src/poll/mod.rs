//! Feeds that exist only as APIs: asked for, and produced to Kafka.
//!
//! | feed | shape | again |
//! |---|---|---|
//! | usage and cost reports of OpenAI and Anthropic | buckets of time, oldest first, by page | the buckets of the overlap |
//! | audit log of OpenAI, activities of Anthropic | events, newest first, by cursor, a day at a time | the events of the overlap |
//! | keys of both | a whole list, by cursor | all of it |
//!
//! What a bucket says of one key is one record, under the key's id as Kafka key, so that all that
//! is known of a key shares a partition; what names no key goes under its project or provider.
//! A record that says the same as when it was produced last is left out, one that says more is
//! produced again: its rows have the same ids, and whoever reads them replaces what was there.
//! Nothing is produced for buckets without results and pages without entries.
//!
//! A position is stored after its records were acknowledged, never before. A restart reads from
//! there, with the overlap, and knows what of that it has produced.

mod api;
mod config;
mod error;
mod feed;
mod page;
mod patience;
mod poller;
mod seen;
mod turn;

pub use config::{AnthropicPollConfig, OpenaiPollConfig, PollConfig, PollLimits};
pub use error::PollError;
pub use patience::{RealSleep, Sleep};
pub use poller::{FeedReport, FeedStatus, PollDoors, Poller};
