//! Linear layers in eight bits: weights with a scale per column, activations with a scale and a zero
//! per row, made as they come.
//!
//! The products are [`rten_gemm`]'s, which uses the dot products of VNNI and of Arm where they are
//! and exact sums elsewhere. Sums of whole numbers have no order to depend on, and a row's scale
//! depends on the row alone.

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::ops::{BitOps, NumOps, ToFloat};
use rten_simd::{Isa, SimdOp};
use rten_tensor::NdTensorView;
use rten_vecmath::{ExtendInit, MinMax, Quantize};

use super::super::Error;
use super::super::config::Activation;
use super::super::weights::Weights;
use super::linear::activate;

/// The largest magnitude of a weight.
const MOST: f32 = 127.0;

/// Linear layers in eight bits.
pub(super) struct Eight {
    weights: PackedBMatrix<i8>,
    /// One per column.
    scales: Vec<f32>,
    /// What the weights of each column add up to: so much of every sum is due to each step that
    /// zero lies above the least activation.
    totals: Vec<i32>,
    /// One per column.
    bias: Vec<f32>,
    /// The largest activation. Where pairs of products are summed in sixteen bits, activations keep
    /// to seven, so that no sum can leave them.
    largest: u8,
}

/// Room for the work of one thread.
#[derive(Default)]
pub(super) struct Room {
    product: GemmExecutor<u8, i8, i32>,
    rows: Vec<u8>,
    scales: Vec<f32>,
    zeros: Vec<i32>,
    sums: Vec<i32>,
}

impl Eight {
    /// As [`super::linear::Linear::load`].
    pub(super) fn load(
        weights: &Weights,
        names: &[String],
        inputs: usize,
        outputs: usize,
    ) -> Result<Eight, Error> {
        let all = outputs * names.len();
        let mut numbers: Vec<i8> = Vec::with_capacity(all * inputs);
        let mut scales: Vec<f32> = Vec::with_capacity(all);
        let mut bias: Vec<f32> = Vec::with_capacity(all);
        for name in names {
            let (weight, shape) = (format!("{name}.weight"), [outputs, inputs]);
            bias.extend_from_slice(&weights.numbers(&format!("{name}.bias"), &[outputs])?);
            let eight = weights
                .quantised(&weight)
                .filter(|_| weights.shape(&weight) == Some(&shape));
            if let Some(eight) = eight {
                numbers.extend_from_slice(eight.numbers);
                scales.extend_from_slice(eight.scales);
                continue;
            }
            for row in weights.numbers(&weight, &shape)?.chunks_exact(inputs) {
                let scale = row.iter().fold(0.0, |most: f32, x| most.max(x.abs())) / MOST;
                let times = if scale > 0.0 { scale.recip() } else { 0.0 };
                scales.push(scale);
                // The conversion to whole numbers saturates, and takes what is no number as zero.
                numbers.extend(row.iter().map(|x| (x * times).round() as i8));
            }
        }
        let product = GemmExecutor::<u8, i8, i32>::new();
        let matrix = NdTensorView::from_data([all, inputs], numbers.as_slice());
        let totals = (numbers.chunks_exact(inputs))
            .map(|row| row.iter().copied().map(i32::from).sum())
            .collect();
        Ok(Eight {
            totals,
            weights: product.prepack_b(matrix.transposed()),
            largest: if product.may_saturate() { 127 } else { 255 },
            scales,
            bias,
        })
    }

    /// Numbers in a row that comes out.
    pub(super) fn outputs(&self) -> usize {
        self.scales.len()
    }

