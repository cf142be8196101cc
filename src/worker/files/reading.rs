//! One look at one file: what it holds, and how to tell later whether that may have changed.
//!
//! Apart from the thread, because this is the part that touches the file itself. It never waits and
//! never reports: it says what it found.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use electroscope_text::{DecodeError, Document, Language};

/// What a look finds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// A text.
    Text(Document),
    /// Nothing by that name.
    Gone,
    /// Something that is not a text, or that may not be read; the reason is for the user.
    Unreadable(String),
}

/// The metadata that changes when a file does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    /// Device, inode, and the time of its last change in seconds and nanoseconds, which no program
    /// can set back.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
    #[cfg(not(unix))]
    created: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Stamp {
            len: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (
                metadata.dev(),
                metadata.ino(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ),
            #[cfg(not(unix))]
            created: metadata.created().ok(),
        }
    }
}

/// The coarsest clock that a file system keeps times by (FAT's). A write may leave the stamp as it
/// was if it comes within this time of the write before.
const GRAIN: Duration = Duration::from_secs(2);

/// What the last look saw of a file's metadata.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    last: Option<Sight>,
}

#[derive(Clone, Debug)]
struct Sight {
    /// None where there was no file.
    stamp: Option<Stamp>,
    /// When a look first saw this stamp.
    since: Instant,
    /// When a look last read the file under it.
    read: Instant,
    /// The file could be read to its end, whatever was in it.
    whole: bool,
}

/// What a glance at the metadata says about the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// The text is what the last look read.
    Same,
    /// The metadata is as it was, but that proves nothing yet.
    Unsure,
    /// The file is another, or was written to.
    Different,
}

impl Seen {
    /// Compares the metadata of `path` with that of the last look. Does not open the file.
    pub(super) fn glance(&self, path: &Path) -> Glance {
        match fs::metadata(path) {
            Ok(metadata) => self.compare(Some(&Stamp::of(&metadata))),
            Err(err) if is_absence(&err) => self.compare(None),
            Err(_) => Glance::Unsure,
        }
    }

    fn compare(&self, stamp: Option<&Stamp>) -> Glance {
        match &self.last {
            Some(last) if last.stamp.as_ref() == stamp => {
                let is_settled = stamp.is_none() || last.read - last.since >= GRAIN;
                if last.whole && is_settled {
                    Glance::Same
                } else {
                    Glance::Unsure
                }
            }
            _ => Glance::Different,
        }
    }

    fn note(&mut self, stamp: Option<Stamp>, now: Instant, whole: bool) {
        let since = match &self.last {
            Some(last) if last.stamp == stamp => last.since,
            _ => now,
        };
        self.last = Some(Sight {
            stamp,
            since,
            read: now,
            whole,
        });
    }

    /// Reads the file at `path` by `load`, which is told its length, and notes its metadata as it was
    /// before; says too whether that was the same afterwards. If not, what was read may be half one
    /// text and half another. The document is named `name`.
    pub(super) fn read(
        &mut self,
        path: &Path,
        name: &Path,
        language: Language,
        load: impl FnOnce(u64) -> io::Result<Vec<u8>>,
    ) -> (Found, bool) {
        let now = Instant::now();
        let before = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(err) => {
                let is_gone = is_absence(&err);
                self.note(None, now, is_gone);
                return if is_gone {
                    (Found::Gone, true)
                } else {
                    (Found::Unreadable(err.to_string()), true)
                };
            }
        };
        let (found, whole) = interpret(&before, name, language, load);
        let stamp = Stamp::of(&before);
        let is_steady = fs::metadata(path).is_ok_and(|after| Stamp::of(&after) == stamp);
        self.note(Some(stamp), now, whole);
        (found, is_steady)
    }
}

/// What a file with this metadata holds; says too whether it could be read to its end.
fn interpret(
    metadata: &Metadata,
    name: &Path,
    language: Language,
    load: impl FnOnce(u64) -> io::Result<Vec<u8>>,
) -> (Found, bool) {
    if metadata.is_dir() {
        return (Found::Unreadable("it is a folder, not a file".into()), true);
    }
    // To open a pipe would be to wait for its writer, perhaps for ever.
    if !metadata.is_file() {
        let reason = "it is a pipe, a socket or a device, not a file";
        return (Found::Unreadable(reason.into()), true);
    }
    if metadata.len() > Document::MAX_LEN as u64 {
        let error = DecodeError::TooLong {
            len: usize::try_from(metadata.len()).unwrap_or(usize::MAX),
            limit: Document::MAX_LEN,
        };
        return (Found::Unreadable(error.to_string()), true);
    }
    match load(metadata.len()) {
        Ok(bytes) => match Document::decode(name, bytes, language) {
            Ok(document) => (Found::Text(document), true),
            Err(err) => (Found::Unreadable(err.to_string()), true),
        },
        Err(err) if is_absence(&err) => (Found::Gone, false),
        Err(err) => (Found::Unreadable(err.to_string()), false),
    }
}

