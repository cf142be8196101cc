//! A head on its encoder, by candle's own operations: windows in, logits out.
//!
//! [`FineTuned`] is the model itself, for training too; [`PlainHead`] is one that has been loaded
//! to answer. What the logits mean is not known here.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use rayon::prelude::*;

use crate::checkpoint::adapter::Encoders;
use crate::checkpoint::head_checkpoint::{HeadCheckpoint, HeadConfig};
use crate::nn::electra::{Batch, Electra};
use crate::nn::head_layers::{Classification, PerToken};
use crate::nn::layers::Pass;
use crate::task::Task;
use crate::{Error, HeadForward, HeadInput, Logits, device};

/// An encoder with a head for a task.
#[derive(Clone, Debug)]
pub struct FineTuned {
    encoder: Electra,
    head: Head,
}

#[derive(Clone, Debug)]
enum Head {
    Window(Classification),
    Tokens(PerToken),
}

impl FineTuned {
    /// Takes the weights, in ELECTRA's names whatever the family, from `vb`, which stands at the
    /// root.
    ///
    /// # Errors
    ///
    /// A missing or misshapen tensor.
    pub fn load(config: &HeadConfig, vb: VarBuilder<'_>) -> candle_core::Result<FineTuned> {
        let (encoder, dropout) = (&config.encoder, config.dropout);
        let labels = config.labels.len();
        let head = match config.task {
            Task::Classification => {
                let vb = vb.pp("classifier");
                let head = Classification::load(encoder, config.family, labels, dropout, vb)?;
                Head::Window(head)
            }
            Task::Tagging => Head::Tokens(PerToken::load(
                encoder,
                labels,
                dropout,
                vb.pp("classifier"),
            )?),
            Task::QuestionAnswering => {
                Head::Tokens(PerToken::load(encoder, 2, dropout, vb.pp("qa_outputs"))?)
            }
        };
        Ok(FineTuned {
            encoder: Electra::load(encoder, vb.pp("electra"))?,
            head,
        })
    }

    /// `(B, T)` ids to logits: `(B, labels)` for classification, `(B, T, labels)` for tagging,
    /// `(B, T, 2)` for the start and the end of an answer.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn forward(&self, batch: &Batch, pass: Pass<'_>) -> candle_core::Result<Tensor> {
        let states = self.encoder.forward(batch, pass)?; // (B, T, H)
        match &self.head {
            Head::Window(head) => head.forward(&states, pass),
            Head::Tokens(head) => head.forward(&states, pass),
        }
    }
}

/// A fine-tuned model in f32.
pub struct PlainHead {
    model: FineTuned,
    pad_id: u32,
    /// Whether a second text has a segment of its own.
    knows_pairs: bool,
    device: Device,
}

impl PlainHead {
    /// Loads `checkpoint` onto `device`.
    ///
    /// # Errors
    ///
    /// A tensor that is missing, misshapen or of a type that is no weight.
    pub fn load(checkpoint: &HeadCheckpoint, device: &Device) -> Result<PlainHead, Error> {
        PlainHead::load_with(checkpoint, device, &Encoders::default())
    }

    /// The same, an encoder that several heads share being taken from `encoders`.
    ///
    /// # Errors
    ///
    /// As [`PlainHead::load`].
    pub fn load_with(
        checkpoint: &HeadCheckpoint,
        device: &Device,
        encoders: &Encoders,
    ) -> Result<PlainHead, Error> {
        let config = &checkpoint.config;
        let tensors = checkpoint.tensors(device, encoders)?;
        let vb = VarBuilder::from_tensors(tensors, DType::F32, device);
        Ok(PlainHead::of(FineTuned::load(config, vb)?, config, device))
    }

    /// `model` itself, which `config` describes and whose tensors are on `device`.
    pub fn of(model: FineTuned, config: &HeadConfig, device: &Device) -> PlainHead {
        PlainHead {
            model,
            pad_id: config.encoder.pad_token_id,
            knows_pairs: config.encoder.type_vocab_size > 1,
            device: device.clone(),
        }
    }

    /// The logits of windows that go through together, the shorter ones padded.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn padded(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let pairs: Vec<(&[u32], usize)> = (windows.iter())
            .map(|HeadInput { ids, second }| {
                let second = if self.knows_pairs { *second } else { ids.len() };
                (ids.as_slice(), second)
            })
            .collect();
        let batch = Batch::pairs(&pairs, self.pad_id, &self.device)?;
        let logits = self.model.forward(&batch, Pass::Answer)?;
        let columns = logits.dim(candle_core::D::Minus1)?;
        let rows = logits.flatten_from(1)?.to_vec2::<f32>()?;
        let per_token = logits.rank() == 3;
        Ok(rows
            .into_iter()
            .zip(windows)
            .map(|(mut values, window)| {
                if per_token {
                    values.truncate(window.ids.len() * columns);
                }
                Logits { columns, values }
            })
            .collect())
    }
}

