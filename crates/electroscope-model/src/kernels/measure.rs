//! Parts of the fused pass by themselves, for the bench `forward`.

use std::hint::black_box;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use super::Arithmetic;
use super::int8::Int8Scratch;
use super::linear::Linear;
use super::simd::InstructionSet;
use super::stored::StoredRows;
use crate::config::Activation;

/// A linear layer with arbitrary weights.
pub struct LinearLayer {
    layer: Linear,
    activation: Option<Activation>,
    columns: usize,
}

/// A block of tokens for linear layers, and room for their outputs. Layers share it, as they do in the
/// fused pass.
#[derive(Default)]
pub struct TokenBlock {
    xs: Vec<f32>,
    to: Vec<f32>,
    scratch: Int8Scratch,
}

/// Arbitrary numbers around zero: sums of some uniform ones, distributed much as trained weights are.
fn numbers(count: usize) -> impl Iterator<Item = f32> {
    let mut state = 1_u32;
    (0..count).map(move |_| {
        let uniform = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..6).map(uniform).sum()
    })
}

impl LinearLayer {
    /// A layer from `inputs` to `outputs` numbers for each token.
    pub fn new(
        inputs: usize,
        outputs: usize,
        arithmetic: Arithmetic,
        activation: Option<Activation>,
        set: InstructionSet,
    ) -> LinearLayer {
        let weights = numbers(inputs * outputs).map(|x| 0.1 * x).collect();
        let bias = numbers(outputs).collect();
        let rows = StoredRows::new(weights, bias, inputs);
        LinearLayer {
            layer: Linear::pack(rows, inputs, arithmetic, set),
            activation,
            columns: 2 * set.lanes(),
        }
    }

    /// Applies the layer to `tokens` tokens, which must fill whole panels of two vectors, and returns how
    /// many multiply-adds that took.
    pub fn run(&self, tokens: usize, block: &mut TokenBlock) -> usize {
        let TokenBlock { xs, to, scratch } = block;
        let (inputs, outputs) = (self.layer.inputs() * tokens, self.layer.outputs() * tokens);
        if xs.len() < inputs {
            *xs = numbers(inputs).collect();
        }
        if to.len() < outputs {
            to.resize(outputs, 0.0);
        }
        if let (Some(xs), Some(to)) = (xs.get(..inputs), to.get_mut(..outputs)) {
            (self.layer).forward(scratch, black_box(xs), self.columns, self.activation, to);
        }
        black_box(to);
        inputs * self.layer.outputs()
    }
}

/// Independent chains of multiply-adds: enough to hide the latency of two of them per cycle.
const CHAINS: usize = 12;

/// Runs multiply-adds of f32 vectors in registers, as fast as the processor can, and returns how many
/// numbers were multiplied.
pub fn run_at_peak(set: InstructionSet, rounds: usize) -> usize {
    set.run(Peak(rounds));
    rounds * CHAINS * set.lanes()
}

struct Peak(usize);

impl SimdOp for Peak {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let (factor, more) = (ops.splat(black_box(0.999)), ops.splat(black_box(0.001)));
        let mut sums = [ops.one(); CHAINS];
        for _ in 0..self.0 {
            for sum in &mut sums {
                *sum = ops.mul_add(*sum, factor, more);
            }
        }
        let mut total = ops.zero();
        for sum in sums {
            total = ops.add(total, sum);
        }
        black_box(total.to_array());
    }
}
