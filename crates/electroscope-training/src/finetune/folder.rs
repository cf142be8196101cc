//! What lies on the disk while a head is trained, and when it is done.
//!
//! Until the end the folder holds nothing but `training/`: the last saved state and the best weights
//! so far, each written whole under another name and then renamed. So whatever kills the program finds
//! a whole state or none, and nothing half-written can be taken for a checkpoint. The checkpoint itself
//! is moved into place last, its weights after all else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::super::measure::Scores;
use super::super::{Error, disk};
use super::settings::Settings;
use electroscope_model::Weights;

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What is trained, to know it again.
    pub plan: Plan,
    /// Steps done.
    pub step: u64,
    /// Seconds that they took.
    pub seconds: f64,
    /// What was measured: after which step, and what.
    pub evaluations: Vec<(u64, Vec<(String, f64)>)>,
    /// The best of that.
    pub best: Option<Best>,
    /// The loss, averaged over stretches of equal length.
    pub curve: Curve,
}

/// What is trained, and how: a run can go on only with the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The model it grows from.
    pub from: String,
    /// How it is trained.
    pub settings: Settings,
    /// A number that stands for all examples, their order included.
    pub data: u64,
    /// How many there are.
    pub examples: usize,
}

/// The best weights so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The step after which they were learnt.
    pub step: u64,
    /// What they are worth.
    pub worth: Worth,
}

/// What was measured, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// Which value counts.
    pub main: String,
    /// It.
    pub value: f64,
    /// All values.
    pub values: Vec<(String, f64)>,
    /// What an answer that does not look at the text is worth, and what the answer is.
    pub baseline: (String, Vec<(String, f64)>),
    /// By how much no answer must outscore the best one.
    pub no_answer_threshold: Option<f64>,
    /// How many texts, questions or sentences it was measured on.
    pub examples: usize,
}

impl Worth {
    /// What `scores` say.
    pub fn of(scores: &Scores) -> Worth {
        let owned = |values: &[(&'static str, f64)]| -> Vec<(String, f64)> {
            let values = values.iter();
            values
                .map(|&(name, value)| (name.to_owned(), value))
                .collect()
        };
        Worth {
            main: scores.main.to_owned(),
            value: scores.main(),
            values: owned(&scores.values),
            baseline: (
                scores.baseline.answer.clone(),
                owned(&scores.baseline.values),
            ),
            no_answer_threshold: scores.no_answer_threshold,
            examples: scores.examples,
        }
    }
}

/// The loss over the steps, in as many points as a plot needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Means, one for each stretch of steps.
    pub points: Vec<f32>,
    /// Steps in a stretch.
    pub stride: u64,
    /// Sum and number of the steps since the last point.
    rest: (f64, u64),
}

impl Default for Curve {
    fn default() -> Curve {
        Curve {
            points: Vec::new(),
            stride: 1,
            rest: (0.0, 0),
        }
    }
}

impl Curve {
    /// The most points that are kept.
    const MOST: usize = 256;

    /// Adds the loss of a step.
    pub fn push(&mut self, loss: f64) {
        self.rest.0 += loss;
        self.rest.1 += 1;
        if self.rest.1 < self.stride {
            return;
        }
        self.points.push((self.rest.0 / self.rest.1 as f64) as f32);
        self.rest = (0.0, 0);
        if self.points.len() == Curve::MOST {
            self.points = (self.points.chunks(2))
                .map(|pair| pair.iter().sum::<f32>() / pair.len() as f32)
                .collect();
            self.stride *= 2;
        }
    }
}

const TRAINING: &str = "training";
const STATE: &str = "state.json";
const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "moments.safetensors";

