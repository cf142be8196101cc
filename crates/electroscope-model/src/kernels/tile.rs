//! The innermost product in f32: a few rows times a panel of tokens, with all sums in registers.
//!
//! A panel holds the tokens of one or two vectors side by side, one token to a lane, and their features
//! one after the other: element `f * columns + t` of a panel is feature `f` of token `t`. The result of a
//! product has the layout that the next product reads, a sum over a token's features runs within its
//! lane, and nothing is transposed.
//!
//! A sum over the depth is always taken from front to back in one chain of fused multiply-adds, so it
//! does not depend on what is computed beside it. This makes the logits of a window independent of its
//! batch, bit by bit, and the same with AVX2 as with AVX-512.

use std::mem::size_of;
use std::ops::Range;

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

/// How far ahead of their use weights are prefetched, in elements: one page, since the processor's own
/// prefetching stops at the end of a page. Without it a window of 32 tokens takes 1.7 times as long with
/// AVX-512, and eight windows of 128 tokens a tenth longer.
const AHEAD: usize = 4096 / size_of::<f32>();

/// The most rows that are multiplied at once: as many as have room for their sums in the registers of
/// `I`, beside two vectors of tokens and one weight. [`super::simd::InstructionSet::rows`] is the same
/// number at run time.
#[inline(always)]
pub(super) const fn rows_at_once<I: Isa>() -> usize {
    if size_of::<I::F32>() == 64 || cfg!(target_arch = "aarch64") {
        12
    } else {
        6
    }
}

/// The sums of `R` rows and `V` vectors of tokens.
pub(super) type Sums<I, const R: usize, const V: usize> = [[<I as Isa>::F32; V]; R];

/// Sums with every element zero.
#[inline(always)]
pub(super) fn zeros<I: Isa, const R: usize, const V: usize>(isa: I) -> Sums<I, R, V> {
    [[isa.f32().zero(); V]; R]
}

/// The `V` vectors of one feature of a panel.
///
/// This is a loop and no closure, because a closure is compiled apart from its caller, without the
/// caller's target features, and every load would become a function call.
#[inline(always)]
fn vectors<I: Isa, const V: usize>(isa: I, from: &[f32]) -> [I::F32; V] {
    let ops = isa.f32();
    let mut vectors = [ops.zero(); V];
    for (vector, from) in vectors.iter_mut().zip(from.chunks_exact(ops.len())) {
        *vector = ops.load(from);
    }
    vectors
}

/// Adds `R` rows times a panel to `sums`. The rows are stored depth first: element `d * step + r` of
/// `rows` is element `d` of row `r`.
#[inline(always)]
pub(super) fn tile<I: Isa, const R: usize, const V: usize>(
    isa: I,
    rows: &[f32],
    step: usize,
    panel: &[f32],
    mut sums: Sums<I, R, V>,
) -> Sums<I, R, V> {
    let ops = isa.f32();
    let columns = panel.chunks_exact(V * ops.len());
    for (row, columns) in rows.chunks(step).zip(columns) {
        let Some(row) = row.first_chunk::<R>() else {
            break;
        };
        let columns = vectors::<I, V>(isa, columns);
        // Each block of tokens reads the weights once, from a distant cache.
        ops.prefetch(row.as_ptr().wrapping_add(AHEAD));
        for r in 0..R {
            let weight = ops.splat(row[r]);
            for v in 0..V {
                sums[r][v] = ops.mul_add(weight, columns[v], sums[r][v]);
            }
        }
    }
    sums
}

/// As [`tile`], but the rows are features of a panel: element `r * columns + d` of `rows` is element `d`
/// of row `r`.
#[inline(always)]
pub(super) fn tile_of_panel<I: Isa, const R: usize, const V: usize>(
    isa: I,
    rows: &[f32],
    panel: &[f32],
    mut sums: Sums<I, R, V>,
) -> Sums<I, R, V> {
    let ops = isa.f32();
    let width = V * ops.len();
    for (d, columns) in panel.chunks_exact(width).enumerate() {
        let Some(row) = rows.get(d..d + (R - 1) * width + 1) else {
            break;
        };
        let columns = vectors::<I, V>(isa, columns);
        for r in 0..R {
            let number = ops.splat(row[r * width]);
            for v in 0..V {
                sums[r][v] = ops.mul_add(number, columns[v], sums[r][v]);
            }
        }
    }
    sums
}

