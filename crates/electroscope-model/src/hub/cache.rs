//! The cache on disk, in the layout that all Hugging Face programs share.

use std::io;
use std::path::{Path, PathBuf};

use super::checksum::Checksum;
use super::client::HUB_WEIGHTS;
use super::{Fetched, HubSettings, shared_files};
use crate::bounded_read::{limits, read_bounded, read_text_bounded};
use crate::checkpoint::files;
use crate::family::Family;
use crate::task::Task;
use crate::text_file;

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
            let config = read_bounded(&found.folder.join(files::CONFIG), limits::CONFIG).ok()?;
            let config = text_file::without_byte_order_mark(&config);
            let config: serde_json::Value = serde_json::from_slice(config).ok()?;
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

/// Whether this may be a branch, tag or commit: as git has it, and no path out of `refs`.
pub(super) fn is_revision(revision: &str) -> bool {
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

pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The snapshot of `revision`, if the cache has all of it that is needed.
pub(super) fn cached_snapshot(id: &str, revision: &str, settings: &HubSettings) -> Option<Fetched> {
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
    let whole = has(&[files::CONFIG]) && has(&files::TOKENIZERS) && has_weights(&folder);
    let adapter = has(&[files::ADAPTER_CONFIG]) && has(&files::ADAPTER_WEIGHTS);
    (whole || adapter).then_some(Fetched {
        folder,
        revision: commit,
        note: None,
    })
}

/// Whether `folder` has weights, all of them where they are in several files.
fn has_weights(folder: &Path) -> bool {
    let found = HUB_WEIGHTS.iter().find(|name| folder.join(name).is_file());
    if found != Some(&files::SAFETENSORS_INDEX) {
        return found.is_some();
    }
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let counts: Vec<usize> = files
        .filter_map(|file| files::shard_count(file.ok()?.file_name().to_str()?))
        .collect();
    counts.first() == Some(&counts.len())
}

/// Links a blob into a snapshot by a relative link, as huggingface_hub does, or copies it where
/// links are not to be had.
pub(super) fn link_or_copy(blob: &Path, link: &Path) -> io::Result<()> {
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
    shared_files::copy(blob, link)
}

/// A file of a cached model, read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedFile {
    /// Its name.
    pub name: String,
    /// Where its contents are.
    pub path: PathBuf,
    /// What was found.
    pub state: FileState,
}

/// Whether a file of the cache is what was downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It has the hash that it is kept under.
    Sound,
    /// It has another one, or cannot be read.
    Damaged(String),
    /// It is a copy, and not kept under its hash.
    Unknown,
}

/// Reads all files of a cached model and compares each with the hash that the cache keeps it under;
/// none if the model is not in the cache.
pub fn verify(id: &str, revision: &str, settings: &HubSettings) -> Option<Vec<VerifiedFile>> {
    let folder = cached_snapshot(id, revision, settings)?.folder;
    let entries = std::fs::read_dir(folder).ok()?;
    let mut files: Vec<VerifiedFile> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let link = entry.path();
            let path = std::fs::canonicalize(&link).unwrap_or_else(|_| link.clone());
            let hash = std::fs::read_link(&link).ok();
            let hash = hash.as_deref().and_then(Path::file_name);
            let hash = hash.and_then(|hash| hash.to_str()).unwrap_or_default();
            let state = match Checksum::of_blob(hash).map(|checksum| checksum.complaint(&link)) {
                None => FileState::Unknown,
                Some(Ok(None)) => FileState::Sound,
                Some(Ok(Some(complaint))) => FileState::Damaged(complaint),
                Some(Err(err)) => FileState::Damaged(format!("it cannot be read: {err}")),
            };
            Some(VerifiedFile {
                name: entry.file_name().to_string_lossy().into_owned(),
                path,
                state,
            })
        })
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Some(files)
}
