//! Trainings from beginning to end, of models that are too small to learn much.

use std::collections::HashMap;

use super::*;
use crate::watch::Unwatched;

/// Text of a small grammar, with something to learn in it.
fn text(documents: usize) -> String {
    let nouns = ["boat", "bridge", "river", "harbour", "keeper", "light"];
    let verbs = ["waits", "opens", "turns", "burns"];
    let mut chance = chance::Chance::of(&[1]);
    let mut text = String::new();
    for _ in 0..documents {
        for _ in 0..4 {
            let noun = nouns[chance.below(nouns.len())];
            let verb = verbs[chance.below(verbs.len())];
            text += &format!(
                "The {noun} {verb} by the {}.\n",
                nouns[chance.below(nouns.len())]
            );
        }
        text.push('\n');
    }
    text
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text.txt"), text(150)).unwrap();
        Place { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, out: &str, steps: u64) -> Settings {
        Settings {
            text: vec![self.at("text.txt")],
            eval: Vec::new(),
            out: self.at(out),
            start: Start::Scratch {
                shape: Shape {
                    layers: 2,
                    hidden: 16,
                    embedding: 8,
                    heads: Some(2),
                    intermediate: Some(32),
                    generator: 0.5,
                    positions: 24,
                    dropout: 0.1,
                },
                vocabulary: Vocabulary::Learn {
                    size: 80,
                    is_cased: false,
                },
            },
            longest: None,
            batch_size: 4,
            seed: 1,
            steps: Some(steps),
            minutes: None,
            learning_rate: 5e-3,
            warmup: None,
            weight_decay: 0.01,
            mask: 0.15,
            dropout: None,
            freeze_embeddings: false,
            save_minutes: 1e6,
        }
    }

    /// The tensors of what a training wrote.
    fn written(&self, out: &str, side: &str) -> HashMap<String, Vec<f32>> {
        let path = self.at(out).join(side).join("model.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        (tensors.into_iter())
            .map(|(name, values)| {
                let values = values.flatten_all().unwrap().to_vec1().unwrap();
                (name, values)
            })
            .collect()
    }
}

const CPU: Machine = Machine {
    device: Device::Cpu,
    arithmetic: Arithmetic::F32,
};

/// What a GPU computes in, on the CPU.
const HALF: Machine = Machine {
    device: Device::Cpu,
    arithmetic: Arithmetic::Bf16,
};

/// Keeps what it is told, and stops a training after so many steps.
#[derive(Default)]
struct Notes {
    losses: Vec<f64>,
    evaluations: Vec<u64>,
    stop_after: Option<u64>,
    done: u64,
}

impl Watch for Notes {
    fn step(&mut self, report: &StepReport<'_>) {
        self.losses.push(report.loss);
        self.done = report.step;
    }

    fn evaluated(&mut self, report: &EvaluationReport<'_>) {
        self.evaluations.push(report.step);
    }

    fn stopped(&self) -> bool {
        self.stop_after.is_some_and(|stop| self.done >= stop)
    }
}

#[test]
fn the_loss_falls_and_the_models_can_be_used() {
    let place = Place::new();
    let mut notes = Notes::default();
    let outcome = pretrain(place.settings("out", 60), &CPU, &mut notes).unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&notes.losses[..8]), mean(&notes.losses[52..]));
    assert!(last < 0.75 * first, "{first} to {last}");
    assert_eq!(notes.evaluations, [6, 12, 18, 24, 30, 36, 42, 48, 54, 60]);
    let Outcome::Finished { steps: 60, values } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(values.len(), 8);

    let checkpoint = Checkpoint::open(&place.at("out/discriminator")).unwrap();
    let (forward, _) = model::load(&checkpoint, "cpu", "f32").unwrap();
    let pieces = checkpoint.tokenizer.encode("The boat waits.");
    let ids: Vec<u32> = pieces.iter().map(|piece| piece.id).collect();
    assert!(
        forward.logits(&[&ids]).unwrap()[0]
            .iter()
            .all(|logit| logit.is_finite())
    );
    for name in [
        "README.md",
        "training.json",
        "log.csv",
        "generator/config.json",
    ] {
        assert!(place.at("out").join(name).is_file(), "{name} is missing");
    }
    assert!(!place.at("out/checkpoints").exists());
}

