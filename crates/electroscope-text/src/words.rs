//! Where words begin.
//!
//! A word is what a reader calls one, by the word boundaries of Unicode (UAX #29): an apostrophe
//! between letters belongs to it (`don't`, `O’Neill`), and so does the point of a number; a hyphen
//! parts two words. What stands between words and is no white space, such as a comma, counts as a
//! word that [`is_punctuation`].

use unicode_segmentation::UnicodeSegmentation;

/// Byte offsets in `text` at which a word, a mark of punctuation or white space begins, in order. What
/// lies between two of them is never parted.
pub fn word_starts(text: &str) -> impl Iterator<Item = usize> {
    text.split_word_bound_indices().map(|(start, _)| start)
}

/// Whether `word` has neither a letter nor a digit.
pub fn is_punctuation(word: &str) -> bool {
    !word.contains(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let starts: Vec<usize> = word_starts(text).collect();
        let ends = starts.iter().skip(1).copied().chain([text.len()]);
        let parts = starts
            .iter()
            .zip(ends)
            .map(|(&start, end)| &text[start..end]);
        parts.filter(|part| !part.trim().is_empty()).collect()
    }

    #[test]
    fn an_apostrophe_inside_a_word_belongs_to_it() {
        assert_eq!(
            words("I don't, couldn\u{2019}t; O'Neill\u{2019}s"),
            [
                "I",
                "don't",
                ",",
                "couldn\u{2019}t",
                ";",
                "O'Neill\u{2019}s"
            ]
        );
    }

    #[test]
    fn an_apostrophe_at_the_edge_of_a_word_does_not() {
        assert_eq!(words("the boats' 'tis"), ["the", "boats", "'", "'", "tis"]);
    }

    #[test]
    fn a_hyphen_parts_words_and_a_soft_hyphen_does_not() {
        assert_eq!(words("well-known"), ["well", "-", "known"]);
        assert_eq!(words("manag\u{ad}er"), ["manag\u{ad}er"]);
    }

    #[test]
    fn numbers_are_whole() {
        assert_eq!(words("3.14 of 1,000"), ["3.14", "of", "1,000"]);
    }

    #[test]
    fn punctuation_has_neither_letters_nor_digits() {
        assert!(
            ["-", "\u{2019}", "\u{20ac}", "..."]
                .into_iter()
                .all(is_punctuation)
        );
        assert!(
            !["a", "3", "\u{e9}", "don't"]
                .into_iter()
                .any(is_punctuation)
        );
    }
}
