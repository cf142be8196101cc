//! Files that survive a crash: written completely, and flushed to the disk, before they get their name.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use safetensors::SafeTensorError;

use super::Error;

/// Writes a file and waits until it is on the disk.
///
/// # Errors
///
/// [`Error::Write`], [`Error::NoSpace`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|source| full_or_failed(path, bytes.len(), source))
}

/// Writes a safetensors file and waits until it is on the disk.
///
/// # Errors
///
/// As [`write()`].
pub(crate) fn write_tensors(path: &Path, tensors: &HashMap<String, Tensor>) -> Result<(), Error> {
    let written = match safetensors::serialize_to_file(tensors, None, path) {
        Ok(()) => File::open(path).and_then(|file| file.sync_all()),
        // As it is, so that a full disk is told from other errors.
        Err(SafeTensorError::IoError(err)) => Err(err),
        Err(err) => Err(io::Error::other(err)),
    };
    let bytes = |tensor: &Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
    let needed = tensors.values().map(bytes).sum();
    written.map_err(|source| full_or_failed(path, needed, source))
}

/// The error for a file of `needed` bytes that could not be written.
pub(crate) fn full_or_failed(path: &Path, needed: usize, source: io::Error) -> Error {
    let is_full = matches!(
        source.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    );
    match is_full {
        true => Error::NoSpace {
            path: path.to_owned(),
            needed,
            source,
        },
        false => write_error(path, source),
    }
}

/// Replaces a file: whatever interrupts this, `path` holds the old content or the new.
///
/// # Errors
///
/// [`Error::Write`]; `path` is as it was.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = temporary_sibling(path);
    write(&temporary, bytes)?;
    rename(&temporary, path)
}

/// Replaces a folder by one that `fill` writes files into: whatever interrupts this, no folder at
/// `path` is incomplete. What an interrupted call left is removed first.
///
/// # Errors
///
/// [`Error::Write`], and those of `fill`.
pub(crate) fn replace_folder(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<(), Error> {
    let temporary = temporary_sibling(path);
    remove_folder(&temporary)?;
    create_folder(&temporary)?;
    fill(&temporary)?;
    sync_files(&temporary)?;
    remove_folder(path)?;
    rename(&temporary, path)
}

/// Creates a folder and those above it.
///
/// # Errors
///
/// [`Error::Write`].
pub(crate) fn create_folder(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|source| write_error(path, source))
}

/// Removes a folder and all that is in it, if it exists.
///
/// # Errors
///
/// [`Error::Write`].
pub(crate) fn remove_folder(path: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(write_error(path, source)),
        _ => Ok(()),
    }
}

/// Gives a file or a folder another name.
///
/// # Errors
///
/// [`Error::Write`].
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(|source| write_error(to, source))
}

/// Waits until the files of a folder are on the disk.
fn sync_files(folder: &Path) -> Result<(), Error> {
    let entries = std::fs::read_dir(folder).map_err(|source| write_error(folder, source))?;
    for entry in entries {
        let path = entry.map_err(|source| write_error(folder, source))?.path();
        if path.is_file() {
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(|source| write_error(&path, source))?;
        }
    }
    Ok(())
}

/// `path` with `.new` after its name.
fn temporary_sibling(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".new");
    path.with_file_name(name)
}

/// The error for a file that cannot be written.
pub(crate) fn write_error(path: &Path, source: io::Error) -> Error {
    Error::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_folder_holds_only_the_new_files() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        for (leftover, content) in [("state", "old"), ("state.new", "interrupted")] {
            let leftover = home.path().join(leftover);
            std::fs::create_dir(&leftover).unwrap();
            std::fs::write(leftover.join("leftover.txt"), content).unwrap();
        }
        replace_folder(&folder, |new| write(&new.join("a.txt"), b"new")).unwrap();
        let names: Vec<_> = (std::fs::read_dir(&folder).unwrap())
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["a.txt"]);
        assert!(!home.path().join("state.new").exists());
    }

    #[test]
    fn a_folder_that_cannot_be_filled_leaves_the_old_one() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("state");
        replace_folder(&folder, |new| write(&new.join("a.txt"), b"old")).unwrap();
        let failed = replace_folder(&folder, |_| Err(Error::Settings("no".to_owned())));
        assert!(failed.is_err());
        assert_eq!(std::fs::read(folder.join("a.txt")).unwrap(), b"old");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_with_the_file_and_its_length() {
        // Only written in place: tensors are written beside it first, and renamed.
        let said = write(Path::new("/dev/full"), b"abc")
            .unwrap_err()
            .to_string();
        assert!(
            said.starts_with("no space is left on the disk for /dev/full (3 bytes); "),
            "{said}"
        );
    }

    #[test]
    fn a_replaced_file_has_the_new_content() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("log.csv");
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
