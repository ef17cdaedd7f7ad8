//! Tables: a header and its rows in one record, as billing exports are.
//!
//! A row becomes one flat object, which a decoder reads as it reads JSON. All rows of a table are
//! of one format, that of its header; a row that is bad leaves the others alone.

use std::ops::Range;

use csv::StringRecord;
use model::Reason;

use crate::decode::TopicChoice;
use crate::formats::{self, Confidence, Decoder};
use crate::json::Tree;
use crate::rejection::Rejection;
use crate::rows::Rows;

/// The most columns of a table; exports with a column for each tag have a few hundred.
const MAX_COLUMNS: usize = 1024;

/// The longest name of a column, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The separators of values that are seen.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// Reads a record as a table, and returns whether it is one.
///
/// It is one where its header has the names of a format, or where the settings have a mapping.
pub(super) fn read(rows: &mut Rows<'_>, bytes: &[u8]) -> bool {
    let Some(separator) = separator_of(bytes) else {
        return false;
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut values = StringRecord::new();
    let mut line = 0..0;
    // A row that is no UTF-8 is an error of its own and leaves the others alone.
    let mut next = |values: &mut StringRecord| {
        let start = line.end;
        let read = reader.read_record(values);
        line = start..usize::try_from(reader.position().byte()).unwrap_or(start);
        match read {
            Ok(false) => None,
            Ok(true) => Some((line.clone(), true)),
            Err(_) => Some((line.clone(), false)).filter(|(line, _)| !line.is_empty()),
        }
    };
    if !next(&mut values).is_some_and(|(_, is_text)| is_text) {
        return false;
    }
    let Some(mut page) = Page::under(&values) else {
        return false;
    };
    let mut line = next(&mut values);
    let first = if line.is_some() {
        &values
    } else {
        &StringRecord::new()
    };
    let Some((decoder, confidence)) = decoder_of(rows, &page.example(first)) else {
        return false;
    };
    while let Some((place, is_text)) = line {
        // A line of separators alone is a blank one.
        if is_text && values.len() == page.names.len() && values.as_slice().is_empty() {
            line = next(&mut values).filter(|_| rows.goes_on());
            continue;
        }
        if !rows.goes_on() {
            break;
        }
        rows.is(decoder.format, confidence);
        let read = if !is_text {
            Err(Rejection::new(Reason::Encoding, "a row is not UTF-8"))
        } else if values.len() == page.names.len() {
            (decoder.decode)(rows, page.row(&values).root())
        } else {
            let (seen, named) = (values.len(), page.names.len());
            let detail = format!("a row has {seen} values and the header {named} names");
            Err(Rejection::new(Reason::Shape, detail))
        };
        if let Err(rejection) = read {
            let line = bytes.get(place).unwrap_or_default();
            rows.fail(line.trim_ascii(), rejection);
        }
        line = next(&mut values);
    }
    true
}

/// Returns what separates the names of the header, if it looks like one.
fn separator_of(bytes: &[u8]) -> Option<u8> {
    let header = bytes.trim_ascii_start().split(|byte| *byte == b'\n').next();
    let header = std::str::from_utf8(header?).ok()?;
    let starts = header.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '"'));
    let count = |separator: &u8| header.bytes().filter(|byte| byte == separator).count();
    let separator = SEPARATORS.into_iter().max_by_key(count)?;
    (starts && count(&separator) > 0).then_some(separator)
}

/// Returns the decoder that the settings or the names of the columns ask for.
fn decoder_of(rows: &Rows<'_>, row: &Tree<'_>) -> Option<(&'static Decoder, Confidence)> {
    let Some(forced) = rows.choice.and_then(TopicChoice::decoder) else {
        return formats::detect(row.root(), None);
    };
    let mapped = rows.choice.and_then(TopicChoice::mapping).is_some();
    let fits = mapped || (forced.signature)(row.root()).is_some();
    fits.then_some((forced, Confidence::Set))
}

/// The names of the columns, and the values of one row behind them.
struct Page {
    text: String,
    names: Vec<Range<usize>>,
    /// Whether another column has the same name: such a value is kept although it is empty, so
    /// that it is seen that there are two.
    twice: Vec<bool>,
    names_end: usize,
}

impl Page {
    fn under(header: &StringRecord) -> Option<Self> {
        let mut text = String::new();
        let mut names = Vec::new();
        if header.len() > MAX_COLUMNS {
            return None;
        }
        for name in header {
            let name = name.trim();
            if name.is_empty() || name.len() > MAX_NAME_BYTES {
                return None;
            }
            let start = text.len();
            text.push_str(name);
            names.push(start..text.len());
        }
        let name = |at: usize| text.get(names.get(at).cloned()?);
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_unstable_by_key(|at| name(*at));
        let mut twice = vec![false; names.len()];
        for pair in order
            .windows(2)
            .filter(|pair| name(pair[0]) == name(pair[1]))
        {
            for at in pair {
                twice[*at] = true;
            }
        }
        Some(Self {
            names_end: text.len(),
            text,
            names,
            twice,
        })
    }

    /// Returns a row as a document that has every name.
    fn example(&mut self, values: &StringRecord) -> Tree<'_> {
        self.document(values, true)
    }

    /// Returns a row as a document of its values; most columns of an export are empty, and what is
    /// not there need not be walked past by each of a decoder's looks.
    fn row(&mut self, values: &StringRecord) -> Tree<'_> {
        self.document(values, false)
    }

    fn document(&mut self, values: &StringRecord, with_empty: bool) -> Tree<'_> {
        self.text.truncate(self.names_end);
        let start = self.names_end;
        self.text.push_str(values.as_slice());
        let places = (0..self.names.len()).map(|at| match values.range(at) {
            Some(value) => start + value.start..start + value.end,
            None => start..start,
        });
        let columns = self.names.iter().zip(&self.twice).zip(places);
        let members = columns
            .filter(|((_, twice), value)| with_empty || **twice || !value.is_empty())
            .map(|((name, _), value)| (name.clone(), value));
        Tree::of_row(&self.text, start..self.text.len(), members)
    }
}
