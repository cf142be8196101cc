//! Hub models: from an id to a folder on this disk.
//!
//! The cache is the one that all Hugging Face programs share (`blobs`, `refs`, `snapshots` with
//! links), laid out by hf-hub, so that what Python has downloaded is found here and the other way
//! round. The transfer itself is done here rather than by hf-hub, whose blocking client neither
//! verifies what it wrote, nor times out, nor recovers from a part that is too long. Offline, no
//! socket is opened.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::adapter;
use super::family::Family;
use super::files::{limits, open_regular, read_bounded, read_text_bounded};
use super::head::Task;

/// Why a hub model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is no model.
    #[error(
        "{name:?} is neither `builtin`, nor a folder, nor a hub id of the form NAME or ORGANISATION/NAME{hint}"
    )]
    Name {
        /// What was given.
        name: String,
        /// What may be wrong with it.
        hint: &'static str,
    },
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

/// What a model is named by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelChoice {
    /// The one that the binary carries.
    Builtin,
    /// A folder in Hugging Face layout.
    Folder(PathBuf),
    /// A hub id.
    Hub(String),
}

impl ModelChoice {
    /// Reads a name. An existing folder is that folder; something that looks like a path but does
    /// not exist is never sent to the hub.
    ///
    /// # Errors
    ///
    /// [`Error::Name`].
    pub fn parse(name: &str) -> Result<ModelChoice, Error> {
        let refuse = |hint| {
            Err(Error::Name {
                name: name.to_owned(),
                hint,
            })
        };
        let path = Path::new(name);
        if name != "builtin" && path.is_dir() {
            return Ok(ModelChoice::Folder(path.to_owned()));
        }
        if name != "builtin" && path.is_file() {
            return refuse("; it is a file, and the folder that it lies in is wanted");
        }
        ModelChoice::parse_elsewhere(name, "; there is no such folder")
    }

    /// Reads a name that was not given for the folder that the program runs in, but is kept in a file
    /// such as the settings: a relative path is never a folder there, or a folder of somebody else's
    /// could put its own model in the place of the one that is meant.
    ///
    /// # Errors
    ///
    /// [`Error::Name`].
    pub fn parse_kept(name: &str) -> Result<ModelChoice, Error> {
        if Path::new(name).is_absolute() {
            return ModelChoice::parse(name);
        }
        let hint = "; a folder is kept by its whole path, for a relative one means another folder wherever the program is started";
        ModelChoice::parse_elsewhere(name, hint)
    }

    /// Reads a name that is no folder; `no_folder` is the hint if it can be nothing else.
    fn parse_elsewhere(name: &str, no_folder: &'static str) -> Result<ModelChoice, Error> {
        let path = Path::new(name);
        let refuse = |hint| {
            Err(Error::Name {
                name: name.to_owned(),
                hint,
            })
        };
        if name == "builtin" {
            return Ok(ModelChoice::Builtin);
        }
        let looks_like_path = path.is_absolute()
            || name.starts_with(['.', '~'])
            || name.ends_with('/')
            || name.contains('\\');
        let parts: Vec<&str> = name.split('/').collect();
        let is_part = |part: &str| {
            !part.is_empty()
                && part.len() <= 96
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && !part.starts_with(['.', '-'])
                && !part.contains("..")
                && !part.contains("--")
        };
        if looks_like_path || parts.len() > 2 {
            return refuse(no_folder);
        }
        if !parts.iter().all(|part| is_part(part)) {
            return refuse("");
        }
        Ok(ModelChoice::Hub(name.to_owned()))
    }
}

/// Where the hub and its cache are.
#[derive(Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// The folder of the cache.
    pub cache: PathBuf,
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    /// The user's access token.
    pub token: Option<String>,
    /// Whether no socket may be opened.
    pub offline: bool,
    /// How long a connection may take and a transfer may stand still.
    pub patience: Duration,
}

impl std::fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubSettings")
            .field("cache", &self.cache)
            .field("endpoint", &self.endpoint)
            // A log is no place for a secret.
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("offline", &self.offline)
            .field("patience", &self.patience)
            .finish()
    }
}

