//! Products of integers by the instructions of particular processors.
//!
//! AVX-512 VNNI and AVX-VNNI multiply four unsigned bytes with four signed ones and add all four products
//! to a 32-bit sum. Processors without them have an instruction that multiplies two pairs of 16-bit
//! integers and adds both products; the sum takes a second one. Half as many integers go into one
//! instruction, but those of eight bits cannot overflow in it, so every kernel gives the same sums. (The
//! older instruction for bytes, `vpmaddubsw`, saturates in its sums of two products unless the inputs are
//! rounded to seven bits.)
//!
//! A [`Dot`] exists only where the processor has its instructions.
#![allow(unsafe_code)]

use super::simd::{InstructionSet, Kind};

/// Bytes of a word: the integers that one instruction multiplies in each 32-bit lane.
pub(super) const WORD: usize = 4;

/// Four integers of eight bits or two of sixteen, in the byte order of the processor.
pub(super) type Word = [u8; WORD];

/// A kernel for products of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dot(Kernel);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// AVX-512 VNNI: sixteen tokens to a vector, four integers to a word.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// AVX-512 BW: sixteen tokens to a vector, two integers to a word.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-VNNI: eight tokens to a vector, four integers to a word.
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    /// AVX2: eight tokens to a vector, two integers to a word.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

/// A group of rows times one panel.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "only x86-64 has kernels that read it")
)]
pub(super) struct DotProduct<'a> {
    /// Depth first: element `d * step + r` has the next integers of row `r`. Those below zero are stored
    /// in two's complement.
    pub(super) weights: &'a [Word],
    /// From a word of a row to its next one.
    pub(super) step: usize,
    /// Inputs from 0 to 255: element `d * columns + t` has the next integers of token `t`.
    pub(super) panel: &'a [Word],
    pub(super) tokens: TokenScales<'a>,
    /// One for each row.
    pub(super) rows: &'a [OutputScale],
    /// As many numbers as rows times tokens.
    pub(super) to: &'a mut [f32],
}

/// What makes numbers of the integers of each token of a panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenScales<'a> {
    /// The size of a step.
    pub(super) scales: &'a [f32],
    /// The zero point times the size of a step.
    pub(super) zeros: &'a [f32],
}

/// What makes a number of the sum of an output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OutputScale {
    /// The size of a step of the row's weights.
    pub(super) scale: f32,
    /// The sum of the row's integers times the size of a step.
    pub(super) total: f32,
    /// The number that is added.
    pub(super) bias: f32,
}

impl Dot {
    /// The kernel for `set`, if there is one.
    pub(super) fn of(set: InstructionSet) -> Option<Dot> {
        match set.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => Some(Dot(Kernel::Avx512Vnni)),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => Some(Dot(Kernel::Avx512)),
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => Some(Dot(Kernel::AvxVnni)),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Some(Dot(Kernel::Avx2)),
            _ => None,
        }
    }

    /// Integers in a word: 4 or 2.
    pub(super) fn per_word(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512Vnni | Kernel::AvxVnni => WORD,
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 | Kernel::Avx2 => WORD / 2,
        }
    }

    /// Words that hold `count` integers.
    pub(super) fn words(self, count: usize) -> usize {
        count.div_ceil(self.per_word())
    }

    /// The word of these integers, at most [`Dot::per_word`] of them. Missing ones are zero.
    pub(super) fn word(self, integers: &[i8]) -> Word {
        let integer = |at: usize| integers.get(at).copied().unwrap_or_default();
        if self.per_word() == WORD {
            std::array::from_fn(|at| integer(at) as u8)
        } else {
            let [a, b] = i16::from(integer(0)).to_ne_bytes();
            let [c, d] = i16::from(integer(1)).to_ne_bytes();
            [a, b, c, d]
        }
    }

    /// Computes `product`, whose panel has `vectors` vectors of tokens: 1 or 2.
    pub(super) fn product(self, product: DotProduct<'_>, vectors: usize) {
        #[cfg(target_arch = "x86_64")]
        match self.0 {
            // SAFETY: the kernel was chosen by an `InstructionSet`, which only exists where the
            // processor has its instructions.
            Kernel::Avx512Vnni => unsafe { avx512vnni::product(product, vectors) },
            // SAFETY: likewise.
            Kernel::Avx512 => unsafe { avx512::product(product, vectors) },
            // SAFETY: likewise.
            Kernel::AvxVnni => unsafe { avxvnni::product(product, vectors) },
            // SAFETY: likewise.
            Kernel::Avx2 => unsafe { avx2::product(product, vectors) },
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (product, vectors);
            match self.0 {}
        }
    }
}

