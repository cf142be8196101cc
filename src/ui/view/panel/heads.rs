//! The panels of the heads: which head it is, what it says of the place under the cursor, and the
//! list of all that it found.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::ui::findings::{HeadState, HeadWork, Item, ReadyHead, items};
use crate::ui::open::Open;
use crate::ui::state::{Panel, State};
use crate::ui::view::layer::item_style;
use crate::ui::view::pen::{Pen, cut, cut_front, paragraph};
use crate::ui::view::{duration_in_words, spinner};
use electroscope_analysis::{Task, UnitKind};
use electroscope_text::visible;

use super::{here, top_of_list};

/// Labels that are shown with a bar.
const BARS: usize = 4;

/// Kinds that the legend names.
const LEGEND: usize = 8;

/// Rows above the list.
pub(super) fn list_offset(state: &State, area: Rect) -> u16 {
    // Tabs, a gap, the head, what is asked.
    let above = 4;
    let own = match state.panel {
        Panel::Classify => state
            .ready()
            .map_or(0, |head| head.summary.labels.len().min(BARS)),
        Panel::Tag => legend(state).len(),
        Panel::Ask | Panel::Heat => 0,
    };
    let whole = above + own as u16 + 2;
    // Where there is little height the list goes before the rest.
    if whole + 3 <= area.height {
        whole
    } else {
        above + 1
    }
}

/// The kinds that the legend names, those that occur: number, name, count.
fn legend(state: &State) -> Vec<(usize, String, usize)> {
    let (Some(head), Some(open)) = (state.ready(), state.document()) else {
        return Vec::new();
    };
    let mut kinds: Vec<(usize, String, usize)> = (open.findings.counts.iter().enumerate())
        .filter(|&(kind, &count)| count > 0 || state.filter == Some(kind))
        .filter_map(|(kind, &count)| Some((kind, head.kinds.get(kind)?.clone(), count)))
        .collect();
    kinds.sort_by_key(|&(kind, _, count)| (std::cmp::Reverse(count), kind));
    kinds.truncate(LEGEND);
    kinds
}

pub(super) fn draw(buffer: &mut Buffer, state: &State, area: Rect) {
    let Some(task) = state.panel.task() else {
        return;
    };
    match &state.heads[task] {
        HeadState::Absent => draw_absence(buffer, state, area, task),
        HeadState::Loading(step) => {
            let text = format!("{} {step}", spinner(state));
            draw_text(buffer, area, 2, &text, state.theme.faint());
        }
        HeadState::Failed(reason) => {
            let row = draw_text(buffer, area, 2, reason, state.theme.bad());
            let hint = "m chooses another head.";
            draw_text(buffer, area, row + 1, hint, state.theme.faint());
        }
        HeadState::Ready(head) => draw_head(buffer, state, area, task, head),
    }
}

/// Writes a text broken into rows; the row after the last.
fn draw_text(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) -> u16 {
    let rows = paragraph(text, usize::from(area.width));
    for (at, line) in rows.iter().enumerate() {
        Pen::new(buffer, area, row + at as u16).put(line, style);
    }
    row + rows.len() as u16
}

/// No head has been chosen: what it would do, and how to get one.
fn draw_absence(buffer: &mut Buffer, state: &State, area: Rect, task: Task) {
    let what = match task {
        Task::Classification => "Labels for the document, its paragraphs or its sentences.",
        Task::QuestionAnswering => "Answers to a question, found in the text.",
        Task::Tagging => "A label for every word: names, parts of speech.",
    };
    let row = draw_text(buffer, area, 2, what, Style::new());
    let need = "No head is chosen for it. m lists those that can be had; the folder of a \
        fine-tuned checkpoint or a hub id can be typed there too.";
    draw_text(buffer, area, row + 1, need, state.theme.faint());
}

