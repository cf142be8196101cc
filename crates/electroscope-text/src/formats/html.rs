//! HTML: the text of its elements, by a tokenizer that knows where tags begin and end.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span as TokenSpan, Tokenizer};

use super::Parsed;
use crate::comments::Comment;
use crate::prose::{Collector, mark_len};
use crate::{SegmentKind, Span};

/// Elements that stand inside a line of text; all others part blocks.
const INLINE: [&str; 36] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "del", "dfn", "em", "font", "i",
    "ins", "kbd", "label", "mark", "nobr", "q", "rb", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "code", "data",
];

/// Elements whose content is no prose.
const SKIPPED: [&str; 23] = [
    "applet",
    "audio",
    "canvas",
    "datalist",
    "head",
    "iframe",
    "listing",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "plaintext",
    "pre",
    "script",
    "select",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "video",
    "xmp",
];

/// What may stand in a `<head>`: any other element ends it, with or without `</head>`.
const IN_HEAD: [&str; 9] = [
    "base", "link", "meta", "noscript", "object", "script", "style", "template", "title",
];

/// Elements whose content is read and not scored.
const CONTEXT: [&str; 5] = ["code", "kbd", "samp", "tt", "var"];

/// Elements without content.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// What the tokenizer found.
enum Token {
    /// The first bytes of a tag, up to where its attributes begin.
    Start(String),
    /// The last byte of that tag, and whether a slash stands before it.
    StartEnds(bool),
    End(String),
    Text,
    Comment,
    Other,
}

/// Reads HTML.
pub(super) fn read(text: &str) -> Parsed {
    let mark = mark_len(text);
    let mut reader = Reader {
        text,
        out: Collector::new(text),
        comments: Vec::new(),
        skipped: Vec::new(),
        context: 0,
        open: None,
        done: mark,
    };
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, span: TokenSpan<usize>| {
        let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let token = match event {
            CallbackEvent::OpenStartTag { name: tag } => Token::Start(name(tag)),
            CallbackEvent::CloseStartTag { self_closing } => Token::StartEnds(self_closing),
            CallbackEvent::EndTag { name: tag } => Token::End(name(tag)),
            CallbackEvent::String { .. } => Token::Text,
            CallbackEvent::Comment { .. } => Token::Comment,
            CallbackEvent::Doctype { .. } => Token::Other,
            CallbackEvent::AttributeName { .. }
            | CallbackEvent::AttributeValue { .. }
            | CallbackEvent::Error(_) => return None,
        };
        Some((token, span.start, span.end))
    });
    // In `<script>` and its like no tag but their own end is one.
    emitter.naively_switch_states(true);
    let source = text.get(mark..).unwrap_or_default();
    // Of what follows the last tag only that is text which the tokenizer says is, for the file may
    // end inside a tag.
    let mut text_end = mark;
    for token in Tokenizer::new_with_emitter(source, emitter) {
        let Ok((token, start, end)) = token;
        let (start, end) = (start + mark, end + mark);
        if matches!(token, Token::Text) {
            text_end = end.min(text.len());
        } else {
            reader.take(token, start.max(reader.done), end.min(text.len()));
        }
    }
    reader.words(text_end);
    reader.out.close();
    Parsed {
        blocks: reader.out.blocks,
        comments: reader.comments,
    }
}

struct Reader<'a> {
    text: &'a str,
    out: Collector<'a>,
    comments: Vec<Comment>,
    /// The elements around that are no prose, outermost first: only their own end ends them.
    skipped: Vec<String>,
    /// How many elements around are read and not scored.
    context: usize,
    /// The name of the tag whose attributes are being read.
    open: Option<String>,
    /// All before this byte has been taken.
    done: usize,
}

