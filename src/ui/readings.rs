//! What the model has said about one document so far, kept so that a frame costs little.
//!
//! Readings come window by window and in any order. After an edit the old ones outside the edited
//! stretch stay, moved to where their text is now, until newer ones take their place: the picture
//! does not go blank while the model reads. Counts are kept up to date with every change, so that
//! nothing here grows with the text but what is asked about all of it.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::report::heat;
use crate::worker::inference::Generation;
use electroscope_analysis::{ErrorKind, Flagging, Reading, Token, Word};
use electroscope_text::Span;

/// Bins of the histogram of p.
const BINS: usize = 1024;

/// One word on the screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hot {
    /// Its bytes in the text as it is now.
    pub(super) span: Span,
    /// The largest p of its pieces.
    pub(super) p: f32,
    /// Whether it is flagged.
    pub(super) is_flagged: bool,
    /// Whether it may be flagged: punctuation mostly may not.
    pub(super) is_judged: bool,
    /// Whether it would be flagged, were it not accepted or silenced.
    pub(super) is_exempt: bool,
    /// Which kind of error it is, where the model says so.
    pub(super) kind: Option<ErrorKind>,
}

impl Hot {
    /// Whether suggestions are looked for without being asked for when the cursor is on it.
    pub(super) fn is_doubtful(&self) -> bool {
        /// From this p on a word is doubtful though it be not flagged.
        const DOUBTFUL: f32 = 0.1;
        self.is_judged && !self.is_exempt && (self.is_flagged || self.p >= DOUBTFUL)
    }
}

/// A reading, and by how far its text has moved since it was made.
#[derive(Clone, Debug, PartialEq)]
struct Placed {
    generation: Generation,
    shift: isize,
    reading: Arc<Reading>,
    /// Words at or above the threshold, and those that the scale tints; indices in order.
    flagged: Vec<u32>,
    warm: Vec<u32>,
    /// Words that would be among the flagged ones, were they not accepted or silenced, once that has been
    /// found out.
    exempt: Option<Vec<u32>>,
    flagging: Flagging,
}

impl Placed {
    fn new(generation: Generation, reading: Arc<Reading>, flagging: Flagging) -> Placed {
        let mut placed = Placed {
            generation,
            shift: 0,
            reading,
            flagged: Vec::new(),
            warm: Vec::new(),
            exempt: None,
            flagging,
        };
        placed.judge(flagging);
        placed
    }

    fn judge(&mut self, flagging: Flagging) {
        let indices = |keep: &dyn Fn(&Word) -> bool| {
            let words = self.reading.words.iter().enumerate();
            words
                .filter(|(_, word)| keep(word))
                .map(|(at, _)| at as u32)
                .collect()
        };
        self.flagged = indices(&|word| flagging.flags(word));
        self.warm = indices(&|word| {
            is_judged(word, flagging) && heat::level(word.p, flagging.threshold) > 0
        });
        self.exempt = None;
        self.flagging = flagging;
    }

    /// Takes the words that `is_exempt` out of the flagged ones, if that has not been done; how many they
    /// are. They tint nothing but themselves.
    fn exempt(&mut self, is_exempt: &dyn Fn(Span) -> bool) -> usize {
        if self.exempt.is_some() {
            return 0;
        }
        let words = std::mem::take(&mut self.flagged).into_iter();
        let (exempt, flagged): (Vec<u32>, Vec<u32>) = words.partition(|&at| {
            let word = self.reading.words.get(at as usize);
            word.is_some_and(|word| is_exempt(self.moved(word.span)))
        });
        self.flagged = flagged;
        self.warm.retain(|at| exempt.binary_search(at).is_err());
        let count = exempt.len();
        self.exempt = Some(exempt);
        count
    }

    fn moved(&self, span: Span) -> Span {
        let place = |byte: usize| byte.saturating_add_signed(self.shift);
        Span::new(place(span.start()), place(span.end()))
    }

    fn span(&self) -> Span {
        self.moved(self.reading.span)
    }

    fn word(&self, index: u32) -> Option<Hot> {
        let word = self.reading.words.get(index as usize)?;
        let exempt = self.exempt.as_deref().unwrap_or_default();
        let is_exempt = exempt.binary_search(&index).is_ok();
        Some(Hot {
            span: self.moved(word.span),
            p: word.p,
            is_flagged: self.flagging.flags(word) && !is_exempt,
            is_judged: is_judged(word, self.flagging),
            is_exempt,
            kind: word.kind,
        })
    }

