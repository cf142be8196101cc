//! What the commands share: settings in force, documents from the disk, a model from its name.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{ColorChoice, Global, InputArgs, LanguageChoice, threads};
use crate::report;
use crate::report::theme::{ColorFacts, Theme};
use crate::settings::{FileSettings, Paths};
use crate::worker::finder::prose_files;
use crate::worker::pipe;
use electroscope_analysis::{DEFAULT_WINDOW, Engine, Flagging};
use electroscope_model::hub;
use electroscope_model::model_choice::{ModelChoice, NameError};
use electroscope_model::{self as model, Checkpoint};
use electroscope_text::{Document, Language};

/// Prints an error, the one way errors are printed.
pub(super) fn complain(message: &str) {
    say(&format!("error: {message}"));
}

/// Writes to standard error what may quote a document or a file name.
fn say(message: &str) {
    let lines: Vec<_> = message
        .split('\n')
        .map(electroscope_text::visible)
        .collect();
    // There is nobody to tell that standard error is closed.
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// An error with its causes, each part said once: some errors quote their cause, some leave it to
/// us, and several may name the same file.
pub(super) fn in_full(err: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in err.chain().map(ToString::to_string) {
        text = joined(&text, &cause);
    }
    text
}

/// `cause` behind `text`, without what `text` has said already.
fn joined(text: &str, cause: &str) -> String {
    let mut cause = cause;
    if text.contains(cause) {
        return text.to_owned();
    }
    let ends_with = |part: &str| {
        let before = text.strip_suffix(part);
        !part.is_empty() && before.is_some_and(|before| !before.ends_with(char::is_alphanumeric))
    };
    while let Some((first, rest)) = cause.split_once(": ")
        && ends_with(first)
    {
        cause = rest;
    }
    match (text.is_empty(), text.contains(cause)) {
        (true, _) => cause.to_owned(),
        (false, true) => text.to_owned(),
        (false, false) => format!("{text}: {cause}"),
    }
}

/// Prints a remark that is neither a result nor an error.
pub(super) fn remark(global: &Global, message: &str) {
    if !global.quiet {
        say(message);
    }
}

/// Threads that may be asked for: far more than help, and few enough that every system has them.
const MOST_THREADS: usize = 1024;

/// The settings in force: flags and variables laid over the file.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    /// The settings file, whether or not it exists; none where there is no home.
    pub(super) config: Option<PathBuf>,
    pub(super) file: FileSettings,
    pub(super) model: String,
    /// Whether the model's name is from the settings file.
    pub(super) model_is_kept: bool,
    /// Names of heads that are from the settings file, or kept from the last run.
    pub(super) kept_heads: BTreeSet<String>,
    pub(super) revision: Option<String>,
    pub(super) device: String,
    pub(super) precision: String,
    pub(super) offline: bool,
    pub(super) color: ColorChoice,
    /// Tokens of a window at most.
    pub(super) window: usize,
}

impl InForce {
    /// Reads the settings file and lays `global` over it; starts the log and the threads.
    pub(super) fn new(global: &Global) -> anyhow::Result<InForce> {
        let config = global.config.clone().or_else(|| Paths::new().config);
        let file = match &config {
            Some(config) => FileSettings::read(config, global.config.is_some())?,
            None => FileSettings::default(),
        };
        let color = match (global.color, file.color.as_deref()) {
            (Some(color), _) => color,
            (None, None) => ColorChoice::Auto,
            (None, Some(word)) => clap::ValueEnum::from_str(word, true).map_err(|_| {
                anyhow::anyhow!(
                    "the settings file {} sets color to {word:?}; it must be auto, always or never",
                    config.as_deref().unwrap_or(Path::new("")).display()
                )
            })?,
        };
        if let Some(threads) = global.threads.or(file.threads) {
            anyhow::ensure!(
                (1..=MOST_THREADS).contains(&threads),
                "cannot compute with {threads} threads; it must be a number from 1 to {MOST_THREADS}"
            );
        }
        start_log(global)?;
        if let Some(note) = threads::start(global.threads.or(file.threads))? {
            remark(global, &note);
        }
        let typed = global.head.as_ref();
        let kept_heads = file.heads.chosen.values();
        // The lens of errors takes the head that the settings call so.
        let errors = file.heads.named.keys().filter(|name| *name == "errors");
        let kept_heads = kept_heads.chain(errors);
        let kept_heads = kept_heads.filter(|name| Some(*name) != typed).cloned();
        let in_force = InForce {
            model_is_kept: global.model.is_none(),
            kept_heads: kept_heads.collect(),
            model: global
                .model
                .clone()
                .or_else(|| file.model.clone())
                .unwrap_or_else(|| "builtin".to_owned()),
            revision: global.revision.clone().or_else(|| file.revision.clone()),
            device: global
                .device
                .clone()
                .or_else(|| file.device.clone())
                .unwrap_or_else(|| "auto".to_owned()),
            precision: global
                .precision
                .clone()
                .or_else(|| file.precision.clone())
                .unwrap_or_else(|| "auto".to_owned()),
            offline: global.offline || file.offline.unwrap_or(false),
            color,
            config,
            file,
            window: global.window.unwrap_or(DEFAULT_WINDOW),
        };
        tracing::info!(?in_force, "settings");
        Ok(in_force)
    }

