//! Evaluates a question answering head.
//!
//! The predicted answer is the one that `ask` would give first for a text that is all prose: the best
//! span of whole words, of at most [`LONGEST_ANSWER`] tokens, over all windows. A long text is cut into
//! windows at equal steps, as in the reference; `ask` cuts it with regard to later edits.

use std::ops::Range;

use electroscope_analysis::decode::{self, LONGEST_ANSWER};
use electroscope_model::{HeadForward, HeadInput, Logits, Piece, Tokenizer};

use super::super::Error;
use super::super::data::Questions;
use super::super::features::windows;
use super::super::metrics::{self, NoAnswerCase};
use super::{Baseline, Evaluated, HeadScores, ReportProgress, run_windows};

/// When a head predicts that a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoAnswerPolicy {
    /// Never, because it was not trained to.
    Never,
    /// If the score of no answer exceeds that of the best answer by more than this. The best threshold is
    /// searched for as well.
    Above(f64),
}

/// The predicted answer to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerPrediction {
    /// The id of the question in the file.
    pub id: String,
    /// The best answer, even if no answer is predicted; empty if the text has no word.
    pub text: String,
    /// Its place in the text, in bytes.
    pub span: Range<usize>,
    /// The sum of its start and end logits.
    pub score: f32,
    /// The score of no answer minus that of the best answer, for heads that can refuse to answer.
    pub margin: Option<f64>,
    /// Whether no answer is predicted.
    pub is_no_answer: bool,
    /// Exact match of the prediction, 1 or 0.
    pub exact: f64,
    /// Word F1 of the prediction.
    pub f1: f64,
}

