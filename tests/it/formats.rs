//! Checkpoints in the other formats that ELECTRA was published in: the same numbers, the same logits.
//!
//! The files are the frameworks' own, of the `projected` fixture; see `tests/reference/make_formats.py`.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use electroscope_model::nn::plain::{PlainDiscriminator, PlainGenerator};
use electroscope_model::{Checkpoint, ElectraConfig, Weights};

use crate::sandbox::Sandbox;

/// What the reference implementation says of some windows.
#[derive(serde::Deserialize)]
struct Expected {
    windows: Vec<Vec<u32>>,
    single: Logits,
}

#[derive(serde::Deserialize)]
struct Logits {
    discriminator: Vec<Vec<f32>>,
    generator: Vec<Vec<Vec<f32>>>,
}

fn expected() -> Expected {
    let path = reference("fixtures/projected/expected.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let apart = (got - want).abs();
        assert!(apart <= 1e-4, "logit {at}: {got} instead of {want}");
    }
}

/// Holds the tensors of `weights` to those of the fixture's safetensors file, number by number.
#[track_caller]
fn assert_same_numbers(weights: &Weights, fixture: &str) {
    let wanted = Weights::open(&reference(fixture).join("model.safetensors")).unwrap();
    let names: Vec<&str> = wanted.names().collect();
    assert_eq!(weights.names().collect::<Vec<_>>(), names);
    for name in names {
        let shape = wanted.shape(name).unwrap();
        let numbers = weights.numbers(name, shape).unwrap();
        assert_eq!(numbers, wanted.numbers(name, shape).unwrap(), "{name}");
    }
}

/// A folder of files in `tests/reference`.
fn reference(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference")
        .join(folder)
}

/// A checkpoint with the weights in the folder of this name in `formats/`.
fn checkpoint(format: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "vocab.txt"] {
        let from = reference("fixtures/projected").join(file);
        fs::copy(from, folder.path().join(file)).unwrap();
    }
    copy(&reference("formats").join(format), folder.path());
    folder
}

/// Copies the files of a folder, not its folders.
fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
    }
}

/// The discriminator in the folder of this name in `formats/`.
#[track_caller]
fn holds_discriminator(format: &str) {
    let folder = checkpoint(format);
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_same_numbers(&checkpoint.weights, "fixtures/projected");
    let model = PlainDiscriminator::load(&checkpoint, &Device::Cpu).unwrap();
    let expected = expected();
    for (window, want) in expected.windows.iter().zip(&expected.single.discriminator) {
        assert_close(&model.padded(&[window]).unwrap()[0], want);
    }
}

#[track_caller]
fn holds_generator(weights: &Weights) {
    assert_same_numbers(weights, "fixtures/projected/generator");
    let path = reference("fixtures/projected/generator/config.json");
    let config = ElectraConfig::parse(&fs::read(&path).unwrap(), &path).unwrap();
    let model = PlainGenerator::load(&config, weights, None, &Device::Cpu).unwrap();
    let expected = expected();
    for (window, want) in expected.windows.iter().zip(&expected.single.generator) {
        assert_close(
            &model.padded(&[window]).unwrap()[0].concat(),
            &want.concat(),
        );
    }
}

#[test]
fn safetensors_in_several_files_give_the_logits_of_the_reference() {
    holds_discriminator("shards");
    let index = reference("formats/shards/generator/model.safetensors.index.json");
    holds_generator(&Weights::open(&index).unwrap());
}

#[test]
fn flax_checkpoints_give_the_logits_of_the_reference() {
    holds_discriminator("flax");
    let generator = reference("formats/flax/generator/flax_model.msgpack");
    holds_generator(&Weights::open(&generator).unwrap());
    // The same in pieces, as Flax writes arrays of more than a gigabyte.
    holds_generator(&Weights::open(&reference("formats/flax/chunked.msgpack")).unwrap());
}

#[test]
fn tensorflow_2_checkpoints_give_the_logits_of_the_reference() {
    holds_discriminator("keras");
    let generator = reference("formats/keras/generator/tf_model.h5");
    holds_generator(&Weights::open(&generator).unwrap());
}

#[test]
fn tensorflow_1_checkpoints_give_the_logits_of_the_reference() {
    holds_discriminator("bundle");
    let folder = checkpoint("bundle");
    holds_generator(&Weights::open_generator_folder(folder.path()).unwrap());
}

