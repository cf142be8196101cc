//! The compact form of a discriminator, its generator and heads, for a program to have built in.
//!
//! Matrices are in eight bits: row by row, value = number × scale, where the scale is the row's largest
//! magnitude divided by 127. Vectors stay in f32. The generator leaves out the tensors that equal the
//! discriminator's, which are at least the word embeddings. A head has its adapter in this form, without
//! the encoder, and its own layers in half precision. All are safetensors files.
//!
//! [`pack`] and [`pack_head`] write the files; [`PackedPair`] and [`PackedHead`] are their bytes in memory.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use safetensors::Dtype;

use crate::bounded_read::{limits, read_bounded};
use crate::checkpoint::adapter::{Learnt, config_for};
use crate::checkpoint::files;
use crate::checkpoint::weights::{SCALE, Weights};
use crate::checkpoint::{Stored, check_vocabulary, write_tensors, write_whole};
use crate::model_choice::BUILTIN;
use crate::names::{ADAPTER, Head, Parameter, parameters};
use crate::{Checkpoint, ElectraConfig, Error, HeadCheckpoint, Tokenizer, VocabularyOptions};

/// A discriminator and its generator in memory: the contents of the files that [`pack`] writes, for as
/// long as the program runs. A program that has them built in gives them to [`Checkpoint::from_packed`],
/// as `builtin`.
#[derive(Clone, Copy)]
pub struct PackedPair {
    /// `discriminator.json`.
    pub discriminator_config: &'static [u8],
    /// `discriminator.safetensors`; models read it in place, faster if it is aligned to 64 bytes.
    pub discriminator_weights: &'static [u8],
    /// `generator.json`.
    pub generator_config: &'static [u8],
    /// `generator.safetensors`.
    pub generator_weights: &'static [u8],
    /// `vocab.txt`.
    pub vocabulary: &'static [u8],
    /// The authors and licences of what the pair was made from, for everyone who copies it.
    pub notice: &'static str,
}

impl fmt::Debug for PackedPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.files().map(|(name, bytes)| (name, bytes.len()));
        f.debug_map().entries(sizes).finish()
    }
}

impl PackedPair {
    /// Reads a pair from the folder that [`pack`] wrote, with a file `NOTICE` beside. The memory is never
    /// freed. For tests and tools that have no pair built in.
    ///
    /// # Errors
    ///
    /// A file that cannot be read.
    pub fn read(folder: &Path) -> Result<PackedPair, Error> {
        let read = |name: &str| -> Result<&'static [u8], Error> {
            let path = folder.join(name);
            match read_bounded(&path, limits::WEIGHTS) {
                Ok(bytes) => Ok(bytes.leak()),
                Err(source) => Err(Error::Read { path, source }),
            }
        };
        Ok(PackedPair {
            discriminator_config: read("discriminator.json")?,
            discriminator_weights: read("discriminator.safetensors")?,
            generator_config: read("generator.json")?,
            generator_weights: read("generator.safetensors")?,
            vocabulary: read("vocab.txt")?,
            notice: String::from_utf8_lossy(read("NOTICE")?).into_owned().leak(),
        })
    }

    /// The files, by name.
    pub fn files(&self) -> [(&'static str, &'static [u8]); 5] {
        [
            ("discriminator.json", self.discriminator_config),
            ("discriminator.safetensors", self.discriminator_weights),
            ("generator.json", self.generator_config),
            ("generator.safetensors", self.generator_weights),
            ("vocab.txt", self.vocabulary),
        ]
    }

    /// The tokenizer of both models.
    ///
    /// # Errors
    ///
    /// A vocabulary that is damaged.
    pub fn tokenizer(&self) -> Result<Tokenizer, Error> {
        let path = Path::new("built-in vocab.txt");
        Tokenizer::from_vocabulary(self.vocabulary, VocabularyOptions::default(), path)
    }

    /// The configuration and the own weights of the generator; the others are the discriminator's.
    ///
    /// # Errors
    ///
    /// Bytes that are damaged.
    pub fn generator(&self) -> Result<(ElectraConfig, Weights), Error> {
        let path = Path::new("built-in generator.json");
        let config = ElectraConfig::parse(self.generator_config, path)?;
        let name = "built-in generator.safetensors";
        Ok((config, Weights::from_static(name, self.generator_weights)?))
    }
}

/// A head in memory: the contents of the files that [`pack_head`] writes, for as long as the program runs.
#[derive(Clone, Copy)]
pub struct PackedHead {
    /// Its name, in errors.
    pub name: &'static str,
    /// `NAME.json`.
    pub config: &'static [u8],
    /// `NAME.safetensors`, faster to load if it is aligned to 64 bytes.
    pub weights: &'static [u8],
}

impl Checkpoint {
    /// Opens the discriminator of a pair in memory.
    ///
    /// # Errors
    ///
    /// Bytes that are damaged or do not fit together.
    pub fn from_packed(pair: &PackedPair) -> Result<Checkpoint, Error> {
        let path = Path::new("built-in discriminator.json");
        let config = ElectraConfig::parse(pair.discriminator_config, path)?;
        let tokenizer = pair.tokenizer()?;
        check_vocabulary(&tokenizer, &config, Path::new("built-in vocab.txt"))?;
        let name = "built-in discriminator.safetensors";
        let weights = Weights::from_static(name, pair.discriminator_weights)?;
        Ok(Checkpoint {
            folder: None,
            config,
            tokenizer: Arc::new(tokenizer),
            weights,
        })
    }
}

