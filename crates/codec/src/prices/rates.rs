//! Rates, and what tokens cost by them.
//!
//! A rate is a whole number of 1e-15 dollars for one token, which is as many nano-dollars for a
//! million of them: $1.25 for a million tokens is 1 250 000 000. Sums are exact, and the one
//! division at the end rounds half to even.

use model::{CountField, UsageRow};

/// The classes of tokens that have a price of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Class {
    Input,
    CacheRead,
    CacheWrite,
    CacheWrite1h,
    Output,
    Reasoning,
}

pub(super) const CLASSES: usize = 6;

/// The rate of each class; none where the list has none.
pub(super) type ClassRates = [Option<u64>; CLASSES];

/// What a model costs on one day and tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) base: ClassRates,
    /// The rates of calls with more input than so many tokens, by rising bound.
    pub(super) above: Vec<(u64, ClassRates)>,
    /// Nano-dollars for each request.
    pub(super) request_nanos: u64,
    /// Nano-dollars for each search of the web.
    pub(super) search_nanos: u64,
    /// Whether the list has the tier that was asked for; else these are the standard rates.
    pub(super) exact: bool,
}

/// What is counted of one row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    classes: [u64; CLASSES],
    output_known: bool,
    requests: Option<u64>,
    searches: u64,
    /// The input of one call, on average where the row is many.
    call_input: u64,
    /// The input of the longest call that there may be.
    longest_input: u64,
}

impl Counts {
    /// Returns the counts of a row, or `None` where its tokens are not known or contradict each
    /// other.
    pub(super) fn of(row: &UsageRow<'_>) -> Option<Self> {
        let count = |field| row.count(field);
        let input = count(CountField::InputTokens)?;
        let read = count(CountField::CacheReadTokens).unwrap_or(0);
        let written_1h = count(CountField::CacheWrite1hTokens).unwrap_or(0);
        let written = count(CountField::CacheWriteTokens).unwrap_or(written_1h);
        let output = count(CountField::OutputTokens);
        let reasoning = count(CountField::ReasoningTokens).unwrap_or(0);
        let reasoning = reasoning.min(output.unwrap_or(0));
        let requests = count(CountField::Requests);
        let (call_input, longest_input) = match requests {
            Some(requests) => (input / requests.max(1), input),
            None if row.time_end.is_none() => (input, input),
            // A sum over calls that nobody counted: Anthropic's report says how long they were.
            None => match context_window(row) {
                Some(window) if window.starts_with("0-") => (0, 0),
                Some(_) => (LONG_CONTEXT, LONG_CONTEXT),
                None => (0, input),
            },
        };
        let searches = row.other_units.iter();
        let searches = searches.filter(|(name, _)| name == "web_searches");
        let mut classes = [0; CLASSES];
        classes[Class::Input as usize] = input.checked_sub(read)?.checked_sub(written)?;
        classes[Class::CacheRead as usize] = read;
        classes[Class::CacheWrite as usize] = written.checked_sub(written_1h)?;
        classes[Class::CacheWrite1h as usize] = written_1h;
        classes[Class::Output as usize] = output.unwrap_or(0) - reasoning;
        classes[Class::Reasoning as usize] = reasoning;
        Some(Self {
            classes,
            output_known: output.is_some(),
            requests: requests.or(row.time_end.is_none().then_some(1)),
            searches: searches.map(|(_, number)| *number as u64).sum(),
            call_input,
            longest_input,
        })
    }

    /// Returns all tokens together.
    pub(super) fn tokens(&self) -> u64 {
        self.classes.iter().sum()
    }
}

impl Rates {
    /// Returns whether every token is free as far as the list knows.
    pub(super) fn are_zero(&self) -> bool {
        let above = self.above.iter().map(|(_, rates)| rates);
        let mut all = std::iter::once(&self.base).chain(above).flatten();
        all.all(|rate| rate.unwrap_or(0) == 0)
    }

    /// Returns the nano-dollars that a row cost, or `None` where a number is missing for it.
    pub(super) fn cost(&self, counts: &Counts) -> Option<i128> {
        let rates = self.for_input(counts.call_input);
        if !counts.output_known && rates[Class::Output as usize].is_some_and(|rate| rate > 0) {
            return None;
        }
        let mut femtos = 0i128;
        for (count, rate) in counts.classes.iter().zip(rates) {
            if *count > 0 {
                femtos += i128::from(*count) * i128::from((*rate)?);
            }
        }
        let requests = match self.request_nanos {
            0 => 0,
            nanos => i128::from(nanos) * i128::from(counts.requests?),
        };
        let searches = i128::from(self.search_nanos) * i128::from(counts.searches);
        Some(half_even(femtos, 1_000_000) + requests + searches)
    }

    /// Returns whether a row is a sum over calls of which some may have had other rates.
    pub(super) fn is_torn_by(&self, counts: &Counts) -> bool {
        !std::ptr::eq(
            self.for_input(counts.call_input),
            self.for_input(counts.longest_input),
        )
    }

    fn for_input(&self, input: u64) -> &ClassRates {
        let above = self.above.iter().rev().find(|(bound, _)| input > *bound);
        above.map_or(&self.base, |(_, rates)| rates)
    }
}

/// More input than any bound between short and long calls.
const LONG_CONTEXT: u64 = 999_999;

/// Returns how long the calls of a line of Anthropic's report were: `0-200k` or `200k-1M`.
fn context_window<'r>(row: &'r UsageRow<'_>) -> Option<&'r str> {
    let mut extra = row.extra.iter();
    let found = extra.find(|(name, _)| name == "context_window");
    found.map(|(_, value)| &**value)
}

/// Divides what is not negative, and rounds half to even.
fn half_even(number: i128, divisor: i128) -> i128 {
    let (whole, rest) = (number / divisor, number % divisor);
    let up = rest * 2 > divisor || (rest * 2 == divisor && whole % 2 == 1);
    whole + i128::from(up)
}

/// Completes the rates of classes that are a part of another: what has no price of its own costs
/// what the rest of its class does.
pub(super) fn complete(mut rates: ClassRates) -> ClassRates {
    let parts = [
        (Class::CacheRead, Class::Input),
        (Class::CacheWrite, Class::Input),
        (Class::CacheWrite1h, Class::CacheWrite),
        (Class::Reasoning, Class::Output),
    ];
    for (part, whole) in parts {
        rates[part as usize] = rates[part as usize].or(rates[whole as usize]);
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::half_even;

    #[test]
    fn halves_go_to_the_even_number() {
        for (number, expected) in [
            (0, 0),
            (499_999, 0),
            (500_000, 0),
            (500_001, 1),
            (1_500_000, 2),
            (2_500_000, 2),
        ] {
            assert_eq!(half_even(number, 1_000_000), expected, "{number}");
        }
    }
}
