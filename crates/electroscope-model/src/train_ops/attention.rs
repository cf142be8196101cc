//! Attention of all heads, from queries, keys and values to what each token gets.
//!
//! Heads are read where they lie, column by column of `(B, T, H)`: nothing is transposed. The shares
//! of each head are kept for the way back, but not which of them were dropped: that is a function of
//! a key. Threads take whole windows.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use rten_simd::SimdOp;
use rten_vecmath::Softmax;

use super::dropout::DropoutMask;
use super::product::{Matrix, product_into};
use super::simd::{sum_of_pairs, with_vectors};
use super::{fits, floats, is_half, matmul, read, shaped};

/// How attention is divided, and which of its shares are dropped.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// How many heads there are; each has as many numbers of H.
    pub heads: usize,
    /// Which shares are dropped, if any: a share's place is that in `(B, heads, T, T)`.
    pub chance: Option<DropoutMask>,
}

/// `(B, T, H)` queries, keys and values to `(B, T, H)`. `mask`, `(B, 1, 1, T)`, is added to the scores
/// of every query.
///
/// # Errors
///
/// Those of the tensor operations: shapes that do not fit.
pub fn attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    mask: Option<&Tensor>,
    heads: Heads,
) -> Result<Tensor> {
    let (windows, tokens, hidden) = query.dims3()?;
    let bad = key.dims() != query.dims() || value.dims() != query.dims();
    if bad || !hidden.is_multiple_of(heads.heads.max(1)) {
        candle_core::bail!(
            "attention of {} heads got {:?}, {:?} and {:?}",
            heads.heads,
            query.dims(),
            key.dims(),
            value.dims()
        );
    }
    let size = hidden / heads.heads;
    let parts = [query.contiguous()?, key.contiguous()?, value.contiguous()?];
    if parts.iter().all(fits) {
        let mask = match mask {
            Some(mask) => {
                let mask = mask.broadcast_as((windows, 1, 1, tokens))?;
                Some(mask.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
            }
            None => None,
        };
        let kept = parts.iter().any(Tensor::track_op);
        let [query, key, value] = parts;
        let op = Attention {
            shape: Sizes {
                tokens,
                heads: heads.heads,
                size,
            },
            mask,
            chance: heads.chance,
            shares: kept.then(Mutex::default),
        };
        return query.apply_op3(&key, &value, op);
    }
    let by_head = |xs: &Tensor| {
        // (B, T, H) -> (B, heads, T, D)
        xs.reshape((windows, tokens, heads.heads, size))?
            .transpose(1, 2)?
            .contiguous()
    };
    let (query, key, value) = (by_head(query)?, by_head(key)?, by_head(value)?);
    let scores = (matmul(&query, &key.t()?)? / (size as f64).sqrt())?; // (B, heads, T, T)
    let scores = match is_half(&scores) {
        true => scores.to_dtype(DType::F32)?,
        false => scores,
    };
    let scores = match mask {
        Some(mask) => scores.broadcast_add(&mask.to_dtype(scores.dtype())?)?,
        None => scores,
    };
    let mut shares = candle_nn::ops::softmax(&scores, D::Minus1)?;
    if let Some(chance) = heads.chance {
        shares = super::dropout(&shares, chance)?;
    }
    // (B, heads, T, D) -> (B, T, H)
    matmul(&shares.to_dtype(value.dtype())?, &value)?
        .transpose(1, 2)?
        .reshape((windows, tokens, hidden))
}

/// Of one window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// T.
    pub(crate) tokens: usize,
    /// How many heads.
    pub(crate) heads: usize,
    /// D.
    pub(crate) size: usize,
}

impl Sizes {
    pub(crate) fn hidden(self) -> usize {
        self.heads * self.size
    }

    /// The shares of all heads of a window.
    pub(crate) fn shares(self) -> usize {
        self.heads * self.tokens * self.tokens
    }

