//! What holds for every format: its constructs by eye, and the laws of prose.

use std::path::Path;

use proptest::prelude::*;

use crate::{
    AsRead, BlockText, CodeLanguage, Document, Language, SegmentKind, Span, blocks, comments,
    is_punctuation, word_starts,
};

const LANGUAGES: [Language; 13] = [
    Language::ReStructuredText,
    Language::AsciiDoc,
    Language::Latex,
    Language::Org,
    Language::Typst,
    Language::Html,
    Language::Code(CodeLanguage::Rust),
    Language::Code(CodeLanguage::Python),
    Language::Code(CodeLanguage::JavaScript),
    Language::Code(CodeLanguage::Go),
    Language::Code(CodeLanguage::C),
    Language::Code(CodeLanguage::Java),
    Language::Code(CodeLanguage::Shell),
];

/// A document as a person would check it: what is read, block by block, with `⟨…⟩` around what is not
/// scored and `·` for a space that the source has otherwise; what is dimmed; the comments.
fn by_eye(document: &Document) -> String {
    let text: &str = &document.text;
    let blocks = blocks(document);
    let mut shown = String::new();
    for block in &blocks {
        for segment in &block.segments {
            let source = segment.span.of(text).unwrap();
            match segment.kind {
                SegmentKind::Prose => shown.push_str(source),
                SegmentKind::Context => shown.push_str(&format!("⟨{source}⟩")),
                SegmentKind::Entity(first, second) => {
                    shown.push(first);
                    shown.extend(second);
                }
                SegmentKind::Break => shown.push('·'),
            }
        }
        shown.push('\n');
    }
    shown.push_str("\n-- dimmed\n");
    let segments = blocks.iter().flat_map(|block| &block.segments);
    let mut read: Vec<Span> = segments
        .filter(|segment| segment.kind != SegmentKind::Break)
        .map(|segment| segment.span)
        .collect();
    read.push(Span::new(text.len(), text.len()));
    let mut at = 0;
    for span in read {
        let dimmed = text.get(at..span.start()).unwrap();
        let words: Vec<&str> = dimmed.split_whitespace().collect();
        if words.concat().chars().any(char::is_alphanumeric) {
            shown.push_str(&words.join(" "));
            shown.push('\n');
        }
        at = span.end();
    }
    shown.push_str("\n-- comments\n");
    for comment in comments(document) {
        shown.push_str(&format!("{:?}\n", comment.body.of(text).unwrap()));
    }
    shown
}

/// One file for each format, in which what is not prose says so.
fn fixture(name: &str) -> Document {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/formats/fixtures");
    let text = std::fs::read_to_string(path.join(name)).unwrap();
    Document::new(name, text, Language::of(Path::new(name)))
}

const FIXTURES: [&str; 13] = [
    "every.rst",
    "every.adoc",
    "every.tex",
    "every.org",
    "every.typ",
    "every.html",
    "every.rs",
    "every.py",
    "every.ts",
    "every.go",
    "every.cpp",
    "every.java",
    "every.sh",
];

#[test]
fn every_construct_is_read_as_its_reader_reads_it() {
    for name in FIXTURES {
        insta::assert_snapshot!(name.replace('.', "_"), by_eye(&fixture(name)));
    }
}

#[test]
fn nothing_is_scored_that_the_fixtures_say_is_no_prose() {
    for name in FIXTURES {
        let document = fixture(name);
        for block in blocks(&document) {
            let read = BlockText::of(&document.text, &block);
            let text = read.text().to_lowercase();
            assert!(!text.contains("not prose"), "{name}: {text}");
            assert!(!text.contains("not_prose"), "{name}: {text}");
        }
    }
}

#[test]
fn line_ends_of_windows_change_nothing_of_what_is_read() {
    for name in FIXTURES {
        let unix = fixture(name);
        let dos = Document::new(name, unix.text.replace('\n', "\r\n"), unix.language);
        let read = |document: &Document| -> Vec<String> {
            let blocks = blocks(document);
            blocks
                .iter()
                .map(|block| BlockText::of(&document.text, block).text().to_owned())
                .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect()
        };
        assert_eq!(read(&dos), read(&unix), "{name}");
        let bodies = |document: &Document| -> Vec<String> {
            let found = comments(document);
            let bodies = found.iter().map(|found| found.body.of(&document.text));
            bodies.map(|body| body.unwrap().replace('\r', "")).collect()
        };
        assert_eq!(bodies(&dos), bodies(&unix), "{name}");
    }
}

