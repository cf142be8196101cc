//! Spoils texts on purpose, token by token or word by word, and keeps what was done.
//!
//! Texts are cut into windows before anything is replaced, so that the three ways meet the same
//! ones; but a misspelt word has other pieces, so there the cut comes after. Models come in as
//! functions: nothing here computes.

use std::collections::HashMap;

use crate::slips::{Misspellings, mistype};
use electroscope_model::chance::{Chance, mixed};
use electroscope_model::{self as model, Tokenizer};

/// The share of tokens that is masked.
pub const MASKED: f64 = 0.15;

/// What a generator expects: for a window with masks, and the places of those, a row of logits for
/// each, one per token of the vocabulary.
pub type Guesses<'a> = dyn Fn(&[u32], &[usize]) -> Result<Vec<Vec<f32>>, model::Error> + Sync + 'a;

/// A spoilt text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrupted {
    /// What the discriminator is to read, `[CLS]` and `[SEP]` included.
    pub windows: Vec<Vec<u32>>,
    /// For each token of the windows, those two aside, the number of what is judged: itself, or the
    /// word that it is a piece of.
    pub units: Vec<u32>,
    /// Whether each of those was replaced.
    pub is_replaced: Vec<bool>,
}

/// Part of a text that is read at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// Token ids, special ones aside.
    pub ids: Vec<u32>,
    /// For each the number of its word, counted over the whole text.
    pub words: Vec<u32>,
}

/// A text as tokens, in passages that fit into windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passages {
    /// The passages in order.
    pub list: Vec<Passage>,
    /// How many tokens they have together.
    pub tokens: usize,
    /// How many paragraphs they are from.
    pub paragraphs: usize,
    words: u32,
    capacity: usize,
}

impl Passages {
    /// No text yet; passages will have at most `capacity` tokens.
    pub fn new(capacity: usize) -> Passages {
        Passages {
            capacity: capacity.max(1),
            ..Passages::default()
        }
    }

    /// The passages of `paragraphs`, up to `limit` tokens.
    pub fn of(
        paragraphs: &[String],
        tokenizer: &Tokenizer,
        capacity: usize,
        limit: Option<usize>,
    ) -> Passages {
        let mut passages = Passages::new(capacity);
        for paragraph in paragraphs {
            if limit.is_some_and(|limit| passages.tokens >= limit) {
                break;
            }
            passages.push(tokenizer, paragraph);
        }
        passages
    }

