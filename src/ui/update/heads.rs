//! What the panels of the heads do: which head, what it is asked, and where its findings lead.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::worker::heads::{Finding, HeadJob, HeadReply, Request};
use electroscope_analysis::{HeadChoice, Task, UnitKind};

use super::super::findings::{HeadState, HeadWork, Item, ReadyHead, items};
use super::super::message::Effect;
use super::super::prompt::{Picker, Prompt};
use super::super::state::{Panel, Popup, State};
use super::go_to;

/// Questions that are remembered.
const QUESTIONS: usize = 50;

/// Asks the head of the panel for what is shown and not known yet, and has it loaded if it was
/// chosen once. Costs nothing if nothing is missing.
pub(super) fn ask_heads(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(task) = state.panel.task().filter(|_| state.panel_shown) else {
        return;
    };
    if state.choices.is_none() {
        state.choices = Some(Vec::new());
        effects.push(Effect::Head(HeadJob::List));
    }
    match &state.heads[task] {
        HeadState::Absent => {
            if let Some(choice) = state.head_choice(task).cloned() {
                load(state, task, choice, effects);
            }
        }
        HeadState::Ready(_) => read(state, task, effects),
        HeadState::Loading(_) | HeadState::Failed(_) => {}
    }
}

fn load(state: &mut State, task: Task, choice: String, effects: &mut Vec<Effect>) {
    state.heads[task] = HeadState::Loading(format!("opening {choice}"));
    effects.push(Effect::Head(HeadJob::Load { task, choice }));
}

/// Has the document on the screen read, unless that has been asked already.
fn read(state: &mut State, task: Task, effects: &mut Vec<Effect>) {
    let (unit, question) = (state.unit, state.question.clone());
    let Some(open) = state.document_mut() else {
        return;
    };
    let Some(document) = open.document.clone() else {
        return;
    };
    let (generation, findings) = (open.generation, &mut open.findings);
    let request = match task {
        Task::Classification => {
            let wanted = Some((generation, unit));
            let before = std::mem::replace(&mut findings.classified, wanted);
            if before == wanted {
                return;
            }
            if before.is_some_and(|(_, before)| before != unit) {
                findings.units.clear();
            }
            Request::Classify(unit)
        }
        Task::QuestionAnswering => {
            let Some(question) = question else { return };
            let wanted = Some((generation, question.clone()));
            let before = std::mem::replace(&mut findings.asked, wanted.clone());
            if before == wanted {
                return;
            }
            if before.is_some_and(|(_, before)| before != question) {
                findings.answers.clear();
                findings.no_answer = None;
                findings.chosen = 0;
            }
            Request::Ask(question)
        }
        Task::Tagging => {
            if findings.tagged.replace(generation) == Some(generation) {
                return;
            }
            Request::Tag
        }
    };
    findings.work[task] = HeadWork::Reading;
    effects.push(Effect::Head(HeadJob::Read {
        id: open.id,
        generation,
        document,
        request,
    }));
}

pub(super) fn head_reply(state: &mut State, reply: HeadReply) {
    match reply {
        HeadReply::Choices(choices) => {
            state.choices = Some(choices);
            state.is_unsettled = true;
        }
        HeadReply::Loading { task, step } => {
            if matches!(state.heads[task], HeadState::Loading(_)) {
                state.heads[task] = HeadState::Loading(step);
            }
        }
        HeadReply::Loaded { task, summary } => {
            if let Some(note) = &summary.note {
                state.say(note.clone());
            }
            state.heads[task] = HeadState::Ready(ReadyHead::new(summary));
            for open in &mut state.documents {
                open.findings.forget(task);
            }
            if task == Task::Tagging {
                state.filter = None;
            }
        }
        HeadReply::LoadFailed { task, reason } => state.heads[task] = HeadState::Failed(reason),
        HeadReply::Found {
            id,
            generation,
            finding,
        } => found(state, id, generation, finding),
        HeadReply::Finished {
            id,
            generation,
            task,
            elapsed,
        } => {
            let filter = state.filter;
            let head = state.heads[task].clone();
            let Some(open) = state.by_id(id).filter(|open| open.generation == generation) else {
                return;
            };
            open.findings.settle(generation, task);
            open.findings.work[task] = HeadWork::Done(elapsed);
            if let (Task::Tagging, HeadState::Ready(head)) = (task, &head) {
                open.findings.list_tags(head, filter);
            }
        }
        HeadReply::Failed {
            id,
            generation,
            task,
            reason,
        } => {
            if let Some(open) = state.by_id(id).filter(|open| open.generation == generation) {
                open.findings.work[task] = HeadWork::Failed(reason);
            }
        }
    }
}