    /// Which words of the answers of `model` are flagged: by the threshold as
    /// [`InForce::threshold_for`] has it, and punctuation only if that was `asked` for or set.
    pub(super) fn flagging(
        &self,
        model: &str,
        typed: Option<f32>,
        own: Option<f32>,
        asked: bool,
    ) -> Flagging {
        Flagging {
            threshold: self.threshold_for(model, typed, own),
            punctuation: asked || self.file.punctuation.unwrap_or(false),
        }
    }

    /// The key that a calibrated threshold is kept under: the name of the model or head, or where it is
    /// a folder its whole path, since the same words may name another folder from elsewhere.
    pub(super) fn threshold_key(&self, name: &str) -> String {
        let choice = match name == self.model {
            true => self.model_choice(),
            false if self.is_kept(name) => ModelChoice::parse_kept(name),
            false => ModelChoice::parse(name),
        };
        match choice {
            Ok(ModelChoice::Folder(folder)) => std::fs::canonicalize(folder)
                .ok()
                .and_then(|folder| folder.to_str().map(str::to_owned))
                .unwrap_or_else(|| name.to_owned()),
            _ => name.to_owned(),
        }
    }

    /// What the model's name means.
    pub(super) fn model_choice(&self) -> Result<ModelChoice, NameError> {
        match self.model_is_kept {
            true => ModelChoice::parse_kept(&self.model),
            false => ModelChoice::parse(&self.model),
        }
    }

    /// Whether this name of a head was kept in a file, so that it cannot be that of a relative folder.
    pub(super) fn is_kept(&self, head: &str) -> bool {
        self.kept_heads.contains(head)
    }

    /// The threshold for this model: what was typed, else what was calibrated for the model, else
    /// what was set for all, else the model's own, else one half.
    pub(super) fn threshold(&self, typed: Option<f32>, own: Option<f32>) -> f32 {
        self.threshold_for(&self.model, typed, own)
    }

    /// The same, for a discriminator or a head that marks errors by the name it was asked for by.
    pub(super) fn threshold_for(&self, model: &str, typed: Option<f32>, own: Option<f32>) -> f32 {
        let calibrated = &self.file.thresholds;
        typed
            .or_else(|| calibrated.get(model).copied())
            .or_else(|| calibrated.get(&self.threshold_key(model)).copied())
            .or(self.file.threshold)
            .or(own)
            .unwrap_or(0.5)
    }

    /// The colours to use on standard output; `typed` beats what the settings say.
    pub(super) fn theme(&self, typed: Option<&str>) -> anyhow::Result<Theme> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let facts = ColorFacts {
            theme: typed.or(self.file.theme.as_deref()).map(str::to_owned),
            colors: self.colors(),
            colorterm: variable("COLORTERM"),
            term: variable("TERM"),
            colorfgbg: variable("COLORFGBG"),
        };
        Theme::choose(&facts).map_err(anyhow::Error::msg)
    }

    /// Whether to colour what goes to standard output (<https://no-color.org>, and `CLICOLOR_FORCE`).
    pub(super) fn colors(&self) -> bool {
        let set = |name: &str| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != *"0")
        };
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto
                if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) =>
            {
                false
            }
            ColorChoice::Auto if set("CLICOLOR_FORCE") => true,
            ColorChoice::Auto => {
                io::stdout().is_terminal()
                    && std::env::var_os("TERM").is_none_or(|term| term != *"dumb")
            }
        }
    }
}

