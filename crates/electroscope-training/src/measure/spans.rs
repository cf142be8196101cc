//! A tagger on texts in which people marked what is wrong.
//!
//! Words are those between blanks. One should be marked if a mark touches it, and is if the head
//! gives any word of the tokenizer in it a label that is not `O`; its p is the largest that one of
//! them is not `O`, so that the order of the words is that of what `tag` would mark first.

use electroscope_analysis::decode::{self, ranked};
use electroscope_model::{HeadForward, Problem, Tokenizer};

use super::super::Error;
use super::super::data::spans::MarkedText;
use super::super::metrics;
use super::tags::{Words, read_words};
use super::{Baseline, Measured, Scores, Watch};

/// What a tagger with these labels, which reads windows of `positions` tokens, is worth on `data`:
/// `precision`, `recall` and `f_half` of its marks, `average_precision` and `auroc` of its p. What is
/// said of each word of a text is its p, and whether it is marked.
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
    watch: &mut dyn Watch,
) -> Result<Measured<Vec<(f64, bool)>>, Error> {
    let Some(outside) = labels.iter().position(|label| decode::is_outside(label)) else {
        return Err(Error::Settings(format!(
            "the head has no label O for what is not marked; it has {}",
            labels.join(", ")
        )));
    };
    let texts: Vec<Words> = data.iter().map(words).collect();
    let row = |row: &[f32]| {
        let p = decode::probabilities(row, Problem::SingleLabel);
        let of_none = p.get(outside).copied().unwrap_or(f32::NAN);
        let best = ranked(&p).first().copied();
        (1.0 - f64::from(of_none), best != Some(outside))
    };
    let (parts, tokens) = read_words(forward, &texts, tokenizer, positions, watch, row)?;
    let of_word = |parts: &Vec<(f64, bool)>| {
        // What the model cannot see it does not mark.
        parts.iter().fold((0.0, false), |(p, is_marked), part| {
            (part.0.max(p), is_marked || part.1)
        })
    };
    let said: Vec<Vec<(f64, bool)>> = (parts.iter())
        .map(|words| words.iter().map(of_word).collect())
        .collect();
    let mut words = Vec::new();
    for ((marked, text), said) in data.iter().zip(&texts).zip(&said) {
        for (span, &(p, is_marked)) in text.spans.iter().zip(said) {
            let touches =
                |mark: &std::ops::Range<usize>| mark.start < span.end && span.start < mark.end;
            words.push((p, is_marked, marked.spans.iter().any(touches)));
        }
    }
    let found = metrics::detection(&words);
    let mut values = vec![
        ("precision", found.precision),
        ("recall", found.recall),
        ("f_half", found.f_half),
    ];
    let area = found.average_precision;
    values.extend(area.map(|value| ("average_precision", value)));
    values.extend(found.auroc.map(|value| ("auroc", value)));
    let rate = found.base_rate;
    let scores = Scores {
        main: "f_half",
        values,
        baseline: Baseline {
            answer: "every word marked, in any order".to_owned(),
            values: vec![
                ("precision", rate),
                ("recall", f64::from(u8::from(rate > 0.0))),
                ("f_half", found.f_half_of_all),
                ("average_precision", rate),
                ("auroc", 0.5),
            ],
        },
        no_answer_threshold: None,
        kinds: Vec::new(),
        examples: data.len(),
        tokens,
    };
    Ok(Measured { scores, said })
}

/// The words of a text between blanks.
fn words(marked: &MarkedText) -> Words {
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
    Words {
        text: marked.text.clone(),
        spans,
    }
}
