//! A label for each word of a document, and the entities that they mark.
//!
//! The windows are those of scoring, region by region, so that each word is read with the same
//! context on both sides wherever it stands. How labels mark entities is [`decode::Scheme`]'s
//! business.

use std::ops::Range;

use electroscope_model::{HeadInput, Logits, Task};
use electroscope_text::{AsRead, Document, Span};

use super::super::cache::Key;
use super::super::decode;
use super::super::finding::{EntityAt, TaggedWord, Tagging};
use super::super::passes::{Counts, Pass, Passes};
use super::super::tokens::Tokens;
use super::super::window::{Begins, Window};
use super::{Handing, HeadReader, ReadError, Seams, single};

/// What the head says of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tag {
    label: u16,
    p: f32,
}

impl Tag {
    /// The likeliest of a row of logits. A label that has no small number, of which no tagger has
    /// ever been known, shares the largest.
    fn of(row: &[f32]) -> Tag {
        let (label, p) = decode::likeliest(row).unwrap_or_default();
        Tag {
            label: u16::try_from(label).unwrap_or(u16::MAX),
            p,
        }
    }
}

/// What words do not say of the document that they stand in.
#[derive(Clone, Debug, Default)]
pub(super) struct TaggedText {
    /// Where no entity goes on.
    seams: Seams,
    read: AsRead,
}

impl HeadReader {
    /// Gives each word of `document` a label: that of its first piece. Each window's words are handed
    /// to `emit` as soon as they are known; without a `focus` in the order of the text, with one those
    /// near it first.
    ///
    /// Between calls of the model `is_stale` is asked; once it says yes the work ends there.
    ///
    /// # Errors
    ///
    /// [`ReadError::WrongTask`], and whatever the model's forward pass meets.
    pub fn tag(
        &mut self,
        document: &Document,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Tagging),
    ) -> Result<Counts, ReadError> {
        self.check(Task::Tagging)?;
        let outline = self.planner.outline(document);
        self.tagged = TaggedText {
            seams: Seams::of(document, outline.blocks()),
            read: AsRead::of_blocks(document, outline.blocks().to_vec()),
        };
        let mut regions: Vec<usize> = (0..outline.len()).collect();
        let distance = |span: Span| focus.map_or(0, |focus| focus.distance(span));
        regions.sort_by_key(|&region| distance(outline.span(region)));

        let mut counts = Counts::default();
        for region in regions {
            if is_stale() {
                break;
            }
            let (tokens, mut windows) = self.planner.plan(document, &outline, region)?;
            windows.sort_by_key(|window| distance(tokens.span(window.core.clone())));
            let inputs: Vec<HeadInput> = (windows.iter())
                .map(|window| single(self.planner.window(&tokens.ids[window.reads.clone()])))
                .collect();
            let wanted: Vec<Pass> = (windows.iter().zip(&inputs))
                .map(|(window, input)| {
                    let core = window.core_in_window();
                    Pass {
                        key: Key::new(&input.ids, 1 + core.start..1 + core.end),
                        tokens: input.ids.len(),
                        distance: distance(tokens.span(window.core.clone())),
                    }
                })
                .collect();
            let mut handing = Handing::new(windows.len(), focus.is_some());
            let forward = &*self.forward;
            let passes = Passes {
                batch: self.batch,
                is_watched: focus.is_some(),
                is_stale,
            };
            let whole = passes.make(
                &wanted,
                &mut self.tags,
                &mut counts,
                |numbers| {
                    let chosen: Vec<HeadInput> =
                        numbers.iter().map(|&at| inputs[at].clone()).collect();
                    let logits = forward.logits(&chosen)?;
                    let tags = numbers
                        .iter()
                        .zip(logits)
                        .map(|(&at, logits): (_, Logits)| {
                            // The first row is that of `[CLS]`.
                            let core = windows[at].core_in_window();
                            let rows = logits.rows().skip(1 + core.start).take(core.len());
                            rows.map(Tag::of).collect()
                        });
                    Ok(tags.collect())
                },
                |at, tags| {
                    let tagging = tagging(&tokens, &windows[at], tags);
                    handing.put(at, tagging, &mut |tagging| {
                        if !tagging.words.is_empty() {
                            emit(tagging);
                        }
                    });
                },
            )?;
            if !whole {
                break;
            }
        }
        Ok(counts)
    }

    /// The entities of `words`, some or all words of the document that was tagged last, in the order
    /// of the text.
    ///
    /// An entity does not go on from one block of prose to the next, nor past code that stands in a
    /// sentence or an address. It is not cut at a hyphen inside a compound (`Coca-Cola`), and begins
    /// and ends with no dash, bracket or quotation mark; one of nothing else is none. Words do not say
    /// what stands between them, so [`HeadReader::tag`] remembers its last document; of the words of
    /// another the entities may be parted where they should not be.
    pub fn entities(&self, words: &[TaggedWord]) -> Vec<EntityAt> {
        let TaggedText { seams, read } = &self.tagged;
        let mut found = Vec::new();
        let goes_on = |a: &TaggedWord, b: &TaggedWord| seams.part(a.span) == seams.part(b.span);
        for words in words.chunk_by(goes_on) {
            let labels: Vec<(usize, f32)> = (words.iter())
                .map(|word| (usize::from(word.label), word.p))
                .collect();
            let mut entities = self.scheme.entities(&labels);
            if self.scheme.has_prefixes() {
                let is_hyphen = |at: usize| {
                    let before = at.checked_sub(1).and_then(|before| words.get(before));
                    let (Some(before), Some(word), Some(after)) =
                        (before, words.get(at), words.get(at + 1))
                    else {
                        return false;
                    };
                    before.span.end() == word.span.start()
                        && word.span.end() == after.span.start()
                        && matches!(&*read.text(word.span), "-" | "\u{2010}" | "\u{2011}")
                };
                entities = decode::joined(entities, &labels, &is_hyphen);
                entities.retain_mut(|entity| {
                    let is_edge = |at: usize| {
                        let word = words.get(at);
                        word.is_some_and(|word| {
                            word.is_punctuation && is_outer(&read.text(word.span))
                        })
                    };
                    entity.trim(&labels, &is_edge);
                    let words = words.get(entity.words.clone()).unwrap_or_default();
                    words.iter().any(|word| !word.is_punctuation)
                });
            }
            for entity in entities {
                let words = words.get(entity.words).unwrap_or_default();
                let (Some(first), Some(last)) = (words.first(), words.last()) else {
                    continue;
                };
                let span = Span::new(first.span.start(), last.span.end());
                found.push(EntityAt {
                    label: entity.label,
                    span,
                    text: read.text(span).into_owned(),
                    p: entity.p,
                });
            }
        }
        found
    }

    /// Whether its labels mark entities at all; parts of speech, say, do not.
    pub fn marks_entities(&self) -> bool {
        self.scheme.marks_entities()
    }
}

