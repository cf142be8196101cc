//! The forward pass by candle's own operations: the one that runs everywhere, and the measure of
//! every faster one.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::checkpoint::packed::PackedPair;
use crate::checkpoint::tensors::load;
use crate::checkpoint::weights::Weights;
use crate::names::{Head, parameters};
use crate::nn::electra::{Batch, Electra};
use crate::nn::head_layers::{Discriminator, Generator};
use crate::nn::layers::Pass;
use crate::{Checkpoint, ElectraConfig, Error, Forward, device};

/// Tokens that a GPU reads at once, padding included: what fills a large one, and needs less than a
/// gigabyte of its memory.
const AT_ONCE: usize = 32 * 1024;

/// An ELECTRA discriminator by candle's operations.
pub struct PlainDiscriminator {
    electra: Electra,
    head: Discriminator,
    pad_id: u32,
    device: Device,
    dtype: DType,
}

impl PlainDiscriminator {
    /// Loads the discriminator of `checkpoint` onto `device`, to compute in f32.
    ///
    /// # Errors
    ///
    /// A tensor that is missing, misshapen or of a type that is no weight.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<PlainDiscriminator, Error> {
        PlainDiscriminator::load_in(checkpoint, device, DType::F32)
    }

    /// The same, to compute in `dtype`: f32, or bf16, in which sums along a token are in f32 all the
    /// same.
    ///
    /// # Errors
    ///
    /// As [`PlainDiscriminator::load`].
    pub fn load_in(
        checkpoint: &Checkpoint,
        device: &Device,
        dtype: DType,
    ) -> Result<PlainDiscriminator, Error> {
        let config = &checkpoint.config;
        let tensors = load(
            &parameters(config, Head::Discriminator),
            &checkpoint.weights,
            None,
            device,
        )?;
        // Takes each tensor as `dtype`.
        let vb = VarBuilder::from_tensors(tensors, dtype, device);
        Ok(PlainDiscriminator {
            electra: Electra::load(config, vb.pp("electra"))?,
            head: Discriminator::load(config, vb.pp("discriminator_predictions"))?,
            pad_id: config.pad_token_id,
            device: device.clone(),
            dtype,
        })
    }

    /// The logits of windows that go through together, the shorter ones padded.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn padded(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        let batch = Batch::new(windows, self.pad_id, &self.device)?;
        let states = self.electra.forward(&batch, Pass::Answer)?;
        let logits = self.head.forward(&states)?;
        let logits = logits.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        Ok(logits
            .into_iter()
            .zip(windows)
            .map(|(row, window)| row[..window.len()].to_vec())
            .collect())
    }
}

/// Windows of so many tokens in batches for a GPU, by their places: those of one length together, so
/// that little is padded, and no more tokens than `most` in a batch unless one window has more.
fn batches(lengths: &[usize], most: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(lengths.get(at)));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut longest = 0;
    for at in order {
        match batches.last_mut() {
            // The first of a batch is its longest.
            Some(batch) if (batch.len() + 1) * longest <= most => batch.push(at),
            _ => {
                longest = lengths.get(at).copied().unwrap_or_default();
                batches.push(vec![at]);
            }
        }
    }
    batches
}

impl Forward for PlainDiscriminator {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        if self.device.is_cpu() {
            // Each by itself: no padding is computed, and no window can depend on its neighbours.
            return windows
                .par_iter()
                .map(|&window| Ok(self.padded(&[window])?.pop().unwrap_or_default()))
                .collect();
        }
        let lengths: Vec<usize> = windows.iter().map(|window| window.len()).collect();
        let mut logits = vec![Vec::new(); windows.len()];
        for batch in batches(&lengths, AT_ONCE) {
            let together: Vec<&[u32]> = (batch.iter())
                .filter_map(|&at| windows.get(at).copied())
                .collect();
            for (at, answer) in batch.into_iter().zip(self.padded(&together)?) {
                if let Some(place) = logits.get_mut(at) {
                    *place = answer;
                }
            }
        }
        Ok(logits)
    }

    fn device(&self) -> String {
        device::name(&self.device)
    }

    fn at_once(&self) -> usize {
        if self.device.is_cpu() { 2048 } else { AT_ONCE }
    }

    fn precision(&self) -> String {
        match self.dtype {
            DType::BF16 => "bf16".to_owned(),
            _ => "f32".to_owned(),
        }
    }
}

/// An ELECTRA generator in f32.
pub struct PlainGenerator {
    electra: Electra,
    head: Generator,
    pad_id: u32,
    device: Device,
}

impl PlainGenerator {
    /// Loads a generator onto `device`; what `weights` lacks (the word embeddings of the built-in
    /// pair) is taken from `shared`.
    ///
    /// # Errors
    ///
    /// As [`PlainDiscriminator::load`].
    pub fn load(
        config: &ElectraConfig,
        weights: &Weights,
        shared: Option<&Weights>,
        device: &Device,
    ) -> Result<PlainGenerator, Error> {
        let tensors = load(
            &parameters(config, Head::Generator),
            weights,
            shared,
            device,
        )?;
        let vb = VarBuilder::from_tensors(tensors, DType::F32, device);
        Ok(PlainGenerator {
            electra: Electra::load(config, vb.pp("electra"))?,
            head: Generator::load(config, vb.clone())?,
            pad_id: config.pad_token_id,
            device: device.clone(),
        })
    }