impl HubSettings {
    /// Reads the variables that huggingface_hub reads: `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`,
    /// `HF_TOKEN_PATH`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HUB_DOWNLOAD_TIMEOUT` in seconds, and
    /// `XDG_CACHE_HOME` and `HOME` for the default place.
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> HubSettings {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let user = set("HOME").or_else(|| set("USERPROFILE"));
        // What no shell has expanded, such as a service's variables, may begin with `~`.
        let folder = |name: &str| {
            let path = PathBuf::from(set(name)?);
            match (path.strip_prefix("~"), &user) {
                (Ok(rest), Some(user)) => Some(Path::new(user).join(rest)),
                _ => Some(path),
            }
        };
        let home = folder("HF_HOME").unwrap_or_else(|| {
            let cache = folder("XDG_CACHE_HOME")
                .or_else(|| user.as_ref().map(|home| Path::new(home).join(".cache")));
            cache.unwrap_or_else(std::env::temp_dir).join("huggingface")
        });
        let text = |name: &str| set(name).map(|value| value.to_string_lossy().trim().to_owned());
        let token_path = folder("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = text("HF_TOKEN")
            .or_else(|| {
                read_text_bounded(&token_path, limits::SETTINGS)
                    .ok()
                    .map(|token| token.trim().to_owned())
            })
            .filter(|token| !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic()));
        let yes = |name: &str| {
            text(name).is_some_and(|value| {
                matches!(
                    value.to_ascii_uppercase().as_str(),
                    "1" | "ON" | "YES" | "TRUE"
                )
            })
        };
        HubSettings {
            cache: folder("HF_HUB_CACHE")
                .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
                .unwrap_or_else(|| home.join("hub")),
            endpoint: text("HF_ENDPOINT").map_or("https://huggingface.co".to_owned(), |endpoint| {
                endpoint.trim_end_matches('/').to_owned()
            }),
            token,
            offline: yes("HF_HUB_OFFLINE") || yes("TRANSFORMERS_OFFLINE"),
            patience: text("HF_HUB_DOWNLOAD_TIMEOUT")
                .and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok())
                .filter(|patience| !patience.is_zero())
                .unwrap_or(Duration::from_secs(10)),
        }
    }

    fn repo(&self, id: &str) -> hf_hub::CacheRepo {
        Cache::new(self.cache.clone()).repo(Repo::new(id.to_owned(), RepoType::Model))
    }

    /// The folder of a model in the cache.
    fn repo_folder(&self, id: &str) -> PathBuf {
        self.cache
            .join(Repo::new(id.to_owned(), RepoType::Model).folder_name())
    }
}

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

/// A model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedModel {
    /// Its id.
    pub id: String,
    /// The commit of its main branch, or of another that is whole.
    pub revision: String,
    /// Its files.
    pub folder: PathBuf,
    /// What they take.
    pub bytes: u64,
    /// The class that its configuration names.
    pub architecture: String,
}

/// A fine-tuned model in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedHead {
    /// Where it lies, and the class that its configuration names.
    pub model: CachedModel,
    /// What its head was trained to do, by that class.
    pub task: Task,
    /// Which family its encoder is of.
    pub family: Family,
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
    for file in chosen(id, &listing)? {
        client.download(file, &listing.sha, &folder, progress)?;
    }
    let path = settings.repo_folder(id).join("refs").join(revision);
    let is_known =
        read_text_bounded(&path, limits::REFERENCE).is_ok_and(|known| known.trim() == listing.sha);
    // A cache that has all there is may be one that cannot be written.
    if !is_commit(revision) && !is_known {
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, &listing.sha));
        written.map_err(|source| Error::Write { path, source })?;
    }
    Ok(Fetched {
        folder,
        revision: listing.sha,
        note: None,
    })
}

/// The models in the cache that have a configuration of ELECTRA, by id; without those that have been
/// fine-tuned, which are [`cached_heads`].
pub fn cached(settings: &HubSettings) -> Vec<CachedModel> {
    let all = in_cache(settings).into_iter();
    all.filter(|(model, kind)| kind == "electra" && Task::of_class(&model.architecture).is_none())
        .map(|(model, _)| model)
        .collect()
}