/// Sends the log where it was asked for: to `--log FILE`, or with `-v` to standard error.
fn start_log(global: &Global) -> anyhow::Result<()> {
    use tracing_subscriber::{EnvFilter, fmt};
    let level = match global.verbose {
        0 => "electroscope=info,warn",
        1 => "electroscope=debug,info",
        _ => "electroscope=trace,debug",
    };
    let filter = EnvFilter::try_from_env("ELECTROSCOPE_LOG_FILTER")
        .unwrap_or_else(|_| EnvFilter::new(level));
    if let Some(path) = &global.log {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot write the log file {}", path.display()))?;
        // A second call, in a test, finds the first one's subscriber.
        let _ = fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(Arc::new(file))
            .try_init();
    } else if global.verbose > 0 {
        let _ = fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(io::stderr)
            .try_init();
    }
    Ok(())
}

/// Where hub models are kept and fetched from.
pub(super) fn hub_settings(global: &Global, offline: bool) -> model::hub::HubSettings {
    let mut settings = model::hub::HubSettings::from_env(|name| std::env::var_os(name));
    settings.offline |= offline || global.offline;
    settings
}

/// A place that documents come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Stdin,
}

/// Turns what was named into files: folders into the prose in them by the rules of `.gitignore`,
/// `-` into standard input. Nothing named means standard input if it is not a terminal.
///
/// Problems with a folder are errors of that path and stop nothing else.
pub(super) fn sources(paths: &[PathBuf]) -> (Vec<Source>, Vec<report::FileError>) {
    let mut sources = Vec::new();
    let mut errors = Vec::new();
    if paths.is_empty() && !io::stdin().is_terminal() {
        sources.push(Source::Stdin);
    }
    for path in paths {
        if path == Path::new("-") {
            if !sources.contains(&Source::Stdin) {
                sources.push(Source::Stdin);
            }
        } else if path.is_dir() {
            for found in prose_files(path) {
                match found {
                    Ok(file) => sources.push(Source::File(file)),
                    Err((place, why)) => errors.push(report::FileError {
                        path: place.unwrap_or_else(|| path.clone()),
                        message: why_unread(&why),
                    }),
                }
            }
        } else {
            sources.push(Source::File(path.clone()));
        }
    }
    (sources, errors)
}

/// The sources of a command that is to `verb` documents, and what is wrong with some of them, which
/// has been said.
pub(super) fn gather(
    global: &Global,
    paths: &[PathBuf],
    verb: &str,
) -> anyhow::Result<(Vec<Source>, Vec<report::FileError>)> {
    let (sources, errors) = sources(paths);
    errors.iter().for_each(report_error);
    anyhow::ensure!(
        !sources.is_empty() || !errors.is_empty() || !paths.is_empty(),
        "nothing to {verb}: name a file or a folder, or pipe a text in (see `electroscope {verb} --help`)"
    );
    if sources.is_empty() && errors.is_empty() {
        // Folders that hold none are no failure, but may well be a slip.
        let names: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        remark(
            global,
            &format!(
                "no documents in {}: of a folder the files that hold prose are taken, such as .md and .txt, \
                 as .gitignore allows; others can be named one by one",
                names.join(", ")
            ),
        );
    }
    Ok((sources, errors))
}

/// Says what is wrong with a file.
pub(super) fn report_error(error: &report::FileError) {
    complain(&joined(&error.path.display().to_string(), &error.message));
}

/// The language of a file, by choice or by its extension.
pub(super) fn language(choice: LanguageChoice, path: &Path) -> Language {
    match choice {
        LanguageChoice::Auto => Language::of(path),
        LanguageChoice::Plain => Language::Plain,
        LanguageChoice::Markdown => Language::Markdown,
        LanguageChoice::Mdx => Language::Mdx,
    }
}

