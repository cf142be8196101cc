//! A classifier on labelled texts.

use electroscope_analysis::decode;
use electroscope_model::{HeadForward, HeadInput, Problem};

use super::super::Error;
use super::super::example::{Example, Target};
use super::super::metrics;
use super::labels::kind;
use super::{Baseline, Measured, Scores, Watch, read_all};

/// How a classifier's answers are to be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judging<'a> {
    /// How the logits are to be read.
    pub problem: Problem,
    /// The names of the labels by the numbers that the head has for them, and so do the targets.
    pub labels: &'a [String],
    /// The label that F1 is about where there are two, by the head's number: GLUE's label 1.
    pub positive: usize,
    /// Which value counts, if it is not accuracy, F1 over all labels, or Spearman's correlation: one
    /// of the names that [`classification`] gives.
    pub main: Option<&'static str>,
}

/// What a classifier is worth on `examples`, and what it said of each: p by label, or a value.
///
/// One label: `accuracy`, `macro_f1`, `matthews`, and of two labels `f1`, with `calibration_error`
/// (15 parts) of the likeliest label's p. Any labels: `micro_f1`, `macro_f1`, `exact`. A value:
/// `pearson`, `spearman`, `mean_squared_error`.
///
/// # Errors
///
/// Those of the forward pass; [`Error::Settings`] for targets of another kind, and if a value is to
/// count that there is not.
pub fn classification(
    forward: &dyn HeadForward,
    examples: &[&Example],
    judging: &Judging<'_>,
    watch: &mut dyn Watch,
) -> Result<Measured<Vec<f32>>, Error> {
    let windows: Vec<HeadInput> = (examples.iter())
        .map(|example| example.input.clone())
        .collect();
    let mut said: Vec<Vec<f32>> = vec![Vec::new(); examples.len()];
    let tokens = read_all(forward, &windows, watch, |at, logits| {
        if let Some(place) = said.get_mut(at) {
            *place = decode::probabilities(&logits.values, judging.problem);
        }
    })?;
    let targets: Vec<&Target> = examples.iter().map(|example| &example.target).collect();
    let judged = match judging.problem {
        Problem::SingleLabel => single(&targets, &said, judging),
        Problem::MultiLabel => multi(&targets, &said, judging),
        Problem::Regression => value(&targets, &said),
    };
    let Some((values, baseline, usual)) = judged else {
        return Err(Error::Settings(format!(
            "the head gives {}, but the data has something else",
            kind(judging.problem)
        )));
    };
    let main = judging.main.unwrap_or(usual);
    let known = names(judging);
    if !known.contains(&main) {
        return Err(Error::Settings(format!(
            "what counts cannot be {main:?}; a head that gives {} has {}",
            kind(judging.problem),
            known.join(", ")
        )));
    }
    let scores = Scores {
        main,
        values,
        baseline,
        no_answer_threshold: None,
        kinds: Vec::new(),
        examples: examples.len(),
        tokens,
    };
    Ok(Measured { scores, said })
}

