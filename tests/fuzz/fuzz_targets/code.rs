#![no_main]

use electroscope_text::{CodeLanguage, Language};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for language in [
        CodeLanguage::Rust,
        CodeLanguage::Python,
        CodeLanguage::JavaScript,
        CodeLanguage::Go,
        CodeLanguage::C,
        CodeLanguage::Java,
        CodeLanguage::Shell,
    ] {
        electroscope_fuzz::read_text(data, Language::Code(language));
    }
});
