//! Pre-training: a generator replaces tokens, a discriminator finds the replaced ones.
//!
//! A step: `corpus` reads text and cuts it into windows by `segments`, `masking` chooses the tokens to
//! mask, both on a thread of their own in `prefetch`; in `model_pair` the generator predicts and samples
//! the masked tokens and the discriminator classifies all tokens; the optimizer updates the parameters
//! of both. `evaluation` measures the pair on held-out text, `saved_state` saves all that is needed to
//! resume, `log` writes `log.csv`, and `model_card` writes the results.
//!
//! Every random choice is a function of the seed and of what it is about (see [`super::rng`]), so that a
//! resumed training computes the same numbers, bit for bit, as an uninterrupted one. A training bounded
//! by time is the exception, because its learning rate depends on the clock.
//!
//! Follows ELECTRA (Clark et al. 2020) and its code, google-research/electra; the files say where it
//! differs.

mod corpus;
mod evaluation;
mod log;
mod masking;
mod model_card;
mod model_pair;
mod model_size;
mod prefetch;
mod saved_state;
mod segments;
mod vocabulary;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use self::corpus::{Corpus, WindowCutter};
use self::log::TrainingLog;
use self::masking::MaskingRate;
use self::model_pair::{InitialWeights, ModelPair, PairMember, PairOptions, SAMPLES};
use self::prefetch::{BatchPrefetcher, BatchSource};
use self::saved_state::{EvaluationEntry, PretrainState};
use self::segments::{PretrainWindow, SpecialTokens};
use super::Error;
use super::folder_lock::FolderLock;
use super::observer::{EvaluationReport, StepReport, TrainingObserver};
use super::optimizer::{AdamSettings, Optimizer};
use super::resume_store::SavedTensors;
use super::schedule::Schedule;
use super::text_files;
use electroscope_model::checkpoint::packed::PackedPair;
use electroscope_model::nn::layers::{Drops, Pass};
use electroscope_model::{self as model, Checkpoint, ElectraConfig, Tokenizer, Weights};

pub use self::model_pair::TrainingPrecision;
pub use self::model_size::{PairSize, SizePreset};

/// The source of the vocabulary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum VocabularySource {
    /// The built-in one: BERT's, uncased.
    Builtin,
    /// A folder with a tokenizer, a `tokenizer.json` or a `vocab.txt`.
    Path(PathBuf),
    /// Learn one from the text.
    Learn {
        /// The number of tokens at most.
        size: usize,
        /// Whether upper and lower case are distinguished.
        is_cased: bool,
    },
}

/// What a pre-training starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PretrainStart {
    /// Random weights.
    Scratch {
        /// The sizes of the models.
        #[serde(rename = "shape")]
        size: PairSize,
        /// The source of their vocabulary.
        vocabulary: VocabularySource,
    },
    /// The built-in pair, with its vocabulary.
    Builtin,
    /// A folder with the pair in `discriminator/` and `generator/`, with its vocabulary.
    Folder(PathBuf),
}

/// The settings of a pre-training: all that determines the result, except for the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainSettings {
    /// The text to train on: files, folders, patterns.
    pub text: Vec<PathBuf>,
    /// The text to evaluate on; by default documents held out from the training text.
    pub eval: Vec<PathBuf>,
    /// The folder to create.
    pub out: PathBuf,
    /// What to start from.
    pub start: PretrainStart,
    /// The tokens of a window at most; by default as many as the model has positions, but at most 128 if a
    /// pair is trained further.
    #[serde(rename = "longest")]
    pub max_length: Option<usize>,
    /// The windows of a step.
    pub batch_size: usize,
    /// The random seed.
    pub seed: u64,
    /// The steps after which the training ends.
    pub steps: Option<u64>,
    /// The minutes after which the training ends.
    pub minutes: Option<f64>,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// The share of the training that warms up; see [`PretrainSettings::warmup_share`] for the default.
    pub warmup: Option<f64>,
    /// The decoupled weight decay.
    pub weight_decay: f64,
    /// The fraction of the tokens that is masked.
    pub mask: f64,
    /// The dropout probability, if it should differ from that of the checkpoint trained further.
    pub dropout: Option<f64>,
    /// Whether the word embeddings are not trained.
    pub freeze_embeddings: bool,
    /// The minutes between two saved states.
    pub save_minutes: f64,
}

