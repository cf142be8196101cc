//! Gathers what could stand in the place of a word, before anything is read by a model.
//!
//! | kind | what | from |
//! |---|---|---|
//! | spelling | words that are spelt alike, with one edit or two, three if they are long | the dictionary |
//! | split, join | two words for one, one word for two | the dictionary, the table of confusables |
//! | inflection | other forms of the word, and is for are, this for these and the like | rules and the dictionary; tables of irregular verbs and nouns and of word families |
//! | confusable | words that are confused with it: their, there; then, than; in, on | tables |
//! | article | a, an and the for each other | the sound that the next word begins with |
//! | doubled, deletion | nothing | |
//! | insertion | a small word before it | the words that are most often missing |
//!
//! The tables are in `data/lexicon` of this crate.

use std::ops::Range;

use crate::dictionary::Dictionary;
use crate::lexicon::{Lexicon, NounNumber, VerbForm};

/// What a candidate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CandidateKind {
    /// Spells the word another way.
    Spelling,
    /// Parts it into two words.
    Split,
    /// Joins it with the next word.
    Join,
    /// Takes another form of the word.
    Inflection,
    /// Takes a word that it is confused with.
    Confusable,
    /// Takes another article.
    Article,
    /// Leaves out a word that stands twice.
    Doubled,
    /// Leaves out the word.
    Deletion,
    /// Puts a small word before it.
    Insertion,
    /// Takes what a generator expects there.
    Guess,
}

impl CandidateKind {
    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            CandidateKind::Spelling => "spelling",
            CandidateKind::Split => "split",
            CandidateKind::Join => "join",
            CandidateKind::Inflection => "inflection",
            CandidateKind::Confusable => "confusable",
            CandidateKind::Article => "article",
            CandidateKind::Doubled => "doubled",
            CandidateKind::Deletion => "deletion",
            CandidateKind::Insertion => "insertion",
            CandidateKind::Guess => "guess",
        }
    }
}

/// Something to put in the place of a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) kind: CandidateKind,
    /// The bytes of the text that it replaces: the word, or more.
    pub(super) range: Range<usize>,
    /// What it puts there.
    pub(super) replacement: String,
    /// For a spelling its weighted distance; for a small word how often it is the one that is missing or too
    /// much, as a logarithm of a share.
    pub(super) weight: f32,
    /// The logarithm of the count of the new word; 0 if it is not listed.
    pub(super) frequency: f32,
}

/// The words around the place of a word.
pub(super) struct Place<'a> {
    /// The text of a block as its reader sees it.
    pub(super) text: &'a str,
    /// The word.
    pub(super) word: Range<usize>,
    /// The word before it, if nothing but white space stands between.
    pub(super) before: Option<Range<usize>>,
    /// The word after it, if nothing but white space stands between.
    pub(super) after: Option<Range<usize>>,
    /// Whether it begins a sentence.
    pub(super) begins_sentence: bool,
}

impl<'a> Place<'a> {
    fn of(&self, range: &Range<usize>) -> &'a str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    pub(super) fn word(&self) -> &'a str {
        self.of(&self.word)
    }

    fn after(&self) -> Option<&'a str> {
        self.after.as_ref().map(|range| self.of(range))
    }

    pub(super) fn repeats(&self) -> bool {
        let before = self.before.as_ref().map(|range| self.of(range));
        before.is_some_and(|before| {
            before.eq_ignore_ascii_case(self.word()) && before.contains(char::is_alphabetic)
        })
    }
}

/// The small words that are most often missing, with the logarithm of their share.
const INSERTED: [(&str, f32); 14] = [
    ("the", -1.0),
    ("a", -1.7),
    ("an", -1.7),
    ("to", -2.5),
    ("is", -3.2),
    ("of", -3.2),
    ("be", -3.2),
    ("it", -3.5),
    ("are", -3.9),
    ("as", -4.1),
    ("and", -4.1),
    ("in", -4.2),
    ("by", -4.2),
    ("you", -4.3),
];

