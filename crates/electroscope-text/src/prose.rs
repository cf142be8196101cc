//! Which bytes of a document are prose, block by block.
//!
//! A plain text is prose from end to end; its blocks are its paragraphs. Markdown is parsed, and
//! only what a reader reads as sentences is kept: front matter, code, URLs, HTML and math stay
//! visible in the document but are not scored. All positions are those of the source.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use super::{Document, Language, Span};

/// What a stretch of a block is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Read and scored.
    Prose,
    /// Read, since the sentence leans on it, but not scored: inline code and inline math.
    Context,
    /// A space in the text that the reader sees, whatever the source has there: the end of a line
    /// with the markers of the next, an entity, a URL.
    Break,
}

/// A stretch of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its bytes in the document.
    pub span: Span,
    /// What it is to the model.
    pub kind: SegmentKind,
}

/// A paragraph, a heading, a list item's text, a table cell: prose with a border on both sides.
///
/// Segments that touch no [`SegmentKind::Break`] run on into each other, even where the source has
/// markers between them: `un**believ**able` is one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// From its first segment to its last.
    pub span: Span,
    /// What to read, in order.
    pub segments: Vec<Segment>,
}

/// Paragraphs are cut into blocks no longer than this many bytes, so that the work on a block is
/// bounded even where a file is one line.
const LONGEST_BLOCK: usize = 8 << 10;

/// The blocks of prose of `document`, in order and without overlap.
///
/// A paragraph of more than eight kibibytes is cut into several, at the beginning of a word that
/// its surroundings choose, so that an edit moves the cuts near it and no others.
pub fn blocks(document: &Document) -> Vec<Block> {
    let text: &str = &document.text;
    match document.language {
        Language::Plain => paragraphs(text)
            .flat_map(|span| bounded(text, span))
            .map(Block::plain)
            .collect(),
        Language::Markdown => markdown(text),
    }
}

impl Block {
    /// A block that is prose from end to end.
    fn plain(span: Span) -> Block {
        Block {
            span,
            segments: vec![Segment {
                span,
                kind: SegmentKind::Prose,
            }],
        }
    }
}

/// The paragraphs of a plain text: runs of lines that are not blank, without the white space around
/// them. A byte order mark belongs to none.
fn paragraphs(text: &str) -> impl Iterator<Item = Span> {
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line)
    });
    std::iter::from_fn(move || {
        let not_text = |c: char| c.is_whitespace() || c == '\u{feff}';
        let mut open: Option<(usize, usize)> = None;
        for (start, line) in lines.by_ref() {
            let body = line.trim_matches(not_text);
            if body.is_empty() {
                if open.is_some() {
                    break;
                }
                continue;
            }
            let leading = line.len() - line.trim_start_matches(not_text).len();
            let (first, last) = (start + leading, start + leading + body.len());
            open = Some((open.map_or(first, |(first, _)| first), last));
        }
        open.map(|(start, end)| Span::new(start, end))
    })
}

/// Cuts `span` into spans of at most [`LONGEST_BLOCK`] bytes.
fn bounded(text: &str, span: Span) -> Vec<Span> {
    let mut cuts = Vec::new();
    let mut start = span.start();
    while span.end() - start > LONGEST_BLOCK {
        let cut = cut_place(text, start).min(span.end());
        let body = text.get(start..cut).unwrap_or_default().trim_end();
        cuts.push(Span::new(start, start + body.len()));
        start = cut;
    }
    cuts.push(Span::new(start, span.end()));
    cuts
}

/// Where to cut the text that begins at `start` and goes on for more than [`LONGEST_BLOCK`] bytes:
/// of the word beginnings in the second half of what may stay, the one whose next bytes hash lowest.
fn cut_place(text: &str, start: usize) -> usize {
    const READ: usize = 16;
    let bytes = text.as_bytes();
    let (from, to) = (start + LONGEST_BLOCK / 2, start + LONGEST_BLOCK);
    let words = (from..to).filter(|&at| {
        bytes[at - 1].is_ascii_whitespace()
            && !bytes[at].is_ascii_whitespace()
            && text.is_char_boundary(at)
    });
    let hash = |at: usize| xxhash_rust::xxh3::xxh3_64(&bytes[at..(at + READ).min(bytes.len())]);
    words
        .min_by_key(|&at| hash(at))
        .unwrap_or_else(|| text.floor_char_boundary(to))
}

