//! Fine-tuning: trains a head, and its encoder or adapters, on labelled data and writes a checkpoint.
//!
//! [`FinetuneRun::run`] is the training loop; `task_data` has the data of each task, `output_folder` the
//! files during the training and after it, `model_card` the model card. A step depends only on the
//! settings and its number, so that a resumed training gives the result of an uninterrupted one.

mod model_card;
mod output_folder;
mod settings;
mod task_data;

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use super::batches::batches;
use super::example::Example;
use super::observer::{EvaluationReport, StepReport, TrainingObserver};
use super::optimizer::{AdamSettings, Optimizer};
use super::resume_store::SavedTensors;
use super::schedule::Schedule;
use super::trainable_head::TrainableHead;
use super::{Error, durable_files};
use electroscope_model::{self as model, Checkpoint, HeadConfig, checkpoint::adapter};

pub use model_card::Provenance;
use output_folder::FinetunePlan;
pub use output_folder::{BestScores, FinetuneState, OutputFolder};
pub use settings::FinetuneSettings;
pub use task_data::TaskData;

/// How a fine-tuning ended.
#[derive(Debug)]
pub enum FinetuneOutcome {
    /// The training is complete, and the checkpoint is written.
    Finished(FinetuneResult),
    /// The training was stopped, and its state is saved.
    Stopped {
        /// The steps so far.
        step: u64,
        /// The steps in all.
        steps: u64,
    },
}

/// The result of a complete fine-tuning.
#[derive(Debug)]
pub struct FinetuneResult {
    /// The scores of the checkpoint on the dev set, if there is one.
    pub best_scores: Option<BestScores>,
    /// The step that the checkpoint is from.
    pub step: u64,
    /// The steps in all.
    pub steps: u64,
    /// The seconds that the training took, interruptions not counted.
    pub seconds: f64,
    /// The number of trainable parameters.
    pub parameters: usize,
}

/// A fine-tuning with all its inputs.
pub struct FinetuneRun<'a> {
    /// The discriminator to fine-tune.
    pub base: &'a Checkpoint,
    /// The data.
    pub data: &'a TaskData,
    /// The settings.
    pub settings: &'a FinetuneSettings,
    /// The output.
    pub folder: &'a OutputFolder,
    /// What the model card says about the origin.
    pub provenance: &'a Provenance,
    /// The device to compute on.
    pub device: &'a Device,
}

