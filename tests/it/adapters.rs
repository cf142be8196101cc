//! Adapters: those that PEFT wrote against the numbers that PEFT has for them
//! (`tests/reference/make_adapter_fixtures.py`), ours there and back, and folders that are not what
//! they should be.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use electroscope::catalog::builtin;
use electroscope_model::nn::head_model::PlainHead;
use electroscope_model::{
    Checkpoint, Encoders, HeadConfig, HeadForward, HeadInput, Problem, Task, checkpoint::adapter,
};
use serde_json::{Value, json};

const TOLERANCE: f32 = 1e-4;

const NAMES: [&str; 5] = [
    "electra-labels",
    "electra-tags",
    "electra-answers",
    "bert-labels",
    "distilbert-labels",
];

#[derive(serde::Deserialize)]
struct Expected {
    windows: Vec<Window>,
    columns: usize,
    logits: Vec<Vec<f32>>,
}

#[derive(serde::Deserialize)]
struct Window {
    ids: Vec<u32>,
    second: usize,
}

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference")
        .join(path)
}

fn fixture(name: &str) -> PathBuf {
    reference("adapters").join(name)
}

/// A copy of a fixture that can be changed, with its base named in full.
fn copied(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(fixture(name).join(file), folder.path().join(file)).unwrap();
    }
    change(folder.path(), |config| {
        let base = config["base_model_name_or_path"].as_str().unwrap();
        config["base_model_name_or_path"] = json!(fixture(name).join(base));
    });
    folder
}

fn change(folder: &Path, change: impl FnOnce(&mut Value)) {
    let path = folder.join("adapter_config.json");
    let mut config = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs::write(&path, config.to_string()).unwrap();
}

fn tensors(folder: &Path) -> HashMap<String, Tensor> {
    let path = folder.join("adapter_model.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn save(folder: &Path, tensors: &HashMap<String, Tensor>) {
    let path = folder.join("adapter_model.safetensors");
    candle_core::safetensors::save(tensors, path).unwrap();
}

fn refusal(folder: &Path) -> String {
    match builtin::open_head(folder) {
        Err(err) => err.to_string(),
        Ok(_) => panic!("it was opened"),
    }
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() < TOLERANCE, "{what}: {got} for {want}");
    }
}

