//! What scoring promises, whatever the document: the right bytes, every word once, and numbers that
//! depend on the text alone.
//!
//! Where the numbers matter a real model of toy size computes them. Where only the cutting and the
//! remembering matter, an [`Echo`] does: its answer to a token depends on every token of the window,
//! so two windows that differ at all are seen to differ.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use electroscope::catalog::builtin;
use electroscope_analysis::{Counts, Engine, Reading};
use electroscope_model::{self as model, Checkpoint, Error, Forward, Tokenizer};
use electroscope_text::{Document, Language, Span, blocks};
use proptest::prelude::*;
use tokenizers::{NormalizedString, Normalizer, normalizers::BertNormalizer};

/// A stand-in for a model: any difference in a window shows in all its answers.
pub(crate) struct Echo;

impl Forward for Echo {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        Ok(windows.iter().map(|window| echo(window)).collect())
    }

    fn device(&self) -> String {
        "nowhere".to_owned()
    }

    fn precision(&self) -> String {
        "f32".to_owned()
    }
}

fn echo(window: &[u32]) -> Vec<f32> {
    let bytes: Vec<u8> = window.iter().flat_map(|id| id.to_le_bytes()).collect();
    let logit = |at: u64| {
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&bytes, at);
        (hash >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..window.len() as u64).map(logit).collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Writes down what a model is given to read.
pub(crate) struct Recorder {
    model: Arc<dyn Forward>,
    calls: Mutex<Vec<Vec<Vec<u32>>>>,
}

impl Recorder {
    pub(crate) fn new(model: Arc<dyn Forward>) -> Arc<Recorder> {
        Arc::new(Recorder {
            model,
            calls: Mutex::new(Vec::new()),
        })
    }

    /// The windows of each call since this was last asked.
    pub(crate) fn calls(&self) -> Vec<Vec<Vec<u32>>> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// The windows since this was last asked.
    pub(crate) fn windows(&self) -> Vec<Vec<u32>> {
        self.calls().concat()
    }
}

impl Forward for Recorder {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        let call = windows.iter().map(|window| window.to_vec()).collect();
        self.calls.lock().unwrap().push(call);
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
pub(crate) fn vocabulary() -> Arc<Tokenizer> {
    static TOKENIZER: OnceLock<Arc<Tokenizer>> = OnceLock::new();
    let tokenizer = || builtin::discriminator().unwrap().tokenizer;
    Arc::clone(TOKENIZER.get_or_init(tokenizer))
}

/// The checkpoint of toy size, with 32 positions.
fn toy() -> Checkpoint {
    let folder: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/fixtures/projected");
    Checkpoint::open(&folder).unwrap()
}

fn toy_model() -> Arc<dyn Forward> {
    model::load(&toy(), "cpu", "f32").unwrap().0
}

fn toy_engine() -> Engine {
    Engine::new(toy().tokenizer, toy_model(), 32)
}

fn plain(text: &str) -> Document {
    Document::new("x.txt", text, Language::Plain)
}

fn markdown(text: &str) -> Document {
    Document::new("x.md", text, Language::Markdown)
}

/// A text of `count` words out of `words`, the same for the same seed: sentences of a dozen words,
/// paragraphs of eight sentences.
pub(crate) fn prose(words: &[&str], count: usize, mut seed: u64) -> String {
    let mut text = String::new();
    for at in 1..=count {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(words[(seed >> 33) as usize % words.len()]);
        text.push_str(match at {
            _ if at % 96 == 0 => ".\n\n",
            _ if at % 12 == 0 => ".\n",
            _ => " ",
        });
    }
    text
}

pub(crate) const WORDS: &[&str] = &[
    "the",
    "harbour",
    "committee",
    "approved",
    "a",
    "bridge",
    "over",
    "every",
    "river",
    "because",
    "unbelievable",
    "boats",
    "wait",
    "quietly",
    "for",
    "day",
    "light",
    "and",
    "nobody",
    "went",
];

/// Words of which the toy model knows most.
pub(crate) const TOY_WORDS: &[&str] = &[
    "the",
    "boat",
    "harbour",
    "unbelievable",
    "committee",
    "goes",
    "over",
    "it",
    "is",
    "not",
    "waiting",
    "every",
    "day",
    "in",
    "spring",
    "banana",
    "workers",
    "of",
    "1",
    "é",
];

/// Every word with its p, as text: what must be the same however it was computed.
fn words(document: &Document, readings: &[Reading]) -> Vec<(String, f32)> {
    readings
        .iter()
        .flat_map(|reading| &reading.words)
        .map(|word| (word.span.of(&document.text).unwrap().to_owned(), word.p))
        .collect()
}

fn texts(document: &Document, readings: &[Reading]) -> Vec<String> {
    let texts = words(document, readings).into_iter().map(|(text, _)| text);
    texts.collect()
}

/// Scores by region, in the order given, each region once.
fn score_regions(engine: &mut Engine, document: &Document, order: &[usize]) -> Vec<Reading> {
    let outline = engine.outline(document);
    let mut readings = Vec::new();
    for &region in order {
        engine
            .score_region(
                document,
                &outline,
                region,
                None,
                &|| false,
                &mut |reading| readings.push(reading),
            )
            .unwrap();
    }
    readings.sort_by_key(|reading| reading.span);
    readings
}

// Documents.

#[test]
fn a_text_has_the_same_scores_in_every_encoding_and_with_every_line_end() {
    let text = format!("Été in the harbour.\n\n{}", prose(TOY_WORDS, 300, 1));
    let crlf = text.replace('\n', "\r\n");
    let utf16 = |text: &str, mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
        let units = text.encode_utf16().flat_map(bytes);
        mark.into_iter().chain(units).collect::<Vec<u8>>()
    };
    let files = [
        text.clone().into_bytes(),
        format!("\u{feff}{text}").into_bytes(),
        utf16(&text, [0xff, 0xfe], u16::to_le_bytes),
        utf16(&text, [0xfe, 0xff], u16::to_be_bytes),
        text.trim_end().as_bytes().to_vec(),
        crlf.clone().into_bytes(),
        format!("\u{feff}{crlf}").into_bytes(),
        utf16(&crlf, [0xff, 0xfe], u16::to_le_bytes),
    ];
    for language in [Language::Plain, Language::Markdown] {
        let score = |bytes: &[u8]| {
            let document = Document::decode("x", bytes.to_vec(), language).unwrap();
            let (readings, _) = toy_engine().score(&document).unwrap();
            assert!(readings.len() > 5, "one window shows little");
            words(&document, &readings)
        };
        let first = score(&files[0]);
        assert_eq!(first.len(), 5 + 300 + 300 / 12);
        for (at, file) in files.iter().enumerate() {
            assert_eq!(score(file), first, "file {at} as {language:?}");
        }
    }
}

#[test]
fn a_document_without_prose_has_no_regions_and_no_readings() {
    for text in [
        "",
        "\u{feff}",
        " \r\n\t\n",
        "\u{1}\u{2}",
        "---\na: b\n---\n\n```\ncode\n```\n",
    ] {
        let mut engine = Engine::new(vocabulary(), Arc::new(Echo), 512);
        let (readings, counts) = engine.score(&markdown(text)).unwrap();
        assert_eq!(
            (readings, counts),
            (Vec::new(), Counts::default()),
            "{text:?}"
        );
    }
    let mut engine = Engine::new(vocabulary(), Arc::new(Echo), 512);
    assert!(engine.outline(&plain("\r\n\r\n")).is_empty());
}

#[test]
fn of_markdown_only_the_prose_is_scored_and_of_plain_text_all_of_it() {
    let text = "---\ntitle: front\n---\n# Head\n\nSee `code` and <b>bold</b> at https://a.b/c, $x+1$ too.\n\n\
        ```\nfenced\n```\n\n<div>block</div>\n";
    let mut engine = Engine::new(vocabulary(), Arc::new(Echo), 512);
    let (readings, _) = engine.score(&markdown(text)).unwrap();
    let scored = texts(&markdown(text), &readings);
    assert_eq!(
        scored,
        ["Head", "See", "and", "bold", "at", ",", "too", "."]
    );

    let (readings, _) = engine.score(&plain(text)).unwrap();
    let scored = texts(&plain(text), &readings).concat();
    let visible: String = text.split_whitespace().collect();
    assert_eq!(scored, visible);
}

#[test]
fn code_in_a_sentence_is_read_though_it_is_not_scored() {
    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 512);
    engine.score(&markdown("Call `river` twice.")).unwrap();
    let tokens = vocabulary();
    let read: Vec<_> = recorder.windows()[0]
        .iter()
        .map(|&id| tokens.token(id).unwrap())
        .collect();
    assert_eq!(read, ["[CLS]", "call", "river", "twice", ".", "[SEP]"]);
}

