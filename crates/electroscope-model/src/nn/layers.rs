//! The small operations of the encoder, in forms that gradients can pass.
//!
//! candle's fused `layer_norm` and `softmax_last_dim` have no backward: they cut the graph in
//! silence. What is here is made of `ops`, which have one. candle's own dropout cannot
//! be seeded on a CPU; ours is a function of seed, step and place, so that a training that was
//! interrupted goes on as if it had not been.

use std::cell::Cell;

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::chance::mixed;
use crate::config::Activation;
use crate::names::ADAPTER;
use crate::train_ops::{self, DropoutMask};

/// What a pass through the model is for.
#[derive(Clone, Copy, Debug)]
pub enum Pass<'a> {
    /// To answer: nothing is dropped.
    Answer,
    /// To learn: values are dropped where [`Drops`] says.
    Train(&'a Drops),
}

/// Which values are dropped in one step of training: a function of the seed, the step, and how many
/// dropouts the step has met before, and so the same whenever the step is made again.
#[derive(Debug)]
pub struct Drops {
    step: u64,
    met: Cell<u64>,
}

impl Drops {
    /// For step number `step` of a training with `seed`.
    pub fn new(seed: u64, step: u64) -> Drops {
        Drops {
            step: mixed(mixed(seed) ^ step),
            met: Cell::new(0),
        }
    }

    /// The key of the next place where values are dropped.
    pub fn next(&self) -> u64 {
        let met = self.met.get();
        self.met.set(met + 1);
        mixed(self.step ^ mixed(met))
    }
}

/// Drops values in training, and makes up for it in the others.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    share: f32,
}

impl Dropout {
    /// Drops `share` of the values, `0 <= share < 1`.
    pub fn new(share: f32) -> Dropout {
        Dropout { share }
    }

    /// The same shape; the values themselves unless `pass` is to learn.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, xs: &Tensor, pass: Pass<'_>) -> Result<Tensor> {
        match self.chance(pass) {
            Some(chance) => train_ops::dropout(xs, chance),
            None => Ok(xs.clone()),
        }
    }

    /// `xs` through [`Dropout::forward`], plus `more` of the same shape.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn add(&self, xs: &Tensor, more: &Tensor, pass: Pass<'_>) -> Result<Tensor> {
        train_ops::add_dropped(xs, more, self.chance(pass))
    }

    /// Which values are dropped here in this pass, if any are.
    pub fn chance(&self, pass: Pass<'_>) -> Option<DropoutMask> {
        match pass {
            Pass::Train(drops) if self.share > 0.0 => {
                Some(DropoutMask::new(drops.next(), self.share))
            }
            _ => None,
        }
    }
}

/// A linear layer, `y = x · Wᵀ + b`, and what a low-rank adapter adds to it, `x · Aᵀ · Bᵀ` (LoRA, Hu
/// et al. 2021, section 4.1). The factor alpha / r of an adapter is within its B.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
    /// A `(r, in)` and B `(out, r)`.
    adapter: Option<(Tensor, Tensor)>,
}

impl Linear {
    /// Takes `weight` `(outputs, inputs)` and `bias` `(outputs)` from `vb`, and the adapter if there
    /// is one.
    ///
    /// # Errors
    ///
    /// A missing or misshapen tensor.
    pub fn load(inputs: usize, outputs: usize, vb: VarBuilder<'_>) -> Result<Linear> {
        // As candle's own layer draws them where nothing is loaded.
        let bound = 1.0 / (inputs as f64).sqrt();
        let drawn = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        let weight = vb.get_with_hints(
            (outputs, inputs),
            "weight",
            candle_nn::init::DEFAULT_KAIMING_NORMAL,
        )?;
        let bias = vb.get_with_hints(outputs, "bias", drawn)?;
        let [a, b] = ADAPTER;
        let adapter = if vb.contains_tensor(a) {
            let (a, b) = (vb.get_unchecked(a)?, vb.get_unchecked(b)?);
            let rank = a.dim(0)?;
            if a.dims() != [rank, inputs] || b.dims() != [outputs, rank] {
                candle_core::bail!(
                    "the adapter of {} has the shapes {:?} and {:?}, but ({rank}, {inputs}) and \
                     ({outputs}, {rank}) are wanted",
                    vb.prefix(),
                    a.dims(),
                    b.dims()
                );
            }
            Some((a, b))
        } else {
            None
        };
        Ok(Linear {
            weight,
            bias,
            adapter,
        })
    }

    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    pub(super) fn bias(&self) -> &Tensor {
        &self.bias
    }