/// The fine-tuned models in the cache, by id: those whose configuration names a class with a head
/// that can be read.
pub fn cached_heads(settings: &HubSettings) -> Vec<CachedHead> {
    let head = |(model, _): (CachedModel, String)| {
        let (family, task) = Task::of_class(&model.architecture)?;
        Some(CachedHead {
            model,
            task,
            family,
        })
    };
    in_cache(settings).into_iter().filter_map(head).collect()
}

/// The models in the cache that are whole, by id, each with the `model_type` of its configuration.
fn in_cache(settings: &HubSettings) -> Vec<(CachedModel, String)> {
    let Ok(entries) = std::fs::read_dir(&settings.cache) else {
        return Vec::new();
    };
    let mut models: Vec<(CachedModel, String)> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let id = name.strip_prefix("models--")?.replace("--", "/");
            let any = || {
                let folder = settings.repo_folder(&id).join("snapshots");
                let mut commits: Vec<String> = std::fs::read_dir(folder)
                    .ok()?
                    .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                    .collect();
                commits.sort();
                commits
                    .iter()
                    .find_map(|commit| cached_snapshot(&id, commit, settings))
            };
            let found = cached_snapshot(&id, "main", settings).or_else(any)?;
            let config = read_bounded(&found.folder.join("config.json"), limits::CONFIG).ok()?;
            let config: serde_json::Value = serde_json::from_slice(&config).ok()?;
            let text = |at: &str| config.pointer(at).and_then(|value| value.as_str());
            // Some early checkpoints name their class alone.
            let kind = text("/model_type").unwrap_or_default();
            let architecture = text("/architectures/0").unwrap_or(kind);
            let model = CachedModel {
                id,
                revision: found.revision,
                bytes: bytes_in(&found.folder),
                folder: found.folder,
                architecture: architecture.to_owned(),
            };
            Some((model, kind.to_owned()))
        })
        .collect();
    models.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    models
}

/// What the files of a checkpoint take.
pub fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files
        .filter_map(|file| std::fs::metadata(file.ok()?.path()).ok())
        .filter(|data| data.is_file())
        .map(|data| data.len())
        .sum()
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
///
/// Those of reading it.
pub fn sha256(path: &Path) -> io::Result<String> {
    sha256_of(open_regular(path)?)
}

/// The SHA-256 of whatever `bytes` gives, in hexadecimal.
///
/// # Errors
///
/// Those of reading it.
pub fn sha256_of(bytes: impl Read) -> io::Result<String> {
    hash_of(bytes, Sha256::new())
}

/// Feeds bytes to `hash`; what it comes to, in hexadecimal.
fn hash_of(mut bytes: impl Read, mut hash: impl Digest) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match bytes.read(&mut buffer)? {
            0 => break,
            len => hash.update(&buffer[..len]),
        }
    }
    let hash = hash.finalize();
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether this may be a branch, tag or commit: as git has it, and no path out of `refs`.
fn is_revision(revision: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && !part.contains("..")
            && part.chars().all(is_letter)
    };
    revision.len() <= 200 && revision.split('/').all(is_part)
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The snapshot of `revision`, if the cache has all of it that is needed.
fn cached_snapshot(id: &str, revision: &str, settings: &HubSettings) -> Option<Fetched> {
    let commit = if is_commit(revision) {
        revision.to_owned()
    } else {
        let path = settings.repo_folder(id).join("refs").join(revision);
        read_text_bounded(&path, limits::REFERENCE)
            .ok()?
            .trim()
            .to_owned()
    };
    is_commit(&commit).then_some(())?;
    let folder = settings.repo(id).pointer_path(&commit);
    let has = |names: &[&str]| names.iter().any(|name| folder.join(name).is_file());
    let whole = has(&["config.json"]) && has(&TOKENIZERS) && has_weights(&folder);
    let adapter = has(&[adapter::CONFIG]) && has(&adapter::WEIGHTS);
    (whole || adapter).then_some(Fetched {
        folder,
        revision: commit,
        note: None,
    })
}

/// A tokenizer, by preference.
const TOKENIZERS: [&str; 2] = ["tokenizer.json", "vocab.txt"];

