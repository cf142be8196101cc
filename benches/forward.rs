//! Tokens per second of the plain and the fused forward pass, side by side; with `changes FILE`, how
//! far their answers lie apart on a text; with `serve DIR`, one run whenever a line asks for it, which
//! is how `peers/forward.py` times other programs in turn with this one.
//!
//! Prints a Markdown table; see the README beside it for how to run and read it. They are timed
//! in turn, run by run, so that whatever else the machine does falls on both alike, and medians are
//! compared.

#![allow(
    missing_docs,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program to be looked at, on models that it made itself"
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use candle_nn::Module;
use cpu_time::ThreadTime;
use electroscope::catalog::builtin;
use electroscope_model::kernels::{Arithmetic, FusedDiscriminator};
use electroscope_model::names::{Head, parameters};
use electroscope_model::nn::plain::PlainDiscriminator;
use electroscope_model::{Checkpoint, ElectraConfig, Error, Forward, Weights};

const SHAPES: [(usize, usize); 5] = [(1, 32), (1, 128), (1, 512), (8, 128), (32, 128)];

/// For how long each shape is measured, if nothing else is asked for.
const SECONDS: f64 = 4.0;

fn main() {
    let after = |word: &str| {
        std::env::args()
            .skip_while(|argument| argument != word)
            .nth(1)
    };
    if let Some(path) = after("changes") {
        return changes(&path);
    }
    if let Some(folder) = after("serve") {
        return serve(Path::new(&folder));
    }
    if std::env::args().any(|argument| argument == "kernels") {
        return kernels(after("kernels").and_then(|seconds| seconds.parse().ok()));
    }
    // `cargo bench` passes flags of its own; a number is for us.
    let seconds = std::env::args().find_map(|argument| argument.parse().ok());
    let seconds: f64 = seconds.unwrap_or(SECONDS);
    println!(
        "| model | batch × length | plain f32 | fused f32 | fused int8 | f32 / plain | int8 / f32 |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, checkpoint) in [
        ("built-in", builtin::discriminator().unwrap()),
        ("ELECTRA-small, random", electra_small()),
    ] {
        let (plain, plain_load) =
            timed(|| PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap());
        let fused = |arithmetic| FusedDiscriminator::load(&checkpoint, arithmetic).unwrap();
        let (f32, f32_load) = timed(|| fused(Arithmetic::F32));
        let (int8, int8_load) = timed(|| fused(Arithmetic::Int8));
        let models: [&dyn Forward; 3] = [&plain, &f32, &int8];
        for (batch, length) in SHAPES {
            let windows = windows(batch, length);
            let windows: Vec<&[u32]> = windows.iter().map(Vec::as_slice).collect();
            let mut times: [Vec<Duration>; 3] = Default::default();
            let started = Instant::now();
            while started.elapsed().as_secs_f64() < seconds || times[0].len() < 5 {
                for (model, times) in models.iter().zip(&mut times) {
                    times.push(timed(|| model.logits(&windows).unwrap()).1);
                }
            }
            let [plain, f32, int8] = times.map(|mut times| {
                times.sort();
                (batch * length) as f64 / times[times.len() / 2].as_secs_f64()
            });
            println!(
                "| {name} | {batch} × {length} | {plain:.0} | {f32:.0} | {int8:.0} | {:.1} | {:.1} |",
                f32 / plain,
                int8 / f32
            );
        }
        println!("| {name} | load | {plain_load:.0?} | {f32_load:.0?} | {int8_load:.0?} | | |");
    }
}

/// Windows of tokens of no meaning.
fn windows(batch: usize, length: usize) -> Vec<Vec<u32>> {
    let token = |window: usize, at: usize| 1000 + (window * 7919 + at * 104_729) % 20_000;
    let window = |window| (0..length).map(|at| token(window, at) as u32).collect();
    (0..batch).map(window).collect()
}

/// Something to time by itself: what it is called, its multiply-adds, and how to run it once.
type Part<'a> = (String, f64, Box<dyn FnMut() + Send + 'a>);

