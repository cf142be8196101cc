//! Parts of a source put together into one text, which still knows where each part came from.

use std::ops::Range;

use crate::prose::Collector;
use crate::{SegmentKind, Span};

/// A text made of parts of a source, such as the lines of a paragraph without what stands before them.
///
/// Parsers of lines and of Markdown read it as any text; what they find in it goes back to the source
/// by [`Excerpt::emit`].
#[derive(Clone, Debug, Default)]
pub(super) struct Excerpt {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    /// First byte in the excerpt.
    at: usize,
    /// Where its bytes come from.
    span: Span,
}

impl Part {
    fn end(self) -> usize {
        self.at + self.span.len()
    }
}

impl Excerpt {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many parts it has: of a paragraph, how many lines.
    pub(super) fn part_count(&self) -> usize {
        self.parts.len()
    }

    /// Adds a part of `source`.
    pub(super) fn push(&mut self, source: &str, span: Span) {
        let Some(text) = span.of(source).filter(|text| !text.is_empty()) else {
            return;
        };
        let at = self.text.len();
        self.parts.push(Part { at, span });
        self.text.push_str(text);
    }

    /// Adds text that stands for nothing in the source.
    pub(super) fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a line.
    pub(super) fn push_line(&mut self, source: &str, span: Span) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.push(source, span);
    }

    /// Forgets all that it has.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.parts.clear();
    }

    /// Leaves out what stands from byte `len` of the excerpt on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
        self.parts.retain(|part| part.at < len);
        if let Some(last) = self.parts.last_mut() {
            let end = last.span.end().min(last.span.start() + len - last.at);
            last.span = Span::new(last.span.start(), end);
        }
    }

    /// The bytes of the source from the beginning of `range` to its end; of what is not from the source
    /// those between the parts around it.
    pub(super) fn source(&self, range: Range<usize>) -> Span {
        let before = self.parts.partition_point(|part| part.end() <= range.start);
        let after = self.parts.partition_point(|part| part.at < range.end);
        let part = |number: usize| self.parts.get(number);
        let end_of = |number: usize| {
            let before = number.checked_sub(1).and_then(part);
            before.map_or(0, |part| part.span.end())
        };
        let start = match part(before) {
            Some(from) if from.at <= range.start => from.span.start() + range.start - from.at,
            _ => end_of(before),
        };
        let end = match after.checked_sub(1).and_then(part) {
            Some(to) if to.end() >= range.end => to.span.start() + range.end - to.at,
            _ => part(after).map_or(end_of(after), |next| next.span.start()),
        };
        Span::new(start, end)
    }

    /// Adds what stands at `range` to the block that is being gathered.
    ///
    /// Where `range` goes over white space between two parts, the end of a line, there is a break.
    pub(super) fn emit(&self, range: Range<usize>, kind: SegmentKind, to: &mut Collector<'_>) {
        if matches!(kind, SegmentKind::Break | SegmentKind::Entity(..)) {
            return to.push(self.source(range), kind);
        }
        let mut before = self.parts.partition_point(|part| part.end() <= range.start);
        // The gap after the last part that lies before the range may reach into it.
        let mut gap = before
            .checked_sub(1)
            .and_then(|last| self.parts.get(last))
            .map(|part| (part.end(), part.span.end()));
        while let Some(&part) = self.parts.get(before) {
            if let Some((at, source)) = gap {
                let missing = at.max(range.start)..part.at.min(range.end);
                let white = self.text.get(missing).unwrap_or_default();
                if white.contains(char::is_whitespace) {
                    to.push(Span::new(source, part.span.start()), SegmentKind::Break);
                }
            }
            if part.at >= range.end {
                return;
            }
            let start = part.span.start() + range.start.saturating_sub(part.at);
            let end = part
                .span
                .end()
                .min(part.span.start() + (range.end - part.at));
            to.push(Span::new(start, end), kind);
            gap = Some((part.end(), part.span.end()));
            before += 1;
        }
    }
}
