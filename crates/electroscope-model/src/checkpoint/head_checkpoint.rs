//! Fine-tuned checkpoints: what the head was trained to do, and what its labels are called.
//!
//! Most files say so (`architectures`, `id2label`, `problem_type`), many leave something out, and
//! some are wrong. What is missing is taken from the tensors, which cannot lie about their shape;
//! what contradicts them is refused, with both sides named. Nothing is computed here.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde_json::Value;

use crate::checkpoint::adapter::{self, Adapter, Encoders, FindBase};
use crate::checkpoint::files;
use crate::checkpoint::packed::PackedHead;
use crate::checkpoint::tensors::load_translated;
use crate::checkpoint::{check_vocabulary, config_json, vocabulary_file};
use crate::family::Family;
use crate::names::{Head, Parameter, parameters};
use crate::task::{Task, plain_class};
use crate::{Checkpoint, ElectraConfig, Error, Tokenizer, Weights, labels, text_file};

/// How a classifier's logits are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// One of the labels is right: softmax.
    SingleLabel,
    /// Each label is right or not by itself: sigmoids.
    MultiLabel,
    /// The logits are the answer.
    Regression,
}

impl Problem {
    /// What `problem_type` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Problem::SingleLabel => "single_label_classification",
            Problem::MultiLabel => "multi_label_classification",
            Problem::Regression => "regression",
        }
    }
}

/// The configuration of a fine-tuned checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadConfig {
    /// Which family its encoder is of.
    pub family: Family,
    /// The encoder, whatever its family, in ELECTRA's terms.
    pub encoder: ElectraConfig,
    /// What the head was trained to do.
    pub task: Task,
    /// The names of its labels, as many as it has logits; none for answering questions.
    pub labels: Vec<String>,
    /// How a classifier's logits are to be read.
    pub problem: Problem,
    /// The longest window in tokens, special ones included.
    pub max_positions: usize,
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// Whether it was trained with questions that the text does not answer. Configurations have no
    /// field for that but our own, `"electroscope": {"no_answer": true}`.
    pub can_refuse: bool,
    /// By how much `[CLS]` must outscore the best span for there to be no answer, if the checkpoint
    /// has it measured: `"electroscope": {"no_answer_threshold": …}`.
    pub no_answer_threshold: Option<f32>,
    /// The share of values dropped before the head's last layer in training.
    pub dropout: f32,
    /// The whole file.
    pub raw: Value,
}

impl HeadConfig {
    /// The configuration of a new head for `task` on the encoder of `base`, as the reference would
    /// write it. `labels` and `problem` are those of a classifier or a tagger; `can_refuse` is for
    /// questions, see [`HeadConfig::can_refuse`].
    pub fn fresh(
        base: &ElectraConfig,
        task: Task,
        labels: Vec<String>,
        problem: Problem,
        can_refuse: bool,
    ) -> HeadConfig {
        let (family, path) = (Family::Electra, Path::new("config.json"));
        let mut raw = base.raw.as_object().cloned().unwrap_or_default();
        // The threshold is the discriminator's, and the labels are those of whatever it was.
        for other in [
            "electroscope",
            "id2label",
            "label2id",
            "problem_type",
            "torch_dtype",
        ] {
            raw.remove(other);
        }
        let class = format!("{}{}", family.class_prefix(), task.class_suffix());
        raw.insert("architectures".into(), serde_json::json!([&class]));
        raw.insert("model_type".into(), family.model_type().into());
        raw.insert("dtype".into(), "float32".into());
        let labels = match task {
            Task::QuestionAnswering => Vec::new(),
            Task::Classification | Task::Tagging => labels,
        };
        if !labels.is_empty() {
            let numbered = || labels.iter().enumerate();
            let names: serde_json::Map<String, Value> = numbered()
                .map(|(id, label)| (id.to_string(), label.as_str().into()))
                .collect();
            let ids: serde_json::Map<String, Value> = numbered()
                .map(|(id, label)| (label.clone(), id.into()))
                .collect();
            raw.insert("id2label".into(), names.into());
            raw.insert("label2id".into(), ids.into());
        }
        if task == Task::Classification {
            raw.insert("problem_type".into(), problem.name().into());
        }
        if can_refuse {
            raw.insert(
                "electroscope".into(),
                serde_json::json!({"no_answer": true}),
            );
        }
        let raw = Value::Object(raw);
        // What the file says of it is what will be read from it.
        let dropout = dropout(&raw, family, task, base, path);
        HeadConfig {
            family,
            task,
            problem,
            max_positions: base.max_position_embeddings,
            vocab_size: base.vocab_size,
            can_refuse,
            no_answer_threshold: None,
            dropout: dropout.unwrap_or(base.hidden_dropout_prob),
            encoder: ElectraConfig {
                threshold: None,
                false_alarms: None,
                labels: labels.clone(),
                architectures: vec![class],
                raw: raw.clone(),
                ..base.clone()
            },
            labels,
            raw,
        }
    }