impl FinetuneRun<'_> {
    /// Runs the training, from the beginning or from the state `resumed`. The state is saved every
    /// `save_every`, and when `observer` stops the training.
    ///
    /// # Errors
    ///
    /// Data without examples, a diverging training, a full disk, failed tensor operations. States that
    /// were saved before stay.
    pub fn run(
        &self,
        resumed: Option<FinetuneState>,
        save_every: Duration,
        observer: &mut dyn TrainingObserver,
    ) -> Result<FinetuneOutcome, Error> {
        let FinetuneRun {
            data,
            settings,
            folder,
            ..
        } = *self;
        let began = Instant::now();
        let config = HeadConfig::fresh(
            &self.base.config,
            data.task(),
            data.labels().to_vec(),
            data.problem(),
            data.has_unanswerable(),
        );
        let tokenizer = &self.base.tokenizer;
        let length = settings.max_length.min(config.max_positions);
        observer.started("cutting the data into windows");
        let features = data.features(tokenizer, length)?;
        if features.truncated > 0 {
            observer.message(&format!(
                "{} of the texts are longer than {length} tokens and were truncated",
                features.truncated
            ));
        }
        if features.without_tokens > 0 {
            observer.message(&format!(
                "{} answers or words have no token in this model's vocabulary and are ignored",
                features.without_tokens
            ));
        }
        let lengths = features.lengths();
        let examples = features.examples;
        if examples.is_empty() {
            return Err(Error::Settings(
                "the data has no examples: no text, answer or word has a token in this model's vocabulary"
                    .to_owned(),
            ));
        }
        let plan = FinetunePlan {
            from: self.provenance.base.clone(),
            settings: settings.clone(),
            data_hash: task_data::fingerprint(&examples),
            examples: examples.len(),
        };
        let head =
            TrainableHead::new(self.base, config, settings.lora, settings.seed, self.device)?;
        let mut optimizer = Optimizer::new(
            head.variables().to_vec(),
            self.base.config.num_hidden_layers,
            AdamSettings {
                learning_rate: settings.learning_rate,
                weight_decay: settings.weight_decay,
                clip: settings.clip,
                layer_decay: settings.layer_decay,
                ..AdamSettings::default()
            },
        )?;
        let schedule = Schedule {
            warmup: settings.warmup,
        };
        let steps_per_epoch = lengths.len().div_ceil(settings.batch_size.max(1)) as u64;
        let steps = ((settings.epochs * steps_per_epoch as f64).ceil() as u64).max(1);

        let mut state = match resumed {
            Some(state) => {
                plan.check(&state.plan)?;
                let saved = folder.read_tensors(&state)?;
                head.restore(&saved.weights)?;
                optimizer.restore(&saved.moments)?;
                state
            }
            None => FinetuneState {
                plan,
                ..FinetuneState::default()
            },
        };
        let seconds_before = state.seconds;
        let mut saved_at = Instant::now();
        let mut order: Vec<Vec<usize>> = Vec::new();
        let mut epoch = None;
        while state.step < steps {
            let step = state.step;
            if epoch != Some(step / steps_per_epoch) {
                epoch = Some(step / steps_per_epoch);
                order = batches(
                    &lengths,
                    settings.batch_size,
                    settings.seed,
                    step / steps_per_epoch,
                );
            }
            let chosen = order
                .get((step % steps_per_epoch) as usize)
                .map_or(&[][..], Vec::as_slice);
            let batch: Vec<&Example> = chosen.iter().filter_map(|&at| examples.get(at)).collect();
            let (gradients, loss) = head.gradients(&batch, settings.seed, step)?;
            if !loss.is_finite() {
                return Err(Error::Settings(format!(
                    "training diverged: the loss is {loss} at step {}; try a lower --learning-rate",
                    step + 1
                )));
            }
            let factor = schedule.factor(step as f64 / steps as f64);
            optimizer.step(&gradients, factor)?;
            drop(gradients);
            state.step += 1;
            state.seconds = seconds_before + began.elapsed().as_secs_f64();
            state.loss_curve.push(loss);
            observer.step(&StepReport {
                step: state.step,
                steps: Some(steps),
                progress: state.step as f64 / steps as f64,
                loss,
                loss_parts: &[],
                learning_rate: factor * settings.learning_rate,
                tokens: batch.iter().map(|example| example.input.ids.len()).sum(),
            });
            let is_last = state.step == steps;
            if is_last || settings.is_evaluated(state.step, steps_per_epoch) {
                let scores = data.evaluate(head.inference(), tokenizer, length, observer)?;
                if let Some(scores) = scores {
                    let dev_scores = BestScores::new(&scores);
                    let best = state.best.as_ref();
                    // Of equal scores the later one counts: that model has seen more data.
                    let is_best = best.is_none_or(|best| dev_scores.value >= best.scores.value);
                    observer.evaluated(&EvaluationReport {
                        step: state.step,
                        values: &scores.values,
                        is_best: best.is_some_and(|best| dev_scores.value > best.scores.value),
                    });
                    state
                        .evaluations
                        .push((state.step, dev_scores.values.clone()));
                    if is_best {
                        folder.keep_best(&head.trained_tensors()?, &mut state, dev_scores)?;
                    }
                }
            }
            let stop = observer.should_stop();
            if stop || (!is_last && saved_at.elapsed() >= save_every) {
                let tensors = SavedTensors {
                    weights: head.trained_tensors()?,
                    moments: optimizer.state()?.into_iter().collect(),
                };
                folder.save(&state, &tensors)?;
                saved_at = Instant::now();
            }
            if stop && !is_last {
                return Ok(FinetuneOutcome::Stopped {
                    step: state.step,
                    steps,
                });
            }
        }
        self.finish(&head, &state, steps)
    }

    /// Writes the checkpoint: the best weights, or the last ones if there is no dev set.
    fn finish(
        &self,
        head: &TrainableHead,
        state: &FinetuneState,
        steps: u64,
    ) -> Result<FinetuneOutcome, Error> {
        let FinetuneRun {
            base,
            settings,
            folder,
            provenance,
            ..
        } = *self;
        let trained = match &state.best {
            Some(best) => folder.read_best(best)?,
            None => head.trained_tensors()?,
        };
        let mut config = head.config().clone();
        let threshold = state
            .best
            .as_ref()
            .and_then(|best| best.scores.no_answer_threshold);
        if let Some(threshold) = threshold.filter(|_| config.can_refuse) {
            config.set_no_answer_threshold(threshold as f32);
        }
        let draft = folder.draft()?;
        if settings.lora.is_some() {
            let trained: Vec<(String, Tensor)> = trained.into_iter().collect();
            adapter::write(&draft, &config, base, &provenance.base, &trained)?;
        } else {
            let weights = folder.write_weights(&trained)?;
            let tokenizer = &base.tokenizer;
            model::export(
                &draft,
                &config.encoder,
                config.head(),
                tokenizer,
                &weights,
                None,
            )?;
        }
        let name = folder
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let parameters = head.parameter_count();
        let card = model_card::model_card(&name, &config, provenance, state, parameters);
        durable_files::write(&draft.join("README.md"), card.as_bytes())?;
        if let Some(notice) = &provenance.notice {
            durable_files::write(&draft.join("NOTICE"), notice.as_bytes())?;
        }
        folder.publish(&draft)?;
        Ok(FinetuneOutcome::Finished(FinetuneResult {
            best_scores: state.best.as_ref().map(|best| best.scores.clone()),
            step: state.best.as_ref().map_or(state.step, |best| best.step),
            steps,
            seconds: state.seconds,
            parameters,
        }))
    }
}

impl FinetunePlan {
    /// Checks that a training with the plan `original` can be resumed with this plan.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] with the first difference.
    fn check(&self, original: &FinetunePlan) -> Result<(), Error> {
        let refuse = |what: &str, was: String, is: String| {
            Err(Error::Settings(format!(
                "the training in the folder was started with {what} {was}, but now it is {is}; resume it \
                with the original settings and data, or start a new one in another folder"
            )))
        };
        if original.from != self.from {
            return refuse("--from", original.from.clone(), self.from.clone());
        }
        let [was, is] = [&original.settings, &self.settings]
            .map(|settings| serde_json::to_value(settings).unwrap_or_default());
        for (setting, was) in was.as_object().into_iter().flatten() {
            let is = is.get(setting).unwrap_or(&serde_json::Value::Null);
            if was != is {
                return refuse(&setting.replace('_', " "), was.to_string(), is.to_string());
            }
        }
        if (original.data_hash, original.examples) != (self.data_hash, self.examples) {
            let windows = |examples| format!("{examples} windows");
            return refuse(
                "other data:",
                windows(original.examples),
                windows(self.examples),
            );
        }
        Ok(())
    }
}
