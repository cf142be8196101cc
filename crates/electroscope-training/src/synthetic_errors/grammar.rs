//! Errors of grammar and attention: how each kind of error changes the words at one place, if it can.
//!
//! There is no parser: English is read by its small words alone. An error is made only where they show
//! that the result is wrong (`has went`, `a boats`, `to goes`), because a mark on correct text would
//! teach nonsense. A few results are still correct, which no rule without a parser can avoid.

use std::ops::Range;

use crate::rng::SeededRng;

use super::words::{capitalised, in_case_of, is_apostrophe};
use electroscope_analysis::lexicon::{DeterminerNumber, Lexicon, NounNumber, VerbForm};

/// The words of a sentence, also in lower case with straight apostrophes.
pub(super) struct SentenceWords<'a> {
    words: Vec<&'a str>,
    lower: Vec<String>,
}

/// A replacement of words. Each new word has a flag whether it is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WordEdit {
    pub(super) range: Range<usize>,
    pub(super) replacement: Vec<(String, bool)>,
}

impl WordEdit {
    /// Replaces `count` words from `at` on by `wrong`, which may be several words.
    pub(super) fn replace(at: usize, count: usize, wrong: &str) -> WordEdit {
        WordEdit {
            range: at..at + count,
            replacement: wrong
                .split(' ')
                .map(|word| (word.to_owned(), true))
                .collect(),
        }
    }

    /// Inserts `wrong` before the word at `at`.
    fn insert(at: usize, wrong: &str) -> WordEdit {
        WordEdit::replace(at, 0, wrong)
    }
}

/// The word before a verb, by the form that it requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Governor {
    /// `will`, `did`: the base.
    Modal,
    /// `to`: mostly the base.
    To,
    /// `has`: the participle.
    Have,
    /// `is`: the participle or -ing.
    Be,
    /// `of`: -ing.
    Preposition,
    /// `he`: the third person.
    ThirdPerson,
    /// `they`: the base, in the present.
    OtherPerson,
    /// Any other word.
    Other,
}

/// Verb forms that agree with a person and a number, with the wrong forms.
const AGREEING: &[(&str, &[&str])] = &[
    ("is", &["are"]),
    ("are", &["is"]),
    ("am", &["is", "are"]),
    ("was", &["were"]),
    ("were", &["was"]),
    ("has", &["have"]),
    ("have", &["has"]),
    ("do", &["does"]),
    ("does", &["do"]),
    ("isn't", &["aren't"]),
    ("aren't", &["isn't"]),
    ("wasn't", &["weren't"]),
    ("weren't", &["wasn't"]),
    ("hasn't", &["haven't"]),
    ("haven't", &["hasn't"]),
    ("don't", &["doesn't"]),
    ("doesn't", &["don't"]),
];

/// Adverbs that may stand between a verb and its governor.
const ADVERBS_BEFORE_VERBS: &[&str] = &[
    "not", "also", "never", "always", "often", "already", "still", "just", "only", "ever", "even",
    "now", "then", "usually", "really", "probably",
];

impl<'a> SentenceWords<'a> {
    pub(super) fn new(words: Vec<&'a str>) -> SentenceWords<'a> {
        let lower = words
            .iter()
            .map(|word| word.to_lowercase().replace('’', "'"))
            .collect();
        SentenceWords { words, lower }
    }

    fn word(&self, at: usize) -> &'a str {
        self.words.get(at).copied().unwrap_or_default()
    }

    fn lower(&self, at: usize) -> &str {
        self.lower.get(at).map_or("", String::as_str)
    }

    /// The word before the one at `at`, in lower case.
    fn before(&self, at: usize) -> &str {
        at.checked_sub(1).map_or("", |at| self.lower(at))
    }