/// The words that are most often too much, with the logarithm of their share.
const DELETED: [(&str, f32); 18] = [
    ("the", -1.2),
    ("a", -1.8),
    ("to", -2.7),
    ("an", -3.2),
    ("is", -3.4),
    ("of", -3.7),
    ("be", -3.7),
    ("and", -3.9),
    ("are", -4.0),
    ("in", -4.0),
    ("it", -4.1),
    ("for", -4.2),
    ("with", -4.3),
    ("as", -4.3),
    ("have", -4.4),
    ("on", -4.5),
    ("you", -4.5),
    ("from", -4.7),
];

/// The share of any other word.
const DELETED_OTHER: f32 = -8.0;

/// Words of which one stands for another where the subject or the noun has another number.
const AGREEING: [&[&str]; 12] = [
    &["is", "are", "was", "were", "be"],
    &["has", "have", "had"],
    &["do", "does", "did"],
    &["this", "these"],
    &["that", "those"],
    &["isn't", "aren't"],
    &["wasn't", "weren't"],
    &["doesn't", "don't"],
    &["hasn't", "haven't"],
    &["you", "your"],
    &["they", "their", "them"],
    &["it", "its"],
];

/// How many candidates of each kind there are at most, for a word that is in the dictionary and for one
/// that is not.
struct Most {
    spelling: usize,
    forms: usize,
    confusables: usize,
    insertions: usize,
}

const KNOWN: Most = Most {
    spelling: 6,
    forms: 8,
    confusables: 6,
    insertions: 9,
};
const UNKNOWN: Most = Most {
    spelling: 16,
    forms: 4,
    confusables: 2,
    insertions: 1,
};

/// What could stand in the place of a word, the word itself left out; nothing twice.
pub(super) fn gather(place: &Place<'_>, dictionary: &Dictionary) -> Vec<Candidate> {
    let mut found = Found {
        place,
        dictionary,
        candidates: Vec::new(),
    };
    let word = place.word();
    let lower = word.replace('’', "'").to_lowercase();
    let is_known = dictionary.contains(word);
    let most = if is_known { KNOWN } else { UNKNOWN };
    let lexicon = Lexicon::shared();

    if place.repeats() {
        found.leave_out(CandidateKind::Doubled, 0.0);
    }
    found.articles(&lower);
    let confusables = lexicon.confusables(&lower).iter();
    let confusables = confusables.chain(lexicon.prepositions(&lower));
    for other in confusables.take(most.confusables) {
        found.put(CandidateKind::Confusable, other, 0.0);
    }
    for other in forms(&lower, is_known, dictionary, lexicon)
        .into_iter()
        .take(most.forms)
    {
        found.put(CandidateKind::Inflection, &other, 0.0);
    }
    found.spellings(word, is_known, most.spelling);
    found.joined(&lower, lexicon);
    if !place.repeats() && is_known {
        let share = DELETED.iter().find(|(small, _)| *small == lower);
        found.leave_out(
            CandidateKind::Deletion,
            share.map_or(DELETED_OTHER, |(_, share)| *share),
        );
    }
    found.insertions(most.insertions);
    found.candidates
}

struct Found<'a> {
    place: &'a Place<'a>,
    dictionary: &'a Dictionary,
    candidates: Vec<Candidate>,
}

