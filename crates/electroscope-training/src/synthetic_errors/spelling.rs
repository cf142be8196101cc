//! Misspellings: from a list of those that people make, and random typos.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::Error;
use crate::rng::SeededRng;

use super::words::in_case_of;

/// The lists of misspellings whose licence (CC BY-SA) lets a model that was trained on them be
/// distributed. A table may have others, which are used only on request.
pub const REDISTRIBUTABLE_SOURCES: [&str; 2] = ["codespell", "wikipedia"];

/// A list of misspellings, by the correct word in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misspellings {
    by_word: HashMap<String, Vec<String>>,
}

impl Misspellings {
    /// Reads a table of misspellings in TSV: a header with the column names `wrong`, `right` and optionally
    /// `sources`, then a pair per line. A pair is used if one of its sources is among `sources`, or if it
    /// has none. Only pairs of single words are used.
    ///
    /// # Errors
    ///
    /// [`Error::Open`]; [`Error::Data`] for a file that is not such a table, or without any pair to use.
    pub fn read(path: &Path, sources: &[&str]) -> Result<Misspellings, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Open {
            path: path.to_owned(),
            source,
        })?;
        Misspellings::parse(&text, path, sources)
    }

    /// As [`Misspellings::read`], from a string; `path` is for error messages.
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
                    "a table of misspellings begins with the column names wrong, right and sources, separated \
                    by tabs, but this one begins with {:?}",
                    header.join("\t").chars().take(60).collect::<String>()
                ),
            ));
        }
        let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (row, line) in lines.filter(|(row, _)| !row.is_empty()) {
            let columns: Vec<&str> = row.split('\t').collect();
            let (misspelling, right, from) = match columns.as_slice() {
                [misspelling, right] => (misspelling, right, ""),
                [misspelling, right, from] => (misspelling, right, *from),
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
            if counts && is_word(misspelling) && is_word(right) && misspelling != right {
                let list = wrong.entry(right.to_lowercase()).or_default();
                list.push(misspelling.to_lowercase());
            }
        }
        if wrong.is_empty() {
            return Err(refuse(
                None,
                format!(
                    "no pair of single words is from {}; name another source",
                    sources.join(" or ")
                ),
            ));
        }
        // Random choices are by index, so the order must not depend on that of the rows.
        for list in wrong.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        Ok(Misspellings {
            by_word: wrong.into_iter().collect(),
        })
    }

    /// The number of words that have a misspelling.
    pub fn len(&self) -> usize {
        self.by_word.len()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.by_word.is_empty()
    }

    /// A random misspelling of `word` with its capitalisation, if the list has one.
    pub fn misspell(&self, word: &str, rng: &mut SeededRng) -> Option<String> {
        let misspelling = rng.choose(self.by_word.get(&word.to_lowercase())?)?;
        let misspelling = in_case_of(word, misspelling);
        (misspelling != word).then_some(misspelling)
    }
}

/// The neighbouring keys of each letter on a QWERTY keyboard.
const NEIGHBOURS: [&str; 26] = [
    "qwsz", "vghn", "xdfv", "serfcx", "wsdr", "drtgvc", "ftyhbv", "gyujnb", "ujko", "huikmn",
    "jiolm", "kop", "njk", "bhjm", "iklp", "ol", "wa", "edft", "awedxz", "rfgy", "yhji", "cfgb",
    "qase", "zsdc", "tghu", "asx",
];

/// Letters that are confused because they sound alike, with their replacements.
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

/// The kinds of random typos, with their weights in percent.
const TYPOS: [(Typo, f64); 6] = [
    (Typo::Swapped, 24.0),
    (Typo::Missing, 24.0),
    (Typo::Undoubled, 12.0),
    (Typo::Doubled, 12.0),
    (Typo::NeighbouringKey, 12.0),
    (Typo::SimilarSound, 16.0),
];

/// A kind of typo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Typo {
    /// Two neighbouring letters are swapped.
    Swapped,
    /// A letter is missing.
    Missing,
    /// One of a double letter is missing.
    Undoubled,
    /// A letter is doubled.
    Doubled,
    /// A neighbouring key is hit, instead of the right one or in addition.
    NeighbouringKey,
    /// Letters are replaced by others that sound like them.
    SimilarSound,
}

