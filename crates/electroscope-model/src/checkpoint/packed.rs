//! The compact form in which the binary carries its discriminator, its generator and its heads.
//!
//! Matrices are kept in eight bits: row by row, value = number × scale, the scale being the row's
//! largest magnitude over 127. Vectors stay in f32. The generator leaves out whatever is equal to
//! the discriminator's, which is at least the word embeddings. Of a head only the adapter is kept, so,
//! and its own layers in half precision. All are safetensors files.

use std::path::Path;

use safetensors::Dtype;

use crate::bounded_read::{limits, read_bounded};
use crate::checkpoint::adapter::{Learnt, config_for};
use crate::checkpoint::files;
use crate::checkpoint::weights::{SCALE, Weights};
use crate::checkpoint::{Stored, write_tensors, write_whole};
use crate::names::{ADAPTER, Head, Parameter, parameters};
use crate::{Checkpoint, ElectraConfig, Error, HeadCheckpoint};

/// Writes `discriminator` and the generator in `generator` (a folder in Hugging Face layout) into
/// `folder` as the binary carries them.
///
/// # Errors
///
/// A tensor that is missing or misshapen, a disk that is full.
pub fn pack(discriminator: &Checkpoint, generator: &Path, folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Write {
        path: folder.to_owned(),
        source,
    })?;
    let path = generator.join(files::CONFIG);
    let json = read_bounded(&path, limits::CONFIG).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    let config = ElectraConfig::parse(&json, &path)?;
    let weights = Weights::open_generator_folder(generator)?;

    let pretty =
        |config: &ElectraConfig| serde_json::to_string_pretty(&config.raw).unwrap_or_default();
    let vocabulary = discriminator.tokenizer.vocabulary().join("\n") + "\n";
    write_whole(&folder.join("vocab.txt"), vocabulary.as_bytes())?;
    write_whole(
        &folder.join("discriminator.json"),
        pretty(&discriminator.config).as_bytes(),
    )?;
    write_whole(&folder.join("generator.json"), pretty(&config).as_bytes())?;

    let own = parameters(&discriminator.config, Head::Discriminator);
    write_packed(
        &folder.join("discriminator.safetensors"),
        &own,
        &discriminator.weights,
    )?;
    let mut different = Vec::new();
    for parameter in parameters(&config, Head::Generator) {
        let is_shared = discriminator.weights.shape(&parameter.name)
            == Some(parameter.shape.as_slice())
            && parameter.name.starts_with("electra.embeddings.")
            && discriminator
                .weights
                .numbers(&parameter.name, &parameter.shape)?
                == weights.numbers(&parameter.name, &parameter.shape)?;
        if !is_shared {
            different.push(parameter);
        }
    }
    write_packed(&folder.join("generator.safetensors"), &different, &weights)
}

/// Writes `head`, which is to be an adapter of the built-in model, into `folder` as the binary
/// carries it under `name`: its configuration, its weights, and its card.
///
/// # Errors
///
/// A head that stands on something else or has no README.md; a disk that is full.
pub fn pack_head(head: &HeadCheckpoint, name: &str, folder: &Path) -> Result<(), Error> {
    let from = head.folder.clone().unwrap_or_default();
    let adapter = head.adapter.as_ref();
    let adapter = adapter.filter(|adapter| adapter.base == "builtin");
    let adapter = adapter.ok_or_else(|| Error::Adapter {
        path: from.clone(),
        what: "it is no adapter of the built-in model, and the binary carries no other, for they share \
               one encoder; train it with --lora on --model builtin"
            .to_owned(),
    })?;
    let card = from.join("README.md");
    let card =
        read_bounded(&card, limits::CARD).map_err(|source| Error::Read { path: card, source })?;
    let mut parts = Vec::new();
    for Learnt {
        name,
        theirs,
        shape,
        values,
    } in adapter.learnt(&head.config, &head.weights)?
    {
        match shape.as_slice() {
            [_, _] if ADAPTER.iter().any(|end| name.ends_with(end)) => {
                eight_bits(theirs, &shape, &values, &mut parts);
            }
            [_, _] => {
                let halves = values.iter().map(|&value| half::f16::from_f32(value));
                let bytes = halves.flat_map(half::f16::to_le_bytes).collect();
                parts.push((theirs, Dtype::F16, shape, bytes));
            }
            _ => parts.push((theirs, Dtype::F32, shape, in_full(&values))),
        }
    }
    let config = config_for("builtin", &head.config);
    let config = serde_json::to_string_pretty(&config).unwrap_or_default() + "\n";
    std::fs::create_dir_all(folder).map_err(|source| Error::Write {
        path: folder.to_owned(),
        source,
    })?;
    write_whole(&folder.join(format!("{name}.md")), &card)?;
    write_whole(&folder.join(format!("{name}.json")), config.as_bytes())?;
    write_parts(&folder.join(format!("{name}.safetensors")), &parts)
}

/// A tensor to be written: name, type, shape, bytes.
type Part = (String, Dtype, Vec<usize>, Vec<u8>);

fn write_packed(path: &Path, parameters: &[Parameter], weights: &Weights) -> Result<(), Error> {
    let mut parts = Vec::new();
    for Parameter { name, shape } in parameters {
        let values = weights.numbers(name, shape)?;
        match shape.as_slice() {
            &[_, columns] if columns > 1 => eight_bits(name.clone(), shape, &values, &mut parts),
            _ => parts.push((name.clone(), Dtype::F32, shape.clone(), in_full(&values))),
        }
    }
    write_parts(path, &parts)
}

fn in_full(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A matrix in eight bits, and its scales.
fn eight_bits(name: String, shape: &[usize], values: &[f32], parts: &mut Vec<Part>) {
    let (numbers, scales) = quantise(values, shape.last().copied().unwrap_or(1));
    let bytes = numbers.into_iter().map(|number| number as u8).collect();
    let rows = scales.len();
    parts.push((
        format!("{name}{SCALE}"),
        Dtype::F32,
        vec![rows],
        in_full(&scales),
    ));
    parts.push((name, Dtype::I8, shape.to_vec(), bytes));
}

fn write_parts(path: &Path, parts: &[Part]) -> Result<(), Error> {
    let stored = parts
        .iter()
        .map(|(name, dtype, shape, bytes)| Stored {
            name: name.clone(),
            dtype: *dtype,
            shape: shape.clone(),
            bytes,
        })
        .collect();
    write_tensors(path, stored)
}

/// Eight-bit numbers and a scale per row.
fn quantise(values: &[f32], columns: usize) -> (Vec<i8>, Vec<f32>) {
    let mut numbers = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(values.len() / columns.max(1));
    for row in values.chunks(columns.max(1)) {
        let largest = row
            .iter()
            .fold(0.0f32, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        scales.push(scale);
        numbers.extend(
            row.iter()
                .map(|value| (value / scale).round().clamp(-127.0, 127.0) as i8),
        );
    }
    (numbers, scales)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_moves_by_half_a_step_at_most(values in prop::collection::vec(-3.0f32..3.0, 12)) {
            let (numbers, scales) = quantise(&values, 4);
            for (at, value) in values.iter().enumerate() {
                let scale = scales[at / 4];
                prop_assert!((f32::from(numbers[at]) * scale - value).abs() <= scale * 0.501);
            }
        }
    }

    #[test]
    fn a_row_of_zeros_stays_zero() {
        assert_eq!(
            quantise(&[0.0, 0.0, 1.0, -1.0], 2),
            (vec![0, 0, 127, -127], vec![1.0, 1.0 / 127.0])
        );
    }
}
