//! The instruction sets that the kernels are compiled for, and the choice among them at run time.
//!
//! Each kernel is written once, over [`rten_simd`]'s portable vectors, and compiled for every
//! instruction set of the target architecture. `InstructionSet::run` runs it in one of them.
//!
//! `unsafe` is needed to call code that was compiled for instructions that the processor might lack. It
//! is confined to this file and `dot.rs`.
#![allow(unsafe_code)]

use std::fmt;

use rten_simd::SimdOp;
#[cfg(target_arch = "aarch64")]
use rten_simd::isa::ArmNeonIsa;
use rten_simd::isa::GenericIsa;
#[cfg(target_arch = "x86_64")]
use rten_simd::isa::{Avx2Isa, Avx512Isa};

use crate::Error;

/// The environment variable that forces an instruction set. It is meant for measuring and testing.
pub const VARIABLE: &str = "ELECTROSCOPE_CPU";

/// An instruction set that this processor has.
///
/// A value of this type is proof that the processor has the instructions: there is no other way to one
/// than through detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionSet(Kind);

/// The instruction sets in order of preference, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// AVX-512 F, VL, BW and DQ, with the eight-bit dot products of AVX-512 VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// AVX-512 F, VL, BW and DQ.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA, with the eight-bit dot products of AVX-VNNI.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Arm's vectors of 128 bits.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// Whatever every processor of the target has.
    Portable,
}

const KINDS: &[Kind] = &[
    #[cfg(target_arch = "x86_64")]
    Kind::Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    Kind::Avx512,
    #[cfg(target_arch = "x86_64")]
    Kind::AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Kind::Avx2,
    #[cfg(target_arch = "aarch64")]
    Kind::Neon,
    Kind::Portable,
];

impl InstructionSet {
    /// Every instruction set that this processor has, best first. The last one is the portable one.
    pub fn available() -> impl Iterator<Item = InstructionSet> {
        KINDS
            .iter()
            .copied()
            .filter(|kind| kind.is_available())
            .map(InstructionSet)
    }

    /// The best instruction set of this processor.
    pub fn detect() -> InstructionSet {
        InstructionSet::available()
            .next()
            .unwrap_or(InstructionSet(Kind::Portable))
    }

    /// The instruction set that [`VARIABLE`] names; where it is unset or empty, the best one.
    ///
    /// # Errors
    ///
    /// [`Error::InstructionSet`] if the variable names none, or one that this processor lacks.
    pub fn choose() -> Result<InstructionSet, Error> {
        match std::env::var_os(VARIABLE) {
            Some(name) if !name.is_empty() => InstructionSet::named(&name.to_string_lossy()),
            _ => Ok(InstructionSet::detect()),
        }
    }

    /// The instruction set called `name`, as in [`InstructionSet::name`].
    ///
    /// # Errors
    ///
    /// [`Error::InstructionSet`] if there is none of that name, or this processor lacks it.
    pub fn named(name: &str) -> Result<InstructionSet, Error> {
        InstructionSet::available()
            .find(|set| set.name() == name)
            .ok_or_else(|| Error::InstructionSet {
                found: name.to_owned(),
                available: InstructionSet::available()
                    .map(InstructionSet::name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    /// Its name as a value of [`VARIABLE`].
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => "avx512vnni",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => "avxvnni",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
            Kind::Portable => "portable",
        }
    }

    /// What the instructions of f32 kernels are called.
    pub(super) fn float_name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni | Kind::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni | Kind::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "NEON",
            Kind::Portable => "portable",
        }
    }

    pub(super) fn kind(self) -> Kind {
        self.0
    }

    /// `f32` numbers in a vector.
    pub(super) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni | Kind::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni | Kind::Avx2 => 8,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => 4,
            Kind::Portable => 4,
        }
    }

    /// The most rows that are multiplied at once. Their sums, two vectors for each row, fill the
    /// registers: there are thirty-two of them in AVX-512 and NEON, sixteen elsewhere.
    pub(super) fn rows(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni | Kind::Avx512 => 12,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => 12,
            _ => 6,
        }
    }

    /// Runs `op`, compiled for this instruction set.
    #[inline]
    pub(super) fn run<Op: SimdOp>(self, op: Op) -> Op::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni | Kind::Avx512 => {
                if let Some(isa) = Avx512Isa::new() {
                    // SAFETY: the constructor has just found all of these features.
                    return unsafe { with_avx512(isa, op) };
                }
            }
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni | Kind::Avx2 => {
                if let Some(isa) = Avx2Isa::new() {
                    // SAFETY: the constructor has just found all of these features.
                    return unsafe { with_avx2(isa, op) };
                }
            }
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => {
                if let Some(isa) = ArmNeonIsa::new() {
                    return op.eval(isa);
                }
            }
            Kind::Portable => {}
        }
        op.eval(GenericIsa::new())
    }
}

impl Kind {
    fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => {
                Kind::Avx512.is_available() && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                Avx512Isa::new().is_some()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => Kind::Avx2.is_available() && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Avx2Isa::new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => ArmNeonIsa::new().is_some(),
            Kind::Portable => true,
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "NEON",
            Kind::Portable => "portable",
        })
    }
}

/// Evaluates `op` with the features that [`Avx512Isa::new`] looks for.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,f16c")]
fn with_avx512<Op: SimdOp>(isa: Avx512Isa, op: Op) -> Op::Output {
    op.eval(isa)
}

/// Evaluates `op` with the features that [`Avx2Isa::new`] looks for.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn with_avx2<Op: SimdOp>(isa: Avx2Isa, op: Op) -> Op::Output {
    op.eval(isa)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tile::rows_at_once;
    use rten_simd::Isa;
    use rten_simd::ops::BitOps;

    #[test]
    fn lanes_and_rows_are_those_that_the_kernels_are_compiled_with() {
        struct Ask;
        impl SimdOp for Ask {
            type Output = (usize, usize);
            #[inline(always)]
            fn eval<I: Isa>(self, isa: I) -> (usize, usize) {
                (isa.f32().len(), rows_at_once::<I>())
            }
        }
        for set in InstructionSet::available() {
            assert_eq!(set.run(Ask), (set.lanes(), set.rows()), "{set}");
        }
    }

    #[test]
    fn an_instruction_set_is_found_by_its_name_and_an_unknown_name_is_refused() {
        for set in InstructionSet::available() {
            assert_eq!(InstructionSet::named(set.name()).unwrap(), set);
        }
        let refusal = InstructionSet::named("mmx").unwrap_err().to_string();
        assert!(
            refusal.starts_with("ELECTROSCOPE_CPU is \"mmx\"; this processor has "),
            "{refusal}"
        );
        assert!(refusal.ends_with("portable"), "{refusal}");
    }

    #[test]
    fn the_portable_set_is_always_available_and_the_last_choice() {
        let last = InstructionSet::available().last().unwrap();
        assert_eq!(last, InstructionSet(Kind::Portable));
    }
}
