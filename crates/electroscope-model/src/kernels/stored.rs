//! The weight matrices of linear layers as a checkpoint stores them, before they are packed.

use std::borrow::Cow;

use crate::Error;
use crate::checkpoint::weights::{Quantised, Weights};

/// The weights and biases of one linear layer or of several that read the same input, row by row: one
/// row for each output.
pub(super) struct StoredRows<'a> {
    matrices: Vec<Matrix<'a>>,
    /// One number for each row of all layers.
    pub(super) bias: Vec<f32>,
    inputs: usize,
    /// Rows of each layer.
    outputs: usize,
}

enum Matrix<'a> {
    Int8(Quantised<'a>),
    F32(Cow<'a, [f32]>),
}

/// One row of weights.
pub(super) enum StoredRow<'a> {
    /// Eight-bit integers and the scale of all of them: weight = integer × scale.
    Int8(&'a [i8], f32),
    F32(&'a [f32]),
}

impl<'a> StoredRows<'a> {
    /// The layers called `names` in `weights`, each with `outputs` rows of `inputs` weights.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::numbers`].
    pub(super) fn load(
        weights: &'a Weights,
        names: &[String],
        inputs: usize,
        outputs: usize,
    ) -> Result<StoredRows<'a>, Error> {
        let mut rows = StoredRows {
            matrices: Vec::with_capacity(names.len()),
            bias: Vec::with_capacity(names.len() * outputs),
            inputs,
            outputs,
        };
        for name in names {
            let (weight, shape) = (format!("{name}.weight"), [outputs, inputs]);
            let bias = weights.numbers(&format!("{name}.bias"), &[outputs])?;
            rows.bias.extend_from_slice(&bias);
            let int8 = weights
                .quantised(&weight)
                .filter(|_| weights.shape(&weight) == Some(&shape));
            rows.matrices.push(match int8 {
                Some(int8) if int8.scales.iter().all(|scale| scale.is_finite()) => {
                    Matrix::Int8(int8)
                }
                // Where a scale is not finite, this gives the error that names the tensor.
                _ => Matrix::F32(weights.numbers(&weight, &shape)?),
            });
        }
        Ok(rows)
    }

    /// The rows of one layer in f32, `inputs` weights each.
    pub(super) fn new(weights: Vec<f32>, bias: Vec<f32>, inputs: usize) -> StoredRows<'static> {
        StoredRows {
            matrices: vec![Matrix::F32(Cow::Owned(weights))],
            outputs: bias.len(),
            bias,
            inputs,
        }
    }

    /// Row `at`, counted through all layers.
    pub(super) fn row(&self, at: usize) -> StoredRow<'_> {
        let (matrix, at) = (self.matrices.get(at / self.outputs), at % self.outputs);
        let range = at * self.inputs..(at + 1) * self.inputs;
        match matrix {
            Some(Matrix::Int8(Quantised { numbers, scales })) => StoredRow::Int8(
                numbers.get(range).unwrap_or_default(),
                scales.get(at).copied().unwrap_or_default(),
            ),
            Some(Matrix::F32(numbers)) => StoredRow::F32(numbers.get(range).unwrap_or_default()),
            None => StoredRow::F32(&[]),
        }
    }

    /// Writes row `at` in f32.
    pub(super) fn read(&self, at: usize, to: &mut [f32]) {
        match self.row(at) {
            StoredRow::Int8(numbers, scale) => {
                for (to, &number) in to.iter_mut().zip(numbers) {
                    *to = f32::from(number) * scale;
                }
            }
            StoredRow::F32(numbers) => {
                for (to, &number) in to.iter_mut().zip(numbers) {
                    *to = number;
                }
            }
        }
    }
}
