//! The comments of a document, in its own syntax: where a writer speaks to a tool.
//!
//! What a comment says is for others to understand. In Markdown and MDX a comment is what a renderer
//! leaves out: a comment of HTML, or of one of the dialects, outside of code, and a comment of YAML or
//! TOML in front matter. A plain text has no comments, so there only those count that begin with the name
//! of a tool and a command for it ([`is_directive`]); these are no prose.

use pulldown_cmark::{Event, Parser, Tag};

use super::dialect;
use super::{Document, Language, Span, formats};

/// A comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// All of its bytes, with the characters that open and close it.
    pub span: Span,
    /// What stands between these.
    pub body: Span,
}

/// What a directive begins with, in lower case.
const DIRECTIVES: [&str; 6] = [
    "electroscope-",
    "electroscope:",
    "cspell:",
    "spell-checker:",
    "spellchecker:",
    "localwords:",
];

/// What a comment that takes the rest of its line begins with, in formats that are read as plain text.
const LINE_COMMENTS: [&str; 5] = ["#", "//", "%", "..", ";"];

/// What opens and closes comments that may go over lines, in Markdown and its dialects.
const PAIRS: [(&str, &str); 3] = [("<!--", "-->"), ("{/*", "*/}"), ("%%", "%%")];

/// The comments of `document`, in order and without overlap.
pub fn comments(document: &Document) -> Vec<Comment> {
    let text: &str = &document.text;
    match document.language {
        Language::Plain | Language::ByFirstLine => directives(text),
        Language::Markdown => markdown(text, false),
        Language::Mdx => markdown(text, true),
        language => formats::parse(text, language).comments,
    }
}

