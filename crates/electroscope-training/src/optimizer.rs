//! ELECTRA's variant of Adam.
//!
//! It follows `model/optimization.py` of the original ELECTRA: moments without bias correction,
//! decoupled weight decay, gradients clipped by their global norm, and lower learning rates for lower
//! layers. On a CPU a step updates each parameter in place, in one pass over memory; the result does
//! not depend on the number of threads. The learning rate schedule is in [`super::schedule`].

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Storage, Tensor, Var};
use rayon::prelude::*;

use super::Error;

/// The settings of an [`Optimizer`]. The defaults are those that the reference fine-tunes with.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamSettings {
    /// The learning rate of the head; lower layers may have a lower one.
    pub learning_rate: f64,
    /// The decoupled weight decay: a step multiplies a weight by 1 minus this times the learning rate.
    /// Biases and layer norms do not decay.
    pub weight_decay: f64,
    /// The decay rate of the mean of the gradients.
    pub beta1: f64,
    /// The decay rate of the mean of the squared gradients.
    pub beta2: f64,
    /// Added to the denominator, against division by zero.
    pub epsilon: f64,
    /// The global norm that larger gradients are scaled down to.
    pub clip: f64,
    /// The learning rate of a layer as a share of that of the layer above; none if all layers have the
    /// same, as in pre-training.
    pub layer_decay: Option<f64>,
}

impl Default for AdamSettings {
    fn default() -> AdamSettings {
        AdamSettings {
            learning_rate: 1e-4,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
            clip: 1.0,
            layer_decay: Some(0.8),
        }
    }
}

impl AdamSettings {
    fn check(&self) -> Result<(), Error> {
        let require = |name: &str, value: f64, fits: bool, expected: &str| {
            if fits {
                return Ok(());
            }
            Err(Error::Settings(format!(
                "the {name} is {value}, but it must be {expected}"
            )))
        };
        let above_zero = |value: f64| value > 0.0 && value.is_finite();
        let (rate, decay) = (self.learning_rate, self.weight_decay);
        require("learning rate", rate, above_zero(rate), "above 0")?;
        require(
            "weight decay",
            decay,
            decay >= 0.0 && decay.is_finite(),
            "at least 0",
        )?;
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            require(name, beta, (0.0..1.0).contains(&beta), "from 0 to below 1")?;
        }
        require("epsilon", self.epsilon, above_zero(self.epsilon), "above 0")?;
        require("clipping norm", self.clip, above_zero(self.clip), "above 0")?;
        let layers = self.layer_decay.unwrap_or(1.0);
        require(
            "layer decay",
            layers,
            layers > 0.0 && layers <= 1.0,
            "above 0 and at most 1",
        )
    }
}

/// Updates parameters by their gradients.
#[derive(Debug)]
pub struct Optimizer {
    variables: Vec<(String, Var)>,
    /// The state of each variable, in the same order.
    states: Vec<ParameterState>,
    /// Whether the variables are updated in place: all are contiguous and in the CPU's memory.
    in_place: bool,
    settings: AdamSettings,
}

/// The learning rate and the moments of a variable.
#[derive(Debug)]
struct ParameterState {
    /// The learning rate, without the schedule.
    rate: f64,
    weight_decay: f64,
    moments: Moments,
}

/// The running means of a variable's gradients and of their squares.
#[derive(Debug)]
enum Moments {
    /// For updates in place.
    InPlace { mean: Vec<f32>, square: Vec<f32> },
    /// For any device.
    OutOfPlace { mean: Tensor, square: Tensor },
}

impl Optimizer {
    /// An optimizer for `variables`, by their names in a checkpoint, of a model with `layers` encoder
    /// layers.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if a setting is out of range, if a name or a variable is given twice, if a
    /// variable is not in f32, or if the number of its layer is too large.
    pub fn new(
        variables: Vec<(String, Var)>,
        layers: usize,
        settings: AdamSettings,
    ) -> Result<Optimizer, Error> {
        let in_place = variables.iter().all(|(_, var)| is_contiguous_on_cpu(var));
        Optimizer::with_moments(variables, layers, settings, in_place)
    }

