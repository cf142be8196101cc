//! The tasks of GLUE (Wang et al. 2018), read from their official files, or from copies of those with
//! fewer columns.
//!
//! Separate from [`super::table`], because the files do not contain the names of the labels, and have
//! peculiarities of their own. Nothing is quoted in them: a quotation mark is a character like any
//! other.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use electroscope_model::Problem;

use super::super::Error;
use super::super::example::Target;
use super::lines::{Lines, columns, listed, refuse};
use super::{LabelledText, LabelledTexts};

/// A GLUE task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlueTask {
    /// CoLA: whether a sentence is acceptable English.
    Cola,
    /// SST-2: whether a phrase of a film review is positive.
    Sst2,
    /// MRPC: whether two sentences of news have the same meaning.
    Mrpc,
    /// STS-B: the similarity of two sentences, from 0 to 5.
    Stsb,
    /// RTE: whether the first text entails the second.
    Rte,
    /// QNLI: whether a sentence answers a question.
    Qnli,
    /// QQP: whether two questions have the same meaning.
    Qqp,
    /// MNLI: whether the first sentence entails the second, contradicts it, or neither.
    Mnli,
    /// WNLI: whether a sentence with a pronoun replaced follows from the original.
    Wnli,
}

impl GlueTask {
    /// All tasks.
    pub const ALL: [GlueTask; 9] = [
        GlueTask::Cola,
        GlueTask::Sst2,
        GlueTask::Mrpc,
        GlueTask::Stsb,
        GlueTask::Rte,
        GlueTask::Qnli,
        GlueTask::Qqp,
        GlueTask::Mnli,
        GlueTask::Wnli,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            GlueTask::Cola => "cola",
            GlueTask::Sst2 => "sst2",
            GlueTask::Mrpc => "mrpc",
            GlueTask::Stsb => "stsb",
            GlueTask::Rte => "rte",
            GlueTask::Qnli => "qnli",
            GlueTask::Qqp => "qqp",
            GlueTask::Mnli => "mnli",
            GlueTask::Wnli => "wnli",
        }
    }

    /// The labels, by index: those of the data set `glue` that most published heads were trained on. (The
    /// authors of ELECTRA numbered those of MNLI differently.) STS-B has one, `value`.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            GlueTask::Cola => &["unacceptable", "acceptable"],
            GlueTask::Sst2 => &["negative", "positive"],
            GlueTask::Mrpc => &["not_equivalent", "equivalent"],
            GlueTask::Stsb => &["value"],
            GlueTask::Rte | GlueTask::Qnli => &["entailment", "not_entailment"],
            GlueTask::Qqp => &["not_duplicate", "duplicate"],
            GlueTask::Mnli => &["entailment", "neutral", "contradiction"],
            GlueTask::Wnli => &["not_entailment", "entailment"],
        }
    }

    /// The kind of classification.
    pub fn problem(self) -> Problem {
        match self {
            GlueTask::Stsb => Problem::Regression,
            _ => Problem::SingleLabel,
        }
    }

    /// The metrics of the task; the first one is the main metric of the ELECTRA paper.
    pub fn metrics(self) -> &'static [&'static str] {
        match self {
            GlueTask::Cola => &["matthews", "accuracy"],
            GlueTask::Stsb => &["spearman", "pearson"],
            GlueTask::Mrpc | GlueTask::Qqp => &["accuracy", "f1"],
            GlueTask::Sst2 | GlueTask::Rte | GlueTask::Qnli | GlueTask::Mnli | GlueTask::Wnli => {
                &["accuracy"]
            }
        }
    }

    /// The epochs of the ELECTRA paper: 3, and 10 for the small RTE and STS-B.
    pub fn epochs(self) -> usize {
        match self {
            GlueTask::Rte | GlueTask::Stsb => 10,
            _ => 3,
        }
    }

    /// The spelling of the labels in the files, by index.
    fn spellings(self) -> &'static [&'static str] {
        match self {
            GlueTask::Rte | GlueTask::Qnli | GlueTask::Mnli => self.labels(),
            _ => &["0", "1"],
        }
    }

    /// The possible names of the columns of the text, of the second text and of the label.
    fn columns(self) -> (ColumnNames, Option<ColumnNames>, ColumnNames) {
        const FIRST: ColumnNames = &["sentence1"];
        const SECOND: ColumnNames = &["sentence2"];
        const LABEL: ColumnNames = &["label"];
        match self {
            GlueTask::Cola | GlueTask::Sst2 => (&["sentence"], None, LABEL),
            GlueTask::Mrpc => (
                &["#1 String", "sentence1"],
                Some(&["#2 String", "sentence2"]),
                &["Quality", "label"],
            ),
            GlueTask::Stsb => (FIRST, Some(SECOND), &["score", "label"]),
            GlueTask::Rte | GlueTask::Wnli => (FIRST, Some(SECOND), LABEL),
            GlueTask::Qnli => (&["question"], Some(&["sentence"]), LABEL),
            GlueTask::Qqp => (
                &["question1"],
                Some(&["question2"]),
                &["is_duplicate", "label"],
            ),
            GlueTask::Mnli => (FIRST, Some(SECOND), &["gold_label", "label"]),
        }
    }

    /// Whether a row is known to be damaged in the official files and is skipped. QQP has a few rows with
    /// too few columns; MNLI before GLUE has the label `-` where the annotators did not agree.
    fn is_known_damage(self, row: &GlueRow) -> bool {
        match row {
            GlueRow::Ragged(_) => self == GlueTask::Qqp,
            GlueRow::Whole { label, .. } => self == GlueTask::Mnli && label == "-",
        }
    }

    /// The target for a label as spelt in the files.
    fn target(self, label: &str) -> Result<Target, String> {
        if self.problem() == Problem::Regression {
            let value = label.parse::<f32>().ok();
            return match value.filter(|value| (0.0..=5.0).contains(value)) {
                Some(value) => Ok(Target::Value(value)),
                None => Err(format!(
                    "the score must be a number from 0 to 5, not {label:?}"
                )),
            };
        }
        match self.spellings().iter().position(|known| *known == label) {
            Some(number) => Ok(Target::Label(number)),
            None => Err(format!(
                "{} has the labels {}, not {label:?}",
                self.name(),
                listed(self.spellings())
            )),
        }
    }
}

