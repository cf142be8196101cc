//! The screen driven by messages: what it asks for, and what it looks like.

mod exemptions;
mod heads;
mod lens;
mod navigation;
mod stale;
mod suggestions;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect, Size};
use ratatui::style::Color;

use super::keymap;
use super::message::{Effect, Message, Purpose};
use super::open::Work;
use super::state::{Model, Opening, Panel, Popup, State};
use super::theme::{Depth, Theme};
use super::update::{settle, update};
use super::view;
use crate::worker::files::{FileEvent, Watching};
use crate::worker::finder::Found;
use crate::worker::inference::{DocumentId, Generation, Job, ModelSummary, Reply};
use electroscope_analysis::{Reading, Token, Word};
use electroscope_text::{Document, Language, Span, blocks};

const DARK: Theme = Theme::Dark(Depth::True);

/// What the pretended model thinks of some words; of all others it thinks well.
const DOUBTS: [(&str, f32); 7] = [
    ("banana", 0.94),
    ("go", 0.71),
    ("their", 0.66),
    ("ones", 0.35),
    ("colour", 0.99),
    ("late", 0.45),
    ("四五六", 0.58),
];

const NOTES: &str = "# Harbour notes

The committee approved the banana of the new bridge over the river last spring.

She go to work every day, and the boats wait. It was to late for the ferry.

```sh
make install
```

- one item of the list
- another item, longer than the first, that wraps on a narrow screen and has 四五六 wide ones
";

/// A screen, what it has asked for, and the key to what it shows.
struct Screen {
    state: State,
    effects: Vec<Effect>,
}

impl Screen {
    fn new(width: u16, height: u16, theme: Theme, files: &[&str]) -> Screen {
        let opening = Opening {
            files: files.iter().map(PathBuf::from).collect(),
            size: Size { width, height },
            ..Opening::plain(theme)
        };
        let (state, effects) = State::new(opening);
        Screen { state, effects }
    }

    /// A screen with the notes open, read by the model.
    fn with_notes(width: u16, height: u16, theme: Theme) -> Screen {
        let mut screen = Screen::new(width, height, theme, &["notes.md"]);
        screen.load();
        screen.change("notes.md", NOTES);
        screen.score_all();
        screen.effects.clear();
        screen
    }

    fn send(&mut self, message: Message) {
        self.effects.extend(update(&mut self.state, message));
        self.effects.extend(settle(&mut self.state));
    }

    /// Presses the keys of each of the sequences, which are divided by spaces.
    fn press(&mut self, keys: &str) {
        for sequence in keys.split(' ') {
            let named = match sequence {
                "enter" => vec![KeyCode::Enter],
                "backspace" => vec![KeyCode::Backspace],
                _ => Vec::new(),
            };
            let keys = keymap::parse(sequence);
            let events = if named.is_empty() {
                keys.iter()
                    .map(|key| KeyEvent::new(key.code, key.modifiers))
                    .collect()
            } else {
                named
                    .iter()
                    .map(|&code| KeyEvent::new(code, KeyModifiers::NONE))
                    .collect::<Vec<_>>()
            };
            for event in events {
                self.send(Message::Terminal(Event::Key(event)));
            }
            self.wait();
        }
    }

    /// Lets moments pass until a digit that may begin a count means its panel.
    fn wait(&mut self) {
        for _ in 0..5 {
            if self
                .state
                .count
                .is_some_and(|count| count.panel().is_some())
            {
                self.send(Message::Tick);
            }
        }
    }

