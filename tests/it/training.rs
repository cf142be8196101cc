//! Losses, gradients and steps of training against the reference implementation, on models drawn at
//! random by `tests/reference/make_training_fixtures.py`; and that models learn at all.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use electroscope_model::names::{Head, parameters};
use electroscope_model::nn::electra::{Batch, Electra};
use electroscope_model::nn::head_layers::{Discriminator, Generator};
use electroscope_model::nn::head_model::FineTuned;
use electroscope_model::nn::layers::{Drops, Pass};
use electroscope_model::{ElectraConfig, Family, HeadConfig, Problem, Task, train_ops};
use electroscope_training::example::Target;
use electroscope_training::loss::{loss, replaced_token_detection};
use electroscope_training::optimizer::{AdamSettings, Optimizer};
use electroscope_training::schedule::Schedule;
use serde_json::{Value, json};

/// How far a tensor may be from the reference's, as a share of the latter's norm. Norms are compared
/// and not numbers: a gradient has entries that are zero but for rounding.
const TOLERANCE: f64 = 1e-3;

const SHAPES: [&str; 2] = ["projected", "equal"];

/// What the generator's own parameters are called beside the discriminator's.
const GENERATOR: &str = "generator.";

#[derive(serde::Deserialize)]
struct Described {
    config: Value,
    generator: Value,
    windows: Vec<Window>,
    labels: Vec<usize>,
    spans: Vec<(usize, usize)>,
    tags: Vec<Vec<Option<usize>>>,
    /// The windows with some tokens masked.
    masked: Vec<Vec<u32>>,
    /// The windows with other tokens there.
    corrupted: Vec<Vec<u32>>,
    was_masked: Vec<Vec<usize>>,
    losses: HashMap<String, f64>,
    steps: Steps,
}

#[derive(serde::Deserialize)]
struct Window {
    ids: Vec<u32>,
    second: usize,
}

#[derive(serde::Deserialize)]
struct Steps {
    learning_rate: f64,
    weight_decay: f64,
    clip: f64,
    layer_decay: f64,
    warmup: f64,
    of: u32,
    losses: Vec<f64>,
    norms: Vec<f64>,
}

struct Fixture {
    name: &'static str,
    described: Described,
    tensors: HashMap<String, Tensor>,
}

impl Fixture {
    fn read(name: &'static str) -> Fixture {
        let file = |suffix: &str| {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/reference/training")
                .join(format!("{name}.{suffix}"))
        };
        Fixture {
            name,
            described: serde_json::from_slice(&std::fs::read(file("json")).unwrap()).unwrap(),
            tensors: candle_core::safetensors::load(file("safetensors"), &Device::Cpu).unwrap(),
        }
    }

    fn config(&self) -> ElectraConfig {
        encoder(&self.described.config)
    }

    /// The tensors of one case, by the names of the parameters.
    fn of(&self, case: &str) -> BTreeMap<&str, &Tensor> {
        let named = self.tensors.iter().filter_map(|(name, tensor)| {
            let (of, name) = name.split_once('/')?;
            (of == case).then_some((name, tensor))
        });
        named.collect()
    }

    /// Variables with the values that the reference began with.
    fn variables(&self, names: impl IntoIterator<Item = String>) -> BTreeMap<String, Var> {
        let start = self.of("start");
        let var = |name: String| {
            let var = Var::from_tensor(start[name.as_str()]).unwrap();
            (name, var)
        };
        names.into_iter().map(var).collect()
    }

    fn windows(&self) -> Vec<Window> {
        let copy = |window: &Window| Window {
            ids: window.ids.clone(),
            second: window.second,
        };
        self.described.windows.iter().map(copy).collect()
    }

    /// The windows with other tokens in them.
    fn with(&self, ids: &[Vec<u32>]) -> Batch {
        let window = |(ids, window): (&Vec<u32>, &Window)| Window {
            ids: ids.clone(),
            second: window.second,
        };
        let windows: Vec<Window> = ids
            .iter()
            .zip(&self.described.windows)
            .map(window)
            .collect();
        batch(&windows)
    }