/// Reads Markdown and collects its blocks.
fn markdown(text: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM
        | Options::ENABLE_DEFINITION_LIST;
    // The parser must not see the mark, for a heading or front matter may follow it at once.
    let mark = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let source = text.get(mark..).unwrap_or_default();
    let mut collector = Collector {
        text,
        blocks: Vec::new(),
        segments: Vec::new(),
        skipping: 0,
    };
    for (event, range) in Parser::new_ext(source, options).into_offset_iter() {
        collector.take(&event, Span::new(range.start + mark, range.end + mark));
    }
    collector.close();
    collector.blocks
}

/// Gathers segments into blocks.
struct Collector<'a> {
    text: &'a str,
    blocks: Vec<Block>,
    segments: Vec<Segment>,
    /// How many enclosing elements are not prose.
    skipping: usize,
}

impl Collector<'_> {
    fn take(&mut self, event: &Event<'_>, span: Span) {
        match event {
            Event::Start(tag) => {
                if !is_inline(tag) {
                    self.close();
                }
                if is_skipped(tag) {
                    self.push(span, SegmentKind::Break);
                    self.skipping += 1;
                }
            }
            Event::End(tag) => {
                if ends_skipped(tag, self.text, span) {
                    self.skipping = self.skipping.saturating_sub(1);
                }
                if !is_inline_end(tag) {
                    self.close();
                }
            }
            _ if self.skipping > 0 => {}
            // What was decoded (an entity) has no characters of its own in the source.
            Event::Text(shown) if span.of(self.text) != Some(shown.as_ref()) => {
                self.push(span, SegmentKind::Break)
            }
            Event::Text(_) => self.push(span, SegmentKind::Prose),
            Event::Code(_) => self.push(inside(self.text, span, '`'), SegmentKind::Context),
            Event::InlineMath(_) => self.push(inside(self.text, span, '$'), SegmentKind::Context),
            Event::SoftBreak | Event::HardBreak | Event::DisplayMath(_) => {
                self.push(span, SegmentKind::Break)
            }
            Event::InlineHtml(tag)
                if tag
                    .get(..3)
                    .is_some_and(|start| start.eq_ignore_ascii_case("<br")) =>
            {
                self.push(span, SegmentKind::Break);
            }
            Event::Rule => self.close(),
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn push(&mut self, span: Span, kind: SegmentKind) {
        if let Some(last) = self.segments.last_mut()
            && last.kind == SegmentKind::Prose
            && kind == SegmentKind::Prose
            && last.span.end() == span.start()
        {
            last.span = Span::new(last.span.start(), span.end());
        } else if !span.is_empty() {
            self.segments.push(Segment { span, kind });
        }
    }

    /// Ends the block.
    fn close(&mut self) {
        let mut segments = Vec::new();
        for segment in self.segments.drain(..) {
            match segment.kind {
                SegmentKind::Prose => without_urls(self.text, segment.span, &mut segments),
                _ => segments.push(segment),
            }
        }
        let is_read = |segment: &Segment| segment.kind != SegmentKind::Break;
        let (Some(first), Some(last)) = (
            segments.iter().position(is_read),
            segments.iter().rposition(is_read),
        ) else {
            return;
        };
        let segments = &segments[first..=last];
        if segments
            .iter()
            .all(|segment| segment.kind != SegmentKind::Prose)
        {
            return;
        }
        // A long paragraph becomes several blocks: its long segments are cut, then they are shared out.
        let mut open: Vec<Segment> = Vec::new();
        let mut len = 0;
        for segment in segments {
            for span in bounded(self.text, segment.span) {
                if len + span.len() > LONGEST_BLOCK && !open.is_empty() {
                    self.blocks.extend(Block::of(std::mem::take(&mut open)));
                    len = 0;
                }
                len += span.len();
                open.push(Segment {
                    span,
                    kind: segment.kind,
                });
            }
        }
        self.blocks.extend(Block::of(open));
    }
}

impl Block {
    fn of(segments: Vec<Segment>) -> Option<Block> {
        let span = Span::new(segments.first()?.span.start(), segments.last()?.span.end());
        Some(Block { span, segments })
    }
}

/// Whether an element stands inside a block, rather than being one.
fn is_inline(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Superscript
            | Tag::Subscript
            | Tag::Link { .. }
            | Tag::Image { .. }
    )
}

fn is_inline_end(tag: &TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::Image
    )
}

