//! Heads: from a name to one that is loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};

use super::head_choice::{HeadPlace, ResolvedHead, does};
use super::{Catalog, LoadObserver, LoadedScorer, builtin};
use crate::report;
use crate::settings::NamedHead;
use electroscope_analysis::{Engine, ErrorTagger, HeadReader};
use electroscope_model::bounded_read::{limits, read_bounded};
use electroscope_model::{
    self as model, BaseRequest, BaseSource, HeadCheckpoint, HeadForward, Task,
};

/// A head that has been opened, but not loaded onto a device.
pub struct OpenedHead {
    /// What its name means.
    pub resolved: ResolvedHead,
    /// Its configuration, tokenizer and weights.
    pub checkpoint: HeadCheckpoint,
    /// The commit of a hub model.
    pub revision: Option<String>,
}

/// A head that is ready to read documents.
pub struct LoadedHead {
    /// Reads documents with it.
    pub reader: HeadReader,
    /// Its description for reports.
    pub model: report::Model,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// By how much the score of "no answer" must exceed that of an answer to come before it.
    pub no_answer_margin: f32,
}

/// A head that is ready to answer, without a reader of documents.
pub struct BareHead {
    /// Its configuration, tokenizer and weights.
    pub checkpoint: HeadCheckpoint,
    /// Answers windows.
    pub forward: Arc<dyn HeadForward>,
    /// Its description for reports.
    pub model: report::Model,
}

impl OpenedHead {
    /// The description for reports, once it has been loaded as `forward`.
    fn model(&self, forward: &dyn HeadForward) -> report::Model {
        report::Model {
            id: self.resolved.id(),
            revision: self.revision.clone(),
            device: forward.device(),
            precision: forward.precision(),
        }
    }
}

