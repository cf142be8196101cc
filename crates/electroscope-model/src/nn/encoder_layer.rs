//! A layer of the encoder as one operation: attention, a layer of its own and what lies between.
//!
//! candle adds every gradient that a node gives to zeros that it made for it, on one thread. Between
//! the operations of a layer that costs about as much as the arithmetic; within one operation
//! gradients are written where they are wanted, and a product adds to what is already there.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};

use crate::config::Activation;
use crate::nn::layers::{LayerNorm, Linear};
use crate::train_ops::attention::{Heads, Qkv, Sizes};
use crate::train_ops::buffer_pool::BufferPool;
use crate::train_ops::dropout::{DropoutMask, add_dropped};
use crate::train_ops::gradient_fan_out::{Gradients, fan_out};
use crate::train_ops::linear::{column_sums, to_weight};
use crate::train_ops::product::{Matrix, product, product_in, product_into};
use crate::train_ops::{attention, dropout, fits, floats, gelu, norm, read, shaped};

/// The parts of a layer.
#[derive(Clone, Debug)]
pub struct EncoderLayer {
    /// From states to queries.
    pub query: Linear,
    /// From states to keys.
    pub key: Linear,
    /// From states to values.
    pub value: Linear,
    /// On what attention gives.
    pub attention_output: Linear,
    /// On the sum of that and the states.
    pub attention_norm: LayerNorm,
    /// From there to the wide layer.
    pub intermediate: Linear,
    /// On the wide layer.
    pub activation: Activation,
    /// From the wide layer back.
    pub output: Linear,
    /// On the sum of that and what went into the wide layer.
    pub output_norm: LayerNorm,
    /// Attention heads.
    pub heads: usize,
    /// Where a pass that learns takes its buffers from, and leaves them: one for all layers.
    pub pool: Arc<BufferPool>,
}

/// What is dropped in a pass through a layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerDropout {
    /// Of the shares of attention.
    pub shares: Option<DropoutMask>,
    /// Of what attention's output layer gives.
    pub attended: Option<DropoutMask>,
    /// Of what the wide layer gives.
    pub output: Option<DropoutMask>,
}

impl EncoderLayer {
    fn linears(&self) -> [&Linear; 6] {
        [
            &self.query,
            &self.key,
            &self.value,
            &self.attention_output,
            &self.intermediate,
            &self.output,
        ]
    }

    fn tensors(&self) -> Vec<&Tensor> {
        let norms = [&self.attention_norm, &self.output_norm];
        (self.linears().into_iter().flat_map(Linear::tensors))
            .chain(norms.into_iter().flat_map(LayerNorm::tensors))
            .collect()
    }

    /// `(B, T, H)` states through the layer; `mask` as in `attention`.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations: shapes that do not fit.
    pub fn forward(
        &self,
        states: &Tensor,
        mask: Option<&Tensor>,
        chances: LayerDropout,
    ) -> Result<Tensor> {
        let learns = self.tensors().iter().any(|tensor| tensor.track_op());
        if (learns || states.track_op())
            && let Some(states) = self.fused(states, mask, chances)?
        {
            return Ok(states);
        }
        self.composed(states, mask, chances)
    }

    /// The layer as operations one after the other.
    fn composed(
        &self,
        states: &Tensor,
        mask: Option<&Tensor>,
        chances: LayerDropout,
    ) -> Result<Tensor> {
        let query = self.query.forward(states)?;
        let key = self.key.forward(states)?;
        let value = self.value.forward(states)?;
        let heads = Heads {
            heads: self.heads,
            chance: chances.shares,
        };
        let context = crate::train_ops::attention(&query, &key, &value, mask, heads)?;
        let attended = self.attention_output.forward(&context)?;
        let attended = add_dropped(&attended, states, chances.attended)?;
        let attended = self.attention_norm.forward(&attended)?;
        let wide = self.intermediate.forward(&attended)?; // (B, T, I)
        let output = self.output.forward(&self.activation.forward(&wide)?)?;
        let output = add_dropped(&output, &attended, chances.output)?;
        self.output_norm.forward(&output)
    }

