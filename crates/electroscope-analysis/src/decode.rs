//! From a head's logits to what they say: labels, spans of answers, entities.
//!
//! Pure functions over numbers and words, by the definitions of the reference and of the manual.
//! Apart from the model, which knows no meanings, and from the commands, which know no logits. Never
//! looks at a text: positions are tokens of a window, or words of a text, and the caller knows where
//! those stand.

use std::cmp::Ordering;
use std::ops::Range;

use electroscope_model::Problem;

/// The longest answer, in tokens.
pub const LONGEST_ANSWER: usize = 30;

/// How many spans share out the probability of an answer.
pub const N_BEST: usize = 20;

/// What a classifier's logits say of each label: shares of one for a single label, independent
/// probabilities for many, the logits themselves for a regression.
pub fn probabilities(logits: &[f32], problem: Problem) -> Vec<f32> {
    match problem {
        Problem::SingleLabel => softmax(logits),
        Problem::MultiLabel => logits.iter().map(|&logit| sigmoid(logit)).collect(),
        Problem::Regression => logits.to_vec(),
    }
}

/// The numbers of the labels, the likeliest first; equals keep their order.
pub fn ranked(p: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
    order
}

/// The likeliest label of a token and its share of one; none for a row without labels.
pub fn likeliest(logits: &[f32]) -> Option<(usize, f32)> {
    let p = softmax(logits);
    let label = *ranked(&p).first()?;
    Some((label, *p.get(label)?))
}

/// An answer that a window offers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenSpan {
    /// Its first token in the window.
    pub first: usize,
    /// Its last token in the window.
    pub last: usize,
    /// Start logit and end logit together.
    pub score: f32,
}

/// The best spans of at most [`LONGEST_ANSWER`] tokens that lie in `context`, the best first and
/// `most` of them; of equal ones the earlier, then the shorter. `starts` and `ends` are the two
/// columns of a window's logits.
pub fn best_spans(
    starts: &[f32],
    ends: &[f32],
    context: Range<usize>,
    most: usize,
) -> Vec<TokenSpan> {
    let mut spans = Vec::new();
    let inside = |(at, _): &(usize, &f32)| context.contains(at);
    for (first, start) in starts.iter().enumerate().filter(inside) {
        let lasts = ends.iter().enumerate().skip(first).take(LONGEST_ANSWER);
        for (last, end) in lasts.filter(inside) {
            let score = start + end;
            // A model that computes nonsense has no best answer.
            if !score.is_nan() {
                spans.push(TokenSpan { first, last, score });
            }
        }
    }
    let better = |a: &TokenSpan, b: &TokenSpan| -> Ordering {
        (b.score.total_cmp(&a.score))
            .then(a.first.cmp(&b.first))
            .then(a.last.cmp(&b.last))
    };
    if most < spans.len() {
        spans.select_nth_unstable_by(most, better);
        spans.truncate(most);
    }
    spans.sort_by(better);
    spans
}

/// What a window gives for there being no answer: the score of the empty span at `[CLS]`.
pub fn no_answer(starts: &[f32], ends: &[f32]) -> Option<f32> {
    Some(starts.first()? + ends.first()?)
}

/// The p of the n-best spans by their scores, and that of no answer where the head can refuse: one
/// softmax over them all.
pub fn shares(scores: &[f32], no_answer: Option<f32>) -> (Vec<f32>, Option<f32>) {
    let mut all = scores.to_vec();
    all.extend(no_answer);
    let mut p = softmax(&all);
    let nothing = no_answer.and_then(|_| p.pop());
    (p, nothing)
}

/// A run of words that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// What it is: the label without its prefix.
    pub label: String,
    /// Its words.
    pub words: Range<usize>,
    /// The mean of the p of its words, as in the reference.
    pub p: f32,
}

impl Entity {
    /// Takes words off both ends that `is_edge` says yes to; `words` are those of the text, by label and
    /// p.
    pub fn trim(&mut self, words: &[(usize, f32)], is_edge: &dyn Fn(usize) -> bool) {
        let before = self.words.clone();
        while !self.words.is_empty() && is_edge(self.words.start) {
            self.words.start += 1;
        }
        while !self.words.is_empty() && is_edge(self.words.end - 1) {
            self.words.end -= 1;
        }
        if self.words != before {
            self.p = mean_p(words, self.words.clone());
        }
    }
}

