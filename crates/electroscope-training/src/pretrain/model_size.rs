//! The sizes of a model pair: presets, overrides and validation.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Error;
use electroscope_model::ElectraConfig;

/// Sizes with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizePreset {
    /// For a CPU and a few hours: 6 layers, hidden size 256.
    Mini,
    /// ELECTRA-small of the paper: 12 layers, hidden size 256.
    Small,
    /// ELECTRA-base of the paper: 12 layers, hidden size 768.
    Base,
}

/// The sizes of a generator and a discriminator.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairSize {
    /// The layers of each encoder.
    pub layers: usize,
    /// The hidden size of the discriminator.
    pub hidden: usize,
    /// The embedding size, which both share.
    pub embedding: usize,
    /// The attention heads of the discriminator; by default one for every 64 of its hidden size.
    pub heads: Option<usize>,
    /// The feed-forward size of the discriminator; by default four times its hidden size.
    pub intermediate: Option<usize>,
    /// The hidden size of the generator as a fraction of the discriminator's.
    pub generator: f64,
    /// The tokens of a window at most.
    pub positions: usize,
    /// The dropout probability in training.
    pub dropout: f64,
}

impl SizePreset {
    /// The sizes.
    pub fn size(self) -> PairSize {
        let small = PairSize {
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
            SizePreset::Mini => PairSize { layers: 6, ..small },
            SizePreset::Small => small,
            SizePreset::Base => PairSize {
                hidden: 768,
                embedding: 768,
                generator: 1.0 / 3.0,
                positions: 512,
                ..small
            },
        }
    }

    /// The learning rate of the paper.
    pub fn learning_rate(self) -> f64 {
        match self {
            SizePreset::Mini | SizePreset::Small => 5e-4,
            SizePreset::Base => 2e-4,
        }
    }

    /// The windows of a step: as in the paper, except for the preset for CPUs.
    pub fn batch_size(self) -> usize {
        match self {
            SizePreset::Mini => 32,
            SizePreset::Small => 128,
            SizePreset::Base => 256,
        }
    }
}

/// The size of an attention head in the published models.
const HEAD_SIZE: usize = 64;

impl PairSize {
    /// The configurations of the discriminator and of the generator for a vocabulary of `tokens`.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] for a size of 0, and if the number of heads does not divide the hidden size.
    pub fn configs(&self, tokens: usize) -> Result<(ElectraConfig, ElectraConfig), Error> {
        let refuse = |what: String| Err(Error::Settings(what));
        if self.layers == 0 || self.hidden == 0 || self.embedding == 0 {
            return refuse("layers, hidden size and embedding size must be at least 1".to_owned());
        }
        if !(self.generator > 0.0 && self.generator <= 1.0) {
            return refuse(format!(
                "the generator's fraction of the hidden size is {}, but it must be above 0 and at most 1",
                self.generator
            ));
        }
        let heads = self.heads.unwrap_or_else(|| fitting_heads(self.hidden));
        if heads == 0 || !self.hidden.is_multiple_of(heads) {
            return refuse(format!(
                "a hidden size of {} is not divisible by {heads} attention heads; try --heads {}",
                self.hidden,
                fitting_heads(self.hidden)
            ));
        }
        let small = ((self.hidden as f64 * self.generator).round() as usize).max(1);
        let discriminator = config(&ModelSize {
            class: "ElectraForPreTraining",
            hidden: self.hidden,
            heads,
            intermediate: self.intermediate.unwrap_or(4 * self.hidden),
            tokens,
            pair: self,
        })?;
        let generator = config(&ModelSize {
            class: "ElectraForMaskedLM",
            hidden: small,
            heads: fitting_heads(small),
            intermediate: 4 * small,
            tokens,
            pair: self,
        })?;
        Ok((discriminator, generator))
    }
}

/// The largest number of heads of at least the usual size that divides the hidden size.
fn fitting_heads(hidden: usize) -> usize {
    let most = (hidden / HEAD_SIZE).max(1);
    (1..=most)
        .rev()
        .find(|heads| hidden.is_multiple_of(*heads))
        .unwrap_or(1)
}

/// The sizes of one of the two models.
struct ModelSize<'a> {
    class: &'static str,
    hidden: usize,
    heads: usize,
    intermediate: usize,
    tokens: usize,
    pair: &'a PairSize,
}

fn config(sizes: &ModelSize<'_>) -> Result<ElectraConfig, Error> {
    let pair = sizes.pair;
    let json = json!({
        "architectures": [sizes.class],
        "attention_probs_dropout_prob": pair.dropout,
        "embedding_size": pair.embedding,
        "hidden_act": "gelu",
        "hidden_dropout_prob": pair.dropout,
        "hidden_size": sizes.hidden,
        "initializer_range": 0.02,
        "intermediate_size": sizes.intermediate,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": pair.positions,
        "model_type": "electra",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": pair.layers,
        "pad_token_id": 0,
        "summary_activation": "gelu",
        "summary_last_dropout": 0.1,
        "summary_type": "first",
        "summary_use_proj": true,
        "tie_word_embeddings": true,
        "type_vocab_size": 2,
        "vocab_size": sizes.tokens,
    });
    parse_config(&json)
}

/// Parses a configuration.
///
/// # Errors
///
/// A configuration with an invalid value.
pub(super) fn parse_config(json: &serde_json::Value) -> Result<ElectraConfig, Error> {
    let bytes = json.to_string();
    Ok(ElectraConfig::parse(
        bytes.as_bytes(),
        Path::new("the requested configuration"),
    )?)
}

/// The configuration of a checkpoint that is trained further: with `dropout`, and without the
/// calibrated threshold, which is valid for the old weights only.
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
    parse_config(&json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_the_sizes_of_the_paper() {
        let sizes = |preset: SizePreset| {
            let (discriminator, generator) = preset.size().configs(30_522).unwrap();
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
            sizes(SizePreset::Mini),
            [(6, 256, 128, 4, 1024), (6, 64, 128, 1, 256)]
        );
        assert_eq!(
            sizes(SizePreset::Small),
            [(12, 256, 128, 4, 1024), (12, 64, 128, 1, 256)]
        );
        assert_eq!(
            sizes(SizePreset::Base),
            [(12, 768, 768, 12, 3072), (12, 256, 768, 4, 1024)]
        );
    }

    #[test]
    fn incompatible_sizes_are_errors_with_a_possible_size() {
        let mini = SizePreset::Mini.size();
        let message = |pair: PairSize| pair.configs(100).unwrap_err().to_string();
        let messages = [
            message(PairSize {
                heads: Some(7),
                ..mini
            }),
            message(PairSize { hidden: 0, ..mini }),
            message(PairSize {
                generator: 1.5,
                ..mini
            }),
            message(PairSize {
                positions: 2,
                ..mini
            }),
        ];
        insta::assert_snapshot!(messages.join("\n"));
    }

    #[test]
    fn the_default_heads_divide_any_hidden_size() {
        for hidden in 1..400 {
            let (discriminator, generator) = PairSize {
                hidden,
                ..SizePreset::Mini.size()
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
