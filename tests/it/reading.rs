//! What reading with a head promises, whatever the document: what the reference says of a text that
//! fits in a window, the right bytes in a longer one, and numbers that depend on the text alone.
//!
//! As in [`super::scoring`], an [`Echo`] stands in for a model where only the cutting and the
//! remembering matter: any difference in a window shows in all that it says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use electroscope::catalog::builtin;
use electroscope_analysis::{
    Answers, Counts, EntityAt, Geometry, HeadReader, ReadError, TaggedWord, Tagging, Unit,
    UnitKind, decode,
};
use electroscope_model::{
    Error, HeadCheckpoint, HeadConfig, HeadForward, HeadInput, Logits, Problem, Task, Tokenizer,
    load_head,
};
use electroscope_text::{Document, Language, Span, blocks};
use proptest::prelude::*;

use super::scoring::{self, Edit, TOY_WORDS, WORDS, apply, edits, hard_text};

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

/// As [`scoring::prose`], with capitals where sentences begin.
fn prose(words: &[&str], count: usize, seed: u64) -> String {
    let mut begins = true;
    let capital = |c: char| {
        let letter = if begins { c.to_ascii_uppercase() } else { c };
        begins = c == '.' || (begins && c.is_whitespace());
        letter
    };
    scoring::prose(words, count, seed)
        .chars()
        .map(capital)
        .collect()
}

/// A stand-in for a model: what it says of a window is a function of what the window reads.
struct Fake<F>(F);

impl<F: Fn(&HeadInput) -> Logits + Send + Sync> HeadForward for Fake<F> {
    fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
        Ok(windows.iter().map(&self.0).collect())
    }

    fn device(&self) -> String {
        "nowhere".to_owned()
    }

    fn precision(&self) -> String {
        "f32".to_owned()
    }
}

/// Any difference in `ids` or `what` changes it.
fn hash(ids: &[u32], what: u64) -> u64 {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, what)
}

/// The same as a number from -1 to 1.
fn number(ids: &[u32], what: u64) -> f32 {
    (hash(ids, what) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// A model for `task` in whose every answer any difference in a window shows.
fn echo(task: Task) -> Arc<dyn HeadForward> {
    Arc::new(Fake(move |input: &HeadInput| {
        let (rows, columns) = match task {
            Task::Classification => (1, LABELS.len()),
            Task::QuestionAnswering => (input.ids.len(), 2),
            Task::Tagging => (input.ids.len(), LABELS.len()),
        };
        let all = hash(&input.ids, input.second as u64);
        let all = [all as u32, (all >> 32) as u32];
        let numbers = 0..(rows * columns) as u64;
        Logits {
            columns,
            values: numbers.map(|at| number(&all, at)).collect(),
        }
    }))
}

/// A model whose rows are a function of a token's place and of all ids of the window.
fn by_token(
    columns: usize,
    row: impl Fn(&[u32], usize) -> Vec<f32> + Send + Sync + 'static,
) -> Arc<dyn HeadForward> {
    Arc::new(Fake(move |input: &HeadInput| Logits {
        columns,
        values: (0..input.ids.len())
            .flat_map(|at| row(&input.ids, at))
            .collect(),
    }))
}

/// Writes down what a model is given to read.
struct Recorder {
    model: Arc<dyn HeadForward>,
    calls: Mutex<Vec<Vec<HeadInput>>>,
}

impl Recorder {
    fn new(model: Arc<dyn HeadForward>) -> Arc<Recorder> {
        Arc::new(Recorder {
            model,
            calls: Mutex::new(Vec::new()),
        })
    }

    /// The windows of each call since this was last asked.
    fn calls(&self) -> Vec<Vec<HeadInput>> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// The windows since this was last asked.
    fn windows(&self) -> Vec<HeadInput> {
        self.calls().concat()
    }
}

impl HeadForward for Recorder {
    fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
        self.calls.lock().unwrap().push(windows.to_vec());
        self.model.logits(windows)
    }

    fn device(&self) -> String {
        self.model.device()
    }

    fn precision(&self) -> String {
        self.model.precision()
    }
}

/// The built-in vocabulary: 30,522 word pieces.
fn vocabulary() -> Arc<Tokenizer> {
    static TOKENIZER: OnceLock<Arc<Tokenizer>> = OnceLock::new();
    let tokenizer = || builtin::discriminator().unwrap().tokenizer;
    Arc::clone(TOKENIZER.get_or_init(tokenizer))
}

fn ids(text: &str) -> Vec<u32> {
    let pieces = vocabulary().encode(text).unwrap();
    pieces.iter().map(|piece| piece.id).collect()
}

/// What stand-ins label with.
const LABELS: &[&str] = &["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];

/// The configuration of a head for `task` that reads `positions` tokens at once.
fn config(task: Task, positions: usize) -> HeadConfig {
    static CONFIG: OnceLock<HeadConfig> = OnceLock::new();
    let some = || {
        HeadCheckpoint::open(&folder("electra-single"))
            .unwrap()
            .config
    };
    HeadConfig {
        task,
        labels: LABELS.iter().map(|&label| label.to_owned()).collect(),
        problem: Problem::SingleLabel,
        max_positions: positions,
        ..CONFIG.get_or_init(some).clone()
    }
}

fn reader(task: Task, model: Arc<dyn HeadForward>, positions: usize) -> HeadReader {
    HeadReader::new(vocabulary(), model, &config(task, positions))
}

const TASKS: [Task; 3] = [Task::Classification, Task::QuestionAnswering, Task::Tagging];
const KINDS: [UnitKind; 3] = [UnitKind::Document, UnitKind::Paragraph, UnitKind::Sentence];

fn plain(text: &str) -> Document {
    Document::new("x.txt", text, Language::Plain)
}

fn markdown(text: &str) -> Document {
    Document::new("x.md", text, Language::Markdown)
}

fn never() -> bool {
    false
}

fn classify(
    reader: &mut HeadReader,
    document: &Document,
    kind: UnitKind,
    focus: Option<Span>,
) -> (Vec<Unit>, Counts) {
    let mut units = Vec::new();
    let counts = reader.classify(document, kind, focus, &never, &mut |unit| units.push(unit));
    (units, counts.unwrap())
}

fn units(reader: &mut HeadReader, document: &Document, kind: UnitKind) -> Vec<Unit> {
    classify(reader, document, kind, None).0
}

fn tag(
    reader: &mut HeadReader,
    document: &Document,
    focus: Option<Span>,
) -> (Vec<Tagging>, Counts) {
    let mut taggings = Vec::new();
    let counts = reader.tag(document, focus, &never, &mut |tagging| {
        taggings.push(tagging)
    });
    (taggings, counts.unwrap())
}

fn words(reader: &mut HeadReader, document: &Document) -> Vec<TaggedWord> {
    let taggings = tag(reader, document, None).0.into_iter();
    taggings.flat_map(|tagging| tagging.words).collect()
}

fn ask_counted(reader: &mut HeadReader, document: &Document, question: &str) -> (Answers, Counts) {
    reader.ask(document, question, &never).unwrap().unwrap()
}

fn ask(reader: &mut HeadReader, document: &Document, question: &str) -> Answers {
    ask_counted(reader, document, question).0
}

fn text(document: &Document, span: Span) -> String {
    span.of(&document.text).unwrap().to_owned()
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
            // As one block: an answer ends with its block, and the reference knows no blocks.
            let document = plain(&text.unwrap().replace("\n\n", "\n "));
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

            // What the reference finds but for punctuation, which is trimmed from the ends of an entity
            // and never one by itself. Where something is trimmed, p is that of fewer words.
            let got = reader.entities(&got);
            entities += got.len();
            let trimmed = |(start, end): (usize, usize)| {
                const OUTER: [char; 5] = [',', '\'', '-', '(', ')'];
                let within = &text[start..end];
                let left = within.trim_start_matches(|c: char| OUTER.contains(&c) || c == ' ');
                let kept = left.trim_end_matches(|c: char| OUTER.contains(&c) || c == ' ');
                let start = start + within.len() - left.len();
                kept.contains(char::is_alphanumeric)
                    .then_some((start, start + kept.len()))
            };
            let wanted: Vec<_> = (found.iter())
                .filter_map(|entity| Some((entity, trimmed(entity.bytes)?)))
                .collect();
            let places: Vec<_> = (wanted.iter())
                .map(|(entity, place)| (entity.label.clone(), *place))
                .collect();
            let got_places: Vec<_> = (got.iter())
                .map(|entity| (entity.label.clone(), bytes(entity.span)))
                .collect();
            assert_eq!(got_places, places, "{what}");
            for (got, (want, place)) in got.iter().zip(&wanted) {
                if *place == want.bytes {
                    assert_close([got.p], &[want.p], &what);
                }
            }
        }
        assert!(entities > 1, "{name}");
    }
}

