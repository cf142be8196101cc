//! The comments of programs.
//!
//! Comments that stand below each other are one text, which is read as Markdown; documentation of Java
//! as HTML, docstrings of Python as reStructuredText. Names of the program are read and not scored, and
//! what is meant for a tool or is code that was commented out is neither.

use std::ops::Range;

use super::excerpt::Excerpt;
use super::lexer::{self, Form, Found};
use super::{Parsed, html, rst};
use crate::comments::{Comment, is_directive};
use crate::prose::{Collector, markdown};
use crate::{Block, CodeLanguage, SegmentKind, Span};

/// What comments begin with that are meant for a tool, in lower case.
const FOR_TOOLS: [&str; 58] = [
    "#__pure__",
    "#endregion",
    "#region",
    "$schema",
    "+build",
    "-*-",
    "<reference",
    "@__pure__",
    "@formatter:",
    "@jsx",
    "@ts-",
    "allow(",
    "biome-",
    "c8 ignore",
    "checkstyle:",
    "clang-format",
    "clang-tidy",
    "codespell:",
    "coding:",
    "coverage:",
    "cppcheck-",
    "deno-fmt",
    "deno-lint",
    "dprint-ignore",
    "eslint",
    "flake8:",
    "flow-",
    "fmt:",
    "go:",
    "isort:",
    "istanbul ignore",
    "iwyu pragma",
    "jshint",
    "jslint",
    "lint:",
    "mypy:",
    "nolint",
    "nopmd",
    "noqa",
    "nosec",
    "nosemgrep",
    "noinspection",
    "oxlint",
    "pragma:",
    "prettier-ignore",
    "pylint:",
    "pyright:",
    "ruff:",
    "rustfmt",
    "shellcheck",
    "sourcemappingurl",
    "spdx-",
    "stylelint",
    "swiftlint:",
    "tslint",
    "type: ignore",
    "vim:",
    "yapf:",
];

/// Tags of documentation (`@param name …`) behind which a name stands, and then prose.
const NAMED_TAGS: [&str; 18] = [
    "arg",
    "argument",
    "concept",
    "exception",
    "fires",
    "param",
    "prop",
    "property",
    "retval",
    "template",
    "throw",
    "throws",
    "tparam",
    "typeparam",
    "emits",
    "slot",
    "cssprop",
    "serialField",
];

/// Tags behind which there is prose.
const PROSE_TAGS: [&str; 32] = [
    "apiNote",
    "attention",
    "author_note",
    "brief",
    "bug",
    "caution",
    "classdesc",
    "deprecated",
    "desc",
    "description",
    "details",
    "fileoverview",
    "implNote",
    "implSpec",
    "invariant",
    "note",
    "overview",
    "par",
    "post",
    "pre",
    "remark",
    "remarks",
    "return",
    "returns",
    "result",
    "short",
    "summary",
    "todo",
    "warning",
    "yields",
    "abstract",
    "title",
];

/// Tags after which there is code up to another one.
const CODE_TAGS: [&str; 6] = ["code", "verbatim", "dot", "example", "msc", "startuml"];

/// Sections of a docstring whose items begin with a name, as Google writes them.
const NAMED_SECTIONS: [&str; 14] = [
    "Args:",
    "Arguments:",
    "Attributes:",
    "Keyword Args:",
    "Keyword Arguments:",
    "Methods:",
    "Other Parameters:",
    "Parameters:",
    "Params:",
    "Raises:",
    "Warns:",
    "Throws:",
    "Kwargs:",
    "Properties:",
];

