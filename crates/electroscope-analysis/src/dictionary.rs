//! A dictionary: which words are spelt right, how frequent they are, and which are spelt alike.
//!
//! Whether a word is right is up to a Hunspell dictionary ([`spellbook`]). How frequent it is, and
//! what is spelt like it, is up to a list of counted words. The bytes of both are the caller's. Building
//! a dictionary takes some ten milliseconds, so it is for when a word is asked about, not for the start.

use std::cmp::Ordering;

/// Why the bytes of a dictionary could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DictionaryError {
    /// The affix file or the list of stems.
    #[error("the dictionary is not in Hunspell's format: {0}")]
    Hunspell(String),
    /// The list of counted words.
    #[error(
        "line {line} of the list of words is {found:?}; it must be a shared length, letters and a level"
    )]
    Words {
        /// Its number, from 1.
        line: usize,
        /// What is there.
        found: String,
    },
}

/// A word that is spelt like another.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// The word, as the list of words spells it.
    pub word: String,
    /// Letters to insert, remove, replace, or exchange with the next one.
    pub edits: u8,
    /// The same with weights: mistakes that people often make count less than one.
    pub distance: f32,
    /// The natural logarithm of its count.
    pub frequency: f32,
}

impl Neighbour {
    /// How unlikely it is that someone meant this word, in nats: less is likelier.
    pub fn cost(&self) -> f32 {
        NATS_AN_EDIT * self.distance - self.frequency
    }
}

/// How much rarer each edit makes it that a word was meant: `e` to this, some hundred times. Fitted to the
/// lists of misspellings that people made.
const NATS_AN_EDIT: f32 = 5.0;

/// The levels of a doubling of the count, in the list of words.
const LEVELS: f32 = 4.0;

/// A dictionary of one language.
pub struct Dictionary {
    speller: spellbook::Dictionary,
    words: CountedWords,
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dictionary")
            .field("words", &self.words.entries.len())
            .finish_non_exhaustive()
    }
}

impl Dictionary {
    /// The dictionary of a Hunspell affix file and list of stems, and of a list of counted words: one a
    /// line, sorted by its lower case in ASCII; first how many bytes it shares with the word before it
    /// (`0`-`9`, `a`-`z`), last the character 33 + n for a count of 2^(n/4), between them its other
    /// letters.
    ///
    /// # Errors
    ///
    /// [`DictionaryError`] for bytes that are not of these formats.
    pub fn new(aff: &str, dic: &str, words: &str) -> Result<Dictionary, DictionaryError> {
        let (speller, words) = rayon::join(
            || spellbook::Dictionary::new(aff, dic),
            || CountedWords::parse(words),
        );
        Ok(Dictionary {
            speller: speller.map_err(|err| DictionaryError::Hunspell(err.to_string()))?,
            words: words?,
        })
    }

    /// Whether `word` is spelt right: as it stands in the dictionary, capitalised, or in capitals, also
    /// with a possessive `'s` or `'`, and with either apostrophe. Accents may be there or not.
    pub fn contains(&self, word: &str) -> bool {
        if word.is_empty() || self.speller.check(word) {
            return !word.is_empty();
        }
        let folded = fold(word);
        let stem = ["'s", "'S"].iter().find_map(|end| folded.strip_suffix(end));
        let stem = stem.or_else(|| {
            let stem = folded.strip_suffix('\'')?;
            stem.ends_with(['s', 'S']).then_some(stem)
        });
        (folded != word && self.speller.check(&folded))
            || stem.is_some_and(|stem| !stem.is_empty() && self.speller.check(stem))
    }

    /// The natural logarithm of how often `word` was counted, in any case; none if it is not listed.
    pub fn frequency(&self, word: &str) -> Option<f32> {
        let folded = fold(word);
        let stem = || folded.strip_suffix("'s").or(folded.strip_suffix("'S"));
        let entry = self
            .words
            .find(&folded)
            .or_else(|| self.words.find(stem()?))?;
        Some(entry.frequency())
    }

    /// How the list of words spells `word`, whatever its case.
    pub fn spelling(&self, word: &str) -> Option<&str> {
        let entry = self.words.find(&fold(word))?;
        Some(self.words.word(entry))
    }

