//! Random numbers from a seed: adapter weights and dropout masks.
//!
//! SplitMix64 (Steele, Lea, Flood 2014). Not for cryptography.

/// One step of SplitMix64: a function of `number` whose values look random.
#[inline(always)]
pub fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
