//! What a classifier said of units of text, for people and for programs.
//!
//! The labels of a unit come with the likeliest first; those of a regression are its values, the
//! largest first. JSON has all of them, the formats for people those that matter.

use std::io::{self, Write};

use anstyle::AnsiColor;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::json::{self, Envelope, Sequence};
use super::line::{QUOTE, bar, cut, on_one_line};
use super::{FileError, HeadFormat, HeadPrinter, Looks, Model, Places, visible_path};
use electroscope_analysis::{Unit, UnitKind, decode};
use electroscope_model::Problem;
use electroscope_text::Document;

/// A document that was classified.
#[derive(Clone, Debug)]
pub struct Classified {
    /// The document.
    pub document: Document,
    /// Its units in the order of the text.
    pub units: Vec<Unit>,
}

/// What is known of the head behind the units.
#[derive(Clone, Debug)]
pub struct Classes {
    /// Its labels by their numbers.
    pub labels: Vec<String>,
    /// How its numbers are meant.
    pub problem: Problem,
    /// What the units are.
    pub kind: UnitKind,
}

impl Classes {
    /// The labels of a unit, each with its number, the largest first.
    fn ranked<'a>(&'a self, unit: &'a Unit) -> impl Iterator<Item = (&'a str, f32)> {
        decode::ranked(&unit.p).into_iter().filter_map(|label| {
            let name = self.labels.get(label)?;
            Some((name.as_str(), *unit.p.get(label)?))
        })
    }

    /// The labels that a line for a person shows: the likeliest; of many that may apply at once,
    /// those that rather do than not, if there are such; of a regression all.
    fn telling<'a>(&'a self, unit: &'a Unit) -> impl Iterator<Item = (&'a str, f32)> {
        let problem = self.problem;
        let ranked = self.ranked(unit).enumerate();
        ranked
            .take_while(move |&(rank, (_, p))| match problem {
                Problem::SingleLabel => rank == 0,
                Problem::MultiLabel => rank == 0 || p >= 0.5,
                Problem::Regression => true,
            })
            .map(|(_, found)| found)
    }
}

/// The printer for `format`. Only [`HeadFormat::Pretty`] wants to know the terminal.
pub fn printer(
    format: HeadFormat,
    looks: Looks,
    classes: Classes,
) -> Box<dyn HeadPrinter<Classified>> {
    match format {
        HeadFormat::Json => Box::new(Json {
            envelope: Envelope::default(),
            classes,
        }),
        HeadFormat::Jsonl => Box::new(JsonLines { classes }),
        HeadFormat::Compact => Box::new(Compact { classes }),
        HeadFormat::Pretty => Box::new(Pretty { looks, classes }),
    }
}

struct Compact {
    classes: Classes,
}

impl HeadPrinter<Classified> for Compact {
    fn document(&mut self, out: &mut dyn Write, found: &Classified) -> io::Result<()> {
        let path = visible_path(&found.document.path);
        let mut places = Places::new(&found.document.text);
        for unit in &found.units {
            let place = places.of(unit.span);
            let text = unit.span.of(&found.document.text).unwrap_or_default();
            let text = cut(text, QUOTE);
            for (label, p) in self.classes.telling(unit) {
                let label = on_one_line(label);
                writeln!(
                    out,
                    "{path}:{}:{}: {label} {p:.2} {text}",
                    place.line, place.column
                )?;
            }
        }
        Ok(())
    }
}

struct Pretty {
    looks: Looks,
    classes: Classes,
}

