//! The signals that a training saves at: Ctrl-C, SIGTERM and SIGHUP.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// Listens for the signals that ask a program to end, and remembers the first.
pub(super) struct StopSignals {
    is_raised: Arc<AtomicBool>,
    last: Arc<AtomicUsize>,
}

impl StopSignals {
    /// Begins to listen. A second Ctrl-C ends the program at once. Other signals are often sent twice,
    /// by the system and by the shell when a terminal is closed, or by `timeout` to the process and to
    /// its group: their second one changes nothing.
    ///
    /// A signal that is ignored stays ignored, as SIGHUP is under `nohup`.
    ///
    /// # Errors
    ///
    /// A system that lets nobody listen.
    pub(super) fn listen() -> io::Result<StopSignals> {
        let is_raised = Arc::new(AtomicBool::new(false));
        let last = Arc::new(AtomicUsize::new(0));
        let was_interrupted = Arc::new(AtomicBool::new(false));
        // In this order: the first Ctrl-C finds the flag down, and raises it.
        flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&was_interrupted))?;
        flag::register(SIGINT, was_interrupted)?;
        for signal in listened() {
            flag::register_usize(signal, Arc::clone(&last), signal as usize)?;
            flag::register(signal, Arc::clone(&is_raised))?;
        }
        Ok(StopSignals { is_raised, last })
    }

    /// Whether one came.
    pub(super) fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Relaxed)
    }

    /// The exit code of a program that one ended: 128 and its number, 130 for Ctrl-C.
    pub(super) fn exit_code(&self) -> u8 {
        let signal = match self.last.load(Ordering::Relaxed) {
            0 => SIGINT as usize,
            signal => signal,
        };
        u8::try_from(128 + signal).unwrap_or(130)
    }
}

#[cfg(unix)]
fn listened() -> Vec<i32> {
    let others = [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP];
    let others = others.into_iter().filter(|&signal| !is_ignored(signal));
    std::iter::once(SIGINT).chain(others).collect()
}

#[cfg(not(unix))]
fn listened() -> Vec<i32> {
    vec![SIGINT, signal_hook::consts::SIGTERM]
}

/// Whether `signal` is ignored, as whoever started the program wanted it.
#[cfg(unix)]
#[expect(unsafe_code, reason = "sigaction")]
fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero sigaction is a valid one, for it has integers only, and sigaction fills it.
    unsafe {
        let mut found: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut found) == 0
            && found.sa_sigaction == libc::SIG_IGN
    }
}
