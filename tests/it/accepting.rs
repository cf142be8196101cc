//! Words that are accepted, places that are silenced, findings that are known.

use serde_json::Value;

use crate::sandbox::{Outcome, Sandbox};

const BANANA: &str = "The committee has approved the banana of the new bridge over the river.\n";
const CALM: &str = "The boats wait in the harbour.\n";

/// The words that a run in the compact format reports.
fn reported(outcome: &Outcome) -> Vec<&str> {
    let words = outcome.out.lines().map(|line| line.rsplit(' ').next());
    words.flatten().collect()
}

fn score(here: &Sandbox, arguments: &[&str]) -> Outcome {
    let all: Vec<&str> = ["score"].iter().chain(arguments).copied().collect();
    here.run(&all)
}

/// What JSON says of the words of a document: text and p.
fn words(here: &Sandbox, file: &str) -> Vec<(String, f64, bool)> {
    let outcome = score(here, &["--format", "json", file]);
    let json: Value = serde_json::from_str(&outcome.out).unwrap();
    let words = json["documents"][0]["words"].as_array().unwrap();
    words
        .iter()
        .map(|word| {
            let text = word["text"].as_str().unwrap().to_owned();
            (text, word["p"].as_f64().unwrap(), word["flagged"] == true)
        })
        .collect()
}

// Dictionaries.

