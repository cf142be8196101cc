//! The errors of this crate. Each names the file or the thing that it is about.

use std::path::PathBuf;

use electroscope_analysis as analysis;
use electroscope_model as model;

/// Why a training or an evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A checkpoint or tokenizer that cannot be used, or a failed tensor operation.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// The forward pass of a head failed.
    #[error(transparent)]
    Read(#[from] analysis::ReadError),
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file whose contents are not what they should be.
    #[error("{}{}: {what}", path.display(), line.map_or(String::new(), |line| format!(":{line}")))]
    Data {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where there is one.
        line: Option<usize>,
        /// What was found, what was expected and how to mend it.
        what: String,
    },
    /// The loss does not depend on a parameter that is to be trained, or only through an operation that
    /// has no gradient.
    #[error("the loss has no gradient for {name}, which is to be trained")]
    NoGradient {
        /// The parameter.
        name: String,
    },
    /// The gradients of a step are not finite. The step was not applied.
    #[error(
        "training diverged: the gradients are not finite (their norm is {norm}); train from an earlier \
     checkpoint with a lower --learning-rate, or look for non-finite numbers in the model or the data"
    )]
    Diverged {
        /// The norm of all gradients together.
        norm: f64,
    },
    /// Settings, data and model that do not fit together. The message names the setting.
    #[error("{0}")]
    Settings(String),
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Error {
        Error::Model(model::Error::Tensor(error))
    }
}
