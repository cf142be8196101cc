//! What a training shows on standard error while it runs: a live line with a curve where that is a
//! terminal, a plain line now and then where it is none, nothing with `--quiet`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Global;
use super::messages::remark;
use super::stop_signals::StopSignals;
use electroscope_training::loss_curve::LossCurve;
use electroscope_training::observer::{EvaluationReport, StepReport, TrainingObserver};

/// How long there is silence between two plain lines.
const BETWEEN_LINES: Duration = Duration::from_secs(15);

/// Marks of the live line's curve.
const CURVE: usize = 12;

/// Draws a training on standard error, and stops it at Ctrl-C and other signals.
pub(super) struct TrainingProgress<'a> {
    global: &'a Global,
    bar: ProgressBar,
    began: Instant,
    last_line: Option<Instant>,
    /// What was done when we began to look: a training that goes on has done some before.
    done_before: Option<f64>,
    losses: SmoothedLoss,
    pace: Pace,
    signals: StopSignals,
}

impl<'a> TrainingProgress<'a> {
    /// Begins to draw, and to listen for Ctrl-C, SIGTERM and SIGHUP: the training stops after the step
    /// that it is at. At a second Ctrl-C the program ends at once.
    ///
    /// # Errors
    ///
    /// A system that lets nobody listen.
    pub(super) fn new(global: &'a Global) -> anyhow::Result<TrainingProgress<'a>> {
        let signals = StopSignals::listen().context("cannot listen for Ctrl-C")?;
        let target = if global.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(1000), target);
        let style = ProgressStyle::with_template("{spinner} {bar:10} {percent:>3} %  {wide_msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Ok(TrainingProgress {
            global,
            bar,
            began: Instant::now(),
            last_line: None,
            done_before: None,
            losses: SmoothedLoss::default(),
            pace: Pace::default(),
            signals,
        })
    }

    /// The loss of late, a mean over about twenty steps; none before the first.
    pub(super) fn loss(&self) -> Option<f64> {
        self.losses.smooth
    }

    /// The exit code of a training that a signal stopped.
    pub(super) fn exit_code(&self) -> u8 {
        self.signals.exit_code()
    }

    /// Whether the live line can be seen.
    fn is_live(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Writes a line that stays.
    fn line(&self, text: &str) {
        self.bar.suspend(|| remark(self.global, text));
    }

    /// How long it will go on, as far as can be told.
    fn left(&self, done: f64) -> Option<Duration> {
        let gained = done - self.done_before?;
        let spent = self.began.elapsed().as_secs_f64();
        (gained > 0.0 && spent > 1.0)
            .then(|| Duration::try_from_secs_f64(spent / gained * (1.0 - done)).ok())
            .flatten()
    }

    /// Takes the live line away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl TrainingObserver for TrainingProgress<'_> {
    fn started(&mut self, what: &str) {
        if self.is_live() {
            self.bar.set_message(what.to_owned());
        } else {
            self.line(what);
        }
    }

    fn message(&mut self, what: &str) {
        self.line(what);
    }

    fn step(&mut self, report: &StepReport<'_>) {
        if self.done_before.is_none() {
            // The time of the first step is not known, so it is not counted.
            self.done_before = Some(report.progress);
            self.began = Instant::now();
        }
        self.losses.push(report.loss);
        self.pace.push(Instant::now(), report.tokens);
        let is_due = (self.last_line).is_none_or(|last| last.elapsed() >= BETWEEN_LINES);
        let is_live = self.is_live();
        if is_live {
            self.bar
                .set_position((report.progress.clamp(0.0, 1.0) * 1000.0) as u64);
        }
        if is_live || is_due || report.progress >= 1.0 {
            let told = Told {
                report,
                losses: &self.losses,
                tokens_per_second: self.pace.tokens_per_second(),
                left: self.left(report.progress),
            };
            if is_live {
                self.bar.set_message(told.live());
            } else {
                self.last_line = Some(Instant::now());
                self.line(&told.plain());
            }
        }
    }

    fn evaluated(&mut self, report: &EvaluationReport<'_>) {
        let values: Vec<String> = (report.values.iter())
            .map(|(name, value)| format!("{name} {value:.4}"))
            .collect();
        let best = if report.is_best {
            "  (the best so far)"
        } else {
            ""
        };
        self.line(&format!(
            "step {}  {}{best}",
            report.step,
            values.join("  ")
        ));
    }

    fn should_stop(&self) -> bool {
        self.signals.is_raised()
    }
}

/// What there is to be said of a step.
struct Told<'a> {
    report: &'a StepReport<'a>,
    losses: &'a SmoothedLoss,
    tokens_per_second: Option<f64>,
    left: Option<Duration>,
}

