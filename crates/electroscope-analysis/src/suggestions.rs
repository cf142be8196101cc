//! Suggestions for a word: candidates that the model has read in the place of the word.
//!
//! Candidates are gathered (see the kinds of [`CandidateKind`]), each is put into the text, and the
//! discriminator reads all of them in one batch, in a window of some tokens around the word. The *doubt* of
//! a reading is the sum of −log(1 − p) over the tokens at the place and around it. A candidate's score is
//! the doubt that is left, and a cost of its kind of edit, of how far it is spelt from the word and of
//! how rare it is; keeping the word is a candidate too. The scores are logits: their softmax is how likely it
//! is that each is what should stand there. The weights were fitted so, on mistakes that people
//! corrected, misspellings in prose, and words that are right (`fit.py` in `assets/dictionary`).
//!
//! A suggestion is verified if it is likelier than the word as it stands.

mod candidates;
mod edits;

use std::ops::Range;
use std::sync::Arc;

use electroscope_model::{Error, Forward, Tokenizer};
use electroscope_text::{Block, BlockText, Document, Span, is_punctuation, sentences, word_starts};

use super::dictionary::Dictionary;
use super::engine::Engine;

use candidates::{Candidate, Place, gather, in_case_of};
pub use candidates::{CandidateKind, article};
pub use edits::{Edit, EditError, apply};

/// What is read of a candidate and known of it before, in the order of [`FEATURES`].
pub type Features = [f32; FEATURES.len()];

/// The names of the features that a score is made of.
pub const FEATURES: [&str; 26] = [
    // What the model read: sums of −log(1 − p).
    "doubt_at_place",
    "doubt_of_worst_piece",
    "doubt_near",
    "doubt_further",
    "pieces",
    // Keeping the word as it stands.
    "keep",
    "keep_unknown",
    "keep_unknown_frequency",
    "keep_unknown_capital",
    "keep_repeated",
    // Kinds of edits.
    "spelling_of_unknown",
    "spelling_of_known",
    "spelling_distance",
    "spelling_frequency",
    "split",
    "join",
    "inflection",
    "confusable",
    "article",
    "article_fits",
    "doubled",
    "deletion",
    "insertion",
    "small_word_share",
    // How much more frequent the new word is than the old one, for an inflection or a confusable.
    "frequency_gain",
    // An edit other than a spelling, of a word that is in no dictionary.
    "unknown_otherwise",
];

/// The weights of [`FEATURES`].
const WEIGHTS: Features = [
    -2.897, -0.261, -2.211, -1.311, -0.760, 2.400, -1.225, 0.889, 3.804, -3.188, 1.381, -3.104,
    -3.742, 0.363, -0.295, -2.826, -1.749, -2.612, -2.515, 6.266, 0.604, -2.058, -0.277, 0.505,
    0.305, -0.421,
];

/// Tokens that are read on each side of the word.
const CONTEXT: usize = 16;
/// Tokens on each side whose doubt is near.
const NEAR: usize = 2;
/// Tokens on each side whose doubt counts at all.
const FURTHER: usize = 10;

/// Something to put in the place of a word, which the model has read there.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The bytes of the document that it replaces: those of the word, or more.
    pub span: Span,
    /// What it puts there; empty if it leaves the word out.
    pub replacement: String,
    /// What it does.
    pub kind: CandidateKind,
    /// The largest p of the word's pieces, in the window that the candidates were read in.
    pub p_before: f32,
    /// The largest p of the pieces that stand there instead; of the next ones if there are none.
    pub p_after: f32,
    /// How likely it is that it should stand there, all other candidates and the word itself considered.
    pub certainty: f32,
    /// Whether it is likelier than the word itself.
    pub is_verified: bool,
    /// What its score is made of.
    pub features: Features,
}

impl Suggestion {
    /// The change that it makes to `document`, in which it was found.
    pub fn edit(&self, document: &Document) -> Edit {
        Edit {
            span: self.span,
            before: self.span.of(&document.text).unwrap_or_default().to_owned(),
            replacement: self.replacement.clone(),
        }
    }
}

/// What is suggested for a word, and what speaks for the word as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestions {
    /// The likeliest first.
    pub candidates: Vec<Suggestion>,
    /// How likely it is that the word is right.
    pub keep: f32,
    /// What the score of keeping it is made of.
    pub features: Features,
}

