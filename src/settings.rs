//! What a user may set: in a file, by variables, by flags; flag beats variable beats file.
//!
//! Flags and `ELECTROSCOPE_*` variables are read by the command line ([`crate::cli`]);
//! [`EffectiveSettings`] lays them over [`FileSettings`]. Nothing here touches the terminal or the model.

mod effective;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use electroscope_model::bounded_read::{limits, read_text_bounded};
use electroscope_model::{Family, Task};

pub use effective::{ColorChoice, EffectiveSettings, GivenSettings};

/// What is asked of each word, and so which model answers.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    clap::ValueEnum,
    serde::Deserialize,
    serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Lens {
    /// Whether it looks as if it had been put in the place of another: the discriminator
    #[default]
    Replaced,
    /// Whether it is an error of writing: the head that marks errors
    Errors,
}

/// The settings file with every setting at its default, each explained. Shown by
/// `electroscope paths --example` and kept true by a test.
pub const EXAMPLE: &str = include_str!("../assets/config.toml");

/// The heads that have a name without anybody giving them one, in the form of `[heads.NAME]`.
const KNOWN_HEADS: &str = include_str!("../assets/heads.toml");

/// What the settings file may say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSettings {
    /// `builtin`, a folder, or a hub id.
    pub model: Option<String>,
    /// A branch, tag or commit of the hub model.
    pub revision: Option<String>,
    /// `auto`, `cpu`, `cuda`, `cuda:N`.
    pub device: Option<String>,
    /// `auto`, `f32`, `int8`, `bf16`.
    pub precision: Option<String>,
    /// Threads for the arithmetic; all cores if absent.
    pub threads: Option<usize>,
    /// Open no socket.
    pub offline: Option<bool>,
    /// `auto`, `always`, `never`.
    pub color: Option<String>,
    /// The screen's theme: `dark`, `light`, `ansi-16`, `mono`.
    pub theme: Option<String>,
    /// What the screen's heat map shows: `replaced` or `errors`.
    pub lens: Option<Lens>,
    /// Words at or above it are flagged, whatever the model.
    pub threshold: Option<f32>,
    /// The same, model by model; written by `score --calibrate`.
    pub thresholds: BTreeMap<String, f32>,
    /// Whether punctuation is flagged too.
    pub punctuation: Option<bool>,
    /// What classifies, answers and tags, and names for heads.
    pub heads: Heads,
}

/// The settings under `heads`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heads {
    /// The head for each task, as `--head` takes it.
    pub chosen: BTreeMap<Task, String>,
    /// Names that `--head` takes, beside those of [`known_heads`].
    pub named: BTreeMap<String, NamedHead>,
}

/// What the name of a head stands for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table with `model` and `task`; the keys that take the name of a head are \
                 `classification`, `qa` and `tagging`"
)]
pub struct NamedHead {
    /// A folder or a hub id.
    pub model: String,
    /// A branch, tag or commit of the hub model.
    pub revision: Option<String>,
    /// What it was trained to do.
    pub task: Task,
    /// The family of its encoder, where that is known.
    pub family: Option<Family>,
    /// Whether it was trained with questions that the text does not answer. Checkpoints from
    /// elsewhere do not say.
    #[serde(default)]
    pub no_answer: bool,
    /// Whether it was trained on pairs of texts.
    #[serde(default)]
    pub pairs: bool,
    /// What it was trained on, in a line.
    pub about: Option<String>,
}

impl NamedHead {
    /// A head of which no more is known than what it is for.
    pub fn of(model: &str, task: Task) -> NamedHead {
        NamedHead {
            model: model.to_owned(),
            revision: None,
            task,
            family: None,
            no_answer: false,
            pairs: false,
            about: None,
        }
    }
}

impl<'de> Deserialize<'de> for Heads {
    /// Keys of two kinds stand side by side: the tasks, whose values are names, and names, whose
    /// values are tables.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Heads, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = Heads;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table of heads")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Heads, A::Error> {
                let mut heads = Heads::default();
                while let Some(key) = map.next_key::<String>()? {
                    match Task::ALL.into_iter().find(|task| task.name() == key) {
                        Some(task) => {
                            heads.chosen.insert(task, map.next_value()?);
                        }
                        None => {
                            heads.named.insert(key, map.next_value()?);
                        }
                    }
                }
                Ok(heads)
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

/// The heads on the hub that have a short name, by that name. None has been tried: see the file.
///
/// # Errors
///
/// [`Error::Parse`], if what was built in is no TOML; a test reads it.
pub fn known_heads() -> Result<BTreeMap<String, NamedHead>, Error> {
    toml::from_str(KNOWN_HEADS).map_err(|source| Error::Parse {
        path: "assets/heads.toml".into(),
        source: Box::new(source),
    })
}

/// What can go wrong with the settings file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file was named but cannot be read.
    #[error("cannot read the settings file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or has a key or a type that no setting has.
    #[error("the settings file {path} is not understood")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why; boxed, for it is large.
        source: Box<toml::de::Error>,
    },
    /// A threshold that is no probability.
    #[error("the settings file {path} sets a threshold of {found}; it must lie between 0 and 1")]
    Threshold {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: f32,
    },
    /// A colour setting that is none.
    #[error("the settings file {path} sets color to {found:?}; it must be auto, always or never")]
    Color {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// A changed setting cannot be written.
    #[error("cannot write the settings file {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no folder for settings.
    #[error(
        "there is no home folder that settings could be kept in; set HOME to a whole path, or name a \
         file with --config"
    )]
    NoHome,
    /// The file cannot be edited without losing what is in it.
    #[error("the settings file {path} is not TOML, so it was left as it is")]
    Edit {
        /// The file.
        path: PathBuf,
        /// Where and why; boxed, for it is large.
        source: Box<toml_edit::TomlError>,
    },
}