/// The share of the processor's peak that linear layers and the whole pass of an ELECTRA-small reach on one
/// thread, for each instruction set. The peak is that of f32 multiply-adds in registers with the same
/// instruction set, measured in turn with them. The shortest CPU time of each counts: in contrast to the time
/// on the clock it does not grow while other programs have the core.
fn kernels(seconds: Option<f64>) {
    use electroscope_model::config::Activation;
    use electroscope_model::kernels::measure::{LinearLayer, TokenBlock, run_at_peak};
    use electroscope_model::kernels::simd::InstructionSet;

    const LAYERS: usize = 12;
    /// Tokens of a block.
    const TOKENS: usize = 128;
    const HIDDEN: usize = 256;
    const SHAPES: [(usize, usize, Option<Activation>); 4] = [
        (HIDDEN, 3 * HIDDEN, None),
        (HIDDEN, HIDDEN, None),
        (HIDDEN, 4 * HIDDEN, Some(Activation::Gelu)),
        (4 * HIDDEN, HIDDEN, None),
    ];
    let checkpoint = electra_small();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    println!(
        "| instructions | what | f32: 10⁹ multiply-adds/s | of peak | int8 | of f32's peak | int8 / f32 |"
    );
    println!("|---|---|---|---|---|---|---|");
    for set in InstructionSet::available() {
        let block = Mutex::new(TokenBlock::default());
        let mut parts: Vec<Part<'_>> = Vec::new();
        parts.push((
            "peak".to_owned(),
            run_at_peak(set, 0x4000) as f64,
            Box::new(move || {
                run_at_peak(set, 0x4000);
            }),
        ));
        for arithmetic in [Arithmetic::F32, Arithmetic::Int8] {
            for (inputs, outputs, activation) in SHAPES {
                // All are run once before one of them is run again, as in a pass through all layers, so
                // that the weights come from where they come from there.
                for _ in 0..LAYERS {
                    let layer = LinearLayer::new(inputs, outputs, arithmetic, activation, set);
                    let with = if activation.is_some() { ", GELU" } else { "" };
                    let block = &block;
                    parts.push((
                        format!("{arithmetic:?} {inputs} → {outputs}{with}"),
                        (inputs * outputs * TOKENS) as f64,
                        Box::new(move || {
                            layer.run(TOKENS, &mut block.lock().unwrap());
                        }),
                    ));
                }
            }
        }
        for arithmetic in [Arithmetic::F32, Arithmetic::Int8] {
            for (batch, length) in [(1, 32), (1, 128), (2, 128), (1, 512)] {
                let model = FusedDiscriminator::load_with(&checkpoint, arithmetic, set).unwrap();
                let windows = windows(batch, length);
                let per_token =
                    LAYERS * HIDDEN * (12 * HIDDEN + 2 * length) + HIDDEN * HIDDEN + 128 * HIDDEN;
                parts.push((
                    format!("{arithmetic:?} pass {batch} × {length}"),
                    (batch * length * per_token) as f64,
                    Box::new(move || {
                        let windows: Vec<&[u32]> = windows.iter().map(Vec::as_slice).collect();
                        std::hint::black_box(model.logits(&windows).unwrap());
                    }),
                ));
            }
        }
        let times = pool.install(|| {
            let mut times = vec![f64::INFINITY; parts.len()];
            let begun = ThreadTime::now();
            while begun.elapsed().as_secs_f64() < seconds.unwrap_or(SECONDS) {
                for ((_, _, run), best) in parts.iter_mut().zip(&mut times) {
                    let started = ThreadTime::now();
                    run();
                    *best = started.elapsed().as_secs_f64().min(*best);
                }
            }
            times
        });
        // The sum over parts of one name.
        let speed = |name: &str| {
            let own = parts
                .iter()
                .zip(&times)
                .filter(|((own, ..), _)| own == name);
            let (work, time) = own.fold((0.0, 0.0), |(work, time), ((_, more, _), taken)| {
                (work + more, time + taken)
            });
            work / time / 1e9
        };
        let peak = speed("peak");
        println!("| {set} | peak | {peak:.1} | | | | |");
        let mut names: Vec<String> = Vec::new();
        for (name, ..) in &parts {
            if let Some(name) = name.strip_prefix("F32 ")
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        }
        for name in names {
            let [f32, int8] = ["F32", "Int8"].map(|kind| speed(&format!("{kind} {name}")));
            println!(
                "| {set} | {name} | {f32:.1} | {:.0} % | {int8:.1} | {:.0} % | {:.2} |",
                100.0 * f32 / peak,
                100.0 * int8 / peak,
                int8 / f32
            );
        }
    }
}

