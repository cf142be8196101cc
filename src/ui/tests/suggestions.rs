//! What could stand in the place of a word: when it is looked for, how it is shown, what is chosen.

use crate::worker::exemptions::{ExemptionJob, ExemptionReply};
use crate::worker::inference::Lens;
use electroscope_analysis::suggestions::{CandidateKind, FEATURES, Suggestion, Suggestions};
use electroscope_analysis::{Edit, ErrorKind};

use super::*;

/// What stands instead of a word, its p there, how likely it is, and its kind.
type Candidate = (&'static str, f32, f32, CandidateKind);

const FOR_BANANA: [Candidate; 4] = [
    ("plan", 0.03, 0.62, CandidateKind::Spelling),
    ("building", 0.06, 0.21, CandidateKind::Confusable),
    ("bandana", 0.71, 0.02, CandidateKind::Spelling),
    ("", 0.88, 0.01, CandidateKind::Deletion),
];

const FOR_GO: [Candidate; 1] = [("goes", 0.02, 0.97, CandidateKind::Inflection)];

/// The jobs that look for suggestions: the words, and whether the reader asked. Others are dropped.
fn asked(screen: &mut Screen) -> Vec<(String, bool)> {
    let effects = std::mem::take(&mut screen.effects).into_iter();
    let jobs = effects.filter_map(|effect| match effect {
        Effect::Model(Job::Suggest {
            document,
            word,
            is_asked,
            ..
        }) => Some((word.of(&document.text).unwrap().to_owned(), is_asked)),
        _ => None,
    });
    jobs.collect()
}

/// The changes of documents that were asked for.
fn mends(screen: &mut Screen) -> Vec<(Document, Edit, String)> {
    let effects = std::mem::take(&mut screen.effects).into_iter();
    let jobs = effects.filter_map(|effect| match effect {
        Effect::Exemptions(ExemptionJob::Mend {
            document,
            edit,
            word,
        }) => Some((document, edit, word)),
        _ => None,
    });
    jobs.collect()
}

fn found(word: Span, p_before: f32, candidates: &[Candidate]) -> Option<Arc<Suggestions>> {
    let better: f32 = candidates.iter().map(|one| one.2).sum();
    let keep = 1.0 - better;
    let candidates = candidates.iter();
    let candidates = candidates.map(|&(replacement, p_after, certainty, kind)| Suggestion {
        span: word,
        replacement: replacement.to_owned(),
        kind,
        p_before,
        p_after,
        certainty,
        is_verified: certainty > keep,
        features: [0.0; FEATURES.len()],
    });
    Some(Arc::new(Suggestions {
        candidates: candidates.collect(),
        keep,
        features: [0.0; FEATURES.len()],
    }))
}

/// Answers what is being looked for until nothing is; of words not named nothing is found.
fn answer(screen: &mut Screen) {
    while let Some((wanted, _)) = screen.state.suggesting {
        let text = screen.state.document().unwrap().text();
        let (p, candidates): (f32, &[Candidate]) = match wanted.word.of(text).unwrap() {
            "banana" => (0.93, &FOR_BANANA),
            "go" => (0.7, &FOR_GO),
            _ => (0.5, &[]),
        };
        let found = Ok(found(wanted.word, p, candidates));
        screen.send(Message::Model(Reply::Suggested {
            id: wanted.id,
            generation: wanted.generation,
            word: wanted.word,
            found,
        }));
    }
}

fn with_suggestions(width: u16, height: u16) -> Screen {
    let mut screen = Screen::with_notes(width, height, DARK);
    answer(&mut screen);
    screen.effects.clear();
    screen
}

#[test]
fn suggestions_are_looked_for_when_all_has_been_read_for_the_cursor_first_then_for_the_list() {
    let mut screen = Screen::new(80, 24, DARK, &["notes.md"]);
    screen.load();
    screen.change("notes.md", NOTES);
    let jobs = screen.effects.clone();
    for effect in jobs {
        if let Effect::Model(Job::Score { document, .. }) = effect {
            for reading in readings(&document) {
                screen.send(Message::Model(Reply::Scored {
                    id: DocumentId(1),
                    generation: Generation(1),
                    reading: Arc::new(reading),
                    progress: 0.5,
                }));
            }
        }
    }
    screen.press("]d ]d");
    assert_eq!(asked(&mut screen), []);
    screen.finish(DocumentId(1), Generation(1));
    assert_eq!(asked(&mut screen), [("go".to_owned(), false)]);
    answer(&mut screen);
    assert_eq!(asked(&mut screen), [("banana".to_owned(), false)]);
    // What is known is not asked again, and of a word that fits its place nothing is.
    screen.press("[d ]d k w w");
    screen.send(Message::Tick);
    assert_eq!(asked(&mut screen), []);
    // Not flagged, but a little doubtful.
    let late = NOTES.find("late").unwrap();
    screen.state.documents[0].cursor = late;
    screen.send(Message::Tick);
    assert_eq!(asked(&mut screen), [("late".to_owned(), false)]);
}

#[test]
fn a_newer_place_of_the_cursor_takes_the_place_of_the_older() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    // For the list; nobody has answered.
    screen.press("]d ]d");
    assert_eq!(asked(&mut screen), [("go".to_owned(), false)]);
    screen.press("[d");
    assert_eq!(asked(&mut screen), [("banana".to_owned(), false)]);
    answer(&mut screen);
    assert_eq!(asked(&mut screen), [("go".to_owned(), false)]);
}

