//! Synthetic errors: makes writing errors in clean text and marks them, to train error taggers.
//!
//! For each sentence it is drawn whether it stays clean and how many errors it gets; for each error, its
//! [`WritingError`] kind by the weights below, and a random place where an error of this kind is
//! possible. If there is none, another kind is drawn, so kinds that are possible everywhere are more
//! frequent than their weights. The column "made" is from 5,000 sentences of edited English of many
//! kinds.
//!
//! | kind | weight | made | what happens |
//! |---|--:|--:|---|
//! | [`WritingError::VerbForm`] | 14 % | 8 % | `has went`, `to going`, `did knew`, `goed` |
//! | [`WritingError::Number`] | 14 % | 6 % | `many boat`, `a boats`, `advices` |
//! | [`WritingError::Spelling`] | 13 % | 22 % | a listed misspelling, or a random typo |
//! | [`WritingError::Article`] | 13 % | 14 % | `a`, `an`, `the` missing, exchanged or added |
//! | [`WritingError::Preposition`] | 10 % | 13 % | a wrong one, a missing one, or one too many |
//! | [`WritingError::Agreement`] | 10 % | 9 % | `they is`, `he have`, `she make` |
//! | [`WritingError::Confusable`] | 8 % | 9 % | `there` for `their`, `its` for `it's`, and 118 more sets |
//! | [`WritingError::WordForm`] | 6 % | 3 % | `success` for `succeed`, `quick` for `quickly`, `more better` |
//! | [`WritingError::Dropped`] | 5 % | 8 % | a word, mostly a small one, is missing |
//! | [`WritingError::Apostrophe`] | 3 % | 2 % | `dont`, `Johns boat`, `the boat's are` |
//! | [`WritingError::Doubled`] | 2 % | 4 % | a word is repeated |
//! | [`WritingError::Order`] | 2 % | 3 % | two neighbouring words are swapped |
//!
//! A third of the sentences stay clean, and the others get 16 errors per 100 words, so that about 11 of
//! 100 words are marked.
//!
//! The marked words are the wrong ones: the repetition of a word, both of two swapped words, a word that
//! is too many, and after a missing word the next one, as is usual in error detection.
//!
//! Everything depends only on the text, the seed and the number of the sentence.

mod grammar;
mod spelling;
mod words;

use crate::rng::{SeededRng, mix};
use electroscope_analysis::lexicon::Lexicon;
use electroscope_text::sentences;

use super::data::{LabelledSentence, LabelledSentences};
use super::error::Error;
use super::error_labels;
use grammar::{SentenceWords, WordEdit};

pub use spelling::{Misspellings, REDISTRIBUTABLE_SOURCES, random_typo};
pub(super) use words::words;

/// A kind of writing error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WritingError {
    /// A misspelt word.
    Spelling,
    /// A word confused with one that sounds or looks alike.
    Confusable,
    /// A verb that does not agree with its subject.
    Agreement,
    /// A missing, wrong or needless article.
    Article,
    /// A missing, wrong or needless preposition.
    Preposition,
    /// A repeated word.
    Doubled,
    /// A missing word.
    Dropped,
    /// A verb in the wrong form.
    VerbForm,
    /// A noun in the wrong number.
    Number,
    /// Two swapped words.
    Order,
    /// A missing, misplaced or needless apostrophe.
    Apostrophe,
    /// A word of the same stem but another part of speech.
    WordForm,
}

impl WritingError {
    /// All kinds, in the order of their indices.
    pub const ALL: [WritingError; 12] = [
        WritingError::Spelling,
        WritingError::Confusable,
        WritingError::Agreement,
        WritingError::Article,
        WritingError::Preposition,
        WritingError::Doubled,
        WritingError::Dropped,
        WritingError::VerbForm,
        WritingError::Number,
        WritingError::Order,
        WritingError::Apostrophe,
        WritingError::WordForm,
    ];