fn draw_head(buffer: &mut Buffer, state: &State, area: Rect, task: Task, head: &ReadyHead) {
    let theme = state.theme;
    let summary = &head.summary;
    let mut pen = Pen::new(buffer, area, 2);
    let runs = format!(" · {} {}", summary.device, summary.precision);
    let work = state.document().map(|open| &open.findings.work[task]);
    let (work, style) = match work {
        Some(HeadWork::Reading) => (spinner(state).to_owned(), theme.faint()),
        Some(HeadWork::Done(elapsed)) => {
            (format!("{} ✓", duration_in_words(*elapsed)), theme.good())
        }
        Some(HeadWork::Failed(_)) => ("✗".to_owned(), theme.bad()),
        Some(HeadWork::Idle) | None => (String::new(), theme.faint()),
    };
    let room = pen.room().saturating_sub(work.width() + 1);
    // Folders differ at their end, and so do hub ids.
    let id = cut_front(&visible(&summary.id), room.saturating_sub(runs.width()));
    pen.put(&id, theme.faint()).put(&runs, theme.faint());
    pen.right(work.width()).put(&work, style);

    let Some(open) = state.document() else { return };
    if let HeadWork::Failed(reason) = &open.findings.work[task] {
        draw_text(buffer, area, 4, reason, theme.bad());
        return;
    }
    match state.panel {
        Panel::Classify => draw_labels(buffer, state, open, head, area),
        Panel::Ask => draw_question(buffer, state, area),
        Panel::Tag => draw_legend(buffer, state, area),
        Panel::Heat => {}
    }
    draw_list(buffer, state, open, head, area);
}

/// What is classified, and the labels of the unit under the cursor.
fn draw_labels(buffer: &mut Buffer, state: &State, open: &Open, head: &ReadyHead, area: Rect) {
    const BAR: usize = 8;
    let theme = state.theme;
    let unit = match state.unit {
        UnitKind::Document => "the document as a whole",
        UnitKind::Paragraph => "by paragraph",
        UnitKind::Sentence => "by sentence",
    };
    let mut pen = Pen::new(buffer, area, 3);
    pen.put(unit, Style::new());
    let hint = "u other units";
    if pen.room() > hint.width() + 1 {
        pen.right(hint.width()).put(hint, theme.faint());
    }
    if super::list_offset(state, area) <= 5 {
        return;
    }
    let here = electroscope_text::Span::new(open.cursor, open.cursor + 1);
    let unit = open.findings.units.touching(here).first().or_else(|| {
        let all = open.findings.units.all();
        all.first().filter(|_| state.unit == UnitKind::Document)
    });
    let Some(unit) = unit else {
        let text = match open.findings.work[Task::Classification] {
            HeadWork::Done(_) => "no unit of prose under the cursor",
            _ => "",
        };
        Pen::new(buffer, area, 4).put(text, theme.faint());
        return;
    };
    let p = &unit.item.p;
    let order = electroscope_analysis::decode::ranked(p);
    for (row, &label) in order.iter().enumerate().take(BARS) {
        let (Some(&p), Some(name)) = (p.get(label), head.summary.labels.get(label)) else {
            continue;
        };
        let mut pen = Pen::new(buffer, area, 4 + row as u16);
        let shown = format!("{p:.2}");
        let filled = ((p.clamp(0.0, 1.0) * BAR as f32).round() as usize).min(BAR);
        let room = pen.room().saturating_sub(BAR + shown.width() + 3);
        let name = cut(&visible(name), room.min(14));
        let style = theme.label(label);
        pen.put(&name, if row == 0 { style } else { Style::new() })
            .skip(room.min(14).saturating_sub(name.width()) + 1)
            .put(&"▇".repeat(filled), style)
            .put(&"▁".repeat(BAR - filled), theme.border())
            .put(&format!(" {shown}"), Style::new());
    }
}

/// The question, and the case that there is no answer.
fn draw_question(buffer: &mut Buffer, state: &State, area: Rect) {
    let theme = state.theme;
    let mut pen = Pen::new(buffer, area, 3);
    let room = pen.room().saturating_sub(2);
    match &state.question {
        Some(question) => pen
            .put("? ", theme.accent())
            .put_cut(question, room, theme.strong()),
        None => pen.put("a asks a question", theme.faint()),
    };
}