    /// The tensors of the model, in ELECTRA's names.
    pub fn parameters(&self) -> Vec<Parameter> {
        parameters(&self.encoder, head(self.task, self.labels.len()))
    }

    /// The name of its class in the reference.
    pub fn class(&self) -> String {
        format!("{}{}", self.family.class_prefix(), self.task.class_suffix())
    }

    /// Writes down by how much `[CLS]` must outscore the best span for there to be no answer.
    pub fn set_no_answer_threshold(&mut self, threshold: f32) {
        self.no_answer_threshold = Some(threshold);
        self.can_refuse = true;
        for raw in [&mut self.raw, &mut self.encoder.raw] {
            raw["electroscope"]["no_answer"] = true.into();
            raw["electroscope"]["no_answer_threshold"] = f64::from(threshold).into();
        }
    }

    /// Which head stands on the encoder.
    pub fn head(&self) -> Head {
        head(self.task, self.labels.len())
    }

    /// Reads the configuration `raw`, with `contents` to ask where it says nothing; `path` is named
    /// in errors.
    pub(super) fn read(raw: Value, path: &Path, contents: &Contents) -> Result<HeadConfig, Error> {
        let class = (raw.get("architectures"))
            .and_then(|classes| classes.get(0))
            .and_then(Value::as_str);
        let family = family(&raw, class, path, contents)?;
        let task = task(&raw, class, family, path, contents)?;
        let rows = rows(family, task, contents)?;
        let encoder = ElectraConfig::of_family(family, raw.clone(), path)?;
        let labels = match task {
            Task::QuestionAnswering => Vec::new(),
            Task::Classification | Task::Tagging => label_names(&raw, rows, path, contents)?,
        };
        for Parameter { name, shape } in parameters(&encoder, head(task, labels.len())) {
            if !name.starts_with("electra.") {
                contents.check(&family.tensor(&name), &shape)?;
            }
        }
        let problem = match task {
            Task::Classification => problem(&raw, labels.len(), path)?,
            Task::QuestionAnswering | Task::Tagging => Problem::SingleLabel,
        };
        let ours = raw.get("electroscope");
        let threshold = ours.and_then(|ours| ours.get("no_answer_threshold"));
        Ok(HeadConfig {
            family,
            task,
            labels,
            problem,
            max_positions: encoder.max_position_embeddings,
            vocab_size: encoder.vocab_size,
            can_refuse: ours.and_then(|ours| ours.get("no_answer")?.as_bool()) == Some(true),
            no_answer_threshold: match threshold {
                None | Some(Value::Null) => None,
                Some(value) => Some(value.as_f64().map(|value| value as f32).ok_or_else(|| {
                    refuse(
                        path,
                        "electroscope.no_answer_threshold",
                        value,
                        "it must be a number",
                    )
                })?),
            },
            dropout: dropout(&raw, family, task, &encoder, path)?,
            encoder,
            raw,
        })
    }
}

