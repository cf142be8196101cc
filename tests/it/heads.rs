//! Fine-tuned heads against the reference implementation, on checkpoints drawn at random by
//! `tests/reference/make_head_fixtures.py`, and checkpoints that are not what they should be.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use electroscope_analysis::decode;
use electroscope_model::nn::head_model::PlainHead;
use electroscope_model::{
    Family, HeadCheckpoint, HeadForward, HeadInput, Logits, Problem, Task, Tokenizer,
};
use serde_json::{Value, json};

const TOLERANCE: f32 = 1e-4;

const NAMES: [&str; 15] = [
    "electra-single",
    "electra-multi",
    "electra-rating",
    "electra-tags",
    "electra-answers",
    "bert-single",
    "bert-multi",
    "bert-rating",
    "bert-tags",
    "bert-answers",
    "distilbert-single",
    "distilbert-multi",
    "distilbert-rating",
    "distilbert-tags",
    "distilbert-answers",
];

#[derive(serde::Deserialize)]
struct Expected {
    windows: Vec<Window>,
    /// For each window its rows of logits.
    single: Vec<Vec<Vec<f32>>>,
    padded: Vec<Vec<Vec<f32>>>,
    decoded: Vec<Decoded>,
    texts: Vec<Text>,
}

#[derive(serde::Deserialize)]
struct Window {
    ids: Vec<u32>,
    second: usize,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Decoded {
    Answers {
        spans: Vec<Span>,
        p: Vec<f32>,
        no_answer: f32,
        p_with_no_answer: Vec<f32>,
    },
    Tags {
        firsts: Vec<usize>,
        words: Vec<Word>,
        entities: Vec<Entity>,
    },
    Labels {
        p: Vec<f32>,
        ranked: Vec<String>,
    },
}

#[derive(serde::Deserialize)]
struct Span {
    first: usize,
    last: usize,
    score: f32,
}

#[derive(serde::Deserialize)]
struct Word {
    label: String,
    p: f32,
}

#[derive(serde::Deserialize)]
struct Entity {
    label: String,
    first: usize,
    last: usize,
    p: f32,
}

#[derive(serde::Deserialize)]
struct Text {
    text: String,
    pair: Option<String>,
    ids: Vec<u32>,
    second: usize,
    bytes: Vec<(u32, u32)>,
    words: Vec<u32>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference/heads")
        .join(name)
}

fn expected(name: &str) -> Expected {
    serde_json::from_slice(&fs::read(fixture(name).join("expected.json")).unwrap()).unwrap()
}

fn loaded(name: &str) -> (HeadCheckpoint, PlainHead) {
    let checkpoint = HeadCheckpoint::open(&fixture(name)).unwrap();
    let model = PlainHead::load(&checkpoint, &Device::Cpu).unwrap();
    (checkpoint, model)
}

fn inputs(expected: &Expected) -> Vec<HeadInput> {
    let input = |Window { ids, second }: &Window| HeadInput {
        ids: ids.clone(),
        second: *second,
    };
    expected.windows.iter().map(input).collect()
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

#[track_caller]
fn assert_logits(got: &[Logits], want: &[Vec<Vec<f32>>], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert_eq!(got.columns, want[0].len(), "{what}, window {at}");
        assert_close(&got.values, &want.concat(), &format!("{what}, window {at}"));
    }
}

#[test]
fn every_head_of_every_family_gives_the_logits_of_the_reference() {
    for name in NAMES {
        let (_, model) = loaded(name);
        let expected = expected(name);
        let windows = inputs(&expected);

        let first: Vec<f32> = expected.single.iter().map(|rows| rows[0][0]).collect();
        let spread = first.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| {
            (low.min(x), high.max(x))
        });
        assert!(spread.1 - spread.0 > 0.1, "{name}: all windows are alike");

        let single = model.logits(&windows).unwrap();
        assert_logits(&single, &expected.single, &format!("{name}, single"));
        let padded = model.padded(&windows).unwrap();
        assert_logits(&padded, &expected.padded, &format!("{name}, padded"));
    }
}

