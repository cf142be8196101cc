//! The data of a fine-tuning: examples to train on, and the evaluation on the dev set.

use std::hash::Hasher;

use xxhash_rust::xxh3::Xxh3;

use super::super::Error;
use super::super::data::spans::MarkedText;
use super::super::data::{LabelledSentences, LabelledTexts, Questions};
use super::super::evaluation::{self, ClassificationOptions, HeadScores, NoAnswerPolicy};
use super::super::example::{Example, Target};
use super::super::features::{self, Features};
use super::super::observer::TrainingObserver;
use electroscope_model::{HeadForward, Problem, Task, Tokenizer};

/// The data of a fine-tuning, by task.
#[derive(Clone, Debug)]
pub enum TaskData {
    /// Labelled texts.
    Texts {
        /// The training set.
        train: LabelledTexts,
        /// The dev set.
        dev: Option<LabelledTexts>,
        /// The main metric, if it is not the default.
        main_metric: Option<&'static str>,
    },
    /// Questions with answers.
    Questions {
        /// The training set.
        train: Questions,
        /// The dev set.
        dev: Option<Questions>,
    },
    /// Sentences with tags.
    Tags {
        /// The training set.
        train: LabelledSentences,
        /// The dev set.
        dev: Option<LabelledSentences>,
        /// The main metric, if it is not the default.
        main_metric: Option<&'static str>,
    },
    /// Sentences with correct and incorrect words.
    ErrorMarks {
        /// The training set.
        train: LabelledSentences,
        /// The dev set: texts in which people marked errors.
        dev: Vec<MarkedText>,
    },
}

impl TaskData {
    /// The task.
    pub fn task(&self) -> Task {
        match self {
            TaskData::Texts { .. } => Task::Classification,
            TaskData::Questions { .. } => Task::QuestionAnswering,
            TaskData::Tags { .. } | TaskData::ErrorMarks { .. } => Task::Tagging,
        }
    }

    /// The labels, by index; none for questions.
    pub fn labels(&self) -> &[String] {
        match self {
            TaskData::Texts { train, .. } => &train.labels,
            TaskData::Questions { .. } => &[],
            TaskData::Tags { train, .. } | TaskData::ErrorMarks { train, .. } => &train.labels,
        }
    }

    /// The kind of classification.
    pub fn problem(&self) -> Problem {
        match self {
            TaskData::Texts { train, .. } => train.problem,
            _ => Problem::SingleLabel,
        }
    }

    /// Whether some training questions have no answer.
    pub fn has_unanswerable(&self) -> bool {
        let TaskData::Questions { train, .. } = self else {
            return false;
        };
        let mut questions = train.paragraphs.iter().flat_map(|text| &text.questions);
        questions.any(|question| question.answers.is_empty())
    }

    /// The training examples, in windows of at most `length` tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] if a text cannot be tokenized.
    pub fn features(&self, tokenizer: &Tokenizer, length: usize) -> Result<Features, Error> {
        match self {
            TaskData::Texts { train, .. } => features::classification(train, tokenizer, length),
            TaskData::Questions { train, .. } => features::questions(train, tokenizer, length),
            TaskData::Tags { train, .. } | TaskData::ErrorMarks { train, .. } => {
                features::tagging(train, tokenizer, length)
            }
        }
    }

    /// Evaluates a head on the dev set; none if there is none.
    ///
    /// # Errors
    ///
    /// Those of the forward pass.
    pub fn evaluate(
        &self,
        forward: &dyn HeadForward,
        tokenizer: &Tokenizer,
        length: usize,
        observer: &mut dyn TrainingObserver,
    ) -> Result<Option<HeadScores>, Error> {
        let mut reported = 0;
        let report_progress = &mut |done: usize, all: usize| {
            let tenth = done * 10 / all.max(1);
            if tenth > reported {
                reported = tenth;
                observer.started(&format!("evaluating on dev: {tenth}0 %"));
            }
        };
        let scores = match self {
            TaskData::Texts {
                dev: Some(dev),
                main_metric,
                train,
            } => {
                let made = features::classification(dev, tokenizer, length)?;
                let examples: Vec<&Example> = made.examples.iter().collect();
                let options = ClassificationOptions {
                    problem: dev.problem,
                    labels: &train.labels,
                    positive: 1,
                    main_metric: *main_metric,
                };
                evaluation::classification(forward, &examples, &options, report_progress)?.scores
            }
            TaskData::Questions { dev: Some(dev), .. } => {
                let policy = match self.has_unanswerable() {
                    true => NoAnswerPolicy::Above(0.0),
                    false => NoAnswerPolicy::Never,
                };
                evaluation::question_answering(
                    forward,
                    dev,
                    tokenizer,
                    length,
                    policy,
                    report_progress,
                )?
                .scores
            }
            TaskData::Tags {
                dev: Some(dev),
                main_metric,
                ..
            } => {
                let evaluated =
                    evaluation::tagging(forward, dev, tokenizer, length, report_progress)?;
                let mut scores = evaluated.scores;
                if let Some(main_metric) = main_metric {
                    scores.main_metric = main_metric;
                }
                scores
            }
            TaskData::ErrorMarks { train, dev } => {
                let labels = &train.labels;
                evaluation::error_spans(forward, dev, labels, tokenizer, length, report_progress)?
                    .scores
            }
            TaskData::Texts { dev: None, .. }
            | TaskData::Questions { dev: None, .. }
            | TaskData::Tags { dev: None, .. } => return Ok(None),
        };
        Ok(Some(scores))
    }
}

/// A hash of `examples` in their order, to recognise the same data.
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