impl Found<'_> {
    /// Puts `other` in the place of the word, with the word's capitals.
    fn put(&mut self, kind: CandidateKind, other: &str, weight: f32) {
        let word = self.place.word();
        let replacement = in_case_of(word, other);
        let range = self.place.word.clone();
        self.add(kind, range, replacement, weight, self.frequency(other));
    }

    fn frequency(&self, word: &str) -> f32 {
        self.dictionary.frequency(word).unwrap_or(0.0)
    }

    fn add(
        &mut self,
        kind: CandidateKind,
        range: Range<usize>,
        replacement: String,
        weight: f32,
        frequency: f32,
    ) {
        let is_new = |known: &Candidate| known.range != range || known.replacement != replacement;
        if self.place.of(&range) != replacement && self.candidates.iter().all(is_new) {
            self.candidates.push(Candidate {
                kind,
                range,
                replacement,
                weight,
                frequency,
            });
        }
    }

    fn spellings(&mut self, word: &str, is_known: bool, most: usize) {
        let stem = ["'s", "’s"].iter().find_map(|end| word.strip_suffix(end));
        let (stem, possessive) = match stem {
            Some(stem) if !stem.is_empty() => (stem, word.get(stem.len()..).unwrap_or_default()),
            _ => (word, ""),
        };
        let neighbours = self.dictionary.neighbours(stem, 40);
        let near = neighbours
            .into_iter()
            .filter(|near| !is_known || near.edits == 1);
        for near in near.take(most) {
            let other = format!("{}{possessive}", near.word);
            let replacement = in_case_of(word, &other);
            let range = self.place.word.clone();
            self.add(
                CandidateKind::Spelling,
                range,
                replacement,
                near.distance,
                near.frequency,
            );
        }
        if !is_known {
            for (parts, cost) in self.dictionary.splits(word).into_iter().take(2) {
                let range = self.place.word.clone();
                self.add(CandidateKind::Split, range, parts, cost, 0.0);
            }
        }
    }

    fn articles(&mut self, lower: &str) {
        let Some(after) = self.place.after() else {
            return;
        };
        let fitting = article(after);
        match lower {
            "a" | "an" => {
                let other = if lower == "a" { "an" } else { "a" };
                // Which of the two it must be is nearly certain by the next word.
                let weight = if other == fitting { 1.0 } else { -1.0 };
                self.put(CandidateKind::Article, other, weight);
                self.put(CandidateKind::Article, "the", 0.0);
            }
            "the" => self.put(CandidateKind::Article, fitting, 0.0),
            _ => {}
        }
    }

    /// One word for this one and the next.
    fn joined(&mut self, lower: &str, lexicon: &Lexicon) {
        let Some(after) = self.place.after.clone() else {
            return;
        };
        let range = self.place.word.start..after.end;
        let next = self.place.of(&after);
        let pair = format!("{lower} {}", next.to_lowercase());
        let mut joined: Vec<String> = lexicon
            .confusables(&pair)
            .iter()
            .map(|&other| other.to_owned())
            .collect();
        let both = format!("{lower}{next}");
        if self.dictionary.contains(&both) && self.frequency(&both) > 5.0 {
            joined.push(both);
        }
        for other in joined {
            let frequency = self.frequency(&other);
            let replacement = in_case_of(self.place.word(), &other);
            self.add(
                CandidateKind::Join,
                range.clone(),
                replacement,
                0.0,
                frequency,
            );
        }
    }

    /// Nothing in the place of the word, and one space less.
    fn leave_out(&mut self, kind: CandidateKind, weight: f32) {
        let place = self.place;
        let is_capital = place.word().starts_with(char::is_uppercase);
        match (&place.before, &place.after) {
            // The next word takes the capital of the beginning.
            (_, Some(after)) if place.begins_sentence && is_capital => {
                let next = in_case_of("Xx", place.of(after));
                self.add(kind, place.word.start..after.end, next, weight, 0.0);
            }
            (_, Some(after)) => {
                self.add(
                    kind,
                    place.word.start..after.start,
                    String::new(),
                    weight,
                    0.0,
                );
            }
            (Some(before), None) => {
                self.add(kind, before.end..place.word.end, String::new(), weight, 0.0);
            }
            (None, None) => {}
        }
    }

    fn insertions(&mut self, most: usize) {
        let place = self.place;
        if !place.word().starts_with(char::is_alphanumeric) {
            return;
        }
        let fitting = article(place.word());
        let small = INSERTED.iter().filter(|(small, _)| match *small {
            "a" | "an" => *small == fitting,
            _ => true,
        });
        for &(small, share) in small.take(most) {
            let word = place.word();
            let first = word.chars().next();
            let replacement = match place.begins_sentence && first.is_some_and(char::is_uppercase) {
                // A name keeps its capital.
                true if self.dictionary.contains(&word.to_lowercase()) => {
                    format!("{} {}", in_case_of("Xx", small), word.to_lowercase())
                }
                true => format!("{} {word}", in_case_of("Xx", small)),
                false => format!("{small} {word}"),
            };
            let range = place.word.clone();
            self.add(CandidateKind::Insertion, range, replacement, share, 0.0);
        }
    }
}

