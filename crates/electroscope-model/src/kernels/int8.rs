//! Linear layers in eight bits: weights with a scale per output, activations with a scale and a zero
//! per token, made as they come.
//!
//! Sums of whole numbers have no order to depend on, and a token's scale depends on the token alone.
//! Where a processor has no instruction for such sums (see [`super::dot`]), they are taken in single
//! precision, in parts so short that every sum is a whole number that it can hold: the answer is the
//! same, it only takes as long as in f32.

use std::ops::Range;

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps, ToFloat};
use rten_simd::{Isa, Simd, SimdOp};

use super::super::Error;
use super::super::config::Activation;
use super::super::weights::Weights;
use super::activation::activate;
use super::dot::{BYTES, Dot, Part, Row, Tokens};
use super::linear::{self, NEAR, Rows};
use super::tile::{Groups, Sizes, tile, with_rows, zeros};

/// The largest magnitude of a weight.
const MOST: f32 = 127.0;

/// The largest activation.
const LARGEST: f32 = 255.0;

/// So many products of an activation and a weight sum up to less than 2²⁴, below which single precision
/// holds every whole number.
const EXACT: usize = (1 << 24) / (255 * 127);

/// Linear layers in eight bits.
pub(super) struct Int8Linear {
    weights: Packed,
    /// One per output.
    rows: Vec<Row>,
    inputs: usize,
    sizes: Sizes,
}

/// Group after group of outputs, each depth first.
enum Packed {
    /// Four numbers at a time of each row.
    Bytes(Dot, Vec<[u8; BYTES]>),
    /// Whole numbers all the same.
    Floats(Vec<f32>),
}

/// Room for the work of one thread.
#[derive(Debug, Default)]
pub(super) struct Room {
    bytes: Vec<[u8; BYTES]>,
    floats: Vec<f32>,
    scales: Vec<f32>,
    zeros: Vec<f32>,
}

impl Int8Linear {
    /// As [`super::linear::Linear::load`].
    pub(super) fn load(
        weights: &Weights,
        names: &[String],
        inputs: usize,
        outputs: usize,
    ) -> Result<Int8Linear, Error> {
        let carried = Rows::take(weights, names, inputs, outputs)?;
        let mut numbers: Vec<i8> = Vec::with_capacity(carried.bias.len() * inputs);
        let mut rows: Vec<Row> = Vec::with_capacity(carried.bias.len());
        for (at, &bias) in carried.bias.iter().enumerate() {
            let scale = match carried.row(at) {
                linear::Row::Int8(int8, scale) => {
                    numbers.extend_from_slice(int8);
                    scale
                }
                linear::Row::Floats(floats) => {
                    let scale = floats.iter().fold(0.0, |most: f32, x| most.max(x.abs())) / MOST;
                    let times = if scale > 0.0 { scale.recip() } else { 0.0 };
                    // The conversion to whole numbers saturates, and takes what is no number as
                    // zero.
                    numbers.extend(floats.iter().map(|x| (x * times).round() as i8));
                    scale
                }
            };
            rows.push(Row {
                scale,
                total: 0.0,
                bias,
            });
        }
        let sizes = Sizes::here();
        let dot = Dot::here(sizes.lanes);
        Ok(Int8Linear::pack(&numbers, rows, inputs, sizes, dot))
    }

    /// Packs weights that are whole numbers, row by row, for the instructions that there are.
    fn pack(
        numbers: &[i8],
        mut rows: Vec<Row>,
        inputs: usize,
        sizes: Sizes,
        dot: Option<Dot>,
    ) -> Int8Linear {
        for (row, numbers) in rows.iter_mut().zip(numbers.chunks_exact(inputs)) {
            let total: i32 = numbers.iter().copied().map(i32::from).sum();
            row.total = total as f32 * row.scale;
        }
        let groups = Groups::new(rows.len(), sizes.rows);
        let weights = match dot {
            Some(dot) => {
                let deep = inputs.div_ceil(BYTES);
                let mut packed = vec![[0; BYTES]; rows.len() * deep];
                depth_first(numbers, inputs, groups, &mut packed, |row, places| {
                    for (place, four) in places.zip(row.chunks(BYTES)) {
                        *place = std::array::from_fn(|at| {
                            four.get(at).copied().unwrap_or_default() as u8
                        });
                    }
                });
                Packed::Bytes(dot, packed)
            }
            None => {
                let mut packed = vec![0.0; numbers.len()];
                depth_first(numbers, inputs, groups, &mut packed, |row, places| {
                    for (place, &number) in places.zip(row) {
                        *place = f32::from(number);
                    }
                });
                Packed::Floats(packed)
            }
        };
        Int8Linear {
            weights,
            rows,
            inputs,
            sizes,
        }
    }