/// The mean p of some words.
fn mean_p(words: &[(usize, f32)], range: Range<usize>) -> f32 {
    let words = words.get(range).unwrap_or_default();
    words.iter().map(|&(_, p)| p).sum::<f32>() / words.len().max(1) as f32
}

/// `entities` without cuts inside a compound: two that stand on both sides of a hyphen, whichever of
/// them the hyphen belongs to, are one of the first one's kind. `is_hyphen` says of a word whether it
/// is a hyphen that touches the words on both sides.
pub fn joined(
    entities: Vec<Entity>,
    words: &[(usize, f32)],
    is_hyphen: &dyn Fn(usize) -> bool,
) -> Vec<Entity> {
    let mut joined: Vec<Entity> = Vec::with_capacity(entities.len());
    for entity in entities {
        let Range { start, end } = entity.words;
        match joined.last_mut() {
            Some(open)
                if open.words.end == start
                    && (is_hyphen(start) || start > 0 && is_hyphen(start - 1))
                    || open.words.end + 1 == start && is_hyphen(start - 1) =>
            {
                open.words.end = end;
                open.p = mean_p(words, open.words.clone());
            }
            _ => joined.push(entity),
        }
    }
    joined
}

/// How a tagger's labels mark entities.
///
/// With prefixes, BIO, BIOES and their other spellings (`L` and `U` for the end and the single
/// word, `M` for the middle) are one thing: `B` and `S` begin an entity, `I` and `E` go on with one
/// of the same kind, and begin one where there is none, as taggers will do; after `E` and `S` it is
/// over. Prefixes and `O` may be in lower case (`b-per`, `o`). Without prefixes but with an `O`, runs
/// of the same label are entities. A tagger without
/// either, of parts of speech say, marks none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// What each label says; none if it is outside.
    marks: Vec<Option<Mark>>,
    has_prefixes: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    kind: String,
    begins: bool,
    ends: bool,
}

impl Scheme {
    /// The scheme of a tagger with these labels, in the order of their numbers.
    pub fn of(labels: &[String]) -> Scheme {
        let has = |wanted: &str| labels.iter().any(|label| prefix(label) == Some(wanted));
        // A label such as `e-mail` in a set of capitals has no prefix.
        let in_capitals = has("B") || has("I");
        let has_prefixes = in_capitals || has("b") || has("i");
        let marks: Vec<Option<Mark>> = if has_prefixes {
            let mark = |label: &String| prefixed(label, in_capitals);
            labels.iter().map(mark).collect()
        } else if labels.iter().any(|label| is_outside(label)) {
            let run = |kind: &String| Mark {
                kind: kind.clone(),
                begins: false,
                ends: false,
            };
            (labels.iter())
                .map(|label| (!is_outside(label)).then(|| run(label)))
                .collect()
        } else {
            vec![None; labels.len()]
        };
        Scheme {
            marks,
            has_prefixes,
        }
    }

    /// Whether labels say where an entity begins, so that entities are names rather than runs of
    /// words that have something in common.
    pub fn has_prefixes(&self) -> bool {
        self.has_prefixes
    }

    /// Whether any label marks an entity.
    pub fn marks_entities(&self) -> bool {
        self.marks.iter().any(Option::is_some)
    }

    /// The entities of a text whose words have these labels, by number and with their p.
    pub fn entities(&self, words: &[(usize, f32)]) -> Vec<Entity> {
        let mut entities: Vec<Entity> = Vec::new();
        let mut is_open = false;
        for (word, &(label, p)) in words.iter().enumerate() {
            let Some(mark) = self.marks.get(label).and_then(Option::as_ref) else {
                is_open = false;
                continue;
            };
            match entities.last_mut() {
                Some(open) if is_open && !mark.begins && open.label == mark.kind => {
                    open.words.end = word + 1;
                    open.p += p;
                }
                _ => entities.push(Entity {
                    label: mark.kind.clone(),
                    words: word..word + 1,
                    p,
                }),
            }
            is_open = !mark.ends;
        }
        for entity in &mut entities {
            entity.p /= entity.words.len() as f32;
        }
        entities
    }
}

