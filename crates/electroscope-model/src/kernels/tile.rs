//! The innermost product: a few rows times a panel of tokens, all sums kept in registers.
//!
//! Everywhere in this room a panel holds some tokens side by side in the lanes of vectors, and their
//! numbers one after the other: number `f * columns + t` of a panel is number `f` of token `t`. What
//! a product gives has the layout that the next one reads, sums along a token are sums down the lanes,
//! and nothing is ever transposed.
//!
//! It is written once, over [`rten_simd`]'s portable vectors, which choose AVX-512, AVX2, NEON or plain
//! arithmetic when the program runs. A sum over the depth is always taken from front to back in one
//! chain, so it does not depend on what is computed beside it: this is what makes the answer to a
//! window independent of its batch, bit by bit.

use std::mem::size_of;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

/// The most rows that [`tile`] is made for.
const MOST_ROWS: usize = 12;

/// How far ahead rows are fetched: a page, at whose end the processor itself stops fetching. Without it
/// a window of 32 tokens takes 1.7 times as long, and eight of 128 a tenth longer.
const AHEAD: usize = 4096 / size_of::<f32>();

/// How many rows fit into the registers of `I` beside what else is needed there: thirty-two of them
/// on AVX-512 and NEON, sixteen on AVX2.
#[inline(always)]
pub(super) fn rows_at_once<I: Isa>() -> usize {
    if size_of::<I::F32>() == 64 || cfg!(target_arch = "aarch64") {
        MOST_ROWS
    } else {
        6
    }
}

/// How the arithmetic of this machine wants its operands laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Tokens in a vector.
    pub(super) lanes: usize,
    /// The most rows in a group.
    pub(super) rows: usize,
}

impl Sizes {
    /// Those of this machine.
    pub(super) fn here() -> Sizes {
        struct Ask;
        impl SimdOp for Ask {
            type Output = Sizes;
            #[inline(always)]
            fn eval<I: Isa>(self, isa: I) -> Sizes {
                Sizes {
                    lanes: isa.f32().len(),
                    rows: rows_at_once::<I>(),
                }
            }
        }
        Ask.dispatch()
    }
}

/// What the instructions of this machine's vectors are called.
pub(super) fn instructions() -> &'static str {
    match Sizes::here().lanes {
        16 => "AVX-512",
        8 => "AVX2",
        _ if cfg!(target_arch = "aarch64") => "NEON",
        _ => "no vectors",
    }
}

/// The sums of `R` rows and `V` vectors of tokens.
pub(super) type Sums<I, const R: usize, const V: usize> = [[<I as Isa>::F32; V]; R];

/// Sums that nothing was added to yet.
#[inline(always)]
pub(super) fn zeros<I: Isa, const R: usize, const V: usize>(isa: I) -> Sums<I, R, V> {
    [[isa.f32().zero(); V]; R]
}

/// The vectors of one number of a panel. No closure around the loads: one that is compiled apart from
/// its caller would not know the caller's instructions, and every load would be a call.
#[inline(always)]
fn vectors<I: Isa, const V: usize>(isa: I, from: &[f32]) -> [I::F32; V] {
    let ops = isa.f32();
    let mut vectors = [ops.zero(); V];
    for (vector, from) in vectors.iter_mut().zip(from.chunks_exact(ops.len())) {
        *vector = ops.load(from);
    }
    vectors
}

/// Adds `R` rows times a panel to `sums`. The rows come depth first: number `d * step + r` of `rows` is
/// number `d` of row `r`.
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
        // Weights are read once for each block of tokens, from far away.
        ops.prefetch(row.as_ptr().wrapping_add(AHEAD));
        for r in 0..R {
            let number = ops.splat(row[r]);
            for v in 0..V {
                sums[r][v] = ops.mul_add(number, columns[v], sums[r][v]);
            }
        }
    }
    sums
}

/// As [`tile`], but the rows lie as in a panel: number `r * columns + d` of `rows` is number `d` of row
/// `r`.
#[inline(always)]
pub(super) fn across<I: Isa, const R: usize, const V: usize>(
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

/// Calls `$run::<I, R, V>($arguments)` with `R` the number of `$rows`, from 1 to the most there can be.
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

/// `count` rows cut into the fewest groups of at most `most`, as equal as can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups {
    count: usize,
    number: usize,
}

impl Groups {
    pub(super) fn new(count: usize, most: usize) -> Groups {
        Groups {
            count,
            number: count.div_ceil(most.max(1)),
        }
    }

    /// How many groups.
    pub(super) fn number(self) -> usize {
        self.number
    }

    /// The first row of group `at`; the number of rows for the group after the last.
    pub(super) fn start(self, at: usize) -> usize {
        let number = self.number.max(1);
        at * (self.count / number) + at.min(self.count % number)
    }

    /// The first row and the number of rows of each group from `from` to before `to`.
    pub(super) fn between(self, from: usize, to: usize) -> impl Iterator<Item = (usize, usize)> {
        (from..to.min(self.number))
            .map(move |at| (self.start(at), self.start(at + 1) - self.start(at)))
    }

    /// The first row and the number of rows of each group.
    pub(super) fn all(self) -> impl Iterator<Item = (usize, usize)> {
        self.between(0, self.number)
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