    /// Numbers of a token that come out.
    pub(super) fn outputs(&self) -> usize {
        self.rows.len()
    }

    /// As [`super::linear::Linear::forward`].
    pub(super) fn forward(
        &self,
        room: &mut Room,
        xs: &[f32],
        columns: usize,
        activation: Option<Activation>,
        to: &mut [f32],
    ) {
        let panels = xs.len() / (self.inputs * columns).max(1);
        let deep = self.inputs.div_ceil(BYTES);
        let Room {
            bytes,
            floats,
            scales,
            zeros,
        } = room;
        scales.resize(panels * columns, 0.0);
        zeros.resize(panels * columns, 0.0);
        match &self.weights {
            Packed::Bytes(..) => bytes.resize(panels * deep * columns, [0; BYTES]),
            Packed::Floats(_) => floats.resize(panels * self.inputs * columns, 0.0),
        }
        for panel in 0..panels {
            let range = |each: usize| panel * each * columns..(panel + 1) * each * columns;
            Quantise {
                xs: xs.get(range(self.inputs)).unwrap_or_default(),
                columns,
                scales: scales.get_mut(range(1)).unwrap_or_default(),
                zeros: zeros.get_mut(range(1)).unwrap_or_default(),
                to: match &self.weights {
                    Packed::Bytes(..) => To::Bytes(bytes.get_mut(range(deep)).unwrap_or_default()),
                    Packed::Floats(_) => {
                        To::Floats(floats.get_mut(range(self.inputs)).unwrap_or_default())
                    }
                },
            }
            .dispatch();
        }

        let outputs = self.rows.len();
        let groups = Groups::new(outputs, self.sizes.rows);
        let step = (NEAR / (self.sizes.rows * self.inputs).max(1)).max(1);
        for first in (0..groups.number()).step_by(step) {
            let last = (first + step).min(groups.number());
            for panel in 0..panels {
                let range = |each: usize| panel * each * columns..(panel + 1) * each * columns;
                let tokens = Tokens {
                    scales: scales.get(range(1)).unwrap_or_default(),
                    zeros: zeros.get(range(1)).unwrap_or_default(),
                };
                let to = to.get_mut(range(outputs)).unwrap_or_default();
                for (start, count) in groups.between(first, last) {
                    let to = to.get_mut(start * columns..(start + count) * columns);
                    let (to, rows) = (to.unwrap_or_default(), self.rows.get(start..start + count));
                    let rows = rows.unwrap_or_default();
                    let own = |deep: usize| start * deep..(start + count) * deep;
                    let group = match &self.weights {
                        Packed::Bytes(dot, weights) => Group::Bytes(
                            *dot,
                            weights.get(own(deep)).unwrap_or_default(),
                            bytes.get(range(deep)).unwrap_or_default(),
                        ),
                        Packed::Floats(weights) => Group::Floats(
                            weights.get(own(self.inputs)).unwrap_or_default(),
                            floats.get(range(self.inputs)).unwrap_or_default(),
                        ),
                    };
                    let lanes = self.sizes.lanes;
                    group.product(count, tokens, rows, [columns, lanes], to);
                }
                let range = groups.start(first) * columns..groups.start(last) * columns;
                activate(activation, to.get_mut(range).unwrap_or_default());
            }
        }
    }
}

/// Rows and a panel to multiply them with.
enum Group<'a> {
    Bytes(Dot, &'a [[u8; BYTES]], &'a [[u8; BYTES]]),
    Floats(&'a [f32], &'a [f32]),
}

impl Group<'_> {
    /// The product, where a row's next weights stand `step` further on.
    fn product(
        self,
        step: usize,
        tokens: Tokens<'_>,
        rows: &[Row],
        [columns, lanes]: [usize; 2],
        to: &mut [f32],
    ) {
        match self {
            Group::Bytes(dot, weights, panel) => dot.product(
                Part {
                    weights,
                    step,
                    panel,
                    tokens,
                    rows,
                    to,
                },
                columns / lanes,
            ),
            Group::Floats(weights, panel) => {
                let whole = Whole {
                    weights,
                    step,
                    panel,
                    tokens,
                    rows,
                    to,
                };
                if columns == lanes {
                    WholeProduct::<1>(whole).dispatch();
                } else {
                    WholeProduct::<2>(whole).dispatch();
                }
            }
        }
    }
}

