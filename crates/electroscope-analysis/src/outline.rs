//! Where the work on a document can be cut, and which windows each part of it takes.
//!
//! A region is decided with as much of its neighbourhood as that needs, so that a screen of text is
//! planned at once and not after the whole file. What a window says is not known here.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use electroscope_model::{Error, Tokenizer};
use electroscope_text::{Block, Document, Span, blocks};

use super::tokens::{BlockReader, Tokens};
use super::window::{Geometry, Milestone, Window, plan};

/// Prose per region, in bytes: small enough that a screen of text is reached at once, large enough
/// that planning the neighbourhood of its ends twice costs little.
pub(super) const REGION: usize = 16 << 10;

/// What the remembered blocks may take, in bytes: those of a text of about five million bytes, or of
/// ten documents as long as a novel.
const ROOM: usize = 64 << 20;

/// Where the work on one version of a document can be cut. Cheap to make: nothing is tokenised but
/// enough to know whether the text fits in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    blocks: Vec<Block>,
    regions: Vec<Region>,
    /// Whether the text fits in one window.
    fits: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Region {
    blocks: Range<usize>,
    span: Span,
}

impl Outline {
    /// The first of the blocks that hold the `bytes` bytes of prose before block `block`.
    fn before(&self, block: usize, bytes: usize) -> usize {
        let mut left = bytes;
        let far = self.blocks.iter().take(block).rev().take_while(|block| {
            let more = left > 0;
            left = left.saturating_sub(block.span.len() + 1);
            more
        });
        block - far.count()
    }

    /// The block after those that hold the `bytes` bytes of prose from block `block` on.
    fn after(&self, block: usize, bytes: usize) -> usize {
        let mut left = bytes;
        let far = self.blocks.iter().skip(block).take_while(|block| {
            let more = left > 0;
            left = left.saturating_sub(block.span.len() + 1);
            more
        });
        block + far.count()
    }

    /// The blocks of prose of the document.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// How many regions there are; none if there is no prose.
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether there is no prose.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// The bytes of region `region`. Regions are in order and do not overlap.
    pub fn span(&self, region: usize) -> Span {
        self.regions
            .get(region)
            .map_or(Span::default(), |region| region.span)
    }
}

/// The tokenizer and the sizes of windows.
pub(super) struct Planner {
    reader: BlockReader,
    geometry: Geometry,
}

impl Planner {
    /// A planner for windows of `length` tokens, `[CLS]` and `[SEP]` included.
    pub(super) fn new(tokenizer: Arc<Tokenizer>, length: usize) -> Planner {
        Planner {
            reader: BlockReader::new(tokenizer, ROOM),
            geometry: Geometry::for_positions(length),
        }
    }

    /// Sets the tokens of a window at most, `[CLS]` and `[SEP]` included.
    pub(super) fn set_window(&mut self, length: usize) {
        self.geometry = Geometry::for_positions(length);
    }

    pub(super) fn tokenizer(&self) -> &Arc<Tokenizer> {
        self.reader.tokenizer()
    }

    /// The most tokens that a window has room for, special ones excluded.
    pub(super) fn capacity(&self) -> usize {
        self.geometry.capacity
    }

    /// The tokens of `block`, a block of `text`, with bytes counted from where the block begins.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`].
    pub(super) fn read(&mut self, text: &str, block: &Block) -> Result<Arc<Tokens>, Error> {
        self.reader.read(text, block)
    }

    /// Sets how many bytes what is remembered of blocks may take.
    pub(super) fn set_room(&mut self, room: usize) {
        self.reader.set_room(room);
    }

    pub(super) fn forget(&mut self) {
        self.reader.forget();
    }

    /// Finds the prose of `document` and cuts the work on it.
    pub(super) fn outline(&mut self, document: &Document) -> Outline {
        self.cut(document, blocks(document))
    }

    /// The same of many documents, side by side where that is the work.
    pub(super) fn outlines(&mut self, documents: &[&Document]) -> Vec<Outline> {
        let blocks: Vec<Vec<Block>> = documents.par_iter().map(|one| blocks(one)).collect();
        // Where the blocks are that say whether a text fits: half of them, in prose.
        let nearby = 8 * self.geometry.capacity;
        let first = documents
            .iter()
            .zip(&blocks)
            .flat_map(|(document, blocks)| {
                let mut before = 0;
                let first = blocks.iter().take_while(move |block| {
                    let is_near = before < nearby;
                    before += block.span.len();
                    is_near
                });
                first.map(|block| (&*document.text, block))
            });
        let first: Vec<(&str, &Block)> = first.collect();
        // A block that cannot be read is told of when its region is planned.
        let _ = self.reader.read_all(&first);
        let outlines = documents.iter().zip(blocks);
        outlines
            .map(|(document, blocks)| self.cut(document, blocks))
            .collect()
    }

