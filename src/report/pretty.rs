//! The text itself, tinted by heat, for people at a terminal.
//!
//! A short document is shown whole; of a long one the lines with flagged words and their
//! neighbours. Below a flagged word stands its p, so that nothing hangs on colour alone.

use std::io::{self, Write};

use anstyle::{AnsiColor, Color, RgbColor, Style};

use super::heat::{self, Rgb};
use super::theme::{Depth, Theme};
use super::{FileError, Looks, Model, ScorePrinter, Scored, visible_path};
use crate::analysis::Word;
use crate::text::{LineIndex, Row, Span, Wrapped};

/// Up to this many lines a document is shown whole.
const SHORT: usize = 40;

/// Lines shown before and after one with a flagged word.
const CONTEXT: usize = 1;

pub(super) struct Pretty {
    looks: Looks,
}

impl Pretty {
    pub(super) fn new(looks: Looks) -> Pretty {
        Pretty { looks }
    }

    /// Colours and underlines of a word.
    fn heat(&self, p: f32, threshold: f32) -> Style {
        let level = heat::level(p, threshold);
        let style = match self.looks.theme.ground() {
            Some((ground, depth)) => match heat::tint(level, ground) {
                Some((tint, letters)) => Style::new()
                    .bg_color(Some(color(tint, depth)))
                    .fg_color(Some(color(letters, depth))),
                None => Style::new(),
            },
            None if self.looks.theme == Theme::Mono => Style::new(),
            None => match level {
                0 => Style::new(),
                1 | 2 => AnsiColor::Yellow.on_default(),
                3..=5 => AnsiColor::Black.on(AnsiColor::Yellow),
                _ => AnsiColor::White.on(AnsiColor::Red),
            },
        };
        if p >= threshold && self.looks.theme != Theme::Mono {
            style.underline()
        } else {
            style
        }
    }

    fn faint(&self) -> Style {
        self.unless_mono(Style::new().dimmed())
    }

    fn strong(&self) -> Style {
        self.unless_mono(Style::new().bold())
    }

    /// Without colour nothing but text is written: it may go into a file.
    fn unless_mono(&self, style: Style) -> Style {
        if self.looks.theme == Theme::Mono {
            Style::new()
        } else {
            style
        }
    }
}

impl ScorePrinter for Pretty {
    fn begin(&mut self, _: &mut dyn Write, _: &Model) -> io::Result<()> {
        Ok(())
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        let words: Vec<&Word> = scored.words().map(|(_, word)| word).collect();
        let threshold = scored.threshold;
        let flagged: Vec<&Word> = words
            .iter()
            .copied()
            .filter(|word| word.p >= threshold)
            .collect();
        let (strong, faint) = (self.strong(), self.faint());
        writeln!(
            out,
            "{strong}{}{strong:#}  {faint}{} flagged of {} {}, threshold {threshold:.2}{faint:#}",
            visible_path(&scored.document.path),
            flagged.len(),
            words.len(),
            if words.len() == 1 { "word" } else { "words" },
        )?;

        let text = &*scored.document.text;
        let lines = LineIndex::new(text);
        let digits = lines.count().to_string().len().max(3);
        let width = self.looks.width.saturating_sub(digits as u16 + 3).max(20);
        let wrapped = Wrapped::new(text, &lines, width);
        let page = Page {
            pretty: self,
            wrapped,
            words: &words,
            threshold,
            digits,
        };
        // An empty line after the last newline is none to a reader.
        let count = lines.count() - usize::from(lines.count() > 1 && text.ends_with('\n'));
        let is_shown = {
            let mut shown = vec![count <= SHORT; count];
            for word in &flagged {
                let line = lines.line_of(word.span.start());
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

    fn end(&mut self, out: &mut dyn Write, _: &[FileError]) -> io::Result<()> {
        out.flush()
    }
}

/// What the rows of one document have in common.
struct Page<'a> {
    pretty: &'a Pretty,
    wrapped: Wrapped<'a>,
    words: &'a [&'a Word],
    threshold: f32,
    digits: usize,
}

impl Page<'_> {
    /// Says how many lines have been left out, if any.
    fn gap(&self, out: &mut dyn Write, left_out: &mut usize) -> io::Result<()> {
        let faint = self.pretty.faint();
        let digits = self.digits;
        match std::mem::take(left_out) {
            0 => Ok(()),
            1 => writeln!(out, "{faint}{:>digits$}   1 line{faint:#}", "⋮"),
            count => writeln!(out, "{faint}{:>digits$}   {count} lines{faint:#}", "⋮"),
        }
    }

    /// The words that touch `span`.
    fn words_in(&self, span: Span) -> &[&Word] {
        let from = self
            .words
            .partition_point(|word| word.span.end() <= span.start());
        let to = self
            .words
            .partition_point(|word| word.span.start() < span.end());
        self.words.get(from..to).unwrap_or_default()
    }

