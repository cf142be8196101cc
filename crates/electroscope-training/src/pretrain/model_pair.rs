//! A generator and a discriminator that are trained together and share their embeddings.
//!
//! Variables have their names in a checkpoint, prefixed by `generator.` or `discriminator.`; shared ones
//! have no prefix. On a GPU the models may compute in bf16: the variables stay in f32 and are converted
//! for each step.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use candle_core::{CpuStorage, DType, Device, Storage, Tensor, Var};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::masking::{MaskedWindow, replace, sample};
use super::segments::PretrainWindow;
use crate::rng::SeededRng;
use crate::{Error, loss};
use electroscope_model::names::{Head, Parameter, parameters};
use electroscope_model::nn::electra::{Batch, Electra};
use electroscope_model::nn::head_layers::{Discriminator, Generator};
use electroscope_model::nn::layers::Pass;
use electroscope_model::{ElectraConfig, Error as ModelError, Weights, train_ops};

/// One of the two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PairMember {
    Generator,
    Discriminator,
}

impl PairMember {
    fn prefix(self) -> &'static str {
        match self {
            PairMember::Generator => "generator.",
            PairMember::Discriminator => "discriminator.",
        }
    }

    pub(super) fn head(self) -> Head {
        match self {
            PairMember::Generator => Head::Generator,
            PairMember::Discriminator => Head::Discriminator,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            PairMember::Generator => "generator",
            PairMember::Discriminator => "discriminator",
        }
    }
}

/// The prefix of the tensors that the two models may share.
const SHARED: &str = "electra.embeddings.";

/// The word embeddings, by far the largest tensor.
const WORD_EMBEDDINGS: &str = "electra.embeddings.word_embeddings.weight";

// The first number of a random generator's key; see also `corpus` and `prefetch`.
pub(super) const SAMPLES: u64 = 4;
const INITIAL_WEIGHTS: u64 = 5;

/// The standard deviation of initial weights.
const INITIALIZER_RANGE: f64 = 0.02;

/// The weight of the discriminator's loss relative to the generator's, as in the paper.
pub(super) const DISCRIMINATOR_WEIGHT: f64 = 50.0;

/// The precision that the models compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainingPrecision {
    /// Single precision.
    F32,
    /// bfloat16, for GPUs; the parameters are kept in single precision.
    Bf16,
}

/// A generator and a discriminator with their variables.
pub(super) struct ModelPair {
    pub(super) generator: ElectraConfig,
    pub(super) discriminator: ElectraConfig,
    /// The variables, by their names here.
    variables: BTreeMap<String, Var>,
    freeze_word_embeddings: bool,
    device: Device,
    precision: TrainingPrecision,
    /// The models over the variables themselves; none in bf16, where they need conversion.
    models: Option<Models>,
}

/// The two models, each with its head.
struct Models {
    generator: (Electra, Generator),
    discriminator: (Electra, Discriminator),
}

/// The weights that a pair is created with.
pub(super) enum InitialWeights<'a> {
    /// Random weights for a seed.
    Random(u64),
    /// The weights of two checkpoints; tensors that the generator lacks are the discriminator's.
    Checkpoints {
        generator: &'a Weights,
        discriminator: &'a Weights,
    },
    /// The weights of a saved training.
    Saved(HashMap<String, Tensor>),
}

/// How a pair computes.
#[derive(Clone, Copy)]
pub(super) struct PairOptions<'a> {
    pub(super) device: &'a Device,
    pub(super) precision: TrainingPrecision,
    /// Whether the word embeddings are not trained.
    pub(super) freeze_word_embeddings: bool,
}

