//! The questions we ask a text, answered in plain data.
//!
//! An [`Engine`] scores a text, a [`Queue`] before it many, a [`HeadReader`] classifies, asks or tags it. Windows are cut so that
//! they depend only on what they read, which makes both independent of batches, threads, order and
//! cache, and makes an unchanged window free. Tensors stay in [`electroscope_model`]; files and threads are
//! other rooms' business.

mod cache;
pub mod decode;
mod engine;
mod finding;
mod head_choice;
mod head_reader;
mod mistakes;
mod outline;
mod passes;
mod queue;
mod readings;
mod tokens;
mod window;

pub use engine::Engine;
pub use finding::{
    Answer, Answers, EntityAt, Flagging, NoAnswer, Reading, TaggedWord, Tagging, Token, Unit,
    UnitKind, Word,
};
pub use head_choice::{HeadChoice, HeadSource, HeadSummary, Task};
pub use head_reader::{HeadReader, ReadError};
pub use mistakes::Mistakes;
pub use outline::Outline;
pub use passes::Counts;
pub use queue::Queue;
pub use readings::Readings;
pub use window::{Begins, DEFAULT_WINDOW, Geometry, Milestone, Run, Window, plan};
