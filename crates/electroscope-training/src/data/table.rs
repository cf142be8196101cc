//! Texts with labels in a table of one's own: TSV, CSV or JSON lines.
//!
//! Apart from [`super::glue`], whose tables and labels are known beforehand. What a file is, its name
//! says: `.tsv`, `.csv`, `.jsonl`. In CSV a value may be quoted; in TSV nothing is, as in GLUE: a
//! quotation mark is a character like any other, and no value holds a tab or a line break.

use std::cmp::Ordering;
use std::path::Path;

use serde_json::{Map, Value};

use electroscope_model::Problem;

use super::super::Error;
use super::super::example::Target;
use super::lines::{Lines, listed, not_utf8, refuse, unreadable};
use super::names::LabelNames;
use super::{LabelledText, LabelledTexts};

/// Which columns hold what, and how the labels are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The text.
    pub text: String,
    /// The text that it is compared with, if there is one.
    pub pair: Option<String>,
    /// The label.
    pub label: String,
    /// What parts the labels of a text from each other, if it may have several or none. In JSON lines
    /// a list does that by itself.
    pub separator: Option<String>,
    /// Whether the labels are values.
    pub regression: bool,
    /// What parts the values of a CSV file. If unsaid it is a comma, or whichever of `;`, tab and `|`
    /// parts the header into these columns where a comma does not.
    pub delimiter: Option<u8>,
}

impl Default for Columns {
    fn default() -> Columns {
        Columns {
            text: "text".to_owned(),
            pair: None,
            label: "label".to_owned(),
            separator: None,
            regression: false,
            delimiter: None,
        }
    }
}

/// Reads texts and their labels. Labels are numbered in the order of the alphabet, or that of numbers
/// if all of them are numbers, so that the order of the rows makes no difference.
///
/// # Errors
///
/// [`Error::Open`], and [`Error::Data`] for a file of another kind, a column that is not there, a row
/// that lacks a value, and a file without two labels to choose from.
pub fn read(path: &Path, columns: &Columns) -> Result<LabelledTexts, Error> {
    read_noting(path, columns, &mut Vec::new())
}

/// As [`read`], adding to `notes` what the reader should know: a delimiter that was found, labels that
/// were trimmed.
///
/// # Errors
///
/// As [`read`].
pub fn read_noting(
    path: &Path,
    columns: &Columns,
    notes: &mut Vec<String>,
) -> Result<LabelledTexts, Error> {
    let read = read_with(path, columns, None, notes)?;
    if let (Problem::SingleLabel, [only]) = (read.problem, read.labels.as_slice()) {
        let what =
            format!("every row has the label {only:?}; there is nothing to be learnt from one");
        return Err(refuse(path, None, what));
    }
    Ok(read)
}

/// Reads texts for a classifier whose labels are `labels`, by their numbers.
///
/// # Errors
///
/// As [`read`], and [`Error::Data`] for a label that is none of them.
pub fn read_known(
    path: &Path,
    columns: &Columns,
    labels: &[String],
) -> Result<LabelledTexts, Error> {
    read_with(path, columns, Some(labels), &mut Vec::new())
}

/// A row.
struct TableRow {
    text: String,
    pair: Option<String>,
    said: Said,
}

/// What a row says of its text.
enum Said {
    One(String),
    Several(Vec<String>),
}

fn read_with(
    path: &Path,
    columns: &Columns,
    known: Option<&[String]>,
    notes: &mut Vec<String>,
) -> Result<LabelledTexts, Error> {
    let mut reading = Reading {
        names: LabelNames::new(known.filter(|_| !columns.regression)),
        is_regression: columns.regression,
        several: None,
        trimmed: 0,
        texts: Vec::new(),
    };
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("tsv") => of_tsv(path, columns, &mut reading)?,
        Some("csv") => of_csv(path, columns, &mut reading, notes)?,
        Some("jsonl" | "ndjson") => of_json(path, columns, &mut reading)?,
        _ => {
            return Err(refuse(
                path,
                None,
                "a table ends with .tsv, .csv or .jsonl, which says how it is to be read; rename \
                 the file",
            ));
        }
    }
    if reading.texts.is_empty() {
        return Err(refuse(path, None, "the file has no rows"));
    }
    if reading.trimmed > 0 {
        notes.push(format!(
            "{}: {} labels had white space around them, which was left out",
            path.display(),
            reading.trimmed
        ));
    }
    Ok(reading.finish())
}