impl PretrainSettings {
    /// The share of the training that warms up: by default the reference's 10,000 steps, but at most a
    /// tenth.
    pub fn warmup_share(&self) -> f64 {
        const STEPS: f64 = 10_000.0;
        const MOST: f64 = 0.1;
        self.warmup.unwrap_or_else(|| match self.steps {
            Some(steps) => (STEPS / steps.max(1) as f64).min(MOST),
            None => MOST,
        })
    }

    /// Checks what can be checked before any file is read.
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
            return refuse("--steps and --minutes must be greater than 0".to_owned());
        }
        if self.batch_size == 0 {
            return refuse("--batch-size must be at least 1".to_owned());
        }
        if !(self.mask > 0.0 && self.mask < 1.0) {
            return refuse(format!(
                "--mask-prob is {}, but it must be between 0 and 1; 0.15 is usual",
                self.mask
            ));
        }
        if self.warmup.is_some_and(|share| !is_share(share)) {
            return refuse("--warmup must be between 0 and 1".to_owned());
        }
        if self
            .dropout
            .is_some_and(|share| !(0.0..1.0).contains(&share))
        {
            return refuse("--dropout must be at least 0 and less than 1".to_owned());
        }
        if !(self.save_minutes >= 0.0 && self.save_minutes.is_finite()) {
            return refuse(format!(
                "--save-every is {}, but it must be a number of minutes, 0 to save after each step",
                self.save_minutes
            ));
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return refuse(format!(
                "--learning-rate is {}, but it must be a number greater than 0",
                self.learning_rate
            ));
        }
        if !is_share(self.weight_decay) {
            return refuse("--weight-decay must be between 0 and 1".to_owned());
        }
        // An empty folder is fine, but no file may be overwritten.
        let is_taken = match std::fs::read_dir(&self.out) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => self.out.exists(),
        };
        if is_taken {
            return refuse(format!(
                "{} exists and is not empty; name another folder with --out, or resume the training in it \
                with --resume",
                self.out.display()
            ));
        }
        Ok(())
    }
}

/// What a program gives to a pre-training, at its start and again when it is resumed.
#[derive(Clone, Debug)]
pub struct PretrainEnvironment {
    /// The device.
    pub device: Device,
    /// The precision.
    pub precision: TrainingPrecision,
    /// The built-in pair, for [`PretrainStart::Builtin`] and [`VocabularySource::Builtin`]; none if the
    /// program has none.
    pub builtin: Option<&'static PackedPair>,
}

impl PretrainEnvironment {
    fn builtin(&self) -> Result<&'static PackedPair, Error> {
        self.builtin
            .ok_or_else(|| Error::Settings("this program has no built-in pair".to_owned()))
    }
}

/// How a pre-training ended.
#[derive(Clone, Debug, PartialEq)]
pub enum PretrainOutcome {
    /// The training is complete, and the models are in the output folder.
    Finished {
        /// The number of steps.
        steps: u64,
        /// The metrics at the end, by name, the most important one first.
        values: Vec<(String, Option<f64>)>,
    },
    /// The training was stopped, and can be resumed.
    Stopped {
        /// The number of steps so far.
        steps: u64,
    },
}

/// Pre-trains a pair. `observer` is told of every step, and can stop the training after it.
///
/// # Errors
///
/// Invalid settings, text or checkpoints, reported before anything is written; later a full disk, text
/// that changed, failed tensor operations.
pub fn pretrain(
    settings: PretrainSettings,
    environment: &PretrainEnvironment,
    observer: &mut dyn TrainingObserver,
) -> Result<PretrainOutcome, Error> {
    Pretraining::begin(settings, environment, observer)?.run(observer)
}

