//! `electroscope finetune`: a head from labelled data.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use indicatif::HumanDuration;

use super::evidence::{self, EvidenceArgs};
use super::progress::PrintedProgress;
use super::training_progress::TrainingProgress;
use super::{Exit, Global, messages, setup};
use crate::catalog::{Catalog, builtin};
use electroscope_model::{Problem, Task, device};
use electroscope_training::data::{
    LabelTable, LabelledSentences, LabelledText, LabelledTexts, Questions, columns, glue, spans,
    squad, table,
};
use electroscope_training::example::Target;
use electroscope_training::finetune::{
    FinetuneOutcome, FinetuneResult, FinetuneRun, FinetuneSettings, OutputFolder, Provenance,
    TaskData,
};
use electroscope_training::observer::TrainingObserver;
use electroscope_training::synthetic_errors::{
    Misspellings, REDISTRIBUTABLE_SOURCES, SyntheticErrorSettings, generate,
};
use electroscope_training::{Error, error_labels, features, text_files};

/// Which kind of head.
#[derive(Debug, Subcommand)]
pub(super) enum FinetuneCommand {
    /// Train a head that labels or rates texts, or pairs of texts
    ///
    /// Learns from a task of GLUE (`--task` and the folder of its files) or from tables of any kind:
    /// TSV, CSV and JSONL with a column for the text and one for the label.
    #[command(after_help = "Examples:\n  \
        electroscope finetune classification --task sst2 glue/SST-2 --out sentiment\n  \
        electroscope finetune classification --train mails.csv --text body --label folder --out mails\n  \
        electroscope finetune classification --train pairs.jsonl --dev dev.jsonl \\\n      \
            --text premise --text-pair hypothesis --label label --out nli\n  \
        electroscope finetune classification --task cola glue/CoLA --lora 16 --out cola\n\n\
        Then: electroscope classify --head sentiment review.txt")]
    Classification(Box<ClassificationArgs>),
    /// Train a head that finds the answer to a question in a text
    ///
    /// Learns from files in the format of SQuAD 1.1 or 2.0, or from rows as the data sets of Hugging Face
    /// have them (JSON or JSONL). Where some questions have no answer, the
    /// head learns to say so, and the threshold for it is found on the dev set.
    #[command(after_help = "Examples:\n  \
        electroscope finetune qa --train train-v2.0.json --dev dev-v2.0.json --out qa\n  \
        electroscope finetune qa --train squad.json --train more.json --dev dev.json --out qa\n\n\
        Then: electroscope ask --head qa 'When does the bridge open?' notes.md")]
    Qa(Box<QaArgs>),
    /// Train a head that labels words
    ///
    /// Learns from CoNLL columns or CoNLL-U. For a tagger of writing errors, it learns from texts with
    /// marked errors (`.jsonl`), from clean text in which synthetic errors are made
    /// (`--synthetic-errors`), or from both.
    #[command(after_help = "Examples:\n  \
        electroscope finetune tagging --train train.conll --dev dev.conll --out ner\n  \
        electroscope finetune tagging --train train.conllu --dev dev.conllu --column xpos --out pos\n  \
        electroscope finetune tagging --synthetic-errors books/ --synthetic-errors news.txt.zst --out errors\n  \
        electroscope finetune tagging --train corrections.jsonl --synthetic-errors books/ --out errors\n\n\
        Then: electroscope tag --head ner notes.md")]
    Tagging(Box<TaggingArgs>),
    /// Fit the model by which the lens `errors` joins its evidence
    ///
    /// The probability that a word is an error is a logistic regression over what the discriminator and
    /// an error tagger compute, what a dictionary knows of the word, and its shape. It is fitted on texts
    /// with marked errors; the threshold flags a given share of the words of clean texts.
    #[command(after_help = "Examples:\n  \
        electroscope finetune evidence --train corrections.jsonl --train correct.jsonl \\\n      \
            --clean correct.jsonl --dev dev.jsonl --out evidence.json")]
    Evidence(Box<EvidenceArgs>),
}