    /// Whether the word at `at` has letters only, and apostrophes.
    fn is_word(&self, at: usize) -> bool {
        let word = self.word(at);
        !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || is_apostrophe(c))
    }

    /// Whether a sentence begins at `at`.
    fn begins(&self, at: usize) -> bool {
        let mut before = self.words.iter().take(at).rev();
        let opening = |word: &str| matches!(word, "\"" | "“" | "(" | "'" | "‘");
        match before.find(|word| !opening(word)) {
            Some(word) => matches!(*word, "." | "!" | "?"),
            None => true,
        }
    }

    /// The apostrophe that this sentence uses.
    fn apostrophe(&self) -> char {
        match self.words.iter().any(|word| word.contains('’')) {
            true => '’',
            false => '\'',
        }
    }

    /// Replaces the word at `at` by `wrong`, with its capitalisation.
    pub(super) fn replace(&self, at: usize, wrong: &str) -> WordEdit {
        let mut wrong = in_case_of(self.word(at), wrong);
        if self.apostrophe() == '’' {
            wrong = wrong.replace('\'', "’");
        }
        WordEdit::replace(at, 1, &wrong)
    }

    /// Deletes the word at `at`, and marks the next one.
    fn delete(&self, at: usize) -> Option<WordEdit> {
        let next = *self.words.get(at + 1)?;
        let next = match self.begins(at) {
            true => capitalised(next),
            false => next.to_owned(),
        };
        Some(WordEdit {
            range: at..at + 2,
            replacement: vec![(next, true)],
        })
    }

    /// Inserts `wrong` before the word at `at`, unless a sentence begins there.
    fn insert(&self, at: usize, wrong: &str) -> Option<WordEdit> {
        (!self.begins(at)).then(|| WordEdit::insert(at, wrong))
    }

    /// The governor of the verb at `at`.
    fn governor(&self, at: usize, lexicon: &Lexicon) -> Governor {
        let mut place = at;
        let mut word = "";
        while let Some(before) = place.checked_sub(1) {
            word = self.lower(before);
            if !ADVERBS_BEFORE_VERBS.contains(&word) {
                break;
            }
            place = before;
        }
        match word {
            "will" | "would" | "can" | "could" | "may" | "might" | "must" | "shall" | "should"
            | "do" | "does" | "did" | "cannot" | "can't" | "couldn't" | "won't" | "wouldn't"
            | "shouldn't" | "don't" | "doesn't" | "didn't" | "mustn't" => Governor::Modal,
            "to" => Governor::To,
            "have" | "has" | "had" | "having" | "haven't" | "hasn't" | "hadn't" | "i've"
            | "we've" | "they've" | "you've" => Governor::Have,
            "am" | "is" | "are" | "was" | "were" | "be" | "been" | "being" | "isn't" | "aren't"
            | "wasn't" | "weren't" | "i'm" | "we're" | "they're" | "you're" | "it's" | "he's"
            | "she's" => Governor::Be,
            "he" | "she" | "it" | "everyone" | "everybody" | "someone" | "nobody" => {
                Governor::ThirdPerson
            }
            "i" | "you" | "we" | "they" | "people" => Governor::OtherPerson,
            word if !lexicon.prepositions(word).is_empty() => Governor::Preposition,
            _ => Governor::Other,
        }
    }

    /// The number that the determiner of the noun at `at` requires, if there is one among the three words
    /// before it, with only words of a noun phrase in between. A possessive allows any number.
    fn determiner(&self, at: usize, lexicon: &Lexicon) -> Option<DeterminerNumber> {
        for before in (at.saturating_sub(3)..at).rev() {
            let word = self.lower(before);
            if let Some(number) = lexicon.determiner(word) {
                return Some(number);
            }
            if word.ends_with("'s") {
                return Some(DeterminerNumber::Any);
            }
            if !self.is_word(before) || AGREEING.iter().any(|(verb, _)| *verb == word) {
                break;
            }
        }
        None
    }
}

/// A word that is confused with this one.
pub(super) fn confusable(
    s: &SentenceWords<'_>,
    at: usize,
    rng: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    /// The probability that a frequent word is used.
    const FREQUENT_WORD_PROBABILITY: f64 = 0.15;
    let pair = format!("{} {}", s.lower(at), s.lower(at + 1));
    if let Some(&joined) = lexicon.confusables(&pair).first() {
        return Some(WordEdit::replace(at, 2, &in_case_of(s.word(at), joined)));
    }
    let word = s.lower(at);
    if lexicon.is_frequent_confusable(word) && !rng.bernoulli(FREQUENT_WORD_PROBABILITY) {
        return None;
    }
    let wrong = *rng.choose(lexicon.confusables(word))?;
    Some(s.replace(at, wrong))
}

