//! Corrupts texts, token by token or word by word, and records what was replaced.
//!
//! Texts are cut into passages before tokens are replaced, so that the ways to corrupt them are
//! compared on the same passages. Misspellings change the tokens, so there the text is cut afterwards.

use std::collections::HashSet;

use crate::Error;
use crate::data::corrections::CorrectedText;
use crate::rng::{SeededRng, mix};
use crate::synthetic_errors::{Misspellings, random_typo};
use electroscope_model::{self as model, Tokenizer};

/// The fraction of the tokens that is replaced.
pub const MASKED: f64 = 0.15;

/// A generator: for a window with mask tokens, and their positions, it gives a row of logits for each
/// position, one per token of the vocabulary.
pub type GeneratorLogits<'a> =
    dyn Fn(&[u32], &[usize]) -> Result<Vec<Vec<f32>>, model::Error> + Sync + 'a;

/// A corrupted text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorruptedText {
    /// The discriminator's input, `[CLS]` and `[SEP]` included.
    pub windows: Vec<Vec<u32>>,
    /// For each token of the windows, without those two, the index of its unit: the token itself, or the
    /// word that it is part of.
    pub units: Vec<u32>,
    /// Whether each unit was replaced.
    pub is_replaced: Vec<bool>,
}

/// A part of a text that fits into a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// The token ids, without special tokens.
    pub ids: Vec<u32>,
    /// For each token the index of its word in the whole text.
    pub words: Vec<u32>,
}

/// A text as tokens, cut into passages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenizedText {
    /// The passages, in order.
    pub passages: Vec<Passage>,
    /// The number of tokens.
    pub tokens: usize,
    /// The number of paragraphs.
    pub paragraphs: usize,
    words: u32,
    capacity: usize,
}

impl TokenizedText {
    /// An empty text, whose passages will have at most `capacity` tokens.
    pub fn new(capacity: usize) -> TokenizedText {
        TokenizedText {
            capacity: capacity.max(1),
            ..TokenizedText::default()
        }
    }

    /// Tokenizes paragraphs, until there are `limit` tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] if a paragraph cannot be tokenized.
    pub fn of(
        paragraphs: &[String],
        tokenizer: &Tokenizer,
        capacity: usize,
        limit: Option<usize>,
    ) -> Result<TokenizedText, Error> {
        let mut text = TokenizedText::new(capacity);
        for paragraph in paragraphs {
            if limit.is_some_and(|limit| text.tokens >= limit) {
                break;
            }
            text.push(tokenizer, paragraph)?;
        }
        Ok(text)
    }

    /// Adds a paragraph, to the last passage if it fits. A paragraph longer than `capacity` is cut, before
    /// a word if possible. Gives the index of its first word, and the byte range of each of its words.
    fn push(
        &mut self,
        tokenizer: &Tokenizer,
        paragraph: &str,
    ) -> Result<(u32, Vec<(u32, u32)>), Error> {
        let pieces = tokenizer.encode(paragraph)?;
        let first = self.words;
        let mut spans: Vec<(u32, u32)> = Vec::new();
        let mut numbers = Vec::with_capacity(pieces.len());
        let mut last = None;
        for piece in &pieces {
            match spans.last_mut() {
                Some(span) if last == Some(piece.word) => span.1 = piece.end,
                _ => spans.push((piece.start, piece.end)),
            }
            last = Some(piece.word);
            numbers.push(first + spans.len() as u32 - 1);
        }
        self.words += spans.len() as u32;
        self.tokens += pieces.len();
        self.paragraphs += 1;
        let mut start = 0;
        while start < pieces.len() {
            let left = pieces.len() - start;
            let room = self.capacity
                - self
                    .passages
                    .last()
                    .map_or(self.capacity, |open| open.ids.len());
            // The rest of a long paragraph begins a new passage even if the last one has room.
            if left > room || (start > 0 && room > 0) {
                self.passages.push(Passage::default());
            }
            let Some(open) = self.passages.last_mut() else {
                break;
            };
            let mut end = (start + self.capacity.min(left)).min(pieces.len());
            if end < pieces.len() {
                let is_border = |&at: &usize| numbers.get(at) != numbers.get(at - 1);
                end = (start + 1..=end).rev().find(is_border).unwrap_or(end);
            }
            let part = start..end;
            open.ids.extend(
                pieces
                    .get(part.clone())
                    .unwrap_or_default()
                    .iter()
                    .map(|piece| piece.id),
            );
            open.words.extend(numbers.get(part).unwrap_or_default());
            start = end;
        }
        Ok((first, spans))
    }

