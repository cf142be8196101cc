//! A text for people at a terminal, with marks over it and what they mean below them.
//!
//! A short text is shown whole; of a long one the lines with labelled marks and their neighbours.
//! Below a labelled mark stands its label, so that nothing hangs on colour alone: beside the line
//! that underscores it, or where marks are crowded in rows of their own. Which places are marked, and
//! how, is the printers' business.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::Looks;
use electroscope_text::{LineIndex, Row, Span, Wrapped};

/// Up to this many lines a text is shown whole.
const SHORT: usize = 40;

/// Lines shown before and after one with a labelled mark.
const CONTEXT: usize = 1;

/// A place that stands out.
pub(super) struct Mark {
    /// Its bytes in the text.
    pub(super) span: Span,
    /// How it is painted.
    pub(super) style: Style,
    /// What stands below it.
    pub(super) label: Option<String>,
}

/// What becomes of a label that has no room beside its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowded {
    /// It is left out: the mark says enough.
    LeaveOut,
    /// It goes further down.
    Stack,
}

/// Writes `text` with `marks`, which come in its order and do not overlap, and an empty line.
pub(super) fn write(
    out: &mut dyn Write,
    looks: Looks,
    text: &str,
    marks: &[Mark],
    crowded: Crowded,
) -> io::Result<()> {
    let lines = LineIndex::new(text);
    let digits = lines.count().to_string().len().max(3);
    let width = looks.width.saturating_sub(digits as u16 + 3).max(20);
    let wrapped = Wrapped::new(text, &lines, width);
    let page = Page {
        faint: looks.faint(),
        wrapped,
        marks,
        digits,
        width: usize::from(width),
        crowded,
    };
    // An empty line after the last newline is none to a reader.
    let count = lines.count() - usize::from(lines.count() > 1 && text.ends_with('\n'));
    let is_shown = {
        let mut shown = vec![count <= SHORT; count];
        for mark in marks.iter().filter(|mark| mark.label.is_some()) {
            let line = lines.line_of(mark.span.start());
            let last = (line + CONTEXT + 1).min(count);
            shown[line.saturating_sub(CONTEXT).min(last)..last].fill(true);
        }
        shown
    };
    let mut left_out = 0;
    for (line, is_shown) in is_shown.iter().enumerate() {
        if !is_shown {
            left_out += 1;
            continue;
        }
        page.gap(out, &mut left_out)?;
        let start = lines.span(line).start();
        for row in wrapped.rows_from(start).take_while(|row| row.line == line) {
            page.row(out, row)?;
        }
    }
    page.gap(out, &mut left_out)?;
    writeln!(out)
}

/// What the rows of one text have in common.
struct Page<'a> {
    faint: Style,
    wrapped: Wrapped<'a>,
    marks: &'a [Mark],
    digits: usize,
    /// Cells beside the line numbers.
    width: usize,
    crowded: Crowded,
}

