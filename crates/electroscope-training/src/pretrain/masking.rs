//! Which tokens the generator has to guess, and what the discriminator has to find.
//!
//! Follows `mask` of `pretrain/pretrain_helpers.py` in google-research/electra, but draws places
//! without putting them back: there a place may be drawn twice, and then fewer are masked than asked.

use rten_simd::SimdOp;
use rten_simd::SimdUnaryOp;

use super::chance::Chance;
use super::segments::{Example, Special};

/// How often a token that is to be guessed is hidden behind `[MASK]`; else it stays to be seen.
const HIDDEN: f64 = 0.85;

/// How much is masked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    /// The share of the tokens, special ones counted.
    pub(super) share: f64,
    /// The most in a window.
    pub(super) most: usize,
}

impl Share {
    /// A share of the tokens of windows of `longest` tokens.
    pub(super) fn new(share: f64, longest: usize) -> Share {
        // The reference's max_predictions_per_seq.
        let most = ((share + 0.005) * longest as f64) as usize;
        Share {
            share,
            most: most.max(1),
        }
    }
}

/// What is to be guessed in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Masked {
    /// The window as the generator reads it.
    pub(super) ids: Vec<u32>,
    /// The places that it guesses, in order.
    pub(super) places: Vec<usize>,
    /// The tokens that stand there.
    pub(super) originals: Vec<u32>,
}

/// Chooses what is to be guessed in `example`.
pub(super) fn mask(
    example: &Example,
    share: Share,
    special: Special,
    chance: &mut Chance,
) -> Masked {
    let Special {
        cls,
        sep,
        mask,
        pad,
    } = special;
    let mut places: Vec<usize> = (example.ids.iter().enumerate())
        .filter(|(_, id)| ![cls, sep, mask, pad].contains(id))
        .map(|(at, _)| at)
        .collect();
    let wanted = (example.ids.len() as f64 * share.share).round_ties_even() as usize;
    let count = wanted.clamp(1, share.most).min(places.len());
    chance.draw(&mut places, count);
    places.truncate(count);
    places.sort_unstable();
    let mut ids = example.ids.clone();
    let mut originals = Vec::with_capacity(count);
    for &place in &places {
        if let Some(id) = ids.get_mut(place) {
            originals.push(*id);
            if chance.share() < HIDDEN {
                *id = mask;
            }
        }
    }
    Masked {
        ids,
        places,
        originals,
    }
}

/// Puts what the generator sampled in the place of what it was to guess: the window as the
/// discriminator reads it, and for each token 1 if it is another than before. A sample that equals
/// the original counts as original.
pub(super) fn replace(example: &Example, masked: &Masked, samples: &[u32]) -> (Vec<u32>, Vec<u8>) {
    let mut ids = example.ids.clone();
    let mut labels = vec![0; ids.len()];
    for (&place, &sample) in masked.places.iter().zip(samples) {
        if let (Some(id), Some(label)) = (ids.get_mut(place), labels.get_mut(place)) {
            *label = u8::from(*id != sample);
            *id = sample;
        }
    }
    (ids, labels)
}