fn found(
    state: &mut State,
    id: crate::worker::inference::DocumentId,
    generation: crate::worker::inference::Generation,
    finding: Finding,
) {
    let is_shown = state.document().is_some_and(|open| open.id == id);
    let is_answer = matches!(finding, Finding::Answers(..));
    let Some(open) = state.by_id(id).filter(|open| open.generation == generation) else {
        return;
    };
    open.findings.take(generation, finding);
    if !is_answer || state.asked_in != Some(id) {
        return;
    }
    // The first answer in the document in which the question was asked is what the reader waits for.
    // After an edit, and in other documents, the text stays where it is, and so it does where the head
    // says that there is no answer.
    state.asked_in = None;
    let (Some(open), HeadState::Ready(head)) = (
        state.document().filter(|_| is_shown),
        &state.heads[Task::QuestionAnswering],
    ) else {
        return;
    };
    let findings = &open.findings;
    let first = findings.answers.first().map(|answer| answer.span);
    if let Some(span) = first.filter(|_| !findings.is_refused(head)) {
        go_to(state, span.start());
    }
}

/// To the next or the last thing that the panel lists, in a circle.
pub(super) fn step_item(state: &mut State, forward: bool) {
    let (panel, Some(open)) = (state.panel, state.document()) else {
        return;
    };
    let listed = items(state.panel, &open.findings);
    if listed.is_empty() {
        return state.say(match panel {
            Panel::Ask => "there is no answer to go to; a asks a question",
            _ if state.is_busy() => "there is nothing to go to yet",
            _ => "there is nothing to go to",
        });
    }
    let count = listed.len();
    let cursor = open.cursor;
    let at = if panel == Panel::Ask {
        // Answers stand by how good they are, not by where.
        let chosen = open.findings.chosen;
        (chosen + if forward { 1 } else { count - 1 }) % count
    } else if forward {
        let next = listed.iter().position(|item| item.span.start() > cursor);
        next.unwrap_or(0)
    } else {
        let last = listed.iter().rposition(|item| item.span.start() < cursor);
        last.unwrap_or(count - 1)
    };
    choose_item(state, at);
}

/// Goes to thing number `at` of the panel's list.
pub(super) fn choose_item(state: &mut State, at: usize) {
    let panel = state.panel;
    let Some(open) = state.document_mut() else {
        return;
    };
    let item: Option<Item> = items(panel, &open.findings).get(at).cloned();
    let Some(item) = item else { return };
    if panel == Panel::Ask {
        open.findings.chosen = at;
    }
    go_to(state, item.span.start());
}

pub(super) fn next_unit(state: &mut State) {
    state.unit = match state.unit {
        UnitKind::Document => UnitKind::Paragraph,
        UnitKind::Paragraph => UnitKind::Sentence,
        UnitKind::Sentence => UnitKind::Document,
    };
    super::show_panel(state, Panel::Classify);
    state.say(match state.unit {
        UnitKind::Document => "classifying the document as a whole",
        UnitKind::Paragraph => "classifying paragraphs",
        UnitKind::Sentence => "classifying sentences",
    });
}

pub(super) fn next_filter(state: &mut State) {
    super::show_panel(state, Panel::Tag);
    if state.ready().is_none() {
        return;
    }
    let kinds = state
        .document()
        .map_or(Vec::new(), |open| open.findings.kinds_by_count());
    // In the order of the legend; after the last come all.
    let next = match state.filter {
        None => kinds.first(),
        Some(kind) => {
            let at = kinds.iter().position(|&listed| listed == kind);
            at.and_then(|at| kinds.get(at + 1))
        }
    };
    set_filter(state, next.copied());
}

