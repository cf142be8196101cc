//! How fast a model learns in the course of a training: a rise from nothing, then a fall to nothing.
//!
//! By the share of the training that is done, and not by steps, so that one that ends with the clock
//! has the same course as one that ends with its data. What the rate multiplies is the optimiser's
//! business.

/// Linear warm-up under a linear decay, as in ELECTRA's own training (`create_optimizer` in
/// `model/optimization.py`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Which share of the training warms up, `0.0..=1.0`; with 0 nothing does.
    pub warmup: f64,
}

impl Schedule {
    /// The factor on the learning rate where `done` of the training lies behind, `0.0..=1.0`.
    ///
    /// The reference multiplies its two lines, `(1 - done) · min(1, done / warmup)`: the very first
    /// step has rate 0 and moves nothing (it does fill the moments), the last of n steps has
    /// 1 / n, and the peak is `1 - warmup` and not 1, unlike where the fall begins at the end of the
    /// rise. The reference is undefined at the first step where nothing warms up; that is 1 here.
    pub fn rate(&self, done: f64) -> f64 {
        let done = done.clamp(0.0, 1.0);
        let risen = if self.warmup > 0.0 {
            (done / self.warmup).min(1.0)
        } else {
            1.0
        };
        (1.0 - done) * risen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_from_zero_and_falls_to_zero_as_in_the_reference() {
        // Twenty steps, of which five warm up.
        let schedule = Schedule { warmup: 0.25 };
        let rate = |step: u32| schedule.rate(f64::from(step) / 20.0);
        for (step, wanted) in [
            (0, 0.0),
            (1, 0.95 * 0.2),
            (4, 0.8 * 0.8),
            (5, 0.75),
            (6, 0.7),
            (19, 0.05),
            (20, 0.0),
        ] {
            let found = rate(step);
            assert!(
                (found - wanted).abs() < 1e-12,
                "step {step}: {found} instead of {wanted}"
            );
        }
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_whole_rate() {
        let schedule = Schedule { warmup: 0.0 };
        assert_eq!(schedule.rate(0.0), 1.0);
        assert_eq!(schedule.rate(0.5), 0.5);
    }

    #[test]
    fn a_clock_that_runs_over_the_end_gives_no_negative_rate() {
        let schedule = Schedule { warmup: 0.1 };
        assert_eq!(schedule.rate(1.25), 0.0);
        assert_eq!(schedule.rate(-0.5), 0.0);
    }
}
