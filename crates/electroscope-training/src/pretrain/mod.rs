//! Pre-training: a generator fakes tokens, a discriminator finds them.
//!
//! The way of a step: `corpus` reads text and cuts it into windows by `segments`, `masking`
//! chooses what is to be guessed, both on a thread of their own in `feed`; `pair` lets the
//! generator guess and sample and the discriminator look; the optimiser moves what they share and
//! what each has. `evaluation` measures on text that is kept aside, `saved` keeps all that is
//! needed to go on after an interruption, `record` writes the log and what comes out at the end.
//!
//! Everything that is done by chance is a function of the seed and of the step (`chance`): a
//! training that was interrupted and goes on makes the same numbers, bit for bit, as one that was
//! not. One that is bounded by the clock is the exception, since its learning rate follows the clock.
//!
//! Follows ELECTRA (Clark et al. 2020) and its code, google-research/electra; where it does not, the
//! files here say so.

mod chance;
mod corpus;
mod evaluation;
mod feed;
mod masking;
mod pair;
mod record;
mod saved;
mod segments;
mod shape;
mod vocabulary;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use self::corpus::{Corpus, Cutter};
use self::feed::{Feed, Feeding};
use self::masking::Share;
use self::pair::{Computing, Pair, SAMPLES, Side, Source};
use self::record::Log;
use self::saved::{Evaluation, State};
use self::segments::{Example, Special};
use super::Error;
use super::optimizer::{AdamSettings, Optimizer};
use super::schedule::Schedule;
use super::text_files;
use super::watch::{EvaluationReport, StepReport, Watch};
use electroscope_model::nn::layers::{Drops, Pass};
use electroscope_model::{self as model, Checkpoint, ElectraConfig, Tokenizer, Weights};

pub use self::pair::Arithmetic;
pub use self::shape::{Preset, Shape};

/// Where a vocabulary comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Vocabulary {
    /// The one that the binary carries: BERT's, uncased.
    Builtin,
    /// A folder with a tokenizer, or a `tokenizer.json` or `vocab.txt`.
    Path(PathBuf),
    /// It is learnt from the text.
    Learn {
        /// Tokens at most.
        size: usize,
        /// Whether capital letters are letters of their own.
        is_cased: bool,
    },
}

/// What a training starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Start {
    /// Weights by chance.
    Scratch {
        /// The sizes of the models.
        shape: Shape,
        /// Their tokens.
        vocabulary: Vocabulary,
    },
    /// The pair that the binary carries, with its vocabulary.
    Builtin,
    /// A folder with `discriminator/` and `generator/`, with its vocabulary.
    Folder(PathBuf),
}

/// All that determines a training, but for the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The text: files, folders, patterns.
    pub text: Vec<PathBuf>,
    /// Text to measure on; the last documents of the text itself if there is none.
    pub eval: Vec<PathBuf>,
    /// The folder to make.
    pub out: PathBuf,
    /// What it starts from.
    pub start: Start,
    /// Tokens in a window at most; if it is not said as many as the model has positions, of a pair that
    /// is trained further 128 at most.
    pub longest: Option<usize>,
    /// Windows in a step.
    pub batch_size: usize,
    /// What chance follows from.
    pub seed: u64,
    /// Steps after which it is done.
    pub steps: Option<u64>,
    /// Minutes after which it is done.
    pub minutes: Option<f64>,
    /// The learning rate at its highest.
    pub learning_rate: f64,
    /// Which share of the training warms up; see [`Settings::warmup_share`] if it is not said.
    pub warmup: Option<f64>,
    /// Which share of a weight a step takes away, times the learning rate.
    pub weight_decay: f64,
    /// The share of the tokens that is masked.
    pub mask: f64,
    /// The share of the values that is dropped, where a checkpoint's own is not wanted.
    pub dropout: Option<f64>,
    /// Whether word embeddings stay as they are.
    pub freeze_embeddings: bool,
    /// Minutes between two times that it saves.
    pub save_minutes: f64,
}

impl Settings {
    /// The share that warms up: the reference's 10,000 steps, but a tenth at most.
    pub fn warmup_share(&self) -> f64 {
        const STEPS: f64 = 10_000.0;
        const MOST: f64 = 0.1;
        self.warmup.unwrap_or_else(|| match self.steps {
            Some(steps) => (STEPS / steps.max(1) as f64).min(MOST),
            None => MOST,
        })
    }