    fn with_moments(
        variables: Vec<(String, Var)>,
        layers: usize,
        settings: AdamSettings,
        in_place: bool,
    ) -> Result<Optimizer, Error> {
        settings.check()?;
        let (mut names, mut ids) = (HashSet::new(), HashSet::new());
        let mut states = Vec::with_capacity(variables.len());
        for (name, var) in &variables {
            if !names.insert(name.as_str()) || !ids.insert(var.id()) {
                return Err(Error::Settings(format!(
                    "{name} is to be trained twice; give a parameter that two models share once"
                )));
            }
            if var.dtype() != DType::F32 {
                return Err(Error::Settings(format!(
                    "{name} is in {:?}, but only f32 can be trained",
                    var.dtype()
                )));
            }
            let share = match settings.layer_decay {
                Some(decay) => decay.powi(layers_above(name, layers)?),
                None => 1.0,
            };
            states.push(ParameterState {
                rate: settings.learning_rate * share,
                weight_decay: if is_decayed(name) {
                    settings.weight_decay
                } else {
                    0.0
                },
                moments: if in_place {
                    Moments::InPlace {
                        mean: vec![0.0; var.elem_count()],
                        square: vec![0.0; var.elem_count()],
                    }
                } else {
                    Moments::OutOfPlace {
                        mean: var.zeros_like()?.detach(),
                        square: var.zeros_like()?.detach(),
                    }
                },
            });
        }
        Ok(Optimizer {
            variables,
            states,
            in_place,
            settings,
        })
    }

    /// Updates every variable once, with the learning rate multiplied by `factor`. Gives the global norm
    /// of the gradients before clipping.
    ///
    /// # Errors
    ///
    /// [`Error::NoGradient`] and [`Error::Diverged`], with no variable changed; those of the tensor
    /// operations.
    pub fn step(&mut self, gradients: &GradStore, factor: f64) -> Result<f64, Error> {
        if !(factor >= 0.0 && factor.is_finite()) {
            return Err(Error::Settings(format!(
                "the factor on the learning rate is {factor}, but it must be at least 0"
            )));
        }
        let gradient = |(name, var): &(String, Var)| {
            let found = gradients
                .get(var.as_tensor())
                .ok_or_else(|| Error::NoGradient { name: name.clone() })?;
            Ok::<_, Error>(found.detach().to_dtype(DType::F32)?.contiguous()?)
        };
        let gradients: Vec<Tensor> = self
            .variables
            .iter()
            .map(gradient)
            .collect::<Result<_, _>>()?;
        let norm = if self.in_place {
            norm_on_cpu(&gradients)
        } else {
            norm_on_device(&gradients)
        }?;
        if !norm.is_finite() {
            return Err(Error::Diverged { norm });
        }
        let settings = &self.settings;
        let scale = if norm > settings.clip {
            settings.clip / norm
        } else {
            1.0
        };
        for (((_, var), state), gradient) in
            self.variables.iter().zip(&mut self.states).zip(&gradients)
        {
            let step = AdamStep {
                scale: scale as f32,
                beta1: settings.beta1 as f32,
                one_minus_beta1: (1.0 - settings.beta1) as f32,
                beta2: settings.beta2 as f32,
                one_minus_beta2: (1.0 - settings.beta2) as f32,
                epsilon: settings.epsilon as f32,
                weight_decay: state.weight_decay as f32,
                rate: (state.rate * factor) as f32,
            };
            match &mut state.moments {
                Moments::InPlace { mean, square } => {
                    let moments = RefCell::new((mean.as_mut_slice(), square.as_mut_slice()));
                    var.inplace_op2(gradient, &AdamInPlace { step, moments })?;
                }
                Moments::OutOfPlace { mean, square } => step.update(var, gradient, mean, square)?,
            }
        }
        Ok(norm)
    }

    /// The variables with their names, in the order given.
    pub fn variables(&self) -> &[(String, Var)] {
        &self.variables
    }