#[test]
fn a_window_has_the_same_logits_whatever_stands_beside_it() {
    for name in ["electra-tags", "bert-single", "distilbert-answers"] {
        let (_, model) = loaded(name);
        let windows = inputs(&expected(name));
        let together = model.logits(&windows).unwrap();
        for (window, logits) in windows.iter().zip(together) {
            let alone = model.logits(std::slice::from_ref(window)).unwrap();
            assert_eq!(alone, [logits], "{name}");
        }
    }
}

#[test]
fn the_second_text_is_told_from_the_first_where_the_family_has_segments() {
    for (name, tells) in [
        ("electra-answers", true),
        ("bert-answers", true),
        ("distilbert-answers", false),
    ] {
        let (_, model) = loaded(name);
        let pair = inputs(&expected(name)).remove(4);
        let one = HeadInput {
            second: pair.ids.len(),
            ..pair.clone()
        };
        let answers = model.logits(&[pair, one]).unwrap();
        assert_eq!(answers[0] != answers[1], tells, "{name}");
    }
}

/// Holds what [`decode`] makes of `logits` against what plain Python made of the reference's.
fn assert_decoded(name: &str, checkpoint: &HeadCheckpoint, logits: &[Logits]) {
    let expected = expected(name);
    let config = &checkpoint.config;
    for (at, (logits, want)) in logits.iter().zip(&expected.decoded).enumerate() {
        let what = format!("{name}, window {at}");
        let window = &expected.windows[at];
        match want {
            Decoded::Labels { p, ranked } => {
                let got = decode::probabilities(&logits.values, config.problem);
                assert_close(&got, p, &what);
                let order = decode::ranked(&got);
                let names: Vec<&String> = order.iter().map(|&id| &config.labels[id]).collect();
                assert_eq!(names, ranked.iter().collect::<Vec<_>>(), "{what}");
            }
            Decoded::Tags {
                firsts,
                words,
                entities,
            } => {
                let rows: Vec<&[f32]> = logits.rows().collect();
                assert_eq!(rows.len(), window.ids.len(), "{what}");
                let got: Vec<(usize, f32)> = (firsts.iter())
                    .map(|&first| decode::likeliest(rows[first]).unwrap())
                    .collect();
                for ((label, p), want) in got.iter().zip(words) {
                    assert_eq!(config.labels[*label], want.label, "{what}");
                    assert_close(&[*p], &[want.p], &what);
                }
                let found = decode::Scheme::of(&config.labels).entities(&got);
                assert_eq!(found.len(), entities.len(), "{what}");
                for (got, want) in found.iter().zip(entities) {
                    assert_eq!(got.label, want.label, "{what}");
                    assert_eq!(got.words, want.first..want.last + 1, "{what}");
                    assert_close(&[got.p], &[want.p], &what);
                }
            }
            Decoded::Answers {
                spans,
                p,
                no_answer,
                p_with_no_answer,
            } => {
                let starts: Vec<f32> = logits.column(0).collect();
                let ends: Vec<f32> = logits.column(1).collect();
                let length = window.ids.len();
                let context = if window.second < length {
                    window.second
                } else {
                    1
                };
                let context = context..length - 1;
                let got = decode::best_spans(&starts, &ends, context, decode::N_BEST);
                assert_eq!(got.len(), spans.len(), "{what}");
                for (got, want) in got.iter().zip(spans) {
                    assert_eq!((got.first, got.last), (want.first, want.last), "{what}");
                    assert_close(&[got.score], &[want.score], &what);
                }
                let scores: Vec<f32> = got.iter().map(|span| span.score).collect();
                let (shares, nothing) = decode::shares(&scores, None);
                assert_close(&shares, p, &what);
                assert_eq!(nothing, None);
                let nothing = decode::no_answer(&starts, &ends).unwrap();
                assert_close(&[nothing], &[*no_answer], &what);
                let (mut shares, nothing) = decode::shares(&scores, Some(nothing));
                shares.extend(nothing);
                assert_close(&shares, p_with_no_answer, &what);
            }
        }
    }
}

