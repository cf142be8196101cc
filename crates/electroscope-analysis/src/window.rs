//! Cuts a long run of tokens into windows that the model can take.
//!
//! A window has a *core*, the tokens it is asked about, and *context* on both sides that it only
//! reads, since a token at the very edge would be judged with half its surroundings missing. The
//! cores tile the text.
//!
//! Where one core ends and the next begins is decided by the tokens nearby and by nothing else: a
//! place is a border if it beats every other place within [`Geometry::radius`] tokens, paragraph
//! beginnings before sentence beginnings before words, and among equals by a hash of the tokens
//! around it. A window's context reaches further than everything that took part in choosing its
//! borders. Hence the law this file is for: **a window depends only on the paragraphs it reads**. An
//! edit disturbs the windows that read the edited paragraph and no others, and a part of a long text
//! can be planned without the rest. (Greedy filling from the top, the usual way, shifts every later
//! window at the first inserted word.)
//!
//! The law has two exceptions. Where no border is found for [`Geometry::longest_core`] tokens the
//! core is cut at the best place in reach, which depends on where it began. And where none is found
//! for much longer (a file of ten thousand equal lines has none at all, since each place is as good
//! as the next) the text is cut at milestones, which depend on where the document began, so that no
//! stretch needs the whole document to be planned. Word order in natural text makes the first rare
//! and the second unheard of; in monotonous text the windows are equal anyway.

use std::collections::VecDeque;
use std::ops::Range;

/// What begins at a token. A smaller one is a better place to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Begins {
    /// A block: a paragraph, a heading, a table cell.
    Block,
    /// A sentence inside a block.
    Sentence,
    /// A word inside a sentence.
    Word,
    /// Nothing: a later piece of a word. Never a border, so that a word is cut only if it is longer
    /// than a core may be.
    Piece,
    /// Less than nothing: a later piece of the same character, such as one letter of a Korean
    /// syllable.
    Part,
}

/// The sizes of windows, all in tokens without `[CLS]` and `[SEP]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The most that fits in one window.
    pub capacity: usize,
    /// What a window reads on each side of its core, at least.
    pub context: usize,
    /// How much further the context goes to begin and end with a sentence or at least a word.
    pub reach: usize,
    /// No two borders are closer than this.
    pub radius: usize,
    /// How many tokens on each side of a place its hash covers.
    pub hashed: usize,
    /// The longest core.
    pub longest_core: usize,
}

/// The tokens of a window at most, `[CLS]` and `[SEP]` included, where nothing else is asked for and
/// the model has more positions.
///
/// Measured on one core with an ELECTRA-small whose positions were extended: a text of 2,000 tokens
/// takes as long in one window as in windows of 512 (1.0 s and 1.2 s), one of 4,000 half as long again,
/// one of 8,000 nearly three times as long, one of 16,000 more than six times.
pub const DEFAULT_WINDOW: usize = 2048;

impl Geometry {
    /// The sizes for a model of `max_positions` positions, `[CLS]` and `[SEP]` included.
    ///
    /// With 512 positions the context is 64 tokens on each side: half of the 128 that ELECTRA-small
    /// and the built-in model were trained on.
    pub fn for_positions(max_positions: usize) -> Geometry {
        let capacity = max_positions.saturating_sub(2).max(1);
        let context = (capacity / 6).min(64);
        let reach = context / 2;
        let hashed = (context / 4).min(8);
        let longest_core = (capacity - 2 * (context + reach).min(capacity / 2)).max(1);
        Geometry {
            capacity,
            context,
            reach,
            radius: context - hashed,
            hashed,
            longest_core,
        }
    }

    /// The sizes for a model of `max_positions` positions that reads `[CLS] question [SEP] … [SEP]`,
    /// with `question` tokens of question.
    ///
    /// Two windows that follow each other share 128 tokens or a third of all positions, whichever is
    /// less, and some more where that makes them begin or end with a sentence: half of it as the
    /// context of each. Borders are further apart than for scoring, since every question reads the
    /// text anew; so an edit may move a border that the windows beside it read no edited word for.
    pub(super) fn for_answers(max_positions: usize, question: usize) -> Geometry {
        let capacity = max_positions.saturating_sub(question + 3).max(1);
        let overlap = (max_positions / 3).min(128);
        // Something is left to the core, however small the model.
        let context = (overlap / 2).min(capacity / 3);
        let reach = (context / 4).min((capacity - 2 * context) / 8);
        let longest_core = (capacity - 2 * (context + reach)).max(1);
        Geometry {
            capacity,
            context,
            reach,
            radius: longest_core / 3,
            hashed: (context / 4).min(8),
            longest_core,
        }
    }