    fn uncorrupted(&self, tokenizer: &Tokenizer) -> CorruptedText {
        CorruptedText {
            windows: (self.passages.iter())
                .map(|passage| window(tokenizer, &passage.ids))
                .collect(),
            units: (0..self.tokens as u32).collect(),
            is_replaced: vec![false; self.tokens],
        }
    }
}

/// `[CLS]`, the tokens, `[SEP]`.
fn window(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<u32> {
    let mut window = Vec::with_capacity(ids.len() + 2);
    window.push(tokenizer.cls_id());
    window.extend_from_slice(ids);
    window.push(tokenizer.sep_id());
    window
}

/// Chooses [`MASKED`] of the positions in a window of `len` tokens, special ones not counted; `[CLS]` is
/// position 0. The positions are in order.
fn positions(len: usize, rng: &mut SeededRng) -> Vec<usize> {
    let mut positions: Vec<usize> = (1..=len).collect();
    rng.shuffle(&mut positions);
    // The fraction is the probability of one more, so that short passages have the right share on average.
    let count = (len as f64 * MASKED + rng.uniform()).floor() as usize;
    positions.truncate(count);
    positions.sort_unstable();
    positions
}

/// Replaces tokens by samples of a generator. `report_progress` is called with the number of tokens of
/// each window that is done.
///
/// # Errors
///
/// Those of the generator.
pub fn corrupt_by_generator(
    text: &TokenizedText,
    tokenizer: &Tokenizer,
    generator: &GeneratorLogits<'_>,
    seed: u64,
    report_progress: &(dyn Fn(usize) + Sync),
) -> Result<CorruptedText, model::Error> {
    use rayon::prelude::*;
    let mut corrupted = text.uncorrupted(tokenizer);
    let samples: Vec<Vec<(usize, u32)>> = corrupted
        .windows
        .par_iter()
        .enumerate()
        .map(|(number, window)| {
            let mut rng = SeededRng::new(seed, mix(number as u64));
            let positions = positions(window.len() - 2, &mut rng);
            let mut masked = window.clone();
            for &position in &positions {
                if let Some(id) = masked.get_mut(position) {
                    *id = tokenizer.mask_id();
                }
            }
            let rows = match positions.is_empty() {
                true => Vec::new(),
                false => generator(&masked, &positions)?,
            };
            report_progress(window.len() - 2);
            let samples = positions.into_iter().zip(rows);
            Ok(samples
                .filter_map(|(position, row)| Some((position, sample(&row, &mut rng)?)))
                .collect())
        })
        .collect::<Result<_, model::Error>>()?;
    apply(&mut corrupted, samples);
    Ok(corrupted)
}

/// Samples a token from the softmax of a row of logits.
fn sample(logits: &[f32], rng: &mut SeededRng) -> Option<u32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits
        .iter()
        .map(|logit| f64::from(logit - highest).exp())
        .collect();
    rng.weighted(&weights).map(|id| id as u32)
}

