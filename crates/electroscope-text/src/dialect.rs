//! The marks that dialects of Markdown add to CommonMark, none of which is prose.
//!
//! Jekyll's and Hugo's tags, attribute lists, divs, LaTeX, citations, comments, title blocks and
//! front matter, and in MDX also modules, elements and expressions. They are found before the parser
//! of CommonMark runs, which gets a text of the same length in which they cannot be taken for
//! Markdown: a mark that has its lines for itself becomes blank lines, one inside a line becomes a
//! word. Code and display math are passed over.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

use super::Span;

/// A text as the parser is to see it.
pub(super) struct View<'a> {
    /// As long as the text, byte for byte.
    pub(super) source: Cow<'a, str>,
    /// What is not prose in it, in order and without overlap.
    pub(super) hidden: Vec<Hidden>,
}

/// A mark that the reader does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hidden {
    pub(super) span: Span,
    /// Whether the text goes on over it without a space, as over an element's tag.
    pub(super) joins: bool,
}

/// How the parser sees a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fill {
    /// As white space.
    Blank,
    /// As a word.
    Word,
    /// As it is, but for the spaces in it: a link's target, which CommonMark allows none.
    Target,
}

#[derive(Clone, Copy, Debug)]
struct DialectMark {
    span: Span,
    fill: Fill,
    joins: bool,
}

/// Finds the marks in `text`, with those of MDX if `is_mdx`.
pub(super) fn view(text: &str, is_mdx: bool) -> View<'_> {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        is_mdx,
        marks: Vec::new(),
        line: Cell::default(),
        paragraph: Cell::default(),
        budget: Cell::new(SEARCHED * text.len()),
    };
    scanner.scan();
    let mut marks = scanner.marks;
    if marks.is_empty() {
        return View {
            source: text.into(),
            hidden: Vec::new(),
        };
    }
    marks.sort_by_key(|mark| mark.span);
    let mut source = String::with_capacity(text.len());
    let mut hidden: Vec<Hidden> = Vec::new();
    for DialectMark { span, fill, joins } in marks {
        // A mark inside another is part of it.
        let span = Span::new(span.start().max(source.len()), span.end());
        if span.is_empty() {
            continue;
        }
        source.push_str(text.get(source.len()..span.start()).unwrap_or_default());
        for byte in span.of(text).unwrap_or_default().bytes() {
            source.push(match (fill, byte) {
                (_, b'\n') => '\n',
                (_, b'\r') => '\r',
                (Fill::Blank, _) => ' ',
                (Fill::Target, 0x21..=0x7e) => char::from(byte),
                (Fill::Word | Fill::Target, _) => 'x',
            });
        }
        if fill != Fill::Target {
            hidden.push(Hidden { span, joins });
        }
    }
    source.push_str(text.get(source.len()..).unwrap_or_default());
    View {
        source: source.into(),
        hidden,
    }
}

/// Liquid tags and Hugo shortcodes whose content is not prose.
const VERBATIM: [&str; 5] = ["comment", "highlight", "raw", "mermaid", "math"];

/// LaTeX commands whose argument is prose.
const PROSE_COMMANDS: [&str; 17] = [
    "emph",
    "textbf",
    "textit",
    "textsc",
    "textsl",
    "textrm",
    "textsf",
    "underline",
    "text",
    "footnote",
    "chapter",
    "section",
    "subsection",
    "subsubsection",
    "paragraph",
    "title",
    "caption",
];

/// The longest target of a link, in bytes.
const LONGEST_TARGET: usize = 2 << 10;

/// What Quarto's references to figures, tables and so on begin with.
const CROSS_REFERENCES: [&str; 7] = ["fig-", "tbl-", "sec-", "eq-", "lst-", "thm-", "tip-"];

/// How often, on average, a byte may be looked at in search of what closes a mark. In a text that
/// opens many and closes none the search would else take the square of its length.
const SEARCHED: usize = 64;

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    is_mdx: bool,
    marks: Vec<DialectMark>,
    /// From where to where the line and the paragraph go that were asked for last.
    line: Cell<(usize, usize)>,
    paragraph: Cell<(usize, usize)>,
    /// How many more bytes may be searched.
    budget: Cell<usize>,
}

