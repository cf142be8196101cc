//! From what people labelled to what a model learns from: texts become windows of tokens, and labels
//! become targets that point at those.
//!
//! Windows look as they do when a head answers (see [`electroscope_analysis::HeadReader`]), but are laid out
//! as in the reference: an answer must come out equal whatever the text around it became, a training
//! example need not. Nothing is drawn by chance, and nothing is dropped in silence: what was cut or
//! had no token is counted.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use electroscope_model::{HeadInput, Piece, Task, Tokenizer};

use super::Error;
use super::data::{Classified, ClassifiedText, GoldAnswer, Question, Questions, Tagged};
use super::example::{Example, Target};

/// Examples, and what they were made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// The examples in the order of the data.
    pub examples: Vec<Example>,
    /// What each is of: the number of its text, question or sentence. Questions are counted through
    /// all paragraphs.
    pub of: Vec<usize>,
    /// Which tokens of the context or of the sentence each reads, special ones excluded.
    pub reads: Vec<Range<usize>>,
    /// For tagging, where in each window the words of the sentence begin: the place of a token and
    /// the number of the word. A word that two windows read is in one of them only.
    pub words: Vec<Vec<(usize, usize)>>,
    /// How many texts or questions had to be cut.
    pub cut: usize,
    /// How many answers or words have no token at all, so that nothing can be learnt of them.
    pub lost: usize,
}

impl Features {
    /// How many tokens each example has.
    pub fn lengths(&self) -> Vec<usize> {
        (self.examples.iter())
            .map(|example| example.input.ids.len())
            .collect()
    }

    /// Adds what was made of text, question or sentence number `of`.
    fn add(&mut self, of: usize, made: Made) {
        self.cut += made.cut;
        self.lost += made.lost;
        for window in made.windows {
            self.examples.push(window.example);
            self.of.push(of);
            self.reads.push(window.reads);
            self.words.push(window.words);
        }
    }

    fn of_all(made: Vec<Made>) -> Features {
        let mut features = Features::default();
        for (of, made) in made.into_iter().enumerate() {
            features.add(of, made);
        }
        features
    }
}

/// What becomes of one text, question or sentence.
#[derive(Default)]
struct Made {
    windows: Vec<Window>,
    cut: usize,
    lost: usize,
}

/// A window of it.
struct Window {
    example: Example,
    reads: Range<usize>,
    words: Vec<(usize, usize)>,
}

/// The most tokens that an example may have, special ones included: `wanted`, or by default 128, and
/// 384 for questions, as the reference has it; but no more than the model has `positions` for.
///
/// # Errors
///
/// [`Error::Settings`] if more are wanted, or too few to read anything.
pub fn length(task: Task, wanted: Option<usize>, positions: usize) -> Result<usize, Error> {
    /// With a question cut to a third and three special tokens, something is left for the text.
    const LEAST: usize = 8;
    let usual = match task {
        Task::Classification | Task::Tagging => 128,
        Task::QuestionAnswering => 384,
    };
    match wanted {
        None => Ok(usual.min(positions)),
        Some(wanted) if wanted > positions => Err(Error::Settings(format!(
            "windows of {wanted} tokens are wanted, but the model has {positions} positions; ask for \
             no more than these"
        ))),
        Some(wanted) if wanted < LEAST => Err(Error::Settings(format!(
            "windows of {wanted} tokens are too short to read anything; ask for at least {LEAST}"
        ))),
        Some(wanted) => Ok(wanted),
    }
}

