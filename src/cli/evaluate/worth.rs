//! What a discriminator is worth, as a table for people and as JSON for programs.
//!
//! Numbers only: how they came about is [`electroscope_training::rtd`]'s business.

use std::io::{self, Write};

use anstyle::Style;
use serde::Serialize;

use crate::report::{FileError, Model, write_json};
use electroscope_training::rtd::{Corruption, PredictionDifference, RtdScores};

/// What is told of a discriminator.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WorthReport {
    /// Version of the shape of the JSON.
    pub(super) schema_version: u32,
    /// The discriminator.
    pub(super) model: Model,
    /// What was read.
    pub(super) text: TextFacts,
    /// The number that all chance follows from.
    pub(super) seed: u64,
    /// What was found, way by way.
    #[serde(serialize_with = "by_name")]
    pub(super) corruptions: Vec<(Corruption, Found)>,
    /// Files that could not be read.
    pub(super) errors: Vec<FileError>,
}

/// What was read.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct TextFacts {
    /// Files that were read.
    pub(super) files: usize,
    /// Those of them that were WikiText.
    pub(super) wikitext: usize,
    /// Paragraphs.
    pub(super) paragraphs: usize,
    /// Tokens that were judged, before anything was replaced.
    pub(super) tokens: usize,
}

/// What was found in one way.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Found {
    /// What was judged: `token` or `word`.
    pub(super) unit: &'static str,
    /// What the discriminator is scores.
    #[serde(flatten)]
    pub(super) scores: RtdScores,
    /// Tokens that it read.
    pub(super) tokens: usize,
    /// Tokens that it read in a second.
    pub(super) tokens_per_second: f64,
    /// The same text, computed in another precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compared: Option<Compared>,
}

/// The same, computed in another precision.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Compared {
    /// The other precision: `f32` or `int8`.
    pub(super) precision: &'static str,
    /// How far the two lie apart.
    #[serde(flatten)]
    pub(super) difference: PredictionDifference,
    /// What the other one reads in a second.
    pub(super) tokens_per_second: f64,
}

