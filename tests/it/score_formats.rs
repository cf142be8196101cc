//! What `score` finds with either lens, in the formats that other programs read.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Outcome, Sandbox};

/// `a` and the second `the` are errors that need no model.
const ERRORS: &str = "# Notes\n\nBuy a apple for the the boat. The boats wait in the harbour.\n";

/// `score` with the errors lens. `arguments` are parted by white space.
fn errors(here: &Sandbox, arguments: &str) -> Outcome {
    let mut command = here.command(&["score", "--lens", "errors"]);
    command.args(arguments.split_whitespace());
    here.outcome(command.output().unwrap())
}

/// The same, of errors that are certain.
fn certain_errors(here: &Sandbox, arguments: &str) -> Outcome {
    errors(here, &format!("--threshold 0.98 {arguments}"))
}

#[track_caller]
fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap_or_else(|err| panic!("{err} in {outcome:?}"))
}

/// The results of a SARIF report.
fn results(sarif: &Value) -> &Vec<Value> {
    sarif["runs"][0]["results"].as_array().unwrap()
}

#[test]
fn repeated_words_and_wrong_articles_are_certain_to_the_errors_lens() {
    let here = Sandbox::with_files(&[("notes.md", ERRORS)]);
    let scored = json(&certain_errors(&here, "--format json notes.md"));
    assert_eq!(scored["model"]["id"], "builtin:errors");
    let words = scored["documents"][0]["words"].as_array().unwrap();
    let certain: Vec<&str> = (words.iter())
        .filter(|word| word["p"].as_f64().unwrap() >= 0.99)
        .map(|word| word["text"].as_str().unwrap())
        .collect();
    assert_eq!(certain, ["a", "the"]);
    let flagged = words.iter().filter(|word| word["flagged"] == true);
    assert_eq!(flagged.count(), 2);
}

#[test]
fn errors_are_findings_in_every_format() {
    let here = Sandbox::with_files(&[("notes.md", ERRORS), ("calm.md", "The boats wait.\n")]);
    let compact = certain_errors(&here, "notes.md");
    assert_eq!(compact.code, 1);
    assert!(compact.out.starts_with("notes.md:3:5: 0."), "{compact:?}");
    assert!(
        compact.out.lines().next().unwrap().ends_with(" a"),
        "{compact:?}"
    );
    assert_eq!(certain_errors(&here, "calm.md").code, 0);
    assert_eq!(certain_errors(&here, "--exit-zero notes.md").code, 0);

    let pretty = certain_errors(&here, "--format pretty notes.md");
    assert!(pretty.out.contains("2 flagged of "), "{pretty:?}");
    let github = certain_errors(&here, "--format github notes.md");
    let start = "::warning file=notes.md,line=3,col=5,endColumn=6,title=Writing error::“a” may be";
    assert!(github.out.starts_with(start), "{github:?}");
    let sarif = json(&certain_errors(&here, "--format sarif notes.md"));
    assert_eq!(
        sarif["runs"][0]["tool"]["driver"]["rules"][0]["id"],
        "writing-error"
    );
    assert_eq!(results(&sarif)[0]["ruleId"], "writing-error");
    let line = json(&certain_errors(&here, "--format jsonl notes.md"));
    assert_eq!(line["summary"]["flagged"], 2);
}

#[test]
fn a_head_of_ones_own_marks_errors_by_flag_and_by_setting() {
    let head = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/reference/heads/electra-tags"
    );
    let settings = format!("[heads.errors]\nmodel = {head:?}\ntask = \"tagging\"\n");
    let here = Sandbox::with_files(&[("notes.md", ERRORS), ("set.toml", &settings)]);
    let by_flag = json(&errors(
        &here,
        &format!("--format json --head {head} notes.md"),
    ));
    let by_setting = json(&errors(&here, "--format json --config set.toml notes.md"));
    assert_eq!(by_flag["documents"], by_setting["documents"]);
    assert_eq!(by_setting["model"]["id"], "errors");
    // A head for something else cannot.
    let other = errors(&here, "--head builtin:sentiment notes.md");
    assert_eq!(other.code, 2);
    assert!(
        other.err.contains("a head that tags words is needed"),
        "{other:?}"
    );
}