    /// At most `most` words that are spelt like `word` with one edit or two, or three if it is long; the
    /// likeliest first. Only words of the dictionary, and frequent names and terms. `word` itself is
    /// not among them, unless it is spelt in another case.
    pub fn neighbours(&self, word: &str, most: usize) -> Vec<Neighbour> {
        let lower = fold(word).to_ascii_lowercase();
        if !lower.is_ascii() || lower.len() > LONGEST || lower.len() < 2 {
            return Vec::new();
        }
        let (usual, most_edits) = edits_at_most(lower.len());
        let mut found = self.words.near(lower.as_bytes(), usual);
        if most_edits > usual && found.len() < FEW {
            found = self.words.near(lower.as_bytes(), most_edits);
        }
        found.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.start.cmp(&b.0.start)));
        let mut neighbours: Vec<Neighbour> = Vec::new();
        for (entry, _, edits, distance) in found {
            if neighbours.len() >= most {
                break;
            }
            let neighbour = self.words.word(entry);
            // A listed word that is in no dictionary may be a misspelling itself, if a rare one.
            let is_known = || entry.level >= KNOWN_LEVEL || self.speller.check(neighbour);
            if neighbour != word && is_known() {
                neighbours.push(Neighbour {
                    word: neighbour.to_owned(),
                    edits,
                    distance,
                    frequency: entry.frequency(),
                });
            }
        }
        neighbours
    }

    /// The ways to part `word` into two words of the dictionary, the likeliest first; with a
    /// cost that compares with [`Neighbour::cost`].
    pub fn splits(&self, word: &str) -> Vec<(String, f32)> {
        /// The logarithm of all that was counted, about: two words beside each other are rarer than one.
        const TOTAL: f32 = 17.8;
        let mut splits: Vec<(String, f32)> = word
            .char_indices()
            .skip(1)
            .filter_map(|(at, _)| {
                let (left, right) = word.split_at_checked(at)?;
                let part = |part: &str| {
                    let is_short = part.len() == 1 && !matches!(part, "a" | "A" | "I");
                    (!is_short && self.contains(part))
                        .then(|| self.frequency(part))
                        .flatten()
                };
                let (left_frequency, right_frequency) = (part(left)?, part(right)?);
                // Rare short words such as "ph" are parts of too many others.
                (left_frequency.min(right_frequency) > 7.0).then(|| {
                    let cost = NATS_AN_EDIT - (left_frequency + right_frequency - TOTAL) + 3.0;
                    (format!("{left} {right}"), cost)
                })
            })
            .collect();
        splits.sort_by(|a, b| a.1.total_cmp(&b.1));
        splits
    }
}

/// Words with more bytes than this have no neighbours.
const LONGEST: usize = 40;

/// A word in no dictionary is a name or a term if it was counted about 250 times.
const KNOWN_LEVEL: u8 = 32;

/// With fewer neighbours than this, more edits are tried, which takes longer.
const FEW: usize = 3;

/// How many edits a word of `length` letters may have, usually and if there are few neighbours.
fn edits_at_most(length: usize) -> (u8, u8) {
    match length {
        ..=3 => (1, 1),
        4..=7 => (2, 2),
        _ => (2, 3),
    }
}

/// `word` with the plain apostrophe, and without the accents of Western European letters.
fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            '’' | 'ʼ' | '`' => folded.push('\''),
            'à'..='å' | 'ā' => folded.push('a'),
            'À'..='Å' => folded.push('A'),
            'ç' | 'č' => folded.push('c'),
            'Ç' => folded.push('C'),
            'è'..='ë' | 'ē' => folded.push('e'),
            'È'..='Ë' => folded.push('E'),
            'ì'..='ï' | 'ī' => folded.push('i'),
            'ñ' => folded.push('n'),
            'ò'..='ö' | 'ō' => folded.push('o'),
            'Ò'..='Ö' => folded.push('O'),
            'ù'..='ü' | 'ū' => folded.push('u'),
            'Ù'..='Ü' => folded.push('U'),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            '\u{ad}' => {}
            _ => folded.push(c),
        }
    }
    folded
}

/// A word of the list.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where it begins in the text of all words.
    start: u32,
    length: u8,
    level: u8,
    /// A bit for each letter that it has, whatever its case, and one for all else.
    letters: u32,
}

impl Entry {
    fn frequency(self) -> f32 {
        f32::from(self.level) / LEVELS * std::f32::consts::LN_2
    }
}

/// Words with their counts.
///
/// The neighbours of a word are found by going through all of them: one edit changes at most two of the
/// letters that a word has, so that two integers tell for nearly every word that it is too far.
struct CountedWords {
    text: String,
    entries: Vec<Entry>,
}