/// A verb that does not agree with its subject.
pub(super) fn agreement(
    s: &SentenceWords<'_>,
    at: usize,
    rng: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    let word = s.lower(at);
    if let Some((_, wrong)) = AGREEING.iter().find(|(verb, _)| *verb == word) {
        return Some(s.replace(at, rng.choose(wrong)?));
    }
    let governor = s.governor(at, lexicon);
    for (verb, form) in lexicon.verbs(word) {
        let wrong = match form {
            VerbForm::Third if governor == Governor::ThirdPerson || !verb.is_noun_too => verb.base,
            VerbForm::Base if governor == Governor::OtherPerson => &verb.third,
            VerbForm::Base if governor == Governor::Other && !verb.is_noun_too => &verb.third,
            _ => continue,
        };
        if wrong != word {
            return Some(s.replace(at, wrong));
        }
    }
    None
}

/// A verb in a form that its governor forbids.
pub(super) fn verb_form(
    s: &SentenceWords<'_>,
    at: usize,
    rng: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    /// The probability that an irregular past is made regular, if other errors are possible too.
    const REGULARISED_PROBABILITY: f64 = 0.2;
    let word = s.lower(at);
    let governor = s.governor(at, lexicon);
    let mut wrong: Vec<&str> = Vec::new();
    for (verb, form) in lexicon.verbs(word) {
        match (governor, form) {
            (Governor::Modal, VerbForm::Base) => {
                wrong.extend([&verb.third as &str, &verb.past, &verb.past, &verb.ing]);
            }
            (Governor::To, VerbForm::Base) => wrong.extend([&verb.past as &str, &verb.ing]),
            (Governor::Have, VerbForm::Participle) => {
                wrong.extend([verb.base, &verb.past, &verb.ing]);
            }
            (Governor::Be, VerbForm::Participle) => wrong.extend([verb.base, &verb.past]),
            (Governor::Be, VerbForm::Ing) => wrong.push(verb.base),
            (Governor::Preposition, VerbForm::Ing) if !verb.is_noun_too => wrong.push(verb.base),
            (Governor::ThirdPerson | Governor::OtherPerson | Governor::Other, VerbForm::Past) => {
                // `he walked` may become `he walks`, but `he gone` is never right.
                if verb.participle != verb.past {
                    wrong.push(&verb.participle);
                }
                if governor == Governor::ThirdPerson {
                    wrong.push(verb.base);
                }
            }
            _ => {}
        }
        if let Some(regularised) = &verb.regularised
            && matches!(form, VerbForm::Past | VerbForm::Participle)
            && word != verb.base
            && (wrong.is_empty() || rng.bernoulli(REGULARISED_PROBABILITY))
            && !verb.is_noun_too
        {
            wrong = vec![regularised];
        }
    }
    wrong.retain(|&other| other != word);
    Some(s.replace(at, rng.choose(&wrong)?))
}

/// A missing, wrong or needless article.
pub(super) fn article(
    s: &SentenceWords<'_>,
    at: usize,
    rng: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    let (word, next) = (s.lower(at), s.lower(at + 1));
    if matches!(word, "a" | "an" | "the") && s.is_word(at + 1) {
        let other = if word == "a" { "an" } else { "a" };
        let next_is_plural = matches!(lexicon.noun(next), Some(NounNumber::Plural(_)));
        return match rng.weighted(&[0.6, 0.25, 0.15])? {
            1 if word != "the" || next_is_plural => Some(s.replace(at, other)),
            2 if word != "the" => Some(s.replace(at, "the")),
            _ => s.delete(at),
        };
    }
    // One too many: before a noun that takes none here, after a word that often precedes a noun phrase.
    let precedes_noun_phrase = |word: &str| {
        !lexicon.prepositions(word).is_empty()
            || matches!(
                word,
                "is" | "are" | "was" | "were" | "and" | "have" | "has" | "more"
            )
    };
    let before = s.before(at);
    if !precedes_noun_phrase(before) || lexicon.determiner(before).is_some() {
        return None;
    }
    match lexicon.noun(word)? {
        NounNumber::Singular(_) => None,
        NounNumber::Plural(_) => s.insert(at, if rng.bernoulli(0.6) { "a" } else { "the" }),
        NounNumber::Uncountable(_) => s.insert(at, if rng.bernoulli(0.4) { "a" } else { "the" }),
    }
}

