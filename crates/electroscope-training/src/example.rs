//! What a model learns from: a window of tokens, and what should have been said of it.

use electroscope_model::HeadInput;

/// A window and its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What the model reads.
    pub input: HeadInput,
    /// What it should say.
    pub target: Target,
}

/// What a model should say of a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The number of a label.
    Label(usize),
    /// Whether each label applies: as many as there are labels.
    Labels(Vec<bool>),
    /// A value, for a regression.
    Value(f32),
    /// The first and the last token of the answer, as places in the window; both 0, which is
    /// `[CLS]`, where it holds no answer.
    Span {
        /// The first token.
        start: usize,
        /// The last token.
        end: usize,
    },
    /// The number of a label for each token of the window; none where nothing is asked: at special
    /// tokens and at pieces that begin no word.
    Tags(Vec<Option<usize>>),
}
