//! What there is to learn: the data of a task, the examples that come of it, and how what was learnt
//! is measured.

use std::hash::Hasher;

use xxhash_rust::xxh3::Xxh3;

use super::super::Error;
use super::super::data::spans::MarkedText;
use super::super::data::{Classified, Questions, Tagged};
use super::super::example::{Example, Target};
use super::super::features::{self, Features};
use super::super::measure::{self, Judging, Refusals, Scores};
use super::super::watch::Watch;
use electroscope_model::{HeadForward, Problem, Task, Tokenizer};

/// The data of a task.
#[derive(Clone, Debug)]
pub enum Material {
    /// Texts with labels.
    Texts {
        /// What is learnt from.
        train: Classified,
        /// What it is measured on.
        dev: Option<Classified>,
        /// The measure that counts, if it is not the usual one.
        main: Option<&'static str>,
    },
    /// Questions with answers.
    Questions {
        /// What is learnt from.
        train: Questions,
        /// What it is measured on.
        dev: Option<Questions>,
    },
    /// Sentences with tags.
    Tags {
        /// What is learnt from.
        train: Tagged,
        /// What it is measured on.
        dev: Option<Tagged>,
        /// The measure that counts, if it is not the usual one.
        main: Option<&'static str>,
    },
    /// Sentences with words that are wrong or right.
    Errors {
        /// What is learnt from.
        train: Tagged,
        /// What it is measured on: texts whose errors people marked.
        dev: Vec<MarkedText>,
    },
}

impl Material {
    /// What it is the data of.
    pub fn task(&self) -> Task {
        match self {
            Material::Texts { .. } => Task::Classification,
            Material::Questions { .. } => Task::QuestionAnswering,
            Material::Tags { .. } | Material::Errors { .. } => Task::Tagging,
        }
    }

    /// The names of the labels by their numbers; none for questions.
    pub fn labels(&self) -> &[String] {
        match self {
            Material::Texts { train, .. } => &train.labels,
            Material::Questions { .. } => &[],
            Material::Tags { train, .. } | Material::Errors { train, .. } => &train.labels,
        }
    }

    /// How the labels are meant.
    pub fn problem(&self) -> Problem {
        match self {
            Material::Texts { train, .. } => train.problem,
            _ => Problem::SingleLabel,
        }
    }

    /// Whether some questions have no answer.
    pub fn can_refuse(&self) -> bool {
        let Material::Questions { train, .. } = self else {
            return false;
        };
        let mut questions = train.paragraphs.iter().flat_map(|text| &text.questions);
        questions.any(|question| question.answers.is_empty())
    }

    /// Examples of at most `length` tokens.
    pub fn features(&self, tokenizer: &Tokenizer, length: usize) -> Features {
        match self {
            Material::Texts { train, .. } => features::classification(train, tokenizer, length),
            Material::Questions { train, .. } => features::questions(train, tokenizer, length),
            Material::Tags { train, .. } | Material::Errors { train, .. } => {
                features::tagging(train, tokenizer, length)
            }
        }
    }

    /// What a head is worth on the dev set; none if there is none.
    ///
    /// # Errors
    ///
    /// Those of the forward pass.
    pub fn measure(
        &self,
        forward: &dyn HeadForward,
        tokenizer: &Tokenizer,
        length: usize,
        watch: &mut dyn Watch,
    ) -> Result<Option<Scores>, Error> {
        let mut told = 0;
        let mut reading = |done: usize, all: usize| {
            let tenth = done * 10 / all.max(1);
            if tenth > told {
                told = tenth;
                watch.doing(&format!("measuring on dev: {tenth}0 %"));
            }
        };
        let reading = &mut reading;
        let scores = match self {
            Material::Texts {
                dev: Some(dev),
                main,
                train,
            } => {
                let made = features::classification(dev, tokenizer, length);
                let examples: Vec<&Example> = made.examples.iter().collect();
                let judging = Judging {
                    problem: dev.problem,
                    labels: &train.labels,
                    positive: 1,
                    main: *main,
                };
                measure::classification(forward, &examples, &judging, reading)?.scores
            }
            Material::Questions { dev: Some(dev), .. } => {
                let refusals = match self.can_refuse() {
                    true => Refusals::Above(0.0),
                    false => Refusals::Never,
                };
                let said = measure::questions(forward, dev, tokenizer, length, refusals, reading);
                said?.scores
            }
            Material::Tags {
                dev: Some(dev),
                main,
                ..
            } => {
                let said = measure::tagging(forward, dev, tokenizer, length, reading)?;
                let mut scores = said.scores;
                if let Some(main) = main {
                    scores.main = main;
                }
                scores
            }
            Material::Errors { train, dev } => {
                let labels = &train.labels;
                measure::error_spans(forward, dev, labels, tokenizer, length, reading)?.scores
            }
            Material::Texts { dev: None, .. }
            | Material::Questions { dev: None, .. }
            | Material::Tags { dev: None, .. } => return Ok(None),
        };
        Ok(Some(scores))
    }
}

/// A number that stands for `examples`, their order included.
pub(super) fn fingerprint(examples: &[Example]) -> u64 {
    let mut hasher = Xxh3::new();
    let mut add = |number: u64| hasher.write_u64(number);
    for Example { input, target } in examples {
        add(input.ids.len() as u64);
        add(input.second as u64);
        input.ids.iter().for_each(|&id| add(u64::from(id)));
        match target {
            Target::Label(label) => add(*label as u64),
            Target::Labels(labels) => labels.iter().for_each(|&label| add(u64::from(label))),
            Target::Value(value) => add(u64::from(value.to_bits())),
            Target::Span { start, end } => {
                add(*start as u64);
                add(*end as u64);
            }
            Target::Tags(tags) => {
                (tags.iter()).for_each(|tag| add(tag.map_or(u64::MAX, |tag| tag as u64)))
            }
        }
    }
    hasher.finish()
}
