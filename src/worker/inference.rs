//! The thread that owns the model, scores documents for the heat map and looks for suggestions.
//!
//! The latest version of a document wins (see `latest`), and the regions that the reader looks at come
//! first. Suggestions are looked for one word at a time: at once for a word that the reader asks about,
//! for any other only when nothing is left to score.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use electroscope_analysis::suggestions::Suggestions;
use electroscope_analysis::{Counts, Engine, Outline, Reading};
use electroscope_text::{Block, Document, Span, blocks};

pub use super::latest::{DocumentId, Generation};
use super::latest::{LatestThread, Service, Work, WorkQueue, WorkState};
use super::thread::panic_message;
use crate::english;
pub use crate::settings::Lens;

/// The one of two values that is for `lens`.
fn of<T>([replaced, errors]: &mut [T; 2], lens: Lens) -> &mut T {
    match lens {
        Lens::Replaced => replaced,
        Lens::Errors => errors,
    }
}

/// The description of a loaded model, for the screen.
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
    /// A remark for the user: a device that was not there, an old copy that is used.
    pub note: Option<String>,
}

/// A job for the model's thread.
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
    /// Look for what could stand in the place of a word. It takes the place of every earlier such job.
    Suggest {
        /// The document.
        id: DocumentId,
        /// Its version.
        generation: Generation,
        /// Its text.
        document: Document,
        /// The word.
        word: Span,
        /// Whether the reader asked, and so waits; if not, everything else comes first.
        is_asked: bool,
    },
    /// The document was closed.
    Forget {
        /// The document.
        id: DocumentId,
    },
    /// Score with the model for this lens from now on. It is loaded if it is not there yet. Jobs that the
    /// other model has not finished are dropped. Answered by [`Reply::Loaded`] or [`Reply::LoadFailed`];
    /// after the second the model stays the one it was.
    Use(Lens),
}

/// An answer from the model's thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Loading has reached this step (`reading config.json`, `downloading model.safetensors 41 %`).
    Loading(String),
    /// The model is ready. All later replies are from it.
    Loaded(ModelSummary),
    /// The model cannot be loaded; the text says why and what to do.
    LoadFailed(String),
    /// The words of one window, sent as soon as they are scored.
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
        /// Windows from the cache.
        cached: usize,
    },
    /// What could stand in the place of a word.
    Suggested {
        /// The document.
        id: DocumentId,
        /// The version that was read.
        generation: Generation,
        /// The word.
        word: Span,
        /// What was found: none where nothing can be put, as in code; else why nothing could be looked for,
        /// a sentence for the user.
        found: Result<Option<Arc<Suggestions>>, String>,
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

/// A model, as the thread uses it. A trait, so that tests can control when it answers.
pub trait Scorer {
    /// The regions of a document.
    type Outline;

    /// Cuts a document into regions. Cheap.
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

    /// Whether the model for `lens` has a discriminator, which suggestions are read by.
    fn has_discriminator(&self, lens: Lens) -> bool;

    /// What could stand in the place of a word of a document whose blocks of prose are `blocks`; none
    /// where nothing can be put.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    fn suggest(
        &mut self,
        document: &Document,
        blocks: &[Block],
        word: Span,
    ) -> Result<Option<Suggestions>, String>;
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

    fn has_discriminator(&self, lens: Lens) -> bool {
        lens == Lens::Replaced || self.has_evidence()
    }

    fn suggest(
        &mut self,
        document: &Document,
        blocks: &[Block],
        word: Span,
    ) -> Result<Option<Suggestions>, String> {
        let dictionary = english::dictionary().map_err(|err| err.to_string())?;
        let suggester = self.suggester(dictionary);
        let found = suggester.suggest(document, blocks, word);
        found.map_err(|err| err.to_string())
    }
}

/// The handle of the thread. Dropping it ends the work at the next window and waits for that, but not long.
/// A model that is being loaded, perhaps over a slow network, is not waited for.
pub struct Inference {
    thread: LatestThread<Job>,
    loading: Arc<AtomicBool>,
}

