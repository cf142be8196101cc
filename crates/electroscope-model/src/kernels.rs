//! The discriminator on the CPU, fused: packed weights, no padding, one parallel pass for each layer.
//!
//! The tokens of all windows stand one after the other, whatever the lengths of the windows, divided into
//! panels of as many tokens as fit into one or two vectors. Between two attentions every operation concerns
//! one token alone. So a block of panels goes through attention, its output, the feed-forward layer and
//! the queries, keys and values of the next layer without leaving the cache of a core.
//!
//! Every sum has a fixed order, whatever is computed beside it. The logits of a window are therefore the
//! same bits in any batch and on any number of threads. Tests compare them with those of [`crate::nn::plain`],
//! the reference, which also computes on other devices.
//!
//! The modules, from the ground up: [`simd`] (instruction sets), `tile` (products in f32) and `dot`
//! (products of integers), `quantise`, `stored` (weights as a checkpoint has them), the linear layers
//! `float` and `int8` and the `linear` that is either, `keys` (queries times keys in int8), `attention`,
//! `activation`, `norm`; `choice` is `--precision auto`, and [`measure`] is for benches.

mod activation;
mod attention;
mod choice;
mod dot;
mod float;
mod int8;
mod keys;
mod linear;
pub mod measure;
mod norm;
mod quantise;
pub mod simd;
mod stored;
mod tile;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use crate::checkpoint::weights::{Quantised, Weights};
use crate::config::Activation;
use crate::{Checkpoint, ElectraConfig, Error, Forward};
use attention::{Scoring, WindowHead};
pub use choice::Choice;
use dot::Dot;
use int8::Int8Scratch;
use keys::Int8Keys;
use linear::Linear;
use norm::{LayerNorm, dots};
use simd::InstructionSet;

/// The most tokens in a block. Their output of the widest layer still fits into a core's cache, and the
/// weights are read once for all of them.
const BLOCK: usize = 128;

/// Tokens for each thread that go through the layers together. Longer batches go through them part by
/// part, so that the states between layers stay in the cache too.
const TOKENS_PER_THREAD: usize = 256;

/// The arithmetic of linear layers and, in `Int8`, of queries times keys. All else is in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Single precision.
    F32,
    /// Eight-bit weights with a scale for each output, eight-bit activations with a scale and a zero point
    /// for each token, exact sums of their products.
    Int8,
}

/// An ELECTRA discriminator on the CPU.
pub struct FusedDiscriminator {
    words: WordEmbeddings,
    /// Position plus segment embeddings, E numbers for each position.
    positions: Vec<f32>,
    norm: LayerNorm,
    /// From E to H, where they differ.
    project: Option<Linear>,
    layers: Vec<Layer>,
    /// The dense layer of the discriminator's head.
    dense: Linear,
    /// The row that gives a token's logit.
    prediction: Vec<f32>,
    prediction_bias: f32,
    activation: Activation,
    attention_heads: usize,
    embedding_size: usize,
    hidden: usize,
    vocabulary: usize,
    max_positions: usize,
    arithmetic: Arithmetic,
    set: InstructionSet,
    /// Buffers that are not in use.
    pool: Mutex<Vec<Buffers>>,
}

/// The word embeddings.
enum WordEmbeddings {
    /// In eight bits, as the binary has them embedded. A row is converted when a token needs it.
    Embedded(Quantised<'static>),
    Loaded(Vec<f32>),
}

struct Layer {
    /// Query, key and value.
    qkv: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    output: Linear,
    output_norm: LayerNorm,
}

/// What one parallel pass hands to the next, panel by panel.
#[derive(Default)]
struct Buffers {
    /// H numbers for each token.
    states: Vec<f32>,
    /// Query, key and value: 3H numbers for each token, of this layer and of the next.
    qkv: [Vec<f32>; 2],
    logits: Vec<f32>,
}

/// The scratch buffers of one thread.
#[derive(Default)]
struct Scratch {
    int8: Int8Scratch,
    row: Vec<f32>,
    narrow: Vec<f32>,
    wide: Vec<f32>,
    keys: Int8Keys,
    scores: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs `work` with the scratch buffers of this thread. They are taken out meanwhile: where `work` waits
/// for other threads, this one may start another block, which then gets buffers of its own.
fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    let mut scratch = SCRATCH.take();
    let done = work(&mut scratch);
    SCRATCH.set(scratch);
    done
}

impl FusedDiscriminator {
    /// Loads the discriminator of `checkpoint`, to compute in `arithmetic` by the instruction set that
    /// [`InstructionSet::choose`] returns.
    ///
    /// # Errors
    ///
    /// Those of [`FusedDiscriminator::load_with`] and of [`InstructionSet::choose`].
    pub fn load(
        checkpoint: &Checkpoint,
        arithmetic: Arithmetic,
    ) -> Result<FusedDiscriminator, Error> {
        FusedDiscriminator::load_with(checkpoint, arithmetic, InstructionSet::choose()?)
    }

