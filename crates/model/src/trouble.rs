//! What people must know of Spikewatch itself.

use crate::{Partition, Timestamp};

/// Why Spikewatch does not do what it is there for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// Usage cannot be committed to history: reading rests.
    History,
    /// Alerts cannot be written down: nothing is read.
    Casebook,
    /// What the detector knows cannot be saved.
    Snapshots,
    /// Next to nothing of a partition can be read.
    Unreadable(Partition),
    /// No usage arrives.
    Silence,
    /// A record brought out a defect of the program, and was passed over.
    Crash,
    /// A changed configuration was refused.
    Configuration,
}

impl Trouble {
    /// Returns a stable word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Casebook => "casebook",
            Self::Snapshots => "snapshots",
            Self::Unreadable(_) => "unreadable",
            Self::Silence => "silence",
            Self::Crash => "crash",
            Self::Configuration => "configuration",
        }
    }

    /// Says what is wrong, as the beginning of a sentence.
    pub fn title(&self) -> String {
        match self {
            Self::History => "Usage cannot be written to the history".to_owned(),
            Self::Casebook => "Alerts cannot be written down".to_owned(),
            Self::Snapshots => "What is known of keys cannot be saved".to_owned(),
            Self::Unreadable(partition) => format!("Next to nothing of {partition} can be read"),
            Self::Silence => "No usage arrives".to_owned(),
            Self::Crash => "A record brought out a defect and was passed over".to_owned(),
            Self::Configuration => "A changed configuration cannot be used".to_owned(),
        }
    }

    /// Says what that means for who relies on it.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::History => {
                "Nothing is lost, and nothing more is read once too much waits: then a stolen key \
                 is not seen until it is over."
            }
            Self::Casebook => {
                "Nothing is lost and nothing is read meanwhile: a stolen key is not seen until it \
                 is over."
            }
            Self::Snapshots => {
                "All works, but a restart goes on from the last snapshot that there is, and reads \
                 what came since again."
            }
            Self::Unreadable(_) => {
                "What it says of keys is not seen. Every record is kept as a dead letter that says \
                 why."
            }
            Self::Silence => "Nobody is watched while nothing is seen.",
            Self::Crash => "Everything else is read. The record is a dead letter, `crash`.",
            Self::Configuration => {
                "All works as it did before the change. A restart would fail until it is mended."
            }
        }
    }

    /// Says what to look at.
    pub fn way_out(&self) -> &'static str {
        match self {
            Self::History => "Is there room, and can its storage be reached? The log says why.",
            Self::Casebook => "Is there room on the disk of data_dir? The log says why.",
            Self::Snapshots => "Is there room on the disk of data_dir? The log says why.",
            Self::Unreadable(_) => {
                "Is the topic's format right? SELECT reason, detail, count(*) FROM dead_letters \
                 GROUP BY 1, 2"
            }
            Self::Silence => "Do producers and pollers run, and can the broker be reached?",
            Self::Crash => {
                "SELECT * FROM dead_letters WHERE reason = 'crash'; please report the place that \
                 the log names."
            }
            Self::Configuration => "Mend the file, try it with spikewatch check, and reload again.",
        }
    }
}

/// One message to people about Spikewatch itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfAlert {
    /// What is wrong.
    pub trouble: Trouble,
    /// Since when, by the wall clock.
    pub since: Timestamp,
    /// When it was over, if it is.
    pub ended: Option<Timestamp>,
    /// The last thing that failed, in words without secrets, if that is known.
    pub detail: Option<String>,
}

impl SelfAlert {
    /// Returns the same for every attempt at this message, so that a receiver can drop a repeat.
    pub fn idempotency_key(&self) -> String {
        let which = if self.ended.is_some() {
            "ended"
        } else {
            "began"
        };
        let of = match &self.trouble {
            Trouble::Unreadable(partition) => format!(".{}.{}", partition.topic, partition.number),
            _ => String::new(),
        };
        format!(
            "self.{}{of}.{}.{which}",
            self.trouble.as_str(),
            self.since.millis()
        )
    }

    /// Says in a line what the message is about.
    pub fn title(&self) -> String {
        match self.ended {
            Some(_) => format!("Over: {}", self.trouble.title()),
            None => self.trouble.title(),
        }
    }

    /// Says all of it, a paragraph each.
    pub fn paragraphs(&self) -> Vec<String> {
        if let Some(ended) = self.ended {
            return vec![format!(
                "{} from {} to {}. It is over.",
                self.trouble.title(),
                self.since,
                ended
            )];
        }
        let mut paragraphs = vec![
            format!("{}, since {}.", self.trouble.title(), self.since),
            self.trouble.meaning().to_owned(),
        ];
        paragraphs.extend(
            self.detail
                .as_ref()
                .map(|detail| format!("Last seen: {detail}")),
        );
        paragraphs.push(self.trouble.way_out().to_owned());
        paragraphs
    }
}
