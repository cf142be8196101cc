//! The model card of a fine-tuned checkpoint, in Markdown with the front matter of the hub.
//!
//! It states only what is known: a licence that was not given is called "not stated".

use std::fmt::Write;

use super::output_folder::FinetuneState;
use electroscope_model::{HeadConfig, Task};

/// Where a checkpoint comes from, for its model card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The base model, as it was named.
    pub base: String,
    /// The training files.
    pub train: Vec<String>,
    /// The dev files.
    pub dev: Vec<String>,
    /// What the data is and who may use it, in the user's words.
    pub data: Option<String>,
    /// The licence of the checkpoint, as an SPDX identifier if it has one.
    pub licence: Option<String>,
    /// The command that makes the checkpoint again.
    pub command: String,
    /// The notice of the base model, which must accompany the checkpoint.
    pub notice: Option<String>,
}

/// The model card of the checkpoint with the configuration `config`.
pub(super) fn model_card(
    name: &str,
    config: &HeadConfig,
    provenance: &Provenance,
    state: &FinetuneState,
    parameters: usize,
) -> String {
    let plan = &state.plan;
    let settings = &plan.settings;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |what: String| {
        let _ = writeln!(text, "{what}");
    };
    line("---".into());
    line("language: en".into());
    if let Some(licence) = &provenance.licence {
        line(format!("license: {}", licence.to_lowercase()));
    }
    line(format!(
        "library_name: {}",
        if settings.lora.is_some() {
            "peft"
        } else {
            "transformers"
        }
    ));
    line(format!(
        "pipeline_tag: {}",
        match config.task {
            Task::Classification => "text-classification",
            Task::QuestionAnswering => "question-answering",
            Task::Tagging => "token-classification",
        }
    ));
    line("tags: [electra, electroscope]".into());
    line("---\n".into());
    line(format!("# {name}\n"));
    line(format!(
        "{} Fine-tuned from `{}` by `electroscope finetune`{}.\n",
        match config.task {
            Task::Classification if config.labels.len() == 1 => "Rates a text.".to_owned(),
            Task::Classification => format!("Classifies a text as {}.", list(&config.labels)),
            Task::QuestionAnswering if config.can_refuse =>
                "Finds the answer to a question in a text, or that there is none.".to_owned(),
            Task::QuestionAnswering => "Finds the answer to a question in a text.".to_owned(),
            Task::Tagging => format!("Tags each word as {}.", list(&config.labels)),
        },
        provenance.base,
        match settings.lora {
            Some(rank) => format!(
                ": the encoder is unchanged, with low-rank adapters of rank {rank} for its linear layers, \
                in PEFT's layout"
            ),
            None => String::new(),
        },
    ));
    line("## Evaluation\n".into());
    match &state.best {
        Some(best) => {
            let scores = &best.scores;
            line(format!(
                "On the dev set ({} examples), after step {}, the best by {}. The baseline, which does not \
                look at the text, predicts {}.\n",
                scores.examples, best.step, scores.main_metric, scores.baseline.0
            ));
            line("| metric | value | baseline |\n|---|---|---|".into());
            for (metric, value) in &scores.values {
                let baseline = scores.baseline.1.iter().find(|(name, _)| name == metric);
                let baseline = baseline.map_or(String::new(), |(_, value)| format!("{value:.4}"));
                line(format!("| {metric} | {value:.4} | {baseline} |"));
            }
        }
        None => line("None, because there was no dev set.".into()),
    }
    line("\n## Data\n".into());
    line(format!(
        "- training files: {} ({} windows)",
        files(&provenance.train),
        plan.examples
    ));
    line(format!("- dev files: {}", files(&provenance.dev)));
    line(format!(
        "- description and licence of the data: {}",
        provenance.data.as_deref().unwrap_or("not stated")
    ));
    line(format!(
        "- licence of this checkpoint: {}",
        provenance.licence.as_deref().unwrap_or("not stated")
    ));
    line("\n## Settings\n".into());
    line("| setting | value |\n|---|---|".into());
    let settings = serde_json::to_value(settings).unwrap_or_default();
    for (setting, value) in settings.as_object().into_iter().flatten() {
        line(format!("| {} | {value} |", setting.replace('_', " ")));
    }
    line(format!("| trainable parameters | {parameters} |"));
    line(format!("| steps | {} |", state.step));
    line(format!("| seconds | {:.0} |", state.seconds));
    line(format!(
        "\nThe command:\n\n```sh\n{}\n```",
        provenance.command
    ));
    let points = state.loss_curve.points();
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        line(format!(
            "\nThe training loss fell from {first:.4} to {last:.4}."
        ));
    }
    text
}

/// Lists the first of `names`, for a sentence.
fn list(names: &[String]) -> String {
    /// More would not be read; all labels are in `config.json`.
    const MOST: usize = 12;
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= MOST => format!("{} or {last}", first.join(", ")),
        _ => format!(
            "{} or one of {} more",
            names.get(..MOST).unwrap_or_default().join(", "),
            names.len() - MOST
        ),
    }
}

fn files(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        _ => names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}
