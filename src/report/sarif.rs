//! SARIF 2.1.0, which code scanning services read.

use std::io::{self, Write};

use serde_json::json;

use super::json::write_json;
use super::{FileError, Model, ScorePrinter, Scored};

/// One run; its results are written one after the other.
#[derive(Default)]
pub(super) struct Sarif {
    results: usize,
}

impl ScorePrinter for Sarif {
    fn begin(&mut self, out: &mut dyn Write, model: &Model) -> io::Result<()> {
        let driver = json!({
            "name": "electroscope",
            "version": env!("CARGO_PKG_VERSION"),
            "properties": {"model": model},
            "rules": [{
                "id": "doubtful-word",
                "shortDescription": {"text": "A word that may not belong"},
                "fullDescription": {"text": "The discriminator thinks it likely that this word was put in the place of another."},
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
        for (place, word) in scored.flagged() {
            let text = scored.text(word.span);
            let result = json!({
                "ruleId": "doubtful-word",
                "message": {"text": format!("“{text}” may not belong here (p {:.2})", word.p)},
                "rank": f64::from(word.p) * 100.0,
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": uri(&scored.document.path.to_string_lossy())},
                    "region": {
                        "startLine": place.line,
                        "startColumn": place.column,
                        "endColumn": place.column + scored.source(word.span).chars().count(),
                        "byteOffset": word.span.start(),
                        "byteLength": word.span.len(),
                    },
                }}],
            });
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
                        "artifactLocation": {"uri": uri(&error.path.to_string_lossy())},
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

/// A path as a URI reference: what is not allowed in one is percent-encoded.
fn uri(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                (byte as char).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
