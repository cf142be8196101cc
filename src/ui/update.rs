//! Moves the state by one message. Does no work, asks no clock, and cannot fail: what is to be done
//! in the world is handed back as effects.

mod all_flagged;
mod exemptions;
mod heads;
mod suggestions;

use std::path::{Path, PathBuf};

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Rect, Size};

use crate::worker::exemptions::{DictionaryOf, ExemptionJob};
use crate::worker::files::{FileEvent, Watching};
use crate::worker::finder::Found;
use crate::worker::heads::HeadJob;
use crate::worker::inference::{Job, Lens, Reply};

use super::areas::Areas;
use super::keymap::{self, Action, Key, Lookup};
use super::message::{Effect, Message, Purpose};
use super::open::{Open, Work};
use super::palette::{self, Command};
use super::prompt::{Picker, Prompt};
use super::readings::Readings;
use super::search::{Search, Seek, Sought};
use super::state::{Count, Help, Model, Panel, Popup, Seeking, State, SuggestedFor};
use super::theme::Theme;
use super::view;

pub(super) use heads::choices_for;

/// Rows that one notch of the wheel scrolls.
const WHEEL: isize = 3;

/// By how much `+` and `-` move the threshold.
const STEP: f32 = 0.02;

/// The lowest and the highest threshold that they lead to.
const THRESHOLDS: (f32, f32) = (0.02, 0.98);

/// Bytes that a search may read while the reader waits; what takes more goes on elsewhere. Too few to be
/// noticed, enough for the whole of most documents.
const PATIENCE: usize = 4 << 20;

/// How often a motion is repeated at most, whatever the count.
const MOST_REPEATS: usize = 1_000;

/// Rows that a count moves by at most.
const MOST_ROWS: usize = 100_000;

/// Moments (of a tenth of a second) after which a digit that nothing follows shows its panel.
const COUNT_WAITS: u8 = 4;

/// Flagged words that are copied at most.
const COPIED: usize = 5_000;

/// Moves `state` by `message`; what it returns is to be done in order.
pub fn update(state: &mut State, message: Message) -> Vec<Effect> {
    let mut effects = Vec::new();
    // What the model says, and it says much, moves nothing on the screen.
    let may_move = !matches!(
        message,
        Message::Model(_) | Message::Head(_) | Message::Exemptions(_) | Message::Tick
    );
    if matches!(message, Message::Model(_) | Message::Head(_)) {
        state.silent_ticks = 0;
    }
    match message {
        Message::Terminal(event) => terminal_event(state, event, &mut effects),
        Message::File(event) => file_event(state, event, &mut effects),
        Message::Model(reply) => model_reply(state, reply, &mut effects),
        Message::Head(reply) => heads::head_reply(state, reply),
        Message::Exemptions(reply) => exemptions::reply(state, reply, &mut effects),
        Message::Found(Purpose::Open, found) => documents_found(state, &found, &mut effects),
        Message::Found(Purpose::Offer, found) => documents_offered(state, found),
        Message::Tick => tick(state, &mut effects),
        Message::Sought(number, sought) => sought_elsewhere(state, number, sought, &mut effects),
        Message::End(code) => state.quit = Some(code),
        Message::Stop => effects.push(Effect::Suspend),
        Message::EditorClosed(Some(trouble)) => state.complain(trouble),
        Message::EditorClosed(None) => {}
    }
    if may_move {
        focus(state, &mut effects);
    }
    heads::ask_heads(state, &mut effects);
    suggestions::ask(state, &mut effects);
    effects
}

/// Does what typing has put off: a burst of keys into a search or a list is acted on once. Called before
/// a frame is drawn, and before a key that depends on it.
pub fn settle(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    if std::mem::take(&mut state.is_unsettled) {
        let entries = heads::entries(state);
        let suggested = suggestions::entries(state);
        match &mut state.popup {
            Some(Popup::Palette(picker)) => picker.filter(&palette::entries()),
            Some(Popup::Opener(picker)) => picker.filter(&state.offered),
            Some(Popup::Heads(_, picker)) => picker.filter(&entries),
            Some(Popup::Suggestions(_, picker)) => picker.filter(&suggested),
            Some(Popup::Flagged(places, picker)) => picker.filter(&all_flagged::entries(places)),
            Some(Popup::Search { .. }) => search_as_typed(state, &mut effects),
            Some(Popup::Question(..) | Popup::Help(_)) | None => {}
        }
        focus(state, &mut effects);
    }
    effects
}

/// A moment has passed.
fn tick(state: &mut State, effects: &mut Vec<Effect>) {
    state.tick();
    let Some(count) = state.count.as_mut().filter(|_| state.pressed.is_empty()) else {
        return;
    };
    count.waited = count.waited.saturating_add(1);
    if count.waited >= COUNT_WAITS && count.panel().is_some() {
        end_count(state, effects);
    }
}

/// A count that no motion follows: a single digit shows its panel, more mean nothing.
fn end_count(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(panel) = state.count.take().and_then(Count::panel) else {
        return;
    };
    let action = match panel {
        Panel::Heat => Action::HeatPanel,
        Panel::Classify => Action::ClassifyPanel,
        Panel::Ask => Action::AskPanel,
        Panel::Tag => Action::TagPanel,
    };
    act(state, action, effects);
}

