//! How a training reports its progress.
//!
//! A training prints nothing. It calls a [`TrainingObserver`], which a terminal, a log or a test
//! implements.

/// Follows a training, and can stop it.
pub trait TrainingObserver {
    /// An activity that takes a while begins, such as `writing the models`.
    fn started(&mut self, _activity: &str) {}

    /// A message for the user, a sentence.
    fn message(&mut self, _text: &str) {}

    /// A training step is done.
    fn step(&mut self, report: &StepReport<'_>);

    /// The model was evaluated on data that it is not trained on.
    fn evaluated(&mut self, report: &EvaluationReport<'_>);

    /// Whether the training should stop after the current step.
    fn should_stop(&self) -> bool {
        false
    }
}

/// The numbers of a training step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport<'a> {
    /// The steps done so far, this one included.
    pub step: u64,
    /// The steps in all; none for a training that is bounded by time.
    pub steps: Option<u64>,
    /// How much of the training is done, `0.0..=1.0`.
    pub progress: f64,
    /// The loss of this step.
    pub loss: f64,
    /// The parts that the loss is the sum of, by name; empty if it has none.
    pub loss_parts: &'a [(&'static str, f64)],
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// The tokens of this step, without padding.
    pub tokens: usize,
}

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationReport<'a> {
    /// The steps done before it.
    pub step: u64,
    /// The metrics by name, the most important one first.
    pub values: &'a [(&'static str, f64)],
    /// Whether this is better than every result before it; false for the first.
    pub is_best: bool,
}

/// Ignores all reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl TrainingObserver for NoObserver {
    fn step(&mut self, _report: &StepReport<'_>) {}

    fn evaluated(&mut self, _report: &EvaluationReport<'_>) {}
}
