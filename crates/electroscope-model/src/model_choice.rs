//! What a model is named by: the built-in one, a folder, or a hub id.

use std::path::{Path, PathBuf};

/// A name that can be none of a model's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is neither `builtin`, nor a folder, nor a hub id of the form NAME or ORGANISATION/NAME{hint}"
)]
pub struct NameError {
    /// What was given.
    pub name: String,
    /// What may be wrong with it.
    pub hint: &'static str,
}

/// The name of the model that a program has built in.
pub(crate) const BUILTIN: &str = "builtin";

/// What a model is named by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelChoice {
    /// The one that the program has built in.
    Builtin,
    /// A folder in Hugging Face layout.
    Folder(PathBuf),
    /// A hub id.
    Hub(String),
}

impl ModelChoice {
    /// Reads a name. An existing folder is that folder; something that looks like a path but does
    /// not exist is never sent to the hub.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn parse(name: &str) -> Result<ModelChoice, NameError> {
        let refuse = |hint| {
            Err(NameError {
                name: name.to_owned(),
                hint,
            })
        };
        let path = Path::new(name);
        if name != BUILTIN && path.is_dir() {
            return Ok(ModelChoice::Folder(path.to_owned()));
        }
        if name != BUILTIN && path.is_file() {
            return refuse("; it is a file, and the folder that it lies in is wanted");
        }
        ModelChoice::parse_elsewhere(name, "; there is no such folder")
    }

    /// Reads a name that is kept in a file such as the settings: a relative path is never a folder, or
    /// a folder of somebody else's in the working folder could put its own model in the place of the
    /// one that is meant.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn parse_kept(name: &str) -> Result<ModelChoice, NameError> {
        if Path::new(name).is_absolute() {
            return ModelChoice::parse(name);
        }
        let hint = "; a folder is kept by its whole path, for a relative one means another folder wherever the program is started";
        ModelChoice::parse_elsewhere(name, hint)
    }

    /// Reads a name that is no folder; `no_folder` is the hint if it can be nothing else.
    fn parse_elsewhere(name: &str, no_folder: &'static str) -> Result<ModelChoice, NameError> {
        let path = Path::new(name);
        let refuse = |hint| {
            Err(NameError {
                name: name.to_owned(),
                hint,
            })
        };
        if name == BUILTIN {
            return Ok(ModelChoice::Builtin);
        }
        let looks_like_path = path.is_absolute()
            || name.starts_with(['.', '~'])
            || name.ends_with('/')
            || name.contains('\\');
        let parts: Vec<&str> = name.split('/').collect();
        let is_part = |part: &str| {
            !part.is_empty()
                && part.len() <= 96
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && !part.starts_with(['.', '-'])
                && !part.contains("..")
                && !part.contains("--")
        };
        if looks_like_path || parts.len() > 2 {
            return refuse(no_folder);
        }
        if !parts.iter().all(|part| is_part(part)) {
            return refuse("");
        }
        Ok(ModelChoice::Hub(name.to_owned()))
    }
}
