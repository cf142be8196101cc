//! Attention of one head: the queries of a panel over the tokens of a window.
//!
//! Queries are side by side in the lanes of vectors and keys come one after the other, so softmax runs
//! within the lanes, without a sum across a vector, and the weights it gives are laid out as the product
//! with the values reads them. The result of a query depends on its window alone.

use std::ops::Range;

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use super::keys::Int8Keys;
use super::simd::InstructionSet;
use super::tile::{Groups, rows_at_once, tile, tile_of_panel, with_rows, zeros};

/// One head in one window.
#[derive(Clone)]
pub(super) struct WindowHead<'a> {
    /// Panels of queries, keys and values: 3H numbers for each token.
    pub(super) qkv: &'a [f32],
    /// H.
    pub(super) hidden: usize,
    /// D.
    pub(super) size: usize,
    /// The index of the head.
    pub(super) head: usize,
    /// The tokens of the window, counted through all panels.
    pub(super) window: Range<usize>,
    /// Tokens in a panel.
    pub(super) columns: usize,
    pub(super) set: InstructionSet,
}

/// The arithmetic of queries times keys.
pub(super) enum Scoring<'a> {
    F32,
    /// With the quantised keys of this head and window.
    Int8(&'a mut Int8Keys),
}

/// The tokens of a window in one panel.
struct PanelTokens {
    panel: usize,
    /// The first token, counted within the panel.
    first: usize,
    count: usize,
}

/// Which part of queries, keys and values.
#[derive(Clone, Copy)]
enum AttentionInput {
    Queries,
    Keys,
    Values,
}

impl<'a> WindowHead<'a> {
    /// This head's part of a panel: D numbers for each token.
    fn part(&self, panel: usize, part: AttentionInput) -> &'a [f32] {
        let at = (panel * 3 * self.hidden + part as usize * self.hidden + self.head * self.size)
            * self.columns;
        let part = self.qkv.get(at..at + self.size * self.columns);
        part.unwrap_or_default()
    }

    /// The panels in which the window has tokens.
    pub(super) fn panels(&self) -> Range<usize> {
        self.window.start / self.columns..self.window.end.div_ceil(self.columns)
    }

    fn tokens_by_panel(&self) -> impl Iterator<Item = PanelTokens> + use<> {
        let (window, columns) = (self.window.clone(), self.columns);
        self.panels().map(move |panel| {
            let first = window.start.max(panel * columns);
            let last = window.end.min((panel + 1) * columns);
            PanelTokens {
                panel,
                first: first - panel * columns,
                count: last - first,
            }
        })
    }

    /// Quantises the keys of this head and window into `keys`.
    pub(super) fn quantise_keys(&self, keys: &mut Int8Keys) {
        let panels = self
            .panels()
            .map(|panel| self.part(panel, AttentionInput::Keys));
        keys.set_keys(panels, self.size, self.columns, self.set);
    }

    /// Computes attention for the queries of `panel`, D numbers for each token of `to`. Tokens of other
    /// windows in the same panel keep what `to` has for them.
    pub(super) fn attend(
        &self,
        panel: usize,
        scoring: &mut Scoring<'_>,
        scores: &mut Vec<f32>,
        to: &mut [f32],
    ) {
        let count = self.window.len() * self.columns;
        // Every element is overwritten, so the buffer is not cleared.
        if scores.len() < count {
            scores.resize(count, 0.0);
        }
        let scores = scores.get_mut(..count).unwrap_or_default();
        let is_one_vector = self.columns == self.set.lanes();
        match scoring {
            Scoring::F32 if is_one_vector => self.set.run(Score::<1>(self, panel, scores)),
            Scoring::F32 => self.set.run(Score::<2>(self, panel, scores)),
            Scoring::Int8(keys) => self.score_in_int8(panel, keys, scores),
        }
        if is_one_vector {
            self.set.run(WeighValues::<1>(self, panel, scores, to));
        } else {
            self.set.run(WeighValues::<2>(self, panel, scores, to));
        }
    }

    fn score_in_int8(&self, panel: usize, keys: &mut Int8Keys, scores: &mut [f32]) {
        let (columns, set) = (self.columns, self.set);
        keys.set_queries(self.part(panel, AttentionInput::Queries), columns, set);
        let mut rest = scores;
        for (at, tokens) in self.tokens_by_panel().enumerate() {
            for (start, rows) in Groups::new(tokens.count, set.rows()).all() {
                let Some((scores, later)) = rest.split_at_mut_checked(rows * columns) else {
                    return;
                };
                rest = later;
                keys.multiply(at, tokens.first + start, rows, columns, set, scores);
            }
        }
    }
}

