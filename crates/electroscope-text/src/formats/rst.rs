//! reStructuredText, with the directives and roles of docutils and Sphinx.
//!
//! A reader of lines: what a line is follows from its indentation, from what it begins with and from the
//! lines before it, so nothing has to be nested here.

use super::Parsed;
use super::excerpt::Excerpt;
use super::inline::{Inline, Line, lines};
use crate::comments::Comment;
use crate::prose::Collector;
use crate::{SegmentKind, Span};

/// Directives whose argument is prose, as is what stands below them.
const PROSE_ARGUMENT: [&str; 34] = [
    "admonition",
    "attention",
    "caution",
    "centered",
    "card",
    "danger",
    "deprecated",
    "details",
    "dropdown",
    "epigraph",
    "error",
    "grid-item-card",
    "highlights",
    "hint",
    "important",
    "list-table",
    "note",
    "pull-quote",
    "rst-class-note",
    "rubric",
    "seealso",
    "sidebar",
    "tab-item",
    "table",
    "tip",
    "todo",
    "topic",
    "tab",
    "versionadded",
    "versionchanged",
    "versionremoved",
    "warning",
    "compound",
    "replace",
];

/// Directives below which there is no prose.
const LITERAL: [&str; 44] = [
    "actdiag",
    "asciinema",
    "blockdiag",
    "bibliography",
    "class-diagram",
    "code",
    "code-block",
    "contents",
    "csv-table",
    "currentmodule",
    "default-role",
    "digraph",
    "doctest",
    "eval-rst",
    "exec",
    "graph",
    "graphviz",
    "highlight",
    "image",
    "include",
    "index",
    "inheritance-diagram",
    "ipython",
    "jinja",
    "jupyter-execute",
    "literalinclude",
    "math",
    "mermaid",
    "meta",
    "module",
    "nbplot",
    "parsed-literal",
    "plot",
    "productionlist",
    "program-output",
    "prompt",
    "raw",
    "role",
    "sourcecode",
    "tabularcolumns",
    "testcode",
    "testoutput",
    "testsetup",
    "toctree",
];

/// Roles whose text is prose.
const PROSE_ROLES: [&str; 16] = [
    "abbr",
    "dfn",
    "emphasis",
    "guilabel",
    "strong",
    "sub",
    "subscript",
    "sup",
    "superscript",
    "t",
    "term",
    "title",
    "title-reference",
    "menuselection-text",
    "underline",
    "del",
];

/// Roles of links to places in the documentation, whose text is prose if they have one of their own.
const TITLED_ROLES: [&str; 8] = [
    "any", "doc", "download", "external", "issue", "numref", "pep", "ref",
];

/// Fields whose body is no prose.
const FIELDS_WITHOUT_PROSE: [&str; 12] = [
    "type",
    "rtype",
    "vartype",
    "orphan",
    "tocdepth",
    "nosearch",
    "nocomments",
    "class",
    "name",
    "meta",
    "no-index",
    "noindex",
];

/// The longest text of a role or a link, in bytes.
const LONGEST_INLINE: usize = 4 << 10;

/// Reads reStructuredText.
pub(super) fn read(text: &str) -> Parsed {
    Rst::new(text, true).parsed()
}

/// Reads a docstring, which has neither title nor fields of a document.
pub(super) fn read_docstring(text: &str) -> Parsed {
    Rst::new(text, false).parsed()
}

struct Rst<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    /// The number of the line that is read next.
    next: usize,
    out: Collector<'a>,
    comments: Vec<Comment>,
    paragraph: Excerpt,
    /// The column that the paragraph is in.
    column: usize,
    /// The column of the paragraph that said that a literal block follows it.
    literal_after: Option<usize>,
    /// Whether fields here are those of the document: its author, its date.
    in_docinfo: bool,
}