    /// The sizes for windows of `capacity` tokens that have no context, since they are asked about
    /// all that they read.
    fn for_tiles(capacity: usize) -> Geometry {
        Geometry {
            capacity,
            context: 0,
            reach: 0,
            radius: capacity / 3,
            hashed: (capacity / 24).min(8),
            longest_core: capacity,
        }
    }

    /// How far the choice of a border looks on each side.
    fn sight(&self) -> usize {
        self.radius + self.hashed
    }
}

/// One forward pass, in indices of the token run it was planned on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Tokens that the model reads.
    pub reads: Range<usize>,
    /// Tokens whose answer is kept; the cores of a text tile it.
    pub core: Range<usize>,
}

impl Window {
    /// The core, counted from the first token that the window reads.
    pub(super) fn core_in_window(&self) -> Range<usize> {
        self.core.start - self.reads.start..self.core.end - self.reads.start
    }
}

/// A run of tokens of a document: all of it, or a stretch.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Token ids.
    pub ids: &'a [u32],
    /// What begins at each.
    pub begins: &'a [Begins],
    /// Whether the document begins where the run does.
    pub from_start: bool,
    /// Whether the document ends where the run does.
    pub to_end: bool,
    /// The milestones of the document that lie in the run, in order. Of those whose
    /// [`Milestone::since`] is not in the run none may be named.
    pub milestones: &'a [Milestone],
}

/// A place that is a border if no other has been found for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// The place.
    pub at: usize,
    /// The first token of the stretch before it. The borders that this stretch can decide by itself
    /// are the ones that make the milestone needless.
    pub since: usize,
}

/// Plans the windows of `run` whose cores begin in `wanted`, or `None` if the run does not hold
/// enough of the document on both sides to decide them.
///
/// The answer is the same whatever run it is asked of, as long as there is one.
pub fn plan(run: Run<'_>, wanted: Range<usize>, geometry: &Geometry) -> Option<Vec<Window>> {
    let len = run.ids.len();
    if run.from_start && run.to_end && len <= geometry.capacity {
        let whole = Window {
            reads: 0..len,
            core: 0..len,
        };
        return Some(if len > 0 && wanted.start == 0 {
            vec![whole]
        } else {
            Vec::new()
        });
    }
    let borders = borders(run, geometry);
    let first = borders.iter().rposition(|&border| border <= wanted.start)?;
    let mut windows = Vec::new();
    for pair in borders.get(first..)?.windows(2) {
        let &[from, to] = pair else { break };
        if from >= wanted.end {
            return Some(windows);
        }
        for core in bounded(run, from..to, geometry) {
            // Only of the wanted ones must the whole context be at hand.
            if wanted.contains(&core.start) {
                let reads = context_start(run, core.start, geometry)?
                    ..context_end(run, core.end, geometry)?;
                windows.push(Window { reads, core });
            }
        }
    }
    let reached = borders
        .last()
        .is_some_and(|&last| last >= wanted.end || (run.to_end && last == len));
    reached.then_some(windows)
}

/// Cuts `run`, which is a text from its beginning to its end, into stretches of at most `capacity`
/// tokens.
///
/// They begin where paragraphs and sentences do, wherever those are in reach, and at places that
/// their surroundings choose, so that an edit moves the cuts near it and no others. None is shorter
/// than about a third of `capacity`: where each stretch has the same say, a sliver must not have it.
pub(super) fn tiles(run: Run<'_>, capacity: usize) -> Vec<Range<usize>> {
    let len = run.ids.len();
    if len <= capacity {
        return Some(0..len)
            .filter(|all| !all.is_empty())
            .into_iter()
            .collect();
    }
    let geometry = Geometry::for_tiles(capacity);
    let borders = natural_borders(run, &geometry);
    let cores = borders.iter().zip(borders.iter().skip(1));
    cores
        .flat_map(|(&from, &to)| evenly(run, from..to, &geometry))
        .collect()
}