/// What the colours mean, and how often each kind occurs.
fn draw_legend(buffer: &mut Buffer, state: &State, area: Rect) {
    let theme = state.theme;
    let filter = state.filter;
    let legend = legend(state);
    let mut pen = Pen::new(buffer, area, 3);
    let text = match filter {
        Some(_) => "one kind",
        None => "all kinds",
    };
    pen.put(text, Style::new());
    let hint = "f filters";
    if pen.room() > hint.width() + 1 {
        pen.right(hint.width()).put(hint, theme.faint());
    }
    if super::list_offset(state, area) <= 5 {
        return;
    }
    for (row, (kind, name, count)) in legend.iter().enumerate() {
        let mut pen = Pen::new(buffer, area, 4 + row as u16);
        let is_shown = filter.is_none_or(|wanted| wanted == *kind);
        let style = if is_shown {
            theme.label(*kind)
        } else {
            theme.faint()
        };
        pen.put("■ ", style);
        let count = count.to_string();
        let room = pen.room().saturating_sub(count.width() + 1);
        pen.put_cut(&visible(name), room, style);
        pen.right(count.width()).put(&count, theme.faint());
    }
}

fn draw_list(buffer: &mut Buffer, state: &State, open: &Open, head: &ReadyHead, area: Rect) {
    let theme = state.theme;
    let listed = items(state.panel, &open.findings);
    let offset = super::list_offset(state, area);
    let title = match state.panel {
        Panel::Classify => "Units",
        Panel::Ask => "Answers",
        _ if head.has_entities => "Entities",
        _ => "Words",
    };
    let mut pen = Pen::new(buffer, area, offset - 1);
    pen.put(title, theme.strong())
        .put(&format!(" {}", listed.len()), theme.faint());
    if let (Panel::Ask, Some(none)) = (state.panel, open.findings.no_answer) {
        pen.put(&format!("  none {:.2}", none.p), theme.faint());
    }
    let hint = "]d next  [d back";
    if pen.room() > hint.width() {
        pen.right(hint.width()).put(hint, theme.faint());
    }
    let rows = usize::from(area.height.saturating_sub(offset));
    let here = here(state, open);
    let top = top_of_list(state, listed.len(), here, rows);
    for (row, (number, item)) in listed.iter().enumerate().skip(top).take(rows).enumerate() {
        let is_here = match state.panel {
            Panel::Ask => number == here,
            _ => item.span.contains(open.cursor),
        };
        draw_item(
            buffer,
            state,
            open,
            head,
            item,
            is_here,
            area,
            offset + row as u16,
        );
    }
}

/// A row of the list: where, what, which label, how sure.
#[expect(clippy::too_many_arguments, reason = "a row is made of all these")]
fn draw_item(
    buffer: &mut Buffer,
    state: &State,
    open: &Open,
    head: &ReadyHead,
    item: &Item,
    is_here: bool,
    area: Rect,
    row: u16,
) {
    let theme = state.theme;
    let style = if is_here {
        theme.selected()
    } else {
        Style::new()
    };
    let mut pen = Pen::new(buffer, area, row);
    if is_here {
        pen.fill(style);
    }
    let place = open.lines.position(open.text(), item.span.start());
    let place = format!("{}:{}", place.line, place.column);
    pen.put(if is_here { "▸" } else { " " }, style)
        .put(&format!("{place:>7} "), style.patch(theme.faint()));
    let label = match state.panel {
        Panel::Classify => head.summary.labels.get(item.kind),
        Panel::Tag => head.kinds.get(item.kind),
        Panel::Ask | Panel::Heat => None,
    };
    let label = cut(&visible(label.map_or("", String::as_str)), 10);
    let p = format!("{:.2}", item.p);
    let gap = usize::from(!label.is_empty());
    let room = pen
        .room()
        .saturating_sub(label.width() + gap + p.width() + 1);
    // Of a paragraph its beginning, on one row.
    let source = item.span.of(open.text()).unwrap_or_default();
    let text = item.text.as_deref().unwrap_or(source);
    let text: String = text
        .split_whitespace()
        .take(40)
        .collect::<Vec<_>>()
        .join(" ");
    pen.put_cut(&visible(&text), room, style);
    pen.right(label.width() + gap + p.width());
    if gap > 0 {
        pen.put(&label, style.patch(item_style(state, item.kind, open)))
            .skip(1);
    }
    pen.put(&p, style.patch(theme.faint()));
}
