//! Training examples: a window of tokens and the expected output.

use electroscope_model::HeadInput;

/// A window and its expected output.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The tokens.
    pub input: HeadInput,
    /// The expected output.
    pub target: Target,
}

/// The expected output for a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The index of a label.
    Label(usize),
    /// Whether each label applies; as many as the task has labels.
    Labels(Vec<bool>),
    /// The value, for a regression.
    Value(f32),
    /// The first and the last token of the answer, as positions in the window. Both 0, the position of
    /// `[CLS]`, if the window does not contain the answer.
    Span {
        /// The first token.
        start: usize,
        /// The last token.
        end: usize,
    },
    /// The index of a label for each token of the window; none for tokens without a loss: special tokens,
    /// and word pieces other than the first of a word.
    Tags(Vec<Option<usize>>),
}