    /// The loss of the masked tokens.
    fn mlm(&self, logits: impl FnOnce(&Batch) -> Tensor) -> Tensor {
        let described = &self.described;
        let logits = logits(&self.with(&described.masked));
        let (_, length, _) = logits.dims3().unwrap();
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for (row, (places, window)) in described
            .was_masked
            .iter()
            .zip(&described.windows)
            .enumerate()
        {
            rows.extend(places.iter().map(|&at| (row * length + at) as u32));
            targets.extend(places.iter().map(|&at| window.ids[at]));
        }
        let rows = Tensor::new(rows, &Device::Cpu).unwrap();
        let chosen = logits
            .flatten_to(1)
            .unwrap()
            .index_select(&rows, 0)
            .unwrap();
        train_ops::cross_entropy(&chosen, &targets).unwrap()
    }

    /// The loss of the replaced tokens.
    fn rtd(&self, logits: impl FnOnce(&Batch) -> Tensor) -> Tensor {
        let described = &self.described;
        let logits = logits(&self.with(&described.corrupted));
        let (_, length) = logits.dims2().unwrap();
        let pairs = described.windows.iter().zip(&described.corrupted);
        let (mut labels, mut is_token) = (Vec::new(), Vec::new());
        for (window, corrupted) in pairs {
            let padding = length - corrupted.len();
            let replaced = window
                .ids
                .iter()
                .zip(corrupted)
                .map(|(a, b)| u32::from(a != b));
            labels.extend(replaced.chain(std::iter::repeat_n(0, padding)));
            let tokens = std::iter::repeat_n(1u32, corrupted.len());
            is_token.extend(tokens.chain(std::iter::repeat_n(0, padding)));
        }
        let tensor = |values| Tensor::from_vec(values, logits.shape(), &Device::Cpu).unwrap();
        replaced_token_detection(&logits, &tensor(labels), &tensor(is_token)).unwrap()
    }

    #[track_caller]
    fn compare(&self, case: &str, variables: &BTreeMap<String, Var>, loss: &Tensor) {
        let name = self.name;
        let found = f64::from(loss.to_scalar::<f32>().unwrap());
        let wanted = self.described.losses[case];
        assert!(
            (found - wanted).abs() <= 1e-5 * wanted,
            "{name} {case}: the loss is {found} instead of {wanted}"
        );
        let gradients = loss.backward().unwrap();
        let wanted = self.of(case);
        assert_eq!(
            variables.keys().collect::<Vec<_>>(),
            wanted.keys().collect::<Vec<_>>(),
            "{name} {case}"
        );
        let all = wanted
            .values()
            .map(|wanted| norm(wanted).powi(2))
            .sum::<f64>();
        for (parameter, var) in variables {
            let found = gradients
                .get(var.as_tensor())
                .unwrap_or_else(|| panic!("{name} {case}: no gradient reaches {parameter}"));
            let wanted = wanted[parameter.as_str()];
            assert_eq!(found.dims(), wanted.dims(), "{name} {case} {parameter}");
            let apart = norm(&(found - wanted).unwrap());
            // Those of a key's bias and of an answer's are nothing but rounding, since they shift all
            // scores alike; what is rounded are sums of single precision, good for seven places.
            let allowed = TOLERANCE * norm(wanted) + 1e-6 * all.sqrt();
            assert!(
                apart <= allowed,
                "{name} {case}: the gradient of {parameter} is {apart} away from one of norm {}",
                norm(wanted)
            );
        }
    }
}

fn norm(tensor: &Tensor) -> f64 {
    let tensor = tensor.detach().to_dtype(DType::F64).unwrap();
    let squares = tensor.sqr().unwrap().sum_all().unwrap();
    squares.to_scalar::<f64>().unwrap().sqrt()
}

fn encoder(raw: &Value) -> ElectraConfig {
    ElectraConfig::parse(raw.to_string().as_bytes(), Path::new("config.json")).unwrap()
}

fn head(encoder: ElectraConfig, task: Task, labels: usize, dropout: f32) -> HeadConfig {
    HeadConfig {
        family: Family::Electra,
        task,
        labels: (0..labels).map(|label| label.to_string()).collect(),
        problem: Problem::SingleLabel,
        max_positions: encoder.max_position_embeddings,
        vocab_size: encoder.vocab_size,
        can_refuse: false,
        no_answer_threshold: None,
        dropout,
        encoder,
        raw: Value::Null,
    }
}

fn batch(windows: &[Window]) -> Batch {
    let pairs: Vec<(&[u32], usize)> = (windows.iter())
        .map(|window| (window.ids.as_slice(), window.second))
        .collect();
    Batch::pairs(&pairs, 0, &Device::Cpu).unwrap()
}

