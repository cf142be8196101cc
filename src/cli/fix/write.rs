//! Writes a changed text in the place of the file that it was read from.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};

use electroscope_text::{Document, Encoding};

/// Writes `text`, in the encoding of `document`, in the place of its file: to a file beside it, which is then
/// renamed. A link stays a link, and the permissions stay.
///
/// # Errors
///
/// If the file is no longer what `document` was read from; if something cannot be written.
pub(super) fn replace(document: &Document, text: &str) -> anyhow::Result<()> {
    let path = fs::canonicalize(&document.path).context("it cannot be found any more")?;
    check(&path, document)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.electroscope-{}", std::process::id()));
    let written = write(&temporary, &path, &encoded(text, document.encoding));
    // Once more, as late as it can be.
    let renamed = written.map_err(anyhow::Error::from).and_then(|()| {
        check(&path, document)?;
        Ok(fs::rename(&temporary, &path)?)
    });
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed.context("it cannot be written")
}

fn write(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let permissions = fs::metadata(path)?.permissions();
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .open(temporary)?;
    file.write_all(bytes)?;
    file.set_permissions(permissions)?;
    file.sync_all()
}

/// Checks that the file at `path` is still what `document` was read from.
fn check(path: &Path, document: &Document) -> anyhow::Result<()> {
    let bytes = fs::read(path).context("it cannot be read any more")?;
    ensure!(
        bytes == encoded(&document.text, document.encoding),
        "the file has changed since it was read; nothing was written, run `fix` again"
    );
    Ok(())
}

/// The bytes of a file with this text. In UTF-8 a byte order mark is part of the text.
fn encoded(text: &str, encoding: Encoding) -> Vec<u8> {
    let utf16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
        let units = text.encode_utf16().flat_map(bytes);
        mark.into_iter().chain(units).collect()
    };
    match encoding {
        Encoding::Utf8 | Encoding::Utf8Bom => text.as_bytes().to_vec(),
        Encoding::Utf16Le => utf16([0xff, 0xfe], u16::to_le_bytes),
        Encoding::Utf16Be => utf16([0xfe, 0xff], u16::to_be_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Language;

    fn read(path: &Path) -> Document {
        Document::decode(path, fs::read(path).unwrap(), Language::Plain).unwrap()
    }

    #[test]
    fn every_encoding_stays_what_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("old é".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        for bytes in [
            "old é".as_bytes().to_vec(),
            "\u{feff}old é".as_bytes().to_vec(),
            utf16,
        ] {
            fs::write(&path, &bytes).unwrap();
            let document = read(&path);
            replace(&document, &document.text.replace("old", "new")).unwrap();
            let after = read(&path);
            assert_eq!(after.encoding, document.encoding);
            assert_eq!(&*after.text, document.text.replace("old", "new"));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_file_that_has_changed_since_it_was_read_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let document = read(&path);
        fs::write(&path, "someone else's").unwrap();
        let err = replace(&document, "new").unwrap_err();
        assert!(format!("{err:#}").contains("has changed"), "{err:#}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "someone else's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a.txt"), folder.path().join("link.txt"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("a.txt", &link).unwrap();
        replace(&read(&link), "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
    }
}
