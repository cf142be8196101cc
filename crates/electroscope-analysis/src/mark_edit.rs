//! The mark that silences a word, and where in the document it goes.
//!
//! A mark on a line of its own before the word's is the rule. In Markdown that may not be: inside a
//! paragraph, a list or a table a line with a comment would part what belongs together. There the mark goes
//! to the end of the word's line. A place is taken only if the mark silences the word from there, and
//! nothing else of the document is read differently.

use electroscope_text::{
    BlockText, CodeLanguage, Document, Language, LineIndex, Span, blocks, content, is_punctuation,
};

use super::file_edit::{Edit, edited};
use super::ignore_marks::{IgnoreMarks, Mark, MarkKind};
use super::spelling;

/// The edit that puts a mark for the word at `span` of `document`, of which a reader sees `word`; none if
/// no place for it is found.
pub fn mark_for_word(document: &Document, span: Span, word: &str) -> Option<Edit> {
    let plain = spelling::plain(word);
    let word = named(&plain)?;
    let lines = LineIndex::new(&document.text);
    let places = [
        extended(document, &lines, span, word),
        above(document, &lines, span, word),
        at_end(document, &lines, span, word),
    ];
    let is_right = |edit: &Edit| silences(document, edit, span, word);
    places.into_iter().flatten().find(is_right)
}

/// The edit that puts a mark for the word at `span` of `document`, of which a reader sees `word`, and for
/// the same word elsewhere in it: on a line at the end, or in such a mark that is there; none if no place
/// for it is found.
pub fn file_mark_for_word(document: &Document, span: Span, word: &str) -> Option<Edit> {
    let plain = spelling::plain(word);
    let word = named(&plain)?;
    let marks = IgnoreMarks::of(document);
    let is_of_words =
        |mark: &&Mark| mark.kind == MarkKind::File && mark.is_own && !mark.words.is_empty();
    let known = marks.marks().iter().find(is_of_words);
    let places = [
        known.map(|mark| with_word(mark, word)),
        Some(at_end_of_file(document, word)),
    ];
    let is_right = |edit: &Edit| silences(document, edit, span, word);
    places.into_iter().flatten().find(is_right)
}

/// The word as a mark names it. What a mark cannot name, it cannot silence.
fn named(plain: &str) -> Option<&str> {
    let word = spelling::owner(plain).unwrap_or(plain);
    let is_none = is_punctuation(word) || word.contains(char::is_whitespace) || word.contains("--");
    (!is_none).then_some(word)
}

/// Adds the word to those of a mark.
fn with_word(mark: &Mark, word: &str) -> Edit {
    let at = mark.span.start() + mark.kind.keyword().len();
    Edit {
        span: Span::new(at, at),
        replacement: format!(" {word}"),
    }
}

/// A last line with the mark, in markup after an empty one.
fn at_end_of_file(document: &Document, word: &str) -> Edit {
    let text: &str = &document.text;
    let mark = mark(document.language, MarkKind::File, word);
    let end = line_end(text);
    let missing = match text.ends_with('\n') {
        true => "",
        false => end,
    };
    let empty = match document.language {
        Language::Plain => "",
        _ => end,
    };
    Edit {
        span: Span::new(text.len(), text.len()),
        replacement: format!("{missing}{empty}{mark}{end}"),
    }
}

/// Adds the word to a mark that silences others on the same line.
fn extended(document: &Document, lines: &LineIndex, span: Span, word: &str) -> Option<Edit> {
    let line = lines.line_of(span.start()) + 1;
    let marks = IgnoreMarks::of(document);
    let mark = marks.marks().iter().rev().find(|mark| {
        let is_of_line = match mark.kind {
            MarkKind::Line => mark.line == line,
            MarkKind::NextLine => mark.line + 1 == line,
            _ => false,
        };
        is_of_line && mark.is_own && !mark.words.is_empty()
    })?;
    Some(with_word(mark, word))
}

/// A line with the mark before the word's line.
fn above(document: &Document, lines: &LineIndex, span: Span, word: &str) -> Option<Edit> {
    let text: &str = &document.text;
    let line = lines.line_of(span.start());
    let source = content(text, lines, line).of(text)?;
    if !is_free(document.language) {
        let before = line.checked_sub(1).map(|line| content(text, lines, line));
        let before = before.and_then(|span| span.of(text)).unwrap_or_default();
        // What begins a quote, a list, a table or goes on with one.
        let is_inside = |c: char| c.is_whitespace() || ">-*+|".contains(c) || c.is_ascii_digit();
        let is_inside = source.starts_with(is_inside);
        if is_inside || !before.trim().is_empty() {
            return None;
        }
    }
    let indent_len = source.len() - source.trim_start().len();
    let indent = source.get(..indent_len)?.trim_start_matches('\u{feff}');
    let mut at = lines.span(line).start();
    if at == 0 && text.starts_with('\u{feff}') {
        at = '\u{feff}'.len_utf8();
    }
    let mark = mark(document.language, MarkKind::NextLine, word);
    let end = line_end(text);
    // A comment of reStructuredText ends with a blank line.
    let blank = match document.language {
        Language::ReStructuredText => end,
        _ => "",
    };
    Some(Edit {
        span: Span::new(at, at),
        replacement: format!("{indent}{mark}{end}{blank}"),
    })
}

