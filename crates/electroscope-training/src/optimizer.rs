//! How parameters move: ELECTRA's Adam.
//!
//! Follows `model/optimization.py` of the original ELECTRA: moments without bias correction, weight
//! decay that does not pass through them, gradients clipped by the norm over all of them, and lower
//! rates for layers nearer to the text. On a CPU one step reads and writes each parameter once, in
//! place; the result does not depend on the number of threads. How the rate changes in the course of
//! a training is [`super::schedule`]'s business; how the gradients came about is not known here.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Storage, Tensor, Var};
use rayon::prelude::*;

use super::Error;

/// The settings of an [`Optimizer`]. The defaults are those of the reference for fine-tuning.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamSettings {
    /// The rate of the head; that of a layer may be lower.
    pub learning_rate: f64,
    /// Which share of a weight is taken away, times the rate; nothing is taken from biases and layer
    /// norms.
    pub weight_decay: f64,
    /// How much of the mean of the gradients a step keeps.
    pub beta1: f64,
    /// How much of the mean of their squares a step keeps.
    pub beta2: f64,
    /// What keeps the division by that mean's root finite.
    pub epsilon: f64,
    /// The norm over all gradients that longer ones are shortened to.
    pub clip: f64,
    /// The rate of a layer as a share of that of the layer above it; none if all have one rate, as in
    /// pre-training.
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
        let fits = |name: &str, value: f64, fits: bool, wanted: &str| {
            if fits {
                return Ok(());
            }
            Err(Error::Settings(format!(
                "the {name} is {value}, but it must be {wanted}"
            )))
        };
        let above_zero = |value: f64| value > 0.0 && value.is_finite();
        let (rate, decay) = (self.learning_rate, self.weight_decay);
        fits("learning rate", rate, above_zero(rate), "above 0")?;
        fits(
            "weight decay",
            decay,
            decay >= 0.0 && decay.is_finite(),
            "at least 0",
        )?;
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            fits(name, beta, (0.0..1.0).contains(&beta), "from 0 to below 1")?;
        }
        fits("epsilon", self.epsilon, above_zero(self.epsilon), "above 0")?;
        fits("clipping norm", self.clip, above_zero(self.clip), "above 0")?;
        let layers = self.layer_decay.unwrap_or(1.0);
        fits(
            "layer decay",
            layers,
            layers > 0.0 && layers <= 1.0,
            "above 0 and at most 1",
        )
    }
}

/// Moves parameters against their gradients.
#[derive(Debug)]
pub struct Optimizer {
    variables: Vec<(String, Var)>,
    /// One for each variable.
    parts: Vec<Part>,
    /// Whether a step is one pass over memory: whether all of them lie in the CPU's, in one piece.
    by_slices: bool,
    settings: AdamSettings,
}

/// What the optimiser knows of a variable.
#[derive(Debug)]
struct Part {
    /// The learning rate before the schedule.
    rate: f64,
    weight_decay: f64,
    moments: Moments,
}

/// The running means of a variable's gradients and of their squares.
#[derive(Debug)]
enum Moments {
    /// Where a step is one pass over memory.
    Slices { mean: Vec<f32>, square: Vec<f32> },
    /// On any other device.
    Tensors { mean: Tensor, square: Tensor },
}

impl Optimizer {
    /// For `variables` with their names, which are those of the checkpoint, of a model whose encoder
    /// has `layers` layers.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if a setting is out of range, a name or a variable comes twice, a variable
    /// is not in f32 or its layer is beyond the last.
    pub fn new(
        variables: Vec<(String, Var)>,
        layers: usize,
        settings: AdamSettings,
    ) -> Result<Optimizer, Error> {
        let by_slices = variables.iter().all(|(_, var)| is_whole_on_cpu(var));
        Optimizer::with_moments(variables, layers, settings, by_slices)
    }