/// A fine-tuned checkpoint that has been opened and found to hold together: configuration,
/// tokenizer, weights.
pub struct HeadCheckpoint {
    /// The folder it is from; none if it was opened from memory.
    pub folder: Option<PathBuf>,
    /// Its configuration.
    pub config: HeadConfig,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Its tensors, in the names of its own family; those of an adapter only what it learnt, in
    /// PEFT's.
    pub weights: Weights,
    /// What else belongs to it, if it is an adapter.
    pub adapter: Option<Adapter>,
}

impl HeadCheckpoint {
    /// Opens the fine-tuned checkpoint in `folder`, in Hugging Face layout, or the adapter there, in
    /// PEFT's, if its base is a folder.
    ///
    /// # Errors
    ///
    /// As [`HeadCheckpoint::open_with`]; [`Error::AdapterBase`] for an adapter of a hub model or of
    /// a built-in one.
    pub fn open(folder: &Path) -> Result<HeadCheckpoint, Error> {
        HeadCheckpoint::open_with(folder, &mut |base| Err(base.not_here(folder)))
    }

    /// Opens a head in memory, an adapter of `base`.
    ///
    /// # Errors
    ///
    /// Bytes that are damaged or do not fit `base`.
    pub fn from_packed(head: &PackedHead, base: Checkpoint) -> Result<HeadCheckpoint, Error> {
        adapter::from_packed(head, base)
    }

    /// As [`HeadCheckpoint::open`]; `find` is asked for the base of an adapter if that is not a folder.
    ///
    /// # Errors
    ///
    /// A file that is missing, damaged, or does not fit the others; [`Error::NoHead`] and
    /// [`Error::UnclearHead`] for checkpoints that answer nothing, or do not say what; what `find`
    /// says.
    pub fn open_with(folder: &Path, find: FindBase<'_>) -> Result<HeadCheckpoint, Error> {
        if folder.join(files::ADAPTER_CONFIG).is_file() {
            return adapter::open(folder, find);
        }
        let (path, json) = config_json(folder)?;
        let raw = text_file::parse(&json, &path).map(Value::Object)?;
        let weights = Weights::open_folder(folder)?;
        let config = HeadConfig::read(raw, &path, &Contents::of(&weights))?;
        let tokenizer = Tokenizer::open_folder(folder)?;
        check_vocabulary(&tokenizer, &config.encoder, &vocabulary_file(folder))?;
        Ok(HeadCheckpoint {
            folder: Some(folder.to_owned()),
            config,
            tokenizer: Arc::new(tokenizer),
            weights,
            adapter: None,
        })
    }

    /// All the tensors of the model on `device`, in ELECTRA's names, ready for a
    /// [`candle_nn::VarBuilder`]; an encoder that several heads share is taken from `encoders`.
    ///
    /// # Errors
    ///
    /// A tensor that is missing, misshapen or of a type that is no weight.
    pub fn tensors(
        &self,
        device: &Device,
        encoders: &Encoders,
    ) -> Result<HashMap<String, Tensor>, Error> {
        let HeadConfig { family, .. } = self.config;
        match &self.adapter {
            None => load_translated(&self.config.parameters(), family, &self.weights, device),
            Some(adapter) => adapter.tensors(&self.config, &self.weights, device, encoders),
        }
    }
}

fn head(task: Task, labels: usize) -> Head {
    match task {
        Task::Classification => Head::Classification(labels),
        Task::QuestionAnswering => Head::QuestionAnswering,
        Task::Tagging => Head::Tagging(labels),
    }
}

fn refuse(
    path: &Path,
    field: &'static str,
    found: impl ToString,
    wanted: impl Into<String>,
) -> Error {
    Error::Config {
        path: path.to_owned(),
        field,
        found: found.to_string(),
        wanted: wanted.into(),
    }
}

/// Which tensors a weights file has.
pub(super) struct Contents {
    /// The file that errors name.
    pub(super) path: PathBuf,
    /// The tensors' shapes by their names.
    pub(super) shapes: BTreeMap<String, Vec<usize>>,
}

