//! Threads that the screen can do without: a panic on one is caught and told, and the end of one is
//! not waited for without a limit, for it may be in a call that never returns.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// A thread that was started by [`spawn`].
pub(crate) struct Worker {
    /// Nothing is ever sent; the thread holds the other end for as long as it runs.
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
    /// Waits for the end of the thread, though no longer than a reader who has left the screen would
    /// notice; says whether it has ended.
    pub(crate) fn wait_a_moment(&self) -> bool {
        const MOMENT: Duration = Duration::from_millis(200);
        self.ended.recv_timeout(MOMENT) == Err(RecvTimeoutError::Disconnected)
    }
}

/// What a panic said, as a sentence for the user.
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
    fn a_panic_is_told_and_the_thread_has_ended() {
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
    fn a_thread_that_never_ends_is_not_waited_for() {
        let (_held, never) = mpsc::channel::<()>();
        let worker = spawn("x", move || assert!(never.recv().is_err()), |_| {}).unwrap();
        assert!(!worker.wait_a_moment());
    }
}
