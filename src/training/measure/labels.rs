//! The labels of data against those of a head: the same things, seldom with the same numbers.

use super::super::Error;

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
    if is_unnamed(of_head) || is_unnamed(of_data) {
        if of_data.len() <= of_head.len() {
            return Ok((0..of_data.len()).collect());
        }
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