impl CountedWords {
    fn parse(list: &str) -> Result<CountedWords, DictionaryError> {
        let mut words = CountedWords {
            text: String::with_capacity(2 * list.len()),
            entries: Vec::with_capacity(list.len() / 5),
        };
        let mut before = 0..0;
        for (number, line) in list.lines().enumerate() {
            let wrong = || DictionaryError::Words {
                line: number + 1,
                found: line.chars().take(60).collect(),
            };
            let parts = line.split_at_checked(1).and_then(|(shared, rest)| {
                let (letters, level) = rest.split_at_checked(rest.len().checked_sub(1)?)?;
                let shared = shared.chars().next()?.to_digit(36)? as usize;
                Some((shared, letters, level.bytes().next()?.checked_sub(33)?))
            });
            let (shared, letters, level) = parts.ok_or_else(wrong)?;
            let start = words.text.len();
            let shared = (words.text)
                .get(before.clone())
                .and_then(|before| before.get(..shared))
                .ok_or_else(wrong)?
                .to_owned();
            words.text.push_str(&shared);
            words.text.push_str(letters);
            let word = words.text.get(start..).unwrap_or_default();
            if word.is_empty() || word.len() > 255 || !word.is_ascii() {
                return Err(wrong());
            }
            words.entries.push(Entry {
                start: u32::try_from(start).map_err(|_| wrong())?,
                length: word.len() as u8,
                level,
                letters: letters_of(word.as_bytes()),
            });
            before = start..words.text.len();
        }
        let text = &words.text;
        let of = |entry: &Entry| {
            text.get(entry.start as usize..entry.start as usize + usize::from(entry.length))
                .unwrap_or_default()
        };
        let is_before = |a: &Entry, b: &Entry| in_lower_case(of(a), of(b)) != Ordering::Greater;
        match (words.entries.windows(2)).position(|pair| matches!(pair, [a, b] if !is_before(a, b)))
        {
            None => Ok(words),
            Some(at) => Err(DictionaryError::Words {
                line: at + 2,
                found: words
                    .entries
                    .get(at + 1)
                    .map(of)
                    .unwrap_or_default()
                    .to_owned(),
            }),
        }
    }

    fn word(&self, entry: &Entry) -> &str {
        let start = entry.start as usize;
        self.text
            .get(start..start + usize::from(entry.length))
            .unwrap_or_default()
    }

    fn find(&self, word: &str) -> Option<&Entry> {
        let at = (self.entries)
            .binary_search_by(|entry| in_lower_case(self.word(entry), word))
            .ok()?;
        self.entries.get(at)
    }

    /// The words at most `most` edits from `word`, with their cost, edits and weighted distance.
    fn near(&self, word: &[u8], most: u8) -> Vec<(&Entry, f32, u8, f32)> {
        let letters = letters_of(word);
        let mut rows = Rows::default();
        let near = self.entries.iter().filter_map(|entry| {
            let longer = usize::from(entry.length).abs_diff(word.len());
            if longer > usize::from(most)
                || (entry.letters ^ letters).count_ones() > 2 * u32::from(most)
            {
                return None;
            }
            let other = self.word(entry).as_bytes();
            let edits = rows.edits(word, other, most)?;
            let distance = rows.distance(word, other);
            let cost = NATS_AN_EDIT * distance - entry.frequency();
            Some((entry, cost, edits, distance))
        });
        near.collect()
    }
}

/// Compares by lower case in ASCII.
fn in_lower_case(a: &str, b: &str) -> Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    a.bytes().map(lower).cmp(b.bytes().map(lower))
}

fn letters_of(word: &[u8]) -> u32 {
    word.iter().fold(0, |letters, byte| {
        let letter = byte.to_ascii_lowercase();
        letters
            | 1 << if letter.is_ascii_lowercase() {
                letter - b'a'
            } else {
                26
            }
    })
}

/// The rows of the table that distances are computed in.
#[derive(Default)]
struct Rows {
    edits: [Vec<u8>; 3],
    costs: [Vec<f32>; 3],
}

