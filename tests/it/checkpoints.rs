//! Checkpoints that are not what they should be: each ends in an error that says what is wrong.

use std::fs;
use std::path::Path;

use candle_core::Device;
use electroscope_model::nn::plain::PlainDiscriminator;
use electroscope_model::{Checkpoint, Error};

/// A copy of a sound checkpoint to break.
fn sound(weights: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/fixtures/projected");
    for file in ["config.json", "vocab.txt", weights] {
        fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    folder
}

/// Opens and loads; the message has the folder's name taken out.
fn complaint(folder: &tempfile::TempDir) -> String {
    let outcome = Checkpoint::open(folder.path())
        .and_then(|checkpoint| PlainDiscriminator::load(&checkpoint, &Device::Cpu).map(|_| ()));
    let message = outcome
        .expect_err("it was taken for a checkpoint")
        .to_string();
    message.replace(&folder.path().display().to_string(), "DIR")
}

fn edit(folder: &tempfile::TempDir, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.path().join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Rewrites the JSON header of a safetensors file.
fn edit_header(folder: &tempfile::TempDir, change: impl FnOnce(String) -> String) {
    edit(folder, "model.safetensors", |bytes| {
        let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = change(String::from_utf8(bytes[8..8 + len].to_vec()).unwrap());
        let body = bytes.split_off(8 + len);
        *bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend(body);
    });
}

fn edit_config(folder: &tempfile::TempDir, from: &str, to: &str) {
    edit(folder, "config.json", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(from));
        *bytes = text.replace(from, to).into_bytes();
    });
}

#[test]
fn damaged_safetensors_are_refused() {
    let mut complaints = Vec::new();
    let mut check = |what: &str, break_it: &dyn Fn(&tempfile::TempDir)| {
        let folder = sound("model.safetensors");
        break_it(&folder);
        complaints.push(format!("{what}: {}", complaint(&folder)));
    };
    let name = "electra.embeddings.word_embeddings.weight";
    check("truncated", &|folder| {
        edit(folder, "model.safetensors", |bytes| bytes.truncate(20_000))
    });
    check("empty", &|folder| {
        edit(folder, "model.safetensors", Vec::clear)
    });
    check("header longer than the file", &|folder| {
        edit(folder, "model.safetensors", |bytes| {
            bytes[..8].copy_from_slice(&9_999_999u64.to_le_bytes())
        });
    });
    check("absurd header", &|folder| {
        edit(folder, "model.safetensors", |bytes| {
            bytes[..8].copy_from_slice(&(1u64 << 60).to_le_bytes())
        });
    });
    check("header is no JSON", &|folder| {
        edit_header(folder, |header| header.replace('{', "["))
    });
    check("missing tensor", &|folder| {
        edit_header(folder, |header| header.replace(name, "something.else"))
    });
    check("shape that does not fit the bytes", &|folder| {
        edit_header(folder, |header| header.replacen("[16,8]", "[16,9]", 1))
    });
    check("shape that overflows", &|folder| {
        edit_header(folder, |header| {
            header.replacen("[16,8]", "[4294967296,4294967296,4294967296]", 1)
        });
    });
    check("misshapen tensor", &|folder| {
        edit_header(folder, |header| header.replacen("[16,8]", "[8,16]", 1))
    });
    check("offsets past the end", &|folder| {
        edit_header(folder, |header| {
            let at = header.find("\"data_offsets\":[").unwrap() + "\"data_offsets\":[".len();
            let end = at + header[at..].find(']').unwrap();
            format!("{}99999999,99999999999{}", &header[..at], &header[end..])
        });
    });
    check("overlapping tensors", &|folder| {
        edit_header(folder, |header| {
            // Two tensors of one size that share a place.
            let range = |name: &str| {
                let at = header.find(name).unwrap();
                let from = at + header[at..].find("\"data_offsets\":").unwrap();
                from..from + header[from..].find('}').unwrap()
            };
            let mut broken = header.clone();
            let first = header[range("layer.0.attention.self.key.bias")].to_owned();
            broken.replace_range(range("layer.0.attention.self.query.bias"), &first);
            broken
        });
    });
    check("integers", &|folder| {
        edit_header(folder, |header| header.replace("F32", "I32"))
    });
    insta::assert_snapshot!(complaints.join("\n"));
}

