//! Writing errors made on purpose: clean text in, words with marks out, to train a tagger of errors.
//!
//! Of each sentence it is drawn whether it stays clean and how many slips it gets; of each slip, its
//! [`Kind`], by the shares below, and then a place where a slip of this kind can be made. If there is
//! none, another kind is drawn; so those that fit everywhere come more often than they are drawn. The
//! second column is what was made of 5,000 sentences of edited English of many kinds.
//!
//! | kind | drawn | made | what happens |
//! |---|--:|--:|---|
//! | [`Kind::VerbForm`] | 14 % | 8 % | `has went`, `to going`, `did knew`, `goed` |
//! | [`Kind::Number`] | 14 % | 6 % | `many boat`, `a boats`, `advices` |
//! | [`Kind::Spelling`] | 13 % | 22 % | a misspelling from a list, or letters swapped, lost, doubled, hit beside, misheard |
//! | [`Kind::Article`] | 13 % | 14 % | `a`, `an`, `the` dropped, swapped, put in |
//! | [`Kind::Preposition`] | 10 % | 13 % | one for another, dropped, put in where the verb takes none |
//! | [`Kind::Agreement`] | 10 % | 9 % | `they is`, `he have`, `she make` |
//! | [`Kind::Confusable`] | 8 % | 9 % | `there` for `their`, `its` for `it's`, and a hundred sets more |
//! | [`Kind::WordForm`] | 6 % | 3 % | `success` for `succeed`, `quick` for `quickly`, `more better` |
//! | [`Kind::Dropped`] | 5 % | 8 % | a word, mostly a small one, is missing |
//! | [`Kind::Apostrophe`] | 3 % | 2 % | `dont`, `Johns boat`, `the boat's are` |
//! | [`Kind::Doubled`] | 2 % | 4 % | a word stands twice |
//! | [`Kind::Order`] | 2 % | 3 % | two neighbours have changed places |
//!
//! A third of the sentences stays clean, and there are slips for 16 in 100 words of the others, so
//! that about 11 in 100 words are marked.
//!
//! What is marked: the words that are wrong; of a doubled word the second; both of two in the wrong
//! order; a word too many; and where one is missing, the word after the gap, as is usual in the
//! detection of errors.
//!
//! Everything is a pure function of the text, the seed and the number of the sentence. Models are not
//! known here.

mod grammar;
mod lexicon;
mod spelling;
mod words;

use electroscope_model::chance::{Chance, mixed};
use electroscope_text::sentences;

use super::data::{Tagged, TaggedSentence};
use super::error::Error;
use grammar::{Edit, Sentence};
use lexicon::Lexicon;

pub use spelling::{FREE_SOURCES, Misspellings, mistype};

/// The names of the tags, by their numbers.
pub const LABELS: [&str; 2] = ["O", "ERR"];

/// A kind of slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A word that is none.
    Spelling,
    /// A word for one that sounds or looks alike.
    Confusable,
    /// A verb that does not agree with its subject.
    Agreement,
    /// An article missing, wrong, or too many.
    Article,
    /// A preposition missing, wrong, or too many.
    Preposition,
    /// A word twice.
    Doubled,
    /// A word missing.
    Dropped,
    /// A verb in the wrong form.
    VerbForm,
    /// A noun in the wrong number.
    Number,
    /// Two words in the wrong order.
    Order,
    /// An apostrophe missing, moved, or too many.
    Apostrophe,
    /// Another word of the same stem.
    WordForm,
}

impl Kind {
    /// All kinds; a kind's place is its number.
    pub const ALL: [Kind; 12] = [
        Kind::Spelling,
        Kind::Confusable,
        Kind::Agreement,
        Kind::Article,
        Kind::Preposition,
        Kind::Doubled,
        Kind::Dropped,
        Kind::VerbForm,
        Kind::Number,
        Kind::Order,
        Kind::Apostrophe,
        Kind::WordForm,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Spelling => "spelling",
            Kind::Confusable => "confusable",
            Kind::Agreement => "agreement",
            Kind::Article => "article",
            Kind::Preposition => "preposition",
            Kind::Doubled => "doubled",
            Kind::Dropped => "dropped",
            Kind::VerbForm => "verb-form",
            Kind::Number => "number",
            Kind::Order => "order",
            Kind::Apostrophe => "apostrophe",
            Kind::WordForm => "word-form",
        }
    }
}

