//! Masks tokens for the generator, samples their replacements, and labels them for the discriminator.
//!
//! Follows `mask` of `pretrain/pretrain_helpers.py` in google-research/electra, but draws positions
//! without replacement: the reference may draw a position twice and then masks fewer tokens.

use rten_simd::SimdOp;
use rten_simd::SimdUnaryOp;

use super::segments::{PretrainWindow, SpecialTokens};
use crate::rng::SeededRng;

/// The probability that a chosen token is replaced by `[MASK]`; otherwise the generator sees it.
const MASK_TOKEN_PROBABILITY: f64 = 0.85;

/// How many tokens are masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MaskingRate {
    /// The fraction of the tokens, special ones counted.
    pub(super) share: f64,
    /// The masked tokens of a window at most.
    pub(super) most: usize,
}

impl MaskingRate {
    /// Masks a `share` of the tokens of windows of at most `longest` tokens.
    pub(super) fn new(share: f64, longest: usize) -> MaskingRate {
        // The reference's max_predictions_per_seq.
        let most = ((share + 0.005) * longest as f64) as usize;
        MaskingRate {
            share,
            most: most.max(1),
        }
    }
}

/// A window with masked tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MaskedWindow {
    /// The generator's input.
    pub(super) ids: Vec<u32>,
    /// The chosen positions, in order.
    pub(super) positions: Vec<usize>,
    /// The original tokens at these positions.
    pub(super) originals: Vec<u32>,
}

/// Chooses tokens of `window` at random and masks them.
pub(super) fn mask(
    window: &PretrainWindow,
    rate: MaskingRate,
    special: SpecialTokens,
    rng: &mut SeededRng,
) -> MaskedWindow {
    let SpecialTokens {
        cls,
        sep,
        mask,
        pad,
    } = special;
    let mut positions: Vec<usize> = (window.ids.iter().enumerate())
        .filter(|(_, id)| ![cls, sep, mask, pad].contains(id))
        .map(|(at, _)| at)
        .collect();
    let wanted = (window.ids.len() as f64 * rate.share).round_ties_even() as usize;
    let count = wanted.clamp(1, rate.most).min(positions.len());
    rng.sample_to_front(&mut positions, count);
    positions.truncate(count);
    positions.sort_unstable();
    let mut ids = window.ids.clone();
    let mut originals = Vec::with_capacity(count);
    for &position in &positions {
        if let Some(id) = ids.get_mut(position) {
            originals.push(*id);
            if rng.uniform() < MASK_TOKEN_PROBABILITY {
                *id = mask;
            }
        }
    }
    MaskedWindow {
        ids,
        positions,
        originals,
    }
}

/// Replaces masked tokens by the generator's samples. Gives the discriminator's input, and for each
/// token 1 if it differs from the original: a sample that equals the original counts as original.
pub(super) fn replace(
    window: &PretrainWindow,
    masked: &MaskedWindow,
    samples: &[u32],
) -> (Vec<u32>, Vec<u8>) {
    let mut ids = window.ids.clone();
    let mut labels = vec![0; ids.len()];
    for (&position, &sample) in masked.positions.iter().zip(samples) {
        if let (Some(id), Some(label)) = (ids.get_mut(position), labels.get_mut(position)) {
            *label = u8::from(*id != sample);
            *id = sample;
        }
    }
    (ids, labels)
}

