//! The first row: the document and its count on the left, the model and its work on the right.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::ui::open::Work;
use crate::ui::state::{Model, State};
use electroscope_text::visible;

use super::pen::{Pen, cut, cut_front};
use super::{spinner, work_in_words};

/// Below this width there is room for the document and its state only.
const NARROW: usize = 64;

pub(super) fn draw(buffer: &mut Buffer, state: &State, area: Rect) {
    let theme = state.theme;
    let width = usize::from(area.width);
    let is_narrow = width < NARROW;
    let right = right_side(state, is_narrow);
    let right = cut(&right, (width / 2).max(width.saturating_sub(34)));

    let mut pen = Pen::new(buffer, area, 0);
    if !is_narrow {
        pen.put(" electroscope ", theme.accent());
    }
    let mut room = pen.room().saturating_sub(right.width() + 2);
    if let Some(open) = state.document() {
        let path = visible(&open.path.display().to_string());
        // Which of how many: the list of documents is not always there.
        let which = match state.documents.len() {
            0 | 1 => String::new(),
            count => format!("  {}/{count}", state.current + 1),
        };
        let path = cut_front(&path, room.saturating_sub(1 + which.width()).min(40));
        pen.put(" ", theme.strong())
            .put(&path, theme.strong())
            .put(&which, theme.faint());
        room = room.saturating_sub(path.width() + which.width() + 1);
        let fits = |counted: &String| counted.width() + 2 <= room;
        let counted = [is_narrow, true].map(|is_short| counted(state, is_short));
        if let Some(counted) = counted.iter().find(|counted| fits(counted)) {
            pen.skip(2).put(counted, theme.faint());
        }
    }
    let style = match (&state.model, state.document().map(|open| &open.work)) {
        (Model::Failed(_), _) | (_, Some(Work::Failed(_))) => theme.bad(),
        (Model::Ready(_), Some(Work::Scored { .. })) => theme.good(),
        _ => theme.faint(),
    };
    pen.right(right.width() + 1).put(&right, style);
}

/// How many words are flagged.
fn counted(state: &State, is_short: bool) -> String {
    let Some(open) = state.document() else {
        return String::new();
    };
    let (flagged, words) = (open.readings.flagged(), open.readings.words());
    match (&open.work, words) {
        (Work::Scored { .. }, 0) => "no prose to score".into(),
        (_, 0) => String::new(),
        _ if is_short => format!("{flagged} of {}", grouped(words)),
        (_, 1) => format!("{flagged} flagged of 1 word"),
        _ => format!("{flagged} flagged of {} words", grouped(words)),
    }
}

/// A number with its thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn right_side(state: &State, is_narrow: bool) -> String {
    match &state.model {
        Model::Loading(step) => format!("{} model: {step}", spinner(state)),
        Model::Failed(_) => "no model ✗".into(),
        Model::Ready(model) => {
            if let Some(open) = state.document().filter(|_| is_narrow) {
                return work_in_words(state, open);
            }
            let runs = format!("{} · {} {}", model.id, model.device, model.precision);
            match state.document() {
                Some(open) => format!("{runs} · {}", work_in_words(state, open)),
                None => runs,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let shown = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
