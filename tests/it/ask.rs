//! `electroscope ask` as a script and a person see it.

use serde_json::Value;

use crate::heads_at_work::{copy, head, home, json, rounded, said};
use crate::sandbox::{Outcome, Sandbox};

/// `ask` with a small head. `arguments` are parted by white space.
fn ask(here: &Sandbox, name: &str, question: &str, arguments: &str) -> Outcome {
    let folder = head(name);
    ask_with(here, folder.to_str().unwrap(), question, arguments)
}

fn ask_with(here: &Sandbox, head: &str, question: &str, arguments: &str) -> Outcome {
    let mut command = here.command(&["ask", "--head", head, question]);
    command.args(arguments.split_whitespace());
    here.outcome(command.output().unwrap())
}

const NOTES: &str =
    "# The harbour\n\nThe boat is unbelievable, Anna! She goes to work every day.\n";
const OTHER: &str = "The committee approved the bridge over the river.\n";

/// A sandbox with a head that was trained with questions that have no answer.
fn with_refusing(files: &[(&str, &str)]) -> Sandbox {
    let here = home(files);
    let config = copy(&here, "electra-answers", "refusing").join("config.json");
    let mut fields = json(&std::fs::read_to_string(&config).unwrap());
    fields["electroscope"] = serde_json::json!({"no_answer": true});
    std::fs::write(&config, fields.to_string()).unwrap();
    here
}

#[test]
fn json_has_the_fields_that_were_promised() {
    let here = home(&[("a.md", NOTES), ("b.txt", "")]);
    std::fs::write(here.path().join("c.txt"), b"a\xffb").unwrap();
    let outcome = ask(
        &here,
        "electra-answers",
        "is it a boat",
        "--format json --answers 3 a.md b.txt c.txt",
    );
    assert_eq!(outcome.code, 2);
    let mut report = rounded(json(&outcome.out));
    report["model"]["id"] = "[head]".into();
    insta::assert_json_snapshot!(report);
}

#[test]
fn answers_point_into_the_document_the_best_first() {
    let here = home(&[("a.md", NOTES)]);
    for name in ["electra-answers", "bert-answers", "distilbert-answers"] {
        let outcome = ask(
            &here,
            name,
            "is it a boat",
            "--format json --answers 20 a.md",
        );
        let report = json(&outcome.out);
        assert_eq!(report["question"], "is it a boat");
        let answers = report["documents"][0]["answers"].as_array().unwrap();
        assert!(answers.len() > 5, "{}", answers.len());
        for answer in answers {
            let start = answer["start"].as_u64().unwrap() as usize;
            let end = answer["end"].as_u64().unwrap() as usize;
            assert_eq!(answer["text"], NOTES[start..end]);
        }
        let scores: Vec<f64> = answers
            .iter()
            .map(|answer| answer["score"].as_f64().unwrap())
            .collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        let five = json(&ask(&here, name, "is it a boat", "--format json a.md").out);
        assert_eq!(
            five["documents"][0]["answers"].as_array().unwrap()[..],
            answers[..5]
        );
    }
}

#[test]
fn a_pipe_gets_one_list_over_all_documents() {
    let here = home(&[("a.md", NOTES), ("b.md", OTHER)]);
    let outcome = ask(
        &here,
        "electra-answers",
        "is it a boat",
        "a.md b.md missing.md",
    );
    insta::assert_snapshot!(said(&outcome));
    // The scores of both, in one order.
    let report = json(
        &ask(
            &here,
            "electra-answers",
            "is it a boat",
            "--format json --answers 20 a.md b.md",
        )
        .out,
    );
    let documents = report["documents"].as_array().unwrap().iter();
    let mut all: Vec<(f64, String)> = documents
        .flat_map(|document| document["answers"].as_array().unwrap())
        .map(|answer| {
            (
                answer["score"].as_f64().unwrap(),
                answer["text"].to_string(),
            )
        })
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let texts: Vec<String> = all
        .iter()
        .take(5)
        .map(|(_, text)| text.trim_matches('"').to_owned())
        .collect();
    let lines = outcome.out.lines();
    let shown: Vec<&str> = lines
        .map(|line| line.splitn(3, ' ').nth(2).unwrap())
        .collect();
    assert_eq!(shown, texts);
}

