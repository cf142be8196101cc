//! A flagged word per line, for pipes and editors' error lists.

use std::io::{self, Write};

use super::{FileError, Model, ScorePrinter, Scored, visible_path};
use electroscope_text::visible;

pub(super) struct Compact;

impl ScorePrinter for Compact {
    fn begin(&mut self, _: &mut dyn Write, _: &Model) -> io::Result<()> {
        Ok(())
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        let path = visible_path(&scored.document.path);
        for (place, word) in scored.flagged() {
            let text = visible(&scored.text(word.span));
            let suggested = match scored.suggested_words(&word) {
                Some(suggested) => format!(" → {suggested}"),
                None => String::new(),
            };
            writeln!(
                out,
                "{path}:{}:{}: {:.2} {text}{suggested}",
                place.line, place.column, word.p
            )?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, _: &[FileError]) -> io::Result<()> {
        out.flush()
    }
}
