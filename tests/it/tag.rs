//! `electroscope tag` as a script and a person see it.

use serde_json::Value;

use crate::heads_at_work::{copy, head, home, json, rounded, said};
use crate::sandbox::{Outcome, Sandbox};

/// `tag` with a small head. `arguments` are parted by white space.
fn tag(here: &Sandbox, name: &str, arguments: &str) -> Outcome {
    let folder = head(name);
    tag_with(here, folder.to_str().unwrap(), arguments)
}

fn tag_with(here: &Sandbox, head: &str, arguments: &str) -> Outcome {
    let mut command = here.command(&["tag", "--head", head]);
    command.args(arguments.split_whitespace());
    here.outcome(command.output().unwrap())
}

const NOTES: &str = "# The harbour\n\nAnna waits in Oslo, É 中 café. The boat is\nunbelievable!\n";

#[test]
fn json_has_the_fields_that_were_promised() {
    let here = home(&[("a.md", NOTES), ("b.txt", "")]);
    std::fs::write(here.path().join("c.txt"), b"a\xffb").unwrap();
    let outcome = tag(&here, "electra-tags", "--format json a.md b.txt c.txt");
    assert_eq!(outcome.code, 2);
    let mut report = rounded(json(&outcome.out));
    report["model"]["id"] = "[head]".into();
    insta::assert_json_snapshot!(report);
}

#[test]
fn every_word_has_a_label_and_entities_are_made_of_words() {
    let here = home(&[("a.md", NOTES)]);
    for name in ["electra-tags", "bert-tags", "distilbert-tags"] {
        let report = json(&tag(&here, name, "--format json a.md").out);
        let document = &report["documents"][0];
        let words = document["words"].as_array().unwrap();
        let said: Vec<&str> = words
            .iter()
            .map(|word| word["text"].as_str().unwrap())
            .collect();
        let all = "The harbour Anna waits in Oslo , É 中 café . The boat is unbelievable !";
        assert_eq!(said.join(" "), all, "{name}");
        let entities = document["entities"].as_array().unwrap();
        assert!(!entities.is_empty(), "{name} finds none");
        let place = |found: &Value, field: &str| found[field].as_u64().unwrap() as usize;
        for found in words.iter().chain(entities) {
            let source = found.get("source_text").unwrap_or(&found["text"]);
            assert_eq!(*source, NOTES[place(found, "start")..place(found, "end")]);
        }
        for entity in entities {
            assert!(words.iter().any(|word| word["start"] == entity["start"]));
            assert!(words.iter().any(|word| word["end"] == entity["end"]));
            let label = entity["label"].as_str().unwrap();
            assert!(["PER", "LOC"].contains(&label), "{label}");
        }
    }
}

#[test]
fn a_pipe_gets_a_line_for_each_entity() {
    let here = home(&[
        ("a.md", NOTES),
        ("b.txt", "\u{feff}wait. Anna\u{1b}[1m goes"),
    ]);
    insta::assert_snapshot!(said(&tag(&here, "electra-tags", "a.md missing.md b.txt")));
}

#[test]
fn where_the_labels_mark_no_entities_a_line_is_a_word() {
    let here = home(&[("a.md", "The boat waits.\n")]);
    let config = copy(&here, "distilbert-tags", "speech").join("config.json");
    let mut fields = json(&std::fs::read_to_string(&config).unwrap());
    fields["id2label"] = serde_json::json!({"0": "DET", "1": "NOUN", "2": "VERB"});
    fields["label2id"] = Value::Null;
    std::fs::write(&config, fields.to_string()).unwrap();
    let compact = tag_with(&here, "speech", "a.md");
    let texts: Vec<&str> = compact
        .out
        .lines()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    assert_eq!(texts, ["The", "boat", "waits", "."]);
    let pretty = tag_with(&here, "speech", "--format pretty --color never a.md");
    insta::assert_snapshot!(said(&pretty));
    let report = json(&tag_with(&here, "speech", "--format json a.md").out);
    assert_eq!(report["documents"][0]["entities"], serde_json::json!([]));
}

#[test]
fn people_see_entities_in_the_text() {
    let here = home(&[("a.md", NOTES)]);
    insta::assert_snapshot!(said(&tag(
        &here,
        "electra-tags",
        "--format pretty --color never a.md"
    )));
    let colored = tag(&here, "electra-tags", "--format pretty --color always a.md");
    assert!(colored.out.contains("\u{1b}[4m"), "{colored:?}");
}

#[test]
fn jsonl_is_an_object_a_line() {
    let here = home(&[("docs/a.md", NOTES), ("docs/b.txt", "The boat.")]);
    let outcome = tag(&here, "electra-tags", "--format jsonl docs");
    let lines: Vec<Value> = outcome.out.lines().map(json).collect();
    assert_eq!(outcome.code, 0);
    assert_eq!(lines.len(), 2);
    let whole = json(&tag(&here, "electra-tags", "--format json docs").out);
    assert_eq!(whole["documents"], serde_json::json!(lines));
}