#[test]
fn labels_spans_and_entities_are_those_that_python_makes_of_the_reference() {
    for name in NAMES {
        let (checkpoint, model) = loaded(name);
        let expected = expected(name);
        let logits = model.logits(&inputs(&expected)).unwrap();
        assert_decoded(name, &checkpoint, &logits);
        let reference: Vec<Logits> = (expected.single.iter())
            .map(|rows| Logits {
                columns: rows[0].len(),
                values: rows.concat(),
            })
            .collect();
        assert_decoded(name, &checkpoint, &reference);
    }
}

#[test]
fn texts_have_the_tokens_of_the_reference_and_their_bytes() {
    for name in NAMES {
        let checkpoint = HeadCheckpoint::open(&fixture(name)).unwrap();
        let tokenizer: &Tokenizer = &checkpoint.tokenizer;
        for want in expected(name).texts {
            let pieces = tokenizer.encode(&want.text).unwrap();
            let bytes: Vec<(u32, u32)> = pieces.iter().map(|p| (p.start, p.end)).collect();
            assert_eq!(bytes, want.bytes, "{name}: {}", want.text);
            let words: Vec<u32> = pieces.iter().map(|piece| piece.word).collect();
            assert_eq!(words, want.words, "{name}: {}", want.text);

            let mut ids = vec![tokenizer.cls_id()];
            ids.extend(pieces.iter().map(|piece| piece.id));
            ids.push(tokenizer.sep_id());
            let second = ids.len();
            if let Some(pair) = &want.pair {
                ids.extend(tokenizer.encode(pair).unwrap().iter().map(|piece| piece.id));
                ids.push(tokenizer.sep_id());
            }
            assert_eq!(
                (ids, second),
                (want.ids, want.second),
                "{name}: {}",
                want.text
            );
        }
    }
}

#[test]
fn what_a_checkpoint_says_of_itself_is_read() {
    let read = |name: &str| HeadCheckpoint::open(&fixture(name)).unwrap().config;
    let single = read("electra-single");
    assert_eq!(
        (single.family, single.task),
        (Family::Electra, Task::Classification)
    );
    assert_eq!(single.labels, ["bad", "so so", "good"]);
    assert_eq!(single.problem, Problem::SingleLabel);
    assert_eq!((single.max_positions, single.can_refuse), (48, false));
    assert_eq!(single.class(), "ElectraForSequenceClassification");
    let multi = read("bert-multi");
    assert_eq!(
        (multi.family, multi.problem),
        (Family::Bert, Problem::MultiLabel)
    );
    let rating = read("distilbert-rating");
    assert_eq!(
        (rating.family, rating.problem),
        (Family::DistilBert, Problem::Regression)
    );
    assert_eq!(rating.labels, ["LABEL_0"]);
    let tags = read("bert-tags");
    assert_eq!((tags.task, tags.labels.len()), (Task::Tagging, 9));
    let answers = read("distilbert-answers");
    assert_eq!(answers.task, Task::QuestionAnswering);
    assert!(answers.labels.is_empty());
}