#[test]
fn a_line_of_ten_megabytes_is_scored() {
    let line = prose(WORDS, 1_700_000, 5).replace('\n', " ");
    assert!(line.len() > 10 << 20, "{}", line.len());
    for document in [plain(&line), markdown(&line)] {
        let mut engine = Engine::new(vocabulary(), Arc::new(Echo), 512);
        let outline = engine.outline(&document);
        assert!((500..1000).contains(&outline.len()), "{}", outline.len());
        let mut end = 0;
        for region in 0..outline.len() {
            assert!(outline.span(region).start() >= end);
            end = outline.span(region).end();
        }
        assert_eq!(end, line.trim_end().len());
        // The first, two in the middle that touch, and the last.
        let middle = outline.len() / 2;
        let last = outline.len() - 1;
        let readings = score_regions(&mut engine, &document, &[0, middle, middle + 1, last]);
        let text = texts(&document, &readings);
        assert!(line.starts_with(&text[..10].join(" ").replace(" .", ".")));
        assert!(
            line.trim_end()
                .ends_with(&text[text.len() - 10..].join(" ").replace(" .", "."))
        );
        let seam = readings
            .iter()
            .position(|reading| outline.span(middle + 1).contains(reading.span.start()))
            .unwrap();
        let gap = readings[seam - 1].span.end()..readings[seam].span.start();
        assert_eq!(
            line[gap].trim(),
            "",
            "a word between two regions was left out"
        );
    }
}