    /// Types text, spaces and all.
    fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            let event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
            self.send(Message::Terminal(Event::Key(event)));
        }
    }

    fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        self.send(Message::Terminal(Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })));
    }

    fn click(&mut self, column: u16, row: u16) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row);
    }

    fn load(&mut self) {
        self.send(Message::Model(Reply::Loaded(ModelSummary {
            id: "builtin".into(),
            device: "cpu".into(),
            precision: "f32".into(),
            threshold: 0.62,
            false_alarms: Some(0.01),
            note: None,
        })));
    }

    fn change(&mut self, path: &str, text: &str) {
        let language = Language::of(Path::new(path));
        let document = Document::new(path, text, language);
        self.send(Message::File(FileEvent::Changed(document)));
    }

    /// Answers every request to score that has been made, a reading per block.
    fn score_all(&mut self) {
        let jobs: Vec<Effect> = std::mem::take(&mut self.effects);
        for effect in jobs {
            let Effect::Model(Job::Score {
                id,
                generation,
                document,
            }) = &effect
            else {
                self.effects.push(effect);
                continue;
            };
            for reading in readings(document) {
                self.send(Message::Model(Reply::Scored {
                    id: *id,
                    generation: *generation,
                    reading: Arc::new(reading),
                    progress: 0.5,
                }));
            }
            self.finish(*id, *generation);
        }
    }

    fn finish(&mut self, id: DocumentId, generation: Generation) {
        self.send(Message::Model(Reply::Finished {
            id,
            generation,
            elapsed: Duration::from_millis(9),
            computed: 1,
            cached: 0,
        }));
    }

    fn buffer(&self) -> (Buffer, Option<Position>) {
        let Size { width, height } = self.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let cursor = view::draw_on(&mut buffer, &self.state);
        (buffer, cursor)
    }

    /// The screen as text.
    fn text(&self) -> String {
        let (buffer, _) = self.buffer();
        (0..buffer.area.height)
            .map(|y| row(&buffer, y) + "\n")
            .collect()
    }

    /// The screen as text, below each row its styles by letters, at the end what the letters mean.
    fn picture(&self) -> String {
        let (buffer, cursor) = self.buffer();
        let mut styles: BTreeMap<String, char> = BTreeMap::new();
        let mut order: Vec<String> = Vec::new();
        let mut picture = String::new();
        for y in 0..buffer.area.height {
            writeln!(picture, "{}", row(&buffer, y)).unwrap();
            let letters: String = (0..buffer.area.width)
                .map(|x| {
                    let style = style(&buffer[(x, y)]);
                    // A colour of letters on nothing is seen by nobody.
                    let is_blank = buffer[(x, y)].symbol() == " " && !style.contains("on ");
                    if style.is_empty() || (is_blank && !style.contains("REVERSED")) {
                        return ' ';
                    }
                    let next = char::from(b'a' + styles.len() as u8);
                    *styles.entry(style.clone()).or_insert_with(|| {
                        order.push(style);
                        next
                    })
                })
                .collect();
            if !letters.trim().is_empty() {
                writeln!(picture, "{}", letters.trim_end()).unwrap();
            }
        }
        writeln!(picture, "---").unwrap();
        for style in order {
            writeln!(picture, "{}: {style}", styles[&style]).unwrap();
        }
        if let Some(cursor) = cursor {
            writeln!(picture, "cursor: column {}, row {}", cursor.x, cursor.y).unwrap();
        }
        picture
    }

    fn cursor_word(&self) -> Option<String> {
        let open = self.state.document()?;
        let (word, _) = open.word()?;
        Some(word.span.of(open.text())?.to_owned())
    }

    fn notice(&self) -> &str {
        self.state.notice.as_ref().map_or("", |notice| &notice.text)
    }
}

fn row(buffer: &Buffer, y: u16) -> String {
    let mut text = String::new();
    let mut skip = 0;
    for x in 0..buffer.area.width {
        let symbol = buffer[(x, y)].symbol();
        if skip > 0 {
            skip -= 1;
            continue;
        }
        skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
        text.push_str(symbol);
    }
    text.trim_end().to_owned()
}

fn style(cell: &Cell) -> String {
    let color = |color: Color| match color {
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        other => other.to_string(),
    };
    let mut parts = Vec::new();
    if cell.fg != Color::Reset {
        parts.push(color(cell.fg));
    }
    if cell.bg != Color::Reset {
        parts.push(format!("on {}", color(cell.bg)));
    }
    if !cell.modifier.is_empty() {
        parts.push(format!("{:?}", cell.modifier));
    }
    parts.join(" ")
}

