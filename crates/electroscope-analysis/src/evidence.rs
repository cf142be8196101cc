//! Joins what is known of a word into one probability that it is an error.
//!
//! The discriminator's logit, the logits of an error tagger, a dictionary and the shape of the word each
//! see some errors and miss others. A logistic regression over them, fitted on corrections that people
//! made, sees more than the best of them: p = sigmoid(b + Σ wᵢ·xᵢ), with the features xᵢ named in
//! [`FEATURES`]. What [`word_rules`] finds is certain and has at least
//! [`CERTAIN`].
//!
//! The features of a word depend on the word, the one before and the one after it, and the two models'
//! logits, so that an edit changes nothing but its neighbourhood.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dictionary::{Dictionary, Neighbour};
use super::error_kind::ErrorKind;
use super::word_rules;

/// The least p of a word that a rule finds.
pub const CERTAIN: f32 = 0.99;

/// A word and what stands around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct WordInContext<'a> {
    /// The word, as a reader sees it.
    pub word: &'a str,
    /// The word or punctuation mark before it; none at the start of a block.
    pub before: Option<&'a str>,
    /// The word or punctuation mark after it; none at the end of a block.
    pub after: Option<&'a str>,
    /// The character before it in the file.
    pub character_before: Option<char>,
    /// The character after it in the file.
    pub character_after: Option<char>,
    /// Whether a sentence begins with it.
    pub starts_sentence: bool,
    /// The number of its pieces.
    pub pieces: usize,
}

/// What the models say of a word.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WordLogits {
    /// The discriminator's logit: the largest of the pieces.
    pub discriminator: f32,
    /// The error tagger's log odds of any label but `O`, at the first piece.
    pub error: f32,
    /// The likeliest label but `O`; none for a label that is not one of [`ErrorKind`].
    pub kind: Option<ErrorKind>,
}

/// The number of features.
pub const FEATURE_COUNT: usize = 44;

/// The features of a word, by their names in [`FEATURES`].
pub type Features = [f32; FEATURE_COUNT];

/// The names of the features, in order.
///
/// `known`: in the dictionary. `unknown lower`: not in it, in lower-case letters only; `unknown name`: not
/// in it, with a capital; `code`: with digits, inner capitals or characters of code beside it.
/// `neighbour`: a frequent word of the dictionary at one edit.
pub const FEATURES: [&str; FEATURE_COUNT] = [
    "bias",
    "discriminator",
    "discriminator > 0",
    "discriminator > -3",
    "error",
    "error > 0",
    "error > -3",
    "discriminator x error",
    "known",
    "unknown lower",
    "unknown name",
    "code",
    "capitals",
    "starts sentence",
    "capitalised",
    "frequency",
    "frequency x discriminator",
    "frequency x error",
    "rare",
    "unknown lower x discriminator",
    "unknown lower x error",
    "unknown name x discriminator",
    "unknown name x error",
    "code x discriminator",
    "code x error",
    "capitalised x error",
    "unlisted lower",
    "neighbour",
    "neighbour x error",
    "neighbour frequency",
    "neighbour two edits",
    "pieces",
    "length",
    "spelling",
    "agreement",
    "article",
    "preposition",
    "verb form",
    "wrong word",
    "missing",
    "superfluous",
    "known x spelling",
    "unknown lower x spelling",
    "rule",
];

/// The features of a word. `nearest` finds the likeliest word of the dictionary that is spelt like another.
pub fn features(
    dictionary: &Dictionary,
    nearest: &dyn Fn(&str) -> Option<Neighbour>,
    context: &WordInContext<'_>,
    logits: &WordLogits,
) -> Features {
    let word = context.word;
    let discriminator = finite(logits.discriminator).clamp(-8.0, 8.0);
    let error = finite(logits.error).clamp(-10.0, 10.0);
    let is_letter = |c: char| c.is_alphabetic() || matches!(c, '\'' | '’' | '\u{ad}');
    let is_code_sign = |c: char| {
        matches!(
            c,
            '`' | '_'
                | '/'
                | '\\'
                | '@'
                | '#'
                | '<'
                | '>'
                | '='
                | '{'
                | '}'
                | '$'
                | '~'
                | '|'
                | '+'
                | '&'
        )
    };
    let has_inner_capital = word.chars().skip(1).any(char::is_uppercase);
    let is_capitals = has_inner_capital && !word.chars().any(char::is_lowercase);
    let is_capitalised = word.chars().next().is_some_and(char::is_uppercase);
    let is_code = !word.chars().all(is_letter)
        || (has_inner_capital && !is_capitals)
        || [context.character_before, context.character_after]
            .iter()
            .flatten()
            .any(|&c| is_code_sign(c));
    let is_known = dictionary.contains(word);
    let frequency = dictionary.frequency(word);
    let is_lower = !is_capitalised && !has_inner_capital && word.chars().all(is_letter);
    let is_unknown_lower = !is_known && is_lower;
    let is_unknown_name = !is_known && is_capitalised && word.chars().all(is_letter);
    let neighbour = match is_known || is_code || word.chars().count() < 3 {
        true => None,
        false => nearest(word),
    };
    let has_neighbour = neighbour
        .as_ref()
        .is_some_and(|neighbour| neighbour.edits <= 1);
    let bit = |is: bool| f32::from(u8::from(is));
    // Of a word that is hardly an error the kind says nothing.
    let kind = |kind: ErrorKind| bit(logits.kind == Some(kind) && error > -4.0);
    // From 0 (not listed) to about 1 (the commonest words).
    let frequency_share = frequency.map_or(0.0, |frequency| frequency / 16.0);
    [
        1.0,
        discriminator,
        discriminator.max(0.0),
        (discriminator + 3.0).max(0.0),
        error,
        error.max(0.0),
        (error + 3.0).max(0.0),
        (discriminator + 3.0).max(0.0) * (error + 4.0).max(0.0) / 4.0,
        bit(is_known),
        bit(is_unknown_lower),
        bit(is_unknown_name),
        bit(is_code),
        bit(is_capitals),
        bit(context.starts_sentence),
        bit(is_capitalised),
        frequency_share,
        frequency_share * discriminator,
        frequency_share * error,
        bit(frequency.is_none()),
        bit(is_unknown_lower) * discriminator,
        bit(is_unknown_lower) * error,
        bit(is_unknown_name) * discriminator,
        bit(is_unknown_name) * error,
        bit(is_code) * discriminator,
        bit(is_code) * error,
        bit(is_capitalised) * error,
        bit(is_unknown_lower && frequency.is_none()),
        bit(has_neighbour),
        bit(has_neighbour) * error,
        match (&neighbour, has_neighbour) {
            (Some(neighbour), true) => neighbour.frequency / 16.0,
            _ => 0.0,
        },
        bit(neighbour.is_some() && !has_neighbour),
        context.pieces.min(6) as f32 / 3.0,
        word.chars().count().min(16) as f32 / 8.0,
        kind(ErrorKind::Spelling),
        kind(ErrorKind::Agreement),
        kind(ErrorKind::Article),
        kind(ErrorKind::Preposition),
        kind(ErrorKind::VerbForm),
        kind(ErrorKind::WrongWord),
        kind(ErrorKind::Missing),
        kind(ErrorKind::Superfluous),
        bit(is_known) * kind(ErrorKind::Spelling),
        bit(is_unknown_lower) * kind(ErrorKind::Spelling),
        bit(rule(dictionary, context).is_some()),
    ]
}

