//! Fits an [`EvidenceModel`]: a logistic regression over the features of words, with an L2 penalty.
//!
//! Minimises Σ log(1 + exp(-yᵢ·w·xᵢ)) + λ/2·Σ wⱼ² by Newton's method (iteratively reweighted least
//! squares; Bishop 2006, section 4.3.3). The bias is not penalised. The features are few, so that the exact
//! Hessian costs little, and the result depends on nothing but the examples.

use electroscope_analysis::evidence::{EvidenceModel, FEATURE_COUNT, Features};
use rayon::prelude::*;

use super::Error;

/// A word to fit on.
#[derive(Clone, Copy, Debug)]
pub struct EvidenceExample {
    /// The features of the word.
    pub features: Features,
    /// Whether it is an error.
    pub is_error: bool,
}

/// The number of Newton steps at most; some ten are enough.
const STEPS: usize = 50;

/// The weights that fit `examples` best with the penalty `l2`.
///
/// # Errors
///
/// [`Error::Settings`] if all examples are of one kind, or the penalty is not greater than 0.
pub fn fit(examples: &[EvidenceExample], l2: f64) -> Result<Features, Error> {
    let errors = examples.iter().filter(|example| example.is_error).count();
    if errors == 0 || errors == examples.len() {
        return Err(Error::Settings(format!(
            "{errors} of {} words are errors; the evidence model needs both words with and without errors",
            examples.len()
        )));
    }
    if !(l2.is_finite() && l2 > 0.0) {
        return Err(Error::Settings(format!(
            "the L2 penalty is {l2}; it must be a number greater than 0"
        )));
    }
    let mut weights = vec![0.0; FEATURE_COUNT];
    let mut loss = Sums::of(examples, &weights, l2).loss;
    for _ in 0..STEPS {
        let sums = Sums::of(examples, &weights, l2);
        let Some(step) = solve(sums.hessian, sums.gradient) else {
            break;
        };
        // Halved until the loss falls: a full step may overshoot far from the minimum.
        let mut scale = 1.0;
        let next = loop {
            let next: Vec<f64> = (weights.iter().zip(&step))
                .map(|(weight, step)| weight - scale * step)
                .collect();
            let next_loss = Sums::of(examples, &next, l2).loss;
            if next_loss <= loss {
                break Some((next, next_loss));
            }
            scale /= 2.0;
            if scale < 1e-4 {
                break None;
            }
        };
        let Some((next, next_loss)) = next else { break };
        let is_done = loss - next_loss < 1e-9 * loss;
        (weights, loss) = (next, next_loss);
        if is_done {
            break;
        }
    }
    let mut found = [0.0; FEATURE_COUNT];
    for (to, from) in found.iter_mut().zip(weights) {
        *to = from as f32;
    }
    Ok(found)
}

/// The loss of some weights with its derivatives.
struct Sums {
    loss: f64,
    gradient: Vec<f64>,
    /// Row by row.
    hessian: Vec<Vec<f64>>,
}

impl Sums {
    fn zero() -> Sums {
        Sums {
            loss: 0.0,
            gradient: vec![0.0; FEATURE_COUNT],
            hessian: vec![vec![0.0; FEATURE_COUNT]; FEATURE_COUNT],
        }
    }

    fn of(examples: &[EvidenceExample], weights: &[f64], l2: f64) -> Sums {
        /// Examples that are summed one after the other, so that the sums do not depend on the threads.
        const CHUNK: usize = 4096;
        let chunks: Vec<Sums> = (examples.par_chunks(CHUNK))
            .map(|examples| {
                let mut sums = Sums::zero();
                examples
                    .iter()
                    .for_each(|example| sums.add(example, weights));
                sums
            })
            .collect();
        let mut all = chunks.into_iter().fold(Sums::zero(), Sums::plus);
        // The first weight is the bias.
        for (at, &weight) in weights.iter().enumerate().skip(1) {
            all.loss += 0.5 * l2 * weight * weight;
            if let Some(slope) = all.gradient.get_mut(at) {
                *slope += l2 * weight;
            }
            if let Some(curvature) = all.hessian.get_mut(at).and_then(|row| row.get_mut(at)) {
                *curvature += l2;
            }
        }
        all
    }

    fn add(&mut self, example: &EvidenceExample, weights: &[f64]) {
        let products = weights.iter().zip(&example.features);
        let logit: f64 = products
            .map(|(weight, &value)| weight * f64::from(value))
            .sum();
        let p = 1.0 / (1.0 + (-logit).exp());
        let target = f64::from(u8::from(example.is_error));
        let margin = if example.is_error { logit } else { -logit };
        // log(1 + exp(-margin)), without overflow.
        self.loss += (-margin).max(0.0) + (-margin.abs()).exp().ln_1p();
        let curvature = p * (1.0 - p);
        for ((row, slope), &value) in (self.hessian.iter_mut())
            .zip(&mut self.gradient)
            .zip(&example.features)
        {
            if value == 0.0 {
                continue;
            }
            let value = f64::from(value);
            *slope += (p - target) * value;
            let scaled = curvature * value;
            for (cell, &other) in row.iter_mut().zip(&example.features) {
                *cell += scaled * f64::from(other);
            }
        }
    }

