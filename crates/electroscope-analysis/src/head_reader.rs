//! Reads documents with a fine-tuned head: labels for units of text, answers to questions, a label
//! for each word.
//!
//! Beside [`super::Engine`], whose windows, cache and manners it shares; apart from
//! [`super::decode`], which knows what logits mean and nothing of texts. One file for each task:
//! `classify`, `ask`, `tag`. Never draws or prints, and never looks at a file or a clock.

mod ask;
mod classify;
mod seams;
mod tag;

use std::sync::Arc;

use electroscope_model::{
    self as model, HeadConfig, HeadForward, HeadInput, Problem, Task, Tokenizer,
};
use electroscope_text::{Block, Document};

use super::cache::Cache;
use super::decode::Scheme;
use super::outline::{Planner, REGION};
use super::passes::BATCH;
use super::tokens::Tokens;
use super::window::DEFAULT_WINDOW;

use seams::Seams;
use tag::{Tag, TaggedText};

/// What the remembered answers may take, in bytes: two questions to ten megabytes of text, or as
/// many labels as anyone looks at.
const ROOM: usize = 64 << 20;

/// Why a head did not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The model failed.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// The head was trained for something else.
    #[error(
        "this head was trained to {}, not to {}; choose one whose class ends with {}",
        aim(*.has), aim(*.wanted), .wanted.class_suffix()
    )]
    WrongTask {
        /// What it was trained for.
        has: Task,
        /// What it was asked to do.
        wanted: Task,
    },
    /// A question without a word.
    #[error("the question is empty")]
    EmptyQuestion,
    /// A question that leaves too little room for the text.
    #[error(
        "the question has {found} tokens, but this head can take {limit}, a third of what it reads at once; \
         ask in fewer words"
    )]
    LongQuestion {
        /// Tokens of the question.
        found: usize,
        /// The most that are allowed.
        limit: usize,
    },
}

/// What a task is for, for a message.
fn aim(task: Task) -> &'static str {
    match task {
        Task::Classification => "classify",
        Task::QuestionAnswering => "answer questions",
        Task::Tagging => "tag words",
    }
}

/// A fine-tuned head that reads documents, and what it remembers of them.
pub struct HeadReader {
    planner: Planner,
    forward: Arc<dyn HeadForward>,
    task: Task,
    labels: Vec<String>,
    problem: Problem,
    can_refuse: bool,
    scheme: Scheme,
    /// The longest window, special tokens included.
    positions: usize,
    /// The positions of the model.
    max_positions: usize,
    batch: usize,
    /// What a classifier says of windows, or the logits of starts and ends. A head has one task, so
    /// its answers are told apart by what was read alone.
    numbers: Cache<[f32]>,
    /// What a tagger says of tokens.
    tags: Cache<[Tag]>,
    /// The document that was tagged last.
    tagged: TaggedText,
}

impl HeadReader {
    /// A reader over the head that `config` describes. Windows have at most [`DEFAULT_WINDOW`] tokens.
    pub fn new(
        tokenizer: Arc<Tokenizer>,
        forward: Arc<dyn HeadForward>,
        config: &HeadConfig,
    ) -> HeadReader {
        let positions = config.max_positions.min(DEFAULT_WINDOW);
        HeadReader {
            planner: Planner::new(tokenizer, positions),
            forward,
            task: config.task,
            labels: config.labels.clone(),
            problem: config.problem,
            can_refuse: config.can_refuse,
            scheme: Scheme::of(&config.labels),
            positions,
            max_positions: config.max_positions,
            batch: BATCH,
            numbers: Cache::new(ROOM),
            tags: Cache::new(ROOM),
            tagged: TaggedText::default(),
        }
    }

    /// Sets how many tokens the model reads in one call. It changes the speed, never the result.
    #[must_use]
    pub fn with_batch(mut self, tokens: usize) -> HeadReader {
        self.batch = tokens.max(1);
        self
    }

    /// Sets the tokens of a window at most, as far as the model has room for them. The time that a text
    /// takes grows with the square of its window; so do the results change, by which context is seen.
    #[must_use]
    pub fn with_window(mut self, tokens: usize) -> HeadReader {
        self.positions = tokens.min(self.max_positions);
        self.planner.set_window(self.positions);
        self.numbers.clear();
        self.tags.clear();
        self
    }

    /// Forgets every answer.
    pub fn forget(&mut self) {
        self.numbers.clear();
        self.tags.clear();
        self.planner.forget();
    }

    /// What it was trained to do.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The names of its labels by their numbers; none for answering questions.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// How the numbers of a classifier are to be read.
    pub fn problem(&self) -> Problem {
        self.problem
    }

    /// Whether it was trained with questions that the text does not answer.
    pub fn can_refuse(&self) -> bool {
        self.can_refuse
    }

    fn check(&self, wanted: Task) -> Result<(), ReadError> {
        match self.task {
            has if has == wanted => Ok(()),
            has => Err(ReadError::WrongTask { has, wanted }),
        }
    }

    /// The tokens of `blocks`, which are all those of `document`; none if the work became stale.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`].
    fn read_all(
        &mut self,
        document: &Document,
        blocks: &[Block],
        is_stale: &dyn Fn() -> bool,
    ) -> Result<Option<Tokens>, ReadError> {
        let mut tokens = Tokens::default();
        let mut unasked = 0;
        for block in blocks {
            let read = self.planner.read(&document.text, block)?;
            tokens.push(&read, block.span.start());
            unasked += block.span.len();
            if unasked >= REGION {
                if is_stale() {
                    return Ok(None);
                }
                unasked = 0;
            }
        }
        Ok(Some(tokens))
    }
}

/// A window of one text.
fn single(ids: Vec<u32>) -> HeadInput {
    HeadInput {
        second: ids.len(),
        ids,
    }
}

/// Hands things on as they become known: at once where somebody waits for them, and where nobody
/// does in the order in which they were wanted.
struct Handing<T> {
    known: Vec<Option<T>>,
    next: usize,
    at_once: bool,
}

impl<T> Handing<T> {
    fn new(count: usize, at_once: bool) -> Handing<T> {
        Handing {
            known: (0..count).map(|_| None).collect(),
            next: 0,
            at_once,
        }
    }

    /// Number `at` is known.
    fn put(&mut self, at: usize, thing: T, emit: &mut dyn FnMut(T)) {
        if self.at_once {
            return emit(thing);
        }
        if let Some(place) = self.known.get_mut(at) {
            *place = Some(thing);
        }
        while let Some(thing) = self.known.get_mut(self.next).and_then(Option::take) {
            emit(thing);
            self.next += 1;
        }
    }
}
