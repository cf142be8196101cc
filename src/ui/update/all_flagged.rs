//! The list of the flagged words of all open documents.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::message::Effect;
use super::super::prompt::Picker;
use super::super::state::{FlaggedPlace, Popup, State};
use super::{go_to, show_document};

/// Words that are listed at most.
const MOST: usize = 5_000;

/// Opens the list, in the order of the panel's.
pub(super) fn list(state: &mut State) {
    let mut places = Vec::new();
    for open in &state.documents {
        let room = MOST.saturating_sub(places.len());
        places.extend(open.readings.flagged_from(0).take(room).map(|word| {
            let start = word.span.start();
            let place = open.lines.position(open.text(), start);
            let path = open.path.display();
            let text = open.word_text(word.span);
            FlaggedPlace {
                id: open.id,
                start,
                shown: format!("{path}:{}:{} {text}", place.line, place.column),
                p: word.p,
            }
        }));
    }
    if state.by_p {
        places.sort_by(|a, b| b.p.total_cmp(&a.p));
    }
    if places.is_empty() {
        return state.say("no word is flagged in any open document");
    }
    if places.len() == MOST {
        state.say(format!("only the first {MOST} flagged words are listed"));
    }
    let picker = Picker::new(&entries(&places));
    state.popup = Some(Popup::Flagged(places, picker));
}

/// What the list is filtered by.
pub(super) fn entries(places: &[FlaggedPlace]) -> Vec<&str> {
    places.iter().map(|place| &*place.shown).collect()
}

/// A key while the list is open.
pub(super) fn key(
    state: &mut State,
    places: Vec<FlaggedPlace>,
    mut picker: Picker,
    key: KeyEvent,
    effects: &mut Vec<Effect>,
) {
    match key.code {
        KeyCode::Esc => {}
        KeyCode::Enter => match picker.chosen().and_then(|at| places.get(at)) {
            Some(place) => {
                let at = (state.documents.iter()).position(|open| open.id == place.id);
                if let Some(at) = at {
                    show_document(state, at, effects);
                    go_to(state, place.start);
                }
            }
            None => state.popup = Some(Popup::Flagged(places, picker)),
        },
        _ => {
            state.is_unsettled |= picker.press(key);
            state.popup = Some(Popup::Flagged(places, picker));
        }
    }
}
