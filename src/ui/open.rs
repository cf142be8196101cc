//! One open document: its text, what the model has said of it, and where the reader stands.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::worker::files::Watching;
use crate::worker::inference::{DocumentId, Generation};
use electroscope_analysis::{Exemption, Exemptions, Flagging, Reading};
use electroscope_text::{AsRead, Document, Language, LineIndex, Row, Span, Wrapped, content};

use super::findings::Findings;
use super::readings::{Hot, Readings};
use super::suggested::Suggested;

/// Rows that stay visible above and below the cursor.
const MARGIN: usize = 2;

/// How far the work on a document is.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// It has not been asked for: it is one of very many.
    Listed,
    /// Its text is not here yet.
    Reading,
    /// Its text is here and the model has not begun.
    Waiting,
    /// The model has read this much of it, 0 to 1.
    Scoring(f32),
    /// The model has read all of it.
    Scored {
        /// How long that took.
        elapsed: Duration,
        /// Windows that the model read.
        computed: usize,
        /// Windows that were remembered.
        cached: usize,
    },
    /// It cannot be read or scored; why.
    Failed(String),
}

/// An open document.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// Which one it is.
    pub id: DocumentId,
    /// The file, or `<stdin>`.
    pub path: PathBuf,
    /// What is prose in it.
    pub language: Language,
    /// Its text, once that has been read.
    pub document: Option<Document>,
    /// How its reader sees that.
    pub(super) read: AsRead,
    /// Which version of the text this is.
    pub generation: Generation,
    /// How far the work is.
    pub work: Work,
    /// How changes are noticed, once that is known.
    pub watching: Option<Watching>,
    /// What happened to the file, if its text is no longer what is on disk.
    pub lost: Option<String>,
    pub(super) lines: LineIndex,
    pub(super) readings: Readings,
    /// Words that are not flagged; those of the version before until those of this one are found.
    exemptions: Exemptions,
    pub(super) findings: Findings,
    /// What is suggested for its words.
    pub(super) suggested: Suggested,
    /// The byte that the cursor stands on.
    pub(super) cursor: usize,
    /// A byte of the first row on the screen.
    pub(super) top: usize,
    /// The column that the cursor wants to be in when it moves up and down.
    goal: Option<usize>,
}

impl Open {
    pub(super) fn new(id: DocumentId, path: &Path, language: Language, flagging: Flagging) -> Open {
        Open {
            id,
            path: path.to_owned(),
            language,
            document: None,
            read: AsRead::default(),
            generation: Generation::default(),
            work: Work::Listed,
            watching: None,
            lost: None,
            lines: LineIndex::new(""),
            readings: Readings::new(flagging),
            exemptions: Exemptions::default(),
            findings: Findings::default(),
            suggested: Suggested::default(),
            cursor: 0,
            top: 0,
            goal: None,
        }
    }

    /// Its text; empty as long as there is none.
    pub(super) fn text(&self) -> &str {
        self.document.as_ref().map_or("", |document| &document.text)
    }

