//! Takes the terminal over and gives it back, whatever happens.

mod emergency;

use std::io::{self, Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::ThreadId;

use crossterm::cursor::{SetCursorStyle, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;

pub(super) use emergency::{restore, wait_for_hangup};

/// The terminal that is drawn on.
pub(super) type Terminal = ratatui::Terminal<CrosstermBackend<Stdout>>;

/// Whether the terminal is in our hands: a terminal that is not must not be sent anything.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The thread that took the terminal and draws on it.
static DRAWING: Mutex<Option<ThreadId>> = Mutex::new(None);

/// Takes the terminal for this thread: raw, on its alternate screen, with mouse events if `mouse`.
/// From now on a panic of this thread gives it back before it prints, and so does a signal that ends
/// the process. A panic of another thread goes to the log only: the screen goes on, and what the
/// thread was for is shown as failed by whoever started it.
///
/// # Errors
///
/// Those of the terminal.
pub(super) fn take(mouse: bool) -> io::Result<()> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let this = std::thread::current();
            let drawing = *DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
            if drawing == Some(this.id()) {
                give_back();
                before(panic);
            } else {
                let thread = this.name().unwrap_or("without a name");
                tracing::error!(thread, %panic, "panic");
            }
        }));
    });
    *DRAWING.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
    emergency::prepare();
    TAKEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    let mut out = stdout();
    queue!(out, EnterAlternateScreen, EnableBracketedPaste)?;
    queue!(out, SetCursorStyle::SteadyBlock)?;
    queue!(out, SetTitle("electroscope"))?;
    if mouse {
        queue!(out, EnableMouseCapture)?;
    }
    out.flush()
}

/// Gives the terminal back. Does nothing if it is not ours; what cannot be helped is not complained
/// about.
pub(super) fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    let _ = execute!(
        out,
        DisableMouseCapture,
        DisableBracketedPaste,
        SetCursorStyle::DefaultUserShape,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}

/// Takes mouse events, or leaves them to the terminal.
///
/// # Errors
///
/// Those of the terminal.
pub(super) fn capture_mouse(capture: bool) -> io::Result<()> {
    if capture {
        execute!(stdout(), EnableMouseCapture)
    } else {
        execute!(stdout(), DisableMouseCapture)
    }
}

/// Gives the terminal back when it goes.
pub(super) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}
