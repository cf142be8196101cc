//! The commands: what can be typed, and the exit code.
//!
//! Arguments are taken in two steps: clap fills the structs here with what was typed; each command
//! in its own file turns that into what it means and does it. Errors travel up with their context
//! and are printed once, here.

mod common;
mod model;
mod score;
mod shell;
mod view;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::report::Format;

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
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Examples:\n  \
        electroscope notes.md                 open a document and watch it\n  \
        electroscope docs/                    open the documents of a folder\n  \
        git show HEAD:notes.md | electroscope read standard input\n  \
        electroscope score --format json *.md score without a screen\n  \
        electroscope score docs/ || echo look fail a script on flagged words\n\n\
        Exit codes: 0 nothing to report, 1 words over the threshold (score), 2 failed, 130 Ctrl-C."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    view: ViewArgs,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
struct Global {
    /// Discriminator: `builtin`, a folder in Hugging Face layout, or a hub id
    #[arg(
        long,
        global = true,
        value_name = "builtin|DIR|HUB_ID",
        env = "ELECTROSCOPE_MODEL",
        hide_env_values = true
    )]
    model: Option<String>,
    /// Branch, tag or commit of a hub model
    #[arg(
        long,
        global = true,
        value_name = "REV",
        env = "ELECTROSCOPE_REVISION",
        hide_env_values = true
    )]
    revision: Option<String>,
    /// Where to compute: auto, cpu, cuda, cuda:N
    #[arg(
        long,
        global = true,
        value_name = "DEVICE",
        env = "ELECTROSCOPE_DEVICE",
        hide_env_values = true
    )]
    device: Option<String>,
    /// What to compute in: auto, f32, int8
    #[arg(
        long,
        global = true,
        value_name = "PRECISION",
        env = "ELECTROSCOPE_PRECISION",
        hide_env_values = true
    )]
    precision: Option<String>,
    /// Threads for the arithmetic [default: all cores]
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "ELECTROSCOPE_THREADS",
        hide_env_values = true
    )]
    threads: Option<usize>,
    /// Open no socket; hub models come from the cache or not at all
    #[arg(
        long,
        global = true,
        env = "ELECTROSCOPE_OFFLINE",
        hide_env_values = true
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
    /// Colour: auto, always, never
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
    /// Log more; once for information, twice for details
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Write a log to FILE
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ELECTROSCOPE_LOG",
        hide_env_values = true
    )]
    log: Option<PathBuf>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open documents on the screen (the same as naming them without a command)
    View(ViewArgs),
    /// Score documents without a screen
    Score(ScoreArgs),
    /// List, describe, download and export models
    #[command(subcommand, disable_help_subcommand = true)]
    Model(ModelCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one per command into a folder
    Man {
        /// Folder to write `electroscope.1` and the pages of the commands into
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print where settings, models and logs are
    Paths {
        /// Print a settings file with every setting explained instead
        #[arg(long)]
        example: bool,
    },
}

#[derive(Clone, Debug, Default, Args)]
struct ViewArgs {
    /// Documents, folders of documents, or `-` for standard input
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Flag words from this p on [default: the model's own]
    #[arg(long, value_name = "P", env = "ELECTROSCOPE_THRESHOLD", hide_env_values = true, value_parser = probability)]
    threshold: Option<f32>,
    /// Which parts are prose
    #[arg(
        long,
        value_name = "LANGUAGE",
        default_value = "auto",
        env = "ELECTROSCOPE_LANGUAGE",
        hide_env_values = true
    )]
    language: LanguageChoice,
    /// Colours of the screen: dark, light, ansi-16, mono
    #[arg(
        long,
        value_name = "THEME",
        env = "ELECTROSCOPE_THEME",
        hide_env_values = true
    )]
    theme: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
    electroscope score notes.md\n  \
    electroscope score --format json docs/ | jq '.documents[].summary'\n  \
    echo 'The committee approved the banana.' | electroscope score\n  \
    electroscope score --calibrate accepted/*.md   find the threshold on text that is fine\n\n\
    Formats: `pretty` on a terminal, `compact` into a pipe, unless --format says otherwise.\n\
    In a folder the files that hold prose are scored (.md .txt .rst .adoc .org …), as .gitignore allows.")]
struct ScoreArgs {
    /// Documents, folders of documents, or `-` for standard input [default: `-` if it is a pipe]
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// How to write the findings
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Flag words from this p on [default: the model's own]
    #[arg(long, value_name = "P", env = "ELECTROSCOPE_THRESHOLD", hide_env_values = true, value_parser = probability)]
    threshold: Option<f32>,
    /// Exit with 0 even if words are flagged
    #[arg(long)]
    exit_zero: bool,
    /// Which parts are prose
    #[arg(
        long,
        value_name = "LANGUAGE",
        default_value = "auto",
        env = "ELECTROSCOPE_LANGUAGE",
        hide_env_values = true
    )]
    language: LanguageChoice,
    /// Find the threshold on these texts, which are taken to be fine, and write it to the settings
    #[arg(long)]
    calibrate: bool,
    /// The share of the calibration text's words that may lie above the threshold
    #[arg(long, value_name = "SHARE", default_value = "0.01", requires = "calibrate", value_parser = probability)]
    false_alarms: f32,
}

/// Which parts of a document are prose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LanguageChoice {
    /// What the file's extension says.
    #[default]
    Auto,
    /// All of it.
    Plain,
    /// Markdown: the prose of it.
    Markdown,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// List the built-in model, the cached ones and the one that is set
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe a model: sizes, threshold, licence, file hashes
    Info {
        /// The model [default: the one that is set]
        #[arg(value_name = "builtin|DIR|HUB_ID")]
        id: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Download a model into the cache that all Hugging Face programs share
    Pull {
        /// The model
        #[arg(value_name = "HUB_ID")]
        id: String,
    },
    /// Write a model in Hugging Face layout, so that transformers loads it
    #[command(after_help = "Examples:\n  \
        electroscope model export mini/\n  \
        electroscope model export --packed --model DISCRIMINATOR --generator GENERATOR assets/builtin\n\n\
        The second is how the built-in pair is replaced: build again after it.")]
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

/// Runs the program on `args`, the program's name first.
fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(err) => {
            // Help and version are printed to standard output and are no failure.
            let code = if err.use_stderr() {
                Exit::Failed
            } else {
                Exit::Clean
            };
            return match err.print() {
                Ok(()) => exit(code),
                Err(_) => exit(Exit::Failed),
            };
        }
    };
    match dispatch(cli) {
        Ok(code) => exit(code),
        Err(err) if is_broken_pipe(&err) => exit(Exit::Clean),
        Err(err) => {
            common::complain(&common::in_full(&err));
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
        Some(Command::Model(command)) => model::run(&global, command),
        Some(Command::Completions { shell }) => shell::completions(shell),
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
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
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