    /// As [`FusedDiscriminator::load`], by a given instruction set.
    ///
    /// # Errors
    ///
    /// A tensor that is missing, has another shape than `config.json` says, or is of a type that weights
    /// do not have.
    pub fn load_with(
        checkpoint: &Checkpoint,
        arithmetic: Arithmetic,
        set: InstructionSet,
    ) -> Result<FusedDiscriminator, Error> {
        let (config, weights) = (&checkpoint.config, &checkpoint.weights);
        let (size, hidden) = (config.embedding_size, config.hidden_size);
        let at = "electra.embeddings";
        let (layers, (words, positions)) = rayon::join(
            || {
                (0..config.num_hidden_layers)
                    .into_par_iter()
                    .map(|layer| Layer::load(config, weights, layer, arithmetic, set))
                    .collect::<Result<Vec<Layer>, Error>>()
            },
            || {
                (
                    WordEmbeddings::load(config, weights),
                    position_embeddings(config, weights),
                )
            },
        );
        let head = "discriminator_predictions";
        let prediction = format!("{head}.dense_prediction");
        Ok(FusedDiscriminator {
            words: words?,
            positions: positions?,
            norm: LayerNorm::load(
                weights,
                &format!("{at}.LayerNorm"),
                size,
                config.layer_norm_eps,
                set,
            )?,
            project: if size == hidden {
                None
            } else {
                let name = "electra.embeddings_project".to_owned();
                Some(Linear::load(
                    weights,
                    &[name],
                    size,
                    hidden,
                    arithmetic,
                    set,
                )?)
            },
            layers: layers?,
            dense: Linear::load(
                weights,
                &[format!("{head}.dense")],
                hidden,
                hidden,
                arithmetic,
                set,
            )?,
            prediction: weights
                .numbers(&format!("{prediction}.weight"), &[1, hidden])?
                .into_owned(),
            prediction_bias: weights
                .numbers(&format!("{prediction}.bias"), &[1])?
                .first()
                .copied()
                .unwrap_or_default(),
            activation: config.hidden_act,
            attention_heads: config.num_attention_heads,
            embedding_size: size,
            hidden,
            vocabulary: config.vocab_size,
            max_positions: config.max_position_embeddings,
            arithmetic,
            set,
            pool: Mutex::default(),
        })
    }

    /// The arithmetic that `auto` stands for: eight bits where the weights of `checkpoint` are stored in
    /// eight bits and int8 is faster than f32 with the instruction set in use, else f32. A table of
    /// measurements decides; nothing is timed.
    ///
    /// # Errors
    ///
    /// Those of [`InstructionSet::choose`].
    pub fn choose(checkpoint: &Checkpoint) -> Result<Choice, Error> {
        choice::choose(&checkpoint.weights)
    }

    /// Refuses a token that is not in the vocabulary and a window that is too long.
    fn check(&self, window: &[u32]) -> Result<(), Error> {
        let refuse = |why: String| Error::Tensor(candle_core::Error::Msg(why));
        if window.len() > self.max_positions {
            return Err(refuse(format!(
                "a window of {} tokens, but the model reads at most {}",
                window.len(),
                self.max_positions
            )));
        }
        match window.iter().find(|&&id| id as usize >= self.vocabulary) {
            Some(id) => Err(refuse(format!(
                "token {id}, but the vocabulary has {} tokens",
                self.vocabulary
            ))),
            None => Ok(()),
        }
    }

