//! Which windows the model must read, in what order and in what company.
//!
//! What is remembered is not read again, what stands twice is read once, and between two calls of
//! the model the work can end. What is read and what it means is the caller's business; hence the
//! same for scoring and for every kind of head.

use std::collections::HashMap;
use std::sync::Arc;

use electroscope_model::Error;

use super::cache::{Cache, Key, Said};

/// Tokens that a head reads in one call. More would not be faster on a CPU, and between calls is where
/// newer work is noticed.
pub(super) const BATCH: usize = 2048;

/// How many windows some work took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Windows that the model read.
    pub computed: usize,
    /// Windows that were remembered, or stood twice in the text.
    pub cached: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.computed += other.computed;
        self.cached += other.cached;
    }
}

/// A window that somebody wants read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    /// What it reads and is asked.
    pub(super) key: Key,
    /// How many tokens it reads, special ones included.
    pub(super) tokens: usize,
    /// How far it is from where somebody looks; the same for all where nobody does.
    pub(super) distance: usize,
}

/// How the passes of one piece of work are made.
pub(super) struct Passes<'a> {
    /// Tokens that the model reads in one call.
    pub(super) batch: usize,
    /// Whether somebody waits for a place.
    pub(super) is_watched: bool,
    /// Asked between calls of the model; once it says yes the work ends there.
    pub(super) is_stale: &'a dyn Fn() -> bool,
}

impl Passes<'_> {
    /// Finds the answer to each of `passes`, and hands it to `emit` with the number of the pass as
    /// soon as it is known: first what `cache` remembers, in order, then what `compute` makes of
    /// those passes that it is given the numbers of. Says whether it came to the end.
    ///
    /// # Errors
    ///
    /// Those of `compute`; what was read before is remembered.
    pub(super) fn make<T>(
        &self,
        passes: &[Pass],
        cache: &mut Cache<[T]>,
        counts: &mut Counts,
        mut compute: impl FnMut(&[usize]) -> Result<Vec<Said<T>>, Error>,
        mut emit: impl FnMut(usize, &Said<T>),
    ) -> Result<bool, Error> {
        // Windows that are to be computed, by what they read; a text may say the same thing twice.
        let mut waiting: HashMap<Key, Vec<usize>> = HashMap::new();
        let mut order: Vec<(usize, &Pass)> = Vec::new();
        for (at, pass) in passes.iter().enumerate() {
            if let Some(answer) = cache.get(pass.key) {
                counts.cached += 1;
                emit(at, &answer);
                continue;
            }
            let twins = waiting.entry(pass.key).or_default();
            if twins.is_empty() {
                order.push((at, pass));
            } else {
                counts.cached += 1;
            }
            twins.push(at);
        }

        // Where nobody waits for a place, windows of one length go together, which spares padding.
        order.sort_by_key(|(_, pass)| (pass.distance, pass.tokens));
        // Where somebody waits, a window for each thread: the next ones can be shown before the last
        // ones are read, and newer work is noticed sooner.
        let most = if self.is_watched {
            rayon::current_num_threads()
        } else {
            usize::MAX
        };
        let mut order = order.as_slice();
        while !order.is_empty() {
            if (self.is_stale)() {
                return Ok(false);
            }
            let mut read = 0;
            let fit = order.iter().take_while(|(_, pass)| {
                read += pass.tokens;
                read <= self.batch
            });
            let (batch, rest) = order.split_at(fit.take(most).count().max(1));
            order = rest;
            let numbers: Vec<usize> = batch.iter().map(|&(at, _)| at).collect();
            let answers = compute(&numbers)?;
            counts.computed += batch.len();
            for ((_, pass), answer) in batch.iter().zip(answers) {
                cache.put(pass.key, Arc::clone(&answer));
                for &twin in waiting.get(&pass.key).into_iter().flatten() {
                    emit(twin, &answer);
                }
            }
        }
        Ok(true)
    }
}
