//! Buffers that are used again.
//!
//! What an allocator gives for many megabytes is new to the process each time, and the system clears
//! it page by page as it is written: in a step of training that takes a quarter of the time of all
//! arithmetic. So a step leaves its buffers for the next one.

use std::sync::{Mutex, PoisonError};

/// Buffers that one step leaves for the next: as many as were ever used at once.
#[derive(Debug, Default)]
pub struct BufferPool(Mutex<Vec<Vec<f32>>>);

impl BufferPool {
    /// An empty buffer with room for `count` numbers.
    pub(crate) fn empty(&self, count: usize) -> Vec<f32> {
        let mut buffer = self
            .closest(count)
            .unwrap_or_else(|| Vec::with_capacity(count));
        buffer.clear();
        buffer
    }

    /// A buffer of `count` numbers, whichever they are.
    pub(crate) fn filled(&self, count: usize) -> Vec<f32> {
        let mut buffer = self.closest(count).unwrap_or_else(|| vec![0.0; count]);
        buffer.resize(count, 0.0);
        buffer
    }

    /// Leaves buffers to be used again.
    pub(crate) fn give(&self, buffers: impl IntoIterator<Item = Vec<f32>>) {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pool.extend(buffers.into_iter().filter(|buffer| buffer.capacity() > 0));
    }

    /// The smallest buffer with room for `count` numbers. Where there is none, the largest is dropped
    /// for the one that will be made in its place, so that there are never more than were used at once.
    fn closest(&self, count: usize) -> Option<Vec<f32>> {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = pool.iter().enumerate();
        let fit = (all.clone().filter(|(_, buffer)| buffer.capacity() >= count))
            .min_by_key(|(_, buffer)| buffer.capacity());
        if let Some((at, _)) = fit {
            return Some(pool.swap_remove(at));
        }
        let largest = all.max_by_key(|(_, buffer)| buffer.capacity());
        if let Some((at, _)) = largest {
            drop(pool.swap_remove(at));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_the_size_that_is_asked_for_whatever_was_in_it() {
        let pool = BufferPool::default();
        pool.give([vec![1.0; 10], Vec::new(), vec![2.0; 1000]]);
        for count in [0, 5, 10, 500, 1000, 2000] {
            assert_eq!(pool.filled(count).len(), count);
            let buffer = pool.empty(count);
            assert!(buffer.is_empty() && buffer.capacity() >= count);
            pool.give([buffer]);
        }
    }
}