    /// Refuses what no training can have, and what files cannot be asked about.
    fn check(&self) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Settings(what));
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        if self.steps.is_none() && self.minutes.is_none() {
            return refuse(
                "say how long to train: --steps N, --minutes M, or both for what comes first"
                    .to_owned(),
            );
        }
        if self.steps == Some(0)
            || self
                .minutes
                .is_some_and(|minutes| minutes.is_nan() || minutes <= 0.0)
        {
            return refuse("a training takes at least one step and more than no time".to_owned());
        }
        if self.batch_size == 0 {
            return refuse("a step learns from at least one window: --batch-size 1".to_owned());
        }
        if !(self.mask > 0.0 && self.mask < 1.0) {
            return refuse(format!(
                "the share that is masked is {}, but must lie between 0 and 1; 0.15 is usual",
                self.mask
            ));
        }
        if self.warmup.is_some_and(|share| !is_share(share)) {
            return refuse("the share that warms up must lie between 0 and 1".to_owned());
        }
        if self
            .dropout
            .is_some_and(|share| !(0.0..1.0).contains(&share))
        {
            return refuse(
                "the share that is dropped must be at least 0 and less than 1".to_owned(),
            );
        }
        // A folder that was made beforehand is no harm, but nothing in it shall be written over.
        let is_taken = match std::fs::read_dir(&self.out) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => self.out.exists(),
        };
        if is_taken {
            return refuse(format!(
                "{} is there already, and not empty; name another folder with --out, or go on with a \
                 training in it with --resume",
                self.out.display()
            ));
        }
        Ok(())
    }
}

/// On what a training is computed.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The device.
    pub device: Device,
    /// What it computes in.
    pub arithmetic: Arithmetic,
}

/// How a training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done, and its models are in the output folder.
    Finished {
        /// Steps made.
        steps: u64,
        /// What was measured at the end, by name, the most telling first.
        values: Vec<(String, Option<f64>)>,
    },
    /// It was told to stop, and can go on from what it saved.
    Stopped {
        /// Steps made so far.
        steps: u64,
    },
}

/// Trains a pair. `watch` is told of it, and asked after each step whether to stop.
///
/// # Errors
///
/// Settings, text or checkpoints that cannot be used, before anything is written; later a disk that
/// is full, text that changed, arithmetic that broke down.
pub fn pretrain(
    settings: Settings,
    machine: &Machine,
    watch: &mut dyn Watch,
) -> Result<Outcome, Error> {
    Training::begin(settings, machine, watch)?.run(watch)
}

/// Goes on with the training in `out` from where it last saved.
///
/// # Errors
///
/// As [`pretrain`]; nothing saved there.
pub fn resume(out: &Path, machine: &Machine, watch: &mut dyn Watch) -> Result<Outcome, Error> {
    Training::resume(out, machine, watch)?.run(watch)
}

/// How often what is learnt is measured in the course of a training.
const EVALUATIONS: f64 = 10.0;

/// A training under way.
struct Training {
    state: State,
    tokenizer: Arc<Tokenizer>,
    pair: Pair,
    optimizer: Optimizer,
    cutter: Cutter,
    share: Share,
    /// What is measured on.
    held_out: Vec<Example>,
    log: Log,
}

/// The files of `named`, wherever we are called from later.
fn found(named: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let files = text_files::files(named)?;
    Ok(files.into_iter().map(absolute).collect())
}

