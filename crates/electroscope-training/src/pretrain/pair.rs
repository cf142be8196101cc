//! A generator and a discriminator that learn together, and share their embeddings.
//!
//! Variables have the names of a checkpoint, after `generator.` or `discriminator.`; those that both
//! have in common stand without. On a GPU the arithmetic may be in bf16: the variables stay in f32,
//! and a copy of them is made for each step.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use candle_core::{CpuStorage, DType, Device, Storage, Tensor, Var};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::chance::Chance;
use super::masking::{Masked, replace, sample};
use super::segments::Example;
use crate::{Error, loss};
use electroscope_model::names::{Head, Parameter, parameters};
use electroscope_model::nn::electra::{Batch, Electra};
use electroscope_model::nn::head_layers::{Discriminator, Generator};
use electroscope_model::nn::layers::Pass;
use electroscope_model::{ElectraConfig, Error as ModelError, Weights, train_ops};

/// The two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Generator,
    Discriminator,
}

impl Side {
    fn prefix(self) -> &'static str {
        match self {
            Side::Generator => "generator.",
            Side::Discriminator => "discriminator.",
        }
    }

    pub(super) fn head(self) -> Head {
        match self {
            Side::Generator => Head::Generator,
            Side::Discriminator => Head::Discriminator,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Side::Generator => "generator",
            Side::Discriminator => "discriminator",
        }
    }
}

/// What the tensors are called that both may have in common.
const SHARED: &str = "electra.embeddings.";

/// The table that is by far the largest.
const WORDS: &str = "electra.embeddings.word_embeddings.weight";

/// What chance is about, as the first part of a key; see also [`super::corpus`].
pub(super) const SAMPLES: u64 = 4;
const FIRST_WEIGHTS: u64 = 5;

/// The deviation of the weights that a training starts from.
const DEVIATION: f64 = 0.02;

/// How much a wrong discriminator counts against a wrong generator.
pub(super) const DISCRIMINATOR_WEIGHT: f64 = 50.0;

/// What the models compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Single precision.
    F32,
    /// Half of it, on a GPU; what is learnt is kept in single precision.
    Bf16,
}

/// A generator and a discriminator.
pub(super) struct Pair {
    pub(super) generator: ElectraConfig,
    pub(super) discriminator: ElectraConfig,
    /// Every tensor by its name here.
    variables: BTreeMap<String, Var>,
    freeze_words: bool,
    device: Device,
    arithmetic: Arithmetic,
    /// The models over the variables themselves, where they can be used as they are.
    models: Option<Models>,
}

struct Models {
    generator: (Electra, Generator),
    discriminator: (Electra, Discriminator),
}

/// Where the weights that a training starts from come from.
pub(super) enum Source<'a> {
    /// Chance, by the seed.
    Chance(u64),
    /// Two checkpoints; what the generator's lacks is taken from the discriminator's.
    Checkpoints {
        generator: &'a Weights,
        discriminator: &'a Weights,
    },
    /// What a training has saved.
    Saved(HashMap<String, Tensor>),
}

/// How a pair computes.
#[derive(Clone, Copy)]
pub(super) struct Computing<'a> {
    pub(super) device: &'a Device,
    pub(super) arithmetic: Arithmetic,
    /// Whether the word embeddings stay as they are.
    pub(super) freeze_words: bool,
}

impl Pair {
    /// A pair of these configurations.
    ///
    /// # Errors
    ///
    /// Configurations that are no pair, weights that do not fit them.
    pub(super) fn new(
        generator: ElectraConfig,
        discriminator: ElectraConfig,
        source: Source<'_>,
        computing: Computing<'_>,
    ) -> Result<Pair, Error> {
        let common = |config: &ElectraConfig| {
            [
                ("vocab_size", config.vocab_size),
                ("embedding_size", config.embedding_size),
                ("max_position_embeddings", config.max_position_embeddings),
                ("type_vocab_size", config.type_vocab_size),
            ]
        };
        for ((name, of_generator), (_, of_discriminator)) in
            common(&generator).into_iter().zip(common(&discriminator))
        {
            if of_generator != of_discriminator {
                return Err(Error::Settings(format!(
                    "the generator has {name} {of_generator} and the discriminator {of_discriminator}; \
                     the two are no pair"
                )));
            }
        }
        let mut pair = Pair {
            generator,
            discriminator,
            variables: BTreeMap::new(),
            freeze_words: computing.freeze_words,
            device: computing.device.clone(),
            arithmetic: computing.arithmetic,
            models: None,
        };
        match source {
            Source::Chance(seed) => pair.start(seed)?,
            Source::Checkpoints {
                generator,
                discriminator,
            } => pair.take_over(generator, discriminator)?,
            Source::Saved(tensors) => pair.restore(tensors)?,
        }
        if pair.arithmetic == Arithmetic::F32 {
            pair.models = Some(pair.build(true)?);
        }
        Ok(pair)
    }

