//! Names of heads: what one means, which one is chosen for a task, and messages for those that mean none.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use super::{BUILTIN_PREFIX, BuiltinHead, Catalog};
use crate::settings::{self, FileSettings, NamedHead};
use electroscope_analysis::HeadChoice;
use electroscope_model::Task;
use electroscope_model::hub::{self, CachedHead};
use electroscope_model::model_choice::{ModelChoice, NameError};

/// What the name of a head means.
#[derive(Clone)]
pub struct ResolvedHead {
    /// The name.
    pub asked: String,
    pub(super) place: HeadPlace,
    /// What the settings or the list of known heads say about it.
    pub named: Option<NamedHead>,
}

/// The place of a head.
#[derive(Clone)]
pub(super) enum HeadPlace {
    Builtin(&'static BuiltinHead),
    Folder(PathBuf),
    Hub(String),
}

impl ResolvedHead {
    /// The revision to fetch: `given` by the user, else the one that the name stands for.
    pub(super) fn revision<'a>(&'a self, given: Option<&'a str>) -> Option<&'a str> {
        given.or_else(|| self.named.as_ref()?.revision.as_deref())
    }

    /// The head, if it is built in.
    pub fn builtin(&self) -> Option<&'static BuiltinHead> {
        match self.place {
            HeadPlace::Builtin(head) => Some(head),
            HeadPlace::Folder(_) | HeadPlace::Hub(_) => None,
        }
    }

    /// What is known about it, in a line.
    pub fn about(&self) -> Option<&str> {
        let named = self.named.as_ref().and_then(|named| named.about.as_deref());
        named.or_else(|| Some(self.builtin()?.about))
    }

    /// Its name in its place: `builtin:NAME`, the folder, the hub id.
    pub fn id(&self) -> String {
        match &self.place {
            HeadPlace::Builtin(head) => head.id(),
            HeadPlace::Folder(folder) => folder.display().to_string(),
            HeadPlace::Hub(id) => id.clone(),
        }
    }
}

impl Catalog {
    /// Finds out what `asked` means: the first of a built-in head, a folder with a checkpoint, a name from
    /// the settings, a known name, any other folder, a hub id.
    ///
    /// # Errors
    ///
    /// A name that means nothing, with the names that do.
    pub fn resolve_head(&self, asked: &str) -> anyhow::Result<ResolvedHead> {
        // A folder without a checkpoint, such as one of data, does not hide a name.
        let is_kept = self.settings().is_kept(asked);
        let named = match !is_kept && holds_checkpoint(Path::new(asked)) {
            true => None,
            false => self.named_heads()?.find(|(name, _)| name == asked),
        };
        let named = named.map(|(_, head)| head);
        let model = named.as_ref().map_or(asked, |head| head.model.as_str());
        let choice = match is_kept || named.is_some() {
            true => ModelChoice::parse_kept(model),
            false => ModelChoice::parse(model),
        };
        let place = match choice {
            _ if model.starts_with(BUILTIN_PREFIX) => match BuiltinHead::find(model) {
                Some(head) => HeadPlace::Builtin(head),
                None => bail!(not_builtin(model)),
            },
            Ok(ModelChoice::Folder(folder)) => HeadPlace::Folder(folder),
            Ok(ModelChoice::Hub(id)) => HeadPlace::Hub(id),
            Ok(ModelChoice::Builtin) => bail!(not_builtin(model)),
            Err(NameError { name, hint }) => bail!(
                "{name:?} is neither the name of a head, nor a folder, nor a hub id of the form NAME or \
                 ORGANISATION/NAME{hint}"
            ),
        };
        let named = match named {
            // A name for the same checkpoint says what it is, but not which revision is wanted.
            None => (self.named_heads()?)
                .map(|(_, head)| head)
                .find(|head| head.model == model)
                .map(|head| NamedHead {
                    revision: None,
                    ..head
                }),
            named => named,
        };
        Ok(ResolvedHead {
            asked: asked.to_owned(),
            place,
            named,
        })
    }

