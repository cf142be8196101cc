//! From windows of tokens to the p of words: by one model, or by two models and other evidence.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use electroscope_model::{Error, Forward};
use electroscope_text::{Document, Span};
use lru::LruCache;

use super::cache::Said;
use super::dictionary::{Dictionary, Neighbour};
use super::error_kind::ErrorKind;
use super::error_tagger::ErrorTagger;
use super::evidence::{EvidenceModel, Features, WordInContext, WordLogits, features, rule};
use super::finding::{Reading, Token, Word};
use super::outline::Planner;
use super::tokens::Tokens;
use super::window::{Begins, Window};

/// How words are scored.
pub(super) enum WordScorer {
    /// p is the sigmoid of a model's logit.
    Logits(Arc<dyn Forward>),
    /// p is that of the evidence model.
    Evidence(Box<EvidenceScorer>),
}

/// Scores words by [`Evidence`].
pub(super) struct EvidenceScorer {
    evidence: Evidence,
    /// The nearest words of those that were looked up last: it takes about a millisecond to find one, and
    /// what is in no dictionary stands in a document many times.
    nearest: Mutex<LruCache<String, Option<Neighbour>>>,
}

/// What the probability of an error is made from.
pub struct Evidence {
    /// The discriminator.
    pub discriminator: Arc<dyn Forward>,
    /// The error tagger. Its tokenizer and its window size are the discriminator's.
    pub tagger: ErrorTagger,
    /// Which words there are, and how frequent they are.
    pub dictionary: Arc<Dictionary>,
    /// The model that joins the evidence.
    pub model: EvidenceModel,
}

/// The values of a token in an answer of [`Evidence`]: the discriminator's logit, the tagger's, and the
/// kind of error, 0 for none.
const EVIDENCE_VALUES: usize = 3;

impl WordScorer {
    /// The model whose device and batch size count.
    pub(super) fn forward(&self) -> &dyn Forward {
        match self {
            WordScorer::Logits(forward) => &**forward,
            WordScorer::Evidence(scorer) => &*scorer.evidence.discriminator,
        }
    }

    /// The same, shared.
    pub(super) fn shared_forward(&self) -> Arc<dyn Forward> {
        match self {
            WordScorer::Logits(forward) => Arc::clone(forward),
            WordScorer::Evidence(scorer) => Arc::clone(&scorer.evidence.discriminator),
        }
    }

    /// What is found for windows, each of some tokens: the values of each token of its core.
    pub(super) fn answers(
        &self,
        planner: &Planner,
        windows: &[(&Tokens, &Window)],
    ) -> Result<Vec<Said<f32>>, Error> {
        let inputs: Vec<Vec<u32>> = (windows.iter())
            .map(|(tokens, window)| planner.window(&tokens.ids[window.reads.clone()]))
            .collect();
        let inputs: Vec<&[u32]> = inputs.iter().map(Vec::as_slice).collect();
        let logits = self.forward().logits(&inputs)?;
        let cores = windows.iter().map(|(_, window)| window.core_in_window());
        match self {
            WordScorer::Logits(_) => {
                let answer = |(core, logits): (std::ops::Range<usize>, Vec<f32>)| {
                    // The first logit is that of `[CLS]`.
                    let core = logits.iter().skip(1 + core.start).take(core.len());
                    core.map(|&logit| sigmoid(logit)).collect()
                };
                Ok(cores.zip(logits).map(answer).collect())
            }
            WordScorer::Evidence(scorer) => {
                let errors = scorer.evidence.tagger.error_logits(&inputs)?;
                let answers = cores.zip(logits.iter().zip(&errors));
                let answer = answers.map(|(core, (logits, errors))| {
                    let both = logits.iter().zip(errors);
                    let core = both.skip(1 + core.start).take(core.len());
                    let values = core.flat_map(|(&logit, error)| {
                        let kind = error.kind.map_or(0, ErrorKind::index);
                        [logit, error.logit, kind as f32]
                    });
                    values.collect()
                });
                Ok(answer.collect())
            }
        }
    }

    /// The tokens and words of the core of `window`, a window of `document`, with their p.
    pub(super) fn reading(
        &self,
        document: &Document,
        tokens: &Tokens,
        window: &Window,
        answer: &[f32],
    ) -> Reading {
        match self {
            WordScorer::Logits(_) => {
                let p = |at: usize| answer.get(at).copied().unwrap_or_default();
                words(tokens, window, p).0
            }
            WordScorer::Evidence(scorer) => scorer.judge(document, tokens, window, answer).0,
        }
    }
}

impl WordScorer {
    /// The words of the core of `window` and their features; none if p is that of one model.
    pub(super) fn features(
        &self,
        document: &Document,
        tokens: &Tokens,
        window: &Window,
        answer: &[f32],
    ) -> Vec<(Word, Features)> {
        match self {
            WordScorer::Logits(_) => Vec::new(),
            WordScorer::Evidence(scorer) => {
                let (reading, features) = scorer.judge(document, tokens, window, answer);
                reading.words.into_iter().zip(features).collect()
            }
        }
    }
}

