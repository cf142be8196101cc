//! Adapters in the files of PEFT (Hugging Face's `peft`, `LoraConfig`): what a fine-tuning learnt,
//! without the encoder it stands on.
//!
//! `adapter_config.json` says what the adapter is and which checkpoint it belongs to;
//! `adapter_model.safetensors` has two small matrices for each adapted layer, and the head whole.
//! Apart from [`super::head`], for here two folders make one model. PEFT reads what is written here,
//! and the other way round; whatever it knows that would change a number and is not computed here is
//! refused by name. Beside PEFT's own files we write the `config.json` and the tokenizer of a fine-tuned
//! checkpoint, which PEFT does not look at, for its files name no labels.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::Dtype;
use serde_json::{Value, json};

use super::chance::mixed;
use super::checkpoint::{Stored, write_tensors, write_tokenizer, write_whole};
use super::head::{HeadConfig, Task};
use super::layers::ADAPTER;
use super::parameters::{Head, Parameter, parameters};
use super::{ElectraConfig, Error, Tokenizer, builtin};

/// What PEFT puts before the name of every tensor.
const PREFIX: &str = "base_model.model.";

/// A wider adapter than this is no adapter: it has more numbers than the layer.
const HIGHEST_RANK: usize = 1 << 12;

/// The tensors of a new adapter of `rank` for each linear layer of the encoder, in ELECTRA's names,
/// on the CPU: A drawn as PyTorch draws the weights of a linear layer, by `seed` and place alone; B
/// zero, so that the model answers as it did before.
///
/// # Errors
///
/// Those of making tensors; a rank of 0, or beyond all use.
pub fn fresh(
    config: &ElectraConfig,
    rank: usize,
    seed: u64,
) -> Result<Vec<(String, Tensor)>, Error> {
    if !(1..=HIGHEST_RANK).contains(&rank) {
        return Err(Error::Config {
            path: CONFIG.into(),
            field: "r",
            found: rank.to_string(),
            wanted: format!("it must lie between 1 and {HIGHEST_RANK}"),
        });
    }
    let mut tensors = Vec::new();
    let all = parameters(config, Head::Discriminator);
    for (stem, outputs, inputs) in all.iter().filter_map(linear) {
        if !stem.starts_with("electra.encoder.") {
            continue;
        }
        // Kaiming's uniform distribution with a gain of √5 in its slope, as PEFT draws it.
        let bound = 1.0 / (inputs as f64).sqrt();
        let key = mixed(mixed(seed) ^ tensors.len() as u64);
        let drawn = (0..(rank * inputs) as u64).map(|at| {
            let share = (mixed(key ^ at) >> 11) as f64 / (1u64 << 53) as f64;
            ((2.0 * share - 1.0) * bound) as f32
        });
        let a = Tensor::from_iter(drawn, &Device::Cpu)?.reshape((rank, inputs))?;
        let b = Tensor::zeros((outputs, rank), candle_core::DType::F32, &Device::Cpu)?;
        for (end, tensor) in ADAPTER.into_iter().zip([a, b]) {
            tensors.push((format!("{stem}.{end}"), tensor));
        }
    }
    Ok(tensors)
}

/// The name of a linear layer, its outputs and its inputs, if `parameter` is the matrix of one.
fn linear(parameter: &Parameter) -> Option<(&str, usize, usize)> {
    let stem = parameter.name.strip_suffix(".weight")?;
    match parameter.shape.as_slice() {
        &[outputs, inputs] if !stem.ends_with("_embeddings") => Some((stem, outputs, inputs)),
        _ => None,
    }
}

