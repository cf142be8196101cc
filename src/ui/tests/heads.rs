//! The panels of the heads.

use std::sync::Arc;
use std::time::Duration;

use super::{DARK, NOTES, Screen};
use crate::ui::message::{Effect, Message};
use crate::ui::state::{Panel, Popup};
use crate::ui::theme::Theme;
use crate::worker::heads::{Finding, HeadJob, HeadReply, Request};
use crate::worker::inference::Generation;
use electroscope_analysis::{
    Answer, Answers, EntityAt, HeadChoice, HeadSource, HeadSummary, NoAnswer, TaggedWord, Tagging,
    Task, Unit, UnitKind,
};
use electroscope_text::Span;

impl Screen {
    fn head(&mut self, reply: HeadReply) {
        self.send(Message::Head(reply));
    }

    fn load_head(&mut self, task: Task, labels: &[&str]) {
        self.head(HeadReply::Loaded {
            task,
            summary: HeadSummary {
                id: "mine".into(),
                revision: None,
                device: "cpu".into(),
                precision: "f32".into(),
                task,
                labels: labels.iter().map(|&label| label.to_owned()).collect(),
                no_answer_margin: 0.0,
                note: None,
            },
        });
    }

    fn jobs(&mut self) -> Vec<HeadJob> {
        let effects = std::mem::take(&mut self.effects).into_iter();
        effects
            .filter_map(|effect| match effect {
                Effect::Head(job) => Some(job),
                _ => None,
            })
            .collect()
    }

    /// The requests that have been made of the heads.
    fn requests(&mut self) -> Vec<(Generation, Request)> {
        let jobs = self.jobs().into_iter();
        jobs.filter_map(|job| match job {
            HeadJob::Read {
                generation,
                request,
                ..
            } => Some((generation, request)),
            _ => None,
        })
        .collect()
    }

    fn found(&mut self, finding: Finding) {
        let open = &self.state.documents[0];
        let (id, generation) = (open.id, open.generation);
        self.head(HeadReply::Found {
            id,
            generation,
            finding,
        });
    }

    fn done(&mut self, task: Task) {
        let open = &self.state.documents[0];
        let (id, generation) = (open.id, open.generation);
        self.head(HeadReply::Finished {
            id,
            generation,
            task,
            elapsed: Duration::from_millis(7),
        });
    }
}

fn span_of(text: &str) -> Span {
    let start = NOTES.find(text).unwrap();
    Span::new(start, start + text.len())
}

fn classified(screen: &mut Screen) {
    for (text, p) in [
        ("# Harbour notes", [0.3, 0.7]),
        (
            "The committee approved the banana of the new bridge over the river last spring.",
            [0.9, 0.1],
        ),
        (
            "She go to work every day, and the boats wait. It was to late for the ferry.",
            [0.2, 0.8],
        ),
    ] {
        let unit = Unit {
            span: span_of(text),
            p: p.to_vec(),
        };
        screen.found(Finding::Unit(UnitKind::Paragraph, Arc::new(unit)));
    }
    screen.done(Task::Classification);
}

const TAGS: &[&str] = &["O", "B-PLACE", "I-PLACE", "B-THING"];

fn tagged(screen: &mut Screen) {
    let word = |text: &str, label| TaggedWord {
        span: span_of(text),
        label,
        p: 0.9,
        is_punctuation: false,
    };
    let words = vec![
        word("Harbour", 1),
        word("notes", 0),
        word("banana", 3),
        word("new", 1),
        word("bridge", 2),
        word("boats", 3),
    ];
    let span = Span::new(words[0].span.start(), words[5].span.end());
    screen.found(Finding::Tagging(Arc::new(Tagging { span, words })));
    let entity = |label: &str, text: &str, p| EntityAt {
        label: label.into(),
        span: span_of(text),
        text: text.into(),
        p,
    };
    let entities = [
        entity("PLACE", "Harbour", 0.95),
        entity("THING", "banana", 0.81),
        entity("PLACE", "new bridge", 0.7),
        entity("THING", "boats", 0.66),
    ];
    screen.found(Finding::Entities(entities.into()));
    screen.done(Task::Tagging);
}