    /// Takes windows through all layers together and appends their logits to `to`, window by window.
    fn run_layers(&self, windows: &[&[u32]], buffers: &mut Buffers, to: &mut Vec<Vec<f32>>) {
        let tokens: usize = windows.iter().map(|window| window.len()).sum();
        if tokens == 0 {
            to.extend(windows.iter().map(|_| Vec::new()));
            return;
        }
        let (columns, each) = self.panels(tokens);
        let panels = tokens.div_ceil(columns);
        let Buffers {
            states,
            qkv: [qkv, next],
            logits,
        } = buffers;
        let hidden = self.hidden * columns;
        states.resize(panels * hidden, 0.0);
        qkv.resize(panels * 3 * hidden, 0.0);
        next.resize(panels * 3 * hidden, 0.0);
        logits.resize(panels * columns, 0.0);

        // The id and the position of every token.
        let mut ids = Vec::with_capacity(tokens);
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(windows.len());
        for window in windows {
            let first = ids.len();
            ids.extend(window.iter().map(|&id| id as usize).zip(0..));
            if !window.is_empty() {
                ranges.push(first..ids.len());
            }
        }

        states
            .par_chunks_mut(each * hidden)
            .zip(qkv.par_chunks_mut(each * 3 * hidden))
            .zip(ids.par_chunks(each * columns))
            .for_each(|((states, qkv), ids)| self.embed(ids, columns, states, qkv));
        for (at, layer) in self.layers.iter().enumerate() {
            states
                .par_chunks_mut(each * hidden)
                .zip(next.par_chunks_mut(each * 3 * hidden))
                .zip(logits.par_chunks_mut(each * columns))
                .enumerate()
                .for_each(|(block, ((states, next), logits))| {
                    let block = Block {
                        qkv: &*qkv,
                        windows: &ranges,
                        columns,
                        first: block * each,
                    };
                    let next = match self.layers.get(at + 1) {
                        Some(layer) => NextStep::Layer(layer, next),
                        None => NextStep::Head(logits),
                    };
                    self.run_layer(layer, block, states, next);
                });
            std::mem::swap(qkv, next);
        }
        let mut logits = logits.as_slice();
        for window in windows {
            let (own, rest) = logits.split_at(window.len());
            to.push(own.to_vec());
            logits = rest;
        }
    }

    /// Tokens in a panel, and panels in a block, chosen so that no thread waits long for others.
    fn panels(&self, tokens: usize) -> (usize, usize) {
        let threads = rayon::current_num_threads();
        let lanes = self.set.lanes();
        // Panels of one vector need more loads for each product, and take 15 % longer.
        let time = |vectors: usize, percent: usize| {
            let panels = tokens.div_ceil(vectors * lanes).div_ceil(threads);
            panels * vectors * percent
        };
        let vectors = if time(1, 115) < time(2, 100) { 1 } else { 2 };
        let panels = tokens.div_ceil(vectors * lanes);
        let most = (BLOCK / (vectors * lanes)).max(1);
        let blocks = panels.div_ceil(most).next_multiple_of(threads);
        (vectors * lanes, panels.div_ceil(blocks).max(1))
    }

    /// Embeds tokens, given by id and position, and computes queries, keys and values of the first layer.
    fn embed(&self, ids: &[(usize, usize)], columns: usize, states: &mut [f32], qkv: &mut [f32]) {
        let size = self.embedding_size;
        let count = states.len() / self.hidden;
        with_scratch(|scratch| {
            let Scratch {
                int8,
                row,
                narrow,
                wide,
                ..
            } = scratch;
            row.resize(size, 0.0);
            narrow.clear();
            narrow.resize(count * size, 0.0);
            wide.clear();
            wide.resize(count * size, 0.0);
            for (at, &(id, position)) in ids.iter().enumerate() {
                let first = at / columns * columns * size + at % columns;
                self.words.read(id, row);
                let from = self.positions.get(position * size..(position + 1) * size);
                for (to, from) in [
                    (&mut *narrow, &**row),
                    (&mut *wide, from.unwrap_or_default()),
                ] {
                    let to = to.iter_mut().skip(first).step_by(columns);
                    for (to, &number) in to.zip(from) {
                        *to = number;
                    }
                }
            }
            self.norm.add(narrow, wide, columns);
            match &self.project {
                Some(project) => project.forward(int8, narrow, columns, None, states),
                None => states.copy_from_slice(narrow),
            }
            if let Some(layer) = self.layers.first() {
                layer.qkv.forward(int8, states, columns, None, qkv);
            }
        });
    }