/// Gives `put` each row of `inputs` numbers and the places for its parts: group after group, each depth
/// first.
fn depth_first<T>(
    numbers: &[i8],
    inputs: usize,
    groups: Groups,
    packed: &mut [T],
    put: impl Fn(&[i8], &mut dyn Iterator<Item = &mut T>),
) {
    let depth = packed.len() / (numbers.len() / inputs.max(1)).max(1);
    let mut rows = numbers.chunks_exact(inputs);
    let mut rest = packed;
    for (_, count) in groups.all() {
        let Some((group, later)) = rest.split_at_mut_checked(count * depth) else {
            return;
        };
        rest = later;
        for (r, row) in rows.by_ref().take(count).enumerate() {
            let places = group.chunks_exact_mut(count);
            put(row, &mut places.filter_map(|places| places.get_mut(r)));
        }
    }
}

/// Makes whole numbers of a panel, from 0 to the largest.
struct Quantise<'a> {
    xs: &'a [f32],
    columns: usize,
    /// The size of a step, token by token.
    scales: &'a mut [f32],
    /// The step at which zero lies, times the size of a step.
    zeros: &'a mut [f32],
    to: To<'a>,
}

/// Where whole numbers go; those below zero as bytes of two's complement.
enum To<'a> {
    Bytes(&'a mut [[u8; BYTES]]),
    Floats(&'a mut [f32]),
}

impl SimdOp for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Quantise {
            xs,
            columns,
            scales,
            zeros,
            mut to,
        } = self;
        let ops = isa.f32();
        let lanes = ops.len();
        for at in (0..columns).step_by(lanes) {
            let own = at..at + lanes;
            let (Some(scales), Some(zeros)) =
                (scales.get_mut(own.clone()), zeros.get_mut(own.clone()))
            else {
                return;
            };
            let (mut low, mut high) = (ops.zero(), ops.zero());
            for row in xs.chunks_exact(columns) {
                if let Some(row) = row.get(own.clone()) {
                    let row = ops.load(row);
                    low = ops.min(low, row);
                    high = ops.max(high, row);
                }
            }
            let scale = ops.mul(ops.sub(high, low), ops.splat(LARGEST.recip()));
            // A token of zeros alone has steps of no size, and its numbers are zero in any.
            let some = ops.max(scale, ops.splat(f32::MIN_POSITIVE));
            let times = ops.div(ops.one(), some);
            let zero = ops.round_ties_even(ops.mul(ops.neg(low), times));
            ops.store(scale, scales);
            ops.store(ops.mul(scale, zero), zeros);

            let steps = Steps {
                times,
                zero,
                least: 0.0,
                most: LARGEST,
            };
            steps.write(isa, xs, columns, own, &mut to);
        }
    }
}

/// How a vector of numbers becomes whole ones.
struct Steps<I: Isa> {
    /// One over the size of a step.
    times: I::F32,
    /// The step at which zero lies.
    zero: I::F32,
    least: f32,
    most: f32,
}

impl<I: Isa> Steps<I> {
    #[inline(always)]
    fn of(&self, isa: I, xs: &[f32]) -> I::I32 {
        let ops = isa.f32();
        let x = ops.mul_add(ops.load(xs), self.times, self.zero);
        ops.to_int_round(ops.max(ops.min(x, ops.splat(self.most)), ops.splat(self.least)))
    }