/// How often what is done.
#[derive(Clone, Debug, PartialEq)]
pub struct SlipSettings {
    /// Another seed makes other slips.
    pub seed: u64,
    /// The share of sentences that stay clean.
    pub clean: f64,
    /// Slips per word in the others; each has one at least.
    pub slips: f64,
    /// The weight of each kind, by its number.
    pub kinds: [f64; Kind::ALL.len()],
    /// Misspellings that people made.
    pub misspellings: Option<Misspellings>,
    /// The share of misspellings that is taken from them, where the word has any.
    pub listed: f64,
    /// The most sentences in a row that make one example.
    pub together: usize,
    /// The most words of a sentence; longer ones are left out.
    pub longest: usize,
}

impl Default for SlipSettings {
    fn default() -> SlipSettings {
        SlipSettings {
            seed: 0,
            clean: 1.0 / 3.0,
            slips: 0.16,
            kinds: Kind::ALL.map(|kind| match kind {
                Kind::VerbForm | Kind::Number => 0.14,
                Kind::Spelling | Kind::Article => 0.13,
                Kind::Preposition | Kind::Agreement => 0.10,
                Kind::Confusable => 0.08,
                Kind::WordForm => 0.06,
                Kind::Dropped => 0.05,
                Kind::Apostrophe => 0.03,
                Kind::Doubled | Kind::Order => 0.02,
            }),
            misspellings: None,
            listed: 0.7,
            together: 4,
            longest: 80,
        }
    }
}

/// Fewer words than this are a heading or a scrap.
const SHORTEST: usize = 4;

/// A sentence with its slips.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoilt {
    /// Its words: marks of punctuation are words of their own, and what an apostrophe joins is one.
    pub words: Vec<String>,
    /// For each word the kind of slip that it is wrong by, if it is wrong.
    pub marks: Vec<Option<Kind>>,
    /// The slips that were made.
    pub slips: Vec<Kind>,
}

/// Makes slips.
pub struct Slips {
    settings: SlipSettings,
    lexicon: Lexicon,
}