impl Inference {
    /// Starts the thread. It loads the model for the lens `first` by `load`, and the one for the other
    /// lens when that is asked for; `load` may report its steps. Jobs that arrive in the meantime wait, the
    /// newest of each document. If the head for errors cannot be loaded, the thread goes on, so that the
    /// other lens can be asked for. `reply` is called on the thread, so it must only enqueue.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub fn spawn<S: Scorer + 'static>(
        first: Lens,
        load: impl FnMut(Lens, &mut dyn FnMut(String)) -> Result<(S, ModelSummary), String>
        + Send
        + 'static,
        reply: impl Fn(Reply) + Send + Sync + 'static,
    ) -> std::io::Result<Inference> {
        let reply: Arc<dyn Fn(Reply) + Send + Sync> = Arc::new(reply);
        let loading = Arc::new(AtomicBool::new(true));
        let make = {
            let (loading, reply) = (Arc::clone(&loading), Arc::clone(&reply));
            move |_| {
                let mut service = ScoringService {
                    lens: first,
                    scorers: [None, None],
                    load: Box::new(load),
                    loading,
                    reply,
                    blocks: None,
                };
                (service.use_lens(first) || first == Lens::Errors).then_some(service)
            }
        };
        let failed = move |reason| reply(Reply::LoadFailed(reason));
        let thread = LatestThread::spawn("inference", make, failed)?;
        Ok(Inference { thread, loading })
    }

    /// Asks for `job`.
    pub fn submit(&self, job: Job) {
        // A thread without a model has ended, and has said so.
        self.thread.send(job);
    }
}

impl Drop for Inference {
    fn drop(&mut self) {
        self.thread.stop();
        if !self.loading.load(Ordering::Acquire) {
            self.thread.wait_a_moment();
        }
    }
}

/// Loads the model for a lens, and reports its steps.
type LoadModel<S> = dyn FnMut(Lens, &mut dyn FnMut(String)) -> Result<(S, ModelSummary), String>;

/// Scores documents with the model for a lens.
struct ScoringService<S> {
    lens: Lens,
    /// The models that have been loaded, by lens.
    scorers: [Option<(S, ModelSummary)>; 2],
    load: Box<LoadModel<S>>,
    loading: Arc<AtomicBool>,
    reply: Arc<dyn Fn(Reply) + Send + Sync>,
    /// The blocks of prose of the version that suggestions were looked for in last.
    blocks: Option<(DocumentId, Generation, Vec<Block>)>,
}

/// What is asked about a version of a document.
enum ScorerRequest<O> {
    Score(Scoring<O>),
    Suggest { word: Span, is_asked: bool },
}

impl<O> ScorerRequest<O> {
    fn is_suggest(&self) -> bool {
        matches!(self, ScorerRequest::Suggest { .. })
    }
}

/// The state of the work on one version of a document.
struct Scoring<O> {
    outline: Option<(O, Vec<Span>)>,
    /// The regions that are not scored yet.
    open: Vec<usize>,
    /// The prose bytes in the finished regions, and in all.
    scored: usize,
    total: usize,
    counts: Counts,
}

impl<S: Scorer> ScoringService<S> {
    /// Changes to the model for `lens`, which is loaded if it is not there yet. Returns whether it is there
    /// now; if not, the model stays the one it was.
    fn use_lens(&mut self, lens: Lens) -> bool {
        let reply = Arc::clone(&self.reply);
        let loaded = self.load(lens, &mut |step| reply(Reply::Loading(step)));
        match loaded {
            Ok((_, summary)) => {
                let summary = summary.clone();
                self.lens = lens;
                reply(Reply::Loaded(summary));
                true
            }
            Err(reason) => {
                reply(Reply::LoadFailed(reason));
                false
            }
        }
    }

    /// The model for `lens`, which is loaded if it is not there yet.
    fn load(
        &mut self,
        lens: Lens,
        step: &mut dyn FnMut(String),
    ) -> Result<&mut (S, ModelSummary), String> {
        let scorer = of(&mut self.scorers, lens);
        if let Some(scorer) = scorer {
            return Ok(scorer);
        }
        self.loading.store(true, Ordering::Release);
        let load = &mut self.load;
        let loaded = catch_unwind(AssertUnwindSafe(|| load(lens, step)));
        self.loading.store(false, Ordering::Release);
        let loaded = loaded.unwrap_or_else(|panic| Err(panic_message(&*panic)))?;
        Ok(scorer.insert(loaded))
    }