impl Contents {
    pub(super) fn of(weights: &Weights) -> Contents {
        let shape = |name: &str| weights.shape(name).unwrap_or_default().to_vec();
        Contents {
            path: weights.path().to_owned(),
            shapes: (weights.names())
                .map(|name| (name.to_owned(), shape(name)))
                .collect(),
        }
    }

    /// Whether a part of the model is there, such as `qa_outputs`.
    fn has(&self, part: &str) -> bool {
        self.shapes.contains_key(&format!("{part}.weight"))
    }

    /// Whether anything stands under `prefix`.
    fn has_under(&self, prefix: &str) -> bool {
        let prefix = format!("{prefix}.");
        self.shapes.keys().any(|name| name.starts_with(&prefix))
    }

    /// The family whose encoder is there, if it is one.
    fn family(&self) -> Option<Family> {
        (Family::ALL.into_iter()).find(|family| self.has_under(family.model_type()))
    }

    /// What is there besides an encoder, for a message.
    fn heads(&self) -> String {
        /// A message that lists more is not read.
        const MOST: usize = 6;
        let is_head = |name: &&String| {
            let encoder = |family: &Family| {
                let inside = name.strip_prefix(family.model_type());
                inside.is_some_and(|rest| rest.starts_with('.') && !rest.starts_with(".pooler"))
            };
            !Family::ALL.iter().any(encoder)
        };
        let mut parts: Vec<&str> = (self.shapes.keys())
            .filter(is_head)
            .map(|name| {
                name.rsplit_once('.')
                    .map_or(name.as_str(), |(part, _)| part)
            })
            .collect();
        parts.dedup();
        match parts.len() {
            0 => "no tensor".to_owned(),
            n if n > MOST => format!("{} and {} more", parts[..MOST].join(", "), n - MOST),
            _ => parts.join(", "),
        }
    }

    /// Checks that a tensor of the head is there and has this shape.
    fn check(&self, name: &str, wanted: &[usize]) -> Result<(), Error> {
        match self.shapes.get(name) {
            None => Err(self.missing(name)),
            Some(found) if found != wanted => Err(Error::TensorShape {
                path: self.path.clone(),
                name: name.to_owned(),
                found: found.clone(),
                wanted: wanted.to_vec(),
            }),
            Some(_) => Ok(()),
        }
    }

    fn missing(&self, name: &str) -> Error {
        Error::MissingHeadTensor {
            path: self.path.clone(),
            name: name.to_owned(),
            holds: self.heads(),
        }
    }
}

/// The family of the encoder: what `model_type` says, else the class, else the tensors.
fn family(
    raw: &Value,
    class: Option<&str>,
    path: &Path,
    contents: &Contents,
) -> Result<Family, Error> {
    let wanted = "only \"electra\", \"bert\" and \"distilbert\" can be read";
    let by_class = class.and_then(|class| {
        let class = plain_class(class);
        Family::ALL
            .into_iter()
            .find(|family| class.starts_with(family.class_prefix()))
    });
    let family = match raw.get("model_type") {
        None | Some(Value::Null) => by_class.or_else(|| contents.family()),
        Some(kind) => Some(
            (Family::ALL.into_iter())
                .find(|family| kind == family.model_type())
                .ok_or_else(|| refuse(path, "model_type", kind, wanted))?,
        ),
    };
    let family = family.ok_or_else(|| {
        refuse(
            path,
            "model_type",
            "missing",
            "it must say \"electra\", \"bert\" or \"distilbert\"",
        )
    })?;
    if let (Some(class), Some(other)) = (class, by_class)
        && other != family
    {
        let wanted = format!(
            "model_type is {:?}; one of the two is wrong",
            family.model_type()
        );
        return Err(refuse(path, "architectures", format!("{class:?}"), wanted));
    }
    match contents.family() {
        Some(other) if other != family && !contents.has_under(family.model_type()) => {
            let wanted = format!(
                "the tensors of {} are those of {:?}",
                contents.path.display(),
                other.model_type()
            );
            Err(refuse(
                path,
                "model_type",
                format!("{:?}", family.model_type()),
                wanted,
            ))
        }
        _ => Ok(family),
    }
}

