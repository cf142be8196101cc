//! From what `--head` says to a head that reads: names, folders, hub ids.
//!
//! Apart from [`super::common`], for there is one discriminator and of heads there are many: here
//! there is a choice for each task, names for what is built in and for what lies on the hub, and much
//! to say to who has none of it. What the three commands that read with a head do alike is here too.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};

use super::arrivals::Arrivals;
use super::common::{self, InForce, Progress, Source};
use super::{Exit, Global, HeadArgs};
use crate::report::{self, FileError, HeadFormat, HeadPrinter, Looks};
use crate::settings::{self, NamedHead};
use crate::worker::inference::ModelSummary;
use electroscope_analysis::{
    Engine, HeadChoice, HeadReader, HeadSource, HeadSummary, Mistakes, ReadError,
};
use electroscope_model::bounded_read::{limits, read_bounded};
use electroscope_model::hub::{self, CachedHead, HubSettings};
use electroscope_model::model_choice::{ModelChoice, NameError};
use electroscope_model::{
    self as model, BUILTIN_PREFIX, BuiltinHead, Encoders, HeadCheckpoint, HeadConfig, HeadForward,
    Task,
};
use electroscope_text::{Document, Span};

/// What `--head` says, once it is known what is meant.
#[derive(Clone)]
pub(super) struct Resolved {
    /// As it was asked for.
    pub(super) asked: String,
    place: Place,
    /// What the settings or the list of known heads say of it.
    pub(super) named: Option<NamedHead>,
}

#[derive(Clone)]
enum Place {
    Builtin(&'static BuiltinHead),
    Folder(PathBuf),
    Hub(String),
}

/// Finds out what `asked` means: a head that is built in, a folder with a checkpoint, a name from the
/// settings, a known name, any other folder, a hub id.
pub(super) fn resolve(in_force: &InForce, asked: &str) -> anyhow::Result<Resolved> {
    // A folder that holds no checkpoint does not take a name away, as one of data might.
    let is_kept = in_force.is_kept(asked);
    let named = match !is_kept && holds_checkpoint(Path::new(asked)) {
        true => None,
        false => named_heads(in_force)?.find(|(name, _)| name == asked),
    };
    let named = named.map(|(_, head)| head);
    let model = named.as_ref().map_or(asked, |head| head.model.as_str());
    let choice = match is_kept || named.is_some() {
        true => ModelChoice::parse_kept(model),
        false => ModelChoice::parse(model),
    };
    let place = match choice {
        _ if model.starts_with(BUILTIN_PREFIX) => match BuiltinHead::find(model) {
            Some(head) => Place::Builtin(head),
            None => bail!(no_builtin(model)),
        },
        Ok(ModelChoice::Folder(folder)) => Place::Folder(folder),
        Ok(ModelChoice::Hub(id)) => Place::Hub(id),
        Ok(ModelChoice::Builtin) => bail!(no_builtin(model)),
        Err(NameError { name, hint }) => bail!(
            "{name:?} is neither the name of a head, nor a folder, nor a hub id of the form NAME or \
             ORGANISATION/NAME{hint}"
        ),
    };
    let named = match named {
        // By another name it is still the same checkpoint; which version of it is asked for is not.
        None => (named_heads(in_force)?)
            .map(|(_, head)| head)
            .find(|head| head.model == model)
            .map(|head| NamedHead {
                revision: None,
                ..head
            }),
        named => named,
    };
    Ok(Resolved {
        asked: asked.to_owned(),
        place,
        named,
    })
}

/// Why `asked` is no head that is built in.
fn no_builtin(asked: &str) -> String {
    let what = match asked.strip_prefix(BUILTIN_PREFIX) {
        Some(_) => format!("there is no {asked}"),
        None => format!("{asked} is the discriminator, which doubts words and does nothing else"),
    };
    let known = match built_in(None) {
        None => "no head is built in this version".to_owned(),
        Some(names) => format!("the heads that are built in are {names}"),
    };
    format!(
        "{what}: {known}; give --head a folder with a fine-tuned checkpoint in Hugging Face layout, a \
         hub id, or a name of `electroscope model list`"
    )
}

/// The names of the heads that are built in, for one task or for all.
fn built_in(task: Option<Task>) -> Option<String> {
    let fits = |head: &&BuiltinHead| task.is_none_or(|task| head.task == task);
    let names: Vec<String> = (BuiltinHead::all().iter())
        .filter(fits)
        .map(BuiltinHead::id)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The heads that have a name, those of the settings first.
fn named_heads(in_force: &InForce) -> anyhow::Result<impl Iterator<Item = (String, NamedHead)>> {
    let own = in_force.file.heads.named.clone();
    let known = settings::known_heads()?;
    let known = known.into_iter().filter({
        let own = own.clone();
        move |(name, _)| !own.contains_key(name)
    });
    Ok(own.into_iter().chain(known))
}

/// What `task` does, said of a head: "classifies texts".
fn does(task: Task) -> &'static str {
    match task {
        Task::Classification => "classifies texts",
        Task::QuestionAnswering => "answers questions",
        Task::Tagging => "tags words",
    }
}

/// The same, as what a head cannot do: "classify texts".
fn cannot(task: Task) -> &'static str {
    match task {
        Task::Classification => "classify texts",
        Task::QuestionAnswering => "answer questions",
        Task::Tagging => "tag words",
    }
}

