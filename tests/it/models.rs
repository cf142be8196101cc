//! `model list`, `model info` and `model export` through the program, and names of models that are
//! none.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use electroscope::catalog::builtin;
use electroscope_model::nn::plain::PlainGenerator;
use electroscope_model::{Checkpoint, ElectraConfig, Weights};
use serde_json::Value;

use crate::sandbox::{Outcome, Sandbox};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference/fixtures")
        .join(name)
}

/// Copies a checkpoint, all of it that lies in the folder itself.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// A sandbox with the checkpoint `projected` in `tiny/`.
fn with_tiny() -> Sandbox {
    let here = Sandbox::new();
    copy(&fixture("projected"), &here.path().join("tiny"));
    here
}

/// Puts the checkpoint into the cache as `id`, as a download would.
fn cache(here: &Sandbox, id: &str) {
    let repository = here
        .cache()
        .join(format!("models--{}", id.replace('/', "--")));
    let commit = "0123456789abcdef0123456789abcdef01234567";
    copy(
        &fixture("projected"),
        &repository.join("snapshots").join(commit),
    );
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), commit).unwrap();
}

/// All that a command said, for a snapshot. What a machine computes in is its own affair.
fn said(outcome: &Outcome) -> String {
    let out = outcome.out.replace(" in int8\n", " in f32\n");
    format!("exit code {}\n{out}{}", outcome.code, outcome.err)
}

/// What a command that must succeed printed as JSON.
#[track_caller]
fn json(outcome: &Outcome) -> Value {
    assert_eq!(outcome.code, 0, "{outcome:?}");
    serde_json::from_str(&outcome.out).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_list_has_the_built_in_the_cached_and_the_configured_model() {
    let here = with_tiny();
    cache(&here, "org/cached");
    cache(&here, "plain");
    // What another program keeps there is not ours to list.
    let bert = here.cache().join("models--org--bert/snapshots/x");
    fs::create_dir_all(bert).unwrap();
    fs::write(here.path().join("set.toml"), "model = \"org/later\"\n").unwrap();
    let lists = [
        &["model", "list"][..],
        &["model", "list", "--model", "org/cached"],
        &["model", "list", "--model", "./tiny"],
        &["model", "list", "--model", "./tyni"],
        &["model", "list", "--config", "set.toml"],
    ];
    let texts: Vec<String> = lists
        .iter()
        .map(|list| {
            let said = said(&here.run(list));
            let (models, _) = said.split_once("\nHeads, ").unwrap();
            format!("$ {}\n{models}", list.join(" "))
        })
        .collect();
    insta::with_settings!({filters => [(r"\d+\.\d\d MB", "[size]")]}, {
        insta::assert_snapshot!(texts.join("\n"));
    });
}

#[test]
fn the_list_is_there_as_json() {
    let here = with_tiny();
    cache(&here, "org/cached");
    let models = |arguments: &[&str]| {
        let list = json(&here.run(&[&["model", "list", "--json"], arguments].concat()));
        assert_eq!(list["schema_version"], 1);
        list
    };
    let mut all = models(&["--model", "tiny"]);
    // Another pair may be built in.
    all["models"][0]["bytes"] = "[bytes]".into();
    assert!(all["heads"].take().as_array().unwrap().len() > 3);
    insta::assert_json_snapshot!(all);
    assert_eq!(models(&[])["configured"], "builtin");
    let last = |arguments| {
        let mut list = models(arguments);
        list["models"].as_array_mut().unwrap().pop().unwrap()
    };
    assert_eq!(last(&["--model", "org/later"])["source"], "hub");
    assert_eq!(last(&["--model", "./nope"])["source"], "none");
    assert_eq!(last(&["--model", "org/cached"])["id"], "org/cached");
}

#[test]
fn a_folder_is_described() {
    let here = with_tiny();
    insta::assert_snapshot!(said(&here.run(&["model", "info", "tiny"])));
    insta::assert_json_snapshot!(json(&here.run(&[
        "model",
        "info",
        "tiny",
        "--json",
        "--precision",
        "f32"
    ])));
    // With all that a checkpoint may say of itself, and no way to the terminal for it.
    let config = here.path().join("tiny/config.json");
    let mut fields: Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    fields["id2label"] = serde_json::json!({"0": "kept", "1": "re\u{1b}[31mplaced"});
    fields["electroscope"] = serde_json::json!({"threshold": 0.07, "false_alarms": 0.015});
    fs::write(&config, fields.to_string()).unwrap();
    let card = "---\r\nlanguage: en\r\nlicense: \"mit\"\r\n---\r\n# Tiny\r\n";
    fs::write(here.path().join("tiny/README.md"), card).unwrap();
    let rich = here.run(&["model", "info", "--model", "tiny"]);
    insta::with_settings!({filters => [("sha256 [0-9a-f]{64}", "sha256 [hash]")]}, {
        insta::assert_snapshot!(said(&rich));
    });
    fs::write(here.path().join("set.toml"), "threshold = 0.9\n").unwrap();
    let set = here.run(&["model", "info", "tiny", "--config", "set.toml"]);
    assert!(
        set.out.contains("threshold   0.9  (from the settings)\n"),
        "{}",
        set.out
    );
}

#[test]
fn the_built_in_model_is_described() {
    let here = Sandbox::new();
    // Its numbers change when the pair is replaced.
    let filters = [
        ("sha256 [0-9a-f]{64}", "sha256 [hash]"),
        (r" +\d[\d.]*", " N"),
    ];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(said(&here.run(&["model", "info"])));
    });
    let info = json(&here.run(&["model", "info", "builtin", "--json"]));
    assert_eq!(info["id"], "builtin");
    assert_eq!(info["revision"], Value::Null);
    assert_eq!(info["folder"], Value::Null);
    assert_eq!(info["licence"], "apache-2.0");
    assert_eq!(info["config"]["model_type"], "electra");
    assert!(info["parameters"].as_u64().unwrap() > 1_000_000);
    // The hashes are those of the files that were built in.
    let files = info["files"].as_array().unwrap();
    assert_eq!(files.len(), 5);
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("assets/builtin")
            .join(file["name"].as_str().unwrap());
        let hash = electroscope_model::hub::sha256(&path).unwrap();
        assert_eq!(file["sha256"], hash, "{}", path.display());
        assert_eq!(file["bytes"], fs::metadata(&path).unwrap().len());
    }
}