/// The mark at the end of the word's line: before white space and a backslash that break it, and in the
/// last cell of a row of a table.
fn at_end(document: &Document, lines: &LineIndex, span: Span, word: &str) -> Option<Edit> {
    let text: &str = &document.text;
    let place = content(text, lines, lines.line_of(span.start()));
    let source = place.of(text)?;
    let body = source.trim_end();
    let body = body.strip_suffix('\\').unwrap_or(body).trim_end();
    let is_row = body.starts_with('|') && body.ends_with('|') && !body.ends_with("\\|");
    let body = match is_row {
        true => body.strip_suffix('|').unwrap_or(body).trim_end(),
        false => body,
    };
    let at = place.start() + body.len();
    let mark = mark(document.language, MarkKind::Line, word);
    Some(Edit {
        span: Span::new(at, at),
        replacement: format!(" {mark}"),
    })
}

/// Whether a comment may have a line for itself anywhere in the language, without parting a paragraph.
fn is_free(language: Language) -> bool {
    match language {
        Language::Plain
        | Language::ByFirstLine
        | Language::AsciiDoc
        | Language::Latex
        | Language::Typst
        | Language::Html
        | Language::Code(_) => true,
        Language::Markdown | Language::Mdx | Language::ReStructuredText | Language::Org => false,
    }
}

/// A mark in a comment of the language.
fn mark(language: Language, kind: MarkKind, word: &str) -> String {
    let keyword = kind.keyword();
    match language {
        Language::Plain | Language::ByFirstLine | Language::Markdown | Language::Html => {
            format!("<!-- {keyword} {word} -->")
        }
        Language::Mdx => format!("{{/* {keyword} {word} */}}"),
        Language::ReStructuredText => format!(".. {keyword} {word}"),
        Language::Latex => format!("% {keyword} {word}"),
        Language::Org | Language::Code(CodeLanguage::Python | CodeLanguage::Shell) => {
            format!("# {keyword} {word}")
        }
        Language::AsciiDoc
        | Language::Typst
        | Language::Code(
            CodeLanguage::Rust
            | CodeLanguage::JavaScript
            | CodeLanguage::Go
            | CodeLanguage::C
            | CodeLanguage::Java,
        ) => format!("// {keyword} {word}"),
    }
}

/// What ends the lines of `text`.
fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text.get(..at).is_some_and(|line| line.ends_with('\r')) => "\r\n",
        _ => "\n",
    }
}

/// Whether after `edit` the word at `span` is silenced, and all else is read as before.
fn silences(document: &Document, edit: &Edit, span: Span, word: &str) -> bool {
    let Some(text) = edited(&document.text, std::slice::from_ref(edit)) else {
        return false;
    };
    let after = Document {
        text: text.into(),
        ..document.clone()
    };
    let moved = match edit.span.start() <= span.start() {
        true => edit.replacement.len(),
        false => 0,
    };
    let span = Span::new(span.start() + moved, span.end() + moved);
    let marks = IgnoreMarks::of(&after);
    marks.silencing(span, word).is_some() && read(document) == read(&after)
}

