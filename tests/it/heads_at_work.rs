//! What `classify`, `ask` and `tag` do alike, and what their tests share: the small heads of the
//! reference, and numbers that other processors agree on.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sandbox::{Outcome, Sandbox};

/// The folder of a head of the reference, such as `electra-single`.
pub(crate) fn head(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference/heads")
        .join(name)
}

/// A home with these files in it.
pub(crate) fn home(files: &[(&str, &str)]) -> Sandbox {
    let here = Sandbox::new();
    for (path, text) in files {
        let path = here.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    here
}

/// Copies a head of the reference into the sandbox; all that transformers made of it but the answers.
pub(crate) fn copy(here: &Sandbox, name: &str, to: &str) -> PathBuf {
    let to = here.path().join(to);
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(head(name)).unwrap() {
        let from = entry.unwrap().path();
        let file = from.file_name().unwrap();
        if file != "expected.json" {
            std::fs::copy(&from, to.join(file)).unwrap();
        }
    }
    to
}

/// Puts a head of the reference into the cache as `id`, as a download would.
pub(crate) fn cache(here: &Sandbox, name: &str, id: &str) {
    let repository = format!(
        "home/.cache/huggingface/hub/models--{}",
        id.replace('/', "--")
    );
    let commit = "0123456789abcdef0123456789abcdef01234567";
    copy(here, name, &format!("{repository}/snapshots/{commit}"));
    let refs = here.path().join(repository).join("refs");
    std::fs::create_dir_all(&refs).unwrap();
    std::fs::write(refs.join("main"), commit).unwrap();
}

/// What a command printed as JSON.
#[track_caller]
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err} in {text}"))
}