/// What the head was trained for: what the class says, else the tensors.
fn task(
    raw: &Value,
    class: Option<&str>,
    family: Family,
    path: &Path,
    contents: &Contents,
) -> Result<Task, Error> {
    let no_head = |found: String| Error::NoHead {
        path: path.to_owned(),
        found,
        holds: contents.heads(),
        prefix: family.class_prefix(),
    };
    let found = class.map(|class| {
        let class = plain_class(class);
        class.strip_prefix(family.class_prefix()).unwrap_or(class)
    });
    if let Some(task) = (Task::ALL.into_iter()).find(|task| found == Some(task.class_suffix())) {
        return Ok(task);
    }
    // Fine-tuned checkpoints that still name the class they began as are common enough; the tensors
    // tell whether this is one. Any other class was made for something else.
    let began = ["ForPreTraining", "ForMaskedLM", "Model", "LMHeadModel"];
    if let (Some(class), Some(found)) = (class, found)
        && !began.contains(&found)
    {
        return Err(no_head(format!("of class {class}")));
    }
    let answers = contents.has("qa_outputs");
    let pooled = contents.has(&family.tensor("classifier.dense"));
    let classifies = pooled && contents.has(&family.tensor("classifier.out_proj"));
    let tags = contents.has("classifier");
    let rows = rows(family, Task::Classification, contents).ok();
    let unclear = |remedy: String| Error::UnclearHead {
        path: path.to_owned(),
        holds: contents.heads(),
        remedy,
    };
    let add = |task: Task| {
        let class = format!("{}{}", family.class_prefix(), task.class_suffix());
        format!("\"architectures\": [{class:?}]")
    };
    match (answers, classifies || tags) {
        (true, false) => Ok(Task::QuestionAnswering),
        (true, true) => Err(unclear(format!(
            "add {} or another class",
            add(Task::QuestionAnswering)
        ))),
        // A layer that ELECTRA has before the classifier of its multiple choice, and nowhere else.
        (false, true) if contents.has("sequence_summary.summary") => {
            Err(no_head("made for multiple choice".to_owned()))
        }
        // Until 2020 BERT's taggers were saved with a pooler that they do not use.
        (false, true) if classifies && names_spans(raw) => Ok(Task::Tagging),
        (false, true) if classifies && family != Family::Electra && rows == Some(1) => {
            // Multiple choice has the same tensors as a regression.
            match raw.get("problem_type").and_then(Value::as_str) {
                Some(_) => Ok(Task::Classification),
                None => Err(unclear(format!(
                    "if they rate a text, add {}",
                    add(Task::Classification)
                ))),
            }
        }
        (false, true) if classifies => Ok(Task::Classification),
        (false, true) => Ok(Task::Tagging),
        (false, false) => Err(no_head(match class {
            Some(class) => format!("of class {class}"),
            None => "without architectures".to_owned(),
        })),
    }
}

/// Whether the labels are those of a tagger: `B-` something, `I-` something.
fn names_spans(raw: &Value) -> bool {
    let labels = raw
        .get("id2label")
        .and_then(|labels| labels::by_number(labels).ok());
    let is_tag = |label: &String| label.starts_with("B-") || label.starts_with("I-");
    labels.is_some_and(|labels| labels.values().any(is_tag))
}

