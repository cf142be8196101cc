//! The encoder: embeddings and layers, `(B, T)` token ids to `(B, T, H)` states.
//!
//! Follows `modeling_electra.py` of Hugging Face transformers; weight names are those of its
//! checkpoints, so that loading needs no renaming. The same modules serve inference and training:
//! a [`Pass`] to learn drops values.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::with_tracing::Embedding;

use crate::config::ElectraConfig;
use crate::nn::encoder_layer::{EncoderLayer, LayerDropout};
use crate::nn::layers::{Dropout, LayerNorm, Linear, Pass};
use crate::train_ops::{self, BufferPool};

/// A batch of windows of one length, the shorter ones padded.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Token ids, `(B, T)`.
    pub ids: Tensor,
    /// Segment of each token, `(B, T)`; all zero unless one text stands before another.
    pub segments: Tensor,
    /// What is added to the attention scores, `(B, 1, 1, T)`: 0 for a token, a very negative number
    /// for padding. Absent if nothing is padded.
    pub mask: Option<Tensor>,
}

impl Batch {
    /// Pads `windows` to the longest of them.
    ///
    /// # Errors
    ///
    /// Those of making tensors.
    pub fn new(windows: &[&[u32]], pad_id: u32, device: &Device) -> Result<Batch> {
        let windows: Vec<(&[u32], usize)> = (windows.iter())
            .map(|&window| (window, window.len()))
            .collect();
        Batch::pairs(&windows, pad_id, device)
    }

    /// Pads windows of two texts to the longest of them. Each comes with the place of its first
    /// token of segment 1, which is its length if it holds one text only.
    ///
    /// # Errors
    ///
    /// Those of making tensors.
    pub fn pairs(windows: &[(&[u32], usize)], pad_id: u32, device: &Device) -> Result<Batch> {
        let longest = (windows.iter())
            .map(|(window, _)| window.len())
            .max()
            .unwrap_or(0);
        let size = (windows.len(), longest);
        let mut ids = Vec::with_capacity(windows.len() * longest);
        let mut segments = Vec::with_capacity(windows.len() * longest);
        for &(window, second) in windows {
            ids.extend_from_slice(window);
            ids.extend(std::iter::repeat_n(pad_id, longest - window.len()));
            let is_second = |at: usize| u32::from(at >= second && at < window.len());
            segments.extend((0..longest).map(is_second));
        }
        let padded = windows.iter().any(|(window, _)| window.len() < longest);
        let mask = if padded {
            let rows = windows.iter().flat_map(|(window, _)| {
                // The smallest finite number, as the reference adds: an infinity would make a row of
                // nothing but padding undefined.
                (0..longest).map(|at| if at < window.len() { 0.0 } else { f32::MIN })
            });
            Some(Tensor::from_iter(rows, device)?.reshape((windows.len(), 1, 1, longest))?)
        } else {
            None
        };
        Ok(Batch {
            ids: Tensor::from_vec(ids, size, device)?,
            segments: Tensor::from_vec(segments, size, device)?,
            mask,
        })
    }
}

/// Embeddings and encoder. Its weights stand under `electra.` in a checkpoint.
#[derive(Clone, Debug)]
pub struct Electra {
    embeddings: Embeddings,
    /// From E to H; only where they differ.
    project: Option<Linear>,
    layers: Vec<Layer>,
}

impl Electra {
    /// Takes the weights from `vb`, which stands at `electra`.
    ///
    /// # Errors
    ///
    /// A missing or misshapen tensor.
    pub fn load(config: &ElectraConfig, vb: VarBuilder<'_>) -> Result<Electra> {
        let embeddings = Embeddings::load(config, vb.pp("embeddings"))?;
        let project = if config.embedding_size == config.hidden_size {
            None
        } else {
            Some(Linear::load(
                config.embedding_size,
                config.hidden_size,
                vb.pp("embeddings_project"),
            )?)
        };
        let pool = Arc::default();
        let layers = (0..config.num_hidden_layers)
            .map(|layer| Layer::load(config, &pool, vb.pp("encoder.layer").pp(layer)))
            .collect::<Result<_>>()?;
        Ok(Electra {
            embeddings,
            project,
            layers,
        })
    }