fn builder(tensors: HashMap<String, Tensor>) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

fn tensors(variables: &BTreeMap<String, Var>) -> HashMap<String, Tensor> {
    let tensor = |(name, var): (&String, &Var)| (name.clone(), var.as_tensor().clone());
    variables.iter().map(tensor).collect()
}

fn names(config: &ElectraConfig, head: Head) -> Vec<String> {
    let named = parameters(config, head).into_iter();
    named.map(|parameter| parameter.name).collect()
}

const TASKS: [(&str, Task, usize); 3] = [
    ("classification", Task::Classification, 3),
    ("qa", Task::QuestionAnswering, 0),
    ("tagging", Task::Tagging, 3),
];

fn targets(described: &Described, task: Task) -> Vec<Target> {
    match task {
        Task::Classification => described
            .labels
            .iter()
            .copied()
            .map(Target::Label)
            .collect(),
        Task::QuestionAnswering => (described.spans.iter())
            .map(|&(start, end)| Target::Span { start, end })
            .collect(),
        Task::Tagging => described.tags.iter().cloned().map(Target::Tags).collect(),
    }
}

fn loss_of(model: &FineTuned, batch: &Batch, targets: &[Target], pass: Pass<'_>) -> Tensor {
    let logits = model.forward(batch, pass).unwrap();
    let targets: Vec<&Target> = targets.iter().collect();
    loss(&logits, &targets, Problem::SingleLabel).unwrap()
}

#[test]
fn heads_have_the_losses_and_gradients_of_the_reference() {
    for shape in SHAPES {
        let fixture = Fixture::read(shape);
        for (case, task, labels) in TASKS {
            let config = head(fixture.config(), task, labels, 0.0);
            let names = config
                .parameters()
                .into_iter()
                .map(|parameter| parameter.name);
            let variables = fixture.variables(names);
            let model = FineTuned::load(&config, builder(tensors(&variables))).unwrap();
            let targets = targets(&fixture.described, task);
            let drops = Drops::new(1, 1);
            let batch = batch(&fixture.windows());
            let loss = loss_of(&model, &batch, &targets, Pass::Train(&drops));
            fixture.compare(case, &variables, &loss);
        }
    }
}

#[test]
fn generator_and_discriminator_have_the_losses_and_gradients_of_the_reference() {
    for shape in SHAPES {
        let fixture = Fixture::read(shape);
        let config = fixture.config();
        let pass = Pass::Answer;

        let variables = fixture.variables(names(&config, Head::Generator));
        let vb = builder(tensors(&variables));
        let electra = Electra::load(&config, vb.pp("electra")).unwrap();
        let generator = Generator::load(&config, vb).unwrap();
        let loss = fixture.mlm(|batch| {
            let states = electra.forward(batch, pass).unwrap();
            generator
                .forward(&states, electra.word_embeddings())
                .unwrap()
        });
        fixture.compare("generator", &variables, &loss);

        let variables = fixture.variables(names(&config, Head::Discriminator));
        let vb = builder(tensors(&variables));
        let electra = Electra::load(&config, vb.pp("electra")).unwrap();
        let discriminator =
            Discriminator::load(&config, vb.pp("discriminator_predictions")).unwrap();
        let loss = fixture.rtd(|batch| {
            let states = electra.forward(batch, pass).unwrap();
            discriminator.forward(&states).unwrap()
        });
        fixture.compare("discriminator", &variables, &loss);
    }
}

