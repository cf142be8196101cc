//! Names findings by their content, so that one is known again after the text around it has moved.
//!
//! A finding is known by the rule and its [`WordInContext`](electroscope_analysis::WordInContext). The
//! same words elsewhere in a document get the next number.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::Scored;
use electroscope_analysis::WordsInContext;
use electroscope_text::Span;

/// Between the parts that are hashed: in no word.
const SEPARATOR: char = '\u{1f}';

/// Between the words on one side and what follows them: in no word either.
const SIDE: char = '\u{1e}';

/// The fingerprints of one document's findings.
pub(super) struct Fingerprints<'a> {
    rule: &'static str,
    words: WordsInContext<'a>,
    /// How often each hash has been given.
    given: HashMap<u64, usize>,
}

impl<'a> Fingerprints<'a> {
    pub(super) fn new(scored: &Scored<'a>, rule: &'static str) -> Fingerprints<'a> {
        Fingerprints {
            rule,
            words: WordsInContext::new(scored.document, scored.readings, scored.read),
            given: HashMap::new(),
        }
    }

    /// The fingerprint of the finding at `span`: sixteen hexadecimal digits, and which of those with the
    /// same content it is, counted from 1. Findings come in the order of the text.
    pub(super) fn of(&mut self, span: Span) -> String {
        let finding = self.words.at(span);
        let mut content = self.rule.to_owned();
        let sides = [
            finding.before.as_slice(),
            std::slice::from_ref(&finding.word),
            &finding.after,
        ];
        for side in sides {
            content.push(SIDE);
            for word in side {
                content.push(SEPARATOR);
                content.push_str(word);
            }
        }
        let hash = xxh3_64(content.as_bytes());
        let count = self.given.entry(hash).or_default();
        *count += 1;
        format!("{hash:016x}:{count}")
    }
}
