//! Saved training states, to resume from.
//!
//! A state is a folder with `state.json`, `weights.safetensors` and `moments.safetensors`, and with their
//! checksums in `checksums.json`. It is written completely before it gets its name, which ends in the
//! number of its step. So whatever interrupts a training, the last state under its name is complete, and
//! what changes in it later is noticed when it is read. Random numbers need no state (see
//! [`super::rng`]).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_128;

use super::{Error, durable_files};

const STATE: &str = "state.json";
const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "moments.safetensors";
const CHECKSUMS: &str = "checksums.json";

/// What the name of a state's folder begins with, before the number of its step.
pub(crate) const STEP: &str = "step-";

/// The checksum of each file of a state, by its name: XXH3 of 128 bits in hexadecimal.
type Checksums = BTreeMap<String, String>;

/// The tensors of a training, by name.
#[derive(Clone, Debug, Default)]
pub struct SavedTensors {
    /// The trained variables.
    pub weights: HashMap<String, Tensor>,
    /// The optimizer's moments.
    pub moments: HashMap<String, Tensor>,
}

/// A folder of saved states.
#[derive(Clone, Debug)]
pub(crate) struct ResumeStore {
    folder: PathBuf,
}

impl ResumeStore {
    /// The store in `folder`, which need not exist yet.
    pub(crate) fn new(folder: PathBuf) -> ResumeStore {
        ResumeStore { folder }
    }

    /// The folder of the store.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folders in the store whose name is `prefix` and a number, in the order of the numbers; none
    /// if there is no store.
    pub(crate) fn numbered(&self, prefix: &str) -> Vec<(u64, PathBuf)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let mut folders: Vec<(u64, PathBuf)> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let number = path.file_name()?.to_str()?.strip_prefix(prefix)?;
                Some((number.parse().ok()?, path))
            })
            .collect();
        folders.sort();
        folders
    }

    /// Saves a state under `name`. `write_more` adds files to its folder.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], with earlier states as they were; those of `write_more`.
    pub(crate) fn save<S: Serialize>(
        &self,
        name: &str,
        state: &S,
        tensors: &SavedTensors,
        write_more: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(), Error> {
        durable_files::replace_folder(&self.folder.join(name), |folder| {
            let path = folder.join(STATE);
            let json = serde_json::to_vec_pretty(state).map_err(|err| Error::Write {
                path: path.clone(),
                source: std::io::Error::other(err),
            })?;
            durable_files::write(&path, &json)?;
            durable_files::write_tensors(&folder.join(WEIGHTS), &tensors.weights)?;
            durable_files::write_tensors(&folder.join(MOMENTS), &tensors.moments)?;
            write_more(folder)?;
            write_checksums(folder)
        })
    }

    /// Saves weights alone under `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub(crate) fn save_weights(
        &self,
        name: &str,
        weights: &HashMap<String, Tensor>,
    ) -> Result<(), Error> {
        durable_files::replace_folder(&self.folder.join(name), |folder| {
            durable_files::write_tensors(&folder.join(WEIGHTS), weights)?;
            write_checksums(folder)
        })
    }

    /// Removes the store with all states.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub(crate) fn remove(&self) -> Result<(), Error> {
        durable_files::remove_folder(&self.folder)
    }
}

/// Reads the `state.json` of a saved state.
///
/// # Errors
///
/// [`Error::Open`]; [`Error::Data`] if it is damaged or has another format.
pub(crate) fn read_state<S: DeserializeOwned>(folder: &Path) -> Result<S, Error> {
    let path = folder.join(STATE);
    let json = read(&path)?;
    serde_json::from_slice(&json).map_err(|err| cannot_resume(path, &err))
}

/// Reads the tensors of a saved state.
///
/// # Errors
///
/// As [`read_state`].
pub(crate) fn read_tensors(folder: &Path) -> Result<SavedTensors, Error> {
    Ok(SavedTensors {
        weights: read_weights(folder)?,
        moments: load(folder.join(MOMENTS))?,
    })
}

/// Reads the weights of a saved state.
///
/// # Errors
///
/// As [`read_state`].
pub(crate) fn read_weights(folder: &Path) -> Result<HashMap<String, Tensor>, Error> {
    load(folder.join(WEIGHTS))
}

fn load(path: PathBuf) -> Result<HashMap<String, Tensor>, Error> {
    let bytes = read(&path)?;
    candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(|err| cannot_resume(path, &err))
}

/// Reads a file of a saved state, and compares it with its checksum. States of earlier versions have
/// none.
///
/// # Errors
///
/// [`Error::Open`]; [`Error::Data`] if it is not what was written.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = read_unverified(path)?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(bytes);
    };
    let Some(checksums) = read_checksums(folder)? else {
        return Ok(bytes);
    };
    let found = checksum(&bytes);
    let why = match checksums.get(&*name.to_string_lossy()) {
        Some(wanted) if *wanted == found => return Ok(bytes),
        Some(wanted) => format!("it is damaged: its checksum is {found} instead of {wanted}"),
        None => format!("{CHECKSUMS} beside it is damaged: it has no checksum for it"),
    };
    Err(cannot_resume(path.to_owned(), &why))
}

fn read_unverified(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source,
    })
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

