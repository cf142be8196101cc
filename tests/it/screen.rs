//! The real program in a pseudo-terminal: what a reader sees, does, and is left with.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use electroscope::catalog::BuiltinHead;
use electroscope_model::Task;
use portable_pty::{
    Child, CommandBuilder, ExitStatus, MasterPty, PtyPair, PtySize, native_pty_system,
};

/// How long something may take before it is taken for lost. The built-in model loads and answers in
/// seconds even where nothing is optimised.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running program and its screen.
pub(crate) struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
    /// The modes of the terminal before the program was started.
    modes: Option<u64>,
}

/// The modes of a terminal: whether it echoes, hands over whole lines, makes signals of Ctrl-C.
fn modes(master: &dyn MasterPty) -> Option<u64> {
    #[cfg(unix)]
    return Some(u64::from(master.get_termios()?.local_flags.bits()));
    #[cfg(not(unix))]
    None
}

/// A pseudo-terminal of 100 columns, and the variables that the program is run with.
fn prepare(command: &mut CommandBuilder, folder: &Path, variables: &[(&str, &str)]) -> PtyPair {
    command.cwd(folder);
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", folder);
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    command.env("HF_HUB_OFFLINE", "1");
    command.env("ELECTROSCOPE_PRECISION", "f32");
    for (name, value) in variables {
        command.env(name, value);
    }
    native_pty_system().openpty(SIZE).unwrap()
}

pub(crate) const SIZE: PtySize = PtySize {
    rows: 24,
    cols: 100,
    pixel_width: 0,
    pixel_height: 0,
};

/// Sends a signal by its name.
fn kill(child: &dyn Child, signal: &str) {
    let pid = child.process_id().unwrap().to_string();
    let status = std::process::Command::new("kill")
        .args([signal, &pid])
        .status();
    assert!(status.unwrap().success());
}

impl Session {
    /// Starts the program with `arguments` in `folder`, which is its home too.
    pub(crate) fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Session {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_electroscope"));
        command.args(arguments);
        Session::run(command, folder, variables)
    }