/// Weights, by preference.
const WEIGHTS: [&str; 5] = [
    "model.safetensors",
    INDEX,
    "pytorch_model.bin",
    "flax_model.msgpack",
    "tf_model.h5",
];

/// What says which tensor is in which of several files.
const INDEX: &str = "model.safetensors.index.json";

/// How many files the weights are in, if `name` is that of one of several.
fn shards(name: &str) -> Option<usize> {
    let name = name.strip_prefix("model-")?.strip_suffix(".safetensors")?;
    let (number, count) = name.split_once("-of-")?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(number) && is_number(count)).then_some(())?;
    count.parse().ok()
}

/// Whether `folder` has weights, all of them where they are in several files.
fn has_weights(folder: &Path) -> bool {
    let found = WEIGHTS.iter().find(|name| folder.join(name).is_file());
    if found != Some(&INDEX) {
        return found.is_some();
    }
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let counts: Vec<usize> = files
        .filter_map(|file| shards(file.ok()?.file_name().to_str()?))
        .collect();
    counts.first() == Some(&counts.len())
}

/// What else is wanted if it is there.
const EXTRAS: [&str; 3] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "README.md",
];

/// The hub's description of a repository.
#[derive(Debug, Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<RemoteFile>,
}

#[derive(Debug, Deserialize)]
struct RemoteFile {
    #[serde(rename = "rfilename")]
    name: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

impl RemoteFile {
    fn size(&self) -> Option<u64> {
        self.lfs.as_ref().and_then(|lfs| lfs.size).or(self.size)
    }

    /// What its contents must hash to, if the hub says so.
    fn checksum(&self) -> Option<Checksum<'_>> {
        let is_hash = |hash: &str, len| {
            hash.len() == len && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if let Some(lfs) = &self.lfs {
            let hash = lfs.sha256.as_deref().filter(|hash| is_hash(hash, 64))?;
            return Some(Checksum::Sha256(hash));
        }
        let hash = self.blob_id.as_deref().filter(|hash| is_hash(hash, 40))?;
        Some(Checksum::GitBlob(hash))
    }
}

/// What the hub announces of a file's contents; also the name of its blob in the cache.
#[derive(Clone, Copy, Debug)]
enum Checksum<'a> {
    /// Of a large file.
    Sha256(&'a str),
    /// Of a small one: the SHA-1 that git gives it, of `blob LENGTH` and the contents.
    GitBlob(&'a str),
}

impl<'a> Checksum<'a> {
    fn hash(self) -> &'a str {
        match self {
            Checksum::Sha256(hash) | Checksum::GitBlob(hash) => hash,
        }
    }

    /// What is wrong with the file at `path`, if anything is.
    fn complaint(self, path: &Path) -> io::Result<Option<String>> {
        let (name, found) = match self {
            Checksum::Sha256(_) => ("SHA-256", sha256(path)?),
            Checksum::GitBlob(_) => {
                let len = std::fs::metadata(path)?.len();
                let start = Sha1::new().chain_update(format!("blob {len}\0"));
                ("git hash", hash_of(File::open(path)?, start)?)
            }
        };
        let wanted = self.hash();
        let is_wrong = !found.eq_ignore_ascii_case(wanted);
        Ok(is_wrong.then(|| format!("its {name} is {found} instead of {wanted}")))
    }
}

/// The files of a checkpoint, out of all those in the repository.
fn chosen<'a>(id: &str, listing: &'a Listing) -> Result<Vec<&'a RemoteFile>, Error> {
    let find = |name: &str| listing.siblings.iter().find(|file| file.name == name);
    let first = |names: &[&str]| names.iter().find_map(|name| find(name));
    let missing = |wanted| {
        /// More names, or longer ones, would bury the message.
        const MOST: usize = 12;
        let mut names: Vec<String> = listing
            .siblings
            .iter()
            .map(|file| file.name.chars().take(64).collect())
            .collect();
        names.sort_unstable();
        let found = match names.len() {
            0 => "no files".to_owned(),
            n if n > MOST => format!("{} and {} more", names[..MOST].join(", "), n - MOST),
            _ => names.join(", "),
        };
        Error::Incomplete {
            id: id.to_owned(),
            wanted,
            found,
        }
    };
    // An adapter brings what is its own, and whatever else of a checkpoint lies there; the rest is its
    // base's.
    if let (Some(about), None) = (find(adapter::CONFIG), first(&WEIGHTS)) {
        let weights = first(&adapter::WEIGHTS)
            .ok_or_else(|| missing("adapter_model.safetensors or adapter_model.bin"))?;
        let others = [find("config.json"), first(&TOKENIZERS)]
            .into_iter()
            .flatten();
        let extras = EXTRAS.iter().filter_map(|name| find(name));
        return Ok([about, weights]
            .into_iter()
            .chain(others)
            .chain(extras)
            .collect());
    }
    let mut files = vec![find("config.json").ok_or_else(|| missing("config.json"))?];
    files.push(first(&TOKENIZERS).ok_or_else(|| missing("tokenizer.json or vocab.txt"))?);
    files.extend(EXTRAS.iter().filter_map(|name| find(name)));
    let weights = first(&WEIGHTS).ok_or_else(|| {
        missing("model.safetensors, pytorch_model.bin, flax_model.msgpack or tf_model.h5")
    })?;
    if weights.name == INDEX {
        let siblings = listing.siblings.iter();
        files.extend(siblings.filter(|file| shards(&file.name).is_some()));
    }
    files.push(weights);
    Ok(files)
}

