//! The loop: draw, wait, take everything that has happened, do what has to be done.

use std::io::{self, stdin, stdout};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use crossterm::{clipboard::CopyToClipboard, event, execute};
use ratatui::backend::{Backend, CrosstermBackend};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};

use crate::worker::files::Files;
use crate::worker::finder::Finder;
use crate::worker::heads::{Heads, Loader};
use crate::worker::inference::{Inference, Lens, ModelSummary, Scorer};
use crate::worker::pipe;

use super::editor;
use super::message::{Effect, Message, Purpose};
use super::search::Seek;
use super::state::{Memory, Opening, State};
use super::terminal::{self, Guard, Terminal};
use super::update::{settle, update};
use super::view;

/// Between two pictures of something that moves.
const TICK: Duration = Duration::from_millis(100);

/// Between two frames at least, however much happens.
const FRAME: Duration = Duration::from_millis(16);

/// After this a search is given up: some patterns would take days on a long line.
const LONGEST_SEARCH: Duration = Duration::from_secs(20);

/// How soon the input thread notices that it is to leave the keyboard alone.
const INPUT_POLL: Duration = Duration::from_millis(100);

/// What the screen is given by those who know where models and settings are.
pub struct Suppliers<L> {
    /// Brings the model that is asked what a lens says, on the model's own thread.
    pub model: L,
    /// Brings heads, on threads of their own.
    pub heads: Arc<dyn Loader>,
    /// Keeps something for the next run; what goes wrong is for the log.
    pub remember: Box<dyn Fn(&Memory)>,
}

/// Shows the screen until the reader leaves it; the exit code.
///
/// # Errors
///
/// Those of the terminal and of starting threads. The terminal is given back before.
pub fn run<S: Scorer + 'static>(
    mut opening: Opening,
    suppliers: Suppliers<
        impl FnMut(Lens, &mut dyn FnMut(String)) -> Result<(S, ModelSummary), String> + Send + 'static,
    >,
) -> io::Result<u8> {
    let (sender, inbox) = mpsc::channel();
    // Before the terminal is ours: a signal must never find it taken and nobody listening.
    let signals = Signals::spawn(sender.clone())?;
    let _guard = Guard;
    terminal::take(true)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    opening.size = terminal.size()?;
    let first_lens = opening.lens;
    let (mut state, effects) = State::new(opening);
    // The first frame before anything else: whatever takes time comes after it.
    draw(&mut terminal, &state)?;

    let input = Input::spawn(sender.clone())?;
    let files = Files::spawn({
        let sender = sender.clone();
        move |event| drop(sender.send(Message::File(event)))
    })?;
    let inference = Inference::spawn(first_lens, suppliers.model, {
        let sender = sender.clone();
        move |reply| drop(sender.send(Message::Model(reply)))
    })?;
    let heads = Heads::spawn(suppliers.heads, {
        let sender = sender.clone();
        move |reply| drop(sender.send(Message::Head(reply)))
    })?;
    let mut world = World {
        sender,
        input,
        signals,
        files,
        inference,
        heads,
        remember: suppliers.remember,
        finders: Vec::new(),
        seek: Arc::default(),
        mouse: true,
    };
    for effect in effects {
        world.perform(effect, &mut terminal)?;
    }
    let code = run_until_quit(
        &mut terminal,
        &mut state,
        &inbox,
        draw,
        &mut |effect, terminal| world.perform(effect, terminal),
    )?;
    // Before the threads are waited for: they may be in the middle of a window.
    terminal::give_back();
    Ok(code)
}

/// Forgets what is on the terminal, so that the next frame is painted whole. Not by
/// [`ratatui::Terminal::clear`], which asks the terminal where its cursor is: the answer would come to
/// the input thread, and from some terminals not at all.
fn paint_anew(terminal: &mut Terminal) -> io::Result<()> {
    execute!(stdout(), Clear(ClearType::All))?;
    *terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    Ok(())
}

/// Draws a frame, in one piece where the terminal can do that.
fn draw(terminal: &mut Terminal, state: &State) -> io::Result<()> {
    execute!(stdout(), BeginSynchronizedUpdate)?;
    terminal.draw(|frame| view::draw(frame, state))?;
    execute!(stdout(), EndSynchronizedUpdate)
}