fn answered(screen: &mut Screen) {
    let answer = |text: &str, score, p| Answer {
        span: span_of(text),
        text: text.into(),
        score,
        p,
    };
    let answers = Answers {
        best: vec![
            answer("The committee", 7.5, 0.72),
            answer("committee", 6.0, 0.16),
            answer("the boats", 3.0, 0.02),
        ],
        none: Some(NoAnswer {
            score: 4.0,
            p: 0.08,
        }),
    };
    screen.found(Finding::Answers(
        "who approved it?".into(),
        Arc::new(answers),
    ));
    screen.done(Task::QuestionAnswering);
}

/// Opens the Ask panel with a head, and asks.
fn ask_who_approved_it(screen: &mut Screen) {
    screen.press("3");
    screen.load_head(Task::QuestionAnswering, &[]);
    screen.press("a");
    screen.type_in("who approved it?");
    screen.press("enter");
}

#[test]
fn the_classify_panel_colours_units_and_lists_them() {
    for (name, theme) in [("dark", DARK), ("mono", Theme::Mono)] {
        let mut screen = Screen::with_notes(100, 24, theme);
        screen.press("2");
        screen.load_head(Task::Classification, &["negative", "positive"]);
        assert_eq!(
            screen.requests(),
            [(Generation(1), Request::Classify(UnitKind::Paragraph))]
        );
        classified(&mut screen);
        screen.press("]d ]d");
        insta::assert_snapshot!(format!("classify_{name}"), screen.picture());
    }
}

#[test]
fn the_tag_panel_colours_entities_with_a_legend() {
    for (name, theme) in [("dark", DARK), ("mono", Theme::Mono)] {
        let mut screen = Screen::with_notes(100, 24, theme);
        screen.press("4");
        screen.load_head(Task::Tagging, TAGS);
        assert_eq!(screen.requests(), [(Generation(1), Request::Tag)]);
        tagged(&mut screen);
        screen.press("]d");
        insta::assert_snapshot!(format!("tag_{name}"), screen.picture());
    }
}

#[test]
fn the_ask_panel_shows_answers_and_goes_to_the_best() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("3");
    screen.load_head(Task::QuestionAnswering, &[]);
    assert_eq!(screen.requests(), []);
    screen.press("a");
    insta::assert_snapshot!("ask_prompt", screen.text());
    screen.type_in("who approved it?");
    screen.press("enter");
    let question = "who approved it?".to_owned();
    assert_eq!(
        screen.requests(),
        [(Generation(1), Request::Ask(question.clone()))]
    );
    answered(&mut screen);
    insta::assert_snapshot!("ask_answered", screen.picture());
    assert_eq!(screen.cursor_word().as_deref(), Some("The"));
    screen.press("]d");
    assert_eq!(screen.cursor_word().as_deref(), Some("the"));
    screen.press("]d");
    assert_eq!(screen.cursor_word().as_deref(), Some("The"));
    // An edit asks again, and the text stays where it is.
    screen.press("gg");
    screen.change("notes.md", &NOTES.replace("late", "soon"));
    assert_eq!(screen.requests(), [(Generation(2), Request::Ask(question))]);
    assert_eq!(screen.state.documents[0].findings.answers.len(), 2);
    answered(&mut screen);
    assert_eq!(screen.state.documents[0].cursor, 0);
}

#[test]
fn where_no_answer_wins_the_panel_says_so_and_the_cursor_stays() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    ask_who_approved_it(&mut screen);
    let answers = Answers {
        best: vec![Answer {
            span: span_of("the boats"),
            text: "the boats".into(),
            score: 1.0,
            p: 0.2,
        }],
        none: Some(NoAnswer { score: 3.0, p: 0.8 }),
    };
    screen.found(Finding::Answers(
        "who approved it?".into(),
        Arc::new(answers),
    ));
    screen.done(Task::QuestionAnswering);
    assert_eq!(screen.state.documents[0].cursor, 0);
    let text = screen.text();
    assert!(text.contains("No answer in this text"), "{text}");
    assert!(text.contains("Weak answers 1"), "{text}");
    // To look at a weak one is the reader's choice.
    screen.press("]d");
    assert_eq!(screen.cursor_word().as_deref(), Some("the"));
}

