//! Sees to it that one file whose file system does not answer costs the others nothing.
//!
//! A call about a file may take for ever: a network file system that hangs, a file of `/proc` that
//! waits. Such a call cannot be called off, so the thread that made it is left to it, together with
//! that one file, and another thread takes the other files over. Should the call return, the thread
//! goes on with its file, so that its text is shown after all. A thread that panics is replaced in the
//! same way, without the file that it panicked at.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use electroscope_text::Language;

use super::{FileEvent, Host, Lookout, Message};
use crate::worker::thread::{self, Worker};

/// What the supervisor is told.
pub(super) enum WatchOrder {
    /// By the near end: passed on to whoever has the file.
    Message(Message),
    /// By the thread of this number: it begins to deal with files.
    Begun(u64),
    /// By the thread of this number: it waits for something to do.
    Rested(u64),
    /// By the thread of this number: it panicked, saying this.
    Panicked(u64, String),
    /// By the near end: all threads are to end.
    End,
}

/// What a thread is doing, for the supervisor to see how long.
#[derive(Default)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Default)]
struct State {
    /// The files that the call in hand is about, and when it began.
    call: Option<(Vec<PathBuf>, Instant)>,
    /// The only files that the thread still has, and what was told of them, once it was given up.
    left: Option<(Vec<PathBuf>, String)>,
}

impl Pulse {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call about these files begins. If the thread was given up meanwhile: the only files that it
    /// still has, and what was told of them. That is said once.
    pub(super) fn call(&self, files: Vec<PathBuf>) -> Option<(Vec<PathBuf>, String)> {
        let mut state = self.lock();
        state.call = Some((files, Instant::now()));
        state.left.take()
    }

    /// The call goes on: it has read something.
    pub(super) fn go_on(&self) {
        if let Some((_, since)) = &mut self.lock().call {
            *since = Instant::now();
        }
    }

    /// No call is in hand.
    pub(super) fn rest(&self) {
        self.lock().call = None;
    }
}

/// Where events go, and what is known of each file.
pub(super) struct Ledger<E> {
    emit: E,
    files: BTreeMap<PathBuf, Known>,
}

struct Known {
    language: Language,
    /// Its text as it was last told.
    text: Option<Arc<str>>,
}

impl<E: Fn(FileEvent)> Ledger<E> {
    pub(super) fn emit(&mut self, event: FileEvent) {
        if let FileEvent::Changed(document) = &event
            && let Some(known) = self.files.get_mut(&document.path)
        {
            known.text = Some(Arc::clone(&document.text));
        }
        (self.emit)(event);
    }
}

/// Locks what threads share; one that panicked has left nothing half done in it.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that looks after files.
struct Hand {
    number: u64,
    messages: Sender<Message>,
    pulse: Arc<Pulse>,
    worker: Worker,
}

/// The supervisor's own.
pub(super) struct Supervisor<E> {
    orders: Sender<WatchOrder>,
    ending: Arc<AtomicBool>,
    ledger: Arc<Mutex<Ledger<E>>>,
    /// What the next thread needs of the system.
    host: Box<dyn FnMut() -> Host + Send>,
    /// How long a call may take.
    stall: Duration,
    hand: Option<Hand>,
    /// Threads that were given up, with the files that they still have.
    given_up: Vec<(Vec<PathBuf>, Hand)>,
    hands: u64,
}

