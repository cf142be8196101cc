//! The threads of the screen.
//!
//! [`inference`] owns the model, and [`heads`] the fine-tuned heads; both answer the newest request first,
//! by the same code in `latest`. [`files`] watches the open files and reads them: it takes the events of
//! the system as hints only. [`finder`] looks for documents in a folder; [`pipe`] reads standard input;
//! [`exemptions`] reads and writes dictionaries and marks.
//! All send their results by a callback that only enqueues. A panic on any of them is caught and reported
//! like any other failure, and none is waited for without a limit.

pub mod exemptions;
pub mod files;
pub mod finder;
pub mod heads;
pub mod inference;
mod latest;
pub mod pipe;
pub(crate) mod thread;