    /// The layer as one operation; none where its parts are not what that takes.
    fn fused(
        &self,
        states: &Tensor,
        mask: Option<&Tensor>,
        chances: LayerDropout,
    ) -> Result<Option<Tensor>> {
        let (windows, tokens, hidden) = states.dims3()?;
        let tensors = self.tensors();
        let states = states.contiguous()?;
        let square = self.linears().into_iter().take(4);
        let square = square.chain([&self.output]).all(|linear| {
            let outputs = linear.weight().dim(0).unwrap_or_default();
            outputs == hidden
        });
        if self.activation != Activation::Gelu
            || !fits(&states)
            || !tensors.iter().all(|tensor| fits(tensor))
            || !square
            || !hidden.is_multiple_of(self.heads.max(1))
        {
            return Ok(None);
        }
        let mask = match mask {
            Some(mask) => {
                let mask = mask.broadcast_as((windows, 1, 1, tokens))?;
                Some(mask.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
            }
            None => None,
        };
        let gradients = Gradients::default();
        let fan_out = fan_out(tensors, &gradients)?;
        let op = Pass {
            block: self.clone(),
            sizes: Sizes {
                tokens,
                heads: self.heads,
                size: hidden / self.heads,
            },
            mask,
            chances,
            gradients,
            kept: Mutex::default(),
        };
        states.apply_op2(&fan_out, op).map(Some)
    }
}

struct Pass {
    block: EncoderLayer,
    sizes: Sizes,
    mask: Option<Vec<f32>>,
    chances: LayerDropout,
    gradients: Gradients,
    kept: Mutex<Option<Kept>>,
}

/// What a pass keeps for the way back.
struct Kept {
    query: Applied,
    key: Applied,
    value: Applied,
    shares: Vec<f32>,
    context: Vec<f32>,
    /// The sum that is normalised first.
    attended: Applied,
    normed: Vec<f32>,
    wide: Applied,
    active: Vec<f32>,
    /// The sum that is normalised last.
    output: Applied,
}

impl Drop for Pass {
    /// Where there was no way back, what was kept for it is left for others.
    fn drop(&mut self) {
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.take() {
            let (shares, rest) = (kept.shares, [kept.context, kept.normed, kept.active]);
            let applied = [
                kept.query,
                kept.key,
                kept.value,
                kept.attended,
                kept.wide,
                kept.output,
            ];
            let applied = applied.into_iter().map(|applied| applied.ys);
            self.block.pool.give(applied.chain(rest).chain([shares]));
        }
    }
}

/// What a linear layer gave.
#[derive(Default)]
struct Applied {
    ys: Vec<f32>,
    /// What its adapter's A gave.
    low: Vec<f32>,
}

/// A linear layer on rows.
fn apply(linear: &Linear, xs: &[f32], pool: &BufferPool) -> Result<Applied> {
    let (_, inputs) = linear.weight().dims2()?;
    let xs = Matrix::new(xs, inputs);
    let mut ys = read(linear.weight(), |weight| {
        read(linear.bias(), |bias| {
            let weight = Matrix::new(weight, inputs).transposed();
            product_in(pool.empty(xs.size(weight)), xs, weight, Some(bias))
        })
    })?;
    let mut low = Vec::new();
    if let Some((a, b)) = linear.adapter() {
        let rank = a.dim(0)?;
        low = read(a, |a| {
            product(xs, Matrix::new(a, inputs).transposed(), None)
        })?;
        read(b, |b| {
            let b = Matrix::new(b, rank).transposed();
            product_into(Matrix::new(&low, rank), b, 1.0, 1.0, &mut ys)
        })?;
    }
    Ok(Applied { ys, low })
}

/// Takes gradients `ys` of what a linear layer gave on `xs` back to `to`, which they are added to if
/// `more`, and leaves those of its parameters.
fn back(
    linear: &Linear,
    xs: &[f32],
    low: &[f32],
    ys: &[f32],
    (to, more): (&mut [f32], bool),
    gradients: &Gradients,
) -> Result<()> {
    let (outputs, inputs) = linear.weight().dims2()?;
    let (rows, columns) = (Matrix::new(ys, outputs), Matrix::new(xs, inputs));
    read(linear.weight(), |weight| {
        let weight = Matrix::new(weight, inputs);
        product_into(rows, weight, 1.0, if more { 1.0 } else { 0.0 }, to)
    })?;
    if linear.weight().track_op() {
        gradients.leave(linear.weight(), to_weight(ys, outputs, xs, inputs)?)?;
    }
    if linear.bias().track_op() {
        gradients.leave(linear.bias(), column_sums(ys, outputs))?;
    }
    if let Some((a, b)) = linear.adapter() {
        let rank = a.dim(0)?;
        let to_low = read(b, |b| product(rows, Matrix::new(b, rank), None))?;
        let to_low = Matrix::new(&to_low, rank);
        read(a, |a| {
            product_into(to_low, Matrix::new(a, inputs), 1.0, 1.0, to)
        })?;
        if a.track_op() {
            gradients.leave(a, product(to_low.transposed(), columns, None)?)?;
        }
        if b.track_op() {
            let low = Matrix::new(low, rank);
            gradients.leave(b, product(rows.transposed(), low, None)?)?;
        }
    }
    Ok(())
}

impl LayerNorm {
    /// Normalises rows into `to`.
    fn on_rows(&self, xs: &[f32], mut to: Vec<f32>) -> Result<Vec<f32>> {
        read(self.weight(), |weight| {
            read(self.bias(), |bias| {
                norm::forward(xs, weight, bias, self.eps() as f32, &mut to);
                Ok(())
            })
        })?;
        Ok(to)
    }

