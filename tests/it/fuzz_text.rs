//! The fuzz targets for text as property tests, on texts made of what each format gives a meaning to.
//! `PROPTEST_CASES=100000 cargo test fuzz_text` runs more of them.

use proptest::prelude::*;

#[path = "../fuzz/fuzz_targets/text.rs"]
mod text;

/// What texts are made of.
const PARTS: &[&str] = &[
    "the boats wait",
    "don't",
    "naïve",
    "四五",
    "🙂",
    "e\u{301}",
    "\u{feff}",
    "\u{200b}",
    "\u{202e}",
    "\0",
    "\x1b[31m",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "\t",
    "\u{85}",
    "\u{2028}",
    "# ",
    "## ",
    "- ",
    "1. ",
    "> ",
    "| a | b |\n|---|---|\n",
    "`",
    "``",
    "```\n",
    "~~~\n",
    "    ",
    "*",
    "**",
    "_",
    "[a](b)",
    "![",
    "](",
    ")",
    "<b>",
    "</b>",
    "<!-- ",
    " -->",
    "<",
    ">",
    "&rsquo;",
    "&shy;",
    "&#x41;",
    "&",
    ";",
    "$",
    "$$\n",
    "---\n",
    "+++\n",
    "[^1]",
    "[^1]: ",
    "import a from 'b'\n",
    "export const a = 1\n",
    "{",
    "}",
    "{/* a */}",
    "<A b={1}>",
    "</A>",
    "<>",
    "</>",
    "http://a.b/c",
    "{{ a }}",
    "{% a %}",
    ".",
    "!",
    "?",
    ",",
    ":",
    "\"",
    "'",
    "\\",
    ".. code::\n\n",
    "::\n",
    "\\begin{a}",
    "\\end{a}",
    "#+BEGIN_SRC\n",
    "#+END_SRC\n",
    "= ",
    "==\n",
    "----\n",
    "//",
    "/*",
    "*/",
    "%",
];

fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        9 => prop::sample::select(PARTS).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn every_format_keeps_its_spans_on_borders_of_characters(text in texts()) {
        text::prose(&text);
    }

    #[test]
    fn words_and_sentences_begin_in_order(text in texts()) {
        text::words(&text);
    }

    #[test]
    fn rows_tile_every_text_at_every_width(text in texts(), width in 2u16..200) {
        text::wrap(&text, width);
    }
}
