//! Evaluates fine-tuned heads on labelled data.
//!
//! One file for each task: from a head and the data to [`HeadScores`] and to the head's prediction for
//! each example. Logits are read as the commands `classify`, `ask` and `tag` read them, so that the
//! scores hold for those commands. The metrics themselves are in [`super::metrics`]. Nothing here reads
//! a file or a clock, or prints.

mod classification;
mod error_spans;
mod label_matching;
mod question_answering;
mod tagging;

use serde::ser::{Serialize, SerializeMap, Serializer};

use electroscope_model::{self as model, HeadForward, HeadInput, Logits};

use super::metrics::LabelCounts;

pub use classification::{ClassificationOptions, classification};
pub use error_spans::error_spans;
pub use label_matching::{match_labels, relabel_tags, relabel_texts};
pub use question_answering::{AnswerPrediction, NoAnswerPolicy, question_answering};
pub use tagging::{TagPrediction, tagging};

/// The tokens of one call of the model: enough for all cores, and few enough for frequent progress
/// reports.
const TOKENS_PER_CALL: usize = 4096;

/// Called after each call of the model with the number of windows that are done and of all windows.
pub type ReportProgress<'a> = dyn FnMut(usize, usize) + 'a;

/// The scores of a head on a data set, and of a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadScores {
    /// The name of the main metric.
    pub main_metric: &'static str,
    /// All metrics by name, as fractions unless the name says otherwise. A metric that is undefined, such
    /// as the correlation with constant values, is left out.
    pub values: Vec<(&'static str, f64)>,
    /// The scores of a baseline that ignores the text.
    pub baseline: Baseline,
    /// The no-answer threshold with the best F1, for heads that can refuse to answer.
    pub no_answer_threshold: Option<f64>,
    /// True and false positives and negatives of each label or kind of entity.
    pub by_label: Vec<LabelCounts>,
    /// The number of texts, questions or sentences.
    pub examples: usize,
    /// The number of tokens that the model read.
    pub tokens: usize,
}

/// The scores of predictions that ignore the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// What is predicted, for people: `always "no"`.
    pub prediction: String,
    /// The metrics, by the names in [`HeadScores::values`].
    pub values: Vec<(&'static str, f64)>,
}

impl HeadScores {
    /// The value of the main metric; 0 if it is undefined.
    pub fn main_value(&self) -> f64 {
        self.value(self.main_metric).unwrap_or(0.0)
    }

    /// The value of a metric by its name.
    pub fn value(&self, name: &str) -> Option<f64> {
        let mut values = self.values.iter();
        let (_, value) = values.find(|(known, _)| *known == name)?;
        Some(*value)
    }
}

/// Serialises metrics as an object with their names as keys.
struct NamedValues<'a>(&'a [(&'static str, f64)]);

impl Serialize for NamedValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl Serialize for Baseline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("answer", &self.prediction)?;
        map.serialize_entry("metrics", &NamedValues(&self.values))?;
        map.end()
    }
}

/// Serialises the counts of a label with the metrics derived from them.
struct LabelCountsJson<'a>(&'a LabelCounts);

impl Serialize for LabelCountsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let LabelCounts { label, counts } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("label", label)?;
        map.serialize_entry("precision", &counts.precision())?;
        map.serialize_entry("recall", &counts.recall())?;
        map.serialize_entry("f1", &counts.f1())?;
        map.serialize_entry("true_positives", &counts.true_positives)?;
        map.serialize_entry("false_positives", &counts.false_positives)?;
        map.serialize_entry("false_negatives", &counts.false_negatives)?;
        map.end()
    }
}

impl Serialize for HeadScores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("main", self.main_metric)?;
        map.serialize_entry("metrics", &NamedValues(&self.values))?;
        map.serialize_entry("baseline", &self.baseline)?;
        if let Some(threshold) = self.no_answer_threshold {
            map.serialize_entry("no_answer_threshold", &threshold)?;
        }
        if !self.by_label.is_empty() {
            let labels: Vec<LabelCountsJson<'_>> =
                self.by_label.iter().map(LabelCountsJson).collect();
            map.serialize_entry("by_label", &labels)?;
        }
        map.serialize_entry("examples", &self.examples)?;
        map.serialize_entry("tokens", &self.tokens)?;
        map.end()
    }
}

/// The scores of a head, and its prediction for each example, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated<T> {
    /// The scores.
    pub scores: HeadScores,
    /// The predictions.
    pub predictions: Vec<T>,
}

/// Runs `forward` on `windows`, batched by length, and calls `on_logits` with the index and the logits
/// of each window, in any order. Gives the number of tokens.
fn run_windows(
    forward: &dyn HeadForward,
    windows: &[HeadInput],
    report_progress: &mut ReportProgress<'_>,
    mut on_logits: impl FnMut(usize, Logits),
) -> Result<usize, model::Error> {
    let mut order: Vec<usize> = (0..windows.len()).collect();
    let len = |at: usize| windows.get(at).map_or(0, |window| window.ids.len());
    order.sort_by_key(|&at| len(at));
    let (mut rest, mut done, mut tokens) = (order.as_slice(), 0, 0);
    while !rest.is_empty() {
        let mut read = 0;
        let fit = rest.iter().take_while(|&&at| {
            read += len(at);
            read <= TOKENS_PER_CALL
        });
        let (batch, after) = rest.split_at(fit.count().max(1));
        rest = after;
        let inputs = batch.iter().filter_map(|&at| windows.get(at).cloned());
        let inputs: Vec<HeadInput> = inputs.collect();
        tokens += inputs.iter().map(|input| input.ids.len()).sum::<usize>();
        for (&at, logits) in batch.iter().zip(forward.logits(&inputs)?) {
            on_logits(at, logits);
        }
        done += batch.len();
        report_progress(done, windows.len());
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests;