/// The command that reads with heads for `task`.
pub(super) fn command(task: Task) -> &'static str {
    match task {
        Task::Classification => "classify",
        Task::QuestionAnswering => "ask",
        Task::Tagging => "tag",
    }
}

/// The names of heads for `task` that read one text at a time, for a message.
fn names(in_force: &InForce, task: Task) -> anyhow::Result<String> {
    let heads = named_heads(in_force)?.filter(|(_, head)| head.task == task && !head.pairs);
    let names: Vec<String> = (built_in(Some(task)).into_iter())
        .chain(heads.map(|(name, _)| name))
        .collect();
    Ok(names.join(", "))
}

/// The head for `task`: what `--head` or its variable says, else the settings, else the one that is
/// built in.
fn chosen(global: &Global, in_force: &InForce, task: Task) -> anyhow::Result<String> {
    let chosen = global.head.as_ref();
    let chosen = chosen.or_else(|| in_force.file.heads.chosen.get(&task));
    match (chosen, BuiltinHead::usual(task)) {
        (Some(head), _) => Ok(head.clone()),
        (None, Some(head)) => Ok(head.id()),
        (None, None) => Err(none_chosen(global, in_force, task)?),
    }
}

/// Nobody has said which head: lists those that there are.
fn none_chosen(global: &Global, in_force: &InForce, task: Task) -> anyhow::Result<anyhow::Error> {
    let mut message = format!(
        "no head is given to {} with, and none for it is built in this version; give one with --head, with \
         ELECTROSCOPE_HEAD, or as `{}` under [heads] in the settings: a folder with a fine-tuned \
         checkpoint, a hub id, or one of these names",
        command(task),
        task.name(),
    );
    let choices = head_choices(global, in_force);
    let choices: Vec<&HeadChoice> = (choices.iter())
        .filter(|choice| choice.task == task)
        .collect();
    let widest = choices.iter().map(|choice| choice.name.chars().count());
    let widest = widest.max().unwrap_or(0);
    for choice in choices {
        let place = match choice.bytes {
            Some(_) => "",
            None => " (not downloaded yet)",
        };
        let HeadChoice { name, about, .. } = choice;
        message.push_str(&format!("\n  {name:widest$}  {about}{place}"));
    }
    if global.model.is_some() {
        message
            .push_str("\n--model is the discriminator, which doubts words and does nothing else");
    }
    Ok(anyhow::Error::msg(message))
}

/// Why a head is no use in a panel of the screen.
pub(super) fn wrong_panel(asked: &str, found: Task, wanted: Task) -> String {
    format!(
        "{asked} {} and cannot {}; its place is another panel",
        does(found),
        cannot(wanted)
    )
}

/// A head that is ready to read.
pub(super) struct LoadedHead {
    pub(super) reader: HeadReader,
    pub(super) model: report::Model,
    /// By how much no answer must outscore an answer to come before it.
    pub(super) margin: f32,
}

/// A head that is ready to answer, for who reads with it in another way than documents are read.
pub(super) struct BareHead {
    pub(super) checkpoint: HeadCheckpoint,
    pub(super) forward: Arc<dyn HeadForward>,
    pub(super) model: report::Model,
}

/// Loads the head that is chosen for `task`; a download shows its progress on standard error.
pub(super) fn load_head(
    global: &Global,
    in_force: &InForce,
    task: Task,
) -> anyhow::Result<LoadedHead> {
    let (resolved, checkpoint, revision) = open_chosen(global, in_force, task)?;
    let (encoders, mut notes) = (Encoders::default(), Vec::new());
    let (reader, model, margin) = start(
        in_force, &resolved, checkpoint, revision, &encoders, &mut notes,
    )?;
    notes.iter().for_each(|note| common::remark(global, note));
    Ok(LoadedHead {
        reader,
        model,
        margin,
    })
}

/// The same, without a reader of documents.
pub(super) fn load_bare(
    global: &Global,
    in_force: &InForce,
    task: Task,
) -> anyhow::Result<BareHead> {
    let (resolved, checkpoint, revision) = open_chosen(global, in_force, task)?;
    let (forward, note) = model::load_head(&checkpoint, &in_force.device, &in_force.precision)?;
    note.iter().for_each(|note| common::remark(global, note));
    let model = model_of(&resolved, revision, &*forward);
    Ok(BareHead {
        checkpoint,
        forward,
        model,
    })
}