/// A copy of a sound checkpoint to change.
fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "expected.json" {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

fn edit_config(
    folder: &tempfile::TempDir,
    change: impl FnOnce(&mut serde_json::Map<String, Value>),
) {
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(config.as_object_mut().unwrap());
    fs::write(path, config.to_string()).unwrap();
}

type Header = serde_json::Map<String, Value>;

/// Changes the list of tensors and leaves their numbers alone.
fn edit_header(folder: &tempfile::TempDir, change: impl FnOnce(&mut Header)) {
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let size = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Header = serde_json::from_slice(&bytes[8..8 + size]).unwrap();
    change(&mut header);
    let header = Value::Object(header).to_string();
    let mut edited = (header.len() as u64).to_le_bytes().to_vec();
    edited.extend(header.bytes());
    edited.extend(&bytes[8 + size..]);
    fs::write(path, edited).unwrap();
}

/// Renames tensors, or takes those out for which there is no new name.
fn edit_names(folder: &tempfile::TempDir, change: impl Fn(&str) -> Option<String>) {
    edit_header(folder, |header| {
        *header = (std::mem::take(header).into_iter())
            .filter_map(|(name, value)| match name.as_str() {
                "__metadata__" => Some((name, value)),
                _ => Some((change(&name)?, value)),
            })
            .collect();
    });
}

fn renamed(folder: &tempfile::TempDir, from: &str, to: &str) {
    edit_names(folder, |name| Some(name.replace(from, to)));
}

#[track_caller]
fn assert_still_answers(folder: &tempfile::TempDir, name: &str) {
    let checkpoint = match HeadCheckpoint::open(folder.path()) {
        Ok(checkpoint) => checkpoint,
        Err(err) => panic!("{name}: {err}"),
    };
    let model = PlainHead::load(&checkpoint, &Device::Cpu).unwrap();
    let expected = expected(name);
    let logits = model.logits(&inputs(&expected)).unwrap();
    assert_logits(&logits, &expected.single, name);
}

#[test]
fn what_a_configuration_leaves_out_is_seen_in_the_tensors() {
    for name in NAMES {
        let rates = name.ends_with("rating") && !name.starts_with("electra");
        let silent: &[&[&str]] = &[
            &["architectures"],
            &["architectures", "model_type"],
            &["model_type"],
        ];
        for fields in silent {
            let folder = copy(name);
            edit_config(&folder, |config| {
                for field in *fields {
                    config.remove(*field);
                }
                // One label without a class could as well be multiple choice.
                if rates && fields.contains(&"architectures") {
                    config.insert("problem_type".into(), "regression".into());
                }
            });
            assert_still_answers(&folder, name);
            let read = HeadCheckpoint::open(folder.path()).unwrap().config;
            let said = HeadCheckpoint::open(&fixture(name)).unwrap().config;
            assert_eq!((read.family, read.task), (said.family, said.task), "{name}");
            assert_eq!(read.labels, said.labels, "{name}");
        }
    }
}

#[test]
fn a_class_that_was_never_brought_up_to_date_does_not_hide_the_head() {
    for (name, class) in [
        ("electra-answers", "ElectraForPreTraining"),
        ("bert-single", "BertForMaskedLM"),
        ("distilbert-tags", "DistilBertModel"),
        ("bert-tags", "TFBertForTokenClassification"),
    ] {
        let folder = copy(name);
        edit_config(&folder, |config| {
            config.insert("architectures".into(), json!([class]));
        });
        assert_still_answers(&folder, name);
    }
}

#[test]
fn names_of_old_layer_norms_and_a_pooler_without_use_are_read() {
    let folder = copy("bert-tags");
    edit_names(&folder, |name| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
        Some(name.replace("LayerNorm.bias", "LayerNorm.beta"))
    });
    assert_still_answers(&folder, "bert-tags");

    // A tagger from before 2020: no class, and a pooler beside the classifier.
    let folder = copy("bert-single");
    edit_config(&folder, |config| {
        config.remove("architectures");
        config.insert("id2label".into(), json!(["O", "B-PER", "I-PER"]));
    });
    let read = HeadCheckpoint::open(folder.path()).unwrap().config;
    assert_eq!(read.task, Task::Tagging);
}