    /// The heads that have a name, those of the settings first.
    pub(super) fn named_heads(
        &self,
    ) -> anyhow::Result<impl Iterator<Item = (String, NamedHead)> + use<>> {
        let own = self.settings().file.heads.named.clone();
        let known = settings::known_heads()?;
        let known = known.into_iter().filter({
            let own = own.clone();
            move |(name, _)| !own.contains_key(name)
        });
        Ok(own.into_iter().chain(known))
    }

    /// Whether `name` is that of a head, unless a folder with a checkpoint has the same name.
    ///
    /// # Errors
    ///
    /// Those of [`settings::known_heads`].
    pub fn is_head_name(&self, name: &str) -> anyhow::Result<bool> {
        Ok(!holds_checkpoint(Path::new(name))
            && self.named_heads()?.any(|(known, _)| known == name))
    }

    /// The name of the head for `task`: from the flag, else from the settings, else that of a built-in
    /// one.
    pub(super) fn chosen_head(&self, task: Task) -> anyhow::Result<String> {
        let settings = self.settings();
        let chosen = settings.given.head.as_ref();
        let chosen = chosen.or_else(|| settings.file.heads.chosen.get(&task));
        match (chosen, BuiltinHead::usual(task)) {
            (Some(head), _) => Ok(head.clone()),
            (None, Some(head)) => Ok(head.id()),
            (None, None) => Err(self.none_chosen(task)),
        }
    }

    /// The name of the head that the lens `errors` uses: the one called `errors` in the settings, else the
    /// built-in one; none if there is neither.
    ///
    /// # Errors
    ///
    /// Those of [`settings::known_heads`].
    pub fn errors_head(&self) -> anyhow::Result<Option<String>> {
        const NAME: &str = "errors";
        let is_errors =
            |(name, head): (String, NamedHead)| name == NAME && head.task == Task::Tagging;
        let named = self.named_heads()?.any(is_errors);
        let built_in = format!("{BUILTIN_PREFIX}{NAME}");
        Ok(match named {
            true => Some(NAME.to_owned()),
            false => BuiltinHead::find(&built_in).map(BuiltinHead::id),
        })
    }

    /// The error where no head is chosen for `task`, with those that can be.
    fn none_chosen(&self, task: Task) -> anyhow::Error {
        let mut message = format!(
            "no head is given to {} with, and none for it is built in this version; give one with --head, \
             with ELECTROSCOPE_HEAD, or as `{}` under [heads] in the settings: a folder with a fine-tuned \
             checkpoint, a hub id, or one of these names",
            command(task),
            task.name(),
        );
        let choices = self.head_choices();
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
        if self.settings().given.model.is_some() {
            message.push_str(
                "\n--model is the discriminator, which doubts words and does nothing else",
            );
        }
        anyhow::Error::msg(message)
    }

    /// The error for a head that does `found`, with `labels` if they are known, where `wanted` is needed.
    pub(super) fn wrong_task(
        &self,
        asked: &str,
        found: Task,
        labels: &[String],
        wanted: Task,
    ) -> anyhow::Result<String> {
        /// More labels than this say no more about what a head is.
        const MOST: usize = 6;
        let labels = match labels.get(..MOST) {
            Some(first) if labels.len() > MOST => {
                let more = labels.len() - MOST;
                format!(" (as {} and {more} more)", first.join(", "))
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
            self.single_text_heads(wanted)?,
        ))
    }

    /// The names of heads for `task` that read one text at a time, for a message.
    fn single_text_heads(&self, task: Task) -> anyhow::Result<String> {
        let heads = self.named_heads()?;
        let heads = heads.filter(|(_, head)| head.task == task && !head.pairs);
        let names: Vec<String> = (builtin_names(Some(task)).into_iter())
            .chain(heads.map(|(name, _)| name))
            .collect();
        Ok(names.join(", "))
    }

