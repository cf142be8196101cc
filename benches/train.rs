//! Tokens per second of a step of training: forward, backward, and a plain step along the gradient
//! in the optimizer's place.
//!
//! Prints a Markdown table; `-- NAME` measures one model and prints its tokens per second alone, as
//! the peers beside it do. See the README for how to run and read it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program to be looked at, on models that it made itself"
)]

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use electroscope_model::ElectraConfig;
use electroscope_model::names::{ADAPTER, Head, parameters};
use electroscope_model::nn::electra::{Batch, Electra};
use electroscope_model::nn::head_layers::Discriminator;
use electroscope_model::nn::layers::{Drops, Pass};

/// What is measured: a name, the configuration, windows, tokens, and the rank of the adapters on the
/// encoder's linear layers if its weights are frozen.
const MODELS: [(&str, &str, usize, usize, Option<usize>); 4] = [
    ("mini", MINI, 32, 128, None),
    ("small", SMALL, 32, 128, None),
    ("builtin", BUILTIN, 32, 128, None),
    ("builtin-lora", BUILTIN, 32, 128, Some(16)),
];
const MINI: &str = r#"{"model_type": "electra", "num_hidden_layers": 6, "hidden_size": 256,
    "embedding_size": 128, "num_attention_heads": 4, "intermediate_size": 1024}"#;
const SMALL: &str = r#"{"model_type": "electra", "num_hidden_layers": 12, "hidden_size": 256,
    "embedding_size": 128, "num_attention_heads": 4, "intermediate_size": 1024}"#;
const BUILTIN: &str = r#"{"model_type": "electra", "num_hidden_layers": 6, "hidden_size": 384,
    "embedding_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}"#;

/// Steps that are thrown away, and steps that the median is taken of.
const STEPS: (usize, usize) = (2, 7);

fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let asked = MODELS
        .iter()
        .find(|model| names.iter().any(|name| name == model.0));
    if let Some(&model) = asked {
        return println!("{:.0}", measure(model));
    }
    println!("| model | batch × length | tokens/s |\n|---|---|---|");
    for model in MODELS {
        println!(
            "| {} | {} × {} | {:.0} |",
            model.0,
            model.2,
            model.3,
            measure(model)
        );
    }
}

fn measure((_, config, windows, tokens, rank): (&str, &str, usize, usize, Option<usize>)) -> f64 {
    let config = ElectraConfig::parse(config.as_bytes(), Path::new("config.json")).unwrap();
    let (variables, vb) = weights(&config, rank);
    let encoder = Electra::load(&config, vb.pp("electra")).unwrap();
    let head = Discriminator::load(&config, vb.pp("discriminator_predictions")).unwrap();
    let ids: Vec<Vec<u32>> = (0..windows)
        .map(|window| {
            (0..tokens)
                .map(|at| (1000 + (window * 7919 + at * 104_729) % 20_000) as u32)
                .collect()
        })
        .collect();
    let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let batch = Batch::new(&ids, 0, &Device::Cpu).unwrap();
    let fake = (0..windows * tokens).map(|at| if at % 7 == 0 { 1.0_f32 } else { 0.0 });
    let fake = Tensor::from_iter(fake, &Device::Cpu).unwrap();
    let fake = fake.reshape((windows, tokens)).unwrap();

    let mut times = Vec::new();
    for step in 0..STEPS.0 + STEPS.1 {
        let started = Instant::now();
        let drops = Drops::new(1, step as u64);
        let states = encoder.forward(&batch, Pass::Train(&drops)).unwrap();
        let logits = head.forward(&states).unwrap();
        let loss = candle_nn::loss::binary_cross_entropy_with_logit(&logits, &fake).unwrap();
        let gradients = loss.backward().unwrap();
        for variable in &variables {
            let gradient = gradients.get(variable.as_tensor()).unwrap();
            let next = (variable.as_tensor() - (gradient * 1e-4).unwrap()).unwrap();
            variable.set(&next.detach()).unwrap();
        }
        if step >= STEPS.0 {
            times.push(started.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    (windows * tokens) as f64 / times[times.len() / 2]
}

/// Weights of no meaning, and those of them that learn.
fn weights(config: &ElectraConfig, rank: Option<usize>) -> (Vec<Var>, VarBuilder<'static>) {
    let drawn = |shape: &[usize]| Tensor::randn(0_f32, 0.02, shape, &Device::Cpu).unwrap();
    let (mut variables, mut tensors) = (Vec::new(), HashMap::new());
    let mut learn = |name: String, tensor: Tensor, tensors: &mut HashMap<String, Tensor>| {
        let variable = Var::from_tensor(&tensor).unwrap();
        tensors.insert(name, variable.as_tensor().clone());
        variables.push(variable);
    };
    for parameter in parameters(config, Head::Discriminator) {
        let tensor = match parameter.shape.as_slice() {
            shape @ [_] if parameter.name.ends_with("LayerNorm.weight") => {
                Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
            }
            shape => drawn(shape),
        };
        let in_encoder = parameter.name.contains("encoder.layer");
        if let Some(rank) = rank.filter(|_| parameter.name.starts_with("electra.")) {
            tensors.insert(parameter.name.clone(), tensor);
            if let ([outputs, inputs], true) = (parameter.shape.as_slice(), in_encoder) {
                let at = parameter.name.trim_end_matches("weight");
                let [a, b] = ADAPTER.map(|part| format!("{at}{part}"));
                learn(a, drawn(&[rank, *inputs]), &mut tensors);
                learn(b, drawn(&[*outputs, rank]), &mut tensors);
            }
        } else {
            learn(parameter.name, tensor, &mut tensors);
        }
    }
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    (variables, vb)
}