impl<'a> Rst<'a> {
    fn new(text: &'a str, is_document: bool) -> Rst<'a> {
        Rst {
            text,
            lines: lines(text),
            next: 0,
            out: Collector::new(text),
            comments: Vec::new(),
            paragraph: Excerpt::default(),
            column: 0,
            literal_after: None,
            in_docinfo: is_document,
        }
    }

    fn parsed(mut self) -> Parsed {
        while let Some(&line) = self.lines.get(self.next) {
            self.next += 1;
            self.line(line);
        }
        self.end_paragraph();
        Parsed {
            blocks: self.out.blocks,
            comments: self.comments,
        }
    }

    fn line(&mut self, line: Line<'a>) {
        if line.is_blank() {
            return self.end_paragraph();
        }
        let column = line.indent();
        let body = line.body();
        if !self.paragraph.is_empty() {
            if column == self.column {
                if is_adornment(body.text) && self.paragraph.part_count() == 1 {
                    return self.end_title();
                }
                return self.paragraph.push_line(self.text, body.span());
            }
            // The term of a definition may say what kind of a thing it is.
            if column > self.column && self.paragraph.part_count() == 1 {
                if self.paragraph.text().contains(" : ") {
                    self.paragraph.clear();
                }
                self.in_docinfo = false;
            }
            self.end_paragraph();
        }
        if let Some(base) = self.literal_after.take() {
            let is_quoted = |line: &Line<'_>| {
                line.indent() == base
                    && line
                        .body()
                        .text
                        .starts_with(|c: char| c.is_ascii_punctuation())
            };
            if column > base {
                return self.skip_below(base);
            }
            if is_quoted(&line) {
                while self.lines.get(self.next).is_some_and(is_quoted) {
                    self.next += 1;
                }
                return;
            }
        }
        self.element(body, column);
    }

    /// Goes past the lines that are blank or stand to the right of column `base`.
    fn skip_below(&mut self, base: usize) {
        while let Some(line) = self.lines.get(self.next)
            && (line.is_blank() || line.indent() > base)
        {
            self.next += 1;
        }
    }

    /// The column that the next line begins in, if it stands to the right of `base`; else of what
    /// stands on the line itself.
    fn column_below(&self, base: usize, here: usize) -> usize {
        match self.lines.get(self.next) {
            Some(next) if !next.is_blank() && next.indent() > base => next.indent(),
            _ => here,
        }
    }

    /// Takes in `body`, with which an element of the text begins in `column`.
    fn element(&mut self, mut body: Line<'a>, mut column: usize) {
        let first = column;
        /// How many markers of lists, fields and options one line may begin with.
        const MOST_MARKERS: usize = 16;
        for _ in 0..MOST_MARKERS {
            let text = body.text;
            if text.is_empty() {
                return;
            }
            if is_table_border(text) && self.simple_table(body) {
                return;
            }
            if is_adornment(text) {
                return;
            }
            if text.starts_with("+-") && text.ends_with('+') {
                return self.grid_table(column);
            }
            if text == ".." || text.starts_with(".. ") {
                return self.explicit(body, first, column);
            }
            if text.starts_with("__ ") {
                // An anonymous target.
                return;
            }
            if text.starts_with(">>>") {
                // A doctest goes up to the next blank line.
                while self
                    .lines
                    .get(self.next)
                    .is_some_and(|line| !line.is_blank())
                {
                    self.next += 1;
                }
                return;
            }
            if let Some(len) = field_name(text) {
                let name = text.get(1..len - 1).unwrap_or_default();
                let word = name.split_whitespace().next().unwrap_or_default();
                let is_prose = !self.in_docinfo && !FIELDS_WITHOUT_PROSE.contains(&word);
                if !is_prose {
                    return self.skip_below(column);
                }
                body = body.after(len).body();
                column = self.column_below(column, column + len);
                continue;
            }
            if let Some(len) = option_list(text) {
                body = body.after(len).body();
                column = self.column_below(column, column + len);
                continue;
            }
            if text == "|" || text.starts_with("| ") {
                return self.line_block(body, column);
            }
            let Some(len) = list_marker(text) else {
                break;
            };
            let rest = body.after(len).body();
            column += text.len() - rest.text.len();
            body = rest;
        }
        self.column = column;
        self.paragraph.push_line(self.text, body.span());
    }

    /// Ends the paragraph, which was the title of a section.
    fn end_title(&mut self) {
        let in_docinfo = self.in_docinfo;
        self.end_paragraph();
        self.in_docinfo = in_docinfo;
    }

    fn end_paragraph(&mut self) {
        if self.paragraph.is_empty() {
            return;
        }
        self.in_docinfo = false;
        let text = self.paragraph.text().trim_end();
        if let Some(before) = text.strip_suffix("::") {
            self.literal_after = Some(self.column);
            // The reader sees one colon, if there is text.
            let len = match before.trim_end() {
                "" => 0,
                shown if shown.len() < before.len() => shown.len(),
                _ => before.len() + 1,
            };
            self.paragraph.truncate(len);
        }
        let paragraph = std::mem::take(&mut self.paragraph);
        inline(&paragraph, &mut self.out);
        self.out.close();
        self.paragraph = paragraph;
        self.paragraph.clear();
    }