#[test]
fn what_generator_and_discriminator_share_gets_the_gradients_of_both() {
    for shape in SHAPES {
        let fixture = Fixture::read(shape);
        let config = fixture.config();
        let mut raw = fixture.described.config.clone();
        let smaller = fixture.described.generator.as_object().unwrap().clone();
        raw.as_object_mut().unwrap().extend(smaller);
        let small = encoder(&raw);

        let is_shared = |name: &String| name.starts_with("electra.embeddings.");
        let (shared, own): (Vec<String>, Vec<String>) = names(&small, Head::Generator)
            .into_iter()
            .partition(is_shared);
        let own = own.into_iter().map(|name| format!("{GENERATOR}{name}"));
        let variables = fixture.variables(own.chain(names(&config, Head::Discriminator)));
        let mut tensors = tensors(&variables);
        for name in shared {
            tensors.insert(format!("{GENERATOR}{name}"), tensors[&name].clone());
        }

        let vb = builder(tensors);
        let electra = Electra::load(&config, vb.pp("electra")).unwrap();
        let discriminator =
            Discriminator::load(&config, vb.pp("discriminator_predictions")).unwrap();
        let of_generator = vb.pp(GENERATOR.trim_end_matches('.'));
        let reader = Electra::load(&small, of_generator.pp("electra")).unwrap();
        let generator = Generator::load(&small, of_generator).unwrap();
        let guessed = fixture.mlm(|batch| {
            let states = reader.forward(batch, Pass::Answer).unwrap();
            generator
                .forward(&states, reader.word_embeddings())
                .unwrap()
        });
        let found = fixture.rtd(|batch| {
            let states = electra.forward(batch, Pass::Answer).unwrap();
            discriminator.forward(&states).unwrap()
        });
        let loss = (guessed + (found * 50.0).unwrap()).unwrap();
        fixture.compare("joint", &variables, &loss);
    }
}

#[test]
fn ten_steps_lead_where_those_of_the_reference_lead() {
    for shape in SHAPES {
        let fixture = Fixture::read(shape);
        let steps = &fixture.described.steps;
        let config = head(fixture.config(), Task::Classification, 3, 0.0);
        let names = config
            .parameters()
            .into_iter()
            .map(|parameter| parameter.name);
        let variables = fixture.variables(names);
        let model = FineTuned::load(&config, builder(tensors(&variables))).unwrap();
        let settings = AdamSettings {
            learning_rate: steps.learning_rate,
            weight_decay: steps.weight_decay,
            clip: steps.clip,
            layer_decay: Some(steps.layer_decay),
            ..AdamSettings::default()
        };
        let given = variables
            .iter()
            .map(|(name, var)| (name.clone(), var.clone()));
        let layers = config.encoder.num_hidden_layers;
        let mut optimizer = Optimizer::new(given.collect(), layers, settings).unwrap();
        let schedule = Schedule {
            warmup: steps.warmup,
        };
        // Some steps are clipped, and some are not.
        assert!(steps.norms.iter().any(|&norm| norm > steps.clip));
        assert!(steps.norms.iter().any(|&norm| norm < steps.clip));

        let batch = batch(&fixture.windows());
        let targets = targets(&fixture.described, Task::Classification);
        for (step, (wanted_loss, wanted_norm)) in (0..).zip(steps.losses.iter().zip(&steps.norms)) {
            let loss = loss_of(&model, &batch, &targets, Pass::Train(&Drops::new(1, step)));
            let rate = schedule.factor(step as f64 / f64::from(steps.of));
            let norm = optimizer.step(&loss.backward().unwrap(), rate).unwrap();
            let loss = f64::from(loss.to_scalar::<f32>().unwrap());
            for (what, found, wanted) in [("loss", loss, wanted_loss), ("norm", norm, wanted_norm)]
            {
                assert!(
                    (found - wanted).abs() <= 1e-4 * wanted,
                    "{shape}, step {step}: the {what} is {found} instead of {wanted}"
                );
            }
        }
        let (start, end) = (fixture.of("start"), fixture.of("steps"));
        assert_eq!(end.len(), variables.len());
        for (name, var) in &variables {
            let (start, end) = (start[name.as_str()], end[name.as_str()]);
            let moved = norm(&(end - start).unwrap());
            let apart = norm(&(var.as_tensor() - end).unwrap());
            assert!(
                apart <= 1e-4 * norm(end),
                "{shape}: {name} is {apart} away from one of norm {}",
                norm(end)
            );
            // And as a share of the way; that of a key's bias is nothing but rounding.
            assert!(
                apart <= 1e-3 * moved || name.ends_with("key.bias"),
                "{shape}: {name} went {moved} and is {apart} away"
            );
        }
    }
}

/// A model that is small, but can learn: drawn narrow around nothing.
fn fresh(config: &HeadConfig) -> BTreeMap<String, Var> {
    let mut state = 1u64;
    let mut drawn = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.5
    };
    let parameters = config.parameters().into_iter();
    let var = parameters.map(|parameter| {
        let count = parameter.shape.iter().product();
        let values: Vec<f32> = if parameter.name.ends_with("LayerNorm.weight") {
            vec![1.0; count]
        } else {
            (0..count).map(|_| drawn()).collect()
        };
        let var = Var::from_vec(values, parameter.shape, &Device::Cpu).unwrap();
        (parameter.name, var)
    });
    var.collect()
}

