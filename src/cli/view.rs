//! `electroscope FILE…`: the screen.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ratatui::layout::Size;

use super::{Exit, Global, LanguageChoice, ViewArgs, setup, sources, terminal};
use crate::catalog::{self, BuiltinHead, Catalog, LoadedScorer, StepsAndNotes};
use crate::report::theme::Theme;
use crate::settings::{EffectiveSettings, Lens, Paths};
use crate::ui;
use crate::ui::Suppliers;
use crate::ui::state::{Memory, Opening, PerTask};
use crate::worker::heads::{Loader, Reader};
use crate::worker::inference::ModelSummary;
use electroscope_analysis::{Engine, HeadChoice, HeadSummary, Task};
use electroscope_model::ModelChoice;
use electroscope_model::bounded_read::{limits, read_text_bounded};

pub(super) fn run(global: &Global, args: &ViewArgs) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        io::stdout().is_terminal(),
        "the screen needs a terminal, and standard output is none; \
         `electroscope score` writes findings into pipes and files"
    );
    let mut global = global.clone();
    if global.verbose > 0 && global.log.is_none() {
        // Standard error is the screen.
        let folder = Paths::new().state;
        let folder =
            folder.context("there is no home folder to keep a log in; name a file with --log")?;
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        global.log = Some(folder.join("electroscope.log"));
    }
    let mut catalog = setup::catalog(&global)?;
    let memory = recall();
    catalog.keep_heads(
        Task::ALL
            .into_iter()
            .filter_map(|task| memory.head(task).cloned()),
    );
    let opening = opening(&catalog, memory, args)?;
    let threshold = catalog.settings().threshold(args.threshold, None);
    tracing::debug!(threshold, ?opening, "opening the screen");
    let errors = catalog.errors_head()?;
    let heads = HeadLoader(catalog.clone());
    let load = move |lens: Lens, step: &mut dyn FnMut(String)| {
        let loaded = match lens {
            Lens::Replaced => load_discriminator(&catalog, step),
            Lens::Errors => {
                let name = errors.as_deref();
                let name = name.ok_or("there is no head that marks errors")?;
                load_error_scorer(&catalog, name, step)
            }
        };
        loaded.map_err(|err| format!("{err:#}"))
    };
    let suppliers = Suppliers {
        model: load,
        heads: Arc::new(heads),
        user_words: Paths::new().dictionary,
        remember: Box::new(remember),
    };
    let code = ui::run(opening, suppliers).context("the terminal cannot be used")?;
    Ok(Exit::Code(code))
}

/// Loads the discriminator for the heat map.
fn load_discriminator(
    catalog: &Catalog,
    step: &mut dyn FnMut(String),
) -> anyhow::Result<(Engine, ModelSummary)> {
    let mut observer = StepsAndNotes::new(step);
    let loaded = catalog.load_model(&mut observer)?;
    let threshold = catalog.settings().threshold(None, loaded.threshold);
    // The share belongs to the threshold of the checkpoint only.
    let false_alarms = (loaded.false_alarms).filter(|_| loaded.threshold == Some(threshold));
    let note = observer.into_note();
    Ok(with_summary(loaded, threshold, false_alarms, note))
}

/// Loads the head called `name` for the heat map, to mark errors.
fn load_error_scorer(
    catalog: &Catalog,
    name: &str,
    step: &mut dyn FnMut(String),
) -> anyhow::Result<(Engine, ModelSummary)> {
    let settings = catalog.settings();
    let mut observer = StepsAndNotes::new(step);
    let head = catalog.open_head(name, head_revision(settings, name), &mut observer)?;
    // Heads compute in f32, whatever the precision of the discriminator.
    let precision = match settings.precision.as_str() {
        "int8" => "f32",
        other => other,
    };
    let loaded = catalog.load_error_scorer(head, precision, &mut observer)?;
    let threshold = settings.threshold_for(name, None, loaded.threshold);
    let false_alarms = loaded.false_alarms;
    let note = observer.into_note();
    Ok(with_summary(loaded, threshold, false_alarms, note))
}

fn with_summary(
    loaded: LoadedScorer,
    threshold: f32,
    false_alarms: Option<f32>,
    note: Option<String>,
) -> (Engine, ModelSummary) {
    let LoadedScorer { engine, model, .. } = loaded;
    let summary = ModelSummary {
        id: model.id,
        device: model.device,
        precision: model.precision,
        threshold,
        false_alarms,
        note,
    };
    (engine, summary)
}

/// The revision from a flag for the head called `name`: on the screen `--revision` is for the
/// discriminator, unless that is not on the hub.
fn head_revision<'a>(settings: &'a EffectiveSettings, name: &str) -> Option<&'a str> {
    let is_free = !matches!(settings.model_choice(), Ok(ModelChoice::Hub(_)));
    let is_given = settings.given.head.as_deref() == Some(name);
    let revision = settings.given.revision.as_deref();
    revision.filter(|_| is_given && is_free)
}

