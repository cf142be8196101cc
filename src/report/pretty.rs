//! The text itself, tinted by heat, for people at a terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Color, RgbColor, Style};

use super::heat::{self, Rgb};
use super::page::{self, Crowded, Mark};
use super::theme::{Depth, Theme};
use super::{FileError, Looks, Model, ScorePrinter, Scored, visible_path};
use electroscope_analysis::{Flagging, Word};

pub(super) struct Pretty {
    looks: Looks,
}

impl Pretty {
    pub(super) fn new(looks: Looks) -> Pretty {
        Pretty { looks }
    }

    /// Colours and underlines of a word.
    fn heat(&self, word: &Word, flagging: Flagging, is_flagged: bool) -> Style {
        if word.is_punctuation && !flagging.punctuation {
            return Style::new();
        }
        let level = heat::level(word.p, flagging.threshold);
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
        if is_flagged && self.looks.theme != Theme::Mono {
            style.underline()
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
        let flagging = scored.flagging;
        let threshold = flagging.threshold;
        let flagged: Vec<usize> = (scored.flagged())
            .map(|(_, word)| word.span.start())
            .collect();
        let is_flagged = |word: &Word| flagged.binary_search(&word.span.start()).is_ok();
        let mut words = 0;
        let marks = scored.words().inspect(|_| words += 1).map(|word| Mark {
            span: word.span,
            style: self.heat(&word, flagging, is_flagged(&word)),
            label: is_flagged(&word).then(|| match scored.suggested_words(&word) {
                Some(suggested) => format!("{:.2} → {suggested}", word.p),
                None => format!("{:.2}", word.p),
            }),
        });
        // Most words of a long text are calm, and a mark takes more room than the word.
        let stands_out = |mark: &Mark| mark.label.is_some() || mark.style != Style::new();
        let marks: Vec<Mark> = marks.filter(stands_out).collect();
        let flagged = flagged.len();
        let (strong, faint) = (self.looks.strong(), self.looks.faint());
        writeln!(
            out,
            "{strong}{}{strong:#}  {faint}{flagged} flagged of {} {}, threshold {threshold:.2}{faint:#}",
            visible_path(&scored.document.path),
            words,
            if words == 1 { "word" } else { "words" },
        )?;
        page::write(
            out,
            self.looks,
            &scored.document.text,
            &marks,
            match scored.suggested {
                Some(_) => Crowded::Stack,
                None => Crowded::LeaveOut,
            },
        )
    }

    fn end(&mut self, out: &mut dyn Write, _: &[FileError]) -> io::Result<()> {
        out.flush()
    }
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
    use electroscope_analysis::{Reading, Token};
    use electroscope_text::{AsRead, Document, Language, Span};

    fn printed(text: &str, words: &[(&str, f32)], theme: Theme, width: u16) -> String {
        let document = Document::new("a\x1b.md", text, Language::Markdown);
        let mut reading = Reading::default();
        for (word, p) in words {
            let start = text.find(word).unwrap();
            let span = Span::new(start, start + word.len());
            let tokens = reading.tokens.len() as u32;
            reading.tokens.push(Token { span, p: *p });
            reading.words.push(Word {
                span,
                p: *p,
                tokens: tokens..tokens + 1,
                is_punctuation: false,
                kind: None,
            });
        }
        let scored = Scored {
            document: &document,
            readings: &[reading].iter().collect(),
            read: &AsRead::new(&document),
            flagging: Flagging::words(0.5),
            exempt: &[],
            lines: None,
            suggested: None,
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
