//! The text as a heat map, its gutter, and the strip that shows the whole file.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use crate::report::heat;
use crate::ui::areas::Areas;
use crate::ui::open::{Open, Work};
use crate::ui::readings::Hot;
use crate::ui::state::{Model, Panel, State};
use electroscope_text::{Row, Span};

use super::pen::{Pen, paragraph};
use super::{layer, spinner};

/// Draws the document; where its cursor is, if that is on the screen.
pub(super) fn draw(buffer: &mut Buffer, state: &State, areas: &Areas) -> Option<Position> {
    let Some(open) = state.document() else {
        draw_nothing(buffer, state, areas.text);
        return None;
    };
    if open.document.is_none() {
        draw_absence(buffer, state, open, areas.text);
        return None;
    }
    let area = areas.text;
    let wrapped = open.wrapped(area.width);
    let rows: Vec<Row> = wrapped
        .rows_from(open.top)
        .take(usize::from(area.height))
        .collect();
    let visible = match (rows.first(), rows.last()) {
        (Some(first), Some(last)) => Span::new(first.span.start(), last.span.end()),
        _ => Span::default(),
    };
    let painter = Painter {
        state,
        open,
        words: open.readings.words_in(visible).collect(),
        layer: layer::layer(state, open, visible),
        matches: state.search.as_ref().map_or(Vec::new(), |search| {
            search.in_rows(open.text(), rows.iter().map(|row| row.span))
        }),
        under_cursor: open.word().map(|(word, _)| word.span),
        threshold: state.threshold(),
        is_settled: matches!(open.work, Work::Scored { .. }),
    };
    for (at, row) in rows.iter().enumerate() {
        let y = area.y + at as u16;
        painter.gutter(buffer, *row, areas.gutter, at as u16);
        for (column, glyph) in wrapped.glyphs(*row) {
            let x = usize::from(area.x) + column;
            if glyph.width == 0 || x >= usize::from(area.right()) {
                continue;
            }
            let style = painter.style(glyph.span.start(), glyph.is_stand_in);
            if let Some(cell) = buffer.cell_mut((x as u16, y)) {
                cell.set_symbol(&glyph.symbol).set_style(style);
            }
            // A tab is many cells, a wide character two; all of them have its colour.
            for x in (x + 1..x + glyph.width).take_while(|&x| x < usize::from(area.right())) {
                if let Some(cell) = buffer.cell_mut((x as u16, y)) {
                    cell.set_style(style);
                }
            }
        }
    }
    strip(buffer, state, open, areas, &rows, visible);
    let (row, _) = open.cursor_row(area.width, area.height)?;
    let last = area.width.checked_sub(1)?;
    let column = (wrapped.column(open.cursor) as u16).min(last);
    Some(Position::new(area.x + column, area.y + row as u16))
}

/// The highest level of heat of a word that was accepted or silenced.
const EXEMPT: u8 = 2;

/// What is needed to colour one screen of text.
struct Painter<'a> {
    state: &'a State,
    open: &'a Open,
    /// Words, and matches of the search, on the screen; in order.
    words: Vec<Hot>,
    matches: Vec<Span>,
    /// What the head of the panel says, where that is not the heat map.
    layer: Vec<layer::Painted>,
    under_cursor: Option<Span>,
    threshold: f32,
    /// Whether what is not scored now never will be.
    is_settled: bool,
}

impl Painter<'_> {
    fn style(&self, byte: usize, is_stand_in: bool) -> Style {
        let theme = self.state.theme;
        let holds = |spans: &[Span]| {
            let at = spans.partition_point(|span| span.end() <= byte);
            spans.get(at).is_some_and(|span| span.contains(byte))
        };
        let at = self.words.partition_point(|word| word.span.end() <= byte);
        let word = self.words.get(at).filter(|word| word.span.contains(byte));
        let mut style = match word {
            Some(_) if self.state.panel != Panel::Heat => Style::new(),
            Some(word) if word.is_judged => {
                let level = heat::level(word.p, self.threshold);
                // A word that was accepted or silenced stays as warm as one that is not flagged.
                let level = match word.is_exempt {
                    true => level.min(EXEMPT),
                    false => level,
                };
                theme.heat(level, word.is_flagged)
            }
            Some(_) => Style::new(),
            None if self.is_settled => theme.faint(),
            None => Style::new(),
        };
        let at = self.layer.partition_point(|(span, _)| span.end() <= byte);
        if let Some((_, over)) = self.layer.get(at).filter(|(span, _)| span.contains(byte)) {
            style = style.patch(*over);
        }
        if is_stand_in {
            style = style.patch(theme.faint()).add_modifier(Modifier::REVERSED);
        }
        if word.is_some() && word.map(|word| word.span) == self.under_cursor {
            style = style.patch(theme.under_cursor());
        }
        if holds(&self.matches) {
            style = style.patch(theme.found());
        }
        style
    }

    /// The mark and the number of a line; a row that goes on has neither number nor mark of others.
    fn gutter(&self, buffer: &mut Buffer, row: Row, area: Rect, at: u16) {
        let theme = self.state.theme;
        let (glyph, style) = layer::row_mark(self.state, self.open, row.span);
        let digits = usize::from(area.width).saturating_sub(2);
        let mut pen = Pen::new(buffer, area, at);
        pen.put_cut(&glyph, 1, style);
        pen.right(usize::from(area.width).saturating_sub(1));
        if row.opens_line {
            let is_here = self.open.lines.line_of(self.open.cursor) == row.line;
            let style = if is_here {
                theme.strong()
            } else {
                theme.faint()
            };
            pen.put(&format!("{:>digits$} ", row.line + 1), style);
        }
    }
}