/// What the pretended model says: a reading per stretch of prose, words divided at white space.
fn readings(document: &Document) -> Vec<Reading> {
    let mut readings = Vec::new();
    for block in blocks(document) {
        let mut reading = Reading::default();
        let prose = block
            .segments
            .iter()
            .filter(|segment| segment.kind == electroscope_text::SegmentKind::Prose);
        for segment in prose {
            let text = segment.span.of(&document.text).unwrap();
            let mut at = segment.span.start();
            for piece in text.split_inclusive(char::is_whitespace) {
                let word = piece.trim_matches(|c: char| c.is_whitespace() || ".,".contains(c));
                let start = at + piece.find(word).unwrap();
                at += piece.len();
                if word.is_empty() {
                    continue;
                }
                let doubt = DOUBTS.iter().find(|(doubted, _)| *doubted == word);
                let p = doubt.map_or(0.031, |(_, p)| *p);
                let span = Span::new(start, start + word.len());
                let first = reading.tokens.len() as u32;
                // A long word has two pieces, of which the second is the hotter one.
                if word.is_ascii() && word.len() > 5 {
                    let middle = start + 3;
                    reading.tokens.push(Token {
                        span: Span::new(start, middle),
                        p: p / 2.0,
                    });
                    reading.tokens.push(Token {
                        span: Span::new(middle, span.end()),
                        p,
                    });
                } else {
                    reading.tokens.push(Token { span, p });
                }
                let tokens = first..reading.tokens.len() as u32;
                reading.words.push(Word {
                    span,
                    p,
                    tokens,
                    is_punctuation: false,
                    kind: None,
                });
            }
        }
        if let (Some(first), Some(last)) = (reading.words.first(), reading.words.last()) {
            reading.span = Span::new(first.span.start(), last.span.end());
            readings.push(reading);
        }
    }
    readings
}

// What it looks like.

#[test]
fn the_screen_at_40_80_and_200_columns() {
    for (width, height) in [(40, 18), (80, 24), (200, 26)] {
        let mut screen = Screen::with_notes(width, height, DARK);
        screen.press("]d");
        insta::assert_snapshot!(format!("screen_{width}"), screen.picture());
    }
}

#[test]
fn the_screen_in_every_theme() {
    let themes = [
        ("light", Theme::Light(Depth::True)),
        ("dark_256", Theme::Dark(Depth::Indexed)),
        ("ansi_16", Theme::Ansi16),
        ("mono", Theme::Mono),
    ];
    for (name, theme) in themes {
        let mut screen = Screen::with_notes(80, 18, theme);
        screen.press("]d");
        insta::assert_snapshot!(format!("theme_{name}"), screen.picture());
    }
}

#[test]
fn of_other_formats_the_whole_file_is_shown_and_what_is_no_prose_stands_back() {
    let tex = "% Notes\n\\section{Harbour}\nTheir \\emph{banana} is caf\\'e $x^2$ --- late.\n\n\
               \\begin{verbatim}\nmake install\n\\end{verbatim}\n";
    let rust =
        "/// Their banana is [`late`].\nfn main() {\n    let a = \"colour\"; // The colour.\n}\n";
    for (path, text) in [("notes.tex", tex), ("notes.rs", rust)] {
        let mut screen = Screen::new(60, 12, Theme::Mono, &[path]);
        screen.load();
        screen.change(path, text);
        screen.score_all();
        insta::assert_snapshot!(path.replace('.', "_"), screen.picture());
    }
}

#[test]
fn several_documents_stand_in_a_list_with_their_state() {
    let mut screen = Screen::new(
        110,
        14,
        DARK,
        &["notes.md", "a/draft.md", "b/draft.md", "x.bin"],
    );
    screen.load();
    screen.change("notes.md", NOTES);
    screen.change("a/draft.md", "The colour of it. Their banana go.");
    screen.score_all();
    screen.change("b/draft.md", "Still being read.");
    let reason = "byte 3 is NUL, so this is not a text file".to_owned();
    screen.send(Message::File(FileEvent::Unreadable("x.bin".into(), reason)));
    screen.press("gt");
    insta::assert_snapshot!(screen.picture());
}

#[test]
fn popups_lie_over_the_text() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.press("?");
    insta::assert_snapshot!("popup_help", screen.text());
    screen.press("esc :");
    screen.type_in("flag");
    insta::assert_snapshot!("popup_palette", screen.text());
    screen.press("esc o");
    screen.send(Message::Found(
        Purpose::Offer,
        Found {
            root: ".".into(),
            paths: ["README.md", "docs/guide.md", "notes.md"]
                .map(PathBuf::from)
                .into(),
            is_last: true,
        },
    ));
    screen.type_in("gu");
    insta::assert_snapshot!("popup_opener", screen.text());
    screen.press("esc g");
    insta::assert_snapshot!("popup_continuations", screen.text());
    screen.press("g /");
    screen.type_in("the");
    insta::assert_snapshot!("popup_search", screen.picture());
}