#[test]
fn without_the_panel_nothing_is_looked_for_until_the_reader_asks() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    answer(&mut screen);
    screen.effects.clear();
    screen.change("notes.md", &NOTES.replace("Harbour", "Other"));
    screen.press("p");
    screen.score_all();
    screen.press("]d");
    assert_eq!(asked(&mut screen), []);
    screen.press("s");
    assert_eq!(asked(&mut screen), [("banana".to_owned(), true)]);
    assert!(screen.text().contains("looking …"), "{}", screen.text());
    answer(&mut screen);
    assert!(screen.text().contains("▸ ✓ plan"), "{}", screen.text());
}

#[test]
fn what_is_suggested_goes_with_the_text_that_it_was_for() {
    let mut screen = with_suggestions(100, 24);
    screen.press("]d");
    assert!(screen.text().contains("banana → plan"));
    let old = screen.state.documents[0].generation;
    screen.change("notes.md", &NOTES.replace("approved", "liked"));
    assert!(!screen.text().contains("plan"), "{}", screen.text());
    let start = NOTES.find("banana").unwrap();
    let word = Span::new(start, start + 6);
    screen.send(Message::Model(Reply::Suggested {
        id: DocumentId(1),
        generation: old,
        word,
        found: Ok(found(word, 0.9, &FOR_BANANA)),
    }));
    assert!(!screen.text().contains("plan"), "{}", screen.text());
    screen.score_all();
    answer(&mut screen);
    assert!(screen.text().contains("banana → plan"));
}

#[test]
fn suggestions_on_screens_of_80_and_of_more_columns() {
    for (width, height) in [(80, 24), (140, 34)] {
        let mut screen = with_suggestions(width, height);
        screen.press("]d");
        insta::assert_snapshot!(format!("panel_{width}"), screen.text());
        screen.press("s");
        insta::assert_snapshot!(format!("list_{width}"), screen.text());
    }
}

#[test]
fn the_chosen_suggestion_is_put_into_the_text_that_is_shown() {
    for open in ["s", "enter", ":"] {
        let mut screen = with_suggestions(80, 24);
        screen.press("]d");
        match open {
            "s" | "enter" => screen.press(open),
            _ => {
                screen.press(":");
                screen.type_in("suggest");
                screen.press("enter");
            }
        }
        screen.press("down enter");
        let made = mends(&mut screen);
        let [(document, edit, word)] = &made[..] else {
            panic!("{open}: {made:?}");
        };
        assert_eq!(&*document.text, NOTES);
        assert_eq!(edit.span.of(&document.text), Some("banana"));
        assert_eq!((&*edit.replacement, &**word), ("building", "banana"));
        assert_eq!(screen.state.popup, None);
    }
}

