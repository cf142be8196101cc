//! Reads texts with what people corrected in them, as JSON Lines: `{"text": "…", "spans": [[start, end],
//! …], "corrected": "…", "kind": "…"}`. Spans are in characters, the end excluded. `corrected` and
//! `kind` may be missing; other fields are ignored.

use std::ops::Range;
use std::path::Path;

use super::super::Error;
use super::spans;

/// A text with mistakes, as a person would have it, or without any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorrectedText {
    /// The text with its mistakes.
    pub text: String,
    /// The text without them.
    pub corrected: Option<String>,
    /// The byte ranges of what is wrong. Where a word is missing, the next one is marked.
    pub spans: Vec<Range<usize>>,
    /// What kind of mistake it is.
    pub kind: Option<String>,
}

/// What a line has beside the text and its spans.
#[derive(serde::Deserialize)]
struct CorrectionLine {
    corrected: Option<String>,
    kind: Option<String>,
}

/// Reads a file of corrected texts.
///
/// # Errors
///
/// As [`spans::read`].
pub fn read(path: &Path) -> Result<Vec<CorrectedText>, Error> {
    let marked = spans::read(path)?;
    let text = std::fs::read_to_string(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source,
    })?;
    let lines = text.lines().zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim().is_empty());
    let read = lines.zip(marked).map(|((line, number), marked)| {
        let rest: CorrectionLine = serde_json::from_str(line).map_err(|err| Error::Data {
            path: path.to_owned(),
            line: Some(number),
            what: format!("`corrected` and `kind` must be strings: {err}"),
        })?;
        Ok(CorrectedText {
            text: marked.text,
            spans: marked.spans,
            corrected: rest.corrected,
            kind: rest.kind,
        })
    });
    read.collect()
}
