//! `electroscope dictionary`: words that are never flagged.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::messages;
use super::{DictionaryArgs, DictionaryCommand, Exit, Global};
use crate::settings::Paths;
use electroscope_analysis::{Addition, WordList, project_words, project_words_to_be};
use electroscope_text::visible;

pub(super) fn run(global: &Global, command: &DictionaryCommand) -> anyhow::Result<Exit> {
    match command {
        DictionaryCommand::Add { words, of } => add(global, words, &to_change(of)?),
        DictionaryCommand::Remove { words, of } => remove(global, words, &to_change(of)?),
        DictionaryCommand::List { of } => list(global, of),
    }
}

/// The dictionary that is to be changed, whether or not there is one yet.
fn to_change(of: &DictionaryArgs) -> anyhow::Result<PathBuf> {
    match of.project {
        true => Ok(project_words_to_be(&here())),
        false => users(),
    }
}

/// The user's dictionary.
fn users() -> anyhow::Result<PathBuf> {
    Paths::new().dictionary.context(
        "there is no home folder that a dictionary could be kept in; set HOME to a whole path, or keep \
         the words with the project (--project)",
    )
}

/// A file in the working folder, from which a project is looked for.
fn here() -> PathBuf {
    PathBuf::from("x")
}

fn add(global: &Global, words: &[String], path: &Path) -> anyhow::Result<Exit> {
    let mut list = WordList::read(path)?;
    let shown = path.display();
    let mut remarks = Vec::new();
    let mut added = 0;
    for word in words {
        match list.add(word)? {
            Addition::Added => {
                added += 1;
                remarks.push(format!("added {word} to {shown}"));
            }
            Addition::Known(entry) if entry == *word => {
                remarks.push(format!("{word} is in {shown} already"));
            }
            Addition::Known(entry) => {
                remarks.push(format!("{word} is accepted already, by {entry} in {shown}"));
            }
        }
    }
    if added > 0 {
        list.save()?;
    }
    for remark in remarks {
        messages::remark(global, &remark);
    }
    Ok(Exit::Clean)
}

fn remove(global: &Global, words: &[String], path: &Path) -> anyhow::Result<Exit> {
    let mut list = WordList::read(path)?;
    let shown = path.display();
    for word in words {
        if list.remove(word) {
            continue;
        }
        match list.accepting(word) {
            Some(entry) => bail!(
                "{word:?} is not in {shown}, so nothing was removed; {entry:?} is, which accepts it"
            ),
            None => bail!("{word:?} is not in {shown}, so nothing was removed"),
        }
    }
    list.save()?;
    for word in words {
        messages::remark(global, &format!("removed {word} from {shown}"));
    }
    Ok(Exit::Clean)
}

fn list(global: &Global, of: &DictionaryArgs) -> anyhow::Result<Exit> {
    let path = match of.project {
        true => project_words(&here()),
        false => Some(users()?),
    };
    let Some(path) = path else {
        messages::remark(
            global,
            "there is no .electroscope/dictionary.txt in this folder or above it; \
             `electroscope dictionary add --project WORD` makes one",
        );
        return Ok(Exit::Clean);
    };
    let list = WordList::read(&path)?;
    let mut out = io::stdout().lock();
    for word in list.words() {
        writeln!(out, "{}", visible(word))?;
    }
    out.flush()?;
    Ok(Exit::Clean)
}
