//! How large the two models are: presets, what was asked for, and what must divide what.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Error;
use electroscope_model::ElectraConfig;

/// Sizes that are known by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Learns something on a CPU in hours: 6 layers, hidden 256.
    Mini,
    /// ELECTRA-small of the paper: 12 layers, hidden 256.
    Small,
    /// ELECTRA-base of the paper: 12 layers, hidden 768.
    Base,
}

/// The sizes of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Layers of both encoders.
    pub layers: usize,
    /// Width of the discriminator's encoder.
    pub hidden: usize,
    /// Width of the embeddings, which both have in common.
    pub embedding: usize,
    /// The discriminator's attention heads; by its width where none are asked for.
    pub heads: Option<usize>,
    /// Width of its feed-forward layers; four times its width where none is asked for.
    pub intermediate: Option<usize>,
    /// Width of the generator's encoder as a share of the discriminator's.
    pub generator: f64,
    /// Tokens in a window at most.
    pub positions: usize,
    /// Share of the values that are dropped in training.
    pub dropout: f64,
}

impl Preset {
    /// Its sizes.
    pub fn shape(self) -> Shape {
        let small = Shape {
            layers: 12,
            hidden: 256,
            embedding: 128,
            heads: None,
            intermediate: None,
            generator: 0.25,
            positions: 128,
            dropout: 0.1,
        };
        match self {
            Preset::Mini => Shape { layers: 6, ..small },
            Preset::Small => small,
            Preset::Base => Shape {
                hidden: 768,
                embedding: 768,
                generator: 1.0 / 3.0,
                positions: 512,
                ..small
            },
        }
    }

    /// The learning rate that the paper trains it with.
    pub fn learning_rate(self) -> f64 {
        match self {
            Preset::Mini | Preset::Small => 5e-4,
            Preset::Base => 2e-4,
        }
    }

    /// Windows in a step: the paper's, but for the smallest, which is made for a CPU.
    pub fn batch_size(self) -> usize {
        match self {
            Preset::Mini => 32,
            Preset::Small => 128,
            Preset::Base => 256,
        }
    }
}

/// The width that the published models have for a head.
const HEAD: usize = 64;

impl Shape {
    /// The configurations of the discriminator and of the generator for a vocabulary of `tokens`.
    ///
    /// # Errors
    ///
    /// Sizes that are none, or do not divide one another.
    pub fn configs(&self, tokens: usize) -> Result<(ElectraConfig, ElectraConfig), Error> {
        let refuse = |what: String| Err(Error::Settings(what));
        if self.layers == 0 || self.hidden == 0 || self.embedding == 0 {
            return refuse("layers, hidden size and embedding size must be at least 1".to_owned());
        }
        if !(self.generator > 0.0 && self.generator <= 1.0) {
            return refuse(format!(
                "the generator's share of the hidden size is {}, but must be more than 0 and at most 1",
                self.generator
            ));
        }
        let heads = self.heads.unwrap_or_else(|| fitting_heads(self.hidden));
        if heads == 0 || !self.hidden.is_multiple_of(heads) {
            return refuse(format!(
                "a hidden size of {} cannot be shared out over {heads} attention heads; the number of \
                 heads must divide it, as {} does",
                self.hidden,
                fitting_heads(self.hidden)
            ));
        }
        let small = ((self.hidden as f64 * self.generator).round() as usize).max(1);
        let discriminator = config(&Sizes {
            class: "ElectraForPreTraining",
            hidden: self.hidden,
            heads,
            intermediate: self.intermediate.unwrap_or(4 * self.hidden),
            tokens,
            shape: self,
        })?;
        let generator = config(&Sizes {
            class: "ElectraForMaskedLM",
            hidden: small,
            heads: fitting_heads(small),
            intermediate: 4 * small,
            tokens,
            shape: self,
        })?;
        Ok((discriminator, generator))
    }
}

/// As many heads of the usual width as fit, so that they divide the hidden size.
fn fitting_heads(hidden: usize) -> usize {
    let most = (hidden / HEAD).max(1);
    (1..=most)
        .rev()
        .find(|heads| hidden.is_multiple_of(*heads))
        .unwrap_or(1)
}