/// The kind of error that a rule finds.
pub fn rule(dictionary: &Dictionary, context: &WordInContext<'_>) -> Option<ErrorKind> {
    if (context.before).is_some_and(|before| word_rules::is_repetition(before, context.word)) {
        return Some(ErrorKind::Superfluous);
    }
    let is_known = |word: &str| dictionary.contains(word);
    word_rules::mended_article(context.word, context.after?, is_known)?;
    Some(ErrorKind::Article)
}

fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { 0.0 }
}

/// Why a saved evidence model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The bytes are not the JSON of one.
    #[error("it is not an evidence model: {0}")]
    Json(#[from] serde_json::Error),
    /// Its features are others.
    #[error("its features are not those of this version: {0}; fit it again")]
    Features(String),
    /// A weight is not a number.
    #[error("the weight of {0:?} is not a number")]
    Weight(String),
}

/// A logistic regression over [`features`].
#[derive(Clone, Debug, PartialEq)]
pub struct EvidenceModel {
    /// The weight of each feature.
    pub weights: Features,
    /// Words with at least this p are flagged.
    pub threshold: f32,
    /// The share of clean words that the threshold flags.
    pub false_alarms: Option<f32>,
}

/// How a model is saved.
#[derive(Serialize, Deserialize)]
struct SavedModel {
    threshold: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    false_alarms: Option<f32>,
    weights: BTreeMap<String, f32>,
}

impl EvidenceModel {
    /// Reads a model from JSON.
    ///
    /// # Errors
    ///
    /// [`EvidenceError`] for JSON of another kind and for features that are not [`FEATURES`].
    pub fn from_json(json: &str) -> Result<EvidenceModel, EvidenceError> {
        let mut saved: SavedModel = serde_json::from_str(json)?;
        let mut weights = [0.0; FEATURE_COUNT];
        for (weight, name) in weights.iter_mut().zip(FEATURES) {
            let value = saved.weights.remove(name);
            *weight =
                value.ok_or_else(|| EvidenceError::Features(format!("{name:?} is missing")))?;
            if !weight.is_finite() {
                return Err(EvidenceError::Weight(name.to_owned()));
            }
        }
        if let Some(unknown) = saved.weights.keys().next() {
            return Err(EvidenceError::Features(format!("{unknown:?} is unknown")));
        }
        Ok(EvidenceModel {
            weights,
            threshold: saved.threshold,
            false_alarms: saved.false_alarms,
        })
    }

    /// The model as JSON.
    ///
    /// # Errors
    ///
    /// Those of the JSON writer.
    pub fn to_json(&self) -> Result<String, EvidenceError> {
        let named = FEATURES.iter().zip(self.weights);
        let saved = SavedModel {
            threshold: self.threshold,
            false_alarms: self.false_alarms,
            weights: named
                .map(|(name, weight)| ((*name).to_owned(), weight))
                .collect(),
        };
        Ok(serde_json::to_string_pretty(&saved)? + "\n")
    }

    /// The probability that a word with these features is an error.
    pub fn p(&self, features: &Features) -> f32 {
        let products = self.weights.iter().zip(features);
        let sum: f32 = products.map(|(weight, value)| weight * value).sum();
        let p = 1.0 / (1.0 + (-sum).exp());
        // The rule is the last feature.
        match features.last() {
            Some(&rule) if rule > 0.0 => p.max(CERTAIN),
            _ => p,
        }
    }
}
