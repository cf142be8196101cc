//! Files of accepted words: one word a line, comments after `#`.
//!
//! There may be one of the user and one of the project, which is found upwards from the document. A
//! project's file comes from whoever wrote the project, so it can do nothing but accept words. Changes
//! keep comments and order; whoever interrupts one finds the old file or the new.

use std::io;
use std::path::{Path, PathBuf};

use electroscope_model::atomic_write::write_atomically;
use electroscope_model::bounded_read::{limits, read_text_bounded};

use super::spelling;

/// Where a project keeps its words, from the folder of the project on.
pub const PROJECT_WORDS: &str = ".electroscope/dictionary.txt";

/// The longest word, in characters. Longer ones are in no text that people read.
const LONGEST: usize = 100;

/// What can be wrong with a file of words.
#[derive(Debug, thiserror::Error)]
pub enum WordListError {
    /// It cannot be read.
    #[error("cannot read the dictionary {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is no word.
    #[error("the dictionary {path}, line {line}: {wrong}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with what it says.
        wrong: NotAWord,
    },
    /// It cannot be written.
    #[error("cannot write the dictionary {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why something cannot be an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAWord {
    /// White space in it.
    #[error("{0:?} is more than one word; a line has one, and what follows a # is a comment")]
    Several(String),
    /// A control character in it.
    #[error("there is a control character in {0:?}; a dictionary is a text with one word a line")]
    Control(String),
    /// It is longer than any word.
    #[error("a word of {0} characters; those of up to {LONGEST} can be accepted")]
    Long(usize),
    /// It would be a comment.
    #[error("{0:?} begins with a #, which begins a comment")]
    Comment(String),
    /// Nothing.
    #[error("an empty word")]
    Empty,
}

/// What became of a word that was to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addition {
    /// It was not there.
    Added,
    /// It was there, or this entry accepts it already.
    Known(String),
}

/// The words of a file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordList {
    path: PathBuf,
    /// Its lines, without their ends.
    lines: Vec<String>,
    /// What ends a line.
    line_end: &'static str,
}

