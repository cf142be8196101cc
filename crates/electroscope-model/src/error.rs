//! What can go wrong between the name of a model and its answers.

use std::path::PathBuf;

/// An error of the model room. Each names the file, the thing in it, what was found and what was
/// wanted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder has no file of a kind that a checkpoint needs.
    #[error("{folder} has no {wanted}; it has {found}")]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What lies there.
        found: String,
    },
    /// A configuration that is not JSON, or has a field of the wrong kind.
    #[error("{path} is not a model configuration: {source}")]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A number that JSON does not have, which Python writes all the same.
    #[error(
        "{path}, line {line}: {field:?} is {found}, which is no number in JSON; write a number, or remove \
         the field"
    )]
    ConfigNotFinite {
        /// The file.
        path: PathBuf,
        /// The field.
        field: String,
        /// `NaN`, `Infinity` or `-Infinity`.
        found: &'static str,
        /// Its line, counted from 1.
        line: usize,
    },
    /// A pointer of Git LFS where the file should be.
    #[error(
        "{path} is a Git LFS pointer and not the file itself; run `git lfs pull` in its repository, or \
         download the file"
    )]
    LfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A configuration of something else, or of an ELECTRA that would give other numbers here.
    #[error("{path}: {field} is {found}, but {wanted}")]
    Config {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it would have to be.
        wanted: String,
    },
    /// A weights file whose structure does not hold together.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit, with numbers.
        what: String,
    },
    /// Something in a weights file that its format allows and that is not read.
    #[error("{path} cannot be read: {what}; {remedy}")]
    Unread {
        /// The file.
        path: PathBuf,
        /// What is in it.
        what: String,
        /// How to get one that can be read.
        remedy: &'static str,
    },
    /// Several checkpoints in one folder, and none with the name that is looked for first.
    #[error(
        "{first} and {second} are both checkpoints; keep the files of one of them, or rename them to model.ckpt.*"
    )]
    SeveralCheckpoints {
        /// The index of one.
        first: PathBuf,
        /// The index of another.
        second: PathBuf,
    },
    /// A pickle that asks for something other than tensors.
    #[error(
        "{path} was refused, for its pickle is more or less than a list of tensors: {what} (byte {offset}); \
         get the model as safetensors from someone you trust"
    )]
    Pickle {
        /// The file.
        path: PathBuf,
        /// Byte in `data.pkl`.
        offset: usize,
        /// What was found there.
        what: String,
    },
    /// A tensor that the model needs is not in the checkpoint.
    #[error("{path} has no tensor `{name}`; one of shape {wanted:?} is needed{hint}")]
    MissingTensor {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the configuration.
        wanted: Vec<usize>,
        /// What the checkpoint seems to be instead, or nothing.
        hint: &'static str,
    },
    /// A checkpoint that answers nothing: pre-trained only, or fine-tuned for something else.
    #[error(
        "{path} has no head to classify, answer or tag with: it is {found}, and beside its encoder it holds {holds}; \
         a checkpoint of {prefix}ForSequenceClassification, {prefix}ForQuestionAnswering or \
         {prefix}ForTokenClassification is needed"
    )]
    NoHead {
        /// The configuration.
        path: PathBuf,
        /// What it says of itself.
        found: String,
        /// The tensors that are not of the encoder.
        holds: String,
        /// The family, as its classes are called.
        prefix: &'static str,
    },
    /// A checkpoint with a head that could be one or another.
    #[error(
        "{path} does not say what its head was trained for, and the tensors {holds} leave it open; {remedy}"
    )]
    UnclearHead {
        /// The configuration.
        path: PathBuf,
        /// The tensors that are not of the encoder.
        holds: String,
        /// What to add to the configuration.
        remedy: String,
    },
    /// A tensor of the head that the configuration names is not in the checkpoint.
    #[error(
        "{path} has no tensor `{name}`, which its head by config.json would have; beside the encoder it holds {holds}"
    )]
    MissingHeadTensor {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The tensors that are not of the encoder.
        holds: String,
    },
    /// An adapter that cannot be read or written, or does not fit the model it is for.
    #[error("{path}: {what}")]
    Adapter {
        /// The file.
        path: PathBuf,
        /// What was found, and what is needed.
        what: String,
    },
    /// The checkpoint that an adapter stands on cannot be had.
    #[error("{path}: base_model_name_or_path is {base:?}, {why}")]
    AdapterBase {
        /// The adapter's configuration.
        path: PathBuf,
        /// The checkpoint.
        base: String,
        /// Why not, and what to do.
        why: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("{path}: tensor `{name}` has shape {found:?}, but config.json asks for {wanted:?}")]
    TensorShape {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// Its shape by the configuration.
        wanted: Vec<usize>,
    },
    /// A tensor has a type of number that no weights have.
    #[error("{path}: tensor `{name}` holds {found}; F32, F16, BF16 or F64 is needed")]
    TensorType {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A tokenizer that cannot be made from its file.
    #[error("{path} is not a tokenizer: {what}")]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A text that the tokenizer cannot turn into tokens.
    #[error(
        "the tokenizer failed on a text of {bytes} bytes that begins with {start:?}: {what}; get the \
         model's tokenizer again, or leave the text out"
    )]
    Encode {
        /// The first characters of the text.
        start: String,
        /// Its length.
        bytes: usize,
        /// Why.
        what: String,
    },
    /// Tokenizer and model do not belong together.
    #[error(
        "{path} knows {found} tokens, but config.json has vocab_size {wanted}; \
         the tokenizer and the weights are not of the same model"
    )]
    Vocabulary {
        /// The tokenizer's file.
        path: PathBuf,
        /// Its size.
        found: usize,
        /// The model's.
        wanted: usize,
    },
    /// A device that is not there.
    #[error("cannot use device {wanted:?}: {why}")]
    Device {
        /// What was asked for.
        wanted: String,
        /// Why not, and what to do.
        why: String,
    },
    /// A precision that is not there.
    #[error("cannot compute in {wanted}: {why}")]
    Precision {
        /// What was asked for.
        wanted: String,
        /// Why not, and what to do.
        why: String,
    },
    /// An instruction set was forced that does not exist or that the processor lacks.
    #[error("ELECTROSCOPE_CPU is {found:?}; this processor has {available}")]
    InstructionSet {
        /// The value of the environment variable.
        found: String,
        /// The names of those that are available.
        available: String,
    },
    /// A model whose logits are NaN or infinite.
    #[error(
        "{model}: the model computes {found} in {precision} where a logit must be a finite number; \
         its weights are damaged or its training diverged: get it again, or choose another model"
    )]
    NotFinite {
        /// What its weights were read from.
        model: String,
        /// The first logit that is not finite.
        found: f32,
        /// What it was computed in.
        precision: String,
    },
    /// A tensor with NaN or an infinite number in it.
    #[error(
        "{path}: tensor `{name}` holds {found} at place {place}, and weights must be finite numbers; \
         the file is damaged or the training diverged: get the model again, or choose another"
    )]
    WeightNotFinite {
        /// The weights file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The first number of it that is not finite.
        found: f32,
        /// Where that stands, counted from 0 row by row.
        place: usize,
    },
    /// The arithmetic failed.
    #[error("the model's arithmetic failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A hub model cannot be had.
    #[error(transparent)]
    Hub(#[from] crate::hub::Error),
}
