//! Weights files made with ill will, in every format: each ends in an error that says what is wrong,
//! and neither memory nor time goes with it. The system sets the limits (see
//! [`Sandbox::command_within_limits`]); a program that goes past them is killed, and the test sees no
//! error but a signal.

use std::fs;
use std::path::{Path, PathBuf};

use electroscope_model::Weights;

use crate::sandbox::Sandbox;

/// The files of a checkpoint's weights.
type Files = Vec<(String, Vec<u8>)>;

/// Opens each checkpoint with the program, and gives what it said.
#[track_caller]
fn complaints(cases: Vec<(&str, Files)>) -> String {
    let here = Sandbox::new();
    let mut lines = Vec::new();
    for (what, files) in cases {
        let folder = here.path().join("bad");
        fs::create_dir(&folder).unwrap();
        for file in ["config.json", "vocab.txt"] {
            let from = reference("fixtures/projected").join(file);
            fs::copy(from, folder.join(file)).unwrap();
        }
        for (name, bytes) in files {
            fs::write(folder.join(name), bytes).unwrap();
        }
        let mut command = here.command_within_limits(&["model", "info", "bad"]);
        let outcome = here.outcome(command.output().unwrap());
        assert_eq!(outcome.code, 2, "{what}: {outcome:?}");
        assert!(!outcome.err.contains("panicked"), "{what}: {outcome:?}");
        let said = outcome.err.trim_end().trim_start_matches("error: ");
        lines.push(format!("{what}: {}", shortened(said)));
        fs::remove_dir_all(&folder).unwrap();
    }
    lines.join("\n")
}

/// A message with long runs of one letter cut short, as some cases have names of them.
fn shortened(message: &str) -> String {
    let mut text = String::new();
    let mut run = 0;
    for letter in message.chars() {
        run = if text.ends_with(letter) { run + 1 } else { 0 };
        if run < 8 {
            text.push(letter);
        }
    }
    text
}

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reference")
        .join(path)
}

fn read(path: &str) -> Vec<u8> {
    fs::read(reference(path)).unwrap()
}

/// The file, cut off after this many bytes.
fn cut(path: &str, len: usize) -> Vec<u8> {
    let mut bytes = read(path);
    assert!(bytes.len() > len);
    bytes.truncate(len);
    bytes
}

/// One file.
fn one(name: &str, bytes: Vec<u8>) -> Files {
    vec![(name.to_owned(), bytes)]
}

/// A safetensors file with this header.
fn safetensors(header: &str, body: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + body, 0);
    bytes
}

/// How the header of a safetensors file describes a tensor.
fn described(name: &str, dtype: &str, shape: &str, from: u64, to: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
}