/// A missing, wrong or needless preposition.
pub(super) fn preposition(
    s: &SentenceWords<'_>,
    at: usize,
    rng: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    if let Some(needless) = lexicon.needless_preposition(s.lower(at)) {
        let next = s.lower(at + 1);
        let next_is_object =
            lexicon.determiner(next).is_some() || matches!(next, "them" | "him" | "it");
        return next_is_object.then(|| WordEdit::insert(at + 1, needless));
    }
    let others = lexicon.prepositions(s.lower(at));
    if others.is_empty() || !s.is_word(at + 1) {
        return None;
    }
    if rng.bernoulli(0.3) {
        return s.delete(at);
    }
    Some(s.replace(at, rng.choose(others)?))
}

/// A repeated word.
pub(super) fn doubled(
    s: &SentenceWords<'_>,
    at: usize,
    _: &mut SeededRng,
    _: &Lexicon,
) -> Option<WordEdit> {
    let word = s.lower(at);
    // These may be repeated.
    if !s.is_word(at) || matches!(word, "had" | "that" | "very" | "so") {
        return None;
    }
    let again = match s.begins(at) && s.word(at) != "I" {
        true => word.to_owned(),
        false => s.word(at).to_owned(),
    };
    Some(WordEdit::insert(at + 1, &again))
}

/// A missing word, mostly a small one.
pub(super) fn dropped(
    s: &SentenceWords<'_>,
    at: usize,
    rng: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    /// The probability that any other word is dropped.
    const OTHER_WORD_PROBABILITY: f64 = 0.04;
    let is_small = lexicon.is_often_dropped(s.lower(at));
    if !s.is_word(at) || !(is_small || rng.bernoulli(OTHER_WORD_PROBABILITY)) {
        return None;
    }
    // Small words at the end of a clause are rarely forgotten.
    if is_small && !s.is_word(at + 1) {
        return None;
    }
    s.delete(at)
}

/// A noun in the wrong number.
pub(super) fn number(
    s: &SentenceWords<'_>,
    at: usize,
    _: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    let word = s.lower(at);
    let determiner = s.determiner(at, lexicon);
    let is_one = determiner == Some(DeterminerNumber::Singular);
    let is_open = determiner == Some(DeterminerNumber::Any);
    match lexicon.noun(word) {
        Some(NounNumber::Plural(one)) if !is_one && !is_open => Some(s.replace(at, one)),
        Some(NounNumber::Singular(many)) if is_one => Some(s.replace(at, many)),
        Some(NounNumber::Uncountable(many)) => Some(s.replace(at, many)),
        Some(_) => None,
        // An unknown noun directly after a word that requires a plural.
        None => {
            let before = s.before(at);
            let requires_plural = ["these", "those", "many", "several", "two", "three", "four"];
            let one = word.strip_suffix('s')?;
            let is_plural = one.len() > 2 && !one.ends_with(['s', 'u', 'i', 'e']);
            (is_plural && requires_plural.contains(&before)).then(|| s.replace(at, one))
        }
    }
}