impl Catalog {
    /// Opens the head that `name` means, as `--head` takes it. `revision` goes before the one that the
    /// name stands for.
    ///
    /// # Errors
    ///
    /// Those of [`Catalog::resolve_head`]; a head that cannot be downloaded or opened.
    pub fn open_head(
        &self,
        name: &str,
        revision: Option<&str>,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<OpenedHead> {
        observer.step(format!("opening {name}"));
        self.open_resolved_head(self.resolve_head(name)?, revision, observer)
    }

    /// Opens the head that is chosen for `task`, and checks that it is one for that task.
    ///
    /// # Errors
    ///
    /// As [`Catalog::open_head`]; a head for another task.
    pub fn open_head_for(
        &self,
        task: Task,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<OpenedHead> {
        let name = self.chosen_head(task)?;
        observer.step(format!("opening {name}"));
        let resolved = self.resolve_head(&name)?;
        // Before a download, if the task is known.
        let named = resolved.named.as_ref().map(|named| named.task);
        if let Some(named) = named.filter(|named| *named != task) {
            bail!(self.wrong_task(&name, named, &[], task)?);
        }
        let revision = self.settings().given.revision.as_deref();
        let opened = self.open_resolved_head(resolved, revision, observer)?;
        let config = &opened.checkpoint.config;
        if config.task != task {
            bail!(self.wrong_task(&name, config.task, &config.labels, task)?);
        }
        Ok(opened)
    }

    fn open_resolved_head(
        &self,
        resolved: ResolvedHead,
        revision: Option<&str>,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<OpenedHead> {
        let (checkpoint, revision) = match resolved.builtin() {
            Some(head) => (head.open()?, None),
            None => {
                let (folder, revision) = self.fetch_head(&resolved, revision, observer)?;
                let named = resolved.named.as_ref();
                (self.open_head_in(&folder, named, observer)?, revision)
            }
        };
        Ok(OpenedHead {
            resolved,
            checkpoint,
            revision,
        })
    }

    /// Opens the head in `folder`. What its files do not say is taken from `named`. The hub model that an
    /// adapter belongs to is fetched.
    ///
    /// # Errors
    ///
    /// Those of [`HeadCheckpoint::open_with`] and [`Catalog::fetch`].
    pub fn open_head_in(
        &self,
        folder: &Path,
        named: Option<&NamedHead>,
        observer: &mut dyn LoadObserver,
    ) -> Result<HeadCheckpoint, model::Error> {
        let mut checkpoint = HeadCheckpoint::open_with(folder, &mut |base| {
            Ok(match base {
                BaseRequest::Builtin => BaseSource::Packed(builtin::PAIR),
                BaseRequest::Hub { id, revision } => {
                    BaseSource::Folder(self.fetch(id, revision, observer)?.folder)
                }
            })
        })?;
        checkpoint.config.can_refuse |= named.is_some_and(|named| named.no_answer);
        Ok(checkpoint)
    }

    /// Finds the folder of a head, downloading it if it is on the hub. The second value is the commit of a
    /// hub model.
    ///
    /// # Errors
    ///
    /// A built-in head, which has no folder; a head that cannot be downloaded.
    pub fn fetch_head(
        &self,
        head: &ResolvedHead,
        revision: Option<&str>,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<(PathBuf, Option<String>)> {
        match &head.place {
            HeadPlace::Builtin(head) => bail!(
                "{} is carried in the program: there is nothing to download",
                head.id()
            ),
            HeadPlace::Folder(folder) => Ok((folder.clone(), None)),
            HeadPlace::Hub(id) => match self.fetch(id, head.revision(revision), observer) {
                Ok(fetched) => Ok((fetched.folder, Some(fetched.revision))),
                Err(err) => Err(self.not_fetched(err, head)?),
            },
        }
    }

    /// Loads a head onto its device, to read documents.
    ///
    /// # Errors
    ///
    /// A device or precision that is not there; a tensor that does not fit.
    pub fn load_head(
        &self,
        head: OpenedHead,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<LoadedHead> {
        let forward = self.load_forward(&head, &self.settings().precision, observer)?;
        let resolved = &head.resolved;
        if resolved.named.as_ref().is_some_and(|named| named.pairs) {
            observer.note(&format!(
                "{} was trained on pairs of texts; of one text alone its labels say little",
                resolved.asked
            ));
        }
        let model = head.model(&*forward);
        let HeadCheckpoint {
            config, tokenizer, ..
        } = head.checkpoint;
        self.note_long_windows(config.max_positions, observer);
        let window = self.settings().window;
        Ok(LoadedHead {
            reader: HeadReader::new(tokenizer, forward, &config).with_window(window),
            model,
            labels: config.labels,
            no_answer_margin: config.no_answer_threshold.unwrap_or(0.0),
        })
    }

    /// Loads a head onto its device, to answer windows.
    ///
    /// # Errors
    ///
    /// As [`Catalog::load_head`].
    pub fn load_bare_head(
        &self,
        head: OpenedHead,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<BareHead> {
        let forward = self.load_forward(&head, &self.settings().precision, observer)?;
        Ok(BareHead {
            model: head.model(&*forward),
            checkpoint: head.checkpoint,
            forward,
        })
    }

    /// Loads a head that marks errors, as a model that scores, to compute in `precision`. The built-in one
    /// is joined with other evidence, if the discriminator is the built-in one too.
    ///
    /// # Errors
    ///
    /// As [`Catalog::load_head`]; a head that marks no errors.
    pub fn load_error_scorer(
        &self,
        head: OpenedHead,
        precision: &str,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<LoadedScorer> {
        if self.has_evidence_for(&head) {
            return self.load_evidence_scorer(head, precision, observer);
        }
        self.load_tagger_scorer(head, precision, observer)
    }

    /// Loads a head that marks errors, as a model that scores by itself.
    ///
    /// # Errors
    ///
    /// As [`Catalog::load_error_scorer`].
    pub fn load_tagger_scorer(
        &self,
        head: OpenedHead,
        precision: &str,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<LoadedScorer> {
        let forward = self.load_forward(&head, precision, observer)?;
        let name = head.resolved.asked;
        let HeadCheckpoint {
            config, tokenizer, ..
        } = head.checkpoint;
        let (device, precision) = (forward.device(), forward.precision());
        let Some(tagger) = ErrorTagger::new(&tokenizer, forward, &config) else {
            bail!(
                "{name} {} as {}; to show errors, a head that tags words is needed, with `O` among its \
                 labels for those that are none",
                does(config.task),
                config.labels.join(", ")
            );
        };
        Ok(LoadedScorer {
            engine: Engine::new(tokenizer, Arc::new(tagger), config.max_positions)
                .with_window(self.settings().window),
            model: report::Model {
                id: name,
                revision: head.revision,
                device,
                precision,
            },
            threshold: config.encoder.threshold,
            false_alarms: config.encoder.false_alarms,
        })
    }

    /// Opens and loads the head that marks errors, as a model that scores: the one that `--head` names,
    /// else that of [`Catalog::errors_head`]. The second value is its name.
    ///
    /// # Errors
    ///
    /// As [`Catalog::open_head`] and [`Catalog::load_error_scorer`].
    pub fn load_chosen_error_scorer(
        &self,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<(LoadedScorer, String)> {
        let settings = self.settings();
        let name = match &settings.given.head {
            Some(given) => given.clone(),
            None => self.errors_head()?.ok_or_else(|| {
                anyhow!(
                    "no head that marks errors is built in this version; give one with --head, or as \
                     [heads.errors] in the settings"
                )
            })?,
        };
        let head = self.open_head(&name, settings.given.revision.as_deref(), observer)?;
        // The precision in the settings file is meant for the discriminator, which can compute in int8.
        let precision = match (&settings.given.precision, settings.precision.as_str()) {
            (None, "int8") => "f32",
            (_, other) => other,
        };
        Ok((self.load_error_scorer(head, precision, observer)?, name))
    }

    pub(super) fn load_forward(
        &self,
        head: &OpenedHead,
        precision: &str,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<Arc<dyn HeadForward>> {
        observer.step(format!("loading {}", head.resolved.asked));
        let device = &self.settings().device;
        let (forward, note) =
            model::load_head_with(&head.checkpoint, device, precision, &self.encoders)?;
        note.iter().for_each(|note| observer.note(note));
        Ok(forward)
    }
}

/// Whether the checkpoint in `folder` is that of a head: by its configuration, or if that does not say so
/// by its tensors.
pub fn is_head(folder: &Path) -> bool {
    let class = class_in(folder);
    let is_head = |class: &str| Task::of_class(class).is_some();
    folder.join("adapter_config.json").is_file()
        || class.as_deref().is_some_and(is_head)
        || (class.as_deref() != Some("ElectraForPreTraining")
            && HeadCheckpoint::open(folder).is_ok())
}

/// The class that the configuration in `folder` names.
pub(super) fn class_in(folder: &Path) -> Option<String> {
    let config = read_bounded(&folder.join("config.json"), limits::CONFIG).ok()?;
    let config: serde_json::Value =
        serde_json::from_slice(model::without_byte_order_mark(&config)).ok()?;
    let class = config.pointer("/architectures/0")?.as_str()?;
    Some(class.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::StepsAndNotes;
    use crate::settings::{EffectiveSettings, FileSettings, GivenSettings};

    fn catalog() -> Catalog {
        let given = GivenSettings::default();
        Catalog::new(EffectiveSettings::new(given, None, FileSettings::default()).unwrap())
    }

    fn fixture(name: &str) -> String {
        format!(
            "{}/tests/reference/heads/{name}",
            env!("CARGO_MANIFEST_DIR")
        )
    }

    #[test]
    fn the_observer_is_told_each_step_from_a_name_to_a_loaded_head() {
        let catalog = catalog();
        let folder = fixture("electra-tags");
        let mut steps = Vec::new();
        let mut step = |step| steps.push(step);
        let mut observer = StepsAndNotes::new(&mut step);
        let opened = catalog.open_head(&folder, None, &mut observer).unwrap();
        let loaded = catalog.load_head(opened, &mut observer).unwrap();
        assert_eq!(observer.into_note(), None);
        assert_eq!(
            steps,
            [format!("opening {folder}"), format!("loading {folder}")]
        );
        assert_eq!(loaded.reader.task(), Task::Tagging);
        assert_eq!(loaded.labels, ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]);
        assert_eq!(loaded.no_answer_margin, 0.0);
        let model = report::Model {
            id: folder,
            revision: None,
            device: "cpu".to_owned(),
            precision: "f32".to_owned(),
        };
        assert_eq!(loaded.model, model);
    }

    #[test]
    fn a_name_that_means_no_head_is_refused_with_what_it_lacks() {
        let catalog = catalog();
        let open = |name: &str| {
            let mut step = |_| {};
            let opened = catalog.open_head(name, None, &mut StepsAndNotes::new(&mut step));
            format!("{:#}", opened.err().unwrap())
        };
        assert!(open("builtin:ner").contains("there is no builtin:ner"));
        assert!(open("./nope").contains("there is no such folder"));
    }
}
