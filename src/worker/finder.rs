//! Looks for documents in a folder, by the rules of `.gitignore`, on a thread of its own.
//!
//! What is found is told in pieces, so that a list can be filtered while it grows. A folder that
//! cannot be read is left out: whoever names it sees that nothing came.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Documents that were found in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The folder.
    pub root: PathBuf,
    /// Documents in it that have not been told yet, in order.
    pub paths: Vec<PathBuf>,
    /// Whether these were the last.
    pub is_last: bool,
}

/// The near end of the search; dropping it ends the search.
#[derive(Debug)]
pub struct Finder {
    stop: Arc<AtomicBool>,
}

/// Documents that are looked at in one folder at most.
const MOST: usize = 50_000;

/// Documents that are told at once.
const PIECE: usize = 500;

impl Finder {
    /// Looks for prose in `root`. `emit` is called on the thread, so it must only enqueue.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub fn spawn(
        root: PathBuf,
        emit: impl Fn(Found) + Send + Sync + 'static,
    ) -> std::io::Result<Finder> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let emit = Arc::new(emit);
        let failed = {
            let (emit, root) = (Arc::clone(&emit), root.clone());
            // The panic is in the log; what was found before it has been told.
            move |_| {
                emit(Found {
                    root,
                    paths: Vec::new(),
                    is_last: true,
                });
            }
        };
        let body = move || {
            let mut paths = Vec::new();
            let found = prose_files(&root).filter_map(Result::ok).take(MOST);
            for path in found {
                if asked.load(Ordering::Relaxed) {
                    return;
                }
                paths.push(path);
                if paths.len() == PIECE {
                    emit(Found {
                        root: root.clone(),
                        paths: std::mem::take(&mut paths),
                        is_last: false,
                    });
                }
            }
            emit(Found {
                root,
                paths,
                is_last: true,
            });
        };
        super::thread::spawn("finder", body, failed)?;
        Ok(Finder { stop })
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The files below `root` whose extension says that they hold prose, in order of their paths, as
/// `.gitignore` and its kin allow; an error has the path that could not be read, where it is known,
/// and why.
pub fn prose_files(root: &Path) -> impl Iterator<Item = Result<PathBuf, Unread>> + use<> {
    let mut walk = ignore::WalkBuilder::new(root);
    walk.sort_by_file_path(Path::cmp);
    // The rules of a repository hold in a copy of it that has no `.git` too.
    walk.require_git(false);
    walk.build().filter_map(|entry| match entry {
        Ok(entry) => {
            let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
            (is_file && electroscope_text::is_prose(entry.path())).then(|| {
                // What was found in the working folder is named as one would name it.
                let path = entry.into_path();
                Ok(path.strip_prefix("./").map(Path::to_owned).unwrap_or(path))
            })
        }
        Err(err) => Some(Err(unread(err))),
    })
}

/// What could not be read, where that is known, and why.
pub type Unread = (Option<PathBuf>, std::io::Error);

/// Takes the path and the cause out of an error of the walk, whose own message names the path twice.
fn unread(err: ignore::Error) -> Unread {
    match err {
        ignore::Error::WithPath { path, err } => (Some(path), unread(*err).1),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            unread(*err)
        }
        // It is wrapped with a message that names the path again; its kind is kept.
        ignore::Error::Io(err) if err.kind() != std::io::ErrorKind::Other => {
            (None, err.kind().into())
        }
        ignore::Error::Io(err) => (None, err),
        err => (None, std::io::Error::other(err)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn prose_is_found_in_order_and_ignored_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("docs")).unwrap();
        for name in ["b.md", "a.txt", "docs/c.rst", "code.rs", "draft.md"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        std::fs::write(root.join(".gitignore"), "draft.md\n").unwrap();
        let (send, receive) = mpsc::channel();
        let _finder = Finder::spawn(root.to_owned(), move |found| drop(send.send(found)));
        let found = receive.recv_timeout(Duration::from_secs(20)).unwrap();
        let wanted = ["a.txt", "b.md", "docs/c.rst"].map(|name| root.join(name));
        assert_eq!(found.paths, wanted);
        assert!(found.is_last);
    }

    #[test]
    fn many_documents_come_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..PIECE + 3 {
            std::fs::write(folder.path().join(format!("{n:05}.md")), "").unwrap();
        }
        let (send, receive) = mpsc::channel();
        let _finder = Finder::spawn(folder.path().to_owned(), move |found| {
            drop(send.send(found));
        });
        let pieces: Vec<(usize, bool)> = receive
            .iter()
            .map(|found| (found.paths.len(), found.is_last))
            .collect();
        assert_eq!(pieces, [(PIECE, false), (3, true)]);
    }

    #[test]
    fn a_folder_that_is_not_there_has_nothing() {
        let (send, receive) = mpsc::channel();
        let _finder = Finder::spawn("/nowhere/at/all".into(), move |found| {
            drop(send.send(found));
        });
        let found = receive.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!((found.paths.len(), found.is_last), (0, true));
    }
}