/// Reads a program.
pub(super) fn read(text: &str, language: CodeLanguage) -> Parsed {
    let found = lexer::comments(text, language);
    let mut out = Collector::new(text);
    let is_read = |found: &&Found| {
        found.form != Form::Line || !is_directive(found.body.of(text).unwrap_or_default())
    };
    let read: Vec<Found> = found.iter().filter(is_read).copied().collect();
    for group in read.chunk_by(|one, next| goes_on(text, one, next)) {
        let Some(first) = group.first() else {
            continue;
        };
        match first.form {
            Form::Docstring => docstring(text, first.body, &mut out),
            Form::Line | Form::Block => comment(text, group, language, &mut out),
        }
    }
    let comments = found
        .iter()
        .filter(|found| found.form != Form::Docstring)
        .map(|found| Comment {
            span: found.span,
            body: found.body,
        })
        .collect();
    Parsed {
        blocks: out.blocks,
        comments,
    }
}

/// Whether a comment goes on in the next: it stands below it, in the same column. Comments for tools
/// between the two do not part them.
fn goes_on(text: &str, one: &Found, next: &Found) -> bool {
    let are_lines = one.form == Form::Line && next.form == Form::Line;
    if !are_lines || one.is_doc != next.is_doc {
        return false;
    }
    let between = text
        .get(one.span.end()..next.span.start())
        .unwrap_or_default();
    let lines = between.split('\n').skip(1);
    let lines_between = lines.clone().count().saturating_sub(1);
    let mut lines_between = lines.take(lines_between);
    let is_for_a_tool = |line: &str| is_directive(line.trim_start().trim_start_matches(['/', '#']));
    let before = between.rsplit('\n').next().unwrap_or_default();
    if !between.contains('\n') || !before.trim().is_empty() || !lines_between.all(is_for_a_tool) {
        return false;
    }
    // Of a comment behind code the column is not known without looking back along its line.
    const LONGEST_LINE: usize = 1 << 10;
    let indent = between.len() - between.rfind('\n').map_or(0, |at| at + 1);
    let start = one.span.start();
    let line = text.get(text.floor_char_boundary(start.saturating_sub(LONGEST_LINE))..start);
    let line = line.unwrap_or_default().trim_start_matches('\u{feff}');
    let column = line.len() - line.rfind('\n').map_or(0, |at| at + 1);
    column == indent
}

/// A line of a comment, without what opens it.
#[derive(Clone, Copy)]
struct CommentLine<'a> {
    start: usize,
    text: &'a str,
}

impl<'a> CommentLine<'a> {
    fn of(text: &'a str, span: Span) -> CommentLine<'a> {
        CommentLine {
            start: span.start(),
            text: span.of(text).unwrap_or_default().trim_end(),
        }
    }

    fn after(self, len: usize) -> CommentLine<'a> {
        CommentLine {
            start: self.start + len,
            text: self.text.get(len..).unwrap_or_default(),
        }
    }

    fn trim_start(self) -> CommentLine<'a> {
        self.after(self.indent())
    }

    fn indent(self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    fn span(self) -> Span {
        Span::new(self.start, self.start + self.text.len())
    }

    fn part(self, range: Range<usize>) -> Span {
        Span::new(self.start + range.start, self.start + range.end)
    }
}

/// The lines of a body with what it has before each of them.
fn body_lines(text: &str, body: Span) -> Vec<CommentLine<'_>> {
    let mut start = body.start();
    let mut found = Vec::new();
    for line in body.of(text).unwrap_or_default().split_inclusive('\n') {
        let span = Span::new(start, start + line.len());
        found.push(CommentLine::of(text, span));
        start += line.len();
    }
    if found.is_empty() {
        // A line of a comment without a word parts paragraphs.
        found.push(CommentLine::of(text, body));
    }
    found
}

