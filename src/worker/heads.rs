//! The thread that owns the fine-tuned heads. The discriminator has another thread, so that the heat map
//! and the answers do not wait for each other.
//!
//! For each document and task the latest request wins (see `latest`). Questions come first, then the
//! document on the screen. Heads are loaded on threads of their own, because that may take a download.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use electroscope_analysis::{
    Answers, Counts, EntityAt, HeadChoice, HeadReader, HeadSummary, TaggedWord, Tagging, Task,
    Unit, UnitKind,
};
use electroscope_text::{Document, Span};

use super::latest::{DocumentId, Generation};
use super::latest::{LatestThread, Mailbox, Service, Work, WorkQueue, WorkState};
use super::thread::panic_message;

/// A head, as the thread uses it. A trait, so that tests can control when it answers. Errors are sentences
/// for the user.
pub trait Reader: Send {
    /// Labels the units of a document, those near `focus` first. Ends early once `is_stale` says yes.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    fn classify(
        &mut self,
        document: &Document,
        kind: UnitKind,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Unit),
    ) -> Result<Counts, String>;

    /// Labels the words of a document, those near `focus` first. Ends early once `is_stale` says yes.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    fn tag(
        &mut self,
        document: &Document,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Tagging),
    ) -> Result<Counts, String>;

    /// The entities of words in the order of the text.
    fn entities(&self, words: &[TaggedWord]) -> Vec<EntityAt>;

    /// The answers of a document to a question; none if it became stale meanwhile.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    fn ask(
        &mut self,
        document: &Document,
        question: &str,
        is_stale: &dyn Fn() -> bool,
    ) -> Result<Option<(Answers, Counts)>, String>;
}

impl Reader for HeadReader {
    fn classify(
        &mut self,
        document: &Document,
        kind: UnitKind,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Unit),
    ) -> Result<Counts, String> {
        HeadReader::classify(self, document, kind, focus, is_stale, emit)
            .map_err(|err| err.to_string())
    }

    fn tag(
        &mut self,
        document: &Document,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Tagging),
    ) -> Result<Counts, String> {
        HeadReader::tag(self, document, focus, is_stale, emit).map_err(|err| err.to_string())
    }

    fn entities(&self, words: &[TaggedWord]) -> Vec<EntityAt> {
        HeadReader::entities(self, words)
    }

    fn ask(
        &mut self,
        document: &Document,
        question: &str,
        is_stale: &dyn Fn() -> bool,
    ) -> Result<Option<(Answers, Counts)>, String> {
        HeadReader::ask(self, document, question, is_stale).map_err(|err| err.to_string())
    }
}

/// A question about a document, for a head.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Labels of its units.
    Classify(UnitKind),
    /// An answer to a question.
    Ask(String),
    /// Labels of its words.
    Tag,
}

impl Request {
    /// The task of the head that answers.
    pub fn task(&self) -> Task {
        match self {
            Request::Classify(_) => Task::Classification,
            Request::Ask(_) => Task::QuestionAnswering,
            Request::Tag => Task::Tagging,
        }
    }
}

/// A job for the heads' thread.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadJob {
    /// List the heads that can be chosen.
    List,
    /// Load a head by the name that `--head` takes, in the place of the one before.
    Load {
        /// Its task.
        task: Task,
        /// Its name.
        choice: String,
    },
    /// Read a document. It replaces every earlier request of the same kind about it.
    Read {
        /// The document.
        id: DocumentId,
        /// Its version.
        generation: Generation,
        /// Its text.
        document: Document,
        /// The question.
        request: Request,
    },
    /// The reader looks here now. Work that starts from now on starts near it.
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

/// What a head found in one version of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The labels of a unit; sent as soon as they are known.
    Unit(UnitKind, Arc<Unit>),
    /// The labels of some words; sent as soon as they are known.
    Tagging(Arc<Tagging>),
    /// All entities.
    Entities(Arc<[EntityAt]>),
    /// The answers to a question.
    Answers(String, Arc<Answers>),
}

