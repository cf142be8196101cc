//! Where sentences begin.
//!
//! The borders are those of Unicode (UAX #29), less two kinds that prose does not mean: a line
//! break inside a sentence, for text is often wrapped by hand, and the full stop of an abbreviation
//! or an initial.

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations of English that stand before a name, a number or a lower-case clause, without
/// their full stop, in lower case. Those that also end sentences (`etc`, `inc`) are left out.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "rev", "gen", "col", "capt", "lt", "sgt",
    "hon", "e.g", "i.e", "cf", "vs", "viz", "vol", "fig", "figs", "eq", "sec", "ch", "pp", "ed",
    "eds", "trans", "approx", "ca", "al",
];

/// Byte offsets in `text` at which a sentence starts, the first (0) included, in order.
///
/// An empty text has none. White space after a sentence belongs to it.
pub fn sentences(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut start = 0;
    let mut rest = text.split_sentence_bound_indices().peekable();
    while let Some((at, piece)) = rest.next() {
        if starts.is_empty() {
            starts.push(at);
            start = at;
        }
        let end = at + piece.len();
        let sentence = text.get(start..end).unwrap_or_default();
        if rest.peek().is_some() && ends_a_sentence(sentence) {
            starts.push(end);
            start = end;
        }
    }
    starts
}

/// Whether `sentence`, which ends at a border of UAX #29, is whole.
fn ends_a_sentence(sentence: &str) -> bool {
    let closing = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | ')' | ']' | '}' | '”' | '’' | '»' | '*' | '_' | '`' | '」' | '』'
            )
    };
    let body = sentence.trim_end_matches(closing);
    match body.chars().next_back() {
        Some('.') => !ends_with_abbreviation(body),
        Some('!' | '?' | '…' | '。' | '！' | '？' | '।' | '؟' | '۔') => true,
        _ => false,
    }
}

/// Whether the last word of `body`, which ends with a full stop, is an abbreviation or an initial.
fn ends_with_abbreviation(body: &str) -> bool {
    let stopped = body.trim_end_matches('.');
    if body.len() - stopped.len() > 1 {
        return false; // An ellipsis.
    }
    let word = stopped
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '—' | '–'))
        .next()
        .unwrap_or_default();
    let mut letters = word.chars();
    let initial =
        matches!((letters.next(), letters.next()), (Some(c), None) if c.is_uppercase() && c != 'I');
    initial
        || ABBREVIATIONS
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<&str> {
        let starts = sentences(text);
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        starts
            .iter()
            .copied()
            .zip(ends)
            .map(|(start, end)| &text[start..end])
            .collect()
    }

    #[test]
    fn sentences_end_at_their_stops() {
        assert_eq!(
            cut("One. Two? Three! 四。五"),
            ["One. ", "Two? ", "Three! ", "四。", "五"]
        );
        assert_eq!(
            cut("She said “no.” Then she left."),
            ["She said “no.” ", "Then she left."]
        );
        assert_eq!(cut("Wait... Then go."), ["Wait... ", "Then go."]);
        assert!(cut("").is_empty());
    }

    #[test]
    fn a_line_break_does_not_end_a_sentence() {
        assert_eq!(
            cut("The boats\nwait in the\r\nharbour.\nThen they go."),
            ["The boats\nwait in the\r\nharbour.\n", "Then they go."]
        );
    }

    #[test]
    fn abbreviations_and_initials_do_not_end_a_sentence() {
        assert_eq!(
            cut("Mr. Smith met J. R. Jones. They spoke."),
            ["Mr. Smith met J. R. Jones. ", "They spoke."]
        );
        assert_eq!(
            cut("It is what I. Then no."),
            ["It is what I. ", "Then no."]
        );
    }

    proptest! {
        #[test]
        fn sentences_tile_the_text(text in "[ a-zA-Z.!?\n\"é🙂]{0,80}") {
            prop_assert_eq!(cut(&text).concat(), text);
        }
    }
}
