//! The panel: its tabs, and of the first one the word under the cursor and the flagged words.

mod heads;
mod suggestions;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::report::heat;
use crate::ui::areas::Areas;
use crate::ui::findings::items;
use crate::ui::open::{Open, Work};
use crate::ui::readings::Hot;
use crate::ui::state::{Model, Panel, State};
use crate::ui::suggested::shown;
use crate::worker::inference::Lens;
use electroscope_analysis::{Exemption, Token};
use electroscope_text::{Span, visible};

use super::pen::{Pen, cut, paragraph};

pub(super) fn draw(buffer: &mut Buffer, state: &State, areas: &Areas) {
    let theme = state.theme;
    let border = areas.panel_border;
    if border.height > 1 {
        for row in 0..border.height {
            Pen::new(buffer, border, row).put("│", theme.border());
        }
    } else {
        let line = "─".repeat(usize::from(border.width));
        Pen::new(buffer, border, 0).put(&line, theme.border());
    }
    let area = areas.panel;
    if area.is_empty() {
        return;
    }
    for (panel, x, title) in tabs(area) {
        let style = if panel == state.panel {
            theme.selected()
        } else {
            theme.faint()
        };
        let tab = Rect::new(x, area.y, area.right().saturating_sub(x), 1);
        Pen::new(buffer, tab, 0).put(&title, style);
    }
    let inside = Rect::new(
        area.x + 1.min(area.width),
        area.y,
        area.width.saturating_sub(2),
        area.height,
    );
    match state.panel {
        Panel::Heat => draw_heat(buffer, state, inside),
        Panel::Classify | Panel::Ask | Panel::Tag => heads::draw(buffer, state, inside),
    }
}

/// Rows of the panel above its list: tabs, a gap, what there is to say, a gap, the heading.
fn list_offset(state: &State, area: Rect) -> u16 {
    match (state.panel, area.height) {
        // The word takes two rows, or seven where there is height, and its suggestions up to six.
        (Panel::Heat, 30..) => 18,
        (Panel::Heat, 21..) => 15,
        (Panel::Heat, 17..) => 11,
        (Panel::Heat, _) => 4,
        _ => heads::list_offset(state, area),
    }
}

/// The tabs with the columns they begin at; as much of each title as there is room for.
fn tabs(area: Rect) -> Vec<(Panel, u16, String)> {
    let full: usize = Panel::ALL
        .iter()
        .map(|panel| panel.title().width() + 4)
        .sum();
    let is_tight = full > usize::from(area.width);
    let mut x = area.x;
    let mut tabs = Vec::new();
    for (at, panel) in Panel::ALL.into_iter().enumerate() {
        let title = if is_tight {
            format!("{} {} ", at + 1, cut(panel.title(), 5))
        } else {
            format!(" {} {} ", at + 1, panel.title())
        };
        let width = title.width() as u16;
        tabs.push((panel, x, title));
        x += width;
    }
    tabs
}

/// The tab at a place on the screen.
pub(in crate::ui) fn tab_at(areas: &Areas, at: Position) -> Option<Panel> {
    if at.y != areas.panel.y {
        return None;
    }
    let tabs = tabs(areas.panel);
    let (panel, ..) = tabs.iter().rev().find(|(_, x, _)| *x <= at.x)?;
    Some(*panel)
}