    /// The name, in kebab-case.
    pub fn name(self) -> &'static str {
        match self {
            WritingError::Spelling => "spelling",
            WritingError::Confusable => "confusable",
            WritingError::Agreement => "agreement",
            WritingError::Article => "article",
            WritingError::Preposition => "preposition",
            WritingError::Doubled => "doubled",
            WritingError::Dropped => "dropped",
            WritingError::VerbForm => "verb-form",
            WritingError::Number => "number",
            WritingError::Order => "order",
            WritingError::Apostrophe => "apostrophe",
            WritingError::WordForm => "word-form",
        }
    }
}

/// Settings of [`ErrorInjector`].
#[derive(Clone, Debug, PartialEq)]
pub struct SyntheticErrorSettings {
    /// The random seed.
    pub seed: u64,
    /// The fraction of sentences that stay clean.
    pub clean: f64,
    /// The errors per word in the other sentences, which have at least one each.
    pub errors_per_word: f64,
    /// The weight of each kind, by its index.
    pub kinds: [f64; WritingError::ALL.len()],
    /// A list of misspellings that people made.
    pub misspellings: Option<Misspellings>,
    /// The fraction of misspellings that is taken from the list, for words that it has.
    pub listed_share: f64,
    /// The consecutive sentences of an example at most.
    pub sentences_per_example: usize,
    /// The words of a sentence at most; longer ones are left out.
    pub longest_sentence: usize,
}

impl Default for SyntheticErrorSettings {
    fn default() -> SyntheticErrorSettings {
        SyntheticErrorSettings {
            seed: 0,
            clean: 1.0 / 3.0,
            errors_per_word: 0.16,
            kinds: WritingError::ALL.map(|kind| match kind {
                WritingError::VerbForm | WritingError::Number => 0.14,
                WritingError::Spelling | WritingError::Article => 0.13,
                WritingError::Preposition | WritingError::Agreement => 0.10,
                WritingError::Confusable => 0.08,
                WritingError::WordForm => 0.06,
                WritingError::Dropped => 0.05,
                WritingError::Apostrophe => 0.03,
                WritingError::Doubled | WritingError::Order => 0.02,
            }),
            misspellings: None,
            listed_share: 0.7,
            sentences_per_example: 4,
            longest_sentence: 80,
        }
    }
}

/// The words of a sentence at least; shorter ones are headings or fragments.
const SHORTEST_SENTENCE: usize = 4;

/// A sentence with errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorruptedSentence {
    /// Its words. A punctuation mark is a word, and an apostrophe does not divide a word.
    pub words: Vec<String>,
    /// For each wrong word the kind of error.
    pub marks: Vec<Option<WritingError>>,
    /// The errors, in the order in which they were made.
    pub errors: Vec<WritingError>,
}

/// Makes errors in sentences.
pub struct ErrorInjector {
    settings: SyntheticErrorSettings,
    lexicon: &'static Lexicon,
}

