//! Rows of text on a screen: where a line breaks, and what each grapheme looks like.
//!
//! Only the neighbourhood of what is asked for is laid out, so the cost is that of the screen and
//! not of the file. A very long line is cut into chunks first, each of which begins a row of its
//! own; where the chunks lie depends on the line alone. Nothing here can fail: a place past the end
//! is the end.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::{LineIndex, Span, stand_in};

/// Cells from one tab stop to the next.
const TAB: usize = 4;

/// Bytes after which a long line begins a new row, wherever it then ends.
const CHUNK: usize = 8 << 10;

/// How far a chunk may reach beyond that to end at white space, in bytes.
const REACH: usize = 256;

/// Characters of one grapheme that are shown; some texts stack hundreds of accents.
const GRAPHEME: usize = 12;

/// One grapheme on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyph<'a> {
    /// Its bytes in the document.
    pub span: Span,
    /// What is put into the cell; safe for every terminal.
    pub symbol: Cow<'a, str>,
    /// Cells it takes: 0 for what is invisible, up to 2, or more for a tab.
    pub width: usize,
    /// Whether the symbol stands for something that must not be shown.
    pub is_stand_in: bool,
}

/// One row of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line it belongs to, from 0.
    pub line: usize,
    /// Its bytes, the line's end not included.
    pub span: Span,
    /// Whether the line begins with it.
    pub opens_line: bool,
}

/// A text as rows of a certain width, in cells of a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Wrapped<'a> {
    text: &'a str,
    lines: &'a LineIndex,
    width: usize,
}

