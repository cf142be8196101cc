//! The thread that owns the model.
//!
//! Latest wins: a newer version of a document takes the place of the older one, and the work on the
//! older ends at the next window. What the reader looks at comes first. A panic in the model is
//! caught, logged, and becomes a reply; the thread goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use electroscope_analysis::{Counts, Engine, Outline, Reading};
use electroscope_text::{Document, Span};

use super::thread::{self, Worker, panic_message};
pub use crate::settings::Lens;

/// Which open document. Given out by the screen, never used twice in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(pub u32);

/// Which version of a document's text. Larger is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// Of two things the one that is for `lens`.
fn of<T>([replaced, errors]: &mut [T; 2], lens: Lens) -> &mut T {
    match lens {
        Lens::Replaced => replaced,
        Lens::Errors => errors,
    }
}

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
    /// Something that the user should know: a device that was not there, an old copy that is used.
    pub note: Option<String>,
}

/// A question for the model's thread.
#[derive(Clone, Debug, PartialEq)]
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
    /// From now on score with this model, which is loaded if it is not there yet; what was asked of
    /// the other and is not done is dropped. Answered by [`Reply::Loaded`] or [`Reply::LoadFailed`];
    /// after the second the model is the one it was.
    Use(Lens),
}

/// An answer from the model's thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Loading has reached this step (`reading config.json`, `downloading model.safetensors 41 %`).
    Loading(String),
    /// The model is ready; whatever comes after this is from it.
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

/// What the thread asks of a model. A trait, so that tests can put in one that waits to be told.
pub trait Scorer {
    /// Where the work on a document can be cut.
    type Outline;

    /// Cuts the work on a document; cheap.
    fn outline(&mut self, document: &Document) -> Self::Outline;

    /// The bytes of each region of an outline.
    fn regions(outline: &Self::Outline) -> Vec<Span>;

    /// Scores one region, windows near `focus` first. Ends early once `is_stale` says yes.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    fn score_region(
        &mut self,
        document: &Document,
        outline: &Self::Outline,
        region: usize,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Reading),
    ) -> Result<Counts, String>;
}

impl Scorer for Engine {
    type Outline = Outline;

    fn outline(&mut self, document: &Document) -> Outline {
        Engine::outline(self, document)
    }

    fn regions(outline: &Outline) -> Vec<Span> {
        (0..outline.len())
            .map(|region| outline.span(region))
            .collect()
    }

    fn score_region(
        &mut self,
        document: &Document,
        outline: &Outline,
        region: usize,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Reading),
    ) -> Result<Counts, String> {
        Engine::score_region(self, document, outline, region, focus, is_stale, emit)
            .map_err(|err| err.to_string())
    }
}

/// The near end of the thread. Dropping it ends the work at the next window and waits a moment for
/// that; a model that is still being loaded, perhaps over a slow network, or that never answers is
/// left to itself.
pub struct Inference {
    jobs: Option<Sender<Job>>,
    /// Counts jobs: the work in hand looks at it between windows to see whether there is a newer one.
    arrived: Arc<AtomicU64>,
    loading: Arc<AtomicBool>,
    thread: Worker,
}

impl Inference {
    /// Starts the thread. It loads the model for the lens `first` by `load`, and the one for the other
    /// lens when that is asked for; `load` may say how far it is. Jobs that arrive in the meantime
    /// wait, the newest per document. If the model for errors cannot be loaded, the thread goes on, so
    /// that the other lens can be asked for. `reply` is called on the thread, so it must only enqueue.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub fn spawn<S: Scorer>(
        first: Lens,
        mut load: impl FnMut(Lens, &mut dyn FnMut(String)) -> Result<(S, ModelSummary), String>
        + Send
        + 'static,
        reply: impl Fn(Reply) + Send + Sync + 'static,
    ) -> std::io::Result<Inference> {
        let reply = Arc::new(reply);
        let (jobs, inbox) = mpsc::channel();
        let arrived = Arc::new(AtomicU64::new(0));
        let loading = Arc::new(AtomicBool::new(true));
        let body = {
            let (arrived, loading) = (Arc::clone(&arrived), Arc::clone(&loading));
            let reply = Arc::clone(&reply);
            move || {
                let mut bring = |lens| {
                    loading.store(true, Ordering::Release);
                    let loaded = catch_unwind(AssertUnwindSafe(|| {
                        load(lens, &mut |step| reply(Reply::Loading(step)))
                    }));
                    loading.store(false, Ordering::Release);
                    loaded.unwrap_or_else(|panic| Err(panic_message(&*panic)))
                };
                let mut scorers = [None, None];
                match bring(first) {
                    Ok(loaded) => {
                        reply(Reply::Loaded(loaded.1.clone()));
                        *of(&mut scorers, first) = Some(loaded);
                    }
                    Err(reason) => {
                        reply(Reply::LoadFailed(reason));
                        if first == Lens::Replaced {
                            return;
                        }
                    }
                }
                run(first, scorers, &mut bring, &inbox, &arrived, &*reply);
            }
        };
        let failed = move |reason| reply(Reply::LoadFailed(reason));
        let thread = thread::spawn("inference", body, failed)?;
        Ok(Inference {
            jobs: Some(jobs),
            arrived,
            loading,
            thread,
        })
    }

    /// Asks for `job`.
    pub fn submit(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // A closed channel means that there is no model, which has been said.
            let _ = jobs.send(job);
            self.arrived.fetch_add(1, Ordering::Release);
        }
    }
}

