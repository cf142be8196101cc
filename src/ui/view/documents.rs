//! The open documents and how hot each is.

use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

use crate::ui::areas::Areas;
use crate::ui::open::{Open, Work};
use crate::ui::state::{Model, State};

use super::pen::{Pen, cut_front};
use super::spinner;

/// The first row is the heading.
const HEADING: usize = 1;

pub(super) fn draw(buffer: &mut Buffer, state: &State, areas: &Areas) {
    let theme = state.theme;
    for row in 0..areas.documents_border.height {
        Pen::new(buffer, areas.documents_border, row).put("│", theme.border());
    }
    let area = areas.documents;
    Pen::new(buffer, area, 0).put(" Documents", theme.faint());
    let top = top(state, areas);
    let rows = usize::from(area.height).saturating_sub(HEADING);
    for (row, (at, open)) in state
        .documents
        .iter()
        .enumerate()
        .skip(top)
        .take(rows)
        .enumerate()
    {
        let is_current = at == state.current;
        let state_text = state_of(state, open);
        let mut pen = Pen::new(buffer, area, (row + HEADING) as u16);
        if is_current {
            pen.fill(theme.selected());
        }
        let style = if is_current {
            theme.selected()
        } else {
            ratatui::style::Style::new()
        };
        let room = pen.room().saturating_sub(state_text.width() + 4);
        let name = electroscope_text::visible(&name_of(state, open));
        pen.put(if is_current { "▸ " } else { "  " }, style)
            .put(&cut_front(&name, room), style);
        let style = match open.work {
            Work::Failed(_) => style.patch(theme.bad()),
            _ if open.lost.is_some() => style.patch(theme.bad()),
            _ => style.patch(theme.faint()),
        };
        pen.right(state_text.width() + 1).put(&state_text, style);
    }
}

/// The name of the file, or its path where another open file has the same name.
fn name_of(state: &State, open: &Open) -> String {
    match open.path.file_name() {
        Some(name) if !state.is_name_shared(&open.path) => name.to_string_lossy().into_owned(),
        _ => open.path.display().to_string(),
    }
}

/// The number of flagged words, or a sign of why there is none.
fn state_of(state: &State, open: &Open) -> String {
    match &open.work {
        Work::Failed(_) => "✗".into(),
        _ if open.lost.is_some() => format!("{} ✗", open.readings.flagged()),
        Work::Listed => "–".into(),
        Work::Waiting if matches!(state.model, Model::Failed(_)) => "–".into(),
        Work::Reading | Work::Waiting | Work::Scoring(_) => spinner(state).into(),
        Work::Scored { .. } => open.readings.flagged().to_string(),
    }
}

/// The first document in the list that is visible.
fn top(state: &State, areas: &Areas) -> usize {
    let rows = usize::from(areas.documents.height)
        .saturating_sub(HEADING)
        .max(1);
    // The one that is shown stays in the middle of a list that is too long.
    let last = state.documents.len().saturating_sub(rows);
    state.current.saturating_sub(rows / 2).min(last)
}

/// The document that stands in screen row `y`.
pub(in crate::ui) fn document_at(state: &State, areas: &Areas, y: u16) -> Option<usize> {
    let row = usize::from(y.checked_sub(areas.documents.y)?).checked_sub(HEADING)?;
    Some(top(state, areas) + row)
}