/// The tokens and words of a window's core, and the number of each word's first token among `tokens`; `p`
/// tells the p of a token of the core.
fn words(tokens: &Tokens, window: &Window, p: impl Fn(usize) -> f32) -> (Reading, Vec<usize>) {
    let mut reading = Reading::default();
    let mut firsts = Vec::new();
    let mut open_word = false;
    for (number, at) in window.core.clone().enumerate() {
        if !tokens.scored[at] {
            open_word = false;
            continue;
        }
        let (span, p) = (tokens.spans[at], p(number));
        let index = reading.tokens.len() as u32;
        reading.tokens.push(Token { span, p });
        match reading.words.last_mut() {
            Some(word) if open_word && tokens.begins[at] > Begins::Word => {
                word.span = Span::new(word.span.start(), span.end());
                word.p = word.p.max(p);
                word.is_punctuation &= tokens.punctuation[at];
                word.tokens.end = index + 1;
            }
            _ => {
                firsts.push(at);
                reading.words.push(Word {
                    span,
                    p,
                    tokens: index..index + 1,
                    is_punctuation: tokens.punctuation[at],
                    kind: None,
                });
            }
        }
        open_word = true;
    }
    let ends = reading.words.first().zip(reading.words.last());
    reading.span = ends.map_or(Span::default(), |(first, last)| {
        Span::new(first.span.start(), last.span.end())
    });
    (reading, firsts)
}

impl EvidenceScorer {
    /// Words whose nearest words are remembered.
    const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

    pub(super) fn new(evidence: Evidence) -> EvidenceScorer {
        EvidenceScorer {
            evidence,
            nearest: Mutex::new(LruCache::new(EvidenceScorer::REMEMBERED)),
        }
    }

    fn nearest(&self, word: &str) -> Option<Neighbour> {
        // Whoever panicked with the lock held left no entry half written.
        let mut known = self.nearest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nearest) = known.get(word) {
            return nearest.clone();
        }
        let found = self.evidence.dictionary.neighbours(word, 1);
        let nearest = found.into_iter().next();
        known.put(word.to_owned(), nearest.clone());
        nearest
    }

    /// The tokens and words of the core of `window` with their p, and the features of each word.
    fn judge(
        &self,
        document: &Document,
        tokens: &Tokens,
        window: &Window,
        answer: &[f32],
    ) -> (Reading, Vec<Features>) {
        let value = |token: usize, value: usize| {
            let values = answer.get(EVIDENCE_VALUES * token + value);
            values.copied().unwrap_or_default()
        };
        let (mut reading, firsts) = words(tokens, window, |token| value(token, 0));
        let mut found = Vec::with_capacity(reading.words.len());
        for (word, first) in reading.words.iter_mut().zip(firsts) {
            let number = first.saturating_sub(window.core.start);
            let kind = (value(number, 2) as usize).checked_sub(1);
            let logits = WordLogits {
                // The largest of the pieces.
                discriminator: word.p,
                error: value(number, 1),
                kind: kind.and_then(|kind| ErrorKind::ALL.get(kind).copied()),
            };
            let text = without_soft_hyphens(word.span.of(&document.text).unwrap_or_default());
            let context = WordInContext {
                word: &text,
                ..context(document, tokens, first, word.tokens.len())
            };
            let nearest = |word: &str| self.nearest(word);
            let features = features(&self.evidence.dictionary, &nearest, &context, &logits);
            // A model that computes no number is an error, which is noticed by the p.
            let is_finite = logits.discriminator.is_finite() && logits.error.is_finite();
            word.p = match is_finite {
                true => self.evidence.model.p(&features),
                false => f32::NAN,
            };
            word.kind = rule(&self.evidence.dictionary, &context).or(logits.kind);
            let range = word.tokens.start as usize..word.tokens.end as usize;
            let pieces = reading.tokens.get_mut(range).into_iter().flatten();
            pieces.for_each(|token| token.p = word.p);
            found.push(features);
        }
        (reading, found)
    }
}

/// What stands around the word whose first token is number `first` and which has `pieces` tokens.
fn context<'d>(
    document: &'d Document,
    tokens: &Tokens,
    first: usize,
    pieces: usize,
) -> WordInContext<'d> {
    let text = &*document.text;
    let begins = |at: usize| tokens.begins.get(at).copied();
    let span = |range: std::ops::Range<usize>| tokens.span(range);
    let own = span(first..first + pieces);
    let is_blank = |start: usize, end: usize| {
        text.get(start..end)
            .is_some_and(|gap| gap.chars().all(char::is_whitespace))
    };
    // Code beside a word is not a word.
    let is_scored = |at: usize| tokens.scored.get(at) == Some(&true);
    let before = (begins(first) > Some(Begins::Block))
        .then(|| {
            let last = first.checked_sub(1)?;
            let start = (0..=last)
                .rev()
                .find(|&at| begins(at) <= Some(Begins::Word))?;
            let before = span(start..first);
            let is_beside = is_scored(last) && is_blank(before.end(), own.start());
            is_beside.then(|| before.of(text)).flatten()
        })
        .flatten();
    let next = first + pieces;
    let after = (begins(next).is_some_and(|begins| begins > Begins::Block))
        .then(|| {
            let more = (next + 1..)
                .take_while(|&at| begins(at) > Some(Begins::Word))
                .count();
            let after = span(next..next + 1 + more);
            let is_beside = is_scored(next) && is_blank(own.end(), after.start());
            is_beside.then(|| after.of(text)).flatten()
        })
        .flatten();
    WordInContext {
        word: "",
        before,
        after,
        character_before: text
            .get(..own.start())
            .and_then(|text| text.chars().next_back()),
        character_after: text.get(own.end()..).and_then(|text| text.chars().next()),
        starts_sentence: begins(first) <= Some(Begins::Sentence),
        pieces,
    }
}

/// `word` without soft hyphens, which no reader sees.
fn without_soft_hyphens(word: &str) -> std::borrow::Cow<'_, str> {
    match word.contains('\u{ad}') {
        true => word.replace('\u{ad}', "").into(),
        false => word.into(),
    }
}

/// The logistic function; exact enough at both ends in f32.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}