impl ErrorInjector {
    /// Creates an injector with these settings.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] for a share that is not from 0 to 1, and for invalid weights.
    pub fn new(settings: SyntheticErrorSettings) -> Result<ErrorInjector, Error> {
        let shares = [
            ("the share of clean sentences", settings.clean),
            ("the number of errors per word", settings.errors_per_word),
            ("the share of listed misspellings", settings.listed_share),
        ];
        for (name, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::Settings(format!(
                    "{name} is {share}; it must be a number from 0 to 1"
                )));
            }
        }
        let is_weight = |weight: &f64| weight.is_finite() && *weight >= 0.0;
        if !settings.kinds.iter().all(is_weight) || settings.kinds.iter().sum::<f64>() <= 0.0 {
            return Err(Error::Settings(
                "the weights of the kinds of errors must be at least 0, and not all of them 0"
                    .to_owned(),
            ));
        }
        Ok(ErrorInjector {
            settings,
            lexicon: Lexicon::shared(),
        })
    }

    /// The sentence `text`, which has this `number`, with errors, or clean.
    pub fn corrupt(&self, text: &str, number: u64) -> CorruptedSentence {
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        let mut rng = SeededRng::new(self.settings.seed, mix(number) ^ hash);
        let mut sentence = CorruptedSentence {
            words: words::words(text).into_iter().map(str::to_owned).collect(),
            ..CorruptedSentence::default()
        };
        sentence.marks = vec![None; sentence.words.len()];
        if rng.bernoulli(self.settings.clean) {
            return sentence;
        }
        // The fraction is the probability of one more.
        let wanted = sentence.words.len() as f64 * self.settings.errors_per_word;
        let wanted = ((wanted + rng.uniform()).floor() as usize).max(1);
        for _ in 0..wanted {
            if !self.add_error(&mut sentence, &mut rng) {
                break;
            }
        }
        sentence
    }

    /// Makes one more error. False if there is no place for one.
    fn add_error(&self, sentence: &mut CorruptedSentence, rng: &mut SeededRng) -> bool {
        let mut weights = self.settings.kinds;
        while let Some(number) = rng.weighted(&weights) {
            let Some(kind) = WritingError::ALL.get(number).copied() else {
                return false;
            };
            if let Some(edit) = self.edit(kind, sentence, rng) {
                apply(edit, kind, sentence);
                return true;
            }
            if let Some(weight) = weights.get_mut(number) {
                *weight = 0.0;
            }
        }
        false
    }

    /// An error of this kind at a random place that has no error yet.
    fn edit(
        &self,
        kind: WritingError,
        corrupted: &CorruptedSentence,
        rng: &mut SeededRng,
    ) -> Option<WordEdit> {
        let sentence = SentenceWords::new(corrupted.words.iter().map(String::as_str).collect());
        let mut places: Vec<usize> = (0..corrupted.words.len()).collect();
        rng.shuffle(&mut places);
        for at in places {
            let attempt = match kind {
                WritingError::Spelling => {
                    if let Some(edit) = self.misspelling(&sentence, corrupted, at, rng)
                        && is_untouched(&edit, corrupted)
                    {
                        return Some(edit);
                    }
                    continue;
                }
                WritingError::Confusable => grammar::confusable,
                WritingError::Agreement => grammar::agreement,
                WritingError::Article => grammar::article,
                WritingError::Preposition => grammar::preposition,
                WritingError::Doubled => grammar::doubled,
                WritingError::Dropped => grammar::dropped,
                WritingError::VerbForm => grammar::verb_form,
                WritingError::Number => grammar::number,
                WritingError::Order => grammar::order,
                WritingError::Apostrophe => grammar::apostrophe,
                WritingError::WordForm => grammar::word_form,
            };
            if let Some(edit) = attempt(&sentence, at, rng, self.lexicon)
                && is_untouched(&edit, corrupted)
            {
                return Some(edit);
            }
        }
        None
    }

    fn misspelling(
        &self,
        sentence: &SentenceWords<'_>,
        corrupted: &CorruptedSentence,
        at: usize,
        rng: &mut SeededRng,
    ) -> Option<WordEdit> {
        if !grammar::is_spellable(sentence, at) {
            return None;
        }
        let wrong = misspell(
            corrupted.words.get(at)?,
            self.settings.misspellings.as_ref(),
            self.settings.listed_share,
            rng,
        )?;
        Some(WordEdit::replace(at, 1, &wrong))
    }
}

/// A misspelling of `word`: with probability `listed` from the `list`, if it has any, else a random typo.
pub fn misspell(
    word: &str,
    list: Option<&Misspellings>,
    listed: f64,
    rng: &mut SeededRng,
) -> Option<String> {
    let of_list = rng.bernoulli(listed);
    list.filter(|_| of_list)
        .and_then(|list| list.misspell(word, rng))
        .or_else(|| random_typo(word, rng))
}

