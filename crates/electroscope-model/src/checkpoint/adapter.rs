//! LoRA adapters in the files of PEFT (Hugging Face's `peft`, `LoraConfig`): the result of a fine-tuning
//! without the encoder, which is in another checkpoint, the *base*.
//!
//! `adapter_config.json` describes the adapter and names its base; `adapter_model.safetensors` has two small
//! matrices for each adapted layer, and all tensors of the head. PEFT reads what is written here, and the
//! other way round. A setting of PEFT that changes a number and is not supported is refused by name. In
//! addition to PEFT's files we write the `config.json` and the tokenizer of a fine-tuned checkpoint, because
//! PEFT's files do not name the labels; PEFT ignores them.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use safetensors::Dtype;
use serde_json::{Value, json};

use crate::bounded_read::{limits, read_bounded};
use crate::chance::mixed;
use crate::checkpoint::files::{self, ADAPTER_CONFIG};
use crate::checkpoint::head_checkpoint::{Contents, HeadCheckpoint, HeadConfig};
use crate::checkpoint::packed::{PackedHead, PackedPair};
use crate::checkpoint::tensors::load_translated;
use crate::checkpoint::weights::SCALE;
use crate::checkpoint::{
    Stored, check_vocabulary, config_json, vocabulary_file, write_tensors, write_tokenizer,
    write_whole,
};
use crate::model_choice::{BUILTIN, ModelChoice};
use crate::names::{ADAPTER, Head, Parameter, parameters};
use crate::task::Task;
use crate::{Checkpoint, ElectraConfig, Error, Family, Tokenizer, Weights, text_file};

/// The prefix of all tensor names in PEFT.
const PREFIX: &str = "base_model.model.";

/// The highest rank that is accepted. An adapter of a higher rank has more numbers than the layer.
const HIGHEST_RANK: usize = 1 << 12;