/// Whether what an element holds is not prose.
fn is_skipped(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::CodeBlock(_)
            | Tag::HtmlBlock
            | Tag::MetadataBlock(_)
            | Tag::Link {
                link_type: LinkType::Autolink | LinkType::Email,
                ..
            }
    )
}

/// Whether the element that ends is one that [`is_skipped`] said yes to. The end of a link does not
/// say which kind it was, but only `<…>` begins with the bracket.
fn ends_skipped(tag: &TagEnd, text: &str, span: Span) -> bool {
    match tag {
        TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::MetadataBlock(_) => true,
        TagEnd::Link => span.of(text).is_some_and(|link| link.starts_with('<')),
        _ => false,
    }
}

/// What stands between the markers of inline code or math.
fn inside(text: &str, span: Span, marker: char) -> Span {
    let source = span.of(text).unwrap_or_default();
    let skip = |c: char| c == marker || c.is_whitespace();
    let body = source.trim_matches(skip);
    let start = span.start() + (source.len() - source.trim_start_matches(skip).len());
    Span::new(start, start + body.len())
}

/// Splits a stretch of prose around the bare URLs in it.
fn without_urls(text: &str, span: Span, segments: &mut Vec<Segment>) {
    let source = span.of(text).unwrap_or_default();
    let mut done = 0;
    while let Some(url) = next_url(source, done) {
        let before = Span::new(span.start() + done, span.start() + url.start);
        if !before.is_empty() {
            segments.push(Segment {
                span: before,
                kind: SegmentKind::Prose,
            });
        }
        let span = Span::new(span.start() + url.start, span.start() + url.end);
        segments.push(Segment {
            span,
            kind: SegmentKind::Break,
        });
        done = url.end;
    }
    if done < source.len() {
        segments.push(Segment {
            span: Span::new(span.start() + done, span.end()),
            kind: SegmentKind::Prose,
        });
    }
}