fn learner(task: Task, labels: usize, dropout: f32) -> HeadConfig {
    let raw = json!({
        "model_type": "electra", "vocab_size": 23, "embedding_size": 12, "hidden_size": 16,
        "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
        "max_position_embeddings": 12, "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    });
    head(encoder(&raw), task, labels, dropout)
}

/// Twelve windows of different lengths, and of each what can be told of its tokens.
fn lessons(task: Task) -> (Vec<Window>, Vec<Target>) {
    let window = |number: usize| {
        let length = 4 + number % 5;
        let body = (0..length).map(|at| 5 + ((number * 7 + at * at * 5 + number * at) % 18) as u32);
        let ids: Vec<u32> = [2].into_iter().chain(body).chain([3]).collect();
        Window {
            second: ids.len(),
            ids,
        }
    };
    let windows: Vec<Window> = (0..12).map(window).collect();
    let target = |(number, window): (usize, &Window)| {
        let last = window.ids.len() - 1;
        match task {
            Task::Classification => Target::Label(number % 3),
            Task::QuestionAnswering if number % 4 == 0 => Target::Span { start: 0, end: 0 },
            Task::QuestionAnswering => Target::Span {
                start: 1 + number % 3,
                end: (2 + number % 4).max(1 + number % 3),
            },
            Task::Tagging => Target::Tags(
                (window.ids.iter().enumerate())
                    .map(|(at, &id)| (at > 0 && at < last).then_some(id as usize % 3))
                    .collect(),
            ),
        }
    };
    let targets = windows.iter().enumerate().map(target).collect();
    (windows, targets)
}

/// How many answers there are, and how many of them are right.
fn right(logits: &Tensor, targets: &[Target]) -> (usize, usize) {
    let best = |logits: &Tensor| -> Vec<u32> {
        let best = logits.argmax(D::Minus1).unwrap();
        best.flatten_all().unwrap().to_vec1().unwrap()
    };
    let mut said = Vec::new();
    for (row, target) in targets.iter().enumerate() {
        let row = logits.get(row).unwrap();
        match target {
            Target::Label(label) => said.push((best(&row)[0] as usize, *label)),
            Target::Span { start, end } => {
                let places = best(&row.t().unwrap().contiguous().unwrap());
                said.extend([(places[0] as usize, *start), (places[1] as usize, *end)]);
            }
            Target::Tags(tags) => {
                let best = best(&row).into_iter().zip(tags);
                said.extend(best.filter_map(|(best, tag)| Some((best as usize, (*tag)?))));
            }
            Target::Labels(_) | Target::Value(_) => unreachable!("no task here has such targets"),
        }
    }
    let hits = said
        .iter()
        .filter(|(found, wanted)| found == wanted)
        .count();
    (said.len(), hits)
}

fn quick(variables: &BTreeMap<String, Var>, names: impl Fn(&str) -> bool) -> Optimizer {
    let settings = AdamSettings {
        learning_rate: 0.002,
        ..AdamSettings::default()
    };
    let trained = variables.iter().filter(|(name, _)| names(name));
    let trained = trained
        .map(|(name, var)| (name.clone(), var.clone()))
        .collect();
    Optimizer::new(trained, 2, settings).unwrap()
}

fn step_of(
    model: &FineTuned,
    batch: &Batch,
    targets: &[Target],
    seed: u64,
    step: u64,
) -> GradStore {
    let drops = Drops::new(seed, step);
    loss_of(model, batch, targets, Pass::Train(&drops))
        .backward()
        .unwrap()
}

#[test]
fn a_small_set_is_learnt_by_heart() {
    for (name, task, labels) in TASKS {
        let config = learner(task, labels, 0.0);
        let variables = fresh(&config);
        let model = FineTuned::load(&config, builder(tensors(&variables))).unwrap();
        let (windows, targets) = lessons(task);
        let batch = batch(&windows);
        let answer = || right(&model.forward(&batch, Pass::Answer).unwrap(), &targets);
        let (asked, hits) = answer();
        assert!(hits < asked * 3 / 4, "{name} is known before it is learnt");
        let mut optimizer = quick(&variables, |_| true);
        let schedule = Schedule { warmup: 0.1 };
        let steps = 200;
        for step in 0..steps {
            let gradients = step_of(&model, &batch, &targets, 1, step);
            let rate = schedule.factor(step as f64 / steps as f64);
            optimizer.step(&gradients, rate).unwrap();
        }
        assert_eq!(answer(), (asked, asked), "{name}");
    }
}

fn bits(variables: &BTreeMap<String, Var>) -> BTreeMap<String, Vec<u32>> {
    let numbers = |var: &Var| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let bits = |(name, var): (&String, &Var)| {
        (
            name.clone(),
            numbers(var).into_iter().map(f32::to_bits).collect(),
        )
    };
    variables.iter().map(bits).collect()
}

#[test]
fn every_parameter_moves() {
    for (name, task, labels) in TASKS {
        let config = learner(task, labels, 0.1);
        let variables = fresh(&config);
        let before = bits(&variables);
        let model = FineTuned::load(&config, builder(tensors(&variables))).unwrap();
        let (windows, targets) = lessons(task);
        let gradients = step_of(&model, &batch(&windows), &targets, 1, 1);
        quick(&variables, |_| true).step(&gradients, 1.0).unwrap();
        let after = bits(&variables);
        for (parameter, before) in before {
            assert_ne!(
                after[&parameter], before,
                "{name}: {parameter} did not move"
            );
        }
    }
}

#[test]
fn with_adapters_they_and_the_head_move_and_nothing_else() {
    let is_adapted = |name: &str| {
        name.ends_with("attention.self.query.weight")
            || name.ends_with("attention.self.value.weight")
    };
    for (name, task, labels) in TASKS {
        let config = learner(task, labels, 0.0);
        let mut variables = fresh(&config);
        let rank = 2;
        for parameter in config.parameters() {
            if !is_adapted(&parameter.name) {
                continue;
            }
            let at = parameter.name.trim_end_matches("weight");
            let (out, inner) = (parameter.shape[0], parameter.shape[1]);
            let a = Var::randn_f64(0.0, 0.1, (rank, inner), DType::F32, &Device::Cpu).unwrap();
            let b = Var::zeros((out, rank), DType::F32, &Device::Cpu).unwrap();
            variables.insert(format!("{at}lora_A.weight"), a);
            variables.insert(format!("{at}lora_B.weight"), b);
        }
        let is_trained = |name: &str| name.contains("lora_") || !name.starts_with("electra.");
        // What is not trained is no variable, so that no gradient is made for it.
        let given = variables.iter().map(|(name, var)| {
            let tensor = if is_trained(name) {
                var.as_tensor().clone()
            } else {
                var.as_detached_tensor()
            };
            (name.clone(), tensor)
        });
        let model = FineTuned::load(&config, builder(given.collect())).unwrap();
        let (windows, targets) = lessons(task);
        let batch = batch(&windows);
        let before = bits(&variables);
        let mut optimizer = quick(&variables, is_trained);
        // B is zero at first, and so is the gradient of A: it moves with the second step.
        for step in 0..2 {
            let gradients = step_of(&model, &batch, &targets, 1, step);
            for (parameter, var) in &variables {
                assert_eq!(
                    gradients.get(var.as_tensor()).is_some(),
                    is_trained(parameter),
                    "{name}: {parameter}"
                );
            }
            optimizer.step(&gradients, 1.0).unwrap();
        }
        let after = bits(&variables);
        for (parameter, before) in before {
            assert_eq!(
                after[&parameter] != before,
                is_trained(&parameter),
                "{name}: {parameter}"
            );
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let trained = |seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .unwrap();
        pool.install(|| {
            let config = learner(Task::Tagging, 3, 0.1);
            let variables = fresh(&config);
            let model = FineTuned::load(&config, builder(tensors(&variables))).unwrap();
            let (windows, targets) = lessons(Task::Tagging);
            let batch = batch(&windows);
            let mut optimizer = quick(&variables, |_| true);
            let schedule = Schedule { warmup: 0.1 };
            for step in 0..20 {
                let gradients = step_of(&model, &batch, &targets, seed, step);
                let rate = schedule.factor(step as f64 / 20.0);
                optimizer.step(&gradients, rate).unwrap();
            }
            bits(&variables)
        })
    };
    let first = trained(1);
    assert_eq!(trained(1), first);
    assert_ne!(trained(2), first);
}
