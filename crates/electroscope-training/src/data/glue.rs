//! The tasks of GLUE (Wang et al. 2018) as their official files have them, and reduced copies of
//! those with fewer columns.
//!
//! Apart from [`super::table`], since here labels have names that the files do not hold, and tables
//! have peculiarities that everybody who reads them has to know. Nothing is quoted in them: a
//! quotation mark is a character like any other.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use electroscope_model::Problem;

use super::super::Error;
use super::super::example::Target;
use super::lines::{Lines, columns, listed, refuse};
use super::{Classified, ClassifiedText};

/// A task of GLUE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Whether a sentence is acceptable English.
    Cola,
    /// Whether a phrase of a film review is kind.
    Sst2,
    /// Whether two sentences of news say the same.
    Mrpc,
    /// How alike two sentences are, from 0 to 5.
    Stsb,
    /// Whether the first text entails the second.
    Rte,
    /// Whether a sentence answers a question.
    Qnli,
    /// Whether two questions ask the same.
    Qqp,
    /// Whether the first sentence entails the second, contradicts it, or neither.
    Mnli,
    /// Whether a pronoun was replaced by what it stands for.
    Wnli,
}

impl Task {
    /// All there are.
    pub const ALL: [Task; 9] = [
        Task::Cola,
        Task::Sst2,
        Task::Mrpc,
        Task::Stsb,
        Task::Rte,
        Task::Qnli,
        Task::Qqp,
        Task::Mnli,
        Task::Wnli,
    ];

    /// What the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Task::Cola => "cola",
            Task::Sst2 => "sst2",
            Task::Mrpc => "mrpc",
            Task::Stsb => "stsb",
            Task::Rte => "rte",
            Task::Qnli => "qnli",
            Task::Qqp => "qqp",
            Task::Mnli => "mnli",
            Task::Wnli => "wnli",
        }
    }

    /// The names of its labels by their numbers; both are those of the data set `glue` that most
    /// published heads were trained on. (The authors of ELECTRA numbered those of MNLI otherwise.)
    /// One, `value`, for STS-B.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Task::Cola => &["unacceptable", "acceptable"],
            Task::Sst2 => &["negative", "positive"],
            Task::Mrpc => &["not_equivalent", "equivalent"],
            Task::Stsb => &["value"],
            Task::Rte | Task::Qnli => &["entailment", "not_entailment"],
            Task::Qqp => &["not_duplicate", "duplicate"],
            Task::Mnli => &["entailment", "neutral", "contradiction"],
            Task::Wnli => &["not_entailment", "entailment"],
        }
    }

    /// How they are meant.
    pub fn problem(self) -> Problem {
        match self {
            Task::Stsb => Problem::Regression,
            _ => Problem::SingleLabel,
        }
    }

    /// What is measured, that first which stands for the task where one number must do: as in the
    /// paper on ELECTRA.
    pub fn metrics(self) -> &'static [&'static str] {
        match self {
            Task::Cola => &["matthews", "accuracy"],
            Task::Stsb => &["spearman", "pearson"],
            Task::Mrpc | Task::Qqp => &["accuracy", "f1"],
            Task::Sst2 | Task::Rte | Task::Qnli | Task::Mnli | Task::Wnli => &["accuracy"],
        }
    }

    /// How often the training data are gone through: 3 times, and 10 for the small RTE and STS-B, as
    /// in the paper on ELECTRA.
    pub fn epochs(self) -> usize {
        match self {
            Task::Rte | Task::Stsb => 10,
            _ => 3,
        }
    }

    /// How the files spell the labels, by their numbers.
    fn spellings(self) -> &'static [&'static str] {
        match self {
            Task::Rte | Task::Qnli | Task::Mnli => self.labels(),
            _ => &["0", "1"],
        }
    }

    /// The columns that hold the text, the text that it is compared with, and the label: each by any
    /// of these names.
    fn columns(self) -> (Names, Option<Names>, Names) {
        const FIRST: Names = &["sentence1"];
        const SECOND: Names = &["sentence2"];
        const LABEL: Names = &["label"];
        match self {
            Task::Cola | Task::Sst2 => (&["sentence"], None, LABEL),
            Task::Mrpc => (
                &["#1 String", "sentence1"],
                Some(&["#2 String", "sentence2"]),
                &["Quality", "label"],
            ),
            Task::Stsb => (FIRST, Some(SECOND), &["score", "label"]),
            Task::Rte | Task::Wnli => (FIRST, Some(SECOND), LABEL),
            Task::Qnli => (&["question"], Some(&["sentence"]), LABEL),
            Task::Qqp => (
                &["question1"],
                Some(&["question2"]),
                &["is_duplicate", "label"],
            ),
            Task::Mnli => (FIRST, Some(SECOND), &["gold_label", "label"]),
        }
    }

    /// Whether a row is known to be damaged in the official files, and may be left out. In QQP a few
    /// have too few columns; in MNLI before GLUE those whose annotators did not agree have `-`.
    fn may_lack(self, row: &Row) -> bool {
        match row {
            Row::Ragged(_) => self == Task::Qqp,
            Row::Whole { label, .. } => self == Task::Mnli && label == "-",
        }
    }

    /// What is said of a text by a label as the files spell it.
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