/// Resumes the pre-training in the folder `out` from its last saved state.
///
/// # Errors
///
/// As [`pretrain`]; no saved state.
pub fn resume(
    out: &Path,
    environment: &PretrainEnvironment,
    observer: &mut dyn TrainingObserver,
) -> Result<PretrainOutcome, Error> {
    Pretraining::resume(out, environment, observer)?.run(observer)
}

/// The number of evaluations in the course of a training.
const EVALUATIONS: f64 = 10.0;

/// A pre-training in progress.
struct Pretraining {
    state: PretrainState,
    tokenizer: Arc<Tokenizer>,
    pair: ModelPair,
    optimizer: Optimizer,
    cutter: WindowCutter,
    rate: MaskingRate,
    /// The windows to evaluate on.
    held_out: Vec<PretrainWindow>,
    log: TrainingLog,
    _lock: FolderLock,
}

/// The files that `paths` stand for, as absolute paths: a training may be resumed elsewhere.
fn absolute_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let files = text_files::files(paths)?;
    Ok(files.into_iter().map(absolute).collect())
}

impl Pretraining {
    fn begin(
        mut settings: PretrainSettings,
        environment: &PretrainEnvironment,
        observer: &mut dyn TrainingObserver,
    ) -> Result<Pretraining, Error> {
        settings.check()?;
        if let PretrainStart::Scratch { size, .. } = &settings.start {
            // Reports invalid sizes before any text is read.
            size.configs(SMALLEST_VOCABULARY)?;
        }
        settings.out = std::path::absolute(&settings.out).unwrap_or(settings.out);
        settings.eval = absolute_files(&settings.eval)?;
        settings.text = absolute_files(&settings.text)?;
        // The folder to train on may contain the files to evaluate on.
        settings.text.retain(|file| !settings.eval.contains(file));
        if settings.text.is_empty() {
            return Err(Error::Settings(
                "no text to train on; name files, folders or patterns".to_owned(),
            ));
        }
        observer.started("surveying the text");
        let corpus = Corpus::survey(&settings.text, settings.eval.is_empty())?;
        let held_out = match corpus.held_out() {
            0 => String::new(),
            held_out => format!(", {held_out} more held out for evaluation"),
        };
        observer.message(&format!(
            "documents to train on: {}{held_out}",
            corpus.training_count()
        ));
        let start = StartingPoint::open(&settings, environment, &corpus, observer)?;
        let positions = start.discriminator.max_position_embeddings;
        let longest = settings.max_length.unwrap_or(match settings.start {
            PretrainStart::Scratch { .. } => positions,
            PretrainStart::Builtin | PretrainStart::Folder(_) => positions.min(DEFAULT_WINDOW),
        });
        if longest > positions || longest < SHORTEST_WINDOW {
            return Err(Error::Settings(format!(
                "windows of {longest} tokens were asked for, but the model has {positions} positions, and \
                at least {SHORTEST_WINDOW} tokens are needed",
            )));
        }
        settings.max_length = Some(longest);
        let pair = ModelPair::new(
            start.generator,
            start.discriminator,
            start.weights.as_initial(settings.seed),
            pair_options(&settings, environment),
        )?;
        let state = PretrainState::new(
            settings,
            pair.generator.raw.clone(),
            pair.discriminator.raw.clone(),
            corpus,
            start.notice,
        );
        let lock = saved_state::lock(&state.settings.out)?;
        Pretraining::prepare(state, start.tokenizer, pair, lock)
    }

