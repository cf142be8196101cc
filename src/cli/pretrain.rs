//! `electroscope pretrain`: a generator and a discriminator from running text.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::training_progress::TrainingProgress;
use super::{Exit, Global, messages, setup};
use crate::catalog::builtin;
use crate::settings::EffectiveSettings;
use electroscope_model::device;
use electroscope_training::pretrain::{
    PairSize, PretrainEnvironment, PretrainOutcome, PretrainSettings, PretrainStart, SizePreset,
    TrainingPrecision, VocabularySource, pretrain, resume,
};

/// Sizes with a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum PresetChoice {
    /// 6 layers of 256: learns something on a CPU in hours
    Mini,
    /// ELECTRA-small of the paper: 12 layers of 256
    #[default]
    Small,
    /// ELECTRA-base of the paper: 12 layers of 768
    Base,
}

impl From<PresetChoice> for SizePreset {
    fn from(choice: PresetChoice) -> SizePreset {
        match choice {
            PresetChoice::Mini => SizePreset::Mini,
            PresetChoice::Small => SizePreset::Small,
            PresetChoice::Base => SizePreset::Base,
        }
    }
}

/// What cannot be said of a training that goes on: it was said when it began.
const SETTLED: [&str; 26] = [
    "text",
    "out",
    "eval",
    "from",
    "preset",
    "layers",
    "hidden",
    "embedding",
    "heads",
    "intermediate",
    "generator_hidden",
    "vocab_size",
    "cased",
    "tokenizer",
    "steps",
    "minutes",
    "batch_size",
    "max_seq_length",
    "learning_rate",
    "warmup",
    "weight_decay",
    "mask_prob",
    "dropout",
    "freeze_embeddings",
    "seed",
    "save_every",
];

/// The sizes, which a pair that is trained further has already.
const SIZES: [&str; 10] = [
    "preset",
    "layers",
    "hidden",
    "embedding",
    "heads",
    "intermediate",
    "generator_hidden",
    "vocab_size",
    "cased",
    "tokenizer",
];

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope pretrain --preset mini --minutes 60 --vocab-size 8000 --out mini/ corpus/\n  \
        electroscope pretrain --steps 100000 --eval dev.txt --out small/ 'books/**/*.txt' wiki.txt.zst\n  \
        electroscope pretrain --from builtin --freeze-embeddings --minutes 30 --out mine/ notes/\n  \
        electroscope pretrain --precision bf16 --steps 100000 --out small/ books/    on an NVIDIA GPU\n  \
        electroscope pretrain --resume small/          go on after Ctrl-C or a power cut\n  \
        electroscope --model small/discriminator notes.md\n\n\
        Exit codes: 0 it is done, 2 something failed, 129 saved at SIGHUP, 130 saved at Ctrl-C, 143 saved at SIGTERM.")]
pub(super) struct PretrainArgs {
    /// Text: files, folders (their .txt, .text and .zst), patterns such as 'books/**/*.txt'; a
    /// paragraph a line, an empty line after each document
    #[arg(value_name = "TEXT", required_unless_present = "resume")]
    text: Vec<PathBuf>,
    /// Folder to make: discriminator/, generator/, README.md, training.json, log.csv
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with the training in DIR from where it last saved
    #[arg(long, value_name = "DIR", conflicts_with_all = SETTLED)]
    resume: Option<PathBuf>,
    /// Text to measure on; may be given several times [default: the last of every hundred documents]
    #[arg(long, value_name = "TEXT")]
    eval: Vec<PathBuf>,

    /// End after N steps
    #[arg(long, value_name = "N", help_heading = "How long")]
    steps: Option<u64>,
    /// End after M minutes; with --steps, after what comes first
    #[arg(long, value_name = "M", help_heading = "How long")]
    minutes: Option<f64>,
    /// Save every M minutes, so that no more is lost by an interruption
    #[arg(long, value_name = "M", default_value = "5", help_heading = "How long")]
    save_every: f64,

