//! The heads that can be chosen.

use std::path::PathBuf;

use super::heads::class_in;
use super::{BuiltinHead, Catalog};
use crate::settings::{self, NamedHead};
use electroscope_analysis::{HeadChoice, HeadSource};
use electroscope_model::Task;
use electroscope_model::hub::{self, CachedHead};
use electroscope_model::model_choice::ModelChoice;

/// A head that can be chosen, and its place.
pub struct ListedHead {
    /// Its name and what it is for.
    pub choice: HeadChoice,
    /// Its hub id, or its folder.
    pub id: String,
    /// The folder of its files, if they are on this disk.
    pub folder: Option<PathBuf>,
    /// Its commit, if it is cached.
    pub revision: Option<String>,
    /// The class that its configuration names, if that is on this disk.
    pub class: Option<String>,
    /// Whether a flag or the settings have chosen it for its task.
    pub is_chosen: bool,
    /// The head itself, if it is built in.
    pub builtin: Option<&'static BuiltinHead>,
    /// Whether it was trained on pairs of texts, so that it is of little use for single ones.
    is_for_pairs: bool,
}

impl Catalog {
    /// The heads that can be chosen, sorted by task, source, and usefulness.
    pub fn head_choices(&self) -> Vec<HeadChoice> {
        let all = self.heads().into_iter();
        all.map(|listed| listed.choice).collect()
    }

    /// The same, with their places.
    pub fn heads(&self) -> Vec<ListedHead> {
        let cached = hub::cached_heads(self.hub());
        let own = &self.settings().file.heads;
        let given = self.settings().given.head.as_ref();
        let known = settings::known_heads().unwrap_or_else(|err| {
            // The list goes on without them. A test reads the file.
            tracing::error!(%err, "cannot read the list of known heads");
            Default::default()
        });
        let by_name = |name: &str| own.named.get(name).or_else(|| known.get(name));
        let mut all: Vec<ListedHead> = Vec::new();
        let mut add = |name: &str, head: Option<&NamedHead>, is_set: bool, is_chosen: bool| {
            if all.iter().all(|listed| listed.choice.name != name) {
                let listed = ListedHead::find(name, head, is_set, &cached);
                all.extend(listed.map(|listed| ListedHead {
                    is_chosen,
                    ..listed
                }));
            }
        };
        if let Some(given) = given {
            add(given, by_name(given), true, true);
        }
        for head in BuiltinHead::all() {
            let usual = BuiltinHead::usual(head.task).is_some_and(|usual| usual.name == head.name);
            let is_free = given.is_none() && !own.chosen.contains_key(&head.task);
            let is_set = own.chosen.get(&head.task) == Some(&head.id());
            let is_chosen = (is_free && usual) || (given.is_none() && is_set);
            add(&head.id(), None, false, is_chosen);
        }
        for (task, name) in &own.chosen {
            // Its task is known from the settings.
            let bare = NamedHead::of(name, *task);
            let is_chosen = given.is_none();
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
                all.extend(ListedHead::find(id, None, false, &cached));
            }
        }
        all.sort_by(|a, b| {
            let key = |listed: &ListedHead| {
                let HeadChoice { task, source, .. } = listed.choice;
                (task, source, listed.is_for_pairs)
            };
            (key(a), &a.choice.name).cmp(&(key(b), &b.choice.name))
        });
        all
    }
}

impl ListedHead {
    /// The entry for `name`, if its task is known.
    fn find(
        name: &str,
        head: Option<&NamedHead>,
        is_set: bool,
        cached: &[CachedHead],
    ) -> Option<ListedHead> {
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
            return Some(ListedHead {
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
        // Only a name from a flag may be that of a relative folder.
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
        Some(ListedHead {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{EffectiveSettings, FileSettings, GivenSettings};
    use std::path::Path;

    fn fixture(name: &str) -> String {
        format!(
            "{}/tests/reference/heads/{name}",
            env!("CARGO_MANIFEST_DIR")
        )
    }

    #[test]
    fn heads_from_flags_and_settings_come_first_and_have_a_size() {
        let (single, answers) = (fixture("electra-single"), fixture("bert-answers"));
        let file = format!(
            "[heads]\nclassification = {single:?}\n\
             [heads.mine]\nmodel = {answers:?}\ntask = \"qa\"\nabout = \"of my own\"\n"
        );
        let file: FileSettings = toml::from_str(&file).unwrap();
        let tags = fixture("distilbert-tags");
        let given = GivenSettings {
            head: Some(tags.clone()),
            ..GivenSettings::default()
        };
        let catalog = Catalog::new(EffectiveSettings::new(given, None, file).unwrap());
        let choices = catalog.head_choices();
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
        // Whatever else is in the user's cache, the known names are listed.
        assert!(choices.iter().any(|choice| choice.name == "sst2"));
    }
}