#[test]
fn text_that_offers_no_place_to_cut_is_scored_in_bounded_steps() {
    let word = "x".repeat(9_000);
    for text in [
        // Every place is as good as the next.
        "x\n\n".repeat(80_000),
        "go on\n\n".repeat(10_000),
        // A token for each eight kilobytes.
        word.repeat(100),
        format!("{word}\n\n").repeat(100),
    ] {
        let document = plain(&text);
        let mut engine = Engine::new(vocabulary(), Arc::new(Echo), 64);
        let outline = engine.outline(&document);
        assert!(outline.len() > 2);
        let (whole, counts) = engine.score(&document).unwrap();
        let expected: usize = blocks(&document)
            .iter()
            .map(|block| block.span.of(&text).unwrap().split_whitespace().count())
            .sum();
        assert_eq!(words(&document, &whole).len(), expected);
        assert!(counts.computed < 600, "{counts:?}");
        // Each region by itself says the same, with nothing remembered.
        for region in (0..outline.len()).rev().step_by(3) {
            engine.forget();
            let span = outline.span(region);
            let part = score_regions(&mut engine, &document, &[region]);
            let same: Vec<_> = whole
                .iter()
                .filter(|reading| span.contains(reading.span.start()))
                .cloned()
                .collect();
            assert_eq!(part, same);
        }
    }
}

// Spans.