    /// Writes the numbers of one vector of tokens, `own` of each `columns`, and gives their sums.
    #[inline(always)]
    fn write(
        &self,
        isa: I,
        xs: &[f32],
        columns: usize,
        own: Range<usize>,
        to: &mut To<'_>,
    ) -> I::I32 {
        let (ops, whole) = (isa.f32(), isa.i32());
        let mut total = whole.zero();
        match to {
            To::Floats(to) => {
                for (to, xs) in to.chunks_exact_mut(columns).zip(xs.chunks_exact(columns)) {
                    if let (Some(to), Some(xs)) = (to.get_mut(own.clone()), xs.get(own.clone())) {
                        let number = self.of(isa, xs);
                        total = whole.add(total, number);
                        ops.store(whole.to_float(number), to);
                    }
                }
            }
            To::Bytes(to) => {
                let byte = whole.splat(0xff);
                for (to, xs) in to.chunks_exact_mut(columns).zip(xs.chunks(BYTES * columns)) {
                    let mut four = [whole.zero(); BYTES];
                    for (number, xs) in four.iter_mut().zip(xs.chunks_exact(columns)) {
                        if let Some(xs) = xs.get(own.clone()) {
                            let all = self.of(isa, xs);
                            total = whole.add(total, all);
                            *number = whole.and(all, byte);
                        }
                    }
                    let [a, b, c, d] = four;
                    let ab = whole.or(a, whole.shift_left::<8>(b));
                    let cd = whole.or(whole.shift_left::<16>(c), whole.shift_left::<24>(d));
                    let words = to.get_mut(own.clone()).unwrap_or_default();
                    for (word, number) in words.iter_mut().zip(whole.or(ab, cd).to_array()) {
                        *word = number.to_le_bytes();
                    }
                }
            }
        }
        total
    }
}

/// The keys of one head and one window in eight bits, and room for queries: what is multiplied with
/// them has a scale and a zero per token, as the input of a layer has.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Panel by panel, four numbers of each token at a time.
    bytes: Vec<[u8; BYTES]>,
    /// The same in whole numbers that are floats.
    floats: Vec<f32>,
    /// Of each token.
    rows: Vec<Row>,
    queries: Room,
    /// D.
    size: usize,
}

impl Keys {
    /// Makes whole numbers of panels of keys, `size` numbers of each token.
    pub(super) fn fill<'a>(
        &mut self,
        panels: impl Iterator<Item = &'a [f32]>,
        size: usize,
        columns: usize,
        dot: Option<Dot>,
    ) {
        let deep = size.div_ceil(BYTES);
        self.size = size;
        for (at, xs) in panels.enumerate() {
            let range = |each: usize| at * each * columns..(at + 1) * each * columns;
            let rows = room_for(&mut self.rows, range(1), Row::default());
            QuantiseKeys {
                xs,
                columns,
                rows,
                to: match dot {
                    Some(_) => To::Bytes(room_for(&mut self.bytes, range(deep), [0; BYTES])),
                    None => To::Floats(room_for(&mut self.floats, range(size), 0.0)),
                },
            }
            .dispatch();
        }
    }

    /// Takes a panel of queries to be multiplied with keys.
    pub(super) fn ask(&mut self, xs: &[f32], columns: usize, dot: Option<Dot>) {
        let Room {
            bytes,
            floats,
            scales,
            zeros,
        } = &mut self.queries;
        let deep = self.size.div_ceil(BYTES);
        Quantise {
            xs,
            columns,
            scales: room_for(scales, 0..columns, 0.0),
            zeros: room_for(zeros, 0..columns, 0.0),
            to: match dot {
                Some(_) => To::Bytes(room_for(bytes, 0..deep * columns, [0; BYTES])),
                None => To::Floats(room_for(floats, 0..self.size * columns, 0.0)),
            },
        }
        .dispatch();
    }

    /// Keys `first` to before `first + count` of a panel times the queries.
    pub(super) fn product(
        &self,
        panel: usize,
        first: usize,
        count: usize,
        [columns, lanes]: [usize; 2],
        dot: Option<Dot>,
        to: &mut [f32],
    ) {
        let deep = self.size.div_ceil(BYTES);
        let range = |each: usize| panel * each * columns + first..(panel + 1) * each * columns;
        let Room {
            bytes,
            floats,
            scales,
            zeros,
        } = &self.queries;
        let group = match dot {
            Some(dot) => Group::Bytes(
                dot,
                self.bytes.get(range(deep)).unwrap_or_default(),
                bytes.get(..deep * columns).unwrap_or_default(),
            ),
            None => Group::Floats(
                self.floats.get(range(self.size)).unwrap_or_default(),
                floats.get(..self.size * columns).unwrap_or_default(),
            ),
        };
        let tokens = Tokens {
            scales: scales.get(..columns).unwrap_or_default(),
            zeros: zeros.get(..columns).unwrap_or_default(),
        };
        let rows = self.rows.get(range(1)).and_then(|rows| rows.get(..count));
        group.product(
            columns,
            tokens,
            rows.unwrap_or_default(),
            [columns, lanes],
            to,
        );
    }
}