    /// A block of its own, of a part of one line.
    fn cell(&mut self, span: Span) {
        let mut cell = Excerpt::default();
        cell.push(self.text, span);
        inline(&cell, &mut self.out);
        self.out.close();
        self.in_docinfo = false;
    }

    /// Lines that begin with `|`, whose ends are those of the source.
    fn line_block(&mut self, body: Line<'a>, column: usize) {
        let mut block = Excerpt::default();
        block.push_line(self.text, body.after(1).body().span());
        while let Some(line) = self.lines.get(self.next) {
            let body = line.body();
            if line.indent() != column || !(body.text == "|" || body.text.starts_with("| ")) {
                break;
            }
            block.push_line(self.text, body.after(1).body().span());
            self.next += 1;
        }
        inline(&block, &mut self.out);
        self.out.close();
    }

    /// A table whose columns are marked by lines of `=`; says whether it is one.
    fn simple_table(&mut self, border: Line<'a>) -> bool {
        // It ends with a border that a blank line follows, the header's apart.
        let mut end = None;
        let mut borders = 1;
        for (number, line) in self.lines.iter().enumerate().skip(self.next) {
            let body = line.body();
            if is_table_border(body.text) && body.text.starts_with('=') {
                borders += 1;
                let is_last = self.lines.get(number + 1).is_none_or(Line::is_blank);
                end = Some(number);
                if is_last || borders == 3 {
                    break;
                }
            } else if line.is_blank() && self.lines.get(number + 1).is_none_or(Line::is_blank) {
                break;
            }
        }
        let Some(end) = end else {
            return false;
        };
        let line_start = |line: &Line<'_>| {
            let before = self.text.get(..line.start).unwrap_or_default();
            before.rfind('\n').map_or(0, |at| at + 1)
        };
        let shift = border.start - line_start(&border);
        // Where columns begin, in characters of the line.
        let mut columns = Vec::new();
        let mut before = ' ';
        for (at, c) in border.text.chars().enumerate() {
            if before == ' ' && c != ' ' {
                columns.push(shift + at);
            }
            before = c;
        }
        let rows: Vec<Line<'a>> = (self.lines.get(self.next..end).unwrap_or_default())
            .iter()
            .filter(|line| !line.is_blank() && !is_table_border(line.body().text))
            .copied()
            .collect();
        for row in rows {
            let place = |column: usize| {
                let mut chars = row.text.char_indices();
                row.start + chars.nth(column).map_or(row.text.len(), |(at, _)| at)
            };
            for (number, &column) in columns.iter().enumerate() {
                let from = if number == 0 {
                    row.start
                } else {
                    place(column)
                };
                let next = columns.get(number + 1);
                let to = next.map_or(row.end(), |&next| place(next));
                self.cell(Span::new(from, to));
            }
        }
        self.next = end + 1;
        true
    }

    /// A table drawn with `+`, `-` and `|`.
    fn grid_table(&mut self, column: usize) {
        while let Some(&line) = self.lines.get(self.next) {
            let body = line.body();
            if line.indent() != column || !body.text.starts_with(['+', '|']) {
                break;
            }
            self.next += 1;
            if body.text.starts_with('+') {
                continue;
            }
            let mut start = body.start;
            for cell in body.text.split('|') {
                // A border between rows that some columns span.
                if !cell.contains("--") {
                    self.cell(Span::new(start, start + cell.len()));
                }
                start += cell.len() + 1;
            }
        }
    }

    /// What begins with `..`: a directive, a target, a footnote, or a comment. It goes on over the lines
    /// to the right of `base`.
    fn explicit(&mut self, body: Line<'a>, base: usize, column: usize) {
        let rest = body.after(2).body();
        let text = rest.text;
        if text.starts_with('_') && text.contains(':') {
            return self.skip_below(base);
        }
        if text.starts_with('[')
            && let Some(close) = text.find("] ")
            && !text.get(1..close).unwrap_or_default().contains(' ')
        {
            let note = rest.after(close + 1).body();
            self.column = self.column_below(base, column + 3);
            return self.paragraph.push_line(self.text, note.span());
        }
        // The directive of a substitution (`|name| image:: a.png`) stands behind its name.
        let mut directive = rest;
        let mut is_substitution = false;
        if let Some(inside) = text.strip_prefix('|')
            && let Some(close) = inside.find("| ")
        {
            directive = rest.after(close + 2).body();
            is_substitution = true;
        }
        let name_len = directive.text.find("::").filter(|&len| {
            let name = directive.text.get(..len).unwrap_or_default();
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '+' | '.' | ':');
            let after = directive.text.get(len + 2..).unwrap_or_default();
            len > 0 && name.chars().all(is_name) && (after.is_empty() || after.starts_with(' '))
        });
        let Some(len) = name_len else {
            return self.comment(body, base);
        };
        let name = directive
            .text
            .get(..len)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let argument = directive.after(len + 2).body();
        self.directive(&name, argument, base, is_substitution);
    }

    fn directive(&mut self, name: &str, argument: Line<'a>, base: usize, is_substitution: bool) {
        if is_substitution && name != "replace" {
            return self.skip_below(base);
        }
        let is_literal = LITERAL.contains(&name)
            || name.starts_with("auto")
            || ["code", "literal", "diagram", "console"]
                .iter()
                .any(|part| name.contains(part));
        if is_literal {
            return self.skip_below(base);
        }
        self.in_docinfo = false;
        if !PROSE_ARGUMENT.contains(&name) {
            // The argument may go on in lines below.
            while let Some(line) = self.lines.get(self.next)
                && !line.is_blank()
                && line.indent() > base
                && (is_option(line.body().text) || name.contains(':'))
            {
                self.next += 1;
            }
            return;
        }
        let mut argument = argument;
        // The number of a version stands before what changed in it.
        if name.starts_with("version") || name == "deprecated" {
            let number = argument.text.find(' ').unwrap_or(argument.text.len());
            argument = argument.after(number).body();
        }
        self.column = self.column_below(base, base + 3);
        let has_options = |line: &Line<'_>| line.indent() > base && is_option(line.body().text);
        self.paragraph.push_line(self.text, argument.span());
        if self.lines.get(self.next).is_some_and(has_options) {
            self.end_paragraph();
            while self.lines.get(self.next).is_some_and(has_options) {
                let column = self.lines.get(self.next).map_or(0, Line::indent);
                self.next += 1;
                while let Some(line) = self.lines.get(self.next)
                    && !line.is_blank()
                    && line.indent() > column
                {
                    self.next += 1;
                }
            }
        }
    }

    /// A comment, with the lines to the right of `base` if text stands on its own line or on the next.
    fn comment(&mut self, body: Line<'a>, base: usize) {
        let mut last = body;
        let is_empty = body.text == "..";
        if !(is_empty && self.lines.get(self.next).is_none_or(Line::is_blank)) {
            let first = self.next;
            self.skip_below(base);
            let inside = self.lines.get(first..self.next).unwrap_or_default();
            if let Some(&line) = inside.iter().rev().find(|line| !line.is_blank()) {
                last = line;
            }
        }
        self.comments.push(Comment {
            span: Span::new(body.start, last.end()),
            body: Span::new((body.start + 2).min(last.end()), last.end()),
        });
    }
}

