//! Accepting words and silencing places.

use crate::worker::exemptions::{DictionaryOf, ExemptionJob, ExemptionReply};
use electroscope_analysis::{AcceptedWords, Exemptions};

use super::*;

/// What has been asked of those who know what is not flagged.
fn jobs(screen: &mut Screen) -> Vec<ExemptionJob> {
    let effects = std::mem::take(&mut screen.effects).into_iter();
    let jobs = effects.filter_map(|effect| match effect {
        Effect::Exemptions(job) => Some(job),
        _ => None,
    });
    jobs.collect()
}

/// Answers what was asked about documents, with these words accepted.
fn find(screen: &mut Screen, jobs: Vec<ExemptionJob>, accepted: &[&str]) {
    for job in jobs {
        if let ExemptionJob::Find {
            id,
            generation,
            document,
        } = job
        {
            let accepted = AcceptedWords::of(accepted.iter().copied());
            let exemptions = Exemptions::of(&document, Arc::new(accepted));
            screen.send(Message::Exemptions(ExemptionReply::Found {
                id,
                generation,
                exemptions: Box::new(exemptions),
            }));
        }
    }
}

fn flagged(screen: &Screen) -> Vec<String> {
    let open = screen.state.document().unwrap();
    let words = open.readings.flagged_from(0);
    words
        .map(|word| word.span.of(open.text()).unwrap().to_owned())
        .collect()
}

#[test]
fn the_word_under_the_cursor_is_accepted_and_then_not_flagged_though_its_p_stays() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("]d z Z");
    let accept = |dictionary| ExemptionJob::Accept {
        word: "banana".into(),
        path: "notes.md".into(),
        dictionary,
    };
    assert_eq!(
        jobs(&mut screen),
        [accept(DictionaryOf::User), accept(DictionaryOf::Project)]
    );
    screen.send(Message::Exemptions(ExemptionReply::Done {
        text: "accepted banana in words.txt; u takes it back".into(),
        document: None,
    }));
    assert!(screen.notice().contains("accepted banana"));
    // Every open document is looked at again.
    let asked = jobs(&mut screen);
    assert!(
        matches!(asked[..], [ExemptionJob::Find { .. }]),
        "{asked:?}"
    );
    find(&mut screen, asked, &["banana"]);
    assert_eq!(flagged(&screen), ["go"]);
    let (word, _) = screen.state.document().unwrap().word().unwrap();
    assert_eq!(word.p, 0.94);
    let text = screen.text();
    assert!(text.contains("Accepted: a dictionary has it."), "{text}");
    // Another threshold does not change that.
    screen.press("- - -");
    assert!(!flagged(&screen).contains(&"banana".to_owned()));
}

#[test]
fn a_mark_is_asked_for_with_the_text_that_is_shown_and_silences_its_word() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("]d x u");
    let asked = jobs(&mut screen);
    let [
        ExemptionJob::Silence {
            document,
            span,
            word,
        },
        ExemptionJob::TakeBack,
    ] = &asked[..]
    else {
        panic!("{asked:?}");
    };
    assert_eq!(span.of(&document.text), Some("banana"));
    assert_eq!((word.as_str(), &*document.text), ("banana", NOTES));
    let marked = NOTES.replace(
        "The committee",
        "<!-- electroscope-disable-next-line banana -->\nThe committee",
    );
    screen.change("notes.md", &marked);
    let found = jobs_but_score(&mut screen);
    find(&mut screen, found, &[]);
    screen.score_all();
    assert_eq!(flagged(&screen), ["go"]);
    assert!(screen.text().contains("Silenced by a mark in the text."));
}

/// The jobs, with those of the model left to be answered.
fn jobs_but_score(screen: &mut Screen) -> Vec<ExemptionJob> {
    let (score, rest): (Vec<Effect>, Vec<Effect>) = std::mem::take(&mut screen.effects)
        .into_iter()
        .partition(|effect| matches!(effect, Effect::Model(_)));
    screen.effects = rest;
    let jobs = jobs(screen);
    screen.effects = score;
    jobs
}

#[test]
fn what_is_said_of_an_older_text_is_dropped_and_a_misspelt_mark_is_told() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.change(
        "notes.md",
        "The banana waits.\n\n<!-- electroscope-disabel -->\n",
    );
    let old = jobs(&mut screen);
    screen.change("notes.md", "The banana waits again.\n");
    let before = screen.state.document().unwrap().exemptions().clone();
    find(&mut screen, old.clone(), &["banana"]);
    assert_eq!(screen.state.document().unwrap().exemptions(), &before);
    screen.change(
        "notes.md",
        "The banana waits.\n\n<!-- electroscope-disabel -->\n",
    );
    let new = jobs(&mut screen);
    find(&mut screen, new, &[]);
    assert_eq!(
        screen.notice(),
        "notes.md: line 3: there is no mark electroscope-disabel; did you mean electroscope-disable?"
    );
}

#[test]
fn without_a_word_there_is_nothing_to_accept_and_what_fails_is_told() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("gg z");
    assert!(screen.notice().contains("no scored word"));
    screen.press("x");
    assert!(screen.notice().contains("no scored word"));
    assert_eq!(jobs(&mut screen), []);
    let why = "notes.md has changed since it was read";
    screen.send(Message::Exemptions(ExemptionReply::Failed(why.into())));
    assert_eq!(screen.notice(), why);
}