impl<'a> Wrapped<'a> {
    /// `text`, whose lines are `lines`, in rows of `width` cells.
    pub fn new(text: &'a str, lines: &'a LineIndex, width: u16) -> Wrapped<'a> {
        Wrapped {
            text,
            lines,
            width: usize::from(width.max(1)),
        }
    }

    /// Where the last row ends.
    pub fn end(&self) -> usize {
        self.text.len()
    }

    /// The rows from the one that holds `byte` on.
    pub fn rows_from(&self, byte: usize) -> impl Iterator<Item = Row> + use<'a> {
        let this = *self;
        let first = Chunk::at(&this, byte);
        let rows = this.rows(first);
        let skip = row_holding(&rows, byte);
        let mut chunk = first;
        let mut rows = rows.into_iter().skip(skip).collect::<Vec<_>>().into_iter();
        std::iter::from_fn(move || {
            loop {
                if let Some(row) = rows.next() {
                    return Some(row);
                }
                chunk = chunk.next(&this)?;
                rows = this.rows(chunk).into_iter();
            }
        })
    }

    /// The row that holds `byte`.
    pub fn row_at(&self, byte: usize) -> Row {
        let rows = self.rows(Chunk::at(self, byte));
        // A chunk has a row, even if it is an empty one.
        rows.get(row_holding(&rows, byte)).copied().unwrap_or(Row {
            line: 0,
            span: Span::default(),
            opens_line: true,
        })
    }

    /// The row `by` rows below the one that holds `byte` (above it if negative), or the last (first).
    pub fn row_beyond(&self, byte: usize, by: isize) -> Row {
        if by >= 0 {
            let mut last = None;
            for row in self.rows_from(byte).take(by.unsigned_abs() + 1) {
                last = Some(row);
            }
            return last.unwrap_or_else(|| self.row_at(byte));
        }
        let mut chunk = Chunk::at(self, byte);
        let mut rows = self.rows(chunk);
        let mut at = row_holding(&rows, byte);
        let mut left = by.unsigned_abs();
        while left > at {
            let Some(before) = chunk.previous(self) else {
                at = 0;
                left = 0;
                break;
            };
            left -= at + 1;
            chunk = before;
            rows = self.rows(chunk);
            at = rows.len().saturating_sub(1);
        }
        rows.get(at - left)
            .copied()
            .unwrap_or_else(|| self.row_at(byte))
    }

    /// How many rows lie between the one that holds `from` and the one that holds `to`, but not more
    /// than `limit`; nothing if `to` lies above.
    pub fn rows_between(&self, from: usize, to: usize, limit: usize) -> Option<usize> {
        let end = self.row_at(to).span;
        if end.start() < self.row_at(from).span.start() {
            return None;
        }
        let between = self
            .rows_from(from)
            .take(limit)
            .position(|row| row.span.start() >= end.start());
        Some(between.unwrap_or(limit))
    }

    /// The glyphs of a row, each with the column it begins at.
    pub fn glyphs(&self, row: Row) -> impl Iterator<Item = (usize, Glyph<'a>)> + use<'a> {
        let mut column = 0;
        graphemes(self.text, row.span).map(move |(span, grapheme)| {
            let glyph = glyph(span, grapheme, column);
            let at = column;
            column += glyph.width;
            (at, glyph)
        })
    }

    /// The column in cells at which `byte` stands in its row.
    pub fn column(&self, byte: usize) -> usize {
        let mut after = 0;
        for (column, glyph) in self.glyphs(self.row_at(byte)) {
            if glyph.span.end() > byte {
                return column;
            }
            after = column + glyph.width;
        }
        after
    }

    /// The byte of `row` that is shown at `column`, or its last grapheme's (its end, if `past_end`).
    pub fn byte_at(&self, row: Row, column: usize, past_end: bool) -> usize {
        let mut last = row.span.start();
        for (at, glyph) in self.glyphs(row) {
            if glyph.width > 0 && column < at + glyph.width {
                return glyph.span.start();
            }
            last = glyph.span.start();
        }
        if past_end { row.span.end() } else { last }
    }

    /// Breaks a chunk into rows: after white space where there is some, else where the row is full.
    fn rows(&self, chunk: Chunk) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut push = |start: usize, end: usize| {
            let opens_line = chunk.is_first && start == chunk.span.start();
            rows.push(Row {
                line: chunk.line,
                span: Span::new(start, end),
                opens_line,
            });
        };
        let mut start = chunk.span.start();
        let mut column = 0;
        // The last place at which the row may end, and the glyphs since then.
        let mut may_end = start;
        let mut since: Vec<(Span, &str)> = Vec::new();
        for (span, grapheme) in graphemes(self.text, chunk.span) {
            let is_space = grapheme.chars().all(char::is_whitespace);
            let width = glyph(span, grapheme, column).width;
            while !is_space && column + width > self.width && column > 0 {
                let end = if may_end > start {
                    may_end
                } else {
                    span.start()
                };
                push(start, end);
                start = end;
                if may_end < end {
                    since.clear();
                }
                // What moves down is measured again: a tab in it may have another width.
                column = since.iter().fold(0, |column, &(span, grapheme)| {
                    column + glyph(span, grapheme, column).width
                });
                may_end = start;
            }
            let width = glyph(span, grapheme, column).width;
            // Between wide characters a row may end anywhere.
            if width == 2 && !is_space && span.start() > start {
                may_end = span.start();
                since.clear();
            }
            // White space hangs over the edge rather than opening the next row.
            column = if is_space {
                (column + width).min(self.width)
            } else {
                column + width
            };
            since.push((span, grapheme));
            if is_space || width == 2 || matches!(grapheme, "-" | "–" | "—" | "/") {
                may_end = span.end();
                since.clear();
            }
        }
        push(start, chunk.span.end());
        rows
    }
}

/// The index of the row that holds `byte`: the last that begins at it or before.
fn row_holding(rows: &[Row], byte: usize) -> usize {
    rows.partition_point(|row| row.span.start() <= byte)
        .saturating_sub(1)
}

/// A line, or a part of a very long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    line: usize,
    span: Span,
    is_first: bool,
}