// Units.

/// Markdown with all that is not prose, and letters of one to four bytes.
const MIXED: &str = "---\ntitle: front\n---\n\n# Été in *Oslo*\n\n\
    See `code` now. It is 中 🚤!\r\nThen she\nwent, by e.g. boat. `Make()` waits.\n\n\
    - one. Two\n- three `x`\n\n| a | b |\n|---|---|\n| c | `d` |\n\n\
    ```sh\nmake. Install.\n```\n\n<div>html</div>\n\n$$x + 1$$\n\n`alone`\n\nLast https://a.b/c.\n";

#[test]
fn units_are_the_prose_of_a_document_with_the_code_in_its_sentences() {
    let mut reader = reader(Task::Classification, echo(Task::Classification), 512);
    let mut texts = |document: &Document, kind| -> Vec<String> {
        let units = units(&mut reader, document, kind);
        units.iter().map(|unit| text(document, unit.span)).collect()
    };
    let document = markdown(MIXED);
    assert_eq!(
        texts(&document, UnitKind::Paragraph),
        [
            "Été in *Oslo",
            "See `code` now. It is 中 🚤!\r\nThen she\nwent, by e.g. boat. `Make()` waits.",
            "one. Two",
            "three `x",
            "a",
            "b",
            "c",
            "Last https://a.b/c.",
        ]
    );
    assert_eq!(
        texts(&document, UnitKind::Sentence),
        [
            "Été in *Oslo",
            "See `code` now.",
            "It is 中 🚤!",
            "Then she\nwent, by e.g. boat.",
            "Make()` waits.",
            "one.",
            "Two",
            "three `x",
            "a",
            "b",
            "c",
            "Last https://a.b/c.",
        ]
    );
    let whole = texts(&document, UnitKind::Document);
    assert_eq!(whole.len(), 1);
    assert!(whole[0].starts_with("Été in *Oslo") && whole[0].ends_with("https://a.b/c."));

    let lines = plain("\u{feff}É un.\n\n\n  中文。🚤 two\nthree\r\n\r\n...\n");
    assert_eq!(
        texts(&lines, UnitKind::Paragraph),
        ["É un.", "中文。🚤 two\nthree", "..."]
    );
    assert_eq!(
        texts(&lines, UnitKind::Sentence),
        ["É un.", "中文。", "🚤 two\nthree", "..."]
    );
}

#[test]
fn code_in_a_sentence_is_read_with_it() {
    let recorder = Recorder::new(echo(Task::Classification));
    let mut reader = reader(Task::Classification, Arc::clone(&recorder) as _, 512);
    units(
        &mut reader,
        &markdown("Go. Call `river` twice."),
        UnitKind::Sentence,
    );
    let mut windows = recorder.windows();
    windows.sort_by_key(|window| window.ids.len());
    let around = |text: &str| {
        let ids = [
            vec![vocabulary().cls_id()],
            ids(text),
            vec![vocabulary().sep_id()],
        ]
        .concat();
        HeadInput {
            second: ids.len(),
            ids,
        }
    };
    assert_eq!(windows, [around("Go."), around("Call river twice.")]);
}

#[test]
fn a_document_without_prose_says_nothing() {
    for text in [
        "",
        "\u{feff}",
        " \r\n\t\n",
        "\u{1}",
        "---\na: b\n---\n\n```\ncode\n```\n\n`code`\n",
    ] {
        let document = markdown(text);
        for kind in KINDS {
            let mut reader = reader(Task::Classification, echo(Task::Classification), 512);
            let said = classify(&mut reader, &document, kind, None);
            assert_eq!(said, (Vec::new(), Counts::default()), "{text:?}");
        }
        let mut tagger = reader(Task::Tagging, echo(Task::Tagging), 512);
        let said = tag(&mut tagger, &document, None);
        assert_eq!(said, (Vec::new(), Counts::default()), "{text:?}");
        assert_eq!(tagger.entities(&[]), []);

        let mut config = config(Task::QuestionAnswering, 512);
        for can_refuse in [false, true] {
            config.can_refuse = can_refuse;
            let model = echo(Task::QuestionAnswering);
            let mut reader = HeadReader::new(vocabulary(), model, &config);
            let (answers, counts) = ask_counted(&mut reader, &document, "Who?");
            assert_eq!((answers.best, counts), (Vec::new(), Counts::default()));
            let p = answers.none.map(|none| none.p);
            assert_eq!(p, can_refuse.then_some(1.0));
        }
    }
}

#[test]
fn a_unit_longer_than_a_window_has_the_mean_of_the_windows_that_tile_it() {
    let long = prose(WORDS, 700, 21);
    let one = long.replace('\n', " ");
    // One sentence, and a word that is longer than a window by itself.
    let sentence = one.to_lowercase().replace('.', ",");
    let word = "qzxjvkwqjxzvqkzjwxqvzkjxqwvjzqkxvwzqjkvxzwjqvkzxqjwkvqzxjkqvwzx";
    for (text, kind, positions, most) in [
        (long.as_str(), UnitKind::Document, 128, 16),
        (&one, UnitKind::Paragraph, 128, 16),
        (&sentence, UnitKind::Sentence, 128, 16),
        (word, UnitKind::Sentence, 12, 12),
    ] {
        let document = plain(text);
        let recorder = Recorder::new(echo(Task::Classification));
        let mut reader = reader(Task::Classification, Arc::clone(&recorder) as _, positions);
        let (units, counts) = classify(&mut reader, &document, kind, None);
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].span, Span::new(0, text.trim_end().len()));

        let read = recorder.windows();
        assert_eq!((read.len(), counts.computed), (counts.computed, read.len()));
        assert!((3..most).contains(&read.len()), "{}", read.len());
        // They may be read in any order; put together in the right one they are the text.
        let mut left = ids(text);
        let mut sums = vec![0.0; LABELS.len()];
        let mut windows = read.clone();
        while !left.is_empty() {
            let first = windows.iter().position(|window| {
                let inside = &window.ids[1..window.ids.len() - 1];
                left.starts_with(inside)
            });
            let window = windows.remove(first.expect("what is left begins with no window"));
            assert!(window.ids.len() <= positions);
            assert_eq!(window.second, window.ids.len());
            left.drain(..window.ids.len() - 2);
            let logits = &echo(Task::Classification).logits(&[window]).unwrap()[0].values;
            let p = decode::probabilities(logits, Problem::SingleLabel);
            for (sum, p) in sums.iter_mut().zip(p) {
                *sum += f64::from(p);
            }
        }
        assert!(windows.is_empty(), "a window that is not of the text");
        let mean: Vec<f32> = sums
            .iter()
            .map(|sum| (sum / read.len() as f64) as f32)
            .collect();
        assert_eq!(units[0].p, mean);
    }
}

