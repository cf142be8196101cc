//! The lock on the output folder of a training, so that no two trainings write into one.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::{Error, durable_files};

/// The name of the file that is locked. It has the id of the process that holds the lock.
const LOCK: &str = "lock";

/// Holds the lock until it is dropped. The system lets go of it however the process ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `out` by a file in `states`, its folder of saved states, which is created.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if another training holds it; [`Error::Write`].
    pub(crate) fn take(out: &Path, states: &Path) -> Result<FolderLock, Error> {
        durable_files::create_folder(states)?;
        let path = states.join(LOCK);
        let failed = |source| durable_files::write_error(&path, source);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(out, &mut file)),
            Err(TryLockError::Error(err)) => {
                // Some network drives have no locks.
                tracing::warn!(path = %path.display(), %err, "going on without a lock");
            }
        }
        // Only for the message that another process gives.
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        Ok(FolderLock { _file: file })
    }
}

fn in_use(out: &Path, file: &mut File) -> Error {
    let mut text = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(20).read_to_string(&mut text));
    Error::InUse {
        path: PathBuf::from(out),
        process: read.ok().and_then(|_| text.trim().parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_until_its_lock_is_dropped() {
        let home = tempfile::tempdir().unwrap();
        let (out, states) = (home.path(), home.path().join("states"));
        let lock = FolderLock::take(out, &states).unwrap();
        let refused = FolderLock::take(out, &states).unwrap_err();
        let Error::InUse { path, process } = &refused else {
            panic!("{refused}");
        };
        assert_eq!(path, out);
        // Windows lets nobody read a locked file.
        if cfg!(unix) {
            assert_eq!(*process, Some(std::process::id()));
        }
        drop(lock);
        FolderLock::take(out, &states).unwrap();
    }
}
