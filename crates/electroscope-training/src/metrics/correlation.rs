//! Correlation of pairs of values.

/// Pearson's correlation; none if one side is constant or there are fewer than two pairs.
pub fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    let count = pairs.len() as f64;
    let (x, y) = pairs
        .iter()
        .fold((0.0, 0.0), |(x, y), pair| (x + pair.0, y + pair.1));
    let (x, y) = (x / count, y / count);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for pair in pairs {
        let (dx, dy) = (pair.0 - x, pair.1 - y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    let correlation = xy / (xx.sqrt() * yy.sqrt());
    // Rounding can exceed the bounds.
    (!correlation.is_nan()).then(|| correlation.clamp(-1.0, 1.0))
}

/// Spearman's correlation: Pearson's correlation of the ranks, with equal values sharing their mean
/// rank.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let ranks: Vec<(f64, f64)> = ranks(&x).into_iter().zip(ranks(&y)).collect();
    pearson(&ranks)
}

/// The rank of each value, counted from 1; equal values share their mean rank. NaN ranks after all
/// numbers.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equals in order.chunk_by(|(_, a), (_, b)| a == b) {
        let rank = before as f64 + (equals.len() + 1) as f64 / 2.0;
        for &(at, _) in equals {
            if let Some(place) = ranks.get_mut(at) {
                *place = rank;
            }
        }
        before += equals.len();
    }
    ranks
}
