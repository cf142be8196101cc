//! The settings of a fine-tuning. The defaults are those of google-research/electra,
//! `configure_finetuning.py` and Appendix B of the paper.

use serde::{Deserialize, Serialize};

use electroscope_model::Task;

/// The settings of a fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinetuneSettings {
    /// The passes over the training set; may be fractional.
    pub epochs: f64,
    /// The examples of a step.
    pub batch_size: usize,
    /// The peak learning rate of the head.
    pub learning_rate: f64,
    /// The learning rate of a layer as a share of that of the layer above; none if all have the same.
    pub layer_decay: Option<f64>,
    /// The share of the steps that warm up.
    pub warmup: f64,
    /// The decoupled weight decay.
    pub weight_decay: f64,
    /// The global norm that gradients are clipped to.
    pub clip: f64,
    /// The tokens of a window at most.
    pub max_length: usize,
    /// The random seed.
    pub seed: u64,
    /// The rank of low-rank adapters; none to train the encoder itself.
    pub lora: Option<usize>,
    /// The steps between evaluations; none to evaluate after each epoch.
    pub evaluate_every: Option<u64>,
}

impl FinetuneSettings {
    /// The defaults for `task`. Adapters start from zero, so they need a higher learning rate than
    /// pre-trained weights, the same in all layers; 1e-3 is above the 2e-4 of the LoRA paper for larger
    /// models (Hu et al. 2021, appendix D) and works for small ones.
    pub fn for_task(task: Task, lora: Option<usize>) -> FinetuneSettings {
        FinetuneSettings {
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

    /// Whether to evaluate after step `step`, given the steps of an epoch.
    pub(super) fn is_evaluated(&self, step: u64, steps_per_epoch: u64) -> bool {
        step.is_multiple_of(self.evaluate_every.unwrap_or(steps_per_epoch).max(1))
    }
}

impl Default for FinetuneSettings {
    fn default() -> FinetuneSettings {
        FinetuneSettings::for_task(Task::Classification, None)
    }
}
