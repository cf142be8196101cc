//! Org, the format of Emacs.

use super::Parsed;
use super::excerpt::Excerpt;
use super::inline::{Inline, Line, lines};
use crate::comments::Comment;
use crate::prose::Collector;
use crate::{SegmentKind, Span};

/// Blocks (`#+begin_src`) in which there is no prose.
const LITERAL: [&str; 8] = [
    "src", "example", "export", "comment", "latex", "html", "ascii", "query",
];

/// Keywords (`#+title:`) whose value is prose.
const PROSE_KEYWORDS: [&str; 5] = [
    "title",
    "subtitle",
    "caption",
    "description",
    "attr_caption",
];

/// The longest link, in bytes.
const LONGEST_LINK: usize = 4 << 10;

/// How often, on average, a line may be looked at in search of what ends a block.
const SEARCHED: usize = 16;

/// Reads Org.
pub(super) fn read(text: &str) -> Parsed {
    let mut org = Org {
        text,
        lines: lines(text),
        next: 0,
        out: Collector::new(text),
        comments: Vec::new(),
        paragraph: Excerpt::default(),
        budget: 0,
    };
    org.budget = SEARCHED * org.lines.len();
    while let Some(&line) = org.lines.get(org.next) {
        org.next += 1;
        org.line(line);
    }
    org.end_paragraph();
    Parsed {
        blocks: org.out.blocks,
        comments: org.comments,
    }
}

struct Org<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    /// The number of the line that is read next.
    next: usize,
    out: Collector<'a>,
    comments: Vec<Comment>,
    paragraph: Excerpt,
    /// How many more lines may be searched for what ends a block.
    budget: usize,
}

impl<'a> Org<'a> {
    fn line(&mut self, line: Line<'a>) {
        let body = line.body();
        let text = body.text;
        if text.is_empty() {
            return self.end_paragraph();
        }
        if line.text.starts_with('*')
            && let Some(len) = headline_marker(line.text)
        {
            self.end_paragraph();
            return self.headline(line.after(len).body());
        }
        if let Some(keyword) = text.strip_prefix("#+") {
            self.end_paragraph();
            return self.keyword(body, keyword);
        }
        if text == "#" || text.starts_with("# ") {
            // A paragraph goes on behind it.
            self.comments.push(Comment {
                span: body.span(),
                body: body.after(1).span(),
            });
            return;
        }
        if text == ":" || text.starts_with(": ") {
            return self.end_paragraph();
        }
        if is_drawer(text) {
            self.end_paragraph();
            return self.drawer();
        }
        if text.starts_with('|') {
            self.end_paragraph();
            return self.row(body);
        }
        if let Some(name) = environment(text) {
            self.end_paragraph();
            let end = format!("\\end{{{name}}}");
            return self.skip_past(|text| text.starts_with(&end));
        }
        let is_planning = ["SCHEDULED:", "DEADLINE:", "CLOSED:", "CLOCK:"];
        let is_rule = text.len() >= 5 && text.chars().all(|c| c == '-');
        if is_rule || is_planning.iter().any(|word| text.starts_with(word)) {
            return self.end_paragraph();
        }
        if let Some(rest) = list_item(body, line.indent()) {
            self.end_paragraph();
            // The term of a description is a block of its own.
            if let Some(at) = rest.text.find(" :: ") {
                let term = rest.text.get(..at).unwrap_or_default();
                self.block(Span::new(rest.start, rest.start + term.len()));
                self.paragraph
                    .push_line(self.text, rest.after(at + 4).body().span());
            } else {
                let len = rest
                    .text
                    .strip_suffix(" ::")
                    .map_or(rest.text.len(), str::len);
                let span = Span::new(rest.start, rest.start + len);
                self.paragraph.push_line(self.text, span);
            }
            return;
        }
        let mut body = body;
        if line.text.starts_with("[fn:")
            && let Some(close) = text.find(']')
        {
            // The definition of a footnote.
            self.end_paragraph();
            body = body.after(close + 1).body();
        }
        self.paragraph.push_line(self.text, body.span());
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        inline(&paragraph, &mut self.out);
        self.out.close();
        self.paragraph = paragraph;
        self.paragraph.clear();
    }

