//! `id2label` in the forms that checkpoints have it: the names of a head's labels.
//!
//! JSON has only strings for keys, and people write files by hand: keys come as `"0"` and `" 0"`,
//! values as strings and as numbers, the whole as a list, or the wrong way round, as `label2id`. All
//! of these are read, for none can be misunderstood. Whether the labels are as many as the head has
//! rows is looked at where the head is.

use std::collections::BTreeMap;

use serde_json::Value;

/// The labels of `id2label` by their numbers.
///
/// # Errors
///
/// What was found instead, in words.
pub(super) fn by_number(id2label: &Value) -> Result<BTreeMap<usize, String>, String> {
    let pairs: Vec<(String, &Value)> = match id2label {
        Value::Array(labels) => (0..).map(|id: usize| id.to_string()).zip(labels).collect(),
        Value::Object(labels) => labels
            .iter()
            .map(|(id, label)| (id.clone(), label))
            .collect(),
        other => return Err(format!("{other}")),
    };
    let straight = numbered(pairs.iter().map(|(id, label)| (number(id), name(label))));
    // Only if no key is a number: `{"0": 1, "1": 0}` means what it says.
    let turned = pairs.iter().all(|(id, _)| number(id).is_none());
    if straight.is_err() && turned {
        let id = |id: &Value| id.as_u64().and_then(|id| usize::try_from(id).ok());
        return numbered(
            pairs
                .iter()
                .map(|(label, value)| (id(value), label.clone())),
        )
        .or(straight);
    }
    straight
}

/// The labels in order, if their numbers are those from 0 to `rows`.
///
/// # Errors
///
/// Which are there instead, in words.
pub(super) fn in_order(
    labels: BTreeMap<usize, String>,
    rows: usize,
) -> Result<Vec<String>, String> {
    if labels.is_empty() {
        return Err("empty".to_owned());
    }
    if labels.len() != rows {
        return Err(match labels.len() {
            1 => "a list of 1 label".to_owned(),
            many => format!("a list of {many} labels"),
        });
    }
    if let Some(missing) = (0..rows).find(|id| !labels.contains_key(id)) {
        return Err(format!("a list without a label {missing}"));
    }
    Ok(labels.into_values().collect())
}

/// `LABEL_0` and so on, the reference's names for labels without one.
pub(super) fn unnamed(rows: usize) -> Vec<String> {
    (0..rows).map(|id| format!("LABEL_{id}")).collect()
}

fn numbered(
    pairs: impl Iterator<Item = (Option<usize>, String)>,
) -> Result<BTreeMap<usize, String>, String> {
    let mut labels = BTreeMap::new();
    for (id, label) in pairs {
        let Some(id) = id else {
            return Err(format!("a list with a label {label:?} that has no number"));
        };
        if labels.insert(id, label).is_some() {
            return Err(format!("a list with two labels of number {id}"));
        }
    }
    Ok(labels)
}

fn number(id: &str) -> Option<usize> {
    id.trim().parse().ok()
}

fn name(label: &Value) -> String {
    label
        .as_str()
        .map_or_else(|| label.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<String>, String> {
        let labels = by_number(&serde_json::from_str(json).unwrap())?;
        let rows = labels.len();
        in_order(labels, rows)
    }

    #[test]
    fn labels_are_read_in_every_form_they_come_in() {
        for json in [
            r#"{"0": "no", "1": "yes"}"#,
            r#"{"1": "yes", " 0": "no"}"#,
            r#"["no", "yes"]"#,
            r#"{"no": 0, "yes": 1}"#,
        ] {
            assert_eq!(read(json).unwrap(), ["no", "yes"], "{json}");
        }
        assert_eq!(read(r#"{"0": 0, "1": 1}"#).unwrap(), ["0", "1"]);
        assert_eq!(read(r#"{"0": 1, "1": 0}"#).unwrap(), ["1", "0"]);
        assert_eq!(read(r#"{"0": 1.5, "1": null}"#).unwrap(), ["1.5", "null"]);
        assert_eq!(
            read(r#"{"0": "LABEL_0", "1": "LABEL_1"}"#).unwrap(),
            unnamed(2)
        );
    }

    #[test]
    fn more_than_nine_labels_stand_in_the_order_of_numbers() {
        let labels: BTreeMap<String, String> = (0..12)
            .map(|id| (id.to_string(), format!("l{id}")))
            .collect();
        let read = read(&serde_json::to_string(&labels).unwrap()).unwrap();
        assert_eq!((read[2].as_str(), read[10].as_str()), ("l2", "l10"));
    }

    #[test]
    fn what_names_no_labels_is_refused_in_words() {
        let complaints: Vec<String> = [
            "{}",
            "[]",
            "3",
            r#""yes""#,
            r#"{"yes": "1", "no": "0"}"#,
            r#"{"0": "no", "yes": 1}"#,
            r#"{"0": "no", "00": "yes"}"#,
            r#"{"no": 0, "yes": 0}"#,
            r#"{"1": "no", "2": "yes"}"#,
            r#"{"-1": "no", "0": "yes"}"#,
        ]
        .iter()
        .map(|json| format!("{json}: {}", read(json).unwrap_err()))
        .collect();
        insta::assert_snapshot!(complaints.join("\n"));
    }
}
