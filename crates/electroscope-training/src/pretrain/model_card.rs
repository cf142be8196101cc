//! The results of a pre-training: the models with `README.md`, `training.json` and `NOTICE`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde_json::json;

use super::model_pair::{DISCRIMINATOR_WEIGHT, ModelPair, PairMember};
use super::saved_state::PretrainState;
use super::{PretrainStart, VocabularySource};
use crate::{Error, durable_files};
use electroscope_model::{self as model, ElectraConfig, Tokenizer, Weights};

/// Writes one of the models in Hugging Face layout, into a folder of its name below `out`.
///
/// # Errors
///
/// [`Error::Write`], [`Error::Model`].
pub(super) fn write_model(
    out: &Path,
    member: PairMember,
    config: &ElectraConfig,
    tokenizer: &Tokenizer,
    tensors: HashMap<String, Tensor>,
    state: &PretrainState,
) -> Result<(), Error> {
    durable_files::replace_folder(&out.join(member.name()), |folder| {
        let path = folder.join("model.safetensors");
        let bytes = safetensors::serialize(&tensors, None).map_err(|err| Error::Write {
            path: path.clone(),
            source: std::io::Error::other(err),
        })?;
        let weights = Weights::held(vec![(path, bytes)], false)?;
        model::export(folder, config, member.head(), tokenizer, &weights, None)?;
        if let Some(notice) = &state.notice {
            durable_files::write(&folder.join("NOTICE"), notice.as_bytes())?;
        }
        Ok(())
    })
}

/// Writes `training.json`, `README.md` and `NOTICE`, if there is one, into `out`, and `README.md` also
/// into the folders of the models, which may be moved separately.
///
/// # Errors
///
/// [`Error::Write`].
pub(super) fn write_cards(
    out: &Path,
    state: &PretrainState,
    pair: &ModelPair,
) -> Result<(), Error> {
    let write = |path: PathBuf, text: &str| durable_files::write(&path, text.as_bytes());
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
    let card = model_card(state, pair);
    write(out.join("README.md"), &card)?;
    for member in [PairMember::Discriminator, PairMember::Generator] {
        write(out.join(member.name()).join("README.md"), &card)?;
    }
    if let Some(notice) = &state.notice {
        write(out.join("NOTICE"), notice)?;
    }
    Ok(())
}

/// The model card, in Markdown.
fn model_card(state: &PretrainState, pair: &ModelPair) -> String {
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
        PretrainStart::Scratch { vocabulary, .. } => {
            let vocabulary = match vocabulary {
                VocabularySource::Builtin => "BERT's, uncased".to_owned(),
                VocabularySource::Path(path) => format!("taken from `{}`", path.display()),
                VocabularySource::Learn { size, is_cased } => format!(
                    "learnt from the text ({} at most {size} tokens)",
                    if *is_cased { "cased," } else { "uncased," }
                ),
            };
            format!("It was trained from scratch. The vocabulary is {vocabulary}.")
        }
        PretrainStart::Builtin => {
            "**It was not trained from scratch**: it continues Electroscope's built-in pair, with its \
             vocabulary. `NOTICE` must accompany all copies."
                .to_owned()
        }
        PretrainStart::Folder(folder) => format!(
            "**It was not trained from scratch**: it continues the pair in `{}`, with its vocabulary. The \
             licence and the limits of that pair apply.",
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
        "ELECTRA's objective: {} % of the tokens are masked and replaced by the generator's samples; the \
         loss is MLM + {DISCRIMINATOR_WEIGHT} × RTD.\n",
        100.0 * settings.mask
    ));
    line("| | |\n|---|---|".to_owned());
    let mut row = |name: &str, value: String| line(format!("| {name} | {value} |"));
    row("steps", state.step.to_string());
    row("tokens", state.tokens.to_string());
    row("passes over the text", state.position.epoch.to_string());
    row("minutes", format!("{:.1}", state.seconds / 60.0));
    row("windows per step", settings.batch_size.to_string());
    row(
        "tokens per window",
        settings
            .max_length
            .map_or("-".into(), |length| length.to_string()),
    );
    row("learning rate", format!("{:e}", settings.learning_rate));
    row(
        "warm-up",
        format!("{:.3} of the training", settings.warmup_share()),
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
        "\nAdd the licences of the text here before you distribute the models.\n\n## Evaluation\n"
            .to_owned(),
    );
    let on = match settings.eval.is_empty() {
        true => "documents held out from the text",
        false => "separate text, given with `--eval`",
    };
    line(format!(
        "On {on}, with tokens masked at random and replaced by the generator's samples.\n"
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
        "\nNo threshold was calibrated: `electroscope score --calibrate` finds one from correct text.\n\
         `training.json` has all settings and evaluations, `log.csv` the loss of every step."
            .to_owned(),
    );
    text
}
