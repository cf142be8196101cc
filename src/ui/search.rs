//! What is being searched for, and where it is.
//!
//! The regular expressions are those of [`regex`], so one look for a match is linear in the text. To
//! find the last match before a place, or to step over empty matches, takes many looks, and these
//! together can be quadratic (`.*Q|a` on one long line). So the text is searched in windows, and a
//! [`Seek`] can stop after any look and go on later, on another thread.

use std::sync::Arc;

use regex::{Match, Regex, RegexBuilder};

use electroscope_text::Span;

use super::open::on_border;

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
    /// match both cases unless one of them is upper case. Nothing typed is nothing to search for, and
    /// neither is what takes too much memory.
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
        if typed.is_empty() {
            return None;
        }
        let pattern = build(typed)
            .or_else(|_| build(&regex::escape(typed)))
            .ok()?;
        Some(Search {
            typed: typed.to_owned(),
            pattern,
        })
    }

    /// What was typed.
    pub(super) fn typed(&self) -> &str {
        &self.typed
    }

    /// The matches that begin in the rows of a screen. Each row is searched with a little of what
    /// follows, so that a row costs the same whatever the pattern; a match that is longer is left out.
    /// Empty matches are nowhere in particular and left out too.
    pub(super) fn in_rows(&self, text: &str, rows: impl IntoIterator<Item = Span>) -> Vec<Span> {
        /// Bytes behind a row that a match may reach.
        const REACH: usize = 512;
        let mut found = Vec::new();
        let mut at = 0;
        for row in rows {
            at = at.max(row.start());
            let part = text
                .get(..on_border(text, row.end() + REACH))
                .unwrap_or_default();
            while at < row.end() {
                let Some(hit) = self.pattern.find_at(part, at) else {
                    break;
                };
                if hit.start() >= row.end() {
                    break;
                }
                at = after(text, &hit);
                if !hit.is_empty() {
                    found.push(Span::new(hit.start(), hit.end()));
                }
            }
        }
        found
    }
}

/// Where to go on behind a match: behind an empty one, at the next character.
fn after(text: &str, hit: &Match<'_>) -> usize {
    if !hit.is_empty() {
        return hit.end();
    }
    let next = text.get(hit.end()..).and_then(|rest| rest.chars().next());
    hit.end() + next.map_or(1, char::len_utf8)
}

/// Where a match lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// There is a match.
    Found {
        /// Where.
        span: Span,
        /// Whether it lies on the other side of the end, or of the start, of the text.
        is_beyond_end: bool,
    },
    /// There is none.
    Missing,
    /// It was told to stop; [`Seek::run`] goes on.
    Unfinished,
}

/// A search for one match from a place on, in a circle.
#[derive(Clone, Debug, PartialEq)]
pub struct Seek {
    search: Search,
    text: Arc<str>,
    is_backward: bool,
    from: usize,
    /// Forward: the next byte to look at. Backward: what lies behind it has been looked at.
    at: usize,
    has_wrapped: bool,
}

impl Seek {
    /// For the first match that begins at `from` or after it.
    pub(super) fn forward(search: Search, text: Arc<str>, from: usize) -> Seek {
        let from = on_border(&text, from);
        Seek {
            search,
            text,
            is_backward: false,
            from,
            at: from,
            has_wrapped: false,
        }
    }

    /// For the last match that begins before `from`.
    pub(super) fn backward(search: Search, text: Arc<str>, from: usize) -> Seek {
        Seek {
            is_backward: true,
            ..Seek::forward(search, text, from)
        }
    }

    /// Looks for the match. Before each look `may_go_on` is told how many bytes it reads at most, and
    /// says whether to stop here. A match longer than a window (64 KiB) may be missed.
    pub(super) fn run(&mut self, mut may_go_on: impl FnMut(usize) -> bool) -> Sought {
        let found = if self.is_backward {
            self.run_backward(&mut may_go_on)
        } else {
            self.run_forward(&mut may_go_on)
        };
        match found {
            Err(Stopped) => Sought::Unfinished,
            Ok(None) => Sought::Missing,
            Ok(Some(span)) => Sought::Found {
                span,
                is_beyond_end: self.has_wrapped,
            },
        }
    }

