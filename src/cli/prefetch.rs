//! Reads documents on a thread of its own, ahead of their use, in the order of their sources.
//!
//! The model does not wait for a disk, and finished results do not wait for a slow pipe. The buffer holds
//! at most a mebibyte of text and one document more.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::InputArgs;
use super::sources::{self, Source};
use crate::report::FileError;
use electroscope_text::Document;

/// The bytes that may be in the buffer before the next document is read.
const AHEAD: usize = 1 << 20;

/// The bytes that a document counts for in addition to its text, so that the number of empty ones is
/// limited too.
const EMPTY: usize = 1 << 10;

/// A document, or the error that its source had.
type Prefetched = Result<Document, FileError>;

/// The documents of some sources, in order.
pub(super) struct PrefetchedDocuments {
    buffer: Arc<Buffer>,
}

/// The documents that have been read and not yet taken.
#[derive(Default)]
struct Buffer {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    documents: VecDeque<Prefetched>,
    bytes: usize,
    /// Nothing more is added, or nothing more is taken.
    is_over: bool,
}

impl Held {
    /// Whether the next document must wait.
    fn is_full(&self) -> bool {
        self.bytes > AHEAD && !self.is_over
    }

    fn put(&mut self, document: Prefetched) {
        self.bytes += size(&document);
        self.documents.push_back(document);
    }

    fn take(&mut self) -> Option<Prefetched> {
        let document = self.documents.pop_front()?;
        self.bytes = self.bytes.saturating_sub(size(&document));
        Some(document)
    }
}

impl Buffer {
    fn held(&self) -> MutexGuard<'_, Held> {
        // A thread that panics with the lock leaves the values consistent.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, and adds a document. Returns whether more are wanted.
    fn put(&self, document: Prefetched) -> bool {
        let held = self.changed.wait_while(self.held(), |held| held.is_full());
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        held.put(document);
        self.changed.notify_all();
        !held.is_over
    }

    fn end(&self) {
        self.held().is_over = true;
        self.changed.notify_all();
    }

    fn take(&self, mut held: MutexGuard<'_, Held>) -> Option<Prefetched> {
        let document = held.take()?;
        self.changed.notify_all();
        Some(document)
    }
}

fn size(document: &Prefetched) -> usize {
    EMPTY + document.as_ref().map_or(0, |document| document.text.len())
}

/// Marks the end when the reading thread ends, by a panic too.
struct Ending(Arc<Buffer>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl PrefetchedDocuments {
    /// Starts to read `sources`.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub(super) fn of(sources: Vec<Source>, input: &InputArgs) -> io::Result<PrefetchedDocuments> {
        let buffer = Arc::new(Buffer::default());
        let ending = Ending(Arc::clone(&buffer));
        let input = input.clone();
        // Nothing waits for the end of this thread: it may be reading a pipe that never ends.
        std::thread::Builder::new()
            .name("prefetch".to_owned())
            .spawn(move || {
                let mut sources = sources.iter();
                while let Some(source) = sources.next()
                    && ending.0.put(sources::read(source, &input))
                {}
            })?;
        Ok(PrefetchedDocuments { buffer })
    }

    /// The next document, if it has been read.
    pub(super) fn next_if_read(&mut self) -> Option<Prefetched> {
        self.buffer.take(self.buffer.held())
    }
}

/// Waits for the next document; none after the last.
impl Iterator for PrefetchedDocuments {
    type Item = Prefetched;

    fn next(&mut self) -> Option<Prefetched> {
        let is_wanting = |held: &mut Held| held.documents.is_empty() && !held.is_over;
        let held = self
            .buffer
            .changed
            .wait_while(self.buffer.held(), is_wanting);
        self.buffer
            .take(held.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for PrefetchedDocuments {
    fn drop(&mut self) {
        self.buffer.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Language;
    use std::path::PathBuf;

    #[test]
    fn documents_and_errors_come_in_the_order_of_their_sources() {
        let folder = tempfile::tempdir().unwrap();
        let sources = (0..200).map(|number| {
            let path = folder.path().join(format!("{number}.txt"));
            if number % 3 > 0 {
                std::fs::write(&path, "word ".repeat(number * 40)).unwrap();
            }
            Source::File(path)
        });
        let sources: Vec<Source> = sources.collect();
        let paths = |source: &Source| match source {
            Source::File(path) => path.clone(),
            Source::Stdin => PathBuf::new(),
        };
        let wanted: Vec<PathBuf> = sources.iter().map(paths).collect();
        let documents = PrefetchedDocuments::of(sources, &InputArgs::default()).unwrap();
        let came: Vec<Prefetched> = documents.collect();
        for (number, document) in came.iter().enumerate() {
            assert_eq!(document.is_ok(), number % 3 > 0, "{number}");
        }
        let path = |document: Prefetched| document.map_or_else(|error| error.path, |one| one.path);
        let paths: Vec<PathBuf> = came.into_iter().map(path).collect();
        assert_eq!(paths, wanted);
    }

    #[test]
    fn the_buffer_is_limited_in_bytes_and_in_number_of_documents() {
        let document = |len: usize| Ok(Document::new("x", "x".repeat(len), Language::Plain));
        let mut held = Held::default();
        held.put(document(AHEAD / 2));
        assert!(!held.is_full());
        held.put(document(AHEAD / 2));
        assert!(held.is_full());
        held.take().unwrap().unwrap();
        assert!(!held.is_full());
        // A limited number of empty ones.
        let empty = (0..10_000).take_while(|_| {
            held.put(document(0));
            !held.is_full()
        });
        assert!(empty.count() < 1_000);
        // After the end, nothing waits.
        held.is_over = true;
        assert!(!held.is_full());
    }

    #[test]
    fn reading_stops_when_the_documents_are_dropped() {
        let buffer = Arc::new(Buffer::default());
        let document = || Ok(Document::new("x", "text", Language::Plain));
        assert!(buffer.put(document()));
        drop(PrefetchedDocuments {
            buffer: Arc::clone(&buffer),
        });
        assert!(!buffer.put(document()));
    }
}
