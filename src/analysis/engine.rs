//! Scores documents: the tokenizer, the model and the cache together.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::model::{Error, Forward, Tokenizer};
use crate::text::{Block, Document, Span, blocks};

use super::cache::{Cache, Key};
use super::finding::{Reading, Token, Word};
use super::tokens::{BlockReader, Tokens};
use super::window::{Begins, Geometry, Milestone, Window, plan};

/// Prose per region, in bytes: small enough that a screen of text is reached at once, large enough
/// that planning the neighbourhood of its ends twice costs little.
const REGION: usize = 16 << 10;

/// Tokens that the model reads in one call. More would not be faster on a CPU, and between calls is
/// where newer work is noticed.
const BATCH: usize = 2048;

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

/// How many windows some work took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Windows that the model read.
    pub computed: usize,
    /// Windows that were remembered, or stood twice in the text.
    pub cached: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.computed += other.computed;
        self.cached += other.cached;
    }
}

/// A model that scores documents, and what it remembers of them.
pub struct Engine {
    reader: BlockReader,
    forward: Arc<dyn Forward>,
    geometry: Geometry,
    cache: Cache,
    batch: usize,
}

impl Engine {
    /// An engine over a model with room for `max_positions` tokens, `[CLS]` and `[SEP]` included.
    pub fn new(
        tokenizer: Arc<Tokenizer>,
        forward: Arc<dyn Forward>,
        max_positions: usize,
    ) -> Engine {
        let geometry = Geometry::for_positions(max_positions);
        Engine {
            reader: BlockReader::new(tokenizer),
            forward,
            geometry,
            cache: Cache::new(),
            batch: BATCH,
        }
    }

    /// Sets how many tokens the model reads in one call. It changes the speed, never the result.
    #[must_use]
    pub fn with_batch(mut self, tokens: usize) -> Engine {
        self.batch = tokens.max(1);
        self
    }

    /// Forgets every answer.
    pub fn forget(&mut self) {
        self.cache.clear();
        self.reader.forget();
    }

    /// Finds the prose of `document` and cuts the work on it.
    pub fn outline(&mut self, document: &Document) -> Outline {
        let blocks = blocks(document);
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
            tokens += self.reader.read(&document.text, block).len();
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

    /// Scores region `region` of `document`, whose outline is `outline`, and hands each window's
    /// answer to `emit` as soon as it is known. The windows whose core begins in the region are its
    /// own, so the regions of a document together give every word once, in whatever order they are
    /// asked for. Windows near `focus`, if there is one, come first.
    ///
    /// Between calls of the model `is_stale` is asked; once it says yes the work ends there.
    ///
    /// # Errors
    ///
    /// Whatever the model's forward pass meets: memory, a device that went away.
    pub fn score_region(
        &mut self,
        document: &Document,
        outline: &Outline,
        region: usize,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Reading),
    ) -> Result<Counts, Error> {
        let (tokens, windows) = self.plan(document, outline, region);
        let mut counts = Counts::default();
        let mut emit_words = |reading: Reading| {
            if !reading.words.is_empty() {
                emit(reading);
            }
        };

        // Windows that are to be computed, by what they read; a text may say the same thing twice.
        let mut waiting: HashMap<Key, Vec<&Window>> = HashMap::new();
        let mut order: Vec<(Key, &Window)> = Vec::new();
        for window in &windows {
            let core = window.core.start - window.reads.start..window.core.end - window.reads.start;
            let key = Key::new(&tokens.ids[window.reads.clone()], core);
            if let Some(answer) = self.cache.get(key) {
                counts.cached += 1;
                emit_words(reading(&tokens, window, &answer));
                continue;
            }
            let twins = waiting.entry(key).or_default();
            if twins.is_empty() {
                order.push((key, window));
            } else {
                counts.cached += 1;
            }
            twins.push(window);
        }

        // Where nobody waits for a place, windows of one length go together, which spares padding.
        order.sort_by_key(|(_, window)| {
            let core = Span::new(
                tokens.spans[window.core.start].start(),
                tokens.spans[window.core.end - 1].end(),
            );
            (
                focus.map_or(0, |focus| focus.distance(core)),
                window.reads.len(),
            )
        });
        // Where somebody waits, a window for each thread: the next ones can be shown before the last
        // ones are read, and newer work is noticed sooner.
        let most = focus.map_or(usize::MAX, |_| rayon::current_num_threads());
        let mut order = order.as_slice();
        while !order.is_empty() && !is_stale() {
            let mut read = 0;
            let fit = order.iter().take_while(|(_, window)| {
                read += window.reads.len() + 2;
                read <= self.batch
            });
            let (batch, rest) = order.split_at(fit.take(most).count().max(1));
            order = rest;
            let inputs: Vec<Vec<u32>> = batch
                .iter()
                .map(|(_, window)| self.input(&tokens, window))
                .collect();
            let inputs: Vec<&[u32]> = inputs.iter().map(Vec::as_slice).collect();
            let logits = self.forward.logits(&inputs)?;
            counts.computed += batch.len();
            for ((key, window), logits) in batch.iter().zip(logits) {
                // The first logit is that of `[CLS]`.
                let from = 1 + window.core.start - window.reads.start;
                let answer: Arc<[f32]> = logits
                    .iter()
                    .skip(from)
                    .take(window.core.len())
                    .map(|&logit| sigmoid(logit))
                    .collect();
                self.cache.put(*key, Arc::clone(&answer));
                for twin in waiting.get(key).into_iter().flatten() {
                    emit_words(reading(&tokens, twin, &answer));
                }
            }
        }
        Ok(counts)
    }

