//! The command line as a script sees it: arguments and files in, two streams and an exit code out.
//!
//! Most tests give the program a checkpoint of toy size, which is quick to load and doubts at
//! random; that is enough wherever it does not matter which words are flagged.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::sandbox::{Outcome, Sandbox};

/// The checkpoint of toy size.
const TOY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/reference/fixtures/projected"
);

/// `score` by the toy model. `arguments` are parted by white space.
fn score(here: &Sandbox, arguments: &str) -> Outcome {
    here.outcome(scoring(here, arguments).output().unwrap())
}

fn scoring(here: &Sandbox, arguments: &str) -> Command {
    let mut command = here.command(&["score", "--model", TOY, "--precision", "f32"]);
    command.args(arguments.split_whitespace());
    command
}

/// Runs a command that reads `input`.
fn feed(here: &Sandbox, command: &mut Command, input: &[u8]) -> Outcome {
    let mut child = spawn(command.stdin(Stdio::piped()));
    child.stdin.take().unwrap().write_all(input).unwrap();
    here.outcome(child.wait_with_output().unwrap())
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err} in {text}"))
}

/// Numbers to three places, so that other processors agree, and the model's folder by a name.
fn rounded(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Number(number) if number.is_f64() => {
                let number = number.as_f64().unwrap();
                *value = ((number * 1000.0).round() / 1000.0).into();
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(fields) => {
                for (name, field) in fields {
                    match name.as_str() {
                        // Of a hundred.
                        "rank" => *field = field.as_f64().unwrap().round().into(),
                        "id" if *field == TOY => *field = "[toy]".into(),
                        _ => walk(field),
                    }
                }
            }
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// What a command said, for a snapshot.
fn said(outcome: &Outcome) -> String {
    format!(
        "exit code {}\n{}--\n{}",
        outcome.code, outcome.out, outcome.err
    )
}

const BANANA: &str = "The committee has approved the banana of the new bridge over the river.\n";
const CALM: &str = "The boats wait in the harbour.\n";

// Formats.

#[test]
fn a_flagged_word_is_a_line_and_the_exit_code_is_1() {
    let here = Sandbox::with_files(&[("notes.md", BANANA)]);
    let outcome = here.run(&["score", "notes.md"]);
    let (place, word) = outcome.out.split_once(" 0.").unwrap();
    assert_eq!(place, "notes.md:1:32:");
    // Two digits of p stand between.
    assert_eq!(&word[2..], " banana\n");
    assert_eq!((outcome.code, outcome.err.as_str()), (1, ""));
}

#[test]
fn nothing_flagged_is_silence_and_the_exit_code_is_0() {
    let here = Sandbox::with_files(&[("notes.md", CALM), ("empty.txt", "")]);
    let outcome = here.run(&["score", "notes.md", "empty.txt"]);
    assert_eq!(said(&outcome), "exit code 0\n--\n");
}

#[test]
fn json_has_the_fields_that_were_promised() {
    let here = Sandbox::with_files(&[
        (
            "a.md",
            "# Été\r\n\r\nThe *boats* go `x` 🙂 un**believ**able.\r\n",
        ),
        ("b.txt", ""),
    ]);
    here.write("c.txt", b"a\xffb");
    let outcome = score(&here, "--format json --threshold 0.5 a.md b.txt c.txt");
    assert_eq!(outcome.code, 2);
    insta::assert_json_snapshot!(rounded(json(&outcome.out)));
}

#[test]
fn offsets_lines_and_columns_are_those_of_the_file() {
    let text = "\u{feff}Été — naïve 🙂 boats\r\n\r\n  wait 中文.\r\nThe end";
    for language in ["plain", "markdown"] {
        let here = Sandbox::with_files(&[("a.txt", text)]);
        let outcome = score(&here, &format!("--format json --language {language} a.txt"));
        let report = json(&outcome.out);
        let document = &report["documents"][0];
        let (mut words, mut tokens) = (0, 0);
        for word in document["words"].as_array().unwrap() {
            let start = word["start"].as_u64().unwrap() as usize;
            let end = word["end"].as_u64().unwrap() as usize;
            assert_eq!(word["text"], text[start..end]);
            let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
            let before = text[line_start..start].trim_start_matches('\u{feff}');
            assert_eq!(word["column"], before.chars().count() + 1, "{word}");
            assert_eq!(
                word["line"],
                text[..start].matches('\n').count() + 1,
                "{word}"
            );
            words += 1;
        }
        for token in document["tokens"].as_array().unwrap() {
            let start = token["start"].as_u64().unwrap() as usize;
            let end = token["end"].as_u64().unwrap() as usize;
            assert_eq!(token["text"], text[start..end]);
            tokens += 1;
        }
        assert!(words >= 10, "{words} words");
        assert_eq!(document["summary"]["words"], words);
        assert_eq!(document["summary"]["tokens"], tokens);
    }
}

#[test]
fn an_entity_is_its_character_in_a_word_and_offsets_are_those_of_the_file() {
    let text = "I couldn&rsquo;t, don't, R&amp;D, well-known.\n";
    let here = Sandbox::with_files(&[("e.md", text)]);
    let outcome = score(&here, "e.md --format json --exit-zero");
    let words = json(&outcome.out)["documents"][0]["words"].clone();
    let words = words.as_array().unwrap();
    let texts: Vec<&str> = (words.iter())
        .map(|word| word["text"].as_str().unwrap())
        .collect();
    assert_eq!(
        texts.join(" "),
        "I couldn’t , don't , R & D , well - known ."
    );
    for word in words {
        let place = |name: &str| word[name].as_u64().unwrap() as usize;
        let source = word.get("source_text").unwrap_or(&word["text"]);
        assert_eq!(&text[place("start")..place("end")], source);
    }
}

#[test]
fn punctuation_is_flagged_only_if_that_is_asked_for() {
    let here = Sandbox::with_files(&[("a.txt", "One, two.\n")]);
    let flagged = |arguments: &str| {
        let outcome = score(&here, &format!("a.txt --threshold 0 {arguments}"));
        outcome.out.lines().count()
    };
    assert_eq!(flagged(""), 2);
    assert_eq!(flagged("--punctuation"), 4);
}

#[test]
fn the_name_of_standard_input_says_its_language_and_stands_in_the_output() {
    let here = Sandbox::with_files(&[]);
    let input = b"---\ntitle: front\n---\n\nBody\n";
    let words = |arguments: &str| {
        let arguments = format!("--format json --exit-zero {arguments}");
        let outcome = feed(&here, &mut scoring(&here, &arguments), input);
        let document = json(&outcome.out)["documents"][0].clone();
        let words = document["words"].as_array().unwrap().len();
        (document["path"].as_str().unwrap().to_owned(), words)
    };
    assert!(words("").1 > 1);
    assert_eq!(
        words("--stdin-filename docs/a.md -"),
        ("docs/a.md".to_owned(), 1)
    );
}

#[test]
fn p_carries_six_significant_digits_and_more() {
    let here = Sandbox::with_files(&[(
        "a.txt",
        &"the boat goes over the river to the bridge. ".repeat(9),
    )]);
    let outcome = score(&here, "--format json --exit-zero a.txt");
    let text = outcome.out.as_str();
    let ps: Vec<&str> = text
        .split("\"p\":")
        .skip(1)
        .map(|rest| rest.split([',', '}']).next().unwrap())
        .collect();
    assert!(ps.len() > 100);
    let digits = |p: &str| {
        let mantissa = p.split('e').next().unwrap().trim_start_matches(['0', '.']);
        mantissa.bytes().filter(u8::is_ascii_digit).count()
    };
    // A number may by chance end in zeros, which are not written.
    let full = ps.iter().filter(|p| digits(p) >= 6).count();
    assert!(full * 10 >= ps.len() * 9, "{ps:?}");
}

#[test]
fn jsonl_is_an_object_a_line_errors_included() {
    let here = Sandbox::with_files(&[("a.md", BANANA), ("b.md", CALM)]);
    let outcome = score(&here, "--format jsonl a.md missing.md b.md");
    assert_eq!(outcome.code, 2);
    let lines: Vec<Value> = outcome.out.lines().map(json).collect();
    let paths: Vec<&Value> = lines.iter().map(|line| &line["path"]).collect();
    assert_eq!(paths, ["a.md", "b.md", "missing.md"]);
    let one = json(&score(&here, "--format json a.md").out);
    assert_eq!(lines[0], one["documents"][0]);
    assert_eq!(lines[2]["message"], "there is no such file or folder");
    assert_eq!(lines[2].as_object().unwrap().len(), 2);
}

#[test]
fn github_annotations_name_file_line_and_column() {
    let here = Sandbox::with_files(&[("a,b.md", BANANA)]);
    here.write("bad.md", b"\0");
    let outcome = here.run(&["score", "--format", "github", "a,b.md", "bad.md"]);
    let lines: Vec<&str> = outcome.out.lines().collect();
    let place = "::warning file=a%2Cb.md,line=1,col=32,endColumn=38,title=Doubtful word::“banana”";
    assert!(lines[0].starts_with(place), "{}", lines[0]);
    assert!(
        lines[1].starts_with("::error file=bad.md::byte 0 is NUL"),
        "{}",
        lines[1]
    );
    assert_eq!((outcome.code, lines.len()), (2, 2));
}

#[test]
fn sarif_is_what_code_scanning_reads() {
    let here = Sandbox::with_files(&[("docs/a b.md", "\u{feff}Wo 🙂.\nThe boat.\n")]);
    here.write("bad.md", b"\xff\xfe\0");
    let outcome = score(&here, "--format sarif --threshold 0.5 docs bad.md");
    assert_eq!(outcome.code, 2);
    let mut sarif = rounded(json(&outcome.out));
    sarif["runs"][0]["tool"]["driver"]["version"] = "[version]".into();
    insta::assert_json_snapshot!(sarif);
}

#[test]
fn what_a_document_contains_cannot_drive_the_terminal() {
    // Between words and inside them, where the tokenizer passes over what is no letter.
    let words = "the boat\u{1b}[31mred \u{9b}2J \u{202e}over \u{1b}]0;title\u{7} \u{7f}\u{e0041} \
        ri\u{1b}ver bo\u{9b}at wa\u{202e}ter \u{2066}day end";
    let here = Sandbox::with_files(&[("in.txt", words)]);
    let nasty = "x\u{1b}]0;y\u{7}\u{202e}.txt";
    here.write(nasty, words.as_bytes());
    here.write("bad\u{1b}[2J.txt", b"\0");
    here.write("config\u{1b}[2J.toml", b"mod\x1b[2J = 1");
    let must_not = |outcome: &Outcome| {
        let all = format!("{}{}", outcome.out, outcome.err);
        assert!(all.len() > 20, "{all:?}");
        let found = all
            .chars()
            .find(|&c| c != '\n' && electroscope_text::stand_in(c).is_some());
        assert_eq!(found, None, "{all:?}");
    };
    for format in ["compact", "github", "json", "jsonl", "sarif", "pretty"] {
        must_not(&score(&here, &format!("--threshold 0 --format {format} .")));
    }
    let mut command = scoring(&here, "--threshold 0");
    must_not(&feed(&here, &mut command, words.as_bytes()));
    must_not(&here.run(&["score", "--config", "config\u{1b}[2J.toml", "in.txt"]));
    must_not(&here.run(&["score", "--model", "\u{1b}[2J/", "in.txt"]));
    must_not(&here.run(&["score", "missing\u{1b}[2J.md"]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_does_not_cost_the_report() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let here = Sandbox::with_files(&[]);
    let names = [
        OsStr::from_bytes(b"a\xff.md"),
        OsStr::from_bytes(b"b\xff.md"),
    ];
    fs::write(here.path().join(names[0]), CALM).unwrap();
    fs::write(here.path().join(names[1]), b"\0").unwrap();
    for format in ["json", "jsonl", "sarif", "github", "compact"] {
        let mut command = scoring(&here, &format!("--threshold 0 --format {format}"));
        let outcome = here.outcome(command.args(names).output().unwrap());
        assert_eq!(outcome.code, 2, "{outcome:?}");
        assert!(outcome.out.contains("a\u{fffd}.md") || outcome.out.contains("a%EF%BF%BD.md"));
        let complaint = "error: b\u{fffd}.md: byte 0 is NUL";
        assert!(outcome.err.starts_with(complaint), "{outcome:?}");
        assert_eq!(outcome.err.lines().count(), 1, "{outcome:?}");
    }
}

// Where documents come from.

#[test]
fn standard_input_is_read_from_a_pipe_and_by_its_name() {
    let here = Sandbox::with_files(&[("a.txt", CALM)]);
    let mut bare = here.command(&["score"]);
    let bare = feed(&here, &mut bare, BANANA.as_bytes());
    assert!(bare.out.starts_with("<stdin>:1:32: 0."), "{bare:?}");
    assert_eq!(bare.code, 1);

    let mut named = scoring(&here, "--format jsonl --exit-zero a.txt - -");
    let named = feed(&here, &mut named, "Front `code`\n".as_bytes());
    let lines: Vec<Value> = named.out.lines().map(json).collect();
    assert_eq!(lines.len(), 2, "{named:?}");
    assert_eq!(lines[0]["path"], "a.txt");
    assert_eq!(lines[1]["path"], "<stdin>");
    // What has no extension is plain, unless it is said to be something else.
    assert_eq!(lines[1]["summary"]["words"], 4);
    let mut named = scoring(&here, "--format jsonl --exit-zero --language markdown -");
    let named = feed(&here, &mut named, "Front `code`\n".as_bytes());
    assert_eq!(json(&named.out)["summary"]["words"], 1);
}

#[test]
fn a_format_is_known_by_its_extension_its_first_line_or_its_name() {
    let here = Sandbox::with_files(&[
        ("a.rst", "Title\n=====\n\n.. code-block:: sh\n\n   make\n"),
        ("a.adoc", "= Title\nAnna Weber\n\n----\nmake\n----\n"),
        ("a.tex", "\\section{Title} % make\n\\input{make}\n"),
        ("a.org", "* Title\n#+begin_src sh\nmake\n#+end_src\n"),
        ("a.typ", "= Title\n#make\n```\nmake\n```\n"),
        (
            "a.html",
            "<title>make</title><h1>Title</h1><pre>make</pre>\n",
        ),
        ("a.rs", "/// Title\nfn make() {}\n"),
        ("a.py", "def make():\n    \"\"\"Title\"\"\"\n"),
        ("a.ts", "make(); // Title\n"),
        ("a.go", "// Title\nfunc make() {}\n"),
        ("a.cpp", "make(); /* Title */\n"),
        ("a.java", "/** Title */\nmake();\n"),
        ("a", "#!/bin/sh\nmake # Title\n"),
    ]);
    let files = "a.rst a.adoc a.tex a.org a.typ a.html a.rs a.py a.ts a.go a.cpp a.java a";
    let outcome = score(&here, &format!("--format jsonl --exit-zero {files}"));
    for line in outcome.out.lines() {
        let document = json(line);
        let words = document["words"].as_array().unwrap();
        let texts: Vec<&str> = words
            .iter()
            .filter_map(|word| word["text"].as_str())
            .collect();
        assert_eq!(texts, ["Title"], "{}", document["path"]);
    }
    assert_eq!(outcome.out.lines().count(), 13, "{outcome:?}");
    let mut named = scoring(&here, "--format jsonl --exit-zero --language typescript -");
    let named = feed(&here, &mut named, b"make(); // Title\n");
    assert_eq!(json(&named.out)["summary"]["words"], 1);
    let mut script = scoring(&here, "--format jsonl --exit-zero -");
    let script = feed(
        &here,
        &mut script,
        b"#!/usr/bin/env python3\nmake() # Title\n",
    );
    assert_eq!(json(&script.out)["summary"]["words"], 1);
}

#[test]
fn files_named_beside_standard_input_that_is_no_pipe_of_ours_are_all_that_is_read() {
    let here = Sandbox::with_files(&[("a.txt", CALM)]);
    let mut command = scoring(&here, "--format jsonl --exit-zero a.txt");
    let outcome = feed(&here, &mut command, b"");
    assert_eq!(outcome.out.lines().count(), 1);
}

#[test]
fn files_that_are_scored_together_say_what_each_says_alone_in_their_order() {
    let texts: Vec<String> = (1..60)
        .map(|number| crate::scoring::prose(crate::scoring::WORDS, 7 * number % 400, number as u64))
        .collect();
    let names: Vec<String> = (1..60).map(|number| format!("{number}.txt")).collect();
    let files: Vec<(&str, &str)> = (names.iter().zip(&texts))
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let here = Sandbox::with_files(&files);
    let mut asked = names.clone();
    asked.insert(20, "missing.txt".to_owned());
    asked.reverse();
    for format in ["jsonl", "compact"] {
        let all = format!("--threshold 0.5 --format {format} {}", asked.join(" "));
        let outcome = score(&here, &all);
        assert_eq!(outcome.code, 2);
        let alone = asked.iter().filter(|name| *name != "missing.txt");
        let mut wanted: String = alone
            .map(|name| score(&here, &format!("--threshold 0.5 --format {format} {name}")).out)
            .collect();
        if format == "jsonl" {
            wanted.push_str(&score(&here, "--format jsonl missing.txt").out);
        }
        assert_eq!(outcome.out, wanted);
    }
}

#[test]
fn of_a_folder_the_prose_is_scored_that_gitignore_allows() {
    let here = Sandbox::with_files(&[
        ("docs/b.md", CALM),
        ("docs/a.TXT", CALM),
        ("docs/sub/c.rst", CALM),
        ("docs/sub/code.rs", CALM),
        ("docs/sub/no-extension", CALM),
        ("docs/drafts/d.md", CALM),
        ("docs/keep.draft.md", CALM),
        ("docs/old.draft.md", CALM),
        ("docs/.hidden.md", CALM),
        ("docs/.gitignore", "drafts/\n*.draft.md\n!keep.draft.md\n"),
    ]);
    let outcome = score(&here, "--format jsonl --exit-zero docs docs/sub/code.rs");
    let paths: Vec<Value> = outcome
        .out
        .lines()
        .map(|line| json(line)["path"].clone())
        .collect();
    assert_eq!(
        paths,
        [
            "docs/a.TXT",
            "docs/b.md",
            "docs/keep.draft.md",
            "docs/sub/c.rst",
            "docs/sub/code.rs"
        ]
    );
    assert_eq!(outcome.code, 0);
}

#[test]
fn a_folder_without_documents_is_no_failure_but_is_remarked_on() {
    let here = Sandbox::with_files(&[("src/main.rs", "")]);
    insta::assert_snapshot!(said(&score(&here, "src")), @r"
    exit code 0
    --
    no documents in src: of a folder the files that hold prose are taken, such as .md and .txt, as .gitignore allows; others can be named one by one
    ");
    assert_eq!(score(&here, "-q src").err, "");
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_read_is_an_error_and_the_rest_is_scored() {
    use std::os::unix::fs::PermissionsExt;
    let here = Sandbox::with_files(&[
        ("docs/a.md", CALM),
        ("docs/locked/b.md", CALM),
        ("docs/c.md", CALM),
    ]);
    let locked = here.path().join("docs/locked");
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    let secret = here.path().join("docs/c.md");
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).unwrap();
    let mut command = here.command_bound_by_permissions();
    command.args(["score", "--format", "compact", "--threshold", "0", "docs"]);
    let outcome = here.outcome(command.output().unwrap());
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(outcome.code, 2);
    assert!(outcome.out.starts_with("docs/a.md:1:1: "), "{outcome:?}");
    // Its name is said once.
    let complaint = "error: docs/locked: it may not be read: permission denied\n";
    assert!(outcome.err.contains(complaint), "{outcome:?}");
    assert!(
        outcome
            .err
            .contains("error: docs/c.md: it may not be read: permission denied"),
        "{outcome:?}"
    );
}

#[test]
fn what_is_no_text_is_refused_by_its_byte() {
    let here = Sandbox::with_files(&[]);
    here.write("nul.txt", b"ab\0c");
    here.write("latin.txt", b"caf\xe9 noir");
    here.write("utf16.txt", b"\xff\xfea\0\x00\xd8b\0");
    here.write("half.txt", b"\xfe\xff\0a\0");
    insta::assert_snapshot!(said(&score(&here, "nul.txt latin.txt utf16.txt half.txt")), @r"
    exit code 2
    --
    error: nul.txt: byte 2 is NUL, so this is not a text file; if it is UTF-16, save it with a byte order mark or as UTF-8
    error: latin.txt: byte 3 (0xe9) is not UTF-8; save the file as UTF-8, or as UTF-16 with a byte order mark
    error: utf16.txt: byte 4 is not UTF-16, though the file begins with a UTF-16 byte order mark
    error: half.txt: byte 4 is not UTF-16, though the file begins with a UTF-16 byte order mark
    ");
}

// Exit codes.

#[test]
fn exit_codes_tell_findings_from_failures() {
    let here = Sandbox::with_files(&[("a.md", BANANA), ("b.md", CALM)]);
    let code = |arguments: &str| score(&here, arguments).code;
    assert_eq!(code("--threshold 0 a.md"), 1);
    assert_eq!(code("--threshold 1 a.md b.md"), 0);
    assert_eq!(code("--threshold 0 --exit-zero a.md"), 0);
    // A failure outweighs findings, and is not excused with them.
    assert_eq!(code("--threshold 0 a.md missing.md"), 2);
    assert_eq!(code("--threshold 0 --exit-zero a.md missing.md"), 2);
    assert_eq!(code("--threshold 2 a.md"), 2);
    assert_eq!(code("--nonsense a.md"), 2);
    assert_eq!(here.run(&["--help"]).code, 0);
    assert_eq!(here.run(&["--version"]).code, 0);
}

#[test]
fn a_failure_beside_findings_loses_none_of_them() {
    let here = Sandbox::with_files(&[("a.md", "The boat.\n"), ("z.md", "A boat.\n")]);
    let outcome = score(&here, "--threshold 0 a.md missing.md z.md");
    assert_eq!(outcome.code, 2);
    assert_eq!(outcome.out.lines().count(), 4);
    assert_eq!(
        outcome.err,
        "error: missing.md: there is no such file or folder\n"
    );

    let report = json(&score(&here, "--format json a.md missing.md z.md").out);
    assert_eq!(report["documents"].as_array().unwrap().len(), 2);
    let error =
        serde_json::json!({"path": "missing.md", "message": "there is no such file or folder"});
    assert_eq!(report["errors"], serde_json::json!([error]));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    // Far more than a pipe holds, so that there is somebody to miss the reader.
    let long = "the boat goes over the river.\n".repeat(2_000);
    let here = Sandbox::with_files(&[("a.txt", &long), ("b.txt", &long)]);
    for format in ["compact", "json", "jsonl", "sarif", "github", "pretty"] {
        let mut child = spawn(&mut scoring(
            &here,
            &format!("--threshold 0 --format {format} a.txt b.txt"),
        ));
        let mut first = [0];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        drop(out);
        let outcome = here.outcome(child.wait_with_output().unwrap());
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{format}");
    }
}

#[cfg(unix)]
#[test]
fn output_that_nobody_wants_is_no_failure_and_no_panic() {
    let here = Sandbox::with_files(&[("a.txt", CALM)]);
    // Both ends closed before the program begins.
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    for arguments in [
        &["--help"][..],
        &["man"],
        &["completions", "bash"],
        &["paths"],
        &["model", "list"],
    ] {
        let mut command = here.command(arguments);
        let outcome = here.outcome(command.stdout(closed()).output().unwrap());
        assert_eq!(
            (outcome.code, outcome.err.as_str()),
            (0, ""),
            "{arguments:?}"
        );
    }
    let status = scoring(&here, "missing.txt")
        .stderr(closed())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_work_with_130() {
    let here = Sandbox::with_files(&[("a.txt", CALM)]);
    let mut child = spawn(scoring(&here, "--format jsonl a.txt -").stdin(Stdio::piped()));
    // With the first document written it waits for standard input, which does not end.
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(json(&line)["path"], "a.txt");
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

// Settings.

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let here = Sandbox::with_files(&[
        ("a.txt", CALM),
        (
            "home/.config/electroscope/config.toml",
            "threshold = 0.125\n",
        ),
        ("other.toml", "threshold = 0.375\n"),
    ]);
    let threshold = |arguments: &str, variables: &[(&str, &str)]| {
        let mut command = scoring(
            &here,
            &format!("--format json --exit-zero {arguments} a.txt"),
        );
        let outcome = here.outcome(command.envs(variables.iter().copied()).output().unwrap());
        json(&outcome.out)["documents"][0]["summary"]["threshold"].clone()
    };
    let variable = ("ELECTROSCOPE_THRESHOLD", "0.25");
    assert_eq!(threshold("", &[]), 0.125);
    assert_eq!(threshold("--config other.toml", &[]), 0.375);
    assert_eq!(
        threshold("", &[("ELECTROSCOPE_CONFIG", "other.toml")]),
        0.375
    );
    assert_eq!(threshold("", &[variable]), 0.25);
    assert_eq!(threshold("--threshold 0.75", &[variable]), 0.75);
}

#[test]
fn every_variable_does_what_its_flag_does() {
    let here = Sandbox::with_files(&[("a.md", "one `two`\n"), ("broken.toml", "=")]);
    let run = |variable: &str, value: &str| {
        let mut command = here.command(&["score", "--format", "json", "--threshold", "1", "a.md"]);
        here.outcome(command.env(variable, value).output().unwrap())
    };
    let model = json(&run("ELECTROSCOPE_MODEL", TOY).out);
    assert_eq!(model["model"]["id"], TOY);
    let plain = json(&run("ELECTROSCOPE_LANGUAGE", "plain").out);
    assert_eq!(plain["documents"][0]["summary"]["words"], 4);
    for (variable, value, complaint) in [
        ("ELECTROSCOPE_DEVICE", "abacus", "abacus"),
        ("ELECTROSCOPE_PRECISION", "f3", "f3"),
        ("ELECTROSCOPE_THREADS", "0", "0 threads"),
        ("ELECTROSCOPE_THREADS", "100000", "from 1 to 1024"),
        ("ELECTROSCOPE_COLOR", "pink", "--color"),
        ("ELECTROSCOPE_CONFIG", "broken.toml", "broken.toml"),
        ("ELECTROSCOPE_LOG", "nowhere/log", "nowhere/log"),
        ("ELECTROSCOPE_MODEL", "./nowhere", "./nowhere"),
        ("ELECTROSCOPE_THRESHOLD", "lots", "--threshold"),
    ] {
        // A flag of the same name would win.
        let mut command = here.command(&["score", "a.md"]);
        let outcome = here.outcome(command.env(variable, value).output().unwrap());
        assert_eq!(outcome.code, 2, "{variable}");
        assert!(
            outcome.err.contains(complaint),
            "{variable}: {}",
            outcome.err
        );
    }
    for (value, is_offline) in [
        ("1", true),
        ("true", true),
        ("yes", true),
        ("0", false),
        ("", false),
    ] {
        let mut command = here.command(&["model", "pull", "org/name"]);
        let outcome = here.outcome(command.env("ELECTROSCOPE_OFFLINE", value).output().unwrap());
        assert_eq!(outcome.code, 2);
        assert_eq!(
            outcome.err.contains("offline nothing is downloaded"),
            is_offline,
            "{outcome:?}"
        );
    }
}

#[test]
fn an_unknown_setting_is_refused_with_its_line_once() {
    let here = Sandbox::with_files(&[
        ("set.toml", "model = \"builtin\"\nmodle = \"x\"\n"),
        ("a.md", CALM),
    ]);
    insta::assert_snapshot!(said(&here.run(&["score", "--config", "set.toml", "a.md"])), @r#"
    exit code 2
    --
    error: the settings file set.toml is not understood: TOML parse error at line 2, column 1
      |
    2 | modle = "x"
      | ^^^^^
    unknown field `modle`, expected one of `model`, `revision`, `device`, `precision`, `threads`, `offline`, `color`, `theme`, `lens`, `threshold`, `thresholds`, `punctuation`, `heads`
    "#);
    let missing = here.run(&["score", "--config", "none.toml", "a.md"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing
            .err
            .starts_with("error: cannot read the settings file none.toml: ")
    );
}

#[test]
fn options_for_all_commands_may_stand_before_the_command() {
    let here = Sandbox::with_files(&[("a.md", CALM)]);
    let before = here.run(&["--model", TOY, "-q", "score", "--threshold", "0", "a.md"]);
    let after = score(&here, "-q --threshold 0 a.md");
    assert_eq!(before.code, 1, "{before:?}");
    assert_eq!(before.out, after.out);
    // Those of the screen would be taken in silence and do nothing.
    let stray = here.run(&["--threshold", "0", "score", "a.md"]);
    insta::assert_snapshot!(said(&stray), @r"
    exit code 2
    --
    error: --threshold stands after the command: electroscope score --threshold …

    Usage: electroscope [OPTIONS] [FILE|DIR]...
           electroscope [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    let stray = here.run(&["a.md", "-q", "score", "a.md"]);
    assert!(
        stray.err.contains("documents stand after the command"),
        "{stray:?}"
    );
}

#[test]
fn quiet_leaves_results_and_errors_and_a_log_goes_where_it_was_asked_for() {
    let here = Sandbox::with_files(&[("a.md", "The boat.\n")]);
    let outcome = score(&here, "-q --threshold 0 a.md missing.md");
    assert_eq!(outcome.out.lines().count(), 2);
    assert_eq!(
        outcome.err,
        "error: missing.md: there is no such file or folder\n"
    );
    let logged = score(&here, "-v --threshold 0 a.md");
    assert!(logged.err.contains("settings"), "{logged:?}");
    assert_eq!(score(&here, "--log run.log --threshold 0 a.md").err, "");
    let log = fs::read_to_string(here.path().join("run.log")).unwrap();
    assert!(log.contains("settings") && !log.contains('\u{1b}'), "{log}");
}

// Calibration.

#[test]
fn calibration_finds_the_threshold_and_keeps_it_for_its_model() {
    let text =
        "The boat goes over the river to the harbour and waits every day in spring. ".repeat(60);
    let here = Sandbox::with_files(&[
        ("fine.txt", &text),
        ("set.toml", "# mine\ntheme = \"dark\"\n"),
        ("short.txt", "The boat.\n"),
    ]);
    let done = score(
        &here,
        "--config set.toml --calibrate --false-alarms 0.1 fine.txt",
    );
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{done:?}");
    let settings = fs::read_to_string(here.path().join("set.toml")).unwrap();
    assert!(
        settings.starts_with("# mine\ntheme = \"dark\"\n\n[thresholds]\n"),
        "{settings}"
    );
    assert!(settings.contains(&format!("\"{TOY}\" = 0.")), "{settings}");
    assert!(
        done.err.contains(" of 900 words lie at or above it"),
        "{done:?}"
    );

    let report = json(&score(&here, "--config set.toml --format json fine.txt").out);
    let summary = &report["documents"][0]["summary"];
    let (words, flagged) = (
        summary["words"].as_u64().unwrap(),
        summary["flagged"].as_u64().unwrap(),
    );
    assert!(flagged > 0 && flagged * 10 <= words, "{summary}");
    assert!(
        settings.contains(&summary["threshold"].to_string()),
        "{summary} in {settings}"
    );
    // Another model keeps its own.
    let other = here.run(&[
        "score",
        "--config",
        "set.toml",
        "--format",
        "json",
        "short.txt",
    ]);
    assert_ne!(
        json(&other.out)["documents"][0]["summary"]["threshold"],
        summary["threshold"]
    );
    // The same folder by another name is the same model.
    let parent = Path::new(TOY).parent().unwrap();
    let mut command = here.command(&["score", "--model", "./projected", "--format", "json"]);
    command.arg("--config").arg(here.path().join("set.toml"));
    command
        .arg(here.path().join("fine.txt"))
        .current_dir(parent);
    let report = json(&here.outcome(command.output().unwrap()).out);
    assert_eq!(
        report["documents"][0]["summary"]["threshold"],
        summary["threshold"]
    );
}

#[test]
fn calibration_refuses_what_says_too_little_and_leaves_the_settings_alone() {
    let here = Sandbox::with_files(&[
        ("short.txt", "The boat goes.\n"),
        ("set.toml", "theme = \"dark\"\n"),
    ]);
    insta::assert_snapshot!(said(&score(&here, "--config set.toml --calibrate short.txt")), @r"
    exit code 2
    --
    error: 3 words are too few to find a threshold on; give at least 500 of text that you are content with
    ");
    let partly = score(&here, "--config set.toml --calibrate short.txt missing.txt");
    assert_eq!(partly.code, 2);
    assert!(
        partly.err.contains("missing.txt: there is no such file"),
        "{partly:?}"
    );
    let settings = fs::read_to_string(here.path().join("set.toml")).unwrap();
    assert_eq!(settings, "theme = \"dark\"\n");
    let conflict = score(&here, "--calibrate --format json short.txt");
    assert!(conflict.err.contains("cannot be used with"), "{conflict:?}");
    let alone = score(&here, "--false-alarms 0.1 short.txt");
    assert!(alone.err.contains("--calibrate"), "{alone:?}");
}

#[test]
fn a_calibration_without_a_settings_file_makes_one() {
    let here = Sandbox::with_files(&[("fine.txt", &CALM.repeat(100))]);
    let done = score(&here, "--calibrate fine.txt");
    assert_eq!(done.code, 0, "{done:?}");
    let settings = here.path().join("home/.config/electroscope/config.toml");
    assert!(
        fs::read_to_string(&settings)
            .unwrap()
            .starts_with("[thresholds]\n")
    );
    assert!(
        done.err
            .contains("HERE/home/.config/electroscope/config.toml"),
        "{done:?}"
    );
}

// What the shell wants to know.

/// The help of a command, at a width of its own.
fn help(command: &str) -> String {
    let here = Sandbox::new();
    let mut command = here.command(&command.split_whitespace().collect::<Vec<_>>());
    let outcome = command
        .args(["--help"])
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    let outcome = here.outcome(outcome);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    outcome.out
}

#[test]
fn the_help_of_every_command() {
    for command in [
        "",
        "view",
        "score",
        "fix",
        "lsp",
        "classify",
        "ask",
        "tag",
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
        "dictionary",
        "dictionary add",
        "dictionary remove",
        "dictionary list",
        "evaluate errors",
        "completions",
        "man",
        "paths",
    ] {
        let text = help(command);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{command}: {widest:?} columns");
        assert!(text.contains("\nExamples:\n"), "{command} has no example");
        let name = format!("help {command}").trim_end().replace(' ', "_");
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn a_word_close_to_a_command_is_not_opened_as_a_file() {
    let here = Sandbox::with_files(&[("a.md", CALM)]);
    let slip = here.run(&["scor", "a.md"]);
    assert_eq!(slip.code, 2);
    assert!(slip.err.contains("did you mean `score`?"), "{slip:?}");
    // A file of that name is a file.
    here.write("scor", CALM.as_bytes());
    let file = here.run(&["scor", "a.md"]);
    assert!(file.err.contains("the screen needs a terminal"), "{file:?}");
}

#[test]
fn help_is_a_command_too() {
    let here = Sandbox::new();
    for (asked, flag) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "score"], &["score", "--help"]),
        (&["help", "model", "info"], &["model", "info", "--help"]),
    ] {
        let (asked, flag) = (here.run(asked), here.run(flag));
        assert_eq!((asked.code, &asked.out), (0, &flag.out));
    }
}

#[cfg(unix)]
#[test]
fn bash_completes_values_and_heads_with_their_colons() {
    let here = Sandbox::with_files(&[(
        "home/.config/electroscope/config.toml",
        "[heads.mine]\nmodel = \"org/x\"\ntask = \"tagging\"\n",
    )]);
    let script = here.run(&["completions", "bash"]).out;
    here.write("complete.bash", script.as_bytes());
    // The words as bash parts them, at colons too.
    let complete = |words: &str| {
        let line = format!(
            "source complete.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _electroscope_colons electroscope; echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .args(["--norc", "-c", &line])
            .current_dir(here.path())
            .output();
        output.ok().map(|output| here.outcome(output).out)
    };
    let Some(heads) = complete("electroscope tag --head ''") else {
        return;
    };
    assert_eq!(heads, "builtin:pos builtin:entities builtin:errors mine\n");
    for (words, wanted) in [
        ("electroscope tag --head builtin : e", "entities errors"),
        ("electroscope tag --head builtin :", "pos entities errors"),
        ("electroscope ask --head ''", "builtin:qa"),
        ("electroscope --theme ''", "dark light ansi-16 mono"),
        ("electroscope score --lens e", "errors"),
        ("electroscope score --format s", "sarif"),
    ] {
        assert_eq!(complete(words).unwrap().trim(), wanted, "{words}");
    }
    // A flag that the command does not use is not offered.
    let flags = complete("electroscope paths --").unwrap();
    assert!(
        flags.contains("--config") && !flags.contains("--model"),
        "{flags}"
    );
}

#[test]
fn there_are_completions_for_every_shell() {
    let here = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = here.run(&["completions", shell]);
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
        for word in [
            "score",
            "calibrate",
            "exit-zero",
            "offline",
            "classify",
            "sentence",
            "answers",
            "head",
        ] {
            assert!(
                outcome.out.contains(word),
                "{shell} does not complete {word}"
            );
        }
    }
    let unknown = here.run(&["completions", "tcsh"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("bash, elvish, fish, powershell, zsh"),
        "{unknown:?}"
    );
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let here = Sandbox::new();
    let page = here.run(&["man"]);
    assert!(page.out.contains(".TH electroscope 1"), "{}", page.out);
    assert_eq!(here.run(&["man", "--out", "share/man1"]).code, 0);
    let mut pages: Vec<String> = fs::read_dir(here.path().join("share/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    insta::assert_snapshot!(pages.join("\n"));
    let score = fs::read_to_string(here.path().join("share/man1/electroscope-score.1")).unwrap();
    assert!(
        score.contains("calibrate") && score.contains("EXIT STATUS"),
        "{score}"
    );
    here.write("file", b"");
    let blocked = here.run(&["man", "--out", "file"]);
    assert_eq!(blocked.code, 2);
    assert!(
        blocked.err.contains("cannot make the folder file"),
        "{blocked:?}"
    );
}

#[test]
fn paths_says_where_things_are_and_shows_every_setting() {
    let here = Sandbox::new();
    insta::assert_snapshot!(here.run(&["paths"]).out, @r"
    settings    HERE/home/.config/electroscope/config.toml
    dictionary  HERE/home/.config/electroscope/dictionary.txt
    state       HERE/home/.local/state/electroscope
    models      HERE/home/.cache/huggingface/hub
    log         none (see --log)
    ");
    let mut command = here.command(&["paths", "--config", "mine.toml", "--log", "run.log"]);
    command
        .env("XDG_STATE_HOME", here.path().join("state"))
        .env("HF_HOME", here.path().join("hf"));
    insta::assert_snapshot!(here.outcome(command.output().unwrap()).out, @r"
    settings    mine.toml
    dictionary  HERE/home/.config/electroscope/dictionary.txt
    state       HERE/state/electroscope
    models      HERE/hf/hub
    log         run.log
    ");
    let example = here.run(&["paths", "--example"]);
    assert_eq!(example.out, electroscope::settings::EXAMPLE);
    // It says where settings go even while those that are there cannot be read.
    here.write("home/.config/electroscope/config.toml", b"=");
    assert_eq!(here.run(&["paths"]).code, 0);
}

#[test]
fn the_script_for_zsh_has_no_bare_colon_in_the_name_of_a_value() {
    // zsh runs what follows a colon: the name of `--head`'s value has one.
    let script = Sandbox::new().run(&["completions", "zsh"]);
    assert!(
        script.out.contains(":builtin\\:NAME|DIR|HUB_ID:"),
        "{}",
        script.err
    );
    assert!(!script.out.contains(":builtin:NAME"), "{}", script.out);
}