    /// What head `head` has of a window's rows.
    fn head(self, rows: &[f32], head: usize) -> Matrix<'_> {
        let rows = rows.get(head * self.size..).unwrap_or_default();
        Matrix::within(rows, self.tokens, self.size, self.hidden())
    }

    /// Writes `from`, the rows of one head, to where they lie among the rows of a window.
    fn put(self, from: &[f32], head: usize, to: &mut [f32]) {
        let at = head * self.size;
        let rows = to.chunks_exact_mut(self.hidden());
        for (to, from) in rows.zip(from.chunks_exact(self.size)) {
            if let Some(to) = to.get_mut(at..at + self.size) {
                to.copy_from_slice(from);
            }
        }
    }
}

/// Queries, keys and values, or their gradients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Qkv<T> {
    pub(crate) query: T,
    pub(crate) key: T,
    pub(crate) value: T,
}

/// Writes what every token of every window gets to `to`, and the shares, before any is dropped, to
/// `kept` if that is given.
pub(crate) fn forward(
    sizes: Sizes,
    asked: Qkv<&[f32]>,
    mask: Option<&[f32]>,
    chance: Option<DropoutMask>,
    kept: Option<&mut [f32]>,
    to: &mut [f32],
) -> Result<()> {
    let rows = sizes.tokens * sizes.hidden();
    if rows == 0 {
        return Ok(());
    }
    let kept: Vec<Option<&mut [f32]>> = match kept {
        Some(kept) => kept.chunks_mut(sizes.shares()).map(Some).collect(),
        None => (0..to.len() / rows).map(|_| None).collect(),
    };
    let parts = (asked.query.par_chunks(rows))
        .zip(asked.key.par_chunks(rows))
        .zip(asked.value.par_chunks(rows));
    to.par_chunks_mut(rows)
        .zip(parts)
        .zip(kept)
        .enumerate()
        .try_for_each(|(window, ((to, ((query, key), value)), mut kept))| {
            let asked = Qkv { query, key, value };
            let mask = mask.and_then(|mask| mask.chunks_exact(sizes.tokens).nth(window));
            let tokens = sizes.tokens;
            let mut scores = vec![0.0; tokens * tokens];
            let mut own = vec![0.0; tokens * sizes.size];
            for head in 0..sizes.heads {
                let (query, key) = (sizes.head(asked.query, head), sizes.head(asked.key, head));
                let scale = (sizes.size as f32).sqrt().recip();
                product_into(query, key.transposed(), scale, 0.0, &mut scores)?;
                for row in scores.chunks_exact_mut(tokens) {
                    if let Some(mask) = mask {
                        super::simd::add(row, mask);
                    }
                    Softmax::new_mut(row).dispatch();
                }
                if let Some(kept) = &mut kept {
                    let mut kept = kept.chunks_exact_mut(tokens * tokens);
                    if let Some(kept) = kept.nth(head) {
                        kept.copy_from_slice(&scores);
                    }
                }
                if let Some(chance) = chance {
                    let first = (window * sizes.shares() + head * tokens * tokens) as u64;
                    drop(&mut scores, first, chance);
                }
                let value = sizes.head(asked.value, head);
                product_into(Matrix::new(&scores, tokens), value, 1.0, 0.0, &mut own)?;
                sizes.put(&own, head, to);
            }
            Ok(())
        })
}

/// Drops numbers, the first of which is number `first` of its tensor.
fn drop(numbers: &mut [f32], first: u64, chance: DropoutMask) {
    with_vectors(
        #[inline(always)]
        || {
            for (number, at) in numbers.iter_mut().zip(first..) {
                *number *= chance.factor(at);
            }
        },
    );
}