    /// What a reader sees of a word.
    pub(super) fn word_text(&self, span: Span) -> Cow<'_, str> {
        self.read.text(span)
    }

    pub(super) fn wrapped(&self, width: u16) -> Wrapped<'_> {
        Wrapped::new(self.text(), &self.lines, width)
    }

    /// Takes a new version of the text; cursor, view and readings stay with the words they are at.
    pub(super) fn replace(&mut self, document: Document) {
        let (old, new) = (self.text(), &*document.text);
        let prefix = common_prefix(old, new);
        let suffix = common_suffix(&old[prefix..], &new[prefix..]);
        let (old_len, new_len) = (old.len(), new.len());
        let moved = |byte: usize| {
            if byte <= prefix {
                byte
            } else if byte >= old_len - suffix {
                new_len - (old_len - byte)
            } else {
                // Inside the edited stretch: as far into the new one as it reaches.
                byte.min(new_len - suffix)
            }
        };
        let (cursor, top) = (moved(self.cursor), moved(self.top));
        self.readings.edited(prefix, suffix, old_len, new_len);
        self.findings.edited(prefix, suffix, old_len, new_len);
        self.suggested.clear();
        self.lines = LineIndex::new(new);
        self.cursor = on_border(new, cursor);
        self.top = on_border(new, top);
        self.generation = Generation(self.generation.0 + 1);
        self.read = AsRead::new(&document);
        self.document = Some(document);
        self.work = Work::Waiting;
        self.lost = None;
        self.sort_out();
    }

    /// Takes in what the model says of some words of this version or an earlier one.
    pub(super) fn insert(&mut self, generation: Generation, reading: Arc<Reading>) {
        self.readings.insert(generation, reading);
        self.sort_out();
    }

    /// Flags by another threshold.
    pub(super) fn set_threshold(&mut self, threshold: f32) {
        self.readings.set_threshold(threshold);
        self.sort_out();
    }

    /// Takes in which words are not to be flagged in this version.
    pub(super) fn exempt(&mut self, exemptions: Exemptions) {
        self.exemptions = exemptions;
        self.readings.judge();
        self.sort_out();
    }

    /// Takes out of the flagged words those that are exempt.
    fn sort_out(&mut self) {
        let (document, read, exemptions) = (&self.document, &self.read, &self.exemptions);
        let text = document.as_ref().map_or("", |document| &document.text);
        self.readings
            .exempt(&|span| exemptions.of_word(text, span, &read.text(span)).is_some());
    }

    /// Why the word at `span` is not flagged.
    pub(super) fn exemption(&self, span: Span) -> Option<Exemption> {
        (self.exemptions).of_word(self.text(), span, &self.word_text(span))
    }

    /// What is not flagged, as far as it has been found.
    pub(super) fn exemptions(&self) -> &Exemptions {
        &self.exemptions
    }

    /// The word under the cursor, with its pieces.
    pub(super) fn word(&self) -> Option<(Hot, Vec<electroscope_analysis::Token>)> {
        self.readings.word_at(self.cursor)
    }

    /// The bytes on a screen of this size.
    pub(super) fn visible(&self, width: u16, height: u16) -> Span {
        let rows = self.wrapped(width).rows_from(self.top);
        let last = rows.take(usize::from(height)).last();
        Span::new(self.top, last.map_or(self.top, |row| row.span.end()))
    }

    /// Puts the cursor at `byte` and scrolls as far as needed; far away it comes to stand in the
    /// upper third.
    pub(super) fn jump(&mut self, byte: usize, width: u16, height: u16) {
        self.cursor = on_border(self.text(), byte);
        self.goal = None;
        let wrapped = self.wrapped(width);
        let height = usize::from(height);
        let is_near = |rows: Option<usize>| rows.is_some_and(|rows| rows < height);
        let rows = wrapped.rows_between(self.top, self.cursor, height + MARGIN);
        let above = wrapped.rows_between(self.cursor, self.top, MARGIN + 1);
        if is_near(rows) || above.is_some_and(|above| above <= MARGIN) {
            self.follow(width, height as u16);
        } else {
            let back = -((height / 3) as isize);
            self.top = wrapped.row_beyond(self.cursor, back).span.start();
        }
    }

    /// Scrolls so that the cursor is on the screen.
    pub(super) fn follow(&mut self, width: u16, height: u16) {
        let wrapped = self.wrapped(width);
        let height = usize::from(height);
        let margin = MARGIN.min(height.saturating_sub(1) / 2);
        let top = wrapped.row_at(self.top).span.start();
        let rows = wrapped.rows_between(top, self.cursor, height);
        // How far above the cursor the screen is to begin, if it is to begin elsewhere.
        let back = match rows {
            Some(rows) if rows >= margin && rows + margin < height => None,
            Some(rows) if rows >= margin => Some(height.saturating_sub(1 + margin)),
            _ => Some(margin),
        };
        let top = match back {
            None => top,
            Some(back) => wrapped
                .row_beyond(self.cursor, -(back as isize))
                .span
                .start(),
        };
        self.top = top;
    }

    /// Scrolls by rows; the cursor stays on the screen.
    pub(super) fn scroll(&mut self, by: isize, width: u16, height: u16) {
        let wrapped = self.wrapped(width);
        let top = wrapped.row_beyond(self.top, by).span.start();
        // The last row may come up to the middle of the screen, not out of it.
        let half = isize::from(height as i16 / 2).max(1);
        let lowest = wrapped.row_beyond(self.text().len(), 1 - half).span.start();
        let top = if by > 0 {
            top.min(lowest.max(self.top))
        } else {
            top
        };
        let margin = MARGIN.min(usize::from(height).saturating_sub(1) / 2) as isize;
        let column = self.goal.unwrap_or_else(|| wrapped.column(self.cursor));
        let first = if top == 0 {
            wrapped.row_at(0)
        } else {
            wrapped.row_beyond(top, margin)
        };
        let last = wrapped.row_beyond(top, (isize::from(height as i16) - 1 - margin).max(0));
        let row = wrapped.row_at(self.cursor);
        let cursor = if row.span.start() < first.span.start() {
            wrapped.byte_at(first, column, false)
        } else if row.span.start() > last.span.start() {
            wrapped.byte_at(last, column, false)
        } else {
            self.cursor
        };
        self.top = top;
        self.cursor = cursor;
        self.goal = Some(column);
    }

    /// Moves the cursor by rows, as near to its column as the rows allow.
    pub(super) fn move_rows(&mut self, by: isize, width: u16) {
        let wrapped = self.wrapped(width);
        let column = self.goal.unwrap_or_else(|| wrapped.column(self.cursor));
        let row = wrapped.row_beyond(self.cursor, by);
        let here = wrapped.row_at(self.cursor);
        if row != here {
            self.cursor = wrapped.byte_at(row, column, false);
        }
        self.goal = Some(column);
    }

    /// Moves the cursor by a grapheme within its line.
    pub(super) fn move_grapheme(&mut self, right: bool) {
        use unicode_segmentation::UnicodeSegmentation;
        let line = self.line();
        let step = {
            let text = self.text();
            if right {
                let rest = text.get(self.cursor..line.end()).unwrap_or_default();
                rest.grapheme_indices(true)
                    .nth(1)
                    .map(|(at, _)| self.cursor + at)
            } else {
                let before = text.get(line.start()..self.cursor).unwrap_or_default();
                before
                    .grapheme_indices(true)
                    .next_back()
                    .map(|(at, _)| line.start() + at)
            }
        };
        self.cursor = step.unwrap_or(self.cursor);
        self.goal = None;
    }

    /// The start of the next (or the last) word, as white space divides them.
    pub(super) fn next_word(&self) -> usize {
        let rest = self.text().get(self.cursor..).unwrap_or_default();
        let mut chars = rest.char_indices().skip_while(|(_, c)| !c.is_whitespace());
        let next = chars.find(|(_, c)| !c.is_whitespace());
        next.map_or(self.cursor, |(at, _)| self.cursor + at)
    }

    /// The start of the word under the cursor, or of the one before.
    pub(super) fn previous_word(&self) -> usize {
        let before = self.text().get(..self.cursor).unwrap_or_default();
        let mut start = 0;
        let mut seen = false;
        for (at, c) in before.char_indices().rev() {
            if c.is_whitespace() && seen {
                start = at + c.len_utf8();
                break;
            }
            seen |= !c.is_whitespace();
        }
        start
    }

    /// The blank line behind the paragraph, or the end of the text.
    pub(super) fn next_paragraph(&self) -> usize {
        let text = self.text();
        let here = self.lines.line_of(self.cursor);
        let last = self.lines.count();
        let is_blank = |line: usize| self.is_blank(line);
        let inside = (here..last).find(|&line| !is_blank(line));
        let behind = inside.and_then(|from| (from..last).find(|&line| is_blank(line)));
        // The empty line behind the last line end is no place to be.
        match behind.map(|line| self.lines.span(line).start()) {
            Some(start) if start < text.len() => start,
            _ => {
                let bare = text.trim_end_matches(['\n', '\r']);
                bare.char_indices().next_back().map_or(0, |(at, _)| at)
            }
        }
    }

    /// The blank line before the paragraph, or the start of the text.
    pub(super) fn previous_paragraph(&self) -> usize {
        let here = self.lines.line_of(self.cursor);
        let inside = (0..=here).rev().find(|&line| !self.is_blank(line));
        let before = inside.and_then(|from| (0..from).rev().find(|&line| self.is_blank(line)));
        before.map_or(0, |line| self.lines.span(line).start())
    }

    fn is_blank(&self, line: usize) -> bool {
        let line = content(self.text(), &self.lines, line).of(self.text());
        line.is_none_or(|line| line.trim().is_empty())
    }

    /// The line that the cursor stands in, without its end.
    pub(super) fn line(&self) -> Span {
        content(self.text(), &self.lines, self.lines.line_of(self.cursor))
    }

    /// Puts the cursor at one end of its line.
    pub(super) fn move_to_line_end(&mut self, end: bool) {
        use unicode_segmentation::UnicodeSegmentation;
        let line = self.line();
        let last = line
            .of(self.text())
            .and_then(|text| text.grapheme_indices(true).next_back())
            .map_or(line.start(), |(at, _)| line.start() + at);
        self.cursor = if end { last } else { line.start() };
        self.goal = None;
    }

    /// The row that the cursor stands in, counted from the top of the screen.
    pub(super) fn cursor_row(&self, width: u16, height: u16) -> Option<(usize, Row)> {
        let wrapped = self.wrapped(width);
        let rows = wrapped.rows_between(self.top, self.cursor, usize::from(height))?;
        (rows < usize::from(height)).then(|| (rows, wrapped.row_at(self.cursor)))
    }
}

