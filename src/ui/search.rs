//! What is being searched for, and where it is.

use regex::{Regex, RegexBuilder};

use electroscope_text::{LineIndex, Span};

/// Something to search for.
#[derive(Clone, Debug)]
pub struct Search {
    typed: String,
    pattern: Regex,
}

impl PartialEq for Search {
    fn eq(&self, other: &Search) -> bool {
        self.typed == other.typed
    }
}

impl Search {
    /// Reads what was typed as a regular expression, or takes it as it stands if it is none. Letters
    /// match both cases unless one of them is upper case. Nothing typed is nothing to search for.
    pub(super) fn new(typed: &str) -> Option<Search> {
        /// Bytes that a compiled pattern may take; one that is larger is taken as it stands.
        const LARGEST: usize = 1 << 20;
        let is_any_case = !typed.chars().any(char::is_uppercase);
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .case_insensitive(is_any_case)
                .multi_line(true)
                .size_limit(LARGEST)
                .build()
        };
        let pattern = build(typed)
            .or_else(|_| build(&regex::escape(typed)))
            .ok()?;
        (!typed.is_empty()).then(|| Search {
            typed: typed.to_owned(),
            pattern,
        })
    }

    /// What was typed.
    pub(super) fn typed(&self) -> &str {
        &self.typed
    }

    /// The matches in `text` that begin at `from` or after it. An empty match is nowhere in
    /// particular and left out.
    pub(super) fn matches<'a>(
        &'a self,
        text: &'a str,
        from: usize,
    ) -> impl Iterator<Item = Span> + 'a {
        let mut at = from;
        std::iter::from_fn(move || {
            while at <= text.len() {
                let found = self.pattern.find_at(text, at)?;
                at = found.end();
                if !found.is_empty() {
                    return Some(Span::new(found.start(), found.end()));
                }
                let next = text.get(at..).and_then(|rest| rest.chars().next());
                at += next.map_or(1, char::len_utf8);
            }
            None
        })
    }

    /// The last match that begins before `before`, in the lines up to the one it is in.
    pub(super) fn last_before(&self, text: &str, lines: &LineIndex, before: usize) -> Option<Span> {
        let last = lines.line_of(before);
        (0..=last).rev().find_map(|line| {
            // Line by line, for a pattern cannot be looked for backwards.
            let span = lines.span(line);
            let end = span.end().min(before + self.longest(text, before));
            let part = text.get(..end)?;
            self.matches(part, span.start())
                .take_while(|found| found.start() < before)
                .last()
        })
    }

    /// How far behind `before` a match that begins before it may reach: to the end of its line.
    fn longest(&self, text: &str, before: usize) -> usize {
        let rest = text.get(before..).unwrap_or_default();
        rest.find('\n').map_or(rest.len(), |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(typed: &str, text: &str) -> Vec<usize> {
        let search = Search::new(typed).unwrap();
        search.matches(text, 0).map(Span::start).collect()
    }

    #[test]
    fn small_letters_match_both_cases_and_capitals_only_themselves() {
        assert_eq!(starts("boat", "Boat boat"), [0, 5]);
        assert_eq!(starts("Boat", "Boat boat"), [0]);
    }

    #[test]
    fn what_is_no_regular_expression_is_looked_for_as_it_stands() {
        assert_eq!(starts("b.at", "boat b.at"), [0, 5]);
        assert_eq!(starts("(b", "a (b"), [2]);
        assert_eq!(starts("x{1,9}{1,9}{1,999}{1,999}", "x"), [0usize; 0]);
    }

    #[test]
    fn empty_matches_are_left_out() {
        assert_eq!(starts("a*", "bé aa"), [4]);
        assert!(Search::new("").is_none());
        assert_eq!(starts("^", "a\nb"), [0usize; 0]);
    }

    #[test]
    fn the_last_match_before_a_place_is_found_in_its_line_and_above() {
        let text = "one two\none\ntwo one";
        let lines = LineIndex::new(text);
        let search = Search::new("one").unwrap();
        let last = |before| search.last_before(text, &lines, before).map(Span::start);
        assert_eq!(last(text.len()), Some(16));
        assert_eq!(last(16), Some(8));
        assert_eq!(last(9), Some(8));
        assert_eq!(last(8), Some(0));
        assert_eq!(last(0), None);
    }
}
