//! What the analysis found: spans and numbers.

use std::ops::Range;

use crate::text::Span;

/// One word piece of the model's tokenizer that was scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// Its bytes in the document.
    pub span: Span,
    /// How likely the model thinks it was replaced: the sigmoid of the discriminator's logit.
    pub p: f32,
}

/// The run of word pieces that belong to one pre-tokenised word.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// From its first piece to its last, in bytes of the document.
    pub span: Span,
    /// The largest p of its pieces.
    pub p: f32,
    /// Its pieces, as a range into [`Reading::tokens`].
    pub tokens: Range<u32>,
}

/// What one window said about the words it was asked about.
///
/// The readings of a document do not overlap, and together they hold every scored word.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// From the first of its words to the last, in bytes of the document.
    pub span: Span,
    /// The scored pieces in order.
    pub tokens: Vec<Token>,
    /// The scored words in order.
    pub words: Vec<Word>,
}

impl Reading {
    /// The pieces of one of this reading's words.
    pub fn pieces(&self, word: &Word) -> &[Token] {
        self.tokens
            .get(word.tokens.start as usize..word.tokens.end as usize)
            .unwrap_or_default()
    }
}
