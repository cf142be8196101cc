//! Two mistakes that need no model: a word that is repeated, and `a` or `an` before the wrong sound.
//!
//! The rules are strict, because whatever they find is flagged: where English allows both, as in `had had`
//! or `a historic` and `an historic`, they find nothing and leave the word to the models.

/// Words that are repeated in correct English: `had had`, `what it is is`, `logged in in May`, `bye bye`.
const REPEATABLE: [&str; 36] = [
    "had", "that", "is", "was", "in", "on", "do", "very", "so", "no", "yes", "ha", "bye", "there",
    "now", "well", "blah", "knock", "long", "many", "really", "much", "more", "again", "please",
    "wait", "hear", "tut", "chop", "go", "far", "too", "over", "up", "who", "her",
];

/// Whether `word` repeats `before`, the word right before it, by mistake.
pub fn is_repetition(before: &str, word: &str) -> bool {
    // A repeated name (`Duran Duran`) has two capitals.
    let is_lower = word
        .chars()
        .all(|c| c.is_lowercase() || matches!(c, '\'' | '’'));
    is_lower
        && (word.len() > 1 || word == "a")
        && before.to_lowercase() == word
        && !REPEATABLE.contains(&word)
}

/// The other article, if `article` is `a` or `an` and does not fit the sound with which `after`, the word
/// right after it, begins. `is_known` tells whether a word is in a dictionary: of others the sound is not
/// certain.
pub fn mended_article(
    article: &str,
    after: &str,
    is_known: impl Fn(&str) -> bool,
) -> Option<&'static str> {
    let (is_an, mended) = match article {
        "a" => (false, "an"),
        "A" => (false, "An"),
        "an" => (true, "a"),
        "An" => (true, "A"),
        _ => return None,
    };
    let begins_with_vowel = first_sound_is_vowel(after)?;
    (begins_with_vowel != is_an && is_known(after)).then_some(mended)
}

/// Words that follow a letter `a` which is no article: `a and b`, `a is`.
const AFTER_A_LETTER: [&str; 18] = [
    "and", "or", "is", "as", "in", "on", "if", "at", "of", "are", "also", "into", "equals", "over",
    "under", "onto", "instead", "only",
];

/// Whether `word` begins with the sound of a vowel; none where that is not certain.
fn first_sound_is_vowel(word: &str) -> Option<bool> {
    /// What begins with the letter of a vowel and the sound of a consonant.
    const CONSONANT_SOUND: [&str; 26] = [
        "eu", "ewe", "one", "once", "ubiqui", "uk", "uni", "ura", "ure", "uri", "uro", "usa",
        "use", "usi", "usu", "ute", "uti", "uto", "ufo", "ouija", "utr", "uv", "unanim", "ukulele",
        "ukrain", "oneself",
    ];
    /// What begins like those, but with the sound of a vowel.
    const VOWEL_SOUND: [&str; 12] = [
        "unid",
        "unim",
        "unin",
        "unit's",
        "unill",
        "unir",
        "uniss",
        "urs",
        "uther",
        "oner",
        "urge",
        "unintended",
    ];
    /// What begins with a silent h.
    const SILENT_H: [&str; 5] = ["hour", "honest", "honor", "honour", "heir"];
    /// What begins with an h that some people pronounce.
    const UNCERTAIN_H: [&str; 8] = [
        "herb", "histor", "hotel", "humble", "habitual", "hysteri", "heroic", "homage",
    ];
    let is_plain = |c: char| c.is_ascii_alphabetic() || matches!(c, '\'' | '’');
    // Abbreviations are read letter by letter or not.
    let mut letters = word.chars();
    let first = letters.next()?;
    let rest_is_lower = letters.all(|c| c.is_ascii_lowercase() || matches!(c, '\'' | '’'));
    if word.len() < 3 || !word.chars().all(is_plain) || !rest_is_lower {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    if AFTER_A_LETTER.contains(&&*lower) {
        return None;
    }
    let starts = |list: &[&str]| list.iter().any(|start| lower.starts_with(start));
    match first.to_ascii_lowercase() {
        'a' | 'i' => Some(true),
        'e' | 'o' | 'u' => Some(starts(&VOWEL_SOUND) || !starts(&CONSONANT_SOUND)),
        'h' if starts(&UNCERTAIN_H) => None,
        'h' => Some(starts(&SILENT_H)),
        _ if !lower.contains(['a', 'e', 'i', 'o', 'u', 'y']) => None,
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_word_is_found_at_its_second_place() {
        for (before, word) in [
            ("the", "the"),
            ("The", "the"),
            ("a", "a"),
            ("don't", "don't"),
        ] {
            assert!(is_repetition(before, word), "{before} {word}");
        }
    }

    #[test]
    fn what_english_repeats_is_left_alone() {
        for (before, word) in [
            ("had", "had"),
            ("that", "that"),
            ("Duran", "Duran"),
            ("York", "york"),
            ("1", "1"),
            ("x", "x"),
            ("the", "then"),
            (",", ","),
        ] {
            let is_name = (before, word) == ("York", "york");
            assert_eq!(is_repetition(before, word), is_name, "{before} {word}");
        }
    }

    #[test]
    fn an_article_before_the_wrong_sound_is_mended() {
        let mended = |article, after| mended_article(article, after, |_| true);
        for (article, after, wanted) in [
            ("a", "apple", "an"),
            ("An", "boat", "A"),
            ("a", "hour", "an"),
            ("an", "university", "a"),
            ("an", "user", "a"),
            ("a", "unidentified", "an"),
            ("an", "one", "a"),
            ("an", "European", "a"),
            ("a", "umbrella", "an"),
            ("A", "example", "An"),
            ("a", "understanding", "an"),
        ] {
            assert_eq!(mended(article, after), Some(wanted), "{article} {after}");
        }
    }

    #[test]
    fn articles_that_fit_or_may_fit_are_left_alone() {
        let mended = |article, after| mended_article(article, after, |_| true);
        for (article, after) in [
            ("an", "apple"),
            ("a", "boat"),
            ("an", "hour"),
            ("a", "university"),
            ("a", "historic"),
            ("an", "historic"),
            ("an", "MRI"),
            ("a", "MRI"),
            ("a", "and"),
            ("an", "npm"),
            ("an", "x"),
            ("the", "apple"),
            ("a", "8"),
            ("a", "iPhone"),
            ("a", "one"),
            ("a", "eulogy"),
            ("an", "ssh"),
        ] {
            assert_eq!(mended(article, after), None, "{article} {after}");
        }
        assert_eq!(mended_article("a", "emacs", |_| false), None);
    }
}