/// Whether an edit does not touch words with errors, or their neighbours.
fn is_untouched(edit: &WordEdit, sentence: &CorruptedSentence) -> bool {
    let around = edit.range.start.saturating_sub(1)..(edit.range.end + 1).min(sentence.marks.len());
    (sentence.marks.get(around)).is_some_and(|marks| marks.iter().all(Option::is_none))
}

fn apply(edit: WordEdit, kind: WritingError, sentence: &mut CorruptedSentence) {
    let WordEdit { range, replacement } = edit;
    if range.end > sentence.words.len() {
        return;
    }
    let marks = replacement.iter().map(|&(_, wrong)| wrong.then_some(kind));
    sentence.marks.splice(range.clone(), marks);
    sentence
        .words
        .splice(range, replacement.into_iter().map(|(word, _)| word));
    sentence.errors.push(kind);
}

/// Training data with synthetic errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticErrorData {
    /// The examples.
    pub data: LabelledSentences,
    /// How much of what it contains.
    pub counts: SyntheticErrorCounts,
}

/// Counts of training data with synthetic errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyntheticErrorCounts {
    /// Sentences.
    pub sentences: usize,
    /// Sentences without errors.
    pub clean: usize,
    /// Words, punctuation marks included.
    pub words: usize,
    /// Marked words.
    pub marked: usize,
    /// Errors of each kind, by its index.
    pub errors: [usize; WritingError::ALL.len()],
}

/// Makes training data from the first `sentences` sentences of `documents` of suitable length. An
/// example is a sentence or a few consecutive ones, as a tagger is used on.
///
/// # Errors
///
/// As [`ErrorInjector::new`].
pub fn generate(
    documents: impl Iterator<Item = String>,
    settings: &SyntheticErrorSettings,
    sentences: usize,
) -> Result<SyntheticErrorData, Error> {
    let injector = ErrorInjector::new(settings.clone())?;
    let mut counts = SyntheticErrorCounts::default();
    let mut examples = Vec::new();
    'all: for document in documents {
        for paragraph in paragraphs(&document) {
            let mut open: Option<(LabelledSentence, usize)> = None;
            for sentence in sentences_of(&paragraph) {
                if counts.sentences >= sentences {
                    examples.extend(open.map(|(example, _)| example));
                    break 'all;
                }
                let number = counts.sentences as u64;
                let sentence = injector.corrupt(sentence, number);
                // A sentence that is left out ends the example: its neighbours are not consecutive.
                if !(SHORTEST_SENTENCE..=settings.longest_sentence).contains(&sentence.words.len())
                {
                    examples.extend(open.take().map(|(example, _)| example));
                    continue;
                }
                counts.count(&sentence);
                let (mut example, left) = open.take().unwrap_or_else(|| {
                    let mut rng = SeededRng::new(settings.seed, number);
                    let more = rng.below(settings.sentences_per_example.max(1));
                    (LabelledSentence::default(), more)
                });
                let tags = sentence
                    .marks
                    .iter()
                    .map(|mark| mark.map_or(0, |error| error.kind().index()));
                example.tags.extend(tags);
                example.words.extend(sentence.words);
                match left.checked_sub(1) {
                    Some(left) => open = Some((example, left)),
                    None => examples.push(example),
                }
            }
            examples.extend(open.map(|(example, _)| example));
        }
    }
    Ok(SyntheticErrorData {
        data: LabelledSentences {
            labels: error_labels::labels(),
            sentences: examples,
        },
        counts,
    })
}

impl SyntheticErrorCounts {
    fn count(&mut self, sentence: &CorruptedSentence) {
        self.sentences += 1;
        self.clean += usize::from(sentence.errors.is_empty());
        self.words += sentence.words.len();
        self.marked += sentence.marks.iter().flatten().count();
        for &kind in &sentence.errors {
            if let Some(count) = self.errors.get_mut(kind as usize) {
                *count += 1;
            }
        }
    }
}

