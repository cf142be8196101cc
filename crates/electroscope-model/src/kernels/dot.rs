//! Sums of eight-bit products, four at a time.
//!
//! The only room with instructions of particular processors: AVX-512 VNNI and AVX-VNNI, which multiply
//! four unsigned bytes by four signed ones and add them all up within a lane. Whether they are there is
//! asked once; [`Dot`] cannot be had without.
#![allow(unsafe_code)]

/// Bytes that one instruction takes in each lane.
pub(super) const BYTES: usize = 4;

/// Instructions that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dot(Which);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// AVX-512 VNNI, sixteen tokens to a vector.
    #[cfg(target_arch = "x86_64")]
    Wide,
    /// AVX-VNNI, eight tokens to a vector.
    #[cfg(target_arch = "x86_64")]
    Narrow,
}

/// A group of outputs of a layer, for one panel.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "there are no instructions to read it")
)]
pub(super) struct Part<'a> {
    /// Depth first: number `d * step + r` has four weights of row `r`, those below zero as bytes of two's
    /// complement.
    pub(super) weights: &'a [[u8; BYTES]],
    /// From four weights of a row to its next four.
    pub(super) step: usize,
    /// Number by number of the tokens, four in one.
    pub(super) panel: &'a [[u8; BYTES]],
    /// What to multiply the sums of each token with, and what to subtract for each step that its zero
    /// lies above the least number.
    pub(super) tokens: Tokens<'a>,
    /// Of each row: its scale, its scale times what its weights sum up to, and its bias.
    pub(super) rows: &'a [Row],
    /// As many numbers as rows times tokens.
    pub(super) to: &'a mut [f32],
}

/// What belongs to the tokens of a panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    /// The size of a step.
    pub(super) scales: &'a [f32],
    /// The step at which zero lies, times the size of a step.
    pub(super) zeros: &'a [f32],
}

/// What belongs to an output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    /// The size of a step.
    pub(super) scale: f32,
    /// The sum of its weights times the size of a step.
    pub(super) total: f32,
    /// What is added.
    pub(super) bias: f32,
}

impl Dot {
    /// The instructions for vectors of `lanes` tokens, where this machine has them.
    pub(super) fn here(lanes: usize) -> Option<Dot> {
        #[cfg(target_arch = "x86_64")]
        match lanes {
            16 if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") => {
                return Some(Dot(Which::Wide));
            }
            8 if is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("avxvnni") =>
            {
                return Some(Dot(Which::Narrow));
            }
            _ => {}
        }
        let _ = lanes;
        None
    }

    /// What the instructions are called.
    pub(super) fn instructions(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Which::Wide => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Which::Narrow => "AVX-VNNI",
        }
    }

    /// Computes `part`, whose panel has `vectors` vectors of tokens: 1 or 2.
    pub(super) fn product(self, part: Part<'_>, vectors: usize) {
        #[cfg(target_arch = "x86_64")]
        match self.0 {
            // SAFETY: a `Dot` is only made where the processor has the instructions.
            Which::Wide => unsafe { wide::product(part, vectors) },
            // SAFETY: likewise.
            Which::Narrow => unsafe { narrow::product(part, vectors) },
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (part, vectors);
            match self.0 {}
        }
    }
}

/// A module with the products for one kind of vector.
#[cfg(target_arch = "x86_64")]
macro_rules! products {
    (
        $module:ident, $features:literal, $lanes:literal,
        $whole:ident, $float:ident, $zero:ident, $load:ident, $splat:ident, $dot:ident,
        $load_float:ident, $splat_float:ident, $to_float:ident, $times:ident, $add_times:ident,
        $take_times:ident, $store_float:ident, [$($rows:literal),*]
    ) => {
        mod $module {
            use std::arch::x86_64::*;

            use super::{BYTES, Part};

            const LANES: usize = $lanes;

            #[target_feature(enable = $features)]
            pub(super) fn product(part: Part<'_>, vectors: usize) {
                match (part.rows.len(), vectors) {
                    $(
                        ($rows, 1) => tile::<$rows, 1>(part),
                        ($rows, _) => tile::<$rows, 2>(part),
                    )*
                    _ => {}
                }
            }

            #[inline]
            #[target_feature(enable = $features)]
            fn load(from: &[[u8; BYTES]; LANES]) -> $whole {
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
            fn tile<const R: usize, const V: usize>(part: Part<'_>) {
                let Part { weights, step, panel, tokens, rows, to } = part;
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
                            sums[r][v] = $dot(sums[r][v], vectors[v], weight);
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
    wide,
    "avx512f,avx512vnni",
    16,
    __m512i,
    __m512,
    _mm512_setzero_si512,
    _mm512_loadu_si512,
    _mm512_set1_epi32,
    _mm512_dpbusd_epi32,
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
    narrow,
    "avx2,fma,avxvnni",
    8,
    __m256i,
    __m256,
    _mm256_setzero_si256,
    _mm256_loadu_si256,
    _mm256_set1_epi32,
    _mm256_dpbusd_avx_epi32,
    _mm256_loadu_ps,
    _mm256_set1_ps,
    _mm256_cvtepi32_ps,
    _mm256_mul_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_storeu_ps,
    [1, 2, 3, 4, 5, 6]
);
