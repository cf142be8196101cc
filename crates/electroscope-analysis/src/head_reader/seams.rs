//! Where the words of a document do not go on, though they stand one after the other.
//!
//! Words and tokens know their bytes and nothing of what stands between them: a list marker, a
//! fence of code, an address. Apart from the tokens, which are the same wherever a block stands.

use electroscope_text::{Block, Document, Segment, SegmentKind, Span};

/// The places where something stands that no run of words goes across, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seams(Vec<u32>);

impl Seams {
    /// The places where an answer and what is tagged as one thing end: at the end of each of `blocks`,
    /// which are those of `document`, and where code, a formula or an address stands between two
    /// words.
    pub(super) fn of(document: &Document, blocks: &[Block]) -> Seams {
        let mut seams = Vec::new();
        for block in blocks {
            seams.push(block.span.start());
            seams.extend(breaks(document, block));
        }
        Seams::at(seams)
    }

    fn at(places: Vec<usize>) -> Seams {
        let places = places
            .into_iter()
            .map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        Seams(places.collect())
    }

    /// Which part between two seams `span` begins in: two spans with the same number go on from one
    /// to the other.
    pub(super) fn part(&self, span: Span) -> usize {
        self.0
            .partition_point(|&seam| seam as usize <= span.start())
    }
}

/// Where in `block` something stands that is not prose and that a reader would miss: what the model
/// reads as a mere space if it has letters or digits, such as an address, and what it reads without
/// being asked about it.
fn breaks(document: &Document, block: &Block) -> impl Iterator<Item = usize> {
    let text = &document.text;
    let breaks = |segment: &&Segment| match segment.kind {
        SegmentKind::Prose | SegmentKind::Entity(..) => false,
        SegmentKind::Context => true,
        SegmentKind::Break => {
            let source = segment.span.of(text).unwrap_or_default();
            source.contains(|c: char| c.is_alphanumeric())
        }
    };
    let segments = block.segments.iter().filter(breaks);
    segments.map(|segment| segment.span.start())
}