#[test]
fn what_is_typed_chooses_or_is_put_there_itself() {
    let mut screen = with_suggestions(80, 24);
    screen.press("]d s");
    screen.type_in("leave");
    screen.press("enter");
    assert_eq!(mends(&mut screen)[0].1.replacement, "");
    screen.press("s");
    screen.type_in("placement");
    screen.press("enter");
    let (document, edit, _) = mends(&mut screen).remove(0);
    assert_eq!(edit.span.of(&document.text), Some("banana"));
    assert_eq!(edit.replacement, "placement");
    screen.press("s esc");
    assert_eq!((mends(&mut screen), &screen.state.popup), (vec![], &None));
}

#[test]
fn a_change_that_was_made_is_shown_at_once_and_not_read_twice() {
    let mut screen = with_suggestions(80, 24);
    screen.press("]d s enter");
    let (document, edit, _) = mends(&mut screen).remove(0);
    let text = electroscope_analysis::edited(&document.text, &[edit]).unwrap();
    let after = Document {
        text: text.into(),
        ..document
    };
    screen.send(Message::Exemptions(ExemptionReply::Done {
        text: "banana → plan; u takes it back".into(),
        document: Some(after.clone()),
    }));
    assert!(screen.text().contains("the plan of the new"));
    assert_eq!(screen.notice(), "banana → plan; u takes it back");
    let is_score = |effect: &Effect| matches!(effect, Effect::Model(Job::Score { .. }));
    assert!(screen.effects.iter().any(is_score));
    screen.score_all();
    let generation = screen.state.documents[0].generation;
    // Whoever watches the file tells of it a little later.
    screen.send(Message::File(FileEvent::Changed(after)));
    assert_eq!(screen.state.documents[0].generation, generation);
    assert!(!screen.effects.iter().any(is_score));
    screen.press("u");
    let back = Effect::Exemptions(ExemptionJob::TakeBack);
    assert!(screen.effects.contains(&back));
}

#[test]
fn a_change_that_is_refused_is_told() {
    let mut screen = with_suggestions(80, 24);
    screen.press("]d s enter");
    let why = "notes.md has changed since it was read, so nothing was changed in it";
    screen.send(Message::Exemptions(ExemptionReply::Failed(why.into())));
    assert_eq!(screen.notice(), why);
    assert_eq!(screen.state.documents[0].text(), NOTES);
}

#[test]
fn the_list_closes_when_its_text_changes() {
    let mut screen = with_suggestions(80, 24);
    screen.press("]d s");
    screen.change("notes.md", "Another text.\n");
    assert_eq!(screen.state.popup, None);
    assert!(screen.notice().contains("the text has changed"));
}

#[test]
fn why_nothing_is_suggested_is_said_in_the_panel_and_in_the_list() {
    for (found, in_panel, in_list) in [
        (
            Ok(None),
            "Nothing can be put here",
            "nothing is suggested; type",
        ),
        (
            Ok(found(Span::new(0, 1), 0.9, &[])),
            "No word fits",
            "nothing is suggested",
        ),
        (
            Err("no memory is left".to_owned()),
            "no memory",
            "no memory is left",
        ),
    ] {
        let mut screen = Screen::with_notes(100, 30, DARK);
        screen.press("]d");
        let (wanted, _) = screen.state.suggesting.unwrap();
        screen.send(Message::Model(Reply::Suggested {
            id: wanted.id,
            generation: wanted.generation,
            word: wanted.word,
            found,
        }));
        assert!(screen.text().contains(in_panel), "{}", screen.text());
        screen.press("s");
        assert!(screen.text().contains(in_list), "{}", screen.text());
    }
}

