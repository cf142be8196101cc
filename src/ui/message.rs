//! Everything that can happen, and everything that the screen may ask of the world.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::Event;

use crate::worker::exemptions::{ExemptionJob, ExemptionReply};
use crate::worker::files::FileEvent;
use crate::worker::finder::Found;
use crate::worker::heads::{HeadJob, HeadReply};
use crate::worker::inference::{Job, Reply};
use electroscope_text::Language;

use super::search::{Seek, Sought};
use super::state::Memory;

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A key, the mouse, a paste, another size.
    Terminal(Event),
    /// A watched file is not what it was.
    File(FileEvent),
    /// The model has something to say.
    Model(Reply),
    /// A head has something to say.
    Head(HeadReply),
    /// Those who know what is not flagged have something to say.
    Exemptions(ExemptionReply),
    /// Documents were found in a folder.
    Found(Purpose, Found),
    /// The search of this number, which was handed over, has ended.
    Sought(u64, Sought),
    /// A moment has passed while something moves on the screen.
    Tick,
    /// A signal asks the program to end with this exit code.
    End(u8),
    /// A signal asks the program to stop until it is woken.
    Stop,
    /// The editor has been closed; the text says what went wrong, if anything did.
    EditorClosed(Option<String>),
}

/// What documents are looked for in a folder for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To open all of them.
    Open,
    /// To choose one from.
    Offer,
}

/// Something to be done. The only way in which [`super::update::update`] reaches the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask this of the model's thread.
    Model(Job),
    /// Ask this of the heads' thread.
    Head(HeadJob),
    /// Ask this of those who know what is not flagged.
    Exemptions(ExemptionJob),
    /// Keep this for the next time the program is opened.
    Remember(Memory),
    /// Read and watch this file.
    Watch {
        /// The file.
        path: PathBuf,
        /// What is prose in it.
        language: Language,
        /// Its text as it is known, if it is.
        known: Option<Arc<str>>,
    },
    /// Read standard input to its end.
    ReadPipe {
        /// What is prose in it.
        language: Language,
    },
    /// Leave off watching this file.
    Unwatch(PathBuf),
    /// Look for documents in a folder.
    Find {
        /// The folder.
        root: PathBuf,
        /// What for.
        purpose: Purpose,
    },
    /// Go on with a search elsewhere, under this number; it takes the place of any other.
    Seek(u64, Seek),
    /// Leave off searching.
    StopSeek,
    /// Hand the terminal to the user's editor.
    Edit {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// Put this into the clipboard of the terminal's user.
    Copy(String),
    /// Hand the terminal back to the shell until it wakes us.
    Suspend,
    /// Paint everything anew.
    Redraw,
    /// Take mouse events, or leave them to the terminal.
    CaptureMouse(bool),
}