impl ModelPair {
    /// Creates a pair with these configurations.
    ///
    /// # Errors
    ///
    /// Configurations whose embeddings differ in size; weights that do not fit.
    pub(super) fn new(
        generator: ElectraConfig,
        discriminator: ElectraConfig,
        weights: InitialWeights<'_>,
        options: PairOptions<'_>,
    ) -> Result<ModelPair, Error> {
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
                    "the generator has {name} {of_generator} and the discriminator {of_discriminator}; they \
                    cannot share embeddings"
                )));
            }
        }
        let mut pair = ModelPair {
            generator,
            discriminator,
            variables: BTreeMap::new(),
            freeze_word_embeddings: options.freeze_word_embeddings,
            device: options.device.clone(),
            precision: options.precision,
            models: None,
        };
        match weights {
            InitialWeights::Random(seed) => pair.initialize(seed)?,
            InitialWeights::Checkpoints {
                generator,
                discriminator,
            } => pair.copy_checkpoints(generator, discriminator)?,
            InitialWeights::Saved(tensors) => pair.restore(tensors)?,
        }
        if pair.precision == TrainingPrecision::F32 {
            pair.models = Some(pair.build(true)?);
        }
        Ok(pair)
    }

    /// The name here of a tensor of `member`.
    fn key(&self, member: PairMember, name: &str) -> String {
        let own = format!("{}{name}", member.prefix());
        if self.variables.contains_key(&own) || !name.starts_with(SHARED) {
            own
        } else {
            name.to_owned()
        }
    }

    fn parameters(&self, member: PairMember) -> Vec<Parameter> {
        let config = match member {
            PairMember::Generator => &self.generator,
            PairMember::Discriminator => &self.discriminator,
        };
        parameters(config, member.head())
    }

    fn put(&mut self, name: String, values: Tensor) -> Result<(), Error> {
        let values = values.to_device(&self.device)?;
        self.variables.insert(name, Var::from_tensor(&values)?);
        Ok(())
    }

    /// Sets random weights, as the reference does. Those of a tensor depend on its name, not on the order
    /// of the tensors.
    fn initialize(&mut self, seed: u64) -> Result<(), Error> {
        for member in [PairMember::Discriminator, PairMember::Generator] {
            for Parameter { name, shape } in self.parameters(member) {
                let key = self.key(member, &name);
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
                    let name_hash = xxhash_rust::xxh3::xxh3_64(key.as_bytes());
                    let mut rng = SeededRng::for_key(&[INITIAL_WEIGHTS, seed, name_hash]);
                    let draw = |_| (INITIALIZER_RANGE * rng.truncated_normal()) as f32;
                    (0..count).map(draw).collect()
                };
                let values = Tensor::from_vec(values, shape, &Device::Cpu)?;
                self.put(key, values)?;
            }
        }
        Ok(())
    }

    /// Copies the weights of two checkpoints. Embeddings that are equal in both are shared, others stay
    /// separate.
    fn copy_checkpoints(
        &mut self,
        generator: &Weights,
        discriminator: &Weights,
    ) -> Result<(), Error> {
        for Parameter { name, shape } in self.parameters(PairMember::Discriminator) {
            let key = self.key(PairMember::Discriminator, &name);
            let values = discriminator.tensor(&name, &shape, &Device::Cpu)?;
            self.put(key, values)?;
        }
        for Parameter { name, shape } in self.parameters(PairMember::Generator) {
            let is_shared = name.starts_with(SHARED);
            if is_shared && generator.shape(&name).is_none() {
                continue;
            }
            let values = generator.numbers(&name, &shape)?;
            if is_shared && values == discriminator.numbers(&name, &shape)? {
                continue;
            }
            let values = Tensor::from_vec(values.into_owned(), shape, &Device::Cpu)?;
            self.put(format!("{}{name}", PairMember::Generator.prefix()), values)?;
        }
        Ok(())
    }

    fn restore(&mut self, tensors: HashMap<String, Tensor>) -> Result<(), Error> {
        for (name, values) in tensors {
            self.put(name, values)?;
        }
        for member in [PairMember::Discriminator, PairMember::Generator] {
            for Parameter { name, shape } in self.parameters(member) {
                let key = self.key(member, &name);
                let found = self
                    .variables
                    .get(&key)
                    .map(|values| values.dims().to_vec());
                if found.as_deref() != Some(shape.as_slice()) {
                    return Err(Error::Settings(format!(
                        "the saved training has {} for the tensor {key} instead of {shape:?}; it belongs to another \
                        training",
                        found.map_or("nothing".to_owned(), |found| format!("{found:?}"))
                    )));
                }
            }
        }
        Ok(())
    }

    /// All variables by name, to be saved.
    pub(super) fn tensors(&self) -> HashMap<String, Tensor> {
        (self.variables.iter())
            .map(|(name, values)| (name.clone(), values.as_tensor().clone()))
            .collect()
    }

    /// The tensors of one of the models, by their names in a checkpoint.
    pub(super) fn tensors_of(&self, member: PairMember) -> Result<HashMap<String, Tensor>, Error> {
        let named = |Parameter { name, .. }: Parameter| {
            let key = self.key(member, &name);
            let values = self.variables.get(&key).ok_or_else(|| {
                Error::Settings(format!("the {} has no tensor {name}", member.name()))
            })?;
            Ok((name, values.as_tensor().clone()))
        };
        self.parameters(member).into_iter().map(named).collect()
    }

    /// The variables to train, by name.
    pub(super) fn trainable(&self) -> Vec<(String, Var)> {
        (self.variables.iter())
            .filter(|(name, _)| !(self.freeze_word_embeddings && name.ends_with(WORD_EMBEDDINGS)))
            .map(|(name, values)| (name.clone(), values.clone()))
            .collect()
    }

    /// Builds the models over the current variables. Without `with_gradients` they are detached from the
    /// variables, which is faster.
    fn build(&self, with_gradients: bool) -> Result<Models, Error> {
        let dtype = match self.precision {
            TrainingPrecision::F32 => DType::F32,
            TrainingPrecision::Bf16 => DType::BF16,
        };
        // One converted tensor per variable, so that shared variables stay shared.
        let mut copies: HashMap<&str, Tensor> = HashMap::new();
        for (name, values) in &self.variables {
            let is_frozen = self.freeze_word_embeddings && name.ends_with(WORD_EMBEDDINGS);
            let values = match with_gradients && !is_frozen {
                true => values.as_tensor().clone(),
                false => values.as_detached_tensor(),
            };
            copies.insert(name, values.to_dtype(dtype)?);
        }
        let builder = |member: PairMember| -> Result<VarBuilder<'static>, Error> {
            let mut tensors = HashMap::new();
            for Parameter { name, .. } in self.parameters(member) {
                if let Some(values) = copies.get(self.key(member, &name).as_str()) {
                    tensors.insert(name, values.clone());
                }
            }
            Ok(VarBuilder::from_tensors(tensors, dtype, &self.device))
        };
        let of_generator = builder(PairMember::Generator)?;
        let of_discriminator = builder(PairMember::Discriminator)?;
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

    /// Computes a batch: the generator predicts and samples the masked tokens, and the discriminator
    /// classifies the result. `key` is the key of the random samples.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub(super) fn forward(
        &self,
        windows: &[PretrainWindow],
        masked: &[MaskedWindow],
        key: &[u64],
        pass: Pass<'_>,
    ) -> Result<PairOutput, Error> {
        let fresh;
        let with_gradients = matches!(pass, Pass::Train(_));
        let models = match &self.models {
            Some(models) if with_gradients => models,
            _ => {
                fresh = self.build(with_gradients)?;
                &fresh
            }
        };
        let pad_id = self.discriminator.pad_token_id;
        let collate = |ids: &[Vec<u32>]| -> candle_core::Result<Batch> {
            let windows: Vec<(&[u32], usize)> = (ids.iter().zip(windows))
                .map(|(ids, window)| (ids.as_slice(), window.second))
                .collect();
            self.cast(Batch::pairs(&windows, pad_id, &self.device)?)
        };

        let masked_ids: Vec<Vec<u32>> = masked.iter().map(|masked| masked.ids.clone()).collect();
        let batch = collate(&masked_ids)?;
        let (rows, length) = batch.ids.dims2()?;
        let (encoder, head) = &models.generator;
        let states = encoder.forward(&batch, pass)?; // (B, T, H)
        let positions: Vec<u32> = (masked.iter().enumerate())
            .flat_map(|(row, masked)| {
                let position = move |position: &usize| (row * length + position) as u32;
                masked.positions.iter().map(position)
            })
            .collect();
        let originals: Vec<u32> = (masked.iter())
            .flat_map(|masked| masked.originals.iter().copied())
            .collect();
        let count = positions.len();
        let positions = Tensor::from_vec(positions, count, &self.device)?;
        // Only at the masked positions, because the projection to the vocabulary is the most expensive part.
        let states = states
            .reshape((rows * length, ()))?
            .index_select(&positions, 0)?; // (N, H)
        let generator_logits = head
            .forward(&states.unsqueeze(0)?, encoder.word_embeddings())?
            .squeeze(0)?
            .to_dtype(DType::F32)?; // (N, V)
        let generator_loss = train_ops::cross_entropy(&generator_logits, &originals)?;
        let began = Instant::now();
        let samples = sample_rows(&generator_logits, key)?;
        tracing::trace!(tokens = samples.len(), took = ?began.elapsed(), "sampled");

        let mut rest = samples.as_slice();
        let mut corrupted = Vec::with_capacity(rows);
        let mut labels: Vec<u8> = Vec::with_capacity(rows * length);
        let mut is_token: Vec<u8> = Vec::with_capacity(rows * length);
        for (window, masked) in windows.iter().zip(masked) {
            let (here, others) = rest
                .split_at_checked(masked.positions.len())
                .unwrap_or((rest, &[]));
            rest = others;
            let (ids, mut replaced) = replace(window, masked, here);
            is_token.extend((0..length).map(|at| u8::from(at < ids.len())));
            replaced.resize(length, 0);
            labels.append(&mut replaced);
            corrupted.push(ids);
        }
        let batch = collate(&corrupted)?;
        let (encoder, head) = &models.discriminator;
        let states = encoder.forward(&batch, pass)?;
        let discriminator_logits = head.forward(&states)?.to_dtype(DType::F32)?; // (B, T)
        let shape = (rows, length);
        let discriminator_loss = loss::replaced_token_detection(
            &discriminator_logits,
            &Tensor::from_slice(&labels, shape, &self.device)?,
            &Tensor::from_slice(&is_token, shape, &self.device)?,
        )?;
        Ok(PairOutput {
            generator_logits,
            originals,
            samples,
            generator_loss,
            discriminator_logits,
            labels,
            is_token,
            discriminator_loss,
        })
    }

    /// Converts the mask of a batch to the precision of the models.
    fn cast(&self, batch: Batch) -> candle_core::Result<Batch> {
        if self.precision == TrainingPrecision::F32 {
            return Ok(batch);
        }
        // The smallest f32 is an infinity in bf16, which would make a row of padding alone NaN. There is
        // no such row, because each begins with `[CLS]`.
        let mask = match batch.mask {
            Some(mask) => Some(mask.maximum(-1e30)?.to_dtype(DType::BF16)?),
            None => None,
        };
        Ok(Batch { mask, ..batch })
    }
}

