//! What is suggested for the flagged words of a document.

use std::collections::BTreeMap;

use electroscope_analysis::Word;
use electroscope_analysis::suggestions::Suggestion;

/// The suggestions for some words of a document, and how they count.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suggested {
    /// By the byte that the word begins at.
    words: BTreeMap<usize, Vec<Suggestion>>,
    /// How many are written of a word.
    most: usize,
    /// Whether only words that a suggestion betters are flagged.
    only_verified: bool,
}

/// A suggestion as JSON.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct SuggestionObject<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    kind: &'static str,
    p_before: f32,
    p_after: f32,
    certainty: f32,
}

impl Suggested {
    /// None yet, of which at most `most` are to be written for a word.
    pub fn new(most: usize, only_verified: bool) -> Suggested {
        Suggested {
            words: BTreeMap::new(),
            most,
            only_verified,
        }
    }

    /// Keeps the verified ones among the suggestions for the word at byte `start`, best first.
    pub fn insert(&mut self, start: usize, mut suggestions: Vec<Suggestion>) {
        suggestions.retain(|suggestion| suggestion.is_verified);
        if !suggestions.is_empty() {
            self.words.insert(start, suggestions);
        }
    }

    /// Those for `word` that are to be written.
    pub fn of(&self, word: &Word) -> &[Suggestion] {
        let all = self.words.get(&word.span.start());
        let all = all.map_or(&[][..], Vec::as_slice);
        all.get(..self.most).unwrap_or(all)
    }

    /// Whether `word` may be flagged.
    pub(super) fn allows(&self, word: &Word) -> bool {
        !self.only_verified || self.words.contains_key(&word.span.start())
    }

    /// Those for `word` as JSON; none if none are to be written of any.
    pub(super) fn objects(&self, word: &Word) -> Option<Vec<SuggestionObject<'_>>> {
        (self.most > 0).then(|| self.of(word).iter().map(object).collect())
    }

    /// What people are shown of those for `word`: the words, parted by commas.
    pub(super) fn in_words(&self, word: &Word) -> Option<String> {
        let shown = |suggestion: &Suggestion| match suggestion.replacement.as_str() {
            "" => "(leave out)".to_owned(),
            replacement => electroscope_text::visible(replacement),
        };
        let all: Vec<String> = self.of(word).iter().map(shown).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

fn object(suggestion: &Suggestion) -> SuggestionObject<'_> {
    SuggestionObject {
        text: &suggestion.replacement,
        start: suggestion.span.start(),
        end: suggestion.span.end(),
        kind: suggestion.kind.name(),
        p_before: suggestion.p_before,
        p_after: suggestion.p_after,
        certainty: suggestion.certainty,
    }
}
