//! AsciiDoc, as Asciidoctor reads it.

use super::Parsed;
use super::excerpt::Excerpt;
use super::inline::{Inline, Line, lines};
use crate::comments::Comment;
use crate::prose::Collector;
use crate::{SegmentKind, Span};

/// Styles of blocks (`[source,rust]`) that make their content code or math.
const LITERAL_STYLES: [&str; 22] = [
    "source",
    "listing",
    "literal",
    "stem",
    "latexmath",
    "asciimath",
    "pass",
    "comment",
    "plantuml",
    "mermaid",
    "graphviz",
    "ditaa",
    "blockdiag",
    "a2s",
    "svgbob",
    "vega",
    "wavedrom",
    "subs",
    "bibliography-list",
    "bytefield",
    "d2",
    "pikchr",
];

/// Macros whose text in brackets is read and not scored.
const CONTEXT_MACROS: [&str; 8] = [
    "kbd",
    "btn",
    "menu",
    "stem",
    "latexmath",
    "asciimath",
    "pass",
    "icon",
];

/// Macros whose text in brackets is prose.
const PROSE_MACROS: [&str; 5] = ["link", "xref", "mailto", "footnote", "anchor"];

/// What an address begins with.
const SCHEMES: [&str; 5] = ["https://", "http://", "ftp://", "irc://", "file://"];

/// The longest target of a macro, in bytes.
const LONGEST_TARGET: usize = 2 << 10;

/// Reads AsciiDoc.
pub(super) fn read(text: &str) -> Parsed {
    let mut document = AsciiDoc {
        text,
        lines: lines(text),
        next: 0,
        out: Collector::new(text),
        comments: Vec::new(),
        paragraph: Excerpt::default(),
        is_literal: false,
        in_list: false,
        tables: Vec::new(),
    };
    document.header();
    while let Some(&line) = document.lines.get(document.next) {
        document.next += 1;
        document.line(line);
    }
    document.end_paragraph();
    Parsed {
        blocks: document.out.blocks,
        comments: document.comments,
    }
}

struct AsciiDoc<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    /// The number of the line that is read next.
    next: usize,
    out: Collector<'a>,
    comments: Vec<Comment>,
    paragraph: Excerpt,
    /// Whether the style that was given says that the block which follows is no prose.
    is_literal: bool,
    /// Whether an item of a list is near, so that lines may be indented.
    in_list: bool,
    /// The tables that are open, each with what parts its cells.
    tables: Vec<(String, char)>,
}

impl<'a> AsciiDoc<'a> {
    /// The title of the document; who wrote it and when is not prose.
    fn header(&mut self) {
        let mut has_title = false;
        while let Some(&line) = self.lines.get(self.next) {
            if let Some(comment) = line_comment(line) {
                self.comments.push(comment);
            } else if line.text.starts_with("= ") && !has_title {
                self.block(line.after(2).body().span());
                has_title = true;
            } else if line.is_blank() || attribute(line.text).is_some() || has_title {
                if line.is_blank() && has_title {
                    return;
                }
                // Lines of the author, the revision and attributes.
                if line.text.starts_with("//")
                    || line.text.starts_with('[')
                    || line.text.starts_with("==")
                {
                    return;
                }
            } else {
                return;
            }
            self.next += 1;
        }
    }

    fn line(&mut self, line: Line<'a>) {
        let text = line.text;
        if text.is_empty() {
            return self.end_paragraph();
        }
        if let Some(comment) = line_comment(line) {
            self.comments.push(comment);
            return;
        }
        let is_underline = is_setext(text)
            && self.paragraph.part_count() == 1
            && self.is_title_of(text)
            && self.tables.is_empty();
        if is_underline {
            return self.end_paragraph();
        }
        if let Some((fence, is_literal)) = delimiter(text) {
            self.end_paragraph();
            let is_literal = is_literal || (self.is_literal && !text.starts_with('|'));
            self.is_literal = false;
            if is_literal {
                return self.literal(line, fence);
            }
            return;
        }
        if let Some(&(_, separator)) = self.tables.last() {
            let is_end = self.tables.last().is_some_and(|(fence, _)| fence == text);
            if is_end {
                self.tables.pop();
                return self.end_paragraph();
            }
            return self.row(line, separator);
        }
        if let Some(separator) = table(text) {
            self.end_paragraph();
            self.is_literal = false;
            self.tables.push((text.to_owned(), separator));
            return;
        }
        if !self.paragraph.is_empty() {
            let begins_item = item(line).is_some() || term(line).is_some();
            if text == "+" || (begins_item && self.in_list) {
                self.end_paragraph();
            } else if !is_conditional(text) {
                self.paragraph.push_line(self.text, line.body().span());
                return;
            } else {
                return;
            }
        }
        self.element(line);
    }

