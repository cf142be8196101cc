//! The commands: what can be typed, and the exit code.
//!
//! Arguments are taken in two steps: clap fills the structs here with what was typed; each command
//! in its own file turns that into what it means and does it. Errors travel up with their context
//! and are printed once, here.

mod ask;
mod changes;
mod classify;
mod dictionary;
mod evaluate;
mod evidence;
mod finetune;
mod fix;
mod global_flags;
mod head_commands;
mod lsp;
mod manual;
mod messages;
mod model;
mod model_identity;
mod prefetch;
mod pretrain;
mod progress;
mod score;
mod score_checks;
mod setup;
mod shell;
mod sources;
mod stop_signals;
mod suggestions;
mod tag;
mod terminal;
mod threads;
mod training_progress;
mod view;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{FalseyValueParser, PossibleValuesParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::report::theme::Theme;
use crate::report::{Format, HeadFormat};
use crate::settings::{ColorChoice, Lens};
use electroscope_model::Task;

/// What an exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing to report.
    Clean,
    /// Words over the threshold.
    Findings,
    /// Something failed.
    Failed,
    /// What the screen ended with.
    Code(u8),
}

/// Reads the length of a window.
fn window(typed: &str) -> Result<usize, String> {
    /// Room for a question cut to a third, three special tokens and some text.
    const LEAST: usize = 8;
    match typed.parse() {
        Ok(tokens) if tokens >= LEAST => Ok(tokens),
        _ => Err(format!("it must be a number of tokens, {LEAST} or more")),
    }
}

