//! `electroscope evaluate classification`, `qa` and `tagging`: what a head is worth on data that
//! people labelled.

use std::cell::{Cell, OnceCell};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::table::{Data, Measurement};
use crate::catalog::BareHead;
use crate::cli::progress::{PrintedProgress, Progress};
use crate::cli::{Exit, Global};
use crate::cli::{setup, terminal};
use crate::report::write_json;
use electroscope_model::{HeadConfig, Problem, Task};
use electroscope_training::data::{LabelledTexts, columns, glue, spans, squad, table};
use electroscope_training::evaluation::{
    self, ClassificationOptions, Evaluated, HeadScores, NoAnswerPolicy, ReportProgress,
};
use electroscope_training::example::{Example, Target};
use electroscope_training::features;

/// What the measurements of heads have in common.
#[derive(Clone, Debug, Args)]
struct MeasureArgs {
    /// How to write what was found [default: pretty on a terminal, json into a pipe]
    #[arg(long, value_name = "FORMAT")]
    format: Option<MeasureFormat>,
    /// Write what the head said of each example to FILE, as JSON a line
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Take the first N examples only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// How what was found is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum MeasureFormat {
    /// A table, for people
    Pretty,
    /// One JSON object
    Json,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope evaluate classification --head builtin:acceptability --task cola glue/CoLA\n  \
        electroscope evaluate classification --head builtin:sentiment --task sst2 glue/SST-2/dev.tsv\n  \
        electroscope evaluate classification --head nli/ --text premise --text-pair hypothesis dev.jsonl\n  \
        electroscope evaluate classification --format json held-out.csv | jq .metrics\n\n\
        Exit codes: 0 measured, 2 something failed, 130 Ctrl-C.")]
pub(in crate::cli) struct ClassificationArgs {
    /// The data: a folder or file of --task, or a table (.tsv, .csv, .jsonl)
    #[arg(value_name = "FILE|DIR")]
    data: PathBuf,
    /// Task of GLUE: cola, sst2, mrpc, stsb, rte, qnli, qqp, mnli, wnli
    #[arg(long, value_name = "TASK", conflicts_with_all = ["text", "text_pair", "label", "separator"])]
    task: Option<glue::GlueTask>,
    /// Column of the text
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    text: String,
    /// Column of the text that it is compared with
    #[arg(long, value_name = "COLUMN")]
    text_pair: Option<String>,
    /// Column of the label, or of the value if the head rates
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    label: String,
    /// What parts the labels of a text from each other, if it may have several or none
    #[arg(long, value_name = "TEXT")]
    separator: Option<String>,
    #[command(flatten)]
    common: MeasureArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope evaluate qa dev-v2.0.json\n  \
        electroscope evaluate qa --answerable --limit 500 dev-v1.1.json\n  \
        electroscope evaluate qa --head qa/ --out said.jsonl dev.json\n\n\
        Exit codes: 0 measured, 2 something failed, 130 Ctrl-C.")]
pub(in crate::cli) struct QaArgs {
    /// The data: JSON in the format of SQuAD 1.1 or 2.0
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// Leave out questions without an answer, as in SQuAD 1.1
    #[arg(long)]
    answerable: bool,
    #[command(flatten)]
    common: MeasureArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope evaluate tagging dev.conll\n  \
        electroscope evaluate tagging --head builtin:pos --column upos en_ewt-ud-dev.conllu\n  \
        electroscope evaluate tagging --head builtin:errors --spans learners.jsonl\n\n\
        Exit codes: 0 measured, 2 something failed, 130 Ctrl-C.")]
pub(in crate::cli) struct TaggingArgs {
    /// The data: columns of CoNLL, .conllu, or with --spans JSON a line
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// Column of the labels: a number counted from 1, or upos or xpos [default: the last; upos in
    /// CoNLL-U]
    #[arg(long, value_name = "COLUMN")]
    column: Option<columns::Column>,
    /// The data is text in which stretches are marked, as JSON a line
    #[arg(long, conflicts_with = "column")]
    spans: bool,
    #[command(flatten)]
    common: MeasureArgs,
}

pub(in crate::cli) fn classification(
    global: &Global,
    args: &ClassificationArgs,
) -> anyhow::Result<Exit> {
    let desk = Desk::open(global, Task::Classification, &args.common)?;
    let HeadConfig {
        labels,
        problem,
        max_positions,
        ..
    } = &desk.head.checkpoint.config;
    let (read, format, main) = match args.task {
        Some(task) => {
            let main = task.metrics().first().copied();
            (glue::read_dev(task, &args.data)?, task.name(), main)
        }
        None => (of_table(args, *problem, labels)?, "table", None),
    };
    let (mut data, positive) = evaluation::relabel_texts(read, *problem, labels)?;
    desk.keep(&mut data.texts);
    let tokenizer = &desk.head.checkpoint.tokenizer;
    let made = features::classification(&data, tokenizer, *max_positions)?;
    let examples: Vec<&Example> = made.examples.iter().collect();
    let options = ClassificationOptions {
        problem: *problem,
        labels,
        positive,
        main_metric: main,
    };
    let measured = desk.measure(&args.data, |watch| {
        evaluation::classification(&*desk.head.forward, &examples, &options, watch)
    })?;
    desk.write_said(&measured.predictions, |at, p| {
        let text = data.texts.get(at)?;
        Some(SaidOfText::new(at, &text.target, p, *problem, labels))
    })?;
    desk.print(&args.data, format, measured.scores, made.truncated)
}

/// The table that is named, with the head's numbers if its labels are those of the head, letter by
/// letter.
fn of_table(
    args: &ClassificationArgs,
    problem: Problem,
    labels: &[String],
) -> anyhow::Result<LabelledTexts> {
    let columns = table::Columns {
        text: args.text.clone(),
        pair: args.text_pair.clone(),
        label: args.label.clone(),
        separator: args.separator.clone(),
        regression: problem == Problem::Regression,
        delimiter: None,
    };
    match table::read_known(&args.data, &columns, labels) {
        Ok(data) => Ok(data),
        Err(_) => Ok(table::read(&args.data, &columns)?),
    }
}

pub(in crate::cli) fn qa(global: &Global, args: &QaArgs) -> anyhow::Result<Exit> {
    let desk = Desk::open(global, Task::QuestionAnswering, &args.common)?;
    let version = match args.answerable {
        true => squad::Version::V1,
        false => squad::Version::V2,
    };
    let mut data = squad::read(&args.data, version)?;
    if let Some(limit) = desk.limit() {
        let mut left = limit;
        for paragraph in &mut data.paragraphs {
            paragraph.questions.truncate(left);
            left -= paragraph.questions.len();
        }
    }
    let config = &desk.head.checkpoint.config;
    let refusals = match config.can_refuse {
        true => NoAnswerPolicy::Above(f64::from(config.no_answer_threshold.unwrap_or(0.0))),
        false => NoAnswerPolicy::Never,
    };
    let tokenizer = &desk.head.checkpoint.tokenizer;
    let measured = desk.measure(&args.data, |watch| {
        let positions = config.max_positions;
        evaluation::question_answering(
            &*desk.head.forward,
            &data,
            tokenizer,
            positions,
            refusals,
            watch,
        )
    })?;
    desk.write_said(&measured.predictions, |_, said| {
        Some(SaidOfQuestion {
            id: said.id.clone(),
            answer: said.text.clone(),
            start: said.span.start,
            end: said.span.end,
            score: said.score,
            margin: said.margin,
            refused: said.is_no_answer,
            exact: said.exact,
            f1: said.f1,
        })
    })?;
    desk.print(&args.data, "squad", measured.scores, 0)
}

pub(in crate::cli) fn tagging(global: &Global, args: &TaggingArgs) -> anyhow::Result<Exit> {
    let desk = Desk::open(global, Task::Tagging, &args.common)?;
    let HeadConfig {
        labels,
        max_positions,
        ..
    } = &desk.head.checkpoint.config;
    let (forward, tokenizer) = (&*desk.head.forward, &desk.head.checkpoint.tokenizer);
    if args.spans {
        let mut data = spans::read(&args.data)?;
        desk.keep(&mut data);
        let measured = desk.measure(&args.data, |watch| {
            evaluation::error_spans(forward, &data, labels, tokenizer, *max_positions, watch)
        })?;
        desk.write_said(&measured.predictions, |at, said| {
            let words = data.get(at)?.text.split_whitespace().zip(said);
            let words = words.map(|(text, &(p, marked))| MarkedWord { text, p, marked });
            Some(SaidOfSentence {
                sentence: at,
                words: words.collect(),
            })
        })?;
        return desk.print(&args.data, "spans", measured.scores, 0);
    }
    let read = columns::read(&args.data, args.column.unwrap_or_default())?;
    let mut data = evaluation::relabel_tags(read, labels)?;
    desk.keep(&mut data.sentences);
    let measured = desk.measure(&args.data, |watch| {
        evaluation::tagging(forward, &data, tokenizer, *max_positions, watch)
    })?;
    desk.write_said(&measured.predictions, |at, said| {
        let sentence = data.sentences.get(at)?;
        let words = sentence.words.iter().zip(&sentence.tags).zip(said);
        let words = words.map(|((text, &gold), said)| TaggedWord {
            text,
            gold: labels.get(gold).map_or("", String::as_str),
            label: said.label.and_then(|label| labels.get(label)),
            p: said.p,
        });
        Some(SaidOfSentence {
            sentence: at,
            words: words.collect(),
        })
    })?;
    desk.print(&args.data, "columns", measured.scores, 0)
}

/// What the head said of a text.
#[derive(Serialize)]
struct SaidOfText<'a> {
    example: usize,
    gold: serde_json::Value,
    labels: Vec<SaidLabel<'a>>,
}

#[derive(Serialize)]
struct SaidLabel<'a> {
    label: &'a str,
    p: f32,
}

impl<'a> SaidOfText<'a> {
    fn new(
        example: usize,
        target: &Target,
        p: &[f32],
        problem: Problem,
        labels: &'a [String],
    ) -> SaidOfText<'a> {
        let name = |label: usize| labels.get(label).map_or("", String::as_str);
        let gold = match target {
            Target::Label(label) => name(*label).into(),
            Target::Labels(flags) => {
                let applying = flags.iter().enumerate().filter(|(_, applies)| **applies);
                applying.map(|(label, _)| name(label)).collect()
            }
            Target::Value(value) => (*value).into(),
            Target::Span { .. } | Target::Tags(_) => serde_json::Value::Null,
        };
        let order = match problem {
            Problem::Regression => (0..p.len()).collect(),
            _ => electroscope_analysis::decode::ranked(p),
        };
        let said = |label: usize| SaidLabel {
            label: name(label),
            p: p.get(label).copied().unwrap_or(f32::NAN),
        };
        SaidOfText {
            example,
            gold,
            labels: order.into_iter().map(said).collect(),
        }
    }
}