/// The texts so far, with labels by provisional numbers.
struct Reading {
    names: LabelNames,
    is_regression: bool,
    /// Whether texts have lists of labels; none before the first.
    several: Option<bool>,
    /// Labels that had white space around them.
    trimmed: usize,
    texts: Vec<(String, Option<String>, Labelled)>,
}

/// What was said, labels by provisional numbers.
enum Labelled {
    One(usize),
    Several(Vec<usize>),
    Value(f32),
}

impl Reading {
    /// Takes in a row; in words, what is wrong with it.
    fn take(&mut self, row: TableRow) -> Result<(), String> {
        let labelled = match row.said {
            Said::One(value) if self.is_regression => {
                let number = value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|value: &f32| value.is_finite());
                Labelled::Value(number.ok_or_else(|| {
                    format!("for a regression the label must be a number, not {value:?}")
                })?)
            }
            Said::Several(_) if self.is_regression => {
                return Err("for a regression the label must be a number, not a list".to_owned());
            }
            Said::One(label) => {
                self.agree(false)?;
                Labelled::One(self.label(&label)?)
            }
            Said::Several(labels) => {
                self.agree(true)?;
                let numbers = labels.iter().map(|label| self.label(label));
                Labelled::Several(numbers.collect::<Result<_, _>>()?)
            }
        };
        self.texts.push((row.text, row.pair, labelled));
        Ok(())
    }

    /// The number of a label, without the white space around it.
    fn label(&mut self, label: &str) -> Result<usize, String> {
        let trimmed = label.trim();
        if trimmed.is_empty() {
            return Err("the label is empty".to_owned());
        }
        // A model may have been trained with the white space.
        if trimmed.len() == label.len() || self.names.has(label) {
            return self.names.number(label);
        }
        self.trimmed += 1;
        self.names.number(trimmed)
    }

    /// Whether this row is like those before.
    fn agree(&mut self, several: bool) -> Result<(), String> {
        match *self.several.get_or_insert(several) {
            before if before == several => Ok(()),
            true => Err("the rows before have lists of labels, and this one a label".to_owned()),
            false => Err("the rows before have a label each, and this one a list".to_owned()),
        }
    }

    fn finish(self) -> LabelledTexts {
        let (mut labels, numbers) = if self.names.all().iter().all(|name| number(name).is_some()) {
            self.names.sorted(by_number)
        } else {
            self.names.sorted(str::cmp)
        };
        let problem = match self.several {
            _ if self.is_regression => Problem::Regression,
            Some(true) => Problem::MultiLabel,
            _ => Problem::SingleLabel,
        };
        if problem == Problem::Regression {
            labels = vec!["value".to_owned()];
        }
        let number = |label: usize| numbers.get(label).copied().unwrap_or(label);
        let text = |(text, pair, labelled)| LabelledText {
            text,
            pair,
            target: match labelled {
                Labelled::Value(value) => Target::Value(value),
                Labelled::One(label) => Target::Label(number(label)),
                Labelled::Several(applying) => {
                    let mut applies = vec![false; labels.len()];
                    for label in applying {
                        if let Some(applies) = applies.get_mut(number(label)) {
                            *applies = true;
                        }
                    }
                    Target::Labels(applies)
                }
            },
        };
        let texts = self.texts.into_iter().map(text).collect();
        LabelledTexts {
            labels,
            problem,
            texts,
        }
    }
}

fn number(name: &str) -> Option<f64> {
    name.parse().ok().filter(|number: &f64| number.is_finite())
}

fn by_number(a: &str, b: &str) -> Ordering {
    let numbers = number(a).zip(number(b));
    numbers
        .map_or(Ordering::Equal, |(a, b)| a.total_cmp(&b))
        .then_with(|| a.cmp(b))
}

/// Where the columns of a table with a header are.
struct Places {
    text: usize,
    pair: Option<usize>,
    label: usize,
}

