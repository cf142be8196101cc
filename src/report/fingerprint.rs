//! Names findings by their content, so that one is known again after the text around it has moved.
//!
//! A finding is known by the rule, its word and the two words on each side, case folded; where it
//! stands in the file does not count. The same words elsewhere in a document get the next number.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::Scored;
use electroscope_analysis::Word;

/// Words on each side that a finding is known by.
const CONTEXT: usize = 2;

/// Between the parts that are hashed: in no word.
const SEPARATOR: char = '\u{1f}';

/// The fingerprints of one document's findings.
pub(super) struct Fingerprints<'a> {
    rule: &'static str,
    scored: &'a Scored<'a>,
    words: Vec<Word>,
    /// How often each hash has been given.
    given: HashMap<u64, usize>,
}

impl<'a> Fingerprints<'a> {
    pub(super) fn new(scored: &'a Scored<'a>, rule: &'static str) -> Fingerprints<'a> {
        Fingerprints {
            rule,
            scored,
            words: scored.words().collect(),
            given: HashMap::new(),
        }
    }

    /// The fingerprint of a finding: sixteen hexadecimal digits, and which of those with the same
    /// content it is, counted from 1. Findings come in the order of the text.
    pub(super) fn of(&mut self, finding: &Word) -> String {
        let start = finding.span.start();
        let at = (self.words).partition_point(|word| word.span.start() < start);
        let mut content = self.rule.to_owned();
        for place in at as isize - CONTEXT as isize..=(at + CONTEXT) as isize {
            content.push(SEPARATOR);
            let word = usize::try_from(place).ok();
            let word = word.and_then(|place| self.words.get(place));
            if let Some(word) = word {
                content.push_str(&self.scored.text(word.span).to_lowercase());
            }
        }
        let hash = xxh3_64(content.as_bytes());
        let count = self.given.entry(hash).or_default();
        *count += 1;
        format!("{hash:016x}:{count}")
    }
}
