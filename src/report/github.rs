//! Annotations that GitHub Actions shows beside the lines of a change.
//!
//! The form is that of its workflow commands: `::warning file=…,line=…,col=…::message`, with
//! percent escapes for what would end a property or the line. GitHub shows ten annotations of a kind
//! for a step and drops the others without a word, so no more are written, and a line at the end
//! counts those that were left out.

use std::io::{self, Write};

use super::rule::Rule;
use super::{FileError, Model, ScorePrinter, Scored};

/// Annotations of one kind that GitHub shows for a step.
const MOST: usize = 10;

pub(super) struct Github {
    rule: &'static Rule,
    warnings: usize,
    /// The files with findings that were left out, and how many in each.
    left_out: Vec<(String, usize)>,
}

impl Github {
    pub(super) fn new(rule: &'static Rule) -> Github {
        Github {
            rule,
            warnings: 0,
            left_out: Vec::new(),
        }
    }

    /// The line that stands for the findings that were left out.
    fn summary(&self) -> Option<String> {
        /// Files that are named.
        const NAMED: usize = 5;
        let count: usize = self.left_out.iter().map(|(_, count)| count).sum();
        if count == 0 {
            return None;
        }
        let named = self.left_out.iter().take(NAMED);
        let mut files: Vec<String> = named
            .map(|(path, count)| format!("{path} ({count})"))
            .collect();
        if let Some(more @ 1..) = self.left_out.len().checked_sub(NAMED) {
            files.push(format!("and {more} more"));
        }
        let findings = if count == 1 { "finding" } else { "findings" };
        Some(format!(
            "{count} more {findings} without an annotation, for GitHub shows {MOST} of a kind: {}",
            files.join(", ")
        ))
    }
}

impl ScorePrinter for Github {
    fn begin(&mut self, _: &mut dyn Write, _: &Model) -> io::Result<()> {
        Ok(())
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        let path = scored.document.path.to_string_lossy();
        let mut left_out = 0;
        for (place, word) in scored.flagged() {
            if self.warnings == MOST {
                left_out += 1;
                continue;
            }
            self.warnings += 1;
            let text = scored.text(word.span);
            let end = place.column + scored.source(word.span).chars().count();
            writeln!(
                out,
                "::warning file={},line={},col={},endColumn={end},title={}::{}",
                property(&path),
                place.line,
                place.column,
                self.rule.title,
                data(&match scored.suggested_words(&word) {
                    Some(suggested) => {
                        format!("{}; perhaps: {suggested}", self.rule.message(&text, word.p))
                    }
                    None => self.rule.message(&text, word.p),
                }),
            )?;
        }
        if left_out > 0 {
            self.left_out.push((path.into_owned(), left_out));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        for error in errors.iter().take(MOST) {
            writeln!(
                out,
                "::error file={}::{}",
                property(&error.path.to_string_lossy()),
                data(&error.message)
            )?;
        }
        if let Some(summary) = self.summary() {
            writeln!(
                out,
                "::notice title={}::{}",
                self.rule.title,
                data(&summary)
            )?;
        }
        if let Some(more @ 1..) = errors.len().checked_sub(MOST) {
            let files = if more == 1 { "file" } else { "files" };
            writeln!(
                out,
                "::notice title=Not read::{more} more {files} could not be read; the log names each"
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