/// The output of both models for a batch.
pub(super) struct PairOutput {
    /// The generator's logits `(N, V)` at the masked positions, in f32.
    pub(super) generator_logits: Tensor,
    pub(super) originals: Vec<u32>,
    pub(super) samples: Vec<u32>,
    pub(super) generator_loss: Tensor,
    /// The discriminator's logits `(B, T)`, in f32.
    pub(super) discriminator_logits: Tensor,
    /// 1 where a token was replaced, row by row; 0 at padding.
    pub(super) labels: Vec<u8>,
    pub(super) is_token: Vec<u8>,
    pub(super) discriminator_loss: Tensor,
}

impl PairOutput {
    /// The training loss: the weighted sum of both losses.
    pub(super) fn loss(&self) -> Result<Tensor, Error> {
        Ok((&self.generator_loss + (&self.discriminator_loss * DISCRIMINATOR_WEIGHT)?)?)
    }
}

/// Applies `of` to the index and the values of each row of logits `(N, V)` on the CPU, in parallel.
pub(super) fn map_rows<T: Send>(
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

/// Samples a token from the softmax of each row of logits `(N, V)`.
fn sample_rows(logits: &Tensor, key: &[u64]) -> Result<Vec<u32>, Error> {
    let logits = logits.detach();
    if logits.device().is_cpu() {
        return map_rows(&logits, |row, logits| {
            let key = [key, &[row as u64]].concat();
            sample(logits, SeededRng::for_key(&key).uniform())
        });
    }
    // On a GPU by Gumbel noise, as in the reference: transferring the logits to the CPU would cost more
    // than the logarithms.
    let device = logits.device();
    device.set_seed(SeededRng::for_key(key).bits())?;
    let uniform = logits.rand_like(0.0, 1.0)?;
    let noise = ((uniform + 1e-9)?.log()?.neg()? + 1e-9)?.log()?.neg()?;
    Ok((logits + noise)?.argmax(1)?.to_vec1::<u32>()?)
}