    /// Train a pair further, with its vocabulary: the built-in one, or a folder with discriminator/
    /// and generator/
    #[arg(long, value_name = "builtin|DIR", conflicts_with_all = SIZES, help_heading = "What to train")]
    from: Option<String>,
    /// Leave the word embeddings as they are
    #[arg(long, help_heading = "What to train")]
    freeze_embeddings: bool,
    /// Sizes by name; those below change single ones
    #[arg(
        long,
        value_name = "NAME",
        default_value = "small",
        help_heading = "What to train"
    )]
    preset: PresetChoice,
    /// Layers of both encoders
    #[arg(long, value_name = "N", help_heading = "What to train")]
    layers: Option<usize>,
    /// Width of the discriminator
    #[arg(long, value_name = "N", help_heading = "What to train")]
    hidden: Option<usize>,
    /// Width of the embeddings, which both have in common
    #[arg(long, value_name = "N", help_heading = "What to train")]
    embedding: Option<usize>,
    /// Attention heads of the discriminator [default: one for every 64 of its width]
    #[arg(long, value_name = "N", help_heading = "What to train")]
    heads: Option<usize>,
    /// Width of its feed-forward layers [default: four times its width]
    #[arg(long, value_name = "N", help_heading = "What to train")]
    intermediate: Option<usize>,
    /// Width of the generator as a share of the discriminator's
    #[arg(long, value_name = "SHARE", help_heading = "What to train")]
    generator_hidden: Option<f64>,
    /// Learn a vocabulary of N pieces from the text
    #[arg(
        long,
        value_name = "N",
        value_parser = vocabulary_size,
        conflicts_with = "tokenizer",
        help_heading = "What to train"
    )]
    vocab_size: Option<usize>,
    /// In it, tell capital letters from small ones
    #[arg(long, requires = "vocab_size", help_heading = "What to train")]
    cased: bool,
    /// Take a vocabulary: the built-in one (BERT's, uncased), a folder's, a tokenizer.json or vocab.txt
    /// [default: builtin]
    #[arg(long, value_name = "builtin|DIR|FILE", help_heading = "What to train")]
    tokenizer: Option<String>,

    /// Windows in a step [default: mini 32, small 128, base 256; with --from 32]
    #[arg(long, value_name = "N", help_heading = "How to train")]
    batch_size: Option<usize>,
    /// Tokens in a window at most; a new model has as many positions [default: 128, base 512]
    #[arg(long, value_name = "N", help_heading = "How to train")]
    max_seq_length: Option<usize>,
    /// The learning rate at its highest [default: mini and small 5e-4, base and --from 2e-4]
    #[arg(long, value_name = "RATE", help_heading = "How to train")]
    learning_rate: Option<f64>,
    /// The share of the training that warms up [default: 10,000 steps, but a tenth at most]
    #[arg(long, value_name = "SHARE", help_heading = "How to train")]
    warmup: Option<f64>,
    /// The share of a weight that a step takes away, times the learning rate
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0.01",
        help_heading = "How to train"
    )]
    weight_decay: f64,
    /// The share of the tokens that is masked
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0.15",
        help_heading = "How to train"
    )]
    mask_prob: f64,
    /// The share of the values that is dropped in training [default: 0.1; with --from the pair's own]
    #[arg(long, value_name = "SHARE", help_heading = "How to train")]
    dropout: Option<f64>,
    /// What chance follows from: the same seed makes the same models
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        help_heading = "How to train"
    )]
    seed: u64,
}

impl PretrainArgs {
    fn settings(&self) -> PretrainSettings {
        let preset = SizePreset::from(self.preset);
        let start = match self.from.as_deref() {
            Some("builtin") => PretrainStart::Builtin,
            Some(folder) => PretrainStart::Folder(folder.into()),
            None => PretrainStart::Scratch {
                size: self.size(preset),
                vocabulary: self.vocabulary(),
            },
        };
        let is_further = self.from.is_some();
        PretrainSettings {
            text: self.text.clone(),
            eval: self.eval.clone(),
            out: self.out.clone().unwrap_or_default(),
            start,
            max_length: self.max_seq_length,
            batch_size: self.batch_size.unwrap_or(match is_further {
                true => FURTHER_BATCH,
                false => preset.batch_size(),
            }),
            seed: self.seed,
            steps: self.steps,
            minutes: self.minutes,
            learning_rate: self.learning_rate.unwrap_or(match is_further {
                true => FURTHER_RATE,
                false => preset.learning_rate(),
            }),
            warmup: self.warmup,
            weight_decay: self.weight_decay,
            mask: self.mask_prob,
            dropout: self.dropout,
            freeze_embeddings: self.freeze_embeddings,
            save_minutes: self.save_every,
        }
    }

