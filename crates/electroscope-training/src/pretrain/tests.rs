//! Whole pre-trainings of models that are too small to learn much.

use std::collections::HashMap;

use super::*;
use crate::observer::NoObserver;

/// Text of a small grammar, with regularities to learn.
fn text(documents: usize) -> String {
    let nouns = ["boat", "bridge", "river", "harbour", "keeper", "light"];
    let verbs = ["waits", "opens", "turns", "burns"];
    let mut rng = crate::rng::SeededRng::for_key(&[1]);
    let mut text = String::new();
    for _ in 0..documents {
        for _ in 0..4 {
            let noun = nouns[rng.below(nouns.len())];
            let verb = verbs[rng.below(verbs.len())];
            text += &format!(
                "The {noun} {verb} by the {}.\n",
                nouns[rng.below(nouns.len())]
            );
        }
        text.push('\n');
    }
    text
}

/// A temporary folder with a text to train on.
struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    fn new() -> Workspace {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text.txt"), text(150)).unwrap();
        Workspace { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, out: &str, steps: u64) -> PretrainSettings {
        PretrainSettings {
            text: vec![self.at("text.txt")],
            eval: Vec::new(),
            out: self.at(out),
            start: PretrainStart::Scratch {
                size: PairSize {
                    layers: 2,
                    hidden: 16,
                    embedding: 8,
                    heads: Some(2),
                    intermediate: Some(32),
                    generator: 0.5,
                    positions: 24,
                    dropout: 0.1,
                },
                vocabulary: VocabularySource::Learn {
                    size: 80,
                    is_cased: false,
                },
            },
            max_length: None,
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

    /// The tensors of a model that a training wrote.
    fn written(&self, out: &str, member: &str) -> HashMap<String, Vec<f32>> {
        let path = self.at(out).join(member).join("model.safetensors");
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        (tensors.into_iter())
            .map(|(name, values)| {
                let values = values.flatten_all().unwrap().to_vec1().unwrap();
                (name, values)
            })
            .collect()
    }
}

const CPU: PretrainEnvironment = PretrainEnvironment {
    device: Device::Cpu,
    precision: TrainingPrecision::F32,
    builtin: None,
};

/// The precision of a GPU, on the CPU.
const BF16: PretrainEnvironment = PretrainEnvironment {
    device: Device::Cpu,
    precision: TrainingPrecision::Bf16,
    builtin: None,
};

/// Records the reports, and stops a training after `stop_after` steps.
#[derive(Default)]
struct Recorder {
    losses: Vec<f64>,
    evaluations: Vec<u64>,
    stop_after: Option<u64>,
    done: u64,
}

impl TrainingObserver for Recorder {
    fn step(&mut self, report: &StepReport<'_>) {
        self.losses.push(report.loss);
        self.done = report.step;
    }

    fn evaluated(&mut self, report: &EvaluationReport<'_>) {
        self.evaluations.push(report.step);
    }

    fn should_stop(&self) -> bool {
        self.stop_after.is_some_and(|stop| self.done >= stop)
    }
}

#[test]
fn the_loss_falls_and_the_models_can_be_loaded() {
    let workspace = Workspace::new();
    let mut recorder = Recorder::default();
    let outcome = pretrain(workspace.settings("out", 60), &CPU, &mut recorder).unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&recorder.losses[..8]), mean(&recorder.losses[52..]));
    assert!(last < 0.75 * first, "{first} to {last}");
    assert_eq!(
        recorder.evaluations,
        [6, 12, 18, 24, 30, 36, 42, 48, 54, 60]
    );
    let PretrainOutcome::Finished { steps: 60, values } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(values.len(), 8);

    let checkpoint = Checkpoint::open(&workspace.at("out/discriminator")).unwrap();
    let (forward, _) = model::load(&checkpoint, "cpu", "f32").unwrap();
    let pieces = checkpoint.tokenizer.encode("The boat waits.").unwrap();
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
        assert!(
            workspace.at("out").join(name).is_file(),
            "{name} is missing"
        );
    }
    assert!(!workspace.at("out/checkpoints").exists());
}