/// Answers lines `ENGINE BATCH LENGTH` with the seconds of one run of `stock`, `plain`, `f32` or `int8` over
/// the model in `folder`, and `logits ENGINE BATCH LENGTH` with what it said.
fn serve(folder: &Path) {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let plain = PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap();
    let fused = |arithmetic| FusedDiscriminator::load(&checkpoint, arithmetic).unwrap();
    let (f32, int8) = (fused(Arithmetic::F32), fused(Arithmetic::Int8));
    let stock = Stock::load(&checkpoint);
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let mut words = line.split_whitespace().peekable();
        let says = words.next_if_eq(&"logits").is_some();
        let model: &dyn Forward = match words.next() {
            Some("stock") => &stock,
            Some("plain") => &plain,
            Some("f32") => &f32,
            Some("int8") => &int8,
            other => panic!("{other:?} is no engine"),
        };
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let windows = windows(number(), number());
        let windows: Vec<&[u32]> = windows.iter().map(Vec::as_slice).collect();
        let (logits, time) = timed(|| model.logits(&windows).unwrap());
        if says {
            let logits: Vec<String> = logits.concat().iter().map(f32::to_string).collect();
            println!("{}", logits.join(" "));
        } else {
            println!("{}", time.as_secs_f64());
        }
    }
}

/// The same model by candle's operations as they come, none of them ours: windows of one length, each
/// operation over all of them.
struct Stock<'a> {
    config: &'a ElectraConfig,
    tensors: HashMap<String, Tensor>,
}

impl Stock<'_> {
    fn load(checkpoint: &Checkpoint) -> Stock<'_> {
        let config = &checkpoint.config;
        let tensors = parameters(config, Head::Discriminator)
            .into_iter()
            .map(|parameter| {
                let numbers = (checkpoint.weights).numbers(&parameter.name, &parameter.shape);
                let numbers = numbers.unwrap().into_owned();
                let tensor = Tensor::from_vec(numbers, parameter.shape, &Device::Cpu).unwrap();
                (parameter.name, tensor)
            })
            .collect();
        Stock { config, tensors }
    }

    fn tensor(&self, name: &str) -> Tensor {
        self.tensors[name].clone()
    }

    fn linear(&self, xs: &Tensor, name: &str) -> candle_core::Result<Tensor> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        candle_nn::Linear::new(self.tensor(&weight), Some(self.tensor(&bias))).forward(xs)
    }

    fn norm(&self, xs: &Tensor, name: &str) -> candle_core::Result<Tensor> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let eps = self.config.layer_norm_eps;
        candle_nn::LayerNorm::new(self.tensor(&weight), self.tensor(&bias), eps).forward(xs)
    }

    fn forward(&self, windows: &[&[u32]]) -> candle_core::Result<Tensor> {
        let config = self.config;
        let (batch, length) = (windows.len(), windows[0].len());
        let (heads, hidden) = (config.num_attention_heads, config.hidden_size);
        let size = hidden / heads;
        let ids = Tensor::from_vec(windows.concat(), batch * length, &Device::Cpu)?;
        let at = "electra.embeddings";
        let words = self.tensor(&format!("{at}.word_embeddings.weight"));
        let places = self.tensor(&format!("{at}.position_embeddings.weight"));
        let kinds = self.tensor(&format!("{at}.token_type_embeddings.weight"));
        let states = words
            .index_select(&ids, 0)?
            .reshape((batch, length, config.embedding_size))?
            .broadcast_add(&places.narrow(0, 0, length)?)?
            .broadcast_add(&kinds.narrow(0, 0, 1)?)?;
        let mut states = self.norm(&states, &format!("{at}.LayerNorm"))?;
        if config.embedding_size != hidden {
            states = self.linear(&states, "electra.embeddings_project")?;
        }
        for layer in 0..config.num_hidden_layers {
            let at = format!("electra.encoder.layer.{layer}");
            let part = |name: &str| {
                self.linear(&states, &format!("{at}.attention.self.{name}"))?
                    .reshape((batch, length, heads, size))?
                    .transpose(1, 2)?
                    .contiguous()
            };
            let (query, key, value) = (part("query")?, part("key")?, part("value")?);
            let scores = (query.matmul(&key.t()?)? / (size as f64).sqrt())?;
            let shares = candle_nn::ops::softmax_last_dim(&scores)?;
            let context = shares
                .matmul(&value)?
                .transpose(1, 2)?
                .reshape((batch, length, hidden))?;
            let attended = self.linear(&context, &format!("{at}.attention.output.dense"))?;
            let attended = (attended + &states)?;
            let attended = self.norm(&attended, &format!("{at}.attention.output.LayerNorm"))?;
            let wide = self.linear(&attended, &format!("{at}.intermediate.dense"))?;
            let output = self.linear(&wide.gelu_erf()?, &format!("{at}.output.dense"))?;
            states = self.norm(&(output + attended)?, &format!("{at}.output.LayerNorm"))?;
        }
        let at = "discriminator_predictions";
        let states = self.linear(&states, &format!("{at}.dense"))?.gelu_erf()?;
        let logits = self.linear(&states, &format!("{at}.dense_prediction"))?;
        logits.squeeze(2)
    }
}