/// The possible names of a column.
type ColumnNames = &'static [&'static str];

impl FromStr for GlueTask {
    type Err = String;

    /// Ignores case, hyphens and underscores: `SST-2` is `sst2`.
    fn from_str(name: &str) -> Result<GlueTask, String> {
        let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
        (GlueTask::ALL.into_iter())
            .find(|task| task.name() == plain)
            .ok_or_else(|| {
                let known = GlueTask::ALL.map(GlueTask::name).join(", ");
                format!("no GLUE task is called {name:?}; there are {known}")
            })
    }
}

/// The data of a GLUE task.
#[derive(Clone, Debug, PartialEq)]
pub struct GlueData {
    /// The training set.
    pub train: LabelledTexts,
    /// The dev set; none if the folder has no files for it.
    pub dev: Option<LabelledTexts>,
    /// The number of rows that were skipped, because they are known to be damaged (in QQP and MNLI).
    pub skipped: usize,
}

/// Reads the data of `task` from a folder: `train.tsv`, and `dev.tsv` if there is one. For MNLI the dev
/// set is `dev_matched.tsv`. For CoLA `in_domain_train.tsv` and `in_domain_dev.tsv` are possible too,
/// the files of its authors; `out_of_domain_dev.tsv`, if there is one, is added to the latter, which
/// gives the dev set of GLUE.
///
/// # Errors
///
/// [`Error::Open`]; [`Error::Data`] for a folder without `train.tsv`, and for a row with the wrong
/// number of columns or an unknown label.
pub fn read(task: GlueTask, folder: &Path) -> Result<GlueData, Error> {
    let files = files(folder, train_names(task));
    if files.is_empty() {
        return Err(missing(task, folder, train_names(task)));
    }
    let (train, skipped) = read_files(task, &files)?;
    let (mut skipped, mut dev) = (skipped, None);
    let files = self::files(folder, dev_names(task));
    if !files.is_empty() {
        let (read, more) = read_files(task, &files)?;
        skipped += more;
        dev = Some(read);
    }
    Ok(GlueData {
        train,
        dev,
        skipped,
    })
}