/// Reads comments that belong together.
fn comment(text: &str, group: &[Found], language: CodeLanguage, out: &mut Collector<'_>) {
    let is_doc = group.first().is_some_and(|first| first.is_doc);
    let mut lines = Vec::new();
    for found in group {
        let all = body_lines(text, found.body);
        let is_starred = all.len() > 1
            && all
                .iter()
                .skip(1)
                .all(|line| line.text.is_empty() || line.trim_start().text.starts_with('*'));
        for (number, line) in all.into_iter().enumerate() {
            let mut line = line;
            let body = line.trim_start();
            if is_starred && number > 0 && body.text.starts_with('*') {
                line = body.after(1);
                // The right side of a box.
                line.text = line.text.trim_end_matches('*').trim_end();
            } else if found.form == Form::Line && !is_doc {
                // More of what opens a comment opens it no further.
                let leader = found.span.of(text).and_then(|source| source.chars().next());
                let rest = line.text.trim_start_matches(leader.unwrap_or_default());
                line = line.after(line.text.len() - rest.len());
            }
            lines.push(line);
        }
    }
    // Documentation behind what it is about: `///<`.
    if let Some(first) = lines.first_mut()
        && is_doc
        && first.text.starts_with('<')
    {
        *first = first.after(1);
    }
    let lines = without_indent(lines);
    let is_html = is_doc && language == CodeLanguage::Java;
    let words = Words {
        text,
        // In Go any comment may be documentation.
        has_links: is_doc || language == CodeLanguage::Go,
        is_html,
        depth: 0,
    };
    let excerpt = put_together(text, &lines, is_doc, words);
    if excerpt.is_empty() {
        return;
    }
    let blocks = match is_html {
        true => html::read(excerpt.text()).blocks,
        false => markdown(excerpt.text(), false),
    };
    add(&blocks, &excerpt, out);
}