    /// The name here of a tensor of `side`.
    fn key(&self, side: Side, name: &str) -> String {
        let own = format!("{}{name}", side.prefix());
        if self.variables.contains_key(&own) || !name.starts_with(SHARED) {
            own
        } else {
            name.to_owned()
        }
    }

    fn parameters(&self, side: Side) -> Vec<Parameter> {
        let config = match side {
            Side::Generator => &self.generator,
            Side::Discriminator => &self.discriminator,
        };
        parameters(config, side.head())
    }

    fn put(&mut self, name: String, values: Tensor) -> Result<(), Error> {
        let values = values.to_device(&self.device)?;
        self.variables.insert(name, Var::from_tensor(&values)?);
        Ok(())
    }

    /// Weights by chance: as the reference's, and each tensor by its own name, so that none depends
    /// on the order.
    fn start(&mut self, seed: u64) -> Result<(), Error> {
        for side in [Side::Discriminator, Side::Generator] {
            for Parameter { name, shape } in self.parameters(side) {
                let key = self.key(side, &name);
                if self.variables.contains_key(&key) {
                    continue;
                }
                let count: usize = shape.iter().product();
                let is_norm = name.contains("LayerNorm");
                let values: Vec<f32> = if name.ends_with("bias") {
                    vec![0.0; count]
                } else if is_norm {
                    vec![1.0; count]
                } else {
                    let name = xxhash_rust::xxh3::xxh3_64(key.as_bytes());
                    let mut chance = Chance::of(&[FIRST_WEIGHTS, seed, name]);
                    let draw = |_| (DEVIATION * chance.normal_within_two()) as f32;
                    (0..count).map(draw).collect()
                };
                let values = Tensor::from_vec(values, shape, &Device::Cpu)?;
                self.put(key, values)?;
            }
        }
        Ok(())
    }

    /// Weights of two checkpoints. What they have in common stays common; embeddings in which they
    /// differ go on differing.
    fn take_over(&mut self, generator: &Weights, discriminator: &Weights) -> Result<(), Error> {
        for Parameter { name, shape } in self.parameters(Side::Discriminator) {
            let key = self.key(Side::Discriminator, &name);
            let values = discriminator.tensor(&name, &shape, &Device::Cpu)?;
            self.put(key, values)?;
        }
        for Parameter { name, shape } in self.parameters(Side::Generator) {
            let is_shared = name.starts_with(SHARED);
            if is_shared && generator.shape(&name).is_none() {
                continue;
            }
            let values = generator.numbers(&name, &shape)?;
            if is_shared && values == discriminator.numbers(&name, &shape)? {
                continue;
            }
            let values = Tensor::from_vec(values.into_owned(), shape, &Device::Cpu)?;
            self.put(format!("{}{name}", Side::Generator.prefix()), values)?;
        }
        Ok(())
    }

    fn restore(&mut self, tensors: HashMap<String, Tensor>) -> Result<(), Error> {
        for (name, values) in tensors {
            self.put(name, values)?;
        }
        for side in [Side::Discriminator, Side::Generator] {
            for Parameter { name, shape } in self.parameters(side) {
                let key = self.key(side, &name);
                let found = self
                    .variables
                    .get(&key)
                    .map(|values| values.dims().to_vec());
                if found.as_deref() != Some(shape.as_slice()) {
                    return Err(Error::Settings(format!(
                        "what was saved has {} for the tensor {key}, and {shape:?} is needed; it is of \
                         another training",
                        found.map_or("nothing".to_owned(), |found| format!("{found:?}"))
                    )));
                }
            }
        }
        Ok(())
    }

    /// All tensors by name, to be saved.
    pub(super) fn tensors(&self) -> HashMap<String, Tensor> {
        (self.variables.iter())
            .map(|(name, values)| (name.clone(), values.as_tensor().clone()))
            .collect()
    }

    /// The tensors of one of the two, by the names of a checkpoint.
    pub(super) fn tensors_of(&self, side: Side) -> Result<HashMap<String, Tensor>, Error> {
        let named = |Parameter { name, .. }: Parameter| {
            let key = self.key(side, &name);
            let values = self.variables.get(&key).ok_or_else(|| {
                Error::Settings(format!("the {} has no tensor {name}", side.name()))
            })?;
            Ok((name, values.as_tensor().clone()))
        };
        self.parameters(side).into_iter().map(named).collect()
    }

