//! From panels of f32 numbers to panels of integers, for the products of integers.
//!
//! The inputs of a layer become integers from 0 to 255 by a scale and a zero point for each token, the
//! keys of attention integers from -127 to 127 by a scale for each token. Both depend on that token
//! alone.

use std::ops::Range;

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd, SimdOp};

use super::dot::{OutputScale, WORD, Word};

/// The largest magnitude of the integer that a weight or a key becomes.
pub(super) const MOST: f32 = 127.0;

/// The largest integer that an input of a layer becomes.
pub(super) const LARGEST: f32 = 255.0;

/// Where the integers of a panel are written. Those below zero are stored in two's complement.
pub(super) enum Integers<'a> {
    /// Four integers of a token to a word.
    Bytes(&'a mut [Word]),
    /// Two integers of a token to a word.
    Halves(&'a mut [Word]),
    /// Each integer as an f32 number.
    Floats(&'a mut [f32]),
}

/// Quantises a panel of inputs of `columns` tokens.
pub(super) struct QuantiseInputs<'a> {
    pub(super) xs: &'a [f32],
    pub(super) columns: usize,
    /// The size of a step, for each token.
    pub(super) scales: &'a mut [f32],
    /// The zero point times the size of a step, for each token.
    pub(super) zeros: &'a mut [f32],
    pub(super) to: Integers<'a>,
}

impl SimdOp for QuantiseInputs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let QuantiseInputs {
            xs,
            columns,
            scales,
            zeros,
            mut to,
        } = self;
        let ops = isa.f32();
        let lanes = ops.len();
        for at in (0..columns).step_by(lanes) {
            let own = at..at + lanes;
            let (Some(scales), Some(zeros)) =
                (scales.get_mut(own.clone()), zeros.get_mut(own.clone()))
            else {
                return;
            };
            let (mut low, mut high) = (ops.zero(), ops.zero());
            for row in xs.chunks_exact(columns) {
                if let Some(row) = row.get(own.clone()) {
                    let row = ops.load(row);
                    low = ops.min(low, row);
                    high = ops.max(high, row);
                }
            }
            let scale = ops.mul(ops.sub(high, low), ops.splat(LARGEST.recip()));
            // The scale of a token of zeros alone is zero, and its integers are zero whatever they are
            // divided by.
            let divisor = ops.max(scale, ops.splat(f32::MIN_POSITIVE));
            let factor = ops.div(ops.one(), divisor);
            let zero = ops.round_ties_even(ops.mul(ops.neg(low), factor));
            ops.store(scale, scales);
            ops.store(ops.mul(scale, zero), zeros);

            let rounding = Rounding {
                factor,
                zero,
                least: 0.0,
                most: LARGEST,
            };
            rounding.write(isa, xs, columns, own, &mut to);
        }
    }
}

/// Quantises a panel of keys of `columns` tokens.
pub(super) struct QuantiseKeys<'a> {
    pub(super) xs: &'a [f32],
    pub(super) columns: usize,
    /// The scale and the sum of each key, in place of those of a row of weights.
    pub(super) rows: &'a mut [OutputScale],
    pub(super) to: Integers<'a>,
}

impl SimdOp for QuantiseKeys<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let QuantiseKeys {
            xs,
            columns,
            rows,
            mut to,
        } = self;
        let (ops, int) = (isa.f32(), isa.i32());
        let lanes = ops.len();
        for at in (0..columns).step_by(lanes) {
            let own = at..at + lanes;
            let mut most = ops.zero();
            for row in xs.chunks_exact(columns) {
                if let Some(row) = row.get(own.clone()) {
                    most = ops.max(most, ops.abs(ops.load(row)));
                }
            }
            let scale = ops.mul(most, ops.splat(MOST.recip()));
            let divisor = ops.max(scale, ops.splat(f32::MIN_POSITIVE));
            let rounding = Rounding {
                factor: ops.div(ops.one(), divisor),
                zero: ops.zero(),
                least: -MOST,
                most: MOST,
            };
            let total = rounding.write(isa, xs, columns, own.clone(), &mut to);
            let totals = ops.mul(int.to_float(total), scale).to_array();
            let rows = rows.get_mut(own).unwrap_or_default();
            for (row, (scale, total)) in rows
                .iter_mut()
                .zip(scale.to_array().into_iter().zip(totals))
            {
                *row = OutputScale {
                    scale,
                    total,
                    bias: 0.0,
                };
            }
        }
    }
}

/// How a vector of f32 numbers becomes integers.
struct Rounding<I: Isa> {
    /// One over the size of a step.
    factor: I::F32,
    /// The zero point.
    zero: I::F32,
    least: f32,
    most: f32,
}

impl<I: Isa> Rounding<I> {
    #[inline(always)]
    fn round(&self, isa: I, xs: &[f32]) -> I::I32 {
        let ops = isa.f32();
        let x = ops.mul_add(ops.load(xs), self.factor, self.zero);
        ops.to_int_round(ops.max(ops.min(x, ops.splat(self.most)), ops.splat(self.least)))
    }

    /// Writes the integers of the tokens `own` out of `columns`, one vector of them, and returns the sum
    /// over each token.
    #[inline(always)]
    fn write(
        &self,
        isa: I,
        xs: &[f32],
        columns: usize,
        own: Range<usize>,
        to: &mut Integers<'_>,
    ) -> I::I32 {
        let (ops, int) = (isa.f32(), isa.i32());
        let mut total = int.zero();
        match to {
            Integers::Floats(to) => {
                for (to, xs) in to.chunks_exact_mut(columns).zip(xs.chunks_exact(columns)) {
                    if let (Some(to), Some(xs)) = (to.get_mut(own.clone()), xs.get(own.clone())) {
                        let number = self.round(isa, xs);
                        total = int.add(total, number);
                        ops.store(int.to_float(number), to);
                    }
                }
            }
            Integers::Halves(to) => {
                let half = int.splat(0xffff);
                for (to, xs) in to.chunks_exact_mut(columns).zip(xs.chunks(2 * columns)) {
                    let mut two = [int.zero(); 2];
                    for (number, xs) in two.iter_mut().zip(xs.chunks_exact(columns)) {
                        if let Some(xs) = xs.get(own.clone()) {
                            *number = self.round(isa, xs);
                            total = int.add(total, *number);
                        }
                    }
                    let [a, b] = two;
                    let word = int.or(int.and(a, half), int.shift_left::<16>(b));
                    write_words::<I>(word, to, own.clone());
                }
            }
            Integers::Bytes(to) => {
                let byte = int.splat(0xff);
                for (to, xs) in to.chunks_exact_mut(columns).zip(xs.chunks(WORD * columns)) {
                    let mut four = [int.zero(); WORD];
                    for (number, xs) in four.iter_mut().zip(xs.chunks_exact(columns)) {
                        if let Some(xs) = xs.get(own.clone()) {
                            let all = self.round(isa, xs);
                            total = int.add(total, all);
                            *number = int.and(all, byte);
                        }
                    }
                    let [a, b, c, d] = four;
                    let ab = int.or(a, int.shift_left::<8>(b));
                    let cd = int.or(int.shift_left::<16>(c), int.shift_left::<24>(d));
                    write_words::<I>(int.or(ab, cd), to, own.clone());
                }
            }
        }
        total
    }
}

#[inline(always)]
fn write_words<I: Isa>(words: I::I32, to: &mut [Word], own: Range<usize>) {
    let to = to.get_mut(own).unwrap_or_default();
    for (to, word) in to.iter_mut().zip(words.to_array()) {
        *to = word.to_le_bytes();
    }
}
