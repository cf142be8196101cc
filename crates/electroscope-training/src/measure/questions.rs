//! A head that answers, on questions whose answers people gave.
//!
//! An answer is what `ask` gives first of a text that is all prose: the best run of whole words, of
//! at most [`LONGEST_ANSWER`] tokens, over all windows. The windows of a long text are laid out here
//! from its top, in equal steps, as the reference has them; `ask` lays them around what the text
//! offers, for the sake of edits.

use std::ops::Range;

use electroscope_analysis::decode::{self, LONGEST_ANSWER};
use electroscope_model::{HeadForward, HeadInput, Logits, Piece, Tokenizer};

use super::super::Error;
use super::super::data::Questions;
use super::super::features::windows;
use super::super::metrics::{self, Verdict};
use super::{Baseline, Measured, Scores, Watch, read_all};

/// When a head says that there is no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusals {
    /// Never: it was not trained to.
    Never,
    /// When no answer outscores the best one by more than this. The best threshold is looked for
    /// besides.
    Above(f64),
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// What the file calls the question.
    pub id: String,
    /// The best answer, given or not; empty if the text has no word.
    pub text: String,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// Its start logit and end logit together.
    pub score: f32,
    /// By how much no answer outscores it, where the head can refuse.
    pub margin: Option<f64>,
    /// Whether it is held back, since that is too much.
    pub is_refused: bool,
    /// Whether what is said is exactly right, by the words: 1 or 0.
    pub exact: f64,
    /// F1 of the words of what is said.
    pub f1: f64,
}

/// What a head that reads windows of `positions` tokens is worth on `data`, and its answers.
///
/// `exact` and `f1`; both for the questions with and without an answer, where there are such
/// without (`has_answer_exact` and so on); and where the head can refuse `best_exact` and `best_f1`,
/// each with the threshold that is best for it, as SQuAD's script has them.
///
/// # Errors
///
/// Those of the forward pass.
pub fn questions(
    forward: &dyn HeadForward,
    data: &Questions,
    tokenizer: &Tokenizer,
    positions: usize,
    refusals: Refusals,
    watch: &mut dyn Watch,
) -> Result<Measured<Answered>, Error> {
    let mut texts: Vec<Vec<Piece>> = Vec::with_capacity(data.paragraphs.len());
    let (mut windows, mut places) = (Vec::new(), Vec::new());
    // Each question with its paragraph, in the order of the data.
    let mut asked = Vec::new();
    for (at, paragraph) in data.paragraphs.iter().enumerate() {
        let pieces = tokenizer.encode(&paragraph.context);
        for question in &paragraph.questions {
            for reads in laid_out(&pieces, &question.text, tokenizer, positions) {
                windows.push(reads.input);
                places.push((asked.len(), reads.context, reads.opening));
            }
            asked.push((at, question));
        }
        texts.push(pieces);
    }

    let mut found: Vec<Found> = vec![Found::default(); asked.len()];
    let tokens = read_all(forward, &windows, watch, |at, logits| {
        if let Some((question, context, opening)) = places.get(at)
            && let Some(found) = found.get_mut(*question)
            && let Some(pieces) = asked.get(*question).and_then(|(text, _)| texts.get(*text))
        {
            found.hear(&logits, context.clone(), *opening, pieces);
        }
    })?;

    let (mut said, mut exacts, mut overlaps) = (Vec::new(), Vec::new(), Vec::new());
    for ((text, question), found) in asked.iter().zip(&found) {
        let span = found.best.as_ref().and_then(|best| {
            let pieces = texts.get(*text)?.get(best.words.clone())?;
            Some(pieces.first()?.start as usize..pieces.last()?.end as usize)
        });
        let span = span.unwrap_or(0..0);
        let context = data.paragraphs.get(*text).map(|text| text.context.as_str());
        let text = context.and_then(|context| context.get(span.clone()));
        let text = text.unwrap_or_default();
        let score = found
            .best
            .as_ref()
            .map_or(f32::NEG_INFINITY, |best| best.score);
        let margin = match refusals {
            Refusals::Never => None,
            // A text without a window does not contradict that there is no answer.
            Refusals::Above(_) => Some(f64::from(found.none.unwrap_or(0.0)) - f64::from(score)),
        };
        let is_refused = match (refusals, margin) {
            (Refusals::Above(threshold), Some(margin)) => margin > threshold,
            _ => false,
        };
        let golds = || question.answers.iter().map(|gold| gold.text.as_str());
        let verdict = |measure: &dyn Fn(&str) -> f64| Verdict {
            has_answer: !question.answers.is_empty(),
            answered: measure(text),
            refused: measure(""),
            margin: margin.unwrap_or(0.0),
        };
        let exact = verdict(&|said| metrics::best_exact(golds(), said));
        let overlap = verdict(&|said| metrics::best_f1(golds(), said));
        let worth = |verdict: &Verdict| match is_refused {
            true => verdict.refused,
            false => verdict.answered,
        };
        said.push(Answered {
            id: question.id.clone(),
            text: text.to_owned(),
            span,
            score,
            margin,
            is_refused,
            exact: worth(&exact),
            f1: worth(&overlap),
        });
        exacts.push(exact);
        overlaps.push(overlap);
    }

    let of = |has_answer: Option<bool>, worth: fn(&Answered) -> f64| {
        let chosen = said.iter().zip(&exacts).filter(|(_, verdict)| {
            has_answer.is_none_or(|has_answer| verdict.has_answer == has_answer)
        });
        let (sum, count) = chosen.fold((0.0, 0), |(sum, count), (said, _)| {
            (sum + worth(said), count + 1)
        });
        (count > 0).then(|| sum / f64::from(count))
    };
    let is_mixed = exacts.iter().any(|verdict| !verdict.has_answer);
    let mut values = Vec::new();
    let mut add = |names: [&'static str; 2], has_answer| {
        let exact = of(has_answer, |said| said.exact);
        let f1 = of(has_answer, |said| said.f1);
        values.extend(exact.map(|value| (names[0], value)));
        values.extend(f1.map(|value| (names[1], value)));
    };
    add(["exact", "f1"], None);
    if is_mixed {
        add(["has_answer_exact", "has_answer_f1"], Some(true));
        add(["no_answer_exact", "no_answer_f1"], Some(false));
    }
    let can_refuse = refusals != Refusals::Never && !said.is_empty();
    let search = can_refuse.then(|| metrics::no_answer_search(&overlaps));
    if let Some(search) = search {
        let best_exact = metrics::no_answer_search(&exacts).score;
        values.extend([("best_exact", best_exact), ("best_f1", search.score)]);
    }
    let silent = exacts.iter().filter(|verdict| !verdict.has_answer).count();
    let silent = silent as f64 / exacts.len().max(1) as f64;
    let mut of_silence = vec![("exact", silent), ("f1", silent)];
    if can_refuse {
        of_silence.extend([("best_exact", silent), ("best_f1", silent)]);
    }
    let scores = Scores {
        main: if can_refuse { "best_f1" } else { "f1" },
        values,
        baseline: Baseline {
            answer: "no answer to any question".to_owned(),
            values: of_silence,
        },
        no_answer_threshold: search.map(|search| search.threshold),
        kinds: Vec::new(),
        examples: said.len(),
        tokens,
    };
    Ok(Measured { scores, said })
}

