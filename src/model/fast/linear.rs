//! Linear layers over weights that were packed once: products with bias and activation in one go.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::{ApproxGelu, Gelu, Silu, Tanh};

use super::super::config::Activation;
use super::super::weights::Weights;
use super::super::{Error, parameters::Parameter};
use super::Arithmetic;
use super::eight::{self, Eight};
use super::tile::{Sizes, VECTORS, groups, tile, vectors, with_rows};

/// Bytes in a line of the cache; a panel that begins with one is read with half the accesses.
const LINE: usize = 64;

/// Numbers that begin on a line of the cache.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    numbers: Vec<f32>,
    start: usize,
}

impl Aligned {
    /// `count` zeros.
    pub(super) fn zeros(count: usize) -> Aligned {
        let spare = LINE / size_of::<f32>();
        let numbers = vec![0.0; count + spare];
        let start = numbers.as_ptr().align_offset(LINE).min(spare);
        Aligned { numbers, start }
    }

    /// The numbers, and at most a line of zeros after them.
    pub(super) fn get(&self) -> &[f32] {
        self.numbers.get(self.start..).unwrap_or_default()
    }

    /// The same, to be written.
    pub(super) fn get_mut(&mut self) -> &mut [f32] {
        self.numbers.get_mut(self.start..).unwrap_or_default()
    }
}

/// A linear layer, or several of one input.
pub(super) enum Linear {
    /// In f32.
    Floats(Floats),
    /// In eight bits.
    Eight(Eight),
}

/// Room for the work of one thread.
#[derive(Default)]
pub(super) struct Room {
    rows: Rows,
    eight: eight::Room,
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
            Arithmetic::Int8 => Linear::Eight(Eight::load(weights, names, inputs, outputs)?),
        })
    }

    /// The layer and, if there is one, the activation on `count` rows, row by row, into `to`.
    ///
    /// # Errors
    ///
    /// Those of the kernels of other crates, for operands that do not fit each other.
    pub(super) fn forward(
        &self,
        room: &mut Room,
        rows: &[f32],
        count: usize,
        activation: Option<Activation>,
        to: &mut [f32],
    ) -> Result<(), Error> {
        match self {
            Linear::Floats(floats) => {
                let inputs = floats.inputs;
                room.rows.fill(rows, inputs, count, inputs, floats.sizes);
                Product {
                    linear: floats,
                    rows: &room.rows,
                    activation,
                    to,
                }
                .dispatch();
                Ok(())
            }
            Linear::Eight(layer) => layer.forward(&mut room.eight, rows, count, activation, to),
        }
    }

    /// Numbers in a row that comes out.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Linear::Floats(floats) => floats.outputs,
            Linear::Eight(layer) => layer.outputs(),
        }
    }
}

/// Linear layers in f32.
#[derive(Debug)]
pub(super) struct Floats {
    /// Panel after panel of columns, each depth first: number `d * columns + c` of a panel is
    /// weight `(c, d)`. The last panel is filled up with zeros.
    panels: Aligned,
    /// One number per column, filled up like the panels.
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
        let sizes = Sizes::here();
        let all = outputs * names.len();
        let mut linear = Floats {
            panels: Aligned::zeros(all.next_multiple_of(sizes.columns) * inputs),
            bias: vec![0.0; all.next_multiple_of(sizes.columns)],
            inputs,
            outputs: all,
            sizes,
        };
        for (at, name) in names.iter().enumerate() {
            let weight = Parameter {
                name: format!("{name}.weight"),
                shape: vec![outputs, inputs],
            };
            let bias = weights.numbers(&format!("{name}.bias"), &[outputs])?;
            if let Some(to) = linear.bias.get_mut(at * outputs..(at + 1) * outputs) {
                to.copy_from_slice(&bias);
            }
            let eight = weights
                .quantised(&weight.name)
                .filter(|_| weights.shape(&weight.name) == Some(weight.shape.as_slice()));
            if let Some(eight) = eight {
                let rows = eight.numbers.chunks_exact(inputs).zip(eight.scales);
                linear.pack(at * outputs, rows, |&number, scale| {
                    f32::from(number) * *scale
                });
            } else {
                let numbers = weights.numbers(&weight.name, &weight.shape)?;
                let rows = numbers.chunks_exact(inputs).map(|row| (row, ()));
                linear.pack(at * outputs, rows, |&number, ()| number);
            }
        }
        Ok(linear)
    }

    /// Packs `rows`, which are the columns from `first` on.
    fn pack<'a, T: 'a, S: Copy>(
        &mut self,
        first: usize,
        rows: impl Iterator<Item = (&'a [T], S)>,
        value: impl Fn(&T, S) -> f32,
    ) {
        let (columns, inputs) = (self.sizes.columns, self.inputs);
        let panels = self.panels.get_mut();
        for (column, (row, scale)) in (first..).zip(rows) {
            let panel = column / columns * columns * inputs;
            let Some(panel) = panels.get_mut(panel..panel + columns * inputs) else {
                return;
            };
            let places = panel.iter_mut().skip(column % columns).step_by(columns);
            for (place, number) in places.zip(row) {
                *place = value(number, scale);
            }
        }
    }
}