impl Places {
    /// By the names of the columns; in words, what is missing.
    fn of<S: AsRef<str>>(header: &[S], columns: &Columns) -> Result<Places, String> {
        let find = |name: &String| {
            let mut places = header
                .iter()
                .enumerate()
                .filter(|(_, column)| column.as_ref() == name);
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Ok(place),
                (Some(_), Some(_)) => Err(format!("two columns are called {name:?}")),
                (None, _) => Err(format!(
                    "there is no column {name:?}; the columns are {}",
                    listed(header)
                )),
            }
        };
        Ok(Places {
            text: find(&columns.text)?,
            pair: columns.pair.as_ref().map(find).transpose()?,
            label: find(&columns.label)?,
        })
    }

    /// A row of as many fields as the header has.
    fn row<'a>(&self, field: impl Fn(usize) -> Option<&'a str>, columns: &Columns) -> TableRow {
        let owned = |at: usize| field(at).unwrap_or_default().to_owned();
        let label = field(self.label).unwrap_or_default();
        TableRow {
            text: owned(self.text),
            pair: self.pair.map(owned),
            said: said(label, columns),
        }
    }
}

/// What a cell says.
fn said(cell: &str, columns: &Columns) -> Said {
    match &columns.separator {
        Some(separator) if !separator.is_empty() && !columns.regression => {
            let labels = cell.split(separator.as_str()).map(str::trim);
            let labels = labels.filter(|label| !label.is_empty());
            Said::Several(labels.map(str::to_owned).collect())
        }
        _ => Said::One(cell.to_owned()),
    }
}

fn of_tsv(path: &Path, columns: &Columns, reading: &mut Reading) -> Result<(), Error> {
    let mut lines = Lines::open(path)?;
    let Some(header) = lines.read()? else {
        return Err(lines.refuse_all("the file is empty"));
    };
    let header: Vec<&str> = header.split('\t').collect();
    let places = Places::of(&header, columns).map_err(|what| lines.refuse(what))?;
    while let Some(line) = lines.read()? {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields == [""] {
            continue;
        }
        if fields.len() != header.len() {
            return Err(lines.refuse(format!(
                "the row has {}, but the header has {}; they are parted by tabs, and nothing is quoted",
                super::lines::columns(fields.len()),
                header.len()
            )));
        }
        let row = places.row(|at| fields.get(at).copied(), columns);
        reading.take(row).map_err(|what| lines.refuse(what))?;
    }
    Ok(())
}

fn of_csv(
    path: &Path,
    columns: &Columns,
    reading: &mut Reading,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let delimiter = match columns.delimiter {
        Some(delimiter) => delimiter,
        None => found_delimiter(path, columns, notes)?,
    };
    let refused = |err: csv::Error| {
        let line = err
            .position()
            .and_then(|place| usize::try_from(place.line()).ok());
        match err.into_kind() {
            csv::ErrorKind::Io(source) => unreadable(path, source),
            csv::ErrorKind::Utf8 { err, .. } => refuse(path, line, not_utf8(err.valid_up_to())),
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => {
                let sign = delimiter_name(delimiter);
                let what = format!(
                    "the row has {}, but the header has {expected_len}; they are parted by {sign}s, and a \
                     value with a {sign} must be quoted",
                    super::lines::columns(usize::try_from(len).unwrap_or(usize::MAX))
                );
                refuse(path, line, what)
            }
            _ => refuse(path, line, "it cannot be read as CSV"),
        }
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(super::lines::opened(path)?);
    let header: Vec<String> = (reader.headers().map_err(refused)?.iter())
        .map(str::to_owned)
        .collect();
    if header.is_empty() {
        return Err(refuse(path, None, "the file is empty"));
    }
    let places = Places::of(&header, columns).map_err(|what| refuse(path, Some(1), what))?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(refused)? {
        let line = record
            .position()
            .and_then(|place| usize::try_from(place.line()).ok());
        if record.as_slice().len() > super::lines::LONGEST_ROW {
            return Err(refuse(path, line, super::lines::too_long()));
        }
        let row = places.row(|at| record.get(at), columns);
        reading.take(row).map_err(|what| refuse(path, line, what))?;
    }
    Ok(())
}

/// What parts the values of a CSV file, by its header: a comma, unless only another sign makes the
/// wanted columns of it.
fn found_delimiter(path: &Path, columns: &Columns, notes: &mut Vec<String>) -> Result<u8, Error> {
    let Some(header) = Lines::open(path)?.read()? else {
        return Ok(b',');
    };
    let has_columns = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(header.as_bytes());
        let names: Vec<String> = match reader.headers() {
            Ok(names) => names.iter().map(str::to_owned).collect(),
            Err(_) => return false,
        };
        Places::of(&names, columns).is_ok()
    };
    match [b',', b';', b'\t', b'|']
        .into_iter()
        .find(|&sign| has_columns(sign))
    {
        None | Some(b',') => Ok(b','),
        Some(sign) => {
            notes.push(format!(
                "{}: its values are parted by {}s, as its header shows; --delimiter sets another",
                path.display(),
                delimiter_name(sign)
            ));
            Ok(sign)
        }
    }
}