/// Cuts a core that is too long into parts of about the same length.
fn evenly(run: Run<'_>, core: Range<usize>, geometry: &Geometry) -> Vec<Range<usize>> {
    let longest = geometry.longest_core;
    if core.len() <= longest {
        return vec![core];
    }
    let ranker = Ranker::new(run, core.clone(), geometry);
    // How far from the even place a better one is looked for.
    let slack = longest / 8;
    let mean = longest - slack;
    let mut parts = Vec::new();
    let mut start = core.start;
    for left in (1..core.len().div_ceil(mean)).rev() {
        let rest = core.end - start;
        let even = rest / (left + 1);
        // What is left must fit into as many parts as are left.
        let least = rest.saturating_sub(left * mean).max(1);
        let places = even.saturating_sub(slack).max(least)..=even + slack;
        let places = places.map(|length| start + length);
        let cut = places
            .min_by_key(|&at| ranker.rank(at))
            .unwrap_or(start + even);
        parts.push(start..cut);
        start = cut;
    }
    parts.push(start..core.end);
    parts
}

/// The places where cores meet, both ends of the document included where the run holds them.
fn borders(run: Run<'_>, geometry: &Geometry) -> Vec<usize> {
    let mut borders = natural_borders(run, geometry);
    let sight = geometry.sight();
    let needed: Vec<usize> = run
        .milestones
        .iter()
        .filter(|milestone| {
            // A later border decides nothing, but it must not be one that is not seen yet.
            let seen = milestone.at + sight <= run.ids.len() || run.to_end;
            let since = match milestone.since {
                0 if run.from_start => 0,
                since => since + sight,
            };
            let first = borders.partition_point(|&border| border < since);
            let covered = borders
                .get(first)
                .is_some_and(|&border| border <= milestone.at);
            seen && !covered
        })
        .map(|milestone| milestone.at)
        .collect();
    borders.extend(needed);
    borders.sort_unstable();
    borders.dedup();
    borders
}

/// The borders that the text itself offers, and the ends of the document.
fn natural_borders(run: Run<'_>, geometry: &Geometry) -> Vec<usize> {
    let len = run.ids.len();
    let sight = geometry.sight();
    let mut borders = Vec::new();
    if run.from_start {
        borders.push(0);
    }
    // Only these places see all that their choice depends on. The ends of the document count as
    // borders that beat all others, so that no core is a sliver.
    let from = if run.from_start {
        geometry.radius + 1
    } else {
        sight
    };
    let to = if run.to_end {
        len.saturating_sub(geometry.radius)
    } else {
        (len + 1).saturating_sub(sight)
    };
    if from < to {
        let ranker = Ranker::new(run, 0..len, geometry);
        let ranks: Vec<Rank> = (0..len).map(|at| ranker.rank(at)).collect();
        // A sliding minimum: `best` holds the places of the window that no later place beats.
        let mut best: VecDeque<usize> = VecDeque::new();
        let mut entered = from.saturating_sub(geometry.radius);
        for at in from..to {
            while entered < len && entered <= at + geometry.radius {
                // Strictly: among equals the first stays in front, so a run of equals has one border at most.
                while best
                    .back()
                    .is_some_and(|&back| ranks[back] > ranks[entered])
                {
                    best.pop_back();
                }
                best.push_back(entered);
                entered += 1;
            }
            while best
                .front()
                .is_some_and(|&front| front + geometry.radius < at)
            {
                best.pop_front();
            }
            if best.front() == Some(&at) && run.begins[at] <= Begins::Word {
                borders.push(at);
            }
        }
    }
    if run.to_end && borders.last() != Some(&len) {
        borders.push(len);
    }
    borders
}

/// How good a place is for a border; smaller is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(Begins, u64);

/// Ranks the places of a stretch of a run.
struct Ranker<'a> {
    run: Run<'a>,
    hashed: usize,
    /// The first token that is in `bytes`.
    from: usize,
    /// The ids as bytes, side by side, for the hash to read at once.
    bytes: Vec<u8>,
}

