//! What lies over the text: the keys, the commands, the documents to open, and how a sequence of
//! keys may go on.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Block, BorderType, Clear, Widget};
use unicode_width::UnicodeWidthStr;

use crate::ui::keymap::{self, GROUPS};
use crate::ui::palette;
use crate::ui::prompt::Picker;
use crate::ui::state::{Help, Popup, State};
use crate::ui::suggested::shown;
use crate::ui::update::choices_for;
use electroscope_analysis::{HeadSource, Task};
use electroscope_text::{Span, visible};

use super::pen::{Pen, cut_front};
use super::spinner;

/// A row of the help: keys and what they do, a heading, or a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
enum HelpRow {
    Gap,
    Heading(&'static str),
    Keys(String, &'static str),
}

/// The rows of the help that fit its filter.
fn rows_of_help(help: &Help) -> Vec<HelpRow> {
    let wanted = help.filter.text().trim().to_lowercase();
    let fits = |texts: [&str; 3]| {
        wanted.is_empty() || (texts.iter()).any(|text| text.to_lowercase().contains(&wanted))
    };
    let mut rows = Vec::new();
    for (heading, bindings) in GROUPS {
        let bound = bindings.iter().filter_map(|binding| {
            let keys: Vec<String> = binding.keys.split(' ').map(keymap::display).collect();
            let keys = keys.join("  ");
            fits([&keys, binding.name, binding.help]).then_some((keys, binding.help))
        });
        let notes = keymap::NOTES
            .iter()
            .filter(|&&(group, keys, text)| group == *heading && fits([keys, text, heading]))
            .map(|&(_, keys, text)| (keys.to_owned(), text));
        let listed: Vec<HelpRow> = bound
            .chain(notes)
            .map(|(keys, text)| HelpRow::Keys(keys, text))
            .collect();
        if listed.is_empty() {
            continue;
        }
        if !rows.is_empty() {
            rows.push(HelpRow::Gap);
        }
        rows.push(HelpRow::Heading(heading));
        rows.extend(listed);
    }
    rows
}

/// Rows of the help, headings and gaps included.
pub(in crate::ui) fn help_rows(help: &Help) -> usize {
    rows_of_help(help).len()
}

/// Draws a popup; where the cursor is if something is typed in it.
pub(super) fn draw(buffer: &mut Buffer, state: &State, popup: &Popup) -> Option<Position> {
    match popup {
        Popup::Help(help) => draw_help(buffer, state, help),
        Popup::Palette(picker) => {
            let rows: Vec<(&str, &str, &str)> = palette::commands().collect();
            draw_picker(buffer, state, picker, " Commands ", &|at| {
                rows.get(at).map_or((String::new(), String::new()), |row| {
                    let (name, help, keys) = *row;
                    let keys: Vec<String> = keys.split(' ').map(keymap::display).collect();
                    (format!("{name:<18} {help}"), keys.join(" "))
                })
            })
        }
        Popup::Opener(picker) => {
            let title = if state.is_finding {
                format!(" Open {} ", spinner(state))
            } else {
                format!(" Open · {} documents here ", state.offered.len())
            };
            draw_picker(buffer, state, picker, &title, &|at| {
                let path = state.offered.get(at).cloned().unwrap_or_default();
                (path, String::new())
            })
        }
        Popup::Heads(task, picker) => {
            let listed = choices_for(state, *task);
            let title = match task {
                Task::Classification => " Heads that classify ",
                Task::QuestionAnswering => " Heads that answer questions ",
                Task::Tagging => " Heads that tag ",
            };
            draw_picker(buffer, state, picker, title, &|at| {
                let Some(choice) = listed.get(at) else {
                    return (String::new(), String::new());
                };
                let source = match choice.source {
                    HeadSource::BuiltIn => "built in",
                    HeadSource::Configured => "configured",
                    HeadSource::Cached => "cached",
                    HeadSource::Known => "to download",
                };
                let size = match choice.bytes {
                    // It is there whether it is used or not.
                    _ if choice.source == HeadSource::BuiltIn => source.to_owned(),
                    Some(bytes) => format!("{source} {:.0} MB", bytes as f64 / 1e6),
                    None => source.to_owned(),
                };
                (format!("{:<18} {}", choice.name, choice.about), size)
            })
        }
        Popup::Flagged(places, picker) => {
            let title = format!(" Flagged words · {} in all documents ", places.len());
            draw_picker(buffer, state, picker, &title, &|at| {
                places.get(at).map_or_else(Default::default, |place| {
                    (visible(&place.shown), format!("{:.2}", place.p))
                })
            })
        }
        Popup::Suggestions(word, picker) => draw_suggestions(buffer, state, word.word, picker),
        Popup::Search { .. } | Popup::Question(..) => None,
    }
}

/// The list of what could stand in the place of `word`.
fn draw_suggestions(
    buffer: &mut Buffer,
    state: &State,
    word: Span,
    picker: &Picker,
) -> Option<Position> {
    let open = state.document()?;
    let candidates = open.suggested.candidates(word);
    let text = visible(&open.word_text(word));
    let title = match open.suggested.of(word) {
        Some(Ok(Some(found))) => format!(
            " Instead of {text} · as it stands {:.0} % likely ",
            found.keep * 100.0
        ),
        _ => format!(" Instead of {text} "),
    };
    draw_picker(buffer, state, picker, &title, &|at| {
        let Some(one) = candidates.get(at) else {
            return (String::new(), String::new());
        };
        let mark = if one.is_verified { "✓" } else { " " };
        let left = format!("{mark} {}", visible(shown(&one.replacement)));
        let right = format!(
            "{}  p {:.2} → {:.2}  {:>3.0} %",
            one.kind.name(),
            one.p_before,
            one.p_after,
            one.certainty * 100.0
        );
        (left, right)
    })
}

/// Why the list of suggestions is empty.
fn suggestions_in_words(state: &State) -> &str {
    let found = match (&state.popup, state.document()) {
        (Some(Popup::Suggestions(word, _)), Some(open)) => open.suggested.of(word.word),
        _ => None,
    };
    match found {
        None => "looking …",
        Some(Ok(_)) => "nothing is suggested; type what is to stand here",
        Some(Err(reason)) => reason,
    }
}

/// An empty box in the middle of the screen; what is inside its border.
fn frame(buffer: &mut Buffer, state: &State, size: (u16, u16), title: &str) -> Rect {
    let screen = *buffer.area();
    let (width, height) = (size.0.min(screen.width), size.1.min(screen.height));
    let area = Rect::new(
        screen.x + (screen.width - width) / 2,
        screen.y + (screen.height - height) / 3,
        width,
        height,
    );
    Clear.render(area, buffer);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(state.theme.faint())
        .title(title)
        .title_style(state.theme.accent());
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

fn draw_help(buffer: &mut Buffer, state: &State, help: &Help) -> Option<Position> {
    /// Cells of the keys, right-aligned, and of a column with its gap.
    const KEYS: usize = 18;
    const COLUMN: u16 = 70;
    let theme = state.theme;
    let rows = rows_of_help(help);
    let (width, height) = (buffer.area().width, buffer.area().height);
    // As many columns as there is width for, and as are needed.
    let tallest = usize::from(height.saturating_sub(4)).max(1);
    let fitting = (width.saturating_sub(2) / COLUMN).max(1);
    let columns = fitting.min(rows.len().div_ceil(tallest).max(1) as u16);
    let title = if help.is_typing || !help.filter.text().is_empty() {
        " Keys · Enter keeps what is found, Esc shows all again "
    } else {
        " Keys · / finds · j k scroll · any other key closes "
    };
    let size = (
        (COLUMN * columns).max(64) + 2,
        height.saturating_sub(2).max(5),
    );
    let mut inner = frame(buffer, state, size, title);
    let mut cursor = None;
    if help.is_typing || !help.filter.text().is_empty() {
        let mut pen = Pen::new(buffer, inner, 0);
        let before = cut_front(&visible(help.filter.before_cursor()), pen.room() / 2);
        pen.put(" / ", theme.accent()).put(&before, Style::new());
        let at = Position::new(pen.x().min(inner.right().saturating_sub(1)), inner.y);
        cursor = (help.is_typing && !inner.is_empty()).then_some(at);
        let after = help.filter.text().get(help.filter.before_cursor().len()..);
        pen.put(after.unwrap_or_default(), Style::new());
        inner.y += 1;
        inner.height = inner.height.saturating_sub(1);
        if rows.is_empty() {
            let text = "no key does anything of that name";
            Pen::new(buffer, inner, 0).skip(3).put(text, theme.faint());
        }
    }
    let tall = usize::from(inner.height);
    let shown = tall * usize::from(columns);
    // The last screen is full, not a single row.
    let top = help.top.min(rows.len().saturating_sub(shown));
    for (at, row) in rows.iter().skip(top).take(shown).enumerate() {
        let (column, row_in_column) = (at / tall.max(1), at % tall.max(1));
        let x = inner.x + column as u16 * (inner.width / columns);
        let place = Rect::new(x, inner.y, inner.width / columns, inner.height);
        let mut pen = Pen::new(buffer, place, row_in_column as u16);
        match row {
            HelpRow::Gap => {}
            HelpRow::Heading(text) => {
                pen.skip(1).put(text, theme.strong());
            }
            HelpRow::Keys(keys, text) => {
                pen.put(&format!("{keys:>KEYS$}"), theme.accent())
                    .skip(2)
                    .put(text, Style::new());
            }
        }
    }
    cursor
}

fn draw_picker(
    buffer: &mut Buffer,
    state: &State,
    picker: &Picker,
    title: &str,
    entry: &dyn Fn(usize) -> (String, String),
) -> Option<Position> {
    let theme = state.theme;
    let screen = *buffer.area();
    let size = (
        screen.width.saturating_sub(4).clamp(20, 84),
        screen.height.saturating_sub(4).clamp(4, 20),
    );
    let inner = frame(buffer, state, size, title);
    let mut pen = Pen::new(buffer, inner, 0);
    let room = pen.room().saturating_sub(3);
    let before = cut_front(&visible(picker.prompt.before_cursor()), room);
    pen.put("› ", theme.accent()).put(&before, Style::new());
    let cursor = Position::new(pen.x().min(inner.right().saturating_sub(1)), inner.y);
    let after = picker
        .prompt
        .text()
        .get(picker.prompt.before_cursor().len()..);
    pen.put(after.unwrap_or_default(), Style::new());

    let rows = usize::from(inner.height.saturating_sub(1));
    let top = picker.selected.saturating_sub(rows.saturating_sub(1));
    for (row, (at, &index)) in picker
        .matches
        .iter()
        .enumerate()
        .skip(top)
        .take(rows)
        .enumerate()
    {
        let (left, right) = entry(index);
        let is_selected = at == picker.selected;
        let style = if is_selected {
            theme.selected()
        } else {
            Style::new()
        };
        let mut pen = Pen::new(buffer, inner, row as u16 + 1);
        if is_selected {
            pen.fill(style);
        }
        pen.put(if is_selected { "▸ " } else { "  " }, style);
        let room = pen.room().saturating_sub(right.width() + 1);
        pen.put_cut(&left, room, style);
        pen.right(right.width())
            .put(&right, style.patch(theme.faint()));
    }
    if picker.matches.is_empty() {
        let text = match (state.is_finding, picker.prompt.text().is_empty()) {
            (true, _) => "looking …",
            (false, true) if matches!(state.popup, Some(Popup::Heads(..))) => {
                "none is known; type the folder of one, or a hub id"
            }
            (false, true) if matches!(state.popup, Some(Popup::Suggestions(..))) => {
                suggestions_in_words(state)
            }
            (false, false) if matches!(state.popup, Some(Popup::Flagged(..))) => "nothing fits",
            (false, true) => "nothing here; type a path",
            (false, false) => "nothing fits; Enter takes it as it is",
        };
        Pen::new(buffer, inner, 1).skip(2).put(text, theme.faint());
    }
    if let Some(notice) = state.notice.as_ref().filter(|notice| notice.is_error) {
        let last = inner.height.saturating_sub(1);
        let mut pen = Pen::new(buffer, inner, last);
        let room = pen.room();
        pen.put_cut(&notice.text, room, theme.bad());
    }
    (!inner.is_empty()).then_some(cursor)
}

/// How the keys pressed so far may go on, in the lower right corner of the text.
pub(super) fn draw_continuations(buffer: &mut Buffer, state: &State, area: Rect) {
    if state.pressed.is_empty() || state.popup.is_some() {
        return;
    }
    let theme = state.theme;
    let rows = keymap::continuations(&state.pressed);
    let widest = rows
        .iter()
        .map(|(keys, help)| keys.width() + help.width() + 2);
    let width = (widest.max().unwrap_or(0) as u16 + 4).min(area.width);
    let height = (rows.len() as u16 + 2).min(area.height);
    let place = Rect::new(area.right() - width, area.bottom() - height, width, height);
    Clear.render(place, buffer);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.faint());
    let inner = block.inner(place);
    block.render(place, buffer);
    for (row, (keys, help)) in rows.iter().enumerate() {
        Pen::new(buffer, inner, row as u16)
            .skip(1)
            .put(keys, theme.accent())
            .skip(2)
            .put(help, Style::new());
    }
}