#[derive(Clone, Debug, Args)]
pub(super) struct ClassificationArgs {
    /// Folder of the files of `--task`
    #[arg(value_name = "DIR", requires = "task", conflicts_with_all = ["train", "synthetic_errors"])]
    folder: Option<PathBuf>,
    /// Task of GLUE, which gives the labels, the measure and the format of the folder and of --dev: cola,
    /// sst2, mrpc, stsb, rte, qnli, qqp, mnli, wnli
    #[arg(long, value_name = "TASK")]
    task: Option<glue::GlueTask>,
    /// Table to learn from: .tsv, .csv or .jsonl; may be given several times
    #[arg(long, value_name = "FILE")]
    train: Vec<PathBuf>,
    /// Table to measure on and to choose the best checkpoint by
    #[arg(long, value_name = "FILE")]
    dev: Vec<PathBuf>,
    #[command(flatten)]
    columns: TableArgs,
    /// Clean text to learn `acceptable` and `unacceptable` from: synthetic errors are made in most of its
    /// sentences; files, folders, .zst; may be given several times
    #[arg(long, value_name = "TEXT", alias = "slips", conflicts_with = "train")]
    synthetic_errors: Vec<PathBuf>,
    #[command(flatten)]
    synthetic_args: SyntheticErrorArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

/// Which columns of a table hold what.
#[derive(Clone, Debug, Args)]
pub(super) struct TableArgs {
    /// Column of the text
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    pub(super) text: String,
    /// Column of the text that it is compared with
    #[arg(long, value_name = "COLUMN")]
    pub(super) text_pair: Option<String>,
    /// Column of the label
    #[arg(long, value_name = "COLUMN", default_value = "label")]
    pub(super) label: String,
    /// Separator between the labels of a text, if it may have several or none
    #[arg(long, value_name = "TEXT", conflicts_with = "regression")]
    pub(super) separator: Option<String>,
    /// The label is a number, to be predicted as such
    #[arg(long)]
    pub(super) regression: bool,
    /// Delimiter of a CSV file: one character, or tab [default: found from the header, else a comma]
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub(super) delimiter: Option<u8>,
}

/// Reads a delimiter.
fn delimiter(typed: &str) -> Result<u8, String> {
    match typed.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        &[sign] if sign.is_ascii() && !matches!(sign, b'"' | b'\n' | b'\r') => Ok(sign),
        _ => Err("it must be one ASCII character that is no quotation mark, or tab".to_owned()),
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct QaArgs {
    /// File in the format of SQuAD to learn from; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    train: Vec<PathBuf>,
    /// File to measure on and to choose the best checkpoint by
    #[arg(long, value_name = "FILE")]
    dev: Vec<PathBuf>,
    /// Leave out questions without an answer, as in SQuAD 1.1
    #[arg(long)]
    answerable: bool,
    #[command(flatten)]
    training: TrainingArgs,
}

#[derive(Clone, Debug, Args)]
pub(super) struct TaggingArgs {
    /// Training file: CoNLL columns, .conllu, or .jsonl of texts with marked errors ("text", "spans" in
    /// characters, "kind"); may be given several times, and the same file too, to weight it
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "synthetic_errors"
    )]
    train: Vec<PathBuf>,
    /// File to measure on and to choose the best checkpoint by
    #[arg(long, value_name = "FILE")]
    dev: Vec<PathBuf>,
    /// Column of the labels: a number counted from 1, or upos or xpos [default: the last; upos in
    /// CoNLL-U]
    #[arg(long, value_name = "COLUMN")]
    column: Option<columns::Column>,
    /// Clean text to make synthetic errors in, which the tagger learns to mark: files, folders, .zst; may
    /// be given several times
    #[arg(long, value_name = "TEXT", alias = "slips")]
    synthetic_errors: Vec<PathBuf>,
    #[command(flatten)]
    synthetic_args: SyntheticErrorArgs,
    #[command(flatten)]
    training: TrainingArgs,
}

