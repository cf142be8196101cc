//! The fine-tuned heads that the binary carries: a table.
//!
//! Each is an adapter of the built-in discriminator, in the compact form of [`crate::checkpoint::packed`], in
//! `assets/heads/`; see the README there for how one is made and put here. Apart from
//! [`crate::builtin`], whose encoder they share.

use crate::Error;
use crate::checkpoint::adapter::carried;
use crate::checkpoint::head_checkpoint::HeadCheckpoint;
use crate::task::Task;

/// A head that the binary carries.
pub struct BuiltinHead {
    /// What comes after `builtin:` in its name.
    pub name: &'static str,
    /// What it was trained to do.
    pub task: Task,
    /// What it is good for, and on what it was trained, in a line.
    pub about: &'static str,
    /// What was measured of it, as it is here, in a line.
    pub score: &'static str,
    /// The model card.
    pub card: &'static str,
    config: &'static [u8],
    weights: &'static [u8],
}

/// A row of the table: the name of the files in `assets/heads/`, and the fields of
/// [`BuiltinHead`] that are no files.
macro_rules! head {
    ($name:literal, $task:ident, $about:literal, $score:literal) => {{
        static WEIGHTS: &crate::Aligned<[u8]> = &crate::Aligned(*include_bytes!(concat!(
            "../../../assets/heads/",
            $name,
            ".safetensors"
        )));
        BuiltinHead {
            name: $name,
            task: Task::$task,
            about: $about,
            score: $score,
            card: include_str!(concat!("../../../assets/heads/", $name, ".md")),
            config: include_bytes!(concat!("../../../assets/heads/", $name, ".json")),
            weights: &WEIGHTS.0,
        }
    }};
}

/// The table. A row is, for example,
///
/// ```text
/// head!("sentiment", Classification, "whether a sentence speaks well or ill of something (SST-2)",
///       "accuracy 0.91 on SST-2"),
/// ```
static HEADS: &[BuiltinHead] = &[
    head!(
        "sentiment",
        Classification,
        "whether a text speaks well or ill; learnt from free text that word lists labelled",
        "accuracy 0.716 on SST-2, where always \"positive\" has 0.509"
    ),
    head!(
        "acceptability",
        Classification,
        "whether a sentence is acceptable English; learnt from free text that errors were put into",
        "Matthews' correlation 0.166 on CoLA, where chance has 0"
    ),
    head!(
        "qa",
        QuestionAnswering,
        "where in a text the answer to a question stands, or that there is none; learnt from parts of \
         SQuAD and from QAMR",
        "F1 0.540 on a dev part of SQuAD, where no answer at all has 0.349"
    ),
    head!(
        "pos",
        Tagging,
        "parts of speech; learnt from the English Web Treebank",
        "accuracy 0.962 on its dev set, where NOUN for every word has 0.167"
    ),
    head!(
        "entities",
        Tagging,
        "names of persons, places, products and the like; learnt from WNUT-17",
        "F1 0.531 on its dev set, where no name at all has 0"
    ),
    head!(
        "errors",
        Tagging,
        "words that are wrong where they stand; learnt from free text that errors were put into",
        "F0.5 0.376 (precision 0.789) on CoNLL-2013 and JFLEG, where every word marked has 0.213"
    ),
];

/// What stands before the name of a head that the binary carries.
pub const PREFIX: &str = "builtin:";