/// What a column may be called.
type Names = &'static [&'static str];

impl FromStr for Task {
    type Err = String;

    /// Letters may be large, and hyphens and underscores are overlooked: `SST-2` is `sst2`.
    fn from_str(name: &str) -> Result<Task, String> {
        let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
        (Task::ALL.into_iter())
            .find(|task| task.name() == plain)
            .ok_or_else(|| {
                let known = Task::ALL.map(Task::name).join(", ");
                format!("no GLUE task is called {name:?}; there are {known}")
            })
    }
}

/// The data of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Glue {
    /// What is learnt from.
    pub train: Classified,
    /// What the result is measured on; none if the folder has nothing for that.
    pub dev: Option<Classified>,
    /// Rows that are known to be damaged in the official files and were left out (of QQP and MNLI).
    pub skipped: usize,
}

/// Reads the data of `task` from a folder: `train.tsv`, and `dev.tsv` if it is there. For MNLI that
/// is `dev_matched.tsv`, and for CoLA `in_domain_train.tsv` and `in_domain_dev.tsv` will do, as its
/// authors publish it; if their `out_of_domain_dev.tsv` is there too, it is added to the latter, which
/// gives the dev set of GLUE.
///
/// # Errors
///
/// [`Error::Open`], and [`Error::Data`] for a folder without `train.tsv`, and for a row that is
/// ragged or has a label that the task has not.
pub fn read(task: Task, folder: &Path) -> Result<Glue, Error> {
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
    Ok(Glue {
        train,
        dev,
        skipped,
    })
}

