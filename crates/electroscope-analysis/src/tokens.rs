//! From blocks of prose to tokens with their bytes in the document.
//!
//! Tokenising is the dear part of planning, and an edit leaves nearly all blocks as they were, so
//! what became of a block is remembered by what it says.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use electroscope_model::{Error, Piece, Tokenizer};
use electroscope_text::{
    Block, BlockText, Segment, SegmentKind, Span, is_punctuation, sentences, word_starts,
};

use super::cache::{Cache, Weigh};
use super::window::{Begins, Milestone, Run};

/// The tokens of a run of blocks, column by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    /// Ids in the model's vocabulary.
    pub(super) ids: Vec<u32>,
    /// What begins at each.
    pub(super) begins: Vec<Begins>,
    /// The bytes of each in the document.
    pub(super) spans: Vec<Span>,
    /// Whether each is prose; the rest is only read.
    pub(super) scored: Vec<bool>,
    /// Whether each has neither a letter nor a digit.
    pub(super) punctuation: Vec<bool>,
}

impl Tokens {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The run as the window planner wants it.
    pub(super) fn run<'a>(
        &'a self,
        from_start: bool,
        to_end: bool,
        milestones: &'a [Milestone],
    ) -> Run<'a> {
        Run {
            ids: &self.ids,
            begins: &self.begins,
            from_start,
            to_end,
            milestones,
        }
    }

    /// Some of them as the planner wants a text that is nothing else.
    pub(super) fn run_of(&self, part: Range<usize>) -> Run<'_> {
        Run {
            ids: self.ids.get(part.clone()).unwrap_or_default(),
            begins: self.begins.get(part).unwrap_or_default(),
            from_start: true,
            to_end: true,
            milestones: &[],
        }
    }

    /// From the first byte of the first of some tokens to the last byte of the last.
    pub(super) fn span(&self, tokens: Range<usize>) -> Span {
        match self.spans.get(tokens).unwrap_or_default() {
            [] => Span::default(),
            [only] => *only,
            [first, .., last] => Span::new(first.start(), last.end()),
        }
    }

    /// Appends the tokens of a block that begins at byte `start` of the document.
    pub(super) fn push(&mut self, block: &Tokens, start: usize) {
        self.ids.extend_from_slice(&block.ids);
        self.begins.extend_from_slice(&block.begins);
        self.scored.extend_from_slice(&block.scored);
        self.punctuation.extend_from_slice(&block.punctuation);
        let placed = |span: &Span| Span::new(start + span.start(), start + span.end());
        self.spans.extend(block.spans.iter().map(placed));
    }

    /// The tokens of `block`, a block of `text`, with bytes counted from where the block begins.
    fn of_block(tokenizer: &Tokenizer, text: &str, block: &Block) -> Result<Tokens, Error> {
        let mut tokens = Tokens::default();
        let read = BlockText::of(text, block);
        let pieces = tokenizer.encode(read.text())?;
        let starts = sentences(read.text());
        let mut next_sentence = starts.iter().copied().skip(1).peekable();
        let mut next_words = word_starts(read.text()).peekable();
        // Where the word begins that the text is at.
        let mut word = 0;
        let mut word_start = 0;
        let mut last: Option<&Piece> = None;
        for piece in &pieces {
            let (start, end) = (piece.start as usize, piece.end as usize);
            while let Some(begin) = next_words.next_if(|&begin| begin <= start) {
                word = begin;
            }
            // A word is whole whatever pieces the tokenizer makes of it. One piece may be of several
            // words, such as the unknown one; they are one then.
            let mut begins = match last {
                None => Begins::Block,
                Some(last) if last.end > piece.start => Begins::Part,
                Some(last) if last.end as usize <= word => Begins::Word,
                Some(_) => Begins::Piece,
            };
            while next_sentence
                .next_if(|&sentence| sentence <= start)
                .is_some()
            {
                if begins == Begins::Word {
                    begins = Begins::Sentence;
                }
            }
            if begins <= Begins::Word {
                tokens.score_whole_words(word_start);
                word_start = tokens.len();
            }
            last = Some(piece);
            let (span, is_prose) = read.source(start..end);
            let origin = block.span.start();
            let span = Span::new(
                span.start().saturating_sub(origin),
                span.end().saturating_sub(origin),
            );
            tokens.ids.push(piece.id);
            tokens.begins.push(begins);
            tokens.spans.push(span);
            tokens.scored.push(is_prose);
            let piece = read.text().get(start..end);
            tokens.punctuation.push(piece.is_none_or(is_punctuation));
        }
        tokens.score_whole_words(word_start);
        Ok(tokens)
    }

    /// A word that is partly code, such as the plural of one, is not scored at all.
    fn score_whole_words(&mut self, from: usize) {
        if self.scored[from..].iter().any(|&scored| !scored) {
            self.scored[from..].fill(false);
        }
    }
}

/// The tokenizer, and the tokens of the blocks that it read last.
pub(super) struct BlockReader {
    tokenizer: Arc<Tokenizer>,
    known: Cache<Tokens, u128>,
}

impl BlockReader {
    /// A reader whose remembered blocks may take `room` bytes.
    pub(super) fn new(tokenizer: Arc<Tokenizer>, room: usize) -> BlockReader {
        BlockReader {
            tokenizer,
            known: Cache::new(room),
        }
    }

    pub(super) fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// The tokens of `block`, a block of `text`, with bytes counted from where the block begins.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`].
    pub(super) fn read(&mut self, text: &str, block: &Block) -> Result<Arc<Tokens>, Error> {
        let key = content(text, block);
        if let Some(tokens) = self.known.get(key) {
            return Ok(tokens);
        }
        let tokens = Arc::new(Tokens::of_block(&self.tokenizer, text, block)?);
        self.known.put(key, Arc::clone(&tokens));
        Ok(tokens)
    }