/// Text with all that makes offsets hard: letters of one to four bytes, marks that combine or
/// decompose, line ends of both kinds, markers of Markdown, characters that tokenizers drop.
pub(crate) fn hard_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z]{1,9}",
        2 => "[ \t]{1,2}",
        1 => Just("\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("\n\n".to_owned()),
        2 => "[éÉüñßœİǅﬁΣς]{1,3}",
        1 => "[中文字한국어かな]{1,3}",
        1 => "[🙂🏽👩‍🚀\u{301}\u{200d}\u{feff}\u{ad}\u{0}-\u{8}\u{202e}\u{fffd}]{1,2}",
        1 => "[.,;:!?'’“”()—…]{1,2}",
        2 => "[*_`$<>\\[\\]#|&~=-]{1,3}",
        1 => Just("https://a.b/ü?c".to_owned()),
        1 => Just("&amp;".to_owned()),
        1 => Just("[SEP]".to_owned()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// What the tokenizer makes of the letters of `text` before it looks them up.
fn normalised(text: &str) -> String {
    let mut text = NormalizedString::from(text);
    BertNormalizer::new(true, true, None, true)
        .normalize(&mut text)
        .unwrap();
    text.get().split_whitespace().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_token_and_word_lies_on_character_borders(text in hard_text(), positions in 16usize..80) {
        for document in [plain(&text), markdown(&text)] {
            let mut engine = Engine::new(vocabulary(), Arc::new(Echo), positions);
            let (readings, _) = engine.score(&document).unwrap();
            let mut end = 0;
            for reading in &readings {
                prop_assert!(reading.span.start() >= end, "{:?} overlaps", reading.span);
                end = reading.span.end();
                let mut token = 0;
                for word in &reading.words {
                    let pieces = reading.pieces(word);
                    prop_assert_eq!(word.tokens.start, token, "every token belongs to one word");
                    token = word.tokens.end;
                    let shown = word.span.of(&text);
                    prop_assert!(shown.is_some_and(|shown| !shown.is_empty()), "{:?} in {:?}", word.span, text);
                    prop_assert_eq!(word.span.start(), pieces[0].span.start());
                    prop_assert_eq!(word.span.end(), pieces[pieces.len() - 1].span.end());
                    prop_assert_eq!(word.p, pieces.iter().map(|piece| piece.p).fold(0.0, f32::max));
                    for piece in pieces {
                        prop_assert!(piece.span.of(&text).is_some_and(|shown| !shown.is_empty()));
                        prop_assert!(piece.span.start() >= word.span.start() && piece.span.end() <= word.span.end());
                    }
                }
                prop_assert_eq!(token as usize, reading.tokens.len());
            }
        }
    }

    #[test]
    fn a_token_stands_where_its_letters_do(text in hard_text()) {
        let document = plain(&text);
        let recorder = Recorder::new(Arc::new(Echo));
        let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 4_096);
        let (readings, _) = engine.score(&document).unwrap();
        let tokens: Vec<Span> = readings.iter().flat_map(|reading| &reading.tokens).map(|token| token.span).collect();
        let window: Vec<u32> = recorder.windows().concat();
        let ids = window.get(1..window.len().saturating_sub(1)).unwrap_or_default();
        prop_assert_eq!(tokens.len(), ids.len());

        // The first answer is that to `[CLS]`, the last that to `[SEP]`.
        let said: Vec<f32> = readings.iter().flat_map(|reading| &reading.tokens).map(|token| token.p).collect();
        let meant: Vec<f32> = echo(&window).into_iter().skip(1).take(ids.len()).map(sigmoid).collect();
        prop_assert_eq!(said, meant);

        // A character that decomposes may give several tokens, which then share its bytes.
        let mut groups: Vec<(Span, Vec<String>)> = Vec::new();
        for (&span, &id) in tokens.iter().zip(ids) {
            let spelling = vocabulary().token(id).unwrap();
            let letters = spelling.strip_prefix("##").unwrap_or(&spelling).to_owned();
            match groups.last_mut() {
                Some((last, letters_before)) if last.overlaps(span) => {
                    *last = Span::new(last.start(), span.end());
                    letters_before.push(letters);
                }
                _ => groups.push((span, vec![letters])),
            }
        }
        for (span, letters) in groups {
            let shown = span.of(&text).unwrap();
            if !letters.iter().any(|letters| letters == "[UNK]") {
                prop_assert_eq!(normalised(shown), letters.concat(), "{:?}", shown);
            }
        }
    }
}

// Windows.

#[test]
fn a_text_that_fits_is_one_window() {
    for tokens in [1, 510, 511] {
        // Paragraphs do not matter for what fits.
        let words = ["river\n\n", "day "];
        let text: String = (0..tokens).map(|at| words[at % 2]).collect();
        let recorder = Recorder::new(Arc::new(Echo));
        let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 512);
        let (readings, _) = engine.score(&plain(&text)).unwrap();
        assert_eq!(texts(&plain(&text), &readings).len(), tokens);
        let lengths: Vec<usize> = recorder.windows().iter().map(Vec::len).collect();
        if tokens <= 510 {
            assert_eq!(lengths, [tokens + 2]);
        } else {
            assert!(lengths.len() > 1 && lengths.iter().all(|&length| length < 512));
        }
    }
}

