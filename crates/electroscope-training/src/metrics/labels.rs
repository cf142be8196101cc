//! Labels against labels: accuracy, F1 in its kinds, Matthews' correlation.

use std::collections::BTreeMap;

/// How often something was right to be said, wrong to be said, and wrong not to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Said, and so.
    pub right: usize,
    /// Said, and not so.
    pub false_alarms: usize,
    /// So, and not said.
    pub missed: usize,
}

impl Counts {
    /// Takes one case into account.
    pub fn add(&mut self, is_so: bool, is_said: bool) {
        match (is_so, is_said) {
            (true, true) => self.right += 1,
            (false, true) => self.false_alarms += 1,
            (true, false) => self.missed += 1,
            (false, false) => {}
        }
    }

    /// The share of what was said that is so; 0 where nothing was said.
    pub fn precision(self) -> f64 {
        share(self.right, self.right + self.false_alarms)
    }

    /// The share of what is so that was said; 0 where nothing is so.
    pub fn recall(self) -> f64 {
        share(self.right, self.right + self.missed)
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(self) -> f64 {
        self.f(1.0)
    }

    /// Their weighted harmonic mean: recall counts `beta` times as much as precision. 0 where nothing
    /// was right.
    pub fn f(self, beta: f64) -> f64 {
        // From the counts, as scikit-learn does: exact where precision and recall would be rounded.
        let square = beta * beta;
        let right = (1.0 + square) * self.right as f64;
        let all = right + square * self.missed as f64 + self.false_alarms as f64;
        if all == 0.0 { 0.0 } else { right / all }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.right += other.right;
        self.false_alarms += other.false_alarms;
        self.missed += other.missed;
    }
}

/// `part` of `whole`; 0 of nothing.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

/// The share of `pairs` of truth and answer that are equal; 0 of none.
pub fn accuracy(pairs: &[(usize, usize)]) -> f64 {
    let equal = pairs.iter().filter(|(so, said)| so == said).count();
    share(equal, pairs.len())
}

/// F1 of label 1, as GLUE has it for MRPC and QQP.
pub fn binary_f1(pairs: &[(usize, usize)]) -> f64 {
    let mut counts = Counts::default();
    for &(so, said) in pairs {
        counts.add(so == 1, said == 1);
    }
    counts.f1()
}

/// The mean F1 of the labels that occur, in truth or in answers.
pub fn macro_f1(pairs: &[(usize, usize)]) -> f64 {
    let mut by_label: BTreeMap<usize, Counts> = BTreeMap::new();
    for &(so, said) in pairs {
        if so == said {
            by_label.entry(so).or_default().right += 1;
        } else {
            by_label.entry(so).or_default().missed += 1;
            by_label.entry(said).or_default().false_alarms += 1;
        }
    }
    mean(by_label.values().map(|counts| counts.f1()))
}

/// Matthews' correlation coefficient, for any number of labels; 0 where all truth or all answers are
/// one label, which says nothing.
pub fn matthews(pairs: &[(usize, usize)]) -> f64 {
    let mut margins: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    let mut right = 0.0;
    for &(so, said) in pairs {
        margins.entry(so).or_default().0 += 1.0;
        margins.entry(said).or_default().1 += 1.0;
        right += f64::from(u8::from(so == said));
    }
    let count = pairs.len() as f64;
    let sum = |term: fn(&(f64, f64)) -> f64| margins.values().map(term).sum::<f64>();
    let covariance = right * count - sum(|(so, said)| so * said);
    let of_truth = count * count - sum(|(so, _)| so * so);
    let of_answers = count * count - sum(|(_, said)| said * said);
    if of_truth * of_answers == 0.0 {
        0.0
    } else {
        covariance / (of_truth * of_answers).sqrt()
    }
}

/// What `pairs` of truth and answers, where several labels may apply, come to: F1 over all labels
/// taken together, the mean of the labels' own, and the share of texts with every label right.
pub fn multi_label(pairs: &[(Vec<bool>, Vec<bool>)]) -> (f64, f64, f64) {
    let columns = pairs.iter().map(|(so, _)| so.len()).max().unwrap_or(0);
    let mut by_label = vec![Counts::default(); columns];
    for (so, said) in pairs {
        for (counts, (&so, &said)) in by_label.iter_mut().zip(so.iter().zip(said)) {
            counts.add(so, said);
        }
    }
    let mut all = Counts::default();
    by_label.iter().for_each(|&counts| all += counts);
    let exact = pairs.iter().filter(|(so, said)| so == said).count();
    let macro_f1 = mean(by_label.iter().map(|counts| counts.f1()));
    (all.f1(), macro_f1, share(exact, pairs.len()))
}

/// The mean; 0 of nothing.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    match values.len() {
        0 => 0.0,
        count => values.sum::<f64>() / count as f64,
    }
}