/// The first bare URL in `source` from byte `from` on: a scheme or `www.` at the start of a word, up
/// to white space, less the punctuation that ends the sentence around it (as GFM autolinks do).
///
/// Bytes rather than characters, since all prose of a document goes through here after every edit.
fn next_url(source: &str, from: usize) -> Option<std::ops::Range<usize>> {
    const OPENINGS: [&str; 5] = ["https://", "http://", "ftp://", "mailto:", "www."];
    let opens = |at: usize| {
        let first = source.as_bytes().get(at).copied().unwrap_or_default();
        matches!(first.to_ascii_lowercase(), b'h' | b'f' | b'm' | b'w')
            && OPENINGS.iter().any(|opening| {
                source
                    .get(at..at + opening.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(opening))
            })
    };
    let begins_a_word = |at: usize| {
        at == from
            || match source.as_bytes().get(at - 1) {
                Some(before) if before.is_ascii() => !before.is_ascii_alphanumeric(),
                _ => !source
                    .get(from..at)
                    .and_then(|before| before.chars().next_back())
                    .is_some_and(char::is_alphanumeric),
            }
    };
    let at = (from..source.len()).find(|&at| opens(at) && begins_a_word(at))?;
    let rest = source.get(at..)?;
    let end = rest
        .find(|c: char| c.is_whitespace() || c == '<')
        .unwrap_or(rest.len());
    let mut url = rest.get(..end)?;
    let opened = url.matches('(').count();
    let mut closed = url.matches(')').count();
    loop {
        url = url.trim_end_matches([
            '.', ',', ';', ':', '!', '?', '"', '\'', '*', '_', '~', '”', '’',
        ]);
        match url.strip_suffix(')') {
            Some(inner) if closed > opened => {
                url = inner;
                closed -= 1;
            }
            _ => return Some(at..at + url.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The blocks as their reader sees them: code in `⟨⟩`, breaks as one space.
    fn seen(text: &str, language: Language) -> Vec<String> {
        let document = Document::new("x", text, language);
        blocks(&document)
            .iter()
            .map(|block| {
                block
                    .segments
                    .iter()
                    .map(|segment| match segment.kind {
                        SegmentKind::Prose => segment.span.of(text).unwrap().to_owned(),
                        SegmentKind::Context => format!("⟨{}⟩", segment.span.of(text).unwrap()),
                        SegmentKind::Break => " ".to_owned(),
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn plain_text_is_prose_from_end_to_end() {
        let text = "\u{feff}  One\r\ntwo `three` https://x.y\r\n \t\r\n\r\n  four\n";
        assert_eq!(
            seen(text, Language::Plain),
            ["One\r\ntwo `three` https://x.y", "four"]
        );
        assert!(seen(" \n\n\t", Language::Plain).is_empty());
        assert!(seen("", Language::Plain).is_empty());
    }

    #[test]
    fn markdown_keeps_the_sentences_and_drops_the_rest() {
        let text = "\
---
title: not prose
---

# A heading {#id}

Run `make` in the *folder*, un**believ**able &amp; true.
> A quote
> over two lines.

```sh
not prose
```

    nor this

- [ ] an item with a [link](https://example.org \"title\")
- see <https://example.org/a_b> or https://example.org/c_d_e. Then go

<div>
not prose
</div>

Inline <b>html</b> and $x^2$ here.[^1]

$$
y = 2
$$

| cell | other |
|------|-------|
| one  | two   |

[^1]: The note.
";
        insta::assert_snapshot!(seen(text, Language::Markdown).join("\n"), @"
        A heading
        Run ⟨make⟩ in the folder, unbelievable   true.
        A quote over two lines.
        an item with a link
        see   or  . Then go
        Inline html and ⟨x^2⟩ here.
        cell
        other
        one
        two
        The note.
        ");
    }

    #[test]
    fn a_byte_order_mark_does_not_hide_front_matter() {
        assert_eq!(
            seen("\u{feff}---\nkey: value\n---\n\nBody\n", Language::Markdown),
            ["Body"]
        );
    }

    #[test]
    fn a_url_ends_before_the_punctuation_of_its_sentence() {
        assert_eq!(next_url("(see www.a.b/c(d)).", 0), Some(5..17));
        assert_eq!(next_url("(see www.a.b.) Then", 0), Some(5..12));
        assert_eq!(next_url("éHTTPS://a.b, –HTTPS://a.b", 0), Some(18..29));
        assert_eq!(next_url("awww.x no url", 0), None);
    }

    #[test]
    fn a_url_of_a_million_brackets_is_read_once_not_once_per_bracket() {
        let text = format!("see http://x{}", ")".repeat(1 << 20));
        let document = Document::new("x", text, Language::Markdown);
        let blocks = blocks(&document);
        assert_eq!(blocks[0].segments[0].span.range(), 0..4);
        assert_eq!(blocks[0].segments[1].span.range(), 4..12);
    }

    #[test]
    fn a_file_of_one_line_becomes_bounded_blocks() {
        for line in [
            "word ".repeat(20_000),
            "x".repeat(100_000),
            "é".repeat(50_000),
        ] {
            let document = Document::new("x", line.as_str(), Language::Plain);
            let blocks = blocks(&document);
            assert!(blocks.len() > 5);
            assert!(blocks.iter().all(|block| block.span.len() <= LONGEST_BLOCK));
            let kept: usize = blocks.iter().map(|block| block.span.len()).sum();
            assert_eq!(
                kept,
                line.trim_end().len()
                    - blocks
                        .windows(2)
                        .filter(|two| two[0].span.end() < two[1].span.start())
                        .count()
            );
        }
    }

    #[test]
    fn an_edit_in_a_long_line_moves_only_the_cuts_near_it() {
        let words: Vec<String> = (0..20_000u32)
            .map(|n| format!("w{}", n.wrapping_mul(2_654_435_761) >> 12))
            .collect();
        let before = words.join(" ");
        let after = format!("inserted {before}");
        let cuts = |text: &str, shift: usize| -> Vec<usize> {
            blocks(&Document::new("x", text, Language::Plain))
                .iter()
                .map(|block| block.span.start() - shift.min(block.span.start()))
                .collect()
        };
        let (before, after) = (cuts(&before, 0), cuts(&after, "inserted ".len()));
        let moved = after.iter().filter(|cut| !before.contains(cut)).count();
        assert!(
            moved <= after.len() / 2,
            "{moved} of {} cuts moved",
            after.len()
        );
    }

    proptest! {
        #[test]
        fn segments_lie_in_order_on_character_borders(text in "[-a-z#>*_`$&;<>|\\[\\]()é🙂:/. \n\t]{0,200}") {
            for language in [Language::Plain, Language::Markdown] {
                let document = Document::new("x", text.as_str(), language);
                let mut at = 0;
                for segment in blocks(&document).iter().flat_map(|block| &block.segments) {
                    prop_assert!(segment.span.start() >= at, "{:?} in {:?}", segment, text);
                    prop_assert!(segment.span.of(&text).is_some());
                    at = segment.span.end();
                }
            }
        }
    }
}
