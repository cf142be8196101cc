//! From blocks of prose to tokens with their bytes in the document.

use crate::model::Tokenizer;
use crate::text::{Block, SegmentKind, Span, sentences};

use super::window::{Begins, Run};

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
}

impl Tokens {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The run as the window planner wants it.
    pub(super) fn run(&self, from_start: bool, to_end: bool) -> Run<'_> {
        Run {
            ids: &self.ids,
            begins: &self.begins,
            from_start,
            to_end,
        }
    }

    /// Appends the tokens of `block`, a block of `text`.
    pub(super) fn push_block(&mut self, tokenizer: &Tokenizer, text: &str, block: &Block) {
        let rendered = Rendered::of(text, block);
        let pieces = tokenizer.encode(&rendered.text);
        let starts = sentences(&rendered.text);
        let mut next_sentence = starts.iter().copied().skip(1).peekable();
        let mut word_start = self.len();
        let mut last_word = None;
        for piece in &pieces {
            let (start, end) = (piece.start as usize, piece.end as usize);
            let mut begins = match last_word {
                None => Begins::Block,
                Some(word) if word != piece.word => Begins::Word,
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
            if begins != Begins::Piece {
                self.score_whole_words(word_start);
                word_start = self.len();
            }
            last_word = Some(piece.word);
            let (span, kind) = rendered.source(start, end);
            self.ids.push(piece.id);
            self.begins.push(begins);
            self.spans.push(span);
            self.scored.push(kind == SegmentKind::Prose);
        }
        self.score_whole_words(word_start);
    }

    /// A word that is partly code, such as the plural of one, is not scored at all.
    fn score_whole_words(&mut self, from: usize) {
        if self.scored[from..].iter().any(|&scored| !scored) {
            self.scored[from..].fill(false);
        }
    }
}

/// A block's text as its reader sees it, and where each part of it stands in the source.
struct Rendered<'a> {
    text: std::borrow::Cow<'a, str>,
    parts: Vec<Part>,
}

struct Part {
    /// First byte in the rendered text.
    at: usize,
    /// Its bytes in the source.
    span: Span,
    kind: SegmentKind,
}

impl<'a> Rendered<'a> {
    fn of(text: &'a str, block: &Block) -> Rendered<'a> {
        if let [only] = block.segments.as_slice() {
            let part = Part {
                at: 0,
                span: only.span,
                kind: only.kind,
            };
            return Rendered {
                text: only.span.of(text).unwrap_or_default().into(),
                parts: vec![part],
            };
        }
        let mut rendered = String::with_capacity(block.span.len());
        let mut parts = Vec::with_capacity(block.segments.len());
        for segment in &block.segments {
            parts.push(Part {
                at: rendered.len(),
                span: segment.span,
                kind: segment.kind,
            });
            match segment.kind {
                SegmentKind::Break => rendered.push(' '),
                SegmentKind::Prose | SegmentKind::Context => {
                    rendered.push_str(segment.span.of(text).unwrap_or_default());
                }
            }
        }
        Rendered {
            text: rendered.into(),
            parts,
        }
    }

    /// The source bytes of `start..end` of the rendered text, and what they are: prose only if all
    /// of them are.
    fn source(&self, start: usize, end: usize) -> (Span, SegmentKind) {
        let part_of = |byte: usize| {
            self.parts
                .partition_point(|part| part.at <= byte)
                .saturating_sub(1)
        };
        let (first, last) = (part_of(start), part_of(end.max(start + 1) - 1));
        let place = |part: usize, byte: usize| {
            self.parts.get(part).map_or(0, |part| {
                (part.span.start() + byte - part.at).min(part.span.end())
            })
        };
        let parts = self.parts.get(first..=last).unwrap_or_default();
        let kind = parts
            .iter()
            .map(|part| part.kind)
            .find(|&kind| kind != SegmentKind::Prose);
        (
            Span::new(place(first, start), place(last, end)),
            kind.unwrap_or(SegmentKind::Prose),
        )
    }
}
