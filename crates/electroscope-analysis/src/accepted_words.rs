//! Words that a writer has accepted: they are scored as all others are, and never flagged.
//!
//! An entry in lower case accepts its word in any case, one with a capital only as it is written. The
//! possessive of an accepted word is accepted too. An entry of several parts (`e-mail`, `C++`) accepts
//! each of its words where the whole entry stands. Where the entries come from is up to
//! [`super::WordList`]; nothing here opens a file.

use std::collections::HashMap;

use electroscope_text::{Span, is_punctuation, word_starts};

use super::spelling;

/// The words that are accepted in some document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcceptedWords {
    /// Entries of one word, by how they are in lower case.
    words: HashMap<String, Vec<String>>,
    /// Entries of several parts, by each of their words in lower case.
    phrases: HashMap<String, Vec<Place>>,
}

/// A word of an entry of several parts.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    /// What the entry has before the word, the word, and what it has after it.
    before: String,
    word: String,
    after: String,
    /// Whether capitals in the text do not matter.
    any_case: bool,
}

impl AcceptedWords {
    /// Those of `entries`, as a word list has them.
    pub fn of<'e>(entries: impl IntoIterator<Item = &'e str>) -> AcceptedWords {
        let mut accepted = AcceptedWords::default();
        accepted.extend(entries);
        accepted
    }

    /// Accepts more words.
    pub fn extend<'e>(&mut self, entries: impl IntoIterator<Item = &'e str>) {
        for entry in entries {
            self.insert(&spelling::plain(entry));
        }
    }

    fn insert(&mut self, entry: &str) {
        let any_case = entry.to_lowercase() == entry;
        let starts: Vec<usize> = word_starts(entry).collect();
        let ends = starts.iter().skip(1).copied().chain([entry.len()]);
        let parts: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
        if let [_] | [] = parts.as_slice() {
            let entries = self.words.entry(entry.to_lowercase()).or_default();
            if !entries.iter().any(|known| known == entry) {
                entries.push(entry.to_owned());
            }
            return;
        }
        for (start, end) in parts {
            let part = |from: usize, to: usize| entry.get(from..to).unwrap_or_default();
            let word = part(start, end);
            if is_punctuation(word) {
                continue;
            }
            let place = Place {
                before: part(0, start).to_owned(),
                word: word.to_owned(),
                after: part(end, entry.len()).to_owned(),
                any_case,
            };
            let places = self.phrases.entry(word.to_lowercase()).or_default();
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }

    /// Whether no word is accepted.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.phrases.is_empty()
    }

    /// Whether the word at `span` of `text` is accepted; `word` is what a reader sees there.
    pub fn accept(&self, text: &str, span: Span, word: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let plain = spelling::plain(word);
        let forms = [Some(&*plain), spelling::owner(&plain)];
        forms.into_iter().flatten().any(|form| {
            let folded = form.to_lowercase();
            let entries = self.words.get(&folded).into_iter().flatten();
            let is_accepted = |entry: &String| *entry == folded || entry == form;
            entries.clone().any(is_accepted) || self.accept_in_phrase(text, span, form, &folded)
        })
    }

    /// Whether the word at `span`, which is `form` or the possessive of it, stands in an entry of several
    /// parts.
    fn accept_in_phrase(&self, text: &str, span: Span, form: &str, folded: &str) -> bool {
        let places = self.phrases.get(folded).into_iter().flatten();
        let before = text.get(..span.start()).unwrap_or_default();
        let after = text.get(span.end()..).unwrap_or_default();
        places.clone().any(|place| {
            let is_word = place.any_case || place.word == form;
            let around = || {
                let before = without_start(
                    before.chars().rev(),
                    place.before.chars().rev(),
                    place.any_case,
                )?;
                let after = without_start(after.chars(), place.after.chars(), place.any_case)?;
                Some([before, after])
            };
            // What goes on is another word.
            let ends = |next: &Option<char>| next.is_none_or(|next| !next.is_alphanumeric());
            is_word && around().is_some_and(|around| around.iter().all(ends))
        })
    }
}

/// The character after `wanted`, which `text` begins with; nothing if it does not.
fn without_start(
    mut text: impl Iterator<Item = char>,
    wanted: impl Iterator<Item = char>,
    any_case: bool,
) -> Option<Option<char>> {
    for wanted in wanted {
        let found = match text.next()? {
            '\u{2019}' => '\'',
            found => found,
        };
        let is_same = found == wanted || (any_case && found.to_lowercase().eq([wanted]));
        if !is_same {
            return None;
        }
    }
    Some(text.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of `text` that are accepted.
    fn accepted<'t>(entries: &[&str], text: &'t str) -> Vec<&'t str> {
        let accepted = AcceptedWords::of(entries.iter().copied());
        let starts: Vec<usize> = word_starts(text).collect();
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let spans = starts.iter().zip(ends);
        spans
            .map(|(&start, end)| Span::new(start, end))
            .filter(|span| !is_punctuation(&text[span.range()]))
            .filter(|&span| accepted.accept(text, span, &text[span.range()]))
            .map(|span| &text[span.range()])
            .collect()
    }

    #[test]
    fn a_lower_case_entry_accepts_any_case_and_a_capital_only_itself() {
        let text = "kubectl Kubectl KUBECTL weber Weber WEBER webers";
        assert_eq!(
            accepted(&["kubectl", "Weber"], text),
            ["kubectl", "Kubectl", "KUBECTL", "Weber"]
        );
    }

    #[test]
    fn the_possessive_is_accepted_with_its_word() {
        assert_eq!(
            accepted(&["Weber", "nasa"], "Weber's Weber\u{2019}s weber's NASA'S"),
            ["Weber's", "Weber\u{2019}s", "NASA'S"]
        );
    }

    #[test]
    fn the_form_of_an_apostrophe_does_not_matter() {
        assert_eq!(accepted(&["o\u{2019}neill"], "O'Neill"), ["O'Neill"]);
        assert_eq!(accepted(&["o'neill"], "O\u{2019}Neill"), ["O\u{2019}Neill"]);
    }

    #[test]
    fn an_entry_of_several_parts_accepts_them_where_it_stands() {
        assert_eq!(
            accepted(&["e-mail"], "an E-mail, an e, some mail, e-mails, re-mail"),
            ["E", "mail"]
        );
        assert_eq!(accepted(&["C++"], "C++ and C+ and c++"), ["C"]);
        assert_eq!(
            accepted(&["well-known"], "a well-known's"),
            ["well", "known's"]
        );
        assert_eq!(accepted(&[".NET"], "in .NET, in NET"), ["NET"]);
    }

    #[test]
    fn nothing_is_accepted_by_an_empty_list() {
        assert!(AcceptedWords::default().is_empty());
        assert!(accepted(&[], "a word").is_empty());
    }
}
