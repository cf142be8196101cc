//! What the thread reports, with real files in temporary folders.
//!
//! Where a test says that the system tells of a change, polling and sweeping are put off for an hour,
//! so that nothing else can have found it. Where it says that nothing more comes, another watched
//! file is changed afterwards, and that change has to be the next event.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use notify::{ErrorKind, EventHandler, EventKind, RecursiveMode, Watcher, WatcherKind};
use tempfile::TempDir;

use super::*;
use electroscope_text::Encoding;

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

/// Only what the system tells is looked into.
const TOLD: Pace = Pace {
    quiet: Duration::from_millis(20),
    limit: Duration::from_millis(300),
    poll: HOUR,
    sweep: HOUR,
    stall: HOUR,
};

/// All is looked at again and again.
const LOOKED_AT: Pace = Pace {
    quiet: Duration::from_millis(5),
    limit: Duration::from_millis(300),
    poll: Duration::from_millis(20),
    sweep: Duration::from_millis(20),
    stall: HOUR,
};

fn real(pace: Pace) -> Host {
    Host {
        mounts: Box::new(Vec::new),
        pace,
        ..Host::real()
    }
}

type OnWatch = dyn FnMut(&Path) -> notify::Result<()>;

/// A watcher that tells nothing by itself.
struct Puppet {
    asked: Sender<String>,
    /// What happens when a folder is to be watched.
    on_watch: Box<OnWatch>,
    alive: Arc<AtomicBool>,
}

impl Watcher for Puppet {
    fn new<F: EventHandler>(_: F, _: notify::Config) -> notify::Result<Puppet> {
        Err(notify::Error::generic("made by hand"))
    }

    fn watch(&mut self, path: &Path, _: RecursiveMode) -> notify::Result<()> {
        let _ = self.asked.send(format!("watch {}", last(path)));
        (self.on_watch)(path)
    }

    fn unwatch(&mut self, path: &Path) -> notify::Result<()> {
        let _ = self.asked.send(format!("unwatch {}", last(path)));
        Ok(())
    }

    fn configure(&mut self, _: notify::Config) -> notify::Result<bool> {
        match self.alive.load(Ordering::Relaxed) {
            true => Ok(false),
            false => Err(notify::Error::generic("disconnected")),
        }
    }

    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        // As the real ones do.
        assert!(self.alive.load(Ordering::Relaxed), "dropped without thread");
    }
}

