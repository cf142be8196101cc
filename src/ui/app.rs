//! The loop: draw, wait, take everything that has happened, do what has to be done.

use std::io::{self, stdin, stdout};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use crossterm::{clipboard::CopyToClipboard, event, execute};
use ratatui::backend::{Backend, CrosstermBackend};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};

use crate::worker::exemptions::ExemptionThread;
use crate::worker::files::Files;
use crate::worker::finder::Finder;
use crate::worker::heads::{Heads, Loader};
use crate::worker::inference::{Inference, Lens, ModelSummary, Scorer};
use crate::worker::pipe;
use crate::worker::thread;

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

/// Messages are taken in for this long at most before the next frame, however many wait: a reader must
/// see that something happens, and keys among them be answered.
const BURST: Duration = Duration::from_millis(250);

/// How long the drawing thread may take to answer a request to end.
const ANSWER: Duration = Duration::from_secs(2);
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
    /// Where the user's accepted words are kept, if there is a home.
    pub user_words: Option<PathBuf>,
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
    let ending = EndRequest::new(sender.clone());
    let signals = Signals::spawn(sender.clone(), ending.clone())?;
    let _guard = Guard;
    terminal::take(true)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    opening.size = terminal.size()?;
    let first_lens = opening.lens;
    let (mut state, effects) = State::new(opening);
    // The first frame before anything else: whatever takes time comes after it.
    draw(&mut terminal, &state)?;

    let input = Input::spawn(sender.clone(), ending.clone())?;
    watch_for_hangup(ending)?;
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
    let exemptions = ExemptionThread::spawn(suppliers.user_words, {
        let sender = Mutex::new(sender.clone());
        move |reply| {
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
            drop(sender.send(Message::Exemptions(reply)));
        }
    })?;
    let mut world = World {
        sender,
        input,
        signals,
        files,
        inference,
        heads,
        exemptions,
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
    // Before a moment is waited for the threads: they may be in the middle of a window.
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
                if drawn.elapsed() > BURST {
                    break;
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
    exemptions: ExemptionThread,
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
            Effect::Exemptions(job) => self.exemptions.submit(job),
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
        self.signals.editor_runs(true);
        terminal::give_back();
        let status = command.status();
        terminal::take(self.mouse)?;
        self.signals.editor_runs(false);
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
    /// The thread has ended, so nobody reads the keyboard any more.
    ended: bool,
}

impl Input {
    fn spawn(sender: Sender<Message>, ending: EndRequest) -> io::Result<Input> {
        let gate = Arc::new(Gate::default());
        let body = {
            let (gate, ending) = (Arc::clone(&gate), ending.clone());
            move || {
                read_terminal(&gate, &sender, &ending);
                gate.end();
            }
        };
        let failed = {
            let gate = Arc::clone(&gate);
            move |_| {
                gate.end();
                // A screen that hears no key is of no use. Why is in the log.
                ending.ask_once(2);
            }
        };
        thread::spawn("input", body, failed)?;
        Ok(Input { gate })
    }

    /// Leaves the keyboard alone; returns once that is so.
    fn pause(&self) {
        let mut state = self.gate.lock();
        state.paused = true;
        while !state.waiting && !state.ended {
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

/// Passes on what comes from the terminal, until it is gone or nobody listens.
fn read_terminal(gate: &Gate, sender: &Sender<Message>, ending: &EndRequest) {
    loop {
        gate.pass();
        let event = match event::poll(INPUT_POLL) {
            Ok(true) => event::read(),
            Ok(false) => continue,
            Err(err) => Err(err),
        };
        let event = match event {
            Ok(event) => event,
            Err(err) => {
                // The terminal is gone.
                tracing::error!(%err, "cannot read from the terminal");
                return ending.ask_once(1);
            }
        };
        // In raw mode Ctrl-C is a key, which a drawing thread that is stuck would never come to.
        if is_interrupt(&event) {
            ending.ask(128 + SIGINT as u8);
        }
        if sender.send(Message::Terminal(event)).is_err() {
            return;
        }
    }
}

/// Whether this is Ctrl-C, which ends the program wherever it is typed.
fn is_interrupt(event: &Event) -> bool {
    matches!(
        event,
        Event::Key(key) if key.kind == KeyEventKind::Press
            && key.code == KeyCode::Char('c')
            && key.modifiers == KeyModifiers::CONTROL
    )
}

/// Ends the program when the terminal is gone. Not left to the input thread: crossterm takes the end of
/// the keyboard's input for a reason to read again, at once and for ever.
fn watch_for_hangup(ending: EndRequest) -> io::Result<()> {
    let body = move || {
        if terminal::wait_for_hangup() {
            ending.ask_once(128 + SIGHUP as u8);
        }
    };
    thread::spawn("hangup", body, |_| {}).map(drop)
}

/// Requests from outside to end the program, and what happens when they are not answered.
#[derive(Clone)]
struct EndRequest {
    sender: Sender<Message>,
    /// Whether one is under way.
    asked: Arc<AtomicBool>,
    /// Whether the terminal is the editor's, until which is closed the drawing thread cannot answer.
    editor_runs: Arc<AtomicBool>,
}

impl EndRequest {
    fn new(sender: Sender<Message>) -> EndRequest {
        EndRequest {
            sender,
            asked: Arc::default(),
            editor_runs: Arc::default(),
        }
    }

    /// Asks the drawing thread to end the program with `code`. If that has been asked before, or is
    /// not answered in time, the terminal is given back and the program ended from here.
    fn ask(&self, code: u8) {
        if self.asked.swap(true, Ordering::SeqCst) {
            end_at_once(code);
        }
        let _ = self.sender.send(Message::End(code));
        if self.editor_runs.load(Ordering::SeqCst) {
            return;
        }
        let timer = move || {
            std::thread::sleep(ANSWER);
            tracing::error!("the drawing thread does not answer");
            end_at_once(code);
        };
        // Without a thread it takes a second request.
        let _ = thread::spawn("ending", timer, |_| {});
    }

    /// The same, unless the end is under way already.
    fn ask_once(&self, code: u8) {
        if !self.asked.load(Ordering::SeqCst) {
            self.ask(code);
        }
    }
}

/// Ends the program without asking anybody; the terminal is given back as far as that can be done.
fn end_at_once(code: u8) -> ! {
    terminal::restore();
    signal_hook::low_level::exit(i32::from(code))
}

impl Gate {
    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

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
    editor_runs: Arc<AtomicBool>,
}

impl Signals {
    fn spawn(sender: Sender<Message>, ending: EndRequest) -> io::Result<Signals> {
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP])?;
        let editor_runs = Arc::clone(&ending.editor_runs);
        let body = move || {
            for signal in &mut signals {
                match signal {
                    SIGTSTP => drop(sender.send(Message::Stop)),
                    // Ctrl-C in an editor is the editor's.
                    SIGINT if ending.editor_runs.load(Ordering::SeqCst) => {}
                    // As shells count: 128 and the signal.
                    _ => ending.ask(128 + signal as u8),
                }
            }
        };
        thread::spawn("signals", body, |_| {})?;
        Ok(Signals { editor_runs })
    }

    fn editor_runs(&self, runs: bool) {
        self.editor_runs.store(runs, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::Theme;
    use crossterm::event::KeyEvent;
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