impl Folder {
    /// The folder for a new run, which must hold nothing yet. It is made.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] where something lies there, [`Error::Write`].
    pub fn fresh(path: &Path) -> Result<Folder, Error> {
        let folder = Folder {
            path: path.to_owned(),
        };
        if folder.training().is_dir() {
            return Err(Error::Settings(format!(
                "{} holds a training that was not finished; add --resume to go on with it, or remove the \
                 folder",
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
        folder.make(&folder.training())?;
        Ok(folder)
    }

    /// The folder of a run that was interrupted, and how far it came.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] where there is none, [`Error::Open`], [`Error::Data`].
    pub fn resumed(path: &Path) -> Result<(Folder, State), Error> {
        let folder = Folder {
            path: path.to_owned(),
        };
        let last = folder.numbered("step-").into_iter().max();
        let Some((_, at)) = last else {
            let why = if folder.training().is_dir() {
                "the training in it was interrupted before anything was saved; remove the folder and \
                 begin anew"
            } else {
                "it holds no training; leave out --resume to begin one"
            };
            return Err(Error::Settings(format!(
                "cannot resume in {}: {why}",
                path.display()
            )));
        };
        let path = at.join(STATE);
        let json = std::fs::read(&path).map_err(|source| Error::Open {
            path: path.clone(),
            source,
        })?;
        let state = serde_json::from_slice(&json).map_err(|err| Error::Data {
            path,
            line: None,
            what: format!("it is not the state of a training of this version: {err}"),
        })?;
        Ok((folder, state))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn training(&self) -> PathBuf {
        self.path.join(TRAINING)
    }

    /// The folders in `training/` whose name is `prefix` and a number.
    fn numbered(&self, prefix: &str) -> Vec<(u64, PathBuf)> {
        let entries = std::fs::read_dir(self.training()).into_iter().flatten();
        entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let number = path.file_name()?.to_str()?.strip_prefix(prefix)?;
                Some((number.parse().ok()?, path))
            })
            .collect()
    }

    /// Writes the state after a step; what was there before goes when this is there.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; what was saved before stays.
    pub fn save(
        &self,
        learnt: &HashMap<String, Tensor>,
        moments: &[(String, Tensor)],
        state: &State,
    ) -> Result<(), Error> {
        let fresh = self.training().join("new");
        self.make(&fresh)?;
        disk::write_tensors(&fresh.join(WEIGHTS), learnt)?;
        disk::write_tensors(&fresh.join(MOMENTS), &moments.iter().cloned().collect())?;
        let json = serde_json::to_vec_pretty(state).unwrap_or_default();
        disk::write(&fresh.join(STATE), &json)?;
        self.rename(
            &fresh,
            &self.training().join(format!("step-{}", state.step)),
        )?;
        let best = state.best.as_ref().map(|best| best.step);
        let old = (self.numbered("step-").into_iter())
            .filter(|(step, _)| *step != state.step)
            .chain((self.numbered("best-").into_iter()).filter(|(step, _)| Some(*step) != best));
        for (_, path) in old {
            // A state too many takes room and does no harm.
            let _ = std::fs::remove_dir_all(path);
        }
        Ok(())
    }

    /// The variables and the optimiser's moments of `state`.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] for files that are gone or damaged.
    #[expect(clippy::type_complexity, reason = "two maps of tensors")]
    pub fn saved(
        &self,
        state: &State,
    ) -> Result<(HashMap<String, Tensor>, HashMap<String, Tensor>), Error> {
        let at = self.training().join(format!("step-{}", state.step));
        Ok((read(&at.join(WEIGHTS))?, read(&at.join(MOMENTS))?))
    }

    /// Keeps what was learnt as the best so far.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn keep_best(
        &self,
        learnt: &HashMap<String, Tensor>,
        state: &mut State,
        worth: Worth,
    ) -> Result<(), Error> {
        let fresh = self.training().join("new");
        self.make(&fresh)?;
        disk::write_tensors(&fresh.join(WEIGHTS), learnt)?;
        self.rename(
            &fresh,
            &self.training().join(format!("best-{}", state.step)),
        )?;
        state.best = Some(Best {
            step: state.step,
            worth,
        });
        Ok(())
    }

    /// The best weights so far.
    ///
    /// # Errors
    ///
    /// [`Error::Open`].
    pub fn best(&self, best: &Best) -> Result<HashMap<String, Tensor>, Error> {
        let at = self.training().join(format!("best-{}", best.step));
        read(&at.join(WEIGHTS))
    }

    /// What was learnt, as weights in a file that goes when the run is done.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], [`Error::Model`].
    pub(super) fn hold(&self, learnt: &HashMap<String, Tensor>) -> Result<Weights, Error> {
        let path = self.training().join("whole.safetensors");
        disk::write_tensors(&path, learnt)?;
        Ok(Weights::open(&path)?)
    }

    /// A folder for the finished checkpoint, to be filled and then given to [`Folder::publish`].
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn draft(&self) -> Result<PathBuf, Error> {
        let draft = self.training().join("checkpoint");
        // What an interrupted attempt left.
        let _ = std::fs::remove_dir_all(&draft);
        self.make(&draft)?;
        Ok(draft)
    }

    /// Moves the finished checkpoint into place, its weights last, and removes what was only needed
    /// to get there.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn publish(&self, draft: &Path) -> Result<(), Error> {
        let failed = |path: &Path, source| Error::Write {
            path: path.to_owned(),
            source,
        };
        let entries = std::fs::read_dir(draft).map_err(|source| failed(draft, source))?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort_by_key(|path| path.extension().is_some_and(|kind| kind == "safetensors"));
        for file in files {
            let to = self.path.join(file.file_name().unwrap_or_default());
            std::fs::rename(&file, &to).map_err(|source| failed(&to, source))?;
        }
        let training = self.training();
        std::fs::remove_dir_all(&training).map_err(|source| failed(&training, source))
    }

    fn make(&self, path: &Path) -> Result<(), Error> {
        std::fs::create_dir_all(path).map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        // One of the same step says the same.
        let _ = std::fs::remove_dir_all(to);
        std::fs::rename(from, to).map_err(|source| Error::Write {
            path: to.to_owned(),
            source,
        })
    }
}

fn read(path: &Path) -> Result<HashMap<String, Tensor>, Error> {
    candle_core::safetensors::load(path, &Device::Cpu).map_err(|err| Error::Open {
        path: path.to_owned(),
        source: std::io::Error::other(err),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(value: f32) -> HashMap<String, Tensor> {
        let tensor = Tensor::full(value, (2, 3), &Device::Cpu).unwrap();
        HashMap::from([("w".to_owned(), tensor)])
    }

    fn value(tensors: &HashMap<String, Tensor>) -> f32 {
        tensors["w"]
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()[0]
    }

    #[test]
    fn the_last_whole_state_is_the_one_that_is_resumed() {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("out");
        let folder = Folder::fresh(&out).unwrap();
        let mut state = State {
            step: 4,
            ..State::default()
        };
        folder.save(&tensors(1.0), &[], &state).unwrap();
        state.step = 9;
        folder.save(&tensors(2.0), &[], &state).unwrap();
        // A write that was interrupted.
        std::fs::create_dir_all(out.join("training/new")).unwrap();
        let (folder, found) = Folder::resumed(&out).unwrap();
        assert_eq!(found, state);
        assert_eq!(value(&folder.saved(&found).unwrap().0), 2.0);
        assert!(!out.join("training/step-4").exists());
    }

    #[test]
    fn a_better_one_that_no_state_knows_of_does_not_displace_the_known() {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("out");
        let folder = Folder::fresh(&out).unwrap();
        let mut state = State {
            step: 4,
            ..State::default()
        };
        folder
            .keep_best(&tensors(1.0), &mut state, Worth::default())
            .unwrap();
        folder.save(&tensors(1.0), &[], &state).unwrap();
        state.step = 9;
        folder
            .keep_best(&tensors(2.0), &mut state, Worth::default())
            .unwrap();
        // Killed here.
        let (folder, found) = Folder::resumed(&out).unwrap();
        let best = found.best.unwrap();
        assert_eq!((best.step, value(&folder.best(&best).unwrap())), (4, 1.0));
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("thesis.txt"), "years of work").unwrap();
        let refusal = Folder::fresh(home.path()).unwrap_err().to_string();
        assert!(refusal.contains("not an empty folder"), "{refusal}");
        let refusal = Folder::resumed(home.path()).unwrap_err().to_string();
        assert!(refusal.contains("holds no training"), "{refusal}");
        Folder::fresh(&home.path().join("new")).unwrap();
        let refusal = Folder::fresh(&home.path().join("new"))
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("--resume"), "{refusal}");
    }

    #[test]
    fn publishing_leaves_the_checkpoint_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::fresh(&home.path().join("out")).unwrap();
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

    #[test]
    fn a_long_curve_keeps_its_shape_in_few_points() {
        let mut curve = Curve::default();
        for step in 0..10_000 {
            curve.push(f64::from(step));
        }
        assert!(curve.points.len() < Curve::MOST && curve.points.len() >= Curve::MOST / 4);
        assert!(curve.points.is_sorted());
        assert!(curve.points[0] < 100.0);
    }
}
