//! The built-in heads: fine-tuned heads in the program file, in a table.
//!
//! Each is an adapter of the built-in discriminator (see [`crate::catalog::builtin`]), in the compact
//! form of [`electroscope_model::checkpoint::packed`], in `assets/heads/`. The README there says how to
//! make one and how to add it.

use super::builtin::{Aligned, discriminator};
use electroscope_model::checkpoint::packed::PackedHead;
use electroscope_model::{Error, HeadCheckpoint, Task};

/// A built-in head.
pub struct BuiltinHead {
    /// Its name without `builtin:`.
    pub name: &'static str,
    /// What it was trained to do.
    pub task: Task,
    /// What it is good for and what it was trained on, in a line.
    pub about: &'static str,
    /// How well it did, as it is here, in a line.
    pub score: &'static str,
    /// The model card.
    pub card: &'static str,
    packed: PackedHead,
}

/// A row of the table: the name of the files in `assets/heads/`, and the fields of [`BuiltinHead`]
/// that are not files.
macro_rules! head {
    ($name:literal, $task:ident, $about:literal, $score:literal) => {{
        static WEIGHTS: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(
            "../../assets/heads/",
            $name,
            ".safetensors"
        )));
        BuiltinHead {
            name: $name,
            task: Task::$task,
            about: $about,
            score: $score,
            card: include_str!(concat!("../../assets/heads/", $name, ".md")),
            packed: PackedHead {
                name: $name,
                config: include_bytes!(concat!("../../assets/heads/", $name, ".json")),
                weights: &WEIGHTS.0,
            },
        }
    }};
}

/// All built-in heads. A row is, for example,
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

/// The start of the name of a built-in head, as `--head` takes it.
pub const PREFIX: &str = "builtin:";

impl BuiltinHead {
    /// All of them.
    pub fn all() -> &'static [BuiltinHead] {
        HEADS
    }

    /// The one called `id`, in the form `builtin:NAME`.
    pub fn find(id: &str) -> Option<&'static BuiltinHead> {
        let name = id.strip_prefix(PREFIX)?;
        HEADS.iter().find(|head| head.name == name)
    }

    /// The default for a task.
    pub fn usual(task: Task) -> Option<&'static BuiltinHead> {
        let name = match task {
            Task::Classification => "sentiment",
            Task::QuestionAnswering => "qa",
            Task::Tagging => "entities",
        };
        let mut fitting = HEADS.iter().filter(|head| head.task == task);
        fitting.find(|head| head.name == name)
    }

    /// Its name as `--head` takes it.
    pub fn id(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// Its files, by name.
    pub fn files(&self) -> [(String, &'static [u8]); 2] {
        [
            (format!("{}.json", self.name), self.packed.config),
            (format!("{}.safetensors", self.name), self.packed.weights),
        ]
    }

    /// Its size in the program file, in bytes, without the encoder, which all of them share.
    pub fn bytes(&self) -> u64 {
        self.files()
            .iter()
            .map(|(_, bytes)| bytes.len() as u64)
            .sum()
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// None in a program that was built from valid heads; a test opens them.
    pub fn open(&self) -> Result<HeadCheckpoint, Error> {
        HeadCheckpoint::from_packed(&self.packed, discriminator()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_built_in_head_opens_and_does_what_the_table_says() {
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
            let (loaded, _) = electroscope_model::load_head(&opened, "cpu", "f32").unwrap();
            assert_eq!(loaded.precision(), "f32", "{}", head.name);
        }
    }
}
