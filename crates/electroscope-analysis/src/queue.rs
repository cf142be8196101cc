//! Documents that are scored together and come back one by one in the order in which they were given.
//!
//! Apart from [`super::Engine`], which reads for somebody who looks at a place: here nobody looks,
//! and what counts is that no core is idle. Windows of several documents stand side by side in a call
//! of the model, so that a folder of small files is read as fast as one long file. Never opens a file
//! and never prints; whoever does gives the documents and takes what was found.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use electroscope_model::Error;
use electroscope_text::Document;

use super::engine::{Engine, window_pass};
use super::finding::Reading;
use super::outline::Outline;
use super::passes::{Counts, Pass, Passes};
use super::readings::Readings;
use super::tokens::Tokens;
use super::window::Window;

/// Calls of the model that are planned at a time: the last of them is short, and of many windows more
/// are of like length.
const CALLS: usize = 4;

/// About how many bytes of text make a token.
const BYTES_A_TOKEN: usize = 4;

/// What a document takes that says nothing, in bytes.
const EMPTY: usize = 256;

/// Documents on their way through the model of an engine.
pub struct Queue<'e> {
    engine: &'e mut Engine,
    waiting: VecDeque<Waiting>,
    counts: Counts,
}

/// A document that is not yet scored to its end.
struct Waiting {
    document: Document,
    /// Where the work on it can be cut; unknown until its turn is near.
    outline: Option<Outline>,
    /// Regions whose windows are known.
    planned: usize,
    /// Windows that are known and not yet answered.
    open: usize,
    outcome: Result<Readings, Error>,
}

/// A window that is to be answered.
struct Planned {
    /// The place of its document, counted from the first one that waited when it was planned.
    document: usize,
    tokens: Rc<Tokens>,
    window: Window,
}

impl Waiting {
    /// Bytes that no window is known of.
    fn unplanned(&self) -> usize {
        let text = self.document.text.len() + EMPTY;
        match &self.outline {
            None => text,
            Some(outline) if self.planned < outline.len() => {
                text.saturating_sub(outline.span(self.planned).start())
            }
            Some(_) => 0,
        }
    }

    fn is_done(&self) -> bool {
        let all = self.outline.as_ref().map(Outline::len);
        self.open == 0 && all.is_some_and(|all| self.planned >= all)
    }

    /// Nothing more is asked about it.
    fn fail(&mut self, err: Error) {
        self.planned = self.outline.as_ref().map_or(0, Outline::len);
        self.open = 0;
        self.outcome = Err(err);
    }
}