    /// Takes in a line with which a block begins.
    fn element(&mut self, line: Line<'a>) {
        let text = line.text;
        if text == "+" {
            return;
        }
        if text.starts_with('[') && text.ends_with(']') {
            self.is_literal |= is_literal_style(text);
            return;
        }
        if attribute(text).is_some() || is_block_macro(text) || is_conditional(text) {
            return;
        }
        if matches!(text, "'''" | "<<<" | "---" | "***" | "- - -" | "* * *") {
            self.in_list = false;
            return;
        }
        // A title of a block.
        if let Some(title) = text.strip_prefix('.')
            && title.starts_with(|c: char| !c.is_whitespace() && c != '.')
        {
            return self.block(line.after(1).span());
        }
        let heading = text.trim_start_matches(['=', '#']);
        let level = text.len() - heading.len();
        if (1..=6).contains(&level) && heading.starts_with(' ') {
            self.in_list = false;
            self.is_literal = false;
            let title = line.after(level).body();
            let len = title.text.trim_end_matches(['=', '#']).trim_end().len();
            return self.block(Span::new(title.start, title.start + len));
        }
        if self.is_literal {
            // A paragraph of code.
            self.is_literal = false;
            while self
                .lines
                .get(self.next)
                .is_some_and(|line| !line.is_blank())
            {
                self.next += 1;
            }
            return;
        }
        if let Some(rest) = item(line) {
            self.in_list = true;
            self.paragraph.push_line(self.text, rest.span());
            return;
        }
        if let Some((end, rest)) = term(line) {
            self.in_list = true;
            self.block(Span::new(line.body().start, end));
            self.paragraph.push_line(self.text, rest.span());
            return;
        }
        if text.starts_with([' ', '\t']) && (!self.in_list || self.follows_blank()) {
            // An indented paragraph is code.
            while self
                .lines
                .get(self.next)
                .is_some_and(|line| !line.is_blank())
            {
                self.next += 1;
            }
            return;
        }
        if !text.starts_with([' ', '\t']) && self.in_list && self.follows_blank() {
            self.in_list = false;
        }
        let labels = ["NOTE: ", "TIP: ", "IMPORTANT: ", "CAUTION: ", "WARNING: "];
        let label = labels.iter().find(|label| text.starts_with(**label));
        let line = label.map_or(line, |label| line.after(label.len()));
        self.paragraph.push_line(self.text, line.body().span());
    }

    /// Whether the line before the one that is read is blank.
    fn follows_blank(&self) -> bool {
        let before = self.next.checked_sub(2);
        before.is_none_or(|before| self.lines.get(before).is_none_or(Line::is_blank))
    }

    /// Whether a line of `underline` is as long as the paragraph's line.
    fn is_title_of(&self, underline: &str) -> bool {
        let len = self.paragraph.text().chars().count();
        len.abs_diff(underline.len()) <= 1
    }