    /// The moments of each variable as `NAME.m` and `NAME.v`: all of the optimizer's state, since there is
    /// no bias correction that would need the number of steps.
    ///
    /// # Errors
    ///
    /// Those of the tensor operations.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>, Error> {
        let mut tensors = Vec::with_capacity(2 * self.states.len());
        for ((name, var), state) in self.variables.iter().zip(&self.states) {
            let [m, v] = match &state.moments {
                Moments::InPlace { mean, square } => [mean, square]
                    .map(|values| Tensor::from_slice(values, var.shape(), &Device::Cpu)),
                Moments::OutOfPlace { mean, square } => [Ok(mean.clone()), Ok(square.clone())],
            };
            tensors.push((format!("{name}.m"), m?));
            tensors.push((format!("{name}.v"), v?));
        }
        Ok(tensors)
    }

    /// Restores the moments that [`Optimizer::state`] gave; other tensors are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if a tensor is missing or has another shape; then nothing is restored.
    pub fn restore(&mut self, saved: &HashMap<String, Tensor>) -> Result<(), Error> {
        let mut restored = Vec::with_capacity(self.states.len());
        for ((name, var), state) in self.variables.iter().zip(&self.states) {
            let find = |suffix: &str| -> Result<Tensor, Error> {
                let name = format!("{name}.{suffix}");
                let found = saved.get(&name).ok_or_else(|| {
                    Error::Settings(format!(
                        "the saved optimizer state has no {name}; it belongs to another training"
                    ))
                })?;
                if found.shape() != var.shape() {
                    return Err(Error::Settings(format!(
                        "{name} in the saved optimizer state has the shape {:?} instead of {:?}; it belongs to \
                         another training",
                        found.dims(),
                        var.dims()
                    )));
                }
                Ok(found.detach().to_dtype(DType::F32)?)
            };
            let (mean, square) = (find("m")?, find("v")?);
            restored.push(match &state.moments {
                Moments::InPlace { .. } => Moments::InPlace {
                    mean: mean.flatten_all()?.to_vec1()?,
                    square: square.flatten_all()?.to_vec1()?,
                },
                Moments::OutOfPlace { .. } => Moments::OutOfPlace {
                    mean: mean.to_device(var.device())?,
                    square: square.to_device(var.device())?,
                },
            });
        }
        for (state, moments) in self.states.iter_mut().zip(restored) {
            state.moments = moments;
        }
        Ok(())
    }
}

/// How many times the learning rate of a variable is multiplied by the layer decay. As in the
/// reference (`_get_layer_lrs`), embeddings and their projection are the lowest layer, the encoder
/// layers follow, and all else is the head. The reference leaves out one level below the head, so that
/// the last encoder layer has the square of the decay. A low-rank adapter belongs to the layer that it
/// adapts.
fn layers_above(name: &str, layers: usize) -> Result<i32, Error> {
    let parts: Vec<&str> = name.split('.').collect();
    let depth = if parts.contains(&"embeddings") || parts.contains(&"embeddings_project") {
        0
    } else if let Some(layer) = parts.windows(3).find_map(|window| match window {
        ["encoder", "layer", layer] => layer.parse::<usize>().ok(),
        _ => None,
    }) {
        if layer >= layers {
            return Err(Error::Settings(format!(
                "{name} has a layer number that is too large: the model has {layers} layers, counted from 0"
            )));
        }
        layer + 1
    } else {
        layers + 2
    };
    Ok(i32::try_from(layers + 2 - depth).unwrap_or(i32::MAX))
}

/// Whether the variable `name` has weight decay. The reference excludes names that contain one of
/// these words.
fn is_decayed(name: &str) -> bool {
    !["LayerNorm", "layer_norm", "bias"]
        .iter()
        .any(|word| name.contains(word))
}

/// The numbers that a thread takes at once. Sums are made chunk by chunk, so that they do not depend
/// on the number of threads.
const CHUNK: usize = 1 << 14;

fn is_contiguous_on_cpu(var: &Var) -> bool {
    var.device().is_cpu() && var.is_contiguous()
}