fn last(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The strings of a puppet watcher.
struct Strings {
    /// What it was asked, as `watch folder`.
    asked: Receiver<String>,
    /// Its hooks, one for each time that it was made.
    hooks: Receiver<Hints>,
}

impl Strings {
    fn asked(&self) -> String {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }
}

/// A host whose watcher tells only what the test makes it tell.
fn puppet(
    pace: Pace,
    on_watch: impl FnMut(&Path) -> notify::Result<()> + Clone + Send + 'static,
) -> (Host, Strings) {
    mortal_puppet(pace, on_watch, Arc::new(AtomicBool::new(true)))
}

/// The same; only the first watcher that is made dies when `alive` says so.
fn mortal_puppet(
    pace: Pace,
    on_watch: impl FnMut(&Path) -> notify::Result<()> + Clone + Send + 'static,
    alive: Arc<AtomicBool>,
) -> (Host, Strings) {
    let (asked_in, asked) = mpsc::channel();
    let (hook, hooks) = mpsc::channel();
    let mut alive = Some(alive);
    let make = move |hints| -> notify::Result<Box<dyn Watcher>> {
        let _ = hook.send(hints);
        Ok(Box::new(Puppet {
            asked: asked_in.clone(),
            on_watch: Box::new(on_watch.clone()),
            alive: alive
                .take()
                .unwrap_or_else(|| Arc::new(AtomicBool::new(true))),
        }))
    };
    let host = Host {
        make: Box::new(make),
        ..real(pace)
    };
    (host, Strings { asked, hooks })
}

/// A host whose watcher cannot be made as long as `fails` says so.
fn without_watcher(pace: Pace, fails: Arc<AtomicBool>) -> Host {
    Host {
        make: Box::new(move |hints| match fails.load(Ordering::Relaxed) {
            true => Err(notify::Error::generic("as asked")),
            false => (Host::real().make)(hints),
        }),
        ..real(pace)
    }
}

fn no_watcher(pace: Pace) -> Host {
    without_watcher(pace, Arc::new(AtomicBool::new(true)))
}

struct Bench {
    files: Files,
    events: Receiver<FileEvent>,
    folder: TempDir,
    sentinels: Cell<u32>,
}

impl Bench {
    fn on(host: Host) -> Bench {
        let (emit, events) = mpsc::channel();
        let files = Files::spawn_on(host, move |event| drop(emit.send(event))).unwrap();
        Bench {
            files,
            events,
            folder: tempfile::tempdir().unwrap(),
            sentinels: Cell::new(0),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn watch(&self, path: &Path, known: Option<&str>) {
        self.files
            .watch(path.to_owned(), Language::Plain, known.map(Arc::from));
    }

    /// Writes a file and watches it as one that was not read before; gives how it is watched. The
    /// first look at it is over then, so that it cannot see what the test does next.
    #[track_caller]
    fn open(&self, name: &str, text: &str) -> (PathBuf, Watching) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.watch(&path, None);
        let watching = match self.next() {
            FileEvent::Watching(of, watching) if of == path => watching,
            event => panic!("{event:?}"),
        };
        self.expect_text(&path, text);
        (path, watching)
    }

    #[track_caller]
    fn open_native(&self, name: &str, text: &str) -> PathBuf {
        let (path, watching) = self.open(name, text);
        assert_eq!(watching, Watching::Native);
        path
    }

    #[track_caller]
    fn open_polled(&self, name: &str, text: &str) -> (PathBuf, String) {
        match self.open(name, text) {
            (path, Watching::Polling(reason)) => (path, reason),
            (_, Watching::Native) => panic!("not polled"),
        }
    }

    fn next(&self) -> FileEvent {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    #[track_caller]
    fn expect(&self, event: FileEvent) {
        assert_eq!(self.next(), event);
    }

    #[track_caller]
    fn expect_native(&self, path: &Path) {
        self.expect(FileEvent::Watching(path.to_owned(), Watching::Native));
    }

    #[track_caller]
    fn expect_polling(&self, path: &Path) -> String {
        match self.next() {
            FileEvent::Watching(of, Watching::Polling(reason)) if of == path => reason,
            event => panic!("{event:?}"),
        }
    }

    #[track_caller]
    fn expect_text(&self, path: &Path, text: &str) {
        self.expect(FileEvent::Changed(Document::new(
            path,
            text,
            Language::Plain,
        )));
    }

    #[track_caller]
    fn expect_vanished(&self, path: &Path) {
        self.expect(FileEvent::Vanished(path.to_owned()));
    }

    #[track_caller]
    fn expect_unreadable(&self, path: &Path) -> String {
        match self.next() {
            FileEvent::Unreadable(of, reason) if of == path => reason,
            event => panic!("{event:?}"),
        }
    }

    /// Everything that was to be said of earlier changes has been said.
    #[track_caller]
    fn expect_nothing_more(&self) {
        // The last in the order of names, for files that are found to differ in one glance.
        let path = self.path("~sentinel/~sentinel");
        let count = self.sentinels.get();
        if count == 0 {
            self.open("~sentinel/~sentinel", "0");
        }
        self.sentinels.set(count + 1);
        let text = (count + 1).to_string();
        fs::write(&path, &text).unwrap();
        self.expect_text(&path, &text);
    }
}

fn overwrite(path: &Path, text: &str) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn rename_over(path: &Path, text: &str) {
    let temporary = path.with_extension("tmp~");
    fs::write(&temporary, text).unwrap();
    fs::rename(temporary, path).unwrap();
}

fn delete_and_create(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
}

fn rescan() -> notify::Result<notify::Event> {
    Ok(notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan))
}

// What is reported.

#[test]
fn every_way_to_save_is_one_change() {
    let ways: [fn(&Path, &str); 4] = [
        overwrite,
        |path, text| fs::write(path, text).unwrap(),
        rename_over,
        delete_and_create,
    ];
    let bench = Bench::on(real(Pace {
        limit: PATIENCE,
        ..TOLD
    }));
    let path = bench.open_native("a.txt", "0");
    for (count, save) in ways.iter().cycle().take(12).enumerate() {
        let text = format!("text {count:2}");
        save(&path, &text);
        bench.expect_text(&path, &text);
    }
    bench.expect_nothing_more();
}

#[test]
fn a_file_that_was_not_read_before_is_reported_whatever_it_holds() {
    let bench = Bench::on(real(TOLD));
    for text in ["", "text"] {
        let path = bench.path("a.md");
        fs::write(&path, text).unwrap();
        bench.files.watch(path.clone(), Language::Markdown, None);
        bench.expect_native(&path);
        bench.expect(FileEvent::Changed(Document::new(
            path,
            text,
            Language::Markdown,
        )));
    }
}

#[test]
fn a_file_that_was_read_before_is_reported_only_if_it_differs() {
    let bench = Bench::on(real(TOLD));
    let path = bench.path("a.txt");
    fs::write(&path, "text").unwrap();
    bench.watch(&path, Some("text"));
    bench.expect_native(&path);
    bench.expect_nothing_more();
    bench.watch(&path, Some("an older text"));
    bench.expect_native(&path);
    bench.expect_text(&path, "text");
}

#[test]
fn writing_the_same_text_is_no_change() {
    let bench = Bench::on(real(TOLD));
    let path = bench.open_native("a.txt", "text");
    for save in [overwrite, rename_over, delete_and_create] {
        save(&path, "text");
        bench.expect_nothing_more();
    }
}

#[test]
fn a_change_between_the_reading_and_the_watch_is_not_lost() {
    let (host, strings) = puppet(TOLD, |folder| {
        fs::write(folder.join("a.txt"), "newer").unwrap();
        Ok(())
    });
    let bench = Bench::on(host);
    let path = bench.path("a.txt");
    fs::write(&path, "older").unwrap();
    bench.watch(&path, Some("older"));
    bench.expect_native(&path);
    bench.expect_text(&path, "newer");
    assert!(strings.asked().starts_with("watch"));
}

#[test]
fn a_burst_of_writes_is_one_report_or_two() {
    let bench = Bench::on(real(Pace {
        quiet: Duration::from_millis(300),
        limit: PATIENCE / 4,
        ..TOLD
    }));
    let path = bench.open_native("a.txt", "text");
    for count in 1..=100 {
        fs::write(&path, count.to_string()).unwrap();
    }
    let mut reports = 0;
    loop {
        reports += 1;
        match bench.next() {
            FileEvent::Changed(document) if &*document.text == "100" => break,
            event => assert!(matches!(event, FileEvent::Changed(_)), "{event:?}"),
        }
    }
    assert!(reports <= 2, "{reports} reports");
    bench.expect_nothing_more();
}

#[test]
fn a_stream_of_writes_is_reported_though_it_is_never_quiet() {
    let bench = Bench::on(real(Pace {
        quiet: HOUR,
        ..TOLD
    }));
    let path = bench.open_native("a.txt", "text");
    for text in ["one", "two"] {
        fs::write(&path, text).unwrap();
        bench.expect_text(&path, text);
    }
}

#[test]
fn half_a_save_is_not_shown() {
    let bench = Bench::on(real(Pace {
        limit: PATIENCE,
        ..TOLD
    }));
    let path = bench.open_native("a.txt", "text");
    // The other file's event shows that this one was looked at in the meantime.
    File::create(&path).unwrap();
    bench.expect_nothing_more();
    fs::write(&path, "truncated and written").unwrap();
    bench.expect_text(&path, "truncated and written");

    fs::remove_file(&path).unwrap();
    bench.expect_nothing_more();
    fs::write(&path, "deleted and created").unwrap();
    bench.expect_text(&path, "deleted and created");

    fs::write(&path, b"cut within \xc3").unwrap();
    bench.expect_nothing_more();
    fs::write(&path, "cut within é").unwrap();
    bench.expect_text(&path, "cut within é");

    let new = bench.path("new.txt");
    bench.watch(&new, None);
    bench.expect_native(&new);
    bench.expect_vanished(&new);
    File::create(&new).unwrap();
    bench.expect_nothing_more();
    fs::write(&new, "created and written").unwrap();
    bench.expect_text(&new, "created and written");
}

/// A host under which a file grows while it is read, as often as `growth` is positive.
fn growing(pace: Pace, growth: Arc<AtomicI64>) -> Host {
    Host {
        load: Box::new(move |path, len, go_on| {
            let bytes = reading::load(path, len, go_on);
            if growth.fetch_sub(1, Ordering::Relaxed) > 0 {
                let mut file = OpenOptions::new().append(true).open(path).unwrap();
                file.write_all(b", and more").unwrap();
            }
            bytes
        }),
        ..real(pace)
    }
}

#[test]
fn a_text_that_changed_while_it_was_read_is_read_again_before_it_is_shown() {
    let growth = Arc::new(AtomicI64::new(0));
    let bench = Bench::on(growing(
        Pace {
            limit: PATIENCE,
            ..TOLD
        },
        Arc::clone(&growth),
    ));
    let path = bench.open_native("a.txt", "text");
    growth.store(2, Ordering::Relaxed);
    fs::write(&path, "changed").unwrap();
    bench.expect_text(&path, "changed, and more, and more");
    bench.expect_nothing_more();
}

#[test]
fn a_text_that_changes_whenever_it_is_read_is_shown_all_the_same() {
    let growth = Arc::new(AtomicI64::new(0));
    let bench = Bench::on(growing(TOLD, Arc::clone(&growth)));
    let path = bench.open_native("a.txt", "text");
    growth.store(i64::MAX, Ordering::Relaxed);
    fs::write(&path, "changed").unwrap();
    for _ in 0..2 {
        match bench.next() {
            FileEvent::Changed(document) => assert!(document.text.starts_with("changed, and more")),
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn a_file_that_stays_empty_is_reported_as_empty() {
    let bench = Bench::on(real(TOLD));
    let path = bench.open_native("a.txt", "text");
    File::create(&path).unwrap();
    bench.expect_text(&path, "");
}

#[test]
fn a_file_that_goes_vanishes_once_and_its_return_is_a_change_though_its_text_is_the_same() {
    let (host, strings) = puppet(TOLD, |_| Ok(()));
    let bench = Bench::on(host);
    let path = bench.open_native("a.txt", "text");
    let hints = strings.hooks.recv_timeout(PATIENCE).unwrap();
    fs::remove_file(&path).unwrap();
    hints.send(rescan());
    bench.expect_vanished(&path);
    let other = bench.open_native("b.txt", "0");
    for text in ["1", "2"] {
        fs::write(&other, text).unwrap();
        hints.send(rescan());
        bench.expect_text(&other, text);
    }
    fs::write(&path, "text").unwrap();
    hints.send(rescan());
    bench.expect_text(&path, "text");
}

#[test]
fn a_file_that_is_not_there_yet_is_awaited() {
    let bench = Bench::on(real(TOLD));
    let path = bench.path("a.txt");
    bench.watch(&path, None);
    bench.expect_native(&path);
    bench.expect_vanished(&path);
    fs::write(&path, "text").unwrap();
    bench.expect_text(&path, "text");
}

#[test]
fn what_is_no_text_is_said_once_with_its_reason_and_its_return_is_a_change() {
    let bench = Bench::on(real(TOLD));
    let path = bench.open_native("a.txt", "text");
    let bytes: [(&[u8], &str); 3] = [
        (b"a\0b", "byte 1 is NUL"),
        (b"ab\xff", "byte 2 (0xff) is not UTF-8"),
        (b"\xff\xfea", "byte 2 is not UTF-16"),
    ];
    for (bytes, said) in bytes {
        fs::write(&path, bytes).unwrap();
        let reason = bench.expect_unreadable(&path);
        assert!(reason.starts_with(said), "{reason}");
        rename_over(&path, "text");
        bench.expect_text(&path, "text");
    }
    fs::write(&path, b"\0").unwrap();
    bench.expect_unreadable(&path);
    fs::write(&path, b"\0 and more").unwrap();
    bench.expect_nothing_more();
}

#[test]
fn a_folder_in_place_of_the_file_is_unreadable() {
    let bench = Bench::on(real(TOLD));
    let path = bench.open_native("a.txt", "text");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(bench.expect_unreadable(&path), "it is a folder, not a file");
    fs::remove_dir(&path).unwrap();
    bench.expect_vanished(&path);
    fs::write(&path, "text").unwrap();
    bench.expect_text(&path, "text");
}

#[test]
fn a_file_is_decoded_and_its_text_is_compared_not_its_bytes() {
    let bench = Bench::on(real(TOLD));
    let path = bench.open_native("a.txt", "a");
    fs::write(&path, b"\xff\xfea\0").unwrap();
    bench.expect_nothing_more();
    fs::write(&path, b"\xfe\xff\0b").unwrap();
    let mut document = Document::new(path, "b", Language::Plain);
    document.encoding = Encoding::Utf16Be;
    bench.expect(FileEvent::Changed(document));
}

#[test]
fn a_forgotten_file_is_not_reported_and_its_neighbour_still_is() {
    let bench = Bench::on(real(TOLD));
    let path = bench.open_native("a.txt", "a");
    let neighbour = bench.open_native("b.txt", "b");
    bench.files.forget(&path);
    fs::write(&path, "changed").unwrap();
    fs::write(&neighbour, "changed too").unwrap();
    bench.expect_text(&neighbour, "changed too");
    bench.files.forget(&path);
    bench.expect_nothing_more();
}

// Paths.

#[cfg(unix)]
#[test]
fn a_relative_path_is_watched_and_reported_as_it_was_given() {
    let bench = Bench::on(real(TOLD));
    let absolute = bench.path("a.txt");
    let mut path = PathBuf::new();
    for _ in std::env::current_dir().unwrap().components().skip(1) {
        path.push("..");
    }
    path.push(absolute.strip_prefix("/").unwrap());
    fs::write(&absolute, "text").unwrap();
    bench.watch(&path, Some("text"));
    bench.expect_native(&path);
    rename_over(&absolute, "changed");
    bench.expect_text(&path, "changed");
    fs::remove_file(&absolute).unwrap();
    bench.expect_vanished(&path);
}

#[test]
fn a_file_that_is_open_by_two_spellings_is_reported_by_each() {
    let bench = Bench::on(real(TOLD));
    let first = bench.open_native("a.txt", "text");
    fs::create_dir(bench.path("b")).unwrap();
    let second = bench.open_native("b/../a.txt", "text");
    fs::write(&first, "changed").unwrap();
    bench.expect_text(&first, "changed");
    bench.expect_text(&second, "changed");
}

#[test]
fn a_path_that_names_no_file_is_said_to_be_gone_or_a_folder() {
    let bench = Bench::on(real(TOLD));
    let empty = PathBuf::new();
    bench.watch(&empty, None);
    bench.expect_polling(&empty);
    bench.expect_vanished(&empty);
    let above = bench.path("..");
    bench.watch(&above, None);
    bench.expect_polling(&above);
    bench.expect_unreadable(&above);
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_and_both_its_ends_are_watched() {
    use std::os::unix::fs::symlink;
    let bench = Bench::on(real(TOLD));
    for name in ["links", "first", "second"] {
        fs::create_dir(bench.path(name)).unwrap();
    }
    let (link, first, second) = (
        bench.path("links/a.txt"),
        bench.path("first/target"),
        bench.path("second/target"),
    );
    fs::write(&first, "first").unwrap();
    fs::write(&second, "second").unwrap();
    symlink("../first/target", &link).unwrap();
    bench.watch(&link, Some("first"));
    bench.expect_native(&link);

    rename_over(&first, "first, changed");
    bench.expect_text(&link, "first, changed");

    let other = bench.path("links/other");
    symlink(&second, &other).unwrap();
    fs::rename(&other, &link).unwrap();
    bench.expect_text(&link, "second");

    fs::write(&second, "second, changed").unwrap();
    bench.expect_text(&link, "second, changed");
    fs::write(&first, "no longer of interest").unwrap();
    bench.expect_nothing_more();

    fs::remove_file(&second).unwrap();
    bench.expect_vanished(&link);
    fs::write(&second, "again").unwrap();
    bench.expect_text(&link, "again");
}

#[cfg(unix)]
#[test]
fn a_link_into_a_folder_that_is_not_there_is_polled_until_it_is() {
    use std::os::unix::fs::symlink;
    let bench = Bench::on(real(Pace {
        poll: LOOKED_AT.poll,
        ..TOLD
    }));
    let link = bench.path("link");
    symlink("folder/target", &link).unwrap();
    bench.watch(&link, None);
    let reason = bench.expect_polling(&link);
    assert!(reason.ends_with("folder is not there"), "{reason}");
    bench.expect_vanished(&link);
    fs::create_dir(bench.path("folder")).unwrap();
    bench.expect_native(&link);
    fs::write(bench.path("folder/target"), "text").unwrap();
    bench.expect_text(&link, "text");
}

// Folders.

#[test]
fn a_folder_that_goes_is_polled_for_and_watched_again_when_it_is_back() {
    let bench = Bench::on(real(Pace {
        poll: LOOKED_AT.poll,
        ..TOLD
    }));
    let path = bench.open_native("folder/a.txt", "text");
    let folder = bench.path("folder");
    let away = bench.path("away");
    for round in 0..3 {
        match round % 2 {
            0 => fs::remove_dir_all(&folder).unwrap(),
            _ => fs::rename(&folder, &away).unwrap(),
        }
        let reason = bench.expect_polling(&path);
        assert!(reason.ends_with("folder is not there"), "{reason}");
        bench.expect_vanished(&path);
        match round % 2 {
            0 => fs::create_dir(&folder).unwrap(),
            _ => fs::rename(&away, &folder).unwrap(),
        }
        bench.expect_native(&path);
        if round % 2 == 0 {
            fs::write(&path, "text").unwrap();
        }
        bench.expect_text(&path, "text");
        fs::write(&path, "changed").unwrap();
        bench.expect_text(&path, "changed");
        fs::write(&path, "text").unwrap();
        bench.expect_text(&path, "text");
    }
}

#[test]
fn a_folder_that_is_made_again_at_once_is_still_watched() {
    let bench = Bench::on(real(Pace {
        poll: LOOKED_AT.poll,
        ..TOLD
    }));
    let path = bench.open_native("folder/a.txt", "text");
    let folder = bench.path("folder");
    let watching = Cell::new(true);
    let await_text = |text: &str| loop {
        match bench.next() {
            FileEvent::Changed(document) if &*document.text == text => break,
            FileEvent::Watching(_, now) => watching.set(now == Watching::Native),
            _ => {}
        }
    };
    for round in 0..20 {
        let text = format!("round {round}");
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(&path, &text).unwrap();
        await_text(&text);
    }
    if !watching.get() {
        bench.expect_native(&path);
    }
    fs::write(&path, "end").unwrap();
    bench.expect_text(&path, "end");
}

#[test]
fn a_folder_that_goes_and_comes_within_a_watched_folder_is_still_watched() {
    let bench = Bench::on(real(Pace {
        poll: LOOKED_AT.poll,
        ..TOLD
    }));
    let upper = bench.open_native("folder/a.txt", "upper");
    let lower = bench.open_native("folder/below/b.txt", "lower");
    let (below, away) = (bench.path("folder/below"), bench.path("folder/away"));
    fs::rename(&below, &away).unwrap();
    bench.expect_polling(&lower);
    bench.expect_vanished(&lower);
    fs::rename(&away, &below).unwrap();
    bench.expect_native(&lower);
    bench.expect_text(&lower, "lower");
    fs::write(&lower, "lower, changed").unwrap();
    bench.expect_text(&lower, "lower, changed");
    fs::write(&upper, "upper, changed").unwrap();
    bench.expect_text(&upper, "upper, changed");
}

#[test]
fn a_folder_that_is_watched_by_its_old_name_and_its_new_one_is_watched_by_the_new_one() {
    let bench = Bench::on(real(Pace {
        poll: LOOKED_AT.poll,
        ..TOLD
    }));
    let before = bench.open_native("before/a.txt", "text");
    let after = bench.path("after/a.txt");
    fs::rename(bench.path("before"), bench.path("after")).unwrap();
    bench.watch(&after, Some("text"));
    let mut gone = 0;
    while gone < 2 {
        match bench.next() {
            FileEvent::Watching(of, Watching::Native) => assert_eq!(of, after),
            FileEvent::Watching(of, Watching::Polling(_)) | FileEvent::Vanished(of) => {
                assert_eq!(of, before);
                gone += 1;
            }
            event => panic!("{event:?}"),
        }
    }
    fs::write(&after, "changed").unwrap();
    bench.expect_text(&after, "changed");
    fs::create_dir(bench.path("before")).unwrap();
    bench.expect_native(&before);
    fs::write(&before, "another file").unwrap();
    bench.expect_text(&before, "another file");
    fs::write(&after, "changed again").unwrap();
    bench.expect_text(&after, "changed again");
}

#[test]
fn a_folder_far_above_that_is_renamed_is_noticed_though_nobody_tells() {
    let bench = Bench::on(real(LOOKED_AT));
    let path = bench.open_native("above/folder/a.txt", "text");
    let (above, away) = (bench.path("above"), bench.path("away"));
    fs::rename(&above, &away).unwrap();
    bench.expect_polling(&path);
    bench.expect_vanished(&path);
    fs::rename(&away, &above).unwrap();
    bench.expect_native(&path);
    bench.expect_text(&path, "text");
}

#[test]
fn files_in_one_folder_share_a_watch_that_the_last_one_takes_along() {
    let (host, strings) = puppet(TOLD, |_| Ok(()));
    let bench = Bench::on(host);
    let first = bench.open_native("shared/a.txt", "a");
    let second = bench.open_native("shared/b.txt", "b");
    bench.open_native("first/c.txt", "c");
    bench.files.forget(&first);
    bench.open_native("second/d.txt", "d");
    bench.files.forget(&second);
    bench.open_native("shared/e.txt", "e");
    let asked: Vec<String> = (0..5).map(|_| strings.asked()).collect();
    assert_eq!(
        asked,
        [
            "watch shared",
            "watch first",
            "watch second",
            "unwatch shared",
            "watch shared"
        ]
    );
}

#[test]
fn a_folder_that_may_have_been_replaced_is_asked_for_anew_once() {
    let (host, strings) = puppet(TOLD, |_| Ok(()));
    let bench = Bench::on(host);
    let path = bench.open_native("folder/a.txt", "text");
    let hints = strings.hooks.recv_timeout(PATIENCE).unwrap();
    let folder = fs::canonicalize(bench.path("folder")).unwrap();
    fs::write(&path, "changed").unwrap();
    hints.send(Ok(notify::Event::new(EventKind::Any).add_path(folder)));
    bench.expect_text(&path, "changed");
    fs::write(&path, "changed again").unwrap();
    hints.send(rescan());
    bench.expect_text(&path, "changed again");
    bench.open_native("other/b.txt", "text");
    let asked: Vec<String> = (0..4).map(|_| strings.asked()).collect();
    assert_eq!(
        asked,
        [
            "watch folder",
            "unwatch folder",
            "watch folder",
            "watch other"
        ]
    );
}

#[test]
fn all_folders_below_one_that_moved_are_asked_for_anew() {
    let (host, strings) = puppet(TOLD, |_| Ok(()));
    let bench = Bench::on(host);
    let path = bench.open_native("above/folder/a.txt", "text");
    let hints = strings.hooks.recv_timeout(PATIENCE).unwrap();
    let above = fs::canonicalize(bench.path("above")).unwrap();
    fs::write(&path, "changed").unwrap();
    hints.send(Ok(notify::Event::new(EventKind::Any).add_path(above)));
    bench.expect_text(&path, "changed");
    let asked: Vec<String> = (0..3).map(|_| strings.asked()).collect();
    assert_eq!(asked, ["watch folder", "unwatch folder", "watch folder"]);
}

#[cfg(unix)]
#[test]
fn a_folder_of_two_names_is_asked_for_by_one_of_them_and_tells_for_both() {
    let (host, strings) = puppet(TOLD, |_| Ok(()));
    let bench = Bench::on(host);
    bench.open_native("first/a.txt", "text");
    let hints = strings.hooks.recv_timeout(PATIENCE).unwrap();
    let told = fs::canonicalize(bench.path("first")).unwrap().join("a.txt");
    // As a second mount of the folder would look, as long as nobody asks for the first.
    fs::rename(bench.path("first"), bench.path("second")).unwrap();
    let path = bench.open_native("second/a.txt", "text");
    fs::write(&path, "changed").unwrap();
    hints.send(Ok(notify::Event::new(EventKind::Modify(
        notify::event::ModifyKind::Data(notify::event::DataChange::Any),
    ))
    .add_path(told)));
    while !matches!(bench.next(), FileEvent::Changed(document) if document.path == path) {}
    bench.open_native("third/a.txt", "text");
    assert_eq!(strings.asked(), "watch first");
    assert_eq!(strings.asked(), "watch third");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_elsewhere_takes_the_watch_along() {
    use std::os::unix::fs::symlink;
    let (host, strings) = puppet(TOLD, |_| Ok(()));
    let bench = Bench::on(host);
    for name in ["first", "second", "links"] {
        fs::create_dir(bench.path(name)).unwrap();
        fs::write(bench.path(name).join("target"), name).unwrap();
    }
    let link = bench.path("links/link");
    symlink("../first/target", &link).unwrap();
    bench.watch(&link, None);
    bench.expect_native(&link);
    bench.expect_text(&link, "first");
    fs::remove_file(&link).unwrap();
    symlink("../second/target", &link).unwrap();
    strings.hooks.recv_timeout(PATIENCE).unwrap().send(rescan());
    bench.expect_text(&link, "second");
    let asked: Vec<String> = (0..4).map(|_| strings.asked()).collect();
    assert_eq!(
        asked,
        [
            "watch links",
            "watch first",
            "watch second",
            "unwatch first"
        ]
    );
}

// Hints that do not come.

#[test]
fn a_folder_that_goes_after_its_file_is_noticed_though_nobody_tells() {
    let (host, strings) = puppet(LOOKED_AT, |_| Ok(()));
    let bench = Bench::on(host);
    let path = bench.open_native("folder/a.txt", "text");
    fs::remove_file(&path).unwrap();
    bench.expect_vanished(&path);
    let asked: Vec<String> = (0..3).map(|_| strings.asked()).collect();
    assert_eq!(asked, ["watch folder", "unwatch folder", "watch folder"]);
    fs::remove_dir(bench.path("folder")).unwrap();
    bench.expect_polling(&path);
    fs::create_dir(bench.path("folder")).unwrap();
    bench.expect_native(&path);
}

#[test]
fn without_a_watcher_files_are_polled_and_the_reason_is_said() {
    let bench = Bench::on(no_watcher(LOOKED_AT));
    let (path, reason) = bench.open_polled("a.txt", "text");
    assert_eq!(reason, "the system cannot tell of changes: as asked");
    for save in [overwrite, rename_over, delete_and_create] {
        // The length is the same each time, and the time of the change may be.
        for text in ["one!", "two!"] {
            save(&path, text);
            bench.expect_text(&path, text);
        }
    }
    overwrite(&path, "two!");
    bench.expect_nothing_more();
    fs::remove_file(&path).unwrap();
    bench.expect_vanished(&path);
    bench.expect_nothing_more();
    fs::write(&path, "two!").unwrap();
    bench.expect_text(&path, "two!");
}

#[test]
fn a_folder_that_goes_is_noticed_by_polling_too() {
    let bench = Bench::on(no_watcher(LOOKED_AT));
    let (path, _) = bench.open_polled("folder/a.txt", "text");
    fs::remove_dir_all(bench.path("folder")).unwrap();
    let reason = bench.expect_polling(&path);
    assert!(reason.ends_with("folder is not there"), "{reason}");
    bench.expect_vanished(&path);
    fs::create_dir(bench.path("folder")).unwrap();
    bench.expect_polling(&path);
    fs::write(&path, "text").unwrap();
    bench.expect_text(&path, "text");
}

#[test]
fn a_watcher_that_can_be_had_after_all_takes_over() {
    let fails = Arc::new(AtomicBool::new(true));
    let bench = Bench::on(without_watcher(
        Pace {
            sweep: HOUR,
            ..LOOKED_AT
        },
        Arc::clone(&fails),
    ));
    let (path, _) = bench.open_polled("a.txt", "text");
    fails.store(false, Ordering::Relaxed);
    bench.expect_native(&path);
    fs::write(&path, "changed").unwrap();
    bench.expect_text(&path, "changed");
}

#[test]
fn files_over_the_limit_of_watches_are_polled_until_it_is_raised() {
    let full = Arc::new(AtomicBool::new(true));
    let (host, _strings) = puppet(LOOKED_AT, {
        let full = Arc::clone(&full);
        move |_| match full.load(Ordering::Relaxed) {
            true => Err(notify::Error::new(ErrorKind::MaxFilesWatch)),
            false => Ok(()),
        }
    });
    let bench = Bench::on(host);
    let (path, reason) = bench.open_polled("a.txt", "text");
    assert!(
        reason.contains("raise fs.inotify.max_user_watches"),
        "{reason}"
    );
    fs::write(&path, "changed").unwrap();
    bench.expect_text(&path, "changed");
    full.store(false, Ordering::Relaxed);
    bench.expect_native(&path);
}

#[test]
fn a_network_file_system_is_polled_as_well_as_watched() {
    let shared = |pace, on_watch: fn(&Path) -> notify::Result<()>| {
        let (host, strings) = puppet(pace, on_watch);
        let mounts = b"30 22 0:40 / / rw - nfs4 server:/export rw\n".to_vec();
        let host = Host {
            mounts: Box::new(move || mounts.clone()),
            ..host
        };
        (Bench::on(host), strings)
    };
    let (bench, _strings) = shared(LOOKED_AT, |_| Ok(()));
    let (path, reason) = bench.open_polled("a.txt", "text");
    assert!(
        reason.ends_with("is on nfs4, which does not tell of changes made elsewhere"),
        "{reason}"
    );
    fs::write(&path, "changed").unwrap();
    bench.expect_text(&path, "changed");

    let (bench, strings) = shared(TOLD, |_| Ok(()));
    let (path, _) = bench.open_polled("a.txt", "text");
    let hints = strings.hooks.recv_timeout(PATIENCE).unwrap();
    fs::write(&path, "changed").unwrap();
    let told = fs::canonicalize(&path).unwrap();
    hints.send(Ok(notify::Event::new(EventKind::Any).add_path(told)));
    bench.expect_text(&path, "changed");
}

#[test]
fn lost_events_and_errors_have_everything_read_again() {
    let (host, strings) = puppet(TOLD, |_| Ok(()));
    let bench = Bench::on(host);
    let paths = [
        bench.open_native("a/a.txt", "text"),
        bench.open_native("b/b.txt", "text"),
    ];
    let hints = strings.hooks.recv_timeout(PATIENCE).unwrap();
    let losses = [
        rescan(),
        Err(notify::Error::generic("stumbled")),
        Ok(notify::Event::new(EventKind::Any)),
    ];
    for (count, loss) in losses.into_iter().enumerate() {
        let text = format!("loss {count}");
        for path in &paths {
            fs::write(path, &text).unwrap();
        }
        hints.send(loss);
        for path in &paths {
            bench.expect_text(path, &text);
        }
    }
}

#[test]
fn a_change_that_nobody_told_of_is_found_and_the_watch_made_anew() {
    let (host, strings) = puppet(LOOKED_AT, |_| Ok(()));
    let bench = Bench::on(host);
    let path = bench.open_native("folder/a.txt", "text");
    assert_eq!(strings.asked(), "watch folder");
    fs::write(&path, "changed").unwrap();
    bench.expect_text(&path, "changed");
    assert_eq!(strings.asked(), "unwatch folder");
    assert_eq!(strings.asked(), "watch folder");
}

#[test]
fn a_watcher_whose_thread_has_ended_is_replaced() {
    let alive = Arc::new(AtomicBool::new(true));
    let (host, strings) = mortal_puppet(LOOKED_AT, |_| Ok(()), Arc::clone(&alive));
    let bench = Bench::on(host);
    let path = bench.open_native("folder/a.txt", "text");
    assert_eq!(strings.asked(), "watch folder");
    strings.hooks.recv_timeout(PATIENCE).unwrap();
    alive.store(false, Ordering::Relaxed);
    strings.hooks.recv_timeout(PATIENCE).unwrap();
    assert_eq!(strings.asked(), "watch folder");
    fs::write(&path, "changed").unwrap();
    let is_change =
        |event| matches!(event, FileEvent::Changed(document) if &*document.text == "changed");
    while !is_change(bench.next()) {}
}

// The thread.

#[test]
fn callers_never_wait_and_all_is_reported_from_one_named_thread() {
    let (nod, nods) = mpsc::channel::<()>();
    let (emit, events) = mpsc::channel();
    let files = Files::spawn_on(real(TOLD), move |event| {
        // Stands still until the test has seen that its calls have returned.
        let _ = nods.recv();
        let name = std::thread::current().name().map(str::to_owned);
        let _ = emit.send((name, event));
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    fs::write(&path, "text").unwrap();
    let (done_in, done) = mpsc::channel();
    let caller = std::thread::spawn(move || {
        for _ in 0..100 {
            files.watch(path.clone(), Language::Plain, None);
        }
        files.forget(&path);
        done_in.send(()).unwrap();
        files
    });
    done.recv_timeout(PATIENCE).unwrap();
    drop(nod);
    let (name, event) = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(name.as_deref(), Some("files"));
    assert!(matches!(event, FileEvent::Watching(..)), "{event:?}");
    drop(caller.join().unwrap());
}

#[test]
fn dropping_the_handle_ends_the_thread_and_waits_for_it() {
    let bench = Bench::on(real(LOOKED_AT));
    bench.open_native("a.txt", "text");
    let Bench { files, events, .. } = bench;
    drop(files);
    // The thread owned the sending end.
    let last = loop {
        if let Err(last) = events.recv_timeout(PATIENCE) {
            break last;
        }
    };
    assert_eq!(last, RecvTimeoutError::Disconnected);
}

/// A host under which the file called `hung` is read only once a nod has come.
fn hanging(pace: Pace, nods: Receiver<()>) -> Host {
    Host {
        load: Box::new(move |path, len, go_on| {
            if path.ends_with("hung") {
                let _ = nods.recv();
            }
            reading::load(path, len, go_on)
        }),
        ..real(pace)
    }
}

#[test]
fn a_file_whose_read_never_returns_is_given_up_and_the_others_are_still_watched() {
    let (nod, nods) = mpsc::channel();
    let pace = Pace {
        stall: Duration::from_millis(100),
        ..TOLD
    };
    let bench = Bench::on(hanging(pace, nods));
    let other = bench.open_native("a.txt", "text");
    let hung = bench.path("hung");
    fs::write(&hung, "late").unwrap();
    bench.watch(&hung, None);
    bench.expect_native(&hung);
    let reason = bench.expect_unreadable(&hung);
    assert!(reason.contains("has not answered"), "{reason}");
    // The thread that took over says how it watches, and does not tell again what is known.
    bench.expect_native(&other);
    fs::write(&other, "changed").unwrap();
    bench.expect_text(&other, "changed");
    // The read returns after all.
    nod.send(()).unwrap();
    bench.expect_text(&hung, "late");
}

#[test]
fn dropping_the_handle_does_not_wait_for_a_read_that_never_returns() {
    let (nod, nods) = mpsc::channel();
    let bench = Bench::on(hanging(TOLD, nods));
    let hung = bench.path("hung");
    fs::write(&hung, "late").unwrap();
    bench.watch(&hung, None);
    bench.expect_native(&hung);
    let Bench { files, .. } = bench;
    // Would never return if it waited.
    drop(files);
    drop(nod);
}

#[test]
fn a_panic_over_one_file_is_told_of_it_and_costs_the_others_nothing() {
    let host = Host {
        load: Box::new(|path, len, go_on| {
            assert!(!path.ends_with("cursed"), "as asked");
            reading::load(path, len, go_on)
        }),
        ..real(TOLD)
    };
    let bench = Bench::on(host);
    let other = bench.open_native("a.txt", "text");
    let cursed = bench.path("cursed");
    fs::write(&cursed, "text").unwrap();
    bench.watch(&cursed, None);
    bench.expect_native(&cursed);
    let reason = bench.expect_unreadable(&cursed);
    assert!(reason.ends_with("as asked"), "{reason}");
    bench.expect_native(&other);
    fs::write(&other, "changed").unwrap();
    bench.expect_text(&other, "changed");
}

#[test]
fn the_real_watcher_and_pace_report_a_change() {
    let (emit, events) = mpsc::channel();
    let files = Files::spawn(move |event| drop(emit.send(event))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    fs::write(&path, "text").unwrap();
    files.watch(path.clone(), Language::Plain, Some("text".into()));
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(event, FileEvent::Watching(..)), "{event:?}");
    fs::write(&path, "changed").unwrap();
    let event = events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        event,
        FileEvent::Changed(Document::new(path, "changed", Language::Plain))
    );
}