/// A module with the kernel for one instruction set. `$dot` adds the products of two vectors of words to a
/// vector of sums; `$rows` are the numbers of rows that a group can have.
#[cfg(target_arch = "x86_64")]
macro_rules! products {
    (
        $module:ident, $features:literal, $lanes:literal,
        |$sums:ident, $inputs:ident, $weights:ident| $dot:expr,
        $whole:ident, $float:ident, $zero:ident, $load:ident, $splat:ident,
        $load_float:ident, $splat_float:ident, $to_float:ident, $times:ident, $add_times:ident,
        $take_times:ident, $store_float:ident, [$($rows:literal),*]
    ) => {
        mod $module {
            use std::arch::x86_64::*;

            use super::{DotProduct, WORD};

            const LANES: usize = $lanes;

            #[target_feature(enable = $features)]
            pub(super) fn product(product: DotProduct<'_>, vectors: usize) {
                match (product.rows.len(), vectors) {
                    $(
                        ($rows, 1) => tile::<$rows, 1>(product),
                        ($rows, _) => tile::<$rows, 2>(product),
                    )*
                    _ => {}
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn load(from: &[[u8; WORD]; LANES]) -> $whole {
                // SAFETY: so many bytes are read as the array has.
                unsafe { $load(from.as_ptr().cast()) }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn load_float(from: &[f32; LANES]) -> $float {
                // SAFETY: so many numbers are read as the array has.
                unsafe { $load_float(from.as_ptr()) }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn tile<const R: usize, const V: usize>(product: DotProduct<'_>) {
                let DotProduct { weights, step, panel, tokens, rows, to } = product;
                let mut sums = [[$zero(); V]; R];
                let (columns, _) = panel.as_chunks::<LANES>();
                for (weights, columns) in weights.chunks(step).zip(columns.chunks_exact(V)) {
                    let Some(weights) = weights.first_chunk::<R>() else {
                        break;
                    };
                    let mut vectors = [$zero(); V];
                    for v in 0..V {
                        vectors[v] = load(&columns[v]);
                    }
                    for r in 0..R {
                        let weight = $splat(i32::from_ne_bytes(weights[r]));
                        for v in 0..V {
                            let ($sums, $inputs, $weights) = (sums[r][v], vectors[v], weight);
                            sums[r][v] = $dot;
                        }
                    }
                }
                let (scales, _) = tokens.scales.as_chunks::<LANES>();
                let (zeros, _) = tokens.zeros.as_chunks::<LANES>();
                let (to, _) = to.as_chunks_mut::<LANES>();
                for v in 0..V {
                    let (Some(scale), Some(zero)) = (scales.get(v), zeros.get(v)) else {
                        return;
                    };
                    let (scale, zero) = (load_float(scale), load_float(zero));
                    for r in 0..R {
                        let (Some(row), Some(to)) = (rows.get(r), to.get_mut(r * V + v)) else {
                            return;
                        };
                        let sum = $times($to_float(sums[r][v]), scale);
                        let rest = $take_times(zero, $splat_float(row.total), $splat_float(row.bias));
                        let sum = $add_times(sum, $splat_float(row.scale), rest);
                        // SAFETY: so many numbers are written as the array has.
                        unsafe { $store_float(to.as_mut_ptr(), sum) };
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
products!(
    avx512vnni,
    "avx512f,avx512vnni",
    16,
    |sums, inputs, weights| _mm512_dpbusd_epi32(sums, inputs, weights),
    __m512i,
    __m512,
    _mm512_setzero_si512,
    _mm512_loadu_si512,
    _mm512_set1_epi32,
    _mm512_loadu_ps,
    _mm512_set1_ps,
    _mm512_cvtepi32_ps,
    _mm512_mul_ps,
    _mm512_fmadd_ps,
    _mm512_fnmadd_ps,
    _mm512_storeu_ps,
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
);

#[cfg(target_arch = "x86_64")]
products!(
    avx512,
    "avx512f,avx512bw",
    16,
    |sums, inputs, weights| _mm512_add_epi32(sums, _mm512_madd_epi16(inputs, weights)),
    __m512i,
    __m512,
    _mm512_setzero_si512,
    _mm512_loadu_si512,
    _mm512_set1_epi32,
    _mm512_loadu_ps,
    _mm512_set1_ps,
    _mm512_cvtepi32_ps,
    _mm512_mul_ps,
    _mm512_fmadd_ps,
    _mm512_fnmadd_ps,
    _mm512_storeu_ps,
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
);

#[cfg(target_arch = "x86_64")]
products!(
    avxvnni,
    "avx2,fma,avxvnni",
    8,
    |sums, inputs, weights| _mm256_dpbusd_avx_epi32(sums, inputs, weights),
    __m256i,
    __m256,
    _mm256_setzero_si256,
    _mm256_loadu_si256,
    _mm256_set1_epi32,
    _mm256_loadu_ps,
    _mm256_set1_ps,
    _mm256_cvtepi32_ps,
    _mm256_mul_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_storeu_ps,
    [1, 2, 3, 4, 5, 6]
);

#[cfg(target_arch = "x86_64")]
products!(
    avx2,
    "avx2,fma",
    8,
    |sums, inputs, weights| _mm256_add_epi32(sums, _mm256_madd_epi16(inputs, weights)),
    __m256i,
    __m256,
    _mm256_setzero_si256,
    _mm256_loadu_si256,
    _mm256_set1_epi32,
    _mm256_loadu_ps,
    _mm256_set1_ps,
    _mm256_cvtepi32_ps,
    _mm256_mul_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_storeu_ps,
    [1, 2, 3, 4, 5, 6]
);