fn draw_heat(buffer: &mut Buffer, state: &State, area: Rect) {
    let theme = state.theme;
    if let Model::Failed(reason) = &state.model {
        let width = usize::from(area.width);
        for (row, line) in paragraph(reason, width).iter().enumerate() {
            Pen::new(buffer, area, row as u16 + 2).put(line, theme.bad());
        }
        return;
    }
    let Some(open) = state.document() else { return };
    let offset = list_offset(state, area);
    let is_tall = offset > 4;
    match open.word() {
        Some((word, pieces)) => {
            let below = draw_word(buffer, state, open, word, &pieces, area, is_tall);
            // A row is left free before them and after.
            let rows = Rect::new(
                area.x,
                area.y + below + 1,
                area.width,
                (offset - 1).saturating_sub(below + 2),
            );
            suggestions::draw(buffer, state, open, word, rows.intersection(area));
        }
        None => {
            let text = match open.work {
                Work::Scored { .. } if open.readings.words() == 0 => {
                    "There is no prose in this document."
                }
                Work::Scored { .. } => "Not scored: no prose under the cursor.",
                Work::Failed(_) => "",
                _ => "The model has not read this place yet.",
            };
            let rows = paragraph(text, usize::from(area.width));
            for (row, line) in rows.iter().enumerate().take(usize::from(offset) - 2) {
                Pen::new(buffer, area, 2 + row as u16 - u16::from(!is_tall))
                    .put(line, theme.faint());
            }
        }
    }

    let flagged = open.readings.flagged();
    let mut pen = Pen::new(buffer, area, offset - 1);
    let order = if state.by_p { " by p" } else { "" };
    pen.put("Flagged", theme.strong())
        .put(&format!(" {flagged}{order}"), theme.faint());
    let hint = "]d next  [d back";
    if pen.room() > hint.width() {
        pen.right(hint.width()).put(hint, theme.faint());
    }
    let rows = usize::from(area.height.saturating_sub(offset));
    let top = top_of_list(state, flagged, here(state, open), rows);
    let here = open.word().map(|(word, _)| word.span);
    let listed = flagged_from(state, open, top, rows);
    for (row, word) in listed.into_iter().enumerate() {
        draw_flagged(buffer, state, open, word, here, area, offset + row as u16);
    }
    if flagged == 0 && rows > 0 {
        let text = match open.work {
            Work::Scored { .. } if open.readings.words() > 0 => match state.lens {
                Lens::Replaced => "none: every word fits its place",
                Lens::Errors => "none: no word looks like an error",
            },
            _ => "",
        };
        Pen::new(buffer, area, offset).put(text, theme.faint());
    }
}

/// Up to `rows` flagged words in the order of the list, from number `from` on.
fn flagged_from(state: &State, open: &Open, from: usize, rows: usize) -> Vec<Hot> {
    if state.by_p {
        let words = open.readings.flagged_by_p().iter();
        words.skip(from).take(rows).copied().collect()
    } else {
        open.readings.flagged_from(from).take(rows).collect()
    }
}

/// The flagged word of this number in the list.
pub(in crate::ui) fn flagged_at(state: &State, number: usize) -> Option<Hot> {
    let words = flagged_from(state, state.document()?, number, 1);
    words.first().copied()
}

/// The flagged words that the list shows.
pub(in crate::ui) fn flagged_in_list(state: &State, areas: &Areas) -> Vec<Hot> {
    let rows = rows_of_list(state, areas);
    state.document().map_or(Vec::new(), |open| {
        flagged_from(state, open, list_top(state, areas), rows)
    })
}

/// A row of the list of flagged words.
fn draw_flagged(
    buffer: &mut Buffer,
    state: &State,
    open: &Open,
    word: Hot,
    here: Option<Span>,
    area: Rect,
    row: u16,
) {
    let theme = state.theme;
    let place = open.lines.position(open.text(), word.span.start());
    let is_here = here == Some(word.span);
    let style = if is_here {
        theme.selected()
    } else {
        Style::new()
    };
    let mut pen = Pen::new(buffer, area, row);
    if is_here {
        pen.fill(style);
    }
    let place = format!("{}:{}", place.line, place.column);
    pen.put(if is_here { "▸" } else { " " }, style)
        .put(&format!("{place:>7} "), style.patch(theme.faint()));
    let room = pen.room().saturating_sub(5);
    let text = visible(&open.word_text(word.span));
    pen.put_cut(&text, room, style);
    let room = room.saturating_sub(text.width());
    if let Some(better) = open.suggested.better(word.span).next() {
        let better = format!(" → {}", shown(&better.replacement));
        pen.put_cut(&better, room, style.patch(theme.faint()));
    }
    let level = heat::level(word.p, state.threshold());
    let p = format!("{:.2}", word.p);
    pen.right(p.width())
        .put(&p, style.patch(theme.heat(level, false)));
}

