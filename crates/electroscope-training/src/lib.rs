//! Learning: from data to checkpoints, and what a checkpoint is worth.
//!
//! [`data`] is what people labelled, as it stands in their files; [`example`] is what a model learns
//! from, in tokens. Beside [`electroscope_model`] the only room that sees a tensor; it draws nothing and
//! prints nothing: who wants to watch a training implements a trait of this room.

pub mod batches;
pub mod data;
mod disk;
mod error;
pub mod example;
pub mod features;
pub mod finetune;
pub mod learner;
pub mod loss;
pub mod measure;
pub mod metrics;
pub mod optimizer;
pub mod pretrain;
pub mod rtd;
pub mod schedule;
pub mod slips;
pub mod text_files;
pub mod watch;

pub use error::Error;
