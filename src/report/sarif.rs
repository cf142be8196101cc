//! SARIF 2.1.0, which code scanning services read.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::fingerprint::Fingerprints;
use super::json::write_json;
use super::rule::Rule;
use super::{FileError, Model, ScorePrinter, Scored};
use electroscope_analysis::Word;
use electroscope_text::{Encoding, LineIndex};

/// The name under which a result's fingerprint stands; another way to compute it takes another
/// version.
const FINGERPRINT: &str = "wordInContext/v2";

/// One run; its results are written one after the other.
pub(super) struct Sarif {
    rule: &'static Rule,
    results: usize,
}

impl Sarif {
    pub(super) fn new(rule: &'static Rule) -> Sarif {
        Sarif { rule, results: 0 }
    }
}

impl ScorePrinter for Sarif {
    fn begin(&mut self, out: &mut dyn Write, model: &Model) -> io::Result<()> {
        let driver = json!({
            "name": "electroscope",
            "version": env!("CARGO_PKG_VERSION"),
            "properties": {"model": model},
            "rules": [{
                "id": self.rule.id,
                "name": self.rule.title,
                "shortDescription": {"text": self.rule.short},
                "fullDescription": {"text": self.rule.full},
                "help": {"text": self.rule.help, "markdown": self.rule.help},
                "defaultConfiguration": {"level": "warning"},
            }],
        });
        write!(
            out,
            "{{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\
             \"runs\":[{{\"tool\":{{\"driver\":"
        )?;
        write_json(out, &driver)?;
        write!(out, "}},\"columnKind\":\"unicodeCodePoints\",\"results\":[")
    }

    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()> {
        let uri = uri(&scored.document.path);
        // A region in bytes is one of the file's bytes, and offsets are those of the text in UTF-8.
        let is_utf8 = matches!(scored.document.encoding, Encoding::Utf8 | Encoding::Utf8Bom);
        let mut fingerprints = Fingerprints::new(scored, self.rule.id);
        for (place, word) in scored.flagged() {
            let text = scored.text(word.span);
            let mut region = json!({
                "startLine": place.line,
                "startColumn": place.column,
                "endColumn": place.column + scored.source(word.span).chars().count(),
            });
            if is_utf8 {
                region["byteOffset"] = word.span.start().into();
                region["byteLength"] = word.span.len().into();
            }
            let mut result = json!({
                "ruleId": self.rule.id,
                "message": {"text": self.rule.message(&text, word.p)},
                "rank": f64::from(word.p) * 100.0,
                "partialFingerprints": {FINGERPRINT: fingerprints.of(word.span)},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": uri},
                    "region": region,
                }}],
            });
            let fixes = fixes(scored, &word, &uri);
            if !fixes.is_empty() {
                result["fixes"] = fixes.into();
            }
            if self.results > 0 {
                out.write_all(b",")?;
            }
            self.results += 1;
            write_json(out, &result)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        let notifications: Vec<_> = errors
            .iter()
            .map(|error| {
                json!({
                    "level": "error",
                    "message": {"text": error.message},
                    "locations": [{"physicalLocation": {
                        "artifactLocation": {"uri": uri(&error.path)},
                    }}],
                })
            })
            .collect();
        let invocation = json!({
            "executionSuccessful": errors.is_empty(),
            "toolExecutionNotifications": notifications,
        });
        write!(out, "],\"invocations\":[")?;
        write_json(out, &invocation)?;
        writeln!(out, "]}}]}}")?;
        out.flush()
    }
}

/// What is suggested for `word`, as changes of the file at `uri`.
fn fixes(scored: &Scored<'_>, word: &Word, uri: &str) -> Vec<serde_json::Value> {
    let text = &*scored.document.text;
    let suggested = scored
        .suggested
        .map_or(&[][..], |suggested| suggested.of(word));
    if suggested.is_empty() {
        return Vec::new();
    }
    let lines = LineIndex::new(text);
    let fixes = suggested.iter().map(|suggestion| {
        let (start, end) = (suggestion.span.start(), suggestion.span.end());
        let (start, end) = (lines.position(text, start), lines.position(text, end));
        let description = match suggestion.replacement.as_str() {
            "" => "Leave it out".to_owned(),
            replacement => format!("Replace it by “{replacement}”"),
        };
        json!({
            "description": {"text": description},
            "artifactChanges": [{
                "artifactLocation": {"uri": uri},
                "replacements": [{
                    "deletedRegion": {
                        "startLine": start.line,
                        "startColumn": start.column,
                        "endLine": end.line,
                        "endColumn": end.column,
                    },
                    "insertedContent": {"text": suggestion.replacement},
                }],
            }],
        })
    });
    fixes.collect()
}

/// A path as a URI reference: an absolute one begins with `file://`, a relative one stays relative;
/// what is not allowed in one is percent-encoded.
fn uri(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = match cfg!(windows) {
        true => text.replace('\\', "/"),
        false => text.into_owned(),
    };
    let encoded: String = text
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                (byte as char).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    match (path.is_absolute(), encoded.starts_with('/')) {
        (true, true) => format!("file://{encoded}"),
        (true, false) => format!("file:///{encoded}"),
        (false, _) => encoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_stays_relative_and_an_absolute_one_is_a_file_uri() {
        assert_eq!(uri(Path::new("docs/a b.md")), "docs/a%20b.md");
        assert_eq!(uri(Path::new("c:d.md")), "c%3Ad.md");
        if cfg!(unix) {
            assert_eq!(uri(Path::new("/tmp/é.md")), "file:///tmp/%C3%A9.md");
        }
    }
}