impl Slips {
    /// Makes slips as `settings` say.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] for shares that are none.
    pub fn new(settings: SlipSettings) -> Result<Slips, Error> {
        let shares = [
            ("the share of clean sentences", settings.clean),
            ("the number of slips per word", settings.slips),
            ("the share of listed misspellings", settings.listed),
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
                "the weights of the kinds of slips must be numbers from 0 up, and not all 0"
                    .to_owned(),
            ));
        }
        Ok(Slips {
            settings,
            lexicon: Lexicon::new(),
        })
    }

    /// Sentence number `number`, which is `text`, with slips, or without any.
    pub fn spoil(&self, text: &str, number: u64) -> Spoilt {
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        let mut chance = Chance::new(self.settings.seed, mixed(number) ^ hash);
        let mut spoilt = Spoilt {
            words: words::words(text).into_iter().map(str::to_owned).collect(),
            ..Spoilt::default()
        };
        spoilt.marks = vec![None; spoilt.words.len()];
        if chance.happens(self.settings.clean) {
            return spoilt;
        }
        // The fraction is the chance of one more.
        let wanted = spoilt.words.len() as f64 * self.settings.slips;
        let wanted = ((wanted + chance.share()).floor() as usize).max(1);
        for _ in 0..wanted {
            if !self.slip(&mut spoilt, &mut chance) {
                break;
            }
        }
        spoilt
    }

    /// Makes one more slip. Says whether a place was found for any.
    fn slip(&self, spoilt: &mut Spoilt, chance: &mut Chance) -> bool {
        let mut weights = self.settings.kinds;
        while let Some(number) = chance.weighted(&weights) {
            let Some(kind) = Kind::ALL.get(number).copied() else {
                return false;
            };
            if let Some(edit) = self.edit(kind, spoilt, chance) {
                apply(edit, kind, spoilt);
                return true;
            }
            if let Some(weight) = weights.get_mut(number) {
                *weight = 0.0;
            }
        }
        false
    }

    /// A slip of a kind, at one of the places that are still as they were.
    fn edit(&self, kind: Kind, spoilt: &Spoilt, chance: &mut Chance) -> Option<Edit> {
        let sentence = Sentence::new(spoilt.words.iter().map(String::as_str).collect());
        let mut places: Vec<usize> = (0..spoilt.words.len()).collect();
        chance.shuffle(&mut places);
        for at in places {
            let attempt = match kind {
                Kind::Spelling => {
                    if let Some(edit) = self.misspelt(&sentence, spoilt, at, chance)
                        && is_untouched(&edit, spoilt)
                    {
                        return Some(edit);
                    }
                    continue;
                }
                Kind::Confusable => grammar::confusable,
                Kind::Agreement => grammar::agreement,
                Kind::Article => grammar::article,
                Kind::Preposition => grammar::preposition,
                Kind::Doubled => grammar::doubled,
                Kind::Dropped => grammar::dropped,
                Kind::VerbForm => grammar::verb_form,
                Kind::Number => grammar::number,
                Kind::Order => grammar::order,
                Kind::Apostrophe => grammar::apostrophe,
                Kind::WordForm => grammar::word_form,
            };
            if let Some(edit) = attempt(&sentence, at, chance, &self.lexicon)
                && is_untouched(&edit, spoilt)
            {
                return Some(edit);
            }
        }
        None
    }

    fn misspelt(
        &self,
        sentence: &Sentence<'_>,
        spoilt: &Spoilt,
        at: usize,
        chance: &mut Chance,
    ) -> Option<Edit> {
        if !grammar::is_spellable(sentence, at) {
            return None;
        }
        let wrong = misspell(
            spoilt.words.get(at)?,
            self.settings.misspellings.as_ref(),
            self.settings.listed,
            chance,
        )?;
        Some(Edit::instead(at, 1, &wrong))
    }
}

/// A misspelling of `word`: with probability `listed` one of `list`, if it has any, else one by rule.
pub fn misspell(
    word: &str,
    list: Option<&Misspellings>,
    listed: f64,
    chance: &mut Chance,
) -> Option<String> {
    let of_list = chance.happens(listed);
    list.filter(|_| of_list)
        .and_then(|list| list.misspell(word, chance))
        .or_else(|| mistype(word, chance))
}

/// Whether an edit leaves earlier slips alone, and what stands beside them.
fn is_untouched(edit: &Edit, spoilt: &Spoilt) -> bool {
    let around = edit.range.start.saturating_sub(1)..(edit.range.end + 1).min(spoilt.marks.len());
    (spoilt.marks.get(around)).is_some_and(|marks| marks.iter().all(Option::is_none))
}

fn apply(edit: Edit, kind: Kind, spoilt: &mut Spoilt) {
    let Edit { range, with } = edit;
    if range.end > spoilt.words.len() {
        return;
    }
    let marks = with.iter().map(|&(_, wrong)| wrong.then_some(kind));
    spoilt.marks.splice(range.clone(), marks);
    spoilt
        .words
        .splice(range, with.into_iter().map(|(word, _)| word));
    spoilt.slips.push(kind);
}

/// What was made of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The examples.
    pub data: Tagged,
    /// Sentences, those without a slip, words, and marked words.
    pub counts: Counts,
}

/// How much of what there is in generated data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sentences.
    pub sentences: usize,
    /// Those that stayed clean.
    pub clean: usize,
    /// Words, marks of punctuation included.
    pub words: usize,
    /// Marked words.
    pub marked: usize,
    /// Slips of each kind, by its number.
    pub slips: [usize; Kind::ALL.len()],
}

