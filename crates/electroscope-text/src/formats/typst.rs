//! Typst, by its own parser.

use typst_syntax::{SyntaxKind, SyntaxNode, ast};

use super::Parsed;
use crate::comments::Comment;
use crate::prose::{Collector, mark_len};
use crate::{SegmentKind, Span};

/// Functions whose content stands in the line around them.
const INLINE: [&str; 22] = [
    "box",
    "emph",
    "footnote",
    "h",
    "highlight",
    "link",
    "lower",
    "overline",
    "quote",
    "raw",
    "ref",
    "smallcaps",
    "smartquote",
    "strike",
    "strong",
    "sub",
    "super",
    "text",
    "underline",
    "upper",
    "hide",
    "todo",
];

/// Functions whose content is no prose.
const HIDDEN: [&str; 3] = ["raw", "hide", "metadata"];

/// Reads Typst.
pub(super) fn read(text: &str) -> Parsed {
    let mark = mark_len(text);
    let root = typst_syntax::parse(text.get(mark..).unwrap_or_default());
    let mut reader = Reader {
        text,
        out: Collector::new(text),
        comments: Vec::new(),
    };
    // A stack of its own, so that no text is nested too deeply.
    let mut open = vec![Visit::Enter(&root, mark, Mode::Markup)];
    while let Some(visit) = open.pop() {
        match visit {
            Visit::Enter(node, at, mode) => reader.enter(node, at, mode, &mut open),
            Visit::Close => reader.out.close(),
            Visit::Break(span) => reader.out.push(span, SegmentKind::Break),
        }
    }
    reader.out.close();
    Parsed {
        blocks: reader.out.blocks,
        comments: reader.comments,
    }
}

/// What is done next.
enum Visit<'a> {
    /// To read a node that begins at a byte.
    Enter(&'a SyntaxNode, usize, Mode),
    /// To end the block.
    Close,
    /// To add a space in the place of what is not read.
    Break(Span),
}

/// How a node is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// As text.
    Markup,
    /// As code, in which there may be text.
    Code,
}

struct Reader<'a> {
    text: &'a str,
    out: Collector<'a>,
    comments: Vec<Comment>,
}