#[test]
fn a_resumed_training_gives_the_weights_of_an_uninterrupted_one() {
    let workspace = Workspace::new();
    pretrain(workspace.settings("whole", 9), &CPU, &mut NoObserver).unwrap();

    let mut recorder = Recorder {
        stop_after: Some(4),
        ..Recorder::default()
    };
    let outcome = pretrain(workspace.settings("parts", 9), &CPU, &mut recorder).unwrap();
    assert_eq!(outcome, PretrainOutcome::Stopped { steps: 4 });
    // What a crash while saving leaves.
    let torn = workspace.at("parts/checkpoints/step-0000000007.new");
    std::fs::create_dir(&torn).unwrap();
    std::fs::write(torn.join("state.json"), "{").unwrap();
    let mut recorder = Recorder {
        stop_after: Some(7),
        ..Recorder::default()
    };
    resume(&workspace.at("parts"), &CPU, &mut recorder).unwrap();
    // The folder may be moved before it is resumed.
    std::fs::rename(workspace.at("parts"), workspace.at("moved")).unwrap();
    let outcome = resume(&workspace.at("moved"), &CPU, &mut NoObserver).unwrap();
    assert!(matches!(
        outcome,
        PretrainOutcome::Finished { steps: 9, .. }
    ));

    for member in ["discriminator", "generator"] {
        assert_eq!(
            workspace.written("moved", member),
            workspace.written("whole", member),
            "the {member} differs"
        );
    }
    let evaluations = |out: &str| {
        let json = std::fs::read(workspace.at(out).join("training.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        json["evaluations"].clone()
    };
    assert_eq!(evaluations("moved"), evaluations("whole"));
    let rows = |out: &str| -> Vec<String> {
        let log = std::fs::read_to_string(workspace.at(out).join("log.csv")).unwrap();
        let measured = log.lines().filter(|row| row.contains(",,,,,"));
        measured
            .map(|row| row.split(',').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(rows("moved"), rows("whole"));
}

#[test]
fn trainings_differ_only_if_their_seeds_do() {
    let workspace = Workspace::new();
    for (out, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        let settings = PretrainSettings {
            seed,
            ..workspace.settings(out, 2)
        };
        pretrain(settings, &CPU, &mut NoObserver).unwrap();
    }
    let written = |out| workspace.written(out, "discriminator");
    assert_eq!(written("a"), written("b"));
    assert_ne!(written("a"), written("c"));
}

#[test]
fn shared_embeddings_stay_equal() {
    let workspace = Workspace::new();
    pretrain(workspace.settings("out", 3), &CPU, &mut NoObserver).unwrap();
    let (generator, discriminator) = (
        workspace.written("out", "generator"),
        workspace.written("out", "discriminator"),
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
    let workspace = Workspace::new();
    pretrain(workspace.settings("first", 2), &CPU, &mut NoObserver).unwrap();
    let settings = PretrainSettings {
        start: PretrainStart::Folder(workspace.at("first")),
        freeze_embeddings: true,
        ..workspace.settings("second", 3)
    };
    pretrain(settings, &CPU, &mut NoObserver).unwrap();
    let read = |name: &str| std::fs::read_to_string(workspace.at(name)).unwrap();
    assert_eq!(
        read("first/discriminator/vocab.txt"),
        read("second/discriminator/vocab.txt")
    );
    let (before, after) = (
        workspace.written("first", "discriminator"),
        workspace.written("second", "discriminator"),
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
fn the_built_in_pair_keeps_its_shared_embeddings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/builtin");
    let packed = PackedPair::read(&folder).unwrap();
    let checkpoint = Checkpoint::from_packed(&packed).unwrap();
    let (config, weights) = packed.generator().unwrap();
    let device = Device::Cpu;
    let pair = ModelPair::new(
        config,
        checkpoint.config.clone(),
        InitialWeights::Checkpoints {
            generator: &weights,
            discriminator: &checkpoint.weights,
        },
        PairOptions {
            device: &device,
            precision: TrainingPrecision::F32,
            freeze_word_embeddings: false,
        },
    )
    .unwrap();
    let names: Vec<String> = pair.tensors().into_keys().collect();
    let words = "electra.embeddings.word_embeddings.weight";
    assert!(names.iter().any(|name| name == words));
    assert!(!names.contains(&format!("generator.{words}")));
    for member in [PairMember::Generator, PairMember::Discriminator] {
        assert!(pair.tensors_of(member).is_ok());
    }
}

#[test]
fn only_masked_tokens_are_replaced_and_right_samples_count_as_original() {
    let workspace = Workspace::new();
    let mut settings = workspace.settings("out", 1);
    std::fs::write(workspace.at("other.txt"), text(6)).unwrap();
    settings.eval = vec![workspace.at("other.txt")];
    let training = Pretraining::begin(settings, &CPU, &mut NoObserver).unwrap();
    let windows = &training.held_out;
    assert!(windows.len() > 5, "{}", windows.len());
    let masked = prefetch::mask_windows(windows, training.rate, &training.cutter, &[0]);
    let output = (training.pair)
        .forward(windows, &masked, &[1], Pass::Answer)
        .unwrap();
    let masks: usize = masked.iter().map(|masked| masked.positions.len()).sum();
    assert_eq!(output.generator_logits.dims()[0], masks);
    assert_eq!(output.samples.len(), masks);
    let right = (output.samples.iter().zip(&output.originals))
        .filter(|(sample, original)| sample == original)
        .count();
    let fakes = output.labels.iter().filter(|&&label| label == 1).count();
    assert_eq!(fakes, masks - right);
    let tokens: usize = windows.iter().map(|window| window.ids.len()).sum();
    let counted = output.is_token.iter().filter(|&&is| is == 1).count();
    assert_eq!(counted, tokens);
}

#[test]
fn gradients_in_bf16_agree_with_those_in_f32() {
    let workspace = Workspace::new();
    let read = |device: &PretrainEnvironment, out| {
        let training =
            Pretraining::begin(workspace.settings(out, 1), device, &mut NoObserver).unwrap();
        let windows = &training.held_out;
        let masked = prefetch::mask_windows(windows, training.rate, &training.cutter, &[0]);
        let drops = Drops::new(1, 0);
        let output = (training.pair).forward(windows, &masked, &[1], Pass::Train(&drops));
        let output = output.unwrap();
        let gradients = output.loss().unwrap().backward().unwrap();
        let gradients: Vec<(String, Vec<f32>)> = (training.pair.trainable().into_iter())
            .map(|(name, var)| {
                let gradient = gradients.get(var.as_tensor()).unwrap();
                let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>();
                (name, gradient.unwrap())
            })
            .collect();
        (output.samples, gradients)
    };
    let (samples, f32_result) = read(&CPU, "whole");
    let (bf16_samples, bf16) = read(&BF16, "half");
    // With other samples the losses could not be compared.
    assert_eq!(samples, bf16_samples);
    let product =
        |a: &[f32], b: &[f32]| -> f64 { (a.iter().zip(b)).map(|(a, b)| f64::from(a * b)).sum() };
    for ((name, f32_result), (_, bf16)) in f32_result.iter().zip(&bf16) {
        // A constant added to all keys does not change the softmax, so its gradient is rounding alone.
        if name.ends_with("key.bias") {
            continue;
        }
        let lengths = (product(f32_result, f32_result) / product(bf16, bf16)).sqrt();
        let norms = (product(f32_result, f32_result) * product(bf16, bf16)).sqrt();
        let alike = product(f32_result, bf16) / norms;
        assert!(
            alike > 0.999 && (lengths - 1.0).abs() < 0.05,
            "{name}: {alike} {lengths}"
        );
    }
}

#[test]
fn losses_in_bf16_agree_with_those_in_f32() {
    let workspace = Workspace::new();
    let losses = |device: &PretrainEnvironment, out| {
        let mut recorder = Recorder::default();
        pretrain(workspace.settings(out, 30), device, &mut recorder).unwrap();
        recorder.losses
    };
    let (f32_result, bf16) = (losses(&CPU, "whole"), losses(&BF16, "half"));
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let apart = (mean(&f32_result[20..]) - mean(&bf16[20..])).abs();
    assert!(apart < 0.05 * mean(&f32_result), "{f32_result:?} {bf16:?}");
}

#[test]
fn the_last_two_saved_states_are_kept() {
    let workspace = Workspace::new();
    let mut recorder = Recorder {
        stop_after: Some(5),
        ..Recorder::default()
    };
    let settings = PretrainSettings {
        // Saves after each step.
        save_minutes: 0.0,
        ..workspace.settings("out", 9)
    };
    pretrain(settings, &CPU, &mut recorder).unwrap();
    let entries = std::fs::read_dir(workspace.at("out/checkpoints")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["lock", "step-0000000004", "step-0000000005"]);

    // If the last state is damaged, the error names its folder, and the state before it can be used.
    let last = workspace.at("out/checkpoints/step-0000000005");
    std::fs::write(last.join("weights.safetensors"), b"short").unwrap();
    let message = resume(&workspace.at("out"), &CPU, &mut NoObserver)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("remove the folder") && message.contains("step-0000000005 to resume"),
        "{message}"
    );
    std::fs::remove_dir_all(last).unwrap();
    let outcome = resume(&workspace.at("out"), &CPU, &mut NoObserver).unwrap();
    assert!(matches!(
        outcome,
        PretrainOutcome::Finished { steps: 9, .. }
    ));
}

#[test]
fn invalid_settings_are_reported_before_the_first_step() {
    let workspace = Workspace::new();
    std::fs::write(workspace.at("empty.txt"), "\n").unwrap();
    std::fs::create_dir(workspace.at("full")).unwrap();
    std::fs::write(workspace.at("full/x"), "").unwrap();
    let message = |change: &dyn Fn(&mut PretrainSettings)| {
        let mut settings = workspace.settings("out", 1);
        change(&mut settings);
        let err = pretrain(settings, &CPU, &mut NoObserver).unwrap_err();
        assert!(!workspace.at("out").exists(), "{err}");
        let here = workspace.folder.path().display().to_string();
        err.to_string().replace(&here, "HERE")
    };
    let vocabulary = |size| {
        move |settings: &mut PretrainSettings| {
            if let PretrainStart::Scratch { vocabulary, .. } = &mut settings.start {
                *vocabulary = VocabularySource::Learn {
                    size,
                    is_cased: false,
                };
            }
        }
    };
    let size = |change: fn(&mut PairSize)| {
        move |settings: &mut PretrainSettings| {
            if let PretrainStart::Scratch { size, .. } = &mut settings.start {
                change(size);
            }
        }
    };
    let messages = [
        message(&|settings| settings.text = vec![workspace.at("empty.txt")]),
        message(&|settings| settings.out = workspace.at("full")),
        message(&|settings| settings.eval = settings.text.clone()),
        message(&vocabulary(20)),
        message(&size(|size| size.heads = Some(3))),
        message(&|settings| settings.max_length = Some(25)),
        message(&|settings| settings.start = PretrainStart::Folder(workspace.at("full"))),
        message(&|settings| settings.steps = None),
        message(&|settings| settings.mask = 1.0),
        resume(&workspace.at("full"), &CPU, &mut NoObserver)
            .unwrap_err()
            .to_string()
            .replace(&workspace.folder.path().display().to_string(), "HERE"),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn a_training_is_not_resumed_with_changed_text() {
    let workspace = Workspace::new();
    let mut recorder = Recorder {
        stop_after: Some(1),
        ..Recorder::default()
    };
    pretrain(workspace.settings("out", 3), &CPU, &mut recorder).unwrap();
    std::fs::write(workspace.at("text.txt"), text(149)).unwrap();
    let message = resume(&workspace.at("out"), &CPU, &mut NoObserver)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("text.txt") && message.contains("150 documents"),
        "{message}"
    );
}