/// Tells the model's thread what is visible, if that has changed.
fn focus(state: &mut State, effects: &mut Vec<Effect>) {
    let text = Areas::of(state).text;
    let now = state
        .document()
        .filter(|open| open.document.is_some())
        .map(|open| (open.id, open.visible(text.width, text.height)));
    if now != state.focus {
        state.focus = now;
        if let Some((id, span)) = now {
            effects.push(Effect::Model(Job::Focus { id, span }));
            if state.ready().is_some() {
                effects.push(Effect::Head(HeadJob::Focus { id, span }));
            }
        }
    }
}

fn terminal_event(state: &mut State, event: Event, effects: &mut Vec<Effect>) {
    match event {
        // Some terminals tell of the release of a key too.
        Event::Key(key) if key.kind != KeyEventKind::Release => {
            state.notice = None;
            key_press(state, key, effects);
        }
        Event::Mouse(mouse) => mouse_event(state, mouse, effects),
        Event::Paste(text) => paste(state, &text),
        Event::Resize(width, height) => {
            state.size = Size { width, height };
            let text = Areas::of(state).text;
            for open in &mut state.documents {
                open.follow(text.width, text.height);
            }
        }
        Event::Key(_) | Event::FocusGained | Event::FocusLost => {}
    }
}

fn paste(state: &mut State, text: &str) {
    match &mut state.popup {
        Some(
            Popup::Palette(picker)
            | Popup::Opener(picker)
            | Popup::Heads(_, picker)
            | Popup::Suggestions(_, picker)
            | Popup::Flagged(_, picker),
        ) => {
            picker.prompt.insert(text);
            picker.selected = 0;
        }
        Some(Popup::Search { prompt, .. } | Popup::Question(prompt, _)) => prompt.insert(text),
        Some(Popup::Help(help)) if help.is_typing => help.filter.insert(text),
        Some(Popup::Help(_)) | None => {}
    }
    state.is_unsettled = true;
}

fn key_press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let pressed = Key::of(key);
    // What must always work.
    if let Lookup::Found(action @ (Action::Interrupt | Action::Suspend | Action::Redraw)) =
        keymap::lookup(&[pressed])
    {
        return act(state, action, effects);
    }
    // What is typed is acted on once; what another key does depends on it.
    let is_typed = matches!(key.code, KeyCode::Char(_) | KeyCode::Backspace);
    if !is_typed || key.modifiers.contains(KeyModifiers::CONTROL) {
        effects.extend(settle(state));
    }
    match state.popup.take() {
        Some(Popup::Help(help)) => state.popup = help_key(key, help),
        Some(Popup::Palette(picker)) => palette_key(state, picker, key, effects),
        Some(Popup::Opener(picker)) => opener_key(state, picker, key, effects),
        Some(Popup::Search { prompt, before }) => search_key(state, prompt, before, key, effects),
        Some(Popup::Heads(task, picker)) => heads::heads_key(state, task, picker, key, effects),
        Some(Popup::Suggestions(word, picker)) => {
            suggestions::key(state, word, picker, key, effects);
        }
        Some(Popup::Flagged(places, picker)) => {
            all_flagged::key(state, places, picker, key, effects);
        }
        Some(Popup::Question(prompt, back)) => {
            heads::question_key(state, prompt, back, key, effects);
        }
        // What a digit means need not be waited for.
        None if key.code == KeyCode::Enter && state.pressed.is_empty() && state.count.is_some() => {
            end_count(state, effects);
        }
        None if state.pressed.is_empty() && takes_digit(state, pressed) => {}
        None => {
            state.pressed.push(pressed);
            match keymap::lookup(&state.pressed) {
                Lookup::Found(action) => {
                    state.pressed.clear();
                    act_counted(state, action, effects);
                }
                Lookup::Prefix => {}
                Lookup::Unknown => {
                    let is_alone = state.pressed.len() == 1;
                    state.pressed.clear();
                    end_count(state, effects);
                    if is_alone {
                        state.say("that key has no meaning here; ? shows those that have one");
                    }
                }
            }
        }
    }
}

/// Takes a digit as a part of a count; says whether it is one.
fn takes_digit(state: &mut State, pressed: Key) -> bool {
    /// More than any document has lines.
    const LARGEST: usize = 99_999_999;
    let digit = match pressed.code {
        KeyCode::Char(c) if pressed.modifiers.is_empty() => c.to_digit(10),
        _ => None,
    };
    let (Some(digit), before) = (digit, state.count) else {
        return false;
    };
    // Without a digit before it, 0 is the start of the line.
    if digit == 0 && before.is_none() {
        return false;
    }
    let number = before.map_or(0, |count| count.number) * 10 + digit as usize;
    state.count = Some(Count {
        number: number.min(LARGEST),
        digits: before.map_or(0, |count| count.digits).saturating_add(1),
        waited: 0,
    });
    true
}

/// Does `action` as often as the count before it says. Before what cannot be repeated, a single digit
/// shows its panel, as it does alone.
fn act_counted(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let Some(count) = state.count else {
        return act(state, action, effects);
    };
    if action == Action::Back {
        state.count = None;
        return;
    }
    if !keymap::repeats(action) {
        end_count(state, effects);
        return act(state, action, effects);
    }
    state.count = None;
    let text = Areas::of(state).text;
    let rows = count.number.min(MOST_ROWS) as isize;
    match action {
        Action::Up => return move_rows(state, -rows, text),
        Action::Down => return move_rows(state, rows, text),
        Action::Top | Action::Bottom => return go_to_line(state, count.number),
        _ => {}
    }
    for _ in 0..count.number.min(MOST_REPEATS) {
        let before = (state.current, state.document().map(|open| open.cursor));
        act(state, action, effects);
        let after = (state.current, state.document().map(|open| open.cursor));
        if before == after || state.seeking.is_some() {
            break;
        }
    }
}

