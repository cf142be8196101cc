//! Labelled data in JSON Lines: marked texts, rows of a table, questions.
#![no_main]

use electroscope_training::data::{spans, squad, table};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("electroscope-fuzz-{}.jsonl", std::process::id()));
    std::fs::write(&path, data).expect("the folder for temporary files takes one");
    std::hint::black_box(spans::read(&path).is_ok());
    std::hint::black_box(squad::read(&path, squad::Version::V2).is_ok());
    let columns = table::Columns {
        text: "text".to_owned(),
        pair: None,
        label: "label".to_owned(),
        separator: None,
        regression: false,
        delimiter: None,
    };
    std::hint::black_box(table::read(&path, &columns).is_ok());
});