#[test]
fn hostile_safetensors_are_refused_in_time() {
    let file = |header: String, body| one("model.safetensors", safetensors(&header, body));
    let many: Vec<String> = (0..40_000)
        .map(|index| described(&format!("t{index}"), "F32", "[0]", 0, 0))
        .collect();
    let same = described("t", "F32", "[4]", 0, 16);
    let huge = "[4294967296,4294967296,4294967296]";
    let said = complaints(vec![
        (
            "truncated",
            one(
                "model.safetensors",
                cut("fixtures/projected/model.safetensors", 9_000),
            ),
        ),
        (
            "wrong magic",
            one(
                "model.safetensors",
                b"GGUF hello, this is another format".to_vec(),
            ),
        ),
        (
            "offsets past the end",
            file(format!("{{{}}}", described("t", "F32", "[4]", 16, 32)), 16),
        ),
        (
            "offsets past all numbers",
            file(
                format!(
                    "{{{}}}",
                    described("t", "F32", "[4]", u64::MAX - 15, u64::MAX)
                ),
                16,
            ),
        ),
        (
            "offsets backwards",
            file(format!("{{{}}}", described("t", "F32", "[4]", 16, 0)), 16),
        ),
        (
            "overlap",
            file(
                format!(
                    "{{{},{}}}",
                    described("a", "F32", "[4]", 0, 16),
                    described("b", "F32", "[4]", 12, 28)
                ),
                28,
            ),
        ),
        (
            "absurd shape",
            file(format!("{{{}}}", described("t", "F32", huge, 0, 16)), 16),
        ),
        (
            "absurd shape of integers",
            file(format!("{{{}}}", described("t", "I64", huge, 0, 16)), 16),
        ),
        (
            "absurd shape of nothing",
            file(
                format!(
                    "{{{}}}",
                    described("t", "I64", "[0,4294967296,4294967296]", 0, 0)
                ),
                16,
            ),
        ),
        (
            "unknown numbers",
            file(format!("{{{}}}", described("t", "F3", "[4]", 0, 16)), 16),
        ),
        ("duplicate names", file(format!("{{{same},{same}}}"), 16)),
        (
            "nesting bomb",
            file(format!("{{\"t\":{}", "[".repeat(1 << 20)), 16),
        ),
        (
            "nesting bomb in the metadata",
            file(
                format!("{{\"__metadata__\":{}", "{\"a\":".repeat(1 << 20)),
                16,
            ),
        ),
        (
            "a million axes",
            file(
                format!(
                    "{{{}}}",
                    described("t", "F32", &format!("[{}1]", "1,".repeat(1 << 20)), 0, 4)
                ),
                4,
            ),
        ),
        (
            "a name of a million letters",
            file(
                format!(
                    "{{{}}}",
                    described(&"n".repeat(1 << 20), "F32", "[1]", 0, 4)
                ),
                4,
            ),
        ),
        (
            "forty thousand tensors",
            file(format!("{{{}}}", many.join(",")), 0),
        ),
        ("a header of sixty megabytes", file(" ".repeat(60 << 20), 0)),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn hostile_indices_are_refused_in_time() {
    let index = |map: &str| {
        (
            "model.safetensors.index.json".to_owned(),
            format!("{{\"metadata\":{{}},\"weight_map\":{map}}}").into_bytes(),
        )
    };
    let shard = |name: &str, tensor: &str| {
        let header = format!("{{{}}}", described(tensor, "F32", "[4]", 0, 16));
        (name.to_owned(), safetensors(&header, 16))
    };
    let said = complaints(vec![
        (
            "truncated",
            one(
                "model.safetensors.index.json",
                cut("formats/shards/model.safetensors.index.json", 999),
            ),
        ),
        (
            "wrong magic",
            one("model.safetensors.index.json", b"\x80\x02}.".to_vec()),
        ),
        (
            "no map",
            vec![("model.safetensors.index.json".into(), b"{}".to_vec())],
        ),
        (
            "a file outside the folder",
            vec![index(r#"{"t":"../../etc/a.safetensors"}"#)],
        ),
        (
            "a file at the root",
            vec![index(r#"{"t":"/etc/a.safetensors"}"#)],
        ),
        (
            "a file of another kind",
            vec![index(r#"{"t":"config.json"}"#)],
        ),
        (
            "a file that is missing",
            vec![index(r#"{"t":"a.safetensors"}"#)],
        ),
        (
            "a file that is truncated",
            vec![
                index(r#"{"t":"a.safetensors"}"#),
                (
                    "a.safetensors".into(),
                    cut("fixtures/projected/model.safetensors", 9_000),
                ),
            ],
        ),
        (
            "a tensor that the index does not know",
            vec![
                index(r#"{"t":"a.safetensors"}"#),
                shard("a.safetensors", "u"),
            ],
        ),
        (
            "a tensor that is elsewhere",
            vec![
                index(r#"{"t":"a.safetensors","u":"b.safetensors"}"#),
                shard("a.safetensors", "u"),
                shard("b.safetensors", "t"),
            ],
        ),
        (
            "a tensor that is nowhere",
            vec![
                index(r#"{"t":"a.safetensors","u":"a.safetensors"}"#),
                shard("a.safetensors", "t"),
            ],
        ),
        (
            "duplicate names",
            vec![
                index(r#"{"t":"a.safetensors","t":"b.safetensors"}"#),
                shard("a.safetensors", "t"),
                shard("b.safetensors", "t"),
            ],
        ),
        (
            "nesting bomb",
            vec![index(&format!("{{\"t\":{}", "[".repeat(1 << 20)))],
        ),
        (
            "nesting bomb beside the map",
            one(
                "model.safetensors.index.json",
                format!("{{\"metadata\":{}", "[".repeat(1 << 20)).into_bytes(),
            ),
        ),
        (
            "sixty megabytes",
            one(
                "model.safetensors.index.json",
                " ".repeat(60 << 20).into_bytes(),
            ),
        ),
    ]);
    insta::assert_snapshot!(said);
}

/// A PyTorch archive of stored entries. `lie` may say of each entry that it lies elsewhere.
fn archive(entries: &[(&str, &[u8])], lie: impl Fn(usize, u32) -> u32) -> Vec<u8> {
    let (mut body, mut list) = (Vec::new(), Vec::new());
    for (index, (name, bytes)) in entries.iter().enumerate() {
        let offset = lie(index, body.len() as u32);
        let lengths = |out: &mut Vec<u8>| {
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
        };
        body.extend(b"PK\x03\x04");
        body.extend([0; 14]);
        lengths(&mut body);
        body.extend([0; 2]);
        body.extend(name.as_bytes());
        body.extend(*bytes);
        list.extend(b"PK\x01\x02");
        list.extend([0; 16]);
        lengths(&mut list);
        list.extend([0; 12]);
        list.extend(offset.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let start = body.len() as u32;
    let end = end_of_list(entries.len() as u16, list.len() as u32, start);
    body.extend(list);
    body.extend(end);
    body
}

/// The record at the end of an archive.
fn end_of_list(count: u16, len: u32, start: u32) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend(count.to_le_bytes());
    end.extend(count.to_le_bytes());
    end.extend(len.to_le_bytes());
    end.extend(start.to_le_bytes());
    end.extend([0; 2]);
    end
}

/// A pickle of a dictionary with these tensors of storage `0`: name, offset, extents, strides.
fn pickle(tensors: &[(&str, i64, &[i64], &[i64])]) -> Vec<u8> {
    let mut program = b"\x80\x02}(".to_vec();
    for (name, offset, shape, strides) in tensors {
        let text = |program: &mut Vec<u8>, text: &str| {
            program.push(b'X');
            program.extend((text.len() as u32).to_le_bytes());
            program.extend(text.as_bytes());
        };
        let number = |program: &mut Vec<u8>, number: i64| {
            program.extend([0x8a, 8]);
            program.extend(number.to_le_bytes());
        };
        text(&mut program, name);
        program.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut program, "storage");
        program.extend(b"ctorch\nFloatStorage\n");
        text(&mut program, "0");
        text(&mut program, "cpu");
        program.extend(b"K\x04tQ");
        number(&mut program, *offset);
        for list in [shape, strides] {
            program.push(b'(');
            for &extent in *list {
                number(&mut program, extent);
            }
            program.push(b't');
        }
        program.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    program.extend(b"u.");
    program
}

#[test]
fn hostile_pickles_and_archives_are_refused_in_time() {
    let file = |bytes: Vec<u8>| one("pytorch_model.bin", bytes);
    let storage = [0; 64];
    let run = |program: &[u8]| {
        let entries = [("a/data.pkl", program), ("a/data/0", &storage[..])];
        file(archive(&entries, |_, offset| offset))
    };
    let tensor = |offset: i64, shape: &[i64], strides: &[i64]| {
        run(&pickle(&[("t", offset, shape, strides)]))
    };
    // Five thousand entries, and in the file's last part two thousand places where the list of them
    // might end, none of which is true.
    let mut ends = b"PK\x03\x04".to_vec();
    ends.resize(64, 0);
    for _ in 0..5_000 {
        ends.extend(b"PK\x01\x02");
        ends.extend([0; 42]);
    }
    for _ in 0..2_000 {
        ends.extend(end_of_list(5_001, 230_000, 64));
    }
    let mut millions = b"PK\x03\x04".to_vec();
    millions.resize(4 << 20, 0);
    millions.extend(end_of_list(0xfffe, 3 << 20, 64));
    // One tensor of a long name, remembered and put into the dictionary again and again.
    let mut again = b"\x80\x02}(".to_vec();
    again.extend([b'X', 0, 2, 0, 0]);
    again.extend([b'n'; 512]);
    again.extend(b"q\0");
    let made = pickle(&[("t", 0, &[4], &[1])]);
    let value = &made[4 + 6..made.len() - 2];
    again.extend(value);
    again.extend(b"q\x01");
    again.extend(b"h\0h\x01".repeat(60_000));
    again.extend(b"u.");
    // What the first entry holds is the second, with the header in front of it.
    let inner = archive(&[("a/data.pkl", &made[..])], |_, offset| offset);
    let within = &inner[..30 + "a/data.pkl".len() + made.len()];
    let one_in_the_other = archive(
        &[("a/data/0", within), ("a/data.pkl", &made[..])],
        |index, offset| {
            if index == 1 {
                30 + "a/data/0".len() as u32
            } else {
                offset
            }
        },
    );
    let two = pickle(&[("t", 0, &[4], &[1]), ("t", 4, &[4], &[1])]);
    let said = complaints(vec![
        (
            "truncated",
            file(cut("fixtures/projected/pytorch_model.bin", 30_000)),
        ),
        ("wrong magic", file(b"\x89HDF\r\n\x1a\n".to_vec())),
        (
            "os.system",
            run(b"\x80\x02cos\nsystem\n(X\x04\0\0\0truetR."),
        ),
        (
            "os.system by the stack",
            run(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."),
        ),
        ("an import of os", run(b"\x80\x02(ios\nsystem\n.")),
        (
            "nesting bomb",
            run(&[b"\x80\x02N", &b"\x85".repeat(4 << 20)[..], b"."].concat()),
        ),
        (
            "bomb of marks",
            run(&[b"\x80\x02", &b"(".repeat(4 << 20)[..], b"."].concat()),
        ),
        ("a pickle of sixty megabytes", run(&vec![b'N'; 60 << 20])),
        ("one tensor sixty thousand times", run(&again)),
        ("duplicate names", run(&two)),
        ("offset past the storage", tensor(13, &[4], &[1])),
        ("offset past all numbers", tensor(i64::MAX, &[4], &[1])),
        (
            "nothing at an offset past all numbers",
            tensor(i64::MAX, &[0], &[1]),
        ),
        ("negative offset", tensor(-1, &[4], &[1])),
        ("absurd shape", tensor(0, &[1 << 40, 1 << 40], &[1, 1])),
        ("absurd strides", tensor(0, &[2, 2], &[i64::MAX, i64::MAX])),
        ("repeated by a stride of zero", tensor(0, &[1 << 40], &[0])),
        ("nine axes", tensor(0, &[1; 9], &[1; 9])),
        (
            "no storage of that name",
            file(archive(&[("a/data.pkl", &made[..])], |_, offset| offset)),
        ),
        ("two entries in one place", file(one_in_the_other)),
        (
            "two entries of one name",
            file(archive(
                &[("a/data.pkl", &made[..]), ("a/data.pkl", &made[..])],
                |_, offset| offset,
            )),
        ),
        (
            "an entry past the end",
            file(archive(&[("a/data.pkl", &made[..])], |_, _| u32::MAX - 1)),
        ),
        ("two thousand ends", file(ends)),
        ("sixty thousand entries that are none", file(millions)),
    ]);
    insta::assert_snapshot!(said);
}

/// A text in MessagePack.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xdb];
    bytes.extend((text.len() as u32).to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// A map in MessagePack.
fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0xdf];
    bytes.extend((entries.len() as u32).to_be_bytes());
    for (name, value) in entries {
        bytes.extend(text(name));
        bytes.extend(value);
    }
    bytes
}

/// An array as Flax writes it, of this shape and type, which claims to have `claimed` bytes and has
/// `len`.
fn array(shape: &[u64], numbers: &str, claimed: u32, len: usize) -> Vec<u8> {
    let mut inside = vec![0x93, 0xdd];
    inside.extend((shape.len() as u32).to_be_bytes());
    for extent in shape {
        inside.push(0xcf);
        inside.extend(extent.to_be_bytes());
    }
    inside.extend(text(numbers));
    inside.push(0xc6);
    inside.extend(claimed.to_be_bytes());
    inside.resize(inside.len() + len, 0);
    let mut bytes = vec![0xc9];
    bytes.extend((inside.len() as u32).to_be_bytes());
    bytes.push(1);
    bytes.extend(inside);
    bytes
}

/// An array in pieces, of this shape.
fn pieces(shape: &[u64], pieces: &[Vec<u8>]) -> Vec<u8> {
    let numbered = |values: Vec<Vec<u8>>| {
        let names: Vec<String> = (0..values.len()).map(|index| index.to_string()).collect();
        let entries: Vec<(&str, Vec<u8>)> = names.iter().map(String::as_str).zip(values).collect();
        map(&entries)
    };
    let extents = shape.iter().map(|extent| {
        let mut bytes = vec![0xcf];
        bytes.extend(extent.to_be_bytes());
        bytes
    });
    map(&[
        ("__msgpack_chunked_array__", vec![0xc3]),
        ("shape", numbered(extents.collect())),
        ("chunks", numbered(pieces.to_vec())),
    ])
}

#[test]
fn hostile_flax_checkpoints_are_refused_in_time() {
    let file = |bytes: Vec<u8>| one("flax_model.msgpack", bytes);
    let sound = array(&[4], "float32", 16, 16);
    let names: Vec<String> = (0..40_000).map(|index| format!("t{index}")).collect();
    let nothing = array(&[0], "float32", 0, 0);
    let many: Vec<(&str, Vec<u8>)> = names
        .iter()
        .map(|name| (name.as_str(), nothing.clone()))
        .collect();
    let long = "n".repeat(1 << 20);
    let deep = "n".repeat(500);
    let nested = map(&[(&deep, map(&[(&deep, sound.clone())]))]);
    // 0xd3 is a number with a sign.
    let mut negative = map(&[("t", array(&[u64::MAX], "float32", 4, 4))]);
    let at = negative.iter().position(|&byte| byte == 0xcf).unwrap();
    negative[at] = 0xd3;
    let said = complaints(vec![
        (
            "truncated",
            file(cut("formats/flax/flax_model.msgpack", 9_000)),
        ),
        ("empty", file(Vec::new())),
        ("wrong magic", file(b"PK\x03\x04 an archive".to_vec())),
        (
            "a map of four billion",
            file(vec![0xdf, 255, 255, 255, 255]),
        ),
        ("nesting bomb", file(b"\x81\xa1a".repeat(1 << 20))),
        (
            "nesting bomb of lists",
            file([b"\x81\xa1a".to_vec(), vec![0x91; 1 << 20]].concat()),
        ),
        (
            "duplicate names",
            file(map(&[("t", sound.clone()), ("t", sound.clone())])),
        ),
        (
            "duplicate names by two ways",
            file(map(&[
                ("t", map(&[("scale", sound.clone())])),
                ("t/scale", sound.clone()),
            ])),
        ),
        (
            "an array past the end",
            file(map(&[("t", array(&[1 << 20], "float32", 4 << 20, 16))])),
        ),
        (
            "an extension of four gigabytes",
            file(map(&[("t", vec![0xc9, 255, 255, 255, 255, 1, 0x93])])),
        ),
        (
            "absurd shape",
            file(map(&[("t", array(&[1 << 40, 1 << 40], "float32", 16, 16))])),
        ),
        (
            "absurd shape of nothing",
            file(map(&[(
                "kernel",
                array(&[0, 1 << 40, 1 << 40], "float32", 0, 0),
            )])),
        ),
        ("negative extent", file(negative)),
        (
            "nine axes",
            file(map(&[("t", array(&[1; 9], "float32", 4, 4))])),
        ),
        (
            "unknown numbers",
            file(map(&[("t", array(&[4], "complex64", 32, 32))])),
        ),
        (
            "a name of a million letters",
            file(map(&[(&long, sound.clone())])),
        ),
        ("a name of long parts", file(nested)),
        ("forty thousand arrays", file(map(&many))),
        (
            "more than one map",
            file([map(&[("t", sound.clone())]), map(&[])].concat()),
        ),
        ("pieces of no array", file(map(&[("t", pieces(&[4], &[]))]))),
        (
            "pieces that are not the array",
            file(map(&[("t", pieces(&[9], &[sound.clone(), sound.clone()]))])),
        ),
        (
            "pieces of two kinds",
            file(map(&[(
                "t",
                pieces(&[8], &[sound.clone(), array(&[4], "float16", 8, 8)]),
            )])),
        ),
        (
            "uneven pieces",
            file(map(&[(
                "t",
                pieces(&[9], &[sound.clone(), array(&[1], "float32", 4, 4), sound]),
            )])),
        ),
    ]);
    insta::assert_snapshot!(said);
}

/// An HDF5 file in the making.
struct Hdf5(Vec<u8>);

impl Hdf5 {
    fn new() -> Hdf5 {
        Hdf5(vec![0; 96])
    }

    fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.0.len() as u64;
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        at
    }

    /// A header with these messages; its address.
    fn header(&mut self, messages: &[(u16, Vec<u8>)]) -> u64 {
        let mut body = Vec::new();
        for (kind, content) in messages {
            body.extend(kind.to_le_bytes());
            body.extend((content.len() as u16).to_le_bytes());
            body.extend([0; 4]);
            body.extend(content);
        }
        let mut header = vec![1, 0];
        header.extend((messages.len() as u16).to_le_bytes());
        header.extend(1u32.to_le_bytes());
        header.extend((body.len() as u32).to_le_bytes());
        header.extend([0; 4]);
        header.extend(body);
        self.put(&header)
    }

    /// A list of entries: where the name is in the heap, the header, and what kind of entry it is.
    fn entries(&mut self, entries: &[(u64, u64, u32)]) -> u64 {
        let mut node = b"SNOD\x01\0".to_vec();
        node.extend((entries.len() as u16).to_le_bytes());
        for (name, header, kind) in entries {
            node.extend(name.to_le_bytes());
            node.extend(header.to_le_bytes());
            node.extend(kind.to_le_bytes());
            node.extend([0; 20]);
        }
        self.put(&node)
    }

    /// A node of a tree of this height over these.
    fn tree(&mut self, height: u8, children: &[u64]) -> u64 {
        let mut node = b"TREE\0".to_vec();
        node.push(height);
        node.extend((children.len() as u16).to_le_bytes());
        node.extend([0xff; 16]);
        node.extend([0; 8]);
        for child in children {
            node.extend(child.to_le_bytes());
            node.extend([0; 8]);
        }
        self.put(&node)
    }

    /// A heap of names.
    fn heap(&mut self, names: &[u8]) -> u64 {
        let at = self.put(names);
        let mut heap = b"HEAP\0\0\0\0".to_vec();
        heap.extend((names.len() as u64).to_le_bytes());
        heap.extend([0xff; 8]);
        heap.extend(at.to_le_bytes());
        self.put(&heap)
    }

    /// A group by its tree and heap.
    fn group_of(&mut self, tree: u64, heap: u64) -> u64 {
        self.header(&[(0x11, [tree.to_le_bytes(), heap.to_le_bytes()].concat())])
    }

    /// A group of these.
    fn group(&mut self, members: &[(&str, u64)]) -> u64 {
        let mut names = vec![0; 8];
        let mut entries = Vec::new();
        for (name, header) in members {
            entries.push((names.len() as u64, *header, 0));
            names.extend(name.as_bytes());
            names.push(0);
        }
        let heap = self.heap(&names);
        let list = self.entries(&entries);
        let tree = self.tree(0, &[list]);
        self.group_of(tree, heap)
    }

    /// An array of f32.
    fn array(&mut self, shape: &[u64], layout: &[u8], at: u64, len: u64) -> u64 {
        let mut space = vec![1, shape.len() as u8, 0, 0, 0, 0, 0, 0];
        space.extend(shape.iter().flat_map(|extent| extent.to_le_bytes()));
        let numbers = [
            0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0, 0, 0, 0, 0,
        ];
        let mut layout = layout.to_vec();
        layout.extend(at.to_le_bytes());
        layout.extend(len.to_le_bytes());
        self.header(&[(1, space), (3, numbers.to_vec()), (8, layout)])
    }

    fn finish(mut self, root: u64) -> Vec<u8> {
        let mut start = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0\0\0\0\0".to_vec();
        start.extend([0; 8]);
        start.extend([0xff; 8]);
        start.extend((self.0.len() as u64).to_le_bytes());
        start.extend([0xff; 8]);
        start.extend([0; 8]);
        start.extend(root.to_le_bytes());
        self.0[..start.len()].copy_from_slice(&start);
        self.0
    }
}

/// Arrays lie so: in one piece.
const IN_ONE: [u8; 2] = [3, 1];

#[test]
fn hostile_hdf5_is_refused_in_time() {
    let file = |bytes: Vec<u8>| one("tf_model.h5", bytes);
    // A file with one group `l`, and in it what `make` puts there.
    let with = |make: &dyn Fn(&mut Hdf5) -> Vec<(&'static str, u64)>| {
        let mut h5 = Hdf5::new();
        let members = make(&mut h5);
        let layer = h5.group(&members);
        let root = h5.group(&[("l", layer)]);
        file(h5.finish(root))
    };
    let array = |shape: &'static [u64], layout: [u8; 2], at: u64, len: u64| {
        with(&move |h5| vec![("t:0", h5.array(shape, &layout, at, len))])
    };
    let changed = |at: usize, byte: u8| {
        let mut bytes = read("formats/keras/tf_model.h5");
        bytes[at] = byte;
        file(bytes)
    };
    let itself = {
        let mut h5 = Hdf5::new();
        // The group of the group is the group: its header comes after both of its parts.
        let heap = h5.heap(b"\0\0\0\0\0\0\0\0g\0");
        let header = h5.0.len() as u64 + 8 + 40 + 32 + 16;
        let list = h5.entries(&[(8, header, 0)]);
        let tree = h5.tree(0, &[list]);
        let root = h5.group_of(tree, heap);
        assert_eq!(root, header);
        file(h5.finish(root))
    };
    let deep = {
        let mut h5 = Hdf5::new();
        let mut group = h5.group(&[]);
        for _ in 0..10_000 {
            group = h5.group(&[("g", group)]);
        }
        file(h5.finish(group))
    };
    // Many entries that share a name of many letters.
    let shared = |len: usize| {
        let mut h5 = Hdf5::new();
        let mut names = vec![0; 8];
        names.extend(vec![b'n'; len]);
        names.push(0);
        let heap = h5.heap(&names);
        let array = h5.array(&[1], &IN_ONE, 8, 4);
        let list = h5.entries(&vec![(8, array, 0); 60_000]);
        let tree = h5.tree(0, &[list]);
        let root = h5.group_of(tree, heap);
        file(h5.finish(root))
    };
    let many = |kind: u32| {
        let mut h5 = Hdf5::new();
        let names: Vec<u8> = (0..60_000)
            .flat_map(|index| format!("{index:07}\0").into_bytes())
            .collect();
        let heap = h5.heap(&names);
        let array = h5.array(&[0], &IN_ONE, u64::MAX, 0);
        let entries: Vec<(u64, u64, u32)> =
            (0..60_000).map(|index| (8 * index, array, kind)).collect();
        let list = h5.entries(&entries);
        let tree = h5.tree(0, &[list]);
        let root = h5.group_of(tree, heap);
        file(h5.finish(root))
    };
    // A tree all of whose nodes have the same node below them, hundreds of times.
    let tangled = {
        let mut h5 = Hdf5::new();
        let heap = h5.heap(&[0; 8]);
        let mut below = h5.entries(&[]);
        for height in 0..10 {
            below = h5.tree(height, &[below; 400]);
        }
        let root = h5.group_of(below, heap);
        file(h5.finish(root))
    };
    // Layers that share a weight, as a few may, each of which lies a little further on.
    let shifted = {
        let mut h5 = Hdf5::new();
        let at = h5.put(&vec![0; 8 << 20]);
        let layers: Vec<(String, u64)> = (0..4_000)
            .map(|index| {
                let weight = h5.array(&[2_000_000], &IN_ONE, at + 4 * index, 8_000_000);
                let model = h5.group(&[("t:0", weight)]);
                (format!("l{index}"), h5.group(&[("m", model)]))
            })
            .collect();
        let layers: Vec<(&str, u64)> = layers
            .iter()
            .map(|(name, layer)| (name.as_str(), *layer))
            .collect();
        let root = h5.group(&layers);
        file(h5.finish(root))
    };
    // A header that goes on where it began.
    let endless = {
        let mut h5 = Hdf5::new();
        let at = h5.0.len() as u64;
        let goes_on = [(at + 16).to_le_bytes(), 24u64.to_le_bytes()].concat();
        let root = h5.header(&[(0x10, goes_on)]);
        h5.0[at as usize + 2..at as usize + 4].copy_from_slice(&u16::MAX.to_le_bytes());
        file(h5.finish(root))
    };
    let said = complaints(vec![
        ("truncated", file(cut("formats/keras/tf_model.h5", 60_000))),
        (
            "truncated in the first block",
            file(cut("formats/keras/tf_model.h5", 60)),
        ),
        ("wrong magic", file(b"PK\x03\x04 an archive".to_vec())),
        ("a newer superblock", changed(8, 3)),
        ("addresses of four bytes", changed(13, 4)),
        ("past the end", array(&[4], IN_ONE, 1 << 40, 16)),
        ("past all numbers", array(&[4], IN_ONE, u64::MAX - 8, 16)),
        ("nowhere", array(&[4], IN_ONE, u64::MAX, 16)),
        (
            "a length that is not the shape's",
            array(&[4], IN_ONE, 8, 20),
        ),
        ("absurd shape", array(&[1 << 40, 1 << 40], IN_ONE, 8, 16)),
        (
            "absurd shape of nothing",
            array(&[0, 1 << 40, 1 << 40], IN_ONE, 8, 0),
        ),
        ("nine axes", array(&[1; 9], IN_ONE, 8, 4)),
        ("chunks", array(&[4], [3, 2], 8, 16)),
        ("inside the header", array(&[4], [3, 0], 8, 16)),
        (
            "overlap",
            with(&|h5| {
                vec![
                    ("a", h5.array(&[4], &IN_ONE, 8, 16)),
                    ("b", h5.array(&[4], &IN_ONE, 20, 16)),
                ]
            }),
        ),
        (
            "duplicate names",
            with(&|h5| {
                vec![
                    ("t:0", h5.array(&[4], &IN_ONE, 8, 16)),
                    ("t:0", h5.array(&[4], &IN_ONE, 8, 16)),
                ]
            }),
        ),
        (
            "duplicate names by two ways",
            with(&|h5| {
                vec![
                    ("t:0", h5.array(&[4], &IN_ONE, 8, 16)),
                    ("t", h5.array(&[4], &IN_ONE, 24, 16)),
                ]
            }),
        ),
        ("a group in itself", itself),
        ("nesting bomb", deep),
        ("sixty thousand entries of one long name", shared(200_000)),
        ("sixty thousand entries of one name", shared(400)),
        ("sixty thousand arrays", many(0)),
        ("links to elsewhere", many(2)),
        ("a weight of four thousand layers", shifted),
        ("a tangled tree", tangled),
        ("an endless header", endless),
    ]);
    insta::assert_snapshot!(said);
}

/// A number of a protocol buffer.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A field of a protocol buffer that is a number.
fn number_field(field: u8, number: u64) -> Vec<u8> {
    [vec![field << 3], varint(number)].concat()
}

/// A field of a protocol buffer that is bytes.
fn bytes_field(field: u8, bytes: &[u8]) -> Vec<u8> {
    [
        vec![field << 3 | 2],
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

/// A variable of f32 as a checkpoint's index describes it.
fn variable(shape: &[u64], offset: u64, len: u64) -> Vec<u8> {
    let axes: Vec<u8> = shape
        .iter()
        .flat_map(|&extent| bytes_field(2, &number_field(1, extent)))
        .collect();
    [
        number_field(1, 1),
        bytes_field(2, &axes),
        number_field(4, offset),
        number_field(5, len),
        vec![6 << 3 | 5, 0, 0, 0, 0],
    ]
    .concat()
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// A block of a table with what follows it: its kind and checksum.
fn block(entries: &[(&str, Vec<u8>)], kind: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in entries {
        bytes.extend(varint(0));
        bytes.extend(varint(key.len() as u64));
        bytes.extend(varint(value.len() as u64));
        bytes.extend(key.as_bytes());
        bytes.extend(value);
    }
    bytes.extend([0, 0, 0, 0, 1, 0, 0, 0]);
    sealed(bytes, kind)
}

fn sealed(mut block: Vec<u8>, kind: u8) -> Vec<u8> {
    block.push(kind);
    let sum = masked(&block);
    block.extend(sum.to_le_bytes());
    block
}

/// A table of these blocks, listed as `list` says: by default each once, in order.
fn table(blocks: &[Vec<u8>], list: impl Fn(Vec<(u64, u64)>) -> Vec<(u64, u64)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut places = Vec::new();
    for block in blocks {
        places.push((bytes.len() as u64, block.len() as u64 - 5));
        bytes.extend(block);
    }
    let handle = |(offset, len): (u64, u64)| [varint(offset), varint(len)].concat();
    let listed: Vec<(&str, Vec<u8>)> = list(places)
        .into_iter()
        .map(|place| ("k", handle(place)))
        .collect();
    let index = block(&listed, 0);
    let place = (bytes.len() as u64, index.len() as u64 - 5);
    bytes.extend(index);
    let mut footer = [handle((0, 0)), handle(place)].concat();
    footer.resize(40, 0);
    footer.extend(0xdb47_7524_8b80_fb57u64.to_le_bytes());
    bytes.extend(footer);
    bytes
}

/// What a checkpoint of this many files says of itself.
fn header(files: u64) -> (&'static str, Vec<u8>) {
    ("", number_field(1, files))
}

#[test]
fn hostile_tensorflow_checkpoints_are_refused_in_time() {
    let data = || ("model.ckpt.data-00000-of-00001".to_owned(), vec![0; 64]);
    let files = |index: Vec<u8>| vec![("model.ckpt.index".to_owned(), index), data()];
    let plain = |entries: &[(&str, Vec<u8>)]| files(table(&[block(entries, 0)], |places| places));
    let with = |variable: Vec<u8>| plain(&[header(1), ("electra/t", variable)]);
    let fixture = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut index = read("formats/bundle/model.ckpt.index");
        change(&mut index);
        vec![
            ("model.ckpt.index".to_owned(), index),
            (
                "model.ckpt.data-00000-of-00001".to_owned(),
                read("formats/bundle/model.ckpt.data-00000-of-00001"),
            ),
        ]
    };
    let sound = variable(&[4], 0, 16);
    // Keys of which each adds a letter to the one before and says no more.
    let mut growing = varint(0);
    growing.extend([varint(0), varint(2), vec![8, 1]].concat());
    for index in 0u64..200_000 {
        growing.extend([varint(index.min(500)), varint(1), varint(0), vec![b'n']].concat());
    }
    growing.extend([0, 0, 0, 0, 1, 0, 0, 0]);
    let names: Vec<String> = (0..40_000)
        .map(|index| format!("electra/t{index:05}"))
        .collect();
    let mut many = vec![header(1)];
    many.extend(
        names
            .iter()
            .map(|name| (name.as_str(), variable(&[0], 0, 0))),
    );
    let long = "n".repeat(1 << 20);
    let said = complaints(vec![
        ("truncated", fixture(&|index| index.truncate(3_000))),
        (
            "truncated at the front",
            fixture(&|index| drop(index.drain(..500))),
        ),
        (
            "wrong magic",
            files(b"PK\x03\x04 an archive that is long enough for a footer".to_vec()),
        ),
        ("too short", files(b"PK".to_vec())),
        ("a changed byte", fixture(&|index| index[1_000] ^= 1)),
        ("numbers that were changed", {
            let mut files = fixture(&|_| {});
            files[1].1.iter_mut().for_each(|byte| *byte ^= 1);
            files
        }),
        ("numbers that are truncated", {
            let mut files = fixture(&|_| {});
            files[1].1.truncate(20_000);
            files
        }),
        (
            "no numbers",
            files(read("formats/bundle/model.ckpt.index"))[..1].to_vec(),
        ),
        ("past the end", with(variable(&[4], 60, 16))),
        ("past all numbers", with(variable(&[4], u64::MAX - 8, 16))),
        (
            "a length that is not the shape's",
            with(variable(&[4], 0, 20)),
        ),
        ("absurd shape", with(variable(&[1 << 40, 1 << 40], 0, 16))),
        ("negative extent", with(variable(&[u64::MAX], 0, 16))),
        ("nine axes", with(variable(&[1; 9], 0, 4))),
        (
            "overlap",
            plain(&[
                header(1),
                ("electra/a", sound.clone()),
                ("electra/b", variable(&[4], 12, 16)),
            ]),
        ),
        (
            "duplicate names",
            plain(&[
                header(1),
                ("electra/t", sound.clone()),
                ("electra/t", sound.clone()),
            ]),
        ),
        (
            "duplicate names by two ways",
            plain(&[
                header(1),
                ("electra/t/beta", sound.clone()),
                ("electra/t/bias", variable(&[4], 16, 16)),
            ]),
        ),
        ("no header", plain(&[("electra/t", sound.clone())])),
        (
            "no files",
            plain(&[header(0), ("electra/t", sound.clone())]),
        ),
        (
            "billions of files",
            plain(&[header(1 << 40), ("electra/t", sound.clone())]),
        ),
        (
            "a file that is none of them",
            with([sound.clone(), number_field(3, 7)].concat()),
        ),
        (
            "slices",
            with([sound.clone(), bytes_field(7, &[])].concat()),
        ),
        (
            "big-endian",
            plain(&[("", [number_field(1, 1), number_field(2, 1)].concat())]),
        ),
        ("a description that is none", with(vec![255; 20])),
        (
            "compressed",
            files(table(&[block(&[header(1)], 1)], |places| places)),
        ),
        ("empty", files(table(&[], |places| places))),
        (
            "a block past the end",
            files(table(&[block(&[header(1)], 0)], |_| vec![(1 << 40, 16)])),
        ),
        (
            "a block past all numbers",
            files(table(&[block(&[header(1)], 0)], |_| {
                vec![(u64::MAX, u64::MAX)]
            })),
        ),
        (
            "one block a hundred thousand times",
            files(table(
                &[block(&[header(1), ("electra/t", sound.clone())], 0)],
                |places| vec![places[0]; 100_000],
            )),
        ),
        (
            "a block that claims to be all tail",
            files(table(&[sealed(vec![255; 64], 0)], |places| places)),
        ),
        (
            "a name of a million letters",
            plain(&[header(1), (&long, sound.clone())]),
        ),
        (
            "two hundred thousand growing names",
            files(table(&[sealed(growing, 0)], |places| places)),
        ),
        ("forty thousand variables", plain(&many)),
        (
            "sixty megabytes",
            fixture(&|index| drop(index.splice(0..0, vec![0; 60 << 20]))),
        ),
    ]);
    insta::assert_snapshot!(said);
}

/// A file of every format, with what lies beside it.
fn sound() -> Vec<Files> {
    let file = |path: &str| {
        let name = path.rsplit('/').next().unwrap();
        (name.to_owned(), read(path))
    };
    vec![
        vec![file("fixtures/projected/model.safetensors")],
        vec![file("fixtures/projected/pytorch_model.bin")],
        vec![file("formats/flax/flax_model.msgpack")],
        vec![file("formats/flax/chunked.msgpack")],
        vec![file("formats/keras/tf_model.h5")],
        vec![
            file("formats/bundle/tied.ckpt.index"),
            file("formats/bundle/tied.ckpt.data-00000-of-00001"),
        ],
        vec![
            file("formats/shards/model.safetensors.index.json"),
            file("formats/shards/model-00001-of-00003.safetensors"),
            file("formats/shards/model-00002-of-00003.safetensors"),
            file("formats/shards/model-00003-of-00003.safetensors"),
        ],
    ]
}

/// What may lie where a file should.
#[cfg(unix)]
const KINDS: [&str; 6] = [
    "a pipe",
    "a device",
    "a folder",
    "empty",
    "4 GiB of zeros",
    "endless",
];

/// Puts something of this kind in the place of `path`.
#[cfg(unix)]
fn exchange(path: &Path, kind: &str) {
    let _ = fs::remove_file(path);
    match kind {
        "a pipe" => {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        }
        "a device" => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        "a folder" => fs::create_dir(path).unwrap(),
        "empty" => fs::write(path, "").unwrap(),
        "4 GiB of zeros" => fs::File::create(path).unwrap().set_len(4 << 30).unwrap(),
        // All hole, so that it costs nothing here.
        _ => fs::File::create(path).unwrap().set_len(1 << 40).unwrap(),
    }
}

#[cfg(unix)]
#[test]
fn whatever_lies_where_a_file_of_a_checkpoint_should_is_neither_waited_for_nor_read_without_end() {
    let mut lines = Vec::new();
    let names = [
        "config.json",
        "vocab.txt",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "README.md",
    ];
    for name in names {
        for kind in KINDS {
            let here = Sandbox::new();
            let folder = here.path().join("bad");
            fs::create_dir(&folder).unwrap();
            for file in ["config.json", "vocab.txt", "model.safetensors"] {
                let from = reference("fixtures/projected").join(file);
                fs::copy(from, folder.join(file)).unwrap();
            }
            exchange(&folder.join(name), kind);
            let mut command = here.command_within_limits(&["model", "info", "bad"]);
            let outcome = here.outcome(command.output().unwrap());
            assert!(
                !outcome.err.contains("panicked"),
                "{name} {kind}: {outcome:?}"
            );
            let said = match outcome.code {
                0 => "not needed",
                2 => outcome.err.trim_end().trim_start_matches("error: "),
                _ => panic!("{name} {kind}: {outcome:?}"),
            };
            // Weights of this length there are; whether it is read follows from the memory.
            if (name, kind) == ("model.safetensors", "4 GiB of zeros") {
                assert_eq!(outcome.code, 2, "{outcome:?}");
                continue;
            }
            lines.push(format!("{name} is {kind}: {said}"));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// The files that `model info` needs of a checkpoint.
const NEEDED: [&str; 3] = ["config.json", "vocab.txt", "model.safetensors"];

/// A sandbox with a sound checkpoint in `bad`.
fn with_checkpoint() -> Sandbox {
    let here = Sandbox::new();
    for name in NEEDED {
        here.write(
            &format!("bad/{name}"),
            &read(&format!("fixtures/projected/{name}")),
        );
    }
    here
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    for name in NEEDED {
        let here = with_checkpoint();
        let path = here.path().join("bad").join(name);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
        let mut command = here.command_bound_by_permissions();
        command.args(["model", "info", "bad"]);
        let outcome = here.outcome(command.output().unwrap());
        assert_eq!(outcome.code, 2, "{name}: {outcome:?}");
        let is_named = outcome.err.contains(name) && outcome.err.contains("ermission denied");
        assert!(is_named, "{name}: {outcome:?}");
    }
}

#[test]
fn a_file_that_is_cut_at_any_of_ten_places_is_refused_by_name() {
    for name in NEEDED {
        let here = with_checkpoint();
        let path = here.path().join("bad").join(name);
        let whole = fs::read(&path).unwrap();
        for tenth in 0..10 {
            fs::write(&path, &whole[..whole.len() * tenth / 10]).unwrap();
            let mut command = here.command_within_limits(&["model", "info", "bad"]);
            let outcome = here.outcome(command.output().unwrap());
            // A vocabulary may be shorter than the model's: some models have rows to spare.
            if name != "vocab.txt" || outcome.code != 0 {
                assert_eq!(outcome.code, 2, "{name} {tenth}: {outcome:?}");
                assert!(outcome.err.contains(name), "{name} {tenth}: {outcome:?}");
            }
            assert!(!outcome.err.contains("panicked"), "{outcome:?}");
        }
    }
    // The other formats, without a program for each.
    for files in sound() {
        for tenth in 0..10 {
            let mut cut: Vec<(PathBuf, Vec<u8>)> = (files.iter().cloned())
                .map(|(name, bytes)| (name.into(), bytes))
                .collect();
            let (name, bytes) = &mut cut[0];
            let name = name.clone();
            bytes.truncate(bytes.len() * tenth / 10);
            let refused = Weights::held(cut, false).and_then(|weights| {
                let names: Vec<String> = weights.names().map(str::to_owned).collect();
                for name in names {
                    let shape = weights.shape(&name).unwrap().to_vec();
                    weights.numbers(&name, &shape)?;
                }
                Ok(())
            });
            assert!(refused.is_err(), "{} cut at {tenth} tenths", name.display());
        }
    }
}

#[cfg(unix)]
#[test]
fn files_that_are_swapped_while_they_are_read_never_crash_the_program() {
    use std::sync::atomic::{AtomicBool, Ordering};
    for name in NEEDED {
        let here = with_checkpoint();
        let folder = here.path().join("bad");
        let path = folder.join(name);
        let whole = fs::read(&path).unwrap();
        let is_over = AtomicBool::new(false);
        let mut outcomes = Vec::new();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for turn in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let bytes = match turn % 3 {
                        0 => &whole[..],
                        1 => &whole[..whole.len() / 2],
                        _ => &[],
                    };
                    // In place, and by another file.
                    if turn % 2 == 0 {
                        fs::write(&path, bytes).unwrap();
                    } else {
                        fs::write(here.path().join("fresh"), bytes).unwrap();
                        fs::rename(here.path().join("fresh"), &path).unwrap();
                    }
                }
            });
            // Nothing is asserted before the other thread has been told to end.
            for _ in 0..12 {
                let mut command = here.command_within_limits(&["model", "info", "bad"]);
                outcomes.extend(command.output());
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert_eq!(outcomes.len(), 12);
        for outcome in outcomes {
            let outcome = here.outcome(outcome);
            assert!([0, 2].contains(&outcome.code), "{name}: {outcome:?}");
            assert!(!outcome.err.contains("panicked"), "{name}: {outcome:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn settings_that_are_no_regular_file_or_too_long_are_refused() {
    let mut lines = Vec::new();
    for kind in KINDS {
        let here = Sandbox::new();
        exchange(&here.path().join("config.toml"), kind);
        let arguments = ["--config", "config.toml", "model", "list"];
        let mut command = here.command_within_limits(&arguments);
        let outcome = here.outcome(command.output().unwrap());
        let said = match outcome.code {
            0 => "taken",
            2 => outcome.err.trim_end().trim_start_matches("error: "),
            _ => panic!("{kind}: {outcome:?}"),
        };
        lines.push(format!("{kind}: {said}"));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[cfg(unix)]
#[test]
fn a_branch_in_the_cache_that_is_no_regular_file_counts_as_missing() {
    for kind in KINDS {
        let here = Sandbox::new();
        let refs = here.cache().join("models--org--name/refs");
        fs::create_dir_all(&refs).unwrap();
        exchange(&refs.join("main"), kind);
        let arguments = ["--offline", "model", "info", "org/name"];
        let mut command = here.command_within_limits(&arguments);
        let outcome = here.outcome(command.output().unwrap());
        assert_eq!(outcome.code, 2, "{kind}: {outcome:?}");
        assert!(outcome.err.contains("is not in the cache"), "{outcome:?}");
    }
}

#[test]
fn a_few_bytes_changed_anywhere_never_panic() {
    use proptest::prelude::*;
    let sound = sound();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(500)
    };
    proptest!(config, |(which in 0..sound.len(), changes in changes, generator: bool)| {
        let mut files = sound[which].clone();
        for (at, value) in changes {
            let bytes = &mut files[0].1;
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let files = files.into_iter().map(|(name, bytes)| (name.into(), bytes)).collect();
        if let Ok(weights) = Weights::held(files, generator) {
            for name in weights.names() {
                // Many a byte does no harm; what matters is that every outcome is one of ours.
                let shape = weights.shape(name).unwrap();
                let _ = weights.numbers(name, shape);
            }
        }
    });
}
