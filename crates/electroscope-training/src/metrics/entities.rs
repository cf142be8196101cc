//! Entities against entities, as the CoNLL shared tasks count them (`conlleval`): one is right if its
//! first word, its last word and its kind are.
//!
//! What an entity is, [`Scheme`] says, for the truth as for the answers and as for `tag`: on BIO and
//! IO that is conlleval's reading, with E and S for what they mean besides.

use std::collections::BTreeMap;

use electroscope_analysis::decode::Scheme;

use super::labels::Counts;

/// How the entities of one kind were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The label without its prefix.
    pub label: String,
    /// How often it was right, a false alarm, missed.
    pub counts: Counts,
}

/// How the entities of `sentences`, words with the numbers of a true label and of a given one, were
/// found: by kind, in alphabetical order, and in all.
pub fn entities(sentences: &[Vec<(usize, usize)>], scheme: &Scheme) -> (Vec<Kind>, Counts) {
    let mut kinds: BTreeMap<String, Counts> = BTreeMap::new();
    for words in sentences {
        let of = |label: fn(&(usize, usize)) -> usize| {
            let labels: Vec<(usize, f32)> = words.iter().map(|word| (label(word), 1.0)).collect();
            scheme.entities(&labels)
        };
        let (so, mut said) = (of(|word| word.0), of(|word| word.1));
        for entity in so {
            let counts = kinds.entry(entity.label.clone()).or_default();
            let same = said
                .iter()
                .position(|other| (&other.words, &other.label) == (&entity.words, &entity.label));
            match same {
                Some(at) => {
                    said.swap_remove(at);
                    counts.right += 1;
                }
                None => counts.missed += 1,
            }
        }
        for entity in said {
            kinds.entry(entity.label).or_default().false_alarms += 1;
        }
    }
    let mut all = Counts::default();
    kinds.values().for_each(|&counts| all += counts);
    let kinds = kinds.into_iter();
    let kinds = kinds.map(|(label, counts)| Kind { label, counts });
    (kinds.collect(), all)
}
