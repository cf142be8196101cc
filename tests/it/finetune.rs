//! `electroscope finetune`, from files to a checkpoint that answers, on the small random model of the
//! reference: what it learns is of no use, but how it comes about is the same as with a real one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use candle_core::Device;
use electroscope_model::{Checkpoint, Problem, Task};
use electroscope_training::data::{LabelledText, LabelledTexts, Questions};
use electroscope_training::example::Target;
use electroscope_training::finetune::{
    FinetuneOutcome, FinetuneRun, FinetuneSettings, OutputFolder, Provenance, TaskData,
};
use electroscope_training::observer::{EvaluationReport, StepReport, TrainingObserver};

use crate::heads_at_work::{home, json, said};
use crate::sandbox::{Outcome, Sandbox};

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/fixtures/equal")
}

/// Sentences of kind words and of unkind ones.
fn table() -> String {
    let mut text = "text,label\n".to_owned();
    for at in 0..24 {
        let (word, label) = match at % 2 {
            0 => ("the river is calm", "calm"),
            _ => ("words doubt the bridge", "doubtful"),
        };
        text.push_str(&format!(
            "\"{word}, {}\",{label}\n",
            "and so on ".repeat(at % 5)
        ));
    }
    text
}

const TAGS: &str = "Anna\tB-PER\nSmith\tI-PER\nsees\tO\nParis\tB-LOC\n.\tO\n\nthe\tO\nriver\tO\nin\tO\nRome\tB-LOC\n\n";

const SQUAD: &str = r#"{"version": "2.0", "data": [{"title": "t", "paragraphs": [{"context": "The bridge opens in May, and the river rises.", "qas": [
    {"id": "a", "question": "When does the bridge open?", "answers": [{"text": "in May", "answer_start": 17}], "is_impossible": false},
    {"id": "b", "question": "Who built it?", "answers": [], "is_impossible": true}]}]}]}"#;

fn files() -> Sandbox {
    home(&[
        ("train.csv", &table()),
        ("dev.csv", &table()),
        ("train.conll", TAGS),
        ("squad.json", SQUAD),
    ])
}

