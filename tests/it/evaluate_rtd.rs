//! `electroscope evaluate rtd`, as a script sees it.

use std::process::Stdio;

use serde_json::Value;

use crate::sandbox::{Outcome, Sandbox};

/// A checkpoint of toy size, with a generator of its own.
const TOY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/reference/fixtures/projected"
);

const TEXT: &str = "\
The committee approved the plan for a new bridge over the river last spring, and work began in June.

She walked to the station every morning, because the bus was always late and she liked the cold air.

Most of the houses in the old town were built of stone that had been brought down from the hills.

The results of the study show that children who read at home learn new words more quickly at school.

When the storm was over, the fishermen went down to the harbour to see what was left of their boats.

He wrote a long letter to his sister in which he described the journey and the people he had met.
";

fn home() -> Sandbox {
    let here = Sandbox::new();
    std::fs::write(here.path().join("text.txt"), TEXT).unwrap();
    here
}

fn evaluate(here: &Sandbox, arguments: &str) -> Outcome {
    let mut all = vec!["evaluate", "rtd"];
    all.extend(arguments.split_whitespace());
    here.run(&all)
}

/// What was found, without the times.
fn found(outcome: &Outcome) -> Value {
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""), "{outcome:?}");
    let mut report: Value = serde_json::from_str(&outcome.out).unwrap();
    for (_, found) in report["corruptions"].as_object_mut().unwrap() {
        let speed = found.as_object_mut().unwrap().remove("tokens_per_second");
        assert!(speed.unwrap().as_f64().unwrap() > 0.0);
        if let Some(compared) = found.get_mut("compared") {
            compared
                .as_object_mut()
                .unwrap()
                .remove("tokens_per_second")
                .unwrap();
        }
    }
    report
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn the_built_in_model_finds_replaced_words_better_than_chance_in_every_way() {
    let here = home();
    let report = found(&evaluate(&here, "--format json --compare int8 text.txt"));
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["model"]["id"], "builtin");
    assert_eq!(
        (&report["text"]["files"], &report["text"]["paragraphs"]),
        (&1.into(), &6.into())
    );
    let corruptions = report["corruptions"].as_object().unwrap();
    let names: Vec<&str> = corruptions.keys().map(String::as_str).collect();
    assert_eq!(names, ["generator", "misspelling", "random"]);
    for (name, found) in corruptions {
        assert!(number(&found["auroc"]) > 0.6, "{name}: {found}");
        for share in ["average_precision", "ece", "brier", "precision", "recall"] {
            assert!(
                (0.0..=1.0).contains(&number(&found[share])),
                "{name}: {share}"
            );
        }
        assert!(number(&found["replaced"]) >= 6.0);
        // Eight bits move p a little, and not much.
        let moved = number(&found["compared"]["mean_difference"]);
        assert!(moved > 0.0 && moved < 0.02, "{name}: {moved}");
    }
    assert_eq!(corruptions["misspelling"]["unit"], "word");
    assert_eq!(corruptions["misspelling"]["replaced"], 6);
    assert_eq!(corruptions["random"]["units"], report["text"]["tokens"]);
}

#[test]
fn the_same_seed_finds_the_same_and_threads_change_nothing() {
    let here = home();
    let with = |more: &str| {
        let arguments = format!("--format json --corruption generator,random {more} text.txt");
        found(&evaluate(&here, &arguments))
    };
    let first = with("--seed 3");
    assert_eq!(first, with("--seed 3 --threads 1"));
    assert_ne!(first["corruptions"], with("--seed 4")["corruptions"]);
}

#[test]
fn a_model_needs_a_generator_that_knows_its_tokens() {
    let here = home();
    let refused = evaluate(&here, &format!("--model {TOY} text.txt"));
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(
        refused
            .err
            .starts_with("error: the built-in generator is none for this model"),
        "{}",
        refused.err
    );
    let own = format!("--model {TOY} --generator {TOY}/generator --format json text.txt");
    assert!(found(&evaluate(&here, &own))["corruptions"]["generator"]["auroc"].is_f64());
    let without = format!("--model {TOY} --corruption random,misspelling text.txt");
    let report = found(&evaluate(&here, &without));
    assert!(report["corruptions"]["generator"].is_null());
    assert!(report["corruptions"]["misspelling"]["auroc"].is_f64());
}

#[test]
fn misspellings_come_from_the_table_that_is_named() {
    let here = home();
    let table = "wrong\tright\tsources\nbrigde\tbridge\tcodespell\nstaiton\tstation\tother\n";
    std::fs::write(here.path().join("misspellings.tsv"), table).unwrap();
    let words = |more: &str| {
        let arguments = format!(
            "--model {TOY} --corruption misspelling --misspellings misspellings.tsv {more} text.txt"
        );
        found(&evaluate(&here, &arguments))["corruptions"]["misspelling"]["replaced"].clone()
    };
    assert_eq!(words(""), 1);
    assert_eq!(words("--sources codespell,other"), 2);
    let none = evaluate(
        &here,
        "--misspellings misspellings.tsv --sources birkbeck text.txt",
    );
    assert_eq!(none.code, 2);
    assert_eq!(
        none.err,
        "error: misspellings.tsv: no pair of single words is from birkbeck; name another source\n"
    );
}

#[test]
fn a_file_that_is_missing_is_told_and_the_others_are_measured() {
    let here = home();
    let arguments = format!("--model {TOY} --corruption random --format json text.txt gone.txt");
    let outcome = evaluate(&here, &arguments);
    assert_eq!(outcome.code, 2);
    assert_eq!(
        outcome.err,
        "error: gone.txt: there is no such file or folder\n"
    );
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(report["errors"][0]["path"], "gone.txt");
    assert!(report["corruptions"]["random"]["auroc"].is_f64());
    let nothing = evaluate(
        &here,
        &format!("--model {TOY} --corruption random gone.txt"),
    );
    assert_eq!((nothing.code, nothing.out.as_str()), (2, ""));
    assert!(
        nothing.err.contains("no prose to measure on"),
        "{}",
        nothing.err
    );
}

#[test]
fn a_pipe_is_read_and_a_table_is_for_people() {
    use std::io::Write;
    let here = home();
    let mut command = here.command(&["evaluate", "rtd", "--model", TOY, "--format", "pretty"]);
    command.args(["--corruption", "random", "--tokens", "30", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(TEXT.as_bytes())
        .unwrap();
    let outcome = here.outcome(child.wait_with_output().unwrap());
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    assert!(outcome.out.contains("\nreplaced by  "), "{}", outcome.out);
    assert!(!outcome.out.contains('\u{1b}'));
}

#[test]
fn the_help_of_evaluate_rtd() {
    let here = Sandbox::new();
    let mut command = here.command(&["evaluate", "rtd", "--help"]);
    let outcome = here.outcome(command.env("COLUMNS", "100").output().unwrap());
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    assert!(outcome.out.lines().all(|line| line.chars().count() <= 100));
    insta::assert_snapshot!(outcome.out);
}