impl Rows {
    /// How many letters have to be inserted, removed, replaced, or exchanged with the next one to make
    /// `word`, which is in lower case, to `other`, whatever its case; none if more than `most`.
    fn edits(&mut self, word: &[u8], other: &[u8], most: u8) -> Option<u8> {
        let [before_last, last, row] = &mut self.edits;
        last.clear();
        last.extend(0..=other.len() as u8);
        let mut previous = 0;
        for (at, &letter) in word.iter().enumerate() {
            row.clear();
            row.push(at as u8 + 1);
            let mut least = u8::MAX;
            let mut before = 0;
            for (to, &byte) in other.iter().enumerate() {
                let wanted = byte.to_ascii_lowercase();
                let replaced = last[to] + u8::from(letter != wanted);
                let mut edits = replaced.min(last[to + 1] + 1).min(row[to] + 1);
                if at > 0 && to > 0 && letter == before && previous == wanted {
                    edits = edits.min(before_last[to - 1] + 1);
                }
                row.push(edits);
                least = least.min(edits);
                before = wanted;
            }
            if least > most {
                return None;
            }
            previous = letter;
            std::mem::swap(before_last, last);
            std::mem::swap(last, row);
        }
        last.last().copied().filter(|&edits| edits <= most)
    }

    /// The same with weights.
    fn distance(&mut self, word: &[u8], other: &[u8]) -> f32 {
        let [before_last, last, row] = &mut self.costs;
        let lower = |at: usize| other.get(at).map_or(0, u8::to_ascii_lowercase);
        let at_word = |at: usize| word.get(at).copied().unwrap_or(0);
        last.clear();
        last.push(0.0);
        for to in 0..other.len() {
            last.push(last[to] + left_out(lower(to), to.checked_sub(1).map(lower)));
        }
        for (at, &letter) in word.iter().enumerate() {
            row.clear();
            row.push(last[0] + too_much(letter, at.checked_sub(1).map(at_word)));
            for to in 0..other.len() {
                let wanted = lower(to);
                let place = if at == 0 || to == 0 {
                    FIRST_LETTER
                } else {
                    0.0
                };
                let replaced = match letter == wanted {
                    true => last[to],
                    false => last[to] + replaced(letter, wanted) + place,
                };
                let removed = last[to + 1] + too_much(letter, at.checked_sub(1).map(at_word));
                let inserted = row[to] + left_out(wanted, to.checked_sub(1).map(lower));
                let mut cost = replaced.min(removed).min(inserted);
                if at > 0
                    && to > 0
                    && letter != wanted
                    && letter == lower(to - 1)
                    && at_word(at - 1) == wanted
                {
                    cost = cost.min(before_last[to - 1] + TRANSPOSED);
                }
                row.push(cost);
            }
            std::mem::swap(before_last, last);
            std::mem::swap(last, row);
        }
        last.last().copied().unwrap_or(0.0)
    }
}

/// Two letters in the wrong order.
const TRANSPOSED: f32 = 0.8;
/// A wrong first letter is rare: added to what another letter costs.
const FIRST_LETTER: f32 = 0.5;

/// What it costs that `letter`, which comes after `before`, was left out.
fn left_out(letter: u8, before: Option<u8>) -> f32 {
    match before {
        _ if letter == b'\'' => 0.4,
        Some(before) if before == letter => 0.5,
        None => 1.0 + FIRST_LETTER,
        Some(_) => 0.9,
    }
}

/// What it costs that `letter`, which comes after `before`, is too much.
fn too_much(letter: u8, before: Option<u8>) -> f32 {
    match before {
        _ if letter == b'\'' => 0.5,
        Some(before) if before == letter => 0.6,
        _ => 1.0,
    }
}

/// What it costs that `letter` stands for `wanted`.
fn replaced(letter: u8, wanted: u8) -> f32 {
    let is_vowel = |letter| matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let alike = [b"sc", b"sz", b"ck", b"gj", b"td", b"nm", b"fv", b"kq"];
    let is_alike = (alike.iter()).any(|pair| pair.contains(&letter) && pair.contains(&wanted));
    if is_vowel(letter) && is_vowel(wanted) {
        0.7
    } else if is_alike || are_neighbouring_keys(letter, wanted) {
        0.8
    } else {
        1.1
    }
}

