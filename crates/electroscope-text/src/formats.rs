//! The formats beside Markdown and plain text: what is prose in them, and what is a comment.
//!
//! Each has a reader of its own with the laws of Markdown's: only prose is scored, all positions are
//! those of the source, a word that markup runs through is one word, and a block of the format is a
//! block here. Typst is read by the parser of Typst and HTML by a tokenizer of the standard. The
//! others have readers of lines, or of bytes for LaTeX and for programs, written here: their
//! parsers in Rust either give no positions inside a paragraph or are no longer kept, and grammars of
//! tree-sitter are megabytes of generated C for what is a few hundred lines.

mod asciidoc;
mod code;
mod excerpt;
mod html;
mod inline;
mod latex;
mod lexer;
mod org;
mod rst;
mod typst;

use crate::comments::Comment;
use crate::{Block, Language};

/// What a text is made of.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Its prose, in order.
    pub(super) blocks: Vec<Block>,
    /// Its comments, in order.
    pub(super) comments: Vec<Comment>,
}

/// Reads a text in one of the formats of this module.
pub(super) fn parse(text: &str, language: Language) -> Parsed {
    match language {
        Language::ReStructuredText => rst::read(text),
        Language::AsciiDoc => asciidoc::read(text),
        Language::Latex => latex::read(text),
        Language::Org => org::read(text),
        Language::Typst => typst::read(text),
        Language::Html => html::read(text),
        Language::Code(language) => code::read(text, language),
        // These have readers of their own.
        Language::Plain | Language::Markdown | Language::Mdx | Language::ByFirstLine => {
            Parsed::default()
        }
    }
}

#[cfg(test)]
mod tests;
