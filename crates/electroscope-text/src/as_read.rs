//! A text as its reader sees it, and where each part of that stands in the source.
//!
//! A reader of Markdown sees neither markers nor entities. The model reads what the reader does, and
//! what is shown of a finding is what was read; offsets are always those of the source.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use super::{Block, Document, Language, Segment, SegmentKind, Span, blocks};

/// The text of a block as its reader sees it.
#[derive(Clone, Debug)]
pub struct BlockText<'a> {
    text: Cow<'a, str>,
    parts: Vec<ReadSegment>,
}

#[derive(Clone, Debug)]
struct ReadSegment {
    /// First byte in the text that is read.
    at: usize,
    segment: Segment,
}

impl<'a> BlockText<'a> {
    /// The text of `block`, a block of `source`.
    pub fn of(source: &'a str, block: &Block) -> BlockText<'a> {
        let mut parts = Vec::with_capacity(block.segments.len());
        let mut at = 0;
        for &segment in &block.segments {
            parts.push(ReadSegment { at, segment });
            at += segment.shown_len();
        }
        let text = match block.segments.as_slice() {
            [only] if only.is_verbatim() => only.span.of(source).unwrap_or_default().into(),
            segments => {
                let mut text = String::with_capacity(at);
                for segment in segments {
                    segment.show(source, segment.span, &mut text);
                }
                text.into()
            }
        };
        BlockText { text, parts }
    }

    /// What is read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the source that `part` of the text was read from, and whether all of them are
    /// prose.
    ///
    /// An entity is never cut: a part that touches it has all of it.
    pub fn source(&self, part: Range<usize>) -> (Span, bool) {
        let part_of = |byte: usize| {
            self.parts
                .partition_point(|part| part.at <= byte)
                .saturating_sub(1)
        };
        let last_byte = part.end.max(part.start + 1) - 1;
        let (first, last) = (part_of(part.start), part_of(last_byte));
        let Some(parts @ [from, ..]) = self.parts.get(first..=last) else {
            return (Span::default(), false);
        };
        let to = parts.last().unwrap_or(from);
        let span = |part: &ReadSegment| part.segment.span;
        let start = match from.segment.is_verbatim() {
            true => (span(from).start() + (part.start - from.at)).min(span(from).end()),
            false => span(from).start(),
        };
        let end = match to.segment.is_verbatim() {
            true => (span(to).start() + part.end.saturating_sub(to.at)).min(span(to).end()),
            false => span(to).end(),
        };
        let is_prose = parts.iter().all(|part| part.segment.is_prose());
        (Span::new(start, end), is_prose)
    }
}

/// A document as its reader sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AsRead {
    document: Option<Document>,
    /// Its blocks, once something has been asked that they are needed for; of a plain text, which is
    /// read as it stands, none.
    blocks: OnceLock<Vec<Block>>,
}

impl AsRead {
    /// How `document` is read. That is found out when it is asked for.
    pub fn new(document: &Document) -> AsRead {
        AsRead {
            document: Some(document.clone()),
            blocks: OnceLock::new(),
        }
    }

    /// The same where the blocks of `document` are known.
    pub fn of_blocks(document: &Document, blocks: Vec<Block>) -> AsRead {
        AsRead {
            document: Some(document.clone()),
            blocks: blocks.into(),
        }
    }

    fn blocks(&self) -> &[Block] {
        let found = || self.document.as_ref().map(blocks).unwrap_or_default();
        self.blocks.get_or_init(found)
    }

    fn source(&self) -> &str {
        self.document
            .as_ref()
            .map(|document| &*document.text)
            .unwrap_or_default()
    }

    fn is_plain(&self) -> bool {
        let language = self.document.as_ref().map(|document| document.language);
        language.unwrap_or_default() == Language::Plain
    }