/// Lists tags of `kind` only, or all.
pub(super) fn set_filter(state: &mut State, kind: Option<usize>) {
    let Some(head) = state.ready().cloned() else {
        return;
    };
    state.filter = kind;
    state.list_top = None;
    for open in &mut state.documents {
        open.findings.list_tags(&head, kind);
    }
    match kind.and_then(|kind| head.kinds.get(kind)) {
        Some(name) => state.say(format!("listing {name}")),
        None => state.say("listing all tags"),
    }
}

// Which head.

/// The heads that the picker lists: those for its task.
pub(in crate::ui) fn choices_for(state: &State, task: Task) -> Vec<&HeadChoice> {
    let all = state.choices.iter().flatten();
    all.filter(|choice| choice.task == task).collect()
}

pub(super) fn entries(state: &State) -> Vec<String> {
    let task = match &state.popup {
        Some(Popup::Heads(task, _)) => *task,
        _ => return Vec::new(),
    };
    choices_for(state, task)
        .iter()
        .map(|choice| format!("{} {}", choice.name, choice.about))
        .collect()
}

pub(super) fn pick_head(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(task) = state.panel.task() else {
        return state.say("the heat map needs no head; 2, 3 and 4 show the panels that have one");
    };
    state.popup = Some(Popup::Heads(task, Picker::default()));
    let entries = entries(state);
    if let Some(Popup::Heads(_, picker)) = &mut state.popup {
        picker.filter(&entries);
    }
    // What lies in the cache may have changed.
    effects.push(Effect::Head(HeadJob::List));
}

pub(super) fn heads_key(
    state: &mut State,
    task: Task,
    mut picker: Picker,
    key: KeyEvent,
    effects: &mut Vec<Effect>,
) {
    match key.code {
        KeyCode::Esc => {}
        KeyCode::Enter => {
            let listed = choices_for(state, task);
            let chosen = picker.chosen().and_then(|at| listed.get(at));
            let typed = picker.prompt.text().trim();
            let choice = chosen
                .map_or(typed, |choice| choice.name.as_str())
                .to_owned();
            if choice.is_empty() {
                state.popup = Some(Popup::Heads(task, picker));
                return;
            }
            *state.memory.head_mut(task) = Some(choice.clone());
            // What was named on the command line was for the beginning.
            state.given_heads[task] = None;
            effects.push(Effect::Remember(state.memory.clone()));
            load(state, task, choice, effects);
        }
        _ => {
            state.is_unsettled |= picker.press(key);
            state.popup = Some(Popup::Heads(task, picker));
        }
    }
}

// What is asked.

pub(super) fn ask_question(state: &mut State) {
    super::show_panel(state, Panel::Ask);
    state.popup = Some(Popup::Question(Prompt::default(), 0));
}

pub(super) fn question_key(
    state: &mut State,
    mut prompt: Prompt,
    mut back: usize,
    key: KeyEvent,
    effects: &mut Vec<Effect>,
) {
    let asked = &state.memory.questions;
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    match (key.code, ctrl) {
        (KeyCode::Esc, _) => return,
        (KeyCode::Enter, _) => {
            let question = prompt.text().trim().to_owned();
            if !question.is_empty() {
                state.memory.questions.retain(|asked| *asked != question);
                state.memory.questions.push(question.clone());
                let surplus = state.memory.questions.len().saturating_sub(QUESTIONS);
                state.memory.questions.drain(..surplus);
                effects.push(Effect::Remember(state.memory.clone()));
                state.question = Some(question);
                state.asked_in = state.document().map(|open| open.id);
            }
            return;
        }
        (KeyCode::Up, _) | (KeyCode::Char('p'), true) => back = (back + 1).min(asked.len()),
        (KeyCode::Down, _) | (KeyCode::Char('n'), true) => back = back.saturating_sub(1),
        _ => {
            prompt.press(key);
            state.popup = Some(Popup::Question(prompt, back));
            return;
        }
    }
    let earlier = asked.len().checked_sub(back).and_then(|at| asked.get(at));
    let text = earlier.filter(|_| back > 0).map_or("", String::as_str);
    state.popup = Some(Popup::Question(Prompt::new(text), back));
}
