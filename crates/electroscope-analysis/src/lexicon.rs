//! English words and their forms: what synthetic errors are made of, and suggestions.
//!
//! The tables are text files in `data/lexicon/` of this crate: entries of one line, with words separated
//! by commas, and comments after `#`. They are part of the binary, and parsed once.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// A table of `data/lexicon/`.
macro_rules! table {
    ($name:literal) => {
        include_str!(concat!("../data/lexicon/", $name, ".txt"))
    };
}

/// The entries of a table, each a list of words.
fn entries(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = table.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(',').map(str::trim).collect())
}

/// The words of a table with one word per entry.
fn words(table: &'static str) -> impl Iterator<Item = &'static str> {
    entries(table).filter_map(|entry| entry.into_iter().next())
}

/// The words of a table with two words per entry.
fn pairs(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    entries(table).filter_map(|entry| match entry.as_slice() {
        &[first, second] => Some((first, second)),
        _ => None,
    })
}

/// A form of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerbForm {
    /// `go`
    Base,
    /// `goes`
    Third,
    /// `went`
    Past,
    /// `gone`
    Participle,
    /// `going`
    Ing,
}

/// A verb with its forms.
#[derive(Clone, Debug)]
pub struct Verb {
    /// `go`
    pub base: &'static str,
    /// `goes`
    pub third: String,
    /// `went`
    pub past: String,
    /// `gone`
    pub participle: String,
    /// `going`
    pub ing: String,
    /// Whether its base or its third person is also a noun.
    pub is_noun_too: bool,
    /// The wrong regular past, if the verb is irregular.
    pub regularised: Option<String>,
}

impl Verb {
    /// A verb with its past and participle, if it is irregular.
    fn new(base: &'static str, irregular: Option<(&str, &str)>, spelling: &VerbSpelling) -> Verb {
        let regular_past = spelling.past_of(base);
        let (past, participle) = irregular.unwrap_or((&regular_past, &regular_past));
        Verb {
            third: plural_of(base),
            past: past.to_owned(),
            participle: participle.to_owned(),
            ing: spelling.ing_of(base),
            is_noun_too: spelling.noun_verbs.contains(base),
            regularised: irregular.is_some().then(|| regular_past.clone()),
            base,
        }
    }

    /// The form that is named.
    pub fn form(&self, form: VerbForm) -> &str {
        match form {
            VerbForm::Base => self.base,
            VerbForm::Third => &self.third,
            VerbForm::Past => &self.past,
            VerbForm::Participle => &self.participle,
            VerbForm::Ing => &self.ing,
        }
    }
}

/// The number of a noun, with its other form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NounNumber {
    /// A singular, with its plural.
    Singular(String),
    /// A plural, with its singular.
    Plural(String),
    /// An uncountable noun, with the wrong plural.
    Uncountable(String),
}

/// The number of the noun that a determiner is followed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeterminerNumber {
    /// `a`, `every`
    Singular,
    /// `many`, `these`
    Plural,
    /// `the`, `my`
    Any,
}

/// Maps from words in lower case to what they may be replaced by, and to their forms.
pub struct Lexicon {
    verbs: Vec<Verb>,
    verb_forms: HashMap<String, Vec<(usize, VerbForm)>>,
    nouns: HashMap<String, NounNumber>,
    confusables: HashMap<&'static str, Vec<&'static str>>,
    frequent_confusables: HashSet<&'static str>,
    families: HashMap<&'static str, Vec<&'static str>>,
    prepositions: HashMap<&'static str, Vec<&'static str>>,
    comparatives: HashSet<&'static str>,
    needless_prepositions: HashMap<&'static str, &'static str>,
    often_dropped: HashSet<&'static str>,
    determiners: HashMap<&'static str, DeterminerNumber>,
}

