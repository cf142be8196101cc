//! The examples in every help text and in the README work on a fresh machine without a network.
//!
//! Each line that runs the program is taken from the text, and run in a folder with the files that it
//! names. A new example is run without being listed anywhere. What cannot run here (the screen, which
//! needs a terminal; a training; a download) must at least be understood, and stop for that reason.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::sandbox::{Outcome, Sandbox};

/// A line of a text that runs the program, and where it stands.
struct Example {
    place: String,
    line: String,
    /// What the text says it prints: lines that it has to print, in this order.
    shown: Vec<String>,
}

/// The commands whose help is read.
const COMMANDS: &[&str] = &[
    "",
    "view",
    "score",
    "fix",
    "classify",
    "ask",
    "tag",
    "dictionary",
    "dictionary add",
    "dictionary remove",
    "dictionary list",
    "model",
    "model list",
    "model info",
    "model pull",
    "model export",
    "finetune",
    "finetune classification",
    "finetune qa",
    "finetune tagging",
    "pretrain",
    "evaluate",
    "evaluate classification",
    "evaluate qa",
    "evaluate tagging",
    "evaluate rtd",
    "evaluate errors",
    "completions",
    "man",
    "paths",
];

const NOTES: &str = "# Harbour notes\n\nThe bridge opens in May 2026. It was built by Anna Weber and \
    a company from Berlin. She have promised that the cranes will be painted before summer, and the \
    committee approved the banana of the new bridge over the river.\n";

const DRAFT: &str = "The boats wait in the harbour. He go to work every day.\n";

/// A question as SQuAD has it.
const SQUAD: &str = r#"{"version": "v2.0", "data": [{"title": "t", "paragraphs": [{
    "context": "The bridge opens in May 2026.", "qas": [{"id": "a", "is_impossible": false,
    "question": "When does the bridge open?", "answers": [{"text": "May 2026", "answer_start": 20}]}]}]}]}"#;

