//! `config.json`: the shape of an ELECTRA and everything else in it that changes a number. BERT and
//! DistilBERT are read into the same shape, for the same encoder computes them.
//!
//! Every such field is honoured or refused by name. Fields that are missing take the defaults of
//! the reference, `transformers/models/electra/configuration_electra.py`.

use std::path::Path;

use serde::Deserialize;

use crate::family::Family;
use crate::{Error, labels, text_file};

/// The activation functions that checkpoints name. All are computed as PyTorch does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// x · Φ(x), by the error function. What ELECTRA was trained with.
    #[default]
    Gelu,
    /// GELU by a hyperbolic tangent (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// max(0, x).
    Relu,
    /// x · σ(x).
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

/// The configuration of an ELECTRA, generator or discriminator.
#[derive(Clone, Debug, PartialEq)]
pub struct ElectraConfig {
    /// V: rows of the word embeddings.
    pub vocab_size: usize,
    /// E: width of the embeddings.
    pub embedding_size: usize,
    /// H: width of the encoder.
    pub hidden_size: usize,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they divide H.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Activation of the feed-forward layers and of the discriminator's head.
    pub hidden_act: Activation,
    /// Share of the hidden values dropped in training.
    pub hidden_dropout_prob: f32,
    /// Share of the attention weights dropped in training.
    pub attention_probs_dropout_prob: f32,
    /// The longest window in tokens, `[CLS]` and `[SEP]` included.
    pub max_position_embeddings: usize,
    /// Kinds of segment; none in a DistilBERT.
    pub type_vocab_size: usize,
    /// Added to the variance in a layer norm.
    pub layer_norm_eps: f64,
    /// The id of `[PAD]`.
    pub pad_token_id: u32,
    /// The classes that the checkpoint was saved from, if it says so.
    pub architectures: Vec<String>,
    /// The threshold that the checkpoint brings along.
    pub threshold: Option<f32>,
    /// The share of clean words above that threshold.
    pub false_alarms: Option<f32>,
    /// The labels of a fine-tuned head, in the order of their numbers.
    pub labels: Vec<String>,
    /// The whole file.
    pub raw: serde_json::Value,
}

/// The file as it is; which values are allowed is looked at afterwards, to say more than serde can.
#[derive(Deserialize)]
#[serde(default)]
struct RawConfig {
    vocab_size: usize,
    embedding_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    hidden_dropout_prob: f32,
    attention_probs_dropout_prob: f32,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    pad_token_id: Option<u32>,
    position_embedding_type: Option<String>,
    is_decoder: bool,
    add_cross_attention: bool,
    tie_word_embeddings: Option<bool>,
    architectures: Option<Vec<String>>,
    id2label: Option<serde_json::Value>,
    electroscope: Option<Calibration>,
}

#[derive(Deserialize)]
struct Calibration {
    threshold: Option<f32>,
    false_alarms: Option<f32>,
}

impl Default for RawConfig {
    fn default() -> RawConfig {
        RawConfig {
            vocab_size: 30_522,
            embedding_size: 128,
            hidden_size: 256,
            num_hidden_layers: 12,
            num_attention_heads: 4,
            intermediate_size: 1024,
            hidden_act: "gelu".to_owned(),
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            pad_token_id: Some(0),
            position_embedding_type: None,
            is_decoder: false,
            add_cross_attention: false,
            tie_word_embeddings: None,
            architectures: None,
            id2label: None,
            electroscope: None,
        }
    }
}

impl ElectraConfig {
    /// Reads the configuration in `json`; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// [`Error::ConfigSyntax`] and [`Error::ConfigNotFinite`] for what is not JSON,
    /// [`Error::LfsPointer`] for what only points to the file, [`Error::Config`] for a value that this model
    /// cannot have.
    pub fn parse(json: &[u8], path: &Path) -> Result<ElectraConfig, Error> {
        let raw = text_file::parse(json, path).map(serde_json::Value::Object)?;
        let refuse = |found: String, wanted: &str| Error::Config {
            path: path.to_owned(),
            field: "model_type",
            found,
            wanted: wanted.to_owned(),
        };
        match raw.get("model_type") {
            Some(kind) if kind == "electra" => {}
            Some(other) => {
                return Err(refuse(other.to_string(), "only \"electra\" can be read"));
            }
            None => return Err(refuse("missing".into(), "it must say \"electra\"")),
        }
        ElectraConfig::of_family(Family::Electra, raw, path)
    }

