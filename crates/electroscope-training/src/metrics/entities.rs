//! Counts correct entities, as the CoNLL shared tasks do (`conlleval`): an entity is correct if its
//! first word, its last word and its kind are.
//!
//! [`Scheme`] finds the entities, in the truth as in predictions and in the `tag` command. For BIO and
//! IO it reads labels as conlleval does; it also knows E and S.

use std::collections::BTreeMap;

use electroscope_analysis::decode::Scheme;

use super::labels::ConfusionCounts;

/// True and false positives and negatives of a label or a kind of entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelCounts {
    /// The label, without its prefix for a kind of entity.
    pub label: String,
    /// The counts.
    pub counts: ConfusionCounts,
}

/// Counts the entities of `sentences`, given for each word the true and the predicted label index: by
/// kind, in alphabetical order, and all together.
pub fn entities(
    sentences: &[Vec<(usize, usize)>],
    scheme: &Scheme,
) -> (Vec<LabelCounts>, ConfusionCounts) {
    let mut kinds: BTreeMap<String, ConfusionCounts> = BTreeMap::new();
    for words in sentences {
        let of = |label: fn(&(usize, usize)) -> usize| {
            let labels: Vec<(usize, f32)> = words.iter().map(|word| (label(word), 1.0)).collect();
            scheme.entities(&labels)
        };
        let (truth, mut predicted) = (of(|word| word.0), of(|word| word.1));
        for entity in truth {
            let counts = kinds.entry(entity.label.clone()).or_default();
            let same = predicted
                .iter()
                .position(|other| (&other.words, &other.label) == (&entity.words, &entity.label));
            match same {
                Some(at) => {
                    predicted.swap_remove(at);
                    counts.true_positives += 1;
                }
                None => counts.false_negatives += 1,
            }
        }
        for entity in predicted {
            kinds.entry(entity.label).or_default().false_positives += 1;
        }
    }
    let mut all = ConfusionCounts::default();
    kinds.values().for_each(|&counts| all += counts);
    let kinds = kinds.into_iter();
    let kinds = kinds.map(|(label, counts)| LabelCounts { label, counts });
    (kinds.collect(), all)
}
