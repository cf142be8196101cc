//! Getting about: counts, paragraphs, the list of documents, the search, the help.

use electroscope_analysis::Task;

use crate::ui::search::Sought;

use super::*;

fn line(screen: &Screen) -> usize {
    let open = screen.state.document().unwrap();
    open.lines.position(open.text(), open.cursor).line
}

/// A screen with a text of 200 lines, its paragraphs ten lines long.
fn with_lines() -> Screen {
    let text: String = (1..=200)
        .map(|n| match n % 10 {
            0 => "\n".to_owned(),
            _ => format!("line {n}\n"),
        })
        .collect();
    let mut screen = Screen::new(100, 24, DARK, &["long.md"]);
    screen.load();
    screen.change("long.md", &text);
    screen
}

#[test]
fn a_count_repeats_the_motion_after_it_and_loads_no_head() {
    let mut screen = with_lines();
    screen.press("20j");
    assert_eq!((line(&screen), screen.state.panel), (21, Panel::Heat));
    screen.press("3k");
    assert_eq!(line(&screen), 18);
    screen.press("120G");
    assert_eq!(line(&screen), 120);
    screen.press("2gg");
    assert_eq!(line(&screen), 2);
    screen.press("2}");
    assert_eq!(line(&screen), 20);
    // 0 is the start of the line where no count is being typed.
    screen.press("w 0");
    assert_eq!(screen.state.count, None);
    screen.press("2j");
    let is_of_a_head = |effect: &Effect| matches!(effect, Effect::Head(_));
    assert!(!screen.effects.iter().any(is_of_a_head));
}

#[test]
fn a_digit_alone_shows_its_panel_after_a_moment_or_with_enter_or_another_key() {
    let key = |c| Message::Terminal(Event::Key(KeyEvent::new(c, KeyModifiers::NONE)));
    let mut screen = with_lines();
    screen.send(key(KeyCode::Char('2')));
    assert_eq!(screen.state.panel, Panel::Heat);
    assert!(screen.text().contains("2 … a motion, or Classify"));
    // Moments pass only while something is waited for.
    assert!(screen.state.is_busy());
    for _ in 0..4 {
        screen.send(Message::Tick);
    }
    assert_eq!(screen.state.panel, Panel::Classify);
    screen.send(key(KeyCode::Char('3')));
    screen.send(key(KeyCode::Enter));
    assert_eq!((screen.state.panel, screen.notice()), (Panel::Ask, ""));
    screen.send(key(KeyCode::Char('4')));
    screen.send(key(KeyCode::Char('m')));
    assert!(matches!(
        screen.state.popup,
        Some(Popup::Heads(Task::Tagging, _))
    ));
    screen.press("esc");
    screen.send(key(KeyCode::Char('1')));
    screen.send(key(KeyCode::Esc));
    assert_eq!((screen.state.panel, screen.state.count), (Panel::Tag, None));
    // Two digits name no panel, and wait for as long as it takes.
    screen.send(key(KeyCode::Char('1')));
    screen.send(key(KeyCode::Char('2')));
    for _ in 0..40 {
        screen.send(Message::Tick);
    }
    screen.send(key(KeyCode::Char('j')));
    assert_eq!((screen.state.panel, line(&screen)), (Panel::Tag, 13));
}

#[test]
fn braces_move_by_paragraphs() {
    let mut screen = with_lines();
    screen.press("} }");
    assert_eq!(line(&screen), 20);
    screen.press("{");
    assert_eq!(line(&screen), 10);
    screen.press("{ {");
    assert_eq!(line(&screen), 1);
}

#[test]
fn which_of_how_many_documents_is_shown_at_every_width() {
    for width in [40, 64, 80, 100, 200] {
        let mut screen = Screen::new(width, 24, DARK, &["a.md", "b.md", "c.md"]);
        screen.load();
        screen.change("b.md", NOTES);
        screen.press("gt");
        let header = row_of(&screen, 0);
        assert!(header.contains("b.md  2/3"), "{width}: {header}");
    }
    let screen = Screen::with_notes(80, 24, DARK);
    assert!(!row_of(&screen, 0).contains("1/1"));
}

#[test]
fn the_list_of_documents_is_switched_or_says_why_not() {
    let shows = |screen: &Screen| screen.text().contains(" Documents");
    let mut screen = Screen::new(80, 24, DARK, &["a.md", "b.md"]);
    screen.press("L");
    assert_eq!(
        screen.notice(),
        "no room for the list of documents; p hides the panel; gt and gT switch"
    );
    screen.press("p");
    assert!(shows(&screen));
    screen.press("L");
    assert!(!shows(&screen));
    assert_eq!(
        screen.notice(),
        "the list of documents is hidden; L shows it"
    );
    screen.press("L");
    assert!(shows(&screen));
}