/// The lines without the white space that all of them begin with; of the first, which stands behind what
/// opens the comment, without all of it.
fn without_indent(mut lines: Vec<CommentLine<'_>>) -> Vec<CommentLine<'_>> {
    let is_one = lines.len() == 1;
    let all = lines.iter().skip(usize::from(
        !is_one && lines.first().is_some_and(|line| line.text.is_empty()),
    ));
    let common = all
        .filter(|line| !line.text.is_empty())
        .map(|line| line.indent())
        .min()
        .unwrap_or(0);
    for line in &mut lines {
        *line = line.after(common.min(line.indent()));
    }
    lines
}

/// Puts the lines of a comment together, without those that are code or for a tool, and without tags.
fn put_together(
    text: &str,
    lines: &[CommentLine<'_>],
    is_doc: bool,
    mut words: Words<'_>,
) -> Excerpt {
    let is_html = words.is_html;
    let border = if is_html { "\n<p>\n" } else { "\n\n" };
    let mut excerpt = Excerpt::default();
    // Until which tag there is code.
    let mut code_until: Option<String> = None;
    let mut in_fence = false;
    for &line in lines {
        let body = line.trim_start();
        let tag = tag_name(body.text).filter(|_| is_doc);
        if let Some(end) = &code_until {
            let ends = tag.is_some_and(|tag| end.is_empty() || tag == end);
            if !ends {
                continue;
            }
            let is_end = !end.is_empty();
            code_until = None;
            if is_end {
                continue;
            }
        }
        let is_fence = body.text.starts_with("```") || body.text.starts_with("~~~");
        if is_fence && !is_html {
            in_fence = !in_fence;
        }
        if in_fence || (is_fence && !is_html) {
            excerpt.push_line(text, line.span());
            continue;
        }
        if body.text.is_empty() {
            excerpt.push_str(border);
            words.depth = 0;
            continue;
        }
        if let Some(name) = tag {
            words.depth = 0;
            excerpt.push_str(border);
            if CODE_TAGS.contains(&name) {
                code_until = Some(match name {
                    "example" => String::new(),
                    "startuml" => "enduml".to_owned(),
                    name => format!("end{name}"),
                });
                continue;
            }
            if let Some(rest) = behind_tag(body, name) {
                words.push(rest, &mut excerpt);
            }
            continue;
        }
        let plain = undecorated(line);
        if is_directive(body.text) || is_for_tool(body.text) {
            // The paragraph goes on behind it.
            continue;
        }
        let is_code = !is_doc && line.indent() < 4 && looks_like_code(body.text);
        if plain.text.trim().is_empty() || is_code {
            excerpt.push_str(border);
            continue;
        }
        if !excerpt.text().is_empty() {
            excerpt.push_str("\n");
        }
        words.push(plain, &mut excerpt);
    }
    excerpt
}

/// Adds lines of a comment, in which what is code by the conventions of documentation becomes code of
/// Markdown or of HTML.
struct Words<'a> {
    text: &'a str,
    /// Whether a name in brackets is a link to what has it.
    has_links: bool,
    /// Whether it is to be HTML rather than Markdown.
    is_html: bool,
    /// How many braces are open since `{@code`, which may go over lines.
    depth: usize,
}

impl Words<'_> {
    fn marks(&self) -> (&'static str, &'static str) {
        match self.is_html {
            true => ("<code>", "</code>"),
            false => ("`", "`"),
        }
    }

    fn push(&mut self, line: CommentLine<'_>, to: &mut Excerpt) {
        let source = line.text;
        let (open, close) = self.marks();
        let mut done = 0;
        let mut at = 0;
        let mut in_code = false;
        while at < source.len() {
            if self.depth > 0 {
                at = self.inline_tag(line, at, to);
                done = at;
                continue;
            }
            let rest = source.get(at..).unwrap_or_default();
            let next = rest.find(['{', '[', '<', '`']).map(|next| at + next);
            let Some(next) = next else {
                break;
            };
            let rest = source.get(next..).unwrap_or_default();
            at = next + 1;
            if rest.starts_with("{@") {
                to.push(self.text, line.part(done..next));
                let name = tag_name(rest.get(1..).unwrap_or_default()).unwrap_or_default();
                to.push_str(open);
                self.depth = 1;
                at = next + 2 + name.len();
                done = at;
            } else if rest.starts_with('`') {
                in_code = !in_code;
            } else if !(in_code || self.is_html)
                && let Some((inner, end)) = named(rest, self.has_links)
            {
                // The name of an item of the program in brackets.
                to.push(self.text, line.part(done..next));
                let is_code = rest
                    .get(inner.clone())
                    .is_some_and(|name| name.starts_with('`'));
                let inner = next + inner.start..next + inner.end;
                if !is_code {
                    to.push_str(open);
                }
                to.push(self.text, line.part(inner));
                if !is_code {
                    to.push_str(close);
                }
                at = next + end;
                done = at;
            }
        }
        to.push(self.text, line.part(done..source.len()));
    }

    /// Adds what stands in `{@code …}` from byte `at` of the line on, and says where that ends.
    fn inline_tag(&mut self, line: CommentLine<'_>, at: usize, to: &mut Excerpt) -> usize {
        let (_, close) = self.marks();
        let source = line.text.get(at..).unwrap_or_default();
        let mut end = source.len();
        for (place, c) in source.char_indices() {
            match c {
                '{' => self.depth += 1,
                '}' => self.depth -= 1,
                _ => continue,
            }
            if self.depth == 0 {
                end = place;
                break;
            }
        }
        // What looks like an element would be read as one.
        let inside = source.get(..end).unwrap_or_default();
        let shown = inside.find(['<', '&', '`']).unwrap_or(end);
        to.push(self.text, line.part(at..at + shown));
        match self.depth {
            0 => {
                to.push_str(close);
                at + end + 1
            }
            _ => at + end,
        }
    }
}

