//! The learning rate schedule: linear warm-up, then linear decay.
//!
//! It depends on the share of the training that is done, not on steps, so that a training that is
//! bounded by time has the same course as one that is bounded by steps.

/// Linear warm-up multiplied by linear decay, as in ELECTRA's own training (`create_optimizer` in
/// `model/optimization.py`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The share of the training that warms up, `0.0..=1.0`.
    pub warmup: f64,
}

impl Schedule {
    /// The factor on the learning rate when `progress`, `0.0..=1.0`, of the training is done.
    ///
    /// As in the reference, it is the product of two lines, `(1 - progress) · min(1, progress / warmup)`.
    /// So the first step has rate 0 and changes only the optimizer's moments, the last of n steps has
    /// rate 1 / n, and the peak is `1 - warmup`, not 1. The reference does not define the first step of a
    /// training without warm-up; it is 1 here.
    pub fn factor(&self, progress: f64) -> f64 {
        let progress = progress.clamp(0.0, 1.0);
        let warmed = if self.warmup > 0.0 {
            (progress / self.warmup).min(1.0)
        } else {
            1.0
        };
        (1.0 - progress) * warmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_from_zero_and_falls_to_zero_as_in_the_reference() {
        // Twenty steps, of which five warm up.
        let schedule = Schedule { warmup: 0.25 };
        let factor = |step: u32| schedule.factor(f64::from(step) / 20.0);
        for (step, wanted) in [
            (0, 0.0),
            (1, 0.95 * 0.2),
            (4, 0.8 * 0.8),
            (5, 0.75),
            (6, 0.7),
            (19, 0.05),
            (20, 0.0),
        ] {
            let found = factor(step);
            assert!(
                (found - wanted).abs() < 1e-12,
                "step {step}: {found} instead of {wanted}"
            );
        }
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_full_rate() {
        let schedule = Schedule { warmup: 0.0 };
        assert_eq!(schedule.factor(0.0), 1.0);
        assert_eq!(schedule.factor(0.5), 0.5);
    }

    #[test]
    fn a_training_past_its_end_has_rate_zero() {
        let schedule = Schedule { warmup: 0.1 };
        assert_eq!(schedule.factor(1.25), 0.0);
        assert_eq!(schedule.factor(-0.5), 0.0);
    }
}