/// Evaluates a head on `data`, in windows of at most `positions` tokens.
///
/// The metrics are `exact` and `f1`; if some questions have no answer, both for questions with and
/// without one (`has_answer_exact` and so on); and if the head can refuse to answer, `best_exact` and
/// `best_f1`, each at the threshold that is best for it, as in SQuAD's script.
///
/// # Errors
///
/// Those of the forward pass.
pub fn question_answering(
    forward: &dyn HeadForward,
    data: &Questions,
    tokenizer: &Tokenizer,
    positions: usize,
    policy: NoAnswerPolicy,
    report_progress: &mut ReportProgress<'_>,
) -> Result<Evaluated<AnswerPrediction>, Error> {
    let mut texts: Vec<Vec<Piece>> = Vec::with_capacity(data.paragraphs.len());
    let (mut windows, mut places) = (Vec::new(), Vec::new());
    // Each question with the index of its paragraph, in the order of the data.
    let mut questions = Vec::new();
    for (at, paragraph) in data.paragraphs.iter().enumerate() {
        let pieces = pieces_by_word(&paragraph.context, tokenizer)?;
        for question in &paragraph.questions {
            for window in question_windows(&pieces, &question.text, tokenizer, positions)? {
                windows.push(window.input);
                places.push((questions.len(), window.context, window.opening));
            }
            questions.push((at, question));
        }
        texts.push(pieces);
    }

    let mut candidates: Vec<AnswerCandidates> = vec![AnswerCandidates::default(); questions.len()];
    let tokens = run_windows(forward, &windows, report_progress, |at, logits| {
        if let Some((question, context, opening)) = places.get(at)
            && let Some(candidates) = candidates.get_mut(*question)
            && let Some(pieces) = questions
                .get(*question)
                .and_then(|(text, _)| texts.get(*text))
        {
            candidates.add(&logits, context.clone(), *opening, pieces);
        }
    })?;

    let (mut predictions, mut exact_cases, mut f1_cases) = (Vec::new(), Vec::new(), Vec::new());
    for ((text, question), found) in questions.iter().zip(&candidates) {
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
        let margin = match policy {
            NoAnswerPolicy::Never => None,
            // Without a window the score of no answer counts as 0.
            NoAnswerPolicy::Above(_) => {
                Some(f64::from(found.no_answer.unwrap_or(0.0)) - f64::from(score))
            }
        };
        let is_no_answer = match (policy, margin) {
            (NoAnswerPolicy::Above(threshold), Some(margin)) => margin > threshold,
            _ => false,
        };
        let golds = || question.answers.iter().map(|gold| gold.text.as_str());
        let case = |score: &dyn Fn(&str) -> f64| NoAnswerCase {
            has_answer: !question.answers.is_empty(),
            score_of_answer: score(text),
            score_of_no_answer: score(""),
            margin: margin.unwrap_or(0.0),
        };
        let exact = case(&|predicted| metrics::best_exact_match(golds(), predicted));
        let f1 = case(&|predicted| metrics::best_word_f1(golds(), predicted));
        let score_of_prediction = |case: &NoAnswerCase| match is_no_answer {
            true => case.score_of_no_answer,
            false => case.score_of_answer,
        };
        predictions.push(AnswerPrediction {
            id: question.id.clone(),
            text: text.to_owned(),
            span,
            score,
            margin,
            is_no_answer,
            exact: score_of_prediction(&exact),
            f1: score_of_prediction(&f1),
        });
        exact_cases.push(exact);
        f1_cases.push(f1);
    }

    let mean = |has_answer: Option<bool>, score: fn(&AnswerPrediction) -> f64| {
        let chosen = predictions
            .iter()
            .zip(&exact_cases)
            .filter(|(_, case)| has_answer.is_none_or(|has_answer| case.has_answer == has_answer));
        let (sum, count) = chosen.fold((0.0, 0), |(sum, count), (prediction, _)| {
            (sum + score(prediction), count + 1)
        });
        (count > 0).then(|| sum / f64::from(count))
    };
    let has_unanswerable = exact_cases.iter().any(|case| !case.has_answer);
    let mut values = Vec::new();
    let mut add = |names: [&'static str; 2], has_answer| {
        let exact = mean(has_answer, |prediction| prediction.exact);
        let f1 = mean(has_answer, |prediction| prediction.f1);
        values.extend(exact.map(|value| (names[0], value)));
        values.extend(f1.map(|value| (names[1], value)));
    };
    add(["exact", "f1"], None);
    if has_unanswerable {
        add(["has_answer_exact", "has_answer_f1"], Some(true));
        add(["no_answer_exact", "no_answer_f1"], Some(false));
    }
    let can_refuse = policy != NoAnswerPolicy::Never && !predictions.is_empty();
    let search = can_refuse.then(|| metrics::best_no_answer_threshold(&f1_cases));
    if let Some(search) = search {
        let best_exact = metrics::best_no_answer_threshold(&exact_cases).score;
        values.extend([("best_exact", best_exact), ("best_f1", search.score)]);
    }
    let unanswerable = exact_cases.iter().filter(|case| !case.has_answer).count();
    let unanswerable = unanswerable as f64 / exact_cases.len().max(1) as f64;
    let mut baseline = vec![("exact", unanswerable), ("f1", unanswerable)];
    if can_refuse {
        baseline.extend([("best_exact", unanswerable), ("best_f1", unanswerable)]);
    }
    let scores = HeadScores {
        main_metric: if can_refuse { "best_f1" } else { "f1" },
        values,
        baseline: Baseline {
            prediction: "no answer to any question".to_owned(),
            values: baseline,
        },
        no_answer_threshold: search.map(|search| search.threshold),
        by_label: Vec::new(),
        examples: predictions.len(),
        tokens,
    };
    Ok(Evaluated {
        scores,
        predictions,
    })
}

/// The pieces of `text`, numbered by the words that a reader sees, as `ask` forms them: an answer is whole
/// words.
fn pieces_by_word(text: &str, tokenizer: &Tokenizer) -> Result<Vec<Piece>, Error> {
    let starts: Vec<usize> = electroscope_text::word_starts(text).collect();
    let mut pieces = tokenizer.encode(text)?;
    for piece in &mut pieces {
        let start = piece.start as usize;
        piece.word = starts.partition_point(|&word| word <= start) as u32;
    }
    Ok(pieces)
}