impl Told<'_> {
    fn loss(&self) -> String {
        let loss = self.losses.smooth.unwrap_or(self.report.loss);
        format!("loss {loss:.3}")
    }

    fn step(&self) -> String {
        match self.report.steps {
            Some(steps) => format!("step {}/{steps}", self.report.step),
            None => format!("step {}", self.report.step),
        }
    }

    /// What the loss is made up of, with two blanks before it, or nothing.
    fn parts(&self) -> String {
        let parts: Vec<String> = (self.report.loss_parts.iter())
            .map(|(name, value)| format!("{name} {value:.3}"))
            .collect();
        match parts.is_empty() {
            true => String::new(),
            false => format!("  ({})", parts.join(", ")),
        }
    }

    /// How fast it goes and how long it will, each with two blanks before it, as far as is known.
    fn course(&self) -> String {
        let pace = self.tokens_per_second.map(|pace| {
            let pace = grouped(pace.round() as u64);
            format!("  {pace} tokens/s")
        });
        let left = (self.left).map(|left| format!("  {} left", HumanDuration(left)));
        format!("{}{}", pace.unwrap_or_default(), left.unwrap_or_default())
    }

    /// For the live line, which a narrow terminal cuts off: what is looked at most comes first.
    fn live(&self) -> String {
        let curve = self.losses.sparkline(CURVE);
        let rate = self.report.learning_rate;
        format!(
            "{} {curve}{}  {}  rate {rate:.1e}{}",
            self.loss(),
            self.course(),
            self.step(),
            self.parts()
        )
    }

    /// For a line of a log.
    fn plain(&self) -> String {
        let (percent, rate) = (self.report.progress * 100.0, self.report.learning_rate);
        format!(
            "{percent:>5.1} %  {}  {}{}  rate {rate:.1e}{}",
            self.step(),
            self.loss(),
            self.parts(),
            self.course()
        )
    }
}

/// A number with a comma between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The loss of a training, to be drawn.
#[derive(Clone, Debug, Default, PartialEq)]
struct SmoothedLoss {
    curve: LossCurve,
    /// A running mean over about twenty steps.
    smooth: Option<f64>,
}

impl SmoothedLoss {
    fn push(&mut self, loss: f64) {
        self.curve.push(loss);
        if loss.is_finite() {
            self.smooth = Some(match self.smooth {
                Some(smooth) => smooth * 0.95 + loss * 0.05,
                None => loss,
            });
        }
    }

    /// The mean losses to draw, the last one perhaps of fewer steps.
    fn means(&self) -> Vec<f64> {
        let points = self.curve.points().iter().copied();
        let means = points.chain(self.curve.pending_mean());
        means.map(f64::from).collect()
    }

    /// The curve in at most `width` marks, from the lowest to the highest of them.
    fn sparkline(&self, width: usize) -> String {
        const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let means = self.means();
        let each = means.len().div_ceil(width.max(1)).max(1);
        let points: Vec<f64> = (means.chunks(each))
            .map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64)
            .collect();
        let least = points.iter().copied().fold(f64::INFINITY, f64::min);
        let most = points.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mark = |point: f64| {
            let height = (point - least) / (most - least).max(1e-9);
            let at = (height * (MARKS.len() - 1) as f64).round() as usize;
            MARKS.get(at).copied().unwrap_or('▁')
        };
        points.into_iter().map(mark).collect()
    }
}

/// How fast it goes at present.
#[derive(Clone, Debug, Default)]
struct Pace {
    recent: VecDeque<(Instant, usize)>,
}

impl Pace {
    fn push(&mut self, at: Instant, tokens: usize) {
        self.recent.push_back((at, tokens));
        while self.recent.len() > 32 {
            self.recent.pop_front();
        }
    }

    /// The tokens of the last steps by the time since the one before them.
    fn tokens_per_second(&self) -> Option<f64> {
        let (first, last) = (self.recent.front()?, self.recent.back()?);
        let spent = last.0.duration_since(first.0).as_secs_f64();
        let tokens: usize = self.recent.iter().skip(1).map(|(_, tokens)| tokens).sum();
        (spent > 0.0).then(|| tokens as f64 / spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_falling_loss_is_a_falling_curve() {
        let mut curve = SmoothedLoss::default();
        for step in 0..8 {
            curve.push(8.0 - f64::from(step));
        }
        assert_eq!(curve.sparkline(CURVE), "█▇▆▅▄▃▂▁");
        assert_eq!(curve.sparkline(2), "█▁");
        assert_eq!(SmoothedLoss::default().sparkline(CURVE), "");
    }

    proptest! {
        #[test]
        fn a_curve_keeps_the_mean_of_a_long_training(losses in prop::collection::vec(0.0f64..10.0, 1..1000)) {
            let mut curve = SmoothedLoss::default();
            losses.iter().for_each(|&loss| curve.push(loss));
            prop_assert!(curve.sparkline(CURVE).chars().count() <= CURVE);
            let (least, most) = (
                losses.iter().copied().fold(f64::INFINITY, f64::min),
                losses.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            );
            prop_assert!(curve.means().iter().all(|&mean| mean > least - 1e-5 && mean < most + 1e-5));
        }
    }

    #[test]
    fn a_line_tells_what_happens() {
        let report = StepReport {
            step: 120,
            steps: Some(1000),
            progress: 0.12,
            loss: 31.25,
            loss_parts: &[("generator", 9.5), ("discriminator", 0.435)],
            learning_rate: 2.5e-4,
            tokens: 2048,
        };
        let mut losses = SmoothedLoss::default();
        losses.push(40.0);
        losses.push(31.25);
        let told = Told {
            report: &report,
            losses: &losses,
            tokens_per_second: Some(3210.4),
            left: Some(Duration::from_secs(600)),
        };
        assert_eq!(
            told.plain(),
            " 12.0 %  step 120/1000  loss 39.562  (generator 9.500, discriminator 0.435)  rate 2.5e-4  \
             3,210 tokens/s  10 minutes left"
        );
        let live = told.live();
        assert_eq!(
            live,
            "loss 39.562 █▁  3,210 tokens/s  10 minutes left  step 120/1000  rate 2.5e-4  \
             (generator 9.500, discriminator 0.435)"
        );
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
