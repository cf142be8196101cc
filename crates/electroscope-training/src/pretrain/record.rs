//! What a training leaves behind: its log while it runs, and at the end the models with a card.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde_json::json;

use super::pair::{DISCRIMINATOR_WEIGHT, Pair, Side};
use super::saved::{Evaluation, State};
use super::{Start, StepNumbers, Vocabulary};
use crate::Error;
use electroscope_model::{self as model, ElectraConfig, Tokenizer, Weights};

/// Steps that one row of the log is the mean of.
const STEPS_A_ROW: u64 = 10;

/// What is measured, in the order of the log's columns.
const MEASURED: [&str; 8] = [
    "disc_auc",
    "disc_accuracy",
    "disc_precision",
    "disc_recall",
    "disc_loss",
    "masked_lm_accuracy",
    "sampled_masked_lm_accuracy",
    "masked_lm_loss",
];

/// `log.csv`: the course of a training.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    /// Rows that are not on the disk yet.
    rows: String,
    /// What has been added up since the last row.
    sums: [f64; 4],
    count: u64,
}

impl Log {
    /// Opens the log of a training of which `step` steps are done: what was written of later ones,
    /// before an interruption, is taken away.
    pub(super) fn open(path: &Path, step: u64) -> Result<Log, Error> {
        let failed = |source| Error::Write {
            path: path.to_owned(),
            source,
        };
        let header = format!(
            "step,done,epoch,tokens,seconds,rate,loss,generator_loss,discriminator_loss,gradient_norm,{}",
            MEASURED.join(",")
        );
        let earlier = std::fs::read_to_string(path).unwrap_or_default();
        let kept = earlier.lines().skip(1).filter(|row| {
            let number = row.split(',').next().and_then(|number| number.parse().ok());
            number.is_some_and(|number: u64| number <= step)
        });
        let text: String = std::iter::once(header.as_str())
            .chain(kept)
            .flat_map(|row| [row, "\n"])
            .collect();
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, text)
            .and_then(|()| std::fs::rename(&fresh, path))
            .map_err(failed)?;
        let file = File::options().append(true).open(path).map_err(failed)?;
        Ok(Log {
            path: path.to_owned(),
            file,
            rows: String::new(),
            sums: [0.0; 4],
            count: 0,
        })
    }

    /// Adds a step, of which `state` tells already.
    pub(super) fn step(&mut self, state: &State, done: f64, step: &StepNumbers) {
        let numbers = [
            step.loss,
            step.generator_loss,
            step.discriminator_loss,
            step.norm,
        ];
        for (sum, number) in self.sums.iter_mut().zip(numbers) {
            *sum += number;
        }
        self.count += 1;
        if state.step.is_multiple_of(STEPS_A_ROW) || done >= 1.0 {
            let means = self.sums.map(|sum| sum / self.count as f64);
            (self.sums, self.count) = ([0.0; 4], 0);
            self.row(state, done, Some((step.rate, means)), None);
        }
    }

    /// Adds what was measured, and puts all on the disk.
    pub(super) fn evaluated(
        &mut self,
        state: &State,
        done: f64,
        evaluation: &Evaluation,
    ) -> Result<(), Error> {
        self.row(state, done, None, Some(evaluation));
        self.flush()
    }

    fn row(
        &mut self,
        state: &State,
        done: f64,
        means: Option<(f64, [f64; 4])>,
        evaluation: Option<&Evaluation>,
    ) {
        let rows = &mut self.rows;
        // Writing to a string cannot fail.
        let _ = write!(
            rows,
            "{},{done:.6},{},{},{:.1}",
            state.step, state.position.epoch, state.tokens, state.seconds
        );
        let _ = match means {
            Some((rate, [loss, generator, discriminator, norm])) => write!(
                rows,
                ",{rate:.6e},{loss:.6},{generator:.6},{discriminator:.6},{norm:.6}"
            ),
            None => write!(rows, ",,,,,"),
        };
        for name in MEASURED {
            let value = evaluation.and_then(|evaluation| value_of(evaluation, name));
            let _ = match value {
                Some(value) => write!(rows, ",{value:.6}"),
                None => write!(rows, ","),
            };
        }
        rows.push('\n');
    }

    /// Puts all rows on the disk.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.rows);
        self.file
            .write_all(rows.as_bytes())
            .map_err(|source| Error::Write {
                path: self.path.clone(),
                source,
            })
    }
}