impl Lexicon {
    /// The lexicon, which is parsed at the first call.
    pub fn shared() -> &'static Lexicon {
        static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::parse);
        &LEXICON
    }

    fn parse() -> Lexicon {
        let spelling = VerbSpelling {
            doubling: words(table!("doubling_verbs")).collect(),
            noun_verbs: words(table!("noun_verbs")).collect(),
        };
        let irregular = entries(table!("irregular_verbs")).filter_map(|entry| {
            let &[base, past, participle] = entry.as_slice() else {
                return None;
            };
            Some(Verb::new(base, Some((past, participle)), &spelling))
        });
        let regular = words(table!("regular_verbs")).map(|base| Verb::new(base, None, &spelling));
        let verbs: Vec<Verb> = irregular.chain(regular).collect();
        let mut verb_forms: HashMap<String, Vec<(usize, VerbForm)>> = HashMap::new();
        for (at, verb) in verbs.iter().enumerate() {
            for form in [
                VerbForm::Base,
                VerbForm::Third,
                VerbForm::Past,
                VerbForm::Participle,
                VerbForm::Ing,
            ] {
                let forms = verb_forms.entry(verb.form(form).to_owned()).or_default();
                forms.push((at, form));
            }
        }
        let mut nouns = HashMap::new();
        let regular = words(table!("regular_nouns")).map(|noun| (noun, plural_of(noun)));
        let irregular = pairs(table!("irregular_nouns"))
            .map(|(singular, plural)| (singular, plural.to_owned()));
        for (singular, plural) in regular.chain(irregular).filter(|(one, many)| one != many) {
            nouns.insert(plural.clone(), NounNumber::Plural(singular.to_owned()));
            nouns.insert(singular.to_owned(), NounNumber::Singular(plural));
        }
        for noun in words(table!("uncountable_nouns")) {
            nouns.insert(noun.to_owned(), NounNumber::Uncountable(plural_of(noun)));
        }
        let determiners = [
            (table!("singular_determiners"), DeterminerNumber::Singular),
            (table!("plural_determiners"), DeterminerNumber::Plural),
            (table!("any_number_determiners"), DeterminerNumber::Any),
        ];
        Lexicon {
            verbs,
            verb_forms,
            nouns,
            confusables: others(table!("confusables")),
            frequent_confusables: words(table!("frequent_confusables")).collect(),
            families: others(table!("word_families")),
            prepositions: entries(table!("prepositions"))
                .filter_map(|mut entry| {
                    let others = entry.split_off(1.min(entry.len()));
                    Some((*entry.first()?, others))
                })
                .collect(),
            comparatives: words(table!("comparatives")).collect(),
            needless_prepositions: pairs(table!("needless_prepositions")).collect(),
            often_dropped: words(table!("often_dropped")).collect(),
            determiners: (determiners.into_iter())
                .flat_map(|(table, number)| words(table).map(move |word| (word, number)))
                .collect(),
        }
    }

    /// The verbs that `word` is a form of, and which form.
    pub fn verbs(&self, word: &str) -> impl Iterator<Item = (&Verb, VerbForm)> {
        let forms = self.verb_forms.get(word).map_or(&[][..], Vec::as_slice);
        forms
            .iter()
            .filter_map(|&(at, form)| Some((self.verbs.get(at)?, form)))
    }

    /// The number of the noun `word`, if it is a known noun.
    pub fn noun(&self, word: &str) -> Option<&NounNumber> {
        self.nouns.get(word)
    }

    /// The words that `word` is confused with.
    pub fn confusables(&self, word: &str) -> &[&'static str] {
        self.confusables.get(word).map_or(&[], Vec::as_slice)
    }

    /// Whether `word` is so frequent that it would leave no room for other confusables.
    pub fn is_frequent_confusable(&self, word: &str) -> bool {
        self.frequent_confusables.contains(word)
    }

    /// The other words of the family of `word`.
    pub fn family(&self, word: &str) -> &[&'static str] {
        self.families.get(word).map_or(&[], Vec::as_slice)
    }

    /// The prepositions that are used wrongly instead of `word`; none if it is not a preposition.
    pub fn prepositions(&self, word: &str) -> &[&'static str] {
        self.prepositions.get(word).map_or(&[], Vec::as_slice)
    }

    /// Whether `word` is a comparative.
    pub fn is_comparative(&self, word: &str) -> bool {
        self.comparatives.contains(word)
    }

    /// The preposition that is used wrongly after a form of the verb `word`.
    pub fn needless_preposition(&self, word: &str) -> Option<&'static str> {
        self.verbs(word)
            .find_map(|(verb, _)| self.needless_prepositions.get(verb.base).copied())
    }

    /// Whether `word` is a small word that is often left out.
    pub fn is_often_dropped(&self, word: &str) -> bool {
        self.often_dropped.contains(word)
    }

    /// The number that the determiner `word` requires; none if it is not a determiner.
    pub fn determiner(&self, word: &str) -> Option<DeterminerNumber> {
        self.determiners.get(word).copied()
    }
}

/// For each word of a table of sets, the other words of its sets.
fn others(table: &'static str) -> HashMap<&'static str, Vec<&'static str>> {
    let mut map: HashMap<&str, Vec<&str>> = HashMap::new();
    for set in entries(table) {
        for &word in &set {
            let others = set.iter().copied().filter(|&other| other != word);
            map.entry(word).or_default().extend(others);
        }
    }
    map
}

fn ends_in_vowel_and_y(word: &str) -> bool {
    ["ay", "ey", "oy", "uy"]
        .iter()
        .any(|end| word.ends_with(end))
}

/// The plural of a regular noun, and the third person of a regular verb.
pub fn plural_of(word: &str) -> String {
    if word.ends_with('y') && !ends_in_vowel_and_y(word) {
        return format!("{}ies", word.trim_end_matches('y'));
    }
    let with_es = ["s", "x", "z", "ch", "sh", "go", "do", "ro"];
    if word == "series" {
        return word.to_owned();
    }
    match with_es.iter().any(|end| word.ends_with(end)) {
        true => format!("{word}es"),
        false => format!("{word}s"),
    }
}

/// What is needed to spell the forms of verbs.
struct VerbSpelling {
    /// Verbs that double their last letter before -ed and -ing.
    doubling: HashSet<&'static str>,
    /// Verbs whose base or third person is also a noun.
    noun_verbs: HashSet<&'static str>,
}