    pub(super) fn adapter(&self) -> Option<(&Tensor, &Tensor)> {
        self.adapter.as_ref().map(|(a, b)| (a, b))
    }

    /// All that can learn.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let adapter = self.adapter.iter().flat_map(|(a, b)| [a, b]);
        [&self.weight, &self.bias].into_iter().chain(adapter)
    }

    /// `(…, inputs)` to `(…, outputs)`.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let ys = train_ops::linear(xs, &self.weight, Some(&self.bias))?;
        match &self.adapter {
            Some((a, b)) => {
                let more = train_ops::linear(&train_ops::linear(xs, a, None)?, b, None)?;
                train_ops::add_dropped(&more, &ys, None)
            }
            None => Ok(ys),
        }
    }
}

/// Layer normalisation over the last axis, with scale and shift.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Takes `weight` and `bias`, each `(size)`, from `vb`.
    ///
    /// # Errors
    ///
    /// A missing or misshapen tensor.
    pub fn load(size: usize, eps: f64, vb: VarBuilder<'_>) -> Result<LayerNorm> {
        let weight = vb.get_with_hints(size, "weight", candle_nn::Init::Const(1.0))?;
        let bias = vb.get_with_hints(size, "bias", candle_nn::Init::Const(0.0))?;
        Ok(LayerNorm { weight, bias, eps })
    }

    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    pub(super) fn bias(&self) -> &Tensor {
        &self.bias
    }

    pub(super) fn eps(&self) -> f64 {
        self.eps
    }

    /// All that can learn.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        [&self.weight, &self.bias].into_iter()
    }

    /// `(…, size)` to the same shape.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        train_ops::layer_norm(xs, &self.weight, &self.bias, self.eps)
    }
}

impl Activation {
    /// Applies the function to each number.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(self, xs: &Tensor) -> Result<Tensor> {
        match self {
            Activation::Gelu => train_ops::gelu(xs),
            Activation::GeluTanh => xs.gelu(),
            Activation::Relu => xs.relu(),
            Activation::Silu => xs.silu(),
            Activation::Tanh => xs.tanh(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_step_drops_the_same_values_again_and_another_step_others() -> Result<()> {
        let ones = Tensor::ones((7, 501), candle_core::DType::F32, &Device::Cpu)?;
        let dropped = |seed, step| -> Result<Vec<f32>> {
            let drops = Drops::new(seed, step);
            let kept = Dropout::new(0.1).forward(&ones, Pass::Train(&drops))?;
            kept.flatten_all()?.to_vec1()
        };
        let first = dropped(1, 1)?;
        assert_eq!(dropped(1, 1)?, first);
        assert_ne!(dropped(1, 2)?, first);
        assert_ne!(dropped(2, 1)?, first);
        let gone = first.iter().filter(|&&value| value == 0.0).count() as f64;
        assert!((gone / first.len() as f64 - 0.1).abs() < 0.02, "{gone}");
        assert!(
            first
                .iter()
                .all(|&value| value == 0.0 || (value - 1.0 / 0.9).abs() < 1e-6)
        );
        Ok(())
    }

    #[test]
    fn two_places_in_a_step_drop_different_values() {
        let drops = Drops::new(1, 1);
        assert_ne!(drops.next(), drops.next());
    }

    #[test]
    fn an_adapter_adds_its_product_to_the_layer() -> Result<()> {
        let tensor =
            |values: &[f32], shape: (usize, usize)| Tensor::from_slice(values, shape, &Device::Cpu);
        let tensors = std::collections::HashMap::from([
            (
                "weight".to_owned(),
                tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (2, 3))?,
            ),
            ("bias".to_owned(), tensor(&[0.5, -0.5], (1, 2))?.squeeze(0)?),
            (
                "lora_A.weight".to_owned(),
                tensor(&[1.0, 0.0, -1.0], (1, 3))?,
            ),
            ("lora_B.weight".to_owned(), tensor(&[10.0, 20.0], (2, 1))?),
        ]);
        let vb = VarBuilder::from_tensors(tensors, candle_core::DType::F32, &Device::Cpu);
        let layer = Linear::load(3, 2, vb)?;
        let xs = tensor(&[1.0, 1.0, 0.0], (1, 3))?.unsqueeze(0)?;
        let ys = layer.forward(&xs)?;
        assert_eq!(ys.dims(), [1, 1, 2]);
        assert_eq!(ys.flatten_all()?.to_vec1::<f32>()?, [13.5, 28.5]);
        Ok(())
    }
}