/// Replaces tokens by random tokens of the text, in proportion to their frequency.
pub fn corrupt_at_random(text: &TokenizedText, tokenizer: &Tokenizer, seed: u64) -> CorruptedText {
    let all: Vec<u32> = (text.passages.iter())
        .flat_map(|passage| passage.ids.iter().copied())
        .collect();
    let mut corrupted = text.uncorrupted(tokenizer);
    let samples = corrupted
        .windows
        .iter()
        .enumerate()
        .map(|(number, window)| {
            let mut rng = SeededRng::new(seed, mix(number as u64));
            let positions = positions(window.len() - 2, &mut rng);
            positions
                .into_iter()
                .filter_map(|position| Some((position, *rng.choose(&all)?)))
                .collect()
        })
        .collect();
    apply(&mut corrupted, samples);
    corrupted
}

/// Puts samples at their positions, window by window. A sample that equals the original token counts as
/// not replaced.
fn apply(corrupted: &mut CorruptedText, samples: Vec<Vec<(usize, u32)>>) {
    let mut before = 0;
    for (window, samples) in corrupted.windows.iter_mut().zip(samples) {
        for (position, id) in samples {
            let unit = before + position - 1;
            if let (Some(old), Some(is_replaced)) = (
                window.get_mut(position),
                corrupted.is_replaced.get_mut(unit),
            ) {
                *is_replaced = *old != id;
                *old = id;
            }
        }
        before += window.len() - 2;
    }
}

/// Misspells one word of each paragraph: with a misspelling from `list`, or without a list with a random
/// typo. Paragraphs in which no word can be misspelt are left out. The units are words.
///
/// # Errors
///
/// [`Error::Model`] if a paragraph cannot be tokenized.
pub fn corrupt_by_misspelling(
    paragraphs: &[String],
    tokenizer: &Tokenizer,
    capacity: usize,
    limit: Option<usize>,
    list: Option<&Misspellings>,
    seed: u64,
) -> Result<CorruptedText, Error> {
    let mut text = TokenizedText::new(capacity);
    let mut misspelt_words = HashSet::new();
    for (number, paragraph) in paragraphs.iter().enumerate() {
        if limit.is_some_and(|limit| text.tokens >= limit) {
            break;
        }
        let mut rng = SeededRng::new(seed, mix(number as u64));
        let Some((misspelt, at)) = misspell_paragraph(paragraph, list, &mut rng) else {
            continue;
        };
        let (first, spans) = text.push(tokenizer, &misspelt)?;
        for (word, &(start, end)) in (first..).zip(&spans) {
            if (start as usize) < at.end && at.start < end as usize {
                misspelt_words.insert(word);
            }
        }
    }
    Ok(CorruptedText {
        windows: (text.passages.iter())
            .map(|passage| window(tokenizer, &passage.ids))
            .collect(),
        units: (text.passages.iter())
            .flat_map(|passage| passage.words.iter().copied())
            .collect(),
        is_replaced: (0..text.words)
            .map(|word| misspelt_words.contains(&word))
            .collect(),
    })
}

/// Misspells one word of each paragraph, as [`corrupt_by_misspelling`] does. Paragraphs in which no word
/// can be misspelt are left out.
pub fn misspelt_paragraphs(
    paragraphs: &[String],
    list: Option<&Misspellings>,
    seed: u64,
) -> Vec<CorrectedText> {
    let misspelt = paragraphs
        .iter()
        .enumerate()
        .filter_map(|(number, paragraph)| {
            let mut rng = SeededRng::new(seed, mix(number as u64));
            let (text, span) = misspell_paragraph(paragraph, list, &mut rng)?;
            Some(CorrectedText {
                text,
                corrected: Some(paragraph.clone()),
                spans: vec![span],
                kind: Some("misspelling".to_owned()),
            })
        });
    misspelt.collect()
}