/// The tensors of a new adapter of `rank` for each linear layer of the encoder, in ELECTRA's names,
/// on the CPU. A is drawn as PyTorch draws the weights of a linear layer, as a function of `seed` and its
/// place; B is zero, so that the model computes what it did before.
///
/// # Errors
///
/// Those of making tensors; a rank that is 0 or too high.
pub fn fresh(
    config: &ElectraConfig,
    rank: usize,
    seed: u64,
) -> Result<Vec<(String, Tensor)>, Error> {
    if !(1..=HIGHEST_RANK).contains(&rank) {
        return Err(Error::Config {
            path: ADAPTER_CONFIG.into(),
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
        // Kaiming's uniform distribution with a = √5, as in PEFT.
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

/// Writes a fine-tuned model as an adapter of `base` into `folder`, which is created if needed: PEFT's
/// two files, and ours beside them. Files of these names are replaced, each at once.
///
/// `tensors` are those of the adapters, alpha / r within their B, and those of the head, all of it,
/// in ELECTRA's names. `base_name` is `builtin`, a folder or a hub id.
///
/// # Errors
///
/// A tensor that belongs to neither, that is missing or has the wrong shape; a full disk.
pub fn write(
    folder: &Path,
    config: &HeadConfig,
    base: &Checkpoint,
    base_name: &str,
    tensors: &[(String, Tensor)],
) -> Result<(), Error> {
    let path = folder.join(files::ADAPTER_WEIGHTS[0]);
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
        "base_model_name_or_path": base_name,
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
    let own = config_for(&base.weights, config);
    let pretty = |json: &Value| serde_json::to_string_pretty(json).unwrap_or_default();
    write_tokenizer(folder, &base.tokenizer, config.max_positions)?;
    write_whole(&folder.join(files::CONFIG), pretty(&own).as_bytes())?;
    let stored = (numbers.iter())
        .map(|(name, shape, bytes)| Stored {
            name: name.clone(),
            dtype: Dtype::F32,
            shape: shape.clone(),
            bytes,
        })
        .collect();
    write_tensors(&path, stored)?;
    // The last file, because it marks the folder as that of an adapter.
    write_whole(&folder.join(ADAPTER_CONFIG), pretty(&about).as_bytes())
}

/// The field, under `"electroscope"` in the `config.json` of a head, with the checksum of the built-in
/// weights that it was trained on. The name `builtin` is not enough: the next version of a program may
/// have another pair built in.
const BASE_SUM: &str = "base_crc32c";

/// The checksum of the weights of a base in memory; none for one from files.
fn base_sum(base: &Weights) -> Option<String> {
    let bytes = base.static_bytes()?;
    Some(format!("{:08x}", crc32c::crc32c(bytes)))
}

/// The configuration of a head, with the checksum of `base` if that is in memory.
pub(super) fn config_for(base: &Weights, config: &HeadConfig) -> Value {
    let mut own = config.raw.clone();
    if let (Some(sum), Some(fields)) = (base_sum(base), own.as_object_mut()) {
        let ours = fields.entry("electroscope").or_insert_with(|| json!({}));
        if let Some(ours) = ours.as_object_mut() {
            ours.insert(BASE_SUM.to_owned(), sum.into());
        }
    }
    own
}

/// PEFT's name of a task.
fn task_type(task: Task) -> &'static str {
    match task {
        Task::Classification => "SEQ_CLS",
        Task::QuestionAnswering => "QUESTION_ANS",
        Task::Tagging => "TOKEN_CLS",
    }
}

/// The module of the head that has the tensor `theirs`, as PEFT names it: by the end of its path.
fn module_to_save(theirs: &str) -> &str {
    match theirs.strip_prefix("bert.") {
        Some(inside) => inside.split('.').next().unwrap_or(inside),
        None => theirs.split('.').next().unwrap_or(theirs),
    }
}

/// The name of the layers like `stem` in all encoder layers, as PEFT names them: by the end of their paths.
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

/// The base and the scale of an adapter.
pub struct Adapter {
    /// The checkpoint it was trained on: `builtin`, a folder, a hub id.
    pub base: String,
    /// Rows of each A, columns of each B.
    pub rank: usize,
    /// alpha / r: what B is multiplied by.
    scale: f32,
    /// The tensors of that checkpoint, in the names of its family.
    weights: Weights,
}

impl Adapter {
    /// The tensors of its base.
    pub(super) fn base_weights(&self) -> &Weights {
        &self.weights
    }
}

/// The name of the base of an adapter, where that is not a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseRequest<'a> {
    /// `builtin`: the pair that the program has in memory.
    Builtin,
    /// A hub model.
    Hub {
        /// Its id.
        id: &'a str,
        /// Its branch, tag or commit; none for `main`.
        revision: Option<&'a str>,
    },
}

impl BaseRequest<'_> {
    /// The error for a base of the adapter in `folder` that is not available.
    pub fn not_here(self, folder: &Path) -> Error {
        let (base, why) = match self {
            BaseRequest::Builtin => (
                BUILTIN,
                "and no model is built in here; name the folder of the checkpoint it was trained on",
            ),
            BaseRequest::Hub { id, .. } => (
                id,
                "which is no folder here; put the checkpoint there, or name the folder it is in",
            ),
        };
        Error::AdapterBase {
            path: folder.join(ADAPTER_CONFIG),
            base: base.to_owned(),
            why: why.to_owned(),
        }
    }
}

/// The place of the base of an adapter.
#[derive(Clone, Debug)]
pub enum BaseSource {
    /// A folder in Hugging Face layout.
    Folder(PathBuf),
    /// The discriminator of a pair in memory.
    Packed(PackedPair),
}

/// Finds the base of an adapter, where that is not a folder.
pub type FindBase<'a> = &'a mut dyn FnMut(BaseRequest<'_>) -> Result<BaseSource, Error>;

/// Opens the adapter in `folder` and its base, which `find` finds if it is not a folder.
pub(super) fn open(folder: &Path, find: FindBase<'_>) -> Result<HeadCheckpoint, Error> {
    let about = Described::read(folder)?;
    let weights = files::ADAPTER_WEIGHTS
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| Error::MissingFile {
            folder: folder.to_owned(),
            wanted: "adapter_model.safetensors or adapter_model.bin",
            found: files::listing(folder),
        })?;
    let weights = Weights::open(&weights)?;
    let base = OpenedBase::open(&about, folder, find)?;
    let (path, raw) = match folder.join(files::CONFIG).is_file() {
        true => {
            let (path, json) = config_json(folder)?;
            let raw = text_file::parse(&json, &path).map(Value::Object)?;
            (path, raw)
        }
        false => (about.path.clone(), about.config_on(&base.raw)),
    };
    let sum = raw.pointer(&format!("/electroscope/{BASE_SUM}"));
    check_base(sum, &base.weights, &about.path)?;
    let contents = contents(&base.weights, &weights);
    let config = HeadConfig::read(raw, &path, &contents)?;
    check(&config, &weights, about.rank, Some(&about))?;
    let has_tokenizer = files::TOKENIZERS.map(|name| folder.join(name).is_file());
    let (tokenizer, vocabulary) = match (base.folder, base.tokenizer) {
        _ if has_tokenizer.contains(&true) => (
            Arc::new(Tokenizer::open_folder(folder)?),
            vocabulary_file(folder),
        ),
        (_, Some(tokenizer)) => (tokenizer, "built-in vocab.txt".into()),
        (base, None) => {
            let base = base.unwrap_or_default();
            (
                Arc::new(Tokenizer::open_folder(&base)?),
                vocabulary_file(&base),
            )
        }
    };
    check_vocabulary(&tokenizer, &config.encoder, &vocabulary)?;
    Ok(HeadCheckpoint {
        folder: Some(folder.to_owned()),
        config,
        tokenizer,
        weights,
        adapter: Some(Adapter {
            base: about.base,
            rank: about.rank,
            scale: about.scale,
            weights: base.weights,
        }),
    })
}

/// Opens a head in memory, an adapter of `base`.
pub(super) fn from_packed(head: &PackedHead, base: Checkpoint) -> Result<HeadCheckpoint, Error> {
    let PackedHead {
        name,
        config,
        weights,
    } = *head;
    let path = PathBuf::from(format!("built-in {name}.json"));
    let raw = text_file::parse(config, &path).map(Value::Object)?;
    let sum = raw.pointer(&format!("/electroscope/{BASE_SUM}"));
    check_base(sum, &base.weights, &path)?;
    let weights = Weights::from_static(&format!("built-in {name}.safetensors"), weights)?;
    let config = HeadConfig::read(raw, &path, &contents(&base.weights, &weights))?;
    let rank = rank_of(&weights).ok_or_else(|| Error::Adapter {
        path: weights.path().to_owned(),
        what: "it holds no adapter".to_owned(),
    })?;
    check(&config, &weights, rank, None)?;
    Ok(HeadCheckpoint {
        folder: None,
        config,
        tokenizer: base.tokenizer,
        weights,
        adapter: Some(Adapter {
            base: BUILTIN.to_owned(),
            rank,
            // The scale was multiplied into B when the adapter was packed.
            scale: 1.0,
            weights: base.weights,
        }),
    })
}

/// The rank of the adapters in `weights`, by the first of them.
fn rank_of(weights: &Weights) -> Option<usize> {
    let is_a = |name: &&str| name.ends_with(ADAPTER[0]);
    weights.shape(weights.names().find(is_a)?)?.first().copied()
}

/// Checks that a base in memory is the one that an adapter was trained on, if the adapter names its
/// checksum.
fn check_base(sum: Option<&Value>, base: &Weights, path: &Path) -> Result<(), Error> {
    let (Some(sum), Some(ours)) = (sum.and_then(Value::as_str), base_sum(base)) else {
        return Ok(());
    };
    if sum == ours {
        return Ok(());
    }
    Err(Error::AdapterBase {
        path: path.to_owned(),
        base: BUILTIN.to_owned(),
        why: format!(
            "but it was trained on another built-in model (checksum {sum}) than this program \
             carries ({ours}); train it again, or use the version of the program it was trained with"
        ),
    })
}

/// The base of an adapter, opened.
struct OpenedBase {
    /// Its folder; none for one in memory.
    folder: Option<PathBuf>,
    raw: Value,
    weights: Weights,
    /// Its tokenizer, for one in memory.
    tokenizer: Option<Arc<Tokenizer>>,
}

impl OpenedBase {
    fn open(about: &Described, folder: &Path, find: FindBase<'_>) -> Result<OpenedBase, Error> {
        let refuse = |why: String| Error::AdapterBase {
            path: about.path.clone(),
            base: about.base.clone(),
            why,
        };
        // A path is relative to the working folder, as in PEFT. An adapter that was moved together with its
        // base is found too.
        let beside = folder.join(&about.base);
        let source = match ModelChoice::parse(&about.base) {
            Ok(ModelChoice::Builtin) => find(BaseRequest::Builtin)?,
            Ok(ModelChoice::Folder(base)) => BaseSource::Folder(base),
            _ if beside.join(files::CONFIG).is_file() => BaseSource::Folder(beside),
            Ok(ModelChoice::Hub(id)) => find(BaseRequest::Hub {
                id: &id,
                revision: about.revision.as_deref(),
            })?,
            Err(err) => return Err(refuse(format!("and that cannot be opened: {err}"))),
        };
        let base = match source {
            BaseSource::Folder(folder) => folder,
            BaseSource::Packed(pair) => {
                let base = Checkpoint::from_packed(&pair)?;
                return Ok(OpenedBase {
                    folder: None,
                    raw: base.config.raw,
                    weights: base.weights,
                    tokenizer: Some(base.tokenizer),
                });
            }
        };
        if base.join(ADAPTER_CONFIG).is_file() {
            return Err(refuse(
                "which is an adapter itself; merge it into a checkpoint first".to_owned(),
            ));
        }
        let (path, json) = config_json(&base)?;
        Ok(OpenedBase {
            raw: text_file::parse(&json, &path).map(Value::Object)?,
            weights: Weights::open_folder(&base)?,
            tokenizer: None,
            folder: Some(base),
        })
    }
}

/// The contents of `adapter_config.json`.
struct Described {
    path: PathBuf,
    base: String,
    revision: Option<String>,
    rank: usize,
    scale: f32,
    task: Option<Task>,
    /// The ends of the names of the layers that are adapted, if they are listed; a pattern can stand
    /// in their place.
    targets: Option<Vec<String>>,
    /// Whether some of the layers that [`Described::targets`] names are left out.
    skips: bool,
}

/// The fields of `adapter_config.json` that may have any value: those that are read elsewhere here, those for
/// training only, and those of initialisations that do not change the base.
const OF_NO_CONSEQUENCE: [&str; 24] = [
    "peft_type",
    "peft_version",
    "task_type",
    "base_model_name_or_path",
    "revision",
    "auto_mapping",
    "inference_mode",
    "r",
    "lora_alpha",
    "lora_dropout",
    "bias",
    "init_lora_weights",
    "target_modules",
    "modules_to_save",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "megatron_config",
    "megatron_core",
    "eva_config",
    "loftq_config",
    "qalora_group_size",
    "ensure_weight_tying",
    "runtime_config",
];

impl Described {
    fn read(folder: &Path) -> Result<Described, Error> {
        let path = folder.join(ADAPTER_CONFIG);
        let json = read_bounded(&path, limits::CONFIG).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let fields: serde_json::Map<String, Value> =
            text_file::parse(&json, &path).map_err(|err| match err {
                Error::ConfigSyntax { path, source } => Error::Adapter {
                    path,
                    what: format!("it is not the configuration of an adapter: {source}"),
                },
                other => other,
            })?;
        Described::parse(&fields, path)
    }

    fn parse(fields: &serde_json::Map<String, Value>, path: PathBuf) -> Result<Described, Error> {
        let get = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let refuse = |name: &str, wanted: &str| {
            let found = fields
                .get(name)
                .map_or("missing".to_owned(), Value::to_string);
            Error::Adapter {
                path: path.clone(),
                what: format!("{name} is {found}, but {wanted}"),
            }
        };
        if get("peft_type").and_then(Value::as_str) != Some("LORA") {
            return Err(refuse("peft_type", "only \"LORA\" can be read"));
        }
        if get("bias").is_some_and(|bias| bias != "none") {
            let wanted = "only adapters that leave the biases as they are can be read: \"none\"";
            return Err(refuse("bias", wanted));
        }
        // Some initialisations subtract a part of the weights from the base, which is another one then.
        let begins = get("init_lora_weights").and_then(Value::as_str);
        if begins.is_some_and(|way| !["gaussian", "eva", "orthogonal"].contains(&way)) {
            let wanted = "an adapter that began so stands on a base that was changed for it; have PEFT \
                          save it with path_initial_model_for_weight_conversion";
            return Err(refuse("init_lora_weights", wanted));
        }
        let is_off = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        let other = |name: &&String| !OF_NO_CONSEQUENCE.contains(&name.as_str());
        if let Some(name) = (fields.keys().filter(other)).find(|name| !is_off(&fields[*name])) {
            let wanted = "that is not known here, or not computed, and might change the answers; \
                          only plain LoRA can be read";
            return Err(refuse(name, wanted));
        }
        let rank = get("r").and_then(Value::as_u64).map(|rank| rank as usize);
        let rank = rank.filter(|rank| (1..=HIGHEST_RANK).contains(rank));
        let wanted = format!("it must lie between 1 and {HIGHEST_RANK}");
        let rank = rank.ok_or_else(|| refuse("r", &wanted))?;
        let alpha = match fields.get("lora_alpha") {
            None => Some(8.0),
            Some(alpha) => alpha.as_f64(),
        };
        let alpha = alpha.filter(|alpha| alpha.abs() < 1e6);
        let alpha =
            alpha.ok_or_else(|| refuse("lora_alpha", "it must be a number below a million"))?;
        let base = get("base_model_name_or_path").and_then(Value::as_str);
        let base = base.filter(|base| !base.is_empty()).ok_or_else(|| {
            let wanted = "it must name the checkpoint that the adapter stands on: builtin, a folder, \
                          or a hub id";
            refuse("base_model_name_or_path", wanted)
        })?;
        let task = match get("task_type").and_then(Value::as_str) {
            // The tensors decide; a feature extractor has no head and is refused there.
            None | Some("FEATURE_EXTRACTION") => None,
            Some(said) => Some(
                (Task::ALL.into_iter())
                    .find(|task| task_type(*task) == said)
                    .ok_or_else(|| {
                        refuse(
                            "task_type",
                            "only SEQ_CLS, TOKEN_CLS and QUESTION_ANS can be read",
                        )
                    })?,
            ),
        };
        let targets = match get("target_modules") {
            Some(Value::Array(list)) => {
                let names: Option<Vec<String>> = (list.iter())
                    .map(|name| name.as_str().map(str::to_owned))
                    .collect();
                Some(names.ok_or_else(|| refuse("target_modules", "it must be a list of names"))?)
            }
            Some(Value::String(_)) => None,
            _ => return Err(refuse("target_modules", "it must be a list of names")),
        };
        let set = |name: &str| get(name).is_some_and(|value| !is_off(value));
        Ok(Described {
            base: base.to_owned(),
            revision: get("revision").and_then(Value::as_str).map(str::to_owned),
            rank,
            scale: (alpha / rank as f64) as f32,
            task,
            targets,
            skips: ["exclude_modules", "layers_to_transform"]
                .into_iter()
                .any(set),
            path,
        })
    }

    /// The configuration of a head for an adapter without one: that of its base, with the task of the
    /// adapter. Its labels have no names.
    fn config_on(&self, base: &Value) -> Value {
        let mut raw = base.as_object().cloned().unwrap_or_default();
        let class = raw.get("architectures").and_then(|classes| classes.get(0));
        let class = class.and_then(Value::as_str).and_then(Task::of_class);
        // If the base is a head for the same task, its labels are kept.
        if class.is_none_or(|(_, task)| self.task.is_some_and(|ours| ours != task)) {
            for other in [
                "id2label",
                "label2id",
                "num_labels",
                "_num_labels",
                "problem_type",
            ] {
                raw.remove(other);
            }
            raw.remove("architectures");
            let family = raw.get("model_type").and_then(Value::as_str);
            let family = Family::ALL
                .into_iter()
                .find(|known| family == Some(known.model_type()));
            if let (Some(family), Some(task)) = (family, self.task) {
                let class = format!("{}{}", family.class_prefix(), task.class_suffix());
                raw.insert("architectures".into(), json!([class]));
            }
        }
        // The other fields are about the base alone: its threshold.
        raw.remove("electroscope");
        Value::Object(raw)
    }

    /// Whether PEFT adapts the layer `theirs`; none if that is not known.
    fn adapts(&self, theirs: &str) -> Option<bool> {
        let targets = self.targets.as_ref()?;
        Some(targets.iter().any(|target| ends_with(theirs, target)))
    }
}

/// Whether a module's name is `end`, or ends with it.
fn ends_with(name: &str, end: &str) -> bool {
    let before = name.strip_suffix(end);
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The tensors of `base` and of the adapter in `weights`.
fn contents(base: &Weights, weights: &Weights) -> Contents {
    let mut contents = Contents::of(base);
    contents.path = weights.path().to_owned();
    for name in weights.names() {
        if let (Some(own), Some(shape)) = (name.strip_prefix(PREFIX), weights.shape(name)) {
            contents.shapes.insert(own.to_owned(), shape.to_vec());
        }
    }
    contents
}

/// Checks that the tensors in `weights` are those of an adapter of `rank` for `config`, and no others:
/// both halves of each that is there, and one for each layer that `about` says there is one for.
fn check(
    config: &HeadConfig,
    weights: &Weights,
    rank: usize,
    about: Option<&Described>,
) -> Result<(), Error> {
    let refuse = |what: String| Error::Adapter {
        path: weights.path().to_owned(),
        what,
    };
    let parameters = config.parameters();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let targets = about.and_then(|about| about.targets.as_ref());
    let linears: Vec<String> = (parameters.iter().filter_map(linear))
        .map(|(stem, ..)| config.family.tensor(stem))
        .collect();
    let adapts_none = |target: &&String| !linears.iter().any(|theirs| ends_with(theirs, target));
    if let Some(target) = targets.and_then(|targets| targets.iter().find(adapts_none)) {
        return Err(Error::Adapter {
            path: about.map_or(PathBuf::new(), |about| about.path.clone()),
            what: format!(
                "target_modules names {target:?}, but {} has no linear layer of that name",
                config.class()
            ),
        });
    }
    for parameter in &parameters {
        let name = format!("{PREFIX}{}", config.family.tensor(&parameter.name));
        if let Some(found) = weights.shape(&name) {
            let wanted = &parameter.shape;
            if found != wanted {
                return Err(refuse(format!(
                    "tensor `{name}` has shape {found:?}, but by the configuration {wanted:?} is needed"
                )));
            }
        }
        let is_whole = weights.shape(&name).is_some();
        known.insert(name);
        let Some((stem, outputs, inputs)) = linear(parameter) else {
            continue;
        };
        let theirs = config.family.tensor(stem);
        let names = ADAPTER.map(|end| format!("{PREFIX}{theirs}.{end}"));
        let shapes = names.each_ref().map(|name| weights.shape(name));
        let wanted = about.and_then(|about| about.adapts(&theirs));
        let wanted = wanted.filter(|_| !is_whole);
        let may_lack = about.is_none_or(|about| about.skips) || wanted != Some(true);
        match shapes {
            [None, None] if may_lack => continue,
            [Some(_), Some(_)] if wanted == Some(false) => {
                return Err(refuse(format!(
                    "tensor `{}` adapts a layer that is not among the target_modules of {ADAPTER_CONFIG}",
                    names[0]
                )));
            }
            _ => {}
        }
        let needed = [vec![rank, inputs], vec![outputs, rank]];
        for ((name, found), wanted) in names.into_iter().zip(shapes).zip(needed) {
            match found {
                None => {
                    return Err(refuse(format!(
                        "it has no tensor `{name}`; one of shape {wanted:?} is needed"
                    )));
                }
                Some(found) if found != wanted => {
                    return Err(refuse(format!(
                        "tensor `{name}` has shape {found:?}, but an adapter of rank {rank} has {wanted:?} \
                         there"
                    )));
                }
                Some(_) => {}
            }
            known.insert(name);
        }
    }
    let is_known = |name: &str| {
        let of = name.strip_suffix(SCALE);
        known.contains(name)
            || of.is_some_and(|of| known.contains(of) && weights.quantised(of).is_some())
    };
    match weights.names().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(refuse(format!(
            "tensor `{name}` is not known; adapters of the linear layers of {} can be read, and tensors \
             of it that are saved whole",
            config.class()
        ))),
    }
}

/// Encoders that several heads share, loaded once. Code that loads heads keeps one of these for as long
/// as it may load another.
///
/// Only encoders in memory are kept: their bytes cannot change while the program runs, and all built-in
/// heads share one.
#[derive(Default)]
pub struct Encoders {
    /// The tensors by the address of their bytes and the name of their device.
    loaded: Mutex<HashMap<(usize, String), HashMap<String, Tensor>>>,
}

/// A tensor of an adapter.
pub(super) struct Learnt {
    /// Its name in ELECTRA's terms.
    pub(super) name: String,
    /// Its name in PEFT's files.
    pub(super) theirs: String,
    pub(super) shape: Vec<usize>,
    /// Its numbers; those of a B are multiplied by alpha / r.
    pub(super) values: Vec<f32>,
}

impl Adapter {
    /// Its own tensors: those of the model that replace those of the base, and the matrices A and B.
    pub(super) fn learnt(
        &self,
        config: &HeadConfig,
        weights: &Weights,
    ) -> Result<Vec<Learnt>, Error> {
        let mut learnt = Vec::new();
        let mut take = |name: String, shape: &[usize], scale: f32| {
            let theirs = format!("{PREFIX}{}", config.family.tensor(&name));
            if weights.shape(&theirs).is_none() {
                return Ok(());
            }
            let mut values = weights.numbers(&theirs, shape)?.into_owned();
            values.iter_mut().for_each(|value| *value *= scale);
            let shape = shape.to_vec();
            learnt.push(Learnt {
                name,
                theirs,
                shape,
                values,
            });
            Ok::<(), Error>(())
        };
        for parameter in config.parameters() {
            if let Some((stem, outputs, inputs)) = linear(&parameter) {
                let [a, b] = ADAPTER.map(|end| format!("{stem}.{end}"));
                take(a, &[self.rank, inputs], 1.0)?;
                take(b, &[outputs, self.rank], self.scale)?;
            }
            take(parameter.name, &parameter.shape, 1.0)?;
        }
        Ok(learnt)
    }

    /// All tensors of the model, those of the base included, in ELECTRA's names.
    pub(super) fn tensors(
        &self,
        config: &HeadConfig,
        weights: &Weights,
        device: &Device,
        encoders: &Encoders,
    ) -> Result<HashMap<String, Tensor>, Error> {
        let learnt = self.learnt(config, weights)?;
        let own: BTreeSet<&str> = learnt.iter().map(|tensor| tensor.name.as_str()).collect();
        let mut kept = config.parameters();
        kept.retain(|parameter| !own.contains(parameter.name.as_str()));
        let mut tensors = match self.weights.static_bytes() {
            Some(bytes) => {
                let key = (bytes.as_ptr().addr(), crate::device::name(device));
                encoders.load(key, &self.weights, &kept, device)?
            }
            None => load_translated(&kept, config.family, &self.weights, device)?,
        };
        for Learnt {
            name,
            shape,
            values,
            ..
        } in learnt
        {
            tensors.insert(name, Tensor::from_vec(values, shape, device)?);
        }
        Ok(tensors)
    }
}

impl Encoders {
    /// The tensors `wanted` of the encoder `key`, whose weights are `weights`.
    fn load(
        &self,
        key: (usize, String),
        weights: &Weights,
        wanted: &[Parameter],
        device: &Device,
    ) -> Result<HashMap<String, Tensor>, Error> {
        // A thread that panicked while it held the lock had inserted whole tensors only.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = loaded.entry(key).or_default();
        let mut tensors = HashMap::new();
        for Parameter { name, shape } in wanted {
            let tensor = match kept.get(name) {
                Some(tensor) if tensor.dims() == shape => tensor.clone(),
                _ => {
                    let tensor = weights.tensor(name, shape, device)?;
                    kept.insert(name.clone(), tensor.clone());
                    tensor
                }
            };
            tensors.insert(name.clone(), tensor);
        }
        Ok(tensors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Problem;

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
    fn a_new_adapter_has_all_linear_layers_of_the_encoder_and_changes_no_output() {
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
    fn a_new_adapter_is_a_function_of_its_seed() {
        let drawn = |seed| numbers(&fresh(&encoder(), 2, seed).unwrap());
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert!(fresh(&encoder(), 0, 1).is_err());
    }

    #[test]
    fn tensors_that_belong_to_neither_head_nor_adapter_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let labels = vec!["a".into(), "b".into()];
        let (task, problem) = (Task::Tagging, Problem::SingleLabel);
        let config = HeadConfig::fresh(&encoder(), task, labels, problem, false);
        let base = Checkpoint::from_packed(crate::test_support::pair()).unwrap();
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
            write(folder.path(), &config, &base, "builtin", tensors).map_err(|err| err.to_string())
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
        assert!(!folder.path().join(ADAPTER_CONFIG).exists());
        write(&sound).unwrap();
        assert!(folder.path().join(ADAPTER_CONFIG).exists());
    }
}