#[track_caller]
fn train(here: &Sandbox, arguments: &[&str]) -> Outcome {
    let base = base();
    let from = [
        "--from",
        base.to_str().unwrap(),
        "--epochs",
        "2",
        "--batch-size",
        "4",
    ];
    let outcome = here.run(&[arguments, &from].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(outcome.out, "");
    outcome
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_classifier_is_trained_from_a_table_and_classifies() {
    let here = files();
    train(
        &here,
        &[
            "finetune",
            "classification",
            "--train",
            "train.csv",
            "--dev",
            "dev.csv",
            "--out",
            "out",
        ],
    );
    assert_eq!(
        names(&here.path().join("out")),
        [
            "README.md",
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.txt"
        ]
    );
    std::fs::write(here.path().join("a.txt"), "the river is calm").unwrap();
    let outcome = here.run(&["classify", "--head", "out", "--format", "json", "a.txt"]);
    let labels = &json(&outcome.out)["documents"][0]["units"][0]["labels"];
    let mut found: Vec<&str> = labels
        .as_array()
        .unwrap()
        .iter()
        .map(|label| label["label"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["calm", "doubtful"]);
}

#[test]
fn a_training_says_what_labels_there_are_and_how_its_head_is_used() {
    let here = files();
    let table = table().replace(',', ";") + "a boat;CALM\n";
    std::fs::write(here.path().join("semicolons.csv"), table).unwrap();
    let base = base();
    let arguments = [
        "finetune",
        "classification",
        "--train",
        "semicolons.csv",
        "--out",
        "out",
    ];
    let from = ["--from", base.to_str().unwrap(), "--epochs", "1"];
    let outcome = here.run(&[&arguments[..], &from].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let place = |said: &str| {
        outcome
            .err
            .find(said)
            .unwrap_or_else(|| panic!("{said}: {}", outcome.err))
    };
    let (note, labels) = (place("parted by semicolons"), place(" texts: CALM 1 ("));
    let (warning, step) = (
        place("look like one but are learnt as 2"),
        place(" step 1/"),
    );
    assert!(
        note < labels && labels < warning && warning < step,
        "{}",
        outcome.err
    );
    let last = outcome.err.trim_end().lines().last().unwrap();
    assert!(last.starts_with("wrote out ("), "{last}");
    for part in [
        "; loss ",
        "; labels CALM, ",
        "use it: electroscope classify --head out FILE",
    ] {
        assert!(last.contains(part), "{last}");
    }
    assert!(!outcome.err.contains("best so far"), "{}", outcome.err);
}

#[test]
fn a_tagger_is_not_trained_on_a_single_label() {
    let here = files();
    std::fs::write(here.path().join("o.conll"), "The O\nboat O\n").unwrap();
    let outcome = here.run(&["finetune", "tagging", "--train", "o.conll", "--out", "out"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.err.contains("every word has the label \"O\""),
        "{}",
        outcome.err
    );
    assert!(!here.path().join("out").exists());
}

#[test]
fn adapters_are_trained_beside_an_encoder_that_stays() {
    let here = files();
    train(
        &here,
        &[
            "finetune",
            "tagging",
            "--train",
            "train.conll",
            "--dev",
            "train.conll",
            "--lora",
            "2",
            "--out",
            "out",
        ],
    );
    let found = names(&here.path().join("out"));
    assert!(
        found.contains(&"adapter_model.safetensors".to_owned()),
        "{found:?}"
    );
    assert!(
        !found.contains(&"model.safetensors".to_owned()),
        "{found:?}"
    );
    std::fs::write(here.path().join("a.txt"), "Anna sees Rome").unwrap();
    let outcome = here.run(&["tag", "--head", "out", "--format", "json", "a.txt"]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        json(&outcome.out)["documents"][0]["words"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn who_learns_that_some_questions_have_no_answer_can_refuse() {
    let here = files();
    train(
        &here,
        &[
            "finetune",
            "qa",
            "--train",
            "squad.json",
            "--dev",
            "squad.json",
            "--out",
            "out",
        ],
    );
    let config = std::fs::read_to_string(here.path().join("out/config.json")).unwrap();
    let ours = &json(&config)["electroscope"];
    assert_eq!(ours["no_answer"], true);
    assert!(ours["no_answer_threshold"].is_f64(), "{ours}");
    std::fs::write(here.path().join("a.txt"), "The bridge opens in May.").unwrap();
    let outcome = here.run(&["ask", "--head", "out", "--format", "json", "When?", "a.txt"]);
    assert!(
        json(&outcome.out)["documents"][0]["no_answer"].is_object(),
        "{}",
        outcome.err
    );
}

#[test]
fn words_that_are_wrong_are_learnt_from_clean_text() {
    let text =
        "The committee has approved the new bridge over the river. She goes to work every day.\n";
    let here = home(&[
        ("books/a.txt", &text.repeat(20)),
        ("held.txt", &text.repeat(3)),
    ]);
    train(
        &here,
        &[
            "finetune",
            "tagging",
            "--synthetic-errors",
            "books",
            "--synthetic-dev",
            "held.txt",
            "--synthetic-sentences",
            "30",
            "--out",
            "out",
        ],
    );
    let config = std::fs::read_to_string(here.path().join("out/config.json")).unwrap();
    assert_eq!(
        json(&config)["id2label"],
        serde_json::json!({
            "0": "O", "1": "SPELLING", "2": "AGREEMENT", "3": "ARTICLE", "4": "PREPOSITION",
            "5": "VERB-FORM", "6": "WRONG-WORD", "7": "MISSING", "8": "SUPERFLUOUS"
        })
    );
}

#[test]
fn corrections_synthetic_errors_and_word_columns_are_mixed() {
    let here = home(&[
        (
            "fixes.jsonl",
            "{\"text\": \"She go home.\", \"spans\": [[4, 6]], \"kind\": \"inflection/agreement\"}\n",
        ),
        ("words.conll", "They\tC\nis\tR:VERB:SVA\nlate\tC\n\n"),
        ("books.txt", "The committee has approved the new bridge.\n"),
    ]);
    let outcome = train(
        &here,
        &[
            "finetune",
            "tagging",
            "--train",
            "fixes.jsonl",
            "--train",
            "words.conll",
            "--synthetic-errors",
            "books.txt",
            "--dev",
            "fixes.jsonl",
            "--out",
            "out",
        ],
    );
    assert!(outcome.err.contains("AGREEMENT 2 "), "{}", outcome.err);
}

#[test]
fn the_card_says_what_is_known_and_nothing_else() {
    let here = files();
    train(
        &here,
        &[
            "finetune",
            "classification",
            "--train",
            "train.csv",
            "--dev",
            "dev.csv",
            "--out",
            "out",
            "--threads",
            "1",
        ],
    );
    let card = std::fs::read_to_string(here.path().join("out/README.md")).unwrap();
    let base = base().display().to_string();
    let card = card.replace(&base, "BASE");
    insta::with_settings!({filters => vec![
        (r"\d\.\d{4}", "[number]"),
        (r"seconds \| \d+", "seconds | [seconds]"),
        (r"after step \d+", "after step [step]"),
    ]}, { insta::assert_snapshot!(card) });
}

#[test]
fn what_cannot_be_learnt_from_is_refused_before_anything_is_made() {
    let here = files();
    let write = |name: &str, text: &str| std::fs::write(here.path().join(name), text).unwrap();
    write("empty.csv", "");
    write(
        "strange.csv",
        "text,label\nthe river,calm\nthe bridge,purple\n",
    );
    write("ragged.conll", "Anna\tB-PER\nSmith\n");
    write("moved.json", &SQUAD.replace("17", "4"));
    std::fs::create_dir(here.path().join("taken")).unwrap();
    write("taken/thesis.txt", "years of work");
    let refusals: Vec<String> = [
        &["classification", "--train", "train.csv", "--text", "body"][..],
        &["classification", "--train", "empty.csv"],
        &[
            "classification",
            "--train",
            "train.csv",
            "--dev",
            "strange.csv",
        ],
        &["classification"],
        &["classification", "--task", "cola", "taken"],
        &["tagging", "--train", "ragged.conll"],
        &["tagging", "--train", "train.conll", "--column", "9"],
        &["tagging", "--synthetic-errors", "nowhere"],
        &["qa", "--train", "moved.json"],
        &["qa", "--train", "squad.json", "--max-length", "4096"],
        &["qa", "--train", "squad.json", "--resume"],
        &["qa", "--train", "squad.json", "--from", "nowhere/"],
        &["qa", "--train", "squad.json", "--precision", "int8"],
    ]
    .iter()
    .map(|arguments| {
        let outcome = here.run(&[&["finetune"], *arguments, &["--out", "out"]].concat());
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.err);
        assert!(!here.path().join("out").exists(), "{arguments:?}");
        format!("{}\n{}", arguments.join(" "), said(&outcome))
    })
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));

    let outcome = here.run(&["finetune", "qa", "--train", "squad.json", "--out", "taken"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.err.contains("not an empty folder"),
        "{}",
        outcome.err
    );
    assert_eq!(names(&here.path().join("taken")), ["thesis.txt"]);
}

/// Stops a training after so many steps.
struct StopAfter(u64, u64);

impl TrainingObserver for StopAfter {
    fn step(&mut self, report: &StepReport<'_>) {
        self.1 = report.step;
    }

    fn evaluated(&mut self, _: &EvaluationReport<'_>) {}

    fn should_stop(&self) -> bool {
        self.1 >= self.0
    }
}

fn material() -> TaskData {
    let texts: Vec<LabelledText> = (0..20)
        .map(|at| LabelledText {
            text: ["the river is calm", "words doubt the bridge"][at % 2].repeat(1 + at % 3),
            pair: None,
            target: Target::Label(at % 2),
        })
        .collect();
    let train = LabelledTexts {
        labels: vec!["calm".into(), "doubtful".into()],
        problem: Problem::SingleLabel,
        texts,
    };
    TaskData::Texts {
        dev: Some(train.clone()),
        train,
        main_metric: None,
    }
}

#[test]
fn a_training_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let here = Sandbox::new();
    let base = Checkpoint::open(&base()).unwrap();
    let material = material();
    for lora in [None, Some(2)] {
        let settings = FinetuneSettings {
            batch_size: 4,
            max_length: 16,
            ..FinetuneSettings::for_task(Task::Classification, lora)
        };
        let run = |folder: &OutputFolder, state, stop| {
            let run = FinetuneRun {
                base: &base,
                data: &material,
                settings: &settings,
                folder,
                provenance: &Provenance::default(),
                device: &Device::Cpu,
            };
            let never = Duration::from_secs(3600);
            run.run(state, never, &mut StopAfter(stop, 0)).unwrap()
        };
        let path = |name: &str| here.path().join(format!("{name}-{lora:?}"));
        let through = OutputFolder::create(&path("through")).unwrap();
        assert!(matches!(
            run(&through, None, u64::MAX),
            FinetuneOutcome::Finished(_)
        ));
        let mut halted = OutputFolder::create(&path("halted")).unwrap();
        let mut state = None;
        // In the middle of an epoch, and after one.
        for stop in [3, 10] {
            let outcome = run(&halted, state, stop);
            assert!(
                matches!(outcome, FinetuneOutcome::Stopped { step, steps: 15 } if step == stop),
                "{outcome:?}"
            );
            drop(halted);
            let (folder, saved) = OutputFolder::resume(&path("halted")).unwrap();
            (halted, state) = (folder, Some(saved));
        }
        assert!(matches!(
            run(&halted, state, u64::MAX),
            FinetuneOutcome::Finished(_)
        ));
        let name = match lora {
            None => "model.safetensors",
            Some(_) => "adapter_model.safetensors",
        };
        let bytes = |folder: &str| std::fs::read(path(folder).join(name)).unwrap();
        assert!(bytes("through") == bytes("halted"), "{lora:?}");
    }
}

#[test]
fn data_of_which_no_token_is_left_is_an_error() {
    let here = Sandbox::new();
    let run = FinetuneRun {
        base: &Checkpoint::open(&base()).unwrap(),
        data: &TaskData::Questions {
            train: Questions::default(),
            dev: None,
        },
        settings: &FinetuneSettings::for_task(Task::QuestionAnswering, None),
        folder: &OutputFolder::create(&here.path().join("out")).unwrap(),
        provenance: &Provenance::default(),
        device: &Device::Cpu,
    };
    let never = Duration::from_secs(3600);
    let refusal = run.run(None, never, &mut StopAfter(1, 0)).unwrap_err();
    assert!(refusal.to_string().contains("has no examples"), "{refusal}");
}

#[test]
fn a_training_goes_on_only_with_what_it_was_begun_with() {
    let here = Sandbox::new();
    let base = Checkpoint::open(&base()).unwrap();
    let material = material();
    let settings = FinetuneSettings {
        batch_size: 4,
        max_length: 16,
        ..FinetuneSettings::default()
    };
    let path = here.path().join("out");
    let run = |folder: &OutputFolder, settings: &FinetuneSettings, state| {
        let run = FinetuneRun {
            base: &base,
            data: &material,
            settings,
            folder,
            provenance: &Provenance::default(),
            device: &Device::Cpu,
        };
        let outcome = run.run(state, Duration::from_secs(3600), &mut StopAfter(2, 0));
        outcome.map_err(|err| err.to_string())
    };
    run(&OutputFolder::create(&path).unwrap(), &settings, None).unwrap();
    let (folder, state) = OutputFolder::resume(&path).unwrap();
    let other = FinetuneSettings {
        seed: 2,
        ..settings
    };
    let refusal = run(&folder, &other, Some(state)).unwrap_err();
    assert!(refusal.contains("seed 1, but now it is 2"), "{refusal}");
}
