//! JSON for programs: one object, or one object per line and document.

use std::io::{self, Write};
use std::path::Path;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{FileError, Model, Places, ScorePrinter, Scored};

/// The version of the shape of what is written; it changes when a field changes its meaning or goes.
const SCHEMA_VERSION: u32 = 1;

/// One object; the documents are written into it one after the other.
#[derive(Default)]
pub(super) struct Json {
    documents: usize,
}

impl ScorePrinter for Json {
    fn begin(&mut self, out: &mut dyn Write, model: &Model) -> io::Result<()> {
        write!(out, "{{\"schema_version\":{SCHEMA_VERSION},\"model\":")?;
        serde_json::to_writer(&mut *out, model)?;
        write!(out, ",\"documents\":[")
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        if self.documents > 0 {
            out.write_all(b",")?;
        }
        self.documents += 1;
        Ok(serde_json::to_writer(out, &DocumentObject(scored))?)
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        out.write_all(b"],\"errors\":")?;
        serde_json::to_writer(&mut *out, errors)?;
        out.write_all(b"}\n")?;
        out.flush()
    }
}

/// One object per document and line. A file that failed has a line with its path and the message.
pub(super) struct JsonLines;

impl ScorePrinter for JsonLines {
    fn begin(&mut self, _: &mut dyn Write, _: &Model) -> io::Result<()> {
        Ok(())
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &DocumentObject(scored))?;
        out.write_all(b"\n")?;
        out.flush()
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        for error in errors {
            serde_json::to_writer(&mut *out, error)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }
}

/// A document as JSON, written straight from the findings: a long document has millions of tokens.
struct DocumentObject<'a>(&'a Scored<'a>);

#[derive(serde::Serialize)]
struct TokenObject<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    p: f32,
}

#[derive(serde::Serialize)]
struct WordObject<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    line: usize,
    column: usize,
    p: f32,
    flagged: bool,
}

#[derive(serde::Serialize)]
struct Summary {
    tokens: usize,
    words: usize,
    flagged: usize,
    mean_p: f64,
    threshold: f32,
}

impl Serialize for DocumentObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scored = self.0;
        let path: &Path = &scored.document.path;
        let mut object = serializer.serialize_struct("document", 4)?;
        object.serialize_field("path", &path.to_string_lossy())?;
        object.serialize_field(
            "tokens",
            &Sequence(|| {
                scored
                    .readings
                    .iter()
                    .flat_map(|reading| &reading.tokens)
                    .map(|token| TokenObject {
                        text: scored.text(token.span),
                        start: token.span.start(),
                        end: token.span.end(),
                        p: token.p,
                    })
            }),
        )?;
        object.serialize_field(
            "words",
            &Sequence(|| {
                let mut places = Places::new(&scored.document.text);
                scored.words().map(move |(_, word)| {
                    let place = places.of(word.span);
                    WordObject {
                        text: scored.text(word.span),
                        start: word.span.start(),
                        end: word.span.end(),
                        line: place.line,
                        column: place.column,
                        p: word.p,
                        flagged: word.p >= scored.threshold,
                    }
                })
            }),
        )?;
        object.serialize_field("summary", &summary(scored))?;
        object.end()
    }
}

/// The counts of a document. The mean is over words.
fn summary(scored: &Scored<'_>) -> Summary {
    let words = scored.words().count();
    let total: f64 = scored.words().map(|(_, word)| f64::from(word.p)).sum();
    Summary {
        tokens: scored
            .readings
            .iter()
            .map(|reading| reading.tokens.len())
            .sum(),
        words,
        flagged: scored
            .words()
            .filter(|(_, word)| word.p >= scored.threshold)
            .count(),
        mean_p: if words == 0 {
            0.0
        } else {
            total / words as f64
        },
        threshold: scored.threshold,
    }
}

/// Serialises an iterator, made anew each time it is asked for.
struct Sequence<F>(F);

impl<F, I> Serialize for Sequence<F>
where
    F: Fn() -> I,
    I: Iterator,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}
