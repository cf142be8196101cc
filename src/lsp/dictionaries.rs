//! The dictionaries of the user and of projects, read and extended for documents that are open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use electroscope_analysis::{
    AcceptedWords, Addition, WordList, project_words, project_words_to_be,
};

use crate::worker::exemptions::without_possessive;

/// Whose dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    User,
    Project,
}

pub(super) struct Dictionaries {
    /// The user's, if there is a place for it.
    user: Option<PathBuf>,
    /// Those that could not be read, and what was said of them.
    told: HashMap<PathBuf, String>,
}

impl Dictionaries {
    pub(super) fn new(user: Option<PathBuf>) -> Dictionaries {
        Dictionaries {
            user,
            told: HashMap::new(),
        }
    }

    /// The words that are accepted in the document at `path`, and what is wrong with a dictionary, if that
    /// has not been said yet.
    pub(super) fn accepted(&mut self, path: &Path) -> (AcceptedWords, Vec<String>) {
        let mut accepted = AcceptedWords::default();
        let mut wrong = Vec::new();
        let both = [self.user.clone(), project_words(path)];
        for dictionary in both.into_iter().flatten() {
            match WordList::read(&dictionary) {
                Ok(list) => {
                    accepted.extend(list.words());
                    self.told.remove(&dictionary);
                }
                Err(err) => {
                    let text = format!("{:#}", anyhow::Error::from(err));
                    let told = self.told.insert(dictionary, text.clone());
                    if told.as_ref() != Some(&text) {
                        wrong.push(text);
                    }
                }
            }
        }
        (accepted, wrong)
    }

    /// Adds a word for the document at `path`.
    ///
    /// # Errors
    ///
    /// There is no home; the dictionary cannot be read or written; the text is no word.
    pub(super) fn add(&self, word: &str, path: &Path, whose: Whose) -> anyhow::Result<String> {
        let dictionary = match whose {
            Whose::Project => project_words_to_be(path),
            Whose::User => (self.user.clone()).context(
                "there is no home folder that a dictionary could be kept in; take the project's",
            )?,
        };
        let word = without_possessive(word);
        let mut list = WordList::read(&dictionary)?;
        let shown = dictionary.display();
        Ok(match list.add(word)? {
            Addition::Known(entry) => format!("{shown} has {entry} already"),
            Addition::Added => {
                list.save()?;
                format!("added {word} to {shown}")
            }
        })
    }
}
