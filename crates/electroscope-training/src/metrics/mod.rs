//! What numbers a comparison of answers with the truth comes to: pure functions over slices.
//!
//! Each is what its reference computes to the last digits that both carry: scikit-learn and SciPy,
//! the scripts of SQuAD and of the CoNLL shared tasks; the fixtures of
//! `tests/reference/make_metric_fixtures.py` hold them to it. All are shares of one, never percents.
//! Where a reference warns and gives a number that means nothing, there is none here, or the
//! documentation says which. Nothing here knows a model, a tokenizer or a file.

mod answers;
mod detection;
mod entities;
mod labels;
mod values;

pub use answers::{
    Search, Verdict, best_exact, best_f1, exact_match, no_answer_search, normalized, overlap,
};
pub use detection::{
    Detection, area_under_curve, average_precision, brier, calibration_error, detection,
};
pub use entities::{Kind, entities};
pub use labels::{Counts, accuracy, binary_f1, macro_f1, matthews, multi_label};
pub use values::{pearson, spearman};

#[cfg(test)]
mod tests;