impl HeadPrinter<Classified> for Pretty {
    fn document(&mut self, out: &mut dyn Write, found: &Classified) -> io::Result<()> {
        /// More labels than this say less.
        const MOST: usize = 5;
        /// Cells of a bar.
        const BAR: usize = 24;
        let (strong, faint) = (self.looks.strong(), self.looks.faint());
        let top = self.looks.unless_mono(AnsiColor::Cyan.on_default().bold());
        let width = usize::from(self.looks.width);
        writeln!(
            out,
            "{strong}{}{strong:#}  {faint}{}{faint:#}",
            visible_path(&found.document.path),
            amount(found.units.len(), self.classes.kind),
        )?;
        let mut places = Places::new(&found.document.text);
        for unit in &found.units {
            let place = places.of(unit.span);
            let place = format!("{}:{}", place.line, place.column);
            let text = unit.span.of(&found.document.text).unwrap_or_default();
            let room = width.saturating_sub(place.len() + 2).max(20);
            writeln!(out, "\n{faint}{place}{faint:#}  {}", cut(text, room))?;
            let telling = self.classes.telling(unit).count();
            let shown: Vec<(String, f32)> = self
                .classes
                .ranked(unit)
                .take(MOST.max(telling))
                .map(|(label, p)| (cut(label, 40), p))
                .collect();
            let cells = |label: &str| unicode_width::UnicodeWidthStr::width(label);
            let widest = shown.iter().map(|(label, _)| cells(label)).max();
            let widest = widest.unwrap_or(0);
            for (rank, (label, p)) in shown.iter().enumerate() {
                let style = if rank < telling { top } else { faint };
                let blank = widest - cells(label);
                let bar = match self.classes.problem {
                    // A value has no end that a bar could be measured by.
                    Problem::Regression => String::new(),
                    Problem::SingleLabel | Problem::MultiLabel => format!("{}  ", bar(*p, BAR)),
                };
                writeln!(
                    out,
                    "    {style}{label}{style:#}{:blank$}  {style}{bar}{style:#}{p:.2}",
                    ""
                )?;
            }
            let more = unit.p.len().saturating_sub(shown.len());
            if more > 0 {
                writeln!(out, "    {faint}and {more} less likely{faint:#}")?;
            }
        }
        writeln!(out)
    }
}

/// How many units there are, in words.
fn amount(count: usize, kind: UnitKind) -> String {
    match (kind, count) {
        (_, 0) => "nothing to classify".to_owned(),
        (UnitKind::Document, _) => "the whole document".to_owned(),
        (UnitKind::Paragraph, 1) => "1 paragraph".to_owned(),
        (UnitKind::Paragraph, many) => format!("{many} paragraphs"),
        (UnitKind::Sentence, 1) => "1 sentence".to_owned(),
        (UnitKind::Sentence, many) => format!("{many} sentences"),
    }
}

struct Json {
    envelope: Envelope,
    classes: Classes,
}

impl HeadPrinter<Classified> for Json {
    fn begin(&mut self, out: &mut dyn Write, model: &Model) -> io::Result<()> {
        self.envelope.begin(out, model, None)
    }

    fn document(&mut self, out: &mut dyn Write, found: &Classified) -> io::Result<()> {
        let classes = &self.classes;
        self.envelope
            .document(out, &DocumentObject { found, classes })
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        self.envelope.end(out, errors)
    }
}

struct JsonLines {
    classes: Classes,
}

impl HeadPrinter<Classified> for JsonLines {
    fn document(&mut self, out: &mut dyn Write, found: &Classified) -> io::Result<()> {
        let classes = &self.classes;
        json::line(out, &DocumentObject { found, classes })
    }

    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()> {
        json::error_lines(out, errors)
    }
}

struct DocumentObject<'a> {
    found: &'a Classified,
    classes: &'a Classes,
}

impl Serialize for DocumentObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (found, classes) = (self.found, self.classes);
        let mut object = serializer.serialize_struct("document", 2)?;
        object.serialize_field("path", &found.document.path.to_string_lossy())?;
        let unit = |unit| UnitObject {
            unit,
            text: &found.document.text,
            classes,
        };
        object.serialize_field("units", &Sequence(|| found.units.iter().map(unit)))?;
        object.end()
    }
}

struct UnitObject<'a> {
    unit: &'a Unit,
    text: &'a str,
    classes: &'a Classes,
}

#[derive(Serialize)]
struct LabelObject<'a> {
    label: &'a str,
    p: f32,
}

