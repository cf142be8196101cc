//! What a fine-tuned model was trained to do.

use crate::family::Family;

/// What a head was trained to do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Labels for a whole text, or for a pair of texts.
    Classification,
    /// Where in a text the answer to a question stands.
    #[serde(rename = "qa")]
    QuestionAnswering,
    /// A label for each word.
    Tagging,
}

impl Task {
    /// All there are.
    pub const ALL: [Task; 3] = [Task::Classification, Task::QuestionAnswering, Task::Tagging];

    /// What settings and JSON call it.
    pub fn name(self) -> &'static str {
        match self {
            Task::Classification => "classification",
            Task::QuestionAnswering => "qa",
            Task::Tagging => "tagging",
        }
    }

    /// The family and the task of a class in the reference, such as `BertForTokenClassification`;
    /// none for what is no head, or none that can be read.
    pub fn of_class(class: &str) -> Option<(Family, Task)> {
        let class = plain_class(class);
        let of = |family: Family| Some((family, class.strip_prefix(family.class_prefix())?));
        let (family, rest) = Family::ALL.into_iter().find_map(of)?;
        let task = (Task::ALL.into_iter()).find(|task| rest == task.class_suffix())?;
        Some((family, task))
    }

    /// What the names of its classes end with.
    pub fn class_suffix(self) -> &'static str {
        match self {
            Task::Classification => "ForSequenceClassification",
            Task::QuestionAnswering => "ForQuestionAnswering",
            Task::Tagging => "ForTokenClassification",
        }
    }
}

/// The class without what TensorFlow and Flax put before it.
pub(crate) fn plain_class(class: &str) -> &str {
    class
        .strip_prefix("TF")
        .or_else(|| class.strip_prefix("Flax"))
        .unwrap_or(class)
}
