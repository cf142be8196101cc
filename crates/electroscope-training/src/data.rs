//! Labelled data, as it is in files: labelled texts, questions with answers, sentences with tagged
//! words. One module for each file format.

pub mod columns;
pub mod corrections;
pub mod glue;
mod label_table;
mod lines;
mod names;
pub mod spans;
pub mod squad;
pub mod table;

use electroscope_model::Problem;

pub use label_table::LabelTable;

/// Texts, or pairs of texts, with labels or values.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledTexts {
    /// The labels, by index; for a regression only one, `value`.
    pub labels: Vec<String>,
    /// The kind of classification.
    pub problem: Problem,
    /// The texts.
    pub texts: Vec<LabelledText>,
}

/// A text with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledText {
    /// The text.
    pub text: String,
    /// The second text of a pair.
    pub pair: Option<String>,
    /// The label: [`Target::Label`], [`Target::Labels`] or [`Target::Value`].
    ///
    /// [`Target::Label`]: super::example::Target::Label
    /// [`Target::Labels`]: super::example::Target::Labels
    /// [`Target::Value`]: super::example::Target::Value
    pub target: super::example::Target,
}

/// Questions about texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Questions {
    /// The texts with their questions.
    pub paragraphs: Vec<Paragraph>,
}

/// A text with questions about it.
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
    /// The id of the question in the file.
    pub id: String,
    /// The question.
    pub text: String,
    /// The answers that people gave; none if the text has no answer.
    pub answers: Vec<GoldAnswer>,
}

/// An answer that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldAnswer {
    /// The words of the answer.
    pub text: String,
    /// The offset of its first byte in the text.
    pub start: usize,
}

/// Sentences with tagged words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledSentences {
    /// The labels, by index.
    pub labels: Vec<String>,
    /// The sentences.
    pub sentences: Vec<LabelledSentence>,
}

/// A sentence with tagged words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelledSentence {
    /// The words, as they are divided in the file.
    pub words: Vec<String>,
    /// The label index of each word.
    pub tags: Vec<usize>,
}