    /// What is to be learnt, by name.
    pub(super) fn trainable(&self) -> Vec<(String, Var)> {
        (self.variables.iter())
            .filter(|(name, _)| !(self.freeze_words && name.ends_with(WORDS)))
            .map(|(name, values)| (name.clone(), values.clone()))
            .collect()
    }

    /// The models over the variables as they are now; gradients reach these only where they are
    /// `learning`, and without them all is faster.
    fn build(&self, learning: bool) -> Result<Models, Error> {
        let dtype = match self.arithmetic {
            Arithmetic::F32 => DType::F32,
            Arithmetic::Bf16 => DType::BF16,
        };
        // One copy of each variable, so that what is shared stays so.
        let mut copies: HashMap<&str, Tensor> = HashMap::new();
        for (name, values) in &self.variables {
            let is_frozen = self.freeze_words && name.ends_with(WORDS);
            let values = match learning && !is_frozen {
                true => values.as_tensor().clone(),
                false => values.as_detached_tensor(),
            };
            copies.insert(name, values.to_dtype(dtype)?);
        }
        let builder = |side: Side| -> Result<VarBuilder<'static>, Error> {
            let mut tensors = HashMap::new();
            for Parameter { name, .. } in self.parameters(side) {
                if let Some(values) = copies.get(self.key(side, &name).as_str()) {
                    tensors.insert(name, values.clone());
                }
            }
            Ok(VarBuilder::from_tensors(tensors, dtype, &self.device))
        };
        let of_generator = builder(Side::Generator)?;
        let of_discriminator = builder(Side::Discriminator)?;
        Ok(Models {
            generator: (
                Electra::load(&self.generator, of_generator.pp("electra"))?,
                Generator::load(&self.generator, of_generator)?,
            ),
            discriminator: (
                Electra::load(&self.discriminator, of_discriminator.pp("electra"))?,
                Discriminator::load(
                    &self.discriminator,
                    of_discriminator.pp("discriminator_predictions"),
                )?,
            ),
        })
    }

    /// Reads a batch: the generator guesses what is masked and samples tokens, the discriminator looks
    /// for them. `key` is what the samples' chance is made from.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub(super) fn read(
        &self,
        examples: &[Example],
        masked: &[Masked],
        key: &[u64],
        pass: Pass<'_>,
    ) -> Result<Reading, Error> {
        let fresh;
        let learning = matches!(pass, Pass::Train(_));
        let models = match &self.models {
            Some(models) if learning => models,
            _ => {
                fresh = self.build(learning)?;
                &fresh
            }
        };
        let pad_id = self.discriminator.pad_token_id;
        let with_second = |ids: &[Vec<u32>]| -> candle_core::Result<Batch> {
            let windows: Vec<(&[u32], usize)> = (ids.iter().zip(examples))
                .map(|(ids, example)| (ids.as_slice(), example.second))
                .collect();
            self.cast(Batch::pairs(&windows, pad_id, &self.device)?)
        };

        let hidden: Vec<Vec<u32>> = masked.iter().map(|masked| masked.ids.clone()).collect();
        let batch = with_second(&hidden)?;
        let (rows, length) = batch.ids.dims2()?;
        let (encoder, head) = &models.generator;
        let states = encoder.forward(&batch, pass)?; // (B, T, H)
        let places: Vec<u32> = (masked.iter().enumerate())
            .flat_map(|(row, masked)| {
                let place = move |place: &usize| (row * length + place) as u32;
                masked.places.iter().map(place)
            })
            .collect();
        let originals: Vec<u32> = (masked.iter())
            .flat_map(|masked| masked.originals.iter().copied())
            .collect();
        let count = places.len();
        let places = Tensor::from_vec(places, count, &self.device)?;
        // Only what is masked is guessed: over a vocabulary nothing costs more.
        let states = states
            .reshape((rows * length, ()))?
            .index_select(&places, 0)?; // (N, H)
        let guesses = head
            .forward(&states.unsqueeze(0)?, encoder.word_embeddings())?
            .squeeze(0)?
            .to_dtype(DType::F32)?; // (N, V)
        let generator_loss = train_ops::cross_entropy(&guesses, &originals)?;
        let began = Instant::now();
        let samples = sampled(&guesses, key)?;
        tracing::trace!(tokens = samples.len(), took = ?began.elapsed(), "sampled");

        let mut rest = samples.as_slice();
        let mut corrupted = Vec::with_capacity(rows);
        let mut labels: Vec<u8> = Vec::with_capacity(rows * length);
        let mut is_token: Vec<u8> = Vec::with_capacity(rows * length);
        for (example, masked) in examples.iter().zip(masked) {
            let (here, others) = rest
                .split_at_checked(masked.places.len())
                .unwrap_or((rest, &[]));
            rest = others;
            let (ids, mut replaced) = replace(example, masked, here);
            is_token.extend((0..length).map(|at| u8::from(at < ids.len())));
            replaced.resize(length, 0);
            labels.append(&mut replaced);
            corrupted.push(ids);
        }
        let batch = with_second(&corrupted)?;
        let (encoder, head) = &models.discriminator;
        let states = encoder.forward(&batch, pass)?;
        let doubts = head.forward(&states)?.to_dtype(DType::F32)?; // (B, T)
        let shape = (rows, length);
        let discriminator_loss = loss::rtd(
            &doubts,
            &Tensor::from_slice(&labels, shape, &self.device)?,
            &Tensor::from_slice(&is_token, shape, &self.device)?,
        )?;
        Ok(Reading {
            guesses,
            originals,
            samples,
            generator_loss,
            doubts,
            labels,
            is_token,
            discriminator_loss,
        })
    }

    /// The mask of a batch in what is computed in.
    fn cast(&self, batch: Batch) -> candle_core::Result<Batch> {
        if self.arithmetic == Arithmetic::F32 {
            return Ok(batch);
        }
        // The smallest number of f32 is an infinity in bf16, which makes a row of nothing but padding
        // undefined; none of ours is one, for each begins with `[CLS]`.
        let mask = match batch.mask {
            Some(mask) => Some(mask.maximum(-1e30)?.to_dtype(DType::BF16)?),
            None => None,
        };
        Ok(Batch { mask, ..batch })
    }
}

