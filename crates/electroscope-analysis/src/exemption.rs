//! Which words are not flagged though their p is at or above the threshold.
//!
//! One place for the screen, the command line and whoever else flags words: a word that is accepted, or
//! that a mark in the document silences. Neither changes p.

use std::sync::Arc;

use electroscope_text::{Document, Span};

use super::accepted_words::AcceptedWords;
use super::ignore_marks::{IgnoreMarks, Silencing};

/// Why a word is not flagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exemption {
    /// A dictionary has it.
    Accepted,
    /// A mark in the document silences it.
    Silenced(Silencing),
}

/// What is not flagged in one version of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exemptions {
    accepted: Arc<AcceptedWords>,
    marks: IgnoreMarks,
}

impl Exemptions {
    /// Those of `document`, in which these words are accepted.
    pub fn of(document: &Document, accepted: Arc<AcceptedWords>) -> Exemptions {
        Exemptions {
            accepted,
            marks: IgnoreMarks::of(document),
        }
    }

    /// The same document with other accepted words.
    #[must_use]
    pub fn with(self, accepted: Arc<AcceptedWords>) -> Exemptions {
        Exemptions { accepted, ..self }
    }

    /// The marks of the document.
    pub fn marks(&self) -> &IgnoreMarks {
        &self.marks
    }

    /// Why the word at `span` of `text`, which is the document's, is not flagged; `word` is what a reader
    /// sees there.
    pub fn of_word(&self, text: &str, span: Span, word: &str) -> Option<Exemption> {
        if self.accepted.accept(text, span, word) {
            return Some(Exemption::Accepted);
        }
        let silencing = self.marks.silencing(span, word);
        silencing.map(Exemption::Silenced)
    }

    /// Whether no word is exempt.
    pub fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.marks.is_empty()
    }
}