/// Computes the scores of a panel of `V` vectors of queries: query times key, for each token of the
/// window.
struct Score<'a, const V: usize>(&'a WindowHead<'a>, usize, &'a mut [f32]);

impl<const V: usize> SimdOp for Score<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Score(head, panel, scores) = self;
        let columns = V * isa.f32().len();
        let queries = head.part(panel, AttentionInput::Queries);
        let mut rest = scores;
        for tokens in head.tokens_by_panel() {
            let keys = head.part(tokens.panel, AttentionInput::Keys);
            for (start, rows) in Groups::new(tokens.count, rows_at_once::<I>()).all() {
                let Some((scores, later)) = rest.split_at_mut_checked(rows * columns) else {
                    return;
                };
                rest = later;
                let keys = keys.get(tokens.first + start..).unwrap_or_default();
                with_rows!(rows, isa: I, V, score(keys, queries, &mut *scores));
            }
        }
    }
}

/// Turns scores into attention weights by softmax, and sums up the values with these weights.
struct WeighValues<'a, const V: usize>(&'a WindowHead<'a>, usize, &'a mut [f32], &'a mut [f32]);

impl<const V: usize> SimdOp for WeighValues<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let WeighValues(head, panel, scores, to) = self;
        let ops = isa.f32();
        let (lanes, columns) = (ops.len(), V * ops.len());
        let scale = (head.size as f32).sqrt().recip();
        let mut factors = [ops.zero(); V];
        for (v, factor) in factors.iter_mut().enumerate() {
            *factor = softmax(isa, scores, v * lanes, columns, scale);
        }

        // The lanes of the panel that belong to the window.
        let own = head.window.start.saturating_sub(panel * columns)
            ..head.window.end.saturating_sub(panel * columns).min(columns);
        for (start, rows) in Groups::new(head.size, rows_at_once::<I>()).all() {
            let Some(to) = to.get_mut(start * columns..(start + rows) * columns) else {
                return;
            };
            with_rows!(
                rows,
                isa: I,
                V,
                weigh_values(head, start, &*scores, factors, own.clone(), &mut *to)
            );
        }
    }
}

/// Keys times a panel of queries.
#[inline(always)]
fn score<I: Isa, const R: usize, const V: usize>(
    isa: I,
    keys: &[f32],
    queries: &[f32],
    to: &mut [f32],
) {
    let ops = isa.f32();
    let sums = tile::<I, R, V>(isa, keys, V * ops.len(), queries, zeros(isa));
    for (place, sum) in to.chunks_exact_mut(ops.len()).zip(sums.iter().flatten()) {
        ops.store(*sum, place);
    }
}

/// Replaces the scores in one vector of lanes by their exponentials, scaled so that the largest is one, and
/// returns one over their sum.
#[inline(always)]
fn softmax<I: Isa>(isa: I, scores: &mut [f32], at: usize, columns: usize, scale: f32) -> I::F32 {
    let ops = isa.f32();
    let lanes = ops.len();
    let mut most = ops.splat(f32::MIN);
    for row in scores.chunks_exact(columns) {
        if let Some(row) = row.get(at..at + lanes) {
            most = ops.max(most, ops.load(row));
        }
    }
    // exp(x) = 2^(x · log2(e))
    let scale = ops.splat(scale * std::f32::consts::LOG2_E);
    let least = ops.neg(ops.mul(most, scale));
    let mut sum = ops.zero();
    for row in scores.chunks_exact_mut(columns) {
        if let Some(row) = row.get_mut(at..at + lanes) {
            let power = power_of_two(isa, ops.mul_add(ops.load(row), scale, least));
            sum = ops.add(sum, power);
            ops.store(power, row);
        }
    }
    ops.reciprocal(sum)
}