    /// Reads the encoder of a model of `family` from its configuration, in that family's own names.
    /// [`ElectraConfig::raw`] stays as it is.
    ///
    /// # Errors
    ///
    /// As [`ElectraConfig::parse`].
    pub fn of_family(
        family: Family,
        raw: serde_json::Value,
        path: &Path,
    ) -> Result<ElectraConfig, Error> {
        let fields = RawConfig::deserialize(family.fields(&raw));
        let fields = fields.map_err(|source| Error::ConfigSyntax {
            path: path.to_owned(),
            source,
        })?;
        let refuse = |field: &'static str, found: String, wanted: String| Error::Config {
            path: path.to_owned(),
            field: family.field(field),
            found,
            wanted,
        };
        let hidden_act = match fields.hidden_act.as_str() {
            "gelu" | "gelu_python" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            "silu" | "swish" => Activation::Silu,
            "tanh" => Activation::Tanh,
            other => {
                let wanted =
                    "gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish and tanh are known";
                return Err(refuse("hidden_act", format!("{other:?}"), wanted.into()));
            }
        };
        if let Some(kind) = fields
            .position_embedding_type
            .filter(|kind| kind != "absolute")
        {
            let wanted = "only \"absolute\" positions are known";
            return Err(refuse(
                "position_embedding_type",
                format!("{kind:?}"),
                wanted.into(),
            ));
        }
        for (field, value) in [
            ("is_decoder", fields.is_decoder),
            ("add_cross_attention", fields.add_cross_attention),
        ] {
            if value {
                return Err(refuse(
                    field,
                    "true".into(),
                    "only encoders that read in both directions at once can be used".into(),
                ));
            }
        }
        if fields.tie_word_embeddings == Some(false)
            && fields
                .architectures
                .iter()
                .flatten()
                .any(|class| class.contains("MaskedLM"))
        {
            let wanted = "a generator's output layer is its word embeddings";
            return Err(refuse("tie_word_embeddings", "false".into(), wanted.into()));
        }
        // Sizes are bounded before anything is allocated by them; the largest ELECTRA has 1,024 × 24.
        let sizes = [
            ("vocab_size", fields.vocab_size, 1 << 22),
            ("embedding_size", fields.embedding_size, 1 << 14),
            ("hidden_size", fields.hidden_size, 1 << 14),
            ("num_hidden_layers", fields.num_hidden_layers, 1 << 10),
            ("num_attention_heads", fields.num_attention_heads, 1 << 10),
            ("intermediate_size", fields.intermediate_size, 1 << 16),
            ("type_vocab_size", fields.type_vocab_size, 1 << 10),
            (
                "max_position_embeddings",
                fields.max_position_embeddings,
                1 << 16,
            ),
        ];
        for (field, value, most) in sizes {
            let least = match (field, family) {
                ("max_position_embeddings", _) => 3,
                ("type_vocab_size", Family::DistilBert) => 0,
                _ => 1,
            };
            if !(least..=most).contains(&value) {
                return Err(refuse(
                    field,
                    value.to_string(),
                    format!("it must lie between {least} and {most}"),
                ));
            }
        }
        if !fields
            .hidden_size
            .is_multiple_of(fields.num_attention_heads)
        {
            let wanted = format!(
                "it must divide {}, which is {}",
                family.field("hidden_size"),
                fields.hidden_size
            );
            return Err(refuse(
                "num_attention_heads",
                fields.num_attention_heads.to_string(),
                wanted,
            ));
        }
        if !(fields.layer_norm_eps >= 0.0 && fields.layer_norm_eps < 1.0) {
            let wanted = "it must be a small number that is not negative";
            return Err(refuse(
                "layer_norm_eps",
                fields.layer_norm_eps.to_string(),
                wanted.into(),
            ));
        }
        for (field, value) in [
            ("hidden_dropout_prob", fields.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                fields.attention_probs_dropout_prob,
            ),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(refuse(
                    field,
                    value.to_string(),
                    "it must be at least 0 and less than 1".into(),
                ));
            }
        }
        let calibration = fields.electroscope;
        let threshold = calibration
            .as_ref()
            .and_then(|calibration| calibration.threshold);
        if let Some(found) = threshold.filter(|found| !(0.0..=1.0).contains(found)) {
            return Err(refuse(
                "electroscope.threshold",
                found.to_string(),
                "it must lie between 0 and 1".into(),
            ));
        }
        Ok(ElectraConfig {
            vocab_size: fields.vocab_size,
            embedding_size: fields.embedding_size,
            hidden_size: fields.hidden_size,
            num_hidden_layers: fields.num_hidden_layers,
            num_attention_heads: fields.num_attention_heads,
            intermediate_size: fields.intermediate_size,
            hidden_act,
            hidden_dropout_prob: fields.hidden_dropout_prob,
            attention_probs_dropout_prob: fields.attention_probs_dropout_prob,
            max_position_embeddings: fields.max_position_embeddings,
            type_vocab_size: fields.type_vocab_size,
            layer_norm_eps: fields.layer_norm_eps,
            pad_token_id: fields.pad_token_id.unwrap_or(0),
            architectures: fields.architectures.unwrap_or_default(),
            threshold,
            false_alarms: calibration.and_then(|calibration| calibration.false_alarms),
            // Which of them stand is looked at where there is a head to use them.
            labels: (fields.id2label.as_ref())
                .and_then(|id2label| labels::by_number(id2label).ok())
                .map(|labels| labels.into_values().collect())
                .unwrap_or_default(),
            raw,
        })
    }

    /// D: the width of one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<ElectraConfig, String> {
        ElectraConfig::parse(json.as_bytes(), Path::new("config.json"))
            .map_err(|err| err.to_string())
    }

    #[test]
    fn missing_fields_take_the_defaults_of_the_reference() {
        let config = parse(r#"{"model_type": "electra"}"#).unwrap();
        assert_eq!(
            (config.vocab_size, config.embedding_size, config.hidden_size),
            (30_522, 128, 256)
        );
        assert_eq!(
            (config.num_hidden_layers, config.num_attention_heads),
            (12, 4)
        );
        assert_eq!(config.layer_norm_eps, 1e-12);
        assert_eq!(config.hidden_act, Activation::Gelu);
        assert_eq!(config.threshold, None);
    }

    #[test]
    fn what_would_change_a_number_is_refused_by_name() {
        let refusals: Vec<String> = [
            r#"{"model_type": "bert"}"#,
            r#"{"hidden_size": 256}"#,
            r#"{"model_type": "electra", "hidden_act": "mish"}"#,
            r#"{"model_type": "electra", "position_embedding_type": "relative_key"}"#,
            r#"{"model_type": "electra", "is_decoder": true}"#,
            r#"{"model_type": "electra", "num_attention_heads": 3}"#,
            r#"{"model_type": "electra", "vocab_size": 99999999999}"#,
            r#"{"model_type": "electra", "hidden_size": 0}"#,
            r#"{"model_type": "electra", "layer_norm_eps": -1}"#,
            r#"{"model_type": "electra", "electroscope": {"threshold": 2}}"#,
            r#"{"model_type": "electra", "hidden_size": "wide"}"#,
            "{",
        ]
        .iter()
        .map(|json| parse(json).unwrap_err())
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }

    #[test]
    fn calibration_and_labels_are_read() {
        let config = parse(
            r#"{"model_type": "electra", "electroscope": {"threshold": 0.5287, "false_alarms": 0.01},
                "id2label": {"1": "b", "0": "a", "10": "k", "2": 7}}"#,
        )
        .unwrap();
        assert_eq!(
            (config.threshold, config.false_alarms),
            (Some(0.5287), Some(0.01))
        );
        assert_eq!(config.labels, ["a", "b", "7", "k"]);
    }
}