/// Opens the head that is chosen for `task`, and makes sure that it is one.
fn open_chosen(
    global: &Global,
    in_force: &InForce,
    task: Task,
) -> anyhow::Result<(Resolved, HeadCheckpoint, Option<String>)> {
    let resolved = resolve(in_force, &chosen(global, in_force, task)?)?;
    // Before anything is downloaded, if it can be known.
    let named = resolved.named.as_ref().map(|named| named.task);
    if let Some(named) = named.filter(|named| *named != task) {
        bail!(wrong_task(in_force, &resolved.asked, named, &[], task)?);
    }
    let revision = global.revision.as_deref();
    let (checkpoint, revision) = open(global, in_force, &resolved, revision)?;
    let found = checkpoint.config.task;
    if found != task {
        let labels = &checkpoint.config.labels;
        bail!(wrong_task(in_force, &resolved.asked, found, labels, task)?);
    }
    Ok((resolved, checkpoint, revision))
}

/// What is told of a head that has been loaded.
fn model_of(
    resolved: &Resolved,
    revision: Option<String>,
    forward: &dyn HeadForward,
) -> report::Model {
    report::Model {
        id: resolved.id(),
        revision,
        device: forward.device(),
        precision: forward.precision(),
    }
}

fn wrong_task(
    in_force: &InForce,
    asked: &str,
    found: Task,
    labels: &[String],
    wanted: Task,
) -> anyhow::Result<String> {
    /// More labels than this tell no more of what a head is.
    const MOST: usize = 6;
    let labels = match labels.get(..MOST) {
        Some(first) if labels.len() > MOST => {
            format!(
                " (as {} and {} more)",
                first.join(", "),
                labels.len() - MOST
            )
        }
        _ if labels.is_empty() => String::new(),
        _ => format!(" (as {})", labels.join(", ")),
    };
    Ok(format!(
        "{asked} {}{labels} and cannot {}; `electroscope {}` reads with it, and `electroscope {}` wants \
         another --head, such as {}",
        does(found),
        cannot(wanted),
        command(found),
        command(wanted),
        names(in_force, wanted)?,
    ))
}

/// Loads the head that `choice` means, as `--head` takes it, for the screen: each step is told, and
/// so is how much of a file has come. An encoder that it shares with others is taken from `encoders`.
pub(super) fn load_head_for_screen(
    global: &Global,
    in_force: &InForce,
    choice: &str,
    encoders: &Encoders,
    step: &mut dyn FnMut(String),
) -> anyhow::Result<(HeadReader, HeadSummary)> {
    let mut notes = Vec::new();
    let (resolved, checkpoint, revision) =
        open_for_screen(global, in_force, choice, &mut notes, step)?;
    step(format!("loading {choice}"));
    let HeadConfig { task, labels, .. } = &checkpoint.config;
    let (task, labels) = (*task, labels.clone());
    let (reader, model, no_answer_margin) = start(
        in_force, &resolved, checkpoint, revision, encoders, &mut notes,
    )?;
    let summary = HeadSummary {
        id: choice.to_owned(),
        revision: model.revision,
        device: model.device,
        precision: model.precision,
        task,
        labels,
        no_answer_margin,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    };
    Ok((reader, summary))
}

/// The heads that the settings give a name, for completions; none if the settings cannot be read.
pub(super) fn names_in_settings(global: &Global) -> Vec<(String, Task)> {
    let path = global.config.clone();
    let path = path.or_else(|| settings::Paths::new().config);
    let read = |path: PathBuf| settings::FileSettings::read(&path, global.config.is_some()).ok();
    let file = path.and_then(read).unwrap_or_default();
    let named = file.heads.named.into_iter();
    named.map(|(name, head)| (name, head.task)).collect()
}

/// The head that the map can show errors with, by the name that `--head` takes: the settings' own
/// that is called so, else the one that is built in.
pub(super) fn errors(in_force: &InForce) -> anyhow::Result<Option<String>> {
    const NAME: &str = "errors";
    let named =
        named_heads(in_force)?.any(|(name, head)| name == NAME && head.task == Task::Tagging);
    let built_in = format!("{BUILTIN_PREFIX}{NAME}");
    Ok(match named {
        true => Some(NAME.to_owned()),
        false => BuiltinHead::find(&built_in).map(BuiltinHead::id),
    })
}

/// Loads a head that marks errors as a model that scores, for the screen; as
/// [`load_head_for_screen`].
pub(super) fn load_errors_for_screen(
    global: &Global,
    in_force: &InForce,
    choice: &str,
    encoders: &Encoders,
    step: &mut dyn FnMut(String),
) -> anyhow::Result<(Engine, ModelSummary)> {
    let mut notes = Vec::new();
    let (_, checkpoint, revision) = open_for_screen(global, in_force, choice, &mut notes, step)?;
    step(format!("loading {choice}"));
    // Heads compute in f32, whatever the discriminator is to compute in.
    let precision = match in_force.precision.as_str() {
        "int8" => "f32",
        other => other,
    };
    let loaded = start_errors(
        in_force,
        choice,
        &checkpoint,
        revision,
        precision,
        encoders,
        &mut notes,
    )?;
    let summary = ModelSummary {
        id: choice.to_owned(),
        device: loaded.model.device,
        precision: loaded.model.precision,
        threshold: in_force.threshold_for(choice, None, loaded.threshold),
        false_alarms: loaded.false_alarms,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    };
    Ok((loaded.engine, summary))
}

