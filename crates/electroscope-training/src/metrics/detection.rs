//! Probabilities against facts: what they are worth as an order, as numbers, and as marks.

use super::labels::Counts;
use super::values::ranks;

/// The chance that a case that is so has a higher p than one that is not, equals counting half (the
/// area under the ROC curve); none where all are so, or none.
pub fn area_under_curve(cases: &[(f64, bool)]) -> Option<f64> {
    let p: Vec<f64> = cases.iter().map(|&(p, _)| p).collect();
    let so = cases.iter().filter(|(_, is_so)| *is_so).count() as f64;
    let not = cases.len() as f64 - so;
    if so == 0.0 || not == 0.0 {
        return None;
    }
    let rank_of_so = ranks(&p).into_iter().zip(cases);
    let sum: f64 = rank_of_so
        .filter(|(_, (_, is_so))| *is_so)
        .map(|(rank, _)| rank)
        .sum();
    Some((sum - so * (so + 1.0) / 2.0) / (so * not))
}

/// The mean precision over the steps of recall, from the highest p down, equals being one step; none
/// where nothing is so.
pub fn average_precision(cases: &[(f64, bool)]) -> Option<f64> {
    let all = cases.iter().filter(|(_, is_so)| *is_so).count();
    if all == 0 {
        return None;
    }
    let mut order = cases.to_vec();
    order.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut right, mut said, mut sum) = (0, 0, 0.0);
    for equals in order.chunk_by(|(a, _), (b, _)| a == b) {
        let more = equals.iter().filter(|(_, is_so)| *is_so).count();
        right += more;
        said += equals.len();
        sum += (more as f64 / all as f64) * (right as f64 / said as f64);
    }
    Some(sum)
}

/// The mean square of what p misses the fact by; 0 of nothing.
pub fn brier(cases: &[(f64, bool)]) -> f64 {
    let miss = |&(p, is_so): &(f64, bool)| (p - f64::from(u8::from(is_so))).powi(2);
    let sum: f64 = cases.iter().map(miss).sum();
    sum / cases.len().max(1) as f64
}

/// By how much p and the share of what is so lie apart, on average over `bins` equal parts of the
/// scale, each by its number of cases (the expected calibration error). A part holds its lower end,
/// the last one both.
pub fn calibration_error(cases: &[(f64, bool)], bins: usize) -> f64 {
    let mut parts = vec![(0.0, 0.0); bins.max(1)];
    let last = parts.len() - 1;
    for &(p, is_so) in cases {
        let at = ((p * parts.len() as f64) as usize).min(last);
        if let Some((sum, so)) = parts.get_mut(at) {
            *sum += p;
            *so += f64::from(u8::from(is_so));
        }
    }
    let apart: f64 = parts.iter().map(|(sum, so)| (sum - so).abs()).sum();
    apart / cases.len().max(1) as f64
}

/// What marks on words are worth: what they say, and how the p behind them orders the words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// The share of marked words that should be.
    pub precision: f64,
    /// The share of words that should be marked and are.
    pub recall: f64,
    /// Precision counting twice as much as recall, as in the detection of errors.
    pub f_half: f64,
    /// See [`area_under_curve`].
    pub auroc: Option<f64>,
    /// See [`average_precision`].
    pub average_precision: Option<f64>,
    /// The share of words that should be marked: the precision of marking every word, and the average
    /// precision of an order by chance.
    pub base_rate: f64,
    /// F0.5 of marking every word; that of marking none is 0.
    pub f_half_of_all: f64,
}

/// What marks are worth, word by word: its p, whether it is marked, whether it should be.
pub fn detection(words: &[(f64, bool, bool)]) -> Detection {
    let (mut counts, mut all) = (Counts::default(), Counts::default());
    for &(_, is_marked, is_so) in words {
        counts.add(is_so, is_marked);
        all.add(is_so, true);
    }
    let cases: Vec<(f64, bool)> = words.iter().map(|&(p, _, is_so)| (p, is_so)).collect();
    Detection {
        precision: counts.precision(),
        recall: counts.recall(),
        f_half: counts.f(0.5),
        auroc: area_under_curve(&cases),
        average_precision: average_precision(&cases),
        base_rate: all.precision(),
        f_half_of_all: all.f(0.5),
    }
}