impl Training {
    fn begin(
        mut settings: Settings,
        machine: &Machine,
        watch: &mut dyn Watch,
    ) -> Result<Training, Error> {
        settings.check()?;
        if let Start::Scratch { shape, .. } = &settings.start {
            // Sizes that cannot be are known before any text is read.
            shape.configs(SMALLEST_VOCABULARY)?;
        }
        settings.out = std::path::absolute(&settings.out).unwrap_or(settings.out);
        settings.eval = found(&settings.eval)?;
        settings.text = found(&settings.text)?;
        // Whoever names a folder and a file in it to measure on does not want to learn from that.
        settings.text.retain(|file| !settings.eval.contains(file));
        if settings.text.is_empty() {
            return Err(Error::Settings(
                "no text is left to learn from: name files, folders or patterns".to_owned(),
            ));
        }
        watch.doing("looking through the text");
        let corpus = Corpus::survey(&settings.text, settings.eval.is_empty())?;
        let aside = match corpus.held_out() {
            0 => String::new(),
            held_out => format!(", {held_out} more held out to measure on"),
        };
        watch.remark(&format!(
            "documents to learn from: {}{aside}",
            corpus.learnt()
        ));
        let origin = Origin::open(&settings, &corpus, watch)?;
        let positions = origin.discriminator.max_position_embeddings;
        let longest = settings.longest.unwrap_or(match settings.start {
            Start::Scratch { .. } => positions,
            Start::Builtin | Start::Folder(_) => positions.min(USUAL_WINDOW),
        });
        if longest > positions || longest < SHORTEST_WINDOW {
            return Err(Error::Settings(format!(
                "windows of {longest} tokens were asked for, but the model has {positions} positions, \
                 and fewer than {SHORTEST_WINDOW} make no sense"
            )));
        }
        settings.longest = Some(longest);
        let pair = Pair::new(
            origin.generator,
            origin.discriminator,
            origin.weights.source(settings.seed),
            computing(&settings, machine),
        )?;
        let state = State::new(
            settings,
            pair.generator.raw.clone(),
            pair.discriminator.raw.clone(),
            corpus,
            origin.notice,
        );
        Training::ready(state, origin.tokenizer, pair)
    }

    fn resume(out: &Path, machine: &Machine, watch: &mut dyn Watch) -> Result<Training, Error> {
        watch.doing("opening what was saved");
        let saved::Saved {
            mut state,
            tokenizer,
            weights,
            moments,
        } = saved::open(out)?;
        // Its folder may have been moved.
        state.settings.out = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
        watch.doing("looking through the text");
        let now = Corpus::survey(&state.settings.text, state.settings.eval.is_empty())?;
        corpus::check_unchanged(&state.corpus, &now)?;
        let pair = Pair::new(
            shape::parsed(&state.generator)?,
            shape::parsed(&state.discriminator)?,
            Source::Saved(weights),
            computing(&state.settings, machine),
        )?;
        let mut training = Training::ready(state, tokenizer, pair)?;
        training.optimizer.restore(&moments)?;
        Ok(training)
    }

    /// What both begin with.
    fn ready(state: State, tokenizer: Arc<Tokenizer>, pair: Pair) -> Result<Training, Error> {
        let settings = &state.settings;
        let longest = (settings.longest).unwrap_or(pair.discriminator.max_position_embeddings);
        let cutter = Cutter {
            special: Special {
                cls: tokenizer.cls_id(),
                sep: tokenizer.sep_id(),
                mask: tokenizer.mask_id(),
                pad: pair.discriminator.pad_token_id,
            },
            tokenizer: Arc::clone(&tokenizer),
            longest,
            seed: settings.seed,
        };
        let held_out = held_out(&state, &cutter)?;
        if held_out.is_empty() {
            return Err(Error::Settings(
                "the text to measure on has no tokens; give more of it with --eval".to_owned(),
            ));
        }
        let layers = (pair.discriminator.num_hidden_layers).max(pair.generator.num_hidden_layers);
        let optimizer = Optimizer::new(
            pair.trainable(),
            layers,
            AdamSettings {
                learning_rate: settings.learning_rate,
                weight_decay: settings.weight_decay,
                layer_decay: None,
                ..AdamSettings::default()
            },
        )?;
        std::fs::create_dir_all(&settings.out).map_err(|source| Error::Write {
            path: settings.out.clone(),
            source,
        })?;
        let log = Log::open(&settings.out.join("log.csv"), state.step)?;
        Ok(Training {
            share: Share::new(settings.mask, longest),
            state,
            tokenizer,
            pair,
            optimizer,
            cutter,
            held_out,
            log,
        })
    }

    /// How much of it is done, from 0 to 1.
    fn done(&self) -> f64 {
        let Settings { steps, minutes, .. } = &self.state.settings;
        let by_steps = steps.map_or(0.0, |steps| self.state.step as f64 / steps.max(1) as f64);
        let by_time = minutes.map_or(0.0, |minutes| self.state.seconds / (minutes * 60.0));
        by_steps.max(by_time).min(1.0)
    }

