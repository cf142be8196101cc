//! Reads texts with marked spans, as JSON Lines: `{"text": "…", "spans": [[start, end], …]}` with
//! offsets in characters, the end excluded, and optionally the `kind` of error. Other fields are ignored.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

use super::super::Error;

/// A text with marked spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedText {
    /// The text.
    pub text: String,
    /// The marked byte ranges.
    pub spans: Vec<Range<usize>>,
    /// The kind of error, if the file names it.
    pub kind: Option<String>,
}

/// A line of the file.
#[derive(serde::Deserialize)]
struct MarkedTextLine {
    text: String,
    spans: Vec<[usize; 2]>,
    kind: Option<String>,
}

/// Reads a file of marked texts.
///
/// # Errors
///
/// [`Error::Open`]; [`Error::Data`] with the line for other JSON, and for a span outside of its text.
pub fn read(path: &Path) -> Result<Vec<MarkedText>, Error> {
    let failed = |source| Error::Open {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut texts = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(failed)?;
        if line.trim().is_empty() {
            continue;
        }
        let wrong = |what: String| Error::Data {
            path: path.to_owned(),
            line: Some(at + 1),
            what,
        };
        let read: MarkedTextLine = serde_json::from_str(&line).map_err(|err| {
            wrong(format!(
                "it is not {{\"text\": …, \"spans\": [[start, end], …]}}: {err}"
            ))
        })?;
        let MarkedTextLine { text, spans, kind } = read;
        let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        bytes.push(text.len());
        let found = |[start, end]: [usize; 2]| match (bytes.get(start), bytes.get(end)) {
            (Some(&from), Some(&to)) if start <= end => Ok(from..to),
            _ => Err(wrong(format!(
                "the span [{start}, {end}] does not lie in its text, whose end is at {}",
                bytes.len() - 1
            ))),
        };
        let spans = spans.into_iter().map(found).collect::<Result<_, _>>()?;
        texts.push(MarkedText { text, spans, kind });
    }
    if texts.is_empty() {
        return Err(Error::Data {
            path: path.to_owned(),
            line: None,
            what: "there is no text in it".to_owned(),
        });
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<MarkedText>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, text).unwrap();
        let folder = folder.path().display().to_string();
        read(&path).map_err(|err| err.to_string().replace(&folder, "HERE"))
    }

    #[test]
    fn spans_are_counted_in_characters_and_kept_in_bytes() {
        let text = r#"{"text": "é was café .", "spans": [[0, 1], [6, 10]], "edits": 3}"#;
        let read = read_text(&format!("{text}\n\n{text}\r\n")).unwrap();
        assert_eq!(read.len(), 2);
        let marked: Vec<&str> = (read[1].spans.iter())
            .map(|span| &read[1].text[span.clone()])
            .collect();
        assert_eq!(marked, ["é", "café"]);
    }

    #[test]
    fn lines_of_another_format_are_errors_with_their_number() {
        let complaints: Vec<String> = [
            "",
            "\n{\"text\": \"a\"}",
            r#"{"text": "a", "spans": [[0, 2]]}"#,
            r#"{"text": "ab", "spans": [[2, 1]]}"#,
            r#"{"text": "a", "spans": [[-1, 1]]}"#,
            "a b\tc",
        ]
        .iter()
        .map(|text| read_text(text).unwrap_err())
        .collect();
        insta::assert_snapshot!(complaints.join("\n"));
    }
}
