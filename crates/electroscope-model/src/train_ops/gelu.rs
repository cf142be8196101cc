//! GELU by the error function, as ELECTRA and BERT have it.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::{Erf, Exp, Gelu};

use super::{PART, fits, floats, read, shaped};

/// GELU of each number.
///
/// # Errors
///
/// Those of the tensor operations.
pub fn gelu(xs: &Tensor) -> Result<Tensor> {
    let fitting = xs.contiguous()?;
    if fits(&fitting) {
        fitting.apply_op1(Fused)
    } else {
        xs.gelu_erf()
    }
}

struct Fused;

/// GELU of each number of `xs` into `to`.
pub(crate) fn forward(xs: &[f32], to: &mut [f32]) {
    (xs.par_chunks(PART).zip(to.par_chunks_mut(PART)))
        .for_each(|(xs, to)| Forward { xs, to }.dispatch());
}

/// The gradients of the numbers `xs` from `ys`, those of the results, into `to`.
pub(crate) fn backward(xs: &[f32], ys: &[f32], to: &mut [f32]) {
    (xs.par_chunks(PART).zip(ys.par_chunks(PART)))
        .zip(to.par_chunks_mut(PART))
        .for_each(|((xs, ys), to)| Backward { xs, ys, to }.dispatch());
}

struct Forward<'a> {
    xs: &'a [f32],
    to: &'a mut [f32],
}

impl SimdOp for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let parts = (self.xs.chunks(ops.len())).zip(self.to.chunks_mut(ops.len()));
        for (x, to) in parts {
            if x.len() == ops.len() {
                ops.store(Gelu::eval(&Gelu {}, isa, ops.load(x)), to);
            } else {
                let value = Gelu::eval(&Gelu {}, isa, ops.load_pad(x).0);
                put(value, to);
            }
        }
    }
}

struct Backward<'a> {
    xs: &'a [f32],
    ys: &'a [f32],
    to: &'a mut [f32],
}

impl SimdOp for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let parts = (self.xs.chunks(ops.len())).zip(self.ys.chunks(ops.len()));
        for ((x, y), to) in parts.zip(self.to.chunks_mut(ops.len())) {
            if x.len() == ops.len() {
                ops.store(slope(isa, ops.load(x), ops.load(y)), to);
            } else {
                let value = slope(isa, ops.load_pad(x).0, ops.load_pad(y).0);
                put(value, to);
            }
        }
    }
}

/// `y · (Φ(x) + x · φ(x))`, Φ the normal distribution and φ its density.
#[inline(always)]
fn slope<I: Isa>(isa: I, x: I::F32, y: I::F32) -> I::F32 {
    let ops = isa.f32();
    let half = ops.splat(0.5);
    let erf = Erf::apply(isa, ops.mul(x, ops.splat(std::f32::consts::FRAC_1_SQRT_2)));
    let below = ops.mul_add(erf, half, half);
    let power = ops.neg(ops.mul(ops.mul(x, x), half));
    // 1 / √(2π)
    let density = ops.mul(Exp::apply(isa, power), ops.splat(0.398_942_3));
    ops.mul(y, ops.mul_add(x, density, below))
}

/// The first numbers of a vector.
#[inline(always)]
fn put<S: Simd<Elem = f32>>(from: S, to: &mut [f32]) {
    for (to, number) in to.iter_mut().zip(from.to_array()) {
        *to = number;
    }
}

impl CustomOp1 for Fused {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let xs = floats(xs, at)?;
        let mut to = vec![0.0; xs.len()];
        forward(xs, &mut to);
        Ok((CpuStorage::F32(to), at.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut to = vec![0.0; xs.elem_count()];
        read(xs, |xs| {
            read(gradient, |ys| {
                backward(xs, ys, &mut to);
                Ok(())
            })
        })?;
        Ok(Some(shaped(to, xs)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{same, variable};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn gelu_and_its_gradient_are_those_of_candle(count in 1..200_usize) {
            let xs = variable(&[count], count as u64);
            same(std::slice::from_ref(&xs), || gelu(&xs), || xs.gelu_erf());
        }
    }

    #[test]
    fn far_from_zero_gelu_is_nothing_or_the_number_itself() {
        let xs = Tensor::new(&[-40_f32, -9.0, 9.0, 40.0], &candle_core::Device::Cpu).unwrap();
        let ys = gelu(&xs).unwrap().to_vec1::<f32>().unwrap();
        for (y, wanted) in ys.iter().zip([0.0, 0.0, 9.0, 40.0]) {
            assert!((y - wanted).abs() < 1e-5, "{y} {wanted}");
        }
    }
}
