//! Evaluates a classifier on labelled texts.

use electroscope_analysis::decode;
use electroscope_model::{HeadForward, HeadInput, Problem};

use super::super::Error;
use super::super::example::{Example, Target};
use super::super::metrics;
use super::label_matching::problem_in_words;
use super::{Baseline, Evaluated, HeadScores, ReportProgress, run_windows};

/// How a classifier is evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassificationOptions<'a> {
    /// The kind of classification.
    pub problem: Problem,
    /// The names of the labels, in the order of the head's and the targets' indices.
    pub labels: &'a [String],
    /// The index of the label that binary F1 is about: GLUE's label 1.
    pub positive: usize,
    /// The main metric, one of the names that [`classification`] gives; by default accuracy, micro F1 or
    /// Spearman's correlation.
    pub main_metric: Option<&'static str>,
}

/// Evaluates a classifier on `examples`. The prediction for each is p by label, or a value.
///
/// The metrics for a single label are `accuracy`, `macro_f1`, `matthews`, `f1` if there are two labels,
/// and `calibration_error` (in 15 bins) of the most probable label; for several labels `micro_f1`,
/// `macro_f1` and `exact`; for a value `pearson`, `spearman` and `mean_squared_error`.
///
/// # Errors
///
/// Those of the forward pass; [`Error::Settings`] for targets of another problem, and for a main metric
/// that the problem does not have.
pub fn classification(
    forward: &dyn HeadForward,
    examples: &[&Example],
    options: &ClassificationOptions<'_>,
    report_progress: &mut ReportProgress<'_>,
) -> Result<Evaluated<Vec<f32>>, Error> {
    let windows: Vec<HeadInput> = (examples.iter())
        .map(|example| example.input.clone())
        .collect();
    let mut predictions: Vec<Vec<f32>> = vec![Vec::new(); examples.len()];
    let tokens = run_windows(forward, &windows, report_progress, |at, logits| {
        if let Some(place) = predictions.get_mut(at) {
            *place = decode::probabilities(&logits.values, options.problem);
        }
    })?;
    let targets: Vec<&Target> = examples.iter().map(|example| &example.target).collect();
    let scored = match options.problem {
        Problem::SingleLabel => single_label(&targets, &predictions, options),
        Problem::MultiLabel => multi_label(&targets, &predictions, options),
        Problem::Regression => regression(&targets, &predictions),
    };
    let Some((values, baseline, default_metric)) = scored else {
        return Err(Error::Settings(format!(
            "the head gives {}, but the data has something else",
            problem_in_words(options.problem)
        )));
    };
    let main_metric = options.main_metric.unwrap_or(default_metric);
    let known = metric_names(options);
    if !known.contains(&main_metric) {
        return Err(Error::Settings(format!(
            "the main metric cannot be {main_metric:?}; a head that gives {} has {}",
            problem_in_words(options.problem),
            known.join(", ")
        )));
    }
    let scores = HeadScores {
        main_metric,
        values,
        baseline,
        no_answer_threshold: None,
        by_label: Vec::new(),
        examples: examples.len(),
        tokens,
    };
    Ok(Evaluated {
        scores,
        predictions,
    })
}