/// The global norm, for gradients in the CPU's memory. In f64, because many small squares are added.
fn norm_on_cpu(gradients: &[Tensor]) -> candle_core::Result<f64> {
    let of = |chunk: &[f32]| -> f64 {
        let square = |&value: &f32| f64::from(value) * f64::from(value);
        chunk.iter().map(square).sum()
    };
    let mut squares = 0.0;
    for gradient in gradients {
        let (storage, layout) = gradient.storage_and_layout();
        let Storage::Cpu(storage) = &*storage else {
            candle_core::bail!("a gradient is not where its variable is");
        };
        let sums: Vec<f64> = (contiguous(storage, layout)?.par_chunks(CHUNK))
            .map(of)
            .collect();
        squares += sums.iter().sum::<f64>();
    }
    Ok(squares.sqrt())
}

/// The global norm, for any device: one transfer for all variables.
fn norm_on_device(gradients: &[Tensor]) -> candle_core::Result<f64> {
    let sums = gradients.iter().map(|gradient| gradient.sqr()?.sum_all());
    let sums: Vec<Tensor> = sums.collect::<Result<_, _>>()?;
    if sums.is_empty() {
        return Ok(0.0);
    }
    let squares = Tensor::stack(&sums, 0)?.to_dtype(DType::F64)?.sum_all()?;
    Ok(squares.to_scalar::<f64>()?.sqrt())
}

/// The numbers of a contiguous tensor.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    (layout.contiguous_offsets())
        .and_then(|(start, end)| values.get(start..end))
        .ok_or_else(|| candle_core::Error::Msg("a tensor is not contiguous".into()))
}

/// The coefficients of an update, the same for all numbers of a variable.
#[derive(Clone, Copy, Debug)]
struct AdamStep {
    /// The factor that clips the gradient.
    scale: f32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    rate: f32,
}

impl AdamStep {
    fn update_in_place(
        &self,
        values: &mut [f32],
        gradient: &[f32],
        mean: &mut [f32],
        square: &mut [f32],
    ) {
        let all = values.iter_mut().zip(gradient).zip(mean).zip(square);
        for (((value, &gradient), mean), square) in all {
            let gradient = gradient * self.scale;
            *mean = self.beta1 * *mean + self.one_minus_beta1 * gradient;
            *square = self.beta2 * *square + self.one_minus_beta2 * (gradient * gradient);
            let update = *mean / (square.sqrt() + self.epsilon) + self.weight_decay * *value;
            *value -= self.rate * update;
        }
    }

    fn update(
        &self,
        var: &Var,
        gradient: &Tensor,
        mean: &mut Tensor,
        square: &mut Tensor,
    ) -> candle_core::Result<()> {
        let value = var.as_detached_tensor();
        let gradient = (gradient * f64::from(self.scale))?;
        *mean =
            ((&*mean * f64::from(self.beta1))? + (&gradient * f64::from(self.one_minus_beta1))?)?;
        *square = ((&*square * f64::from(self.beta2))?
            + (gradient.sqr()? * f64::from(self.one_minus_beta2))?)?;
        let update = mean.div(&(square.sqrt()? + f64::from(self.epsilon))?)?;
        let update = (update + (&value * f64::from(self.weight_decay))?)?;
        var.set(&(value - (update * f64::from(self.rate))?)?)
    }
}

/// The update of a variable in place.
struct AdamInPlace<'a> {
    step: AdamStep,
    moments: RefCell<(&'a mut [f32], &'a mut [f32])>,
}