impl Chunk {
    /// The chunk that holds `byte`.
    fn at(wrapped: &Wrapped<'_>, byte: usize) -> Chunk {
        let line = wrapped.lines.line_of(byte.min(wrapped.text.len()));
        let content = content(wrapped.text, wrapped.lines, line);
        let byte = byte.clamp(content.start(), content.end());
        let mut number = (byte - content.start()) / CHUNK;
        if border(wrapped.text, content, number) > byte {
            number = number.saturating_sub(1);
        }
        Chunk::number(wrapped, line, content, number)
    }

    fn number(wrapped: &Wrapped<'_>, line: usize, content: Span, number: usize) -> Chunk {
        let start = border(wrapped.text, content, number);
        let end = border(wrapped.text, content, number + 1);
        Chunk {
            line,
            span: Span::new(start, end),
            is_first: start == content.start(),
        }
    }

    fn next(self, wrapped: &Wrapped<'_>) -> Option<Chunk> {
        let content = content(wrapped.text, wrapped.lines, self.line);
        if self.span.end() < content.end() {
            return Some(Chunk::at(wrapped, self.span.end()));
        }
        let line = self.line + 1;
        (line < wrapped.lines.count()).then(|| Chunk::at(wrapped, wrapped.lines.span(line).start()))
    }

    fn previous(self, wrapped: &Wrapped<'_>) -> Option<Chunk> {
        if !self.is_first {
            return Some(Chunk::at(wrapped, self.span.start() - 1));
        }
        let line = self.line.checked_sub(1)?;
        let content = content(wrapped.text, wrapped.lines, line);
        Some(Chunk::at(wrapped, content.end()))
    }
}

/// The bytes of a line without its end.
pub fn content(text: &str, lines: &LineIndex, line: usize) -> Span {
    let span = lines.span(line);
    let whole = span.of(text).unwrap_or_default();
    let bare = whole.strip_suffix('\n').map_or(whole, |bare| {
        // A lone carriage return is shown; one before the newline belongs to it.
        bare.strip_suffix('\r').unwrap_or(bare)
    });
    Span::new(span.start(), span.start() + bare.len())
}

/// Where chunk `number` of the line `content` begins.
fn border(text: &str, content: Span, number: usize) -> usize {
    let at = content.start() + number * CHUNK;
    if number == 0 {
        return content.start();
    }
    // A rest that is shorter than the reach is no chunk of its own.
    if at + REACH >= content.end() {
        return content.end();
    }
    let from = (at..content.end())
        .find(|&byte| text.is_char_boundary(byte))
        .unwrap_or(content.end());
    let to = (from + REACH..content.end())
        .find(|&byte| text.is_char_boundary(byte))
        .unwrap_or(content.end());
    let reach = text.get(from..to).unwrap_or_default();
    let space = reach
        .char_indices()
        .find(|(_, c)| c.is_whitespace())
        .map(|(at, c)| at + c.len_utf8());
    let inside = space.or_else(|| reach.grapheme_indices(true).nth(1).map(|(at, _)| at));
    from + inside.unwrap_or(0)
}

/// The graphemes in `span`, with their bytes in the document.
fn graphemes(text: &str, span: Span) -> impl Iterator<Item = (Span, &str)> {
    span.of(text)
        .unwrap_or_default()
        .grapheme_indices(true)
        .map(move |(at, grapheme)| {
            let start = span.start() + at;
            (Span::new(start, start + grapheme.len()), grapheme)
        })
}