impl<E: Fn(FileEvent) + Send + 'static> Supervisor<E> {
    /// # Errors
    ///
    /// Those of starting the first thread.
    pub(super) fn new(
        orders: Sender<WatchOrder>,
        ending: Arc<AtomicBool>,
        host: Box<dyn FnMut() -> Host + Send>,
        stall: Duration,
        emit: E,
    ) -> io::Result<Supervisor<E>> {
        let ledger = Ledger {
            emit,
            files: BTreeMap::new(),
        };
        let mut supervisor = Supervisor {
            orders,
            ending,
            ledger: Arc::new(Mutex::new(ledger)),
            host,
            stall,
            hand: None,
            given_up: Vec::new(),
            hands: 0,
        };
        supervisor.hand = Some(supervisor.hire()?);
        Ok(supervisor)
    }

    fn hire(&mut self) -> io::Result<Hand> {
        self.hands += 1;
        let number = self.hands;
        let (messages, inbox) = mpsc::channel();
        let pulse = Arc::new(Pulse::default());
        let host = (self.host)();
        let body = {
            let (hints, pulse) = (messages.clone(), Arc::clone(&pulse));
            let (orders, ending) = (self.orders.clone(), Arc::clone(&self.ending));
            let ledger = Arc::clone(&self.ledger);
            move || Lookout::new(host, hints, number, orders, pulse, ending, ledger).run(&inbox)
        };
        let orders = self.orders.clone();
        let failed = move |reason| drop(orders.send(WatchOrder::Panicked(number, reason)));
        let worker = thread::spawn("files", body, failed)?;
        Ok(Hand {
            number,
            messages,
            pulse,
            worker,
        })
    }

    pub(super) fn run(mut self, inbox: &Receiver<WatchOrder>) {
        let mut is_busy = false;
        loop {
            let order = match self.patience().filter(|_| is_busy) {
                None => inbox.recv().ok(),
                Some(patience) => match inbox.recv_timeout(patience) {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => {
                        is_busy = !self.give_up_if_stalled();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => None,
                },
            };
            let current = self.hand.as_ref().map(|hand| hand.number);
            match order {
                None | Some(WatchOrder::End) => return self.end(),
                Some(WatchOrder::Message(message)) => self.pass_on(message),
                Some(WatchOrder::Begun(number)) if current == Some(number) => is_busy = true,
                Some(WatchOrder::Rested(number)) if current == Some(number) => is_busy = false,
                Some(WatchOrder::Panicked(number, reason)) if current == Some(number) => {
                    let pulse = self.hand.as_ref().map(|hand| Arc::clone(&hand.pulse));
                    let call = pulse.and_then(|pulse| pulse.lock().call.take());
                    let files = call.map_or_else(Vec::new, |(files, _)| files);
                    self.tell(&files, &reason);
                    self.replace(files);
                    is_busy = false;
                }
                Some(WatchOrder::Begun(_) | WatchOrder::Rested(_) | WatchOrder::Panicked(..)) => {}
            }
        }
    }

    /// How long until the call in hand has taken too long.
    fn patience(&self) -> Option<Duration> {
        let state = self.hand.as_ref()?.pulse.lock();
        let spent = state.call.as_ref().map(|(_, since)| since.elapsed());
        let left = self.stall.saturating_sub(spent.unwrap_or_default());
        Some(left.max(Duration::from_millis(1)))
    }

    /// Gives the thread up if its call has taken too long; says whether it did.
    fn give_up_if_stalled(&mut self) -> bool {
        let Some(hand) = &self.hand else {
            return false;
        };
        let pulse = Arc::clone(&hand.pulse);
        let mut state = pulse.lock();
        let Some((files, since)) = &state.call else {
            return false;
        };
        if since.elapsed() < self.stall {
            return false;
        }
        let files = files.clone();
        let reason = format!(
            "it cannot be read: its file system has not answered for {} s; if it does, the text is shown",
            since.elapsed().as_secs()
        );
        // While the pulse is locked, the thread can tell nothing that would come before this.
        self.tell(&files, &reason);
        state.left = Some((files.clone(), reason));
        drop(state);
        self.replace(files);
        true
    }

    /// Says of these files that they cannot be read.
    fn tell(&self, files: &[PathBuf], reason: &str) {
        let mut ledger = lock(&self.ledger);
        for file in files {
            tracing::warn!(path = %file.display(), reason, "a file is given up");
            ledger.emit(FileEvent::Unreadable(file.clone(), reason.to_owned()));
        }
    }

    /// Has another thread look after all files but these and those that were given up before.
    fn replace(&mut self, files: Vec<PathBuf>) {
        /// A thread that cannot be started, or panics whatever it is given, is not tried for ever.
        const MOST: u64 = 1000;
        if let Some(hand) = self.hand.take() {
            self.given_up.push((files, hand));
        }
        let hired = if self.hands < MOST {
            self.hire()
        } else {
            Err(io::Error::other("too many threads have failed"))
        };
        let is_apart = |path: &PathBuf| self.given_up.iter().any(|(files, _)| files.contains(path));
        let ledger = lock(&self.ledger);
        let rest = ledger.files.iter().filter(|(path, _)| !is_apart(path));
        match hired {
            Ok(hand) => {
                for (path, known) in rest {
                    let _ = hand.messages.send(Message::Watch {
                        path: path.clone(),
                        language: known.language,
                        known: known.text.clone(),
                    });
                }
                drop(ledger);
                self.hand = Some(hand);
            }
            Err(err) => {
                let reason = format!("changes are no longer noticed: {err}");
                let rest: Vec<PathBuf> = rest.map(|(path, _)| path.clone()).collect();
                drop(ledger);
                self.tell(&rest, &reason);
            }
        }
    }

    fn pass_on(&mut self, message: Message) {
        let path = match &message {
            Message::Watch {
                path,
                language,
                known,
            } => {
                let known = Known {
                    language: *language,
                    text: known.clone(),
                };
                lock(&self.ledger).files.insert(path.clone(), known);
                Some(path)
            }
            Message::Forget(path) => {
                lock(&self.ledger).files.remove(path);
                Some(path)
            }
            Message::Hint(_) | Message::End => None,
        };
        let is_of = |files: &[PathBuf]| path.is_some_and(|path| files.contains(path));
        let apart = self.given_up.iter().find(|(files, _)| is_of(files));
        let hand = apart.map(|(_, hand)| hand).or(self.hand.as_ref());
        if let Some(hand) = hand {
            // One that has ended panicked, and that has been told.
            let _ = hand.messages.send(message);
        }
    }

    /// Ends all threads, those that can be.
    fn end(self) {
        self.ending.store(true, Ordering::Relaxed);
        let given_up = self.given_up.iter().map(|(_, hand)| hand);
        for hand in given_up.chain(&self.hand) {
            let _ = hand.messages.send(Message::End);
        }
        if let Some(hand) = &self.hand {
            hand.worker.wait_a_moment();
        }
    }
}
