//! A tagger on sentences whose words have tags.
//!
//! A word of the data may be several to the tokenizer (`don't`, `U.S.`); as in the reference it has
//! the label of its first piece.

use std::collections::BTreeMap;
use std::ops::Range;

use electroscope_analysis::decode::{self, Scheme};
use electroscope_model::{HeadForward, HeadInput, Piece, Tokenizer};

use super::super::Error;
use super::super::data::Tagged;
use super::super::features::windows;
use super::super::metrics::{self, Counts, Kind};
use super::texts::most_frequent;
use super::{Baseline, Measured, Scores, Watch, read_all};

/// What a tagger says of a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tag {
    /// The number of the likeliest label; none for a word without a piece, such as a control
    /// character, which the model cannot see.
    pub label: Option<usize>,
    /// Its p.
    pub p: f32,
}

/// What a tagger that reads windows of `positions` tokens is worth on `data`, whose tags have the
/// numbers that the head has for them, and the tags that it gives.
///
/// Where the labels mark entities `precision`, `recall` and `f1` of those and `accuracy`, with the
/// entities by kind; else `accuracy` and `macro_f1`, with the words by label.
///
/// # Errors
///
/// Those of the forward pass.
pub fn tagging(
    forward: &dyn HeadForward,
    data: &Tagged,
    tokenizer: &Tokenizer,
    positions: usize,
    watch: &mut dyn Watch,
) -> Result<Measured<Vec<Tag>>, Error> {
    let texts: Vec<Words> = (data.sentences.iter())
        .map(|sentence| Words::joined(&sentence.words))
        .collect();
    let row = |row: &[f32]| decode::likeliest(row).unwrap_or_default();
    let (parts, tokens) = read_words(forward, &texts, tokenizer, positions, watch, row)?;
    let first = |parts: &Vec<(usize, f32)>| match parts.first() {
        Some(&(label, p)) => Tag {
            label: Some(label),
            p,
        },
        None => Tag {
            label: None,
            p: 0.0,
        },
    };
    let said: Vec<Vec<Tag>> = (parts.iter())
        .map(|words| words.iter().map(first).collect())
        .collect();

    let outside = data
        .labels
        .iter()
        .position(|label| decode::is_outside(label));
    let mut counts = vec![0; data.labels.len()];
    for &tag in data.sentences.iter().flat_map(|sentence| &sentence.tags) {
        if let Some(count) = counts.get_mut(tag) {
            *count += 1;
        }
    }
    let scheme = Scheme::of(&data.labels);
    let marks_entities = scheme.marks_entities();
    let common = match outside {
        Some(outside) if marks_entities => outside,
        _ => most_frequent(&counts),
    };
    let pairs = |label: &dyn Fn(usize, usize) -> usize| -> Vec<Vec<(usize, usize)>> {
        let sentences = data.sentences.iter().enumerate();
        let words = sentences.map(|(at, sentence)| {
            let words = sentence.tags.iter().enumerate();
            words.map(|(word, &tag)| (tag, label(at, word))).collect()
        });
        words.collect()
    };
    let given = pairs(&|at, word| {
        let tag = said.get(at).and_then(|words| words.get(word));
        // What the model cannot see it does not mark.
        let label = tag.and_then(|tag| tag.label).or(outside);
        label.unwrap_or(usize::MAX)
    });
    let always = pairs(&|_, _| common);
    let (values, kinds) = judge(&given, &data.labels, &scheme);
    let name = data.labels.get(common).map_or("", String::as_str);
    let baseline = Baseline {
        answer: match marks_entities {
            true => format!("{name} for every word"),
            false => format!("{name} for every word, the most frequent label"),
        },
        values: judge(&always, &data.labels, &scheme).0,
    };
    let scores = Scores {
        main: if marks_entities { "f1" } else { "accuracy" },
        values,
        baseline,
        no_answer_threshold: None,
        kinds,
        examples: data.sentences.len(),
        tokens,
    };
    Ok(Measured { scores, said })
}

/// What words with a true label and a given one come to.
fn judge(
    sentences: &[Vec<(usize, usize)>],
    labels: &[String],
    scheme: &Scheme,
) -> (Vec<(&'static str, f64)>, Vec<Kind>) {
    let words: Vec<(usize, usize)> = sentences.iter().flatten().copied().collect();
    let accuracy = metrics::accuracy(&words);
    if scheme.marks_entities() {
        let (kinds, all) = metrics::entities(sentences, scheme);
        let values = vec![
            ("precision", all.precision()),
            ("recall", all.recall()),
            ("f1", all.f1()),
            ("accuracy", accuracy),
        ];
        return (values, kinds);
    }
    let mut by_label: BTreeMap<&str, Counts> = BTreeMap::new();
    for (at, label) in labels.iter().enumerate() {
        let counts = by_label.entry(label).or_default();
        for &(so, said) in &words {
            counts.add(so == at, said == at);
        }
    }
    let values = vec![
        ("accuracy", accuracy),
        ("macro_f1", metrics::macro_f1(&words)),
    ];
    let is_there = |counts: &Counts| *counts != Counts::default();
    let kinds = by_label.into_iter().filter(|(_, counts)| is_there(counts));
    let kinds = kinds.map(|(label, counts)| Kind {
        label: label.to_owned(),
        counts,
    });
    (values, kinds.collect())
}

/// A text whose words somebody else has cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Words {
    pub(super) text: String,
    /// Where each word stands, in bytes, in order.
    pub(super) spans: Vec<Range<usize>>,
}