    /// Cuts the work on `document`, whose prose is `blocks`.
    fn cut(&mut self, document: &Document, blocks: Vec<Block>) -> Outline {
        let mut regions: Vec<Region> = Vec::new();
        let mut first = 0;
        let mut len = 0;
        for (at, block) in blocks.iter().enumerate() {
            len += block.span.len();
            if len >= REGION || at + 1 == blocks.len() {
                let span = Span::new(blocks[first].span.start(), block.span.end());
                regions.push(Region {
                    blocks: first..at + 1,
                    span,
                });
                first = at + 1;
                len = 0;
            }
        }
        let mut tokens = 0;
        let fits = blocks.iter().all(|block| {
            let Ok(read) = self.reader.read(&document.text, block) else {
                // It is told of when its region is planned.
                return false;
            };
            tokens += read.len();
            tokens <= self.geometry.capacity
        });
        if fits && let (Some(first), Some(last)) = (blocks.first(), blocks.last()) {
            let span = Span::new(first.span.start(), last.span.end());
            regions = vec![Region {
                blocks: 0..blocks.len(),
                span,
            }];
        }
        Outline {
            blocks,
            regions,
            fits,
        }
    }

    /// The tokens around a region, and the windows whose core begins in it.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`].
    pub(super) fn plan(
        &mut self,
        document: &Document,
        outline: &Outline,
        region: usize,
    ) -> Result<(Tokens, Vec<Window>), Error> {
        let Some(wanted_blocks) = outline.regions.get(region).map(|region| &region.blocks) else {
            return Ok((Tokens::default(), Vec::new()));
        };
        // As much of the neighbourhood as nearly always decides the windows; more if it did not.
        // Tokens are at most as many as bytes, and in prose a fourth or fifth of them.
        let nearby = 16 * self.geometry.capacity;
        let mut margin = nearby;
        loop {
            let blocks = if outline.fits {
                0..outline.blocks.len()
            } else {
                outline.before(wanted_blocks.start, margin)
                    ..outline.after(wanted_blocks.end, margin)
            };
            let mut tokens = Tokens::default();
            // Where the tokens of each block begin, and where the last ones end.
            let mut places = Vec::with_capacity(blocks.len() + 1);
            let near = outline.blocks.get(blocks.clone()).unwrap_or_default();
            let named: Vec<_> = (near.iter())
                .map(|block| (&*document.text, block))
                .collect();
            for (block, read) in near.iter().zip(self.reader.read_all(&named)?) {
                places.push(tokens.len());
                tokens.push(&read, block.span.start());
            }
            places.push(tokens.len());
            let place = |block: usize| {
                let at = block.checked_sub(blocks.start)?;
                places.get(at).copied()
            };
            let wanted =
                place(wanted_blocks.start).unwrap_or(0)..place(wanted_blocks.end).unwrap_or(0);
            // The beginnings of this region and of those after it.
            let milestones: Vec<Milestone> = outline
                .regions
                .iter()
                .skip(region)
                .map(|region| region.blocks.start)
                .take_while(|&first| first < blocks.end)
                .filter_map(|first| {
                    let since = place(outline.before(first, nearby))?;
                    Some(Milestone {
                        at: place(first)?,
                        since,
                    })
                })
                .collect();
            let (from_start, to_end) = (blocks.start == 0, blocks.end == outline.blocks.len());
            let run = tokens.run(from_start, to_end, &milestones);
            match plan(run, wanted, &self.geometry) {
                Some(windows) => return Ok((tokens, windows)),
                // With the whole document at hand there is always an answer.
                None if from_start && to_end => return Ok((tokens, Vec::new())),
                None => margin *= 4,
            }
        }
    }

    /// `[CLS]`, `ids`, `[SEP]`.
    pub(super) fn window(&self, ids: &[u32]) -> Vec<u32> {
        let mut window = Vec::with_capacity(ids.len() + 2);
        window.push(self.tokenizer().cls_id());
        window.extend_from_slice(ids);
        window.push(self.tokenizer().sep_id());
        window
    }
}
