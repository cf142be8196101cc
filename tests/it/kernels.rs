//! The fused forward pass compared with the plain one, by every instruction set of this processor: on
//! random checkpoints of every shape, on the reference's fixtures, and on the built-in model.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use electroscope::catalog::builtin;
use electroscope_model::kernels::simd::InstructionSet;
use electroscope_model::kernels::{Arithmetic, FusedDiscriminator};
use electroscope_model::names::{Head, parameters};
use electroscope_model::nn::plain::PlainDiscriminator;
use electroscope_model::{Checkpoint, ElectraConfig, Error, Forward, Weights};
use proptest::prelude::*;

/// How far logits may differ when the same sums are taken in another order.
const TOLERANCE: f32 = 1e-4;

/// A random number generator (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between -1 and 1.
    fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A checkpoint with random weights, large enough that every part of the computation changes the logits.
fn random(fields: &str, seed: u64) -> Checkpoint {
    let json = format!(r#"{{"model_type": "electra", {fields}}}"#);
    let config = ElectraConfig::parse(json.as_bytes(), Path::new("config.json")).unwrap();
    let mut numbers = Numbers(seed);
    let tensors: HashMap<String, Tensor> = parameters(&config, Head::Discriminator)
        .into_iter()
        .map(|parameter| {
            let count: usize = parameter.shape.iter().product();
            let depth = *parameter.shape.last().unwrap() as f32;
            let (middle, width) = match parameter.name.as_str() {
                name if name.ends_with("LayerNorm.weight") => (1.0, 0.5),
                name if parameter.shape.len() == 1 && name.ends_with("bias") => (0.0, 0.5),
                name if name.contains("embeddings.") => (0.0, 1.0),
                _ => (0.0, 2.0 / depth.sqrt()),
            };
            let values: Vec<f32> = (0..count)
                .map(|_| middle + width * numbers.signed())
                .collect();
            let tensor = Tensor::from_vec(values, parameter.shape, &Device::Cpu).unwrap();
            (parameter.name, tensor)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    Checkpoint {
        folder: None,
        config,
        tokenizer: Arc::clone(&builtin::discriminator().unwrap().tokenizer),
        weights: Weights::open(&path).unwrap(),
    }
}

fn windows(config: &ElectraConfig, lengths: &[usize], seed: u64) -> Vec<Vec<u32>> {
    let mut numbers = Numbers(seed);
    lengths
        .iter()
        .map(|&length| {
            (0..length.min(config.max_position_embeddings))
                .map(|_| numbers.below(config.vocab_size) as u32)
                .collect()
        })
        .collect()
}

fn slices(windows: &[Vec<u32>]) -> Vec<&[u32]> {
    windows.iter().map(Vec::as_slice).collect()
}

/// The largest difference between a logit of `got` and of `want`.
fn distance(got: &[Vec<f32>], want: &[Vec<f32>]) -> f32 {
    assert_eq!(
        got.iter().map(Vec::len).collect::<Vec<_>>(),
        want.iter().map(Vec::len).collect::<Vec<_>>()
    );
    let pairs = got.iter().flatten().zip(want.iter().flatten());
    pairs.map(|(x, y)| (x - y).abs()).fold(0.0, |most, off| {
        // `f32::max` ignores NaN.
        if off.is_nan() {
            f32::NAN
        } else {
            f32::max(most, off)
        }
    })
}

/// The fused model in both kinds of arithmetic, by every instruction set of this processor.
fn every_path(checkpoint: &Checkpoint) -> impl Iterator<Item = FusedDiscriminator> {
    InstructionSet::available().flat_map(|set| {
        [Arithmetic::F32, Arithmetic::Int8]
            .map(|arithmetic| FusedDiscriminator::load_with(checkpoint, arithmetic, set).unwrap())
    })
}

fn assert_like_plain(checkpoint: &Checkpoint, windows: &[&[u32]]) {
    let plain = PlainDiscriminator::load(checkpoint, &Device::Cpu).unwrap();
    let want = plain.logits(windows).unwrap();
    for set in InstructionSet::available() {
        let fused = FusedDiscriminator::load_with(checkpoint, Arithmetic::F32, set).unwrap();
        let off = distance(&fused.logits(windows).unwrap(), &want);
        assert!(off <= TOLERANCE, "{set}: {off} apart");
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference/fixtures")
        .join(name)
}

const SMALL: &str = r#""vocab_size": 50, "embedding_size": 24, "hidden_size": 40,
    "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 72,
    "max_position_embeddings": 160"#;

proptest! {
    // A layer norm over few nearly equal numbers enlarges rounding errors, by up to one over the root of
    // `layer_norm_eps`, which is therefore larger here than in any real model, and there are at least four
    // numbers. The seed is fixed, so that every run draws the same models.
    #![proptest_config(ProptestConfig {
        cases: 48,
        rng_seed: proptest::test_runner::RngSeed::Fixed(48),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn models_of_any_shape_give_the_logits_of_the_plain_one(
        heads in 1usize..5,
        size in 4usize..40,
        embedding in 4usize..40,
        projected in any::<bool>(),
        layers in 1usize..4,
        inner in 1usize..80,
        kinds in 1usize..3,
        activation in prop::sample::select(vec!["gelu", "gelu_new", "relu", "silu", "tanh"]),
        lengths in prop::collection::vec(1usize..90, 1..5),
        seed in any::<u64>(),
    ) {
        let hidden = heads * size;
        let embedding = if projected { embedding } else { hidden };
        let checkpoint = random(
            &format!(
                r#""vocab_size": 50, "embedding_size": {embedding}, "hidden_size": {hidden},
                    "num_hidden_layers": {layers}, "num_attention_heads": {heads},
                    "intermediate_size": {inner}, "max_position_embeddings": 90,
                    "type_vocab_size": {kinds}, "hidden_act": "{activation}",
                    "layer_norm_eps": 0.02"#
            ),
            seed,
        );
        let windows = windows(&checkpoint.config, &lengths, seed ^ 1);
        assert_like_plain(&checkpoint, &slices(&windows));
    }
}

#[test]
fn the_fixtures_give_the_logits_of_the_plain_model() {
    for name in ["projected", "equal", "deep"] {
        let checkpoint = Checkpoint::open(&fixture(name)).unwrap();
        let windows = windows(&checkpoint.config, &[1, 2, 7, 16, 17, 33], 7);
        assert_like_plain(&checkpoint, &slices(&windows));
    }
}

#[test]
fn the_built_in_model_gives_the_logits_of_the_plain_one() {
    let checkpoint = builtin::discriminator().unwrap();
    let windows = windows(&checkpoint.config, &[3, 60, 129, 512], 11);
    assert_like_plain(&checkpoint, &slices(&windows));
}

#[test]
fn a_window_has_the_same_logits_bit_by_bit_alone_and_in_any_batch() {
    let checkpoint = random(SMALL, 3);
    for fused in every_path(&checkpoint) {
        assert_batches_do_not_matter(&checkpoint, &fused);
    }
}

fn assert_batches_do_not_matter(checkpoint: &Checkpoint, fused: &FusedDiscriminator) {
    let lengths: Vec<usize> = (0..40).map(|at| 1 + at * 37 % 160).collect();
    let windows = windows(&checkpoint.config, &lengths, 5);
    let windows = slices(&windows);
    let together = fused.logits(&windows).unwrap();
    let reversed: Vec<&[u32]> = windows.iter().rev().copied().collect();
    let mut other_order = fused.logits(&reversed).unwrap();
    other_order.reverse();
    assert_eq!(together, other_order, "{}", fused.path());
    for (window, logits) in windows.iter().zip(&together) {
        assert_eq!(
            &fused.logits(&[window]).unwrap(),
            std::slice::from_ref(logits),
            "{}",
            fused.path()
        );
    }
}

#[test]
fn any_number_of_threads_gives_the_same_logits_bit_by_bit() {
    let checkpoint = random(SMALL, 4);
    let windows = windows(&checkpoint.config, &[160, 3, 77, 1, 140], 6);
    let windows = slices(&windows);
    for fused in every_path(&checkpoint) {
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| fused.logits(&windows).unwrap())
        };
        let one = with_threads(1);
        for threads in [2, 3, 16] {
            assert_eq!(with_threads(threads), one, "{threads}, {}", fused.path());
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn avx2_and_avx512_give_the_same_logits_bit_by_bit() {
    let checkpoint = builtin::discriminator().unwrap();
    let windows = windows(&checkpoint.config, &[3, 60, 129], 14);
    for arithmetic in [Arithmetic::F32, Arithmetic::Int8] {
        let answers: Vec<(String, Vec<Vec<f32>>)> = InstructionSet::available()
            .filter(|set| set.name() != "portable")
            .map(|set| {
                let fused = FusedDiscriminator::load_with(&checkpoint, arithmetic, set).unwrap();
                (fused.path(), fused.logits(&slices(&windows)).unwrap())
            })
            .collect();
        for (path, answer) in &answers {
            assert!(
                answer == &answers[0].1,
                "{path} differs from {}",
                answers[0].0
            );
        }
    }
}

#[test]
fn int8_answers_nearly_as_f32_does_by_every_instruction_set() {
    let checkpoint = builtin::discriminator().unwrap();
    let windows = windows(&checkpoint.config, &[3, 60, 129], 15);
    let load = |arithmetic, set| {
        let fused = FusedDiscriminator::load_with(&checkpoint, arithmetic, set).unwrap();
        fused.logits(&slices(&windows)).unwrap()
    };
    for set in InstructionSet::available() {
        let off = distance(&load(Arithmetic::Int8, set), &load(Arithmetic::F32, set));
        assert!(off > 0.0 && off < 1.0, "{set}: {off}");
    }
}

#[test]
fn concurrent_calls_get_their_own_logits() {
    let checkpoint = random(SMALL, 8);
    let fused = FusedDiscriminator::load(&checkpoint, Arithmetic::F32).unwrap();
    let windows = windows(&checkpoint.config, &[90, 20, 133, 61], 9);
    let alone: Vec<_> = (windows.iter())
        .map(|window| fused.logits(&[window]).unwrap())
        .collect();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (windows.iter())
            .map(|window| {
                scope.spawn(|| (0..5).map(|_| fused.logits(&[window]).unwrap()).collect())
            })
            .collect();
        for (asked, alone) in asking.into_iter().zip(&alone) {
            let answers: Vec<Vec<Vec<f32>>> = asked.join().unwrap();
            assert!(answers.iter().all(|answer| answer == alone));
        }
    });
}

#[test]
fn int8_changes_p_by_less_than_0_005_on_average() {
    let checkpoint = builtin::discriminator().unwrap();
    let text = include_str!("../../assets/sample.md");
    let ids: Vec<u32> = (text.lines())
        .flat_map(|line| checkpoint.tokenizer.encode(line).unwrap())
        .map(|piece| piece.id)
        .collect();
    let (cls, sep) = (checkpoint.tokenizer.cls_id(), checkpoint.tokenizer.sep_id());
    let windows: Vec<Vec<u32>> = (ids.chunks(126))
        .map(|ids| [&[cls], ids, &[sep]].concat())
        .collect();
    let plain = PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap();
    let (int8, _) = electroscope_model::load(&checkpoint, "cpu", "int8").unwrap();
    assert_eq!(int8.precision(), "int8");
    let p = |model: &dyn Forward| -> Vec<f64> {
        let logits = model.logits(&slices(&windows)).unwrap().concat();
        (logits.iter().map(|&x| 1.0 / (1.0 + (-f64::from(x)).exp()))).collect()
    };
    let (want, got) = (p(&plain), p(&*int8));
    let off: f64 = want.iter().zip(&got).map(|(x, y)| (x - y).abs()).sum();
    assert_ne!(want, got, "nothing was computed in int8");
    assert!(
        off / (want.len() as f64) < 0.005,
        "{}",
        off / want.len() as f64
    );
}

#[test]
fn no_windows_and_empty_windows_have_no_logits() {
    let fused = FusedDiscriminator::load(&random(SMALL, 1), Arithmetic::F32).unwrap();
    assert!(fused.logits(&[]).unwrap().is_empty());
    assert_eq!(
        fused.logits(&[&[], &[]]).unwrap(),
        [[], []] as [[f32; 0]; 2]
    );
    let mixed = fused.logits(&[&[1, 2, 3], &[], &[4]]).unwrap();
    assert_eq!(mixed.iter().map(Vec::len).collect::<Vec<_>>(), [3, 0, 1]);
    assert_eq!(mixed[0], fused.logits(&[&[1, 2, 3]]).unwrap()[0]);
}

#[test]
fn unknown_tokens_and_overlong_windows_are_refused() {
    let fused = FusedDiscriminator::load(&random(SMALL, 1), Arithmetic::F32).unwrap();
    let refusals: Vec<String> = [&[1, 50][..], &[1; 161]]
        .iter()
        .map(|window| match fused.logits(&[window]) {
            Err(err @ Error::Tensor(_)) => err.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r"
    the model's arithmetic failed: token 50, but the vocabulary has 50 tokens
    the model's arithmetic failed: a window of 161 tokens, but the model reads at most 160
    ");
}

#[test]
fn the_cpu_uses_the_fused_pass_and_f32_for_weights_stored_in_f32() {
    let checkpoint = Checkpoint::open(&fixture("equal")).unwrap();
    let windows = windows(&checkpoint.config, &[9, 20], 2);
    let fused = FusedDiscriminator::load(&checkpoint, Arithmetic::F32).unwrap();
    for precision in ["auto", "f32"] {
        let (forward, _) = electroscope_model::load(&checkpoint, "cpu", precision).unwrap();
        assert_eq!(
            forward.logits(&slices(&windows)).unwrap(),
            fused.logits(&slices(&windows)).unwrap()
        );
        assert_eq!(
            (forward.device(), forward.precision()),
            ("cpu".into(), "f32".into())
        );
        assert!(forward.path().starts_with("fused, "), "{}", forward.path());
    }
}

#[test]
fn auto_follows_from_the_instructions_and_the_checkpoint() {
    let (built_in, floats) = (
        builtin::discriminator().unwrap(),
        Checkpoint::open(&fixture("equal")).unwrap(),
    );
    let set = InstructionSet::choose().unwrap();
    let wanted = if ["neon", "portable"].contains(&set.name()) {
        "f32"
    } else {
        "int8"
    };
    for (checkpoint, wanted) in [(&built_in, wanted), (&floats, "f32")] {
        let (forward, _) = electroscope_model::load(checkpoint, "cpu", "auto").unwrap();
        assert_eq!(forward.precision(), wanted, "{set}");
    }
}

#[test]
fn auto_gives_the_same_bits_each_time_the_model_is_loaded() {
    let checkpoint = builtin::discriminator().unwrap();
    let windows = windows(&checkpoint.config, &[40, 9], 17);
    let [first, second] = [(); 2].map(|()| {
        let (forward, _) = electroscope_model::load(&checkpoint, "cpu", "auto").unwrap();
        forward.logits(&slices(&windows)).unwrap()
    });
    assert_eq!(first, second);
}

#[test]
fn a_precision_that_the_device_does_not_have_is_refused() {
    let checkpoint = Checkpoint::open(&fixture("equal")).unwrap();
    let refusals: Vec<String> = ["bf16", "f16"]
        .iter()
        .map(|precision| {
            let loaded = electroscope_model::load(&checkpoint, "cpu", precision);
            loaded.err().unwrap().to_string()
        })
        .collect();
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    cannot compute in "bf16": only a GPU computes in it; use auto, f32 or int8, or a GPU
    cannot compute in "f16": it must be auto, f32 or int8, or on a GPU bf16
    "#);
}

#[test]
fn bf16_answers_nearly_as_f32_does() {
    let checkpoint = random(SMALL, 12);
    let windows = windows(&checkpoint.config, &[40, 7, 129], 13);
    let windows = slices(&windows);
    let plain = PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap();
    let half = PlainDiscriminator::load_in(&checkpoint, &Device::Cpu, DType::BF16).unwrap();
    assert_eq!(half.precision(), "bf16");
    let (want, got) = (
        plain.padded(&windows).unwrap(),
        half.padded(&windows).unwrap(),
    );
    let off = distance(&got, &want);
    assert!(off > 0.0 && off < 0.2, "{off} apart");
}