    fn run_forward(
        &mut self,
        may_go_on: &mut impl FnMut(usize) -> bool,
    ) -> Result<Option<Span>, Stopped> {
        const WINDOW: usize = 64 << 10;
        let text = Arc::clone(&self.text);
        loop {
            let end = if self.has_wrapped {
                self.from
            } else {
                text.len()
            };
            if self.at >= end {
                if self.has_wrapped {
                    return Ok(None);
                }
                self.has_wrapped = true;
                self.at = 0;
                continue;
            }
            let until = on_border(&text, self.at + WINDOW).min(end);
            let cut = on_border(&text, until + WINDOW);
            if !may_go_on(cut - self.at) {
                return Err(Stopped);
            }
            match self.look(&text, cut, self.at) {
                Some(hit) if hit.start() < until && !hit.is_empty() => {
                    return Ok(Some(Span::new(hit.start(), hit.end())));
                }
                Some(hit) if hit.start() < until => self.at = after(&text, &hit),
                _ => self.at = until,
            }
        }
    }

    fn run_backward(
        &mut self,
        may_go_on: &mut impl FnMut(usize) -> bool,
    ) -> Result<Option<Span>, Stopped> {
        const WINDOW: usize = 4 << 10;
        let text = Arc::clone(&self.text);
        loop {
            let start = if self.has_wrapped { self.from } else { 0 };
            if self.at <= start {
                if self.has_wrapped {
                    return Ok(None);
                }
                self.has_wrapped = true;
                self.at = text.len();
                continue;
            }
            let (from, until) = (window_start(&text, self.at, WINDOW).max(start), self.at);
            let cut = on_border(&text, until + WINDOW);
            // From its start on, for a pattern cannot be looked for backwards.
            let (mut at, mut last) = (from, None);
            while at < until {
                if !may_go_on(cut - at) {
                    return Err(Stopped);
                }
                let Some(hit) = self.look(&text, cut, at) else {
                    break;
                };
                if hit.start() >= until {
                    break;
                }
                at = after(&text, &hit);
                if !hit.is_empty() {
                    last = Some(Span::new(hit.start(), hit.end()));
                }
            }
            if last.is_some() {
                return Ok(last);
            }
            self.at = from;
        }
    }

    /// The first match from `at` on in the text up to `cut`.
    fn look<'t>(&self, text: &'t str, cut: usize, at: usize) -> Option<Match<'t>> {
        let part = text.get(..cut).unwrap_or_default();
        let hit = self.search.pattern.find_at(part, at)?;
        // At a cut `$` and `\b` match though the text goes on.
        if hit.end() == cut && cut < text.len() {
            return self.search.pattern.find_at(text, hit.start());
        }
        Some(hit)
    }
}

/// It was not to go on.
struct Stopped;

