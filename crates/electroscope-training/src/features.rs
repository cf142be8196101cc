//! From labelled data to training examples: texts become windows of tokens, and labels become targets
//! that refer to the tokens.
//!
//! Windows have the same special tokens as when a head is used (see
//! [`electroscope_analysis::HeadReader`]), but are cut as in the reference, not with regard to later
//! edits of the text. Nothing is random, and nothing is lost silently: [`Features`] counts what was
//! truncated and what has no token.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use electroscope_model::{HeadInput, Piece, Task, Tokenizer};

use super::Error;
use super::data::{
    GoldAnswer, LabelledSentences, LabelledText, LabelledTexts, Question, Questions,
};
use super::example::{Example, Target};

/// Training examples, and where in the data each comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// The examples, in the order of the data.
    pub examples: Vec<Example>,
    /// For each example the index of its text, question or sentence. Questions are counted through all
    /// paragraphs.
    pub sources: Vec<usize>,
    /// For each example the range of tokens of the context or of the sentence that its window covers,
    /// special tokens not counted.
    pub token_ranges: Vec<Range<usize>>,
    /// For tagging: for each example the first tokens of words, as a position in the window and the index
    /// of the word. A word that two windows cover is listed in one of them only.
    pub words: Vec<Vec<(usize, usize)>>,
    /// The number of texts or questions that were truncated.
    pub truncated: usize,
    /// The number of answers or words that have no token in the vocabulary, so that they give no target.
    pub without_tokens: usize,
}

impl Features {
    /// The number of tokens of each example.
    pub fn lengths(&self) -> Vec<usize> {
        (self.examples.iter())
            .map(|example| example.input.ids.len())
            .collect()
    }

    /// Adds the windows of text, question or sentence `source`.
    fn add(&mut self, source: usize, made: SourceFeatures) {
        self.truncated += made.truncated;
        self.without_tokens += made.without_tokens;
        for window in made.windows {
            self.examples.push(window.example);
            self.sources.push(source);
            self.token_ranges.push(window.token_range);
            self.words.push(window.words);
        }
    }

    fn collect(made: impl IntoIterator<Item = SourceFeatures>) -> Features {
        let mut features = Features::default();
        for (source, made) in made.into_iter().enumerate() {
            features.add(source, made);
        }
        features
    }
}

/// The windows of one text, question or sentence.
#[derive(Default)]
struct SourceFeatures {
    windows: Vec<FeatureWindow>,
    truncated: usize,
    without_tokens: usize,
}

/// An example with its range and words; see [`Features`].
struct FeatureWindow {
    example: Example,
    token_range: Range<usize>,
    words: Vec<(usize, usize)>,
}

/// The tokens of a window at most, special ones included: `wanted`, or by default the reference's 128,
/// and 384 for question answering; but no more than the `positions` of the model.
///
/// # Errors
///
/// [`Error::Settings`] if `wanted` is more than `positions`, or too small for any text.
pub fn window_length(task: Task, wanted: Option<usize>, positions: usize) -> Result<usize, Error> {
    /// Enough for a question cut to a third, three special tokens and some text.
    const LEAST: usize = 8;
    let usual = match task {
        Task::Classification | Task::Tagging => 128,
        Task::QuestionAnswering => 384,
    };
    match wanted {
        None => Ok(usual.min(positions)),
        Some(wanted) if wanted > positions => Err(Error::Settings(format!(
            "windows of {wanted} tokens were asked for, but the model has {positions} positions; ask for \
             at most these"
        ))),
        Some(wanted) if wanted < LEAST => Err(Error::Settings(format!(
            "windows of {wanted} tokens are too short for any text; ask for at least {LEAST}"
        ))),
        Some(wanted) => Ok(wanted),
    }
}

