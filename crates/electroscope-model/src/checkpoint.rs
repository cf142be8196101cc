//! Configuration, tokenizer and weights that belong together.

pub mod adapter;
pub(crate) mod files;
pub mod head_checkpoint;
pub mod packed;
pub mod tensors;
pub(crate) mod tokenizer;
pub(crate) mod weights;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::bounded_read::{limits, read_bounded};
use crate::checkpoint::weights::Weights;
use crate::names::{Head, Parameter, parameters};
use crate::{ElectraConfig, Error, Tokenizer};

/// An opened checkpoint whose parts fit together. Its weights are read when a model is loaded from it.
pub struct Checkpoint {
    /// The folder it is from; none if it was opened from memory.
    pub folder: Option<PathBuf>,
    /// Its configuration.
    pub config: ElectraConfig,
    /// Its tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Its tensors.
    pub weights: Weights,
}

/// An embedding table has less than this many rows more than the vocabulary has tokens: tables are padded to
/// a multiple of 8, 64 or 128 rows, which is faster.
const TABLE_PADDING: usize = 128;

impl Checkpoint {
    /// Opens the checkpoint in `folder`, in Hugging Face layout.
    ///
    /// # Errors
    ///
    /// A file that is missing, damaged, or does not fit the others.
    pub fn open(folder: &Path) -> Result<Checkpoint, Error> {
        let (path, json) = config_json(folder)?;
        let config = ElectraConfig::parse(&json, &path)?;
        let tokenizer = Tokenizer::open_folder(folder)?;
        check_vocabulary(&tokenizer, &config, &vocabulary_file(folder))?;
        let weights = Weights::open_folder(folder)?;
        Ok(Checkpoint {
            folder: Some(folder.to_owned()),
            config,
            tokenizer: Arc::new(tokenizer),
            weights,
        })
    }
}

/// The configuration in `folder`, and its path.
pub(super) fn config_json(folder: &Path) -> Result<(PathBuf, Vec<u8>), Error> {
    let path = folder.join(files::CONFIG);
    match read_bounded(&path, limits::CONFIG) {
        Ok(json) => Ok((path, json)),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound && folder.is_dir() => {
            let found = files::listing(folder);
            Err(Error::MissingFile {
                folder: folder.to_owned(),
                wanted: files::CONFIG,
                found,
            })
        }
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// The file in `folder` that the tokenizer is read from, for a message.
pub(super) fn vocabulary_file(folder: &Path) -> PathBuf {
    files::TOKENIZERS
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| folder.to_owned())
}

pub(super) fn check_vocabulary(
    tokenizer: &Tokenizer,
    config: &ElectraConfig,
    path: &Path,
) -> Result<(), Error> {
    let (found, wanted) = (tokenizer.size(), config.vocab_size);
    if found > wanted || wanted - found >= TABLE_PADDING {
        return Err(Error::Vocabulary {
            path: path.to_owned(),
            found,
            wanted,
        });
    }
    Ok(())
}

/// Writes a model in Hugging Face layout into `folder`, which is created: `config.json`,
/// `model.safetensors` in f32, `tokenizer.json`, `tokenizer_config.json`, `vocab.txt`. Tensors that
/// `weights` lacks are taken from `shared`.
///
/// Files are written under temporary names and then renamed, so that an error leaves no partial file.
///
/// # Errors
///
/// A folder that holds a model already, a tensor that does not fit, a disk that is full.
pub fn export(
    folder: &Path,
    config: &ElectraConfig,
    head: Head,
    tokenizer: &Tokenizer,
    weights: &Weights,
    shared: Option<&Weights>,
) -> Result<(), Error> {
    let target = folder.join("model.safetensors");
    // Nothing of another model is overwritten, and no README of a project that was named by mistake.
    let own = [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "vocab.txt",
        "README.md",
    ];
    if let Some(path) = own
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists())
    {
        let source = std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            "there is one already; name another folder, or remove it first",
        );
        return Err(Error::Write { path, source });
    }
    std::fs::create_dir_all(folder).map_err(|source| Error::Write {
        path: folder.to_owned(),
        source,
    })?;
    let mut numbers: Vec<(Parameter, Vec<u8>)> = Vec::new();
    for parameter in parameters(config, head) {
        let source = match shared {
            Some(shared) if weights.shape(&parameter.name).is_none() => shared,
            _ => weights,
        };
        let values = source.numbers(&parameter.name, &parameter.shape)?;
        numbers.push((
            parameter,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ));
    }
    let tensors: Vec<Stored<'_>> = numbers
        .iter()
        .map(|(parameter, bytes)| Stored {
            name: parameter.name.clone(),
            dtype: Dtype::F32,
            shape: parameter.shape.clone(),
            bytes,
        })
        .collect();

    let positions = config.max_position_embeddings;
    let mut config = config.raw.clone();
    if let Some(fields) = config.as_object_mut() {
        fields.insert("dtype".into(), "float32".into());
        fields.remove("torch_dtype");
    }
    let config = serde_json::to_string_pretty(&config).unwrap_or_default();
    write_tokenizer(folder, tokenizer, positions)?;
    write_whole(&folder.join(files::CONFIG), config.as_bytes())?;
    write_tensors(&target, tensors)
}

/// Writes the three files of a tokenizer for a model of `positions` positions into `folder`.
///
/// # Errors
///
/// A disk that is full.
pub fn write_tokenizer(
    folder: &Path,
    tokenizer: &Tokenizer,
    positions: usize,
) -> Result<(), Error> {
    write_whole(
        &folder.join("tokenizer.json"),
        tokenizer.to_json()?.as_bytes(),
    )?;
    write_whole(
        &folder.join("tokenizer_config.json"),
        tokenizer.options_json(positions).as_bytes(),
    )?;
    write_whole(
        &folder.join("vocab.txt"),
        (tokenizer.vocabulary().join("\n") + "\n").as_bytes(),
    )
}

/// A tensor to be written.
pub(super) struct Stored<'a> {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: &'a [u8],
}

/// Writes a safetensors file under a temporary name, then renames it.
pub(super) fn write_tensors(path: &Path, tensors: Vec<Stored<'_>>) -> Result<(), Error> {
    let failed = |source: std::io::Error| Error::Write {
        path: path.to_owned(),
        source,
    };
    let mut views = Vec::new();
    for Stored {
        name,
        dtype,
        shape,
        bytes,
    } in tensors
    {
        views.push((
            name,
            TensorView::new(dtype, shape, bytes)
                .map_err(|err| failed(std::io::Error::other(err)))?,
        ));
    }
    let fresh = path.with_extension("new");
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    // safetensors makes a file that only its owner may read. This one gets the permissions of every other
    // new file, which are found out by creating one.
    let permissions = std::fs::File::create(&fresh)
        .and_then(|file| Ok(file.metadata()?.permissions()))
        .map_err(failed)?;
    let written = safetensors::serialize_to_file(views, Some(metadata), &fresh);
    written.map_err(|err| failed(std::io::Error::other(err)))?;
    std::fs::set_permissions(&fresh, permissions).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)
}

/// Writes a small file under a temporary name, then renames it.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, bytes).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_the_permissions_of_the_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let (small, large) = (
            folder.path().join("a.json"),
            folder.path().join("a.safetensors"),
        );
        write_whole(&small, b"{}").unwrap();
        let tensor = Stored {
            name: "x".into(),
            dtype: Dtype::F32,
            shape: vec![1],
            bytes: &[0; 4],
        };
        write_tensors(&large, vec![tensor]).unwrap();
        let permissions = |path: &Path| std::fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions(&large), permissions(&small));
    }
}
