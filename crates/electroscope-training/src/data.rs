//! What people labelled, as it stands in their files: texts with labels, questions with answers,
//! sentences with tags. Tokens are not known here.

pub mod columns;
pub mod glue;
mod lines;
mod names;
pub mod spans;
pub mod squad;
pub mod table;

use electroscope_model::Problem;

/// Texts, or pairs of texts, with labels or values.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// The names of the labels by their numbers; one, `value`, for a regression.
    pub labels: Vec<String>,
    /// How they are meant.
    pub problem: Problem,
    /// The texts.
    pub texts: Vec<ClassifiedText>,
}

/// A text with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifiedText {
    /// The text.
    pub text: String,
    /// The text that it is compared with.
    pub pair: Option<String>,
    /// What was said of it: [`Target::Label`], [`Target::Labels`] or [`Target::Value`].
    ///
    /// [`Target::Label`]: super::example::Target::Label
    /// [`Target::Labels`]: super::example::Target::Labels
    /// [`Target::Value`]: super::example::Target::Value
    pub target: super::example::Target,
}

/// Questions about texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Questions {
    /// The texts.
    pub paragraphs: Vec<Paragraph>,
}

/// A text that questions are asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Paragraph {
    /// The text.
    pub context: String,
    /// The questions.
    pub questions: Vec<Question>,
}

/// A question and its answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What the file calls it.
    pub id: String,
    /// The question.
    pub text: String,
    /// The answers that people gave; none if the text holds none.
    pub answers: Vec<GoldAnswer>,
}

/// An answer that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldAnswer {
    /// Its words.
    pub text: String,
    /// Its first byte in the text.
    pub start: usize,
}

/// Sentences whose words have tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The names of the tags by their numbers.
    pub labels: Vec<String>,
    /// The sentences.
    pub sentences: Vec<TaggedSentence>,
}

/// A sentence whose words have tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaggedSentence {
    /// The words, as the file cuts them.
    pub words: Vec<String>,
    /// The number of each word's tag.
    pub tags: Vec<usize>,
}