fn are_neighbouring_keys(a: u8, b: u8) -> bool {
    let place = |letter: u8| {
        let rows: [&[u8]; 3] = [b"qwertyuiop", b"asdfghjkl", b"zxcvbnm"];
        rows.iter().enumerate().find_map(|(row, keys)| {
            let column = keys.iter().position(|&key| key == letter)?;
            Some((row as i32, 4 * column as i32 + [0, 1, 3][row]))
        })
    };
    match (place(a), place(b)) {
        (Some((row, column)), Some((other_row, other_column))) => {
            (row - other_row).abs() <= 1 && (column - other_column).abs() <= 4
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFF: &str =
        "SET UTF-8\nICONV 1\nICONV ’ '\nSFX S Y 1\nSFX S 0 s .\nSFX M Y 1\nSFX M 0 's .\n";

    fn dictionary() -> Dictionary {
        let words = [
            "0a]",
            "0boatG",
            "4s=",
            "0don't?",
            "0GitHubK",
            "0lot<",
            "0recEive<",
            "0theirK",
            "3reK",
        ]
        .map(|line| line.replace('E', "e"));
        let dic = "8\nboat/SM\nhotel\ntheir\nthere\nreceive\ndon't\na\nlot\n";
        Dictionary::new(AFF, dic, &words.join("\n")).unwrap()
    }

    #[test]
    fn words_are_right_in_capitals_with_possessives_and_accents() {
        let dictionary = dictionary();
        for word in [
            "boat",
            "Boat",
            "BOATS",
            "boat's",
            "boat’s",
            "boats'",
            "boats’",
            "there’s",
            "hôtel",
            "don’t",
        ] {
            assert!(dictionary.contains(word), "{word}");
        }
        for word in ["bote", "boatss", "'", "’s", "bOat", ""] {
            assert!(!dictionary.contains(word), "{word}");
        }
    }

    #[test]
    fn frequencies_are_logarithms_of_counts_in_any_case() {
        let dictionary = dictionary();
        let count = dictionary.frequency("BOAT").unwrap().exp();
        // "G" is 71 = 33 + 38.
        assert!((count - 2f32.powf(38.0 / 4.0)).abs() < 0.1, "{count}");
        assert_eq!(dictionary.frequency("boat’s"), dictionary.frequency("boat"));
        assert_eq!(dictionary.frequency("hotel"), None);
        assert_eq!(dictionary.spelling("github"), Some("GitHub"));
    }

    #[test]
    fn neighbours_have_their_edits_and_come_likeliest_first() {
        let dictionary = dictionary();
        let near = |word: &str| -> Vec<(String, u8)> {
            let neighbours = dictionary.neighbours(word, 5);
            neighbours
                .into_iter()
                .map(|near| (near.word, near.edits))
                .collect()
        };
        assert_eq!(near("recieve"), [("receive".to_owned(), 1)]);
        assert_eq!(
            near("thier"),
            [("their".to_owned(), 1), ("there".to_owned(), 2)]
        );
        assert_eq!(near("dont")[0], ("don't".to_owned(), 1));
        assert_eq!(near("Githb"), [("GitHub".to_owned(), 1)]);
        assert!(near("boat").iter().all(|(word, _)| word != "boat"));
        assert_eq!(near("日本"), []);
    }

    #[test]
    fn words_that_ran_together_are_parted() {
        let splits = dictionary().splits("alot");
        assert_eq!(splits.len(), 0, "lot is too rare here");
        let lists = Dictionary::new(AFF, "2\na\nlot\n", "0ao\n0lot]\n").unwrap();
        assert_eq!(lists.splits("alot")[0].0, "a lot");
    }

    #[test]
    fn a_list_of_words_that_is_none_is_refused_with_its_line() {
        for (list, line) in [
            ("0a]\n9b]", 2),
            ("0b]\n0a]", 2),
            ("", 0),
            ("0", 1),
            ("-a]", 1),
            ("0é]", 1),
        ] {
            match Dictionary::new(AFF, "1\na\n", list) {
                Err(DictionaryError::Words { line: found, .. }) => {
                    assert_eq!(found, line, "{list:?}")
                }
                Ok(_) => assert_eq!(line, 0, "{list:?}"),
                Err(err) => panic!("{err}"),
            }
        }
    }

    #[test]
    fn the_fewest_edits_are_those_of_the_plain_definition() {
        let mut rows = Rows::default();
        for (a, b, edits) in [
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("abcd", "abcd", 0),
            ("teh", "The", 1),
            ("a", "abc", 2),
        ] {
            assert_eq!(
                rows.edits(a.as_bytes(), b.as_bytes(), 3),
                Some(edits),
                "{a} {b}"
            );
            assert_eq!(
                rows.edits(a.as_bytes(), b.as_bytes(), edits.max(1) - 1)
                    .is_none(),
                edits > 0
            );
        }
    }
}