#[test]
fn a_long_document_is_cut_where_paragraphs_begin() {
    let document = plain(&prose(WORDS, 3_000, 22));
    let starts: Vec<Vec<u32>> = blocks(&document)
        .iter()
        .map(|block| ids(&text(&document, block.span))[..8].to_vec())
        .collect();
    let recorder = Recorder::new(echo(Task::Classification));
    let mut reader = reader(Task::Classification, Arc::clone(&recorder) as _, 512);
    units(&mut reader, &document, UnitKind::Document);
    let windows = recorder.windows();
    assert!(windows.len() > 6);
    for window in windows {
        let start = &window.ids[1..9];
        assert!(starts.iter().any(|known| known == start), "{start:?}");
    }
}

#[test]
fn values_and_probabilities_that_stand_alone_are_averaged_as_they_are() {
    let text = prose(WORDS, 300, 23);
    for problem in [Problem::MultiLabel, Problem::Regression] {
        let mut config = config(Task::Classification, 64);
        config.problem = problem;
        let model: Arc<dyn HeadForward> = Arc::new(Fake(|input: &HeadInput| Logits {
            columns: 2,
            values: vec![input.ids.len() as f32, -1.0],
        }));
        let recorder = Recorder::new(model);
        let mut reader = HeadReader::new(vocabulary(), Arc::clone(&recorder) as _, &config);
        let units = units(&mut reader, &plain(&text), UnitKind::Document);
        let lengths: Vec<usize> = recorder
            .windows()
            .iter()
            .map(|window| window.ids.len())
            .collect();
        let mean = lengths.iter().sum::<usize>() as f32 / lengths.len() as f32;
        let wanted = match problem {
            Problem::Regression => [mean, -1.0],
            _ => [1.0, 1.0 / (1.0 + f32::exp(1.0))],
        };
        assert_close(units[0].p.clone(), &wanted, "mean");
    }
}

// Answers.

#[test]
fn every_window_reads_the_question_and_its_share_of_the_text() {
    let document = plain(&prose(WORDS, 1_500, 24));
    let question = "Who went over the unbelievable bridge?";
    let recorder = Recorder::new(echo(Task::QuestionAnswering));
    let mut reader = reader(Task::QuestionAnswering, Arc::clone(&recorder) as _, 256);
    ask(&mut reader, &document, question);
    let (cls, sep) = (vocabulary().cls_id(), vocabulary().sep_id());
    let opening = [vec![cls], ids(question), vec![sep]].concat();
    let windows = recorder.windows();
    assert!((8..25).contains(&windows.len()), "{}", windows.len());
    for window in &windows {
        assert!(window.ids.len() <= 256);
        assert!(window.ids.starts_with(&opening));
        assert_eq!(window.second, opening.len());
        assert_eq!(window.ids.last(), Some(&sep));
    }
    let text: Vec<u32> = blocks(&document)
        .iter()
        .flat_map(|block| ids(&super::reading::text(&document, block.span)))
        .collect();
    for answer in text.windows(decode::LONGEST_ANSWER) {
        let holds =
            |window: &HeadInput| window.ids.windows(answer.len()).any(|part| part == answer);
        assert!(windows.iter().any(holds), "no window holds {answer:?}");
    }
}

/// Words of one piece and of many.
const PIECES: &[&str] = &[
    "the",
    "electroscope",
    "zqxj",
    "harbourmasters",
    "boat",
    "goes",
    "unfathomably",
    "over",
    "a",
    "qvkwzqxj",
    "bridge",
    "and",
    "it",
    "cartwheeling",
    "river",
    "waits",
];

/// The logits of a model that looks at one token at a time.
fn pointing(ids: &[u32], at: usize) -> Vec<f32> {
    let id = &ids[at..=at];
    vec![3.0 * number(id, 1), 3.0 * number(id, 2)]
}

/// The best answers of an endless window, by trying them all.
fn answers_of_one_window(document: &Document) -> Vec<(Span, f32)> {
    // Each token with its word, a number that no other word has.
    let mut tokens: Vec<(u32, Span, usize)> = Vec::new();
    for (at, block) in blocks(document).iter().enumerate() {
        for piece in vocabulary().encode(&text(document, block.span)).unwrap() {
            let start = block.span.start();
            let span = Span::new(start + piece.start as usize, start + piece.end as usize);
            tokens.push((piece.id, span, (at << 32) + piece.word as usize));
        }
    }
    let whole = |token: usize| {
        let word = tokens[token].2;
        let first = tokens[..token].iter().rposition(|other| other.2 != word);
        let last = tokens[token..].iter().position(|other| other.2 != word);
        (
            first.map_or(0, |at| at + 1),
            last.map_or(tokens.len(), |at| token + at),
        )
    };
    let mut best: std::collections::BTreeMap<(usize, usize), f32> = Default::default();
    for first in 0..tokens.len() {
        for last in first..(first + decode::LONGEST_ANSWER).min(tokens.len()) {
            let (from, to) = (whole(first).0, whole(last).1);
            // An answer ends with its block.
            if tokens[first].2 >> 32 != tokens[last].2 >> 32 {
                break;
            }
            if to - from <= decode::LONGEST_ANSWER || whole(first) == whole(last) {
                let score = pointing(&[tokens[first].0], 0)[0] + pointing(&[tokens[last].0], 0)[1];
                let best = best.entry((from, to)).or_insert(score);
                *best = best.max(score);
            }
        }
    }
    let mut best: Vec<_> = best.into_iter().collect();
    best.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    best.truncate(decode::N_BEST);
    let span = |from: usize, to: usize| Span::new(tokens[from].1.start(), tokens[to - 1].1.end());
    best.into_iter()
        .map(|((from, to), score)| (span(from, to), score))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_answers_of_many_windows_are_those_of_one_that_never_ends(
        seed: u64, count in 1usize..900, positions in 180usize..600, can_refuse: bool,
    ) {
        let document = plain(&prose(PIECES, count, seed));
        let mut config = config(Task::QuestionAnswering, positions);
        config.can_refuse = can_refuse;
        let mut reader = HeadReader::new(vocabulary(), by_token(2, pointing), &config);
        let answers = ask(&mut reader, &document, "Who went over the bridge?");
        let wanted = answers_of_one_window(&document);
        let got: Vec<(Span, f32)> = answers.best.iter().map(|best| (best.span, best.score)).collect();
        prop_assert_eq!(&got, &wanted);

        let none = pointing(&[vocabulary().cls_id()], 0).iter().sum::<f32>();
        let none = can_refuse.then_some(none);
        let scores: Vec<f32> = wanted.iter().map(|&(_, score)| score).collect();
        let (p, p_none) = decode::shares(&scores, none);
        prop_assert_eq!(answers.best.iter().map(|best| best.p).collect::<Vec<_>>(), p);
        prop_assert_eq!(answers.none.map(|none| (none.score, none.p)), none.zip(p_none));
    }
}

#[test]
fn there_is_no_answer_only_as_far_as_every_window_says_so() {
    let document = plain(&prose(WORDS, 1_000, 25));
    let recorder = Recorder::new(echo(Task::QuestionAnswering));
    let mut config = config(Task::QuestionAnswering, 128);
    config.can_refuse = true;
    let mut reader = HeadReader::new(vocabulary(), Arc::clone(&recorder) as _, &config);
    assert!(reader.can_refuse());
    let answers = ask(&mut reader, &document, "Who?");
    let windows = recorder.windows();
    assert!(windows.len() > 10);
    let logits = echo(Task::QuestionAnswering).logits(&windows).unwrap();
    let of_cls = logits
        .iter()
        .map(|logits| logits.values[0] + logits.values[1]);
    let none = answers.none.unwrap();
    assert_eq!(none.score, of_cls.fold(f32::MAX, f32::min));
    let sum: f32 = answers.best.iter().map(|best| best.p).sum();
    assert!((sum + none.p - 1.0).abs() < 1e-5);
}

/// A model that finds a question's answer between two words, which come first and last in it.
fn between(first: &'static str, last: &'static str) -> Arc<dyn HeadForward> {
    by_token(2, move |window, at| {
        let is = |word: &str| f32::from(u8::from(ids(word).contains(&window[at])));
        vec![10.0 * is(first), 10.0 * is(last)]
    })
}