/// A window on a text and a question.
struct Reads {
    input: HeadInput,
    /// Which pieces of the text.
    context: Range<usize>,
    /// Tokens before them.
    opening: usize,
}

/// The windows in which a text is read for a question: one if it fits, else as many as it takes that
/// share 128 tokens, or a third of `positions`. Of a question that would take more than a
/// third of the window the beginning is read.
fn laid_out(
    pieces: &[Piece],
    question: &str,
    tokenizer: &Tokenizer,
    positions: usize,
) -> Vec<Reads> {
    let mut opening = vec![tokenizer.cls_id()];
    let asked = tokenizer.encode(question);
    opening.extend(asked.iter().take(positions / 3).map(|piece| piece.id));
    opening.push(tokenizer.sep_id());
    let room = positions.saturating_sub(opening.len() + 1);
    let reads = |context: Range<usize>| {
        let mut ids = opening.clone();
        let read = pieces.get(context.clone()).unwrap_or_default();
        ids.extend(read.iter().map(|piece| piece.id));
        ids.push(tokenizer.sep_id());
        Reads {
            input: HeadInput {
                ids,
                second: opening.len(),
            },
            context,
            opening: opening.len(),
        }
    };
    // As in training, and as `ask` shares them.
    let windows = windows(pieces.len(), room, (positions / 3).min(128));
    windows.into_iter().map(reads).collect()
}

/// The best of what the windows of a question offer.
#[derive(Clone, Debug, Default)]
struct Found {
    best: Option<Best>,
    /// The lowest score of there being no answer.
    none: Option<f32>,
}

#[derive(Clone, Debug)]
struct Best {
    /// The pieces of its words in the text.
    words: Range<usize>,
    score: f32,
}

impl Found {
    /// Takes in what a window said, in whatever order.
    fn hear(&mut self, logits: &Logits, context: Range<usize>, opening: usize, pieces: &[Piece]) {
        let starts: Vec<f32> = logits.column(0).collect();
        let ends: Vec<f32> = logits.column(1).collect();
        if let Some(none) = decode::no_answer(&starts, &ends).filter(|none| !none.is_nan()) {
            self.none = Some(self.none.map_or(none, |lowest| lowest.min(none)));
        }
        let Some(best) = best(&starts, &ends, context, opening, pieces) else {
            return;
        };
        let is_better = self.best.as_ref().is_none_or(|known| {
            let place = |best: &Best| (best.words.start, best.words.end);
            best.score > known.score || (best.score == known.score && place(&best) < place(known))
        });
        if is_better {
            self.best = Some(best);
        }
    }
}

/// The best run of whole words in a window.
fn best(
    starts: &[f32],
    ends: &[f32],
    context: Range<usize>,
    opening: usize,
    pieces: &[Piece],
) -> Option<Best> {
    let inside = opening..opening + context.len();
    // Some of the best spans may be of words that are too long together; then more are looked at.
    let mut most = 1;
    loop {
        let spans = decode::best_spans(starts, ends, inside.clone(), most);
        for span in spans.iter().skip(most / 8) {
            let place = |at: usize| context.start + at - opening;
            if let Some(words) = whole_words(pieces, place(span.first), place(span.last)) {
                let score = span.score;
                return Some(Best { words, score });
            }
        }
        if spans.len() < most {
            return None;
        }
        most *= 8;
    }
}

/// The pieces of the words from that of piece `first` to that of piece `last`, if they are few enough
/// or one word.
fn whole_words(pieces: &[Piece], first: usize, last: usize) -> Option<Range<usize>> {
    let word = |at: usize| pieces.get(at).map(|piece| piece.word);
    let (of_first, of_last) = (word(first)?, word(last)?);
    let before = pieces.get(..first)?.iter().rev();
    let start = first - before.take_while(|piece| piece.word == of_first).count();
    let after = pieces.get(last + 1..)?.iter();
    let end = last + 1 + after.take_while(|piece| piece.word == of_last).count();
    let is_short = end - start <= LONGEST_ANSWER;
    (is_short || of_first == of_last).then_some(start..end)
}