/// A window with a question and a part of a text.
struct QuestionWindow {
    input: HeadInput,
    /// The range of the text's pieces in it.
    context: Range<usize>,
    /// The number of tokens before them.
    opening: usize,
}

/// The windows for a question about a text: one if the text fits, else several that overlap by 128
/// tokens, or by a third of `positions` if that is less. A question longer than a third of the window
/// is truncated.
fn question_windows(
    pieces: &[Piece],
    question: &str,
    tokenizer: &Tokenizer,
    positions: usize,
) -> Result<Vec<QuestionWindow>, Error> {
    let mut opening = vec![tokenizer.cls_id()];
    let question = tokenizer.encode(question)?;
    opening.extend(question.iter().take(positions / 3).map(|piece| piece.id));
    opening.push(tokenizer.sep_id());
    let room = positions.saturating_sub(opening.len() + 1);
    let window = |context: Range<usize>| {
        let mut ids = opening.clone();
        let read = pieces.get(context.clone()).unwrap_or_default();
        ids.extend(read.iter().map(|piece| piece.id));
        ids.push(tokenizer.sep_id());
        QuestionWindow {
            input: HeadInput {
                ids,
                second: opening.len(),
            },
            context,
            opening: opening.len(),
        }
    };
    // As in training, and with the same overlap as `ask`.
    let windows = windows(pieces.len(), room, (positions / 3).min(128));
    Ok(windows.into_iter().map(window).collect())
}

/// The best answer in the windows of a question so far, and the score of no answer.
#[derive(Clone, Debug, Default)]
struct AnswerCandidates {
    best: Option<Candidate>,
    /// The lowest score of no answer in any window.
    no_answer: Option<f32>,
}

/// A possible answer.
#[derive(Clone, Debug)]
struct Candidate {
    /// The range of the text's pieces.
    words: Range<usize>,
    score: f32,
}

impl AnswerCandidates {
    /// Adds the logits of a window; the order of the windows does not matter.
    fn add(&mut self, logits: &Logits, context: Range<usize>, opening: usize, pieces: &[Piece]) {
        let starts: Vec<f32> = logits.column(0).collect();
        let ends: Vec<f32> = logits.column(1).collect();
        let no_answer = decode::no_answer(&starts, &ends).filter(|score| !score.is_nan());
        if let Some(score) = no_answer {
            self.no_answer = Some(self.no_answer.map_or(score, |lowest| lowest.min(score)));
        }
        let Some(best) = best(&starts, &ends, context, opening, pieces) else {
            return;
        };
        let is_better = self.best.as_ref().is_none_or(|known| {
            let place = |best: &Candidate| (best.words.start, best.words.end);
            best.score > known.score || (best.score == known.score && place(&best) < place(known))
        });
        if is_better {
            self.best = Some(best);
        }
    }
}

/// The best span of whole words in a window.
fn best(
    starts: &[f32],
    ends: &[f32],
    context: Range<usize>,
    opening: usize,
    pieces: &[Piece],
) -> Option<Candidate> {
    let inside = opening..opening + context.len();
    // Spans whose words are too long together are skipped, so more spans may have to be looked at.
    let mut most = 1;
    loop {
        let spans = decode::best_spans(starts, ends, inside.clone(), most);
        for span in spans.iter().skip(most / 8) {
            let place = |at: usize| context.start + at - opening;
            if let Some(words) = whole_words(pieces, place(span.first), place(span.last)) {
                let score = span.score;
                return Some(Candidate { words, score });
            }
        }
        if spans.len() < most {
            return None;
        }
        most *= 8;
    }
}

/// The pieces from the first of `first`'s word to the last of `last`'s word, if they are not more than
/// [`LONGEST_ANSWER`] or all of one word.
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
