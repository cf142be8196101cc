//! A model that learns: its variables, its gradients, and the same weights ready to answer.
//!
//! Apart from [`super::finetune`], which knows of epochs, files and time; here one batch is looked at
//! and nothing is remembered between two.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;

use super::Error;
use super::batches::collate;
use super::example::{Example, Target};
use super::loss::loss;
use electroscope_model::chance::{Chance, mixed};
use electroscope_model::names::{Parameter, parameters};
use electroscope_model::nn::head_model::{FineTuned, PlainHead};
use electroscope_model::nn::layers::{Drops, Pass};
use electroscope_model::{Checkpoint, HeadConfig, checkpoint::adapter};

/// Deviation of the normal distribution that a fresh head's weights are drawn from: `initializer_range`
/// of the reference.
const INITIAL_DEVIATION: f64 = 0.02;

/// Tokens that go through the model at once, padding included. A batch of more goes in parts, whose
/// gradients are summed: what a part leaves behind for its way back still fits into the memory that
/// was used for the part before.
const PART: usize = 4096;

/// A fine-tuned model in the making.
pub struct Learner {
    model: FineTuned,
    answering: PlainHead,
    variables: Vec<(String, Var)>,
    config: HeadConfig,
    device: Device,
}

impl Learner {
    /// Puts a fresh head, as `config` describes it, on the encoder of `base`. With `lora`, the encoder
    /// stays as it is, and beside each of its linear layers an adapter of that rank learns.
    ///
    /// # Errors
    ///
    /// A tensor that is missing or misshapen; memory.
    pub fn new(
        base: &Checkpoint,
        config: HeadConfig,
        lora: Option<usize>,
        seed: u64,
        device: &Device,
    ) -> Result<Learner, Error> {
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
                let mut chance = Chance::new(seed, at as u64);
                let count: usize = shape.iter().product();
                let numbers: Vec<f32> = (0..count)
                    .map(|_| (chance.normal() * INITIAL_DEVIATION) as f32)
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
        // The same storage without the history: it answers with whatever has been learnt so far.
        let answering = PlainHead::of(with(Var::as_detached_tensor)?, &config, device);
        Ok(Learner {
            model,
            answering,
            variables,
            config,
            device: device.clone(),
        })
    }

    /// What learns, by the names in a checkpoint.
    pub fn variables(&self) -> &[(String, Var)] {
        &self.variables
    }

    /// How many numbers learn.
    pub fn learning(&self) -> usize {
        let counts = self.variables.iter().map(|(_, var)| var.elem_count());
        counts.sum()
    }

    /// What the model is.
    pub fn config(&self) -> &HeadConfig {
        &self.config
    }

    /// The model as it is now, to answer.
    pub fn answering(&self) -> &PlainHead {
        &self.answering
    }

    /// The gradients of the mean loss over `examples`, and the loss. Values are dropped as `seed` and
    /// `step` say.
    ///
    /// # Errors
    ///
    /// Those of the arithmetic.
    pub fn gradients(
        &self,
        examples: &[&Example],
        seed: u64,
        step: u64,
    ) -> Result<(GradStore, f64), Error> {
        let weight = |examples: &[&Example]| -> f64 {
            examples
                .iter()
                .map(|example| asked(&example.target))
                .sum::<usize>() as f64
        };
        let all = weight(examples).max(1.0);
        let mut sum: Option<GradStore> = None;
        let mut total = 0.0;
        for (at, part) in parts(examples).enumerate() {
            let share = weight(part) / all;
            if share == 0.0 {
                continue;
            }
            let encoder = &self.config.encoder;
            let knows_pairs = encoder.type_vocab_size > 1;
            let batch = collate(part, encoder.pad_token_id, knows_pairs, &self.device)?;
            let drops = Drops::new(mixed(seed) ^ at as u64, step);
            let logits = self.model.forward(&batch, Pass::Train(&drops))?;
            let targets: Vec<&Target> = part.iter().map(|example| &example.target).collect();
            let loss = (loss(&logits, &targets, self.config.problem)? * share)?;
            total += f64::from(loss.to_dtype(DType::F32)?.to_scalar::<f32>()?);
            let gradients = loss.backward()?;
            sum = Some(match sum {
                None => gradients,
                Some(before) => self.added(before, &gradients)?,
            });
        }
        let sum = sum.ok_or_else(|| Error::Settings("a batch asks nothing".to_owned()))?;
        Ok((sum, total))
    }

    fn added(&self, mut sum: GradStore, more: &GradStore) -> Result<GradStore, Error> {
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

    /// The variables as they are now, apart from what becomes of them.
    ///
    /// # Errors
    ///
    /// Memory.
    pub fn learnt(&self) -> Result<HashMap<String, Tensor>, Error> {
        (self.variables.iter())
            .map(|(name, var)| Ok((name.clone(), var.as_detached_tensor().copy()?)))
            .collect()
    }

    /// Sets the variables to what was learnt before.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] for what belongs to another model.
    pub fn restore(&self, learnt: &HashMap<String, Tensor>) -> Result<(), Error> {
        for (name, var) in &self.variables {
            let tensor = learnt
                .get(name)
                .filter(|tensor| tensor.shape() == var.shape());
            let tensor = tensor.ok_or_else(|| {
                Error::Settings(format!(
                    "the saved training has no {name} of shape {:?}: it is of another model",
                    var.dims()
                ))
            })?;
            var.set(&tensor.to_device(&self.device)?)?;
        }
        Ok(())
    }
}

/// How much a target weighs in the mean: as many as what is asked of it.
fn asked(target: &Target) -> usize {
    match target {
        Target::Tags(tags) => tags.iter().flatten().count(),
        Target::Label(_) | Target::Labels(_) | Target::Value(_) | Target::Span { .. } => 1,
    }
}

/// `examples` in parts that go through the model at once.
fn parts<'a, 'b>(examples: &'a [&'b Example]) -> impl Iterator<Item = &'a [&'b Example]> {
    let longest = examples.iter().map(|example| example.input.ids.len()).max();
    let number = (PART / longest.unwrap_or(1).max(1)).max(1);
    examples.chunks(number)
}
