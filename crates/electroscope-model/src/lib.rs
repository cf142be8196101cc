//! ELECTRA: from files to logits.
//!
//! A [`Checkpoint`] is what a folder, the hub's cache or a [`PackedPair`](checkpoint::packed::PackedPair)
//! in memory holds: configuration,
//! tokenizer, weights. A [`Forward`] is one that has been loaded onto a device and answers windows
//! with logits; it is the door behind which the way of computing can be exchanged. [`HeadCheckpoint`]
//! and [`HeadForward`] are the same for fine-tuned models, of ELECTRA, BERT or DistilBERT. No tensor
//! leaves this room, and heads return logits: what they mean is `electroscope-analysis`'s business.
//!
//! # Example
//!
//! One logit per token from a checkpoint in Hugging Face layout:
//!
//! ```
//! use std::path::Path;
//!
//! use electroscope_model::{Checkpoint, load};
//!
//! # fn main() -> Result<(), electroscope_model::Error> {
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/fixtures/projected");
//! let checkpoint = Checkpoint::open(Path::new(folder))?;
//! let (model, _) = load(&checkpoint, "cpu", "f32")?;
//! // Token ids; the first and the last are those of [CLS] and [SEP].
//! let window = [2, 7, 11, 5, 3];
//! let logits = model.logits(&[&window])?;
//! assert_eq!(logits[0].len(), window.len());
//! # Ok(())
//! # }
//! ```
//!
//! # Letters
//!
//! One-letter names in comments: `B` windows in a batch, `T` tokens in a window, `H` hidden size,
//! `E` embedding size, `V` vocabulary size, `D` size of an attention head.

pub mod atomic_write;
pub mod bounded_read;
pub mod chance;
pub mod checkpoint;
pub mod config;
pub mod device;
mod error;
pub mod family;
mod finite;
pub mod hub;
pub mod kernels;
mod labels;
pub mod model_choice;
pub mod names;
pub mod nn;
mod task;
#[cfg(test)]
mod test_support;
mod text_file;
pub mod train_ops;

use std::sync::Arc;

use candle_core::DType;

pub use bounded_read::{open_regular, read_bounded, read_text_bounded};
pub use checkpoint::adapter::{Adapter, BaseRequest, BaseSource, Encoders};
pub use checkpoint::head_checkpoint::{HeadCheckpoint, HeadConfig, Problem};
pub use checkpoint::tokenizer::{Piece, Tokenizer, VocabularyOptions};
pub use checkpoint::weights::{Quantised, Weights};
pub use checkpoint::{Checkpoint, export, write_tokenizer};
pub use config::ElectraConfig;
pub use error::Error;
pub use family::Family;
pub use model_choice::ModelChoice;
pub use task::Task;
pub use text_file::without_byte_order_mark;

/// A discriminator that is ready to answer.
pub trait Forward: Send + Sync {
    /// Reads `windows` of token ids, `[CLS]` and `[SEP]` included, of any lengths up to the model's,
    /// and gives one logit per token, special ones too. The answer to a window does not depend on
    /// the others beside it.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] for what the arithmetic meets: memory, a device that went away.
    /// [`Error::NotFinite`] for a model that computes NaN or an infinite number.
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error>;

    /// Where it computes: `cpu`, `cuda:0`.
    fn device(&self) -> String;

    /// What it computes in: `f32`, `int8`, `bf16`.
    fn precision(&self) -> String;

    /// Tokens that it reads best in one call. More would not be faster, and between calls is where newer
    /// work is noticed.
    fn at_once(&self) -> usize {
        2048
    }

    /// By what it computes, in words: which of the ways that lead to the same numbers.
    fn path(&self) -> String {
        "candle's operations".to_owned()
    }
}

