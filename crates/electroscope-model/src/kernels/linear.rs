//! Linear layers over weights that are packed once, in f32 or in int8.

use super::Arithmetic;
use super::activation::activate;
use super::float::FloatLinear;
use super::int8::{Int8Linear, Int8Scratch};
use super::simd::InstructionSet;
use super::stored::StoredRows;
use super::tile::{GroupRange, Groups};
use crate::Error;
use crate::checkpoint::weights::Weights;
use crate::config::Activation;

/// Bytes of weights that are multiplied with panel after panel before the next weights are read. They
/// stay in a core's second-level cache meanwhile, and the panel in the first-level cache.
const NEAR: usize = 128 << 10;

/// A linear layer, or several that read the same input.
pub(super) enum Linear {
    F32(FloatLinear),
    Int8(Int8Linear),
}

impl Linear {
    /// Packs the layers called `names` in `weights`, which read the same `inputs` numbers and give
    /// `outputs` numbers each, to be computed as one layer: query, key and value, for example.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::numbers`].
    pub(super) fn load(
        weights: &Weights,
        names: &[String],
        inputs: usize,
        outputs: usize,
        arithmetic: Arithmetic,
        set: InstructionSet,
    ) -> Result<Linear, Error> {
        let rows = StoredRows::load(weights, names, inputs, outputs)?;
        Ok(Linear::pack(rows, inputs, arithmetic, set))
    }

    /// Packs `rows` of `inputs` weights each.
    pub(super) fn pack(
        rows: StoredRows<'_>,
        inputs: usize,
        arithmetic: Arithmetic,
        set: InstructionSet,
    ) -> Linear {
        match arithmetic {
            Arithmetic::F32 => Linear::F32(FloatLinear::pack(rows, inputs, set)),
            Arithmetic::Int8 => Linear::Int8(Int8Linear::quantise(&rows, inputs, set)),
        }
    }

    /// Applies the layer and, if there is one, the activation to panels of `columns` tokens. `xs` has
    /// [`Linear::inputs`] numbers for each token, `to` has [`Linear::outputs`].
    pub(super) fn forward(
        &self,
        scratch: &mut Int8Scratch,
        xs: &[f32],
        columns: usize,
        activation: Option<Activation>,
        to: &mut [f32],
    ) {
        if let Linear::Int8(layer) = self {
            layer.quantise_inputs(scratch, xs, columns);
        }
        let (inputs, outputs, set) = (self.inputs(), self.outputs(), self.set());
        let groups = Groups::new(outputs, set.rows());
        let step = (NEAR / (set.rows() * self.bytes_per_row()).max(1)).max(1);
        for first in (0..groups.count()).step_by(step) {
            let groups = GroupRange {
                groups,
                first,
                last: (first + step).min(groups.count()),
            };
            let panels = xs.chunks_exact(inputs * columns);
            let outputs = to.chunks_exact_mut(outputs * columns);
            for (at, (panel, to)) in panels.zip(outputs).enumerate() {
                let to = to.get_mut(groups.elements(columns)).unwrap_or_default();
                match self {
                    Linear::F32(layer) => layer.multiply(groups, panel, columns, to),
                    Linear::Int8(layer) => layer.multiply(groups, scratch, at, columns, to),
                }
                activate(set, activation, to);
            }
        }
    }

    /// Numbers of each token that the layer reads.
    pub(super) fn inputs(&self) -> usize {
        match self {
            Linear::F32(layer) => layer.inputs(),
            Linear::Int8(layer) => layer.inputs(),
        }
    }

    /// Numbers of each token that the layer gives.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Linear::F32(layer) => layer.outputs(),
            Linear::Int8(layer) => layer.outputs(),
        }
    }

    fn set(&self) -> InstructionSet {
        match self {
            Linear::F32(layer) => layer.set(),
            Linear::Int8(layer) => layer.set(),
        }
    }

    fn bytes_per_row(&self) -> usize {
        match self {
            Linear::F32(layer) => layer.inputs() * size_of::<f32>(),
            Linear::Int8(layer) => layer.bytes_per_row(),
        }
    }
}