/// Talks to the hub about one model.
struct Client<'a> {
    id: &'a str,
    revision: &'a str,
    settings: &'a HubSettings,
    agent: ureq::Agent,
}

/// Why a transfer has to be tried again.
enum Trouble {
    /// It can go on from where it is, after a pause.
    Interrupted {
        why: String,
        /// What the server asks for.
        pause: Option<Duration>,
    },
    /// What is there is not what was announced.
    Wrong(String),
    /// It is of no use to try again.
    Final(Error),
}

impl Trouble {
    fn interrupted(why: String) -> Trouble {
        Trouble::Interrupted { why, pause: None }
    }
}

impl<'a> Client<'a> {
    fn new(id: &'a str, revision: &'a str, settings: &'a HubSettings) -> Result<Client<'a>, Error> {
        let endpoint = &settings.endpoint;
        let address: Option<ureq::http::Uri> = endpoint.parse().ok();
        let address = address.filter(|address| {
            matches!(address.scheme_str(), Some("http" | "https")) && address.host().is_some()
        });
        let Some(host) = address.as_ref().and_then(|address| address.host()) else {
            return Err(Error::Endpoint {
                endpoint: endpoint.clone(),
            });
        };
        let patience = Some(settings.patience);
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // The token is for the hub; where files are really kept is another host's business.
            .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
            .timeout_connect(patience)
            .timeout_resolve(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .user_agent(concat!("electroscope/", env!("CARGO_PKG_VERSION")));
        if host == "localhost" || host.starts_with("127.") || host == "[::1]" {
            // A hub on this machine is on this side of any proxy.
            config = config.proxy(None);
        }
        Ok(Client {
            id,
            revision,
            settings,
            agent: config.build().into(),
        })
    }

    fn get(&self, url: &str, from: Option<u64>) -> Result<ureq::http::Response<ureq::Body>, Error> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.settings.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(from) = from {
            request = request.header("Range", format!("bytes={from}-"));
        }
        request.call().map_err(|err| Error::Network {
            id: self.id.to_owned(),
            endpoint: self.settings.endpoint.clone(),
            why: self.reason(&err),
        })
    }

    /// What went wrong with a connection, in words.
    fn reason(&self, err: &ureq::Error) -> String {
        match err {
            ureq::Error::Timeout(_) => format!(
                "nothing came for {} s",
                self.settings.patience.as_secs_f32()
            ),
            ureq::Error::HostNotFound => "no such host is known".to_owned(),
            ureq::Error::Io(err) => err.to_string(),
            err => err.to_string(),
        }
    }

    fn listing_url(&self) -> String {
        format!(
            "{}/api/models/{}/revision/{}?blobs=true",
            self.settings.endpoint,
            self.id,
            self.revision.replace('/', "%2F")
        )
    }

    fn listing(&self) -> Result<Listing, Error> {
        /// No repository of a model has a list of files that is longer.
        const LONGEST: u64 = 16 << 20;
        let url = self.listing_url();
        let mut tries = 0;
        let response = loop {
            let outcome = self.get(&url, None);
            tries += 1;
            let mut pause = Duration::from_millis(200) * tries;
            match outcome {
                Ok(response) if is_passing(response.status().as_u16()) && tries < 3 => {
                    pause = self.retry_after(&response).unwrap_or(pause);
                }
                Ok(response) => break response,
                Err(err) if tries >= 2 => return Err(err),
                Err(_) => {}
            }
            std::thread::sleep(pause);
        };
        self.check_status(&response, &url, None)?;
        let body = response
            .into_body()
            .into_with_config()
            .limit(LONGEST)
            .read_to_vec();
        let body = body.map_err(|err| match err {
            ureq::Error::BodyExceedsLimit(_) => Error::Answer {
                url: url.clone(),
                what: format!("with a list of files of more than {LONGEST} bytes, as no model has"),
            },
            err => Error::Network {
                id: self.id.to_owned(),
                endpoint: self.settings.endpoint.clone(),
                why: format!("the list of files breaks off: {}", self.reason(&err)),
            },
        })?;
        serde_json::from_slice(&body).map_err(|err| Error::Answer {
            url,
            what: format!("with something other than a list of files: {err}"),
        })
    }

    /// How long the server asks to be left alone, up to our patience.
    fn retry_after(&self, response: &ureq::http::Response<ureq::Body>) -> Option<Duration> {
        let seconds = response.headers().get("retry-after")?.to_str().ok()?;
        let wanted = Duration::from_secs(seconds.trim().parse().ok()?);
        Some(wanted.min(self.settings.patience))
    }

    /// Turns what the hub says of the list of files, or of `file`, into an error.
    fn check_status(
        &self,
        response: &ureq::http::Response<ureq::Body>,
        url: &str,
        file: Option<&str>,
    ) -> Result<(), Error> {
        let (id, endpoint) = (self.id.to_owned(), self.settings.endpoint.clone());
        let status = response.status().as_u16();
        let code = response.headers().get("x-error-code");
        let code = code.and_then(|code| code.to_str().ok()).unwrap_or_default();
        match status {
            200 | 206 => Ok(()),
            401 | 403 => {
                let hint = match (&self.settings.token, status) {
                    (Some(_), 401) => {
                        "the token in HF_TOKEN (or in the token file of HF_HOME) is not accepted; \
                         renew it, or take it away for a public model"
                    }
                    (Some(_), _) => {
                        "the token in HF_TOKEN (or in the token file of HF_HOME) may not read it; \
                         ask for access, or accept the licence, on the model's page"
                    }
                    (None, _) => {
                        "there is no such model, or it is private or gated; look at the spelling \
                         (no folder is called so either), or set HF_TOKEN to a token that may read it"
                    }
                };
                Err(Error::Denied {
                    id,
                    endpoint,
                    status,
                    hint,
                })
            }
            404 => {
                let (what, hint) = match file {
                    Some(file) => (
                        format!("{file} of {id}, although it lists it"),
                        "try again later",
                    ),
                    None if code == "RevisionNotFound" => (
                        format!("revision {} of {id}", self.revision),
                        "look at the spelling of --revision",
                    ),
                    None if code == "RepoNotFound" || self.revision == "main" => (
                        format!("model {id}"),
                        "look at the spelling; no folder is called so either",
                    ),
                    None => (
                        format!("model {id} with a revision {}", self.revision),
                        "look at the spelling of both; no folder is called so either",
                    ),
                };
                Err(Error::NotFound {
                    id,
                    endpoint,
                    what,
                    hint,
                })
            }
            status if is_passing(status) => Err(Error::Busy {
                id,
                endpoint,
                status,
            }),
            _ => Err(Error::Answer {
                url: url.to_owned(),
                what: format!("with status {status}"),
            }),
        }
    }

    /// Brings `file` of `commit` into the cache and links it into `folder`, the snapshot.
    fn download(
        &self,
        file: &RemoteFile,
        commit: &str,
        folder: &Path,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let link = folder.join(&file.name);
        if link.is_file() {
            return Ok(());
        }
        let write_error = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Write { path, source }
        };
        let Some(checksum) = file.checksum() else {
            let what = format!(
                "with a list of files that says nothing of the contents of {}",
                file.name
            );
            return Err(Error::Answer {
                url: self.listing_url(),
                what,
            });
        };
        let blob_name = checksum.hash();
        let repo_folder = self.settings.repo_folder(self.id);
        let blob = repo_folder.join("blobs").join(blob_name);
        let part = repo_folder
            .join("blobs")
            .join(format!("{blob_name}.incomplete"));
        let locks = self
            .settings
            .cache
            .join(".locks")
            .join(repo_folder.file_name().unwrap_or_default());
        let lock = locks.join(format!("{blob_name}.lock"));
        for path in [&repo_folder.join("blobs"), &locks, folder] {
            std::fs::create_dir_all(path).map_err(write_error(path))?;
        }
        // Two processes may want the same file; the second waits and finds it done.
        let held = File::create(&lock).map_err(write_error(&lock))?;
        loop {
            match held.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(err)) => {
                    // Some network drives have no locks. Two downloads at a time are rare, and what
                    // they would make of each other's part does not pass the check.
                    tracing::warn!(path = %lock.display(), %err, "going on without a lock");
                    break;
                }
            }
            // What the other one has done so far is progress too.
            let done = std::fs::metadata(&part).map_or(0, |data| data.len());
            let total = file.size().unwrap_or(0).max(done);
            let told = Progress {
                file: &file.name,
                done,
                total,
            };
            if progress(told).is_break() {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if !blob.is_file() {
            // At the commit, not at the branch, which may have moved on since it was listed.
            let url = format!(
                "{}/{}/resolve/{commit}/{}",
                self.settings.endpoint, self.id, file.name
            );
            self.transfer(file, checksum, &url, &part, progress)?;
            std::fs::rename(&part, &blob).map_err(write_error(&blob))?;
        }
        if !link.is_file() {
            // A link that points to nothing is in the way.
            let _ = std::fs::remove_file(&link);
            link_or_copy(&blob, &link).map_err(write_error(&link))?;
        }
        Ok(())
    }