    fn run(mut self, watch: &mut dyn Watch) -> Result<Outcome, Error> {
        let feeding = Feeding {
            corpus: Arc::new(self.state.corpus.clone()),
            cutter: self.cutter.clone(),
            batch_size: self.state.settings.batch_size,
            share: self.share,
        };
        if watch.stopped() {
            self.save(watch)?;
            return Ok(Outcome::Stopped {
                steps: self.state.step,
            });
        }
        watch.doing("cutting text into windows");
        let feed = Feed::start(feeding, self.state.position, self.state.step)?;
        let schedule = Schedule {
            warmup: self.state.settings.warmup_share(),
        };
        let save_after = Duration::try_from_secs_f64(self.state.settings.save_minutes * 60.0)
            .unwrap_or(Duration::MAX);
        let mut saved_at = Instant::now();
        let (mut began, seconds_before) = (None, self.state.seconds);
        loop {
            let before = self.done();
            if before >= 1.0 {
                break;
            }
            let asked = Instant::now();
            let fed = feed.next()?;
            let waited = asked.elapsed();
            // Until the first batch is there it gets ready, which is no part of its time.
            let since = *began.get_or_insert_with(Instant::now);
            let step = self.step(&fed, schedule.rate(before))?;
            self.state.seconds = seconds_before + since.elapsed().as_secs_f64();
            tracing::debug!(step = self.state.step, ?waited, took = ?asked.elapsed(), "step");
            self.state.step += 1;
            self.state.position = fed.after;
            self.state.tokens += fed.tokens() as u64;
            let done = self.done();
            self.log.step(&self.state, done, &step);
            watch.step(&StepReport {
                step: self.state.step,
                steps: self.state.settings.steps,
                done,
                loss: step.loss,
                parts: &[
                    ("generator", step.generator_loss),
                    ("discriminator", step.discriminator_loss),
                ],
                rate: step.rate,
                tokens: fed.tokens(),
            });
            let is_due = (done * EVALUATIONS).floor() > (before * EVALUATIONS).floor();
            if is_due && done < 1.0 {
                self.evaluate(watch)?;
            }
            let is_stopped = watch.stopped();
            if done < 1.0 && (is_stopped || saved_at.elapsed() >= save_after) {
                self.save(watch)?;
                saved_at = Instant::now();
                if is_stopped {
                    return Ok(Outcome::Stopped {
                        steps: self.state.step,
                    });
                }
            }
        }
        drop(feed);
        self.finish(watch)
    }

    /// Learns from a batch.
    fn step(&mut self, fed: &feed::Fed, factor: f64) -> Result<StepNumbers, Error> {
        let (seed, step) = (self.state.settings.seed, self.state.step);
        let drops = Drops::new(seed, step);
        let key = [SAMPLES, seed, step];
        let pass = Pass::Train(&drops);
        let reading = self.pair.read(&fed.examples, &fed.masked, &key, pass)?;
        let loss = reading.loss()?;
        let gradients = loss.backward()?;
        let norm = self.optimizer.step(&gradients, factor)?;
        let number = |tensor: &candle_core::Tensor| -> Result<f64, Error> {
            Ok(f64::from(tensor.to_scalar::<f32>()?))
        };
        Ok(StepNumbers {
            loss: number(&loss)?,
            generator_loss: number(&reading.generator_loss)?,
            discriminator_loss: number(&reading.discriminator_loss)?,
            rate: self.state.settings.learning_rate * factor,
            norm,
        })
    }

    fn evaluate(&mut self, watch: &mut dyn Watch) -> Result<(), Error> {
        watch.doing("measuring on held-out text");
        let values = evaluation::evaluate(&self.pair, &self.held_out, self.share, &self.cutter)?;
        let telling = |values: &[(String, Option<f64>)]| values.first().and_then(|value| value.1);
        let best = (self.state.evaluations.iter())
            .filter_map(|evaluation| telling(&evaluation.values))
            .fold(f64::NEG_INFINITY, f64::max);
        let evaluation = Evaluation {
            step: self.state.step,
            values: (values.iter())
                // JSON has no number that is none.
                .map(|&(name, value)| (name.to_owned(), value.is_finite().then_some(value)))
                .collect(),
        };
        watch.evaluated(&EvaluationReport {
            step: self.state.step,
            values: &values,
            is_best: best.is_finite()
                && telling(&evaluation.values).is_some_and(|value| value > best),
        });
        self.log.evaluated(&self.state, self.done(), &evaluation)?;
        self.state.evaluations.push(evaluation);
        Ok(())
    }