    fn with_moments(
        variables: Vec<(String, Var)>,
        layers: usize,
        settings: AdamSettings,
        by_slices: bool,
    ) -> Result<Optimizer, Error> {
        settings.check()?;
        let (mut names, mut ids) = (HashSet::new(), HashSet::new());
        let mut parts = Vec::with_capacity(variables.len());
        for (name, var) in &variables {
            if !names.insert(name.as_str()) || !ids.insert(var.id()) {
                return Err(Error::Settings(format!(
                    "{name} is to be trained twice; a parameter that two models share must be given \
                     once"
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
            parts.push(Part {
                rate: settings.learning_rate * share,
                weight_decay: if is_decayed(name) {
                    settings.weight_decay
                } else {
                    0.0
                },
                moments: if by_slices {
                    Moments::Slices {
                        mean: vec![0.0; var.elem_count()],
                        square: vec![0.0; var.elem_count()],
                    }
                } else {
                    Moments::Tensors {
                        mean: var.zeros_like()?.detach(),
                        square: var.zeros_like()?.detach(),
                    }
                },
            });
        }
        Ok(Optimizer {
            variables,
            parts,
            by_slices,
            settings,
        })
    }

    /// Moves every variable once; `rate` is the factor of the schedule. Gives the norm over all
    /// gradients as they were before clipping.
    ///
    /// # Errors
    ///
    /// [`Error::NoGradient`] and [`Error::Diverged`], with nothing moved; those of the tensor
    /// operations.
    pub fn step(&mut self, gradients: &GradStore, rate: f64) -> Result<f64, Error> {
        if !(rate >= 0.0 && rate.is_finite()) {
            return Err(Error::Settings(format!(
                "the schedule's rate is {rate}, but it must be at least 0"
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
        let norm = if self.by_slices {
            norm_by_slices(&gradients)
        } else {
            norm_by_tensors(&gradients)
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
        for (((_, var), part), gradient) in
            self.variables.iter().zip(&mut self.parts).zip(&gradients)
        {
            let step = Step {
                scale: scale as f32,
                beta1: settings.beta1 as f32,
                rest1: (1.0 - settings.beta1) as f32,
                beta2: settings.beta2 as f32,
                rest2: (1.0 - settings.beta2) as f32,
                epsilon: settings.epsilon as f32,
                weight_decay: part.weight_decay as f32,
                rate: (part.rate * rate) as f32,
            };
            match &mut part.moments {
                Moments::Slices { mean, square } => {
                    let moments = RefCell::new((mean.as_mut_slice(), square.as_mut_slice()));
                    var.inplace_op2(gradient, &InPlace { step, moments })?;
                }
                Moments::Tensors { mean, square } => step.tensors(var, gradient, mean, square)?,
            }
        }
        Ok(norm)
    }

    /// The variables with their names, in the order in which they were given.
    pub fn variables(&self) -> &[(String, Var)] {
        &self.variables
    }

    /// What must be saved for a training to go on as if it had not been interrupted, besides the
    /// variables: `NAME.m` and `NAME.v` for each. There is no count of steps, since nothing is
    /// corrected by it.
    ///
    /// # Errors
    ///
    /// Those of making tensors.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>, Error> {
        let mut state = Vec::with_capacity(2 * self.parts.len());
        for ((name, var), part) in self.variables.iter().zip(&self.parts) {
            let [m, v] = match &part.moments {
                Moments::Slices { mean, square } => [mean, square]
                    .map(|values| Tensor::from_slice(values, var.shape(), &Device::Cpu)),
                Moments::Tensors { mean, square } => [Ok(mean.clone()), Ok(square.clone())],
            };
            state.push((format!("{name}.m"), m?));
            state.push((format!("{name}.v"), v?));
        }
        Ok(state)
    }

    /// Goes on from what [`Optimizer::state`] gave; other tensors are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if a tensor is missing or misshapen, with nothing taken over.
    pub fn restore(&mut self, state: &HashMap<String, Tensor>) -> Result<(), Error> {
        let mut restored = Vec::with_capacity(self.parts.len());
        for ((name, var), part) in self.variables.iter().zip(&self.parts) {
            let find = |suffix: &str| -> Result<Tensor, Error> {
                let name = format!("{name}.{suffix}");
                let found = state.get(&name).ok_or_else(|| {
                    Error::Settings(format!(
                        "the saved state of the optimiser lacks {name}: it is that of another \
                         training"
                    ))
                })?;
                if found.shape() != var.shape() {
                    return Err(Error::Settings(format!(
                        "{name} in the saved state of the optimiser has the shape {:?}, but {:?} is \
                         wanted: it is that of another training",
                        found.dims(),
                        var.dims()
                    )));
                }
                Ok(found.detach().to_dtype(DType::F32)?)
            };
            let (mean, square) = (find("m")?, find("v")?);
            restored.push(match &part.moments {
                Moments::Slices { .. } => Moments::Slices {
                    mean: mean.flatten_all()?.to_vec1()?,
                    square: square.flatten_all()?.to_vec1()?,
                },
                Moments::Tensors { .. } => Moments::Tensors {
                    mean: mean.to_device(var.device())?,
                    square: square.to_device(var.device())?,
                },
            });
        }
        for (part, moments) in self.parts.iter_mut().zip(restored) {
            part.moments = moments;
        }
        Ok(())
    }
}

/// How many times the rate of a variable is multiplied by the layer decay. As in the reference
/// (`_get_layer_lrs`), embeddings and their projection are the lowest, the encoder's layers follow,
/// and everything else is the head; between it and the last layer one level is left out, so the last
/// layer has the decay's square. A low-rank adapter belongs to the layer that it adapts.
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
                "{name} is to be trained, but the model has {layers} layers, counted from 0"
            )));
        }
        layer + 1
    } else {
        layers + 2
    };
    Ok(i32::try_from(layers + 2 - depth).unwrap_or(i32::MAX))
}

/// Whether weight decay takes from the variable `name`: the reference excludes names in which one of
/// these words stands.
fn is_decayed(name: &str) -> bool {
    !["LayerNorm", "layer_norm", "bias"]
        .iter()
        .any(|word| name.contains(word))
}

/// How many numbers a thread takes at once. Sums are made chunk by chunk, so that they do not depend
/// on who makes them.
const CHUNK: usize = 1 << 14;

fn is_whole_on_cpu(var: &Var) -> bool {
    var.device().is_cpu() && var.is_contiguous()
}

/// In f64: a model has many small numbers to add.
fn norm_by_slices(gradients: &[Tensor]) -> candle_core::Result<f64> {
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
        let sums: Vec<f64> = (whole(storage, layout)?.par_chunks(CHUNK))
            .map(of)
            .collect();
        squares += sums.iter().sum::<f64>();
    }
    Ok(squares.sqrt())
}

/// Asks the device once, and not for each variable.
fn norm_by_tensors(gradients: &[Tensor]) -> candle_core::Result<f64> {
    let sums = gradients.iter().map(|gradient| gradient.sqr()?.sum_all());
    let sums: Vec<Tensor> = sums.collect::<Result<_, _>>()?;
    if sums.is_empty() {
        return Ok(0.0);
    }
    let squares = Tensor::stack(&sums, 0)?.to_dtype(DType::F64)?.sum_all()?;
    Ok(squares.to_scalar::<f64>()?.sqrt())
}

/// The numbers of a tensor that lies in one piece.
fn whole<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    (layout.contiguous_offsets())
        .and_then(|(start, end)| values.get(start..end))
        .ok_or_else(|| candle_core::Error::Msg("a tensor does not lie in one piece".into()))
}

