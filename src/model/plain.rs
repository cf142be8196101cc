//! The forward pass by candle's own operations: the one that runs everywhere, and the measure of
//! every faster one.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use super::electra::{Batch, Electra};
use super::heads::{Discriminator, Generator};
use super::layers::Pass;
use super::parameters::{Head, load, parameters};
use super::weights::Weights;
use super::{Checkpoint, ElectraConfig, Error, Forward, device};

/// An ELECTRA discriminator in f32.
pub struct PlainDiscriminator {
    electra: Electra,
    head: Discriminator,
    pad_id: u32,
    device: Device,
}

impl PlainDiscriminator {
    /// Loads the discriminator of `checkpoint` onto `device`.
    ///
    /// # Errors
    ///
    /// A tensor that is missing, misshapen or of a type that is no weight.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<PlainDiscriminator, Error> {
        let config = &checkpoint.config;
        let tensors = load(
            &parameters(config, Head::Discriminator),
            &checkpoint.weights,
            None,
            device,
        )?;
        let vb = VarBuilder::from_tensors(tensors, DType::F32, device);
        Ok(PlainDiscriminator {
            electra: Electra::load(config, vb.pp("electra"))?,
            head: Discriminator::load(config, vb.pp("discriminator_predictions"))?,
            pad_id: config.pad_token_id,
            device: device.clone(),
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
        let logits = self.head.forward(&states)?.to_vec2::<f32>()?;
        Ok(logits
            .into_iter()
            .zip(windows)
            .map(|(row, window)| row[..window.len()].to_vec())
            .collect())
    }
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
        self.padded(windows)
    }

    fn device(&self) -> String {
        device::name(&self.device)
    }

    fn precision(&self) -> String {
        "f32".to_owned()
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
