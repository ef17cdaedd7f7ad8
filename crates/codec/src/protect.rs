//! What leaves the codec: texts without secrets, the key as a fingerprint, nothing too long.

use std::borrow::Cow;

use model::{Quality, TextField, UsageRow};

use crate::dead_letter::{cut, without_stump};
use crate::words::Words;
use crate::{Codec, Fingerprint, Redactor};

/// The longest text that is kept of a field, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// How much of a text is looked through for secrets, in bytes: what is kept, and enough behind it
/// for a key that begins there.
const MAX_LOOKED_BYTES: usize = 2 * MAX_TEXT_BYTES;

impl Codec {
    /// Takes secrets out of every text, fingerprints the key, and cuts what is too long.
    pub(crate) fn protect(&self, row: &mut UsageRow<'_>, look: bool) {
        let key = row.text(TextField::Key);
        if let Some(Fingerprint { key, hint }) =
            key.and_then(|key| self.secret().identify(key, look))
        {
            row.set_text(TextField::Key, key);
            row.set_text(TextField::KeyHint, hint);
            row.set_text(TextField::KeyKind, "fingerprint");
            row.quality.insert(Quality::REDACTED);
        }
        // Most raw keys stand where the key does, and nowhere else.
        let suspects = match look {
            true => Suspects::among(row),
            false => Suspects::None,
        };
        let look = suspects != Suspects::None;
        if look {
            self.keep_apart(row, &suspects);
        }
        let is_short = |text: &Cow<'_, str>| text.len() <= MAX_TEXT_BYTES;
        let nothing_more = row.extra.is_empty() && row.other_units.is_empty();
        if !look && nothing_more && row.text.values().all(is_short) {
            return;
        }
        let quality = &mut row.quality;
        let mut number = 0..;
        let mut protect_text = |text: &mut Cow<'_, str>, strict: bool| {
            let look = number.next().is_some_and(|number| suspects.have(number));
            if !look && !strict && text.len() <= MAX_TEXT_BYTES {
                return;
            }
            let long = text.len() > MAX_LOOKED_BYTES;
            if long {
                *text = Cow::Owned(cut(text, MAX_LOOKED_BYTES).to_owned());
            }
            let redacted = match (strict, look) {
                (true, _) => Redactor::redact_strictly(text),
                (false, true) => Redactor::redact(text),
                (false, false) => Cow::Borrowed(&**text),
            };
            if let Cow::Owned(redacted) = redacted {
                *text = Cow::Owned(redacted);
                quality.insert(Quality::REDACTED);
            }
            if long || text.len() > MAX_TEXT_BYTES {
                // With many secrets out, the half of one that the look ended at may be near.
                let whole = if long { without_stump(text) } else { &**text };
                *text = Cow::Owned(cut(whole, MAX_TEXT_BYTES).to_owned());
                quality.insert(Quality::TRUNCATED);
            }
        };
        for text in row.text.values_mut() {
            protect_text(text, false);
        }
        let mut taken_out = false;
        for (name, value) in &mut row.extra {
            let says = says(name);
            protect_text(value, says != Says::Nothing);
            if says == Says::Secret && !value.starts_with("[redacted:") {
                *value = Cow::Borrowed("[redacted:unknown]");
                taken_out = true;
            }
            protect_text(name, false);
        }
        for (name, _) in &mut row.other_units {
            protect_text(name, false);
        }
        if taken_out {
            row.quality.insert(Quality::REDACTED);
        }
    }

    /// Fingerprints a secret in what tells events and tenants apart: with a word in its place,
    /// events would be taken for repeats of each other, and tenants for one.
    fn keep_apart(&self, row: &mut UsageRow<'_>, suspects: &Suspects) {
        for field in [TextField::Id, TextField::Account] {
            let number = row.text.number(field);
            if !number.is_some_and(|number| suspects.have(number)) {
                continue;
            }
            let looked_at = |text: &&str| Redactor::holds_secret(cut(text, MAX_LOOKED_BYTES));
            let secret = row.text(field).filter(looked_at);
            if let Some(fingerprint) = secret.map(|text| self.fingerprint(text)) {
                row.set_text(field, fingerprint);
                row.quality.insert(Quality::REDACTED);
            }
        }
    }
}

/// Which texts of a row need a look for secrets, by their numbers in the order of [`texts`].
#[derive(Debug, PartialEq, Eq)]
enum Suspects {
    None,
    Some(Vec<usize>),
    /// Something in them may spell a secret otherwise than it is read.
    All,
}