/// What a grapheme that begins at `column` looks like.
fn glyph(span: Span, grapheme: &str, column: usize) -> Glyph<'_> {
    let plain = |symbol, width| Glyph {
        span,
        symbol,
        width,
        is_stand_in: false,
    };
    let mut chars = grapheme.chars();
    let (first, is_single) = (chars.next().unwrap_or(' '), chars.next().is_none());
    if first == '\t' {
        return plain(Cow::Borrowed(" "), TAB - column % TAB);
    }
    if is_single {
        if first.is_ascii_graphic() || first == ' ' {
            return plain(Cow::Borrowed(grapheme), 1);
        }
        if first == '\u{feff}' && span.start() == 0 {
            return plain(Cow::Borrowed(""), 0); // The file's byte order mark.
        }
        if let Some(shown) = stand_in(first) {
            return Glyph {
                span,
                symbol: Cow::Owned(shown.into()),
                width: 1,
                is_stand_in: true,
            };
        }
    }
    let symbol: Cow<'_, str> = if grapheme.chars().count() <= GRAPHEME
        && grapheme.chars().all(|c| stand_in(c).is_none())
    {
        Cow::Borrowed(grapheme)
    } else {
        let safe = grapheme.chars().filter(|&c| stand_in(c).is_none());
        Cow::Owned(safe.take(GRAPHEME).collect())
    };
    match symbol.width() {
        0 if symbol.chars().all(is_invisible) => plain(Cow::Borrowed(""), 0),
        // An accent with nothing to stand on gets the circle that typographers give it.
        0 => plain(Cow::Owned(format!("◌{symbol}")), 1),
        width @ 1..=2 => plain(symbol, width),
        _ => plain(narrowed(symbol), 2),
    }
}

