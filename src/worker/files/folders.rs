//! The folders whose events are asked for, and which file each event is a hint about.
//!
//! Apart from the thread, because what the system tells of has rules of its own. Folders are watched
//! and not files, for a file that is renamed over takes the watch on it along. Every folder goes by
//! its real path, and only one path per folder is ever watched: the system merges two watches on one
//! folder, and taking back either ends both. Nothing here reads a file or decides what to report.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecursiveMode, Watcher};

use super::Hints;
use super::reading::is_absence;

/// Makes a native watcher that calls the given hook.
pub(super) type MakeWatcher = dyn FnMut(Hints) -> notify::Result<Box<dyn Watcher>> + Send;

/// Gives the mount table, in the form of Linux's `/proc/self/mountinfo`.
pub(super) type ReadMounts = dyn Fn() -> Vec<u8> + Send;

/// One of the names by which a file can change: its own, or one that its link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The folder, as it is written in the path or in the link.
    folder: PathBuf,
    name: OsString,
}

/// The names by which `file` can change. A link may be made to lead elsewhere, and what it leads to
/// may be replaced, so both count.
pub(super) fn places(file: &Path) -> Vec<Place> {
    /// As many as Linux follows; more are a circle.
    const MOST_LINKS: usize = 40;
    let mut places = Vec::new();
    let mut at = file.to_owned();
    for _ in 0..MOST_LINKS {
        let (Some(folder), Some(name)) = (at.parent(), at.file_name()) else {
            break;
        };
        places.push(Place {
            folder: folder.to_owned(),
            name: name.to_owned(),
        });
        match fs::read_link(&at) {
            Ok(target) => at = folder.join(target),
            Err(_) => break,
        }
    }
    places
}

/// Where the hints about a file come from: a folder that is known here, and a name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    folder: PathBuf,
    name: OsString,
}

/// Tells a folder from another one that stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FolderId {
    #[cfg(unix)]
    inode: (u64, u64),
    #[cfg(not(unix))]
    path: PathBuf,
    /// Inode numbers are used again.
    born: Option<SystemTime>,
}

impl FolderId {
    fn of(path: &Path) -> io::Result<FolderId> {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(FolderId {
            #[cfg(unix)]
            inode: (metadata.dev(), metadata.ino()),
            #[cfg(not(unix))]
            path: path.to_owned(),
            born: metadata.created().ok(),
        })
    }
}

/// A folder in which at least one file is watched.
struct Folder {
    id: Option<FolderId>,
    /// The system was asked to tell of it, and not yet asked to stop.
    asked: bool,
    /// Why the system does not tell of it.
    silent: Option<String>,
    /// Why the system may not tell of every change in it, though it was asked to.
    patchy: Option<String>,
    /// The watch may be dead, or on a folder that is now elsewhere.
    suspect: bool,
    tried: Instant,
    /// The files by the name that they have in this folder.
    files: HashMap<OsString, Vec<PathBuf>>,
}

impl Folder {
    fn all_files(&self) -> Vec<PathBuf> {
        self.files.values().flatten().cloned().collect()
    }
}

/// All of them, and the watcher that tells of them.
pub(super) struct Folders {
    make: Box<MakeWatcher>,
    mounts: Box<ReadMounts>,
    hints: Hints,
    /// How long after a failure the same is tried again.
    pause: Duration,
    watcher: Result<Box<dyn Watcher>, String>,
    /// When it was last tried to make the watcher.
    tried: Option<Instant>,
    folders: HashMap<PathBuf, Folder>,
}

impl Folders {
    pub(super) fn new(
        make: Box<MakeWatcher>,
        mounts: Box<ReadMounts>,
        hints: Hints,
        pause: Duration,
    ) -> Folders {
        Folders {
            make,
            mounts,
            hints,
            pause,
            watcher: Err(String::new()),
            tried: None,
            folders: HashMap::new(),
        }
    }

