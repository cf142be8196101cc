//! The discriminator on the CPU, fused: packed weights, no padding, two parallel passes per layer.
//!
//! Windows of all lengths stand one after the other as rows. Between two attentions everything
//! concerns a row alone, so a block of rows goes through the output of one attention, the
//! feed-forward layer and the queries, keys and values of the next without leaving the cache;
//! attention goes by window and head. Every sum has one order whatever stands beside it, so the
//! answer to a window is the same, bit by bit, in any batch and on any number of threads. It is held
//! equal to [`super::plain`], which stays the measure and computes whatever runs on another device.

mod attention;
mod eight;
mod linear;
mod norm;
mod tile;

use std::cell::RefCell;
use std::sync::Mutex;

use rayon::prelude::*;

use super::config::Activation;
use super::weights::{Quantised, Weights};
use super::{Checkpoint, ElectraConfig, Error, Forward};
use attention::{Head, Room};
use linear::Linear;
use norm::{Norm, dots};
use tile::Sizes;

/// The most rows in a block: what the widest layer makes of them still fits into the cache of a
/// core, and the weights are read once for all of them.
const BLOCK: usize = 48;

/// The fewest rows in a block, however many threads there are: each block reads all the weights.
const SMALL_BLOCK: usize = 8;

/// Blocks for each thread in one go through the layers; the rows of longer batches go through one
/// part after the other, so that they stay in the cache too.
const BLOCKS_PER_THREAD: usize = 8;