    /// Takes a block of panels through a layer and on to the next step.
    fn run_layer(&self, layer: &Layer, block: Block<'_>, states: &mut [f32], next: NextStep<'_>) {
        let (hidden, columns) = (self.hidden, block.columns);
        let count = states.len() / hidden;
        with_scratch(|scratch| {
            let Scratch {
                int8,
                narrow,
                wide,
                keys,
                scores,
                ..
            } = scratch;
            narrow.resize(count * hidden, 0.0);
            wide.resize(count * hidden, 0.0);
            self.attend(block, keys, scores, wide);
            layer
                .attention_output
                .forward(int8, wide, columns, None, narrow);
            layer.attention_norm.add(states, narrow, columns);

            let activation = Some(self.activation);
            wide.resize(count * layer.intermediate.outputs(), 0.0);
            layer
                .intermediate
                .forward(int8, states, columns, activation, wide);
            layer.output.forward(int8, wide, columns, None, narrow);
            layer.output_norm.add(states, narrow, columns);

            match next {
                NextStep::Layer(next, qkv) => {
                    next.qkv.forward(int8, states, columns, None, qkv);
                }
                NextStep::Head(logits) => {
                    self.dense
                        .forward(int8, states, columns, activation, narrow);
                    let panels = narrow.chunks_exact(hidden * columns);
                    for (panel, logits) in panels.zip(logits.chunks_exact_mut(columns)) {
                        dots(
                            self.set,
                            panel,
                            &self.prediction,
                            self.prediction_bias,
                            logits,
                        );
                    }
                }
            }
        });
    }

    /// Computes attention of all heads for the panels of `to`.
    fn attend(&self, block: Block<'_>, keys: &mut Int8Keys, scores: &mut Vec<f32>, to: &mut [f32]) {
        let Block {
            qkv,
            windows: ranges,
            columns,
            first,
        } = block;
        let size = self.hidden / self.attention_heads;
        let panel = self.hidden * columns;
        let tokens = ranges.last().map_or(0, |range| range.end);
        if (first * columns) + to.len() / self.hidden > tokens
            && let Some(last) = to.chunks_exact_mut(panel).next_back()
        {
            last.fill(0.0); // Lanes that belong to no window.
        }
        let block = first..first + to.len() / panel;
        let from = ranges.partition_point(|range| range.end <= block.start * columns);
        let windows = ranges.get(from..).unwrap_or_default().iter();
        let windows = windows.take_while(|range| range.start < block.end * columns);
        // Head by head, so that its keys and values stay in the cache from panel to panel.
        for head in 0..self.attention_heads {
            for window in windows.clone() {
                let head = WindowHead {
                    qkv,
                    hidden: self.hidden,
                    size,
                    head,
                    window: window.clone(),
                    columns,
                    set: self.set,
                };
                let mut scoring = match self.arithmetic {
                    Arithmetic::F32 => Scoring::F32,
                    Arithmetic::Int8 => {
                        head.quantise_keys(keys);
                        Scoring::Int8(keys)
                    }
                };
                let own = head.panels();
                for at in own.start.max(block.start)..own.end.min(block.end) {
                    let start = (at - block.start) * panel + head.head * size * columns;
                    let to = to.get_mut(start..start + size * columns);
                    head.attend(at, &mut scoring, scores, to.unwrap_or_default());
                }
            }
        }
    }
}

impl Forward for FusedDiscriminator {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        for window in windows {
            self.check(window)?;
        }
        let pooled = self.pool.lock().ok().and_then(|mut pool| pool.pop());
        let mut buffers = pooled.unwrap_or_default();
        let mut logits = Vec::with_capacity(windows.len());
        let most = TOKENS_PER_THREAD * rayon::current_num_threads();
        let mut rest = windows;
        while !rest.is_empty() {
            let mut rows = 0;
            let fit = rest.iter().take_while(|window| {
                let begun = rows > 0;
                rows += window.len();
                !begun || rows <= most
            });
            let (now, later) = rest.split_at(fit.count());
            // Within the thread pool, so that the passes do not wake it up one by one.
            rayon::scope(|_| self.run_layers(now, &mut buffers, &mut logits));
            rest = later;
        }
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(buffers);
        }
        Ok(logits)
    }

    fn device(&self) -> String {
        "cpu".to_owned()
    }

    fn precision(&self) -> String {
        match self.arithmetic {
            Arithmetic::F32 => "f32".to_owned(),
            Arithmetic::Int8 => "int8".to_owned(),
        }
    }

    fn path(&self) -> String {
        let by = match self.arithmetic {
            Arithmetic::F32 => self.set.float_name().to_owned(),
            Arithmetic::Int8 if Dot::of(self.set).is_some() => self.set.to_string(),
            Arithmetic::Int8 => format!("integers as f32, {}", self.set),
        };
        let threads = match rayon::current_num_threads() {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        };
        format!("fused, {by}, {threads}")
    }
}