    fn save(&mut self, watch: &mut dyn Watch) -> Result<(), Error> {
        watch.doing("saving");
        self.log.flush()?;
        let parts = saved::Parts {
            state: &self.state,
            tokenizer: &self.tokenizer,
            weights: self.pair.tensors(),
            moments: self.optimizer.state()?.into_iter().collect(),
        };
        saved::save(&self.state.settings.out, &parts)?;
        Ok(())
    }

    /// Measures a last time, and writes what came out.
    fn finish(mut self, watch: &mut dyn Watch) -> Result<Outcome, Error> {
        if (self.state.evaluations.last()).is_none_or(|last| last.step < self.state.step) {
            self.evaluate(watch)?;
        }
        self.log.flush()?;
        watch.doing("writing the models");
        let out = &self.state.settings.out;
        for (side, config) in [
            (Side::Discriminator, &self.pair.discriminator),
            (Side::Generator, &self.pair.generator),
        ] {
            let tensors = self.pair.tensors_of(side)?;
            record::write_model(out, side, config, &self.tokenizer, tensors, &self.state)?;
        }
        record::write_card(out, &self.state, &self.pair)?;
        saved::clear(out)?;
        let values = self.state.evaluations.pop().map(|last| last.values);
        Ok(Outcome::Finished {
            steps: self.state.step,
            values: values.unwrap_or_default(),
        })
    }
}

/// The numbers of a step.
struct StepNumbers {
    loss: f64,
    generator_loss: f64,
    discriminator_loss: f64,
    rate: f64,
    norm: f64,
}

/// Fewer tokens are no window: two special ones and something to guess from.
const SHORTEST_WINDOW: usize = 5;

/// The tokens in a window of a pair that is trained further, where nothing else is said: it may have
/// more positions than a short training can fill.
const USUAL_WINDOW: usize = 128;

/// The special tokens and a letter.
const SMALLEST_VOCABULARY: usize = 6;

fn computing<'a>(settings: &Settings, machine: &'a Machine) -> Computing<'a> {
    Computing {
        device: &machine.device,
        arithmetic: machine.arithmetic,
        freeze_words: settings.freeze_embeddings,
    }
}

/// The windows to measure on: of the text that was named, else of what is held out.
fn held_out(state: &State, cutter: &Cutter) -> Result<Vec<Example>, Error> {
    /// What their chance is about, in the place of a pass over the corpus, which it is not.
    const NO_EPOCH: u64 = u64::MAX;
    let documents = match state.settings.eval.as_slice() {
        [] => state.corpus.held_out_documents()?,
        files => text_files::Documents::of(files.to_vec()).collect::<Result<Vec<_>, Error>>()?,
    };
    let mut examples = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let key = [corpus::SEGMENTS, cutter.seed, NO_EPOCH, number as u64];
        examples.extend(cutter.cut(&document.text, &key));
    }
    Ok(evaluation::spread(examples, evaluation::MOST_WINDOWS))
}

/// What a training starts from, opened.
struct Origin {
    generator: ElectraConfig,
    discriminator: ElectraConfig,
    tokenizer: Arc<Tokenizer>,
    weights: OriginWeights,
    notice: Option<String>,
}

enum OriginWeights {
    Chance,
    Checkpoints {
        generator: Box<Weights>,
        discriminator: Box<Weights>,
    },
}

impl OriginWeights {
    fn source(&self, seed: u64) -> Source<'_> {
        match self {
            OriginWeights::Chance => Source::Chance(seed),
            OriginWeights::Checkpoints {
                generator,
                discriminator,
            } => Source::Checkpoints {
                generator,
                discriminator,
            },
        }
    }
}

/// What goes along with BERT's vocabulary.
const VOCABULARY_NOTICE: &str = "The vocabulary is that of BERT, uncased\n\
    https://github.com/google-research/bert\n\
    by the Google AI Language Team\n\
    Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0\n";

