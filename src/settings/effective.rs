//! The settings that a run uses: flags and variables over the settings file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::{Error, FileSettings};
use electroscope_analysis::{DEFAULT_WINDOW, Flagging};
use electroscope_model::model_choice::{ModelChoice, NameError};

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Into pipes and files, too
    Always,
    /// Not at all
    Never,
}

/// What flags and `ELECTROSCOPE_*` variables say.
#[derive(Clone, Debug, Default)]
pub struct GivenSettings {
    /// `--model`.
    pub model: Option<String>,
    /// `--head`.
    pub head: Option<String>,
    /// `--revision`.
    pub revision: Option<String>,
    /// `--device`.
    pub device: Option<String>,
    /// `--precision`.
    pub precision: Option<String>,
    /// `--offline`.
    pub offline: bool,
    /// `--color`.
    pub color: Option<ColorChoice>,
    /// `--window`.
    pub window: Option<usize>,
}

/// The settings that a run uses.
#[derive(Clone, Debug)]
pub struct EffectiveSettings {
    /// The settings file, whether or not it exists; none where there is no home.
    pub config: Option<PathBuf>,
    /// The contents of the settings file.
    pub file: FileSettings,
    /// What flags and variables say.
    pub given: GivenSettings,
    /// The discriminator: `builtin`, a folder or a hub id.
    pub model: String,
    /// Whether the name of the discriminator comes from the settings file.
    pub model_is_kept: bool,
    /// The names of heads that come from the settings file, or from the last run.
    pub kept_heads: BTreeSet<String>,
    /// The revision of the discriminator.
    pub revision: Option<String>,
    /// The device to compute on.
    pub device: String,
    /// The precision to compute in.
    pub precision: String,
    /// Whether no socket may be opened.
    pub offline: bool,
    /// When to colour.
    pub color: ColorChoice,
    /// The tokens of a window at most.
    pub window: usize,
}

impl EffectiveSettings {
    /// Lays `given` over `file`, the contents of the settings file at `config`.
    ///
    /// # Errors
    ///
    /// [`Error::Color`].
    pub fn new(
        given: GivenSettings,
        config: Option<PathBuf>,
        file: FileSettings,
    ) -> Result<EffectiveSettings, Error> {
        let color = match (given.color, file.color.as_deref()) {
            (Some(color), _) => color,
            (None, None) => ColorChoice::Auto,
            (None, Some(word)) => ColorChoice::from_str(word, true).map_err(|_| Error::Color {
                path: config.clone().unwrap_or_default(),
                found: word.to_owned(),
            })?,
        };
        let or_auto = |given: &Option<String>, file: &Option<String>| {
            let set = given.as_ref().or(file.as_ref());
            set.map_or_else(|| "auto".to_owned(), String::clone)
        };
        // The lens `errors` takes the head of this name from the settings.
        let errors = file.heads.named.keys().filter(|name| *name == "errors");
        let kept_heads = file.heads.chosen.values().chain(errors);
        let kept_heads = kept_heads.filter(|name| Some(*name) != given.head.as_ref());
        Ok(EffectiveSettings {
            model_is_kept: given.model.is_none(),
            kept_heads: kept_heads.cloned().collect(),
            model: (given.model.clone())
                .or_else(|| file.model.clone())
                .unwrap_or_else(|| "builtin".to_owned()),
            revision: given.revision.clone().or_else(|| file.revision.clone()),
            device: or_auto(&given.device, &file.device),
            precision: or_auto(&given.precision, &file.precision),
            offline: given.offline || file.offline.unwrap_or(false),
            color,
            window: given.window.unwrap_or(DEFAULT_WINDOW),
            given,
            config,
            file,
        })
    }

    /// The same, with the discriminator that a user names `model`.
    #[must_use]
    pub fn with_model(&self, model: &str) -> EffectiveSettings {
        EffectiveSettings {
            model: model.to_owned(),
            model_is_kept: false,
            ..self.clone()
        }
    }

    /// Which words are flagged in the answers of `model`: those above the threshold (see
    /// [`EffectiveSettings::threshold_for`]), and punctuation only if a flag (`punctuation`) or the file
    /// says so.
    pub fn flagging(
        &self,
        model: &str,
        typed: Option<f32>,
        own: Option<f32>,
        punctuation: bool,
    ) -> Flagging {
        Flagging {
            threshold: self.threshold_for(model, typed, own),
            punctuation: punctuation || self.file.punctuation.unwrap_or(false),
        }
    }

    /// The key of a calibrated threshold in the settings file: the name of the model or head, or for a
    /// folder its absolute path, because a relative one means another folder elsewhere.
    pub fn threshold_key(&self, name: &str) -> String {
        let choice = match name == self.model {
            true => self.model_choice(),
            false if self.is_kept(name) => ModelChoice::parse_kept(name),
            false => ModelChoice::parse(name),
        };
        match choice {
            Ok(ModelChoice::Folder(folder)) => std::fs::canonicalize(folder)
                .ok()
                .and_then(|folder| folder.to_str().map(str::to_owned))
                .unwrap_or_else(|| name.to_owned()),
            _ => name.to_owned(),
        }
    }

    /// What the name of the discriminator means.
    ///
    /// # Errors
    ///
    /// [`NameError`].
    pub fn model_choice(&self) -> Result<ModelChoice, NameError> {
        match self.model_is_kept {
            true => ModelChoice::parse_kept(&self.model),
            false => ModelChoice::parse(&self.model),
        }
    }

    /// Whether the name `head` was kept in a file, so that it cannot mean a relative folder.
    pub fn is_kept(&self, head: &str) -> bool {
        self.kept_heads.contains(head)
    }

    /// The threshold of the discriminator; see [`EffectiveSettings::threshold_for`].
    pub fn threshold(&self, typed: Option<f32>, own: Option<f32>) -> f32 {
        self.threshold_for(&self.model, typed, own)
    }

    /// The threshold for `model`, a discriminator or a head that marks errors: the first of the flag
    /// (`typed`), the calibrated one, the one that the settings file has for all models, the one of the
    /// checkpoint (`own`), one half.
    pub fn threshold_for(&self, model: &str, typed: Option<f32>, own: Option<f32>) -> f32 {
        let calibrated = &self.file.thresholds;
        typed
            .or_else(|| calibrated.get(model).copied())
            .or_else(|| calibrated.get(&self.threshold_key(model)).copied())
            .or(self.file.threshold)
            .or(own)
            .unwrap_or(0.5)
    }

    /// The path of the settings file, for a message.
    pub fn config_path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(""))
    }
}