#[test]
fn adapters_that_peft_wrote_answer_as_they_do_there() {
    for name in NAMES {
        let expected = fs::read(fixture(name).join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_slice(&expected).unwrap();
        let checkpoint = builtin::open_head(&fixture(name)).unwrap();
        let model = PlainHead::load(&checkpoint, &Device::Cpu).unwrap();
        let input = |Window { ids, second }: &Window| HeadInput {
            ids: ids.clone(),
            second: *second,
        };
        let windows: Vec<HeadInput> = expected.windows.iter().map(input).collect();
        let answers = model.logits(&windows).unwrap();
        for (answer, wanted) in answers.iter().zip(&expected.logits) {
            assert_eq!(answer.columns, expected.columns, "{name}");
            assert_close(&answer.values, wanted, name);
        }
    }
}

#[test]
fn an_adapter_without_a_configuration_of_its_head_has_labels_without_names() {
    let read = |name: &str| builtin::open_head(&fixture(name)).unwrap().config;
    let config = read("electra-labels");
    assert_eq!(config.task, Task::Classification);
    assert_eq!(config.labels, ["LABEL_0", "LABEL_1", "LABEL_2"]);
    assert_eq!(read("electra-tags").task, Task::Tagging);
    assert_eq!(read("electra-answers").task, Task::QuestionAnswering);
}

#[test]
fn a_task_that_is_not_said_is_taken_from_the_tensors() {
    let folder = copied("electra-tags");
    change(folder.path(), |config| config["task_type"] = Value::Null);
    let config = builtin::open_head(folder.path()).unwrap().config;
    assert_eq!((config.task, config.labels.len()), (Task::Tagging, 5));
}

/// A change of a configuration, and what is said of it.
type Change = (fn(&mut Value), &'static str);

#[test]
fn what_would_change_a_number_is_refused_by_name() {
    let changes: [Change; 16] = [
        (
            |c| c["peft_type"] = json!("IA3"),
            "peft_type is \"IA3\", but only \"LORA\"",
        ),
        (
            |c| c["use_rslora"] = json!(true),
            "use_rslora is true, but that is not known",
        ),
        (|c| c["use_dora"] = json!(true), "use_dora is true"),
        (
            |c| c["bias"] = json!("lora_only"),
            "bias is \"lora_only\", but only",
        ),
        (|c| c["lora_bias"] = json!(true), "lora_bias is true"),
        (
            |c| c["fan_in_fan_out"] = json!(true),
            "fan_in_fan_out is true",
        ),
        (
            |c| c["rank_pattern"] = json!({"query": 4}),
            "rank_pattern is {\"query\":4}",
        ),
        (
            |c| c["alpha_pattern"] = json!({"query": 4}),
            "alpha_pattern is {\"query\":4}",
        ),
        (
            |c| c["tomorrow"] = json!("new"),
            "tomorrow is \"new\", but that is not known",
        ),
        (
            |c| c["init_lora_weights"] = json!("pissa"),
            "init_lora_weights is \"pissa\"",
        ),
        (
            |c| c["r"] = json!(0),
            "r is 0, but it must lie between 1 and",
        ),
        (
            |c| c["lora_alpha"] = json!("much"),
            "lora_alpha is \"much\", but",
        ),
        (
            |c| c["task_type"] = json!("CAUSAL_LM"),
            "task_type is \"CAUSAL_LM\", but only SEQ_CLS",
        ),
        (
            |c| c["target_modules"] = json!(["query", "c_attn"]),
            "target_modules names \"c_attn\", but ElectraForSequenceClassification has no linear",
        ),
        (
            |c| c["base_model_name_or_path"] = Value::Null,
            "base_model_name_or_path is null, but it must name the checkpoint",
        ),
        (
            |c| c["base_model_name_or_path"] = json!("someone/electra"),
            "base_model_name_or_path is \"someone/electra\", which is no folder here",
        ),
    ];
    for (done, wanted) in changes {
        let folder = copied("electra-labels");
        change(folder.path(), done);
        let said = refusal(folder.path());
        assert!(said.contains(wanted), "{said}\n{wanted}");
        assert!(said.contains("adapter_config.json"), "{said}");
    }
}

#[test]
fn tensors_that_are_missing_misshapen_or_unknown_are_refused_by_name() {
    let at = "base_model.model.electra.encoder.layer.1.output.dense";
    let zeros =
        |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
    let cases: [(&str, Option<Tensor>, &str); 7] = [
        (&format!("{at}.lora_A.weight"), None, "has no tensor"),
        (&format!("{at}.lora_B.weight"), None, "has no tensor"),
        (
            &format!("{at}.lora_A.weight"),
            Some(zeros(&[3, 32])),
            "has shape [3, 32], but an adapter of rank 2 has [2, 32] there",
        ),
        (
            &format!("{at}.lora_B.weight"),
            Some(zeros(&[2, 16])),
            "has shape [2, 16], but an adapter of rank 2 has [16, 2] there",
        ),
        (
            &format!("{at}.lora_magnitude_vector.weight"),
            Some(zeros(&[16])),
            "is not known",
        ),
        (
            "base_model.model.classifier.out_proj.bias",
            None,
            "has no tensor `classifier.out_proj.bias`",
        ),
        (
            "base_model.model.electra.embeddings.word_embeddings.lora_embedding_A",
            Some(zeros(&[2, 47])),
            "is not known",
        ),
    ];
    for (name, tensor, wanted) in cases {
        let folder = copied("electra-labels");
        let mut all = tensors(folder.path());
        match tensor {
            Some(tensor) => all.insert(name.to_owned(), tensor),
            None => all.remove(name),
        };
        save(folder.path(), &all);
        let said = refusal(folder.path());
        assert!(said.contains(wanted), "{said}\n{wanted}");
        let short = name.trim_start_matches("base_model.model.");
        assert!(said.contains(short), "{said}\n{short}");
    }
}

#[test]
fn a_layer_that_no_target_names_may_have_no_adapter() {
    let folder = copied("electra-labels");
    change(folder.path(), |config| {
        config["target_modules"] = json!(["query"])
    });
    let said = refusal(folder.path());
    assert!(said.contains("not among the target_modules"), "{said}");
}

#[test]
fn an_adapter_does_not_stand_on_an_adapter() {
    let folder = copied("electra-labels");
    change(folder.path(), |config| {
        config["base_model_name_or_path"] = json!(fixture("electra-tags"));
    });
    let said = refusal(folder.path());
    assert!(said.contains("which is an adapter itself"), "{said}");
}

/// An adapter of `base` with something in each of its tensors.
fn learnt(config: &HeadConfig) -> Vec<(String, Tensor)> {
    let mut tensors = adapter::fresh(&config.encoder, 2, 5).unwrap();
    for parameter in config.parameters() {
        if !parameter.name.starts_with("electra.") {
            let zeros = Tensor::zeros(parameter.shape, candle_core::DType::F32, &Device::Cpu);
            tensors.push((parameter.name, zeros.unwrap()));
        }
    }
    for (at, (_, tensor)) in tensors.iter_mut().enumerate() {
        let count = tensor.elem_count();
        let wave = (0..count).map(|place| ((place * 7 + at) as f32).sin() * 0.3);
        let wave = Tensor::from_iter(wave, &Device::Cpu).unwrap();
        *tensor = wave.reshape(tensor.shape()).unwrap();
    }
    tensors
}

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn what_is_written_is_read_again() {
    let base = Checkpoint::open(&reference("fixtures/projected")).unwrap();
    let path = reference("fixtures/projected");
    for (task, names) in [
        (Task::Classification, labels(&["good", "bad"])),
        (Task::Tagging, labels(&["O", "B-X", "I-X"])),
        (Task::QuestionAnswering, Vec::new()),
    ] {
        let asks = task == Task::QuestionAnswering;
        let config = HeadConfig::fresh(&base.config, task, names, Problem::SingleLabel, asks);
        let written = learnt(&config);
        let folder = tempfile::tempdir().unwrap();
        let name = path.to_str().unwrap();
        adapter::write(folder.path(), &config, &base, name, &written).unwrap();

        let checkpoint = builtin::open_head(folder.path()).unwrap();
        assert_eq!(checkpoint.config, config);
        let read = checkpoint
            .tensors(&Device::Cpu, &Encoders::default())
            .unwrap();
        let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (name, tensor) in &written {
            assert_eq!(numbers(&read[name]), numbers(tensor), "{name}");
        }
        assert_eq!(read.len(), config.parameters().len() + 2 * 6 * 2);
    }
}

#[test]
fn heads_of_the_built_in_model_share_its_tensors() {
    let base = builtin::discriminator().unwrap();
    let tags = labels(&["O", "B-X", "I-X"]);
    let config = HeadConfig::fresh(
        &base.config,
        Task::Tagging,
        tags,
        Problem::SingleLabel,
        false,
    );
    let folder = tempfile::tempdir().unwrap();
    let written = learnt(&config);
    adapter::write(folder.path(), &config, &base, "builtin", &written).unwrap();

    let encoders = Encoders::default();
    let load = || {
        let checkpoint = builtin::open_head(folder.path()).unwrap();
        checkpoint.tensors(&Device::Cpu, &encoders).unwrap()
    };
    let (first, second) = (load(), load());
    let is_shared = |name: &str| {
        let [a, b] = [&first, &second].map(|tensors| tensors[name].storage_and_layout().0);
        std::ptr::eq(&*a, &*b)
    };
    for parameter in config.parameters() {
        let name = &parameter.name;
        assert_eq!(is_shared(name), name.starts_with("electra."), "{name}");
    }
    assert!(!is_shared(
        "electra.encoder.layer.0.output.dense.lora_A.weight"
    ));
}

#[test]
fn an_adapter_of_another_built_in_model_is_refused() {
    let base = builtin::discriminator().unwrap();
    let config = HeadConfig::fresh(
        &base.config,
        Task::Tagging,
        labels(&["O", "X"]),
        Problem::SingleLabel,
        false,
    );
    let folder = tempfile::tempdir().unwrap();
    adapter::write(folder.path(), &config, &base, "builtin", &learnt(&config)).unwrap();
    let path = folder.path().join("config.json");
    let mut said: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    said["electroscope"]["base_crc32c"] = json!("00000000");
    fs::write(&path, said.to_string()).unwrap();
    let said = refusal(folder.path());
    assert!(
        said.contains("trained on another built-in model (checksum 00000000)"),
        "{said}"
    );
}
