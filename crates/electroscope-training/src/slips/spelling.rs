//! Misspellings: those that people make, from a list, and such as fingers and ears make, by rule.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::Error;
use electroscope_model::chance::Chance;

use super::words::in_case_of;

/// The lists of misspellings whose licence (CC BY-SA) lets a model that was trained on them be passed
/// on. A table may hold others, which count only if they are asked for.
pub const FREE_SOURCES: [&str; 2] = ["codespell", "wikipedia"];

/// Misspellings by the word that was meant, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misspellings {
    wrong: HashMap<String, Vec<String>>,
}

impl Misspellings {
    /// Reads a table of misspellings: lines of `wrong`, `right` and, if there is a third column, the
    /// sources of the pair, divided by tabs; the first line names the columns. A pair counts if one
    /// of its sources is among `sources`, or if it names none. Only pairs of single words count.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or is no such table, and one of which no pair is left.
    pub fn read(path: &Path, sources: &[&str]) -> Result<Misspellings, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Open {
            path: path.to_owned(),
            source,
        })?;
        Misspellings::parse(&text, path, sources)
    }

    /// As [`Misspellings::read`], of `text`; `path` is named in errors.
    ///
    /// # Errors
    ///
    /// As [`Misspellings::read`].
    pub fn parse(text: &str, path: &Path, sources: &[&str]) -> Result<Misspellings, Error> {
        let refuse = |line: Option<usize>, what: String| Error::Data {
            path: path.to_owned(),
            line,
            what,
        };
        let mut lines = text.lines().zip(1..);
        let header: Vec<&str> = (lines.next())
            .map(|(header, _)| header.split('\t').collect())
            .unwrap_or_default();
        if !matches!(
            header.as_slice(),
            ["wrong", "right"] | ["wrong", "right", "sources"]
        ) {
            return Err(refuse(
                Some(1),
                format!(
                    "a table of misspellings begins with the names of its columns, wrong, right and \
                     sources, divided by tabs; it begins with {:?}",
                    header.join("\t").chars().take(60).collect::<String>()
                ),
            ));
        }
        let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (row, line) in lines.filter(|(row, _)| !row.is_empty()) {
            let columns: Vec<&str> = row.split('\t').collect();
            let (slip, right, from) = match columns.as_slice() {
                [slip, right] => (slip, right, ""),
                [slip, right, from] => (slip, right, *from),
                _ => {
                    return Err(refuse(
                        Some(line),
                        format!("a row has {} columns; it must have 2 or 3", columns.len()),
                    ));
                }
            };
            let counts = from.is_empty() || from.split(',').any(|from| sources.contains(&from));
            let is_word = |word: &str| {
                !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || c == '\'')
            };
            if counts && is_word(slip) && is_word(right) && slip != right {
                let list = wrong.entry(right.to_lowercase()).or_default();
                list.push(slip.to_lowercase());
            }
        }
        if wrong.is_empty() {
            return Err(refuse(
                None,
                format!(
                    "no pair of single words comes from {}; name another source",
                    sources.join(" or ")
                ),
            ));
        }
        // The order of a list must not hang on that of the file's rows alone: draws are by place.
        for list in wrong.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        Ok(Misspellings {
            wrong: wrong.into_iter().collect(),
        })
    }

    /// How many words have a misspelling.
    pub fn len(&self) -> usize {
        self.wrong.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.wrong.is_empty()
    }

    /// A misspelling of `word`, if one is known, in the capitals of `word`.
    pub fn misspell(&self, word: &str, chance: &mut Chance) -> Option<String> {
        let slip = chance.pick(self.wrong.get(&word.to_lowercase())?)?;
        let slip = in_case_of(word, slip);
        (slip != word).then_some(slip)
    }
}

/// The keys beside each letter on the most common keyboard.
const NEIGHBOURS: [&str; 26] = [
    "qwsz", "vghn", "xdfv", "serfcx", "wsdr", "drtgvc", "ftyhbv", "gyujnb", "ujko", "huikmn",
    "jiolm", "kop", "njk", "bhjm", "iklp", "ol", "wa", "edft", "awedxz", "rfgy", "yhji", "cfgb",
    "qase", "zsdc", "tghu", "asx",
];

/// Letters that sound alike or are taken for each other, with their strings that may stand for them.
const SOUNDS: &[(&str, &str)] = &[
    ("ie", "ei"),
    ("ei", "ie"),
    ("ance", "ence"),
    ("ence", "ance"),
    ("ant", "ent"),
    ("ent", "ant"),
    ("able", "ible"),
    ("ible", "able"),
    ("tion", "sion"),
    ("sion", "tion"),
    ("ph", "f"),
    ("ough", "ouh"),
    ("ght", "gth"),
    ("wh", "w"),
    ("kn", "n"),
    ("sc", "s"),
    ("ck", "k"),
    ("que", "ck"),
    ("ous", "us"),
    ("ful", "full"),
    ("ally", "aly"),
    ("ely", "ly"),
    ("ary", "ery"),
    ("ery", "ary"),
    ("ate", "at"),
    ("er", "or"),
    ("or", "er"),
    ("ar", "er"),
    ("ea", "ee"),
    ("ee", "ea"),
    ("ou", "o"),
    ("ai", "a"),
    ("y", "i"),
    ("i", "e"),
    ("e", "i"),
    ("a", "e"),
    ("e", "a"),
    ("o", "u"),
    ("u", "o"),
    ("c", "s"),
    ("s", "c"),
    ("s", "z"),
    ("z", "s"),
    ("c", "k"),
    ("g", "j"),
    ("x", "ks"),
];

