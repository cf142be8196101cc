//! What all formats of lines share: the lines of a text, and the way through a paragraph.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::excerpt::Excerpt;
use crate::prose::Collector;
use crate::{SegmentKind, Span};

/// How often, on average, a byte may be looked at in search of what closes a mark. In a text that
/// opens many and closes none the search would else take the square of its length.
const SEARCHED: usize = 64;

/// A text that is searched, with a limit to how much.
pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    /// How many more bytes may be searched.
    budget: Cell<usize>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Scan<'a> {
        Scan {
            text,
            budget: Cell::new(SEARCHED * text.len() + 1024),
        }
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    pub(super) fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    pub(super) fn is_at(&self, at: usize, wanted: &str) -> bool {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        rest.starts_with(wanted.as_bytes())
    }

    /// The character that begins at `at`.
    pub(super) fn char_at(&self, at: usize) -> Option<char> {
        self.rest(at).chars().next()
    }

    /// The character that ends before `at`.
    pub(super) fn char_before(&self, at: usize) -> Option<char> {
        self.slice(0..at).chars().next_back()
    }

    /// Takes `bytes` from what may be searched; none if there is not so much left.
    pub(super) fn spend(&self, bytes: usize) -> Option<()> {
        let left = self.budget.get().checked_sub(bytes);
        self.budget.set(left.unwrap_or(0));
        left.map(|_| ())
    }

    /// The first `wanted` from byte `at` on.
    pub(super) fn find(&self, wanted: &str, at: usize) -> Option<usize> {
        self.find_before(wanted, at, self.text.len())
    }

    /// The first `wanted` from byte `at` on that ends before byte `end`.
    pub(super) fn find_before(&self, wanted: &str, at: usize, end: usize) -> Option<usize> {
        self.spend(1)?;
        let searched = self.text.get(at..end)?;
        let found = searched.find(wanted);
        self.spend(found.unwrap_or(searched.len()))?;
        Some(at + found?)
    }

    /// The first `wanted` from byte `at` on for which `is_right` says yes to its place.
    pub(super) fn find_where(
        &self,
        wanted: &str,
        at: usize,
        is_right: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut from = at;
        loop {
            let found = self.find(wanted, from)?;
            if is_right(found) {
                return Some(found);
            }
            from = found + wanted.len();
        }
    }

    /// The bytes from `at` on that `is_name` says yes to.
    pub(super) fn name(&self, at: usize, is_name: impl Fn(u8) -> bool) -> &'a str {
        let bytes = self.text.as_bytes().get(at..).unwrap_or_default();
        // The first bytes of a name are free, so that short ones are found whatever was searched before.
        const FREE: usize = 16;
        let searched = bytes.iter().take(FREE + self.budget.get());
        let len = searched.take_while(|byte| is_name(**byte)).count();
        if len > FREE && self.spend(len).is_none() {
            return "";
        }
        self.slice(at..at + len)
    }

    /// The byte after the bracket that closes the one at `at`, which opens with `open`; none is
    /// escaped by a backslash.
    pub(super) fn closing(&self, at: usize, open: u8, close: u8) -> Option<usize> {
        let mut depth = 0usize;
        let mut next = at;
        while let Some(byte) = self.byte(next) {
            self.spend(1)?;
            if byte == b'\\' {
                next += 1;
            } else if byte == open {
                depth += 1;
            } else if byte == close {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(next + 1);
                }
            }
            next += 1;
        }
        None
    }
}

/// The way through the text of a paragraph: marks are taken out, and what is left is prose.
pub(super) struct Inline<'a, 'b, 'c> {
    pub(super) scan: Scan<'a>,
    excerpt: &'a Excerpt,
    out: &'b mut Collector<'c>,
    /// All before this byte is emitted.
    done: usize,
    /// Marks that end what an earlier one began: where they begin and end, and what they are read as.
    closers: BTreeMap<usize, (usize, Option<SegmentKind>)>,
}