/// A random typo in `word`, with its capitalisation; none if the word has fewer than four letters or
/// other characters. The first letter is never changed, as is usual in real typos.
pub fn random_typo(word: &str, rng: &mut SeededRng) -> Option<String> {
    /// Most changes of a shorter word give another word.
    const SHORTEST: usize = 4;
    let letters: Vec<char> = word.to_lowercase().chars().collect();
    if letters.len() < SHORTEST || !letters.iter().all(|c| c.is_alphabetic()) {
        return None;
    }
    let weights = TYPOS.map(|(_, weight)| weight);
    // A typo may not be possible in this word, or change nothing.
    for _ in 0..8 {
        let (typo, _) = TYPOS[rng.weighted(&weights)?];
        if let Some(wrong) = with_typo(&letters, typo, rng)
            && wrong != letters
        {
            let wrong: String = wrong.into_iter().collect();
            return Some(in_case_of(word, &wrong)).filter(|wrong| wrong != word);
        }
    }
    None
}

/// `letters` with a typo, if it is possible.
fn with_typo(letters: &[char], typo: Typo, rng: &mut SeededRng) -> Option<Vec<char>> {
    let mut edited = letters.to_vec();
    let at = 1 + rng.below(letters.len() - 1);
    match typo {
        Typo::Swapped => {
            let at = 1 + rng.below(letters.len() - 2);
            edited.swap(at, at + 1);
        }
        Typo::Missing => {
            edited.remove(at);
        }
        Typo::Undoubled => {
            let doubled: Vec<usize> = (1..letters.len())
                .filter(|&at| letters.get(at) == letters.get(at - 1))
                .collect();
            edited.remove(*rng.choose(&doubled)?);
        }
        Typo::Doubled => edited.insert(at, *letters.get(at)?),
        Typo::NeighbouringKey => {
            let place = (*letters.get(at)? as u32).checked_sub('a' as u32)? as usize;
            let keys: Vec<char> = NEIGHBOURS.get(place)?.chars().collect();
            let key = *rng.choose(&keys)?;
            if rng.bernoulli(0.7) {
                *edited.get_mut(at)? = key;
            } else {
                edited.insert(at, key);
            }
        }
        Typo::SimilarSound => {
            let word: String = letters.iter().collect();
            let places: Vec<(usize, &str, &str)> = SOUNDS
                .iter()
                .flat_map(|&(from, to)| {
                    word.match_indices(from)
                        .filter(|&(at, _)| at > 0)
                        .map(move |(at, _)| (at, from, to))
                })
                .collect();
            let &(at, from, to) = rng.choose(&places)?;
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
    fn only_pairs_of_single_words_from_the_requested_sources_are_used() {
        let free = parse(TABLE, &REDISTRIBUTABLE_SOURCES).unwrap();
        let mut rng = SeededRng::new(1, 0);
        assert_eq!(free.len(), 2);
        assert_eq!(free.by_word["receive"], ["recieve"]);
        assert_eq!(
            free.misspell("Receive", &mut rng).as_deref(),
            Some("Recieve")
        );
        assert_eq!(free.misspell("don't", &mut rng).as_deref(), Some("dont"));
        assert_eq!(free.misspell("a lot", &mut rng), None);
        let other = parse(TABLE, &["birkbeck"]).unwrap();
        assert_eq!(other.by_word["receive"], ["recieve", "reseve"]);
    }

    #[test]
    fn a_table_of_another_format_is_an_error_with_file_and_line() {
        let message = |text: &str| parse(text, &["x"]).unwrap_err().to_string();
        assert!(message("teh the\n").starts_with("slips.tsv:1: a table of misspellings begins"));
        assert_eq!(
            message("wrong\tright\nteh\n"),
            "slips.tsv:2: a row has 1 columns; it must have 2 or 3"
        );
        assert_eq!(
            message(TABLE),
            "slips.tsv: no pair of single words is from x; name another source"
        );
    }

    proptest! {
        #[test]
        fn a_typo_changes_the_word_but_not_its_first_letter(word in "[A-Z]?[a-zé]{3,12}", seed in 0u64..500) {
            if let Some(wrong) = random_typo(&word, &mut SeededRng::new(seed, 0)) {
                prop_assert_ne!(&wrong, &word);
                let first = |word: &str| word.chars().next();
                prop_assert_eq!(first(&wrong), first(&word));
                let (len, was) = (wrong.chars().count(), word.chars().count());
                prop_assert!(len + 2 >= was && len <= was + 2, "{} {}", word, wrong);
            }
        }
    }

    #[test]
    fn short_words_and_numbers_get_no_typo() {
        for word in ["the", "", "2020", "it's", "naïv3"] {
            assert_eq!(random_typo(word, &mut SeededRng::new(1, 0)), None, "{word}");
        }
    }
}
