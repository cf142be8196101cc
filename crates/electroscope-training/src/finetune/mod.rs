//! Fine-tuning: a head on an encoder, from labelled data to a checkpoint.
//!
//! [`Run::go`] is the loop; `material` is what there is to learn for each task, `folder` what lies on the
//! disk while it runs and when it is done, `card` the model card. Everything about a step follows from
//! the settings and its number, so a run that was killed goes on as if it had not been.

mod card;
mod folder;
mod material;
mod settings;

use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};

use super::batches::batches;
use super::example::Example;
use super::learner::Learner;
use super::optimizer::{AdamSettings, Optimizer};
use super::schedule::Schedule;
use super::watch::{EvaluationReport, StepReport, Watch};
use super::{Error, disk};
use electroscope_model::{self as model, Checkpoint, HeadConfig, checkpoint::adapter};

pub use card::Provenance;
use folder::Plan;
pub use folder::{Folder, State, Worth};
pub use material::Material;
pub use settings::Settings;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// The checkpoint is written.
    Finished(Finished),
    /// It was asked to stop; the state is saved.
    Stopped {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
    },
}

/// A run that came to its end.
#[derive(Debug)]
pub struct Finished {
    /// What is kept is worth on dev, if there was a dev set.
    pub worth: Option<Worth>,
    /// The step after which it was.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// How long it took, over all its runs.
    pub seconds: f64,
    /// Numbers that learnt.
    pub learning: usize,
}

/// What a run is made of.
pub struct Run<'a> {
    /// The discriminator that it grows from.
    pub base: &'a Checkpoint,
    /// What to learn.
    pub material: &'a Material,
    /// How.
    pub settings: &'a Settings,
    /// Where to.
    pub folder: &'a Folder,
    /// Where from, for the card.
    pub provenance: &'a Provenance,
    /// Where to compute.
    pub device: &'a Device,
}