/// One example for each text: `[CLS] a [SEP]`, or `[CLS] a [SEP] b [SEP]`, of at most `length`
/// tokens. What is too long loses its end; of two texts the longer one first, until they are equal.
pub fn classification(data: &Classified, tokenizer: &Tokenizer, length: usize) -> Features {
    let ids = |text: &str| -> Vec<u32> {
        let pieces = tokenizer.encode(text);
        pieces.iter().map(|piece| piece.id).collect()
    };
    let made = |text: &ClassifiedText| {
        let mut first = ids(&text.text);
        let mut second = text.pair.as_deref().map(ids);
        let before = (first.len(), second.as_ref().map(Vec::len));
        match &mut second {
            Some(second) => {
                let room = length.saturating_sub(3);
                let (a, b) = fitting(first.len(), second.len(), room);
                first.truncate(a);
                second.truncate(b);
            }
            None => first.truncate(length.saturating_sub(2)),
        }
        let is_cut = before != (first.len(), second.as_ref().map(Vec::len));
        let example = Example {
            input: input(tokenizer, &first, second.as_deref()),
            target: text.target.clone(),
        };
        Made {
            windows: vec![Window {
                example,
                reads: 0..first.len(),
                words: Vec::new(),
            }],
            cut: usize::from(is_cut),
            lost: 0,
        }
    };
    Features::of_all(data.texts.par_iter().map(made).collect())
}

/// `[CLS] first [SEP]`, or `[CLS] first [SEP] second [SEP]`.
fn input(tokenizer: &Tokenizer, first: &[u32], second: Option<&[u32]>) -> HeadInput {
    let (cls, sep) = (tokenizer.cls_id(), tokenizer.sep_id());
    let mut ids = Vec::with_capacity(first.len() + second.map_or(0, <[u32]>::len) + 3);
    ids.push(cls);
    ids.extend_from_slice(first);
    ids.push(sep);
    let begins = ids.len();
    if let Some(second) = second {
        ids.extend_from_slice(second);
        ids.push(sep);
    }
    HeadInput {
        ids,
        second: begins,
    }
}

/// To how many tokens two texts of `a` and `b` are cut to fit into `room`: the reference's
/// `longest_first`, with its way to share an odd number.
fn fitting(a: usize, b: usize, room: usize) -> (usize, usize) {
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

/// Stretches of at most `room` tokens that follow each other, `shared` of which the next reads again;
/// the last is as long as what is left. Never none.
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
/// context that is too long is read in several windows, which share 128 tokens, or a third of
/// `length` if that is less.
///
/// The target is the answer's first and last token: those that any of its bytes is in. A window that
/// the answer does not lie in whole has the target 0, 0, which is `[CLS]`. Of several answers that
/// people gave the most frequent counts, of equals the first. A question of more than a third of
/// `length`, which could not be asked later, is cut.
pub fn questions(data: &Questions, tokenizer: &Tokenizer, length: usize) -> Features {
    let paragraphs = data.paragraphs.par_iter().map(|paragraph| {
        let context = tokenizer.encode(&paragraph.context);
        let made = |question| asked(question, &context, tokenizer, length);
        paragraph.questions.iter().map(made).collect()
    });
    let made: Vec<Vec<Made>> = paragraphs.collect();
    Features::of_all(made.into_iter().flatten().collect())
}

fn asked(question: &Question, context: &[Piece], tokenizer: &Tokenizer, length: usize) -> Made {
    let mut words: Vec<u32> = (tokenizer.encode(&question.text).iter())
        .map(|piece| piece.id)
        .collect();
    let longest = length / 3;
    let cut = usize::from(words.len() > longest);
    words.truncate(longest);

    let gold = most_given(&question.answers);
    let answer = gold.and_then(|gold| touched(context, gold));
    if gold.is_some() && answer.is_none() {
        // That there is no answer would be a lie.
        return Made {
            lost: 1,
            cut,
            ..Made::default()
        };
    }
    let opening = words.len() + 2;
    let room = length.saturating_sub(opening + 1);
    let made = |reads: Range<usize>| {
        let read = context.get(reads.clone()).unwrap_or_default();
        let ids: Vec<u32> = read.iter().map(|piece| piece.id).collect();
        let within = answer
            .clone()
            .filter(|answer| reads.start <= answer.start && answer.end <= reads.end);
        let place = |token: usize| opening + token - reads.start;
        let target = match within {
            Some(answer) => Target::Span {
                start: place(answer.start),
                end: place(answer.end - 1),
            },
            None => Target::Span { start: 0, end: 0 },
        };
        Window {
            example: Example {
                input: input(tokenizer, &words, Some(&ids)),
                target,
            },
            reads,
            words: Vec::new(),
        }
    };
    let windows = windows(context.len(), room, (length / 3).min(128));
    Made {
        windows: windows.into_iter().map(made).collect(),
        cut,
        lost: 0,
    }
}

/// The answer that most people gave, of equals the first.
fn most_given(answers: &[GoldAnswer]) -> Option<&GoldAnswer> {
    let mut counts: HashMap<(usize, &str), usize> = HashMap::new();
    for answer in answers {
        *counts.entry((answer.start, &answer.text)).or_default() += 1;
    }
    let count = |answer: &GoldAnswer| counts.get(&(answer.start, answer.text.as_str())).copied();
    let most = counts.values().copied().max();
    answers.iter().find(|answer| count(answer) == most)
}

/// The pieces that any byte of the answer is in; none if there are none.
fn touched(pieces: &[Piece], answer: &GoldAnswer) -> Option<Range<usize>> {
    let (start, end) = (answer.start, answer.start + answer.text.len());
    let first = pieces.partition_point(|piece| piece.end as usize <= start);
    let after = pieces.partition_point(|piece| (piece.start as usize) < end);
    (first < after).then_some(first..after)
}

/// The examples of each sentence: `[CLS] sentence [SEP]`, of at most `length` tokens. The words are
/// tokenised one by one. A sentence that is too long is read in several windows that share a third
/// of their tokens; each token has its target in that window where it is furthest from an end.
///
/// A word of the data may be several to the tokenizer, such as `U.S.`. Since those are what gets a
/// label when a head tags a text, each has its target at its first piece: the label of the word,
/// with the letter that fits its place if the labels mark entities.
pub fn tagging(data: &Tagged, tokenizer: &Tokenizer, length: usize) -> Features {
    let parts: Vec<Parts> = (0..data.labels.len())
        .map(|label| Parts::of(label, &data.labels))
        .collect();
    let room = length.saturating_sub(2);
    let sentences = data.sentences.par_iter().map(|sentence| {
        let mut tokens = Tokens::default();
        let mut lost = 0;
        for (number, (word, &tag)) in sentence.words.iter().zip(&sentence.tags).enumerate() {
            let parts = parts.get(tag).copied().unwrap_or(Parts::repeated(tag));
            let pieces = tokenizer.encode(word);
            lost += usize::from(pieces.is_empty());
            tokens.push(&pieces, number, parts);
        }
        Made {
            windows: tokens.windows(room, tokenizer),
            cut: 0,
            lost,
        }
    });
    Features::of_all(sentences.collect())
}

/// The labels of a word, and of its parts if it is several words to the tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    whole: usize,
    first: usize,
    middle: usize,
    last: usize,
}