/// The whole file from top to bottom, the hottest word of each part, and what of it is visible. A
/// file that is on the screen as a whole has its marks beside its rows.
fn strip(
    buffer: &mut Buffer,
    state: &State,
    open: &Open,
    areas: &Areas,
    rows: &[Row],
    visible: Span,
) {
    let theme = state.theme;
    let cells = usize::from(areas.strip.height);
    let len = open.text().len().max(1);
    let is_whole = open.top == 0 && visible.end() >= open.wrapped(areas.text.width).end();
    let marks = if is_whole && state.panel == Panel::Heat {
        let threshold = state.threshold();
        let level = |row: &Row| {
            let hottest = open.readings.hottest_in(row.span);
            hottest.map_or(0, |p| heat::level(p, threshold))
        };
        let mut marks: Vec<_> = (rows.iter())
            .map(|row| layer::mark(theme, level(row)))
            .collect();
        marks.resize(cells, None);
        marks
    } else {
        layer::strip(state, open, cells, len)
    };
    let cell_of = |byte: usize| (byte as u64 * cells as u64 / len as u64) as usize;
    let (first, last) = (cell_of(visible.start()), cell_of(visible.end()));
    for (cell, mark) in marks.into_iter().enumerate() {
        let is_visible = !is_whole && (first..=last).contains(&cell);
        let (glyph, style) = match mark {
            Some(mark) => mark,
            None if is_visible => ("▎", theme.faint()),
            None => ("▏", theme.border()),
        };
        let style = if is_visible {
            let shade = theme.selected();
            style.bg(shade.bg.unwrap_or(ratatui::style::Color::Reset))
        } else {
            style
        };
        Pen::new(buffer, areas.strip, cell as u16).put(glyph, style);
    }
}

/// The document has no text yet, or never will.
fn draw_absence(buffer: &mut Buffer, state: &State, open: &Open, area: Rect) {
    let theme = state.theme;
    let (text, style) = match &open.work {
        Work::Failed(reason) => (format!("{}: {reason}", open.path.display()), theme.bad()),
        _ => (
            format!("{} reading {}", spinner(state), open.path.display()),
            theme.faint(),
        ),
    };
    let inner = Rect::new(
        area.x + 1.min(area.width),
        area.y + 1.min(area.height),
        area.width.saturating_sub(2),
        area.height.saturating_sub(1),
    );
    for (row, line) in paragraph(&text, usize::from(inner.width))
        .iter()
        .enumerate()
    {
        Pen::new(buffer, inner, row as u16).put(line, style);
    }
}

/// No document is open.
fn draw_nothing(buffer: &mut Buffer, state: &State, area: Rect) {
    let theme = state.theme;
    let lines = [
        (
            "Electroscope shows which words of a text carry doubt.",
            theme.strong(),
        ),
        ("", Style::new()),
        ("o   open a document", Style::new()),
        ("?   all keys", Style::new()),
        ("q   quit", Style::new()),
    ];
    let looking = format!("{} looking for documents", spinner(state));
    let top = area.height.saturating_sub(lines.len() as u16) / 3;
    for (row, (line, style)) in lines.iter().enumerate() {
        let mut pen = Pen::new(buffer, area, top + row as u16);
        pen.skip(2).put(line, *style);
    }
    if !state.folders.is_empty() {
        let mut pen = Pen::new(buffer, area, top + lines.len() as u16 + 1);
        pen.skip(2).put(&looking, theme.faint());
    }
    if let Model::Failed(reason) = &state.model {
        let below = top + lines.len() as u16 + 1;
        let width = usize::from(area.width.saturating_sub(4));
        for (row, line) in paragraph(reason, width).iter().enumerate() {
            let mut pen = Pen::new(buffer, area, below + row as u16);
            pen.skip(2).put(line, theme.bad());
        }
    }
}
