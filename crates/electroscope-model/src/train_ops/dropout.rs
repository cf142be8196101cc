//! Dropout: which values go is a function of a key and of a value's place, so nothing is kept for
//! the way back, and any part of a tensor can be computed on any thread.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::simd::{add, with_vectors};
use super::{PART, fits, floats, read, shaped};
use crate::chance::mixed;

/// Which values of one tensor are dropped.
#[derive(Clone, Copy, Debug)]
pub struct DropoutMask {
    key: u64,
    /// A value is dropped if chance, between 0 and 2³², is below this.
    least: u32,
    /// What the others are multiplied with.
    kept: f32,
}

impl DropoutMask {
    /// Drops `share` of the values, `0 <= share < 1`, as `key` says.
    pub fn new(key: u64, share: f32) -> DropoutMask {
        DropoutMask {
            key,
            least: (f64::from(share) * 2f64.powi(32)) as u32,
            kept: 1.0 / (1.0 - share),
        }
    }

    /// What value number `at` of the tensor is multiplied with.
    #[inline(always)]
    pub fn factor(self, at: u64) -> f32 {
        let chance = (mixed(self.key ^ at) >> 32) as u32;
        if chance >= self.least { self.kept } else { 0.0 }
    }

    /// All the factors of a tensor like `like`.
    fn mask(self, like: &Tensor) -> Result<Tensor> {
        let places = (0..like.elem_count() as u64).into_par_iter();
        let factors: Vec<f32> = places.map(|at| self.factor(at)).collect();
        Tensor::from_vec(factors, like.shape(), like.device())?.to_dtype(like.dtype())
    }
}

/// `xs` with values dropped.
///
/// # Errors
///
/// Those of the tensor operations.
pub fn dropout(xs: &Tensor, chance: DropoutMask) -> Result<Tensor> {
    let fitting = xs.contiguous()?;
    if fits(&fitting) {
        fitting.apply_op1(Dropped(chance))
    } else {
        xs * chance.mask(xs)?
    }
}

/// `xs` with values dropped, if any are, plus `more` of the same shape.
///
/// # Errors
///
/// Those of the tensor operations: shapes that differ.
pub fn add_dropped(xs: &Tensor, more: &Tensor, chance: Option<DropoutMask>) -> Result<Tensor> {
    let fitting = [xs.contiguous()?, more.contiguous()?];
    if fitting.iter().all(fits) && xs.dims() == more.dims() {
        let [xs, more] = fitting;
        return xs.apply_op2(&more, Added(chance));
    }
    match chance {
        Some(chance) => dropout(xs, chance)? + more,
        None => xs + more,
    }
}

/// Multiplies each number of `xs` with its factor, adds the number of `more` if there is one, and
/// writes it to `to`.
pub(crate) fn forward(
    xs: &[f32],
    more: Option<&[f32]>,
    chance: Option<DropoutMask>,
    to: &mut [f32],
) {
    let parts = xs.par_chunks(PART).zip(to.par_chunks_mut(PART));
    parts.enumerate().for_each(|(part, (xs, to))| {
        let first = part * PART;
        let more = more.map(|more| more.get(first..).unwrap_or_default());
        let places = first as u64..;
        with_vectors(
            #[inline(always)]
            || match (chance, more) {
                (Some(chance), Some(more)) => {
                    for (((to, x), more), at) in to.iter_mut().zip(xs).zip(more).zip(places) {
                        *to = x * chance.factor(at) + more;
                    }
                }
                (Some(chance), None) => {
                    for ((to, x), at) in to.iter_mut().zip(xs).zip(places) {
                        *to = x * chance.factor(at);
                    }
                }
                (None, Some(more)) => {
                    for ((to, x), more) in to.iter_mut().zip(xs).zip(more) {
                        *to = x + more;
                    }
                }
                (None, None) => to.copy_from_slice(xs),
            },
        );
    });
}

/// Multiplies each number with its factor, and adds the number of `more` if there is one.
pub(crate) fn in_place(numbers: &mut [f32], more: Option<&[f32]>, chance: Option<DropoutMask>) {
    let parts = numbers.par_chunks_mut(PART).enumerate();
    parts.for_each(|(part, numbers)| {
        let first = part * PART;
        with_vectors(
            #[inline(always)]
            || {
                if let Some(chance) = chance {
                    for (number, at) in numbers.iter_mut().zip(first as u64..) {
                        *number *= chance.factor(at);
                    }
                }
                if let Some(more) = more {
                    add(numbers, more.get(first..).unwrap_or_default());
                }
            },
        );
    });
}

/// The gradient of an operand that values were dropped of.
fn backward(xs: &Tensor, gradient: &Tensor, chance: DropoutMask) -> Result<Tensor> {
    let mut to = vec![0.0; xs.elem_count()];
    read(gradient, |ys| {
        forward(ys, None, Some(chance), &mut to);
        Ok(())
    })?;
    shaped(to, xs)
}

struct Dropped(DropoutMask);

impl CustomOp1 for Dropped {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let xs = floats(xs, at)?;
        let mut to = vec![0.0; xs.len()];
        forward(xs, None, Some(self.0), &mut to);
        Ok((CpuStorage::F32(to), at.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(backward(xs, gradient, self.0)?))
    }
}

struct Added(Option<DropoutMask>);

impl CustomOp2 for Added {
    fn name(&self) -> &'static str {
        "add-dropped"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        at: &Layout,
        more: &CpuStorage,
        more_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let xs = floats(xs, at)?;
        let mut to = vec![0.0; xs.len()];
        forward(xs, Some(floats(more, more_at)?), self.0, &mut to);
        Ok((CpuStorage::F32(to), at.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        more: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let to_operand = match self.0 {
            _ if !xs.track_op() => None,
            Some(chance) => Some(backward(xs, gradient, chance)?),
            None => Some(gradient.clone()),
        };
        Ok((to_operand, more.track_op().then(|| gradient.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{same, variable};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn what_is_dropped_does_not_depend_on_how_it_is_computed(
            (count, key) in (1..40_000_usize, any::<u64>()),
        ) {
            let (xs, more) = (variable(&[count], 1), variable(&[count], 2));
            let chance = DropoutMask::new(key, 0.1);
            let composed = || &*xs * chance.mask(&xs)?;
            same(std::slice::from_ref(&xs), || dropout(&xs, chance), composed);
            let both = [xs.clone(), more.clone()];
            let composed = || (&*xs * chance.mask(&xs)?)? + &*more;
            same(&both, || add_dropped(&xs, &more, Some(chance)), composed);
            same(&both, || add_dropped(&xs, &more, None), || &*xs + &*more);
        }
    }
}