/// Reads the dev set of `task`: from a file, or as [`read`] from a folder.
///
/// # Errors
///
/// As [`read`].
pub fn read_dev(task: GlueTask, path: &Path) -> Result<LabelledTexts, Error> {
    let files = if path.is_dir() {
        files(path, dev_names(task))
    } else {
        vec![path.to_owned()]
    };
    if files.is_empty() {
        return Err(missing(task, path, dev_names(task)));
    }
    Ok(read_files(task, &files)?.0)
}

/// Sets of file names. The first set of which any file exists is used.
type FileChoices = &'static [&'static [&'static str]];

fn train_names(task: GlueTask) -> FileChoices {
    match task {
        GlueTask::Cola => &[&["train.tsv"], &["in_domain_train.tsv"]],
        _ => &[&["train.tsv"]],
    }
}

fn dev_names(task: GlueTask) -> FileChoices {
    match task {
        GlueTask::Cola => &[
            &["dev.tsv"],
            &["in_domain_dev.tsv", "out_of_domain_dev.tsv"],
        ],
        GlueTask::Mnli => &[&["dev_matched.tsv"], &["dev.tsv"]],
        _ => &[&["dev.tsv"]],
    }
}

fn files(folder: &Path, choices: FileChoices) -> Vec<PathBuf> {
    let there = |names: &&[&str]| -> Vec<PathBuf> {
        let paths = names.iter().map(|name| folder.join(name));
        paths.filter(|path| path.is_file()).collect()
    };
    let mut choices = choices.iter().map(there);
    choices.find(|files| !files.is_empty()).unwrap_or_default()
}

fn missing(task: GlueTask, folder: &Path, choices: FileChoices) -> Error {
    let wanted: Vec<&str> = choices
        .iter()
        .filter_map(|names| names.first().copied())
        .collect();
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    found.sort();
    let found = match found.as_slice() {
        [] => "nothing".to_owned(),
        names => listed(names),
    };
    let what = format!(
        "the data of {} must be in {}; in this folder is {found}",
        task.name(),
        wanted.join(" or ")
    );
    refuse(folder, None, what)
}

/// A row, or its number of columns if that is wrong.
enum GlueRow {
    Whole {
        text: String,
        pair: Option<String>,
        label: String,
    },
    Ragged(usize),
}

/// The indices of the columns.
struct ColumnIndices {
    text: usize,
    pair: Option<usize>,
    label: usize,
    columns: usize,
}

impl ColumnIndices {
    /// Finds the columns by their names; the error says in words which is missing.
    fn of_header(task: GlueTask, header: &[&str]) -> Result<ColumnIndices, String> {
        let (text, pair, label) = task.columns();
        let find = |names: ColumnNames| {
            let place = |name: &&str| header.iter().position(|column| column == name);
            names.iter().find_map(place).ok_or_else(|| {
                format!(
                    "{} needs a column {}, but the columns are {}",
                    task.name(),
                    any_of(names),
                    listed(header)
                )
            })
        };
        Ok(ColumnIndices {
            text: find(text)?,
            pair: pair.map(find).transpose()?,
            label: find(label)?,
            columns: header.len(),
        })
    }

    /// For CoLA: source, label, the author's mark, sentence.
    const COLA: ColumnIndices = ColumnIndices {
        text: 3,
        pair: None,
        label: 1,
        columns: 4,
    };

    fn row(&self, fields: &[&str]) -> GlueRow {
        let field = |at: usize| fields.get(at).map(|field| (*field).to_owned());
        let whole = || {
            Some(GlueRow::Whole {
                text: field(self.text)?,
                pair: match self.pair {
                    Some(pair) => Some(field(pair)?),
                    None => None,
                },
                label: field(self.label)?,
            })
        };
        (fields.len() == self.columns)
            .then(whole)
            .flatten()
            .unwrap_or(GlueRow::Ragged(fields.len()))
    }
}

/// Lists the possible names of a column.
fn any_of(names: ColumnNames) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(" or ")
}

/// Reads some files. Gives also the number of skipped rows.
fn read_files(task: GlueTask, paths: &[PathBuf]) -> Result<(LabelledTexts, usize), Error> {
    let mut texts = Vec::new();
    let mut skipped = 0;
    for path in paths {
        skipped += read_file(task, path, &mut texts)?;
    }
    let labels = task.labels().iter().map(|&label| label.to_owned());
    let classified = LabelledTexts {
        labels: labels.collect(),
        problem: task.problem(),
        texts,
    };
    Ok((classified, skipped))
}

