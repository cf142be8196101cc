//! From a name to a model or a head: built-in ones, folders, hub ids, short names from the settings.
//!
//! A [`Catalog`] knows the settings and does every step from a name to something that reads text:
//!
//! - resolve: what the name means ([`Catalog::resolve_head`]; a discriminator has no short names);
//! - fetch: bring the files of a hub model onto this disk;
//! - open: read configuration, tokenizer and weights ([`Catalog::open_model`], [`Catalog::open_head`]);
//! - load: put the weights on a device ([`Catalog::load_model`], [`Catalog::load_head`]).
//!
//! The commands and the screen use the same functions. They differ only in their [`LoadObserver`], which
//! is told of steps, downloads and notes. [`Catalog::heads`] lists the heads that can be chosen.

pub mod builtin;
pub mod builtin_heads;
mod evidence;
mod head_choice;
mod head_list;
mod heads;
mod models;
mod observer;

use std::sync::Arc;

use electroscope_model::Encoders;
use electroscope_model::hub::HubSettings;

use crate::settings::EffectiveSettings;

pub use builtin_heads::{BuiltinHead, PREFIX as BUILTIN_PREFIX};
pub use evidence::EVIDENCE;
pub use head_choice::{ResolvedHead, command, names_in_file, wrong_panel};
pub use head_list::ListedHead;
pub use heads::{BareHead, LoadedHead, OpenedHead, is_head};
pub use models::LoadedScorer;
pub use observer::{LoadObserver, StepsAndNotes};

/// Opens and loads models and heads by their names.
#[derive(Clone)]
pub struct Catalog {
    settings: EffectiveSettings,
    hub: HubSettings,
    /// Built-in heads share one encoder: another head of them needs no second copy.
    encoders: Arc<Encoders>,
}

impl Catalog {
    /// A catalog by these settings. The cache and the address of the hub are from the environment.
    pub fn new(settings: EffectiveSettings) -> Catalog {
        let mut hub = HubSettings::from_env(|name| std::env::var_os(name));
        hub.offline |= settings.offline;
        Catalog {
            settings,
            hub,
            encoders: Arc::default(),
        }
    }

    /// The same with the discriminator that a user names `model`.
    #[must_use]
    pub fn with_model(&self, model: &str) -> Catalog {
        Catalog {
            settings: self.settings.with_model(model),
            ..self.clone()
        }
    }

    /// Notes that the names `heads` were kept in a file, so that they cannot mean relative folders.
    pub fn keep_heads(&mut self, heads: impl Iterator<Item = String>) {
        self.settings.kept_heads.extend(heads);
    }

    /// The settings.
    pub fn settings(&self) -> &EffectiveSettings {
        &self.settings
    }

    /// The settings of the hub.
    pub fn hub(&self) -> &HubSettings {
        &self.hub
    }
}
