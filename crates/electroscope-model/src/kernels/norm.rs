//! Sums over the features of a token: layer normalisation, and the product with a single row.
//!
//! The features of a token are in one lane, so these sums run within a lane. Each is taken in a fixed
//! number of partial sums, since a processor can add several at once.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::simd::InstructionSet;
use crate::Error;
use crate::checkpoint::weights::Weights;

/// Partial sums.
const PARTS: usize = 4;

/// The most lanes that a vector has, in AVX-512.
const MOST_LANES: usize = 16;

/// Layer normalisation with scale and shift.
#[derive(Debug)]
pub(super) struct LayerNorm {
    set: InstructionSet,
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl LayerNorm {
    /// Loads `name.weight` and `name.bias`, each of `size` numbers.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::numbers`].
    pub(super) fn load(
        weights: &Weights,
        name: &str,
        size: usize,
        eps: f64,
        set: InstructionSet,
    ) -> Result<LayerNorm, Error> {
        let vector = |part: &str| weights.numbers(&format!("{name}.{part}"), &[size]);
        Ok(LayerNorm {
            set,
            weight: vector("weight")?.into_owned(),
            bias: vector("bias")?.into_owned(),
            eps: eps as f32,
        })
    }

    /// Adds the panels `more` to `states` and normalises every token of the sum, in place.
    pub(super) fn add(&self, states: &mut [f32], more: &[f32], columns: usize) {
        let panel = self.weight.len() * columns;
        for (states, more) in states.chunks_exact_mut(panel).zip(more.chunks_exact(panel)) {
            self.set.run(AddNorm {
                norm: self,
                states,
                more,
                columns,
            });
        }
    }
}

/// [`LayerNorm::add`] for one panel.
struct AddNorm<'a> {
    norm: &'a LayerNorm,
    states: &'a mut [f32],
    more: &'a [f32],
    columns: usize,
}

impl SimdOp for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let AddNorm {
            norm: LayerNorm {
                weight, bias, eps, ..
            },
            states,
            more,
            columns,
        } = self;
        let ops = isa.f32();
        let lanes = ops.len();
        let size = weight.len() as f32;
        // Each partial sum takes every fourth feature.
        let part = PARTS * columns;
        for at in (0..columns).step_by(lanes) {
            let mut sums = [ops.zero(); PARTS];
            for (states, more) in states.chunks_mut(part).zip(more.chunks(part)) {
                let rows = (states.chunks_exact_mut(columns)).zip(more.chunks_exact(columns));
                for ((state, more), sum) in rows.zip(&mut sums) {
                    if let (Some(state), Some(more)) =
                        (state.get_mut(at..at + lanes), more.get(at..at + lanes))
                    {
                        let both = ops.add(ops.load(state), ops.load(more));
                        *sum = ops.add(*sum, both);
                        ops.store(both, state);
                    }
                }
            }
            let mean = ops.mul(all(isa, sums), ops.splat(size.recip()));

            let mut sums = [ops.zero(); PARTS];
            for states in states.chunks(part) {
                for (state, sum) in states.chunks_exact(columns).zip(&mut sums) {
                    if let Some(state) = state.get(at..at + lanes) {
                        let off = ops.sub(ops.load(state), mean);
                        *sum = ops.mul_add(off, off, *sum);
                    }
                }
            }
            let mut scales = [0.0; MOST_LANES];
            let Some(scales) = scales.get_mut(..lanes) else {
                return;
            };
            ops.store(all(isa, sums), scales);
            for scale in scales.iter_mut() {
                *scale = (*scale / size + eps).sqrt().recip();
            }
            let scale = ops.load(scales);

            let rows = states
                .chunks_exact_mut(columns)
                .zip(weight.iter().zip(bias));
            for (state, (&weight, &bias)) in rows {
                if let Some(state) = state.get_mut(at..at + lanes) {
                    let normed = ops.mul(ops.sub(ops.load(state), mean), scale);
                    ops.store(
                        ops.mul_add(normed, ops.splat(weight), ops.splat(bias)),
                        state,
                    );
                }
            }
        }
    }
}

