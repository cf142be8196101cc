//! Evaluates a model pair on held-out text: the metrics that the reference prints, by its names.
//!
//! What is masked and sampled depends on the seed alone, so that the metrics of different steps can be
//! compared. They are over tokens, including `[CLS]` and `[SEP]` as in the reference, but without
//! padding, which the reference counts in `disc_auc`.

use candle_core::Device;

use super::corpus::WindowCutter;
use super::masking::MaskingRate;
use super::model_pair::{ModelPair, SAMPLES, map_rows};
use super::prefetch::mask_windows;
use super::segments::PretrainWindow;
use crate::Error;
use crate::metrics::auroc;
use electroscope_model::nn::layers::Pass;

/// The windows to evaluate on at most: enough for two significant digits, and few enough for a CPU.
pub(super) const MOST_WINDOWS: usize = 256;

/// Windows in a forward pass.
const BATCH_SIZE: usize = 16;

/// Stands in random keys in the place of the step's number.
const NO_STEP: u64 = u64::MAX;

/// At most `most` of `windows`, evenly spaced.
pub(super) fn evenly_spaced(windows: Vec<PretrainWindow>, most: usize) -> Vec<PretrainWindow> {
    let all = windows.len();
    if all <= most {
        return windows;
    }
    (windows.into_iter().enumerate())
        .filter(|(at, _)| at * most / all != (at + 1) * most / all)
        .map(|(_, window)| window)
        .collect()
}

/// The metrics by name, the most important one first.
pub(super) fn evaluate(
    pair: &ModelPair,
    windows: &[PretrainWindow],
    rate: MaskingRate,
    cutter: &WindowCutter,
) -> Result<Vec<(&'static str, f64)>, Error> {
    let mut cases: Vec<(f64, bool)> = Vec::new();
    // Summed over all windows.
    let (mut likeliest_right, mut sampled_right, mut masked_count) = (0usize, 0usize, 0usize);
    let (mut generator_loss, mut discriminator_loss) = (0.0, 0.0);
    for (number, windows) in windows.chunks(BATCH_SIZE).enumerate() {
        let batch_key = [NO_STEP, number as u64];
        let masked = mask_windows(windows, rate, cutter, &batch_key);
        let key = [&[SAMPLES, cutter.seed][..], &batch_key].concat();
        let output = pair.forward(windows, &masked, &key, Pass::Answer)?;
        let logits = output.generator_logits.to_device(&Device::Cpu)?;
        let likeliest = map_rows(&logits, |_, logits| {
            let best = (logits.iter().enumerate()).max_by(|a, b| a.1.total_cmp(b.1));
            best.map_or(0, |(token, _)| token as u32)
        })?;
        let count = output.originals.len();
        let count_right = |tokens: &[u32]| {
            let pairs = tokens.iter().zip(&output.originals);
            pairs.filter(|(token, original)| token == original).count()
        };
        likeliest_right += count_right(&likeliest);
        sampled_right += count_right(&output.samples);
        masked_count += count;
        generator_loss += f64::from(output.generator_loss.to_scalar::<f32>()?) * count as f64;
        let logits = output
            .discriminator_logits
            .flatten_all()?
            .to_vec1::<f32>()?;
        let tokens = output.is_token.iter().filter(|&&is| is == 1).count();
        discriminator_loss +=
            f64::from(output.discriminator_loss.to_scalar::<f32>()?) * tokens as f64;
        let columns = logits.iter().zip(&output.labels).zip(&output.is_token);
        cases.extend(
            columns
                .filter(|(_, is_token)| **is_token == 1)
                .map(|((&logit, &label), _)| (f64::from(logit), label == 1)),
        );
    }
    let fraction = |count: usize, all: usize| count as f64 / all.max(1) as f64;
    let count = |wanted: &dyn Fn(bool, bool) -> bool| {
        (cases.iter())
            .filter(|&&(logit, replaced)| wanted(logit > 0.0, replaced))
            .count()
    };
    let true_positives = count(&|flagged, replaced| flagged && replaced);
    Ok(vec![
        ("disc_auc", auroc(&cases).unwrap_or(f64::NAN)),
        (
            "disc_accuracy",
            fraction(count(&|flagged, replaced| flagged == replaced), cases.len()),
        ),
        (
            "disc_precision",
            fraction(true_positives, count(&|flagged, _| flagged)),
        ),
        (
            "disc_recall",
            fraction(true_positives, count(&|_, replaced| replaced)),
        ),
        ("disc_loss", discriminator_loss / cases.len().max(1) as f64),
        (
            "masked_lm_accuracy",
            fraction(likeliest_right, masked_count),
        ),
        (
            "sampled_masked_lm_accuracy",
            fraction(sampled_right, masked_count),
        ),
        (
            "masked_lm_loss",
            generator_loss / masked_count.max(1) as f64,
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn auroc_is_the_fraction_of_pairs_in_the_right_order(
            cases in prop::collection::vec((0u8..6, any::<bool>()), 0..40)
        ) {
            let cases: Vec<(f64, bool)> = cases.into_iter().map(|(p, is_positive)| (f64::from(p), is_positive)).collect();
            let (mut pairs, mut sum) = (0, 0.0);
            for (p, _) in cases.iter().filter(|case| case.1) {
                for (q, _) in cases.iter().filter(|case| !case.1) {
                    pairs += 1;
                    sum += if p > q { 1.0 } else if p == q { 0.5 } else { 0.0 };
                }
            }
            let wanted = (pairs > 0).then(|| sum / f64::from(pairs));
            match (auroc(&cases), wanted) {
                (Some(found), Some(wanted)) => prop_assert!((found - wanted).abs() < 1e-12),
                (found, wanted) => prop_assert_eq!(found, wanted),
            }
        }

        #[test]
        fn evenly_spaced_windows_have_equal_gaps(all in 0usize..500, most in 1usize..60) {
            let windows: Vec<PretrainWindow> = (0..all)
                .map(|at| PretrainWindow { ids: vec![at as u32], second: 1 })
                .collect();
            let taken = evenly_spaced(windows, most);
            prop_assert_eq!(taken.len(), all.min(most));
            let gaps = taken.windows(2).map(|two| two[1].ids[0] - two[0].ids[0]);
            let (least, greatest) = (gaps.clone().min().unwrap_or(1), gaps.max().unwrap_or(1));
            prop_assert!(greatest - least <= 1);
        }
    }
}
