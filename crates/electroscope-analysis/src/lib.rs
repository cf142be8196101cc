//! The questions we ask a text, answered in plain data.
//!
//! An [`Engine`] scores a text, a [`Queue`] before it many, a [`HeadReader`] classifies, asks or tags it. Windows are cut so that
//! they depend only on what they read, which makes both independent of batches, threads, order and
//! cache, and makes an unchanged window free. Tensors stay in [`electroscope_model`]; files and threads are
//! other rooms' business.

mod cache;
mod calibration;
pub mod decode;
pub mod dictionary;
mod engine;
mod error_kind;
mod error_tagger;
pub mod evidence;
mod finding;
mod head_choice;
mod head_reader;
mod outline;
mod passes;
mod queue;
mod readings;
mod tokens;
mod window;
pub mod word_rules;
mod word_scorer;

pub use calibration::threshold_for;
pub use engine::Engine;
pub use error_kind::ErrorKind;
pub use error_tagger::ErrorTagger;
pub use finding::{
    Answer, Answers, EntityAt, Flagging, NoAnswer, Reading, TaggedWord, Tagging, Token, Unit,
    UnitKind, Word,
};
pub use head_choice::{HeadChoice, HeadSource, HeadSummary, Task};
pub use head_reader::{HeadReader, ReadError};
pub use outline::Outline;
pub use passes::Counts;
pub use queue::Queue;
pub use readings::Readings;
pub use window::{Begins, Geometry, Milestone, Run, Window, plan};
pub use word_scorer::Evidence;
