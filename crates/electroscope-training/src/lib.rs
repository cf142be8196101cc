//! Fine-tunes, pre-trains and evaluates ELECTRA models.
//!
//! Fine-tuning trains a head on labelled data ([`finetune`]); pre-training trains a generator and a
//! discriminator on running text ([`pretrain`]). Heads are evaluated on labelled data
//! ([`evaluation`]), discriminators on text with replaced tokens ([`rtd`]). The crate prints nothing: a
//! training calls a [`TrainingObserver`](observer::TrainingObserver).
//!
//! # Modules
//!
//! Each may use those above it in this list, and none below.
//!
//! - [`rng`]: repeatable random numbers.
//! - [`loss_curve`], [`metrics`]: the loss over a training; evaluation metrics as pure functions.
//! - [`example`]: a window of tokens with its expected output.
//! - [`data`]: readers for labelled data: GLUE, tables, SQuAD, CoNLL columns, marked spans.
//! - [`text_files`]: a reader for running text.
//! - [`synthetic_errors`]: labelled data from clean text, by making errors in it.
//! - [`features`]: labelled data to examples; [`batches`]: examples to batches.
//! - [`loss`], [`optimizer`], [`schedule`]: the parts of a training step.
//! - [`trainable_head`]: a model with a head, and its gradients.
//! - [`resume_store`]: saved states, to resume a training.
//! - [`evaluation`]: scores of heads; [`rtd`]: scores of discriminators.
//! - [`observer`]: progress reports of a training.
//! - [`finetune`], [`pretrain`]: the two trainings.
//!
//! # Glossary
//!
//! - **Token**: a piece of a word with a number in the vocabulary. **Window**: the tokens that the model
//!   reads at once, beginning with `[CLS]`.
//! - **Example**: a window with the expected output, its *target*. **Batch**: the examples of a step.
//! - **Step**: one update of the parameters. **Epoch** or **pass**: all steps from one reading of the data
//!   to the next.
//! - **Task**: what a head does: classification, question answering or tagging. **Problem**: the kind of
//!   classification: one label, several labels or a value (regression).
//! - **Encoder**: the layers that turn tokens into vectors. **Head**: the layers on top of it that turn
//!   vectors into labels or answers. **Adapter**: small matrices that are trained instead of the encoder
//!   (LoRA).
//! - **Discriminator**: the model that gives each token the probability *p* of being replaced.
//!   **Generator**: the smaller model that replaces tokens in pre-training.
//! - **Logits**: the numbers that a model computes; softmax or sigmoid turn them into probabilities.
//! - **Dev set**: the data that a training is evaluated on. **Main metric**: the metric that the best
//!   checkpoint is chosen by.
//!
//! # Example
//!
//! Makes training data for an error tagger from clean text:
//!
//! ```
//! use electroscope_training::synthetic_errors::{SyntheticErrorSettings, generate};
//!
//! # fn main() -> Result<(), electroscope_training::Error> {
//! let text = "The boats wait in the harbour. They have been here for a week.".to_owned();
//! let settings = SyntheticErrorSettings {
//!     clean: 0.0,
//!     ..SyntheticErrorSettings::default()
//! };
//! let made = generate([text].into_iter(), &settings, 100)?;
//! assert_eq!(made.counts.sentences, 2);
//! assert!(made.counts.marked >= 2);
//! let sentence = &made.data.sentences[0];
//! assert_eq!(sentence.words.len(), sentence.tags.len());
//! # Ok(())
//! # }
//! ```

pub mod batches;
pub mod data;
mod durable_files;
mod error;
pub mod error_labels;
pub mod evaluation;
pub mod evidence_fit;
pub mod example;
pub mod features;
pub mod finetune;
mod folder_lock;
pub mod loss;
pub mod loss_curve;
pub mod metrics;
pub mod observer;
pub mod optimizer;
pub mod pretrain;
pub mod resume_store;
pub mod rng;
pub mod rtd;
pub mod schedule;
pub mod synthetic_errors;
pub mod text_files;
pub mod trainable_head;

pub use error::Error;