    /// Appends a paragraph, to the last passage if it fits there; a longer one than fits anywhere is
    /// cut, where possible before a word. Gives the number of its first word, and for each of its
    /// words the first byte and the byte after the last.
    fn push(&mut self, tokenizer: &Tokenizer, paragraph: &str) -> (u32, Vec<(u32, u32)>) {
        let pieces = tokenizer.encode(paragraph);
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
                    .list
                    .last()
                    .map_or(self.capacity, |open| open.ids.len());
            // A part of a paragraph that was cut is not filled up by its rest.
            if left > room || (start > 0 && room > 0) {
                self.list.push(Passage::default());
            }
            let Some(open) = self.list.last_mut() else {
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
        (first, spans)
    }

    fn corrupted(&self, tokenizer: &Tokenizer) -> Corrupted {
        Corrupted {
            windows: (self.list.iter())
                .map(|passage| window(tokenizer, &passage.ids))
                .collect(),
            units: (0..self.tokens as u32).collect(),
            is_replaced: vec![false; self.tokens],
        }
    }
}

/// `[CLS]`, `ids`, `[SEP]`.
fn window(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<u32> {
    let mut window = Vec::with_capacity(ids.len() + 2);
    window.push(tokenizer.cls_id());
    window.extend_from_slice(ids);
    window.push(tokenizer.sep_id());
    window
}

/// The places in a window of `len` tokens, special ones aside, that are to be replaced: [`MASKED`] of
/// them, in order, where `[CLS]` is place 0.
fn places(len: usize, chance: &mut Chance) -> Vec<usize> {
    let mut places: Vec<usize> = (1..=len).collect();
    chance.shuffle(&mut places);
    // The fraction is the chance of one more, so that short passages count, too.
    let count = (len as f64 * MASKED + chance.share()).floor() as usize;
    places.truncate(count);
    places.sort_unstable();
    places
}

/// Replaces tokens by what `guesses` draws for them. `watch` is told how many tokens are done.
///
/// # Errors
///
/// Those of the generator.
pub fn by_generator(
    passages: &Passages,
    tokenizer: &Tokenizer,
    guesses: &Guesses<'_>,
    seed: u64,
    watch: &(dyn Fn(usize) + Sync),
) -> Result<Corrupted, model::Error> {
    use rayon::prelude::*;
    let mut corrupted = passages.corrupted(tokenizer);
    let drawn: Vec<Vec<(usize, u32)>> = corrupted
        .windows
        .par_iter()
        .enumerate()
        .map(|(number, window)| {
            let mut chance = Chance::new(seed, mixed(number as u64));
            let places = places(window.len() - 2, &mut chance);
            let mut masked = window.clone();
            for &place in &places {
                if let Some(id) = masked.get_mut(place) {
                    *id = tokenizer.mask_id();
                }
            }
            let rows = match places.is_empty() {
                true => Vec::new(),
                false => guesses(&masked, &places)?,
            };
            watch(window.len() - 2);
            let draws = places.into_iter().zip(rows);
            Ok(draws
                .filter_map(|(place, row)| Some((place, draw(&row, &mut chance)?)))
                .collect())
        })
        .collect::<Result<_, model::Error>>()?;
    put(&mut corrupted, drawn);
    Ok(corrupted)
}

/// Draws a token from a row of logits.
fn draw(logits: &[f32], chance: &mut Chance) -> Option<u32> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits
        .iter()
        .map(|logit| f64::from(logit - highest).exp())
        .collect();
    chance.weighted(&weights).map(|id| id as u32)
}

/// Replaces tokens by tokens of the whole text, each as likely as it is frequent there.
pub fn at_random(passages: &Passages, tokenizer: &Tokenizer, seed: u64) -> Corrupted {
    let all: Vec<u32> = (passages.list.iter())
        .flat_map(|passage| passage.ids.iter().copied())
        .collect();
    let mut corrupted = passages.corrupted(tokenizer);
    let drawn = corrupted
        .windows
        .iter()
        .enumerate()
        .map(|(number, window)| {
            let mut chance = Chance::new(seed, mixed(number as u64));
            let places = places(window.len() - 2, &mut chance);
            places
                .into_iter()
                .filter_map(|place| Some((place, *chance.pick(&all)?)))
                .collect()
        })
        .collect();
    put(&mut corrupted, drawn);
    corrupted
}

/// Puts tokens in their places, window by window. One that was there already replaces nothing.
fn put(corrupted: &mut Corrupted, drawn: Vec<Vec<(usize, u32)>>) {
    let mut before = 0;
    for (window, drawn) in corrupted.windows.iter_mut().zip(drawn) {
        for (place, id) in drawn {
            let unit = before + place - 1;
            if let (Some(old), Some(is_replaced)) =
                (window.get_mut(place), corrupted.is_replaced.get_mut(unit))
            {
                *is_replaced = *old != id;
                *old = id;
            }
        }
        before += window.len() - 2;
    }
}

/// Misspells one word in each of `paragraphs`: one of `list`, else by rule. Paragraphs without a word
/// for it are left out. Words are judged.
pub fn by_misspelling(
    paragraphs: &[String],
    tokenizer: &Tokenizer,
    capacity: usize,
    limit: Option<usize>,
    list: Option<&Misspellings>,
    seed: u64,
) -> Corrupted {
    let mut passages = Passages::new(capacity);
    let mut wrong = HashMap::new();
    for (number, paragraph) in paragraphs.iter().enumerate() {
        if limit.is_some_and(|limit| passages.tokens >= limit) {
            break;
        }
        let mut chance = Chance::new(seed, mixed(number as u64));
        let Some((spoilt, at)) = misspelt(paragraph, list, &mut chance) else {
            continue;
        };
        let (first, spans) = passages.push(tokenizer, &spoilt);
        for (word, &(start, end)) in (first..).zip(&spans) {
            if (start as usize) < at.end && at.start < end as usize {
                wrong.insert(word, ());
            }
        }
    }
    Corrupted {
        windows: (passages.list.iter())
            .map(|passage| window(tokenizer, &passage.ids))
            .collect(),
        units: (passages.list.iter())
            .flat_map(|passage| passage.words.iter().copied())
            .collect(),
        is_replaced: (0..passages.words)
            .map(|word| wrong.contains_key(&word))
            .collect(),
    }
}

/// A paragraph with a word misspelt, and the bytes of that word in it.
fn misspelt(
    paragraph: &str,
    list: Option<&Misspellings>,
    chance: &mut Chance,
) -> Option<(String, std::ops::Range<usize>)> {
    let mut words = plain_words(paragraph);
    chance.shuffle(&mut words);
    for range in words {
        let word = paragraph.get(range.clone())?;
        let slip = match list {
            Some(list) => list
                .misspell(word, chance)
                .filter(|slip| slip.chars().all(char::is_alphabetic)),
            None => mistype(word, chance),
        };
        if let Some(slip) = slip {
            let (before, after) = (paragraph.get(..range.start)?, paragraph.get(range.end..)?);
            let spoilt = format!("{before}{slip}{after}");
            return Some((spoilt, range.start..range.start + slip.len()));
        }
    }
    None
}

/// The words of nothing but small letters, with blanks or marks of punctuation around them: no names,
/// and no parts of other words.
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
    fn passages_hold_the_whole_text_and_none_is_too_long() {
        let tokenizer = tokenizer();
        let whole = tokenizer.encode(PARAGRAPH).len();
        for capacity in [1, 3, 5, whole, 2 * whole + 1, 1000] {
            let passages = Passages::of(&paragraphs(5), &tokenizer, capacity, None);
            let ids: Vec<u32> = passages
                .list
                .iter()
                .flat_map(|passage| passage.ids.clone())
                .collect();
            let wanted: Vec<u32> = tokenizer
                .encode(PARAGRAPH)
                .iter()
                .map(|piece| piece.id)
                .collect();
            assert_eq!(ids, wanted.repeat(5), "{capacity}");
            assert!(
                passages
                    .list
                    .iter()
                    .all(|passage| (1..=capacity).contains(&passage.ids.len()))
            );
            assert_eq!(passages.tokens, 5 * whole);
        }
        let two = Passages::of(&paragraphs(5), &tokenizer, 2 * whole + 1, None);
        assert_eq!(two.list.len(), 3);
        assert_eq!(
            Passages::of(&paragraphs(5), &tokenizer, 99, Some(whole + 1)).tokens,
            2 * whole
        );
    }

