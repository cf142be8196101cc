//! Checks that no room of `src/` reaches into one it may not know.
//!
//! The table is the architecture. Change it in the commit that changes the map in `src/lib.rs`, or
//! not at all.

use std::path::Path;

/// A room, and the words that may not appear in it.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "text",
        &[
            "candle",
            "ratatui",
            "crossterm",
            "std::fs",
            "std::thread",
            "crate::model",
            "crate::analysis",
            "crate::training",
            "crate::report",
            "crate::worker",
            "crate::ui",
            "crate::cli",
        ],
    ),
    (
        "model",
        &[
            "ratatui",
            "crossterm",
            "crate::analysis",
            "crate::training",
            "crate::report",
            "crate::worker",
            "crate::ui",
            "crate::cli",
        ],
    ),
    (
        "analysis",
        &[
            "candle",
            "ratatui",
            "crossterm",
            "std::fs",
            "std::thread",
            "crate::training",
            "crate::report",
            "crate::worker",
            "crate::ui",
            "crate::cli",
        ],
    ),
    (
        "training",
        &[
            "ratatui",
            "crossterm",
            "crate::report",
            "crate::worker",
            "crate::ui",
            "crate::cli",
        ],
    ),
    (
        "report",
        &[
            "crate::training",
            "candle",
            "ratatui",
            "std::fs",
            "std::thread",
            "crate::worker",
            "crate::ui",
            "crate::cli",
        ],
    ),
    (
        "worker",
        &[
            "candle",
            "ratatui",
            "crate::training",
            "crate::ui",
            "crate::cli",
        ],
    ),
    (
        "ui",
        &[
            "candle",
            "crate::model",
            "crate::training",
            "std::fs",
            "crate::cli",
        ],
    ),
];

#[test]
fn rooms_keep_to_themselves() {
    let mut trespasses = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, words) in FORBIDDEN {
        visit(&source.join(room), &mut |path, code| {
            let found = words.iter().filter(|word| code.contains(**word));
            trespasses.extend(found.map(|word| format!("{} mentions {word}", path.display())));
        });
    }
    assert!(trespasses.is_empty(), "{}", trespasses.join("\n"));
}

/// Hands every file's code, without its comments and tests, to `look`.
fn visit(folder: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code: Vec<&str> = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            look(&path, &code.join("\n"));
        }
    }
}
