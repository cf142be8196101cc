//! `electroscope evaluate classification`, `qa` and `tagging` as a script and a person see them.

use serde_json::{Value, json};

use crate::heads_at_work::{copy, head, home, json as parsed, rounded};
use crate::sandbox::{Outcome, Sandbox};

/// `evaluate` with a small head. `arguments` are parted by white space.
fn evaluate(here: &Sandbox, task: &str, name: &str, arguments: &str) -> Outcome {
    let folder = head(name);
    let mut command = here.command(&["evaluate", task, "--head", folder.to_str().unwrap()]);
    command.args(arguments.split_whitespace());
    here.outcome(command.output().unwrap())
}

/// The report of a measurement that came about, without what differs from run to run.
#[track_caller]
fn report(outcome: &Outcome) -> Value {
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    let mut report = rounded(parsed(&outcome.out));
    assert!(report["seconds"].as_f64().unwrap() >= 0.0);
    report["seconds"] = "[seconds]".into();
    report["tokens_per_second"] = "[pace]".into();
    report["model"]["id"] = "[head]".into();
    report
}

/// The lines of a file of JSON lines.
fn lines(here: &Sandbox, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(here.path().join(name)).unwrap();
    text.lines().map(parsed).collect()
}

/// What a command said, without what differs from run to run.
fn said(outcome: &Outcome) -> String {
    let heads = head("").display().to_string();
    let text = format!(
        "exit code {}\n{}--\n{}",
        outcome.code, outcome.out, outcome.err
    );
    let text = text.replace(&heads, "HEADS/");
    let lines = text
        .lines()
        .map(|line| match line.split_once(" tokens in ") {
            Some((before, _)) => format!("{before} tokens in [time]"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

const TEXTS: &str = "text\tlabel\n\
    the boat is unbelievable\tgood\n\
    she goes to work every day\tso so\n\
    the bridge was not approved\tBAD\n\
    the harbour\tgood\n";

#[test]
fn a_classifier_is_measured_on_a_table() {
    let here = home(&[("a.tsv", TEXTS)]);
    let outcome = evaluate(
        &here,
        "classification",
        "electra-single",
        "a.tsv --format json --out said.jsonl",
    );
    let report = report(&outcome);
    insta::assert_json_snapshot!(report);
    let said = lines(&here, "said.jsonl");
    assert_eq!(said.len(), 4);
    assert_eq!(
        (&said[2]["example"], &said[2]["gold"]),
        (&json!(2), &json!("bad"))
    );
    let right = said
        .iter()
        .filter(|line| line["gold"] == line["labels"][0]["label"]);
    let accuracy = right.count() as f64 / 4.0;
    assert_eq!(report["metrics"]["accuracy"], accuracy);
}

#[test]
fn what_a_head_says_does_not_hang_on_the_form_of_the_table() {
    let csv = TEXTS.replace('\t', ",");
    let objects = TEXTS.lines().skip(1).map(|line| {
        let (text, label) = line.split_once('\t').unwrap();
        format!("{}\n", json!({"note": 1, "words": text, "said": label}))
    });
    let objects: String = objects.collect();
    let here = home(&[("a.tsv", TEXTS), ("a.csv", &csv), ("a.jsonl", &objects)]);
    let metrics = |arguments: &str| {
        let outcome = evaluate(&here, "classification", "electra-single", arguments);
        report(&outcome)["metrics"].clone()
    };
    let of_tsv = metrics("a.tsv");
    assert_eq!(metrics("a.csv"), of_tsv);
    assert_eq!(metrics("--text words --label said a.jsonl"), of_tsv);
    assert_eq!(metrics("a.tsv --threads 1"), of_tsv);
}

#[test]
fn a_task_of_glue_is_read_as_its_files_are_and_labels_are_matched_by_name() {
    let rows = "index\tsentence1\tsentence2\tgold_label\n\
        0\tthe boat is in the harbour\tthe boat was in water\tentailment\n\
        1\tshe goes to work\tshe is a builder\tneutral\n\
        2\tAnna waits\tAnna is not in Oslo\tcontradiction\n";
    let here = home(&[("mnli/dev_matched.tsv", rows)]);
    let config = copy(&here, "electra-single", "nli").join("config.json");
    let mut fields = parsed(&std::fs::read_to_string(&config).unwrap());
    let mut measured = |labels: Value| {
        fields["id2label"] = labels;
        fields["label2id"] = Value::Null;
        std::fs::write(&config, fields.to_string()).unwrap();
        let outcome = here.run(&[
            "evaluate",
            "classification",
            "--head",
            "nli",
            "--task",
            "mnli",
            "mnli",
            "--out",
            "said.jsonl",
        ]);
        (outcome, lines(&here, "said.jsonl"))
    };
    let (outcome, said) = measured(json!(["Contradiction", "ENTAILMENT", "neutral"]));
    let golds: Vec<&Value> = said.iter().map(|line| &line["gold"]).collect();
    assert_eq!(golds, ["ENTAILMENT", "neutral", "Contradiction"]);
    assert_eq!(
        report(&outcome)["data"],
        json!({"path": "mnli", "format": "mnli"})
    );
    let (_, said) = measured(json!(["LABEL_0", "LABEL_1", "LABEL_2"]));
    let golds: Vec<&Value> = said.iter().map(|line| &line["gold"]).collect();
    assert_eq!(golds, ["LABEL_0", "LABEL_1", "LABEL_2"]);
}

#[test]
fn ratings_and_several_labels_have_numbers_of_their_own() {
    let here = home(&[
        (
            "a.tsv",
            "text\tlabel\nthe boat\t1.5\nthe harbour\t2\nnot a day\t-1\n",
        ),
        (
            "b.jsonl",
            "{\"text\": \"the boat\", \"label\": [\"a\", \"c\"]}\n{\"text\": \"water\", \"label\": []}\n",
        ),
    ]);
    let rating = report(&evaluate(
        &here,
        "classification",
        "electra-rating",
        "a.tsv",
    ));
    assert_eq!(rating["main"], "spearman");
    assert!(rating["metrics"]["pearson"].is_f64());
    let multi = report(&evaluate(
        &here,
        "classification",
        "electra-multi",
        "b.jsonl",
    ));
    assert_eq!(multi["main"], "micro_f1");
    assert!(multi["metrics"]["exact"].is_f64());
}

#[test]
fn data_and_heads_that_do_not_fit_are_told_apart_in_words() {
    let here = home(&[
        ("labels.tsv", "text\tlabel\nthe boat\tgreat\nwater\tgood\n"),
        ("values.tsv", "text\tlabel\nthe boat\tvery\nwater\t2\n"),
        ("a.tsv", TEXTS),
        ("a.conll", "the O\nboat B-SHIP\n"),
    ]);
    let complaints = [
        ("classification", "electra-single", "labels.tsv"),
        ("classification", "electra-rating", "values.tsv"),
        ("classification", "electra-multi", "a.tsv"),
        ("classification", "electra-single", "--text words a.tsv"),
        ("classification", "electra-single", "missing.tsv"),
        ("classification", "electra-single", "--task stsb a.tsv"),
        ("classification", "electra-tags", "a.tsv"),
        ("qa", "electra-answers", "a.tsv"),
        ("tagging", "electra-tags", "a.conll"),
        ("tagging", "electra-tags", "--spans a.conll"),
    ]
    .map(|(task, name, arguments)| {
        let outcome = evaluate(&here, task, name, arguments);
        assert_eq!((outcome.code, outcome.out.as_str()), (2, ""));
        let heads = head("").display().to_string();
        format!(
            "{task} {name} {arguments}\n  {}",
            outcome.err.replace(&heads, "HEADS/")
        )
    });
    insta::assert_snapshot!(complaints.join(""));
}

/// A file in the format of SQuAD 2.0.
fn squad() -> String {
    let text = "The unbelievable boat waits in Oslo. Anna goes to the harbour every day.";
    let answer = |words: &str| json!([{"text": words, "answer_start": text.find(words).unwrap()}]);
    let questions = json!([
        {"id": "a", "question": "who goes to the harbour", "answers": answer("Anna")},
        {"id": "b", "question": "is it a boat", "answers": answer("unbelievable boat")},
        {"id": "c", "question": "who waits over the bridge", "answers": [], "is_impossible": true},
    ]);
    let paragraphs = json!([{"context": text, "qas": questions}]);
    json!({"version": "v2.0", "data": [{"title": "t", "paragraphs": paragraphs}]}).to_string()
}

#[test]
fn answers_are_measured_with_and_without_the_questions_that_have_none() {
    let here = home(&[("dev.json", &squad())]);
    let all = report(&evaluate(
        &here,
        "qa",
        "electra-answers",
        "dev.json --out said.jsonl",
    ));
    insta::assert_json_snapshot!(all);
    let said = lines(&here, "said.jsonl");
    let ids: Vec<&Value> = said.iter().map(|line| &line["id"]).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let answerable = report(&evaluate(
        &here,
        "qa",
        "electra-answers",
        "--answerable dev.json",
    ));
    assert_eq!(answerable["examples"], 2);
    assert!(answerable["metrics"].get("no_answer_f1").is_none());
    let first = report(&evaluate(
        &here,
        "qa",
        "electra-answers",
        "--limit 1 dev.json",
    ));
    assert_eq!(
        (&first["examples"], &first["metrics"]["f1"]),
        (&json!(1), &rounded(said[0]["f1"].clone()))
    );
}

#[test]
fn a_head_that_can_refuse_is_told_from_what_margin_on_it_had_better() {
    let here = home(&[("dev.json", &squad())]);
    let config = copy(&here, "electra-answers", "qa").join("config.json");
    let mut fields = parsed(&std::fs::read_to_string(&config).unwrap());
    let mut measured = |settings: Value| {
        fields["electroscope"] = settings;
        std::fs::write(&config, fields.to_string()).unwrap();
        parsed(
            &here
                .run(&["evaluate", "qa", "--head", "qa", "dev.json"])
                .out,
        )
    };
    let plain = measured(json!({"no_answer": true}));
    assert_eq!(plain["main"], "best_f1");
    let threshold = plain["no_answer_threshold"].as_f64().unwrap();
    // A threshold lies on a margin; in a configuration it may be rounded.
    let threshold = threshold + 1e-3;
    let best = measured(json!({"no_answer": true, "no_answer_threshold": threshold}));
    assert_eq!(best["metrics"]["f1"], plain["metrics"]["best_f1"]);
}

const TAGGED: &str = "Anna B-PER\nwaits O\nin O\nOslo B-LOC\n. O\n\n\
    the O\nboat O\nof O\nAnna B-PER\nAnna I-PER\n";

#[test]
fn a_tagger_is_measured_by_entities_and_by_kind() {
    let here = home(&[("dev.conll", TAGGED)]);
    let outcome = evaluate(
        &here,
        "tagging",
        "electra-tags",
        "dev.conll --out said.jsonl",
    );
    insta::assert_json_snapshot!(report(&outcome));
    let said = lines(&here, "said.jsonl");
    assert_eq!(said[1]["words"][4]["gold"], "I-PER");
    assert_eq!(said[0]["words"].as_array().unwrap().len(), 5);
    let pretty = evaluate(
        &here,
        "tagging",
        "electra-tags",
        "dev.conll --format pretty",
    );
    insta::assert_snapshot!(self::said(&pretty));
}

#[test]
fn marks_are_measured_against_the_spans_that_people_marked() {
    let spans = "{\"text\": \"She go to work .\", \"spans\": [[4, 6]]}\n\
        {\"text\": \"Anna waits\", \"spans\": []}\n";
    let here = home(&[("a.jsonl", spans)]);
    let arguments = "--spans a.jsonl --out said.jsonl";
    let outcome = evaluate(&here, "tagging", "distilbert-tags", arguments);
    insta::assert_json_snapshot!(report(&outcome));
    let said = lines(&here, "said.jsonl");
    assert_eq!(said[0]["words"][1]["text"], "go");
    assert!(said[0]["words"][1]["marked"].is_boolean());
}

#[test]
fn people_see_what_nothing_is_worth_beside_what_the_head_is() {
    let here = home(&[("a.tsv", TEXTS)]);
    let outcome = evaluate(
        &here,
        "classification",
        "electra-single",
        "a.tsv --format pretty",
    );
    insta::assert_snapshot!(said(&outcome));
}

#[test]
fn nothing_that_data_contains_can_drive_the_terminal() {
    let here = home(&[
        ("a\u{1b}[31m.conll", "the \u{1b}]0;x\u{7}\nboat O\n"),
        ("b.conll", TAGGED),
    ]);
    let config = copy(&here, "electra-tags", "tags").join("config.json");
    let mut fields = parsed(&std::fs::read_to_string(&config).unwrap());
    for label in fields["id2label"].as_object_mut().unwrap().values_mut() {
        let text = label.as_str().unwrap().replace("PER", "PER\u{202e}");
        *label = text.into();
    }
    fields["label2id"] = Value::Null;
    std::fs::write(&config, fields.to_string()).unwrap();
    std::fs::write(
        here.path().join("c.conll"),
        TAGGED.replace("PER", "PER\u{202e}"),
    )
    .unwrap();
    for (name, code) in [("a\u{1b}[31m.conll", 2), ("b.conll", 2), ("c.conll", 0)] {
        for format in ["json", "pretty"] {
            let outcome = here.run(&[
                "evaluate", "tagging", "--head", "tags", "--format", format, name,
            ]);
            assert_eq!(outcome.code, code, "{outcome:?}");
            let all = format!("{}{}", outcome.out, outcome.err);
            let found = all
                .chars()
                .find(|&c| c != '\n' && electroscope_text::stand_in(c).is_some());
            assert_eq!(found, None, "{all:?}");
        }
    }
}
