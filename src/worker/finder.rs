//! Looks for documents in a folder, by the rules of `.gitignore`, on a thread of its own.
//!
//! What is found is told in pieces, so that a list can be filtered while it grows. A folder that
//! cannot be read is left out: whoever names it sees that nothing came. A folder whose documents are
//! open is looked through again every so often, for the system's events would need a watch on every
//! folder below it, and do not exist on every file system.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    stop: Arc<Stop>,
}

/// Documents that are looked at in one folder at most.
const MOST: usize = 50_000;

/// How long after a look at a folder the next one comes, at least.
const AGAIN: Duration = Duration::from_secs(2);

/// How many times as long as a look takes it is to the next one, at least.
const IDLE_SHARE: u32 = 20;

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
        Finder::spawn_walks(root, None, emit)
    }

    /// The same, and then looks again every so often until it is dropped, and tells what is new.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub fn spawn_following(
        root: PathBuf,
        emit: impl Fn(Found) + Send + Sync + 'static,
    ) -> std::io::Result<Finder> {
        Finder::spawn_walks(root, Some(AGAIN), emit)
    }

    fn spawn_walks(
        root: PathBuf,
        again: Option<Duration>,
        emit: impl Fn(Found) + Send + Sync + 'static,
    ) -> std::io::Result<Finder> {
        let stop = Arc::new(Stop::default());
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
            let mut known = HashSet::new();
            let mut begun = Instant::now();
            if walk(&root, &asked, &mut known, true, &*emit).is_break() {
                return;
            }
            let Some(again) = again else { return };
            loop {
                // Of a folder that takes long, a small share of the time at most.
                let pause = again.max(begun.elapsed() * IDLE_SHARE);
                if asked.wait(pause) {
                    return;
                }
                begun = Instant::now();
                if walk(&root, &asked, &mut known, false, &*emit).is_break() {
                    return;
                }
            }
        };
        super::thread::spawn("finder", body, failed)?;
        Ok(Finder { stop })
    }
}

/// Tells of the documents in `root` that are not known yet. The last piece is told even if it is empty,
/// if it is the first walk.
fn walk(
    root: &Path,
    stop: &Stop,
    known: &mut HashSet<PathBuf>,
    is_first: bool,
    emit: &impl Fn(Found),
) -> ControlFlow<()> {
    let mut paths = Vec::new();
    let found = prose_files(root).filter_map(Result::ok).take(MOST);
    for path in found {
        if stop.is_asked() {
            return ControlFlow::Break(());
        }
        if !known.insert(path.clone()) {
            continue;
        }
        paths.push(path);
        if paths.len() == PIECE {
            emit(Found {
                root: root.to_owned(),
                paths: std::mem::take(&mut paths),
                is_last: false,
            });
        }
    }
    if is_first || !paths.is_empty() {
        emit(Found {
            root: root.to_owned(),
            paths,
            is_last: true,
        });
    }
    ControlFlow::Continue(())
}

/// Whether the thread is to end.
#[derive(Debug, Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn ask(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    fn is_asked(&self) -> bool {
        *self.lock()
    }

    /// Waits for `pause`, or until it is asked; says whether it is.
    fn wait(&self, pause: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), pause, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        self.stop.ask();
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
    fn a_document_that_is_made_later_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old.md"), "").unwrap();
        let (send, receive) = mpsc::channel();
        let again = Some(Duration::from_millis(1));
        let finder = Finder::spawn_walks(folder.path().to_owned(), again, move |found| {
            drop(send.send(found));
        })
        .unwrap();
        let next = || receive.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(next().paths, [folder.path().join("old.md")]);
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/new.md"), "").unwrap();
        assert_eq!(next().paths, [folder.path().join("sub/new.md")]);
        drop(finder);
        // The thread has ended once its callback is gone, and it has told nothing more.
        assert!(receive.iter().next().is_none());
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