    /// Sees to it that every change of `file` at one of `places` gives a hint, and takes back what
    /// `before` was asked for and is no longer needed. The error says why not every change will.
    pub(super) fn anchor(
        &mut self,
        file: &Path,
        places: Vec<Place>,
        before: &[Anchor],
    ) -> (Vec<Anchor>, Result<(), String>) {
        let mut anchors = Vec::with_capacity(places.len());
        let mut trouble = None;
        if places.is_empty() {
            trouble = Some("the path does not end in the name of a file".to_owned());
        }
        for Place { folder, name } in places {
            let path = match fs::canonicalize(&folder) {
                Ok(path) => path,
                Err(err) => {
                    let folder = folder.display();
                    trouble.get_or_insert(if is_absence(&err) {
                        format!("the folder {folder} is not there")
                    } else {
                        format!("the folder {folder} cannot be reached: {err}")
                    });
                    continue;
                }
            };
            let path = self.ask(path);
            let Some(folder) = self.folders.get_mut(&path) else {
                continue;
            };
            if let Some(reason) = folder.silent.as_ref().or(folder.patchy.as_ref()) {
                trouble.get_or_insert_with(|| reason.clone());
            }
            let files = folder.files.entry(key(&name)).or_default();
            if !files.iter().any(|known| known == file) {
                files.push(file.to_owned());
            }
            anchors.push(Anchor { folder: path, name });
        }
        let stale = before.iter().filter(|anchor| !anchors.contains(anchor));
        self.release(file, stale);
        (anchors, trouble.map_or(Ok(()), Err))
    }

