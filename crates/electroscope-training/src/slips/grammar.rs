//! Slips of grammar and of the hand: how each kind changes the words at one place, if it can.
//!
//! English is read here by its small words alone: a slip is made only where they say that what comes
//! out is wrong (`has went`, `a boats`, `to goes`), since a right sentence with a mark teaches
//! nonsense. A few still come out right; no rule without a parser avoids that.

use std::ops::Range;

use electroscope_model::chance::Chance;

use super::lexicon::{
    EITHER_BEFORE, FORGOTTEN, FREQUENT, Form, Lexicon, Noun, PLURAL_BEFORE, SINGULAR_BEFORE,
};
use super::words::{capitalised, in_case_of, is_apostrophe};

/// A sentence whose words are looked at in lower case, with straight apostrophes.
pub(super) struct Sentence<'a> {
    words: Vec<&'a str>,
    lower: Vec<String>,
}

/// Words in the place of others, each with whether it is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) with: Vec<(String, bool)>,
}

impl Edit {
    /// `wrong`, of one word or several, instead of the `count` words from `at` on.
    pub(super) fn instead(at: usize, count: usize, wrong: &str) -> Edit {
        Edit {
            range: at..at + count,
            with: wrong
                .split(' ')
                .map(|word| (word.to_owned(), true))
                .collect(),
        }
    }

    fn before(at: usize, wrong: &str) -> Edit {
        Edit::instead(at, 0, wrong)
    }
}

/// What stands before a verb and says which form it must have.
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
    /// `he`
    He,
    /// `they`
    They,
    /// Anything else.
    Other,
}

/// Verbs that say time, person and number, with those that are wrongly put for them.
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

/// Adverbs that stand between a verb and what governs it.
const BETWEEN: &[&str] = &[
    "not", "also", "never", "always", "often", "already", "still", "just", "only", "ever", "even",
    "now", "then", "usually", "really", "probably",
];

impl<'a> Sentence<'a> {
    pub(super) fn new(words: Vec<&'a str>) -> Sentence<'a> {
        let lower = words
            .iter()
            .map(|word| word.to_lowercase().replace('’', "'"))
            .collect();
        Sentence { words, lower }
    }

    fn word(&self, at: usize) -> &'a str {
        self.words.get(at).copied().unwrap_or_default()
    }

    fn lower(&self, at: usize) -> &str {
        self.lower.get(at).map_or("", String::as_str)
    }

    /// The word before `at`, in lower case.
    fn before(&self, at: usize) -> &str {
        at.checked_sub(1).map_or("", |at| self.lower(at))
    }

    /// Whether the word at `at` is made of letters, with apostrophes inside.
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

    /// The apostrophe that this sentence is written with.
    fn apostrophe(&self) -> char {
        match self.words.iter().any(|word| word.contains('’')) {
            true => '’',
            false => '\'',
        }
    }

    /// `wrong` instead of the word at `at`, in its capitals.
    pub(super) fn instead(&self, at: usize, wrong: &str) -> Edit {
        let mut wrong = in_case_of(self.word(at), wrong);
        if self.apostrophe() == '’' {
            wrong = wrong.replace('\'', "’");
        }
        Edit::instead(at, 1, &wrong)
    }

    /// Nothing instead of the word at `at`; the mark goes to the word after the gap.
    fn without(&self, at: usize) -> Option<Edit> {
        let next = *self.words.get(at + 1)?;
        let next = match self.begins(at) {
            true => capitalised(next),
            false => next.to_owned(),
        };
        Some(Edit {
            range: at..at + 2,
            with: vec![(next, true)],
        })
    }

    /// `wrong` as a word more before the one at `at`.
    fn more(&self, at: usize, wrong: &str) -> Option<Edit> {
        (!self.begins(at)).then(|| Edit::before(at, wrong))
    }