#[test]
fn configurations_and_vocabularies_that_do_not_fit_are_refused() {
    let mut complaints = Vec::new();
    let mut check = |what: &str, break_it: &dyn Fn(&tempfile::TempDir)| {
        let folder = sound("model.safetensors");
        break_it(&folder);
        complaints.push(format!("{what}: {}", complaint(&folder)));
    };
    check("another model", &|folder| {
        edit_config(folder, "\"electra\"", "\"bert\"")
    });
    check("smaller vocabulary", &|folder| {
        edit_config(folder, "\"vocab_size\": 47", "\"vocab_size\": 30522")
    });
    check("larger vocabulary", &|folder| {
        edit_config(folder, "\"vocab_size\": 47", "\"vocab_size\": 46")
    });
    check("other width", &|folder| {
        edit_config(folder, "\"hidden_size\": 16", "\"hidden_size\": 32")
    });
    check("no configuration", &|folder| {
        fs::remove_file(folder.path().join("config.json")).unwrap()
    });
    check("no weights", &|folder| {
        fs::remove_file(folder.path().join("model.safetensors")).unwrap()
    });
    check("no tokenizer", &|folder| {
        fs::remove_file(folder.path().join("vocab.txt")).unwrap()
    });
    check("vocabulary without [CLS]", &|folder| {
        edit(folder, "vocab.txt", |bytes| {
            *bytes = String::from_utf8_lossy(bytes)
                .replace("[CLS]", "x")
                .into_bytes()
        });
    });
    check("a tokenizer.json that is none", &|folder| {
        fs::write(folder.path().join("tokenizer.json"), "{}").unwrap()
    });
    check("another format", &|folder| {
        fs::rename(
            folder.path().join("model.safetensors"),
            folder.path().join("tf_model.h5"),
        )
        .unwrap();
    });
    check("a generator", &|folder| {
        let generator = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/reference/fixtures/projected/generator/model.safetensors");
        fs::copy(generator, folder.path().join("model.safetensors")).unwrap();
    });
    insta::assert_snapshot!(complaints.join("\n"));
}

/// A PyTorch archive around a pickle.
fn archive(program: &[u8], storage: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("archive/data.pkl", program), ("archive/data/0", storage)] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A pickle of `{"t": tensor}` over storage 0, with this offset, shape and strides.
fn tensor_pickle(offset: u32, shape: u32, stride: u32) -> Vec<u8> {
    let mut program = b"\x80\x02}X\x01\0\0\0tctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ".to_vec();
    for number in [offset, shape, stride] {
        program.push(b'J');
        program.extend(number.to_le_bytes());
        if number == shape || number == stride {
            program.push(0x85);
        }
    }
    // The three numbers are 0, (shape,), (stride,) only if they differ; the tests see to that.
    program.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
    program
}

#[test]
fn pickles_that_want_more_than_tensors_are_refused() {
    let mut complaints = Vec::new();
    let mut check = |what: &str, bytes: Vec<u8>| {
        let folder = sound("pytorch_model.bin");
        fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
        complaints.push(format!("{what}: {}", complaint(&folder)));
    };
    check(
        "os.system",
        archive(b"\x80\x02cposix\nsystem\n(X\x04\0\0\0truetR.", b""),
    );
    check(
        "os.system by the stack",
        archive(
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
            b"",
        ),
    );
    check(
        "an instruction that makes objects",
        archive(b"\x80\x02(c__builtin__\neval\no.", b""),
    );
    check("an unknown instruction", archive(b"\x80\x02}\xff.", b""));
    check("truncated", archive(b"\x80\x02}X\xff\xff\xff\x7fabc", b""));
    check("no end", archive(b"\x80\x02}", b""));
    check("not a dictionary", archive(b"\x80\x02K\x01.", b""));
    check("nothing on the stack", archive(b"\x80\x02t.", b""));
    check(
        "a bomb of marks",
        archive(
            &[&b"\x80\x02"[..], &b"(".repeat(1 << 20), b"."].concat(),
            b"",
        ),
    );
    check(
        "a bomb of nesting",
        archive(
            &[&b"\x80\x02N"[..], &b"\x85".repeat(1 << 20), b"."].concat(),
            b"",
        ),
    );
    check("no tensors", archive(b"\x80\x02}.", b""));
    check(
        "offset past the storage",
        archive(&tensor_pickle(100, 4, 1), &[0; 16]),
    );
    check(
        "a tensor of terabytes",
        archive(&tensor_pickle(0, i32::MAX as u32, 1), &[0; 16]),
    );
    check(
        "repeated by a stride of zero",
        archive(&tensor_pickle(9, i32::MAX as u32, 0), &[0; 64]),
    );
    check("not an archive", b"hello".to_vec());
    check(
        "cut off",
        fs::read(sound("pytorch_model.bin").path().join("pytorch_model.bin")).unwrap()[..9_000]
            .to_vec(),
    );
    insta::assert_snapshot!(complaints.join("\n"));
}

#[test]
fn a_byte_changed_anywhere_never_panics() {
    use proptest::prelude::*;
    let folder = sound("pytorch_model.bin");
    let path = folder.path().join("pytorch_model.bin");
    let bytes = fs::read(&path).unwrap();
    // The pickle and the list of contents, where a byte means something.
    let tail = bytes.len() - 4_000;
    proptest!(ProptestConfig::with_cases(200), |(at in 0usize..8_000, value: u8)| {
        let at = if at < 4_000 { at } else { tail + at - 4_000 };
        let mut broken = bytes.clone();
        broken[at] = value;
        fs::write(&path, broken).unwrap();
        let outcome = Checkpoint::open(folder.path()).and_then(|found| PlainDiscriminator::load(&found, &Device::Cpu).map(|_| ()));
        // Many a byte does no harm; what matters is that every outcome is one of ours.
        prop_assert!(!matches!(outcome, Err(Error::Hub(_))));
    });
}