/// The loop. Generic over the backend, so that tests run it too.
fn run_until_quit<B: Backend>(
    terminal: &mut ratatui::Terminal<B>,
    state: &mut State,
    inbox: &Receiver<Message>,
    mut draw: impl FnMut(&mut ratatui::Terminal<B>, &State) -> io::Result<()>,
    perform: &mut dyn FnMut(Effect, &mut ratatui::Terminal<B>) -> io::Result<()>,
) -> io::Result<u8> {
    let mut next_tick = Instant::now() + TICK;
    loop {
        draw(terminal, state)?;
        let drawn = Instant::now();
        // Sleep until something happens. Nothing moves by itself on a screen that is at rest.
        let first = if state.is_busy() {
            // By the clock, so that many messages do not put it off.
            match inbox.recv_timeout(next_tick.saturating_duration_since(drawn)) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    next_tick = Instant::now() + TICK;
                    Message::Tick
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        } else {
            match inbox.recv() {
                Ok(message) => {
                    next_tick = Instant::now() + TICK;
                    message
                }
                Err(_) => return Ok(0),
            }
        };
        // A burst costs one frame; what the reader does is shown at once.
        let mut next = Some(first);
        loop {
            let mut is_by_reader = false;
            for message in next.take().into_iter().chain(inbox.try_iter()) {
                is_by_reader |= matches!(message, Message::Terminal(_));
                for effect in update(state, message) {
                    perform(effect, terminal)?;
                }
                if let Some(code) = state.quit {
                    return Ok(code);
                }
            }
            // Keys that were typed into a search or a list are acted on once, however many there were.
            for effect in settle(state) {
                perform(effect, terminal)?;
            }
            let left = FRAME.saturating_sub(drawn.elapsed());
            if is_by_reader || left.is_zero() {
                break;
            }
            match inbox.recv_timeout(left) {
                Ok(message) => next = Some(message),
                Err(_) => break,
            }
        }
    }
}

/// What effects are performed on.
struct World {
    sender: Sender<Message>,
    input: Input,
    signals: Signals,
    files: Files,
    inference: Inference,
    heads: Heads,
    remember: Box<dyn Fn(&Memory)>,
    finders: Vec<(Purpose, Finder)>,
    /// The number of the search that is wanted; one with another number ends.
    seek: Arc<AtomicU64>,
    /// Whether mouse events are taken, for when the terminal is taken again.
    mouse: bool,
}

impl World {
    fn perform(&mut self, effect: Effect, terminal: &mut Terminal) -> io::Result<()> {
        match effect {
            Effect::Model(job) => self.inference.submit(job),
            Effect::Head(job) => self.heads.submit(job),
            Effect::Remember(memory) => (self.remember)(&memory),
            Effect::Watch {
                path,
                language,
                known,
            } => self.files.watch(path, language, known),
            Effect::Unwatch(path) => self.files.forget(&path),
            Effect::ReadPipe { language } => {
                let sender = self.sender.clone();
                pipe::read(stdin(), language, move |event| {
                    drop(sender.send(Message::File(event)));
                })?;
            }
            Effect::Find { root, purpose } => self.find(root, purpose)?,
            Effect::Seek(number, seek) => self.seek(number, seek)?,
            Effect::StopSeek => self.seek.store(0, Ordering::Relaxed),
            Effect::Edit { path, line, column } => {
                let trouble = self.edit(&path, line, column, terminal)?;
                let _ = self.sender.send(Message::EditorClosed(trouble));
            }
            // In tmux and over SSH too, where the terminal allows it.
            Effect::Copy(text) => execute!(stdout(), CopyToClipboard::to_clipboard_from(text))?,
            Effect::Suspend => {
                terminal::give_back();
                signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
                terminal::take(self.mouse)?;
                paint_anew(terminal)?;
            }
            Effect::Redraw => paint_anew(terminal)?,
            Effect::CaptureMouse(capture) => {
                self.mouse = capture;
                terminal::capture_mouse(capture)?;
            }
        }
        Ok(())
    }

    fn find(&mut self, root: PathBuf, purpose: Purpose) -> io::Result<()> {
        if purpose == Purpose::Offer {
            // A new list takes the place of the one before.
            self.finders.retain(|(other, _)| *other != Purpose::Offer);
        }
        let sender = self.sender.clone();
        let emit = move |found| drop(sender.send(Message::Found(purpose, found)));
        let finder = match purpose {
            Purpose::Open => Finder::spawn_following(root, emit)?,
            Purpose::Offer => Finder::spawn(root, emit)?,
        };
        self.finders.push((purpose, finder));
        Ok(())
    }

    /// Goes on with a search on a thread of its own, until it has ended or is not wanted any more. The
    /// thread is not waited for.
    fn seek(&mut self, number: u64, mut seek: Seek) -> io::Result<()> {
        self.seek.store(number, Ordering::Relaxed);
        let (wanted, sender) = (Arc::clone(&self.seek), self.sender.clone());
        std::thread::Builder::new()
            .name("search".into())
            .spawn(move || {
                let begun = Instant::now();
                let sought = seek.run(|_| {
                    wanted.load(Ordering::Relaxed) == number && begun.elapsed() < LONGEST_SEARCH
                });
                drop(sender.send(Message::Sought(number, sought)));
            })
            .map(drop)
    }