    /// What a reader sees of `span`: without markers, and with the characters that entities stand
    /// for. Of what stands between blocks nothing is seen but a space.
    pub fn text(&self, span: Span) -> Cow<'_, str> {
        let source = self.source();
        let slice = span.of(source).unwrap_or_default();
        // No mark of any format is made of letters alone, and none of Markdown of these either.
        let language = self.document.as_ref().map(|document| document.language);
        let is_markdown = matches!(language, Some(Language::Markdown | Language::Mdx));
        let is_verbatim =
            |c: char| c.is_alphanumeric() || (is_markdown && matches!(c, '\'' | '’' | '.' | '-'));
        if self.is_plain() || slice.chars().all(is_verbatim) {
            return slice.into();
        }
        let blocks = self.blocks();
        let first = blocks.partition_point(|block| block.span.end() <= span.start());
        let blocks = blocks.get(first..).unwrap_or_default();
        let mut blocks = blocks
            .iter()
            .take_while(|block| block.span.start() < span.end());
        let text = blocks.next().map(|block| block.shown(source, span));
        let mut text = text.unwrap_or_default();
        for block in blocks {
            let text = text.to_mut();
            text.push(' ');
            text.push_str(&block.shown(source, span));
        }
        text
    }

    /// The block that `span` lies in: for a plain text the paragraph. Of a span outside of all blocks
    /// itself.
    pub fn block(&self, span: Span) -> Span {
        if self.is_plain() {
            let source = self.source();
            let before = source.get(..span.start()).unwrap_or_default();
            let after = source.get(span.end()..).unwrap_or_default();
            let start = ["\n\n", "\n\r\n"]
                .into_iter()
                .filter_map(|blank| Some(before.rfind(blank)? + blank.len()))
                .max();
            let end = ["\n\n", "\n\r\n"]
                .into_iter()
                .filter_map(|blank| after.find(blank))
                .min();
            let end = span.end() + end.unwrap_or(after.len());
            return Span::new(start.unwrap_or(0), end);
        }
        let blocks = self.blocks();
        let at = blocks.partition_point(|block| block.span.end() <= span.start());
        let block = blocks.get(at);
        let around = block.filter(|block| block.span.start() <= span.start());
        around.map_or(span, |block| block.span)
    }
}

impl Block {
    /// What a reader sees of the part of the block that is in `span`; `source` is the document's
    /// text.
    pub fn shown<'a>(&self, source: &'a str, span: Span) -> Cow<'a, str> {
        let first = (self.segments).partition_point(|segment| segment.span.end() <= span.start());
        let rest = self.segments.get(first..).unwrap_or_default();
        let last = rest.partition_point(|segment| segment.span.start() < span.end());
        match rest.get(..last).unwrap_or_default() {
            [only] if only.is_verbatim() => only.common(span).of(source).unwrap_or_default().into(),
            segments => {
                let mut text = String::new();
                for segment in segments {
                    segment.show(source, segment.common(span), &mut text);
                }
                text.into()
            }
        }
    }
}

impl Segment {
    /// Whether it is read as its bytes stand in the source.
    fn is_verbatim(&self) -> bool {
        matches!(self.kind, SegmentKind::Prose | SegmentKind::Context)
    }

    /// Whether it is scored.
    pub fn is_prose(&self) -> bool {
        matches!(self.kind, SegmentKind::Prose | SegmentKind::Entity(..))
    }

    /// How many bytes long it is as it is read.
    fn shown_len(&self) -> usize {
        match self.kind {
            SegmentKind::Prose | SegmentKind::Context => self.span.len(),
            SegmentKind::Break => 1,
            SegmentKind::Entity(first, second) => {
                first.len_utf8() + second.map_or(0, char::len_utf8)
            }
        }
    }

    /// The part of its span that is in `span`.
    fn common(&self, span: Span) -> Span {
        Span::new(
            self.span.start().max(span.start()),
            self.span.end().min(span.end()),
        )
    }

