//! The labels of an error tagger: `O` for words without an error, and one label for each kind of error.
//!
//! Training data comes from three sources that name kinds differently: synthetic errors
//! ([`WritingError`]), corrections that people made (the `kind` of a [`MarkedText`]), and word columns
//! with the tags of ERRANT (Bryant et al., ACL 2017: `R:VERB:SVA`, `M:DET`, …). This module maps all of
//! them to the same labels, so that they can be mixed.

use std::collections::HashSet;

use electroscope_analysis::ErrorKind;

use super::Error;
use super::data::spans::MarkedText;
use super::data::{LabelledSentence, LabelledSentences};
use super::synthetic_errors::{WritingError, words};

impl WritingError {
    /// The kind that an error tagger learns for it.
    pub fn kind(self) -> ErrorKind {
        match self {
            WritingError::Spelling | WritingError::Apostrophe => ErrorKind::Spelling,
            WritingError::Agreement | WritingError::Number => ErrorKind::Agreement,
            WritingError::Article => ErrorKind::Article,
            WritingError::Preposition => ErrorKind::Preposition,
            WritingError::VerbForm => ErrorKind::VerbForm,
            WritingError::Confusable | WritingError::WordForm | WritingError::Order => {
                ErrorKind::WrongWord
            }
            WritingError::Dropped => ErrorKind::Missing,
            WritingError::Doubled => ErrorKind::Superfluous,
        }
    }
}

/// The kind of a `kind` field of corrections that people made; none for one that names no single
/// kind, such as `mixed`.
fn kind_of_correction(kind: &str) -> Option<ErrorKind> {
    Some(match kind {
        "misspelling" => ErrorKind::Spelling,
        "inflection/agreement" => ErrorKind::Agreement,
        "article" => ErrorKind::Article,
        "preposition" => ErrorKind::Preposition,
        "real-word confusion" => ErrorKind::WrongWord,
        "function word missing" => ErrorKind::Missing,
        "function word extra" | "doubled word" => ErrorKind::Superfluous,
        _ => return None,
    })
}

/// The kind of a tag of ERRANT: an operation (`M` missing, `U` unnecessary, `R` replacement), then a
/// part of speech or a category.
fn kind_of_errant(tag: &str) -> ErrorKind {
    let (operation, category) = tag.split_once(':').unwrap_or(("R", tag));
    match (operation, category) {
        (_, "DET") => ErrorKind::Article,
        (_, "PREP") => ErrorKind::Preposition,
        ("M", _) => ErrorKind::Missing,
        ("U", _) => ErrorKind::Superfluous,
        (_, "SPELL" | "ORTH") => ErrorKind::Spelling,
        (_, "VERB:SVA" | "NOUN:NUM" | "NOUN:INFL") => ErrorKind::Agreement,
        (_, category) if category.starts_with("VERB:") => ErrorKind::VerbForm,
        _ => ErrorKind::WrongWord,
    }
}

/// The labels, by index.
pub fn labels() -> Vec<String> {
    let kinds = ErrorKind::ALL.iter().map(|kind| kind.label());
    ["O"].into_iter().chain(kinds).map(str::to_owned).collect()
}

/// The sentences of texts with marked spans. A word is marked if a span overlaps it.
///
/// Where a text does not name one kind, a marked word that occurs unmarked nowhere in `texts` is a
/// misspelling, and any other a wrong word.
pub fn from_marked_texts(texts: &[MarkedText]) -> LabelledSentences {
    let divided: Vec<Vec<(&str, bool)>> = texts.iter().map(words_of).collect();
    let unmarked = (divided.iter().flatten())
        .filter(|(_, is_marked)| !is_marked)
        .map(|(word, _)| word.to_lowercase());
    let correct: HashSet<String> = unmarked.collect();
    let sentences = texts.iter().zip(&divided).map(|(text, divided)| {
        let kind = text.kind.as_deref().and_then(kind_of_correction);
        let tag = |&(word, is_marked): &(&str, bool)| match (is_marked, kind) {
            (false, _) => 0,
            (true, Some(kind)) => kind.index(),
            (true, None) if correct.contains(&word.to_lowercase()) => ErrorKind::WrongWord.index(),
            (true, None) => ErrorKind::Spelling.index(),
        };
        LabelledSentence {
            words: divided.iter().map(|(word, _)| (*word).to_owned()).collect(),
            tags: divided.iter().map(tag).collect(),
        }
    });
    LabelledSentences {
        labels: labels(),
        sentences: sentences
            .filter(|sentence| !sentence.words.is_empty())
            .collect(),
    }
}

/// The words of a text, and whether each is marked.
fn words_of(marked: &MarkedText) -> Vec<(&str, bool)> {
    let text = marked.text.as_str();
    let from = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    words(text)
        .into_iter()
        .map(|word| {
            let (start, end) = (from(word), from(word) + word.len());
            let overlaps = |span: &std::ops::Range<usize>| span.start < end && start < span.end;
            let is_punctuation = !word.chars().any(char::is_alphanumeric);
            // A span of the words beside a mark may reach over it.
            let is_marked = !is_punctuation && marked.spans.iter().any(overlaps);
            (word, is_marked)
        })
        .collect()
}