/// The names of the metrics.
fn metric_names(options: &ClassificationOptions<'_>) -> Vec<&'static str> {
    match options.problem {
        Problem::SingleLabel => {
            let f1 = (options.labels.len() == 2).then_some("f1");
            let names = ["accuracy", "macro_f1", "matthews", "calibration_error"];
            names.into_iter().chain(f1).collect()
        }
        Problem::MultiLabel => vec!["micro_f1", "macro_f1", "exact"],
        Problem::Regression => vec!["pearson", "spearman", "mean_squared_error"],
    }
}

/// The metrics, those of the baseline, and the default main metric.
type Scored = (Vec<(&'static str, f64)>, Baseline, &'static str);

fn single_label(
    targets: &[&Target],
    predictions: &[Vec<f32>],
    options: &ClassificationOptions<'_>,
) -> Option<Scored> {
    let truth = targets.iter().map(|target| match target {
        Target::Label(label) => Some(*label),
        _ => None,
    });
    let truth: Vec<usize> = truth.collect::<Option<_>>()?;
    let best = predictions
        .iter()
        .map(|p| decode::ranked(p).first().copied().unwrap_or(usize::MAX));
    let pairs: Vec<(usize, usize)> = truth.iter().copied().zip(best).collect();
    let mut values = label_values(&pairs, options);
    let confidence: Vec<(f64, bool)> = (pairs.iter().zip(predictions))
        .map(|((truth, best), p)| {
            let p_of_best = p.get(*best).copied().map_or(0.0, f64::from);
            (p_of_best, truth == best)
        })
        .collect();
    values.push((
        "calibration_error",
        metrics::calibration_error(&confidence, 15),
    ));
    let mut counts = vec![0; options.labels.len()];
    for &label in &truth {
        if let Some(count) = counts.get_mut(label) {
            *count += 1;
        }
    }
    let common = most_frequent(&counts);
    let always: Vec<(usize, usize)> = truth.iter().map(|&truth| (truth, common)).collect();
    let name = options.labels.get(common).map_or("", String::as_str);
    let baseline = Baseline {
        prediction: format!("always {name:?}, the most frequent label"),
        values: label_values(&always, options),
    };
    Some((values, baseline, "accuracy"))
}

/// The index of the largest count, of equal ones the first.
pub(super) fn most_frequent(counts: &[usize]) -> usize {
    let most = counts.iter().copied().max().unwrap_or(0);
    let first = counts.iter().position(|&count| count == most);
    first.unwrap_or(0)
}

fn label_values(
    pairs: &[(usize, usize)],
    options: &ClassificationOptions<'_>,
) -> Vec<(&'static str, f64)> {
    let mut values = vec![
        ("accuracy", metrics::accuracy(pairs)),
        ("macro_f1", metrics::macro_f1(pairs)),
        ("matthews", metrics::matthews(pairs)),
    ];
    if options.labels.len() == 2 {
        let is_positive = |label: usize| usize::from(label == options.positive);
        let pairs = pairs
            .iter()
            .map(|&(truth, predicted)| (is_positive(truth), is_positive(predicted)));
        let pairs: Vec<(usize, usize)> = pairs.collect();
        values.push(("f1", metrics::binary_f1(&pairs)));
    }
    values
}

fn multi_label(
    targets: &[&Target],
    predictions: &[Vec<f32>],
    options: &ClassificationOptions<'_>,
) -> Option<Scored> {
    let truth = targets.iter().map(|target| match target {
        Target::Labels(labels) => Some(labels.clone()),
        _ => None,
    });
    let truth: Vec<Vec<bool>> = truth.collect::<Option<_>>()?;
    let applies = |p: &Vec<f32>| p.iter().map(|&p| p >= 0.5).collect();
    let values = |pairs: &[(Vec<bool>, Vec<bool>)]| {
        let (micro, mean, exact) = metrics::multi_label(pairs);
        vec![("micro_f1", micro), ("macro_f1", mean), ("exact", exact)]
    };
    let common: Vec<bool> = (0..options.labels.len())
        .map(|label| {
            let applying = truth
                .iter()
                .filter(|labels| labels.get(label) == Some(&true));
            2 * applying.count() > truth.len()
        })
        .collect();
    let pairs =
        |predicted: Vec<Vec<bool>>| -> Vec<_> { truth.iter().cloned().zip(predicted).collect() };
    let baseline = Baseline {
        prediction: "always the labels that more than half of the texts have".to_owned(),
        values: values(&pairs(vec![common; truth.len()])),
    };
    let predicted = predictions.iter().map(applies).collect();
    Some((values(&pairs(predicted)), baseline, "micro_f1"))
}

fn regression(targets: &[&Target], predictions: &[Vec<f32>]) -> Option<Scored> {
    let truth = targets.iter().map(|target| match target {
        Target::Value(value) => Some(f64::from(*value)),
        _ => None,
    });
    let truth: Vec<f64> = truth.collect::<Option<_>>()?;
    let mean = truth.iter().sum::<f64>() / truth.len().max(1) as f64;
    let error = |pairs: &[(f64, f64)]| {
        let squares = pairs
            .iter()
            .map(|(truth, predicted)| (truth - predicted).powi(2));
        squares.sum::<f64>() / pairs.len().max(1) as f64
    };
    let first = |p: &Vec<f32>| p.first().copied().map_or(f64::NAN, f64::from);
    let pairs: Vec<(f64, f64)> = truth
        .iter()
        .copied()
        .zip(predictions.iter().map(first))
        .collect();
    let always: Vec<(f64, f64)> = truth.iter().map(|&truth| (truth, mean)).collect();
    let mut values = Vec::new();
    values.extend(metrics::pearson(&pairs).map(|value| ("pearson", value)));
    values.extend(metrics::spearman(&pairs).map(|value| ("spearman", value)));
    values.push(("mean_squared_error", error(&pairs)));
    let baseline = Baseline {
        prediction: format!("always {mean:.3}, the mean"),
        values: vec![("mean_squared_error", error(&always))],
    };
    Some((values, baseline, "spearman"))
}