/// A live heat map of the words that do not belong.
#[derive(Debug, Parser)]
#[command(
    name = "electroscope",
    version,
    about = "A live heat map, in the terminal, of the words an ELECTRA model doubts",
    long_about = "A live heat map, in the terminal, of the words an ELECTRA model doubts.\n\n\
        Opens documents and paints each word by how likely the model thinks it was put in the place \
        of another. Save the file in an editor and the picture follows. The model is carried \
        inside: nothing is downloaded unless another one is named.",
    override_usage = "electroscope [OPTIONS] [FILE|DIR]...\n       electroscope [OPTIONS] <COMMAND>",
    max_term_width = 100,
    after_help = "Examples:\n  \
        electroscope notes.md                      open a document and watch it\n  \
        electroscope docs/                         open the documents of a folder\n  \
        git show HEAD:notes.md | electroscope --language markdown\n  \
        electroscope score --lens errors docs/     print words that may be errors, for scripts\n  \
        electroscope score docs/                   print words that look replaced\n  \
        electroscope tag notes.md                  names of persons, places and the like\n  \
        electroscope help score                    what a command takes\n\n\
        Exit codes: 0 nothing to report, 1 flagged words (score), 2 something failed, 130 Ctrl-C."
)]
pub struct Cli {
    #[command(flatten)]
    view: ViewArgs,
    // After the others: its heading would stand over all that follows.
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// Discriminator: `builtin`, a folder in Hugging Face layout, or a hub id [default: builtin]
    #[arg(
        long,
        global = true,
        value_name = "builtin|DIR|HUB_ID",
        env = "ELECTROSCOPE_MODEL",
        hide_env_values = true
    )]
    model: Option<String>,
    /// Fine-tuned head for `classify`, `ask`, `tag`, `evaluate`, and `score --lens errors`: builtin:NAME,
    /// a folder in Hugging Face layout, a hub id, or a name from the settings [default: as in the
    /// settings, else a built-in one]
    #[arg(
        long,
        global = true,
        value_name = "builtin:NAME|DIR|HUB_ID",
        env = "ELECTROSCOPE_HEAD",
        hide_env_values = true
    )]
    head: Option<String>,
    /// Branch, tag or commit of a hub model; of the head, where one reads [default: main]
    #[arg(
        long,
        global = true,
        value_name = "REV",
        env = "ELECTROSCOPE_REVISION",
        hide_env_values = true
    )]
    revision: Option<String>,
    /// Where to compute: auto, cpu, cuda, cuda:N [default: auto]
    #[arg(
        long,
        global = true,
        value_name = "DEVICE",
        env = "ELECTROSCOPE_DEVICE",
        hide_env_values = true
    )]
    device: Option<String>,
    /// What to compute in: auto (by processor and model), f32, int8, or on a GPU bf16 [default: auto]
    #[arg(
        long,
        global = true,
        value_name = "PRECISION",
        env = "ELECTROSCOPE_PRECISION",
        hide_env_values = true
    )]
    precision: Option<String>,
    /// Threads to compute with [default: all cores]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "ELECTROSCOPE_THREADS",
        hide_env_values = true
    )]
    threads: Option<usize>,
    /// Tokens that the model reads at once, at most; the time grows with the square [default: 2048, or
    /// what the model has room for; 128 for evaluate rtd]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "ELECTROSCOPE_WINDOW",
        hide_env_values = true,
        value_parser = window
    )]
    window: Option<usize>,
    /// Open no socket; hub models come from the cache or not at all
    #[arg(
        long,
        global = true,
        env = "ELECTROSCOPE_OFFLINE",
        hide_env_values = true,
        value_parser = FalseyValueParser::new()
    )]
    offline: bool,
    /// Settings file [default: see `electroscope paths`]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ELECTROSCOPE_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
    /// When to use colour [default: auto]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = "ELECTROSCOPE_COLOR",
        hide_env_values = true
    )]
    color: Option<ColorChoice>,
    /// Print nothing but results and errors
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Log what is done to standard error, or from the screen to a file; twice for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Log to FILE
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ELECTROSCOPE_LOG",
        hide_env_values = true
    )]
    log: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open documents on the screen (the same as naming them without a command)
    #[command(after_help = "Examples:\n  \
        electroscope view notes.md draft.txt\n  \
        electroscope view --threshold 0.8 docs/   flag only what is very doubtful\n  \
        electroscope view --lens errors notes.md  show errors, not words that look replaced\n  \
        electroscope view --language plain a.md   take the markup for prose, too\n\n\
        Press ? on the screen for its keys.")]
    View(ViewArgs),
    /// Print the words of documents that the model doubts or marks as errors, without a screen
    ///
    /// Each word has a number p from 0 to 1: how likely the model thinks it was put in the place of
    /// another, or with --lens errors, how likely a tagger of errors thinks it is one. Words at or above
    /// the threshold are flagged, and if any is, the exit code is 1. Of a format that is known only the
    /// prose is scored (see --language), of a program only the comments; of a folder, the files that hold
    /// prose are taken (.md, .txt, .rst, .adoc, .tex, .org, .typ, .html and the like), as .gitignore allows.
    Score(ScoreArgs),
    /// Mend flagged words, one by one
    ///
    /// For each flagged word the verified suggestions are shown: what the discriminator, having read it in
    /// the place of the word, thinks likelier. Answer with the number of one, with Enter to keep the
    /// word, or with q to end. The file is written once, at the end, and only if it is still the file
    /// that was read. Of a format that is known only the prose is changed; nothing outside of the words
    /// that you changed is.
    ///
    /// With --all nothing is asked: the best suggestion is taken where it is certain enough. The
    /// certainty is how likely it is right, all other candidates and the word itself considered.
    Fix(fix::FixArgs),
    /// Label documents, paragraphs or sentences with a fine-tuned head
    ///
    /// Each label has a number p: its probability, from 0 to 1; the labels of a text share one between
    /// them, unless the head was trained to give several at once. A document as a whole has the mean
    /// of the probabilities of its windows, for a window is all that the model can read at a time. A
    /// head that was trained for a regression rates instead: p is the value itself, on the scale it
    /// was trained with. Of a format that is known only the prose is read (see --language).
    ///
    /// Into a pipe goes a line `path:line:column: label p text` for the likeliest label of each text,
    /// or for each of those that rather apply than not where there may be several.
    Classify(ClassifyArgs),
    /// Find the answer to a question in documents with a fine-tuned head
    ///
    /// An answer is a stretch of a document; the head can only point, not put into words. For people
    /// and into a pipe there is one list, the best first over all documents, and p is an answer's
    /// share of that list; in JSON each document has its own. Where the head was trained with
    /// questions that have no answer, that there is none stands in the list too.
    ///
    /// Into a pipe goes a line `path:line:column: p answer` for each answer that is likelier than that
    /// there is none.
    Ask(AskArgs),
    /// Label words, and the names they make up, with a fine-tuned head
    ///
    /// A word has the label of its first piece, and p is the probability of that label. Runs of words
    /// that belong together (B-PER I-PER, and the like) become entities, whose p is the mean of their
    /// words'. Of a format that is known only the prose is read (see --language).
    ///
    /// Into a pipe goes a line `path:line:column: label p text` for each entity, or for each word, if
    /// the head's labels mark no entities; JSON has both.
    Tag(TagArgs),
    /// Accept words, so that they are flagged nowhere
    ///
    /// There is a dictionary of the user (`electroscope paths` shows it) and one of each project, in
    /// `.electroscope/dictionary.txt`, found upwards from each document. One word a line, comments after
    /// #. A lower-case entry accepts its word in any case, one with a capital only as it is written; the
    /// possessive is accepted along. Accepted words keep their p, and are not flagged.
    #[command(
        subcommand,
        disable_help_subcommand = true,
        after_help = "Examples:\n  \
            electroscope dictionary add kubectl Weber\n  \
            electroscope dictionary add --project electroscope\n  \
            electroscope dictionary list --project\n\n\
            Exit codes: 0 done, 2 something failed."
    )]
    Dictionary(DictionaryCommand),
    /// Serve an editor: diagnostics, fixes and explanations by the Language Server Protocol
    ///
    /// Reads requests from standard input and answers on standard output. What is scored is the text in
    /// the editor, saved or not; in Markdown only the prose. Fixes are the verified suggestions, adding the
    /// word to a dictionary, and marks that silence it. The editor can set lens, threshold and more.
    Lsp(lsp::LspArgs),
    /// Train a head on labelled data: classification, qa or tagging
    ///
    /// The checkpoint is written in Hugging Face layout, with a card; `--head DIR` reads with it. While
    /// it is trained, the folder holds what is needed to go on after an interruption (`--resume`).
    /// Defaults are those of ELECTRA's authors.
    #[command(
        subcommand,
        disable_help_subcommand = true,
        after_help = "Examples:\n  \
            electroscope finetune classification --train mails.csv --text body --label folder --out mails\n  \
            electroscope finetune qa --train train-v2.0.json --dev dev-v2.0.json --out qa\n  \
            electroscope finetune tagging --train train.conll --dev dev.conll --lora 16 --out ner\n\n\
            Exit codes: 0 trained, 2 something failed, 129 saved at SIGHUP, 130 saved at Ctrl-C, 143 saved at SIGTERM."
    )]
    Finetune(finetune::FinetuneCommand),
    /// Pre-train a generator and a discriminator on running text
    ///
    /// ELECTRA's own objective: part of the tokens are masked, a small generator fills them in, and
    /// the discriminator learns to tell which tokens are not the text's own. What it is worth is
    /// measured on text that is held out, ten times in the course of the training, and goes to
    /// standard output at the end.
    ///
    /// Text goes in as files, folders or patterns, plain or compressed with Zstandard; it is read as a
    /// stream and may be larger than memory. A training can be interrupted at any time, and goes on
    /// with --resume to the very same result.
    Pretrain(Box<pretrain::PretrainArgs>),
    /// Measure what a model is worth
    #[command(
        subcommand,
        disable_help_subcommand = true,
        after_help = "Examples:\n  \
            electroscope evaluate rtd held-out.txt\n  \
            electroscope evaluate classification --task sst2 glue/SST-2\n  \
            electroscope evaluate qa dev-v2.0.json\n  \
            electroscope evaluate tagging dev.conll\n  \
            electroscope evaluate errors corrections.jsonl\n\n\
            Exit codes: 0 measured, 2 something failed, 130 Ctrl-C."
    )]
    Evaluate(evaluate::EvaluateCommand),
    /// List, describe, download and export models
    #[command(
        subcommand,
        disable_help_subcommand = true,
        after_help = "Examples:\n  \
            electroscope model list\n  \
            electroscope model pull google/electra-small-discriminator\n  \
            electroscope --model google/electra-small-discriminator notes.md"
    )]
    Model(ModelCommand),
    // The largest by far.
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  \
        electroscope completions bash > ~/.local/share/bash-completion/completions/electroscope\n  \
        electroscope completions zsh > ~/.zfunc/_electroscope    with ~/.zfunc in $fpath\n  \
        electroscope completions fish > ~/.config/fish/completions/electroscope.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one per command into a folder
    #[command(after_help = "Examples:\n  \
        electroscope man | man -l -\n  \
        electroscope man --out ~/.local/share/man/man1")]
    Man {
        /// Folder to write `electroscope.1` and the pages of the commands into
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print where settings, models and logs are
    #[command(after_help = "Examples:\n  \
        electroscope paths\n  \
        electroscope paths --example > ~/.config/electroscope/config.toml")]
    Paths {
        /// Print a settings file with every setting explained instead
        #[arg(long)]
        example: bool,
    },
}

