//! Rows above the text that say why it, or its tints, are not what they seem: the file is gone or can no
//! longer be read, or the model failed. Unlike a notice they stay for as long as that is so.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::open::Work;
use crate::ui::state::{Model, State};
use electroscope_text::visible;

use super::pen::{Pen, cut, paragraph};

/// The most rows of it.
const ROWS: usize = 3;

/// How many rows a screen part of `width` cells needs for it.
pub(in crate::ui) fn banner_rows(state: &State, width: u16) -> u16 {
    rows(state, width).len() as u16
}

pub(super) fn draw(buffer: &mut Buffer, state: &State, area: Rect) {
    for (row, line) in rows(state, area.width).iter().enumerate() {
        let style = state.theme.bad();
        let mut pen = Pen::new(buffer, area, row as u16);
        pen.fill(style);
        pen.skip(1).put(line, style);
    }
}

/// What is said, broken into rows; the last one is cut if there is more.
fn rows(state: &State, width: u16) -> Vec<String> {
    let Some(text) = text(state) else {
        return Vec::new();
    };
    let width = usize::from(width).saturating_sub(2).max(1);
    let mut rows = paragraph(&visible(&text), width);
    if let Some(rest) = rows.get(ROWS - 1..).filter(|rest| rest.len() > 1) {
        let last = cut(&rest.join(" "), width);
        rows.truncate(ROWS - 1);
        rows.push(last);
    }
    rows
}

/// What is said: what is untrue first, then why, for the end may be cut.
fn text(state: &State) -> Option<String> {
    let open = state.document()?;
    // Without a text, the reason stands in its place.
    open.document.as_ref()?;
    if let Some(reason) = &open.lost {
        return Some(format!("✗ last text, not the file: {reason}"));
    }
    match (&open.work, &state.model) {
        (Work::Failed(reason), _) => Some(format!("✗ not scored: {reason}")),
        (_, Model::Failed(reason)) => Some(format!("✗ not scored: {reason}")),
        _ => None,
    }
}
