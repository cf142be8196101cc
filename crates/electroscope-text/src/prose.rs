//! Which bytes of a document are prose, block by block.
//!
//! A plain text is prose from end to end, but for comments that are meant for a tool; its blocks are its
//! paragraphs. Markdown is parsed, and
//! only what a reader reads as sentences is kept: front matter, code, URLs, HTML and math stay
//! visible in the document but are not scored. All positions are those of the source.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use super::comments::directives;
use super::dialect::{self, Hidden, View};
use super::{Document, Language, Span, formats};

/// What a stretch of a block is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Read and scored.
    Prose,
    /// Read, since the sentence leans on it, but not scored: inline code and inline math.
    Context,
    /// Read and scored as the character that the source spells as an entity of HTML (`&rsquo;`), or
    /// as the two that a few entities stand for.
    Entity(char, Option<char>),
    /// A space in the text that the reader sees, whatever the source has there: the end of a line
    /// with the markers of the next, a URL, a mark of a template.
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
        Language::Plain | Language::ByFirstLine => plain(text),
        Language::Markdown => markdown(text, false),
        Language::Mdx => markdown(text, true),
        language => formats::parse(text, language).blocks,
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

/// The blocks of a plain text.
fn plain(text: &str) -> Vec<Block> {
    let spans = paragraphs(text).flat_map(|span| bounded(text, span));
    let directives = directives(text);
    if directives.is_empty() {
        return spans.map(Block::plain).collect();
    }
    let hidden: Vec<Hidden> = directives
        .iter()
        .map(|directive| Hidden {
            span: with_its_line(text, directive.span),
            joins: false,
        })
        .collect();
    let blocks = spans.filter_map(|span| {
        let mut segments = Vec::new();
        let kind = SegmentKind::Prose;
        without_hidden(Segment { span, kind }, &hidden, &mut segments);
        Block::of(trimmed(text, &mut segments).to_vec())
    });
    blocks.collect()
}

