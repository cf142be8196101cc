//! What stands on the encoder: states in, logits out. Softmax and sigmoid are the caller's.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::config::{Activation, ElectraConfig};
use crate::family::Family;
use crate::nn::layers::{Dropout, LayerNorm, Linear, Pass};
use crate::train_ops;

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
            dense: Linear::load(config.hidden_size, config.hidden_size, vb.pp("dense"))?,
            activation: config.hidden_act,
            prediction: Linear::load(config.hidden_size, 1, vb.pp("dense_prediction"))?,
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
            dense: Linear::load(config.hidden_size, config.embedding_size, at.pp("dense"))?,
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
        train_ops::linear(&inner, word_embeddings, Some(&self.bias))
    }
}

/// A classifier's head: which label has this window? Reads `[CLS]` through a layer of its own, which
/// BERT calls its pooler. Stands at `classifier`.
#[derive(Clone, Debug)]
pub struct Classification {
    /// ELECTRA alone drops before the first layer too.
    input_dropout: Option<Dropout>,
    dense: Linear,
    activation: Activation,
    dropout: Dropout,
    out_proj: Linear,
}

impl Classification {
    /// Takes the weights of a head with `labels` labels from `vb`; in training it drops `dropout` of
    /// what reaches its last layer. The activation is the family's, whatever the configuration says,
    /// as in the reference.
    ///
    /// # Errors
    ///
    /// A missing or misshapen tensor.
    pub fn load(
        config: &ElectraConfig,
        family: Family,
        labels: usize,
        dropout: f32,
        vb: VarBuilder<'_>,
    ) -> Result<Classification> {
        let hidden = config.hidden_size;
        Ok(Classification {
            input_dropout: (family == Family::Electra).then(|| Dropout::new(dropout)),
            dense: Linear::load(hidden, hidden, vb.pp("dense"))?,
            activation: match family {
                Family::Electra => Activation::Gelu,
                Family::Bert => Activation::Tanh,
                Family::DistilBert => Activation::Relu,
            },
            dropout: Dropout::new(dropout),
            out_proj: Linear::load(hidden, labels, vb.pp("out_proj"))?,
        })
    }

    /// `(B, T, H)` states to `(B, labels)` logits.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, states: &Tensor, pass: Pass<'_>) -> Result<Tensor> {
        let mut first = states.narrow(1, 0, 1)?.squeeze(1)?; // (B, H)
        if let Some(dropout) = &self.input_dropout {
            first = dropout.forward(&first, pass)?;
        }
        let inner = self.activation.forward(&self.dense.forward(&first)?)?; // (B, H)
        self.out_proj.forward(&self.dropout.forward(&inner, pass)?)
    }
}

/// One linear layer over every token: a tagger's head, which stands at `classifier`, or the answer's
/// start and end, which stand at `qa_outputs`.
#[derive(Clone, Debug)]
pub struct PerToken {
    dropout: Dropout,
    outputs: Linear,
}

impl PerToken {
    /// Takes the weights of a head with `columns` logits per token from `vb`; in training it drops
    /// `dropout` of the states.
    ///
    /// # Errors
    ///
    /// A missing or misshapen tensor.
    pub fn load(
        config: &ElectraConfig,
        columns: usize,
        dropout: f32,
        vb: VarBuilder<'_>,
    ) -> Result<PerToken> {
        Ok(PerToken {
            dropout: Dropout::new(dropout),
            outputs: Linear::load(config.hidden_size, columns, vb)?,
        })
    }

    /// `(B, T, H)` states to `(B, T, columns)` logits.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, states: &Tensor, pass: Pass<'_>) -> Result<Tensor> {
        self.outputs.forward(&self.dropout.forward(states, pass)?)
    }
}
