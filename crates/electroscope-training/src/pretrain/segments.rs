//! Documents as what a model reads in pre-training: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`.
//!
//! Follows `build_pretraining_dataset.py` of google-research/electra: lines are gathered until they
//! fill a window; one window in ten is a single segment, the others are cut in two near the middle;
//! one in twenty has a length by chance. No window holds text of two documents. Unlike there, each
//! document has its own chance, so that it is cut the same whatever was read before.

use super::chance::Chance;

/// A window of one or two segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    /// Token ids, special ones included.
    pub(crate) ids: Vec<u32>,
    /// Where the second segment begins; the number of tokens if there is one segment only.
    pub(crate) second: usize,
}

/// The ids that windows are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Special {
    pub(crate) cls: u32,
    pub(crate) sep: u32,
    pub(crate) mask: u32,
    pub(crate) pad: u32,
}

/// How seldom a window is one segment.
const SINGLE: f64 = 0.1;

/// How seldom a window has a length by chance.
const SHORT: f64 = 0.05;

/// The shortest window by chance, as in the reference.
const SHORTEST: usize = 5;

/// Cuts a document, given as the tokens of its lines, into windows of at most `longest` tokens.
///
/// Text that does not fit is left out, as in the reference: where a line reaches over the end of a
/// window, its rest. A line that fills a window by itself is cut into pieces first, so that of a long
/// paragraph little is lost.
pub(super) fn windows(
    lines: &[Vec<u32>],
    longest: usize,
    special: Special,
    chance: &mut Chance,
) -> Vec<Example> {
    let mut builder = Builder {
        longest,
        special,
        target: longest,
        lines: Vec::new(),
        length: 0,
        examples: Vec::new(),
    };
    builder.aim(chance);
    for line in lines {
        for piece in line.chunks(longest.saturating_sub(2).max(1)) {
            builder.lines.push(piece);
            builder.length += piece.len();
            if builder.length >= builder.target {
                builder.close(chance);
            }
        }
    }
    builder.close(chance);
    builder.examples
}

struct Builder<'a> {
    longest: usize,
    special: Special,
    /// How many tokens to gather.
    target: usize,
    lines: Vec<&'a [u32]>,
    length: usize,
    examples: Vec<Example>,
}

impl Builder<'_> {
    /// Sets the length of the next window.
    fn aim(&mut self, chance: &mut Chance) {
        self.target = if chance.share() < SHORT && self.longest > SHORTEST {
            SHORTEST + chance.below(self.longest - SHORTEST + 1)
        } else {
            self.longest
        };
    }

    /// Makes a window of the lines gathered, if there are any.
    fn close(&mut self, chance: &mut Chance) {
        if self.length == 0 {
            self.lines.clear();
            return;
        }
        let half = if chance.share() < SINGLE {
            usize::MAX
        } else {
            self.target.saturating_sub(3) / 2
        };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for line in self.lines.drain(..) {
            // A line goes to the first segment if that is empty, if it fits, or by the toss of a
            // coin where it is the one that reaches over the middle. What follows goes to the second;
            // in the reference a short line may still go to the first, out of the text's order.
            let into_first = first.is_empty()
                || (second.is_empty()
                    && (first.len() + line.len() < half
                        || (first.len() < half && chance.share() < 0.5)));
            if into_first {
                first.extend_from_slice(line);
            } else {
                second.extend_from_slice(line);
            }
        }
        self.length = 0;
        first.truncate(self.longest.saturating_sub(2));
        second.truncate(self.longest.saturating_sub(first.len() + 3));
        let Special { cls, sep, .. } = self.special;
        let mut ids = Vec::with_capacity(first.len() + second.len() + 3);
        ids.push(cls);
        ids.append(&mut first);
        ids.push(sep);
        let start = ids.len();
        if !second.is_empty() {
            ids.append(&mut second);
            ids.push(sep);
        }
        self.examples.push(Example { ids, second: start });
        self.aim(chance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPECIAL: Special = Special {
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
        fn windows_are_well_made_and_keep_the_order_of_the_text(
            lengths in prop::collection::vec(0usize..40, 0..30),
            longest in 8usize..64,
            seed: u64,
        ) {
            let lines = lines(&lengths);
            let examples = windows(&lines, longest, SPECIAL, &mut Chance::of(&[seed]));
            prop_assert_eq!(examples.is_empty(), lengths.iter().all(|&length| length == 0));
            let mut last = 0;
            for Example { ids, second } in &examples {
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
            let examples = windows(&lines, 64, SPECIAL, &mut Chance::of(&[seed]));
            let kept: usize = examples.iter()
                .map(|example| example.ids.iter().filter(|&&id| id >= 10).count())
                .sum();
            // A window drops at most the end of its last line and room for special tokens.
            prop_assert!(kept + 10 * examples.len() >= 1400, "{kept} of 1400");
        }
    }

    #[test]
    fn one_window_in_ten_is_a_single_segment_and_one_in_twenty_is_short() {
        let lines = lines(&[5; 40_000]);
        let examples = windows(&lines, 128, SPECIAL, &mut Chance::of(&[1]));
        let share = |wanted: &dyn Fn(&Example) -> bool| {
            examples.iter().filter(|&example| wanted(example)).count() as f64
                / examples.len() as f64
        };
        let single = share(&|example| example.second == example.ids.len());
        assert!((0.08..0.15).contains(&single), "{single}");
        let short = share(&|example| example.ids.len() < 120);
        assert!((0.03..0.07).contains(&short), "{short}");
        // The others are cut near the middle.
        let middle: Vec<usize> = (examples.iter())
            .filter(|example| example.ids.len() > 120 && example.second < example.ids.len())
            .map(|example| example.second)
            .collect();
        assert!(middle.iter().all(|at| (57..=70).contains(at)), "{middle:?}");
    }
}
