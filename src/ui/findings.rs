//! What the heads have found in one document, and what a head is to the screen.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::worker::heads::Finding;
use crate::worker::inference::Generation;
use electroscope_analysis::{
    Answer, Answers, EntityAt, HeadSummary, NoAnswer, Tagging, Task, Unit, UnitKind, decode,
};
use electroscope_text::Span;

use super::state::{Panel, PerTask};
use super::stretches::Stretches;

/// A head as the screen knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum HeadState {
    /// None has been chosen.
    #[default]
    Absent,
    /// It is being loaded; how far that is.
    Loading(String),
    /// It answers.
    Ready(ReadyHead),
    /// It cannot be had; why.
    Failed(String),
}

/// A head that answers, and how its labels are shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadyHead {
    /// What it says of itself.
    pub summary: HeadSummary,
    /// What its labels speak of, each once: the labels without the prefixes that begin and end
    /// entities, in the order of their numbers.
    pub kinds: Vec<String>,
    /// The kind of each label; none for those that say that there is nothing.
    pub kind_of: Vec<Option<usize>>,
    /// Whether it marks entities rather than every word.
    pub has_entities: bool,
}

impl ReadyHead {
    pub(super) fn new(summary: HeadSummary) -> ReadyHead {
        let scheme = decode::Scheme::of(&summary.labels);
        let has_entities = scheme.marks_entities();
        let mut kinds: Vec<String> = Vec::new();
        let kind_of = (summary.labels.iter())
            .map(|label| {
                let kind = match label.split_once(['-', '_']) {
                    Some((prefix, kind)) if has_entities && prefix.len() == 1 => kind,
                    _ if has_entities && decode::is_outside(label) => return None,
                    _ => label,
                };
                let known = kinds.iter().position(|known| known == kind);
                Some(known.unwrap_or_else(|| {
                    kinds.push(kind.to_owned());
                    kinds.len() - 1
                }))
            })
            .collect();
        ReadyHead {
            summary,
            kinds,
            kind_of,
            has_entities,
        }
    }

    /// The number of a kind by its name.
    pub(super) fn kind(&self, name: &str) -> Option<usize> {
        self.kinds.iter().position(|kind| kind == name)
    }
}

/// How far a head's work on a document is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum HeadWork {
    /// Nothing has been asked.
    #[default]
    Idle,
    /// It is reading.
    Reading,
    /// It has read all.
    Done(Duration),
    /// It cannot; why.
    Failed(String),
}

/// A thing in the panel's list and in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Where it is.
    pub span: Span,
    /// What a reader sees there, where that is not what the text has.
    pub text: Option<Arc<str>>,
    /// Which label, answer or kind it shows.
    pub kind: usize,
    /// How sure the head is.
    pub p: f32,
}

/// What has been found in a document by one head each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// What was asked last, so that the same is not asked again.
    pub(super) classified: Option<(Generation, UnitKind)>,
    pub(super) asked: Option<(Generation, String)>,
    pub(super) tagged: Option<Generation>,
    /// How far each is: units, answers, tags.
    pub(super) work: PerTask<HeadWork>,
    pub(super) units: Stretches<Unit>,
    pub(super) taggings: Stretches<Tagging>,
    pub(super) entities: Stretches<EntityAt>,
    pub(super) answers: Vec<Answer>,
    pub(super) no_answer: Option<NoAnswer>,
    /// Which answer is shown.
    pub(super) chosen: usize,
    /// The tags that are listed.
    pub(super) tags: Vec<Item>,
    /// How many tags there are of each kind.
    pub(super) counts: Vec<usize>,
}

impl Findings {
    /// The text changed.
    pub(super) fn edited(&mut self, prefix: usize, suffix: usize, old: usize, new: usize) {
        self.units.edited(prefix, suffix, old, new);
        self.taggings.edited(prefix, suffix, old, new);
        self.entities.edited(prefix, suffix, old, new);
        let delta = new as isize - old as isize;
        let keep = |span: &mut Span| {
            if span.start() >= old - suffix {
                let place = |byte: usize| byte.saturating_add_signed(delta);
                *span = Span::new(place(span.start()), place(span.end()));
                return true;
            }
            span.end() <= prefix
        };
        self.answers.retain_mut(|answer| keep(&mut answer.span));
        self.tags.retain_mut(|tag| keep(&mut tag.span));
    }

    /// Takes something in that was found in the current version of the text.
    pub(super) fn take(&mut self, generation: Generation, finding: Finding) {
        match finding {
            Finding::Unit(kind, unit) => {
                if self.classified == Some((generation, kind)) {
                    self.units.insert(generation, unit.span, unit);
                }
            }
            Finding::Tagging(tagging) => self.taggings.insert(generation, tagging.span, tagging),
            Finding::Entities(entities) => {
                self.entities.clear();
                for entity in &*entities {
                    self.entities
                        .insert(generation, entity.span, Arc::new(entity.clone()));
                }
            }
            Finding::Answers(question, answers) => {
                if self.asked.as_ref().map(|(_, asked)| asked) == Some(&question) {
                    let Answers { best, none } = &*answers;
                    self.answers = distinct(best);
                    self.no_answer = *none;
                    self.chosen = self.chosen.min(self.answers.len().saturating_sub(1));
                }
            }
        }
    }