    /// Fills `part` until it is `file`, going on where an earlier try ended.
    fn transfer(
        &self,
        file: &RemoteFile,
        checksum: Checksum<'_>,
        url: &str,
        part: &Path,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        /// Tries in a row that bring nothing new.
        const PATIENCE: u32 = 4;
        let here = || std::fs::metadata(part).map_or(0, |data| data.len());
        let (mut idle, mut wrong, mut most) = (0, 0, here());
        loop {
            let trouble = match self.try_transfer(file, checksum, url, part, progress) {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Final(err) => return Err(err),
                Trouble::Wrong(what) => {
                    std::fs::remove_file(part).map_err(|source| Error::Write {
                        path: part.to_owned(),
                        source,
                    })?;
                    wrong += 1;
                    if wrong == 2 {
                        return Err(Error::Damaged {
                            id: self.id.to_owned(),
                            file: file.name.clone(),
                            what,
                        });
                    }
                    most = 0;
                }
                Trouble::Interrupted { why, pause } => {
                    let done = here();
                    // Against the most there ever was, for a server that always begins at the
                    // start could break off for ever.
                    idle = if done > most { 0 } else { idle + 1 };
                    most = most.max(done);
                    if idle == PATIENCE {
                        return Err(Error::Interrupted {
                            id: self.id.to_owned(),
                            file: file.name.clone(),
                            done,
                            total: file.size().unwrap_or(done),
                            why,
                        });
                    }
                    tracing::warn!(file = file.name, %why, "the download broke off; going on");
                    let pause = pause.unwrap_or(Duration::from_millis(100 << idle));
                    std::thread::sleep(pause);
                }
            }
        }
    }

