//! Scores documents: the tokenizer, the model and the cache together.

use std::sync::Arc;

use electroscope_model::{Error, Forward, Tokenizer};
use electroscope_text::{Document, Span};

use super::cache::{Cache, Key, Said};
use super::finding::{Reading, Token, Word};
use super::outline::{Outline, Planner};
use super::passes::{Counts, Pass, Passes};
use super::tokens::Tokens;
use super::window::{Begins, DEFAULT_WINDOW, Window};

/// What the remembered answers may take, in bytes: about 32,000 windows, or 4 million tokens of text.
const ROOM: usize = 20 << 20;

/// A model that scores documents, and what it remembers of them.
pub struct Engine {
    pub(super) planner: Planner,
    pub(super) forward: Arc<dyn Forward>,
    pub(super) cache: Cache<[f32]>,
    /// Tokens that the model reads in one call.
    pub(super) batch: usize,
    max_positions: usize,
}

impl Engine {
    /// An engine over a model with room for `max_positions` tokens, `[CLS]` and `[SEP]` included. Windows
    /// have at most [`DEFAULT_WINDOW`] of them.
    pub fn new(
        tokenizer: Arc<Tokenizer>,
        forward: Arc<dyn Forward>,
        max_positions: usize,
    ) -> Engine {
        Engine {
            planner: Planner::new(tokenizer, max_positions.min(DEFAULT_WINDOW)),
            max_positions,
            batch: forward.at_once(),
            forward,
            cache: Cache::new(ROOM),
        }
    }

    /// Sets how many tokens the model reads in one call. It changes the speed, never the result.
    #[must_use]
    pub fn with_batch(mut self, tokens: usize) -> Engine {
        self.batch = tokens.max(1);
        self
    }

    /// Sets the tokens of a window at most, as far as the model has room for them. The time that a text
    /// takes grows with the square of its window; so do the results change, by which context is seen.
    #[must_use]
    pub fn with_window(mut self, tokens: usize) -> Engine {
        self.planner.set_window(tokens.min(self.max_positions));
        self.cache.clear();
        self
    }

    /// Sets about how many bytes what is remembered may take. It changes the speed, never the result.
    #[must_use]
    pub fn with_room(mut self, bytes: usize) -> Engine {
        self.cache.set_room(bytes / 2);
        self.planner.set_room(bytes / 2);
        self
    }

    /// Forgets every answer.
    pub fn forget(&mut self) {
        self.cache.clear();
        self.planner.forget();
    }

    /// Finds the prose of `document` and cuts the work on it.
    pub fn outline(&mut self, document: &Document) -> Outline {
        self.planner.outline(document)
    }

    /// Scores region `region` of `document`, whose outline is `outline`, and hands each window's
    /// answer to `emit` as soon as it is known. The windows whose core begins in the region are its
    /// own, so the regions of a document together give every word once, in whatever order they are
    /// asked for. Windows near `focus`, if there is one, come first.
    ///
    /// Between calls of the model `is_stale` is asked; once it says yes the work ends there.
    ///
    /// # Errors
    ///
    /// Whatever the model's forward pass meets: memory, a device that went away.
    pub fn score_region(
        &mut self,
        document: &Document,
        outline: &Outline,
        region: usize,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Reading),
    ) -> Result<Counts, Error> {
        let (tokens, windows) = self.planner.plan(document, outline, region)?;
        let passes: Vec<Pass> = (windows.iter())
            .map(|window| window_pass(&tokens, window, focus))
            .collect();
        let work = Passes {
            batch: self.batch,
            is_watched: focus.is_some(),
            is_stale,
        };
        let mut counts = Counts::default();
        work.make(
            &passes,
            &mut self.cache,
            &mut counts,
            |numbers| {
                let asked: Vec<_> = (numbers.iter())
                    .map(|&at| (&tokens, &windows[at]))
                    .collect();
                answers(&self.planner, &*self.forward, &asked)
            },
            |at, answer| {
                let reading = reading(&tokens, &windows[at], answer);
                if !reading.words.is_empty() {
                    emit(reading);
                }
            },
        )?;
        Ok(counts)
    }

    /// Scores a whole document; the readings are in the order of the text.
    ///
    /// # Errors
    ///
    /// As [`Engine::score_region`].
    pub fn score(&mut self, document: &Document) -> Result<(Vec<Reading>, Counts), Error> {
        let outline = self.outline(document);
        let mut readings = Vec::new();
        let mut counts = Counts::default();
        for region in 0..outline.len() {
            counts += self.score_region(
                document,
                &outline,
                region,
                None,
                &|| false,
                &mut |reading| readings.push(reading),
            )?;
        }
        readings.sort_by_key(|reading| reading.span);
        Ok((readings, counts))
    }
}

/// What the model says of windows, each of some tokens: p for each token of its core.
pub(super) fn answers(
    planner: &Planner,
    forward: &dyn Forward,
    windows: &[(&Tokens, &Window)],
) -> Result<Vec<Said<f32>>, Error> {
    let inputs: Vec<Vec<u32>> = (windows.iter())
        .map(|(tokens, window)| planner.window(&tokens.ids[window.reads.clone()]))
        .collect();
    let inputs: Vec<&[u32]> = inputs.iter().map(Vec::as_slice).collect();
    let logits = forward.logits(&inputs)?;
    let answers = windows.iter().zip(logits).map(|((_, window), logits)| {
        // The first logit is that of `[CLS]`.
        let core = window.core_in_window();
        let core = logits.iter().skip(1 + core.start).take(core.len());
        core.map(|&logit| sigmoid(logit)).collect()
    });
    Ok(answers.collect())
}

/// What the model is to read for `window`.
pub(super) fn window_pass(tokens: &Tokens, window: &Window, focus: Option<Span>) -> Pass {
    let core = tokens.span(window.core.clone());
    Pass {
        key: Key::new(&tokens.ids[window.reads.clone()], window.core_in_window()),
        tokens: window.reads.len() + 2,
        distance: focus.map_or(0, |focus| focus.distance(core)),
    }
}

/// The tokens and words of a window's core, with their p.
pub(super) fn reading(tokens: &Tokens, window: &Window, answer: &[f32]) -> Reading {
    let mut reading = Reading::default();
    let mut open_word = false;
    for (at, &p) in window.core.clone().zip(answer) {
        if !tokens.scored[at] {
            open_word = false;
            continue;
        }
        let span = tokens.spans[at];
        let index = reading.tokens.len() as u32;
        reading.tokens.push(Token { span, p });
        match reading.words.last_mut() {
            Some(word) if open_word && tokens.begins[at] > Begins::Word => {
                word.span = Span::new(word.span.start(), span.end());
                word.p = word.p.max(p);
                word.is_punctuation &= tokens.punctuation[at];
                word.tokens.end = index + 1;
            }
            _ => reading.words.push(Word {
                span,
                p,
                tokens: index..index + 1,
                is_punctuation: tokens.punctuation[at],
            }),
        }
        open_word = true;
    }
    let ends = reading.words.first().zip(reading.words.last());
    reading.span = ends.map_or(Span::default(), |(first, last)| {
        Span::new(first.span.start(), last.span.end())
    });
    reading
}

/// The logistic function; exact enough at both ends in f32.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}
