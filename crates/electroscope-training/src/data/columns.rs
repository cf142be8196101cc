//! Sentences whose words have tags, a word to a line: CoNLL in its many forms, and CoNLL-U.
//!
//! Apart from [`super::table`], whose lines are whole texts. What the tags mean is known here only so
//! far as their order and [inside tags](inside) go.

use std::cmp::Ordering;
use std::num::NonZeroUsize;
use std::path::Path;
use std::str::FromStr;

use super::super::Error;
use super::lines::Lines;
use super::names::{LabelNames, unknown};
use super::{LabelledSentence, LabelledSentences};

/// Which column holds the tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    /// The last; in CoNLL-U the universal parts of speech.
    #[default]
    Usual,
    /// CoNLL-U's universal parts of speech, its column 4.
    Upos,
    /// CoNLL-U's parts of speech of the language, its column 5.
    Xpos,
    /// By its number, counted from 1.
    Number(NonZeroUsize),
}

impl FromStr for Column {
    type Err = String;

    fn from_str(column: &str) -> Result<Column, String> {
        match column.to_ascii_lowercase().as_str() {
            "last" => Ok(Column::Usual),
            "upos" => Ok(Column::Upos),
            "xpos" => Ok(Column::Xpos),
            number => number.parse().map(Column::Number).map_err(|_| {
                format!("a column is a number from 1, last, upos or xpos, not {column:?}")
            }),
        }
    }
}

/// Reads sentences and the tags of their words. A file whose name ends with `.conllu` is CoNLL-U; any
/// other has a word and then its columns on a line, parted by a tab if the first of them has one, else
/// by blanks, and a line without a word after each sentence. Left out are `-DOCSTART-` lines, comments,
/// and in CoNLL-U the ranges and empty nodes that stand beside words.
///
/// The tags are numbered in this order: `O`; entities by their type, `B` before the others; if the
/// tags mark no entities, the order of the alphabet. A type that has a `B` gets an `I` even if none of
/// its entities here is so long, since the model reads pieces that words are cut into.
///
/// # Errors
///
/// [`Error::Open`], and [`Error::Data`] for a line whose columns are not those of the others, or a
/// file without a word.
pub fn read(path: &Path, column: Column) -> Result<LabelledSentences, Error> {
    read_with(path, column, None)
}

/// Reads sentences for a tagger whose tags are `labels`, by their numbers.
///
/// # Errors
///
/// As [`read`], and [`Error::Data`] for a tag that is none of them.
pub fn read_known(
    path: &Path,
    column: Column,
    labels: &[String],
) -> Result<LabelledSentences, Error> {
    read_with(path, column, Some(labels))
}

impl LabelledSentences {
    /// The same sentences with the numbers that `labels` have.
    ///
    /// # Errors
    ///
    /// In words, a tag that is none of them, if a word has it.
    pub fn with_labels(mut self, labels: &[String]) -> Result<LabelledSentences, String> {
        let place = |name: &String| labels.iter().position(|label| label == name);
        let numbers: Vec<Option<usize>> = self.labels.iter().map(place).collect();
        let tags = self.sentences.iter_mut().flat_map(|of| &mut of.tags);
        for tag in tags {
            *tag = numbers.get(*tag).copied().flatten().ok_or_else(|| {
                let name = self.labels.get(*tag).map_or("", String::as_str);
                unknown(name, labels)
            })?;
        }
        self.labels = labels.to_vec();
        Ok(self)
    }
}

/// The tag for what goes on in the entity that `label` is of: `I-PER` for `B-PER`; none if `label`
/// begins none.
pub fn inside(label: &str) -> Option<String> {
    let rest = label.strip_prefix('B')?;
    let kind = rest.strip_prefix(['-', '_'])?;
    (!kind.is_empty()).then(|| format!("I{rest}"))
}

