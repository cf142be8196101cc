//! From what `--head` says to a head, or to a message that helps: names, folders, the hub and its
//! cache; and what `model` says of heads.

use std::fs;
use std::path::Path;

use electroscope::catalog::BuiltinHead;
use electroscope_model::Task;
use electroscope_model::hub::{self, HubSettings};
use serde_json::Value;

use crate::heads_at_work::{cache, copy, head, home, json, said};
use crate::hub::server::{Answer, Hub, Repository, WEIGHTS};
use crate::sandbox::{NOWHERE, Outcome, Sandbox};

const SST2: &str = "Hazqeel/electra-small-finetuned-sst2";

/// A repository on the hub with one of the reference's heads in it.
fn repository(id: &str, name: &str) -> Repository {
    let files = fs::read_dir(head(name)).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        (file, fs::read(&path).unwrap())
    });
    Repository {
        id: id.to_owned(),
        commit: "89abcdef0123456789abcdef0123456789abcdef".to_owned(),
        files: files.filter(|(file, _)| file != "expected.json").collect(),
    }
}

/// Runs a command that finds `hub` where the hub is.
fn run(here: &Sandbox, hub: &Hub, arguments: &[&str]) -> Outcome {
    let mut command = here.command(arguments);
    command.env("HF_ENDPOINT", &hub.endpoint);
    let mut outcome = here.outcome(command.output().unwrap());
    outcome.err = outcome.err.replace(&hub.endpoint, "HUB");
    outcome
}

/// A home with a document.
fn with_text() -> Sandbox {
    home(&[("a.md", "The boat is unbelievable, Anna!\n")])
}

/// The model that a report names.
#[track_caller]
fn model(outcome: &Outcome) -> Value {
    assert_eq!(outcome.code, 0, "{outcome:?}");
    json(&outcome.out)["model"].take()
}

// Choosing.

#[test]
fn without_a_head_the_built_in_ones_read() {
    let here = with_text();
    cache(&here, "bert-tags", "org/tagger");
    cache(&here, "electra-tags", "dslim/bert-base-NER");
    let mut texts = Vec::new();
    for arguments in [&["classify"][..], &["ask", "Who?"], &["tag"]] {
        let outcome = here.run(&[arguments, &["a.md"]].concat());
        texts.push(said(&outcome));
    }
    insta::assert_snapshot!(texts.join("\n"));
    // Whoever names a discriminator is told that no head reads with it.
    let other = here.run(&["tag", "--model", "builtin", "a.md"]);
    assert_eq!(other.code, 2);
    assert!(other.err.contains("--model does nothing"), "{other:?}");
}

#[test]
fn a_name_that_no_built_in_head_has_is_told_those_that_one_has() {
    let here = with_text();
    let known = match BuiltinHead::all() {
        [] => "no head is built in this version".to_owned(),
        all => {
            let names: Vec<String> = all.iter().map(BuiltinHead::id).collect();
            format!("the heads that are built in are {}", names.join(", "))
        }
    };
    for (arguments, what) in [
        (
            &["classify", "a.md", "--head", "builtin:nothing"][..],
            "there is no builtin:nothing: ",
        ),
        (
            &["classify", "a.md", "--head", "builtin"],
            "builtin is the discriminator, which doubts words and does nothing else: ",
        ),
        (
            &["model", "info", "builtin:nothing"],
            "there is no builtin:nothing: ",
        ),
    ] {
        let outcome = here.run(arguments);
        assert_eq!(outcome.code, 2);
        assert!(
            outcome.err.contains(&format!("{what}{known}; give --head")),
            "{outcome:?}"
        );
    }
}

