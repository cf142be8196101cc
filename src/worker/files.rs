//! Watches the open files and says what they hold now.
//!
//! What the system tells of a file is a hint and never a fact: editors write in place, truncate
//! first, rename a new file over the old one, or delete and create. So the folders are watched; a
//! hint starts a wait for quiet; then the file is read again and its text compared with what was
//! last reported. Only a difference is an event. Where the system does not tell, the file is looked
//! at every so often, and that is said. All of it happens on one thread of its own, under a
//! supervisor that replaces it when a file does not answer; nothing here changes a file.

mod folders;
mod quiet;
mod reading;
mod supervisor;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use electroscope_text::{Document, Language};

use folders::{Anchor, Folders, MakeWatcher, ReadMounts};
use quiet::{Debounce, Pace};
use reading::{Found, Glance, Seen};
use supervisor::{Ledger, Pulse, Supervisor, WatchOrder};

use super::thread::{self, Worker};

/// How changes are noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watching {
    /// The system tells.
    Native,
    /// The file is looked at every so often, for the reason given. The system may tell as well.
    Polling(String),
}

/// What became of a watched file. Paths are spelled as they were given to [`Files::watch`].
#[derive(Clone, Debug, PartialEq)]
pub enum FileEvent {
    /// Its text differs from what was last reported; or it can be read again after it could not, be
    /// its text the same or not.
    Changed(Document),
    /// It is gone, or its folder is. Its last text stays on screen. Said once, until it is back.
    Vanished(PathBuf),
    /// It is there but cannot be read as text. Said once for each reason.
    Unreadable(PathBuf, String),
    /// How this file is watched from now on.
    Watching(PathBuf, Watching),
}

/// The near end of the thread. Dropping it ends the thread after the part of a file that it is reading,
/// and waits a moment for that.
pub struct Files {
    orders: Sender<WatchOrder>,
    /// Set before the last message, so that the thread need not come to it to know.
    ending: Arc<AtomicBool>,
    supervisor: Worker,
}

impl Files {
    /// Starts the thread. `emit` is called on it, so it must only enqueue.
    ///
    /// # Errors
    ///
    /// Those of starting a thread. That the system cannot tell of changes is none: the files are
    /// polled then.
    pub fn spawn(emit: impl Fn(FileEvent) + Send + 'static) -> io::Result<Files> {
        Files::spawn_on(Host::real(), emit)
    }

    fn spawn_on(host: Host, emit: impl Fn(FileEvent) + Send + 'static) -> io::Result<Files> {
        let (orders, inbox) = mpsc::channel();
        let ending = Arc::new(AtomicBool::new(false));
        let pace = host.pace;
        let mut first = Some(host);
        let host = Box::new(move || {
            first.take().unwrap_or_else(|| Host {
                pace,
                ..Host::real()
            })
        });
        let supervisor =
            Supervisor::new(orders.clone(), Arc::clone(&ending), host, pace.stall, emit)?;
        let supervisor = thread::spawn(
            "files-supervisor",
            move || supervisor.run(&inbox),
            // The panic is in the log; what is on the screen stays.
            |_| {},
        )?;
        Ok(Files {
            orders,
            ending,
            supervisor,
        })
    }

    /// Watches a file from now on, whether it exists yet or not. Its first events say how it is
    /// watched and, unless `known` is its text, what it holds. `known` is the text that the caller
    /// has read already; a change since then is not lost. Watching a file again starts afresh.
    pub fn watch(&self, path: PathBuf, language: Language, known: Option<Arc<str>>) {
        self.send(Message::Watch {
            path,
            language,
            known,
        });
    }

    /// Watches a file no longer. Events that are under way may still come.
    pub fn forget(&self, path: &Path) {
        self.send(Message::Forget(path.to_owned()));
    }

    fn send(&self, message: Message) {
        // A closed channel means that the supervisor panicked, which is in the log.
        let _ = self.orders.send(WatchOrder::Message(message));
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        let _ = self.orders.send(WatchOrder::End);
        self.supervisor.wait_a_moment();
    }
}