/// Loads the head that marks errors, the one that `--head` names or else that of [`errors`], as a
/// model that scores; a download shows its progress on standard error. The second value is the name
/// that it was chosen by.
pub(super) fn load_errors(
    global: &Global,
    in_force: &InForce,
) -> anyhow::Result<(common::Loaded, String)> {
    let choice = match &global.head {
        Some(typed) => typed.clone(),
        None => errors(in_force)?.ok_or_else(|| {
            anyhow!(
                "no head that marks errors is built in this version; give one with --head, or as \
                 [heads.errors] in the settings"
            )
        })?,
    };
    let resolved = resolve(in_force, &choice)?;
    let revision = global.revision.as_deref();
    let (checkpoint, revision) = open(global, in_force, &resolved, revision)?;
    // What the settings say of precision is meant for the discriminator, which can do eight bits.
    let precision = match (&global.precision, in_force.precision.as_str()) {
        (None, "int8") => "f32",
        (_, other) => other,
    };
    let (encoders, mut notes) = (Encoders::default(), Vec::new());
    let loaded = start_errors(
        in_force,
        &choice,
        &checkpoint,
        revision,
        precision,
        &encoders,
        &mut notes,
    )?;
    notes.iter().for_each(|note| common::remark(global, note));
    Ok((loaded, choice))
}

/// Loads a head that marks errors onto its device, as a model that scores.
fn start_errors(
    in_force: &InForce,
    choice: &str,
    checkpoint: &HeadCheckpoint,
    revision: Option<String>,
    precision: &str,
    encoders: &Encoders,
    notes: &mut Vec<String>,
) -> anyhow::Result<common::Loaded> {
    let HeadCheckpoint {
        config, tokenizer, ..
    } = checkpoint;
    let (forward, note) = model::load_head_with(checkpoint, &in_force.device, precision, encoders)?;
    notes.extend(note);
    let (device, precision) = (forward.device(), forward.precision());
    let Some(mistakes) = Mistakes::new(tokenizer, forward, config) else {
        bail!(
            "{choice} {} as {}; to show errors, a head that tags words is needed, with `O` among its \
             labels for those that are none",
            does(config.task),
            config.labels.join(", ")
        );
    };
    let engine = Engine::new(
        Arc::clone(tokenizer),
        Arc::new(mistakes),
        config.max_positions,
    )
    .with_window(in_force.window);
    notes.extend(common::long_window_note(
        in_force.window,
        config.max_positions,
    ));
    Ok(common::Loaded {
        engine,
        model: report::Model {
            id: choice.to_owned(),
            revision,
            device,
            precision,
        },
        threshold: config.encoder.threshold,
        false_alarms: config.encoder.false_alarms,
    })
}

/// Opens the head that `choice` means, for the screen; the last value is the commit of a hub model.
fn open_for_screen(
    global: &Global,
    in_force: &InForce,
    choice: &str,
    notes: &mut Vec<String>,
    step: &mut dyn FnMut(String),
) -> anyhow::Result<(Resolved, HeadCheckpoint, Option<String>)> {
    step(format!("opening {choice}"));
    let resolved = resolve(in_force, choice)?;
    // On the screen a revision belongs to the discriminator, unless that can have none.
    let is_free = !matches!(in_force.model_choice(), Ok(ModelChoice::Hub(_)));
    let typed = global.head.as_deref() == Some(choice) && is_free;
    let revision = global.revision.as_deref().filter(|_| typed);
    let settings = common::hub_settings(global, in_force.offline);
    let (checkpoint, revision) = open_with(
        in_force,
        &resolved,
        revision,
        &settings,
        &mut |id, revision| {
            let fetched = common::fetch_by_steps(id, revision, &settings, step)?;
            notes.extend(fetched.note.clone());
            Ok(fetched)
        },
    )?;
    Ok((resolved, checkpoint, revision))
}

impl Resolved {
    /// The revision to fetch: what was typed, else what the name stands for.
    fn revision<'a>(&'a self, typed: Option<&'a str>) -> Option<&'a str> {
        typed.or_else(|| self.named.as_ref()?.revision.as_deref())
    }

    /// The head, if it is built in.
    pub(super) fn builtin(&self) -> Option<&'static BuiltinHead> {
        match self.place {
            Place::Builtin(head) => Some(head),
            Place::Folder(_) | Place::Hub(_) => None,
        }
    }

    /// What is known of it, in a line.
    pub(super) fn about(&self) -> Option<&str> {
        let named = self.named.as_ref().and_then(|named| named.about.as_deref());
        named.or_else(|| Some(self.builtin()?.about))
    }

    /// What it is called where it lies.
    pub(super) fn id(&self) -> String {
        match &self.place {
            Place::Builtin(head) => head.id(),
            Place::Folder(folder) => folder.display().to_string(),
            Place::Hub(id) => id.clone(),
        }
    }
}