/// A model that reads candidates, and a dictionary that they are from. It shares the model with the engine
/// that it is made by, and remembers nothing.
#[derive(Clone)]
pub struct Suggester<'a> {
    tokenizer: Arc<Tokenizer>,
    forward: Arc<dyn Forward>,
    dictionary: &'a Dictionary,
    /// Tokens on each side.
    context: usize,
}

impl Engine {
    /// What suggests words with this engine's model, which must be a discriminator.
    pub fn suggester<'a>(&self, dictionary: &'a Dictionary) -> Suggester<'a> {
        let capacity = self.planner.capacity();
        Suggester {
            tokenizer: Arc::clone(self.planner.tokenizer()),
            forward: self.scorer.shared_forward(),
            dictionary,
            // Room for a long word between the sides.
            context: CONTEXT.min(capacity / 3),
        }
    }
}

/// A candidate as the model is to read it.
struct Reading {
    /// `[CLS]`, tokens, `[SEP]`.
    window: Vec<u32>,
    /// Which of them stand at the place.
    place: Range<usize>,
}

impl Suggester<'_> {
    /// What could stand in the place of the word at `word` of `document`, whose blocks of prose are `blocks`;
    /// none if there is no word of prose, or if markup stands inside of it.
    ///
    /// # Errors
    ///
    /// Those of the forward pass.
    pub fn suggest(
        &self,
        document: &Document,
        blocks: &[Block],
        word: Span,
    ) -> Result<Option<Suggestions>, Error> {
        let at = blocks.partition_point(|block| block.span.end() <= word.start());
        let Some(block) = blocks.get(at).filter(|block| block.span.overlaps(word)) else {
            return Ok(None);
        };
        self.suggest_in(&document.text, block, word)
    }

    fn suggest_in(
        &self,
        source: &str,
        block: &Block,
        word: Span,
    ) -> Result<Option<Suggestions>, Error> {
        let read = BlockText::of(source, block);
        let Some(place) = find(&read, word) else {
            return Ok(None);
        };
        // A candidate can be put into the source where that is what is read.
        let in_source = |range: &Range<usize>| {
            let (span, is_prose) = read.source(range.clone());
            let is_same = span.of(source) == read.text().get(range.clone());
            (is_same && is_prose).then_some(span)
        };
        if in_source(&place.word).is_none() || is_punctuation(place.word()) {
            return Ok(None);
        }
        let candidates: Vec<(Candidate, Span)> = gather(&place, self.dictionary)
            .into_iter()
            .filter_map(|candidate| {
                let span = in_source(&candidate.range)?;
                Some((candidate, span))
            })
            .collect();

        let text = place.text;
        let windows = Windows::new(self, text);
        let mut readings = vec![windows.reading(&place.word, place.word())?];
        for (candidate, _) in &candidates {
            readings.push(windows.reading(&candidate.range, &candidate.replacement)?);
        }
        let inputs: Vec<&[u32]> = readings.iter().map(|reading| &*reading.window).collect();
        let logits = self.forward.logits(&inputs)?;
        let mut logits = logits.iter().zip(&readings);
        let Some((kept, reading)) = logits.next() else {
            return Ok(None);
        };
        let known = Known::of(&place, self.dictionary);
        let keep = known.keep(doubt(kept, &reading.place));
        let p_before = worst_p(kept, &reading.place);
        let mut found: Vec<Suggestion> = candidates
            .into_iter()
            .zip(logits)
            .map(|((candidate, span), (logits, reading))| Suggestion {
                span,
                kind: candidate.kind,
                p_before,
                p_after: worst_p(logits, &reading.place),
                certainty: 0.0,
                is_verified: false,
                features: known.candidate(&candidate, doubt(logits, &reading.place)),
                replacement: candidate.replacement,
            })
            .collect();
        // Softmax over all of them and the word itself.
        let kept = score(&keep);
        let scores: Vec<f32> = found.iter().map(|one| score(&one.features)).collect();
        let largest = scores.iter().copied().fold(kept, f32::max);
        let weight = |score: f32| (score - largest).exp();
        let sum = weight(kept) + scores.iter().map(|&score| weight(score)).sum::<f32>();
        for (one, &score) in found.iter_mut().zip(&scores) {
            one.certainty = weight(score) / sum;
            one.is_verified = score > kept;
        }
        found.sort_by(|a, b| b.certainty.total_cmp(&a.certainty));
        Ok(Some(Suggestions {
            candidates: found,
            keep: weight(kept) / sum,
            features: keep,
        }))
    }
}

