//! The innermost product: a few rows times two vectors of columns, all sums kept in registers.
//!
//! Everything above it calls it with its operands laid out in panels, so that it reads both from
//! front to back. It is written once, over [`rten_simd`]'s portable vectors, which choose AVX-512,
//! AVX2, NEON or plain arithmetic when the program runs. A sum over the depth is always taken from
//! front to back in one chain, so it does not depend on how many rows are computed beside it: this
//! is what makes the answer to a window independent of its batch, bit by bit.

use std::mem::size_of;

use rten_simd::Isa;
use rten_simd::SimdOp;
use rten_simd::ops::{BitOps, NumOps};

/// Vectors in a panel of columns.
pub(super) const VECTORS: usize = 2;

/// The most rows that [`tile`] is made for.
const MOST_ROWS: usize = 12;

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
    /// Columns in a panel.
    pub(super) columns: usize,
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
                    columns: VECTORS * isa.f32().len(),
                    rows: rows_at_once::<I>(),
                }
            }
        }
        Ask.dispatch()
    }
}

/// The vectors of one row of a panel. Two loads, and no closure around them: one that is compiled
/// apart from its caller would not know the caller's instructions, and every load would be a call.
#[inline(always)]
pub(super) fn vectors<I: Isa>(isa: I, from: &[f32]) -> [I::F32; VECTORS] {
    let ops = isa.f32();
    let (first, second) = from.split_at(ops.len());
    [ops.load(first), ops.load(second)]
}

/// `ROWS` rows times one panel of columns. The rows come depth first: number `d * step + r` of
/// `rows` is number `d` of row `r`. The panel likewise: its number `d * columns + c`.
#[inline(always)]
pub(super) fn tile<I: Isa, const ROWS: usize>(
    isa: I,
    rows: &[f32],
    step: usize,
    panel: &[f32],
) -> [[I::F32; VECTORS]; ROWS] {
    let ops = isa.f32();
    let mut sums = [[ops.zero(); VECTORS]; ROWS];
    let columns = panel.chunks_exact(VECTORS * ops.len());
    for (row, columns) in rows.chunks(step).zip(columns) {
        let Some(row) = row.first_chunk::<ROWS>() else {
            break;
        };
        let columns = vectors(isa, columns);
        for r in 0..ROWS {
            let number = ops.splat(row[r]);
            for c in 0..VECTORS {
                sums[r][c] = ops.mul_add(number, columns[c], sums[r][c]);
            }
        }
    }
    sums
}

/// Calls `$run::<I, R>($arguments)` with `R` the number of `$rows`, from 1 to the most there can be.
macro_rules! with_rows {
    ($rows:expr, $isa:ident: $Isa:ident, $run:ident($($argument:expr),*)) => {
        match $rows {
            1 => $run::<$Isa, 1>($isa, $($argument),*),
            2 => $run::<$Isa, 2>($isa, $($argument),*),
            3 => $run::<$Isa, 3>($isa, $($argument),*),
            4 => $run::<$Isa, 4>($isa, $($argument),*),
            5 => $run::<$Isa, 5>($isa, $($argument),*),
            6 => $run::<$Isa, 6>($isa, $($argument),*),
            rows if $crate::model::fast::tile::rows_at_once::<$Isa>() > 6 => match rows {
                7 => $run::<$Isa, 7>($isa, $($argument),*),
                8 => $run::<$Isa, 8>($isa, $($argument),*),
                9 => $run::<$Isa, 9>($isa, $($argument),*),
                10 => $run::<$Isa, 10>($isa, $($argument),*),
                11 => $run::<$Isa, 11>($isa, $($argument),*),
                12 => $run::<$Isa, 12>($isa, $($argument),*),
                _ => {}
            },
            _ => {}
        }
    };
}
pub(super) use with_rows;

/// Cuts `count` rows into the fewest groups of at most `most`, as equal as can be: first row and
/// number of rows of each.
pub(super) fn groups(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let number = count.div_ceil(most.max(1)).max(1);
    let (each, more) = (count / number, count % number);
    (0..number)
        .map(move |group| {
            let start = group * each + group.min(more);
            (start, each + usize::from(group < more))
        })
        .filter(|&(_, rows)| rows > 0)
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
                for (start, rows) in groups(count, most) {
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