#[test]
fn heads_that_are_built_in_read_without_a_network_and_are_described() {
    let here = with_text();
    for head in BuiltinHead::all() {
        let id = head.id();
        let command = match head.task {
            Task::Classification => vec!["classify"],
            Task::QuestionAnswering => vec!["ask", "Who?"],
            Task::Tagging => vec!["tag"],
        };
        let more = ["a.md", "--format", "json", "--offline", "--head", &id];
        let read = here.run(&[&command[..], &more].concat());
        assert_eq!(model(&read)["id"], id.as_str());
        let info = json(&here.run(&["model", "info", &id, "--json"]).out);
        assert_eq!(info["adapter"]["base"], "builtin");
        assert_eq!(info["score"], head.score);
        let usual = BuiltinHead::usual(head.task);
        if usual.is_some_and(|usual| usual.name == head.name) {
            let more = ["a.md", "--format", "json"];
            let unasked = here.run(&[&command[..], &more].concat());
            assert_eq!(model(&unasked)["id"], id.as_str());
        }
    }
    let listed = json(&here.run(&["model", "list", "--json"]).out);
    let carried = listed["heads"].as_array().unwrap().iter();
    let carried = carried.filter(|head| head["source"] == "builtin").count();
    assert_eq!(carried, BuiltinHead::all().len());
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_settings() {
    let here = with_text();
    for name in ["one", "two", "three"] {
        copy(&here, "electra-single", name);
    }
    // In the settings a folder goes by its whole path.
    let one = here.path().join("one");
    let settings = format!("[heads]\nclassification = {one:?}\nqa = \"nowhere/at/all\"\n");
    fs::create_dir_all(here.path().join("home/.config/electroscope")).unwrap();
    fs::write(
        here.path().join("home/.config/electroscope/config.toml"),
        settings,
    )
    .unwrap();
    let id = |arguments: &[&str], variable: Option<&str>| {
        let fixed = ["classify", "--format", "json", "a.md"];
        let mut command = here.command(&[&fixed[..], arguments].concat());
        command.envs(variable.map(|value| ("ELECTROSCOPE_HEAD", value)));
        model(&here.outcome(command.output().unwrap()))["id"].take()
    };
    assert_eq!(id(&[], None), "HERE/one");
    assert_eq!(id(&[], Some("two")), "two");
    assert_eq!(id(&["--head", "three"], Some("two")), "three");
}

#[test]
fn what_was_trained_for_something_else_is_named_as_what_it_is() {
    let here = with_text();
    let mut texts = Vec::new();
    let cases = [
        (&["classify"][..], "electra-tags"),
        (&["classify"], "electra-answers"),
        (&["tag"], "bert-single"),
        (&["ask", "Who?"], "distilbert-tags"),
    ];
    for (command, name) in cases {
        let folder = head(name);
        let head = ["a.md", "--head", folder.to_str().unwrap()];
        let outcome = here.run(&[command, &head].concat());
        texts.push(said(&outcome));
    }
    // A name tells before anything is downloaded: where this hub should be nobody listens.
    texts.push(said(&here.run(&["tag", "a.md", "--head", "sst2"])));
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_checkpoint_without_a_head_is_refused_by_its_class() {
    let here = with_text();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/fixtures/projected");
    let outcome = here.run(&["classify", "a.md", "--head", folder.to_str().unwrap()]);
    assert_eq!((outcome.code, outcome.out.as_str()), (2, ""));
    assert!(outcome.err.contains("ElectraForPreTraining"), "{outcome:?}");
}

#[test]
fn a_name_that_is_none_is_told_so() {
    let here = with_text();
    let names = ["./nope", "a.md", "a/b/c", "", "org/na\u{1b}[31mme"];
    let texts = names.map(|name| here.run(&["tag", "a.md", "--head", name]).err);
    insta::assert_snapshot!(texts.concat());
    // A slip in a short name ends at the hub, which knows nothing of them.
    let hub = Hub::with(Repository::tiny());
    let slip = run(&here, &hub, &["tag", "a.md", "--head", "nre"]);
    insta::assert_snapshot!(said(&slip));
}

#[test]
fn a_folder_goes_before_a_name_if_it_holds_a_checkpoint() {
    let here = with_text();
    fs::create_dir(here.path().join("sst2")).unwrap();
    fs::write(here.path().join("sst2/train.tsv"), "").unwrap();
    let command = ["classify", "--format", "json", "a.md", "--head", "sst2"];
    let data = here.run(&command);
    assert!(data.err.contains(SST2), "{data:?}");
    copy(&here, "electra-single", "sst2");
    assert_eq!(model(&here.run(&command))["id"], "sst2");
    // A folder that is named by its path is never anything else.
    fs::create_dir(here.path().join("empty")).unwrap();
    let empty = here.run(&["classify", "a.md", "--head", "./empty"]);
    assert!(
        empty.err.contains("./empty has no config.json"),
        "{empty:?}"
    );
}

// The hub.

#[test]
fn a_name_stands_for_a_repository_that_is_downloaded_once() {
    let here = with_text();
    let hub = Hub::with(repository(SST2, "electra-single"));
    let command = ["classify", "--format", "json", "--head", "sst2", "a.md"];
    let first = run(&here, &hub, &command);
    assert_eq!(
        first.err,
        format!("downloading {SST2} into HERE/home/.cache/huggingface/hub\n")
    );
    let found = model(&first);
    assert_eq!(found["id"], SST2);
    assert_eq!(
        found["revision"],
        "89abcdef0123456789abcdef0123456789abcdef"
    );
    assert_eq!(hub.files().len(), 3);
    // From then on it needs no network, and is the same by its id.
    let connections = hub.connections();
    for head in ["sst2", SST2] {
        let again = run(
            &here,
            &hub,
            &[&command[..4], &[head, "a.md", "--offline"]].concat(),
        );
        assert_eq!(again.out, first.out);
    }
    assert_eq!(hub.connections(), connections);
    let quiet = here.run(&["classify", "-q", "--head", "sst2", "a.md"]);
    assert_eq!(
        (quiet.code, quiet.err.as_str()),
        (0, ""),
        "the hub is out of reach"
    );
}

#[test]
fn heads_of_other_families_come_from_the_hub_too() {
    for name in ["bert-tags", "distilbert-tags"] {
        let here = with_text();
        let hub = Hub::with(repository("org/head", name));
        let command = ["tag", "--format", "json", "a.md", "--head"];
        let there = run(&here, &hub, &[&command[..], &["org/head"]].concat());
        let folder = copy(&here, name, "folder");
        let at_hand = here.run(&[&command[..], &[folder.to_str().unwrap()]].concat());
        let words = |outcome: &Outcome| json(&outcome.out)["documents"].take();
        assert_eq!(words(&there), words(&at_hand), "{name}");
    }
}

#[test]
fn an_adapter_comes_from_the_hub_and_finds_its_base() {
    let here = with_text();
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let folder = reference.join("adapters/electra-tags");
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let mut about: Value = serde_json::from_slice(&read("adapter_config.json")).unwrap();
    about["base_model_name_or_path"] = reference.join("fixtures/projected").to_str().into();
    let files = [
        ("adapter_config.json", about.to_string().into_bytes()),
        (
            "adapter_model.safetensors",
            read("adapter_model.safetensors"),
        ),
        ("optimizer.pt", b"nobody needs it".to_vec()),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes));
    let hub = Hub::with(Repository {
        id: "org/adapter".to_owned(),
        commit: "89abcdef0123456789abcdef0123456789abcdef".to_owned(),
        files: files.into_iter().collect(),
    });
    let command = ["tag", "--format", "json", "a.md", "--head"];
    let there = run(&here, &hub, &[&command[..], &["org/adapter"]].concat());
    let again = here.run(&[&command[..], &["org/adapter", "--offline"]].concat());
    let at_hand = here.run(&[&command[..], &[folder.to_str().unwrap()]].concat());
    let words = |outcome: &Outcome| {
        assert_eq!(outcome.code, 0, "{outcome:?}");
        json(&outcome.out)["documents"].take()
    };
    assert_eq!(words(&there), words(&at_hand));
    assert_eq!(words(&again), words(&at_hand));
    assert_eq!(hub.files().len(), 2);
}

#[test]
fn a_name_of_ones_own_has_a_revision_and_a_typed_one_beats_it() {
    let here = with_text();
    let settings = "revision = \"of-the-discriminator\"\n[heads.mine]\nmodel = \"org/head\"\n\
                    revision = \"v1\"\ntask = \"classification\"\n";
    fs::write(here.path().join("set.toml"), settings).unwrap();
    let hub = Hub::with(repository("org/head", "electra-single"));
    let command = ["classify", "a.md", "--config", "set.toml", "--head"];
    let asked = |arguments: &[&str]| {
        let outcome = run(&here, &hub, &[&command[..], arguments].concat());
        let asked = hub.asked().into_iter().rev();
        let listing = asked
            .map(|request| request.path)
            .find(|path| path.starts_with("/api/"));
        (outcome.code, listing.unwrap())
    };
    assert_eq!(
        asked(&["mine"]),
        (0, "/api/models/org/head/revision/v1?blobs=true".to_owned())
    );
    let typed = asked(&["mine", "--revision", "main"]);
    assert_eq!(
        typed,
        (
            0,
            "/api/models/org/head/revision/main?blobs=true".to_owned()
        )
    );
    // The settings' own revision is that of the discriminator, and the name's is the name's.
    let by_id = asked(&["org/head"]);
    assert_eq!(by_id.1, "/api/models/org/head/revision/main?blobs=true");
    let missing = run(
        &here,
        &hub,
        &[&command[..], &["mine", "--revision", "v9"]].concat(),
    );
    assert!(
        missing.err.contains("HUB has no revision v9 of org/head"),
        "{missing:?}"
    );
}

#[test]
fn without_a_network_it_is_said_what_there_is() {
    let here = with_text();
    let nothing = here.run(&["classify", "a.md", "--head", "sst2", "--offline"]);
    let unreachable = here.run(&["classify", "a.md", "--head", "org/head"]);
    cache(&here, "electra-single", "org/one");
    cache(&here, "distilbert-multi", "two");
    cache(&here, "bert-tags", "org/tagger");
    let something = here.run(&["classify", "a.md", "--head", "sst2", "--offline"]);
    let any = here.run(&[
        "tag",
        "a.md",
        "--head",
        "org/x",
        "--offline",
        "--revision",
        "v2",
    ]);
    let texts = [nothing, unreachable, something, any].map(|outcome| said(&outcome));
    insta::assert_snapshot!(texts.join("\n").replace(NOWHERE, "NOWHERE"));
}

#[test]
fn what_the_hub_recommends_for_a_discriminator_is_not_said_of_a_head() {
    let here = with_text();
    let busy = Hub::start(|_| Answer::status(503, &[("Retry-After", "0")]));
    let outcome = run(&here, &busy, &["tag", "a.md", "--head", "org/head"]);
    assert!(
        outcome
            .err
            .contains("HUB is busy (status 503 for org/head)"),
        "{outcome:?}"
    );
    assert!(!outcome.err.contains("--model"), "{outcome:?}");
    let tagger = repository("org/head", "electra-tags");
    let cut = Hub::start(move |request| match request.file() {
        WEIGHTS => Answer::announcing(tagger.weights().len()),
        _ => tagger.answer(request),
    });
    let outcome = run(&here, &cut, &["tag", "a.md", "--head", "org/head"]);
    assert!(outcome.err.contains("broke off after 0 of"), "{outcome:?}");
    assert!(!outcome.err.contains("--model"), "{outcome:?}");
}

#[test]
fn a_head_for_pairs_says_so() {
    let here = with_text();
    cache(&here, "electra-single", "howey/electra-small-mnli");
    let outcome = here.run(&["classify", "a.md", "--head", "mnli", "--offline"]);
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.err,
        "mnli was trained on pairs of texts; of one text alone its labels say little\n"
    );
    assert_eq!(
        here.run(&["classify", "-q", "a.md", "--head", "mnli", "--offline"])
            .err,
        ""
    );
}

