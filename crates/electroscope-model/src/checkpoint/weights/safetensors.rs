//! The header of a safetensors file: a length, JSON, then the tensors' bytes.
//!
//! The `safetensors` crate would do, but it sizes its header buffer by the file's claim, lets the
//! last of two tensors of one name win, and its errors name neither tensor nor number; this reads
//! the same format strictly, from a slice.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::json::{Distinct, Shape};
use super::{Entry, LONGEST_DESCRIPTION, NumberType, add, bytes_of, overlap};
use crate::Error;

#[derive(Deserialize)]
struct Header {
    dtype: String,
    shape: Shape,
    data_offsets: (usize, usize),
}

/// The tensors that `data`, the whole file, holds.
pub(super) fn entries(data: &[u8], path: &Path) -> Result<BTreeMap<String, Entry>, Error> {
    let damaged = |what: String| Error::Damaged {
        path: path.to_owned(),
        what,
    };
    let Some(length) = data.first_chunk::<8>() else {
        return Err(damaged(format!(
            "it has {} bytes, too few for a safetensors file",
            data.len()
        )));
    };
    let claimed = u64::from_le_bytes(*length);
    let header = usize::try_from(claimed)
        .ok()
        .and_then(|len| data.get(8..)?.get(..len))
        .ok_or_else(|| {
            damaged(format!(
                "its header claims {claimed} bytes, and the file has {} after it",
                data.len() - 8
            ))
        })?;
    if header.len() > LONGEST_DESCRIPTION {
        return Err(damaged(format!(
            "its header has {claimed} bytes, and no model needs more than {LONGEST_DESCRIPTION}"
        )));
    }
    let start = 8 + header.len();
    let body = data.len() - start;
    let Distinct(header): Distinct<Header> = serde_json::from_slice(header)
        .map_err(|err| damaged(format!("its header cannot be read: {err}")))?;

    let mut entries = BTreeMap::new();
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (name, header) in header {
        let Header {
            dtype,
            shape: Shape(shape),
            data_offsets: (from, to),
        } = header;
        if from > to || to > body {
            return Err(damaged(format!(
                "tensor `{name}` claims bytes {from} to {to}, and the file has {body} bytes of tensors"
            )));
        }
        let numbers = match dtype.as_str() {
            "F32" => NumberType::F32,
            "F16" => NumberType::F16,
            "BF16" => NumberType::BF16,
            "F64" => NumberType::F64,
            "I8" => NumberType::I8,
            "I64" => NumberType::Other("I64", 8),
            "U64" => NumberType::Other("U64", 8),
            "I32" => NumberType::Other("I32", 4),
            "U32" => NumberType::Other("U32", 4),
            "I16" => NumberType::Other("I16", 2),
            "U16" => NumberType::Other("U16", 2),
            "U8" => NumberType::Other("U8", 1),
            "BOOL" => NumberType::Other("BOOL", 1),
            "F8_E4M3" => NumberType::Other("F8_E4M3", 1),
            "F8_E5M2" => NumberType::Other("F8_E5M2", 1),
            _ => {
                return Err(damaged(format!(
                    "tensor `{name}` holds numbers of the unknown type {dtype:?}"
                )));
            }
        };
        if bytes_of(numbers, &shape) != Some(to - from) {
            return Err(damaged(format!(
                "tensor `{name}` of shape {shape:?} in {dtype} does not take {} bytes",
                to - from
            )));
        }
        taken.push((from, to));
        let entry = Entry::plain(numbers, shape, start + from);
        add(&mut entries, name, entry).map_err(damaged)?;
    }
    if let Some((from, to)) = overlap(taken) {
        return Err(damaged(format!(
            "two tensors share the bytes from {from} to {to}"
        )));
    }
    Ok(entries)
}