/// An answer from the heads' thread.
#[derive(Clone, Debug, PartialEq)]
pub enum HeadReply {
    /// The heads that can be chosen.
    Choices(Vec<HeadChoice>),
    /// Loading has reached this step.
    Loading {
        /// The head's task.
        task: Task,
        /// The step.
        step: String,
    },
    /// A head is ready.
    Loaded {
        /// Its task.
        task: Task,
        /// Its description.
        summary: HeadSummary,
    },
    /// A head cannot be loaded; the text says why and what to do.
    LoadFailed {
        /// Its task.
        task: Task,
        /// Why.
        reason: String,
    },
    /// A part of the answer.
    Found {
        /// The document.
        id: DocumentId,
        /// The version that was read.
        generation: Generation,
        /// The part.
        finding: Finding,
    },
    /// The whole answer has been sent.
    Finished {
        /// The document.
        id: DocumentId,
        /// The version that was read.
        generation: Generation,
        /// The task of the head.
        task: Task,
        /// From the start of the work to its end.
        elapsed: Duration,
    },
    /// There is no answer.
    Failed {
        /// The document.
        id: DocumentId,
        /// The version that was read.
        generation: Generation,
        /// The task of the head.
        task: Task,
        /// Why.
        reason: String,
    },
}

/// Lists and loads heads. Called on threads of its own to load.
pub trait Loader: Send + Sync {
    /// The heads that can be chosen.
    fn choices(&self) -> Vec<HeadChoice>;

    /// Loads the head called `choice`, which must be one for `task`, and reports its steps to `step`.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    fn load(
        &self,
        task: Task,
        choice: &str,
        step: &mut dyn FnMut(String),
    ) -> Result<(Box<dyn Reader>, HeadSummary), String>;
}

/// The handle of the thread. Dropping it ends the work at the next window and waits for that, but not long;
/// heads that are being loaded are not waited for.
pub struct Heads {
    thread: LatestThread<HeadMessage>,
}

impl Heads {
    /// Starts the thread. `reply` is called on it and on those that load, so it must only enqueue.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub fn spawn(
        loader: Arc<dyn Loader>,
        reply: impl Fn(HeadReply) + Send + Sync + 'static,
    ) -> std::io::Result<Heads> {
        let reply: Arc<dyn Fn(HeadReply) + Send + Sync> = Arc::new(reply);
        let make = {
            let reply = Arc::clone(&reply);
            move |mailbox| {
                Some(HeadService {
                    loader,
                    reply,
                    mailbox,
                    heads: [None, None, None],
                    newest: [0; 3],
                })
            }
        };
        let failed = move |reason: String| {
            for task in Task::ALL {
                let reason = reason.clone();
                reply(HeadReply::LoadFailed { task, reason });
            }
        };
        let thread = LatestThread::spawn("heads", make, failed)?;
        Ok(Heads { thread })
    }

    /// Asks for `job`.
    pub fn submit(&self, job: HeadJob) {
        self.thread.send(HeadMessage::Job(job));
    }
}

impl Drop for Heads {
    fn drop(&mut self) {
        self.thread.stop();
        self.thread.wait_a_moment();
    }
}

/// A message to the thread.
enum HeadMessage {
    Job(HeadJob),
    /// A head has been loaded.
    Install {
        task: Task,
        number: u64,
        loaded: Result<(Box<dyn Reader>, HeadSummary), String>,
    },
}

/// Answers requests with the heads.
struct HeadService {
    loader: Arc<dyn Loader>,
    reply: Arc<dyn Fn(HeadReply) + Send + Sync>,
    /// Receives the heads that other threads have loaded.
    mailbox: Mailbox<HeadMessage>,
    /// The heads by task; see [`place`].
    heads: [Option<Box<dyn Reader>>; 3],
    /// The number of the newest load of each task. An older one that ends later is dropped.
    newest: [u64; 3],
}

/// The index of a task's head.
fn place(task: Task) -> usize {
    match task {
        Task::Classification => 0,
        Task::QuestionAnswering => 1,
        Task::Tagging => 2,
    }
}

impl Service for HeadService {
    type Message = HeadMessage;
    type Request = Request;

    fn interrupts(message: &HeadMessage) -> bool {
        !matches!(message, HeadMessage::Job(HeadJob::Focus { .. }))
    }

