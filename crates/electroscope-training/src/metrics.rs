//! Evaluation metrics: pure functions that compare predictions with the truth.
//!
//! Each agrees with its reference to nine digits: scikit-learn and SciPy, and the scripts of SQuAD and
//! of the CoNLL shared tasks. The fixtures of `tests/reference/make_metric_fixtures.py` test that. All
//! are fractions, not percentages. Where a reference warns and gives a meaningless number, the function
//! here gives none, or its documentation says what it gives.

mod answers;
mod correlation;
mod detection;
mod entities;
mod labels;

pub use answers::{
    NoAnswerCase, NoAnswerThreshold, best_exact_match, best_no_answer_threshold, best_word_f1,
    exact_match, normalize_answer, word_f1,
};
pub use correlation::{pearson, spearman};
pub use detection::{
    DetectionScores, auroc, average_precision, brier, calibration_error, detection_scores,
};
pub use entities::{LabelCounts, entities};
pub use labels::{ConfusionCounts, accuracy, binary_f1, macro_f1, matthews, multi_label};

#[cfg(test)]
mod tests;
