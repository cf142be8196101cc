//! Metrics of classification: accuracy, the variants of F1, Matthews' correlation.

use std::collections::BTreeMap;

/// True and false positives and negatives of a label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfusionCounts {
    /// Predicted, and true.
    pub true_positives: usize,
    /// Predicted, but not true.
    pub false_positives: usize,
    /// True, but not predicted.
    pub false_negatives: usize,
}

impl ConfusionCounts {
    /// Counts one case.
    pub fn add(&mut self, is_true: bool, is_predicted: bool) {
        match (is_true, is_predicted) {
            (true, true) => self.true_positives += 1,
            (false, true) => self.false_positives += 1,
            (true, false) => self.false_negatives += 1,
            (false, false) => {}
        }
    }

    /// The fraction of predictions that are true; 0 without predictions.
    pub fn precision(self) -> f64 {
        fraction(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    /// The fraction of true cases that are predicted; 0 without true cases.
    pub fn recall(self) -> f64 {
        fraction(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(self) -> f64 {
        self.f(1.0)
    }

    /// F-beta, the harmonic mean of precision and recall in which recall has `beta` times the weight; 0
    /// without true positives.
    pub fn f(self, beta: f64) -> f64 {
        // From the counts, as in scikit-learn, to avoid the rounding of precision and recall.
        let square = beta * beta;
        let true_positives = (1.0 + square) * self.true_positives as f64;
        let all =
            true_positives + square * self.false_negatives as f64 + self.false_positives as f64;
        if all == 0.0 {
            0.0
        } else {
            true_positives / all
        }
    }
}

impl std::ops::AddAssign for ConfusionCounts {
    fn add_assign(&mut self, other: ConfusionCounts) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
    }
}

/// `part` divided by `whole`; 0 if `whole` is 0.
pub(super) fn fraction(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

/// The fraction of `pairs` of true and predicted label that are equal; 0 without pairs.
pub fn accuracy(pairs: &[(usize, usize)]) -> f64 {
    let equal = pairs
        .iter()
        .filter(|(truth, predicted)| truth == predicted)
        .count();
    fraction(equal, pairs.len())
}

/// F1 of label 1, as in GLUE for MRPC and QQP.
pub fn binary_f1(pairs: &[(usize, usize)]) -> f64 {
    let mut counts = ConfusionCounts::default();
    for &(truth, predicted) in pairs {
        counts.add(truth == 1, predicted == 1);
    }
    counts.f1()
}

/// The mean F1 of the labels that occur in the truth or in the predictions.
pub fn macro_f1(pairs: &[(usize, usize)]) -> f64 {
    let mut by_label: BTreeMap<usize, ConfusionCounts> = BTreeMap::new();
    for &(truth, predicted) in pairs {
        if truth == predicted {
            by_label.entry(truth).or_default().true_positives += 1;
        } else {
            by_label.entry(truth).or_default().false_negatives += 1;
            by_label.entry(predicted).or_default().false_positives += 1;
        }
    }
    mean(by_label.values().map(|counts| counts.f1()))
}

/// Matthews' correlation coefficient, for any number of labels; 0 if all true or all predicted labels
/// are the same.
pub fn matthews(pairs: &[(usize, usize)]) -> f64 {
    let mut margins: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    let mut true_positives = 0.0;
    for &(truth, predicted) in pairs {
        margins.entry(truth).or_default().0 += 1.0;
        margins.entry(predicted).or_default().1 += 1.0;
        true_positives += f64::from(u8::from(truth == predicted));
    }
    let count = pairs.len() as f64;
    let sum = |term: fn(&(f64, f64)) -> f64| margins.values().map(term).sum::<f64>();
    let covariance = true_positives * count - sum(|(truth, predicted)| truth * predicted);
    let of_truth = count * count - sum(|(truth, _)| truth * truth);
    let of_predictions = count * count - sum(|(_, predicted)| predicted * predicted);
    if of_truth * of_predictions == 0.0 {
        0.0
    } else {
        covariance / (of_truth * of_predictions).sqrt()
    }
}

/// Metrics of `pairs` of truth and prediction with several labels per text: F1 of all labels together
/// (micro), the mean F1 of the labels (macro), and the fraction of texts with every label right.
pub fn multi_label(pairs: &[(Vec<bool>, Vec<bool>)]) -> (f64, f64, f64) {
    let columns = pairs
        .iter()
        .map(|(truth, _)| truth.len())
        .max()
        .unwrap_or(0);
    let mut by_label = vec![ConfusionCounts::default(); columns];
    for (truth, predicted) in pairs {
        for (counts, (&truth, &predicted)) in by_label.iter_mut().zip(truth.iter().zip(predicted)) {
            counts.add(truth, predicted);
        }
    }
    let mut all = ConfusionCounts::default();
    by_label.iter().for_each(|&counts| all += counts);
    let exact = pairs
        .iter()
        .filter(|(truth, predicted)| truth == predicted)
        .count();
    let macro_f1 = mean(by_label.iter().map(|counts| counts.f1()));
    (all.f1(), macro_f1, fraction(exact, pairs.len()))
}

/// The mean; 0 without values.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    match values.len() {
        0 => 0.0,
        count => values.sum::<f64>() / count as f64,
    }
}