#[test]
fn an_answer_is_shown_in_its_sentence() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    ask_who_approved_it(&mut screen);
    assert!(!screen.text().contains("Answers 0"), "{}", screen.text());
    answered(&mut screen);
    screen.press("]d");
    let (buffer, _) = screen.buffer();
    let panel = crate::ui::areas::Areas::of(&screen.state).panel;
    let cells = (panel.y..panel.bottom())
        .flat_map(|y| (panel.x..panel.right()).map(move |x| (x, y)))
        .map(|at| &buffer[at]);
    let of = |cells: &mut dyn Iterator<Item = &ratatui::buffer::Cell>| -> String {
        let symbols: String = cells.map(|cell| cell.symbol()).collect();
        symbols.split_whitespace().collect()
    };
    let all = of(&mut cells.clone());
    assert!(all.contains("everyday,andtheboatswait."), "{all}");
    // The answer is underlined in it.
    let is_underlined = |cell: &&ratatui::buffer::Cell| {
        cell.modifier.contains(ratatui::style::Modifier::UNDERLINED)
    };
    assert_eq!(of(&mut cells.filter(is_underlined)), "theboats");
}

#[test]
fn an_answer_in_another_document_does_not_move_its_cursor() {
    let mut screen = Screen::new(120, 24, DARK, &["notes.md", "other.md"]);
    screen.load();
    screen.change("notes.md", NOTES);
    screen.change("other.md", NOTES);
    ask_who_approved_it(&mut screen);
    answered(&mut screen);
    assert_eq!(
        screen.state.documents[0].cursor,
        span_of("The committee").start()
    );
    screen.press("gt");
    let open = &screen.state.documents[1];
    let (id, generation) = (open.id, open.generation);
    let answers = Answers {
        best: vec![Answer {
            span: span_of("the boats"),
            text: "the boats".into(),
            score: 7.0,
            p: 0.9,
        }],
        none: None,
    };
    let question = "who approved it?".into();
    screen.head(HeadReply::Found {
        id,
        generation,
        finding: Finding::Answers(question, Arc::new(answers)),
    });
    assert_eq!(screen.state.documents[1].findings.answers.len(), 1);
    assert_eq!(screen.state.documents[1].cursor, 0);
}

#[test]
fn another_question_forgets_the_answers_to_the_one_before() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("3");
    screen.load_head(Task::QuestionAnswering, &[]);
    screen.press("a");
    screen.type_in("who approved it?");
    screen.press("enter a");
    screen.type_in("when?");
    screen.press("enter");
    // A late answer to the first question.
    answered(&mut screen);
    assert!(screen.state.documents[0].findings.answers.is_empty());
    // The prompt goes back through what was asked.
    screen.press("a up up down");
    let Some(Popup::Question(prompt, _)) = &screen.state.popup else {
        panic!("no prompt");
    };
    assert_eq!(prompt.text(), "when?");
    assert_eq!(screen.state.memory.questions, ["who approved it?", "when?"]);
}

#[test]
fn units_are_changed_with_a_key_and_asked_for_once() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("2");
    screen.load_head(Task::Classification, &["negative", "positive"]);
    classified(&mut screen);
    screen.requests();
    screen.press("j k");
    assert_eq!(screen.requests(), []);
    screen.press("U");
    assert_eq!(
        screen.requests(),
        [(Generation(1), Request::Classify(UnitKind::Sentence))]
    );
    // A paragraph that comes late is not taken for a sentence.
    classified(&mut screen);
    assert!(screen.state.documents[0].findings.units.all().is_empty());
}

#[test]
fn tags_are_filtered_by_kind() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("4");
    screen.load_head(Task::Tagging, TAGS);
    tagged(&mut screen);
    let listed = |screen: &Screen| screen.state.documents[0].findings.tags.len();
    assert_eq!(listed(&screen), 4);
    screen.press("f f");
    assert_eq!((listed(&screen), screen.notice()), (2, "listing THING"));
    screen.press("gg ]d");
    assert_eq!(screen.cursor_word().as_deref(), Some("banana"));
    screen.press("f");
    assert_eq!((listed(&screen), screen.notice()), (4, "listing all tags"));
}