/// The name in brackets that `text` begins with, and where the brackets end: `[Boat]`, `` [`Boat`] ``, and
/// in `<boat>` what is no element of HTML.
fn named(text: &str, has_links: bool) -> Option<(Range<usize>, usize)> {
    const LONGEST: usize = 128;
    const ELEMENTS: [&str; 50] = [
        "a",
        "b",
        "big",
        "blockquote",
        "br",
        "center",
        "code",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "wbr",
    ];
    let is_link = text.starts_with('[');
    let head = text.get(..text.floor_char_boundary(LONGEST))?;
    let end = head.find(if is_link { ']' } else { '>' })?;
    let inside = text.get(1..end)?;
    let name = match inside.strip_prefix('`') {
        Some(code) if is_link => code.strip_suffix('`')?,
        _ => inside,
    };
    let is_name = |c: char| {
        c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '*' | '-' | '!' | '(' | ')' | '#')
    };
    if name.is_empty() || !(name.chars().all(is_name) || inside.starts_with('`')) {
        return None;
    }
    if is_link {
        let after = text.get(end + 1..)?;
        let is_item = inside.starts_with('`')
            || name.contains(|c: char| c.is_uppercase() || matches!(c, '_' | '.' | ':'));
        let is_more = after.starts_with(['(', '[', ':']);
        return (has_links && is_item && !is_more).then_some((1..end, end + 1));
    }
    let bare = name.trim_start_matches('/').to_ascii_lowercase();
    (!name.contains(':') && !ELEMENTS.contains(&bare.as_str())).then_some((0..end + 1, end + 1))
}

/// The name of the tag that a line begins with: `@param`, `\param`.
fn tag_name(line: &str) -> Option<&str> {
    let inside = line.strip_prefix(['@', '\\'])?;
    let len = inside
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        .unwrap_or(inside.len());
    inside.get(..len).filter(|name| !name.is_empty())
}

/// The prose behind a tag, without its type and its name.
fn behind_tag<'a>(line: CommentLine<'a>, name: &str) -> Option<CommentLine<'a>> {
    let is_named = NAMED_TAGS.contains(&name);
    if !is_named && !PROSE_TAGS.contains(&name) {
        return None;
    }
    let mut rest = line.after(1 + name.len());
    // A direction, `[in]`, and a type, `{string}`, which for an exception is all the name there is.
    let mut is_named = is_named;
    for (open, close) in [('[', ']'), ('{', '}')] {
        let body = rest.trim_start();
        if body.text.starts_with(open)
            && !body.text.starts_with("{@")
            && let Some(len) = matching(body.text, open, close)
        {
            rest = body.after(len);
            is_named &= open == '['
                || !matches!(name, "throws" | "throw" | "exception" | "fires" | "emits");
        }
    }
    let mut rest = rest.trim_start();
    if is_named {
        let len = rest
            .text
            .find(char::is_whitespace)
            .unwrap_or(rest.text.len());
        rest = rest.after(len).trim_start();
    }
    let dash = rest.text.starts_with("- ") || rest.text.starts_with("– ");
    Some(match dash {
        true => rest.after(rest.text.find(' ').unwrap_or(0)).trim_start(),
        false => rest,
    })
}

/// The length of the bracketed text that `text` begins with.
fn matching(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(at + c.len_utf8());
            }
        }
    }
    None
}

