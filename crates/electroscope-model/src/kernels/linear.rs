//! Linear layers over weights that were packed once: products with bias and activation in one go.

use std::borrow::Cow;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::super::Error;
use super::super::config::Activation;
use super::super::weights::{Quantised, Weights};
use super::Arithmetic;
use super::activation::activate;
use super::int8::{self, Int8Linear};
use super::tile::{Groups, Sizes, tile, with_rows};

/// Bytes of weights that panel after panel is multiplied with before the next weights are looked at:
/// they stay in the second cache of a core, while the panel is in the first.
pub(super) const NEAR: usize = 128 << 10;

/// A linear layer, or several of one input.
pub(super) enum Linear {
    /// In f32.
    Floats(Floats),
    /// In eight bits.
    Int8(Int8Linear),
}

impl Linear {
    /// Packs the layers of one input that stand at `names` in `weights`, each of `outputs` columns,
    /// to be computed as one: query, key and value, for example.
    ///
    /// # Errors
    ///
    /// What [`Weights::numbers`] finds.
    pub(super) fn load(
        weights: &Weights,
        names: &[String],
        inputs: usize,
        outputs: usize,
        arithmetic: Arithmetic,
    ) -> Result<Linear, Error> {
        Ok(match arithmetic {
            Arithmetic::F32 => Linear::Floats(Floats::load(weights, names, inputs, outputs)?),
            Arithmetic::Int8 => Linear::Int8(Int8Linear::load(weights, names, inputs, outputs)?),
        })
    }

    /// The layer and, if there is one, the activation on panels of `columns` tokens, into `to`.
    pub(super) fn forward(
        &self,
        room: &mut int8::Room,
        xs: &[f32],
        columns: usize,
        activation: Option<Activation>,
        to: &mut [f32],
    ) {
        match self {
            Linear::Floats(floats) => floats.forward(xs, columns, activation, to),
            Linear::Int8(layer) => layer.forward(room, xs, columns, activation, to),
        }
    }

    /// Numbers of a token that come out.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Linear::Floats(floats) => floats.outputs,
            Linear::Int8(layer) => layer.outputs(),
        }
    }
}

/// Linear layers in f32.
#[derive(Debug)]
pub(super) struct Floats {
    /// Group after group of outputs, each depth first: number `d * rows + r` of a group is weight
    /// `(r, d)` of its `rows` rows.
    weights: Vec<f32>,
    /// One number per output.
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
    sizes: Sizes,
}