fn read_file(task: GlueTask, path: &Path, texts: &mut Vec<LabelledText>) -> Result<usize, Error> {
    let mut lines = Lines::open(path)?;
    let Some(first) = lines.read()? else {
        return Err(lines.refuse_all("the file is empty"));
    };
    let header: Vec<&str> = first.split('\t').collect();
    // CoLA has no header, but copies in the format of the other tasks have one.
    let has_header = task != GlueTask::Cola || header.contains(&"sentence");
    let columns_at = if has_header {
        ColumnIndices::of_header(task, &header).map_err(|what| lines.refuse(what))?
    } else {
        ColumnIndices::COLA
    };
    let mut line = if has_header {
        lines.read()?
    } else {
        Some(first)
    };
    let (before, mut skipped) = (texts.len(), 0);
    while let Some(text) = line.take() {
        let fields: Vec<&str> = text.split('\t').collect();
        // Some files end with an empty line.
        if fields != [""] {
            let row = columns_at.row(&fields);
            if task.is_known_damage(&row) {
                skipped += 1;
            } else {
                let read = classified(task, row, &columns_at).map_err(|what| lines.refuse(what))?;
                texts.push(read);
            }
        }
        line = lines.read()?;
    }
    if texts.len() == before {
        return Err(lines.refuse_all("the file has no rows"));
    }
    Ok(skipped)
}