/// One example for each text: `[CLS] a [SEP]`, or `[CLS] a [SEP] b [SEP]`, of at most `length`
/// tokens. Longer texts lose tokens at their end; of a pair the longer text first, until both are
/// equally long.
///
/// # Errors
///
/// [`Error::Model`] if a text cannot be tokenized.
pub fn classification(
    data: &LabelledTexts,
    tokenizer: &Tokenizer,
    length: usize,
) -> Result<Features, Error> {
    let ids = |text: &str| -> Result<Vec<u32>, Error> {
        let pieces = tokenizer.encode(text)?;
        Ok(pieces.iter().map(|piece| piece.id).collect())
    };
    let made = |text: &LabelledText| -> Result<SourceFeatures, Error> {
        let mut first = ids(&text.text)?;
        let mut second = text.pair.as_deref().map(ids).transpose()?;
        let before = (first.len(), second.as_ref().map(Vec::len));
        match &mut second {
            Some(second) => {
                let room = length.saturating_sub(3);
                let (a, b) = truncated_lengths(first.len(), second.len(), room);
                first.truncate(a);
                second.truncate(b);
            }
            None => first.truncate(length.saturating_sub(2)),
        }
        let is_truncated = before != (first.len(), second.as_ref().map(Vec::len));
        let example = Example {
            input: input(tokenizer, &first, second.as_deref()),
            target: text.target.clone(),
        };
        Ok(SourceFeatures {
            windows: vec![FeatureWindow {
                example,
                token_range: 0..first.len(),
                words: Vec::new(),
            }],
            truncated: usize::from(is_truncated),
            without_tokens: 0,
        })
    };
    let made: Result<Vec<SourceFeatures>, Error> = data.texts.par_iter().map(made).collect();
    Ok(Features::collect(made?))
}

/// `[CLS] first [SEP]`, or `[CLS] first [SEP] second [SEP]`.
fn input(tokenizer: &Tokenizer, first: &[u32], second: Option<&[u32]>) -> HeadInput {
    let (cls, sep) = (tokenizer.cls_id(), tokenizer.sep_id());
    let mut ids = Vec::with_capacity(first.len() + second.map_or(0, <[u32]>::len) + 3);
    ids.push(cls);
    ids.extend_from_slice(first);
    ids.push(sep);
    let second_start = ids.len();
    if let Some(second) = second {
        ids.extend_from_slice(second);
        ids.push(sep);
    }
    HeadInput {
        ids,
        second: second_start,
    }
}

/// The lengths to which two texts of `a` and `b` tokens are truncated to fit into `room`: the
/// reference's `longest_first`, with its way to divide an odd number.
fn truncated_lengths(a: usize, b: usize, room: usize) -> (usize, usize) {
    if a + b <= room {
        return (a, b);
    }
    let (short, long) = (a.min(b), room.saturating_sub(a.min(b)));
    let (short, long) = if short <= long {
        (short, long)
    } else {
        (room / 2, room / 2 + room % 2)
    };
    if a <= b { (short, long) } else { (long, short) }
}

/// Consecutive ranges of at most `room` of `tokens` tokens, each overlapping the next by `shared`; the
/// last may be shorter. At least one range, even without tokens.
pub fn windows(tokens: usize, room: usize, shared: usize) -> Vec<Range<usize>> {
    let room = room.max(1);
    let step = room - shared.min(room - 1);
    let mut windows = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + room).min(tokens);
        windows.push(start..end);
        if end == tokens {
            return windows;
        }
        start += step;
    }
}

/// The examples of each question: `[CLS] question [SEP] context [SEP]`, of at most `length` tokens. A
/// longer context gives several windows, which overlap by 128 tokens, or a third of `length` if that
/// is less.
///
/// The target is the answer's first and last token: the tokens that contain any of its bytes. A window
/// that does not contain the whole answer has the target 0, 0, the position of `[CLS]`. Of several
/// different answers the most frequent counts, of equally frequent ones the first. A question longer
/// than a third of `length` is truncated.
///
/// # Errors
///
/// [`Error::Model`] if a text cannot be tokenized.
pub fn questions(
    data: &Questions,
    tokenizer: &Tokenizer,
    length: usize,
) -> Result<Features, Error> {
    let paragraphs = data.paragraphs.par_iter().map(|paragraph| {
        let context = tokenizer.encode(&paragraph.context)?;
        let made = |question| question_features(question, &context, tokenizer, length);
        paragraph.questions.iter().map(made).collect()
    });
    let made: Vec<Vec<SourceFeatures>> = paragraphs.collect::<Result<_, Error>>()?;
    Ok(Features::collect(made.into_iter().flatten()))
}

