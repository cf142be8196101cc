//! Names a word by its content, so that it is known again after the text around it has moved.
//!
//! A word is known by itself and the two words on each side of it in its block, all folded. Where it stands
//! in the document does not count, nor what stands in other blocks.

use electroscope_text::{AsRead, Block, Document, Span, blocks};

use super::finding::Word;
use super::readings::Readings;
use super::spelling;

/// Words on each side that a word is known by.
const CONTEXT: usize = 2;

/// A word and those beside it in its block.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WordInContext {
    /// The word, folded.
    pub word: String,
    /// Up to two words or marks of punctuation before it, in the order of the text.
    pub before: Vec<String>,
    /// Up to two after it.
    pub after: Vec<String>,
}

/// The words of a document, to be named by their content.
#[derive(Debug)]
pub struct WordsInContext<'a> {
    read: &'a AsRead,
    blocks: Vec<Block>,
    words: Vec<Word>,
}

impl<'a> WordsInContext<'a> {
    /// Those of `document`, as its reader sees them.
    pub fn new(document: &Document, readings: &Readings, read: &'a AsRead) -> WordsInContext<'a> {
        WordsInContext {
            read,
            blocks: blocks(document),
            words: readings.words().collect(),
        }
    }

    /// The word at `span` with what is beside it.
    pub fn at(&self, span: Span) -> WordInContext {
        let at = (self.words).partition_point(|word| word.span.start() < span.start());
        let block = (self.blocks).partition_point(|block| block.span.end() <= span.start());
        let block = self.blocks.get(block).map_or(span, |block| block.span);
        let folded = |word: &Word| spelling::folded(&self.read.text(word.span));
        let is_beside = |word: &&Word| block.overlaps(word.span);
        let before = self.words.get(..at).unwrap_or_default().iter().rev();
        let mut before: Vec<String> = (before.take(CONTEXT).take_while(is_beside))
            .map(folded)
            .collect();
        before.reverse();
        let after = self.words.get(at + 1..).unwrap_or_default().iter();
        let after = after.take(CONTEXT).take_while(is_beside).map(folded);
        WordInContext {
            word: spelling::folded(&self.read.text(span)),
            before,
            after: after.collect(),
        }
    }
}
