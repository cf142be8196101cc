//! Activation functions.
//!
//! GELU is a polynomial here in place of `rten_vecmath`'s exponential and division: it is applied to more
//! numbers than any other function, and took an eighth of the time of all products.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp, SimdUnaryOp};
use rten_vecmath::{ApproxGelu, Silu, Tanh};

use super::simd::InstructionSet;
use crate::config::Activation;

/// Applies `activation`, if there is one, to every number.
pub(super) fn activate(set: InstructionSet, activation: Option<Activation>, numbers: &mut [f32]) {
    match activation {
        None => {}
        Some(Activation::Gelu) => each(set, numbers, &Gelu),
        Some(Activation::GeluTanh) => each(set, numbers, &ApproxGelu {}),
        Some(Activation::Relu) => each(set, numbers, &Relu),
        Some(Activation::Silu) => each(set, numbers, &Silu {}),
        Some(Activation::Tanh) => each(set, numbers, &Tanh {}),
    }
}

fn each(set: InstructionSet, numbers: &mut [f32], function: &impl SimdUnaryOp<f32>) {
    set.run(Each { numbers, function });
}

struct Each<'a, F> {
    numbers: &'a mut [f32],
    function: &'a F,
}

impl<F: SimdUnaryOp<f32>> SimdOp for Each<'_, F> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let mut vectors = self.numbers.chunks_exact_mut(ops.len());
        for place in &mut vectors {
            ops.store(self.function.eval(isa, ops.load(place)), place);
        }
        let rest = vectors.into_remainder();
        let (numbers, _) = ops.load_pad(rest);
        let values = rten_simd::Simd::to_array(self.function.eval(isa, numbers));
        for (place, value) in rest.iter_mut().zip(values) {
            *place = value;
        }
    }
}

/// max(0, x).
struct Relu;

impl SimdUnaryOp<f32> for Relu {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I, x: I::F32) -> I::F32 {
        let ops = isa.f32();
        ops.max(x, ops.zero())
    }
}

/// x · Φ(x), by the error function: x / 2 · (1 + erf(x / √2)).
struct Gelu;

/// From here on erf(x / √2) differs from one by less than 2e-7.
const FAR: f32 = 5.2;

/// erf(x / √2) / x for |x| up to [`FAR`], as a polynomial in 2x² / `FAR`² - 1, the constant first. The
/// error of erf is below 2.6e-8 in exact arithmetic and 2e-7 in single precision: least squares over
/// Chebyshev nodes, weighted anew until the largest error is as small as can be (Lawson's method).
const ERF: [f32; 15] = [
    2.718_999_7e-1,
    -1.354_876_2e-1,
    1.000_522_2e-1,
    -7.985_079e-2,
    6.392_465e-2,
    -4.952_69e-2,
    3.626_785_4e-2,
    -2.470_671_2e-2,
    1.602_015_6e-2,
    -1.013_474_7e-2,
    5.324_919e-3,
    -1.957_021_4e-3,
    1.201_493e-3,
    -1.124_584_1e-3,
    4.047_877e-4,
];

impl SimdUnaryOp<f32> for Gelu {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I, x: I::F32) -> I::F32 {
        let ops = isa.f32();
        let near = ops.max(ops.min(x, ops.splat(FAR)), ops.splat(-FAR));
        let square = ops.mul(near, near);
        let at = ops.mul_add(square, ops.splat(2.0 / (FAR * FAR)), ops.splat(-1.0));
        let mut sum = ops.splat(ERF[ERF.len() - 1]);
        for &factor in ERF.iter().rev().skip(1) {
            sum = ops.mul_add(sum, at, ops.splat(factor));
        }
        let half = ops.mul(x, ops.splat(0.5));
        ops.mul_add(ops.mul(half, near), sum, half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Tensor};

    #[test]
    fn gelu_agrees_with_the_error_function_to_1e_6() {
        let xs: Vec<f32> = (-40_000..=40_000).map(|at| at as f32 / 4000.0).collect();
        let exact: Vec<f64> = xs.iter().copied().map(f64::from).collect();
        let exact = Tensor::from_vec(exact, xs.len(), &Device::Cpu).unwrap();
        let exact: Vec<f64> = exact.gelu_erf().unwrap().to_vec1().unwrap();
        for set in InstructionSet::available() {
            let mut got = xs.clone();
            activate(set, Some(Activation::Gelu), &mut got);
            for ((x, got), want) in xs.iter().zip(got).zip(&exact) {
                assert!(
                    (f64::from(got) - want).abs() < 1e-6,
                    "{set}, {x}: {got}, not {want}"
                );
            }
        }
    }

    #[test]
    fn numbers_after_the_last_full_vector_are_activated_too() {
        for set in InstructionSet::available() {
            for count in [0, 1, 5, 16, 17, 33] {
                let mut numbers = vec![-1.0; count];
                activate(set, Some(Activation::Relu), &mut numbers);
                assert_eq!(numbers, vec![0.0; count], "{set}");
            }
        }
    }
}