// What `model` says of heads.

#[test]
fn cached_heads_are_known_by_their_class_and_are_no_discriminators() {
    let here = with_text();
    cache(&here, "electra-single", "org/one");
    cache(&here, "bert-tags", "org/tagger");
    cache(&here, "distilbert-answers", "answers");
    let settings = HubSettings {
        cache: here.cache(),
        endpoint: NOWHERE.to_owned(),
        token: None,
        offline: true,
        patience: std::time::Duration::from_secs(1),
        most_bytes: 1 << 30,
    };
    let heads = hub::cached_heads(&settings);
    let found: Vec<(&str, Task, &str)> = heads
        .iter()
        .map(|head| (head.model.id.as_str(), head.task, head.family.model_type()))
        .collect();
    assert_eq!(
        found,
        [
            ("answers", Task::QuestionAnswering, "distilbert"),
            ("org/one", Task::Classification, "electra"),
            ("org/tagger", Task::Tagging, "bert"),
        ]
    );
    assert!(
        heads
            .iter()
            .all(|head| head.model.bytes > 10_000 && head.model.folder.is_dir())
    );
    assert_eq!(hub::cached(&settings), []);
}

#[test]
fn the_list_has_the_heads_that_can_be_chosen() {
    let here = with_text();
    cache(&here, "electra-single", SST2);
    cache(&here, "bert-tags", "org/tagger");
    copy(&here, "electra-answers", "mine");
    // In the settings a folder goes by its whole path.
    let mine = here.path().join("mine");
    let settings = format!(
        "[heads]\nqa = \"mine\"\ntagging = \"org/tagger\"\n\
         [heads.mine]\nmodel = {mine:?}\ntask = \"qa\"\n\
         [heads.later]\nmodel = \"org/later\"\ntask = \"tagging\"\n"
    );
    fs::write(here.path().join("set.toml"), settings).unwrap();
    let list = |arguments: &[&str]| here.run(&[&["model", "list"], arguments].concat());
    let texts = [
        said(&list(&["--config", "set.toml"])),
        said(&list(&["--head", "sst2"])),
    ];
    insta::with_settings!({filters => [(r"27\.\d\d MB", "[size]")]}, {
        insta::assert_snapshot!(texts.join("\n"));
    });
    let all = json(&list(&["--config", "set.toml", "--json"]).out);
    let heads = all["heads"].as_array().unwrap();
    let of = |name: &str| heads.iter().find(|head| head["name"] == name).unwrap();
    let inside = format!(
        "models--{}/snapshots/0123456789abcdef0123456789abcdef01234567",
        SST2.replace('/', "--")
    );
    let bytes = hub::bytes_in(&here.cache().join(&inside));
    assert_eq!(
        of("sst2"),
        &serde_json::json!({
            "name": "sst2", "id": SST2, "task": "classification", "source": "cache",
            "chosen": false, "path": format!("HERE/home/.cache/huggingface/hub/{inside}"), "revision": "0123456789abcdef0123456789abcdef01234567",
            "bytes": bytes, "architecture": "ElectraForSequenceClassification",
            "about": "whether a sentence speaks well or ill of something; film reviews (SST-2)",
            "score": null,
        })
    );
    assert_eq!(of("mine")["source"], "folder");
    assert_eq!(of("mine")["chosen"], true);
    assert_eq!(of("later")["source"], "hub");
}

