//! Evaluates a discriminator on its pre-training task, replaced token detection (RTD).
//!
//! A held-out text is corrupted in one of three ways (see [`Corruption`]), the discriminator gives each
//! token its p, and p is compared with what was replaced. Everything but the time depends only on the
//! text, the seed and the models.

mod corruption;
pub mod wikitext;

use std::time::{Duration, Instant};

use electroscope_model::{self as model, Forward};

use super::metrics;

pub use corruption::{
    CorruptedText, GeneratorLogits, MASKED, Passage, TokenizedText, corrupt_at_random,
    corrupt_by_generator, corrupt_by_misspelling, misspelt_paragraphs,
};

/// A way to corrupt a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Corruption {
    /// 15 % of the tokens are masked and sampled anew by a generator, as in pre-training. A token that is
    /// sampled again counts as not replaced.
    Generator,
    /// 15 % of the tokens are replaced by random tokens of the text, in proportion to their frequency.
    Random,
    /// One word of each paragraph is misspelt. Here words are classified, not tokens: the p of a word is
    /// the largest p of its tokens.
    Misspelling,
}

impl Corruption {
    /// All ways, in the order in which they are reported.
    pub const ALL: [Corruption; 3] = [
        Corruption::Generator,
        Corruption::Random,
        Corruption::Misspelling,
    ];

    /// The name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Corruption::Generator => "generator",
            Corruption::Random => "random",
            Corruption::Misspelling => "misspelling",
        }
    }

    /// What is classified: `token` or `word`.
    pub fn unit(self) -> &'static str {
        match self {
            Corruption::Generator | Corruption::Random => "token",
            Corruption::Misspelling => "word",
        }
    }
}

/// A discriminator's predictions for a corrupted text.
#[derive(Clone, Debug, PartialEq)]
pub struct RtdPredictions {
    /// The p of each unit: a token, or a word.
    pub p: Vec<f32>,
    /// The number of tokens, `[CLS]` and `[SEP]` not counted.
    pub tokens: usize,
    /// The time that the model took.
    pub time: Duration,
}

/// The tokens of one call of the model: enough for all cores.
const TOKENS_PER_CALL: usize = 4096;

/// Runs a discriminator on a corrupted text. `report_progress` is called after each call of the model
/// with the number of tokens so far.
///
/// # Errors
///
/// Those of the forward pass.
pub fn predict(
    forward: &dyn Forward,
    corrupted: &CorruptedText,
    report_progress: &mut dyn FnMut(usize),
) -> Result<RtdPredictions, model::Error> {
    let mut predictions = RtdPredictions {
        p: vec![0.0; corrupted.is_replaced.len()],
        tokens: 0,
        time: Duration::ZERO,
    };
    let mut units = corrupted.units.iter();
    let mut windows = corrupted.windows.as_slice();
    while !windows.is_empty() {
        let mut tokens = 0;
        let count = windows
            .iter()
            .take_while(|window| {
                tokens += window.len();
                tokens <= TOKENS_PER_CALL
            })
            .count()
            .max(1);
        let (batch, rest) = windows.split_at(count);
        windows = rest;
        let batch: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
        let start = Instant::now();
        let logits = forward.logits(&batch)?;
        predictions.time += start.elapsed();
        for row in logits {
            // The first and the last logit are those of `[CLS]` and `[SEP]`.
            let inner = row.len().saturating_sub(2);
            for (&logit, &unit) in row.iter().skip(1).take(inner).zip(units.by_ref()) {
                if let Some(p) = predictions.p.get_mut(unit as usize) {
                    *p = p.max(sigmoid(logit));
                }
            }
            predictions.tokens += inner;
        }
        report_progress(predictions.tokens);
    }
    Ok(predictions)
}

/// The logistic function.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The scores of a discriminator on a corrupted text.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct RtdScores {
    /// The area under the ROC curve; none if no unit is replaced, or all are.
    pub auroc: Option<f64>,
    /// The average precision; none if no unit is replaced.
    pub average_precision: Option<f64>,
    /// The expected calibration error, in ten bins.
    pub ece: f64,
    /// The Brier score.
    pub brier: f64,
    /// The threshold: units with a p of at least this are flagged.
    pub threshold: f32,
    /// The fraction of flagged units that are replaced; 0 if none is flagged.
    pub precision: f64,
    /// The fraction of replaced units that are flagged; 0 if none is replaced.
    pub recall: f64,
    /// The number of units.
    pub units: usize,
    /// The number of replaced units.
    pub replaced: usize,
    /// The number of flagged units.
    pub flagged: usize,
}