/// To a line, from 1, or the last one.
fn go_to_line(state: &mut State, line: usize) {
    let byte = state.document().map(|open| {
        let last = open.lines.count();
        open.lines.span(line.clamp(1, last) - 1).start()
    });
    go_to(state, byte.unwrap_or(0));
}

/// The help after a key: further down, further up, filtered, or gone.
fn help_key(key: KeyEvent, mut help: Help) -> Option<Popup> {
    if help.is_typing {
        match key.code {
            KeyCode::Enter => help.is_typing = false,
            KeyCode::Esc => help = Help::default(),
            KeyCode::Down => help.top += 1,
            KeyCode::Up => help.top = help.top.saturating_sub(1),
            KeyCode::Backspace if help.filter.text().is_empty() => help.is_typing = false,
            _ => {
                if help.filter.press(key) {
                    help.top = 0;
                }
            }
        }
    } else {
        match key.code {
            KeyCode::Char('/') => help.is_typing = true,
            KeyCode::Down | KeyCode::Char('j') => help.top += 1,
            KeyCode::Up | KeyCode::Char('k') => help.top = help.top.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ' | 'd' | 'f') => help.top += 10,
            KeyCode::PageUp | KeyCode::Char('u' | 'b') => help.top = help.top.saturating_sub(10),
            KeyCode::Home | KeyCode::Char('g') => help.top = 0,
            KeyCode::Esc if !help.filter.text().is_empty() => help = Help::default(),
            _ => return None,
        }
    }
    let last = view::help_rows(&help).saturating_sub(1);
    help.top = help.top.min(last);
    Some(Popup::Help(help))
}

fn palette_key(state: &mut State, mut picker: Picker, key: KeyEvent, effects: &mut Vec<Effect>) {
    match key.code {
        KeyCode::Esc => {}
        KeyCode::Enter => match palette::command(&picker) {
            Ok(command) => run(state, command, effects),
            Err(palette::Trouble::Unfinished(text)) => {
                picker.prompt = Prompt::new(text);
                picker.filter(&palette::entries());
                state.popup = Some(Popup::Palette(picker));
            }
            Err(palette::Trouble::Unknown(why)) => {
                state.complain(why);
                state.popup = Some(Popup::Palette(picker));
            }
        },
        _ => {
            state.is_unsettled |= picker.press(key);
            state.popup = Some(Popup::Palette(picker));
        }
    }
}

fn opener_key(state: &mut State, mut picker: Picker, key: KeyEvent, effects: &mut Vec<Effect>) {
    match key.code {
        KeyCode::Esc => {}
        KeyCode::Enter => {
            let chosen = picker.chosen().and_then(|at| state.offered.get(at));
            let typed = picker.prompt.text().trim();
            match chosen.map(String::as_str).or(Some(typed)) {
                // With nothing that fits, what was typed is taken for a path.
                Some(path) if !path.is_empty() => {
                    let path = PathBuf::from(path);
                    open_path(state, &path, effects);
                }
                _ => state.popup = Some(Popup::Opener(picker)),
            }
        }
        _ => {
            state.is_unsettled |= picker.press(key);
            state.popup = Some(Popup::Opener(picker));
        }
    }
}

fn search_key(
    state: &mut State,
    mut prompt: Prompt,
    before: (usize, usize),
    key: KeyEvent,
    effects: &mut Vec<Effect>,
) {
    match key.code {
        KeyCode::Esc => {
            state.search = None;
            // A search that is given up has no result to tell.
            state.notice = None;
            stop_seeking(state, effects);
            if let Some(open) = state.document_mut() {
                (open.cursor, open.top) = before;
            }
        }
        KeyCode::Enter => {
            if prompt.text().is_empty() {
                state.search = None;
            }
        }
        KeyCode::Backspace if prompt.text().is_empty() => {
            state.search = None;
            // A search that is given up has no result to tell.
            state.notice = None;
            stop_seeking(state, effects);
            // What was deleted in one burst has not been acted on.
            if let Some(open) = state.document_mut() {
                (open.cursor, open.top) = before;
            }
        }
        _ => {
            state.is_unsettled |= prompt.press(key);
            state.popup = Some(Popup::Search { prompt, before });
        }
    }
}

/// Goes to the first match after where the search began, while it is typed.
fn search_as_typed(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(Popup::Search { prompt, before }) = &state.popup else {
        return;
    };
    let ((cursor, top), typed) = (*before, prompt.text().to_owned());
    if let Some(open) = state.document_mut() {
        (open.cursor, open.top) = (cursor, top);
    }
    stop_seeking(state, effects);
    state.notice = None;
    state.search = Search::new(&typed);
    if state.search.is_some() {
        match_from(state, Direction::Typed, effects);
    } else if !typed.is_empty() {
        state.complain("that is too long to search for");
    }
}

/// Where the next match is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// At the cursor or behind it, while the search is typed.
    Typed,
    /// Behind the cursor.
    Next,
    /// Before the cursor.
    Previous,
}