/// The place of the word that is at `word` in the source.
fn find<'a>(read: &'a BlockText<'_>, word: Span) -> Option<Place<'a>> {
    let text = read.text();
    let starts: Vec<usize> = word_starts(text).chain([text.len()]).collect();
    let ranges: Vec<Range<usize>> = (starts.windows(2))
        .filter_map(|pair| match pair {
            &[start, end] => Some(start..end),
            _ => None,
        })
        .collect();
    let at = ranges.iter().position(|range| {
        let (span, _) = read.source(range.clone());
        span.start() <= word.start() && word.start() < span.end()
    })?;
    let word = ranges.get(at)?.clone();
    let is_space = |range: &Range<usize>| {
        let part = text.get(range.clone()).unwrap_or_default();
        !part.is_empty() && part.chars().all(char::is_whitespace)
    };
    let is_word = |range: &Range<usize>| {
        let part = text.get(range.clone()).unwrap_or_default();
        part.starts_with(char::is_alphanumeric)
    };
    let beyond = |by: isize| {
        let space = ranges.get(at.checked_add_signed(by)?)?;
        let other = ranges.get(at.checked_add_signed(2 * by)?)?;
        (is_space(space) && is_word(other)).then(|| other.clone())
    };
    let (before, after) = (beyond(-1), beyond(1));
    let begins = sentences(text);
    Some(Place {
        text,
        begins_sentence: word.start == 0 || begins.contains(&word.start),
        word,
        before,
        after,
    })
}

/// Windows around a place in a text. What stands before and after is tokenised once for all candidates:
/// no token lies on both sides of a border of words.
struct Windows<'a> {
    suggester: &'a Suggester<'a>,
    text: &'a str,
    sides: std::cell::RefCell<Vec<Side>>,
}

/// The tokens before a byte, or from it on.
#[derive(Clone)]
struct Side {
    at: usize,
    is_before: bool,
    ids: Vec<u32>,
}