/// A block of panels, and what attention reads for it.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// Queries, keys and values of all panels.
    qkv: &'a [f32],
    /// The tokens of each window, counted through all panels.
    windows: &'a [Range<usize>],
    /// Tokens in a panel.
    columns: usize,
    /// The first panel of the block.
    first: usize,
}

/// What follows a layer, and where its result goes.
enum NextStep<'a> {
    Layer(&'a Layer, &'a mut [f32]),
    Head(&'a mut [f32]),
}

/// Position plus segment embedding of every position in a window.
fn position_embeddings(config: &ElectraConfig, weights: &Weights) -> Result<Vec<f32>, Error> {
    let (size, at) = (config.embedding_size, "electra.embeddings");
    let mut positions = weights
        .numbers(
            &format!("{at}.position_embeddings.weight"),
            &[config.max_position_embeddings, size],
        )?
        .into_owned();
    if config.type_vocab_size > 0 {
        let segments = weights.numbers(
            &format!("{at}.token_type_embeddings.weight"),
            &[config.type_vocab_size, size],
        )?;
        for position in positions.chunks_exact_mut(size) {
            for (number, segment) in position.iter_mut().zip(&*segments) {
                *number += segment;
            }
        }
    }
    Ok(positions)
}

impl WordEmbeddings {
    fn load(config: &ElectraConfig, weights: &Weights) -> Result<WordEmbeddings, Error> {
        let name = "electra.embeddings.word_embeddings.weight";
        let shape = [config.vocab_size, config.embedding_size];
        let embedded = weights
            .static_quantised(name)
            .filter(|_| weights.shape(name) == Some(&shape));
        match embedded {
            Some(embedded) => Ok(WordEmbeddings::Embedded(embedded)),
            None => Ok(WordEmbeddings::Loaded(
                weights.numbers(name, &shape)?.into_owned(),
            )),
        }
    }

    /// Writes the embedding of token `id`.
    fn read(&self, id: usize, to: &mut [f32]) {
        let row = id * to.len()..(id + 1) * to.len();
        match self {
            WordEmbeddings::Embedded(Quantised { numbers, scales }) => {
                let scale = scales.get(id).copied().unwrap_or_default();
                let numbers = numbers.get(row).unwrap_or_default();
                for (to, &number) in to.iter_mut().zip(numbers) {
                    *to = f32::from(number) * scale;
                }
            }
            WordEmbeddings::Loaded(numbers) => {
                to.copy_from_slice(numbers.get(row).unwrap_or_default());
            }
        }
    }
}

impl Layer {
    fn load(
        config: &ElectraConfig,
        weights: &Weights,
        layer: usize,
        arithmetic: Arithmetic,
        set: InstructionSet,
    ) -> Result<Layer, Error> {
        let (hidden, inner, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let at = format!("electra.encoder.layer.{layer}");
        let linear = |name: &str, from: usize, to: usize| {
            Linear::load(
                weights,
                &[format!("{at}.{name}")],
                from,
                to,
                arithmetic,
                set,
            )
        };
        let norm = |name: &str| LayerNorm::load(weights, &format!("{at}.{name}"), hidden, eps, set);
        let parts = ["query", "key", "value"].map(|part| format!("{at}.attention.self.{part}"));
        Ok(Layer {
            qkv: Linear::load(weights, &parts, hidden, hidden, arithmetic, set)?,
            attention_output: linear("attention.output.dense", hidden, hidden)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            intermediate: linear("intermediate.dense", hidden, inner)?,
            output: linear("output.dense", inner, hidden)?,
            output_norm: norm("output.LayerNorm")?,
        })
    }
}
