//! All that was found in a document, packed.
//!
//! Apart from [`Reading`], whose tokens and words can be pointed at: a document as long as ten novels
//! has millions of each, which would take more than the model, while who prints them goes through
//! once or twice. Knows nothing of how they came about.

use std::ops::Range;

use electroscope_text::Span;

use super::error_kind::ErrorKind;
use super::finding::{Reading, Token, Word};

/// Bytes of a buffer of packed tokens. Much smaller ones would leave holes in the memory between them,
/// and one that grows would leave those that it grew out of.
const BUFFER: usize = 256 << 10;

/// The readings of a document, in the order of the text. About six bytes a token.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    parts: Vec<Part>,
    /// Token by token: the bytes since the one before, its own bytes, whether a word begins with it,
    /// whether that is punctuation, its kind of error if it has one, its p.
    buffers: Vec<Vec<u8>>,
}

/// Where a reading is packed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    span: Span,
    buffer: usize,
    tokens: Range<usize>,
}

/// The same readings in the same order; how they came to be packed does not matter.
impl PartialEq for Readings {
    fn eq(&self, other: &Readings) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Readings {
    /// Takes up one more; which of them come first does not matter.
    pub fn push(&mut self, reading: &Reading) {
        let mut packed = Vec::with_capacity(8 * reading.tokens.len());
        pack(reading, &mut packed);
        let fits = |buffer: &Vec<u8>| buffer.capacity() - buffer.len() >= packed.len();
        if !self.buffers.last().is_some_and(fits) {
            // A short document takes no more than it says.
            let room = match self.buffers.len() {
                0 => packed.len(),
                1 => BUFFER / 8,
                _ => BUFFER,
            };
            self.buffers
                .push(Vec::with_capacity(room.max(packed.len())));
        }
        let buffer = self.buffers.len() - 1;
        let mut part = Part {
            span: reading.span,
            buffer,
            tokens: 0..0,
        };
        if let Some(last) = self.buffers.last_mut() {
            part.tokens = last.len()..last.len() + packed.len();
            last.extend_from_slice(&packed);
        }
        let place = self.parts.partition_point(|other| other.span <= part.span);
        self.parts.insert(place, part);
    }

    /// The readings in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = Reading> {
        self.parts.iter().map(|part| {
            let buffer = self.buffers.get(part.buffer);
            let tokens = buffer.and_then(|buffer| buffer.get(part.tokens.clone()));
            unpack(part.span, tokens.unwrap_or_default())
        })
    }

    /// The scored pieces in the order of the text.
    pub fn tokens(&self) -> impl Iterator<Item = Token> {
        self.iter().flat_map(|reading| reading.tokens)
    }

    /// The scored words in the order of the text.
    pub fn words(&self) -> impl Iterator<Item = Word> {
        self.iter().flat_map(|reading| reading.words)
    }
}

impl<'r> FromIterator<&'r Reading> for Readings {
    fn from_iter<I: IntoIterator<Item = &'r Reading>>(all: I) -> Readings {
        let mut readings = Readings::default();
        all.into_iter().for_each(|reading| readings.push(reading));
        readings
    }
}

/// Writes the tokens of a reading.
fn pack(reading: &Reading, to: &mut Vec<u8>) {
    let mut end = reading.span.start();
    for word in &reading.words {
        for (number, token) in reading.pieces(word).iter().enumerate() {
            // Pieces of one character have the same bytes, so the next may begin before the last one's
            // end.
            let back = end.saturating_sub(token.span.start());
            let gap = token.span.start().saturating_sub(end);
            put(to, gap << 1 | usize::from(back > 0));
            if back > 0 {
                put(to, back);
            }
            let begins = usize::from(number == 0);
            let is_punctuation = usize::from(word.is_punctuation);
            let kind = word.kind.filter(|_| number == 0);
            let has_kind = usize::from(kind.is_some());
            put(
                to,
                token.span.len() << 3 | has_kind << 2 | is_punctuation << 1 | begins,
            );
            to.extend(kind.map(|kind| kind as u8));
            to.extend_from_slice(&token.p.to_le_bytes());
            end = token.span.end();
        }
    }
}