impl Ranker<'_> {
    fn new<'a>(run: Run<'a>, places: Range<usize>, geometry: &Geometry) -> Ranker<'a> {
        let from = places.start.saturating_sub(geometry.hashed);
        let to = (places.end + geometry.hashed).min(run.ids.len());
        let ids = run.ids.get(from..to).unwrap_or_default();
        Ranker {
            run,
            hashed: geometry.hashed,
            from,
            bytes: ids.iter().flat_map(|id| id.to_le_bytes()).collect(),
        }
    }

    fn rank(&self, at: usize) -> Rank {
        const ID: usize = size_of::<u32>();
        let first = at.saturating_sub(self.hashed) - self.from;
        let last = (at + self.hashed).min(self.run.ids.len()) - self.from;
        let around = &self.bytes[ID * first..ID * last];
        Rank(self.run.begins[at], xxhash_rust::xxh3::xxh3_64(around))
    }
}

/// Cuts a core that is too long.
fn bounded(run: Run<'_>, core: Range<usize>, geometry: &Geometry) -> Vec<Range<usize>> {
    let mut cores = Vec::new();
    let mut start = core.start;
    if core.len() > geometry.longest_core {
        let ranker = Ranker::new(run, core.clone(), geometry);
        while core.end - start > geometry.longest_core {
            let half = start + geometry.longest_core.div_ceil(2);
            let places = half..start + geometry.longest_core + 1;
            let best = places.min_by_key(|&at| ranker.rank(at)).unwrap_or(half);
            // Rather a short core than a word in two.
            let cut = match run.begins[best] {
                Begins::Piece | Begins::Part => (start + 1..half)
                    .rev()
                    .find(|&at| run.begins[at] <= Begins::Word)
                    .unwrap_or(best),
                _ => best,
            };
            cores.push(start..cut);
            start = cut;
        }
    }
    cores.push(start..core.end);
    cores
}

/// Where the context before a core begins, or `None` if the run does not reach that far.
fn context_start(run: Run<'_>, core_start: usize, geometry: &Geometry) -> Option<usize> {
    let Some(base) = core_start.checked_sub(geometry.context) else {
        return run.from_start.then_some(0);
    };
    let Some(furthest) = base.checked_sub(geometry.reach) else {
        // The document begins within reach: read from there, since nothing is cheaper or better.
        return run.from_start.then_some(0);
    };
    let begins = |kind: Begins| (furthest..=base).rev().find(|&at| run.begins[at] <= kind);
    Some(
        begins(Begins::Sentence)
            .or_else(|| begins(Begins::Word))
            .unwrap_or(base),
    )
}