    fn handle(&mut self, message: HeadMessage, queue: &mut WorkQueue<Request>) {
        match message {
            HeadMessage::Job(HeadJob::List) => {
                let choices = catch_unwind(AssertUnwindSafe(|| self.loader.choices()));
                // The panic is in the log; a head can still be chosen by its path or id.
                (self.reply)(HeadReply::Choices(choices.unwrap_or_default()));
            }
            HeadMessage::Job(HeadJob::Load { task, choice }) => self.load(task, choice),
            HeadMessage::Job(HeadJob::Read {
                id,
                generation,
                document,
                request,
            }) => {
                let task = request.task();
                queue.put(id, generation, document, request, |other| {
                    other.task() == task
                });
            }
            HeadMessage::Job(HeadJob::Focus { id, span }) => queue.focus(id, span),
            HeadMessage::Job(HeadJob::Forget { id }) => queue.forget(id),
            HeadMessage::Install {
                task,
                number,
                loaded,
            } => {
                if number != self.newest[place(task)] {
                    return;
                }
                match loaded {
                    Ok((reader, summary)) => {
                        self.heads[place(task)] = Some(reader);
                        (self.reply)(HeadReply::Loaded { task, summary });
                    }
                    Err(reason) => (self.reply)(HeadReply::LoadFailed { task, reason }),
                }
            }
        }
    }

    fn rank(request: &Request) -> u8 {
        match request {
            Request::Ask(_) => 0,
            Request::Classify(_) | Request::Tag => 1,
        }
    }

    fn work(
        &mut self,
        work: &mut Work<Request>,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
    ) -> Result<WorkState, String> {
        let task = work.request.task();
        let Some(head) = self.heads[place(task)].as_mut() else {
            // The screen asks again once the head is there.
            return Ok(WorkState::Done);
        };
        if !answer(&mut **head, work, focus, is_stale, &*self.reply)? {
            // The windows that were computed are in the cache; the others are read later.
            return Ok(WorkState::Unfinished);
        }
        (self.reply)(HeadReply::Finished {
            id: work.id,
            generation: work.generation,
            task,
            elapsed: work.started.elapsed(),
        });
        Ok(WorkState::Done)
    }

    fn failed(&mut self, work: &Work<Request>, reason: String) {
        (self.reply)(HeadReply::Failed {
            id: work.id,
            generation: work.generation,
            task: work.request.task(),
            reason,
        });
    }
}

impl HeadService {
    /// Loads a head on a thread of its own.
    fn load(&mut self, task: Task, choice: String) {
        self.newest[place(task)] += 1;
        let number = self.newest[place(task)];
        let (loader, reply) = (Arc::clone(&self.loader), Arc::clone(&self.reply));
        let mailbox = self.mailbox.clone();
        let spawned = std::thread::Builder::new()
            .name("head-loader".into())
            .spawn(move || {
                let loaded = catch_unwind(AssertUnwindSafe(|| {
                    loader.load(task, &choice, &mut |step| {
                        reply(HeadReply::Loading { task, step });
                    })
                }));
                let loaded = loaded.unwrap_or_else(|panic| Err(panic_message(&*panic)));
                mailbox.send(HeadMessage::Install {
                    task,
                    number,
                    loaded,
                });
            });
        if let Err(err) = spawned {
            let reason = format!("cannot start a thread: {err}");
            (self.reply)(HeadReply::LoadFailed { task, reason });
        }
    }
}

