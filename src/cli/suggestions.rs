//! Suggestions for the words that a command flags.

use clap::Args;

use crate::report::{Scored, Suggested};
use electroscope_analysis::suggestions::Suggester;
use electroscope_text::blocks;

#[derive(Clone, Debug, Args)]
pub(super) struct SuggestionArgs {
    /// Suggest at most N words for each that is flagged: those that the discriminator, having read
    /// them in its place, thinks likelier
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "3", value_parser = clap::value_parser!(u8).range(1..=20), conflicts_with = "calibrate")]
    suggest: Option<u8>,
    /// Flag only words for which there is such a suggestion: others are likely only rare
    #[arg(long, conflicts_with = "calibrate")]
    pub(super) only_verified: bool,
}

impl SuggestionArgs {
    /// Whether suggestions are to be looked for.
    pub(super) fn wanted(&self) -> bool {
        self.suggest.is_some() || self.only_verified
    }

    /// How many are written of a word.
    pub(super) fn most(&self) -> usize {
        self.suggest.map_or(0, usize::from)
    }
}

/// The suggestions for all flagged words of a document.
pub(super) fn of_flagged(
    suggester: &Suggester<'_>,
    scored: &Scored<'_>,
    most: usize,
    only_verified: bool,
) -> anyhow::Result<Suggested> {
    let mut suggested = Suggested::new(most, only_verified);
    let blocks = blocks(scored.document);
    for (_, word) in scored.flagged() {
        if let Some(found) = suggester.suggest(scored.document, &blocks, word.span)? {
            suggested.insert(word.span.start(), found.candidates);
        }
    }
    Ok(suggested)
}