fn value_of(evaluation: &Evaluation, name: &str) -> Option<f64> {
    let value = (evaluation.values.iter()).find(|(known, _)| known == name);
    value.and_then(|(_, value)| *value)
}

/// Writes one of the two in Hugging Face layout into a folder of its name below `out`.
pub(super) fn write_model(
    out: &Path,
    side: Side,
    config: &ElectraConfig,
    tokenizer: &Tokenizer,
    tensors: HashMap<String, Tensor>,
    state: &State,
) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    };
    let (fresh, folder) = (
        out.join(format!("{}.new", side.name())),
        out.join(side.name()),
    );
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(failed(&fresh))?;
    }
    if folder.exists() {
        // From an end that was interrupted.
        std::fs::remove_dir_all(&folder).map_err(failed(&folder))?;
    }
    let bytes = safetensors::serialize(&tensors, None)
        .map_err(|err| failed(&fresh)(std::io::Error::other(err)))?;
    let weights = Weights::held(vec![(fresh.join("model.safetensors"), bytes)], false)?;
    model::export(&fresh, config, side.head(), tokenizer, &weights, None)?;
    if let Some(notice) = &state.notice {
        let path = fresh.join("NOTICE");
        std::fs::write(&path, notice).map_err(failed(&path))?;
    }
    std::fs::rename(&fresh, &folder).map_err(failed(&folder))
}

/// Writes `training.json`, `README.md` and, where there is one, `NOTICE` into `out`, and the card
/// into the models' folders too, for they may part.
pub(super) fn write_card(out: &Path, state: &State, pair: &Pair) -> Result<(), Error> {
    let write = |path: PathBuf, text: &str| {
        std::fs::write(&path, text).map_err(|source| Error::Write { path, source })
    };
    let evaluations: Vec<_> = (state.evaluations.iter())
        .map(|evaluation| {
            let values: serde_json::Map<String, serde_json::Value> = (evaluation.values.iter())
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            json!({"step": evaluation.step, "values": values})
        })
        .collect();
    let corpus: Vec<_> = (state.corpus.files.iter())
        .map(|file| {
            json!({
                "path": file.path, "documents": file.documents, "held_out": file.held_out,
                "bytes": file.bytes,
            })
        })
        .collect();
    let training = json!({
        "schema_version": 1,
        "program": concat!("electroscope ", env!("CARGO_PKG_VERSION")),
        "steps": state.step,
        "tokens": state.tokens,
        "epochs": state.position.epoch,
        "minutes": state.seconds / 60.0,
        "settings": state.settings,
        "text": corpus,
        "evaluations": evaluations,
    });
    write(out.join("training.json"), &format!("{training:#}\n"))?;
    let card = card(state, pair);
    write(out.join("README.md"), &card)?;
    for side in [Side::Discriminator, Side::Generator] {
        write(out.join(side.name()).join("README.md"), &card)?;
    }
    if let Some(notice) = &state.notice {
        write(out.join("NOTICE"), notice)?;
    }
    Ok(())
}

