//! Changes of a document that are written to its file, and nothing but these.
//!
//! A change is one of a certain text: where the file says anything else by now, nothing is written.

use std::io;
use std::path::{Path, PathBuf};

use electroscope_model::atomic_write::write_atomically;
use electroscope_model::bounded_read::read_bounded;
use electroscope_text::{DecodeError, Document, Span};

/// Something to be put in the place of a part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that go.
    pub span: Span,
    /// What comes in their place.
    pub replacement: String,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no text any more.
    #[error("{path} is no text any more, so nothing was changed")]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DecodeError,
    },
    /// The file is not what the change was made for.
    #[error("{path} has changed since it was read, so nothing was changed in it; look at it again")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The changes do not fit the text.
    #[error("a change of {path} does not fit its text, so nothing was changed")]
    Misplaced {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// `text` after `edits`, which come in its order and do not overlap; none if they do, or lie outside of
/// it.
pub fn edited(text: &str, edits: &[Edit]) -> Option<String> {
    let mut after = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for Edit { span, replacement } in edits {
        after.push_str(text.get(at..span.start())?);
        span.of(text)?;
        after.push_str(replacement);
        at = span.end();
    }
    after.push_str(text.get(at..)?);
    Some(after)
}

/// The changes that take `edits`, which were made to a text, back.
pub fn reversed(text: &str, edits: &[Edit]) -> Vec<Edit> {
    let mut shift = 0isize;
    let back = edits.iter().map(|edit| {
        let start = edit.span.start().saturating_add_signed(shift);
        shift += edit.replacement.len() as isize - edit.span.len() as isize;
        Edit {
            span: Span::new(start, start + edit.replacement.len()),
            replacement: edit.span.of(text).unwrap_or_default().to_owned(),
        }
    });
    back.collect()
}

/// Makes `edits`, which come in the order of the text and do not overlap, in the file of `document`, if
/// that still says what `document` does; the document after that. Encoding and line ends stay.
///
/// # Errors
///
/// [`EditError`]; the file is as it was.
pub fn edit_file(document: &Document, edits: &[Edit]) -> Result<Document, EditError> {
    let path: &Path = &document.path;
    let text = edited(&document.text, edits).ok_or_else(|| EditError::Misplaced {
        path: path.to_owned(),
    })?;
    let bytes = read_bounded(path, Document::MAX_LEN as u64).map_err(|source| EditError::Read {
        path: path.to_owned(),
        source,
    })?;
    let on_disk = Document::decode(path, bytes, document.language);
    let on_disk = on_disk.map_err(|source| EditError::Decode {
        path: path.to_owned(),
        source,
    })?;
    if on_disk.text != document.text || on_disk.encoding != document.encoding {
        return Err(EditError::Changed {
            path: path.to_owned(),
        });
    }
    let after = Document {
        text: text.into(),
        ..on_disk
    };
    write_atomically(path, &after.encoded()).map_err(|source| EditError::Write {
        path: path.to_owned(),
        source,
    })?;
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Language;
    use proptest::prelude::*;

    fn edit(start: usize, end: usize, replacement: &str) -> Edit {
        Edit {
            span: Span::new(start, end),
            replacement: replacement.to_owned(),
        }
    }

    fn document(path: &Path, bytes: &[u8]) -> Document {
        std::fs::write(path, bytes).unwrap();
        Document::decode(path, bytes.to_vec(), Language::Plain).unwrap()
    }

    #[test]
    fn a_file_is_changed_where_it_was_asked_for_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        for (before, after) in [
            (&b"one two\r\n"[..], &b"one three\r\n"[..]),
            (b"\xef\xbb\xbfo two\n", b"\xef\xbb\xbfo three\n"),
            (
                b"\xff\xfeo\0n\0e\0 \0t\0w\0o\0",
                b"\xff\xfeo\0n\0e\0 \0t\0h\0r\0e\0e\0",
            ),
            (
                b"\xfe\xff\0o\0n\0e\0 \0t\0w\0o",
                b"\xfe\xff\0o\0n\0e\0 \0t\0h\0r\0e\0e",
            ),
        ] {
            let document = document(&path, before);
            let at = document.text.find("two").unwrap();
            let edits = [edit(at, at + 3, "three")];
            let changed = edit_file(&document, &edits).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), after);
            let back = reversed(&document.text, &edits);
            assert_eq!(edit_file(&changed, &back).unwrap(), document);
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
    }

    #[test]
    fn a_file_that_says_something_else_by_now_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let document = document(&path, b"one two");
        let edits = [edit(4, 7, "three")];
        let refused = |after: &[u8]| {
            std::fs::write(&path, after).unwrap();
            let err = edit_file(&document, &edits).unwrap_err();
            assert_eq!(std::fs::read(&path).unwrap(), after);
            err
        };
        assert!(matches!(refused(b"one two "), EditError::Changed { .. }));
        assert!(matches!(refused(b"one\0two"), EditError::Decode { .. }));
        // Made twice, it is one of another text.
        std::fs::write(&path, "one two").unwrap();
        edit_file(&document, &edits).unwrap();
        let err = edit_file(&document, &edits).unwrap_err();
        assert!(matches!(err, EditError::Changed { .. }));
        std::fs::remove_file(&path).unwrap();
        let err = edit_file(&document, &edits).unwrap_err();
        assert!(matches!(err, EditError::Read { .. }));
    }

    #[test]
    fn changes_that_overlap_or_cut_characters_are_refused() {
        assert_eq!(edited("one", &[edit(0, 2, "x"), edit(1, 3, "y")]), None);
        assert_eq!(edited("é", &[edit(1, 2, "x")]), None);
        assert_eq!(edited("one", &[edit(2, 9, "x")]), None);
        assert_eq!(edited("one", &[]), Some("one".to_owned()));
    }

    proptest! {
        #[test]
        fn what_is_taken_back_is_as_it_was(
            text in "[a-zé \n]{0,40}",
            edits in prop::collection::vec((0..40usize, 0..5usize, "[xé]{0,4}"), 0..5),
        ) {
            let mut at = 0;
            let mut apart = Vec::new();
            for (gap, len, replacement) in edits {
                let start = text.floor_char_boundary((at + gap).min(text.len()));
                let end = text.floor_char_boundary((start + len).min(text.len()));
                if start >= at {
                    apart.push(edit(start, end, &replacement));
                    at = end;
                }
            }
            let after = edited(&text, &apart);
            prop_assert!(after.is_some());
            let after = after.unwrap_or_default();
            prop_assert_eq!(edited(&after, &reversed(&text, &apart)), Some(text));
        }
    }
}
