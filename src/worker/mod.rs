//! Threads and channels, and no opinions.
//!
//! [`inference`] owns the model and answers the newest question first; [`files`] watches the open
//! files and says what they hold now. Both speak to one inbox through a callback that only enqueues.

pub mod files;
pub mod inference;