/// Samples a token from the softmax of `logits`: the first whose probability, added to those before
/// it, is more than `share` of all. That is the distribution that the reference samples with Gumbel
/// noise, with one number of chance for a place and one exponential for a token instead of a number
/// of chance and two logarithms for each token.
pub(super) fn sample(logits: &[f32], share: f64) -> u32 {
    /// Tokens that are summed up at once: a single sum over thirty thousand would lose the last ones.
    const BLOCK: usize = 256;
    let most = rten_vecmath::MaxNum::new(logits).dispatch();
    let mut weights: Vec<f32> = logits.iter().map(|&logit| logit - most).collect();
    rten_vecmath::Exp {}.map_mut(&mut weights);
    let blocks = || weights.chunks(BLOCK);
    let sums: Vec<f64> = blocks()
        .map(|block| f64::from(block.iter().sum::<f32>()))
        .collect();
    let mut left = share * sums.iter().sum::<f64>();
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
        // Rounding may leave a trace at the end of a block: what is left is less than it lost.
        left = 0.0;
    }
    last as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPECIAL: Special = Special {
        cls: 1,
        sep: 2,
        mask: 3,
        pad: 0,
    };

    fn example(text: &[u32]) -> Example {
        let ids: Vec<u32> = [&[1], text, &[2]].concat();
        Example {
            second: ids.len(),
            ids,
        }
    }

    proptest! {
        #[test]
        fn only_text_is_masked_and_as_much_as_was_asked(
            text in prop::collection::vec(10u32..20, 1..126),
            seed: u64,
        ) {
            let example = example(&text);
            let share = Share::new(0.15, 128);
            let masked = mask(&example, share, SPECIAL, &mut Chance::of(&[seed]));
            let wanted = ((text.len() + 2) as f64 * 0.15).round_ties_even() as usize;
            prop_assert_eq!(masked.places.len(), wanted.clamp(1, 19));
            prop_assert!(masked.places.is_sorted_by(|a, b| a < b));
            for (at, (&before, &after)) in example.ids.iter().zip(&masked.ids).enumerate() {
                match masked.places.binary_search(&at) {
                    Ok(place) => {
                        prop_assert_eq!(masked.originals[place], before);
                        prop_assert!(before >= 10 && (after == before || after == SPECIAL.mask));
                    }
                    Err(_) => prop_assert_eq!(before, after),
                }
            }
        }

        #[test]
        fn a_token_is_labelled_where_it_differs_and_nowhere_else(
            text in prop::collection::vec(10u32..13, 1..60),
            samples in prop::collection::vec(10u32..13, 20),
            seed: u64,
        ) {
            let example = example(&text);
            let masked = mask(&example, Share::new(0.3, 64), SPECIAL, &mut Chance::of(&[seed]));
            let (ids, labels) = replace(&example, &masked, &samples);
            for (at, label) in labels.iter().enumerate() {
                prop_assert_eq!(*label == 1, ids[at] != example.ids[at]);
                if !masked.places.contains(&at) {
                    prop_assert_eq!(ids[at], example.ids[at]);
                }
            }
            for (place, sample) in masked.places.iter().zip(&samples) {
                prop_assert_eq!(ids[*place], *sample);
            }
        }

        #[test]
        fn a_sample_is_a_token_whatever_the_logits(
            logits in prop::collection::vec(-50.0f32..50.0, 1..700),
            share in 0.0f64..1.0,
        ) {
            prop_assert!((sample(&logits, share) as usize) < logits.len());
        }
    }

    #[test]
    fn most_of_what_is_guessed_is_hidden() {
        let example = example(&[10; 100]);
        let hidden: usize = (0..200)
            .map(|seed| {
                let chance = &mut Chance::of(&[seed]);
                let masked = mask(&example, Share::new(0.15, 128), SPECIAL, chance);
                masked.ids.iter().filter(|&&id| id == SPECIAL.mask).count()
            })
            .sum();
        let share = hidden as f64 / (200.0 * 15.0);
        assert!((share - 0.85).abs() < 0.03, "{share}");
    }

    #[test]
    fn a_window_of_special_tokens_only_has_nothing_to_guess() {
        let masked = mask(
            &example(&[]),
            Share::new(0.15, 128),
            SPECIAL,
            &mut Chance::of(&[1]),
        );
        assert!(masked.places.is_empty());
    }

    #[test]
    fn tokens_are_sampled_as_often_as_the_softmax_says() {
        // More than a block, so that the search passes over some.
        let mut logits = vec![-30.0f32; 600];
        logits[3] = 1.0;
        logits[300] = 2.0;
        logits[599] = 0.0;
        let total = 1f64.exp() + 2f64.exp() + 1.0;
        let mut chance = Chance::of(&[5]);
        let samples: Vec<u32> = (0..20_000)
            .map(|_| sample(&logits, chance.share()))
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