/// Opens a head, from a folder or the hub; the second value is the commit of a hub model.
pub(super) fn open(
    global: &Global,
    in_force: &InForce,
    resolved: &Resolved,
    revision: Option<&str>,
) -> anyhow::Result<(HeadCheckpoint, Option<String>)> {
    let settings = common::hub_settings(global, in_force.offline);
    open_with(
        in_force,
        resolved,
        revision,
        &settings,
        &mut |id, revision| common::fetch_revision(global, in_force, id, revision),
    )
}

/// Opens the head in a folder.
pub(super) fn open_in(
    global: &Global,
    in_force: &InForce,
    folder: &Path,
    named: Option<&NamedHead>,
) -> Result<HeadCheckpoint, model::Error> {
    open_folder(folder, named, &mut |id, revision| {
        common::fetch_revision(global, in_force, id, revision)
    })
}

/// Brings a head's files onto this disk if they are on the hub; the folder they lie in, and the
/// commit.
pub(super) fn bring(
    global: &Global,
    in_force: &InForce,
    resolved: &Resolved,
) -> anyhow::Result<(PathBuf, Option<String>)> {
    let settings = common::hub_settings(global, in_force.offline);
    let revision = global.revision.as_deref();
    locate(
        in_force,
        resolved,
        revision,
        &settings,
        &mut |id, revision| common::fetch_revision(global, in_force, id, revision),
    )
}

/// Brings a model of the hub, by its id and revision, onto this disk.
type Fetch<'a> = &'a mut dyn FnMut(&str, Option<&str>) -> Result<hub::Fetched, hub::Error>;

/// The same, a hub model being brought by `fetch`.
fn open_with(
    in_force: &InForce,
    resolved: &Resolved,
    revision: Option<&str>,
    settings: &HubSettings,
    fetch: Fetch<'_>,
) -> anyhow::Result<(HeadCheckpoint, Option<String>)> {
    if let Place::Builtin(head) = resolved.place {
        return Ok((head.open()?, None));
    }
    let (folder, revision) = locate(in_force, resolved, revision, settings, fetch)?;
    let checkpoint = open_folder(&folder, resolved.named.as_ref(), fetch)?;
    Ok((checkpoint, revision))
}

fn locate(
    in_force: &InForce,
    resolved: &Resolved,
    revision: Option<&str>,
    settings: &HubSettings,
    fetch: Fetch<'_>,
) -> anyhow::Result<(PathBuf, Option<String>)> {
    match &resolved.place {
        Place::Builtin(head) => bail!(
            "{} is carried in the program: there is nothing to download",
            head.id()
        ),
        Place::Folder(folder) => Ok((folder.clone(), None)),
        Place::Hub(id) => match fetch(id, resolved.revision(revision)) {
            Ok(fetched) => Ok((fetched.folder, Some(fetched.revision))),
            Err(err) => Err(unfetched(err, in_force, resolved, settings)?),
        },
    }
}

/// Opens the head in a folder; what its files do not say is taken from its name, and the hub model
/// that an adapter stands on is brought by `fetch`.
fn open_folder(
    folder: &Path,
    named: Option<&NamedHead>,
    fetch: Fetch<'_>,
) -> Result<HeadCheckpoint, model::Error> {
    let mut checkpoint =
        HeadCheckpoint::open_with(folder, &mut |id, revision| Ok(fetch(id, revision)?.folder))?;
    checkpoint.config.can_refuse |= named.is_some_and(|named| named.no_answer);
    Ok(checkpoint)
}

/// Why a head cannot be had from the hub. What the hub's own messages recommend for a discriminator,
/// the built-in one, is no way out here.
fn unfetched(
    err: hub::Error,
    in_force: &InForce,
    resolved: &Resolved,
    settings: &HubSettings,
) -> anyhow::Result<anyhow::Error> {
    let at_hand = at_hand(settings, resolved.named.as_ref().map(|named| named.task));
    let asked = &resolved.asked;
    Ok(match err {
        hub::Error::Offline {
            id,
            revision,
            cache,
            ..
        } => {
            let typed = match revision == "main" {
                true => String::new(),
                false => format!(" --revision {revision}"),
            };
            let by_name = match *asked == id {
                true => id,
                false => format!("{asked} is {id} on the hub, which"),
            };
            anyhow!(
                "{by_name} (revision {revision}) is not in the cache {}, and offline nothing is \
                 downloaded; {at_hand}; run `electroscope model pull {asked}{typed}` where there is a \
                 network, or give --head a folder",
                cache.display()
            )
        }
        hub::Error::Network { id, endpoint, why } => anyhow!(
            "cannot reach {endpoint} for {id}: {why}; {at_hand}; without a network give --head a folder"
        ),
        hub::Error::Busy {
            id,
            endpoint,
            status,
        } => anyhow!(
            "{endpoint} is busy (status {status} for {id}); try again in a while; {at_hand}"
        ),
        hub::Error::Interrupted {
            id,
            file,
            done,
            total,
            why,
        } => anyhow!(
            "the download of {file} of {id} broke off after {done} of {total} bytes: {why}; what came \
             is kept, and the next try goes on from there"
        ),
        // A slip in a name is looked for on the hub, which knows nothing of names.
        err @ (hub::Error::NotFound { .. } | hub::Error::Denied { .. }) if !asked.contains('/') => {
            let names: Vec<String> = named_heads(in_force)?.map(|(name, _)| name).collect();
            anyhow!("{err}; the heads that have a name are {}", names.join(", "))
        }
        err => err.into(),
    })
}