    fn words(&self, indices: &[u32]) -> impl DoubleEndedIterator<Item = Hot> {
        indices.iter().filter_map(|&index| self.word(index))
    }
}

/// The readings of one document.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Readings {
    /// In the order of the text; none overlaps another.
    placed: Vec<Placed>,
    flagging: Flagging,
    words: usize,
    flagged: usize,
    /// Words by p.
    histogram: Vec<u32>,
    /// The flagged words by p, once they have been asked for.
    by_p: OnceCell<Vec<Hot>>,
}

impl Readings {
    pub(super) fn new(flagging: Flagging) -> Readings {
        Readings {
            placed: Vec::new(),
            flagging,
            words: 0,
            flagged: 0,
            histogram: vec![0; BINS],
            by_p: OnceCell::new(),
        }
    }

    /// How many words have been read.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// How many of them are at or above the threshold.
    pub(super) fn flagged(&self) -> usize {
        self.flagged
    }

    /// Flags by another threshold. Which words are exempt is to be found out anew.
    pub(super) fn set_threshold(&mut self, threshold: f32) {
        self.flagging.threshold = threshold;
        self.judge();
    }

    /// Flags anew, whatever was exempt.
    pub(super) fn judge(&mut self) {
        self.by_p.take();
        for placed in &mut self.placed {
            placed.judge(self.flagging);
        }
        self.flagged = self.placed.iter().map(|placed| placed.flagged.len()).sum();
    }

    /// Takes the words that `is_exempt` out of those that have been flagged since the last call.
    pub(super) fn exempt(&mut self, is_exempt: &dyn Fn(Span) -> bool) {
        self.by_p.take();
        let exempt: usize = (self.placed.iter_mut())
            .map(|placed| placed.exempt(is_exempt))
            .sum();
        self.flagged = self.flagged.saturating_sub(exempt);
    }

    /// Takes a reading in; older ones that it touches give way.
    pub(super) fn insert(&mut self, generation: Generation, reading: Arc<Reading>) {
        self.by_p.take();
        let fresh = Placed::new(generation, reading, self.flagging);
        let span = fresh.span();
        let range = self.range(span);
        let touched = self.placed.get(range.clone()).unwrap_or_default();
        // Of an older reading the words on either side stay until theirs come.
        let parts =
            |placed: Option<&Placed>, keep: Span| placed.and_then(|placed| part_of(placed, keep));
        let left = parts(touched.first(), Span::new(0, span.start()));
        let right = parts(touched.last(), Span::new(span.end(), usize::MAX));
        let fresh: Vec<Placed> = left.into_iter().chain([fresh]).chain(right).collect();
        for placed in &fresh {
            self.count(placed, true);
        }
        let gone: Vec<Placed> = self.placed.splice(range, fresh).collect();
        for placed in gone {
            self.count(&placed, false);
        }
    }

    /// The text changed: `prefix` bytes at its start and `suffix` at its end stayed, and it went from
    /// `old` bytes to `new`. What was said about the stretch between is forgotten.
    pub(super) fn edited(&mut self, prefix: usize, suffix: usize, old: usize, new: usize) {
        self.by_p.take();
        let delta = new as isize - old as isize;
        let mut kept = Vec::with_capacity(self.placed.len());
        for mut placed in std::mem::take(&mut self.placed) {
            let span = placed.span();
            if span.end() <= prefix {
                kept.push(placed);
            } else if span.start() >= old - suffix {
                placed.shift += delta;
                kept.push(placed);
            } else {
                self.count(&placed, false);
                // Of a reading that the edit cuts, the words on either side stay.
                for (keep, shift) in [
                    (Span::new(0, prefix), 0),
                    (Span::new(old - suffix, old), delta),
                ] {
                    if let Some(mut part) = part_of(&placed, keep) {
                        part.shift += shift;
                        self.count(&part, true);
                        kept.push(part);
                    }
                }
            }
        }
        self.placed = kept;
    }

    /// Everything of `generation` has come: what is older speaks of text that is no prose any more.
    pub(super) fn settle(&mut self, generation: Generation) {
        self.by_p.take();
        let (kept, gone): (Vec<Placed>, Vec<Placed>) = std::mem::take(&mut self.placed)
            .into_iter()
            .partition(|placed| placed.generation >= generation);
        self.placed = kept;
        for placed in gone {
            self.count(&placed, false);
        }
    }