impl Scanner<'_> {
    fn scan(&mut self) {
        let mut at = self.opening();
        let mut fence: Option<Fence> = None;
        // In MDX modules stand apart from paragraphs.
        let mut after_blank = true;
        while at < self.bytes.len() {
            let end = self.line_end(at);
            let line = self.text.get(at..end).unwrap_or_default();
            if let Some(open) = fence {
                if open.is_closed_by(line) {
                    fence = None;
                }
                at = end;
                continue;
            }
            if let Some(open) = Fence::opened_by(line) {
                fence = Some(open);
                at = end;
                continue;
            }
            if let Some(next) = self.whole_lines(at, line, after_blank) {
                at = next;
                continue;
            }
            after_blank = line.trim().is_empty();
            at = self.inline(at, end);
        }
    }

    /// The byte after the line that `at` is in.
    fn line_end(&self, at: usize) -> usize {
        let (from, to) = self.line.get();
        if (from..to).contains(&at) {
            return to;
        }
        let rest = self.bytes.get(at..).unwrap_or_default();
        let newline = rest.iter().position(|&byte| byte == b'\n');
        let end = newline.map_or(self.bytes.len(), |newline| at + newline + 1);
        self.line.set((at, end));
        end
    }

    /// Where the paragraph that `at` is in ends: before the next blank line.
    fn paragraph_end(&self, at: usize) -> usize {
        let (from, to) = self.paragraph.get();
        if (from..to).contains(&at) {
            return to;
        }
        let mut end = self.line_end(at);
        while end < self.bytes.len() {
            let next = self.line_end(end);
            if self
                .text
                .get(end..next)
                .unwrap_or_default()
                .trim()
                .is_empty()
            {
                break;
            }
            end = next;
        }
        self.paragraph.set((at, end));
        end
    }

    /// Takes `bytes` from what may be searched; none if there is not so much left.
    fn spend(&self, bytes: usize) -> Option<()> {
        let left = self.budget.get().checked_sub(bytes);
        self.budget.set(left.unwrap_or(0));
        left.map(|_| ())
    }

    /// The first `wanted` from byte `at` on, before byte `end`.
    fn find(&self, wanted: &str, at: usize, end: usize) -> Option<usize> {
        self.spend(1)?;
        let searched = self.text.get(at..end)?;
        let found = searched.find(wanted);
        self.spend(found.unwrap_or(searched.len()))?;
        Some(at + found?)
    }

    fn is_at(&self, at: usize, wanted: &str) -> bool {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.starts_with(wanted.as_bytes())
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// Whether the character before `at` is a letter or a digit.
    fn follows_word(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        before
            .chars()
            .next_back()
            .is_some_and(char::is_alphanumeric)
    }

    /// Notes a mark. One that has its lines for itself parts the paragraphs around it.
    fn mark(&mut self, range: Range<usize>) {
        self.note(range, false);
    }

    /// Notes the tag of an element.
    fn tag(&mut self, range: Range<usize>) {
        self.note(range, true);
    }

    fn note(&mut self, range: Range<usize>, joins: bool) {
        let before = self.text.get(..range.start).unwrap_or_default();
        let after = self.text.get(range.end..).unwrap_or_default();
        let is_blank = |c: &char| c.is_whitespace() && *c != '\n';
        let before = before.chars().rev().find(|c| !is_blank(c));
        let after = after.chars().find(|c| !is_blank(c));
        let alone = [before, after].iter().all(|c| c.is_none_or(|c| c == '\n'));
        self.marks.push(DialectMark {
            span: range.into(),
            fill: if alone { Fill::Blank } else { Fill::Word },
            joins,
        });
    }

    /// Notes lines that are not prose.
    fn blank(&mut self, range: Range<usize>) -> usize {
        let end = range.end;
        self.marks.push(DialectMark {
            span: range.into(),
            fill: Fill::Blank,
            joins: false,
        });
        end
    }

    /// Notes front matter or a title block, and gives the byte after it.
    fn opening(&mut self) -> usize {
        let first = self.text.get(..self.line_end(0)).unwrap_or_default();
        let end = match first.trim_end() {
            line if is_rule_of_yaml(line, "---") => self.yaml_end(first.len()),
            line if line.starts_with('{') => self.json_end(),
            line if line.starts_with("% ") || line == "%" => Some(self.title_block_end()),
            _ => None,
        };
        end.map_or(0, |end| self.blank(0..end))
    }

    /// The end of YAML that begins at byte `from`, with the line that closes it.
    fn yaml_end(&self, from: usize) -> Option<usize> {
        let mut at = from;
        let mut is_first = true;
        while at < self.bytes.len() {
            let end = self.line_end(at);
            let line = self.text.get(at..end)?.trim_end();
            if is_rule_of_yaml(line, "---") || is_rule_of_yaml(line, "...") {
                return Some(end);
            }
            // A rule at the top of a text is followed by a blank line.
            if is_first && line.is_empty() {
                return None;
            }
            is_first = false;
            at = end;
        }
        None
    }

    /// The end of an object of JSON that the text begins with.
    fn json_end(&self) -> Option<usize> {
        let inside = self.text.get(1..)?.trim_start();
        if !inside.starts_with(['"', '}']) {
            return None;
        }
        let end = self.closing_brace(0)?;
        let line_end = self.line_end(end - 1);
        let rest = self.text.get(end..line_end)?;
        rest.trim().is_empty().then_some(line_end)
    }

    /// The end of pandoc's title, authors and date: up to three lines that begin with `%`, each with
    /// the lines that go on with white space.
    fn title_block_end(&self) -> usize {
        let mut at = 0;
        let mut fields = 0;
        while at < self.bytes.len() {
            let end = self.line_end(at);
            let line = self.text.get(at..end).unwrap_or_default();
            let begins_field = line.starts_with('%');
            let goes_on = line.starts_with([' ', '\t']) && !line.trim().is_empty();
            fields += usize::from(begins_field);
            if fields > 3 || !(begins_field || goes_on) {
                break;
            }
            at = end;
        }
        at
    }

    /// Notes a mark that takes whole lines, the first of which is `line` at byte `at`. Gives the byte
    /// after it.
    fn whole_lines(&mut self, at: usize, line: &str, after_blank: bool) -> Option<usize> {
        let end = at + line.len();
        if self.is_mdx && after_blank && begins_module(line) {
            let end = self.module_end(at);
            return Some(self.blank(at..end));
        }
        let body = line.trim_start_matches([' ', '\t', '>']);
        let start = at + (line.len() - body.len());
        let body = body.trim_end();
        // The opening and the end of a div or a container.
        if body.starts_with(":::") {
            return Some(self.blank(start..end));
        }
        // The opening of an admonition of MkDocs.
        let admonition = ["!!! ", "??? ", "???+ "];
        if admonition.iter().any(|opening| body.starts_with(opening)) {
            return Some(self.blank(start..end));
        }
        if body.eq_ignore_ascii_case("[toc]") || body.eq_ignore_ascii_case("[[_toc_]]") {
            return Some(self.blank(start..end));
        }
        // A comment of Obsidian may go over paragraphs if it begins a line.
        if body.starts_with("%%")
            && let Some(close) = self.find("%%", start + 2, self.bytes.len())
        {
            self.mark(start..close + 2);
            return Some(self.inline(close + 2, self.line_end(close)));
        }
        None
    }

    /// The end of the imports and exports that begin at `at`: the next blank line outside of braces.
    fn module_end(&self, at: usize) -> usize {
        let mut end = at;
        loop {
            end = self.paragraph_end(end);
            let code = self.text.get(at..end).unwrap_or_default();
            let count = |c: char| code.matches(c).count();
            let is_open = count('{') > count('}') || count('(') > count(')');
            if !is_open || end >= self.bytes.len() {
                return end;
            }
            // Past the blank lines.
            while end < self.bytes.len() {
                let next = self.line_end(end);
                if !self
                    .text
                    .get(end..next)
                    .unwrap_or_default()
                    .trim()
                    .is_empty()
                {
                    break;
                }
                end = next;
            }
        }
    }

    /// Goes over a line from `at` to `end`, or further where a mark does, and gives the beginning of
    /// the next.
    fn inline(&mut self, mut at: usize, mut end: usize) -> usize {
        while at < end {
            let Some(found) = self.bytes.get(at..end).and_then(|rest| {
                rest.iter().position(|byte| {
                    matches!(byte, b'`' | b'\\' | b'{' | b'%' | b'[' | b']' | b'@' | b'$')
                        || (*byte == b'<' && self.is_mdx)
                })
            }) else {
                break;
            };
            at += found;
            let next = match self.bytes[at] {
                b'`' => self.code_end(at),
                b'$' if self.is_at(at, "$$") => self
                    .find("$$", at + 2, self.bytes.len())
                    .map(|close| close + 2),
                b'\\' => self.backslash(at),
                b'{' => self.brace(at),
                b'%' if self.is_at(at, "%%") && !self.follows_word(at) => {
                    let close = self.find("%%", at + 2, self.paragraph_end(at));
                    close.map(|close| {
                        self.mark(at..close + 2);
                        close + 2
                    })
                }
                b'[' => self.bracket(at),
                b']' if self.byte(at + 1) == Some(b'(') => self.target(at),
                b'@' if !self.follows_word(at) => self.cross_reference(at),
                b'<' => self.element(at),
                _ => None,
            };
            at = next.unwrap_or(at + 1);
            if at > end {
                end = self.line_end(at - 1);
            }
        }
        end
    }

    /// The end of inline code; of a run of backticks that nothing closes, the end of the run.
    fn code_end(&self, at: usize) -> Option<usize> {
        let run = |from: usize| {
            let rest = self.bytes.get(from..).unwrap_or_default();
            rest.iter().take_while(|&&byte| byte == b'`').count()
        };
        let open = run(at);
        let end = self.paragraph_end(at);
        let mut from = at + open;
        while let Some(found) = self.find("`", from, end) {
            let close = run(found);
            if close == open {
                return Some(found + close);
            }
            from = found + close;
        }
        Some(at + open)
    }

    /// A command of LaTeX, with its arguments unless those are prose; or an escaped character.
    fn backslash(&mut self, at: usize) -> Option<usize> {
        let rest = self.text.get(at + 1..)?;
        let name_len = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let name = rest.get(..name_len)?;
        if name.is_empty() {
            let escaped = rest.chars().next()?;
            return Some(at + 1 + escaped.len_utf8());
        }
        let mut end = at + 1 + name_len;
        if name == "begin" && self.byte(end) == Some(b'{') {
            let close = self.find("}", end, self.line_end(end))?;
            let environment = self.text.get(end + 1..close)?;
            let closing = format!("\\end{{{environment}}}");
            let close = self.find(&closing, close, self.bytes.len())? + closing.len();
            self.mark(at..close);
            return Some(close);
        }
        if self.byte(end) == Some(b'*') {
            end += 1;
        }
        let limit = self.paragraph_end(at);
        while self.byte(end) == Some(b'[') {
            match self.find("]", end, limit) {
                Some(close) => end = close + 1,
                None => break,
            }
        }
        if PROSE_COMMANDS.contains(&name) && self.byte(end) == Some(b'{') {
            let close = self.closing_brace(end).filter(|&close| close <= limit)?;
            self.tag(at..end + 1);
            self.tag(close - 1..close);
            return Some(end + 1);
        }
        while self.byte(end) == Some(b'{') {
            match self.closing_brace(end).filter(|&close| close <= limit) {
                Some(close) => end = close,
                None => break,
            }
        }
        self.mark(at..end);
        Some(end)
    }

    /// A shortcode, a tag or an expression of a template, a list of attributes; in MDX any
    /// expression.
    fn brace(&mut self, at: usize) -> Option<usize> {
        let limit = self.paragraph_end(at);
        for (open, close) in [("{{<", ">}}"), ("{{%", "%}}"), ("{{", "}}"), ("{%", "%}")] {
            if !self.is_at(at, open) {
                continue;
            }
            let Some(found) = self.find(close, at + open.len(), limit) else {
                break;
            };
            let inside = self.text.get(at + open.len()..found)?;
            let name = inside
                .trim_start_matches(['-', '%', ' '])
                .split_ascii_whitespace()
                .next()
                .unwrap_or_default();
            let mut end = found + close.len();
            if open != "{{" && VERBATIM.contains(&name) {
                end = self.verbatim_end(name, open, close, end).unwrap_or(end);
            }
            self.mark(at..end);
            return Some(end);
        }
        if self.is_mdx {
            let end = self.closing_brace(at)?;
            self.mark(at..end);
            return Some(end);
        }
        let close = self.find("}", at, self.line_end(at))?;
        let inside = self.text.get(at + 1..close)?;
        let mut start = inside.chars();
        let is_attribute = match (start.next(), start.next()) {
            (Some(':'), _) | (Some('#'), Some(' ')) => true,
            (Some('#' | '.' | '='), Some(next)) => next.is_alphabetic() || next == '_',
            (Some('-'), None) => true,
            _ => {
                let before = at.checked_sub(1).and_then(|before| self.byte(before));
                matches!(before, Some(b']' | b')' | b'`')) && inside.contains(['=', '.', '#'])
            }
        };
        if !is_attribute || inside.contains('{') {
            return None;
        }
        self.mark(at..close + 1);
        Some(close + 1)
    }

    /// The end of the tag that closes the tag or shortcode `name`.
    fn verbatim_end(&self, name: &str, open: &str, close: &str, from: usize) -> Option<usize> {
        let closing = match open {
            "{%" => format!("end{name}"),
            _ => format!("/{name}"),
        };
        let mut at = from;
        loop {
            let found = self.find(open, at, self.bytes.len())?;
            let end = self.find(close, found, self.bytes.len())?;
            let inside = self.text.get(found + open.len()..end)?;
            let inside = inside.trim_matches(['-', ' ']);
            if inside.replace("/ ", "/") == closing {
                return Some(end + close.len());
            }
            at = found + open.len();
        }
    }

    /// The byte after the brace that closes the one at `at`. Braces in quotes and in comments of
    /// JavaScript do not count, unless nothing closes the quotes.
    fn closing_brace(&self, at: usize) -> Option<usize> {
        let mut depth = 0usize;
        let mut next = at;
        while let Some(byte) = self.byte(next) {
            self.spend(1)?;
            match byte {
                b'{' => depth += 1,
                b'}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(next + 1);
                    }
                }
                b'/' if self.is_at(next, "/*") => {
                    next = self.find("*/", next + 2, self.bytes.len())? + 1;
                }
                b'"' | b'`' => {
                    let quote = if byte == b'"' { "\"" } else { "`" };
                    let end = match byte {
                        b'"' => self.line_end(next),
                        _ => self.bytes.len(),
                    };
                    let mut close = self.find(quote, next + 1, end);
                    while let Some(found) = close
                        && self.byte(found - 1) == Some(b'\\')
                    {
                        close = self.find(quote, found + 1, end);
                    }
                    next = close.unwrap_or(next);
                }
                _ => {}
            }
            next += 1;
        }
        None
    }

    /// A citation, or the kind of a callout.
    fn bracket(&mut self, at: usize) -> Option<usize> {
        let limit = self.paragraph_end(at);
        let close = self.find("]", at, limit)?;
        let inside = self.text.get(at + 1..close)?;
        if let Some(kind) = inside.strip_prefix('!') {
            let before = self.text.get(..at)?.trim_end_matches([' ', '\t']);
            let in_quote = before.ends_with('>');
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '|' | ' ');
            if in_quote && !kind.is_empty() && kind.chars().all(is_word) {
                let folds = matches!(self.byte(close + 1), Some(b'+' | b'-'));
                let end = close + 1 + usize::from(folds);
                self.mark(at..end);
                return Some(end);
            }
        }
        let is_link = matches!(self.byte(close + 1), Some(b'(' | b'[' | b':'));
        let cites = inside.match_indices('@').any(|(key, _)| {
            let (before, after) = (inside.get(..key), inside.get(key + 1..));
            let before = before.unwrap_or_default();
            let begins = before.is_empty() || before.ends_with([' ', '-', ';', '\n']);
            begins
                && after
                    .is_some_and(|key| key.starts_with(|c: char| c.is_alphanumeric() || c == '{'))
        });
        if is_link || !cites || inside.contains('[') {
            return None;
        }
        self.mark(at..close + 1);
        Some(close + 1)
    }

    /// The target of a link, whose opening `](` is at `at`.
    fn target(&mut self, at: usize) -> Option<usize> {
        let start = at + 2;
        // Wherever it ends, it is not as long as a paragraph.
        let limit = self.line_end(at).min(start + LONGEST_TARGET);
        let mut depth = 0usize;
        let inside = self.text.get(start..self.text.floor_char_boundary(limit))?;
        let close = inside.char_indices().find(|&(_, c)| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth > 0 => {
                depth -= 1;
                false
            }
            ')' => true,
            _ => false,
        });
        let (len, _) = close?;
        let inside = inside.get(..len)?;
        let target = inside.trim();
        // Its title, if it has one, stays what it is.
        let title = [(" \"", '"'), (" '", '\''), (" (", ')')]
            .into_iter()
            .filter(|&(_, close)| target.ends_with(close))
            .find_map(|(open, _)| target.find(open));
        let target = target.get(..title.unwrap_or(target.len()))?.trim_end();
        if target.contains(' ') && !target.starts_with('<') {
            let start = start + (inside.len() - inside.trim_start().len());
            self.marks.push(DialectMark {
                span: Span::new(start, start + target.len()),
                fill: Fill::Target,
                joins: false,
            });
        }
        Some(start + len + 1)
    }

    /// A reference to a figure, a table or the like.
    fn cross_reference(&mut self, at: usize) -> Option<usize> {
        let rest = self.text.get(at + 1..)?;
        if !CROSS_REFERENCES.iter().any(|kind| rest.starts_with(kind)) {
            return None;
        }
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        self.mark(at..at + 1 + len);
        Some(at + 1 + len)
    }

    /// The tag of an element of JSX.
    fn element(&mut self, at: usize) -> Option<usize> {
        let first = self.byte(at + 1)?;
        if !(first.is_ascii_alphabetic() || matches!(first, b'/' | b'>')) {
            return None;
        }
        let mut next = at + 1;
        loop {
            self.spend(1)?;
            next = match self.byte(next)? {
                b'>' => break,
                b'{' => self.closing_brace(next)?,
                quote @ (b'"' | b'\'') => {
                    let quote = if quote == b'"' { "\"" } else { "'" };
                    self.find(quote, next + 1, self.bytes.len())? + 1
                }
                _ => next + 1,
            }
        }
        self.tag(at..next + 1);
        Some(next + 1)
    }
}