/// The sum of the partial sums.
#[inline(always)]
fn all<I: Isa>(isa: I, parts: [I::F32; PARTS]) -> I::F32 {
    let ops = isa.f32();
    let [a, b, c, d] = parts;
    ops.add(ops.add(a, b), ops.add(c, d))
}

/// Multiplies every token of a panel with the row `with`, adds `bias`, and writes one number for each token.
pub(super) fn dots(set: InstructionSet, panel: &[f32], with: &[f32], bias: f32, to: &mut [f32]) {
    set.run(Dots {
        panel,
        with,
        bias,
        to,
    });
}

struct Dots<'a> {
    panel: &'a [f32],
    with: &'a [f32],
    bias: f32,
    to: &'a mut [f32],
}

impl SimdOp for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let (lanes, columns) = (ops.len(), self.to.len());
        for (to, at) in self.to.chunks_exact_mut(lanes).zip((0..).step_by(lanes)) {
            let mut sum = ops.splat(self.bias);
            for (row, &with) in self.panel.chunks_exact(columns).zip(self.with) {
                if let Some(row) = row.get(at..at + lanes) {
                    sum = ops.mul_add(ops.load(row), ops.splat(with), sum);
                }
            }
            ops.store(sum, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(at: usize) -> f32 {
        ((at * 7919 % 1000) as f32 - 500.0) / 100.0
    }

    #[test]
    fn tokens_of_any_width_are_normalised_as_in_double_precision() {
        let shapes = [(1, 1), (2, 2), (3, 1), (7, 2), (8, 1), (33, 2), (100, 1)];
        for (set, (size, vectors)) in
            InstructionSet::available().flat_map(|set| shapes.map(|shape| (set, shape)))
        {
            let columns = vectors * set.lanes();
            let norm = LayerNorm {
                set,
                weight: (0..size).map(|at| number(at + 3)).collect(),
                bias: (0..size).map(|at| number(at + 5)).collect(),
                eps: 1e-5,
            };
            let count = 2 * size * columns;
            let before: Vec<f32> = (0..count).map(number).collect();
            let more: Vec<f32> = (0..count).map(|at| number(at + 11)).collect();
            let mut states = before.clone();
            norm.add(&mut states, &more, columns);
            for token in 0..2 * columns {
                let at = |f: usize| (token / columns * size + f) * columns + token % columns;
                let sums: Vec<f64> = (0..size)
                    .map(|f| f64::from(before[at(f)]) + f64::from(more[at(f)]))
                    .collect();
                let mean = sums.iter().sum::<f64>() / size as f64;
                let variance = sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / size as f64;
                for (f, sum) in sums.iter().enumerate() {
                    let wanted = (sum - mean) / (variance + 1e-5).sqrt()
                        * f64::from(norm.weight[f])
                        + f64::from(norm.bias[f]);
                    let got = f64::from(states[at(f)]);
                    assert!((got - wanted).abs() < 1e-4, "{set}, {size}: {got} {wanted}");
                }
            }
        }
    }

    #[test]
    fn products_with_a_row_take_every_number_of_a_token() {
        let sizes = [1, 5, 16, 19];
        for (set, size) in InstructionSet::available().flat_map(|set| sizes.map(|size| (set, size)))
        {
            let columns = 2 * set.lanes();
            let with: Vec<f32> = (0..size).map(|at| at as f32).collect();
            let panel: Vec<f32> = (0..size * columns)
                .map(|at| (at % columns) as f32)
                .collect();
            let mut to = vec![f32::NAN; columns];
            dots(set, &panel, &with, 0.5, &mut to);
            let sum = (size * (size - 1) / 2) as f32;
            let wanted: Vec<f32> = (0..columns).map(|token| sum * token as f32 + 0.5).collect();
            assert_eq!(to, wanted);
        }
    }
}
