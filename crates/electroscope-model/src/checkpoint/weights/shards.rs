//! A checkpoint in several safetensors files, with an index that says which tensor is in which.
//!
//! The index is believed in nothing: a file that it names must lie beside it, and must hold the
//! tensors that the index says, no more and no fewer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::Deserialize;

use super::json::Distinct;
use super::{Entry, Files, LONGEST_DESCRIPTION, add, safetensors};
use crate::{Error, text_file};

#[derive(Deserialize)]
struct Index {
    /// By the tensor's name the file's.
    weight_map: Distinct<String>,
}

/// The tensors of the files that the index, file number `first`, names.
pub(super) fn entries(files: &mut Files, first: usize) -> Result<BTreeMap<String, Entry>, Error> {
    let path = files.path(first).to_owned();
    let damaged = |what: String| Error::Damaged {
        path: path.clone(),
        what,
    };
    let index = text_file::without_byte_order_mark(files.data(first));
    if index.len() > LONGEST_DESCRIPTION {
        return Err(damaged(format!(
            "it has {} bytes, and no index needs more than {LONGEST_DESCRIPTION}",
            index.len()
        )));
    }
    let Index {
        weight_map: Distinct(map),
    } = serde_json::from_slice(index)
        .map_err(|err| damaged(format!("it is not an index of tensors: {err}")))?;

    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let names: BTreeSet<&String> = map.values().collect();
    for name in names {
        if !is_beside(name) {
            return Err(damaged(format!(
                "it names the file {name:?}, and only a safetensors file beside it can be meant"
            )));
        }
        let shard = files.open(&path.with_file_name(name))?;
        let shard_path = files.path(shard);
        text_file::refuse_pointer(files.data(shard), shard_path)?;
        for (tensor, entry) in safetensors::entries(files.data(shard), shard_path)? {
            if map.get(&tensor) != Some(name) {
                return Err(Error::Damaged {
                    path: shard_path.to_owned(),
                    what: format!(
                        "it holds tensor `{tensor}`, which by the index is {}",
                        match map.get(&tensor) {
                            Some(other) => format!("in {other}"),
                            None => "in none of the files".to_owned(),
                        }
                    ),
                });
            }
            let entry = Entry {
                file: shard,
                ..entry
            };
            add(&mut entries, tensor, entry).map_err(&damaged)?;
        }
    }
    if let Some((name, file)) = map.iter().find(|(name, _)| !entries.contains_key(*name)) {
        return Err(damaged(format!(
            "tensor `{name}` is not in {file}, where the index says it is"
        )));
    }
    Ok(entries)
}

/// Whether `name` is that of a safetensors file in the same folder, and nothing cleverer.
fn is_beside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let only = matches!(parts.next(), Some(Component::Normal(part)) if part == name);
    let is_plain = name.bytes().all(|byte| byte.is_ascii_graphic());
    only && parts.next().is_none() && is_plain && name.ends_with(".safetensors")
}