    fn governor(&self, at: usize, lexicon: &Lexicon) -> Governor {
        let mut place = at;
        let mut word = "";
        while let Some(before) = place.checked_sub(1) {
            word = self.lower(before);
            if !BETWEEN.contains(&word) {
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
            "he" | "she" | "it" | "everyone" | "everybody" | "someone" | "nobody" => Governor::He,
            "i" | "you" | "we" | "they" | "people" => Governor::They,
            word if !lexicon.prepositions(word).is_empty() => Governor::Preposition,
            _ => Governor::Other,
        }
    }

    /// Whether what stands before the noun at `at` says its number: the word that does, if it is
    /// found before any other that cannot stand within a group of nouns.
    fn determiner(&self, at: usize) -> &str {
        for before in (at.saturating_sub(3)..at).rev() {
            let word = self.lower(before);
            let known = [SINGULAR_BEFORE, PLURAL_BEFORE, EITHER_BEFORE]
                .iter()
                .any(|list| list.contains(&word));
            if known {
                return word;
            }
            if word.ends_with("'s") {
                return "'s";
            }
            if !self.is_word(before) || AGREEING.iter().any(|(verb, _)| *verb == word) {
                break;
            }
        }
        ""
    }
}

/// Another word of its set.
pub(super) fn confusable(
    s: &Sentence<'_>,
    at: usize,
    chance: &mut Chance,
    lexicon: &Lexicon,
) -> Option<Edit> {
    /// How often a frequent word is taken where it stands.
    const SELDOM: f64 = 0.15;
    let pair = format!("{} {}", s.lower(at), s.lower(at + 1));
    if let Some(&joined) = lexicon.confusables(&pair).first() {
        return Some(Edit::instead(at, 2, &in_case_of(s.word(at), joined)));
    }
    let word = s.lower(at);
    if FREQUENT.contains(&word) && !chance.happens(SELDOM) {
        return None;
    }
    let wrong = *chance.pick(lexicon.confusables(word))?;
    Some(s.instead(at, wrong))
}

/// A verb that does not agree with its subject.
pub(super) fn agreement(
    s: &Sentence<'_>,
    at: usize,
    chance: &mut Chance,
    lexicon: &Lexicon,
) -> Option<Edit> {
    let word = s.lower(at);
    if let Some((_, wrong)) = AGREEING.iter().find(|(verb, _)| *verb == word) {
        return Some(s.instead(at, chance.pick(wrong)?));
    }
    let governor = s.governor(at, lexicon);
    for (verb, form) in lexicon.verbs(word) {
        let wrong = match form {
            Form::Third if governor == Governor::He || !verb.is_noun_too => verb.base,
            Form::Base if governor == Governor::They => &verb.third,
            Form::Base if governor == Governor::Other && !verb.is_noun_too => &verb.third,
            _ => continue,
        };
        if wrong != word {
            return Some(s.instead(at, wrong));
        }
    }
    None
}

/// A verb in the wrong form for what stands before it.
pub(super) fn verb_form(
    s: &Sentence<'_>,
    at: usize,
    chance: &mut Chance,
    lexicon: &Lexicon,
) -> Option<Edit> {
    /// How often an irregular past is made regular, where other slips are possible too.
    const REGULARISED: f64 = 0.2;
    let word = s.lower(at);
    let governor = s.governor(at, lexicon);
    let mut wrong: Vec<&str> = Vec::new();
    for (verb, form) in lexicon.verbs(word) {
        match (governor, form) {
            (Governor::Modal, Form::Base) => {
                wrong.extend([&verb.third as &str, &verb.past, &verb.past, &verb.ing]);
            }
            (Governor::To, Form::Base) => wrong.extend([&verb.past as &str, &verb.ing]),
            (Governor::Have, Form::Participle) => {
                wrong.extend([verb.base, &verb.past, &verb.ing]);
            }
            (Governor::Be, Form::Participle) => wrong.extend([verb.base, &verb.past]),
            (Governor::Be, Form::Ing) => wrong.push(verb.base),
            (Governor::Preposition, Form::Ing) if !verb.is_noun_too => wrong.push(verb.base),
            (Governor::He | Governor::They | Governor::Other, Form::Past) => {
                // `he walked` may be `he walks`, but never `he gone`.
                if verb.participle != verb.past {
                    wrong.push(&verb.participle);
                }
                if governor == Governor::He {
                    wrong.push(verb.base);
                }
            }
            _ => {}
        }
        if let Some(regularised) = &verb.regularised
            && matches!(form, Form::Past | Form::Participle)
            && word != verb.base
            && (wrong.is_empty() || chance.happens(REGULARISED))
            && !verb.is_noun_too
        {
            wrong = vec![regularised];
        }
    }
    wrong.retain(|&other| other != word);
    Some(s.instead(at, chance.pick(&wrong)?))
}

/// A word that says how much or which one, so that an article cannot stand beside it.
fn is_determiner(word: &str) -> bool {
    [SINGULAR_BEFORE, PLURAL_BEFORE, EITHER_BEFORE]
        .iter()
        .any(|list| list.contains(&word))
}

/// An article dropped, put in or taken for another.
pub(super) fn article(
    s: &Sentence<'_>,
    at: usize,
    chance: &mut Chance,
    lexicon: &Lexicon,
) -> Option<Edit> {
    let (word, next) = (s.lower(at), s.lower(at + 1));
    if matches!(word, "a" | "an" | "the") && s.is_word(at + 1) {
        let other = if word == "a" { "an" } else { "a" };
        let next_is_plural = matches!(lexicon.noun(next), Some(Noun::Plural(_)));
        return match chance.weighted(&[0.6, 0.25, 0.15])? {
            1 if word != "the" || next_is_plural => Some(s.instead(at, other)),
            2 if word != "the" => Some(s.instead(at, "the")),
            _ => s.without(at),
        };
    }
    // One too many: before a noun that takes none of itself, and that a small word leads in.
    let leads_in = |word: &str| {
        !lexicon.prepositions(word).is_empty()
            || matches!(
                word,
                "is" | "are" | "was" | "were" | "and" | "have" | "has" | "more"
            )
    };
    let before = s.before(at);
    if !leads_in(before) || is_determiner(before) {
        return None;
    }
    match lexicon.noun(word)? {
        Noun::Singular(_) => None,
        Noun::Plural(_) => s.more(at, if chance.happens(0.6) { "a" } else { "the" }),
        Noun::Uncountable(_) => s.more(at, if chance.happens(0.4) { "a" } else { "the" }),
    }
}

/// A preposition taken for another, dropped or put in.
pub(super) fn preposition(
    s: &Sentence<'_>,
    at: usize,
    chance: &mut Chance,
    lexicon: &Lexicon,
) -> Option<Edit> {
    if let Some(needless) = lexicon.needless(s.lower(at)) {
        let next_is_object =
            is_determiner(s.lower(at + 1)) || matches!(s.lower(at + 1), "them" | "him" | "it");
        return next_is_object.then(|| Edit::before(at + 1, needless));
    }
    let others = lexicon.prepositions(s.lower(at));
    if others.is_empty() || !s.is_word(at + 1) {
        return None;
    }
    if chance.happens(0.3) {
        return s.without(at);
    }
    Some(s.instead(at, chance.pick(others)?))
}

/// A word twice.
pub(super) fn doubled(s: &Sentence<'_>, at: usize, _: &mut Chance, _: &Lexicon) -> Option<Edit> {
    let word = s.lower(at);
    // These may stand twice.
    if !s.is_word(at) || matches!(word, "had" | "that" | "very" | "so") {
        return None;
    }
    let again = match s.begins(at) && s.word(at) != "I" {
        true => word.to_owned(),
        false => s.word(at).to_owned(),
    };
    Some(Edit::before(at + 1, &again))
}

/// A word forgotten: mostly a small one.
pub(super) fn dropped(
    s: &Sentence<'_>,
    at: usize,
    chance: &mut Chance,
    _: &Lexicon,
) -> Option<Edit> {
    /// How often any other word is taken where it stands.
    const OTHERS: f64 = 0.04;
    let is_small = FORGOTTEN.contains(&s.lower(at));
    if !s.is_word(at) || !(is_small || chance.happens(OTHERS)) {
        return None;
    }
    // A small word at the end, or before a comma, is seldom missed.
    if is_small && !s.is_word(at + 1) {
        return None;
    }
    s.without(at)
}

/// A noun in the wrong number.
pub(super) fn number(
    s: &Sentence<'_>,
    at: usize,
    _: &mut Chance,
    lexicon: &Lexicon,
) -> Option<Edit> {
    let word = s.lower(at);
    let determiner = s.determiner(at);
    let is_one = SINGULAR_BEFORE.contains(&determiner);
    let is_open = EITHER_BEFORE.contains(&determiner);
    match lexicon.noun(word) {
        Some(Noun::Plural(one)) if !is_one && !is_open => Some(s.instead(at, one)),
        Some(Noun::Singular(many)) if is_one => Some(s.instead(at, many)),
        Some(Noun::Uncountable(many)) => Some(s.instead(at, many)),
        Some(_) => None,
        // A noun that is in no list, right after a word that only a plural follows.
        None => {
            let before = s.before(at);
            let surely = ["these", "those", "many", "several", "two", "three", "four"];
            let one = word.strip_suffix('s')?;
            let is_plural = one.len() > 2 && !one.ends_with(['s', 'u', 'i', 'e']);
            (is_plural && surely.contains(&before)).then(|| s.instead(at, one))
        }
    }
}

/// Two neighbours in the wrong order.
pub(super) fn order(s: &Sentence<'_>, at: usize, _: &mut Chance, _: &Lexicon) -> Option<Edit> {
    // Adverbs and the like stand where they please, and two of a kind change places unseen.
    let is_fixed = |at: usize| {
        let word = s.lower(at);
        s.is_word(at)
            && !word.ends_with("ly")
            && !BETWEEN.contains(&word)
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
        FORGOTTEN.contains(&word) || is_determiner(word) || word.len() <= 2
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
    Some(Edit {
        range: at..at + 2,
        with: vec![(second, true), (first, true)],
    })
}

/// An apostrophe lost, moved or put in.
pub(super) fn apostrophe(
    s: &Sentence<'_>,
    at: usize,
    chance: &mut Chance,
    lexicon: &Lexicon,
) -> Option<Edit> {
    let word = s.word(at);
    if let Some(place) = word.find(is_apostrophe).filter(|&place| place > 0) {
        let without: String = word.chars().filter(|&c| !is_apostrophe(c)).collect();
        // `let's` and `John's` may be moved too: `Johns'`.
        let is_possessive = s.lower(at).ends_with("'s") && place + 1 < word.len();
        if is_possessive && chance.happens(0.3) {
            return Some(Edit::instead(
                at,
                1,
                &format!("{without} {}", s.apostrophe()),
            ));
        }
        return Some(Edit::instead(at, 1, &without));
    }
    if !matches!(lexicon.noun(s.lower(at)), Some(Noun::Plural(_))) || !word.ends_with('s') {
        return None;
    }
    // Before another noun it would be right.
    let ends_a_group = !s.is_word(at + 1) || {
        let next = s.lower(at + 1);
        !lexicon.prepositions(next).is_empty()
            || AGREEING.iter().any(|(verb, _)| *verb == next)
            || matches!(next, "and" | "or" | "that" | "which" | "who")
    };
    let stem = word.get(..word.len() - 1)?;
    ends_a_group.then(|| Edit::instead(at, 1, &format!("{stem}{}s", s.apostrophe())))
}

/// Another word of the same stem, or `more` before a comparative.
pub(super) fn word_form(
    s: &Sentence<'_>,
    at: usize,
    chance: &mut Chance,
    lexicon: &Lexicon,
) -> Option<Edit> {
    let word = s.lower(at);
    if lexicon.is_comparative(word) && !matches!(s.before(at), "more" | "much") {
        return s.more(at, "more");
    }
    if let Some(other) = chance.pick(lexicon.family(word)) {
        return Some(s.instead(at, other));
    }
    // An adjective for an adverb, right before or after a verb.
    let adjective = word.strip_suffix("ly")?;
    let is_at_a_verb = lexicon.verbs(s.before(at)).next().is_some()
        || lexicon.verbs(s.lower(at + 1)).next().is_some();
    let is_plain = adjective.len() > 3 && !adjective.ends_with(['i', 'b', 'p']);
    (is_plain && is_at_a_verb).then(|| s.instead(at, adjective))
}

/// Whether the word at `at` is one whose spelling a reader knows.
pub(super) fn is_spellable(s: &Sentence<'_>, at: usize) -> bool {
    let word = s.word(at);
    // A capital within a sentence begins a name, whose spelling nobody can know.
    let is_name = word.chars().next().is_some_and(char::is_uppercase) && !s.begins(at);
    s.is_word(at) && !is_name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slips::words::words;

    type Attempt = fn(&Sentence<'_>, usize, &mut Chance, &Lexicon) -> Option<Edit>;

    /// The wrong sentences that `attempt` makes of `text`, whatever chance says, with marked words in
    /// brackets.
    fn made(attempt: Attempt, text: &str) -> Vec<String> {
        let lexicon = Lexicon::new();
        let words = words(text);
        let sentence = Sentence::new(words.clone());
        let mut all = std::collections::BTreeSet::new();
        for seed in 0..200 {
            for at in 0..words.len() {
                let mut chance = Chance::new(seed, at as u64);
                let Some(edit) = attempt(&sentence, at, &mut chance, &lexicon) else {
                    continue;
                };
                let mut marked: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
                marked.splice(
                    edit.range,
                    edit.with.into_iter().map(|(word, wrong)| match wrong {
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
    fn verbs_disagree_only_where_that_is_wrong() {
        assert_eq!(
            made(agreement, "He makes works of art and they go."),
            [
                "He [make] works of art and they go .",
                "He makes works of art and they [goes] ."
            ]
        );
        assert_eq!(made(agreement, "It isn’t late."), ["It [aren’t] late ."]);
    }

    #[test]
    fn verbs_take_the_form_that_what_is_before_them_forbids() {
        assert_eq!(
            made(verb_form, "He has never gone."),
            [
                "He has never [go] .",
                "He has never [goed] .",
                "He has never [going] .",
                "He has never [went] ."
            ]
        );
        assert_eq!(
            made(verb_form, "We will make it."),
            [
                "We will [made] it .",
                "We will [makes] it .",
                "We will [making] it ."
            ]
        );
        assert_eq!(made(verb_form, "They walked home."), Vec::<String>::new());
    }

    #[test]
    fn articles_are_dropped_swapped_and_put_in() {
        assert_eq!(
            made(article, "The boat is a gift of nature."),
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
    fn nouns_change_their_number_only_where_a_small_word_forbids_it() {
        assert_eq!(
            made(
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
    fn a_gap_marks_the_word_after_it_and_an_addition_itself() {
        assert_eq!(
            made(dropped, "We are here."),
            ["We [here] .", "We are [.]", "[Are] here ."]
        );
        assert_eq!(
            made(doubled, "We wait."),
            ["We [we] wait .", "We wait [wait] ."]
        );
        assert_eq!(
            made(preposition, "They enter the house"),
            ["They enter [into] the house"]
        );
    }

    #[test]
    fn swapped_neighbours_are_both_marked_and_the_first_word_keeps_its_capital() {
        assert_eq!(made(order, "The boat left"), ["[Boat] [the] left"]);
    }

    #[test]
    fn apostrophes_are_lost_moved_and_put_in() {
        assert_eq!(
            made(apostrophe, "John's boats don't leak."),
            [
                "John's [boat's] don't leak .",
                "John's boats [dont] leak .",
                "[Johns] ['] boats don't leak .",
                "[Johns] boats don't leak ."
            ]
        );
        assert_eq!(
            made(apostrophe, "The boats are old"),
            ["The [boat's] are old"]
        );
    }

    #[test]
    fn words_are_taken_for_those_that_sound_alike() {
        assert_eq!(
            made(confusable, "Their boat leaks every day"),
            [
                "Their boat leaks [everyday]",
                "[There] boat leaks every day",
                "[They're] boat leaks every day"
            ]
        );
        assert_eq!(
            made(word_form, "It is better and easy"),
            [
                "It is [more] better and easy",
                "It is better and [ease]",
                "It is better and [easily]"
            ]
        );
    }
}
