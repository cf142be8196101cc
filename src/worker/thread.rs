//! Threads of the screen. A panic on one is caught and reported. Waiting for the end of one has a limit,
//! because it may be in a call that never returns.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// A thread that was started by [`spawn`].
pub(crate) struct Worker {
    /// Nothing is sent. The thread has the other end as long as it runs.
    ended: Receiver<()>,
}

/// Starts a thread that runs `body`. If that panics, `failed` is called on the thread with a sentence
/// for the user.
///
/// # Errors
///
/// Those of starting a thread.
pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
    failed: impl FnOnce(String) + Send + 'static,
) -> io::Result<Worker> {
    let (running, ended) = mpsc::channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            match catch_unwind(AssertUnwindSafe(body)) {
                Ok(()) => drop(failed),
                Err(panic) => failed(panic_message(&*panic)),
            }
            drop(running);
        })?;
    Ok(Worker { ended })
}

impl Worker {
    /// Waits for the end of the thread, but not so long that a user who has left the screen would notice.
    /// Returns whether it has ended.
    pub(crate) fn wait_a_moment(&self) -> bool {
        const MOMENT: Duration = Duration::from_millis(200);
        self.ended.recv_timeout(MOMENT) == Err(RecvTimeoutError::Disconnected)
    }
}

/// The message of a panic, as a sentence for the user.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let said = said.unwrap_or("no message");
    format!("this is a bug in electroscope, please report it: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_and_the_thread_has_ended() {
        let (tell, told) = mpsc::channel();
        let worker = spawn(
            "x",
            || panic!("as asked"),
            move |text| drop(tell.send(text)),
        )
        .unwrap();
        let text = told.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(text.contains("bug") && text.ends_with("as asked"), "{text}");
        while !worker.wait_a_moment() {}
    }

    #[test]
    fn waiting_for_a_thread_that_never_ends_has_a_limit() {
        let (_held, never) = mpsc::channel::<()>();
        let worker = spawn("x", move || assert!(never.recv().is_err()), |_| {}).unwrap();
        assert!(!worker.wait_a_moment());
    }
}
