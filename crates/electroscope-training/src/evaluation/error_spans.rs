//! Evaluates a tagger on texts in which people marked errors.
//!
//! Words are divided by white space. The expected mark of a word is whether a marked span overlaps it,
//! the predicted one whether the head gives any of its words (the tokenizer may find several) a label
//! other than `O`. The p of a word is the largest p of not being `O`.

use electroscope_analysis::decode::{self, ranked};
use electroscope_model::{HeadForward, Problem, Tokenizer};

use super::super::Error;
use super::super::data::spans::MarkedText;
use super::super::metrics;
use super::tagging::{WordsInText, predict_words};
use super::{Baseline, Evaluated, HeadScores, ReportProgress};

/// Evaluates a tagger with these labels on `data`, in windows of at most `positions` tokens. The metrics
/// are `precision`, `recall` and `f_half` of the marks, and `average_precision` and `auroc` of p. The
/// prediction for each word of a text is its p, and whether it is marked.
///
/// # Errors
///
/// Those of the forward pass; [`Error::Settings`] if no label is `O`.
pub fn error_spans(
    forward: &dyn HeadForward,
    data: &[MarkedText],
    labels: &[String],
    tokenizer: &Tokenizer,
    positions: usize,
    report_progress: &mut ReportProgress<'_>,
) -> Result<Evaluated<Vec<(f64, bool)>>, Error> {
    let Some(outside) = labels.iter().position(|label| decode::is_outside(label)) else {
        return Err(Error::Settings(format!(
            "the head has no label O for words without an error; it has {}",
            labels.join(", ")
        )));
    };
    let texts: Vec<WordsInText> = data.iter().map(words_in_text).collect();
    let row = |row: &[f32]| {
        let p = decode::probabilities(row, Problem::SingleLabel);
        let p_outside = p.get(outside).copied().unwrap_or(f32::NAN);
        let best = ranked(&p).first().copied();
        (1.0 - f64::from(p_outside), best != Some(outside))
    };
    let (parts, tokens) =
        predict_words(forward, &texts, tokenizer, positions, report_progress, row)?;
    let of_word = |parts: &Vec<(f64, bool)>| {
        // A word without tokens is not marked.
        parts.iter().fold((0.0, false), |(p, is_marked), part| {
            (part.0.max(p), is_marked || part.1)
        })
    };
    let predictions: Vec<Vec<(f64, bool)>> = (parts.iter())
        .map(|words| words.iter().map(of_word).collect())
        .collect();
    let mut words = Vec::new();
    for ((marked, text), predictions) in data.iter().zip(&texts).zip(&predictions) {
        for (span, &(p, is_marked)) in text.spans.iter().zip(predictions) {
            let touches =
                |mark: &std::ops::Range<usize>| mark.start < span.end && span.start < mark.end;
            words.push((p, is_marked, marked.spans.iter().any(touches)));
        }
    }
    let detection = metrics::detection_scores(&words);
    let mut values = vec![
        ("precision", detection.precision),
        ("recall", detection.recall),
        ("f_half", detection.f_half),
    ];
    let area = detection.average_precision;
    values.extend(area.map(|value| ("average_precision", value)));
    values.extend(detection.auroc.map(|value| ("auroc", value)));
    let rate = detection.base_rate;
    let scores = HeadScores {
        main_metric: "f_half",
        values,
        baseline: Baseline {
            prediction: "every word marked, in any order".to_owned(),
            values: vec![
                ("precision", rate),
                ("recall", f64::from(u8::from(rate > 0.0))),
                ("f_half", detection.f_half_if_all_marked),
                ("average_precision", rate),
                ("auroc", 0.5),
            ],
        },
        no_answer_threshold: None,
        by_label: Vec::new(),
        examples: data.len(),
        tokens,
    };
    Ok(Evaluated {
        scores,
        predictions,
    })
}

/// The words of a text, divided by white space.
fn words_in_text(marked: &MarkedText) -> WordsInText {
    let mut spans = Vec::new();
    let mut from = None;
    for (at, c) in marked.text.char_indices() {
        match (from, c.is_whitespace()) {
            (None, false) => from = Some(at),
            (Some(start), true) => {
                spans.push(start..at);
                from = None;
            }
            _ => {}
        }
    }
    spans.extend(from.map(|start| start..marked.text.len()));
    WordsInText {
        text: marked.text.clone(),
        spans,
    }
}