#[test]
fn an_answer_does_not_go_across_what_is_not_prose() {
    let mut reader = reader(Task::QuestionAnswering, between("anna", "oslo"), 512);
    let mut best = |document: Document| {
        let answers = ask(&mut reader, &document, "who?");
        text(&document, answers.best[0].span)
    };
    // What the model reads as Anna and Oslo side by side, or nearly.
    for across in [
        "Anna Oslo",
        "> Anna\n> Oslo",
        "Anna **in** Oslo",
        "Anna &amp; Oslo",
        "Anna [in](https://a.b) Oslo",
    ] {
        let found = best(markdown(across));
        assert!(
            found.starts_with("Anna") && found.ends_with("Oslo"),
            "{across:?}: {found:?}"
        );
    }
    for apart in [
        "Anna\n\nOslo",
        "# Anna\n\nOslo",
        "Anna\n\n```\ncode\n```\n\nOslo",
        "Anna `x` Oslo",
        "Anna $x$ Oslo",
        "Anna $$x$$ Oslo",
        "Anna\n\n    code\n\nOslo",
        "Anna\n\n<div>x</div>\n\nOslo",
        "Anna https://a.b Oslo",
        "Anna <https://a.b> Oslo",
        "- Anna\n- Oslo",
        "| Anna | Oslo |\n|---|---|\n",
        "Anna\n\n---\n\nOslo",
        "Anna<br>Oslo",
    ] {
        let found = best(markdown(apart));
        assert!(found == "Anna" || found == "Oslo", "{apart:?}: {found:?}");
    }
    // Without Markdown there is nothing but prose.
    let found = best(plain("Anna `x`\nOslo"));
    assert_eq!(found, "Anna `x`\nOslo");
    // No answer is code, even if it looks like the best.
    let found = best(markdown(
        "---\na: Anna Oslo\n---\n\nHe said `Anna Oslo` there.",
    ));
    assert!(!found.contains("Anna"), "{found:?}");
}

#[test]
fn an_answer_is_made_of_whole_words_and_of_thirty_tokens_at_most() {
    // Points at single pieces in the middle of words.
    let pieces = ids("electroscope");
    assert!(pieces.len() >= 2, "it must be a word of several pieces");
    let piece = pieces[pieces.len() - 1];
    let model = by_token(2, move |window, at| {
        vec![f32::from(u8::from(window[at] == piece)); 2]
    });
    let mut reader = reader(Task::QuestionAnswering, model, 512);
    let document = plain("É! An electroscope 中 boat, an electroscope one.");
    let answers = ask(&mut reader, &document, "what?");
    let texts: Vec<String> = answers
        .best
        .iter()
        .map(|best| text(&document, best.span))
        .collect();
    assert_eq!(texts[0], "electroscope");
    assert_eq!(texts[1], "electroscope 中 boat, an electroscope");
    assert_eq!(texts[2], "electroscope");
    assert_eq!(answers.best.len(), decode::N_BEST);

    let endless = prose(WORDS, 400, 26);
    let model = by_token(2, |window, at| {
        vec![
            -(at as f32),
            at as f32 * 2.0 * f32::from(u8::from(window.len() > at)),
        ]
    });
    let mut reader = self::reader(Task::QuestionAnswering, model, 512);
    let document = plain(&endless);
    for answer in ask(&mut reader, &document, "what?").best {
        assert!(ids(&text(&document, answer.span)).len() <= decode::LONGEST_ANSWER);
    }
    // A word of more pieces than that is one all the same.
    let word = "zq".repeat(40);
    assert!(ids(&word).len() > decode::LONGEST_ANSWER);
    let document = plain(&word);
    let answers = ask(&mut reader, &document, "what?");
    assert_eq!(answers.best.len(), 1);
    assert_eq!(text(&document, answers.best[0].span), word);
}

#[test]
fn many_ways_to_the_same_words_leave_room_for_other_answers() {
    // Every pair of pieces of the long word scores more than any other span.
    let word = "qzxjvkwqjxzv";
    let pieces = ids(word);
    assert!((9..15).contains(&pieces.len()), "{}", pieces.len());
    let model = by_token(2, move |window, at| match pieces.contains(&window[at]) {
        true => vec![9.0; 2],
        false => pointing(window, at),
    });
    let mut reader = reader(Task::QuestionAnswering, model, 512);
    let document = plain(&format!(
        "The boat waits over the {word}, and a river goes under it."
    ));
    let answers = ask(&mut reader, &document, "what?");
    assert_eq!(text(&document, answers.best[0].span), word);
    assert_eq!(answers.best.len(), decode::N_BEST);
}

#[test]
fn a_question_must_have_a_word_and_leave_room_for_the_text() {
    let mut reader = reader(Task::QuestionAnswering, echo(Task::QuestionAnswering), 48);
    let document = plain("The boat waits.");
    for empty in ["", " \n", "\u{1}"] {
        let refused = reader.ask(&document, empty, &never);
        assert!(
            matches!(refused, Err(ReadError::EmptyQuestion)),
            "{empty:?}"
        );
    }
    let long = "why ".repeat(16);
    ask(&mut reader, &document, &long);
    let refused = reader.ask(&document, &(long + "?"), &never).unwrap_err();
    assert!(matches!(
        refused,
        ReadError::LongQuestion {
            found: 17,
            limit: 16
        }
    ));
    assert_eq!(
        refused.to_string(),
        "the question has 17 tokens, but this head can take 16, a third of what it reads at once; ask in fewer words"
    );
}

#[test]
fn a_head_does_what_it_was_trained_for_and_nothing_else() {
    let document = plain("The boat waits.");
    let mut complaints = Vec::new();
    for task in TASKS {
        let mut reader = reader(task, echo(task), 48);
        assert_eq!(reader.task(), task);
        let classified = reader.classify(&document, UnitKind::Document, None, &never, &mut |_| {});
        let asked = reader.ask(&document, "Who?", &never).map(|_| ());
        let tagged = reader.tag(&document, None, &never, &mut |_| {});
        for (wanted, refused) in [
            (Task::Classification, classified.err()),
            (Task::QuestionAnswering, asked.err()),
            (Task::Tagging, tagged.err()),
        ] {
            assert_eq!(refused.is_none(), wanted == task, "{task:?} for {wanted:?}");
            complaints.extend(refused.map(|refused| refused.to_string()));
        }
    }
    assert_eq!(complaints.len(), 6);
    assert_eq!(
        complaints[0],
        "this head was trained to classify, not to answer questions; choose one whose class ends with ForQuestionAnswering"
    );
}

// Tags.

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn tags_do_not_depend_on_where_windows_fall(
        seed: u64, count in 1usize..700, positions in 16usize..300,
    ) {
        // As far as a window is promised to see on both sides of a word.
        let radius = Geometry::for_positions(positions).context;
        let row = move |window: &[u32], at: usize| -> Vec<f32> {
            let near = &window[at.saturating_sub(radius)..(at + radius + 1).min(window.len())];
            (0..LABELS.len() as u64).map(|label| number(near, label)).collect()
        };
        let document = plain(&prose(PIECES, count, seed));
        let got = words(&mut reader(Task::Tagging, by_token(LABELS.len(), row), positions), &document);

        let mut whole = vec![vocabulary().cls_id()];
        let mut firsts: Vec<(usize, Span)> = Vec::new();
        for block in blocks(&document) {
            let mut last = None;
            let said = text(&document, block.span);
            let starts: Vec<usize> = electroscope_text::word_starts(&said).collect();
            for piece in vocabulary().encode(&said).unwrap() {
                let word_of = |byte: usize| starts.partition_point(|&start| start <= byte);
                let piece_word = word_of(piece.start as usize);
                let start = block.span.start();
                let span = Span::new(start + piece.start as usize, start + piece.end as usize);
                match firsts.last_mut() {
                    Some((_, word)) if last == Some(piece_word) => *word = Span::new(word.start(), span.end()),
                    _ => firsts.push((whole.len(), span)),
                }
                last = Some(word_of(piece.end as usize - 1));
                whole.push(piece.id);
            }
        }
        whole.push(vocabulary().sep_id());
        let wanted: Vec<TaggedWord> = firsts
            .iter()
            .map(|&(first, span)| {
                let (label, p) = decode::likeliest(&row(&whole, first)).unwrap();
                let is_punctuation = electroscope_text::is_punctuation(&text(&document, span));
                TaggedWord { span, label: label as u16, p, is_punctuation }
            })
            .collect();
        prop_assert_eq!(got, wanted);
    }
}