/// Coefficients of a polynomial for 2ˣ where |x| is at most a half, the constant first. The largest
/// relative error is 2.2e-7 in f32. They were found as those of [`super::activation`]'s polynomial.
const POWER: [f32; 6] = [
    1.000_000_1,
    6.931_469_4e-1,
    2.402_212e-1,
    5.550_713e-2,
    9.675_541e-3,
    1.327_647_1e-3,
];

/// 2ˣ for x of at most zero; about 1e-38 for all x below -126. `rten_vecmath` has a function for all
/// numbers, which takes twice as long.
#[inline(always)]
fn power_of_two<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    /// 1.5 · 2²³: the sum with a small number has the nearest integer in its last bits.
    const ROUND: f32 = 12_582_912.0;
    let (ops, int) = (isa.f32(), isa.i32());
    let x = ops.max(x, ops.splat(-126.0));
    let rounded = ops.add(x, ops.splat(ROUND));
    let rest = ops.sub(x, ops.sub(rounded, ops.splat(ROUND)));
    let mut sum = ops.splat(POWER[POWER.len() - 1]);
    for &factor in POWER.iter().rev().skip(1) {
        sum = ops.mul_add(sum, rest, ops.splat(factor));
    }
    // Multiplies by a power of two by adding to the exponent.
    let exponent = int.shift_left::<23>(rounded.reinterpret_cast());
    int.add(sum.reinterpret_cast(), exponent).reinterpret_cast()
}

/// Values times attention weights, times the factor of each query.
#[inline(always)]
fn weigh_values<I: Isa, const R: usize, const V: usize>(
    isa: I,
    head: &WindowHead<'_>,
    start: usize,
    mut weights: &[f32],
    factors: [I::F32; V],
    own: Range<usize>,
    to: &mut [f32],
) {
    let ops = isa.f32();
    let (lanes, columns) = (ops.len(), V * ops.len());
    let mut sums = zeros::<I, R, V>(isa);
    for tokens in head.tokens_by_panel() {
        let Some((now, later)) = weights.split_at_checked(tokens.count * columns) else {
            return;
        };
        weights = later;
        let values = head.part(tokens.panel, AttentionInput::Values);
        let values = values.get(start * columns + tokens.first..);
        sums = tile_of_panel::<I, R, V>(isa, values.unwrap_or_default(), now, sums);
    }
    let places = to.chunks_exact_mut(lanes).zip(sums.iter().flatten());
    for (at, (place, &sum)) in places.enumerate() {
        let v = at % V;
        let sum = ops.mul(sum, factors[v]);
        let first = own.start.saturating_sub(v * lanes).min(lanes);
        let last = own.end.saturating_sub(v * lanes).min(lanes);
        let sum = if (first, last) == (0, lanes) {
            sum
        } else {
            // The lanes of other windows keep their numbers.
            let sum = ops.select(sum, ops.load(place), ops.first_n_mask(last));
            ops.select(ops.load(place), sum, ops.first_n_mask(first))
        };
        ops.store(sum, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`power_of_two`] of some numbers.
    struct Powers<'a>(&'a mut [f32]);

    impl SimdOp for Powers<'_> {
        type Output = ();

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) {
            let ops = isa.f32();
            for numbers in self.0.chunks_exact_mut(ops.len()) {
                ops.store(power_of_two(isa, ops.load(numbers)), numbers);
            }
        }
    }

    #[test]
    fn powers_of_two_have_a_relative_error_below_3e_7() {
        let xs: Vec<f32> = (0..16 * 8000).map(|at| at as f32 / -1000.0).collect();
        for set in InstructionSet::available() {
            let mut got = xs.clone();
            set.run(Powers(&mut got));
            for (x, got) in xs.iter().zip(got) {
                let want = f64::from(x.max(-126.0)).exp2();
                assert!(
                    (f64::from(got) / want - 1.0).abs() < 3e-7,
                    "{set}, {x}: {got}, not {want}"
                );
            }
        }
    }
}
