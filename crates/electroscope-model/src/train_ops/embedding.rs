//! Rows of a table by their numbers.

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::add;
use super::{fits, floats, is_half, read, shaped};

/// Rows of the table's gradient that one thread takes at a time.
const ROWS: usize = 512;

/// The rows of `table` `(V, E)` that `ids`, of any shape, name: `(…, E)`.
///
/// # Errors
///
/// Those of the tensor operations: an id that the table does not have.
pub fn embedding(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let (count, size) = table.dims2()?;
    let mut shape = ids.dims().to_vec();
    shape.push(size);
    if is_half(table) {
        return embedding(&table.to_dtype(DType::F32)?, ids)?.to_dtype(table.dtype());
    }
    if !fits(table) || ids.dtype() != DType::U32 || !ids.device().is_cpu() {
        let rows = table.index_select(&ids.flatten_all()?.contiguous()?, 0)?;
        return rows.reshape(shape);
    }
    let ids = ids.flatten_all()?.to_vec1::<u32>()?;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= count) {
        candle_core::bail!("number {id} of a table that has {count} rows");
    }
    table.apply_op1(Embedding { ids, shape })
}

struct Embedding {
    ids: Vec<u32>,
    shape: Vec<usize>,
}

/// Adds the rows of `ys`, of `size` numbers each, to the rows of `to` that `ids` name.
pub(crate) fn scatter(ids: &[u32], ys: &[f32], size: usize, to: &mut [f32]) {
    // Where each row of the table was read, in order: every thread writes rows of its own, and each
    // row is summed from front to back.
    let mut places: Vec<(u32, u32)> = ids.iter().copied().zip(0..).collect();
    places.sort_unstable();
    to.par_chunks_mut(ROWS * size)
        .enumerate()
        .for_each(|(part, to)| {
            let first = (part * ROWS) as u32;
            let start = places.partition_point(|&(id, _)| id < first);
            let own = places.get(start..).unwrap_or_default().iter();
            for &(id, place) in own.take_while(|&&(id, _)| id < first + ROWS as u32) {
                let (row, from) = ((id - first) as usize * size, place as usize * size);
                if let (Some(to), Some(from)) =
                    (to.get_mut(row..row + size), ys.get(from..from + size))
                {
                    add(to, from);
                }
            }
        });
}

impl CustomOp1 for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn cpu_fwd(&self, table: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let table = floats(table, at)?;
        let size = self.shape.last().copied().unwrap_or_default();
        let mut to = Vec::with_capacity(self.ids.len() * size);
        for &id in &self.ids {
            let row = id as usize * size;
            to.extend_from_slice(table.get(row..row + size).unwrap_or_default());
        }
        Ok((CpuStorage::F32(to), Shape::from(self.shape.as_slice())))
    }

    fn bwd(&self, table: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut to = vec![0.0; table.elem_count()];
        let size = table.dim(1)?;
        read(gradient, |ys| {
            scatter(&self.ids, ys, size, &mut to);
            Ok(())
        })?;
        Ok(Some(shaped(to, table)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{same, variable};
    use super::*;
    use candle_core::Device;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn rows_and_their_gradients_are_those_of_candle(
            (count, size) in (1..1500_usize, 1..20_usize),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
        ) {
            let table = variable(&[count, size], 1);
            let ids: Vec<u32> = picks.iter().map(|pick| pick.index(count) as u32).collect();
            let ids = Tensor::from_vec(ids, (1, picks.len()), &Device::Cpu).unwrap();
            let composed = || table.index_select(&ids.flatten_all()?, 0)?.unsqueeze(0);
            same(std::slice::from_ref(&table), || embedding(&table, &ids), composed);
        }
    }

    #[test]
    fn a_number_that_the_table_does_not_have_is_refused() {
        let table = variable(&[3, 2], 1);
        let ids = Tensor::new(&[0_u32, 3], &Device::Cpu).unwrap();
        let error = embedding(&table, &ids).unwrap_err().to_string();
        assert!(
            error.contains("number 3 of a table that has 3 rows"),
            "{error}"
        );
    }
}