/// What is read of a document, block by block, in words.
fn read(document: &Document) -> Vec<String> {
    let blocks = blocks(document);
    let texts = blocks.iter().map(|block| {
        let read = BlockText::of(&document.text, block);
        let words: Vec<&str> = read.text().split_whitespace().collect();
        words.join(" ")
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text after a mark for the first `word` in it.
    fn marked(text: &str, name: &str, word: &str) -> Option<String> {
        let language = Language::of(std::path::Path::new(name));
        let document = Document::new(name, text, language);
        let start = text.find(word).unwrap();
        let edit = mark_for_word(&document, Span::new(start, start + word.len()), word)?;
        edited(text, &[edit])
    }

    #[test]
    fn the_mark_stands_on_a_line_before_a_paragraph_or_a_heading() {
        assert_eq!(
            marked("One two\nthree.\n", "x.md", "two").unwrap(),
            "<!-- electroscope-disable-next-line two -->\nOne two\nthree.\n"
        );
        assert_eq!(
            marked("One.\r\n\r\n# Two\r\n", "x.md", "Two").unwrap(),
            "One.\r\n\r\n<!-- electroscope-disable-next-line Two -->\r\n# Two\r\n"
        );
        assert_eq!(
            marked("\u{feff}One two\n", "x.mdx", "two").unwrap(),
            "\u{feff}{/* electroscope-disable-next-line two */}\nOne two\n"
        );
    }

    #[test]
    fn inside_of_something_the_mark_stands_at_the_end_of_the_line() {
        for (before, after) in [
            ("one\ntwo", "one\ntwo MARK"),
            ("one\ntwo  \nthree", "one\ntwo MARK  \nthree"),
            ("one\ntwo\\\nthree", "one\ntwo MARK\\\nthree"),
            ("- one\n- two\n", "- one\n- two MARK\n"),
            ("- one\n\n- two\n", "- one\n\n- two MARK\n"),
            ("> two\n", "> two MARK\n"),
            ("1. two\n", "1. two MARK\n"),
            ("| a |\n|---|\n| two |\n", "| a |\n|---|\n| two MARK |\n"),
        ] {
            let mark = "<!-- electroscope-disable-line two -->";
            let wanted = after.replace("MARK", mark);
            assert_eq!(marked(before, "x.md", "two").as_ref(), Some(&wanted));
        }
    }

    #[test]
    fn in_a_plain_text_the_mark_stands_on_the_line_before() {
        assert_eq!(
            marked("one\n  two's\n", "x.txt", "two's").unwrap(),
            "one\n  <!-- electroscope-disable-next-line two -->\n  two's\n"
        );
    }

    #[test]
    fn each_format_has_the_mark_in_a_comment_of_its_own() {
        const NEXT: &str = "electroscope-disable-next-line two";
        for (name, before, after) in [
            ("x.rst", "One two.\n", format!(".. {NEXT}\n\nOne two.\n")),
            ("x.adoc", "one\ntwo\n", format!("one\n// {NEXT}\ntwo\n")),
            ("x.tex", "one\n  two\n", format!("one\n  % {NEXT}\n  two\n")),
            ("x.org", "one two\n", format!("# {NEXT}\none two\n")),
            ("x.typ", "one\ntwo\n", format!("one\n// {NEXT}\ntwo\n")),
            (
                "x.html",
                "<p>one\ntwo\n",
                format!("<p>one\n<!-- {NEXT} -->\ntwo\n"),
            ),
            (
                "x.rs",
                "f();\n    // one\n    // two\n",
                format!("f();\n    // one\n    // {NEXT}\n    // two\n"),
            ),
            (
                "x.rs",
                "/// one\n/// two\n",
                format!("/// one\n// {NEXT}\n/// two\n"),
            ),
            ("x.py", "f()  # two\n", format!("# {NEXT}\nf()  # two\n")),
            ("x.sh", "# one two\n", format!("# {NEXT}\n# one two\n")),
            ("x.ts", "f(); // two\n", format!("// {NEXT}\nf(); // two\n")),
        ] {
            assert_eq!(marked(before, name, "two"), Some(after), "{name}");
        }
        // Inside a comment that goes over lines no other can stand.
        assert_eq!(marked("/*\none\ntwo\n*/\n", "x.c", "two"), None);
    }

    #[test]
    fn a_mark_that_is_there_gets_one_more_word() {
        assert_eq!(
            marked(
                "<!-- electroscope-disable-next-line one -- why -->\nthe one and two\n",
                "x.md",
                "two"
            )
            .unwrap(),
            "<!-- electroscope-disable-next-line two one -- why -->\nthe one and two\n"
        );
        assert_eq!(
            marked(
                "# x\none two <!-- electroscope-disable-line one -->\n",
                "x.md",
                "two"
            )
            .unwrap(),
            "# x\none two <!-- electroscope-disable-line two one -->\n"
        );
    }

    #[test]
    fn a_mark_for_the_whole_file_stands_at_its_end_and_takes_up_more_words() {
        let marked = |text: &str, name: &str| {
            let language = Language::of(std::path::Path::new(name));
            let document = Document::new(name, text, language);
            let start = text.find("two").unwrap();
            let edit = file_mark_for_word(&document, Span::new(start, start + 3), "two")?;
            edited(text, &[edit])
        };
        assert_eq!(
            marked("One two", "x.md").unwrap(),
            "One two\n\n<!-- electroscope-disable-file two -->\n"
        );
        assert_eq!(
            marked("One two\r\n", "x.txt").unwrap(),
            "One two\r\n<!-- electroscope-disable-file two -->\r\n"
        );
        assert_eq!(
            marked(
                "<!-- electroscope-disable-file one -->\n\none two\n",
                "x.md"
            )
            .unwrap(),
            "<!-- electroscope-disable-file two one -->\n\none two\n"
        );
        // The end is in code.
        assert_eq!(marked("two\n\n```\ncode\n", "x.md"), None);
    }

    #[test]
    fn where_no_mark_can_stand_there_is_none() {
        // The line ends in code.
        assert_eq!(marked("one\ntwo `a\nb` c\n", "x.md", "two"), None);
        assert_eq!(marked("one … two\n", "x.md", "…"), None);
    }
}