/// A delimiter for a message.
fn delimiter_name(delimiter: u8) -> String {
    match delimiter {
        b',' => "comma".to_owned(),
        b';' => "semicolon".to_owned(),
        b'\t' => "tab".to_owned(),
        other => format!("{:?}", char::from(other)),
    }
}

fn of_json(path: &Path, columns: &Columns, reading: &mut Reading) -> Result<(), Error> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.read()? {
        if line.trim().is_empty() {
            continue;
        }
        let object: Map<String, Value> = serde_json::from_str(&line)
            .map_err(|err| lines.refuse(format!("the line is no JSON object: {}", within(&err))))?;
        let row = of_object(&object, columns).map_err(|what| lines.refuse(what))?;
        reading.take(row).map_err(|what| lines.refuse(what))?;
    }
    Ok(())
}

/// What is wrong with a line of JSON. Where is said by the file's line, not by its only one.
fn within(err: &serde_json::Error) -> String {
    let said = err.to_string();
    let what = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(what, _)| what);
    match err.column() {
        0 => what.to_owned(),
        column => format!("{what} at column {column}"),
    }
}

fn of_object(object: &Map<String, Value>, columns: &Columns) -> Result<TableRow, String> {
    let field = |name: &String| {
        object.get(name).ok_or_else(|| {
            let there: Vec<&String> = object.keys().collect();
            format!(
                "there is no field {name:?}; the fields are {}",
                listed(&there)
            )
        })
    };
    let text = |name: &String| match field(name)? {
        Value::String(text) => Ok(text.clone()),
        other => Err(format!("{name:?} must be a text, not {other}")),
    };
    let label = |value: &Value| match value {
        Value::String(label) => Ok(label.clone()),
        // `0.0` is the label that `0` is.
        Value::Number(number) => Ok(match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        }),
        Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(format!(
            "{:?} must be a text, a number, true or false, or a list of those, not {value}",
            columns.label
        )),
    };
    let said = match field(&columns.label)? {
        Value::Array(values) => Said::Several(values.iter().map(label).collect::<Result<_, _>>()?),
        Value::String(cell) => said(cell, columns),
        value => Said::One(label(value)?),
    };
    Ok(TableRow {
        text: text(&columns.text)?,
        pair: columns.pair.as_ref().map(text).transpose()?,
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(name: &str, text: &str, read: impl Fn(&Path) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    fn texts(data: &LabelledTexts) -> Vec<(&str, Option<&str>, Target)> {
        let said = |text: &LabelledText| text.target.clone();
        (data.texts.iter())
            .map(|text| (text.text.as_str(), text.pair.as_deref(), said(text)))
            .collect()
    }

    fn pairs() -> Columns {
        Columns {
            text: "first".to_owned(),
            pair: Some("second".to_owned()),
            label: "same".to_owned(),
            ..Columns::default()
        }
    }

    fn complaint(name: &str, text: &str, columns: &Columns) -> String {
        with(name, text, |path| {
            let message = read(path, columns).unwrap_err().to_string();
            message.replace(&path.display().to_string(), name)
        })
    }

    #[test]
    fn the_same_table_is_read_from_each_kind_of_file() {
        let tsv = "id\tsame\tfirst\tsecond\n1\tyes\tA, b\t\"c\"\n2\tno\td\te\n";
        let csv = "\u{feff}id,same,first,second\r\n1,yes,\"A, b\",\"\"\"c\"\"\"\r\n2,no,d,e\r\n";
        let json = "{\"first\": \"A, b\", \"second\": \"\\\"c\\\"\", \"same\": \"yes\"}\n\n\
                    {\"same\": \"no\", \"second\": \"e\", \"first\": \"d\", \"id\": 2}\n";
        for (name, text) in [("a.tsv", tsv), ("a.CSV", csv), ("a.jsonl", json)] {
            let data = with(name, text, |path| read(path, &pairs()).unwrap());
            let wanted = [
                ("A, b", Some("\"c\""), Target::Label(1)),
                ("d", Some("e"), Target::Label(0)),
            ];
            assert_eq!(texts(&data), wanted, "{name}");
            assert_eq!(data.labels, ["no", "yes"]);
            assert_eq!(data.problem, Problem::SingleLabel);
        }
    }

    #[test]
    fn a_quoted_value_may_have_several_lines() {
        let csv = "text,label\n\"one\ntwo\",a\nthree,b\nfour\n";
        let message = complaint("a.csv", csv, &Columns::default());
        assert_eq!(
            message,
            "a.csv:5: the row has 1 column, but the header has 2; they are parted by commas, and a \
             value with a comma must be quoted"
        );
        let data = with("a.csv", &csv[..csv.len() - 5], |path| {
            read(path, &Columns::default()).unwrap()
        });
        assert_eq!(data.texts[0].text, "one\ntwo");
    }

    #[test]
    fn labels_that_are_numbers_stand_in_the_order_of_numbers() {
        let labels = |text: &str| {
            let read = with("a.tsv", text, |path| {
                read(path, &Columns::default()).unwrap()
            });
            read.labels
        };
        assert_eq!(
            labels("text\tlabel\na\t10\nb\t9\nc\t-1\n"),
            ["-1", "9", "10"]
        );
        assert_eq!(labels("text\tlabel\na\t10\nb\t9\nc\tx\n"), ["10", "9", "x"]);
    }

    #[test]
    fn a_text_may_have_several_labels_or_none() {
        let columns = Columns {
            separator: Some("|".to_owned()),
            ..Columns::default()
        };
        let tsv = "text\tlabel\na\tsea | boat\nb\t\nc\twind\n";
        let json = "{\"text\": \"a\", \"label\": [\"sea\", \"boat\"]}\n{\"text\": \"b\", \"label\": []}\n\
                    {\"text\": \"c\", \"label\": [\"wind\"]}\n";
        for (name, text, columns) in [
            ("a.tsv", tsv, columns),
            ("a.jsonl", json, Columns::default()),
        ] {
            let data = with(name, text, |path| read(path, &columns).unwrap());
            assert_eq!(data.problem, Problem::MultiLabel);
            assert_eq!(data.labels, ["boat", "sea", "wind"]);
            let targets: Vec<Target> = data.texts.into_iter().map(|text| text.target).collect();
            let wanted = [[true, true, false], [false; 3], [false, false, true]];
            assert_eq!(
                targets,
                wanted.map(|applies| Target::Labels(applies.into())),
                "{name}"
            );
        }
    }

    #[test]
    fn white_space_around_labels_and_the_form_of_whole_numbers_make_no_classes() {
        let mut notes = Vec::new();
        let tsv = "text\tlabel\na\tgood\nb\tgood \nc\t bad\n";
        let data = with("a.tsv", tsv, |path| {
            read_noting(path, &Columns::default(), &mut Vec::new()).unwrap()
        });
        assert_eq!(data.labels, ["bad", "good"]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        std::fs::write(&path, tsv).unwrap();
        read_noting(&path, &Columns::default(), &mut notes).unwrap();
        assert!(notes[0].ends_with("2 labels had white space around them, which was left out"));
        let json = "{\"text\": \"a\", \"label\": 0}\n{\"text\": \"b\", \"label\": 0.0}\n\
                    {\"text\": \"c\", \"label\": 1}\n{\"text\": \"d\", \"label\": 0.5}\n";
        let data = with("a.jsonl", json, |path| {
            read(path, &Columns::default()).unwrap()
        });
        assert_eq!(data.labels, ["0", "0.5", "1"]);
        // A label that a model knows with its white space stays what it is.
        let known = ["good ", "bad"].map(str::to_owned);
        let data = with("a.tsv", "text\tlabel\na\tgood \nb\tbad \n", |path| {
            read_known(path, &Columns::default(), &known).unwrap()
        });
        assert_eq!(data.texts[0].target, Target::Label(0));
        assert_eq!(data.texts[1].target, Target::Label(1));
    }

    #[test]
    fn the_delimiter_of_a_csv_is_found_or_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut notes = Vec::new();
        std::fs::write(&path, "text;label\n\"a; b\";x\nc, d;y\n").unwrap();
        let data = read_noting(&path, &Columns::default(), &mut notes).unwrap();
        assert_eq!(texts(&data)[0].0, "a; b");
        assert_eq!(texts(&data)[1].0, "c, d");
        assert!(notes[0].contains("parted by semicolons"), "{notes:?}");
        let bars = Columns {
            delimiter: Some(b'|'),
            ..Columns::default()
        };
        std::fs::write(&path, "text|label\na|x\nb|y\n").unwrap();
        assert_eq!(read(&path, &bars).unwrap().labels, ["x", "y"]);
        // UTF-16 with tabs is what spreadsheets call Unicode text.
        let text = "\u{feff}text\tlabel\r\nZoë\tx\r\nb\ty\r\n";
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(&path, wide).unwrap();
        assert_eq!(
            texts(&read(&path, &Columns::default()).unwrap())[0].0,
            "Zoë"
        );
    }

    #[test]
    fn the_labels_of_a_regression_are_values() {
        let columns = Columns {
            regression: true,
            ..Columns::default()
        };
        for (name, text) in [
            ("a.csv", "text,label\na,2.5\nb,-1e1\n"),
            (
                "a.jsonl",
                "{\"text\": \"a\", \"label\": 2.5}\n{\"text\": \"b\", \"label\": \"-10\"}\n",
            ),
        ] {
            let data = with(name, text, |path| read(path, &columns).unwrap());
            let targets: Vec<&Target> = data.texts.iter().map(|text| &text.target).collect();
            assert_eq!(targets, [&Target::Value(2.5), &Target::Value(-10.0)]);
            assert_eq!(
                (data.labels, data.problem),
                (vec!["value".to_owned()], Problem::Regression)
            );
            let known = ["value".to_owned()];
            assert!(with(name, text, |path| read_known(path, &columns, &known)
                .is_ok()));
        }
    }

    #[test]
    fn dev_labels_have_the_numbers_of_the_training_labels() {
        let known = ["yes", "perhaps", "no"].map(str::to_owned);
        let message = with(
            "dev.tsv",
            "text\tlabel\na\tno\nb\tyes\nc\tnever\n",
            |path| {
                let refused = read_known(path, &Columns::default(), &known).unwrap_err();
                refused
                    .to_string()
                    .replace(&path.display().to_string(), "dev.tsv")
            },
        );
        insta::assert_snapshot!(message, @r#"dev.tsv:4: the label "never" is none of those that are known: "yes", "perhaps", "no"; correct it, or train with data that has it"#);
        let data = with("dev.tsv", "text\tlabel\na\tno\nb\tno\n", |path| {
            read_known(path, &Columns::default(), &known).unwrap()
        });
        assert_eq!(data.texts[1].target, Target::Label(2));
        assert_eq!(data.labels, known);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        let usual = Columns::default();
        let values = Columns {
            regression: true,
            ..Columns::default()
        };
        let complaints = [
            complaint("a.txt", "", &usual),
            complaint("a.tsv", "", &usual),
            complaint("a.csv", "", &usual),
            complaint("a.jsonl", "", &usual),
            complaint("a.tsv", "text\tlabel\n", &usual),
            complaint("a.tsv", "sentence\tlabel\n", &usual),
            complaint("a.csv", "text,text,label\n", &usual),
            complaint("a.csv", "text,label\n", &pairs()),
            complaint("a.tsv", "text\tlabel\na\tb\tc\n", &usual),
            complaint("a.tsv", "text\tlabel\na\t\n", &usual),
            complaint("a.tsv", "text\tlabel\na\tx\nb\tx\n", &usual),
            complaint("a.csv", "text,label\na,2.5\nb,high\n", &values),
            complaint("a.jsonl", "[\"a\", \"b\"]\n", &usual),
            complaint("a.jsonl", "{\"text\": \"a\"}\n", &usual),
            complaint("a.jsonl", "{\"text\": 3, \"label\": \"a\"}\n", &usual),
            complaint("a.jsonl", "{\"text\": \"a\", \"label\": null}\n", &usual),
            complaint(
                "a.jsonl",
                "{\"text\": \"a\", \"label\": [\"a\"]}\n{\"text\": \"a\", \"label\": \"a\"}\n",
                &usual,
            ),
            complaint("a.jsonl", "{\"text\": \"a\", \"label\": [1]}\n", &values),
        ];
        insta::assert_snapshot!(complaints.join("\n"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_in_each_kind_of_file() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("a.tsv", &b"text\tlabel\nca\xf1on\tx\n"[..]),
            ("a.csv", b"text,label\nca\xf1on,x\n"),
            ("a.jsonl", b"\n{\"text\": \"ca\xf1on\"}\n"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let message = read(&path, &Columns::default()).unwrap_err().to_string();
            assert!(message.contains(&format!("{name}:2: byte ")), "{message}");
        }
    }
}
