//! The small text files of a checkpoint, as people and tools leave them: with a byte order mark, as a
//! pointer of Git LFS in place of the file, with Python's NaN in the JSON.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::Error;

/// Where Git LFS begins a pointer.
const POINTER: &[u8] = b"version https://git-lfs";

/// The bytes without a byte order mark of UTF-8.
pub fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// Whether `bytes` of the file at `path` are a pointer of Git LFS.
///
/// # Errors
///
/// [`Error::LfsPointer`] if they are.
pub(super) fn refuse_pointer(bytes: &[u8], path: &Path) -> Result<(), Error> {
    match bytes.starts_with(POINTER) {
        false => Ok(()),
        true => Err(Error::LfsPointer {
            path: path.to_owned(),
        }),
    }
}

/// What the JSON of the file at `path` says.
///
/// # Errors
///
/// [`Error::ConfigSyntax`], [`Error::ConfigNotFinite`], [`Error::LfsPointer`].
pub(super) fn parse<T: DeserializeOwned>(json: &[u8], path: &Path) -> Result<T, Error> {
    serde_json::from_slice(without_byte_order_mark(json))
        .map_err(|source| syntax(json, path, source))
}

/// The error for JSON in the file at `path` that `source` could not read.
fn syntax(json: &[u8], path: &Path, source: serde_json::Error) -> Error {
    if let Err(pointer) = refuse_pointer(json, path) {
        return pointer;
    }
    match not_a_number(json) {
        Some((field, found, line)) => Error::ConfigNotFinite {
            path: path.to_owned(),
            field,
            found,
            line,
        },
        None => Error::ConfigSyntax {
            path: path.to_owned(),
            source,
        },
    }
}

/// The first `NaN` or `Infinity` in `json`, which Python writes and JSON does not have: the name of its
/// field, the word, and its line.
fn not_a_number(json: &[u8]) -> Option<(String, &'static str, usize)> {
    let mut field = String::new();
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let rest = json.get(at..).unwrap_or_default();
        if byte == b'"' {
            let mut end = at + 1;
            while let Some(&byte) = json.get(end).filter(|&&byte| byte != b'"') {
                end += if byte == b'\\' { 2 } else { 1 };
            }
            let after = json.get(end + 1..).unwrap_or_default();
            if after.trim_ascii_start().starts_with(b":") {
                let name = json.get(at + 1..end).unwrap_or_default();
                field = String::from_utf8_lossy(name).into_owned();
            }
            at = end + 1;
            continue;
        }
        let words = ["NaN", "Infinity", "-Infinity"];
        if let Some(&word) = words.iter().find(|word| rest.starts_with(word.as_bytes())) {
            let before = json.get(..at).unwrap_or_default();
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            return Some((field, word, line));
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_does_not_have_are_found_with_their_field() {
        let found = |json: &str| not_a_number(json.as_bytes());
        let nan = "{\"NaN\": \"a \\\" NaN\",\n \"layer_norm_eps\" : NaN}";
        assert_eq!(found(nan), Some(("layer_norm_eps".into(), "NaN", 2)));
        let infinite = found("{\"a\": [1, -Infinity]}");
        assert_eq!(infinite, Some(("a".into(), "-Infinity", 1)));
        for sound in ["{\"NaN\": \"Infinity\"}", "", "\"", "\"\\"] {
            assert_eq!(found(sound), None, "{sound}");
        }
    }
}