    fn plus(mut self, other: Sums) -> Sums {
        self.loss += other.loss;
        let add = |to: &mut Vec<f64>, from: &Vec<f64>| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        };
        add(&mut self.gradient, &other.gradient);
        for (to, from) in self.hessian.iter_mut().zip(&other.hessian) {
            add(to, from);
        }
        self
    }
}

/// The solution of `matrix`·x = `right` by Gaussian elimination with pivots; none if the matrix is
/// singular, as it is for features that are always 0 without a penalty.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    for column in 0..size {
        let size_of = |row: &usize| matrix[*row][column].abs();
        let pivot = (column..size).max_by(|a, b| size_of(a).total_cmp(&size_of(b)))?;
        if matrix[pivot][column].abs() < 1e-12 {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let (above, below) = matrix.split_at_mut(column + 1);
        let (top, solved) = (&above[column], right[column]);
        for (row, value) in below.iter_mut().zip(&mut right[column + 1..]) {
            let factor = row[column] / top[column];
            if factor != 0.0 {
                row.iter_mut()
                    .zip(top)
                    .for_each(|(cell, top)| *cell -= factor * top);
                *value -= factor * solved;
            }
        }
    }
    let mut solution = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size)
            .map(|at| matrix[row][at] * solution[at])
            .sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    Some(solution)
}

/// The model with these weights whose threshold flags at most the share `false_alarms` of `clean`, the
/// features of words without errors.
pub fn calibrated(weights: Features, clean: &[Features], false_alarms: f32) -> EvidenceModel {
    let mut model = EvidenceModel {
        weights,
        threshold: 0.5,
        false_alarms: Some(false_alarms),
    };
    let mut p: Vec<f32> = clean.iter().map(|features| model.p(features)).collect();
    model.threshold = electroscope_analysis::threshold_for(&mut p, false_alarms);
    model
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;

    /// Words that are errors with the probability that some weights give them.
    fn drawn(weights: &Features, count: usize) -> Vec<EvidenceExample> {
        let mut rng = SeededRng::new(7, 0);
        let mut draw = || {
            let mut features = [0.0; FEATURE_COUNT];
            features[0] = 1.0;
            for value in &mut features[1..5] {
                *value = rng.uniform() as f32 * 4.0 - 2.0;
            }
            let logit: f32 = weights
                .iter()
                .zip(&features)
                .map(|(weight, value)| weight * value)
                .sum();
            let is_error = rng.uniform() < f64::from(1.0 / (1.0 + (-logit).exp()));
            EvidenceExample { features, is_error }
        };
        (0..count).map(|_| draw()).collect()
    }

    #[test]
    fn the_weights_that_made_the_examples_are_found() {
        let mut wanted = [0.0; FEATURE_COUNT];
        wanted[..5].copy_from_slice(&[-1.0, 2.0, -0.5, 0.0, 1.0]);
        let found = fit(&drawn(&wanted, 40_000), 1e-3).unwrap();
        for (name, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert!(
                (found - wanted).abs() < 0.1,
                "weight {name}: {found} for {wanted}"
            );
        }
    }

    #[test]
    fn the_gradient_at_the_solution_is_zero() {
        let mut weights = [0.0; FEATURE_COUNT];
        weights[..3].copy_from_slice(&[0.3, 1.0, -1.0]);
        let examples = drawn(&weights, 2_000);
        let found: Vec<f64> = fit(&examples, 0.5)
            .unwrap()
            .iter()
            .map(|&weight| weight.into())
            .collect();
        let gradient = Sums::of(&examples, &found, 0.5).gradient;
        assert!(
            gradient.iter().all(|slope| slope.abs() < 1e-2),
            "{gradient:?}"
        );
    }

    #[test]
    fn examples_of_one_kind_are_refused() {
        let example = EvidenceExample {
            features: [1.0; FEATURE_COUNT],
            is_error: false,
        };
        assert!(fit(&[example; 3], 1.0).is_err());
        assert!(fit(&drawn(&[0.1; FEATURE_COUNT], 50), f64::NAN).is_err());
    }

    #[test]
    fn the_threshold_flags_the_share_of_clean_words() {
        let mut weights = [0.0; FEATURE_COUNT];
        weights[1] = 1.0;
        let clean: Vec<Features> = (0..1000)
            .map(|number| {
                let mut features = [0.0; FEATURE_COUNT];
                features[1] = number as f32 / 100.0;
                features
            })
            .collect();
        let model = calibrated(weights, &clean, 0.01);
        let flagged = clean
            .iter()
            .filter(|features| model.p(features) >= model.threshold)
            .count();
        assert!(flagged <= 10, "{flagged}");
    }
}
