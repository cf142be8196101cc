//! What a fine-tuned head is worth on data that people labelled.
//!
//! One file for each task: from a head that answers and the data to [`Scores`], and to what the head
//! said of each example. Answers are read as `classify`, `ask` and `tag` read them, so that a number
//! here is one about those commands; what the numbers mean is [`super::metrics`]' business. Never
//! reads a file, looks at a clock or prints.

mod labels;
mod questions;
mod spans;
mod tags;
mod texts;

use serde::ser::{Serialize, SerializeMap, Serializer};

use electroscope_model::{self as model, HeadForward, HeadInput, Logits};

use super::metrics::Kind;

pub use labels::{matched, relabelled, retagged};
pub use questions::{Answered, Refusals, questions};
pub use spans::error_spans;
pub use tags::{Tag, tagging};
pub use texts::{Judging, classification};

/// Tokens that the model reads in one call: enough for every core, and few enough that a watcher
/// sees it go on.
const BATCH: usize = 4096;

/// What a head is worth, and what nothing is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Which value counts.
    pub main: &'static str,
    /// All values by name, shares of one unless the name says otherwise; one that does not exist,
    /// such as the correlation of what does not vary, is not among them.
    pub values: Vec<(&'static str, f64)>,
    /// What one gets for no understanding at all.
    pub baseline: Baseline,
    /// By how much no answer must outscore the best one for the best F1, where that was looked for.
    pub no_answer_threshold: Option<f64>,
    /// How each kind of entity, or each label, was found.
    pub kinds: Vec<Kind>,
    /// How many texts, questions or sentences.
    pub examples: usize,
    /// How many tokens the model read for it.
    pub tokens: usize,
}

/// What an answer that does not look at the text is worth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// The answer, in words: `always "no"`.
    pub answer: String,
    /// What it is worth, by the names of [`Scores::values`].
    pub values: Vec<(&'static str, f64)>,
}

impl Scores {
    /// The value that counts; 0 if it does not exist.
    pub fn main(&self) -> f64 {
        self.value(self.main).unwrap_or(0.0)
    }

    /// A value by its name.
    pub fn value(&self, name: &str) -> Option<f64> {
        let mut values = self.values.iter();
        let (_, value) = values.find(|(known, _)| *known == name)?;
        Some(*value)
    }
}

/// Values by name, as an object.
struct Named<'a>(&'a [(&'static str, f64)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl Serialize for Baseline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("answer", &self.answer)?;
        map.serialize_entry("metrics", &Named(&self.values))?;
        map.end()
    }
}

/// A kind with its numbers.
struct Row<'a>(&'a Kind);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Kind { label, counts } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("label", label)?;
        map.serialize_entry("precision", &counts.precision())?;
        map.serialize_entry("recall", &counts.recall())?;
        map.serialize_entry("f1", &counts.f1())?;
        map.serialize_entry("right", &counts.right)?;
        map.serialize_entry("false_alarms", &counts.false_alarms)?;
        map.serialize_entry("missed", &counts.missed)?;
        map.end()
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("main", self.main)?;
        map.serialize_entry("metrics", &Named(&self.values))?;
        map.serialize_entry("baseline", &self.baseline)?;
        if let Some(threshold) = self.no_answer_threshold {
            map.serialize_entry("no_answer_threshold", &threshold)?;
        }
        if !self.kinds.is_empty() {
            let rows: Vec<Row<'_>> = self.kinds.iter().map(Row).collect();
            map.serialize_entry("by_label", &rows)?;
        }
        map.serialize_entry("examples", &self.examples)?;
        map.serialize_entry("tokens", &self.tokens)?;
        map.end()
    }
}

/// What a head is worth, and what it said of each example, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured<T> {
    /// What it is worth.
    pub scores: Scores,
    /// What it said.
    pub said: Vec<T>,
}

/// Who watches a measurement.
pub trait Watch {
    /// `done` of `all` windows have been read. Told after each call of the model.
    fn read(&mut self, done: usize, all: usize);
}

/// Nobody.
impl Watch for () {
    fn read(&mut self, _: usize, _: usize) {}
}

impl<F: FnMut(usize, usize)> Watch for F {
    fn read(&mut self, done: usize, all: usize) {
        self(done, all);
    }
}

/// Has `forward` read `windows`, those of one length together, and hands the logits of each with its
/// number to `hear`, in any order. How many tokens they have.
fn read_all(
    forward: &dyn HeadForward,
    windows: &[HeadInput],
    watch: &mut dyn Watch,
    mut hear: impl FnMut(usize, Logits),
) -> Result<usize, model::Error> {
    let mut order: Vec<usize> = (0..windows.len()).collect();
    let len = |at: usize| windows.get(at).map_or(0, |window| window.ids.len());
    order.sort_by_key(|&at| len(at));
    let (mut rest, mut done, mut tokens) = (order.as_slice(), 0, 0);
    while !rest.is_empty() {
        let mut read = 0;
        let fit = rest.iter().take_while(|&&at| {
            read += len(at);
            read <= BATCH
        });
        let (batch, after) = rest.split_at(fit.count().max(1));
        rest = after;
        let inputs = batch.iter().filter_map(|&at| windows.get(at).cloned());
        let inputs: Vec<HeadInput> = inputs.collect();
        tokens += inputs.iter().map(|input| input.ids.len()).sum::<usize>();
        for (&at, logits) in batch.iter().zip(forward.logits(&inputs)?) {
            hear(at, logits);
        }
        done += batch.len();
        watch.read(done, windows.len());
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests;