/// A sandbox with the files that the example names.
fn furnished(example: &str) -> Sandbox {
    let here = Sandbox::new();
    let write = |path: &str, text: &str| {
        let path = here.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    write("assets/sample.md", include_str!("../../assets/sample.md"));
    write("notes.md", NOTES);
    write(
        "letter.md",
        "The bridge is open, and the the boats wait in the harbour.\n",
    );
    write("a.md", NOTES);
    write("draft.txt", DRAFT);
    write("draft", NOTES);
    write("docs/notes.md", NOTES);
    write("docs/draft.md", DRAFT);
    write(
        "accepted/a.md",
        &"The boats wait in the harbour for the tide. ".repeat(80),
    );
    write(
        "reviews/one.txt",
        "A warm and funny film, and a joy to watch.\n",
    );
    write(
        "reviews/two.txt",
        "A dull story, badly told and much too long.\n",
    );
    write(
        "review.txt",
        "A warm and funny film. The actor have no talent.\n",
    );
    write("held-out.txt", include_str!("../../assets/sample.md"));
    write(
        "dev.conll",
        "Anna B-person\nWeber I-person\nlives O\nin O\nBerlin B-location\n",
    );
    write(
        "glue/CoLA/dev.tsv",
        "x\t1\t\tThe boats wait in the harbour.\nx\t0\t*\tThe boats waits harbour the in.\n",
    );
    for name in ["dev-v2.0.json", "dev-v1.1.json", "dev.json"] {
        write(name, SQUAD);
    }
    write(
        "glue/SST-2/dev.tsv",
        "sentence\tlabel\nA warm and funny film.\t1\nA dull story.\t0\n",
    );
    write(
        "held-out.csv",
        "text,label\nA warm and funny film.,positive\nA dull story.,negative\n",
    );
    write(
        "dev.jsonl",
        "{\"premise\": \"The boats wait.\", \"hypothesis\": \"The sea is calm.\", \"label\": \"good\"}\n",
    );
    write(
        "en_ewt-ud-dev.conllu",
        "1\tAnna\t_\tPROPN\t_\t_\t0\t_\t_\t_\n2\twaits\t_\tVERB\t_\t_\t0\t_\t_\t_\n\n",
    );
    write(
        "learners.jsonl",
        "{\"text\": \"She have two boats.\", \"spans\": [[4, 8]]}\n",
    );
    write(
        "corrections.jsonl",
        "{\"text\": \"I recieve it.\", \"corrected\": \"I receive it.\", \"spans\": [[2, 9]]}\n",
    );
    write(
        "accepted.jsonl",
        "{\"text\": \"The boats wait in the harbour.\", \"spans\": []}\n",
    );
    write(
        "slips.tsv",
        "wrong\tright\tsources\nharbuor\tharbour\tcodespell\n",
    );
    write(
        "misspellings.tsv",
        "wrong\tright\tsources\nharbuor\tharbour\tcodespell\nwiat\twait\tcodespell\n",
    );
    write("wiki.valid.tokens", &NOTES.repeat(4));
    // A history with the notes in it, where there is a git.
    let script = "git init -q && git add notes.md docs && git -c user.name=A -c user.email=a@example.org \
        commit -q -m 'The notes are begun' && echo 'She have approved the banana of the new bridge.' >> docs/draft.md";
    let _ = std::process::Command::new("sh")
        .args(["-c", script])
        .current_dir(here.path())
        .env("HOME", here.path())
        .output();
    // The heads that the text says are trained before.
    let heads = root.join("tests/reference/heads");
    for (name, from) in [
        ("sentiment", "electra-single"),
        ("nli", "electra-single"),
        ("qa", "electra-answers"),
        ("ner", "electra-tags"),
    ] {
        copy(&heads.join(from), &here.path().join(name));
    }
    let pair = root.join("tests/reference/fixtures/projected");
    copy(&pair, &here.path().join("my-model"));
    let added = example.contains("dictionary add");
    for (path, words) in [
        ("home/.config/electroscope/dictionary.txt", "kubectl\n"),
        (".electroscope/dictionary.txt", "electroscope\n"),
    ] {
        if !added {
            write(path, words);
        }
    }
    if example.contains("--baseline") && !example.contains("--update") {
        let update = "electroscope score --baseline known.json --update-baseline docs/";
        assert_eq!(run(&here, update).code, 0);
    }
    // What is written must not be there before.
    if !example.contains("export") {
        copy(&pair, &here.path().join("mini"));
    }
    here
}

/// Copies a folder and those below it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// The part of an example before its comment, which stands after two blanks or more.
fn without_comment(line: &str) -> &str {
    line.split("   ").next().unwrap_or(line).trim_end()
}

/// Whether a line runs the program.
fn runs(line: &str) -> bool {
    line.split(['|', ';']).any(|part| {
        let part = part.trim_start();
        part == "electroscope" || part.starts_with("electroscope ")
    })
}

/// The examples in an indented block or after `Examples:`; a line that ends in a backslash goes on.
fn examples(text: &str, place: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut lines = text.lines().peekable();
    let mut is_output = false;
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let content = line.trim();
        let content = content.strip_prefix("Then: ").unwrap_or(content);
        if indent < 2 && !line.starts_with("Then: ") {
            is_output = false;
            continue;
        }
        let (is_prompt, content) = match content.strip_prefix("$ ") {
            Some(command) => (true, command),
            None => (false, content),
        };
        let mut whole = without_comment(content).to_owned();
        if !runs(&whole) {
            if is_output && !content.is_empty() && content != "…" {
                found.last_mut().unwrap().shown.push(content.to_owned());
            }
            continue;
        }
        while whole.ends_with('\\') {
            whole.pop();
            whole.push_str(without_comment(lines.next().unwrap_or_default().trim()));
        }
        is_output = is_prompt;
        found.push(Example {
            place: place.to_owned(),
            line: whole,
            shown: Vec::new(),
        });
    }
    found
}

/// The examples of every help and of the README.
fn all(here: &Sandbox) -> Vec<Example> {
    let mut all = Vec::new();
    for command in COMMANDS {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        // So wide that no example is wrapped.
        let mut help = here.command(&arguments);
        let help = here
            .outcome(help.env("COLUMNS", "400").output().unwrap())
            .out;
        let end = help.find("\nExamples:\n").unwrap_or(help.len());
        let found = examples(&help[end..], &format!("electroscope {command} --help"));
        assert!(
            !found.is_empty() || command.is_empty(),
            "{command} has no example"
        );
        all.extend(found);
    }
    let readme = include_str!("../../README.md");
    all.extend(examples(readme, "README.md"));
    all
}

/// What an example has to come to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    /// It works, and prints or writes something.
    Works,
    /// It opens the screen, which says that it needs a terminal.
    Screen,
    /// It is understood, and stops at the files to train on, which are not there.
    Training,
    /// It is understood, and stops for want of a network.
    Download,
    /// It is understood, and names what a reader is to put in.
    Placeholder,
}