/// Calls `$run::<I, R, V>($arguments)` where the constant `R` is the value of `$rows`, which is between 1
/// and [`rows_at_once`].
macro_rules! with_rows {
    ($rows:expr, $isa:ident: $Isa:ident, $V:ident, $run:ident($($argument:expr),*)) => {
        match $rows {
            1 => $run::<$Isa, 1, $V>($isa, $($argument),*),
            2 => $run::<$Isa, 2, $V>($isa, $($argument),*),
            3 => $run::<$Isa, 3, $V>($isa, $($argument),*),
            4 => $run::<$Isa, 4, $V>($isa, $($argument),*),
            5 => $run::<$Isa, 5, $V>($isa, $($argument),*),
            6 => $run::<$Isa, 6, $V>($isa, $($argument),*),
            rows if $crate::kernels::tile::rows_at_once::<$Isa>() > 6 => match rows {
                7 => $run::<$Isa, 7, $V>($isa, $($argument),*),
                8 => $run::<$Isa, 8, $V>($isa, $($argument),*),
                9 => $run::<$Isa, 9, $V>($isa, $($argument),*),
                10 => $run::<$Isa, 10, $V>($isa, $($argument),*),
                11 => $run::<$Isa, 11, $V>($isa, $($argument),*),
                12 => $run::<$Isa, 12, $V>($isa, $($argument),*),
                _ => {}
            },
            _ => {}
        }
    };
}
pub(super) use with_rows;

/// A number of rows divided into the fewest groups of at most some size, all as nearly equal as possible.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups {
    rows: usize,
    groups: usize,
}

impl Groups {
    pub(super) fn new(rows: usize, most: usize) -> Groups {
        Groups {
            rows,
            groups: rows.div_ceil(most.max(1)),
        }
    }

    /// The number of groups.
    pub(super) fn count(self) -> usize {
        self.groups
    }

    /// The first row of group `at`; for `at` equal to the number of groups, the number of rows.
    pub(super) fn start(self, at: usize) -> usize {
        let groups = self.groups.max(1);
        at * (self.rows / groups) + at.min(self.rows % groups)
    }

    /// The first row and the number of rows of each group in `from..to`.
    pub(super) fn between(self, from: usize, to: usize) -> impl Iterator<Item = (usize, usize)> {
        (from..to.min(self.groups))
            .map(move |at| (self.start(at), self.start(at + 1) - self.start(at)))
    }

    /// The first row and the number of rows of each group.
    pub(super) fn all(self) -> impl Iterator<Item = (usize, usize)> {
        self.between(0, self.groups)
    }
}

/// Some consecutive groups of the rows of a layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupRange {
    pub(super) groups: Groups,
    /// The first group.
    pub(super) first: usize,
    /// The group after the last.
    pub(super) last: usize,
}

impl GroupRange {
    /// The first row and the number of rows of each group.
    pub(super) fn iter(self) -> impl Iterator<Item = (usize, usize)> {
        self.groups.between(self.first, self.last)
    }

    /// Where the elements of these rows are in a panel of `columns` tokens.
    pub(super) fn elements(self, columns: usize) -> Range<usize> {
        self.groups.start(self.first) * columns..self.groups.start(self.last) * columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_every_row_once_and_are_as_equal_as_can_be() {
        for most in [1, 6, 12] {
            for count in 0..100 {
                let mut next = 0;
                let mut sizes = Vec::new();
                for (start, rows) in Groups::new(count, most).all() {
                    assert_eq!(start, next);
                    next += rows;
                    sizes.push(rows);
                }
                assert_eq!(next, count);
                assert_eq!(sizes.len(), count.div_ceil(most));
                let (low, high) = (sizes.iter().min(), sizes.iter().max());
                assert!(
                    high.zip(low)
                        .is_none_or(|(high, low)| high - low <= 1 && *high <= most)
                );
            }
        }
    }
}
