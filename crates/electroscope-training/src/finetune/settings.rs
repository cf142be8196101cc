//! How a head is trained. The defaults are those of google-research/electra,
//! `configure_finetuning.py` and Appendix B of the paper.

use serde::{Deserialize, Serialize};

use electroscope_model::Task;

/// How a head is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How often each example is seen; parts of an epoch count.
    pub epochs: f64,
    /// Examples in a step.
    pub batch_size: usize,
    /// The highest rate, which the head learns at.
    pub learning_rate: f64,
    /// By what factor the rate is lower in each layer below; none for the same in all.
    pub layer_decay: Option<f64>,
    /// The share of the steps in which the rate rises.
    pub warmup: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// The norm that gradients are clipped to.
    pub clip: f64,
    /// Tokens in a window, at most.
    pub max_length: usize,
    /// What begins at chance begins from this.
    pub seed: u64,
    /// The rank of adapters that learn in place of the encoder.
    pub lora: Option<usize>,
    /// Steps between two evaluations; none for one after each epoch.
    pub evaluate_every: Option<u64>,
}

impl Settings {
    /// The defaults for `task`. Adapters begin from nothing and want a higher rate than weights that
    /// know something already, the same in all layers; 1e-3 is between the 2e-4 of the LoRA paper for
    /// larger models (Hu et al. 2021, appendix D) and what small ones bear.
    pub fn of(task: Task, lora: Option<usize>) -> Settings {
        Settings {
            epochs: match task {
                Task::QuestionAnswering => 2.0,
                Task::Classification | Task::Tagging => 3.0,
            },
            batch_size: 32,
            learning_rate: if lora.is_some() { 1e-3 } else { 1e-4 },
            layer_decay: lora.is_none().then_some(0.8),
            warmup: 0.1,
            weight_decay: 0.01,
            clip: 1.0,
            max_length: match task {
                Task::QuestionAnswering => 512,
                Task::Classification | Task::Tagging => 128,
            },
            seed: 1,
            lora,
            evaluate_every: None,
        }
    }

    /// Whether there is an evaluation after step `step`, of `each` in an epoch.
    pub(super) fn is_evaluated(&self, step: u64, each: u64) -> bool {
        step.is_multiple_of(self.evaluate_every.unwrap_or(each).max(1))
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::of(Task::Classification, None)
    }
}