/// How synthetic errors are made in clean text.
#[derive(Clone, Debug, Args)]
struct SyntheticErrorArgs {
    /// Sentences to take from the clean text, the same number from each file
    #[arg(
        long,
        value_name = "N",
        alias = "slip-sentences",
        default_value = "50000"
    )]
    synthetic_sentences: usize,
    /// Clean text to make the dev set from
    #[arg(long, value_name = "TEXT", alias = "slip-dev")]
    synthetic_dev: Vec<PathBuf>,
    /// Table of misspellings: TSV with the columns wrong, right and sources
    #[arg(long, value_name = "FILE")]
    misspellings: Option<PathBuf>,
}

/// How a head is trained.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Training")]
struct TrainingArgs {
    /// Folder to write the checkpoint into; it must not hold anything yet
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
    /// Model to grow from
    #[arg(long, value_name = "builtin|DIR|HUB_ID", default_value = "builtin")]
    from: String,
    /// Go on with the training in the folder, which was interrupted; all else must be as it was
    #[arg(long)]
    resume: bool,
    /// Train adapters of this rank beside the encoder's layers, and leave the encoder as it is
    #[arg(long, value_name = "RANK", value_parser = clap::value_parser!(u16).range(1..=1024))]
    lora: Option<u16>,
    /// How often each example is seen [default: 3; 10 for rte and stsb, 2 for qa]
    #[arg(long, value_name = "N", value_parser = positive)]
    epochs: Option<f64>,
    /// Examples in a step
    #[arg(long, value_name = "N", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch_size: u32,
    /// The highest learning rate [default: 1e-4; 1e-3 with --lora]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    learning_rate: Option<f64>,
    /// By what factor the rate is lower in each layer below; 1 for the same in all [default: 0.8; 1 with
    /// --lora]
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    layer_decay: Option<f64>,
    /// Share of the steps in which the rate rises
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share)]
    warmup: f64,
    /// Decoupled weight decay, of all but biases and layer norms
    #[arg(long, value_name = "DECAY", default_value = "0.01", value_parser = share)]
    weight_decay: f64,
    /// Tokens in a window, at most [default: 128; 512 for qa]
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(8..=65536))]
    max_length: Option<u32>,
    /// Random seed
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// Steps between two evaluations [default: one after each epoch]
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    evaluate_every: Option<u64>,
    /// Minutes between two saved states
    #[arg(long, value_name = "MINUTES", default_value = "5", value_parser = positive)]
    save_every: f64,
    /// Licence of the checkpoint, for its card
    #[arg(long, value_name = "SPDX")]
    licence: Option<String>,
    /// What the data is and who may use it, for the card
    #[arg(long, value_name = "TEXT")]
    data_note: Option<String>,
}

/// Reads a number from 0 to 1.
fn share(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("it must be a number from 0 to 1".to_owned()),
    }
}

/// Reads a number greater than 0.
fn positive(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("it must be a number greater than 0".to_owned()),
    }
}

pub(super) fn run(global: &Global, command: FinetuneCommand) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let mut progress = TrainingProgress::new(global)?;
    let (material, training, files, epochs) = match &command {
        FinetuneCommand::Classification(args) => {
            let (material, epochs) = texts(args, &mut progress)?;
            let files = Files {
                train: [args.folder.as_slice(), &args.train, &args.synthetic_errors].concat(),
                dev: args.dev.clone(),
            };
            (material, &args.training, files, epochs)
        }
        FinetuneCommand::Qa(args) => {
            let files = Files {
                train: args.train.clone(),
                dev: args.dev.clone(),
            };
            (questions(args)?, &args.training, files, None)
        }
        FinetuneCommand::Tagging(args) => {
            let files = Files {
                train: [args.train.as_slice(), &args.synthetic_errors].concat(),
                dev: [args.dev.as_slice(), &args.synthetic_args.synthetic_dev].concat(),
            };
            (tags(args, &mut progress)?, &args.training, files, None)
        }
        FinetuneCommand::Evidence(args) => return evidence::run(global, args),
    };
    train(
        global, &catalog, &material, training, &files, epochs, progress,
    )
}

