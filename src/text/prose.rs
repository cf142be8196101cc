//! Which bytes of a document are prose, block by block.

use super::{Document, Span};

/// What a stretch of a block is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Read and scored.
    Prose,
    /// Read, since the sentence leans on it, but not scored: inline code and inline math.
    Context,
    /// A space in the text that the reader sees, where the source has a line break and markers.
    Break,
}

/// A stretch of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its bytes in the document.
    pub span: Span,
    /// What it is to the model.
    pub kind: SegmentKind,
}

/// A paragraph, a heading, a list item's text, a table cell: prose with a border on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// From its first segment to its last.
    pub span: Span,
    /// What to read, in order.
    pub segments: Vec<Segment>,
}

/// The blocks of prose of `document`, in order.
pub fn blocks(document: &Document) -> Vec<Block> {
    let _ = document;
    Vec::new()
}