/// Whether a mark of punctuation stands around names rather than in them.
fn is_outer(mark: &str) -> bool {
    let is_outer = |c: char| {
        matches!(
            c,
            '-' | '*' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '"' | '\'' | '|' | '/' | ',' | ';' | ':'
                | '«' | '»' | '•' | '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201f}' | '\u{2039}' | '\u{203a}'
        )
    };
    mark.chars().all(is_outer)
}

/// The words that begin in a window's core, whole even if they end behind it.
fn tagging(tokens: &Tokens, window: &Window, tags: &[Tag]) -> Tagging {
    let mut words = Vec::new();
    for (at, tag) in window.core.clone().zip(tags) {
        if tokens.scored[at] && tokens.begins[at] <= Begins::Word {
            let pieces = word(tokens, at);
            let punctuation = tokens.punctuation.get(pieces.clone());
            words.push(TaggedWord {
                span: tokens.span(pieces),
                label: tag.label,
                p: tag.p,
                is_punctuation: punctuation.is_some_and(|pieces| !pieces.contains(&false)),
            });
        }
    }
    let ends = words.first().zip(words.last());
    let span = ends.map_or(Span::default(), |(first, last)| {
        Span::new(first.span.start(), last.span.end())
    });
    Tagging { span, words }
}

/// The pieces of the word that begins at token `first`.
fn word(tokens: &Tokens, first: usize) -> Range<usize> {
    let rest = tokens.begins.iter().skip(first + 1);
    let more = rest.take_while(|&&begins| begins > Begins::Word).count();
    first..first + 1 + more
}