/// Goes to the next match; if that takes long, it is looked for elsewhere.
fn match_from(state: &mut State, direction: Direction, effects: &mut Vec<Effect>) {
    let (Some(search), Some(open)) = (&state.search, state.document()) else {
        return state.say("nothing to search for yet; / asks what");
    };
    let Some(document) = &open.document else {
        return;
    };
    let (search, text) = (search.clone(), std::sync::Arc::clone(&document.text));
    let here = open.text().get(open.cursor..);
    let here = here.and_then(|rest| rest.chars().next());
    let mut seek = match direction {
        Direction::Typed => Seek::forward(search, text, open.cursor),
        Direction::Next => {
            let step = here.map_or(0, char::len_utf8);
            Seek::forward(search, text, open.cursor + step)
        }
        Direction::Previous => Seek::backward(search, text, open.cursor),
    };
    let (document, generation) = (open.id, open.generation);
    let as_typed = direction == Direction::Typed;
    let mut read = 0;
    let sought = seek.run(|bytes| {
        read += bytes;
        read <= PATIENCE
    });
    stop_seeking(state, effects);
    if sought == Sought::Unfinished {
        state.last_seek += 1;
        let number = state.last_seek;
        state.seeking = Some(Seeking {
            number,
            document,
            generation,
            is_backward: direction == Direction::Previous,
            as_typed,
        });
        effects.push(Effect::Seek(number, seek));
    } else {
        found_match(state, sought, direction == Direction::Previous, as_typed);
    }
}

/// Goes to what a search has found.
fn found_match(state: &mut State, sought: Sought, is_backward: bool, as_typed: bool) {
    match sought {
        Sought::Found {
            span,
            is_beyond_end,
        } => {
            go_to(state, span.start());
            if is_beyond_end && !as_typed {
                state.say(if is_backward {
                    "the search went on from the end"
                } else {
                    "the search went on from the top"
                });
            }
        }
        Sought::Missing => {
            let typed = state.search.as_ref().map(Search::typed);
            let text = format!("no match for {}", typed.unwrap_or_default());
            state.complain(text);
        }
        Sought::Unfinished => state.complain("the search took too long and was given up"),
    }
}

/// A search that was handed over has come to its end.
fn sought_elsewhere(state: &mut State, number: u64, sought: Sought, effects: &mut Vec<Effect>) {
    let Some(seeking) = state.seeking.filter(|seeking| seeking.number == number) else {
        return;
    };
    state.seeking = None;
    let is_of = |open: &Open| open.id == seeking.document && open.generation == seeking.generation;
    // Of another text, the places are not known.
    if state.document().is_some_and(is_of) {
        found_match(state, sought, seeking.is_backward, seeking.as_typed);
        focus(state, effects);
    }
}

/// Whatever is still looked for is not wanted any more.
fn stop_seeking(state: &mut State, effects: &mut Vec<Effect>) {
    if state.seeking.take().is_some() {
        effects.push(Effect::StopSeek);
    }
}

/// Puts the cursor at `byte` of the document and shows it.
fn go_to(state: &mut State, byte: usize) {
    let text = Areas::of(state).text;
    state.list_top = None;
    if let Some(open) = state.document_mut() {
        open.jump(byte, text.width, text.height);
    }
}