fn question_features(
    question: &Question,
    context: &[Piece],
    tokenizer: &Tokenizer,
    length: usize,
) -> Result<SourceFeatures, Error> {
    let mut words: Vec<u32> = (tokenizer.encode(&question.text)?.iter())
        .map(|piece| piece.id)
        .collect();
    let longest = length / 3;
    let truncated = usize::from(words.len() > longest);
    words.truncate(longest);

    let gold = most_frequent_answer(&question.answers);
    let answer = gold.and_then(|gold| pieces_of(context, gold));
    if gold.is_some() && answer.is_none() {
        // It has an answer, so an example that says otherwise would be wrong.
        return Ok(SourceFeatures {
            without_tokens: 1,
            truncated,
            ..SourceFeatures::default()
        });
    }
    let opening = words.len() + 2;
    let room = length.saturating_sub(opening + 1);
    let made = |token_range: Range<usize>| {
        let read = context.get(token_range.clone()).unwrap_or_default();
        let ids: Vec<u32> = read.iter().map(|piece| piece.id).collect();
        let answer_in_window = answer
            .clone()
            .filter(|answer| token_range.start <= answer.start && answer.end <= token_range.end);
        let place = |token: usize| opening + token - token_range.start;
        let target = match answer_in_window {
            Some(answer) => Target::Span {
                start: place(answer.start),
                end: place(answer.end - 1),
            },
            None => Target::Span { start: 0, end: 0 },
        };
        FeatureWindow {
            example: Example {
                input: input(tokenizer, &words, Some(&ids)),
                target,
            },
            token_range,
            words: Vec::new(),
        }
    };
    let windows = windows(context.len(), room, (length / 3).min(128));
    Ok(SourceFeatures {
        windows: windows.into_iter().map(made).collect(),
        truncated,
        without_tokens: 0,
    })
}

/// The most frequent answer, of equally frequent ones the first.
fn most_frequent_answer(answers: &[GoldAnswer]) -> Option<&GoldAnswer> {
    let mut counts: HashMap<(usize, &str), usize> = HashMap::new();
    for answer in answers {
        *counts.entry((answer.start, &answer.text)).or_default() += 1;
    }
    let count = |answer: &GoldAnswer| counts.get(&(answer.start, answer.text.as_str())).copied();
    let most = counts.values().copied().max();
    answers.iter().find(|answer| count(answer) == most)
}

/// The range of pieces that contain any byte of the answer; none if it is empty.
fn pieces_of(pieces: &[Piece], answer: &GoldAnswer) -> Option<Range<usize>> {
    let (start, end) = (answer.start, answer.start + answer.text.len());
    let first = pieces.partition_point(|piece| piece.end as usize <= start);
    let after = pieces.partition_point(|piece| (piece.start as usize) < end);
    (first < after).then_some(first..after)
}

/// The examples of each sentence: `[CLS] sentence [SEP]`, of at most `length` tokens. The words are
/// tokenized one by one. A longer sentence gives several windows, which overlap by a third of their
/// tokens; each token has its target in the window that shows most of its surroundings.
///
/// A word of the data may be several words to the tokenizer, such as `U.S.`. When a head is used, each
/// of these gets a label, so each has a target, at its first piece: the label of the data's word,
/// adjusted to its place if the labels mark entities.
///
/// # Errors
///
/// [`Error::Model`] if a word cannot be tokenized.
pub fn tagging(
    data: &LabelledSentences,
    tokenizer: &Tokenizer,
    length: usize,
) -> Result<Features, Error> {
    let parts: Vec<WordPartLabels> = (0..data.labels.len())
        .map(|label| WordPartLabels::for_word(label, &data.labels))
        .collect();
    let room = length.saturating_sub(2);
    let sentences = data.sentences.par_iter().map(|sentence| {
        let mut tokens = SentenceTokens::default();
        let mut without_tokens = 0;
        for (number, (word, &tag)) in sentence.words.iter().zip(&sentence.tags).enumerate() {
            let parts = parts
                .get(tag)
                .copied()
                .unwrap_or(WordPartLabels::repeated(tag));
            let pieces = tokenizer.encode(word)?;
            without_tokens += usize::from(pieces.is_empty());
            tokens.push(&pieces, number, parts);
        }
        Ok(SourceFeatures {
            windows: tokens.windows(room, tokenizer),
            truncated: 0,
            without_tokens,
        })
    });
    let made: Vec<SourceFeatures> = sentences.collect::<Result<_, Error>>()?;
    Ok(Features::collect(made))
}