#[test]
fn every_state_of_the_work_can_be_seen() {
    let mut screen = Screen::new(80, 12, DARK, &["notes.md"]);
    let mut seen = screen.text();
    screen.send(Message::Model(Reply::Loading(
        "downloading model.safetensors 41 %".into(),
    )));
    screen.change("notes.md", NOTES);
    seen += &screen.text();
    screen.load();
    let Some(Effect::Model(Job::Score {
        id,
        generation,
        document,
    })) = screen
        .effects
        .iter()
        .rev()
        .find(|effect| matches!(effect, Effect::Model(Job::Score { .. })))
        .cloned()
    else {
        panic!("nothing is to be scored");
    };
    screen.send(Message::Model(Reply::Scored {
        id,
        generation,
        reading: Arc::new(readings(&document).remove(0)),
        progress: 0.25,
    }));
    seen += &screen.text();
    screen.score_all();
    screen.send(Message::File(FileEvent::Vanished("notes.md".into())));
    seen += &screen.text();
    screen.change("notes.md", "");
    screen.score_all();
    seen += &screen.text();
    insta::assert_snapshot!(seen);
}

#[test]
fn what_cannot_be_had_is_said_with_its_reason() {
    let mut screen = Screen::new(90, 14, DARK, &["gone.md"]);
    screen.send(Message::File(FileEvent::Vanished("gone.md".into())));
    screen.send(Message::Model(Reply::LoadFailed(
        "cannot reach https://hub.example for org/name: no route; without a network use the built-in model (`--model builtin`)".into(),
    )));
    insta::assert_snapshot!(screen.text());
}

#[test]
fn a_document_cannot_drive_the_terminal() {
    let mut screen = Screen::new(64, 12, DARK, &["bad\x1b]0;title\x07.txt"]);
    screen.load();
    let text = "esc \x1b[31mred\x1b[0m bell \x07 c1 \u{9b}2J\n\
        tab\tafter\rreturn\n\
        rtl \u{202e}desrever\u{202c} שלום עולם end\n\
        zero a\u{200b}b e\u{301}\u{301} \u{301}x z\u{300}\u{300}\u{300}\n\
        wide 四五六 🙂 👩‍👩‍👧 end\n";
    screen.change("bad\x1b]0;title\x07.txt", text);
    screen.score_all();
    let picture = screen.text();
    assert!(!picture.chars().any(|c| c.is_control() && c != '\n'));
    insta::assert_snapshot!(picture);
}

#[test]
fn the_other_tabs_say_what_they_need_and_pretend_nothing() {
    let mut screen = Screen::with_notes(90, 16, DARK);
    screen.press("2");
    let mut seen = screen.text();
    screen.press("tab tab");
    assert_eq!(screen.state.panel, Panel::Tag);
    seen += &screen.text();
    insta::assert_snapshot!(seen);
}

#[test]
fn no_size_is_too_small() {
    for width in 0..48 {
        for height in 0..9 {
            let mut screen = Screen::with_notes(width, height, DARK);
            screen.press("]d / x enter ? ctrl-d esc : esc o esc g");
            screen.buffer();
        }
    }
}

// What it does.

#[test]
fn opening_a_document_asks_to_watch_and_then_to_score_it() {
    let mut screen = Screen::new(80, 24, DARK, &["notes.md"]);
    assert_eq!(
        screen.effects,
        [Effect::Watch {
            path: "notes.md".into(),
            language: Language::Markdown,
            known: None
        }]
    );
    screen.effects.clear();
    screen.change("notes.md", NOTES);
    let id = screen.state.documents[0].id;
    let generation = Generation(1);
    assert!(
        matches!(&screen.effects[..], [Effect::Exemptions(_), Effect::Model(Job::Score { id: a, generation: b, .. }), Effect::Model(Job::Focus { id: c, .. })] if (*a, *b, *c) == (id, generation, id))
    );
}

