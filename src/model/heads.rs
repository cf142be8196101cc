//! What stands on the encoder: states in, logits out. Softmax and sigmoid are the caller's.

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};
use candle_transformers::models::with_tracing::{Linear, linear};

use super::config::{Activation, ElectraConfig};
use super::layers::LayerNorm;

/// ELECTRA's own head: was this token replaced? Stands at `discriminator_predictions`.
#[derive(Clone, Debug)]
pub struct Discriminator {
    dense: Linear,
    activation: Activation,
    prediction: Linear,
}

impl Discriminator {
    /// Takes the weights from `vb`.
    ///
    /// # Errors
    ///
    /// A missing or misshapen tensor.
    pub fn load(config: &ElectraConfig, vb: VarBuilder<'_>) -> Result<Discriminator> {
        Ok(Discriminator {
            dense: linear(config.hidden_size, config.hidden_size, vb.pp("dense"))?,
            activation: config.hidden_act,
            prediction: linear(config.hidden_size, 1, vb.pp("dense_prediction"))?,
        })
    }

    /// `(B, T, H)` states to `(B, T)` logits.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, states: &Tensor) -> Result<Tensor> {
        let inner = self.activation.forward(&self.dense.forward(states)?)?; // (B, T, H)
        self.prediction.forward(&inner)?.squeeze(2)
    }
}

/// The generator's head: which token stands here? Stands at the root, as `generator_predictions` and
/// `generator_lm_head`; its output matrix is the word embeddings.
#[derive(Clone, Debug)]
pub struct Generator {
    dense: Linear,
    norm: LayerNorm,
    bias: Tensor,
}

impl Generator {
    /// Takes the weights from `vb`, which stands at the root.
    ///
    /// # Errors
    ///
    /// A missing or misshapen tensor.
    pub fn load(config: &ElectraConfig, vb: VarBuilder<'_>) -> Result<Generator> {
        let at = vb.pp("generator_predictions");
        Ok(Generator {
            dense: linear(config.hidden_size, config.embedding_size, at.pp("dense"))?,
            norm: LayerNorm::load(
                config.embedding_size,
                config.layer_norm_eps,
                at.pp("LayerNorm"),
            )?,
            bias: vb.pp("generator_lm_head").get(config.vocab_size, "bias")?,
        })
    }

    /// `(B, T, H)` states and the `(V, E)` word embeddings to `(B, T, V)` logits. The activation is
    /// GELU whatever the configuration says, as in the reference.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, states: &Tensor, word_embeddings: &Tensor) -> Result<Tensor> {
        let inner = Activation::Gelu.forward(&self.dense.forward(states)?)?; // (B, T, E)
        let inner = self.norm.forward(&inner)?;
        let (batch, length, size) = inner.dims3()?;
        let logits = inner
            .reshape((batch * length, size))?
            .matmul(&word_embeddings.t()?)?;
        logits
            .reshape((batch, length, ()))?
            .broadcast_add(&self.bias)
    }
}
