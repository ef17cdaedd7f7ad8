//! What instances tell each other.

use detector::{Sign, Unkeyed};
use model::{Alert, Partition};
use serde::{Deserialize, Serialize};

use crate::stage::{Reach, Shown};

/// The form of messages; of another form than its own an instance understands nothing.
const FORM: u8 = 1;

/// How much one message says at most: some kilobytes each.
const MOST_OF_A_KIND: usize = 40;

/// One message of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// An instance takes a partition; the message's offset is the epoch of what it says of it.
    Claim {
        partition: Partition,
        instance: String,
    },
    /// Something that a partition shows.
    Shown {
        partition: Partition,
        epoch: i64,
        /// The number of the message among those that belong together, from 0.
        number: usize,
        part: Box<Part>,
        /// With the last of them: how far the partition has come. Only then all of it counts.
        end: Option<End>,
    },
    /// A partition is not to be waited for, or is again.
    Idle {
        partition: Partition,
        epoch: i64,
        is_idle: bool,
    },
}

/// How far a partition has come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct End {
    /// What it shows below this offset has been said.
    pub(crate) offset: i64,
    pub(crate) reach: Reach,
}

/// What is said at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) signs: Vec<Sign>,
    pub(crate) unkeyed: Unkeyed,
}

impl Message {
    /// Returns it as bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        let mut bytes = vec![FORM];
        rmp_serde::encode::write_named(&mut bytes, self)?;
        Ok(bytes)
    }

    /// Reads it; says why not.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        match bytes.split_first() {
            Some((&FORM, message)) => {
                rmp_serde::from_slice(message).map_err(|err| format!("it is damaged: {err}"))
            }
            Some((form, _)) => Err(format!("it has form {form}, where this program has {FORM}")),
            None => Err("it is empty".to_owned()),
        }
    }
}

/// Returns the messages that say what a partition shows below an offset.
pub(crate) fn messages(
    partition: &Partition,
    epoch: i64,
    alerts: &[Alert],
    shown: Shown,
    offset: i64,
) -> Vec<Message> {
    let end = End {
        offset,
        reach: shown.standpoint.reach,
    };
    let mut alerts = alerts.to_vec();
    let (mut signs, mut unkeyed) = (shown.signs, shown.unkeyed);
    let mut messages = Vec::new();
    loop {
        let part = Part {
            alerts: some(&mut alerts),
            signs: some(&mut signs),
            unkeyed: unkeyed.split(MOST_OF_A_KIND),
        };
        let is_last = alerts.is_empty() && signs.is_empty() && unkeyed.is_empty();
        messages.push(Message::Shown {
            partition: partition.clone(),
            epoch,
            number: messages.len(),
            part: Box::new(part),
            end: is_last.then_some(end),
        });
        if is_last {
            return messages;
        }
    }
}

/// Takes the first few of a list.
fn some<T>(list: &mut Vec<T>) -> Vec<T> {
    let rest = list.split_off(MOST_OF_A_KIND.min(list.len()));
    std::mem::replace(list, rest)
}