    fn end_paragraph(&mut self) {
        if self.paragraph.is_empty() {
            return;
        }
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

    /// Goes past a block that is no prose, whose delimiter is `fence`; notes it if it is a comment.
    fn literal(&mut self, open: Line<'a>, fence: &str) {
        let lines = self.lines.get(self.next..).unwrap_or_default();
        let len = lines.iter().position(|line| line.text == fence);
        let inside = lines.get(..len.unwrap_or(lines.len())).unwrap_or_default();
        if fence.starts_with("//") {
            let end = inside.last().map_or(open.end(), Line::end);
            let close = len.and_then(|len| lines.get(len));
            self.comments.push(Comment {
                span: Span::new(open.start, close.map_or(end, Line::end)),
                body: Span::new(open.end(), end),
            });
        }
        self.next += len.map_or(lines.len(), |len| len + 1);
    }

    /// A line of a table: each cell is a block.
    fn row(&mut self, line: Line<'a>, separator: char) {
        if line_comment(line).is_some() || is_conditional(line.text) {
            return;
        }
        let mut start = line.start;
        let mut cells = line.text.split(separator).peekable();
        while let Some(cell) = cells.next() {
            // The format of the cell that follows: `2+^.>s|`.
            let shown = match cells.peek() {
                Some(_) if separator == '|' => without_format(cell),
                _ => cell,
            };
            self.block(Span::new(start, start + shown.len()));
            start += cell.len() + separator.len_utf8();
        }
    }
}

/// A cell without what stands at its end for the format of the next.
fn without_format(cell: &str) -> &str {
    let at = cell.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let last = cell.get(at..).unwrap_or_default();
    let is_format = !last.is_empty()
        && last.len() <= 8
        && last
            .chars()
            .all(|c| c.is_ascii_digit() || ".+*<>^adehlmsv".contains(c))
        && (last.len() == 1 || last.contains(['.', '+', '*', '<', '>', '^']));
    match is_format {
        true => cell.get(..at).unwrap_or_default(),
        false => cell,
    }
}

/// The comment that a line is.
fn line_comment(line: Line<'_>) -> Option<Comment> {
    let body = line.text.strip_prefix("//")?;
    (!body.starts_with('/')).then(|| Comment {
        span: line.span(),
        body: line.after(2).span(),
    })
}

/// The delimiter of a block that a line is, and whether what it holds is no prose.
fn delimiter(text: &str) -> Option<(&str, bool)> {
    if text == "--" {
        return Some((text, false));
    }
    if text.starts_with("```") {
        return Some(("```", true));
    }
    let first = text.chars().next()?;
    if text.len() < 4 || !text.chars().all(|c| c == first) {
        return None;
    }
    match first {
        '-' | '.' | '+' | '/' => Some((text, true)),
        '=' | '*' | '_' => Some((text, false)),
        _ => None,
    }
}

/// What parts the cells of the table that a line begins.
fn table(text: &str) -> Option<char> {
    let separator = text.chars().next()?;
    let rest = text.get(1..)?;
    let is_table = matches!(separator, '|' | ',' | ':' | '!')
        && rest.len() >= 3
        && rest.chars().all(|c| c == '=');
    is_table.then_some(separator)
}

/// The name of the attribute that a line sets.
fn attribute(text: &str) -> Option<&str> {
    let inside = text.strip_prefix(':')?;
    let name = inside.get(..inside.find(':')?)?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '!');
    let after = inside.get(name.len() + 1..)?;
    (!name.is_empty() && name.chars().all(is_name) && (after.is_empty() || after.starts_with(' ')))
        .then_some(name)
}

/// Whether the style that a line gives makes a block code or math.
fn is_literal_style(text: &str) -> bool {
    let inside = text.trim_matches(['[', ']']);
    let style = inside
        .split([',', '%', '#', '.'])
        .next()
        .unwrap_or_default();
    // `[,rust]` is a listing, too.
    LITERAL_STYLES.contains(&style) || (style.is_empty() && inside.starts_with(','))
}

/// Whether a line is a macro for a block: an image, a file, a table of contents.
fn is_block_macro(text: &str) -> bool {
    let Some(at) = text.find("::") else {
        return false;
    };
    let name = text.get(..at).unwrap_or_default();
    let after = text.get(at + 2..).unwrap_or_default();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    !name.is_empty() && name.chars().all(is_name) && after.ends_with(']') && !after.starts_with(' ')
}

/// Whether a line is about which lines are part of the document.
fn is_conditional(text: &str) -> bool {
    let words = ["ifdef::", "ifndef::", "ifeval::", "endif::", "include::"];
    words.iter().any(|word| text.starts_with(word))
}

/// Whether a line may underline a title.
fn is_setext(text: &str) -> bool {
    let first = text.chars().next().unwrap_or_default();
    text.len() >= 2
        && matches!(first, '=' | '-' | '~' | '^' | '+')
        && text.chars().all(|c| c == first)
}

