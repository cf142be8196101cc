//! What `--precision auto` computes in: a rule over the processor's instructions and the checkpoint.
//!
//! Nothing is timed when a model is loaded. The same checkpoint on the same machine is therefore
//! always computed in the same arithmetic, and gives the same bits, however busy the machine is.

use super::Arithmetic;
use super::dot::Dot;
use super::tile::{self, Sizes};
use crate::checkpoint::weights::Weights;

/// What `--precision auto` chose, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The arithmetic of the linear layers.
    pub arithmetic: Arithmetic,
    /// The reason, as a clause for `model info`.
    pub reason: &'static str,
}

/// The instructions that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instructions {
    /// Sums of eight-bit products over vectors of sixteen lanes.
    Avx512Vnni,
    /// The same over vectors of eight lanes.
    AvxVnni,
    /// Everything else: AVX-512 or AVX2 without VNNI, NEON, none. Eight-bit weights are then multiplied
    /// as whole numbers in f32.
    Others,
}

/// Tokens per second in eight bits by tokens per second in f32, of the built-in model at 8 × 128, where
/// that was measured. The figures and the machines are in `benches/README.md`; a row is changed by
/// measuring (`cargo bench --bench forward`), not by guessing.
const INT8_OVER_F32: [(Instructions, Option<f64>); 3] = [
    // AMD Zen 5, two cores: 57,851 to 21,264.
    (Instructions::Avx512Vnni, Some(2.7)),
    // Not measured. It is the same instruction on half the lanes, set against f32 on half the lanes.
    (Instructions::AvxVnni, None),
    // Eight bits take the multiplications of f32, with the rounding of the activations on top.
    (Instructions::Others, Some(1.0)),
];

/// Eight bits change the answers a little, and are chosen only where they save at least this factor.
const WORTH: f64 = 1.25;

/// What to compute `weights` in on this machine.
pub(super) fn choose(weights: &Weights) -> Choice {
    let instructions = match Dot::here(Sizes::here().lanes) {
        Some(dot) if dot.is_wide() => Instructions::Avx512Vnni,
        Some(_) => Instructions::AvxVnni,
        None => Instructions::Others,
    };
    by_rule(instructions, tile::instructions(), is_eight_bits(weights))
}

/// Whether the linear layers are stored in eight bits, so that only the activations are rounded.
fn is_eight_bits(weights: &Weights) -> bool {
    weights
        .quantised("electra.encoder.layer.0.attention.output.dense.weight")
        .is_some()
}

/// The rule. `vectors` names the instructions for f32, for the reason.
fn by_rule(instructions: Instructions, vectors: &str, is_eight_bits: bool) -> Choice {
    let ratio = INT8_OVER_F32
        .iter()
        .find(|(of, _)| *of == instructions)
        .map(|(_, ratio)| ratio.unwrap_or(WORTH));
    let pays = ratio.is_some_and(|ratio| ratio >= WORTH);
    let (arithmetic, reason) = match (is_eight_bits, pays, instructions) {
        (false, ..) => (
            Arithmetic::F32,
            "its weights are stored in floating point, and rounding them to eight bits would change p",
        ),
        (true, true, Instructions::AvxVnni) => (
            Arithmetic::Int8,
            "its weights are stored in eight bits, which this processor multiplies by AVX-VNNI",
        ),
        (true, true, _) => (
            Arithmetic::Int8,
            "its weights are stored in eight bits, which this processor multiplies by AVX-512 VNNI",
        ),
        (true, false, _) => (
            Arithmetic::F32,
            match vectors {
                "AVX-512" => "without VNNI, AVX-512 alone is not faster in eight bits",
                "AVX2" => "without VNNI, AVX2 alone is not faster in eight bits",
                _ => "this processor has no instructions here that are faster in eight bits",
            },
        ),
    };
    Choice { arithmetic, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_are_chosen_for_eight_bit_weights_and_instructions_for_them_only() {
        use Instructions::{Avx512Vnni, AvxVnni, Others};
        let chosen = [Avx512Vnni, AvxVnni, Others].map(|instructions| {
            [true, false].map(|stored| by_rule(instructions, "AVX2", stored).arithmetic)
        });
        let (int8, f32) = (Arithmetic::Int8, Arithmetic::F32);
        assert_eq!(chosen, [[int8, f32], [int8, f32], [f32, f32]]);
    }

    #[test]
    fn the_reason_names_the_instructions_that_are_missing() {
        let reason = |vectors| by_rule(Instructions::Others, vectors, true).reason;
        assert!(reason("AVX2").contains("AVX2 alone"));
        assert!(reason("AVX-512").contains("without VNNI"));
        assert!(reason("NEON").contains("no instructions"));
    }
}
