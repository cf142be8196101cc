//! What a discriminator is worth at its own trade: finding words that were put in the place of others.
//!
//! A held-out text is spoilt in one of three ways, the discriminator gives each token its
//! p, and p is compared with what was done. Which ways there are is said at [`Way`]. Everything but
//! the time follows from the text, the seed and the models.

mod corrupt;
pub mod wikitext;

use std::time::{Duration, Instant};

use electroscope_model::{self as model, Forward};

use super::metrics;

pub use corrupt::{
    Corrupted, Guesses, MASKED, Passage, Passages, at_random, by_generator, by_misspelling,
};

/// A way to spoil a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// 15 in 100 tokens are masked, and drawn anew from what a generator expects there: what a
    /// discriminator is trained on. Where it draws the token that stood there, nothing was replaced.
    Generator,
    /// 15 in 100 tokens are replaced by others of the text, the frequent ones more often.
    Random,
    /// In each paragraph one word is misspelt. Here words are judged, not tokens: their p is the
    /// largest of their pieces.
    Misspelling,
}

impl Way {
    /// All ways.
    pub const ALL: [Way; 3] = [Way::Generator, Way::Random, Way::Misspelling];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Way::Generator => "generator",
            Way::Random => "random",
            Way::Misspelling => "misspelling",
        }
    }

    /// What is judged one by one.
    pub fn unit(self) -> &'static str {
        match self {
            Way::Generator | Way::Random => "token",
            Way::Misspelling => "word",
        }
    }
}

/// What a discriminator said of a spoilt text.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The p of each token or word that is judged.
    pub p: Vec<f32>,
    /// Tokens read, `[CLS]` and `[SEP]` aside.
    pub tokens: usize,
    /// How long the model took.
    pub time: Duration,
}

/// Tokens that the model reads in one call: enough to keep all cores at work.
const BATCH: usize = 4096;

/// Reads a spoilt text. `watch` is told after each call of the model how many tokens have been read.
///
/// # Errors
///
/// Those of the forward pass.
pub fn read(
    forward: &dyn Forward,
    corrupted: &Corrupted,
    watch: &mut dyn FnMut(usize),
) -> Result<Said, model::Error> {
    let mut said = Said {
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
                tokens <= BATCH
            })
            .count()
            .max(1);
        let (batch, rest) = windows.split_at(count);
        windows = rest;
        let batch: Vec<&[u32]> = batch.iter().map(Vec::as_slice).collect();
        let start = Instant::now();
        let logits = forward.logits(&batch)?;
        said.time += start.elapsed();
        for row in logits {
            // The first and the last are those of `[CLS]` and `[SEP]`.
            let inner = row.len().saturating_sub(2);
            for (&logit, &unit) in row.iter().skip(1).take(inner).zip(units.by_ref()) {
                if let Some(p) = said.p.get_mut(unit as usize) {
                    *p = p.max(sigmoid(logit));
                }
            }
            said.tokens += inner;
        }
        watch(said.tokens);
    }
    Ok(said)
}

/// The logistic function.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// What a discriminator is worth on a text spoilt in one way.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Worth {
    /// The chance that a replaced unit has a higher p than one that is not; none if there are none of
    /// either.
    pub auroc: Option<f64>,
    /// The mean precision over the steps of recall; none where nothing was replaced.
    pub average_precision: Option<f64>,
    /// By how much p and the share of replaced units lie apart, on average over ten parts of the
    /// scale.
    pub ece: f64,
    /// The mean square of what p misses the truth by.
    pub brier: f64,
    /// What is flagged: units with a p of this or more.
    pub threshold: f32,
    /// The share of flagged units that were replaced; 0 if none is flagged.
    pub precision: f64,
    /// The share of replaced units that are flagged; 0 if there are none.
    pub recall: f64,
    /// Units.
    pub units: usize,
    /// Replaced units.
    pub replaced: usize,
    /// Flagged units.
    pub flagged: usize,
}

/// Parts of the scale of p in the calibration error, as is usual.
const BINS: usize = 10;

/// What `said` is worth, if units with a p of `threshold` or more are flagged.
pub fn worth(corrupted: &Corrupted, said: &Said, threshold: f32) -> Worth {
    let cases: Vec<(f64, bool)> = cases(corrupted, said);
    let mut counts = metrics::Counts::default();
    let mut flagged = 0;
    for (&p, &is_replaced) in said.p.iter().zip(&corrupted.is_replaced) {
        flagged += usize::from(p >= threshold);
        counts.add(is_replaced, p >= threshold);
    }
    Worth {
        auroc: metrics::area_under_curve(&cases),
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

fn cases(corrupted: &Corrupted, said: &Said) -> Vec<(f64, bool)> {
    let p = said.p.iter().map(|&p| f64::from(p));
    p.zip(corrupted.is_replaced.iter().copied()).collect()
}

/// How far two ways of computing lie apart on one spoilt text.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Apart {
    /// The mean distance of a unit's two p.
    pub mean_difference: f64,
    /// The largest.
    pub largest_difference: f64,
    /// The AUROC of the one less that of the other; none where it has none.
    pub auroc_difference: Option<f64>,
}

/// How far `said` lies apart from `other`.
pub fn apart(corrupted: &Corrupted, said: &Said, other: &Said) -> Apart {
    let distances = said
        .p
        .iter()
        .zip(&other.p)
        .map(|(&a, &b)| f64::from((a - b).abs()));
    let (mut sum, mut largest) = (0.0, 0.0_f64);
    for distance in distances {
        sum += distance;
        largest = largest.max(distance);
    }
    let area = |said| metrics::area_under_curve(&cases(corrupted, said));
    Apart {
        mean_difference: sum / said.p.len().max(1) as f64,
        largest_difference: largest,
        auroc_difference: area(said).zip(area(other)).map(|(a, b)| a - b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says of each token its id, as a logit.
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

    fn corrupted() -> Corrupted {
        Corrupted {
            windows: vec![vec![99, 9, 14, 99], vec![99, 6, 99]],
            units: vec![0, 0, 1],
            is_replaced: vec![true, false],
        }
    }

    #[test]
    fn a_word_has_the_largest_p_of_its_pieces_and_special_tokens_count_for_none() {
        let said = read(&Echo, &corrupted(), &mut |_| {}).unwrap();
        assert_eq!(said.p, [sigmoid(4.0), sigmoid(-4.0)]);
        assert_eq!(said.tokens, 3);
    }

    #[test]
    fn what_is_told_apart_wholly_is_worth_1() {
        let corrupted = corrupted();
        let said = read(&Echo, &corrupted, &mut |_| {}).unwrap();
        let worth = worth(&corrupted, &said, 0.5);
        assert_eq!(
            (worth.auroc, worth.average_precision),
            (Some(1.0), Some(1.0))
        );
        assert_eq!((worth.precision, worth.recall), (1.0, 1.0));
        assert_eq!((worth.units, worth.replaced, worth.flagged), (2, 1, 1));
        let apart = apart(
            &corrupted,
            &said,
            &Said {
                p: vec![0.0, 0.5],
                ..said.clone()
            },
        );
        assert_eq!(apart.auroc_difference, Some(1.0));
        assert!(apart.largest_difference > apart.mean_difference);
    }

    #[test]
    fn nothing_read_is_worth_nothing_and_no_error() {
        let none = Corrupted::default();
        let said = read(&Echo, &none, &mut |_| {}).unwrap();
        let worth = worth(&none, &said, 0.5);
        assert_eq!((worth.auroc, worth.units, worth.brier), (None, 0, 0.0));
    }
}