#[test]
fn labels_come_in_many_forms() {
    let read = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let folder = copy("bert-single");
        edit_config(&folder, change);
        HeadCheckpoint::open(folder.path()).unwrap().config.labels
    };
    let with = |value: Value| {
        read(&|config| {
            config.insert("id2label".into(), value.clone());
        })
    };
    assert_eq!(with(json!({"2": "c", "0": "a", "1": "b"})), ["a", "b", "c"]);
    assert_eq!(with(json!({"0": 10, "1": 20, "2": 30})), ["10", "20", "30"]);
    assert_eq!(with(json!(["a", "b", "c"])), ["a", "b", "c"]);
    assert_eq!(with(json!({"a": 0, "c": 2, "b": 1})), ["a", "b", "c"]);
    let unnamed = ["LABEL_0", "LABEL_1", "LABEL_2"];
    assert_eq!(
        with(json!({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})),
        unnamed
    );
    assert_eq!(with(Value::Null), unnamed);
    let silent = |also: Option<(&str, Value)>| {
        read(&|config| {
            config.remove("id2label");
            config.remove("label2id");
            if let Some((field, value)) = &also {
                config.insert((*field).to_owned(), value.clone());
            }
        })
    };
    assert_eq!(silent(None), unnamed);
    assert_eq!(silent(Some(("num_labels", json!(3)))), unnamed);
    assert_eq!(silent(Some(("_num_labels", json!(3)))), unnamed);
    assert_eq!(
        silent(Some(("label2id", json!({"x": 2, "y": 1, "z": 0})))),
        ["z", "y", "x"]
    );
    // Names for another number of labels are those of another model.
    assert_eq!(
        silent(Some(("label2id", json!({"LABEL_0": 0, "LABEL_1": 1})))),
        unnamed
    );
}

#[test]
fn what_a_head_does_with_questions_without_an_answer_is_our_own_field() {
    let folder = copy("electra-answers");
    edit_config(&folder, |config| {
        config.insert(
            "electroscope".into(),
            json!({"no_answer": true, "no_answer_threshold": -1.5}),
        );
    });
    let config = HeadCheckpoint::open(folder.path()).unwrap().config;
    assert!(config.can_refuse);
    assert_eq!(config.no_answer_threshold, Some(-1.5));
}

/// What is said of a changed copy of a checkpoint.
fn complaint(folder: &tempfile::TempDir) -> String {
    let outcome = HeadCheckpoint::open(folder.path())
        .and_then(|checkpoint| PlainHead::load(&checkpoint, &Device::Cpu).map(|_| ()));
    let message = outcome.expect_err("it was taken for a head").to_string();
    message.replace(&folder.path().display().to_string(), "DIR")
}

