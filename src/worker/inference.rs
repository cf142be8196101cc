//! The thread that owns the model.

use std::sync::Arc;
use std::time::Duration;

use crate::analysis::Reading;
use crate::text::{Document, Span};

/// Which open document. Given out by the screen, never used twice in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(pub u32);

/// Which version of a document's text. Larger is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// What the screen says about the model that was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSummary {
    /// The name it was asked for by: `builtin`, a folder, a hub id.
    pub id: String,
    /// `cpu`, `cuda:0`.
    pub device: String,
    /// `f32`, `int8`.
    pub precision: String,
    /// Words at or above it are flagged.
    pub threshold: f32,
    /// The share of clean words above the threshold, where the checkpoint says so.
    pub false_alarms: Option<f32>,
}

/// A question for the model's thread.
#[derive(Clone, Debug)]
pub enum Job {
    /// Score this version; it replaces every earlier version of the same document.
    Score {
        /// The document.
        id: DocumentId,
        /// Its version.
        generation: Generation,
        /// Its text.
        document: Document,
    },
    /// The reader looks here now; windows near it come first.
    Focus {
        /// The document on screen.
        id: DocumentId,
        /// The bytes that are visible.
        span: Span,
    },
    /// The document was closed.
    Forget {
        /// The document.
        id: DocumentId,
    },
}

/// An answer from the model's thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Loading has reached this step (`reading config.json`, `downloading model.safetensors 41 %`).
    Loading(String),
    /// The model is ready.
    Loaded(ModelSummary),
    /// The model cannot be had; the text says why and what to do.
    LoadFailed(String),
    /// One window's words; sent as soon as they are known.
    Scored {
        /// The document.
        id: DocumentId,
        /// The version that was read.
        generation: Generation,
        /// The words.
        reading: Arc<Reading>,
        /// How much of the document has been read so far, 0 to 1.
        progress: f32,
    },
    /// Every window of this version has been sent.
    Finished {
        /// The document.
        id: DocumentId,
        /// The version that was read.
        generation: Generation,
        /// From the start of the work on this version to its end.
        elapsed: Duration,
        /// Windows that the model read.
        computed: usize,
        /// Windows that were remembered.
        cached: usize,
    },
    /// This version cannot be scored.
    Failed {
        /// The document.
        id: DocumentId,
        /// The version that was read.
        generation: Generation,
        /// Why.
        reason: String,
    },
}