/// `span`, or if nothing else stands on its lines all of these, with the end of the last.
fn with_its_line(text: &str, span: Span) -> Span {
    let before = text.get(..span.start()).unwrap_or_default();
    let after = text.get(span.end()..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let len = after.find('\n').map_or(after.len(), |at| at + 1);
    let around = [before.get(start..), after.get(..len)];
    match around.iter().flatten().all(|part| part.trim().is_empty()) {
        true => Span::new(start, span.end() + len),
        false => span,
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

/// What is Markdown beside CommonMark.
pub(super) fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM
        | Options::ENABLE_DEFINITION_LIST
        | Options::ENABLE_WIKILINKS
}

/// The length of the byte order mark of `text`, in bytes. The parser must not see it, for a heading or
/// front matter may follow it at once.
pub(super) fn mark_len(text: &str) -> usize {
    match text.starts_with('\u{feff}') {
        true => '\u{feff}'.len_utf8(),
        false => 0,
    }
}

/// Reads Markdown and collects its blocks.
pub(super) fn markdown(text: &str, is_mdx: bool) -> Vec<Block> {
    let mark = mark_len(text);
    let View { source, hidden } = dialect::view(text.get(mark..).unwrap_or_default(), is_mdx);
    let placed = |start: usize, end: usize| Span::new(start + mark, end + mark);
    let hidden = hidden.into_iter().map(|Hidden { span, joins }| Hidden {
        span: placed(span.start(), span.end()),
        joins,
    });
    let mut collector = Collector::new(text);
    collector.hidden = hidden.collect();
    for (event, range) in Parser::new_ext(&source, options()).into_offset_iter() {
        let seen = source.get(range.clone()).unwrap_or_default();
        collector.take(&event, placed(range.start, range.end), seen);
    }
    collector.close();
    collector.blocks
}

/// Gathers segments into blocks, for all formats.
pub(super) struct Collector<'a> {
    text: &'a str,
    /// What the parser was not shown, in order.
    hidden: Vec<Hidden>,
    pub(super) blocks: Vec<Block>,
    segments: Vec<Segment>,
    /// How many enclosing elements are not prose.
    skipping: usize,
    /// How many enclosing links show the name of their target (`[[Harbour]]`).
    naming: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(text: &'a str) -> Collector<'a> {
        Collector {
            text,
            hidden: Vec::new(),
            blocks: Vec::new(),
            segments: Vec::new(),
            skipping: 0,
            naming: 0,
        }
    }

    /// Takes in what the parser found at `span`, where it saw `seen`.
    fn take(&mut self, event: &Event<'_>, span: Span, seen: &str) {
        match event {
            Event::Start(tag) => {
                if !is_inline(tag) {
                    self.close();
                }
                if is_skipped(tag) {
                    self.push(span, SegmentKind::Break);
                    self.skipping += 1;
                } else if shows_its_target(tag) {
                    self.naming += 1;
                }
            }
            Event::End(tag) => {
                if ends_skipped(tag, seen) {
                    self.skipping = self.skipping.saturating_sub(1);
                } else if *tag == TagEnd::Link && self.naming > 0 {
                    self.naming -= 1;
                }
                if !is_inline_end(tag) {
                    self.close();
                }
            }
            _ if self.skipping > 0 => {}
            // The name of a page, as a path or a heading in it.
            Event::Text(_) if self.naming > 0 => self.push(span, SegmentKind::Context),
            Event::Text(shown) if seen != shown.as_ref() => self.push(span, decoded(shown)),
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

    /// Adds a stretch to the block; it lies behind all that was added before.
    pub(super) fn push(&mut self, span: Span, kind: SegmentKind) {
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
    pub(super) fn close(&mut self) {
        let mut shown = Vec::with_capacity(self.segments.len());
        for segment in self.segments.drain(..) {
            without_hidden(segment, &self.hidden, &mut shown);
        }
        let mut segments = Vec::with_capacity(shown.len());
        for run in shown.chunk_by(|a, b| is_address(a) && is_address(b) && touch(a, b)) {
            match run {
                [first, .., last] => {
                    let span = Span::new(first.span.start(), last.span.end());
                    without_addresses(self.text, span, run, &mut segments);
                }
                [only] if only.kind == SegmentKind::Prose => {
                    without_addresses(self.text, only.span, run, &mut segments);
                }
                _ => segments.extend_from_slice(run),
            }
        }
        let segments = trimmed(self.text, &mut segments);
        if !segments.iter().any(Segment::is_prose) {
            return;
        }
        // A long paragraph becomes several blocks: its long segments are cut, then they are shared out.
        let mut open: Vec<Segment> = Vec::new();
        let mut len = 0;
        for segment in segments {
            let parts = match segment.kind {
                SegmentKind::Prose | SegmentKind::Context => bounded(self.text, segment.span),
                SegmentKind::Entity(..) | SegmentKind::Break => vec![segment.span],
            };
            for span in parts {
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
            | Tag::Image {
                link_type: LinkType::WikiLink { .. },
                ..
            }
    )
}

/// Whether an element is a wikilink without a text of its own.
fn shows_its_target(tag: &Tag<'_>) -> bool {
    matches!(
        tag,
        Tag::Link {
            link_type: LinkType::WikiLink { has_pothole: false },
            ..
        }
    )
}

/// What text is whose source spells it in another way.
fn decoded(shown: &str) -> SegmentKind {
    let mut chars = shown.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some(first), second, None) => SegmentKind::Entity(first, second),
        _ => SegmentKind::Break,
    }
}

/// Whether the element that ends, of which the parser saw `seen`, is one that [`is_skipped`] said
/// yes to. The end of a link does not say which kind it was, but only `<…>` begins with the bracket,
/// and of images only `![[…]]` with two.
fn ends_skipped(tag: &TagEnd, seen: &str) -> bool {
    match tag {
        TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::MetadataBlock(_) => true,
        TagEnd::Link => seen.starts_with('<'),
        TagEnd::Image => seen.starts_with("![[") && seen.ends_with("]]"),
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

/// The segments of a block without the white space and the breaks around them.
fn trimmed<'s>(text: &str, segments: &'s mut [Segment]) -> &'s [Segment] {
    let is_read = |segment: &Segment| match segment.kind {
        SegmentKind::Prose => !segment.span.of(text).unwrap_or_default().trim().is_empty(),
        SegmentKind::Context | SegmentKind::Entity(..) => true,
        SegmentKind::Break => false,
    };
    let (Some(first), Some(last)) = (
        segments.iter().position(is_read),
        segments.iter().rposition(is_read),
    ) else {
        return &[];
    };
    let white = |segment: &Segment| {
        let source = segment.span.of(text).unwrap_or_default();
        let before = source.len() - source.trim_start().len();
        let after = source.len() - source.trim_end().len();
        match segment.kind {
            SegmentKind::Prose => (before, after),
            _ => (0, 0),
        }
    };
    if let Some(segment) = segments.get_mut(first) {
        let (before, _) = white(segment);
        segment.span = Span::new(segment.span.start() + before, segment.span.end());
    }
    if let Some(segment) = segments.get_mut(last) {
        let (_, after) = white(segment);
        segment.span = Span::new(segment.span.start(), segment.span.end() - after);
    }
    segments.get(first..=last).unwrap_or_default()
}

/// Takes out of a segment what the parser was not shown.
fn without_hidden(segment: Segment, hidden: &[Hidden], segments: &mut Vec<Segment>) {
    let Segment { span, kind } = segment;
    if kind != SegmentKind::Prose {
        return segments.push(segment);
    }
    let first = hidden.partition_point(|hidden| hidden.span.end() <= span.start());
    let inside = hidden.get(first..).unwrap_or_default().iter();
    let mut done = span.start();
    for Hidden { span: mark, joins } in inside.take_while(|mark| mark.span.start() < span.end()) {
        let start = mark.start().max(span.start());
        if done < start {
            let span = Span::new(done, start);
            segments.push(Segment { span, kind });
        }
        done = mark.end().min(span.end());
        if !joins {
            segments.push(Segment {
                span: Span::new(start, done),
                kind: SegmentKind::Break,
            });
        }
    }
    if done < span.end() {
        let span = Span::new(done, span.end());
        segments.push(Segment { span, kind });
    }
}

/// Whether an address may go on over a segment: prose, or the `&` of a query.
fn is_address(segment: &Segment) -> bool {
    matches!(
        segment.kind,
        SegmentKind::Prose | SegmentKind::Entity('&', None)
    )
}

/// Whether one segment begins where the other ends.
fn touch(a: &Segment, b: &Segment) -> bool {
    a.span.end() == b.span.start()
}

/// Splits a run of segments that touch each other, at `span` together, around the bare URLs and
/// e-mail addresses in it.
fn without_addresses(text: &str, span: Span, run: &[Segment], segments: &mut Vec<Segment>) {
    let source = span.of(text).unwrap_or_default();
    let place = |from: usize, to: usize| Span::new(span.start() + from, span.start() + to);
    let between = |from: usize, to: usize, segments: &mut Vec<Segment>| {
        let kept = place(from, to);
        for segment in run.iter().filter(|segment| segment.span.overlaps(kept)) {
            let start = segment.span.start().max(kept.start());
            let end = segment.span.end().min(kept.end());
            segments.push(Segment {
                span: Span::new(start, end),
                kind: segment.kind,
            });
        }
    };
    let mut done = 0;
    // The URL that comes next is sought once and not again after each e-mail address before it.
    let mut url = next_url(source, 0);
    loop {
        if url.as_ref().is_some_and(|url| url.start < done) {
            url = next_url(source, done);
        }
        let before = url.as_ref().map_or(source.len(), |url| url.start);
        let Some(address) = next_email(source, done, before).or_else(|| url.clone()) else {
            break;
        };
        between(done, address.start, segments);
        segments.push(Segment {
            span: place(address.start, address.end),
            kind: SegmentKind::Break,
        });
        done = address.end;
    }
    between(done, source.len(), segments);
}

/// The first e-mail address in `source` between two bytes, as GFM finds them: a name, an `@`, and a
/// domain with a dot in it.
fn next_email(source: &str, from: usize, to: usize) -> Option<std::ops::Range<usize>> {
    /// The longest name that an address may have (RFC 5321), so that no `@` makes us look further.
    const LONGEST_NAME: usize = 64;
    let bytes = source.as_bytes();
    let in_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+');
    let in_domain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let mut at = from;
    while let Some(found) = bytes.get(at..to)?.iter().position(|&byte| byte == b'@') {
        let sign = at + found;
        let name = bytes.get(from..sign)?.iter().rev().take(LONGEST_NAME);
        let name = name.take_while(|byte| in_name(byte)).count();
        let domain = bytes.get(sign + 1..)?.iter();
        let domain = domain.take_while(|byte| in_domain(byte)).count();
        let domain = source.get(sign + 1..sign + 1 + domain)?;
        let domain = domain.trim_end_matches(['.', '-', '_']);
        if name > 0 && domain.trim_start_matches('.').contains('.') {
            return Some(sign - name..sign + 1 + domain.len());
        }
        at = sign + 1;
    }
    None
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
                        SegmentKind::Entity(first, second) => {
                            [Some(first), second].into_iter().flatten().collect()
                        }
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
        Run ⟨make⟩ in the folder, unbelievable & true.
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

    /// What is read of a Markdown text, blocks joined by ` / `.
    fn read(text: &str) -> String {
        seen(text, Language::Markdown).join(" / ")
    }

    #[test]
    fn an_entity_is_its_character() {
        assert_eq!(
            read("couldn&rsquo;t, caf&#233;, Z&#xFC;rich"),
            "couldn’t, café, Zürich"
        );
        assert_eq!(read("manag&shy;er &amp; AT&amp;T"), "manag\u{ad}er & AT&T");
        assert_eq!(read("&lt;b&gt; &nbsp; &apos;x&apos;"), "<b> \u{a0} 'x'");
        // One name, two characters.
        assert_eq!(read("a &NotEqualTilde; b"), "a ≂\u{338} b");
        assert_eq!(read("no &entity; here, R&D"), "no &entity; here, R&D");
        assert_eq!(read("`&amp;` is code"), "⟨&amp;⟩ is code");
    }

    #[test]
    fn bare_addresses_are_not_prose() {
        assert_eq!(
            read("write to anna.b+c@mail.example.org. Then"),
            "write to  . Then"
        );
        assert_eq!(
            read("see https://a.b/c?d=1&amp;e=2&amp;f. Then"),
            "see  . Then"
        );
        assert_eq!(read("https://a.b&nbsp;is"), "\u{a0}is");
        assert_eq!(read("meet @ noon, or a@b"), "meet @ noon, or a@b");
    }

    #[test]
    fn wikilinks_show_their_text_and_not_their_target() {
        assert_eq!(
            read("see [[notes/harbour|the harbour]] now"),
            "see the harbour now"
        );
        assert_eq!(
            read("see [[Harbour notes#boats]] now"),
            "see ⟨Harbour notes#boats⟩ now"
        );
        assert_eq!(read("![[map.png]] a map"), "a map");
        assert_eq!(
            read("![[map.png|300]] a map, [a link](x.md)"),
            "a map, a link"
        );
    }

    #[test]
    fn a_link_target_may_have_spaces() {
        assert_eq!(
            read("see [the plan](my old plan.md) now"),
            "see the plan now"
        );
        assert_eq!(
            read("see ![a boat](my boat.png \"A boat\") now"),
            "see a boat now"
        );
        assert_eq!(
            read("see [it](a.md \"A title\") and (so on)"),
            "see it and (so on)"
        );
    }

    #[test]
    fn templates_are_not_prose() {
        assert_eq!(read("Hello {{ page.title }} there"), "Hello   there");
        assert_eq!(
            read("Hello {{< ref \"a.md\" >}}, {{% x %}} there"),
            "Hello  ,   there"
        );
        assert_eq!(
            read("{% if x %}\nHello there\n{% endif %}\n{: .lead}\n\nBye {% include a.html %}"),
            "Hello there / Bye"
        );
        assert_eq!(
            read("{% comment %}\nNot this.\n\nNor this.\n{% endcomment %}\nBut this"),
            "But this"
        );
        assert_eq!(
            read("{{< highlight go >}}\nnot prose\n{{< /highlight >}}\n\nProse"),
            "Prose"
        );
        assert_eq!(read("[home]({{ site.url }}/a b) now"), "home now");
        assert_eq!(
            read("Use `{{` to open and `}}` to close."),
            "Use ⟨{{⟩ to open and ⟨}}⟩ to close."
        );
        assert_eq!(read("```\n{{ x\n```\n\nA {{ b }} c"), "A   c");
        assert_eq!(read("a set {1, 2} and {x}"), "a set {1, 2} and {x}");
    }

    #[test]
    fn attributes_and_divs_are_not_prose() {
        assert_eq!(read("::: {.callout-note}\nRead this.\n:::\n"), "Read this.");
        assert_eq!(
            read("![A plot](p.png){#fig-p width=50%} shows"),
            "A plot  shows"
        );
        assert_eq!(
            read("{: .note}\nRead this.\n\n* TOC\n{:toc}\n"),
            "Read this. / TOC"
        );
        assert_eq!(
            read("## Results {.unnumbered #res}\n\nSee @fig-p here [@knuth84, p. 3]."),
            "Results / See   here  ."
        );
        assert_eq!(read("a [cited](x) claim [see @a; -@b]\n"), "a cited claim");
        assert_eq!(
            read("> [!warning]- Mind the gap\n> here\n"),
            "Mind the gap here"
        );
        assert_eq!(read("!!! note \"Title\"\n\nText"), "Text");
    }

    #[test]
    fn latex_is_not_prose() {
        assert_eq!(
            read(
                "As in\n\\begin{align}\na &= b\n\n&= c\n\\end{align}\nwe see \\cite[p. 3]{knuth} it."
            ),
            "As in / we see   it."
        );
        assert_eq!(
            read("an \\emph{odd} word\\footnote{So it is.} here"),
            "an odd wordSo it is. here"
        );
        assert_eq!(read("\\newpage\n\nText \\ref{a} \\* x"), "Text   * x");
    }

    #[test]
    fn comments_are_not_prose() {
        assert_eq!(
            read("Seen %%not seen%% again, 100%% and 50%%."),
            "Seen   again, 100%% and 50%%."
        );
        assert_eq!(read("%%\nnot seen\n\nnor this\n%%\n\nSeen"), "Seen");
    }

    #[test]
    fn front_matter_of_every_kind_is_not_prose() {
        for front in [
            "---\ntitle: x\n---\n",
            "--- # a comment\ntitle: x\n\nlist: y\n--- # the end\n",
            "---\ntitle: x\n...\n",
            "+++\ntitle = \"x\"\n+++\n",
            "{\n  \"title\": \"a } b\",\n  \"tags\": [{}]\n}\n",
            "% A title\n  that goes on\n% Anna\n% 2024\n",
        ] {
            assert_eq!(read(&format!("{front}\nBody\n")), "Body", "{front}");
        }
        assert_eq!(read("---\n\nBody\n\n---\n"), "Body");
    }

    #[test]
    fn mdx_has_modules_elements_and_expressions() {
        let text = "\
import { Tabs } from './tabs'
import Card from 'card'

export const meta = {
  title: 'x',

  tags: [],
}

# Hello, {props.name}!

{/* a comment
   over lines */}

<Card title=\"a > b\" items={[1, {a: 2}]}>
Text in a <b>bo</b>ld card, 3 < 4.
</Card>

The import of goods.
";
        assert_eq!(
            seen(text, Language::Mdx).join(" / "),
            "Hello,  ! / Text in a bold card, 3 < 4. / The import of goods."
        );
        assert!(read(text).contains("import"));
    }

    #[test]
    fn marks_that_are_never_closed_do_not_take_the_square_of_the_time() {
        for mark in [
            "{{ ",
            "{% raw %}",
            "[@a ",
            "%% ",
            "\\begin{a} ",
            "](a ",
            "<a ",
            "{a",
            "[",
            "`a ``",
            "a@b.c ",
        ] {
            let text = mark.repeat((1 << 17) / mark.len());
            for language in [Language::Markdown, Language::Mdx] {
                blocks(&Document::new("x", text.as_str(), language));
            }
        }
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
        fn segments_lie_in_order_on_character_borders(
            text in "([-a-z#>*_`$&;<>|\\[\\]()é🙂:/. \n\t@%{}\\\\]|&amp;|&uuml;|&#8217;|\\{\\{|%\\}|\\]\\(|\\\\emph\\{){0,150}"
        ) {
            for language in [Language::Plain, Language::Markdown, Language::Mdx] {
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