/// Whether a line underlines or overlines a title, or parts sections.
fn is_adornment(text: &str) -> bool {
    let Some(first) = text.chars().next().filter(char::is_ascii_punctuation) else {
        return false;
    };
    text.len() >= 3 && text.chars().all(|c| c == first)
}

/// Whether a line marks the columns of a simple table.
fn is_table_border(text: &str) -> bool {
    text.starts_with(['=', '-'])
        && text.contains(' ')
        && text.len() >= 5
        && text.chars().all(|c| matches!(c, '=' | '-' | ' '))
        && !text.starts_with("- ")
}

/// The length of the name of a field with its colons, if a line begins with one.
fn field_name(text: &str) -> Option<usize> {
    let inside = text.strip_prefix(':')?;
    let len = inside.find(':')?;
    let name = inside.get(..len)?;
    let after = inside.get(len + 1..)?;
    let is_field = !name.is_empty()
        && !name.starts_with(' ')
        && !name.contains('`')
        && (after.is_empty() || after.starts_with(' '));
    is_field.then_some(len + 2)
}

/// Whether a line below a directive is an option of it.
fn is_option(text: &str) -> bool {
    field_name(text).is_some_and(|len| {
        let name = text.get(1..len - 1).unwrap_or_default();
        !name.contains(' ')
    })
}