#[test]
fn a_generator_that_has_no_embeddings_borrows_the_discriminators() {
    let folder = checkpoint("bundle");
    for ending in ["index", "data-00000-of-00001"] {
        fs::remove_file(folder.path().join(format!("model.ckpt.{ending}"))).unwrap();
    }
    let discriminator = Weights::open_folder(folder.path()).unwrap();
    assert!(discriminator.path().ends_with("tied.ckpt.index"));
    assert_same_numbers(&discriminator, "fixtures/projected");
    let generator = Weights::open_generator_folder(folder.path()).unwrap();
    let own = Weights::open(&reference("fixtures/projected/generator/model.safetensors")).unwrap();
    for name in own.names() {
        let lender = if name.starts_with("electra.embeddings.") {
            &discriminator
        } else {
            &own
        };
        let shape = own.shape(name).unwrap();
        let numbers = generator.numbers(name, shape).unwrap();
        assert_eq!(numbers, lender.numbers(name, shape).unwrap(), "{name}");
    }
}

#[test]
fn an_export_of_any_format_is_the_same_safetensors() {
    for format in ["shards", "flax", "keras", "bundle"] {
        let here = Sandbox::new();
        let (model, generator) = (here.path().join("model"), here.path().join("generator"));
        for (folder, place) in [(&model, ""), (&generator, "generator")] {
            fs::create_dir(folder).unwrap();
            for file in ["config.json", "vocab.txt"] {
                let from = reference("fixtures/projected").join(place).join(file);
                // The vocabulary is that of both, and lies with the discriminator.
                if from.is_file() {
                    fs::copy(from, folder.join(file)).unwrap();
                }
            }
            // A TensorFlow 1 checkpoint holds both models.
            let place = if format == "bundle" { "" } else { place };
            copy(&reference("formats").join(format).join(place), folder);
        }
        let arguments = "model export out --model model --generator generator";
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let outcome = here.run(&arguments);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        for (place, fixture) in [
            ("out", "fixtures/projected"),
            ("out/generator", "fixtures/projected/generator"),
        ] {
            let path = here.path().join(place).join("model.safetensors");
            assert_same_numbers(&Weights::open(&path).unwrap(), fixture);
        }
    }
}

#[test]
fn info_names_the_files_that_were_read() {
    for (format, files) in [
        (
            "shards",
            &[
                "model.safetensors.index.json",
                "model-00001-of-00003.safetensors",
                "model-00002-of-00003.safetensors",
                "model-00003-of-00003.safetensors",
            ][..],
        ),
        ("flax", &["flax_model.msgpack"]),
        ("keras", &["tf_model.h5"]),
        (
            "bundle",
            &["model.ckpt.index", "model.ckpt.data-00000-of-00001"],
        ),
    ] {
        let folder = checkpoint(format);
        let outcome = Sandbox::new().run(&[
            "model",
            "info",
            "--json",
            &folder.path().display().to_string(),
        ]);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let info: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
        let named = info["files"].as_array().unwrap().iter();
        let named: Vec<&str> = named.map(|file| file["name"].as_str().unwrap()).collect();
        assert_eq!(named[..2], ["config.json", "vocab.txt"]);
        assert_eq!(named[2..], *files);
    }
}

/// A folder with the checkpoint from before PyTorch 1.6 as its weights.
fn legacy() -> tempfile::TempDir {
    let folder = checkpoint("flax");
    fs::remove_file(folder.path().join("flax_model.msgpack")).unwrap();
    let old = reference("fixtures/old.bin");
    fs::copy(old, folder.path().join("pytorch_model.bin")).unwrap();
    folder
}

#[test]
fn a_checkpoint_from_before_pytorch_1_6_gives_the_same_logits() {
    let folder = legacy();
    let found = Checkpoint::open(folder.path()).unwrap();
    assert_same_numbers(&found.weights, "fixtures/projected");
    assert_eq!(found.weights.remark(), None);
    let expected = expected();
    let plain = PlainDiscriminator::load(&found, &Device::Cpu).unwrap();
    for (window, want) in expected.windows.iter().zip(&expected.single.discriminator) {
        assert_close(&plain.padded(&[window]).unwrap()[0], want);
    }
}

#[test]
fn a_legacy_checkpoint_that_is_cut_or_changed_is_refused() {
    let folder = legacy();
    let path = folder.path().join("pytorch_model.bin");
    let sound = fs::read(&path).unwrap();
    let said = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let refused = Weights::open(&path).err().unwrap().to_string();
        refused.replace(&path.display().to_string(), "old.bin")
    };
    let changed = |from: &[u8], to: &[u8]| {
        let at = sound
            .windows(from.len())
            .position(|bytes| bytes == from)
            .unwrap();
        let mut bytes = sound.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        said(&bytes)
    };
    let complaints = [
        said(&sound[..14]),
        said(&sound[..200]),
        said(&sound[..sound.len() - 1]),
        said(&sound[..sound.len() - 9_000]),
        changed(b"\x80\x02M\xe9\x03.", b"\x80\x02M\xe8\x03."),
        changed(b"little_endianq\x02\x88", b"little_endianq\x02\x89"),
        changed(
            b"torch._utils\n_rebuild_tensor_v2",
            b"builtins____\neval______________",
        ),
    ];
    // Keys of storages are addresses, which differ from one writing of the fixture to the next.
    let key = regex::Regex::new(r#""\d{6,}""#).unwrap();
    let complaints = complaints.join("\n");
    insta::assert_snapshot!(key.replace_all(&complaints, "KEY"));
}