#[test]
fn a_byte_order_mark_is_no_prose_and_moves_nothing() {
    for name in FIXTURES {
        let plain = fixture(name);
        let marked = Document::new(name, format!("\u{feff}{}", plain.text), plain.language);
        let spans = |document: &Document, shift: usize| -> Vec<(usize, usize)> {
            let blocks = blocks(document);
            let segments = blocks.iter().flat_map(|block| &block.segments);
            segments
                .map(|segment| (segment.span.start() - shift, segment.span.end() - shift))
                .collect()
        };
        assert_eq!(spans(&marked, 3), spans(&plain, 0), "{name}");
        assert_eq!(marked.language, plain.language, "{name}");
    }
}

/// Texts that open much and close nothing, and that nest deeply.
fn pathological() -> Vec<String> {
    const LEN: usize = 1 << 15;
    let pieces = [
        "`",
        "``",
        "*",
        "**",
        "_",
        "|",
        "[",
        "[[",
        "{",
        "{{",
        "<",
        "<<",
        "<a ",
        "<!--",
        "<div>",
        "(",
        "((",
        "$",
        "$$",
        "\\(",
        "\\[",
        "\\begin{a}",
        "\\begin{align}",
        "\\emph{",
        "\\textbf{a ",
        "\\footnote{",
        "\\newcommand",
        "\\x[",
        "\\x{",
        "%",
        "%\n",
        "#",
        "#+begin_src\n",
        ":a:\n",
        ":a:`",
        "`a <",
        "[fn:",
        "src_a{",
        "+",
        "~",
        "=",
        "@@",
        "{{{",
        "== \n",
        "----\n",
        "====\n",
        "|===\n",
        "|a ",
        "a::\n",
        "a:: b\n ",
        ".. a::\n",
        "..\n",
        ".. |a| ",
        "=== ===\n",
        "+-+\n|",
        "- ",
        "- - ",
        "* ",
        " * a\n",
        "1. ",
        "> ",
        "#[",
        "#a(",
        "#a[",
        "#{",
        "#let a = ",
        "*a",
        "= a\n",
        "/*",
        "/**",
        "//",
        "//\n",
        "// a\n",
        "/* a */",
        "\"",
        "'",
        "'''",
        "\"\"\"",
        "r#\"",
        "R\"(",
        "`${",
        "/a",
        "/[",
        "<<A\n",
        "<<A ",
        "$(",
        "$(\"",
        "@param {",
        "@code\n",
        "{@",
        "// {@a ",
        "// [`",
        "\n\n",
        "\n ",
        " \n  \n   \n",
        "a\n",
        "&",
        "&a",
        "&amp;",
        "a@b.",
        "(c)",
        "http://[",
        "link:a[",
        "image:[",
        "footnote:[",
        "\"`",
        "((a",
        "term;; ",
        "\\verb|",
        "\\c",
        "\\'",
        "\\item[",
        "=a= ",
        "é",
        "\u{feff}",
        "# @@\n",
        "~~~\n",
        "```\n",
        "{% ",
        "{# ",
        "`+",
        "\"\"\"Args:\n    a: b\n",
        "<p><b>",
        "</p>",
        "<script>",
        "<pre>",
        "[a]_ ",
        "__",
        "-- ",
        "---",
        "/",
        "//*",
        "\\\n",
        "'\\",
        "#x.y",
        "$x$",
        "[x] ",
        "- [@",
        ":: ",
        "<1> ",
        "[[a]][",
        "[source]\n",
    ];
    let mut texts: Vec<String> = pieces
        .iter()
        .map(|piece| piece.repeat(LEN / piece.len()))
        .collect();
    let nested = [
        ("#a[", "]"),
        ("\\emph{", "}"),
        ("<b>", "</b>"),
        ("#{", "}"),
        ("$(", ")"),
        ("/*", "*/"),
        ("(", ")"),
    ];
    for (open, close) in nested {
        texts.push(format!("{}x{}", open.repeat(20_000), close.repeat(20_000)));
    }
    texts
}

#[test]
fn marks_that_are_never_closed_do_not_take_the_square_of_the_time() {
    for text in pathological() {
        for language in LANGUAGES {
            blocks(&Document::new("x", text.as_str(), language));
        }
    }
}

