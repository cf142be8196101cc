//! Labels for a document, its paragraphs or its sentences.
//!
//! What a unit is and which windows it takes is decided here; what the logits mean is
//! [`decode::probabilities`]' business.

use std::ops::Range;

use electroscope_model::{HeadInput, Logits, Task};
use electroscope_text::{Block, Document, Span, blocks};

use super::super::cache::{Key, Said};
use super::super::decode;
use super::super::finding::{Unit, UnitKind};
use super::super::outline::REGION;
use super::super::passes::{Counts, Pass, Passes};
use super::super::tokens::Tokens;
use super::super::window::{Begins, tiles};
use super::{Handing, HeadReader, ReadError, single};

/// A unit to be judged.
struct Planned {
    span: Span,
    /// How far it is from where somebody looks.
    distance: usize,
    /// The windows it is read in.
    inputs: Vec<HeadInput>,
}

impl HeadReader {
    /// Says of each unit of `document` what it is.
    ///
    /// A unit that fits is one window. A longer one is cut at the borders of paragraphs and sentences
    /// into windows that tile it, and its probabilities are the mean of theirs. Its span goes from the
    /// first of its tokens to the last, code that stands in its sentences included, and a unit without
    /// a word is none.
    ///
    /// Without a `focus` units are handed to `emit` in the order of the text. With one they are handed
    /// on in the order of their nearness to it, but what is remembered does not wait for what is not.
    ///
    /// Between calls of the model `is_stale` is asked; once it says yes the work ends there.
    ///
    /// # Errors
    ///
    /// [`ReadError::WrongTask`], and whatever the model's forward pass meets.
    pub fn classify(
        &mut self,
        document: &Document,
        kind: UnitKind,
        focus: Option<Span>,
        is_stale: &dyn Fn() -> bool,
        emit: &mut dyn FnMut(Unit),
    ) -> Result<Counts, ReadError> {
        self.check(Task::Classification)?;
        let mut counts = Counts::default();
        let blocks = blocks(document);
        let distance = |span: Span| focus.map_or(0, |focus| focus.distance(span));

        if kind == UnitKind::Document {
            if let Some(tokens) = self.read_all(document, &blocks, is_stale)? {
                let unit = self.planned(&tokens, 0..tokens.len(), &distance);
                let units: Vec<Planned> = unit.into_iter().collect();
                self.judge(&units, focus.is_some(), is_stale, &mut counts, emit)?;
            }
            return Ok(counts);
        }

        let mut order: Vec<&Block> = blocks.iter().collect();
        order.sort_by_key(|block| distance(block.span));
        let mut order = order.as_slice();
        let mut units: Vec<Planned> = Vec::new();
        while !order.is_empty() && !is_stale() {
            let (stretch, rest) = order.split_at(stretch(order));
            order = rest;
            for block in stretch {
                let mut tokens = Tokens::default();
                let read = self.planner.read(&document.text, block)?;
                tokens.push(&read, block.span.start());
                let parts = parts(&tokens.begins, kind);
                let planned = |part| self.planned(&tokens, part, &distance);
                units.extend(parts.into_iter().filter_map(planned));
            }
            // A sentence may be further away than the block that it stands in, and has to wait for the
            // nearer ones of other blocks.
            units.sort_by_key(|unit| unit.distance);
            let next = (rest.first()).map_or(usize::MAX, |block| distance(block.span));
            let later = units.split_off(units.partition_point(|unit| unit.distance <= next));
            if !self.judge(&units, focus.is_some(), is_stale, &mut counts, emit)? {
                break;
            }
            units = later;
        }
        Ok(counts)
    }

    /// The unit of these tokens, if there is a word in it.
    fn planned(
        &self,
        tokens: &Tokens,
        part: Range<usize>,
        distance: &dyn Fn(Span) -> usize,
    ) -> Option<Planned> {
        let part_of = tokens.scored.get(part.clone())?;
        if !part_of.contains(&true) {
            return None;
        }
        let run = tokens.run_of(part.clone());
        let windows = tiles(run, self.planner.capacity());
        let inputs = (windows.into_iter())
            .filter_map(|window| run.ids.get(window))
            .map(|ids| single(self.planner.window(ids)))
            .collect();
        let span = tokens.span(part);
        Some(Planned {
            span,
            distance: distance(span),
            inputs,
        })
    }

