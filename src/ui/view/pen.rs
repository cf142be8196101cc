//! Writes a row from left to right, and stops where it has to.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use electroscope_text::visible;

/// A place in a row that moves to the right as it writes.
pub(super) struct Pen<'a> {
    buffer: &'a mut Buffer,
    x: u16,
    y: u16,
    end: u16,
}

impl<'a> Pen<'a> {
    /// A pen at the start of row `row` of `area`; one that cannot write if there is no such row.
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect, row: u16) -> Pen<'a> {
        let area = area.intersection(*buffer.area());
        let end = if row < area.height {
            area.right()
        } else {
            area.x
        };
        Pen {
            buffer,
            x: area.x,
            y: area.y.saturating_add(row),
            end,
        }
    }

    /// Cells that are left.
    pub(super) fn room(&self) -> usize {
        usize::from(self.end.saturating_sub(self.x))
    }

    /// Writes `text` as far as there is room; what must not reach a terminal is replaced.
    pub(super) fn put(&mut self, text: &str, style: Style) -> &mut Self {
        let room = self.room();
        if room > 0 {
            let (x, _) = self
                .buffer
                .set_stringn(self.x, self.y, visible(text), room, style);
            self.x = x;
        }
        self
    }

    /// Writes `text`, or its beginning and `…` if it does not fit into `room` cells.
    pub(super) fn put_cut(&mut self, text: &str, room: usize, style: Style) -> &mut Self {
        let cut = cut(&visible(text), room.min(self.room()));
        self.put(&cut, style)
    }

    /// Moves `by` cells to the right.
    pub(super) fn skip(&mut self, by: usize) -> &mut Self {
        self.x = self.x.saturating_add(by as u16).min(self.end);
        self
    }

    /// Moves to where a text of `width` cells ends the row, if that is further to the right.
    pub(super) fn right(&mut self, width: usize) -> &mut Self {
        let x = self.end.saturating_sub(width as u16);
        self.x = self.x.max(x);
        self
    }

    /// Lays `style` over the cells from here to the end of the row.
    pub(super) fn fill(&mut self, style: Style) {
        let width = self.end.saturating_sub(self.x);
        self.buffer
            .set_style(Rect::new(self.x, self.y, width, 1), style);
    }

    /// The column that comes next.
    pub(super) fn x(&self) -> u16 {
        self.x
    }
}

/// `text` if it is at most `room` cells wide, else its beginning and `…`.
pub(super) fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut width = 0;
    for grapheme in text.graphemes(true) {
        width += grapheme.width();
        if width + 1 > room {
            break;
        }
        kept.push_str(grapheme);
    }
    if room > 0 {
        kept.push('…');
    }
    kept
}

/// `text` if it is at most `room` cells wide, else `…` and its end: for paths, which differ there.
pub(super) fn cut_front(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut width = 0;
    for grapheme in text.graphemes(true).rev() {
        width += grapheme.width();
        if width + 1 > room {
            break;
        }
        kept.push(grapheme);
    }
    let end: String = kept.into_iter().rev().collect();
    if room > 0 { format!("…{end}") } else { end }
}

/// Breaks `text` into rows of at most `width` cells, at spaces where there are some.
pub(super) fn paragraph(text: &str, width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for line in text.split('\n') {
        let mut row = String::new();
        for word in line.split(' ') {
            let mut word = visible(word);
            let gap = usize::from(!row.is_empty());
            if row.width() + gap + word.width() > width && !row.is_empty() {
                rows.push(std::mem::take(&mut row));
            }
            while word.width() > width && width > 1 {
                let mut head = String::new();
                for grapheme in word.graphemes(true) {
                    if head.width() + grapheme.width() > width {
                        break;
                    }
                    head.push_str(grapheme);
                }
                if head.is_empty() {
                    break;
                }
                word.replace_range(..head.len(), "");
                rows.push(head);
            }
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(&word);
        }
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_either_end_by_cells() {
        assert_eq!(cut("notes.md", 8), "notes.md");
        assert_eq!(cut("notes.md", 5), "note…");
        assert_eq!(cut("四五六", 4), "四…");
        assert_eq!(cut_front("docs/notes.md", 9), "…notes.md");
        assert_eq!(cut_front("x", 0), "");
    }

    #[test]
    fn paragraphs_break_at_spaces_and_in_words_that_are_too_long() {
        assert_eq!(paragraph("a bc def", 4), ["a bc", "def"]);
        assert_eq!(
            paragraph("abcdefg h\n\ni", 3),
            ["abc", "def", "g h", "", "i"]
        );
        assert_eq!(paragraph("四五", 1), ["四五"]);
    }

    #[test]
    fn a_pen_without_a_row_writes_nothing() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        Pen::new(&mut buffer, Rect::new(0, 0, 4, 1), 1).put("text", Style::new());
        Pen::new(&mut buffer, Rect::new(9, 9, 4, 1), 0).put("text", Style::new());
        Pen::new(&mut buffer, Rect::new(0, 0, 4, 1), 0).put("a\x1b[2Jb", Style::new());
        assert_eq!(buffer, Buffer::with_lines(["a␛[2"]));
    }
}