impl Serialize for UnitObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (unit, classes) = (self.unit, self.classes);
        let mut object = serializer.serialize_struct("unit", 4)?;
        object.serialize_field("text", unit.span.of(self.text).unwrap_or_default())?;
        object.serialize_field("start", &unit.span.start())?;
        object.serialize_field("end", &unit.span.end())?;
        let label = |(label, p)| LabelObject { label, p };
        object.serialize_field("labels", &Sequence(|| classes.ranked(unit).map(label)))?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::theme::Theme;
    use electroscope_text::{Language, Span};

    /// A document of two paragraphs, and what a classifier said of each.
    fn printed(format: HeadFormat, theme: Theme, problem: Problem, labels: &[&str]) -> String {
        let text =
            "The \u{1b}boat is\nunbelievable.\n\nAnna waits, and waits, and waits, and waits.\n";
        let document = Document::new("a\u{1b}.md", text, Language::Markdown);
        let second = text.find("Anna").unwrap();
        let p = |values: &[f32]| values.iter().copied().take(labels.len()).collect();
        let units = vec![
            Unit {
                span: Span::new(0, second - 2),
                p: p(&[0.0625, 0.6875, 0.25, 0.5, 0.125, 0.0, 0.0]),
            },
            Unit {
                span: Span::new(second, text.len() - 1),
                p: p(&[0.5, 0.375, 0.125, 0.5, 0.125, 0.0, 0.0]),
            },
        ];
        let classes = Classes {
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            problem,
            kind: UnitKind::Paragraph,
        };
        let mut printer = printer(format, Looks { theme, width: 40 }, classes);
        let mut out = Vec::new();
        printer
            .document(&mut out, &Classified { document, units })
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    const THREE: &[&str] = &["bad", "so\u{1b}so", "good"];
    const SEVEN: &[&str] = &["a", "b", "c", "d", "e", "f", "g"];

    #[test]
    fn people_see_the_labels_as_bars_the_likeliest_first() {
        let mono = printed(HeadFormat::Pretty, Theme::Mono, Problem::SingleLabel, THREE);
        insta::assert_snapshot!(mono);
        assert!(!mono.contains('\u{1b}'));
        let color = printed(
            HeadFormat::Pretty,
            Theme::Ansi16,
            Problem::SingleLabel,
            THREE,
        );
        insta::assert_snapshot!(color.replace('\u{1b}', "␛"));
    }

    #[test]
    fn many_labels_are_cut_short_but_none_that_applies() {
        let pretty = |problem| printed(HeadFormat::Pretty, Theme::Mono, problem, SEVEN);
        insta::assert_snapshot!(pretty(Problem::MultiLabel));
        let values = pretty(Problem::Regression);
        assert!(
            values.contains("g  0.00") && !values.contains('█'),
            "{values}"
        );
    }

    #[test]
    fn a_line_has_the_label_that_tells() {
        let compact = |problem, labels| printed(HeadFormat::Compact, Theme::Mono, problem, labels);
        insta::assert_snapshot!(
            [
                compact(Problem::SingleLabel, THREE),
                compact(Problem::MultiLabel, SEVEN),
                compact(Problem::Regression, &THREE[..1]),
            ]
            .join("\n")
        );
    }

    #[test]
    fn json_has_every_label_the_likeliest_first() {
        let line = printed(HeadFormat::Jsonl, Theme::Mono, Problem::SingleLabel, THREE);
        let units = serde_json::from_str::<serde_json::Value>(&line).unwrap()["units"].take();
        let labels = serde_json::json!([
            {"label": "so\u{1b}so", "p": 0.6875}, {"label": "good", "p": 0.25}, {"label": "bad", "p": 0.0625},
        ]);
        assert_eq!(units[0]["labels"], labels);
        assert_eq!(units[0]["text"], "The \u{1b}boat is\nunbelievable.");
        assert!(!line.contains('\u{1b}'));
    }
}