    /// Takes back what was asked for on behalf of `file`. The last file of a folder takes the
    /// folder's watch with it.
    pub(super) fn release<'a>(
        &mut self,
        file: &Path,
        anchors: impl IntoIterator<Item = &'a Anchor>,
    ) {
        for Anchor { folder: path, name } in anchors {
            let Some(folder) = self.folders.get_mut(path) else {
                continue;
            };
            let name = key(name);
            if let Some(files) = folder.files.get_mut(&name) {
                files.retain(|known| known != file);
                if files.is_empty() {
                    folder.files.remove(&name);
                }
            }
            if folder.files.is_empty() {
                self.unwatch(path);
                self.folders.remove(path);
            }
        }
    }

    /// Asks the system to tell of the folder at this real path, unless it already does so. Gives the
    /// path by which the folder is known here.
    fn ask(&mut self, path: PathBuf) -> PathBuf {
        let now = Instant::now();
        let id = FolderId::of(&path).ok();
        let tells = |folder: &Folder| {
            folder.silent.is_none() && !folder.suspect && folder.id.is_some() && folder.id == id
        };
        match self.folders.get(&path) {
            Some(folder) if tells(folder) => return path,
            // Failed a moment ago: not worth another try for every file in it.
            Some(folder)
                if folder.silent.is_some()
                    && !folder.suspect
                    && folder.id == id
                    && now.saturating_duration_since(folder.tried) < self.pause =>
            {
                return path;
            }
            _ => {}
        }
        if let Some((other, _)) = self.folders.iter().find(|(_, folder)| tells(folder)) {
            return other.clone();
        }
        // A watch on the same folder by another path would be merged with the new one, and end it
        // when it is taken back later. So it is taken back first.
        let stale: Vec<PathBuf> = self
            .folders
            .iter()
            .filter(|(other, folder)| **other == path || (folder.id.is_some() && folder.id == id))
            .map(|(other, _)| other.clone())
            .collect();
        for other in stale {
            self.unwatch(&other);
        }
        let asked = self.watch(&path, now);
        let folder = self.folders.entry(path.clone()).or_insert_with(|| Folder {
            id: None,
            asked: false,
            silent: None,
            patchy: None,
            suspect: false,
            tried: now,
            files: HashMap::new(),
        });
        folder.asked = asked.is_ok();
        // Read after the watch stands: if the folder was replaced in between, the system tells that
        // the watched one went, and all this is done again.
        folder.id = FolderId::of(&path).ok();
        folder.silent = match asked {
            Ok(()) if folder.id.is_none() => {
                Some(format!("the folder {} is not there", path.display()))
            }
            Ok(()) => None,
            Err(reason) => Some(reason),
        };
        folder.patchy = patchy(&(self.mounts)(), &path);
        folder.suspect = false;
        folder.tried = now;
        path
    }

    /// Asks the watcher; the error is for the user.
    fn watch(&mut self, path: &Path, now: Instant) -> Result<(), String> {
        let watcher = self.watcher(now)?;
        watcher
            .watch(path, RecursiveMode::NonRecursive)
            .map_err(|err| format!("{} cannot be watched: {}", path.display(), explain(&err)))
    }

    /// Asks the watcher to stop. It may have stopped by itself, when the folder went, so that its
    /// error says nothing.
    fn unwatch(&mut self, path: &Path) {
        let Some(folder) = self.folders.get_mut(path) else {
            return;
        };
        if !std::mem::take(&mut folder.asked) {
            return;
        }
        if let Ok(watcher) = &mut self.watcher
            && is_alive(watcher.as_mut())
            && let Err(err) = watcher.unwatch(path)
        {
            tracing::debug!(path = %path.display(), %err, "the watch was gone");
        }
    }

    /// The watcher, made now if there is none and the last try is some time ago.
    fn watcher(&mut self, now: Instant) -> Result<&mut dyn Watcher, String> {
        self.check_watcher();
        if self.watcher.is_err()
            && self
                .tried
                .is_none_or(|tried| now.saturating_duration_since(tried) >= self.pause)
        {
            self.tried = Some(now);
            self.watcher = (self.make)(self.hints.clone())
                .map_err(|err| format!("the system cannot tell of changes: {}", explain(&err)));
            self.check_watcher();
        }
        match &mut self.watcher {
            Ok(watcher) => Ok(watcher.as_mut()),
            Err(reason) => Err(reason.clone()),
        }
    }

    /// Lays the watcher down if its thread has ended, and has everything looked at again.
    pub(super) fn check_watcher(&mut self) {
        let Ok(watcher) = &mut self.watcher else {
            return;
        };
        if is_alive(watcher.as_mut()) {
            return;
        }
        let reason = "the system cannot tell of changes: the thread that listens has ended";
        lay_down(std::mem::replace(&mut self.watcher, Err(reason.to_owned())));
        let mut was_asked = false;
        for folder in self.folders.values_mut() {
            was_asked |= std::mem::take(&mut folder.asked);
            folder.suspect = true;
        }
        if was_asked {
            self.hints.send(Err(notify::Error::generic(reason)));
        }
    }

    /// The files that an event is a hint about; None means all of them.
    pub(super) fn concerned(
        &mut self,
        event: &notify::Result<notify::Event>,
    ) -> Option<Vec<PathBuf>> {
        let event = match event {
            Ok(event) => event,
            Err(err) => {
                tracing::warn!(%err, "file events may have been lost");
                return None;
            }
        };
        // Lost events, or an event about nothing in particular.
        if event.need_rescan() || event.paths.is_empty() {
            return None;
        }
        let moves = matches!(
            event.kind,
            EventKind::Any
                | EventKind::Other
                | EventKind::Create(_)
                | EventKind::Remove(_)
                | EventKind::Modify(ModifyKind::Name(_) | ModifyKind::Any | ModifyKind::Other)
        );
        let mut files = Vec::new();
        for path in &event.paths {
            if let (Some(folder), Some(name)) = (path.parent(), path.file_name())
                && let Some(folder) = self.folders.get(folder)
                && let Some(named) = folder.files.get(&key(name))
            {
                files.extend(named.iter().cloned());
            }
            if moves {
                // When a folder goes, the watcher drops its watch, and those on all folders below;
                // some of these stay dead though the folders come back.
                for (known, folder) in &mut self.folders {
                    if known.starts_with(path) {
                        folder.suspect = true;
                        files.extend(folder.files.values().flatten().cloned());
                    }
                }
            } else if let Some(folder) = self.folders.get(path) {
                files.extend(folder.files.values().flatten().cloned());
            }
        }
        Some(files)
    }

    /// All folders, each with its files.
    pub(super) fn list(&self) -> Vec<(PathBuf, Vec<PathBuf>)> {
        self.folders
            .iter()
            .map(|(path, folder)| (path.clone(), folder.all_files()))
            .collect()
    }

    /// Whether a folder is not what it was, though nobody told.
    pub(super) fn is_displaced(&mut self, path: &Path) -> bool {
        let Some(folder) = self.folders.get_mut(path) else {
            return false;
        };
        let is_displaced = FolderId::of(path).ok() != folder.id;
        folder.suspect |= is_displaced;
        is_displaced
    }

    /// A change was found that nobody told of. The watches that should have are made anew at the next
    /// look at the files given back.
    pub(super) fn distrust(&mut self, anchors: &[Anchor]) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for anchor in anchors {
            if let Some(folder) = self.folders.get_mut(&anchor.folder) {
                folder.suspect = true;
                files.extend(folder.files.values().flatten().cloned());
            }
        }
        files
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        lay_down(std::mem::replace(&mut self.watcher, Err(String::new())));
    }
}