/// The labels for the parts of a word, if it is several words to the tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WordPartLabels {
    whole: usize,
    first: usize,
    middle: usize,
    last: usize,
}

impl WordPartLabels {
    fn repeated(label: usize) -> WordPartLabels {
        WordPartLabels {
            whole: label,
            first: label,
            middle: label,
            last: label,
        }
    }

    /// The labels for the parts of a word with label index `label`: `B` is followed by `I`, `E` is
    /// preceded by `I`, and `S` becomes `B`, `I`, `E`. The label is repeated if it marks no entity or if
    /// `labels` have none of the others.
    fn for_word(label: usize, labels: &[String]) -> WordPartLabels {
        let same = WordPartLabels::repeated(label);
        let name = labels.get(label).map_or("", String::as_str);
        let kind = name.get(1..).filter(|kind| kind.starts_with(['-', '_']));
        let (Some(kind), Some(letter)) = (kind, name.get(..1)) else {
            return same;
        };
        let find = |letters: &[&str]| {
            let place = |letter: &&str| {
                let wanted = format!("{letter}{kind}");
                labels.iter().position(|label| *label == wanted)
            };
            letters.iter().find_map(place)
        };
        let inside = find(&["I", "M"]).unwrap_or(label);
        match letter {
            "B" => WordPartLabels {
                middle: inside,
                last: inside,
                ..same
            },
            "E" | "L" => WordPartLabels {
                first: inside,
                middle: inside,
                ..same
            },
            "S" | "U" => match (find(&["B"]), find(&["E", "L"])) {
                (Some(first), Some(last)) => WordPartLabels {
                    whole: label,
                    first,
                    middle: find(&["I", "M"]).unwrap_or(first),
                    last,
                },
                _ => same,
            },
            _ => same,
        }
    }
}

/// The tokens of a sentence, with their targets.
#[derive(Default)]
struct SentenceTokens {
    ids: Vec<u32>,
    targets: Vec<Option<usize>>,
    /// For each token the index of the word of the data that begins there.
    words: Vec<Option<usize>>,
}

impl SentenceTokens {
    /// Adds word `number` of the data.
    fn push(&mut self, pieces: &[Piece], number: usize, parts: WordPartLabels) {
        let ends = pieces.first().zip(pieces.last());
        let mut before = None;
        for piece in pieces {
            let begins = before.replace(piece.word) != Some(piece.word);
            let is = |end: &Piece| end.word == piece.word;
            let label = match ends.map(|(first, last)| (is(first), is(last))) {
                Some((true, true)) => parts.whole,
                Some((true, false)) => parts.first,
                Some((false, true)) => parts.last,
                _ => parts.middle,
            };
            let begins_data_word = ends.is_some_and(|(first, _)| begins && is(first));
            self.ids.push(piece.id);
            self.targets.push(begins.then_some(label));
            self.words.push(begins_data_word.then_some(number));
        }
    }

