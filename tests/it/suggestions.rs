//! What is suggested for flagged words, and how well that is measured.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Outcome, Sandbox};

const TEXT: &str = "# Notes\n\nThe committee recieved the letter in the morning. `recieved` is code, and \
    the boats wait in the harbour.\n";

#[track_caller]
fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out).unwrap_or_else(|err| panic!("{err} in {outcome:?}"))
}

/// `score` of a file with a misspelling, with these arguments.
fn score(arguments: &[&str]) -> Outcome {
    let here = Sandbox::with_files(&[("notes.md", TEXT)]);
    let mut all = vec!["score", "notes.md", "--threshold", "0"];
    all.extend(arguments);
    here.run(&all)
}

fn flagged(scored: &Value) -> Vec<&Value> {
    let words = scored["documents"][0]["words"].as_array().unwrap();
    words
        .iter()
        .filter(|word| word["flagged"] == true)
        .collect()
}

#[test]
fn a_misspelt_word_has_the_right_one_as_its_first_suggestion() {
    let scored = json(&score(&["--suggest", "--format", "json"]));
    let flagged = flagged(&scored);
    let word = flagged
        .iter()
        .find(|word| word["text"] == "recieved")
        .unwrap();
    let suggestions = word["suggestions"].as_array().unwrap();
    assert!((1..=3).contains(&suggestions.len()), "{suggestions:?}");
    let first = &suggestions[0];
    assert_eq!(
        (&first["text"], &first["kind"]),
        (&"received".into(), &"spelling".into())
    );
    // The model had no doubt of this misspelling: it is known to be in no dictionary.
    for p in ["p_before", "p_after", "certainty"] {
        let p = first[p].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&p), "{first}");
    }
    assert_eq!(first["start"], word["start"]);
    // Nobody asked.
    let scored = json(&score(&["--format", "json"]));
    assert!(!scored.to_string().contains("suggestions"));
}

#[test]
fn other_formats_have_the_suggestions_too() {
    let compact = score(&["--suggest=1", "--format", "compact"]);
    let line = compact
        .out
        .lines()
        .find(|line| line.contains("recieved"))
        .unwrap();
    assert!(line.ends_with("recieved → received"), "{line}");
    let pretty = score(&["--suggest=1", "--format", "pretty"]).out;
    assert!(pretty.contains("→ received"), "{pretty}");
    let sarif = json(&score(&["--suggest=1", "--format", "sarif"]));
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let result = results
        .iter()
        .find(|result| !result["fixes"].is_null())
        .unwrap();
    let replacement = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(replacement["insertedContent"]["text"], "received");
    assert_eq!(
        replacement["deletedRegion"],
        serde_json::json!({"startLine": 3, "startColumn": 15, "endLine": 3, "endColumn": 23})
    );
}

#[test]
fn only_verified_flags_only_words_that_a_suggestion_betters_and_changes_no_p() {
    let all = json(&score(&["--format", "json"]));
    let verified = json(&score(&["--format", "json", "--only-verified"]));
    let texts = |scored: &Value| -> Vec<String> {
        flagged(scored)
            .iter()
            .map(|word| word["text"].to_string())
            .collect()
    };
    let (all_flagged, verified_flagged) = (texts(&all), texts(&verified));
    assert!(
        verified_flagged.contains(&"\"recieved\"".to_owned()),
        "{verified_flagged:?}"
    );
    assert!(
        verified_flagged.len() * 2 < all_flagged.len(),
        "{verified_flagged:?}"
    );
    let p = |scored: &Value| -> Vec<Value> {
        let words = scored["documents"][0]["words"].as_array().unwrap();
        words.iter().map(|word| word["p"].clone()).collect()
    };
    assert_eq!(p(&all), p(&verified));
}

#[test]
fn what_mends_a_text_is_measured() {
    let here = Sandbox::new();
    let lines = [
        r#"{"text": "The committee recieved the letter.", "corrected": "The committee received the letter.", "spans": [[14, 22]], "kind": "misspelling"}"#,
        r#"{"text": "The boats wait in the the harbour.", "corrected": "The boats wait in the harbour.", "spans": [[22, 25]], "kind": "doubled word"}"#,
        r#"{"text": "Nothing is wrong here.", "spans": []}"#,
    ];
    fs::write(here.path().join("a.jsonl"), lines.join("\n")).unwrap();
    let measured = here.run(&[
        "evaluate", "errors", "a.jsonl", "--clean", "a.jsonl", "--out", "asked",
    ]);
    assert_eq!(
        (measured.code, measured.err.as_str()),
        (0, ""),
        "{measured:?}"
    );
    let report = json(&measured);
    assert_eq!(report["mended"]["all"]["cases"], 2);
    assert_eq!(report["mended"]["misspelling"]["first"], 1.0);
    assert_eq!(report["mended"]["doubled word"]["at_all"], 1.0);
    assert_eq!(
        (&report["words"], &report["wrong"]),
        (&16.into(), &2.into())
    );
    let flagged = report["flagged"].as_object().unwrap();
    let mut names: Vec<&String> = flagged.keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "dictionary",
            "discriminator",
            "errors",
            "evidence",
            "only-verified",
            "suggestions"
        ]
    );
    assert_eq!(report["flagged"]["dictionary"]["own"]["recall"], 0.5);
    let asked = fs::read_to_string(here.path().join("asked")).unwrap();
    let asked: Value = serde_json::from_str(asked.lines().next().unwrap()).unwrap();
    let width = asked["features"].as_array().unwrap().len();
    assert_eq!(asked["keep"].as_array().unwrap().len(), width);
    let pretty = here.run(&[
        "evaluate",
        "errors",
        "a.jsonl",
        "--only-mend",
        "--format",
        "pretty",
    ]);
    assert!(pretty.out.contains("misspelling"), "{pretty:?}");
}

#[test]
fn words_are_misspelt_in_prose_on_request() {
    let here = Sandbox::with_files(&[
        (
            "a.txt",
            "The boats wait in the harbour.\n\nShe will receive the letter.\n",
        ),
        (
            "slips.tsv",
            "wrong\tright\tsources\nharbuor\tharbour\tcodespell\nrecieve\treceive\tcodespell\n",
        ),
    ]);
    let measured = here.run(&[
        "evaluate",
        "errors",
        "a.txt",
        "--misspellings",
        "slips.tsv",
        "--only-mend",
    ]);
    let report = json(&measured);
    assert_eq!(report["mended"]["misspelling"]["cases"], 2);
    assert_eq!(report["mended"]["misspelling"]["in_five"], 1.0);
}

#[test]
fn data_that_is_none_is_named_with_its_line() {
    let here = Sandbox::with_files(&[(
        "a.jsonl",
        "{\"text\": \"a\", \"spans\": []}\n{\"text\": 3}\n",
    )]);
    let outcome = here.run(&["evaluate", "errors", "a.jsonl"]);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome.err.contains("a.jsonl") && outcome.err.contains('2'),
        "{outcome:?}"
    );
}