/// Two swapped words.
pub(super) fn order(
    s: &SentenceWords<'_>,
    at: usize,
    _: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    // Adverbs and the like have no fixed place, and swapping two words of a kind may be correct.
    let is_fixed = |at: usize| {
        let word = s.lower(at);
        s.is_word(at)
            && !word.ends_with("ly")
            && !ADVERBS_BEFORE_VERBS.contains(&word)
            && !matches!(
                word,
                "here"
                    | "there"
                    | "today"
                    | "again"
                    | "and"
                    | "or"
                    | "too"
                    | "up"
                    | "down"
                    | "out"
                    | "off"
                    | "over"
                    | "back"
                    | "all"
                    | "both"
            )
    };
    let is_small = |at: usize| {
        let word = s.lower(at);
        lexicon.is_often_dropped(word) || lexicon.determiner(word).is_some() || word.len() <= 2
    };
    if !is_fixed(at) || !is_fixed(at + 1) || s.lower(at) == s.lower(at + 1) {
        return None;
    }
    if !is_small(at) && !is_small(at + 1) {
        return None;
    }
    let (mut first, mut second) = (s.word(at).to_owned(), s.word(at + 1).to_owned());
    if s.begins(at) {
        second = capitalised(&second);
        if first != "I" {
            first = s.lower(at).to_owned();
        }
    }
    Some(WordEdit {
        range: at..at + 2,
        replacement: vec![(second, true), (first, true)],
    })
}

/// A missing, misplaced or needless apostrophe.
pub(super) fn apostrophe(
    s: &SentenceWords<'_>,
    at: usize,
    rng: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    let word = s.word(at);
    if let Some(place) = word.find(is_apostrophe).filter(|&place| place > 0) {
        let without: String = word.chars().filter(|&c| !is_apostrophe(c)).collect();
        // The apostrophe of `John's` may also be misplaced: `Johns'`.
        let is_possessive = s.lower(at).ends_with("'s") && place + 1 < word.len();
        if is_possessive && rng.bernoulli(0.3) {
            return Some(WordEdit::replace(
                at,
                1,
                &format!("{without} {}", s.apostrophe()),
            ));
        }
        return Some(WordEdit::replace(at, 1, &without));
    }
    if !matches!(lexicon.noun(s.lower(at)), Some(NounNumber::Plural(_))) || !word.ends_with('s') {
        return None;
    }
    // Before another noun the apostrophe would be right.
    let ends_a_group = !s.is_word(at + 1) || {
        let next = s.lower(at + 1);
        !lexicon.prepositions(next).is_empty()
            || AGREEING.iter().any(|(verb, _)| *verb == next)
            || matches!(next, "and" | "or" | "that" | "which" | "who")
    };
    let stem = word.get(..word.len() - 1)?;
    ends_a_group.then(|| WordEdit::replace(at, 1, &format!("{stem}{}s", s.apostrophe())))
}

/// A word of the same stem but another part of speech, or `more` before a comparative.
pub(super) fn word_form(
    s: &SentenceWords<'_>,
    at: usize,
    rng: &mut SeededRng,
    lexicon: &Lexicon,
) -> Option<WordEdit> {
    let word = s.lower(at);
    if lexicon.is_comparative(word) && !matches!(s.before(at), "more" | "much") {
        return s.insert(at, "more");
    }
    if let Some(other) = rng.choose(lexicon.family(word)) {
        return Some(s.replace(at, other));
    }
    // An adjective instead of an adverb, beside a verb.
    let adjective = word.strip_suffix("ly")?;
    let is_at_a_verb = lexicon.verbs(s.before(at)).next().is_some()
        || lexicon.verbs(s.lower(at + 1)).next().is_some();
    let is_plain = adjective.len() > 3 && !adjective.ends_with(['i', 'b', 'p']);
    (is_plain && is_at_a_verb).then(|| s.replace(at, adjective))
}

