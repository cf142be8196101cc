//! Scores documents: the tokenizer, the model and the cache together.

use std::sync::Arc;

use electroscope_model::{Error, Forward, Tokenizer};
use electroscope_text::{Document, Span};

use super::cache::{Cache, Key};
use super::evidence::Features;
use super::finding::{Reading, Word};
use super::outline::{Outline, Planner};
use super::passes::{Counts, Pass, Passes};
use super::tokens::Tokens;
use super::window::{DEFAULT_WINDOW, Window};
use super::word_scorer::{Evidence, EvidenceScorer, WordScorer};

/// What the remembered answers may take, in bytes: about 32,000 windows, or 4 million tokens of text.
const ROOM: usize = 20 << 20;

/// A model that scores documents, and what it remembers of them.
pub struct Engine {
    pub(super) planner: Planner,
    pub(super) scorer: WordScorer,
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
        Engine::with_scorer(tokenizer, WordScorer::Logits(forward), max_positions)
    }

    /// An engine that looks for errors with all that `evidence` holds. Its models have room for
    /// `max_positions` tokens, and one tokenizer.
    pub fn with_evidence(
        tokenizer: Arc<Tokenizer>,
        evidence: Evidence,
        max_positions: usize,
    ) -> Engine {
        Engine::with_scorer(
            tokenizer,
            WordScorer::Evidence(Box::new(EvidenceScorer::new(evidence))),
            max_positions,
        )
    }

    /// Whether it looks for errors with a discriminator and other evidence.
    pub fn has_evidence(&self) -> bool {
        matches!(self.scorer, WordScorer::Evidence(_))
    }

    fn with_scorer(tokenizer: Arc<Tokenizer>, scorer: WordScorer, max_positions: usize) -> Engine {
        Engine {
            planner: Planner::new(tokenizer, max_positions.min(DEFAULT_WINDOW)),
            max_positions,
            batch: scorer.forward().at_once(),
            scorer,
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
                self.scorer.answers(&self.planner, &asked)
            },
            |at, answer| {
                let reading = self.scorer.reading(document, &tokens, &windows[at], answer);
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

    /// The features of the words of each of `documents`, in the order of the text: what an evidence model
    /// is fitted on. None for an engine without evidence.
    ///
    /// # Errors
    ///
    /// Those of the forward passes.
    pub fn features(
        &mut self,
        documents: &[Document],
    ) -> Result<Vec<Vec<(Word, Features)>>, Error> {
        let mut planned: Vec<(usize, Arc<Tokens>, Window)> = Vec::new();
        for (number, document) in documents.iter().enumerate() {
            let outline = self.outline(document);
            for region in 0..outline.len() {
                let (tokens, windows) = self.planner.plan(document, &outline, region)?;
                let tokens = Arc::new(tokens);
                let of_region = windows.into_iter();
                planned.extend(of_region.map(|window| (number, Arc::clone(&tokens), window)));
            }
        }
        // Windows of one length go together, which spares padding.
        planned.sort_by_key(|(_, _, window)| window.reads.len());
        let mut found = vec![Vec::new(); documents.len()];
        let mut rest = planned.as_slice();
        while !rest.is_empty() {
            let mut read = 0;
            let fit = rest.iter().take_while(|(_, _, window)| {
                read += window.reads.len() + 2;
                read <= self.batch
            });
            let (batch, others) = rest.split_at(fit.count().max(1));
            rest = others;
            let asked: Vec<(&Tokens, &Window)> = (batch.iter())
                .map(|(_, tokens, window)| (&**tokens, window))
                .collect();
            let answers = self.scorer.answers(&self.planner, &asked)?;
            for ((number, tokens, window), answer) in batch.iter().zip(answers) {
                if let (Some(document), Some(found)) =
                    (documents.get(*number), found.get_mut(*number))
                {
                    found.extend(self.scorer.features(document, tokens, window, &answer));
                }
            }
        }
        for words in &mut found {
            words.sort_by_key(|(word, _)| word.span);
        }
        Ok(found)
    }
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
