//! What a user waits for, from the file to the screen: the way to the model, the model on a whole
//! document, an edit in it, a cold start, a frame.
//!
//! The texts are made here, from a seed. The forward pass by itself is measured by `forward`. See the
//! README for how to run and read it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a program to be looked at, on texts that it made itself"
)]

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use electroscope::catalog::builtin;
use electroscope::ui::message::{Effect, Message};
use electroscope::ui::state::{Opening, State};
use electroscope::ui::theme::{Depth, Theme};
use electroscope::ui::{update, view};
use electroscope::worker::files::FileEvent;
use electroscope::worker::inference::{Job, ModelSummary, Reply};
use electroscope_analysis::{Begins, Engine, Geometry, Queue, Run, plan};
use electroscope_model::{self as model, Checkpoint, Error, Forward};
use electroscope_text::{Document, Language, Span};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

fn main() {
    divan::main();
}

/// Words of a document as long as a long article.
const LONG: usize = 10_000;

/// Words of a page.
const PAGE: usize = 400;

/// Bytes of a file as long as ten novels.
const HUGE: usize = 10 << 20;

/// A model that knows at once, for what is to be measured without one.
struct Idle;

impl Forward for Idle {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        let logits = windows.iter().map(|window| {
            let logit = |&id: &u32| if id % 97 == 0 { 1.0 } else { -4.0 };
            window.iter().map(logit).collect()
        });
        Ok(logits.collect())
    }

    fn device(&self) -> String {
        "nowhere".to_owned()
    }

    fn precision(&self) -> String {
        "f32".to_owned()
    }
}

fn checkpoint() -> &'static Checkpoint {
    static CHECKPOINT: OnceLock<Checkpoint> = OnceLock::new();
    CHECKPOINT.get_or_init(|| builtin::discriminator().unwrap())
}

fn builtin(precision: &str) -> Arc<dyn Forward> {
    model::load(checkpoint(), "cpu", precision).unwrap().0
}

fn engine(forward: &Arc<dyn Forward>) -> Engine {
    let positions = checkpoint().config.max_position_embeddings;
    Engine::new(
        Arc::clone(&checkpoint().tokenizer),
        Arc::clone(forward),
        positions,
    )
}

/// Numbers that look drawn, the same for the same seed.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Markdown of `count` words: headings, and paragraphs of sentences whose words are of one, two or
/// three pieces, few of them often and many seldom. No two paragraphs are alike.
fn prose(count: usize, seed: u64) -> String {
    const OFTEN: [&str; 24] = [
        "the", "of", "and", "to", "a", "in", "that", "it", "was", "for", "on", "with", "as", "be",
        "at", "by", "not", "this", "had", "from", "they", "which", "we", "or",
    ];
    const STEMS: [&str; 40] = [
        "harbour",
        "committee",
        "river",
        "bridge",
        "letter",
        "morning",
        "engine",
        "garden",
        "winter",
        "council",
        "answer",
        "window",
        "measure",
        "paper",
        "number",
        "weather",
        "market",
        "journey",
        "question",
        "village",
        "teacher",
        "station",
        "record",
        "evening",
        "picture",
        "captain",
        "mountain",
        "kitchen",
        "history",
        "promise",
        "lantern",
        "granite",
        "saffron",
        "quarry",
        "ledger",
        "estuary",
        "turbine",
        "archive",
        "meadow",
        "cathedral",
    ];
    const ENDINGS: [&str; 8] = ["", "s", "", "like", "", "less", "", "wards"];
    let mut draws = Draws(seed);
    let mut text = String::new();
    let (mut left, mut sentence) = (0, 0);
    for at in 0..count {
        let begins = sentence == 0;
        if left == 0 {
            if at > 0 {
                text.push_str("\n\n");
            }
            if draws.below(8) == 0 {
                text.push_str("## ");
            }
            left = 40 + draws.below(80);
        } else {
            text.push(' ');
        }
        if begins {
            sentence = 6 + draws.below(18);
        }
        let word = match draws.below(5) {
            0 | 1 => OFTEN[draws.below(OFTEN.len())].to_owned(),
            _ => {
                let stem = STEMS[draws.below(STEMS.len())];
                format!("{stem}{}", ENDINGS[draws.below(ENDINGS.len())])
            }
        };
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if begins => {
                text.extend(first.to_uppercase());
                text.push_str(letters.as_str());
            }
            _ => text.push_str(&word),
        }
        left -= 1;
        sentence -= 1;
        if sentence == 0 || left == 0 {
            sentence = 0;
            text.push('.');
        }
    }
    text.push('\n');
    text
}