/// Where the context after a core ends, or `None` if the run does not reach that far.
fn context_end(run: Run<'_>, core_end: usize, geometry: &Geometry) -> Option<usize> {
    let len = run.ids.len();
    let base = core_end + geometry.context;
    let furthest = base + geometry.reach;
    if furthest >= len {
        return run.to_end.then_some(len);
    }
    let begins = |kind: Begins| (base..=furthest).find(|&at| run.begins[at] <= kind);
    Some(
        begins(Begins::Sentence)
            .or_else(|| begins(Begins::Word))
            .unwrap_or(base),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A text of paragraphs of sentences of words, by a seed.
    fn text(seed: u64, len: usize) -> (Vec<u32>, Vec<Begins>) {
        let mut state = seed | 1;
        let mut next = move |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        (0..len)
            .map(|_| {
                let begins = match next(100) {
                    0 => Begins::Block,
                    1..=6 => Begins::Sentence,
                    7..=75 => Begins::Word,
                    _ => Begins::Piece,
                };
                (next(5_000) as u32, begins)
            })
            .unzip()
    }

    fn whole<'a>(ids: &'a [u32], begins: &'a [Begins]) -> Run<'a> {
        Run {
            ids,
            begins,
            from_start: true,
            to_end: true,
            milestones: &[],
        }
    }

    /// What a window is to the model and to its reader, wherever it stands.
    fn content(ids: &[u32], window: &Window) -> (Vec<u32>, usize, usize) {
        (
            ids[window.reads.clone()].to_vec(),
            window.core.start - window.reads.start,
            window.core.len(),
        )
    }

    /// Whether the law holds without its exception.
    fn none_is_cut_for_length(run: Run<'_>, geometry: &Geometry) -> bool {
        borders(run, geometry)
            .windows(2)
            .all(|pair| pair[1] - pair[0] <= geometry.longest_core)
    }

    #[test]
    fn a_text_that_fits_is_one_window() {
        let geometry = Geometry::for_positions(512);
        for len in [1, 509, 510] {
            let (ids, begins) = text(1, len);
            let windows = plan(whole(&ids, &begins), 0..len, &geometry).unwrap();
            assert_eq!(
                windows,
                [Window {
                    reads: 0..len,
                    core: 0..len
                }]
            );
        }
        assert_eq!(plan(whole(&[], &[]), 0..0, &geometry), Some(Vec::new()));
    }

    #[test]
    fn monotonous_text_is_cut_into_few_kinds_of_window() {
        let geometry = Geometry::for_positions(512);
        let (ids, begins) = (vec![7; 20_000], vec![Begins::Word; 20_000]);
        let windows = plan(whole(&ids, &begins), 0..ids.len(), &geometry).unwrap();
        let kinds: std::collections::HashSet<_> =
            windows.iter().map(|window| content(&ids, window)).collect();
        assert!(
            windows.len() < 150 && kinds.len() < 6,
            "{} windows of {} kinds",
            windows.len(),
            kinds.len()
        );
    }

    #[test]
    fn a_core_that_is_too_long_ends_before_a_long_word_rather_than_in_it() {
        let geometry = Geometry::for_positions(64);
        let len = geometry.longest_core + 10;
        let ids: Vec<u32> = (0..len as u32).collect();
        let mut begins = vec![Begins::Piece; len];
        begins[0] = Begins::Block;
        begins[5] = Begins::Word;
        let cores = bounded(whole(&ids, &begins), 0..len, &geometry);
        assert_eq!(cores[0], 0..5);
        assert_eq!(cores[cores.len() - 1].end, len);
        assert!(cores.iter().all(|core| core.len() <= geometry.longest_core));
    }

    #[test]
    fn windows_of_a_512_position_model_are_of_a_reasonable_size() {
        let geometry = Geometry::for_positions(512);
        let (ids, begins) = text(3, 40_000);
        let windows = plan(whole(&ids, &begins), 0..ids.len(), &geometry).unwrap();
        let read: usize = windows.iter().map(|window| window.reads.len()).sum();
        let mean_core = ids.len() / windows.len();
        assert!((90..200).contains(&mean_core), "mean core {mean_core}");
        let borders = borders(whole(&ids, &begins), &geometry);
        let cut = borders
            .windows(2)
            .filter(|pair| pair[1] - pair[0] > geometry.longest_core)
            .count();
        assert!(
            cut * 100 <= borders.len(),
            "{cut} of {} cores are cut for length",
            borders.len()
        );
        assert!(
            read < ids.len() * 5 / 2,
            "reads {read} tokens for {}",
            ids.len()
        );
    }

    #[test]
    fn what_is_cut_for_length_is_cut_where_a_sentence_begins_near_the_even_place() {
        let geometry = Geometry::for_tiles(120);
        // Twice what fits, which two windows could only hold if they were cut in the middle.
        let ids: Vec<u32> = (0..240).collect();
        let mut begins = vec![Begins::Word; 240];
        for at in [20, 88, 155] {
            begins[at] = Begins::Sentence;
        }
        let parts = evenly(whole(&ids, &begins), 0..240, &geometry);
        assert_eq!(parts, [0..88, 88..155, 155..240]);
    }

    #[test]
    fn tiles_begin_with_paragraphs_where_there_are_any() {
        let (ids, mut begins) = text(5, 6_000);
        for (at, begins) in begins.iter_mut().enumerate() {
            *begins = if at % 60 == 0 {
                Begins::Block
            } else {
                (*begins).max(Begins::Sentence)
            };
        }
        let tiles = tiles(whole(&ids, &begins), 510);
        assert!((12..40).contains(&tiles.len()), "{}", tiles.len());
        for tile in tiles {
            assert_eq!(begins[tile.start], Begins::Block, "{tile:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn cores_tile_the_text_and_windows_fit(seed: u64, len in 0usize..3_000, positions in 16usize..600) {
            let geometry = Geometry::for_positions(positions);
            let (ids, begins) = text(seed, len);
            let windows = plan(whole(&ids, &begins), 0..len, &geometry).unwrap();
            let mut at = 0;
            for window in &windows {
                prop_assert_eq!(window.core.start, at);
                prop_assert!(window.core.end > at);
                prop_assert!(window.reads.len() <= geometry.capacity, "{:?} of {:?}", window, geometry);
                prop_assert!(window.reads.start <= window.core.start.saturating_sub(geometry.context));
                prop_assert!(window.reads.end >= (window.core.end + geometry.context).min(len) || windows.len() == 1);
                at = window.core.end;
            }
            prop_assert_eq!(at, len);
        }

        #[test]
        fn tiles_hold_the_text_and_none_is_a_sliver(seed: u64, len in 0usize..3_000, capacity in 1usize..600, monotonous: bool) {
            let (mut ids, mut begins) = text(seed, len);
            if monotonous {
                ids.fill(7);
                begins.fill(Begins::Word);
            }
            let tiles = tiles(whole(&ids, &begins), capacity);
            let mut at = 0;
            for tile in &tiles {
                prop_assert_eq!(tile.start, at);
                prop_assert!(tile.len() <= capacity, "{:?}", tile);
                prop_assert!(tile.len() >= capacity / 3 || tiles.len() == 1, "{:?}", tile);
                at = tile.end;
            }
            prop_assert_eq!(at, len);
        }

        #[test]
        fn an_edit_moves_the_tiles_near_it_alone(seed: u64, at in 0usize..8_000, come in 1usize..30) {
            let capacity = 510;
            let (ids, begins) = text(seed, 8_000);
            let (new_ids, new_begins) = text(seed ^ 0xabcdef, come);
            let (mut edited_ids, mut edited_begins) = (ids.clone(), begins.clone());
            edited_ids.splice(at..at, new_ids);
            edited_begins.splice(at..at, new_begins);
            let read = |ids: &[u32], begins: &[Begins]| -> std::collections::HashSet<Vec<u32>> {
                let tiles = tiles(whole(ids, begins), capacity);
                tiles.into_iter().map(|tile| ids[tile].to_vec()).collect()
            };
            let before = read(&ids, &begins);
            let fresh = read(&edited_ids, &edited_begins).difference(&before).count();
            // Two borders around it, one more that it beats, and what is cut for length between them.
            prop_assert!(fresh <= 8, "{} of {}", fresh, before.len());
        }

        #[test]
        fn windows_for_answers_fit_beside_the_question_and_share_enough(
            seed: u64, len in 0usize..3_000, positions in 8usize..600, question in 0.0..1.0f64,
        ) {
            let question = (question * (positions / 3) as f64) as usize;
            let geometry = Geometry::for_answers(positions, question);
            let (ids, begins) = text(seed, len);
            let windows = plan(whole(&ids, &begins), 0..len, &geometry).unwrap();
            for window in &windows {
                prop_assert!(1 + question + 1 + window.reads.len() < positions, "{:?}", window);
            }
            for pair in windows.windows(2) {
                let reaches = pair[0].reads.end >= (pair[0].core.end + geometry.context).min(len);
                let begins = pair[1].reads.start <= pair[1].core.start.saturating_sub(geometry.context);
                prop_assert!(reaches && begins, "{:?}", pair);
            }
            if positions >= 24 {
                prop_assert!(2 * geometry.context + 1 >= 128.min(positions / 3), "{:?}", geometry);
            }
        }

        #[test]
        fn a_stretch_is_planned_like_the_whole(
            seed: u64, len in 600usize..6_000, a in 0.0..1.0f64, b in 0.0..1.0f64, margin in 0usize..500,
        ) {
            let geometry = Geometry::for_positions(128);
            let (ids, begins) = text(seed, len);
            let windows = plan(whole(&ids, &begins), 0..len, &geometry).unwrap();
            let (from, to) = ((a.min(b) * len as f64) as usize, (a.max(b) * len as f64) as usize);
            let stretch = from.saturating_sub(margin)..(to + margin).min(len);
            let run = Run {
                ids: &ids[stretch.clone()],
                begins: &begins[stretch.clone()],
                from_start: stretch.start == 0,
                to_end: stretch.end == len,
                milestones: &[],
            };
            if let Some(part) = plan(run, from - stretch.start..to - stretch.start, &geometry) {
                let part: Vec<_> = part
                    .iter()
                    .map(|w| Window {
                        reads: w.reads.start + stretch.start..w.reads.end + stretch.start,
                        core: w.core.start + stretch.start..w.core.end + stretch.start,
                    })
                    .collect();
                let wanted: Vec<_> = windows.iter().filter(|w| (from..to).contains(&w.core.start)).cloned().collect();
                prop_assert_eq!(part, wanted);
            }
        }

        #[test]
        fn text_without_borders_is_planned_between_milestones(
            seed: u64, len in 3_000usize..6_000, monotonous in 0usize..3_000, every in 150usize..900,
            // Small ones bring the limits of what is seen close to where it matters.
            lookback in prop_oneof![0usize..60, 0usize..700],
            margin in prop_oneof![0usize..40, 0usize..300],
        ) {
            let geometry = Geometry::for_positions(128);
            let (mut ids, mut begins) = text(seed, len);
            // Any stretch of equal tokens, often longer than what a region looks at.
            let from = seed as usize % (len - monotonous);
            ids[from..from + monotonous].fill(7);
            begins[from..from + monotonous].fill(Begins::Block);
            let milestone = |at: usize| Milestone { at, since: at.saturating_sub(lookback) };
            let milestones: Vec<_> = (1..).map(|n| n * every).take_while(|&at| at < len).map(milestone).collect();
            let run = Run { milestones: &milestones, ..whole(&ids, &begins) };
            let windows = plan(run, 0..len, &geometry).unwrap();

            let mut planned = Vec::new();
            for start in (0..len).step_by(every) {
                let end = (start + every).min(len);
                // With `margin` on both sides it may be decided or not, but never be decided otherwise.
                let planned_with = |margin: usize| {
                    let stretch = start.saturating_sub(lookback + margin)..(end + margin).min(len);
                    let near: Vec<_> = milestones
                        .iter()
                        .filter(|m| m.since >= stretch.start && m.at >= start && m.at < stretch.end)
                        .map(|m| Milestone { at: m.at - stretch.start, since: m.since - stretch.start })
                        .collect();
                    let run = Run {
                        ids: &ids[stretch.clone()],
                        begins: &begins[stretch.clone()],
                        from_start: stretch.start == 0,
                        to_end: stretch.end == len,
                        milestones: &near,
                    };
                    let windows = plan(run, start - stretch.start..end - stretch.start, &geometry)?;
                    let place = |range: &Range<usize>| range.start + stretch.start..range.end + stretch.start;
                    let place = |w: &Window| Window { reads: place(&w.reads), core: place(&w.core) };
                    Some(windows.iter().map(place).collect::<Vec<_>>())
                };
                // What is always enough: on one side the stretch before this milestone, on the other the
                // first milestone that no border seen from here can make needless.
                let Some(part) = planned_with(every + lookback + 200) else {
                    return Err(TestCaseError::fail(format!("{start}..{end} is not decided")));
                };
                if let Some(early) = planned_with(margin) {
                    prop_assert_eq!(&early, &part);
                }
                planned.extend(part);
            }
            prop_assert_eq!(planned, windows);
        }

        #[test]
        fn an_edit_changes_only_the_windows_that_read_it(
            seed: u64, at in 0usize..4_000, removed in 0usize..30, inserted in 0usize..30,
        ) {
            let geometry = Geometry::for_positions(512);
            let (ids, begins) = text(seed, 5_000);
            let (new_ids, new_begins) = text(seed ^ 0xabcdef, inserted);
            let (mut edited_ids, mut edited_begins) = (ids.clone(), begins.clone());
            edited_ids.splice(at..at + removed, new_ids);
            edited_begins.splice(at..at + removed, new_begins);

            let before = plan(whole(&ids, &begins), 0..ids.len(), &geometry).unwrap();
            let after = plan(whole(&edited_ids, &edited_begins), 0..edited_ids.len(), &geometry).unwrap();
            prop_assume!(none_is_cut_for_length(whole(&ids, &begins), &geometry));
            prop_assume!(none_is_cut_for_length(whole(&edited_ids, &edited_begins), &geometry));
            let known: std::collections::HashSet<_> = before.iter().map(|w| content(&ids, w)).collect();
            for window in &after {
                // Where a context breaks off in a sentence, it looked for that sentence's ends within reach;
                // without one on the way, those tokens are of a paragraph that it reads.
                let reads_the_edit = window.reads.start <= at + inserted + geometry.reach
                    && window.reads.end + geometry.reach >= at;
                if !reads_the_edit {
                    prop_assert!(known.contains(&content(&edited_ids, window)), "{:?} is new", window);
                }
            }
        }
    }
}
