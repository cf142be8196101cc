//! The labels of data against those of a head: the same things, seldom with the same numbers.

use electroscope_model::Problem;

use super::super::Error;
use super::super::data::{Classified, Tagged};
use super::super::example::Target;

/// `data` with the labels and the numbers of a head, whose problem is `problem`, and what number the
/// head has for label 1 of the data. Values stay what they are.
///
/// # Errors
///
/// As [`matched`]; and [`Error::Settings`] for data of another kind than the head gives.
pub fn relabelled(
    data: Classified,
    problem: Problem,
    of_head: &[String],
) -> Result<(Classified, usize), Error> {
    if data.problem != problem {
        return Err(Error::Settings(format!(
            "the head gives {}, but the data has {}",
            kind(problem),
            kind(data.problem)
        )));
    }
    if problem == Problem::Regression {
        return Ok((data, 1));
    }
    let numbers = matched(&data.labels, of_head)?;
    let number = |label: usize| numbers.get(label).copied().unwrap_or(usize::MAX);
    let mut data = data;
    for text in &mut data.texts {
        match &mut text.target {
            Target::Label(label) => *label = number(*label),
            Target::Labels(flags) => {
                let mut of_head = vec![false; of_head.len()];
                for (label, _) in flags.iter().enumerate().filter(|(_, applies)| **applies) {
                    if let Some(applies) = of_head.get_mut(number(label)) {
                        *applies = true;
                    }
                }
                *flags = of_head;
            }
            Target::Value(_) | Target::Span { .. } | Target::Tags(_) => {}
        }
    }
    data.labels = of_head.to_vec();
    Ok((data, numbers.get(1).copied().unwrap_or(1)))
}

/// What a classifier gives, or data has.
pub(super) fn kind(problem: Problem) -> &'static str {
    match problem {
        Problem::SingleLabel => "one label for each text",
        Problem::MultiLabel => "labels of which several or none may apply",
        Problem::Regression => "a value for each text",
    }
}

/// `data` with the tags and the numbers of a head. Tags that no word has need not be known to it.
///
/// # Errors
///
/// As [`matched`].
pub fn retagged(data: Tagged, of_head: &[String]) -> Result<Tagged, Error> {
    let mut used = vec![false; data.labels.len()];
    for &tag in data.sentences.iter().flat_map(|sentence| &sentence.tags) {
        if let Some(used) = used.get_mut(tag) {
            *used = true;
        }
    }
    let numbers = match matched(&data.labels, of_head) {
        Ok(numbers) => numbers.into_iter().map(Some).collect(),
        Err(_) => {
            let known = data.labels.iter().zip(&used).filter(|(_, used)| **used);
            let known: Vec<String> = known.map(|(label, _)| label.clone()).collect();
            let mut found = matched(&known, of_head)?.into_iter();
            let number = |&used: &bool| if used { found.next() } else { None };
            used.iter().map(number).collect::<Vec<Option<usize>>>()
        }
    };
    let mut data = data;
    for tag in data
        .sentences
        .iter_mut()
        .flat_map(|sentence| &mut sentence.tags)
    {
        *tag = numbers.get(*tag).copied().flatten().unwrap_or(usize::MAX);
    }
    data.labels = of_head.to_vec();
    Ok(data)
}

/// For each label of the data the number that the head has for it: by name, whatever the case, or by
/// number where the head has no names but `LABEL_0` and so on.
///
/// # Errors
///
/// [`Error::Settings`] with both lists if the head has no label for one of the data's.
pub fn matched(of_data: &[String], of_head: &[String]) -> Result<Vec<usize>, Error> {
    let same = |a: &str, b: &str| a.trim().to_lowercase() == b.trim().to_lowercase();
    let by_name = |label: &String| {
        // A head may have names that differ in case alone.
        let exact = of_head.iter().position(|known| known == label);
        exact.or_else(|| of_head.iter().position(|known| same(known, label)))
    };
    let by_name: Vec<Option<usize>> = of_data.iter().map(by_name).collect();
    if let Some(numbers) = by_name.iter().copied().collect::<Option<Vec<usize>>>() {
        return Ok(numbers);
    }
    let is_unnamed = |labels: &[String]| {
        let mut labels = labels.iter().enumerate();
        labels.all(|(at, label)| same(label, &format!("LABEL_{at}")))
    };
    if (is_unnamed(of_head) || is_unnamed(of_data)) && of_data.len() <= of_head.len() {
        return Ok((0..of_data.len()).collect());
    }
    let unknown = of_data.iter().zip(&by_name);
    let unknown: Vec<&str> = unknown
        .filter(|(_, number)| number.is_none())
        .map(|(label, _)| label.as_str())
        .collect();
    Err(Error::Settings(format!(
        "the head has no label like {}; the labels of the data are {}; those of the head are {}; \
         measure it on data with its own labels, or rename them in the data or in the head's id2label",
        listed(&unknown),
        listed(of_data),
        listed(of_head),
    )))
}

/// Some names, for a message.
fn listed<T: AsRef<str>>(labels: &[T]) -> String {
    /// More than a line of them would bury the message.
    const MOST: usize = 20;
    let names = labels.iter().take(MOST);
    let names: Vec<String> = names.map(|name| format!("{:?}", name.as_ref())).collect();
    match labels.len() {
        0 => "none".to_owned(),
        count if count > MOST => format!("{} and {} more", names.join(", "), count - MOST),
        _ => names.join(", "),
    }
}
