//! How well a pair does on text that it does not learn from: the numbers that the reference prints,
//! by its names.
//!
//! What is masked and what is sampled there depends on the seed alone, so that numbers of different
//! steps can be compared. They are over tokens, `[CLS]` and `[SEP]` among them as in the reference,
//! and padding left out; there padding counts in `disc_auc`, which flatters it.

use candle_core::Device;

use super::corpus::Cutter;
use super::feed::masked;
use super::masking::Share;
use super::pair::{Pair, SAMPLES, rows};
use super::segments::Example;
use crate::Error;
use crate::metrics::area_under_curve;
use electroscope_model::nn::layers::Pass;

/// Windows that are measured on at most: enough for two digits, few enough for a CPU.
pub(super) const MOST_WINDOWS: usize = 256;

/// Windows that are read at once.
const AT_ONCE: usize = 16;

/// In the place of a step's number, which it is for no step.
const NO_STEP: u64 = u64::MAX;

/// So many of `examples`, evenly from all of them.
pub(super) fn spread(examples: Vec<Example>, most: usize) -> Vec<Example> {
    let all = examples.len();
    if all <= most {
        return examples;
    }
    (examples.into_iter().enumerate())
        .filter(|(at, _)| at * most / all != (at + 1) * most / all)
        .map(|(_, example)| example)
        .collect()
}

/// The numbers by name, the most telling first.
pub(super) fn evaluate(
    pair: &Pair,
    examples: &[Example],
    share: Share,
    cutter: &Cutter,
) -> Result<Vec<(&'static str, f64)>, Error> {
    let mut cases: Vec<(f64, bool)> = Vec::new();
    let (mut guessed, mut sampled, mut masks) = (0usize, 0usize, 0usize);
    let (mut generator_loss, mut discriminator_loss) = (0.0, 0.0);
    for (number, examples) in examples.chunks(AT_ONCE).enumerate() {
        let about = [NO_STEP, number as u64];
        let masked = masked(examples, share, cutter, &about);
        let key = [&[SAMPLES, cutter.seed][..], &about].concat();
        let reading = pair.read(examples, &masked, &key, Pass::Answer)?;
        let guesses = reading.guesses.to_device(&Device::Cpu)?;
        let likeliest = rows(&guesses, |_, logits| {
            let best = (logits.iter().enumerate()).max_by(|a, b| a.1.total_cmp(b.1));
            best.map_or(0, |(token, _)| token as u32)
        })?;
        let count = reading.originals.len();
        let same = |tokens: &[u32]| {
            let pairs = tokens.iter().zip(&reading.originals);
            pairs.filter(|(token, original)| token == original).count()
        };
        guessed += same(&likeliest);
        sampled += same(&reading.samples);
        masks += count;
        generator_loss += f64::from(reading.generator_loss.to_scalar::<f32>()?) * count as f64;
        let doubts = reading.doubts.flatten_all()?.to_vec1::<f32>()?;
        let tokens = reading.is_token.iter().filter(|&&is| is == 1).count();
        discriminator_loss +=
            f64::from(reading.discriminator_loss.to_scalar::<f32>()?) * tokens as f64;
        let columns = doubts.iter().zip(&reading.labels).zip(&reading.is_token);
        cases.extend(
            columns
                .filter(|(_, is_token)| **is_token == 1)
                .map(|((&logit, &label), _)| (f64::from(logit), label == 1)),
        );
    }
    let share_of = |count: usize, all: usize| count as f64 / all.max(1) as f64;
    let count = |wanted: &dyn Fn(bool, bool) -> bool| {
        (cases.iter())
            .filter(|&&(logit, replaced)| wanted(logit > 0.0, replaced))
            .count()
    };
    let found = count(&|doubted, replaced| doubted && replaced);
    Ok(vec![
        ("disc_auc", area_under_curve(&cases).unwrap_or(f64::NAN)),
        (
            "disc_accuracy",
            share_of(count(&|doubted, replaced| doubted == replaced), cases.len()),
        ),
        (
            "disc_precision",
            share_of(found, count(&|doubted, _| doubted)),
        ),
        (
            "disc_recall",
            share_of(found, count(&|_, replaced| replaced)),
        ),
        ("disc_loss", discriminator_loss / cases.len().max(1) as f64),
        ("masked_lm_accuracy", share_of(guessed, masks)),
        ("sampled_masked_lm_accuracy", share_of(sampled, masks)),
        ("masked_lm_loss", generator_loss / masks.max(1) as f64),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_area_under_the_curve_is_the_share_of_pairs_in_order(
            cases in prop::collection::vec((0u8..6, any::<bool>()), 0..40)
        ) {
            let cases: Vec<(f64, bool)> = cases.into_iter().map(|(p, so)| (f64::from(p), so)).collect();
            let (mut pairs, mut sum) = (0, 0.0);
            for (p, _) in cases.iter().filter(|case| case.1) {
                for (q, _) in cases.iter().filter(|case| !case.1) {
                    pairs += 1;
                    sum += if p > q { 1.0 } else if p == q { 0.5 } else { 0.0 };
                }
            }
            let wanted = (pairs > 0).then(|| sum / f64::from(pairs));
            match (area_under_curve(&cases), wanted) {
                (Some(found), Some(wanted)) => prop_assert!((found - wanted).abs() < 1e-12),
                (found, wanted) => prop_assert_eq!(found, wanted),
            }
        }

        #[test]
        fn examples_are_taken_evenly(all in 0usize..500, most in 1usize..60) {
            let examples: Vec<Example> = (0..all)
                .map(|at| Example { ids: vec![at as u32], second: 1 })
                .collect();
            let taken = spread(examples, most);
            prop_assert_eq!(taken.len(), all.min(most));
            let gaps = taken.windows(2).map(|two| two[1].ids[0] - two[0].ids[0]);
            let (least, greatest) = (gaps.clone().min().unwrap_or(1), gaps.max().unwrap_or(1));
            prop_assert!(greatest - least <= 1);
        }
    }
}