/// `byte`, or the border of a character before it.
pub(super) fn on_border(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

/// How many bytes the two begin with alike, up to a border of a character in both.
fn common_prefix(a: &str, b: &str) -> usize {
    /// Blocks of bytes are compared faster than single ones.
    const BLOCK: usize = 256;
    let (x, y) = (a.as_bytes(), b.as_bytes());
    let blocks = x
        .chunks_exact(BLOCK)
        .zip(y.chunks_exact(BLOCK))
        .take_while(|(x, y)| x == y)
        .count();
    let from = blocks * BLOCK;
    let rest = x.iter().zip(y).skip(from).take_while(|(x, y)| x == y);
    let mut len = from + rest.count();
    while !(a.is_char_boundary(len) && b.is_char_boundary(len)) {
        len -= 1;
    }
    len
}

/// How many bytes the two end with alike, up to a border of a character in both.
fn common_suffix(a: &str, b: &str) -> usize {
    const BLOCK: usize = 256;
    let (x, y) = (a.as_bytes(), b.as_bytes());
    let blocks = x
        .rchunks_exact(BLOCK)
        .zip(y.rchunks_exact(BLOCK))
        .take_while(|(x, y)| x == y)
        .count();
    let from = blocks * BLOCK;
    let rest = x.iter().rev().zip(y.iter().rev()).skip(from);
    let mut len = from + rest.take_while(|(x, y)| x == y).count();
    while !(a.is_char_boundary(a.len() - len) && b.is_char_boundary(b.len() - len)) {
        len -= 1;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(text: &str) -> Open {
        let mut open = Open::new(
            DocumentId(0),
            Path::new("x"),
            Language::Plain,
            Flagging::words(0.5),
        );
        open.replace(Document::new("x", text, Language::Plain));
        open
    }

    #[test]
    fn the_cursor_stays_with_its_word_when_text_is_put_in_before_it() {
        let mut open = open("one two three");
        open.cursor = 8;
        open.replace(Document::new("x", "one and two three", Language::Plain));
        assert_eq!(&open.text()[open.cursor..], "three");
        open.replace(Document::new("x", "", Language::Plain));
        assert_eq!((open.cursor, open.top), (0, 0));
        assert_eq!(open.generation, Generation(3));
    }

    #[test]
    fn rows_keep_the_column_and_words_are_found_both_ways() {
        let mut open = open("a long first line\nab\nanother long line");
        open.cursor = 10;
        open.move_rows(1, 40);
        assert_eq!(open.cursor, 19);
        open.move_rows(1, 40);
        assert_eq!(open.cursor, 21 + 10);
        assert_eq!(open.next_word(), 34);
        assert_eq!(open.previous_word(), 29);
        open.cursor = 0;
        assert_eq!(open.previous_word(), 0);
        open.move_to_line_end(true);
        assert_eq!(open.cursor, 16);
        open.move_grapheme(true);
        assert_eq!(open.cursor, 16);
        open.move_grapheme(false);
        assert_eq!(open.cursor, 15);
    }

    #[test]
    fn paragraphs_end_at_blank_lines() {
        let mut open = open("one\ntwo\n\n \nthree\nfour\n\nfive\n");
        let mut visit = |forward: bool| {
            open.cursor = if forward {
                open.next_paragraph()
            } else {
                open.previous_paragraph()
            };
            open.cursor
        };
        assert_eq!([visit(true), visit(true), visit(true)], [8, 22, 26]);
        assert_eq!(visit(true), 26);
        assert_eq!([visit(false), visit(false), visit(false)], [22, 9, 0]);
    }

    #[test]
    fn the_view_follows_the_cursor() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let mut open = open(&text);
        let line_at_top = |open: &Open| open.lines.line_of(open.top);
        open.jump(text.find("line 50").unwrap(), 40, 12);
        assert_eq!(line_at_top(&open), 46);
        open.move_rows(-20, 40);
        open.follow(40, 12);
        assert_eq!(line_at_top(&open), 28);
        open.scroll(3, 40, 12);
        assert_eq!(line_at_top(&open), 31);
        assert_eq!(open.lines.line_of(open.cursor), 33);
        open.scroll(1000, 40, 12);
        assert_eq!(open.cursor_row(40, 12).unwrap().1.line, 97);
        open.scroll(-1000, 40, 12);
        assert_eq!(line_at_top(&open), 0);
        open.jump(text.len(), 40, 12);
        assert!(open.cursor_row(40, 12).is_some());
        assert_eq!(open.visible(40, 12).end(), text.len());
    }

    proptest! {
        #[test]
        fn prefix_and_suffix_are_on_borders_and_do_not_overlap(
            a in "[aé🙂\n]{0,600}", b in "[aé🙂\n]{0,600}", keep in 0usize..600
        ) {
            let (from, to) = (on_border(&a, keep), on_border(&a, keep / 2));
            let b = format!("{}{b}{}", &a[..from], &a[to..]);
            let prefix = common_prefix(&a, &b);
            let suffix = common_suffix(&a[prefix..], &b[prefix..]);
            prop_assert_eq!(&a[..prefix], &b[..prefix]);
            prop_assert_eq!(&a[a.len() - suffix..], &b[b.len() - suffix..]);
            let mut open = open(&a);
            open.cursor = on_border(&a, keep);
            open.replace(Document::new("x", b.as_str(), Language::Plain));
            prop_assert!(b.is_char_boundary(open.cursor) && b.is_char_boundary(open.top));
        }
    }
}