    /// Whether the head says that the text has no answer: that outscores the best one that was found
    /// by more than the head's margin.
    pub(super) fn is_refused(&self, head: &ReadyHead) -> bool {
        let best = self.answers.first();
        best.zip(self.no_answer)
            .is_some_and(|(best, none)| none.score - best.score > head.summary.no_answer_margin)
    }

    /// The kinds of tags that occur, the commonest first.
    pub(super) fn kinds_by_count(&self) -> Vec<usize> {
        let count = |kind: usize| self.counts.get(kind).copied().unwrap_or(0);
        let mut kinds: Vec<usize> = (0..self.counts.len())
            .filter(|&kind| count(kind) > 0)
            .collect();
        kinds.sort_by_key(|&kind| (std::cmp::Reverse(count(kind)), kind));
        kinds
    }

    /// A head has read all of `generation`.
    pub(super) fn settle(&mut self, generation: Generation, task: Task) {
        match task {
            Task::Classification => self.units.settle(generation),
            Task::Tagging => self.taggings.settle(generation),
            Task::QuestionAnswering => {}
        }
    }

    /// Another head is there: what the one before it found is forgotten, and everything is asked
    /// again.
    pub(super) fn forget(&mut self, task: Task) {
        self.work[task] = HeadWork::Idle;
        match task {
            Task::Classification => {
                self.classified = None;
                self.units.clear();
            }
            Task::QuestionAnswering => {
                self.asked = None;
                self.answers.clear();
                self.no_answer = None;
            }
            Task::Tagging => {
                self.tagged = None;
                self.taggings.clear();
                self.entities.clear();
                self.tags.clear();
                self.counts.clear();
            }
        }
    }

    /// Lists the tags anew, those of one kind if there is a filter, and counts all kinds.
    pub(super) fn list_tags(&mut self, head: &ReadyHead, filter: Option<usize>) {
        self.tags.clear();
        self.counts = vec![0; head.kinds.len()];
        let mut add = |kind: Option<usize>, span: Span, p: f32, text: Option<&str>| {
            let Some(kind) = kind else { return };
            if let Some(count) = self.counts.get_mut(kind) {
                *count += 1;
            }
            if filter.is_none_or(|wanted| wanted == kind) {
                let text = text.map(Arc::from);
                self.tags.push(Item {
                    span,
                    text,
                    kind,
                    p,
                });
            }
        };
        if head.has_entities {
            for placed in self.entities.all() {
                let EntityAt { label, text, p, .. } = &*placed.item;
                add(head.kind(label), placed.span(), *p, Some(text));
            }
            return;
        }
        for placed in self.taggings.all() {
            for word in &placed.item.words {
                let kind = head.kind_of.get(usize::from(word.label)).copied().flatten();
                add(kind, placed.moved(word.span), word.p, None);
            }
        }
    }
}

/// The answers without variants: of those that overlap, which differ by a word at an end, the best is
/// kept. They stand by how good they are.
fn distinct(answers: &[Answer]) -> Vec<Answer> {
    let mut kept: Vec<Answer> = Vec::new();
    for answer in answers {
        if kept.iter().all(|better| !better.span.overlaps(answer.span)) {
            kept.push(answer.clone());
        }
    }
    kept
}

/// What a panel lists, in the order of its list.
pub(super) fn items(panel: Panel, findings: &Findings) -> Cow<'_, [Item]> {
    match panel {
        Panel::Heat => Cow::Borrowed(&[]),
        Panel::Classify => findings
            .units
            .all()
            .iter()
            .filter_map(|placed| {
                let (kind, p) = best(&placed.item)?;
                let span = placed.span();
                Some(Item {
                    span,
                    text: None,
                    kind,
                    p,
                })
            })
            .collect(),
        Panel::Ask => findings
            .answers
            .iter()
            .enumerate()
            .map(|(kind, answer)| Item {
                span: answer.span,
                text: Some(answer.text.as_str().into()),
                kind,
                p: answer.p,
            })
            .collect(),
        Panel::Tag => Cow::Borrowed(&findings.tags),
    }
}

/// The likeliest label of a unit, and how likely it is.
pub(super) fn best(unit: &Unit) -> Option<(usize, f32)> {
    let by_p = |a: &(usize, f32), b: &(usize, f32)| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0));
    unit.p.iter().copied().enumerate().max_by(by_p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_analysis::Task;

    fn ready(labels: &[&str]) -> ReadyHead {
        ReadyHead::new(HeadSummary {
            id: "x".into(),
            revision: None,
            device: "cpu".into(),
            precision: "f32".into(),
            task: Task::Tagging,
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            no_answer_margin: 0.0,
            note: None,
        })
    }

    #[test]
    fn labels_of_one_kind_share_it_and_outside_is_none() {
        let head = ready(&["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]);
        assert_eq!(head.kinds, ["PER", "LOC"]);
        assert_eq!(head.kind_of, [None, Some(0), Some(0), Some(1), Some(1)]);
        assert!(head.has_entities);
        let head = ready(&["NOUN", "VERB"]);
        assert_eq!(head.kind_of, [Some(0), Some(1)]);
        assert!(!head.has_entities);
    }
}
