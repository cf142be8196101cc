//! Linear layers in eight bits: integer weights with a scale for each output, integer inputs with a scale
//! and a zero point for each token.
//!
//! The sums of products of integers are exact, so they depend neither on their order nor on the
//! instructions that compute them: see [`super::dot`] for those that multiply integers. Without such
//! instructions the integers are multiplied as f32 numbers, in sums so short that an f32 number holds
//! every one of them exactly. This takes as long as a layer in f32.

use rten_simd::ops::{FloatOps, NumOps, ToFloat};
use rten_simd::{Isa, SimdOp};

use super::dot::{Dot, DotProduct, OutputScale, TokenScales, WORD, Word};
use super::quantise::{Integers, MOST, QuantiseInputs};
use super::simd::InstructionSet;
use super::stored::{StoredRow, StoredRows};
use super::tile::{GroupRange, Groups, tile, with_rows, zeros};

/// So many products of an input and a weight have a sum below 2²⁴, up to which f32 holds every integer.
const EXACT: usize = (1 << 24) / (255 * 127);

/// A linear layer in eight bits.
pub(super) struct Int8Linear {
    weights: PackedIntegers,
    rows: Vec<OutputScale>,
    inputs: usize,
    set: InstructionSet,
}

/// Group after group of rows, each stored depth first, for example by four weights of each row at a time.
enum PackedIntegers {
    Words(Dot, Vec<Word>),
    /// The integers as f32 numbers.
    Floats(Vec<f32>),
}

/// The quantised inputs of a layer. One for each thread is kept and used again.
#[derive(Debug, Default)]
pub(super) struct Int8Scratch {
    words: Vec<Word>,
    floats: Vec<f32>,
    scales: Vec<f32>,
    zeros: Vec<f32>,
}

impl Int8Linear {
    /// Packs `rows` of `inputs` weights each. Weights that are stored in f32 are rounded, so that the
    /// largest of a row becomes 127.
    pub(super) fn quantise(
        rows: &StoredRows<'_>,
        inputs: usize,
        set: InstructionSet,
    ) -> Int8Linear {
        let mut integers: Vec<i8> = Vec::with_capacity(rows.bias.len() * inputs);
        let mut scales: Vec<OutputScale> = Vec::with_capacity(rows.bias.len());
        for (at, &bias) in rows.bias.iter().enumerate() {
            let scale = match rows.row(at) {
                StoredRow::Int8(row, scale) => {
                    integers.extend_from_slice(row);
                    scale
                }
                StoredRow::F32(row) => {
                    let scale = row.iter().fold(0.0, |most: f32, x| most.max(x.abs())) / MOST;
                    let factor = if scale > 0.0 { scale.recip() } else { 0.0 };
                    // The conversion to an integer saturates, and takes NaN as zero.
                    integers.extend(row.iter().map(|x| (x * factor).round() as i8));
                    scale
                }
            };
            scales.push(OutputScale {
                scale,
                total: 0.0,
                bias,
            });
        }
        Int8Linear::pack(&integers, scales, inputs, set)
    }

