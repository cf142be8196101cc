//! The first byte is the width, the rest is the text.
#![no_main]

#[path = "text.rs"]
#[allow(dead_code)]
mod text;

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| {
    text::wrap(input.1, u16::from(input.0.max(2)));
});