#[test]
fn every_token_of_a_long_text_is_read_with_context_on_both_sides() {
    let document = plain(&prose(WORDS, 5_000, 2));
    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 512).with_batch(1);
    let (readings, counts) = engine.score(&document).unwrap();
    assert_eq!((counts.computed, counts.cached), (readings.len(), 0));
    let answers: Vec<Vec<f32>> = recorder
        .windows()
        .iter()
        .map(|window| echo(window).into_iter().map(sigmoid).collect())
        .collect();
    for (at, reading) in readings.iter().enumerate() {
        let core: Vec<f32> = reading.tokens.iter().map(|token| token.p).collect();
        let (window, before) = answers
            .iter()
            .find_map(|answer| {
                let before = answer.windows(core.len()).position(|part| part == core)?;
                Some((answer, before))
            })
            .unwrap();
        let after = window.len() - before - core.len();
        // 64, and `[CLS]` or `[SEP]`.
        assert!(before >= 65 || at == 0, "{before} tokens before a core");
        assert!(
            after >= 65 || at + 1 == readings.len(),
            "{after} tokens after a core"
        );
        assert!(window.len() <= 512);
    }
}

#[test]
fn no_word_that_a_window_can_hold_is_cut() {
    // Letters that hardly ever stand together give a piece each; BERT's tokenizer gives up at 100.
    let mut seed = 1u64;
    let mut letter = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b"qxzvkjw"[(seed >> 33) as usize % 7])
    };
    // A window of 64 positions is asked about 32 tokens at most, one of 128 about 64.
    for (positions, longest) in [(64, 30), (128, 60), (512, 99)] {
        let words = (0..400).map(|at| 1 + at * 7 % longest);
        let text: String = words
            .map(|letters| (0..letters).map(|_| letter()).collect::<String>() + " ")
            .collect();
        let mut engine = Engine::new(vocabulary(), Arc::new(Echo), positions);
        let (readings, _) = engine.score(&plain(&text)).unwrap();
        assert!(readings.len() > 20);
        let tokens: usize = readings.iter().map(|reading| reading.tokens.len()).sum();
        assert!(
            tokens > 400 * longest / 3,
            "{tokens} tokens are too few to cut a word"
        );
        let expected: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(texts(&plain(&text), &readings), expected);
    }
}

#[test]
fn windows_go_to_the_model_in_batches_of_like_length() {
    let document = plain(&prose(WORDS, 2_000, 3));
    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 512).with_batch(1_000);
    engine.score(&document).unwrap();
    let calls = recorder.calls();
    assert!(calls.len() > 2);
    for call in &calls {
        let tokens: usize = call.iter().map(Vec::len).sum();
        assert!(
            tokens <= 1_000 || call.len() == 1,
            "{tokens} tokens in one call"
        );
    }
    // The document is one region, so all of it goes by length.
    let lengths: Vec<usize> = calls.concat().iter().map(Vec::len).collect();
    assert!(lengths.is_sorted(), "{lengths:?}");
    let fullest = calls.iter().map(Vec::len).max().unwrap();
    assert!(fullest >= 3, "no call has more than {fullest} windows");
}