/// Whether a reader can know the spelling of the word at `at`.
pub(super) fn is_spellable(s: &SentenceWords<'_>, at: usize) -> bool {
    let word = s.word(at);
    // A capital within a sentence begins a name.
    let is_name = word.chars().next().is_some_and(char::is_uppercase) && !s.begins(at);
    s.is_word(at) && !is_name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic_errors::words::words;

    type Attempt = fn(&SentenceWords<'_>, usize, &mut SeededRng, &Lexicon) -> Option<WordEdit>;

    /// All results of `attempt` on `text` for many seeds, with marked words in brackets.
    fn results(attempt: Attempt, text: &str) -> Vec<String> {
        let lexicon = Lexicon::shared();
        let words = words(text);
        let sentence = SentenceWords::new(words.clone());
        let mut all = std::collections::BTreeSet::new();
        for seed in 0..200 {
            for at in 0..words.len() {
                let mut rng = SeededRng::new(seed, at as u64);
                let Some(edit) = attempt(&sentence, at, &mut rng, lexicon) else {
                    continue;
                };
                let mut marked: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
                marked.splice(
                    edit.range,
                    edit.replacement
                        .into_iter()
                        .map(|(word, wrong)| match wrong {
                            true => format!("[{word}]"),
                            false => word,
                        }),
                );
                all.insert(marked.join(" "));
            }
        }
        all.into_iter().collect()
    }

    #[test]
    fn agreement_errors_are_made_only_where_they_are_wrong() {
        assert_eq!(
            results(agreement, "He makes works of art and they go."),
            [
                "He [make] works of art and they go .",
                "He makes works of art and they [goes] ."
            ]
        );
        assert_eq!(results(agreement, "It isn’t late."), ["It [aren’t] late ."]);
    }

    #[test]
    fn verbs_get_a_form_that_their_governor_forbids() {
        assert_eq!(
            results(verb_form, "He has never gone."),
            [
                "He has never [go] .",
                "He has never [goed] .",
                "He has never [going] .",
                "He has never [went] ."
            ]
        );
        assert_eq!(
            results(verb_form, "We will make it."),
            [
                "We will [made] it .",
                "We will [makes] it .",
                "We will [making] it ."
            ]
        );
        assert_eq!(
            results(verb_form, "They walked home."),
            Vec::<String>::new()
        );
    }

    #[test]
    fn articles_are_dropped_exchanged_and_added() {
        assert_eq!(
            results(article, "The boat is a gift of nature."),
            [
                "The boat is [an] gift of nature .",
                "The boat is [gift] of nature .",
                "The boat is [the] gift of nature .",
                "The boat is a gift of [a] nature .",
                "The boat is a gift of [the] nature .",
                "[Boat] is a gift of nature ."
            ]
        );
    }

    #[test]
    fn nouns_change_their_number_only_where_a_determiner_forbids_it() {
        assert_eq!(
            results(
                number,
                "Every boat of these tall ships and the girls got advice."
            ),
            [
                "Every [boats] of these tall ships and the girls got advice .",
                "Every boat of these tall [ship] and the girls got advice .",
                "Every boat of these tall ships and the girls got [advices] ."
            ]
        );
    }

    #[test]
    fn a_missing_word_marks_the_next_one_and_an_added_word_itself() {
        assert_eq!(
            results(dropped, "We are here."),
            ["We [here] .", "We are [.]", "[Are] here ."]
        );
        assert_eq!(
            results(doubled, "We wait."),
            ["We [we] wait .", "We wait [wait] ."]
        );
        assert_eq!(
            results(preposition, "They enter the house"),
            ["They enter [into] the house"]
        );
    }

    #[test]
    fn swapped_words_are_both_marked_and_the_first_is_capitalised() {
        assert_eq!(results(order, "The boat left"), ["[Boat] [the] left"]);
    }

    #[test]
    fn apostrophes_are_dropped_misplaced_and_added() {
        assert_eq!(
            results(apostrophe, "John's boats don't leak."),
            [
                "John's [boat's] don't leak .",
                "John's boats [dont] leak .",
                "[Johns] ['] boats don't leak .",
                "[Johns] boats don't leak ."
            ]
        );
        assert_eq!(
            results(apostrophe, "The boats are old"),
            ["The [boat's] are old"]
        );
    }

    #[test]
    fn words_are_confused_with_similar_ones_and_with_their_family() {
        assert_eq!(
            results(confusable, "Their boat leaks every day"),
            [
                "Their boat leaks [everyday]",
                "[There] boat leaks every day",
                "[They're] boat leaks every day"
            ]
        );
        assert_eq!(
            results(word_form, "It is better and easy"),
            [
                "It is [more] better and easy",
                "It is better and [ease]",
                "It is better and [easily]"
            ]
        );
    }
}
