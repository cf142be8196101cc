//! A stretch of a document on one line, cut to the room there is.
//!
//! What is quoted beside a number must not break the line it stands on. Nothing here chooses what is
//! quoted.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use electroscope_text::stand_in;

/// How much of a text the compact formats quote, in cells.
pub(super) const QUOTE: usize = 80;

/// `text` with its runs of white space drawn together, every character of which may be shown.
pub(super) fn on_one_line(text: &str) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().map(|c| stand_in(c).unwrap_or(c)).collect())
        .collect();
    words.join(" ")
}

/// The same, of at most `most` cells; what is cut off at the end is an ellipsis.
pub(super) fn cut(text: &str, most: usize) -> String {
    let head = text.get(..text.floor_char_boundary(enough(most)));
    let head = head.unwrap_or(text);
    let line = on_one_line(head);
    if head.len() == text.len() && line.width() <= most {
        return line;
    }
    let mut left = most.saturating_sub(1);
    let kept: String = line
        .graphemes(true)
        .take_while(|glyph| fits(glyph, &mut left))
        .collect();
    format!("{}…", kept.trim_end())
}

/// The same, but the end is what is kept.
pub(super) fn cut_front(text: &str, most: usize) -> String {
    let from = text.len().saturating_sub(enough(most));
    let tail = text.get(text.ceil_char_boundary(from)..).unwrap_or(text);
    let line = on_one_line(tail);
    if tail.len() == text.len() && line.width() <= most {
        return line;
    }
    let mut left = most.saturating_sub(1);
    let mut kept: Vec<&str> = line
        .graphemes(true)
        .rev()
        .take_while(|glyph| fits(glyph, &mut left))
        .collect();
    kept.reverse();
    format!("…{}", kept.concat().trim_start())
}

/// How many bytes are looked at for `most` cells: a whole book may be quoted from.
fn enough(most: usize) -> usize {
    1024 + 16 * most
}

/// Takes the width of `glyph` from what is left, if there is enough.
fn fits(glyph: &str, left: &mut usize) -> bool {
    match left.checked_sub(glyph.width()) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

/// `p` as a bar of `cells` cells, to an eighth of one; filled with blanks.
pub(super) fn bar(p: f32, cells: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let p = if p.is_nan() { 0.0 } else { p.clamp(0.0, 1.0) };
    let eighths = (p * cells as f32 * 8.0).round() as usize;
    (0..cells)
        .map(|cell| match eighths.saturating_sub(cell * 8) {
            8.. => '█',
            part => EIGHTHS[part],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_is_drawn_together_and_controls_are_shown() {
        assert_eq!(on_one_line(" a\r\n\tb\u{1b}[1m\u{202e} c "), "a b␛[1m� c");
    }

    #[test]
    fn what_is_too_long_is_cut_between_glyphs() {
        assert_eq!(cut("the boat waits", 14), "the boat waits");
        assert_eq!(cut("the boat waits", 10), "the boat…");
        assert_eq!(cut_front("the boat waits", 10), "…oat waits");
        assert_eq!(cut("四五六", 4), "四…");
        assert_eq!(cut("cafe\u{301}s", 4), "caf…");
        assert_eq!(cut("boat", 0), "…");
    }

    #[test]
    fn a_bar_is_as_long_as_p() {
        assert_eq!(bar(0.0, 4), "    ");
        assert_eq!(bar(0.5, 4), "██  ");
        assert_eq!(bar(0.55, 4), "██▎ ");
        assert_eq!(bar(1.0, 4), "████");
        assert_eq!(bar(f32::NAN, 2), "  ");
        assert_eq!(bar(7.0, 2), "██");
    }

    proptest! {
        #[test]
        fn a_line_is_no_wider_than_it_may_be(text: String, most in 1_usize..40) {
            prop_assert!(cut(&text, most).width() <= most);
            prop_assert!(cut_front(&text, most).width() <= most);
        }

        #[test]
        fn a_line_has_no_controls(text: String) {
            prop_assert!(!on_one_line(&text).chars().any(char::is_control));
        }
    }
}