/// How many logits the head gives, by its last tensor.
fn rows(family: Family, task: Task, contents: &Contents) -> Result<usize, Error> {
    /// More labels than anyone has trained with, and few enough to make names and logits for: at a
    /// million of them a page of text took over a gigabyte.
    const MOST: usize = 1 << 16;
    let name = family.tensor(match task {
        Task::Classification => "classifier.out_proj.weight",
        Task::QuestionAnswering => "qa_outputs.weight",
        Task::Tagging => "classifier.weight",
    });
    let shape = (contents.shapes.get(&name)).ok_or_else(|| contents.missing(&name))?;
    let rows = shape.first().copied().unwrap_or(0);
    if !(1..=MOST).contains(&rows) {
        return Err(Error::Damaged {
            path: contents.path.clone(),
            what: format!("tensor `{name}` has shape {shape:?}; a head has 1 to {MOST} rows"),
        });
    }
    Ok(rows)
}

/// The names of the head's labels.
fn label_names(
    raw: &Value,
    rows: usize,
    path: &Path,
    contents: &Contents,
) -> Result<Vec<String>, Error> {
    let wanted = || {
        let weights = contents.path.display();
        match rows {
            1 => format!("the classifier in {weights} has 1 row; label 0 is needed"),
            _ => format!(
                "the classifier in {weights} has {rows} rows; labels 0 to {} are needed",
                rows - 1
            ),
        }
    };
    let field = |name: &str| raw.get(name).filter(|value| !value.is_null());
    if let Some(id2label) = field("id2label") {
        let labels = labels::by_number(id2label);
        return labels
            .and_then(|labels| labels::in_order(labels, rows))
            .map_err(|found| refuse(path, "id2label", found, wanted()));
    }
    for name in ["num_labels", "_num_labels"] {
        if let Some(number) = field(name)
            && number.as_u64() != Some(rows as u64)
        {
            return Err(refuse(path, "num_labels", number, wanted()));
        }
    }
    // The reference gives up on names here; the other direction has them as well.
    let named = field("label2id")
        .and_then(|label2id| labels::by_number(label2id).ok())
        .and_then(|labels| labels::in_order(labels, rows).ok());
    Ok(named.unwrap_or_else(|| labels::unnamed(rows)))
}

/// How a classifier's logits are to be read. Where nothing is said, one label means a regression and
/// more of them that one is right, as the reference infers in training.
fn problem(raw: &Value, labels: usize, path: &Path) -> Result<Problem, Error> {
    let field = "problem_type";
    match raw.get(field) {
        None | Some(Value::Null) if labels == 1 => Ok(Problem::Regression),
        None | Some(Value::Null) => Ok(Problem::SingleLabel),
        Some(said) => match said.as_str() {
            Some("regression") => Ok(Problem::Regression),
            Some("multi_label_classification") => Ok(Problem::MultiLabel),
            Some("single_label_classification") if labels > 1 => Ok(Problem::SingleLabel),
            Some("single_label_classification") => Err(refuse(
                path,
                field,
                said,
                "the only label of one would always be certain; say regression or \
                 multi_label_classification",
            )),
            _ => Err(refuse(
                path,
                field,
                said,
                "it must be regression, single_label_classification or multi_label_classification",
            )),
        },
    }
}

/// The share of values dropped before the head's last layer in training.
fn dropout(
    raw: &Value,
    family: Family,
    task: Task,
    encoder: &ElectraConfig,
    path: &Path,
) -> Result<f32, Error> {
    let general = encoder.hidden_dropout_prob;
    let (field, default) = match (family, task) {
        (Family::Electra | Family::Bert, Task::QuestionAnswering) => return Ok(0.0),
        (Family::Electra | Family::Bert, _) => ("classifier_dropout", general),
        (Family::DistilBert, Task::Classification) => ("seq_classif_dropout", 0.2),
        (Family::DistilBert, Task::QuestionAnswering) => ("qa_dropout", 0.1),
        (Family::DistilBert, Task::Tagging) => return Ok(general),
    };
    match raw.get(field) {
        None | Some(Value::Null) => Ok(default),
        Some(said) => (said.as_f64().map(|share| share as f32))
            .filter(|share| (0.0..1.0).contains(share))
            .ok_or_else(|| refuse(path, field, said, "it must be at least 0 and less than 1")),
    }
}