/// What the thread needs of the system. Tests put in other things.
struct Host {
    make: Box<MakeWatcher>,
    mounts: Box<ReadMounts>,
    load: Box<Load>,
    pace: Pace,
}

/// Reads a file that was of the given length a moment ago. Between its parts the third is asked whether
/// to go on.
type Load = dyn Fn(&Path, u64, &dyn Fn() -> bool) -> io::Result<Vec<u8>> + Send;

impl Host {
    fn real() -> Host {
        Host {
            make: Box::new(|hints| {
                let hook = move |event| hints.send(event);
                Ok(Box::new(notify::recommended_watcher(hook)?))
            }),
            // Only Linux has it; without one, no file system is known to be patchy.
            mounts: Box::new(|| std::fs::read("/proc/self/mountinfo").unwrap_or_default()),
            load: Box::new(reading::load),
            pace: Pace::USUAL,
        }
    }
}

/// What the thread is told.
enum Message {
    Watch {
        path: PathBuf,
        language: Language,
        known: Option<Arc<str>>,
    },
    Forget(PathBuf),
    Hint(notify::Result<notify::Event>),
    /// Only wakes the thread, which then sees that it is to end.
    End,
}

/// Where the watcher's own thread puts what the system tells it.
#[derive(Clone)]
struct Hints(Sender<Message>);

impl Hints {
    fn send(&self, event: notify::Result<notify::Event>) {
        if folders::is_hint(&event) {
            // After the thread's end there is nobody to tell.
            let _ = self.0.send(Message::Hint(event));
        }
    }
}

/// What the reader believes about a file.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Nothing,
    Text(Arc<str>),
    Gone,
    Unreadable(String),
}

impl Told {
    /// Whether this find would be news.
    fn differs(&self, found: &Found) -> bool {
        match (self, found) {
            (Told::Text(text), Found::Text(document)) => *text != document.text,
            (Told::Gone, Found::Gone) => false,
            (Told::Unreadable(before), Found::Unreadable(now)) => before != now,
            _ => true,
        }
    }

    /// Whether this find may be half a save, for to others a file that is being saved is truncated,
    /// gone, empty, or cut within a character. It has to last before it is believed, but for the
    /// first look, which answers at once.
    fn doubts(&self, found: &Found) -> bool {
        let is_whole = matches!(found, Found::Text(document) if !document.text.is_empty());
        *self != Told::Nothing && self.differs(found) && !is_whole
    }
}

/// A watched file.
struct Watched {
    /// Where it is, should the working folder change.
    path: PathBuf,
    language: Language,
    told: Told,
    seen: Seen,
    debounce: Debounce,
    /// The look that is due was asked for by a sweep, and by nobody else.
    swept: bool,
    anchors: Vec<Anchor>,
    watching: Option<Watching>,
}

impl Watched {
    /// Something may have happened to it.
    fn hint(&mut self, now: Instant) {
        self.debounce.hint(now);
        self.swept = false;
    }

    fn is_polled(&self) -> bool {
        matches!(self.watching, Some(Watching::Polling(_)))
    }
}

/// The thread's own: what is watched, and when to look again.
struct Lookout<E> {
    pace: Pace,
    folders: Folders,
    /// By the path as it was given.
    files: BTreeMap<PathBuf, Watched>,
    next_poll: Instant,
    next_sweep: Instant,
    load: Box<Load>,
    /// Which of the threads this is.
    number: u64,
    supervisor: Sender<WatchOrder>,
    pulse: Arc<Pulse>,
    ending: Arc<AtomicBool>,
    ledger: Arc<Mutex<Ledger<E>>>,
}

impl<E: Fn(FileEvent)> Lookout<E> {
    fn new(
        host: Host,
        hints: Sender<Message>,
        number: u64,
        supervisor: Sender<WatchOrder>,
        pulse: Arc<Pulse>,
        ending: Arc<AtomicBool>,
        ledger: Arc<Mutex<Ledger<E>>>,
    ) -> Lookout<E> {
        let now = Instant::now();
        let hints = Hints(hints);
        Lookout {
            pace: host.pace,
            folders: Folders::new(host.make, host.mounts, hints, host.pace.poll),
            files: BTreeMap::new(),
            next_poll: now + host.pace.poll,
            next_sweep: now + host.pace.sweep,
            load: host.load,
            number,
            supervisor,
            pulse,
            ending,
            ledger,
        }
    }