/// Whether a line is the rule that begins or ends YAML, with a comment or without.
fn is_rule_of_yaml(line: &str, rule: &str) -> bool {
    line.strip_prefix(rule).is_some_and(|rest| {
        let comment = rest.trim_start();
        comment.is_empty() || (rest.starts_with([' ', '\t']) && comment.starts_with('#'))
    })
}

/// Whether a line begins an import or an export of MDX.
fn begins_module(line: &str) -> bool {
    if let Some(rest) = line.strip_prefix("import ") {
        return rest.starts_with(['"', '\'', '{', '*'])
            || rest.contains(" from ")
            || rest.contains(',');
    }
    line.strip_prefix("export ").is_some_and(|rest| {
        let word = rest.split_ascii_whitespace().next().unwrap_or_default();
        rest.starts_with(['{', '*'])
            || [
                "default", "const", "let", "var", "function", "class", "async",
            ]
            .contains(&word)
    })
}

/// An open fence of code.
#[derive(Clone, Copy, Debug)]
struct Fence {
    mark: char,
    len: usize,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Fence> {
        let mut body = line.trim_start_matches([' ', '\t', '>']);
        // In a list the fence may follow the marker.
        let marker = body.trim_start_matches(|c: char| c.is_ascii_digit());
        if let Some(rest) = marker.strip_prefix(['-', '*', '+', '.', ')'])
            && rest.starts_with([' ', '\t'])
        {
            body = rest.trim_start();
        }
        let mark = body.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = body.trim_start_matches(mark);
        let len = body.len() - info.len();
        (len >= 3 && !(mark == '`' && info.contains('`'))).then_some(Fence { mark, len })
    }

    fn is_closed_by(self, line: &str) -> bool {
        let body = line.trim_start_matches([' ', '\t', '>']).trim_end();
        body.len() >= self.len && body.chars().all(|c| c == self.mark)
    }
}