    /// Takes gradients of normalised rows back to the rows, and leaves those of the parameters.
    fn back(&self, xs: &[f32], ys: &[f32], to: &mut [f32], gradients: &Gradients) -> Result<()> {
        let (weights, biases) = read(self.weight(), |weight| {
            Ok(norm::backward(xs, weight, self.eps() as f32, ys, to))
        })?;
        if self.weight().track_op() {
            gradients.leave(self.weight(), weights)?;
        }
        if self.bias().track_op() {
            gradients.leave(self.bias(), biases)?;
        }
        Ok(())
    }
}

impl Pass {
    fn forward(&self, xs: &[f32]) -> Result<(Kept, Vec<f32>)> {
        let Pass {
            block,
            sizes,
            chances,
            ..
        } = self;
        let pool = &block.pool;
        let query = apply(&block.query, xs, pool)?;
        let key = apply(&block.key, xs, pool)?;
        let value = apply(&block.value, xs, pool)?;
        let windows = xs.len() / (sizes.tokens * sizes.hidden()).max(1);
        let mut shares = pool.filled(windows * sizes.shares());
        let mut context = pool.filled(xs.len());
        attention::forward(
            *sizes,
            Qkv {
                query: &query.ys,
                key: &key.ys,
                value: &value.ys,
            },
            self.mask.as_deref(),
            chances.shares,
            Some(&mut shares),
            &mut context,
        )?;
        let mut attended = apply(&block.attention_output, &context, pool)?;
        dropout::in_place(&mut attended.ys, Some(xs), chances.attended);
        let normed = (block.attention_norm).on_rows(&attended.ys, pool.filled(xs.len()))?;
        let wide = apply(&block.intermediate, &normed, pool)?;
        let mut active = pool.filled(wide.ys.len());
        gelu::forward(&wide.ys, &mut active);
        let mut output = apply(&block.output, &active, pool)?;
        dropout::in_place(&mut output.ys, Some(&normed), chances.output);
        let ys = (block.output_norm).on_rows(&output.ys, vec![0.0; xs.len()])?;
        let kept = Kept {
            query,
            key,
            value,
            shares,
            context,
            attended,
            normed,
            wide,
            active,
            output,
        };
        Ok((kept, ys))
    }

