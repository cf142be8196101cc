//! What reading with a head promises, whatever the document: what the reference says of a text that
//! fits in a window, the right bytes in a longer one, and numbers that depend on the text alone.
//!
//! As in [`super::scoring`], an [`Echo`] stands in for a model where only the cutting and the
//! remembering matter: any difference in a window shows in all that it says of it.

use std::fs;
use std::path::{Path, PathBuf};

use electroscope::analysis::{Answers, HeadReader, TaggedWord, Unit, UnitKind};
use electroscope::model::{HeadCheckpoint, load_head};
use electroscope::text::{Document, Language, Span};

/// The tiny checkpoints of `tests/reference/heads`, which take 48 tokens.
const FAMILIES: [&str; 3] = ["electra", "bert", "distilbert"];

fn folder(name: &str) -> PathBuf {
    let heads = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/heads");
    heads.join(name)
}

fn real(name: &str) -> HeadReader {
    let checkpoint = HeadCheckpoint::open(&folder(name)).unwrap();
    let (forward, _) = load_head(&checkpoint, "cpu", "f32").unwrap();
    HeadReader::new(checkpoint.tokenizer, forward, &checkpoint.config)
}

fn plain(text: &str) -> Document {
    Document::new("x.txt", text, Language::Plain)
}

fn units(reader: &mut HeadReader, document: &Document, kind: UnitKind) -> Vec<Unit> {
    let mut units = Vec::new();
    reader
        .classify(document, kind, None, &|| false, &mut |unit| {
            units.push(unit)
        })
        .unwrap();
    units
}

fn words(reader: &mut HeadReader, document: &Document) -> Vec<TaggedWord> {
    let mut words = Vec::new();
    reader
        .tag(document, None, &|| false, &mut |tagging| {
            words.extend(tagging.words)
        })
        .unwrap();
    words
}

fn ask(reader: &mut HeadReader, document: &Document, question: &str) -> Answers {
    let asked = reader.ask(document, question, &|| false).unwrap();
    asked.unwrap().0
}

// The reference.

#[derive(serde::Deserialize)]
struct Expected {
    texts: Vec<Text>,
}

#[derive(serde::Deserialize)]
struct Text {
    text: String,
    pair: Option<String>,
    read: Option<Read>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Read {
    Answers {
        answers: Vec<Place>,
        p: Vec<f32>,
        no_answer: f32,
        p_with_no_answer: Vec<f32>,
    },
    Tags {
        tagged: Vec<Labelled>,
        found: Vec<Labelled>,
    },
    Labels {
        p: Vec<f32>,
    },
}

#[derive(serde::Deserialize)]
struct Place {
    bytes: (usize, usize),
    score: f32,
}

#[derive(serde::Deserialize)]
struct Labelled {
    label: String,
    bytes: (usize, usize),
    p: f32,
}

#[track_caller]
fn assert_close(got: impl IntoIterator<Item = f32>, want: &[f32], what: &str) {
    let got: Vec<f32> = got.into_iter().collect();
    assert_eq!(got.len(), want.len(), "{what}");
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (got - want).abs() <= 1e-4,
            "{what}, number {at}: {got} instead of {want}"
        );
    }
}

/// The texts that a head is to read, and what the reference says of them.
fn texts(name: &str) -> Vec<(String, Option<String>, Read)> {
    let expected = fs::read(folder(name).join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&expected).unwrap();
    let texts = expected.texts.into_iter();
    let texts: Vec<_> = texts
        .filter_map(|text| Some((text.text, text.pair, text.read?)))
        .collect();
    assert!(texts.len() > 1, "{name}");
    texts
}

#[test]
fn a_text_that_fits_has_the_labels_that_the_reference_gives_it() {
    for family in FAMILIES {
        for head in ["single", "multi", "rating"] {
            let name = format!("{family}-{head}");
            for (text, _, read) in texts(&name) {
                let Read::Labels { p } = read else {
                    panic!("{name}")
                };
                let units = units(&mut real(&name), &plain(&text), UnitKind::Document);
                assert_eq!(units.len(), 1);
                assert_eq!(units[0].span, Span::new(0, text.len()), "{name}");
                assert_close(units[0].p.clone(), &p, &format!("{name}: {text}"));
            }
        }
    }
}

#[test]
fn a_text_that_fits_has_the_answers_that_the_reference_finds_in_it() {
    for family in FAMILIES {
        let name = format!("{family}-answers");
        for (question, text, read) in texts(&name) {
            let what = format!("{name}: {question}");
            let Read::Answers {
                answers: want,
                p,
                no_answer,
                p_with_no_answer,
            } = read
            else {
                panic!("{name}")
            };
            let document = plain(&text.unwrap());
            let got = ask(&mut real(&name), &document, &question);
            let places: Vec<(usize, usize)> = (got.best.iter())
                .map(|answer| (answer.span.start(), answer.span.end()))
                .collect();
            let wanted: Vec<(usize, usize)> = want.iter().map(|place| place.bytes).collect();
            assert_eq!(places, wanted, "{what}");
            let scores: Vec<f32> = want.iter().map(|place| place.score).collect();
            assert_close(got.best.iter().map(|best| best.score), &scores, &what);
            assert_close(got.best.iter().map(|best| best.p), &p, &what);
            assert_eq!(got.none, None);

            let mut checkpoint = HeadCheckpoint::open(&folder(&name)).unwrap();
            checkpoint.config.can_refuse = true;
            let (forward, _) = load_head(&checkpoint, "cpu", "f32").unwrap();
            let mut reader = HeadReader::new(checkpoint.tokenizer, forward, &checkpoint.config);
            let got = ask(&mut reader, &document, &question);
            let none = got.none.unwrap();
            assert_close([none.score], &[no_answer], &what);
            let shares = got.best.iter().map(|best| best.p).chain([none.p]);
            assert_close(shares, &p_with_no_answer, &what);
        }
    }
}

#[test]
fn a_text_that_fits_has_the_words_and_entities_that_the_reference_tags_in_it() {
    for family in FAMILIES {
        let name = format!("{family}-tags");
        let mut entities = 0;
        for (text, _, read) in texts(&name) {
            let what = format!("{name}: {text}");
            let Read::Tags { tagged, found } = read else {
                panic!("{name}")
            };
            let bytes = |span: Span| (span.start(), span.end());
            let places = |places: &[Labelled]| -> Vec<(String, (usize, usize))> {
                let place = |place: &Labelled| (place.label.clone(), place.bytes);
                places.iter().map(place).collect()
            };
            let mut reader = real(&name);
            assert!(reader.marks_entities());
            let got = words(&mut reader, &plain(&text));
            let words: Vec<_> = (got.iter())
                .map(|word| {
                    (
                        reader.labels()[usize::from(word.label)].clone(),
                        bytes(word.span),
                    )
                })
                .collect();
            assert_eq!(words, places(&tagged), "{what}");
            let p: Vec<f32> = tagged.iter().map(|word| word.p).collect();
            assert_close(got.iter().map(|word| word.p), &p, &what);

            let got = reader.entities(&got);
            entities += got.len();
            let p: Vec<f32> = found.iter().map(|entity| entity.p).collect();
            assert_close(got.iter().map(|entity| entity.p), &p, &what);
            let got: Vec<_> = got
                .into_iter()
                .map(|entity| (entity.label, bytes(entity.span)))
                .collect();
            assert_eq!(got, places(&found), "{what}");
        }
        assert!(entities > 1, "{name}");
    }
}