/// Reads what a head for `task` is measured on: a file of the task, or what [`read`] takes for that
/// in a folder.
///
/// # Errors
///
/// As [`read`].
pub fn read_dev(task: Task, path: &Path) -> Result<Classified, Error> {
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

/// Names of files, the first set of which any is there counts; all of the set that are.
type Choices = &'static [&'static [&'static str]];

fn train_names(task: Task) -> Choices {
    match task {
        Task::Cola => &[&["train.tsv"], &["in_domain_train.tsv"]],
        _ => &[&["train.tsv"]],
    }
}

fn dev_names(task: Task) -> Choices {
    match task {
        Task::Cola => &[
            &["dev.tsv"],
            &["in_domain_dev.tsv", "out_of_domain_dev.tsv"],
        ],
        Task::Mnli => &[&["dev_matched.tsv"], &["dev.tsv"]],
        _ => &[&["dev.tsv"]],
    }
}

fn files(folder: &Path, choices: Choices) -> Vec<PathBuf> {
    let there = |names: &&[&str]| -> Vec<PathBuf> {
        let paths = names.iter().map(|name| folder.join(name));
        paths.filter(|path| path.is_file()).collect()
    };
    let mut choices = choices.iter().map(there);
    choices.find(|files| !files.is_empty()).unwrap_or_default()
}

fn missing(task: Task, folder: &Path, choices: Choices) -> Error {
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

/// A row, or how many columns it has if that are not those of the table.
enum Row {
    Whole {
        text: String,
        pair: Option<String>,
        label: String,
    },
    Ragged(usize),
}

/// Where the columns are.
struct Layout {
    text: usize,
    pair: Option<usize>,
    label: usize,
    columns: usize,
}

impl Layout {
    /// By the names of the columns; in words, what is missing.
    fn of_header(task: Task, header: &[&str]) -> Result<Layout, String> {
        let (text, pair, label) = task.columns();
        let find = |names: Names| {
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
        Ok(Layout {
            text: find(text)?,
            pair: pair.map(find).transpose()?,
            label: find(label)?,
            columns: header.len(),
        })
    }

    /// CoLA's: the source, the label, the author's mark, the sentence.
    const COLA: Layout = Layout {
        text: 3,
        pair: None,
        label: 1,
        columns: 4,
    };

    fn row(&self, fields: &[&str]) -> Row {
        let field = |at: usize| fields.get(at).map(|field| (*field).to_owned());
        let whole = || {
            Some(Row::Whole {
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
            .unwrap_or(Row::Ragged(fields.len()))
    }
}

/// How a choice of names is said.
fn any_of(names: Names) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(" or ")
}

/// The rows of some files, and how many were left out.
fn read_files(task: Task, paths: &[PathBuf]) -> Result<(Classified, usize), Error> {
    let mut texts = Vec::new();
    let mut skipped = 0;
    for path in paths {
        skipped += read_file(task, path, &mut texts)?;
    }
    let labels = task.labels().iter().map(|&label| label.to_owned());
    let classified = Classified {
        labels: labels.collect(),
        problem: task.problem(),
        texts,
    };
    Ok((classified, skipped))
}

fn read_file(task: Task, path: &Path, texts: &mut Vec<ClassifiedText>) -> Result<usize, Error> {
    let mut lines = Lines::open(path)?;
    let Some(first) = lines.read()? else {
        return Err(lines.refuse_all("the file is empty"));
    };
    let header: Vec<&str> = first.split('\t').collect();
    // CoLA has no header, but copies of it that were made like the others have one.
    let has_header = task != Task::Cola || header.contains(&"sentence");
    let layout = if has_header {
        Layout::of_header(task, &header).map_err(|what| lines.refuse(what))?
    } else {
        Layout::COLA
    };
    let mut line = if has_header {
        lines.read()?
    } else {
        Some(first)
    };
    let (before, mut skipped) = (texts.len(), 0);
    while let Some(text) = line.take() {
        let fields: Vec<&str> = text.split('\t').collect();
        // Some end with an empty line.
        if fields != [""] {
            let row = layout.row(&fields);
            if task.may_lack(&row) {
                skipped += 1;
            } else {
                let read = classified(task, row, &layout).map_err(|what| lines.refuse(what))?;
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

fn classified(task: Task, row: Row, layout: &Layout) -> Result<ClassifiedText, String> {
    match row {
        Row::Whole { text, pair, label } => Ok(ClassifiedText {
            target: task.target(&label)?,
            text,
            pair,
        }),
        Row::Ragged(found) => Err(format!(
            "the row has {}, but the table has {}; they are parted by tabs",
            columns(found),
            layout.columns
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

    fn said(data: &Classified) -> Vec<(&str, Option<&str>, Target)> {
        let said = |text: &ClassifiedText| text.target.clone();
        (data.texts.iter())
            .map(|text| (text.text.as_str(), text.pair.as_deref(), said(text)))
            .collect()
    }

    /// What is wrong with this training file, without the folder that it is in.
    fn complaint(task: Task, train: &str) -> String {
        let folder = folder(&[("train.tsv", train)]);
        let message = read(task, folder.path()).unwrap_err().to_string();
        message.replace(&folder.path().display().to_string(), "glue")
    }

    #[test]
    fn official_files_and_reduced_ones_are_read_by_their_headers() {
        let official = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n\
                        0\tmain-captions\tMSRvid\t2012test\t0001\tnone\tnone\tA plane.\tAn air plane.\t5.000\n";
        let reduced = "index\tsentence1\tsentence2\tscore\n0\tA plane.\tAn air plane.\t5.000\n";
        for train in [official, reduced] {
            let folder = folder(&[("train.tsv", train)]);
            let glue = read(Task::Stsb, folder.path()).unwrap();
            let wanted = [("A plane.", Some("An air plane."), Target::Value(5.0))];
            assert_eq!(said(&glue.train), wanted);
            assert_eq!(glue.train.problem, Problem::Regression);
            assert_eq!(glue.dev, None);
        }
    }

    #[test]
    fn quotation_marks_byte_order_marks_and_carriage_returns_are_taken_for_what_they_are() {
        let train = "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n\
                     1\t1\t2\t\" He said .\tHe \"\" said .\r\n0\t3\t4\ta\tb\r\n";
        let folder = folder(&[("train.tsv", train), ("dev.tsv", train)]);
        let glue = read(Task::Mrpc, folder.path()).unwrap();
        let wanted = [
            ("\" He said .", Some("He \"\" said ."), Target::Label(1)),
            ("a", Some("b"), Target::Label(0)),
        ];
        assert_eq!(said(&glue.train), wanted);
        assert_eq!(said(glue.dev.as_ref().unwrap()), wanted);
    }

    #[test]
    fn cola_is_read_without_a_header_from_either_of_its_editions() {
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
            let glue = read(Task::Cola, folder.path()).unwrap();
            assert_eq!(said(&glue.train), wanted);
            assert_eq!(said(&glue.dev.unwrap()), wanted);
        }
        let copy = folder(&[("train.tsv", "sentence\tlabel\nHim rode.\t0\n")]);
        let glue = read(Task::Cola, copy.path()).unwrap();
        assert_eq!(said(&glue.train), wanted[1..]);
    }

    #[test]
    fn the_dev_set_of_cola_is_in_domain_and_out_of_domain_together() {
        let folder = folder(&[
            ("in_domain_dev.tsv", "a\t1\t\tIn.\n"),
            ("out_of_domain_dev.tsv", "b\t0\t*\tOut.\n"),
        ]);
        let dev = read_dev(Task::Cola, folder.path()).unwrap();
        let wanted = [
            ("In.", None, Target::Label(1)),
            ("Out.", None, Target::Label(0)),
        ];
        assert_eq!(said(&dev), wanted);
        let alone = read_dev(Task::Cola, &folder.path().join("in_domain_dev.tsv")).unwrap();
        assert_eq!(said(&alone), wanted[..1]);
    }

    #[test]
    fn labels_that_are_words_keep_the_numbers_that_published_heads_have() {
        let rows = "sentence1\tsentence2\tgold_label\na\tb\tneutral\nc\td\t-\ne\tf\tcontradiction\n\
                    g\th\tentailment\n";
        let folder = folder(&[("train.tsv", rows), ("dev_matched.tsv", rows)]);
        let glue = read(Task::Mnli, folder.path()).unwrap();
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
    fn damaged_rows_of_qqp_are_left_out_and_counted() {
        let rows = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n\
                    1\t1\t2\tWhy?\tHow?\t0\n2\t3\t4\tWho\n";
        let folder = folder(&[("train.tsv", rows)]);
        let glue = read(Task::Qqp, folder.path()).unwrap();
        assert_eq!(
            said(&glue.train),
            [("Why?", Some("How?"), Target::Label(0))]
        );
        assert_eq!(glue.skipped, 1);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        let empty = folder(&[("test.tsv", "")]);
        let missing = read(Task::Mnli, empty.path()).unwrap_err().to_string();
        let complaints = [
            missing.replace(&empty.path().display().to_string(), "glue"),
            complaint(Task::Rte, ""),
            complaint(Task::Rte, "index\tsentence1\tsentence2\tlabel\n"),
            complaint(Task::Qqp, "id\tsentence1\tsentence2\tlabel\n"),
            complaint(Task::Sst2, "sentence\tlabel\nfine \t1\nbad\t0\t0\n"),
            complaint(Task::Sst2, "sentence\tlabel\nfine \tpositive\n"),
            complaint(Task::Cola, "a\t1\t\tFine.\na\tFine.\n"),
            complaint(Task::Stsb, "sentence1\tsentence2\tscore\na\tb\t5.1\n"),
            complaint(Task::Stsb, "sentence1\tsentence2\tscore\na\tb\tnan\n"),
            "SST-3".parse::<Task>().unwrap_err(),
        ];
        insta::assert_snapshot!(complaints.join("\n"));
    }

    #[test]
    fn a_task_is_known_by_the_names_that_people_give_it() {
        for name in ["sst2", "SST-2", "sst_2"] {
            assert_eq!(name.parse(), Ok(Task::Sst2));
        }
        for task in Task::ALL {
            assert_eq!(task.name().parse(), Ok(task));
        }
    }
}
