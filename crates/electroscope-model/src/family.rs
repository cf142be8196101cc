//! The families of encoder that a head may stand on, and what each calls its fields and tensors.
//!
//! ELECTRA, BERT and DistilBERT compute the same encoder: embeddings, then layers of attention and
//! feed-forward, each with its residual and layer norm. They differ in names, in defaults, in how
//! `[CLS]` is pooled, and DistilBERT knows no segments. So there is one encoder here, in ELECTRA's
//! names, and this file translates.
//!
//! candle-transformers has a `bert` and a `distilbert` of its own. Held against the reference, its
//! DistilBERT is wrong by 0.007 in the logits of a checkpoint that this encoder gets right to
//! 0.00001: it computes GELU by the hyperbolic tangent, not the error function. Its BERT is right,
//! but has no `gelu_new`, no pooler and no dropout, ends the gradient at the first layer norm, and
//! guesses at prefixes, so that a missing tensor is reported under another name.
//!
//! One difference is left out: in training DistilBERT drops nothing after the output layer of the
//! attention, where the encoder here does. No answer depends on it.

use serde_json::Value;

/// A family of encoders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// ELECTRA: what this program is about.
    Electra,
    /// BERT.
    Bert,
    /// DistilBERT: BERT with half the layers and no segments.
    DistilBert,
}

/// A field's name in ELECTRA's configuration and in DistilBERT's.
const DISTILBERT_FIELDS: [(&str, &str); 7] = [
    ("hidden_size", "dim"),
    ("num_hidden_layers", "n_layers"),
    ("num_attention_heads", "n_heads"),
    ("intermediate_size", "hidden_dim"),
    ("hidden_act", "activation"),
    ("hidden_dropout_prob", "dropout"),
    ("attention_probs_dropout_prob", "attention_dropout"),
];

/// The name of a part of a layer in ELECTRA's checkpoints and in DistilBERT's.
const DISTILBERT_PARTS: [(&str, &str); 8] = [
    ("attention.self.query", "attention.q_lin"),
    ("attention.self.key", "attention.k_lin"),
    ("attention.self.value", "attention.v_lin"),
    ("attention.output.dense", "attention.out_lin"),
    ("attention.output.LayerNorm", "sa_layer_norm"),
    ("intermediate.dense", "ffn.lin1"),
    ("output.dense", "ffn.lin2"),
    ("output.LayerNorm", "output_layer_norm"),
];

impl Family {
    /// All there are.
    pub const ALL: [Family; 3] = [Family::Electra, Family::Bert, Family::DistilBert];

    /// What `model_type` calls it; its encoder's tensors stand under the same name.
    pub fn model_type(self) -> &'static str {
        match self {
            Family::Electra => "electra",
            Family::Bert => "bert",
            Family::DistilBert => "distilbert",
        }
    }

    /// What the names of its classes begin with.
    pub fn class_prefix(self) -> &'static str {
        match self {
            Family::Electra => "Electra",
            Family::Bert => "Bert",
            Family::DistilBert => "DistilBert",
        }
    }

    /// The configuration `raw` in ELECTRA's names, with this family's defaults where it is silent.
    pub(super) fn fields(self, raw: &Value) -> Value {
        let mut fields = raw.as_object().cloned().unwrap_or_default();
        if self == Family::DistilBert {
            for (ours, theirs) in DISTILBERT_FIELDS {
                if let Some(value) = raw.get(theirs) {
                    fields.insert(ours.to_owned(), value.clone());
                }
            }
            // Neither can be set: it has no segments, and its layer norms are built with one number.
            fields.insert("type_vocab_size".to_owned(), 0.into());
            fields.insert("layer_norm_eps".to_owned(), 1e-12.into());
        }
        if self != Family::Electra {
            let layers = if self == Family::Bert { 12 } else { 6 };
            for (name, value) in [
                ("hidden_size", 768),
                ("num_hidden_layers", layers),
                ("num_attention_heads", 12),
                ("intermediate_size", 3072),
            ] {
                fields.entry(name).or_insert(value.into());
            }
            // Only ELECTRA has embeddings of another width than its layers.
            let hidden = fields.get("hidden_size").cloned().unwrap_or_default();
            fields.insert("embedding_size".to_owned(), hidden);
        }
        Value::Object(fields)
    }

    /// What this family's configuration calls the field that ELECTRA's calls `field`.
    pub(super) fn field(self, field: &'static str) -> &'static str {
        let names = DISTILBERT_FIELDS.iter().find(|(ours, _)| *ours == field);
        match names {
            Some((_, theirs)) if self == Family::DistilBert => theirs,
            _ => field,
        }
    }

    /// What this family's checkpoints call the tensor that ELECTRA's call `name`. The layer between
    /// `[CLS]` and the labels, which all three have, is `classifier.dense` here.
    pub fn tensor(self, name: &str) -> String {
        let pooler = match self {
            Family::Electra => return name.to_owned(),
            Family::Bert => "bert.pooler.dense",
            Family::DistilBert => "pre_classifier",
        };
        if let Some(end) = name.strip_prefix("classifier.dense") {
            return format!("{pooler}{end}");
        }
        if let Some(end) = name.strip_prefix("classifier.out_proj") {
            return format!("classifier{end}");
        }
        let Some(inside) = name.strip_prefix("electra.") else {
            return name.to_owned();
        };
        let layer = inside
            .strip_prefix("encoder.layer.")
            .filter(|_| self == Family::DistilBert)
            .and_then(|rest| rest.split_once('.'));
        if let Some((layer, rest)) = layer {
            let part = DISTILBERT_PARTS.iter().find_map(|(ours, theirs)| {
                let end = rest.strip_prefix(ours)?;
                Some(format!("{theirs}{end}"))
            });
            let part = part.unwrap_or_else(|| rest.to_owned());
            return format!("distilbert.transformer.layer.{layer}.{part}");
        }
        format!("{}.{inside}", self.model_type())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_translated() {
        let of = |name| Family::ALL.map(|family| family.tensor(name));
        assert_eq!(
            of("electra.embeddings.word_embeddings.weight"),
            [
                "electra.embeddings.word_embeddings.weight",
                "bert.embeddings.word_embeddings.weight",
                "distilbert.embeddings.word_embeddings.weight"
            ]
        );
        assert_eq!(
            of("electra.encoder.layer.11.attention.output.LayerNorm.bias"),
            [
                "electra.encoder.layer.11.attention.output.LayerNorm.bias",
                "bert.encoder.layer.11.attention.output.LayerNorm.bias",
                "distilbert.transformer.layer.11.sa_layer_norm.bias"
            ]
        );
        assert_eq!(
            of("electra.encoder.layer.0.output.dense.weight")[2],
            "distilbert.transformer.layer.0.ffn.lin2.weight"
        );
        assert_eq!(
            of("classifier.dense.weight"),
            [
                "classifier.dense.weight",
                "bert.pooler.dense.weight",
                "pre_classifier.weight"
            ]
        );
        assert_eq!(
            of("classifier.out_proj.bias"),
            [
                "classifier.out_proj.bias",
                "classifier.bias",
                "classifier.bias"
            ]
        );
        assert_eq!(of("classifier.bias"), ["classifier.bias"; 3]);
        assert_eq!(of("qa_outputs.weight"), ["qa_outputs.weight"; 3]);
    }
}