/// Draws the word under the cursor; the row below what was drawn.
fn draw_word(
    buffer: &mut Buffer,
    state: &State,
    open: &Open,
    word: Hot,
    pieces: &[Token],
    area: Rect,
    is_tall: bool,
) -> u16 {
    const BAR: usize = 10;
    let theme = state.theme;
    let text = visible(&open.word_text(word.span));
    let threshold = state.threshold();
    let level = heat::level(word.p, threshold);
    let p = format!("p {:.2}", word.p);
    let first = if is_tall { 2 } else { 1 };
    let mut pen = Pen::new(buffer, area, first);
    let room = pen.room().saturating_sub(p.width() + 1);
    pen.put_cut(&text, room, theme.strong());
    pen.right(p.width())
        .put(&p, theme.heat(level, word.is_flagged));

    let share = open.readings.share_above(word.p) * 100.0;
    let share = match share {
        share if share < 0.1 => format!("top {share:.2} % here"),
        share if share < 10.0 => format!("top {share:.1} % here"),
        share => format!("top {share:.0} % here"),
    };
    let filled = ((word.p * BAR as f32).round() as usize).min(BAR);
    let (_, color) = theme.mark(level.max(1));
    let mut pen = Pen::new(buffer, area, first + 1);
    pen.put(&"▇".repeat(filled), color)
        .put(&"▁".repeat(BAR - filled), theme.border())
        .put(&format!("  {share}"), theme.faint());
    if !is_tall {
        return first + 2;
    }
    let mut rows = paragraph(&in_words(state, open, word), usize::from(area.width));
    rows.truncate(3);
    for (row, line) in rows.iter().enumerate() {
        Pen::new(buffer, area, first + 2 + row as u16).put(line, Style::new());
    }
    let below = first + 2 + rows.len() as u16;
    // A single piece is the word itself.
    if pieces.len() < 2 {
        return below;
    }
    let shown: Vec<String> = pieces
        .iter()
        .map(|piece| {
            let text = visible(&open.word_text(piece.span));
            let is_first = piece.span.start() == word.span.start();
            let mark = if is_first { "" } else { "##" };
            // Kept together when the row is broken.
            format!("{mark}{text}\u{a0}{:.2}", piece.p)
        })
        .collect();
    let text = format!("pieces {}", shown.join("  "));
    let rows = paragraph(&text, usize::from(area.width));
    for (row, line) in rows.iter().enumerate().take(2) {
        Pen::new(buffer, area, below + row as u16).put(line, theme.faint());
    }
    below + rows.len().min(2) as u16
}