/// The length of an option of a command, with the white space behind it, if that begins a line.
fn option_list(text: &str) -> Option<usize> {
    let dash = text.strip_prefix(['-', '/'])?;
    if !dash.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-') {
        return None;
    }
    let end = text.find("  ")?;
    let options = text.get(..end)?;
    let is_option = |option: &str| {
        let mut words = option.trim().split([' ', '=']);
        let first = words.next().unwrap_or_default();
        (first.starts_with('-') || first.starts_with('/')) && words.count() <= 1
    };
    options.split(", ").all(is_option).then_some(end)
}

/// The length of the marker of a list that a line begins with.
fn list_marker(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if matches!(first, '-' | '*' | '+' | '•' | '‣' | '⁃') {
        let after = text.get(first.len_utf8()..)?;
        return (after.is_empty() || after.starts_with(' ')).then_some(first.len_utf8());
    }
    let inside = text.strip_prefix('(');
    let number = inside.unwrap_or(text);
    let is_count = |c: char| c.is_ascii_alphanumeric() || c == '#';
    let len = number.find(|c| !is_count(c))?;
    let count = number.get(..len)?;
    let is_number = count == "#"
        || count.chars().all(|c| c.is_ascii_digit())
        || count.len() == 1
        || count.chars().all(|c| "ivxlcdm".contains(c))
        || count.chars().all(|c| "IVXLCDM".contains(c));
    let after = number.get(len..)?;
    let closing = if inside.is_some() {
        &[')'][..]
    } else {
        &['.', ')'][..]
    };
    let after = after.strip_prefix(closing)?;
    let marker = text.len() - after.len();
    (count.len() <= 6 && !count.is_empty() && is_number && after.starts_with(' ')).then_some(marker)
}

/// What stands in a paragraph.
fn inline(paragraph: &Excerpt, out: &mut Collector<'_>) {
    Inline::run(paragraph, out, |inline, at| match inline.scan.byte(at)? {
        b'\\' => {
            // An escaped space is nothing, any other character is itself.
            let escaped = inline.scan.char_at(at + 1)?;
            let is_space = escaped.is_whitespace();
            let end = at + 1 + escaped.len_utf8();
            inline.mark(at..if is_space { end } else { at + 1 }, None);
            Some(end)
        }
        b'`' => backquotes(inline, at, None),
        b':' => {
            let name = role_name(inline.scan.rest(at))?;
            backquotes(inline, at + name.len() + 2, Some((at, name)))
        }
        b'*' => {
            let marker = if inline.scan.is_at(at, "**") {
                "**"
            } else {
                "*"
            };
            if !opens(inline, at, marker.len()) {
                return Some(at + marker.len());
            }
            let from = at + marker.len();
            let close = inline.scan.find_where(marker, from + 1, |place| {
                closes(inline, place, marker.len())
            })?;
            Some(inline.around(at..from, close..close + marker.len()))
        }
        b'|' => {
            if !opens(inline, at, 1) {
                return None;
            }
            let close = inline.scan.find("|", at + 1)?;
            let inside = inline.scan.slice(at + 1..close);
            if inside.contains('\n') || inside.ends_with(' ') || inside.is_empty() {
                return None;
            }
            let marks = inline.scan.name(close + 1, |byte| byte == b'_').len();
            Some(inline.context(at..close + 1 + marks, at + 1..close))
        }
        b'[' => {
            let close = inline.scan.find_before("]", at, inline.scan.text.len())?;
            let label = inline.scan.slice(at + 1..close);
            let is_reference = inline.scan.is_at(close, "]_")
                && !label.is_empty()
                && !label.contains(char::is_whitespace);
            is_reference.then(|| inline.mark(at..close + 2, None))
        }
        b'_' if inline.scan.is_at(at, "_`") && opens(inline, at, 2) => {
            let close = inline.scan.find("`", at + 2)?;
            Some(inline.around(at..at + 2, close..close + 1))
        }
        b'_' => {
            // The mark of a reference ends a word.
            let marks = inline.scan.name(at, |byte| byte == b'_').len();
            let before = inline
                .scan
                .char_before(at)
                .is_some_and(char::is_alphanumeric);
            let after = inline.scan.char_at(at + marks);
            let after = after.is_none_or(|c| !c.is_alphanumeric() && c != '`');
            match before && after && marks <= 2 {
                true => Some(inline.mark(at..at + marks, None)),
                false => Some(at + marks),
            }
        }
        _ => None,
    });
}