    /// Adds what is read of the part of it at `span`.
    fn show(&self, source: &str, span: Span, to: &mut String) {
        match self.kind {
            SegmentKind::Prose | SegmentKind::Context => {
                to.push_str(span.of(source).unwrap_or_default());
            }
            SegmentKind::Break => to.push(' '),
            SegmentKind::Entity(first, second) => {
                to.push(first);
                to.extend(second);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{is_punctuation, word_starts};
    use proptest::prelude::*;

    fn markdown(text: &str) -> Document {
        Document::new("x.md", text, Language::Markdown)
    }

    /// The words of a document with their spans, as the block's text parts them.
    fn words(document: &Document) -> Vec<(String, Span)> {
        let mut words = Vec::new();
        for block in blocks(document) {
            let read = BlockText::of(&document.text, &block);
            let starts: Vec<usize> = word_starts(read.text()).collect();
            let ends = starts.iter().skip(1).copied().chain([read.text().len()]);
            for (&start, end) in starts.iter().zip(ends) {
                let word = &read.text()[start..end];
                let (span, is_prose) = read.source(start..end);
                if is_prose && !word.trim().is_empty() {
                    words.push((word.to_owned(), span));
                }
            }
        }
        words
    }

    #[test]
    fn a_word_with_an_entity_has_all_of_it_in_the_source() {
        let text = "I couldn&rsquo;t manag&shy;e in Z&uuml;rich, R&amp;D";
        let document = markdown(text);
        let found = words(&document);
        let found: Vec<(&str, &str)> = (found.iter())
            .map(|(word, span)| (word.as_str(), span.of(text).unwrap()))
            .filter(|(_, source)| source.contains('&'))
            .collect();
        assert_eq!(
            found,
            [
                ("couldn’t", "couldn&rsquo;t"),
                ("manag\u{ad}e", "manag&shy;e"),
                ("Zürich", "Z&uuml;rich"),
                ("&", "&amp;"),
            ]
        );
    }

    #[test]
    fn what_is_read_of_a_span_has_no_markers() {
        let text = "By [Anna](https://a.b/c) Weber,\n> **her** _b&ouml;ok_.\n\nThe end";
        let document = markdown(text);
        let read = AsRead::new(&document);
        let of = |from: &str, to: &str| {
            let start = text.find(from).unwrap();
            let end = text.find(to).unwrap() + to.len();
            read.text(Span::new(start, end)).into_owned()
        };
        assert_eq!(of("Anna", "Weber"), "Anna Weber");
        assert_eq!(of("her", "ok_"), "her böok");
        assert_eq!(of("ok_", "The"), "ok. The");
        let block = read.block(Span::new(4, 8));
        assert_eq!(
            block.of(text).unwrap().split('\n').next(),
            Some("By [Anna](https://a.b/c) Weber,")
        );
    }

    #[test]
    fn a_plain_text_is_read_as_it_stands() {
        let document = Document::new("x.txt", "a &amp; *b*\n\nc", Language::Plain);
        let read = AsRead::new(&document);
        assert_eq!(read.text(Span::new(0, 11)), "a &amp; *b*");
        assert_eq!(read.block(Span::new(0, 1)), Span::new(0, 11));
    }

    proptest! {
        #[test]
        fn the_text_of_a_word_is_its_slice_but_for_entities_and_marks(
            text in "([a-z'’é🙂 .,*_\n#>-]|&rsquo;|&#39;|&eacute;|&NotEqualTilde;|&x|`x`|\\[a\\]\\(b c\\)){0,80}"
        ) {
            let document = markdown(&text);
            let read = AsRead::new(&document);
            let mut end = 0;
            for (word, span) in words(&document) {
                let slice = span.of(&text);
                prop_assert!(slice.is_some(), "{span:?} in {text:?}");
                let slice = slice.unwrap_or_default();
                prop_assert!(span.start() >= end, "{word:?} in {text:?}");
                end = span.end();
                prop_assert_eq!(&read.text(span), &word, "{:?} in {:?}", slice, &text);
                let is_marked = slice.contains(['&', '*', '_', '\n', '[', ']', '`', '>']);
                prop_assert!(is_marked || slice == word, "{word:?} for {slice:?} in {text:?}");
                prop_assert!(!word.contains(char::is_whitespace) || is_punctuation(&word));
            }
        }
    }
}
