//! The thread that owns the model and scores documents.
//!
//! The document that was asked for last comes first, and in it what is next to the last change. Work on
//! a version that is no longer the newest ends at the next window.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use electroscope_analysis::suggestions::Suggester;
use electroscope_analysis::{Engine, Outline, Reading};
use electroscope_text::{Document, Span};

use super::Event;
use crate::catalog::{Catalog, StepsAndNotes};
use crate::settings::Lens;
use crate::worker::thread;

/// What the thread is asked for.
pub(super) enum Job {
    /// Have the model for this lens ready.
    Load(Lens),
    Score(Score),
}

/// A version of a document that is to be scored.
pub(super) struct Score {
    pub(super) uri: String,
    pub(super) revision: u64,
    /// The newest revision of the document.
    pub(super) latest: Arc<AtomicU64>,
    pub(super) document: Document,
    /// What was changed last.
    pub(super) focus: Span,
    pub(super) lens: Lens,
}

impl Score {
    fn is_stale(&self) -> bool {
        self.latest.load(Ordering::Relaxed) != self.revision
    }
}

/// A model that was loaded.
pub(super) struct LoadedModel {
    pub(super) lens: Lens,
    /// The name that a threshold in the settings is for.
    pub(super) name: String,
    /// The threshold of the checkpoint.
    pub(super) threshold: Option<f32>,
    /// What was noted in loading it.
    pub(super) note: Option<String>,
}

/// What the thread tells.
pub(super) enum Told {
    /// Loading has come so far.
    Loading(String),
    Loaded(LoadedModel),
    /// The model for the lens cannot be had, and why.
    LoadFailed(Lens, String),
    /// What suggests words for findings of the lens.
    Suggester(Lens, Suggester<'static>),
    /// A part of a document has been scored.
    Scored {
        uri: String,
        revision: u64,
        part: Span,
        readings: Vec<Reading>,
        /// Whether more is to come.
        goes_on: bool,
    },
    /// All of it has.
    Finished {
        uri: String,
        revision: u64,
    },
    /// It cannot be scored, and why.
    Failed {
        uri: String,
        revision: u64,
        why: String,
    },
}

/// Starts the thread.
///
/// # Errors
///
/// Those of starting a thread.
pub(super) fn spawn(
    catalog: Catalog,
    jobs: Receiver<Job>,
    events: Sender<Event>,
) -> io::Result<()> {
    let failed = {
        let events = events.clone();
        move |why| drop(events.send(Event::Broken(why)))
    };
    let body = move || {
        let worker = Worker {
            catalog,
            events,
            engines: HashMap::new(),
            open: Vec::new(),
        };
        worker.run(&jobs);
    };
    thread::spawn("scoring", body, failed).map(drop)
}

struct Worker {
    catalog: Catalog,
    events: Sender<Event>,
    /// None for a model that could not be loaded.
    engines: HashMap<Lens, Option<Engine>>,
    /// What is to be done, the next one last.
    open: Vec<Open>,
}

/// A document in work.
struct Open {
    score: Score,
    /// Its outline and the regions that are left, the next one last.
    rest: Option<(Outline, Vec<usize>)>,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            if self.open.is_empty() {
                match jobs.recv() {
                    Ok(job) => self.take(job),
                    Err(_) => return,
                }
            }
            while let Ok(job) = jobs.try_recv() {
                self.take(job);
            }
            self.open.retain(|open| !open.score.is_stale());
            if let Some(open) = self.open.pop()
                && let Some(open) = self.work(open)
            {
                self.open.push(open);
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Load(lens) => drop(self.engine(lens)),
            Job::Score(score) => self.open.push(Open { score, rest: None }),
        }
    }

    fn tell(&self, told: Told) {
        // Nobody listens any more at the end.
        let _ = self.events.send(Event::Told(told));
    }

    /// Scores the next region of a document; what is left of it.
    fn work(&mut self, mut open: Open) -> Option<Open> {
        self.engine(open.score.lens)?;
        let engine = self.engines.get_mut(&open.score.lens)?.as_mut()?;
        let score = &open.score;
        let (outline, rest) = open.rest.get_or_insert_with(|| {
            let outline = engine.outline(&score.document);
            let mut rest: Vec<usize> = (0..outline.len()).collect();
            rest.sort_by_key(|&region| {
                std::cmp::Reverse((score.focus.distance(outline.span(region)), region))
            });
            (outline, rest)
        });
        let (uri, revision) = (score.uri.clone(), score.revision);
        let Some(region) = rest.pop() else {
            self.tell(Told::Finished { uri, revision });
            return None;
        };
        let mut readings = Vec::new();
        let outcome = engine.score_region(
            &score.document,
            outline,
            region,
            Some(score.focus),
            &|| score.is_stale(),
            &mut |reading| readings.push(reading),
        );
        let part = outline.span(region);
        let goes_on = !rest.is_empty();
        match outcome {
            _ if open.score.is_stale() => None,
            Err(err) => {
                let why = err.to_string();
                self.tell(Told::Failed { uri, revision, why });
                None
            }
            Ok(_) => {
                self.tell(Told::Scored {
                    uri,
                    revision,
                    part,
                    readings,
                    goes_on,
                });
                Some(open)
            }
        }
    }

    /// The engine for a lens, which is loaded at the first call.
    fn engine(&mut self, lens: Lens) -> Option<()> {
        if let Some(known) = self.engines.get(&lens) {
            return known.is_some().then_some(());
        }
        let engine = self.load(lens);
        let outcome = engine.is_some().then_some(());
        self.engines.insert(lens, engine);
        outcome
    }

    fn load(&self, lens: Lens) -> Option<Engine> {
        let mut step = |step| self.tell(Told::Loading(step));
        let mut observer = StepsAndNotes::new(&mut step);
        let loaded = match lens {
            Lens::Replaced => (self.catalog.load_model(&mut observer))
                .map(|loaded| (loaded, self.catalog.settings().model.clone())),
            Lens::Errors => self.catalog.load_chosen_error_scorer(&mut observer),
        };
        let note = observer.into_note();
        let (loaded, name) = match loaded {
            Ok(loaded) => loaded,
            Err(err) => {
                self.tell(Told::LoadFailed(lens, format!("{err:#}")));
                return None;
            }
        };
        self.tell(Told::Loaded(LoadedModel {
            lens,
            name,
            threshold: loaded.threshold,
            note,
        }));
        let mut ignored = |_| {};
        let mut observer = StepsAndNotes::new(&mut ignored);
        match (self.catalog).load_suggester(lens, &loaded.engine, &mut observer) {
            Ok(suggester) => self.tell(Told::Suggester(lens, suggester)),
            // The words are scored all the same.
            Err(err) => tracing::warn!("no suggestions: {err:#}"),
        }
        Some(loaded.engine)
    }
}
