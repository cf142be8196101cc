//! The kinds of writing errors that error taggers tell apart.

/// The kind of error that a label names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A misspelt word.
    Spelling,
    /// A verb that does not agree with its subject, or a noun in the wrong number.
    Agreement,
    /// A missing, wrong or needless article.
    Article,
    /// A missing, wrong or needless preposition.
    Preposition,
    /// A verb in the wrong form or tense.
    VerbForm,
    /// A correctly spelt word that is the wrong one here.
    WrongWord,
    /// A word is missing before the marked one.
    Missing,
    /// A word that is too many, such as a repeated one.
    Superfluous,
}

impl ErrorKind {
    /// All kinds, in the order of their labels.
    pub const ALL: [ErrorKind; 8] = [
        ErrorKind::Spelling,
        ErrorKind::Agreement,
        ErrorKind::Article,
        ErrorKind::Preposition,
        ErrorKind::VerbForm,
        ErrorKind::WrongWord,
        ErrorKind::Missing,
        ErrorKind::Superfluous,
    ];

    /// The label of a word with such an error.
    pub fn label(self) -> &'static str {
        match self {
            ErrorKind::Spelling => "SPELLING",
            ErrorKind::Agreement => "AGREEMENT",
            ErrorKind::Article => "ARTICLE",
            ErrorKind::Preposition => "PREPOSITION",
            ErrorKind::VerbForm => "VERB-FORM",
            ErrorKind::WrongWord => "WRONG-WORD",
            ErrorKind::Missing => "MISSING",
            ErrorKind::Superfluous => "SUPERFLUOUS",
        }
    }

    /// The index of the label in the error taggers that are trained here. `O` has index 0.
    pub fn index(self) -> usize {
        1 + self as usize
    }

    /// The kind with this label; none for `O` and for the labels of other taggers.
    pub fn from_label(label: &str) -> Option<ErrorKind> {
        ErrorKind::ALL
            .into_iter()
            .find(|kind| kind.label() == label)
    }

    /// What a word with such an error is called in a sentence: `a spelling error`.
    pub fn description(self) -> &'static str {
        match self {
            ErrorKind::Spelling => "a spelling error",
            ErrorKind::Agreement => "an agreement error",
            ErrorKind::Article => "a wrong or missing article",
            ErrorKind::Preposition => "a wrong or missing preposition",
            ErrorKind::VerbForm => "a wrong verb form",
            ErrorKind::WrongWord => "a wrong word",
            ErrorKind::Missing => "a missing word before this one",
            ErrorKind::Superfluous => "a superfluous word",
        }
    }
}
