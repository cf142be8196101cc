//! Cuts documents into windows for pre-training: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`.
//!
//! Follows `build_pretraining_dataset.py` of google-research/electra: lines are gathered until they
//! fill a window; one window in ten is a single segment, the others are divided near the middle; one
//! in twenty has a random length. No window has text of two documents. Unlike in the reference, the
//! random choices of a document do not depend on the documents before it.

use crate::rng::SeededRng;

/// A window of one or two segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PretrainWindow {
    /// The token ids, special ones included.
    pub(crate) ids: Vec<u32>,
    /// The position of the second segment; the number of tokens if there is one segment only.
    pub(crate) second: usize,
}

/// The ids of the special tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpecialTokens {
    pub(crate) cls: u32,
    pub(crate) sep: u32,
    pub(crate) mask: u32,
    pub(crate) pad: u32,
}

/// The probability that a window is a single segment.
const SINGLE_SEGMENT_PROBABILITY: f64 = 0.1;

/// The probability that a window has a random length.
const RANDOM_LENGTH_PROBABILITY: f64 = 0.05;

/// The smallest random length, as in the reference.
const SHORTEST_RANDOM_LENGTH: usize = 5;

/// Cuts a document, given as the tokens of its lines, into windows of at most `longest` tokens.
///
/// As in the reference, the rest of a line that does not fit into a window is lost. A line longer than
/// a window is divided first, so that little of a long paragraph is lost.
pub(super) fn windows(
    lines: &[Vec<u32>],
    longest: usize,
    special: SpecialTokens,
    rng: &mut SeededRng,
) -> Vec<PretrainWindow> {
    let mut builder = WindowBuilder {
        longest,
        special,
        target: longest,
        lines: Vec::new(),
        length: 0,
        windows: Vec::new(),
    };
    builder.choose_target(rng);
    for line in lines {
        for piece in line.chunks(longest.saturating_sub(2).max(1)) {
            builder.lines.push(piece);
            builder.length += piece.len();
            if builder.length >= builder.target {
                builder.close(rng);
            }
        }
    }
    builder.close(rng);
    builder.windows
}

/// Gathers lines and makes windows of them.
struct WindowBuilder<'a> {
    longest: usize,
    special: SpecialTokens,
    /// The number of tokens to gather for the next window.
    target: usize,
    lines: Vec<&'a [u32]>,
    length: usize,
    windows: Vec<PretrainWindow>,
}

impl WindowBuilder<'_> {
    /// Chooses the length of the next window.
    fn choose_target(&mut self, rng: &mut SeededRng) {
        self.target =
            if rng.uniform() < RANDOM_LENGTH_PROBABILITY && self.longest > SHORTEST_RANDOM_LENGTH {
                SHORTEST_RANDOM_LENGTH + rng.below(self.longest - SHORTEST_RANDOM_LENGTH + 1)
            } else {
                self.longest
            };
    }

    /// Makes a window of the gathered lines, if there are any.
    fn close(&mut self, rng: &mut SeededRng) {
        if self.length == 0 {
            self.lines.clear();
            return;
        }
        let half = if rng.uniform() < SINGLE_SEGMENT_PROBABILITY {
            usize::MAX
        } else {
            self.target.saturating_sub(3) / 2
        };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for line in self.lines.drain(..) {
            // A line goes to the first segment if that is empty or has room for it; the line that
            // reaches over the middle goes to either with equal probability. All later lines go to the
            // second segment. In the reference, a short line may still go to the first, out of order.
            let into_first = first.is_empty()
                || (second.is_empty()
                    && (first.len() + line.len() < half
                        || (first.len() < half && rng.uniform() < 0.5)));
            if into_first {
                first.extend_from_slice(line);
            } else {
                second.extend_from_slice(line);
            }
        }
        self.length = 0;
        first.truncate(self.longest.saturating_sub(2));
        second.truncate(self.longest.saturating_sub(first.len() + 3));
        let SpecialTokens { cls, sep, .. } = self.special;
        let mut ids = Vec::with_capacity(first.len() + second.len() + 3);
        ids.push(cls);
        ids.append(&mut first);
        ids.push(sep);
        let start = ids.len();
        if !second.is_empty() {
            ids.append(&mut second);
            ids.push(sep);
        }
        self.windows.push(PretrainWindow { ids, second: start });
        self.choose_target(rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPECIAL: SpecialTokens = SpecialTokens {
        cls: 1,
        sep: 2,
        mask: 3,
        pad: 0,
    };

    fn lines(lengths: &[usize]) -> Vec<Vec<u32>> {
        let mut next = 10;
        let mut line = |&length: &usize| -> Vec<u32> {
            let line = (next..next + length as u32).collect();
            next += length as u32;
            line
        };
        lengths.iter().map(&mut line).collect()
    }

    proptest! {
        #[test]
        fn windows_are_well_formed_and_keep_the_order_of_the_text(
            lengths in prop::collection::vec(0usize..40, 0..30),
            longest in 8usize..64,
            seed: u64,
        ) {
            let lines = lines(&lengths);
            let windows = windows(&lines, longest, SPECIAL, &mut SeededRng::for_key(&[seed]));
            prop_assert_eq!(windows.is_empty(), lengths.iter().all(|&length| length == 0));
            let mut last = 0;
            for PretrainWindow { ids, second } in &windows {
                prop_assert!(ids.len() <= longest, "{} tokens of {longest}", ids.len());
                prop_assert_eq!(ids[0], SPECIAL.cls);
                prop_assert_eq!(*ids.last().unwrap(), SPECIAL.sep);
                prop_assert_eq!(ids[second - 1], SPECIAL.sep);
                prop_assert!(*second >= 3, "the first segment is empty");
                let seps = ids.iter().filter(|&&id| id == SPECIAL.sep).count();
                prop_assert_eq!(seps, if *second == ids.len() { 1 } else { 2 });
                let texts = ids.iter().copied().filter(|&id| id >= 10);
                for id in texts {
                    prop_assert!(id > last, "{id} after {last}");
                    last = id;
                }
            }
        }

        #[test]
        fn a_document_of_short_lines_loses_little(seed: u64) {
            let lines = lines(&[7; 200]);
            let windows = windows(&lines, 64, SPECIAL, &mut SeededRng::for_key(&[seed]));
            let kept: usize = windows.iter()
                .map(|window| window.ids.iter().filter(|&&id| id >= 10).count())
                .sum();
            // A window loses at most the end of its last line and the room for special tokens.
            prop_assert!(kept + 10 * windows.len() >= 1400, "{kept} of 1400");
        }
    }

    #[test]
    fn single_segments_and_random_lengths_are_as_frequent_as_in_the_reference() {
        let lines = lines(&[5; 40_000]);
        let windows = windows(&lines, 128, SPECIAL, &mut SeededRng::for_key(&[1]));
        let share = |wanted: &dyn Fn(&PretrainWindow) -> bool| {
            windows.iter().filter(|&window| wanted(window)).count() as f64 / windows.len() as f64
        };
        let single = share(&|window| window.second == window.ids.len());
        assert!((0.08..0.15).contains(&single), "{single}");
        let short = share(&|window| window.ids.len() < 120);
        assert!((0.03..0.07).contains(&short), "{short}");
        // The others are divided near the middle.
        let middle: Vec<usize> = (windows.iter())
            .filter(|window| window.ids.len() > 120 && window.second < window.ids.len())
            .map(|window| window.second)
            .collect();
        assert!(middle.iter().all(|at| (57..=70).contains(at)), "{middle:?}");
    }
}