#[test]
fn a_late_answer_about_an_older_text_is_dropped() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    let before = screen.state.documents[0].clone();
    screen.change("notes.md", &NOTES.replace("banana", "building"));
    let late = before.clone();
    for reading in readings(before.document.as_ref().unwrap()) {
        screen.send(Message::Model(Reply::Scored {
            id: late.id,
            generation: late.generation,
            reading: Arc::new(reading),
            progress: 1.0,
        }));
    }
    screen.finish(late.id, late.generation);
    assert_eq!(screen.state.documents[0].work, Work::Waiting);
    assert!(!screen.text().contains("banana"));
}

#[test]
fn an_edit_keeps_the_picture_until_the_newer_one_comes() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    assert_eq!(screen.state.documents[0].readings.flagged(), 2);
    screen.change("notes.md", &NOTES.replace("# Harbour", "# The old harbour"));
    // Nothing has been scored yet, and the words that stayed are still flagged.
    assert_eq!(screen.state.documents[0].readings.flagged(), 2);
    screen.press("]d");
    assert_eq!(screen.cursor_word().as_deref(), Some("banana"));
    screen.score_all();
    assert_eq!(screen.state.documents[0].readings.flagged(), 2);
    screen.change("notes.md", &NOTES.replace("banana", "colour"));
    assert_eq!(screen.state.documents[0].readings.flagged(), 1);
    screen.score_all();
    assert_eq!(screen.state.documents[0].readings.flagged(), 2);
}

#[test]
fn flagged_words_are_visited_in_a_circle() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    let mut visit = |keys: &str| {
        screen.press(keys);
        screen.cursor_word().unwrap()
    };
    assert_eq!(visit("]d"), "banana");
    assert_eq!(visit("]d"), "go");
    assert_eq!(visit("]d"), "banana");
    assert_eq!(visit("[d"), "go");
    assert_eq!(visit("[d"), "banana");
    assert_eq!(screen.notice(), "");
    screen.press("[d");
    assert_eq!(screen.notice(), "from the end again");
}

#[test]
fn the_threshold_moves_and_comes_back_to_the_models_own() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.press("-");
    assert_eq!(screen.notice(), "threshold 0.60: 2 words flagged");
    screen.press("- -");
    assert_eq!(screen.notice(), "threshold 0.56: 3 words flagged");
    screen.press("= ");
    assert_eq!(screen.state.threshold(), 0.62);
    screen.press(":");
    screen.type_in("threshold 0.9");
    screen.press("enter");
    assert_eq!(screen.notice(), "threshold 0.90: 1 word flagged");
    for _ in 0..20 {
        screen.press("+");
    }
    assert_eq!(screen.state.threshold(), 0.98);
}

#[test]
fn a_search_goes_along_as_it_is_typed_and_esc_goes_back() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.press("j j /");
    let before = screen.state.documents[0].cursor;
    screen.type_in("ferry");
    assert_eq!(screen.cursor_word().as_deref(), Some("ferry"));
    screen.press("esc");
    assert_eq!(screen.state.documents[0].cursor, before);
    screen.press("/");
    screen.type_in("item");
    screen.press("enter n");
    assert_eq!(
        screen.state.documents[0].cursor,
        NOTES.rfind("item").unwrap()
    );
    screen.press("n");
    assert_eq!(screen.notice(), "the search went on from the top");
    screen.press("N");
    assert_eq!(screen.notice(), "the search went on from the end");
    screen.press("/");
    screen.type_in("zebra");
    assert_eq!(screen.notice(), "no match for zebra");
    screen.press("esc");
    assert_eq!(screen.notice(), "");
    screen.press("/");
    screen.type_in("zebra");
    // The first Esc leaves the prompt, the next what was found.
    screen.press("esc n");
    assert_eq!(screen.notice(), "nothing to search for yet; / asks what");
}

#[test]
fn keys_move_the_cursor_as_in_vi() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    let mut word = |keys: &str| {
        screen.press(keys);
        screen.cursor_word()
    };
    assert_eq!(word("w").as_deref(), Some("Harbour"));
    assert_eq!(word("w w w").as_deref(), Some("committee"));
    assert_eq!(word("b b").as_deref(), Some("notes"));
    assert_eq!(word("0"), None);
    assert_eq!(word("$").as_deref(), Some("notes"));
    assert_eq!(word("G").as_deref(), None);
    assert_eq!(word("gg l l").as_deref(), Some("Harbour"));
    screen.press("X");
    assert!(matches!(screen.state.popup, Some(Popup::Opener(_))));
}