    #[test]
    fn a_generator_sees_masks_and_what_it_guesses_right_is_not_replaced() {
        let tokenizer = tokenizer();
        let passages = Passages::of(&paragraphs(60), &tokenizer, 100, None);
        let boats = 6;
        let guesses = |window: &[u32], places: &[usize]| {
            assert!(
                places
                    .iter()
                    .all(|&place| window[place] == tokenizer.mask_id())
            );
            let masks = window
                .iter()
                .filter(|&&id| id == tokenizer.mask_id())
                .count();
            assert_eq!(masks, places.len());
            let mut row = vec![-30.0; 23];
            row[boats] = 30.0;
            Ok(vec![row; places.len()])
        };
        let spoilt = by_generator(&passages, &tokenizer, &guesses, 1, &|_| {}).unwrap();
        let before = passages.corrupted(&tokenizer);
        let is_special = |at: usize, len: usize| at == 0 || at + 1 == len;
        let mut unit = 0;
        let mut kept = 0;
        for (new, old) in spoilt.windows.iter().zip(&before.windows) {
            assert_eq!(new.len(), old.len());
            for (at, (new_id, old_id)) in new.iter().zip(old).enumerate() {
                if is_special(at, new.len()) {
                    assert_eq!(new_id, old_id);
                    continue;
                }
                assert_eq!(spoilt.is_replaced[unit], new_id != old_id);
                assert!(new_id == old_id || *new_id == boats as u32);
                kept += usize::from(*old_id == boats as u32);
                unit += 1;
            }
        }
        assert_eq!(unit, spoilt.units.len());
        assert!(kept > 0);
        let again = by_generator(&passages, &tokenizer, &guesses, 1, &|_| {}).unwrap();
        assert_eq!(spoilt, again);
        assert_ne!(
            spoilt,
            by_generator(&passages, &tokenizer, &guesses, 2, &|_| {}).unwrap()
        );
    }

    #[test]
    fn a_misspelt_word_is_marked_as_one_word_and_each_paragraph_has_one() {
        let tokenizer = tokenizer();
        let spoilt = by_misspelling(&paragraphs(40), &tokenizer, 100, None, None, 3);
        assert_eq!(
            spoilt.is_replaced.iter().filter(|&&wrong| wrong).count(),
            40
        );
        let words = spoilt
            .units
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len();
        assert_eq!(words, spoilt.is_replaced.len());
        let tokens: usize = spoilt.windows.iter().map(|window| window.len() - 2).sum();
        assert_eq!(tokens, spoilt.units.len());
        let list = Misspellings::parse("wrong\tright\nwiat\twait\n", Path::new("x"), &[]).unwrap();
        let (text, at) = misspelt(PARAGRAPH, Some(&list), &mut Chance::new(1, 1)).unwrap();
        assert_eq!(
            (text.as_str(), &text[at]),
            ("The boats wiat in the harbour. A boat waits.", "wiat")
        );
        let none = ["Names Only".to_owned()];
        assert_eq!(
            by_misspelling(&none, &tokenizer, 100, None, None, 3),
            Corrupted::default()
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
        fn at_random_about_15_in_100_are_drawn_and_units_align(count in 1usize..30, capacity in 4usize..60, seed in 0u64..100) {
            let tokenizer = tokenizer();
            let passages = Passages::of(&paragraphs(count), &tokenizer, capacity, None);
            let spoilt = at_random(&passages, &tokenizer, seed);
            let tokens: usize = spoilt.windows.iter().map(|window| window.len() - 2).sum();
            prop_assert_eq!(tokens, spoilt.units.len());
            prop_assert_eq!(tokens, spoilt.is_replaced.len());
            let replaced = spoilt.is_replaced.iter().filter(|&&wrong| wrong).count();
            prop_assert!(replaced as f64 <= tokens as f64 * MASKED + spoilt.windows.len() as f64);
        }

        #[test]
        fn a_draw_is_a_token_of_the_row(row in prop::collection::vec(-20.0f32..20.0, 1..50), seed in 0u64..100) {
            let id = draw(&row, &mut Chance::new(seed, 0)).unwrap() as usize;
            prop_assert!(id < row.len());
        }
    }
}