#[test]
fn a_word_longer_than_a_core_is_one_word() {
    let word = "zq".repeat(40);
    let text = format!("The {word} waits. É {word}{word}.");
    let document = plain(&text);
    let tagged = words(
        &mut reader(Task::Tagging, echo(Task::Tagging), 16),
        &document,
    );
    let texts: Vec<String> = tagged
        .iter()
        .map(|tagged| super::reading::text(&document, tagged.span))
        .collect();
    assert_eq!(
        texts,
        [
            "The",
            &word,
            "waits",
            ".",
            "É",
            &format!("{word}{word}"),
            "."
        ]
    );
}

#[test]
fn of_markdown_only_the_prose_is_tagged() {
    let document = markdown(MIXED);
    let tagged = words(
        &mut reader(Task::Tagging, echo(Task::Tagging), 512),
        &document,
    );
    let texts: Vec<String> = tagged
        .iter()
        .map(|tagged| text(&document, tagged.span))
        .collect();
    assert_eq!(
        texts.join(" "),
        "Été in Oslo See now . It is 中 🚤 ! Then she went , by e.g . boat . waits . one . Two three a b c Last ."
    );
}

/// The entities of a document every word of which goes on with one, as a head with these labels says.
fn entities(document: &Document) -> (HeadReader, Vec<TaggedWord>, Vec<EntityAt>) {
    let inside = by_token(LABELS.len(), |_, _| vec![0.0, 0.0, 9.0, 0.0, 0.0]);
    let mut reader = reader(Task::Tagging, inside, 24);
    let words = words(&mut reader, document);
    let entities = reader.entities(&words);
    (reader, words, entities)
}

#[test]
fn an_entity_stays_in_its_block_and_ends_at_what_is_not_prose() {
    for (source, wanted) in [
        ("Anna Oslo", vec!["Anna Oslo"]),
        ("Anna\nin **Oslo** now", vec!["Anna\nin **Oslo** now"]),
        ("Anna &amp; Oslo", vec!["Anna &amp; Oslo"]),
        ("Anna\n\nOslo", vec!["Anna", "Oslo"]),
        ("# Anna\nOslo", vec!["Anna", "Oslo"]),
        ("- Anna\n- Oslo\n  was", vec!["Anna", "Oslo\n  was"]),
        (
            "| Anna | Oslo |\n|---|---|\n| É | 🚤 |",
            vec!["Anna", "Oslo", "É"],
        ),
        ("Anna `x` Oslo", vec!["Anna", "Oslo"]),
        ("Anna https://a.b Oslo", vec!["Anna", "Oslo"]),
        ("Anna\n```\nx\n```\nOslo", vec!["Anna", "Oslo"]),
    ] {
        let document = markdown(source);
        let (_, _, entities) = entities(&document);
        let texts: Vec<String> = entities
            .iter()
            .map(|entity| text(&document, entity.span))
            .collect();
        assert_eq!(texts, wanted, "{source:?}");
        assert!(
            entities
                .iter()
                .all(|entity| entity.label == "PER" && entity.p > 0.9)
        );
    }
    // The border holds for some of the words as well.
    let document = plain("Go on Anna\n\nOslo is far");
    let (reader, words, entities) = entities(&document);
    assert_eq!(entities.len(), 2);
    let texts: Vec<String> = reader
        .entities(&words[2..5])
        .iter()
        .map(|entity| text(&document, entity.span))
        .collect();
    assert_eq!(texts, ["Anna", "Oslo is"]);
}

#[test]
fn an_entity_goes_on_from_window_to_window() {
    let document = plain(&prose(WORDS, 90, 27));
    assert_eq!(blocks(&document).len(), 1);
    let (mut reader, words, entities) = entities(&document);
    assert!(tag(&mut reader, &document, None).0.len() > 5);
    assert_eq!(entities.len(), 1);
    assert_eq!(
        entities[0].span,
        Span::new(0, words[words.len() - 1].span.end())
    );
}

#[test]
fn a_tagger_of_parts_of_speech_marks_no_entities() {
    let mut config = config(Task::Tagging, 48);
    config.labels = vec!["NOUN".into(), "VERB".into()];
    let model = by_token(2, |_, _| vec![1.0, 0.0]);
    let mut reader = HeadReader::new(vocabulary(), model, &config);
    assert!(!reader.marks_entities());
    assert_eq!(reader.labels(), ["NOUN", "VERB"]);
    let words = words(&mut reader, &plain("Boats wait."));
    assert_eq!((words.len(), reader.entities(&words)), (3, Vec::new()));
}

// Bytes.

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_that_is_found_lies_on_character_borders(text in hard_text(), positions in 16usize..80) {
        for document in [plain(&text), markdown(&text)] {
            let mut classifier = reader(Task::Classification, echo(Task::Classification), positions);
            let mut of_sentences = Vec::new();
            for kind in KINDS {
                let mut end = 0;
                let units = units(&mut classifier, &document, kind);
                for unit in &units {
                    prop_assert!(unit.span.start() >= end && !unit.span.is_empty(), "{:?}", unit.span);
                    end = unit.span.end();
                    let shown = unit.span.of(&text);
                    prop_assert!(shown.is_some_and(|shown| shown.trim() == shown), "{:?}", shown);
                }
                prop_assert!(kind != UnitKind::Document || units.len() <= 1);
                of_sentences = units;
            }

            let mut tagger = reader(Task::Tagging, echo(Task::Tagging), positions);
            let mut end = 0;
            let taggings = tag(&mut tagger, &document, None).0;
            for tagging in &taggings {
                let (first, last) = (tagging.words[0].span, tagging.words[tagging.words.len() - 1].span);
                prop_assert_eq!(tagging.span, Span::new(first.start(), last.end()));
                for word in &tagging.words {
                    prop_assert!(word.span.start() >= end, "{:?} overlaps", word.span);
                    end = word.span.end();
                    prop_assert!(word.span.of(&text).is_some_and(|shown| !shown.is_empty()));
                    prop_assert!(usize::from(word.label) < LABELS.len() && word.p > 0.0 && word.p <= 1.0);
                }
            }
            let words: Vec<TaggedWord> = taggings.into_iter().flat_map(|tagging| tagging.words).collect();
            // Each sentence has a word, and each word is in a sentence.
            prop_assert_eq!(words.is_empty(), of_sentences.is_empty());
            for unit in &of_sentences {
                prop_assert!(words.iter().any(|word| unit.span.overlaps(word.span)));
            }
            for word in &words {
                let holds = |unit: &Unit| unit.span.start() <= word.span.start() && word.span.end() <= unit.span.end();
                prop_assert!(of_sentences.iter().any(holds), "{:?} is in no sentence", word);
            }
            for entity in tagger.entities(&words) {
                prop_assert!(words.iter().any(|word| word.span.start() == entity.span.start()));
                prop_assert!(words.iter().any(|word| word.span.end() == entity.span.end()));
            }

            // Answers begin and end with words, and hold nothing else that the model reads.
            let mut asked = reader(Task::QuestionAnswering, echo(Task::QuestionAnswering), positions);
            let answers = ask(&mut asked, &document, "who");
            prop_assert_eq!(answers.best.is_empty(), words.is_empty());
            let mut seen = std::collections::HashSet::new();
            for answer in &answers.best {
                prop_assert!(seen.insert(answer.span), "{:?} is found twice", answer.span);
                prop_assert!(words.iter().any(|word| word.span.start() == answer.span.start()));
                prop_assert!(words.iter().any(|word| word.span.end() == answer.span.end()));
            }
            prop_assert!(answers.best.is_sorted_by(|a, b| a.score >= b.score && a.p >= b.p));
        }
    }
}