/// Writes the checksums of all files of a folder.
fn write_checksums(folder: &Path) -> Result<(), Error> {
    let entries = std::fs::read_dir(folder).map_err(|source| Error::Open {
        path: folder.to_owned(),
        source,
    })?;
    let mut checksums = Checksums::new();
    for entry in entries {
        let path = entry
            .map_err(|source| Error::Open {
                path: folder.to_owned(),
                source,
            })?
            .path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        checksums.insert(name.into_owned(), checksum(&read_unverified(&path)?));
    }
    let path = folder.join(CHECKSUMS);
    let json = serde_json::to_vec_pretty(&checksums)
        .map_err(|err| durable_files::write_error(&path, std::io::Error::other(err)))?;
    durable_files::write(&path, &json)
}

/// The checksums of a folder, if it has any.
fn read_checksums(folder: &Path) -> Result<Option<Checksums>, Error> {
    let path = folder.join(CHECKSUMS);
    match std::fs::read(&path) {
        Ok(json) => match serde_json::from_slice(&json) {
            Ok(checksums) => Ok(Some(checksums)),
            Err(err) => Err(cannot_resume(path, &err)),
        },
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Open { path, source }),
    }
}

/// The error for a file of a saved state that is damaged or of another version.
pub(crate) fn cannot_resume(path: PathBuf, why: &dyn std::fmt::Display) -> Error {
    let folder = path.parent().unwrap_or(&path);
    let states = ResumeStore::new(folder.parent().unwrap_or(folder).to_owned()).numbered(STEP);
    let is_last = states.last().is_some_and(|(_, last)| last == folder);
    let remedy = match is_last && states.len() > 1 {
        true => format!(
            "remove the folder {} to resume from the state before it",
            folder.display()
        ),
        false => "start the training again in another folder".to_owned(),
    };
    Error::Data {
        line: None,
        what: format!("cannot resume from this state ({why}); {remedy}"),
        path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(value: f32) -> SavedTensors {
        let tensor = Tensor::full(value, (2, 3), &Device::Cpu).unwrap();
        SavedTensors {
            weights: HashMap::from([("w".to_owned(), tensor)]),
            moments: HashMap::new(),
        }
    }

    #[test]
    fn a_saved_state_is_read_back_and_temporary_folders_are_ignored() {
        let home = tempfile::tempdir().unwrap();
        let store = ResumeStore::new(home.path().join("states"));
        assert!(store.numbered("step-").is_empty());
        for step in [9u64, 10] {
            let name = format!("step-{step}");
            store
                .save(&name, &step, &tensors(step as f32), |_| Ok(()))
                .unwrap();
        }
        std::fs::create_dir(home.path().join("states/step-11.new")).unwrap();
        let states = store.numbered("step-");
        assert_eq!(
            states.iter().map(|state| state.0).collect::<Vec<_>>(),
            [9, 10]
        );
        let last = &states[1].1;
        assert_eq!(read_state::<u64>(last).unwrap(), 10);
        let weights = read_tensors(last).unwrap().weights;
        let values = weights["w"]
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        assert_eq!(values, [10.0; 6]);
        store.remove().unwrap();
        assert!(!store.folder().exists());
    }

    #[test]
    fn a_damaged_state_is_an_error_with_its_path() {
        let home = tempfile::tempdir().unwrap();
        let store = ResumeStore::new(home.path().to_owned());
        store.save("step-1", &1, &tensors(1.0), |_| Ok(())).unwrap();
        let folder = home.path().join("step-1");
        for name in [STATE, WEIGHTS] {
            std::fs::write(folder.join(name), b"{").unwrap();
        }
        // As in states of earlier versions.
        std::fs::remove_file(folder.join(CHECKSUMS)).unwrap();
        let messages = [
            read_state::<u64>(&folder).unwrap_err(),
            read_tensors(&folder).unwrap_err(),
        ];
        for (message, name) in messages.iter().zip([STATE, WEIGHTS]) {
            let message = message.to_string();
            assert!(
                message.contains(name) && message.contains("cannot resume"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_bit_that_flips_in_any_file_of_a_state_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let store = ResumeStore::new(home.path().to_owned());
        let more = |folder: &Path| durable_files::write(&folder.join("more.txt"), b"more");
        for step in [1, 2] {
            let name = format!("step-{step}");
            store.save(&name, &step, &tensors(1.0), more).unwrap();
        }
        let folder = home.path().join("step-2");
        let read_all = || -> Result<(), Error> {
            read_state::<u64>(&folder)?;
            read_tensors(&folder)?;
            read(&folder.join("more.txt")).map(|_| ())
        };
        read_all().unwrap();
        for name in [STATE, WEIGHTS, MOMENTS, "more.txt", CHECKSUMS] {
            let path = folder.join(name);
            let sound = std::fs::read(&path).unwrap();
            for at in 0..sound.len() {
                let mut flipped = sound.clone();
                flipped[at] ^= 1 << (at % 8);
                std::fs::write(&path, &flipped).unwrap();
                // White space and the case of a digit in the checksums mean nothing.
                if name == CHECKSUMS && is_same(&sound, &flipped) {
                    continue;
                }
                let Err(err) = read_all() else {
                    panic!("byte {at} of {name} was not noticed");
                };
                let said = err.to_string();
                let remedy = format!("remove the folder {}", folder.display());
                assert!(said.contains(&remedy), "byte {at} of {name}: {said}");
                assert!(name == CHECKSUMS || said.contains(name), "{said}");
            }
            std::fs::write(&path, &sound).unwrap();
        }
        read_all().unwrap();
    }

    /// Whether two files of checksums say the same.
    fn is_same(a: &[u8], b: &[u8]) -> bool {
        let parsed = |json: &[u8]| serde_json::from_slice::<Checksums>(json).ok();
        parsed(a) == parsed(b)
    }
}