#[test]
fn the_errors_lens_has_a_threshold_of_its_own() {
    let fine = "The boats wait in the harbour and the old captain reads his book. ".repeat(60);
    let here = Sandbox::with_files(&[("notes.md", ERRORS), ("fine.txt", &fine), ("set.toml", "")]);
    let threshold = |arguments: &str| {
        let report = json(&errors(
            &here,
            &format!("--format json {arguments} notes.md"),
        ));
        report["documents"][0]["summary"]["threshold"].clone()
    };
    let carried = threshold("");
    assert_eq!(threshold("--threshold 0.25"), 0.25);
    let done = errors(&here, "--config set.toml --calibrate fine.txt");
    assert_eq!(done.code, 0, "{done:?}");
    let settings = fs::read_to_string(here.path().join("set.toml")).unwrap();
    assert!(settings.contains("\"builtin:errors\" = 0."), "{settings}");
    assert_ne!(threshold("--config set.toml"), carried);
}

#[test]
fn a_byte_offset_is_given_only_where_the_file_is_utf8() {
    let here = Sandbox::with_files(&[("plain.txt", ERRORS)]);
    let utf16: Vec<u8> = ("\u{feff}".to_owned() + ERRORS)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    here.write("wide.txt", &utf16);
    let regions = |file: &str| {
        let sarif = json(&errors(&here, &format!("--format sarif {file}")));
        let region = "/locations/0/physicalLocation/region";
        let regions = results(&sarif)
            .iter()
            .map(|one| one.pointer(region).unwrap().clone());
        regions.collect::<Vec<_>>()
    };
    let (plain, wide) = (regions("plain.txt"), regions("wide.txt"));
    assert_eq!(plain.len(), wide.len());
    assert_eq!(plain[0]["byteOffset"], 13);
    assert_eq!(wide[0].get("byteOffset"), None);
    assert_eq!(wide[0].get("byteLength"), None);
    assert_eq!(wide[0]["startColumn"], plain[0]["startColumn"]);
}

#[test]
fn a_fingerprint_follows_a_finding_through_the_file_and_no_further() {
    let moved = format!(
        "{}\n\nOne more.\n\n{ERRORS}",
        "The boats wait in the harbour."
    );
    let twice = format!("{ERRORS}\n{ERRORS}");
    let here = Sandbox::with_files(&[("a.txt", ERRORS), ("b.txt", &moved), ("c.txt", &twice)]);
    let fingerprints = |file: &str| -> Vec<String> {
        let sarif = json(&certain_errors(&here, &format!("--format sarif {file}")));
        let print = |result: &Value| {
            let print = result["partialFingerprints"]["wordInContext/v2"].as_str();
            print.unwrap().to_owned()
        };
        results(&sarif).iter().map(print).collect()
    };
    let (first, moved, twice) = (
        fingerprints("a.txt"),
        fingerprints("b.txt"),
        fingerprints("c.txt"),
    );
    assert_eq!(first, moved);
    assert_ne!(first[0], first[1]);
    // The form is a hash and a number, and the hash never changes.
    assert_eq!(first[0], "162960d0ed499fda:1");
    assert_eq!(twice[..2], first);
    assert_eq!(twice[2].split(':').next(), first[0].split(':').next());
    assert!(twice[2].ends_with(":2"), "{twice:?}");
}