fn read_with(
    path: &Path,
    column: Column,
    known: Option<&[String]>,
) -> Result<LabelledSentences, Error> {
    let layout = Layout::of(path, column)?;
    let mut lines = Lines::open(path)?;
    let mut names = LabelNames::new(known);
    let mut sentences: Vec<LabelledSentence> = Vec::new();
    let mut sentence = LabelledSentence::default();
    while let Some(line) = lines.read()? {
        match layout.line(&line, sentence.words.is_empty()) {
            Ok(ColumnsLine::Word { word, tag }) => {
                let tag = names.number(tag).map_err(|what| lines.refuse(what))?;
                sentence.words.push(word.to_owned());
                sentence.tags.push(tag);
            }
            Ok(ColumnsLine::Nothing) => {}
            Ok(ColumnsLine::End) => {
                if !sentence.words.is_empty() {
                    sentences.push(std::mem::take(&mut sentence));
                }
            }
            Err(what) => return Err(lines.refuse(what)),
        }
    }
    if !sentence.words.is_empty() {
        sentences.push(sentence);
    }
    if sentences.is_empty() {
        return Err(lines.refuse_all("there is no word in the file"));
    }
    let (labels, numbers) = finish(names, known.is_some());
    for tag in sentences.iter_mut().flat_map(|of| &mut of.tags) {
        *tag = numbers.get(*tag).copied().unwrap_or(*tag);
    }
    Ok(LabelledSentences { labels, sentences })
}

/// The labels in their order, with an inside one beside each that begins an entity.
fn finish(mut names: LabelNames, are_known: bool) -> (Vec<String>, Vec<usize>) {
    if !are_known {
        let more: Vec<String> = names.all().iter().filter_map(|name| inside(name)).collect();
        for name in more {
            // No name is unknown while they are being collected.
            let _ = names.number(&name);
        }
    }
    let is_entity = |name: &String| name == "O" || parts(name).is_some();
    if names.all().iter().all(is_entity) {
        names.sorted(by_entity)
    } else {
        names.sorted(str::cmp)
    }
}

/// The type of an entity and the place of its letter in the order of tags.
fn parts(label: &str) -> Option<(&str, usize)> {
    let (letter, kind) = label.split_once(['-', '_'])?;
    let place = ["B", "I", "M", "E", "L", "S", "U"]
        .iter()
        .position(|known| *known == letter)?;
    (!kind.is_empty()).then_some((kind, place))
}

/// `O`, then by type, the beginning first.
fn by_entity(a: &str, b: &str) -> Ordering {
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

/// What a line is.
enum ColumnsLine<'a> {
    Word {
        word: &'a str,
        tag: &'a str,
    },
    /// A comment, or what stands beside words.
    Nothing,
    /// The end of a sentence.
    End,
}

/// How the lines of a file are to be read.
enum Layout {
    Universal {
        tag: usize,
        /// Whether `_` is no tag but that there is none.
        needs_tag: bool,
    },
    Plain {
        has_tabs: bool,
        columns: usize,
        tag: usize,
    },
}

/// The columns of CoNLL-U.
const UNIVERSAL: usize = 10;

impl Layout {
    /// By the name of the file and its first word.
    fn of(path: &Path, column: Column) -> Result<Layout, Error> {
        let extension = path.extension().unwrap_or_default();
        if extension.eq_ignore_ascii_case("conllu") {
            let (tag, needs_tag) = match column {
                Column::Usual | Column::Upos => (3, true),
                Column::Xpos => (4, true),
                Column::Number(number) => (number.get() - 1, false),
            };
            let layout = Layout::Universal { tag, needs_tag };
            return layout.checked(&Lines::open(path)?, UNIVERSAL);
        }
        let mut lines = Lines::open(path)?;
        let mut commented = None;
        while let Some(line) = lines.read()? {
            if line.trim_ascii().is_empty() || line.starts_with(DOCUMENT) {
                continue;
            }
            // It may be a comment or a word; only if there is nothing else, it must be a word.
            if line.starts_with('#') {
                commented.get_or_insert(line);
                continue;
            }
            return Layout::plain(&lines, &line, column);
        }
        match commented {
            Some(line) => Layout::plain(&lines, &line, column),
            None => Err(lines.refuse_all("there is no word in the file")),
        }
    }