    /// Scores a whole document; the readings are in the order of the text.
    ///
    /// # Errors
    ///
    /// As [`Engine::score_region`].
    pub fn score(&mut self, document: &Document) -> Result<(Vec<Reading>, Counts), Error> {
        let outline = self.outline(document);
        let mut readings = Vec::new();
        let mut counts = Counts::default();
        for region in 0..outline.len() {
            counts += self.score_region(
                document,
                &outline,
                region,
                None,
                &|| false,
                &mut |reading| readings.push(reading),
            )?;
        }
        readings.sort_by_key(|reading| reading.span);
        Ok((readings, counts))
    }

    /// The tokens around a region, and the windows whose core begins in it.
    fn plan(
        &mut self,
        document: &Document,
        outline: &Outline,
        region: usize,
    ) -> (Tokens, Vec<Window>) {
        let Some(wanted_blocks) = outline.regions.get(region).map(|region| &region.blocks) else {
            return (Tokens::default(), Vec::new());
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
            for block in outline.blocks.get(blocks.clone()).unwrap_or_default() {
                places.push(tokens.len());
                let read = self.reader.read(&document.text, block);
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
                Some(windows) => return (tokens, windows),
                // With the whole document at hand there is always an answer.
                None if from_start && to_end => return (tokens, Vec::new()),
                None => margin *= 4,
            }
        }
    }

    /// `[CLS]`, what the window reads, `[SEP]`.
    fn input(&self, tokens: &Tokens, window: &Window) -> Vec<u32> {
        let mut ids = Vec::with_capacity(window.reads.len() + 2);
        ids.push(self.reader.tokenizer().cls_id());
        ids.extend_from_slice(&tokens.ids[window.reads.clone()]);
        ids.push(self.reader.tokenizer().sep_id());
        ids
    }
}

/// The tokens and words of a window's core, with their p.
fn reading(tokens: &Tokens, window: &Window, answer: &[f32]) -> Reading {
    let mut reading = Reading::default();
    let mut open_word = false;
    for (at, &p) in window.core.clone().zip(answer) {
        if !tokens.scored[at] {
            open_word = false;
            continue;
        }
        let span = tokens.spans[at];
        let index = reading.tokens.len() as u32;
        reading.tokens.push(Token { span, p });
        match reading.words.last_mut() {
            Some(word) if open_word && tokens.begins[at] > Begins::Word => {
                word.span = Span::new(word.span.start(), span.end());
                word.p = word.p.max(p);
                word.tokens.end = index + 1;
            }
            _ => reading.words.push(Word {
                span,
                p,
                tokens: index..index + 1,
            }),
        }
        open_word = true;
    }
    let ends = reading.words.first().zip(reading.words.last());
    reading.span = ends.map_or(Span::default(), |(first, last)| {
        Span::new(first.span.start(), last.span.end())
    });
    reading
}

/// The logistic function; exact enough at both ends in f32.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}