#[test]
fn the_editor_is_called_at_the_cursor_and_copies_go_to_the_clipboard() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.press("]d e y Y");
    let path = PathBuf::from("notes.md");
    let wanted = [
        Effect::Edit {
            path,
            line: 3,
            column: 28,
        },
        Effect::Copy("banana".into()),
        Effect::Copy("notes.md:3:28: 0.94 banana\nnotes.md:5:5: 0.71 go\n".into()),
    ];
    let asked: Vec<&Effect> = screen
        .effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::Model(Job::Focus { .. })))
        .collect();
    assert_eq!(asked, wanted.iter().collect::<Vec<_>>());
}

#[test]
fn a_file_that_vanishes_keeps_its_text_and_one_that_comes_back_unchanged_is_not_scored_again() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.send(Message::File(FileEvent::Vanished("notes.md".into())));
    assert!(screen.text().contains("committee"));
    assert!(
        screen
            .text()
            .contains("✗ last text, not the file: the file is gone")
    );
    screen.effects.clear();
    screen.change("notes.md", NOTES);
    assert!(screen.effects.is_empty());
    assert!(!screen.text().contains("the file is gone"));
    screen.change("notes.md", "other");
    assert!(matches!(
        screen.effects[1],
        Effect::Model(Job::Score { .. })
    ));
}

#[test]
fn polling_is_said_once_with_its_reason() {
    let mut screen = Screen::with_notes(120, 24, DARK);
    screen.send(Message::File(FileEvent::Watching(
        "notes.md".into(),
        Watching::Native,
    )));
    assert!(screen.text().contains("watching ●"));
    let polling = Watching::Polling("no space for watches".into());
    screen.send(Message::File(FileEvent::Watching(
        "notes.md".into(),
        polling,
    )));
    assert!(screen.notice().contains("no space for watches"));
    screen.press("j");
    assert!(screen.text().contains("polling ◌"));
}

#[test]
fn the_visible_part_is_told_only_when_it_changes() {
    let long: String = (0..200)
        .map(|n| format!("line {n} of the text\n\n"))
        .collect();
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.change("notes.md", &long);
    screen.effects.clear();
    let focused = |screen: &mut Screen| -> Vec<usize> {
        std::mem::take(&mut screen.effects)
            .iter()
            .filter_map(|effect| match effect {
                Effect::Model(Job::Focus { span, .. }) => Some(span.start()),
                _ => None,
            })
            .collect()
    };
    screen.press("j l");
    assert_eq!(focused(&mut screen), [0usize; 0]);
    screen.press("ctrl-d");
    assert_eq!(focused(&mut screen).len(), 1);
    screen.press("G");
    let at_end = focused(&mut screen);
    assert!(at_end[0] > long.len() / 2);
}

#[test]
fn the_mouse_scrolls_jumps_and_switches() {
    let long: String = (0..200).map(|n| format!("line {n} banana\n\n")).collect();
    let mut screen = Screen::new(110, 24, DARK, &["long.md", "notes.md"]);
    screen.load();
    screen.change("long.md", &long);
    screen.change("notes.md", NOTES);
    screen.score_all();
    screen.mouse(MouseEventKind::ScrollDown, 40, 10);
    let open = &screen.state.documents[0];
    assert_eq!(open.lines.line_of(open.top), 3);
    let areas = super::areas::Areas::of(&screen.state);
    screen.click(areas.text.x + 2, areas.text.y + 5);
    let open = &screen.state.documents[0];
    assert_eq!(open.lines.position(open.text(), open.cursor).line, 9);
    screen.click(areas.strip.x, areas.strip.bottom() - 1);
    assert!(screen.state.documents[0].cursor > long.len() / 2);
    // A flagged word in the list.
    let row = areas.panel.y + 15;
    screen.click(areas.panel.x + 4, row);
    assert_eq!(screen.cursor_word().as_deref(), Some("banana"));
    screen.mouse(MouseEventKind::ScrollUp, areas.panel.x + 4, row);
    assert!(screen.state.list_top.is_some());
    // A tab.
    let tab = row_of(&screen, 1).find("3 Ask").unwrap();
    let column = row_of(&screen, 1)[..tab].chars().count() as u16;
    screen.click(column, 1);
    assert_eq!(screen.state.panel, Panel::Ask);
    // The list of documents.
    screen.click(4, 3);
    assert_eq!(screen.state.current, 1);
    screen.press("M");
    assert_eq!(screen.effects.last(), Some(&Effect::CaptureMouse(false)));
}