#[test]
fn a_training_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let place = Place::new();
    pretrain(place.settings("whole", 9), &CPU, &mut Unwatched).unwrap();

    let mut notes = Notes {
        stop_after: Some(4),
        ..Notes::default()
    };
    let outcome = pretrain(place.settings("parts", 9), &CPU, &mut notes).unwrap();
    assert_eq!(outcome, Outcome::Stopped { steps: 4 });
    // What a kill in the middle of saving would leave.
    let torn = place.at("parts/checkpoints/step-0000000007.new");
    std::fs::create_dir(&torn).unwrap();
    std::fs::write(torn.join("state.json"), "{").unwrap();
    let mut notes = Notes {
        stop_after: Some(7),
        ..Notes::default()
    };
    resume(&place.at("parts"), &CPU, &mut notes).unwrap();
    // The folder may be moved between.
    std::fs::rename(place.at("parts"), place.at("moved")).unwrap();
    let outcome = resume(&place.at("moved"), &CPU, &mut Unwatched).unwrap();
    assert!(matches!(outcome, Outcome::Finished { steps: 9, .. }));

    for side in ["discriminator", "generator"] {
        assert_eq!(
            place.written("moved", side),
            place.written("whole", side),
            "the {side} differs"
        );
    }
    let evaluations = |out: &str| {
        let json = std::fs::read(place.at(out).join("training.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        json["evaluations"].clone()
    };
    assert_eq!(evaluations("moved"), evaluations("whole"));
    let rows = |out: &str| -> Vec<String> {
        let log = std::fs::read_to_string(place.at(out).join("log.csv")).unwrap();
        let measured = log.lines().filter(|row| row.contains(",,,,,"));
        measured
            .map(|row| row.split(',').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(rows("moved"), rows("whole"));
}

#[test]
fn two_trainings_of_one_seed_are_the_same_and_those_of_two_are_not() {
    let place = Place::new();
    for (out, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        let settings = Settings {
            seed,
            ..place.settings(out, 2)
        };
        pretrain(settings, &CPU, &mut Unwatched).unwrap();
    }
    let written = |out| place.written(out, "discriminator");
    assert_eq!(written("a"), written("b"));
    assert_ne!(written("a"), written("c"));
}

#[test]
fn what_both_have_in_common_stays_so() {
    let place = Place::new();
    pretrain(place.settings("out", 3), &CPU, &mut Unwatched).unwrap();
    let (generator, discriminator) = (
        place.written("out", "generator"),
        place.written("out", "discriminator"),
    );
    let shared: Vec<&String> = generator
        .keys()
        .filter(|name| name.starts_with("electra.embeddings."))
        .collect();
    assert_eq!(shared.len(), 5);
    for name in shared {
        assert_eq!(generator[name], discriminator[name], "{name}");
    }
}

#[test]
fn a_pair_is_trained_further_with_its_vocabulary() {
    let place = Place::new();
    pretrain(place.settings("first", 2), &CPU, &mut Unwatched).unwrap();
    let settings = Settings {
        start: Start::Folder(place.at("first")),
        freeze_embeddings: true,
        ..place.settings("second", 3)
    };
    pretrain(settings, &CPU, &mut Unwatched).unwrap();
    let read = |name: &str| std::fs::read_to_string(place.at(name)).unwrap();
    assert_eq!(
        read("first/discriminator/vocab.txt"),
        read("second/discriminator/vocab.txt")
    );
    let (before, after) = (
        place.written("first", "discriminator"),
        place.written("second", "discriminator"),
    );
    let changed: Vec<&String> = before
        .keys()
        .filter(|name| before[*name] != after[*name])
        .collect();
    let words = "electra.embeddings.word_embeddings.weight".to_owned();
    assert!(!changed.contains(&&words), "frozen embeddings moved");
    assert!(changed.contains(&&"electra.embeddings.position_embeddings.weight".to_owned()));
    assert!(read("second/README.md").contains("not trained from scratch"));
}

#[test]
fn the_built_in_pair_is_taken_over_with_what_it_shares() {
    let checkpoint = Checkpoint::builtin().unwrap();
    let (config, weights) = model::builtin_generator().unwrap();
    let device = Device::Cpu;
    let pair = Pair::new(
        config,
        checkpoint.config.clone(),
        Source::Checkpoints {
            generator: &weights,
            discriminator: &checkpoint.weights,
        },
        Computing {
            device: &device,
            arithmetic: Arithmetic::F32,
            freeze_words: false,
        },
    )
    .unwrap();
    let names: Vec<String> = pair.tensors().into_keys().collect();
    let words = "electra.embeddings.word_embeddings.weight";
    assert!(names.iter().any(|name| name == words));
    assert!(!names.contains(&format!("generator.{words}")));
    for side in [Side::Generator, Side::Discriminator] {
        assert!(pair.tensors_of(side).is_ok());
    }
}

#[test]
fn only_what_is_masked_is_guessed_and_a_right_guess_is_no_fake() {
    let place = Place::new();
    let mut settings = place.settings("out", 1);
    std::fs::write(place.at("other.txt"), text(6)).unwrap();
    settings.eval = vec![place.at("other.txt")];
    let training = Training::begin(settings, &CPU, &mut Unwatched).unwrap();
    let examples = &training.held_out;
    assert!(examples.len() > 5, "{}", examples.len());
    let masked = feed::masked(examples, training.share, &training.cutter, &[0]);
    let reading = (training.pair)
        .read(examples, &masked, &[1], Pass::Answer)
        .unwrap();
    let masks: usize = masked.iter().map(|masked| masked.places.len()).sum();
    assert_eq!(reading.guesses.dims()[0], masks);
    assert_eq!(reading.samples.len(), masks);
    let right = (reading.samples.iter().zip(&reading.originals))
        .filter(|(sample, original)| sample == original)
        .count();
    let fakes = reading.labels.iter().filter(|&&label| label == 1).count();
    assert_eq!(fakes, masks - right);
    let tokens: usize = examples.iter().map(|example| example.ids.len()).sum();
    let counted = reading.is_token.iter().filter(|&&is| is == 1).count();
    assert_eq!(counted, tokens);
}

#[test]
fn in_bf16_the_gradients_are_those_of_f32_but_for_rounding() {
    let place = Place::new();
    let read = |machine: &Machine, out| {
        let training = Training::begin(place.settings(out, 1), machine, &mut Unwatched).unwrap();
        let examples = &training.held_out;
        let masked = feed::masked(examples, training.share, &training.cutter, &[0]);
        let drops = Drops::new(1, 0);
        let reading = (training.pair).read(examples, &masked, &[1], Pass::Train(&drops));
        let reading = reading.unwrap();
        let gradients = reading.loss().unwrap().backward().unwrap();
        let gradients: Vec<(String, Vec<f32>)> = (training.pair.trainable().into_iter())
            .map(|(name, var)| {
                let gradient = gradients.get(var.as_tensor()).unwrap();
                let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>();
                (name, gradient.unwrap())
            })
            .collect();
        (reading.samples, gradients)
    };
    let (samples, whole) = read(&CPU, "whole");
    let (of_half, half) = read(&HALF, "half");
    // Others would be another lesson.
    assert_eq!(samples, of_half);
    let product =
        |a: &[f32], b: &[f32]| -> f64 { (a.iter().zip(b)).map(|(a, b)| f64::from(a * b)).sum() };
    for ((name, whole), (_, half)) in whole.iter().zip(&half) {
        // Softmax does not see what is added to all keys, so that what is left here is rounding alone.
        if name.ends_with("key.bias") {
            continue;
        }
        let lengths = (product(whole, whole) / product(half, half)).sqrt();
        let norms = (product(whole, whole) * product(half, half)).sqrt();
        let alike = product(whole, half) / norms;
        assert!(
            alike > 0.999 && (lengths - 1.0).abs() < 0.05,
            "{name}: {alike} {lengths}"
        );
    }
}

#[test]
fn in_bf16_a_training_goes_as_in_f32() {
    let place = Place::new();
    let losses = |machine: &Machine, out| {
        let mut notes = Notes::default();
        pretrain(place.settings(out, 30), machine, &mut notes).unwrap();
        notes.losses
    };
    let (whole, half) = (losses(&CPU, "whole"), losses(&HALF, "half"));
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let apart = (mean(&whole[20..]) - mean(&half[20..])).abs();
    assert!(apart < 0.05 * mean(&whole), "{whole:?} {half:?}");
}

#[test]
fn the_two_last_saved_states_are_kept() {
    let place = Place::new();
    let mut notes = Notes {
        stop_after: Some(5),
        ..Notes::default()
    };
    let settings = Settings {
        // It saves after each step.
        save_minutes: 0.0,
        ..place.settings("out", 9)
    };
    pretrain(settings, &CPU, &mut notes).unwrap();
    let entries = std::fs::read_dir(place.at("out/checkpoints")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["step-0000000004", "step-0000000005"]);

    // The last one is damaged: it is said which folder to take away, and the one before goes on.
    let last = place.at("out/checkpoints/step-0000000005");
    std::fs::write(last.join("weights.safetensors"), b"short").unwrap();
    let message = resume(&place.at("out"), &CPU, &mut Unwatched)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("step-0000000005") && message.contains("take away its folder"),
        "{message}"
    );
    std::fs::remove_dir_all(last).unwrap();
    let outcome = resume(&place.at("out"), &CPU, &mut Unwatched).unwrap();
    assert!(matches!(outcome, Outcome::Finished { steps: 9, .. }));
}

#[test]
fn what_cannot_be_is_said_before_the_first_step() {
    let place = Place::new();
    std::fs::write(place.at("empty.txt"), "\n").unwrap();
    std::fs::create_dir(place.at("full")).unwrap();
    std::fs::write(place.at("full/x"), "").unwrap();
    let said = |change: &dyn Fn(&mut Settings)| {
        let mut settings = place.settings("out", 1);
        change(&mut settings);
        let err = pretrain(settings, &CPU, &mut Unwatched).unwrap_err();
        assert!(!place.at("out").exists(), "{err}");
        let here = place.folder.path().display().to_string();
        err.to_string().replace(&here, "HERE")
    };
    let vocabulary = |size| {
        move |settings: &mut Settings| {
            if let Start::Scratch { vocabulary, .. } = &mut settings.start {
                *vocabulary = Vocabulary::Learn {
                    size,
                    is_cased: false,
                };
            }
        }
    };
    let shape = |change: fn(&mut Shape)| {
        move |settings: &mut Settings| {
            if let Start::Scratch { shape, .. } = &mut settings.start {
                change(shape);
            }
        }
    };
    let messages = [
        said(&|settings| settings.text = vec![place.at("empty.txt")]),
        said(&|settings| settings.out = place.at("full")),
        said(&|settings| settings.eval = settings.text.clone()),
        said(&vocabulary(20)),
        said(&shape(|shape| shape.heads = Some(3))),
        said(&|settings| settings.longest = Some(25)),
        said(&|settings| settings.start = Start::Folder(place.at("full"))),
        said(&|settings| settings.steps = None),
        said(&|settings| settings.mask = 1.0),
        resume(&place.at("full"), &CPU, &mut Unwatched)
            .unwrap_err()
            .to_string()
            .replace(&place.folder.path().display().to_string(), "HERE"),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn text_that_changed_is_not_gone_on_with() {
    let place = Place::new();
    let mut notes = Notes {
        stop_after: Some(1),
        ..Notes::default()
    };
    pretrain(place.settings("out", 3), &CPU, &mut notes).unwrap();
    std::fs::write(place.at("text.txt"), text(149)).unwrap();
    let message = resume(&place.at("out"), &CPU, &mut Unwatched)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("text.txt") && message.contains("150 documents"),
        "{message}"
    );
}