/// Does what was asked for by a key, a click or a command.
pub(super) fn act(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let text = Areas::of(state).text;
    let (width, height) = (text.width, text.height);
    let half = isize::from((height / 2).max(1) as i16);
    let page = isize::from(height.saturating_sub(2).max(1) as i16);
    match action {
        Action::Up => move_rows(state, -1, text),
        Action::Down => move_rows(state, 1, text),
        Action::HalfPageDown => scroll_page(state, half, text),
        Action::HalfPageUp => scroll_page(state, -half, text),
        Action::PageDown => scroll_page(state, page, text),
        Action::PageUp => scroll_page(state, -page, text),
        Action::Left | Action::Right | Action::LineStart | Action::LineEnd => {
            state.list_top = None;
            if let Some(open) = state.document_mut() {
                match action {
                    Action::Left => open.move_grapheme(false),
                    Action::Right => open.move_grapheme(true),
                    Action::LineStart => open.move_to_line_end(false),
                    _ => open.move_to_line_end(true),
                }
                open.follow(width, height);
            }
        }
        Action::NextWord => {
            if let Some(byte) = state.document().map(Open::next_word) {
                go_to(state, byte);
            }
        }
        Action::PreviousWord => {
            if let Some(byte) = state.document().map(Open::previous_word) {
                go_to(state, byte);
            }
        }
        Action::NextParagraph | Action::PreviousParagraph => {
            let to = state.document().map(|open| match action {
                Action::NextParagraph => open.next_paragraph(),
                _ => open.previous_paragraph(),
            });
            if let Some(byte) = to {
                go_to(state, byte);
            }
        }
        Action::Top => go_to(state, 0),
        Action::Bottom => {
            let end = state.document().map_or(0, |open| {
                // The last line that says something, as editors do not count the empty one after.
                let text = open.text();
                let bare = text.strip_suffix('\n').unwrap_or(text);
                open.lines.span(open.lines.line_of(bare.len())).start()
            });
            go_to(state, end);
        }
        Action::Search => {
            if let Some(open) = state.document() {
                let before = (open.cursor, open.top);
                let prompt = Prompt::default();
                state.popup = Some(Popup::Search { prompt, before });
            }
        }
        Action::NextMatch => match_from(state, Direction::Next, effects),
        Action::PreviousMatch => match_from(state, Direction::Previous, effects),
        Action::NextFlagged if state.panel == Panel::Heat => flagged(state, true),
        Action::PreviousFlagged if state.panel == Panel::Heat => flagged(state, false),
        Action::NextFlagged => heads::step_item(state, true),
        Action::PreviousFlagged => heads::step_item(state, false),
        Action::PickHead => heads::pick_head(state, effects),
        Action::NextUnit => heads::next_unit(state),
        Action::NextFilter => heads::next_filter(state),
        Action::Question => heads::ask_question(state),
        Action::RaiseThreshold => step_threshold(state, STEP),
        Action::LowerThreshold => step_threshold(state, -STEP),
        Action::ResetThreshold => {
            let start = state.threshold_at_start;
            set_threshold(state, start);
        }
        Action::Suggest => suggestions::list(state),
        Action::AllFlagged => all_flagged::list(state),
        Action::SortFlagged => sort_flagged(state),
        Action::AcceptWord => exemptions::accept(state, DictionaryOf::User, effects),
        Action::AcceptWordInProject => exemptions::accept(state, DictionaryOf::Project, effects),
        Action::Silence => exemptions::silence(state, effects),
        Action::TakeBack => effects.push(Effect::Exemptions(ExemptionJob::TakeBack)),
        Action::SwitchLens => switch_lens(state, effects),
        Action::NextPanel => turn_panel(state, 1),
        Action::PreviousPanel => turn_panel(state, Panel::ALL.len() - 1),
        Action::HeatPanel => show_panel(state, Panel::Heat),
        Action::ClassifyPanel => show_panel(state, Panel::Classify),
        Action::AskPanel => show_panel(state, Panel::Ask),
        Action::TagPanel => show_panel(state, Panel::Tag),
        Action::TogglePanel => {
            state.panel_shown = !state.panel_shown;
            refit(state);
        }
        Action::ToggleDocuments => {
            let was_shown = !Areas::of(state).documents.is_empty();
            state.documents_shown = !was_shown;
            refit(state);
            let is_shown = !Areas::of(state).documents.is_empty();
            if state.documents.len() < 2 {
                state.say("the list of documents is shown when more than one is open; o opens one");
            } else if was_shown {
                state.say("the list of documents is hidden; L shows it");
            } else if !is_shown {
                let wider = if state.panel_shown {
                    "; p hides the panel"
                } else {
                    ""
                };
                state.say(format!(
                    "no room for the list of documents{wider}; gt and gT switch"
                ));
            }
        }
        Action::NextDocument => turn_document(state, 1, effects),
        Action::PreviousDocument => {
            let back = state.documents.len().saturating_sub(1);
            turn_document(state, back, effects);
        }
        Action::Open => state.open_opener(effects),
        Action::Close => close(state, effects),
        Action::Edit => edit(state, effects),
        Action::CopyWord => copy_word(state, effects),
        Action::CopyFlagged => copy_flagged(state, effects),
        Action::Palette => {
            state.popup = Some(Popup::Palette(Picker::new(&palette::entries())));
        }
        Action::Help => state.popup = Some(Popup::Help(Help::default())),
        Action::NextTheme => use_theme(state, state.theme.next(), effects),
        Action::ToggleMouse => {
            state.mouse = !state.mouse;
            effects.push(Effect::CaptureMouse(state.mouse));
            state.say(if state.mouse {
                "the mouse scrolls, jumps and switches here"
            } else {
                "the mouse is the terminal's: select text with it; M takes it back"
            });
        }
        Action::Back => {
            let was_seeking = state.seeking.is_some();
            stop_seeking(state, effects);
            if was_seeking {
                state.say("the search was stopped");
            } else if state.search.take().is_none() && state.list_top.take().is_none() {
                state.say("q quits");
            }
        }
        Action::Suspend => effects.push(Effect::Suspend),
        Action::Redraw => effects.push(Effect::Redraw),
        Action::Quit => state.quit = Some(0),
        Action::Interrupt => state.quit = Some(130),
    }
}

fn move_rows(state: &mut State, by: isize, text: Rect) {
    state.list_top = None;
    if let Some(open) = state.document_mut() {
        open.move_rows(by, text.width);
        open.follow(text.width, text.height);
    }
}

fn scroll_page(state: &mut State, by: isize, text: Rect) {
    state.list_top = None;
    if let Some(open) = state.document_mut() {
        let before = open.cursor;
        open.scroll(by, text.width, text.height);
        // At either end of the text there is nothing left to scroll, but still a way to go.
        if open.cursor == before {
            open.move_rows(by, text.width);
            open.follow(text.width, text.height);
        }
    }
}

/// After the text's width changed: every document shows its cursor.
fn refit(state: &mut State) {
    let text = Areas::of(state).text;
    for open in &mut state.documents {
        open.follow(text.width, text.height);
    }
}

fn flagged(state: &mut State, forward: bool) {
    let Some(open) = state.document() else { return };
    let readings = &open.readings;
    let before = readings.flagged_before(open.cursor);
    let number = if forward {
        readings.flagged_before(open.cursor + 1)
    } else {
        before
            .checked_sub(1)
            .unwrap_or(readings.flagged().saturating_sub(1))
    };
    let wraps = if forward {
        number >= readings.flagged()
    } else {
        before == 0
    };
    let number = if number >= readings.flagged() {
        0
    } else {
        number
    };
    let found = readings.flagged_from(number).next();
    match found {
        Some(word) => {
            go_to(state, word.span.start());
            if wraps {
                state.say(if forward {
                    "from the top again"
                } else {
                    "from the end again"
                });
            }
        }
        None if state.is_busy() => state.say("no word is flagged yet"),
        None => state.say("no word is flagged; - lowers the threshold"),
    }
}

/// Lists flagged words in the other order.
fn sort_flagged(state: &mut State) {
    state.by_p = !state.by_p;
    state.list_top = None;
    state.say(if state.by_p {
        "flagged words are listed by p, the hottest first"
    } else {
        "flagged words are listed by their place"
    });
}

