//! What is done along a row: layer normalisation, and the product of two rows.
//!
//! Sums along a row are taken in as many parts as a vector has lanes, always in the same order.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::super::Error;
use super::super::weights::Weights;

/// Layer normalisation with scale and shift.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl Norm {
    /// Takes `name.weight` and `name.bias`, each `size` numbers.
    ///
    /// # Errors
    ///
    /// What [`Weights::numbers`] finds.
    pub(super) fn load(
        weights: &Weights,
        name: &str,
        size: usize,
        eps: f64,
    ) -> Result<Norm, Error> {
        let vector = |part: &str| weights.numbers(&format!("{name}.{part}"), &[size]);
        Ok(Norm {
            weight: vector("weight")?.into_owned(),
            bias: vector("bias")?.into_owned(),
            eps: eps as f32,
        })
    }

    /// Adds `more` to `rows` and normalises every row of the sum, in place.
    pub(super) fn add(&self, rows: &mut [f32], more: &[f32]) {
        AddNorm {
            norm: self,
            rows,
            more,
        }
        .dispatch();
    }
}

struct AddNorm<'a> {
    norm: &'a Norm,
    rows: &'a mut [f32],
    more: &'a [f32],
}

impl SimdOp for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Norm { weight, bias, eps } = self.norm;
        let size = weight.len();
        let ops = isa.f32();
        let lanes = ops.len();
        let whole = size / lanes * lanes;
        for (row, more) in (self.rows.chunks_exact_mut(size)).zip(self.more.chunks_exact(size)) {
            let (row, row_end) = row.split_at_mut(whole);
            let (more, more_end) = more.split_at(whole);

            let mut sum = ops.zero();
            for (x, y) in row.chunks_exact_mut(lanes).zip(more.chunks_exact(lanes)) {
                let both = ops.add(ops.load(x), ops.load(y));
                sum = ops.add(sum, both);
                ops.store(both, x);
            }
            let mut sum = ops.sum(sum);
            for (x, y) in row_end.iter_mut().zip(more_end) {
                *x += *y;
                sum += *x;
            }
            let mean = sum / size as f32;

            let middle = ops.splat(mean);
            let mut squares = ops.zero();
            for x in row.chunks_exact(lanes) {
                let off = ops.sub(ops.load(x), middle);
                squares = ops.mul_add(off, off, squares);
            }
            let mut squares = ops.sum(squares);
            for x in &*row_end {
                squares += (x - mean) * (x - mean);
            }
            let scale = (squares / size as f32 + eps).sqrt().recip();

            let (weight, weight_end) = weight.split_at(whole);
            let (bias, bias_end) = bias.split_at(whole);
            let scales = ops.splat(scale);
            let parts = weight.chunks_exact(lanes).zip(bias.chunks_exact(lanes));
            for (x, (weight, bias)) in row.chunks_exact_mut(lanes).zip(parts) {
                let normed = ops.mul(ops.sub(ops.load(x), middle), scales);
                ops.store(ops.mul_add(normed, ops.load(weight), ops.load(bias)), x);
            }
            for (x, (weight, bias)) in row_end.iter_mut().zip(weight_end.iter().zip(bias_end)) {
                *x = (*x - mean) * scale * weight + bias;
            }
        }
    }
}

/// The product of every row of `rows` with `with`, plus `bias`, into `to`.
pub(super) fn dots(rows: &[f32], with: &[f32], bias: f32, to: &mut [f32]) {
    Dots {
        rows,
        with,
        bias,
        to,
    }
    .dispatch();
}

struct Dots<'a> {
    rows: &'a [f32],
    with: &'a [f32],
    bias: f32,
    to: &'a mut [f32],
}

impl SimdOp for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let lanes = ops.len();
        for (row, to) in self.rows.chunks_exact(self.with.len()).zip(self.to) {
            let (x, y) = (row.chunks_exact(lanes), self.with.chunks_exact(lanes));
            let rest: f32 = (x.remainder().iter().zip(y.remainder()))
                .map(|(x, y)| x * y)
                .sum();
            let mut sum = ops.zero();
            for (x, y) in x.zip(y) {
                sum = ops.mul_add(ops.load(x), ops.load(y), sum);
            }
            *to = ops.sum(sum) + rest + self.bias;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_width_are_normalised_as_in_double_precision() {
        for size in [1, 2, 3, 7, 8, 15, 16, 17, 32, 33, 100] {
            let number = |at: usize| ((at * 7919 % 1000) as f32 - 500.0) / 100.0;
            let norm = Norm {
                weight: (0..size).map(|at| number(at + 3)).collect(),
                bias: (0..size).map(|at| number(at + 5)).collect(),
                eps: 1e-5,
            };
            let mut rows: Vec<f32> = (0..2 * size).map(number).collect();
            let more: Vec<f32> = (0..2 * size).map(|at| number(at + 11)).collect();
            let sums: Vec<f64> = (rows.iter().zip(&more))
                .map(|(&x, &y)| f64::from(x) + f64::from(y))
                .collect();
            norm.add(&mut rows, &more);
            for (row, sums) in rows.chunks(size).zip(sums.chunks(size)) {
                let mean = sums.iter().sum::<f64>() / size as f64;
                let variance = sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / size as f64;
                for (at, (x, sum)) in row.iter().zip(sums).enumerate() {
                    let wanted = (sum - mean) / (variance + 1e-5).sqrt()
                        * f64::from(norm.weight[at])
                        + f64::from(norm.bias[at]);
                    assert!(
                        (f64::from(*x) - wanted).abs() < 1e-4,
                        "{size}: {x} {wanted}"
                    );
                }
            }
        }
    }

    #[test]
    fn products_of_rows_take_every_number() {
        for size in [1, 5, 16, 19, 64, 65] {
            let with: Vec<f32> = (0..size).map(|at| at as f32).collect();
            let mut to = [0.0; 2];
            dots(
                &[vec![1.0; size], vec![2.0; size]].concat(),
                &with,
                0.5,
                &mut to,
            );
            let sum = (size * (size - 1) / 2) as f32;
            assert_eq!(to, [sum + 0.5, 2.0 * sum + 0.5]);
        }
    }
}