    fn try_transfer(
        &self,
        file: &RemoteFile,
        checksum: Checksum<'_>,
        url: &str,
        part: &Path,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), Trouble> {
        let write_error = |source| {
            Trouble::Final(Error::Write {
                path: part.to_owned(),
                source,
            })
        };
        let mut out = File::options()
            .create(true)
            .append(true)
            .open(part)
            .map_err(write_error)?;
        let mut done = out.metadata().map_err(write_error)?.len();
        let size = file.size();
        if size.is_some_and(|size| done > size) {
            // Whatever wrote this, it is not the beginning of the file.
            out.set_len(0).map_err(write_error)?;
            done = 0;
        }
        // Before the first byte too: whoever watches sees where it goes on, and may stop it.
        let mut tell = |done| match progress(Progress {
            file: &file.name,
            done,
            total: size.unwrap_or(0).max(done),
        }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Trouble::Final(Error::Cancelled)),
        };
        tell(done)?;
        if size != Some(done) {
            let from = (done > 0).then_some(done);
            let response = match self.get(url, from) {
                Ok(response) => response,
                Err(Error::Network { why, .. }) => return Err(Trouble::interrupted(why)),
                Err(err) => return Err(Trouble::Final(err)),
            };
            let status = response.status().as_u16();
            if status == 416 {
                return Err(Trouble::Wrong(format!(
                    "the server's file ends before byte {done}"
                )));
            }
            if is_passing(status) {
                return Err(Trouble::Interrupted {
                    why: format!("the server is busy (status {status})"),
                    pause: self.retry_after(&response),
                });
            }
            self.check_status(&response, url, Some(&file.name))
                .map_err(Trouble::Final)?;
            match first_byte(&response) {
                // What was asked for, or what stands for it in an answer that does not say.
                Some(first) if first == done => {}
                None if status == 206 => {}
                // The server sends it from the start, whatever was asked.
                None => {
                    out.set_len(0).map_err(write_error)?;
                    done = 0;
                }
                Some(first) => {
                    return Err(Trouble::Wrong(format!(
                        "the server sent it from byte {first} on instead of byte {done}"
                    )));
                }
            }
            let mut body = response.into_body().into_reader();
            let mut buffer = vec![0; 1 << 16];
            loop {
                let len = match body.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(len) => len,
                    Err(err) => return Err(Trouble::interrupted(self.reason(&err.into()))),
                };
                out.write_all(&buffer[..len]).map_err(write_error)?;
                done += len as u64;
                if let Some(size) = size.filter(|&size| done > size) {
                    return Err(Trouble::Wrong(format!(
                        "more than the announced {size} bytes came"
                    )));
                }
                tell(done)?;
            }
        }
        if let Some(size) = size.filter(|&size| done < size) {
            return Err(Trouble::interrupted(format!(
                "only {done} of {size} bytes came"
            )));
        }
        out.sync_all().map_err(write_error)?;
        match checksum.complaint(part).map_err(write_error)? {
            Some(what) => Err(Trouble::Wrong(what)),
            None => Ok(()),
        }
    }
}

