//! Where in a document the answer to a question stands.
//!
//! Windows are cut and shared here, and answers brought back to the document; how a window's logits
//! become spans is [`decode`]'s business.

use std::collections::BTreeMap;
use std::ops::Range;

use electroscope_model::{HeadInput, Logits, Task};
use electroscope_text::{AsRead, Document, Span, blocks};

use super::super::cache::{Key, Said};
use super::super::decode::{self, LONGEST_ANSWER, N_BEST};
use super::super::finding::{Answer, Answers, NoAnswer};
use super::super::passes::{Counts, Pass, Passes};
use super::super::tokens::Tokens;
use super::super::window::{Begins, Geometry, Window, plan};
use super::{HeadReader, ReadError, Seams};

impl HeadReader {
    /// Asks `document` a question, and gives the best places for an answer; none if it became stale on
    /// the way, which is asked between calls of the model.
    ///
    /// A window reads the whole question and as much of the text as has room. Two windows that follow
    /// each other share 128 tokens, or a third of what the model takes if that is less, so that an
    /// answer is whole in one of them. They are not laid out from the top, every so many tokens, but
    /// around borders that the text itself offers (see [`plan`]): after an edit the windows far from it
    /// read what they read before, and are not read again.
    ///
    /// An answer begins and ends with a word. The head points at pieces of words, and its answer is
    /// taken to be the words that they are of, as in the reference; of several ways to the same words
    /// the best counts, in the same window or in two. All of an answer is prose of one block: no code
    /// and no address stands in it, and it does not go on from a heading or a paragraph into the
    /// next. It has at most [`LONGEST_ANSWER`] tokens, unless it is a single word of more.
    ///
    /// # Errors
    ///
    /// [`ReadError::WrongTask`], [`ReadError::EmptyQuestion`], [`ReadError::LongQuestion`], and
    /// whatever the model's forward pass meets.
    pub fn ask(
        &mut self,
        document: &Document,
        question: &str,
        is_stale: &dyn Fn() -> bool,
    ) -> Result<Option<(Answers, Counts)>, ReadError> {
        self.check(Task::QuestionAnswering)?;
        let question: Vec<u32> = (self.planner.tokenizer().encode(question)?.iter())
            .map(|piece| piece.id)
            .collect();
        let (found, limit) = (question.len(), self.positions / 3);
        if found == 0 {
            return Err(ReadError::EmptyQuestion);
        }
        if found > limit {
            return Err(ReadError::LongQuestion { found, limit });
        }
        let blocks = blocks(document);
        let Some(tokens) = self.read_all(document, &blocks, is_stale)? else {
            return Ok(None);
        };
        let geometry = Geometry::for_answers(self.positions, question.len());
        let run = tokens.run_of(0..tokens.len());
        let windows = plan(run, 0..tokens.len(), &geometry).unwrap_or_default();
        // `[CLS]`, the question, `[SEP]`: what each window begins with.
        let opening = self.planner.window(&question);
        let sep = self.planner.tokenizer().sep_id();
        let input = |window: &Window| {
            let mut ids = Vec::with_capacity(opening.len() + window.reads.len() + 1);
            ids.extend_from_slice(&opening);
            ids.extend_from_slice(&tokens.ids[window.reads.clone()]);
            ids.push(sep);
            HeadInput {
                ids,
                second: opening.len(),
            }
        };
        let wanted: Vec<Pass> = (windows.iter())
            .map(|window| {
                let input = input(window);
                Pass {
                    key: Key::new(&input.ids, input.second..input.ids.len()),
                    tokens: input.ids.len(),
                    distance: 0,
                }
            })
            .collect();

        let forward = &*self.forward;
        let passes = Passes {
            batch: self.batch,
            is_watched: false,
            is_stale,
        };
        let words = Words::of(&tokens, &Seams::of(document, &blocks));
        let mut found = Found::default();
        let mut counts = Counts::default();
        let whole = passes.make(
            &wanted,
            &mut self.numbers,
            &mut counts,
            |numbers| {
                let inputs: Vec<HeadInput> =
                    numbers.iter().map(|&at| input(&windows[at])).collect();
                let heard = |logits: Logits| heard(&logits, opening.len());
                Ok(forward.logits(&inputs)?.into_iter().map(heard).collect())
            },
            |at, said: &Said<f32>| found.hear(said, &windows[at], &words),
        )?;
        if !whole {
            return Ok(None);
        }
        let read = AsRead::of_blocks(document, blocks);
        Ok(Some((
            found.answers(&tokens, &read, self.can_refuse),
            counts,
        )))
    }
}

/// What is kept of a window's logits: start and end at `[CLS]`, then at each token of the context.
fn heard(logits: &Logits, opening: usize) -> Said<f32> {
    let rows = logits.rows().enumerate();
    let kept = rows.filter(|&(at, _)| at == 0 || at >= opening);
    let pair = |(_, row): (usize, &[f32])| {
        [0, 1].map(|column| row.get(column).copied().unwrap_or(f32::NAN))
    };
    kept.flat_map(pair).collect()
}

/// The words of a document, by token.
struct Words {
    /// The pieces of the word that each token belongs to.
    whole: Vec<Range<u32>>,
    /// Which stretch of prose without a seam each is in; none if it is not prose.
    part: Vec<Option<usize>>,
}

