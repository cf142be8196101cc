//! `electroscope FILE…`: the screen.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ratatui::layout::Size;

use super::common::{self, InForce};
use super::{Exit, Global, LanguageChoice, ViewArgs, heads};
use crate::catalog::BuiltinHead;
use crate::report::theme::Theme;
use crate::settings::{Lens, Paths};
use crate::ui;
use crate::ui::Suppliers;
use crate::ui::state::{Memory, Opening, PerTask};
use crate::worker::heads::{Loader, Reader};
use crate::worker::inference::ModelSummary;
use electroscope_analysis::{HeadChoice, HeadSummary, Task};
use electroscope_model::Encoders;
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
    let mut in_force = InForce::new(&global)?;
    let opening = opening(&global, &mut in_force, args)?;

    let threshold = in_force.threshold(args.threshold, None);
    tracing::debug!(threshold, ?opening, "opening the screen");
    let encoders = Arc::new(Encoders::default());
    let shelf = Shelf {
        global: global.clone(),
        in_force: in_force.clone(),
        encoders: Arc::clone(&encoders),
    };
    let errors = heads::errors(&in_force)?;
    let load = move |lens: Lens, step: &mut dyn FnMut(String)| {
        if lens == Lens::Errors {
            let name = errors
                .as_deref()
                .ok_or("there is no head that marks errors")?;
            return heads::load_errors_for_screen(&global, &in_force, name, &encoders, step)
                .map_err(|err| format!("{err:#}"));
        }
        let (loaded, note) =
            common::load_for_screen(&global, &in_force, step).map_err(|err| format!("{err:#}"))?;
        let summary = ModelSummary {
            id: in_force.model.clone(),
            device: loaded.model.device,
            precision: loaded.model.precision,
            threshold: in_force.threshold(None, loaded.threshold),
            // The share belongs to the checkpoint's own threshold only.
            false_alarms: loaded
                .false_alarms
                .filter(|_| loaded.threshold == Some(in_force.threshold(None, loaded.threshold))),
            note,
        };
        Ok((loaded.engine, summary))
    };
    let suppliers = Suppliers {
        model: load,
        heads: Arc::new(shelf),
        user_words: Paths::new().dictionary,
        remember: Box::new(remember),
    };
    let code = ui::run(opening, suppliers).context("the terminal cannot be used")?;
    Ok(Exit::Code(code))
}

/// What the screen begins with.
fn opening(global: &Global, in_force: &mut InForce, args: &ViewArgs) -> anyhow::Result<Opening> {
    let memory = recall(in_force);
    let theme = args.theme.clone().or_else(|| in_force.file.theme.clone());
    // A name from an older or newer version is no reason to fail.
    let theme = theme.or_else(|| {
        let kept = memory.theme.clone();
        kept.filter(|kept| Theme::NAMES.contains(&kept.as_str()))
    });
    let theme = in_force.theme(theme.as_deref())?;
    let has_errors = heads::errors(in_force)?.is_some();
    let set = args.lens.or(in_force.file.lens);
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
            choice => Some(common::language(choice, Path::new(""))),
        },
        pipe_language: match &args.input.stdin_filename {
            Some(name) => common::language(args.input.language, name),
            None => common::language(args.input.language, Path::new("")),
        },
        threshold: args.threshold,
        punctuation: in_force.file.punctuation.unwrap_or(false),
        theme,
        size: Size::default(),
        memory,
        given_heads: given_heads(global, in_force)?,
        usual_heads: usual_heads(in_force),
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

/// The head that `--head` or its variable names, for the panels that it may serve: one, if it is known
/// what the head does, else all of them, and those that it cannot serve say so.
fn given_heads(global: &Global, in_force: &InForce) -> anyhow::Result<PerTask<Option<String>>> {
    let mut given = PerTask::default();
    let Some(name) = &global.head else {
        return Ok(given);
    };
    heads::resolve(in_force, name)?;
    let choices = heads::head_choices(global, in_force);
    let known = choices.iter().find(|choice| choice.name == *name);
    for task in Task::ALL {
        if known.is_none_or(|choice| choice.task == task) {
            given[task] = Some(name.clone());
        }
    }
    Ok(given)
}

/// The heads of the settings, and the built-in ones where these say nothing.
fn usual_heads(in_force: &InForce) -> PerTask<Option<String>> {
    let mut usual = PerTask::default();
    for task in Task::ALL {
        let set = in_force.file.heads.chosen.get(&task).cloned();
        usual[task] = set.or_else(|| Some(BuiltinHead::usual(task)?.id()));
    }
    usual
}

/// Finds and loads heads for the screen.
struct Shelf {
    global: Global,
    in_force: InForce,
    /// The encoder that the built-in heads share: to change from one to another loads no second.
    encoders: Arc<Encoders>,
}

impl Loader for Shelf {
    fn choices(&self) -> Vec<HeadChoice> {
        heads::head_choices(&self.global, &self.in_force)
    }

    fn load(
        &self,
        task: Task,
        choice: &str,
        step: &mut dyn FnMut(String),
    ) -> Result<(Box<dyn Reader>, HeadSummary), String> {
        let (reader, summary) =
            heads::load_head_for_screen(&self.global, &self.in_force, choice, &self.encoders, step)
                .map_err(|err| format!("{err:#}"))?;
        // The panel was chosen first: a head for another one would answer nothing there.
        if summary.task != task {
            return Err(heads::wrong_panel(choice, summary.task, task));
        }
        Ok((Box::new(reader), summary))
    }
}

/// Where the screen keeps what it remembers, if there is a home.
fn memory_file() -> Option<PathBuf> {
    Some(Paths::new().state?.join("screen.toml"))
}

/// What was kept from the last run; nothing if that cannot be read, for it is no loss.
fn recall(in_force: &mut InForce) -> Memory {
    let text = memory_file()
        .and_then(|path| read_text_bounded(&path, limits::SETTINGS).ok())
        .unwrap_or_default();
    let mut memory: Memory = toml::from_str(&text).unwrap_or_else(|err| {
        tracing::warn!(%err, "what was kept from the last run is not understood");
        Memory::default()
    });
    for task in Task::ALL {
        in_force.kept_heads.extend(memory.head_mut(task).clone());
    }
    memory
}

/// Keeps `memory` for the next run, where there is a home. A folder is kept by its whole path: the next
/// run may be elsewhere.
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
        tracing::warn!(path = %path.display(), %err, "cannot keep what was chosen");
    }
}
