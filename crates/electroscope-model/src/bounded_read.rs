//! Opening and reading files that others may have put in place: a pipe, a device or a file without
//! end must neither block nor fill memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// The most bytes that are read of each kind of file. Far above what real files have, and far below
/// what hurts.
pub mod limits {
    /// `config.json` and its like. Those with a name for each of 100,000 labels have 5 MB.
    pub const CONFIG: u64 = 32 << 20;
    /// `tokenizer.json` and `vocab.txt`. Those of multilingual models have 17 MB.
    pub const VOCABULARY: u64 = 128 << 20;
    /// `README.md`, shown for its licence.
    pub const CARD: u64 = 4 << 20;
    /// Settings, remembered choices, tokens.
    pub const SETTINGS: u64 = 1 << 20;
    /// A branch or tag in the hub's cache, which holds a commit.
    pub const REFERENCE: u64 = 4096;
    /// Weights. ELECTRA-large has 1.3 GB in f32, with the optimizer's state three times that.
    pub const WEIGHTS: u64 = 16 << 30;
}

/// Opens a regular file for reading, without ever waiting for it to be opened: a named pipe without a
/// writer does not block. The kind is asked of the open file, so that what was exchanged after a check
/// by name is noticed.
///
/// # Errors
///
/// Those of opening, and an error of kind [`io::ErrorKind::InvalidInput`], or
/// [`io::ErrorKind::IsADirectory`], that says what it is instead of a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Has no effect on regular files, but for a few in /proc, which then fail instead of waiting.
        // A terminal that is opened must not become the controlling one.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    if kind.is_dir() {
        let text = "it is a folder, not a file";
        return Err(io::Error::new(io::ErrorKind::IsADirectory, text));
    }
    let text = "it is a pipe, a socket or a device, not a file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
///
/// Those of [`open_regular`] and of reading, and one of kind [`io::ErrorKind::FileTooLarge`] that names
/// both sizes, before anything is read if the file says how long it is.
pub fn read_bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let too_large = |found: String| {
        let text = format!("it has {found} bytes, and at most {max} are read");
        io::Error::new(io::ErrorKind::FileTooLarge, text)
    };
    let len = file.metadata()?.len();
    if len > max {
        return Err(too_large(len.to_string()));
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(usize::try_from(len).unwrap_or(usize::MAX))
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    // It may grow meanwhile, and files of /proc say that they have none.
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > max {
        true => Err(too_large(format!("more than {max}"))),
        false => Ok(bytes),
    }
}

/// The same, for a file of UTF-8 text; a byte order mark is left out.
///
/// # Errors
///
/// As [`read_bounded`], and [`io::ErrorKind::InvalidData`] for bytes that are not UTF-8.
pub fn read_text_bounded(path: &Path, max: u64) -> io::Result<String> {
    let text = String::from_utf8(read_bounded(path, max)?).map_err(|err| {
        let at = err.utf8_error().valid_up_to();
        let text = format!("it is not UTF-8 text (byte {at})");
        io::Error::new(io::ErrorKind::InvalidData, text)
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_up_to_the_limit_is_read_and_a_longer_one_is_refused_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        let err = read_bounded(&path, 4).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(err.to_string(), "it has 5 bytes, and at most 4 are read");
    }

    #[test]
    fn a_huge_sparse_file_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let err = read_bounded(&path, limits::CONFIG).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::FileTooLarge);
    }

    #[cfg(unix)]
    #[test]
    fn pipes_devices_and_folders_are_refused_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [pipe.as_path(), Path::new("/dev/zero")] {
            let err = read_bounded(path, 10).unwrap_err();
            assert_eq!(
                err.to_string(),
                "it is a pipe, a socket or a device, not a file"
            );
        }
        let err = read_bounded(folder.path(), 10).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "\u{feff}text").unwrap();
        assert_eq!(read_text_bounded(&path, 10).unwrap(), "text");
        std::fs::write(&path, b"ab\xff").unwrap();
        let err = read_text_bounded(&path, 10).unwrap_err();
        assert_eq!(err.to_string(), "it is not UTF-8 text (byte 2)");
    }
}