fn step_threshold(state: &mut State, by: f32) {
    // Kept on whole hundredths, so that going up and down comes back to where it was.
    let next = ((state.threshold() + by) * 100.0).round() / 100.0;
    set_threshold(state, Some(next.clamp(THRESHOLDS.0, THRESHOLDS.1)));
}

fn set_threshold(state: &mut State, threshold: Option<f32>) {
    state.threshold = threshold;
    let now = state.threshold();
    for open in &mut state.documents {
        open.set_threshold(now);
    }
    state.list_top = None;
    let count = state.document().map_or(0, |open| open.readings.flagged());
    let words = if count == 1 { "word" } else { "words" };
    state.say(format!("threshold {now:.2}: {count} {words} flagged"));
}

fn turn_panel(state: &mut State, by: usize) {
    let all = Panel::ALL;
    let at = all.iter().position(|&panel| panel == state.panel);
    let next = (at.unwrap_or(0) + by) % all.len();
    if let Some(&panel) = all.get(next) {
        show_panel(state, panel);
    }
}

fn show_panel(state: &mut State, panel: Panel) {
    state.panel = panel;
    state.list_top = None;
    if !state.panel_shown {
        state.panel_shown = true;
        refit(state);
    }
    if Areas::of(state).panel.is_empty() {
        state.say("the panel needs a larger window");
    }
}

fn turn_document(state: &mut State, by: usize, effects: &mut Vec<Effect>) {
    if state.documents.len() < 2 {
        return state.say("no other document is open; o opens one");
    }
    let at = (state.current + by) % state.documents.len();
    show_document(state, at, effects);
}

fn show_document(state: &mut State, at: usize, effects: &mut Vec<Effect>) {
    state.current = at.min(state.documents.len().saturating_sub(1));
    state.list_top = None;
    state.read_eagerly(effects);
    refit(state);
}

fn open_path(state: &mut State, path: &Path, effects: &mut Vec<Effect>) {
    let at = state.add(path);
    show_document(state, at, effects);
}

fn close(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(open) = state.remove(state.current) else {
        return;
    };
    effects.push(Effect::Model(Job::Forget { id: open.id }));
    state.suggesting.take_if(|(word, _)| word.id == open.id);
    effects.push(Effect::Head(HeadJob::Forget { id: open.id }));
    if open.path != Path::new(crate::worker::pipe::NAME) && open.work != Work::Listed {
        effects.push(Effect::Unwatch(open.path));
    }
    if state.documents.is_empty() {
        state.current = 0;
        state.open_opener(effects);
    } else {
        show_document(state, state.current, effects);
    }
}

fn edit(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(open) = state.document() else {
        return state.say("no document is open; o opens one");
    };
    if open.path == Path::new(crate::worker::pipe::NAME) {
        return state.complain("standard input is no file that could be edited");
    }
    let place = open.lines.position(open.text(), open.cursor);
    effects.push(Effect::Edit {
        path: open.path.clone(),
        line: place.line,
        column: place.column,
    });
}

fn copy_word(state: &mut State, effects: &mut Vec<Effect>) {
    let word = state.document().and_then(|open| {
        let (word, _) = open.word()?;
        Some(open.word_text(word.span).into_owned())
    });
    match word {
        Some(word) => {
            state.say(format!("copied {word}"));
            effects.push(Effect::Copy(word));
        }
        None => state.say("no scored word is under the cursor"),
    }
}

fn copy_flagged(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(open) = state.document() else { return };
    let mut list = String::new();
    let mut count = 0;
    for word in open.readings.flagged_from(0).take(COPIED) {
        let place = open.lines.position(open.text(), word.span.start());
        let text = open.word_text(word.span);
        let path = open.path.display();
        list += &format!(
            "{path}:{}:{}: {:.2} {text}\n",
            place.line, place.column, word.p
        );
        count += 1;
    }
    let all = open.readings.flagged();
    match count {
        0 => state.say("no word is flagged"),
        _ if count < all => state.say(format!("copied the first {count} of {all} flagged words")),
        1 => state.say("copied 1 flagged word"),
        _ => state.say(format!("copied {count} flagged words")),
    }
    if count > 0 {
        effects.push(Effect::Copy(list));
    }
}

/// Does what a command of the palette says.
fn run(state: &mut State, command: Command, effects: &mut Vec<Effect>) {
    match command {
        Command::Act(action) => act(state, action, effects),
        Command::Line(line) => go_to_line(state, line),
        Command::Threshold(threshold) => set_threshold(state, Some(threshold)),
        Command::Theme(theme) => use_theme(state, theme, effects),
        Command::Open(path) => open_path(state, &path, effects),
    }
}

/// Shows another theme, now and in later runs.
fn use_theme(state: &mut State, theme: Theme, effects: &mut Vec<Effect>) {
    state.theme = theme;
    state.memory.theme = Some(theme.name().to_owned());
    effects.push(Effect::Remember(state.memory.clone()));
    state.say(format!("theme: {}", theme.name()));
}