// The numbers depend on the text alone.

/// A head for each task.
struct Heads {
    classifier: HeadReader,
    answerer: HeadReader,
    tagger: HeadReader,
}

/// All that they say of a document, in the order of the text.
#[derive(Debug, PartialEq)]
struct Said {
    units: [Vec<Unit>; 3],
    answers: Answers,
    words: Vec<TaggedWord>,
    entities: Vec<EntityAt>,
}

impl Heads {
    fn real() -> Heads {
        Heads {
            classifier: real("electra-single"),
            answerer: real("electra-answers"),
            tagger: real("electra-tags"),
        }
    }

    fn echo(positions: usize) -> Heads {
        let of = |task| reader(task, echo(task), positions);
        Heads {
            classifier: of(Task::Classification),
            answerer: of(Task::QuestionAnswering),
            tagger: of(Task::Tagging),
        }
    }

    fn with_batch(self, tokens: usize) -> Heads {
        Heads {
            classifier: self.classifier.with_batch(tokens),
            answerer: self.answerer.with_batch(tokens),
            tagger: self.tagger.with_batch(tokens),
        }
    }

    fn read(&mut self, document: &Document, focus: Option<Span>) -> Said {
        let units = KINDS.map(|kind| {
            let (mut units, _) = classify(&mut self.classifier, document, kind, focus);
            units.sort_by_key(|unit| unit.span);
            units
        });
        let (mut taggings, _) = tag(&mut self.tagger, document, focus);
        taggings.sort_by_key(|tagging| tagging.span);
        let words: Vec<TaggedWord> = (taggings.into_iter())
            .flat_map(|tagging| tagging.words)
            .collect();
        Said {
            units,
            answers: ask(&mut self.answerer, document, "is it a boat"),
            entities: self.tagger.entities(&words),
            words,
        }
    }
}

#[test]
fn results_do_not_depend_on_the_batch() {
    let document = markdown(&prose(TOY_WORDS, 300, 31));
    let first = Heads::real().read(&document, None);
    let found = (
        first.words.len(),
        first.units[2].len(),
        first.entities.len(),
    );
    assert!(found.0 > 300 && found.1 > 20 && found.2 > 3, "{found:?}");
    for batch in [1, 60, 333, 1 << 20] {
        let said = Heads::real().with_batch(batch).read(&document, None);
        assert_eq!(said, first, "batches of {batch} tokens");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let document = markdown(&prose(TOY_WORDS, 300, 32));
    let read = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| Heads::real().read(&document, None))
    };
    let first = read(1);
    for threads in [2, 3, 8] {
        assert_eq!(read(threads), first, "{threads} threads");
    }
}