/// Where the window that ends at `end` begins: with a line, or in a very long one behind white space.
fn window_start(text: &str, end: usize, size: usize) -> usize {
    let wanted = on_border(text, end.saturating_sub(size));
    let earliest = on_border(text, wanted.saturating_sub(size));
    let before = text.get(earliest..wanted).unwrap_or_default();
    if let Some(line) = before.rfind('\n') {
        return earliest + line + 1;
    }
    if earliest == 0 {
        return 0;
    }
    match before.rfind(char::is_whitespace) {
        Some(space) => on_border(text, earliest + space + 1),
        None => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(typed: &str, text: &str) -> Vec<usize> {
        let search = Search::new(typed).unwrap();
        let rows = [Span::new(0, text.len())];
        let found = search.in_rows(text, rows).into_iter();
        found.map(Span::start).collect()
    }

    /// Where the match lies and whether it is beyond the end, and how many looks that took.
    fn seek(mut seek: Seek) -> (Option<(usize, bool)>, usize) {
        let mut looks = 0;
        let sought = seek.run(|_| {
            looks += 1;
            true
        });
        let found = match sought {
            Sought::Found {
                span,
                is_beyond_end,
            } => Some((span.start(), is_beyond_end)),
            Sought::Missing => None,
            Sought::Unfinished => panic!("it was not told to stop"),
        };
        (found, looks)
    }

    fn forward(typed: &str, text: &str, from: usize) -> Option<(usize, bool)> {
        seek(Seek::forward(
            Search::new(typed).unwrap(),
            text.into(),
            from,
        ))
        .0
    }

    fn backward(typed: &str, text: &str, from: usize) -> Option<(usize, bool)> {
        seek(Seek::backward(
            Search::new(typed).unwrap(),
            text.into(),
            from,
        ))
        .0
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
        assert_eq!(forward("a*", "bé aa", 0), Some((4, false)));
        assert_eq!(forward("z*", "bé aa", 1), None);
        assert_eq!(backward("a*", "aa bé", 5), Some((0, false)));
    }

    #[test]
    fn the_last_match_before_a_place_is_found_in_its_line_and_above() {
        let text = "one two\none\ntwo one";
        let last = |before| backward("one", text, before);
        assert_eq!(last(text.len()), Some((16, false)));
        assert_eq!(last(16), Some((8, false)));
        assert_eq!(last(9), Some((8, false)));
        assert_eq!(last(8), Some((0, false)));
        assert_eq!(last(0), Some((16, true)));
        assert_eq!(backward("three", text, 9), None);
    }

    #[test]
    fn a_search_goes_round_the_end_and_back_to_where_it_began() {
        let text = "one two one";
        assert_eq!(forward("one", text, 0), Some((0, false)));
        assert_eq!(forward("one", text, 1), Some((8, false)));
        assert_eq!(forward("one", text, 9), Some((0, true)));
        assert_eq!(forward("two", text, 5), Some((4, true)));
        assert_eq!(forward("ten", text, 5), None);
    }

    #[test]
    fn matches_are_found_beyond_the_borders_of_windows() {
        let text = format!("{}end", "four ".repeat(40_000));
        assert_eq!(forward("end", &text, 0), Some((200_000, false)));
        assert_eq!(forward("four$", &text, 0), None);
        assert_eq!(forward("(four )+e", &text, 199_000), Some((199_000, false)));
        assert_eq!(backward("our", &text, 200_000), Some((199_996, false)));
        let text = format!("start\n{}", "é".repeat(100_000));
        assert_eq!(backward("start", &text, text.len()), Some((0, false)));
        assert_eq!(forward("start", &text, 9), Some((0, true)));
    }

    #[test]
    fn a_pattern_that_is_quadratic_on_a_long_line_takes_few_looks() {
        let text: Arc<str> = "a".repeat(1 << 20).into();
        let search = || Search::new(".*Q|a").unwrap();
        let (found, looks) = seek(Seek::forward(search(), Arc::clone(&text), 77));
        assert_eq!((found, looks), (Some((77, false)), 1));
        let (found, looks) = seek(Seek::backward(search(), Arc::clone(&text), 1 << 19));
        assert_eq!(found, Some(((1 << 19) - 1, false)));
        assert!(looks <= 4 << 10, "{looks}");
    }

    #[test]
    fn a_search_that_is_stopped_goes_on_where_it_was() {
        let text: Arc<str> = format!("{}b", "a\n".repeat(200_000)).into();
        let mut seek = Seek::forward(Search::new("b").unwrap(), text, 0);
        let mut rounds = 0;
        let found = loop {
            let mut looks = 0;
            let sought = seek.run(|_| {
                looks += 1;
                looks < 3
            });
            rounds += 1;
            if sought != Sought::Unfinished {
                break sought;
            }
        };
        let span = Span::new(400_000, 400_001);
        let is_beyond_end = false;
        assert_eq!(
            found,
            Sought::Found {
                span,
                is_beyond_end
            }
        );
        assert!(rounds > 1);
    }
}