#[test]
fn kinds_are_listed_and_cycled_from_the_commonest_on_and_the_legend_is_clicked() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("4");
    screen.load_head(Task::Tagging, &["ADJ", "NOUN", "VERB"]);
    let word = |text: &str, label| TaggedWord {
        span: span_of(text),
        is_punctuation: false,
        label,
        p: 0.9,
    };
    let words = vec![
        word("committee", 1),
        word("approved", 2),
        word("banana", 1),
        word("new", 0),
        word("bridge", 1),
        word("work", 2),
    ];
    let span = Span::new(words[0].span.start(), words[5].span.end());
    screen.found(Finding::Tagging(Arc::new(Tagging { span, words })));
    screen.done(Task::Tagging);
    let mut seen = Vec::new();
    for _ in 0..4 {
        screen.press("f");
        seen.push(screen.notice().to_owned());
    }
    assert_eq!(
        seen,
        [
            "listing NOUN",
            "listing VERB",
            "listing ADJ",
            "listing all tags"
        ]
    );
    let row = |screen: &Screen, kind: &str| {
        let text = screen.text();
        let row = text
            .lines()
            .position(|line| line.contains(&format!("■ {kind}")));
        row.unwrap() as u16
    };
    let verb = row(&screen, "VERB");
    assert_eq!(verb, row(&screen, "NOUN") + 1);
    screen.click(80, verb);
    assert_eq!(screen.notice(), "listing VERB");
    assert_eq!(screen.state.documents[0].findings.tags.len(), 2);
    screen.click(80, verb);
    assert_eq!(screen.notice(), "listing all tags");
}

#[test]
fn every_word_is_listed_where_a_tagger_marks_no_entities() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("4");
    screen.load_head(Task::Tagging, &["NOUN", "VERB"]);
    let words = vec![
        TaggedWord {
            span: span_of("committee"),
            label: 0,
            p: 0.9,
            is_punctuation: false,
        },
        TaggedWord {
            span: span_of("approved"),
            label: 1,
            p: 0.8,
            is_punctuation: false,
        },
    ];
    let span = Span::new(words[0].span.start(), words[1].span.end());
    screen.found(Finding::Tagging(Arc::new(Tagging { span, words })));
    screen.found(Finding::Entities(Arc::new([])));
    screen.done(Task::Tagging);
    let findings = &screen.state.documents[0].findings;
    assert_eq!(
        (findings.tags.len(), &findings.counts[..]),
        (2, &[1, 1][..])
    );
}

#[test]
fn the_picker_lists_the_heads_for_the_panel_and_remembers_the_choice() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("m");
    assert!(screen.notice().contains("needs no head"));
    screen.press("2 m");
    let jobs = screen.jobs();
    assert_eq!(jobs, [HeadJob::List, HeadJob::List]);
    let choice = |name: &str, task, source, bytes, about: &str| HeadChoice {
        name: name.into(),
        task,
        source,
        bytes,
        about: about.into(),
    };
    screen.head(HeadReply::Choices(vec![
        choice(
            "sst2",
            Task::Classification,
            HeadSource::Cached,
            Some(54_000_000),
            "sentiment, SST-2",
        ),
        choice(
            "mnli",
            Task::Classification,
            HeadSource::Known,
            None,
            "entailment, MNLI",
        ),
        choice(
            "ner",
            Task::Tagging,
            HeadSource::Known,
            None,
            "names, WikiANN",
        ),
    ]));
    insta::assert_snapshot!("popup_heads", screen.text());
    screen.press("down enter");
    let wanted = HeadJob::Load {
        task: Task::Classification,
        choice: "mnli".into(),
    };
    assert!(screen.effects.contains(&Effect::Head(wanted)));
    assert_eq!(screen.state.memory.classify.as_deref(), Some("mnli"));
    assert!(
        matches!(&screen.effects[0], Effect::Remember(memory) if memory.classify.as_deref() == Some("mnli"))
    );
    screen.head(HeadReply::Loading {
        task: Task::Classification,
        step: "downloading model.safetensors 12 %".into(),
    });
    assert!(screen.text().contains("downloading"));
    screen.head(HeadReply::LoadFailed {
        task: Task::Classification,
        reason: "howey/electra-small-mnli is not in the cache".into(),
    });
    assert!(screen.text().contains("electra-small-mnli is"));
    // What was typed is taken as it is where nothing fits.
    screen.press("m");
    screen.type_in("./my-head");
    screen.press("enter");
    assert_eq!(screen.state.memory.classify.as_deref(), Some("./my-head"));
}