    fn count(&mut self, placed: &Placed, is_new: bool) {
        let apply = |total: &mut usize, by: usize| {
            *total = if is_new {
                *total + by
            } else {
                total.saturating_sub(by)
            };
        };
        apply(&mut self.words, placed.reading.words.len());
        apply(&mut self.flagged, placed.flagged.len());
        for word in &placed.reading.words {
            if let Some(bin) = self.histogram.get_mut(bin(word.p)) {
                *bin = if is_new {
                    bin.saturating_add(1)
                } else {
                    bin.saturating_sub(1)
                };
            }
        }
    }

    /// The share of the words that are at least about as hot as `p`, 0 to 1.
    pub(super) fn share_above(&self, p: f32) -> f32 {
        let above: u64 = self
            .histogram
            .iter()
            .skip(bin(p))
            .map(|&count| u64::from(count))
            .sum();
        above as f32 / self.words.max(1) as f32
    }

    /// Which readings touch `span`.
    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let from = self
            .placed
            .partition_point(|placed| placed.span().end() <= span.start());
        let to = self
            .placed
            .partition_point(|placed| placed.span().start() < span.end());
        from..to.max(from)
    }

    fn overlapping(&self, span: Span) -> &[Placed] {
        self.placed.get(self.range(span)).unwrap_or_default()
    }

    /// The words that touch `span`, in order.
    pub(super) fn words_in(&self, span: Span) -> impl Iterator<Item = Hot> {
        self.overlapping(span).iter().flat_map(move |placed| {
            let words = &placed.reading.words;
            let from = words.partition_point(|word| placed.moved(word.span).end() <= span.start());
            let to = words.partition_point(|word| placed.moved(word.span).start() < span.end());
            (from..to.max(from)).filter_map(|at| placed.word(at as u32))
        })
    }

    /// The word that `byte` lies in, with its pieces.
    pub(super) fn word_at(&self, byte: usize) -> Option<(Hot, Vec<Token>)> {
        let here = Span::new(byte, byte + 1);
        let placed = self.overlapping(here).first()?;
        let words = &placed.reading.words;
        let at = words.partition_point(|word| placed.moved(word.span).end() <= byte);
        let word = words.get(at)?;
        let hot = placed.word(at as u32)?;
        let pieces = placed.reading.pieces(word).iter().map(|token| Token {
            span: placed.moved(token.span),
            p: token.p,
        });
        hot.span.contains(byte).then(|| (hot, pieces.collect()))
    }

    /// The hottest p of the words that touch `span`.
    pub(super) fn hottest_in(&self, span: Span) -> Option<f32> {
        let judged = self
            .words_in(span)
            .filter(|word| word.is_judged && !word.is_exempt);
        judged.map(|word| word.p).reduce(f32::max)
    }

    /// How many flagged words begin before `byte`.
    pub(super) fn flagged_before(&self, byte: usize) -> usize {
        let whole = self
            .placed
            .partition_point(|placed| placed.span().end() <= byte);
        let before: usize = self
            .placed
            .iter()
            .take(whole)
            .map(|placed| placed.flagged.len())
            .sum();
        let partly = self.placed.get(whole).map_or(0, |placed| {
            placed
                .words(&placed.flagged)
                .take_while(|word| word.span.start() < byte)
                .count()
        });
        before + partly
    }

    /// The flagged words from number `from` on, in order.
    pub(super) fn flagged_from(&self, from: usize) -> impl Iterator<Item = Hot> {
        let mut skip = from;
        let first = self
            .placed
            .iter()
            .position(|placed| {
                if skip < placed.flagged.len() {
                    return true;
                }
                skip -= placed.flagged.len();
                false
            })
            .unwrap_or(self.placed.len());
        self.placed
            .iter()
            .skip(first)
            .flat_map(|placed| placed.words(&placed.flagged))
            .skip(skip)
    }

    /// The flagged words, the hottest first; of equals the first in the text.
    pub(super) fn flagged_by_p(&self) -> &[Hot] {
        self.by_p.get_or_init(|| {
            let mut words: Vec<Hot> = self.flagged_from(0).collect();
            words.sort_by(|a, b| b.p.total_cmp(&a.p));
            words
        })
    }

    /// The hottest level in each of `cells` equal parts of a text of `len` bytes.
    pub(super) fn strip(&self, cells: usize, len: usize) -> Vec<u8> {
        let mut levels = vec![0; cells];
        for placed in &self.placed {
            for word in placed.words(&placed.warm) {
                let cell = (word.span.start() as u64 * cells as u64 / len.max(1) as u64) as usize;
                if let Some(level) = levels.get_mut(cell) {
                    *level = heat::level(word.p, self.flagging.threshold).max(*level);
                }
            }
        }
        levels
    }
}

