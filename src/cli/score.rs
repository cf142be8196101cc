//! `electroscope score`: documents in, findings out, no screen.

use std::collections::{HashMap, VecDeque};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use super::changes::Changes;
use super::prefetch::PrefetchedDocuments;
use super::progress::{PrintedProgress, Progress};
use super::score_checks::{self, Checks};
use super::sources::{self, Source};
use super::{Exit, Global, InputArgs, ScoreArgs, messages, setup, suggestions, terminal};
use crate::catalog::LoadedScorer;
use crate::report::{self, ChangedLines, FileError, Format, Looks, Scored};
use crate::settings::{self, EffectiveSettings, Lens};
use electroscope_analysis::{Engine, Queue, Readings, threshold_for};
use electroscope_text::{AsRead, Document};

/// What may be remembered, in bytes. Nothing is edited here, so it is of use only where the same
/// stands in several places.
const ROOM: usize = 2 << 20;

pub(super) fn run(global: &Global, args: &ScoreArgs) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let settings = catalog.settings();
    let (mut sources, mut errors) = sources::gather(global, &args.paths, "score")?;
    let changed = match &args.since {
        Some(revision) => Some(keep_changed(&mut sources, revision)?),
        None => None,
    };
    // Ctrl-C ends the process at once with the code that shells expect of it.
    terminal::exit_on_interrupt()?;
    let lens = args.lens.unwrap_or_default();
    let mut observer = PrintedProgress::new(global);
    let (mut loaded, name) = match lens {
        Lens::Replaced => (catalog.load_model(&mut observer)?, settings.model.clone()),
        Lens::Errors => catalog.load_chosen_error_scorer(&mut observer)?,
    };
    loaded.engine = loaded.engine.with_room(ROOM);
    if args.calibrate {
        return calibrate(global, settings, args, sources, errors, &mut loaded, &name);
    }

    let flagging = settings.flagging(&name, args.threshold, loaded.threshold, args.punctuation);
    let (baseline, origin) =
        score_checks::open_baseline(args, lens, flagging.threshold, &loaded.model)?.unzip();
    let mut checks = Checks::new(
        args.report_unused_marks,
        flagging,
        baseline.as_ref(),
        args.update_baseline,
    );
    let suggester = match args.suggestions.wanted() {
        true => Some(catalog.load_suggester(lens, &loaded.engine, &mut observer)?),
        false => None,
    };
    let format = args.format.unwrap_or(if io::stdout().is_terminal() {
        Format::Pretty
    } else {
        Format::Compact
    });
    let width = terminal::width();
    let looks = Looks {
        theme: terminal::theme(settings, None)?,
        width,
    };
    let mut printer = report::printer(format, looks, lens);
    let mut out = BufWriter::new(io::stdout().lock());
    printer.begin(&mut out, &loaded.model)?;
    let (mut flagged, mut unused) = (0, 0);
    let progress = Progress::new(global, sources.len());
    score_all(
        sources,
        &args.input,
        &mut loaded.engine,
        &progress,
        &mut |outcome| match outcome {
            Ok((document, readings)) => {
                let read = AsRead::new(&document);
                let checked = checks.document(&document, &readings, &read);
                let mut scored = Scored {
                    document: &document,
                    readings: &readings,
                    read: &read,
                    flagging,
                    exempt: &checked.exempt,
                    lines: changed.as_ref().and_then(|lines| lines.get(&document.path)),
                    suggested: None,
                };
                let suggested = match &suggester {
                    Some(suggester) => {
                        let (most, only) =
                            (args.suggestions.most(), args.suggestions.only_verified);
                        Some(suggestions::of_flagged(suggester, &scored, most, only)?)
                    }
                    None => None,
                };
                scored.suggested = suggested.as_ref();
                flagged += scored.flagged().count();
                unused += checked.unused.len();
                progress.aside(|| {
                    printer.document(&mut out, &scored)?;
                    // Each document is visible as soon as it is ready.
                    out.flush()?;
                    checked.errors.iter().for_each(sources::report_error);
                    score_checks::tell_unused(&checked.unused);
                    io::Result::Ok(())
                })?;
                errors.extend(checked.errors);
                Ok(())
            }
            Err(error) => {
                progress.aside(|| sources::report_error(&error));
                errors.push(error);
                Ok(())
            }
        },
    )?;
    progress.finish();
    if let Some(trouble) = checks.trouble() {
        sources::report_error(&trouble);
        errors.push(trouble);
    }
    printer.end(&mut out, &errors)?;
    checks.finish(global, args, origin)?;
    let is_fine = flagged <= args.max_flagged.unwrap_or(0) && unused == 0;
    let is_allowed = args.exit_zero || is_fine;
    Ok(match () {
        () if !errors.is_empty() => Exit::Failed,
        () if is_allowed => Exit::Clean,
        () => Exit::Findings,
    })
}

/// Drops the files that are as they were at `revision`, which need not be read, and gives the lines
/// that have changed in the others; a file that is new is not among these.
fn keep_changed(
    sources: &mut Vec<Source>,
    revision: &str,
) -> anyhow::Result<HashMap<PathBuf, ChangedLines>> {
    let mut changes = Changes::since(revision);
    let mut changed = HashMap::new();
    let mut kept = Vec::new();
    for source in sources.drain(..) {
        let Source::File(file) = &source else {
            anyhow::bail!(
                "--since needs files: git does not know what has changed in standard input"
            );
        };
        // One that is not there is told of when it is read.
        let lines = match file.exists() {
            true => changes.lines(file)?,
            false => None,
        };
        match lines {
            Some(lines) if lines.is_empty() => continue,
            Some(lines) => drop(changed.insert(file.clone(), lines)),
            None => {}
        }
        kept.push(source);
    }
    *sources = kept;
    Ok(changed)
}