/// What stands behind the marker of a list item.
fn item(line: Line<'_>) -> Option<Line<'_>> {
    let body = line.body();
    let text = body.text;
    let stars = ["*", "-", "."].iter().find_map(|mark| {
        let rest = text.trim_start_matches(*mark);
        let len = text.len() - rest.len();
        let most = if *mark == "-" { 1 } else { 6 };
        (len > 0 && len <= most && rest.starts_with(' ')).then_some(len)
    });
    let numbered = || {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let rest = match rest.len() == text.len() {
            true => text.strip_prefix(|c: char| c.is_ascii_lowercase())?,
            false => rest,
        };
        let rest = rest.strip_prefix('.')?;
        rest.starts_with(' ').then_some(text.len() - rest.len())
    };
    let callout = || {
        let inside = text.strip_prefix('<')?;
        let close = inside.find('>')?;
        let number = inside.get(..close)?;
        let is_number = number == "." || number.chars().all(|c| c.is_ascii_digit());
        (!number.is_empty() && is_number).then_some(close + 2)
    };
    let len = stars.or_else(numbered).or_else(callout)?;
    let rest = body.after(len).body();
    let is_checked = ["[ ] ", "[x] ", "[X] ", "[*] "]
        .iter()
        .any(|mark| rest.text.starts_with(mark));
    Some(if is_checked {
        rest.after(3).body()
    } else {
        rest
    })
}

/// Where the term of a description ends, and what stands behind its colons.
fn term(line: Line<'_>) -> Option<(usize, Line<'_>)> {
    for colons in ["::::", ":::", "::", ";;"] {
        for (at, _) in line.text.match_indices(colons).take(4) {
            let rest = line.text.get(at + colons.len()..)?;
            let before = line.text.get(..at)?;
            let is_term = !before.trim().is_empty() && !before.ends_with(':');
            if is_term && (rest.is_empty() || rest.starts_with(' ')) {
                return Some((line.start + at, line.after(at + colons.len()).body()));
            }
        }
    }
    None
}

/// What stands in a paragraph.
fn inline(paragraph: &Excerpt, out: &mut Collector<'_>) {
    Inline::run(paragraph, out, |inline, at| match inline.scan.byte(at)? {
        b'\\' => {
            let next = inline.scan.char_at(at + 1)?;
            let is_escape = next.is_ascii_punctuation();
            is_escape.then(|| {
                inline.mark(at..at + 1, None);
                at + 2
            })
        }
        b'`' => {
            // Curved quotes: "`text`" and '`text`'.
            for quote in ["\"", "'"] {
                let before = inline.scan.char_before(at);
                if before == quote.chars().next()
                    && let Some(close) = inline.scan.find(&format!("`{quote}"), at + 1)
                {
                    return Some(inline.around(at..at + 1, close..close + 1));
                }
            }
            let (from, close, end) = quoted(inline, at, "`")?;
            let inside = inline.scan.slice(from..close);
            // Monospaced and literal: `+text+`.
            let is_literal = inside.len() > 2 && inside.starts_with('+') && inside.ends_with('+');
            let plus = usize::from(is_literal);
            Some(inline.context(at..end, from + plus..close - plus))
        }
        b'*' => emphasis(inline, at, "*"),
        b'_' => emphasis(inline, at, "_"),
        b'#' => emphasis(inline, at, "#"),
        mark @ (b'^' | b'~') => {
            let mark = if mark == b'^' { "^" } else { "~" };
            let close = inline.scan.find(mark, at + 1)?;
            let inside = inline.scan.slice(at + 1..close);
            let is_short = !inside.is_empty() && !inside.contains(char::is_whitespace);
            is_short.then(|| inline.around(at..at + 1, close..close + 1))
        }
        b'+' => {
            for mark in ["+++", "++"] {
                if inline.scan.is_at(at, mark) {
                    let close = inline.scan.find(mark, at + mark.len())?;
                    let end = close + mark.len();
                    return Some(match mark {
                        "+++" => inline.mark(at..end, None),
                        _ => inline.context(at..end, at + mark.len()..close),
                    });
                }
            }
            // The end of a line that is one for the reader, too.
            let before = inline.scan.char_before(at);
            let after = inline.scan.char_at(at + 1);
            if before == Some(' ') && after.is_none_or(|c| c == '\n') {
                return Some(inline.mark(at..at + 1, Some(SegmentKind::Break)));
            }
            let (from, close, end) = quoted(inline, at, "+")?;
            Some(inline.context(at..end, from..close))
        }
        b'[' => bracket(inline, at),
        b'<' if inline.scan.is_at(at, "<<") => {
            let close = inline.scan.find(">>", at)?;
            let inside = inline.scan.slice(at + 2..close);
            if inside.contains('\n') || inside.is_empty() {
                return None;
            }
            match inside.find(',') {
                Some(comma) => {
                    let white = inside.get(comma + 1..).unwrap_or_default();
                    let white = white.len() - white.trim_start().len();
                    let from = at + 2 + comma + 1 + white;
                    Some(inline.around(at..from, close..close + 2))
                }
                None => Some(inline.mark(at..close + 2, Some(SegmentKind::Break))),
            }
        }
        b'<' => {
            // A callout in a line of code that is shown, or an address in brackets.
            let close = inline.scan.find_before(">", at, inline.scan.text.len())?;
            let inside = inline.scan.slice(at + 1..close);
            let is_address = inside.contains("://") && !inside.contains(char::is_whitespace);
            is_address.then(|| inline.mark(at..close + 1, Some(SegmentKind::Break)))
        }
        b'{' => {
            // An attribute.
            let is_name =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':');
            let name = inline.scan.name(at + 1, is_name);
            let close = at + 1 + name.len();
            if name.is_empty() || inline.scan.byte(close) != Some(b'}') {
                return None;
            }
            // An attribute may have the address of a link, or its beginning.
            let is_target = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'[' | b']');
            let open = close + 1 + inline.scan.name(close + 1, is_target).len();
            if inline.scan.byte(open) == Some(b'[') {
                return bracketed(inline, at, open);
            }
            let shown = match name {
                "nbsp" => Some(SegmentKind::Entity('\u{a0}', None)),
                "zwsp" | "wj" | "empty" | "blank" => None,
                "apos" => Some(SegmentKind::Entity('\'', None)),
                "quot" => Some(SegmentKind::Entity('"', None)),
                "lsquo" => Some(SegmentKind::Entity('‘', None)),
                "rsquo" => Some(SegmentKind::Entity('’', None)),
                "ldquo" => Some(SegmentKind::Entity('“', None)),
                "rdquo" => Some(SegmentKind::Entity('”', None)),
                "amp" => Some(SegmentKind::Entity('&', None)),
                "lt" => Some(SegmentKind::Entity('<', None)),
                "gt" => Some(SegmentKind::Entity('>', None)),
                "plus" => Some(SegmentKind::Entity('+', None)),
                "cpp" | "sp" => Some(SegmentKind::Break),
                // The name of a product or of a version: the sentence leans on it.
                _ => return Some(inline.context(at..close + 1, at + 1..close)),
            };
            Some(inline.mark(at..close + 1, shown))
        }
        b'(' if inline.scan.is_at(at, "((") => {
            // Terms of the index: three brackets hide them.
            let close = inline.scan.find("))", at)?;
            if inline.scan.is_at(at, "(((") {
                let end = close + inline.scan.name(close, |byte| byte == b')').len().min(3);
                return Some(inline.mark(at..end, None));
            }
            Some(inline.around(at..at + 2, close..close + 2))
        }
        b'&' => inline.entity(at),
        b'a'..=b'z' | b'A'..=b'Z' => {
            let before = inline.scan.char_before(at);
            if inline.scan.is_at(at, "footnote:") {
                return inline_macro(inline, at);
            }
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                return None;
            }
            address(inline, at).or_else(|| inline_macro(inline, at))
        }
        _ => None,
    });
}