/// The numbers of a step, the same for all of a variable's.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// What clipping leaves of a gradient.
    scale: f32,
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    epsilon: f32,
    weight_decay: f32,
    rate: f32,
}

impl Step {
    fn slices(&self, values: &mut [f32], gradient: &[f32], mean: &mut [f32], square: &mut [f32]) {
        let all = values.iter_mut().zip(gradient).zip(mean).zip(square);
        for (((value, &gradient), mean), square) in all {
            let gradient = gradient * self.scale;
            *mean = self.beta1 * *mean + self.rest1 * gradient;
            *square = self.beta2 * *square + self.rest2 * (gradient * gradient);
            let update = *mean / (square.sqrt() + self.epsilon) + self.weight_decay * *value;
            *value -= self.rate * update;
        }
    }

    fn tensors(
        &self,
        var: &Var,
        gradient: &Tensor,
        mean: &mut Tensor,
        square: &mut Tensor,
    ) -> candle_core::Result<()> {
        let value = var.as_detached_tensor();
        let gradient = (gradient * f64::from(self.scale))?;
        *mean = ((&*mean * f64::from(self.beta1))? + (&gradient * f64::from(self.rest1))?)?;
        *square =
            ((&*square * f64::from(self.beta2))? + (gradient.sqr()? * f64::from(self.rest2))?)?;
        let update = mean.div(&(square.sqrt()? + f64::from(self.epsilon))?)?;
        let update = (update + (&value * f64::from(self.weight_decay))?)?;
        var.set(&(value - (update * f64::from(self.rate))?)?)
    }
}

