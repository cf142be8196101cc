//! The loss of a choice among many: how improbable a softmax finds the right ones.
//!
//! Over a vocabulary the table of logits is by far the largest thing in a step; it is read twice and
//! its gradient written once, and nothing else of its size exists.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::Exp;

use super::{fits, floats, read, shaped};

/// The mean over the rows of `logits` `(N, C)` of `-log softmax(row)[target]`, a scalar.
///
/// # Errors
///
/// Another number of targets than of rows, none at all, a target that there is no column for, and
/// what tensor operations meet.
pub fn cross_entropy(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    let (rows, columns) = logits.dims2()?;
    if rows != targets.len() || rows == 0 {
        candle_core::bail!("{} targets for {rows} rows of logits", targets.len());
    }
    if let Some(target) = targets.iter().find(|&&target| target as usize >= columns) {
        candle_core::bail!("target {target} among {columns} columns of logits");
    }
    let fitting = logits.contiguous()?;
    if fits(&fitting) {
        return fitting.apply_op1(CrossEntropy {
            targets: targets.to_vec(),
            columns,
            levels: Mutex::default(),
        });
    }
    let logits = logits.to_dtype(DType::F32)?;
    let most = logits.max_keepdim(1)?.detach();
    let centred = logits.broadcast_sub(&most)?;
    let levels = centred.exp()?.sum_keepdim(1)?.log()?;
    let targets = Tensor::new(targets, logits.device())?.unsqueeze(1)?;
    (levels - centred.gather(&targets, 1)?)?.mean_all()
}

struct CrossEntropy {
    targets: Vec<u32>,
    columns: usize,
    /// `log Σ exp` of each row, for the way back.
    levels: Mutex<Vec<Level>>,
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = floats(logits, at)?;
        let rows = logits.par_chunks(self.columns);
        let levels: Vec<Level> = rows.clone().map(|row| LevelOf(row).dispatch()).collect();
        let of_row = |((row, &target), level): ((&[f32], &u32), &Level)| {
            let logit = row.get(target as usize).copied().unwrap_or_default();
            f64::from(level.rest) - f64::from(logit - level.most)
        };
        let rows = logits.chunks(self.columns).zip(&self.targets).zip(&levels);
        let loss = rows.map(of_row).sum::<f64>() / self.targets.len() as f64;
        *self.levels.lock().unwrap_or_else(PoisonError::into_inner) = levels;
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let whole = gradient.to_scalar::<f32>()? / self.targets.len() as f32;
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut to = vec![0.0; logits.elem_count()];
        read(logits, |logits| {
            let rows = logits.par_chunks(self.columns).zip(&*levels);
            to.par_chunks_mut(self.columns)
                .zip(rows.zip(&self.targets))
                .for_each(|(to, ((row, &level), &target))| {
                    Shares {
                        row,
                        level,
                        whole,
                        to,
                    }
                    .dispatch();
                    if let Some(right) = to.get_mut(target as usize) {
                        *right -= whole;
                    }
                });
            Ok(())
        })?;
        Ok(Some(shaped(to, logits)?))
    }
}

/// `log Σ exp` of a row as the sum of two numbers: as one, a row of large logits would lose what tells
/// them apart.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// The largest logit.
    most: f32,
    /// `log Σ exp` of the row less that.
    rest: f32,
}

/// [`Level`] of a row.
struct LevelOf<'a>(&'a [f32]);

impl SimdOp for LevelOf<'_> {
    type Output = Level;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> Level {
        let ops = isa.f32();
        let parts = self.0.chunks_exact(ops.len());
        let rest = parts.remainder();
        let mut most = ops.splat(f32::MIN);
        for part in parts.clone() {
            most = ops.max(most, ops.load(part));
        }
        let most = most.to_array().into_iter().chain(rest.iter().copied());
        let most = most.fold(f32::MIN, f32::max);
        let middle = ops.splat(most);
        let mut sum = ops.zero();
        for part in parts {
            let power = ops.sub(ops.load(part), middle);
            sum = ops.add(sum, Exp::apply(isa, power));
        }
        let sum: f32 = ops.sum(sum) + rest.iter().map(|x| (x - most).exp()).sum::<f32>();
        Level {
            most,
            rest: sum.ln(),
        }
    }
}

/// `whole · exp(row - level)`.
struct Shares<'a> {
    row: &'a [f32],
    level: Level,
    whole: f32,
    to: &'a mut [f32],
}

impl SimdOp for Shares<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let Level { most, rest: level } = self.level;
        let (middle, fall, whole) = (ops.splat(most), ops.splat(level), ops.splat(self.whole));
        let mut places = self.to.chunks_exact_mut(ops.len());
        let parts = self.row.chunks_exact(ops.len());
        let rest = parts.remainder();
        for (place, part) in (&mut places).zip(parts) {
            let share = Exp::apply(isa, ops.sub(ops.sub(ops.load(part), middle), fall));
            ops.store(ops.mul(share, whole), place);
        }
        for (place, x) in places.into_remainder().iter_mut().zip(rest) {
            *place = (x - most - level).exp() * self.whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{same, variable};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_loss_and_its_gradient_are_those_of_candle(
            columns in 1..300_usize,
            picks in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        ) {
            let targets: Vec<u32> = picks.iter().map(|pick| pick.index(columns) as u32).collect();
            let logits = variable(&[targets.len(), columns], 1);
            let fused = || cross_entropy(&logits, &targets);
            let composed = || {
                let targets = Tensor::new(targets.as_slice(), logits.device())?;
                candle_nn::loss::cross_entropy(&logits, &targets)
            };
            same(std::slice::from_ref(&logits), fused, composed);
        }
    }

    #[test]
    fn targets_that_do_not_fit_the_logits_are_refused() {
        let logits = variable(&[2, 3], 1);
        assert!(cross_entropy(&logits, &[0]).is_err());
        assert!(cross_entropy(&logits, &[0, 3]).is_err());
    }
}