    fn resume(
        out: &Path,
        environment: &PretrainEnvironment,
        observer: &mut dyn TrainingObserver,
    ) -> Result<Pretraining, Error> {
        observer.started("reading the saved state");
        let lock = saved_state::lock_existing(out)?;
        let saved_state::SavedPretraining {
            mut state,
            tokenizer,
            tensors,
        } = saved_state::open(out)?;
        // The folder may have been moved.
        state.settings.out = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
        observer.started("surveying the text");
        let now = Corpus::survey(&state.settings.text, state.settings.eval.is_empty())?;
        corpus::check_unchanged(&state.corpus, &now)?;
        state.corpus = now;
        let pair = ModelPair::new(
            model_size::parse_config(&state.generator)?,
            model_size::parse_config(&state.discriminator)?,
            InitialWeights::Saved(tensors.weights),
            pair_options(&state.settings, environment),
        )?;
        let mut training = Pretraining::prepare(state, tokenizer, pair, lock)?;
        training.optimizer.restore(&tensors.moments)?;
        Ok(training)
    }

    /// Prepares a training from its state, new or saved.
    fn prepare(
        mut state: PretrainState,
        tokenizer: Arc<Tokenizer>,
        pair: ModelPair,
        lock: FolderLock,
    ) -> Result<Pretraining, Error> {
        let settings = &state.settings;
        let longest = (settings.max_length).unwrap_or(pair.discriminator.max_position_embeddings);
        let cutter = WindowCutter {
            special: SpecialTokens {
                cls: tokenizer.cls_id(),
                sep: tokenizer.sep_id(),
                mask: tokenizer.mask_id(),
                pad: pair.discriminator.pad_token_id,
            },
            tokenizer: Arc::clone(&tokenizer),
            longest,
            seed: settings.seed,
        };
        let held_out = held_out_windows(&state, &cutter)?;
        if held_out.is_empty() {
            return Err(Error::Settings(
                "the text to evaluate on has no tokens; add text with --eval".to_owned(),
            ));
        }
        let hash = hash_of(&held_out);
        if state.held_out_hash.is_some_and(|before| before != hash) {
            return Err(Error::Settings(
                "the text to evaluate on is not that of when the training began; restore it, because the \
                 results before and after would not compare"
                    .to_owned(),
            ));
        }
        state.held_out_hash = Some(hash);
        let settings = &state.settings;
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
        let log = TrainingLog::open(&settings.out.join("log.csv"), state.step)?;
        Ok(Pretraining {
            rate: MaskingRate::new(settings.mask, longest),
            state,
            tokenizer,
            pair,
            optimizer,
            cutter,
            held_out,
            log,
            _lock: lock,
        })
    }

    /// The share of the training that is done, `0.0..=1.0`.
    fn progress(&self) -> f64 {
        let PretrainSettings { steps, minutes, .. } = &self.state.settings;
        let by_steps = steps.map_or(0.0, |steps| self.state.step as f64 / steps.max(1) as f64);
        let by_time = minutes.map_or(0.0, |minutes| self.state.seconds / (minutes * 60.0));
        by_steps.max(by_time).min(1.0)
    }