#[test]
fn a_remembered_head_is_loaded_when_its_panel_is_first_shown() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.state.memory.tag = Some("ner".into());
    screen.press("j");
    assert_eq!(screen.jobs(), []);
    screen.press("4");
    let jobs = screen.jobs();
    let wanted = HeadJob::Load {
        task: Task::Tagging,
        choice: "ner".into(),
    };
    assert_eq!(jobs, [HeadJob::List, wanted]);
    screen.press("j");
    assert_eq!(screen.jobs(), []);
    assert!(screen.state.is_busy());
}

#[test]
fn a_head_of_the_command_line_beats_the_remembered_one_until_another_is_chosen() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    let loaded = |screen: &mut Screen| -> Vec<String> {
        let jobs = screen.jobs().into_iter();
        jobs.filter_map(|job| match job {
            HeadJob::Load { choice, .. } => Some(choice),
            _ => None,
        })
        .collect()
    };
    screen.state.memory.classify = Some("remembered".into());
    screen.state.usual_heads[Task::Classification] = Some("usual".into());
    screen.state.usual_heads[Task::Tagging] = Some("usual".into());
    screen.state.given_heads[Task::Classification] = Some("given".into());
    screen.press("2");
    assert_eq!(loaded(&mut screen), ["given"]);
    screen.press("4");
    assert_eq!(loaded(&mut screen), ["usual"]);
    // It is not kept.
    assert_eq!(screen.state.memory.classify.as_deref(), Some("remembered"));
    screen.press("2 m");
    screen.type_in("./mine");
    screen.press("enter");
    assert_eq!(loaded(&mut screen), ["./mine"]);
    assert_eq!(screen.state.given_heads[Task::Classification], None);
}

#[test]
fn an_edit_moves_what_was_found_and_has_it_read_again() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("4");
    screen.load_head(Task::Tagging, TAGS);
    tagged(&mut screen);
    screen.requests();
    let longer = NOTES.replace("# Harbour", "# The old Harbour");
    screen.change("notes.md", &longer);
    assert_eq!(screen.requests(), [(Generation(2), Request::Tag)]);
    let open = &screen.state.documents[0];
    let listed: Vec<&str> = (open.findings.tags.iter())
        .map(|tag| &longer[tag.span.range()])
        .collect();
    assert_eq!(listed, ["Harbour", "banana", "new bridge", "boats"]);
}

#[test]
fn what_a_head_cannot_do_is_said_in_its_panel() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("3");
    screen.load_head(Task::QuestionAnswering, &[]);
    screen.press("a");
    screen.type_in("a very long question");
    screen.press("enter");
    let open = &screen.state.documents[0];
    let (id, generation) = (open.id, open.generation);
    screen.head(HeadReply::Failed {
        id,
        generation,
        task: Task::QuestionAnswering,
        reason: "the question has 200 tokens; at most 170 fit".into(),
    });
    assert!(screen.text().contains("200 tokens"));
    assert!(!screen.state.is_busy());
}

#[test]
fn the_list_of_a_head_is_clicked_and_scrolled() {
    let mut screen = Screen::with_notes(100, 24, DARK);
    screen.press("4");
    screen.load_head(Task::Tagging, TAGS);
    tagged(&mut screen);
    let text = screen.text();
    let row = text
        .lines()
        .position(|line| line.contains("banana") && line.contains("THING"));
    screen.click(80, row.unwrap() as u16);
    assert_eq!(screen.cursor_word().as_deref(), Some("banana"));
    assert_eq!(screen.state.panel, Panel::Tag);
}
