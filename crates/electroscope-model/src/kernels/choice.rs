//! What `--precision auto` computes in: a rule over the instruction set and the checkpoint.
//!
//! Nothing is timed when a model is loaded. The same checkpoint on the same machine is therefore
//! always computed in the same arithmetic, and gives the same bits, however busy the machine is.

use super::Arithmetic;
use super::simd::InstructionSet;
use crate::Error;
use crate::checkpoint::weights::Weights;

/// What `--precision auto` chose, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The arithmetic of the linear layers.
    pub arithmetic: Arithmetic,
    /// The reason, as a clause for `model info`.
    pub reason: String,
}

/// Tokens per second in int8 divided by tokens per second in f32.
#[derive(Clone, Copy, Debug)]
enum Speedup {
    /// The lowest that was measured among several shapes of batches.
    Measured(f64),
    /// Not measured, but at least this by the measurement of a subset of the instructions.
    AtLeast(f64),
    /// Not measured.
    Unknown,
}

/// The measurement for AVX2: thread CPU time on an AMD EPYC of the Zen 4 generation, which was held to
/// these instructions.
const AVX2: f64 = 1.31;

/// The speedup by the name of the instruction set. The figures, the machine and the method are in
/// `benches/README.md`. Change a row only after measuring it (`cargo bench --bench forward -- kernels`).
const INT8_OVER_F32: [(&str, Speedup); 6] = [
    // On the same Zen 4.
    ("avx512vnni", Speedup::Measured(2.3)),
    // On the same Zen 4, held to AVX-512 without VNNI.
    ("avx512", Speedup::Measured(1.28)),
    // Its f32 is that of AVX2, and one of its instructions does what takes two pairs of them in AVX2.
    ("avxvnni", Speedup::AtLeast(AVX2)),
    ("avx2", Speedup::Measured(AVX2)),
    // These have no kernel for products of integers, and multiply the integers as f32.
    ("neon", Speedup::Unknown),
    ("portable", Speedup::Unknown),
];

/// Int8 changes p a little, and is chosen only where it is faster by at least this factor.
const THRESHOLD: f64 = 1.25;

/// What to compute `weights` in on this machine.
///
/// # Errors
///
/// Those of [`InstructionSet::choose`].
pub(super) fn choose(weights: &Weights) -> Result<Choice, Error> {
    let set = InstructionSet::choose()?;
    Ok(by_rule(set.name(), &set.to_string(), is_int8(weights)))
}

/// Whether the linear layers are stored in eight bits, so that int8 rounds the activations only.
fn is_int8(weights: &Weights) -> bool {
    weights
        .quantised("electra.encoder.layer.0.attention.output.dense.weight")
        .is_some()
}

/// The rule. `set` is the name of an instruction set in the table, `title` its name in the reason.
fn by_rule(set: &str, title: &str, is_int8: bool) -> Choice {
    let speedup = INT8_OVER_F32
        .iter()
        .find(|(name, _)| *name == set)
        .map_or(Speedup::Unknown, |&(_, speedup)| speedup);
    let (arithmetic, reason) = match speedup {
        _ if !is_int8 => (
            Arithmetic::F32,
            "its weights are stored in floating point, and rounding them to eight bits would change p"
                .to_owned(),
        ),
        Speedup::Measured(factor) | Speedup::AtLeast(factor) if factor >= THRESHOLD => (
            Arithmetic::Int8,
            format!("its weights are stored in eight bits, and with {title} int8 is faster than f32"),
        ),
        Speedup::Measured(_) | Speedup::AtLeast(_) => (
            Arithmetic::F32,
            format!("with {title}, int8 is not enough faster than f32"),
        ),
        Speedup::Unknown => (
            Arithmetic::F32,
            format!("int8 was not measured to be faster than f32 with {title} instructions"),
        ),
    };
    Choice { arithmetic, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_int8_for_int8_weights_on_x86_with_avx2_or_better_and_f32_otherwise() {
        let (int8, f32) = (Arithmetic::Int8, Arithmetic::F32);
        for (set, wanted) in [
            ("avx512vnni", int8),
            ("avx512", int8),
            ("avxvnni", int8),
            ("avx2", int8),
            ("neon", f32),
            ("portable", f32),
        ] {
            assert_eq!(by_rule(set, set, true).arithmetic, wanted, "{set}");
            assert_eq!(by_rule(set, set, false).arithmetic, f32, "{set}");
        }
    }

    #[test]
    fn the_reason_names_the_instruction_set_or_the_floating_point_weights() {
        let reason = |set, title, is_int8| by_rule(set, title, is_int8).reason;
        assert_eq!(
            reason("avx2", "AVX2", true),
            "its weights are stored in eight bits, and with AVX2 int8 is faster than f32"
        );
        assert_eq!(
            reason("neon", "NEON", true),
            "int8 was not measured to be faster than f32 with NEON instructions"
        );
        assert!(reason("avx2", "AVX2", false).contains("floating point"));
    }

    #[test]
    fn every_instruction_set_of_this_processor_has_a_row_in_the_table() {
        for set in InstructionSet::available() {
            let rows = INT8_OVER_F32.iter().filter(|(name, _)| *name == set.name());
            assert_eq!(rows.count(), 1, "{set}");
        }
    }
}