    fn run(mut self, observer: &mut dyn TrainingObserver) -> Result<PretrainOutcome, Error> {
        let source = BatchSource {
            corpus: Arc::new(self.state.corpus.clone()),
            cutter: self.cutter.clone(),
            batch_size: self.state.settings.batch_size,
            rate: self.rate,
        };
        if observer.should_stop() {
            self.save(observer)?;
            return Ok(PretrainOutcome::Stopped {
                steps: self.state.step,
            });
        }
        observer.started("cutting the text into windows");
        let prefetcher = BatchPrefetcher::start(source, self.state.position, self.state.step)?;
        let schedule = Schedule {
            warmup: self.state.settings.warmup_share(),
        };
        let save_after = Duration::try_from_secs_f64(self.state.settings.save_minutes * 60.0)
            .unwrap_or(Duration::MAX);
        let mut saved_at = Instant::now();
        let (mut began, seconds_before) = (None, self.state.seconds);
        loop {
            let before = self.progress();
            if before >= 1.0 {
                break;
            }
            let requested = Instant::now();
            let batch = prefetcher.next()?;
            let waited = requested.elapsed();
            // The time until the first batch is ready is not counted.
            let since = *began.get_or_insert_with(Instant::now);
            let step = self.step(&batch, schedule.factor(before))?;
            self.state.seconds = seconds_before + since.elapsed().as_secs_f64();
            tracing::debug!(step = self.state.step, ?waited, took = ?requested.elapsed(), "step");
            self.state.step += 1;
            self.state.position = batch.after;
            self.state.tokens += batch.tokens() as u64;
            let progress = self.progress();
            self.log.step(&self.state, progress, &step);
            observer.step(&StepReport {
                step: self.state.step,
                steps: self.state.settings.steps,
                progress,
                loss: step.loss,
                loss_parts: &[
                    ("generator", step.generator_loss),
                    ("discriminator", step.discriminator_loss),
                ],
                learning_rate: step.learning_rate,
                tokens: batch.tokens(),
            });
            let is_due = (progress * EVALUATIONS).floor() > (before * EVALUATIONS).floor();
            if is_due && progress < 1.0 {
                self.evaluate(observer)?;
            }
            let is_stopped = observer.should_stop();
            if progress < 1.0 && (is_stopped || saved_at.elapsed() >= save_after) {
                self.save(observer)?;
                saved_at = Instant::now();
                if is_stopped {
                    return Ok(PretrainOutcome::Stopped {
                        steps: self.state.step,
                    });
                }
            }
        }
        drop(prefetcher);
        self.finish(observer)
    }

    /// Computes a batch and updates the parameters.
    fn step(&mut self, batch: &prefetch::PretrainBatch, factor: f64) -> Result<StepMetrics, Error> {
        let (seed, step) = (self.state.settings.seed, self.state.step);
        let drops = Drops::new(seed, step);
        let key = [SAMPLES, seed, step];
        let pass = Pass::Train(&drops);
        let output = self
            .pair
            .forward(&batch.windows, &batch.masked, &key, pass)?;
        let loss = output.loss()?;
        let gradients = loss.backward()?;
        let norm = self.optimizer.step(&gradients, factor)?;
        let number = |tensor: &candle_core::Tensor| -> Result<f64, Error> {
            Ok(f64::from(tensor.to_scalar::<f32>()?))
        };
        Ok(StepMetrics {
            loss: number(&loss)?,
            generator_loss: number(&output.generator_loss)?,
            discriminator_loss: number(&output.discriminator_loss)?,
            learning_rate: self.state.settings.learning_rate * factor,
            gradient_norm: norm,
        })
    }

    fn evaluate(&mut self, observer: &mut dyn TrainingObserver) -> Result<(), Error> {
        observer.started("evaluating on held-out text");
        let values = evaluation::evaluate(&self.pair, &self.held_out, self.rate, &self.cutter)?;
        let main_value =
            |values: &[(String, Option<f64>)]| values.first().and_then(|value| value.1);
        let best = (self.state.evaluations.iter())
            .filter_map(|evaluation| main_value(&evaluation.values))
            .fold(f64::NEG_INFINITY, f64::max);
        let evaluation = EvaluationEntry {
            step: self.state.step,
            values: (values.iter())
                // JSON has no NaN.
                .map(|&(name, value)| (name.to_owned(), value.is_finite().then_some(value)))
                .collect(),
        };
        observer.evaluated(&EvaluationReport {
            step: self.state.step,
            values: &values,
            is_best: best.is_finite()
                && main_value(&evaluation.values).is_some_and(|value| value > best),
        });
        self.log
            .evaluated(&self.state, self.progress(), &evaluation)?;
        self.state.evaluations.push(evaluation);
        Ok(())
    }