    /// A block of its own, of a part of one line.
    fn block(&mut self, span: Span) {
        let mut part = Excerpt::default();
        part.push(self.text, span);
        inline(&part, &mut self.out);
        self.out.close();
    }

    /// The text of a headline: without what is to be done, the priority, the tags.
    fn headline(&mut self, mut line: Line<'a>) {
        let states = [
            "TODO",
            "DONE",
            "NEXT",
            "WAITING",
            "CANCELLED",
            "CANCELED",
            "STARTED",
        ];
        if let Some(state) = states.iter().find(|state| line.text.starts_with(**state))
            && line
                .text
                .get(state.len()..)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        {
            line = line.after(state.len()).body();
        }
        if line.text.starts_with("[#")
            && let Some(close) = line.text.find(']')
        {
            line = line.after(close + 1).body();
        }
        if line.text.starts_with("COMMENT ") {
            return;
        }
        let mut end = line.text.len();
        if line.text.ends_with(':')
            && let Some(at) = line.text.rfind(char::is_whitespace)
            && let Some(tags) = line.text.get(at + 1..)
            && tags.len() > 2
            && tags.starts_with(':')
            && tags
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, ':' | '_' | '@' | '#' | '%'))
        {
            end = at;
        } else if line.text.starts_with(':') && line.text.ends_with(':') && !line.text.contains(' ')
        {
            end = 0;
        }
        self.block(Span::new(line.start, line.start + end));
    }

    /// What stands behind `#+`.
    fn keyword(&mut self, body: Line<'a>, keyword: &str) {
        let lower = keyword.to_ascii_lowercase();
        if let Some(block) = lower.strip_prefix("begin_") {
            let name = block.split(char::is_whitespace).next().unwrap_or_default();
            if LITERAL.contains(&name) {
                let end = format!("#+end_{name}");
                self.skip_past(|text| {
                    text.len() >= end.len() && text.to_ascii_lowercase().starts_with(&end)
                });
            }
            return;
        }
        if let Some(colon) = lower.find(':')
            && PROSE_KEYWORDS.contains(&lower.get(..colon).unwrap_or_default())
        {
            self.block(body.after(2 + colon + 1).span());
        }
    }

    /// Goes past the line that `is_end` says yes to, if there is one.
    fn skip_past(&mut self, is_end: impl Fn(&str) -> bool) {
        let lines = self.lines.get(self.next..).unwrap_or_default();
        let lines = lines.get(..self.budget).unwrap_or(lines);
        match lines.iter().position(|line| is_end(line.body().text)) {
            Some(len) => self.next += len + 1,
            None => self.budget -= lines.len().min(self.budget),
        }
    }

    /// Properties and the like, up to `:END:`. A drawer has no headline in it.
    fn drawer(&mut self) {
        let lines = self.lines.get(self.next..).unwrap_or_default();
        let lines = lines.get(..self.budget).unwrap_or(lines);
        let is_end = |line: &Line<'_>| {
            line.body().text.eq_ignore_ascii_case(":end:") || headline_marker(line.text).is_some()
        };
        let len = lines.iter().position(is_end);
        match len.and_then(|len| Some((len, lines.get(len)?))) {
            Some((len, line)) if headline_marker(line.text).is_none() => self.next += len + 1,
            _ => self.budget -= len.unwrap_or(lines.len()).min(self.budget),
        }
    }

    /// A row of a table.
    fn row(&mut self, body: Line<'a>) {
        if body.text.starts_with("|-") {
            return;
        }
        let mut start = body.start;
        for cell in body.text.split('|') {
            self.block(Span::new(start, start + cell.len()));
            start += cell.len() + 1;
        }
    }
}

/// The length of the stars that a headline begins with.
fn headline_marker(line: &str) -> Option<usize> {
    let rest = line.trim_start_matches('*');
    let len = line.len() - rest.len();
    (len > 0 && (rest.is_empty() || rest.starts_with(' '))).then_some(len)
}

/// Whether a line opens a drawer.
fn is_drawer(text: &str) -> bool {
    let name = text
        .strip_prefix(':')
        .and_then(|rest| rest.strip_suffix(':'));
    name.is_some_and(|name| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    })
}

