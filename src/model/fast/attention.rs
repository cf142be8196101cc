//! Attention of one head: the queries of a panel over the tokens of a window.
//!
//! Queries stand side by side in the lanes of vectors and keys come one after the other, so softmax
//! runs down the lanes, without a sum across any vector, and the shares that come of it are a panel as
//! the product with the values wants it. What a query gets depends on nothing but its window.

use std::ops::Range;

use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, SimdOp, SimdUnaryOp};
use rten_vecmath::Exp;

use super::tile::{Groups, across, rows_at_once, tile, with_rows, zeros};

/// One head of a panel of queries, over a window that some of its tokens belong to.
pub(super) struct Of<'a> {
    /// Panels of queries, keys and values: 3H numbers of each token.
    pub(super) asked: &'a [f32],
    /// H.
    pub(super) hidden: usize,
    /// D.
    pub(super) size: usize,
    /// Which head.
    pub(super) head: usize,
    /// Which panel asks.
    pub(super) panel: usize,
    /// The tokens of the window, counted through all panels.
    pub(super) window: Range<usize>,
    /// Room for as many panels' worth of numbers as the window has tokens.
    pub(super) scores: &'a mut Vec<f32>,
    /// Where what the queries get goes: D numbers of each token of the panel.
    pub(super) to: &'a mut [f32],
}

/// The same for panels of `V` vectors.
pub(super) struct Attend<'a, const V: usize>(pub(super) Of<'a>);

/// A part of a window that lies in one panel.
struct Piece<'a> {
    keys: &'a [f32],
    values: &'a [f32],
    /// The first token, counted within the panel.
    first: usize,
    tokens: usize,
}

impl<const V: usize> SimdOp for Attend<'_, V> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let (lanes, columns) = (ops.len(), V * ops.len());
        let Of {
            asked,
            hidden,
            size,
            head,
            panel,
            window,
            scores,
            to,
        } = self.0;
        let length = window.len();
        // What was there before is overwritten.
        if scores.len() < length * columns {
            scores.resize(length * columns, 0.0);
        }
        let scores = scores.get_mut(..length * columns).unwrap_or_default();
        let part = |panel: usize, which: usize| {
            let at = (panel * 3 * hidden + which * hidden + head * size) * columns;
            asked.get(at..at + size * columns).unwrap_or_default()
        };
        let pieces = (window.start / columns..window.end.div_ceil(columns)).map(|panel| {
            let first = window.start.max(panel * columns);
            let last = window.end.min((panel + 1) * columns);
            Piece {
                keys: part(panel, 1),
                values: part(panel, 2),
                first: first - panel * columns,
                tokens: last - first,
            }
        });

        let queries = part(panel, 0);
        let mut rest = &mut *scores;
        for piece in pieces.clone() {
            for (start, rows) in Groups::new(piece.tokens, rows_at_once::<I>()).all() {
                let Some((scores, later)) = rest.split_at_mut_checked(rows * columns) else {
                    return;
                };
                rest = later;
                let keys = piece.keys.get(piece.first + start..).unwrap_or_default();
                with_rows!(rows, isa: I, V, score(keys, queries, &mut *scores));
            }
        }

        let scale = (size as f32).sqrt().recip();
        let mut wholes = [ops.zero(); V];
        for (v, whole) in wholes.iter_mut().enumerate() {
            *whole = soften(isa, scores, v * lanes, columns, scale);
        }

        // The lanes of the panel that belong to the window.
        let own = window.start.saturating_sub(panel * columns)
            ..(window.end - panel * columns).min(columns);
        for (start, rows) in Groups::new(size, rows_at_once::<I>()).all() {
            let Some(to) = to.get_mut(start * columns..(start + rows) * columns) else {
                return;
            };
            let pieces = pieces.clone();
            with_rows!(rows, isa: I, V, mix(pieces, start, &*scores, wholes, own.clone(), &mut *to));
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
    let scale = ops.splat(scale);
    let mut sum = ops.zero();
    for row in scores.chunks_exact_mut(columns) {
        if let Some(row) = row.get_mut(at..at + lanes) {
            let share = Exp::apply(isa, ops.mul(ops.sub(ops.load(row), most), scale));
            sum = ops.add(sum, share);
            ops.store(share, row);
        }
    }
    ops.reciprocal(sum)
}

/// Values times shares, over what the shares of each query sum up to.
#[inline(always)]
fn mix<'a, I: Isa, const R: usize, const V: usize>(
    isa: I,
    pieces: impl Iterator<Item = Piece<'a>>,
    start: usize,
    mut shares: &[f32],
    wholes: [I::F32; V],
    own: Range<usize>,
    to: &mut [f32],
) {
    let ops = isa.f32();
    let (lanes, columns) = (ops.len(), V * ops.len());
    let mut sums = zeros::<I, R, V>(isa);
    for piece in pieces {
        let Some((now, later)) = shares.split_at_checked(piece.tokens * columns) else {
            return;
        };
        shares = later;
        let values = piece.values.get(start * columns + piece.first..);
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