impl Reader<'_> {
    fn take(&mut self, token: Token, start: usize, end: usize) {
        match token {
            Token::Start(name) => {
                self.words(start);
                self.open = Some(name);
            }
            Token::StartEnds(closes) => {
                let name = self.open.take().unwrap_or_default();
                self.begin(&name, Span::new(self.done, end), closes);
            }
            Token::End(name) => {
                self.words(start);
                self.end(&name);
            }
            Token::Comment => {
                self.words(start);
                let source = Span::new(start, end).of(self.text).unwrap_or_default();
                if let Some(inside) = source.strip_prefix("<!--") {
                    let inside = inside.strip_suffix("-->").unwrap_or(inside);
                    let body = start + "<!--".len();
                    self.comments.push(Comment {
                        span: Span::new(start, end),
                        body: Span::new(body, body + inside.len()),
                    });
                }
            }
            Token::Other => self.words(start),
            Token::Text => {}
        }
        self.done = self.done.max(end);
    }

    /// Takes in the tag at `span` that begins an element.
    fn begin(&mut self, name: &str, span: Span, closes: bool) {
        if self.skipped.last().is_some_and(|skipped| skipped == "head") && !IN_HEAD.contains(&name)
        {
            self.skipped.clear();
        }
        if name == "br" {
            return self.out.push(span, SegmentKind::Break);
        }
        if !INLINE.contains(&name) {
            self.out.close();
        }
        if VOID.contains(&name) || closes {
            return;
        }
        if !self.skipped.is_empty() || SKIPPED.contains(&name) {
            // Within one that is skipped only its like count.
            if self.skipped.last().is_none_or(|skipped| skipped == name) {
                self.skipped.push(name.to_owned());
            }
        } else if CONTEXT.contains(&name) {
            self.context += 1;
        }
    }

    /// Takes in the end of an element.
    fn end(&mut self, name: &str) {
        if self.skipped.last().is_some_and(|skipped| skipped == name) {
            self.skipped.pop();
        } else if self.skipped.is_empty() && CONTEXT.contains(&name) {
            self.context = self.context.saturating_sub(1);
        }
        if !INLINE.contains(&name) {
            self.out.close();
            if self.skipped.is_empty() {
                // What a paragraph opened ends with it.
                self.context = 0;
            }
        }
    }

    /// Takes in the text up to `end`.
    fn words(&mut self, end: usize) {
        let start = self.done;
        self.done = end.max(start);
        if !self.skipped.is_empty() {
            return;
        }
        let source = self.text.get(start..end).unwrap_or_default();
        if self.context > 0 {
            return self.code(start, source);
        }
        let mut at = start;
        // The template that made the page may be the file.
        let mut rest = source;
        while let Some((before, len)) = template(rest) {
            self.prose(at, rest.get(..before).unwrap_or_default());
            let span = Span::new(at + before, at + before + len);
            self.out.push(span, SegmentKind::Break);
            at += before + len;
            rest = rest.get(before + len..).unwrap_or_default();
        }
        self.prose(at, rest);
    }

    /// Text that is read and not scored.
    fn code(&mut self, start: usize, source: &str) {
        let body = source.trim();
        let at = start + (source.len() - source.trim_start().len());
        self.out
            .push(Span::new(at, at + body.len()), SegmentKind::Context);
    }

    /// Prose at byte `start`, with entities and ends of lines in it.
    fn prose(&mut self, start: usize, source: &str) {
        let mut done = 0;
        let mut at = 0;
        let is_special = |c: char| matches!(c, '&' | '\n' | '\r');
        while let Some(found) = source.get(at..).and_then(|rest| rest.find(is_special)) {
            at += found;
            let rest = source.get(at..).unwrap_or_default();
            let (len, kind) = match entity(rest) {
                Some(entity) => entity,
                None if rest.starts_with('&') => {
                    at += 1;
                    continue;
                }
                None => {
                    let white = rest.len() - rest.trim_start().len();
                    (white, SegmentKind::Break)
                }
            };
            let place = |from: usize, to: usize| Span::new(start + from, start + to);
            self.out.push(place(done, at), SegmentKind::Prose);
            self.out.push(place(at, at + len), kind);
            at += len;
            done = at;
        }
        let span = Span::new(start + done, start + source.len());
        self.out.push(span, SegmentKind::Prose);
    }
}

/// The first mark of a template in `text`, which Jinja, Liquid, Go and their like share: how many
/// bytes stand before it, and its own.
fn template(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('{')?;
        let rest = text.get(at..)?;
        let marks = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];
        let close = marks.iter().find(|(open, _)| rest.starts_with(open));
        // None of them goes over many lines.
        let limit = rest.floor_char_boundary(LONGEST_TEMPLATE);
        let len = close.and_then(|(_, close)| Some(rest.get(..limit)?.find(close)? + close.len()));
        match len {
            Some(len) => return Some((at, len)),
            None => from = at + 1,
        }
    }
}

/// The longest mark of a template, in bytes.
const LONGEST_TEMPLATE: usize = 512;

/// The entity that `text` begins with: its length in bytes, and what it is read as.
pub(super) fn entity(text: &str) -> Option<(usize, SegmentKind)> {
    /// The longest name is `CounterClockwiseContourIntegral`.
    const LONGEST: usize = 40;
    let name = text.strip_prefix('&')?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let len = name
        .bytes()
        .take(LONGEST)
        .take_while(|byte| is_name(byte))
        .count();
    if len == 0 || name.as_bytes().get(len) != Some(&b';') {
        return None;
    }
    let len = len + 2;
    let source = text.get(..len)?;
    // The tokenizer knows the names.
    let mut shown = String::new();
    for token in Tokenizer::new(source) {
        let Ok(token) = token;
        if let html5gum::Token::String(part) = token {
            shown.push_str(&String::from_utf8_lossy(&part.value));
        }
    }
    let mut chars = shown.chars();
    match (chars.next(), chars.next(), chars.next()) {
        (Some(first), second, None) => Some((len, SegmentKind::Entity(first, second))),
        _ => None,
    }
}
