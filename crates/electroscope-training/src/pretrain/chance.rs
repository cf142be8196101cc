//! Chance that can be repeated: numbers that are a function of a key and of how many came before.
//!
//! Every choice in pre-training (which tokens are masked, where segments end, in which order
//! examples come, what the generator samples) takes its chance from a key of its own, made from the
//! seed and from what the choice is about. So no choice depends on a thread or on what was done
//! before an interruption, and nothing of chance need be saved.

use electroscope_model::chance::mixed;

/// A sequence of numbers that look like chance: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Chance {
    state: u64,
}

impl Chance {
    /// The sequence of a key; keys that differ anywhere have sequences that are unlike.
    pub(super) fn of(key: &[u64]) -> Chance {
        let state = (key.iter()).fold(0x5EED, |state, &part| mixed(state ^ mixed(part)));
        Chance { state }
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        let bits = mixed(self.state);
        self.state = self.state.wrapping_add(STEP);
        bits
    }

    /// A number of at least 0 and less than 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number of at least 0 and less than `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        // A multiplication for a division; what it is uneven by is one in 2^64 / limit.
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    /// A number of the normal distribution, cut off at two deviations (the truncated normal that
    /// ELECTRA's weights start from).
    pub(super) fn normal_within_two(&mut self) -> f64 {
        loop {
            // Box and Muller. 1 - share is never 0.
            let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
            let value = radius * (std::f64::consts::TAU * self.share()).cos();
            if value.abs() <= 2.0 {
                return value;
            }
        }
    }

    /// Brings the first `count` of `items` into an order by chance, drawn from all of them.
    pub(super) fn draw<T>(&mut self, items: &mut [T], count: usize) {
        for at in 0..count.min(items.len()) {
            let from = at + self.below(items.len() - at);
            items.swap(at, from);
        }
    }

    /// Brings `items` into an order by chance.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        self.draw(items, items.len());
    }
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_sequence_and_another_key_another() {
        let first = |key: &[u64]| -> Vec<u64> {
            let mut chance = Chance::of(key);
            (0..4).map(|_| chance.next()).collect()
        };
        assert_eq!(first(&[1, 2]), first(&[1, 2]));
        for other in [&[2, 1][..], &[1, 3], &[1], &[1, 2, 0]] {
            assert_ne!(first(&[1, 2]), first(other), "{other:?}");
        }
    }

    #[test]
    fn numbers_are_spread_evenly() {
        let mut chance = Chance::of(&[7]);
        let mut counts = [0usize; 5];
        for _ in 0..50_000 {
            counts[chance.below(5)] += 1;
        }
        assert!(
            counts.iter().all(|&count| count.abs_diff(10_000) < 500),
            "{counts:?}"
        );
        let mean = (0..50_000).map(|_| chance.share()).sum::<f64>() / 50_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }

    #[test]
    fn normal_numbers_have_the_deviation_of_the_truncated_normal() {
        let mut chance = Chance::of(&[8]);
        let numbers: Vec<f64> = (0..50_000).map(|_| chance.normal_within_two()).collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let variance = numbers.iter().map(|x| x * x).sum::<f64>() / numbers.len() as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance.sqrt() - 0.880).abs() < 0.01, "{variance}");
    }

    #[test]
    fn an_order_holds_each_item_once() {
        let mut items: Vec<usize> = (0..100).collect();
        Chance::of(&[9]).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