/// `other` with the capitals of `word`: all, the first, or its own.
pub(super) fn in_case_of(word: &str, other: &str) -> String {
    let mut letters = word.chars().filter(|c| c.is_alphabetic());
    let first_is_capital = letters.next().is_some_and(char::is_uppercase);
    let (mut rest, mut capitals) = (0, 0);
    for letter in letters {
        rest += 1;
        capitals += usize::from(letter.is_uppercase());
    }
    let other = match word.contains('’') {
        true => other.replace('\'', "’"),
        false => other.to_owned(),
    };
    if first_is_capital && rest > 0 && capitals == rest {
        return other.to_uppercase();
    }
    let mut chars = other.chars();
    match chars.next() {
        Some(first) if first_is_capital && first.is_lowercase() => {
            first.to_uppercase().chain(chars).collect()
        }
        _ => other,
    }
}

/// `a` or `an`, as the sound that `next` begins with wants it.
pub fn article(next: &str) -> &'static str {
    let lower = next.to_lowercase();
    let begins = |parts: &[&str]| parts.iter().any(|part| lower.starts_with(part));
    let is_spelt_out = next.len() > 1
        && next.chars().take_while(|c| c.is_alphabetic()).count() >= 1
        && !next.chars().any(char::is_lowercase)
        && !begins(&["nasa", "nato", "ram", "rom", "sim", "lan", "sql", "ssd"]);
    if is_spelt_out {
        // Letter by letter: an HTML page, a URL.
        return match lower.chars().next() {
            Some('a' | 'e' | 'f' | 'h' | 'i' | 'l' | 'm' | 'n' | 'o' | 'r' | 's' | 'x') => "an",
            _ => "a",
        };
    }
    if next.chars().count() == 1 {
        return match lower.chars().next() {
            Some('a' | 'e' | 'f' | 'h' | 'i' | 'l' | 'm' | 'n' | 'o' | 'r' | 's' | 'x' | '8') => {
                "an"
            }
            _ => "a",
        };
    }
    let silent_h = ["hour", "honest", "honor", "honour", "heir", "html", "http"];
    let consonant_sound = [
        "uni", "use", "usa", "usu", "uti", "ura", "eu", "ewe", "one", "once", "ubiq", "url", "utf",
        "uk", "uu", "ufo",
    ];
    let vowel_after_uni = ["unin", "unim", "unid", "unint"];
    if begins(&silent_h) || begins(&vowel_after_uni) {
        "an"
    } else if begins(&consonant_sound) {
        "a"
    } else {
        match lower.chars().next() {
            Some('a' | 'e' | 'i' | 'o' | 'u' | '8') => "an",
            _ => "a",
        }
    }
}