impl InplaceOp2 for AdamInPlace<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        values_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let gradient = contiguous(gradient, gradient_layout)?;
        let CpuStorage::F32(values) = values else {
            candle_core::bail!("only f32 can be trained");
        };
        let values = (values_layout.contiguous_offsets())
            .and_then(|(start, end)| values.get_mut(start..end))
            .ok_or_else(|| candle_core::Error::Msg("a variable is not contiguous".into()))?;
        let step = self.step;
        let (mean, square) = &mut *self.moments.borrow_mut();
        if [gradient.len(), mean.len(), square.len()] != [values.len(); 3] {
            candle_core::bail!(
                "a variable has {} numbers, but its gradient or its moments have {}",
                values.len(),
                gradient.len()
            );
        }
        values
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK))
            .zip(mean.par_chunks_mut(CHUNK))
            .zip(square.par_chunks_mut(CHUNK))
            .for_each(|(((values, gradient), mean), square)| {
                step.update_in_place(values, gradient, mean, square);
            });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn var(values: &[f32]) -> Var {
        Var::from_slice(values, values.len(), &Device::Cpu).unwrap()
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The gradients of a loss that is linear in the variables, with these `slopes`.
    fn linear_gradients(optimizer: &Optimizer, slopes: &[&[f32]]) -> GradStore {
        let losses = optimizer
            .variables()
            .iter()
            .zip(slopes)
            .map(|((_, var), slopes)| {
                let slopes = Tensor::from_slice(slopes, var.shape(), var.device())?;
                (var.as_tensor() * slopes)?.sum_all()
            });
        let losses: Vec<Tensor> = losses.collect::<Result<_, _>>().unwrap();
        Tensor::stack(&losses, 0)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap()
    }

    fn single(name: &str, values: &[f32], settings: AdamSettings) -> Optimizer {
        Optimizer::new(vec![(name.to_owned(), var(values))], 2, settings).unwrap()
    }

    fn plain() -> AdamSettings {
        AdamSettings {
            learning_rate: 0.1,
            weight_decay: 0.0,
            clip: 1e9,
            layer_decay: None,
            ..AdamSettings::default()
        }
    }

    #[test]
    fn moments_have_no_bias_correction() {
        let mut optimizer = single("classifier.weight", &[1.0, 1.0], plain());
        let gradients = linear_gradients(&optimizer, &[&[2.0, -0.5]]);
        let norm = optimizer.step(&gradients, 1.0).unwrap();
        assert!((norm - 4.25f64.sqrt()).abs() < 1e-12, "{norm}");
        // 0.1 g / (sqrt(0.001) |g| + 1e-6) = 3.162, where a corrected step would be 1.
        let found = numbers(&optimizer.variables()[0].1);
        for (found, expected) in found.iter().zip([1.0 - 0.316_22, 1.0 + 0.316_21]) {
            assert!(
                (found - expected).abs() < 1e-4,
                "{found} instead of {expected}"
            );
        }
    }

    #[test]
    fn weight_decay_is_decoupled_and_spares_biases_and_layer_norms() {
        let settings = AdamSettings {
            weight_decay: 0.5,
            ..plain()
        };
        for (name, expected) in [
            (
                "electra.encoder.layer.0.output.dense.weight",
                2.0 - 0.1 * 0.5 * 2.0,
            ),
            (
                "electra.encoder.layer.0.attention.self.query.lora_A.weight",
                1.9,
            ),
            ("electra.encoder.layer.0.output.dense.bias", 2.0),
            ("electra.encoder.layer.0.output.LayerNorm.weight", 2.0),
        ] {
            let mut optimizer = single(name, &[2.0], settings.clone());
            let gradients = linear_gradients(&optimizer, &[&[0.0]]);
            optimizer.step(&gradients, 1.0).unwrap();
            assert_eq!(
                numbers(&optimizer.variables()[0].1),
                [expected as f32],
                "{name}"
            );
            assert_eq!(numbers(&optimizer.state().unwrap()[0].1), [0.0], "{name}");
        }
    }

    #[test]
    fn gradients_are_clipped_by_their_global_norm() {
        let settings = AdamSettings {
            clip: 1.0,
            ..plain()
        };
        for (slopes, scale) in [([30.0, 40.0], 0.02), ([0.3, 0.4], 1.0)] {
            let variables = vec![
                ("qa_outputs.weight".to_owned(), var(&[0.0])),
                ("qa_outputs.bias".to_owned(), var(&[0.0])),
            ];
            let mut optimizer = Optimizer::new(variables, 2, settings.clone()).unwrap();
            let gradients = linear_gradients(&optimizer, &[&slopes[..1], &slopes[1..]]);
            optimizer.step(&gradients, 1.0).unwrap();
            let state: HashMap<String, Tensor> = optimizer.state().unwrap().into_iter().collect();
            for (name, slope) in [
                ("qa_outputs.weight.m", slopes[0]),
                ("qa_outputs.bias.m", slopes[1]),
            ] {
                let (found, expected) = (numbers(&state[name])[0], 0.1 * scale * slope);
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{name}: {found} instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn lower_layers_have_lower_learning_rates() {
        let above = |name: &str| layers_above(name, 12).unwrap();
        for (name, expected) in [
            ("electra.embeddings.word_embeddings.weight", 14),
            ("electra.embeddings.position_embeddings.weight", 14),
            ("electra.embeddings.token_type_embeddings.weight", 14),
            ("electra.embeddings.LayerNorm.bias", 14),
            ("electra.embeddings_project.weight", 14),
            ("electra.encoder.layer.0.attention.self.query.weight", 13),
            ("electra.encoder.layer.1.output.dense.bias", 12),
            ("electra.encoder.layer.11.output.LayerNorm.weight", 2),
            (
                "electra.encoder.layer.11.attention.self.value.lora_B.weight",
                2,
            ),
            ("classifier.dense.weight", 0),
            ("classifier.out_proj.lora_A.weight", 0),
            ("qa_outputs.bias", 0),
        ] {
            assert_eq!(above(name), expected, "{name}");
        }
        assert!(layers_above("electra.encoder.layer.12.output.dense.bias", 12).is_err());
    }

    #[test]
    fn a_step_at_rate_zero_changes_only_the_moments() {
        let mut optimizer = single("classifier.weight", &[3.0], AdamSettings::default());
        let gradients = linear_gradients(&optimizer, &[&[0.5]]);
        optimizer.step(&gradients, 0.0).unwrap();
        assert_eq!(numbers(&optimizer.variables()[0].1), [3.0]);
        assert!(numbers(&optimizer.state().unwrap()[0].1)[0] > 0.0);
    }

    /// Variables with more numbers than a thread takes at once.
    fn many() -> Vec<(String, Var)> {
        let values = |count: usize, by: f32| -> Vec<f32> {
            (0..count).map(|at| (at as f32 * by).sin()).collect()
        };
        [
            (
                "electra.embeddings.word_embeddings.weight",
                3 * CHUNK + 7,
                0.37,
            ),
            ("electra.encoder.layer.1.output.dense.bias", 5, 1.3),
            ("classifier.weight", 100, 0.71),
        ]
        .map(|(name, count, by)| (name.to_owned(), var(&values(count, by))))
        .to_vec()
    }

    fn train(optimizer: &mut Optimizer, steps: std::ops::Range<u32>) {
        for step in steps {
            let losses = optimizer.variables().iter().map(|(_, var)| {
                let expected = (var.as_tensor().detach() * f64::from(step).cos())?;
                (var.as_tensor() - expected)?.sqr()?.sum_all()
            });
            let losses: Vec<Tensor> = losses.collect::<Result<_, _>>().unwrap();
            let loss = Tensor::stack(&losses, 0).unwrap().sum_all().unwrap();
            optimizer.step(&loss.backward().unwrap(), 0.9).unwrap();
        }
    }

    fn values(optimizer: &Optimizer) -> Vec<Vec<f32>> {
        optimizer
            .variables()
            .iter()
            .map(|(_, var)| numbers(var))
            .collect()
    }

    #[test]
    fn both_kinds_of_update_give_the_same_values() {
        let settings = AdamSettings {
            learning_rate: 0.01,
            ..AdamSettings::default()
        };
        let moved = [true, false].map(|in_place| {
            let mut optimizer =
                Optimizer::with_moments(many(), 2, settings.clone(), in_place).unwrap();
            train(&mut optimizer, 0..5);
            values(&optimizer).concat()
        });
        let start = many()
            .iter()
            .flat_map(|(_, var)| numbers(var))
            .collect::<Vec<_>>();
        let apart = |a: &[f32], b: &[f32]| {
            a.iter()
                .zip(b)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max)
        };
        assert!(apart(&moved[0], &start) > 1e-3);
        let apart = apart(&moved[0], &moved[1]);
        assert!(apart < 1e-6, "{apart}");
    }

    #[test]
    fn an_update_does_not_depend_on_the_number_of_threads() {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut optimizer = Optimizer::new(many(), 2, AdamSettings::default()).unwrap();
                train(&mut optimizer, 0..5);
                values(&optimizer)
            })
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn a_restored_optimizer_gives_the_values_of_an_uninterrupted_one() {
        for in_place in [true, false] {
            let settings = AdamSettings::default;
            let start = || Optimizer::with_moments(many(), 2, settings(), in_place).unwrap();
            let mut whole = start();
            train(&mut whole, 0..6);

            let mut first = start();
            train(&mut first, 0..3);
            let state = first.state().unwrap().into_iter().collect();
            let variables = first.variables().iter().map(|(name, var)| {
                let copy = Var::from_tensor(&var.as_tensor().detach().copy().unwrap()).unwrap();
                (name.clone(), copy)
            });
            let mut second =
                Optimizer::with_moments(variables.collect(), 2, settings(), in_place).unwrap();
            second.restore(&state).unwrap();
            train(&mut second, 3..6);
            assert_eq!(values(&second), values(&whole));
        }
    }

    #[test]
    fn the_state_of_another_training_is_refused() {
        let mut optimizer = single("classifier.weight", &[1.0, 2.0], plain());
        let mut state: HashMap<String, Tensor> = optimizer.state().unwrap().into_iter().collect();
        let refused = |optimizer: &mut Optimizer, state: &HashMap<String, Tensor>| {
            optimizer.restore(state).unwrap_err().to_string()
        };
        state.insert(
            "classifier.weight.v".into(),
            Tensor::new(&[1f32], &Device::Cpu).unwrap(),
        );
        assert!(refused(&mut optimizer, &state).contains("has the shape [1]"));
        state.remove("classifier.weight.v");
        assert!(refused(&mut optimizer, &state).contains("has no classifier.weight.v"));
    }

    #[test]
    fn a_missing_or_non_finite_gradient_changes_no_variable() {
        let mut optimizer = single("classifier.weight", &[1.0], plain());
        let other = single("classifier.bias", &[1.0], plain());
        let gradients = linear_gradients(&other, &[&[1.0]]);
        let error = optimizer.step(&gradients, 1.0).unwrap_err();
        assert!(matches!(error, Error::NoGradient { name } if name == "classifier.weight"));
        for slope in [f32::NAN, f32::INFINITY] {
            let gradients = linear_gradients(&optimizer, &[&[slope]]);
            let error = optimizer.step(&gradients, 1.0).unwrap_err();
            assert!(matches!(error, Error::Diverged { .. }));
        }
        assert_eq!(numbers(&optimizer.variables()[0].1), [1.0]);
        assert_eq!(numbers(&optimizer.state().unwrap()[1].1), [0.0]);
    }

    #[test]
    fn settings_out_of_range_and_variables_given_twice_are_refused() {
        let refused = |change: &dyn Fn(&mut AdamSettings)| {
            let mut settings = AdamSettings::default();
            change(&mut settings);
            Optimizer::new(Vec::new(), 2, settings)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(&|settings| settings.learning_rate = 0.0),
            "the learning rate is 0, but it must be above 0"
        );
        assert!(refused(&|settings| settings.weight_decay = -1.0).contains("weight decay"));
        assert!(refused(&|settings| settings.beta2 = 1.0).contains("beta2"));
        assert!(refused(&|settings| settings.epsilon = f64::NAN).contains("epsilon"));
        assert!(refused(&|settings| settings.clip = 0.0).contains("clipping norm"));
        assert!(refused(&|settings| settings.layer_decay = Some(1.5)).contains("layer decay"));

        let shared = var(&[1.0]);
        let twice = vec![
            ("a.weight".to_owned(), shared.clone()),
            ("b.weight".to_owned(), shared),
        ];
        let error = Optimizer::new(twice, 2, AdamSettings::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("b.weight is to be trained twice"),
            "{error}"
        );
        let whole = Var::new(&[1f64], &Device::Cpu).unwrap();
        let error = Optimizer::new(vec![("a".into(), whole)], 2, AdamSettings::default());
        assert!(error.unwrap_err().to_string().contains("F64"));
    }
}