impl WordList {
    /// Reads the file at `path`; one that is not there has no words.
    ///
    /// # Errors
    ///
    /// [`WordListError::Read`] for what is no regular file of UTF-8 text of at most a mebibyte, and
    /// [`WordListError::Line`].
    pub fn read(path: &Path) -> Result<WordList, WordListError> {
        let text = match read_text_bounded(path, limits::SETTINGS) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        };
        let text = text.map_err(|source| WordListError::Read {
            path: path.to_owned(),
            source,
        })?;
        let list = WordList {
            path: path.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            line_end: match text.contains("\r\n") {
                true => "\r\n",
                false => "\n",
            },
        };
        for (at, line) in list.lines.iter().enumerate() {
            let entry = entry(line);
            let checked = match entry.is_empty() {
                true => Ok(()),
                false => check(entry),
            };
            checked.map_err(|wrong| WordListError::Line {
                path: path.to_owned(),
                line: at + 1,
                wrong,
            })?;
        }
        Ok(list)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The words, in the order of the file.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let entries = self.lines.iter().map(|line| entry(line));
        entries.filter(|entry| !entry.is_empty())
    }

    /// Adds a word, in its place if the words are in order, else at the end. The file is written by
    /// [`WordList::save`].
    ///
    /// # Errors
    ///
    /// [`NotAWord`].
    pub fn add(&mut self, word: &str) -> Result<Addition, NotAWord> {
        let word = word.trim();
        check(word)?;
        let word = spelling::plain(word);
        let folded = word.to_lowercase();
        let accepts = |known: &&str| *known == word || spelling::plain(known) == folded.as_str();
        if let Some(known) = self.words().find(accepts) {
            return Ok(Addition::Known(known.to_owned()));
        }
        let order: Vec<(usize, String)> = (self.lines.iter().enumerate())
            .map(|(at, line)| (at, entry(line).to_lowercase()))
            .filter(|(_, entry)| !entry.is_empty())
            .collect();
        let place = match order.is_sorted_by(|a, b| a.1 <= b.1) {
            true => {
                let after = order.iter().rfind(|(_, entry)| *entry <= folded);
                // Before all of them it stands at the first of them, below what the file begins with.
                let first = order.first().map(|&(at, _)| at);
                after.map(|&(at, _)| at + 1).or(first)
            }
            false => order.last().map(|&(at, _)| at + 1),
        };
        let place = place.unwrap_or(self.lines.len());
        self.lines.insert(place, word.into_owned());
        Ok(Addition::Added)
    }

    /// Takes a word out with its line; whether it was there. The file is written by [`WordList::save`].
    pub fn remove(&mut self, word: &str) -> bool {
        let word = spelling::plain(word.trim());
        let before = self.lines.len();
        self.lines.retain(|line| {
            let entry = entry(line);
            entry.is_empty() || spelling::plain(entry) != word
        });
        self.lines.len() < before
    }

    /// The entry that accepts `word` though it is not the word itself.
    pub fn accepting(&self, word: &str) -> Option<&str> {
        let folded = spelling::folded(word.trim());
        self.words()
            .find(|entry| spelling::plain(entry) == folded.as_str())
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// [`WordListError::Write`]; the file is as it was.
    pub fn save(&self) -> Result<(), WordListError> {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(line);
            text.push_str(self.line_end);
        }
        write_atomically(&self.path, text.as_bytes()).map_err(|source| WordListError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

/// The word on a line: what stands before a `#` that begins the line or follows white space.
fn entry(line: &str) -> &str {
    let is_comment = |&(at, _): &(usize, &str)| {
        let before = line.get(..at).unwrap_or_default();
        before.is_empty() || before.ends_with(char::is_whitespace)
    };
    let comment = line.match_indices('#').find(is_comment);
    let end = comment.map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or_default().trim()
}

/// Whether `word` can be an entry.
fn check(word: &str) -> Result<(), NotAWord> {
    if word.is_empty() {
        return Err(NotAWord::Empty);
    }
    let len = word.chars().count();
    // Of what is no text the beginning says enough.
    let shown = || word.chars().take(40).collect();
    match () {
        () if word.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
            Err(NotAWord::Control(shown()))
        }
        () if word.contains(char::is_whitespace) => Err(NotAWord::Several(shown())),
        () if len > LONGEST => Err(NotAWord::Long(len)),
        () if word.starts_with('#') => Err(NotAWord::Comment(shown())),
        () => Ok(()),
    }
}

/// The file of a project's words that is nearest above `file`, which need not exist; none if there is
/// none.
pub fn project_words(file: &Path) -> Option<PathBuf> {
    let folders = folders_above(file);
    folders
        .into_iter()
        .map(|folder| folder.join(PROJECT_WORDS))
        .find(|path| path.exists())
}

/// Where the words of the project that `file` is in are kept, whether or not there are any yet: the file
/// that is there, else in the folder nearest above that git keeps, else in the folder of `file`.
pub fn project_words_to_be(file: &Path) -> PathBuf {
    if let Some(found) = project_words(file) {
        return found;
    }
    let folders = folders_above(file);
    let of_git = folders.iter().find(|folder| folder.join(".git").exists());
    let folder = of_git.or(folders.first());
    folder.map_or_else(
        || PathBuf::from(PROJECT_WORDS),
        |folder| folder.join(PROJECT_WORDS),
    )
}

/// The folder of `file` and those above it, the nearest first.
fn folders_above(file: &Path) -> Vec<PathBuf> {
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let folder = whole.parent().unwrap_or(&whole);
    // A link into a project is in the project.
    let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    folder.ancestors().map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    fn list(text: &str) -> WordList {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        std::fs::write(&path, text).unwrap();
        WordList::read(&path).unwrap()
    }

    fn after_adding(text: &str, words: &[&str]) -> String {
        let mut list = list(text);
        for word in words {
            assert_eq!(list.add(word), Ok(Addition::Added));
        }
        list.lines.join("\n")
    }

    #[test]
    fn a_line_has_a_word_and_a_comment() {
        let text = "\u{feff}# names\n\nWeber\n  kubectl  # the tool\nC#\n#done\n";
        assert_eq!(
            list(text).words().collect::<Vec<_>>(),
            ["Weber", "kubectl", "C#"]
        );
        assert_eq!(list("").words().count(), 0);
    }

    #[test]
    fn a_word_is_added_in_order_where_there_is_one_and_comments_stay() {
        assert_eq!(after_adding("", &["b", "a"]), "a\nb");
        assert_eq!(
            after_adding("# mine\nant # x\n# more\ncow\n", &["bee", "ape", "dog"]),
            "# mine\nant # x\nape\nbee\n# more\ncow\ndog"
        );
        assert_eq!(after_adding("# mine\ncow\n", &["ant"]), "# mine\nant\ncow");
        assert_eq!(
            after_adding("cow\nant\n# end\n", &["bee"]),
            "cow\nant\nbee\n# end"
        );
    }

    #[test]
    fn a_word_that_is_accepted_already_is_not_added() {
        let mut list = list("weber\nNASA\n");
        let known = |entry: &str| Ok(Addition::Known(entry.to_owned()));
        assert_eq!(list.add("Weber"), known("weber"));
        assert_eq!(list.add("weber"), known("weber"));
        assert_eq!(list.add("nasa"), Ok(Addition::Added));
        assert_eq!(list.accepting("Nasa"), Some("nasa"));
    }

    #[test]
    fn a_word_is_removed_as_it_is_written() {
        let mut list = list("weber # x\n# weber\nWeber\n");
        assert!(list.remove("weber"));
        assert!(!list.remove("WEBER"));
        assert_eq!(list.lines, ["# weber", "Weber"]);
    }

    #[test]
    fn a_file_is_written_as_it_was_read_but_for_the_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/words.txt");
        let mut fresh = WordList::read(&path).unwrap();
        fresh.add("o\u{2019}neill").unwrap();
        fresh.save().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "o'neill\n");
        std::fs::write(&path, "# mine\r\nant\r\ncow").unwrap();
        let mut list = WordList::read(&path).unwrap();
        list.add("bee").unwrap();
        list.save().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "# mine\r\nant\r\nbee\r\ncow\r\n");
    }

    #[test]
    fn what_is_no_word_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.txt");
        let wrong = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let err = WordList::read(&path).unwrap_err();
            let cause = err.source().map(|cause| format!(": {cause}"));
            let message = format!("{err}{}", cause.unwrap_or_default());
            message.replace(path.to_str().unwrap(), "words.txt")
        };
        assert_eq!(
            wrong(b"ant\nNew York\n"),
            "the dictionary words.txt, line 2: \"New York\" is more than one word; a line has one, and \
             what follows a # is a comment"
        );
        assert_eq!(
            wrong(b"a\0b\n"),
            "the dictionary words.txt, line 1: there is a control character in \"a\\0b\"; a dictionary \
             is a text with one word a line"
        );
        assert_eq!(
            wrong(b"\xff\xfea\0"),
            "cannot read the dictionary words.txt: it is not UTF-8 text (byte 0)"
        );
        assert!(
            wrong(&[b'a'; 300])
                .ends_with("a word of 300 characters; those of up to 100 can be accepted")
        );
        assert!(wrong(&[b'\n'; (1 << 20) + 1]).contains("at most 1048576 are read"));
        let err = WordList::read(folder.path()).unwrap_err();
        assert_eq!(
            err.source().unwrap().to_string(),
            "it is a folder, not a file"
        );
        assert_eq!(list("").add("#x"), Err(NotAWord::Comment("#x".to_owned())));
        assert_eq!(list("").add(" "), Err(NotAWord::Empty));
    }

    #[test]
    fn the_words_of_a_project_are_found_upwards_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let docs = root.join("docs/guide");
        std::fs::create_dir_all(&docs).unwrap();
        std::fs::create_dir(root.join(".git")).unwrap();
        let file = docs.join("a.md");
        assert_eq!(project_words(&file), None);
        assert_eq!(project_words_to_be(&file), root.join(PROJECT_WORDS));
        for place in [&root, &root.join("docs")] {
            let words = place.join(PROJECT_WORDS);
            std::fs::create_dir(words.parent().unwrap()).unwrap();
            std::fs::write(&words, "ant\n").unwrap();
            assert_eq!(project_words(&file), Some(words.clone()));
            assert_eq!(project_words_to_be(&file), words);
        }
    }
}
