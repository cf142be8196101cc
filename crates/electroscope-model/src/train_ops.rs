//! What a step of training spends its time in, each as one operation that gradients pass.
//!
//! candle composes these of many small operations, each of which allocates its result, mostly on one
//! thread, and keeps it for the way back. Here each is one node of candle's graph with a backward of
//! its own; what can be computed again is not kept. They run on contiguous f32 on the CPU; for
//! everything else each falls back on candle's operations, which say the same. A pass that only
//! answers takes them too: where nothing is tracked, candle keeps nothing.
//!
//! Sums are taken in parts of fixed size, in a fixed order: how many threads there are changes when
//! a result is there, not what it is. The largest of them, [`EncoderLayer`], is a whole layer of the encoder;
//! where weights come from and what the results mean is not known here.

pub(crate) mod attention;
pub(crate) mod buffer_pool;
mod cross_entropy;
pub(crate) mod dropout;
mod embedding;
pub(crate) mod gelu;
pub(crate) mod gradient_fan_out;
pub(crate) mod linear;
pub(crate) mod norm;
pub(crate) mod product;
mod simd;

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor};

pub use attention::{Heads, attention};
pub use buffer_pool::BufferPool;
pub use cross_entropy::cross_entropy;
pub use dropout::{DropoutMask, add_dropped, dropout};
pub use embedding::embedding;
pub use gelu::gelu;
pub use linear::linear;
pub use norm::layer_norm;

/// Numbers that one thread takes at a time where each is computed by itself.
const PART: usize = 1 << 14;

/// Whether the operations of this room can take `tensor` as it is.
pub(crate) fn fits(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32 && tensor.is_contiguous()
}

/// Whether numbers are of half precision. Norms, softmax and tables compute in f32 then: a long sum, such
/// as that of a table's gradients, would stand still where its parts are a few hundred times smaller than
/// itself.
fn is_half(tensor: &Tensor) -> bool {
    matches!(tensor.dtype(), DType::BF16 | DType::F16)
}

/// `a · b` by candle. On the CPU it has no product of bf16: there it is one of f32, rounded.
fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.dtype() == DType::BF16 && a.device().is_cpu() {
        let product = a.to_dtype(DType::F32)?.matmul(&b.to_dtype(DType::F32)?)?;
        return product.to_dtype(DType::BF16);
    }
    a.matmul(b)
}

/// The numbers of an operand.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let numbers = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(numbers.get(start..end).unwrap_or_default()),
        None => Err(candle_core::Error::RequiresContiguous { op: "fused" }.bt()),
    }
}

/// Calls `work` with the numbers of `tensor`, which must lie on the CPU.
pub(crate) fn read<T>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => work(floats(storage, layout)?),
        _ => candle_core::bail!("a fused operation's gradient is not on the CPU"),
    }
}

/// A tensor of `numbers` in the shape of `like`.
pub(crate) fn shaped(numbers: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(numbers, like.shape(), like.device())
}

#[cfg(test)]
pub(crate) mod tests {
    //! What the tests of the operations share.

    use candle_core::{DType, Device, Result, Tensor, Var};

    /// Numbers that look like chance, between -2 and 2.
    pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = crate::chance::mixed(state);
                (state >> 40) as f32 / (1 << 22) as f32 - 2.0
            })
            .collect()
    }

    /// A variable of such numbers.
    pub(crate) fn variable(shape: &[usize], seed: u64) -> Var {
        let numbers = numbers(shape.iter().product(), seed);
        let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu);
        Var::from_tensor(&tensor.unwrap()).unwrap()
    }

    /// Checks that `fused` and `composed` give the same on `inputs`, and the same gradients.
    pub(crate) fn same(
        inputs: &[Var],
        fused: impl Fn() -> Result<Tensor>,
        composed: impl Fn() -> Result<Tensor>,
    ) {
        let both = [fused().unwrap(), composed().unwrap()];
        close(&both[0], &both[1], "the result");
        let weights = numbers(both[0].elem_count(), 77);
        let weights = Tensor::from_vec(weights, both[0].shape(), &Device::Cpu).unwrap();
        let gradients = both.map(|result| {
            let loss = (result * &weights).unwrap().sum_all().unwrap();
            loss.backward().unwrap()
        });
        for (at, input) in inputs.iter().enumerate() {
            let [got, want] = gradients.each_ref().map(|gradients| {
                (gradients.get(input.as_tensor()))
                    .unwrap_or_else(|| panic!("input {at} has no gradient"))
            });
            close(got, want, &format!("the gradient of input {at}"));
        }
    }

    #[test]
    fn sums_of_gradients_do_not_stand_still_in_half_precision() -> Result<()> {
        const ROWS: usize = 3000;
        let half = |shape: &[usize], seed| -> Result<Var> {
            Var::from_tensor(&variable(shape, seed).to_dtype(DType::BF16)?)
        };
        let (table, weight, bias) = (half(&[2, 4], 1)?, half(&[4], 2)?, half(&[4], 3)?);
        let ids = Tensor::zeros(ROWS, DType::U32, &Device::Cpu)?;
        let rows = super::embedding(&table, &ids)?;
        let normed = super::layer_norm(&rows, &weight, &bias, 1e-12)?;
        assert_eq!((rows.dtype(), normed.dtype()), (DType::BF16, DType::BF16));
        for (results, summed) in [(rows, &table), (normed, &bias)] {
            let gradients = results.to_dtype(DType::F32)?.sum_all()?.backward()?;
            let gradient = gradients.get(summed.as_tensor()).unwrap();
            let first = gradient.to_dtype(DType::F32)?.flatten_all()?.get(0)?;
            let (sum, wanted) = (first.to_scalar::<f32>()?, ROWS as f32);
            assert!((sum - wanted).abs() < 0.01 * wanted, "{sum} of {wanted}");
        }
        Ok(())
    }

    /// Checks that two tensors are the same but for rounding.
    pub(crate) fn close(got: &Tensor, want: &Tensor, what: &str) {
        assert_eq!(got.dims(), want.dims(), "{what}");
        let [got, want] =
            [got, want].map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        // A small number may be what is left of a sum of large ones.
        let largest = want.iter().fold(1.0_f32, |most, want| most.max(want.abs()));
        for (at, (got, want)) in got.iter().zip(&want).enumerate() {
            assert!(
                (got - want).abs() <= 1e-5 * largest,
                "{what}: number {at} is {got}, not {want}"
            );
        }
    }
}