/// What the screen starts with.
fn opening(catalog: &Catalog, memory: Memory, args: &ViewArgs) -> anyhow::Result<Opening> {
    let settings = catalog.settings();
    let theme = args.theme.clone().or_else(|| settings.file.theme.clone());
    // A name that only another version of the program knows is ignored.
    let theme = theme.or_else(|| {
        let kept = memory.theme.clone();
        kept.filter(|kept| Theme::NAMES.contains(&kept.as_str()))
    });
    let theme = terminal::theme(settings, theme.as_deref())?;
    let has_errors = catalog.errors_head()?.is_some();
    let set = args.lens.or(settings.file.lens);
    anyhow::ensure!(
        has_errors || set != Some(Lens::Errors),
        "no head that marks errors is built in, so the lens `errors` cannot be used; \
         name one as [heads.errors] in the settings, or take the lens `replaced`"
    );
    let kept = memory.lens.filter(|_| has_errors);
    let lens = set.or(kept).unwrap_or_default();
    let mut opening = Opening {
        files: Vec::new(),
        folders: Vec::new(),
        pipe: args.paths.is_empty() && !io::stdin().is_terminal(),
        language: match args.input.language {
            LanguageChoice::Auto => None,
            choice => Some(sources::language(choice, Path::new(""))),
        },
        pipe_language: match &args.input.stdin_filename {
            Some(name) => sources::language(args.input.language, name),
            None => sources::language(args.input.language, Path::new("")),
        },
        threshold: args.threshold,
        punctuation: settings.file.punctuation.unwrap_or(false),
        theme,
        size: Size::default(),
        memory,
        given_heads: given_heads(catalog)?,
        usual_heads: usual_heads(settings),
        lens,
        has_errors,
    };
    for path in &args.paths {
        if path == Path::new("-") {
            opening.pipe = true;
        } else if path.is_dir() {
            opening.folders.push(path.clone());
        } else {
            opening.files.push(path.clone());
        }
    }
    Ok(opening)
}

/// The head that `--head` or its variable names, for the panels that may use it: one, if its task is known,
/// else all of them. Panels that cannot use it say so.
fn given_heads(catalog: &Catalog) -> anyhow::Result<PerTask<Option<String>>> {
    let mut given = PerTask::default();
    let Some(name) = &catalog.settings().given.head else {
        return Ok(given);
    };
    catalog.resolve_head(name)?;
    let choices = catalog.head_choices();
    let known = choices.iter().find(|choice| choice.name == *name);
    for task in Task::ALL {
        if known.is_none_or(|choice| choice.task == task) {
            given[task] = Some(name.clone());
        }
    }
    Ok(given)
}

/// The heads from the settings, else the built-in ones.
fn usual_heads(settings: &EffectiveSettings) -> PerTask<Option<String>> {
    let mut usual = PerTask::default();
    for task in Task::ALL {
        let set = settings.file.heads.chosen.get(&task).cloned();
        usual[task] = set.or_else(|| Some(BuiltinHead::usual(task)?.id()));
    }
    usual
}

/// Lists and loads heads for the screen.
struct HeadLoader(Catalog);

impl Loader for HeadLoader {
    fn choices(&self) -> Vec<HeadChoice> {
        self.0.head_choices()
    }

    fn load(
        &self,
        task: Task,
        choice: &str,
        step: &mut dyn FnMut(String),
    ) -> Result<(Box<dyn Reader>, HeadSummary), String> {
        let HeadLoader(catalog) = self;
        let mut observer = StepsAndNotes::new(step);
        let revision = head_revision(catalog.settings(), choice);
        let head = catalog
            .open_head(choice, revision, &mut observer)
            .map_err(|err| format!("{err:#}"))?;
        // The head was chosen in a panel, which cannot use one for another task.
        let found = head.checkpoint.config.task;
        if found != task {
            return Err(catalog::wrong_panel(choice, found, task));
        }
        let loaded = catalog
            .load_head(head, &mut observer)
            .map_err(|err| format!("{err:#}"))?;
        let summary = HeadSummary {
            id: choice.to_owned(),
            revision: loaded.model.revision,
            device: loaded.model.device,
            precision: loaded.model.precision,
            task,
            labels: loaded.labels,
            no_answer_margin: loaded.no_answer_margin,
            note: observer.into_note(),
        };
        Ok((Box::new(loaded.reader), summary))
    }
}

/// The file that the screen keeps its state in, if there is a home.
fn memory_file() -> Option<PathBuf> {
    Some(Paths::new().state?.join("screen.toml"))
}

/// The state that the last run kept; the default if it cannot be read.
fn recall() -> Memory {
    let text = memory_file()
        .and_then(|path| read_text_bounded(&path, limits::SETTINGS).ok())
        .unwrap_or_default();
    toml::from_str(&text).unwrap_or_else(|err| {
        tracing::warn!(%err, "cannot parse the state that the last run kept");
        Memory::default()
    })
}

/// Keeps `memory` for the next run, if there is a home. A folder is kept by its absolute path, because the
/// next run may be in another folder.
fn remember(memory: &Memory) {
    let Some(path) = memory_file() else { return };
    let mut memory = memory.clone();
    for task in Task::ALL {
        if let Some(head) = memory.head_mut(task)
            && Path::new(head.as_str()).is_dir()
            && let Ok(folder) = std::path::absolute(head.as_str())
            && let Some(folder) = folder.to_str()
        {
            *head = folder.to_owned();
        }
    }
    let kept = toml::to_string(&memory)
        .map_err(io::Error::other)
        .and_then(|text| {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let fresh = path.with_extension("new");
            std::fs::write(&fresh, text)?;
            std::fs::rename(&fresh, &path)
        });
    if let Err(err) = kept {
        tracing::warn!(path = %path.display(), %err, "cannot write the state of the screen");
    }
}