/// Reads a document. The error is a sentence without the path.
pub(super) fn read(source: &Source, input: &InputArgs) -> Result<Document, report::FileError> {
    let (path, bytes) = match source {
        Source::Stdin => {
            let named = input.stdin_filename.clone();
            let path = named.unwrap_or_else(|| PathBuf::from(pipe::NAME));
            (path, read_all(io::stdin().lock()))
        }
        Source::File(path) => (path.clone(), read_file(path)),
    };
    let fail = |message: String| report::FileError {
        path: path.clone(),
        message,
    };
    let bytes = bytes.map_err(|err| fail(why_unread(&err)))?;
    let language = language(input.language, &path);
    Document::decode(path.clone(), bytes, language).map_err(|err| fail(err.to_string()))
}

/// Why a file or a folder could not be read, without its name.
fn why_unread(err: &io::Error) -> String {
    match err.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read: permission denied".to_owned(),
        _ => format!("it cannot be read: {err}"),
    }
}

/// The bytes of a file; a pipe named on the command line (`<(…)`) is read like one.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let len = std::fs::metadata(path)?.len();
    if len > Document::MAX_LEN as u64 {
        return Err(too_long());
    }
    read_all(std::fs::File::open(path)?)
}

/// All that there is to read, which may go on for ever.
fn read_all(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input
        .take(Document::MAX_LEN as u64 + 1)
        .read_to_end(&mut bytes)?;
    match bytes.len() > Document::MAX_LEN {
        true => Err(too_long()),
        false => Ok(bytes),
    }
}

fn too_long() -> io::Error {
    io::Error::other(format!(
        "texts of up to {} MiB can be read",
        Document::MAX_LEN >> 20
    ))
}

/// The columns of the terminal that standard output is, else 80. The system is asked; crossterm would
/// run the program `tput` where it does not know.
pub(super) fn terminal_width() -> u16 {
    const USUAL: u16 = 80;
    terminal_size::terminal_size_of(io::stdout())
        .map(|(terminal_size::Width(width), _)| width)
        .filter(|width| *width > 0)
        .unwrap_or(USUAL)
}

/// Lets Ctrl-C end the process at once with exit code 130.
pub(super) fn exit_on_interrupt() -> anyhow::Result<()> {
    let always = Arc::new(std::sync::atomic::AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGINT, 130, always)
        .context("cannot listen for Ctrl-C")?;
    Ok(())
}

/// A model that is ready to score.
pub(super) struct Loaded {
    pub(super) engine: Engine,
    pub(super) model: report::Model,
    /// The threshold that the checkpoint brings along.
    pub(super) threshold: Option<f32>,
    /// The share of clean words above it.
    pub(super) false_alarms: Option<f32>,
}

/// Progress of long work on standard error: nothing where that is no terminal, with `--quiet`, or
/// before the work has taken half a second.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(global: &Global, documents: usize) -> Progress {
        let target = if global.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(documents as u64 * 1000), target);
        let style =
            ProgressStyle::with_template("{spinner} {bar:24} {percent:>3} %  {time}  {wide_msg}");
        if let Ok(style) = style {
            let time = |state: &ProgressState, out: &mut dyn fmt::Write| {
                let time = time_so_far(state.elapsed(), state.duration());
                // The bar is drawn again soon.
                let _ = out.write_str(&time);
            };
            bar.set_style(style.with_key("time", time));
        }
        bar.set_message("");
        let later = bar.downgrade();
        let is_live = !bar.is_hidden();
        // A window of many tokens takes seconds in which nothing else is told.
        let tick = move || {
            std::thread::sleep(Duration::from_millis(500));
            if let Some(bar) = later.upgrade().filter(|bar| !bar.is_finished()) {
                bar.enable_steady_tick(Duration::from_millis(250));
            }
        };
        if is_live {
            // Without such a thread there is only no sign of life.
            let _ = std::thread::Builder::new()
                .name("progress".into())
                .spawn(tick);
        }
        Progress { bar }
    }

    /// `done` of `all` parts of a document have been read.
    pub(super) fn show(&self, path: &Path, done: usize, all: usize) {
        if self.bar.elapsed().as_millis() > 500 {
            self.bar.set_message(report::visible_path(path));
            let documents = self.bar.position() / 1000;
            self.bar
                .set_position(documents * 1000 + (999 * done.min(all) / all.max(1)) as u64);
        }
    }

    /// A document is done.
    pub(super) fn next(&self) {
        let documents = self.bar.position() / 1000 + 1;
        if self.bar.elapsed().as_millis() > 500 {
            self.bar.set_position(documents * 1000);
        } else {
            self.bar.update(|state| state.set_pos(documents * 1000));
        }
    }

    /// Writes something past the bar.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How long work has taken, and how long it will have taken as far as that can be told: an estimate
