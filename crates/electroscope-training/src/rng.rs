//! Random numbers that can be repeated without saving a state.
//!
//! Every number is a function of a key and of how many numbers were drawn before it, by SplitMix64
//! (Steele, Lea, Flood 2014). Each random choice of a training has a generator of its own, whose key
//! is made from the seed and from what the choice is about. So no choice depends on threads or on what
//! happened before an interruption. Not for cryptography.

pub use electroscope_model::chance::mixed as mix;

/// A random number generator.
#[derive(Clone, Debug)]
pub struct SeededRng {
    key: u64,
    drawn: u64,
}

impl SeededRng {
    /// The generator of `seed` for one `stream`: one use of the seed, independent of all others.
    pub fn new(seed: u64, stream: u64) -> SeededRng {
        SeededRng {
            key: mix(mix(seed) ^ stream.rotate_left(32)),
            drawn: 0,
        }
    }

    /// The generator for a key of several numbers. Keys that differ in any number, or in length, give
    /// independent generators.
    pub fn for_key(key: &[u64]) -> SeededRng {
        SeededRng {
            key: (key.iter()).fold(0x5EED, |key, &part| mix(key ^ mix(part))),
            drawn: 0,
        }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.key ^ mix(self.drawn))
    }

    /// A number from the uniform distribution over `0.0..1.0`.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number less than `limit`, all equally likely; 0 if `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // The bias is at most limit / 2^64, too small to be measured.
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// One of `choices`, all equally likely; none if there are none.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// An index of `weights`, with a probability proportional to its weight; none if all are 0.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let total: f64 = weights.iter().sum();
        let mut left = self.uniform() * total;
        let mut last = None;
        for (at, &weight) in weights.iter().enumerate() {
            if weight > 0.0 {
                if left < weight {
                    return Some(at);
                }
                last = Some(at);
            }
            left -= weight;
        }
        // Rounding can leave a remainder after the last weight.
        last
    }

    /// A number from the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        // 1 - uniform is never 0, so that the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A number from the standard normal distribution truncated at two deviations, which the reference
    /// initialises weights with.
    pub fn truncated_normal(&mut self) -> f64 {
        loop {
            let value = self.normal();
            if value.abs() <= 2.0 {
                return value;
            }
        }
    }

    /// Moves a random sample of `count` of the `items`, in random order, to the front.
    pub fn sample_to_front<T>(&mut self, items: &mut [T], count: usize) {
        for at in 0..count.min(items.len()) {
            let from = at + self.below(items.len() - at);
            items.swap(at, from);
        }
    }

    /// Shuffles `items` (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_stream_give_the_same_numbers() {
        let drawn = |seed, stream| -> Vec<u64> {
            let mut rng = SeededRng::new(seed, stream);
            (0..8).map(|_| rng.bits()).collect()
        };
        assert_eq!(drawn(1, 2), drawn(1, 2));
        assert_ne!(drawn(1, 2), drawn(1, 3));
        assert_ne!(drawn(1, 2), drawn(2, 1));
    }

    #[test]
    fn the_numbers_of_a_seed_are_the_same_in_every_version() {
        let mut rng = SeededRng::new(1, 2);
        let expected = [0xA4B1_C196_455B_7DA6, 0x0899_CBF3_604B_3C60];
        assert_eq!([rng.bits(), rng.bits()], expected);
        let mut rng = SeededRng::for_key(&[1, 2, 3]);
        let expected = [0x5760_D48C_0171_C789, 0x32BF_27AB_0605_AB46];
        assert_eq!([rng.bits(), rng.bits()], expected);
    }

    #[test]
    fn keys_that_differ_give_different_numbers() {
        let first = |key: &[u64]| -> Vec<u64> {
            let mut rng = SeededRng::for_key(key);
            (0..4).map(|_| rng.bits()).collect()
        };
        assert_eq!(first(&[1, 2]), first(&[1, 2]));
        for other in [&[2, 1][..], &[1, 3], &[1], &[1, 2, 0]] {
            assert_ne!(first(&[1, 2]), first(other), "{other:?}");
        }
    }

    #[test]
    fn uniform_numbers_have_mean_one_half() {
        let mut rng = SeededRng::for_key(&[7]);
        let mean = (0..50_000).map(|_| rng.uniform()).sum::<f64>() / 50_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }

    fn mean_and_deviation(numbers: &[f64]) -> (f64, f64) {
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let square = numbers.iter().map(|number| number * number).sum::<f64>() / count;
        (mean, square.sqrt())
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let mut rng = SeededRng::new(7, 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| rng.normal()).collect();
        let (mean, deviation) = mean_and_deviation(&numbers);
        assert!(
            mean.abs() < 0.03 && (deviation - 1.0).abs() < 0.03,
            "{mean} {deviation}"
        );
    }

    #[test]
    fn truncated_normal_numbers_have_deviation_0_88() {
        let mut rng = SeededRng::for_key(&[8]);
        let numbers: Vec<f64> = (0..50_000).map(|_| rng.truncated_normal()).collect();
        let (mean, deviation) = mean_and_deviation(&numbers);
        assert!(numbers.iter().all(|number| number.abs() <= 2.0));
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((deviation - 0.880).abs() < 0.01, "{deviation}");
    }

    #[test]
    fn numbers_below_a_limit_are_equally_frequent() {
        let mut rng = SeededRng::new(7, 1);
        let mut counts = [0; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn weighted_indices_are_as_frequent_as_their_weights() {
        let mut rng = SeededRng::new(7, 3);
        let mut counts = [0; 3];
        for _ in 0..9_000 {
            counts[rng.weighted(&[1.0, 0.0, 2.0]).unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2_800..3_200).contains(&counts[0]), "{counts:?}");
        assert_eq!(rng.weighted(&[0.0, 0.0]), None);
        assert_eq!(rng.choose::<u8>(&[]), None);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let sorted: Vec<usize> = (0..100).collect();
        let mut shuffled = sorted.clone();
        SeededRng::new(7, 2).shuffle(&mut shuffled);
        let mut sampled = sorted.clone();
        SeededRng::new(7, 2).sample_to_front(&mut sampled, 10);
        for mut items in [shuffled, sampled] {
            assert_ne!(items, sorted);
            items.sort_unstable();
            assert_eq!(items, sorted);
        }
    }
}