impl Reader<'_> {
    fn enter<'n>(
        &mut self,
        node: &'n SyntaxNode,
        at: usize,
        mode: Mode,
        open: &mut Vec<Visit<'n>>,
    ) {
        let span = Span::new(at, at + node.len());
        match node.kind() {
            SyntaxKind::LineComment => self.comment(span, "//", ""),
            SyntaxKind::BlockComment => self.comment(span, "/*", "*/"),
            SyntaxKind::Parbreak => self.out.close(),
            SyntaxKind::Text | SyntaxKind::SmartQuote if mode == Mode::Markup => {
                self.out.push(span, SegmentKind::Prose);
            }
            SyntaxKind::Space if mode == Mode::Markup => {
                let source = span.of(self.text).unwrap_or_default();
                let kind = match source.contains('\n') {
                    true => SegmentKind::Break,
                    false => SegmentKind::Prose,
                };
                self.out.push(span, kind);
            }
            SyntaxKind::Linebreak if mode == Mode::Markup => {
                self.out.push(span, SegmentKind::Break);
            }
            SyntaxKind::Escape if mode == Mode::Markup => self.escape(node, span),
            SyntaxKind::Shorthand if mode == Mode::Markup => {
                let shown = node.cast::<ast::Shorthand<'_>>().map(ast::Shorthand::get);
                match shown {
                    Some('\u{a0}') | None => self.out.push(span, SegmentKind::Break),
                    Some(shown) => self.out.push(span, SegmentKind::Entity(shown, None)),
                }
            }
            SyntaxKind::Link => self.out.push(span, SegmentKind::Break),
            SyntaxKind::Raw => {
                if mode == Mode::Markup {
                    self.raw(node, span);
                }
            }
            SyntaxKind::Equation => {
                let is_block = node
                    .cast::<ast::Equation<'_>>()
                    .is_some_and(ast::Equation::block);
                if mode == Mode::Markup {
                    let source = span.of(self.text).unwrap_or_default();
                    let inner = source.trim_matches(|c: char| c == '$' || c.is_whitespace());
                    let before = source.len()
                        - source
                            .trim_start_matches(|c: char| c == '$' || c.is_whitespace())
                            .len();
                    let inner = Span::new(at + before, at + before + inner.len());
                    match is_block {
                        true => self.out.push(span, SegmentKind::Break),
                        false => self.out.push(inner, SegmentKind::Context),
                    }
                }
            }
            SyntaxKind::Label | SyntaxKind::Error | SyntaxKind::Shebang => {}
            SyntaxKind::RefMarker => self.out.push(span, SegmentKind::Break),
            SyntaxKind::Heading
            | SyntaxKind::ListItem
            | SyntaxKind::EnumItem
            | SyntaxKind::TermItem => {
                self.out.close();
                open.push(Visit::Close);
                push_children(node, at, Mode::Markup, open);
            }
            // The term, then what it means.
            SyntaxKind::Colon if mode == Mode::Markup => self.out.close(),
            SyntaxKind::Ref => {
                // What the reference is called stands in brackets, in the line.
                let mut place = at;
                let first = open.len();
                for child in node.children() {
                    match child.kind() {
                        SyntaxKind::ContentBlock => {
                            let mut inside = Vec::new();
                            push_children(child, place, Mode::Markup, &mut inside);
                            inside.reverse();
                            open.extend(inside);
                        }
                        _ => open.push(Visit::Enter(child, place, Mode::Markup)),
                    }
                    place += child.len();
                }
                open.get_mut(first..).unwrap_or_default().reverse();
            }
            SyntaxKind::Markup | SyntaxKind::Strong | SyntaxKind::Emph => {
                push_children(node, at, Mode::Markup, open)
            }
            SyntaxKind::ContentBlock => content(node, at, open),
            SyntaxKind::FuncCall => self.call(node, at, mode, open),
            SyntaxKind::FieldAccess if mode == Mode::Markup => {
                self.out.push(span, SegmentKind::Context);
            }
            SyntaxKind::SetRule | SyntaxKind::LetBinding | SyntaxKind::ShowRule => {
                // What code sets up is printed elsewhere.
                self.out.close();
                push_children(node, at, Mode::Code, open);
            }
            _ if node.children().len() == 0 => {
                // A name of a variable is in the place of words.
                if node.kind() == SyntaxKind::Ident && mode == Mode::Markup {
                    self.out.push(span, SegmentKind::Context);
                }
            }
            _ => push_children(node, at, Mode::Code, open),
        }
    }

    fn comment(&mut self, span: Span, open: &str, close: &str) {
        let source = span.of(self.text).unwrap_or_default();
        let inside = source.strip_prefix(open).unwrap_or_default();
        let inside = inside.strip_suffix(close).unwrap_or(inside);
        let start = span.start() + open.len();
        self.comments.push(Comment {
            span,
            body: Span::new(start, start + inside.len()),
        });
    }

    /// An escaped character is itself.
    fn escape(&mut self, node: &SyntaxNode, span: Span) {
        let source = span.of(self.text).unwrap_or_default();
        let shown = node.cast::<ast::Escape<'_>>().map(ast::Escape::get);
        match shown {
            Some(c) if source.len() == 1 + c.len_utf8() => {
                let span = Span::new(span.start() + 1, span.end());
                self.out.push(span, SegmentKind::Prose);
            }
            Some(c) => self.out.push(span, SegmentKind::Entity(c, None)),
            None => {}
        }
    }

    fn raw(&mut self, node: &SyntaxNode, span: Span) {
        let is_block = node.cast::<ast::Raw<'_>>().is_some_and(ast::Raw::block);
        if is_block {
            return self.out.close();
        }
        let source = span.of(self.text).unwrap_or_default();
        let inner = source.trim_matches('`');
        let before = source.len() - source.trim_start_matches('`').len();
        let start = span.start() + before;
        let inner = Span::new(start, start + inner.len());
        self.out.push(inner, SegmentKind::Context);
    }

    /// A call of a function. What it is given in brackets stands in the line around it if the function
    /// is known to leave it there, or if it is one of the document's own that is called inside a line.
    fn call<'n>(&self, node: &'n SyntaxNode, at: usize, mode: Mode, open: &mut Vec<Visit<'n>>) {
        let source = |node: &SyntaxNode, at: usize| {
            let span = Span::new(at, at + node.len());
            span.of(self.text).unwrap_or_default()
        };
        let name = node.children().next().map(|callee| source(callee, at));
        let name = name.unwrap_or_default();
        if HIDDEN.contains(&name) {
            return open.push(Visit::Break(Span::new(at, at + node.len())));
        }
        let is_known = INLINE.contains(&name);
        let mut arguments = None;
        let mut place = at;
        for child in node.children() {
            if child.kind() == SyntaxKind::Args {
                arguments = Some((child, place));
            }
            place += child.len();
        }
        let Some((arguments, mut place)) = arguments else {
            return;
        };
        let mut visits = Vec::new();
        let has_text = |node: &SyntaxNode| node.kind() == SyntaxKind::ContentBlock;
        if mode == Mode::Markup && !arguments.children().any(has_text) {
            // It prints something that is not known.
            visits.push(Visit::Break(Span::new(at, place)));
        }
        let mut in_parentheses = false;
        let mut follows_text = false;
        for child in arguments.children() {
            match child.kind() {
                SyntaxKind::LeftParen => in_parentheses = true,
                SyntaxKind::RightParen => in_parentheses = false,
                _ => {}
            }
            let is_line = is_known || !(in_parentheses || source(child, place).contains('\n'));
            if has_text(child) && mode == Mode::Markup && is_line {
                let end = place + child.len();
                let is_note = name == "footnote";
                // One text behind another is no part of its last word.
                if is_note || std::mem::replace(&mut follows_text, true) {
                    visits.push(Visit::Break(Span::new(place, place + 1)));
                }
                let mut inside = Vec::new();
                push_children(child, place, Mode::Markup, &mut inside);
                inside.reverse();
                visits.extend(inside);
                if is_note {
                    visits.push(Visit::Break(Span::new(end - 1, end)));
                }
            } else {
                visits.push(Visit::Enter(child, place, Mode::Code));
            }
            place += child.len();
        }
        visits.reverse();
        open.extend(visits);
    }
}

/// Puts the children of a node on the stack, the first on top.
fn push_children<'n>(node: &'n SyntaxNode, at: usize, mode: Mode, open: &mut Vec<Visit<'n>>) {
    let first = open.len();
    let mut at = at;
    for child in node.children() {
        open.push(Visit::Enter(child, at, mode));
        at += child.len();
    }
    open.get_mut(first..).unwrap_or_default().reverse();
}

/// Text in brackets, which is a block.
fn content<'n>(node: &'n SyntaxNode, at: usize, open: &mut Vec<Visit<'n>>) {
    open.push(Visit::Close);
    push_children(node, at, Mode::Markup, open);
    open.push(Visit::Close);
}