/// Examples from the first `sentences` sentences of `documents` that are long enough and not too long.
/// An example is one sentence or a few in a row, as a tagger meets them.
///
/// # Errors
///
/// As [`Slips::new`].
pub fn generate(
    documents: impl Iterator<Item = String>,
    settings: &SlipSettings,
    sentences: usize,
) -> Result<Generated, Error> {
    let slips = Slips::new(settings.clone())?;
    let mut counts = Counts::default();
    let mut examples = Vec::new();
    'all: for document in documents {
        for paragraph in paragraphs(&document) {
            let mut open: Option<(TaggedSentence, usize)> = None;
            for sentence in sentences_of(&paragraph) {
                if counts.sentences >= sentences {
                    examples.extend(open.map(|(example, _)| example));
                    break 'all;
                }
                let number = counts.sentences as u64;
                let spoilt = slips.spoil(sentence, number);
                // A sentence that is left out ends the run: its neighbours are none of each other.
                if !(SHORTEST..=settings.longest).contains(&spoilt.words.len()) {
                    examples.extend(open.take().map(|(example, _)| example));
                    continue;
                }
                counts.count(&spoilt);
                let (mut example, left) = open.take().unwrap_or_else(|| {
                    let mut chance = Chance::new(settings.seed, number);
                    let more = chance.below(settings.together.max(1));
                    (TaggedSentence::default(), more)
                });
                let tags = spoilt.marks.iter().map(|mark| usize::from(mark.is_some()));
                example.tags.extend(tags);
                example.words.extend(spoilt.words);
                match left.checked_sub(1) {
                    Some(left) => open = Some((example, left)),
                    None => examples.push(example),
                }
            }
            examples.extend(open.map(|(example, _)| example));
        }
    }
    Ok(Generated {
        data: Tagged {
            labels: LABELS.map(str::to_owned).to_vec(),
            sentences: examples,
        },
        counts,
    })
}

/// As [`generate`], without the counts.
///
/// # Errors
///
/// As [`Slips::new`].
pub fn tagged(
    documents: impl Iterator<Item = String>,
    settings: &SlipSettings,
    sentences: usize,
) -> Result<Tagged, Error> {
    Ok(generate(documents, settings, sentences)?.data)
}

impl Counts {
    fn count(&mut self, spoilt: &Spoilt) {
        self.sentences += 1;
        self.clean += usize::from(spoilt.slips.is_empty());
        self.words += spoilt.words.len();
        self.marked += spoilt.marks.iter().flatten().count();
        for &kind in &spoilt.slips {
            if let Some(count) = self.slips.get_mut(kind as usize) {
                *count += 1;
            }
        }
    }
}