/// Writes `discriminator` and the generator in `generator` (a folder in Hugging Face layout) into
/// `folder` in the compact form.
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

/// Writes `head`, which must be an adapter of the built-in model, into `folder` in the compact form under
/// `name`: its configuration, its weights, and its card.
///
/// # Errors
///
/// A head with another base or without README.md; a disk that is full.
pub fn pack_head(head: &HeadCheckpoint, name: &str, folder: &Path) -> Result<(), Error> {
    let from = head.folder.clone().unwrap_or_default();
    let adapter = head.adapter.as_ref();
    let adapter = adapter.filter(|adapter| adapter.base == BUILTIN);
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
    let config = config_for(adapter.base_weights(), &head.config);
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
    use crate::checkpoint::adapter::{self, BaseRequest, BaseSource, Encoders};
    use crate::nn::head_model::PlainHead;
    use crate::{HeadConfig, HeadForward, HeadInput, Problem, Task, test_support};
    use candle_core::{DType, Device, Tensor};
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

    /// An adapter of the built-in model without zero tensors, in `folder`.
    fn learnt(folder: &Path, task: Task) -> HeadCheckpoint {
        let base = Checkpoint::from_packed(test_support::pair()).unwrap();
        let labels = ["O", "B-X", "I-X"].map(str::to_owned).to_vec();
        let config = HeadConfig::fresh(&base.config, task, labels, Problem::SingleLabel, false);
        let mut tensors = adapter::fresh(&base.config, 4, 3).unwrap();
        for parameter in config.parameters() {
            if !parameter.name.starts_with("electra.") {
                let zeros = Tensor::zeros(parameter.shape, DType::F32, &Device::Cpu);
                tensors.push((parameter.name, zeros.unwrap()));
            }
        }
        for (at, (name, tensor)) in tensors.iter_mut().enumerate() {
            let size = if name.ends_with(ADAPTER[1]) {
                0.02
            } else {
                0.2
            };
            let count = tensor.elem_count();
            let wave = (0..count).map(|place| ((place * 7 + at) as f32).sin() * size);
            let wave = Tensor::from_iter(wave, &Device::Cpu).unwrap();
            *tensor = wave.reshape(tensor.shape()).unwrap();
        }
        adapter::write(folder, &config, &base, "builtin", &tensors).unwrap();
        std::fs::write(folder.join("README.md"), "# A head\n").unwrap();
        let find = &mut |_: BaseRequest<'_>| Ok(BaseSource::Packed(*test_support::pair()));
        HeadCheckpoint::open_with(folder, find).unwrap()
    }

    /// The same in the compact form.
    fn packed(head: &HeadCheckpoint) -> PackedHead {
        let folder = tempfile::tempdir().unwrap();
        pack_head(head, "mine", folder.path()).unwrap();
        let read = |end: &str| std::fs::read(folder.path().join(format!("mine.{end}"))).unwrap();
        assert_eq!(read("md"), b"# A head\n");
        PackedHead {
            name: "mine",
            config: read("json").leak(),
            weights: read("safetensors").leak(),
        }
    }

    fn opened(head: &PackedHead) -> HeadCheckpoint {
        let base = Checkpoint::from_packed(test_support::pair()).unwrap();
        HeadCheckpoint::from_packed(head, base).unwrap()
    }

    #[test]
    fn a_packed_head_gives_nearly_the_same_logits() {
        for task in Task::ALL {
            let folder = tempfile::tempdir().unwrap();
            let whole = learnt(folder.path(), task);
            let packed = packed(&whole);
            assert!(packed.weights.len() < 700_000, "{}", packed.weights.len());
            let opened = opened(&packed);
            assert_eq!(opened.config.labels, whole.config.labels);
            assert_eq!(opened.config.task, task);
            let windows = [HeadInput {
                ids: vec![101, 1996, 4049, 2003, 2025, 2182, 102],
                second: 7,
            }];
            let numbers = |head: &HeadCheckpoint| {
                let head = PlainHead::load(head, &Device::Cpu).unwrap();
                head.logits(&windows).unwrap().remove(0).values
            };
            let (before, after) = (numbers(&whole), numbers(&opened));
            let size = before
                .iter()
                .fold(0.0f32, |most, value| most.max(value.abs()));
            for (before, after) in before.iter().zip(&after) {
                assert!(
                    (before - after).abs() < 0.03 * size,
                    "{before} became {after}"
                );
            }
        }
    }

    #[test]
    fn packed_heads_share_one_encoder() {
        let folder = tempfile::tempdir().unwrap();
        let head = packed(&learnt(folder.path(), Task::Tagging));
        let encoders = Encoders::default();
        let load = || opened(&head).tensors(&Device::Cpu, &encoders).unwrap();
        let (first, second) = (load(), load());
        for (name, tensor) in &first {
            let storage = |tensor: &Tensor| std::ptr::from_ref(&*tensor.storage_and_layout().0);
            let is_shared = storage(tensor) == storage(&second[name]);
            let is_own = !name.starts_with("electra.") || name.contains("lora_");
            assert_eq!(is_shared, !is_own, "{name}");
        }
    }

    #[test]
    fn only_an_adapter_of_the_built_in_model_can_be_packed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
        for other in ["heads/electra-tags", "adapters/electra-tags"] {
            let head = HeadCheckpoint::open(&folder.join(other)).unwrap();
            let out = tempfile::tempdir().unwrap();
            let refusal = pack_head(&head, "mine", out.path()).unwrap_err();
            assert!(
                refusal.to_string().contains("no adapter of the built-in"),
                "{refusal}"
            );
        }
    }
}