impl Words {
    /// Words with a blank between them.
    fn joined(words: &[String]) -> Words {
        let mut joined = Words::default();
        for word in words {
            if !joined.text.is_empty() {
                joined.text.push(' ');
            }
            let start = joined.text.len();
            joined.text.push_str(word);
            joined.spans.push(start..joined.text.len());
        }
        joined
    }
}

/// Of each text, of each of its words, what is said of the parts that the tokenizer has of it.
type Parts<T> = Vec<Vec<Vec<T>>>;

/// What `row` makes of the logits of each word's first piece, for every word that the tokenizer has
/// within a word of a text; and how many tokens were read.
///
/// A text that is too long for one window is read in several that overlap by half, and each piece is
/// heard in that which shows the most around it.
pub(super) fn read_words<T: Clone>(
    forward: &dyn HeadForward,
    texts: &[Words],
    tokenizer: &Tokenizer,
    positions: usize,
    watch: &mut dyn Watch,
    row: impl Fn(&[f32]) -> T,
) -> Result<(Parts<T>, usize), Error> {
    let room = positions.saturating_sub(2).max(1);
    let (mut windows, mut places) = (Vec::new(), Vec::new());
    let mut pieces: Vec<Vec<Piece>> = Vec::with_capacity(texts.len());
    for (text, words) in texts.iter().enumerate() {
        let of_text = tokenizer.encode(&words.text);
        for (reads, core) in halves(of_text.len(), room) {
            let mut ids = vec![tokenizer.cls_id()];
            let read = of_text.get(reads.clone()).unwrap_or_default();
            ids.extend(read.iter().map(|piece| piece.id));
            ids.push(tokenizer.sep_id());
            windows.push(HeadInput {
                second: ids.len(),
                ids,
            });
            places.push((text, reads.start, core));
        }
        pieces.push(of_text);
    }
    let mut heard: Vec<Vec<Option<T>>> = (pieces.iter())
        .map(|pieces| vec![None; pieces.len()])
        .collect();
    let tokens = read_all(forward, &windows, watch, |at, logits| {
        let Some((text, from, core)) = places.get(at) else {
            return;
        };
        let Some(heard) = heard.get_mut(*text) else {
            return;
        };
        // The first row is that of `[CLS]`.
        let rows = logits.rows().skip(1 + core.start - from).take(core.len());
        for (place, values) in heard.iter_mut().skip(core.start).zip(rows) {
            *place = Some(row(values));
        }
    })?;
    let of_text = |((words, pieces), heard): ((&Words, &Vec<Piece>), Vec<Option<T>>)| {
        let mut parts: Vec<Vec<T>> = vec![Vec::new(); words.spans.len()];
        let mut last = None;
        for (piece, said) in pieces.iter().zip(heard) {
            let start = piece.start as usize;
            let word = words.spans.partition_point(|span| span.end <= start);
            let is_inside = words
                .spans
                .get(word)
                .is_some_and(|span| span.contains(&start));
            // A word of the tokenizer that goes across two of the data begins both.
            let begins = last != Some((word, piece.word));
            last = Some((word, piece.word));
            if let (true, true, Some(said)) = (is_inside, begins, said)
                && let Some(parts) = parts.get_mut(word)
            {
                parts.push(said);
            }
        }
        parts
    };
    let parts = texts.iter().zip(&pieces).zip(heard).map(of_text);
    Ok((parts.collect(), tokens))
}

/// Windows of at most `room` pieces on a text of `len` that overlap by half, and the pieces that each
/// is asked about: those that it shows more around than its neighbours do.
fn halves(len: usize, room: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let windows = windows(len, room, room / 2);
    let mut asked = 0;
    let mut halves = Vec::new();
    for (at, reads) in windows.iter().enumerate() {
        // Two windows part in the middle of what they share.
        let next = windows.get(at + 1);
        let until = next.map_or(len, |next| next.start.midpoint(reads.end));
        halves.push((reads.clone(), asked..until));
        asked = until;
    }
    halves
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_piece_is_asked_about_once_and_long_texts_show_a_quarter_of_a_window_around_it(
            len in 0usize..400, room in 1usize..60,
        ) {
            let windows = halves(len, room);
            let asked: Vec<usize> = windows.iter().flat_map(|(_, core)| core.clone()).collect();
            prop_assert_eq!(asked, (0..len).collect::<Vec<_>>());
            for (reads, core) in &windows {
                prop_assert!(reads.len() <= room && reads.start <= core.start && core.end <= reads.end);
                let around = room / 4;
                prop_assert!(reads.start == 0 || core.start - reads.start + 1 >= around);
                prop_assert!(reads.end == len || reads.end - core.end + 1 >= around);
            }
        }
    }
}
