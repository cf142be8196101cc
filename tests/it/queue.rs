//! What scoring many documents together promises: for each what it would say alone, in the order in
//! which they were given, and as soon as it is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use electroscope::catalog::builtin;
use electroscope_analysis::{Engine, Queue, Readings};
use electroscope_model::{self as model, Error, Forward};
use electroscope_text::{Document, Language};
use proptest::prelude::*;

use crate::scoring::{Echo, Recorder, WORDS, prose, vocabulary};

fn document(number: usize, text: &str) -> Document {
    Document::new(format!("{number}.md"), text, Language::Markdown)
}

/// Documents of these numbers of words, all different.
fn documents(lengths: &[usize]) -> Vec<Document> {
    let text = |(number, &length): (usize, &usize)| prose(WORDS, length, number as u64);
    let texts = lengths.iter().enumerate().map(text);
    let documents = texts.enumerate();
    documents.map(|(at, text)| document(at, &text)).collect()
}

fn echo_engine(model: Arc<dyn Forward>) -> Engine {
    Engine::new(vocabulary(), model, 512)
}

type Outcome = Result<Readings, String>;

/// What comes out of the queue, in order, where documents go in as soon as there is room; the second
/// value is how many calls of `work` it took until each came.
fn together(engine: &mut Engine, documents: &[Document]) -> (Vec<(Document, Outcome)>, Vec<usize>) {
    let mut queue = Queue::new(engine);
    let mut coming = documents.iter().cloned();
    let (mut out, mut when, mut rounds) = (Vec::new(), Vec::new(), 0);
    loop {
        while queue.has_room()
            && let Some(document) = coming.next()
        {
            queue.push(document);
        }
        if queue.is_empty() {
            return (out, when);
        }
        rounds += 1;
        let worked: Result<(), ()> = queue.work(|document, outcome| {
            out.push((document, outcome.map_err(|err| err.to_string())));
            when.push(rounds);
            Ok(())
        });
        worked.unwrap();
    }
}

fn each_alone(
    mut engine: impl FnMut() -> Engine,
    documents: &[Document],
) -> Vec<(Document, Outcome)> {
    let alone = |document: &Document| {
        let scored = engine().score(document);
        let outcome = scored.map(|(readings, _)| readings.iter().collect());
        (document.clone(), outcome.map_err(|err| err.to_string()))
    };
    documents.iter().map(alone).collect()
}

#[test]
fn the_built_in_model_says_of_each_document_to_the_bit_what_it_says_of_it_alone() {
    let checkpoint = builtin::discriminator().unwrap();
    let (forward, _) = model::load(&checkpoint, "cpu", "f32").unwrap();
    let engine = || Engine::new(vocabulary(), Arc::clone(&forward), 512);
    let mut documents = documents(&[40, 3, 900, 0, 1, 120]);
    // One stands in the company twice.
    documents.push(documents[0].clone());
    let (scored, _) = together(&mut engine(), &documents);
    assert_eq!(scored, each_alone(engine, &documents));
}

#[test]
fn windows_of_many_small_documents_share_a_call_of_the_model() {
    let documents = documents(&[30; 40]);
    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = echo_engine(Arc::clone(&recorder) as _).with_batch(1_000);
    let (scored, _) = together(&mut engine, &documents);
    assert_eq!(scored.len(), 40);
    let calls = recorder.calls();
    let windows: usize = calls.iter().map(Vec::len).sum();
    assert_eq!(windows, 40);
    assert!(calls.len() <= 4, "{} calls for 40 windows", calls.len());
    for call in &calls {
        let tokens: usize = call.iter().map(Vec::len).sum();
        assert!(tokens <= 1_000, "{tokens} tokens in one call");
    }
}

#[test]
fn no_more_documents_are_asked_for_than_fill_the_next_calls() {
    let mut engine = echo_engine(Arc::new(Echo)).with_batch(100);
    let mut queue = Queue::new(&mut engine);
    let mut held = 0;
    for document in documents(&[20; 1_000]) {
        if !queue.has_room() {
            break;
        }
        queue.push(document);
        held += 1;
    }
    assert!((2..40).contains(&held), "{held} documents are held");
    // A long one is enough by itself, until its end is near.
    let mut engine = echo_engine(Arc::new(Echo)).with_batch(100);
    let mut queue = Queue::new(&mut engine);
    queue.push(document(0, &prose(WORDS, 20_000, 1)));
    let mut rounds = 0;
    while !queue.has_room() {
        rounds += 1;
        queue.work(|_, _| Ok::<(), ()>(())).unwrap();
    }
    assert!(rounds > 3, "{rounds} rounds");
    // And ten thousand that say nothing are not held all at once.
    let mut engine = echo_engine(Arc::new(Echo));
    let mut queue = Queue::new(&mut engine);
    let empty = (0..10_000).take_while(|&number| {
        let has_room = queue.has_room();
        queue.push(document(number, ""));
        has_room
    });
    assert!(empty.count() < 1_000);
}

