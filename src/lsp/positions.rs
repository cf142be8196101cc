//! Places in a text as the protocol counts them: lines, and in a line units of UTF-8 or UTF-16.

use std::sync::Arc;

use electroscope_text::Span;
use gen_lsp_types::{Position, Range};

/// The units that columns are counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Bytes.
    Utf8,
    /// What every client knows.
    #[default]
    Utf16,
}

impl Encoding {
    /// The first of the encodings that a client offers by these names which is known here.
    pub(super) fn negotiated<'n>(offered: impl IntoIterator<Item = &'n str>) -> Encoding {
        match offered.into_iter().any(|name| name == "utf-8") {
            true => Encoding::Utf8,
            false => Encoding::Utf16,
        }
    }

    /// Its name in the protocol.
    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16 => "utf-16",
        }
    }

    fn len(self, text: &str) -> usize {
        match self {
            Encoding::Utf8 => text.len(),
            Encoding::Utf16 => text.chars().map(char::len_utf16).sum(),
        }
    }
}

/// The lines of a text. As the protocol has it, they end with `\n`, `\r\n` or a lone `\r`.
#[derive(Debug)]
pub(super) struct Positions {
    text: Arc<str>,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl Positions {
    pub(super) fn new(text: Arc<str>, encoding: Encoding) -> Positions {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|&(at, &byte)| {
            byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
        });
        let starts = [0].into_iter().chain(ends.map(|(at, _)| at + 1)).collect();
        Positions {
            text,
            starts,
            encoding,
        }
    }

    /// The place of `byte`; what is past the end is the end.
    pub(super) fn position(&self, byte: usize) -> Position {
        let byte = byte.min(self.text.len());
        let line = self.starts.partition_point(|&start| start <= byte) - 1;
        let start = self.starts.get(line).copied().unwrap_or_default();
        let before = self.text.get(start..byte).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Position {
            line: number(line),
            character: number(self.encoding.len(before)),
        }
    }

    /// The byte at a place. One past the end of its line is the end of the line, and one inside of a
    /// character its start.
    pub(super) fn byte(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(&start) = self.starts.get(line) else {
            return self.text.len();
        };
        let next = self.starts.get(line + 1).copied();
        let line = self.text.get(start..next.unwrap_or(self.text.len()));
        let line = line.unwrap_or_default().trim_end_matches(['\r', '\n']);
        let wanted = position.character as usize;
        let mut units = 0;
        for (at, c) in line.char_indices() {
            units += match self.encoding {
                Encoding::Utf8 => c.len_utf8(),
                Encoding::Utf16 => c.len_utf16(),
            };
            if units > wanted {
                return start + at;
            }
        }
        start + line.len()
    }

    pub(super) fn range(&self, span: Span) -> Range {
        Range {
            start: self.position(span.start()),
            end: self.position(span.end()),
        }
    }

    /// The bytes of a range; none of one that ends before it starts.
    pub(super) fn span(&self, range: Range) -> Span {
        let start = self.byte(range.start);
        Span::new(start, self.byte(range.end).max(start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn positions(text: &str, encoding: Encoding) -> Positions {
        Positions::new(text.into(), encoding)
    }

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn columns_are_counted_in_the_units_that_were_agreed_on() {
        let text = "a\n🦀é b\r\nc\rd";
        let b = text.find('b').unwrap();
        assert_eq!(positions(text, Encoding::Utf16).position(b), at(1, 4));
        assert_eq!(positions(text, Encoding::Utf8).position(b), at(1, 7));
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            let lines = positions(text, encoding);
            assert_eq!(lines.position(text.len() - 1), at(3, 0));
            assert_eq!(lines.position(usize::MAX), at(3, 1));
        }
    }

    #[test]
    fn a_place_outside_of_a_line_or_inside_of_a_character_is_moved_into_the_text() {
        let lines = positions("🦀x\r\ny", Encoding::Utf16);
        assert_eq!(lines.byte(at(0, 1)), 0);
        assert_eq!(lines.byte(at(0, 2)), 4);
        assert_eq!(lines.byte(at(0, 99)), 5);
        assert_eq!(lines.byte(at(9, 0)), 8);
    }

    #[test]
    fn bytes_are_chosen_if_a_client_offers_them() {
        assert_eq!(Encoding::negotiated(["utf-16", "utf-8"]), Encoding::Utf8);
        assert_eq!(Encoding::negotiated(["utf-32"]), Encoding::Utf16);
        assert_eq!(Encoding::negotiated([]), Encoding::Utf16);
    }

    proptest! {
        #[test]
        fn every_character_has_a_place_that_leads_back_to_it(text in "[a🦀é\r\n]{0,30}") {
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                let lines = positions(&text, encoding);
                for (byte, c) in text.char_indices() {
                    // Inside of a line end there is no place.
                    if !"\r\n".contains(c) {
                        prop_assert_eq!(lines.byte(lines.position(byte)), byte);
                    }
                }
                prop_assert_eq!(lines.byte(lines.position(text.len())), text.len());
            }
        }
    }
}