fn row_of(screen: &Screen, y: usize) -> String {
    screen.text().lines().nth(y).unwrap().to_owned()
}

#[test]
fn a_folder_fills_the_list_and_an_empty_one_is_said() {
    let opening = |folder: &str| Opening {
        folders: vec![folder.into()],
        size: Size {
            width: 100,
            height: 20,
        },
        ..Opening::plain(DARK)
    };
    let found = |paths: &[&str], is_last| {
        Message::Found(
            Purpose::Open,
            Found {
                root: "docs".into(),
                paths: paths.iter().map(PathBuf::from).collect(),
                is_last,
            },
        )
    };
    let (state, effects) = State::new(opening("docs"));
    assert_eq!(
        effects,
        [Effect::Find {
            root: "docs".into(),
            purpose: Purpose::Open
        }]
    );
    let mut screen = Screen { state, effects };
    screen.send(found(&["docs/a.md"], false));
    screen.send(found(&["docs/b.md"], true));
    let watched = screen
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Watch { .. }));
    assert_eq!((watched.count(), screen.state.documents.len()), (2, 2));

    let (state, effects) = State::new(opening("docs"));
    let mut screen = Screen { state, effects };
    screen.send(found(&[], true));
    assert!(screen.notice().starts_with("no documents"));
}

#[test]
fn the_documents_of_a_huge_folder_are_read_when_they_are_looked_at() {
    let mut screen = Screen::new(100, 20, DARK, &["a.md"]);
    let paths: Vec<PathBuf> = (0..1000)
        .map(|n| format!("docs/{n:04}.md").into())
        .collect();
    screen.effects.clear();
    screen.send(Message::Found(
        Purpose::Open,
        Found {
            root: "docs".into(),
            paths,
            is_last: true,
        },
    ));
    let watched = |screen: &Screen| {
        let effects = screen.effects.iter();
        effects
            .filter(|effect| matches!(effect, Effect::Watch { .. }))
            .count()
    };
    assert_eq!(watched(&screen), 199);
    screen.press("gT");
    assert_eq!(watched(&screen), 200);
    assert_eq!(
        screen.state.document().unwrap().path,
        Path::new("docs/0999.md")
    );
}

#[test]
fn leaving_has_an_exit_code() {
    for (message, code) in [(None, 0), (Some(Message::End(143)), 143)] {
        let mut screen = Screen::with_notes(80, 24, DARK);
        match message {
            Some(message) => screen.send(message),
            None => screen.press("q"),
        }
        assert_eq!(screen.state.quit, Some(code));
    }
    let mut screen = Screen::with_notes(80, 24, DARK);
    screen.press("/ ctrl-c");
    assert_eq!(screen.state.quit, Some(130));
}

#[test]
fn a_screen_at_rest_is_not_busy() {
    let mut screen = Screen::new(80, 24, DARK, &["notes.md"]);
    assert!(screen.state.is_busy());
    screen.load();
    screen.change("notes.md", NOTES);
    assert!(screen.state.is_busy());
    screen.score_all();
    assert!(!screen.state.is_busy());
    screen.state.model = Model::Failed("gone".into());
    screen.change("notes.md", "new");
    assert!(!screen.state.is_busy());
}

#[test]
fn a_frame_of_a_huge_document_lays_out_what_is_visible_only() {
    // One line of ten megabytes; were it laid out whole, this would take minutes.
    let text = "The boats wait in the harbour. ".repeat(340_000);
    let mut screen = Screen::new(120, 40, DARK, &["long.txt"]);
    screen.load();
    screen.change("long.txt", &text);
    for keys in ["G", "ctrl-u", "ctrl-u", "gg", "ctrl-d", "]d"] {
        screen.press(keys);
        screen.buffer();
    }
    assert_eq!(screen.state.documents[0].work, Work::Waiting);
}