impl VerbSpelling {
    /// `word` with its last letter doubled, if it is doubled before a vowel.
    fn stem(&self, word: &str) -> String {
        match word.chars().next_back() {
            Some(last) if self.doubling.contains(word) => format!("{word}{last}"),
            _ => word.to_owned(),
        }
    }

    /// The past of a regular verb.
    fn past_of(&self, word: &str) -> String {
        if word.ends_with('e') {
            return format!("{word}d");
        }
        if word.ends_with('y') && !ends_in_vowel_and_y(word) {
            return format!("{}ied", word.trim_end_matches('y'));
        }
        format!("{}ed", self.stem(word))
    }

    /// The form of a verb in -ing.
    fn ing_of(&self, word: &str) -> String {
        if let Some(stem) = word.strip_suffix("ie") {
            return format!("{stem}ying");
        }
        if ["ee", "oe", "ye"].iter().any(|end| word.ends_with(end)) {
            return format!("{word}ing");
        }
        match word.strip_suffix('e') {
            Some(stem) if stem.len() > 1 => format!("{stem}ing"),
            _ => format!("{}ing", self.stem(word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_regular_verbs_are_spelt_right() {
        let lexicon = Lexicon::shared();
        let forms = |base: &str| {
            let verb = lexicon.verbs.iter().find(|verb| verb.base == base).unwrap();
            [verb.third.as_str(), &verb.past, &verb.ing]
        };
        assert_eq!(forms("stop"), ["stops", "stopped", "stopping"]);
        assert_eq!(forms("carry"), ["carries", "carried", "carrying"]);
        assert_eq!(forms("enjoy"), ["enjoys", "enjoyed", "enjoying"]);
        assert_eq!(forms("die"), ["dies", "died", "dying"]);
        assert_eq!(forms("agree"), ["agrees", "agreed", "agreeing"]);
        assert_eq!(forms("watch"), ["watches", "watched", "watching"]);
        assert_eq!(forms("use"), ["uses", "used", "using"]);
    }

    #[test]
    fn irregular_verbs_know_their_forms_and_the_wrong_regular_one() {
        let lexicon = Lexicon::shared();
        let (go, form) = lexicon.verbs("goes").next().unwrap();
        assert_eq!(
            (go.base, form, go.ing.as_str(), go.participle.as_str()),
            ("go", VerbForm::Third, "going", "gone")
        );
        assert_eq!(go.regularised.as_deref(), Some("goed"));
    }

    #[test]
    fn every_table_has_entries_of_the_right_length() {
        // The number of words in an entry, at least and at most, and of entries at least.
        let tables = [
            (table!("confusables"), 2, 3, 120),
            (table!("frequent_confusables"), 1, 1, 20),
            (table!("irregular_verbs"), 3, 3, 99),
            (table!("regular_verbs"), 1, 1, 249),
            (table!("noun_verbs"), 1, 1, 185),
            (table!("doubling_verbs"), 1, 1, 22),
            (table!("regular_nouns"), 1, 1, 262),
            (table!("irregular_nouns"), 2, 2, 15),
            (table!("uncountable_nouns"), 1, 1, 48),
            (table!("word_families"), 2, 8, 89),
            (table!("comparatives"), 1, 1, 25),
            (table!("prepositions"), 2, 6, 23),
            (table!("needless_prepositions"), 2, 2, 26),
            (table!("often_dropped"), 1, 1, 45),
            (table!("singular_determiners"), 1, 1, 7),
            (table!("plural_determiners"), 1, 1, 23),
            (table!("any_number_determiners"), 1, 1, 13),
        ];
        for (table, least, most, count) in tables {
            assert!(entries(table).count() >= count, "{table}");
            for entry in entries(table) {
                assert!((least..=most).contains(&entry.len()), "{entry:?}");
                let different: HashSet<_> = entry.iter().collect();
                let is_verb = least == 3;
                assert!(is_verb || different.len() == entry.len(), "{entry:?}");
                for word in entry {
                    let is_plain = word.chars().all(|c| c.is_alphabetic() || " '".contains(c));
                    assert!(
                        is_plain && !word.is_empty() && word.trim() == word,
                        "{word:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_verb_is_in_two_tables() {
        let lexicon = Lexicon::shared();
        let bases: HashSet<_> = lexicon.verbs.iter().map(|verb| verb.base).collect();
        assert_eq!(bases.len(), lexicon.verbs.len());
        assert_eq!(lexicon.verbs.len(), 99 + 249);
    }

    #[test]
    fn comments_and_empty_lines_are_no_entries() {
        let found: Vec<_> = entries("# a, b\n\n every day,everyday \n").collect();
        assert_eq!(found, [["every day", "everyday"]]);
    }

    #[test]
    fn nouns_know_their_number() {
        let lexicon = Lexicon::shared();
        assert_eq!(
            lexicon.noun("cities"),
            Some(&NounNumber::Plural("city".into()))
        );
        assert_eq!(
            lexicon.noun("child"),
            Some(&NounNumber::Singular("children".into()))
        );
        assert_eq!(
            lexicon.noun("advice"),
            Some(&NounNumber::Uncountable("advices".into()))
        );
        assert_eq!(lexicon.noun("series"), None);
    }
}