/// The bins of the calibration error.
const BINS: usize = 10;

/// Scores predictions, with a `threshold` for flags.
pub fn score(corrupted: &CorruptedText, predictions: &RtdPredictions, threshold: f32) -> RtdScores {
    let cases: Vec<(f64, bool)> = cases(corrupted, predictions);
    let mut counts = metrics::ConfusionCounts::default();
    let mut flagged = 0;
    for (&p, &is_replaced) in predictions.p.iter().zip(&corrupted.is_replaced) {
        flagged += usize::from(p >= threshold);
        counts.add(is_replaced, p >= threshold);
    }
    RtdScores {
        auroc: metrics::auroc(&cases),
        average_precision: metrics::average_precision(&cases),
        ece: metrics::calibration_error(&cases, BINS),
        brier: metrics::brier(&cases),
        threshold,
        precision: counts.precision(),
        recall: counts.recall(),
        units: cases.len(),
        replaced: cases.iter().filter(|(_, is_replaced)| *is_replaced).count(),
        flagged,
    }
}

fn cases(corrupted: &CorruptedText, predictions: &RtdPredictions) -> Vec<(f64, bool)> {
    let p = predictions.p.iter().map(|&p| f64::from(p));
    p.zip(corrupted.is_replaced.iter().copied()).collect()
}

/// The difference of two predictions for one corrupted text, for example in two precisions.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct PredictionDifference {
    /// The mean absolute difference of p.
    pub mean_difference: f64,
    /// The largest absolute difference of p.
    pub largest_difference: f64,
    /// The difference of the AUROC; none if it is undefined.
    pub auroc_difference: Option<f64>,
}

/// The difference of `predictions` from `other`.
pub fn difference(
    corrupted: &CorruptedText,
    predictions: &RtdPredictions,
    other: &RtdPredictions,
) -> PredictionDifference {
    let distances = predictions
        .p
        .iter()
        .zip(&other.p)
        .map(|(&a, &b)| f64::from((a - b).abs()));
    let (mut sum, mut largest) = (0.0, 0.0_f64);
    for distance in distances {
        sum += distance;
        largest = largest.max(distance);
    }
    let area = |predictions| metrics::auroc(&cases(corrupted, predictions));
    PredictionDifference {
        mean_difference: sum / predictions.p.len().max(1) as f64,
        largest_difference: largest,
        auroc_difference: area(predictions).zip(area(other)).map(|(a, b)| a - b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A discriminator whose logit for a token is the token's id minus 10.
    struct Echo;

    impl Forward for Echo {
        fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, model::Error> {
            let row = |window: &&[u32]| window.iter().map(|&id| id as f32 - 10.0).collect();
            Ok(windows.iter().map(row).collect())
        }

        fn device(&self) -> String {
            "cpu".to_owned()
        }

        fn precision(&self) -> String {
            "f32".to_owned()
        }
    }

    fn corrupted() -> CorruptedText {
        CorruptedText {
            windows: vec![vec![99, 9, 14, 99], vec![99, 6, 99]],
            units: vec![0, 0, 1],
            is_replaced: vec![true, false],
        }
    }

    #[test]
    fn a_word_has_the_largest_p_of_its_tokens() {
        let predictions = predict(&Echo, &corrupted(), &mut |_| {}).unwrap();
        assert_eq!(predictions.p, [sigmoid(4.0), sigmoid(-4.0)]);
        assert_eq!(predictions.tokens, 3);
    }

    #[test]
    fn perfect_predictions_have_full_scores() {
        let corrupted = corrupted();
        let predictions = predict(&Echo, &corrupted, &mut |_| {}).unwrap();
        let scores = score(&corrupted, &predictions, 0.5);
        assert_eq!(
            (scores.auroc, scores.average_precision),
            (Some(1.0), Some(1.0))
        );
        assert_eq!((scores.precision, scores.recall), (1.0, 1.0));
        assert_eq!((scores.units, scores.replaced, scores.flagged), (2, 1, 1));
        let difference = difference(
            &corrupted,
            &predictions,
            &RtdPredictions {
                p: vec![0.0, 0.5],
                ..predictions.clone()
            },
        );
        assert_eq!(difference.auroc_difference, Some(1.0));
        assert!(difference.largest_difference > difference.mean_difference);
    }

    #[test]
    fn an_empty_text_has_scores_without_an_error() {
        let none = CorruptedText::default();
        let predictions = predict(&Echo, &none, &mut |_| {}).unwrap();
        let scores = score(&none, &predictions, 0.5);
        assert_eq!((scores.auroc, scores.units, scores.brier), (None, 0, 0.0));
    }
}
