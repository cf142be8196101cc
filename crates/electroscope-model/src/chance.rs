//! Numbers that look like chance and follow from a seed: what weights begin with, which values are
//! dropped, in which order examples come.
//!
//! SplitMix64 (Steele, Lea, Flood 2014), for its whole state is a seed and a count: whatever was
//! interrupted goes on where it stopped without a state to be saved. No secrets may hang on it.

/// A number that looks like chance and is a function of `number`: one step of SplitMix64.
#[inline(always)]
pub fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Numbers one after the other.
#[derive(Clone, Debug)]
pub struct Chance {
    key: u64,
    drawn: u64,
}

impl Chance {
    /// The numbers of `seed`; those of another `stream` have nothing to do with them.
    pub fn new(seed: u64, stream: u64) -> Chance {
        Chance {
            key: mixed(mixed(seed) ^ stream.rotate_left(32)),
            drawn: 0,
        }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.drawn += 1;
        mixed(self.key ^ mixed(self.drawn))
    }

    /// At least 0 and less than 1.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number less than `limit`; 0 if `limit` is.
    pub fn below(&mut self, limit: usize) -> usize {
        // The bias is at most limit / 2^64, far below what anyone could count.
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// Whether what happens with probability `p` happens.
    pub fn happens(&mut self, p: f64) -> bool {
        self.share() < p
    }

    /// One of `choices`, if there is any.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len()))
    }

    /// The place of one of `weights`, each as likely as it is heavy; none if all are 0.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let whole: f64 = weights.iter().sum();
        let mut left = self.share() * whole;
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
        // Rounding can leave a crumb.
        last
    }

    /// From the normal distribution around 0 with deviation 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.share()).cos()
    }

    /// Puts `things` into an order of chance (Fisher and Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            things.swap(at, self.below(at + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_stream_give_the_same_numbers() {
        let drawn = |seed, stream| -> Vec<u64> {
            let mut chance = Chance::new(seed, stream);
            (0..8).map(|_| chance.bits()).collect()
        };
        assert_eq!(drawn(1, 2), drawn(1, 2));
        assert_ne!(drawn(1, 2), drawn(1, 3));
        assert_ne!(drawn(1, 2), drawn(2, 1));
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let mut chance = Chance::new(7, 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| chance.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 2e4;
        let square = numbers.iter().map(|number| number * number).sum::<f64>() / 2e4;
        assert!(
            mean.abs() < 0.03 && (square - 1.0).abs() < 0.05,
            "{mean} {square}"
        );
    }

    #[test]
    fn each_number_below_a_limit_comes_about_equally_often() {
        let mut chance = Chance::new(7, 1);
        let mut counts = [0; 7];
        for _ in 0..70_000 {
            counts[chance.below(7)] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
        assert_eq!(chance.below(0), 0);
    }

    #[test]
    fn weights_are_kept_and_what_weighs_nothing_never_comes() {
        let mut chance = Chance::new(7, 3);
        let mut counts = [0; 3];
        for _ in 0..9_000 {
            counts[chance.weighted(&[1.0, 0.0, 2.0]).unwrap()] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((2_800..3_200).contains(&counts[0]), "{counts:?}");
        assert_eq!(chance.weighted(&[0.0, 0.0]), None);
        assert_eq!(chance.pick::<u8>(&[]), None);
    }

    #[test]
    fn shuffling_keeps_everything() {
        let mut things: Vec<usize> = (0..100).collect();
        Chance::new(7, 2).shuffle(&mut things);
        assert_ne!(things, (0..100).collect::<Vec<_>>());
        things.sort_unstable();
        assert_eq!(things, (0..100).collect::<Vec<_>>());
    }
}