    /// The gradient of the states.
    fn backward(&self, xs: &[f32], ys: &[f32], kept: Kept) -> Result<Vec<f32>> {
        let Pass {
            block,
            sizes,
            chances,
            gradients,
            ..
        } = self;
        let Kept {
            query,
            key,
            value,
            shares,
            context,
            attended,
            normed,
            wide,
            active,
            output,
        } = kept;
        let pool = &block.pool;
        let mut to_sum = pool.filled(xs.len());
        block
            .output_norm
            .back(&output.ys, ys, &mut to_sum, gradients)?;

        let mut to_output = output.ys; // What was there is not wanted any more.
        to_output.copy_from_slice(&to_sum);
        dropout::in_place(&mut to_output, None, chances.output);
        let mut to_active = pool.filled(active.len());
        let place = (to_active.as_mut_slice(), false);
        back(
            &block.output,
            &active,
            &output.low,
            &to_output,
            place,
            gradients,
        )?;
        let mut to_wide = active;
        gelu::backward(&wide.ys, &to_active, &mut to_wide);
        let place = (to_sum.as_mut_slice(), true);
        back(
            &block.intermediate,
            &normed,
            &wide.low,
            &to_wide,
            place,
            gradients,
        )?;

        let mut to_states = vec![0.0; xs.len()];
        block
            .attention_norm
            .back(&attended.ys, &to_sum, &mut to_states, gradients)?;
        let mut to_attended = attended.ys;
        to_attended.copy_from_slice(&to_states);
        dropout::in_place(&mut to_attended, None, chances.attended);
        let mut to_context = to_sum;
        let place = (to_context.as_mut_slice(), false);
        back(
            &block.attention_output,
            &context,
            &attended.low,
            &to_attended,
            place,
            gradients,
        )?;
        let (mut to_query, mut to_key, mut to_value) = (to_output, to_attended, context);
        attention::backward(
            *sizes,
            Qkv {
                query: &query.ys,
                key: &key.ys,
                value: &value.ys,
            },
            &shares,
            chances.shares,
            &to_context,
            Qkv {
                query: to_query.as_mut_slice(),
                key: to_key.as_mut_slice(),
                value: to_value.as_mut_slice(),
            },
        )?;
        for (linear, low, ys) in [
            (&block.query, &query.low, &to_query),
            (&block.key, &key.low, &to_key),
            (&block.value, &value.low, &to_value),
        ] {
            let place = (to_states.as_mut_slice(), true);
            back(linear, xs, low, ys, place, gradients)?;
        }
        pool.give([
            normed, query.ys, key.ys, value.ys, shares, wide.ys, to_query, to_key, to_value,
            to_active, to_wide, to_context,
        ]);
        Ok(to_states)
    }
}

impl CustomOp2 for Pass {
    fn name(&self) -> &'static str {
        "block"
    }

    fn cpu_fwd(
        &self,
        states: &CpuStorage,
        at: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (kept, ys) = self.forward(floats(states, at)?)?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok((CpuStorage::F32(ys), at.shape().clone()))
    }

