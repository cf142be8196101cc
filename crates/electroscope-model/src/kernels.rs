//! The discriminator on the CPU, fused: packed weights, no padding, one parallel pass per layer.
//!
//! Windows of all lengths stand one after the other, cut into panels of as many tokens as fit into one
//! or two vectors. Between two attentions everything concerns a token alone, so a block of panels goes
//! through attention, its output, the feed-forward layer and the queries, keys and values of the next
//! layer without leaving the cache. Every sum has one order whatever stands beside it, so the answer
//! to a window is the same, bit by bit, in any batch and on any number of threads. It is held equal to
//! [`super::plain`], which stays the measure and computes whatever runs on another device.

mod activation;
mod attention;
mod choice;
mod dot;
mod int8;
mod linear;
mod norm;
mod tile;

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Mutex;

use rayon::prelude::*;

use super::config::Activation;
use super::weights::{Quantised, Weights};
use super::{Checkpoint, ElectraConfig, Error, Forward};
use attention::{Head, Scoring};
use dot::Dot;
use int8::Keys;
use linear::Linear;
use norm::{Norm, dots};
use tile::Sizes;

/// The most tokens in a block: what the widest layer makes of them still fits into the cache of a core,
/// and the weights are read once for all of them.
const BLOCK: usize = 128;

/// Tokens for each thread in one go through the layers; longer batches go through one part after the
/// other, so that what all layers make of them stays in the cache too.
const TOKENS_PER_THREAD: usize = 256;

/// What linear layers are computed in; all else is in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Single precision.
    F32,
    /// Eight-bit weights with a scale per column, eight-bit activations with a scale per row, exact
    /// sums of their products.
    Int8,
}

/// An ELECTRA discriminator on the CPU.
pub struct FusedDiscriminator {
    words: Words,
    /// Position plus segment, row by row.
    places: Vec<f32>,
    norm: Norm,
    /// From E to H; only where they differ.
    project: Option<Linear>,
    layers: Vec<Layer>,
    head: Linear,
    prediction: Vec<f32>,
    prediction_bias: f32,
    activation: Activation,
    heads: usize,
    embedding_size: usize,
    hidden: usize,
    vocabulary: usize,
    positions: usize,
    sizes: Sizes,
    arithmetic: Arithmetic,
    /// Buffers that are not in use, to be used again.
    spare: Mutex<Vec<Buffers>>,
}

