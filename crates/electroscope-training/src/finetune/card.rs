//! The model card: what a checkpoint was made of, how, and what it is worth.
//!
//! Markdown with the front matter of the hub's model cards. It says what is known and nothing else: a
//! licence that nobody stated is called not stated.

use std::fmt::Write;

use super::folder::State;
use electroscope_model::{HeadConfig, Task};

/// Where a checkpoint comes from, for its card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The model it grew from, as it was named.
    pub base: String,
    /// Files that were learnt from.
    pub train: Vec<String>,
    /// Files that it was chosen by.
    pub dev: Vec<String>,
    /// What the data is and who may use it, in the user's words.
    pub data: Option<String>,
    /// The licence of the checkpoint, as an identifier of SPDX where there is one.
    pub licence: Option<String>,
    /// The command that makes it again.
    pub command: String,
    /// Notices of the base model, which go along.
    pub notice: Option<String>,
}

/// The card of the checkpoint that `config` describes.
pub(super) fn card(
    name: &str,
    config: &HeadConfig,
    provenance: &Provenance,
    state: &State,
    learning: usize,
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
        "{} It was fine-tuned from `{}` by `electroscope finetune`{}.\n",
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
                ": the encoder is as it was, with low-rank adapters of rank {rank} beside its linear \
                 layers, in PEFT's layout"
            ),
            None => String::new(),
        },
    ));
    line("## Worth\n".into());
    match &state.best {
        Some(best) => {
            let worth = &best.worth;
            line(format!(
                "On the dev set ({} examples), after step {}, which was the best by {}. Beside it what \
                 {} is worth, which does not look at the text:\n",
                worth.examples, best.step, worth.main, worth.baseline.0
            ));
            line("| measure | value | baseline |\n|---|---|---|".into());
            for (measure, value) in &worth.values {
                let baseline = worth.baseline.1.iter().find(|(name, _)| name == measure);
                let baseline = baseline.map_or(String::new(), |(_, value)| format!("{value:.4}"));
                line(format!("| {measure} | {value:.4} | {baseline} |"));
            }
        }
        None => line("Not measured: there was no dev set.".into()),
    }
    line("\n## Data\n".into());
    line(format!(
        "- learnt from: {} ({} windows)",
        files(&provenance.train),
        plan.examples
    ));
    line(format!("- chosen by: {}", files(&provenance.dev)));
    line(format!(
        "- what it is, and its licence: {}",
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
    line(format!("| numbers that learn | {learning} |"));
    line(format!("| steps | {} |", state.step));
    line(format!("| seconds | {:.0} |", state.seconds));
    line(format!(
        "\nThe command:\n\n```sh\n{}\n```",
        provenance.command
    ));
    if let (Some(first), Some(last)) = (state.curve.points.first(), state.curve.points.last()) {
        line(format!("\nThe loss went from {first:.4} to {last:.4}."));
    }
    text
}

/// The first few of `names`, for a sentence.
fn list(names: &[String]) -> String {
    /// A reader wants to know what kind of labels there are; all of them are in `config.json`.
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
