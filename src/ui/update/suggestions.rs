//! What could stand in the place of a word: when it is looked for, the list of it, and what is chosen.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::areas::Areas;
use super::super::message::Effect;
use super::super::open::{Open, Work};
use super::super::prompt::Picker;
use super::super::readings::Hot;
use super::super::state::{Model, Panel, Popup, State, SuggestedFor};
use super::super::suggested::{Found, shown};
use super::super::view;
use crate::worker::exemptions::ExemptionJob;
use crate::worker::inference::Job;
use electroscope_analysis::Edit;
use electroscope_text::{Document, Span};

/// Has suggestions looked for, for the next word that shows them and has none yet: the one whose list is
/// open, the one under the cursor, those in the list of flagged words. Asks for one at a time, and again
/// only if another word comes first by now.
pub(super) fn ask(state: &mut State, effects: &mut Vec<Effect>) {
    if let Some(Popup::Suggestions(word, _)) = state.popup
        && !is_current(state, word)
    {
        state.popup = None;
        state.complain("the text has changed, so its suggestions were closed");
    }
    let next = wanted(state);
    if next.is_none() || next == state.suggesting {
        return;
    }
    state.suggesting = next;
    let Some((word, is_asked)) = next else { return };
    let document = state.document().and_then(|open| open.document.clone());
    if let Some(document) = document {
        effects.push(Effect::Model(Job::Suggest {
            id: word.id,
            generation: word.generation,
            document,
            word: word.word,
            is_asked,
        }));
    }
}

/// Whether `word` is one of the text that is shown.
fn is_current(state: &State, word: SuggestedFor) -> bool {
    let is_of = |open: &Open| open.id == word.id && open.generation == word.generation;
    state.document().is_some_and(is_of)
}

/// The word that suggestions are missing for, and whether the reader asked for them.
fn wanted(state: &State) -> Option<(SuggestedFor, bool)> {
    if state.is_switching || !matches!(state.model, Model::Ready(_)) {
        return None;
    }
    let open = state.document()?;
    let is_missing = |word: Span| open.suggested.of(word).is_none();
    let of = |word: Span, is_asked: bool| {
        let word = SuggestedFor {
            id: open.id,
            generation: open.generation,
            word,
        };
        (word, is_asked)
    };
    if let Some(Popup::Suggestions(word, _)) = &state.popup {
        return is_missing(word.word).then(|| of(word.word, true));
    }
    // What is read later may show other words.
    if state.panel != Panel::Heat || !matches!(open.work, Work::Scored { .. }) {
        return None;
    }
    let areas = Areas::of(state);
    if areas.panel.is_empty() {
        return None;
    }
    let here = open.word().map(|(word, _)| word);
    let here = here.filter(Hot::is_doubtful).map(|word| word.span);
    let listed = view::flagged_in_list(state, &areas).into_iter();
    let mut words = here.into_iter().chain(listed.map(|word| word.span));
    let word = words.find(|&word| is_missing(word))?;
    Some(of(word, false))
}

/// Takes in what was found for a word.
pub(super) fn reply(state: &mut State, word: SuggestedFor, found: Found) {
    state.suggesting.take_if(|(asked, _)| *asked == word);
    let open = state.by_id(word.id);
    if let Some(open) = open.filter(|open| open.generation == word.generation) {
        open.suggested.insert(word.word, found);
        state.is_unsettled |= matches!(state.popup, Some(Popup::Suggestions(..)));
    }
}

/// Lists what could stand in the place of the word under the cursor.
pub(super) fn list(state: &mut State) {
    match &state.model {
        Model::Ready(_) if !state.is_switching => {}
        Model::Failed(_) => return state.say("there is no model to ask"),
        Model::Ready(_) | Model::Loading(_) => return state.say("the model is not loaded yet"),
    }
    let word = state.document().and_then(|open| {
        let (word, _) = open.word()?;
        Some(SuggestedFor {
            id: open.id,
            generation: open.generation,
            word: word.span,
        })
    });
    let Some(word) = word else {
        return state.say("no scored word is under the cursor");
    };
    state.popup = Some(Popup::Suggestions(word, Picker::default()));
    let entries = entries(state);
    if let Some(Popup::Suggestions(_, picker)) = &mut state.popup {
        picker.filter(&entries);
    }
}

/// What the list is filtered by.
pub(super) fn entries(state: &State) -> Vec<String> {
    let (Some(Popup::Suggestions(word, _)), Some(open)) = (&state.popup, state.document()) else {
        return Vec::new();
    };
    let candidates = open.suggested.candidates(word.word).iter();
    candidates
        .map(|candidate| shown(&candidate.replacement).to_owned())
        .collect()
}

/// A key while the list is open.
pub(super) fn key(
    state: &mut State,
    word: SuggestedFor,
    mut picker: Picker,
    key: KeyEvent,
    effects: &mut Vec<Effect>,
) {
    match key.code {
        KeyCode::Esc => {}
        KeyCode::Enter => {
            let edit = state
                .document()
                .filter(|_| is_current(state, word))
                .and_then(|open| chosen(open, word.word, &picker));
            match edit {
                Some((edit, document, word)) => {
                    effects.push(Effect::Exemptions(ExemptionJob::Mend {
                        document,
                        edit,
                        word,
                    }));
                }
                None => state.popup = Some(Popup::Suggestions(word, picker)),
            }
        }
        _ => {
            state.is_unsettled |= picker.press(key);
            state.popup = Some(Popup::Suggestions(word, picker));
        }
    }
}

/// The change that was chosen; with nothing that fits, what was typed stands for the word.
fn chosen(open: &Open, word: Span, picker: &Picker) -> Option<(Edit, Document, String)> {
    let candidates = open.suggested.candidates(word);
    let edit = match picker.chosen().and_then(|at| candidates.get(at)) {
        Some(candidate) => Edit {
            span: candidate.span,
            replacement: candidate.replacement.clone(),
        },
        None => {
            let typed = picker.prompt.text().trim();
            (!typed.is_empty()).then(|| Edit {
                span: word,
                replacement: typed.to_owned(),
            })?
        }
    };
    let document = open.document.clone()?;
    Some((edit, document, open.word_text(word).into_owned()))
}