/// Whether the watcher's own thread is there. Of its methods only this one says so by an error; the
/// others panic.
fn is_alive(watcher: &mut dyn Watcher) -> bool {
    watcher.configure(notify::Config::default()).is_ok()
}

/// Drops a watcher, or forgets it if its thread has ended, for then its drop would panic.
fn lay_down(watcher: Result<Box<dyn Watcher>, String>) {
    if let Ok(mut watcher) = watcher
        && !is_alive(watcher.as_mut())
    {
        std::mem::forget(watcher);
    }
}

/// Whether an event can mean that a file changed. Our own reading makes events too, which must not
/// make us read again.
pub(super) fn is_hint(event: &notify::Result<notify::Event>) -> bool {
    !event.as_ref().is_ok_and(|event| {
        event.kind.is_access()
            && event.kind != EventKind::Access(AccessKind::Close(AccessMode::Write))
    })
}

/// The name under which a file is looked up. Where the system tells names apart by their letters but
/// not by their case, an event may spell a name otherwise than the user did.
fn key(name: &OsStr) -> OsString {
    if cfg!(any(windows, target_os = "macos")) {
        name.to_string_lossy().to_lowercase().into()
    } else {
        name.to_owned()
    }
}

/// What a watcher's error means, and how to mend it where that is known.
fn explain(err: &notify::Error) -> String {
    /// The error that means too many open files, on Linux as elsewhere.
    const EMFILE: i32 = 24;
    match &err.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the limit of watched folders is reached; raise fs.inotify.max_user_watches by sysctl"
                .to_owned()
        }
        notify::ErrorKind::Io(err) if err.raw_os_error() == Some(EMFILE) => {
            format!("{err}; raise fs.inotify.max_user_instances by sysctl, or ulimit -n")
        }
        notify::ErrorKind::Io(err) => err.to_string(),
        notify::ErrorKind::PathNotFound => "it is not there".to_owned(),
        notify::ErrorKind::Generic(text) => text.clone(),
        _ => err.to_string(),
    }
}

/// Why the system may not tell of every change in `folder`: it lies on a file system that others
/// write to as well. Known only where there is a mount table; elsewhere the sweep has to do.
fn patchy(mounts: &[u8], folder: &Path) -> Option<String> {
    let file_system = file_system(mounts, folder)?;
    is_shared(&file_system).then(|| {
        format!(
            "{} is on {file_system}, which does not tell of changes made elsewhere",
            folder.display()
        )
    })
}

/// The type of the file system that `folder` lies on, from a table in the form of
/// `/proc/self/mountinfo`.
fn file_system(mounts: &[u8], folder: &Path) -> Option<String> {
    let mounts = String::from_utf8_lossy(mounts);
    let folder = folder.to_string_lossy();
    let mut nearest: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        // 36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw
        let Some((mount, source)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(point), Some(kind)) = (mount.split(' ').nth(4), source.split(' ').next()) else {
            continue;
        };
        let point = PathBuf::from(unescape(point));
        let depth = point.components().count();
        // Of two on one point, the later one covers the earlier.
        if Path::new(folder.as_ref()).starts_with(&point)
            && nearest.is_none_or(|(deepest, _)| depth >= deepest)
        {
            nearest = Some((depth, kind));
        }
    }
    nearest.map(|(_, kind)| kind.to_owned())
}

