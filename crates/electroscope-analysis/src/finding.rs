//! What the analysis found: spans and numbers.

use std::ops::Range;

use electroscope_text::Span;

use super::error_kind::ErrorKind;

/// One word piece of the model's tokenizer that was scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    /// Its bytes in the document.
    pub span: Span,
    /// How likely the model thinks it was replaced: the sigmoid of the discriminator's logit.
    pub p: f32,
}

/// A word as a reader sees it, or a mark of punctuation, whatever pieces the tokenizer makes of it:
/// see [`electroscope_text::word_starts`].
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// From its first piece to its last, in bytes of the document.
    pub span: Span,
    /// The largest p of its pieces.
    pub p: f32,
    /// Its pieces, as a range into [`Reading::tokens`].
    pub tokens: Range<u32>,
    /// Whether it has neither a letter nor a digit.
    pub is_punctuation: bool,
    /// The likeliest kind of error, where errors are looked for by a tagger that knows kinds.
    pub kind: Option<ErrorKind>,
}

/// Which words are flagged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flagging {
    /// Those whose p is at or above it.
    pub threshold: f32,
    /// Whether punctuation is flagged too.
    pub punctuation: bool,
}

impl Flagging {
    /// Flags words from `threshold` on, and no punctuation.
    pub fn words(threshold: f32) -> Flagging {
        Flagging {
            threshold,
            punctuation: false,
        }
    }

    /// Whether it flags `word`.
    pub fn flags(self, word: &Word) -> bool {
        word.p >= self.threshold && (self.punctuation || !word.is_punctuation)
    }
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

/// What a classifier is asked about, one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnitKind {
    /// The whole document: the mean of its windows' probabilities.
    Document,
    /// Each block of prose.
    #[default]
    Paragraph,
    /// Each sentence.
    Sentence,
}

/// What a classifier says of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Its bytes in the document.
    pub span: Span,
    /// The probability of each label, by its number; for a regression the values themselves.
    pub p: Vec<f32>,
}

/// A place in a document that answers a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its bytes in the document.
    pub span: Span,
    /// What a reader sees there: without markers, entities as their characters.
    pub text: String,
    /// Start logit and end logit together.
    pub score: f32,
    /// Its share of the n-best list.
    pub p: f32,
}

/// That a document does not answer a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoAnswer {
    /// Start logit and end logit at `[CLS]` together, the lowest of all windows.
    pub score: f32,
    /// Its share beside the n-best list.
    pub p: f32,
}

/// What a document says to a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// The best places, the best first.
    pub best: Vec<Answer>,
    /// The case that there is none, if the head was trained to say so.
    pub none: Option<NoAnswer>,
}

/// A word and its label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaggedWord {
    /// Its bytes in the document.
    pub span: Span,
    /// The number of its label: that of its first piece.
    pub label: u16,
    /// The probability of that label.
    pub p: f32,
    /// Whether it has neither a letter nor a digit.
    pub is_punctuation: bool,
}

/// What a tagger says of a stretch of a document.
///
/// The taggings of a document do not overlap, and together they hold every word of its prose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tagging {
    /// From the first of its words to the last, in bytes of the document.
    pub span: Span,
    /// The words in order.
    pub words: Vec<TaggedWord>,
}

/// A run of words that a tagger takes for one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityAt {
    /// What it is: the label without its prefix.
    pub label: String,
    /// From its first word to its last, in bytes of the document.
    pub span: Span,
    /// What a reader sees there: without markers, entities as their characters.
    pub text: String,
    /// The mean of the p of its words.
    pub p: f32,
}