/// `sentences` of word columns with the labels of this module: `O` and `C` (correct) mean no error,
/// other tags are read as ERRANT's.
///
/// # Errors
///
/// [`Error::Settings`] if no word is without an error, since then the column is of something else.
pub fn from_columns(sentences: LabelledSentences) -> Result<LabelledSentences, Error> {
    let is_correct = |tag: &str| matches!(tag, "O" | "C" | "c");
    if !sentences.labels.iter().any(|tag| is_correct(tag)) {
        return Err(Error::Settings(format!(
            "no word has the tag O or C, which mark correct words; the tags are {}",
            sentences.labels.join(", ")
        )));
    }
    let indices: Vec<usize> = (sentences.labels.iter())
        .map(|tag| match is_correct(tag) {
            true => 0,
            false => kind_of_errant(tag).index(),
        })
        .collect();
    let relabelled = sentences.sentences.into_iter().map(|mut sentence| {
        for tag in &mut sentence.tags {
            *tag = indices.get(*tag).copied().unwrap_or(0);
        }
        sentence
    });
    Ok(LabelledSentences {
        labels: labels(),
        sentences: relabelled.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, wrong: &str, kind: Option<&str>) -> MarkedText {
        let spans = wrong.split(' ').filter(|wrong| !wrong.is_empty());
        MarkedText {
            text: text.to_owned(),
            spans: spans
                .map(|wrong| {
                    let start = text.find(wrong).unwrap();
                    start..start + wrong.len()
                })
                .collect(),
            kind: kind.map(str::to_owned),
        }
    }

    fn shown(data: &LabelledSentences) -> String {
        let sentences = data.sentences.iter().map(|sentence| {
            let words = sentence.words.iter().zip(&sentence.tags);
            let words: Vec<String> = words
                .map(|(word, &tag)| match tag {
                    0 => word.clone(),
                    tag => format!("{word}/{}", data.labels[tag]),
                })
                .collect();
            words.join(" ")
        });
        sentences.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn corrections_get_the_label_of_their_kind() {
        let data = from_marked_texts(&[
            marked("She go home.", "go", Some("inflection/agreement")),
            marked(
                "It is teh boat, (the the) boat.",
                "teh",
                Some("misspelling"),
            ),
            marked("We waited an boat.", "an", Some("article")),
            marked("Nothing here.", "", None),
        ]);
        insta::assert_snapshot!(shown(&data), @r"
        She go/AGREEMENT home .
        It is teh/SPELLING boat , ( the the ) boat .
        We waited an/ARTICLE boat .
        Nothing here .
        ");
    }

    #[test]
    fn without_a_kind_a_word_that_is_correct_elsewhere_is_a_wrong_word() {
        let data = from_marked_texts(&[
            marked("Their is a recieve.", "Their recieve.", Some("mixed")),
            marked("It is their boat.", "", None),
        ]);
        insta::assert_snapshot!(shown(&data), @r"
        Their/WRONG-WORD is a recieve/SPELLING .
        It is their boat .
        ");
    }

    #[test]
    fn tags_of_errant_become_labels() {
        let kinds = |tag: &str| kind_of_errant(tag).label();
        let tags = [
            "R:VERB:SVA",
            "R:VERB:TENSE",
            "M:DET",
            "U:PREP",
            "M:VERB",
            "U:NOUN",
            "R:SPELL",
            "R:NOUN",
        ];
        assert_eq!(
            tags.map(kinds),
            [
                "AGREEMENT",
                "VERB-FORM",
                "ARTICLE",
                "PREPOSITION",
                "MISSING",
                "SUPERFLUOUS",
                "SPELLING",
                "WRONG-WORD",
            ]
        );
        let columns = LabelledSentences {
            labels: vec!["C".to_owned(), "R:VERB:SVA".to_owned()],
            sentences: vec![LabelledSentence {
                words: vec!["They".to_owned(), "is".to_owned()],
                tags: vec![0, 1],
            }],
        };
        assert_eq!(shown(&from_columns(columns).unwrap()), "They is/AGREEMENT");
    }

    #[test]
    fn columns_without_correct_words_are_refused() {
        let columns = LabelledSentences {
            labels: vec!["NOUN".to_owned()],
            sentences: Vec::new(),
        };
        let refused = from_columns(columns).unwrap_err().to_string();
        assert_eq!(
            refused,
            "no word has the tag O or C, which mark correct words; the tags are NOUN"
        );
    }

    #[test]
    fn every_kind_has_its_label_at_its_index() {
        let labels = labels();
        for kind in ErrorKind::ALL {
            assert_eq!(labels[kind.index()], kind.label());
        }
    }
}