#[test]
fn checkpoints_that_do_not_hold_together_are_refused() {
    let mut complaints = Vec::new();
    let mut check = |name: &str, what: &str, change: &dyn Fn(&tempfile::TempDir)| {
        let folder = copy(name);
        change(&folder);
        complaints.push(format!("{name}, {what}: {}", complaint(&folder)));
    };
    fn set(field: &'static str, value: Value) -> impl Fn(&tempfile::TempDir) {
        move |folder| {
            edit_config(folder, |config| {
                config.insert(field.to_owned(), value.clone());
            });
        }
    }
    let without = |prefix: &'static str| {
        move |folder: &tempfile::TempDir| {
            edit_names(folder, |name| {
                (!name.starts_with(prefix)).then(|| name.to_owned())
            });
        }
    };
    let silent = |folder: &tempfile::TempDir| {
        edit_config(folder, |config| {
            config.remove("architectures");
        });
    };

    // Labels.
    check("electra-single", "no labels", &set("id2label", json!({})));
    check(
        "bert-single",
        "too few labels",
        &set("id2label", json!({"0": "a", "1": "b"})),
    );
    check(
        "electra-tags",
        "one label",
        &set("id2label", json!({"0": "a"})),
    );
    check(
        "bert-rating",
        "too many labels",
        &set("id2label", json!({"0": "a", "1": "b"})),
    );
    check(
        "bert-single",
        "labels from 1",
        &set("id2label", json!({"1": "a", "2": "b", "3": "c"})),
    );
    check(
        "bert-single",
        "labels that are none",
        &set("id2label", json!("good")),
    );
    check(
        "distilbert-single",
        "labels without numbers",
        &set("id2label", json!({"a": "b"})),
    );
    check("electra-tags", "num_labels of zero", &|folder| {
        edit_config(folder, |config| {
            config.remove("id2label");
            config.insert("num_labels".into(), 0.into());
        });
    });

    // How the logits are to be read.
    check(
        "electra-single",
        "an unknown problem",
        &set("problem_type", json!("ranking")),
    );
    check(
        "electra-rating",
        "a single label that is the only one",
        &set("problem_type", json!("single_label_classification")),
    );
    check(
        "electra-answers",
        "a threshold that is none",
        &set("electroscope", json!({"no_answer_threshold": "high"})),
    );

    // What the head is.
    check(
        "electra-single",
        "multiple choice",
        &set("architectures", json!(["ElectraForMultipleChoice"])),
    );
    check(
        "bert-single",
        "next sentences",
        &set("architectures", json!(["BertForNextSentencePrediction"])),
    );
    check("bert-answers", "masked language model only", &|folder| {
        set("architectures", json!(["BertForMaskedLM"]))(folder);
        renamed(folder, "qa_outputs", "cls.predictions.decoder");
    });
    check("electra-answers", "discriminator only", &|folder| {
        set("architectures", json!(["ElectraForPreTraining"]))(folder);
        renamed(
            folder,
            "qa_outputs",
            "discriminator_predictions.dense_prediction",
        );
    });
    check("distilbert-tags", "encoder only", &|folder| {
        set("architectures", json!(["DistilBertModel"]))(folder);
        without("classifier")(folder);
    });
    check(
        "electra-tags",
        "multiple choice without a class",
        &|folder| {
            silent(folder);
            edit_names(folder, |name| {
                Some(match name {
                    "electra.encoder.layer.1.output.dense.weight" => {
                        "sequence_summary.summary.weight".into()
                    }
                    _ => name.to_owned(),
                })
            });
        },
    );
    check("bert-rating", "one label without a class", &silent);
    check("electra-answers", "two heads without a class", &|folder| {
        silent(folder);
        renamed(folder, "electra.embeddings_project", "classifier");
    });

    // Tensors.
    check(
        "electra-tags",
        "another class than the tensors",
        &set("architectures", json!(["ElectraForSequenceClassification"])),
    );
    check("bert-answers", "no head", &without("qa_outputs"));
    check("bert-single", "no pooler", &without("bert.pooler"));
    check(
        "distilbert-single",
        "no pre-classifier",
        &without("pre_classifier"),
    );
    check(
        "electra-single",
        "no bias",
        &without("classifier.out_proj.bias"),
    );
    check(
        "bert-tags",
        "a layer less",
        &without("bert.encoder.layer.1"),
    );
    check(
        "distilbert-tags",
        "a layer less",
        &without("distilbert.transformer.layer.1"),
    );
    check("electra-answers", "three columns", &|folder| {
        edit_names(folder, |name| {
            Some(match name {
                "qa_outputs.weight" => "unused.weight".into(),
                "electra.encoder.layer.1.output.dense.weight" => "qa_outputs.weight".into(),
                _ => name.to_owned(),
            })
        });
    });
    check(
        "bert-single",
        "another width",
        &set("hidden_size", json!(32)),
    );
    check("distilbert-single", "another width", &set("dim", json!(32)));

    // The numbers stay as they are: the list alone is read of them.
    check("bert-single", "a classifier without rows", &|folder| {
        edit_header(folder, |header| {
            header["classifier.weight"]["shape"] = json!([0, 16]);
            header["classifier.weight"]["data_offsets"] = json!([0, 0]);
        });
    });
    check("bert-single", "more rows than anyone has", &|folder| {
        edit_config(folder, |config| {
            config.remove("id2label");
        });
        edit_header(folder, |header| {
            header["classifier.weight"]["shape"] = json!([1_u64 << 60, 16]);
            header["classifier.weight"]["dtype"] = json!("I64");
        });
    });

    // The family.
    check(
        "bert-single",
        "a family that is not read",
        &set("model_type", json!("roberta")),
    );
    check(
        "bert-single",
        "another family",
        &set("model_type", json!("electra")),
    );
    check("bert-single", "another family without a class", &|folder| {
        silent(folder);
        set("model_type", json!("electra"))(folder);
    });
    check("bert-single", "no family", &|folder| {
        edit_config(folder, |config| {
            config.remove("model_type");
            config.remove("architectures");
        });
        renamed(folder, "bert.", "encoder.");
    });
    check(
        "bert-single",
        "relative positions",
        &set("position_embedding_type", json!("relative_key")),
    );
    check("bert-single", "a decoder", &set("is_decoder", json!(true)));
    check(
        "bert-single",
        "an unknown activation",
        &set("hidden_act", json!("mish")),
    );
    check(
        "distilbert-single",
        "an unknown activation",
        &set("activation", json!("mish")),
    );
    check(
        "distilbert-single",
        "heads that do not divide",
        &set("n_heads", json!(3)),
    );
    check(
        "distilbert-single",
        "an impossible dropout",
        &set("seq_classif_dropout", json!(2)),
    );

    // Files.
    check("bert-single", "no configuration", &|folder| {
        fs::remove_file(folder.path().join("config.json")).unwrap();
    });
    check("bert-single", "a configuration that is none", &|folder| {
        fs::write(folder.path().join("config.json"), "[1, 2]").unwrap();
    });
    check(
        "bert-single",
        "another vocabulary",
        &set("vocab_size", json!(30522)),
    );
    insta::assert_snapshot!(complaints.join("\n"));
}

