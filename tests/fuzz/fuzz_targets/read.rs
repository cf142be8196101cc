//! What every target does with its input: weights are opened and each tensor is read; of a text the prose
//! and the comments are found.

#[cfg(feature = "weights")]
use std::path::PathBuf;

#[cfg(feature = "weights")]
use electroscope_model::Weights;
use electroscope_text::{Document, Language, blocks, comments};

/// Opens the first of `files`, with the others beside it, and reads all the numbers. Any outcome is
/// right but a panic, a hang, or memory past libFuzzer's limit.
#[cfg(feature = "weights")]
pub fn read(files: &[(&str, &[u8])]) {
    for generator in [false, true] {
        let files = files
            .iter()
            .map(|(name, bytes)| (PathBuf::from(name), bytes.to_vec()))
            .collect();
        let Ok(weights) = Weights::held(files, generator) else {
            continue;
        };
        std::hint::black_box(weights.parameters());
        for name in weights.names() {
            let shape = weights.shape(name).expect("a listed tensor has a shape");
            std::hint::black_box(weights.numbers(name, shape).is_ok());
            std::hint::black_box(weights.number_type(name));
        }
    }
}

/// Finds the prose and the comments of a text. What holds for any text is that they lie in order on
/// character borders.
pub fn read_text(bytes: &[u8], language: Language) {
    let text = String::from_utf8_lossy(bytes);
    let document = Document::new("x", text.as_ref(), language);
    let mut at = 0;
    for segment in blocks(&document).iter().flat_map(|block| &block.segments) {
        assert!(segment.span.start() >= at && segment.span.of(&text).is_some());
        at = segment.span.end();
    }
    let mut at = 0;
    for comment in comments(&document) {
        assert!(comment.span.start() >= at && comment.body.of(&text).is_some());
        at = comment.span.end();
    }
}