/// Pieces of all the formats, put together at random.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zé🙂 .,']{1,8}",
        2 => "[ \n\t]{1,4}",
        3 => "[-#>*_`$&;<|\\[\\](){}:/.@%\\\\~^+=\"'!]{1,3}",
        2 => prop::sample::select(vec![
            "\n\n", "\n  ", "\r\n", "::\n\n  ", ".. note:: ", ".. ", ":ref:`", "`a <b>`_", "``", "**", "|a|",
            "[1]_", "====\n", "----\n", "....\n", "////\n", "|===\n", "[source]\n", "NOTE: ", "footnote:[",
            "link:a[", "<<a,", ">>", "((", "))", "{nbsp}", "&amp;", "&eacute;", "&#39;", "&x", "\\emph{", "}",
            "\\begin{verbatim}", "\\end{verbatim}", "\\section{", "\\footnote{", "\\'e", "\\item ", "``", "''",
            "--", "---", "$x$", "%c\n", "\\verb|a|", "\\\\", "\\cite{a}", "\\begin{document}",
            "\\documentclass{a}", "#+begin_src\n", "#+end_src\n", "* TODO ", "[[a][", "]]", "=a=", "~a~",
            ":PROPERTIES:\n", ":END:\n", "| a |", "#emph[", "]", "#let x = ", "#f(a)[", "= a\n", "/ a: ",
            "```", "<p>", "</p>", "<b>", "</b>", "<code>", "</code>", "<!--", "-->", "<br>", "<pre>", "</pre>",
            "{{ a }}", "// ", "/// ", "//! ", "/* ", " */", "/** ", " * ", "# ", "\"\"\"", "'''", "\"", "r#\"",
            "\"#", "@param {a} b ", "{@link ", "`${", "Args:\n    a: ", ">>> a\n", "<<EOF\n", "EOF\n", "$(", ")",
            "get_it", "un*believ*able", "https://a.b/c", "a@b.cd", "electroscope-disable-line", "\u{feff}",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The words of a document with their spans, as the block's text parts them.
fn words(document: &Document) -> Vec<(String, Span)> {
    let mut words = Vec::new();
    for block in blocks(document) {
        let read = BlockText::of(&document.text, &block);
        let starts: Vec<usize> = word_starts(read.text()).collect();
        let ends = starts.iter().skip(1).copied().chain([read.text().len()]);
        for (&start, end) in starts.iter().zip(ends) {
            let word = &read.text()[start..end];
            let (span, is_prose) = read.source(start..end);
            if is_prose && !word.trim().is_empty() {
                words.push((word.to_owned(), span));
            }
        }
    }
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn segments_lie_in_order_on_character_borders_and_no_byte_is_read_twice(text in any_text()) {
        for language in LANGUAGES {
            let document = Document::new("x", text.as_str(), language);
            let mut at = 0;
            for block in blocks(&document) {
                prop_assert!(block.segments.iter().any(crate::Segment::is_prose));
                prop_assert_eq!(block.span.start(), block.segments[0].span.start());
                for segment in &block.segments {
                    prop_assert!(segment.span.start() >= at, "{segment:?} in {text:?} as {language:?}");
                    prop_assert!(!segment.span.is_empty(), "{segment:?} in {text:?} as {language:?}");
                    prop_assert!(segment.span.of(&text).is_some(), "{segment:?} in {text:?} as {language:?}");
                    at = segment.span.end();
                }
                prop_assert_eq!(block.span.end(), at);
            }
        }
    }

    #[test]
    fn comments_lie_in_order_with_their_body_inside(text in any_text()) {
        for language in LANGUAGES {
            let mut at = 0;
            for comment in comments(&Document::new("x", text.as_str(), language)) {
                prop_assert!(comment.span.start() >= at, "{comment:?} in {text:?} as {language:?}");
                prop_assert!(comment.span.start() <= comment.body.start());
                prop_assert!(comment.body.end() <= comment.span.end());
                prop_assert!(comment.span.of(&text).is_some() && comment.body.of(&text).is_some());
                at = comment.span.end();
            }
        }
    }

    #[test]
    fn the_text_of_a_word_is_its_slice_but_for_entities_and_marks(text in any_text()) {
        for language in LANGUAGES {
            let document = Document::new("x", text.as_str(), language);
            let read = AsRead::new(&document);
            let mut end = 0;
            for (word, span) in words(&document) {
                let slice = span.of(&text).unwrap_or_default();
                prop_assert!(span.start() >= end, "{word:?} in {text:?} as {language:?}");
                end = span.end();
                prop_assert_eq!(&read.text(span), &word, "{:?} in {:?} as {:?}", slice, &text, language);
                // Letters that stand together are read together and as they are.
                let is_bare = slice.chars().all(char::is_alphanumeric);
                prop_assert!(!is_bare || slice == word, "{word:?} for {slice:?} in {text:?}");
                prop_assert!(!word.contains(char::is_whitespace) || is_punctuation(&word));
            }
        }
    }

    #[test]
    fn any_text_at_all_is_read_without_a_panic(text in "\\PC{0,60}", more in any_text()) {
        for language in LANGUAGES {
            for text in [&text, &format!("{text}{more}")] {
                let document = Document::new("x", text.as_str(), language);
                blocks(&document);
                comments(&document);
            }
        }
    }
}
