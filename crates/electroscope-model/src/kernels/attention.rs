//! Attention of one head: the queries of a panel over the tokens of a window.
//!
//! Queries stand side by side in the lanes of vectors and keys come one after the other, so softmax
//! runs down the lanes, without a sum across any vector, and the shares that come of it are a panel as
//! the product with the values wants it. What a query gets depends on nothing but its window.

use std::ops::Range;

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use super::dot::Dot;
use super::int8::Keys;
use super::tile::{Groups, Sizes, across, rows_at_once, tile, with_rows, zeros};

/// One head over one window.
#[derive(Clone)]
pub(super) struct Head<'a> {
    /// Panels of queries, keys and values: 3H numbers of each token.
    pub(super) asked: &'a [f32],
    /// H.
    pub(super) hidden: usize,
    /// D.
    pub(super) size: usize,
    /// Which head.
    pub(super) head: usize,
    /// The tokens of the window, counted through all panels.
    pub(super) window: Range<usize>,
    /// Tokens in a panel.
    pub(super) columns: usize,
    pub(super) sizes: Sizes,
}

/// How queries are multiplied with keys.
pub(super) enum Scoring<'a> {
    /// In single precision.
    Floats,
    /// In eight bits, by instructions for them if there are any; the keys are those of the head and
    /// window.
    Int8(&'a mut Keys, Option<Dot>),
}

/// A part of a window that lies in one panel.
struct Piece {
    panel: usize,
    /// The first token, counted within the panel.
    first: usize,
    tokens: usize,
}

impl<'a> Head<'a> {
    /// The queries (0), keys (1) or values (2) of a panel: D numbers of each token.
    fn part(&self, panel: usize, which: usize) -> &'a [f32] {
        let at =
            (panel * 3 * self.hidden + which * self.hidden + self.head * self.size) * self.columns;
        let part = self.asked.get(at..at + self.size * self.columns);
        part.unwrap_or_default()
    }

    /// The panels that the window has tokens in.
    pub(super) fn panels(&self) -> Range<usize> {
        self.window.start / self.columns..self.window.end.div_ceil(self.columns)
    }

    fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let (window, columns) = (self.window.clone(), self.columns);
        self.panels().map(move |panel| {
            let first = window.start.max(panel * columns);
            let last = window.end.min((panel + 1) * columns);
            Piece {
                panel,
                first: first - panel * columns,
                tokens: last - first,
            }
        })
    }

    /// Makes `keys` those of this head and window.
    pub(super) fn quantise(&self, keys: &mut Keys, dot: Option<Dot>) {
        let panels = self.panels().map(|panel| self.part(panel, 1));
        keys.fill(panels, self.size, self.columns, dot);
    }

    /// What the queries of `panel` get, into `to`, D numbers of each token; what is there of tokens of
    /// other windows stays.
    pub(super) fn attend(
        &self,
        panel: usize,
        scoring: &mut Scoring<'_>,
        scores: &mut Vec<f32>,
        to: &mut [f32],
    ) {
        let count = self.window.len() * self.columns;
        // What was there before is overwritten.
        if scores.len() < count {
            scores.resize(count, 0.0);
        }
        let scores = scores.get_mut(..count).unwrap_or_default();
        match scoring {
            Scoring::Floats if self.columns == self.sizes.lanes => {
                Score::<1>(self, panel, scores).dispatch();
            }
            Scoring::Floats => Score::<2>(self, panel, scores).dispatch(),
            Scoring::Int8(keys, dot) => self.score(panel, keys, *dot, scores),
        }
        if self.columns == self.sizes.lanes {
            Mix::<1>(self, panel, scores, to).dispatch();
        } else {
            Mix::<2>(self, panel, scores, to).dispatch();
        }
    }

    /// The scores by keys in eight bits.
    fn score(&self, panel: usize, keys: &mut Keys, dot: Option<Dot>, scores: &mut [f32]) {
        keys.ask(self.part(panel, 0), self.columns, dot);
        let mut rest = scores;
        for (at, piece) in self.pieces().enumerate() {
            for (start, rows) in Groups::new(piece.tokens, self.sizes.rows).all() {
                let Some((scores, later)) = rest.split_at_mut_checked(rows * self.columns) else {
                    return;
                };
                rest = later;
                let sizes = [self.columns, self.sizes.lanes];
                keys.product(at, piece.first + start, rows, sizes, dot, scores);
            }
        }
    }
}

/// The scores of a panel of `V` vectors of queries: how much each heeds each token of the window.
struct Score<'a, const V: usize>(&'a Head<'a>, usize, &'a mut [f32]);

impl<const V: usize> SimdOp for Score<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Score(head, panel, scores) = self;
        let columns = V * isa.f32().len();
        let queries = head.part(panel, 0);
        let mut rest = scores;
        for piece in head.pieces() {
            let keys = head.part(piece.panel, 1);
            for (start, rows) in Groups::new(piece.tokens, rows_at_once::<I>()).all() {
                let Some((scores, later)) = rest.split_at_mut_checked(rows * columns) else {
                    return;
                };
                rest = later;
                let keys = keys.get(piece.first + start..).unwrap_or_default();
                with_rows!(rows, isa: I, V, score(keys, queries, &mut *scores));
            }
        }
    }
}