impl Floats {
    fn load(
        weights: &Weights,
        names: &[String],
        inputs: usize,
        outputs: usize,
    ) -> Result<Floats, Error> {
        let all = outputs * names.len();
        let sizes = Sizes::here();
        let rows = Rows::take(weights, names, inputs, outputs)?;
        let mut packed = vec![0.0; all * inputs];
        let groups = Groups::new(all, sizes.rows);
        let mut row = vec![0.0; inputs];
        for (start, count) in groups.all() {
            let group = packed.get_mut(start * inputs..(start + count) * inputs);
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
        Ok(Floats {
            weights: packed,
            bias: rows.bias,
            inputs,
            outputs: all,
            sizes,
        })
    }

    fn forward(&self, xs: &[f32], columns: usize, activation: Option<Activation>, to: &mut [f32]) {
        let groups = Groups::new(self.outputs, self.sizes.rows);
        let bytes = self.sizes.rows * self.inputs * size_of::<f32>();
        let step = (NEAR / bytes.max(1)).max(1);
        for first in (0..groups.number()).step_by(step) {
            let last = (first + step).min(groups.number());
            let range = groups.start(first) * columns..groups.start(last) * columns;
            let panels = xs.chunks_exact(self.inputs * columns);
            for (panel, to) in panels.zip(to.chunks_exact_mut(self.outputs * columns)) {
                let to = to.get_mut(range.clone()).unwrap_or_default();
                let part = Part {
                    linear: self,
                    groups,
                    first,
                    last,
                    panel,
                    to: &mut *to,
                };
                if columns == self.sizes.lanes {
                    Product::<1>(part).dispatch();
                } else {
                    Product::<2>(part).dispatch();
                }
                activate(activation, to);
            }
        }
    }
}

/// The weights of layers of one input as they are carried, row by row.
pub(super) struct Rows<'a> {
    layers: Vec<Carried<'a>>,
    /// One number per row of all layers.
    pub(super) bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

enum Carried<'a> {
    Int8(Quantised<'a>),
    Floats(Cow<'a, [f32]>),
}

/// A row as it is carried.
pub(super) enum Row<'a> {
    /// Whole numbers and the size of a step.
    Int8(&'a [i8], f32),
    Floats(&'a [f32]),
}

impl<'a> Rows<'a> {
    /// The layers at `names` in `weights`, each of `outputs` rows of `inputs` numbers.
    ///
    /// # Errors
    ///
    /// What [`Weights::numbers`] finds.
    pub(super) fn take(
        weights: &'a Weights,
        names: &[String],
        inputs: usize,
        outputs: usize,
    ) -> Result<Rows<'a>, Error> {
        let mut rows = Rows {
            layers: Vec::with_capacity(names.len()),
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
            rows.layers.push(match int8 {
                Some(int8) => Carried::Int8(int8),
                None => Carried::Floats(weights.numbers(&weight, &shape)?),
            });
        }
        Ok(rows)
    }

    /// Row `at`, counted through all layers.
    pub(super) fn row(&self, at: usize) -> Row<'_> {
        let (layer, at) = (self.layers.get(at / self.outputs), at % self.outputs);
        let range = at * self.inputs..(at + 1) * self.inputs;
        match layer {
            Some(Carried::Int8(Quantised { numbers, scales })) => Row::Int8(
                numbers.get(range).unwrap_or_default(),
                scales.get(at).copied().unwrap_or_default(),
            ),
            Some(Carried::Floats(numbers)) => Row::Floats(numbers.get(range).unwrap_or_default()),
            None => Row::Floats(&[]),
        }
    }

    /// Writes the numbers of row `at`.
    fn read(&self, at: usize, to: &mut [f32]) {
        match self.row(at) {
            Row::Int8(numbers, scale) => {
                for (to, &number) in to.iter_mut().zip(numbers) {
                    *to = f32::from(number) * scale;
                }
            }
            Row::Floats(numbers) => {
                for (to, &number) in to.iter_mut().zip(numbers) {
                    *to = number;
                }
            }
        }
    }
}

/// Some outputs of a layer for one panel.
struct Part<'a> {
    linear: &'a Floats,
    groups: Groups,
    /// The first group of outputs.
    first: usize,
    /// The group after the last.
    last: usize,
    panel: &'a [f32],
    to: &'a mut [f32],
}

/// The same for panels of `V` vectors. What comes after the product is not within it: its constants
/// would take registers from the sums.
struct Product<'a, const V: usize>(Part<'a>);

impl<const V: usize> SimdOp for Product<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Part {
            linear,
            groups,
            first,
            last,
            panel,
            to,
        } = self.0;
        let columns = V * isa.f32().len();
        let inputs = linear.inputs;
        let mut rest = to;
        for (start, rows) in groups.between(first, last) {
            let (Some(weights), Some(bias), Some((to, later))) = (
                (linear.weights).get(start * inputs..(start + rows) * inputs),
                linear.bias.get(start..start + rows),
                rest.split_at_mut_checked(rows * columns),
            ) else {
                return;
            };
            rest = later;
            with_rows!(rows, isa: I, V, one_tile(weights, bias, panel, &mut *to));
        }
    }
}

#[inline(always)]
fn one_tile<I: Isa, const R: usize, const V: usize>(
    isa: I,
    weights: &[f32],
    bias: &[f32],
    panel: &[f32],
    to: &mut [f32],
) {
    let ops = isa.f32();
    let sums = super::tile::zeros::<I, R, V>(isa);
    let sums = tile::<I, R, V>(isa, weights, R, panel, sums);
    let rows = to.chunks_exact_mut(V * ops.len()).zip(bias);
    for ((to, &bias), sums) in rows.zip(sums) {
        let bias = ops.splat(bias);
        for (place, sum) in to.chunks_exact_mut(ops.len()).zip(sums) {
            ops.store(ops.add(sum, bias), place);
        }
    }
}