impl BuiltinHead {
    /// All there are.
    pub fn all() -> &'static [BuiltinHead] {
        HEADS
    }

    /// The one that `asked` names, as `builtin:NAME`.
    pub fn find(asked: &str) -> Option<&'static BuiltinHead> {
        let name = asked.strip_prefix(PREFIX)?;
        HEADS.iter().find(|head| head.name == name)
    }

    /// The one for a task where nobody has chosen another.
    pub fn usual(task: Task) -> Option<&'static BuiltinHead> {
        let name = match task {
            Task::Classification => "sentiment",
            Task::QuestionAnswering => "qa",
            Task::Tagging => "entities",
        };
        let mut fitting = HEADS.iter().filter(|head| head.task == task);
        fitting.find(|head| head.name == name)
    }

    /// What `--head` takes for it.
    pub fn id(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// What the binary carries for it, file by file.
    pub fn files(&self) -> [(String, &'static [u8]); 2] {
        [
            (format!("{}.json", self.name), self.config),
            (format!("{}.safetensors", self.name), self.weights),
        ]
    }

    /// What it takes in the binary, in bytes; the encoder, which it shares, is not counted.
    pub fn bytes(&self) -> u64 {
        (self.config.len() + self.weights.len()) as u64
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// None in a binary that was built from sound heads; a test opens them.
    pub fn open(&self) -> Result<HeadCheckpoint, Error> {
        carried(self.name, self.config, self.weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::adapter::{self, Encoders};
    use crate::checkpoint::packed;
    use crate::names::ADAPTER;
    use crate::nn::head_model::PlainHead;
    use crate::{Checkpoint, HeadConfig, HeadForward, HeadInput, Problem};
    use candle_core::{DType, Device, Tensor};
    use std::collections::BTreeSet;
    use std::path::Path;

    /// An adapter of the built-in model with something in each of its tensors, as a folder.
    fn learnt(folder: &Path, task: Task) -> HeadCheckpoint {
        let base = Checkpoint::builtin().unwrap();
        let labels = ["O", "B-X", "I-X"].map(str::to_owned).to_vec();
        let config = HeadConfig::fresh(&base.config, task, labels, Problem::SingleLabel, false);
        let mut tensors = adapter::fresh(&base.config, 4, 3).unwrap();
        for parameter in config.parameters() {
            if !parameter.name.starts_with("electra.") {
                let zeros = Tensor::zeros(parameter.shape, DType::F32, &Device::Cpu);
                tensors.push((parameter.name, zeros.unwrap()));
            }
        }
        for (at, (name, tensor)) in tensors.iter_mut().enumerate() {
            let size = if name.ends_with(ADAPTER[1]) {
                0.02
            } else {
                0.2
            };
            let count = tensor.elem_count();
            let wave = (0..count).map(|place| ((place * 7 + at) as f32).sin() * size);
            let wave = Tensor::from_iter(wave, &Device::Cpu).unwrap();
            *tensor = wave.reshape(tensor.shape()).unwrap();
        }
        adapter::write(folder, &config, &base.tokenizer, "builtin", &tensors).unwrap();
        std::fs::write(folder.join("README.md"), "# A head\n").unwrap();
        HeadCheckpoint::open(folder).unwrap()
    }

    /// The same as the binary would carry it.
    fn packed(head: &HeadCheckpoint) -> BuiltinHead {
        let folder = tempfile::tempdir().unwrap();
        packed::pack_head(head, "mine", folder.path()).unwrap();
        let read = |end: &str| std::fs::read(folder.path().join(format!("mine.{end}"))).unwrap();
        assert_eq!(read("md"), b"# A head\n");
        BuiltinHead {
            name: "mine",
            task: head.config.task,
            about: "",
            score: "",
            card: "# A head\n",
            config: read("json").leak(),
            weights: read("safetensors").leak(),
        }
    }

    #[test]
    fn a_head_that_is_packed_answers_nearly_as_it_did() {
        for task in Task::ALL {
            let folder = tempfile::tempdir().unwrap();
            let whole = learnt(folder.path(), task);
            let carried = packed(&whole);
            assert!(carried.bytes() < 700_000, "{}", carried.bytes());
            let opened = carried.open().unwrap();
            assert_eq!(opened.config.labels, whole.config.labels);
            assert_eq!(opened.config.task, task);
            let windows = [HeadInput {
                ids: vec![101, 1996, 4049, 2003, 2025, 2182, 102],
                second: 7,
            }];
            let numbers = |head: &HeadCheckpoint| {
                let head = PlainHead::load(head, &Device::Cpu).unwrap();
                head.logits(&windows).unwrap().remove(0).values
            };
            let (before, after) = (numbers(&whole), numbers(&opened));
            let size = before
                .iter()
                .fold(0.0f32, |most, value| most.max(value.abs()));
            for (before, after) in before.iter().zip(&after) {
                assert!(
                    (before - after).abs() < 0.03 * size,
                    "{before} became {after}"
                );
            }
        }
    }

    #[test]
    fn heads_that_the_binary_carries_share_one_encoder() {
        let folder = tempfile::tempdir().unwrap();
        let carried = packed(&learnt(folder.path(), Task::Tagging));
        let encoders = Encoders::default();
        let load = || {
            carried
                .open()
                .unwrap()
                .tensors(&Device::Cpu, &encoders)
                .unwrap()
        };
        let (first, second) = (load(), load());
        for (name, tensor) in &first {
            let storage = |tensor: &Tensor| std::ptr::from_ref(&*tensor.storage_and_layout().0);
            let is_shared = storage(tensor) == storage(&second[name]);
            let is_own = !name.starts_with("electra.") || name.contains("lora_");
            assert_eq!(is_shared, !is_own, "{name}");
        }
    }

    #[test]
    fn only_an_adapter_of_the_built_in_model_can_be_packed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
        for other in ["heads/electra-tags", "adapters/electra-tags"] {
            let head = HeadCheckpoint::open(&folder.join(other)).unwrap();
            let out = tempfile::tempdir().unwrap();
            let refusal = packed::pack_head(&head, "mine", out.path()).unwrap_err();
            assert!(
                refusal.to_string().contains("no adapter of the built-in"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn the_heads_of_the_table_are_sound() {
        let names: BTreeSet<&str> = HEADS.iter().map(|head| head.name).collect();
        assert_eq!(names.len(), HEADS.len(), "two heads have one name");
        for head in HEADS {
            let opened = head.open().unwrap();
            assert_eq!(opened.config.task, head.task, "{}", head.name);
            assert!(
                !head.about.is_empty() && !head.score.is_empty(),
                "{}",
                head.name
            );
            opened.tensors(&Device::Cpu, &Encoders::default()).unwrap();
        }
    }
}