fn document(words: usize, seed: u64) -> Document {
    Document::new("document.md", prose(words, seed), Language::Markdown)
}

/// The way to the model.
mod before_the_model {
    use super::*;

    #[divan::bench]
    fn tokenise(bencher: Bencher<'_, '_>) {
        let text = prose(LONG, 1);
        let tokenizer = &checkpoint().tokenizer;
        bencher
            .counter(BytesCount::of_str(&text))
            .bench(|| -> usize {
                let blocks = black_box(&text).split("\n\n");
                blocks
                    .map(|block| tokenizer.encode(block).unwrap().len())
                    .sum()
            });
    }

    #[divan::bench]
    fn find_the_prose(bencher: Bencher<'_, '_>) {
        let document = document(LONG, 1);
        bencher
            .counter(BytesCount::of_str(&*document.text))
            .bench(|| electroscope_text::blocks(black_box(&document)));
    }

    #[divan::bench]
    fn cut_into_windows(bencher: Bencher<'_, '_>) {
        let text = prose(LONG, 1);
        let (mut ids, mut begins) = (Vec::new(), Vec::new());
        for block in text.split("\n\n") {
            let mut last = None;
            for piece in checkpoint().tokenizer.encode(block).unwrap() {
                ids.push(piece.id);
                begins.push(match last {
                    None => Begins::Block,
                    Some(word) if word == piece.word => Begins::Piece,
                    Some(_) => Begins::Word,
                });
                last = Some(piece.word);
            }
        }
        let run = Run {
            ids: &ids,
            begins: &begins,
            from_start: true,
            to_end: true,
            milestones: &[],
        };
        let geometry = Geometry::for_positions(512);
        bencher
            .counter(ItemsCount::new(ids.len()))
            .bench(|| plan(black_box(run), 0..ids.len(), &geometry).unwrap());
    }
}

/// A whole document of 10,000 words; the items are words.
mod a_document {
    use super::*;

    fn whole(bencher: Bencher<'_, '_>, forward: Arc<dyn Forward>) {
        let document = document(LONG, 1);
        bencher
            .counter(ItemsCount::new(LONG))
            .with_inputs(|| engine(&forward))
            .bench_local_values(|mut engine| engine.score(&document).unwrap());
    }

    #[divan::bench(sample_count = 10)]
    fn in_f32(bencher: Bencher<'_, '_>) {
        whole(bencher, builtin("f32"));
    }

    #[divan::bench(sample_count = 10)]
    fn in_int8(bencher: Bencher<'_, '_>) {
        whole(bencher, builtin("int8"));
    }

    #[divan::bench]
    fn all_but_the_model(bencher: Bencher<'_, '_>) {
        whole(bencher, Arc::new(Idle));
    }
}

/// A hundred documents of about a hundred words, with the built-in model; the items are words.
mod a_folder {
    use super::*;

    const EACH: usize = 100;

    fn documents() -> Vec<Document> {
        (0..100).map(|seed| document(EACH, seed)).collect()
    }

    #[divan::bench(sample_count = 10)]
    fn one_by_one(bencher: Bencher<'_, '_>) {
        let (documents, forward) = (documents(), builtin("f32"));
        bencher
            .counter(ItemsCount::new(EACH * documents.len()))
            .with_inputs(|| engine(&forward))
            .bench_local_values(|mut engine| {
                for document in &documents {
                    black_box(engine.score(document).unwrap());
                }
            });
    }