impl Origin {
    fn open(settings: &Settings, corpus: &Corpus, watch: &mut dyn Watch) -> Result<Origin, Error> {
        match &settings.start {
            Start::Scratch { shape, vocabulary } => {
                let (tokenizer, notice) = match vocabulary {
                    Vocabulary::Builtin => {
                        let tokenizer = Checkpoint::builtin()?.tokenizer;
                        (tokenizer, Some(VOCABULARY_NOTICE.to_owned()))
                    }
                    Vocabulary::Path(path) => (Arc::new(tokenizer_at(path)?), None),
                    Vocabulary::Learn { size, is_cased } => {
                        watch.doing("learning a vocabulary");
                        let learnt = vocabulary::learn(corpus, *size, *is_cased)?;
                        if learnt.size() < *size {
                            watch.remark(&format!(
                                "the text has pieces for a vocabulary of {} only, not of {size}",
                                learnt.size()
                            ));
                        }
                        (Arc::new(learnt), None)
                    }
                };
                let (discriminator, generator) = shape.configs(tokenizer.size())?;
                let pad = pad_id(&tokenizer)?;
                Ok(Origin {
                    generator: padded_with(&generator, pad)?,
                    discriminator: padded_with(&discriminator, pad)?,
                    tokenizer,
                    weights: OriginWeights::Chance,
                    notice,
                })
            }
            Start::Builtin => {
                let checkpoint = Checkpoint::builtin()?;
                let (generator, weights) = model::builtin_generator()?;
                Ok(Origin {
                    generator: shape::for_training(&generator, settings.dropout)?,
                    discriminator: shape::for_training(&checkpoint.config, settings.dropout)?,
                    tokenizer: checkpoint.tokenizer,
                    weights: OriginWeights::Checkpoints {
                        generator: Box::new(weights),
                        discriminator: Box::new(checkpoint.weights),
                    },
                    notice: Some(model::BUILTIN_NOTICE.to_owned()),
                })
            }
            Start::Folder(folder) => Origin::in_folder(folder, settings.dropout),
        }
    }

    /// The pair in a folder: in `discriminator/` and `generator/`, or as `model export` writes it, in
    /// the folder itself and `generator/`.
    fn in_folder(folder: &Path, dropout: Option<f64>) -> Result<Origin, Error> {
        let below = folder.join("discriminator");
        let at = if below.is_dir() {
            below
        } else {
            folder.to_owned()
        };
        let generator = folder.join("generator");
        if !generator.is_dir() {
            return Err(Error::Data {
                path: folder.to_owned(),
                line: None,
                what: "it has no folder generator/; a pair is needed to train further, in discriminator/ \
                       and generator/"
                    .to_owned(),
            });
        }
        let checkpoint = Checkpoint::open(&at)?;
        let path = generator.join("config.json");
        let json = std::fs::read(&path).map_err(|source| Error::Open {
            path: path.clone(),
            source,
        })?;
        let config = ElectraConfig::parse(&json, &path)?;
        let notice = [folder.join("NOTICE"), at.join("NOTICE")]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok());
        Ok(Origin {
            generator: shape::for_training(&config, dropout)?,
            discriminator: shape::for_training(&checkpoint.config, dropout)?,
            tokenizer: checkpoint.tokenizer,
            weights: OriginWeights::Checkpoints {
                generator: Box::new(Weights::open_generator_folder(&generator)?),
                discriminator: Box::new(checkpoint.weights),
            },
            notice,
        })
    }
}

/// The tokenizer in a folder, or in a file.
fn tokenizer_at(path: &Path) -> Result<Tokenizer, Error> {
    if path.is_dir() {
        return Ok(Tokenizer::open_folder(path)?);
    }
    let bytes = std::fs::read(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source,
    })?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    Ok(if is_json {
        Tokenizer::from_json(&bytes, path)?
    } else {
        Tokenizer::from_vocabulary(&bytes, model::VocabularyOptions::default(), path)?
    })
}

/// The id of `[PAD]`.
fn pad_id(tokenizer: &Tokenizer) -> Result<u32, Error> {
    let vocabulary = tokenizer.vocabulary();
    let at = vocabulary.iter().position(|token| token == "[PAD]");
    at.map(|at| at as u32).ok_or_else(|| {
        Error::Settings("the tokenizer has no token [PAD], which fills up short windows".to_owned())
    })
}

fn padded_with(config: &ElectraConfig, pad: u32) -> Result<ElectraConfig, Error> {
    let mut json = config.raw.clone();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("pad_token_id".into(), pad.into());
    }
    shape::parsed(&json)
}

#[cfg(test)]
mod tests;
