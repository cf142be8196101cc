//! Which examples go through the model together, and in what order.
//!
//! A pure function of the lengths, a seed and the number of the epoch: whoever goes on with a
//! training that was interrupted finds the batches where they were. Padding is computed like
//! anything else, so examples of like length are put together; not all too strictly, or the same
//! ones would meet in every epoch.

use candle_core::Device;

use electroscope_model::chance::Chance;
use electroscope_model::nn::electra::Batch;

use super::Error;
use super::example::Example;

/// How many batches are sorted by length among themselves. The reference takes 50, too.
const POOL: usize = 50;

/// What is shuffled has numbers of its own, apart from those of the weights and of what is dropped.
const STREAM: u64 = u64::from_be_bytes(*b"batches\0");

/// The batches of an epoch, as the numbers of the examples, which have these `lengths`. Every example
/// is in one of them, and all have `size` but perhaps one.
///
/// Examples are shuffled and dealt into pools; in each pool those of like length go together, and
/// then the batches are shuffled.
pub fn batches(lengths: &[usize], size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let size = size.max(1);
    let mut chance = Chance::new(seed, STREAM ^ epoch);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    chance.shuffle(&mut order);
    let length = |example: usize| lengths.get(example).copied().unwrap_or_default();
    let mut batches: Vec<Vec<usize>> = Vec::with_capacity(order.len().div_ceil(size));
    for pool in order.chunks_mut(size.saturating_mul(POOL)) {
        // Equals stay as they were shuffled.
        pool.sort_by_key(|&example| std::cmp::Reverse(length(example)));
        let short = shortest_at(pool, size, &length);
        let (before, rest) = pool.split_at(short * size);
        let (short, after) = rest.split_at(pool.len() % size);
        batches.extend(before.chunks(size).map(<[usize]>::to_vec));
        if !short.is_empty() {
            batches.push(short.to_vec());
        }
        batches.extend(after.chunks(size).map(<[usize]>::to_vec));
    }
    chance.shuffle(&mut batches);
    batches
}

/// After how many batches of a pool, which is sorted by length, the one comes that is not full, so
/// that least is padded. At the end, it would leave a long example to pad short ones beside it.
fn shortest_at(pool: &[usize], size: usize, length: &impl Fn(usize) -> usize) -> usize {
    let rest = pool.len() % size;
    let full = pool.len() / size;
    if rest == 0 {
        return full;
    }
    let at = |place: usize| pool.get(place).map_or(0, |&example| length(example));
    let cost = |short: usize| -> usize {
        let before: usize = (0..short).map(|batch| size * at(batch * size)).sum();
        let after: usize = (short..full)
            .map(|batch| size * at(batch * size + rest))
            .sum();
        before + rest * at(short * size) + after
    };
    (0..=full).min_by_key(|&short| cost(short)).unwrap_or(full)
}

/// The tensors of some examples, the shorter ones padded. Segments are told apart if the model
/// `knows_pairs`.
///
/// # Errors
///
/// Those of making tensors.
pub fn collate(
    examples: &[&Example],
    pad_id: u32,
    knows_pairs: bool,
    device: &Device,
) -> Result<Batch, Error> {
    let windows: Vec<(&[u32], usize)> = (examples.iter())
        .map(|example| {
            let ids = example.input.ids.as_slice();
            let second = if knows_pairs {
                example.input.second
            } else {
                ids.len()
            };
            (ids, second)
        })
        .collect();
    Ok(Batch::pairs(&windows, pad_id, device)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::Target;
    use electroscope_model::HeadInput;
    use proptest::prelude::*;

    /// What is computed for some batches, padding included.
    fn computed<'a>(batches: impl Iterator<Item = &'a [usize]>, lengths: &[usize]) -> usize {
        let cost = |batch: &[usize]| {
            let longest = batch.iter().map(|&example| lengths[example]).max();
            batch.len() * longest.unwrap_or(0)
        };
        batches.map(cost).sum()
    }

    proptest! {
        #[test]
        fn every_example_comes_once_in_an_epoch_and_batches_are_full(
            lengths in prop::collection::vec(1usize..200, 0..700), size in 1usize..40, seed: u64, epoch: u64,
        ) {
            let batches = batches(&lengths, size, seed, epoch);
            prop_assert_eq!(batches.len(), lengths.len().div_ceil(size));
            let full = batches.iter().filter(|batch| batch.len() == size).count();
            prop_assert_eq!(full, lengths.len() / size);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        }

        #[test]
        fn no_more_is_padded_than_without_sorting(
            lengths in prop::collection::vec(1usize..200, 1..700), size in 1usize..40, seed: u64, epoch: u64,
        ) {
            let mut order: Vec<usize> = (0..lengths.len()).collect();
            Chance::new(seed, STREAM ^ epoch).shuffle(&mut order);
            let unsorted = computed(order.chunks(size), &lengths);
            let batches = batches(&lengths, size, seed, epoch);
            let sorted = computed(batches.iter().map(Vec::as_slice), &lengths);
            prop_assert!(sorted <= unsorted, "{} > {}", sorted, unsorted);
        }
    }

    #[test]
    fn most_padding_is_saved() {
        let lengths: Vec<usize> = (0..4_000).map(|at| 5 + (at * 7_919) % 120).collect();
        let batches = batches(&lengths, 32, 1, 0);
        let computed = computed(batches.iter().map(Vec::as_slice), &lengths);
        let needed: usize = lengths.iter().sum();
        assert!(
            (computed - needed) as f64 <= 0.05 * needed as f64,
            "{computed} for {needed}"
        );
    }

    #[test]
    fn the_order_follows_from_seed_and_epoch() {
        let lengths: Vec<usize> = (0..300).map(|at| at % 17).collect();
        let first = batches(&lengths, 8, 1, 0);
        assert_eq!(batches(&lengths, 8, 1, 0), first);
        assert_ne!(batches(&lengths, 8, 1, 1), first);
        assert_ne!(batches(&lengths, 8, 2, 0), first);
        assert_eq!(batches(&[], 8, 1, 0), Vec::<Vec<usize>>::new());
        assert_eq!(batches(&[3, 3], 0, 1, 0).len(), 2);
    }

    #[test]
    fn a_batch_is_padded_to_its_longest_and_has_segments_where_they_are_known() {
        let example = |ids: &[u32], second| Example {
            input: HeadInput {
                ids: ids.to_vec(),
                second,
            },
            target: Target::Label(0),
        };
        let (pair, single) = (example(&[1, 2, 3, 4, 3], 3), example(&[1, 2, 3], 3));
        for (knows_pairs, second) in [(true, 1u32), (false, 0)] {
            let batch = collate(&[&pair, &single], 9, knows_pairs, &Device::Cpu).unwrap();
            assert_eq!(
                batch.ids.to_vec2::<u32>().unwrap(),
                [[1, 2, 3, 4, 3], [1, 2, 3, 9, 9]]
            );
            let segments = batch.segments.to_vec2::<u32>().unwrap();
            assert_eq!(segments[0], [0, 0, 0, second, second]);
            assert!(batch.mask.is_some());
        }
    }
}
