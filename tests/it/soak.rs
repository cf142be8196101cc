//! A screen that is used for long: 10,000 saves in all styles of editors, with random keys and resizes.
//! Afterwards nothing has panicked, memory has not grown, an idle program takes no CPU time, and the
//! picture is that of a program that was just started.
//!
//! `cargo test --test it soak -- --ignored`; the variable `SOAK_SAVES` changes the number of saves.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::screen::{SIZE, Session};

/// Saves after which the memory is taken as that of the start: caches have filled by then.
const WARM: usize = 500;

/// Keys that move, choose panels, search and leave again. None that edits, opens another program, changes
/// the threshold or quits, so that the picture at the end depends on the documents alone.
const KEYS: [&str; 30] = [
    "h", "j", "k", "l", "\x04", "\x15", "g", "gg", "G", "n", "N", "]d", "[d", "\t", "1\r", "2\r",
    "3\r", "4\r", "gt", "gT", "{", "}", "20j", "?", "/ll\r", "\x1b", "\x1b[A", "\x1b[B", "\x1b[5~",
    "\x1b[6~",
];

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // Xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 16] = [
            "the",
            "boats",
            "wait",
            "in",
            "harbour",
            "and",
            "a",
            "bridge",
            "opens",
            "every",
            "banana",
            "committee",
            "went",
            "naïve",
            "四五",
            "don't",
        ];
        let mut text = String::from("# Minutes\n\n");
        for _ in 0..2 + self.below(40) {
            for _ in 0..1 + self.below(14) {
                text += WORDS[self.below(WORDS.len())];
                text.push(' ');
            }
            text += [".\n\n", ".\n", ". `code`\n\n"][self.below(3)];
        }
        text
    }
}

/// Saves a text as one of eight editors does.
fn save(path: &Path, text: &str, style: usize) {
    let beside = |end: &str| path.with_extension(end);
    match style {
        // Truncated, then written.
        0 => fs::write(path, text).unwrap(),
        // In place, shortened afterwards.
        1 => {
            let mut file = fs::File::options().write(true).open(path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.set_len(text.len() as u64).unwrap();
        }
        // Another file renamed over it.
        2 => {
            fs::write(beside("tmp"), text).unwrap();
            fs::rename(beside("tmp"), path).unwrap();
        }
        // The old one renamed away, a new one made, the old one removed.
        3 => {
            fs::rename(path, beside("md~")).unwrap();
            fs::write(path, text).unwrap();
            fs::remove_file(beside("md~")).unwrap();
        }
        // Deleted and made anew.
        4 => {
            fs::remove_file(path).unwrap();
            fs::write(path, text).unwrap();
        }
        // In two pieces.
        5 => {
            let mut file = fs::File::create(path).unwrap();
            let middle = text.floor_char_boundary(text.len() / 2);
            file.write_all(&text.as_bytes()[..middle]).unwrap();
            file.sync_all().unwrap();
            file.write_all(&text.as_bytes()[middle..]).unwrap();
        }
        // A copy kept beside it.
        6 => {
            fs::copy(path, beside("bak")).unwrap();
            fs::write(path, text).unwrap();
        }
        // Written, and written again the same.
        _ => {
            fs::write(path, text).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

/// The number of a line of `/proc/PID/status`, in kilobytes.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse().unwrap()
}

/// The time that the processor worked for a process, in hundredths of a second.
fn work(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name of the program stands in parentheses and may have blanks.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The work of an idle process in five seconds, in hundredths of a second. What the last changes led to
/// may take a while, so the calmest of three stretches counts.
fn idle(process: u32) -> u64 {
    let spent = [(); 3].map(|()| {
        let before = work(process);
        std::thread::sleep(Duration::from_secs(5));
        work(process) - before
    });
    spent.into_iter().min().unwrap()
}

/// Back to the beginning of the first document, whatever is open.
fn settle(session: &mut Session) {
    for _ in 0..6 {
        session.press("\x1b");
        std::thread::sleep(Duration::from_millis(100));
    }
    session.press("1\r");
    session.wait("the panel of the heat map", |screen| {
        screen.contents().contains("1 Heat")
    });
    let shows_first = |session: &Session| {
        let contents = session.contents();
        let status = contents.lines().last().unwrap_or_default();
        status.trim_start().starts_with("a.md")
    };
    for _ in 0..6 {
        if shows_first(session) {
            break;
        }
        session.press("gT");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(shows_first(session), "{}", session.contents());
    session.press("gg");
    session.wait("nothing left to do", |screen| {
        screen.contents().contains('✓')
    });
    std::thread::sleep(Duration::from_secs(2));
}

/// The picture without the times in it.
fn picture(session: &Session) -> String {
    let times = regex::Regex::new(r" *\d+(\.\d+)? m?s\b").unwrap();
    times.replace_all(&session.contents(), " TIME").into_owned()
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes a quarter of an hour; run it before a release"]
fn soak_ten_thousand_saves_leave_no_trace() {
    let saves: usize = std::env::var("SOAK_SAVES").map_or(10_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let names = ["a.md", "b.md", "c.md"];
    let documents = names.map(|name| folder.path().join(name));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for path in &documents {
        fs::write(path, random.text()).unwrap();
    }
    let log = folder.path().join("log.txt");
    let arguments = [&["--log", log.to_str().unwrap()][..], &names].concat();
    // Whatever keys come to mean in some state: no editor waits for an answer.
    let mut session = Session::start(folder.path(), &arguments, &[("VISUAL", "true")]);
    session.wait("the first scores", |screen| screen.contents().contains('✓'));
    let process = session.process();
    let mut at_start = memory(process);
    for number in 0..saves {
        let (which, style) = (random.below(documents.len()), random.below(8));
        save(&documents[which], &random.text(), style);
        for _ in 0..random.below(5) {
            session.press(KEYS[random.below(KEYS.len())]);
        }
        if random.below(50) == 0 {
            let (columns, rows) = (20 + random.below(180), 5 + random.below(60));
            session.resize(columns as u16, rows as u16);
        }
        std::thread::sleep(Duration::from_millis(random.below(20) as u64));
        if number == WARM.min(saves / 2) {
            at_start = memory(process);
        }
    }
    session.resize(SIZE.cols, SIZE.rows);
    for path in &documents {
        fs::write(path, random.text()).unwrap();
    }
    settle(&mut session);

    let at_end = memory(process);
    assert!(
        at_end <= at_start + at_start / 10,
        "{at_start} KB became {at_end} KB"
    );
    let log = fs::read_to_string(&log).unwrap_or_default();
    assert!(!log.contains("panic"), "{log}");

    let mut fresh = Session::start(folder.path(), &names, &[]);
    fresh.wait("the first scores", |screen| screen.contents().contains('✓'));
    settle(&mut fresh);
    // An unoptimised program that wakes now and then takes a hundredth of a core, old or new.
    let (long, new) = (idle(process), idle(fresh.process()));
    assert!(
        long <= new + 3 && long <= 10,
        "{long} hundredths of a second in 5 s, a new one {new}"
    );
    pretty_compare(&picture(&session), &picture(&fresh));
    for mut session in [session, fresh] {
        session.press("q");
        assert_eq!(session.end(), 0);
    }
}

#[track_caller]
fn pretty_compare(long: &str, fresh: &str) {
    for (row, (a, b)) in long.lines().zip(fresh.lines()).enumerate() {
        assert_eq!(
            a.trim_end(),
            b.trim_end(),
            "row {row} of\n{long}\nwhere a fresh start shows\n{fresh}"
        );
    }
}
