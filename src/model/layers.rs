//! The small operations of the encoder, in forms that gradients can pass.
//!
//! candle's fused `layer_norm` and `softmax_last_dim` have no backward: they cut the graph in
//! silence. They are used where no gradient is tracked, and composed operations where one is.

use candle_core::{D, Result, Tensor};
use candle_nn::VarBuilder;

use super::config::Activation;

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

    /// `(…, size)` to the same shape.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let tracked = xs.track_op() || self.weight.track_op();
        if !tracked {
            return candle_nn::ops::layer_norm(
                &xs.contiguous()?,
                &self.weight,
                &self.bias,
                self.eps as f32,
            );
        }
        let centred = xs.broadcast_sub(&xs.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        normed
            .broadcast_mul(&self.weight)?
            .broadcast_add(&self.bias)
    }
}

/// Softmax over the last axis.
///
/// # Errors
///
/// Those of the tensor operations.
pub fn softmax(xs: &Tensor) -> Result<Tensor> {
    if xs.track_op() {
        candle_nn::ops::softmax(xs, D::Minus1)
    } else {
        candle_nn::ops::softmax_last_dim(xs)
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
            Activation::Gelu => xs.gelu_erf(),
            Activation::GeluTanh => xs.gelu(),
            Activation::Relu => xs.relu(),
            Activation::Silu => xs.silu(),
            Activation::Tanh => xs.tanh(),
        }
    }
}
