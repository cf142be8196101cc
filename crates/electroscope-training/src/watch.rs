//! What a training tells whoever watches it.
//!
//! Apart, so that a training can be watched from a terminal, from a log or from a test. A training
//! prints nothing itself.

/// Watches a training, and may stop it.
pub trait Watch {
    /// Something is about to be done that takes a while: `reading corpus`, `saving`.
    fn doing(&mut self, _what: &str) {}

    /// Something that the user should know, in a sentence.
    fn remark(&mut self, _what: &str) {}

    /// A step has been made.
    fn step(&mut self, report: &StepReport<'_>);

    /// What has been learnt so far has been measured on data that is not learnt from.
    fn evaluated(&mut self, report: &EvaluationReport<'_>);

    /// Whether the training is to stop after the step that it is at.
    fn stopped(&self) -> bool {
        false
    }
}

/// What there is to say of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport<'a> {
    /// How many steps have been made, this one counted.
    pub step: u64,
    /// How many there will be, if that is known: a training may be bounded by time.
    pub steps: Option<u64>,
    /// How much of the training is done, from 0 to 1.
    pub done: f64,
    /// The loss of this step.
    pub loss: f64,
    /// What the loss is made up of, where it has parts.
    pub parts: &'a [(&'static str, f64)],
    /// The learning rate of this step.
    pub rate: f64,
    /// Tokens that this step learnt from, padding not counted.
    pub tokens: usize,
}

/// What a measurement came to.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationReport<'a> {
    /// How many steps had been made.
    pub step: u64,
    /// The numbers by name, the most telling first.
    pub values: &'a [(&'static str, f64)],
    /// Whether they are better than all that were measured before; never so of the first.
    pub is_best: bool,
}

/// Looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn step(&mut self, _report: &StepReport<'_>) {}

    fn evaluated(&mut self, _report: &EvaluationReport<'_>) {}
}
