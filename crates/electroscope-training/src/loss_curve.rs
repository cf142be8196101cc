//! The loss over a whole training in a bounded number of points, for plots.

use serde::{Deserialize, Serialize};

/// Mean losses of consecutive groups of steps. When there are too many points, each two become one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossCurve {
    points: Vec<f32>,
    /// The steps of a point.
    stride: u64,
    /// The sum and the number of the losses since the last point.
    #[serde(rename = "rest")]
    pending: (f64, u64),
}

impl Default for LossCurve {
    fn default() -> LossCurve {
        LossCurve {
            points: Vec::new(),
            stride: 1,
            pending: (0.0, 0),
        }
    }
}

impl LossCurve {
    /// The number of points at which each two become one.
    const MOST_POINTS: usize = 256;

    /// Adds the loss of a step, if it is finite.
    pub fn push(&mut self, loss: f64) {
        if !loss.is_finite() {
            return;
        }
        self.pending.0 += loss;
        self.pending.1 += 1;
        if self.pending.1 < self.stride {
            return;
        }
        self.points.extend(self.pending_mean());
        self.pending = (0.0, 0);
        if self.points.len() == LossCurve::MOST_POINTS {
            self.points = (self.points.chunks(2))
                .map(|pair| pair.iter().sum::<f32>() / pair.len() as f32)
                .collect();
            self.stride *= 2;
        }
    }

    /// The points of equal numbers of steps, in order.
    pub fn points(&self) -> &[f32] {
        &self.points
    }

    /// The mean loss of the steps after the last point, if there are any.
    pub fn pending_mean(&self) -> Option<f32> {
        let (sum, count) = self.pending;
        (count > 0).then(|| (sum / count as f64) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_shape_in_few_points() {
        let mut curve = LossCurve::default();
        for step in 0..10_000 {
            curve.push(f64::from(step));
        }
        let points = curve.points();
        assert!(points.len() < LossCurve::MOST_POINTS);
        assert!(points.len() >= LossCurve::MOST_POINTS / 4);
        assert!(points.is_sorted());
        assert!(points[0] < 100.0);
    }

    #[test]
    fn losses_after_the_last_point_have_a_mean_and_infinite_ones_are_ignored() {
        let mut curve = LossCurve::default();
        assert_eq!(curve.pending_mean(), None);
        for _ in 0..LossCurve::MOST_POINTS {
            curve.push(1.0);
        }
        curve.push(3.0);
        curve.push(f64::INFINITY);
        assert_eq!(curve.points().len(), LossCurve::MOST_POINTS / 2);
        assert_eq!(curve.pending_mean(), Some(3.0));
    }

    #[test]
    fn the_saved_format_is_stable() {
        let mut curve = LossCurve::default();
        curve.push(0.5);
        let json = serde_json::to_value(&curve).unwrap();
        let saved = serde_json::json!({"points": [0.5], "stride": 1, "rest": [0.0, 0]});
        assert_eq!(json, saved);
    }
}
