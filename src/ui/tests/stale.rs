//! A picture that is not true any more says so, at every width.

use crate::worker::files::{FileEvent, Watching};
use crate::worker::inference::Reply;

use super::*;

/// The rows of the screen as one text: what is said may be broken anywhere.
fn in_one(screen: &Screen) -> String {
    let area = crate::ui::areas::Areas::of(&screen.state).banner;
    let (buffer, _) = screen.buffer();
    let cells = (area.y..area.bottom()).flat_map(|y| (area.x..area.right()).map(move |x| (x, y)));
    let text: String = cells.map(|at| buffer[at].symbol().to_owned()).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_file_that_cannot_be_read_any_more_is_told_above_its_text_at_every_width() {
    let long = "a-name-that-takes-all-the-room-of-the-status-line-and-then-some-more-of-it.md";
    for width in [24, 40, 64, 80, 100, 140, 200] {
        for event in [
            FileEvent::Vanished(long.into()),
            FileEvent::Unreadable(long.into(), "byte 5 is not UTF-8".into()),
            FileEvent::Unreadable(long.into(), "it is a folder".into()),
        ] {
            let mut screen = Screen::new(width, 24, DARK, &[long, "other.md"]);
            screen.load();
            screen.change(long, NOTES);
            screen.score_all();
            let before = crate::ui::areas::Areas::of(&screen.state).text;
            assert_eq!(in_one(&screen), "");
            screen.send(Message::File(event.clone()));
            let said = in_one(&screen);
            assert!(
                said.starts_with("✗ last text, not the file"),
                "{width}: {said}"
            );
            // A key takes notices away, and not this.
            screen.press("j");
            assert_eq!(in_one(&screen), said);
            if width >= 64 {
                let reason = match event {
                    FileEvent::Unreadable(_, reason) => reason,
                    _ => "the file is gone".to_owned(),
                };
                assert!(said.ends_with(&reason), "{width}: {said}");
            }
            screen.change(long, NOTES);
            assert_eq!(in_one(&screen), "");
            assert_eq!(crate::ui::areas::Areas::of(&screen.state).text, before);
        }
    }
}

#[test]
fn a_text_that_could_not_be_scored_says_so() {
    let mut screen = Screen::with_notes(80, 24, DARK);
    let open = &screen.state.documents[0];
    let (id, generation) = (open.id, open.generation);
    screen.send(Message::Model(Reply::Failed {
        id,
        generation,
        reason: "the model panicked".into(),
    }));
    screen.press("j p");
    assert_eq!(in_one(&screen), "✗ not scored: the model panicked");
    let mut screen = Screen::new(60, 24, DARK, &["notes.md"]);
    screen.change("notes.md", NOTES);
    screen.send(Message::Model(Reply::LoadFailed("no route".into())));
    assert_eq!(in_one(&screen), "✗ not scored: no route");
}

#[test]
fn the_note_that_a_file_is_polled_goes_when_that_ends() {
    let mut screen = Screen::with_notes(120, 24, DARK);
    let path = PathBuf::from("notes.md");
    let polling = Watching::Polling("the folder d is not there".into());
    screen.send(Message::File(FileEvent::Watching(path.clone(), polling)));
    assert!(screen.notice().contains("the folder d is not there"));
    screen.send(Message::File(FileEvent::Watching(path, Watching::Native)));
    assert_eq!(screen.notice(), "");
}