/// A part of a buffer, which is made longer if it is too short.
fn room_for<T: Copy>(buffer: &mut Vec<T>, range: Range<usize>, fill: T) -> &mut [T] {
    if buffer.len() < range.end {
        buffer.resize(range.end, fill);
    }
    buffer.get_mut(range).unwrap_or_default()
}

/// Makes whole numbers of a panel of keys, as far below zero as above.
struct QuantiseKeys<'a> {
    xs: &'a [f32],
    columns: usize,
    rows: &'a mut [Row],
    to: To<'a>,
}

impl SimdOp for QuantiseKeys<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let QuantiseKeys {
            xs,
            columns,
            rows,
            mut to,
        } = self;
        let (ops, whole) = (isa.f32(), isa.i32());
        let lanes = ops.len();
        for at in (0..columns).step_by(lanes) {
            let own = at..at + lanes;
            let mut most = ops.zero();
            for row in xs.chunks_exact(columns) {
                if let Some(row) = row.get(own.clone()) {
                    most = ops.max(most, ops.abs(ops.load(row)));
                }
            }
            let scale = ops.mul(most, ops.splat(MOST.recip()));
            let some = ops.max(scale, ops.splat(f32::MIN_POSITIVE));
            let times = ops.div(ops.one(), some);
            let steps = Steps {
                times,
                zero: ops.zero(),
                least: -MOST,
                most: MOST,
            };
            let total = steps.write(isa, xs, columns, own.clone(), &mut to);
            let totals = ops.mul(whole.to_float(total), scale).to_array();
            let rows = rows.get_mut(own).unwrap_or_default();
            for (row, (scale, total)) in rows
                .iter_mut()
                .zip(scale.to_array().into_iter().zip(totals))
            {
                *row = Row {
                    scale,
                    total,
                    bias: 0.0,
                };
            }
        }
    }
}

/// As [`Part`], in whole numbers that are floats.
struct Whole<'a> {
    weights: &'a [f32],
    step: usize,
    panel: &'a [f32],
    tokens: Tokens<'a>,
    rows: &'a [Row],
    to: &'a mut [f32],
}

struct WholeProduct<'a, const V: usize>(Whole<'a>);

impl<const V: usize> SimdOp for WholeProduct<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let part = self.0;
        with_rows!(part.rows.len(), isa: I, V, whole_tile(part));
    }
}