/// of less than a second more, or of no time at all, says nothing.
fn time_so_far(elapsed: Duration, estimate: Duration) -> String {
    const SECOND: Duration = Duration::from_secs(1);
    let so_far = HumanDuration(elapsed.max(SECOND));
    match estimate >= elapsed + SECOND {
        true => format!("{so_far:#} of about {:#}", HumanDuration(estimate)),
        false => format!("{so_far:#}"),
    }
}

/// Opens the checkpoint that is set, from the binary, a folder or the hub; the second value is the
/// commit of a hub model. A download shows its progress on standard error.
pub(super) fn checkpoint(
    global: &Global,
    in_force: &InForce,
) -> anyhow::Result<(Checkpoint, Option<String>)> {
    open(in_force, &mut |id| fetch(global, in_force, id))
}

/// The same, a hub model being brought by `fetch`.
fn open(
    in_force: &InForce,
    fetch: &mut dyn FnMut(&str) -> Result<hub::Fetched, hub::Error>,
) -> anyhow::Result<(Checkpoint, Option<String>)> {
    match in_force.model_choice()? {
        ModelChoice::Builtin => Ok((Checkpoint::builtin()?, None)),
        ModelChoice::Folder(folder) => Ok((Checkpoint::open(&folder)?, None)),
        ModelChoice::Hub(id) => {
            let fetched = fetch(&id)?;
            Ok((Checkpoint::open(&fetched.folder)?, Some(fetched.revision)))
        }
    }
}

/// Loads the model that is set.
pub(super) fn load(global: &Global, in_force: &InForce) -> anyhow::Result<Loaded> {
    let (checkpoint, revision) = checkpoint(global, in_force)?;
    let mut notes = Vec::new();
    let loaded = start(in_force, &checkpoint, revision, &mut notes)?;
    notes.iter().for_each(|note| remark(global, note));
    Ok(loaded)
}

/// Loads the model that is set for the screen: each step is told, and so is how much of a file has
/// come.
pub(super) fn load_for_screen(
    global: &Global,
    in_force: &InForce,
    step: &mut dyn FnMut(String),
) -> anyhow::Result<(Loaded, Option<String>)> {
    let mut notes = Vec::new();
    step(format!("opening {}", in_force.model));
    let (checkpoint, revision) = open(in_force, &mut |id| {
        let settings = hub_settings(global, in_force.offline);
        let fetched = fetch_by_steps(id, in_force.revision.as_deref(), &settings, step)?;
        notes.extend(fetched.note.clone());
        Ok(fetched)
    })?;
    step(format!("loading {}", in_force.model));
    let loaded = start(in_force, &checkpoint, revision, &mut notes)?;
    Ok((loaded, (!notes.is_empty()).then(|| notes.join("; "))))
}

/// Finds a hub model; each percent of a file that comes is told as a step.
pub(super) fn fetch_by_steps(
    id: &str,
    revision: Option<&str>,
    settings: &hub::HubSettings,
    step: &mut dyn FnMut(String),
) -> Result<hub::Fetched, hub::Error> {
    let mut last = (String::new(), 0);
    hub::fetch(id, revision, settings, &mut |event| {
        let percent = event.done * 100 / event.total.max(1);
        // A step per percent, not per piece that arrives.
        if (last.0.as_str(), last.1) != (event.file, percent) {
            last = (event.file.to_owned(), percent);
            step(format!("downloading {} {percent} %", event.file));
        }
        std::ops::ControlFlow::Continue(())
    })
}

/// What a user should know who asked for windows that take much longer than the default.
pub(super) fn long_window_note(window: usize, positions: usize) -> Option<String> {
    let tokens = window.min(positions);
    (tokens > DEFAULT_WINDOW).then(|| {
        format!(
            "reading up to {tokens} tokens at once: a text that fills such a window takes about {} times \
             as long as with --window {DEFAULT_WINDOW}, and shows no progress inside it",
            tokens.div_ceil(DEFAULT_WINDOW)
        )
    })
}