impl<'a> Windows<'a> {
    fn new(suggester: &'a Suggester<'a>, text: &'a str) -> Windows<'a> {
        Windows {
            suggester,
            text,
            sides: std::cell::RefCell::new(Vec::new()),
        }
    }

    fn side(&self, at: usize, is_before: bool) -> Result<Vec<u32>, Error> {
        /// Bytes that hold the tokens of a side, mostly.
        const BYTES: usize = 12 * CONTEXT;
        let is_known = |side: &&Side| side.at == at && side.is_before == is_before;
        if let Some(side) = self.sides.borrow().iter().find(is_known) {
            return Ok(side.ids.clone());
        }
        let context = self.suggester.context;
        let tokens = |part: &str| -> Result<Vec<u32>, Error> {
            let pieces = self.suggester.tokenizer.encode(part)?;
            Ok(pieces.iter().map(|piece| piece.id).collect())
        };
        let ids = if is_before {
            let mut from = at.saturating_sub(BYTES);
            while from > 0
                && !self
                    .text
                    .get(from..at)
                    .is_some_and(|part| part.starts_with(char::is_whitespace))
            {
                from -= 1;
            }
            let ids = tokens(self.text.get(from..at).unwrap_or_default())?;
            ids.get(ids.len().saturating_sub(context)..)
                .unwrap_or_default()
                .to_vec()
        } else {
            let mut to = (at + BYTES).min(self.text.len());
            while to < self.text.len()
                && !self
                    .text
                    .get(to..)
                    .is_some_and(|part| part.starts_with(char::is_whitespace))
            {
                to += 1;
            }
            let mut ids = tokens(self.text.get(at..to).unwrap_or_default())?;
            ids.truncate(context);
            ids
        };
        let side = Side { at, is_before, ids };
        self.sides.borrow_mut().push(side.clone());
        Ok(side.ids)
    }

    fn reading(&self, range: &Range<usize>, replacement: &str) -> Result<Reading, Error> {
        let tokenizer = &*self.suggester.tokenizer;
        let mut window = vec![tokenizer.cls_id()];
        window.extend(self.side(range.start, true)?);
        let start = window.len();
        let pieces = tokenizer.encode(replacement)?;
        // A word of very many pieces must leave room for its surroundings.
        window.extend(
            pieces
                .iter()
                .take(self.suggester.context.max(1))
                .map(|piece| piece.id),
        );
        let end = window.len();
        window.extend(self.side(range.end, false)?);
        window.push(tokenizer.sep_id());
        Ok(Reading {
            window,
            place: start..end,
        })
    }
}

/// −log(1 − p) of a logit.
fn surprise(logit: f32) -> f32 {
    logit.max(0.0) + (-logit.abs()).exp().ln_1p()
}

/// The doubt at a place, of its worst piece, near it and further, and the number of pieces.
fn doubt(logits: &[f32], place: &Range<usize>) -> [f32; 5] {
    let sum = |range: Range<usize>| -> f32 {
        let part = logits.get(range).unwrap_or_default();
        part.iter().map(|&logit| surprise(logit)).sum()
    };
    let last = logits.len().saturating_sub(1);
    let before = |tokens: usize| place.start.saturating_sub(tokens).max(1);
    let after = |tokens: usize| (place.end + tokens).min(last);
    let near = sum(before(NEAR)..place.start) + sum(place.end..after(NEAR));
    let further = sum(before(FURTHER)..before(NEAR)) + sum(after(NEAR)..after(FURTHER));
    let worst = logits.get(place.clone()).unwrap_or_default();
    let worst = worst
        .iter()
        .map(|&logit| surprise(logit))
        .fold(0.0, f32::max);
    [sum(place.clone()), worst, near, further, place.len() as f32]
}

/// The largest p at a place, or of the next token if it is empty.
fn worst_p(logits: &[f32], place: &Range<usize>) -> f32 {
    let place = place.start
        ..place
            .end
            .max(place.start + 1)
            .min(logits.len().saturating_sub(1));
    let logits = logits.get(place).unwrap_or_default();
    let worst = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    1.0 / (1.0 + (-worst).exp())
}

/// The weighted sum of features.
fn score(features: &Features) -> f32 {
    features
        .iter()
        .zip(&WEIGHTS)
        .map(|(value, weight)| value * weight)
        .sum()
}

/// What is known of a word.
struct Known {
    is_known: bool,
    has_capital: bool,
    repeats: bool,
    frequency: f32,
}

impl Known {
    fn of(place: &Place<'_>, dictionary: &Dictionary) -> Known {
        let word = place.word();
        let is_plain = in_case_of("x", word) == word && !word.chars().any(char::is_uppercase);
        Known {
            is_known: dictionary.contains(word) || !word.contains(char::is_alphabetic),
            has_capital: !is_plain && !place.begins_sentence
                || word.chars().skip(1).any(char::is_uppercase)
                || word.contains(char::is_numeric),
            repeats: place.repeats(),
            frequency: dictionary.frequency(word).unwrap_or(0.0),
        }
    }

    fn keep(&self, [place, worst, near, further, pieces]: [f32; 5]) -> Features {
        let unknown = f32::from(u8::from(!self.is_known));
        let mut features = [0.0; FEATURES.len()];
        features[..5].copy_from_slice(&[place, worst, near, further, pieces]);
        features[5..10].copy_from_slice(&[
            1.0,
            unknown,
            unknown * self.frequency,
            unknown * f32::from(u8::from(self.has_capital)),
            f32::from(u8::from(self.repeats)),
        ]);
        features
    }

