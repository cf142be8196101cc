//! The output folder of a fine-tuning, while it runs and when it is done.
//!
//! During the training the folder contains only `training/`, with the last saved state and the best
//! weights so far. The checkpoint is moved into place at the end, its weights last. So whatever
//! interrupts the training, the folder has no incomplete checkpoint.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::super::evaluation::HeadScores;
use super::super::folder_lock::FolderLock;
use super::super::loss_curve::LossCurve;
use super::super::resume_store::{self, ResumeStore, SavedTensors};
use super::super::{Error, durable_files};
use super::settings::FinetuneSettings;
use electroscope_model::Weights;

/// The output folder of a fine-tuning. While it is open, it is locked against other trainings.
#[derive(Clone, Debug)]
pub struct OutputFolder {
    path: PathBuf,
    store: ResumeStore,
    _lock: Arc<FolderLock>,
}

/// The state of a fine-tuning, without its tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FinetuneState {
    /// What is trained.
    pub plan: FinetunePlan,
    /// The steps so far.
    pub step: u64,
    /// The seconds that they took.
    pub seconds: f64,
    /// The metrics of each evaluation, with the step before it.
    pub evaluations: Vec<(u64, Vec<(String, f64)>)>,
    /// The best evaluation.
    pub best: Option<BestWeights>,
    /// The loss of the steps.
    #[serde(rename = "curve")]
    pub loss_curve: LossCurve,
}

/// What is trained, and how: a fine-tuning can only be resumed with the same plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FinetunePlan {
    /// The base model, as it was named.
    pub from: String,
    /// The settings.
    pub settings: FinetuneSettings,
    /// A hash of the examples in their order.
    #[serde(rename = "data")]
    pub data_hash: u64,
    /// The number of examples.
    pub examples: usize,
}

/// The best weights so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestWeights {
    /// The step that they are from.
    pub step: u64,
    /// Their scores on the dev set.
    #[serde(rename = "worth")]
    pub scores: BestScores,
}

/// The scores of the best weights, in the form in which they are saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BestScores {
    /// The name of the main metric.
    #[serde(rename = "main")]
    pub main_metric: String,
    /// Its value.
    pub value: f64,
    /// All metrics by name.
    pub values: Vec<(String, f64)>,
    /// The prediction of the baseline, in words, and its metrics.
    pub baseline: (String, Vec<(String, f64)>),
    /// The no-answer threshold, for heads that can refuse to answer.
    pub no_answer_threshold: Option<f64>,
    /// The number of texts, questions or sentences of the dev set.
    pub examples: usize,
}

impl BestScores {
    /// The scores of an evaluation.
    pub fn new(scores: &HeadScores) -> BestScores {
        let owned = |values: &[(&'static str, f64)]| -> Vec<(String, f64)> {
            let values = values.iter();
            values
                .map(|&(name, value)| (name.to_owned(), value))
                .collect()
        };
        BestScores {
            main_metric: scores.main_metric.to_owned(),
            value: scores.main_value(),
            values: owned(&scores.values),
            baseline: (
                scores.baseline.prediction.clone(),
                owned(&scores.baseline.values),
            ),
            no_answer_threshold: scores.no_answer_threshold,
            examples: scores.examples,
        }
    }
}

/// The folder of the saved states of the training in `path`.
fn states(path: &Path) -> PathBuf {
    path.join("training")
}

impl OutputFolder {
    /// Locks the folder, and creates what is missing of it.
    fn open(path: &Path) -> Result<OutputFolder, Error> {
        let states = states(path);
        let lock = FolderLock::take(path, &states)?;
        Ok(OutputFolder {
            path: path.to_owned(),
            store: ResumeStore::new(states),
            _lock: Arc::new(lock),
        })
    }