// The numbers depend on the text alone.

#[test]
fn results_do_not_depend_on_the_batch() {
    let document = markdown(&prose(TOY_WORDS, 400, 4));
    let (first, _) = toy_engine().score(&document).unwrap();
    for batch in [1, 40, 333, 1 << 20] {
        let (readings, _) = toy_engine().with_batch(batch).score(&document).unwrap();
        assert_eq!(readings, first, "batches of {batch} tokens");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let document = markdown(&prose(TOY_WORDS, 400, 5));
    let score = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| toy_engine().score(&document).unwrap().0)
    };
    let first = score(1);
    for threads in [2, 3, 8] {
        assert_eq!(score(threads), first, "{threads} threads");
    }
}

#[test]
fn results_do_not_depend_on_the_order_of_regions() {
    let document = markdown(&prose(TOY_WORDS, 9_000, 6));
    let mut engine = toy_engine();
    let (first, _) = engine.score(&document).unwrap();
    let regions = engine.outline(&document).len();
    assert!(regions >= 3);
    let forwards: Vec<usize> = (0..regions).collect();
    let backwards: Vec<usize> = (0..regions).rev().collect();
    let from_the_middle: Vec<usize> = (regions / 2..regions).chain(0..regions / 2).collect();
    for order in [forwards, backwards, from_the_middle] {
        let mut engine = toy_engine();
        assert_eq!(
            score_regions(&mut engine, &document, &order),
            first,
            "{order:?}"
        );
    }
}

// What is remembered.

#[test]
fn after_an_edit_in_one_paragraph_only_the_windows_that_read_it_run_again() {
    let mut paragraphs: Vec<String> = prose(WORDS, 10_000, 7)
        .split_inclusive("\n\n")
        .map(str::to_owned)
        .collect();
    // A paragraph of words that stand nowhere else.
    let edited = paragraphs.len() / 2;
    paragraphs[edited] = "Penguins march south. Penguins march north and hunt squid.\n\n"
        .repeat(4)
        .replace("\n\n", " ")
        + "\n\n";
    let its_ids: Vec<u32> = vocabulary()
        .encode("penguins march south north hunt squid")
        .unwrap()
        .iter()
        .map(|piece| piece.id)
        .collect();

    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 512);
    let (before, counts) = engine.score(&plain(&paragraphs.concat())).unwrap();
    assert!(counts.computed > 60, "{counts:?}");
    assert_eq!(recorder.windows().len(), counts.computed);

    let (again, counts) = engine.score(&plain(&paragraphs.concat())).unwrap();
    assert_eq!(again, before);
    assert_eq!((counts.computed, counts.cached), (0, before.len()));

    paragraphs[edited].insert_str(9, "and eels ");
    let document = plain(&paragraphs.concat());
    let (after, counts) = engine.score(&document).unwrap();
    assert!((1..=5).contains(&counts.computed), "{counts:?}");
    let read = recorder.windows();
    assert_eq!(read.len(), counts.computed);
    for window in read {
        assert!(
            its_ids.iter().any(|id| window.contains(id)),
            "a window that does not read the paragraph"
        );
    }
    let (fresh, _) = Engine::new(vocabulary(), Arc::new(Echo), 512)
        .score(&document)
        .unwrap();
    assert_eq!(after, fresh);
}

