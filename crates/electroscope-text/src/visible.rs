//! What may be shown of a text: no document may drive the terminal.

/// The glyph to show instead of `c`, if `c` itself must not reach a terminal: C0 and C1 controls,
/// DEL, the marks and overrides of bidirectional text, and other invisible format characters that
/// would reorder or hide what stands around them. One cell wide each.
///
/// Tabs and line ends are controls too; whoever lays out text deals with them first.
pub fn stand_in(c: char) -> Option<char> {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32),
        '\x7f' => Some('␡'),
        '\u{80}'..='\u{9f}' => Some('�'),
        // Bidirectional embeddings, overrides, isolates and marks.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => {
            Some('�')
        }
        // Line and paragraph separators, interlinear annotations, tags, the byte order mark.
        '\u{2028}'
        | '\u{2029}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0001}'..='\u{e007f}'
        | '\u{feff}' => Some('�'),
        _ => None,
    }
}

/// `text` on one line, every character of which may reach a terminal.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| stand_in(c).unwrap_or(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn controls_become_glyphs_and_the_rest_stays() {
        assert_eq!(visible("a\x1b[31m\u{9b}b\u{202e}é🙂\n"), "a␛[31m�b�é🙂␊");
    }

    proptest! {
        #[test]
        fn nothing_visible_is_a_control(text: String) {
            prop_assert!(!visible(&text).chars().any(|c| c.is_control() || stand_in(c).is_some()));
        }
    }
}
