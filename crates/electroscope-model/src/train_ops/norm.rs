//! Layer normalisation over the last axis, with scale and shift.
//!
//! Mean and deviation of a row are computed again on the way back: that reads the row once more,
//! which it has to do anyhow.

use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::{add, sum, sum_of_pairs, with_vectors};
use super::{fits, floats, is_half, read, shaped};

/// Rows that one thread takes at a time.
const ROWS: usize = 64;

/// `(…, size)` to the same shape, by `weight` and `bias`, each `(size)`.
///
/// # Errors
///
/// Those of the tensor operations: shapes that do not fit.
pub fn layer_norm(xs: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let size = xs.dim(D::Minus1)?;
    if weight.dims() != [size] || bias.dims() != [size] {
        candle_core::bail!(
            "a layer norm of {:?} and {:?} got rows of {size}",
            weight.dims(),
            bias.dims()
        );
    }
    let fitting = xs.contiguous()?;
    if fits(&fitting) && fits(weight) && fits(bias) {
        return fitting.apply_op3(weight, bias, Norm { eps: eps as f32 });
    }
    if is_half(xs) {
        let [wide, weight, bias] = [xs, weight, bias].map(|tensor| tensor.to_dtype(DType::F32));
        return layer_norm(&wide?, &weight?, &bias?, eps)?.to_dtype(xs.dtype());
    }
    let centred = xs.broadcast_sub(&xs.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&(variance + eps)?.sqrt()?)?;
    normed.broadcast_mul(weight)?.broadcast_add(bias)
}

struct Norm {
    eps: f32,
}

/// The mean of a row, and what its numbers are multiplied with once the mean is taken off.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let size = row.len() as f32;
    let mean = sum(row, |x| x) / size;
    let variance = sum(row, |x| (x - mean) * (x - mean)) / size;
    (mean, (variance + eps).sqrt().recip())
}

/// Normalises the rows of `xs` into `to`.
pub(crate) fn forward(xs: &[f32], weight: &[f32], bias: &[f32], eps: f32, to: &mut [f32]) {
    let size = weight.len();
    let parts = xs.par_chunks(ROWS * size);
    parts
        .zip(to.par_chunks_mut(ROWS * size))
        .for_each(|(xs, to)| {
            with_vectors(
                #[inline(always)]
                || {
                    for (row, to) in xs.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
                        let (mean, scale) = moments(row, eps);
                        for ((to, x), (weight, bias)) in
                            to.iter_mut().zip(row).zip(weight.iter().zip(bias))
                        {
                            *to = (x - mean) * scale * weight + bias;
                        }
                    }
                },
            );
        });
}

/// Takes the gradients `ys` of the results back to the operand, into `to`, and gives those of the
/// weight and the bias.
pub(crate) fn backward(
    xs: &[f32],
    weight: &[f32],
    eps: f32,
    ys: &[f32],
    to: &mut [f32],
) -> (Vec<f32>, Vec<f32>) {
    let size = weight.len();
    let parts: Vec<(Vec<f32>, Vec<f32>)> = xs
        .par_chunks(ROWS * size)
        .zip(ys.par_chunks(ROWS * size))
        .zip(to.par_chunks_mut(ROWS * size))
        .map(|((xs, ys), to)| {
            let (mut weights, mut biases) = (vec![0.0; size], vec![0.0; size]);
            with_vectors(
                #[inline(always)]
                || {
                    let rows = xs.chunks_exact(size).zip(ys.chunks_exact(size));
                    for ((x, y), to) in rows.zip(to.chunks_exact_mut(size)) {
                        let (mean, scale) = moments(x, eps);
                        for (((weights, biases), x), y) in
                            weights.iter_mut().zip(&mut biases).zip(x).zip(y)
                        {
                            *weights += y * ((x - mean) * scale);
                            *biases += y;
                        }
                        for ((to, y), weight) in to.iter_mut().zip(y).zip(weight) {
                            *to = y * weight;
                        }
                        let even = sum(to, |x| x) / size as f32;
                        let along = sum_of_pairs(to, x, |to, x| to * ((x - mean) * scale));
                        let along = along / size as f32;
                        for (to, x) in to.iter_mut().zip(x) {
                            *to = (*to - even - (x - mean) * scale * along) * scale;
                        }
                    }
                },
            );
            (weights, biases)
        })
        .collect();
    let (mut weights, mut biases) = (vec![0.0; size], vec![0.0; size]);
    for (weight, bias) in &parts {
        add(&mut weights, weight);
        add(&mut biases, bias);
    }
    (weights, biases)
}

impl CustomOp3 for Norm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        at: &Layout,
        weight: &CpuStorage,
        weight_at: &Layout,
        bias: &CpuStorage,
        bias_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let xs = floats(xs, at)?;
        let mut to = vec![0.0; xs.len()];
        let (weight, bias) = (floats(weight, weight_at)?, floats(bias, bias_at)?);
        forward(xs, weight, bias, self.eps, &mut to);
        Ok((CpuStorage::F32(to), at.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut to = vec![0.0; xs.elem_count()];
        let (weights, biases) = read(xs, |xs| {
            read(weight, |weight| {
                read(gradient, |ys| {
                    Ok(backward(xs, weight, self.eps, ys, &mut to))
                })
            })
        })?;
        let tracked = |numbers, like: &Tensor| {
            let tensor = like.track_op().then(|| shaped(numbers, like));
            tensor.transpose()
        };
        Ok((
            tracked(to, xs)?,
            tracked(weights, weight)?,
            tracked(biases, bias)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{same, variable};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_layer_norm_and_its_gradients_are_those_of_candle(
            (rows, size) in (1..200_usize, 2..70_usize),
        ) {
            let xs = variable(&[1, rows, size], 1);
            let (weight, bias) = (variable(&[size], 2), variable(&[size], 3));
            let composed = || {
                let centred = xs.broadcast_sub(&xs.mean_keepdim(D::Minus1)?)?;
                let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
                let normed = centred.broadcast_div(&(variance + 1e-2)?.sqrt()?)?;
                normed.broadcast_mul(&weight)?.broadcast_add(&bias)
            };
            let fused = || layer_norm(&xs, &weight, &bias, 1e-2);
            same(&[xs.clone(), weight.clone(), bias.clone()], fused, composed);
        }
    }
}