impl Parts {
    fn repeated(label: usize) -> Parts {
        Parts {
            whole: label,
            first: label,
            middle: label,
            last: label,
        }
    }

    /// Of a word with label number `label`: after `B` comes `I`, before `E` stands `I`, and `S`
    /// becomes `B`, `I`, `E`. Where `labels` lack what would be needed, and if they mark no entities,
    /// the label is repeated.
    fn of(label: usize, labels: &[String]) -> Parts {
        let same = Parts::repeated(label);
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
            "B" => Parts {
                middle: inside,
                last: inside,
                ..same
            },
            "E" | "L" => Parts {
                first: inside,
                middle: inside,
                ..same
            },
            "S" | "U" => match (find(&["B"]), find(&["E", "L"])) {
                (Some(first), Some(last)) => Parts {
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

/// The tokens of a sentence.
#[derive(Default)]
struct Tokens {
    ids: Vec<u32>,
    targets: Vec<Option<usize>>,
    /// Which word of the data begins at each.
    words: Vec<Option<usize>>,
}

impl Tokens {
    /// Adds word number `number`.
    fn push(&mut self, pieces: &[Piece], number: usize, parts: Parts) {
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
            let begins_all = ends.is_some_and(|(first, _)| begins && is(first));
            self.ids.push(piece.id);
            self.targets.push(begins.then_some(label));
            self.words.push(begins_all.then_some(number));
        }
    }

    /// The windows of `room` tokens, but for those in which nothing is asked.
    fn windows(&self, room: usize, tokenizer: &Tokenizer) -> Vec<Window> {
        let windows = windows(self.ids.len(), room, room / 3);
        let mut core = 0;
        let mut made = Vec::with_capacity(windows.len());
        for (at, reads) in windows.iter().enumerate() {
            // Two windows part in the middle of what they share.
            let next = windows.get(at + 1);
            let end = next.map_or(reads.end, |next| next.start.midpoint(reads.end));
            let core = std::mem::replace(&mut core, end)..end;
            let asked = |token: &usize| core.contains(token);
            let targets = reads.clone().map(|token| {
                let target = self.targets.get(token).copied().flatten();
                target.filter(|_| asked(&token))
            });
            let targets: Vec<Option<usize>> =
                std::iter::once(None).chain(targets).chain([None]).collect();
            if targets.iter().all(Option::is_none) {
                continue;
            }
            let words = reads.clone().filter(asked).filter_map(|token| {
                let word = self.words.get(token).copied().flatten()?;
                Some((1 + token - reads.start, word))
            });
            let ids = self.ids.get(reads.clone()).unwrap_or_default();
            made.push(Window {
                words: words.collect(),
                example: Example {
                    input: input(tokenizer, ids, None),
                    target: Target::Tags(targets),
                },
                reads: reads.clone(),
            });
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Paragraph, TaggedSentence};
    use electroscope_model::{Problem, VocabularyOptions};
    use proptest::prelude::*;
    use std::path::Path;

    /// Letters and digits, alone and after others, a few words, and what stands between words.
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

    fn spelled(tokenizer: &Tokenizer, ids: &[u32]) -> String {
        let tokens: Vec<String> = ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
        tokens.join(" ")
    }

    fn texts(texts: &[(&str, Option<&str>)]) -> Classified {
        let text = |(at, &(text, pair)): (usize, &(&str, Option<&str>))| ClassifiedText {
            text: text.to_owned(),
            pair: pair.map(str::to_owned),
            target: Target::Label(at),
        };
        Classified {
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

    fn tagged(labels: &[&str], words: &[(&str, usize)]) -> Tagged {
        Tagged {
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            sentences: vec![TaggedSentence {
                words: words.iter().map(|(word, _)| (*word).to_owned()).collect(),
                tags: words.iter().map(|&(_, tag)| tag).collect(),
            }],
        }
    }

    /// Each token that has a target, with its label.
    fn targets(tokenizer: &Tokenizer, labels: &[&str], example: &Example) -> String {
        let Target::Tags(tags) = &example.target else {
            return String::new();
        };
        let said = example.input.ids.iter().zip(tags).map(|(&id, tag)| {
            let token = tokenizer.token(id).unwrap();
            tag.map_or(token.clone(), |tag| format!("{token}/{}", labels[tag]))
        });
        said.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn texts_and_pairs_stand_between_special_tokens() {
        let tokenizer = tokenizer();
        let data = texts(&[
            ("The boats", None),
            ("The boat", Some("came.")),
            ("", Some("")),
        ]);
        let features = classification(&data, &tokenizer, 16);
        let windows: Vec<(String, usize)> = (features.examples.iter())
            .map(|example| {
                (
                    spelled(&tokenizer, &example.input.ids),
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
        assert_eq!((features.of, features.cut), (vec![0, 1, 2], 0));
    }

    #[test]
    fn of_two_texts_the_longer_loses_its_end_first() {
        let tokenizer = tokenizer();
        let data = texts(&[
            ("a b c d e f", Some("x y")),
            ("a b", Some("u v w x y z")),
            ("a b c d e f", Some("t u v w x y z")),
            ("a b c d e f g h", None),
        ]);
        let features = classification(&data, &tokenizer, 8);
        let windows: Vec<String> = (features.examples.iter())
            .map(|example| spelled(&tokenizer, &example.input.ids))
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
        assert_eq!(features.cut, 4);
    }

    #[test]
    fn an_answer_is_the_tokens_that_its_bytes_are_in() {
        let tokenizer = tokenizer();
        // The second begins within a word, the third ends with a blank, the fourth has no letter.
        for (answer, wanted) in [
            ("boats came", "boats came"),
            ("ats", "boats"),
            ("came ", "came"),
        ] {
            let context = "The boats came .";
            let start = context.find(answer).unwrap();
            let data = question(context, "Who?", &[(answer, start)]);
            let features = questions(&data, &tokenizer, 24);
            let Target::Span { start, end } = features.examples[0].target else {
                panic!("{features:?}");
            };
            let ids = &features.examples[0].input.ids;
            assert_eq!(spelled(&tokenizer, &ids[start..=end]), wanted);
            assert_eq!(
                spelled(&tokenizer, ids),
                "[CLS] w ##h ##o ? [SEP] the boats came . [SEP]"
            );
            assert_eq!(features.examples[0].input.second, 6);
        }
    }

    #[test]
    fn an_answer_without_a_token_is_counted_and_not_learnt_as_none() {
        let data = question("The  boats", "Who?", &[(" ", 3)]);
        let features = questions(&data, &tokenizer(), 24);
        assert_eq!((features.examples.len(), features.lost), (0, 1));
    }

    #[test]
    fn the_answer_that_most_people_gave_counts() {
        let answers = [("the", 0), ("boat", 4), ("came", 9), ("boat", 4)];
        let features = questions(&question("the boat came", "a", &answers), &tokenizer(), 24);
        assert_eq!(
            features.examples[0].target,
            Target::Span { start: 4, end: 4 }
        );
        let features = questions(
            &question("the boat came", "a", &answers[..3]),
            &tokenizer(),
            24,
        );
        assert_eq!(
            features.examples[0].target,
            Target::Span { start: 3, end: 3 }
        );
    }

    #[test]
    fn windows_without_the_answer_point_at_their_beginning() {
        let tokenizer = tokenizer();
        let context = "a b c d e f g h i j k l";
        let features = questions(&question(context, "x", &[("j k", 18)]), &tokenizer, 12);
        let windows: Vec<(String, Target)> = (features.examples.iter())
            .map(|example| {
                (
                    spelled(&tokenizer, &example.input.ids),
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
        assert_eq!(features.reads, [0..8, 4..12]);
        assert_eq!(features.of, [0, 0]);

        let refused = questions(&question("a b", "x", &[]), &tokenizer, 12);
        assert_eq!(refused.examples[0].target, none);
    }

    #[test]
    fn a_question_of_more_than_a_third_is_cut() {
        let tokenizer = tokenizer();
        let features = questions(
            &question("the boat", "u v w x y z", &[("boat", 4)]),
            &tokenizer,
            12,
        );
        let ids = &features.examples[0].input.ids;
        assert_eq!(
            spelled(&tokenizer, ids),
            "[CLS] u v w x [SEP] the boat [SEP]"
        );
        assert_eq!(features.cut, 1);
    }

    #[test]
    fn every_word_of_the_tokenizer_has_the_label_of_its_place() {
        let tokenizer = tokenizer();
        let bio = &["O", "B-PER", "I-PER", "B-X"];
        let words = [
            ("@ann", 1),
            ("n.n", 2),
            ("a-b", 0),
            ("c-d", 3),
            ("boats", 1),
        ];
        let features = tagging(&tagged(bio, &words), &tokenizer, 64);
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
        let features = tagging(&tagged(bioes, &words), &tokenizer, 64);
        assert_eq!(
            targets(&tokenizer, bioes, &features.examples[0]),
            "[CLS] a/B-A b/B-A ./I-A c/I-A ./E-A d/S-A e/B-A ./I-A f/E-A [SEP]"
        );
        let parts = &["NOUN", "PUNCT"];
        let features = tagging(
            &tagged(parts, &[("a-b", 0), ("\u{200b}", 1)]),
            &tokenizer,
            64,
        );
        assert_eq!(
            targets(&tokenizer, parts, &features.examples[0]),
            "[CLS] a/NOUN -/NOUN b/NOUN [SEP]"
        );
        assert_eq!(features.lost, 1);
    }

    #[test]
    fn lengths_are_those_of_the_reference_within_what_the_model_has() {
        let usual = |task, positions| length(task, None, positions).unwrap();
        assert_eq!(usual(Task::Classification, 512), 128);
        assert_eq!(usual(Task::QuestionAnswering, 512), 384);
        assert_eq!(usual(Task::QuestionAnswering, 128), 128);
        assert_eq!(length(Task::Tagging, Some(512), 512).unwrap(), 512);
        let refused = [600, 7].map(|wanted| {
            let refused = length(Task::Tagging, Some(wanted), 512).unwrap_err();
            refused.to_string()
        });
        insta::assert_snapshot!(refused.join("\n"), @r"
        windows of 600 tokens are wanted, but the model has 512 positions; ask for no more than these
        windows of 7 tokens are too short to read anything; ask for at least 8
        ");
    }

    /// Words that have a token each at least, and what may stand between them.
    fn prose() -> impl Strategy<Value = Vec<(String, &'static str)>> {
        let word = "[a-z0-9éÅ日😀.,-]{1,6}";
        let between = prop::sample::select(vec![" ", "  ", "\n", "\u{a0}", " \t "]);
        prop::collection::vec((word, between), 1..60)
    }

    proptest! {
        #[test]
        fn the_tokens_of_a_target_spell_the_answer(
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
            let features = questions(&data, &tokenizer, length);

            let pieces = tokenizer.encode(&context);
            let mut read = vec![false; pieces.len()];
            for (example, reads) in features.examples.iter().zip(&features.reads) {
                let ids = &example.input.ids;
                prop_assert!(ids.len() <= length, "{} of {}", ids.len(), length);
                let Target::Span { start: first, end: last } = example.target else {
                    return Err(TestCaseError::fail("no span"));
                };
                read[reads.clone()].fill(true);
                let inside = &pieces[reads.clone()];
                let holds = inside.first().is_some_and(|piece| piece.start as usize <= start)
                    && inside.last().is_some_and(|piece| piece.end as usize >= end);
                prop_assert_eq!(holds, (first, last) != (0, 0));
                if holds {
                    let piece = |at: usize| inside[at - example.input.second];
                    let spelled = &context[piece(first).start as usize..piece(last).end as usize];
                    prop_assert_eq!(spelled, text);
                    prop_assert_eq!(ids[first], piece(first).id);
                    prop_assert_eq!(ids[last], piece(last).id);
                }
            }
            prop_assert!(read.iter().all(|&read| read));
            prop_assert!(features.of.iter().all(|&of| of == 0));
        }

        #[test]
        fn every_word_has_its_target_once_however_long_the_sentence(words in prose(), length in 8usize..40) {
            let tokenizer = tokenizer();
            let words: Vec<(&str, usize)> = words.iter().zip(0..).map(|((word, _), tag)| (word.as_str(), tag)).collect();
            let labels: Vec<String> = (0..words.len()).map(|label| label.to_string()).collect();
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            let features = tagging(&tagged(&labels, &words), &tokenizer, length);
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
                    prop_assert_eq!(example.input.ids[token], tokenizer.encode(words[word].0)[0].id);
                    seen.push(word);
                }
            }
            prop_assert_eq!(seen, (0..words.len()).collect::<Vec<_>>());
            let parts = |word: &str| {
                let mut words: Vec<u32> = tokenizer.encode(word).iter().map(|piece| piece.word).collect();
                words.dedup();
                words.len()
            };
            prop_assert_eq!(asked, words.iter().map(|(word, _)| parts(word)).sum::<usize>());
        }

        #[test]
        fn two_texts_are_cut_as_one_token_after_the_other_would_be(a in 0usize..60, b in 0usize..60, room in 0usize..80) {
            let (cut_a, cut_b) = fitting(a, b, room);
            let (mut long, mut short) = (a.max(b), a.min(b));
            while long + short > room {
                if long >= short { long -= 1 } else { short -= 1 }
            }
            prop_assert_eq!(cut_a + cut_b, long + short);
            prop_assert_eq!(cut_a.max(cut_b), long.max(short));
            prop_assert!(cut_a <= a && cut_b <= b);
        }
    }
}
