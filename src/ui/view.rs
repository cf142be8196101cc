//! State to frame. Nothing here can fail, block, or change what it draws.

mod banner;
mod documents;
mod header;
mod heatmap;
mod layer;
mod panel;
mod pen;
mod popup;
mod status;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use super::areas::Areas;
use super::open::{Open, Work};
use super::state::{Model, State};

pub(super) use banner::banner_rows;
pub(super) use documents::document_at;
pub(super) use panel::{
    flagged_at, flagged_in_list, legend_at, list_top, listed, listed_at, tab_at,
};
pub(super) use popup::help_rows;

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, state: &State) {
    if let Some(cursor) = draw_on(frame.buffer_mut(), state) {
        frame.set_cursor_position(cursor);
    }
}

/// Draws the whole screen on `buffer`; where the cursor is to be, if anywhere.
pub(super) fn draw_on(buffer: &mut Buffer, state: &State) -> Option<Position> {
    let areas = Areas::of(state);
    header::draw(buffer, state, areas.header);
    documents::draw(buffer, state, &areas);
    banner::draw(buffer, state, areas.banner);
    let in_text = heatmap::draw(buffer, state, &areas);
    panel::draw(buffer, state, &areas);
    let in_status = status::draw(buffer, state, areas.status);
    popup::draw_continuations(buffer, state, areas.text);
    match &state.popup {
        Some(popup) => popup::draw(buffer, state, popup).or(in_status),
        None => in_text,
    }
}

/// A sign that something moves.
fn spinner(state: &State) -> &'static str {
    const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
    FRAMES
        .get(state.frame % FRAMES.len())
        .copied()
        .unwrap_or("⠋")
}

/// The state of the work on a document in a word or two.
fn work_in_words(state: &State, open: &Open) -> String {
    match &open.work {
        Work::Listed => "not read".into(),
        Work::Reading => format!("{} reading", spinner(state)),
        Work::Waiting => match &state.model {
            Model::Failed(_) => "not scored".into(),
            _ => format!("{} waiting", spinner(state)),
        },
        Work::Scoring(progress) => format!("{} {:.0} %", spinner(state), progress * 100.0),
        Work::Scored { elapsed, .. } => format!("{} ✓", duration_in_words(*elapsed)),
        Work::Failed(_) => "failed ✗".into(),
    }
}

fn duration_in_words(duration: std::time::Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", duration.as_secs_f32()),
        _ => format!("{} min {} s", ms / 60_000, ms / 1_000 % 60),
    }
}