#[test]
fn people_see_the_answers_where_they_stand() {
    let here = home(&[("a.md", NOTES), ("b.md", OTHER)]);
    let arguments = "--format pretty --color never --answers 3 a.md b.md";
    insta::assert_snapshot!(said(&ask(
        &here,
        "electra-answers",
        "is it\u{1b}[1m a boat",
        arguments
    )));
}

#[test]
fn a_head_that_can_refuse_weighs_no_answer_against_the_others() {
    let here = with_refusing(&[("a.md", NOTES)]);
    let report = json(
        &ask_with(
            &here,
            "refusing",
            "is it a boat",
            "--format json --answers 20 a.md",
        )
        .out,
    );
    let document = &report["documents"][0];
    let answers = document["answers"].as_array().unwrap().iter();
    let sum: f64 = answers.map(|answer| answer["p"].as_f64().unwrap()).sum();
    let none = document["no_answer"]["p"].as_f64().unwrap();
    assert!((sum + none - 1.0).abs() < 1e-5, "{sum} and {none}");
    let cannot = json(
        &ask(
            &here,
            "electra-answers",
            "is it a boat",
            "--format json a.md",
        )
        .out,
    );
    assert_eq!(cannot["documents"][0]["no_answer"], Value::Null);
}

#[test]
fn by_its_name_a_head_can_refuse_though_its_files_do_not_say_so() {
    let here = home(&[("a.md", NOTES)]);
    copy(&here, "electra-answers", "heads/answers");
    // In the settings a folder goes by its whole path.
    let folder = here.path().join("heads/answers").display().to_string();
    let settings = format!(
        "[heads]\nqa = \"mine\"\n[heads.mine]\nmodel = {folder:?}\ntask = \"qa\"\nno_answer = true\n"
    );
    std::fs::write(here.path().join("set.toml"), settings).unwrap();
    let report = |head: &[&str]| {
        let fixed = [
            "ask",
            "--config",
            "set.toml",
            "--format",
            "json",
            "is it a boat",
            "a.md",
        ];
        json(&here.run(&[&fixed[..], head].concat()).out)
    };
    for head in [&[][..], &["--head", "mine"], &["--head", &folder]] {
        let report = report(head);
        assert!(
            report["documents"][0]["no_answer"]["p"].is_f64(),
            "{head:?}"
        );
        assert_eq!(report["model"]["id"], "HERE/heads/answers");
    }
}

#[test]
fn a_refusal_is_silence_with_a_reason() {
    // A head that is always surer of nothing: its [CLS] has what no other token has.
    let here = with_refusing(&[("a.md", NOTES), ("b.md", "")]);
    let config = here.path().join("refusing/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let with = |threshold: f32| {
        let mut fields = json(&text);
        fields["electroscope"]["no_answer_threshold"] = threshold.into();
        std::fs::write(&config, fields.to_string()).unwrap();
    };
    with(-1000.0);
    let refused = ask_with(&here, "refusing", "is it a boat", "a.md");
    insta::assert_snapshot!(said(&refused), @r"
    exit code 0
    --
    no answer: that there is none is likelier than the best that was found
    ");
    assert_eq!(
        ask_with(&here, "refusing", "is it a boat", "-q a.md").err,
        ""
    );
    with(1000.0);
    let answered = ask_with(&here, "refusing", "is it a boat", "a.md");
    assert_eq!(
        (answered.out.lines().count(), answered.err.as_str()),
        (5, "")
    );
    let void = ask_with(&here, "refusing", "is it a boat", "b.md");
    insta::assert_snapshot!(said(&void), @r"
    exit code 0
    --
    no answer: there is no text to find one in
    ");
}

#[test]
fn a_question_that_cannot_be_asked_is_refused_before_anything_is_read() {
    let here = home(&[("a.md", NOTES)]);
    let long = "is it a boat and ".repeat(20);
    let mut texts = Vec::new();
    for question in ["", " \n", &long] {
        let outcome = ask(
            &here,
            "electra-answers",
            question,
            "--format json a.md missing.md",
        );
        assert_eq!((outcome.code, outcome.out.as_str()), (2, ""));
        texts.push(outcome.err);
    }
    insta::assert_snapshot!(texts.concat());
    let absurd = ask(
        &here,
        "electra-answers",
        "is it a boat",
        "--answers 21 a.md",
    );
    assert!(absurd.err.contains("21 is not in 1..=20"), "{absurd:?}");
}