    /// The same of many blocks, each with the text that it is a block of. Those that are new are
    /// tokenised side by side.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::encode`].
    pub(super) fn read_all(
        &mut self,
        blocks: &[(&str, &Block)],
    ) -> Result<Vec<Arc<Tokens>>, Error> {
        let keys = blocks.iter().map(|(text, block)| content(text, block));
        let known: Vec<(u128, Option<Arc<Tokens>>)> =
            keys.map(|key| (key, self.known.get(key))).collect();
        // What stands twice is tokenised once.
        let mut new: HashMap<u128, (&str, &Block)> = HashMap::new();
        for ((key, tokens), &block) in known.iter().zip(blocks) {
            if tokens.is_none() {
                new.insert(*key, block);
            }
        }
        let tokenizer = &*self.tokenizer;
        let new: HashMap<u128, Arc<Tokens>> = (new.into_par_iter())
            .map(|(key, (text, block))| {
                let tokens = Tokens::of_block(tokenizer, text, block)?;
                Ok((key, Arc::new(tokens)))
            })
            .collect::<Result<_, Error>>()?;
        let all = known.into_iter().filter_map(|(key, tokens)| match tokens {
            Some(tokens) => Some(tokens),
            None => new.get(&key).map(|tokens| {
                self.known.put(key, Arc::clone(tokens));
                Arc::clone(tokens)
            }),
        });
        Ok(all.collect())
    }

    /// Sets how many bytes the remembered blocks may take.
    pub(super) fn set_room(&mut self, room: usize) {
        self.known.set_room(room);
    }

    pub(super) fn forget(&mut self) {
        self.known.clear();
    }
}

impl Weigh for Tokens {
    fn weight(&self) -> usize {
        /// The map's entry, its links, and the heads of four vectors with what the allocator adds.
        const ENTRY: usize = 320;
        const TOKEN: usize = size_of::<u32>() + size_of::<Begins>() + size_of::<Span>() + 2;
        ENTRY + TOKEN * self.len()
    }
}

/// A hash of all that the tokens of `block` depend on.
fn content(text: &str, block: &Block) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
    let origin = block.span.start();
    for &Segment { span, kind } in &block.segments {
        let (start, end) = (
            span.start().saturating_sub(origin),
            span.end().saturating_sub(origin),
        );
        hash.update(&(start as u32).to_le_bytes());
        hash.update(&(end as u32).to_le_bytes());
        // What an entity stands for is in its bytes.
        hash.update(&[match kind {
            SegmentKind::Prose => 0,
            SegmentKind::Context => 1,
            SegmentKind::Break => 2,
            SegmentKind::Entity(..) => 3,
        }]);
    }
    hash.update(block.span.of(text).unwrap_or_default().as_bytes());
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_the_same_text_that_are_read_differently_are_not_confused() {
        let text = "one two";
        let block = |parts: [(usize, usize, SegmentKind); 2]| {
            let segments: Vec<Segment> = parts
                .iter()
                .map(|&(start, end, kind)| Segment {
                    span: Span::new(start, end),
                    kind,
                })
                .collect();
            Block {
                span: Span::new(0, 7),
                segments,
            }
        };
        use SegmentKind::{Break, Context, Prose};
        let contents = [
            [(0, 4, Prose), (4, 7, Prose)],
            [(0, 4, Prose), (4, 7, Context)],
            [(0, 4, Break), (4, 7, Prose)],
            [(0, 3, Prose), (4, 7, Prose)],
            [(0, 3, Prose), (3, 7, Prose)],
        ]
        .map(|parts| content(text, &block(parts)));
        for (at, content) in contents.iter().enumerate() {
            assert!(!contents[..at].contains(content), "block {at}");
        }
    }

    /// The tokenizer of the built-in models.
    fn tokenizer() -> Arc<Tokenizer> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join("../../assets/builtin/vocab.txt");
        let vocabulary = std::fs::read(&path).unwrap();
        let options = electroscope_model::VocabularyOptions::default();
        Arc::new(Tokenizer::from_vocabulary(&vocabulary, options, &path).unwrap())
    }

    #[test]
    fn what_is_remembered_of_a_block_does_not_depend_on_where_it_stands() {
        let tokenizer = tokenizer();
        let mut reader = BlockReader::new(tokenizer, 1 << 20);
        let text = "The boats wait.\n\nThe boats wait.";
        let document =
            electroscope_text::Document::new("x", text, electroscope_text::Language::Plain);
        let blocks = electroscope_text::blocks(&document);
        let first = reader.read(text, &blocks[0]).unwrap();
        assert!(Arc::ptr_eq(&first, &reader.read(text, &blocks[1]).unwrap()));
        let mut tokens = Tokens::default();
        tokens.push(&first, blocks[1].span.start());
        let shown: Vec<&str> = tokens
            .spans
            .iter()
            .filter_map(|span| span.of(text))
            .collect();
        assert_eq!(shown, ["The", "boats", "wait", "."]);
        assert_eq!(tokens.spans[0].start(), 17);
    }

    #[test]
    fn remembering_stays_within_its_bounds() {
        let tokenizer = tokenizer();
        let mut reader = BlockReader::new(tokenizer, 1_000);
        let text: String = (0..50).map(|n| format!("word {n}\n\n")).collect();
        let document =
            electroscope_text::Document::new("x", text, electroscope_text::Language::Plain);
        for block in electroscope_text::blocks(&document) {
            reader.read(&document.text, &block).unwrap();
        }
        assert!(
            (1..5).contains(&reader.known.len()),
            "{}",
            reader.known.len()
        );
        assert!(reader.known.weight() <= 1_000);
    }
}