#[test]
fn a_head_is_described() {
    let here = with_text();
    for name in [
        "electra-single",
        "bert-tags",
        "distilbert-rating",
        "electra-answers",
    ] {
        copy(&here, name, name);
    }
    cache(
        &here,
        "electra-answers",
        "mrm8488/electra-small-finetuned-squadv2",
    );
    let info = |arguments: &[&str]| here.run(&[&["model", "info"], arguments].concat());
    let texts = [
        info(&["electra-single"]),
        info(&["bert-tags"]),
        info(&["distilbert-rating"]),
        info(&["electra-answers"]),
        info(&["squad2", "--offline"]),
        info(&["mrm8488/electra-small-finetuned-squadv2", "--offline"]),
    ];
    let texts = texts.map(|outcome| said(&outcome));
    insta::with_settings!({filters => [("sha256 [0-9a-f]{64}", "sha256 [hash]")]}, {
        insta::assert_snapshot!(texts.join("\n"));
    });
    let mut object = json(&info(&["electra-single", "--json"]).out);
    let config = object["config"].take();
    assert_eq!(config["model_type"], "electra");
    for file in object["files"].as_array_mut().unwrap() {
        file["sha256"] = "[hash]".into();
    }
    insta::assert_json_snapshot!(object);
    let object = json(&info(&["squad2", "--offline", "--json"]).out);
    assert_eq!(
        (&object["task"], &object["no_answer"]),
        (&"qa".into(), &true.into())
    );
    assert_eq!(object["problem"], Value::Null);
}

