//! Products of matrices that lie in slices with any steps, so that nothing is transposed by copying.
//!
//! The arithmetic is [`rten_gemm`]'s, which packs its operands into panels whatever their steps.

use std::cell::Cell;

use candle_core::{Error, Result};
use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, GemmUninitOptions};
use rten_tensor::NdTensorView;
use rten_vecmath::ExtendInit;

/// A matrix within a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    numbers: &'a [f32],
    /// Rows and columns.
    shape: [usize; 2],
    /// Numbers from row to row and from column to column.
    steps: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// One that fills the slice, row after row of `columns` numbers.
    pub(crate) fn new(numbers: &'a [f32], columns: usize) -> Matrix<'a> {
        Matrix {
            numbers,
            shape: [numbers.len() / columns.max(1), columns],
            steps: [columns, 1],
        }
    }

    /// The first `columns` numbers of every `step`, for `rows` rows.
    pub(crate) fn within(
        numbers: &'a [f32],
        rows: usize,
        columns: usize,
        step: usize,
    ) -> Matrix<'a> {
        Matrix {
            numbers,
            shape: [rows, columns],
            steps: [step, 1],
        }
    }

    /// Rows for columns.
    pub(crate) fn transposed(self) -> Matrix<'a> {
        let ([rows, columns], [down, along]) = (self.shape, self.steps);
        Matrix {
            numbers: self.numbers,
            shape: [columns, rows],
            steps: [along, down],
        }
    }

    /// Numbers in the product with `other`.
    pub(crate) fn size(self, other: Matrix<'_>) -> usize {
        self.shape[0] * other.shape[1]
    }

    fn view(self) -> Result<NdTensorView<'a, f32, 2>> {
        NdTensorView::from_slice_with_strides(self.shape, self.numbers, self.steps)
            .map_err(Error::wrap)
    }
}

/// `a · b`, and `bias` added to every row.
pub(crate) fn product(a: Matrix<'_>, b: Matrix<'_>, bias: Option<&[f32]>) -> Result<Vec<f32>> {
    product_in(Vec::new(), a, b, bias)
}

/// The same in a buffer that is there, whatever is in it.
pub(crate) fn product_in(
    mut to: Vec<f32>,
    a: Matrix<'_>,
    b: Matrix<'_>,
    bias: Option<&[f32]>,
) -> Result<Vec<f32>> {
    let count = a.size(b);
    let (a, b) = (a.view()?, b.view()?);
    to.clear();
    to.reserve_exact(count);
    let failed = Cell::new(None);
    to.extend_init(|to| {
        let options = GemmUninitOptions {
            bias: bias.map(BiasVector::Row),
            ..GemmUninitOptions::default()
        };
        let (a, b) = (GemmInputA::Unpacked(a), GemmInputB::Unpacked(b));
        let (to, _) = to.split_at_mut(count);
        match GemmExecutor::<f32>::new().gemm_uninit(to, a, b, options) {
            Ok(done) => done,
            Err(error) => {
                failed.set(Some(error));
                &[]
            }
        }
    });
    match failed.take() {
        Some(error) => Err(Error::wrap(error)),
        None => Ok(to),
    }
}

/// Writes `alpha * (a · b) + beta * to` to `to`.
pub(crate) fn product_into(
    a: Matrix<'_>,
    b: Matrix<'_>,
    alpha: f32,
    beta: f32,
    to: &mut [f32],
) -> Result<()> {
    let options = GemmOptions {
        alpha,
        beta,
        ..GemmOptions::default()
    };
    GemmExecutor::<f32>::new()
        .gemm(
            to,
            GemmInputA::Unpacked(a.view()?),
            GemmInputB::Unpacked(b.view()?),
            options,
        )
        .map_err(Error::wrap)
}
