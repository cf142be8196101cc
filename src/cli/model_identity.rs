//! What a model is known by, whatever it is called: the commit of a hub model, else a hash of its weights.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::catalog::{BuiltinHead, EVIDENCE, builtin};
use crate::report;
use electroscope_analysis::BaselinedModel;
use electroscope_model::hub;

/// What `model` is known by.
///
/// # Errors
///
/// A folder whose weights cannot be read.
pub(super) fn of(model: &report::Model) -> anyhow::Result<BaselinedModel> {
    let discriminator = builtin::PAIR.discriminator_weights;
    let sha256 = match (model.id.as_str(), BuiltinHead::find(&model.id)) {
        _ if model.revision.is_some() => None,
        (builtin::NAME, _) => Some(hub::sha256_of(discriminator)?),
        (_, Some(head)) => {
            // A head computes with the discriminator's encoder, and errors are found with other evidence.
            let [_, (_, weights)] = head.files();
            let all = weights.chain(discriminator).chain(EVIDENCE.as_bytes());
            Some(hub::sha256_of(all)?)
        }
        (id, None) if Path::new(id).is_dir() => Some(of_folder(Path::new(id))?),
        _ => None,
    };
    Ok(BaselinedModel {
        id: model.id.clone(),
        revision: model.revision.clone(),
        sha256,
    })
}

/// The hash of the weights in a folder; if they are in several files, one of the hashes of all.
fn of_folder(folder: &Path) -> anyhow::Result<String> {
    let context = || format!("cannot read the weights in {}", folder.display());
    let entries = std::fs::read_dir(folder).with_context(context)?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.with_context(context)?.path();
        if path.is_file() && holds_weights(&path) {
            files.push(path);
        }
    }
    files.sort();
    let hashes: Result<Vec<String>, _> = files.iter().map(|file| hub::sha256(file)).collect();
    let hashes = hashes.with_context(context)?;
    match hashes.as_slice() {
        [only] => Ok(only.clone()),
        all => Ok(hub::sha256_of(all.join("\n").as_bytes())?),
    }
}

/// Whether a file's name says that weights are in it.
fn holds_weights(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let known = ["safetensors", "bin", "h5", "msgpack", "index"];
    extension.is_some_and(|extension| known.contains(&extension)) || name.contains(".data-")
}