/// The fewest queries that attention is split to.
const FEW_QUERIES: usize = 64;

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
pub struct FastDiscriminator {
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

/// What goes from one parallel pass to the next.
#[derive(Default)]
struct Buffers {
    /// H numbers a row.
    states: Vec<f32>,
    /// Query, key and value: 3H numbers a row.
    asked: Vec<f32>,
    /// What attention gives, window by window, in a window head by head, D numbers a row.
    heeded: Vec<f32>,
    logits: Vec<f32>,
}

/// Room for one thread.
#[derive(Default)]
struct Bench {
    linear: linear::Room,
    narrow: Vec<f32>,
    wide: Vec<f32>,
    room: Room,
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

impl FastDiscriminator {
    /// Loads the discriminator of `checkpoint`, to compute in `arithmetic`.
    ///
    /// # Errors
    ///
    /// A tensor that is missing, misshapen or of a type that is no weight.
    pub fn load(
        checkpoint: &Checkpoint,
        arithmetic: Arithmetic,
    ) -> Result<FastDiscriminator, Error> {
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
        Ok(FastDiscriminator {
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
    fn pass(
        &self,
        windows: &[&[u32]],
        buffers: &mut Buffers,
        to: &mut Vec<Vec<f32>>,
    ) -> Result<(), Error> {
        let rows: usize = windows.iter().map(|window| window.len()).sum();
        if rows == 0 {
            to.extend(windows.iter().map(|_| Vec::new()));
            return Ok(());
        }
        let Buffers {
            states,
            asked,
            heeded,
            logits,
        } = buffers;
        states.resize(rows * self.hidden, 0.0);
        asked.resize(rows * 3 * self.hidden, 0.0);
        heeded.resize(rows * self.hidden, 0.0);
        logits.resize(rows, 0.0);

        // Of each row: its token, its place in the window, the window's first row and its length.
        let mut first = 0;
        let mut tokens = Vec::with_capacity(rows);
        for window in windows {
            for (place, &id) in window.iter().enumerate() {
                tokens.push(Token {
                    id: id as usize,
                    place,
                    first,
                    length: window.len(),
                });
            }
            first += window.len();
        }

        let block = block(rows);
        let each = (block * self.hidden, block * 3 * self.hidden, block);
        states
            .par_chunks_mut(each.0)
            .zip(asked.par_chunks_mut(each.1))
            .zip(tokens.par_chunks(each.2))
            .try_for_each(|((states, asked), tokens)| self.embed(tokens, states, asked))?;
        for (at, layer) in self.layers.iter().enumerate() {
            self.attend(windows, asked, heeded);
            let heeded = &*heeded;
            states
                .par_chunks_mut(each.0)
                .zip(asked.par_chunks_mut(each.1))
                .zip(logits.par_chunks_mut(each.2))
                .zip(tokens.par_chunks(each.2))
                .try_for_each(|(((states, asked), logits), tokens)| {
                    let next = match self.layers.get(at + 1) {
                        Some(next) => Next::Layer(next, asked),
                        None => Next::Head(logits),
                    };
                    self.feed(layer, tokens, heeded, states, next)
                })?;
        }
        let mut logits = logits.as_slice();
        for window in windows {
            let (own, rest) = logits.split_at(window.len());
            to.push(own.to_vec());
            logits = rest;
        }
        Ok(())
    }

    /// Embeds a block of rows, and asks the first layer's questions.
    fn embed(&self, tokens: &[Token], states: &mut [f32], asked: &mut [f32]) -> Result<(), Error> {
        let (size, count) = (self.embedding_size, tokens.len());
        with_bench(|bench| {
            let Bench {
                linear,
                narrow,
                wide,
                ..
            } = bench;
            narrow.resize(count * size, 0.0);
            wide.resize(count * size, 0.0);
            let both = narrow
                .chunks_exact_mut(size)
                .zip(wide.chunks_exact_mut(size));
            for (token, (word, place)) in tokens.iter().zip(both) {
                self.words.read(token.id, word);
                let at = token.place * size;
                place.copy_from_slice(self.places.get(at..at + size).unwrap_or_default());
            }
            self.norm.add(narrow, wide);
            match &self.project {
                Some(project) => {
                    project.forward(linear, narrow, count, None, states)?;
                }
                None => states.copy_from_slice(narrow),
            }
            match self.layers.first() {
                Some(layer) => layer.attention.forward(linear, states, count, None, asked),
                None => Ok(()),
            }
        })
    }

    /// Attention of all heads over all windows.
    fn attend(&self, windows: &[&[u32]], asked: &[f32], heeded: &mut [f32]) {
        let size = self.hidden / self.heads;
        let stride = 3 * self.hidden;
        let number = self.heads * windows.len();
        // Every part packs the keys and values of its window, so there are no more than it takes to
        // keep all threads busy.
        let parts = (2 * rayon::current_num_threads()).div_ceil(number);
        let mut tasks: Vec<(Head<'_>, &mut [f32])> = Vec::with_capacity(number * parts);
        let (mut asked, mut heeded) = (asked, heeded);
        for window in windows {
            let (rows, rest) = asked.split_at(window.len() * stride);
            asked = rest;
            let (own, rest) = heeded.split_at_mut(window.len() * self.hidden);
            heeded = rest;
            if window.is_empty() {
                continue;
            }
            let queries = (window.len().div_ceil(parts))
                .max(FEW_QUERIES)
                .next_multiple_of(self.sizes.columns);
            for (head, own) in own.chunks_mut(window.len() * size).enumerate() {
                for (part, own) in own.chunks_mut(queries * size).enumerate() {
                    let head = Head {
                        rows,
                        stride,
                        size,
                        head,
                        first: part * queries,
                    };
                    tasks.push((head, own));
                }
            }
        }
        let sizes = self.sizes;
        tasks.into_par_iter().for_each(|(head, to)| {
            with_bench(|bench| head.attend(&mut bench.room, sizes, to));
        });
    }

    /// Takes a block of rows from what a layer's attention gives to what comes next.
    fn feed(
        &self,
        layer: &Layer,
        tokens: &[Token],
        heeded: &[f32],
        states: &mut [f32],
        next: Next<'_>,
    ) -> Result<(), Error> {
        let (hidden, count) = (self.hidden, tokens.len());
        with_bench(|bench| {
            let Bench {
                linear,
                narrow,
                wide,
                ..
            } = bench;
            narrow.resize(count * hidden, 0.0);
            wide.resize(count * hidden, 0.0);
            let size = hidden / self.heads;
            for (token, row) in tokens.iter().zip(wide.chunks_exact_mut(hidden)) {
                for (head, to) in row.chunks_exact_mut(size).enumerate() {
                    let at = token.first * hidden + (head * token.length + token.place) * size;
                    to.copy_from_slice(heeded.get(at..at + size).unwrap_or_default());
                }
            }
            layer
                .attention_output
                .forward(linear, wide, count, None, narrow)?;
            layer.attention_norm.add(states, narrow);

            let activation = Some(self.activation);
            wide.resize(count * layer.intermediate.outputs(), 0.0);
            layer
                .intermediate
                .forward(linear, states, count, activation, wide)?;
            layer.output.forward(linear, wide, count, None, narrow)?;
            layer.output_norm.add(states, narrow);

            match next {
                Next::Layer(next, asked) => {
                    next.attention.forward(linear, states, count, None, asked)
                }
                Next::Head(logits) => {
                    self.head
                        .forward(linear, states, count, activation, narrow)?;
                    dots(narrow, &self.prediction, self.prediction_bias, logits);
                    Ok(())
                }
            }
        })
    }
}

impl Forward for FastDiscriminator {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        for window in windows {
            self.check(window)?;
        }
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut buffers = spare.unwrap_or_default();
        let mut logits = Vec::with_capacity(windows.len());
        let most = BLOCK * BLOCKS_PER_THREAD * rayon::current_num_threads();
        let mut rest = windows;
        while !rest.is_empty() {
            let mut rows = 0;
            let fit = rest.iter().take_while(|window| {
                let begun = rows > 0;
                rows += window.len();
                !begun || rows <= most
            });
            let (now, later) = rest.split_at(fit.count());
            self.pass(now, &mut buffers, &mut logits)?;
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
}

/// A row: a token in its window.
#[derive(Clone, Copy, Debug)]
struct Token {
    id: usize,
    place: usize,
    /// The window's first row.
    first: usize,
    /// The window's rows.
    length: usize,
}

/// Where a block of rows goes from a layer.
enum Next<'a> {
    Layer(&'a Layer, &'a mut [f32]),
    Head(&'a mut [f32]),
}

/// How many rows of `rows` go into a block: as many as can be, if that leaves no thread idle.
fn block(rows: usize) -> usize {
    let threads = rayon::current_num_threads();
    let blocks = rows.div_ceil(BLOCK).next_multiple_of(threads);
    rows.div_ceil(blocks).max(SMALL_BLOCK)
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