#[test]
fn where_one_format_cannot_be_read_another_beside_it_is_used_and_named() {
    let folder = checkpoint("flax");
    fs::write(folder.path().join("pytorch_model.bin"), "hello").unwrap();
    let weights = Weights::open_folder(folder.path()).unwrap();
    assert_same_numbers(&weights, "fixtures/projected");
    let remark = weights.remark().unwrap();
    assert!(
        remark.contains("pytorch_model.bin cannot be read"),
        "{remark}"
    );
    assert!(
        remark.ends_with("flax_model.msgpack beside it is used instead"),
        "{remark}"
    );
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let (_, said) = electroscope_model::load(&checkpoint, "cpu", "f32").unwrap();
    assert_eq!(said.as_deref(), Some(remark));
    // Where none can be read, the error is that of the first.
    fs::write(folder.path().join("flax_model.msgpack"), "hello").unwrap();
    let refused = Weights::open_folder(folder.path()).err().unwrap();
    assert!(
        refused.to_string().contains("pytorch_model.bin"),
        "{refused}"
    );
}

#[test]
fn a_pointer_of_git_lfs_is_called_one() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";
    for name in [
        "model.safetensors",
        "pytorch_model.bin",
        "flax_model.msgpack",
        "config.json",
    ] {
        let folder = checkpoint("flax");
        fs::remove_file(folder.path().join("flax_model.msgpack")).unwrap();
        fs::write(folder.path().join(name), pointer).unwrap();
        let refused = Checkpoint::open(folder.path()).err().unwrap().to_string();
        assert!(
            refused.contains(name) && refused.contains("git lfs pull"),
            "{refused}"
        );
    }
}

#[test]
fn names_behind_wrappers_of_pytorch_are_read() {
    for wrapper in ["module.", "_orig_mod.", "_orig_mod.module."] {
        let sound = fs::read(reference("fixtures/projected/model.safetensors")).unwrap();
        let (length, rest) = sound.split_first_chunk::<8>().unwrap();
        let (header, body) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let header = String::from_utf8(header.to_vec()).unwrap();
        let header = header
            .replace("\"electra.", &format!("\"{wrapper}electra."))
            .replace("\"discriminator_", &format!("\"{wrapper}discriminator_"));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(body);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        fs::write(&path, bytes).unwrap();
        assert_same_numbers(&Weights::open(&path).unwrap(), "fixtures/projected");
    }
}

#[test]
fn a_byte_order_mark_in_json_changes_nothing_and_nan_is_named() {
    let folder = checkpoint("shards");
    let marked = |name: &str| {
        let path = folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
    };
    marked("config.json");
    marked("vocab.txt");
    marked("model.safetensors.index.json");
    Checkpoint::open(folder.path()).unwrap();
    let path = folder.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    let eps = regex::Regex::new(r#""layer_norm_eps": [^,]+"#).unwrap();
    fs::write(
        &path,
        eps.replace(&text, "\"layer_norm_eps\": NaN").as_ref(),
    )
    .unwrap();
    let refused = Checkpoint::open(folder.path()).err().unwrap().to_string();
    assert!(refused.contains("\"layer_norm_eps\" is NaN"), "{refused}");
}

#[test]
fn of_several_formats_the_first_is_read() {
    let folder = checkpoint("shards");
    for format in ["flax", "keras", "bundle"] {
        copy(&reference("formats").join(format), folder.path());
    }
    for name in ["model.safetensors", "pytorch_model.bin"] {
        let from = reference("fixtures/projected").join(name);
        fs::copy(from, folder.path().join(name)).unwrap();
    }
    for name in [
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "flax_model.msgpack",
        "tf_model.h5",
        "model.ckpt.index",
        "tied.ckpt.index",
    ] {
        let weights = Weights::open_folder(folder.path()).unwrap();
        assert_eq!(weights.path(), folder.path().join(name));
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert!(Weights::open_folder(folder.path()).is_err());
}

#[test]
fn of_two_tensorflow_checkpoints_neither_is_guessed() {
    let folder = checkpoint("bundle");
    let rename = |from: &str, to: &str| {
        fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    };
    rename("model.ckpt.index", "step-100.ckpt.index");
    let complaint = Weights::open_folder(folder.path()).err().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    assert_eq!(
        complaint.to_string(),
        format!(
            "{} and {} are both checkpoints; \
             keep the files of one of them, or rename them to model.ckpt.*",
            path("step-100.ckpt.index"),
            path("tied.ckpt.index")
        )
    );
}