impl Words {
    fn of(tokens: &Tokens, seams: &Seams) -> Words {
        let mut whole: Vec<Range<u32>> = Vec::with_capacity(tokens.len());
        let starts = tokens.begins.iter().enumerate();
        let starts = starts.filter(|&(at, &begins)| at > 0 && begins <= Begins::Word);
        let mut from = 0;
        for to in starts.map(|(at, _)| at).chain([tokens.len()]) {
            whole.extend((from..to).map(|_| from as u32..to as u32));
            from = to;
        }
        let part = |(&span, &scored): (&Span, &bool)| scored.then(|| seams.part(span));
        Words {
            whole,
            part: tokens.spans.iter().zip(&tokens.scored).map(part).collect(),
        }
    }

    /// The words from that of token `first` to that of token `last`.
    fn around(&self, first: usize, last: usize) -> Option<Range<u32>> {
        let (first, last) = (self.whole.get(first)?, self.whole.get(last)?);
        let is_short = (last.end - first.start) as usize <= LONGEST_ANSWER;
        (is_short || first == last).then_some(first.start..last.end)
    }

    /// The stretches of `tokens` that an answer may lie in.
    fn stretches(&self, tokens: Range<usize>) -> Vec<Range<usize>> {
        let mut from = tokens.start;
        let parts = self.part.get(tokens).unwrap_or_default();
        let mut stretches = Vec::new();
        for same in parts.chunk_by(|a, b| a == b) {
            let to = from + same.len();
            if same.first().is_some_and(Option::is_some) {
                stretches.push(from..to);
            }
            from = to;
        }
        stretches
    }
}

/// What the windows have found so far. In what order they are heard makes no difference.
#[derive(Default)]
struct Found {
    /// The best so far, the best first, and of equals the first in the text: words, as a first token
    /// and the one after the last, with their best score.
    best: Vec<((u32, u32), f32)>,
    /// The lowest score of there being no answer.
    none: Option<f32>,
}

impl Found {
    /// Takes in what a window said.
    fn hear(&mut self, said: &[f32], window: &Window, words: &Words) {
        let ([of_cls, of_context @ ..], _) = said.as_chunks::<2>() else {
            return;
        };
        if let Some(score) = decode::no_answer(&of_cls[..1], &of_cls[1..])
            && !score.is_nan()
        {
            self.none = Some(self.none.map_or(score, |none| none.min(score)));
        }
        let starts: Vec<f32> = of_context.iter().map(|[start, _]| *start).collect();
        let ends: Vec<f32> = of_context.iter().map(|[_, end]| *end).collect();
        for stretch in words.stretches(window.reads.clone()) {
            let inside = stretch.start - window.reads.start..stretch.end - window.reads.start;
            let (Some(starts), Some(ends)) = (starts.get(inside.clone()), ends.get(inside)) else {
                continue;
            };
            // Most of a long text has nothing to do with the question.
            if self.may_hold_better(starts, ends) {
                self.add(best(starts, ends, stretch.start, words));
            }
        }
    }

    /// Whether a stretch with these logits may hold one of the best answers.
    fn may_hold_better(&self, starts: &[f32], ends: &[f32]) -> bool {
        let largest = |logits: &[f32]| logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        match self.best.get(N_BEST - 1) {
            Some(&(_, least)) => largest(starts) + largest(ends) >= least,
            None => true,
        }
    }

    /// Adds some answers, and keeps the best of them all.
    fn add(&mut self, more: BTreeMap<(u32, u32), f32>) {
        self.best.extend(more);
        let better = |a: f32, b: f32| b.total_cmp(&a);
        (self.best).sort_by(|(a, p), (b, q)| a.cmp(b).then(better(*p, *q)));
        self.best.dedup_by_key(|(words, _)| *words);
        // Equals stay in the order of the text.
        self.best.sort_by(|(_, p), (_, q)| better(*p, *q));
        self.best.truncate(N_BEST);
    }

    /// The best of them all.
    fn answers(self, tokens: &Tokens, read: &AsRead, can_refuse: bool) -> Answers {
        let scores: Vec<f32> = self.best.iter().map(|&(_, score)| score).collect();
        // A text without a window does not contradict that there is no answer.
        let none = can_refuse.then(|| self.none.unwrap_or(0.0));
        let (shares, p_none) = decode::shares(&scores, none);
        let answer = |(((first, end), score), p): (((u32, u32), f32), f32)| {
            let span = tokens.span(first as usize..end as usize);
            let text = read.text(span).into_owned();
            Answer {
                span,
                text,
                score,
                p,
            }
        };
        Answers {
            best: self.best.into_iter().zip(shares).map(answer).collect(),
            none: none.zip(p_none).map(|(score, p)| NoAnswer { score, p }),
        }
    }
}

/// The [`N_BEST`] best runs of words of a stretch that begins at token `from`, by the best of their
/// scores.
fn best(starts: &[f32], ends: &[f32], from: usize, words: &Words) -> BTreeMap<(u32, u32), f32> {
    // Several spans of pieces may be the same words; if too few runs of words are left of the best
    // spans, more of those are looked at.
    let mut most = 2 * N_BEST;
    loop {
        let spans = decode::best_spans(starts, ends, 0..starts.len(), most);
        let mut best = BTreeMap::new();
        for span in &spans {
            if best.len() < N_BEST
                && let Some(words) = words.around(from + span.first, from + span.last)
            {
                best.entry((words.start, words.end)).or_insert(span.score);
            }
        }
        if best.len() == N_BEST || spans.len() < most {
            return best;
        }
        most *= 4;
    }
}