impl Forward for Stock<'_> {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        let logits = self.forward(windows).unwrap();
        Ok(logits.to_vec2().unwrap())
    }

    fn device(&self) -> String {
        "cpu".to_owned()
    }

    fn precision(&self) -> String {
        "f32".to_owned()
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let done = std::hint::black_box(work());
    (done, started.elapsed())
}

/// How much the eight-bit model's p differs from the plain one's on a text.
fn changes(path: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    let checkpoint = builtin::discriminator().unwrap();
    let plain = PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap();
    let fused = |arithmetic| FusedDiscriminator::load(&checkpoint, arithmetic).unwrap();
    let ids: Vec<u32> = (text.lines())
        .flat_map(|line| checkpoint.tokenizer.encode(line).unwrap())
        .map(|piece| piece.id)
        .collect();
    let (cls, sep) = (checkpoint.tokenizer.cls_id(), checkpoint.tokenizer.sep_id());
    let windows: Vec<Vec<u32>> = (ids.chunks(254))
        .map(|ids| [&[cls], ids, &[sep]].concat())
        .collect();
    let windows: Vec<&[u32]> = windows.iter().map(Vec::as_slice).collect();
    let p = |model: &dyn Forward| -> Vec<f64> {
        let logits = model.logits(&windows).unwrap();
        let logits = logits.into_iter().flatten();
        logits
            .map(|x| 1.0 / (1.0 + (-f64::from(x)).exp()))
            .collect()
    };
    let threshold = f64::from(checkpoint.config.threshold.unwrap());
    let want = p(&plain);
    println!(
        "| {path}, {} tokens | mean change of p | largest | other side of the threshold |",
        want.len()
    );
    println!("|---|---|---|---|");
    for (name, arithmetic) in [
        ("fused f32", Arithmetic::F32),
        ("fused int8", Arithmetic::Int8),
    ] {
        let got = p(&fused(arithmetic));
        let off = |(x, y): (&f64, &f64)| (x - y).abs();
        let mean = got.iter().zip(&want).map(off).sum::<f64>() / want.len() as f64;
        let most = got.iter().zip(&want).map(off).fold(0.0, f64::max);
        let crossed = got
            .iter()
            .zip(&want)
            .filter(|&(&x, &y)| (x < threshold) != (y < threshold));
        println!("| {name} | {mean:.6} | {most:.6} | {} |", crossed.count());
    }
}

/// The shape of ELECTRA-small, with weights of no meaning.
fn electra_small() -> Checkpoint {
    let config = ElectraConfig::parse(br#"{"model_type": "electra"}"#, Path::new("config.json"));
    let config = config.unwrap();
    let mut state = 1_u32;
    let tensors: HashMap<String, Tensor> = parameters(&config, Head::Discriminator)
        .into_iter()
        .map(|parameter| {
            let count: usize = parameter.shape.iter().product();
            let values: Vec<f32> = (0..count)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32 * 0.1
                })
                .collect();
            let tensor = Tensor::from_vec(values, parameter.shape, &Device::Cpu).unwrap();
            (parameter.name, tensor)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    Checkpoint {
        folder: None,
        config,
        tokenizer: builtin::discriminator().unwrap().tokenizer,
        weights: Weights::open(&path).unwrap(),
    }
}