impl Drop for Inference {
    fn drop(&mut self) {
        self.jobs = None;
        // Whatever is being done is stale now.
        self.arrived.fetch_add(1, Ordering::Release);
        if !self.loading.load(Ordering::Acquire) {
            self.thread.wait_a_moment();
        }
    }
}

/// The work on one version of a document.
struct Work<O> {
    id: DocumentId,
    generation: Generation,
    document: Document,
    outline: Option<(O, Vec<Span>)>,
    /// Regions that are yet to be scored.
    open: Vec<usize>,
    /// Prose bytes in the finished regions, and in all.
    scored: usize,
    total: usize,
    started: Instant,
    counts: Counts,
}

fn run<S: Scorer>(
    mut lens: Lens,
    mut scorers: [Option<(S, ModelSummary)>; 2],
    bring: &mut dyn FnMut(Lens) -> Result<(S, ModelSummary), String>,
    inbox: &Receiver<Job>,
    arrived: &AtomicU64,
    reply: &dyn Fn(Reply),
) {
    let mut queue: Vec<Work<S::Outline>> = Vec::new();
    let mut focus: Option<(DocumentId, Span)> = None;
    // Jobs taken out of the inbox. A job is counted as arrived after it was put in, so it may be
    // taken before it is counted, and then it must not make itself stale.
    let mut taken = 0;
    loop {
        let first = if queue.is_empty() {
            match inbox.recv() {
                Ok(job) => Some(job),
                Err(_) => return,
            }
        } else {
            match inbox.try_recv() {
                Ok(job) => Some(job),
                Err(mpsc::TryRecvError::Empty) => None,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        };
        for job in first.into_iter().chain(inbox.try_iter()) {
            taken += 1;
            match job {
                Job::Score {
                    id,
                    generation,
                    document,
                } => {
                    queue.retain(|work| work.id != id);
                    queue.push(Work {
                        id,
                        generation,
                        document,
                        outline: None,
                        open: Vec::new(),
                        scored: 0,
                        total: 0,
                        started: Instant::now(),
                        counts: Counts::default(),
                    });
                }
                Job::Focus { id, span } => focus = Some((id, span)),
                Job::Forget { id } => queue.retain(|work| work.id != id),
                Job::Use(wanted) => {
                    queue.clear();
                    let scorer = of(&mut scorers, wanted);
                    if scorer.is_none() {
                        match bring(wanted) {
                            Ok(loaded) => *scorer = Some(loaded),
                            Err(reason) => reply(Reply::LoadFailed(reason)),
                        }
                    }
                    if let Some((_, summary)) = scorer {
                        lens = wanted;
                        reply(Reply::Loaded(summary.clone()));
                    }
                }
            }
        }
        let focused = focus.and_then(|(id, _)| queue.iter().position(|work| work.id == id));
        let index = focused.unwrap_or(0);
        let Some(work) = queue.get_mut(index) else {
            continue;
        };
        let here = focus.filter(|(id, _)| *id == work.id).map(|(_, span)| span);
        let is_stale = || arrived.load(Ordering::Acquire) > taken;
        // Without a model everything waits for another lens, and is asked again then.
        let Some((scorer, _)) = of(&mut scorers, lens) else {
            queue.clear();
            continue;
        };
        let step = catch_unwind(AssertUnwindSafe(|| {
            step(scorer, work, here, &is_stale, reply)
        }));
        let (id, generation) = (work.id, work.generation);
        let finished = match step {
            Ok(Ok(finished)) => finished,
            Ok(Err(reason)) => {
                reply(Reply::Failed {
                    id,
                    generation,
                    reason,
                });
                true
            }
            Err(panic) => {
                let reason = panic_message(&*panic);
                tracing::error!(?id, reason, "the model panicked");
                reply(Reply::Failed {
                    id,
                    generation,
                    reason,
                });
                true
            }
        };
        if finished {
            queue.remove(index);
        }
    }
}

/// Scores the open region that is nearest to `focus`; says whether the document is finished.
fn step<S: Scorer>(
    scorer: &mut S,
    work: &mut Work<S::Outline>,
    focus: Option<Span>,
    is_stale: &dyn Fn() -> bool,
    reply: &dyn Fn(Reply),
) -> Result<bool, String> {
    let (outline, regions) = match &work.outline {
        Some(outline) => outline,
        None => {
            let outline = scorer.outline(&work.document);
            let regions = S::regions(&outline);
            work.total = regions.iter().map(|span| span.len()).sum();
            work.open = (0..regions.len()).collect();
            work.outline.insert((outline, regions))
        }
    };
    let distance = |region: usize| {
        focus.map_or(0, |focus| {
            regions.get(region).map_or(0, |span| focus.distance(*span))
        })
    };
    let nearest = work
        .open
        .iter()
        .enumerate()
        .min_by_key(|&(_, &region)| (distance(region), region));
    if let Some((place, &region)) = nearest {
        let mut here = 0;
        let (id, generation, scored, total) =
            (work.id, work.generation, work.scored, work.total.max(1));
        let counts = scorer.score_region(
            &work.document,
            outline,
            region,
            focus,
            is_stale,
            &mut |reading| {
                here += reading.span.len();
                let progress = ((scored + here) as f32 / total as f32).min(1.0);
                reply(Reply::Scored {
                    id,
                    generation,
                    reading: Arc::new(reading),
                    progress,
                });
            },
        )?;
        work.counts.computed += counts.computed;
        if is_stale() {
            // What was computed is remembered; the rest of the region is asked for again.
            return Ok(false);
        }
        work.counts.cached += counts.cached;
        work.scored += regions.get(region).map_or(0, |span| span.len());
        work.open.remove(place);
    }
    if work.open.is_empty() {
        reply(Reply::Finished {
            id: work.id,
            generation: work.generation,
            elapsed: work.started.elapsed(),
            computed: work.counts.computed,
            cached: work.counts.cached,
        });
    }
    Ok(work.open.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Language;

    /// Regions of ten bytes; before each it asks for a nod, and tells which it was asked for.
    struct Fake {
        lens: Lens,
        asked: Sender<(String, usize)>,
        nod: Receiver<()>,
    }

    impl Scorer for Fake {
        type Outline = Vec<Span>;

        fn outline(&mut self, document: &Document) -> Vec<Span> {
            (0..document.text.len().div_ceil(10))
                .map(|n| Span::new(10 * n, 10 * n + 10))
                .collect()
        }

        fn regions(outline: &Vec<Span>) -> Vec<Span> {
            outline.clone()
        }

        fn score_region(
            &mut self,
            document: &Document,
            outline: &Vec<Span>,
            region: usize,
            _: Option<Span>,
            is_stale: &dyn Fn() -> bool,
            emit: &mut dyn FnMut(Reading),
        ) -> Result<Counts, String> {
            let text = match self.lens {
                Lens::Replaced => document.text.to_string(),
                Lens::Errors => format!("errors of {}", document.text),
            };
            self.asked.send((text, region)).unwrap();
            self.nod.recv().map_err(|_| "no more nods".to_owned())?;
            if document.text.contains("panic") {
                panic!("as asked");
            }
            if document.text.contains("fail") {
                return Err("as asked".into());
            }
            if !is_stale() {
                emit(Reading {
                    span: outline[region],
                    ..Reading::default()
                });
            }
            Ok(Counts {
                computed: 1,
                cached: 0,
            })
        }
    }

    struct Bench {
        // Drop order is significant: the worker waits for its thread, which may wait for a nod until
        // there is nobody left to give one.
        nod: Sender<()>,
        errors_nod: Sender<()>,
        worker: Option<Inference>,
        asked: Receiver<(String, usize)>,
        replies: Receiver<Reply>,
        load: Sender<()>,
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    impl Bench {
        fn new() -> Bench {
            let (asked_in, asked) = mpsc::channel();
            let (nod, nod_out) = mpsc::channel();
            let (errors_nod, errors_nod_out) = mpsc::channel();
            let mut nods = [Some(nod_out), Some(errors_nod_out)];
            let (reply, replies) = mpsc::channel();
            let (load, load_out) = mpsc::channel();
            let summary = ModelSummary {
                id: "fake".into(),
                device: "cpu".into(),
                precision: "f32".into(),
                threshold: 0.5,
                false_alarms: None,
                note: None,
            };
            let worker = Inference::spawn(
                Lens::Replaced,
                move |lens, _| {
                    load_out.recv().map_err(|_| "no model".to_owned())?;
                    // There is one of each kind of model.
                    let nod = of(&mut nods, lens).take().ok_or("none is left")?;
                    let fake = Fake {
                        asked: asked_in.clone(),
                        nod,
                        lens,
                    };
                    let id = format!("{lens:?}");
                    Ok((
                        fake,
                        ModelSummary {
                            id,
                            ..summary.clone()
                        },
                    ))
                },
                move |message| drop(reply.send(message)),
            );
            Bench {
                worker: Some(worker.unwrap()),
                asked,
                nod,
                errors_nod,
                replies,
                load,
            }
        }

        fn loaded() -> Bench {
            let bench = Bench::new();
            bench.load.send(()).unwrap();
            assert!(matches!(bench.reply(), Reply::Loaded(_)));
            bench
        }

        fn score(&self, id: u32, generation: u64, text: &str) {
            let document = Document::new("x", text, Language::Plain);
            let (id, generation) = (DocumentId(id), Generation(generation));
            self.worker.as_ref().unwrap().submit(Job::Score {
                id,
                generation,
                document,
            });
        }

        fn focus(&self, id: u32, start: usize) {
            let span = Span::new(start, start + 1);
            self.worker.as_ref().unwrap().submit(Job::Focus {
                id: DocumentId(id),
                span,
            });
        }

        fn asked(&self) -> (String, usize) {
            self.asked.recv_timeout(PATIENCE).unwrap()
        }

        fn reply(&self) -> Reply {
            self.replies.recv_timeout(PATIENCE).unwrap()
        }
    }

    #[test]
    fn a_document_is_scored_region_by_region_and_finished() {
        let bench = Bench::loaded();
        bench.score(1, 1, "fifteen bytes..");
        for region in 0..2 {
            assert_eq!(bench.asked().1, region);
            bench.nod.send(()).unwrap();
            assert!(
                matches!(bench.reply(), Reply::Scored { reading, .. } if reading.span.start() == 10 * region)
            );
        }
        assert!(matches!(
            bench.reply(),
            Reply::Finished {
                computed: 2,
                generation: Generation(1),
                ..
            }
        ));
    }

    #[test]
    fn a_newer_version_ends_the_work_on_the_older_at_the_next_window() {
        let bench = Bench::loaded();
        bench.score(1, 1, "the older version of a text");
        assert_eq!(bench.asked().1, 0);
        bench.score(1, 2, "newer");
        bench.nod.send(()).unwrap();
        assert_eq!(bench.asked(), ("newer".into(), 0));
        bench.nod.send(()).unwrap();
        let is_newer = |reply: &Reply| {
            matches!(
                reply,
                Reply::Scored {
                    generation: Generation(2),
                    ..
                }
            )
        };
        let reply = bench.reply();
        assert!(is_newer(&reply), "{reply:?}");
        assert!(matches!(
            bench.reply(),
            Reply::Finished {
                generation: Generation(2),
                ..
            }
        ));
    }

    #[test]
    fn what_the_reader_looks_at_comes_first() {
        let bench = Bench::loaded();
        bench.score(1, 1, &"x".repeat(95));
        assert_eq!(bench.asked().1, 0);
        bench.focus(1, 55);
        bench.nod.send(()).unwrap();
        let mut order = Vec::new();
        for _ in 0..4 {
            order.push(bench.asked().1);
            bench.nod.send(()).unwrap();
        }
        assert_eq!(order[..3], [5, 6, 4]);
    }

    #[test]
    fn the_document_on_screen_goes_before_the_others() {
        let bench = Bench::loaded();
        bench.score(1, 1, "first....first");
        assert_eq!(bench.asked(), ("first....first".into(), 0));
        bench.score(2, 1, "second");
        bench.focus(2, 0);
        bench.nod.send(()).unwrap();
        assert_eq!(bench.asked(), ("second".into(), 0));
        bench.nod.send(()).unwrap();
        assert_eq!(bench.asked().0, "first....first");
    }

    #[test]
    fn jobs_that_come_while_the_model_loads_wait_and_only_the_newest_is_done() {
        let bench = Bench::new();
        bench.score(1, 1, "old");
        bench.score(1, 2, "new");
        bench.load.send(()).unwrap();
        assert_eq!(bench.asked(), ("new".into(), 0));
    }

    #[test]
    fn a_failure_and_a_panic_are_replies_and_the_thread_goes_on() {
        let bench = Bench::loaded();
        for (text, said) in [
            ("fail", "as asked"),
            (
                "panic",
                "this is a bug in electroscope, please report it: as asked",
            ),
        ] {
            bench.score(1, 1, text);
            bench.asked();
            bench.nod.send(()).unwrap();
            assert!(matches!(bench.reply(), Reply::Failed { reason, .. } if reason == said));
        }
        bench.score(1, 3, "fine");
        assert_eq!(bench.asked().0, "fine");
    }

    #[test]
    fn another_model_is_loaded_when_it_is_asked_for_and_the_first_is_kept() {
        let bench = Bench::loaded();
        let look = |lens| bench.worker.as_ref().unwrap().submit(Job::Use(lens));
        let loaded = || match bench.reply() {
            Reply::Loaded(summary) => summary.id,
            other => panic!("{other:?}"),
        };
        bench.score(1, 1, "a text of two regions");
        assert_eq!(bench.asked().0, "a text of two regions");
        look(Lens::Errors);
        bench.score(1, 1, "text");
        // What was in hand ends there, unsaid.
        bench.nod.send(()).unwrap();
        bench.load.send(()).unwrap();
        assert_eq!(loaded(), "Errors");
        assert_eq!(bench.asked().0, "errors of text");
        bench.errors_nod.send(()).unwrap();
        assert!(matches!(bench.reply(), Reply::Scored { .. }));
        assert!(matches!(bench.reply(), Reply::Finished { .. }));
        // Back to the first, which nobody loads a second time.
        look(Lens::Replaced);
        assert_eq!(loaded(), "Replaced");
        bench.score(1, 1, "text");
        assert_eq!(bench.asked().0, "text");
    }

    #[test]
    fn where_the_other_model_cannot_be_had_the_first_goes_on() {
        let mut bench = Bench::loaded();
        drop(std::mem::replace(&mut bench.load, mpsc::channel().0));
        bench
            .worker
            .as_ref()
            .unwrap()
            .submit(Job::Use(Lens::Errors));
        assert_eq!(bench.reply(), Reply::LoadFailed("no model".into()));
        bench.score(1, 1, "text");
        assert_eq!(bench.asked().0, "text");
    }

    #[test]
    fn a_model_that_cannot_be_loaded_is_said() {
        let Bench {
            load,
            replies,
            worker: _worker,
            ..
        } = Bench::new();
        drop(load);
        assert_eq!(
            replies.recv_timeout(PATIENCE).unwrap(),
            Reply::LoadFailed("no model".into())
        );
    }

    #[test]
    fn a_model_that_is_still_loading_is_not_waited_for() {
        let bench = Bench::new();
        // Without the word to go on, waiting for the thread would take for ever.
        drop(bench.worker);
        drop(bench.load);
    }

    #[test]
    fn dropping_the_handle_ends_the_thread() {
        let mut bench = Bench::loaded();
        bench.score(1, 1, &"x".repeat(1000));
        bench.asked();
        bench.nod.send(()).unwrap();
        let worker = bench.worker.take();
        // The thread may be asking for one more nod; without one it must still end.
        drop(std::mem::replace(&mut bench.nod, mpsc::channel().0));
        drop(worker);
        while bench.replies.try_recv().is_ok() {}
        assert!(matches!(
            bench.replies.recv_timeout(PATIENCE),
            Err(mpsc::RecvTimeoutError::Disconnected)
        ));
    }
}