/// Rows as [`tile`] reads them: group after group, each depth first.
#[derive(Debug, Default)]
pub(super) struct Rows {
    numbers: Vec<f32>,
    count: usize,
    depth: usize,
    most: usize,
}

impl Rows {
    /// Takes `count` rows of `depth` numbers from `from`, where one begins every `stride` numbers.
    pub(super) fn fill(
        &mut self,
        from: &[f32],
        stride: usize,
        count: usize,
        depth: usize,
        sizes: Sizes,
    ) {
        self.count = count;
        self.depth = depth;
        self.most = sizes.rows;
        // What was there before is overwritten, so a buffer that is long enough is left as it is.
        if self.numbers.len() < count * depth {
            self.numbers.resize(count * depth, 0.0);
        }
        for (start, rows) in groups(count, self.most) {
            let group = self
                .numbers
                .get_mut(start * depth..(start + rows) * depth)
                .unwrap_or_default();
            let from = from.get(start * stride..).unwrap_or_default();
            for (r, row) in from.chunks(stride).take(rows).enumerate() {
                let row = row.get(..depth).unwrap_or_default();
                for (place, &number) in group.iter_mut().skip(r).step_by(rows).zip(row) {
                    *place = number;
                }
            }
        }
    }

    /// First row, number of rows and numbers of each group.
    pub(super) fn groups(&self) -> impl Iterator<Item = (usize, usize, &[f32])> {
        groups(self.count, self.most).map(|(start, rows)| {
            let numbers = self
                .numbers
                .get(start * self.depth..(start + rows) * self.depth);
            (start, rows, numbers.unwrap_or_default())
        })
    }
}

struct Product<'a> {
    linear: &'a Floats,
    rows: &'a Rows,
    activation: Option<Activation>,
    to: &'a mut [f32],
}

impl SimdOp for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Floats {
            panels,
            bias,
            inputs,
            outputs,
            sizes,
        } = self.linear;
        let panels = panels.get().chunks_exact(sizes.columns * inputs);
        for (at, (panel, bias)) in panels.zip(bias.chunks_exact(sizes.columns)).enumerate() {
            let first = at * sizes.columns;
            let width = sizes.columns.min(outputs - first);
            for (start, rows, numbers) in self.rows.groups() {
                let Some(to) = self.to.get_mut(start * outputs + first..) else {
                    return;
                };
                with_rows!(
                    rows,
                    isa: I,
                    one_tile(numbers, panel, bias, width, &mut *to, *outputs)
                );
                for row in to.chunks_mut(*outputs).take(rows) {
                    activate(
                        isa,
                        self.activation,
                        row.get_mut(..width).unwrap_or_default(),
                    );
                }
            }
        }
    }
}

#[inline(always)]
fn one_tile<I: Isa, const ROWS: usize>(
    isa: I,
    rows: &[f32],
    panel: &[f32],
    bias: &[f32],
    width: usize,
    to: &mut [f32],
    stride: usize,
) {
    let ops = isa.f32();
    let sums = tile::<I, ROWS>(isa, rows, ROWS, panel);
    let bias = vectors(isa, bias);
    let full = width == VECTORS * ops.len();
    for (row, sums) in to.chunks_mut(stride).zip(sums) {
        let sums: [I::F32; VECTORS] = std::array::from_fn(
            #[inline(always)]
            |c| ops.add(sums[c], bias[c]),
        );
        if let Some(row) = row.get_mut(..width).filter(|_| full) {
            for (place, sum) in row.chunks_exact_mut(ops.len()).zip(sums) {
                ops.store(sum, place);
            }
        } else {
            let numbers = sums.iter().flat_map(|sum| sum.to_array());
            for (place, number) in row.iter_mut().take(width).zip(numbers) {
                *place = number;
            }
        }
    }
}

/// Applies the activation, if there is one, to every number of a row.
#[inline(always)]
pub(super) fn activate<I: Isa>(isa: I, activation: Option<Activation>, row: &mut [f32]) {
    match activation {
        None => {}
        Some(Activation::Gelu) => on_each(isa, row, &Gelu {}),
        Some(Activation::GeluTanh) => on_each(isa, row, &ApproxGelu {}),
        Some(Activation::Relu) => on_each(isa, row, &Relu {}),
        Some(Activation::Silu) => on_each(isa, row, &Silu {}),
        Some(Activation::Tanh) => on_each(isa, row, &Tanh {}),
    }
}

/// Applies `function` to every number of a row.
#[inline(always)]
fn on_each<I: Isa>(isa: I, row: &mut [f32], function: &impl SimdUnaryOp<f32>) {
    let ops = isa.f32();
    let mut vectors = row.chunks_exact_mut(ops.len());
    for place in &mut vectors {
        ops.store(function.eval(isa, ops.load(place)), place);
    }
    let rest = vectors.into_remainder();
    let (numbers, _) = ops.load_pad(rest);
    let values = function.eval(isa, numbers).to_array();
    for (place, value) in rest.iter_mut().zip(values) {
        *place = value;
    }
}

/// max(0, x).
struct Relu;

impl SimdUnaryOp<f32> for Relu {
    #[inline(always)]
    fn eval<I: Isa>(&self, isa: I, x: I::F32) -> I::F32 {
        let ops = isa.f32();
        ops.max(x, ops.zero())
    }
}
