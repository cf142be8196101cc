//! What the commands that read with a head share: their help, their output, and the loop over documents.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use super::messages::in_full;
use super::prefetch::PrefetchedDocuments;
use super::progress::Progress;
use super::sources::{Source, report_error};
use super::{Exit, Global, HeadArgs, terminal};
use crate::catalog::BuiltinHead;
use crate::report::{self, FileError, HeadFormat, HeadPrinter, Looks};
use crate::settings::{self, EffectiveSettings};
use electroscope_analysis::ReadError;
use electroscope_model::Task;
use electroscope_text::{Document, Span};

/// The end of a command's help: its examples, and the heads that have a name.
pub(super) fn after_help(task: Task, examples: &str) -> String {
    let known = settings::known_heads().unwrap_or_default();
    let mut known: Vec<_> = known.iter().filter(|(_, head)| head.task == task).collect();
    known.sort_by_key(|(_, head)| head.pairs);
    let widest = known.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let known: String = known
        .into_iter()
        .map(|(name, head)| {
            let about = head.about.as_deref().unwrap_or_default();
            format!("  {name:widest$}  {about}\n")
        })
        .collect();
    let built_in: String = (BuiltinHead::all().iter())
        .filter(|head| head.task == task)
        .map(|head| format!("  {}  {} ({})\n", head.id(), head.about, head.score))
        .collect();
    let built_in = match built_in.is_empty() {
        true => String::new(),
        false => format!("Heads that are built in:\n{built_in}\n"),
    };
    format!(
        "Examples:\n{examples}\n\n{built_in}\
         Heads on the Hugging Face hub that --head knows by a name. It was out of reach when this was \
         made, so that none of them has been tried:\n{known}\n\
         Exit codes: 0 all was read, 2 something failed (the rest is still reported), 130 Ctrl-C."
    )
}

/// The format of the output, and the colours and width of the terminal.
pub(super) fn output(
    settings: &EffectiveSettings,
    args: &HeadArgs,
) -> anyhow::Result<(HeadFormat, Looks)> {
    let format = args.format.unwrap_or(if io::stdout().is_terminal() {
        HeadFormat::Pretty
    } else {
        HeadFormat::Compact
    });
    let width = terminal::width();
    let looks = Looks {
        theme: terminal::theme(settings, None)?,
        width,
    };
    Ok((format, looks))
}

/// Counts how much of a document has been read, and shows it.
pub(super) struct ReadSoFar<'a> {
    progress: &'a Progress,
    path: PathBuf,
    done: usize,
    all: usize,
}

impl<'a> ReadSoFar<'a> {
    pub(super) fn new(document: &Document, progress: &'a Progress) -> ReadSoFar<'a> {
        ReadSoFar {
            progress,
            path: document.path.clone(),
            done: 0,
            all: document.text.len(),
        }
    }

    /// Adds a span that has been read.
    pub(super) fn add(&mut self, span: Span) {
        self.done += span.len();
        self.progress.show(&self.path, self.done, self.all);
    }
}

/// Reads every source, calls `find` with each document, and prints what that returns at once. The error of
/// a file is printed and stops no other.
pub(super) fn read_all<Found>(
    global: &Global,
    args: &HeadArgs,
    sources: Vec<Source>,
    mut errors: Vec<FileError>,
    model: &report::Model,
    printer: &mut dyn HeadPrinter<Found>,
    find: &mut dyn FnMut(Document, &Progress) -> Result<Found, ReadError>,
) -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    printer.begin(&mut out, model)?;
    let progress = Progress::new(global, sources.len());
    for document in PrefetchedDocuments::of(sources, &args.input)? {
        let found = document.and_then(|document| {
            let path = document.path.clone();
            progress.show(&path, 0, 1);
            let found = find(document, &progress);
            progress.next();
            found.map_err(|err| FileError {
                path,
                message: in_full(&err.into()),
            })
        });
        match found {
            Ok(found) => progress.aside(|| {
                printer.document(&mut out, &found)?;
                // Each document is visible as soon as it is ready.
                out.flush()
            })?,
            Err(error) => {
                progress.aside(|| report_error(&error));
                errors.push(error);
            }
        }
    }
    progress.finish();
    printer.end(&mut out, &errors)?;
    Ok(match errors.is_empty() {
        true => Exit::Clean,
        false => Exit::Failed,
    })
}