    /// Looks for suggestions with the model in use, or with the discriminator if that one has none.
    fn suggest(
        &mut self,
        (id, generation): (DocumentId, Generation),
        document: &Document,
        word: Span,
    ) -> Result<(), String> {
        let lens = match of(&mut self.scorers, self.lens) {
            Some((scorer, _)) if scorer.has_discriminator(self.lens) => self.lens,
            _ => Lens::Replaced,
        };
        let known = self.blocks.take();
        let known = known.filter(|(of, at, _)| (*of, *at) == (id, generation));
        let blocks = known.map_or_else(|| blocks(document), |(_, _, blocks)| blocks);
        let (scorer, _) = self.load(lens, &mut |_| ())?;
        let found = scorer.suggest(document, &blocks, word)?;
        self.blocks = Some((id, generation, blocks));
        (self.reply)(Reply::Suggested {
            id,
            generation,
            word,
            found: Ok(found.map(Arc::new)),
        });
        Ok(())
    }
}

impl<S: Scorer> Service for ScoringService<S> {
    type Message = Job;
    type Request = ScorerRequest<S::Outline>;

    fn interrupts(job: &Job) -> bool {
        !matches!(
            job,
            Job::Suggest {
                is_asked: false,
                ..
            }
        )
    }

    fn handle(&mut self, job: Job, queue: &mut WorkQueue<ScorerRequest<S::Outline>>) {
        match job {
            Job::Score {
                id,
                generation,
                document,
            } => {
                let request = Scoring {
                    outline: None,
                    open: Vec::new(),
                    scored: 0,
                    total: 0,
                    counts: Counts::default(),
                };
                let request = ScorerRequest::Score(request);
                // Suggestions for words of another version are of no use.
                queue.put(id, generation, document, request, |_| true);
            }
            Job::Suggest {
                id,
                generation,
                document,
                word,
                is_asked,
            } => {
                queue.remove(ScorerRequest::is_suggest);
                let request = ScorerRequest::Suggest { word, is_asked };
                queue.put(id, generation, document, request, |_| false);
            }
            Job::Focus { id, span } => queue.focus(id, span),
            Job::Forget { id } => queue.forget(id),
            Job::Use(lens) => {
                queue.clear();
                self.use_lens(lens);
            }
        }
    }

    fn rank(request: &ScorerRequest<S::Outline>) -> u8 {
        match request {
            ScorerRequest::Suggest { is_asked: true, .. } => 0,
            ScorerRequest::Score(_) => 1,
            ScorerRequest::Suggest {
                is_asked: false, ..
            } => 2,
        }
    }