/// The letter before the hyphen; a few taggers write an underscore.
fn prefix(label: &str) -> Option<&str> {
    let (prefix, kind) = label.split_once(['-', '_'])?;
    (prefix.len() == 1 && !kind.is_empty()).then_some(prefix)
}

/// Whether `label` is that of words outside of any entity.
pub fn is_outside(label: &str) -> bool {
    label.eq_ignore_ascii_case("O")
}

fn prefixed(label: &str, in_capitals: bool) -> Option<Mark> {
    let found = prefix(label)?;
    let upper = found.to_ascii_uppercase();
    if in_capitals != (found == upper) {
        return None;
    }
    let (begins, ends) = match upper.as_str() {
        "B" => (true, false),
        "I" | "M" => (false, false),
        "E" | "L" => (false, true),
        "S" | "U" => (true, true),
        _ => return None,
    };
    Some(Mark {
        kind: label.get(2..)?.to_owned(),
        begins,
        ends,
    })
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Shares of one, in double precision: the p of an n-best list is printed to six digits.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = (logits.iter())
        .map(|&logit| (f64::from(logit) - f64::from(largest)).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|&label| label.to_owned()).collect()
    }

    /// The entities of words with these labels, as `kind from..to`.
    fn entities(known: &[&str], words: &str) -> String {
        let known = labels(known);
        let number = |word| known.iter().position(|label| label == word).unwrap();
        let words: Vec<(usize, f32)> = (words.split_whitespace())
            .map(|word| (number(word), 0.5))
            .collect();
        let entities = Scheme::of(&known).entities(&words);
        let shown = (entities.iter())
            .map(|Entity { label, words, .. }| format!("{label} {}..{}", words.start, words.end));
        shown.collect::<Vec<_>>().join(", ")
    }

    const BIO: &[&str] = &["O", "B-PER", "I-PER", "B-LOC", "I-LOC"];
    const BIOES: &[&str] = &["O", "B-PER", "I-PER", "E-PER", "S-PER", "S-LOC", "I-LOC"];

    #[test]
    fn bio_runs_become_entities() {
        assert_eq!(entities(BIO, "O B-PER I-PER O B-LOC"), "PER 1..3, LOC 4..5");
        assert_eq!(entities(BIO, "B-PER B-PER I-PER"), "PER 0..1, PER 1..3");
        assert_eq!(entities(BIO, "O O"), "");
        assert_eq!(entities(BIO, ""), "");
    }

    #[test]
    fn an_inside_without_a_beginning_begins() {
        assert_eq!(entities(BIO, "I-PER I-PER O I-PER"), "PER 0..2, PER 3..4");
        assert_eq!(entities(BIO, "B-PER I-LOC I-LOC"), "PER 0..1, LOC 1..3");
    }

    #[test]
    fn bioes_ends_close_an_entity() {
        assert_eq!(
            entities(BIOES, "B-PER I-PER E-PER I-PER S-PER S-LOC I-LOC"),
            "PER 0..3, PER 3..4, PER 4..5, LOC 5..6, LOC 6..7"
        );
        assert_eq!(entities(BIOES, "E-PER E-PER"), "PER 0..1, PER 1..2");
    }

    #[test]
    fn other_spellings_of_the_same_schemes_are_read() {
        let bilou = &["O", "B-PER", "I-PER", "L-PER", "U-PER"];
        assert_eq!(
            entities(bilou, "B-PER I-PER L-PER U-PER U-PER"),
            "PER 0..3, PER 3..4, PER 4..5"
        );
        let underscores = &["O", "B_geo", "I_geo"];
        assert_eq!(entities(underscores, "B_geo I_geo O"), "geo 0..2");
        let hyphens = &["O", "B-corporate-name", "I-corporate-name"];
        assert_eq!(
            entities(hyphens, "B-corporate-name I-corporate-name"),
            "corporate-name 0..2"
        );
    }

    #[test]
    fn label_sets_in_lower_case_are_grouped_as_others_are() {
        let lower = &["o", "b-per", "i-per", "e-per", "s-loc"];
        assert_eq!(
            entities(lower, "o b-per i-per e-per o s-loc"),
            "per 1..4, loc 5..6"
        );
        assert_eq!(
            entities(&["o", "per"], "per per o per"),
            "per 0..2, per 3..4"
        );
        // A word before a hyphen is no prefix in a set of capitals.
        assert_eq!(
            entities(&["O", "B-PER", "e-mail"], "B-PER e-mail O"),
            "PER 0..1"
        );
    }

    /// As [`entities`], for words of which those with these numbers are hyphens.
    fn compounds(words: &str, hyphens: &[usize]) -> String {
        let known = labels(BIO);
        let number = |word| known.iter().position(|label| label == word).unwrap();
        let words: Vec<(usize, f32)> = (words.split_whitespace())
            .map(|word| (number(word), 0.5))
            .collect();
        let found = Scheme::of(&known).entities(&words);
        let found = joined(found, &words, &|at| hyphens.contains(&at));
        let shown = (found.iter())
            .map(|Entity { label, words, .. }| format!("{label} {}..{}", words.start, words.end));
        shown.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_hyphen_does_not_cut_an_entity() {
        assert_eq!(compounds("B-PER O B-PER", &[1]), "PER 0..3");
        assert_eq!(compounds("B-PER I-PER B-LOC I-LOC", &[1]), "PER 0..4");
        assert_eq!(compounds("B-PER B-LOC I-LOC", &[1]), "PER 0..3");
        assert_eq!(compounds("B-PER O B-PER", &[]), "PER 0..1, PER 2..3");
        // A compound that is only partly a name is parted at its hyphen.
        assert_eq!(compounds("B-LOC O O B-PER", &[1]), "LOC 0..1, PER 3..4");
    }

    #[test]
    fn an_entity_is_trimmed_and_its_p_is_that_of_what_is_left() {
        let words = [(1, 0.2), (2, 0.8), (2, 0.4)];
        let mut entity = Scheme::of(&labels(BIO)).entities(&words).remove(0);
        entity.trim(&words, &|at| at != 1);
        assert_eq!((entity.words.clone(), entity.p), (1..2, 0.8));
        entity.trim(&words, &|_| true);
        assert!(entity.words.is_empty());
    }

    #[test]
    fn labels_without_prefixes_make_runs_beside_an_o_and_nothing_else() {
        assert_eq!(
            entities(&["O", "PER", "LOC"], "PER PER LOC O LOC"),
            "PER 0..2, LOC 2..3, LOC 4..5"
        );
        assert_eq!(entities(&["NOUN", "VERB"], "NOUN NOUN VERB"), "");
        assert!(!Scheme::of(&labels(&["NOUN", "VERB"])).marks_entities());
        assert!(!Scheme::of(&labels(&["LABEL_0", "LABEL_1"])).marks_entities());
        // Special tokens that old taggers have labels for are no entities.
        assert_eq!(
            entities(
                &["O", "B-PER", "I-PER", "X", "[CLS]"],
                "[CLS] B-PER X I-PER"
            ),
            "PER 1..2, PER 3..4"
        );
    }

    #[test]
    fn an_entity_is_as_likely_as_its_words_are_on_average() {
        let scheme = Scheme::of(&labels(BIO));
        let found = scheme.entities(&[(1, 0.9), (2, 0.5), (0, 0.1), (2, 0.3)]);
        let p: Vec<f32> = found.iter().map(|entity| entity.p).collect();
        assert!((p[0] - 0.7).abs() < 1e-6 && p[1] == 0.3, "{p:?}");
    }

    #[test]
    fn a_label_that_the_scheme_does_not_know_is_outside() {
        assert_eq!(Scheme::of(&labels(BIO)).entities(&[(99, 1.0)]), []);
    }

    #[test]
    fn classifiers_are_read_by_their_problem() {
        let logits = [0.0, 0.0, f32::ln(2.0)];
        let close = |got: Vec<f32>, want: [f32; 3]| {
            let apart = got.iter().zip(want).map(|(got, want)| (got - want).abs());
            assert!(apart.fold(0.0, f32::max) < 1e-6, "{got:?}");
        };
        close(
            probabilities(&logits, Problem::SingleLabel),
            [0.25, 0.25, 0.5],
        );
        close(
            probabilities(&logits, Problem::MultiLabel),
            [0.5, 0.5, 2.0 / 3.0],
        );
        close(probabilities(&logits, Problem::Regression), logits);
        assert_eq!(ranked(&[0.25, 0.25, 0.5]), [2, 0, 1]);
    }

    #[test]
    fn logits_too_large_for_an_exponential_still_have_shares() {
        assert_eq!(
            probabilities(&[-1e30, 1e30], Problem::SingleLabel),
            [0.0, 1.0]
        );
        assert_eq!(
            probabilities(&[-1e30, 1e30], Problem::MultiLabel),
            [0.0, 1.0]
        );
    }

    #[test]
    fn nothing_is_read_from_nothing() {
        assert_eq!(likeliest(&[]), None);
        assert!(probabilities(&[], Problem::SingleLabel).is_empty());
        assert_eq!(best_spans(&[], &[], 0..0, N_BEST), []);
        assert_eq!(best_spans(&[1.0], &[1.0], 1..9, N_BEST), []);
        assert_eq!(no_answer(&[], &[]), None);
        assert_eq!(shares(&[], None), (vec![], None));
        assert_eq!(shares(&[], Some(3.0)), (vec![], Some(1.0)));
    }

    #[test]
    fn an_answer_lies_in_the_context_and_is_not_too_long() {
        let mut starts = vec![0.0; 100];
        let mut ends = vec![0.0; 100];
        // The best start and the best end are too far apart, or outside.
        (starts[0], starts[10], ends[60], ends[99]) = (9.0, 5.0, 5.0, 9.0);
        let found = best_spans(&starts, &ends, 5..99, 3);
        let spans: Vec<(usize, usize, f32)> = (found.iter())
            .map(|span| (span.first, span.last, span.score))
            .collect();
        assert_eq!(spans, [(10, 10, 5.0), (10, 11, 5.0), (10, 12, 5.0)]);
        assert!(
            best_spans(&starts, &ends, 5..99, usize::MAX)
                .iter()
                .all(|span| span.last - span.first < LONGEST_ANSWER)
        );
    }

    #[test]
    fn a_number_that_is_none_is_no_answer() {
        let found = best_spans(&[f32::NAN, 1.0], &[1.0, 1.0], 0..2, N_BEST);
        assert_eq!(
            found,
            [TokenSpan {
                first: 1,
                last: 1,
                score: 2.0
            }]
        );
    }

    #[test]
    fn no_answer_takes_its_share_where_a_head_can_refuse() {
        let (p, nothing) = shares(&[1.0, 0.0], None);
        assert!(nothing.is_none() && (p[0] + p[1] - 1.0).abs() < 1e-6);
        let (p, nothing) = shares(&[1.0, 0.0], Some(2.0));
        assert!((p[0] + p[1] + nothing.unwrap() - 1.0).abs() < 1e-6);
        assert!(nothing.unwrap() > p[0]);
    }

    proptest! {
        #[test]
        fn the_best_spans_are_those_that_sorting_all_of_them_gives(
            logits in prop::collection::vec((-3i8..3, -3i8..3), 0..50),
            start in 0usize..20, length in 0usize..50, most in 0usize..30,
        ) {
            let starts: Vec<f32> = logits.iter().map(|&(start, _)| f32::from(start)).collect();
            let ends: Vec<f32> = logits.iter().map(|&(_, end)| f32::from(end)).collect();
            let mut all = best_spans(&starts, &ends, start..start + length, usize::MAX);
            let got = best_spans(&starts, &ends, start..start + length, most);
            all.truncate(most);
            prop_assert_eq!(&got, &all);
            for pair in got.windows(2) {
                prop_assert!(pair[0].score >= pair[1].score);
            }
            for span in got {
                prop_assert!(start <= span.first && span.last < start + length);
                prop_assert_eq!(span.score, starts[span.first] + ends[span.last]);
            }
        }

        #[test]
        fn entities_are_apart_and_in_order(words in prop::collection::vec(0usize..7, 0..30)) {
            let scheme = Scheme::of(&labels(BIOES));
            let words: Vec<(usize, f32)> = words.into_iter().map(|label| (label, 0.5)).collect();
            let mut inside = 0;
            let mut at = 0;
            for entity in scheme.entities(&words) {
                prop_assert!(entity.words.start >= at && !entity.words.is_empty());
                at = entity.words.end;
                inside += entity.words.len();
            }
            // Every word with a mark is in one of them, and no other word is.
            prop_assert_eq!(inside, words.iter().filter(|&&(label, _)| label != 0).count());
        }
    }
}