/// Takes the gradients `ys` of the results back to queries, keys and values, into `to`.
pub(crate) fn backward(
    sizes: Sizes,
    asked: Qkv<&[f32]>,
    shares: &[f32],
    chance: Option<DropoutMask>,
    ys: &[f32],
    to: Qkv<&mut [f32]>,
) -> Result<()> {
    let rows = sizes.tokens * sizes.hidden();
    if rows == 0 {
        return Ok(());
    }
    let parts = (asked.query.par_chunks(rows))
        .zip(asked.key.par_chunks(rows))
        .zip(asked.value.par_chunks(rows))
        .zip(ys.par_chunks(rows))
        .zip(shares.par_chunks(sizes.shares()));
    (to.query.par_chunks_mut(rows))
        .zip(to.key.par_chunks_mut(rows))
        .zip(to.value.par_chunks_mut(rows))
        .zip(parts)
        .enumerate()
        .try_for_each(
            |(window, (((to_query, to_key), to_value), ((((query, key), value), ys), shares)))| {
                let tokens = sizes.tokens;
                let mut dropped = vec![0.0; tokens * tokens];
                let mut scores = vec![0.0; tokens * tokens];
                let mut own = vec![0.0; tokens * sizes.size];
                for (head, shares) in shares.chunks_exact(tokens * tokens).enumerate() {
                    let first = (window * sizes.shares() + head * tokens * tokens) as u64;
                    let ys = sizes.head(ys, head);
                    dropped.copy_from_slice(shares);
                    if let Some(chance) = chance {
                        drop(&mut dropped, first, chance);
                    }
                    let given = Matrix::new(&dropped, tokens).transposed();
                    product_into(given, ys, 1.0, 0.0, &mut own)?;
                    sizes.put(&own, head, to_value);

                    let value = sizes.head(value, head);
                    product_into(ys, value.transposed(), 1.0, 0.0, &mut scores)?;
                    if let Some(chance) = chance {
                        drop(&mut scores, first, chance);
                    }
                    through_softmax(shares, &mut scores, tokens);

                    let scale = (sizes.size as f32).sqrt().recip();
                    let scores = Matrix::new(&scores, tokens);
                    product_into(scores, sizes.head(key, head), scale, 0.0, &mut own)?;
                    sizes.put(&own, head, to_query);
                    let query = sizes.head(query, head);
                    product_into(scores.transposed(), query, scale, 0.0, &mut own)?;
                    sizes.put(&own, head, to_key);
                }
                Ok(())
            },
        )
}

/// Takes gradients of shares back to gradients of scores, in place.
fn through_softmax(shares: &[f32], gradients: &mut [f32], tokens: usize) {
    with_vectors(
        #[inline(always)]
        || {
            let rows = shares.chunks_exact(tokens);
            for (shares, gradients) in rows.zip(gradients.chunks_exact_mut(tokens)) {
                let mean = sum_of_pairs(shares, gradients, |share, gradient| share * gradient);
                for (gradient, share) in gradients.iter_mut().zip(shares) {
                    *gradient = share * (*gradient - mean);
                }
            }
        },
    );
}

