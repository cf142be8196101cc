//! A line that is typed, and a list that is filtered by it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};
use unicode_segmentation::UnicodeSegmentation;

/// A line of input with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    text: String,
    /// A byte of `text`, on the border of a grapheme.
    cursor: usize,
}

impl Prompt {
    /// A line that begins as `text`, the cursor at its end.
    pub fn new(text: &str) -> Prompt {
        Prompt {
            text: text.to_owned(),
            cursor: text.len(),
        }
    }

    /// What has been typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    pub(super) fn before_cursor(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    /// Edits the line as shells do; says whether the key meant something.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL)
            && !key.modifiers.contains(KeyModifiers::ALT);
        match (key.code, ctrl) {
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => self.cursor = 0,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => self.cursor = self.text.len(),
            (KeyCode::Char('b'), true) | (KeyCode::Left, _) => self.cursor = self.before(),
            (KeyCode::Char('f'), true) | (KeyCode::Right, _) => self.cursor = self.after(),
            (KeyCode::Char('h'), true) | (KeyCode::Backspace, false) => self.cut(self.before()),
            (KeyCode::Char('w'), true) | (KeyCode::Backspace, true) => {
                let bare = self.before_cursor().trim_end();
                let word = bare
                    .char_indices()
                    .rev()
                    .find(|(_, c)| c.is_whitespace() || *c == '/')
                    .map_or(0, |(at, c)| at + c.len_utf8());
                // Right behind a border the piece before it goes.
                let word = if word == bare.len() {
                    self.before()
                } else {
                    word
                };
                self.cut(word);
            }
            (KeyCode::Char('u'), true) => self.cut(0),
            (KeyCode::Char('k'), true) => self.text.truncate(self.cursor),
            (KeyCode::Delete, _) => {
                let after = self.after();
                self.text.replace_range(self.cursor..after, "");
            }
            (KeyCode::Char(c), false) => self.insert(c.encode_utf8(&mut [0; 4])),
            _ => return false,
        }
        true
    }

    /// Types `text`; a line end in it is a space.
    pub(super) fn insert(&mut self, text: &str) {
        let line: String = text
            .chars()
            .map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c })
            .collect();
        self.text.insert_str(self.cursor, &line);
        self.cursor += line.len();
    }

    fn cut(&mut self, from: usize) {
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    fn before(&self) -> usize {
        let last = self.before_cursor().grapheme_indices(true).next_back();
        last.map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        let rest = self.text.get(self.cursor..).unwrap_or_default();
        let first = rest.graphemes(true).next().unwrap_or_default();
        self.cursor + first.len()
    }
}

/// A prompt over a list, of which the entries that fit what was typed remain, the best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picker {
    /// What is typed.
    pub prompt: Prompt,
    /// The entries that fit, as indices into the list.
    pub matches: Vec<usize>,
    /// Which of the matches is chosen.
    pub selected: usize,
}

impl Picker {
    /// A picker over `entries`, nothing typed yet.
    pub(super) fn new<S: AsRef<str>>(entries: &[S]) -> Picker {
        let mut picker = Picker::default();
        picker.filter(entries);
        picker
    }

    /// Finds anew which of `entries` fit.
    pub(super) fn filter<S: AsRef<str>>(&mut self, entries: &[S]) {
        let query = self.prompt.text().trim();
        if query.is_empty() {
            self.matches = (0..entries.len()).collect();
        } else {
            let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
            let pattern = Pattern::parse(query, CaseMatching::Smart, Normalization::Smart);
            let mut buffer = Vec::new();
            let mut scored: Vec<(u32, usize)> = entries
                .iter()
                .enumerate()
                .filter_map(|(at, entry)| {
                    let entry = nucleo_matcher::Utf32Str::new(entry.as_ref(), &mut buffer);
                    Some((pattern.score(entry, &mut matcher)?, at))
                })
                .collect();
            // Among equals the order of the list stays.
            scored.sort_by_key(|&(score, at)| (std::cmp::Reverse(score), at));
            self.matches = scored.into_iter().map(|(_, at)| at).collect();
        }
        self.selected = self.selected.min(self.matches.len().saturating_sub(1));
    }

    /// The entry that is chosen.
    pub(super) fn chosen(&self) -> Option<usize> {
        self.matches.get(self.selected).copied()
    }

    /// Moves the choice or edits the prompt; says whether `entries` must be filtered anew.
    pub(super) fn press(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let last = self.matches.len().saturating_sub(1);
        match (key.code, ctrl) {
            (KeyCode::Down | KeyCode::Tab, _) | (KeyCode::Char('n' | 'j'), true) => {
                self.selected = if self.selected >= last {
                    0
                } else {
                    self.selected + 1
                };
            }
            (KeyCode::Up | KeyCode::BackTab, _) | (KeyCode::Char('p'), true) => {
                self.selected = self.selected.checked_sub(1).unwrap_or(last);
            }
            (KeyCode::PageDown, _) => self.selected = (self.selected + 10).min(last),
            (KeyCode::PageUp, _) => self.selected = self.selected.saturating_sub(10),
            _ => {
                if self.prompt.press(key) {
                    self.selected = 0;
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn ctrl(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    fn type_into(prompt: &mut Prompt, text: &str) {
        for c in text.chars() {
            prompt.press(key(KeyCode::Char(c)));
        }
    }

    #[test]
    fn a_line_is_edited_by_graphemes_and_words() {
        let mut prompt = Prompt::default();
        type_into(&mut prompt, "docs/ne\u{301}w file");
        assert!(prompt.press(ctrl('w')));
        assert_eq!(prompt.text(), "docs/ne\u{301}w ");
        prompt.press(ctrl('w'));
        assert_eq!(prompt.text(), "docs/");
        prompt.insert("ne\u{301}\n");
        prompt.press(key(KeyCode::Left));
        prompt.press(key(KeyCode::Backspace));
        assert_eq!(prompt.text(), "docs/n ");
        prompt.press(key(KeyCode::Home));
        prompt.press(key(KeyCode::Delete));
        assert_eq!((prompt.text(), prompt.before_cursor()), ("ocs/n ", ""));
        prompt.press(ctrl('k'));
        assert_eq!(prompt.text(), "");
        prompt.press(ctrl('w'));
        assert!(!prompt.press(key(KeyCode::F(5))));
    }

    #[test]
    fn what_is_typed_filters_the_list_and_the_best_comes_first() {
        let entries = ["docs/guide.md", "src/readme.txt", "README.md"];
        let mut picker = Picker::new(&entries);
        assert_eq!(picker.matches, [0, 1, 2]);
        for c in "read".chars() {
            assert!(picker.press(key(KeyCode::Char(c))));
            picker.filter(&entries);
        }
        assert_eq!(picker.matches.len(), 2);
        assert_eq!(picker.chosen(), Some(picker.matches[0]));
        assert!(!picker.press(key(KeyCode::Down)));
        assert_eq!(picker.chosen(), Some(picker.matches[1]));
        picker.press(key(KeyCode::Down));
        assert_eq!(picker.selected, 0);
        picker.press(key(KeyCode::Char('#')));
        picker.filter(&entries);
        assert_eq!(picker.chosen(), None);
    }
}
