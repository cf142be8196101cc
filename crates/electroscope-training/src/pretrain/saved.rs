//! What a training writes down, so that it goes on after an interruption as if there had been none.
//!
//! A folder for each time it saves, written under another name and then renamed: whatever ends the
//! program, there is always a whole one. The two last ones are kept. Nothing of chance is in them:
//! that is a function of the seed and the step.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::Settings;
use super::corpus::{Corpus, Position};
use crate::{Error, disk};
use electroscope_model::Tokenizer;

/// Of which kind what is saved is; what is of another cannot be gone on with.
const FORMAT: u32 = 1;

/// How many are kept.
const KEPT: usize = 2;

/// All of a training but its tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    pub(super) settings: Settings,
    /// The configurations.
    pub(super) generator: serde_json::Value,
    pub(super) discriminator: serde_json::Value,
    /// Steps that are done.
    pub(super) step: u64,
    /// Tokens that have been learnt from.
    pub(super) tokens: u64,
    /// How long that took.
    pub(super) seconds: f64,
    pub(super) position: Position,
    pub(super) corpus: Corpus,
    pub(super) evaluations: Vec<Evaluation>,
    /// What has to go wherever the result goes, if it was made from something.
    pub(super) notice: Option<String>,
}

/// What was measured after so many steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Evaluation {
    pub(super) step: u64,
    pub(super) values: Vec<(String, Option<f64>)>,
}

impl State {
    /// The state before the first step.
    pub(super) fn new(
        settings: Settings,
        generator: serde_json::Value,
        discriminator: serde_json::Value,
        corpus: Corpus,
        notice: Option<String>,
    ) -> State {
        State {
            format: FORMAT,
            settings,
            generator,
            discriminator,
            step: 0,
            tokens: 0,
            seconds: 0.0,
            position: Position::default(),
            corpus,
            evaluations: Vec::new(),
            notice,
        }
    }
}

/// A training as it was saved.
pub(super) struct Saved {
    pub(super) state: State,
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) weights: HashMap<String, Tensor>,
    pub(super) moments: HashMap<String, Tensor>,
}

fn folder_of_all(out: &Path) -> PathBuf {
    out.join("checkpoints")
}

/// What is written for a step.
pub(super) struct Parts<'a> {
    pub(super) state: &'a State,
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) weights: HashMap<String, Tensor>,
    pub(super) moments: HashMap<String, Tensor>,
}

/// Saves a training below `out`, and takes away what was saved before the last but one.
///
/// # Errors
///
/// A disk that is full.
pub(super) fn save(out: &Path, parts: &Parts<'_>) -> Result<PathBuf, Error> {
    let all = folder_of_all(out);
    let name = format!("step-{:010}", parts.state.step);
    let (fresh, folder) = (all.join(format!("{name}.new")), all.join(name));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Write { path, source }
    };
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(failed(&fresh))?;
    }
    std::fs::create_dir_all(&fresh).map_err(failed(&fresh))?;
    let json = serde_json::to_vec_pretty(parts.state)
        .map_err(|err| failed(&fresh)(std::io::Error::other(err)))?;
    disk::write(&fresh.join("state.json"), &json)?;
    let tokenizer = parts.tokenizer.to_json()?;
    disk::write(&fresh.join("tokenizer.json"), tokenizer.as_bytes())?;
    for (name, tensors) in [("weights", &parts.weights), ("moments", &parts.moments)] {
        let path = fresh.join(format!("{name}.safetensors"));
        disk::write_tensors(&path, tensors)?;
    }
    if folder.exists() {
        // A training that was stopped at once after going on: the same is there already.
        std::fs::remove_dir_all(&folder).map_err(failed(&folder))?;
    }
    std::fs::rename(&fresh, &folder).map_err(failed(&folder))?;
    for old in steps(out)?.into_iter().rev().skip(KEPT) {
        std::fs::remove_dir_all(&old).map_err(failed(&old))?;
    }
    Ok(folder)
}

/// What is saved below `out`, the last one last.
fn steps(out: &Path) -> Result<Vec<PathBuf>, Error> {
    let all = folder_of_all(out);
    let failed = |source| Error::Open {
        path: all.clone(),
        source,
    };
    let mut steps = Vec::new();
    for entry in std::fs::read_dir(&all).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("step-"));
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            steps.push(entry.path());
        }
    }
    steps.sort();
    Ok(steps)
}

/// Takes away all that is saved below `out`: its training has come to its end.
pub(super) fn clear(out: &Path) -> Result<(), Error> {
    let all = folder_of_all(out);
    match std::fs::remove_dir_all(&all) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Write { path: all, source })
        }
        _ => Ok(()),
    }
}

/// Opens what was saved last below `out`.
///
/// # Errors
///
/// Nothing saved there, or something that is damaged or of another version.
pub(super) fn open(out: &Path) -> Result<Saved, Error> {
    let refuse = |path: PathBuf, what: String| Error::Data {
        path,
        line: None,
        what,
    };
    let last = match folder_of_all(out).is_dir() {
        true => steps(out)?.pop(),
        false => None,
    };
    let Some(folder) = last else {
        let what = if out.join("discriminator").is_dir() {
            "its training has come to its end; to train further give --from with this folder and --out \
             with another"
        } else {
            "no training was saved there; --resume takes the folder that a training was given with --out, and \
             one that was cut off before it first saved has to begin again"
        };
        return Err(refuse(out.to_owned(), what.to_owned()));
    };
    let read = |name: &str| {
        let path = folder.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok((path, bytes)),
            Err(source) => Err(Error::Open { path, source }),
        }
    };
    let another = |path: PathBuf, why: String| {
        let what = format!(
            "it cannot be gone on with ({why}); take away its folder to go on from the one before it"
        );
        refuse(path, what)
    };
    let (path, json) = read("state.json")?;
    let kind: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&json).map_err(|err| another(path.clone(), err.to_string()))?;
    let format = kind.get("format").cloned().unwrap_or_default();
    if format != FORMAT {
        let why = format!("it is of format {format}, and this version writes {FORMAT}");
        return Err(another(path, why));
    }
    let state: State =
        serde_json::from_slice(&json).map_err(|err| another(path.clone(), err.to_string()))?;
    let (path, json) = read("tokenizer.json")?;
    let tokenizer = Arc::new(Tokenizer::from_json(&json, &path)?);
    let tensors = |name: &str| {
        let (path, bytes) = read(name)?;
        candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|err| another(path, err.to_string()))
    };
    Ok(Saved {
        weights: tensors("weights.safetensors")?,
        moments: tensors("moments.safetensors")?,
        tokenizer,
        state,
    })
}