/// The beginning of a cluster that fits into two cells. Some clusters are wider by the tables, such as an
/// emoji that takes no skin tone with one behind it; a terminal would draw them over what follows.
fn narrowed(symbol: Cow<'_, str>) -> Cow<'_, str> {
    let mut end = 0;
    for (at, c) in symbol.char_indices() {
        let next = at + c.len_utf8();
        if symbol.get(..next).is_none_or(|part| part.width() > 2) {
            break;
        }
        end = next;
    }
    match symbol {
        Cow::Borrowed(symbol) => Cow::Borrowed(symbol.get(..end).unwrap_or_default()),
        Cow::Owned(symbol) => Cow::Owned(symbol.get(..end).unwrap_or_default().to_owned()),
    }
}

/// Characters that are there to shape their neighbours and have no look of their own.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{2065}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str, width: u16) -> Vec<&str> {
        let lines = LineIndex::new(text);
        Wrapped::new(text, &lines, width)
            .rows_from(0)
            .map(|row| row.span.of(text).unwrap())
            .collect()
    }

    #[test]
    fn lines_break_after_white_space_and_long_words_where_they_must() {
        assert_eq!(
            rows("the boats wait\n\nhere", 9),
            ["the boats ", "wait", "", "here"]
        );
        assert_eq!(rows("unbelievable", 5), ["unbel", "ievab", "le"]);
        assert_eq!(rows("a unbelievable", 5), ["a ", "unbel", "ievab", "le"]);
        assert_eq!(rows("well-known", 6), ["well-", "known"]);
        assert_eq!(rows("", 5), [""]);
        assert_eq!(rows("x\r\n", 5), ["x", ""]);
    }

    #[test]
    fn white_space_hangs_over_the_edge() {
        assert_eq!(rows("abcde     fgh", 5), ["abcde     ", "fgh"]);
    }

    #[test]
    fn wide_characters_break_anywhere_and_never_in_half() {
        assert_eq!(rows("四五六七", 5), ["四五", "六七"]);
        assert_eq!(rows("ab四五", 3), ["ab", "四", "五"]);
        assert_eq!(rows("四", 1), ["四"]);
    }

    fn look(text: &str) -> Vec<(String, usize)> {
        let lines = LineIndex::new(text);
        let wrapped = Wrapped::new(text, &lines, 80);
        wrapped
            .glyphs(wrapped.row_at(0))
            .map(|(_, glyph)| (glyph.symbol.into_owned(), glyph.width))
            .collect()
    }

    #[test]
    fn what_is_dangerous_or_invisible_has_a_safe_look() {
        let pairs = |pairs: &[(&str, usize)]| -> Vec<(String, usize)> {
            pairs.iter().map(|(s, w)| ((*s).into(), *w)).collect()
        };
        assert_eq!(look("a\tb"), pairs(&[("a", 1), (" ", 3), ("b", 1)]));
        assert_eq!(look("\x1b[m"), pairs(&[("␛", 1), ("[", 1), ("m", 1)]));
        assert_eq!(
            look("\u{202e}x\u{9b}"),
            pairs(&[("�", 1), ("x", 1), ("�", 1)])
        );
        assert_eq!(
            look("e\u{301}四🙂"),
            pairs(&[("e\u{301}", 1), ("四", 2), ("🙂", 2)])
        );
        assert_eq!(look("\u{301}"), pairs(&[("◌\u{301}", 1)]));
        assert_eq!(look("\u{200b}x"), pairs(&[("", 0), ("x", 1)]));
        assert_eq!(look("\u{feff}x"), pairs(&[("", 0), ("x", 1)]));
        let zalgo = format!("z{}", "\u{300}".repeat(500));
        assert_eq!(
            look(&zalgo),
            [(format!("z{}", "\u{300}".repeat(GRAPHEME - 1)), 1)]
        );
    }

    #[test]
    fn a_line_of_many_megabytes_is_laid_out_a_piece_at_a_time() {
        let text = "word ".repeat(2_000_000);
        let lines = LineIndex::new(&text);
        let wrapped = Wrapped::new(&text, &lines, 80);
        let middle = wrapped.row_at(5_000_002);
        assert!(middle.span.start() <= 5_000_002 && 5_000_002 < middle.span.end());
        assert!(middle.span.len() <= 80 && !middle.opens_line);
        let below = wrapped.row_beyond(middle.span.start(), 30);
        assert_eq!(wrapped.row_beyond(below.span.start(), -30), middle);
        assert_eq!(
            wrapped.rows_between(middle.span.start(), below.span.start(), 99),
            Some(30)
        );
        let last = wrapped.row_beyond(text.len(), 5);
        assert_eq!(last.span.end(), text.len());
    }

    #[test]
    fn columns_and_bytes_find_each_other() {
        let text = "四 e\u{301}x\tend";
        let lines = LineIndex::new(text);
        let wrapped = Wrapped::new(text, &lines, 40);
        let row = wrapped.row_at(0);
        for (column, byte) in [(0, 0), (2, 3), (3, 4), (4, 7), (5, 8), (8, 9)] {
            assert_eq!(wrapped.column(byte), column);
            assert_eq!(wrapped.byte_at(row, column, false), byte);
        }
        assert_eq!(wrapped.byte_at(row, 1, false), 0);
        assert_eq!(wrapped.byte_at(row, 99, false), text.len() - 1);
        assert_eq!(wrapped.byte_at(row, 99, true), text.len());
    }

    proptest! {
        #[test]
        fn rows_tile_the_lines_and_fit(text in "[ a-z四🙂é\u{301}\t\n-]{0,300}", width in 2u16..30) {
            let lines = LineIndex::new(&text);
            let wrapped = Wrapped::new(&text, &lines, width);
            let rows: Vec<Row> = wrapped.rows_from(0).collect();
            let mut end = 0;
            for row in &rows {
                if row.opens_line {
                    prop_assert_eq!(row.span.start(), lines.span(row.line).start());
                } else {
                    prop_assert_eq!(row.span.start(), end);
                }
                end = row.span.end();
                let text = row.span.of(&text).unwrap().trim_end();
                let shown: usize = wrapped
                    .glyphs(*row)
                    .filter(|(_, glyph)| glyph.span.end() <= row.span.start() + text.len())
                    .map(|(_, glyph)| glyph.width)
                    .sum();
                prop_assert!(shown <= usize::from(width).max(4), "{shown} {row:?}");
            }
            for (at, row) in rows.iter().enumerate() {
                prop_assert_eq!(wrapped.row_at(row.span.start()), *row);
                prop_assert_eq!(wrapped.row_beyond(row.span.start(), -1), rows[at.saturating_sub(1)]);
                prop_assert_eq!(wrapped.row_beyond(0, at as isize), *row);
            }
        }
    }
}