/// The paragraphs of a text that has one a line, or lines wrapped by hand, or both: a line of the
/// length that people wrap at goes on in the next one, any other ends a paragraph.
fn paragraphs(text: &str) -> Vec<String> {
    const WRAPPED: std::ops::RangeInclusive<usize> = 55..=120;
    let mut paragraphs: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            goes_on = false;
            continue;
        }
        match paragraphs.last_mut() {
            Some(open) if goes_on => {
                open.push(' ');
                open.push_str(line);
            }
            _ => paragraphs.push(line.to_owned()),
        }
        goes_on = WRAPPED.contains(&line.chars().count());
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

    fn generated(settings: &SlipSettings) -> Generated {
        generate([document()].into_iter(), settings, usize::MAX).unwrap()
    }

    #[test]
    fn a_third_stays_clean_and_about_a_ninth_of_the_words_is_marked() {
        let Generated { data, counts } = generated(&SlipSettings::default());
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
    fn every_kind_comes_about_as_often_as_it_should() {
        let settings = SlipSettings::default();
        let counts = generated(&settings).counts;
        let all: usize = counts.slips.iter().sum();
        for (kind, (&found, wanted)) in Kind::ALL
            .iter()
            .zip(counts.slips.iter().zip(settings.kinds))
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
    fn a_kind_that_weighs_nothing_never_comes() {
        let mut kinds = [0.0; Kind::ALL.len()];
        kinds[Kind::Doubled as usize] = 1.0;
        let settings = SlipSettings {
            kinds,
            clean: 0.0,
            ..SlipSettings::default()
        };
        let slips = Slips::new(settings).unwrap();
        let spoilt = slips.spoil("They wait here", 0);
        assert_eq!(spoilt.slips, [Kind::Doubled]);
        let twice = spoilt
            .words
            .windows(2)
            .position(|pair| pair[0].eq_ignore_ascii_case(&pair[1]));
        assert_eq!(spoilt.marks[twice.unwrap() + 1], Some(Kind::Doubled));
    }

    #[test]
    fn slips_are_a_function_of_text_seed_and_number() {
        let with_seed = |seed| {
            generated(&SlipSettings {
                seed,
                ..SlipSettings::default()
            })
        };
        assert_eq!(with_seed(1), with_seed(1));
        assert_ne!(with_seed(1), with_seed(2));
        let slips = Slips::new(SlipSettings {
            clean: 0.0,
            ..SlipSettings::default()
        })
        .unwrap();
        let made: std::collections::HashSet<Vec<String>> = (0..20)
            .map(|number| slips.spoil(TEXT, number).words)
            .collect();
        assert!(made.len() > 15);
    }

    #[test]
    fn examples_are_runs_of_sentences_within_a_paragraph() {
        let settings = SlipSettings {
            clean: 1.0,
            together: 3,
            ..SlipSettings::default()
        };
        let text =
            "One two three four. Five six seven eight.\nNo.\nNine ten eleven twelve.".to_owned();
        let data = tagged([text].into_iter(), &settings, usize::MAX).unwrap();
        let stops =
            |sentence: &TaggedSentence| sentence.words.iter().filter(|word| *word == ".").count();
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
        let few = tagged([document()].into_iter(), &settings, 5).unwrap();
        assert_eq!(few.sentences.iter().map(stops).sum::<usize>(), 5);
    }

    #[test]
    fn lines_wrapped_by_hand_are_joined_and_others_are_not() {
        let wrapped =
            "The boats wait in the harbour for the tide, and the fishermen\nare drinking.";
        assert_eq!(paragraphs(wrapped).len(), 1);
        assert_eq!(paragraphs("A heading\nThe text.\n\nMore.").len(), 3);
    }

    #[test]
    fn shares_that_are_none_are_refused() {
        let refused =
            |settings: SlipSettings| Slips::new(settings).err().map(|err| err.to_string());
        assert_eq!(
            refused(SlipSettings {
                clean: 1.5,
                ..SlipSettings::default()
            })
            .as_deref(),
            Some("the share of clean sentences is 1.5; it must be a number from 0 to 1")
        );
        assert!(
            refused(SlipSettings {
                kinds: [0.0; 12],
                ..SlipSettings::default()
            })
            .is_some()
        );
        assert!(
            refused(SlipSettings {
                slips: f64::NAN,
                ..SlipSettings::default()
            })
            .is_some()
        );
    }

    proptest! {
        #[test]
        fn marks_align_with_words_and_every_slip_leaves_one(text in "[ a-zA-Z.,’'é\\-]{0,120}", seed in 0u64..1000) {
            let slips = Slips::new(SlipSettings { seed, clean: 0.1, slips: 0.5, ..SlipSettings::default() }).unwrap();
            let spoilt = slips.spoil(&text, 3);
            prop_assert_eq!(spoilt.words.len(), spoilt.marks.len());
            prop_assert!(spoilt.words.iter().all(|word| !word.is_empty() && !word.contains(char::is_whitespace)));
            prop_assert!(spoilt.marks.iter().flatten().count() >= spoilt.slips.len());
            if spoilt.slips.is_empty() {
                prop_assert_eq!(spoilt.words, words::words(&text));
            }
        }
    }
}