#[test]
fn what_is_put_in_at_the_top_moves_the_rest_but_reads_none_of_it_again() {
    let long = prose(WORDS, 10_000, 8);
    // Many short paragraphs, so that the regions of the work begin at places of no importance.
    let short = |text: &str| text.replace("the ", "the\n\n").replace("a ", "a\n\n");
    for (text, come) in [
        (long.clone(), prose(WORDS, 96, 14)),
        (short(&long), short(&prose(WORDS, 96, 14))),
    ] {
        let mut engine = Engine::new(vocabulary(), Arc::new(Echo), 512);
        let (before, _) = engine.score(&plain(&text)).unwrap();
        let moved = plain(&format!("{come}{text}"));
        assert!(engine.outline(&moved).len() > 3);
        let (after, counts) = engine.score(&moved).unwrap();
        assert!((1..=5).contains(&counts.computed), "{counts:?}");
        let ps = |readings: &[Reading]| -> Vec<f32> {
            let last = &readings[readings.len() - 1];
            last.words.iter().map(|word| word.p).collect()
        };
        assert_eq!(ps(&after), ps(&before));
    }
}

/// A place in a text (as a share of it), how many characters go, and what comes.
pub(crate) type Edit = (f64, usize, String);

pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let inserted = prop_oneof![
        3 => "[a-z ]{0,12}",
        1 => Just("\n\n".to_owned()),
        1 => Just(". ".to_owned()),
        1 => Just("```\n".to_owned()),
        1 => "[*_`é🙂\n]{0,3}",
    ];
    prop::collection::vec((0.0..1.0, 0usize..40, inserted), 1..6)
}

pub(crate) fn apply(text: &mut String, (place, gone, come): &Edit) {
    let from = text.floor_char_boundary((place * text.len() as f64) as usize);
    let gone = text[from..]
        .chars()
        .take(*gone)
        .map(char::len_utf8)
        .sum::<usize>();
    text.replace_range(from..from + gone, come);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn scoring_with_the_cache_after_edits_equals_scoring_afresh(
        seed: u64, count in 0usize..900, edits in edits(), positions in 24usize..200, is_markdown: bool,
    ) {
        let document = |text: &str| if is_markdown { markdown(text) } else { plain(text) };
        let mut text = prose(WORDS, count, seed);
        let mut engine = Engine::new(vocabulary(), Arc::new(Echo), positions);
        engine.score(&document(&text)).unwrap();
        for edit in &edits {
            apply(&mut text, edit);
            let (readings, _) = engine.score(&document(&text)).unwrap();
            let mut fresh = Engine::new(vocabulary(), Arc::new(Echo), positions);
            prop_assert_eq!(readings, fresh.score(&document(&text)).unwrap().0);
        }
    }
}

#[test]
fn a_real_model_with_a_cache_says_to_the_bit_what_it_says_without() {
    let mut text = prose(TOY_WORDS, 400, 9);
    let mut engine = toy_engine();
    engine.score(&markdown(&text)).unwrap();
    for (place, gone, come) in [
        (0.5, 7, "every boat "),
        (0.1, 0, "\n\n"),
        (0.9, 30, ""),
        (0.0, 0, "Not "),
    ] {
        apply(&mut text, &(place, gone, come.to_owned()));
        let (readings, counts) = engine.score(&markdown(&text)).unwrap();
        assert!(counts.cached > 10 && counts.computed > 0, "{counts:?}");
        assert_eq!(readings, toy_engine().score(&markdown(&text)).unwrap().0);
    }
}

#[test]
fn what_stands_twice_in_a_text_is_read_once() {
    let page = prose(WORDS, 2_000, 10);
    let text = format!("{page}{page}{page}");
    let mut engine = Engine::new(vocabulary(), Arc::new(Echo), 512);
    let (readings, counts) = engine.score(&plain(&text)).unwrap();
    assert_eq!(counts.computed + counts.cached, readings.len());
    assert!(counts.cached * 2 > readings.len(), "{counts:?}");
}

// What the reader looks at comes first, and stale work ends.

