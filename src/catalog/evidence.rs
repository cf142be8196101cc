//! The scorer of errors that joins the discriminator, an error tagger and a dictionary.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail};

use super::heads::OpenedHead;
use super::{Catalog, LoadObserver, LoadedScorer};
use crate::{english, report};
use electroscope_analysis::evidence::EvidenceModel;
use electroscope_analysis::{Engine, ErrorTagger, Evidence};
use electroscope_model::{self as model, ModelChoice};

/// The evidence model for the built-in discriminator and error tagger, made by `finetune evidence`.
pub static EVIDENCE: &str = include_str!("../../assets/evidence.json");

impl Catalog {
    /// Whether the carried evidence model was fitted for `tagger` and the discriminator of the settings.
    pub(super) fn has_evidence_for(&self, tagger: &OpenedHead) -> bool {
        let is_errors = |id: &str| id == "builtin:errors";
        tagger
            .resolved
            .builtin()
            .is_some_and(|head| is_errors(&head.id()))
            && matches!(self.settings().model_choice(), Ok(ModelChoice::Builtin))
    }

    /// Loads `tagger` with the discriminator of the settings and the carried evidence model.
    ///
    /// # Errors
    ///
    /// As [`Catalog::load_error_scorer`].
    pub(super) fn load_evidence_scorer(
        &self,
        tagger: OpenedHead,
        precision: &str,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<LoadedScorer> {
        let evidence = EvidenceModel::from_json(EVIDENCE).context("the carried evidence model")?;
        let (threshold, false_alarms) = (evidence.threshold, evidence.false_alarms);
        let id = tagger.resolved.asked.clone();
        let (engine, device, precision) =
            self.evidence_engine(tagger, precision, evidence, observer)?;
        Ok(LoadedScorer {
            engine,
            model: report::Model {
                id,
                revision: None,
                device,
                precision,
            },
            threshold: Some(threshold),
            false_alarms,
        })
    }

    /// An engine that looks for errors with the discriminator of the settings, `tagger` in `precision`, the
    /// English dictionary and `evidence`; its device and the precision of the tagger.
    ///
    /// # Errors
    ///
    /// A model that cannot be loaded; a head that is not an error tagger, or has another tokenizer or
    /// window size than the discriminator.
    pub fn evidence_engine(
        &self,
        tagger: OpenedHead,
        precision: &str,
        evidence: EvidenceModel,
        observer: &mut dyn LoadObserver,
    ) -> anyhow::Result<(Engine, String, String)> {
        let (checkpoint, _) = self.open_model(observer)?;
        let settings = self.settings();
        observer.step(format!("loading {}", settings.model));
        let (discriminator, note) =
            model::load(&checkpoint, &settings.device, &settings.precision)?;
        note.iter().for_each(|note| observer.note(note));
        let forward = self.load_forward(&tagger, precision, observer)?;
        let (device, precision) = (forward.device(), forward.precision());
        let name = &tagger.resolved.asked;
        let head = &tagger.checkpoint;
        if head.tokenizer.vocabulary() != checkpoint.tokenizer.vocabulary()
            || head.config.max_positions != checkpoint.config.max_position_embeddings
        {
            bail!(
                "{name} cannot be joined with {}: they have other vocabularies or window sizes",
                settings.model
            );
        }
        let Some(tagger) = ErrorTagger::new(&head.tokenizer, forward, &head.config) else {
            bail!(
                "{name} is not an error tagger; it must tag words, with `O` among its labels for words \
                 without an error"
            );
        };
        let dictionary = english::dictionary().map_err(|err| anyhow!("{err}"))?;
        let engine = Engine::with_evidence(
            Arc::clone(&checkpoint.tokenizer),
            Evidence {
                discriminator,
                tagger,
                dictionary: Arc::clone(dictionary),
                model: evidence,
            },
            checkpoint.config.max_position_embeddings,
        )
        .with_window(settings.window);
        Ok((engine, device, precision))
    }
}
