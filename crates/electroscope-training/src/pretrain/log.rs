//! The log of a pre-training, `log.csv`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::StepMetrics;
use super::saved_state::{EvaluationEntry, PretrainState};
use crate::{Error, durable_files};

/// A row has the means of this many steps.
const STEPS_PER_ROW: u64 = 10;

/// The metrics of an evaluation, in the order of the columns.
const METRICS: [&str; 8] = [
    "disc_auc",
    "disc_accuracy",
    "disc_precision",
    "disc_recall",
    "disc_loss",
    "masked_lm_accuracy",
    "sampled_masked_lm_accuracy",
    "masked_lm_loss",
];

/// The log: rows for groups of steps, and rows for evaluations.
pub(super) struct TrainingLog {
    path: PathBuf,
    file: File,
    /// Rows that are not written yet.
    rows: String,
    /// The sums since the last row of loss, generator loss, discriminator loss and gradient norm.
    sums: [f64; 4],
    count: u64,
}

impl TrainingLog {
    /// Opens the log of a training that is at `step`. Rows of later steps, from before an interruption,
    /// are removed.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub(super) fn open(path: &Path, step: u64) -> Result<TrainingLog, Error> {
        let failed = |source| Error::Write {
            path: path.to_owned(),
            source,
        };
        let header = format!(
            "step,done,epoch,tokens,seconds,rate,loss,generator_loss,discriminator_loss,gradient_norm,{}",
            METRICS.join(",")
        );
        let earlier = std::fs::read_to_string(path).unwrap_or_default();
        let kept = earlier.lines().skip(1).filter(|row| {
            let number = row.split(',').next().and_then(|number| number.parse().ok());
            number.is_some_and(|number: u64| number <= step)
        });
        let text: String = std::iter::once(header.as_str())
            .chain(kept)
            .flat_map(|row| [row, "\n"])
            .collect();
        durable_files::replace(path, text.as_bytes())?;
        let file = File::options().append(true).open(path).map_err(failed)?;
        Ok(TrainingLog {
            path: path.to_owned(),
            file,
            rows: String::new(),
            sums: [0.0; 4],
            count: 0,
        })
    }

    /// Adds a step, after which the training has this `state`.
    pub(super) fn step(&mut self, state: &PretrainState, progress: f64, step: &StepMetrics) {
        let numbers = [
            step.loss,
            step.generator_loss,
            step.discriminator_loss,
            step.gradient_norm,
        ];
        for (sum, number) in self.sums.iter_mut().zip(numbers) {
            *sum += number;
        }
        self.count += 1;
        if state.step.is_multiple_of(STEPS_PER_ROW) || progress >= 1.0 {
            let means = self.sums.map(|sum| sum / self.count as f64);
            (self.sums, self.count) = ([0.0; 4], 0);
            self.row(state, progress, Some((step.learning_rate, means)), None);
        }
    }

    /// Adds an evaluation, and writes all rows.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub(super) fn evaluated(
        &mut self,
        state: &PretrainState,
        progress: f64,
        evaluation: &EvaluationEntry,
    ) -> Result<(), Error> {
        self.row(state, progress, None, Some(evaluation));
        self.flush()
    }

    fn row(
        &mut self,
        state: &PretrainState,
        progress: f64,
        means: Option<(f64, [f64; 4])>,
        evaluation: Option<&EvaluationEntry>,
    ) {
        let rows = &mut self.rows;
        // Writing to a string cannot fail.
        let _ = write!(
            rows,
            "{},{progress:.6},{},{},{:.1}",
            state.step, state.position.epoch, state.tokens, state.seconds
        );
        let _ = match means {
            Some((rate, [loss, generator, discriminator, norm])) => write!(
                rows,
                ",{rate:.6e},{loss:.6},{generator:.6},{discriminator:.6},{norm:.6}"
            ),
            None => write!(rows, ",,,,,"),
        };
        for name in METRICS {
            let value = evaluation.and_then(|evaluation| value_of(evaluation, name));
            let _ = match value {
                Some(value) => write!(rows, ",{value:.6}"),
                None => write!(rows, ","),
            };
        }
        rows.push('\n');
    }

    /// Writes all rows.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.rows);
        self.file
            .write_all(rows.as_bytes())
            .map_err(|source| durable_files::full_or_failed(&self.path, rows.len(), source))
    }
}

fn value_of(evaluation: &EvaluationEntry, name: &str) -> Option<f64> {
    let value = (evaluation.values.iter()).find(|(known, _)| known == name);
    value.and_then(|(_, value)| *value)
}