/// The words of `placed` that lie in `keep`, as a reading of their own.
fn part_of(placed: &Placed, keep: Span) -> Option<Placed> {
    let mut part = Reading::default();
    for word in &placed.reading.words {
        let span = placed.moved(word.span);
        if keep.start() <= span.start() && span.end() <= keep.end() {
            let from = part.tokens.len() as u32;
            part.tokens.extend_from_slice(placed.reading.pieces(word));
            let mut word = word.clone();
            word.tokens = from..part.tokens.len() as u32;
            part.words.push(word);
        }
    }
    let (first, last) = part.words.first().zip(part.words.last())?;
    part.span = Span::new(first.span.start(), last.span.end());
    let mut part = Placed::new(placed.generation, Arc::new(part), placed.flagging);
    part.shift = placed.shift;
    Some(part)
}

/// Whether `word` may be flagged.
fn is_judged(word: &Word, flagging: Flagging) -> bool {
    flagging.punctuation || !word.is_punctuation
}

fn bin(p: f32) -> usize {
    ((p * BINS as f32) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_analysis::Word;

    /// A reading of one-letter words at the given places.
    pub(crate) fn reading(words: &[(usize, f32)]) -> Arc<Reading> {
        let mut reading = Reading::default();
        for (at, &(start, p)) in words.iter().enumerate() {
            let span = Span::new(start, start + 1);
            reading.tokens.push(Token { span, p });
            let tokens = at as u32..at as u32 + 1;
            reading.words.push(Word {
                span,
                p,
                tokens,
                is_punctuation: false,
                kind: None,
            });
        }
        let (first, last) = (words[0].0, words[words.len() - 1].0);
        reading.span = Span::new(first, last + 1);
        Arc::new(reading)
    }

    fn all(readings: &Readings) -> Vec<(usize, f32)> {
        readings
            .words_in(Span::new(0, 1000))
            .map(|word| (word.span.start(), word.p))
            .collect()
    }

    fn counts_hold(readings: &Readings) {
        let words = all(readings);
        let flagged = words
            .iter()
            .filter(|word| word.1 >= readings.flagging.threshold);
        assert_eq!(readings.flagged(), flagged.count());
        assert_eq!(readings.words(), words.len());
        assert_eq!(readings.histogram.iter().sum::<u32>(), words.len() as u32);
    }

    #[test]
    fn readings_come_in_any_order_and_newer_ones_replace_older() {
        let mut readings = Readings::new(Flagging::words(0.5));
        readings.insert(Generation(1), reading(&[(10, 0.1), (12, 0.9)]));
        readings.insert(Generation(1), reading(&[(0, 0.6), (2, 0.2)]));
        assert_eq!(all(&readings), [(0, 0.6), (2, 0.2), (10, 0.1), (12, 0.9)]);
        readings.insert(Generation(2), reading(&[(8, 0.3), (10, 0.4), (12, 0.5)]));
        assert_eq!(
            all(&readings),
            [(0, 0.6), (2, 0.2), (8, 0.3), (10, 0.4), (12, 0.5)]
        );
        counts_hold(&readings);
        readings.settle(Generation(2));
        assert_eq!(all(&readings), [(8, 0.3), (10, 0.4), (12, 0.5)]);
        counts_hold(&readings);
    }

    #[test]
    fn an_edit_moves_what_follows_and_forgets_only_what_it_touches() {
        let mut readings = Readings::new(Flagging::words(0.5));
        readings.insert(Generation(1), reading(&[(0, 0.6), (2, 0.2)]));
        readings.insert(Generation(1), reading(&[(10, 0.1), (12, 0.9), (14, 0.8)]));
        readings.insert(Generation(1), reading(&[(20, 0.7)]));
        // Byte 12 became five bytes.
        readings.edited(12, 30 - 13, 30, 34);
        assert_eq!(
            all(&readings),
            [(0, 0.6), (2, 0.2), (10, 0.1), (18, 0.8), (24, 0.7)]
        );
        counts_hold(&readings);
        let (word, pieces) = readings.word_at(18).unwrap();
        assert_eq!((word.span, pieces[0].span), (Span::new(18, 19), word.span));
    }

    #[test]
    fn flagged_words_are_counted_and_found_by_number() {
        let mut readings = Readings::new(Flagging::words(0.5));
        readings.insert(Generation(1), reading(&[(0, 0.6), (2, 0.2), (4, 0.7)]));
        readings.insert(Generation(1), reading(&[(10, 0.1), (12, 0.9)]));
        let starts = |from| -> Vec<usize> {
            readings
                .flagged_from(from)
                .map(|word| word.span.start())
                .collect()
        };
        assert_eq!(starts(0), [0, 4, 12]);
        assert_eq!(starts(2), [12]);
        assert_eq!(starts(3), [0usize; 0]);
        for (byte, before) in [(0, 0), (1, 1), (4, 1), (5, 2), (12, 2), (13, 3), (99, 3)] {
            assert_eq!(readings.flagged_before(byte), before, "before {byte}");
        }
        let mut readings = readings.clone();
        readings.set_threshold(0.65);
        assert_eq!(readings.flagged(), 2);
        counts_hold(&readings);
    }

    #[test]
    fn flagged_words_can_be_had_by_p_and_follow_every_change() {
        let mut readings = Readings::new(Flagging::words(0.5));
        let starts = |readings: &Readings| -> Vec<usize> {
            let words = readings.flagged_by_p().iter();
            words.map(|word| word.span.start()).collect()
        };
        assert_eq!(starts(&readings), [0usize; 0]);
        readings.insert(Generation(1), reading(&[(0, 0.6), (2, 0.2), (4, 0.7)]));
        readings.insert(Generation(1), reading(&[(10, 0.6), (12, 0.9)]));
        assert_eq!(starts(&readings), [12, 4, 0, 10]);
        readings.exempt(&|span| span.start() == 4);
        assert_eq!(starts(&readings), [12, 0, 10]);
        readings.edited(6, 10, 16, 17);
        assert_eq!(starts(&readings), [13, 0, 11]);
        readings.set_threshold(0.65);
        assert_eq!(starts(&readings), [13, 4]);
        readings.settle(Generation(2));
        assert_eq!(starts(&readings), [0usize; 0]);
    }

    #[test]
    fn exempt_words_are_not_flagged_and_keep_their_p() {
        let mut readings = Readings::new(Flagging::words(0.5));
        readings.insert(Generation(1), reading(&[(0, 0.6), (2, 0.7), (4, 0.2)]));
        readings.exempt(&|span| span.start() == 2);
        readings.insert(Generation(1), reading(&[(12, 0.9), (14, 0.8)]));
        assert_eq!(readings.flagged(), 3);
        readings.exempt(&|span| span.start() == 14);
        let flagged = |readings: &Readings| -> Vec<usize> {
            readings
                .flagged_from(0)
                .map(|word| word.span.start())
                .collect()
        };
        assert_eq!((readings.flagged(), flagged(&readings)), (2, vec![0, 12]));
        assert_eq!(readings.hottest_in(Span::new(2, 4)), None);
        let (word, _) = readings.word_at(2).unwrap();
        assert!(word.is_exempt && !word.is_flagged && word.p == 0.7);
        // What an edit moves stays exempt.
        readings.edited(6, 10, 16, 17);
        assert_eq!((readings.flagged(), flagged(&readings)), (2, vec![0, 13]));
        readings.insert(Generation(2), reading(&[(0, 0.6), (2, 0.7), (4, 0.2)]));
        readings.settle(Generation(2));
        assert_eq!((readings.flagged(), flagged(&readings)), (2, vec![0, 2]));
        readings.exempt(&|span| span.start() == 2);
        readings.judge();
        assert_eq!(readings.flagged(), 2);
    }

    #[test]
    fn the_strip_shows_the_hottest_word_of_each_part() {
        let mut readings = Readings::new(Flagging::words(0.5));
        readings.insert(
            Generation(1),
            reading(&[(0, 0.1), (30, 0.3), (31, 1.0), (99, 0.6)]),
        );
        let strip = readings.strip(4, 100);
        assert_eq!((strip[0], strip[1], strip[2]), (0, heat::LEVELS, 0));
        assert!(strip[3] > 0);
        assert_eq!(readings.strip(3, 0).len(), 3);
    }

    #[test]
    fn a_share_says_how_rare_a_p_is() {
        let mut readings = Readings::new(Flagging::words(0.5));
        let words: Vec<(usize, f32)> = (0..100).map(|n| (2 * n, n as f32 / 100.0)).collect();
        readings.insert(Generation(1), reading(&words));
        assert_eq!(readings.share_above(0.99), 0.01);
        assert_eq!(readings.share_above(0.0), 1.0);
        assert_eq!(Readings::new(Flagging::words(0.5)).share_above(0.3), 0.0);
    }
}
