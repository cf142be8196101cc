//! Documents that are read from their sources ahead of whoever works on them.
//!
//! Apart from [`super::common`], which reads one when it is asked to: here a thread reads on while
//! the model computes, so that the model never waits for a disk and what is ready never waits for a
//! pipe in which nothing comes. At most a mebibyte of text is held, and one document more; what
//! is in a document is not looked at.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::InputArgs;
use super::common::{self, Source};
use crate::report::FileError;
use electroscope_text::Document;

/// How many bytes of text may wait before the next document is read.
const AHEAD: usize = 1 << 20;

/// What a document counts for beside its text, so that not any number of empty ones may wait.
const EMPTY: usize = 1 << 10;

/// A document, or why there is none.
type Arrival = Result<Document, FileError>;

/// The documents of some sources, in order.
pub(super) struct Arrivals {
    shelf: Arc<Shelf>,
}

/// What has been read and is not yet taken.
#[derive(Default)]
struct Shelf {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    arrivals: VecDeque<Arrival>,
    bytes: usize,
    /// Nothing more comes, or nobody takes it.
    is_over: bool,
}

impl Held {
    /// Whether what comes next is to wait.
    fn is_full(&self) -> bool {
        self.bytes > AHEAD && !self.is_over
    }

    fn put(&mut self, arrival: Arrival) {
        self.bytes += size(&arrival);
        self.arrivals.push_back(arrival);
    }

    fn take(&mut self) -> Option<Arrival> {
        let arrival = self.arrivals.pop_front()?;
        self.bytes = self.bytes.saturating_sub(size(&arrival));
        Some(arrival)
    }
}

impl Shelf {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Whoever panics with it in hand has not left it half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, and puts an arrival there; whether anybody wants more.
    fn put(&self, arrival: Arrival) -> bool {
        let held = self.changed.wait_while(self.held(), |held| held.is_full());
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        held.put(arrival);
        self.changed.notify_all();
        !held.is_over
    }

    fn end(&self) {
        self.held().is_over = true;
        self.changed.notify_all();
    }

    fn take(&self, mut held: MutexGuard<'_, Held>) -> Option<Arrival> {
        let arrival = held.take()?;
        self.changed.notify_all();
        Some(arrival)
    }
}

fn size(arrival: &Arrival) -> usize {
    EMPTY + arrival.as_ref().map_or(0, |document| document.text.len())
}

/// Says that nothing more comes, however the thread ends.
struct Ending(Arc<Shelf>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Arrivals {
    /// Begins to read `sources`.
    ///
    /// # Errors
    ///
    /// Where no thread can be started.
    pub(super) fn of(sources: Vec<Source>, input: &InputArgs) -> io::Result<Arrivals> {
        let shelf = Arc::new(Shelf::default());
        let ending = Ending(Arc::clone(&shelf));
        let input = input.clone();
        // Not waited for at the end: it may be reading a pipe that never ends.
        std::thread::Builder::new()
            .name("arrivals".to_owned())
            .spawn(move || {
                let mut sources = sources.iter();
                while let Some(source) = sources.next()
                    && ending.0.put(common::read(source, &input))
                {}
            })?;
        Ok(Arrivals { shelf })
    }

    /// The next document, if it has been read.
    pub(super) fn next_if_read(&mut self) -> Option<Arrival> {
        self.shelf.take(self.shelf.held())
    }
}

/// Waits for the next document; none once all have come.
impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let is_wanting = |held: &mut Held| held.arrivals.is_empty() && !held.is_over;
        let held = self.shelf.changed.wait_while(self.shelf.held(), is_wanting);
        self.shelf
            .take(held.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.shelf.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Language;
    use std::path::PathBuf;

    #[test]
    fn documents_and_what_could_not_be_read_come_in_the_order_of_their_sources() {
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
        let arrivals = Arrivals::of(sources, &InputArgs::default()).unwrap();
        let came: Vec<Arrival> = arrivals.collect();
        for (number, arrival) in came.iter().enumerate() {
            assert_eq!(arrival.is_ok(), number % 3 > 0, "{number}");
        }
        let path = |arrival: Arrival| arrival.map_or_else(|error| error.path, |one| one.path);
        let paths: Vec<PathBuf> = came.into_iter().map(path).collect();
        assert_eq!(paths, wanted);
    }

    #[test]
    fn no_more_is_read_ahead_than_fits_on_the_shelf() {
        let document = |len: usize| Ok(Document::new("x", "x".repeat(len), Language::Plain));
        let mut held = Held::default();
        held.put(document(AHEAD / 2));
        assert!(!held.is_full());
        held.put(document(AHEAD / 2));
        assert!(held.is_full());
        held.take().unwrap().unwrap();
        assert!(!held.is_full());
        // Nor any number of empty ones.
        let empty = (0..10_000).take_while(|_| {
            held.put(document(0));
            !held.is_full()
        });
        assert!(empty.count() < 1_000);
        // Where nobody takes any more, nobody waits.
        held.is_over = true;
        assert!(!held.is_full());
    }

    #[test]
    fn once_nobody_takes_what_is_read_nothing_more_is() {
        let shelf = Arc::new(Shelf::default());
        let arrival = || Ok(Document::new("x", "text", Language::Plain));
        assert!(shelf.put(arrival()));
        drop(Arrivals {
            shelf: Arc::clone(&shelf),
        });
        assert!(!shelf.put(arrival()));
    }
}
