//! Files that are written in a cache that others may write in, too: what they put in the place of such
//! a file must not lead anywhere else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Opens a file of the cache for writing, and creates it if `options` say so. A link is not followed,
/// and a pipe is not waited for.
///
/// # Errors
///
/// Those of opening, and an error that says what it is instead of a regular file.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let refuse = |what: &str| {
        let text = format!("it is {what}, which somebody else may have put there; remove it");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    };
    if path.is_symlink() {
        return Err(refuse("a link"));
    }
    let file = match options.open(path) {
        // Put there after the look at it.
        Err(_) if path.is_symlink() => return Err(refuse("a link")),
        // A pipe that nobody reads cannot be opened for writing.
        Err(_) if path.symlink_metadata().is_ok_and(|data| is_special(&data)) => {
            return Err(refuse("a pipe, a socket or a device"));
        }
        opened => opened?,
    };
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(refuse("a pipe, a socket or a device"));
    }
    Ok(file)
}

fn is_special(data: &std::fs::Metadata) -> bool {
    let kind = data.file_type();
    !kind.is_file() && !kind.is_dir()
}

/// The length of a regular file that is no link; 0 if there is none.
pub(super) fn len(path: &Path) -> u64 {
    let data = path
        .symlink_metadata()
        .ok()
        .filter(std::fs::Metadata::is_file);
    data.map_or(0, |data| data.len())
}

/// Gives a file these contents, under another name first. A link in its place is replaced, not
/// followed.
///
/// # Errors
///
/// Those of writing.
pub(super) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let fresh = beside(path);
    let mut file = create_new(&fresh)?;
    file.write_all(contents)
        .and_then(|()| std::fs::rename(&fresh, path))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&fresh);
        })
}

/// Copies a file to where none is, under another name first.
///
/// # Errors
///
/// Those of reading and writing.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let fresh = beside(to);
    let mut file = create_new(&fresh)?;
    io::copy(&mut File::open(from)?, &mut file)
        .and_then(|_| std::fs::rename(&fresh, to))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&fresh);
        })
}

/// A name beside `path` that no other process uses.
fn beside(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.incomplete", std::process::id()));
    name.into()
}

/// A file that is not there yet; what an earlier process of the same number left is removed.
fn create_new(path: &Path) -> io::Result<File> {
    let create = || File::options().write(true).create_new(true).open(path);
    match create() {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            create()
        }
        created => created,
    }
}
