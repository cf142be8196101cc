//! Gives the terminal back where nothing else can: in the handler of a signal that ends the process
//! (SIGBUS, SIGABRT, SIGSEGV, SIGQUIT and the like), and on a thread that finds the drawing thread
//! stuck, perhaps in a write to the terminal. So nothing here takes a lock or allocates.

use std::io::{self, IsTerminal};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::ptr::null_mut;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{c_int, c_void, sigaction, siginfo_t};

/// Undoes what [`super::take`] sends, whatever state the terminal is in: the end of a synchronised
/// update, no mouse events, no bracketed paste, plain letters, the usual cursor, the main screen.
const RESTORE: &[u8] = b"\x1b[?2026l\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\
    \x1b[?2004l\x1b[0m\x1b[0 q\x1b[?1049l\x1b[?25h";

/// How long a terminal that takes nothing at the moment is waited for, in milliseconds.
const PATIENCE: c_int = 200;

/// Signals that end a process and cannot be waited for on a thread, because the process is in no
/// state to go on or because whoever sends them wants it to end here and now.
const FATAL: [c_int; 14] = [
    libc::SIGBUS,
    libc::SIGSEGV,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGQUIT,
    libc::SIGSYS,
    libc::SIGTRAP,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// What each of [`FATAL`] did before, in the same order.
static BEFORE: [AtomicPtr<sigaction>; FATAL.len()] =
    [const { AtomicPtr::new(null_mut()) }; FATAL.len()];

/// The settings of the terminal before it was taken, and the descriptor that they are of.
static SAVED: AtomicPtr<(RawFd, libc::termios)> = AtomicPtr::new(null_mut());

/// Keeps the settings of the terminal, to be called while they are the shell's, and handles the
/// signals that end the process. What cannot be kept cannot be restored; the rest still is.
pub(super) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Ok(saved) = settings() {
            SAVED.store(Box::into_raw(Box::new(saved)), Ordering::Release);
        }
        for (signal, before) in FATAL.into_iter().zip(&BEFORE) {
            handle(signal, before);
        }
    });
}

/// Gives the terminal back, if it is taken. A terminal that takes no output is left with what it
/// shows; its settings are restored all the same.
#[expect(
    unsafe_code,
    reason = "only these calls are allowed in a signal handler"
)]
pub(in crate::ui) fn restore() {
    if !super::TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut output = libc::pollfd {
        fd: libc::STDOUT_FILENO,
        events: libc::POLLOUT,
        revents: 0,
    };
    let saved = SAVED.load(Ordering::Acquire);
    // SAFETY: poll, write and tcsetattr may be called in signal handlers (POSIX 2.4.3). `output` is one
    // pollfd, RESTORE outlives the write, and `saved` is null or was leaked by `prepare`.
    unsafe {
        if libc::poll(&raw mut output, 1, PATIENCE) > 0 {
            libc::write(output.fd, RESTORE.as_ptr().cast(), RESTORE.len());
        }
        if let Some((descriptor, settings)) = saved.as_ref() {
            libc::tcsetattr(*descriptor, libc::TCSANOW, settings);
        }
    }
}

/// Waits until the terminal that the keyboard is read from is gone: its window was closed or its
/// connection broke. Returns false where the system cannot tell.
#[expect(unsafe_code, reason = "poll")]
pub(in crate::ui) fn wait_for_hangup() -> bool {
    let Ok(descriptor) = keyboard() else {
        return false;
    };
    loop {
        let mut keyboard = libc::pollfd {
            fd: descriptor,
            events: 0,
            revents: 0,
        };
        // SAFETY: `keyboard` is one pollfd.
        let count = unsafe { libc::poll(&raw mut keyboard, 1, -1) };
        if count > 0 {
            return keyboard.revents & libc::POLLHUP != 0;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return false;
        }
    }
}

/// The descriptor that crossterm reads the keyboard from, which is never closed.
fn keyboard() -> io::Result<RawFd> {
    if io::stdin().is_terminal() {
        return Ok(io::stdin().as_raw_fd());
    }
    Ok(std::fs::File::open("/dev/tty")?.into_raw_fd())
}

/// The settings of the terminal as they are.
#[expect(unsafe_code, reason = "tcgetattr")]
fn settings() -> io::Result<(RawFd, libc::termios)> {
    let descriptor = keyboard()?;
    let mut settings = std::mem::MaybeUninit::uninit();
    // SAFETY: tcgetattr fills the structure when it returns 0.
    unsafe {
        match libc::tcgetattr(descriptor, settings.as_mut_ptr()) {
            0 => Ok((descriptor, settings.assume_init())),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Has `signal` restore the terminal before it does what it did, which is kept in `before`. One that
/// is ignored stays so.
#[expect(unsafe_code, reason = "sigaction")]
fn handle(signal: c_int, before: &AtomicPtr<sigaction>) {
    // SAFETY: an all-zero sigaction is a valid one, for it has integers only; the handler has the
    // signature that SA_SIGINFO asks for and calls nothing that is not allowed in one.
    unsafe {
        let mut old: sigaction = std::mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &raw mut old) != 0
            || old.sa_sigaction == libc::SIG_IGN
        {
            return;
        }
        before.store(Box::into_raw(Box::new(old)), Ordering::Release);
        let mut new: sigaction = std::mem::zeroed();
        new.sa_sigaction = on_fatal as *const () as usize;
        // On a stack of its own, for this one may have overflowed.
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut new.sa_mask);
        libc::sigaction(signal, &raw const new, null_mut());
    }
}

/// Restores the terminal and lets the signal end the process, as it would have done without this.
#[expect(unsafe_code, reason = "a signal handler")]
extern "C" fn on_fatal(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    restore();
    let before = FATAL.iter().position(|fatal| *fatal == signal);
    let before = before.and_then(|at| BEFORE.get(at));
    let before = before.map_or(null_mut(), |before| before.load(Ordering::Acquire));
    let is_fault = matches!(
        signal,
        libc::SIGBUS | libc::SIGSEGV | libc::SIGILL | libc::SIGFPE
    );
    // SAFETY: sigaction, signal and raise may be called in signal handlers. `before` is null or was
    // leaked by `handle`, and with SA_SIGINFO the system passes a valid `info`.
    unsafe {
        // A fault, unlike a signal that was sent, happens again when this returns. Then the handler
        // before this one says where, as Rust's does of a stack overflow.
        if is_fault
            && (*info).si_code > 0
            && !before.is_null()
            && libc::sigaction(signal, before, null_mut()) == 0
        {
            return;
        }
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
