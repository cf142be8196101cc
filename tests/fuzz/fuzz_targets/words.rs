#![no_main]

#[path = "text.rs"]
#[allow(dead_code)]
mod text;

libfuzzer_sys::fuzz_target!(|data: &str| {
    text::words(data);
});
