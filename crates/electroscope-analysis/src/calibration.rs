//! Finds the threshold that a share of words reaches.

/// The smallest threshold, to four decimals, that at most `share` of the scores reach.
pub fn threshold_for(scores: &mut [f32], share: f32) -> f32 {
    scores.sort_by(f32::total_cmp);
    // A hair more, for 0.01 in f32 is a little less than one in a hundred.
    let above = (scores.len() as f64 * f64::from(share) + 1e-3).floor() as usize;
    // The highest score that must stay below the threshold.
    let below = scores
        .len()
        .checked_sub(above + 1)
        .and_then(|at| scores.get(at))
        .copied()
        .unwrap_or(0.0);
    (((f64::from(below) * 10_000.0).floor() + 1.0) / 10_000.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_lets_only_the_share_of_words_through() {
        let mut scores: Vec<f32> = (0..1000).map(|n| n as f32 / 1000.0).collect();
        let threshold = threshold_for(&mut scores, 0.01);
        assert_eq!(threshold, 0.9891);
        assert_eq!(scores.iter().filter(|&&p| p >= threshold).count(), 10);
        assert_eq!(threshold_for(&mut [0.2; 100], 0.5), 0.2001);
        assert_eq!(threshold_for(&mut [0.2, 0.7], 1.0), 0.0001);
    }
}
