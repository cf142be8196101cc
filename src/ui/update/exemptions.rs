//! Words that are not flagged: accepting one, silencing a place, and what becomes of that.

use super::super::message::Effect;
use super::super::state::State;
use super::file_event;
use crate::worker::exemptions::{DictionaryOf, ExemptionJob, ExemptionReply};
use crate::worker::files::FileEvent;

/// Accepts the word under the cursor.
pub(super) fn accept(state: &mut State, dictionary: DictionaryOf, effects: &mut Vec<Effect>) {
    let word = state.document().and_then(|open| {
        let (word, _) = open.word()?;
        Some((open.word_text(word.span).into_owned(), open.path.clone()))
    });
    match word {
        Some((word, path)) => effects.push(Effect::Exemptions(ExemptionJob::Accept {
            word,
            path,
            dictionary,
        })),
        None => state.say("no scored word is under the cursor"),
    }
}

/// Has a mark for the word under the cursor written into the document.
pub(super) fn silence(state: &mut State, effects: &mut Vec<Effect>) {
    let place = state.document().and_then(|open| {
        let (word, _) = open.word()?;
        let text = open.word_text(word.span).into_owned();
        Some((open.document.clone()?, word.span, text))
    });
    match place {
        Some((document, span, word)) => effects.push(Effect::Exemptions(ExemptionJob::Silence {
            document,
            span,
            word,
        })),
        None => state.say("no scored word is under the cursor"),
    }
}

/// Takes in what the thread has to say.
pub(super) fn reply(state: &mut State, reply: ExemptionReply, effects: &mut Vec<Effect>) {
    match reply {
        ExemptionReply::Found {
            id,
            generation,
            exemptions,
        } => {
            let found = state.by_id(id).filter(|open| open.generation == generation);
            let Some(open) = found else { return };
            let is_new = open.exemptions().marks().misspelt() != exemptions.marks().misspelt();
            let wrong = exemptions.marks().misspelt().first();
            let wrong = wrong.filter(|_| is_new);
            let wrong = wrong.map(|mark| format!("{}: {mark}", open.path.display()));
            open.exempt(*exemptions);
            if let Some(wrong) = wrong {
                state.complain(wrong);
            }
        }
        ExemptionReply::Done { text, document } => {
            match document {
                // Before whoever watches the file tells of it.
                Some(document) => file_event(state, FileEvent::Changed(document), effects),
                None => effects.extend(state.documents.iter().filter_map(State::find_exemptions)),
            }
            state.say(text);
        }
        ExemptionReply::Failed(why) => state.complain(why),
    }
}