fn unpack(span: Span, mut tokens: &[u8]) -> Reading {
    let mut reading = Reading {
        span,
        ..Reading::default()
    };
    let mut end = span.start();
    while let Some(PackedToken {
        token,
        begins,
        is_punctuation,
        kind,
    }) = next(&mut tokens, end)
    {
        end = token.span.end();
        reading.tokens.push(token);
        let count = reading.tokens.len() as u32;
        match reading.words.last_mut() {
            Some(word) if !begins => {
                word.span = Span::new(word.span.start(), end);
                word.p = word.p.max(token.p);
                word.tokens.end = count;
            }
            _ => reading.words.push(Word {
                span: token.span,
                p: token.p,
                tokens: count - 1..count,
                is_punctuation,
                kind,
            }),
        }
    }
    reading
}

/// A token, as it is packed.
struct PackedToken {
    token: Token,
    /// Whether a word begins with it.
    begins: bool,
    /// Whether the word is punctuation.
    is_punctuation: bool,
    /// The kind of error of the word that begins with it.
    kind: Option<ErrorKind>,
}

/// Takes the next token, which comes after byte `end`.
fn next(bytes: &mut &[u8], end: usize) -> Option<PackedToken> {
    let gap = take(bytes)?;
    let back = if gap & 1 == 1 { take(bytes)? } else { 0 };
    let start = (end + (gap >> 1)).saturating_sub(back);
    let len = take(bytes)?;
    let kind = match len & 4 {
        0 => None,
        _ => {
            let (&kind, rest) = bytes.split_first()?;
            *bytes = rest;
            ErrorKind::ALL.get(usize::from(kind)).copied()
        }
    };
    let (p, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    let span = Span::new(start, start + (len >> 3));
    let p = f32::from_le_bytes(*p);
    Some(PackedToken {
        token: Token { span, p },
        begins: len & 1 == 1,
        is_punctuation: len & 2 == 2,
        kind,
    })
}

/// Writes a number, seven bits a byte, the low ones first; the high bit says that more come.
fn put(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<usize> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reading of words that are each so many bytes after the last, of pieces with these lengths.
    fn reading(start: usize, words: &[(usize, Vec<(usize, f32)>)]) -> Reading {
        let mut reading = Reading::default();
        let mut at = start;
        for (gap, pieces) in words {
            at += gap;
            let first = reading.tokens.len() as u32;
            let begin = at;
            let mut most = 0.0_f32;
            for &(len, p) in pieces {
                // A piece of no length of its own is a part of the character before it.
                let from = if len == 0 {
                    at - (at - begin).min(3)
                } else {
                    at
                };
                at += len;
                let span = Span::new(from, at);
                reading.tokens.push(Token { span, p });
                most = most.max(p);
            }
            reading.words.push(Word {
                span: Span::new(begin, at),
                p: most,
                tokens: first..reading.tokens.len() as u32,
                is_punctuation: words.len() % 2 == 1,
                kind: ErrorKind::ALL.get(words.len() + begin % 3).copied(),
            });
        }
        reading.span = Span::new(start + words.first().map_or(0, |word| word.0), at);
        reading
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_as_it_was_and_in_order(
            words in prop::collection::vec(
                (0usize..100_000, prop::collection::vec((0usize..300, 0.0f32..=1.0), 1..5)), 1..40,
            ),
            starts in prop::collection::vec(0usize..1 << 30, 1..5),
        ) {
            let mut all: Vec<Reading> = starts.iter().map(|&start| reading(start, &words)).collect();
            let readings: Readings = all.iter().collect();
            all.sort_by_key(|reading| reading.span);
            prop_assert_eq!(readings.iter().collect::<Vec<_>>(), all.clone());
            let tokens: Vec<Token> = all.iter().flat_map(|one| one.tokens.clone()).collect();
            prop_assert_eq!(readings.tokens().collect::<Vec<_>>(), tokens);
            let words: Vec<Word> = all.into_iter().flat_map(|one| one.words).collect();
            prop_assert_eq!(readings.words().collect::<Vec<_>>(), words);
        }
    }

    #[test]
    fn a_token_of_prose_takes_six_bytes() {
        let words: Vec<_> = (0..1_000).map(|_| (1, vec![(5, 0.25)])).collect();
        let readings: Readings = [reading(1 << 20, &words)].iter().collect();
        assert_eq!(readings.buffers.concat().len(), 6_000);
    }
}
