//! What every target does with a file: open it as weights and read each tensor.

#![cfg(feature = "weights")]

use std::path::PathBuf;

use electroscope_model::Weights;

/// Opens the first of `files`, with the others beside it, and reads all the numbers. Any outcome is
/// right but a panic, a hang, or memory past libFuzzer's limit.
pub fn read(files: &[(&str, &[u8])]) {
    for generator in [false, true] {
        let files = files
            .iter()
            .map(|(name, bytes)| (PathBuf::from(name), bytes.to_vec()))
            .collect();
        let Ok(weights) = Weights::held(files, generator) else {
            continue;
        };
        std::hint::black_box(weights.parameters());
        for name in weights.names() {
            let shape = weights.shape(name).expect("a listed tensor has a shape");
            std::hint::black_box(weights.numbers(name, shape).is_ok());
            std::hint::black_box(weights.number_type(name));
        }
    }
}