/// The paragraphs of a text with one paragraph per line, or with lines wrapped by hand, or both: a line
/// of a length that is usual for wrapping continues in the next one, others end a paragraph.
fn paragraphs(text: &str) -> Vec<String> {
    const WRAPPED: std::ops::RangeInclusive<usize> = 55..=120;
    let mut paragraphs: Vec<String> = Vec::new();
    let mut continues = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            continues = false;
            continue;
        }
        match paragraphs.last_mut() {
            Some(open) if continues => {
                open.push(' ');
                open.push_str(line);
            }
            _ => paragraphs.push(line.to_owned()),
        }
        continues = WRAPPED.contains(&line.chars().count());
    }
    paragraphs
}

/// The sentences of a paragraph.
fn sentences_of(paragraph: &str) -> impl Iterator<Item = &str> {
    let starts = sentences(paragraph);
    let ends: Vec<usize> = starts
        .iter()
        .skip(1)
        .copied()
        .chain([paragraph.len()])
        .collect();
    starts
        .into_iter()
        .zip(ends)
        .filter_map(|(start, end)| Some(paragraph.get(start..end)?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "The boats wait in the harbour for the tide, and the fishermen are drinking their \
        coffee. She has never seen these beautiful pictures of her father's house. It's a long way to the \
        village, but we will quickly walk there together. Many people believe that the government should have \
        given more money to the schools. He decided to write an important letter to the president of the company \
        because nobody had answered his questions. Information about the accident was published by \
        several different newspapers. They don't know whether the weather will be better than it was last week.";

    fn document() -> String {
        vec![TEXT; 150].join("\n")
    }

    fn generated(settings: &SyntheticErrorSettings) -> SyntheticErrorData {
        generate([document()].into_iter(), settings, usize::MAX).unwrap()
    }

    #[test]
    fn a_third_of_sentences_stay_clean_and_a_ninth_of_words_are_marked() {
        let SyntheticErrorData { data, counts } = generated(&SyntheticErrorSettings::default());
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        assert_eq!(counts.sentences, 7 * 150);
        assert!(
            (share(counts.clean, counts.sentences) - 0.333).abs() < 0.05,
            "{counts:?}"
        );
        let marked = share(counts.marked, counts.words);
        assert!((0.09..0.13).contains(&marked), "{marked} {counts:?}");
        let words: usize = data
            .sentences
            .iter()
            .map(|sentence| sentence.words.len())
            .sum();
        assert_eq!(words, counts.words);
    }

    #[test]
    fn kinds_are_about_as_frequent_as_their_weights() {
        let settings = SyntheticErrorSettings::default();
        let counts = generated(&settings).counts;
        let all: usize = counts.errors.iter().sum();
        for (kind, (&found, wanted)) in WritingError::ALL
            .iter()
            .zip(counts.errors.iter().zip(settings.kinds))
        {
            let found = found as f64 / all as f64;
            assert!(
                found > 0.4 * wanted && found < 2.5 * wanted,
                "{}: {found:.3} for {wanted:.3}",
                kind.name()
            );
        }
        assert!((settings.kinds.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn only_kinds_with_a_weight_are_made() {
        let mut kinds = [0.0; WritingError::ALL.len()];
        kinds[WritingError::Doubled as usize] = 1.0;
        let settings = SyntheticErrorSettings {
            kinds,
            clean: 0.0,
            ..SyntheticErrorSettings::default()
        };
        let injector = ErrorInjector::new(settings).unwrap();
        let sentence = injector.corrupt("They wait here", 0);
        assert_eq!(sentence.errors, [WritingError::Doubled]);
        let twice = sentence
            .words
            .windows(2)
            .position(|pair| pair[0].eq_ignore_ascii_case(&pair[1]));
        assert_eq!(
            sentence.marks[twice.unwrap() + 1],
            Some(WritingError::Doubled)
        );
    }

    #[test]
    fn errors_depend_on_text_seed_and_number_only() {
        let with_seed = |seed| {
            generated(&SyntheticErrorSettings {
                seed,
                ..SyntheticErrorSettings::default()
            })
        };
        assert_eq!(with_seed(1), with_seed(1));
        assert_ne!(with_seed(1), with_seed(2));
        let injector = ErrorInjector::new(SyntheticErrorSettings {
            clean: 0.0,
            ..SyntheticErrorSettings::default()
        })
        .unwrap();
        let made: std::collections::HashSet<Vec<String>> = (0..20)
            .map(|number| injector.corrupt(TEXT, number).words)
            .collect();
        assert!(made.len() > 15);
    }

    #[test]
    fn examples_are_consecutive_sentences_of_a_paragraph() {
        let settings = SyntheticErrorSettings {
            clean: 1.0,
            sentences_per_example: 3,
            ..SyntheticErrorSettings::default()
        };
        let text =
            "One two three four. Five six seven eight.\nNo.\nNine ten eleven twelve.".to_owned();
        let data = generate([text].into_iter(), &settings, usize::MAX)
            .unwrap()
            .data;
        let stops =
            |sentence: &LabelledSentence| sentence.words.iter().filter(|word| *word == ".").count();
        assert_eq!(data.sentences.iter().map(stops).sum::<usize>(), 3);
        assert_eq!(
            data.sentences.last().unwrap().words,
            ["Nine", "ten", "eleven", "twelve", "."]
        );
        assert!(
            data.sentences
                .iter()
                .all(|sentence| sentence.tags.iter().all(|&tag| tag == 0))
        );
        let few = generate([document()].into_iter(), &settings, 5)
            .unwrap()
            .data;
        assert_eq!(few.sentences.iter().map(stops).sum::<usize>(), 5);
    }

    #[test]
    fn only_lines_wrapped_by_hand_are_joined() {
        let wrapped =
            "The boats wait in the harbour for the tide, and the fishermen\nare drinking.";
        assert_eq!(paragraphs(wrapped).len(), 1);
        assert_eq!(paragraphs("A heading\nThe text.\n\nMore.").len(), 3);
    }

    #[test]
    fn invalid_shares_are_errors() {
        let refused = |settings: SyntheticErrorSettings| {
            ErrorInjector::new(settings)
                .err()
                .map(|err| err.to_string())
        };
        assert_eq!(
            refused(SyntheticErrorSettings {
                clean: 1.5,
                ..SyntheticErrorSettings::default()
            })
            .as_deref(),
            Some("the share of clean sentences is 1.5; it must be a number from 0 to 1")
        );
        assert!(
            refused(SyntheticErrorSettings {
                kinds: [0.0; 12],
                ..SyntheticErrorSettings::default()
            })
            .is_some()
        );
        assert!(
            refused(SyntheticErrorSettings {
                errors_per_word: f64::NAN,
                ..SyntheticErrorSettings::default()
            })
            .is_some()
        );
    }

    proptest! {
        #[test]
        fn marks_align_with_words_and_every_error_has_one(text in "[ a-zA-Z.,’'é\\-]{0,120}", seed in 0u64..1000) {
            let injector = ErrorInjector::new(SyntheticErrorSettings { seed, clean: 0.1, errors_per_word: 0.5, ..SyntheticErrorSettings::default() }).unwrap();
            let sentence = injector.corrupt(&text, 3);
            prop_assert_eq!(sentence.words.len(), sentence.marks.len());
            prop_assert!(sentence.words.iter().all(|word| !word.is_empty() && !word.contains(char::is_whitespace)));
            prop_assert!(sentence.marks.iter().flatten().count() >= sentence.errors.len());
            if sentence.errors.is_empty() {
                prop_assert_eq!(sentence.words, words::words(&text));
            }
        }
    }
}
