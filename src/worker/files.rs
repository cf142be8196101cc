//! Watches the open files and says what they hold now.

use std::path::PathBuf;

use crate::text::Document;

/// How changes are noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watching {
    /// The system tells.
    Native,
    /// The file is looked at every so often, for the reason given.
    Polling(String),
}

/// What became of a watched file.
#[derive(Clone, Debug, PartialEq)]
pub enum FileEvent {
    /// Its text differs from what was last reported.
    Changed(Document),
    /// It is gone, or its folder is. Its last text stays on screen.
    Vanished(PathBuf),
    /// It is there but cannot be read as text.
    Unreadable(PathBuf, String),
    /// How this file is watched from now on.
    Watching(PathBuf, Watching),
}