/// The files that data was read from.
struct Files {
    train: Vec<PathBuf>,
    dev: Vec<PathBuf>,
}

/// Texts with labels, and how often they are usually seen.
fn texts(
    args: &ClassificationArgs,
    progress: &mut TrainingProgress<'_>,
) -> anyhow::Result<(TaskData, Option<f64>)> {
    let main = args.task.and_then(|task| task.metrics().first().copied());
    let mut material = texts_of(args, main, progress)?;
    // A task has dev sets of its own format, whatever is learnt from.
    if let (Some(task), TaskData::Texts { dev, .. }) = (args.task, &mut material)
        && let Some(named) = joined(&args.dev, |path| glue::read_dev(task, path), add_texts)?
    {
        *dev = Some(named);
    }
    Ok((material, args.task.map(|task| task.epochs() as f64)))
}

fn texts_of(
    args: &ClassificationArgs,
    main: Option<&'static str>,
    progress: &mut TrainingProgress<'_>,
) -> anyhow::Result<TaskData> {
    if let (Some(task), Some(folder)) = (args.task, &args.folder) {
        let read = glue::read(task, folder)?;
        if read.skipped > 0 {
            progress.message(&format!("{} damaged rows were passed over", read.skipped));
        }
        return Ok(TaskData::Texts {
            train: read.train,
            dev: read.dev,
            main_metric: main,
        });
    }
    if !args.synthetic_errors.is_empty() {
        let (train, dev) =
            with_synthetic_errors(&args.synthetic_errors, &args.synthetic_args, progress)?;
        return Ok(TaskData::Texts {
            train: acceptability(&train),
            dev: dev.as_ref().map(acceptability),
            main_metric: main.or(Some("matthews")),
        });
    }
    let Some((first, more)) = args.train.split_first() else {
        bail!(
            "there is nothing to learn from; name a table with --train, clean text with --synthetic-errors, or a \
             task of GLUE with --task and its folder"
        );
    };
    let columns = args.columns.columns();
    let mut train = match args.task {
        Some(task) => {
            let labels: Vec<String> = task.labels().iter().map(|&label| label.into()).collect();
            table::read_known(first, &columns, &labels)?
        }
        None => {
            let mut notes = Vec::new();
            let read = table::read_noting(first, &columns, &mut notes)?;
            for note in &notes {
                progress.message(&electroscope_text::visible(note));
            }
            read
        }
    };
    let labels = train.labels.clone();
    let read = |path: &Path| table::read_known(path, &columns, &labels);
    if let Some(more) = joined(more, read, add_texts)? {
        add_texts(&mut train, more);
    }
    let dev = match args.task {
        Some(_) => None,
        None => joined(&args.dev, read, add_texts)?,
    };
    Ok(TaskData::Texts {
        train,
        dev,
        main_metric: main,
    })
}

impl TableArgs {
    pub(super) fn columns(&self) -> table::Columns {
        table::Columns {
            text: self.text.clone(),
            pair: self.text_pair.clone(),
            label: self.label.clone(),
            separator: self.separator.clone(),
            regression: self.regression,
            delimiter: self.delimiter,
        }
    }
}

fn questions(args: &QaArgs) -> anyhow::Result<TaskData> {
    let version = match args.answerable {
        true => squad::Version::V1,
        false => squad::Version::V2,
    };
    let add = |all: &mut Questions, more: Questions| all.paragraphs.extend(more.paragraphs);
    let read = |paths: &[PathBuf]| joined(paths, |path| squad::read(path, version), add);
    Ok(TaskData::Questions {
        train: read(&args.train)?.unwrap_or_default(),
        dev: read(&args.dev)?,
    })
}