/// The bytes of a file that was this long a moment ago; not many more than the limit, for it may
/// grow while it is read. Between its parts `go_on` is asked; a no breaks the reading off with an error.
pub(super) fn load(path: &Path, len: u64, go_on: &dyn Fn() -> bool) -> io::Result<Vec<u8>> {
    const CHUNK: u64 = 1 << 20;
    let mut file = electroscope_model::open_regular(path)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(usize::try_from(len).unwrap_or(0))
        .map_err(|_| io::ErrorKind::OutOfMemory)?;
    loop {
        if !go_on() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let read = file.by_ref().take(CHUNK).read_to_end(&mut bytes);
        let count = read.map_err(|err| match err.kind() {
            // A few files of /proc wait where others say that there is no more.
            io::ErrorKind::WouldBlock => io::Error::other("it has nothing to read at the moment"),
            _ => err,
        })?;
        if count == 0 || bytes.len() > Document::MAX_LEN {
            return Ok(bytes);
        }
    }
}

/// Whether an error means that there is nothing by that name.
pub(super) fn is_absence(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn read(seen: &mut Seen, path: &Path) -> (Found, bool) {
        seen.read(path, path, Language::Plain, |len| load(path, len, &|| true))
    }

    fn stamp(path: &Path) -> Option<Stamp> {
        Some(Stamp::of(&fs::metadata(path).unwrap()))
    }

    #[test]
    fn a_stamp_is_believed_only_when_the_file_was_read_well_after_it_appeared() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = stamp(file.path());
        let start = Instant::now();
        let mut seen = Seen::default();
        assert_eq!(seen.compare(stamp.as_ref()), Glance::Different);
        seen.note(stamp.clone(), start, true);
        assert_eq!(seen.compare(stamp.as_ref()), Glance::Unsure);
        seen.note(stamp.clone(), start + GRAIN / 2, true);
        assert_eq!(seen.compare(stamp.as_ref()), Glance::Unsure);
        seen.note(stamp.clone(), start + GRAIN, true);
        assert_eq!(seen.compare(stamp.as_ref()), Glance::Same);
        assert_eq!(seen.compare(None), Glance::Different);
    }

    #[test]
    fn a_file_that_could_not_be_read_is_tried_again_though_its_stamp_is_old() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = stamp(file.path());
        let start = Instant::now();
        let mut seen = Seen::default();
        seen.note(stamp.clone(), start, false);
        seen.note(stamp.clone(), start + GRAIN, false);
        assert_eq!(seen.compare(stamp.as_ref()), Glance::Unsure);
    }

    #[test]
    fn another_length_or_another_file_is_a_difference_even_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&path, "text").unwrap();
        let mut seen = Seen::default();
        let set_time = |path: &Path| {
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH)
                .unwrap();
        };
        set_time(&path);
        read(&mut seen, &path);
        assert_eq!(seen.glance(&path), Glance::Unsure);
        fs::write(&path, "longer text").unwrap();
        set_time(&path);
        assert_eq!(seen.glance(&path), Glance::Different);
        read(&mut seen, &path);
        if cfg!(unix) {
            fs::write(&other, "another one").unwrap();
            set_time(&other);
            fs::rename(&other, &path).unwrap();
            assert_eq!(seen.glance(&path), Glance::Different);
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(seen.glance(&path), Glance::Different);
        assert_eq!(read(&mut seen, &path), (Found::Gone, true));
        assert_eq!(seen.glance(&path), Glance::Same);
    }

    #[test]
    fn a_file_over_the_limit_is_refused_by_its_length_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // The file is all hole: reading it would fill memory, and take long.
        file.as_file()
            .set_len(Document::MAX_LEN as u64 + 1)
            .unwrap();
        let mut seen = Seen::default();
        let (found, _) = read(&mut seen, file.path());
        let Found::Unreadable(reason) = found else {
            panic!("{found:?}");
        };
        assert_eq!(
            reason,
            "the file has 1073741825 bytes; texts of up to 1073741824 bytes can be read"
        );
    }

    #[test]
    fn what_is_read_while_the_file_changes_is_not_steady() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        fs::write(path, "one").unwrap();
        let read = |during: fn(&Path)| {
            let load = |len| {
                let bytes = load(path, len, &|| true);
                during(path);
                bytes
            };
            Seen::default().read(path, path, Language::Plain, load)
        };
        let text = Found::Text(Document::new(path, "one", Language::Plain));
        assert_eq!(read(|_| {}), (text.clone(), true));
        let grow = |path: &Path| fs::write(path, "one, and more").unwrap();
        assert_eq!(read(grow), (text, false));
        let (_, is_steady) = read(|path| fs::remove_file(path).unwrap());
        assert!(!is_steady);
    }

    #[test]
    fn reading_breaks_off_when_the_thread_is_to_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "text").unwrap();
        let err = load(file.path(), 4, &|| false).unwrap_err();
        assert_eq!(err.kind(), io::ErrorKind::Interrupted);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_opened() {
        let path = Path::new("/dev/zero");
        let (found, _) = read(&mut Seen::default(), path);
        assert_eq!(
            found,
            Found::Unreadable("it is a pipe, a socket or a device, not a file".into())
        );
    }
}