    #[divan::bench(sample_count = 10)]
    fn together(bencher: Bencher<'_, '_>) {
        let (documents, forward) = (documents(), builtin("f32"));
        bencher
            .counter(ItemsCount::new(EACH * documents.len()))
            .with_inputs(|| engine(&forward))
            .bench_local_values(|mut engine| {
                let mut queue = Queue::new(&mut engine);
                let mut coming = documents.iter().cloned();
                loop {
                    while queue.has_room()
                        && let Some(document) = coming.next()
                    {
                        queue.push(document);
                    }
                    if queue.is_empty() {
                        break;
                    }
                    let worked = queue.work(|document, scored| {
                        black_box((document, scored.unwrap()));
                        Ok::<(), ()>(())
                    });
                    worked.unwrap();
                }
            });
    }
}

/// A paragraph in the middle of a document of 10,000 words has changed, the rest is remembered.
mod an_edit {
    use super::*;

    /// The document after each of many edits, and where the edit is.
    fn edits() -> impl FnMut() -> (Document, Span) {
        let text = prose(LONG, 1);
        let paragraphs: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
        let middle = paragraphs.len() / 2;
        let start: usize = paragraphs[..middle].iter().map(String::len).sum();
        let mut number = 0;
        move || {
            number += 1;
            let mut edited = paragraphs.clone();
            edited[middle] = format!("{}\n\n", prose(60, 1_000 + number).trim_end());
            let span = Span::new(start, start + edited[middle].trim_end().len());
            let document = Document::new("document.md", edited.concat(), Language::Markdown);
            (document, span)
        }
    }

    /// Until the whole document is scored again.
    fn whole(bencher: Bencher<'_, '_>, forward: Arc<dyn Forward>) {
        let mut engine = engine(&forward);
        engine.score(&document(LONG, 1)).unwrap();
        let engine = RefCell::new(engine);
        bencher
            .with_inputs(edits())
            .bench_local_values(|(document, _)| engine.borrow_mut().score(&document).unwrap());
    }

    #[divan::bench(sample_count = 20)]
    fn in_f32(bencher: Bencher<'_, '_>) {
        whole(bencher, builtin("f32"));
    }

    #[divan::bench(sample_count = 20)]
    fn in_int8(bencher: Bencher<'_, '_>) {
        whole(bencher, builtin("int8"));
    }

    #[divan::bench]
    fn all_but_the_model(bencher: Bencher<'_, '_>) {
        whole(bencher, Arc::new(Idle));
    }

    /// Until the first of the edited words has its new score, as the screen asks for it.
    #[divan::bench(sample_count = 20)]
    fn until_it_is_seen_in_f32(bencher: Bencher<'_, '_>) {
        let mut engine = engine(&builtin("f32"));
        engine.score(&document(LONG, 1)).unwrap();
        let engine = RefCell::new(engine);
        bencher
            .with_inputs(edits())
            .bench_local_values(|(document, span)| {
                let mut engine = engine.borrow_mut();
                let outline = engine.outline(&document);
                let is_near = |&region: &usize| outline.span(region).overlaps(span);
                let region = (0..outline.len()).find(is_near).unwrap();
                let seen = Cell::new(false);
                engine
                    .score_region(
                        &document,
                        &outline,
                        region,
                        Some(span),
                        &|| seen.get(),
                        &mut |reading| seen.set(seen.get() || reading.span.overlaps(span)),
                    )
                    .unwrap();
                assert!(seen.get());
            });
    }
}

/// From nothing to the scores of a page.
mod a_cold_start {
    use super::*;

    fn page(precision: &str) -> f32 {
        let checkpoint = builtin::discriminator().unwrap();
        let (forward, _) = model::load(&checkpoint, "cpu", precision).unwrap();
        let positions = checkpoint.config.max_position_embeddings;
        let mut engine = Engine::new(checkpoint.tokenizer, forward, positions);
        let (readings, _) = engine.score(&document(PAGE, 1)).unwrap();
        readings[0].words[0].p
    }