fn tags(args: &TaggingArgs, progress: &mut TrainingProgress<'_>) -> anyhow::Result<TaskData> {
    if !args.synthetic_errors.is_empty() || args.train.iter().any(|path| is_marked_text(path)) {
        return error_marks(args, progress);
    }
    let column = args.column.unwrap_or_default();
    let Some((first, more)) = args.train.split_first() else {
        bail!("there is nothing to learn from; name a file with --train");
    };
    let mut train = columns::read(first, column)?;
    let labels = train.labels.clone();
    let read = |path: &Path| columns::read_known(path, column, &labels);
    if let Some(more) = joined(more, read, add_sentences)? {
        add_sentences(&mut train, more);
    }
    if let [only] = train.labels.as_slice() {
        bail!(
            "{}: every word has the label {only:?}; there is nothing to be learnt from one",
            first.display()
        );
    }
    let dev = joined(&args.dev, read, add_sentences)?;
    Ok(TaskData::Tags {
        train,
        dev,
        main_metric: None,
    })
}

/// Whether a file has texts with marked spans, by its name.
fn is_marked_text(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "jsonl")
}

/// Data of an error tagger: clean text with synthetic errors, marked texts (`.jsonl`) and word columns,
/// mixed.
fn error_marks(
    args: &TaggingArgs,
    progress: &mut TrainingProgress<'_>,
) -> anyhow::Result<TaskData> {
    let column = args.column.unwrap_or_default();
    let read = |path: &Path| match is_marked_text(path) {
        true => Ok(error_labels::from_marked_texts(&spans::read(path)?)),
        false => error_labels::from_columns(columns::read(path, column)?),
    };
    let mut train = joined(&args.train, read, add_sentences)?;
    let mut synthetic_dev = None;
    if !args.synthetic_errors.is_empty() {
        let (synthetic, dev) =
            with_synthetic_errors(&args.synthetic_errors, &args.synthetic_args, progress)?;
        match &mut train {
            Some(train) => add_sentences(train, synthetic),
            None => train = Some(synthetic),
        }
        synthetic_dev = dev;
    }
    let Some(train) = train else {
        bail!("there is nothing to learn from; name a file with --train");
    };
    if args.dev.is_empty() {
        return Ok(TaskData::Tags {
            train,
            dev: synthetic_dev,
            main_metric: Some("macro_f1"),
        });
    }
    let mut marked = Vec::new();
    for path in &args.dev {
        if !is_marked_text(path) {
            bail!(
                "{} is not a file of marked texts (.jsonl), which an error tagger is evaluated on; \
                 --synthetic-dev holds out clean text instead",
                path.display()
            );
        }
        marked.extend(spans::read(path)?);
    }
    Ok(TaskData::ErrorMarks { train, dev: marked })
}

/// What the files at `paths` hold together; none if there are none.
fn joined<T>(
    paths: &[PathBuf],
    read: impl Fn(&Path) -> Result<T, Error>,
    add: impl Fn(&mut T, T),
) -> Result<Option<T>, Error> {
    let mut all: Option<T> = None;
    for path in paths {
        let more = read(path)?;
        match &mut all {
            Some(all) => add(all, more),
            None => all = Some(more),
        }
    }
    Ok(all)
}

fn add_texts(all: &mut LabelledTexts, more: LabelledTexts) {
    all.texts.extend(more.texts);
}

fn add_sentences(all: &mut LabelledSentences, more: LabelledSentences) {
    all.sentences.extend(more.sentences);
}

