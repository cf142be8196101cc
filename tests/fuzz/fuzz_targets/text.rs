//! What holds of every text: the bodies of the targets for text, which `tests/it/fuzz_text.rs` runs as
//! property tests, too. Each panics where a law is broken.

use std::path::Path;

use electroscope_text::{
    AsRead, BlockText, Document, Language, LineIndex, Row, SegmentKind, Wrapped, blocks, sentences,
    visible, word_starts,
};

/// A file name for each format of prose.
pub(super) const FORMATS: [&str; 14] = [
    "a.txt", "a.md", "a.mdx", "a.rst", "a.adoc", "a.tex", "a.org", "a.typ", "a.html", "a.rs",
    "a.py", "a.ts", "a.cpp", "a.sh",
];

/// Every format reads the text as prose whose spans lie in it.
pub(super) fn prose(text: &str) {
    for name in FORMATS {
        prose_of(text, Language::of(Path::new(name)));
    }
}

fn prose_of(text: &str, language: Language) {
    let document = Document::new("x", text, language);
    let blocks = blocks(&document);
    let mut end = 0;
    for block in &blocks {
        assert!(block.span.start() >= end, "blocks overlap");
        end = block.span.end();
        assert!(
            block.span.of(text).is_some(),
            "a block ends inside a character"
        );
        let mut inside = block.span.start();
        for segment in &block.segments {
            assert!(segment.span.start() >= inside, "segments overlap");
            inside = segment.span.end();
            assert!(inside <= block.span.end(), "a segment leaves its block");
            assert!(
                segment.span.of(text).is_some(),
                "a segment ends inside a character"
            );
        }
        words_of(text, &BlockText::of(text, block), block);
    }
    let read = AsRead::of_blocks(&document, blocks.clone());
    for block in &blocks {
        std::hint::black_box(read.text(block.span));
    }
}

/// Each word of a block has a span in the document, and the text of that span where nothing in it is
/// spelt otherwise.
fn words_of(text: &str, read: &BlockText<'_>, block: &electroscope_text::Block) {
    let starts = words(read.text());
    let ends = starts.iter().copied().skip(1).chain([read.text().len()]);
    let mut last = block.span.start();
    for (start, end) in starts.iter().copied().zip(ends) {
        let (span, _) = read.source(start..end);
        let found = span.of(text).expect("a word ends inside a character");
        assert!(span.start() >= block.span.start() && span.end() <= block.span.end());
        assert!(span.start() >= last, "words go back");
        last = span.start();
        let is_plain = block.segments.iter().all(|segment| {
            let touches = segment.span.start() < span.end() && span.start() < segment.span.end();
            !touches
                || (segment.kind == SegmentKind::Prose
                    && segment.span.start() <= span.start()
                    && span.end() <= segment.span.end())
        });
        if is_plain {
            assert_eq!(found, &read.text()[start..end]);
        }
    }
}

/// Where words and sentences begin: in order, and on borders of characters. Gives the words.
pub(super) fn words(text: &str) -> Vec<usize> {
    let starts: Vec<usize> = word_starts(text).collect();
    for starts in [&starts, &sentences(text)] {
        assert!(starts.is_sorted_by(|a, b| a < b), "{starts:?}");
        assert!(starts.iter().all(|&start| text.is_char_boundary(start)));
    }
    let lines = LineIndex::new(text);
    for &start in &starts {
        let position = lines.position(text, start);
        assert!(position.line >= 1 && position.line <= lines.count());
        assert!(lines.span(position.line - 1).start() <= start);
    }
    let shown = visible(text);
    assert!(
        shown
            .chars()
            .all(|c| c == '\n' || c == '\t' || !c.is_control()),
        "{shown:?}"
    );
    starts
}

/// Rows of a width tile the lines of the text, fit, and are found again from any of their bytes.
pub(super) fn wrap(text: &str, width: u16) {
    let lines = LineIndex::new(text);
    let wrapped = Wrapped::new(text, &lines, width);
    let rows: Vec<Row> = wrapped.rows_from(0).collect();
    assert!(!rows.is_empty());
    let mut end = 0;
    for row in &rows {
        match row.opens_line {
            true => assert_eq!(row.span.start(), lines.span(row.line).start()),
            false => assert_eq!(row.span.start(), end),
        }
        end = row.span.end();
        let shown = row.span.of(text).expect("a row ends inside a character");
        let shown = row.span.start() + shown.trim_end().len();
        let cells: usize = (wrapped.glyphs(*row))
            .filter(|(_, glyph)| glyph.span.end() <= shown)
            .map(|(_, glyph)| glyph.width)
            .sum();
        assert!(
            cells <= usize::from(width).max(4),
            "{cells} cells in {row:?}"
        );
        for (column, glyph) in wrapped.glyphs(*row) {
            if glyph.width > 0 {
                assert_eq!(wrapped.byte_at(*row, column, false), glyph.span.start());
            }
        }
    }
    // Each step back is the row before; a sample, for each is as long as the way to it.
    let step = rows.len() / 16 + 1;
    for at in (0..rows.len()).step_by(step) {
        let start = rows[at].span.start();
        assert_eq!(wrapped.row_at(start), rows[at]);
        assert_eq!(wrapped.row_beyond(start, -1), rows[at.saturating_sub(1)]);
        assert_eq!(wrapped.row_beyond(0, at as isize), rows[at]);
    }
}