    /// Creates the folder for a new training. It must be empty or not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if it has files; [`Error::InUse`]; [`Error::Write`].
    pub fn create(path: &Path) -> Result<OutputFolder, Error> {
        if states(path).is_dir() {
            // Says so if it is not interrupted, but running.
            OutputFolder::open(path)?;
            return Err(Error::Settings(format!(
                "{} has an unfinished training; add --resume to resume it, or remove the folder",
                path.display()
            )));
        }
        let is_taken = match std::fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(err) => err.kind() != std::io::ErrorKind::NotFound,
        };
        if is_taken {
            return Err(Error::Settings(format!(
                "{} exists and is not an empty folder; name another one with --out, or remove it",
                path.display()
            )));
        }
        OutputFolder::open(path)
    }

    /// Opens the folder of an interrupted training, with its last saved state.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] if there is none; [`Error::InUse`], [`Error::Open`], [`Error::Data`].
    pub fn resume(path: &Path) -> Result<(OutputFolder, FinetuneState), Error> {
        let refuse = |why: &str| {
            Err(Error::Settings(format!(
                "cannot resume in {}: {why}",
                path.display()
            )))
        };
        if !states(path).is_dir() {
            return refuse("it has no saved training; leave out --resume to start one");
        }
        let folder = OutputFolder::open(path)?;
        let Some((_, last)) = folder.store.numbered(resume_store::STEP).pop() else {
            return refuse(
                "the training in it was interrupted before anything was saved; remove the folder and \
                 start again",
            );
        };
        let state = resume_store::read_state(&last)?;
        Ok((folder, state))
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Saves a state, and removes states and best weights that it replaces.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], with the state before it as it was.
    pub fn save(&self, state: &FinetuneState, tensors: &SavedTensors) -> Result<(), Error> {
        let name = format!("step-{}", state.step);
        self.store.save(&name, state, tensors, |_| Ok(()))?;
        let best = state.best.as_ref().map(|best| best.step);
        let states = self.store.numbered(resume_store::STEP).into_iter();
        let bests = self.store.numbered("best-").into_iter();
        let old = (states.filter(|(step, _)| *step != state.step))
            .chain(bests.filter(|(step, _)| Some(*step) != best));
        for (_, path) in old {
            // A folder that cannot be removed costs space only.
            let _ = std::fs::remove_dir_all(path);
        }
        Ok(())
    }

    /// Reads the tensors of a saved state.
    ///
    /// # Errors
    ///
    /// [`Error::Open`], [`Error::Data`].
    pub fn read_tensors(&self, state: &FinetuneState) -> Result<SavedTensors, Error> {
        let folder = self.store.folder().join(format!("step-{}", state.step));
        resume_store::read_tensors(&folder)
    }

