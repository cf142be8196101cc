//! Which heads can be chosen, and what one says of itself once it is loaded: plain data between the
//! command line, which finds and loads heads, and the screen, which lists and names them.
//!
//! Apart from the reading of documents ([`super::finding`]), for these say nothing of any text.
//! Nothing here opens a file or a socket.

pub use electroscope_model::Task;

/// Where a head comes from; what is nearer to the reader comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HeadSource {
    /// The settings name it.
    Configured,
    /// The binary carries it.
    BuiltIn,
    /// It lies in the cache of hub models.
    Cached,
    /// Its name is known, and it would have to be downloaded.
    Known,
}

/// A head that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadChoice {
    /// What `--head` takes for it.
    pub name: String,
    /// What it was trained to do.
    pub task: Task,
    /// Where it comes from.
    pub source: HeadSource,
    /// What it takes on this disk, if it is there.
    pub bytes: Option<u64>,
    /// What is known of it, in a line.
    pub about: String,
}

/// What is said of a head that was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadSummary {
    /// The name it was asked for by.
    pub id: String,
    /// The commit of a hub model.
    pub revision: Option<String>,
    /// `cpu`, `cuda:0`.
    pub device: String,
    /// `f32`.
    pub precision: String,
    /// What it was trained to do.
    pub task: Task,
    /// Its labels by their numbers; none for answering questions.
    pub labels: Vec<String>,
    /// By how much the score of no answer must exceed that of an answer to come before it; 0 for heads
    /// that do not answer questions.
    pub no_answer_margin: f32,
    /// Something that the user should know: a device that was not there, an old copy that is used.
    pub note: Option<String>,
}