fn classified(
    task: GlueTask,
    row: GlueRow,
    columns_at: &ColumnIndices,
) -> Result<LabelledText, String> {
    match row {
        GlueRow::Whole { text, pair, label } => Ok(LabelledText {
            target: task.target(&label)?,
            text,
            pair,
        }),
        GlueRow::Ragged(found) => Err(format!(
            "the row has {}, but the table has {}; they are separated by tabs",
            columns(found),
            columns_at.columns
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn texts_of(data: &LabelledTexts) -> Vec<(&str, Option<&str>, Target)> {
        (data.texts.iter())
            .map(|text| {
                (
                    text.text.as_str(),
                    text.pair.as_deref(),
                    text.target.clone(),
                )
            })
            .collect()
    }

    /// The error for this training file, without the path of its folder.
    fn error_message(task: GlueTask, train: &str) -> String {
        let folder = folder(&[("train.tsv", train)]);
        let message = read(task, folder.path()).unwrap_err().to_string();
        message.replace(&folder.path().display().to_string(), "glue")
    }

    #[test]
    fn official_files_and_reduced_copies_are_read_by_their_headers() {
        let official = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n\
                        0\tmain-captions\tMSRvid\t2012test\t0001\tnone\tnone\tA plane.\tAn air plane.\t5.000\n";
        let reduced = "index\tsentence1\tsentence2\tscore\n0\tA plane.\tAn air plane.\t5.000\n";
        for train in [official, reduced] {
            let folder = folder(&[("train.tsv", train)]);
            let glue = read(GlueTask::Stsb, folder.path()).unwrap();
            let wanted = [("A plane.", Some("An air plane."), Target::Value(5.0))];
            assert_eq!(texts_of(&glue.train), wanted);
            assert_eq!(glue.train.problem, Problem::Regression);
            assert_eq!(glue.dev, None);
        }
    }

    #[test]
    fn quotation_marks_are_text_and_byte_order_marks_and_carriage_returns_are_not() {
        let train = "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n\
                     1\t1\t2\t\" He said .\tHe \"\" said .\r\n0\t3\t4\ta\tb\r\n";
        let folder = folder(&[("train.tsv", train), ("dev.tsv", train)]);
        let glue = read(GlueTask::Mrpc, folder.path()).unwrap();
        let wanted = [
            ("\" He said .", Some("He \"\" said ."), Target::Label(1)),
            ("a", Some("b"), Target::Label(0)),
        ];
        assert_eq!(texts_of(&glue.train), wanted);
        assert_eq!(texts_of(glue.dev.as_ref().unwrap()), wanted);
    }

    #[test]
    fn both_editions_of_cola_are_read_without_a_header() {
        let rows = "gj04\t1\t\tThe sailors rode the breeze.\ngj04\t0\t*\tHim rode.\n";
        let wanted = [
            ("The sailors rode the breeze.", None, Target::Label(1)),
            ("Him rode.", None, Target::Label(0)),
        ];
        for [train, dev] in [
            ["train.tsv", "dev.tsv"],
            ["in_domain_train.tsv", "in_domain_dev.tsv"],
        ] {
            let folder = folder(&[(train, rows), (dev, rows)]);
            let glue = read(GlueTask::Cola, folder.path()).unwrap();
            assert_eq!(texts_of(&glue.train), wanted);
            assert_eq!(texts_of(&glue.dev.unwrap()), wanted);
        }
        let copy = folder(&[("train.tsv", "sentence\tlabel\nHim rode.\t0\n")]);
        let glue = read(GlueTask::Cola, copy.path()).unwrap();
        assert_eq!(texts_of(&glue.train), wanted[1..]);
    }

    #[test]
    fn the_dev_set_of_cola_has_both_domains() {
        let folder = folder(&[
            ("in_domain_dev.tsv", "a\t1\t\tIn.\n"),
            ("out_of_domain_dev.tsv", "b\t0\t*\tOut.\n"),
        ]);
        let dev = read_dev(GlueTask::Cola, folder.path()).unwrap();
        let wanted = [
            ("In.", None, Target::Label(1)),
            ("Out.", None, Target::Label(0)),
        ];
        assert_eq!(texts_of(&dev), wanted);
        let alone = read_dev(GlueTask::Cola, &folder.path().join("in_domain_dev.tsv")).unwrap();
        assert_eq!(texts_of(&alone), wanted[..1]);
    }

    #[test]
    fn labels_have_the_indices_of_published_heads() {
        let rows = "sentence1\tsentence2\tgold_label\na\tb\tneutral\nc\td\t-\ne\tf\tcontradiction\n\
                    g\th\tentailment\n";
        let folder = folder(&[("train.tsv", rows), ("dev_matched.tsv", rows)]);
        let glue = read(GlueTask::Mnli, folder.path()).unwrap();
        let numbers: Vec<Target> = glue
            .train
            .texts
            .into_iter()
            .map(|text| text.target)
            .collect();
        assert_eq!(numbers, [1, 2, 0].map(Target::Label));
        assert_eq!(glue.skipped, 2);
        assert_eq!(
            glue.train.labels,
            ["entailment", "neutral", "contradiction"]
        );
    }

    #[test]
    fn damaged_rows_of_qqp_are_skipped_and_counted() {
        let rows = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n\
                    1\t1\t2\tWhy?\tHow?\t0\n2\t3\t4\tWho\n";
        let folder = folder(&[("train.tsv", rows)]);
        let glue = read(GlueTask::Qqp, folder.path()).unwrap();
        assert_eq!(
            texts_of(&glue.train),
            [("Why?", Some("How?"), Target::Label(0))]
        );
        assert_eq!(glue.skipped, 1);
    }

    #[test]
    fn malformed_files_are_errors_with_their_line() {
        let empty = folder(&[("test.tsv", "")]);
        let missing = read(GlueTask::Mnli, empty.path()).unwrap_err().to_string();
        let complaints = [
            missing.replace(&empty.path().display().to_string(), "glue"),
            error_message(GlueTask::Rte, ""),
            error_message(GlueTask::Rte, "index\tsentence1\tsentence2\tlabel\n"),
            error_message(GlueTask::Qqp, "id\tsentence1\tsentence2\tlabel\n"),
            error_message(GlueTask::Sst2, "sentence\tlabel\nfine \t1\nbad\t0\t0\n"),
            error_message(GlueTask::Sst2, "sentence\tlabel\nfine \tpositive\n"),
            error_message(GlueTask::Cola, "a\t1\t\tFine.\na\tFine.\n"),
            error_message(GlueTask::Stsb, "sentence1\tsentence2\tscore\na\tb\t5.1\n"),
            error_message(GlueTask::Stsb, "sentence1\tsentence2\tscore\na\tb\tnan\n"),
            "SST-3".parse::<GlueTask>().unwrap_err(),
        ];
        insta::assert_snapshot!(complaints.join("\n"));
    }

    #[test]
    fn task_names_ignore_case_and_hyphens() {
        for name in ["sst2", "SST-2", "sst_2"] {
            assert_eq!(name.parse(), Ok(GlueTask::Sst2));
        }
        for task in GlueTask::ALL {
            assert_eq!(task.name().parse(), Ok(task));
        }
    }
}