/// Where a quoted text begins and ends that `mark` opens at `at`, and where its closing mark ends.
fn quoted(inline: &Inline<'_, '_, '_>, at: usize, mark: &str) -> Option<(usize, usize, usize)> {
    let double = mark.repeat(2);
    if inline.scan.is_at(at, &double) {
        // Anywhere in a word.
        let from = at + 2;
        let close = inline.scan.find(&double, from + 1)?;
        return Some((from, close, close + 2));
    }
    let before = inline.scan.char_before(at);
    let opens = before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '}' | ';' | ':')));
    if !opens || inline.scan.char_at(at + 1)?.is_whitespace() {
        return None;
    }
    let from = at + 1;
    let close = inline.scan.find_where(mark, from + 1, |place| {
        let before = inline.scan.char_before(place);
        let after = inline.scan.char_at(place + 1);
        before.is_some_and(|c| !c.is_whitespace())
            && after.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })?;
    Some((from, close, close + 1))
}

fn emphasis(inline: &mut Inline<'_, '_, '_>, at: usize, mark: &str) -> Option<usize> {
    let (from, close, end) = quoted(inline, at, mark)?;
    Some(inline.around(at..from, close..end))
}

/// What begins with a bracket: an anchor, the role of a text that is quoted behind it.
fn bracket(inline: &mut Inline<'_, '_, '_>, at: usize) -> Option<usize> {
    if inline.scan.is_at(at, "[[") {
        let close = inline.scan.find("]]", at)?;
        let inside = inline.scan.slice(at..close);
        return (!inside.contains('\n')).then(|| inline.mark(at..close + 2, None));
    }
    let close = inline.scan.find("]", at)?;
    let inside = inline.scan.slice(at + 1..close);
    let is_role =
        inside.starts_with(['.', '#', '%']) || matches!(inside, "underline" | "line-through");
    let is_quoted = matches!(inline.scan.byte(close + 1), Some(b'#' | b'*' | b'_' | b'`'));
    (is_role && is_quoted).then(|| inline.mark(at..close + 1, None))
}

