//! Learns a vocabulary of word pieces from text, as BERT's was learnt.
//!
//! The words are counted here and merged by the trainer of the `tokenizers` crate. The trainer numbers
//! letters in the order of a hash map and breaks ties by number, so it is given the letters in order,
//! as known tokens: then a text always gives the same vocabulary.

use std::collections::HashMap;
use std::path::Path;

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer,
};

use super::corpus::{Corpus, count_words};
use crate::Error;
use electroscope_model::{Tokenizer, VocabularyOptions};

/// The letters that are kept at most, the most frequent ones; words with others are unknown. As in BERT.
const MOST_LETTERS: usize = 1000;

/// The bytes of text in which words are counted at most; more text hardly changes the vocabulary.
const MOST_TEXT: usize = 512 << 20;

/// How often a pair of pieces must occur to become a piece.
const LEAST_COUNT: u64 = 2;

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Learns a tokenizer of at most `size` tokens from the training documents of `corpus`. It has fewer
/// if the text has no more pairs of pieces that occur twice.
///
/// # Errors
///
/// A file that cannot be read; [`Error::Settings`] if `size` is less than the number of letters.
pub(super) fn learn(corpus: &Corpus, size: usize, is_cased: bool) -> Result<Tokenizer, Error> {
    let normaliser = BertNormalizer::new(true, true, None, !is_cased);
    let words_of = |text: &str| words(&normaliser, text);
    let counts = count_words(corpus, &words_of, MOST_TEXT)?;
    let pieces = pieces(counts, size)?;
    let options = VocabularyOptions {
        do_lower_case: !is_cased,
        ..VocabularyOptions::default()
    };
    let path = Path::new("the learnt vocabulary");
    let vocabulary = pieces.join("\n");
    Ok(Tokenizer::from_vocabulary(
        vocabulary.as_bytes(),
        options,
        path,
    )?)
}

/// Divides a text into words as BERT's tokenizer does.
fn words(normaliser: &BertNormalizer, text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for line in text.lines() {
        let mut normalised = NormalizedString::from(line);
        if normaliser.normalize(&mut normalised).is_err() {
            continue;
        }
        let mut pre_tokenized = PreTokenizedString::from(normalised);
        if BertPreTokenizer.pre_tokenize(&mut pre_tokenized).is_err() {
            continue;
        }
        let splits = pre_tokenized.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        words.extend(splits.into_iter().map(|(word, _, _)| word.to_owned()));
    }
    words
}

/// The tokens, in the order of their ids.
fn pieces(mut counts: HashMap<String, u64>, size: usize) -> Result<Vec<String>, Error> {
    let mut letters: HashMap<char, u64> = HashMap::new();
    for (word, count) in &counts {
        for letter in word.chars() {
            *letters.entry(letter).or_default() += count;
        }
    }
    let mut letters: Vec<(char, u64)> = letters.into_iter().collect();
    letters.sort_unstable_by_key(|&(letter, count)| (std::cmp::Reverse(count), letter));
    letters.truncate(MOST_LETTERS);
    let mut letters: Vec<char> = letters.into_iter().map(|(letter, _)| letter).collect();
    letters.sort_unstable();
    counts.retain(|word, _| (word.chars()).all(|c| letters.binary_search(&c).is_ok()));

    // Every letter is a token, and also `##` and the letter if it occurs within words.
    let mut alphabet: Vec<String> = letters.iter().map(char::to_string).collect();
    let mut within: Vec<char> = counts
        .keys()
        .flat_map(|word| word.chars().skip(1))
        .collect();
    within.sort_unstable();
    within.dedup();
    alphabet.extend(within.iter().map(|letter| format!("##{letter}")));
    let least = SPECIAL.len() + alphabet.len();
    if size < least {
        return Err(Error::Settings(format!(
            "a vocabulary of {size} tokens is too small: the special tokens and the letters of this text \
            alone are {least}; ask for more with --vocab-size, 30522 is usual"
        )));
    }

    let known = SPECIAL
        .iter()
        .map(|token| (*token).to_owned())
        .chain(alphabet);
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .continuing_subword_prefix("##".to_owned())
        .vocab_size(size)
        .min_frequency(LEAST_COUNT)
        .special_tokens(known.map(|token| AddedToken::from(token, true)).collect())
        .build();
    let mut model = BPE::default();
    // Words that occur once hardly make a pair frequent, but are half of all words.
    let counts = counts.iter().filter(|&(_, &count)| count >= LEAST_COUNT);
    let counts = counts.map(|(word, &count)| (word.as_str().into(), count));
    let trained = trainer.do_train(&counts.collect(), &mut model);
    trained.map_err(|err| Error::Settings(format!("no vocabulary can be learnt: {err}")))?;
    let mut numbered: Vec<(u32, String)> = tokenizers::Model::get_vocab(&model)
        .into_iter()
        .map(|(token, id)| (id, token))
        .collect();
    numbered.sort_unstable();
    Ok(numbered.into_iter().map(|(_, token)| token).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Low lower lowest, low lower.\nNew newer newest; low wide wider widest Naïve.";

    fn counts(text: &str, is_cased: bool) -> HashMap<String, u64> {
        let normaliser = BertNormalizer::new(true, true, None, !is_cased);
        let mut counts = HashMap::new();
        for word in words(&normaliser, text) {
            *counts.entry(word).or_default() += 1;
        }
        counts
    }

    #[test]
    fn words_are_those_of_berts_tokenizer() {
        let found = counts(TEXT, false);
        assert_eq!((found["low"], found["naive"], found["."]), (3, 1, 2));
        assert!(counts(TEXT, true).contains_key("Naïve"));
    }

    #[test]
    fn special_tokens_come_first_then_letters_then_frequent_pieces() {
        let text = TEXT.repeat(3);
        let vocabulary = pieces(counts(&text, false), 60).unwrap();
        assert_eq!(vocabulary[..5], SPECIAL);
        assert_eq!(vocabulary[5], ",");
        assert!(vocabulary.contains(&"##z".to_owned()) || !text.contains('z'));
        for piece in ["low", "new", "wide"] {
            assert!(
                vocabulary.iter().any(|token| token == piece),
                "{vocabulary:?}"
            );
        }
        assert!(vocabulary.len() <= 60);
    }

    #[test]
    fn a_text_always_gives_the_same_vocabulary() {
        let text: String = (0..400u32)
            .map(|n| {
                format!(
                    "{} ",
                    ["ab", "cd", "ef", "gh"]
                        .map(|part| part.repeat((n % 7) as usize % 3 + 1))
                        .join("")
                        .split_at((n % 5) as usize + 2)
                        .0
                )
            })
            .collect();
        let first = pieces(counts(&text, false), 64).unwrap();
        for _ in 0..5 {
            assert_eq!(pieces(counts(&text, false), 64).unwrap(), first);
        }
    }

    #[test]
    fn a_size_below_the_number_of_letters_is_an_error_with_the_smallest_size() {
        let message = pieces(counts(TEXT, false), 20).unwrap_err().to_string();
        let least: usize = (message.split("alone are ").nth(1))
            .and_then(|rest| rest.split(';').next())
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{message}"));
        assert!(pieces(counts(TEXT, false), least).is_ok());
        assert!(pieces(counts(TEXT, false), least - 1).is_err());
    }
}
