//! What a model says about a text, as plain data: spans and probabilities.
//!
//! An [`Engine`] scores a text, and a [`Queue`] many; a [`HeadReader`] classifies, tags or answers questions.
//! Windows are cut so that they depend only on the text in them. So the results do not depend on batches,
//! threads, order or cache, and an unchanged window is not computed again. Tensors stay in
//! [`electroscope_model`]; files and threads belong to the program.
//!
//! # Example
//!
//! The probability of each word to have been replaced (`examples/score.rs` is a whole program):
//!
//! ```
//! use std::path::Path;
//!
//! use electroscope_analysis::{Engine, Queue};
//! use electroscope_model::{Checkpoint, Error, load};
//! use electroscope_text::{Document, Language};
//!
//! # fn main() -> Result<(), Error> {
//! # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/fixtures/projected");
//! let checkpoint = Checkpoint::open(Path::new(folder))?;
//! let (model, _) = load(&checkpoint, "cpu", "f32")?;
//! let positions = checkpoint.config.max_position_embeddings;
//! let mut engine = Engine::new(checkpoint.tokenizer, model, positions);
//! let mut queue = Queue::new(&mut engine);
//! queue.push(Document::new("boats.txt", "The boats wait.", Language::Plain));
//! let mut words = 0;
//! while !queue.is_empty() {
//!     queue.work(|_, readings| {
//!         for word in readings?.words() {
//!             assert!((0.0..=1.0).contains(&word.p));
//!             words += 1;
//!         }
//!         Ok::<(), Error>(())
//!     })?;
//! }
//! assert_eq!(words, 4);
//! # Ok(())
//! # }
//! ```
//!
//! What is flagged is more than a threshold: words are accepted ([`WordList`], [`AcceptedWords`]), places
//! silenced ([`IgnoreMarks`]), and findings known already ([`Baseline`]). Only the modules of these, and of
//! edits ([`edit_file`]), touch files.

mod accepted_words;
mod baseline;
mod cache;
mod calibration;
pub mod decode;
pub mod dictionary;
mod engine;
mod error_kind;
mod error_tagger;
pub mod evidence;
mod exemption;
mod file_edit;
mod finding;
mod head_choice;
mod head_reader;
mod ignore_marks;
pub mod lexicon;
mod mark_edit;
mod outline;
mod passes;
mod queue;
mod readings;
mod spelling;
pub mod suggestions;
mod tokens;
mod window;
mod word_in_context;
mod word_list;
pub mod word_rules;
mod word_scorer;

pub use accepted_words::AcceptedWords;
pub use baseline::{
    Baseline, BaselineEntry, BaselineError, BaselineOrigin, BaselinedModel, Comparison, Stale,
};
pub use calibration::threshold_for;
pub use engine::Engine;
pub use error_kind::ErrorKind;
pub use error_tagger::ErrorTagger;
pub use exemption::{Exemption, Exemptions};
pub use file_edit::{Edit, EditError, edit_file, edited, reversed};
pub use finding::{
    Answer, Answers, EntityAt, Flagging, NoAnswer, Reading, TaggedWord, Tagging, Token, Unit,
    UnitKind, Word,
};
pub use head_choice::{HeadChoice, HeadSource, HeadSummary, Task};
pub use head_reader::{HeadReader, ReadError};
pub use ignore_marks::{IgnoreMarks, Mark, MarkKind, MisspeltMark, Silencing, UnusedMark};
pub use mark_edit::{file_mark_for_word, mark_for_word};
pub use outline::Outline;
pub use passes::Counts;
pub use queue::Queue;
pub use readings::Readings;
pub use window::{Begins, DEFAULT_WINDOW, Geometry, Milestone, Run, Window, plan};
pub use word_in_context::{WordInContext, WordsInContext};
pub use word_list::{
    Addition, NotAWord, PROJECT_WORDS, WordList, WordListError, project_words, project_words_to_be,
};
pub use word_scorer::Evidence;
