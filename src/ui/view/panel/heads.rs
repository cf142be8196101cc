//! The panels of the heads: which head it is, what it says of the place under the cursor, and the
//! list of all that it found.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_width::UnicodeWidthStr;

use crate::ui::findings::{HeadState, HeadWork, Item, ReadyHead, items};
use crate::ui::open::{Open, on_border};
use crate::ui::state::{Panel, State};
use crate::ui::view::layer::item_style;
use crate::ui::view::pen::{Pen, cut, cut_front, paragraph};
use crate::ui::view::{duration_in_words, spinner};
use electroscope_analysis::{Task, UnitKind};
use electroscope_text::{Span, visible};

use super::{here, top_of_list};

/// Labels that are shown with a bar.
const BARS: usize = 4;

/// Kinds that the legend names.
const LEGEND: usize = 8;

/// Rows of the sentence that an answer stands in.
const SENTENCE: usize = 4;

/// The first row of what is said of the place under the cursor.
const DETAIL: u16 = 4;

/// Rows above the list.
pub(super) fn list_offset(state: &State, area: Rect) -> u16 {
    // Tabs, a gap, the head, what is asked.
    let above = 4;
    let own = match state.panel {
        Panel::Classify => state
            .ready()
            .map_or(0, |head| head.summary.labels.len().min(BARS)),
        Panel::Tag => legend(state).len(),
        Panel::Ask if !has_answers(state) => 0,
        Panel::Ask => usize::from(is_refused(state)) + 1 + SENTENCE,
        Panel::Heat => 0,
    };
    let whole = above + own as u16 + 2;
    // Where there is little height the list goes before the rest.
    if whole + 3 <= area.height {
        whole
    } else {
        above + 1
    }
}

/// The kinds that the legend names, the commonest that occur: number, name, count. The one that is
/// listed alone is always among them.
fn legend(state: &State) -> Vec<(usize, String, usize)> {
    let (Some(head), Some(open)) = (state.ready(), state.document()) else {
        return Vec::new();
    };
    let mut kinds = open.findings.kinds_by_count();
    kinds.truncate(LEGEND);
    if let Some(filter) = state.filter.filter(|filter| !kinds.contains(filter)) {
        kinds.truncate(LEGEND - 1);
        kinds.push(filter);
    }
    let counts = &open.findings.counts;
    let named = kinds.into_iter().filter_map(|kind| {
        let count = counts.get(kind).copied().unwrap_or(0);
        Some((kind, head.kinds.get(kind)?.clone(), count))
    });
    named.collect()
}

/// The kind in row `row` of the panel, if that is one of the legend.
pub(super) fn legend_at(state: &State, area: Rect, row: u16) -> Option<usize> {
    if state.panel != Panel::Tag || is_short(state, area) {
        return None;
    }
    let at = usize::from(row.checked_sub(DETAIL)?);
    legend(state).get(at).map(|&(kind, ..)| kind)
}

/// Whether the height is for the list only.
fn is_short(state: &State, area: Rect) -> bool {
    super::list_offset(state, area) <= DETAIL + 1
}

/// Whether there are answers to the question.
fn has_answers(state: &State) -> bool {
    let open = state.document();
    open.is_some_and(|open| !open.findings.answers.is_empty())
}