    fn size(&self, preset: SizePreset) -> PairSize {
        let usual = preset.size();
        PairSize {
            layers: self.layers.unwrap_or(usual.layers),
            hidden: self.hidden.unwrap_or(usual.hidden),
            embedding: self.embedding.unwrap_or(usual.embedding),
            heads: self.heads.or(usual.heads),
            intermediate: self.intermediate.or(usual.intermediate),
            generator: self.generator_hidden.unwrap_or(usual.generator),
            positions: self.max_seq_length.unwrap_or(usual.positions),
            dropout: self.dropout.unwrap_or(usual.dropout),
        }
    }

    fn vocabulary(&self) -> VocabularySource {
        match (self.vocab_size, self.tokenizer.as_deref()) {
            (Some(size), _) => VocabularySource::Learn {
                size,
                is_cased: self.cased,
            },
            (None, None | Some("builtin")) => VocabularySource::Builtin,
            (None, Some(path)) => VocabularySource::Path(path.into()),
        }
    }
}

/// The defaults for a pair that is trained further.
const FURTHER_BATCH: usize = 32;
const FURTHER_RATE: f64 = 2e-4;

/// The device, the precision and the built-in pair. The precision in the settings file is not for
/// training.
fn environment(
    global: &Global,
    settings: &EffectiveSettings,
) -> anyhow::Result<PretrainEnvironment> {
    let (device, remark) = device::choose(&settings.device)?;
    if let Some(remark) = remark {
        messages::remark(global, &remark);
    }
    let precision = match global.precision.as_deref() {
        None | Some("auto" | "f32") => TrainingPrecision::F32,
        Some("bf16") if device.is_cpu() => {
            anyhow::bail!("cannot train in bf16 on the CPU; use f32, or a GPU with --device cuda")
        }
        Some("bf16") => TrainingPrecision::Bf16,
        Some(other) => anyhow::bail!("cannot train in {other:?}; it must be auto, f32 or bf16"),
    };
    Ok(PretrainEnvironment {
        device,
        precision,
        builtin: Some(&builtin::PAIR),
    })
}

/// The most tokens that a vocabulary is learnt for: eight times those of the largest that are used.
const MOST_TOKENS: usize = 1 << 20;

/// Reads the size of a vocabulary.
fn vocabulary_size(typed: &str) -> Result<usize, String> {
    match typed.parse() {
        Ok(size) if (1..=MOST_TOKENS).contains(&size) => Ok(size),
        _ => Err(format!("it must be a number from 1 to {MOST_TOKENS}")),
    }
}

pub(super) fn run(global: &Global, args: &PretrainArgs) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let environment = environment(global, catalog.settings())?;
    let mut progress = TrainingProgress::new(global)?;
    let (outcome, out) = match &args.resume {
        Some(out) => (resume(out, &environment, &mut progress), out.clone()),
        None => {
            let settings = args.settings();
            let out = settings.out.clone();
            (pretrain(settings, &environment, &mut progress), out)
        }
    };
    progress.finish();
    let out = out.display();
    match outcome? {
        PretrainOutcome::Finished { steps, values } => {
            let mut output = io::stdout().lock();
            writeln!(output, "steps\t{steps}")?;
            for (name, value) in values {
                match value {
                    Some(value) => writeln!(output, "{name}\t{value:.6}")?,
                    None => writeln!(output, "{name}\t-")?,
                }
            }
            messages::remark(
                global,
                &format!("wrote the discriminator and the generator into {out}"),
            );
            Ok(Exit::Clean)
        }
        PretrainOutcome::Stopped { steps } => {
            messages::remark(
                global,
                &format!(
                    "stopped after step {steps}; go on with: electroscope pretrain --resume {out}"
                ),
            );
            Ok(Exit::Code(progress.exit_code()))
        }
    }
}