/// Samples a token from the softmax of `logits` by inversion: the first token at which the cumulative
/// probability exceeds `uniform`, a random number from `0.0..1.0`. The distribution is that of the
/// reference, which adds Gumbel noise; this needs one random number per position and one exponential
/// per token instead of a random number and two logarithms per token.
pub(super) fn sample(logits: &[f32], uniform: f64) -> u32 {
    /// Tokens in a partial sum; a single f32 sum over thirty thousand would lose the smallest terms.
    const BLOCK: usize = 256;
    let most = rten_vecmath::MaxNum::new(logits).dispatch();
    let mut weights: Vec<f32> = logits.iter().map(|&logit| logit - most).collect();
    rten_vecmath::Exp {}.map_mut(&mut weights);
    let blocks = || weights.chunks(BLOCK);
    let sums: Vec<f64> = blocks()
        .map(|block| f64::from(block.iter().sum::<f32>()))
        .collect();
    let mut left = uniform * sums.iter().sum::<f64>();
    let mut last = 0;
    for (number, (block, sum)) in blocks().zip(&sums).enumerate() {
        if left >= *sum && number + 1 < sums.len() {
            left -= sum;
            continue;
        }
        for (at, &weight) in block.iter().enumerate() {
            last = number * BLOCK + at;
            left -= f64::from(weight);
            if left < 0.0 {
                return last as u32;
            }
        }
        // Rounding may leave a remainder at the end of a block, which is smaller than the rounding error.
        left = 0.0;
    }
    last as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPECIAL: SpecialTokens = SpecialTokens {
        cls: 1,
        sep: 2,
        mask: 3,
        pad: 0,
    };

    fn window(text: &[u32]) -> PretrainWindow {
        let ids: Vec<u32> = [&[1], text, &[2]].concat();
        PretrainWindow {
            second: ids.len(),
            ids,
        }
    }

    proptest! {
        #[test]
        fn only_text_is_masked_and_as_much_as_the_rate_says(
            text in prop::collection::vec(10u32..20, 1..126),
            seed: u64,
        ) {
            let window = window(&text);
            let rate = MaskingRate::new(0.15, 128);
            let masked = mask(&window, rate, SPECIAL, &mut SeededRng::for_key(&[seed]));
            let wanted = ((text.len() + 2) as f64 * 0.15).round_ties_even() as usize;
            prop_assert_eq!(masked.positions.len(), wanted.clamp(1, 19));
            prop_assert!(masked.positions.is_sorted_by(|a, b| a < b));
            for (at, (&before, &after)) in window.ids.iter().zip(&masked.ids).enumerate() {
                match masked.positions.binary_search(&at) {
                    Ok(position) => {
                        prop_assert_eq!(masked.originals[position], before);
                        prop_assert!(before >= 10 && (after == before || after == SPECIAL.mask));
                    }
                    Err(_) => prop_assert_eq!(before, after),
                }
            }
        }

        #[test]
        fn exactly_the_tokens_that_differ_are_labelled(
            text in prop::collection::vec(10u32..13, 1..60),
            samples in prop::collection::vec(10u32..13, 20),
            seed: u64,
        ) {
            let window = window(&text);
            let masked = mask(&window, MaskingRate::new(0.3, 64), SPECIAL, &mut SeededRng::for_key(&[seed]));
            let (ids, labels) = replace(&window, &masked, &samples);
            for (at, label) in labels.iter().enumerate() {
                prop_assert_eq!(*label == 1, ids[at] != window.ids[at]);
                if !masked.positions.contains(&at) {
                    prop_assert_eq!(ids[at], window.ids[at]);
                }
            }
            for (position, sample) in masked.positions.iter().zip(&samples) {
                prop_assert_eq!(ids[*position], *sample);
            }
        }

        #[test]
        fn a_sample_is_a_valid_token_for_any_logits(
            logits in prop::collection::vec(-50.0f32..50.0, 1..700),
            uniform in 0.0f64..1.0,
        ) {
            prop_assert!((sample(&logits, uniform) as usize) < logits.len());
        }
    }

    #[test]
    fn chosen_tokens_become_mask_tokens_with_the_right_probability() {
        let window = window(&[10; 100]);
        let hidden: usize = (0..200)
            .map(|seed| {
                let rng = &mut SeededRng::for_key(&[seed]);
                let masked = mask(&window, MaskingRate::new(0.15, 128), SPECIAL, rng);
                masked.ids.iter().filter(|&&id| id == SPECIAL.mask).count()
            })
            .sum();
        let fraction = hidden as f64 / (200.0 * 15.0);
        assert!((fraction - 0.85).abs() < 0.03, "{fraction}");
    }

    #[test]
    fn a_window_of_special_tokens_has_no_masked_positions() {
        let masked = mask(
            &window(&[]),
            MaskingRate::new(0.15, 128),
            SPECIAL,
            &mut SeededRng::for_key(&[1]),
        );
        assert!(masked.positions.is_empty());
    }

    #[test]
    fn samples_are_as_frequent_as_their_softmax() {
        // More than a block, so that whole blocks are skipped.
        let mut logits = vec![-30.0f32; 600];
        logits[3] = 1.0;
        logits[300] = 2.0;
        logits[599] = 0.0;
        let total = 1f64.exp() + 2f64.exp() + 1.0;
        let mut rng = SeededRng::for_key(&[5]);
        let samples: Vec<u32> = (0..20_000)
            .map(|_| sample(&logits, rng.uniform()))
            .collect();
        for (token, weight) in [(3, 1f64.exp()), (300, 2f64.exp()), (599, 1.0)] {
            let found = samples.iter().filter(|&&sample| sample == token).count() as f64;
            let (found, wanted) = (found / 20_000.0, weight / total);
            assert!(
                (found - wanted).abs() < 0.015,
                "{token}: {found} for {wanted}"
            );
        }
        assert_eq!(sample(&logits, 0.0), 0);
        assert_eq!(sample(&logits, 1.0 - 1e-12), 599);
    }
}