/// What there is without a network, as a clause.
fn at_hand(settings: &HubSettings, task: Option<Task>) -> String {
    let of_use = |head: &CachedHead| task.is_none_or(|task| task == head.task);
    let cached: Vec<String> = (hub::cached_heads(settings).into_iter())
        .filter(of_use)
        .map(|head| head.model.id)
        .collect();
    let what = task.map_or(String::new(), |task| {
        format!(" that could {}", cannot(task))
    });
    let built_in = match built_in(task) {
        None => "no head is built in this version".to_owned(),
        Some(names) => format!("built in: {names}"),
    };
    match cached.is_empty() {
        true => format!("{built_in}, and none{what} is cached"),
        false => format!("{built_in}; cached heads{what}: {}", cached.join(", ")),
    }
}

/// Loads a head onto its device. The third value is the margin of [`LoadedHead`].
fn start(
    in_force: &InForce,
    resolved: &Resolved,
    checkpoint: HeadCheckpoint,
    revision: Option<String>,
    encoders: &Encoders,
    notes: &mut Vec<String>,
) -> anyhow::Result<(HeadReader, report::Model, f32)> {
    let (device, precision) = (&in_force.device, &in_force.precision);
    let (forward, note) = model::load_head_with(&checkpoint, device, precision, encoders)?;
    notes.extend(note);
    if resolved.named.as_ref().is_some_and(|named| named.pairs) {
        notes.push(format!(
            "{} was trained on pairs of texts; of one text alone its labels say little",
            resolved.asked
        ));
    }
    let model = model_of(resolved, revision, &*forward);
    let margin = checkpoint.config.no_answer_threshold.unwrap_or(0.0);
    let tokenizer = Arc::clone(&checkpoint.tokenizer);
    let reader =
        HeadReader::new(tokenizer, forward, &checkpoint.config).with_window(in_force.window);
    let positions = checkpoint.config.max_positions;
    notes.extend(common::long_window_note(in_force.window, positions));
    Ok((reader, model, margin))
}

/// A head that can be chosen, and where it lies.
pub(super) struct Listed {
    pub(super) choice: HeadChoice,
    /// Its hub id, or its folder.
    pub(super) id: String,
    /// Where its files are, if they are on this disk.
    pub(super) folder: Option<PathBuf>,
    /// Its commit, if it is cached.
    pub(super) revision: Option<String>,
    /// The class that its configuration names, if it is on this disk.
    pub(super) class: Option<String>,
    /// Whether it is what the settings or a flag have chosen for its task.
    pub(super) is_chosen: bool,
    /// The head itself, if it is built in.
    pub(super) builtin: Option<&'static BuiltinHead>,
    /// Whether it was trained on pairs of texts, and so is of little use here.
    is_for_pairs: bool,
}

/// The heads that can be chosen, by task, by how near they are, and by how useful.
pub(super) fn head_choices(global: &Global, in_force: &InForce) -> Vec<HeadChoice> {
    let all = listed(global, in_force).into_iter();
    all.map(|listed| listed.choice).collect()
}

/// The same, with where they lie.
pub(super) fn listed(global: &Global, in_force: &InForce) -> Vec<Listed> {
    let settings = common::hub_settings(global, in_force.offline);
    let cached = hub::cached_heads(&settings);
    let own = &in_force.file.heads;
    let known = settings::known_heads().unwrap_or_else(|err| {
        // The list goes on without them; whoever asks for one is told why.
        tracing::error!(%err, "the known heads are not known");
        Default::default()
    });
    let by_name = |name: &str| own.named.get(name).or_else(|| known.get(name));
    let mut all: Vec<Listed> = Vec::new();
    let mut add = |name: &str, head: Option<&NamedHead>, is_set: bool, is_chosen: bool| {
        if all.iter().all(|listed| listed.choice.name != name) {
            let listed = Listed::find(name, head, is_set, &cached);
            all.extend(listed.map(|listed| Listed {
                is_chosen,
                ..listed
            }));
        }
    };
    if let Some(typed) = &global.head {
        add(typed, by_name(typed), true, true);
    }
    for head in BuiltinHead::all() {
        let usual = BuiltinHead::usual(head.task).is_some_and(|usual| usual.name == head.name);
        let is_free = global.head.is_none() && !own.chosen.contains_key(&head.task);
        let is_set = own.chosen.get(&head.task) == Some(&head.id());
        let is_chosen = (is_free && usual) || (global.head.is_none() && is_set);
        add(&head.id(), None, false, is_chosen);
    }
    for (task, name) in &own.chosen {
        // The settings know what it is for, whatever it is.
        let bare = NamedHead::of(name, *task);
        let is_chosen = global.head.is_none();
        add(name, Some(by_name(name).unwrap_or(&bare)), true, is_chosen);
    }
    for (name, head) in &own.named {
        add(name, Some(head), true, false);
    }
    for (name, head) in &known {
        add(name, Some(head), false, false);
    }
    for head in &cached {
        let id = &head.model.id;
        if all.iter().all(|listed| listed.id != *id) {
            all.extend(Listed::find(id, None, false, &cached));
        }
    }
    all.sort_by(|a, b| {
        let key = |listed: &Listed| {
            let HeadChoice { task, source, .. } = listed.choice;
            (task, source, listed.is_for_pairs)
        };
        (key(a), &a.choice.name).cmp(&(key(b), &b.choice.name))
    });
    all
}

