//! Attention of one head over one window.
//!
//! Queries stand side by side in the lanes of vectors and keys come one after the other, so softmax
//! runs down the lanes, without a sum across any vector, and the shares that come of it already
//! have the layout in which the product with the values wants them. What a query gets depends on
//! nothing but its window.

use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::Exp;

use super::linear::Rows;
use super::tile::{Sizes, VECTORS, groups, rows_at_once, tile, vectors, with_rows};

/// Room for the work of one thread.
#[derive(Debug, Default)]
pub(super) struct Room {
    keys: Rows,
    /// Panels of values: number `t * columns + c` of panel `p` is number `p * columns + c` of the
    /// value of token `t`.
    values: Vec<f32>,
    /// A panel of queries: number `d * columns + q` is number `d` of query `q`.
    queries: Vec<f32>,
    /// Number `t * columns + q`: how much query `q` heeds token `t`.
    scores: Vec<f32>,
}

/// One head over one window, or over some of its queries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// The rows of the window: query, key and value of all heads in each.
    pub(super) rows: &'a [f32],
    /// Numbers from row to row: 3H.
    pub(super) stride: usize,
    /// D.
    pub(super) size: usize,
    /// Which head.
    pub(super) head: usize,
    /// The first query.
    pub(super) first: usize,
}

impl Head<'_> {
    /// What as many queries get as `to` has rows of D numbers.
    pub(super) fn attend(self, room: &mut Room, sizes: Sizes, to: &mut [f32]) {
        let Head {
            rows,
            stride,
            size,
            head,
            first,
        } = self;
        let hidden = stride / 3;
        let tokens = rows.len() / stride;
        let columns = sizes.columns;
        let panels = size.div_ceil(columns);
        let Room {
            keys,
            values,
            queries,
            scores,
        } = room;
        let at = head * size;
        keys.fill(
            rows.get(hidden + at..).unwrap_or_default(),
            stride,
            tokens,
            size,
            sizes,
        );
        values.clear();
        values.resize(panels * tokens * columns, 0.0);
        for (row, token) in rows.chunks_exact(stride).zip(0..) {
            let value = row.get(2 * hidden + at..2 * hidden + at + size);
            for (panel, part) in value.unwrap_or_default().chunks(columns).enumerate() {
                let start = (panel * tokens + token) * columns;
                if let Some(to) = values.get_mut(start..start + part.len()) {
                    to.copy_from_slice(part);
                }
            }
        }
        scores.resize(tokens * columns, 0.0);
        let scale = (size as f32).sqrt().recip();
        let asking = rows.chunks_exact(stride).skip(first);
        let mut asking = asking.map(|row| row.get(at..at + size).unwrap_or_default());
        for to in to.chunks_mut(columns * size) {
            queries.clear();
            queries.resize(size * columns, 0.0);
            for (q, query) in asking.by_ref().take(to.len() / size).enumerate() {
                let places = queries.iter_mut().skip(q).step_by(columns);
                for (place, number) in places.zip(query) {
                    *place = number * scale;
                }
            }
            Attend {
                keys,
                values,
                queries,
                scores,
                size,
                to,
            }
            .dispatch();
        }
    }
}

/// At most a panel of queries.
struct Attend<'a> {
    keys: &'a Rows,
    values: &'a [f32],
    queries: &'a [f32],
    scores: &'a mut [f32],
    size: usize,
    to: &'a mut [f32],
}

impl SimdOp for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let columns = VECTORS * ops.len();
        let scores = self.scores;
        for (start, rows, numbers) in self.keys.groups() {
            let Some(to) = scores.get_mut(start * columns..) else {
                return;
            };
            with_rows!(rows, isa: I, score(numbers, self.queries, &mut *to));
        }

        let mut most = [ops.splat(f32::MIN); VECTORS];
        for row in scores.chunks_exact(columns) {
            let row = vectors(isa, row);
            most = std::array::from_fn(
                #[inline(always)]
                |c| ops.max(most[c], row[c]),
            );
        }
        let mut sums = [ops.zero(); VECTORS];
        for row in scores.chunks_exact_mut(columns) {
            for (c, place) in row.chunks_exact_mut(ops.len()).enumerate() {
                let share = Exp::apply(isa, ops.sub(ops.load(place), most[c]));
                sums[c] = ops.add(sums[c], share);
                ops.store(share, place);
            }
        }
        let wholes = sums.map(
            #[inline(always)]
            |sum| ops.reciprocal(sum).to_array(),
        );
        let wholes = wholes.iter().flat_map(|whole| whole.as_ref());

        let panels = self.values.chunks_exact(scores.len());
        for (panel, values) in panels.enumerate() {
            let first = panel * columns;
            let width = columns.min(self.size - first);
            let mut wholes = wholes.clone();
            for (start, rows) in groups(self.to.len() / self.size, rows_at_once::<I>()) {
                let (Some(shares), Some(to)) = (
                    scores.get(start..),
                    self.to.get_mut(start * self.size + first..),
                ) else {
                    return;
                };
                with_rows!(
                    rows,
                    isa: I,
                    mix(shares, values, &mut wholes, width, &mut *to, self.size)
                );
            }
        }
    }
}

/// Keys times a panel of queries.
#[inline(always)]
fn score<I: Isa, const ROWS: usize>(isa: I, keys: &[f32], queries: &[f32], to: &mut [f32]) {
    let ops = isa.f32();
    let sums = tile::<I, ROWS>(isa, keys, ROWS, queries);
    for (place, sum) in to.chunks_exact_mut(ops.len()).zip(sums.iter().flatten()) {
        ops.store(*sum, place);
    }
}

/// Shares times a panel of values, over what the shares of each query sum up to.
#[inline(always)]
fn mix<'a, I: Isa, const ROWS: usize>(
    isa: I,
    shares: &[f32],
    values: &[f32],
    wholes: &mut impl Iterator<Item = &'a f32>,
    width: usize,
    to: &mut [f32],
    stride: usize,
) {
    let ops = isa.f32();
    let sums = tile::<I, ROWS>(isa, shares, VECTORS * ops.len(), values);
    for (row, (sums, whole)) in to.chunks_mut(stride).zip(sums.iter().zip(wholes)) {
        let whole = ops.splat(*whole);
        let sums: [I::F32; VECTORS] = std::array::from_fn(
            #[inline(always)]
            |c| ops.mul(sums[c], whole),
        );
        let row = row.get_mut(..width).unwrap_or_default();
        let mut vectors = row.chunks_exact_mut(ops.len());
        let mut sums = sums.into_iter();
        for place in &mut vectors {
            if let Some(sum) = sums.next() {
                ops.store(sum, place);
            }
        }
        if let Some(sum) = sums.next() {
            for (place, number) in vectors.into_remainder().iter_mut().zip(sum.to_array()) {
                *place = number;
            }
        }
    }
}