/// A line without the rules that are drawn before and behind it.
fn undecorated(line: CommentLine<'_>) -> CommentLine<'_> {
    const SHORTEST: usize = 3;
    let is_mark = |c: char| {
        matches!(
            c,
            '*' | '=' | '-' | '#' | '/' | '~' | '_' | '+' | '─' | '═' | '━'
        )
    };
    let body = line.trim_start();
    let after = body.text.trim_start_matches(is_mark);
    let before = body.text.len() - after.len();
    let fence = before >= SHORTEST && !body.text.starts_with("```");
    let start = if fence {
        body.after(before).trim_start()
    } else {
        line
    };
    let shorter = start.text.trim_end_matches(is_mark).trim_end();
    let behind = start.text.len() - shorter.len();
    match behind >= SHORTEST {
        true => CommentLine {
            start: start.start,
            text: shorter,
        },
        false => start,
    }
}

/// Whether a comment is meant for a tool.
fn is_for_tool(body: &str) -> bool {
    const LONGEST: usize = 24;
    let body = body.trim_start_matches(['/', '*', ' ', '!']);
    let head: String = body.chars().take(LONGEST).collect();
    let lower = head.to_ascii_lowercase();
    let bare = lower.trim_start_matches(['@', '#', ' ']);
    FOR_TOOLS
        .iter()
        .any(|name| lower.starts_with(name) || bare.starts_with(name))
}

/// Whether a line of a comment is code that was commented out.
fn looks_like_code(line: &str) -> bool {
    let line = line.trim();
    let words = line.split_whitespace().count();
    let is_name = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| {
                c.is_alphanumeric()
                    || matches!(c, '_' | '.' | ':' | '$' | '!' | '@' | '*' | '&' | '[' | ']')
            })
    };
    if line.ends_with(['{', '}', '\\']) || line.ends_with("=>") || line.ends_with("});") {
        return true;
    }
    if line.ends_with(';') && (line.contains(['(', '=']) || words <= 3) {
        return true;
    }
    if [
        " == ", " != ", " && ", " || ", " := ", " += ", "();", " === ",
    ]
    .iter()
    .any(|mark| line.contains(mark))
    {
        return true;
    }
    // A call that is all of the line.
    let call = line.trim_end_matches([';', ':', ',']);
    if let Some(open) = call.find('(')
        && is_name(call.get(..open).unwrap_or_default())
        && matching(call.get(open..).unwrap_or_default(), '(', ')') == Some(call.len() - open)
    {
        return true;
    }
    // An assignment.
    if let Some((left, _)) = line.split_once(" = ") {
        let left = left.rsplit(' ').next().unwrap_or_default();
        let before = line
            .split_whitespace()
            .position(|word| word == "=")
            .unwrap_or(0);
        if is_name(left) && before <= 3 && words <= 8 {
            return true;
        }
    }
    let starts = [
        "#include", "#define", "#if", "#endif", "import {", "def ", "fn ", "func ",
    ];
    starts.iter().any(|start| line.starts_with(start)) && line.contains(['(', '<', '"', '{', '_'])
}

/// Reads a docstring.
fn docstring(text: &str, body: Span, out: &mut Collector<'_>) {
    let lines = body_lines(text, body);
    let common = lines.iter().skip(1).filter(|line| !line.text.is_empty());
    let common = common.map(|line| line.indent()).min().unwrap_or(0);
    let mut excerpt = Excerpt::default();
    let mut in_fence = false;
    // The indentation of the heading of a section whose items have names.
    let mut section: Option<usize> = None;
    for (number, line) in lines.iter().enumerate() {
        let line = match number {
            0 => line.trim_start(),
            _ => line.after(common.min(line.indent())),
        };
        let words = line.trim_start();
        if words.text.starts_with("```") {
            in_fence = !in_fence;
            excerpt.push_str("\n\n");
            continue;
        }
        if in_fence {
            continue;
        }
        if NAMED_SECTIONS.contains(&words.text) {
            section = Some(line.indent());
        } else if section.is_some_and(|indent| !words.text.is_empty() && line.indent() <= indent) {
            section = None;
        }
        if section.is_some_and(|indent| line.indent() > indent)
            && let Some(len) = named_item(words.text)
        {
            // What is said of the name has the column of the lines below, so that they go on from it.
            let below = lines.get(number + 1).filter(|next| !next.text.is_empty());
            let below = below.map(|next| next.indent().saturating_sub(common));
            let column = below
                .filter(|&column| column > line.indent())
                .unwrap_or(line.indent() + 4);
            excerpt.push_str("\n\n");
            excerpt.push_str(&" ".repeat(column.min(80)));
            excerpt.push(text, words.after(len).trim_start().span());
            continue;
        }
        if excerpt.text().is_empty() {
            excerpt.push(text, line.span());
        } else {
            excerpt.push_line(text, line.span());
        }
    }
    let blocks = rst::read_docstring(excerpt.text()).blocks;
    add(&blocks, &excerpt, out);
}