impl Listed {
    /// What `name` means, if it is known what that does.
    fn find(
        name: &str,
        head: Option<&NamedHead>,
        is_set: bool,
        cached: &[CachedHead],
    ) -> Option<Listed> {
        let id = head.map_or(name, |head| head.model.as_str());
        if let Some(builtin) = BuiltinHead::find(id) {
            let about = head.and_then(|head| head.about.clone());
            let choice = HeadChoice {
                name: name.to_owned(),
                task: builtin.task,
                source: HeadSource::BuiltIn,
                bytes: Some(builtin.bytes()),
                about: about.unwrap_or_else(|| builtin.about.to_owned()),
            };
            let class = format!("Electra{}", builtin.task.class_suffix());
            return Some(Listed {
                choice,
                id: builtin.id(),
                folder: None,
                revision: None,
                class: Some(class),
                is_chosen: false,
                builtin: Some(builtin),
                is_for_pairs: false,
            });
        }
        // Only a name that was typed may be that of a relative folder.
        let choice = match head.is_none() && is_set {
            true => ModelChoice::parse(id),
            false => ModelChoice::parse_kept(id),
        };
        let (folder, bytes, revision, class) = match choice {
            Ok(ModelChoice::Folder(folder)) => {
                let bytes = hub::bytes_in(&folder);
                let class = class_in(&folder);
                (Some(folder), Some(bytes), None, class)
            }
            Ok(ModelChoice::Hub(id)) => match cached.iter().find(|head| head.model.id == id) {
                Some(CachedHead { model, .. }) => (
                    Some(model.folder.clone()),
                    Some(model.bytes),
                    Some(model.revision.clone()),
                    Some(model.architecture.clone()),
                ),
                None => (None, None, None, None),
            },
            Ok(ModelChoice::Builtin) | Err(_) => return None,
        };
        let by_class = class.as_deref().and_then(Task::of_class);
        let task = head
            .map(|head| head.task)
            .or(by_class.map(|(_, task)| task))?;
        let about = head.and_then(|head| head.about.clone());
        let about = about.or_else(|| class.clone());
        let choice = HeadChoice {
            name: name.to_owned(),
            task,
            source: match (is_set, bytes) {
                (true, _) => HeadSource::Configured,
                (false, Some(_)) => HeadSource::Cached,
                (false, None) => HeadSource::Known,
            },
            bytes,
            about: about.unwrap_or_else(|| id.to_owned()),
        };
        Some(Listed {
            choice,
            id: id.to_owned(),
            folder,
            revision,
            class,
            is_chosen: false,
            builtin: None,
            is_for_pairs: head.is_some_and(|head| head.pairs),
        })
    }
}

/// Whether `name` is that of a head, and no folder with a checkpoint goes before it.
pub(super) fn is_name(in_force: &InForce, name: &str) -> anyhow::Result<bool> {
    Ok(
        !holds_checkpoint(Path::new(name))
            && named_heads(in_force)?.any(|(known, _)| known == name),
    )
}

/// Whether a checkpoint or an adapter lies in `folder`.
fn holds_checkpoint(folder: &Path) -> bool {
    let files = ["config.json", "adapter_config.json"];
    files.into_iter().any(|name| folder.join(name).is_file())
}

/// Whether the checkpoint in `folder` is that of a head, as its configuration says or, where that
/// says nothing, as its tensors do.
pub(super) fn is_head(folder: &Path) -> bool {
    let class = class_in(folder);
    let is_head = |class: &str| Task::of_class(class).is_some();
    folder.join("adapter_config.json").is_file()
        || class.as_deref().is_some_and(is_head)
        || (class.as_deref() != Some("ElectraForPreTraining")
            && HeadCheckpoint::open(folder).is_ok())
}

/// The class that the configuration in `folder` names.
fn class_in(folder: &Path) -> Option<String> {
    let config = read_bounded(&folder.join("config.json"), limits::CONFIG).ok()?;
    let config: serde_json::Value =
        serde_json::from_slice(model::without_byte_order_mark(&config)).ok()?;
    let class = config.pointer("/architectures/0")?.as_str()?;
    Some(class.to_owned())
}

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

