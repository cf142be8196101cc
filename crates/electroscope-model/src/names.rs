//! Which tensors a model has, by its configuration: the names and shapes that loading checks.

use crate::config::ElectraConfig;

/// What the tensors of an adapter are called, after the name of the layer that they adapt.
pub const ADAPTER: [&str; 2] = ["lora_A.weight", "lora_B.weight"];

/// A tensor that a model needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in a checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// What stands on the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Replaced or not, per token.
    Discriminator,
    /// Which token, per token.
    Generator,
    /// Which of so many labels, per window.
    Classification(usize),
    /// Which of so many labels, per token.
    Tagging(usize),
    /// Where an answer starts and where it ends, per token.
    QuestionAnswering,
}

/// The tensors of an ELECTRA with `head`, in the order of the computation.
pub fn parameters(config: &ElectraConfig, head: Head) -> Vec<Parameter> {
    let (hidden, size, inner) = (
        config.hidden_size,
        config.embedding_size,
        config.intermediate_size,
    );
    let mut list = Vec::new();
    let mut add = |name: String, shape: &[usize]| {
        list.push(Parameter {
            name,
            shape: shape.to_vec(),
        })
    };
    let embeddings = "electra.embeddings";
    add(
        format!("{embeddings}.word_embeddings.weight"),
        &[config.vocab_size, size],
    );
    add(
        format!("{embeddings}.position_embeddings.weight"),
        &[config.max_position_embeddings, size],
    );
    if config.type_vocab_size > 0 {
        add(
            format!("{embeddings}.token_type_embeddings.weight"),
            &[config.type_vocab_size, size],
        );
    }
    add(format!("{embeddings}.LayerNorm.weight"), &[size]);
    add(format!("{embeddings}.LayerNorm.bias"), &[size]);
    if size != hidden {
        add("electra.embeddings_project.weight".into(), &[hidden, size]);
        add("electra.embeddings_project.bias".into(), &[hidden]);
    }
    for layer in 0..config.num_hidden_layers {
        let at = format!("electra.encoder.layer.{layer}");
        let mut linear = |name: &str, from: usize, to: usize| {
            add(format!("{at}.{name}.weight"), &[to, from]);
            add(format!("{at}.{name}.bias"), &[to]);
        };
        for part in ["query", "key", "value"] {
            linear(&format!("attention.self.{part}"), hidden, hidden);
        }
        linear("attention.output.dense", hidden, hidden);
        linear("intermediate.dense", hidden, inner);
        linear("output.dense", inner, hidden);
        for norm in ["attention.output.LayerNorm", "output.LayerNorm"] {
            add(format!("{at}.{norm}.weight"), &[hidden]);
            add(format!("{at}.{norm}.bias"), &[hidden]);
        }
    }
    let mut linear = |name: &str, from: usize, to: usize| {
        add(format!("{name}.weight"), &[to, from]);
        add(format!("{name}.bias"), &[to]);
    };
    match head {
        Head::Discriminator => {
            linear("discriminator_predictions.dense", hidden, hidden);
            linear("discriminator_predictions.dense_prediction", hidden, 1);
        }
        Head::Generator => {
            linear("generator_predictions.dense", hidden, size);
            add("generator_predictions.LayerNorm.weight".into(), &[size]);
            add("generator_predictions.LayerNorm.bias".into(), &[size]);
            add("generator_lm_head.bias".into(), &[config.vocab_size]);
        }
        Head::Classification(labels) => {
            linear("classifier.dense", hidden, hidden);
            linear("classifier.out_proj", hidden, labels);
        }
        Head::Tagging(labels) => linear("classifier", hidden, labels),
        Head::QuestionAnswering => linear("qa_outputs", hidden, 2),
    }
    list
}
