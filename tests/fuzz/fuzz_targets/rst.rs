#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    electroscope_fuzz::read_text(data, electroscope_text::Language::ReStructuredText);
});