    /// Loads the generator of a pair in memory, on the CPU.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::from_packed`].
    pub fn from_packed(pair: &PackedPair) -> Result<PlainGenerator, Error> {
        let (config, weights) = pair.generator()?;
        let shared = Checkpoint::from_packed(pair)?.weights;
        PlainGenerator::load(&config, &weights, Some(&shared), &Device::Cpu)
    }

    /// The logits at `places` of one window, a row over the vocabulary for each: what is expected
    /// there. Cheaper than all rows, for the vocabulary is long.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations: a place outside the window, and none at all.
    pub fn guesses(&self, window: &[u32], places: &[usize]) -> Result<Vec<Vec<f32>>, Error> {
        let batch = Batch::new(&[window], self.pad_id, &self.device)?;
        let states = self.electra.forward(&batch, Pass::Answer)?; // (1, T, H)
        let places = places.iter().map(|&place| place as u32);
        let places = Tensor::from_iter(places, &self.device)?;
        let states = states.index_select(&places, 1)?;
        let logits = self.head.forward(&states, self.electra.word_embeddings())?;
        Ok(logits.squeeze(0)?.to_vec2()?)
    }

    /// The logits `(T, V)` of windows that go through together, the shorter ones padded.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn padded(&self, windows: &[&[u32]]) -> Result<Vec<Vec<Vec<f32>>>, Error> {
        let batch = Batch::new(windows, self.pad_id, &self.device)?;
        let states = self.electra.forward(&batch, Pass::Answer)?;
        let logits = self
            .head
            .forward(&states, self.electra.word_embeddings())?
            .to_vec3::<f32>()?;
        Ok(logits
            .into_iter()
            .zip(windows)
            .map(|(rows, window)| rows[..window.len()].to_vec())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_nn::VarMap;
    use std::path::Path;

    #[test]
    fn batches_for_a_gpu_hold_every_window_once_and_not_too_many_tokens() {
        let lengths = [5, 512, 3, 0, 128, 128, 700, 1, 127];
        let batches = batches(&lengths, 520);
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
        for batch in &batches {
            let longest = batch.iter().map(|&at| lengths[at]).max().unwrap();
            assert!(
                batch.len() == 1 || batch.len() * longest <= 520,
                "{batch:?}"
            );
        }
        assert_eq!(batches, [vec![6], vec![1], vec![4, 5, 8, 0], vec![2, 7, 3]]);
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        for sizes in [
            r#""embedding_size": 4, "hidden_size": 8"#,
            r#""embedding_size": 8, "hidden_size": 8"#,
        ] {
            let json = format!(
                r#"{{"model_type": "electra", "vocab_size": 11, {sizes}, "num_hidden_layers": 2,
                    "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8}}"#
            );
            let config = ElectraConfig::parse(json.as_bytes(), Path::new("config.json")).unwrap();
            let windows: [&[u32]; 2] = [&[1, 2, 3, 4, 5], &[6, 7, 8]];
            let batch = Batch::new(&windows, 0, &Device::Cpu).unwrap();

            let vars = VarMap::new();
            let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
            let electra = Electra::load(&config, vb.pp("electra")).unwrap();
            let discriminator =
                Discriminator::load(&config, vb.pp("discriminator_predictions")).unwrap();
            let generator = Generator::load(&config, vb.clone()).unwrap();
            let states = electra.forward(&batch, Pass::Answer).unwrap();
            let found = discriminator
                .forward(&states)
                .unwrap()
                .sqr()
                .unwrap()
                .sum_all()
                .unwrap();
            let guessed = generator
                .forward(&states, electra.word_embeddings())
                .unwrap();
            let loss = (found + guessed.sqr().unwrap().sum_all().unwrap()).unwrap();
            let gradients = loss.backward().unwrap();

            let data = vars.data().lock().unwrap();
            let wanted: std::collections::BTreeSet<String> = [Head::Discriminator, Head::Generator]
                .into_iter()
                .flat_map(|head| parameters(&config, head))
                .map(|parameter| parameter.name)
                .collect();
            assert_eq!(
                data.keys()
                    .cloned()
                    .collect::<std::collections::BTreeSet<_>>(),
                wanted
            );
            for (name, var) in data.iter() {
                let gradient = gradients
                    .get(var.as_tensor())
                    .unwrap_or_else(|| panic!("no gradient reaches {name}"));
                let size = gradient
                    .abs()
                    .unwrap()
                    .sum_all()
                    .unwrap()
                    .to_scalar::<f32>()
                    .unwrap();
                // A key's bias shifts all scores of a query alike, which softmax does not see.
                assert!(
                    size > 0.0 || name.ends_with("key.bias"),
                    "the gradient of {name} is zero"
                );
            }
        }
    }
}