#[test]
fn the_windows_near_the_focus_come_first() {
    let document = plain(&prose(WORDS, 2_000, 11));
    let mut engine = Engine::new(vocabulary(), Arc::new(Echo), 512).with_batch(1);
    let outline = engine.outline(&document);
    assert_eq!(outline.len(), 1);
    let middle = document.text.len() / 2;
    let focus = Span::new(middle, middle + 200);
    let mut distances = Vec::new();
    engine
        .score_region(
            &document,
            &outline,
            0,
            Some(focus),
            &|| false,
            &mut |reading| {
                distances.push(focus.distance(reading.span));
            },
        )
        .unwrap();
    assert!(distances.len() > 10);
    assert_eq!(distances[0], 0);
    assert!(distances.is_sorted(), "{distances:?}");
}

#[test]
fn where_somebody_looks_the_model_reads_a_window_for_each_thread_at_a_time() {
    let document = plain(&prose(WORDS, 2_000, 11));
    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 512);
    let outline = engine.outline(&document);
    let mut largest_call = |focus: Option<Span>| {
        engine.forget();
        engine
            .score_region(&document, &outline, 0, focus, &|| false, &mut |_| {})
            .unwrap();
        let calls = recorder.calls();
        calls.iter().map(Vec::len).max().unwrap_or(0)
    };
    let threads = rayon::current_num_threads();
    assert!(largest_call(Some(Span::new(0, 10))) <= threads);
    assert!(largest_call(None) > 3);
}

#[test]
fn stale_work_ends_between_two_calls_of_the_model_and_what_was_done_is_kept() {
    let document = plain(&prose(WORDS, 2_000, 12));
    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 512).with_batch(1);
    let outline = engine.outline(&document);
    let mut score = |asked_before_stale: usize| {
        let asked = AtomicUsize::new(0);
        let is_stale = || asked.fetch_add(1, Ordering::Relaxed) >= asked_before_stale;
        let mut emitted = 0;
        let counts = engine
            .score_region(&document, &outline, 0, None, &is_stale, &mut |_| {
                emitted += 1
            })
            .unwrap();
        assert_eq!(recorder.calls().len(), counts.computed);
        assert_eq!(emitted, counts.computed + counts.cached);
        (counts.computed, counts.cached)
    };
    assert_eq!(score(0), (0, 0));
    assert_eq!(score(3), (3, 0));
    let (computed, cached) = score(usize::MAX);
    assert!(computed > 5);
    assert_eq!(cached, 3);
    assert_eq!(score(0), (0, computed + 3));
}

/// A model on a device that comes and goes.
struct Flaky(AtomicUsize);

impl Forward for Flaky {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 2 {
            return Err(Error::Device {
                wanted: "cuda:0".into(),
                why: "it went away".into(),
            });
        }
        Echo.logits(windows)
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
    let document = plain(&prose(WORDS, 2_000, 13));
    let flaky = Arc::new(Flaky(AtomicUsize::new(0)));
    let mut engine = Engine::new(vocabulary(), flaky, 512).with_batch(1);
    assert!(engine.score(&document).is_err());
    let (readings, counts) = engine.score(&document).unwrap();
    assert_eq!(counts.cached, 2);
    let (fresh, _) = Engine::new(vocabulary(), Arc::new(Echo), 512)
        .score(&document)
        .unwrap();
    assert_eq!(readings, fresh);
}

#[test]
fn windows_have_2048_tokens_at_most_unless_more_are_asked_for() {
    let text = prose(WORDS, 3_500, 1);
    let document = Document::new("long.txt", text, Language::Plain);
    let longest = |window: Option<usize>| {
        let recorder = Recorder::new(Arc::new(Echo));
        let mut engine = Engine::new(vocabulary(), Arc::clone(&recorder) as _, 16_384);
        if let Some(window) = window {
            engine = engine.with_window(window);
        }
        engine.score(&document).unwrap();
        let calls = recorder.calls();
        calls.iter().flatten().map(Vec::len).max().unwrap()
    };
    assert!(longest(None) <= 2_048);
    assert!(longest(Some(64)) <= 64);
    // Then it fits into one.
    assert!(longest(Some(1 << 20)) > 3_500);
}
