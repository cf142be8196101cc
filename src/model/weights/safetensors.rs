//! The header of a safetensors file: a length, JSON, then the tensors' bytes.
//!
//! The `safetensors` crate would do, but it sizes its header buffer by the file's claim and its
//! errors name neither tensor nor number; this reads the same format strictly, from a slice.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::super::Error;
use super::{Entry, NumberType};

#[derive(Deserialize)]
struct Header {
    dtype: String,
    shape: Vec<usize>,
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
    let start = 8 + header.len();
    let body = data.len() - start;
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header)
        .map_err(|err| damaged(format!("its header is not JSON: {err}")))?;

    let mut entries = BTreeMap::new();
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (name, value) in header {
        if name == "__metadata__" {
            continue;
        }
        let Header {
            dtype,
            shape,
            data_offsets: (from, to),
        } = Header::deserialize(value)
            .map_err(|err| damaged(format!("tensor `{name}` is not described: {err}")))?;
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
            "I64" => NumberType::Other("I64"),
            "I32" => NumberType::Other("I32"),
            "U8" => NumberType::Other("U8"),
            "BOOL" => NumberType::Other("BOOL"),
            _ => NumberType::Other("numbers of an unknown type"),
        };
        if !matches!(numbers, NumberType::Other(_)) {
            let wanted = shape
                .iter()
                .try_fold(numbers.size(), |bytes, &extent| bytes.checked_mul(extent));
            if wanted != Some(to - from) {
                return Err(damaged(format!(
                    "tensor `{name}` of shape {shape:?} in {dtype} does not take {} bytes",
                    to - from
                )));
            }
        }
        if from < to {
            taken.push((from, to));
        }
        entries.insert(
            name,
            Entry {
                numbers,
                shape,
                strides: None,
                offset: start + from,
            },
        );
    }
    taken.sort_unstable();
    if let Some(pair) = taken.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        return Err(damaged(format!(
            "two tensors share the bytes from {} to {}",
            pair[1].0, pair[0].1
        )));
    }
    Ok(entries)
}
