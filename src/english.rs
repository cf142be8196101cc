//! The English dictionary that the program carries in `assets/dictionary`.

use std::sync::{Arc, LazyLock};

use electroscope_analysis::dictionary::{Dictionary, DictionaryError};

static AFF: &str = include_str!("../assets/dictionary/english.aff");
static DIC: &str = include_str!("../assets/dictionary/english.dic");
static WORDS: &str = include_str!("../assets/dictionary/words.txt");

/// The dictionary: American and British spellings, with counts. It is built at the first call, in some
/// ten milliseconds.
///
/// # Errors
///
/// Bytes that are no dictionary; those that are carried are.
pub fn dictionary() -> Result<&'static Arc<Dictionary>, &'static DictionaryError> {
    static ENGLISH: LazyLock<Result<Arc<Dictionary>, DictionaryError>> =
        LazyLock::new(|| Dictionary::new(AFF, DIC, WORDS).map(Arc::new));
    ENGLISH.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn american_and_british_spellings_and_contractions_are_right() {
        let english = dictionary().unwrap();
        for word in [
            "colour",
            "color",
            "organise",
            "organize",
            "centre",
            "center",
            "don't",
            "Don’t",
            "it's",
            "couldn’t",
            "London's",
            "children’s",
            "Paris",
            "HARBOUR",
            "I",
            "a",
            "o'clock",
            "travelling",
        ] {
            assert!(english.contains(word), "{word}");
        }
        for word in [
            "recieve",
            "teh",
            "seperate",
            "paris",
            "occured",
            "definately",
        ] {
            assert!(!english.contains(word), "{word}");
        }
    }

    #[test]
    fn the_right_word_is_near_its_misspelling() {
        let english = dictionary().unwrap();
        for (wrong, right) in [
            ("recieve", "receive"),
            ("teh", "the"),
            ("seperate", "separate"),
            ("occured", "occurred"),
            ("definately", "definitely"),
            ("enviroment", "environment"),
            ("Githb", "GitHub"),
            ("dont", "don't"),
        ] {
            let near = english.neighbours(wrong, 3);
            assert!(
                near.iter().any(|near| near.word == right),
                "{wrong}: {near:?}"
            );
        }
        assert_eq!(
            english.splits("alot").first().map(|split| &*split.0),
            Some("a lot")
        );
    }

    #[test]
    fn frequent_words_are_more_frequent_than_rare_ones() {
        let english = dictionary().unwrap();
        let frequency = |word| english.frequency(word).unwrap();
        assert!(frequency("the") > frequency("harbour"));
        assert!(frequency("GitHub") > 5.0);
        assert_eq!(english.frequency("xqzzt"), None);
    }
}
