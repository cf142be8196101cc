//! Bytes to lines and columns, and back.

/// Where a byte stands, for people: both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1. A byte order mark at the start of the text takes no column;
    /// the same character elsewhere is one, as in editors.
    pub column: usize,
}

/// The starts of a text's lines, in bytes. Lines end with `\n` or `\r\n`; a lone `\r` is no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineIndex {
    starts: Vec<u32>,
    len: u32,
}

impl LineIndex {
    /// Finds the lines of `text`. A text has at least one line; one that ends with a newline has an
    /// empty last line, as editors count.
    pub fn new(text: &str) -> LineIndex {
        let mut starts = vec![0];
        starts.extend(
            text.bytes()
                .enumerate()
                .filter(|&(_, byte)| byte == b'\n')
                .map(|(at, _)| at as u32 + 1),
        );
        LineIndex {
            starts,
            len: text.len() as u32,
        }
    }

    /// How many lines there are, at least one.
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// The line (from 0) that holds `byte`; bytes past the end belong to the last line.
    pub fn line_of(&self, byte: usize) -> usize {
        let byte = u32::try_from(byte).unwrap_or(u32::MAX);
        self.starts
            .partition_point(|&start| start <= byte)
            .saturating_sub(1)
    }

    /// The bytes of line `line` (from 0), its line end included; empty past the last line.
    pub fn span(&self, line: usize) -> super::Span {
        let end_of_text = self.len as usize;
        let start = self
            .starts
            .get(line)
            .map_or(end_of_text, |&start| start as usize);
        let end = self
            .starts
            .get(line + 1)
            .map_or(end_of_text, |&start| start as usize);
        super::Span::new(start, end)
    }

    /// Line and column of `byte` in `text`, the text that this index was made from.
    pub fn position(&self, text: &str, byte: usize) -> Position {
        let line = self.line_of(byte);
        let start = self.span(line).start();
        let before = text.get(start..byte).unwrap_or_default();
        let has_mark = start == 0 && before.starts_with('\u{feff}');
        let column = before.chars().count() + 1 - usize::from(has_mark);
        Position {
            line: line + 1,
            column,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let text = "naïve\r\nsecond 🙂 x";
        let lines = LineIndex::new(text);
        let at = |needle: &str| lines.position(text, text.find(needle).unwrap());
        assert_eq!(at("ve"), Position { line: 1, column: 4 });
        assert_eq!(at("second"), Position { line: 2, column: 1 });
        assert_eq!(
            at("x"),
            Position {
                line: 2,
                column: 10
            }
        );
    }

    #[test]
    fn the_character_of_the_mark_inside_a_text_takes_a_column() {
        for text in ["a\u{feff}x", "\n\u{feff}ax"] {
            let at = text.find('x').unwrap();
            assert_eq!(LineIndex::new(text).position(text, at).column, 3);
        }
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        let text = "\u{feff}word";
        assert_eq!(
            LineIndex::new(text).position(text, 3),
            Position { line: 1, column: 1 }
        );
    }

    #[test]
    fn an_empty_text_has_one_line() {
        let lines = LineIndex::new("");
        assert_eq!(lines.count(), 1);
        assert_eq!(lines.position("", 0), Position { line: 1, column: 1 });
        assert!(lines.span(7).is_empty());
    }
}
