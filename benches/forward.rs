//! Tokens per second of the plain and the fused forward pass, side by side.
//!
//! Prints a Markdown table; see the README beside it for how to run and read it. The two are timed
//! in turn, run by run, so that whatever else the machine does falls on both alike, and medians are
//! compared.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program to be looked at, on models that it made itself"
)]

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use electroscope::model::fast::FastDiscriminator;
use electroscope::model::parameters::{Head, parameters};
use electroscope::model::plain::PlainDiscriminator;
use electroscope::model::{Checkpoint, ElectraConfig, Forward, Weights};

const SHAPES: [(usize, usize); 5] = [(1, 32), (1, 128), (1, 512), (8, 128), (32, 128)];

/// For how long each shape is measured, if nothing else is asked for.
const SECONDS: f64 = 4.0;

fn main() {
    // `cargo bench` passes flags of its own; a number is for us.
    let seconds = std::env::args().find_map(|argument| argument.parse().ok());
    let seconds: f64 = seconds.unwrap_or(SECONDS);
    println!("| model | batch × length | plain f32 | fused f32 | ratio |");
    println!("|---|---|---|---|---|");
    for (name, checkpoint) in [
        ("built-in", Checkpoint::builtin().unwrap()),
        ("ELECTRA-small, random", electra_small()),
    ] {
        let started = Instant::now();
        let plain = PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap();
        let plain_load = started.elapsed();
        let started = Instant::now();
        let fast = FastDiscriminator::load(&checkpoint).unwrap();
        let fast_load = started.elapsed();
        for (batch, length) in SHAPES {
            let windows: Vec<Vec<u32>> = (0..batch)
                .map(|window| {
                    (0..length)
                        .map(|at| (1000 + (window * 7919 + at * 104_729) % 20_000) as u32)
                        .collect()
                })
                .collect();
            let windows: Vec<&[u32]> = windows.iter().map(Vec::as_slice).collect();
            let models: [&dyn Forward; 2] = [&plain, &fast];
            let mut times: [Vec<Duration>; 2] = Default::default();
            let started = Instant::now();
            while started.elapsed().as_secs_f64() < seconds || times[0].len() < 5 {
                for (model, times) in models.iter().zip(&mut times) {
                    let started = Instant::now();
                    std::hint::black_box(model.logits(&windows).unwrap());
                    times.push(started.elapsed());
                }
            }
            let [plain, fast] = times.map(|mut times| {
                times.sort();
                (batch * length) as f64 / times[times.len() / 2].as_secs_f64()
            });
            println!(
                "| {name} | {batch} × {length} | {plain:.0} | {fast:.0} | {:.1} |",
                fast / plain
            );
        }
        println!("| {name} | load | {plain_load:.0?} | {fast_load:.0?} | |");
    }
}

/// The shape of ELECTRA-small, with weights of no meaning.
fn electra_small() -> Checkpoint {
    let config = ElectraConfig::parse(br#"{"model_type": "electra"}"#, Path::new("config.json"));
    let config = config.unwrap();
    let mut state = 1_u32;
    let tensors: HashMap<String, Tensor> = parameters(&config, Head::Discriminator)
        .into_iter()
        .map(|parameter| {
            let count: usize = parameter.shape.iter().product();
            let values: Vec<f32> = (0..count)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32 * 0.1
                })
                .collect();
            let tensor = Tensor::from_vec(values, parameter.shape, &Device::Cpu).unwrap();
            (parameter.name, tensor)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    Checkpoint {
        folder: None,
        config,
        tokenizer: Checkpoint::builtin().unwrap().tokenizer,
        weights: Weights::open(&path).unwrap(),
    }
}
