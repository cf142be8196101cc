//! Loops over rows of numbers in the widest vectors of the machine.
//!
//! They are written as plain loops over [`LANES`] numbers at a time and compiled once for each kind
//! of vectors; which is taken is seen at run time. A sum has as many parts as there are lanes,
//! whatever the vectors, so all machines add in the same order.

use rten_simd::{Isa, SimdOp};

/// Numbers taken side by side.
const LANES: usize = 16;

/// Runs `work`, which should be marked `#[inline(always)]`, compiled for this machine's vectors.
pub(crate) fn with_vectors<R>(work: impl FnOnce() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnOnce() -> R> SimdOp for Work<F> {
        type Output = R;
        #[inline(always)]
        fn eval<I: Isa>(self, _: I) -> R {
            (self.0)()
        }
    }
    Work(work).dispatch()
}

/// The sum of `value` of each number.
#[inline(always)]
pub(crate) fn sum(xs: &[f32], value: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = xs.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for xs in whole {
        for (sum, x) in sums.iter_mut().zip(xs) {
            *sum += value(*x);
        }
    }
    let mut all = total(sums);
    for x in rest {
        all += value(*x);
    }
    all
}

/// The sum of `value` of each pair of numbers.
#[inline(always)]
pub(crate) fn sum_of_pairs(xs: &[f32], ys: &[f32], value: impl Fn(f32, f32) -> f32) -> f32 {
    let ((xs, xs_end), (ys, ys_end)) = (xs.as_chunks::<LANES>(), ys.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (xs, ys) in xs.iter().zip(ys) {
        for ((sum, x), y) in sums.iter_mut().zip(xs).zip(ys) {
            *sum += value(*x, *y);
        }
    }
    let mut all = total(sums);
    for (x, y) in xs_end.iter().zip(ys_end) {
        all += value(*x, *y);
    }
    all
}

#[inline(always)]
fn total(sums: [f32; LANES]) -> f32 {
    let mut left = LANES / 2;
    let mut sums = sums;
    while left > 0 {
        let (low, high) = sums.split_at_mut(left);
        for (low, high) in low.iter_mut().zip(high) {
            *low += *high;
        }
        left /= 2;
    }
    sums[0]
}

/// Adds `more` to `to`.
#[inline(always)]
pub(crate) fn add(to: &mut [f32], more: &[f32]) {
    for (to, more) in to.iter_mut().zip(more) {
        *to += *more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_takes_every_number_once() {
        for count in 0..70 {
            let xs: Vec<f32> = (0..count).map(|at| at as f32).collect();
            let wanted: f32 = xs.iter().sum();
            assert_eq!(sum(&xs, |x| x), wanted);
            assert_eq!(sum_of_pairs(&xs, &xs, |x, y| 3.0 * x - y), 2.0 * wanted);
        }
    }
}