    fn row(&self, out: &mut dyn Write, row: Row) -> io::Result<()> {
        let (faint, digits) = (self.pretty.faint(), self.digits);
        let number = if row.opens_line {
            (row.line + 1).to_string()
        } else {
            String::new()
        };
        write!(out, "{faint}{number:>digits$} │{faint:#}")?;
        if !row.span.is_empty() {
            write!(out, " ")?;
        }
        let words = self.words_in(row.span);
        let style_at = |byte: usize| {
            let at = words.partition_point(|word| word.span.end() <= byte);
            match words.get(at).filter(|word| word.span.contains(byte)) {
                Some(word) => self.pretty.heat(word.p, self.threshold),
                None => Style::new(),
            }
        };
        let mut last = Style::new();
        // The columns at which flagged words stand, with their p.
        let mut marks: Vec<(usize, usize, f32)> = Vec::new();
        for (column, glyph) in self.wrapped.glyphs(row) {
            let style = style_at(glyph.span.start());
            if style != last {
                write!(out, "{last:#}{style}")?;
                last = style;
            }
            write!(out, "{}", glyph.symbol)?;
            for _ in 1..glyph.width.max(1) - usize::from(is_wide(&glyph.symbol)) {
                write!(out, " ")?;
            }
            let at = words.partition_point(|word| word.span.end() <= glyph.span.start());
            if let Some(word) = words
                .get(at)
                .filter(|word| word.p >= self.threshold && word.span.contains(glyph.span.start()))
            {
                match marks.last_mut() {
                    Some((_, end, p)) if *end == column && *p == word.p => *end += glyph.width,
                    _ => marks.push((column, column + glyph.width, word.p)),
                }
            }
        }
        writeln!(out, "{last:#}")?;
        if marks.is_empty() {
            return Ok(());
        }
        // Below each flagged word a line and, where the next one leaves room, its p.
        write!(out, "{faint}{:>digits$} │{faint:#} ", "")?;
        let mut at = 0;
        for (mark, &(start, end, p)) in marks.iter().enumerate() {
            let (start, end) = (start.max(at), end.max(at));
            write!(
                out,
                "{:skip$}{}",
                "",
                "▔".repeat(end - start),
                skip = start - at
            )?;
            at = end;
            let next = marks.get(mark + 1).map_or(usize::MAX, |next| next.0);
            let label = format!(" {p:.2}");
            if at + label.len() < next {
                write!(out, "{faint}{label}{faint:#}")?;
                at += label.len();
            }
        }
        writeln!(out)
    }
}

/// Whether a symbol fills two cells by itself.
fn is_wide(symbol: &str) -> bool {
    unicode_width::UnicodeWidthStr::width(symbol) > 1
}

fn color(rgb: Rgb, depth: Depth) -> Color {
    let Rgb(r, g, b) = rgb;
    match depth {
        Depth::True => RgbColor(r, g, b).into(),
        Depth::Indexed => anstyle::Ansi256Color(rgb.indexed()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Reading;
    use crate::text::{Document, Language};

    fn printed(text: &str, words: &[(&str, f32)], theme: Theme, width: u16) -> String {
        let document = Document::new("a\x1b.md", text, Language::Markdown);
        let mut reading = Reading::default();
        for (word, p) in words {
            let start = text.find(word).unwrap();
            reading.words.push(Word {
                span: Span::new(start, start + word.len()),
                p: *p,
                tokens: 0..0,
            });
        }
        let scored = Scored {
            document: &document,
            readings: &[reading],
            threshold: 0.5,
        };
        let mut out = Vec::new();
        let mut printer = Pretty::new(Looks { theme, width });
        printer.document(&mut out, &scored).unwrap();
        String::from_utf8(out).unwrap()
    }

    const WORDS: &[(&str, f32)] = &[
        ("approved", 0.1),
        ("banana", 0.94),
        ("四五", 0.6),
        ("bridge", 0.3),
    ];

    #[test]
    fn without_colour_flagged_words_have_their_p_below_them() {
        let text = "The committee approved\tthe banana of\x1b the 四五 bridge\n\nEnd.\n";
        let printed = printed(text, WORDS, Theme::Mono, 40);
        insta::assert_snapshot!(printed);
        assert!(!printed.contains('\x1b'));
    }

    #[test]
    fn colours_are_put_on_and_taken_off() {
        let text = "approved banana 四五 bridge";
        let dark = printed(text, WORDS, Theme::Dark(Depth::True), 80);
        insta::assert_snapshot!(dark.replace('\x1b', "␛"));
        let ansi = printed(text, WORDS, Theme::Ansi16, 80);
        insta::assert_snapshot!(ansi.replace('\x1b', "␛"));
    }

    #[test]
    fn of_a_long_document_the_flagged_lines_and_their_neighbours_are_shown() {
        let mut text: String = (1..100).map(|n| format!("line {n}\n")).collect();
        text = text.replace("line 50\n", "line banana\n");
        insta::assert_snapshot!(printed(&text, &[("banana", 0.9)], Theme::Mono, 40));
    }
}