struct Attention {
    shape: Sizes,
    mask: Option<Vec<f32>>,
    chance: Option<DropoutMask>,
    /// For the way back, if there is one.
    shares: Option<Mutex<Vec<f32>>>,
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        query: &CpuStorage,
        query_at: &Layout,
        key: &CpuStorage,
        key_at: &Layout,
        value: &CpuStorage,
        value_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let asked = Qkv {
            query: floats(query, query_at)?,
            key: floats(key, key_at)?,
            value: floats(value, value_at)?,
        };
        let windows = query_at.dims().first().copied().unwrap_or_default();
        let mut to = vec![0.0; asked.query.len()];
        let mut shares = match &self.shares {
            Some(_) => vec![0.0; windows * self.shape.shares()],
            None => Vec::new(),
        };
        forward(
            self.shape,
            asked,
            self.mask.as_deref(),
            self.chance,
            self.shares.is_some().then_some(shares.as_mut_slice()),
            &mut to,
        )?;
        if let Some(kept) = &self.shares {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = shares;
        }
        Ok((CpuStorage::F32(to), query_at.shape().clone()))
    }

    fn bwd(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(shares) = &self.shares else {
            return Ok((None, None, None));
        };
        let shares = shares.lock().unwrap_or_else(PoisonError::into_inner);
        let count = query.elem_count();
        let (mut queries, mut keys, mut values) =
            (vec![0.0; count], vec![0.0; count], vec![0.0; count]);
        read(query, |query| {
            read(key, |key| {
                read(value, |value| {
                    read(gradient, |ys| {
                        let to = Qkv {
                            query: queries.as_mut_slice(),
                            key: keys.as_mut_slice(),
                            value: values.as_mut_slice(),
                        };
                        let asked = Qkv { query, key, value };
                        backward(self.shape, asked, &shares, self.chance, ys, to)
                    })
                })
            })
        })?;
        let tracked =
            |numbers, like: &Tensor| like.track_op().then(|| shaped(numbers, like)).transpose();
        Ok((
            tracked(queries, query)?,
            tracked(keys, key)?,
            tracked(values, value)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{same, variable};
    use super::*;
    use candle_core::Device;
    use proptest::prelude::*;

    /// The same by candle's operations alone.
    fn composed(
        parts: &[candle_core::Var; 3],
        mask: Option<&Tensor>,
        heads: usize,
        chance: Option<DropoutMask>,
    ) -> Result<Tensor> {
        let (windows, tokens, hidden) = parts[0].dims3()?;
        let [query, key, value] = parts.each_ref().map(|part| {
            let by_head = part.reshape((windows, tokens, heads, hidden / heads));
            by_head
                .unwrap()
                .transpose(1, 2)
                .unwrap()
                .contiguous()
                .unwrap()
        });
        let mut scores = (query.matmul(&key.t()?)? / ((hidden / heads) as f64).sqrt())?;
        if let Some(mask) = mask {
            scores = scores.broadcast_add(mask)?;
        }
        let mut shares = candle_nn::ops::softmax(&scores, D::Minus1)?;
        if let Some(chance) = chance {
            let factors = (0..shares.elem_count() as u64).map(|at| chance.factor(at));
            let factors = Tensor::from_iter(factors, &Device::Cpu)?;
            shares = (&shares * factors.reshape(shares.shape())?)?;
        }
        let context = shares.matmul(&value)?.transpose(1, 2)?;
        context.reshape((windows, tokens, hidden))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn attention_and_its_gradients_are_those_of_candle(
            (windows, tokens, heads, size) in (1..4_usize, 1..40_usize, 1..4_usize, 1..20_usize),
            padded in any::<bool>(),
            key in any::<Option<u64>>(),
        ) {
            let parts = [1, 2, 3].map(|seed| variable(&[windows, tokens, heads * size], seed));
            // The last window is full, and each before it one token shorter.
            let mask = (0..windows).flat_map(|window| {
                let length = tokens.saturating_sub(windows - 1 - window).max(1);
                (0..tokens).map(move |at| if at < length { 0.0 } else { f32::MIN })
            });
            let mask = Tensor::from_iter(mask, &Device::Cpu).unwrap();
            let mask = mask.reshape((windows, 1, 1, tokens)).unwrap();
            let mask = padded.then_some(&mask);
            let chance = key.map(|key| DropoutMask::new(key, 0.2));
            let fused = || {
                let [query, key, value] = &parts;
                attention(query, key, value, mask, Heads { heads, chance })
            };
            same(&parts, fused, || composed(&parts, mask, heads, chance));
        }
    }

    #[test]
    fn an_answer_that_nothing_tracks_is_the_same() {
        let parts = [1, 2, 3].map(|seed| variable(&[2, 7, 12], seed));
        let heads = Heads {
            heads: 3,
            chance: None,
        };
        let of = |parts: &[Tensor; 3]| {
            let [query, key, value] = parts;
            let answer = attention(query, key, value, None, heads).unwrap();
            answer.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let tracked = parts.each_ref().map(|part| part.as_tensor().clone());
        assert_eq!(of(&tracked), of(&tracked.each_ref().map(Tensor::detach)));
    }
}
