//! A thread that answers requests about documents, where the latest version wins.
//!
//! A newer request takes the place of an older one of the same kind about the same document, and the work
//! on the older one ends at the next window. The document that the reader looks at comes first. A panic in
//! the work is caught, logged, and reported like any other failure; the thread goes on.
//!
//! The thread has a [`Service`], which knows what the requests are and how to answer them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use electroscope_text::{Document, Span};

use super::thread::{self, Worker, panic_message};

/// An open document. The screen gives each a number of its own, and uses no number twice in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(pub u32);

/// A version of a document's text. Larger is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// Answers the requests of a thread.
pub(super) trait Service {
    /// A message to the thread.
    type Message;

    /// A request about a version of a document, with the state of the work on it.
    type Request;

    /// Whether the work in hand ends at the next window when this message arrives.
    fn interrupts(message: &Self::Message) -> bool;

    /// Handles a message: changes the queue, or does something at once.
    fn handle(&mut self, message: Self::Message, queue: &mut WorkQueue<Self::Request>);

    /// Requests of a lower rank are worked on before all others.
    fn rank(request: &Self::Request) -> u8;

    /// Does some of `work`, with the bytes near `focus` first, until it is done or `is_stale`.
    ///
    /// # Errors
    ///
    /// A sentence for the user. The work ends with it.
    fn work(
        &mut self,
        work: &mut Work<Self::Request>,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
    ) -> Result<WorkState, String>;

    /// Reports that `work` failed.
    fn failed(&mut self, work: &Work<Self::Request>, reason: String);
}

/// The state of the work on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkState {
    /// Nothing is left to do.
    Done,
    /// The rest is done later.
    Unfinished,
}

/// A request and the version of the document that it is about.
pub(super) struct Work<R> {
    pub(super) id: DocumentId,
    pub(super) generation: Generation,
    pub(super) document: Document,
    pub(super) request: R,
    /// When it was received.
    pub(super) started: Instant,
}

/// The work that a thread has to do.
pub(super) struct WorkQueue<R> {
    items: Vec<Work<R>>,
    focus: Option<(DocumentId, Span)>,
}

impl<R> WorkQueue<R> {
    /// Adds a request. It takes the place of those about the same document that `is_same_kind`.
    pub(super) fn put(
        &mut self,
        id: DocumentId,
        generation: Generation,
        document: Document,
        request: R,
        is_same_kind: impl Fn(&R) -> bool,
    ) {
        self.items
            .retain(|work| work.id != id || !is_same_kind(&work.request));
        self.items.push(Work {
            id,
            generation,
            document,
            request,
            started: Instant::now(),
        });
    }

    /// Sets the document and the bytes that the reader looks at.
    pub(super) fn focus(&mut self, id: DocumentId, span: Span) {
        self.focus = Some((id, span));
    }

    /// Removes all requests about a document.
    pub(super) fn forget(&mut self, id: DocumentId) {
        self.items.retain(|work| work.id != id);
    }

    /// Removes the requests that `is_meant`, about whatever document.
    pub(super) fn remove(&mut self, is_meant: impl Fn(&R) -> bool) {
        self.items.retain(|work| !is_meant(&work.request));
    }

    /// Removes all requests.
    pub(super) fn clear(&mut self) {
        self.items.clear();
    }

    /// The place of the work to do next: by rank, then that on the document in focus, then the oldest.
    fn next(&self, rank: impl Fn(&R) -> u8) -> Option<usize> {
        let focused = self.focus.map(|(id, _)| id);
        let key =
            |(at, work): &(usize, &Work<R>)| (rank(&work.request), Some(work.id) != focused, *at);
        let next = self.items.iter().enumerate().min_by_key(key);
        next.map(|(at, _)| at)
    }

    /// Does some of the work that comes next.
    fn work<S: Service<Request = R>>(&mut self, service: &mut S, is_stale: &dyn Fn() -> bool) {
        let Some(at) = self.next(S::rank) else { return };
        let Some(work) = self.items.get_mut(at) else {
            return;
        };
        let focus = self.focus.filter(|(id, _)| *id == work.id);
        let focus = focus.map(|(_, span)| span);
        let state = catch_unwind(AssertUnwindSafe(|| service.work(work, focus, is_stale)));
        let state = state.unwrap_or_else(|panic| {
            let reason = panic_message(&*panic);
            tracing::error!(id = ?work.id, reason, "the model panicked");
            Err(reason)
        });
        match state {
            Ok(WorkState::Unfinished) => return,
            Ok(WorkState::Done) => {}
            Err(reason) => service.failed(work, reason),
        }
        self.items.remove(at);
    }
}