    fn save(&mut self, observer: &mut dyn TrainingObserver) -> Result<(), Error> {
        observer.started("saving");
        self.log.flush()?;
        let tensors = SavedTensors {
            weights: self.pair.tensors(),
            moments: self.optimizer.state()?.into_iter().collect(),
        };
        saved_state::save(
            &self.state.settings.out,
            &self.state,
            &self.tokenizer,
            &tensors,
        )
    }

    /// Evaluates the pair a last time, and writes the results.
    fn finish(mut self, observer: &mut dyn TrainingObserver) -> Result<PretrainOutcome, Error> {
        if (self.state.evaluations.last()).is_none_or(|last| last.step < self.state.step) {
            self.evaluate(observer)?;
        }
        self.log.flush()?;
        observer.started("writing the models");
        let out = &self.state.settings.out;
        for (member, config) in [
            (PairMember::Discriminator, &self.pair.discriminator),
            (PairMember::Generator, &self.pair.generator),
        ] {
            let tensors = self.pair.tensors_of(member)?;
            let state = &self.state;
            model_card::write_model(out, member, config, &self.tokenizer, tensors, state)?;
        }
        model_card::write_cards(out, &self.state, &self.pair)?;
        saved_state::clear(out)?;
        let values = self.state.evaluations.pop().map(|last| last.values);
        Ok(PretrainOutcome::Finished {
            steps: self.state.step,
            values: values.unwrap_or_default(),
        })
    }
}

/// The numbers of a step, for the log.
struct StepMetrics {
    loss: f64,
    generator_loss: f64,
    discriminator_loss: f64,
    learning_rate: f64,
    gradient_norm: f64,
}

/// The shortest possible window: two special tokens and something to predict from.
const SHORTEST_WINDOW: usize = 5;

/// The default window length of a pair that is trained further; it may have more positions than a
/// short training can use.
const DEFAULT_WINDOW: usize = 128;

/// Five special tokens and a letter.
const SMALLEST_VOCABULARY: usize = 6;

fn pair_options<'a>(
    settings: &PretrainSettings,
    environment: &'a PretrainEnvironment,
) -> PairOptions<'a> {
    PairOptions {
        device: &environment.device,
        precision: environment.precision,
        freeze_word_embeddings: settings.freeze_embeddings,
    }
}

/// The windows to evaluate on, from the text given for that or else from the held-out documents.
fn held_out_windows(
    state: &PretrainState,
    cutter: &WindowCutter,
) -> Result<Vec<PretrainWindow>, Error> {
    /// Stands in random keys in the place of the pass over the corpus.
    const NO_EPOCH: u64 = u64::MAX;
    let documents = match state.settings.eval.as_slice() {
        [] => state.corpus.held_out_documents()?,
        files => text_files::Documents::of(files.to_vec()).collect::<Result<Vec<_>, Error>>()?,
    };
    let mut windows = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let key = [corpus::SEGMENTS, cutter.seed, NO_EPOCH, number as u64];
        windows.extend(cutter.cut(&document.text, &key)?);
    }
    Ok(evaluation::evenly_spaced(windows, evaluation::MOST_WINDOWS))
}

/// A hash of the tokens of windows.
fn hash_of(windows: &[PretrainWindow]) -> u64 {
    let mut hash = Xxh3Default::new();
    for window in windows {
        hash.update(&(window.ids.len() as u64).to_le_bytes());
        for id in &window.ids {
            hash.update(&id.to_le_bytes());
        }
    }
    hash.digest()
}

/// What a pre-training starts from, loaded.
struct StartingPoint {
    generator: ElectraConfig,
    discriminator: ElectraConfig,
    tokenizer: Arc<Tokenizer>,
    weights: StartingWeights,
    notice: Option<String>,
}

enum StartingWeights {
    Random,
    Checkpoints {
        generator: Box<Weights>,
        discriminator: Box<Weights>,
    },
}