    /// Packs integers, row by row, for the instructions in `set`.
    fn pack(
        integers: &[i8],
        mut rows: Vec<OutputScale>,
        inputs: usize,
        set: InstructionSet,
    ) -> Int8Linear {
        for (row, integers) in rows.iter_mut().zip(integers.chunks_exact(inputs)) {
            let total: i32 = integers.iter().copied().map(i32::from).sum();
            row.total = total as f32 * row.scale;
        }
        let groups = Groups::new(rows.len(), set.rows());
        let weights = match Dot::of(set) {
            Some(dot) => {
                let mut packed = vec![[0; WORD]; rows.len() * dot.words(inputs)];
                depth_first(integers, inputs, groups, &mut packed, |row, places| {
                    for (place, integers) in places.zip(row.chunks(dot.per_word())) {
                        *place = dot.word(integers);
                    }
                });
                PackedIntegers::Words(dot, packed)
            }
            None => {
                let mut packed = vec![0.0; integers.len()];
                depth_first(integers, inputs, groups, &mut packed, |row, places| {
                    for (place, &integer) in places.zip(row) {
                        *place = f32::from(integer);
                    }
                });
                PackedIntegers::Floats(packed)
            }
        };
        Int8Linear {
            weights,
            rows,
            inputs,
            set,
        }
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn outputs(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn set(&self) -> InstructionSet {
        self.set
    }

    /// Bytes of the packed weights of an output.
    pub(super) fn bytes_per_row(&self) -> usize {
        match &self.weights {
            PackedIntegers::Words(dot, _) => dot.words(self.inputs) * WORD,
            PackedIntegers::Floats(_) => self.inputs * size_of::<f32>(),
        }
    }

    /// Quantises panels of `columns` tokens.
    pub(super) fn quantise_inputs(&self, scratch: &mut Int8Scratch, xs: &[f32], columns: usize) {
        let panels = xs.chunks_exact((self.inputs * columns).max(1));
        scratch.fill(panels, self.inputs, columns, self.dot(), self.set);
    }

    fn dot(&self) -> Option<Dot> {
        match self.weights {
            PackedIntegers::Words(dot, _) => Some(dot),
            PackedIntegers::Floats(_) => None,
        }
    }

    /// Multiplies some groups of rows with panel `at` of those that were quantised last.
    pub(super) fn multiply(
        &self,
        groups: GroupRange,
        scratch: &Int8Scratch,
        at: usize,
        columns: usize,
        to: &mut [f32],
    ) {
        let panel = scratch.panel(at, self.inputs, columns, self.dot());
        let mut rest = to;
        for (start, count) in groups.iter() {
            let (Some((to, later)), Some(rows)) = (
                rest.split_at_mut_checked(count * columns),
                self.rows.get(start..start + count),
            ) else {
                return;
            };
            rest = later;
            let own = |depth: usize| start * depth..(start + count) * depth;
            let weights = match &self.weights {
                PackedIntegers::Words(dot, words) => {
                    IntegerRows::Words(*dot, words.get(own(dot.words(self.inputs))).unwrap_or(&[]))
                }
                PackedIntegers::Floats(floats) => {
                    IntegerRows::Floats(floats.get(own(self.inputs)).unwrap_or_default())
                }
            };
            IntegerProduct {
                weights,
                step: count,
                panel,
                rows,
                to,
            }
            .run(self.set, columns);
        }
    }
}

impl Int8Scratch {
    /// Quantises panels of `columns` tokens with `size` numbers each.
    pub(super) fn fill<'a>(
        &mut self,
        panels: impl Iterator<Item = &'a [f32]>,
        size: usize,
        columns: usize,
        dot: Option<Dot>,
        set: InstructionSet,
    ) {
        for (at, xs) in panels.enumerate() {
            let range = |each: usize| at * each * columns..(at + 1) * each * columns;
            set.run(QuantiseInputs {
                xs,
                columns,
                scales: grown(&mut self.scales, range(1), 0.0),
                zeros: grown(&mut self.zeros, range(1), 0.0),
                to: integers(dot, &mut self.words, &mut self.floats, range, size),
            });
        }
    }

    /// The quantised panel `at`.
    pub(super) fn panel(
        &self,
        at: usize,
        size: usize,
        columns: usize,
        dot: Option<Dot>,
    ) -> IntegerPanel<'_> {
        let range = |each: usize| at * each * columns..(at + 1) * each * columns;
        let (words, floats) = match dot {
            Some(dot) => (self.words.get(range(dot.words(size))), None),
            None => (None, self.floats.get(range(size))),
        };
        IntegerPanel {
            words: words.unwrap_or_default(),
            floats: floats.unwrap_or_default(),
            tokens: TokenScales {
                scales: self.scales.get(range(1)).unwrap_or_default(),
                zeros: self.zeros.get(range(1)).unwrap_or_default(),
            },
        }
    }
}

/// A panel of quantised inputs, in words or as f32 numbers.
#[derive(Clone, Copy)]
pub(super) struct IntegerPanel<'a> {
    words: &'a [Word],
    floats: &'a [f32],
    tokens: TokenScales<'a>,
}

/// Rows of integers.
pub(super) enum IntegerRows<'a> {
    Words(Dot, &'a [Word]),
    Floats(&'a [f32]),
}

/// A group of rows times a panel.
pub(super) struct IntegerProduct<'a> {
    pub(super) weights: IntegerRows<'a>,
    /// From an element of a row to its next one.
    pub(super) step: usize,
    pub(super) panel: IntegerPanel<'a>,
    /// One for each row.
    pub(super) rows: &'a [OutputScale],
    /// `columns` numbers for each row.
    pub(super) to: &'a mut [f32],
}

impl IntegerProduct<'_> {
    pub(super) fn run(self, set: InstructionSet, columns: usize) {
        let IntegerProduct {
            weights,
            step,
            panel,
            rows,
            to,
        } = self;
        let vectors = columns / set.lanes();
        match weights {
            IntegerRows::Words(dot, weights) => dot.product(
                DotProduct {
                    weights,
                    step,
                    panel: panel.words,
                    tokens: panel.tokens,
                    rows,
                    to,
                },
                vectors,
            ),
            IntegerRows::Floats(weights) => {
                let product = FloatsProduct {
                    weights,
                    step,
                    panel: panel.floats,
                    tokens: panel.tokens,
                    rows,
                    to,
                };
                if vectors == 1 {
                    set.run(OfVectors::<1>(product));
                } else {
                    set.run(OfVectors::<2>(product));
                }
            }
        }
    }
}

