//! Matches the labels of data with those of a head, whose order and case may differ.

use electroscope_model::Problem;

use super::super::Error;
use super::super::data::{LabelledSentences, LabelledTexts};
use super::super::example::Target;

/// Replaces the label indices of `data` by those of a head, whose problem is `problem`. Gives also the
/// head's index for label 1 of the data. Values stay as they are.
///
/// # Errors
///
/// As [`match_labels`]; and [`Error::Settings`] if the data is for another problem than the head.
pub fn relabel_texts(
    data: LabelledTexts,
    problem: Problem,
    head_labels: &[String],
) -> Result<(LabelledTexts, usize), Error> {
    if data.problem != problem {
        return Err(Error::Settings(format!(
            "the head gives {}, but the data has {}",
            problem_in_words(problem),
            problem_in_words(data.problem)
        )));
    }
    if problem == Problem::Regression {
        return Ok((data, 1));
    }
    let indices = match_labels(&data.labels, head_labels)?;
    let index = |label: usize| indices.get(label).copied().unwrap_or(usize::MAX);
    let mut data = data;
    for text in &mut data.texts {
        match &mut text.target {
            Target::Label(label) => *label = index(*label),
            Target::Labels(flags) => {
                let mut new_flags = vec![false; head_labels.len()];
                for (label, _) in flags.iter().enumerate().filter(|(_, applies)| **applies) {
                    if let Some(applies) = new_flags.get_mut(index(label)) {
                        *applies = true;
                    }
                }
                *flags = new_flags;
            }
            Target::Value(_) | Target::Span { .. } | Target::Tags(_) => {}
        }
    }
    data.labels = head_labels.to_vec();
    Ok((data, indices.get(1).copied().unwrap_or(1)))
}

/// What a classifier predicts, or data contains, for messages.
pub(super) fn problem_in_words(problem: Problem) -> &'static str {
    match problem {
        Problem::SingleLabel => "one label for each text",
        Problem::MultiLabel => "labels of which several or none may apply",
        Problem::Regression => "a value for each text",
    }
}

/// Replaces the tag indices of `data` by those of a head. Tags that no word has may be unknown to the
/// head.
///
/// # Errors
///
/// As [`match_labels`].
pub fn relabel_tags(
    data: LabelledSentences,
    head_labels: &[String],
) -> Result<LabelledSentences, Error> {
    let mut used = vec![false; data.labels.len()];
    for &tag in data.sentences.iter().flat_map(|sentence| &sentence.tags) {
        if let Some(used) = used.get_mut(tag) {
            *used = true;
        }
    }
    let indices = match match_labels(&data.labels, head_labels) {
        Ok(indices) => indices.into_iter().map(Some).collect(),
        Err(_) => {
            let known = data.labels.iter().zip(&used).filter(|(_, used)| **used);
            let known: Vec<String> = known.map(|(label, _)| label.clone()).collect();
            let mut found = match_labels(&known, head_labels)?.into_iter();
            let index = |&used: &bool| if used { found.next() } else { None };
            used.iter().map(index).collect::<Vec<Option<usize>>>()
        }
    };
    let mut data = data;
    for tag in data
        .sentences
        .iter_mut()
        .flat_map(|sentence| &mut sentence.tags)
    {
        *tag = indices.get(*tag).copied().flatten().unwrap_or(usize::MAX);
    }
    data.labels = head_labels.to_vec();
    Ok(data)
}

/// For each label of the data the index of the head's label: by name, ignoring case, or by index if
/// one side has no names other than `LABEL_0` and so on.
///
/// # Errors
///
/// [`Error::Settings`] with both lists if the head lacks a label of the data.
pub fn match_labels(data_labels: &[String], head_labels: &[String]) -> Result<Vec<usize>, Error> {
    let same = |a: &str, b: &str| a.trim().to_lowercase() == b.trim().to_lowercase();
    let by_name = |label: &String| {
        // A head may have labels that differ in case only.
        let exact = head_labels.iter().position(|known| known == label);
        exact.or_else(|| head_labels.iter().position(|known| same(known, label)))
    };
    let by_name: Vec<Option<usize>> = data_labels.iter().map(by_name).collect();
    if let Some(indices) = by_name.iter().copied().collect::<Option<Vec<usize>>>() {
        return Ok(indices);
    }
    let is_unnamed = |labels: &[String]| {
        let mut labels = labels.iter().enumerate();
        labels.all(|(at, label)| same(label, &format!("LABEL_{at}")))
    };
    if (is_unnamed(head_labels) || is_unnamed(data_labels))
        && data_labels.len() <= head_labels.len()
    {
        return Ok((0..data_labels.len()).collect());
    }
    let unknown = data_labels.iter().zip(&by_name);
    let unknown: Vec<&str> = unknown
        .filter(|(_, index)| index.is_none())
        .map(|(label, _)| label.as_str())
        .collect();
    Err(Error::Settings(format!(
        "the head has no label like {}; the labels of the data are {}; those of the head are {}; \
         evaluate it on data with its own labels, or rename them in the data or in the head's id2label",
        listed(&unknown),
        listed(data_labels),
        listed(head_labels),
    )))
}

/// Quotes some names for a message.
fn listed<T: AsRef<str>>(labels: &[T]) -> String {
    /// More would hide the message itself.
    const MOST: usize = 20;
    let names = labels.iter().take(MOST);
    let names: Vec<String> = names.map(|name| format!("{:?}", name.as_ref())).collect();
    match labels.len() {
        0 => "none".to_owned(),
        count if count > MOST => format!("{} and {} more", names.join(", "), count - MOST),
        _ => names.join(", "),
    }
}