/// The format to write in, and what is known of the terminal.
pub(super) fn output(in_force: &InForce, args: &HeadArgs) -> anyhow::Result<(HeadFormat, Looks)> {
    let format = args.format.unwrap_or(if io::stdout().is_terminal() {
        HeadFormat::Pretty
    } else {
        HeadFormat::Compact
    });
    // Where there is no terminal to ask, as many columns as people like to read.
    let width = common::terminal_width();
    let looks = Looks {
        theme: in_force.theme(None)?,
        width,
    };
    Ok((format, looks))
}

/// How much of a document has been read, told as it grows.
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

    /// This stretch has been read, too.
    pub(super) fn add(&mut self, span: Span) {
        self.done += span.len();
        self.progress.show(&self.path, self.done, self.all);
    }
}

/// Reads every source, has `find` find what is wanted in it, and prints that as soon as it is there.
/// A file that fails is said to, and stops no other.
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
    for arrival in Arrivals::of(sources, &args.input)? {
        let found = arrival.and_then(|document| {
            let path = document.path.clone();
            progress.show(&path, 0, 1);
            let found = find(document, &progress);
            progress.next();
            found.map_err(|err| FileError {
                path,
                message: common::in_full(&err.into()),
            })
        });
        match found {
            Ok(found) => progress.aside(|| {
                printer.document(&mut out, &found)?;
                // Whoever reads along sees each document when it is ready.
                out.flush()
            })?,
            Err(error) => {
                progress.aside(|| common::report_error(&error));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;

    /// The settings in force where a file says this, and nothing else.
    fn in_force(settings: &str, arguments: &[&str]) -> (Global, InForce) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, settings).unwrap();
        let fixed = ["electroscope", "--config", path.to_str().unwrap()];
        let cli = Cli::parse_from(fixed.iter().chain(arguments));
        let in_force = InForce::new(&cli.global).unwrap();
        (cli.global, in_force)
    }

    fn fixture(name: &str) -> String {
        format!(
            "{}/tests/reference/heads/{name}",
            env!("CARGO_MANIFEST_DIR")
        )
    }

    #[test]
    fn the_screen_is_told_each_step_and_what_was_loaded() {
        let (global, in_force) = in_force("", &[]);
        let folder = fixture("electra-tags");
        let mut steps = Vec::new();
        let encoders = Encoders::default();
        let mut step = |step| steps.push(step);
        let loaded = load_head_for_screen(&global, &in_force, &folder, &encoders, &mut step);
        let (reader, summary) = loaded.unwrap();
        assert_eq!(
            steps,
            [format!("opening {folder}"), format!("loading {folder}")]
        );
        assert_eq!(reader.task(), Task::Tagging);
        assert_eq!(
            summary,
            HeadSummary {
                id: folder,
                revision: None,
                device: "cpu".to_owned(),
                precision: "f32".to_owned(),
                task: Task::Tagging,
                labels: ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
                    .map(str::to_owned)
                    .to_vec(),
                no_answer_margin: 0.0,
                note: None,
            }
        );
    }

    #[test]
    fn what_the_screen_cannot_load_is_told_as_in_a_command() {
        let (global, in_force) = in_force("", &[]);
        let load = |choice: &str| {
            let loaded = load_head_for_screen(
                &global,
                &in_force,
                choice,
                &Encoders::default(),
                &mut |_| {},
            );
            format!("{:#}", loaded.err().unwrap())
        };
        assert!(load("builtin:ner").contains("there is no builtin:ner"));
        assert!(load("./nope").contains("there is no such folder"));
    }

    #[test]
    fn what_is_set_comes_first_and_is_known_to_be_here() {
        let (single, answers) = (fixture("electra-single"), fixture("bert-answers"));
        let settings = format!(
            "[heads]\nclassification = {single:?}\n\
             [heads.mine]\nmodel = {answers:?}\ntask = \"qa\"\nabout = \"of my own\"\n"
        );
        let tags = fixture("distilbert-tags");
        let (global, in_force) = in_force(&settings, &["--head", &tags]);
        let choices = head_choices(&global, &in_force);
        let first = |task: Task| {
            let mut of_task = choices.iter().filter(|choice| choice.task == task);
            of_task.next().unwrap().clone()
        };
        let choice = |name: &str, task: Task, about: &str, model: &str| HeadChoice {
            name: name.to_owned(),
            task,
            source: HeadSource::Configured,
            bytes: Some(hub::bytes_in(Path::new(model))),
            about: about.to_owned(),
        };
        let class = "ElectraForSequenceClassification";
        let wanted = choice(&single, Task::Classification, class, &single);
        assert_eq!(first(Task::Classification), wanted);
        let wanted = choice("mine", Task::QuestionAnswering, "of my own", &answers);
        assert_eq!(first(Task::QuestionAnswering), wanted);
        let class = "DistilBertForTokenClassification";
        assert_eq!(
            first(Task::Tagging),
            choice(&tags, Task::Tagging, class, &tags)
        );
        // Whatever else is in the cache of whoever runs this, the names that are known are there.
        assert!(choices.iter().any(|choice| choice.name == "sst2"));
    }
}