struct Sizes<'a> {
    class: &'static str,
    hidden: usize,
    heads: usize,
    intermediate: usize,
    tokens: usize,
    shape: &'a Shape,
}

fn config(sizes: &Sizes<'_>) -> Result<ElectraConfig, Error> {
    let shape = sizes.shape;
    let json = json!({
        "architectures": [sizes.class],
        "attention_probs_dropout_prob": shape.dropout,
        "embedding_size": shape.embedding,
        "hidden_act": "gelu",
        "hidden_dropout_prob": shape.dropout,
        "hidden_size": sizes.hidden,
        "initializer_range": 0.02,
        "intermediate_size": sizes.intermediate,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": shape.positions,
        "model_type": "electra",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": shape.layers,
        "pad_token_id": 0,
        "summary_activation": "gelu",
        "summary_last_dropout": 0.1,
        "summary_type": "first",
        "summary_use_proj": true,
        "tie_word_embeddings": true,
        "type_vocab_size": 2,
        "vocab_size": sizes.tokens,
    });
    parsed(&json)
}

/// The configuration that `json` says.
///
/// # Errors
///
/// A value that no model can have.
pub(super) fn parsed(json: &serde_json::Value) -> Result<ElectraConfig, Error> {
    let bytes = json.to_string();
    Ok(ElectraConfig::parse(
        bytes.as_bytes(),
        Path::new("the configuration asked for"),
    )?)
}

/// A configuration whose model is trained further: with `dropout`, and without the threshold, which
/// holds for the weights as they were.
pub(super) fn for_training(
    config: &ElectraConfig,
    dropout: Option<f64>,
) -> Result<ElectraConfig, Error> {
    let mut json = config.raw.clone();
    if let Some(fields) = json.as_object_mut() {
        fields.remove("electroscope");
        if let Some(dropout) = dropout {
            fields.insert("hidden_dropout_prob".into(), dropout.into());
            fields.insert("attention_probs_dropout_prob".into(), dropout.into());
        }
    }
    parsed(&json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_the_sizes_of_the_paper() {
        let sizes = |preset: Preset| {
            let (discriminator, generator) = preset.shape().configs(30_522).unwrap();
            [discriminator, generator].map(|config| {
                (
                    config.num_hidden_layers,
                    config.hidden_size,
                    config.embedding_size,
                    config.num_attention_heads,
                    config.intermediate_size,
                )
            })
        };
        assert_eq!(
            sizes(Preset::Mini),
            [(6, 256, 128, 4, 1024), (6, 64, 128, 1, 256)]
        );
        assert_eq!(
            sizes(Preset::Small),
            [(12, 256, 128, 4, 1024), (12, 64, 128, 1, 256)]
        );
        assert_eq!(
            sizes(Preset::Base),
            [(12, 768, 768, 12, 3072), (12, 256, 768, 4, 1024)]
        );
    }

    #[test]
    fn sizes_that_do_not_go_together_are_refused_with_one_that_does() {
        let mini = Preset::Mini.shape();
        let said = |shape: Shape| shape.configs(100).unwrap_err().to_string();
        let messages = [
            said(Shape {
                heads: Some(7),
                ..mini
            }),
            said(Shape { hidden: 0, ..mini }),
            said(Shape {
                generator: 1.5,
                ..mini
            }),
            said(Shape {
                positions: 2,
                ..mini
            }),
        ];
        insta::assert_snapshot!(messages.join("\n"));
    }

    #[test]
    fn any_hidden_size_has_heads_that_divide_it() {
        for hidden in 1..400 {
            let (discriminator, generator) = Shape {
                hidden,
                ..Preset::Mini.shape()
            }
            .configs(100)
            .unwrap();
            for config in [discriminator, generator] {
                assert!(
                    config
                        .hidden_size
                        .is_multiple_of(config.num_attention_heads)
                );
            }
        }
    }
}