impl<'a, 'b, 'c> Inline<'a, 'b, 'c> {
    /// Goes through `excerpt`. At each character `step` says where to go on if a mark begins there,
    /// having noted it.
    pub(super) fn run(
        excerpt: &'a Excerpt,
        out: &'b mut Collector<'c>,
        step: impl Fn(&mut Inline<'a, 'b, 'c>, usize) -> Option<usize>,
    ) {
        let text = excerpt.text();
        let mut inline = Inline {
            scan: Scan::new(text),
            excerpt,
            out,
            done: 0,
            closers: BTreeMap::new(),
        };
        let mut at = 0;
        while at < text.len() {
            if let Some((&start, &(end, kind))) = inline.closers.first_key_value()
                && start <= at
            {
                inline.closers.pop_first();
                if end > at {
                    inline.mark(at..end, kind);
                    at = end;
                }
                continue;
            }
            let next = step(&mut inline, at).filter(|&next| next > at);
            at = next.unwrap_or_else(|| at + inline.scan.char_at(at).map_or(1, char::len_utf8));
        }
        inline.prose(text.len());
    }

    /// Emits the prose before `end`.
    fn prose(&mut self, end: usize) {
        if self.done < end {
            let range = self.done..end;
            self.excerpt.emit(range, SegmentKind::Prose, self.out);
            self.done = end;
        }
    }

    /// Notes that what stands at `range` is no prose: it is read as `kind`, or as nothing.
    pub(super) fn mark(&mut self, range: Range<usize>, kind: Option<SegmentKind>) -> usize {
        self.prose(range.start);
        let start = range.start.max(self.done);
        if start < range.end {
            if let Some(kind) = kind {
                self.excerpt.emit(start..range.end, kind, self.out);
            }
            self.done = range.end;
        }
        range.end
    }

    /// Notes a mark of which only `inner` is read, and not scored.
    pub(super) fn context(&mut self, range: Range<usize>, inner: Range<usize>) -> usize {
        let text = self.scan.slice(inner.clone());
        let start = inner.start + (text.len() - text.trim_start().len());
        let inner = start..start + text.trim().len();
        self.mark(range.start..inner.start, None);
        self.mark(inner.clone(), Some(SegmentKind::Context));
        self.mark(inner.end..range.end, None)
    }

    /// Notes two marks with prose between them: the first, and where the second will be.
    pub(super) fn around(&mut self, open: Range<usize>, close: Range<usize>) -> usize {
        self.closers.insert(close.start, (close.end, None));
        self.mark(open, None)
    }

    /// As [`Inline::around`], with a space where the marks are.
    pub(super) fn apart(&mut self, open: Range<usize>, close: Range<usize>) -> usize {
        let kind = Some(SegmentKind::Break);
        self.closers.insert(close.start, (close.end, kind));
        self.mark(open, kind)
    }

    /// Notes an entity of HTML, if one begins at `at`.
    pub(super) fn entity(&mut self, at: usize) -> Option<usize> {
        let (len, kind) = super::html::entity(self.scan.rest(at))?;
        Some(self.mark(at..at + len, Some(kind)))
    }
}

/// A line of a text, without its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Its first byte.
    pub(super) start: usize,
    /// What it has, without the white space at its end.
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// The byte after its last.
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// The column that its text begins in, tabs reaching to the next multiple of eight.
    pub(super) fn indent(&self) -> usize {
        let mut column = 0;
        for byte in self.text.bytes() {
            match byte {
                b' ' => column += 1,
                b'\t' => column += 8 - column % 8,
                _ => break,
            }
        }
        column
    }

    /// What it has after its white space.
    pub(super) fn body(&self) -> Line<'a> {
        let text = self.text.trim_start();
        Line {
            start: self.end() - text.len(),
            text,
        }
    }

    /// The same without its first `len` bytes.
    pub(super) fn after(&self, len: usize) -> Line<'a> {
        Line {
            start: self.start + len,
            text: self.text.get(len..).unwrap_or_default(),
        }
    }

    pub(super) fn span(&self) -> Span {
        Span::new(self.start, self.end())
    }
}

/// The lines of a text. A byte order mark belongs to none.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mark = crate::prose::mark_len(text);
    let mut start = mark;
    let mut found = Vec::new();
    for line in text.get(mark..).unwrap_or_default().split_inclusive('\n') {
        found.push(Line {
            start,
            text: line.trim_end(),
        });
        start += line.len();
    }
    found
}