#[test]
fn an_accepted_word_is_not_flagged_and_keeps_its_p() {
    let here = Sandbox::with_files(&[("docs/a.md", BANANA)]);
    let before = words(&here, "docs/a.md");
    assert_eq!(score(&here, &["docs"]).code, 1);
    let added = here.run(&["dictionary", "add", "Banana", "banana"]);
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(
        added.err,
        "added Banana to HERE/home/.config/electroscope/dictionary.txt\n\
         added banana to HERE/home/.config/electroscope/dictionary.txt\n"
    );
    let scored = score(&here, &["docs"]);
    assert_eq!((scored.code, scored.out.as_str()), (0, ""), "{scored:?}");
    let after = words(&here, "docs/a.md");
    let p =
        |words: &[(String, f64, bool)]| -> Vec<f64> { words.iter().map(|word| word.1).collect() };
    assert_eq!(p(&before), p(&after));
    assert!(before.iter().any(|word| word.2) && !after.iter().any(|word| word.2));
    let again = here.run(&["dictionary", "add", "BANANA"]);
    assert_eq!(
        (again.code, again.err.as_str()),
        (
            0,
            "BANANA is accepted already, by banana in HERE/home/.config/electroscope/dictionary.txt\n"
        )
    );
    assert_eq!(here.run(&["dictionary", "list"]).out, "Banana\nbanana\n");
    let removed = here.run(&["dictionary", "remove", "banana", "Banana"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert_eq!(score(&here, &["docs"]).code, 1);
    let missing = here.run(&["dictionary", "remove", "banana"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.err.contains("so nothing was removed"),
        "{missing:?}"
    );
}

#[test]
fn a_project_has_words_of_its_own_found_upwards_from_the_file() {
    let here = Sandbox::with_files(&[
        ("one/docs/a.md", BANANA),
        ("one/.electroscope/dictionary.txt", "# fruit\nbanana\n"),
        ("two/a.md", BANANA),
    ]);
    let scored = score(&here, &["one/docs/a.md", "two/a.md"]);
    assert_eq!(scored.out.lines().count(), 1, "{scored:?}");
    assert!(scored.out.starts_with("two/a.md:"), "{scored:?}");
    let mut command = here.command(&["dictionary", "add", "--project", "apple"]);
    std::fs::create_dir(here.path().join("two/.git")).unwrap();
    command.current_dir(here.path().join("two"));
    assert_eq!(here.outcome(command.output().unwrap()).code, 0);
    let words = std::fs::read_to_string(here.path().join("two/.electroscope/dictionary.txt"));
    assert_eq!(words.unwrap(), "apple\n");
    let mut command = here.command(&["dictionary", "list", "--project"]);
    command.current_dir(here.path().join("one/docs"));
    assert_eq!(here.outcome(command.output().unwrap()).out, "banana\n");
}

#[test]
fn a_dictionary_that_is_no_text_is_named_and_the_documents_are_scored_all_the_same() {
    let here = Sandbox::with_files(&[("a.md", BANANA)]);
    here.write(".electroscope/dictionary.txt", b"banana\n\xff\n");
    let scored = score(&here, &["a.md"]);
    assert_eq!(scored.code, 2, "{scored:?}");
    assert_eq!(reported(&scored), ["banana"]);
    assert_eq!(
        scored.err,
        "error: HERE/.electroscope/dictionary.txt: the dictionary cannot be read: it is not UTF-8 text \
         (byte 7)\n"
    );
    here.write(".electroscope/dictionary.txt", b"banana\nNew York\n");
    let scored = score(&here, &["a.md"]);
    assert_eq!(scored.code, 2, "{scored:?}");
    assert!(
        scored
            .err
            .contains("dictionary.txt: line 2: \"New York\" is more than one word")
    );
    std::fs::remove_dir_all(here.path().join(".electroscope")).unwrap();
    here.write("home/.config/electroscope/dictionary.txt", b"a\0b\n");
    let scored = score(&here, &["a.md"]);
    assert_eq!(scored.code, 2, "{scored:?}");
    let added = here.run(&["dictionary", "add", "banana"]);
    assert_eq!(added.code, 2, "{added:?}");
    let kept = std::fs::read(here.path().join("home/.config/electroscope/dictionary.txt"));
    assert_eq!(kept.unwrap(), b"a\0b\n");
}

#[test]
fn what_is_no_word_is_not_added() {
    let here = Sandbox::new();
    let refused = here.run(&["dictionary", "add", "fine", "New York"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("\"New York\" is more than one word"),
        "{refused:?}"
    );
    assert_eq!(here.run(&["dictionary", "list"]).out, "");
    let both = here.run(&["dictionary", "list", "--user", "--project"]);
    assert_eq!(both.code, 2);
}

// Marks.

#[test]
fn a_mark_silences_its_place_in_every_format_and_both_lenses() {
    let marked = format!("<!-- electroscope-disable-next-line banana -->\n{BANANA}");
    let here = Sandbox::with_files(&[
        ("a.md", BANANA),
        ("b.md", &marked),
        (
            "c.md",
            "<!-- cspell:ignore have cat -->\n\nShe have two cat.\n",
        ),
        ("d.txt", &format!("{CALM}{marked}")),
    ]);
    for format in ["pretty", "compact", "github", "json", "jsonl", "sarif"] {
        let scored = score(&here, &["--format", format, "b.md"]);
        assert_eq!(scored.code, 0, "{format}: {scored:?}");
        let flagged = ["\"flagged\":true", "::warning", "\"ruleId\""];
        assert!(
            !flagged.iter().any(|mark| scored.out.contains(mark)),
            "{scored:?}"
        );
        assert_eq!(score(&here, &["--format", format, "a.md"]).code, 1);
    }
    assert_eq!(score(&here, &["--lens", "errors", "c.md"]).code, 0);
    let here_too = score(&here, &["d.txt"]);
    assert_eq!(
        (here_too.code, here_too.out.as_str()),
        (0, ""),
        "{here_too:?}"
    );
    // Every word has the p that it has without the mark.
    assert_eq!(
        words(&here, "a.md")
            .iter()
            .map(|word| word.1)
            .collect::<Vec<_>>(),
        words(&here, "b.md")
            .iter()
            .map(|word| word.1)
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_document_with_marks_scores_the_same_elsewhere() {
    let plain = "The boats wait.\nWe saw the banana of the bridge.\nIt was late for the ferry.\n";
    let marked = plain
        .replace("We saw", "<!-- electroscope-disable-next-line -->\nWe saw")
        .replace("ferry.", "ferry. <!-- electroscope-disable-line -->");
    let here = Sandbox::with_files(&[("a.txt", plain), ("b.txt", &marked), ("a.md", plain)]);
    let inline = plain.replace("bridge.", "bridge. <!-- electroscope-disable-line -->");
    here.write("b.md", inline.as_bytes());
    for (one, other) in [("a.txt", "b.txt"), ("a.md", "b.md")] {
        let scores = |file| -> Vec<(String, f64)> {
            let words = words(&here, file).into_iter();
            words.map(|(text, p, _)| (text, p)).collect()
        };
        assert_eq!(scores(one), scores(other), "{one}");
        assert!(!words(&here, other).iter().any(|word| word.2));
    }
}

#[test]
fn a_misspelt_mark_is_an_error_that_names_its_line() {
    let text = format!("{CALM}\n<!-- electroscope-disabel-next-line -->\n{BANANA}");
    let here = Sandbox::with_files(&[("a.md", &text)]);
    let scored = score(&here, &["a.md"]);
    assert_eq!(scored.code, 2);
    assert_eq!(reported(&scored), ["banana"]);
    assert_eq!(
        scored.err,
        "error: a.md: line 3: there is no mark electroscope-disabel-next-line; did you mean \
         electroscope-disable-next-line?\n"
    );
    let json: Value =
        serde_json::from_str(&score(&here, &["--format", "json", "a.md"]).out).unwrap();
    assert_eq!(json["errors"][0]["path"], "a.md");
}

#[test]
fn marks_that_silence_nothing_are_reported_if_that_is_asked_for() {
    let text = format!(
        "{CALM}\n<!-- electroscope-disable-next-line apple banana -->\n{BANANA}\n\
         {} <!-- electroscope-disable-line -->\n",
        CALM.trim_end()
    );
    let here = Sandbox::with_files(&[("a.md", &text)]);
    assert_eq!(score(&here, &["a.md"]).code, 0);
    let asked = score(&here, &["--report-unused-marks", "a.md"]);
    assert_eq!((asked.code, asked.out.as_str()), (1, ""));
    assert_eq!(
        asked.err,
        "a.md:3:6: electroscope-disable-next-line silences no apple; remove what is of no use\n\
         a.md:6:37: electroscope-disable-line silences nothing; remove it\n"
    );
    let fine = score(&here, &["--report-unused-marks", "--exit-zero", "a.md"]);
    assert_eq!(fine.code, 0);
}

// Baselines.

#[test]
fn a_baseline_lets_only_what_is_new_fail() {
    let here = Sandbox::with_files(&[("docs/a.md", BANANA), ("docs/b.md", CALM)]);
    let baseline = ["--baseline", "known.json", "docs"];
    let missing = score(&here, &baseline);
    assert_eq!(missing.code, 2);
    assert!(
        missing.err.contains("write one with --update-baseline"),
        "{missing:?}"
    );
    let update = ["--baseline", "known.json", "--update-baseline", "docs"];
    let written = score(&here, &update);
    assert_eq!((written.code, written.out.as_str()), (0, ""), "{written:?}");
    assert_eq!(
        written.err,
        "known.json knows 1 finding in 1 document now\n"
    );
    let text = std::fs::read_to_string(here.path().join("known.json")).unwrap();
    let finding = "{\"path\":\"docs/a.md\",\"word\":\"banana\",\"before\":[\"approved\",\"the\"],\
                   \"after\":[\"of\",\"the\"],\"count\":1}";
    assert!(text.contains(finding), "{text}");
    // Written and read at once, it knows everything, wherever it is called from.
    let known = score(&here, &baseline);
    assert_eq!(
        (known.code, known.out.as_str(), known.err.as_str()),
        (0, "", "")
    );
    let mut elsewhere = here.command(&["score", "--baseline", "../known.json", "a.md"]);
    elsewhere.current_dir(here.path().join("docs"));
    assert_eq!(here.outcome(elsewhere.output().unwrap()).code, 0);
    // A paragraph that moves is not new, and one that comes is.
    let moved = format!("{CALM}\n{CALM}\n{BANANA}");
    here.write("docs/a.md", moved.as_bytes());
    assert_eq!(score(&here, &baseline).code, 0);
    here.write("docs/new.md", BANANA.as_bytes());
    let new = score(&here, &baseline);
    assert_eq!((new.code, reported(&new)), (1, vec!["banana"]), "{new:?}");
    assert!(new.out.starts_with("docs/new.md:1:"), "{new:?}");
    let allowed = score(
        &here,
        &["--baseline", "known.json", "--max-flagged", "1", "docs"],
    );
    assert_eq!(allowed.code, 0);
}

#[test]
fn stale_entries_are_listed_and_pruned() {
    let here = Sandbox::with_files(&[("a.md", BANANA), ("b.md", BANANA)]);
    score(
        &here,
        &[
            "--baseline",
            "known.json",
            "--update-baseline",
            "a.md",
            "b.md",
        ],
    );
    here.write("a.md", CALM.as_bytes());
    let stale = score(&here, &["--baseline", "known.json", "a.md"]);
    assert_eq!(stale.code, 0);
    assert_eq!(
        stale.err,
        "stale in known.json: a.md: approved the [banana] of the\n\
         --prune-baseline drops what is stale from known.json\n"
    );
    let quiet = score(&here, &["-q", "--baseline", "known.json", "a.md"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (0, ""));
    score(
        &here,
        &["--baseline", "known.json", "--prune-baseline", "a.md"],
    );
    let text = std::fs::read_to_string(here.path().join("known.json")).unwrap();
    // Of the file that was not read everything is kept.
    assert!(!text.contains("a.md") && text.contains("b.md"), "{text}");
    assert_eq!(
        score(&here, &["--baseline", "known.json", "a.md", "b.md"]).code,
        0
    );
}

#[test]
fn a_baseline_of_another_model_lens_or_threshold_is_refused_with_what_to_do() {
    let here = Sandbox::with_files(&[("a.md", BANANA)]);
    let update = |arguments: &[&'static str]| {
        let all: Vec<&str> = ["--baseline", "known.json", "--update-baseline", "a.md"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        assert_eq!(score(&here, &all).code, 0);
    };
    let refused = |arguments: &[&'static str]| {
        let all: Vec<&str> = ["--baseline", "known.json", "a.md"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        let outcome = score(&here, &all);
        assert_eq!((outcome.code, outcome.out.as_str()), (2, ""));
        outcome.err
    };
    update(&["--threshold", "0.6"]);
    let err = refused(&["--threshold", "0.7"]);
    assert!(
        err.contains("at a threshold of 0.6, and this run uses 0.7; run with --threshold 0.6"),
        "{err}"
    );
    let err = refused(&["--threshold", "0.6", "--lens", "errors"]);
    assert!(
        err.contains("made for the lens replaced, and this run uses errors"),
        "{err}"
    );
    let text = std::fs::read_to_string(here.path().join("known.json")).unwrap();
    let hash = text.split("\"sha256\":\"").nth(1).unwrap();
    let hash = hash.get(..64).unwrap();
    let other = text.replace(hash, &"0".repeat(64));
    here.write("known.json", other.as_bytes());
    let err = refused(&["--threshold", "0.6"]);
    assert!(
        err.contains("builtin (sha256 000000000000), and this run uses builtin"),
        "{err}"
    );
    // Whatever it was made with, it may be made anew.
    update(&["--lens", "errors"]);
    assert_eq!(
        score(
            &here,
            &["--lens", "errors", "--baseline", "known.json", "a.md"]
        )
        .code,
        0
    );
}

#[test]
fn what_is_no_baseline_is_named_and_never_written_over() {
    let here = Sandbox::with_files(&[("a.md", BANANA), ("notes.json", "{\"mine\": 1}")]);
    for arguments in [
        &["--baseline", "notes.json", "a.md"][..],
        &["--baseline", "notes.json", "--update-baseline", "a.md"],
        &["--baseline", "a.md", "--update-baseline", "a.md"],
    ] {
        let refused = score(&here, arguments);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("is not a baseline"), "{refused:?}");
    }
    let kept = std::fs::read_to_string(here.path().join("notes.json")).unwrap();
    assert_eq!(kept, "{\"mine\": 1}");
    here.write("newer.json", b"{\"schema_version\": 9}");
    let newer = score(&here, &["--baseline", "newer.json", "a.md"]);
    assert_eq!(newer.code, 2);
    assert!(newer.err.contains("has schema_version 9"), "{newer:?}");
    let alone = score(&here, &["--update-baseline", "a.md"]);
    assert_eq!(alone.code, 2);
}
