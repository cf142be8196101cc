//! What labels the data has and how often: what is shown before a training, so that a mistake in the data
//! is seen before the time is spent.

use std::collections::HashMap;

use super::{LabelledSentences, LabelledTexts, Questions};
use crate::example::Target;

/// Labels with their counts, or what there is in their place.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelTable {
    /// What is counted: `texts`, `words`, `questions`.
    unit: &'static str,
    /// How many of them there are.
    total: usize,
    /// The labels in their order, each with how often it applies.
    labels: Vec<(String, usize)>,
}

/// Labels that are shown before the rest is only counted.
const MOST_SHOWN: usize = 24;

impl LabelTable {
    /// Of texts. A regression has no labels.
    pub fn of_texts(data: &LabelledTexts) -> LabelTable {
        let mut counts = vec![0; data.labels.len()];
        let mut add = |label: usize| {
            if let Some(count) = counts.get_mut(label) {
                *count += 1;
            }
        };
        let mut is_regression = false;
        for text in &data.texts {
            match &text.target {
                Target::Label(label) => add(*label),
                Target::Labels(applies) => (applies.iter().enumerate())
                    .filter(|(_, applies)| **applies)
                    .for_each(|(label, _)| add(label)),
                _ => is_regression = true,
            }
        }
        LabelTable {
            unit: "texts",
            total: data.texts.len(),
            labels: match is_regression {
                true => Vec::new(),
                false => data.labels.iter().cloned().zip(counts).collect(),
            },
        }
    }

    /// Of words.
    pub fn of_words(data: &LabelledSentences) -> LabelTable {
        let mut counts = vec![0; data.labels.len()];
        let mut total = 0;
        for &tag in data.sentences.iter().flat_map(|sentence| &sentence.tags) {
            total += 1;
            if let Some(count) = counts.get_mut(tag) {
                *count += 1;
            }
        }
        LabelTable {
            unit: "words",
            total,
            labels: data.labels.iter().cloned().zip(counts).collect(),
        }
    }

    /// Of questions, by whether they have an answer.
    pub fn of_questions(data: &Questions) -> LabelTable {
        let questions = data.paragraphs.iter().flat_map(|of| &of.questions);
        let (total, answered) = questions.fold((0, 0), |(total, answered), question| {
            let has_answer = usize::from(!question.answers.is_empty());
            (total + 1, answered + has_answer)
        });
        LabelTable {
            unit: "questions",
            total,
            labels: vec![
                ("with an answer".to_owned(), answered),
                ("without".to_owned(), total - answered),
            ],
        }
    }

    /// In a line: `120 texts: bad 40 (33 %), good 80 (67 %)`.
    pub fn line(&self) -> String {
        let LabelTable {
            unit,
            total,
            labels,
        } = self;
        let shown = labels.iter().take(MOST_SHOWN).map(|(label, count)| {
            let percent = 100.0 * *count as f64 / (*total).max(1) as f64;
            format!("{label} {count} ({percent:.0} %)")
        });
        let mut shown: Vec<String> = shown.collect();
        if labels.len() > MOST_SHOWN {
            shown.push(format!("and {} labels more", labels.len() - MOST_SHOWN));
        }
        match shown.is_empty() {
            true => format!("{total} {unit}"),
            false => format!("{total} {unit}: {}", shown.join(", ")),
        }
    }

    /// A warning for each group of labels that differ only in case, inner white space or the way a truth
    /// value is written, and so may be meant as one.
    pub fn warnings(&self) -> Vec<String> {
        let mut groups: HashMap<String, Vec<&(String, usize)>> = HashMap::new();
        for label in &self.labels {
            groups.entry(folded(&label.0)).or_default().push(label);
        }
        let mut groups: Vec<_> = groups
            .into_values()
            .filter(|group| group.len() > 1)
            .collect();
        groups.sort();
        let warning = |group: Vec<&(String, usize)>| {
            let labels: Vec<String> = group
                .iter()
                .map(|(label, count)| format!("{label:?} ({count})"))
                .collect();
            format!(
                "warning: the labels {} look like one but are learnt as {}; if they are one, write them \
                 alike",
                labels.join(" and "),
                group.len()
            )
        };
        groups.into_iter().map(warning).collect()
    }
}

/// What labels that may be meant as one have in common.
fn folded(label: &str) -> String {
    let words: Vec<String> = label.split_whitespace().map(str::to_lowercase).collect();
    let text = words.join(" ");
    match text.as_str() {
        "true" => "1".to_owned(),
        "false" => "0".to_owned(),
        _ => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => number.to_string(),
            _ => text,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(labels: &[(&str, usize)]) -> LabelTable {
        LabelTable {
            unit: "texts",
            total: labels.iter().map(|(_, count)| count).sum(),
            labels: (labels.iter())
                .map(|&(label, count)| (label.to_owned(), count))
                .collect(),
        }
    }

    #[test]
    fn labels_that_look_like_one_are_warned_of_with_their_counts() {
        let said = table(&[("Good", 3), ("good", 40), ("bad", 2)]).warnings();
        assert_eq!(
            said,
            [
                "warning: the labels \"Good\" (3) and \"good\" (40) look like one but are learnt as 2; if \
              they are one, write them alike"
            ]
        );
        for alike in [["1", "true"], ["0", "0.0"], ["a  b", "A b"], ["False", "0"]] {
            let labels = alike.map(|label| (label, 1));
            assert_eq!(table(&labels).warnings().len(), 1, "{alike:?}");
        }
        assert!(
            table(&[("0", 1), ("1", 1), ("true story", 1)])
                .warnings()
                .is_empty()
        );
    }

    #[test]
    fn a_table_is_a_line_with_shares() {
        let line = table(&[("bad", 1), ("good", 3)]).line();
        assert_eq!(line, "4 texts: bad 1 (25 %), good 3 (75 %)");
        let many: Vec<(String, usize)> = (0..30).map(|at| (format!("l{at}"), 1)).collect();
        let many: Vec<(&str, usize)> = many
            .iter()
            .map(|(label, count)| (label.as_str(), *count))
            .collect();
        assert!(
            table(&many)
                .line()
                .ends_with("l23 1 (3 %), and 6 labels more")
        );
    }
}