/// Passes each row of `inputs` integers and the places for its elements to `put`: group after group, each
/// depth first.
fn depth_first<T>(
    integers: &[i8],
    inputs: usize,
    groups: Groups,
    packed: &mut [T],
    put: impl Fn(&[i8], &mut dyn Iterator<Item = &mut T>),
) {
    let depth = packed.len() / (integers.len() / inputs.max(1)).max(1);
    let mut rows = integers.chunks_exact(inputs);
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

/// Where the integers of a panel go: `range` of as many words or numbers as a token has.
pub(super) fn integers<'a>(
    dot: Option<Dot>,
    words: &'a mut Vec<Word>,
    floats: &'a mut Vec<f32>,
    range: impl Fn(usize) -> std::ops::Range<usize>,
    size: usize,
) -> Integers<'a> {
    match dot {
        Some(dot) => {
            let words = grown(words, range(dot.words(size)), [0; WORD]);
            if dot.per_word() == WORD {
                Integers::Bytes(words)
            } else {
                Integers::Halves(words)
            }
        }
        None => Integers::Floats(grown(floats, range(size), 0.0)),
    }
}

/// A part of a buffer, which grows if it is too short.
pub(super) fn grown<T: Copy>(
    buffer: &mut Vec<T>,
    range: std::ops::Range<usize>,
    fill: T,
) -> &mut [T] {
    if buffer.len() < range.end {
        buffer.resize(range.end, fill);
    }
    buffer.get_mut(range).unwrap_or_default()
}

/// As [`DotProduct`], with integers that are f32 numbers.
struct FloatsProduct<'a> {
    weights: &'a [f32],
    step: usize,
    panel: &'a [f32],
    tokens: TokenScales<'a>,
    rows: &'a [OutputScale],
    to: &'a mut [f32],
}

/// The product with a panel of `V` vectors.
struct OfVectors<'a, const V: usize>(FloatsProduct<'a>);

impl<const V: usize> SimdOp for OfVectors<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let product = self.0;
        with_rows!(product.rows.len(), isa: I, V, floats_product(product));
    }
}