/// The names of the values.
fn names(judging: &Judging<'_>) -> Vec<&'static str> {
    match judging.problem {
        Problem::SingleLabel => {
            let f1 = (judging.labels.len() == 2).then_some("f1");
            let names = ["accuracy", "macro_f1", "matthews", "calibration_error"];
            names.into_iter().chain(f1).collect()
        }
        Problem::MultiLabel => vec!["micro_f1", "macro_f1", "exact"],
        Problem::Regression => vec!["pearson", "spearman", "mean_squared_error"],
    }
}

/// Values, what they are without understanding, and which of them counts as a rule.
type Judged = (Vec<(&'static str, f64)>, Baseline, &'static str);

fn single(targets: &[&Target], said: &[Vec<f32>], judging: &Judging<'_>) -> Option<Judged> {
    let so = targets.iter().map(|target| match target {
        Target::Label(label) => Some(*label),
        _ => None,
    });
    let so: Vec<usize> = so.collect::<Option<_>>()?;
    let best = said
        .iter()
        .map(|p| decode::ranked(p).first().copied().unwrap_or(usize::MAX));
    let pairs: Vec<(usize, usize)> = so.iter().copied().zip(best).collect();
    let mut values = label_values(&pairs, judging);
    let trust: Vec<(f64, bool)> = (pairs.iter().zip(said))
        .map(|((so, best), p)| {
            (
                p.get(*best).copied().map_or(0.0, f64::from),
                // A label that is right is what its p is the probability of.
                so == best,
            )
        })
        .collect();
    values.push(("calibration_error", metrics::calibration_error(&trust, 15)));
    let mut counts = vec![0; judging.labels.len()];
    for &label in &so {
        if let Some(count) = counts.get_mut(label) {
            *count += 1;
        }
    }
    let common = most_frequent(&counts);
    let always: Vec<(usize, usize)> = so.iter().map(|&so| (so, common)).collect();
    let name = judging.labels.get(common).map_or("", String::as_str);
    let baseline = Baseline {
        answer: format!("always {name:?}, the most frequent label"),
        values: label_values(&always, judging),
    };
    Some((values, baseline, "accuracy"))
}

/// The first of the labels that occur most often.
pub(super) fn most_frequent(counts: &[usize]) -> usize {
    let most = counts.iter().copied().max().unwrap_or(0);
    let first = counts.iter().position(|&count| count == most);
    first.unwrap_or(0)
}

fn label_values(pairs: &[(usize, usize)], judging: &Judging<'_>) -> Vec<(&'static str, f64)> {
    let mut values = vec![
        ("accuracy", metrics::accuracy(pairs)),
        ("macro_f1", metrics::macro_f1(pairs)),
        ("matthews", metrics::matthews(pairs)),
    ];
    if judging.labels.len() == 2 {
        let is_positive = |label: usize| usize::from(label == judging.positive);
        let pairs = pairs
            .iter()
            .map(|&(so, said)| (is_positive(so), is_positive(said)));
        let pairs: Vec<(usize, usize)> = pairs.collect();
        values.push(("f1", metrics::binary_f1(&pairs)));
    }
    values
}

fn multi(targets: &[&Target], said: &[Vec<f32>], judging: &Judging<'_>) -> Option<Judged> {
    let so = targets.iter().map(|target| match target {
        Target::Labels(labels) => Some(labels.clone()),
        _ => None,
    });
    let so: Vec<Vec<bool>> = so.collect::<Option<_>>()?;
    let applies = |p: &Vec<f32>| p.iter().map(|&p| p >= 0.5).collect();
    let values = |pairs: &[(Vec<bool>, Vec<bool>)]| {
        let (micro, mean, exact) = metrics::multi_label(pairs);
        vec![("micro_f1", micro), ("macro_f1", mean), ("exact", exact)]
    };
    let common: Vec<bool> = (0..judging.labels.len())
        .map(|label| {
            let applying = so.iter().filter(|labels| labels.get(label) == Some(&true));
            2 * applying.count() > so.len()
        })
        .collect();
    let pairs = |said: Vec<Vec<bool>>| -> Vec<_> { so.iter().cloned().zip(said).collect() };
    let baseline = Baseline {
        answer: "always the labels that more than half of the texts have".to_owned(),
        values: values(&pairs(vec![common; so.len()])),
    };
    let said = said.iter().map(applies).collect();
    Some((values(&pairs(said)), baseline, "micro_f1"))
}

fn value(targets: &[&Target], said: &[Vec<f32>]) -> Option<Judged> {
    let so = targets.iter().map(|target| match target {
        Target::Value(value) => Some(f64::from(*value)),
        _ => None,
    });
    let so: Vec<f64> = so.collect::<Option<_>>()?;
    let mean = so.iter().sum::<f64>() / so.len().max(1) as f64;
    let error = |pairs: &[(f64, f64)]| {
        let squares = pairs.iter().map(|(so, said)| (so - said).powi(2));
        squares.sum::<f64>() / pairs.len().max(1) as f64
    };
    let first = |p: &Vec<f32>| p.first().copied().map_or(f64::NAN, f64::from);
    let pairs: Vec<(f64, f64)> = so.iter().copied().zip(said.iter().map(first)).collect();
    let always: Vec<(f64, f64)> = so.iter().map(|&so| (so, mean)).collect();
    let mut values = Vec::new();
    values.extend(metrics::pearson(&pairs).map(|value| ("pearson", value)));
    values.extend(metrics::spearman(&pairs).map(|value| ("spearman", value)));
    values.push(("mean_squared_error", error(&pairs)));
    let baseline = Baseline {
        answer: format!("always {mean:.3}, the mean"),
        values: vec![("mean_squared_error", error(&always))],
    };
    Some((values, baseline, "spearman"))
}
