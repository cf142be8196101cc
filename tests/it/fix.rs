//! `electroscope fix`: what it writes, and what it leaves alone.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::sandbox::{Outcome, Sandbox};

const TEXT: &str =
    "# Notes\n\nThe committee recieved the letter in the morning.  \n\n```\nrecieved\n```\n";

fn home() -> Sandbox {
    Sandbox::with_files(&[("notes.md", TEXT)])
}

fn text(here: &Sandbox) -> String {
    fs::read_to_string(here.path().join("notes.md")).unwrap()
}

/// `fix` with these answers.
fn answered(here: &Sandbox, answers: &str) -> Outcome {
    let mut command = here.command(&["fix", "--threshold", "0", "notes.md"]);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    here.outcome(child.wait_with_output().unwrap())
}

#[test]
fn a_dry_run_prints_a_diff_and_writes_nothing() {
    let here = home();
    let outcome = here.run(&["fix", "--dry-run", "--threshold", "0", "notes.md"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    insta::assert_snapshot!(outcome.out, @r"
    --- a/notes.md
    +++ b/notes.md
    @@ -1,6 +1,6 @@
     # Notes
     
    -The committee recieved the letter in the morning.  
    +The committee received the letter in the morning.  
     
     ```
     recieved
    ");
    assert_eq!(text(&here), TEXT);
}

#[test]
fn all_takes_what_is_certain_and_a_second_time_there_is_nothing_left() {
    let here = home();
    let fix = [
        "fix",
        "--all",
        "--certainty",
        "0.5",
        "--threshold",
        "0",
        "notes.md",
    ];
    let outcome = here.run(&fix);
    assert_eq!(
        (outcome.code, outcome.out.as_str()),
        (0, "notes.md: changed 1 word\n"),
        "{outcome:?}"
    );
    // Only the prose, and nothing beside the word.
    let wanted = TEXT.replacen("recieved", "received", 1);
    assert_eq!(text(&here), wanted);
    let again = here.run(&fix);
    assert!(again.out.contains("nothing changed"), "{again:?}");
    assert_eq!(text(&here), wanted);
    // Nothing is so certain.
    let here = home();
    let outcome = here.run(&[
        "fix",
        "--all",
        "--certainty",
        "1",
        "--threshold",
        "0",
        "notes.md",
    ]);
    assert_eq!((outcome.code, text(&here).as_str()), (0, TEXT));
}

#[test]
fn each_word_is_asked_for() {
    let here = home();
    let kept = answered(&here, "\n\n\n\n");
    assert!(
        kept.out.contains("[recieved]") && kept.out.contains("1  received"),
        "{kept:?}"
    );
    assert_eq!(text(&here), TEXT);
    let ended = answered(&here, "nonsense\nq\n");
    assert_eq!(ended.out.matches("q to end").count(), 2, "{ended:?}");
    assert_eq!(text(&here), TEXT);
    let taken = answered(&here, "1\nq\n");
    assert_eq!(taken.code, 0, "{taken:?}");
    assert_eq!(text(&here), TEXT.replacen("recieved", "received", 1));
}

#[test]
fn a_file_that_cannot_be_read_fails_and_the_others_are_mended() {
    let here = home();
    let outcome = here.run(&[
        "fix",
        "--all",
        "--certainty",
        "0.5",
        "--threshold",
        "0",
        "missing.md",
        "notes.md",
    ]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.err.contains("missing.md: there is no such file"),
        "{outcome:?}"
    );
    assert_ne!(text(&here), TEXT);
}

#[test]
fn of_a_word_that_stands_twice_one_stays() {
    let text = "The bridge is open, and the the boats wait in the harbour.\n";
    let here = Sandbox::with_files(&[("notes.md", text)]);
    let outcome = here.run(&["fix", "--all", "--certainty", "0.3", "notes.md"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let mended = fs::read_to_string(here.path().join("notes.md")).unwrap();
    assert_eq!(mended, text.replace("the the", "the"));
}

#[test]
fn accepted_words_and_silenced_places_are_left_alone() {
    let text = "The committee recieved the letter.\n\n<!-- electroscope-disable-next-line -->\n\
        And then it recieveed another letter.\n";
    let here = Sandbox::with_files(&[
        ("notes.md", text),
        (".electroscope/dictionary.txt", "recieved\n"),
    ]);
    let outcome = here.run(&[
        "fix",
        "--all",
        "--certainty",
        "0",
        "--threshold",
        "0",
        "notes.md",
    ]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let mended = fs::read_to_string(here.path().join("notes.md")).unwrap();
    assert!(
        mended.contains("recieved") && mended.contains("recieveed"),
        "{mended}"
    );
}