fn wanted(line: &str) -> Wanted {
    let part = line
        .split('|')
        .find(|part| part.trim_start().starts_with("electroscope"));
    let words: Vec<&str> = part
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .collect();
    let named = |name: &str| words.contains(&name);
    // The value of a flag for all commands is no command.
    let commands = [
        "view",
        "score",
        "fix",
        "classify",
        "ask",
        "tag",
        "dictionary",
        "finetune",
        "pretrain",
        "evaluate",
        "model",
        "completions",
        "man",
        "paths",
        "help",
    ];
    let command = words.iter().find(|word| commands.contains(word));
    let is_placeholder =
        |word: &&str| word.len() > 2 && word.bytes().all(|b| b.is_ascii_uppercase());
    match command {
        _ if words
            .iter()
            .any(|word| is_placeholder(word) && *word != "HEAD") =>
        {
            Wanted::Placeholder
        }
        _ if words.contains(&"--help") => Wanted::Works,
        None | Some(&"view") => Wanted::Screen,
        Some(&"finetune" | &"pretrain") => Wanted::Training,
        Some(&"model") if named("pull") || words.iter().any(|word| word.starts_with("google/")) => {
            Wanted::Download
        }
        Some(_) => Wanted::Works,
    }
}

fn run(here: &Sandbox, line: &str) -> Outcome {
    let program = Path::new(env!("CARGO_BIN_EXE_electroscope"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let mut command = here.shell(line);
    here.outcome(command.env("PATH", path).output().unwrap())
}

#[cfg(unix)]
#[test]
fn the_examples_in_the_help_and_the_readme_work_without_a_network() {
    let source = Sandbox::new();
    let all = all(&source);
    assert!(all.len() > 60, "only {} examples were found", all.len());
    let has = |program: &str| {
        let found = std::process::Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output();
        found.is_ok_and(|output| output.status.success())
    };
    let mut failed = Vec::new();
    let mut seen = HashSet::new();
    let once = all.iter().filter(|example| seen.insert(&example.line));
    for Example { place, line, shown } in once {
        // What stands beside the program may not be there.
        let others = ["jq", "git", "man"].into_iter().filter(|name| {
            line.contains(&format!("| {name} "))
                || line.starts_with(&format!("{name} "))
                || line.contains("--since") && *name == "git"
        });
        if others.into_iter().any(|name| !has(name)) {
            continue;
        }
        let here = furnished(line);
        let outcome = run(&here, line);
        let said = format!("{}{}", outcome.out, outcome.err);
        let is_usage = said.contains("Usage: electroscope") && !line.contains("help");
        let wrote = line
            .split_once("> ")
            .map(|(_, path)| path.trim().replace('~', "home"));
        let has_result = match &wrote {
            Some(path) => fs::metadata(here.path().join(path)).is_ok_and(|file| file.len() > 0),
            None => {
                !outcome.out.trim().is_empty()
                    || line.contains("--calibrate")
                    || line.contains("export")
                    || line.contains("--out")
                    || line.contains("--baseline")
                    || line.contains("dictionary")
            }
        };
        let is_right = match wanted(line) {
            Wanted::Works => {
                outcome.code <= 1 && has_result && (outcome.code == 0 || line.contains("score"))
            }
            Wanted::Screen => outcome.code == 2 && said.contains("the screen needs a terminal"),
            Wanted::Training => outcome.code == 2 && !is_usage,
            Wanted::Download => outcome.code == 2 && said.contains("cannot reach"),
            Wanted::Placeholder => outcome.code == 2 && !is_usage,
        };
        let mut rest = outcome.out.lines();
        let is_shown = shown
            .iter()
            .all(|wanted| rest.any(|line| line.trim() == wanted));
        if !is_right || is_usage || !is_shown {
            failed.push(format!(
                "{place}: {line}\n  {:?}: {outcome:?}",
                wanted(line)
            ));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn examples_are_taken_from_a_text_with_what_they_print() {
    let text = "Use:\n\n    electroscope a.md\n    cat x | electroscope -     reads a pipe\n    cargo test\n\n\
        \x20   $ electroscope score a.md\n    a.md:1:1: 0.9 x\n    …\n\nThe electroscope.\n";
    let found = examples(text, "x");
    let lines: Vec<&str> = found.iter().map(|example| example.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "electroscope a.md",
            "cat x | electroscope -",
            "electroscope score a.md"
        ]
    );
    assert_eq!(found[2].shown, ["a.md:1:1: 0.9 x"]);
}
