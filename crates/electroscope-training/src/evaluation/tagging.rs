//! Evaluates a tagger on sentences whose words have tags.
//!
//! A word of the data may be several words to the tokenizer (`don't`, `U.S.`); as in the reference, it
//! has the label of its first piece.

use std::collections::BTreeMap;
use std::ops::Range;

use electroscope_analysis::decode::{self, Scheme};
use electroscope_model::{HeadForward, HeadInput, Piece, Tokenizer};

use super::super::Error;
use super::super::data::LabelledSentences;
use super::super::features::windows;
use super::super::metrics::{self, ConfusionCounts, LabelCounts};
use super::classification::most_frequent;
use super::{Baseline, Evaluated, HeadScores, ReportProgress, run_windows};

/// The predicted tag of a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TagPrediction {
    /// The index of the most probable label; none for a word without tokens, such as a control character.
    pub label: Option<usize>,
    /// The probability of the label.
    pub p: f32,
}

/// Evaluates a tagger on `data`, whose tags are the head's label indices, in windows of at most
/// `positions` tokens.
///
/// If the labels mark entities, the metrics are `precision`, `recall` and `f1` of entities and
/// `accuracy` of words, with counts by kind of entity; otherwise `accuracy` and `macro_f1` of words,
/// with counts by label.
///
/// # Errors
///
/// Those of the forward pass.
pub fn tagging(
    forward: &dyn HeadForward,
    data: &LabelledSentences,
    tokenizer: &Tokenizer,
    positions: usize,
    report_progress: &mut ReportProgress<'_>,
) -> Result<Evaluated<Vec<TagPrediction>>, Error> {
    let texts: Vec<WordsInText> = (data.sentences.iter())
        .map(|sentence| WordsInText::joined(&sentence.words))
        .collect();
    let row = |row: &[f32]| decode::likeliest(row).unwrap_or_default();
    let (parts, tokens) =
        predict_words(forward, &texts, tokenizer, positions, report_progress, row)?;
    let first = |parts: &Vec<(usize, f32)>| match parts.first() {
        Some(&(label, p)) => TagPrediction {
            label: Some(label),
            p,
        },
        None => TagPrediction {
            label: None,
            p: 0.0,
        },
    };
    let predictions: Vec<Vec<TagPrediction>> = (parts.iter())
        .map(|words| words.iter().map(first).collect())
        .collect();

    let outside = data
        .labels
        .iter()
        .position(|label| decode::is_outside(label));
    let mut counts = vec![0; data.labels.len()];
    for &tag in data.sentences.iter().flat_map(|sentence| &sentence.tags) {
        if let Some(count) = counts.get_mut(tag) {
            *count += 1;
        }
    }
    let scheme = Scheme::of(&data.labels);
    let marks_entities = scheme.marks_entities();
    let common = match outside {
        Some(outside) if marks_entities => outside,
        _ => most_frequent(&counts),
    };
    let pairs = |label: &dyn Fn(usize, usize) -> usize| -> Vec<Vec<(usize, usize)>> {
        let sentences = data.sentences.iter().enumerate();
        let words = sentences.map(|(at, sentence)| {
            let words = sentence.tags.iter().enumerate();
            words.map(|(word, &tag)| (tag, label(at, word))).collect()
        });
        words.collect()
    };
    let predicted = pairs(&|at, word| {
        let tag = predictions.get(at).and_then(|words| words.get(word));
        // A word without tokens counts as outside of entities.
        let label = tag.and_then(|tag| tag.label).or(outside);
        label.unwrap_or(usize::MAX)
    });
    let baseline = pairs(&|_, _| common);
    let (values, by_label) = score(&predicted, &data.labels, &scheme);
    let name = data.labels.get(common).map_or("", String::as_str);
    let baseline = Baseline {
        prediction: match marks_entities {
            true => format!("{name} for every word"),
            false => format!("{name} for every word, the most frequent label"),
        },
        values: score(&baseline, &data.labels, &scheme).0,
    };
    let scores = HeadScores {
        main_metric: if marks_entities { "f1" } else { "accuracy" },
        values,
        baseline,
        no_answer_threshold: None,
        by_label,
        examples: data.sentences.len(),
        tokens,
    };
    Ok(Evaluated {
        scores,
        predictions,
    })
}

/// The metrics of words with a true and a predicted label, and the counts by label.
fn score(
    sentences: &[Vec<(usize, usize)>],
    labels: &[String],
    scheme: &Scheme,
) -> (Vec<(&'static str, f64)>, Vec<LabelCounts>) {
    let words: Vec<(usize, usize)> = sentences.iter().flatten().copied().collect();
    let accuracy = metrics::accuracy(&words);
    if scheme.marks_entities() {
        let (by_kind, all) = metrics::entities(sentences, scheme);
        let values = vec![
            ("precision", all.precision()),
            ("recall", all.recall()),
            ("f1", all.f1()),
            ("accuracy", accuracy),
        ];
        return (values, by_kind);
    }
    let mut by_label: BTreeMap<&str, ConfusionCounts> = BTreeMap::new();
    for (at, label) in labels.iter().enumerate() {
        let counts = by_label.entry(label).or_default();
        for &(truth, predicted) in &words {
            counts.add(truth == at, predicted == at);
        }
    }
    let values = vec![
        ("accuracy", accuracy),
        ("macro_f1", metrics::macro_f1(&words)),
    ];
    let occurs = |counts: &ConfusionCounts| *counts != ConfusionCounts::default();
    let by_label = by_label.into_iter().filter(|(_, counts)| occurs(counts));
    let by_label = by_label.map(|(label, counts)| LabelCounts {
        label: label.to_owned(),
        counts,
    });
    (values, by_label.collect())
}

/// A text that is divided into words already.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct WordsInText {
    pub(super) text: String,
    /// The byte range of each word, in order.
    pub(super) spans: Vec<Range<usize>>,
}