    /// `(B, T)` ids to `(B, T, H)` states.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations: an id outside the vocabulary, a window that is too long.
    pub fn forward(&self, batch: &Batch, pass: Pass<'_>) -> Result<Tensor> {
        let mut states = self.embeddings.forward(batch, pass)?; // (B, T, E)
        if let Some(project) = &self.project {
            states = project.forward(&states)?; // (B, T, H)
        }
        for layer in &self.layers {
            states = layer.forward(&states, batch.mask.as_ref(), pass)?;
        }
        Ok(states)
    }

    /// The word embeddings, `(V, E)`, which the generator's output layer shares.
    pub fn word_embeddings(&self) -> &Tensor {
        self.embeddings.words.embeddings()
    }
}

#[derive(Clone, Debug)]
struct Embeddings {
    /// `(V, E)`.
    words: Embedding,
    /// `(positions, E)`.
    positions: Embedding,
    /// One row for each; none where the family has no segments.
    segments: Option<Embedding>,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Embeddings {
    fn load(config: &ElectraConfig, vb: VarBuilder<'_>) -> Result<Embeddings> {
        let size = config.embedding_size;
        let table = |rows, name| Embedding::new(rows, size, vb.pp(name));
        Ok(Embeddings {
            words: table(config.vocab_size, "word_embeddings")?,
            positions: table(config.max_position_embeddings, "position_embeddings")?,
            segments: match config.type_vocab_size {
                0 => None,
                kinds => Some(table(kinds, "token_type_embeddings")?),
            },
            norm: LayerNorm::load(size, config.layer_norm_eps, vb.pp("LayerNorm"))?,
            dropout: Dropout::new(config.hidden_dropout_prob),
        })
    }

    fn forward(&self, batch: &Batch, pass: Pass<'_>) -> Result<Tensor> {
        let (_, length) = batch.ids.dims2()?;
        if length == 0 {
            candle_core::bail!("a window without a token, for which there is nothing to say");
        }
        let mut sum = train_ops::embedding(self.words.embeddings(), &batch.ids)?; // (B, T, E)
        if let Some(segments) = &self.segments {
            sum = (sum + train_ops::embedding(segments.embeddings(), &batch.segments)?)?; // (B, T, E)
        }
        let positions = self.positions.embeddings().narrow(0, 0, length)?; // (T, E)
        let sum = sum.broadcast_add(&positions)?;
        self.dropout.forward(&self.norm.forward(&sum)?, pass)
    }
}

#[derive(Clone, Debug)]
struct Layer {
    block: EncoderLayer,
    shares_dropout: Dropout,
    dropout: Dropout,
}

impl Layer {
    fn load(config: &ElectraConfig, pool: &Arc<BufferPool>, vb: VarBuilder<'_>) -> Result<Layer> {
        let (hidden, inner, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let asked = |name| Linear::load(hidden, hidden, vb.pp("attention.self").pp(name));
        let attended = vb.pp("attention.output");
        Ok(Layer {
            block: EncoderLayer {
                query: asked("query")?,
                key: asked("key")?,
                value: asked("value")?,
                attention_output: Linear::load(hidden, hidden, attended.pp("dense"))?,
                attention_norm: LayerNorm::load(hidden, eps, attended.pp("LayerNorm"))?,
                intermediate: Linear::load(hidden, inner, vb.pp("intermediate.dense"))?,
                activation: config.hidden_act,
                output: Linear::load(inner, hidden, vb.pp("output.dense"))?,
                output_norm: LayerNorm::load(hidden, eps, vb.pp("output.LayerNorm"))?,
                heads: config.num_attention_heads,
                pool: Arc::clone(pool),
            },
            shares_dropout: Dropout::new(config.attention_probs_dropout_prob),
            dropout: Dropout::new(config.hidden_dropout_prob),
        })
    }

    fn forward(&self, states: &Tensor, mask: Option<&Tensor>, pass: Pass<'_>) -> Result<Tensor> {
        let chances = LayerDropout {
            shares: self.shares_dropout.chance(pass),
            attended: self.dropout.chance(pass),
            output: self.dropout.chance(pass),
        };
        self.block.forward(states, mask, chances)
    }
}