    fn candidate(&self, candidate: &Candidate, doubt: [f32; 5]) -> Features {
        let mut features = [0.0; FEATURES.len()];
        features[..5].copy_from_slice(&doubt);
        let mut set = |name: &str, value: f32| {
            if let Some(at) = FEATURES.iter().position(|&known| known == name) {
                features[at] = value;
            }
        };
        let gain = candidate.frequency - self.frequency;
        match candidate.kind {
            CandidateKind::Spelling => {
                match self.is_known {
                    true => set("spelling_of_known", 1.0),
                    false => set("spelling_of_unknown", 1.0),
                }
                set("spelling_distance", candidate.weight);
                set("spelling_frequency", candidate.frequency);
            }
            CandidateKind::Split => {
                set("split", 1.0);
                set("spelling_frequency", -candidate.weight);
            }
            CandidateKind::Join => set("join", 1.0),
            CandidateKind::Inflection => {
                set("inflection", 1.0);
                set("frequency_gain", gain);
            }
            CandidateKind::Confusable | CandidateKind::Guess => {
                set("confusable", 1.0);
                set("frequency_gain", gain);
            }
            CandidateKind::Article => {
                set("article", 1.0);
                set("article_fits", candidate.weight);
            }
            CandidateKind::Doubled => set("doubled", 1.0),
            CandidateKind::Deletion => {
                set("deletion", 1.0);
                set("small_word_share", candidate.weight);
            }
            CandidateKind::Insertion => {
                set("insertion", 1.0);
                set("small_word_share", candidate.weight);
            }
        }
        if !self.is_known
            && !matches!(
                candidate.kind,
                CandidateKind::Spelling | CandidateKind::Split
            )
        {
            set("unknown_otherwise", 1.0);
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_model::VocabularyOptions;
    use electroscope_text::{Language, blocks};
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const VOCABULARY: &str =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nboats\nwait\nin\nharbour\n.\nhar\n##buor\n,\nand";

    /// Doubts of pieces that are none of a word's beginning, and counts its calls.
    struct DoubtsPieces(AtomicUsize);

    impl Forward for DoubtsPieces {
        fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let logit = |&id: &u32| if [11, 12].contains(&id) { 3.0 } else { -4.0 };
            Ok(windows
                .iter()
                .map(|window| window.iter().map(logit).collect())
                .collect())
        }

        fn device(&self) -> String {
            "cpu".to_owned()
        }

        fn precision(&self) -> String {
            "f32".to_owned()
        }
    }

    fn dictionary() -> Dictionary {
        let aff = "SET UTF-8\n";
        let dic = "5\nthe\nboats\nwait\nin\nharbour\n";
        Dictionary::new(aff, dic, "0boatsK\n0harbourK\n0inW\n0theY\n0waitK\n").unwrap()
    }

    fn suggested(text: &str, word: &str, language: Language) -> (Option<Suggestions>, usize) {
        let tokenizer = Tokenizer::from_vocabulary(
            VOCABULARY.as_bytes(),
            VocabularyOptions::default(),
            Path::new("vocab.txt"),
        );
        let forward = Arc::new(DoubtsPieces(AtomicUsize::new(0)));
        let engine = Engine::new(Arc::new(tokenizer.unwrap()), forward.clone(), 64);
        let document = Document::new("x", text, language);
        let start = text.find(word).unwrap();
        let span = Span::new(start, start + word.len());
        let dictionary = dictionary();
        let suggester = engine.suggester(&dictionary);
        let found = suggester
            .suggest(&document, &blocks(&document), span)
            .unwrap();
        (found, forward.0.load(Ordering::Relaxed))
    }

    #[test]
    fn what_takes_the_doubt_away_is_first_and_all_are_read_in_one_call() {
        let text = "The boats wait in the Harbuor, and wait.";
        let (found, calls) = suggested(text, "Harbuor", Language::Plain);
        let found = found.unwrap();
        let first = &found.candidates[0];
        assert_eq!(
            (&*first.replacement, first.kind),
            ("Harbour", CandidateKind::Spelling)
        );
        assert!(
            first.is_verified && first.p_after < first.p_before,
            "{first:?}"
        );
        assert_eq!(calls, 1);
        let document = Document::new("x", text, Language::Plain);
        let mended = apply(text, &[first.edit(&document)]).unwrap();
        assert_eq!(mended, "The boats wait in the Harbour, and wait.");
        let sum: f32 = found.candidates.iter().map(|one| one.certainty).sum();
        assert!((sum + found.keep - 1.0).abs() < 1e-4);
    }

    #[test]
    fn a_repeated_word_is_left_out_with_its_space() {
        let text = "The boats wait in the the harbour.";
        let (found, _) = suggested(text, "the harbour", Language::Plain);
        let doubled = found.unwrap().candidates;
        let doubled = doubled
            .iter()
            .find(|one| one.kind == CandidateKind::Doubled)
            .unwrap();
        assert_eq!(doubled.span.of(text), Some("the "));
        assert!(doubled.is_verified);
    }

    #[test]
    fn spans_are_those_of_the_source_and_code_and_markup_get_none() {
        let text = "# Boats\n\nThe *boats* wait in the **harbuor**, `harbuor` and har**buor**.\n";
        let (found, _) = suggested(text, "harbuor", Language::Markdown);
        let first = &found.unwrap().candidates[0];
        assert_eq!(
            (first.span.of(text), &*first.replacement),
            (Some("harbuor"), "harbour")
        );
        for word in ["harbuor`", "har**buor**", ", `"] {
            let (found, calls) = suggested(text, word, Language::Markdown);
            assert_eq!((found, calls), (None, 0), "{word}");
        }
    }
}