impl Page<'_> {
    /// Says how many lines have been left out, if any.
    fn gap(&self, out: &mut dyn Write, left_out: &mut usize) -> io::Result<()> {
        let faint = self.faint;
        let digits = self.digits;
        match std::mem::take(left_out) {
            0 => Ok(()),
            1 => writeln!(out, "{faint}{:>digits$}   1 line{faint:#}", "⋮"),
            count => writeln!(out, "{faint}{:>digits$}   {count} lines{faint:#}", "⋮"),
        }
    }

    /// The marks that touch `span`.
    fn marks_in(&self, span: Span) -> &[Mark] {
        let from = self
            .marks
            .partition_point(|mark| mark.span.end() <= span.start());
        let to = self
            .marks
            .partition_point(|mark| mark.span.start() < span.end());
        self.marks.get(from..to).unwrap_or_default()
    }

    fn row(&self, out: &mut dyn Write, row: Row) -> io::Result<()> {
        let (faint, digits) = (self.faint, self.digits);
        let number = if row.opens_line {
            (row.line + 1).to_string()
        } else {
            String::new()
        };
        write!(out, "{faint}{number:>digits$} │{faint:#}")?;
        if !row.span.is_empty() {
            write!(out, " ")?;
        }
        let marks = self.marks_in(row.span);
        let mut last = Style::new();
        // The columns at which labelled marks stand, with the mark and its label.
        let mut below: Vec<(usize, usize, usize, &str)> = Vec::new();
        for (column, glyph) in self.wrapped.glyphs(row) {
            // A blank at which the line is broken hangs over the edge, where a terminal would break
            // the row once more.
            if column + glyph.width > self.width && glyph.symbol.trim().is_empty() {
                break;
            }
            let at = marks.partition_point(|mark| mark.span.end() <= glyph.span.start());
            let mark = marks
                .get(at)
                .filter(|mark| mark.span.contains(glyph.span.start()));
            let style = mark.map_or(Style::new(), |mark| mark.style);
            if style != last {
                write!(out, "{last:#}{style}")?;
                last = style;
            }
            write!(out, "{}", glyph.symbol)?;
            for _ in 1..glyph.width.max(1) - usize::from(is_wide(&glyph.symbol)) {
                write!(out, " ")?;
            }
            if let Some(label) = mark.and_then(|mark| mark.label.as_deref()) {
                match below.last_mut() {
                    Some((_, end, of, _)) if *end == column && *of == at => *end += glyph.width,
                    _ => below.push((column, column + glyph.width, at, label)),
                }
            }
        }
        writeln!(out, "{last:#}")?;
        if below.is_empty() {
            return Ok(());
        }
        // Below each labelled mark a line and, where the next one leaves room, its label.
        write!(out, "{faint}{:>digits$} │{faint:#} ", "")?;
        let mut at = 0;
        let mut left: Vec<(usize, &str)> = Vec::new();
        for (index, &(start, end, _, label)) in below.iter().enumerate() {
            let (start, end) = (start.max(at), end.max(at));
            let next = below.get(index + 1).map_or(usize::MAX, |next| next.0);
            let width = 1 + label.width();
            let fits_after = end + width < next && end + width <= self.width;
            // Behind the last columns there is no room; before the mark there may be.
            let is_last = self.crowded == Crowded::LeaveOut && end + width > self.width;
            let fits_before = is_last && at + usize::from(at > 0) + width <= start;
            let line = "▔".repeat(end - start);
            if fits_after {
                write!(out, "{:skip$}{line}", "", skip = start - at)?;
                write!(out, "{faint} {label}{faint:#}")?;
                at = end + width;
            } else if fits_before {
                write!(out, "{:skip$}", "", skip = start - width - at)?;
                write!(out, "{faint}{label}{faint:#} {line}")?;
                at = end;
            } else {
                write!(out, "{:skip$}{line}", "", skip = start - at)?;
                at = end;
                left.push((start, label));
            }
        }
        writeln!(out)?;
        match self.crowded {
            Crowded::LeaveOut => Ok(()),
            Crowded::Stack => self.stack(out, left),
        }
    }

    /// Writes labels below the columns they belong to, in as many rows as it takes for none to run
    /// into the next.
    fn stack(&self, out: &mut dyn Write, mut left: Vec<(usize, &str)>) -> io::Result<()> {
        let (faint, digits) = (self.faint, self.digits);
        while !left.is_empty() {
            write!(out, "{faint}{:>digits$} │ ", "")?;
            let mut at = 0;
            let mut later = Vec::new();
            for (column, label) in left {
                let column = column.min(self.width.saturating_sub(label.width()));
                // A blank at least parts it from the one before.
                if at == 0 || column > at {
                    write!(out, "{:skip$}{label}", "", skip = column - at)?;
                    at = column + label.width();
                } else {
                    later.push((column, label));
                }
            }
            writeln!(out, "{faint:#}")?;
            left = later;
        }
        Ok(())
    }
}

/// Whether a symbol fills two cells by itself.
fn is_wide(symbol: &str) -> bool {
    symbol.width() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::theme::Theme;

    /// `text` with every word of it marked.
    fn printed(text: &str, width: u16, crowded: Crowded) -> String {
        let word = |word: &str| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            Mark {
                span: Span::new(start, start + word.len()),
                style: Style::new(),
                label: (word.len() > 3).then(|| "0.58".to_owned()),
            }
        };
        let marks: Vec<Mark> = text.split_whitespace().map(word).collect();
        let theme = Theme::Mono;
        let mut out = Vec::new();
        write(&mut out, Looks { theme, width }, text, &marks, crowded).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_row_is_wider_than_the_terminal() {
        let text = include_str!("../../assets/sample.md");
        for crowded in [Crowded::LeaveOut, Crowded::Stack] {
            for width in (30..130).chain([200]) {
                for line in printed(text, width, crowded).lines() {
                    assert!(line.width() <= usize::from(width), "{width}: {line:?}");
                    assert!(line.contains(['│', '⋮']) || line.is_empty(), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn a_label_without_room_behind_its_word_stands_before_it() {
        let printed = |text: &str| printed(text, 26, Crowded::LeaveOut);
        assert_eq!(
            printed("it is harbours"),
            "  1 │ it is harbours\n    │       ▔▔▔▔▔▔▔▔ 0.58\n\n"
        );
        assert_eq!(
            printed("it is of an harbours"),
            "  1 │ it is of an harbours\n    │        0.58 ▔▔▔▔▔▔▔▔\n\n"
        );
    }
}