/// The p of every token of a text.
fn scores(here: &Sandbox, model: &str) -> Vec<(String, f64)> {
    let score = [
        "score",
        "text.md",
        "--format",
        "json",
        "--exit-zero",
        "--precision",
        "f32",
        "--model",
        model,
    ];
    let report = json(&here.run(&score));
    let tokens = report["documents"][0]["tokens"].as_array().unwrap();
    let p = |token: &Value| {
        (
            token["text"].as_str().unwrap().to_owned(),
            token["p"].as_f64().unwrap(),
        )
    };
    tokens.iter().map(p).collect()
}

#[track_caller]
fn assert_same_scores(got: &[(String, f64)], want: &[(String, f64)]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert_eq!(got.0, want.0);
        assert!(
            (got.1 - want.1).abs() <= 1e-5,
            "{got:?} instead of {want:?}"
        );
    }
}

/// A text in which the model doubts something.
const TEXT: &str = "# Harbour notes\n\nThe committee approved the banana of the new bridge over the \
                    river last spring. She go to work every day, and the boats wait.\n";

#[test]
fn an_exported_built_in_model_scores_as_the_built_in_one() {
    let here = Sandbox::new();
    fs::write(here.path().join("text.md"), TEXT).unwrap();
    let export = here.run(&["model", "export", "a/mini"]);
    assert_eq!(
        said(&export),
        "exit code 0\nwrote the discriminator, with its generator in generator/, into a/mini\n"
    );
    let folder = here.path().join("a/mini");
    for name in [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "vocab.txt",
        "README.md",
    ] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    for below in ["", "generator"] {
        let left = names(&folder.join(below));
        assert!(left.iter().all(|name| !name.ends_with(".new")), "{left:?}");
    }
    let builtin = scores(&here, "builtin");
    assert!(builtin.iter().any(|(_, p)| *p > 0.2), "{builtin:?}");
    assert_same_scores(&scores(&here, "a/mini"), &builtin);
    // The older of the two ways to read the words gives the same.
    fs::remove_file(folder.join("tokenizer.json")).unwrap();
    assert_same_scores(&scores(&here, "a/mini"), &builtin);
    // It says what it is as before.
    let info = |model: &str| {
        let mut info = json(&here.run(&["model", "info", model, "--json"]));
        for what in ["id", "folder", "files", "config"] {
            info.as_object_mut().unwrap().remove(what);
        }
        info
    };
    assert_eq!(info("a/mini"), info("builtin"));

    // And the generator below it answers as the one in the program.
    let below = folder.join("generator");
    let path = below.join("config.json");
    let config = ElectraConfig::parse(&fs::read(&path).unwrap(), &path).unwrap();
    let weights = Weights::open_folder(&below).unwrap();
    let exported = PlainGenerator::load(&config, &weights, None, &Device::Cpu).unwrap();
    let window: &[u32] = &[101, 1996, 103, 2003, 2307, 102];
    let got = exported.padded(&[window]).unwrap().concat().concat();
    let want = builtin::plain_generator().unwrap();
    let want = want.padded(&[window]).unwrap().concat().concat();
    assert_eq!(got.len(), want.len());
    assert!(
        got.iter()
            .zip(&want)
            .all(|(got, want)| (got - want).abs() < 1e-4)
    );
}

