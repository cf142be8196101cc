//! Discriminators: from the name in the settings to an engine that scores.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Catalog, LoadObserver, builtin};
use crate::settings::Lens;
use crate::{english, report};
use electroscope_analysis::suggestions::Suggester;
use electroscope_analysis::{DEFAULT_WINDOW, Engine};
use electroscope_model::hub;
use electroscope_model::{self as model, Checkpoint, ModelChoice};

/// A model that is ready to score: a discriminator, or a head that marks errors.
pub struct LoadedScorer {
    /// The engine that scores with it.
    pub engine: Engine,
    /// Its description for reports.
    pub model: report::Model,
    /// The threshold that the checkpoint has.
    pub threshold: Option<f32>,
    /// The share of clean words above that threshold, if the checkpoint says so.
    pub false_alarms: Option<f32>,
}

impl Catalog {
    /// Opens the discriminator of the settings. The second value is the commit of a hub model.
    ///
    /// # Errors
    ///
    /// A name that means nothing; a model that cannot be downloaded or opened.
    pub fn open_model(
        &self,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<(Checkpoint, Option<String>)> {
        let settings = self.settings();
        observer.step(format!("opening {}", settings.model));
        match settings.model_choice()? {
            ModelChoice::Builtin => Ok((builtin::discriminator()?, None)),
            ModelChoice::Folder(folder) => Ok((Checkpoint::open(&folder)?, None)),
            ModelChoice::Hub(id) => {
                let fetched = self.fetch(&id, settings.revision.as_deref(), observer)?;
                Ok((Checkpoint::open(&fetched.folder)?, Some(fetched.revision)))
            }
        }
    }

    /// Opens the discriminator of the settings and loads it onto its device.
    ///
    /// # Errors
    ///
    /// As [`Catalog::open_model`]; a device or precision that is not there.
    pub fn load_model(&self, observer: &mut dyn LoadObserver) -> anyhow::Result<LoadedScorer> {
        let settings = self.settings();
        let (checkpoint, revision) = self.open_model(observer)?;
        observer.step(format!("loading {}", settings.model));
        let (forward, note) = model::load(&checkpoint, &settings.device, &settings.precision)?;
        note.iter().for_each(|note| observer.note(note));
        let model = report::Model {
            id: settings.model.clone(),
            revision,
            device: forward.device(),
            precision: forward.precision(),
        };
        let engine = Engine::new(
            Arc::clone(&checkpoint.tokenizer),
            forward,
            checkpoint.config.max_position_embeddings,
        )
        .with_window(settings.window);
        self.note_long_windows(checkpoint.config.max_position_embeddings, observer);
        Ok(LoadedScorer {
            engine,
            model,
            threshold: checkpoint.config.threshold,
            false_alarms: checkpoint.config.false_alarms,
        })
    }

    /// Notes what windows cost that are much longer than the default, if they were asked for.
    pub(super) fn note_long_windows(&self, positions: usize, observer: &mut dyn LoadObserver) {
        let tokens = self.settings().window.min(positions);
        if tokens > DEFAULT_WINDOW {
            observer.note(&format!(
                "reading up to {tokens} tokens at once: a text that fills such a window takes about {} times \
                 as long as with --window {DEFAULT_WINDOW}, and shows no progress inside it",
                tokens.div_ceil(DEFAULT_WINDOW)
            ));
        }
    }

    /// What suggests words for the findings of `engine`, which was loaded for `lens`: its discriminator if it
    /// has one, else that of the settings.
    ///
    /// # Errors
    ///
    /// As [`Catalog::load_model`]; a carried dictionary that is none.
    pub fn load_suggester(
        &self,
        lens: Lens,
        engine: &Engine,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<Suggester<'static>> {
        let dictionary = english::dictionary()?;
        Ok(match lens {
            Lens::Errors if !engine.has_evidence() => {
                self.load_model(observer)?.engine.suggester(dictionary)
            }
            Lens::Errors | Lens::Replaced => engine.suggester(dictionary),
        })
    }

    /// Finds the files of the hub model `id` at `revision`, downloading what the cache lacks.
    ///
    /// # Errors
    ///
    /// Those of [`hub::fetch`].
    pub fn fetch(
        &self,
        id: &str,
        revision: Option<&str>,
        observer: &mut dyn LoadObserver,
    ) -> Result<hub::Fetched, hub::Error> {
        let fetched = hub::fetch(id, revision, self.hub(), &mut |progress| {
            observer.download(id, &self.hub().cache, progress);
            ControlFlow::Continue(())
        })?;
        observer.download_finished();
        if let Some(note) = &fetched.note {
            observer.note(note);
        }
        Ok(fetched)
    }
}
