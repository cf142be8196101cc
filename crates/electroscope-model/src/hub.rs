//! Hub models: from an id to a folder on this disk.
//!
//! The cache is the one that all Hugging Face programs share (`blobs`, `refs`, `snapshots` with
//! links), laid out by hf-hub, so that what Python has downloaded is found here and the other way
//! round. The transfer itself is done here rather than by hf-hub, whose blocking client neither
//! verifies what it wrote, nor times out, nor recovers from a part that is too long. Offline, no
//! socket is opened.

mod cache;
mod checksum;
mod client;
mod error;
mod pace;
mod redirect;
mod settings;
mod shared_files;

use std::ops::ControlFlow;
use std::path::PathBuf;

use cache::{cached_snapshot, is_commit, is_revision};
use client::{Client, chosen};

use crate::bounded_read::{limits, read_text_bounded};

pub use cache::{
    CachedHead, CachedModel, FileState, VerifiedFile, bytes_in, cached, cached_heads, verify,
};
pub use checksum::{sha256, sha256_of};
pub use error::Error;
pub use settings::HubSettings;

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file.
    pub file: &'a str,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes that there will be.
    pub total: u64,
}

/// A model that is on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its files.
    pub folder: PathBuf,
    /// Its commit.
    pub revision: String,
    /// Something that the user should know.
    pub note: Option<String>,
}

/// Finds the files of `id` at `revision` (a branch, tag or commit; `main` if none), downloading what
/// the cache lacks. `progress` is told of every piece that arrives and may stop the transfer.
///
/// # Errors
///
/// [`Error`]; each says what to do.
pub fn fetch(
    id: &str,
    revision: Option<&str>,
    settings: &HubSettings,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Fetched, Error> {
    let revision = revision.unwrap_or("main");
    if !is_revision(revision) {
        return Err(Error::Revision {
            revision: revision.to_owned(),
        });
    }
    let in_cache = cached_snapshot(id, revision, settings);
    if settings.offline {
        return in_cache.ok_or_else(|| {
            let known: Vec<String> = cached(settings).into_iter().map(|model| model.id).collect();
            let found = if known.is_empty() {
                String::new()
            } else {
                format!(" (which has {})", known.join(", "))
            };
            let (id, revision) = (id.to_owned(), revision.to_owned());
            Error::Offline {
                id,
                revision,
                cache: settings.cache.clone(),
                found,
            }
        });
    }
    // A commit never changes, so what is cached of it needs no question.
    if let Some(found) = in_cache.as_ref().filter(|_| is_commit(revision)) {
        return Ok(found.clone());
    }
    let client = Client::new(id, revision, settings)?;
    let listing = match (client.listing(), in_cache) {
        (Ok(listing), _) => listing,
        // The hub, not the model, is in trouble: no network, a hub that is down, a page of a hotel
        // that wants to be paid first.
        (
            Err(err @ (Error::Network { .. } | Error::Busy { .. } | Error::Answer { .. })),
            Some(found),
        ) => {
            tracing::warn!(%err, "using the cache");
            let endpoint = &settings.endpoint;
            let note = match err {
                Error::Network { .. } => format!("{endpoint} cannot be reached"),
                Error::Busy { status, .. } => format!("{endpoint} is busy (status {status})"),
                _ => format!("{endpoint} does not answer as a hub does"),
            };
            return Ok(Fetched {
                note: Some(format!("{note}; using {id} as it was downloaded before")),
                ..found
            });
        }
        (Err(err), _) => return Err(err),
    };
    if !is_commit(&listing.sha) {
        let url = client.listing_url();
        return Err(Error::Answer {
            url,
            what: format!("with the commit {:?}, which is none", listing.sha),
        });
    }
    let repo = settings.repo(id);
    let folder = repo.pointer_path(&listing.sha);
    let files = chosen(id, &listing)?;
    let too_much = |bytes| Error::TooMuch {
        id: id.to_owned(),
        bytes,
        most: settings.most_bytes,
    };
    let announced = files.iter().filter_map(|file| file.size());
    let announced = announced.fold(0, u64::saturating_add);
    if announced > settings.most_bytes {
        return Err(too_much(announced));
    }
    let mut bytes = 0u64;
    let mut damaged = Vec::new();
    for file in files {
        // What comes of a file whose size is not announced ends with what is left.
        let room = settings.most_bytes.saturating_sub(bytes);
        let brought = client.download(file, &listing.sha, &folder, room, progress)?;
        bytes = bytes.saturating_add(brought.bytes);
        if bytes > settings.most_bytes {
            return Err(too_much(bytes));
        }
        damaged.extend(brought.damage);
    }
    let path = settings.repo_folder(id).join("refs").join(revision);
    let is_known =
        read_text_bounded(&path, limits::REFERENCE).is_ok_and(|known| known.trim() == listing.sha);
    // A cache that has all there is may be one that cannot be written.
    if !is_commit(revision) && !is_known {
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| shared_files::replace(&path, listing.sha.as_bytes()));
        written.map_err(|source| Error::Write { path, source })?;
    }
    Ok(Fetched {
        folder,
        revision: listing.sha,
        note: (!damaged.is_empty()).then(|| {
            format!(
                "{} of {id} in the cache, downloaded again: {}",
                if damaged.len() == 1 {
                    "a damaged file"
                } else {
                    "damaged files"
                },
                damaged.join(", ")
            )
        }),
    })
}
