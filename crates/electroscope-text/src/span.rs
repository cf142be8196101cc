//! Byte ranges, the only unit of position kept in memory.

use std::ops::Range;

/// A range of bytes in the UTF-8 text of one version of one document.
///
/// Four bytes a border, because a long document has millions of them; [`crate::Document`]
/// refuses texts that would not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    ///
    /// Borders beyond `u32::MAX` are clamped, and an `end` before `start` gives an empty span, so
    /// that no arithmetic slip can panic far from its cause.
    pub fn new(start: usize, end: usize) -> Span {
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(end).unwrap_or(u32::MAX).max(start);
        Span { start, end }
    }

    /// The first byte.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// The byte after the last.
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there are no bytes in it.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The same bytes as a standard range, for slicing.
    pub fn range(self) -> Range<usize> {
        self.start()..self.end()
    }

    /// Whether `byte` lies inside.
    pub fn contains(self, byte: usize) -> bool {
        self.range().contains(&byte)
    }

    /// Whether the two have a byte in common.
    pub fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// How many bytes lie between the two; none if they touch or overlap.
    pub fn distance(self, other: Span) -> usize {
        let gap = self
            .start
            .max(other.start)
            .saturating_sub(self.end.min(other.end));
        gap as usize
    }

    /// The text at this span, or nothing if the span is not one of `text` (a stale one).
    pub fn of(self, text: &str) -> Option<&str> {
        text.get(self.range())
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        Span::new(range.start, range.end)
    }
}