/// What a slip of the fingers or the ear does to a word, and how often in a hundred.
const EDITS: [(Slip, f64); 6] = [
    (Slip::Swap, 24.0),
    (Slip::Lose, 24.0),
    (Slip::Single, 12.0),
    (Slip::Double, 12.0),
    (Slip::Key, 12.0),
    (Slip::Sound, 16.0),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slip {
    /// Two neighbours change places.
    Swap,
    /// A letter is left out.
    Lose,
    /// One of a doubled letter is left out.
    Single,
    /// A letter is doubled.
    Double,
    /// The key beside the right one is hit, in its place or along with it.
    Key,
    /// A letter is taken for another that sounds like it.
    Sound,
}

/// A misspelling of `word` by rule, in its capitals; none if it is too short or has other than
/// letters. The first letter is left alone, as people mostly do.
pub fn mistype(word: &str, chance: &mut Chance) -> Option<String> {
    /// In words of three letters nearly every edit makes another word.
    const SHORTEST: usize = 4;
    let letters: Vec<char> = word.to_lowercase().chars().collect();
    if letters.len() < SHORTEST || !letters.iter().all(|c| c.is_alphabetic()) {
        return None;
    }
    let weights = EDITS.map(|(_, weight)| weight);
    // An edit may find no place, or change nothing.
    for _ in 0..8 {
        let (slip, _) = EDITS[chance.weighted(&weights)?];
        if let Some(wrong) = edited(&letters, slip, chance)
            && wrong != letters
        {
            let wrong: String = wrong.into_iter().collect();
            return Some(in_case_of(word, &wrong)).filter(|wrong| wrong != word);
        }
    }
    None
}

/// `letters` after one edit, if it finds a place.
fn edited(letters: &[char], slip: Slip, chance: &mut Chance) -> Option<Vec<char>> {
    let mut edited = letters.to_vec();
    let at = 1 + chance.below(letters.len() - 1);
    match slip {
        Slip::Swap => {
            let at = 1 + chance.below(letters.len() - 2);
            edited.swap(at, at + 1);
        }
        Slip::Lose => {
            edited.remove(at);
        }
        Slip::Single => {
            let doubled: Vec<usize> = (1..letters.len())
                .filter(|&at| letters.get(at) == letters.get(at - 1))
                .collect();
            edited.remove(*chance.pick(&doubled)?);
        }
        Slip::Double => edited.insert(at, *letters.get(at)?),
        Slip::Key => {
            let place = (*letters.get(at)? as u32).checked_sub('a' as u32)? as usize;
            let keys: Vec<char> = NEIGHBOURS.get(place)?.chars().collect();
            let key = *chance.pick(&keys)?;
            if chance.happens(0.7) {
                *edited.get_mut(at)? = key;
            } else {
                edited.insert(at, key);
            }
        }
        Slip::Sound => {
            let word: String = letters.iter().collect();
            let places: Vec<(usize, &str, &str)> = SOUNDS
                .iter()
                .flat_map(|&(from, to)| {
                    word.match_indices(from)
                        .filter(|&(at, _)| at > 0)
                        .map(move |(at, _)| (at, from, to))
                })
                .collect();
            let &(at, from, to) = chance.pick(&places)?;
            let after = word.get(at + from.len()..)?;
            edited = format!("{}{to}{after}", word.get(..at)?).chars().collect();
        }
    }
    Some(edited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "wrong\tright\tsources\nrecieve\treceive\tcodespell,birkbeck\n\
        reseve\treceive\tbirkbeck\nalot\ta lot\tcodespell\nDont\tdon't\twikipedia\n";

    fn parse(text: &str, sources: &[&str]) -> Result<Misspellings, Error> {
        Misspellings::parse(text, Path::new("slips.tsv"), sources)
    }

    #[test]
    fn only_pairs_of_single_words_from_the_sources_asked_for_count() {
        let free = parse(TABLE, &FREE_SOURCES).unwrap();
        let mut chance = Chance::new(1, 0);
        assert_eq!(free.len(), 2);
        assert_eq!(free.wrong["receive"], ["recieve"]);
        assert_eq!(
            free.misspell("Receive", &mut chance).as_deref(),
            Some("Recieve")
        );
        assert_eq!(free.misspell("don't", &mut chance).as_deref(), Some("dont"));
        assert_eq!(free.misspell("a lot", &mut chance), None);
        let other = parse(TABLE, &["birkbeck"]).unwrap();
        assert_eq!(other.wrong["receive"], ["recieve", "reseve"]);
    }

    #[test]
    fn what_is_no_table_of_misspellings_is_refused_by_file_and_line() {
        let message = |text: &str| parse(text, &["x"]).unwrap_err().to_string();
        assert!(message("teh the\n").starts_with("slips.tsv:1: a table of misspellings begins"));
        assert_eq!(
            message("wrong\tright\nteh\n"),
            "slips.tsv:2: a row has 1 columns; it must have 2 or 3"
        );
        assert_eq!(
            message(TABLE),
            "slips.tsv: no pair of single words comes from x; name another source"
        );
    }

    proptest! {
        #[test]
        fn a_mistyped_word_is_another_and_begins_alike(word in "[A-Z]?[a-zé]{3,12}", seed in 0u64..500) {
            if let Some(wrong) = mistype(&word, &mut Chance::new(seed, 0)) {
                prop_assert_ne!(&wrong, &word);
                let first = |word: &str| word.chars().next();
                prop_assert_eq!(first(&wrong), first(&word));
                let (len, was) = (wrong.chars().count(), word.chars().count());
                prop_assert!(len + 2 >= was && len <= was + 2, "{} {}", word, wrong);
            }
        }
    }

    #[test]
    fn short_words_and_numbers_are_not_mistyped() {
        for word in ["the", "", "2020", "it's", "naïv3"] {
            assert_eq!(mistype(word, &mut Chance::new(1, 0)), None, "{word}");
        }
    }
}
