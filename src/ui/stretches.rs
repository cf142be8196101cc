//! Things that were found in stretches of a document, kept in place while its text changes.
//!
//! After an edit what lies outside the edited stretch stays, moved to where its text is now, until
//! something newer takes its place; what the edit touched is forgotten.

use std::sync::Arc;

use crate::worker::inference::Generation;
use electroscope_text::Span;

/// Something that was found, and where its text is now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed<T> {
    generation: Generation,
    shift: isize,
    found: Span,
    /// What was found; its own positions are those of the text that was read.
    pub(super) item: Arc<T>,
}

impl<T> Placed<T> {
    /// Where it is now.
    pub(super) fn span(&self) -> Span {
        self.moved(self.found)
    }

    /// Where a position of the text that was read is now.
    pub(super) fn moved(&self, span: Span) -> Span {
        let place = |byte: usize| byte.saturating_add_signed(self.shift);
        Span::new(place(span.start()), place(span.end()))
    }
}

/// Things in the order of the text; none overlaps another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stretches<T> {
    placed: Vec<Placed<T>>,
}

impl<T> Default for Stretches<T> {
    fn default() -> Stretches<T> {
        Stretches { placed: Vec::new() }
    }
}

impl<T> Stretches<T> {
    pub(super) fn clear(&mut self) {
        self.placed.clear();
    }

    /// Takes something in; what it overlaps gives way.
    pub(super) fn insert(&mut self, generation: Generation, span: Span, item: Arc<T>) {
        let range = self.range(span);
        let fresh = Placed {
            generation,
            shift: 0,
            found: span,
            item,
        };
        self.placed.splice(range, [fresh]);
    }

    /// The text changed: `prefix` bytes at its start and `suffix` at its end stayed, and it went from
    /// `old` bytes to `new`.
    pub(super) fn edited(&mut self, prefix: usize, suffix: usize, old: usize, new: usize) {
        let delta = new as isize - old as isize;
        self.placed.retain_mut(|placed| {
            let span = placed.span();
            if span.start() >= old - suffix {
                placed.shift += delta;
                return true;
            }
            span.end() <= prefix
        });
    }

    /// Everything of `generation` has come: what is older is not there any more.
    pub(super) fn settle(&mut self, generation: Generation) {
        self.placed.retain(|placed| placed.generation >= generation);
    }

    /// The things that touch `span`, in order.
    pub(super) fn touching(&self, span: Span) -> &[Placed<T>] {
        self.placed.get(self.range(span)).unwrap_or_default()
    }

    /// All of them, in order.
    pub(super) fn all(&self) -> &[Placed<T>] {
        &self.placed
    }

    /// How many begin before `byte`.
    pub(super) fn before(&self, byte: usize) -> usize {
        self.placed
            .partition_point(|placed| placed.span().start() < byte)
    }

    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let from = self
            .placed
            .partition_point(|placed| placed.span().end() <= span.start());
        let to = self
            .placed
            .partition_point(|placed| placed.span().start() < span.end());
        from..to.max(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(stretches: &Stretches<u8>) -> Vec<(usize, u8)> {
        let all = stretches.all().iter();
        all.map(|placed| (placed.span().start(), *placed.item))
            .collect()
    }

    #[test]
    fn newer_things_replace_what_they_overlap_and_edits_move_the_rest() {
        let mut stretches = Stretches::default();
        for (start, item) in [(20, 2), (0, 0), (10, 1)] {
            let span = Span::new(start, start + 5);
            stretches.insert(Generation(1), span, Arc::new(item));
        }
        assert_eq!(spans(&stretches), [(0, 0), (10, 1), (20, 2)]);
        // Byte 12 of 30 became four bytes.
        stretches.edited(12, 17, 30, 33);
        assert_eq!(spans(&stretches), [(0, 0), (23, 2)]);
        assert_eq!(stretches.before(23), 1);
        stretches.insert(Generation(2), Span::new(3, 12), Arc::new(3));
        assert_eq!(spans(&stretches), [(3, 3), (23, 2)]);
        assert_eq!(stretches.touching(Span::new(12, 24)).len(), 1);
        stretches.settle(Generation(2));
        assert_eq!(spans(&stretches), [(3, 3)]);
    }
}