#[test]
fn many_keys_at_once_are_searched_for_once() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.press("/");
    // As the loop does it: all that has come, and then what it amounts to.
    for c in "ferry".chars() {
        let event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        update(&mut screen.state, Message::Terminal(Event::Key(event)));
    }
    assert_eq!(screen.state.search, None);
    let event = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
    update(&mut screen.state, Message::Terminal(Event::Key(event)));
    assert_eq!(screen.cursor_word().as_deref(), Some("ferry"));
    screen.press(":");
    for c in "next-theme".chars() {
        let event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        update(&mut screen.state, Message::Terminal(Event::Key(event)));
    }
    update(&mut screen.state, Message::Terminal(Event::Key(event)));
    assert_eq!(screen.notice(), "theme: light");
}

#[test]
fn a_search_that_takes_long_goes_on_elsewhere_and_can_be_stopped() {
    let text = "a".repeat(1 << 20);
    let mut screen = Screen::new(80, 24, DARK, &["long.txt"]);
    screen.load();
    screen.change("long.txt", &text);
    screen.press("/");
    screen.type_in(".*Q|a");
    screen.press("enter $");
    // What was typed on the way took long too, and is not wanted any more.
    screen.effects.clear();
    screen.press("N");
    let handed_over = |screen: &mut Screen| {
        let effects = std::mem::take(&mut screen.effects).into_iter();
        let mut seeks = effects.filter_map(|effect| match effect {
            Effect::Seek(number, seek) => Some((number, seek)),
            _ => None,
        });
        seeks.next().unwrap()
    };
    let (number, mut seek) = handed_over(&mut screen);
    assert!(screen.state.is_busy());
    assert!(screen.text().contains("searching, Esc stops"));
    let sought = seek.run(|_| true);
    screen.send(Message::Sought(number, sought));
    assert_eq!(screen.state.seeking, None);
    assert_eq!(screen.state.documents[0].cursor, text.len() - 2);
    // One that is not wanted any more.
    screen.press("N");
    let (number, _) = handed_over(&mut screen);
    screen.press("esc");
    assert_eq!(screen.notice(), "the search was stopped");
    assert_eq!(screen.effects.last(), Some(&Effect::StopSeek));
    screen.send(Message::Sought(number, Sought::Missing));
    assert_eq!(screen.notice(), "the search was stopped");
}

#[test]
fn the_help_uses_the_width_and_can_be_searched() {
    let mut screen = Screen::with_notes(200, 50, DARK);
    screen.press("?");
    insta::assert_snapshot!("popup_help_wide", screen.text());
    screen.press("/");
    screen.type_in("thresh");
    let text = screen.text();
    assert!(text.contains("raise it: flag fewer words"), "{text}");
    assert!(!text.contains("a row down"), "{text}");
    screen.press("enter");
    assert!(screen.state.popup.is_some());
    screen.press("esc");
    assert!(screen.text().contains("a row down"));
    screen.press("esc");
    assert_eq!(screen.state.popup, None);
}

#[test]
fn the_theme_that_was_chosen_is_kept() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.press("t");
    assert!(matches!(
        screen.effects.last(),
        Some(Effect::Remember(memory)) if memory.theme.as_deref() == Some("light")
    ));
}

#[test]
fn a_document_that_is_new_in_an_opened_folder_is_added_and_told() {
    let opening = Opening {
        folders: vec!["docs".into()],
        size: Size::new(100, 20),
        ..Opening::plain(DARK)
    };
    let (state, effects) = State::new(opening);
    let mut screen = Screen { state, effects };
    let found = |path: &str| Found {
        root: "docs".into(),
        paths: vec![path.into()],
        is_last: true,
    };
    screen.send(Message::Found(Purpose::Open, found("docs/a.md")));
    assert_eq!(screen.notice(), "");
    screen.send(Message::Found(Purpose::Open, found("docs/b.md")));
    assert_eq!(screen.notice(), "new in the folder: docs/b.md");
    assert_eq!((screen.state.documents.len(), screen.state.current), (2, 0));
    let watched = |path: &str| {
        let wanted = Path::new(path);
        (screen.effects.iter())
            .any(|effect| matches!(effect, Effect::Watch { path, .. } if path == wanted))
    };
    assert!(watched("docs/b.md"));
}

#[test]
fn the_second_of_two_emoji_that_take_no_skin_tone_is_drawn() {
    let mut screen = Screen::new(64, 12, DARK, &["a.txt"]);
    screen.load();
    screen.change("a.txt", "🥲🏻🥲🏻 end\n👍🏽👍🏽 end\n");
    let text = screen.text();
    assert!(text.contains("🥲🥲 end"), "{text}");
    assert!(text.contains("👍🏽👍🏽 end"), "{text}");
    // No cell says that it is wider than the two that the layout gives it.
    let (buffer, _) = screen.buffer();
    let widest = buffer
        .content
        .iter()
        .map(|cell| unicode_width::UnicodeWidthStr::width(cell.symbol()));
    assert_eq!(widest.max(), Some(2));
}
