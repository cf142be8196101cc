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
use crate::ui::state::{Popup, State};
use crate::ui::update::choices_for;
use electroscope_analysis::{HeadSource, Task};
use electroscope_text::visible;

use super::pen::{Pen, cut_front};
use super::spinner;

/// Rows of the help, headings and gaps included.
pub(in crate::ui) const HELP_ROWS: usize = {
    let mut rows = 0;
    let mut at = 0;
    while at < GROUPS.len() {
        rows += GROUPS[at].1.len() + 2;
        at += 1;
    }
    rows - 1
};

/// Draws a popup; where the cursor is if something is typed in it.
pub(super) fn draw(buffer: &mut Buffer, state: &State, popup: &Popup) -> Option<Position> {
    match popup {
        Popup::Help(top) => {
            draw_help(buffer, state, *top);
            None
        }
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
        Popup::Search { .. } | Popup::Question(..) => None,
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

fn draw_help(buffer: &mut Buffer, state: &State, top: usize) {
    let theme = state.theme;
    let height = buffer.area().height;
    let inner = frame(
        buffer,
        state,
        (64, height.saturating_sub(2).max(5)),
        " Keys · j k scroll · any other key closes ",
    );
    let mut rows: Vec<(String, &str, bool)> = Vec::new();
    for (at, (heading, bindings)) in GROUPS.iter().enumerate() {
        if at > 0 {
            rows.push((String::new(), "", false));
        }
        rows.push((String::new(), heading, true));
        for binding in *bindings {
            let keys: Vec<String> = binding.keys.split(' ').map(keymap::display).collect();
            rows.push((keys.join("  "), binding.help, false));
        }
    }
    // The last screen is full, not a single row.
    let last = rows.len().saturating_sub(usize::from(inner.height));
    for (row, (keys, text, is_heading)) in rows
        .iter()
        .skip(top.min(last))
        .take(usize::from(inner.height))
        .enumerate()
    {
        let mut pen = Pen::new(buffer, inner, row as u16);
        if *is_heading {
            pen.skip(1).put(text, theme.strong());
        } else {
            pen.put(&format!("{keys:>18}"), theme.accent())
                .skip(2)
                .put(text, Style::new());
        }
    }
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
