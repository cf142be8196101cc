//! The last row: where the reader stands, or what was just said, or what is being searched for.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::ui::state::{Model, Popup, State};
use crate::worker::files::Watching;
use crate::worker::inference::Lens;
use electroscope_text::visible;

use super::pen::{Pen, cut_front};
use super::spinner;

/// Draws the row; where the cursor is if something is typed in it.
pub(super) fn draw(buffer: &mut Buffer, state: &State, area: Rect) -> Option<Position> {
    let theme = state.theme;
    let typed = match &state.popup {
        Some(Popup::Search { prompt, .. }) => Some(("/", prompt)),
        Some(Popup::Question(prompt, _)) => Some(("question: ", prompt)),
        _ => None,
    };
    if let Some((sign, prompt)) = typed {
        let mut pen = Pen::new(buffer, area, 0);
        // Of a long line its end is seen, where the cursor mostly is.
        let room = pen.room().saturating_sub(sign.width() + 2);
        let before = cut_front(&visible(prompt.before_cursor()), room);
        pen.put(sign, theme.accent()).put(&before, Style::new());
        let at = Position::new(pen.x(), area.y);
        let after = prompt.text().get(prompt.before_cursor().len()..);
        pen.put(after.unwrap_or_default(), Style::new());
        if let Some(notice) = &state.notice {
            pen.skip(2).put(&notice.text, theme.bad());
        }
        return (!area.is_empty()).then_some(at);
    }
    if let Some(notice) = &state.notice {
        let style = if notice.is_error {
            theme.bad()
        } else {
            theme.strong()
        };
        let mut pen = Pen::new(buffer, area, 0);
        let room = pen.room();
        pen.skip(1).put_cut(&notice.text, room, style);
        return None;
    }
    let hints = hints(state, area.width);
    let room = usize::from(area.width).saturating_sub(hints.width() + 1);
    let parts = parts(state);
    let mut pen = Pen::new(buffer, area, 0);
    let mut used = 0;
    for (text, style) in parts {
        // What comes first matters most; what does not fit is left out whole.
        let width = text.width() + 2;
        if used + width > room && used > 0 {
            continue;
        }
        pen.put(if used == 0 { " " } else { "  " }, Style::new())
            .put_cut(&text, room.saturating_sub(used + 1), style);
        used += width;
    }
    pen.right(hints.width()).put(&hints, theme.faint());
    None
}

/// What stands at the right end: a count that is being typed, a search that goes on, or some keys.
fn hints(state: &State, width: u16) -> String {
    if let Some(count) = state.count {
        return match count.panel() {
            Some(panel) => format!("{} … a motion, or {} ", count.number, panel.title()),
            None => format!("{} … a motion ", count.number),
        };
    }
    if state.seeking.is_some() {
        return format!("{} searching, Esc stops ", spinner(state));
    }
    let hints = if width < 70 {
        "? help "
    } else {
        "? help  : command  q quit "
    };
    hints.to_owned()
}

/// What there is to say, the most important first.
fn parts(state: &State) -> Vec<(String, Style)> {
    let theme = state.theme;
    let mut parts = Vec::new();
    let Some(open) = state.document() else {
        return parts;
    };
    let name = open.path.file_name().map_or_else(
        || open.path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    parts.push((visible(&name), theme.strong()));
    if let Some(silence) = state.silence() {
        parts.push((silence, theme.bad()));
    }
    let place = open.lines.position(open.text(), open.cursor);
    parts.push((format!("{}:{}", place.line, place.column), Style::new()));
    if let Some((word, _)) = open.word() {
        let text = visible(&open.word_text(word.span));
        parts.push((format!("{text} {:.2}", word.p), Style::new()));
    }
    let threshold = state.threshold();
    let share = match &state.model {
        Model::Ready(model) if threshold == model.threshold => model.false_alarms,
        _ => None,
    };
    let share = match share {
        Some(share) if share > 0.0 => format!(" (1 in {:.0} clean words)", 1.0 / share),
        _ => String::new(),
    };
    let lens = match state.lens {
        Lens::Replaced => "",
        Lens::Errors => "errors, ",
    };
    let text = format!("{lens}threshold {threshold:.2}{share}");
    parts.push((text, theme.faint()));
    let watching = match &open.watching {
        _ if open.path == Path::new(crate::worker::pipe::NAME) => None,
        _ if open.lost.is_some() => None,
        Some(Watching::Native) => Some("watching ●"),
        Some(Watching::Polling(_)) => Some("polling ◌"),
        None => None,
    };
    parts.extend(watching.map(|text| (text.to_owned(), theme.faint())));
    // Where the map can show one thing only, nobody asks which.
    if state.has_errors && state.lens == Lens::Replaced {
        parts.push(("replaced words".to_owned(), theme.faint()));
    }
    parts
}