    fn run(mut self, inbox: &Receiver<Message>) {
        /// Messages taken in one go; then it is seen to what is due, however many are left.
        const AT_ONCE: usize = 1000;
        while !self.is_ending() {
            let first = match self.due() {
                None => match inbox.recv() {
                    Ok(message) => Some(message),
                    Err(_) => return,
                },
                Some(due) => {
                    match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                        Ok(message) => Some(message),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            let _ = self.supervisor.send(WatchOrder::Begun(self.number));
            for message in first.into_iter().chain(inbox.try_iter().take(AT_ONCE)) {
                if self.is_ending() {
                    return;
                }
                self.hear(message);
            }
            self.work();
            self.pulse.rest();
            let _ = self.supervisor.send(WatchOrder::Rested(self.number));
        }
    }

    /// Has the supervisor know that a call about these files begins. If this thread was given up because
    /// the call before took too long, the other files are somebody else's now.
    fn call(&mut self, files: &[PathBuf]) {
        let Some((left, reason)) = self.pulse.call(files.to_vec()) else {
            return;
        };
        let others = self.files.keys().filter(|path| !left.contains(path));
        for path in others.cloned().collect::<Vec<_>>() {
            self.forget(&path);
        }
        for file in self.files.values_mut() {
            file.told = Told::Unreadable(reason.clone());
        }
    }

    fn emit(&self, event: FileEvent) {
        self.pulse.rest();
        supervisor::lock(&self.ledger).emit(event);
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// When there is something to do, if nothing is heard before.
    fn due(&self) -> Option<Instant> {
        let looks = self
            .files
            .values()
            .filter_map(|file| file.debounce.due(&self.pace));
        let poll = self.files.values().any(Watched::is_polled);
        let sweep = !self.files.is_empty();
        looks
            .chain(poll.then_some(self.next_poll))
            .chain(sweep.then_some(self.next_sweep))
            .min()
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Watch {
                path,
                language,
                known,
            } => {
                self.forget(&path);
                let file = Watched {
                    // Fails for an empty path, and where there is no working folder; reading it
                    // will say so.
                    path: std::path::absolute(&path).unwrap_or_else(|_| path.clone()),
                    language,
                    told: known.map_or(Told::Nothing, Told::Text),
                    seen: Seen::default(),
                    debounce: Debounce::default(),
                    swept: false,
                    anchors: Vec::new(),
                    watching: None,
                };
                self.files.insert(path.clone(), file);
                self.look(&path);
            }
            Message::Forget(path) => self.forget(&path),
            Message::Hint(event) => {
                let now = Instant::now();
                match self.folders.concerned(&event) {
                    Some(paths) => self.hint(&paths, now),
                    None => {
                        for file in self.files.values_mut() {
                            file.hint(now);
                        }
                    }
                }
            }
            Message::End => {}
        }
    }

    fn hint(&mut self, paths: &[PathBuf], now: Instant) {
        for path in paths {
            if let Some(file) = self.files.get_mut(path) {
                file.hint(now);
            }
        }
    }

    fn forget(&mut self, path: &Path) {
        if let Some(file) = self.files.remove(path) {
            self.folders.release(path, &file.anchors);
        }
    }

    /// Does all that is due.
    fn work(&mut self) {
        let now = Instant::now();
        if now >= self.next_sweep {
            self.sweep(now);
            self.next_sweep = Instant::now() + self.pace.sweep;
        }
        if now >= self.next_poll {
            self.poll(now);
            self.next_poll = Instant::now() + self.pace.poll;
        }
        // In the order of their hints, so that what happened first is reported first.
        while let Some(path) = self.first_due(now)
            && !self.is_ending()
        {
            self.look(&path);
        }
    }

    fn first_due(&self, now: Instant) -> Option<PathBuf> {
        self.files
            .iter()
            .filter_map(|(path, file)| Some((file.debounce.due(&self.pace)?, path)))
            .filter(|&(due, _)| due <= now)
            .min()
            .map(|(_, path)| path.clone())
    }

    /// Glances at the files that nobody tells about, and tries whether somebody does now.
    fn poll(&mut self, now: Instant) {
        let polled: Vec<PathBuf> = self
            .files
            .iter()
            .filter(|(_, file)| file.is_polled())
            .map(|(path, _)| path.clone())
            .collect();
        for path in polled {
            if self.is_ending() {
                return;
            }
            self.call(std::slice::from_ref(&path));
            let changed = self.anchor(&path);
            let Some(file) = self.files.get_mut(&path) else {
                continue;
            };
            // A look is to come anyway.
            if file.debounce.due(&self.pace).is_some() {
                continue;
            }
            if changed || file.seen.glance(&file.path) != Glance::Same {
                file.hint(now);
            }
        }
    }

    /// Glances at the files that the system tells about, in case it did not.
    fn sweep(&mut self, now: Instant) {
        self.folders.check_watcher();
        for (folder, files) in self.folders.list() {
            if self.is_ending() {
                return;
            }
            self.call(&files);
            if self.folders.is_displaced(&folder) {
                self.hint(&files, now);
            }
        }
        for path in self.files.keys().cloned().collect::<Vec<_>>() {
            if self.is_ending() {
                return;
            }
            self.call(std::slice::from_ref(&path));
            let Some(file) = self.files.get_mut(&path) else {
                continue;
            };
            if file.is_polled() || file.debounce.due(&self.pace).is_some() {
                continue;
            }
            if file.seen.glance(&file.path) != Glance::Same {
                file.hint(now);
                file.swept = true;
            }
        }
    }

    /// Sees to it that changes of a file are told, and says how if that is new. Gives whether it is.
    fn anchor(&mut self, path: &Path) -> bool {
        let Some(file) = self.files.get_mut(path) else {
            return false;
        };
        let places = folders::places(&file.path);
        let (anchors, told) = self.folders.anchor(path, places, &file.anchors);
        file.anchors = anchors;
        let watching = match told {
            Ok(()) => Watching::Native,
            Err(reason) => Watching::Polling(reason),
        };
        if file.watching.as_ref() == Some(&watching) {
            return false;
        }
        file.watching = Some(watching.clone());
        self.emit(FileEvent::Watching(path.to_owned(), watching));
        true
    }

    /// Reads a file and reports what is new. The watch is set up before the file is read: a change
    /// that comes after the reading is told, and one that came before it is read.
    fn look(&mut self, path: &Path) {
        let only = [path.to_owned()];
        self.call(&only);
        self.anchor(path);
        self.call(&only);
        let Some(file) = self.files.get_mut(path) else {
            return;
        };
        let at = &file.path;
        let go_on = || {
            self.pulse.go_on();
            !self.ending.load(Ordering::Relaxed)
        };
        let (found, is_steady) = file
            .seen
            .read(at, path, file.language, |len| (self.load)(at, len, &go_on));
        if self.is_ending() {
            return;
        }
        self.call(&only);
        let Some(file) = self.files.get_mut(path) else {
            return;
        };
        let now = Instant::now();
        if !file.debounce.is_spent(now, &self.pace) {
            if !is_steady {
                file.debounce.hint(now);
                return;
            }
            if file.told.doubts(&found) {
                file.debounce.hold(now);
                return;
            }
        }
        file.debounce.settle();
        let swept = std::mem::take(&mut file.swept);
        if !file.told.differs(&found) {
            return;
        }
        let (told, event) = match found {
            Found::Text(document) => (
                Told::Text(Arc::clone(&document.text)),
                FileEvent::Changed(document),
            ),
            Found::Gone => (Told::Gone, FileEvent::Vanished(path.to_owned())),
            Found::Unreadable(reason) => (
                Told::Unreadable(reason.clone()),
                FileEvent::Unreadable(path.to_owned(), reason),
            ),
        };
        file.told = told;
        let anchors = file.anchors.clone();
        self.emit(event);
        if swept {
            // The system should have told of this, so its watch may be dead.
            let others = self.folders.distrust(&anchors);
            self.hint(&others, now);
        }
    }
}

#[cfg(test)]
mod tests;