    /// Judges `units` and hands them on. Says whether it came to the end.
    fn judge(
        &mut self,
        units: &[Planned],
        is_watched: bool,
        is_stale: &dyn Fn() -> bool,
        counts: &mut Counts,
        emit: &mut dyn FnMut(Unit),
    ) -> Result<bool, ReadError> {
        let mut wanted: Vec<Pass> = Vec::new();
        // Which window of which unit each pass is.
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (at, unit) in units.iter().enumerate() {
            for (window, input) in unit.inputs.iter().enumerate() {
                wanted.push(Pass {
                    key: Key::new(&input.ids, 0..input.ids.len()),
                    tokens: input.ids.len(),
                    distance: unit.distance,
                });
                places.push((at, window));
            }
        }
        let mut verdicts: Vec<Verdict> = units.iter().map(Verdict::open).collect();
        let mut handing = Handing::new(units.len(), is_watched);
        let (forward, problem) = (&*self.forward, self.problem);
        let passes = Passes {
            batch: self.batch,
            is_watched,
            is_stale,
        };
        let whole = passes.make(
            &wanted,
            &mut self.numbers,
            counts,
            |numbers| {
                let input = |&number: &usize| {
                    let (unit, window) = places[number];
                    units[unit].inputs[window].clone()
                };
                let inputs: Vec<HeadInput> = numbers.iter().map(input).collect();
                let p = |logits: Logits| decode::probabilities(&logits.values, problem).into();
                Ok(forward.logits(&inputs)?.into_iter().map(p).collect())
            },
            |number, p| {
                let (unit, window) = places[number];
                if let Some(p) = verdicts[unit].hear(window, p) {
                    let span = units[unit].span;
                    handing.put(unit, Unit { span, p }, emit);
                }
            },
        )?;
        Ok(whole)
    }
}

/// What the windows of a unit said so far.
struct Verdict {
    said: Vec<Option<Said<f32>>>,
    missing: usize,
}

impl Verdict {
    fn open(unit: &Planned) -> Verdict {
        Verdict {
            said: vec![None; unit.inputs.len()],
            missing: unit.inputs.len(),
        }
    }

    /// Takes down what a window said, once for each, and gives the mean if it was the last.
    fn hear(&mut self, window: usize, p: &Said<f32>) -> Option<Vec<f32>> {
        self.said[window] = Some(Said::clone(p));
        self.missing -= 1;
        (self.missing == 0).then(|| mean(&self.said))
    }
}

/// The mean of each label, summed in the order of the text, whichever window was read first.
fn mean(said: &[Option<Said<f32>>]) -> Vec<f32> {
    if let [Some(only)] = said {
        return only.to_vec();
    }
    let mut sums: Vec<f64> = Vec::new();
    for p in said.iter().flatten() {
        sums.resize(p.len().max(sums.len()), 0.0);
        for (sum, &p) in sums.iter_mut().zip(p.iter()) {
            *sum += f64::from(p);
        }
    }
    let count = said.len() as f64;
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

/// How many of `blocks` are read before any of them is judged.
fn stretch(blocks: &[&Block]) -> usize {
    let mut bytes = 0;
    let within = blocks.iter().take_while(|block| {
        let more = bytes < REGION;
        bytes += block.span.len();
        more
    });
    within.count()
}

/// The units of a block.
fn parts(begins: &[Begins], kind: UnitKind) -> Vec<Range<usize>> {
    let starts = begins
        .iter()
        .enumerate()
        .skip(1)
        .filter(|&(_, &begins)| match kind {
            UnitKind::Sentence => begins <= Begins::Sentence,
            UnitKind::Document | UnitKind::Paragraph => false,
        });
    let mut parts = Vec::new();
    let mut from = 0;
    for to in starts.map(|(at, _)| at).chain([begins.len()]) {
        parts.push(from..to);
        from = to;
    }
    parts
}
