//! The saved state of a pre-training: settings, corpus, position, evaluations and tensors.
//!
//! The last two states are kept in `checkpoints/` below the output folder, until the training ends.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PretrainSettings;
use super::corpus::{Corpus, CorpusPosition};
use crate::folder_lock::FolderLock;
use crate::resume_store::{self, ResumeStore, SavedTensors};
use crate::{Error, durable_files};
use electroscope_model::Tokenizer;

/// The version of the format, and of the random numbers. A state of another version cannot be resumed.
const FORMAT: u32 = 2;

/// The number of states that are kept.
const KEPT: usize = 2;

const TOKENIZER: &str = "tokenizer.json";

/// The state of a pre-training, without its tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PretrainState {
    format: u32,
    pub(super) settings: PretrainSettings,
    /// The `config.json` of the generator.
    pub(super) generator: serde_json::Value,
    /// The `config.json` of the discriminator.
    pub(super) discriminator: serde_json::Value,
    /// The steps so far.
    pub(super) step: u64,
    /// The tokens of these steps.
    pub(super) tokens: u64,
    /// The seconds that they took.
    pub(super) seconds: f64,
    pub(super) position: CorpusPosition,
    pub(super) corpus: Corpus,
    /// A hash of the windows to evaluate on. States of earlier versions have none.
    #[serde(default)]
    pub(super) held_out_hash: Option<u64>,
    pub(super) evaluations: Vec<EvaluationEntry>,
    /// The notice that must accompany the models, if what they were made from has one.
    pub(super) notice: Option<String>,
}

/// The metrics after a number of steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EvaluationEntry {
    pub(super) step: u64,
    pub(super) values: Vec<(String, Option<f64>)>,
}

impl PretrainState {
    /// The state before the first step.
    pub(super) fn new(
        settings: PretrainSettings,
        generator: serde_json::Value,
        discriminator: serde_json::Value,
        corpus: Corpus,
        notice: Option<String>,
    ) -> PretrainState {
        PretrainState {
            format: FORMAT,
            settings,
            generator,
            discriminator,
            step: 0,
            tokens: 0,
            seconds: 0.0,
            position: CorpusPosition::default(),
            corpus,
            held_out_hash: None,
            evaluations: Vec::new(),
            notice,
        }
    }
}

/// All that is needed to resume a pre-training.
pub(super) struct SavedPretraining {
    pub(super) state: PretrainState,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) tensors: SavedTensors,
}

fn store(out: &Path) -> ResumeStore {
    ResumeStore::new(out.join("checkpoints"))
}

/// Locks `out` against other trainings, and creates it.
///
/// # Errors
///
/// [`Error::InUse`], [`Error::Write`].
pub(super) fn lock(out: &Path) -> Result<FolderLock, Error> {
    FolderLock::take(out, store(out).folder())
}

/// The same for a training that is resumed: a folder without one is left as it is.
///
/// # Errors
///
/// As [`lock`]; [`Error::Data`] if there is no training in it.
pub(super) fn lock_existing(out: &Path) -> Result<FolderLock, Error> {
    match store(out).folder().is_dir() {
        true => lock(out),
        false => Err(no_state(out)),
    }
}

/// Saves a state below `out`, and removes all but the last two.
///
/// # Errors
///
/// [`Error::Write`].
pub(super) fn save(
    out: &Path,
    state: &PretrainState,
    tokenizer: &Tokenizer,
    tensors: &SavedTensors,
) -> Result<(), Error> {
    let store = store(out);
    let name = format!("step-{:010}", state.step);
    store.save(&name, state, tensors, |folder| {
        durable_files::write(&folder.join(TOKENIZER), tokenizer.to_json()?.as_bytes())
    })?;
    for (_, old) in store
        .numbered(resume_store::STEP)
        .into_iter()
        .rev()
        .skip(KEPT)
    {
        durable_files::remove_folder(&old)?;
    }
    Ok(())
}

/// Removes all states below `out`, once the training is complete.
///
/// # Errors
///
/// [`Error::Write`].
pub(super) fn clear(out: &Path) -> Result<(), Error> {
    store(out).remove()
}

/// Opens the last state below `out`.
///
/// # Errors
///
/// [`Error::Data`] if there is no state, or one that is damaged or of another version.
pub(super) fn open(out: &Path) -> Result<SavedPretraining, Error> {
    let Some((_, folder)) = store(out).numbered(resume_store::STEP).pop() else {
        return Err(no_state(out));
    };
    // Read before the rest, which may differ in another format.
    let Versioned { format } = resume_store::read_state(&folder)?;
    if format != FORMAT {
        return Err(Error::Data {
            path: folder,
            line: None,
            what: format!(
                "this state was saved by another version of electroscope (format {format} instead of \
                 {FORMAT}); resume with that version, or start the training again in another folder"
            ),
        });
    }
    let state = resume_store::read_state(&folder)?;
    let path = folder.join(TOKENIZER);
    let tokenizer = Tokenizer::from_json(&resume_store::read(&path)?, &path)?;
    Ok(SavedPretraining {
        state,
        tokenizer: Arc::new(tokenizer),
        tensors: resume_store::read_tensors(&folder)?,
    })
}

/// The error for a folder without a saved state.
fn no_state(out: &Path) -> Error {
    let what = if out.join("discriminator").is_dir() {
        "the training in it is complete; to train the models further, give --from with this folder \
         and --out with another"
    } else {
        "it has no saved training; --resume takes the folder that --out named, and a training that \
         was interrupted before it first saved must be started again"
    };
    Error::Data {
        path: out.to_owned(),
        line: None,
        what: what.to_owned(),
    }
}

/// The part of a state that all versions have in common.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    format: u32,
}