    /// The error for a head that cannot be fetched. The messages of the hub recommend the built-in
    /// discriminator, which does not help here.
    pub(super) fn not_fetched(
        &self,
        err: hub::Error,
        head: &ResolvedHead,
    ) -> anyhow::Result<anyhow::Error> {
        let at_hand = self.at_hand(head.named.as_ref().map(|named| named.task));
        let asked = &head.asked;
        Ok(match err {
            hub::Error::Offline {
                id,
                revision,
                cache,
                ..
            } => {
                let given = match revision == "main" {
                    true => String::new(),
                    false => format!(" --revision {revision}"),
                };
                let by_name = match *asked == id {
                    true => id,
                    false => format!("{asked} is {id} on the hub, which"),
                };
                anyhow!(
                    "{by_name} (revision {revision}) is not in the cache {}, and offline nothing is \
                     downloaded; {at_hand}; run `electroscope model pull {asked}{given}` where there is a \
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
            // A misspelt short name looks like a hub id, and the hub knows no short names.
            err @ (hub::Error::NotFound { .. } | hub::Error::Denied { .. })
                if !asked.contains('/') =>
            {
                let names: Vec<String> = self.named_heads()?.map(|(name, _)| name).collect();
                anyhow!("{err}; the heads that have a name are {}", names.join(", "))
            }
            err => err.into(),
        })
    }

    /// The heads that can be used without a network, as a clause.
    fn at_hand(&self, task: Option<Task>) -> String {
        let fits = |head: &CachedHead| task.is_none_or(|task| task == head.task);
        let cached: Vec<String> = (hub::cached_heads(self.hub()).into_iter())
            .filter(fits)
            .map(|head| head.model.id)
            .collect();
        let what = task.map_or(String::new(), |task| {
            format!(" that could {}", cannot(task))
        });
        let built_in = match builtin_names(task) {
            None => "no head is built in this version".to_owned(),
            Some(names) => format!("built in: {names}"),
        };
        match cached.is_empty() {
            true => format!("{built_in}, and none{what} is cached"),
            false => format!("{built_in}; cached heads{what}: {}", cached.join(", ")),
        }
    }
}

/// The names of the heads in the settings file, with their tasks, for completions.
pub fn names_in_file(file: &FileSettings) -> Vec<(String, Task)> {
    let named = file.heads.named.iter();
    named
        .map(|(name, head)| (name.clone(), head.task))
        .collect()
}

/// The message for a name that is not that of a built-in head.
fn not_builtin(asked: &str) -> String {
    let what = match asked.strip_prefix(BUILTIN_PREFIX) {
        Some(_) => format!("there is no {asked}"),
        None => format!("{asked} is the discriminator, which doubts words and does nothing else"),
    };
    let known = match builtin_names(None) {
        None => "no head is built in this version".to_owned(),
        Some(names) => format!("the heads that are built in are {names}"),
    };
    format!(
        "{what}: {known}; give --head a folder with a fine-tuned checkpoint in Hugging Face layout, a \
         hub id, or a name of `electroscope model list`"
    )
}

/// The names of the built-in heads, for one task or for all.
fn builtin_names(task: Option<Task>) -> Option<String> {
    let fits = |head: &&BuiltinHead| task.is_none_or(|task| head.task == task);
    let names: Vec<String> = (BuiltinHead::all().iter())
        .filter(fits)
        .map(BuiltinHead::id)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// What a head for `task` does: "classifies texts".
pub(super) fn does(task: Task) -> &'static str {
    match task {
        Task::Classification => "classifies texts",
        Task::QuestionAnswering => "answers questions",
        Task::Tagging => "tags words",
    }
}

/// The same after "cannot": "classify texts".
fn cannot(task: Task) -> &'static str {
    match task {
        Task::Classification => "classify texts",
        Task::QuestionAnswering => "answer questions",
        Task::Tagging => "tag words",
    }
}

/// The name of the command that reads with heads for `task`.
pub fn command(task: Task) -> &'static str {
    match task {
        Task::Classification => "classify",
        Task::QuestionAnswering => "ask",
        Task::Tagging => "tag",
    }
}

/// The message for a head that was chosen in a panel of the screen and cannot be used there.
pub fn wrong_panel(asked: &str, found: Task, wanted: Task) -> String {
    format!(
        "{asked} {} and cannot {}; its place is another panel",
        does(found),
        cannot(wanted)
    )
}

/// Whether a checkpoint or an adapter is in `folder`.
fn holds_checkpoint(folder: &Path) -> bool {
    let files = ["config.json", "adapter_config.json"];
    files.into_iter().any(|name| folder.join(name).is_file())
}