#[test]
fn without_a_word_or_a_model_no_list_is_opened() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.press("gg s");
    assert_eq!(screen.notice(), "no scored word is under the cursor");
    let mut screen = Screen::new(80, 24, DARK, &["notes.md"]);
    screen.press("s");
    assert_eq!(screen.notice(), "the model is not loaded yet");
    assert_eq!(screen.state.popup, None);
}

#[test]
fn flagged_words_are_listed_by_place_or_by_p() {
    let text = "Good ones go.\n\nA banana.\n\nOn their way.\n";
    let mut screen = Screen::new(80, 24, DARK, &["notes.md"]);
    screen.load();
    screen.change("notes.md", text);
    screen.score_all();
    let listed = |screen: &Screen| -> Vec<usize> {
        let shown = screen.text();
        let rows: Vec<&str> = shown.lines().collect();
        let heading = rows
            .iter()
            .position(|row| row.contains("Flagged 3"))
            .unwrap();
        let of = |word: &str| {
            let is_of = |row: &&str| row.split('│').next_back().unwrap().contains(word);
            rows.iter().skip(heading).position(is_of).unwrap()
        };
        vec![of("go"), of("banana"), of("their")]
    };
    assert_eq!(listed(&screen), [1, 2, 3]);
    screen.press("S");
    assert!(screen.text().contains("Flagged 3 by p"));
    assert_eq!(listed(&screen), [2, 1, 3]);
    // A click goes to the word that it is on.
    let areas = crate::ui::areas::Areas::of(&screen.state);
    let shown = screen.text();
    let row = shown.lines().position(|row| row.contains("3:3 banana"));
    screen.click(areas.panel.x + 14, row.unwrap() as u16);
    assert_eq!(screen.cursor_word().as_deref(), Some("banana"));
    screen.press("S");
    assert_eq!(listed(&screen), [1, 2, 3]);
}

#[test]
fn enter_after_a_digit_shows_the_panel_and_no_list() {
    let mut screen = with_suggestions(80, 24);
    screen.press("]d");
    screen.type_in("2");
    screen.press("enter");
    assert_eq!(screen.state.panel, Panel::Classify);
    assert_eq!(screen.state.popup, None);
}

#[test]
fn with_the_lens_errors_the_panel_names_the_kind_of_error() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.state.lens = Lens::Errors;
    let start = NOTES.find("banana").unwrap();
    let span = Span::new(start, start + 6);
    screen.send(Message::Model(Reply::Scored {
        id: DocumentId(1),
        generation: Generation(1),
        reading: Arc::new(Reading {
            span,
            tokens: vec![Token { span, p: 0.97 }],
            words: vec![Word {
                span,
                p: 0.97,
                tokens: 0..1,
                is_punctuation: false,
                kind: Some(ErrorKind::WrongWord),
            }],
        }),
        progress: 1.0,
    }));
    screen.press("]d");
    let text = screen.text();
    assert!(text.contains("Almost certainly a wrong word."), "{text}");
}

#[test]
fn the_flagged_words_of_all_documents_are_listed_and_gone_to() {
    let mut screen = Screen::new(100, 24, DARK, &["notes.md", "draft.md"]);
    screen.load();
    screen.change("notes.md", NOTES);
    screen.change("draft.md", "The colour of it.\n");
    screen.score_all();
    screen.press("F");
    let text = screen.text();
    let places = [
        "notes.md:3:28 banana",
        "notes.md:5:5 go",
        "draft.md:1:5 colour",
    ];
    let found: Vec<Option<usize>> = places.iter().map(|place| text.find(place)).collect();
    assert!(
        found.iter().all(Option::is_some) && found.is_sorted(),
        "{text}"
    );
    screen.type_in("colour");
    screen.press("enter");
    assert_eq!(screen.state.current, 1);
    assert_eq!(screen.cursor_word().as_deref(), Some("colour"));
    // In the order of the list in the panel.
    screen.press("S F");
    let text = screen.text();
    assert!(text.find(places[2]) < text.find(places[0]), "{text}");
    screen.press("enter");
    assert_eq!(screen.cursor_word().as_deref(), Some("colour"));
}