    /// Saves weights as the best so far, and records that in `state`.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn keep_best(
        &self,
        weights: &HashMap<String, Tensor>,
        state: &mut FinetuneState,
        scores: BestScores,
    ) -> Result<(), Error> {
        let step = state.step;
        self.store.save_weights(&format!("best-{step}"), weights)?;
        state.best = Some(BestWeights { step, scores });
        Ok(())
    }

    /// Reads the best weights.
    ///
    /// # Errors
    ///
    /// [`Error::Open`], [`Error::Data`].
    pub fn read_best(&self, best: &BestWeights) -> Result<HashMap<String, Tensor>, Error> {
        let folder = self.store.folder().join(format!("best-{}", best.step));
        resume_store::read_weights(&folder)
    }

    /// Writes weights to a temporary file and opens it, to export them.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], [`Error::Model`].
    pub(super) fn write_weights(
        &self,
        weights: &HashMap<String, Tensor>,
    ) -> Result<Weights, Error> {
        let path = self.store.folder().join("whole.safetensors");
        durable_files::write_tensors(&path, weights)?;
        Ok(Weights::open(&path)?)
    }

    /// Creates a folder for the files of the checkpoint, which [`OutputFolder::publish`] moves into
    /// place.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn draft(&self) -> Result<PathBuf, Error> {
        let draft = self.store.folder().join("checkpoint");
        // An interrupted attempt may have left one.
        durable_files::remove_folder(&draft)?;
        durable_files::create_folder(&draft)?;
        Ok(draft)
    }

    /// Moves the files of the checkpoint into place, the weights last, and removes the saved states.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn publish(&self, draft: &Path) -> Result<(), Error> {
        let entries = std::fs::read_dir(draft).map_err(|source| Error::Write {
            path: draft.to_owned(),
            source,
        })?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort_by_key(|path| path.extension().is_some_and(|kind| kind == "safetensors"));
        for file in files {
            let to = self.path.join(file.file_name().unwrap_or_default());
            durable_files::rename(&file, &to)?;
        }
        self.store.remove()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn weights(value: f32) -> HashMap<String, Tensor> {
        let tensor = Tensor::full(value, (2, 3), &Device::Cpu).unwrap();
        HashMap::from([("w".to_owned(), tensor)])
    }

    fn tensors(value: f32) -> SavedTensors {
        SavedTensors {
            weights: weights(value),
            moments: HashMap::new(),
        }
    }

    fn value(tensors: &HashMap<String, Tensor>) -> f32 {
        tensors["w"]
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()[0]
    }

    #[test]
    fn the_last_complete_state_is_resumed() {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("out");
        let folder = OutputFolder::create(&out).unwrap();
        let mut state = FinetuneState {
            step: 4,
            ..FinetuneState::default()
        };
        folder.save(&state, &tensors(1.0)).unwrap();
        state.step = 9;
        folder.save(&state, &tensors(2.0)).unwrap();
        // A state that was not written completely.
        std::fs::create_dir_all(out.join("training/step-12.new")).unwrap();
        let running = OutputFolder::resume(&out).unwrap_err().to_string();
        assert!(running.contains("another training"), "{running}");
        drop(folder);
        let (folder, found) = OutputFolder::resume(&out).unwrap();
        assert_eq!(found, state);
        assert_eq!(value(&folder.read_tensors(&found).unwrap().weights), 2.0);
        assert!(!out.join("training/step-4").exists());
    }

    #[test]
    fn best_weights_after_the_last_saved_state_do_not_replace_earlier_ones() {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("out");
        let folder = OutputFolder::create(&out).unwrap();
        let mut state = FinetuneState {
            step: 4,
            ..FinetuneState::default()
        };
        folder
            .keep_best(&weights(1.0), &mut state, BestScores::default())
            .unwrap();
        folder.save(&state, &tensors(1.0)).unwrap();
        state.step = 9;
        folder
            .keep_best(&weights(2.0), &mut state, BestScores::default())
            .unwrap();
        // Interrupted before the state is saved.
        drop(folder);
        let (folder, found) = OutputFolder::resume(&out).unwrap();
        let best = found.best.unwrap();
        let best_weights = folder.read_best(&best).unwrap();
        assert_eq!((best.step, value(&best_weights)), (4, 1.0));
    }

    #[test]
    fn a_folder_with_files_is_refused() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("thesis.txt"), "years of work").unwrap();
        let refusal = OutputFolder::create(home.path()).unwrap_err().to_string();
        assert!(refusal.contains("not an empty folder"), "{refusal}");
        let refusal = OutputFolder::resume(home.path()).unwrap_err().to_string();
        assert!(refusal.contains("no saved training"), "{refusal}");
        let first = OutputFolder::create(&home.path().join("new")).unwrap();
        let refusal = OutputFolder::create(&home.path().join("new"))
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("another training"), "{refusal}");
        drop(first);
        let refusal = OutputFolder::create(&home.path().join("new"))
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("--resume"), "{refusal}");
    }

    #[test]
    fn a_published_checkpoint_is_alone_in_its_folder() {
        let home = tempfile::tempdir().unwrap();
        let folder = OutputFolder::create(&home.path().join("out")).unwrap();
        let draft = folder.draft().unwrap();
        std::fs::write(draft.join("config.json"), "{}").unwrap();
        std::fs::write(draft.join("model.safetensors"), "").unwrap();
        folder.publish(&draft).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["config.json", "model.safetensors"]);
    }
}
