//! Token counts, made inclusive.
//!
//! The canonical event counts cached tokens inside of the input, and reasoning inside of the
//! output. Half of the sources count cached tokens beside the input, under the same names.

use model::{CountField, Quality, Reason, UsageRow};

use crate::json::MAX_COUNT;
use crate::rejection::Rejection;

/// Whether a source's input tokens include what was read from and written to its cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// Cached tokens are a part of the input: OpenAI, Gemini, LiteLLM, Kong.
    Inclusive,
    /// Cached tokens stand beside the input: Anthropic, Bedrock, Langfuse.
    Exclusive,
    /// Not known; the numbers decide, and inclusive is the answer where they do not.
    #[default]
    Inferred,
}

/// The token counts of one row as its source gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) input: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) cache_write: Option<u64>,
    /// A subset of `cache_write`.
    pub(crate) cache_write_1h: Option<u64>,
    /// With reasoning inside.
    pub(crate) output: Option<u64>,
    pub(crate) reasoning: Option<u64>,
    /// The source's own sum; checked, never used.
    pub(crate) total: Option<u64>,
    pub(crate) convention: Convention,
}

impl Tokens {
    /// Returns whether anything is counted.
    pub(crate) fn exist(&self) -> bool {
        self.input.or(self.output).or(self.cache_read).is_some()
    }

    /// Writes the counts into a row, the input with everything cached inside, and says in its
    /// quality where that was a conclusion or the source's total is another.
    ///
    /// # Errors
    /// [`Reason::Number`] where the sum is beyond the limit of a count.
    pub(crate) fn settle(self, row: &mut UsageRow<'_>) -> Result<(), Rejection> {
        let cached = self.cache_read.unwrap_or(0) + self.cache_write.unwrap_or(0);
        let given = self.input.unwrap_or(0);
        let output = self.output.unwrap_or(0);
        let exclusive = match self.convention {
            Convention::Exclusive => true,
            // No part is greater than its whole.
            Convention::Inclusive | Convention::Inferred if cached > given => {
                row.quality.insert(Quality::INFERRED_CONVENTION);
                true
            }
            Convention::Inclusive => false,
            Convention::Inferred if cached == 0 => false,
            Convention::Inferred => {
                row.quality.insert(Quality::INFERRED_CONVENTION);
                self.total == Some(given + cached + output)
            }
        };
        let input = if exclusive { given + cached } else { given };
        // A source of the exclusive kind sums up what it shows, with or without the cache.
        let sums = [input + output, given + output];
        if self
            .total
            .is_some_and(|total| total > 0 && !sums.contains(&total))
        {
            row.quality.insert(Quality::TOTAL_MISMATCH);
        }
        if self.reasoning.is_some_and(|reasoning| reasoning > output) {
            row.quality.insert(Quality::TOTAL_MISMATCH);
        }
        if input > MAX_COUNT {
            let detail = format!("the input tokens are more than {MAX_COUNT} together");
            return Err(Rejection::new(Reason::Number, detail));
        }
        let known = self.input.is_some() || (exclusive && cached > 0);
        let counts = [
            (CountField::InputTokens, known.then_some(input)),
            (CountField::CacheReadTokens, self.cache_read),
            (CountField::CacheWriteTokens, self.cache_write),
            (CountField::CacheWrite1hTokens, self.cache_write_1h),
            (CountField::OutputTokens, self.output),
            (CountField::ReasoningTokens, self.reasoning),
        ];
        for (field, count) in counts {
            if let Some(count) = count {
                row.set_count(field, count);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn check(tokens: Tokens, input: u64, quality: &[&str]) {
        let mut row = UsageRow::at(Timestamp::EARLIEST);
        tokens.settle(&mut row).unwrap();
        assert_eq!(
            row.count(CountField::InputTokens),
            Some(input),
            "{tokens:?}"
        );
        assert_eq!(
            row.quality.words().collect::<Vec<_>>(),
            quality,
            "{tokens:?}"
        );
    }

    #[test]
    fn input_is_inclusive_whatever_the_source_counts() {
        let tokens = |convention, total| Tokens {
            input: Some(100),
            cache_read: Some(40),
            cache_write: Some(10),
            output: Some(5),
            total,
            convention,
            ..Tokens::default()
        };
        check(tokens(Convention::Inclusive, Some(105)), 100, &[]);
        check(tokens(Convention::Exclusive, None), 150, &[]);
        check(tokens(Convention::Exclusive, Some(155)), 150, &[]);
        check(tokens(Convention::Exclusive, Some(105)), 150, &[]);
        check(
            tokens(Convention::Inferred, Some(105)),
            100,
            &["inferred_convention"],
        );
        check(
            tokens(Convention::Inferred, Some(155)),
            150,
            &["inferred_convention"],
        );
        check(
            tokens(Convention::Inclusive, Some(900)),
            100,
            &["total_mismatch"],
        );
    }

    #[test]
    fn more_cache_than_input_is_exclusive_whoever_says_otherwise() {
        let tokens = Tokens {
            input: Some(3),
            cache_read: Some(900),
            convention: Convention::Inclusive,
            ..Tokens::default()
        };
        check(tokens, 903, &["inferred_convention"]);
    }

    #[test]
    fn unknown_stays_unknown_and_too_much_is_refused() {
        let mut row = UsageRow::at(Timestamp::EARLIEST);
        Tokens::default().settle(&mut row).unwrap();
        assert_eq!(row.count(CountField::InputTokens), None);
        let tokens = Tokens {
            input: Some(MAX_COUNT),
            cache_read: Some(1),
            convention: Convention::Exclusive,
            ..Tokens::default()
        };
        assert!(tokens.settle(&mut row).is_err());
    }
}