/// The environment of LaTeX that a line begins.
fn environment(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\\begin{")?;
    rest.get(..rest.find('}')?)
}

/// What stands behind the marker of a list item.
fn list_item<'a>(body: Line<'a>, column: usize) -> Option<Line<'a>> {
    let text = body.text;
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let is_letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let count = if digits == 0 && is_letter { 1 } else { digits };
    let after = text.get(count..)?;
    let marker = match count {
        0 => {
            after.strip_prefix(['-', '+']).or_else(|| {
                // At the left a star begins a headline.
                after.strip_prefix('*').filter(|_| column > 0)
            })?
        }
        _ => after.strip_prefix(['.', ')'])?,
    };
    if !(marker.is_empty() || marker.starts_with(' ')) {
        return None;
    }
    let mut rest = body.after(text.len() - marker.len()).body();
    if rest.text.starts_with("[@") {
        let close = rest.text.find(']')?;
        rest = rest.after(close + 1).body();
    }
    if ["[ ]", "[X]", "[-]", "[x]"]
        .iter()
        .any(|mark| rest.text.starts_with(mark))
    {
        rest = rest.after(3).body();
    }
    Some(rest)
}

/// What stands in a paragraph.
fn inline(paragraph: &Excerpt, out: &mut Collector<'_>) {
    Inline::run(paragraph, out, |inline, at| match inline.scan.byte(at)? {
        b'[' => bracket(inline, at),
        b'<' => {
            // A target, a time, or an address.
            let close = inline.scan.find(">", at)?;
            let inside = inline.scan.slice(at + 1..close);
            if inside.contains('\n') || inside.is_empty() || inside.starts_with(' ') {
                return None;
            }
            if inside.starts_with('<') {
                let end = close + inline.scan.name(close, |byte| byte == b'>').len();
                return Some(inline.mark(at..end, None));
            }
            let is_time = inside.starts_with(|c: char| c.is_ascii_digit()) && inside.contains('-');
            let is_address = inside.contains("://") || inside.starts_with("mailto:");
            let kind = Some(SegmentKind::Break);
            (is_time || is_address).then(|| inline.mark(at..close + 1, kind))
        }
        b'=' | b'~' => {
            let (marker, close) = emphasis(inline, at)?;
            Some(inline.context(at..close + 1, at + marker..close))
        }
        b'*' | b'/' | b'_' | b'+' => {
            let (marker, close) = emphasis(inline, at)?;
            Some(inline.around(at..at + marker, close..close + 1))
        }
        b'\\' => {
            for (open, close) in [("\\(", "\\)"), ("\\[", "\\]")] {
                if inline.scan.is_at(at, open) {
                    let end = inline.scan.find(close, at + 2)?;
                    return Some(inline.context(at..end + 2, at + 2..end));
                }
            }
            if inline.scan.is_at(at, "\\\\") {
                return Some(inline.mark(at..at + 2, Some(SegmentKind::Break)));
            }
            let name = inline.scan.name(at + 1, |byte| byte.is_ascii_alphabetic());
            if name.is_empty() {
                return None;
            }
            let mut end = at + 1 + name.len();
            let inner = at + 1..end;
            while inline.scan.byte(end) == Some(b'{') {
                end = inline.scan.closing(end, b'{', b'}')?;
            }
            Some(inline.context(at..end, inner))
        }
        b'$' => {
            let open = if inline.scan.is_at(at, "$$") {
                "$$"
            } else {
                "$"
            };
            let from = at + open.len();
            let next = inline.scan.char_at(from)?;
            if next.is_whitespace() || matches!(next, '.' | ',' | ';' | '$') {
                return None;
            }
            let close = inline.scan.find(open, from + next.len_utf8())?;
            let before = inline.scan.char_before(close)?;
            let after = inline.scan.char_at(close + open.len());
            let is_math = !before.is_whitespace() && after.is_none_or(|c| !c.is_alphanumeric());
            is_math.then(|| inline.context(at..close + open.len(), from..close))
        }
        b'@' if inline.scan.is_at(at, "@@") => {
            let close = inline.scan.find("@@", at + 2)?;
            Some(inline.mark(at..close + 2, None))
        }
        b'{' if inline.scan.is_at(at, "{{{") => {
            let close = inline.scan.find("}}}", at + 3)?;
            Some(inline.mark(at..close + 3, Some(SegmentKind::Break)))
        }
        b's' | b'c' => {
            // `src_python[:exports code]{print(1)}` and `call_name(x)`.
            let is_code = inline.scan.is_at(at, "src_") || inline.scan.is_at(at, "call_");
            if !is_code
                || inline
                    .scan
                    .char_before(at)
                    .is_some_and(char::is_alphanumeric)
            {
                return None;
            }
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            let mut end = at + inline.scan.name(at, is_name).len();
            if inline.scan.byte(end) == Some(b'[') {
                end = inline.scan.closing(end, b'[', b']')?;
            }
            let (open, close) = match inline.scan.byte(end)? {
                b'{' => (b'{', b'}'),
                b'(' => (b'(', b')'),
                _ => return None,
            };
            let inner = end + 1;
            end = inline.scan.closing(end, open, close)?;
            Some(inline.context(at..end, inner..end - 1))
        }
        _ => None,
    });
}