/// Whether the text of a comment is a command for a spelling checker or for this program, by what it
/// begins with.
pub fn is_directive(body: &str) -> bool {
    let body = body.trim_start().as_bytes();
    DIRECTIVES.iter().any(|name| {
        let head = body.get(..name.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// The comments of a plain text: `<!-- … -->` anywhere, and lines that begin with a character that begins
/// comments elsewhere, if what they hold is a directive.
pub(super) fn directives(text: &str) -> Vec<Comment> {
    let mut found = Vec::new();
    let (open, close) = ("<!--", "-->");
    let mut at = 0;
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let start = line_start;
        line_start += line.len();
        if start < at {
            // Inside a comment that goes over lines.
            continue;
        }
        if let Some(comment) = line_directive(line, start) {
            found.push(comment);
            continue;
        }
        let mut from = start;
        while let Some(place) = text.get(from..line_start).and_then(|rest| rest.find(open)) {
            let body = from + place + open.len();
            from = body;
            if !text.get(body..).is_some_and(is_directive) {
                continue;
            }
            let Some(len) = text.get(body..).and_then(|rest| rest.find(close)) else {
                // Nothing closes this one, so nothing closes any later one.
                return found;
            };
            from = body + len + close.len();
            at = from;
            found.push(Comment {
                span: Span::new(body - open.len(), from),
                body: Span::new(body, body + len),
            });
        }
    }
    found
}

/// The directive that is all of `line`, which begins at byte `start` of the text.
fn line_directive(line: &str, start: usize) -> Option<Comment> {
    let line = line.trim_end();
    let code = line.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let leader = LINE_COMMENTS
        .iter()
        .find(|leader| code.starts_with(**leader))?;
    let body = code.trim_start_matches(leader.chars().next()?);
    is_directive(body).then(|| Comment {
        span: Span::new(start + line.len() - code.len(), start + line.len()),
        body: Span::new(start + line.len() - body.len(), start + line.len()),
    })
}

/// The comments of a Markdown text.
fn markdown(text: &str, is_mdx: bool) -> Vec<Comment> {
    let mark = super::prose::mark_len(text);
    let view = dialect::view(text.get(mark..).unwrap_or_default(), is_mdx);
    let mut found = Vec::new();
    for hidden in &view.hidden {
        let span = Span::new(hidden.span.start() + mark, hidden.span.end() + mark);
        let source = span.of(text).unwrap_or_default();
        if source.starts_with("---") && span.start() == mark {
            front_matter(text, span, &mut found);
        } else if source.starts_with("{/*") || source.starts_with("%%") {
            in_pairs(text, span, &mut found);
        }
    }
    let parser = Parser::new_ext(&view.source, super::prose::options());
    for (event, range) in parser.into_offset_iter() {
        let span = Span::new(range.start + mark, range.end + mark);
        match event {
            Event::InlineHtml(_) | Event::Start(Tag::HtmlBlock) => {
                in_pairs(text, span, &mut found);
            }
            Event::Start(Tag::MetadataBlock(_)) => front_matter(text, span, &mut found),
            _ => {}
        }
    }
    found.sort_by_key(|comment| comment.span);
    // A comment of one kind in one of another is part of it.
    let mut end = 0;
    found.retain(|comment| {
        let is_apart = comment.span.start() >= end;
        end = end.max(comment.span.end());
        is_apart
    });
    found
}

/// Adds the comments between two markers that are in `span`.
fn in_pairs(text: &str, span: Span, found: &mut Vec<Comment>) {
    let mut at = span.start();
    while let Some(rest) = text.get(at..span.end()) {
        let opened = PAIRS.iter().filter_map(|&(open, close)| {
            let place = rest.find(open)?;
            Some((place, open, close))
        });
        let Some((place, open, close)) = opened.min_by_key(|&(place, ..)| place) else {
            return;
        };
        let body = at + place + open.len();
        let Some(len) = text.get(body..span.end()).and_then(|rest| rest.find(close)) else {
            return;
        };
        at = body + len + close.len();
        found.push(Comment {
            span: Span::new(body - open.len(), at),
            body: Span::new(body, body + len),
        });
    }
}

/// Adds the lines of front matter at `span` that are comments.
fn front_matter(text: &str, span: Span, found: &mut Vec<Comment>) {
    let mut at = span.start();
    for line in span.of(text).unwrap_or_default().split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end();
        let code = line.trim_start();
        if let Some(body) = code.strip_prefix('#') {
            let end = start + line.len();
            found.push(Comment {
                span: Span::new(end - code.len(), end),
                body: Span::new(end - body.len(), end),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks;
    use proptest::prelude::*;

    fn bodies(text: &str, language: Language) -> Vec<String> {
        let document = Document::new("x", text, language);
        comments(&document)
            .iter()
            .map(|comment| comment.body.of(text).unwrap().trim().to_owned())
            .collect()
    }

    #[test]
    fn comments_of_html_are_found_in_blocks_and_in_lines() {
        let text = "<!-- one -->\nA line <!-- two --> and <b>b</b><!-- three -->\n\n\
                    <div>\n<!-- four\nlines -->\n</div>\n\n| a <!-- five --> |\n|---|\n| b |\n";
        assert_eq!(
            bodies(text, Language::Markdown),
            ["one", "two", "three", "four\nlines", "five"]
        );
    }

    #[test]
    fn what_is_in_code_or_is_not_closed_is_no_comment() {
        let text = "```\n<!-- a -->\n```\n\n    <!-- b -->\n\nThe `<!-- c -->` mark \\<!-- d --> or\n\
                    {% raw %}<!-- e -->{% endraw %}\n\nand $x <!-- f --> y$\n\nA line <!-- g\n\nNew -->\n";
        assert!(bodies(text, Language::Markdown).is_empty());
        assert!(bodies("<!-- a", Language::Markdown).is_empty());
    }

    #[test]
    fn the_dialects_and_front_matter_have_comments_of_their_own() {
        let text = "---\ntitle: x\n# one\n---\n\nSeen %%two%% again.\n";
        assert_eq!(bodies(text, Language::Markdown), ["one", "two"]);
        let text = "+++\ntitle = \"x\"\n  # one\n+++\n\nText\n";
        assert_eq!(bodies(text, Language::Markdown), ["one"]);
        let text = "Text {/* one\nmore */} here\n";
        assert_eq!(bodies(text, Language::Mdx), ["one\nmore"]);
        assert!(bodies(text, Language::Markdown).is_empty());
    }

    #[test]
    fn a_plain_text_has_only_comments_for_a_tool() {
        let text = "\u{feff}# cspell:ignore a\nText <!-- electroscope-disable-line b --> and <!-- c -->\n\
                    .. spell-checker:ignore d\n// Electroscope-disable\n# a heading\n\
                    cspell:ignore e\n<!-- electroscope-disable\nf -->\n<!-- electroscope-enable\n";
        assert_eq!(
            bodies(text, Language::Plain),
            [
                "cspell:ignore a",
                "electroscope-disable-line b",
                "spell-checker:ignore d",
                "Electroscope-disable",
                "electroscope-disable\nf",
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_moves_no_comment() {
        let text = "\u{feff}<!-- one -->\n";
        let found = comments(&Document::new("x.md", text, Language::Markdown));
        assert_eq!(found[0].span, Span::new(3, 15));
    }

    #[test]
    fn comments_that_are_never_closed_do_not_take_the_square_of_the_time() {
        for piece in [
            "<!-- electroscope-disable ",
            "<!--",
            "<!-- cspell:x\n",
            "# ",
            "<b><!--",
        ] {
            let text = piece.repeat((1 << 18) / piece.len());
            for language in [Language::Plain, Language::Markdown, Language::Mdx] {
                comments(&Document::new("x", text.as_str(), language));
                blocks(&Document::new("x", text.as_str(), language));
            }
        }
    }

    proptest! {
        #[test]
        fn comments_lie_in_order_on_character_borders_with_their_body_inside(
            text in "([-a-z#>`$<|é🙂:/. \n%{}\\*]|<!-- ?|-->|electroscope-|cspell:|\\{/\\*|\\*/\\}|%%|---\n){0,60}"
        ) {
            for language in [Language::Plain, Language::Markdown, Language::Mdx] {
                let mut at = 0;
                for comment in comments(&Document::new("x", text.as_str(), language)) {
                    prop_assert!(comment.span.start() >= at, "{:?} in {:?}", comment, text);
                    prop_assert!(comment.span.start() <= comment.body.start());
                    prop_assert!(comment.body.end() <= comment.span.end());
                    prop_assert!(comment.span.of(&text).is_some() && comment.body.of(&text).is_some());
                    at = comment.span.end();
                }
            }
        }

        #[test]
        fn a_directive_in_a_plain_text_changes_nothing_of_what_is_read_around_it(
            lines in prop::collection::vec("[a-z]{1,8}( [a-z]{1,8}[.,]?){0,5}", 1..8),
            at in 0..8usize,
            is_inline: bool,
        ) {
            let read = |text: &str| -> String {
                let document = Document::new("x.txt", text, Language::Plain);
                let blocks = blocks(&document);
                let texts = blocks.iter().map(|block| crate::BlockText::of(text, block).text().to_owned());
                let text = texts.collect::<Vec<_>>().join(" / ");
                text.split_whitespace().collect::<Vec<_>>().join(" ")
            };
            let mark = "<!-- electroscope-disable-line -->";
            let at = at.min(lines.len() - 1);
            let mut marked = lines.clone();
            match is_inline {
                true => marked[at] += &format!(" {mark}"),
                false => marked.insert(at, mark.to_owned()),
            }
            prop_assert_eq!(read(&marked.join("\n")), read(&lines.join("\n")));
        }
    }
}