#[test]
fn an_exported_folder_scores_as_the_folder() {
    let here = with_tiny();
    // The fixture's vocabulary has these words.
    fs::write(
        here.path().join("text.md"),
        "The boat was over the river. She works, unbelievable!\n",
    )
    .unwrap();
    let export = here.run(&["model", "export", "copy", "--model", "tiny", "-q"]);
    assert_eq!(said(&export), "exit code 0\n");
    assert_same_scores(&scores(&here, "copy"), &scores(&here, "tiny"));
    assert!(!here.path().join("copy/generator").exists());
    // With a generator by its side.
    let generator = fixture("projected/generator");
    let pair = here.run(&[
        "model",
        "export",
        "pair",
        "--model",
        "tiny",
        "--generator",
        generator.to_str().unwrap(),
    ]);
    assert_eq!(pair.code, 0, "{pair:?}");
    assert_same_scores(&scores(&here, "pair"), &scores(&here, "tiny"));
    let before = Weights::open_folder(&generator).unwrap();
    let after = Weights::open_folder(&here.path().join("pair/generator")).unwrap();
    for name in after.names() {
        let shape = after.shape(name).unwrap();
        assert_eq!(
            after.numbers(name, shape).unwrap(),
            before.numbers(name, shape).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn nothing_is_exported_over_what_is_there() {
    let here = with_tiny();
    let mut texts = Vec::new();
    for name in ["config.json", "model.safetensors", "vocab.txt", "README.md"] {
        let folder = here.path().join(name.replace('.', "-"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(name), "mine").unwrap();
        let export = [
            "model",
            "export",
            folder.to_str().unwrap(),
            "--model",
            "tiny",
        ];
        texts.push(said(&here.run(&export)));
        assert_eq!(names(&folder), [name]);
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), "mine");
    }
    fs::write(here.path().join("file"), "mine").unwrap();
    texts.push(said(
        &here.run(&["model", "export", "file", "--model", "tiny"]),
    ));
    texts.push(said(
        &here.run(&["model", "export", "tiny", "--model", "tiny"]),
    ));
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn half_a_pair_is_not_exported() {
    let here = with_tiny();
    let discriminator = fixture("projected");
    let other = fixture("projected/generator");
    copy(&other, &here.path().join("other"));
    let config = here.path().join("other/config.json");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace("\"vocab_size\": 47", "\"vocab_size\": 46"),
    )
    .unwrap();
    let mut texts = Vec::new();
    for generator in ["nowhere", discriminator.to_str().unwrap(), "other"] {
        for packed in [&[][..], &["--packed"]] {
            let export = [
                "model",
                "export",
                "out",
                "--model",
                "tiny",
                "--generator",
                generator,
            ];
            texts.push(said(&here.run(&[&export, packed].concat())));
            assert!(!here.path().join("out").exists());
        }
    }
    let fixtures = discriminator.display().to_string();
    insta::assert_snapshot!(texts.join("\n").replace(&fixtures, "FIXTURE"));
}

#[test]
fn a_packed_pair_is_the_pair_to_half_a_step() {
    let here = with_tiny();
    let generator = fixture("projected/generator");
    let export = here.run(&[
        "model",
        "export",
        "out",
        "--packed",
        "--model",
        "tiny",
        "--generator",
        generator.to_str().unwrap(),
    ]);
    assert_eq!(
        said(&export),
        "exit code 0\nwrote the packed pair into out\n"
    );
    let out = here.path().join("out");
    assert_eq!(
        names(&out),
        [
            "discriminator.json",
            "discriminator.safetensors",
            "generator.json",
            "generator.safetensors",
            "vocab.txt"
        ]
    );
    assert_eq!(
        fs::read(out.join("vocab.txt")).unwrap(),
        fs::read(fixture("projected/vocab.txt")).unwrap()
    );
    let halves = [
        ("discriminator", fixture("projected")),
        ("generator", generator),
    ];
    for (half, from) in halves {
        let field =
            |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
        assert_eq!(
            field(out.join(format!("{half}.json"))),
            field(from.join("config.json"))
        );
        let packed = Weights::open(&out.join(format!("{half}.safetensors"))).unwrap();
        let plain = Weights::open_folder(&from).unwrap();
        let mut matrices = 0;
        for name in packed.names().filter(|name| !name.ends_with(".scale")) {
            let shape = packed.shape(name).unwrap();
            let (got, want) = (
                packed.numbers(name, shape).unwrap(),
                plain.numbers(name, shape).unwrap(),
            );
            if packed.quantised(name).is_none() {
                assert_eq!(got, want, "{name}");
                continue;
            }
            matrices += 1;
            let columns = *shape.last().unwrap();
            for (got, want) in got.chunks(columns).zip(want.chunks(columns)) {
                let largest = want.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                let step = largest / 127.0;
                assert!(
                    got.iter()
                        .zip(want)
                        .all(|(got, want)| (got - want).abs() <= 0.501 * step),
                    "{name}"
                );
            }
        }
        assert!(matrices > 10, "{half} has {matrices} matrices");
    }
    // What is packed holds all that a discriminator needs.
    let tiny = Checkpoint::open(&fixture("projected")).unwrap();
    let packed = Weights::open(&out.join("discriminator.safetensors")).unwrap();
    assert_eq!(packed.parameters(), tiny.weights.parameters());
}

#[test]
fn a_name_that_is_no_model_is_told_so() {
    let here = with_tiny();
    fs::write(here.path().join("text.md"), TEXT).unwrap();
    let mut texts = Vec::new();
    let names = [
        "./tyni",
        "tyni/",
        "/nowhere/tiny",
        "~/tiny",
        "tiny/model.safetensors",
        "text.md",
        "a/b/c",
        "built-in model",
        "",
        "org/na\u{1b}[31mme",
    ];
    for name in names {
        let outcome = here.run(&["score", "text.md", "--model", name]);
        assert_eq!((outcome.code, outcome.out.as_str()), (2, ""));
        texts.push(outcome.err);
    }
    texts.push(here.run(&["model", "pull", "builtin"]).err);
    texts.push(here.run(&["model", "pull", "tiny"]).err);
    texts.push(here.run(&["model", "pull", "./tyni"]).err);
    texts.push(here.run(&["model", "info", "org/x", "--offline"]).err);
    insta::assert_snapshot!(texts.concat());
}

#[test]
fn a_checkpoint_that_is_broken_is_an_error_and_no_panic() {
    type Break = fn(&Path);
    let cases: [(&str, Break); 5] = [
        ("cut off", |folder| {
            let path = folder.join("model.safetensors");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..9_000]).unwrap();
        }),
        ("of another kind", |folder| {
            let path = folder.join("config.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("\"electra\"", "\"bert\"")).unwrap();
        }),
        ("no weights", |folder| {
            fs::remove_file(folder.join("model.safetensors")).unwrap();
            fs::remove_file(folder.join("pytorch_model.bin")).unwrap();
        }),
        ("a pickle that is none", |folder| {
            fs::remove_file(folder.join("model.safetensors")).unwrap();
            fs::write(folder.join("pytorch_model.bin"), [0x80; 100]).unwrap();
        }),
        ("an empty folder", |folder| {
            fs::remove_dir_all(folder).unwrap();
            fs::create_dir(folder).unwrap();
        }),
    ];
    let mut texts = Vec::new();
    for (what, break_it) in cases {
        let here = with_tiny();
        fs::write(here.path().join("text.md"), TEXT).unwrap();
        break_it(&here.path().join("tiny"));
        for command in [
            &["score", "text.md", "--model", "tiny"][..],
            &["model", "info", "tiny"],
            &["model", "export", "out", "--model", "tiny"],
        ] {
            let outcome = here.run(command);
            assert_eq!((outcome.code, outcome.out.as_str()), (2, ""), "{what}");
            assert!(!here.path().join("out").exists());
            texts.push(format!("{what}: {}", outcome.err));
        }
    }
    texts.dedup();
    insta::assert_snapshot!(texts.concat());
}