impl Run<'_> {
    /// Runs from the beginning, or from `resumed`. The state is saved every `save_every`, and when
    /// `watch` asks to stop.
    ///
    /// # Errors
    ///
    /// Data without an example, a disk that is full, what the arithmetic meets. Whatever was saved
    /// before stays.
    pub fn go(
        &self,
        resumed: Option<State>,
        save_every: Duration,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, Error> {
        let Run {
            material,
            settings,
            folder,
            ..
        } = *self;
        let begun = Instant::now();
        let config = HeadConfig::fresh(
            &self.base.config,
            material.task(),
            material.labels().to_vec(),
            material.problem(),
            material.can_refuse(),
        );
        let tokenizer = &self.base.tokenizer;
        let length = settings.max_length.min(config.max_positions);
        watch.doing("cutting the data into windows");
        let features = material.features(tokenizer, length);
        if features.cut > 0 {
            watch.remark(&format!(
                "{} of the texts are longer than {length} tokens and were cut",
                features.cut
            ));
        }
        if features.lost > 0 {
            watch.remark(&format!(
                "{} answers or words have no token in this model's vocabulary and are passed over",
                features.lost
            ));
        }
        let lengths = features.lengths();
        let examples = features.examples;
        if examples.is_empty() {
            return Err(Error::Settings(
                "nothing in the data can be learnt from: no text, answer or word of it has a token in \
                 this model's vocabulary"
                    .to_owned(),
            ));
        }
        let plan = Plan {
            from: self.provenance.base.clone(),
            settings: settings.clone(),
            data: material::fingerprint(&examples),
            examples: examples.len(),
        };
        let learner = Learner::new(self.base, config, settings.lora, settings.seed, self.device)?;
        let mut optimizer = Optimizer::new(
            learner.variables().to_vec(),
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
        let each = lengths.len().div_ceil(settings.batch_size.max(1)) as u64;
        let steps = ((settings.epochs * each as f64).ceil() as u64).max(1);

        let mut state = match resumed {
            Some(state) => {
                plan.check(&state.plan)?;
                let (learnt, moments) = folder.saved(&state)?;
                learner.restore(&learnt)?;
                optimizer.restore(&moments)?;
                state
            }
            None => State {
                plan,
                ..State::default()
            },
        };
        let before = state.seconds;
        let mut saved = Instant::now();
        let mut order: Vec<Vec<usize>> = Vec::new();
        let mut epoch = None;
        while state.step < steps {
            let step = state.step;
            if epoch != Some(step / each) {
                epoch = Some(step / each);
                order = batches(&lengths, settings.batch_size, settings.seed, step / each);
            }
            let chosen = order
                .get((step % each) as usize)
                .map_or(&[][..], Vec::as_slice);
            let batch: Vec<&Example> = chosen.iter().filter_map(|&at| examples.get(at)).collect();
            let (gradients, loss) = learner.gradients(&batch, settings.seed, step)?;
            if !loss.is_finite() {
                return Err(Error::Settings(format!(
                    "the loss is {loss} at step {}: the training has left the road; a lower \
                     --learning-rate may keep it there",
                    step + 1
                )));
            }
            let rate = schedule.rate(step as f64 / steps as f64);
            optimizer.step(&gradients, rate)?;
            drop(gradients);
            state.step += 1;
            state.seconds = before + begun.elapsed().as_secs_f64();
            state.note(loss);
            watch.step(&StepReport {
                step: state.step,
                steps: Some(steps),
                done: state.step as f64 / steps as f64,
                loss,
                parts: &[],
                rate: rate * settings.learning_rate,
                tokens: batch.iter().map(|example| example.input.ids.len()).sum(),
            });
            let is_last = state.step == steps;
            if is_last || settings.is_evaluated(state.step, each) {
                let scores = material.measure(learner.answering(), tokenizer, length, watch)?;
                if let Some(scores) = scores {
                    let worth = Worth::of(&scores);
                    let best = state.best.as_ref();
                    // Of equals the later one: it has seen more.
                    let is_best = best.is_none_or(|best| worth.value >= best.worth.value);
                    watch.evaluated(&EvaluationReport {
                        step: state.step,
                        values: &scores.values,
                        is_best: best.is_some_and(|best| worth.value > best.worth.value),
                    });
                    state.evaluations.push((state.step, worth.values.clone()));
                    if is_best {
                        folder.keep_best(&learner.learnt()?, &mut state, worth)?;
                    }
                }
            }
            let stop = watch.stopped();
            if stop || (!is_last && saved.elapsed() >= save_every) {
                folder.save(&learner.learnt()?, &optimizer.state()?, &state)?;
                saved = Instant::now();
            }
            if stop && !is_last {
                return Ok(Outcome::Stopped {
                    step: state.step,
                    steps,
                });
            }
        }
        self.finish(&learner, &state, steps)
    }

    /// Writes the checkpoint: the best weights, or the last where nothing was measured.
    fn finish(&self, learner: &Learner, state: &State, steps: u64) -> Result<Outcome, Error> {
        let Run {
            base,
            settings,
            folder,
            provenance,
            ..
        } = *self;
        let learnt = match &state.best {
            Some(best) => folder.best(best)?,
            None => learner.learnt()?,
        };
        let mut config = learner.config().clone();
        let threshold = state
            .best
            .as_ref()
            .and_then(|best| best.worth.no_answer_threshold);
        if let Some(threshold) = threshold.filter(|_| config.can_refuse) {
            config.set_no_answer_threshold(threshold as f32);
        }
        let draft = folder.draft()?;
        if settings.lora.is_some() {
            let learnt: Vec<(String, Tensor)> = learnt.into_iter().collect();
            adapter::write(&draft, &config, &base.tokenizer, &provenance.base, &learnt)?;
        } else {
            let whole = folder.hold(&learnt)?;
            let tokenizer = &base.tokenizer;
            model::export(
                &draft,
                &config.encoder,
                config.head(),
                tokenizer,
                &whole,
                None,
            )?;
        }
        let name = folder
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let card = card::card(&name, &config, provenance, state, learner.learning());
        disk::write(&draft.join("README.md"), card.as_bytes())?;
        if let Some(notice) = &provenance.notice {
            disk::write(&draft.join("NOTICE"), notice.as_bytes())?;
        }
        folder.publish(&draft)?;
        Ok(Outcome::Finished(Finished {
            worth: state.best.as_ref().map(|best| best.worth.clone()),
            step: state.best.as_ref().map_or(state.step, |best| best.step),
            steps,
            seconds: state.seconds,
            learning: learner.learning(),
        }))
    }
}

impl State {
    /// Takes down the loss of a step.
    fn note(&mut self, loss: f64) {
        self.curve.push(loss);
    }
}

impl Plan {
    /// Whether a run of `begun` can go on by this plan.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`], with what differs.
    fn check(&self, begun: &Plan) -> Result<(), Error> {
        let refuse = |what: &str, was: String, is: String| {
            Err(Error::Settings(format!(
                "the training in the folder was begun with {what} {was}, and it is {is} now; go on with \
                 what it was begun with, or begin anew in another folder"
            )))
        };
        if begun.from != self.from {
            return refuse("--from", begun.from.clone(), self.from.clone());
        }
        let [was, is] = [&begun.settings, &self.settings]
            .map(|settings| serde_json::to_value(settings).unwrap_or_default());
        for (setting, was) in was.as_object().into_iter().flatten() {
            let is = is.get(setting).unwrap_or(&serde_json::Value::Null);
            if was != is {
                return refuse(&setting.replace('_', " "), was.to_string(), is.to_string());
            }
        }
        if (begun.data, begun.examples) != (self.data, self.examples) {
            let windows = |examples| format!("{examples} windows");
            return refuse(
                "other data:",
                windows(begun.examples),
                windows(self.examples),
            );
        }
        Ok(())
    }
}