/// What begins with a bracket: a link, a footnote, a citation, a time.
fn bracket(inline: &mut Inline<'_, '_, '_>, at: usize) -> Option<usize> {
    if inline.scan.is_at(at, "[[") {
        let limit = inline.scan.text.floor_char_boundary(at + LONGEST_LINK);
        let close = inline.scan.find_before("]]", at, limit)?;
        let inside = inline.scan.slice(at + 2..close);
        let Some(target) = inside.find("][") else {
            // A link without a description shows its target: a file, an address, a headline.
            let is_headline = inside.starts_with('*') && !inside.contains('\n');
            return Some(match is_headline {
                true => inline.context(at..close + 2, at + 3..close),
                false => inline.mark(at..close + 2, Some(SegmentKind::Break)),
            });
        };
        let start = at + 2 + target + 2;
        return Some(inline.around(at..start, close..close + 2));
    }
    if inline.scan.is_at(at, "[fn:") || inline.scan.is_at(at, "[cite") {
        let end = inline.scan.closing(at, b'[', b']')?;
        let inside = inline.scan.slice(at..end);
        // A footnote may be defined where it is.
        let is_note = inside.starts_with("[fn:");
        let colon = inside.get(4..).and_then(|rest| rest.find(':'));
        if let (true, Some(colon)) = (is_note, colon) {
            return Some(inline.apart(at..at + 5 + colon, end - 1..end));
        }
        return Some(inline.mark(at..end, None));
    }
    let close = inline.scan.find("]", at)?;
    let inside = inline.scan.slice(at + 1..close);
    let is_date = inside.len() >= 10
        && inside.bytes().take(4).all(|byte| byte.is_ascii_digit())
        && inside.as_bytes().get(4) == Some(&b'-');
    let is_progress = !inside.is_empty()
        && inside
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '/' | '%'))
        && inside.contains(['/', '%']);
    (is_date || is_progress).then(|| inline.mark(at..close + 1, Some(SegmentKind::Break)))
}

/// The length of the marker at `at`, and where the one that closes it stands.
fn emphasis(inline: &Inline<'_, '_, '_>, at: usize) -> Option<(usize, usize)> {
    let before = inline.scan.char_before(at);
    let opens = before.is_none_or(|c| c.is_whitespace() || "-('\"{—–‘“*/_+[".contains(c));
    if !opens || inline.scan.char_at(at + 1)?.is_whitespace() {
        return None;
    }
    let marker = inline.scan.slice(at..at + 1);
    let from = at + 1 + inline.scan.char_at(at + 1)?.len_utf8();
    let close = inline.scan.find_where(marker, from, |place| {
        let before = inline.scan.char_before(place);
        let after = inline.scan.char_at(place + 1);
        before.is_some_and(|c| !c.is_whitespace())
            && after.is_none_or(|c| c.is_whitespace() || "-.,;:!?'\")}]\\—–’”*/_+[".contains(c))
    })?;
    let inside = inline.scan.slice(at..close);
    (inside.matches('\n').count() <= 2).then_some((1, close))
}