/// An address, with or without a text in brackets.
fn address(inline: &mut Inline<'_, '_, '_>, at: usize) -> Option<usize> {
    let scheme = SCHEMES
        .iter()
        .find(|scheme| inline.scan.is_at(at, scheme))?;
    let is_address =
        |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'[' | b']' | b'<' | b'>');
    let len = inline.scan.name(at, is_address).len();
    if len <= scheme.len() {
        return None;
    }
    let end = at + len;
    if inline.scan.byte(end) != Some(b'[') {
        // One without a text is found where all addresses are.
        return Some(end);
    }
    bracketed(inline, at, end)
}

/// A macro in a line: `link:target[text]`.
fn inline_macro(inline: &mut Inline<'_, '_, '_>, at: usize) -> Option<usize> {
    let name = inline
        .scan
        .name(at, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let colon = at + name.len();
    if inline.scan.byte(colon) != Some(b':') || name.len() > 32 {
        return None;
    }
    let is_target = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'[' | b']');
    let target = inline.scan.name(colon + 1, is_target);
    let open = colon + 1 + target.len();
    if inline.scan.byte(open) != Some(b'[') || target.len() > LONGEST_TARGET {
        return None;
    }
    let end = inline.scan.closing(open, b'[', b']')?;
    if name.starts_with("footnote") {
        return Some(inline.apart(at..open + 1, end - 1..end));
    }
    if CONTEXT_MACROS.contains(&name) {
        return Some(inline.context(at..end, open + 1..end - 1));
    }
    if PROSE_MACROS.contains(&name) {
        return bracketed(inline, at, open);
    }
    // An image, or a macro that is not known.
    let is_known = matches!(
        name,
        "image" | "indexterm" | "indexterm2" | "audio" | "video" | "cite"
    );
    (is_known || !target.is_empty()).then(|| inline.mark(at..end, Some(SegmentKind::Break)))
}

/// The text in brackets of a link that begins at `at`, whose bracket is at `open`.
fn bracketed(inline: &mut Inline<'_, '_, '_>, at: usize, open: usize) -> Option<usize> {
    let end = inline.scan.closing(open, b'[', b']')?;
    let inside = inline.scan.slice(open + 1..end - 1);
    // Attributes of the link stand behind its text; a caret opens it in a window of its own.
    let mut len = inside
        .find(",role=")
        .or_else(|| inside.find(",window="))
        .unwrap_or(inside.len());
    if inside.get(..len).is_some_and(|text| text.ends_with('^')) {
        len -= 1;
    }
    if inside.get(..len).unwrap_or_default().trim().is_empty() {
        return Some(inline.mark(at..end, Some(SegmentKind::Break)));
    }
    Some(inline.around(at..open + 1, open + 1 + len..end))
}
