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
    /// An output folder that another training is writing into.
    #[error(
        "{} is in use: another training{} writes into it; wait until it ends or stop it, or name another \
         folder",
        path.display(),
        process.map_or(String::new(), |process| format!(" (process {process})"))
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The id of the other process, if it is known.
        process: Option<u32>,
    },
    /// A file that its disk has no space for.
    #[error(
        "no space is left on the disk for {} ({needed} bytes); make room and go on with --resume: what was \
         saved before is kept",
        path.display()
    )]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        needed: usize,
        /// What the system says.
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