/// Other forms of a word in lower case, the likeliest first.
fn forms(lower: &str, is_known: bool, dictionary: &Dictionary, lexicon: &Lexicon) -> Vec<String> {
    let mut first: Vec<String> = Vec::new();
    for set in AGREEING {
        if set.contains(&lower) {
            first.extend(set.iter().map(|&other| other.to_owned()));
        }
    }
    for (verb, _) in lexicon.verbs(lower) {
        let all = [
            VerbForm::Base,
            VerbForm::Third,
            VerbForm::Past,
            VerbForm::Participle,
            VerbForm::Ing,
        ];
        first.extend(all.iter().map(|&form| verb.form(form).to_owned()));
    }
    match lexicon.noun(lower) {
        Some(NounNumber::Singular(other) | NounNumber::Plural(other)) => first.push(other.clone()),
        Some(NounNumber::Uncountable(_)) | None => {}
    }
    first.extend(lexicon.family(lower).iter().map(|&other| other.to_owned()));
    first.dedup();

    let mut bases: Vec<String> = vec![lower.to_owned()];
    let replaced = |end: &str, by: &str| {
        let stem = lower.strip_suffix(end)?;
        (stem.len() >= 2).then(|| format!("{stem}{by}"))
    };
    let ends = [
        ("'s", ""),
        ("s", ""),
        ("es", ""),
        ("ies", "y"),
        ("ed", ""),
        ("ed", "e"),
        ("ied", "y"),
        ("ing", ""),
        ("ing", "e"),
        ("ly", ""),
        ("er", ""),
        ("er", "e"),
        ("est", ""),
    ];
    // What a misspelling ends in may be no suffix: "publically" is nearer to "publicly".
    let likely = if is_known { ends.len() } else { 9 };
    bases.extend(
        ends.iter()
            .take(likely)
            .filter_map(|(end, by)| replaced(end, by)),
    );
    for end in ["ed", "ing"] {
        // stopped, stopping
        let stem = lower.strip_suffix(end).unwrap_or_default();
        let mut letters = stem.chars().rev();
        if let (Some(last), Some(before)) = (letters.next(), letters.next())
            && last == before
        {
            bases.extend(stem.get(..stem.len() - last.len_utf8()).map(str::to_owned));
        }
    }
    bases.retain(|base| base.len() >= 2 && dictionary.contains(base));
    bases.dedup();
    // goed, builded
    for base in &bases {
        for (verb, _) in lexicon.verbs(base) {
            if verb.regularised.as_deref() == Some(lower) {
                first.extend([verb.past.clone(), verb.participle.clone()]);
            }
        }
    }
    let mut others: Vec<(f32, String)> = Vec::new();
    for base in &bases {
        let stem_of_e = base.strip_suffix('e');
        let stem_of_y = base.strip_suffix('y');
        let last = base.chars().next_back().unwrap_or_default();
        let mut of_base = vec![
            base.clone(),
            format!("{base}s"),
            format!("{base}es"),
            format!("{base}ed"),
            format!("{base}d"),
            format!("{base}ing"),
            format!("{base}ly"),
            format!("{base}{last}ed"),
            format!("{base}{last}ing"),
        ];
        of_base.extend(stem_of_e.map(|stem| format!("{stem}ing")));
        of_base.extend(stem_of_e.map(|stem| format!("{stem}y")));
        for end in ["ies", "ied", "ily"] {
            of_base.extend(stem_of_y.map(|stem| format!("{stem}{end}")));
        }
        if lower.ends_with('s') && lower.len() > 3 && base.len() + 1 == lower.len() {
            of_base.push(format!("{base}'s"));
        }
        for form in of_base {
            if form != lower
                && let Some(frequency) = dictionary.frequency(&form)
                && dictionary.contains(&form)
            {
                // Possessives are counted as their stems.
                let rarer = if form.ends_with("'s") { 3.0 } else { 0.0 };
                others.push((frequency - rarer, form));
            }
        }
    }
    others.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut forms = Vec::new();
    for form in first
        .into_iter()
        .chain(others.into_iter().map(|(_, form)| form))
    {
        if form != lower && !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_has_the_capitals_of_the_word() {
        for (word, other, wanted) in [
            ("Teh", "the", "The"),
            ("TEH", "the", "THE"),
            ("teh", "the", "the"),
            ("githb", "GitHub", "GitHub"),
            ("I", "a", "A"),
            ("dont", "don't", "don't"),
            ("Couldn’t", "could't", "Could’t"),
        ] {
            assert_eq!(in_case_of(word, other), wanted, "{word}");
        }
    }

    #[test]
    fn an_article_is_as_the_next_sound_wants_it() {
        for next in [
            "apple",
            "hour",
            "HTML",
            "SSH",
            "umbrella",
            "uninteresting",
            "8",
            "honest",
            "X",
            "API",
            "MP",
        ] {
            assert_eq!(article(next), "an", "{next}");
        }
        for next in [
            "boat",
            "user",
            "URL",
            "university",
            "one",
            "European",
            "Unix",
            "UTF",
            "house",
            "B",
        ] {
            assert_eq!(article(next), "a", "{next}");
        }
    }
}
