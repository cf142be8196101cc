//! Where sentences begin.

/// Byte offsets in `text` at which a sentence starts, the first (0) included, in order.
pub fn sentences(text: &str) -> Vec<usize> {
    let _ = text;
    vec![0]
}
