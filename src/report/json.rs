//! JSON for programs: one object, or one object per line and document.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::ser::Formatter;

use super::suggested::SuggestionObject;
use super::{FileError, Model, Places, ScorePrinter, Scored};

/// The version of the shape of what is written; it changes when a field changes its meaning or goes.
const SCHEMA_VERSION: u32 = 1;

/// Writes `value` as JSON that may be shown: what must not reach a terminal is escaped, not only what
/// JSON itself wants escaped.
///
/// # Errors
///
/// Those of `out`.
pub fn write_json(out: &mut dyn Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Showable);
    Ok(value.serialize(&mut serializer)?)
}

/// Compact JSON without any control or invisible format character.
struct Showable;

impl Formatter for Showable {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, hidden)) = rest
            .char_indices()
            .find(|&(_, c)| electroscope_text::stand_in(c).is_some())
        {
            let (shown, after) = rest.split_at(at);
            writer.write_all(shown.as_bytes())?;
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.get(hidden.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// The object around the documents, which are written into it one after the other.
#[derive(Default)]
pub(super) struct Envelope {
    documents: usize,
}

impl Envelope {
    /// Writes what stands before the documents; `question` is what was asked of them.
    pub(super) fn begin(
        &mut self,
        out: &mut dyn Write,
        model: &Model,
        question: Option<&str>,
    ) -> io::Result<()> {
        write!(out, "{{\"schema_version\":{SCHEMA_VERSION},\"model\":")?;
        write_json(out, model)?;
        if let Some(question) = question {
            write!(out, ",\"question\":")?;
            write_json(out, question)?;
        }
        write!(out, ",\"documents\":[")
    }

    pub(super) fn document(
        &mut self,
        out: &mut dyn Write,
        document: &impl Serialize,
    ) -> io::Result<()> {
        if self.documents > 0 {
            out.write_all(b",")?;
        }
        self.documents += 1;
        write_json(out, document)
    }

    pub(super) fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        out.write_all(b"],\"errors\":")?;
        write_json(out, errors)?;
        out.write_all(b"}\n")?;
        out.flush()
    }
}

/// A document on a line of its own.
pub(super) fn line(out: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    write_json(out, document)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// A line with its path and the message for each file that failed.
pub(super) fn error_lines(out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
    for error in errors {
        write_json(out, error)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// One object with all the documents.
#[derive(Default)]
pub(super) struct Json {
    envelope: Envelope,
}

impl ScorePrinter for Json {
    fn begin(&mut self, out: &mut dyn Write, model: &Model) -> io::Result<()> {
        self.envelope.begin(out, model, None)
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        self.envelope.document(out, &DocumentObject(scored))
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        self.envelope.end(out, errors)
    }
}

/// One object per document and line. A file that failed has a line with its path and the message.
pub(super) struct JsonLines;

impl ScorePrinter for JsonLines {
    fn begin(&mut self, _: &mut dyn Write, _: &Model) -> io::Result<()> {
        Ok(())
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        line(out, &DocumentObject(scored))
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        error_lines(out, errors)
    }
}

/// A document as JSON, written straight from the findings: a long document has millions of tokens.
struct DocumentObject<'a>(&'a Scored<'a>);

#[derive(serde::Serialize)]
struct TokenObject<'a> {
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_text: Option<&'a str>,
    start: usize,
    end: usize,
    p: f32,
}

#[derive(serde::Serialize)]
struct WordObject<'a> {
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_text: Option<&'a str>,
    start: usize,
    end: usize,
    line: usize,
    column: usize,
    p: f32,
    flagged: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestions: Option<Vec<SuggestionObject<'a>>>,
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
                scored.readings.tokens().map(|token| {
                    let (text, source_text) = scored.wording(token.span);
                    TokenObject {
                        text,
                        source_text,
                        start: token.span.start(),
                        end: token.span.end(),
                        p: token.p,
                    }
                })
            }),
        )?;
        object.serialize_field(
            "words",
            &Sequence(|| {
                let mut places = Places::new(&scored.document.text);
                scored.words().map(move |word| {
                    let place = places.of(word.span);
                    let (text, source_text) = scored.wording(word.span);
                    let flagged = scored.is_flagged(place, &word);
                    let suggested = scored.suggested.filter(|_| flagged);
                    WordObject {
                        text,
                        source_text,
                        start: word.span.start(),
                        end: word.span.end(),
                        line: place.line,
                        column: place.column,
                        p: word.p,
                        flagged,
                        suggestions: suggested.and_then(|suggested| suggested.objects(&word)),
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
    let (mut tokens, mut words, mut total) = (0, 0, 0.0);
    for word in scored.words() {
        tokens += word.tokens.len();
        words += 1;
        total += f64::from(word.p);
    }
    Summary {
        tokens,
        words,
        flagged: scored.flagged().count(),
        mean_p: if words == 0 {
            0.0
        } else {
            total / words as f64
        },
        threshold: scored.flagging.threshold,
    }
}

/// Serialises an iterator, made anew each time it is asked for.
pub(super) struct Sequence<F>(pub(super) F);

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_json(&mut out, text).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_must_not_reach_a_terminal_is_escaped() {
        assert_eq!(
            written("é\u{1b}[1m\u{9b}\u{202e}\u{7f}\u{e0041}\n\"🙂"),
            r#""é\u001b[1m\u009b\u202e\u007f\udb40\udc41\n\"🙂""#
        );
    }

    proptest! {
        #[test]
        fn escaped_text_is_read_back_as_it_was(text: String) {
            let json = written(&text);
            prop_assert!(!json.chars().any(|c| electroscope_text::stand_in(c).is_some()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
