//! Why a hub model cannot be had.

use std::io;
use std::path::PathBuf;

/// Why a hub model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name of a branch, tag or commit is none.
    #[error(
        "{revision:?} cannot be a revision; a branch, a tag or a commit is wanted, such as main"
    )]
    Revision {
        /// What was given.
        revision: String,
    },
    /// Not in the cache, and the network may not be used.
    #[error(
        "{id} (revision {revision}) is not in the cache {cache}{found}, no folder is called so, \
         and offline nothing is downloaded; use `--model builtin`, or run \
         `electroscope model pull {id}{}` where there is a network",
        if revision == "main" { String::new() } else { format!(" --revision {revision}") }
    )]
    Offline {
        /// The model.
        id: String,
        /// Its revision.
        revision: String,
        /// The cache.
        cache: PathBuf,
        /// What is cached, as a clause, or nothing.
        found: String,
    },
    /// The hub's address is none.
    #[error(
        "HF_ENDPOINT is {endpoint:?}; an address that begins with https:// or http:// is wanted"
    )]
    Endpoint {
        /// What was given.
        endpoint: String,
    },
    /// The hub cannot be reached.
    #[error(
        "cannot reach {endpoint} for {id}: {why}; without a network use the built-in model (`--model builtin`)"
    )]
    Network {
        /// The model.
        id: String,
        /// Where the hub was looked for.
        endpoint: String,
        /// What happened.
        why: String,
    },
    /// There is no such model, revision, or file.
    #[error("{endpoint} has no {what}; {hint}")]
    NotFound {
        /// The model.
        id: String,
        /// Where it was looked for.
        endpoint: String,
        /// What is missing.
        what: String,
        /// What may be wrong.
        hint: &'static str,
    },
    /// The hub does not let us in.
    #[error("{endpoint} refuses {id} (status {status}): {hint}")]
    Denied {
        /// The model.
        id: String,
        /// Where it was looked for.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// What to do.
        hint: &'static str,
    },
    /// The hub is there but has no time.
    #[error(
        "{endpoint} is busy (status {status} for {id}); try again in a while, or use the built-in \
         model (`--model builtin`)"
    )]
    Busy {
        /// The model.
        id: String,
        /// Where it was looked for.
        endpoint: String,
        /// The HTTP status.
        status: u16,
    },
    /// Another answer than a hub gives.
    #[error("{url} answered {what}")]
    Answer {
        /// What was asked.
        url: String,
        /// The answer.
        what: String,
    },
    /// The repository has no checkpoint that can be read.
    #[error("{id} has no {wanted}; it has {found}")]
    Incomplete {
        /// The model.
        id: String,
        /// What was looked for.
        wanted: &'static str,
        /// What there is.
        found: String,
    },
    /// The files of the model are more than any model has.
    #[error("{id} has {bytes} bytes or more, and at most {most} are downloaded; it is no ELECTRA")]
    TooMuch {
        /// The model.
        id: String,
        /// The bytes that are announced, or that came.
        bytes: u64,
        /// The most that are downloaded.
        most: u64,
    },
    /// The transfer of a file broke off, again and again.
    #[error(
        "the download of {file} of {id} broke off after {done} of {total} bytes: {why}; \
         what came is kept, and the next try goes on from there (`--model builtin` needs no download)"
    )]
    Interrupted {
        /// The model.
        id: String,
        /// The file.
        file: String,
        /// Bytes that are there.
        done: u64,
        /// Bytes that there should be.
        total: u64,
        /// What happened.
        why: String,
    },
    /// What arrived is not what was announced.
    #[error("{file} of {id} arrived damaged twice: {what}; try again later, or another network")]
    Damaged {
        /// The model.
        id: String,
        /// The file.
        file: String,
        /// What does not fit.
        what: String,
    },
    /// The cache cannot be written.
    #[error("cannot write {path}: {source}; HF_HOME or HF_HUB_CACHE can name another folder")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error("stopped; what was downloaded is kept, and the next try goes on from there")]
    Cancelled,
}