    /// By the first word of a file.
    fn plain(lines: &Lines, line: &str, column: Column) -> Result<Layout, Error> {
        let has_tabs = line.contains('\t');
        let columns = fields(line, has_tabs, 1).len();
        let tag = match column {
            Column::Usual => columns - 1,
            Column::Number(number) => number.get() - 1,
            Column::Upos | Column::Xpos => {
                return Err(lines.refuse_all(
                    "columns have names in CoNLL-U only, whose files end with .conllu; give the \
                     number of the column",
                ));
            }
        };
        if columns < 2 {
            return Err(lines.refuse(
                "a word and a tag were expected, parted by a tab or blanks, but the line has one \
                 column",
            ));
        }
        let layout = Layout::Plain {
            has_tabs,
            columns,
            tag,
        };
        layout.checked(lines, columns)
    }

    /// Whether the column of the tags is there and is not that of the words.
    fn checked(self, lines: &Lines, columns: usize) -> Result<Layout, Error> {
        let (Layout::Universal { tag, .. } | Layout::Plain { tag, .. }) = self;
        if tag >= columns {
            return Err(lines.refuse_all(format!(
                "there is no column {}; the file has {columns}",
                tag + 1
            )));
        }
        if tag == self.word() {
            return Err(lines.refuse_all(format!("column {} holds the words, not tags", tag + 1)));
        }
        Ok(self)
    }

    /// The column of the words, counted from 0.
    fn word(&self) -> usize {
        match self {
            Layout::Universal { .. } => 1,
            Layout::Plain { .. } => 0,
        }
    }

    /// Reads a line; `begins` says that no word of its sentence came yet. In words, what is wrong.
    fn line<'a>(&self, line: &'a str, begins: bool) -> Result<ColumnsLine<'a>, String> {
        if line.trim_ascii().is_empty() {
            return Ok(ColumnsLine::End);
        }
        let (fields, columns, tag) = match *self {
            Layout::Universal { tag, needs_tag } => {
                if line.starts_with('#') {
                    return Ok(ColumnsLine::Nothing);
                }
                let fields = fields(line, true, UNIVERSAL);
                let is_word = (fields.first()).is_some_and(|id| !id.contains(['-', '.']));
                if fields.len() == UNIVERSAL && !is_word {
                    return Ok(ColumnsLine::Nothing);
                }
                if needs_tag && fields.get(tag) == Some(&"_") {
                    return Err(format!("the word has no tag in column {}", tag + 1));
                }
                (fields, UNIVERSAL, tag)
            }
            Layout::Plain {
                has_tabs,
                columns,
                tag,
            } => {
                if line.starts_with(DOCUMENT) {
                    return Ok(ColumnsLine::End);
                }
                let fields = fields(line, has_tabs, columns);
                if begins && is_comment(&fields, columns) {
                    return Ok(ColumnsLine::Nothing);
                }
                (fields, columns, tag)
            }
        };
        if fields.len() != columns {
            return Err(format!(
                "the line has {}, but {columns} were expected{}",
                super::lines::columns(fields.len()),
                match self {
                    Layout::Universal { .. } => ", parted by tabs",
                    Layout::Plain { has_tabs: true, .. } =>
                        ", parted by tabs, as in the first line",
                    Layout::Plain { .. } => ", parted by blanks, as in the first line",
                }
            ));
        }
        match (fields.get(self.word()), fields.get(tag)) {
            (Some(&word), Some(&tag)) if !word.trim_ascii().is_empty() && !tag.is_empty() => {
                Ok(ColumnsLine::Word { word, tag })
            }
            _ => Err("the word or its tag is empty".to_owned()),
        }
    }
}

/// What stands between the documents of a file, instead of a word.
const DOCUMENT: &str = "-DOCSTART-";