/// What the head answered.
#[derive(Serialize)]
struct SaidOfQuestion {
    id: String,
    answer: String,
    start: usize,
    end: usize,
    score: f32,
    margin: Option<f64>,
    refused: bool,
    exact: f64,
    f1: f64,
}

/// What the head said of the words of a sentence.
#[derive(Serialize)]
struct SaidOfSentence<Word> {
    sentence: usize,
    words: Vec<Word>,
}

#[derive(Serialize)]
struct TaggedWord<'a> {
    text: &'a str,
    gold: &'a str,
    label: Option<&'a String>,
    p: f32,
}

#[derive(Serialize)]
struct MarkedWord<'a> {
    text: &'a str,
    p: f64,
    marked: bool,
}

/// A head to be measured, and how it is to be told of.
struct Desk<'a> {
    global: &'a Global,
    args: &'a MeasureArgs,
    task: Task,
    head: BareHead,
    /// Where what the head says of each example goes, once it is known that it will say something.
    out: OnceCell<File>,
    /// How long it read.
    seconds: Cell<f64>,
}

impl<'a> Desk<'a> {
    fn open(global: &'a Global, task: Task, args: &'a MeasureArgs) -> anyhow::Result<Desk<'a>> {
        let catalog = setup::catalog(global)?;
        terminal::exit_on_interrupt()?;
        let mut observer = PrintedProgress::new(global);
        let head = catalog.open_head_for(task, &mut observer)?;
        let head = catalog.load_bare_head(head, &mut observer)?;
        Ok(Desk {
            global,
            args,
            task,
            head,
            out: OnceCell::new(),
            seconds: Cell::new(0.0),
        })
    }

    fn limit(&self) -> Option<usize> {
        let limit = self.args.limit?;
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    }

    /// Drops what is over the limit.
    fn keep<T>(&self, examples: &mut Vec<T>) {
        if let Some(limit) = self.limit() {
            examples.truncate(limit);
        }
    }

    /// Measures, with progress on standard error.
    fn measure<T>(
        &self,
        data: &Path,
        measure: impl FnOnce(
            &mut ReportProgress<'_>,
        ) -> Result<Evaluated<T>, electroscope_training::Error>,
    ) -> anyhow::Result<Evaluated<T>> {
        if let Some(path) = &self.args.out {
            // What cannot be written should be known before anything long begins.
            let file = File::create(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            let _ = self.out.set(file);
        }
        let progress = Progress::new(self.global, 1);
        let began = Instant::now();
        let mut watch = |done: usize, all: usize| progress.show(data, done, all);
        let measured = measure(&mut watch);
        self.seconds.set(began.elapsed().as_secs_f64());
        progress.finish();
        Ok(measured?)
    }

    /// Writes what was said of each example where that is wanted.
    fn write_said<T, S: Serialize>(
        &self,
        said: &[T],
        line: impl Fn(usize, &T) -> Option<S>,
    ) -> anyhow::Result<()> {
        let (Some(path), Some(file)) = (&self.args.out, self.out.get()) else {
            return Ok(());
        };
        let mut out = BufWriter::new(file);
        let mut write = || -> io::Result<()> {
            for (at, said) in said.iter().enumerate() {
                if let Some(line) = line(at, said) {
                    write_json(&mut out, &line)?;
                    writeln!(out)?;
                }
            }
            out.flush()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    fn print(
        self,
        data: &Path,
        format: &'static str,
        scores: HeadScores,
        cut: usize,
    ) -> anyhow::Result<Exit> {
        let data = Data {
            path: data.display().to_string(),
            format,
        };
        let seconds = self.seconds.get();
        let task = self.task.name();
        let measured = Measurement::new(self.head.model, task, data, scores, cut, seconds);
        let mut out = BufWriter::new(io::stdout().lock());
        let format = self.args.format.unwrap_or(if io::stdout().is_terminal() {
            MeasureFormat::Pretty
        } else {
            MeasureFormat::Json
        });
        match format {
            MeasureFormat::Pretty => measured.pretty(&mut out)?,
            MeasureFormat::Json => measured.json(&mut out)?,
        }
        out.flush()?;
        Ok(Exit::Clean)
    }
}
