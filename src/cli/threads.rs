//! The threads that compute, as many as are asked for and the system allows.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use rayon::{ThreadBuilder, ThreadPoolBuilder};

/// Threads for each core at most. More than one do not help; a few are allowed for measuring.
const PER_CORE: usize = 4;

/// A thread that waits for what it is to run.
type Idle = Sender<ThreadBuilder>;

/// Starts the threads that compute: `asked`, else as `RAYON_NUM_THREADS` says, else one for each
/// core. What the user should know about their number is given back.
///
/// Only the first call in a process does anything.
///
/// # Errors
///
/// Those of rayon.
pub(super) fn start(asked: Option<usize>) -> anyhow::Result<Option<String>> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::replace(&mut *started, true) {
        return Ok(None);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let variable = std::env::var("RAYON_NUM_THREADS").ok();
    let variable = variable.and_then(|text| text.parse().ok().filter(|count| *count > 0));
    let (wanted, bound) = bounded(asked.or(variable).unwrap_or(cores), cores);
    let (threads, short) = idle_threads(wanted, &spawn);
    let count = threads.len();
    let threads = Mutex::new(threads);
    // A pool whose threads cannot be started can never be started again, so they are started first.
    let pool = ThreadPoolBuilder::new().num_threads(count.max(1));
    let built = if count == 0 {
        pool.use_current_thread().build_global()
    } else {
        pool.spawn_handler(|thread| {
            let idle = threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
                .ok_or_else(|| io::Error::other("too few threads"))?;
            idle.send(thread)
                .map_err(|_| io::Error::other("a thread has ended"))
        })
        .build_global()
    };
    built.context("cannot start the threads that compute")?;
    Ok(short
        .map(|err| {
            format!(
                "{wanted} threads cannot be started ({err}); computing with {}",
                count.max(1)
            )
        })
        .or(bound))
}

/// As many threads as are used where `wanted` were asked for, and what the user should know of that.
fn bounded(wanted: usize, cores: usize) -> (usize, Option<String>) {
    let most = PER_CORE * cores;
    if wanted <= most {
        return (wanted, None);
    }
    let note = format!(
        "computing with {most} threads, not {wanted}: more than one for each of the {cores} cores do \
         not help"
    );
    (most, Some(note))
}

/// Starts `wanted` threads. If the system does not allow that many, only half of those that it does
/// are kept, for others will be needed, and the error is given too.
fn idle_threads(
    wanted: usize,
    spawn: &dyn Fn(usize) -> io::Result<Idle>,
) -> (Vec<Idle>, Option<io::Error>) {
    let mut threads = Vec::new();
    for number in 0..wanted {
        match spawn(number) {
            Ok(thread) => threads.push(thread),
            Err(err) => {
                threads.truncate(threads.len() / 2);
                return (threads, Some(err));
            }
        }
    }
    (threads, None)
}

/// Starts a thread that runs what it is sent, or ends when the sender is dropped.
fn spawn(number: usize) -> io::Result<Idle> {
    let (idle, work): (Idle, Receiver<ThreadBuilder>) = mpsc::channel();
    std::thread::Builder::new()
        .name(format!("compute-{number}"))
        .spawn(move || {
            if let Ok(thread) = work.recv() {
                thread.run();
            }
        })?;
    Ok(idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_can_help_are_bounded_with_a_note() {
        assert_eq!(bounded(8, 2), (8, None));
        let (count, note) = bounded(1024, 2);
        assert_eq!(count, 8);
        assert!(note.unwrap().contains("8 threads, not 1024"));
    }

    #[test]
    fn half_of_what_the_system_allows_is_kept_and_the_error_is_given() {
        let limited = |most| {
            move |number| match number < most {
                true => spawn(number),
                false => Err(io::Error::from(io::ErrorKind::WouldBlock)),
            }
        };
        let (threads, err) = idle_threads(8, &limited(5));
        assert_eq!(threads.len(), 2);
        assert_eq!(err.unwrap().kind(), io::ErrorKind::WouldBlock);
        let (threads, err) = idle_threads(8, &limited(0));
        assert!(threads.is_empty() && err.is_some());
        let (threads, err) = idle_threads(3, &limited(5));
        assert!(threads.len() == 3 && err.is_none());
    }
}
