//! How hot a word looks: from p to one of a few levels, and from a level to a colour.
//!
//! The scale begins at half the threshold, so that a calm text looks calm, and ends at 1; a flagged
//! word is always in its upper part. The colours step evenly in lightness (Oklab), from the
//! background outwards, which is what every kind of colour vision sees alike. Whether a word is
//! flagged is never said by colour alone: whoever paints also underlines it.

/// How many levels there are above none.
pub const LEVELS: u8 = 8;

/// The level of a word that lies exactly at the threshold; those below it stay under this one.
const FLAGGED: u8 = 3;

/// The level of `p`: 0 for no tint, up to [`LEVELS`].
pub fn level(p: f32, threshold: f32) -> u8 {
    // Piecewise linear: half the threshold to the threshold, and the threshold to 1.
    let between = |low: f32, high: f32| {
        if high > low {
            ((p - low) / (high - low)).clamp(0.0, 1.0)
        } else {
            1.0
        }
    };
    if p >= threshold {
        let steps = f32::from(LEVELS - FLAGGED + 1);
        let step = (between(threshold, 1.0) * steps).floor() as u8;
        return (FLAGGED + step).min(LEVELS);
    }
    let start = threshold / 2.0;
    if p < start {
        return 0;
    }
    let steps = f32::from(FLAGGED - 1);
    let step = (between(start, threshold) * steps).floor() as u8;
    (1 + step).min(FLAGGED - 1)
}

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// The nearest colour of the 216-colour cube and the grey ramp that terminals with 256 colours
    /// have, as its index.
    pub fn indexed(self) -> u8 {
        const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
        let nearest = |value: u8| {
            let mut best = 0;
            for (at, step) in STEPS.iter().enumerate() {
                if step.abs_diff(value) < STEPS[best].abs_diff(value) {
                    best = at;
                }
            }
            best
        };
        let distance = |other: Rgb| {
            let part = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
            part(self.0, other.0) + part(self.1, other.1) + part(self.2, other.2)
        };
        let (r, g, b) = (nearest(self.0), nearest(self.1), nearest(self.2));
        let cube = Rgb(STEPS[r], STEPS[g], STEPS[b]);
        let mean = (u16::from(self.0) + u16::from(self.1) + u16::from(self.2)) / 3;
        let shade = (mean.saturating_sub(3) / 10).min(23) as u8;
        let grey = 8 + 10 * shade;
        if distance(Rgb(grey, grey, grey)) < distance(cube) {
            232 + shade
        } else {
            16 + 36 * r as u8 + 6 * g as u8 + b as u8
        }
    }

    /// Relative luminance (WCAG 2.2), 0 to 1.
    pub fn luminance(self) -> f32 {
        let linear = |part: u8| {
            let part = f32::from(part) / 255.0;
            if part <= 0.04045 {
                part / 12.92
            } else {
                ((part + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

/// What the terminal's background is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Light letters on a dark background.
    Dark,
    /// Dark letters on a light background.
    Light,
}

/// Tint and letters of `level` on a background like `ground`; nothing for level 0.
pub fn tint(level: u8, ground: Ground) -> Option<(Rgb, Rgb)> {
    const WHITE: Rgb = Rgb(255, 255, 255);
    const BLACK: Rgb = Rgb(20, 16, 10);
    /// Equal steps of Oklab lightness through #33291a, #7a4d0c, #d9820f and #ffd866.
    const ON_DARK: [Rgb; LEVELS as usize] = [
        Rgb(51, 41, 26),
        Rgb(85, 59, 24),
        Rgb(122, 77, 12),
        Rgb(158, 97, 14),
        Rgb(195, 118, 15),
        Rgb(224, 145, 37),
        Rgb(240, 180, 72),
        Rgb(255, 216, 102),
    ];
    /// Equal steps of Oklab lightness through #fff2cf, #fbc95c, #e0742a and #7f2704.
    const ON_LIGHT: [Rgb; LEVELS as usize] = [
        Rgb(255, 242, 207),
        Rgb(252, 210, 122),
        Rgb(244, 176, 77),
        Rgb(232, 140, 56),
        Rgb(213, 108, 38),
        Rgb(184, 84, 26),
        Rgb(155, 62, 15),
        Rgb(127, 39, 4),
    ];
    let at = usize::from(level).checked_sub(1)?;
    let scale = match ground {
        Ground::Dark => &ON_DARK,
        Ground::Light => &ON_LIGHT,
    };
    let tint = *scale.get(at)?;
    let letters = if tint.luminance() > 0.18 {
        BLACK
    } else {
        WHITE
    };
    Some((tint, letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_starts_below_the_threshold_and_ends_at_one() {
        for threshold in [0.05, 0.2, 0.5287, 0.9] {
            let level = |p: f32| level(p, threshold);
            assert_eq!(level(0.0), 0);
            assert_eq!(level(threshold * 0.49), 0);
            assert_eq!(level(threshold * 0.51), 1);
            assert_eq!(level(threshold * 0.999), FLAGGED - 1);
            assert_eq!(level(threshold), FLAGGED);
            assert_eq!(level(1.0), LEVELS);
            let all: Vec<u8> = (0..=1000).map(|n| level(n as f32 / 1000.0)).collect();
            assert!(all.is_sorted(), "hotter is never a lower level");
        }
    }

    #[test]
    fn thresholds_at_the_ends_have_a_scale_too() {
        assert_eq!(level(1.0, 1.0), LEVELS);
        assert_eq!(level(0.999, 1.0), FLAGGED - 1);
        assert_eq!(level(0.0, 0.0), FLAGGED);
        assert_eq!(level(f32::NAN, 0.5), 1);
    }

    #[test]
    fn tints_step_away_from_the_background_and_letters_stay_legible() {
        for (ground, away) in [(Ground::Dark, 1.0), (Ground::Light, -1.0)] {
            let mut last = if away > 0.0 { 0.0 } else { 1.0 };
            for level in 1..=LEVELS {
                let (tint, letters) = tint(level, ground).unwrap();
                let (a, b) = (tint.luminance(), letters.luminance());
                assert!((a - last) * away > 0.005, "{ground:?} {level}");
                last = a;
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 4.5, "{ground:?} {level}: contrast {contrast}");
            }
            assert_eq!(tint(0, ground), None);
            assert_eq!(tint(LEVELS + 1, ground), None);
        }
    }

    #[test]
    fn colours_have_a_neighbour_among_256() {
        assert_eq!(Rgb(0, 0, 0).indexed(), 16);
        assert_eq!(Rgb(255, 255, 255).indexed(), 231);
        assert_eq!(Rgb(255, 0, 0).indexed(), 196);
        assert_eq!(Rgb(128, 128, 128).indexed(), 244);
    }
}