/// Numbers to three places, so that other processors agree.
pub(crate) fn rounded(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Number(number) if number.is_f64() => {
                let number = number.as_f64().unwrap();
                *value = ((number * 1000.0).round() / 1000.0).into();
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(fields) => fields.iter_mut().for_each(|(_, field)| walk(field)),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// What a command said, for a snapshot; the folder of the fixtures is called `HEADS`.
pub(crate) fn said(outcome: &Outcome) -> String {
    let heads = head("").display().to_string();
    let text = format!(
        "exit code {}\n{}--\n{}",
        outcome.code, outcome.out, outcome.err
    );
    text.replace(&heads, "HEADS/")
}

/// Each of the commands, with a head of its own.
const COMMANDS: [(&[&str], &str); 3] = [
    (&["classify"], "electra-multi"),
    (&["ask", "is it a boat"], "electra-answers"),
    (&["tag"], "electra-tags"),
];

/// A command with its head; `arguments` are parted by white space.
fn command(here: &Sandbox, words: &[&str], name: &str, arguments: &str) -> Command {
    let folder = head(name);
    let mut command = here.command(words);
    command.arg("--head").arg(&folder);
    command.args(arguments.split_whitespace());
    command
}

#[test]
fn nothing_that_a_document_or_a_label_contains_can_drive_the_terminal() {
    let words = "the boat\u{1b}[31mred \u{9b}2J \u{202e}over \u{1b}]0;title\u{7} \u{7f}\u{e0041} \
        ri\u{1b}ver bo\u{9b}at wa\u{202e}ter \u{2066}day end";
    let nasty = "x\u{1b}]0;y\u{7}\u{202e}.txt";
    let here = home(&[(nasty, words), ("bad\u{1b}[2J.txt", "\0")]);
    for (words, name) in COMMANDS {
        let config = copy(&here, name, name).join("config.json");
        let mut fields = json(&std::fs::read_to_string(&config).unwrap());
        for label in fields["id2label"].as_object_mut().into_iter().flatten() {
            let text = label.1.as_str().unwrap();
            *label.1 = format!("{text}\u{1b}[31m\u{202e}\n").into();
        }
        fields["label2id"] = Value::Null;
        std::fs::write(&config, fields.to_string()).unwrap();
        let ask = ["ask", "is\u{1b}[1m it \u{202e}a boat"];
        let words = if name == "electra-answers" {
            &ask
        } else {
            words
        };
        for format in ["compact", "json", "jsonl", "pretty"] {
            let head = ["--head", name, "--format", format, "--color", "never", "."];
            let outcome = here.run(&[words, &head].concat());
            assert_eq!(outcome.code, 2, "{outcome:?}");
            let all = format!("{}{}", outcome.out, outcome.err);
            assert!(outcome.out.len() > 20, "{outcome:?}");
            let found =
                (all.chars()).find(|&c| c != '\n' && electroscope_text::stand_in(c).is_some());
            assert_eq!(found, None, "{all:?}");
        }
        let info = here.run(&["model", "info", name]);
        assert!(!info.out.contains('\u{1b}'), "{info:?}");
        let wrong = if name == "electra-tags" {
            "classify"
        } else {
            "tag"
        };
        let wrong = here.run(&[wrong, ".", "--head", name]);
        assert!(
            wrong.code == 2 && !wrong.err.contains('\u{1b}'),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    // Far more than a pipe holds, so that there is somebody to miss the reader.
    let long = "the boat goes over the river.\n\n".repeat(2_000);
    let here = home(&[("a.txt", &long), ("b.txt", &long)]);
    // The answers of a document are few.
    for (words, name) in [COMMANDS[0], COMMANDS[2]] {
        for format in ["compact", "json", "jsonl", "pretty"] {
            let mut command = command(
                &here,
                words,
                name,
                &format!("--format {format} a.txt b.txt"),
            );
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut out = child.stdout.take().unwrap();
            out.read_exact(&mut [0]).unwrap();
            drop(out);
            let outcome = here.outcome(child.wait_with_output().unwrap());
            assert_eq!(
                (outcome.code, outcome.err.as_str()),
                (0, ""),
                "{words:?} {format}"
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_work_with_130() {
    let here = home(&[("a.txt", "the boat goes over the river.\n")]);
    for (words, name) in COMMANDS {
        let mut command = command(&here, words, name, "--format jsonl a.txt -");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // With the first document written it waits for standard input, which does not end.
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(json(&line)["path"], "a.txt");
        let id = child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(killed.success());
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}

#[test]
fn standard_input_is_read_like_a_file() {
    let here = home(&[("a.txt", "The boat goes over the river.\n")]);
    for (words, name) in COMMANDS {
        let from_file = here.outcome(command(&here, words, name, "a.txt").output().unwrap());
        for arguments in ["", "-", "- -"] {
            let mut command = command(&here, words, name, arguments);
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            input.write_all(b"The boat goes over the river.\n").unwrap();
            drop(input);
            let outcome = here.outcome(child.wait_with_output().unwrap());
            assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
            assert!(!outcome.out.is_empty());
            assert_eq!(outcome.out, from_file.out.replace("a.txt", "<stdin>"));
        }
    }
}

#[test]
fn a_folder_without_documents_is_no_failure_but_is_remarked_on() {
    let here = home(&[("src/main.rs", "")]);
    for (words, name) in COMMANDS {
        let outcome = here.outcome(command(&here, words, name, "src").output().unwrap());
        assert_eq!((outcome.code, outcome.out.as_str()), (0, ""), "{outcome:?}");
        assert!(
            outcome.err.starts_with("no documents in src: "),
            "{outcome:?}"
        );
        assert_eq!(outcome.err.lines().count(), 1, "{outcome:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_does_not_cost_the_report() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let here = home(&[]);
    let file = OsStr::from_bytes(b"a\xff.md");
    std::fs::write(here.path().join(file), "The boat goes over the river.\n").unwrap();
    for (words, name) in COMMANDS {
        for format in ["json", "jsonl", "compact", "pretty"] {
            let mut command = command(&here, words, name, &format!("--format {format}"));
            let outcome = here.outcome(command.arg(file).output().unwrap());
            assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
            assert!(outcome.out.contains("a\u{fffd}.md"), "{outcome:?}");
        }
    }
}