/// Makes shares of the scores, and mixes the values by them.
struct Mix<'a, const V: usize>(&'a Head<'a>, usize, &'a mut [f32], &'a mut [f32]);

impl<const V: usize> SimdOp for Mix<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Mix(head, panel, scores, to) = self;
        let ops = isa.f32();
        let (lanes, columns) = (ops.len(), V * ops.len());
        let scale = (head.size as f32).sqrt().recip();
        let mut wholes = [ops.zero(); V];
        for (v, whole) in wholes.iter_mut().enumerate() {
            *whole = soften(isa, scores, v * lanes, columns, scale);
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
                mix(head, start, &*scores, wholes, own.clone(), &mut *to)
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

/// Makes shares of the scores in one vector of lanes, and gives one over what they sum up to.
#[inline(always)]
fn soften<I: Isa>(isa: I, scores: &mut [f32], at: usize, columns: usize, scale: f32) -> I::F32 {
    let ops = isa.f32();
    let lanes = ops.len();
    let mut most = ops.splat(f32::MIN);
    for row in scores.chunks_exact(columns) {
        if let Some(row) = row.get(at..at + lanes) {
            most = ops.max(most, ops.load(row));
        }
    }
    // e to the power of x is two to the power of x · log2(e).
    let scale = ops.splat(scale * std::f32::consts::LOG2_E);
    let least = ops.neg(ops.mul(most, scale));
    let mut sum = ops.zero();
    for row in scores.chunks_exact_mut(columns) {
        if let Some(row) = row.get_mut(at..at + lanes) {
            let share = power_of_two(isa, ops.mul_add(ops.load(row), scale, least));
            sum = ops.add(sum, share);
            ops.store(share, row);
        }
    }
    ops.reciprocal(sum)
}

/// 2ˣ for |x| up to a half, the constant first. The largest relative error is 2.2e-7 in single
/// precision; found as that of [`super::activation`]'s polynomial.
const POWER: [f32; 6] = [
    1.000_000_1,
    6.931_469_4e-1,
    2.402_212e-1,
    5.550_713e-2,
    9.675_541e-3,
    1.327_647_1e-3,
];

/// 2ˣ for x that is not above zero; about 1e-38 for all x below -126. `rten_vecmath` has one for all
/// numbers, which takes twice as long.
#[inline(always)]
fn power_of_two<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    /// Added to a number that is small beside it, it leaves the nearest whole number in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let (ops, whole) = (isa.f32(), isa.i32());
    let x = ops.max(x, ops.splat(-126.0));
    let rounded = ops.add(x, ops.splat(ROUND));
    let rest = ops.sub(x, ops.sub(rounded, ops.splat(ROUND)));
    let mut sum = ops.splat(POWER[POWER.len() - 1]);
    for &factor in POWER.iter().rev().skip(1) {
        sum = ops.mul_add(sum, rest, ops.splat(factor));
    }
    // Times a power of two by adding to the exponent.
    let exponent = whole.shift_left::<23>(rounded.reinterpret_cast());
    whole
        .add(sum.reinterpret_cast(), exponent)
        .reinterpret_cast()
}

/// Values times shares, over what the shares of each query sum up to.
#[inline(always)]
fn mix<I: Isa, const R: usize, const V: usize>(
    isa: I,
    head: &Head<'_>,
    start: usize,
    mut shares: &[f32],
    wholes: [I::F32; V],
    own: Range<usize>,
    to: &mut [f32],
) {
    let ops = isa.f32();
    let (lanes, columns) = (ops.len(), V * ops.len());
    let mut sums = zeros::<I, R, V>(isa);
    for piece in head.pieces() {
        let Some((now, later)) = shares.split_at_checked(piece.tokens * columns) else {
            return;
        };
        shares = later;
        let values = head.part(piece.panel, 2);
        let values = values.get(start * columns + piece.first..);
        sums = across::<I, R, V>(isa, values.unwrap_or_default(), now, sums);
    }
    let places = to.chunks_exact_mut(lanes).zip(sums.iter().flatten());
    for (at, (place, &sum)) in places.enumerate() {
        let v = at % V;
        let sum = ops.mul(sum, wholes[v]);
        let first = own.start.saturating_sub(v * lanes).min(lanes);
        let last = own.end.saturating_sub(v * lanes).min(lanes);
        let sum = if (first, last) == (0, lanes) {
            sum
        } else {
            // What other windows got in their lanes of the panel is left there.
            let sum = ops.select(sum, ops.load(place), ops.first_n_mask(last));
            ops.select(ops.load(place), sum, ops.first_n_mask(first))
        };
        ops.store(sum, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two to the power of some numbers.
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
    fn powers_of_two_are_right_to_six_digits_down_to_nearly_nothing() {
        let xs: Vec<f32> = (0..16 * 8000).map(|at| at as f32 / -1000.0).collect();
        let mut got = xs.clone();
        Powers(&mut got).dispatch();
        for (x, got) in xs.iter().zip(got) {
            let want = f64::from(x.max(-126.0)).exp2();
            assert!(
                (f64::from(got) / want - 1.0).abs() < 3e-7,
                "{x}: {got}, not {want}"
            );
        }
    }
}
