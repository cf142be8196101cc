//! What could stand in the place of the word under the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::report::heat;
use crate::ui::open::{Open, Work};
use crate::ui::readings::Hot;
use crate::ui::state::State;
use crate::ui::suggested::shown;
use crate::ui::view::pen::{Pen, paragraph};

/// Suggestions that are shown at most.
const MOST: usize = 5;

/// Draws the best suggestions for `word`, or why there are none, as far as `area` has rows.
pub(super) fn draw(buffer: &mut Buffer, state: &State, open: &Open, word: Hot, area: Rect) {
    let theme = state.theme;
    let found = open.suggested.of(word.span);
    // A heading alone says nothing.
    if area.height < 2 || (found.is_none() && !word.is_doubtful()) {
        return;
    }
    let mut pen = Pen::new(buffer, area, 0);
    pen.put("Instead", theme.strong());
    let better: Vec<_> = open.suggested.better(word.span).collect();
    if let Some(first) = better.first() {
        let before = format!("p {:.2} →", first.p_before);
        let (hint, place) = ("  s chooses", before.width() + AFTER - 1);
        if pen.room() > hint.width() + place {
            pen.put(hint, theme.faint());
        }
        // Its arrow stands before the column of p.
        pen.right(place).put(&before, theme.faint());
        let rows = usize::from(area.height - 1).min(MOST);
        for (row, one) in better.iter().take(rows).enumerate() {
            let level = heat::level(one.p_after, state.threshold());
            let p = format!("{:.2}", one.p_after);
            let certainty = format!(" {:>3.0} %", one.certainty * 100.0);
            let mut pen = Pen::new(buffer, area, row as u16 + 1);
            pen.skip(1);
            let room = pen.room().saturating_sub(AFTER);
            pen.put_cut(shown(&one.replacement), room, Style::new());
            pen.right(p.width() + certainty.width())
                .put(&p, theme.heat(level, false))
                .put(&certainty, theme.faint());
        }
        return;
    }
    let is_at_rest = matches!(open.work, Work::Scored { .. });
    let text = match found {
        None if is_at_rest => "looking …",
        None => "once the text has been read",
        Some(Ok(None)) => "Nothing can be put here: markup stands in it.",
        Some(Ok(Some(_))) => "No word fits better: it may only be rare. s shows what was tried.",
        Some(Err(reason)) => reason,
    };
    let rows = paragraph(text, usize::from(area.width));
    for (row, line) in rows.iter().enumerate().take(usize::from(area.height) - 1) {
        Pen::new(buffer, area, row as u16 + 1).put(line, theme.faint());
    }
}

/// Cells of a p and a certainty, and a gap before them.
const AFTER: usize = 11;