/// A step of one variable, within its own memory.
struct InPlace<'a> {
    step: Step,
    moments: RefCell<(&'a mut [f32], &'a mut [f32])>,
}

impl InplaceOp2 for InPlace<'_> {
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
        let gradient = whole(gradient, gradient_layout)?;
        let CpuStorage::F32(values) = values else {
            candle_core::bail!("only f32 can be trained");
        };
        let values = (values_layout.contiguous_offsets())
            .and_then(|(start, end)| values.get_mut(start..end))
            .ok_or_else(|| {
                candle_core::Error::Msg("a variable does not lie in one piece".into())
            })?;
        let step = self.step;
        let (mean, square) = &mut *self.moments.borrow_mut();
        if [gradient.len(), mean.len(), square.len()] != [values.len(); 3] {
            candle_core::bail!(
                "a variable has {} numbers, but its gradient has {}",
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
                step.slices(values, gradient, mean, square);
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

    /// Gradients of each variable that are its `slopes`.
    fn sloped(optimizer: &Optimizer, slopes: &[&[f32]]) -> GradStore {
        let parts = optimizer
            .variables()
            .iter()
            .zip(slopes)
            .map(|((_, var), slopes)| {
                let slopes = Tensor::from_slice(slopes, var.shape(), var.device())?;
                (var.as_tensor() * slopes)?.sum_all()
            });
        let parts: Vec<Tensor> = parts.collect::<Result<_, _>>().unwrap();
        Tensor::stack(&parts, 0)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap()
    }

    fn one(name: &str, values: &[f32], settings: AdamSettings) -> Optimizer {
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
    fn moments_are_not_corrected_and_the_step_is_long_at_first() {
        let mut optimizer = one("classifier.weight", &[1.0, 1.0], plain());
        let gradients = sloped(&optimizer, &[&[2.0, -0.5]]);
        let norm = optimizer.step(&gradients, 1.0).unwrap();
        assert!((norm - 4.25f64.sqrt()).abs() < 1e-12, "{norm}");
        // 0.1 g / (sqrt(0.001) |g| + 1e-6) = 3.162, where a corrected step would be 1.
        let found = numbers(&optimizer.variables()[0].1);
        for (found, wanted) in found.iter().zip([1.0 - 0.316_22, 1.0 + 0.316_21]) {
            assert!((found - wanted).abs() < 1e-4, "{found} instead of {wanted}");
        }
    }

    #[test]
    fn weights_decay_beside_the_moments_and_biases_and_norms_do_not() {
        let settings = AdamSettings {
            weight_decay: 0.5,
            ..plain()
        };
        for (name, wanted) in [
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
            let mut optimizer = one(name, &[2.0], settings.clone());
            let gradients = sloped(&optimizer, &[&[0.0]]);
            optimizer.step(&gradients, 1.0).unwrap();
            assert_eq!(
                numbers(&optimizer.variables()[0].1),
                [wanted as f32],
                "{name}"
            );
            assert_eq!(numbers(&optimizer.state().unwrap()[0].1), [0.0], "{name}");
        }
    }

    #[test]
    fn long_gradients_are_shortened_together_and_short_ones_are_left() {
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
            let gradients = sloped(&optimizer, &[&slopes[..1], &slopes[1..]]);
            optimizer.step(&gradients, 1.0).unwrap();
            let state: HashMap<String, Tensor> = optimizer.state().unwrap().into_iter().collect();
            for (name, slope) in [
                ("qa_outputs.weight.m", slopes[0]),
                ("qa_outputs.bias.m", slopes[1]),
            ] {
                let (found, wanted) = (numbers(&state[name])[0], 0.1 * scale * slope);
                assert!(
                    (found - wanted).abs() < 1e-6,
                    "{name}: {found} instead of {wanted}"
                );
            }
        }
    }

    #[test]
    fn layers_nearer_to_the_text_have_lower_rates() {
        let above = |name: &str| layers_above(name, 12).unwrap();
        for (name, wanted) in [
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
            assert_eq!(above(name), wanted, "{name}");
        }
        assert!(layers_above("electra.encoder.layer.12.output.dense.bias", 12).is_err());
    }

    #[test]
    fn a_rate_of_zero_fills_the_moments_and_moves_nothing() {
        let mut optimizer = one("classifier.weight", &[3.0], AdamSettings::default());
        let gradients = sloped(&optimizer, &[&[0.5]]);
        optimizer.step(&gradients, 0.0).unwrap();
        assert_eq!(numbers(&optimizer.variables()[0].1), [3.0]);
        assert!(numbers(&optimizer.state().unwrap()[0].1)[0] > 0.0);
    }

    /// More numbers than a thread takes at once.
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

    fn taught(optimizer: &mut Optimizer, steps: std::ops::Range<u32>) {
        for step in steps {
            let parts = optimizer.variables().iter().map(|(_, var)| {
                let wanted = (var.as_tensor().detach() * f64::from(step).cos())?;
                (var.as_tensor() - wanted)?.sqr()?.sum_all()
            });
            let parts: Vec<Tensor> = parts.collect::<Result<_, _>>().unwrap();
            let loss = Tensor::stack(&parts, 0).unwrap().sum_all().unwrap();
            optimizer.step(&loss.backward().unwrap(), 0.9).unwrap();
        }
    }

    fn moved(optimizer: &Optimizer) -> Vec<Vec<f32>> {
        optimizer
            .variables()
            .iter()
            .map(|(_, var)| numbers(var))
            .collect()
    }

    #[test]
    fn slices_and_tensors_move_alike() {
        let settings = AdamSettings {
            learning_rate: 0.01,
            ..AdamSettings::default()
        };
        let moved = [true, false].map(|by_slices| {
            let mut optimizer =
                Optimizer::with_moments(many(), 2, settings.clone(), by_slices).unwrap();
            taught(&mut optimizer, 0..5);
            moved(&optimizer).concat()
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
    fn a_step_does_not_depend_on_the_number_of_threads() {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut optimizer = Optimizer::new(many(), 2, AdamSettings::default()).unwrap();
                taught(&mut optimizer, 0..5);
                moved(&optimizer)
            })
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn a_training_goes_on_from_its_state_as_if_it_had_not_stopped() {
        for by_slices in [true, false] {
            let settings = AdamSettings::default;
            let start = || Optimizer::with_moments(many(), 2, settings(), by_slices).unwrap();
            let mut whole = start();
            taught(&mut whole, 0..6);

            let mut first = start();
            taught(&mut first, 0..3);
            let state = first.state().unwrap().into_iter().collect();
            let variables = first.variables().iter().map(|(name, var)| {
                let copy = Var::from_tensor(&var.as_tensor().detach().copy().unwrap()).unwrap();
                (name.clone(), copy)
            });
            let mut second =
                Optimizer::with_moments(variables.collect(), 2, settings(), by_slices).unwrap();
            second.restore(&state).unwrap();
            taught(&mut second, 3..6);
            assert_eq!(moved(&second), moved(&whole));
        }
    }

    #[test]
    fn the_state_of_another_training_is_refused() {
        let mut optimizer = one("classifier.weight", &[1.0, 2.0], plain());
        let mut state: HashMap<String, Tensor> = optimizer.state().unwrap().into_iter().collect();
        let refused = |optimizer: &mut Optimizer, state: &HashMap<String, Tensor>| {
            optimizer.restore(state).unwrap_err().to_string()
        };
        state.insert(
            "classifier.weight.v".into(),
            Tensor::new(&[1f32], &Device::Cpu).unwrap(),
        );
        assert!(refused(&mut optimizer, &state).contains("the shape [1]"));
        state.remove("classifier.weight.v");
        assert!(refused(&mut optimizer, &state).contains("lacks classifier.weight.v"));
    }

    #[test]
    fn gradients_that_are_missing_or_not_finite_move_nothing() {
        let mut optimizer = one("classifier.weight", &[1.0], plain());
        let other = one("classifier.bias", &[1.0], plain());
        let gradients = sloped(&other, &[&[1.0]]);
        let error = optimizer.step(&gradients, 1.0).unwrap_err();
        assert!(matches!(error, Error::NoGradient { name } if name == "classifier.weight"));
        for slope in [f32::NAN, f32::INFINITY] {
            let gradients = sloped(&optimizer, &[&[slope]]);
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