#[test]
fn what_names_no_class_is_described_by_its_tensors() {
    let here = with_text();
    let config = copy(&here, "electra-tags", "head").join("config.json");
    let mut fields = json(&fs::read_to_string(&config).unwrap());
    fields.as_object_mut().unwrap().remove("architectures");
    fs::write(&config, fields.to_string()).unwrap();
    let info = json(&here.run(&["model", "info", "head", "--json"]).out);
    assert_eq!(info["task"], "tagging");
    assert_eq!(info["architecture"], "ElectraForTokenClassification");
}

#[test]
fn a_head_is_pulled_by_its_name_or_its_id() {
    let here = with_text();
    let hub = Hub::with(repository(SST2, "distilbert-single"));
    let by_name = run(&here, &hub, &["model", "pull", "sst2", "-q"]);
    assert_eq!(by_name.code, 0, "{by_name:?}");
    let folder = format!(
        "HERE/home/.cache/huggingface/hub/models--{}/snapshots/89abcdef0123456789abcdef0123456789abcdef\n",
        SST2.replace('/', "--")
    );
    assert_eq!(by_name.out, folder);
    assert_eq!(run(&here, &hub, &["model", "pull", SST2]).out, folder);
    copy(&here, "electra-single", "mine");
    let mine = here.path().join("mine");
    let settings = format!("[heads.own]\nmodel = {mine:?}\ntask = \"classification\"\n");
    fs::write(here.path().join("set.toml"), settings).unwrap();
    let own = here.run(&["model", "pull", "own", "--config", "set.toml"]);
    assert!(
        own.err
            .contains("own is the folder HERE/mine: there is nothing to download"),
        "{own:?}"
    );
    // What arrives and is no head that can be read is found out now.
    let mut broken = repository("org/broken", "bert-tags");
    let weights = broken.weights()[..500].to_vec();
    broken.files.insert(WEIGHTS.to_owned(), weights);
    let hub = Hub::with(broken);
    let outcome = run(&here, &hub, &["model", "pull", "org/broken"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (2, ""));
    assert!(
        outcome.err.contains("model.safetensors is damaged"),
        "{outcome:?}"
    );
}
