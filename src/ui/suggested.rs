//! What is suggested for the words of one version of a document.

use std::collections::BTreeMap;
use std::sync::Arc;

use electroscope_analysis::suggestions::{Suggestion, Suggestions};
use electroscope_text::Span;

/// What has been found for a word: none where nothing can be put, else why nothing could be looked for.
pub(super) type Found = Result<Option<Arc<Suggestions>>, String>;

/// What has been found for words of a document. It is of the text as it is now: an edit empties it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Suggested {
    /// By the byte that the word begins at.
    words: BTreeMap<usize, (Span, Found)>,
}

impl Suggested {
    /// Keeps what was found for `word`.
    pub(super) fn insert(&mut self, word: Span, found: Found) {
        self.words.insert(word.start(), (word, found));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.words.clear();
    }

    /// What was found for `word`; none if it has not been looked for.
    pub(super) fn of(&self, word: Span) -> Option<&Found> {
        let (span, found) = self.words.get(&word.start())?;
        (*span == word).then_some(found)
    }

    /// All candidates for `word`, the best first.
    pub(super) fn candidates(&self, word: Span) -> &[Suggestion] {
        match self.of(word) {
            Some(Ok(Some(found))) => &found.candidates,
            _ => &[],
        }
    }

    /// Those that the model thinks likelier than the word itself.
    pub(super) fn better(&self, word: Span) -> impl Iterator<Item = &Suggestion> {
        let candidates = self.candidates(word).iter();
        candidates.filter(|candidate| candidate.is_verified)
    }
}

/// What is shown of a replacement.
pub(super) fn shown(replacement: &str) -> &str {
    match replacement.trim() {
        "" => "(leave out)",
        replacement => replacement,
    }
}