/// The model card.
fn card(state: &State, pair: &Pair) -> String {
    let settings = &state.settings;
    let (generator, discriminator) = (&pair.generator, &pair.discriminator);
    let of = |config: &ElectraConfig| {
        format!(
            "{} layers, hidden {}, embeddings {}, {} heads, feed-forward {}, {} positions, {} tokens",
            config.num_hidden_layers,
            config.hidden_size,
            config.embedding_size,
            config.num_attention_heads,
            config.intermediate_size,
            config.max_position_embeddings,
            config.vocab_size,
        )
    };
    let start = match &settings.start {
        Start::Scratch { vocabulary, .. } => {
            let vocabulary = match vocabulary {
                Vocabulary::Builtin => "BERT's, uncased".to_owned(),
                Vocabulary::Path(path) => format!("taken from `{}`", path.display()),
                Vocabulary::Learn { size, is_cased } => format!(
                    "learnt from the text ({} at most {size} pieces)",
                    if *is_cased { "cased," } else { "uncased," }
                ),
            };
            format!("It was trained from scratch. The vocabulary is {vocabulary}.")
        }
        Start::Builtin => {
            "**It was not trained from scratch**: it went on from Electroscope's built-in \
            pair, with its vocabulary. See `NOTICE`, which goes wherever this goes."
                .to_owned()
        }
        Start::Folder(folder) => format!(
            "**It was not trained from scratch**: it went on from the pair in `{}`, with its vocabulary. \
             What holds for that holds for this.",
            folder.display()
        ),
    };
    let mut text = format!(
        "# An ELECTRA discriminator and its generator\n\n\
         Pre-trained with `electroscope pretrain`. In Hugging Face layout: `discriminator/` is an \
         `ElectraForPreTraining` ({}), `generator/` an `ElectraForMaskedLM` ({}); they share their \
         embeddings.\n\n{start}\n\n",
        of(discriminator),
        of(generator),
    );
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line("## Settings\n".to_owned());
    line(format!(
        "ELECTRA's objective: {} % of the tokens masked, the generator samples in their place, loss MLM + \
         {DISCRIMINATOR_WEIGHT} × RTD.\n",
        100.0 * settings.mask
    ));
    line("| | |\n|---|---|".to_owned());
    let mut row = |name: &str, value: String| line(format!("| {name} | {value} |"));
    row("steps", state.step.to_string());
    row("tokens", state.tokens.to_string());
    row("passes over the text", state.position.epoch.to_string());
    row("minutes", format!("{:.1}", state.seconds / 60.0));
    row("windows in a step", settings.batch_size.to_string());
    row(
        "tokens in a window",
        settings
            .longest
            .map_or("-".into(), |longest| longest.to_string()),
    );
    row("learning rate", format!("{:e}", settings.learning_rate));
    row(
        "warm-up",
        format!("{:.3} of the whole", settings.warmup_share()),
    );
    row("weight decay", settings.weight_decay.to_string());
    row("dropout", discriminator.hidden_dropout_prob.to_string());
    row(
        "word embeddings",
        if settings.freeze_embeddings {
            "frozen"
        } else {
            "trained"
        }
        .to_owned(),
    );
    row("seed", settings.seed.to_string());
    line("\n## Text\n".to_owned());
    line("| file | documents | held out | bytes |\n|---|--:|--:|--:|".to_owned());
    for file in &state.corpus.files {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        line(format!(
            "| {} | {} | {} | {} |",
            electroscope_text::visible(&name).replace('|', "\\|"),
            file.documents,
            file.held_out,
            file.bytes
        ));
    }
    line(
        "\nWhoever passes this on says here which licences the text is under.\n\n## What it is worth\n"
            .to_owned(),
    );
    let on = match settings.eval.is_empty() {
        true => "documents of the text that were held out",
        false => "text of its own, named with `--eval`",
    };
    line(format!(
        "Measured on {on}: tokens masked at random, replaced by what the generator samples.\n"
    ));
    line("| | at the end |\n|---|--:|".to_owned());
    for (name, value) in state
        .evaluations
        .last()
        .map_or(&[][..], |last| &last.values)
    {
        let value = value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        line(format!("| `{name}` | {value} |"));
    }
    line(
        "\nNo threshold was calibrated: `electroscope score --calibrate` finds one on text that is fine.\n\
         `training.json` has all settings and all that was measured, `log.csv` the course."
            .to_owned(),
    );
    text
}
