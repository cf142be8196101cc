//! A linear layer, `y = x · Wᵀ + b`.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::product::{Matrix, product};
use super::simd::{add, with_vectors};
use super::{fits, floats, matmul, read, shaped};

/// Rows whose sum one thread takes.
const ROWS: usize = 256;

/// Rows that are turned into columns together: a line of the cache.
const TILE: usize = 16;

/// `(…, inputs)` to `(…, outputs)` by a weight `(outputs, inputs)` and, if there is one, a bias
/// `(outputs)`. No gradient is computed for a weight that is not tracked.
///
/// # Errors
///
/// Those of the tensor operations: shapes that do not fit.
pub fn linear(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    if xs.dims().last() != Some(&inputs) || bias.is_some_and(|bias| bias.dims() != [outputs]) {
        candle_core::bail!(
            "a linear layer from {inputs} to {outputs} got {:?} and a bias of {:?}",
            xs.dims(),
            bias.map(Tensor::dims)
        );
    }
    let fitting = xs.contiguous()?;
    if fits(&fitting) && fits(weight) && bias.is_none_or(fits) {
        return match bias {
            Some(bias) => fitting.apply_op3(weight, bias, Linear),
            None => fitting.apply_op2(weight, Linear),
        };
    }
    let mut dims = xs.dims().to_vec();
    let rows = xs.flatten_to(xs.rank().saturating_sub(2))?; // (rows, inputs)
    let mut ys = matmul(&rows, &weight.t()?)?; // (rows, outputs)
    if let Some(bias) = bias {
        ys = ys.broadcast_add(bias)?;
    }
    if let Some(last) = dims.last_mut() {
        *last = outputs;
    }
    ys.reshape(dims)
}

struct Linear;

/// The sum of the rows of `numbers`, of `columns` numbers each.
pub(crate) fn column_sums(numbers: &[f32], columns: usize) -> Vec<f32> {
    let parts: Vec<Vec<f32>> = numbers
        .par_chunks(ROWS * columns)
        .map(|rows| {
            let mut sums = vec![0.0; columns];
            with_vectors(
                #[inline(always)]
                || {
                    for row in rows.chunks_exact(columns) {
                        add(&mut sums, row);
                    }
                },
            );
            sums
        })
        .collect();
    let mut sums = vec![0.0; columns];
    for part in &parts {
        add(&mut sums, part);
    }
    sums
}

/// The gradient of a weight, `ysᵀ · xs`, from rows of what came out and of what went in.
///
/// The left operand is read down its columns, which is slow where they are far apart, so the wider
/// of the two is made the right one.
pub(crate) fn to_weight(ys: &[f32], outputs: usize, xs: &[f32], inputs: usize) -> Result<Vec<f32>> {
    let (rows, columns) = (Matrix::new(ys, outputs), Matrix::new(xs, inputs));
    if outputs <= inputs {
        return product(rows.transposed(), columns, None);
    }
    let across = product(columns.transposed(), rows, None)?; // (inputs, outputs)
    let mut to = vec![0.0; across.len()];
    to.par_chunks_mut(TILE * inputs)
        .enumerate()
        .for_each(|(tile, to)| {
            let first = tile * TILE;
            let width = to.len() / inputs;
            for (column, from) in across.chunks_exact(outputs).enumerate() {
                let from = from.get(first..first + width).unwrap_or_default();
                let places = to.iter_mut().skip(column).step_by(inputs);
                for (place, number) in places.zip(from) {
                    *place = *number;
                }
            }
        });
    Ok(to)
}

/// The shape of what comes out.
fn to_outputs(xs: &Layout, weight: &Layout) -> Result<(Shape, usize)> {
    let (outputs, inputs) = weight.shape().dims2()?;
    let mut dims = xs.dims().to_vec();
    if let Some(last) = dims.last_mut() {
        *last = outputs;
    }
    Ok((Shape::from(dims), inputs))
}

/// The gradients of the operand and of the weight.
fn backward(
    xs: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let (outputs, inputs) = weight.dims2()?;
    read(gradient, |ys| {
        let to_operand = if xs.track_op() {
            let numbers = read(weight, |weight| {
                let ys = Matrix::new(ys, outputs);
                product(ys, Matrix::new(weight, inputs), None)
            })?;
            Some(shaped(numbers, xs)?)
        } else {
            None
        };
        let to_parameter = if weight.track_op() {
            let numbers = read(xs, |xs| to_weight(ys, outputs, xs, inputs))?;
            Some(shaped(numbers, weight)?)
        } else {
            None
        };
        Ok((to_operand, to_parameter))
    })
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        at: &Layout,
        weight: &CpuStorage,
        weight_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (shape, inputs) = to_outputs(at, weight_at)?;
        let xs = Matrix::new(floats(xs, at)?, inputs);
        let weight = Matrix::new(floats(weight, weight_at)?, inputs);
        let ys = product(xs, weight.transposed(), None)?;
        Ok((CpuStorage::F32(ys), shape))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        backward(xs, weight, gradient)
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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
        let (shape, inputs) = to_outputs(at, weight_at)?;
        let xs = Matrix::new(floats(xs, at)?, inputs);
        let weight = Matrix::new(floats(weight, weight_at)?, inputs);
        let ys = product(xs, weight.transposed(), Some(floats(bias, bias_at)?))?;
        Ok((CpuStorage::F32(ys), shape))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (to_operand, to_weight) = backward(xs, weight, gradient)?;
        let to_bias = if bias.track_op() {
            let sums = read(gradient, |ys| Ok(column_sums(ys, bias.elem_count())))?;
            Some(shaped(sums, bias)?)
        } else {
            None
        };
        Ok((to_operand, to_weight, to_bias))
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
        fn a_linear_layer_and_its_gradients_are_those_of_candle(
            (windows, tokens, inputs, outputs) in (1..4_usize, 1..200_usize, 1..40_usize, 1..70_usize),
        ) {
            let xs = variable(&[windows, tokens, inputs], 1);
            let weight = variable(&[outputs, inputs], 2);
            let bias = variable(&[outputs], 3);
            let composed = || {
                let ys = xs.broadcast_matmul(&weight.t()?)?;
                ys.broadcast_add(&bias)
            };
            let both = [xs.clone(), weight.clone(), bias.clone()];
            same(&both, || linear(&xs, &weight, Some(&bias)), composed);
            let composed = || xs.broadcast_matmul(&weight.t()?);
            same(&both[..2], || linear(&xs, &weight, None), composed);
        }
    }

    #[test]
    fn a_weight_that_is_not_tracked_gets_no_gradient_but_passes_one_on() {
        let (xs, weight, bias) = (
            variable(&[5, 3], 1),
            variable(&[4, 3], 2),
            variable(&[4], 3),
        );
        let (weight, bias) = (weight.detach(), bias.detach());
        let ys = linear(&xs, &weight, Some(&bias)).unwrap();
        let gradients = ys.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(xs.as_tensor()).is_some());
        assert!(gradients.get(&weight).is_none());
        assert!(gradients.get(&bias).is_none());
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (xs, weight) = (variable(&[5, 3], 1), variable(&[4, 2], 2));
        assert!(linear(&xs, &weight, None).is_err());
    }
}
