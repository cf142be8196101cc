//! Metrics of question answering, as in the scripts of SQuAD, and the search for the best no-answer
//! threshold.
//!
//! They follow the script of SQuAD 2.0. On questions that all have answers it gives the numbers of the
//! script of 1.1.

use std::collections::HashMap;

/// Whether two answers have the same words, without articles and punctuation: 1 or 0.
pub fn exact_match(gold: &str, predicted: &str) -> f64 {
    f64::from(u8::from(
        normalize_answer(gold) == normalize_answer(predicted),
    ))
}

/// F1 of the words of two answers, without articles and punctuation. 1 if neither has a word, 0 if only
/// one has.
pub fn word_f1(gold: &str, predicted: &str) -> f64 {
    let (gold, predicted) = (normalize_answer(gold), normalize_answer(predicted));
    let count = |text: &str| text.split(' ').filter(|word| !word.is_empty()).count();
    let (in_gold, in_predicted) = (count(&gold), count(&predicted));
    if in_gold == 0 || in_predicted == 0 {
        return f64::from(u8::from(in_gold == in_predicted));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in gold.split(' ') {
        *left.entry(word).or_default() += 1;
    }
    let mut same = 0;
    for word in predicted.split(' ') {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            same += 1;
        }
    }
    if same == 0 {
        return 0.0;
    }
    let precision = f64::from(same) / in_predicted as f64;
    let recall = f64::from(same) / in_gold as f64;
    2.0 * precision * recall / (precision + recall)
}

/// The best [`exact_match`] with any of the gold answers. If there are none, or none has a word, the
/// right prediction is the empty one.
pub fn best_exact_match<'a>(golds: impl IntoIterator<Item = &'a str>, predicted: &str) -> f64 {
    best(golds, predicted, exact_match)
}

/// The best [`word_f1`] with any of the gold answers; as [`best_exact_match`] without any.
pub fn best_word_f1<'a>(golds: impl IntoIterator<Item = &'a str>, predicted: &str) -> f64 {
    best(golds, predicted, word_f1)
}

fn best<'a>(
    golds: impl IntoIterator<Item = &'a str>,
    predicted: &str,
    metric: fn(&str, &str) -> f64,
) -> f64 {
    let golds = golds
        .into_iter()
        .filter(|gold| !normalize_answer(gold).is_empty());
    let best = golds.map(|gold| metric(gold, predicted)).reduce(f64::max);
    best.unwrap_or_else(|| metric("", predicted))
}

/// An answer in the form in which answers are compared: in lower case, without ASCII punctuation,
/// without `a`, `an` and `the`, with single spaces.
pub fn normalize_answer(answer: &str) -> String {
    let lower: String = (answer.to_lowercase().chars())
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    // Python's white space includes four control characters that Unicode's does not.
    let is_space = |c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}');
    let mut kept = String::with_capacity(lower.len());
    // Articles are found at word boundaries, not only at white space: `the–end` becomes `–end`.
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

/// The scores of a question under both possible predictions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoAnswerCase {
    /// Whether the question has an answer.
    pub has_answer: bool,
    /// The score if the best answer is predicted.
    pub score_of_answer: f64,
    /// The score if no answer is predicted.
    pub score_of_no_answer: f64,
    /// The model's score of no answer minus that of the best answer.
    pub margin: f64,
}

/// A no-answer threshold and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoAnswerThreshold {
    /// No answer is predicted if the margin is greater than this.
    pub threshold: f64,
    /// The mean score of all questions at this threshold; 0 without questions.
    pub score: f64,
}

/// Finds the no-answer threshold with the best mean score, of equal ones the lowest: the script's
/// `find_best_thresh`, except that questions with equal margins, which no threshold can divide, stay
/// together, and that there is a threshold that predicts no answer for every question.
pub fn best_no_answer_threshold(cases: &[NoAnswerCase]) -> NoAnswerThreshold {
    let mut order: Vec<NoAnswerCase> = cases.to_vec();
    order.sort_by(|a, b| a.margin.total_cmp(&b.margin));
    let mut score: f64 = order.iter().map(|case| case.score_of_no_answer).sum();
    let mut best = (score, order.first().map_or(0.0, |case| case.margin - 1.0));
    for equals in order.chunk_by(|a, b| a.margin == b.margin) {
        let gain = |case: &NoAnswerCase| case.score_of_answer - case.score_of_no_answer;
        score += equals.iter().map(gain).sum::<f64>();
        if let Some(first) = equals.first()
            && score > best.0
        {
            best = (score, first.margin);
        }
    }
    NoAnswerThreshold {
        threshold: best.1,
        score: best.0 / cases.len().max(1) as f64,
    }
}
