//! Annotations that GitHub Actions shows beside the lines of a change.
//!
//! The form is that of its workflow commands: `::warning file=…,line=…,col=…::message`, with
//! percent escapes for what would end a property or the line.

use std::io::{self, Write};

use super::{FileError, Model, ScorePrinter, Scored};

pub(super) struct Github;

impl ScorePrinter for Github {
    fn begin(&mut self, _: &mut dyn Write, _: &Model) -> io::Result<()> {
        Ok(())
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        let path = property(&scored.document.path.to_string_lossy());
        for (place, word) in scored.flagged() {
            let text = scored.text(word.span);
            let end = place.column + scored.source(word.span).chars().count();
            writeln!(
                out,
                "::warning file={path},line={},col={},endColumn={end},title=Doubtful word::{}",
                place.line,
                place.column,
                data(&format!("“{text}” may not belong here (p {:.2})", word.p)),
            )?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        for error in errors {
            writeln!(
                out,
                "::error file={}::{}",
                property(&error.path.to_string_lossy()),
                data(&error.message)
            )?;
        }
        out.flush()
    }
}

/// Escapes the text after `::`.
fn data(text: &str) -> String {
    let escaped = text
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    electroscope_text::visible(&escaped)
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
