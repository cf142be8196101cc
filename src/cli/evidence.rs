//! `electroscope finetune evidence`: fits the model that joins what several models and a dictionary know of
//! a word.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::progress::PrintedProgress;
use super::{Exit, Global, messages, probability, setup};
use electroscope_analysis::evidence::{EvidenceModel, FEATURE_COUNT, Features};
use electroscope_analysis::{Engine, Word};
use electroscope_text::{Document, Language};
use electroscope_training::data::spans::{self, MarkedText};
use electroscope_training::evidence_fit::{self, EvidenceExample};
use electroscope_training::metrics;

#[derive(Clone, Debug, Args)]
pub(super) struct EvidenceArgs {
    /// Texts with marked errors, and texts without any, to fit on (.jsonl: "text" and "spans" in
    /// characters); may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    train: Vec<PathBuf>,
    /// Texts without errors, by which the threshold is set (.jsonl); may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    clean: Vec<PathBuf>,
    /// Texts with marked errors to evaluate on (.jsonl); may be given several times
    #[arg(long, value_name = "FILE")]
    dev: Vec<PathBuf>,
    /// Error tagger: built-in, a folder or a hub id
    #[arg(long, value_name = "HEAD", default_value = "builtin:errors")]
    tagger: String,
    /// Share of the clean words that may be flagged
    #[arg(long, value_name = "SHARE", default_value = "0.006", value_parser = probability)]
    false_alarms: f32,
    /// L2 penalty of the weights
    #[arg(long, value_name = "PENALTY", default_value = "1")]
    l2: f64,
    /// Read at most N texts of each file, spread over it
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// File to write the model to (JSON)
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,
}

/// A word of a marked text.
struct MarkedWord {
    features: Features,
    is_error: bool,
}

pub(super) fn run(global: &Global, args: &EvidenceArgs) -> anyhow::Result<Exit> {
    let Some(out) = &args.out else {
        bail!("name a file for the model with --out");
    };
    let catalog = setup::catalog(global)?;
    let unfitted = EvidenceModel {
        weights: [0.0; FEATURE_COUNT],
        threshold: 0.5,
        false_alarms: None,
    };
    let mut observer = PrintedProgress::new(global);
    let tagger = catalog.open_head(&args.tagger, None, &mut observer)?;
    let (mut engine, _, _) = catalog.evidence_engine(tagger, "auto", unfitted, &mut observer)?;
    let mut read = |paths: &[PathBuf]| -> anyhow::Result<Vec<MarkedWord>> {
        let mut words = Vec::new();
        for path in paths {
            words.extend(marked_words(&mut engine, path, args.limit)?);
        }
        Ok(words)
    };
    let train = read(&args.train)?;
    let clean = read(&args.clean)?;
    let examples: Vec<EvidenceExample> = (train.iter())
        .map(|word| EvidenceExample {
            features: word.features,
            is_error: word.is_error,
        })
        .collect();
    let weights = evidence_fit::fit(&examples, args.l2)?;
    let correct: Vec<Features> = (clean.iter())
        .filter(|word| !word.is_error)
        .map(|word| word.features)
        .collect();
    ensure!(
        !correct.is_empty(),
        "there is no word in the clean texts of --clean"
    );
    let fitted = evidence_fit::calibrated(weights, &correct, args.false_alarms);
    let flagged = (correct.iter())
        .filter(|features| fitted.p(features) >= fitted.threshold)
        .count();
    messages::remark(
        global,
        &format!(
            "fitted on {} words, {} of them errors; threshold {:.4} flags {flagged} of {} clean words",
            examples.len(),
            examples.iter().filter(|example| example.is_error).count(),
            fitted.threshold,
            correct.len()
        ),
    );
    for path in &args.dev {
        let words = read(std::slice::from_ref(path))?;
        let scored: Vec<(f64, bool, bool)> = (words.iter())
            .map(|word| {
                let p = fitted.p(&word.features);
                (f64::from(p), p >= fitted.threshold, word.is_error)
            })
            .collect();
        let scores = metrics::detection_scores(&scored);
        let share = scored.iter().filter(|word| word.1).count() as f64 / scored.len().max(1) as f64;
        messages::remark(
            global,
            &format!(
                "{}: precision {:.3}, recall {:.3}, F0.5 {:.3}; {:.2} % of {} words flagged",
                path.display(),
                scores.precision,
                scores.recall,
                scores.f_half,
                100.0 * share,
                scored.len()
            ),
        );
    }
    let json = fitted.to_json()?;
    std::fs::write(out, json).with_context(|| format!("cannot write {}", out.display()))?;
    Ok(Exit::Clean)
}

/// The words of the texts in a file that are not punctuation.
fn marked_words(
    engine: &mut Engine,
    path: &Path,
    limit: Option<usize>,
) -> anyhow::Result<Vec<MarkedWord>> {
    let texts = spans::read(path)?;
    let step = limit.map_or(1, |limit| texts.len().div_ceil(limit.max(1)));
    let texts: Vec<MarkedText> = texts.into_iter().step_by(step).collect();
    let document = |text: &MarkedText| Document::new("text", &*text.text, Language::Plain);
    let documents: Vec<Document> = texts.iter().map(document).collect();
    let found = engine.features(&documents)?;
    let mut words = Vec::new();
    for (text, found) in texts.iter().zip(found) {
        let is_error = |word: &Word| {
            let overlaps = |span: &std::ops::Range<usize>| {
                span.start < word.span.end() && word.span.start() < span.end
            };
            text.spans.iter().any(overlaps)
        };
        let own = found.into_iter().filter(|(word, _)| !word.is_punctuation);
        words.extend(own.map(|(word, features)| MarkedWord {
            features,
            is_error: is_error(&word),
        }));
    }
    Ok(words)
}