/// A message, or the end of the thread.
enum Envelope<M> {
    Message(M),
    Stop,
}

/// The count of messages after the thread was stopped.
const STOPPED: u64 = u64::MAX;

/// Sends messages to the thread.
pub(super) struct Mailbox<M> {
    messages: Sender<Envelope<M>>,
    interrupts: fn(&M) -> bool,
    /// The number of messages that interrupt. Work looks at it between windows.
    arrived: Arc<AtomicU64>,
}

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Mailbox<M> {
        Mailbox {
            messages: self.messages.clone(),
            interrupts: self.interrupts,
            arrived: Arc::clone(&self.arrived),
        }
    }
}

impl<M> Mailbox<M> {
    /// Sends a message. One to a thread that has ended is dropped.
    pub(super) fn send(&self, message: M) {
        let interrupts = (self.interrupts)(&message);
        let _ = self.messages.send(Envelope::Message(message));
        if interrupts {
            // The mark of a stopped thread stays: there the addition fails.
            let count = |n: u64| n.checked_add(1);
            let _ = (self.arrived).fetch_update(Ordering::AcqRel, Ordering::Acquire, count);
        }
    }
}

/// The handle of a thread that receives messages of the type `M`.
pub(super) struct LatestThread<M> {
    mailbox: Mailbox<M>,
    thread: Worker,
}

impl<M: Send + 'static> LatestThread<M> {
    /// Starts a thread. `make` makes the service on it, or ends it with none. If the thread panics outside
    /// of the work, `failed` is called on it with a sentence for the user.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub(super) fn spawn<S: Service<Message = M>>(
        name: &str,
        make: impl FnOnce(Mailbox<M>) -> Option<S> + Send + 'static,
        failed: impl FnOnce(String) + Send + 'static,
    ) -> io::Result<LatestThread<M>> {
        let (messages, inbox) = mpsc::channel();
        let mailbox = Mailbox {
            messages,
            interrupts: S::interrupts,
            arrived: Arc::new(AtomicU64::new(0)),
        };
        let arrived = Arc::clone(&mailbox.arrived);
        let own = mailbox.clone();
        let body = move || {
            if let Some(mut service) = make(own) {
                run(&mut service, &inbox, &arrived);
            }
        };
        let thread = thread::spawn(name, body, failed)?;
        Ok(LatestThread { mailbox, thread })
    }

    /// Sends a message.
    pub(super) fn send(&self, message: M) {
        self.mailbox.send(message);
    }

    /// Ends the thread at the next window.
    pub(super) fn stop(&self) {
        // First the mark, then a message that wakes the thread to see it. The inbox does not close by
        // itself, because the service may have a mailbox.
        self.mailbox.arrived.store(STOPPED, Ordering::Release);
        let _ = self.mailbox.messages.send(Envelope::Stop);
    }

    /// Waits for the end of the thread, but not long; see [`Worker::wait_a_moment`].
    pub(super) fn wait_a_moment(&self) {
        self.thread.wait_a_moment();
    }
}

fn run<S: Service>(service: &mut S, inbox: &Receiver<Envelope<S::Message>>, arrived: &AtomicU64) {
    let mut queue = WorkQueue {
        items: Vec::new(),
        focus: None,
    };
    let is_stopped = || arrived.load(Ordering::Acquire) == STOPPED;
    // The messages received that interrupt. A message is counted after it was sent, so it may be received
    // before it is counted, and must not make the work on itself stale then.
    let mut received = 0;
    loop {
        let first = match queue.items.is_empty() {
            true => match inbox.recv() {
                Ok(envelope) => Some(envelope),
                Err(_) => return,
            },
            false => None,
        };
        for envelope in first.into_iter().chain(inbox.try_iter()) {
            let Envelope::Message(message) = envelope else {
                return;
            };
            if is_stopped() {
                return;
            }
            received += u64::from(S::interrupts(&message));
            service.handle(message, &mut queue);
        }
        if is_stopped() {
            return;
        }
        let is_stale = || arrived.load(Ordering::Acquire) > received;
        queue.work(service, &is_stale);
    }
}