/// Loads a checkpoint onto its device.
fn start(
    in_force: &InForce,
    checkpoint: &Checkpoint,
    revision: Option<String>,
    notes: &mut Vec<String>,
) -> anyhow::Result<Loaded> {
    let (forward, note) = model::load(checkpoint, &in_force.device, &in_force.precision)?;
    notes.extend(note);
    let model = report::Model {
        id: in_force.model.clone(),
        revision,
        device: forward.device(),
        precision: forward.precision(),
    };
    let engine = Engine::new(
        Arc::clone(&checkpoint.tokenizer),
        forward,
        checkpoint.config.max_position_embeddings,
    )
    .with_window(in_force.window);
    notes.extend(long_window_note(
        in_force.window,
        checkpoint.config.max_position_embeddings,
    ));
    Ok(Loaded {
        engine,
        model,
        threshold: checkpoint.config.threshold,
        false_alarms: checkpoint.config.false_alarms,
    })
}

/// Finds a hub model, downloading what the cache lacks.
pub(super) fn fetch(
    global: &Global,
    in_force: &InForce,
    id: &str,
) -> Result<hub::Fetched, hub::Error> {
    fetch_revision(global, in_force, id, in_force.revision.as_deref())
}

/// The same, at a revision of its own.
pub(super) fn fetch_revision(
    global: &Global,
    in_force: &InForce,
    id: &str,
    revision: Option<&str>,
) -> Result<hub::Fetched, hub::Error> {
    let settings = hub_settings(global, in_force.offline);
    let mut progress = DownloadProgress::new(global, id, &settings.cache);
    let fetched = hub::fetch(id, revision, &settings, &mut |event| progress.show(event))?;
    progress.finish();
    if let Some(note) = &fetched.note {
        remark(global, note);
    }
    Ok(fetched)
}

/// Progress of a download on standard error: what comes from where, once, and where that is a
/// terminal a bar.
struct DownloadProgress<'a> {
    global: &'a Global,
    bar: ProgressBar,
    what: String,
    has_begun: bool,
}

impl<'a> DownloadProgress<'a> {
    fn new(global: &'a Global, id: &str, cache: &Path) -> DownloadProgress<'a> {
        let target = if global.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template(
            "{msg} {bar:24} {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}{left}",
        );
        if let Ok(style) = style {
            let left = |state: &ProgressState, out: &mut dyn fmt::Write| {
                let left = state.eta();
                if left >= Duration::from_secs(1) {
                    let _ = write!(out, "  {:#} left", HumanDuration(left));
                }
            };
            bar.set_style(style.with_key("left", left));
        }
        DownloadProgress {
            global,
            bar,
            what: format!("downloading {id} into {}", cache.display()),
            has_begun: false,
        }
    }

    fn show(&mut self, progress: hub::Progress<'_>) -> std::ops::ControlFlow<()> {
        if !self.has_begun {
            self.has_begun = true;
            remark(self.global, &self.what);
            // The time that is left changes while nothing comes, too.
            self.bar
                .enable_steady_tick(std::time::Duration::from_millis(200));
        }
        let is_next = self.bar.message() != progress.file;
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
        if is_next {
            self.bar
                .set_message(electroscope_text::visible(progress.file));
            // What an earlier run has brought says nothing of the speed of this one.
            self.bar.reset_eta();
        }
        std::ops::ControlFlow::Continue(())
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_each_of_its_parts_once() {
        let err = anyhow::anyhow!("permission denied")
            .context("locked: permission denied")
            .context("cannot read locked");
        assert_eq!(in_full(&err), "cannot read locked: permission denied");
        // A name that only ends like another is another.
        let err = anyhow::anyhow!("a.md: it is empty").context("cannot read extra.md");
        assert_eq!(in_full(&err), "cannot read extra.md: a.md: it is empty");
        let err = anyhow::anyhow!("x: y").context("a");
        assert_eq!(in_full(&err), "a: x: y");
    }

    #[test]
    fn an_estimate_is_shown_only_once_it_says_something() {
        let seconds = Duration::from_secs_f64;
        assert_eq!(time_so_far(seconds(0.2), seconds(0.0)), "1s");
        assert_eq!(time_so_far(seconds(0.2), seconds(0.9)), "1s");
        assert_eq!(time_so_far(seconds(5.0), seconds(5.5)), "5s");
        assert_eq!(time_so_far(seconds(5.0), seconds(65.0)), "5s of about 65s");
    }
}