#[inline(always)]
fn floats_product<I: Isa, const R: usize, const V: usize>(isa: I, product: FloatsProduct<'_>) {
    use rten_simd::ops::BitOps;

    let (ops, int) = (isa.f32(), isa.i32());
    let (lanes, columns) = (ops.len(), V * ops.len());
    let mut sums = [[int.zero(); V]; R];
    let weights = product.weights.chunks(EXACT * product.step);
    for (weights, panel) in weights.zip(product.panel.chunks(EXACT * columns)) {
        let more = tile::<I, R, V>(isa, weights, product.step, panel, zeros(isa));
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = int.add(sums[r][v], ops.to_int_round(more[r][v]));
            }
        }
    }
    let TokenScales { scales, zeros } = product.tokens;
    let rows = product.to.chunks_exact_mut(columns).zip(product.rows);
    for ((to, row), sums) in rows.zip(sums) {
        let tokens = scales.chunks_exact(lanes).zip(zeros.chunks_exact(lanes));
        for ((place, sum), (scale, zero)) in to.chunks_exact_mut(lanes).zip(sums).zip(tokens) {
            let sum = ops.mul(int.to_float(sum), ops.load(scale));
            let rest = ops.mul_add(ops.load(zero), ops.splat(-row.total), ops.splat(row.bias));
            ops.store(ops.mul_add(sum, ops.splat(row.scale), rest), place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantise::LARGEST;
    use super::super::tile::Groups;
    use super::*;

    /// Arbitrary numbers between -1 and 1.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        let number = |at: usize| ((at + seed) * 7919 % 2003) as f32 / 1001.0 - 1.0;
        (0..count).map(number).collect()
    }

    /// `a * b + c` as `set` computes it: rounded once, or twice where it has no fused multiply-add.
    fn mul_add(set: InstructionSet, a: f32, b: f32, c: f32) -> f32 {
        if set.name() == "portable" {
            a * b + c
        } else {
            a.mul_add(b, c)
        }
    }

    /// The outputs of a layer for one token, computed product by product.
    fn one_by_one(
        set: InstructionSet,
        weights: &[i8],
        rows: &[OutputScale],
        token: &[f32],
    ) -> Vec<f32> {
        let low = token.iter().fold(0.0, |low: f32, &x| low.min(x));
        let high = token.iter().fold(0.0, |high: f32, &x| high.max(x));
        let scale = (high - low) * LARGEST.recip();
        let factor = 1.0 / scale.max(f32::MIN_POSITIVE);
        let zero = (-low * factor).round_ties_even();
        let integers: Vec<i32> = (token.iter())
            .map(|&x| {
                let x = mul_add(set, x, factor, zero);
                x.clamp(0.0, LARGEST).round_ties_even() as i32
            })
            .collect();
        let output = |(row, weights): (&OutputScale, &[i8])| {
            let sum: i32 = (integers.iter().zip(weights))
                .map(|(x, &w)| x * i32::from(w))
                .sum();
            let total: i32 = weights.iter().copied().map(i32::from).sum();
            let rest = mul_add(set, scale * zero, -(total as f32 * row.scale), row.bias);
            mul_add(set, sum as f32 * scale, row.scale, rest)
        };
        (rows.iter().zip(weights.chunks_exact(token.len())))
            .map(output)
            .collect()
    }

    /// Panels of `columns` of these tokens.
    fn panels(tokens: &[Vec<f32>], columns: usize) -> Vec<f32> {
        let inputs = tokens[0].len();
        (tokens.chunks(columns))
            .flat_map(|panel| {
                (0..inputs).flat_map(move |f| panel.iter().map(move |token| token[f]))
            })
            .collect()
    }

    /// The outputs of a layer for each token.
    fn forward(layer: &Int8Linear, tokens: &[Vec<f32>], columns: usize) -> Vec<Vec<f32>> {
        let xs = panels(tokens, columns);
        let outputs = layer.outputs();
        let mut scratch = Int8Scratch::default();
        layer.quantise_inputs(&mut scratch, &xs, columns);
        let groups = Groups::new(outputs, layer.set().rows());
        let groups = GroupRange {
            groups,
            first: 0,
            last: groups.count(),
        };
        let mut got = vec![f32::NAN; tokens.len() * outputs];
        for (at, to) in got.chunks_exact_mut(columns * outputs).enumerate() {
            layer.multiply(groups, &scratch, at, columns, to);
        }
        (0..tokens.len())
            .map(|at| {
                let panel = &got[at / columns * columns * outputs..];
                (0..outputs)
                    .map(|f| panel[f * columns + at % columns])
                    .collect()
            })
            .collect()
    }

    #[test]
    fn every_instruction_set_computes_exact_sums() {
        let shapes = [(1, 1), (3, 5), (8, 12), (37, 25), (1030, 13)];
        for set in InstructionSet::available() {
            for (inputs, outputs) in shapes {
                for columns in [set.lanes(), 2 * set.lanes()] {
                    let weights: Vec<i8> = (numbers(inputs * outputs, 1).iter())
                        .map(|x| (x * MOST).round() as i8)
                        .collect();
                    let rows: Vec<OutputScale> = (numbers(outputs, 2).iter())
                        .zip(&numbers(outputs, 3))
                        .map(|(&scale, &bias)| OutputScale {
                            scale: scale.abs() / MOST,
                            total: 0.0,
                            bias,
                        })
                        .collect();
                    let mut tokens: Vec<Vec<f32>> = (0..2 * columns)
                        .map(|at| numbers(inputs, 31 * at))
                        .collect();
                    tokens[1].fill(0.0);
                    tokens[2].iter_mut().for_each(|x| *x = x.abs());
                    let layer = Int8Linear::pack(&weights, rows.clone(), inputs, set);
                    let got = forward(&layer, &tokens, columns);
                    for (token, got) in tokens.iter().zip(got) {
                        let want = one_by_one(set, &weights, &rows, token);
                        assert_eq!(got, want, "{set}, {inputs} to {outputs}");
                    }
                }
            }
        }
    }

    #[test]
    fn sums_of_the_largest_integers_do_not_overflow() {
        for set in InstructionSet::available() {
            let (inputs, columns) = (1031, set.lanes());
            let rows = vec![OutputScale {
                scale: 1.0,
                total: 0.0,
                bias: 0.0,
            }];
            for weight in [127_i8, -127] {
                let layer = Int8Linear::pack(&vec![weight; inputs], rows.clone(), inputs, set);
                let tokens = vec![vec![255.0; inputs]; columns];
                let want = (inputs as i32 * 255 * i32::from(weight)) as f32;
                for got in forward(&layer, &tokens, columns) {
                    assert_eq!(got, [want], "{set}");
                }
            }
        }
    }
}