/// Writes a fine-tuned model as an adapter of `base` into `folder`, which is made if it is not there:
/// PEFT's two files, and ours beside them. What stood there under these names is replaced, each file
/// at once.
///
/// `tensors` are those of the adapters, alpha / r within their B, and those of the head, all of it,
/// in ELECTRA's names. `base` is `builtin`, a folder or a hub id.
///
/// # Errors
///
/// A tensor that belongs to neither, or that is missing or misshapen; a disk that is full.
pub fn write(
    folder: &Path,
    config: &HeadConfig,
    tokenizer: &Tokenizer,
    base: &str,
    tensors: &[(String, Tensor)],
) -> Result<(), Error> {
    let path = folder.join("adapter_model.safetensors");
    let refuse = |what: String| Error::Adapter {
        path: path.clone(),
        what,
    };
    let all = config.parameters();
    let mut left: BTreeSet<&str> = (all.iter())
        .map(|parameter| parameter.name.as_str())
        .filter(|name| !name.starts_with("electra."))
        .collect();
    let mut rank = None;
    let mut kept: BTreeSet<String> = BTreeSet::new();
    let mut targets: BTreeSet<String> = BTreeSet::new();
    let mut numbers: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in tensors {
        let shape = tensor.dims();
        let theirs = config.family.tensor(name);
        let wanted: Vec<usize> = if left.remove(name.as_str()) {
            kept.insert(module_to_save(&theirs).to_owned());
            let parameter = all.iter().find(|parameter| parameter.name == *name);
            parameter.map_or(Vec::new(), |parameter| parameter.shape.clone())
        } else {
            let encoder = all
                .iter()
                .filter_map(linear)
                .filter(|linear| linear.0.starts_with("electra."));
            let adapted = { encoder }.find_map(|linear| {
                let rest = name.strip_prefix(linear.0)?.strip_prefix('.')?;
                Some((linear, ADAPTER.iter().position(|end| *end == rest)?))
            });
            let Some(((stem, outputs, inputs), part)) = adapted else {
                return Err(refuse(format!(
                    "tensor `{name}` is neither of an adapter nor of the head of {}",
                    config.class()
                )));
            };
            let found = if part == 0 {
                shape.first()
            } else {
                shape.last()
            };
            let rank = *rank.get_or_insert(found.copied().unwrap_or(0));
            targets.insert(target(config, stem));
            if part == 0 {
                vec![rank, inputs]
            } else {
                vec![outputs, rank]
            }
        };
        if shape != wanted {
            return Err(refuse(format!(
                "tensor `{name}` has shape {shape:?}, and {wanted:?} is needed"
            )));
        }
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let bytes = (values.iter().flat_map(|value| value.to_le_bytes())).collect();
        numbers.push((format!("{PREFIX}{theirs}"), wanted, bytes));
    }
    if let Some(missing) = left.first() {
        return Err(refuse(format!("tensor `{missing}` is missing")));
    }
    let rank = rank.ok_or_else(|| refuse("there is no adapter to be written".to_owned()))?;

    std::fs::create_dir_all(folder).map_err(|source| Error::Write {
        path: folder.to_owned(),
        source,
    })?;
    let about = json!({
        "peft_type": "LORA",
        "task_type": task_type(config.task),
        "base_model_name_or_path": base,
        "revision": null,
        "inference_mode": true,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "use_rslora": false,
        "use_dora": false,
        "target_modules": targets,
        "modules_to_save": kept,
    });
    let mut own = config.raw.clone();
    if let (Some(sum), Some(fields)) = (base_sum(base), own.as_object_mut()) {
        let ours = fields.entry("electroscope").or_insert_with(|| json!({}));
        if let Some(ours) = ours.as_object_mut() {
            ours.insert(BASE_SUM.to_owned(), sum.into());
        }
    }
    let pretty = |json: &Value| serde_json::to_string_pretty(json).unwrap_or_default();
    write_tokenizer(folder, tokenizer, config.max_positions)?;
    write_whole(&folder.join("config.json"), pretty(&own).as_bytes())?;
    let stored = (numbers.iter())
        .map(|(name, shape, bytes)| Stored {
            name: name.clone(),
            dtype: Dtype::F32,
            shape: shape.clone(),
            bytes,
        })
        .collect();
    write_tensors(&path, stored)?;
    // Last, for a folder is an adapter's when this is in it.
    write_whole(&folder.join(CONFIG), pretty(&about).as_bytes())
}

/// The file that says that a folder holds an adapter.
pub(super) const CONFIG: &str = "adapter_config.json";

/// Where a head says, under `"electroscope"` in its `config.json`, which weights the built-in model
/// had that it was trained on. A name alone would not tell: the next version of this program may
/// carry another one.
const BASE_SUM: &str = "base_crc32c";

/// The checksum of the weights that `base` means, if that is the model in the binary.
fn base_sum(base: &str) -> Option<String> {
    (base == "builtin").then(|| format!("{:08x}", crc32c::crc32c(builtin::discriminator_bytes())))
}

/// What PEFT calls a task.
fn task_type(task: Task) -> &'static str {
    match task {
        Task::Classification => "SEQ_CLS",
        Task::QuestionAnswering => "QUESTION_ANS",
        Task::Tagging => "TOKEN_CLS",
    }
}

/// The module of the head that the tensor `theirs` is in, as PEFT looks for it: by the end of its
/// name.
fn module_to_save(theirs: &str) -> &str {
    match theirs.strip_prefix("bert.") {
        Some(inside) => inside.split('.').next().unwrap_or(inside),
        None => theirs.split('.').next().unwrap_or(theirs),
    }
}