#[test]
fn a_document_comes_back_before_the_model_has_read_what_follows() {
    let mut engine = echo_engine(Arc::new(Echo)).with_batch(200);
    let mut documents = documents(&[30, 30, 20_000]);
    documents.push(document(3, "The end."));
    let (_, when) = together(&mut engine, &documents);
    assert_eq!(when[..2], [1, 1]);
    assert!(when[2] > 2, "{when:?}");
    assert!(when.is_sorted(), "{when:?}");
}

#[test]
fn what_was_read_in_one_document_is_remembered_for_the_next() {
    let text = prose(WORDS, 1_000, 1);
    let documents: Vec<Document> = (0..3).map(|number| document(number, &text)).collect();
    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = echo_engine(Arc::clone(&recorder) as _);
    let (scored, _) = together(&mut engine, &documents);
    let mut windows = recorder.windows();
    let read = windows.len();
    windows.sort();
    windows.dedup();
    assert_eq!(windows.len(), read);
    assert!(scored.iter().all(|(_, outcome)| *outcome == scored[0].1));
}

/// A model that knows fewer tokens than its tokenizer.
struct Narrow {
    unknown: u32,
    calls: AtomicUsize,
}

impl Forward for Narrow {
    fn logits(&self, windows: &[&[u32]]) -> Result<Vec<Vec<f32>>, Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if windows.iter().any(|window| window.contains(&self.unknown)) {
            return Err(Error::Device {
                wanted: "cpu".into(),
                why: "there is a token that is not in the vocabulary".into(),
            });
        }
        Echo.logits(windows)
    }

    fn device(&self) -> String {
        "cpu".to_owned()
    }

    fn precision(&self) -> String {
        "f32".to_owned()
    }
}

#[test]
fn a_document_that_the_model_refuses_spoils_no_other() {
    let unknown = vocabulary().encode("walrus").unwrap()[0].id;
    let narrow = || {
        Arc::new(Narrow {
            unknown,
            calls: AtomicUsize::new(0),
        })
    };
    let mut documents = documents(&[50, 60, 2_000, 70, 80]);
    for refused in [1, 2] {
        let text = documents[refused].text.replacen("harbour", "walrus", 1);
        assert!(text.contains("walrus"));
        documents[refused] = document(refused, &text);
    }
    let (scored, _) = together(&mut echo_engine(narrow()), &documents);
    let refused: Vec<bool> = scored.iter().map(|(_, outcome)| outcome.is_err()).collect();
    assert_eq!(refused, [false, true, true, false, false]);
    assert_eq!(scored, each_alone(|| echo_engine(narrow()), &documents));
}

#[test]
fn once_nobody_takes_what_is_found_the_model_is_left_alone() {
    let recorder = Recorder::new(Arc::new(Echo));
    let mut engine = echo_engine(Arc::clone(&recorder) as _).with_batch(50);
    let mut queue = Queue::new(&mut engine);
    for document in documents(&[20; 10]) {
        queue.push(document);
    }
    let mut taken = 0;
    let worked = queue.work(|_, _| {
        taken += 1;
        Err("a broken pipe")
    });
    assert_eq!((worked, taken), (Err("a broken pipe"), 1));
    assert_eq!(recorder.calls().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn company_changes_neither_scores_nor_order(
        lengths in prop::collection::vec(prop_oneof![0usize..60, 0usize..3_000], 1..12),
        batch in 1usize..3_000,
        twice: prop::sample::Index,
    ) {
        let mut documents = documents(&lengths);
        documents.push(twice.get(&documents).clone());
        let mut engine = echo_engine(Arc::new(Echo)).with_batch(batch);
        let (scored, when) = together(&mut engine, &documents);
        prop_assert_eq!(scored, each_alone(|| echo_engine(Arc::new(Echo)), &documents));
        prop_assert!(when.is_sorted());
    }
}