/// What p means, for people.
fn in_words(state: &State, open: &Open, word: Hot) -> String {
    match open.exemption(word.span).filter(|_| word.is_exempt) {
        Some(Exemption::Accepted) => {
            return "Accepted: a dictionary has it. Not flagged.".to_owned();
        }
        Some(Exemption::Silenced(_)) => {
            return "Silenced by a mark in the text. Not flagged.".to_owned();
        }
        None => {}
    }
    let p = word.p;
    let threshold = state.threshold();
    let level = heat::level(p, threshold);
    let kind = (word.kind).filter(|_| word.is_judged && state.lens == Lens::Errors);
    let of_kind = kind.map(|kind| match (level, kind.description()) {
        (0, _) => "No error, says the head.".to_owned(),
        (1 | 2, _) => "Hardly an error, and not flagged.".to_owned(),
        (3 | 4, kind) => format!("Perhaps {kind}: look at it again."),
        (5 | 6, kind) => format!("Probably {kind}."),
        (_, kind) => format!("Almost certainly {kind}."),
    });
    let meaning = match level {
        _ if !word.is_judged => "Punctuation, which is scored but not flagged.",
        0 if state.lens == Lens::Errors => "No error, says the head.",
        1 | 2 if state.lens == Lens::Errors => "Hardly an error, and not flagged.",
        3 | 4 if state.lens == Lens::Errors => "Perhaps an error: look at it again.",
        5 | 6 if state.lens == Lens::Errors => "Probably an error, of spelling, form or choice.",
        _ if state.lens == Lens::Errors => "Almost certainly an error, says the head.",
        0 => "It fits its place.",
        1 | 2 => "A little unexpected here, not flagged.",
        3 | 4 => "Doubtful: another word may belong here.",
        5 | 6 => "Very doubtful: the model expects another word.",
        _ => "It hardly belongs here, says the model.",
    };
    let meaning = of_kind.unwrap_or_else(|| meaning.to_owned());
    let Model::Ready(model) = &state.model else {
        return meaning;
    };
    match model.false_alarms {
        Some(share) if word.is_flagged && threshold >= model.threshold && share > 0.0 => format!(
            "{meaning} At most 1 in {:.0} words of good prose is as hot.",
            1.0 / share
        ),
        _ => meaning,
    }
}

/// The first row of a list of `count` things of which `rows` can be seen: where it was scrolled to,
/// else such that number `here` is in view.
fn top_of_list(state: &State, count: usize, here: usize, rows: usize) -> usize {
    let last = count.saturating_sub(rows.max(1));
    match state.list_top {
        Some(top) => top.min(last),
        None => here.saturating_sub(rows / 2).min(last),
    }
}

/// How many things the panel lists.
pub(in crate::ui) fn listed(state: &State) -> usize {
    state.document().map_or(0, |open| match state.panel {
        Panel::Heat => open.readings.flagged(),
        panel => items(panel, &open.findings).len(),
    })
}

/// The number of the thing that the cursor stands at or behind, in the panel's list.
fn here(state: &State, open: &Open) -> usize {
    match state.panel {
        Panel::Heat if state.by_p => {
            let word = open.word().map(|(word, _)| word.span);
            let mut words = open.readings.flagged_by_p().iter();
            let at = words.position(|other| Some(other.span) == word);
            at.unwrap_or(0)
        }
        Panel::Heat => open.readings.flagged_before(open.cursor),
        Panel::Ask => open.findings.chosen,
        Panel::Classify => open
            .findings
            .units
            .before(open.cursor + 1)
            .saturating_sub(1),
        Panel::Tag => {
            let tags = &open.findings.tags;
            tags.partition_point(|tag| tag.span.end() <= open.cursor)
        }
    }
}

/// Rows of the panel's list.
fn rows_of_list(state: &State, areas: &Areas) -> usize {
    let offset = list_offset(state, areas.panel);
    usize::from(areas.panel.height.saturating_sub(offset))
}

/// The number of the first thing that is seen in the panel's list.
pub(in crate::ui) fn list_top(state: &State, areas: &Areas) -> usize {
    let rows = rows_of_list(state, areas);
    state.document().map_or(0, |open| {
        top_of_list(state, listed(state), here(state, open), rows)
    })
}

/// The kind of tag in screen row `y`, if the legend is there.
pub(in crate::ui) fn legend_at(state: &State, areas: &Areas, y: u16) -> Option<usize> {
    heads::legend_at(state, areas.panel, y.checked_sub(areas.panel.y)?)
}

/// The number of the thing in screen row `y`.
pub(in crate::ui) fn listed_at(state: &State, areas: &Areas, y: u16) -> Option<usize> {
    let row = y.checked_sub(areas.panel.y + list_offset(state, areas.panel))?;
    let number = list_top(state, areas) + usize::from(row);
    (number < listed(state)).then_some(number)
}