/// Whether the head says that there is no answer.
fn is_refused(state: &State) -> bool {
    let (Some(head), Some(open)) = (state.ready(), state.document()) else {
        return false;
    };
    open.findings.is_refused(head)
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
        Panel::Ask => draw_question(buffer, state, open, area),
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
    let hint = "U other units";
    if pen.room() > hint.width() + 1 {
        pen.right(hint.width()).put(hint, theme.faint());
    }
    if is_short(state, area) {
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

/// The question, whether it has an answer, and the sentence around the one that is chosen.
fn draw_question(buffer: &mut Buffer, state: &State, open: &Open, area: Rect) {
    let theme = state.theme;
    let mut pen = Pen::new(buffer, area, 3);
    let room = pen.room().saturating_sub(2);
    match &state.question {
        Some(question) => pen
            .put("? ", theme.accent())
            .put_cut(question, room, theme.strong()),
        None => pen.put("a asks a question", theme.faint()),
    };
    let findings = &open.findings;
    if is_short(state, area) {
        return;
    }
    let Some(answer) = findings.answers.get(findings.chosen) else {
        if matches!(findings.work[Task::QuestionAnswering], HeadWork::Done(_)) {
            let text = "there is no text to find an answer in";
            draw_text(buffer, area, DETAIL, text, theme.faint());
        }
        return;
    };
    let mut row = DETAIL;
    if let Some(none) = findings.no_answer.filter(|_| is_refused(state)) {
        let p = format!("{:.2}", none.p);
        let mut pen = Pen::new(buffer, area, row);
        pen.put("No answer in this text", theme.bad());
        pen.right(p.width()).put(&p, theme.faint());
        row += 1;
    }
    // A blank row between the question and the sentence.
    let place = Rect::new(area.x, area.y + row + 1, area.width, SENTENCE as u16);
    draw_sentence(buffer, state, open.text(), answer.span, place);
}

/// The text around `answer` in the rows of `area`, the answer underlined and in the middle of it.
fn draw_sentence(buffer: &mut Buffer, state: &State, text: &str, answer: Span, area: Rect) {
    let theme = state.theme;
    let one_line = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        visible(&words.join(" "))
    };
    let (before, after) = around(text, answer);
    let is_apart = |outside: &str, at_end: bool| {
        let c = if at_end {
            outside.chars().next_back()
        } else {
            outside.chars().next()
        };
        c.is_some_and(char::is_whitespace)
    };
    let (gap_before, gap_after) = (is_apart(before, true), is_apart(after, false));
    // Some room is lost where rows break.
    let cells = usize::from(area.width) * SENTENCE.saturating_sub(1);
    let inner = cut(
        &one_line(answer.of(text).unwrap_or_default()),
        cells * 3 / 4,
    );
    let each = cells.saturating_sub(inner.width()) / 2;
    let before = cut_front(&one_line(before), each);
    // What the one side does not need is the other's.
    let left = cells.saturating_sub(inner.width() + before.width());
    let after = cut(&one_line(after), left);
    let found = Style::new().add_modifier(Modifier::UNDERLINED);
    let (mut row, mut x) = (0, 0);
    let parts = [
        (before, theme.faint(), false),
        (inner, found, gap_before),
        (after, theme.faint(), gap_after),
    ];
    for (part, style, is_apart) in parts {
        for (at, word) in part.split(' ').filter(|word| !word.is_empty()).enumerate() {
            let gap = usize::from((at > 0 || is_apart) && x > 0);
            if x + gap + word.width() > usize::from(area.width) && x > 0 {
                (row, x) = (row + 1, 0);
            }
            let gap = if x > 0 { gap } else { 0 };
            let mut pen = Pen::new(buffer, area, row);
            pen.skip(x);
            // The gap within an answer is a part of it.
            pen.put(&" ".repeat(gap), if at > 0 { style } else { Style::new() })
                .put(word, style);
            x += gap + word.width();
        }
    }
}

/// What stands before and after `span` in its paragraph, as much as may be shown.
fn around(text: &str, span: Span) -> (&str, &str) {
    /// Bytes on either side.
    const MOST: usize = 600;
    let from = on_border(text, span.start().saturating_sub(MOST));
    let before = text.get(from..span.start()).unwrap_or_default();
    let after = text.get(span.end()..on_border(text, span.end() + MOST));
    let after = after.unwrap_or_default();
    // A blank line ends what an answer stands in.
    let starts = ["\n\n", "\n\r\n"].map(|blank| before.rfind(blank));
    let ends = ["\n\n", "\n\r\n"].map(|blank| after.find(blank));
    let start = starts.into_iter().flatten().max().unwrap_or(0);
    let end = ends.into_iter().flatten().min().unwrap_or(after.len());
    (
        before.get(start..).unwrap_or_default(),
        after.get(..end).unwrap_or_default(),
    )
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
    if is_short(state, area) {
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
        _ if head.has_entities => "Tags",
        _ => "Words",
    };
    let is_weak = state.panel == Panel::Ask && is_refused(state);
    let title = if is_weak { "Weak answers" } else { title };
    let mut pen = Pen::new(buffer, area, offset - 1);
    pen.put(title, theme.strong());
    let is_done = state
        .panel
        .task()
        .is_some_and(|task| matches!(open.findings.work[task], HeadWork::Done(_)));
    // Before the head has read all, nothing found yet is no number.
    if is_done || !listed.is_empty() {
        pen.put(&format!(" {}", listed.len()), theme.faint());
    } else if state.panel != Panel::Ask || state.question.is_some() {
        pen.put(&format!(" {}", spinner(state)), theme.faint());
    }
    if let (Panel::Ask, Some(none)) = (state.panel, open.findings.no_answer.filter(|_| !is_weak)) {
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
    let is_weak = state.panel == Panel::Ask && is_refused(state);
    let text_style = if is_weak {
        style.patch(theme.faint())
    } else {
        style
    };
    pen.put_cut(&visible(&text), room, text_style);
    pen.right(label.width() + gap + p.width());
    if gap > 0 {
        pen.put(&label, style.patch(item_style(state, item.kind, open)))
            .skip(1);
    }
    pen.put(&p, style.patch(theme.faint()));
}