    /// The windows of at most `room` tokens that have any target.
    fn windows(&self, room: usize, tokenizer: &Tokenizer) -> Vec<FeatureWindow> {
        let windows = windows(self.ids.len(), room, room / 3);
        let mut targets_from = 0;
        let mut made = Vec::with_capacity(windows.len());
        for (at, token_range) in windows.iter().enumerate() {
            // Each window takes the targets up to the middle of its overlap with the next.
            let next = windows.get(at + 1);
            let end = next.map_or(token_range.end, |next| next.start.midpoint(token_range.end));
            let core = std::mem::replace(&mut targets_from, end)..end;
            let has_target = |token: &usize| core.contains(token);
            let targets = token_range.clone().map(|token| {
                let target = self.targets.get(token).copied().flatten();
                target.filter(|_| has_target(&token))
            });
            let targets: Vec<Option<usize>> =
                std::iter::once(None).chain(targets).chain([None]).collect();
            if targets.iter().all(Option::is_none) {
                continue;
            }
            let words = token_range.clone().filter(has_target).filter_map(|token| {
                let word = self.words.get(token).copied().flatten()?;
                Some((1 + token - token_range.start, word))
            });
            let ids = self.ids.get(token_range.clone()).unwrap_or_default();
            made.push(FeatureWindow {
                words: words.collect(),
                example: Example {
                    input: input(tokenizer, ids, None),
                    target: Target::Tags(targets),
                },
                token_range: token_range.clone(),
            });
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{LabelledSentence, Paragraph};
    use electroscope_model::{Problem, VocabularyOptions};
    use proptest::prelude::*;
    use std::path::Path;

    /// A tokenizer for letters and digits, a few words and punctuation.
    fn tokenizer() -> Tokenizer {
        let mut vocabulary: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
            .map(str::to_owned)
            .into();
        for letter in ('a'..='z').chain('0'..='9') {
            vocabulary.extend([letter.to_string(), format!("##{letter}")]);
        }
        let words = [
            "the", "boat", "boats", "came", "##s", "日", ".", ",", "-", "?", "@",
        ];
        vocabulary.extend(words.map(str::to_owned));
        let vocabulary = vocabulary.join("\n");
        Tokenizer::from_vocabulary(
            vocabulary.as_bytes(),
            VocabularyOptions::default(),
            Path::new("vocab.txt"),
        )
        .unwrap()
    }

    fn token_text(tokenizer: &Tokenizer, ids: &[u32]) -> String {
        let tokens: Vec<String> = ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
        tokens.join(" ")
    }

    fn texts(texts: &[(&str, Option<&str>)]) -> LabelledTexts {
        let text = |(at, &(text, pair)): (usize, &(&str, Option<&str>))| LabelledText {
            text: text.to_owned(),
            pair: pair.map(str::to_owned),
            target: Target::Label(at),
        };
        LabelledTexts {
            labels: (0..texts.len()).map(|label| label.to_string()).collect(),
            problem: Problem::SingleLabel,
            texts: texts.iter().enumerate().map(text).collect(),
        }
    }

    fn question(context: &str, text: &str, answers: &[(&str, usize)]) -> Questions {
        let answer = |&(text, start): &(&str, usize)| GoldAnswer {
            text: text.to_owned(),
            start,
        };
        Questions {
            paragraphs: vec![Paragraph {
                context: context.to_owned(),
                questions: vec![Question {
                    id: "q1".to_owned(),
                    text: text.to_owned(),
                    answers: answers.iter().map(answer).collect(),
                }],
            }],
        }
    }

    fn tagged(labels: &[&str], words: &[(&str, usize)]) -> LabelledSentences {
        LabelledSentences {
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            sentences: vec![LabelledSentence {
                words: words.iter().map(|(word, _)| (*word).to_owned()).collect(),
                tags: words.iter().map(|&(_, tag)| tag).collect(),
            }],
        }
    }

    /// The tokens of an example, with the label of each that has a target.
    fn targets(tokenizer: &Tokenizer, labels: &[&str], example: &Example) -> String {
        let Target::Tags(tags) = &example.target else {
            return String::new();
        };
        let labelled = example.input.ids.iter().zip(tags).map(|(&id, tag)| {
            let token = tokenizer.token(id).unwrap();
            tag.map_or(token.clone(), |tag| format!("{token}/{}", labels[tag]))
        });
        labelled.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn texts_and_pairs_get_special_tokens() {
        let tokenizer = tokenizer();
        let data = texts(&[
            ("The boats", None),
            ("The boat", Some("came.")),
            ("", Some("")),
        ]);
        let features = classification(&data, &tokenizer, 16).unwrap();
        let windows: Vec<(String, usize)> = (features.examples.iter())
            .map(|example| {
                (
                    token_text(&tokenizer, &example.input.ids),
                    example.input.second,
                )
            })
            .collect();
        let wanted = [
            ("[CLS] the boats [SEP]", 4),
            ("[CLS] the boat [SEP] came . [SEP]", 4),
            ("[CLS] [SEP] [SEP]", 2),
        ];
        assert_eq!(
            windows,
            wanted.map(|(text, second)| (text.to_owned(), second))
        );
        assert_eq!(features.examples[1].target, Target::Label(1));
        assert_eq!((features.sources, features.truncated), (vec![0, 1, 2], 0));
    }

    #[test]
    fn the_longer_of_two_texts_is_truncated_first() {
        let tokenizer = tokenizer();
        let data = texts(&[
            ("a b c d e f", Some("x y")),
            ("a b", Some("u v w x y z")),
            ("a b c d e f", Some("t u v w x y z")),
            ("a b c d e f g h", None),
        ]);
        let features = classification(&data, &tokenizer, 8).unwrap();
        let windows: Vec<String> = (features.examples.iter())
            .map(|example| token_text(&tokenizer, &example.input.ids))
            .collect();
        assert_eq!(
            windows,
            [
                "[CLS] a b c [SEP] x y [SEP]",
                "[CLS] a b [SEP] u v w [SEP]",
                "[CLS] a b [SEP] t u v [SEP]",
                "[CLS] a b c d e f [SEP]",
            ]
        );
        assert_eq!(features.truncated, 4);
    }

    #[test]
    fn an_answer_spans_all_tokens_that_contain_its_bytes() {
        let tokenizer = tokenizer();
        // The second answer begins within a word, the third ends with a space.
        for (answer, wanted) in [
            ("boats came", "boats came"),
            ("ats", "boats"),
            ("came ", "came"),
        ] {
            let context = "The boats came .";
            let start = context.find(answer).unwrap();
            let data = question(context, "Who?", &[(answer, start)]);
            let features = questions(&data, &tokenizer, 24).unwrap();
            let Target::Span { start, end } = features.examples[0].target else {
                panic!("{features:?}");
            };
            let ids = &features.examples[0].input.ids;
            assert_eq!(token_text(&tokenizer, &ids[start..=end]), wanted);
            assert_eq!(
                token_text(&tokenizer, ids),
                "[CLS] w ##h ##o ? [SEP] the boats came . [SEP]"
            );
            assert_eq!(features.examples[0].input.second, 6);
        }
    }

    #[test]
    fn an_answer_without_tokens_is_counted_and_gives_no_example() {
        let data = question("The  boats", "Who?", &[(" ", 3)]);
        let features = questions(&data, &tokenizer(), 24).unwrap();
        assert_eq!((features.examples.len(), features.without_tokens), (0, 1));
    }

    #[test]
    fn the_most_frequent_answer_is_the_target() {
        let answers = [("the", 0), ("boat", 4), ("came", 9), ("boat", 4)];
        let features =
            questions(&question("the boat came", "a", &answers), &tokenizer(), 24).unwrap();
        assert_eq!(
            features.examples[0].target,
            Target::Span { start: 4, end: 4 }
        );
        let features = questions(
            &question("the boat came", "a", &answers[..3]),
            &tokenizer(),
            24,
        )
        .unwrap();
        assert_eq!(
            features.examples[0].target,
            Target::Span { start: 3, end: 3 }
        );
    }

    #[test]
    fn windows_without_the_answer_have_the_target_0_0() {
        let tokenizer = tokenizer();
        let context = "a b c d e f g h i j k l";
        let features = questions(&question(context, "x", &[("j k", 18)]), &tokenizer, 12).unwrap();
        let windows: Vec<(String, Target)> = (features.examples.iter())
            .map(|example| {
                (
                    token_text(&tokenizer, &example.input.ids),
                    example.target.clone(),
                )
            })
            .collect();
        let none = Target::Span { start: 0, end: 0 };
        let wanted = [
            ("[CLS] x [SEP] a b c d e f g h [SEP]", none.clone()),
            (
                "[CLS] x [SEP] e f g h i j k l [SEP]",
                Target::Span { start: 8, end: 9 },
            ),
        ];
        assert_eq!(
            windows,
            wanted.map(|(text, target)| (text.to_owned(), target))
        );
        assert_eq!(features.token_ranges, [0..8, 4..12]);
        assert_eq!(features.sources, [0, 0]);

        let refused = questions(&question("a b", "x", &[]), &tokenizer, 12).unwrap();
        assert_eq!(refused.examples[0].target, none);
    }

    #[test]
    fn a_question_longer_than_a_third_of_the_window_is_truncated() {
        let tokenizer = tokenizer();
        let features = questions(
            &question("the boat", "u v w x y z", &[("boat", 4)]),
            &tokenizer,
            12,
        )
        .unwrap();
        let ids = &features.examples[0].input.ids;
        assert_eq!(
            token_text(&tokenizer, ids),
            "[CLS] u v w x [SEP] the boat [SEP]"
        );
        assert_eq!(features.truncated, 1);
    }

    #[test]
    fn parts_of_a_word_have_the_entity_label_of_their_place() {
        let tokenizer = tokenizer();
        let bio = &["O", "B-PER", "I-PER", "B-X"];
        let words = [
            ("@ann", 1),
            ("n.n", 2),
            ("a-b", 0),
            ("c-d", 3),
            ("boats", 1),
        ];
        let features = tagging(&tagged(bio, &words), &tokenizer, 64).unwrap();
        assert_eq!(
            targets(&tokenizer, bio, &features.examples[0]),
            "[CLS] @/B-PER a/I-PER ##n ##n n/I-PER ./I-PER n/I-PER a/O -/O b/O c/B-X -/B-X d/B-X \
             boats/B-PER [SEP]"
        );
        assert_eq!(
            features.words[0],
            [(1, 0), (5, 1), (8, 2), (11, 3), (14, 4)]
        );

        let bioes = &["B-A", "I-A", "E-A", "S-A"];
        let words = [("a", 0), ("b.", 0), ("c.", 2), ("d", 3), ("e.f", 3)];
        let features = tagging(&tagged(bioes, &words), &tokenizer, 64).unwrap();
        assert_eq!(
            targets(&tokenizer, bioes, &features.examples[0]),
            "[CLS] a/B-A b/B-A ./I-A c/I-A ./E-A d/S-A e/B-A ./I-A f/E-A [SEP]"
        );
        let parts = &["NOUN", "PUNCT"];
        let features = tagging(
            &tagged(parts, &[("a-b", 0), ("\u{200b}", 1)]),
            &tokenizer,
            64,
        )
        .unwrap();
        assert_eq!(
            targets(&tokenizer, parts, &features.examples[0]),
            "[CLS] a/NOUN -/NOUN b/NOUN [SEP]"
        );
        assert_eq!(features.without_tokens, 1);
    }

    #[test]
    fn window_lengths_are_the_references_limited_by_the_models_positions() {
        let usual = |task, positions| window_length(task, None, positions).unwrap();
        assert_eq!(usual(Task::Classification, 512), 128);
        assert_eq!(usual(Task::QuestionAnswering, 512), 384);
        assert_eq!(usual(Task::QuestionAnswering, 128), 128);
        assert_eq!(window_length(Task::Tagging, Some(512), 512).unwrap(), 512);
        let refused = [600, 7].map(|wanted| {
            let refused = window_length(Task::Tagging, Some(wanted), 512).unwrap_err();
            refused.to_string()
        });
        insta::assert_snapshot!(refused.join("\n"), @r"
        windows of 600 tokens were asked for, but the model has 512 positions; ask for at most these
        windows of 7 tokens are too short for any text; ask for at least 8
        ");
    }

    /// Words that have at least a token each, and white space between them.
    fn prose() -> impl Strategy<Value = Vec<(String, &'static str)>> {
        let word = "[a-z0-9éÅ日😀.,-]{1,6}";
        let between = prop::sample::select(vec![" ", "  ", "\n", "\u{a0}", " \t "]);
        prop::collection::vec((word, between), 1..60)
    }

    proptest! {
        #[test]
        fn the_target_tokens_spell_the_answer(
            words in prose(), from in 0.0..1.0f64, to in 0.0..1.0f64, length in 8usize..80, asked in 0usize..40,
        ) {
            let tokenizer = tokenizer();
            let mut context = "  ".to_owned();
            let mut spans = Vec::new();
            for (word, between) in &words {
                spans.push(context.len()..context.len() + word.len());
                context.extend([word.as_str(), between]);
            }
            let place = |share: f64| (share * words.len() as f64) as usize;
            let (first, last) = (place(from.min(to)), place(from.max(to)));
            let (start, end) = (spans[first].start, spans[last].end);
            let text = &context[start..end];
            let data = question(&context, &"x ".repeat(asked), &[(text, start)]);
            let features = questions(&data, &tokenizer, length).unwrap();

            let pieces = tokenizer.encode(&context).unwrap();
            let mut read = vec![false; pieces.len()];
            for (example, token_range) in features.examples.iter().zip(&features.token_ranges) {
                let ids = &example.input.ids;
                prop_assert!(ids.len() <= length, "{} of {}", ids.len(), length);
                let Target::Span { start: first, end: last } = example.target else {
                    return Err(TestCaseError::fail("no span"));
                };
                read[token_range.clone()].fill(true);
                let inside = &pieces[token_range.clone()];
                let holds = inside.first().is_some_and(|piece| piece.start as usize <= start)
                    && inside.last().is_some_and(|piece| piece.end as usize >= end);
                prop_assert_eq!(holds, (first, last) != (0, 0));
                if holds {
                    let piece = |at: usize| inside[at - example.input.second];
                    let token_text = &context[piece(first).start as usize..piece(last).end as usize];
                    prop_assert_eq!(token_text, text);
                    prop_assert_eq!(ids[first], piece(first).id);
                    prop_assert_eq!(ids[last], piece(last).id);
                }
            }
            prop_assert!(read.iter().all(|&read| read));
            prop_assert!(features.sources.iter().all(|&of| of == 0));
        }

        #[test]
        fn every_word_has_one_target_in_sentences_of_any_length(words in prose(), length in 8usize..40) {
            let tokenizer = tokenizer();
            let words: Vec<(&str, usize)> = words.iter().zip(0..).map(|((word, _), tag)| (word.as_str(), tag)).collect();
            let labels: Vec<String> = (0..words.len()).map(|label| label.to_string()).collect();
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let features = tagging(&tagged(&labels, &words), &tokenizer, length).unwrap();
            let mut seen = Vec::new();
            let mut asked = 0;
            for (example, begins) in features.examples.iter().zip(&features.words) {
                let Target::Tags(tags) = &example.target else {
                    return Err(TestCaseError::fail("no tags"));
                };
                prop_assert!(tags.len() <= length && tags.len() == example.input.ids.len());
                asked += tags.iter().flatten().count();
                for &(token, word) in begins {
                    prop_assert_eq!(tags[token], Some(word));
                    prop_assert_eq!(example.input.ids[token], tokenizer.encode(words[word].0).unwrap()[0].id);
                    seen.push(word);
                }
            }
            prop_assert_eq!(seen, (0..words.len()).collect::<Vec<_>>());
            let parts = |word: &str| {
                let mut words: Vec<u32> = tokenizer.encode(word).unwrap().iter().map(|piece| piece.word).collect();
                words.dedup();
                words.len()
            };
            prop_assert_eq!(asked, words.iter().map(|(word, _)| parts(word)).sum::<usize>());
        }

        #[test]
        fn pairs_are_truncated_as_if_token_by_token(a in 0usize..60, b in 0usize..60, room in 0usize..80) {
            let (short_a, short_b) = truncated_lengths(a, b, room);
            let (mut long, mut short) = (a.max(b), a.min(b));
            while long + short > room {
                if long >= short { long -= 1 } else { short -= 1 }
            }
            prop_assert_eq!(short_a + short_b, long + short);
            prop_assert_eq!(short_a.max(short_b), long.max(short));
            prop_assert!(short_a <= a && short_b <= b);
        }
    }
}
