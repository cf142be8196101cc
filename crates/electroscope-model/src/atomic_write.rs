//! Writing a file so that whatever interrupts it, the file holds the old content or the new.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to the file at `path`, and makes the folders above it. The bytes go to a file of another
/// name beside it first, and are on the disk before that takes the file's name.
///
/// A file that is there keeps its permissions, and a link to it stays a link.
///
/// # Errors
///
/// Those of the file system; the file at `path` is as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let target = match path.symlink_metadata() {
        Ok(_) => std::fs::canonicalize(path)?,
        Err(_) => path.to_owned(),
    };
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    std::fs::create_dir_all(&folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".electroscope-").suffix(".new");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Those of any new file: the system takes from them what the user's mask says.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut fresh = builder.tempfile_in(&folder)?;
    fresh.write_all(bytes)?;
    if let Ok(old) = std::fs::metadata(&target) {
        fresh.as_file().set_permissions(old.permissions())?;
    }
    fresh.as_file().sync_all()?;
    fresh.persist(&target).map_err(|err| err.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.txt");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let there = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(there.count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (kept, linked) = (folder.path().join("kept"), folder.path().join("linked"));
        std::fs::write(&kept, "one").unwrap();
        std::fs::set_permissions(&kept, PermissionsExt::from_mode(0o640)).unwrap();
        symlink("kept", &linked).unwrap();
        write_atomically(&linked, b"two").unwrap();
        assert!(linked.is_symlink());
        assert_eq!(std::fs::read(&kept).unwrap(), b"two");
        let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        // A new file may be read by whoever may read the others.
        let (ours, usual) = (folder.path().join("ours"), folder.path().join("usual"));
        write_atomically(&ours, b"").unwrap();
        std::fs::write(&usual, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&usual));
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("b"), "one").unwrap();
        assert!(write_atomically(&path, b"two").is_err());
        assert_eq!(std::fs::read(path.join("b")).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
