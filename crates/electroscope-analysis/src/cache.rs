//! What windows said, remembered by what they read; and the room that anything remembered may take.

use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use lru::LruCache;

/// What a window reads and is asked: a 128-bit hash, so that two different windows with the same
/// key are not to be expected in the lifetime of all computers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

impl Key {
    /// The key of the window that reads `ids` and is asked about `core`, a range of them.
    pub(super) fn new(ids: &[u32], core: Range<usize>) -> Key {
        let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
        hash.update(&(core.start as u64).to_le_bytes());
        hash.update(&(core.end as u64).to_le_bytes());
        for id in ids {
            hash.update(&id.to_le_bytes());
        }
        Key(hash.digest128())
    }
}

/// What a window said: a few numbers for all of it, or for each token that it was asked about.
pub(super) type Said<T> = Arc<[T]>;

/// What takes room where it is remembered.
pub(super) trait Weigh {
    /// About how many bytes it takes to remember.
    fn weight(&self) -> usize;
}

impl<T> Weigh for [T] {
    fn weight(&self) -> usize {
        /// The map's entry, its links, and the head of the shared slice with what the allocator adds.
        const ENTRY: usize = 128;
        ENTRY + size_of_val(self)
    }
}

/// What was used last, such as the answers of windows, by keys.
pub(super) struct Cache<V: ?Sized, K = Key> {
    known: LruCache<K, Arc<V>>,
    /// About how many bytes it takes.
    weight: usize,
    /// How many it may take.
    room: usize,
}

impl<V: Weigh + ?Sized, K: Hash + Eq> Cache<V, K> {
    /// A cache that may take `room` bytes.
    pub(super) fn new(room: usize) -> Cache<V, K> {
        Cache {
            known: LruCache::unbounded(),
            weight: 0,
            room,
        }
    }

    pub(super) fn get(&mut self, key: K) -> Option<Arc<V>> {
        self.known.get(&key).map(Arc::clone)
    }

    pub(super) fn put(&mut self, key: K, value: Arc<V>) {
        self.weight += value.weight();
        if let Some(before) = self.known.put(key, value) {
            self.weight -= before.weight();
        }
        self.make_room();
    }

    /// Sets how many bytes it may take.
    pub(super) fn set_room(&mut self, room: usize) {
        self.room = room;
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.weight > self.room
            && let Some((_, oldest)) = self.known.pop_lru()
        {
            self.weight -= oldest.weight();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.weight = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_read_the_same_but_are_asked_about_different_tokens_are_different() {
        let ids = [1, 2, 3, 4];
        let keys = [0..4, 0..3, 1..4, 1..3].map(|core| Key::new(&ids, core));
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key));
        }
        assert_eq!(Key::new(&ids, 1..3), keys[3]);
        assert_ne!(Key::new(&[1, 2, 3, 5], 1..3), keys[3]);
    }

    #[test]
    fn of_more_answers_than_there_is_room_for_the_last_used_stay() {
        let key = |n: u32| Key::new(&[n], 0..1);
        let answer = |n: u32| -> Said<f32> { vec![n as f32; 100].into() };
        let mut cache = Cache::new(3 * answer(0).weight());
        for n in 0..3 {
            cache.put(key(n), answer(n));
        }
        assert_eq!(cache.get(key(0)), Some(answer(0)));
        // Put again it is no second answer.
        cache.put(key(0), answer(0));
        cache.put(key(3), answer(3));
        assert_eq!(cache.get(key(1)), None);
        for n in [0, 2, 3] {
            assert_eq!(cache.get(key(n)), Some(answer(n)));
        }
        cache.clear();
        assert_eq!((cache.get(key(0)), cache.weight), (None, 0));
    }
}