impl WordsInText {
    /// Joins words by spaces.
    fn joined(words: &[String]) -> WordsInText {
        let mut joined = WordsInText::default();
        for word in words {
            if !joined.text.is_empty() {
                joined.text.push(' ');
            }
            let start = joined.text.len();
            joined.text.push_str(word);
            joined.spans.push(start..joined.text.len());
        }
        joined
    }
}

/// For each text, for each of its words, a prediction for each of the tokenizer's words in it.
type WordPredictions<T> = Vec<Vec<Vec<T>>>;

/// Applies `row` to the logits of the first piece of each of the tokenizer's words. Gives also the
/// number of tokens that the model read.
///
/// A text that is too long for one window is read in several that overlap by half, and each piece is
/// predicted in the window that shows most of its surroundings.
pub(super) fn predict_words<T: Clone>(
    forward: &dyn HeadForward,
    texts: &[WordsInText],
    tokenizer: &Tokenizer,
    positions: usize,
    report_progress: &mut ReportProgress<'_>,
    row: impl Fn(&[f32]) -> T,
) -> Result<(WordPredictions<T>, usize), Error> {
    let room = positions.saturating_sub(2).max(1);
    let (mut windows, mut places) = (Vec::new(), Vec::new());
    let mut pieces: Vec<Vec<Piece>> = Vec::with_capacity(texts.len());
    for (text, words) in texts.iter().enumerate() {
        let of_text = tokenizer.encode(&words.text)?;
        for (token_range, core) in half_overlapping_windows(of_text.len(), room) {
            let mut ids = vec![tokenizer.cls_id()];
            let read = of_text.get(token_range.clone()).unwrap_or_default();
            ids.extend(read.iter().map(|piece| piece.id));
            ids.push(tokenizer.sep_id());
            windows.push(HeadInput {
                second: ids.len(),
                ids,
            });
            places.push((text, token_range.start, core));
        }
        pieces.push(of_text);
    }
    let mut by_piece: Vec<Vec<Option<T>>> = (pieces.iter())
        .map(|pieces| vec![None; pieces.len()])
        .collect();
    let tokens = run_windows(forward, &windows, report_progress, |at, logits| {
        let Some((text, from, core)) = places.get(at) else {
            return;
        };
        let Some(by_piece) = by_piece.get_mut(*text) else {
            return;
        };
        // The first row is for `[CLS]`.
        let rows = logits.rows().skip(1 + core.start - from).take(core.len());
        for (place, values) in by_piece.iter_mut().skip(core.start).zip(rows) {
            *place = Some(row(values));
        }
    })?;
    let of_text = |((words, pieces), by_piece): ((&WordsInText, &Vec<Piece>), Vec<Option<T>>)| {
        let mut parts: Vec<Vec<T>> = vec![Vec::new(); words.spans.len()];
        let mut last = None;
        for (piece, prediction) in pieces.iter().zip(by_piece) {
            let start = piece.start as usize;
            let word = words.spans.partition_point(|span| span.end <= start);
            let is_inside = words
                .spans
                .get(word)
                .is_some_and(|span| span.contains(&start));
            // A word of the tokenizer that spans two words of the data counts for both.
            let begins = last != Some((word, piece.word));
            last = Some((word, piece.word));
            if let (true, true, Some(prediction)) = (is_inside, begins, prediction)
                && let Some(parts) = parts.get_mut(word)
            {
                parts.push(prediction);
            }
        }
        parts
    };
    let parts = texts.iter().zip(&pieces).zip(by_piece).map(of_text);
    Ok((parts.collect(), tokens))
}

/// Windows of at most `room` of `len` pieces that overlap by half, each with its core: the pieces that
/// it shows more of the surroundings of than its neighbours do. The cores cover each piece once.
fn half_overlapping_windows(len: usize, room: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let windows = windows(len, room, room / 2);
    let mut core_start = 0;
    let mut with_cores = Vec::new();
    for (at, token_range) in windows.iter().enumerate() {
        // Two windows divide their overlap in the middle.
        let next = windows.get(at + 1);
        let core_end = next.map_or(len, |next| next.start.midpoint(token_range.end));
        with_cores.push((token_range.clone(), core_start..core_end));
        core_start = core_end;
    }
    with_cores
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_piece_is_in_one_core_with_a_quarter_of_a_window_around_it(
            len in 0usize..400, room in 1usize..60,
        ) {
            let windows = half_overlapping_windows(len, room);
            let covered: Vec<usize> = windows.iter().flat_map(|(_, core)| core.clone()).collect();
            prop_assert_eq!(covered, (0..len).collect::<Vec<_>>());
            for (token_range, core) in &windows {
                prop_assert!(token_range.len() <= room);
                prop_assert!(token_range.start <= core.start && core.end <= token_range.end);
                let around = room / 4;
                prop_assert!(token_range.start == 0 || core.start - token_range.start + 1 >= around);
                prop_assert!(token_range.end == len || token_range.end - core.end + 1 >= around);
            }
        }
    }
}