/// The byte that a part of a file begins at, if the answer is a part and says so.
fn first_byte(response: &ureq::http::Response<ureq::Body>) -> Option<u64> {
    if response.status().as_u16() != 206 {
        return None;
    }
    let range = response.headers().get("content-range")?.to_str().ok()?;
    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    first.trim().parse().ok()
}

/// Whether a status may be another one in a moment.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504)
}

/// Links a blob into a snapshot by a relative link, as huggingface_hub does, or copies it where
/// links are not to be had.
fn link_or_copy(blob: &Path, link: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let (Some(name), Some(repo)) = (blob.file_name(), blob.parent().and_then(Path::parent))
        else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        // From snapshots/COMMIT/… back up to the repository's folder.
        let inside = link
            .strip_prefix(repo)
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        let depth = inside
            .components()
            .filter(|part| matches!(part, std::path::Component::Normal(_)))
            .count()
            - 1;
        let target: PathBuf = std::iter::repeat_n("..", depth)
            .collect::<PathBuf>()
            .join("blobs")
            .join(name);
        if std::os::unix::fs::symlink(target, link).is_ok() {
            return Ok(());
        }
    }
    // Under another name first: half a copy must not be taken for the file.
    let mut fresh = link.as_os_str().to_owned();
    fresh.push(".incomplete");
    std::fs::copy(blob, &fresh)?;
    std::fs::rename(fresh, link)
}