/// Sentences with synthetic errors: a training set, and a dev set if text is held out for it.
fn with_synthetic_errors(
    paths: &[PathBuf],
    args: &SyntheticErrorArgs,
    progress: &mut TrainingProgress<'_>,
) -> anyhow::Result<(LabelledSentences, Option<LabelledSentences>)> {
    let misspellings = match &args.misspellings {
        Some(path) => Some(Misspellings::read(path, &REDISTRIBUTABLE_SOURCES)?),
        None => None,
    };
    let settings = SyntheticErrorSettings {
        misspellings,
        ..SyntheticErrorSettings::default()
    };
    let mut made = |paths: &[PathBuf], sentences: usize| -> anyhow::Result<LabelledSentences> {
        progress.started("making synthetic errors in clean text");
        let files = text_files::files(paths)?;
        let each = sentences.div_ceil(files.len().max(1));
        let mut all: Option<LabelledSentences> = None;
        // From each file a share, so that no kind of text crowds out the others.
        for (number, file) in files.into_iter().enumerate() {
            let mut failed = None;
            let documents = text_files::Documents::of(vec![file]).map_while(|document| {
                document
                    .map(|document| document.text)
                    .map_err(|err| failed = Some(err))
                    .ok()
            });
            let settings = SyntheticErrorSettings {
                seed: number as u64,
                ..settings.clone()
            };
            let tagged = generate(documents, &settings, each)?.data;
            if let Some(err) = failed {
                return Err(err.into());
            }
            match &mut all {
                Some(all) => add_sentences(all, tagged),
                None => all = Some(tagged),
            }
        }
        let all = all.filter(|all| !all.sentences.is_empty());
        all.ok_or_else(|| anyhow!("there is no sentence in {}", named(paths)))
    };
    let train = made(paths, args.synthetic_sentences)?;
    let dev = match args.synthetic_dev.as_slice() {
        [] => None,
        held => Some(made(held, DEV_SENTENCES)?),
    };
    Ok((train, dev))
}

/// Sentences of the dev set that is made of clean text.
const DEV_SENTENCES: usize = 5_000;

/// Labels each text as acceptable (no marked word) or not.
fn acceptability(tagged: &LabelledSentences) -> LabelledTexts {
    let texts = tagged.sentences.iter().map(|sentence| LabelledText {
        text: sentence.words.join(" "),
        pair: None,
        target: Target::Label(usize::from(sentence.tags.iter().all(|&tag| tag == 0))),
    });
    LabelledTexts {
        labels: glue::GlueTask::Cola
            .labels()
            .iter()
            .map(|&label| label.to_owned())
            .collect(),
        problem: Problem::SingleLabel,
        texts: texts.collect(),
    }
}

fn named(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}

/// Trains on `material`, and says what came of it.
fn train(
    global: &Global,
    catalog: &Catalog,
    material: &TaskData,
    args: &TrainingArgs,
    files: &Files,
    epochs: Option<f64>,
    mut progress: TrainingProgress<'_>,
) -> anyhow::Result<Exit> {
    let Some(out) = &args.out else {
        bail!("name a folder for the checkpoint with --out");
    };
    // What the settings file says of precision is meant for reading.
    let precision = global.precision.as_deref().unwrap_or("auto");
    if !matches!(precision, "auto" | "f32") {
        bail!("cannot fine-tune in {precision:?}; it must be auto or f32");
    }
    let from = catalog.with_model(&args.from);
    let (base, revision) = from.open_model(&mut PrintedProgress::new(global))?;
    if let Some(note) = base.weights.remark() {
        messages::remark(global, note);
    }
    let (device, note) = device::choose(&catalog.settings().device)?;
    note.iter().for_each(|note| messages::remark(global, note));
    let usual = FinetuneSettings::for_task(material.task(), args.lora.map(usize::from));
    let layer_decay = match args.layer_decay {
        Some(factor) => (factor < 1.0).then_some(factor),
        None => usual.layer_decay,
    };
    let wanted = args.max_length.map(|length| length as usize);
    let settings = FinetuneSettings {
        epochs: args.epochs.or(epochs).unwrap_or(usual.epochs),
        batch_size: args.batch_size as usize,
        learning_rate: args.learning_rate.unwrap_or(usual.learning_rate),
        layer_decay,
        warmup: args.warmup,
        weight_decay: args.weight_decay,
        max_length: features::window_length(
            material.task(),
            wanted,
            base.config.max_position_embeddings,
        )?,
        seed: args.seed,
        evaluate_every: args.evaluate_every,
        ..usual
    };
    let (folder, state) = if args.resume {
        let (folder, state) = OutputFolder::resume(out)?;
        (folder, Some(state))
    } else {
        (OutputFolder::create(out)?, None)
    };
    let provenance = Provenance {
        base: match revision {
            Some(revision) => format!("{}@{revision}", args.from),
            None => args.from.clone(),
        },
        train: shown(&files.train),
        dev: shown(&files.dev),
        data: args.data_note.clone(),
        licence: args.licence.clone(),
        command: command(),
        notice: (args.from == "builtin").then(|| builtin::PAIR.notice.to_owned()),
    };
    let run = FinetuneRun {
        base: &base,
        data: material,
        settings: &settings,
        folder: &folder,
        provenance: &provenance,
        device: &device,
    };
    // So many minutes that they are no length of time are never over.
    let every = Duration::try_from_secs_f64(args.save_every * 60.0).unwrap_or(Duration::MAX);
    let table = label_table(material);
    progress.message(&electroscope_text::visible(&table.line()));
    for warning in table.warnings() {
        progress.message(&electroscope_text::visible(&warning));
    }
    let outcome = run.run(state, every, &mut progress);
    progress.finish();
    match outcome? {
        FinetuneOutcome::Finished(finished) => {
            messages::remark(global, &told(&finished, out, material, progress.loss()));
            Ok(Exit::Clean)
        }
        FinetuneOutcome::Stopped { step, steps } => {
            messages::remark(
                global,
                &format!(
                    "stopped after step {step} of {steps}; the same command with --resume goes on"
                ),
            );
            Ok(Exit::Code(progress.exit_code()))
        }
    }
}