/// Answers one request. Returns whether it is finished.
fn answer(
    head: &mut dyn Reader,
    work: &Work<Request>,
    focus: Option<Span>,
    is_stale: &dyn Fn() -> bool,
    reply: &dyn Fn(HeadReply),
) -> Result<bool, String> {
    let found = |finding| {
        reply(HeadReply::Found {
            id: work.id,
            generation: work.generation,
            finding,
        });
    };
    match &work.request {
        Request::Classify(kind) => {
            head.classify(&work.document, *kind, focus, is_stale, &mut |unit| {
                found(Finding::Unit(*kind, Arc::new(unit)));
            })?;
            Ok(!is_stale())
        }
        Request::Tag => {
            let mut taggings = Vec::new();
            head.tag(&work.document, focus, is_stale, &mut |tagging| {
                let tagging = Arc::new(tagging);
                taggings.push(Arc::clone(&tagging));
                found(Finding::Tagging(tagging));
            })?;
            if is_stale() {
                return Ok(false);
            }
            taggings.sort_by_key(|tagging| tagging.span);
            let words: Vec<TaggedWord> = taggings
                .iter()
                .flat_map(|tagging| tagging.words.iter().copied())
                .collect();
            found(Finding::Entities(head.entities(&words).into()));
            Ok(true)
        }
        Request::Ask(question) => match head.ask(&work.document, question, is_stale)? {
            Some((answers, _)) => {
                found(Finding::Answers(question.clone(), Arc::new(answers)));
                Ok(true)
            }
            None => Ok(false),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Language;
    use std::sync::Mutex;
    use std::sync::mpsc::{self, Receiver, Sender};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Reports what it is asked, then waits for a nod.
    struct Fake {
        asked: Sender<String>,
        nod: Receiver<()>,
    }

    impl Fake {
        fn ask_for_a_nod(&self, what: String) -> Result<(), String> {
            let _ = self.asked.send(what.clone());
            self.nod.recv().map_err(|_| "no nod".to_owned())?;
            if what.contains("panic") {
                panic!("as asked");
            }
            if what.contains("fail") {
                return Err("as asked".into());
            }
            Ok(())
        }
    }

    impl Reader for Fake {
        fn classify(
            &mut self,
            document: &Document,
            kind: UnitKind,
            _: Option<Span>,
            is_stale: &dyn Fn() -> bool,
            emit: &mut dyn FnMut(Unit),
        ) -> Result<Counts, String> {
            self.ask_for_a_nod(format!("{kind:?} of {}", document.text))?;
            if !is_stale() {
                emit(Unit {
                    span: Span::new(0, document.text.len()),
                    p: vec![1.0],
                });
            }
            Ok(Counts::default())
        }

        fn tag(
            &mut self,
            document: &Document,
            _: Option<Span>,
            is_stale: &dyn Fn() -> bool,
            emit: &mut dyn FnMut(Tagging),
        ) -> Result<Counts, String> {
            // Not in the order of the text, like windows near the reader.
            for start in [4, 0] {
                self.ask_for_a_nod(format!("tags of {} from {start}", document.text))?;
                if is_stale() {
                    break;
                }
                let span = Span::new(start, start + 1);
                let word = TaggedWord {
                    span,
                    label: 0,
                    p: 1.0,
                    is_punctuation: false,
                };
                emit(Tagging {
                    span,
                    words: vec![word],
                });
            }
            Ok(Counts::default())
        }

        fn entities(&self, words: &[TaggedWord]) -> Vec<EntityAt> {
            let entity = |word: &TaggedWord| EntityAt {
                label: "X".into(),
                span: word.span,
                text: String::new(),
                p: word.p,
            };
            words.iter().map(entity).collect()
        }

        fn ask(
            &mut self,
            document: &Document,
            question: &str,
            is_stale: &dyn Fn() -> bool,
        ) -> Result<Option<(Answers, Counts)>, String> {
            self.ask_for_a_nod(format!("{question} of {}", document.text))?;
            Ok((!is_stale()).then(Default::default))
        }
    }

    struct FakeLoader {
        heads: Mutex<Vec<Fake>>,
        /// One message for each load that may end.
        may_end: Mutex<Receiver<()>>,
    }

    impl Loader for FakeLoader {
        fn choices(&self) -> Vec<HeadChoice> {
            Vec::new()
        }

        fn load(
            &self,
            task: Task,
            choice: &str,
            step: &mut dyn FnMut(String),
        ) -> Result<(Box<dyn Reader>, HeadSummary), String> {
            step(format!("opening {choice}"));
            if self.may_end.lock().unwrap().recv().is_err() {
                return Err("the program has ended".into());
            }
            if choice == "missing" {
                return Err("there is none".into());
            }
            let summary = HeadSummary {
                id: choice.into(),
                revision: None,
                device: "cpu".into(),
                precision: "f32".into(),
                task,
                labels: Vec::new(),
                no_answer_margin: 0.0,
                note: None,
            };
            let head = self.heads.lock().unwrap().pop().ok_or("no more heads")?;
            Ok((Box::new(head), summary))
        }
    }

    struct Bench {
        // Dropped in this order: the worker waits for its thread, which may wait for a nod until `nod`
        // is gone.
        nod: Sender<()>,
        may_end: Sender<()>,
        worker: Heads,
        asked: Receiver<String>,
        replies: Receiver<HeadReply>,
    }

    impl Bench {
        fn new() -> Bench {
            let (asked_in, asked) = mpsc::channel();
            let (nod, nod_out) = mpsc::channel();
            let (may_end, may_end_out) = mpsc::channel();
            let (reply, replies) = mpsc::channel();
            let loader = FakeLoader {
                heads: Mutex::new(vec![Fake {
                    asked: asked_in,
                    nod: nod_out,
                }]),
                may_end: Mutex::new(may_end_out),
            };
            let worker = Heads::spawn(Arc::new(loader), move |message| {
                drop(reply.send(message));
            });
            Bench {
                nod,
                may_end,
                worker: worker.unwrap(),
                asked,
                replies,
            }
        }

        /// One with a head for `task`.
        fn with(task: Task) -> Bench {
            let bench = Bench::new();
            bench.load(task, "mine");
            bench.may_end.send(()).unwrap();
            assert!(matches!(bench.reply(), HeadReply::Loading { .. }));
            assert!(matches!(bench.reply(), HeadReply::Loaded { .. }));
            bench
        }

        fn load(&self, task: Task, choice: &str) {
            self.worker.submit(HeadJob::Load {
                task,
                choice: choice.into(),
            });
        }

        fn read(&self, id: u32, generation: u64, text: &str, request: Request) {
            self.worker.submit(HeadJob::Read {
                id: DocumentId(id),
                generation: Generation(generation),
                document: Document::new("x", text, Language::Plain),
                request,
            });
        }

        fn reply(&self) -> HeadReply {
            self.replies.recv_timeout(PATIENCE).unwrap()
        }

        fn asked(&self) -> String {
            self.asked.recv_timeout(PATIENCE).unwrap()
        }
    }

    const PARAGRAPHS: Request = Request::Classify(UnitKind::Paragraph);

    #[test]
    fn the_parts_of_an_answer_are_sent_as_they_come() {
        let bench = Bench::with(Task::Tagging);
        bench.read(1, 1, "a text", Request::Tag);
        for start in [4, 0] {
            assert_eq!(bench.asked(), format!("tags of a text from {start}"));
            bench.nod.send(()).unwrap();
            assert!(
                matches!(bench.reply(), HeadReply::Found { finding: Finding::Tagging(tagging), .. } if tagging.span.start() == start)
            );
        }
        // The entities are found in the order of the text.
        let HeadReply::Found {
            finding: Finding::Entities(entities),
            ..
        } = bench.reply()
        else {
            panic!("no entities");
        };
        let starts: Vec<usize> = entities.iter().map(|entity| entity.span.start()).collect();
        assert_eq!(starts, [0, 4]);
        assert!(matches!(
            bench.reply(),
            HeadReply::Finished {
                task: Task::Tagging,
                ..
            }
        ));
    }

    #[test]
    fn a_newer_version_takes_the_place_of_the_older() {
        let bench = Bench::with(Task::Classification);
        bench.read(1, 1, "old", PARAGRAPHS);
        assert_eq!(bench.asked(), "Paragraph of old");
        bench.read(1, 2, "new", PARAGRAPHS);
        bench.nod.send(()).unwrap();
        assert_eq!(bench.asked(), "Paragraph of new");
        bench.nod.send(()).unwrap();
        assert!(matches!(
            bench.reply(),
            HeadReply::Found {
                generation: Generation(2),
                ..
            }
        ));
    }

    #[test]
    fn a_new_question_cancels_the_old() {
        let bench = Bench::with(Task::QuestionAnswering);
        bench.read(1, 1, "text", Request::Ask("who?".into()));
        assert_eq!(bench.asked(), "who? of text");
        bench.read(1, 1, "text", Request::Ask("when?".into()));
        bench.nod.send(()).unwrap();
        assert_eq!(bench.asked(), "when? of text");
        bench.nod.send(()).unwrap();
        assert!(
            matches!(bench.reply(), HeadReply::Found { finding: Finding::Answers(question, _), .. } if question == "when?")
        );
    }

    #[test]
    fn another_job_delays_the_work_but_does_not_drop_it() {
        let bench = Bench::with(Task::Classification);
        bench.read(1, 1, "text", PARAGRAPHS);
        assert_eq!(bench.asked(), "Paragraph of text");
        bench.worker.submit(HeadJob::List);
        bench.nod.send(()).unwrap();
        assert_eq!(bench.reply(), HeadReply::Choices(Vec::new()));
        assert_eq!(bench.asked(), "Paragraph of text");
        bench.nod.send(()).unwrap();
        assert!(matches!(bench.reply(), HeadReply::Found { .. }));
    }

    #[test]
    fn a_new_focus_interrupts_nothing_and_is_worked_on_next() {
        let bench = Bench::with(Task::Classification);
        bench.read(1, 1, "first", PARAGRAPHS);
        assert_eq!(bench.asked(), "Paragraph of first");
        let span = Span::new(0, 1);
        bench.worker.submit(HeadJob::Focus {
            id: DocumentId(3),
            span,
        });
        bench.nod.send(()).unwrap();
        assert!(matches!(bench.reply(), HeadReply::Found { .. }));
        assert!(matches!(bench.reply(), HeadReply::Finished { .. }));
        bench.read(2, 1, "second", PARAGRAPHS);
        assert_eq!(bench.asked(), "Paragraph of second");
        bench.read(3, 1, "third", PARAGRAPHS);
        bench.nod.send(()).unwrap();
        assert_eq!(bench.asked(), "Paragraph of third");
    }

    #[test]
    fn the_thread_reports_a_failure_or_a_panic_and_goes_on() {
        let bench = Bench::with(Task::Classification);
        for text in ["fail", "panic"] {
            bench.read(1, 1, text, PARAGRAPHS);
            bench.asked();
            bench.nod.send(()).unwrap();
            assert!(
                matches!(bench.reply(), HeadReply::Failed { reason, .. } if reason.contains("as asked"))
            );
        }
        bench.read(1, 2, "fine", PARAGRAPHS);
        assert_eq!(bench.asked(), "Paragraph of fine");
    }

    #[test]
    fn a_failed_load_is_reported_and_an_older_load_is_dropped() {
        let bench = Bench::new();
        bench.load(Task::Tagging, "missing");
        bench.may_end.send(()).unwrap();
        assert!(matches!(bench.reply(), HeadReply::Loading { .. }));
        assert!(
            matches!(bench.reply(), HeadReply::LoadFailed { reason, .. } if reason == "there is none")
        );
        // Of two at once only the second is installed, whichever is ready first.
        bench.load(Task::Tagging, "missing");
        bench.load(Task::Tagging, "mine");
        bench.may_end.send(()).unwrap();
        bench.may_end.send(()).unwrap();
        let replies: Vec<HeadReply> = (0..3).map(|_| bench.reply()).collect();
        let installed = replies
            .iter()
            .filter(|reply| !matches!(reply, HeadReply::Loading { .. }));
        let installed: Vec<_> = installed.collect();
        assert!(
            matches!(installed[..], [HeadReply::Loaded { summary, .. }] if summary.id == "mine"),
            "{replies:?}"
        );
    }

    #[test]
    fn a_request_without_a_head_is_dropped() {
        let bench = Bench::with(Task::Classification);
        bench.read(1, 1, "text", Request::Tag);
        bench.read(1, 1, "text", PARAGRAPHS);
        assert_eq!(bench.asked(), "Paragraph of text");
    }

    #[test]
    fn dropping_the_handle_ends_the_thread_without_waiting_for_loads() {
        let bench = Bench::with(Task::Classification);
        bench.load(Task::Tagging, "slow");
        assert!(matches!(bench.reply(), HeadReply::Loading { .. }));
        let Bench {
            worker, may_end, ..
        } = bench;
        drop(worker);
        drop(may_end);
    }
}
