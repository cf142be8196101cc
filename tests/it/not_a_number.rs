//! Models that compute NaN or infinite numbers: an error with exit code 2 for every command and format,
//! never a clean result.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use electroscope::worker::inference::{
    DocumentId, Generation, Inference, Job, Lens, ModelSummary, Reply,
};
use electroscope_analysis::Engine;
use electroscope_model::{Checkpoint, Error};
use electroscope_text::{Document, Language};

use crate::heads_at_work::head;
use crate::sandbox::Sandbox;

/// A NaN as the last weight of a matrix.
const NAN: &[f32] = &[f32::NAN];

/// Finite weights that overflow once they are multiplied.
const HUGE: &[f32] = &[3e38; 64];

/// Copies the checkpoint at `from` to `bad`, the end of tensor `name` replaced by `numbers`.
fn spoilt(here: &Sandbox, from: &Path, name: &str, numbers: &[f32]) {
    let folder = here.path().join("bad");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
        }
    }
    let path = folder.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let described: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let offsets = &described[name]["data_offsets"];
    let [from, to] = [0, 1].map(|at| offsets[at].as_u64().unwrap() as usize + 8 + header);
    for (at, number) in numbers.iter().take((to - from) / 4).enumerate() {
        bytes[to - 4 * (at + 1)..to - 4 * at].copy_from_slice(&number.to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
}

fn discriminator() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/fixtures/projected")
}

/// Runs `arguments`, which must fail, name the model and report nothing.
#[track_caller]
fn assert_refused(here: &Sandbox, arguments: &[&str]) -> String {
    let outcome = here.run(arguments);
    assert_eq!(outcome.code, 2, "{arguments:?}: {outcome:?}");
    assert!(
        outcome.err.contains("bad/model.safetensors"),
        "{arguments:?}: {outcome:?}"
    );
    for claim in ["\"p\":", "\"executionSuccessful\":true", "\"label\":"] {
        assert!(!outcome.out.contains(claim), "{arguments:?}: {outcome:?}");
    }
    outcome.err
}

/// Spoils the checkpoint at `from` in both ways, and runs `arguments` with each.
#[track_caller]
fn assert_refused_both(here: &Sandbox, from: &Path, tensor: &str, arguments: &[&str]) {
    spoilt(here, from, tensor, NAN);
    let said = assert_refused(here, arguments);
    assert!(
        said.contains(&format!("tensor `{tensor}` holds NaN")),
        "{said}"
    );
    spoilt(here, from, tensor, HUGE);
    let said = assert_refused(here, arguments);
    assert!(said.contains("the model computes"), "{said}");
}

fn home() -> Sandbox {
    let here = Sandbox::new();
    fs::write(
        here.path().join("a.txt"),
        "The boat waits in the harbour.\n",
    )
    .unwrap();
    here
}

const MATRIX: &str = "electra.encoder.layer.0.attention.output.dense.weight";

#[test]
fn score_refuses_a_model_that_computes_nan_in_every_format() {
    let here = home();
    for format in ["pretty", "compact", "json", "jsonl", "github", "sarif"] {
        let arguments = ["score", "--model", "bad", "--format", format, "a.txt"];
        assert_refused_both(&here, &discriminator(), MATRIX, &arguments);
    }
}

#[test]
fn score_refuses_it_in_every_precision() {
    let here = home();
    for precision in ["auto", "f32", "int8"] {
        let arguments = ["score", "--model", "bad", "--precision", precision, "a.txt"];
        assert_refused_both(&here, &discriminator(), MATRIX, &arguments);
    }
}

#[test]
fn heads_that_compute_nan_are_refused() {
    let here = home();
    let head_of = |name: &str| {
        let tensor = match name.split_once('-').unwrap().1 {
            "answers" => "qa_outputs.weight",
            "single" => "classifier.out_proj.weight",
            _ => "classifier.weight",
        };
        (head(name), tensor)
    };
    for format in ["pretty", "compact", "json", "jsonl"] {
        for (name, command) in [
            ("electra-tags", &["tag"][..]),
            ("electra-single", &["classify"]),
            ("electra-answers", &["ask", "Who waits?"]),
        ] {
            let (from, tensor) = head_of(name);
            let more = ["--head", "bad", "--format", format, "a.txt"];
            assert_refused_both(&here, &from, tensor, &[command, &more].concat());
        }
    }
}

#[test]
fn evaluations_of_a_model_that_computes_nan_are_refused() {
    let here = home();
    let text = "The committee approved the plan for a new bridge over the river last spring.\n\n";
    fs::write(here.path().join("long.txt"), text.repeat(4)).unwrap();
    fs::write(
        here.path().join("t.tsv"),
        "text\tlabel\nthe boat\tgood\nthe bridge\tBAD\n",
    )
    .unwrap();
    fs::write(here.path().join("t.conll"), "Anna B-PER\nwaits O\n").unwrap();
    let rtd = [
        "evaluate",
        "rtd",
        "--model",
        "bad",
        "--corruption",
        "random",
        "long.txt",
    ];
    assert_refused_both(&here, &discriminator(), MATRIX, &rtd);
    let classification = ["evaluate", "classification", "--head", "bad", "t.tsv"];
    let tensor = "classifier.out_proj.weight";
    assert_refused_both(&here, &head("electra-single"), tensor, &classification);
    let tagging = ["evaluate", "tagging", "--head", "bad", "t.conll"];
    assert_refused_both(&here, &head("electra-tags"), "classifier.weight", &tagging);
}

#[test]
fn weights_that_are_not_finite_are_not_exported() {
    let here = home();
    spoilt(&here, &discriminator(), MATRIX, &[f32::INFINITY]);
    let said = assert_refused(&here, &["model", "export", "--model", "bad", "out"]);
    assert!(said.contains("holds inf"), "{said}");
    assert!(!here.path().join("out/model.safetensors").exists());
}

#[test]
fn the_screen_is_told_that_scoring_failed() {
    let here = home();
    spoilt(&here, &discriminator(), MATRIX, HUGE);
    let folder = here.path().join("bad");
    let (replies, inbox) = mpsc::channel();
    let load = move |_, _: &mut dyn FnMut(String)| {
        let said = |err: Error| err.to_string();
        let checkpoint = Checkpoint::open(&folder).map_err(said)?;
        let (forward, _) = electroscope_model::load(&checkpoint, "cpu", "f32").map_err(said)?;
        let positions = checkpoint.config.max_position_embeddings;
        let summary = ModelSummary {
            id: "bad".into(),
            device: forward.device(),
            precision: forward.precision(),
            threshold: 0.5,
            false_alarms: None,
            note: None,
        };
        let engine = Engine::new(Arc::clone(&checkpoint.tokenizer), forward, positions);
        Ok((engine, summary))
    };
    let inference = Inference::spawn(Lens::Replaced, load, move |reply| {
        let _ = replies.send(reply);
    })
    .unwrap();
    inference.submit(Job::Score {
        id: DocumentId(1),
        generation: Generation(1),
        document: Document::new("a.txt", "The boat waits.", Language::Plain),
    });
    let reason = loop {
        match inbox.recv_timeout(Duration::from_secs(60)).unwrap() {
            Reply::Failed { reason, .. } => break reason,
            Reply::Loading(_) | Reply::Loaded(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(reason.contains("bad/model.safetensors"), "{reason}");
    assert!(reason.contains("the model computes"), "{reason}");
}