    /// Scores the open region that is nearest to `focus`, or looks for suggestions.
    fn work(
        &mut self,
        work: &mut Work<ScorerRequest<S::Outline>>,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
    ) -> Result<WorkState, String> {
        let scoring = match &mut work.request {
            ScorerRequest::Score(scoring) => scoring,
            ScorerRequest::Suggest { word, .. } => {
                let word = *word;
                self.suggest((work.id, work.generation), &work.document, word)?;
                return Ok(WorkState::Done);
            }
        };
        // Without a model nothing can be scored; after another lens was chosen, it is asked for again.
        let Some((scorer, _)) = of(&mut self.scorers, self.lens) else {
            return Ok(WorkState::Done);
        };
        let (id, generation, reply) = (work.id, work.generation, &self.reply);
        let Scoring {
            outline,
            open,
            scored,
            total,
            counts,
        } = scoring;
        let (outline, regions) = match outline {
            Some(outline) => outline,
            None => {
                let cut = scorer.outline(&work.document);
                let regions = S::regions(&cut);
                *total = regions.iter().map(|span| span.len()).sum();
                *open = (0..regions.len()).collect();
                outline.insert((cut, regions))
            }
        };
        let distance = |region: usize| {
            focus.map_or(0, |focus| {
                regions.get(region).map_or(0, |span| focus.distance(*span))
            })
        };
        let nearest = open
            .iter()
            .enumerate()
            .min_by_key(|&(_, &region)| (distance(region), region));
        if let Some((place, &region)) = nearest {
            let mut here = 0;
            let (before, all) = (*scored, (*total).max(1));
            let found = scorer.score_region(
                &work.document,
                outline,
                region,
                focus,
                is_stale,
                &mut |reading| {
                    here += reading.span.len();
                    let progress = ((before + here) as f32 / all as f32).min(1.0);
                    reply(Reply::Scored {
                        id,
                        generation,
                        reading: Arc::new(reading),
                        progress,
                    });
                },
            )?;
            counts.computed += found.computed;
            if is_stale() {
                // The windows that were computed are in the cache; the region is scored again later.
                return Ok(WorkState::Unfinished);
            }
            counts.cached += found.cached;
            *scored += regions.get(region).map_or(0, |span| span.len());
            open.remove(place);
        }
        if !open.is_empty() {
            return Ok(WorkState::Unfinished);
        }
        reply(Reply::Finished {
            id,
            generation,
            elapsed: work.started.elapsed(),
            computed: counts.computed,
            cached: counts.cached,
        });
        Ok(WorkState::Done)
    }