#[inline(always)]
fn whole_tile<I: Isa, const R: usize, const V: usize>(isa: I, part: Whole<'_>) {
    let (ops, whole) = (isa.f32(), isa.i32());
    let (lanes, columns) = (ops.len(), V * ops.len());
    let mut sums = [[whole.zero(); V]; R];
    let weights = part.weights.chunks(EXACT * part.step);
    for (weights, panel) in weights.zip(part.panel.chunks(EXACT * columns)) {
        let more = tile::<I, R, V>(isa, weights, part.step, panel, zeros(isa));
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = whole.add(sums[r][v], ops.to_int_round(more[r][v]));
            }
        }
    }
    let Tokens { scales, zeros } = part.tokens;
    let rows = part.to.chunks_exact_mut(columns).zip(part.rows);
    for ((to, row), sums) in rows.zip(sums) {
        let tokens = scales.chunks_exact(lanes).zip(zeros.chunks_exact(lanes));
        for ((place, sum), (scale, zero)) in to.chunks_exact_mut(lanes).zip(sums).zip(tokens) {
            let sum = ops.mul(whole.to_float(sum), ops.load(scale));
            let rest = ops.mul_add(ops.load(zero), ops.splat(-row.total), ops.splat(row.bias));
            ops.store(ops.mul_add(sum, ops.splat(row.scale), rest), place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of no meaning, between -1 and 1.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        let number = |at: usize| ((at + seed) * 7919 % 2003) as f32 / 1001.0 - 1.0;
        (0..count).map(number).collect()
    }

    /// What a layer gives for one token, one product after the other.
    fn one_by_one(weights: &[i8], rows: &[Row], token: &[f32]) -> Vec<f32> {
        let low = token.iter().fold(0.0, |low: f32, &x| low.min(x));
        let high = token.iter().fold(0.0, |high: f32, &x| high.max(x));
        let scale = (high - low) * LARGEST.recip();
        let times = 1.0 / scale.max(f32::MIN_POSITIVE);
        let zero = (-low * times).round_ties_even();
        let steps: Vec<i32> = (token.iter())
            .map(|x| x.mul_add(times, zero).clamp(0.0, LARGEST).round_ties_even() as i32)
            .collect();
        let of_row = |(row, weights): (&Row, &[i8])| {
            let sum: i32 = (steps.iter().zip(weights))
                .map(|(x, &w)| x * i32::from(w))
                .sum();
            let total: i32 = weights.iter().copied().map(i32::from).sum();
            let rest = (scale * zero).mul_add(-(total as f32 * row.scale), row.bias);
            (sum as f32 * scale).mul_add(row.scale, rest)
        };
        (rows.iter().zip(weights.chunks_exact(token.len())))
            .map(of_row)
            .collect()
    }

    #[test]
    fn whatever_instructions_there_are_the_sums_are_exact() {
        let here = Sizes::here();
        let with = |lanes, rows| (Sizes { lanes, rows }, Dot::here(lanes));
        let mut kinds = vec![(here, None)];
        kinds.extend(
            [with(16, 12), with(8, 6)]
                .into_iter()
                .filter(|kind| kind.1.is_some()),
        );
        for (sizes, dot) in kinds {
            for (inputs, outputs) in [(1, 1), (3, 5), (8, 12), (37, 25), (1030, 13)] {
                for vectors in [1, 2] {
                    let columns = vectors * sizes.lanes;
                    if !columns.is_multiple_of(here.lanes) {
                        continue;
                    }
                    let weights: Vec<i8> = (numbers(inputs * outputs, 1).iter())
                        .map(|x| (x * MOST).round() as i8)
                        .collect();
                    let row = |(&scale, &bias): (&f32, &f32)| Row {
                        scale: scale.abs() / MOST,
                        total: 0.0,
                        bias,
                    };
                    let rows: Vec<Row> = (numbers(outputs, 2).iter())
                        .zip(&numbers(outputs, 3))
                        .map(row)
                        .collect();
                    let mut tokens: Vec<Vec<f32>> = (0..2 * columns)
                        .map(|at| numbers(inputs, 31 * at))
                        .collect();
                    tokens[1].fill(0.0);
                    tokens[2].iter_mut().for_each(|x| *x = x.abs());
                    let xs: Vec<f32> = (tokens.chunks(columns))
                        .flat_map(|panel| {
                            (0..inputs).flat_map(move |f| panel.iter().map(move |token| token[f]))
                        })
                        .collect();
                    let mut got = vec![f32::NAN; 2 * columns * outputs];
                    let layer = Int8Linear::pack(&weights, rows.clone(), inputs, sizes, dot);
                    layer.forward(&mut Room::default(), &xs, columns, None, &mut got);
                    for (at, token) in tokens.iter().enumerate() {
                        let panel = &got[at / columns * columns * outputs..];
                        let got: Vec<f32> = (0..outputs)
                            .map(|f| panel[f * columns + at % columns])
                            .collect();
                        assert_eq!(got, one_by_one(&weights, &rows, token), "{dot:?}, {inputs}");
                    }
                }
            }
        }
    }

    #[test]
    fn keys_times_queries_are_the_same_by_any_instructions() {
        let Sizes { lanes, rows } = Sizes::here();
        for vectors in [1, 2] {
            for size in [1, 6, 32] {
                let columns = vectors * lanes;
                let panels: Vec<Vec<f32>> =
                    (0..2).map(|at| numbers(size * columns, 100 * at)).collect();
                let queries = numbers(size * columns, 7);
                let score = |dot: Option<Dot>| {
                    let mut keys = Keys::default();
                    keys.fill(panels.iter().map(Vec::as_slice), size, columns, dot);
                    keys.ask(&queries, columns, dot);
                    let mut scores = vec![f32::NAN; rows * columns];
                    keys.product(
                        1,
                        columns - rows.min(columns),
                        rows,
                        [columns, lanes],
                        dot,
                        &mut scores,
                    );
                    scores
                };
                let floats = score(None);
                if Dot::here(lanes).is_some() {
                    assert_eq!(score(Dot::here(lanes)), floats);
                }
                for (r, row) in floats.chunks(columns).enumerate() {
                    for (q, got) in row.iter().enumerate() {
                        let key = columns - rows.min(columns) + r;
                        let want: f32 = (0..size)
                            .map(|f| panels[1][f * columns + key] * queries[f * columns + q])
                            .sum();
                        let most = 0.02 * (size as f32).sqrt();
                        assert!((got - want).abs() < most, "{size}: {got}, not {want}");
                    }
                }
            }
        }
    }
}