/// Loads the discriminator of `checkpoint` onto the device that `device` names (see
/// [`device::choose`]), to compute in `precision`: `f32`, on the CPU `int8`, on a GPU `bf16`, or `auto`,
/// which is f32 on a GPU and what [`kernels::FusedDiscriminator::choose`] says on the CPU. The second
/// value is a remark for the user, if there is one.
///
/// # Errors
///
/// A device or precision that is not there, a tensor that does not fit.
pub fn load(
    checkpoint: &Checkpoint,
    device: &str,
    precision: &str,
) -> Result<(Arc<dyn Forward>, Option<String>), Error> {
    use kernels::{Arithmetic, FusedDiscriminator};
    use nn::plain::PlainDiscriminator;

    let refuse = |why: &str| Error::Precision {
        wanted: format!("{precision:?}"),
        why: why.to_owned(),
    };
    if !matches!(precision, "auto" | "f32" | "int8" | "bf16") {
        return Err(refuse("it must be auto, f32 or int8, or on a GPU bf16"));
    }
    let (device, remark) = device::choose(device)?;
    let fused = |arithmetic| FusedDiscriminator::load(checkpoint, arithmetic);
    let forward: Arc<dyn Forward> = match (device.is_cpu(), precision) {
        (true, "auto") => Arc::new(fused(FusedDiscriminator::choose(checkpoint)?.arithmetic)?),
        (true, "int8") => Arc::new(fused(Arithmetic::Int8)?),
        (true, "bf16") => {
            return Err(refuse(
                "only a GPU computes in it; use auto, f32 or int8, or a GPU",
            ));
        }
        (true, _) => Arc::new(fused(Arithmetic::F32)?),
        (false, "int8") => {
            return Err(refuse(
                "the GPU computes in f32 or bf16; use auto, f32 or bf16, or the CPU",
            ));
        }
        (false, "bf16") => Arc::new(PlainDiscriminator::load_in(
            checkpoint,
            &device,
            DType::BF16,
        )?),
        (false, _) => Arc::new(PlainDiscriminator::load(checkpoint, &device)?),
    };
    let name = checkpoint.weights.path().display().to_string();
    let remark = joined(remark, checkpoint.weights.remark());
    Ok((Arc::new(finite::Finite::new(name, forward)), remark))
}

fn check_precision(precision: &str) -> Result<(), Error> {
    let why = match precision {
        "auto" | "f32" => return Ok(()),
        "int8" => "fine-tuned models compute in f32 only; use auto or f32",
        _ => "it must be auto or f32",
    };
    Err(Error::Precision {
        wanted: format!("{precision:?}"),
        why: why.to_owned(),
    })
}

/// What a fine-tuned model reads at once: `[CLS] a [SEP]`, or `[CLS] a [SEP] b [SEP]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadInput {
    /// Token ids, special ones included.
    pub ids: Vec<u32>,
    /// Where the second text begins; the number of tokens if there is one text only.
    pub second: usize,
}

/// What it answers, row by row: one row of labels for a classifier, a row of labels per token for a
/// tagger, a row of start and end per token for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Logits {
    /// Numbers in a row.
    pub columns: usize,
    /// All the rows, one after the other.
    pub values: Vec<f32>,
}

impl Logits {
    /// The rows in order.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &[f32]> + ExactSizeIterator {
        self.values.chunks_exact(self.columns.max(1))
    }

    /// One number of each row.
    pub fn column(&self, column: usize) -> impl Iterator<Item = f32> {
        self.rows().filter_map(move |row| row.get(column).copied())
    }
}

/// A fine-tuned model that is ready to answer.
pub trait HeadForward: Send + Sync {
    /// Reads `windows`, of any lengths up to the model's, and gives the logits of each. The answer
    /// to a window does not depend on the others beside it.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] for what the arithmetic meets: a window that is empty or too long, memory, a
    /// device that went away. [`Error::NotFinite`] for a model that computes NaN or an infinite number.
    fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error>;

    /// Where it computes: `cpu`, `cuda:0`.
    fn device(&self) -> String;

    /// What it computes in: `f32`.
    fn precision(&self) -> String;
}

/// Loads the fine-tuned model of `checkpoint` as [`load`] loads a discriminator.
///
/// # Errors
///
/// As [`load`].
pub fn load_head(
    checkpoint: &HeadCheckpoint,
    device: &str,
    precision: &str,
) -> Result<(Arc<dyn HeadForward>, Option<String>), Error> {
    load_head_with(checkpoint, device, precision, &Encoders::default())
}

/// The same, an encoder that several heads share being taken from `encoders`.
///
/// # Errors
///
/// As [`load`].
pub fn load_head_with(
    checkpoint: &HeadCheckpoint,
    device: &str,
    precision: &str,
    encoders: &Encoders,
) -> Result<(Arc<dyn HeadForward>, Option<String>), Error> {
    check_precision(precision)?;
    let (device, remark) = device::choose(device)?;
    let head = nn::head_model::PlainHead::load_with(checkpoint, &device, encoders)?;
    let name = checkpoint.weights.path().display().to_string();
    let head: Arc<dyn HeadForward> = Arc::new(head);
    let remark = joined(remark, checkpoint.weights.remark());
    Ok((Arc::new(finite::Finite::new(name, head)), remark))
}

/// Two remarks as one.
fn joined(remark: Option<String>, more: Option<&str>) -> Option<String> {
    match (remark, more) {
        (Some(remark), Some(more)) => Some(format!("{remark}; {more}")),
        (remark, more) => remark.or_else(|| more.map(str::to_owned)),
    }
}