#[test]
fn results_do_not_depend_on_where_somebody_looks() {
    // More than one region of work.
    let document = plain(&prose(WORDS, 6_000, 33));
    let first = Heads::echo(128).read(&document, None);
    for at in [
        0,
        document.text.len() / 2,
        document.text.len() - 1,
        usize::MAX,
    ] {
        let said = Heads::echo(128).read(&document, Some(Span::new(at, at.saturating_add(100))));
        assert_eq!(said, first, "looking at byte {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn reading_with_the_cache_after_edits_equals_reading_afresh(
        seed: u64, count in 0usize..700, edits in edits(), positions in 24usize..200, is_markdown: bool,
    ) {
        let document = |text: &str| if is_markdown { markdown(text) } else { plain(text) };
        let mut text = prose(WORDS, count, seed);
        let mut heads = Heads::echo(positions);
        heads.read(&document(&text), None);
        for edit in &edits {
            apply(&mut text, edit);
            let said = heads.read(&document(&text), None);
            prop_assert_eq!(said, Heads::echo(positions).read(&document(&text), None));
        }
    }
}

#[test]
fn real_heads_with_a_cache_say_to_the_bit_what_they_say_without() {
    let mut text = prose(TOY_WORDS, 300, 34);
    let mut heads = Heads::real();
    heads.read(&markdown(&text), None);
    let edits: [Edit; 4] = [
        (0.5, 7, "every boat ".into()),
        (0.1, 0, "\n\n".into()),
        (0.9, 30, String::new()),
        (0.0, 0, "Not `x` ".into()),
    ];
    for edit in &edits {
        apply(&mut text, edit);
        let said = heads.read(&markdown(&text), None);
        assert_eq!(said, Heads::real().read(&markdown(&text), None));
    }
}

// What is remembered.

/// A long text with a paragraph of words that stand nowhere else, and the number of that paragraph.
fn with_penguins(seed: u64) -> (Vec<String>, usize) {
    let text = prose(WORDS, 10_000, seed);
    let mut paragraphs: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
    let edited = paragraphs.len() / 2;
    paragraphs[edited] =
        "Penguins march south. Penguins march north and hunt squid. ".repeat(4) + "\n\n";
    (paragraphs, edited)
}

/// Whether `window` reads of penguins.
fn reads_of_penguins(window: &HeadInput) -> bool {
    ids("penguins march south north hunt squid eels")
        .iter()
        .any(|id| window.ids.contains(id))
}

#[test]
fn after_an_edit_only_the_units_that_it_changed_are_judged_again() {
    for (kind, most) in [
        (UnitKind::Paragraph, 1),
        (UnitKind::Sentence, 1),
        (UnitKind::Document, 6),
    ] {
        let (mut paragraphs, edited) = with_penguins(35);
        let recorder = Recorder::new(echo(Task::Classification));
        let mut reader = reader(Task::Classification, Arc::clone(&recorder) as _, 512);
        let (before, counts) = classify(&mut reader, &plain(&paragraphs.concat()), kind, None);
        assert!(counts.computed > 20, "{counts:?}");
        assert_eq!(recorder.windows().len(), counts.computed);

        let (again, counts) = classify(&mut reader, &plain(&paragraphs.concat()), kind, None);
        assert_eq!((again, counts.computed), (before, 0));
        assert!(recorder.calls().is_empty());

        paragraphs[edited].insert_str(9, "and eels ");
        let (_, counts) = classify(&mut reader, &plain(&paragraphs.concat()), kind, None);
        let read = recorder.windows();
        assert_eq!(read.len(), counts.computed);
        assert!((1..=most).contains(&read.len()), "{kind:?}: {counts:?}");
        assert!(read.iter().any(reads_of_penguins));
        assert!(counts.cached > 20);

        // What comes in at the top moves the rest, and nothing but that is read.
        paragraphs.insert(0, "Penguins!\n\n".to_owned());
        let (_, counts) = classify(&mut reader, &plain(&paragraphs.concat()), kind, None);
        assert!(
            (1..=most).contains(&counts.computed),
            "{kind:?}: {counts:?}"
        );
    }
}

#[test]
fn after_an_edit_a_question_reads_the_windows_near_it_alone() {
    let (mut paragraphs, edited) = with_penguins(36);
    let recorder = Recorder::new(echo(Task::QuestionAnswering));
    let mut reader = reader(Task::QuestionAnswering, Arc::clone(&recorder) as _, 512);
    let question = "Who went over the bridge?";
    let (before, counts) = ask_counted(&mut reader, &plain(&paragraphs.concat()), question);
    let all = counts.computed;
    assert!(all > 30, "{counts:?}");
    assert_eq!(recorder.windows().len(), all);

    let (again, counts) = ask_counted(&mut reader, &plain(&paragraphs.concat()), question);
    assert_eq!(
        (again, counts),
        (
            before,
            Counts {
                computed: 0,
                cached: all
            }
        )
    );
    assert!(recorder.calls().is_empty());

    // Another question is another matter, and does not drive out the first.
    let (_, counts) = ask_counted(&mut reader, &plain(&paragraphs.concat()), "Who waits?");
    assert!(counts.computed > 30 && counts.cached == 0, "{counts:?}");
    recorder.calls();

    paragraphs[edited].insert_str(9, "and eels ");
    let (_, counts) = ask_counted(&mut reader, &plain(&paragraphs.concat()), question);
    let read = recorder.windows();
    assert_eq!(read.len(), counts.computed);
    assert!((1..=6).contains(&read.len()), "{counts:?}");
    assert!(read.iter().any(reads_of_penguins));

    paragraphs.insert(0, prose(WORDS, 96, 37));
    let (_, counts) = ask_counted(&mut reader, &plain(&paragraphs.concat()), question);
    assert!((1..=6).contains(&counts.computed), "{counts:?}");
}

#[test]
fn after_an_edit_only_the_windows_that_read_it_are_tagged_again() {
    let (mut paragraphs, edited) = with_penguins(38);
    let recorder = Recorder::new(echo(Task::Tagging));
    let mut reader = reader(Task::Tagging, Arc::clone(&recorder) as _, 512);
    let (before, counts) = tag(&mut reader, &plain(&paragraphs.concat()), None);
    assert!(counts.computed > 60, "{counts:?}");
    assert_eq!(recorder.windows().len(), counts.computed);

    let (again, counts) = tag(&mut reader, &plain(&paragraphs.concat()), None);
    assert_eq!((again, counts.computed), (before, 0));
    assert!(recorder.calls().is_empty());

    paragraphs[edited].insert_str(9, "and eels ");
    let (_, counts) = tag(&mut reader, &plain(&paragraphs.concat()), None);
    let read = recorder.windows();
    assert_eq!(read.len(), counts.computed);
    assert!((1..=5).contains(&read.len()), "{counts:?}");
    assert!(read.iter().all(reads_of_penguins));
}

#[test]
fn a_reader_can_be_handed_to_another_thread() {
    let document = plain("The boats wait.");
    let mut classifier = reader(Task::Classification, echo(Task::Classification), 512);
    let here = units(&mut classifier, &document, UnitKind::Document);
    let there = std::thread::spawn({
        let document = document.clone();
        move || units(&mut classifier, &document, UnitKind::Document)
    });
    assert_eq!(there.join().unwrap(), here);
}

#[test]
fn what_stands_twice_in_a_text_is_read_once_and_what_is_forgotten_again() {
    let document = plain(&"The boats wait. Nobody went.\n\n".repeat(40));
    let mut classifier = reader(Task::Classification, echo(Task::Classification), 512);
    for _ in 0..2 {
        let (units, counts) = classify(&mut classifier, &document, UnitKind::Sentence, None);
        assert_eq!(
            (units.len(), counts),
            (
                80,
                Counts {
                    computed: 2,
                    cached: 78
                }
            )
        );
        classifier.forget();
    }
    let mut heads = Heads::echo(64);
    heads.read(&document, None);
    let (_, again) = ask_counted(&mut heads.answerer, &document, "is it a boat");
    assert_eq!(again.computed, 0);
    heads.answerer.forget();
    let (_, counts) = ask_counted(&mut heads.answerer, &document, "is it a boat");
    assert!(counts.computed > 0 && counts.computed + counts.cached == again.cached);
    heads.tagger.forget();
    assert!(tag(&mut heads.tagger, &document, None).1.computed > 0);
}

// Order, and the end of it.

#[test]
fn where_nobody_looks_units_and_words_come_in_the_order_of_the_text() {
    let document = plain(&prose(WORDS, 6_000, 39));
    for batch in [1, 2_048] {
        let mut heads = Heads::echo(64).with_batch(batch);
        for kind in KINDS {
            let (units, _) = classify(&mut heads.classifier, &document, kind, None);
            assert!(units.is_sorted_by_key(|unit| unit.span), "{kind:?}");
        }
        let (taggings, _) = tag(&mut heads.tagger, &document, None);
        assert!(taggings.len() > 100 && taggings.is_sorted_by_key(|tagging| tagging.span));
    }
}

#[test]
fn where_somebody_looks_the_nearest_come_first() {
    let document = plain(&prose(WORDS, 9_000, 40));
    let middle = document.text.len() / 2;
    let focus = Span::new(middle, middle + 200);
    let mut heads = Heads::echo(128);
    for kind in [UnitKind::Paragraph, UnitKind::Sentence] {
        let (units, counts) = classify(&mut heads.classifier, &document, kind, Some(focus));
        let distances: Vec<usize> = units.iter().map(|unit| focus.distance(unit.span)).collect();
        assert!(counts.computed > 50, "{counts:?}");
        assert_eq!(distances[0], 0);
        assert!(distances.is_sorted(), "{kind:?}: {distances:?}");
    }
    let (taggings, _) = tag(&mut heads.tagger, &document, Some(focus));
    let distances: Vec<usize> = taggings
        .iter()
        .map(|tagging| focus.distance(tagging.span))
        .collect();
    assert_eq!(distances[0], 0);
    assert!(distances[..20].is_sorted(), "{distances:?}");
}

#[test]
fn what_is_known_does_not_wait_for_what_is_near() {
    let text = prose(WORDS, 500, 41);
    let mut classifier = reader(Task::Classification, echo(Task::Classification), 128);
    units(&mut classifier, &plain(&text), UnitKind::Paragraph);
    let document = plain(&format!("News!\n\n{text}"));
    let focus = Some(Span::new(0, 5));
    let (units, counts) = classify(&mut classifier, &document, UnitKind::Paragraph, focus);
    assert_eq!(counts.computed, 1);
    let last = units.last().unwrap();
    assert_eq!(super::reading::text(&document, last.span), "News!");
}

#[test]
fn windows_go_in_batches_of_like_length_or_one_for_each_thread() {
    let document = plain(&prose(WORDS, 2_500, 42));
    for task in TASKS {
        let recorder = Recorder::new(echo(task));
        let mut reader = reader(task, Arc::clone(&recorder) as _, 256).with_batch(1_000);
        let mut read = |focus| match task {
            Task::Classification => {
                drop(classify(&mut reader, &document, UnitKind::Sentence, focus))
            }
            Task::QuestionAnswering => drop(ask(&mut reader, &document, "Who?")),
            Task::Tagging => drop(tag(&mut reader, &document, focus)),
        };
        read(None);
        let calls = recorder.calls();
        assert!(calls.len() > 2, "{task:?}");
        for call in &calls {
            let tokens: usize = call.iter().map(|window| window.ids.len()).sum();
            assert!(
                tokens <= 1_000 || call.len() == 1,
                "{task:?}: {tokens} tokens in one call"
            );
        }
        // The document is one region, so all of it goes by length.
        let lengths: Vec<usize> = calls
            .concat()
            .iter()
            .map(|window| window.ids.len())
            .collect();
        assert!(lengths.is_sorted(), "{task:?}: {lengths:?}");
        assert!(calls.iter().any(|call| call.len() >= 3), "{task:?}");
    }
    for task in [Task::Classification, Task::Tagging] {
        let recorder = Recorder::new(echo(task));
        let mut reader = reader(task, Arc::clone(&recorder) as _, 256);
        let focus = Some(Span::new(0, 10));
        match task {
            Task::Tagging => drop(tag(&mut reader, &document, focus)),
            _ => drop(classify(&mut reader, &document, UnitKind::Sentence, focus)),
        }
        let most = recorder.calls().iter().map(Vec::len).max().unwrap();
        assert!(most <= rayon::current_num_threads(), "{task:?}");
    }
}

/// A model that raises a flag when it is called for the `last` time that it should be.
struct Flagging {
    model: Arc<dyn HeadForward>,
    calls: AtomicUsize,
    last: AtomicUsize,
    flag: AtomicBool,
}

impl HeadForward for Flagging {
    fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.last.load(Ordering::Relaxed) {
            self.flag.store(true, Ordering::Relaxed);
        }
        self.model.logits(windows)
    }

    fn device(&self) -> String {
        self.model.device()
    }

    fn precision(&self) -> String {
        self.model.precision()
    }
}