fn mouse_event(state: &mut State, mouse: MouseEvent, effects: &mut Vec<Effect>) {
    effects.extend(settle(state));
    let areas = Areas::of(state);
    let at = Position::new(mouse.column, mouse.row);
    let wheel = match mouse.kind {
        MouseEventKind::ScrollDown => WHEEL,
        MouseEventKind::ScrollUp => -WHEEL,
        MouseEventKind::Down(MouseButton::Left) => 0,
        MouseEventKind::Drag(MouseButton::Left) if areas.strip.contains(at) => 0,
        _ => return,
    };
    if let Some(popup) = &mut state.popup {
        match popup {
            Popup::Help(help) if wheel != 0 => {
                let last = view::help_rows(help).saturating_sub(1);
                help.top = help.top.saturating_add_signed(wheel).min(last);
            }
            Popup::Palette(picker)
            | Popup::Opener(picker)
            | Popup::Heads(_, picker)
            | Popup::Suggestions(_, picker)
            | Popup::Flagged(_, picker)
                if wheel != 0 =>
            {
                let last = picker.matches.len().saturating_sub(1);
                picker.selected = picker
                    .selected
                    .saturating_add_signed(wheel / WHEEL)
                    .min(last);
            }
            // A click beside it closes it.
            Popup::Help(_) => state.popup = None,
            _ => {}
        }
        return;
    }
    if wheel != 0 {
        if areas.panel.contains(at) {
            let listed = view::listed(state);
            let top = view::list_top(state, &areas).saturating_add_signed(wheel);
            state.list_top = Some(top.min(listed.saturating_sub(1)));
        } else if areas.documents.contains(at) {
            let last = state.documents.len().saturating_sub(1);
            let next = state.current.saturating_add_signed(wheel / WHEEL).min(last);
            show_document(state, next, effects);
        } else if let Some(open) = state.documents.get_mut(state.current) {
            open.scroll(wheel, areas.text.width, areas.text.height);
        }
        return;
    }
    state.notice = None;
    if areas.text.contains(at) || areas.gutter.contains(at) {
        let row = isize::from((at.y - areas.text.y) as i16);
        let column = usize::from(at.x.saturating_sub(areas.text.x));
        let byte = state.document().map(|open| {
            let wrapped = open.wrapped(areas.text.width);
            wrapped.byte_at(wrapped.row_beyond(open.top, row), column, false)
        });
        if let (Some(byte), Some(open)) = (byte, state.document_mut()) {
            open.cursor = byte;
            open.follow(areas.text.width, areas.text.height);
            state.list_top = None;
        }
    } else if areas.strip.contains(at) {
        let cells = usize::from(areas.strip.height.max(1));
        let cell = usize::from(at.y - areas.strip.y);
        let len = state.document().map_or(0, |open| open.text().len());
        go_to(state, len / cells * cell + len % cells * cell / cells);
    } else if areas.documents.contains(at) {
        let clicked = view::document_at(state, &areas, at.y);
        if let Some(clicked) = clicked.filter(|&clicked| clicked < state.documents.len()) {
            show_document(state, clicked, effects);
        }
    } else if areas.panel.contains(at) {
        if let Some(panel) = view::tab_at(&areas, at) {
            show_panel(state, panel);
        } else if let Some(kind) = view::legend_at(state, &areas, at.y) {
            // A second click takes the first one back.
            let kind = Some(kind).filter(|_| state.filter != Some(kind));
            heads::set_filter(state, kind);
        } else if let Some(number) = view::listed_at(state, &areas, at.y) {
            if state.panel == Panel::Heat {
                let word = view::flagged_at(state, number);
                if let Some(word) = word {
                    go_to(state, word.span.start());
                }
            } else {
                heads::choose_item(state, number);
            }
        }
    }
}

fn file_event(state: &mut State, event: FileEvent, effects: &mut Vec<Effect>) {
    match event {
        FileEvent::Changed(document) => {
            let is_current = state
                .document()
                .is_some_and(|open| open.path == document.path);
            let found = state
                .documents
                .iter_mut()
                .find(|open| open.path == document.path);
            let Some(open) = found else { return };
            if open.lost.take().is_some() && open.text() == &*document.text {
                // It is back as it was.
                return;
            }
            if open.document.as_ref() == Some(&document) {
                // A change that was made here is known already.
                return;
            }
            open.replace(document);
            effects.extend(State::find_exemptions(open));
            effects.extend(State::score(open));
            if is_current {
                let text = Areas::of(state).text;
                if let Some(open) = state.document_mut() {
                    open.follow(text.width, text.height);
                }
            }
        }
        FileEvent::Vanished(path) => {
            let is_unread = |open: &Open| open.path == path && open.document.is_none();
            let reason = if state.documents.iter().any(is_unread) {
                "there is no such file; once there is one, it is shown"
            } else {
                "the file is gone"
            };
            lose(state, &path, reason);
        }
        FileEvent::Unreadable(path, reason) => lose(state, &path, &reason),
        FileEvent::Watching(path, watching) => {
            let found = state.documents.iter_mut().find(|open| open.path == path);
            let Some(open) = found else { return };
            let before = open.watching.replace(watching.clone());
            if let Watching::Polling(reason) = &watching
                && before.as_ref() != Some(&watching)
            {
                let (id, name) = (open.id, path.display());
                state.say(format!("{name} is looked at every so often: {reason}"));
                if let Some(notice) = &mut state.notice {
                    notice.polled = Some(id);
                }
            } else if watching == Watching::Native {
                // What was said of it is true no longer.
                let id = open.id;
                state.notice.take_if(|notice| notice.polled == Some(id));
            }
        }
    }
}

/// The file of a document can no longer be read: its last text stays, with a note; if there never
/// was one, the note is all there is.
fn lose(state: &mut State, path: &Path, reason: &str) {
    let found = state.documents.iter_mut().find(|open| open.path == path);
    match found {
        Some(open) if open.document.is_none() => open.work = Work::Failed(reason.to_owned()),
        Some(open) => open.lost = Some(reason.to_owned()),
        None => {}
    }
}

