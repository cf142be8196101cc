//! What windows said, remembered by what they read.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

/// What a window reads and is asked: a 128-bit hash, so that two different windows with the same
/// key are not to be expected in the lifetime of all computers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

impl Key {
    /// The key of the window that reads `ids` and is asked about `core`, a range of them.
    pub(super) fn new(ids: &[u32], core: std::ops::Range<usize>) -> Key {
        let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
        hash.update(&(core.start as u64).to_le_bytes());
        hash.update(&(core.end as u64).to_le_bytes());
        for id in ids {
            hash.update(&id.to_le_bytes());
        }
        Key(hash.digest128())
    }
}

/// The answers of the windows used last: p for each token of the core.
pub(super) struct Cache {
    answers: LruCache<Key, Arc<[f32]>>,
}

impl Cache {
    /// Windows remembered: about 16 MB of answers, or 4 million tokens of text.
    const CAPACITY: NonZeroUsize = NonZeroUsize::new(1 << 15).unwrap();

    pub(super) fn new() -> Cache {
        Cache {
            answers: LruCache::new(Cache::CAPACITY),
        }
    }

    pub(super) fn get(&mut self, key: Key) -> Option<Arc<[f32]>> {
        self.answers.get(&key).map(Arc::clone)
    }

    pub(super) fn put(&mut self, key: Key, answer: Arc<[f32]>) {
        self.answers.put(key, answer);
    }

    pub(super) fn clear(&mut self) {
        self.answers.clear();
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
}