/// The length of `name (type): `, if an item of a section begins with it.
fn named_item(line: &str) -> Option<usize> {
    let name = line.trim_start_matches('*');
    let stars = line.len() - name.len();
    let len = name
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')))
        .unwrap_or(name.len());
    if len == 0 || stars > 2 {
        return None;
    }
    let mut end = stars + len;
    let rest = line.get(end..)?;
    let spaced = rest.trim_start_matches(' ');
    if spaced.starts_with('(') {
        end += rest.len() - spaced.len() + matching(spaced, '(', ')')?;
    }
    let rest = line.get(end..)?.strip_prefix(':')?;
    (rest.is_empty() || rest.starts_with(' ')).then_some(end + 1)
}

/// Adds blocks that were found in `excerpt`, names of the program in them not to be scored.
fn add(blocks: &[Block], excerpt: &Excerpt, out: &mut Collector<'_>) {
    for block in blocks {
        for segment in &block.segments {
            let range = segment.span.range();
            match segment.kind {
                SegmentKind::Prose => words(excerpt, range, out),
                kind => excerpt.emit(range, kind, out),
            }
        }
        out.close();
    }
}

/// Emits prose, the names of the program in it apart.
fn words(excerpt: &Excerpt, range: Range<usize>, out: &mut Collector<'_>) {
    let text = excerpt.text().get(range.clone()).unwrap_or_default();
    let mut done = 0;
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let start = at;
        at += word.len();
        let word = word.trim_end();
        let bare = word.trim_start_matches(['(', '[', '"', '\'', '“', '‘', '{', '*', ',']);
        let start = start + (word.len() - bare.len());
        let bare = bare.trim_end_matches(['.', ',', ';', ':', '!', '?', '"', '\'', '”', '’', '…']);
        // A bracket that was opened before the name closes after it.
        let mut bare = bare.trim_end_matches([']', '}']);
        while bare.ends_with(')') && bare.matches(')').count() > bare.matches('(').count() {
            bare = bare.get(..bare.len() - 1).unwrap_or_default();
        }
        if is_program_name(bare) {
            let place = |from: usize, to: usize| range.start + from..range.start + to;
            excerpt.emit(place(done, start), SegmentKind::Prose, out);
            excerpt.emit(place(start, start + bare.len()), SegmentKind::Context, out);
            done = start + bare.len();
        }
    }
    excerpt.emit(range.start + done..range.end, SegmentKind::Prose, out);
}

/// Whether a word is a name of the program, a path, an option or a number of code, rather than English.
fn is_program_name(word: &str) -> bool {
    if !word.contains(char::is_alphanumeric) {
        return false;
    }
    if word.contains([
        '_', '$', '@', '#', '<', '>', '=', '\\', '|', '^', '~', '{', '}', '[', '%',
    ]) || word.contains("::")
        || word.contains("()")
        || word
            .strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-'))
        || word.starts_with('/')
        || word.starts_with("./")
        || word.matches('/').count() > 1
    {
        return true;
    }
    let bytes: Vec<char> = word.chars().collect();
    let mut has_digit = false;
    let mut has_letter = false;
    for pair in bytes.windows(2) {
        if let [one, two] = pair
            && one.is_lowercase()
            && two.is_uppercase()
        {
            return true;
        }
    }
    for c in &bytes {
        has_digit |= c.is_ascii_digit();
        has_letter |= c.is_alphabetic();
    }
    let is_ordinal = ["st", "nd", "rd", "th", "s"].iter().any(|end| {
        word.strip_suffix(end)
            .is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
    });
    if has_digit && has_letter && !is_ordinal && !word.contains(['-', '’', '\'']) {
        return true;
    }
    // `module.name`, `file.txt`; not `e.g` and `i.e`.
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() > 1
        && parts
            .iter()
            .all(|part| part.len() > 1 && part.chars().all(char::is_alphanumeric))
        && has_letter
}