/// The word embeddings.
enum Words {
    /// As the binary carries them; a row becomes numbers when a token asks for it.
    Carried(Quantised<'static>),
    Loaded(Vec<f32>),
}

struct Layer {
    /// Query, key and value.
    attention: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    intermediate: Linear,
    output: Linear,
    output_norm: Norm,
}

/// What goes from one parallel pass to the next, panel by panel.
#[derive(Default)]
struct Buffers {
    /// H numbers of each token.
    states: Vec<f32>,
    /// Query, key and value: 3H numbers of each token, from the layer before and for the next.
    asked: [Vec<f32>; 2],
    logits: Vec<f32>,
}

/// Room for one thread.
#[derive(Default)]
struct Bench {
    int8: int8::Room,
    row: Vec<f32>,
    narrow: Vec<f32>,
    wide: Vec<f32>,
    keys: Keys,
    scores: Vec<f32>,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::default();
}

/// Gives `work` the room of this thread. It is taken out meanwhile, for a kernel that waits for
/// others may take up another block on this thread, which then gets room of its own.
fn with_bench<T>(work: impl FnOnce(&mut Bench) -> T) -> T {
    let mut bench = BENCH.take();
    let done = work(&mut bench);
    BENCH.set(bench);
    done
}

impl FusedDiscriminator {
    /// Loads the discriminator of `checkpoint`, to compute in `arithmetic`.
    ///
    /// # Errors
    ///
    /// A tensor that is missing, misshapen or of a type that is no weight.
    pub fn load(
        checkpoint: &Checkpoint,
        arithmetic: Arithmetic,
    ) -> Result<FusedDiscriminator, Error> {
        let (config, weights) = (&checkpoint.config, &checkpoint.weights);
        let (size, hidden) = (config.embedding_size, config.hidden_size);
        let at = "electra.embeddings";
        let (layers, (words, places)) = rayon::join(
            || {
                (0..config.num_hidden_layers)
                    .into_par_iter()
                    .map(|layer| Layer::load(config, weights, layer, arithmetic))
                    .collect::<Result<Vec<Layer>, Error>>()
            },
            || (Words::load(config, weights), places(config, weights)),
        );
        let head = "discriminator_predictions";
        let prediction = format!("{head}.dense_prediction");
        Ok(FusedDiscriminator {
            words: words?,
            places: places?,
            norm: Norm::load(
                weights,
                &format!("{at}.LayerNorm"),
                size,
                config.layer_norm_eps,
            )?,
            project: if size == hidden {
                None
            } else {
                let name = "electra.embeddings_project".to_owned();
                Some(Linear::load(weights, &[name], size, hidden, arithmetic)?)
            },
            layers: layers?,
            head: Linear::load(
                weights,
                &[format!("{head}.dense")],
                hidden,
                hidden,
                arithmetic,
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
            heads: config.num_attention_heads,
            embedding_size: size,
            hidden,
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings,
            sizes: Sizes::here(),
            arithmetic,
            spare: Mutex::default(),
        })
    }

    /// The arithmetic that is the fastest on this machine for `checkpoint`, found out by trying; eight
    /// bits only where its weights are carried in eight bits. What that changes was measured for such
    /// checkpoints, and for others it is not known.
    ///
    /// # Errors
    ///
    /// As [`FusedDiscriminator::load`].
    pub fn quickest(checkpoint: &Checkpoint) -> Result<Arithmetic, Error> {
        choice::quickest(&checkpoint.config, &checkpoint.weights)
    }

    /// What there is no answer to: a token that is not in the vocabulary, a window that is too long.
    fn check(&self, window: &[u32]) -> Result<(), Error> {
        let refuse = |what: String| Error::Tensor(candle_core::Error::Msg(what));
        if window.len() > self.positions {
            return Err(refuse(format!(
                "a window of {} tokens, but the model reads at most {}",
                window.len(),
                self.positions
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

    /// The logits of windows that go through the layers together, one after the other in `to`.
    fn pass(&self, windows: &[&[u32]], buffers: &mut Buffers, to: &mut Vec<Vec<f32>>) {
        let tokens: usize = windows.iter().map(|window| window.len()).sum();
        if tokens == 0 {
            to.extend(windows.iter().map(|_| Vec::new()));
            return;
        }
        let (columns, each) = self.panels(tokens);
        let panels = tokens.div_ceil(columns);
        let Buffers {
            states,
            asked: [asked, next],
            logits,
        } = buffers;
        let hidden = self.hidden * columns;
        states.resize(panels * hidden, 0.0);
        asked.resize(panels * 3 * hidden, 0.0);
        next.resize(panels * 3 * hidden, 0.0);
        logits.resize(panels * columns, 0.0);

        let mut places = Vec::with_capacity(tokens);
        let mut ranges: Vec<Range<usize>> = Vec::with_capacity(windows.len());
        for window in windows {
            let first = places.len();
            places.extend(window.iter().map(|&id| id as usize).zip(0..));
            if !window.is_empty() {
                ranges.push(first..places.len());
            }
        }

        states
            .par_chunks_mut(each * hidden)
            .zip(asked.par_chunks_mut(each * 3 * hidden))
            .zip(places.par_chunks(each * columns))
            .for_each(|((states, asked), places)| self.embed(places, columns, states, asked));
        for (at, layer) in self.layers.iter().enumerate() {
            states
                .par_chunks_mut(each * hidden)
                .zip(next.par_chunks_mut(each * 3 * hidden))
                .zip(logits.par_chunks_mut(each * columns))
                .enumerate()
                .for_each(|(block, ((states, next), logits))| {
                    let windows = Windows {
                        asked: &*asked,
                        ranges: &ranges,
                        columns,
                        first: block * each,
                    };
                    let next = match self.layers.get(at + 1) {
                        Some(layer) => Next::Layer(layer, next),
                        None => Next::Head(logits),
                    };
                    self.feed(layer, windows, states, next);
                });
            std::mem::swap(asked, next);
        }
        let mut logits = logits.as_slice();
        for window in windows {
            let (own, rest) = logits.split_at(window.len());
            to.push(own.to_vec());
            logits = rest;
        }
    }

    /// Tokens in a panel, and panels in a block, such that no thread waits long for others.
    fn panels(&self, tokens: usize) -> (usize, usize) {
        let threads = rayon::current_num_threads();
        let lanes = self.sizes.lanes;
        // A panel of one vector is read with more loads for each product.
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

    /// Embeds tokens, each with its place in its window, and asks the first layer's questions.
    fn embed(
        &self,
        places: &[(usize, usize)],
        columns: usize,
        states: &mut [f32],
        asked: &mut [f32],
    ) {
        let size = self.embedding_size;
        let count = states.len() / self.hidden;
        with_bench(|bench| {
            let Bench {
                int8,
                row,
                narrow,
                wide,
                ..
            } = bench;
            row.resize(size, 0.0);
            narrow.clear();
            narrow.resize(count * size, 0.0);
            wide.clear();
            wide.resize(count * size, 0.0);
            for (at, &(id, place)) in places.iter().enumerate() {
                let first = at / columns * columns * size + at % columns;
                self.words.read(id, row);
                let from = self.places.get(place * size..(place + 1) * size);
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
                layer.attention.forward(int8, states, columns, None, asked);
            }
        });
    }

    /// Takes a block of panels through a layer to what comes next.
    fn feed(&self, layer: &Layer, windows: Windows<'_>, states: &mut [f32], next: Next<'_>) {
        let (hidden, columns) = (self.hidden, windows.columns);
        let count = states.len() / hidden;
        with_bench(|bench| {
            let Bench {
                int8,
                narrow,
                wide,
                keys,
                scores,
                ..
            } = bench;
            narrow.resize(count * hidden, 0.0);
            wide.resize(count * hidden, 0.0);
            self.attend(windows, keys, scores, wide);
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
                Next::Layer(next, asked) => {
                    next.attention.forward(int8, states, columns, None, asked);
                }
                Next::Head(logits) => {
                    self.head.forward(int8, states, columns, activation, narrow);
                    let panels = narrow.chunks_exact(hidden * columns);
                    for (panel, logits) in panels.zip(logits.chunks_exact_mut(columns)) {
                        dots(panel, &self.prediction, self.prediction_bias, logits);
                    }
                }
            }
        });
    }

    /// Attention of all heads for the panels of `to`.
    fn attend(&self, windows: Windows<'_>, keys: &mut Keys, scores: &mut Vec<f32>, to: &mut [f32]) {
        let Windows {
            asked,
            ranges,
            columns,
            first,
        } = windows;
        let size = self.hidden / self.heads;
        let panel = self.hidden * columns;
        let tokens = ranges.last().map_or(0, |range| range.end);
        if (first * columns) + to.len() / self.hidden > tokens
            && let Some(last) = to.chunks_exact_mut(panel).next_back()
        {
            last.fill(0.0); // Lanes that no window has.
        }
        let dot = Dot::here(self.sizes.lanes);
        let block = first..first + to.len() / panel;
        let from = ranges.partition_point(|range| range.end <= block.start * columns);
        let windows = ranges.get(from..).unwrap_or_default().iter();
        let windows = windows.take_while(|range| range.start < block.end * columns);
        // Head by head, for their keys and values stay in the cache from panel to panel.
        for head in 0..self.heads {
            for window in windows.clone() {
                let head = Head {
                    asked,
                    hidden: self.hidden,
                    size,
                    head,
                    window: window.clone(),
                    columns,
                    sizes: self.sizes,
                };
                let mut scoring = match self.arithmetic {
                    Arithmetic::F32 => Scoring::Floats,
                    Arithmetic::Int8 => {
                        head.quantise(keys, dot);
                        Scoring::Int8(keys, dot)
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
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut buffers = spare.unwrap_or_default();
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
            // In the pool, where one parallel pass after the other need not wake it up again.
            rayon::scope(|_| self.pass(now, &mut buffers, &mut logits));
            rest = later;
        }
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(buffers);
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
            Arithmetic::F32 => tile::instructions().to_owned(),
            Arithmetic::Int8 => match Dot::here(self.sizes.lanes) {
                Some(dot) => dot.instructions().to_owned(),
                None => format!("whole numbers in f32, {}", tile::instructions()),
            },
        };
        let threads = match rayon::current_num_threads() {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        };
        format!("fused, {by}, {threads}")
    }
}

/// What attention looks at.
#[derive(Clone, Copy)]
struct Windows<'a> {
    /// Panels of queries, keys and values of all windows.
    asked: &'a [f32],
    /// The tokens of each window, one after the other.
    ranges: &'a [Range<usize>],
    /// Tokens in a panel.
    columns: usize,
    /// The first panel of the block.
    first: usize,
}

/// Where a block of panels goes from a layer.
enum Next<'a> {
    Layer(&'a Layer, &'a mut [f32]),
    Head(&'a mut [f32]),
}

/// Position plus segment of every place in a window.
fn places(config: &ElectraConfig, weights: &Weights) -> Result<Vec<f32>, Error> {
    let (size, at) = (config.embedding_size, "electra.embeddings");
    let mut places = weights
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
        for place in places.chunks_exact_mut(size) {
            for (number, segment) in place.iter_mut().zip(&*segments) {
                *number += segment;
            }
        }
    }
    Ok(places)
}

impl Words {
    fn load(config: &ElectraConfig, weights: &Weights) -> Result<Words, Error> {
        let name = "electra.embeddings.word_embeddings.weight";
        let shape = [config.vocab_size, config.embedding_size];
        let carried = weights
            .carried_quantised(name)
            .filter(|_| weights.shape(name) == Some(&shape));
        match carried {
            Some(carried) => Ok(Words::Carried(carried)),
            None => Ok(Words::Loaded(weights.numbers(name, &shape)?.into_owned())),
        }
    }

    /// Writes the embedding of token `id`.
    fn read(&self, id: usize, to: &mut [f32]) {
        let row = id * to.len()..(id + 1) * to.len();
        match self {
            Words::Carried(Quantised { numbers, scales }) => {
                let scale = scales.get(id).copied().unwrap_or_default();
                let numbers = numbers.get(row).unwrap_or_default();
                for (to, &number) in to.iter_mut().zip(numbers) {
                    *to = f32::from(number) * scale;
                }
            }
            Words::Loaded(numbers) => {
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
    ) -> Result<Layer, Error> {
        let (hidden, inner, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let at = format!("electra.encoder.layer.{layer}");
        let linear = |name: &str, from: usize, to: usize| {
            Linear::load(weights, &[format!("{at}.{name}")], from, to, arithmetic)
        };
        let norm = |name: &str| Norm::load(weights, &format!("{at}.{name}"), hidden, eps);
        let parts = ["query", "key", "value"].map(|part| format!("{at}.attention.self.{part}"));
        Ok(Layer {
            attention: Linear::load(weights, &parts, hidden, hidden, arithmetic)?,
            attention_output: linear("attention.output.dense", hidden, hidden)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            intermediate: linear("intermediate.dense", hidden, inner)?,
            output: linear("output.dense", inner, hidden)?,
            output_norm: norm("output.LayerNorm")?,
        })
    }
}
