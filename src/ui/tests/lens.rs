//! The two things that the map can show.

use std::sync::Arc;

use crate::worker::inference::{DocumentId, Generation, Job, Lens, ModelSummary, Reply};

use super::*;

fn summary(id: &str, threshold: f32) -> ModelSummary {
    ModelSummary {
        id: id.into(),
        device: "cpu".into(),
        precision: "f32".into(),
        threshold,
        false_alarms: None,
        note: None,
    }
}

/// A screen with the notes, and a head that marks errors at hand.
fn with_errors() -> Screen {
    let mut screen = Screen::with_notes(100, 20, DARK);
    screen.state.has_errors = true;
    screen
}

fn scored(word: &str, p: f32) -> Message {
    let start = NOTES.find(word).unwrap();
    let span = Span::new(start, start + word.len());
    let reading = Reading {
        span,
        tokens: vec![Token { span, p }],
        words: vec![Word {
            span,
            p,
            tokens: 0..1,
            is_punctuation: false,
            kind: None,
        }],
    };
    Message::Model(Reply::Scored {
        id: DocumentId(1),
        generation: Generation(1),
        reading: Arc::new(reading),
        progress: 0.5,
    })
}

#[test]
fn without_a_head_that_marks_errors_the_key_says_so() {
    let mut screen = Screen::with_notes(100, 20, DARK);
    screen.press("r");
    assert!(screen.notice().contains("no head that marks errors"));
    assert_eq!(screen.effects, []);
    assert!(!screen.text().contains("replaced words"));
}

#[test]
fn the_map_shows_errors_once_their_model_is_there() {
    let mut screen = with_errors();
    assert!(screen.text().contains("replaced words"));
    let before = screen.state.document().unwrap().readings.words();
    assert!(before > 3);
    screen.press("r");
    let jobs: Vec<&Effect> = screen.effects.iter().collect();
    assert!(
        matches!(
            jobs[..],
            [
                Effect::Model(Job::Use(Lens::Errors)),
                Effect::Model(Job::Score { .. }),
                ..
            ]
        ),
        "{jobs:?}"
    );
    // What the discriminator had still to say comes too late.
    screen.send(scored("Harbour", 0.9));
    assert_eq!(screen.state.document().unwrap().readings.words(), 0);
    screen.send(Message::Model(Reply::Loaded(summary(
        "builtin:errors",
        0.4,
    ))));
    assert!(screen.notice().contains("shows errors, as builtin:errors"));
    screen.send(scored("Harbour", 0.45));
    screen.press("j");
    assert!(
        screen.text().contains("errors, threshold 0.40"),
        "{}",
        screen.text()
    );
    assert_eq!(screen.state.document().unwrap().readings.flagged(), 1);
    assert!(screen.text().contains("builtin:errors · cpu f32"));
}

#[test]
fn each_lens_keeps_the_threshold_that_was_set_for_it() {
    let mut screen = with_errors();
    screen.press("+");
    let first = screen.state.threshold();
    screen.press("r");
    screen.send(Message::Model(Reply::Loaded(summary(
        "builtin:errors",
        0.4,
    ))));
    assert_eq!(screen.state.threshold(), 0.4);
    screen.press("+ +");
    assert_eq!(screen.state.threshold(), 0.44);
    screen.press("r");
    screen.send(Message::Model(Reply::Loaded(summary("builtin", 0.5))));
    assert_eq!(screen.state.threshold(), first);
    screen.press("r");
    screen.send(Message::Model(Reply::Loaded(summary(
        "builtin:errors",
        0.4,
    ))));
    assert_eq!(screen.state.threshold(), 0.44);
}

#[test]
fn where_the_head_cannot_be_had_the_map_goes_back() {
    let mut screen = with_errors();
    screen.press("r");
    screen.effects.clear();
    screen.send(Message::Model(Reply::LoadFailed("there is none".into())));
    assert!(matches!(
        screen.effects.first(),
        Some(Effect::Model(Job::Use(Lens::Replaced)))
    ));
    screen.send(Message::Model(Reply::Loaded(summary("builtin", 0.5))));
    assert_eq!(screen.notice(), "there is none");
    assert_eq!(screen.state.lens, Lens::Replaced);
    screen.send(scored("Harbour", 0.9));
    assert_eq!(screen.state.document().unwrap().readings.flagged(), 1);
}

#[test]
fn the_lens_that_was_chosen_last_is_the_first_one_and_is_asked_for_once() {
    let mut screen = with_errors();
    screen.press("r");
    assert!(matches!(
        screen.effects.last(),
        Some(Effect::Remember(memory)) if memory.lens == Some(Lens::Errors)
    ));
    let opening = Opening {
        files: vec!["notes.md".into()],
        size: Size::new(100, 20),
        lens: Lens::Errors,
        has_errors: true,
        ..Opening::plain(DARK)
    };
    let (state, effects) = State::new(opening);
    let mut screen = Screen { state, effects };
    screen.send(Message::Model(Reply::Loaded(summary(
        "builtin:errors",
        0.4,
    ))));
    assert!(screen.notice().contains("shows errors"));
    let is_use = |effect: &Effect| matches!(effect, Effect::Model(Job::Use(_)));
    // The thread was started with it.
    assert!(!screen.effects.iter().any(is_use));
}

#[test]
fn a_remembered_lens_that_cannot_be_had_gives_way() {
    let opening = Opening {
        files: vec!["notes.md".into()],
        size: Size::new(100, 20),
        lens: Lens::Errors,
        has_errors: true,
        ..Opening::plain(DARK)
    };
    let (state, effects) = State::new(opening);
    let mut screen = Screen { state, effects };
    screen.send(Message::Model(Reply::LoadFailed("there is none".into())));
    let wanted = Effect::Model(Job::Use(Lens::Replaced));
    assert!(screen.effects.contains(&wanted));
    assert_eq!(screen.notice(), "there is none");
}
