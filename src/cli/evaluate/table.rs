//! What a head is worth, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use crate::report::{Model, write_json};
use electroscope_text::visible;
use electroscope_training::evaluation::HeadScores;

/// What was measured on what.
#[derive(Debug, Serialize)]
pub(super) struct Measurement {
    schema_version: u32,
    model: Model,
    task: &'static str,
    data: Data,
    #[serde(flatten)]
    scores: HeadScores,
    /// Texts or questions of which only the beginning was read.
    cut: usize,
    seconds: f64,
    tokens_per_second: f64,
}

/// What a head was measured on.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    pub(super) path: String,
    /// What it was read as: the name of a GLUE task, `table`, `squad`, `columns` or `spans`.
    pub(super) format: &'static str,
}

impl Measurement {
    pub(super) fn new(
        model: Model,
        task: &'static str,
        data: Data,
        scores: HeadScores,
        cut: usize,
        seconds: f64,
    ) -> Measurement {
        Measurement {
            schema_version: 2,
            model,
            task,
            data,
            cut,
            seconds,
            tokens_per_second: match seconds > 0.0 {
                true => scores.tokens as f64 / seconds,
                false => 0.0,
            },
            scores,
        }
    }

    pub(super) fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        write_json(out, self)?;
        writeln!(out)
    }

    pub(super) fn pretty(&self, out: &mut dyn Write) -> io::Result<()> {
        let Model {
            id,
            device,
            precision,
            ..
        } = &self.model;
        writeln!(out, "{} · {device} {precision}", visible(id))?;
        writeln!(out, "{} · {}", visible(&self.data.path), self.data.format)?;
        let scores = &self.scores;
        let widest = scores.values.iter().map(|(name, _)| name.len()).max();
        let widest = widest.unwrap_or(0).max(4);
        let answer = visible(&scores.baseline.prediction);
        writeln!(out, "\n  {:widest$}  {:>8}  {answer}", "", "head")?;
        for (name, value) in &scores.values {
            let mark = if *name == scores.main_metric {
                '▸'
            } else {
                ' '
            };
            let mut baseline = scores.baseline.values.iter();
            let baseline = baseline.find(|(known, _)| known == name);
            let baseline = baseline.map_or(String::new(), |(_, value)| format!("  {value:.4}"));
            writeln!(out, "{mark} {name:widest$}  {value:>8.4}{baseline}")?;
        }
        if let Some(threshold) = scores.no_answer_threshold {
            writeln!(
                out,
                "\nbest_f1 is that of giving no answer where it outscores the best one by more than \
                 {threshold:.4}."
            )?;
        }
        self.kinds(out)?;
        let cut = match self.cut {
            0 => String::new(),
            cut => format!(", {cut} of them cut to the window"),
        };
        writeln!(
            out,
            "\n{} examples{cut}, {} tokens in {:.1} s, {:.0} a second",
            scores.examples, scores.tokens, self.seconds, self.tokens_per_second
        )
    }

    /// How each kind of entity, or each label, was found.
    fn kinds(&self, out: &mut dyn Write) -> io::Result<()> {
        let kinds = &self.scores.by_label;
        if kinds.is_empty() {
            return Ok(());
        }
        let labels: Vec<String> = kinds.iter().map(|kind| visible(&kind.label)).collect();
        let widest = labels.iter().map(|label| label.chars().count()).max();
        let widest = widest.unwrap_or(0);
        writeln!(
            out,
            "\n  {:widest$}  precision    recall        f1    in data  by head",
            ""
        )?;
        for (label, kind) in labels.iter().zip(kinds) {
            let counts = kind.counts;
            writeln!(
                out,
                "  {label:widest$}  {:>9.4} {:>9.4} {:>9.4}  {:>9} {:>8}",
                counts.precision(),
                counts.recall(),
                counts.f1(),
                counts.true_positives + counts.false_negatives,
                counts.true_positives + counts.false_positives
            )?;
        }
        Ok(())
    }
}