    #[divan::bench(sample_count = 20)]
    fn in_f32() -> f32 {
        page("f32")
    }

    #[divan::bench(sample_count = 20)]
    fn in_int8() -> f32 {
        page("int8")
    }

    /// The program itself, from its start to its end.
    #[divan::bench(sample_count = 20)]
    fn of_the_program(bencher: Bencher<'_, '_>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        std::fs::write(&path, prose(PAGE, 1)).unwrap();
        // Whatever the settings of whoever runs this are.
        let settings = folder.path().join("config.toml");
        std::fs::write(&settings, "").unwrap();
        bencher.bench(|| {
            let mut program = Command::new(env!("CARGO_BIN_EXE_electroscope"));
            program.args(["score", "--exit-zero", "--format", "json", "--config"]);
            program.arg(&settings).arg(&path);
            let status = program.stdout(Stdio::null()).status().unwrap();
            assert!(status.success());
        });
    }
}

/// The screen on a file of ten megabytes that has been scored.
mod a_frame {
    use super::*;

    fn screen() -> State {
        let mut text = prose(HUGE / 6, 1);
        text.truncate(text.floor_char_boundary(HUGE));
        let document = Document::new("huge.md", text, Language::Markdown);
        let (mut state, _) = State::new(Opening {
            files: vec![document.path.clone()],
            size: ratatui::layout::Size {
                width: 160,
                height: 50,
            },
            ..Opening::plain(Theme::Dark(Depth::True))
        });
        let loaded = ModelSummary {
            id: "builtin".into(),
            device: "cpu".into(),
            precision: "f32".into(),
            threshold: 0.62,
            false_alarms: Some(0.01),
            note: None,
        };
        update::update(&mut state, Message::Model(Reply::Loaded(loaded)));
        let effects = update::update(&mut state, Message::File(FileEvent::Changed(document)));
        let mut engine = engine(&(Arc::new(Idle) as Arc<dyn Forward>));
        for effect in effects {
            let Effect::Model(Job::Score {
                id,
                generation,
                document,
            }) = effect
            else {
                continue;
            };
            for reading in engine.score(&document).unwrap().0 {
                let reply = Reply::Scored {
                    id,
                    generation,
                    reading: Arc::new(reading),
                    progress: 0.5,
                };
                update::update(&mut state, Message::Model(reply));
            }
        }
        state
    }

    fn press(state: &mut State, key: KeyCode, modifiers: KeyModifiers) {
        let event = Event::Key(KeyEvent::new(key, modifiers));
        update::update(state, Message::Terminal(event));
    }

    fn frames(bencher: Bencher<'_, '_>, mut before: impl FnMut(&mut State)) {
        let (mut state, mut terminal) =
            (screen(), Terminal::new(TestBackend::new(160, 50)).unwrap());
        bencher.bench_local(|| {
            before(&mut state);
            terminal.draw(|frame| view::draw(frame, &state)).unwrap();
        });
        assert_eq!(state.document().unwrap().path, Path::new("huge.md"));
    }

    /// The key and the picture after it.
    #[divan::bench]
    fn after_half_a_page_down(bencher: Bencher<'_, '_>) {
        let ctrl_d = |state: &mut State| {
            press(state, KeyCode::Char('d'), KeyModifiers::CONTROL);
        };
        frames(bencher, ctrl_d);
    }

    /// There and back: the end of the file and its beginning.
    #[divan::bench]
    fn after_a_jump(bencher: Bencher<'_, '_>) {
        let mut at_end = false;
        frames(bencher, move |state: &mut State| {
            at_end = !at_end;
            match at_end {
                true => press(state, KeyCode::Char('G'), KeyModifiers::NONE),
                false => {
                    press(state, KeyCode::Char('g'), KeyModifiers::NONE);
                    press(state, KeyCode::Char('g'), KeyModifiers::NONE);
                }
            }
        });
    }
}