/// Misspells a random word of a paragraph. Gives also the byte range of the misspelling.
fn misspell_paragraph(
    paragraph: &str,
    list: Option<&Misspellings>,
    rng: &mut SeededRng,
) -> Option<(String, std::ops::Range<usize>)> {
    let mut words = plain_words(paragraph);
    rng.shuffle(&mut words);
    for range in words {
        let word = paragraph.get(range.clone())?;
        let misspelling = match list {
            Some(list) => list
                .misspell(word, rng)
                .filter(|misspelling| misspelling.chars().all(char::is_alphabetic)),
            None => random_typo(word, rng),
        };
        if let Some(misspelling) = misspelling {
            let (before, after) = (paragraph.get(..range.start)?, paragraph.get(range.end..)?);
            let end = range.start + misspelling.len();
            return Some((format!("{before}{misspelling}{after}"), range.start..end));
        }
    }
    None
}

/// The words of lower-case letters between white space or punctuation: no names, and no parts of other
/// words.
fn plain_words(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut words = Vec::new();
    let mut start = 0;
    for run in text.split_inclusive(char::is_whitespace) {
        let inner = run.trim_matches(|c: char| !c.is_alphanumeric());
        let at = start + run.find(inner).unwrap_or(0);
        start += run.len();
        let is_plain = inner.chars().all(|c| c.is_alphabetic() && c.is_lowercase());
        if is_plain && !inner.is_empty() {
            words.push(at..at + inner.len());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_model::VocabularyOptions;
    use proptest::prelude::*;
    use std::path::Path;

    const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nboats\nwait\nin\na\nharbour\n.\n##s\nh\n##a\n##r\n##b\n##o\n##u\nb\n##t\nw\n##i";

    fn tokenizer() -> Tokenizer {
        let path = Path::new("vocab.txt");
        Tokenizer::from_vocabulary(VOCABULARY.as_bytes(), VocabularyOptions::default(), path)
            .unwrap()
    }

    const PARAGRAPH: &str = "The boats wait in the harbour. A boat waits.";

    fn paragraphs(count: usize) -> Vec<String> {
        vec![PARAGRAPH.to_owned(); count]
    }

    #[test]
    fn passages_contain_the_whole_text_and_none_exceeds_its_capacity() {
        let tokenizer = tokenizer();
        let whole = tokenizer.encode(PARAGRAPH).unwrap().len();
        for capacity in [1, 3, 5, whole, 2 * whole + 1, 1000] {
            let text = TokenizedText::of(&paragraphs(5), &tokenizer, capacity, None).unwrap();
            let ids: Vec<u32> = text
                .passages
                .iter()
                .flat_map(|passage| passage.ids.clone())
                .collect();
            let wanted: Vec<u32> = tokenizer
                .encode(PARAGRAPH)
                .unwrap()
                .iter()
                .map(|piece| piece.id)
                .collect();
            assert_eq!(ids, wanted.repeat(5), "{capacity}");
            assert!(
                text.passages
                    .iter()
                    .all(|passage| (1..=capacity).contains(&passage.ids.len()))
            );
            assert_eq!(text.tokens, 5 * whole);
        }
        let two = TokenizedText::of(&paragraphs(5), &tokenizer, 2 * whole + 1, None).unwrap();
        assert_eq!(two.passages.len(), 3);
        assert_eq!(
            TokenizedText::of(&paragraphs(5), &tokenizer, 99, Some(whole + 1))
                .unwrap()
                .tokens,
            2 * whole
        );
    }

    #[test]
    fn a_generator_gets_masked_windows_and_its_right_samples_are_not_replaced() {
        let tokenizer = tokenizer();
        let text = TokenizedText::of(&paragraphs(60), &tokenizer, 100, None).unwrap();
        let boats = 6;
        let generator = |window: &[u32], positions: &[usize]| {
            assert!(
                positions
                    .iter()
                    .all(|&position| window[position] == tokenizer.mask_id())
            );
            let masks = window
                .iter()
                .filter(|&&id| id == tokenizer.mask_id())
                .count();
            assert_eq!(masks, positions.len());
            let mut row = vec![-30.0; 23];
            row[boats] = 30.0;
            Ok(vec![row; positions.len()])
        };
        let corrupted = corrupt_by_generator(&text, &tokenizer, &generator, 1, &|_| {}).unwrap();
        let before = text.uncorrupted(&tokenizer);
        let is_special = |at: usize, len: usize| at == 0 || at + 1 == len;
        let mut unit = 0;
        let mut kept = 0;
        for (new, old) in corrupted.windows.iter().zip(&before.windows) {
            assert_eq!(new.len(), old.len());
            for (at, (new_id, old_id)) in new.iter().zip(old).enumerate() {
                if is_special(at, new.len()) {
                    assert_eq!(new_id, old_id);
                    continue;
                }
                assert_eq!(corrupted.is_replaced[unit], new_id != old_id);
                assert!(new_id == old_id || *new_id == boats as u32);
                kept += usize::from(*old_id == boats as u32);
                unit += 1;
            }
        }
        assert_eq!(unit, corrupted.units.len());
        assert!(kept > 0);
        let again = corrupt_by_generator(&text, &tokenizer, &generator, 1, &|_| {}).unwrap();
        assert_eq!(corrupted, again);
        assert_ne!(
            corrupted,
            corrupt_by_generator(&text, &tokenizer, &generator, 2, &|_| {}).unwrap()
        );
    }

    #[test]
    fn each_paragraph_has_one_misspelt_word() {
        let tokenizer = tokenizer();
        let corrupted =
            corrupt_by_misspelling(&paragraphs(40), &tokenizer, 100, None, None, 3).unwrap();
        assert_eq!(
            corrupted.is_replaced.iter().filter(|&&wrong| wrong).count(),
            40
        );
        let words = corrupted
            .units
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len();
        assert_eq!(words, corrupted.is_replaced.len());
        let tokens: usize = corrupted
            .windows
            .iter()
            .map(|window| window.len() - 2)
            .sum();
        assert_eq!(tokens, corrupted.units.len());
        let list = Misspellings::parse("wrong\tright\nwiat\twait\n", Path::new("x"), &[]).unwrap();
        let (text, at) =
            misspell_paragraph(PARAGRAPH, Some(&list), &mut SeededRng::new(1, 1)).unwrap();
        assert_eq!(
            (text.as_str(), &text[at]),
            ("The boats wiat in the harbour. A boat waits.", "wiat")
        );
        let none = ["Names Only".to_owned()];
        assert_eq!(
            corrupt_by_misspelling(&none, &tokenizer, 100, None, None, 3).unwrap(),
            CorruptedText::default()
        );
    }

    #[test]
    fn only_plain_words_are_misspelt() {
        let text = "The (well-known) boats, in 2020 John's “harbour”…";
        let words: Vec<&str> = plain_words(text)
            .into_iter()
            .map(|range| &text[range])
            .collect();
        assert_eq!(words, ["boats", "in", "harbour"]);
    }

    proptest! {
        #[test]
        fn random_corruption_replaces_at_most_15_percent_and_units_align(count in 1usize..30, capacity in 4usize..60, seed in 0u64..100) {
            let tokenizer = tokenizer();
            let text = TokenizedText::of(&paragraphs(count), &tokenizer, capacity, None).unwrap();
            let corrupted = corrupt_at_random(&text, &tokenizer, seed);
            let tokens: usize = corrupted.windows.iter().map(|window| window.len() - 2).sum();
            prop_assert_eq!(tokens, corrupted.units.len());
            prop_assert_eq!(tokens, corrupted.is_replaced.len());
            let replaced = corrupted.is_replaced.iter().filter(|&&wrong| wrong).count();
            prop_assert!(replaced as f64 <= tokens as f64 * MASKED + corrupted.windows.len() as f64);
        }

        #[test]
        fn a_sample_is_a_valid_token(row in prop::collection::vec(-20.0f32..20.0, 1..50), seed in 0u64..100) {
            let id = sample(&row, &mut SeededRng::new(seed, 0)).unwrap() as usize;
            prop_assert!(id < row.len());
        }
    }
}