/// The folders the program uses; none is made before something is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The settings file, where there is a home.
    pub config: Option<PathBuf>,
    /// The words that the user has accepted, where there is a home.
    pub dictionary: Option<PathBuf>,
    /// What the program remembers between runs, where there is a home.
    pub state: Option<PathBuf>,
}

impl Paths {
    /// The folders of this system's conventions (XDG on Linux). There are none without a home, or with
    /// one that is a relative path: what lies in the working folder may be somebody else's, and must
    /// not choose a model or a head.
    pub fn new() -> Paths {
        let dirs = ProjectDirs::from("", "", "electroscope");
        let absolute = |path: &Path| path.is_absolute().then(|| path.to_owned());
        Paths {
            config: dirs
                .as_ref()
                .and_then(|dirs| absolute(&dirs.config_dir().join("config.toml"))),
            dictionary: dirs
                .as_ref()
                .and_then(|dirs| absolute(&dirs.config_dir().join("dictionary.txt"))),
            state: dirs
                .as_ref()
                .and_then(|dirs| absolute(dirs.state_dir().unwrap_or(dirs.data_local_dir()))),
        }
    }
}

impl Default for Paths {
    fn default() -> Paths {
        Paths::new()
    }
}

impl FileSettings {
    /// Reads the settings file. One that was not `named` by the user may be missing.
    ///
    /// # Errors
    ///
    /// [`Error`], naming the file and the line.
    pub fn read(path: &Path, named: bool) -> Result<FileSettings, Error> {
        let text = match read_text_bounded(path, limits::SETTINGS) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound && !named => {
                return Ok(FileSettings::default());
            }
            Err(source) => {
                return Err(Error::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let settings: FileSettings = toml::from_str(&text).map_err(|source| Error::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let thresholds = settings
            .thresholds
            .values()
            .copied()
            .chain(settings.threshold);
        for found in thresholds {
            if !(0.0..=1.0).contains(&found) {
                return Err(Error::Threshold {
                    path: path.to_owned(),
                    found,
                });
            }
        }
        Ok(settings)
    }
}

/// Writes `threshold` for `model` into the settings file, leaving all else, comments included, as it
/// is. The file and its folder are made if they are missing.
///
/// # Errors
///
/// [`Error`], naming the file.
pub fn save_threshold(path: &Path, model: &str, threshold: f32) -> Result<(), Error> {
    let write_error = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    let text = match read_text_bounded(path, limits::SETTINGS) {
        Ok(text) => text,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(Error::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    let mut file: toml_edit::DocumentMut = text.parse().map_err(|source| Error::Edit {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    // Through the shortest decimal form, or 0.53 would be written as 0.5299999713897705.
    let value: f64 = threshold
        .to_string()
        .parse()
        .unwrap_or_else(|_| f64::from(threshold));
    let table = file.entry("thresholds").or_insert(toml_edit::table());
    table[model] = toml_edit::value(value);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(write_error)?;
    }
    // Where the settings are kept elsewhere and linked to, the link stays.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // Written whole beside it, then renamed: a full disk must not cost the user their settings.
    let fresh = path.with_extension("toml.new");
    std::fs::write(&fresh, file.to_string()).map_err(write_error)?;
    if let Ok(old) = std::fs::metadata(&path) {
        std::fs::set_permissions(&fresh, old.permissions()).map_err(write_error)?;
    }
    std::fs::rename(&fresh, &path).map_err(write_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_model::ModelChoice;

    fn read(text: &str) -> Result<FileSettings, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        FileSettings::read(&path, true)
    }

    #[test]
    fn the_example_is_understood_and_sets_nothing() {
        assert_eq!(read(EXAMPLE).unwrap(), FileSettings::default());
        // Uncommented, every setting in it is one that exists.
        let all: String = EXAMPLE
            .lines()
            .map(|line| line.strip_prefix("#:").unwrap_or(line).trim_start())
            .collect::<Vec<_>>()
            .join("\n");
        let settings = read(&all).unwrap();
        assert_eq!(settings.model.as_deref(), Some("builtin"));
        assert_eq!(settings.theme.as_deref(), Some("dark"));
        assert_eq!(settings.lens, Some(Lens::Replaced));
        assert_eq!(settings.heads.chosen[&Task::Tagging], "ner");
        assert_eq!(settings.heads.named["mine"].task, Task::Classification);
    }

    #[test]
    fn the_known_heads_are_understood_and_there_is_one_for_each_task() {
        let known = known_heads().unwrap();
        for task in Task::ALL {
            assert!(known.values().any(|head| head.task == task), "{task:?}");
        }
        for (name, head) in &known {
            let Ok(ModelChoice::Hub(id)) = ModelChoice::parse(&head.model) else {
                panic!("{name}: {} is no hub id", head.model);
            };
            assert!(id.contains('/'), "{name}: {id} has no organisation");
            assert!(head.family.is_some() && head.about.is_some(), "{name}");
            // It would be taken for a folder of the hub, or for one on this disk.
            assert!(!name.contains(['/', ':', '.']), "{name}");
        }
        assert!(known["squad2"].no_answer && !known["squad"].no_answer);
        assert!(known["mnli"].pairs && !known["sst2"].pairs);
    }

    #[test]
    fn heads_are_chosen_by_task_and_named_beside_it() {
        let heads = read(
            "[heads]\nqa = \"mine\"\n[heads.mine]\nmodel = \"org/x\"\ntask = \"qa\"\nno_answer = true\n",
        )
        .unwrap()
        .heads;
        assert_eq!(heads.chosen[&Task::QuestionAnswering], "mine");
        assert!(heads.named["mine"].no_answer);
        assert_eq!(heads.named["mine"].revision, None);
    }

    #[test]
    fn a_head_that_is_not_understood_is_refused_with_its_line() {
        let cause = |text: &str| {
            let err = read(text).unwrap_err();
            std::error::Error::source(&err).unwrap().to_string()
        };
        insta::assert_snapshot!(
            [
                cause("[heads]\nclasification = \"sst2\"\n"),
                cause("[heads]\nqa = 3\n"),
                cause("[heads.mine]\nmodel = \"org/x\"\n"),
                cause("[heads.mine]\nmodel = \"org/x\"\ntask = \"asking\"\n"),
                cause("[heads.mine]\nmodel = \"org/x\"\ntask = \"qa\"\nrevison = \"v1\"\n"),
                cause("heads = 1\n"),
            ]
            .join("\n")
        );
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_line() {
        let err = read("model = \"builtin\"\nmodle = \"x\"\n").unwrap_err();
        let cause = std::error::Error::source(&err).unwrap().to_string();
        assert!(
            cause.contains("line 2") && cause.contains("modle"),
            "{cause}"
        );
    }

    #[test]
    fn a_threshold_must_be_a_probability() {
        assert!(matches!(
            read("threshold = 1.5").unwrap_err(),
            Error::Threshold { found: 1.5, .. }
        ));
        assert!(matches!(
            read("[thresholds]\nbuiltin = -0.5").unwrap_err(),
            Error::Threshold { .. }
        ));
    }

    #[test]
    fn a_missing_file_is_an_error_only_if_it_was_named() {
        let path = Path::new("/nowhere/config.toml");
        assert_eq!(
            FileSettings::read(path, false).unwrap(),
            FileSettings::default()
        );
        assert!(matches!(
            FileSettings::read(path, true),
            Err(Error::Read { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn saving_a_threshold_writes_through_a_link_and_keeps_the_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (kept, linked) = (
            folder.path().join("kept.toml"),
            folder.path().join("config.toml"),
        );
        std::fs::write(&kept, "theme = \"light\"\n").unwrap();
        std::fs::set_permissions(&kept, PermissionsExt::from_mode(0o600)).unwrap();
        symlink("kept.toml", &linked).unwrap();
        save_threshold(&linked, "builtin", 0.25).unwrap();
        assert!(linked.is_symlink());
        let text = std::fs::read_to_string(&kept).unwrap();
        assert_eq!(text, "theme = \"light\"\n\n[thresholds]\nbuiltin = 0.25\n");
        let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn saving_a_threshold_keeps_the_rest_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/config.toml");
        save_threshold(&path, "builtin", 0.53).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("# mine\ntheme = \"light\" # bright\n{text}")).unwrap();
        save_threshold(&path, "org/name", 0.25).unwrap();
        save_threshold(&path, "builtin", 0.6).unwrap();
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"
        # mine
        theme = "light" # bright
        [thresholds]
        builtin = 0.6
        "org/name" = 0.25
        "#);
        assert_eq!(
            FileSettings::read(&path, true).unwrap().thresholds["builtin"],
            0.6
        );
    }
}
