//! What can go wrong in learning and measuring. Every error names the file and the thing.

use std::path::PathBuf;

use electroscope_analysis as analysis;
use electroscope_model as model;

/// Why a training or a measurement did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A checkpoint, a tokenizer or the arithmetic.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// A head did not read.
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
        /// What was found, what was wanted, and how to mend it.
        what: String,
    },
    /// A parameter that the loss does not depend on, or depends on by an operation that gradients
    /// cannot pass.
    #[error("no gradient reaches {name}, which is to be trained")]
    NoGradient {
        /// The parameter.
        name: String,
    },
    /// A step whose gradients are no finite numbers; nothing has been moved.
    #[error(
        "the gradients are no finite numbers any more (their norm is {norm}): train from an earlier \
         checkpoint with a lower learning rate, or look for numbers in the model or the data that \
         are not finite"
    )]
    Diverged {
        /// The norm over all of them.
        norm: f64,
    },
    /// Settings that do not go together.
    #[error("{0}")]
    Settings(String),
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Error {
        Error::Model(model::Error::Tensor(error))
    }
}
