//! `electroscope classify` as a script and a person see it.

use serde_json::Value;

use crate::heads_at_work::{head, home, json, rounded, said};
use crate::sandbox::{Outcome, Sandbox};

/// `classify` with a small head. `arguments` are parted by white space.
fn classify(here: &Sandbox, name: &str, arguments: &str) -> Outcome {
    let folder = head(name);
    let mut command = here.command(&["classify", "--head", folder.to_str().unwrap()]);
    command.args(arguments.split_whitespace());
    here.outcome(command.output().unwrap())
}

const NOTES: &str = "# The harbour\n\nThe boat is unbelievable, Anna! She goes to work every day.\n\n\
                     ```\nmake\n```\n\nThe bridge was approved. The water is not.\n";

/// The documents of a report in JSON.
fn documents(outcome: &Outcome) -> Vec<Value> {
    let mut report = json(&outcome.out);
    report["documents"].as_array_mut().unwrap().clone()
}

/// What the units of a document say.
fn texts(document: &Value) -> Vec<&str> {
    let units = document["units"].as_array().unwrap().iter();
    units.map(|unit| unit["text"].as_str().unwrap()).collect()
}

#[test]
fn json_has_the_fields_that_were_promised() {
    let here = home(&[("a.md", NOTES), ("b.txt", "")]);
    std::fs::write(here.path().join("c.txt"), b"a\xffb").unwrap();
    let outcome = classify(&here, "electra-single", "--format json a.md b.txt c.txt");
    assert_eq!(outcome.code, 2);
    let mut report = rounded(json(&outcome.out));
    let folder = head("electra-single");
    assert_eq!(report["model"]["id"], folder.to_str().unwrap());
    report["model"]["id"] = "[head]".into();
    insta::assert_json_snapshot!(report);
}

#[test]
fn units_are_the_document_its_paragraphs_or_its_sentences() {
    let here = home(&[("a.md", NOTES)]);
    let units = |unit: &str| {
        let outcome = classify(
            &here,
            "electra-single",
            &format!("--format json {unit} a.md"),
        );
        assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
        let documents = documents(&outcome);
        for unit in documents[0]["units"].as_array().unwrap() {
            let start = unit["start"].as_u64().unwrap() as usize;
            let end = unit["end"].as_u64().unwrap() as usize;
            assert_eq!(unit["text"], NOTES[start..end]);
        }
        texts(&documents[0])
            .iter()
            .map(|text| text.to_string())
            .collect::<Vec<_>>()
    };
    let paragraphs = [
        "The harbour",
        "The boat is unbelievable, Anna! She goes to work every day.",
        "The bridge was approved. The water is not.",
    ];
    assert_eq!(units(""), paragraphs);
    assert_eq!(units("--unit paragraph"), paragraphs);
    assert_eq!(
        units("--unit sentence"),
        [
            "The harbour",
            "The boat is unbelievable, Anna!",
            "She goes to work every day.",
            "The bridge was approved.",
            "The water is not.",
        ]
    );
    assert_eq!(units("--unit document").len(), 1);
}

#[test]
fn the_labels_of_a_unit_come_with_the_likeliest_first_and_share_one() {
    let here = home(&[("a.md", NOTES)]);
    for name in ["electra-single", "bert-single", "distilbert-single"] {
        let found = documents(&classify(&here, name, "--format json --unit sentence a.md"));
        let units = found[0]["units"].as_array().unwrap();
        assert_eq!(units.len(), 5);
        for unit in units {
            let labels = unit["labels"].as_array().unwrap();
            let p: Vec<f64> = labels
                .iter()
                .map(|label| label["p"].as_f64().unwrap())
                .collect();
            assert!(p.is_sorted_by(|a, b| a >= b), "{unit}");
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{unit}");
            let mut names: Vec<&str> = labels
                .iter()
                .map(|label| label["label"].as_str().unwrap())
                .collect();
            names.sort_unstable();
            assert_eq!(names, ["bad", "good", "so so"]);
        }
    }
}

#[test]
fn a_rating_is_a_value_and_labels_that_may_all_apply_are_judged_one_by_one() {
    let here = home(&[("a.md", NOTES)]);
    let found = documents(&classify(&here, "electra-rating", "--format json a.md"));
    for unit in found[0]["units"].as_array().unwrap() {
        assert_eq!(unit["labels"].as_array().unwrap().len(), 1);
        assert_eq!(unit["labels"][0]["label"], "LABEL_0");
        assert!(unit["labels"][0]["p"].is_f64());
    }
    let multi = documents(&classify(&here, "electra-multi", "--format json a.md"));
    let sums = multi[0]["units"].as_array().unwrap().iter().map(|unit| {
        let labels = unit["labels"].as_array().unwrap().iter();
        labels
            .map(|label| label["p"].as_f64().unwrap())
            .sum::<f64>()
    });
    assert!(
        sums.clone().any(|sum| (sum - 1.0).abs() > 0.1),
        "{:?}",
        sums.collect::<Vec<_>>()
    );
}

#[test]
fn a_pipe_gets_a_line_for_each_unit() {
    let here = home(&[
        ("a.md", NOTES),
        ("b.md", "  The boat\nwas\u{1b}[31m here.\n"),
    ]);
    let outcome = classify(&here, "electra-single", "a.md missing.md b.md");
    insta::assert_snapshot!(said(&outcome));
    let multi = classify(&here, "electra-multi", "b.md");
    insta::assert_snapshot!(said(&multi));
}

#[test]
fn people_see_bars() {
    let here = home(&[("a.md", NOTES), ("b.md", "")]);
    let outcome = classify(
        &here,
        "electra-single",
        "--format pretty --color never a.md b.md",
    );
    insta::assert_snapshot!(said(&outcome));
    let colored = classify(
        &here,
        "electra-single",
        "--format pretty --color always a.md",
    );
    assert!(colored.out.contains("\u{1b}["), "{colored:?}");
}

#[test]
fn jsonl_is_an_object_a_line_errors_included() {
    let here = home(&[
        ("docs/a.md", NOTES),
        ("docs/b.txt", "The boat."),
        ("docs/c.rs", ""),
    ]);
    let outcome = classify(&here, "electra-single", "--format jsonl docs missing.md");
    assert_eq!(outcome.code, 2);
    let lines: Vec<Value> = outcome.out.lines().map(json).collect();
    let paths: Vec<&Value> = lines.iter().map(|line| &line["path"]).collect();
    assert_eq!(paths, ["docs/a.md", "docs/b.txt", "missing.md"]);
    assert_eq!(lines[2]["message"], "there is no such file or folder");
}

#[test]
fn the_language_says_what_is_prose() {
    let here = home(&[("a.md", "The boat.\n\n    was here\n")]);
    let lines = |language: &str| {
        let arguments = format!("--language {language} a.md");
        classify(&here, "electra-single", &arguments)
            .out
            .lines()
            .count()
    };
    assert_eq!(lines("auto"), 1);
    assert_eq!(lines("plain"), 2);
}

#[test]
fn a_long_document_is_the_mean_of_its_windows() {
    // Far more than the head's window of 48 tokens.
    let here = home(&[("a.txt", &"the boat goes over the river. ".repeat(40))]);
    let outcome = classify(
        &here,
        "electra-single",
        "--format json --unit document a.txt",
    );
    let found = documents(&outcome);
    let units = found[0]["units"].as_array().unwrap();
    assert_eq!(units.len(), 1);
    let p = units[0]["labels"].as_array().unwrap().iter();
    let sum: f64 = p.map(|label| label["p"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
}