    /// As [`super::linear::Linear::forward`].
    pub(super) fn forward(
        &self,
        room: &mut Room,
        rows: &[f32],
        count: usize,
        activation: Option<Activation>,
        to: &mut [f32],
    ) -> Result<(), Error> {
        let inputs = self.weights.rows();
        let Room {
            product,
            rows: eights,
            scales,
            zeros,
            sums,
        } = room;
        eights.clear();
        eights.reserve(count * inputs);
        scales.clear();
        zeros.clear();
        for row in rows.chunks_exact(inputs).take(count) {
            let (scale, times, zero) = steps(row, self.largest);
            scales.push(scale);
            zeros.push(i32::from(zero));
            eights.extend_init(|spare| {
                let spare = spare.get_mut(..inputs).unwrap_or_default();
                &*Quantize::new(row, spare, times, zero).dispatch()
            });
        }
        sums.resize(count * self.outputs(), 0);
        let rows = NdTensorView::from_data([count, inputs], eights.as_slice());
        product
            .gemm(
                sums,
                GemmInputA::Unpacked(rows),
                GemmInputB::Packed(&self.weights),
                // The zeros are left to us: with one for each row, version 0.27.0 gives wrong sums
                // for all but the first rows of a wide product.
                GemmOptions::default(),
            )
            .map_err(|err| Error::Tensor(candle_core::Error::Msg(err.to_string())))?;
        Unscale {
            sums,
            rows: scales,
            zeros,
            columns: &self.scales,
            totals: &self.totals,
            bias: &self.bias,
            activation,
            to,
        }
        .dispatch();
        Ok(())
    }
}

/// How the numbers of a row become whole ones between 0 and `largest`: the size of a step, its
/// reciprocal, and the step at which zero lies.
fn steps(row: &[f32], largest: u8) -> (f32, f32, u8) {
    let (low, high) = MinMax::new(row).dispatch();
    let (low, high) = (low.min(0.0), high.max(0.0));
    let scale = (high - low) / f32::from(largest);
    let times = if scale > 0.0 { scale.recip() } else { 0.0 };
    (scale, times, (-low * times).round() as u8)
}

/// From sums of whole numbers to what they stand for, with bias and activation.
struct Unscale<'a> {
    sums: &'a [i32],
    rows: &'a [f32],
    zeros: &'a [i32],
    columns: &'a [f32],
    totals: &'a [i32],
    bias: &'a [f32],
    activation: Option<Activation>,
    to: &'a mut [f32],
}

impl SimdOp for Unscale<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (ops, whole) = (isa.f32(), isa.i32());
        let (lanes, width) = (ops.len(), self.columns.len());
        let rows = (self.sums.chunks_exact(width)).zip(self.rows.iter().zip(self.zeros));
        for ((sums, (&scale, &zero)), to) in rows.zip(self.to.chunks_exact_mut(width)) {
            let (scales, zeros) = (ops.splat(scale), whole.splat(zero));
            let parts = (sums.chunks_exact(lanes))
                .zip(self.totals.chunks_exact(lanes))
                .zip(self.columns.chunks_exact(lanes))
                .zip(self.bias.chunks_exact(lanes));
            for ((((sums, totals), columns), bias), to) in parts.zip(to.chunks_exact_mut(lanes)) {
                let above = whole.mul(zeros, whole.load(totals));
                let sums = whole.to_float(whole.sub(whole.load(sums), above));
                let scales = ops.mul(scales, ops.load(columns));
                ops.store(ops.mul_add(sums, scales, ops.load(bias)), to);
            }
            let rest = width / lanes * lanes;
            let ends = (sums
                .iter()
                .zip(self.totals)
                .zip(self.columns)
                .zip(self.bias))
            .skip(rest);
            for ((((&sum, total), column), bias), to) in ends.zip(to.iter_mut().skip(rest)) {
                *to = (sum - zero * total) as f32 * (scale * column) + bias;
            }
            activate(isa, self.activation, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_reach_from_the_least_number_to_the_largest_and_hit_zero() {
        for (row, largest) in [
            (vec![-1.0, 0.5, 3.0], 255),
            (vec![2.0, 4.0], 127),
            (vec![-8.0, -2.0], 255),
            (vec![0.0, 0.0], 255),
        ] {
            let (scale, times, zero) = steps(&row, largest);
            for x in row.iter().copied().chain([0.0]) {
                let step = (x * times).round_ties_even() + f32::from(zero);
                assert!(
                    (-0.5..=f32::from(largest) + 0.5).contains(&step),
                    "{x}: {step}"
                );
                let back = (step.clamp(0.0, f32::from(largest)) - f32::from(zero)) * scale;
                assert!((back - x).abs() <= scale * 0.76, "{x} became {back}");
            }
        }
    }
}