/// The layers that are adapted as `stem` is, as PEFT looks for them: by the end of their names.
fn target(config: &HeadConfig, stem: &str) -> String {
    let theirs = config.family.tensor(stem);
    let inside = theirs
        .split_once(".layer.")
        .and_then(|(_, rest)| rest.split_once('.'));
    match inside {
        Some((_, inside)) => inside.to_owned(),
        None => theirs,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Family, Problem};
    use super::*;

    fn encoder() -> ElectraConfig {
        let raw = json!({
            "vocab_size": 11, "embedding_size": 4, "hidden_size": 8, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 8,
        });
        ElectraConfig::of_family(Family::Electra, raw, Path::new("config.json")).unwrap()
    }

    fn numbers(tensors: &[(String, Tensor)]) -> Vec<(String, Vec<f32>)> {
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1().unwrap();
        let pair = |(name, tensor): &(String, Tensor)| (name.clone(), values(tensor));
        tensors.iter().map(pair).collect()
    }

    #[test]
    fn a_fresh_adapter_adapts_every_linear_layer_of_the_encoder_and_changes_nothing() {
        let tensors = fresh(&encoder(), 2, 7).unwrap();
        assert_eq!(tensors.len(), 2 * 6 * 2);
        let shapes: Vec<(&str, &[usize])> = (tensors[8..12].iter())
            .map(|(name, tensor)| (name.as_str(), tensor.dims()))
            .collect();
        let at = "electra.encoder.layer.0";
        let names = ["intermediate.dense", "output.dense"]
            .map(|layer| ADAPTER.map(|end| format!("{at}.{layer}.{end}")));
        let [[inner_a, inner_b], [outer_a, outer_b]] = &names;
        let wanted: [(&str, &[usize]); 4] = [
            (inner_a, &[2, 8]),
            (inner_b, &[16, 2]),
            (outer_a, &[2, 16]),
            (outer_b, &[8, 2]),
        ];
        assert_eq!(shapes, wanted);
        for (name, values) in numbers(&tensors) {
            let bound = if name.contains(".output.dense") && !name.contains("attention") {
                0.25 // 1 / √16
            } else {
                1.0 / 8f32.sqrt()
            };
            let largest = values
                .iter()
                .fold(0.0f32, |most, value| most.max(value.abs()));
            match name.ends_with("lora_B.weight") {
                true => assert_eq!(largest, 0.0, "{name}"),
                false => assert!(
                    largest > bound / 2.0 && largest <= bound,
                    "{name}: {largest}"
                ),
            }
        }
    }

    #[test]
    fn a_fresh_adapter_is_a_function_of_its_seed() {
        let drawn = |seed| numbers(&fresh(&encoder(), 2, seed).unwrap());
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert!(fresh(&encoder(), 0, 1).is_err());
    }

    #[test]
    fn what_is_no_part_of_a_head_or_an_adapter_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let labels = vec!["a".into(), "b".into()];
        let (task, problem) = (Task::Tagging, Problem::SingleLabel);
        let config = HeadConfig::fresh(&encoder(), task, labels, problem, false);
        let tokenizer = builtin::discriminator().unwrap().tokenizer;
        let zeros = |name: &str, shape: &[usize]| {
            let zeros = Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu);
            (name.to_owned(), zeros.unwrap())
        };
        let sound = [
            zeros("classifier.weight", &[2, 8]),
            zeros("classifier.bias", &[2]),
            zeros(
                "electra.encoder.layer.1.output.dense.lora_A.weight",
                &[3, 16],
            ),
            zeros(
                "electra.encoder.layer.1.output.dense.lora_B.weight",
                &[8, 3],
            ),
        ];
        let write = |tensors: &[(String, Tensor)]| {
            write(folder.path(), &config, &tokenizer, "builtin", tensors)
                .map_err(|err| err.to_string())
        };
        let with = |other: (String, Tensor)| write(&[&sound[..], &[other]].concat()).unwrap_err();
        let layer = "electra.encoder.layer.1.attention.output.dense";
        let refusals = [
            with(zeros("electra.embeddings.LayerNorm.bias", &[8])),
            with(zeros(&format!("{layer}.lora_A.weight"), &[2, 8])),
            with(zeros(&format!("{layer}.lora_C.weight"), &[3, 8])),
            write(&sound[1..]).unwrap_err(),
            write(&sound[..2]).unwrap_err(),
        ];
        for (refusal, wanted) in refusals.iter().zip([
            "tensor `electra.embeddings.LayerNorm.bias` is neither",
            "has shape [2, 8], and [3, 8] is needed",
            "lora_C.weight` is neither",
            "tensor `classifier.weight` is missing",
            "there is no adapter",
        ]) {
            assert!(refusal.contains(wanted), "{refusal}");
        }
        assert!(!folder.path().join(CONFIG).exists());
        write(&sound).unwrap();
        assert!(folder.path().join(CONFIG).exists());
    }
}
