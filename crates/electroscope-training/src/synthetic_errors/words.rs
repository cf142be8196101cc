//! Divides sentences into words, as the pre-tokenizer of BERT does, except for contractions.
//!
//! A punctuation mark is a word, and so are both halves of `well-known`. An apostrophe between letters
//! is part of the word (`it's`, `John's`), because errors concern such words as a whole. The
//! pre-tokenizer divides them further, and all parts get the mark of the word.

/// Whether a character is a word of its own: BERT's punctuation.
pub(super) fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            c,
            '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}'
                | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
        )
}

/// Whether a character is an apostrophe.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}

/// The words of `text`.
pub(crate) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for run in text.split_whitespace() {
        let mut start = 0;
        let mut before = None;
        let mut chars = run.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let after = chars.peek().map(|&(_, c)| c);
            let is_inside = is_apostrophe(c)
                && before.is_some_and(char::is_alphabetic)
                && after.is_some_and(char::is_alphabetic);
            if is_punctuation(c) && !is_inside {
                let end = at + c.len_utf8();
                words.extend(run.get(start..at).filter(|word| !word.is_empty()));
                words.extend(run.get(at..end));
                start = end;
            }
            before = Some(c);
        }
        words.extend(run.get(start..).filter(|word| !word.is_empty()));
    }
    words
}

/// `word` with the capitalisation of `model`: all capitals, a first capital, or as it is.
pub(super) fn in_case_of(model: &str, word: &str) -> String {
    let mut letters = model.chars().filter(|c| c.is_alphabetic());
    let starts_upper = letters.next().is_some_and(char::is_uppercase);
    let rest: Vec<char> = letters.collect();
    if starts_upper && !rest.is_empty() && rest.iter().all(|c| c.is_uppercase()) {
        return word.to_uppercase();
    }
    if starts_upper {
        return capitalised(word);
    }
    word.to_owned()
}

/// `word` with its first letter capitalised.
pub(super) fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_separated_and_contractions_are_kept() {
        assert_eq!(
            words("“It's John’s well-known 3.5 cats',” I said… "),
            [
                "“", "It's", "John’s", "well", "-", "known", "3", ".", "5", "cats", "'", ",", "”",
                "I", "said", "…"
            ]
        );
        assert!(words(" \n").is_empty());
    }

    #[test]
    fn a_word_gets_the_capitalisation_of_another() {
        assert_eq!(in_case_of("Their", "there"), "There");
        assert_eq!(in_case_of("THEIR", "there"), "THERE");
        assert_eq!(in_case_of("their", "there"), "there");
        assert_eq!(in_case_of("A", "an"), "An");
    }
}
