//! Faults that tests put into the stages.

use model::Records;

/// The variable that says at which text in a record a stage panics: `decode:…` or `judge:…`.
const VARIABLE: &str = "SPIKEWATCH_TEST_FAULT";

/// A defect at a record that has a text in it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    in_decode: bool,
    text: String,
}

impl Fault {
    pub(crate) fn from_env() -> Option<Self> {
        let fault = std::env::var(VARIABLE).ok()?;
        let (place, text) = fault.split_once(':')?;
        Some(Self {
            in_decode: place == "decode",
            text: text.to_owned(),
        })
    }

    /// Panics while such a record is decoded.
    pub(crate) fn decode(&self, payload: &[u8]) {
        assert!(
            !self.in_decode || !self.is_in(payload),
            "a fault in decoding"
        );
    }

    /// Panics while a batch with such a record is judged.
    pub(crate) fn judge(&self, records: &Records) {
        let mut records = records.iter();
        let hit = !self.in_decode && records.any(|record| self.is_in(record.payload));
        assert!(!hit, "a fault in judging");
    }

    fn is_in(&self, payload: &[u8]) -> bool {
        String::from_utf8_lossy(payload).contains(&self.text)
    }
}