/// What came of reading a batch.
pub(super) struct Reading {
    /// The generator's logits `(N, V)`, in f32.
    pub(super) guesses: Tensor,
    pub(super) originals: Vec<u32>,
    pub(super) samples: Vec<u32>,
    pub(super) generator_loss: Tensor,
    /// The discriminator's logits `(B, T)`, in f32.
    pub(super) doubts: Tensor,
    /// 1 where a token was replaced, row by row; 0 at padding.
    pub(super) labels: Vec<u8>,
    pub(super) is_token: Vec<u8>,
    pub(super) discriminator_loss: Tensor,
}

impl Reading {
    /// What is to become smaller.
    pub(super) fn loss(&self) -> Result<Tensor, Error> {
        Ok((&self.generator_loss + (&self.discriminator_loss * DISCRIMINATOR_WEIGHT)?)?)
    }
}

/// Hands each row of logits `(N, V)` on the CPU to `of`, on all threads; the number of the row comes
/// with it.
pub(super) fn rows<T: Send>(
    logits: &Tensor,
    of: impl Fn(usize, &[f32]) -> T + Sync,
) -> Result<Vec<T>, Error> {
    let (_, columns) = logits.dims2()?;
    let logits = logits.contiguous()?;
    let (storage, layout) = logits.storage_and_layout();
    let Storage::Cpu(CpuStorage::F32(values)) = &*storage else {
        return Err(ModelError::Device {
            wanted: "the CPU".to_owned(),
            why: "the logits are elsewhere".to_owned(),
        }
        .into());
    };
    let from = layout.start_offset();
    let values = values.get(from..from + layout.shape().elem_count());
    let rows = values.unwrap_or_default().par_chunks_exact(columns.max(1));
    Ok(rows
        .enumerate()
        .map(|(row, values)| of(row, values))
        .collect())
}

/// A token for each row of logits `(N, V)`, sampled from its softmax.
fn sampled(guesses: &Tensor, key: &[u64]) -> Result<Vec<u32>, Error> {
    let guesses = guesses.detach();
    if guesses.device().is_cpu() {
        return rows(&guesses, |row, logits| {
            let key = [key, &[row as u64]].concat();
            sample(logits, Chance::of(&key).share())
        });
    }
    // On a GPU as the reference does, by Gumbel's noise: there logarithms are cheap, and bringing
    // the logits to the CPU is not.
    let device = guesses.device();
    device.set_seed(Chance::of(key).next())?;
    let chance = guesses.rand_like(0.0, 1.0)?;
    let noise = ((chance + 1e-9)?.log()?.neg()? + 1e-9)?.log()?.neg()?;
    Ok((guesses + noise)?.argmax(1)?.to_vec1::<u32>()?)
}
