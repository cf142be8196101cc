//! Threads and channels, and no opinions.
//!
//! [`inference`] owns the model and answers the newest question first; [`heads`] owns the fine-tuned
//! heads and does the same. [`files`] watches the open files and says what they hold now: the
//! system's events are hints to it, and only what it reads is a fact. [`finder`] looks for documents
//! in a folder; [`pipe`] reads standard input; [`exemptions`] reads and writes dictionaries and marks. All speak to one inbox through a callback that only
//! enqueues. A panic on any of them is caught and told like any other failure, and none is waited for
//! without a limit.

pub mod exemptions;
pub mod files;
pub mod finder;
pub mod heads;
pub mod inference;
pub mod pipe;
pub(crate) mod thread;