/// What `read` says and how many windows it took, or nothing if the work was stale.
fn until_stale(
    reader: &mut HeadReader,
    document: &Document,
    is_stale: &dyn Fn() -> bool,
) -> Option<(String, Counts)> {
    match reader.task() {
        Task::Classification => {
            let mut units = Vec::new();
            let kind = UnitKind::Paragraph;
            let counts =
                reader.classify(document, kind, None, is_stale, &mut |unit| units.push(unit));
            Some((format!("{units:?}"), counts.unwrap()))
        }
        Task::QuestionAnswering => {
            let asked = reader.ask(document, "Who went?", is_stale).unwrap();
            asked.map(|(answers, counts)| (format!("{answers:?}"), counts))
        }
        Task::Tagging => {
            let mut taggings = Vec::new();
            let counts = reader.tag(document, None, is_stale, &mut |tagging| {
                taggings.push(tagging)
            });
            Some((format!("{taggings:?}"), counts.unwrap()))
        }
    }
}

#[test]
fn stale_work_ends_between_two_calls_of_the_model_and_what_was_done_is_kept() {
    // More than one region of work.
    let document = plain(&prose(WORDS, 6_000, 43));
    for task in TASKS {
        let model = Arc::new(Flagging {
            model: echo(task),
            calls: AtomicUsize::new(0),
            last: AtomicUsize::new(3),
            flag: AtomicBool::new(false),
        });
        let mut reader = reader(task, Arc::clone(&model) as _, 128).with_batch(1);
        let is_stale = || model.flag.load(Ordering::Relaxed);

        let said = until_stale(&mut reader, &document, &is_stale);
        assert_eq!(model.calls.load(Ordering::Relaxed), 3, "{task:?}");
        assert_eq!(said.is_none(), task == Task::QuestionAnswering);
        if let Some((_, counts)) = said {
            assert_eq!(
                counts,
                Counts {
                    computed: 3,
                    cached: 0
                },
                "{task:?}"
            );
        }
        // Stale from the first.
        until_stale(&mut reader, &document, &is_stale);
        assert_eq!(model.calls.load(Ordering::Relaxed), 3, "{task:?}");

        model.flag.store(false, Ordering::Relaxed);
        let (said, counts) = until_stale(&mut reader, &document, &is_stale).unwrap();
        assert_eq!(counts.cached, 3, "{task:?}");
        let mut fresh = self::reader(task, echo(task), 128);
        assert_eq!(said, until_stale(&mut fresh, &document, &never).unwrap().0);
        assert!(counts.computed > 30);
    }
}

#[test]
fn work_that_was_called_stale_once_is_over() {
    let document = plain(&prose(WORDS, 6_000, 47));
    for task in TASKS {
        let recorder = Recorder::new(echo(task));
        let mut reader = reader(task, Arc::clone(&recorder) as _, 128).with_batch(1);
        let asked = AtomicUsize::new(0);
        // Yes to the fourth question alone.
        let is_stale = || asked.fetch_add(1, Ordering::Relaxed) == 3;
        let said = until_stale(&mut reader, &document, &is_stale);
        assert_eq!(said.is_none(), task == Task::QuestionAnswering);
        assert_eq!(asked.load(Ordering::Relaxed), 4, "{task:?}");
        assert!(recorder.calls().len() < 3, "{task:?}");
    }
}

#[test]
fn nothing_far_away_is_looked_at_before_the_nearest_is_handed_on() {
    let document = plain(&prose(WORDS, 20_000, 48));
    let end = document.text.len();
    let focus = Some(Span::new(end - 200, end));
    for task in [Task::Classification, Task::Tagging] {
        let mut reader = reader(task, echo(task), 128);
        // Asked before each stretch of the text and before each call of the model.
        let asked = AtomicUsize::new(0);
        let first = std::cell::Cell::new(None);
        let is_stale = || {
            asked.fetch_add(1, Ordering::Relaxed);
            false
        };
        let note = || first.set(first.get().or(Some(asked.load(Ordering::Relaxed))));
        match task {
            Task::Tagging => reader.tag(&document, focus, &is_stale, &mut |_| note()),
            _ => {
                let kind = UnitKind::Sentence;
                reader.classify(&document, kind, focus, &is_stale, &mut |_| note())
            }
        }
        .unwrap();
        assert_eq!(first.get(), Some(2), "{task:?}");
        assert!(asked.load(Ordering::Relaxed) > 20);
    }
}

/// A model on a device that goes away once.
struct Flaky(AtomicUsize, Arc<dyn HeadForward>);

impl HeadForward for Flaky {
    fn logits(&self, windows: &[HeadInput]) -> Result<Vec<Logits>, Error> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 2 {
            return Err(Error::Device {
                wanted: "cuda:0".into(),
                why: "it went away".into(),
            });
        }
        self.1.logits(windows)
    }

    fn device(&self) -> String {
        "cuda:0".to_owned()
    }

    fn precision(&self) -> String {
        "f32".to_owned()
    }
}

#[test]
fn a_model_that_fails_loses_nothing_that_was_read_before() {
    let document = plain(&prose(WORDS, 2_000, 44));
    for task in TASKS {
        let flaky = Arc::new(Flaky(AtomicUsize::new(0), echo(task)));
        let mut reader = reader(task, flaky, 128).with_batch(1);
        let failed = match task {
            Task::Classification => {
                let kind = UnitKind::Document;
                reader
                    .classify(&document, kind, None, &never, &mut |_| {})
                    .err()
            }
            Task::QuestionAnswering => reader.ask(&document, "Who went?", &never).err(),
            Task::Tagging => reader.tag(&document, None, &never, &mut |_| {}).err(),
        };
        let complaint = failed.unwrap().to_string();
        assert!(complaint.contains("it went away"), "{complaint}");
        let (said, counts) = match task {
            Task::Classification => {
                let (units, counts) = classify(&mut reader, &document, UnitKind::Document, None);
                (format!("{units:?}"), counts)
            }
            _ => until_stale(&mut reader, &document, &never).unwrap(),
        };
        assert_eq!(counts.cached, 2, "{task:?}");
        let mut fresh = self::reader(task, echo(task), 128);
        let afresh = match task {
            Task::Classification => {
                format!("{:?}", units(&mut fresh, &document, UnitKind::Document))
            }
            _ => until_stale(&mut fresh, &document, &never).unwrap().0,
        };
        assert_eq!(said, afresh, "{task:?}");
    }
}

#[test]
fn a_model_that_computes_nonsense_gives_no_answer_and_no_panic() {
    let nonsense = by_token(2, |_, _| vec![f32::NAN, f32::NAN]);
    let mut config = config(Task::QuestionAnswering, 64);
    config.can_refuse = true;
    let mut reader = HeadReader::new(vocabulary(), nonsense, &config);
    let answers = ask(&mut reader, &plain(&prose(WORDS, 200, 45)), "Who?");
    assert!(answers.best.is_empty());
    assert_eq!(answers.none.map(|none| none.p), Some(1.0));
    // Fewer numbers than there should be.
    let short: Arc<dyn HeadForward> = Arc::new(Fake(|_: &HeadInput| Logits {
        columns: 2,
        values: vec![0.5],
    }));
    for task in TASKS {
        let mut reader = self::reader(task, Arc::clone(&short), 64);
        until_stale(&mut reader, &plain(&prose(WORDS, 200, 46)), &never);
    }
}
