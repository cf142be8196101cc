//! A head and its encoder while they are trained: variables, gradients, and the current weights ready
//! for inference.
//!
//! It computes one batch at a time and keeps no state between batches; epochs, files and time are the
//! business of [`super::finetune`].

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;

use super::Error;
use super::batches::collate;
use super::example::{Example, Target};
use super::loss::loss;
use super::rng::{SeededRng, mix};
use electroscope_model::names::{Parameter, parameters};
use electroscope_model::nn::head_model::{FineTuned, PlainHead};
use electroscope_model::nn::layers::{Drops, Pass};
use electroscope_model::{Checkpoint, HeadConfig, checkpoint::adapter};

/// Standard deviation of the normal distribution of a new head's weights: the reference's
/// `initializer_range`.
const INITIALIZER_RANGE: f64 = 0.02;

/// The tokens of one forward and backward pass at most, padding included. A larger batch is computed
/// in several passes, whose gradients are added, so that each can reuse the memory of the one before.
const TOKENS_PER_PASS: usize = 4096;

/// A model with a head, to be trained.
pub struct TrainableHead {
    model: FineTuned,
    inference: PlainHead,
    variables: Vec<(String, Var)>,
    config: HeadConfig,
    device: Device,
}

impl TrainableHead {
    /// Puts a new head, described by `config`, on the encoder of `base`. With `lora`, the encoder is not
    /// trained, and each of its linear layers gets a low-rank adapter of that rank.
    ///
    /// # Errors
    ///
    /// A tensor that is missing or has another shape; those of the tensor operations.
    pub fn new(
        base: &Checkpoint,
        config: HeadConfig,
        lora: Option<usize>,
        seed: u64,
        device: &Device,
    ) -> Result<TrainableHead, Error> {
        let mut tensors = HashMap::new();
        let mut variables = Vec::new();
        for (at, Parameter { name, shape }) in parameters(&config.encoder, config.head())
            .into_iter()
            .enumerate()
        {
            let is_encoder = name.starts_with("electra.");
            let tensor = if is_encoder {
                base.weights.tensor(&name, &shape, device)?
            } else if shape.len() > 1 {
                let mut rng = SeededRng::new(seed, at as u64);
                let count: usize = shape.iter().product();
                let numbers: Vec<f32> = (0..count)
                    .map(|_| (rng.normal() * INITIALIZER_RANGE) as f32)
                    .collect();
                Tensor::from_vec(numbers, shape, device)?
            } else {
                Tensor::zeros(shape, DType::F32, device)?
            };
            if is_encoder && lora.is_some() {
                tensors.insert(name, tensor);
            } else {
                variables.push((name, Var::from_tensor(&tensor)?));
            }
        }
        if let Some(rank) = lora {
            for (name, tensor) in adapter::fresh(&config.encoder, rank, seed)? {
                variables.push((name, Var::from_tensor(&tensor.to_device(device)?)?));
            }
        }
        let with = |variable: fn(&Var) -> Tensor| {
            let mut all = tensors.clone();
            all.extend((variables.iter()).map(|(name, var)| (name.clone(), variable(var))));
            FineTuned::load(&config, VarBuilder::from_tensors(all, DType::F32, device))
        };
        let model = with(|var| var.as_tensor().clone())?;
        // The same storage without the graph, so that it always has the current weights.
        let inference = PlainHead::of(with(Var::as_detached_tensor)?, &config, device);
        Ok(TrainableHead {
            model,
            inference,
            variables,
            config,
            device: device.clone(),
        })
    }

    /// The variables to train, by their names in a checkpoint.
    pub fn variables(&self) -> &[(String, Var)] {
        &self.variables
    }

    /// The number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        let counts = self.variables.iter().map(|(_, var)| var.elem_count());
        counts.sum()
    }

    /// The configuration of the model.
    pub fn config(&self) -> &HeadConfig {
        &self.config
    }

    /// The model with its current weights, for inference.
    pub fn inference(&self) -> &PlainHead {
        &self.inference
    }

    /// The gradients of the mean loss over `examples`, and that loss. The dropout masks follow from
    /// `seed` and `step`.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if no example has a target; those of the tensor operations.
    pub fn gradients(
        &self,
        examples: &[&Example],
        seed: u64,
        step: u64,
    ) -> Result<(GradStore, f64), Error> {
        let weight = |examples: &[&Example]| -> f64 {
            let weights = examples
                .iter()
                .map(|example| target_weight(&example.target));
            weights.sum::<usize>() as f64
        };
        let total_weight = weight(examples).max(1.0);
        let mut sum: Option<GradStore> = None;
        let mut total = 0.0;
        for (at, pass) in passes(examples).enumerate() {
            let share = weight(pass) / total_weight;
            if share == 0.0 {
                continue;
            }
            let encoder = &self.config.encoder;
            let has_segments = encoder.type_vocab_size > 1;
            let batch = collate(pass, encoder.pad_token_id, has_segments, &self.device)?;
            let drops = Drops::new(mix(seed) ^ at as u64, step);
            let logits = self.model.forward(&batch, Pass::Train(&drops))?;
            let targets: Vec<&Target> = pass.iter().map(|example| &example.target).collect();
            let loss = (loss(&logits, &targets, self.config.problem)? * share)?;
            total += f64::from(loss.to_dtype(DType::F32)?.to_scalar::<f32>()?);
            let gradients = loss.backward()?;
            sum = Some(match sum {
                None => gradients,
                Some(sum) => self.add_gradients(sum, &gradients)?,
            });
        }
        let sum =
            sum.ok_or_else(|| Error::Settings("no example of the batch has a target".to_owned()))?;
        Ok((sum, total))
    }

    fn add_gradients(&self, mut sum: GradStore, more: &GradStore) -> Result<GradStore, Error> {
        for (_, var) in &self.variables {
            let both = match (sum.get(var), more.get(var)) {
                (Some(a), Some(b)) => (a + b)?,
                (None, Some(b)) => b.clone(),
                (_, None) => continue,
            };
            sum.insert(var, both);
        }
        Ok(sum)
    }

    /// A copy of the current variables.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn trained_tensors(&self) -> Result<HashMap<String, Tensor>, Error> {
        (self.variables.iter())
            .map(|(name, var)| Ok((name.clone(), var.as_detached_tensor().copy()?)))
            .collect()
    }

    /// Sets the variables to tensors that were saved.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] for the tensors of another model.
    pub fn restore(&self, saved: &HashMap<String, Tensor>) -> Result<(), Error> {
        for (name, var) in &self.variables {
            let tensor = saved
                .get(name)
                .filter(|tensor| tensor.shape() == var.shape());
            let tensor = tensor.ok_or_else(|| {
                Error::Settings(format!(
                    "the saved training has no {name} of shape {:?}; it belongs to another model",
                    var.dims()
                ))
            })?;
            var.set(&tensor.to_device(&self.device)?)?;
        }
        Ok(())
    }
}

/// The weight of a target in the mean loss: the number of its labels.
fn target_weight(target: &Target) -> usize {
    match target {
        Target::Tags(tags) => tags.iter().flatten().count(),
        Target::Label(_) | Target::Labels(_) | Target::Value(_) | Target::Span { .. } => 1,
    }
}

/// Splits a batch into passes of at most [`TOKENS_PER_PASS`] tokens.
fn passes<'a, 'b>(examples: &'a [&'b Example]) -> impl Iterator<Item = &'a [&'b Example]> {
    let longest = examples.iter().map(|example| example.input.ids.len()).max();
    let number = (TOKENS_PER_PASS / longest.unwrap_or(1).max(1)).max(1);
    examples.chunks(number)
}
