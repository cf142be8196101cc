//! Which examples form a batch, and the order of the batches.
//!
//! Both depend only on the lengths of the examples, a seed and the number of the epoch, so that a
//! resumed training has the batches that an uninterrupted one has. Padding costs as much as text, so
//! examples of similar length share a batch; the sorting is limited to pools, because otherwise the
//! same examples would meet in every epoch.

use candle_core::Device;

use electroscope_model::nn::electra::Batch;

use super::Error;
use super::example::Example;
use super::rng::SeededRng;

/// Batches in a pool; examples are sorted by length within a pool. The reference uses 50, too.
const POOL: usize = 50;

/// The random stream of the batch order, which no other use of the seed shares.
const STREAM: u64 = u64::from_be_bytes(*b"batches\0");

/// The batches of an epoch, as indices of the examples, which have these `lengths`. Every example is
/// in one batch, and all batches but at most one have `size` examples.
///
/// Examples are shuffled and divided into pools, each pool is sorted by length and cut into batches,
/// and the batches are shuffled.
pub fn batches(lengths: &[usize], size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let size = size.max(1);
    let mut rng = SeededRng::new(seed, STREAM ^ epoch);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    rng.shuffle(&mut order);
    let length = |example: usize| lengths.get(example).copied().unwrap_or_default();
    let mut batches: Vec<Vec<usize>> = Vec::with_capacity(order.len().div_ceil(size));
    for pool in order.chunks_mut(size.saturating_mul(POOL)) {
        // The sort is stable: examples of equal length stay shuffled.
        pool.sort_by_key(|&example| std::cmp::Reverse(length(example)));
        let short = partial_batch_at(pool, size, &length);
        let (before, rest) = pool.split_at(short * size);
        let (short, after) = rest.split_at(pool.len() % size);
        batches.extend(before.chunks(size).map(<[usize]>::to_vec));
        if !short.is_empty() {
            batches.push(short.to_vec());
        }
        batches.extend(after.chunks(size).map(<[usize]>::to_vec));
    }
    rng.shuffle(&mut batches);
    batches
}

/// The place of the partial batch in a pool, which is sorted by length, that needs the least padding.
/// Always at the end, it could join one long example with many short ones.
fn partial_batch_at(pool: &[usize], size: usize, length: &impl Fn(usize) -> usize) -> usize {
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

/// The tensors of some examples, padded to the longest. Segment ids are 0 unless the model
/// `has_segments`.
///
/// # Errors
///
/// Those of the tensor operations.
pub fn collate(
    examples: &[&Example],
    pad_id: u32,
    has_segments: bool,
    device: &Device,
) -> Result<Batch, Error> {
    let windows: Vec<(&[u32], usize)> = (examples.iter())
        .map(|example| {
            let ids = example.input.ids.as_slice();
            let second = if has_segments {
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

    /// The tokens that some batches take, padding included.
    fn padded_tokens<'a>(batches: impl Iterator<Item = &'a [usize]>, lengths: &[usize]) -> usize {
        let cost = |batch: &[usize]| {
            let longest = batch.iter().map(|&example| lengths[example]).max();
            batch.len() * longest.unwrap_or(0)
        };
        batches.map(cost).sum()
    }

    proptest! {
        #[test]
        fn every_example_is_in_one_batch_and_all_batches_but_one_are_full(
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
        fn sorting_never_adds_padding(
            lengths in prop::collection::vec(1usize..200, 1..700), size in 1usize..40, seed: u64, epoch: u64,
        ) {
            let mut order: Vec<usize> = (0..lengths.len()).collect();
            SeededRng::new(seed, STREAM ^ epoch).shuffle(&mut order);
            let unsorted = padded_tokens(order.chunks(size), &lengths);
            let batches = batches(&lengths, size, seed, epoch);
            let sorted = padded_tokens(batches.iter().map(Vec::as_slice), &lengths);
            prop_assert!(sorted <= unsorted, "{} > {}", sorted, unsorted);
        }
    }

    #[test]
    fn padding_is_under_five_percent() {
        let lengths: Vec<usize> = (0..4_000).map(|at| 5 + (at * 7_919) % 120).collect();
        let batches = batches(&lengths, 32, 1, 0);
        let computed = padded_tokens(batches.iter().map(Vec::as_slice), &lengths);
        let needed: usize = lengths.iter().sum();
        assert!(
            (computed - needed) as f64 <= 0.05 * needed as f64,
            "{computed} for {needed}"
        );
    }

    #[test]
    fn the_order_depends_on_seed_and_epoch_only() {
        let lengths: Vec<usize> = (0..300).map(|at| at % 17).collect();
        let first = batches(&lengths, 8, 1, 0);
        assert_eq!(batches(&lengths, 8, 1, 0), first);
        assert_ne!(batches(&lengths, 8, 1, 1), first);
        assert_ne!(batches(&lengths, 8, 2, 0), first);
        assert_eq!(batches(&[], 8, 1, 0), Vec::<Vec<usize>>::new());
        assert_eq!(batches(&[3, 3], 0, 1, 0).len(), 2);
    }

    #[test]
    fn a_batch_is_padded_to_its_longest_and_has_segment_ids_if_the_model_does() {
        let example = |ids: &[u32], second| Example {
            input: HeadInput {
                ids: ids.to_vec(),
                second,
            },
            target: Target::Label(0),
        };
        let (pair, single) = (example(&[1, 2, 3, 4, 3], 3), example(&[1, 2, 3], 3));
        for (has_segments, second) in [(true, 1u32), (false, 0)] {
            let batch = collate(&[&pair, &single], 9, has_segments, &Device::Cpu).unwrap();
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