#[test]
fn a_window_that_no_model_can_read_is_an_error() {
    for name in NAMES {
        let (_, model) = loaded(name);
        for ids in [vec![], vec![2; 49], vec![2, 4_000_000_000, 3]] {
            let second = ids.len();
            assert!(
                model.logits(&[HeadInput { ids, second }]).is_err(),
                "{name}"
            );
        }
        assert_eq!(model.logits(&[]).unwrap(), []);
        assert_eq!(model.padded(&[]).unwrap(), []);
    }
}

#[test]
fn heads_are_loaded_by_the_names_of_device_and_precision() {
    let checkpoint = HeadCheckpoint::open(&fixture("bert-tags")).unwrap();
    let (model, remark) = electroscope_model::load_head(&checkpoint, "cpu", "auto").unwrap();
    assert_eq!(
        (model.device(), model.precision(), remark),
        ("cpu".into(), "f32".into(), None)
    );
    for (device, precision) in [("gpu", "f32"), ("cpu", "f64")] {
        assert!(electroscope_model::load_head(&checkpoint, device, precision).is_err());
    }
}

#[test]
fn a_byte_changed_in_a_configuration_never_panics() {
    use proptest::prelude::*;
    let folder = copy("distilbert-single");
    let path = folder.path().join("config.json");
    let bytes = fs::read(&path).unwrap();
    proptest!(ProptestConfig::with_cases(300), |(at in 0..bytes.len(), value: u8)| {
        let mut broken = bytes.clone();
        broken[at] = value;
        fs::write(&path, broken).unwrap();
        let opened = HeadCheckpoint::open(folder.path());
        // Many a byte does no harm, such as one of a label's.
        let outcome = opened.and_then(|found| PlainHead::load(&found, &Device::Cpu));
        prop_assert!(!matches!(outcome, Err(electroscope_model::Error::Hub(_))));
    });
}