impl StartingWeights {
    fn as_initial(&self, seed: u64) -> InitialWeights<'_> {
        match self {
            StartingWeights::Random => InitialWeights::Random(seed),
            StartingWeights::Checkpoints {
                generator,
                discriminator,
            } => InitialWeights::Checkpoints {
                generator,
                discriminator,
            },
        }
    }
}

/// The notice for BERT's vocabulary.
const VOCABULARY_NOTICE: &str = "The vocabulary is that of BERT, uncased\n\
    https://github.com/google-research/bert\n\
    by the Google AI Language Team\n\
    Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0\n";

impl StartingPoint {
    fn open(
        settings: &PretrainSettings,
        environment: &PretrainEnvironment,
        corpus: &Corpus,
        observer: &mut dyn TrainingObserver,
    ) -> Result<StartingPoint, Error> {
        match &settings.start {
            PretrainStart::Scratch { size, vocabulary } => {
                let (tokenizer, notice) = match vocabulary {
                    VocabularySource::Builtin => {
                        let tokenizer = Arc::new(environment.builtin()?.tokenizer()?);
                        (tokenizer, Some(VOCABULARY_NOTICE.to_owned()))
                    }
                    VocabularySource::Path(path) => (Arc::new(tokenizer_at(path)?), None),
                    VocabularySource::Learn { size, is_cased } => {
                        observer.started("learning a vocabulary");
                        let learnt = vocabulary::learn(corpus, *size, *is_cased)?;
                        if learnt.size() < *size {
                            observer.message(&format!(
    "the text has only enough pieces for a vocabulary of {} instead of {size}",
                                learnt.size()
                            ));
                        }
                        (Arc::new(learnt), None)
                    }
                };
                let (discriminator, generator) = size.configs(tokenizer.size())?;
                let pad = pad_id(&tokenizer)?;
                Ok(StartingPoint {
                    generator: with_pad_id(&generator, pad)?,
                    discriminator: with_pad_id(&discriminator, pad)?,
                    tokenizer,
                    weights: StartingWeights::Random,
                    notice,
                })
            }
            PretrainStart::Builtin => {
                let pair = environment.builtin()?;
                let checkpoint = Checkpoint::from_packed(pair)?;
                let (generator, weights) = pair.generator()?;
                Ok(StartingPoint {
                    generator: model_size::for_training(&generator, settings.dropout)?,
                    discriminator: model_size::for_training(&checkpoint.config, settings.dropout)?,
                    tokenizer: checkpoint.tokenizer,
                    weights: StartingWeights::Checkpoints {
                        generator: Box::new(weights),
                        discriminator: Box::new(checkpoint.weights),
                    },
                    notice: Some(pair.notice.to_owned()),
                })
            }
            PretrainStart::Folder(folder) => StartingPoint::in_folder(folder, settings.dropout),
        }
    }

    /// Opens the pair in a folder: in `discriminator/` and `generator/`, or as `model export` writes it,
    /// in the folder itself and `generator/`.
    fn in_folder(folder: &Path, dropout: Option<f64>) -> Result<StartingPoint, Error> {
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
                what: "it has no folder generator/; a pair to train further must be in discriminator/ and \
       generator/"
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
        Ok(StartingPoint {
            generator: model_size::for_training(&config, dropout)?,
            discriminator: model_size::for_training(&checkpoint.config, dropout)?,
            tokenizer: checkpoint.tokenizer,
            weights: StartingWeights::Checkpoints {
                generator: Box::new(Weights::open_generator_folder(&generator)?),
                discriminator: Box::new(checkpoint.weights),
            },
            notice,
        })
    }
}

/// Opens the tokenizer in a folder or a file.
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
        Error::Settings("the tokenizer has no token [PAD], which pads short windows".to_owned())
    })
}

fn with_pad_id(config: &ElectraConfig, pad: u32) -> Result<ElectraConfig, Error> {
    let mut json = config.raw.clone();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("pad_token_id".into(), pad.into());
    }
    model_size::parse_config(&json)
}

#[cfg(test)]
mod tests;