    fn bwd(
        &self,
        states: &Tensor,
        fan_out: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let to_states = read(states, |xs| {
            // A second way back finds nothing kept, and goes forward again.
            let kept = match kept {
                Some(kept) => kept,
                None => self.forward(xs)?.0,
            };
            read(gradient, |ys| self.backward(xs, ys, kept))
        })?;
        let to_states = match states.track_op() {
            true => Some(shaped(to_states, states)?),
            false => None,
        };
        let to_fan_out = match fan_out.track_op() {
            true => Some(fan_out.zeros_like()?),
            false => None,
        };
        Ok((to_states, to_fan_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train_ops::tests::{numbers, same};
    use candle_core::{Device, Var};
    use candle_nn::VarBuilder;
    use std::collections::HashMap;

    const HIDDEN: usize = 12;
    const WIDE: usize = 20;

    /// A layer and what of it learns: all of it, or adapters alone.
    fn block(rank: Option<usize>) -> (Vec<Var>, EncoderLayer) {
        let (mut learning, mut tensors) = (Vec::new(), HashMap::new());
        let mut add = |name: String, shape: &[usize], learns: bool| {
            let numbers = numbers(shape.iter().product(), tensors.len() as u64);
            let tensor = Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap();
            let var = Var::from_tensor(&(tensor * 0.3).unwrap()).unwrap();
            if learns {
                tensors.insert(name, var.as_tensor().clone());
                learning.push(var);
            } else {
                tensors.insert(name, var.detach());
            }
        };
        for (name, inputs, outputs) in [
            ("query", HIDDEN, HIDDEN),
            ("key", HIDDEN, HIDDEN),
            ("value", HIDDEN, HIDDEN),
            ("attended", HIDDEN, HIDDEN),
            ("wide", HIDDEN, WIDE),
            ("output", WIDE, HIDDEN),
        ] {
            add(format!("{name}.weight"), &[outputs, inputs], rank.is_none());
            add(format!("{name}.bias"), &[outputs], rank.is_none());
            if let Some(rank) = rank {
                add(format!("{name}.lora_A.weight"), &[rank, inputs], true);
                add(format!("{name}.lora_B.weight"), &[outputs, rank], true);
            }
        }
        for name in ["first", "last"] {
            add(format!("{name}.weight"), &[HIDDEN], rank.is_none());
            add(format!("{name}.bias"), &[HIDDEN], rank.is_none());
        }
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let linear = |name, inputs, outputs| Linear::load(inputs, outputs, vb.pp(name)).unwrap();
        let norm = |name| LayerNorm::load(HIDDEN, 1e-2, vb.pp(name)).unwrap();
        let block = EncoderLayer {
            query: linear("query", HIDDEN, HIDDEN),
            key: linear("key", HIDDEN, HIDDEN),
            value: linear("value", HIDDEN, HIDDEN),
            attention_output: linear("attended", HIDDEN, HIDDEN),
            attention_norm: norm("first"),
            intermediate: linear("wide", HIDDEN, WIDE),
            activation: Activation::Gelu,
            output: linear("output", WIDE, HIDDEN),
            output_norm: norm("last"),
            heads: 3,
            pool: Arc::default(),
        };
        (learning, block)
    }

    #[test]
    fn a_layer_as_one_operation_is_that_of_many_and_so_are_its_gradients() {
        let chance = |key| Some(DropoutMask::new(key, 0.2));
        let none = LayerDropout {
            shares: None,
            attended: None,
            output: None,
        };
        let some = LayerDropout {
            shares: chance(1),
            attended: chance(2),
            output: chance(3),
        };
        let mask = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, f32::MIN, f32::MIN];
        let mask = Tensor::from_slice(&mask, (2, 1, 1, 5), &Device::Cpu).unwrap();
        let states = crate::train_ops::tests::variable(&[2, 5, HIDDEN], 99);
        for (rank, mask, chances) in [
            (None, None, none),
            (None, Some(&mask), some),
            (Some(2), Some(&mask), some),
        ] {
            let (mut inputs, block) = block(rank);
            inputs.push(states.clone());
            let fused = || {
                let states = block.fused(&states, mask, chances)?;
                Ok(states.expect("f32 on the CPU is what it takes"))
            };
            same(&inputs, fused, || block.composed(&states, mask, chances));
        }
    }

    #[test]
    fn a_layer_behind_states_that_nothing_tracks_learns_all_the_same() {
        let (learning, block) = block(None);
        let states = crate::train_ops::tests::variable(&[1, 4, HIDDEN], 99).detach();
        let none = LayerDropout {
            shares: None,
            attended: None,
            output: None,
        };
        let loss = block.forward(&states, None, none).unwrap();
        let gradients = loss.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        for (at, var) in learning.iter().enumerate() {
            assert!(gradients.get(var.as_tensor()).is_some(), "variable {at}");
        }
    }
}