/// How the text of documents is taken.
#[derive(Clone, Debug, Default, Args)]
struct InputArgs {
    /// Which parts of a document are prose
    #[arg(
        long,
        value_name = "LANGUAGE",
        default_value = "auto",
        env = "ELECTROSCOPE_LANGUAGE",
        hide_env_values = true
    )]
    language: LanguageChoice,
    /// The name of the file that comes on standard input: it says which parts are prose, and stands in
    /// the output
    #[arg(long, value_name = "NAME")]
    stdin_filename: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
struct ViewArgs {
    /// Documents, folders of documents, or `-` for standard input
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Flag words whose p is P or more, from 0 to 1 [default: the model's own, else 0.5]
    #[arg(long, value_name = "P", env = "ELECTROSCOPE_THRESHOLD", hide_env_values = true, value_parser = probability)]
    threshold: Option<f32>,
    #[command(flatten)]
    input: InputArgs,
    /// Colours of the screen
    #[arg(
        long,
        value_name = "THEME",
        env = "ELECTROSCOPE_THEME",
        hide_env_values = true,
        value_parser = PossibleValuesParser::new(Theme::NAMES)
    )]
    theme: Option<String>,
    /// What the heat map shows [default: as in the settings, else what it showed last time]
    #[arg(
        long,
        value_name = "LENS",
        env = "ELECTROSCOPE_LENS",
        hide_env_values = true
    )]
    lens: Option<Lens>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope score --lens errors notes.md         words that may be errors of writing\n  \
        electroscope score notes.md                       words that look replaced\n  \
        echo 'She have two cat.' | electroscope score --lens errors\n  \
        electroscope score --format json docs/ | jq '.documents[].summary'\n  \
        git show HEAD:notes.md | electroscope score --stdin-filename notes.md\n  \
        electroscope score --language markdown draft      read a file without an extension as Markdown\n  \
        electroscope score --format github docs/          annotate a pull request\n  \
        electroscope score --since HEAD docs/             only words on lines that have changed\n  \
        electroscope score --suggest notes.md             with words that would fit better\n  \
        electroscope score --only-verified letter.md      only words that another would better\n  \
        electroscope score --max-flagged 3 draft.txt      fail from the fourth flagged word on\n  \
        electroscope score --baseline known.json --update-baseline docs/   take what is there for known\n  \
        electroscope score --baseline known.json docs/    only what is new since then\n  \
        electroscope score --calibrate accepted/*.md      find the threshold on text that is fine\n\n\
        Exit codes: 0 no word is flagged (or --exit-zero, or no more than --max-flagged), 1 some are \
        (or marks are of no use, with --report-unused-marks), 2 something failed, 130 Ctrl-C.\n\n\
        Marks in comments silence a place: <!-- electroscope-disable-next-line -->, \
        electroscope-disable-line, electroscope-disable and electroscope-enable, \
        electroscope-disable-file; for some words only if these follow. cspell:ignore WORD is honoured. \
        A baseline knows findings by their words and the two on each side, and belongs to a model, a \
        lens and a threshold.")]
struct ScoreArgs {
    /// Documents, folders of documents, or `-` for standard input [default: `-` if it is a pipe]
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// How to write what was found [default: pretty on a terminal, compact into a pipe]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Flag words whose p is P or more, from 0 to 1 [default: the model's own, else 0.5]
    #[arg(long, value_name = "P", env = "ELECTROSCOPE_THRESHOLD", hide_env_values = true, value_parser = probability)]
    threshold: Option<f32>,
    /// What is asked of each word, and so which model answers [default: replaced]
    #[arg(long, value_name = "LENS")]
    lens: Option<Lens>,
    /// Flag punctuation, too
    #[arg(long)]
    punctuation: bool,
    #[command(flatten)]
    suggestions: suggestions::SuggestionArgs,
    /// Exit with 0 even if words are flagged
    #[arg(long)]
    exit_zero: bool,
    /// Exit with 0 as long as at most N words are flagged, in all documents together
    #[arg(long, value_name = "N", conflicts_with = "exit_zero")]
    max_flagged: Option<usize>,
    /// Flag only words on lines that have changed since REV, a revision that git knows
    #[arg(long, value_name = "REV")]
    since: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    /// Report only findings that are not in FILE, which --update-baseline writes
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings to the baseline, and report none
    #[arg(long, requires = "baseline", conflicts_with_all = ["prune_baseline", "since"])]
    update_baseline: bool,
    /// Drop from the baseline what is not found any more
    #[arg(long, requires = "baseline", conflicts_with = "since")]
    prune_baseline: bool,
    /// Report marks in the text that silence nothing, and exit with 1 if there are any
    #[arg(long)]
    report_unused_marks: bool,
    /// Score nothing, but find the threshold on these texts, which you are content with, and write it
    /// to the settings
    #[arg(long, conflicts_with_all = ["format", "exit_zero", "max_flagged", "since", "baseline", "report_unused_marks"])]
    calibrate: bool,
    /// The share of the words of those texts that may be flagged
    #[arg(long, value_name = "SHARE", default_value = "0.01", requires = "calibrate", value_parser = probability)]
    false_alarms: f32,
}

/// What `classify`, `ask` and `tag` have in common.
#[derive(Clone, Debug, Args)]
struct HeadArgs {
    /// Documents, folders of documents, or `-` for standard input [default: `-` if it is a pipe]
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// How to write what was found [default: pretty on a terminal, compact into a pipe]
    #[arg(long, value_name = "FORMAT")]
    format: Option<HeadFormat>,
    #[command(flatten)]
    input: InputArgs,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = head_commands::after_help(Task::Classification, "  \
        electroscope classify --head builtin:sentiment reviews/\n  \
        electroscope classify --head builtin:acceptability --unit sentence review.txt\n  \
        electroscope classify --format jsonl reviews/ | jq '.units[].labels[0]'\n  \
        git log -1 --format=%B | electroscope classify --unit document"))]
struct ClassifyArgs {
    #[command(flatten)]
    common: HeadArgs,
    /// What gets labels of its own
    #[arg(long, value_name = "UNIT", default_value = "paragraph")]
    unit: UnitChoice,
}

/// What gets labels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum UnitChoice {
    /// The document as a whole: the mean of the probabilities of its windows
    Document,
    /// Each block of prose
    Paragraph,
    /// Each sentence
    Sentence,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = head_commands::after_help(Task::QuestionAnswering, "  \
        electroscope ask 'When does the bridge open?' notes.md\n  \
        electroscope ask --answers 1 'Who built the bridge?' docs/\n  \
        electroscope ask --format json 'Who built the bridge?' docs/ | jq '.documents[].answers[0]'"))]
struct AskArgs {
    /// The question, in words, as the head's language has it
    #[arg(value_name = "QUESTION")]
    question: String,
    #[command(flatten)]
    common: HeadArgs,
    /// The most answers to show, of each document in JSON and of all of them elsewhere
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u8).range(1..=20))]
    answers: u8,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = head_commands::after_help(Task::Tagging, "  \
        electroscope tag notes.md\n  \
        electroscope tag --head builtin:pos draft.txt\n  \
        electroscope tag docs/ | grep ' person '\n  \
        electroscope tag --format json notes.md | jq '.documents[].entities'"))]
struct TagArgs {
    #[command(flatten)]
    common: HeadArgs,
}

/// Which parts of a document are prose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LanguageChoice {
    /// As its extension says, or the first line of a script without one; else plain
    #[default]
    Auto,
    /// All of the text
    Plain,
    /// What a reader sees as sentences: no front matter, code, URLs, HTML or math
    Markdown,
    /// As Markdown, and no imports, elements and expressions of MDX
    Mdx,
    /// reStructuredText: no directives' arguments, literal blocks or roles that name code
    Rst,
    /// AsciiDoc: no attributes, listings or macros
    Asciidoc,
    /// LaTeX: the body, titles and captions, without math and what commands do not print
    Latex,
    /// Org: no keywords, drawers, source blocks or timestamps
    Org,
    /// Typst: text and content blocks, without code, raw text and equations
    Typst,
    /// HTML: the text of the body, without `<pre>`, scripts and the like
    Html,
    /// The comments of a Rust program, as Markdown
    Rust,
    /// The comments of a Python program, and its docstrings
    Python,
    /// The comments of a JavaScript or TypeScript program
    #[value(aliases = ["typescript", "js", "ts"])]
    Javascript,
    /// The comments of a Go program
    Go,
    /// The comments of a C or C++ program
    #[value(aliases = ["cpp", "c++"])]
    C,
    /// The comments of a Java program
    Java,
    /// The comments of a shell script
    #[value(aliases = ["sh", "bash"])]
    Shell,
}

/// Whose dictionary.
#[derive(Clone, Copy, Debug, Args)]
struct DictionaryArgs {
    /// The user's dictionary, for all documents (the default)
    #[arg(long, conflicts_with = "project")]
    user: bool,
    /// The project's, found upwards from this folder, or made where .git is
    #[arg(long)]
    project: bool,
}

#[derive(Debug, Subcommand)]
enum DictionaryCommand {
    /// Add words
    #[command(after_help = "Examples:\n  \
        electroscope dictionary add kubectl Weber\n  \
        electroscope dictionary add --project electroscope")]
    Add {
        /// The words
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
        #[command(flatten)]
        of: DictionaryArgs,
    },
    /// Remove words
    #[command(after_help = "Examples:\n  \
        electroscope dictionary remove kubectl\n  \
        electroscope dictionary remove --project electroscope")]
    Remove {
        /// The words, as they are written in the dictionary
        #[arg(value_name = "WORD", required = true)]
        words: Vec<String>,
        #[command(flatten)]
        of: DictionaryArgs,
    },
    /// Print the words, one a line
    #[command(after_help = "Examples:\n  \
        electroscope dictionary list\n  \
        electroscope dictionary list --project | sort")]
    List {
        #[command(flatten)]
        of: DictionaryArgs,
    },
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// List the built-in model, the cached ones and the one that is set
    #[command(after_help = "Examples:\n  \
        electroscope model list\n  \
        electroscope model list --json | jq -r '.models[].id'")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe a model: sizes, threshold, licence, file hashes
    #[command(after_help = "Examples:\n  \
        electroscope model info\n  \
        electroscope model info google/electra-small-discriminator\n  \
        electroscope model info --json mini/ | jq .threshold")]
    Info {
        /// The model [default: the one that is set]
        #[arg(value_name = "builtin|DIR|HUB_ID")]
        id: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Download a model into the cache that all Hugging Face programs share
    #[command(after_help = "Examples:\n  \
        electroscope model pull google/electra-small-discriminator\n  \
        electroscope model pull --revision v2 my-org/my-electra\n\n\
        Prints the folder it lies in. What is there already is not downloaded again, and what was cut \
        off goes on where it stopped.")]
    Pull {
        /// The model: NAME or ORGANISATION/NAME
        #[arg(value_name = "HUB_ID")]
        id: String,
    },
    /// Compare the files of cached models with the hashes that they are kept under
    #[command(after_help = "Examples:\n  \
        electroscope model verify\n  \
        electroscope model verify google/electra-small-discriminator\n\n\
        Downloads are compared when they arrive; this finds what has changed on the disk since.\n\n\
        Exit codes: 0 all are sound, 2 one is damaged or a model is not in the cache, 130 Ctrl-C.")]
    Verify {
        /// The models [default: all in the cache]
        #[arg(value_name = "HUB_ID")]
        ids: Vec<String>,
    },
    /// Write a model in Hugging Face layout, so that transformers loads it
    #[command(after_help = "Examples:\n  \
        electroscope model export mini/\n  \
        electroscope model export --packed --model DISCRIMINATOR --generator GENERATOR assets/builtin\n  \
        electroscope model export --packed-head sentiment --head FOLDER assets/heads\n\n\
        The second is how the built-in pair is replaced, and the third how a head is put into the \
        binary (assets/heads/README.md): build again after it.")]
    Export {
        /// The folder to make; the generator goes into `generator/` below it
        #[arg(value_name = "DIR")]
        out: PathBuf,
        /// The generator to write along
        #[arg(long, value_name = "DIR")]
        generator: Option<PathBuf>,
        /// Write the compact form that is carried in the binary
        #[arg(long, requires = "generator")]
        packed: bool,
        /// Write the head that --head names in the compact form, to be carried under this name
        #[arg(long, value_name = "NAME", conflicts_with_all = ["packed", "generator"])]
        packed_head: Option<String>,
    },
}

/// Reads a number from 0 to 1.
fn probability(typed: &str) -> Result<f32, String> {
    match typed.parse::<f32>() {
        Ok(p) if (0.0..=1.0).contains(&p) => Ok(p),
        _ => Err("it must be a number from 0 to 1".to_owned()),
    }
}

/// Runs the program on its own arguments.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// The command line.
fn command() -> clap::Command {
    global_flags::tailored(Cli::command())
}

/// Reads the arguments.
fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(args)?;
    // What the screen takes may stand without a command, but before another one it would be taken in
    // silence and do nothing.
    if let Some((name, _)) = matches.subcommand() {
        let stray = [
            "paths",
            "threshold",
            "language",
            "stdin_filename",
            "theme",
            "lens",
        ]
        .into_iter()
        .find(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        if let Some(id) = stray {
            let message = match id {
                "paths" => format!("documents stand after the command: electroscope {name} FILE"),
                _ => {
                    let flag = id.replace('_', "-");
                    format!("--{flag} stands after the command: electroscope {name} --{flag} …")
                }
            };
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
    } else if let Some(mut paths) = matches.get_many::<PathBuf>("paths")
        && let Some(first) = paths.next()
        && let Some(meant) = misspelt_command(&command, first)
    {
        let message = format!(
            "there is no command and no file {:?}; did you mean `{meant}`?",
            first.display().to_string()
        );
        return Err(command.error(ErrorKind::InvalidSubcommand, message));
    }
    global_flags::check(&mut command, &matches)?;
    Cli::from_arg_matches(&matches).map_err(|err| err.format(&mut command))
}

/// The command that `typed` is close to, if there is no such file.
fn misspelt_command(command: &clap::Command, typed: &Path) -> Option<String> {
    /// Letters that may be wrong, left out or too many.
    const MOST_WRONG: usize = 2;
    let word = typed.to_str()?.to_lowercase();
    let is_word = word.chars().all(|c| c.is_alphabetic() || c == '-');
    if word.is_empty() || !is_word || typed.symlink_metadata().is_ok() {
        return None;
    }
    let names = command.get_subcommands().map(|command| command.get_name());
    let names = names.chain(["help"]).map(|name| {
        let is_start = word.len() >= 3 && name.starts_with(&word);
        let wrong = strsim::damerau_levenshtein(&word, name);
        (if is_start { 0 } else { wrong }, name)
    });
    let close = names.filter(|(wrong, name)| {
        // Of a short word two wrong letters are most of it.
        *wrong <= MOST_WRONG.min(name.len().saturating_sub(1) / 2)
    });
    close.min().map(|(_, name)| name.to_owned())
}

/// Runs the program on `args`, the program's name first.
fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(err) => {
            // Help and version are printed to standard output and are no failure.
            let code = if err.use_stderr() {
                Exit::Failed
            } else {
                Exit::Clean
            };
            return match err.print() {
                Err(err) if err.kind() != std::io::ErrorKind::BrokenPipe => exit(Exit::Failed),
                _ => exit(code),
            };
        }
    };
    finish(|| dispatch(cli))
}

/// Runs `command` and gives the exit code. A panic, which its hook has printed, is a failure like any
/// other: whoever calls the program must not take it for another of its exit codes.
fn finish(command: impl FnOnce() -> anyhow::Result<Exit>) -> ExitCode {
    let outcome = catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|panic| {
        Err(anyhow::Error::msg(crate::worker::thread::panic_message(
            &*panic,
        )))
    });
    match outcome {
        Ok(code) => exit(code),
        Err(err) if is_broken_pipe(&err) => exit(Exit::Clean),
        Err(err) => {
            messages::error(&messages::in_full(&err));
            exit(Exit::Failed)
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let global = cli.global;
    match cli.command {
        None => view::run(&global, &cli.view),
        Some(Command::View(args)) => view::run(&global, &args),
        Some(Command::Score(args)) => score::run(&global, &args),
        Some(Command::Fix(args)) => fix::run(&global, &args),
        Some(Command::Classify(args)) => classify::run(&global, &args),
        Some(Command::Ask(args)) => ask::run(&global, &args),
        Some(Command::Tag(args)) => tag::run(&global, &args),
        Some(Command::Dictionary(command)) => dictionary::run(&global, &command),
        Some(Command::Lsp(args)) => lsp::run(&global, &args),
        Some(Command::Finetune(command)) => finetune::run(&global, command),
        Some(Command::Model(command)) => model::run(&global, command),
        Some(Command::Pretrain(args)) => pretrain::run(&global, &args),
        Some(Command::Evaluate(command)) => evaluate::run(&global, &command),
        Some(Command::Completions { shell }) => shell::completions(&global, shell),
        Some(Command::Man { out }) => shell::man(out.as_deref()),
        Some(Command::Paths { example }) => shell::paths(&global, example),
    }
}

fn exit(code: Exit) -> ExitCode {
    ExitCode::from(match code {
        Exit::Clean => 0,
        Exit::Findings => 1,
        Exit::Failed => 2,
        Exit::Code(code) => code,
    })
}

/// Whether the reader of our output went away, as `head` does. That is no failure.
fn is_broken_pipe(err: &anyhow::Error) -> bool {
    err.chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|err| err.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_panic_is_a_failure() {
        let code = |command: fn() -> anyhow::Result<Exit>| format!("{:?}", finish(command));
        let failed = code(|| anyhow::bail!("as asked"));
        assert_eq!(code(|| panic!("as asked")), failed);
        assert_eq!(failed, format!("{:?}", ExitCode::from(2)));
        // On the threads that compute too.
        let on_another = || {
            rayon::scope(|threads| threads.spawn(|_| panic!("as asked")));
            Ok(Exit::Clean)
        };
        assert_eq!(code(on_another), failed);
    }

    #[test]
    fn a_word_close_to_a_command_is_taken_for_it_unless_there_is_such_a_file() {
        let root = command();
        let meant = |typed: &str| misspelt_command(&root, Path::new(typed));
        for (typed, name) in [
            ("scor", "score"),
            ("scroe", "score"),
            ("Score", "score"),
            ("clasify", "classify"),
            ("eval", "evaluate"),
            ("tga", "tag"),
            ("aks", "ask"),
            ("hlep", "help"),
            ("finetun", "finetune"),
        ] {
            assert_eq!(meant(typed).as_deref(), Some(name), "{typed}");
        }
        // `src` is a folder here, and the others are no slips of a command.
        for typed in ["src", "notes", "a", "to", "score.md", "docs/score"] {
            assert_eq!(meant(typed), None, "{typed}");
        }
        assert_eq!(meant("benches"), None);
    }

    #[test]
    fn a_probability_lies_between_0_and_1() {
        assert_eq!(probability("0.25"), Ok(0.25));
        assert!(
            ["-0.1", "1.5", "nan", "x"]
                .iter()
                .all(|typed| probability(typed).is_err())
        );
    }
}
