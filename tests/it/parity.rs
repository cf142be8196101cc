//! The model's numbers against the reference implementation's, on checkpoints drawn at random by
//! `tests/reference/make_fixtures.py`.

use std::path::{Path, PathBuf};

use candle_core::Device;
use electroscope::catalog::builtin;
use electroscope_model::nn::plain::{PlainDiscriminator, PlainGenerator};
use electroscope_model::{Checkpoint, ElectraConfig, Forward, Weights};

const TOLERANCE: f32 = 1e-4;

#[derive(serde::Deserialize)]
struct Expected {
    windows: Vec<Vec<u32>>,
    single: Logits,
    padded: Logits,
}

#[derive(serde::Deserialize)]
struct Logits {
    discriminator: Vec<Vec<f32>>,
    generator: Vec<Vec<Vec<f32>>>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference/fixtures")
        .join(name)
}

fn expected(name: &str) -> Expected {
    serde_json::from_slice(&std::fs::read(fixture(name).join("expected.json")).unwrap()).unwrap()
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (got - want).abs() <= TOLERANCE,
            "{what}, number {at}: {got} instead of {want}"
        );
    }
}

/// A folder with only the files of one format.
fn only(name: &str, weights: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "vocab.txt", weights] {
        std::fs::copy(fixture(name).join(file), folder.path().join(file)).unwrap();
    }
    folder
}

fn holds_discriminator(name: &str, weights: &str) {
    let folder = only(name, weights);
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let model = PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap();
    let expected = expected(name);
    let windows: Vec<&[u32]> = expected.windows.iter().map(Vec::as_slice).collect();

    let spread = expected.single.discriminator.concat();
    let (low, high) = spread.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| {
        (low.min(x), high.max(x))
    });
    assert!(
        high - low > 0.05,
        "the logits are too much alike to tell anything"
    );

    for (got, want) in model
        .logits(&windows)
        .unwrap()
        .iter()
        .zip(&expected.single.discriminator)
    {
        assert_close(got, want, &format!("{name} {weights}, single"));
    }
    for (got, want) in model
        .padded(&windows)
        .unwrap()
        .iter()
        .zip(&expected.padded.discriminator)
    {
        assert_close(got, want, &format!("{name} {weights}, padded"));
    }
}

fn holds_generator(name: &str, weights: &str) {
    let folder = fixture(name).join("generator");
    let path = folder.join("config.json");
    let config = ElectraConfig::parse(&std::fs::read(&path).unwrap(), &path).unwrap();
    let weights = Weights::open(&folder.join(weights)).unwrap();
    let model = PlainGenerator::load(&config, &weights, None, &Device::Cpu).unwrap();
    let expected = expected(name);
    let windows: Vec<&[u32]> = expected.windows.iter().map(Vec::as_slice).collect();
    for (window, want) in windows.iter().zip(&expected.single.generator) {
        let got = model.padded(&[window]).unwrap();
        assert_close(&got[0].concat(), &want.concat(), &format!("{name}, single"));
    }
    for (got, want) in model
        .padded(&windows)
        .unwrap()
        .iter()
        .zip(&expected.padded.generator)
    {
        assert_close(&got.concat(), &want.concat(), &format!("{name}, padded"));
    }
}

#[test]
fn discriminators_give_the_logits_of_the_reference() {
    for name in ["projected", "equal", "deep"] {
        for weights in ["model.safetensors", "pytorch_model.bin"] {
            holds_discriminator(name, weights);
        }
    }
}

#[test]
fn generators_give_the_logits_of_the_reference() {
    for name in ["projected", "equal", "deep"] {
        for weights in ["model.safetensors", "pytorch_model.bin"] {
            holds_generator(name, weights);
        }
    }
}

#[test]
fn tensors_that_are_views_are_read_through_their_strides() {
    let straight = Weights::open(&fixture("projected/pytorch_model.bin")).unwrap();
    let strided = Weights::open(&fixture("strided.bin")).unwrap();
    let names: Vec<&str> = straight.names().collect();
    assert_eq!(strided.names().collect::<Vec<_>>(), names);
    for name in names {
        // Position ids, where a checkpoint has them, are no weights.
        let shape = straight.shape(name).unwrap().to_vec();
        if let Ok(numbers) = straight.numbers(name, &shape) {
            assert_eq!(strided.numbers(name, &shape).unwrap(), numbers, "{name}");
        }
    }
}

#[test]
fn a_window_has_the_same_logits_whatever_stands_beside_it() {
    let checkpoint = Checkpoint::open(&fixture("projected")).unwrap();
    let model = PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap();
    let windows = expected("projected").windows;
    let all: Vec<&[u32]> = windows.iter().map(Vec::as_slice).collect();
    let together = model.logits(&all).unwrap();
    for (window, logits) in all.iter().zip(together) {
        assert_eq!(model.logits(&[window]).unwrap(), [logits]);
    }
}

#[test]
fn the_built_in_model_doubts_the_banana() {
    let checkpoint = builtin::discriminator().unwrap();
    let threshold = checkpoint.config.threshold.unwrap();
    let text = "the committee has approved the banana of the new bridge over the river";
    let (forward, _) = electroscope_model::load(&checkpoint, "cpu", "auto").unwrap();
    let positions = checkpoint.config.max_position_embeddings;
    let mut engine = electroscope_analysis::Engine::new(checkpoint.tokenizer, forward, positions);
    let document = electroscope_text::Document::new("x", text, electroscope_text::Language::Plain);
    let (readings, _) = engine.score(&document).unwrap();
    let flagged: Vec<&str> = readings
        .iter()
        .flat_map(|reading| &reading.words)
        .filter(|word| word.p >= threshold)
        .map(|word| word.span.of(text).unwrap())
        .collect();
    assert_eq!(flagged, ["banana"]);
}

#[test]
fn the_built_in_generator_guesses_a_word_that_fits() {
    let checkpoint = builtin::discriminator().unwrap();
    let generator = builtin::plain_generator().unwrap();
    let tokenizer = &checkpoint.tokenizer;
    let mut window = vec![tokenizer.cls_id()];
    window.extend(
        tokenizer
            .encode("the capital of france is")
            .unwrap()
            .iter()
            .map(|piece| piece.id),
    );
    let masked = window.len();
    window.extend([tokenizer.mask_id()]);
    window.extend(tokenizer.encode(".").unwrap().iter().map(|piece| piece.id));
    window.push(tokenizer.sep_id());
    let logits = &generator.padded(&[&window]).unwrap()[0][masked];
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    let guesses: Vec<String> = order
        .iter()
        .take(40)
        .filter_map(|&id| tokenizer.token(id))
        .collect();
    assert!(
        guesses
            .iter()
            .any(|guess| guess == "paris" || guess == "france"),
        "{guesses:?}"
    );
}