/// Undoes the escapes of the mount table: a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a file system of this type may be written to by another machine, or past the kernel.
fn is_shared(kind: &str) -> bool {
    const SHARED: &[&str] = &[
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "drvfs",
        "fuse",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "prl_fs",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
    ];
    // Not `fuseblk`, a disk in this machine whose driver happens to be a program.
    SHARED.contains(&kind) || kind.starts_with("fuse.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /home/ann/net rw,relatime shared:2 master:1 - nfs4 server:/export rw
31 22 0:41 / /mnt/with\\040space rw - fuse.sshfs ann@server: rw
32 22 0:42 / /covered rw - 9p share rw
33 32 0:43 / /covered rw - tmpfs tmpfs rw
34 22 8:1 / /mnt/stick rw - fuseblk /dev/sda1 rw
a line of another kind
35 22 0:44 / - nothing";

    fn kind(folder: &str) -> Option<String> {
        file_system(MOUNTS.as_bytes(), Path::new(folder))
    }

    #[test]
    fn the_nearest_mount_point_above_a_folder_says_its_file_system() {
        assert_eq!(kind("/home/ann").as_deref(), Some("ext4"));
        assert_eq!(kind("/home/ann/net").as_deref(), Some("nfs4"));
        assert_eq!(kind("/home/ann/net/deep/er").as_deref(), Some("nfs4"));
        assert_eq!(kind("/home/ann/network").as_deref(), Some("ext4"));
        assert_eq!(kind("/mnt/with space/x").as_deref(), Some("fuse.sshfs"));
    }

    #[test]
    fn a_mount_over_another_hides_it() {
        assert_eq!(kind("/covered/x").as_deref(), Some("tmpfs"));
    }

    #[test]
    fn without_a_mount_table_nothing_is_known() {
        assert_eq!(file_system(b"", Path::new("/home")), None);
        assert_eq!(patchy(b"\xff\n - \n", Path::new("/home")), None);
    }

    #[test]
    fn only_file_systems_that_others_write_to_are_patchy() {
        let reason = |folder| patchy(MOUNTS.as_bytes(), Path::new(folder));
        assert_eq!(
            reason("/home/ann/net").unwrap(),
            "/home/ann/net is on nfs4, which does not tell of changes made elsewhere"
        );
        assert!(reason("/mnt/with space").is_some());
        assert_eq!(reason("/mnt/stick"), None);
        assert_eq!(reason("/home/ann"), None);
    }

    #[test]
    fn escapes_that_are_none_stay_as_they_are() {
        assert_eq!(unescape(r"a\040b\134c"), r"a b\c");
        assert_eq!(unescape(r"a\04"), r"a\04");
        assert_eq!(unescape(r"a\9zzé"), r"a\9zzé");
    }

    #[test]
    fn the_reasons_for_polling_say_how_to_mend_them() {
        let limit = notify::Error::new(notify::ErrorKind::MaxFilesWatch);
        assert!(explain(&limit).contains("fs.inotify.max_user_watches"));
        let instances = notify::Error::io(io::Error::from_raw_os_error(24));
        assert!(explain(&instances).contains("fs.inotify.max_user_instances"));
    }

    #[test]
    fn reading_a_file_is_no_hint_but_closing_a_written_one_is() {
        use notify::event::{AccessKind, AccessMode, Event};
        let event = |kind| Ok(Event::new(EventKind::Access(kind)));
        assert!(!is_hint(&event(AccessKind::Open(AccessMode::Any))));
        assert!(!is_hint(&event(AccessKind::Close(AccessMode::Read))));
        assert!(is_hint(&event(AccessKind::Close(AccessMode::Write))));
        assert!(is_hint(&Ok(Event::new(EventKind::Any))));
        assert!(is_hint(&Err(notify::Error::generic("lost"))));
    }

    #[cfg(unix)]
    #[test]
    fn the_places_of_a_link_are_those_of_all_it_leads_through() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let place = |folder: PathBuf, name: &str| Place {
            folder,
            name: name.into(),
        };
        symlink("second", path("first")).unwrap();
        symlink(path("deep/third"), path("second")).unwrap();
        assert_eq!(
            places(&path("first")),
            [
                place(folder.path().to_owned(), "first"),
                place(folder.path().to_owned(), "second"),
                place(path("deep"), "third"),
            ]
        );
        assert_eq!(places(Path::new("/")), []);
        symlink("circle", path("circle")).unwrap();
        assert!(places(&path("circle")).len() <= 40);
    }
}
