//! Linear layers in f32.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::simd::InstructionSet;
use super::stored::StoredRows;
use super::tile::{GroupRange, Groups, tile, with_rows, zeros};

/// A linear layer in f32.
#[derive(Debug)]
pub(super) struct FloatLinear {
    /// Group after group of rows, each stored depth first: element `d * count + r` of a group of `count`
    /// rows is weight `d` of row `r`.
    weights: Vec<f32>,
    /// One number for each row.
    bias: Vec<f32>,
    inputs: usize,
    set: InstructionSet,
}

impl FloatLinear {
    /// Packs `rows` of `inputs` weights each.
    pub(super) fn pack(rows: StoredRows<'_>, inputs: usize, set: InstructionSet) -> FloatLinear {
        let outputs = rows.bias.len();
        let mut weights = vec![0.0; outputs * inputs];
        let mut row = vec![0.0; inputs];
        for (start, count) in Groups::new(outputs, set.rows()).all() {
            let group = weights.get_mut(start * inputs..(start + count) * inputs);
            let group = group.unwrap_or_default();
            for r in 0..count {
                rows.read(start + r, &mut row);
                for (places, number) in group.chunks_exact_mut(count).zip(&row) {
                    if let Some(place) = places.get_mut(r) {
                        *place = *number;
                    }
                }
            }
        }
        FloatLinear {
            weights,
            bias: rows.bias,
            inputs,
            set,
        }
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    pub(super) fn set(&self) -> InstructionSet {
        self.set
    }

    /// Multiplies some groups of rows with a panel of `columns` tokens.
    pub(super) fn multiply(
        &self,
        groups: GroupRange,
        panel: &[f32],
        columns: usize,
        to: &mut [f32],
    ) {
        let product = FloatProduct {
            layer: self,
            groups,
            panel,
            to,
        };
        if columns == self.set.lanes() {
            self.set.run(OfVectors::<1>(product));
        } else {
            self.set.run(OfVectors::<2>(product));
        }
    }
}

/// Some rows of a layer times one panel, into `to`.
struct FloatProduct<'a> {
    layer: &'a FloatLinear,
    groups: GroupRange,
    panel: &'a [f32],
    to: &'a mut [f32],
}

/// A product with a panel of `V` vectors. The activation that follows is not part of it: its constants
/// would take registers from the sums.
struct OfVectors<'a, const V: usize>(FloatProduct<'a>);

impl<const V: usize> SimdOp for OfVectors<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let FloatProduct {
            layer,
            groups,
            panel,
            to,
        } = self.0;
        let columns = V * isa.f32().len();
        let inputs = layer.inputs;
        let mut rest = to;
        for (start, rows) in groups.iter() {
            let (Some(weights), Some(bias), Some((to, later))) = (
                (layer.weights).get(start * inputs..(start + rows) * inputs),
                layer.bias.get(start..start + rows),
                rest.split_at_mut_checked(rows * columns),
            ) else {
                return;
            };
            rest = later;
            with_rows!(rows, isa: I, V, group_times_panel(weights, bias, panel, &mut *to));
        }
    }
}

#[inline(always)]
fn group_times_panel<I: Isa, const R: usize, const V: usize>(
    isa: I,
    weights: &[f32],
    bias: &[f32],
    panel: &[f32],
    to: &mut [f32],
) {
    let ops = isa.f32();
    let sums = tile::<I, R, V>(isa, weights, R, panel, zeros(isa));
    let rows = to.chunks_exact_mut(V * ops.len()).zip(bias);
    for ((to, &bias), sums) in rows.zip(sums) {
        let bias = ops.splat(bias);
        for (place, sum) in to.chunks_exact_mut(ops.len()).zip(sums) {
            ops.store(ops.add(sum, bias), place);
        }
    }
}