#[test]
fn an_absolute_path_is_a_file_uri() {
    let here = Sandbox::with_files(&[("a b.md", ERRORS)]);
    let path = here.path().join("a b.md");
    let mut command = here.command(&["score", "--lens", "errors", "--format", "sarif"]);
    let sarif = json(&here.outcome(command.arg(path).output().unwrap()));
    let uri =
        results(&sarif)[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
    assert_eq!(uri, "file://HERE/a%20b.md");
}

#[test]
fn github_gets_ten_annotations_of_a_kind_and_a_line_for_the_rest() {
    let here = Sandbox::with_files(&[("a.md", &ERRORS.repeat(4)), ("b.md", &ERRORS.repeat(2))]);
    let missing: Vec<String> = (0..12).map(|n| format!("missing{n}.md")).collect();
    let arguments = format!("--format github a.md b.md {}", missing.join(" "));
    let outcome = certain_errors(&here, &arguments);
    let count = |start: &str| {
        outcome
            .out
            .lines()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!(
        (count("::warning "), count("::error "), outcome.code),
        (10, 10, 2)
    );
    let notices: Vec<&str> = (outcome.out.lines())
        .filter(|line| line.starts_with("::notice "))
        .collect();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(
        notices[0].contains("2 more findings") && notices[0].ends_with("b.md (2)"),
        "{notices:?}"
    );
    assert!(
        notices[1].contains("2 more files could not be read"),
        "{notices:?}"
    );
}

#[test]
fn up_to_max_flagged_words_are_no_finding() {
    let here = Sandbox::with_files(&[("a.md", ERRORS), ("b.md", ERRORS)]);
    let code = |arguments: &str| certain_errors(&here, arguments).code;
    assert_eq!(code("--max-flagged 4 a.md b.md"), 0);
    assert_eq!(code("--max-flagged 3 a.md b.md"), 1);
    assert_eq!(code("--max-flagged 0 a.md"), 1);
    assert_eq!(code("--max-flagged 9 a.md missing.md"), 2);
}

// Changed lines.

/// Runs `git` in the sandbox; whether there is one.
fn git(here: &Sandbox, arguments: &str) -> bool {
    let mut command = std::process::Command::new("git");
    command
        .current_dir(here.path())
        .env("HOME", here.path())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
        .args(arguments.split_whitespace());
    match command.output() {
        Ok(output) => {
            assert!(output.status.success(), "git {arguments}: {output:?}");
            true
        }
        Err(_) => false,
    }
}

#[test]
fn since_a_revision_only_words_on_changed_lines_are_flagged() {
    let here = Sandbox::with_files(&[
        ("docs/a.md", ERRORS),
        ("docs/same.md", ERRORS),
        ("docs/é b.md", ERRORS),
    ]);
    if !git(&here, "init -q") {
        return;
    }
    git(&here, "add .");
    git(&here, "commit -q -m first");
    here.write(
        "docs/a.md",
        format!("He ate a orange.\n\n{ERRORS}").as_bytes(),
    );
    here.write("docs/new.md", ERRORS.as_bytes());
    here.write("docs/é b.md", ERRORS.replace("apple", "orange").as_bytes());
    let outcome = errors(&here, "--since HEAD docs");
    let found: Vec<&str> = (outcome.out.lines())
        .map(|line| line.rsplit_once(": ").unwrap().0)
        .collect();
    assert_eq!(outcome.code, 1, "{outcome:?}");
    // All of a new file is new; of a changed one only the lines that are.
    let wanted = [
        "docs/a.md:1:8",
        "docs/new.md:3:5",
        "docs/new.md:3:21",
        "docs/é b.md:3:5",
    ];
    for place in wanted {
        assert!(found.contains(&place), "{place} is not in {found:?}");
    }
    assert!(
        !outcome.out.contains("docs/same.md") && !outcome.out.contains("docs/a.md:5"),
        "{outcome:?}"
    );
    git(&here, "add .");
    git(&here, "commit -q -m second");
    assert_eq!(errors(&here, "--since HEAD docs").code, 0);
    assert_eq!(errors(&here, "--since HEAD~1 docs").out, outcome.out);
    let unknown = errors(&here, "--since nowhere docs");
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("has no revision \"nowhere\""),
        "{unknown:?}"
    );
    // What looks like an option is none to git.
    let option = errors(&here, "--since=--output=x docs");
    assert_eq!(option.code, 2);
    assert!(!here.path().join("x").exists());
}

#[test]
fn since_needs_git_a_repository_and_files() {
    let here = Sandbox::with_files(&[("a.md", ERRORS)]);
    let mut command = here.command(&["score", "--since", "HEAD", "a.md"]);
    let without = here.outcome(command.env("PATH", here.path()).output().unwrap());
    assert_eq!(without.code, 2);
    assert!(without.err.contains("no program git"), "{without:?}");
    let stdin = here.run(&["score", "--since", "HEAD", "-"]);
    assert!(stdin.err.contains("--since needs files"), "{stdin:?}");
    let mut command = here.command(&["score", "--since", "HEAD", "a.md"]);
    command.env("GIT_CEILING_DIRECTORIES", here.path().parent().unwrap());
    let outside = here.outcome(command.output().unwrap());
    assert_eq!(outside.code, 2);
    if !outside.err.contains("no program git") {
        assert!(
            outside.err.contains("is in no git repository"),
            "{outside:?}"
        );
    }
}

#[test]
fn an_error_about_a_file_names_it_once() {
    let here = Sandbox::with_files(&[("a.md", ERRORS)]);
    for arguments in [
        "missing.md",
        "--config none.toml a.md",
        "--head ./none a.md",
    ] {
        let outcome = errors(&here, arguments);
        assert_eq!(outcome.code, 2, "{outcome:?}");
        let name = arguments
            .split(' ')
            .find(|part| part.contains("missing") || part.contains("none"));
        let count = outcome.err.matches(name.unwrap()).count();
        assert_eq!(count, 1, "{outcome:?}");
    }
}