/// Whether a marker of `len` bytes at `at` may open: text follows it, and none is before it.
fn opens(inline: &Inline<'_, '_, '_>, at: usize, len: usize) -> bool {
    let before = inline.scan.char_before(at);
    let after = inline.scan.char_at(at + len);
    let is_quoted = matches!(
        (before, after),
        (Some('"'), Some('"')) | (Some('\''), Some('\'')) | (Some('('), Some(')'))
    );
    before.is_none_or(|c| c.is_whitespace() || (!c.is_alphanumeric() && c != '\\'))
        && after.is_some_and(|c| !c.is_whitespace())
        && !is_quoted
}

/// Whether a marker of `len` bytes at `at` may close.
fn closes(inline: &Inline<'_, '_, '_>, at: usize, len: usize) -> bool {
    let before = inline.scan.char_before(at);
    let after = inline.scan.char_at(at + len);
    before.is_some_and(|c| !c.is_whitespace() && c != '\\')
        && after.is_none_or(|c| c.is_whitespace() || (!c.is_alphanumeric() && c != '*'))
}

/// The name of the role that `text` begins with, if a quoted text follows it.
fn role_name(text: &str) -> Option<&str> {
    let inside = text.strip_prefix(':')?;
    let is_name = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.' | b':')
    };
    let len = inside.bytes().take(64).take_while(is_name).count();
    let name = inside.get(..len)?.strip_suffix(':')?;
    let is_role = !name.is_empty() && inside.as_bytes().get(len) == Some(&b'`');
    is_role.then_some(name)
}

/// A text in back quotes at `at`: code, a role, or a link.
fn backquotes(
    inline: &mut Inline<'_, '_, '_>,
    at: usize,
    role: Option<(usize, &str)>,
) -> Option<usize> {
    let start = role.map_or(at, |(start, _)| start);
    if role.is_none() && inline.scan.is_at(at, "``") {
        let close = inline
            .scan
            .find_where("``", at + 3, |place| !inline.scan.is_at(place, "```"))?;
        return Some(inline.context(at..close + 2, at + 2..close));
    }
    if role.is_none() && !opens(inline, at, 1) {
        return None;
    }
    let limit = inline.scan.text.floor_char_boundary(at + LONGEST_INLINE);
    let close = inline.scan.find_before("`", at + 1, limit)?;
    let mut end = close + 1;
    let is_link = inline.scan.byte(end) == Some(b'_');
    end += inline.scan.name(end, |byte| byte == b'_').len().min(2);
    let mut name = role.map(|(_, name)| name);
    if name.is_none()
        && let Some(suffix) = suffix_role(inline.scan.rest(end))
    {
        name = Some(suffix);
        end += suffix.len() + 2;
    }
    let inside = inline.scan.slice(at + 1..close);
    let shown = match (inside.rfind('<'), inside.ends_with('>')) {
        (Some(target), true) => Some(inside.get(..target).unwrap_or_default().trim_end()),
        _ => None,
    };
    let base = name.map(|name| name.rsplit(':').next().unwrap_or_default());
    let is_prose_role = base.is_some_and(|base| PROSE_ROLES.contains(&base));
    // A name of a program stays one under another title.
    let is_titled = base.is_none_or(|base| TITLED_ROLES.contains(&base)) || is_prose_role;
    match shown {
        Some("") => Some(inline.mark(start..end, Some(SegmentKind::Break))),
        Some(shown) if !is_titled => Some(inline.context(start..end, at + 1..at + 1 + shown.len())),
        Some(shown) => {
            let shown_end = at + 1 + shown.len();
            Some(inline.around(start..at + 1, shown_end..end))
        }
        None if is_link || is_prose_role => Some(inline.around(start..at + 1, close..end)),
        None => Some(inline.context(start..end, at + 1..close)),
    }
}

/// The role that stands behind the text in back quotes.
fn suffix_role(text: &str) -> Option<&str> {
    let inside = text.strip_prefix(':')?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':');
    let len = inside.bytes().take(64).take_while(is_name).count();
    let name = inside.get(..len)?.strip_suffix(':')?;
    (!name.is_empty()).then_some(name)
}