/// The fields of a line. Empty ones at its end that make it longer than `columns` are those of tabs that
/// nothing comes after.
fn fields(line: &str, has_tabs: bool, columns: usize) -> Vec<&str> {
    if !has_tabs {
        return line.split_ascii_whitespace().collect();
    }
    let mut fields: Vec<&str> = line.split('\t').map(str::trim_ascii).collect();
    while fields.len() > columns && fields.last() == Some(&"") {
        fields.pop();
    }
    fields
}

/// Whether the line is a comment before a sentence. A number sign may be a word too, so it is one if
/// it has other columns than words have, or says `# id …` or `# something = …`.
fn is_comment(fields: &[&str], columns: usize) -> bool {
    let starts = fields.first().is_some_and(|first| first.starts_with('#'));
    let says = matches!(fields, ["#", "id", ..] | ["#", _, "=", ..]);
    starts && (fields.len() != columns || says)
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

    /// The sentences of a file, each word with its tag.
    fn sentences(name: &str, text: &str, column: Column) -> Vec<String> {
        let tagged = with(name, text, |path| read(path, column).unwrap());
        let said = |sentence: &LabelledSentence| {
            let words = sentence.words.iter().zip(&sentence.tags);
            let said: Vec<String> = words
                .map(|(word, &tag)| format!("{word}/{}", tagged.labels[tag]))
                .collect();
            said.join(" ")
        };
        tagged.sentences.iter().map(said).collect()
    }

    fn complaint(name: &str, text: &str, column: Column) -> String {
        with(name, text, |path| {
            let message = read(path, column).unwrap_err().to_string();
            message.replace(&path.display().to_string(), name)
        })
    }

    fn number(number: usize) -> Column {
        Column::Number(NonZeroUsize::new(number).unwrap())
    }

    #[test]
    fn columns_are_parted_by_blanks_or_tabs_and_the_last_counts() {
        let chunks = "The DT B-NP\nboat NN I-NP\n\nIt PRP B-NP\n";
        assert_eq!(
            sentences("train.txt", chunks, Column::Usual),
            ["The/B-NP boat/I-NP", "It/B-NP"]
        );
        assert_eq!(
            sentences("train.txt", chunks, number(2)),
            ["The/DT boat/NN", "It/PRP"]
        );
        let entities = "10 000\tO\r\n@Ann\tB-person\r\n\t\r\n#\tO\r\n";
        assert_eq!(
            sentences("wnut.conll", entities, Column::Usual),
            ["10 000/O @Ann/B-person", "#/O"]
        );
    }

    #[test]
    fn lines_between_documents_and_comments_hold_no_words() {
        let text = "# id 12 x\tdomain=en\n-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\n\n# text = EU rejects\n\
                    EU NNP B-NP B-ORG\n# # B-NP O\n\n# # B-NP O\n5 CD I-NP O\n\n# sent_id 4\nIt PRP B-NP O\n";
        assert_eq!(
            sentences("train.txt", text, Column::Usual),
            ["EU/B-ORG", "EU/B-ORG #/O", "#/O 5/O", "It/O"]
        );
    }

    const UNIVERSAL_TEXT: &str = "# sent_id = 1\n\
        1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_\n\
        1\tDo\tdo\tAUX\tVB\t_\t_\t_\t_\t_\n\
        2\tn't\tnot\tPART\tRB\t_\t_\t_\t_\t_\n\
        2.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_\n\
        \n\
        1\t10 000\t_\tNUM\tCD\t_\t_\t_\t_\t_\n";

    #[test]
    fn of_conllu_words_are_read_and_what_stands_beside_them_is_not() {
        for (column, wanted) in [
            (Column::Usual, ["Do/AUX n't/PART", "10 000/NUM"]),
            (Column::Xpos, ["Do/VB n't/RB", "10 000/CD"]),
            (number(3), ["Do/do n't/not", "10 000/_"]),
        ] {
            assert_eq!(sentences("a.conllu", UNIVERSAL_TEXT, column), wanted);
        }
    }

    #[test]
    fn tags_are_numbered_in_an_order_that_does_not_hang_on_the_file() {
        let labels = |text: &str| {
            with("a.txt", text, |path| {
                read(path, Column::Usual).unwrap().labels
            })
        };
        assert_eq!(
            labels("a B-PER\nb I-PER\nc O\nd B-LOC\n"),
            ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
        );
        assert_eq!(
            labels("a S-PER\nb I-PER\nc E-PER\nd B-PER\n"),
            ["B-PER", "I-PER", "E-PER", "S-PER"]
        );
        assert_eq!(labels("a VB\nb DT\nc $\n"), ["$", "DT", "VB"]);
    }

    #[test]
    fn dev_tags_have_the_numbers_of_the_training_tags() {
        let train: Vec<String> = ["O", "B-PER", "I-PER"].map(str::to_owned).into();
        let dev = "a I-PER\nb O\n";
        let tags = with("dev.txt", dev, |path| {
            read_known(path, Column::Usual, &train).unwrap()
        });
        assert_eq!(
            (tags.labels.as_slice(), tags.sentences[0].tags.as_slice()),
            (&*train, &[2, 0][..])
        );
        let merged = with("dev.txt", dev, |path| {
            read(path, Column::Usual)
                .unwrap()
                .with_labels(&train)
                .unwrap()
        });
        assert_eq!(merged, tags);

        let message = with("dev.txt", "a O\nb B-LOC\n", |path| {
            let found = read(path, Column::Usual).unwrap();
            let merged = found.with_labels(&train).unwrap_err();
            let message = read_known(path, Column::Usual, &train)
                .unwrap_err()
                .to_string();
            assert!(message.ends_with(&merged));
            message.replace(&path.display().to_string(), "dev.txt")
        });
        insta::assert_snapshot!(message, @r#"dev.txt:2: the label "B-LOC" is none of those that are known: "O", "B-PER", "I-PER"; correct it, or train with data that has it"#);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        let complaints = [
            complaint("a.txt", "", Column::Usual),
            complaint("a.txt", "\n-DOCSTART- O\n\n", Column::Usual),
            complaint("a.txt", "The\nboat\n", Column::Usual),
            complaint("a.txt", "The DT O\nboat NN\n", Column::Usual),
            complaint("a.txt", "The DT O\n# # O O\n", Column::Usual),
            complaint("a.txt", "The\tO\nboat O\n", Column::Usual),
            complaint("a.txt", "The\tO\nboat\t\n", Column::Usual),
            complaint("a.txt", "The DT O\n", number(4)),
            complaint("a.txt", "The DT O\n", number(1)),
            complaint("a.txt", "The DT O\n", Column::Upos),
            complaint("a.conllu", "1\tThe\tDT\n", Column::Usual),
            complaint(
                "a.conllu",
                "1\tThe\tthe\t_\tDT\t_\t_\t_\t_\t_\n",
                Column::Usual,
            ),
            complaint("a.conllu", UNIVERSAL_TEXT, number(2)),
            complaint("a.conllu", UNIVERSAL_TEXT, number(11)),
            "0".parse::<Column>().unwrap_err(),
        ];
        insta::assert_snapshot!(complaints.join("\n"));
    }

    #[test]
    fn tabs_at_the_end_of_a_line_are_no_columns() {
        for text in ["The\tO\t\nboat\tB-X\t\t\n", "The\tO\nboat\tB-X\t\n"] {
            let data = with("a.txt", text, |path| read(path, Column::Usual).unwrap());
            assert_eq!(data.labels, ["O", "B-X", "I-X"], "{text:?}");
            assert_eq!(data.sentences[0].tags, [0, 1]);
        }
    }

    #[test]
    fn an_entity_goes_on_with_an_inside_tag() {
        assert_eq!(inside("B-PER").as_deref(), Some("I-PER"));
        assert_eq!(inside("B_geo").as_deref(), Some("I_geo"));
        for label in ["O", "I-PER", "BOAT", "B-", "VB"] {
            assert_eq!(inside(label), None, "{label}");
        }
    }
}