impl<'e> Queue<'e> {
    /// An empty queue before `engine`.
    pub fn new(engine: &'e mut Engine) -> Queue<'e> {
        Queue {
            engine,
            waiting: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Whether one more document would make the next calls of the model fuller. Whoever gives more all
    /// the same only spends memory.
    pub fn has_room(&self) -> bool {
        let unplanned: usize = self.waiting.iter().map(Waiting::unplanned).sum();
        unplanned < BYTES_A_TOKEN * CALLS * self.engine.batch
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a document up as the last one.
    pub fn push(&mut self, document: Document) {
        self.waiting.push_back(Waiting {
            document,
            outline: None,
            planned: 0,
            open: 0,
            outcome: Ok(Readings::default()),
        });
    }

    /// The document that comes back next, and how many of how many parts of it are done.
    pub fn progress(&self) -> Option<(&Path, usize, usize)> {
        let first = self.waiting.front()?;
        let all = first.outline.as_ref().map_or(1, Outline::len);
        Some((&first.document.path, first.planned, all))
    }

    /// How many windows the documents took so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Reads on, with a few calls of the model. Each document that is scored to its end, and all those
    /// before it, goes to `done` at once, with what was found in it or with what the model said
    /// instead. A document that the model refuses spoils no other.
    ///
    /// # Errors
    ///
    /// The first that `done` gives ends the work.
    pub fn work<E>(
        &mut self,
        mut done: impl FnMut(Document, Result<Readings, Error>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.outline();
        let windows = self.plan();
        let passes: Vec<Pass> = (windows.iter())
            .map(|planned| window_pass(&planned.tokens, &planned.window, None))
            .collect();
        let mut desk = Desk {
            waiting: &mut self.waiting,
            gone: 0,
            answered: vec![false; windows.len()],
            done: &mut done,
            refused: None,
        };
        desk.hand_on();
        let desk = RefCell::new(desk);
        let mut read = |these: &[usize]| {
            let Engine {
                planner,
                scorer,
                cache,
                batch,
                ..
            } = &mut *self.engine;
            let (planner, scorer) = (&*planner, &*scorer);
            let work = Passes {
                batch: *batch,
                is_watched: false,
                is_stale: &|| desk.borrow().refused.is_some(),
            };
            let passes: Vec<Pass> = these
                .iter()
                .filter_map(|&at| passes.get(at).copied())
                .collect();
            let planned = |number: usize| {
                let at = these.get(number).copied()?;
                Some((at, windows.get(at)?))
            };
            work.make(
                &passes,
                cache,
                &mut self.counts,
                |numbers| {
                    let asked = numbers.iter().filter_map(|&number| planned(number));
                    let asked: Vec<_> = asked
                        .map(|(_, planned)| (&*planned.tokens, &planned.window))
                        .collect();
                    scorer.answers(planner, &asked)
                },
                |number, answer| {
                    if let Some((at, planned)) = planned(number) {
                        let read = |document: &Document| {
                            scorer.reading(document, &planned.tokens, &planned.window, answer)
                        };
                        desk.borrow_mut().put(at, planned.document, read);
                    }
                },
            )
        };
        let all: Vec<usize> = (0..windows.len()).collect();
        if read(&all).is_err() {
            // Whose window it was that the model refused is seen when each document is read by itself.
            let (first, last) = match (windows.first(), windows.last()) {
                (Some(first), Some(last)) => (first.document, last.document),
                _ => (0, 0),
            };
            for document in first..=last {
                let own = |at: &usize| windows.get(*at).is_some_and(|w| w.document == document);
                let left = |at: &usize| desk.borrow().answered.get(*at) == Some(&false);
                let these: Vec<usize> = all.iter().copied().filter(own).filter(left).collect();
                if let Err(err) = read(&these) {
                    desk.borrow_mut().fail(document, err);
                }
            }
        }
        desk.into_inner().refused.map_or(Ok(()), Err)
    }

    /// Finds the prose of the documents whose turn is near.
    fn outline(&mut self) {
        let new = self.waiting.iter_mut().filter(|one| one.outline.is_none());
        let mut new: Vec<&mut Waiting> = new.collect();
        let documents: Vec<&Document> = new.iter().map(|one| &one.document).collect();
        let outlines = self.engine.planner.outlines(&documents);
        for (one, outline) in new.iter_mut().zip(outlines) {
            one.outline = Some(outline);
        }
    }

    /// The next windows, in order, enough for a few calls of the model.
    fn plan(&mut self) -> Vec<Planned> {
        let enough = CALLS * self.engine.batch;
        let mut read = 0;
        let mut windows = Vec::new();
        for (at, one) in self.waiting.iter_mut().enumerate() {
            let Some(outline) = &one.outline else { break };
            while one.planned < outline.len() {
                if read >= enough {
                    return windows;
                }
                let planner = &mut self.engine.planner;
                let (tokens, planned) = match planner.plan(&one.document, outline, one.planned) {
                    Ok(planned) => planned,
                    Err(err) => {
                        one.fail(err);
                        break;
                    }
                };
                one.planned += 1;
                one.open += planned.len();
                let tokens = Rc::new(tokens);
                windows.extend(planned.into_iter().map(|window| {
                    read += window.reads.len() + 2;
                    Planned {
                        document: at,
                        tokens: Rc::clone(&tokens),
                        window,
                    }
                }));
            }
        }
        windows
    }
}

/// Where answers are put with their documents, and whole documents are handed on.
struct Desk<'a, E, Done> {
    waiting: &'a mut VecDeque<Waiting>,
    /// Documents that were handed on since the windows were planned.
    gone: usize,
    /// Whether each window is answered.
    answered: Vec<bool>,
    done: &'a mut Done,
    /// Why nothing more is taken.
    refused: Option<E>,
}

impl<E, Done> Desk<'_, E, Done>
where
    Done: FnMut(Document, Result<Readings, Error>) -> Result<(), E>,
{
    /// Window `at`, one of document `document`, is answered by what `read` makes of the document.
    fn put(&mut self, at: usize, document: usize, read: impl FnOnce(&Document) -> Reading) {
        if let Some(answered) = self.answered.get_mut(at) {
            *answered = true;
        }
        let place = document.checked_sub(self.gone);
        if let Some(one) = place.and_then(|place| self.waiting.get_mut(place)) {
            one.open = one.open.saturating_sub(1);
            let reading = read(&one.document);
            if let (Ok(readings), false) = (&mut one.outcome, reading.words.is_empty()) {
                readings.push(&reading);
            }
        }
        self.hand_on();
    }

    fn fail(&mut self, document: usize, err: Error) {
        let place = document.checked_sub(self.gone);
        if let Some(one) = place.and_then(|place| self.waiting.get_mut(place)) {
            one.fail(err);
        }
        self.hand_on();
    }

    /// Hands on the first documents, as far as they are done.
    fn hand_on(&mut self) {
        while self.refused.is_none() && self.waiting.front().is_some_and(Waiting::is_done) {
            let Some(one) = self.waiting.pop_front() else {
                return;
            };
            self.gone += 1;
            self.refused = (self.done)(one.document, one.outcome).err();
        }
    }
}