/// A document and what was found in it, or why that is not known.
type Outcome = Result<(Document, Readings), FileError>;

/// Scores what `sources` say and hands it on in their order, each as soon as it and those before it
/// are known. While the model reads, the next documents are read from their files, and as many of
/// them are scored together as keep it busy.
fn score_all(
    sources: Vec<Source>,
    input: &InputArgs,
    engine: &mut Engine,
    progress: &Progress,
    take: &mut dyn FnMut(Outcome) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut documents = PrefetchedDocuments::of(sources, input)?;
    let mut queue = Queue::new(engine);
    // What stands between the documents that are being scored: after how many of them, and what.
    let mut failed: VecDeque<(usize, FileError)> = VecDeque::new();
    let (mut given, mut taken) = (0, 0);
    loop {
        while queue.has_room() {
            // Nobody waits for a slow source while there is a document to score.
            let document = match queue.is_empty() {
                true => documents.next(),
                false => documents.next_if_read(),
            };
            match document {
                Some(Ok(document)) => {
                    given += 1;
                    queue.push(document);
                }
                Some(Err(error)) if queue.is_empty() => {
                    progress.next();
                    take(Err(error))?;
                }
                Some(Err(error)) => failed.push_back((given, error)),
                None => break,
            }
        }
        let Some((path, done, all)) = queue.progress() else {
            return Ok(());
        };
        progress.show(path, done, all);
        queue.work(|document, readings| {
            progress.next();
            taken += 1;
            let readings = readings.map_err(|err| FileError {
                path: document.path.clone(),
                message: messages::in_full(&err.into()),
            });
            take(readings.map(|readings| (document, readings)))?;
            while let Some((_, error)) = failed.pop_front_if(|(after, _)| *after == taken) {
                progress.next();
                take(Err(error))?;
            }
            anyhow::Ok(())
        })?;
    }
}

/// Finds the threshold that `--false-alarms` of the words of accepted text lie above, and writes it
/// to the settings.
fn calibrate(
    global: &Global,
    settings: &EffectiveSettings,
    args: &ScoreArgs,
    sources: Vec<Source>,
    errors: Vec<FileError>,
    loaded: &mut LoadedScorer,
    name: &str,
) -> anyhow::Result<Exit> {
    /// Fewer words than this say nothing about one in a hundred.
    const FEWEST_WORDS: usize = 500;

    anyhow::ensure!(
        errors.is_empty(),
        "not calibrated, because some of the text could not be read"
    );
    let punctuation = settings
        .flagging(name, None, None, args.punctuation)
        .punctuation;
    let progress = Progress::new(global, sources.len());
    let mut all: Vec<f32> = Vec::new();
    score_all(
        sources,
        &args.input,
        &mut loaded.engine,
        &progress,
        &mut |outcome| {
            let (_, readings) = outcome
                .map_err(|error| anyhow::anyhow!("{}: {}", error.path.display(), error.message))?;
            let words = readings.words();
            let judged = words.filter(|word| punctuation || !word.is_punctuation);
            all.extend(judged.map(|word| word.p));
            Ok(())
        },
    )?;
    progress.finish();
    anyhow::ensure!(
        all.len() >= FEWEST_WORDS,
        "{} words are too few to find a threshold on; give at least {FEWEST_WORDS} of text that you are content with",
        all.len()
    );
    let threshold = threshold_for(&mut all, args.false_alarms);
    let config = settings.config.as_deref().ok_or(settings::Error::NoHome)?;
    settings::save_threshold(config, &settings.threshold_key(name), threshold)?;
    messages::remark(
        global,
        &format!(
            "the threshold for {name} is now {threshold}: {} of {} words lie at or above it; written to {}",
            all.iter().filter(|&&p| p >= threshold).count(),
            all.len(),
            config.display()
        ),
    );
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;
    use electroscope_model::{self as model, Checkpoint};
    use std::path::Path;

    #[test]
    fn documents_and_errors_come_in_the_order_in_which_they_were_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..60)
            .map(|number| folder.path().join(format!("{number}.txt")))
            .collect();
        for path in paths.iter().step_by(3) {
            std::fs::write(path, "The boats wait in the harbour.").unwrap();
        }
        let fixture = "tests/reference/fixtures/projected";
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture);
        let checkpoint = Checkpoint::open(&fixture).unwrap();
        let (forward, _) = model::load(&checkpoint, "cpu", "f32").unwrap();
        let positions = checkpoint.config.max_position_embeddings;
        let mut engine = Engine::new(checkpoint.tokenizer, forward, positions);
        let global = Cli::parse_from(["electroscope"]).global;
        let progress = Progress::new(&global, paths.len());
        let mut came = Vec::new();
        let sources = paths.iter().cloned().map(Source::File).collect();
        let input = InputArgs::default();
        let scored = score_all(sources, &input, &mut engine, &progress, &mut |outcome| {
            came.push(match outcome {
                Ok((document, _)) => (document.path, true),
                Err(error) => (error.path, false),
            });
            Ok(())
        });
        scored.unwrap();
        let there = |(number, path)| (path, number % 3 == 0);
        let wanted: Vec<(PathBuf, bool)> = paths.into_iter().enumerate().map(there).collect();
        assert_eq!(came, wanted);
    }
}