impl Suspects {
    /// Finds them by one look at all texts at once.
    fn among(row: &UsageRow<'_>) -> Self {
        let mut joined = Vec::with_capacity(512);
        let mut ends = Vec::with_capacity(32);
        for text in texts(row) {
            joined.extend_from_slice(text.as_bytes());
            // No secret has one in it, so that none is found across two texts.
            joined.push(b'\n');
            ends.push(joined.len());
        }
        if Redactor::may_be_spelt_otherwise(&joined) {
            return Self::All;
        }
        let (mut numbers, mut from) = (Vec::new(), 0);
        // One beginning is enough for a text to be looked at.
        while let Some(at) = Redactor::beginning(&joined, from) {
            let number = ends.partition_point(|&end| end <= at);
            let start = number.checked_sub(1).and_then(|before| ends.get(before));
            let end = ends.get(number).copied().unwrap_or(joined.len());
            let text = joined.get(start.copied().unwrap_or(0)..end - 1);
            if !Redactor::is_masked(text.unwrap_or_default()) {
                numbers.push(number);
            }
            from = ends.get(number).copied().unwrap_or(joined.len());
        }
        match numbers.is_empty() {
            true => Self::None,
            false => Self::Some(numbers),
        }
    }

    fn have(&self, number: usize) -> bool {
        match self {
            Self::None => false,
            Self::Some(numbers) => numbers.binary_search(&number).is_ok(),
            Self::All => true,
        }
    }
}

/// Returns all texts of a row, in the order in which they are protected.
fn texts<'r>(row: &'r UsageRow<'_>) -> impl Iterator<Item = &'r str> {
    let extra = row.extra.iter().flat_map(|(name, value)| [value, name]);
    let units = row.other_units.iter().map(|(name, _)| name);
    row.text
        .values()
        .chain(extra)
        .chain(units)
        .map(|text| &**text)
}

/// What an unknown field says by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Nothing,
    /// It may hold a secret, or the id of one.
    MaybeSecret,
    /// It holds a secret, whatever that looks like: people choose passwords that chance would not.
    Secret,
}

fn says(name: &str) -> Says {
    const ANY: Words = Words::new(&["key", "token", "secret", "auth", "passw", "credential"]);
    const PASSWORD: Words = Words::new(&["passw"]);
    const ENDS: Words = Words::new(&["secret", "authorization", "credentials"]);
    if !ANY.are_in(name) {
        Says::Nothing
    } else if PASSWORD.are_in(name) || ENDS.end(name) {
        Says::Secret
    } else {
        Says::MaybeSecret
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;
    use crate::FingerprintSecret;

    const KEY: &str = "sk-ant-api03-aB3dE5fG7hI9aB3dE5fG7hI9";

    /// Returns a row with texts at every place that there is.
    fn row() -> UsageRow<'static> {
        let mut row = UsageRow::at(Timestamp::EARLIEST);
        for field in TextField::ALL {
            row.set_text(*field, "a text like any other");
        }
        for _ in 0..3 {
            row.extra.push(("note".into(), "another one".into()));
            row.other_units.push(("images".into(), 1.0));
        }
        row
    }

    /// Returns the texts of a row once it is protected.
    fn protected(mut row: UsageRow<'_>) -> Vec<String> {
        let codec = Codec::new(FingerprintSecret::public_test_secret());
        codec.protect(&mut row, true);
        texts(&row).map(str::to_owned).collect()
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands_and_nothing_else_is_touched() {
        let plain = protected(row());
        let mut places = 0;
        let mut check = |mut changed: UsageRow<'static>, place: &dyn Fn(&mut UsageRow<'static>)| {
            place(&mut changed);
            let texts = protected(changed);
            assert!(
                texts.iter().all(|text| !text.contains("aB3dE5fG7hI9")),
                "{texts:?}"
            );
            let pairs = texts.iter().zip(&plain);
            let differing = pairs.filter(|(text, plain)| text != plain).count();
            // A raw key has a hint and a kind, too.
            assert!((1..=3).contains(&differing), "{texts:?}");
            places += 1;
        };
        for field in TextField::ALL {
            check(row(), &|row| row.set_text(*field, format!("see {KEY}")));
        }
        for at in 0..3 {
            check(row(), &|row| row.extra[at].0 = KEY.into());
            check(row(), &|row| row.extra[at].1 = KEY.into());
            check(row(), &|row| row.other_units[at].0 = KEY.into());
        }
        assert_eq!(places, TextField::ALL.len() + 9);
    }
}