    fn failed(&mut self, work: &Work<ScorerRequest<S::Outline>>, reason: String) {
        let (id, generation) = (work.id, work.generation);
        (self.reply)(match work.request {
            ScorerRequest::Score(_) => Reply::Failed {
                id,
                generation,
                reason,
            },
            ScorerRequest::Suggest { word, .. } => Reply::Suggested {
                id,
                generation,
                word,
                found: Err(reason),
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Language;
    use std::sync::mpsc::{self, Receiver, Sender};

    /// Has regions of ten bytes. Reports each that it is asked for, and waits for a nod.
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

        fn has_discriminator(&self, lens: Lens) -> bool {
            lens == Lens::Replaced
        }

        fn suggest(
            &mut self,
            document: &Document,
            _: &[Block],
            word: Span,
        ) -> Result<Option<Suggestions>, String> {
            let text = word.of(&document.text).unwrap_or_default();
            let asked = format!("{:?} suggests for {text}", self.lens);
            self.asked.send((asked, word.start())).unwrap();
            self.nod.recv().map_err(|_| "no more nods".to_owned())?;
            match text {
                "panic" => panic!("as asked"),
                _ => Ok(None),
            }
        }
    }

    struct Bench {
        // Dropped in this order: the worker waits for its thread, which may wait for a nod until `nod`
        // is gone.
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
                    // There is one model for each lens.
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

        fn suggest(&self, id: u32, text: &str, word: &str, is_asked: bool) {
            let document = Document::new("x", text, Language::Plain);
            let start = text.find(word).unwrap();
            self.worker.as_ref().unwrap().submit(Job::Suggest {
                id: DocumentId(id),
                generation: Generation(1),
                document,
                word: Span::new(start, start + word.len()),
                is_asked,
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
    fn regions_near_the_focus_come_first() {
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
    fn the_document_in_focus_comes_first() {
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

    /// What is asked of the model next, so many times, each answered.
    fn all_asked(bench: &Bench, count: usize) -> Vec<String> {
        let mut asked = Vec::new();
        for _ in 0..count {
            asked.push(bench.asked().0);
            bench.nod.send(()).unwrap();
        }
        asked
    }

    #[test]
    fn suggestions_wait_until_nothing_is_left_to_score_unless_the_reader_asks() {
        let bench = Bench::loaded();
        let text = "a text of three regions";
        bench.score(1, 1, text);
        assert_eq!(bench.asked().1, 0);
        bench.suggest(1, text, "text", false);
        bench.score(2, 1, "other");
        bench.nod.send(()).unwrap();
        let asked = all_asked(&bench, 5);
        assert_eq!(asked.last().unwrap(), "Replaced suggests for text");
        bench.score(1, 1, text);
        bench.asked();
        bench.suggest(1, text, "three", true);
        bench.nod.send(()).unwrap();
        assert_eq!(bench.asked().0, "Replaced suggests for three");
    }

    #[test]
    fn a_newer_place_takes_the_place_of_an_older_one_that_waits_even_in_another_document() {
        let bench = Bench::loaded();
        bench.score(1, 1, "regions");
        bench.asked();
        bench.suggest(1, "one two", "one", false);
        bench.suggest(1, "one two", "two", false);
        bench.suggest(2, "three", "three", false);
        bench.nod.send(()).unwrap();
        assert_eq!(bench.asked().0, "Replaced suggests for three");
        bench.nod.send(()).unwrap();
        bench.score(1, 1, "end");
        assert_eq!(bench.asked().0, "end");
    }

    #[test]
    fn a_newer_text_drops_what_was_asked_about_words_of_the_older() {
        let bench = Bench::loaded();
        bench.score(2, 1, "other");
        bench.asked();
        bench.suggest(1, "one two", "one", false);
        bench.score(1, 2, "two");
        bench.nod.send(()).unwrap();
        assert_eq!(all_asked(&bench, 2), ["other", "two"]);
        bench.score(1, 3, "end");
        assert_eq!(bench.asked().0, "end");
    }

    #[test]
    fn a_panic_while_looking_for_suggestions_is_told_of_the_word() {
        let bench = Bench::loaded();
        bench.suggest(1, "a panic here", "panic", true);
        bench.asked();
        bench.nod.send(()).unwrap();
        let reply = bench.reply();
        let is_of_word = matches!(
            &reply,
            Reply::Suggested { word, found: Err(why), .. }
                if word.start() == 2 && why.contains("as asked")
        );
        assert!(is_of_word, "{reply:?}");
    }

    #[test]
    fn a_model_without_a_discriminator_leaves_suggestions_to_the_one_that_has_it() {
        let bench = Bench::loaded();
        bench
            .worker
            .as_ref()
            .unwrap()
            .submit(Job::Use(Lens::Errors));
        bench.load.send(()).unwrap();
        assert!(matches!(bench.reply(), Reply::Loaded(_)));
        bench.suggest(1, "one two", "two", true);
        assert_eq!(bench.asked().0, "Replaced suggests for two");
    }

    #[test]
    fn of_jobs_that_come_while_the_model_loads_only_the_newest_is_done() {
        let bench = Bench::new();
        bench.score(1, 1, "old");
        bench.score(1, 2, "new");
        bench.load.send(()).unwrap();
        assert_eq!(bench.asked(), ("new".into(), 0));
    }

    #[test]
    fn the_thread_reports_a_failure_or_a_panic_and_goes_on() {
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
    fn the_other_model_is_loaded_on_demand_and_the_first_is_kept() {
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
        // The work in hand ends without a reply.
        bench.nod.send(()).unwrap();
        bench.load.send(()).unwrap();
        assert_eq!(loaded(), "Errors");
        assert_eq!(bench.asked().0, "errors of text");
        bench.errors_nod.send(()).unwrap();
        assert!(matches!(bench.reply(), Reply::Scored { .. }));
        assert!(matches!(bench.reply(), Reply::Finished { .. }));
        // The first model is not loaded a second time.
        look(Lens::Replaced);
        assert_eq!(loaded(), "Replaced");
        bench.score(1, 1, "text");
        assert_eq!(bench.asked().0, "text");
    }

    #[test]
    fn if_the_other_model_cannot_be_loaded_the_first_stays() {
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
    fn a_model_that_cannot_be_loaded_is_reported() {
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
        // The load never ends, so waiting for the thread would take for ever.
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
        // The thread may be waiting for one more nod, and must end without it.
        drop(std::mem::replace(&mut bench.nod, mpsc::channel().0));
        drop(worker);
        while bench.replies.try_recv().is_ok() {}
        assert!(matches!(
            bench.replies.recv_timeout(PATIENCE),
            Err(mpsc::RecvTimeoutError::Disconnected)
        ));
    }
}