/// Has the map show the other thing that it can.
fn switch_lens(state: &mut State, effects: &mut Vec<Effect>) {
    if !state.has_errors {
        let text = "no head that marks errors is built in; the map shows words that look replaced";
        return state.say(text);
    }
    match &state.model {
        Model::Ready(_) => {}
        Model::Loading(_) => return state.say("the model is not loaded yet"),
        Model::Failed(_) => return state.say("there is no model to ask"),
    }
    let lens = match state.lens {
        Lens::Replaced => Lens::Errors,
        Lens::Errors => Lens::Replaced,
    };
    state.memory.lens = Some(lens);
    use_lens(state, lens, effects);
    effects.push(Effect::Remember(state.memory.clone()));
}

/// Asks of each word what `lens` says, and forgets what was said of the other.
fn use_lens(state: &mut State, lens: Lens, effects: &mut Vec<Effect>) {
    state.lens = lens;
    state.is_switching = true;
    state.model = Model::Loading("changing".into());
    // Each has a threshold of its own, and so has what was set by hand.
    std::mem::swap(&mut state.threshold, &mut state.other_threshold.0);
    std::mem::swap(&mut state.threshold_at_start, &mut state.other_threshold.1);
    state.list_top = None;
    // The thread drops what it has not done.
    state.suggesting = None;
    effects.push(Effect::Model(Job::Use(lens)));
    let now = state.flagging();
    for open in &mut state.documents {
        open.suggested.clear();
        open.readings = Readings::new(now);
        if let Some(job) = State::score(open) {
            open.work = Work::Waiting;
            effects.push(job);
        }
    }
}

fn model_reply(state: &mut State, reply: Reply, effects: &mut Vec<Effect>) {
    // Until the other model is there, whatever is said of a text is said by the one before.
    let is_late = matches!(
        reply,
        Reply::Scored { .. }
            | Reply::Finished { .. }
            | Reply::Failed { .. }
            | Reply::Suggested { .. }
    );
    if state.is_switching && is_late {
        return;
    }
    match reply {
        Reply::Loading(step) => state.model = Model::Loading(step),
        Reply::Loaded(summary) => {
            let is_trouble = |notice: &super::state::Notice| notice.is_error;
            if state.is_switching && !state.notice.as_ref().is_some_and(is_trouble) {
                let shown = match state.lens {
                    Lens::Replaced => "words that look replaced",
                    Lens::Errors => "errors",
                };
                state.say(format!(
                    "the map shows {shown}, as {} sees them",
                    summary.id
                ));
            }
            state.is_switching = false;
            if let Some(note) = &summary.note {
                state.say(note.clone());
            }
            state.model = Model::Ready(summary);
            let now = state.threshold();
            for open in &mut state.documents {
                open.set_threshold(now);
            }
        }
        Reply::LoadFailed(reason) if state.is_switching && state.lens == Lens::Errors => {
            use_lens(state, Lens::Replaced, effects);
            state.complain(reason);
        }
        Reply::LoadFailed(reason) => state.model = Model::Failed(reason),
        Reply::Scored {
            id,
            generation,
            reading,
            progress,
        } => {
            if let Some(open) = state.by_id(id).filter(|open| open.generation == generation) {
                open.insert(generation, reading);
                open.work = Work::Scoring(progress);
            }
        }
        Reply::Finished {
            id,
            generation,
            elapsed,
            computed,
            cached,
        } => {
            if let Some(open) = state.by_id(id).filter(|open| open.generation == generation) {
                open.readings.settle(generation);
                open.work = Work::Scored {
                    elapsed,
                    computed,
                    cached,
                };
            }
        }
        Reply::Suggested {
            id,
            generation,
            word,
            found,
        } => {
            let word = SuggestedFor {
                id,
                generation,
                word,
            };
            suggestions::reply(state, word, found);
        }
        Reply::Failed {
            id,
            generation,
            reason,
        } => {
            if let Some(open) = state.by_id(id).filter(|open| open.generation == generation) {
                open.work = Work::Failed(reason.clone());
                state.complain(reason);
            }
        }
    }
}

/// Documents of a folder that was named: all are opened.
fn documents_found(state: &mut State, found: &Found, effects: &mut Vec<Effect>) {
    let was_empty = state.documents.is_empty();
    for path in &found.paths {
        if !state.is_open(path) {
            state.add(path);
        }
    }
    // Once it has been looked through, a folder tells only of what is new in it.
    let is_new = !state.folders.contains(&found.root);
    if is_new && let Some(first) = found.paths.first() {
        let name = first.display();
        state.say(match found.paths.len() {
            1 => format!("new in the folder: {name}"),
            count => format!("new in the folder: {name} and {} more", count - 1),
        });
    }
    if found.is_last {
        state.folders.retain(|root| *root != found.root);
        if !is_new && state.documents.is_empty() && state.folders.is_empty() {
            state.complain(format!(
                "no documents (.md, .txt, .rst, .adoc, .tex …) in {}; o opens one by its path",
                found.root.display()
            ));
        }
    }
    state.read_eagerly(effects);
    if was_empty {
        refit(state);
    }
}

/// Documents to choose from.
fn documents_offered(state: &mut State, found: Found) {
    let shown = found.paths.iter().map(|path| path.display().to_string());
    state.offered.extend(shown);
    state.is_finding = !found.is_last;
    state.is_unsettled = true;
}
