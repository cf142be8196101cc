//! How a training writes what must not be lost: a file is on the disk when it is said to be written.
//!
//! Names are given by renaming whole folders, which is whose business it is what they mean.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use candle_core::Tensor;

use super::Error;

/// Writes a file whole and waits until it is on the disk.
///
/// # Errors
///
/// [`Error::Write`].
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// The same with tensors, as safetensors.
///
/// # Errors
///
/// [`Error::Write`].
pub(super) fn write_tensors(path: &Path, tensors: &HashMap<String, Tensor>) -> Result<(), Error> {
    let written = candle_core::safetensors::save(tensors, path)
        .map_err(io::Error::other)
        .and_then(|()| File::open(path)?.sync_all());
    written.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}