    /// Hands the terminal to the editor until it is closed; what went wrong, if anything did.
    fn edit(
        &mut self,
        path: &Path,
        line: usize,
        column: usize,
        terminal: &mut Terminal,
    ) -> io::Result<Option<String>> {
        let chosen = editor::choose(|name| std::env::var_os(name));
        let mut command = match editor::command(&chosen, path, line, column) {
            Ok(command) => command,
            Err(trouble) => return Ok(Some(trouble)),
        };
        if let Some(keyboard) = pipe::keyboard() {
            command.stdin(keyboard);
        }
        self.input.pause();
        self.signals.ignore_interrupt(true);
        terminal::give_back();
        let status = command.status();
        terminal::take(self.mouse)?;
        self.signals.ignore_interrupt(false);
        self.input.resume();
        paint_anew(terminal)?;
        Ok(match status {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("{chosen} ended with {status}")),
            Err(err) => Some(format!(
                "cannot start {chosen}: {err}; set VISUAL or EDITOR to your editor"
            )),
        })
    }
}

/// The thread that reads the keyboard and the mouse. It ends with the program: a read from a
/// terminal cannot be called off.
struct Input {
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    /// The keyboard is somebody else's.
    paused: bool,
    /// The thread has understood that.
    waiting: bool,
}

impl Input {
    fn spawn(sender: Sender<Message>) -> io::Result<Input> {
        let gate = Arc::new(Gate::default());
        let inner = Arc::clone(&gate);
        std::thread::Builder::new()
            .name("input".into())
            .spawn(move || {
                loop {
                    inner.pass();
                    let event = match event::poll(INPUT_POLL) {
                        Ok(true) => event::read(),
                        Ok(false) => continue,
                        Err(err) => Err(err),
                    };
                    let message = match event {
                        Ok(event) => Message::Terminal(event),
                        Err(err) => {
                            // The terminal is gone.
                            tracing::error!(%err, "cannot read from the terminal");
                            Message::End(1)
                        }
                    };
                    let is_end = matches!(message, Message::End(_));
                    if sender.send(message).is_err() || is_end {
                        return;
                    }
                }
            })?;
        Ok(Input { gate })
    }

    /// Leaves the keyboard alone; returns once that is so.
    fn pause(&self) {
        let mut state = self.gate.lock();
        state.paused = true;
        while !state.waiting {
            state = self
                .gate
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn resume(&self) {
        self.gate.lock().paused = false;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn lock(&self) -> std::sync::MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits here for as long as the keyboard is somebody else's.
    fn pass(&self) {
        let mut state = self.lock();
        while state.paused {
            state.waiting = true;
            self.changed.notify_all();
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting = false;
    }
}

/// The thread that hears signals.
struct Signals {
    ignore_interrupt: Arc<AtomicBool>,
}

impl Signals {
    fn spawn(sender: Sender<Message>) -> io::Result<Signals> {
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP])?;
        let ignore_interrupt = Arc::new(AtomicBool::new(false));
        let ignore = Arc::clone(&ignore_interrupt);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in &mut signals {
                    let message = match signal {
                        SIGTSTP => Message::Stop,
                        // Ctrl-C in an editor is the editor's.
                        SIGINT if ignore.load(Ordering::Relaxed) => continue,
                        // As shells count: 128 and the signal.
                        _ => Message::End(128 + signal as u8),
                    };
                    if sender.send(message).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Signals { ignore_interrupt })
    }

    fn ignore_interrupt(&self, ignore: bool) {
        self.ignore_interrupt.store(ignore, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::Theme;
    use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
    use ratatui::backend::TestBackend;
    use ratatui::layout::Size;

    /// Runs the loop over `messages`; the exit code, frames drawn, effects asked for.
    fn run(messages: Vec<Message>) -> (u8, usize, usize) {
        let opening = Opening {
            files: vec!["notes.md".into()],
            size: Size {
                width: 40,
                height: 8,
            },
            ..Opening::plain(Theme::Mono)
        };
        let (mut state, _) = State::new(opening);
        let (sender, inbox) = mpsc::channel();
        for message in messages {
            sender.send(message).unwrap();
        }
        drop(sender);
        let mut terminal = ratatui::Terminal::new(TestBackend::new(40, 8)).unwrap();
        let (mut frames, mut effects) = (0, 0);
        let draw = |terminal: &mut ratatui::Terminal<TestBackend>, state: &State| {
            frames += 1;
            let drawn = terminal.draw(|frame| view::draw(frame, state));
            drawn.map(drop).map_err(io::Error::other)
        };
        let code = run_until_quit(&mut terminal, &mut state, &inbox, draw, &mut |_, _| {
            effects += 1;
            Ok(())
        });
        (code.unwrap(), frames, effects)
    }

    fn key(c: char) -> Message {
        let event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        Message::Terminal(Event::Key(event))
    }

    #[test]
    fn a_burst_of_messages_costs_one_frame() {
        let (code, frames, _) = run(vec![Message::Tick; 1000]);
        assert_eq!((code, frames), (0, 2));
    }

    #[test]
    fn quitting_ends_the_loop_at_once_and_effects_are_performed_before() {
        let messages = vec![key('o'), key('!'), Message::End(3), key('q')];
        let (code, frames, effects) = run(messages);
        assert_eq!((code, frames, effects), (3, 1, 1));
    }
}
