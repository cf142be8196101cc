//! Metrics of detection: probabilities and marks compared with what is true.

use super::correlation::ranks;
use super::labels::ConfusionCounts;

/// The area under the ROC curve: the probability that a positive case has a higher p than a negative
/// one, with equal p counting half. None if all cases are positive, or all negative.
pub fn auroc(cases: &[(f64, bool)]) -> Option<f64> {
    let p: Vec<f64> = cases.iter().map(|&(p, _)| p).collect();
    let positive = cases.iter().filter(|(_, is_positive)| *is_positive).count() as f64;
    let negative = cases.len() as f64 - positive;
    if positive == 0.0 || negative == 0.0 {
        return None;
    }
    let ranks_with_cases = ranks(&p).into_iter().zip(cases);
    let sum: f64 = ranks_with_cases
        .filter(|(_, (_, is_positive))| *is_positive)
        .map(|(rank, _)| rank)
        .sum();
    Some((sum - positive * (positive + 1.0) / 2.0) / (positive * negative))
}

/// The mean of the precisions at each step of recall, from the highest p down; cases with equal p are
/// one step. None without positive cases.
pub fn average_precision(cases: &[(f64, bool)]) -> Option<f64> {
    let all = cases.iter().filter(|(_, is_positive)| *is_positive).count();
    if all == 0 {
        return None;
    }
    let mut order = cases.to_vec();
    order.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut true_positives, mut predicted, mut sum) = (0, 0, 0.0);
    for equals in order.chunk_by(|(a, _), (b, _)| a == b) {
        let more = equals
            .iter()
            .filter(|(_, is_positive)| *is_positive)
            .count();
        true_positives += more;
        predicted += equals.len();
        sum += (more as f64 / all as f64) * (true_positives as f64 / predicted as f64);
    }
    Some(sum)
}

/// The Brier score: the mean squared difference of p and the truth; 0 without cases.
pub fn brier(cases: &[(f64, bool)]) -> f64 {
    let squared_error =
        |&(p, is_positive): &(f64, bool)| (p - f64::from(u8::from(is_positive))).powi(2);
    let sum: f64 = cases.iter().map(squared_error).sum();
    sum / cases.len().max(1) as f64
}

/// The expected calibration error: the mean difference of p and the fraction of positive cases over
/// `bins` equal bins of p, weighted by the cases in each. A bin includes its lower end, the last one
/// both ends.
pub fn calibration_error(cases: &[(f64, bool)], bins: usize) -> f64 {
    let mut totals = vec![(0.0, 0.0); bins.max(1)];
    let last = totals.len() - 1;
    for &(p, is_positive) in cases {
        let at = ((p * totals.len() as f64) as usize).min(last);
        if let Some((sum, positive)) = totals.get_mut(at) {
            *sum += p;
            *positive += f64::from(u8::from(is_positive));
        }
    }
    let difference: f64 = totals
        .iter()
        .map(|(sum, positive)| (sum - positive).abs())
        .sum();
    difference / cases.len().max(1) as f64
}

/// The scores of marks on words, and of the order that p gives the words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionScores {
    /// The fraction of marked words that should be marked.
    pub precision: f64,
    /// The fraction of words that should be marked and are.
    pub recall: f64,
    /// F0.5, which weighs precision twice as much as recall, as is usual in error detection.
    pub f_half: f64,
    /// See [`auroc`].
    pub auroc: Option<f64>,
    /// See [`average_precision`].
    pub average_precision: Option<f64>,
    /// The fraction of words that should be marked: the precision of marking every word, and the average
    /// precision of a random order.
    pub base_rate: f64,
    /// F0.5 of marking every word. That of marking none is 0.
    pub f_half_if_all_marked: f64,
}

/// The scores of marks, given for each word its p, whether it is marked and whether it should be.
pub fn detection_scores(words: &[(f64, bool, bool)]) -> DetectionScores {
    let (mut counts, mut all) = (ConfusionCounts::default(), ConfusionCounts::default());
    for &(_, is_marked, is_positive) in words {
        counts.add(is_positive, is_marked);
        all.add(is_positive, true);
    }
    let cases: Vec<(f64, bool)> = words
        .iter()
        .map(|&(p, _, is_positive)| (p, is_positive))
        .collect();
    DetectionScores {
        precision: counts.precision(),
        recall: counts.recall(),
        f_half: counts.f(0.5),
        auroc: auroc(&cases),
        average_precision: average_precision(&cases),
        base_rate: all.precision(),
        f_half_if_all_marked: all.f(0.5),
    }
}