impl HeadForward for PlainHead {
    fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
        if self.device.is_cpu() {
            // Each by itself: no padding is computed, and no window can depend on its neighbours.
            let single = |window: &HeadInput| self.padded(std::slice::from_ref(window));
            let answers: Vec<Vec<Logits>> =
                windows.par_iter().map(single).collect::<Result<_, _>>()?;
            return Ok(answers.into_iter().flatten().collect());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::layers::Drops;
    use crate::{ElectraConfig, Family, Problem};
    use candle_core::Var;
    use candle_nn::VarMap;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn config(family: Family, task: Task, dropout: f32) -> HeadConfig {
        let raw = serde_json::json!({
            "vocab_size": 11, "embedding_size": 4, "hidden_size": 8, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8,
            "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0,
        });
        let encoder = ElectraConfig::of_family(family, raw, Path::new("config.json")).unwrap();
        HeadConfig {
            family,
            task,
            labels: match task {
                Task::QuestionAnswering => Vec::new(),
                _ => vec!["a".into(), "b".into(), "c".into()],
            },
            problem: Problem::SingleLabel,
            max_positions: encoder.max_position_embeddings,
            vocab_size: encoder.vocab_size,
            can_refuse: false,
            no_answer_threshold: None,
            dropout,
            encoder,
            raw: serde_json::Value::Null,
        }
    }

    fn fresh(config: &HeadConfig) -> (VarMap, FineTuned, Batch) {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let model = FineTuned::load(config, vb).unwrap();
        // candle draws weights without a seed, and some draws leave all units behind a ReLU at zero.
        let mut seeded: Vec<(String, Var)> = (vars.data().lock().unwrap().iter())
            .map(|(name, var)| (name.clone(), var.clone()))
            .collect();
        seeded.sort_by(|a, b| a.0.cmp(&b.0));
        for (at, (_, var)) in seeded.iter().enumerate() {
            let wave = (0..var.elem_count()).map(|place| ((place * 7 + at * 3) as f32).sin() * 0.5);
            let wave = Tensor::from_iter(wave, &Device::Cpu).unwrap();
            var.set(&wave.reshape(var.shape()).unwrap()).unwrap();
        }
        let windows: [(&[u32], usize); 2] = [(&[1, 2, 3, 4, 5], 3), (&[6, 7, 8], 3)];
        let batch = Batch::pairs(&windows, 0, &Device::Cpu).unwrap();
        (vars, model, batch)
    }

    const TASKS: [Task; 3] = [Task::Classification, Task::QuestionAnswering, Task::Tagging];

    #[test]
    fn every_parameter_of_every_head_gets_a_gradient() {
        for family in Family::ALL {
            for task in TASKS {
                let config = config(family, task, 0.0);
                let (vars, model, batch) = fresh(&config);
                let drops = Drops::new(1, 1);
                let logits = model.forward(&batch, Pass::Train(&drops)).unwrap();
                let loss = logits.sqr().unwrap().sum_all().unwrap();
                let gradients = loss.backward().unwrap();

                let data = vars.data().lock().unwrap();
                let wanted: BTreeSet<String> =
                    config.parameters().into_iter().map(|p| p.name).collect();
                let made: BTreeSet<String> = data.keys().cloned().collect();
                assert_eq!(made, wanted, "{family:?} {task:?}");
                for (name, var) in data.iter() {
                    let gradient = gradients
                        .get(var.as_tensor())
                        .unwrap_or_else(|| panic!("{family:?} {task:?}: none reaches {name}"));
                    let size = gradient.abs().unwrap().sum_all().unwrap();
                    // A key's bias shifts all scores of a query alike, which softmax does not see.
                    assert!(
                        size.to_scalar::<f32>().unwrap() > 0.0 || name.ends_with("key.bias"),
                        "{family:?} {task:?}: the gradient of {name} is zero"
                    );
                }
            }
        }
    }

    #[test]
    fn values_are_dropped_in_training_alone() {
        let numbers = |logits: Tensor| logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for family in Family::ALL {
            for task in TASKS {
                for (dropout, drops) in [(0.0, false), (0.5, true)] {
                    let (_vars, model, batch) = fresh(&config(family, task, dropout));
                    let answer = |pass: Pass<'_>| numbers(model.forward(&batch, pass).unwrap());
                    let still = answer(Pass::Answer);
                    assert_eq!(answer(Pass::Answer), still);
                    // Eight values of each of several tokens: never once in twenty that none is dropped.
                    let changed = (0..20).any(|step| {
                        let drops = Drops::new(1, step);
                        let apart = answer(Pass::Train(&drops)).into_iter().zip(&still);
                        apart.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) > 1e-4
                    });
                    assert_eq!(changed, drops, "{family:?} {task:?} {dropout}");
                }
            }
        }
    }
}