/// The labels of the training data.
fn label_table(material: &TaskData) -> LabelTable {
    match material {
        TaskData::Texts { train, .. } => LabelTable::of_texts(train),
        TaskData::Questions { train, .. } => LabelTable::of_questions(train),
        TaskData::Tags { train, .. } | TaskData::ErrorMarks { train, .. } => {
            LabelTable::of_words(train)
        }
    }
}

/// What came of a training: its scores, if there were any, and a line with the loss, the time, the
/// labels and how to use it.
fn told(finished: &FinetuneResult, out: &Path, material: &TaskData, loss: Option<f64>) -> String {
    /// Labels that are named before the rest is only counted.
    const MOST: usize = 8;
    let mut text = String::new();
    if let Some(scores) = &finished.best_scores {
        let values = scores
            .values
            .iter()
            .map(|(name, value)| format!("{name} {value:.4}"));
        let values: Vec<String> = values.collect();
        text.push_str(&format!(
            "best on dev after step {} of {}: {}\n",
            finished.step,
            finished.steps,
            values.join(", ")
        ));
    }
    let mut parts = vec![format!("{} steps", finished.steps)];
    parts.extend(loss.map(|loss| format!("loss {loss:.3}")));
    let time = Duration::try_from_secs_f64(finished.seconds).unwrap_or_default();
    parts.push(HumanDuration(time).to_string());
    let labels = material.labels();
    if !labels.is_empty() {
        let named = labels.iter().take(MOST).map(String::as_str);
        let mut named: Vec<&str> = named.collect();
        let more = format!("{} more", labels.len().saturating_sub(MOST));
        if labels.len() > MOST {
            named.push(&more);
        }
        let named = electroscope_text::visible(&named.join(", "));
        parts.push(format!("labels {named}"));
    }
    let example = match material.task() {
        Task::Classification => "classify --head {} FILE",
        Task::QuestionAnswering => "ask --head {} QUESTION FILE",
        Task::Tagging => "tag --head {} FILE",
    };
    let path = out.display().to_string();
    let example = example.replace("{}", &shell_words::quote(&path));
    text.push_str(&format!(
        "wrote {path} ({}); use it: electroscope {example}",
        parts.join("; ")
    ));
    text
}

fn shown(paths: &[PathBuf]) -> Vec<String> {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

/// The command that was typed, for the card, without what only told where to go on.
fn command() -> String {
    let words = std::env::args().skip(1).filter(|word| word != "--resume");
    let words: Vec<String> = std::iter::once("electroscope".to_owned())
        .chain(words)
        .collect();
    shell_words::join(&words)
}
