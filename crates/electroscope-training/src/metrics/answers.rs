//! Answers in words against those that people gave, as the scripts of SQuAD compare them, and when
//! to say that there is none.
//!
//! The rules are those of the script of version 2.0; on questions that all have answers they give
//! what the script of 1.1 gives.

use std::collections::HashMap;

/// Whether two answers have the same words, articles and punctuation aside: 1 or 0.
pub fn exact_match(gold: &str, said: &str) -> f64 {
    f64::from(u8::from(normalized(gold) == normalized(said)))
}

/// F1 of the words of two answers, articles and punctuation aside. Of two without a word it is 1, of
/// one without 0.
pub fn overlap(gold: &str, said: &str) -> f64 {
    let (gold, said) = (normalized(gold), normalized(said));
    let count = |text: &str| text.split(' ').filter(|word| !word.is_empty()).count();
    let (in_gold, in_said) = (count(&gold), count(&said));
    if in_gold == 0 || in_said == 0 {
        return f64::from(u8::from(in_gold == in_said));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in gold.split(' ') {
        *left.entry(word).or_default() += 1;
    }
    let mut same = 0;
    for word in said.split(' ') {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            same += 1;
        }
    }
    if same == 0 {
        return 0.0;
    }
    let precision = f64::from(same) / in_said as f64;
    let recall = f64::from(same) / in_gold as f64;
    2.0 * precision * recall / (precision + recall)
}

/// The best [`exact_match`] with one of the answers that were given. No answer, and those without a
/// word, mean that to say nothing is right.
pub fn best_exact<'a>(golds: impl IntoIterator<Item = &'a str>, said: &str) -> f64 {
    best(golds, said, exact_match)
}

/// The best [`overlap`] with one of the answers that were given, as [`best_exact`].
pub fn best_f1<'a>(golds: impl IntoIterator<Item = &'a str>, said: &str) -> f64 {
    best(golds, said, overlap)
}

fn best<'a>(
    golds: impl IntoIterator<Item = &'a str>,
    said: &str,
    measure: fn(&str, &str) -> f64,
) -> f64 {
    let golds = golds
        .into_iter()
        .filter(|gold| !normalized(gold).is_empty());
    let best = golds.map(|gold| measure(gold, said)).reduce(f64::max);
    best.unwrap_or_else(|| measure("", said))
}

/// An answer as it is compared: in lower case, without ASCII punctuation, without `a`, `an` and
/// `the`, with single blanks.
pub fn normalized(answer: &str) -> String {
    let lower: String = (answer.to_lowercase().chars())
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    // Python's white space has four control characters that Unicode's has not.
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}');
    let mut kept = String::with_capacity(lower.len());
    // An article is one between the borders of words, which blanks are not the only ones of: of
    // `the–end` the `end` is left.
    let mut rest = lower.as_str();
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_alphanumeric();
        let end = rest
            .find(|c: char| c.is_alphanumeric() != is_word)
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        kept.push_str(match run {
            "a" | "an" | "the" => " ",
            run => run,
        });
        rest = after;
    }
    let words: Vec<&str> = kept
        .split(is_space)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

/// What came of a question that may have no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Whether there is an answer.
    pub has_answer: bool,
    /// What the best answer is worth, if it is given.
    pub answered: f64,
    /// What saying nothing is worth.
    pub refused: f64,
    /// How much rather there is no answer than the best one: their scores' difference.
    pub margin: f64,
}

/// From which margin on it is best to say that there is no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// No answer is given where the margin is greater than this.
    pub threshold: f64,
    /// What the questions then come to, on average; 0 of none.
    pub score: f64,
}

/// Finds the threshold with the best mean score, the lowest of several: the script's
/// `find_best_thresh`, but that questions with equal margins, which no threshold parts, stay
/// together, and that refusing them all has a threshold that does so.
pub fn no_answer_search(verdicts: &[Verdict]) -> Search {
    let mut order: Vec<Verdict> = verdicts.to_vec();
    order.sort_by(|a, b| a.margin.total_cmp(&b.margin));
    let mut score: f64 = order.iter().map(|verdict| verdict.refused).sum();
    let mut best = (
        score,
        order.first().map_or(0.0, |verdict| verdict.margin - 1.0),
    );
    for equals in order.chunk_by(|a, b| a.margin == b.margin) {
        let gain = |verdict: &Verdict| verdict.answered - verdict.refused;
        score += equals.iter().map(gain).sum::<f64>();
        if let Some(first) = equals.first()
            && score > best.0
        {
            best = (score, first.margin);
        }
    }
    Search {
        threshold: best.1,
        score: best.0 / verdicts.len().max(1) as f64,
    }
}