    fn run(mut command: CommandBuilder, folder: &Path, variables: &[(&str, &str)]) -> Session {
        let pair = prepare(&mut command, folder, variables);
        let modes = modes(&*pair.master);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
        let screen = Arc::new((Mutex::new(parser), Condvar::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        std::thread::spawn({
            let screen = Arc::clone(&screen);
            move || {
                let mut buffer = [0; 4096];
                while let Ok(len @ 1..) = output.read(&mut buffer) {
                    screen.0.lock().unwrap().process(&buffer[..len]);
                    screen.1.notify_all();
                }
            }
        });
        Session {
            child,
            keyboard: pair.master.take_writer().unwrap(),
            master: pair.master,
            screen,
            modes,
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) {
        let (parser, changed) = &*self.screen;
        let start = Instant::now();
        let mut parser = parser.lock().unwrap();
        while !is_so(parser.screen()) {
            let left = PATIENCE.saturating_sub(start.elapsed());
            assert!(
                !left.is_zero(),
                "{what} was not seen; the screen:\n{}",
                parser.screen().contents()
            );
            parser = changed
                .wait_timeout(parser, left.min(Duration::from_millis(500)))
                .unwrap()
                .0;
        }
    }

    /// The id of the process.
    pub(crate) fn process(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// What is on the screen now.
    pub(crate) fn contents(&self) -> String {
        self.screen.0.lock().unwrap().screen().contents()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    /// Waits until `word` is on the screen, underlined and tinted, and the work is done.
    #[track_caller]
    fn wait_for_flagged(&self, word: &str) {
        self.wait(&format!("{word}, flagged"), |screen| {
            screen.contents().contains('✓') && is_flagged(screen, word)
        });
    }

    pub(crate) fn resize(&self, cols: u16, rows: u16) {
        self.screen
            .0
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(rows, cols);
        self.master
            .resize(PtySize {
                rows,
                cols,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
    }

    /// Waits for the end; the exit code. The terminal must be as it was.
    #[track_caller]
    pub(crate) fn end(self) -> u32 {
        self.end_by().exit_code()
    }

    /// The same; how it ended.
    #[track_caller]
    fn end_by(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        self.wait("the shell's own screen", |screen| {
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
        assert_eq!(
            modes(&*self.master),
            self.modes,
            "the terminal is still raw"
        );
        status
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Whether `word` stands somewhere underlined on a tint, where the text is.
fn is_flagged(screen: &vt100::Screen, word: &str) -> bool {
    let (rows, columns) = screen.size();
    (0..rows).any(|row| {
        let text: Vec<&str> = (0..columns)
            .filter_map(|column| screen.cell(row, column))
            .map(vt100::Cell::contents)
            .collect();
        (0..columns).any(|column| {
            let here = text.iter().skip(usize::from(column)).take(word.len());
            let Some(cell) = screen.cell(row, column) else {
                return false;
            };
            here.copied().collect::<String>() == word
                && cell.underline()
                && matches!(cell.bgcolor(), vt100::Color::Rgb(..))
        })
    })
}

fn sentence(word: &str) -> String {
    format!(
        "# Minutes\n\nThe committee approved the {word} of the new bridge over the river last spring.\n"
    )
}

fn folder_with(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn the_heat_map_follows_the_editor_however_it_saves() {
    let (folder, path) = folder_with("minutes.md", &sentence("banana"));
    let mut session = Session::start(folder.path(), &["minutes.md"], &[]);
    session.wait_for_flagged("banana");
    session.wait_for("watching");

    // In place.
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all(sentence("potato").as_bytes()).unwrap();
    drop(file);
    session.wait_for_flagged("potato");

    // Truncated, then written anew.
    std::fs::write(&path, sentence("cheese")).unwrap();
    session.wait_for_flagged("cheese");

    // Another file renamed over it.
    let fresh = folder.path().join(".minutes.md.swp");
    std::fs::write(&fresh, sentence("trombone")).unwrap();
    std::fs::rename(&fresh, &path).unwrap();
    session.wait_for_flagged("trombone");

    // Deleted and created; in between its last text stays, with a note.
    std::fs::remove_file(&path).unwrap();
    session.wait_for("the file is gone");
    session.wait_for_flagged("trombone");
    std::fs::write(&path, sentence("banana")).unwrap();
    session.wait_for_flagged("banana");

    session.resize(60, 20);
    session.wait("a narrow screen", |screen| {
        let contents = screen.contents();
        let first = contents.lines().next().unwrap_or_default();
        first.contains("minutes.md") && !first.contains("electroscope")
    });
    session.wait_for_flagged("banana");
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn the_editor_is_given_the_terminal_at_the_place_of_the_cursor() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    // An editor that says what it was called with, waits for a key, and saves.
    let editor = folder.path().join("editor.sh");
    let script = "#!/bin/sh\necho \"called with $1 $2\"\nread line\n\
        sed -i \"s/banana/$line/\" \"$2\"\n";
    std::fs::write(&editor, script).unwrap();
    let command = format!("sh {}", editor.display());
    let mut session = Session::start(folder.path(), &["minutes.md"], &[("EDITOR", &command)]);
    session.wait_for_flagged("banana");
    session.press("]de");
    session.wait_for("called with +3 /");
    // What is typed now is the editor's, and so is Ctrl-C's neighbour on the screen.
    session.press("cheese\n");
    session.wait_for_flagged("cheese");
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_suggestion_is_put_into_the_file_and_taken_back() {
    let wrong = sentence("plan").replace("committee", "commitee");
    let (folder, path) = folder_with("minutes.md", &wrong);
    let mut session = Session::start(folder.path(), &["--lens", "errors", "minutes.md"], &[]);
    session.wait_for("✓");
    session.press("/commitee\r");
    session.wait_for("committee");
    session.press("s");
    session.wait_for("Instead of commitee");
    session.wait_for("✓ committee");
    session.press("\r");
    session.wait_for("commitee → committee; u takes it back");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), sentence("plan"));
    session.press("u");
    session.wait_for("commitee is there again");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), wrong);
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_piped_document_is_shown_and_the_keyboard_still_works() {
    let (folder, _) = folder_with("minutes.txt", &sentence("banana"));
    let mut command = CommandBuilder::new("sh");
    command.args([
        "-c",
        "cat minutes.txt | \"$0\"",
        env!("CARGO_BIN_EXE_electroscope"),
    ]);
    let mut session = Session::run(command, folder.path(), &[]);
    session.wait_for("<stdin>");
    session.wait_for_flagged("banana");
    session.press("?");
    session.wait_for("half a screen down");
    session.press("\x03");
    assert_eq!(session.end(), 130);
}

#[test]
fn a_signal_ends_the_program_and_gives_the_terminal_back() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    let session = Session::start(folder.path(), &["minutes.md"], &[]);
    session.wait_for("minutes.md");
    kill(&*session.child, "-TERM");
    assert_eq!(session.end(), 143);
}

#[test]
fn a_model_that_cannot_be_had_leaves_the_text_readable() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    let arguments = ["--offline", "--model", "org/name", "minutes.md"];
    let mut session = Session::start(folder.path(), &arguments, &[]);
    session.wait_for("no model");
    session.wait_for("builtin");
    session.wait_for("committee");
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn without_colour_the_flagged_word_is_underlined_and_nothing_is_coloured() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    let mut session = Session::start(folder.path(), &["minutes.md"], &[("NO_COLOR", "1")]);
    session.wait("banana, underlined", |screen| {
        let (rows, columns) = screen.size();
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let cells: Vec<_> = cells
            .filter_map(|(row, column)| screen.cell(row, column))
            .collect();
        let underlined: String = cells
            .iter()
            .filter(|cell| cell.underline())
            .map(|cell| cell.contents())
            .collect();
        underlined.contains("banana")
            && cells.iter().all(|cell| {
                cell.fgcolor() == vt100::Color::Default && cell.bgcolor() == vt100::Color::Default
            })
    });
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn heads_are_chosen_on_the_screen_answer_there_and_follow_the_editor() {
    let text = "The committee approved the bridge over the river. She works every day.\n";
    let (folder, path) = folder_with("minutes.txt", text);
    let head = |name: &str| {
        let heads = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/heads");
        heads.join(name).display().to_string()
    };
    let mut session = Session::start(folder.path(), &["minutes.txt"], &[]);
    session.wait_for("✓");
    session.press("4");
    session.wait_for(match BuiltinHead::usual(Task::Tagging) {
        Some(head) => head.name,
        None => "No head is chosen",
    });
    session.press("m");
    session.wait_for("Heads that tag");
    session.press(&head("electra-tags"));
    session.press("\r");
    session.wait_for("all kinds");
    let listed = |session: &Session, title: &str| {
        session.wait(&format!("{title} and ✓ twice"), |screen| {
            let contents = screen.contents();
            contents.contains(title) && contents.matches('✓').count() == 2
        });
    };
    listed(&session, "Tags ");

    session.press("2m");
    session.wait_for("Heads that classify");
    session.press(&head("electra-single"));
    session.press("\r");
    listed(&session, "Units 1");
    session.press("U");
    listed(&session, "Units 2");

    session.press("3m");
    session.wait_for("Heads that answer");
    session.press(&head("electra-answers"));
    session.press("\r");
    session.wait_for("a asks a question");
    session.press("awho approved the bridge\r");
    // Random weights: they may say that there is no answer, and then these are "Weak answers".
    listed(&session, "nswers ");
    // Another text is asked again by itself.
    std::fs::write(&path, "Oslo.\n").unwrap();
    session.wait("fewer answers", |screen| {
        let contents = screen.contents();
        let few = ["nswers 1", "nswers 2"];
        contents.contains("Oslo.") && few.iter().any(|count| contents.contains(count))
    });
    session.press("q");
    assert_eq!(session.end(), 0);

    // The next time the head is there without being chosen.
    let mut session = Session::start(folder.path(), &["minutes.txt"], &[]);
    session.wait_for("✓");
    session.press("4");
    listed(&session, "Tags ");
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_head_named_on_the_command_line_is_the_one_of_its_panel() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    let arguments = ["--head", "builtin:acceptability", "minutes.md"];
    let mut session = Session::start(folder.path(), &arguments, &[]);
    session.wait_for("✓");
    session.press("2");
    session.wait_for("builtin:acceptability");
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn keys_that_come_all_at_once_are_all_read() {
    let text: String = (1..=5_000).map(|n| format!("line {n}\n")).collect();
    let (folder, _) = folder_with("lines.txt", &text);
    let mut session = Session::start(folder.path(), &["lines.txt"], &[]);
    session.wait_for("line 1");
    // Three times what the terminal is read by at once.
    session.press(&"j".repeat(3_000));
    session.wait_for("3001:1");
    session.press(&format!("/{}", "x".repeat(2_000)));
    session.wait_for("xxx");
    session.press("\x1b");
    session.wait_for("3001:1");
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_document_that_is_made_in_an_opened_folder_appears() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    let mut session = Session::start(folder.path(), &["."], &[]);
    session.wait_for("minutes.md");
    std::fs::write(folder.path().join("later.md"), sentence("potato")).unwrap();
    session.wait_for("new in the folder: later.md");
    session.press("gt");
    session.wait_for_flagged("potato");
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn the_name_of_a_file_runs_nothing_when_it_is_edited() {
    let name = "+!touch pwned; .md";
    let (folder, _) = folder_with(name, &sentence("banana"));
    // Does with its arguments what vi does.
    let vi = folder.path().join("vi");
    let script = "#!/bin/sh\nfor word; do case \"$word\" in\n\
        \"+!\"*) sh -c \"${word#+!}\" ;; esac; done\ntouch edited\n";
    std::fs::write(&vi, script).unwrap();
    let made = std::process::Command::new("chmod")
        .arg("+x")
        .arg(&vi)
        .status();
    assert!(made.unwrap().success());
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.path().display());
    let mut session = Session::start(folder.path(), &[name], &[("PATH", &path)]);
    session.wait_for("committee");
    session.press("e");
    let edited = folder.path().join("edited");
    while !edited.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    session.wait_for("committee");
    session.press("q");
    assert_eq!(session.end(), 0);
    assert!(!folder.path().join("pwned").exists());
}

#[cfg(unix)]
#[test]
fn a_signal_that_kills_at_once_leaves_the_terminal_as_it_was() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    for signal in ["-SEGV", "-BUS", "-ABRT", "-QUIT", "-ILL", "-XCPU", "-USR1"] {
        let session = Session::start(folder.path(), &["minutes.md"], &[]);
        session.wait_for("committee");
        kill(&*session.child, signal);
        let status = session.end_by();
        // Still by that signal, so that a shell says so and a core is dumped where that is wanted.
        assert!(status.signal().is_some(), "{signal}: {status:?}");
    }
}

#[test]
fn a_folder_of_many_documents_is_shown_at_once_and_left_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..20_000 {
        let path = folder.path().join(format!("{number:05}.md"));
        std::fs::write(path, "The committee approved the bridge.\n").unwrap();
    }
    let mut session = Session::start(folder.path(), &["."], &[]);
    session.wait_for("committee");
    session.press("q");
    assert_eq!(session.end(), 0);
}

/// A program in a terminal whose output is read only as long as the test wants.
#[cfg(unix)]
struct Unread {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
}

#[cfg(unix)]
impl Unread {
    /// Starts the program and reads what it writes until `text` has come. It has no controlling
    /// terminal, so that the end of the terminal sends it no SIGHUP.
    fn start(folder: &Path, arguments: &[&str], text: &str) -> Unread {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_electroscope"));
        command.args(arguments);
        command.set_controlling_tty(false);
        let pair = prepare(&mut command, folder, &[]);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let mut parser = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
        let mut buffer = [0; 4096];
        while !parser.screen().contents().contains(text) {
            let len = output.read(&mut buffer).unwrap();
            parser.process(&buffer[..len]);
        }
        Unread {
            child,
            keyboard: pair.master.take_writer().unwrap(),
            master: pair.master,
        }
    }
}

#[cfg(unix)]
#[test]
fn the_program_ends_when_its_terminal_is_gone() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    let Unread {
        mut child,
        master,
        keyboard,
    } = Unread::start(folder.path(), &["minutes.md"], "committee");
    drop((master, keyboard));
    // By the end of its keyboard, or by an error of a terminal that cannot be drawn on.
    let code = child.wait().unwrap().exit_code();
    assert!([129, 2].contains(&code), "{code}");
}

#[cfg(unix)]
#[test]
fn a_drawing_thread_that_is_stuck_does_not_keep_the_program_from_ending() {
    let (folder, _) = folder_with("minutes.md", &sentence("banana"));
    let Unread {
        mut child,
        master,
        mut keyboard,
    } = Unread::start(folder.path(), &["minutes.md"], "committee");
    // Frame after frame, until the terminal takes no more.
    for _ in 0..200 {
        keyboard.write_all(b"\x0c").unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(&*child, "-TERM");
    assert_eq!(child.wait().unwrap().exit_code(), 143);
    drop(master);
}

/// A model, and heads, that fail.
mod failing {
    use std::sync::Arc;

    use electroscope::catalog::builtin;
    use electroscope::ui::state::{Memory, Opening};
    use electroscope::ui::theme::Theme;
    use electroscope::ui::{Suppliers, run};
    use electroscope::worker::heads::{Loader, Reader};
    use electroscope::worker::inference::ModelSummary;
    use electroscope_analysis::{Engine, HeadChoice, HeadSummary};
    use electroscope_model::{Error, Forward, Task};

    /// Says how the model is to fail.
    pub(super) const HOW: &str = "ELECTROSCOPE_TEST_FAILURE";

    struct Failing(String);

    impl Forward for Failing {
        fn logits(&self, _: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
            match self.0.as_str() {
                "panics" => panic!("the model fails as asked"),
                // On the threads that compute.
                "panics elsewhere" => {
                    rayon::scope(|threads| {
                        threads.spawn(|_| panic!("the model fails as asked"));
                    });
                    Ok(Vec::new())
                }
                "errs" => Err(Error::Device {
                    wanted: "cuda".into(),
                    why: "the model fails as asked".into(),
                }),
                _ => loop {
                    std::thread::park();
                },
            }
        }

        fn device(&self) -> String {
            "cpu".into()
        }

        fn precision(&self) -> String {
            "f32".into()
        }
    }

    impl Loader for Failing {
        fn choices(&self) -> Vec<HeadChoice> {
            panic!("the list fails as asked")
        }

        fn load(
            &self,
            _: Task,
            _: &str,
            _: &mut dyn FnMut(String),
        ) -> Result<(Box<dyn Reader>, HeadSummary), String> {
            panic!("headfailure")
        }
    }

    /// Not a test by itself: the program that the tests below run in a terminal of its own.
    #[test]
    #[ignore = "run by other tests"]
    fn screen() {
        let Ok(how) = std::env::var(HOW) else { return };
        let opening = Opening {
            files: vec!["minutes.md".into()],
            memory: Memory {
                classify: Some("mine".into()),
                ..Memory::default()
            },
            ..Opening::plain(Theme::Mono)
        };
        let heads = Arc::new(Failing(how.clone()));
        let suppliers = Suppliers {
            model: move |_, _: &mut dyn FnMut(String)| {
                let builtin = builtin::discriminator().map_err(|err| err.to_string())?;
                let positions = builtin.config.max_position_embeddings;
                let forward = Arc::new(Failing(how.clone()));
                let engine = Engine::new(Arc::clone(&builtin.tokenizer), forward, positions);
                let summary = ModelSummary {
                    id: "failing".into(),
                    device: "cpu".into(),
                    precision: "f32".into(),
                    threshold: 0.5,
                    false_alarms: None,
                    note: None,
                };
                Ok((engine, summary))
            },
            heads,
            user_words: None,
            remember: Box::new(|_| {}),
        };
        let code = run(opening, suppliers).unwrap();
        std::process::exit(i32::from(code));
    }
}

/// The screen with a model that fails in this way.
fn failing(folder: &Path, how: &str) -> Session {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "screen::failing::screen",
        "--ignored",
        "--nocapture",
    ]);
    Session::run(command, folder, &[(failing::HOW, how)])
}

#[test]
fn a_model_that_fails_is_told_and_the_screen_goes_on() {
    let (folder, path) = folder_with("minutes.md", &sentence("banana"));
    for how in ["panics", "panics elsewhere", "errs"] {
        let mut session = failing(folder.path(), how);
        session.wait_for("fails as asked");
        // A head fails too, and then the screen still does what it can.
        session.press("2");
        // The sentence is broken into lines.
        session.wait_for("headfailure");
        session.press("m");
        session.wait_for("none is known");
        session.press("\x1b");
        std::fs::write(&path, sentence("potato")).unwrap();
        session.wait_for("potato");
        session.wait("its own screen", |screen| screen.alternate_screen());
        session.press("\x03");
        assert_eq!(session.end(), 130, "{how}");
        std::fs::write(&path, sentence("banana")).unwrap();
    }
}

#[test]
fn a_model_that_never_answers_is_named_and_left_at_once() {
    let (folder, path) = folder_with("minutes.md", &sentence("banana"));
    let mut session = failing(folder.path(), "never returns");
    session.wait_for("the model has not answered for");
    std::fs::write(&path, sentence("potato")).unwrap();
    session.wait_for("potato");
    session.press("q");
    assert_eq!(session.end(), 0);
}