fn by_name<S: serde::Serializer>(
    ways: &[(Corruption, Found)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(ways.iter().map(|(way, found)| (way.name(), found)))
}

/// Writes `report` as one JSON object.
///
/// # Errors
///
/// Those of `out`.
pub(super) fn json(out: &mut dyn Write, report: &WorthReport) -> io::Result<()> {
    write_json(out, report)?;
    writeln!(out)
}

/// Writes `report` as tables; `bold` is the style of their heads.
///
/// # Errors
///
/// Those of `out`.
pub(super) fn pretty(out: &mut dyn Write, report: &WorthReport, bold: Style) -> io::Result<()> {
    let Model {
        id,
        device,
        precision,
        ..
    } = &report.model;
    let TextFacts {
        files,
        wikitext,
        paragraphs,
        tokens,
    } = report.text;
    let id = electroscope_text::visible(id);
    writeln!(
        out,
        "{id} on {device} in {precision}: {} tokens of {} in {}{}, seed {}",
        grouped(tokens),
        counted(paragraphs, "paragraph"),
        counted(files, "file"),
        if wikitext > 0 {
            " (WikiText put together)"
        } else {
            ""
        },
        report.seed
    )?;
    let rows: Vec<[String; 10]> = (report.corruptions.iter())
        .map(|(way, found)| {
            let Found {
                unit,
                scores,
                tokens_per_second,
                ..
            } = found;
            [
                way.name().to_owned(),
                share(scores.auroc),
                share(scores.average_precision),
                share(Some(scores.ece)),
                share(Some(scores.brier)),
                share(Some(scores.precision)),
                share(Some(scores.recall)),
                format!("{} {unit}s", grouped(scores.units)),
                grouped(scores.replaced),
                grouped(tokens_per_second.round() as usize),
            ]
        })
        .collect();
    let head = [
        "replaced by",
        "AUROC",
        "avg. prec.",
        "ECE",
        "Brier",
        "precision",
        "recall",
        "judged",
        "replaced",
        "tokens/s",
    ];
    writeln!(out)?;
    table(out, head, &rows, bold)?;
    if let Some((_, found)) = report.corruptions.first() {
        writeln!(
            out,
            "\nprecision and recall of p ≥ {}",
            found.scores.threshold
        )?;
    }
    let rows: Vec<[String; 5]> = (report.corruptions.iter())
        .filter_map(|(way, found)| {
            let compared = found.compared?;
            Some([
                way.name().to_owned(),
                format!("{:.5}", compared.difference.mean_difference),
                format!("{:.4}", compared.difference.largest_difference),
                (compared.difference.auroc_difference)
                    .map_or("–".to_owned(), |apart| format!("{apart:+.5}")),
                grouped(compared.tokens_per_second.round() as usize),
            ])
        })
        .collect();
    let other = (report.corruptions.iter()).find_map(|(_, found)| Some(found.compared?.precision));
    if let Some(other) = other {
        writeln!(out)?;
        let title = format!("against {other}");
        let head = [&title, "mean |Δp|", "largest |Δp|", "Δ AUROC", "tokens/s"];
        table(out, head, &rows, bold)?;
    }
    Ok(())
}

/// Writes a table, its first column flush left and the others flush right.
fn table<const N: usize>(
    out: &mut dyn Write,
    head: [&str; N],
    rows: &[[String; N]],
    bold: Style,
) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(head.get(column).map_or(0, |cell| cell.chars().count()))
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.into_iter().zip(&widths).enumerate();
        let padded = cells.map(|(at, (cell, &width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join("  ")
    };
    writeln!(out, "{bold}{}{bold:#}", line(head.to_vec()))?;
    for row in rows {
        writeln!(out, "{}", line(row.iter().map(String::as_str).collect()))?;
    }
    Ok(())
}

fn share(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.4}"))
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{} {what}s", grouped(count)),
    }
}

/// A number with a comma at each thousand.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> WorthReport {
        let scores = RtdScores {
            auroc: Some(0.86625),
            average_precision: Some(0.5),
            ece: 0.0123,
            brier: 0.0625,
            threshold: 0.5287,
            precision: 0.75,
            recall: 0.25,
            units: 12_345,
            replaced: 1_000,
            flagged: 333,
        };
        let found = |way: Corruption, auroc| Found {
            unit: way.unit(),
            scores: RtdScores { auroc, ..scores },
            tokens: 12_345,
            tokens_per_second: 9_876.5,
            compared: Some(Compared {
                precision: "f32",
                difference: PredictionDifference {
                    mean_difference: 0.00125,
                    largest_difference: 0.0625,
                    auroc_difference: auroc.map(|_| -0.0005),
                },
                tokens_per_second: 5_000.0,
            }),
        };
        WorthReport {
            schema_version: 1,
            model: Model {
                id: "mini\u{1b}".to_owned(),
                revision: None,
                device: "cpu".to_owned(),
                precision: "int8".to_owned(),
            },
            text: TextFacts {
                files: 1,
                wikitext: 1,
                paragraphs: 321,
                tokens: 12_345,
            },
            seed: 7,
            corruptions: vec![
                (
                    Corruption::Generator,
                    found(Corruption::Generator, Some(0.86625)),
                ),
                (
                    Corruption::Misspelling,
                    found(Corruption::Misspelling, None),
                ),
            ],
            errors: vec![],
        }
    }

    #[test]
    fn the_table_of_what_a_discriminator_is_worth() {
        let mut out = Vec::new();
        pretty(&mut out, &report(), Style::new()).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn the_json_of_what_a_discriminator_is_worth() {
        let mut out = Vec::new();
        json(&mut out, &report()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('\u{1b}'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        insta::assert_json_snapshot!(value);
    }
}
