//! Questions about paragraphs in the JSON of SQuAD 1.1 (Rajpurkar et al. 2016) and 2.0 (2018).
//!
//! Every answer is checked to stand where the file says: models learn the place, so a wrong one does
//! harm that nobody sees.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;

use super::super::Error;
use super::lines::{refuse, unreadable};
use super::{GoldAnswer, Paragraph, Question, Questions};

/// Which questions are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Those that the text answers; others are left out.
    V1,
    /// All, those without an answer included.
    #[default]
    V2,
}

#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<ParagraphOf>,
}

#[derive(Deserialize)]
struct ParagraphOf {
    context: String,
    qas: Vec<QuestionOf>,
}

#[derive(Deserialize)]
struct QuestionOf {
    id: String,
    question: String,
    #[serde(default)]
    answers: Vec<AnswerOf>,
    #[serde(default)]
    is_impossible: bool,
}

#[derive(Deserialize)]
struct AnswerOf {
    text: String,
    /// Counted in Unicode code points.
    answer_start: usize,
}

/// Reads a file of questions. Fields that are not needed are overlooked, the `plausible_answers` of
/// questions that have none among them.
///
/// # Errors
///
/// [`Error::Open`], and [`Error::Data`] for what is not the JSON of SQuAD, an answer that does not
/// stand where it should, a question that has no answer and does not say so, an id that two questions
/// have, and a file without a question.
pub fn read(path: &Path, version: Version) -> Result<Questions, Error> {
    let bytes = std::fs::read(path).map_err(|source| unreadable(path, source))?;
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let file: File = serde_json::from_slice(bytes).map_err(|err| {
        let what = format!("it is not the JSON of SQuAD: {err}");
        refuse(path, Some(err.line()), what)
    })?;
    let mut ids: HashSet<String> = HashSet::new();
    let mut paragraphs = Vec::new();
    for paragraph in file.data.into_iter().flat_map(|article| article.paragraphs) {
        let ParagraphOf { context, qas } = paragraph;
        let starts = Starts::of(&context);
        let mut questions = Vec::new();
        for question in qas {
            if version == Version::V1 && question.is_impossible {
                continue;
            }
            if !ids.insert(question.id.clone()) {
                let what = format!("two questions have the id {:?}", question.id);
                return Err(refuse(path, None, what));
            }
            questions.push(
                checked(question, &context, &starts).map_err(|what| refuse(path, None, what))?,
            );
        }
        if !questions.is_empty() {
            paragraphs.push(Paragraph { context, questions });
        }
    }
    if paragraphs.is_empty() {
        return Err(refuse(path, None, "there is no question in the file"));
    }
    Ok(Questions { paragraphs })
}

/// A question whose answers stand where they should; in words, what is wrong with it.
fn checked(of: QuestionOf, context: &str, starts: &Starts) -> Result<Question, String> {
    let QuestionOf {
        id,
        question,
        answers,
        is_impossible,
    } = of;
    match (answers.is_empty(), is_impossible) {
        (true, false) => {
            return Err(format!(
                "question {id} has no answer; if there is none, it must say \"is_impossible\": true"
            ));
        }
        (false, true) => {
            return Err(format!(
                "question {id} has an answer, but says \"is_impossible\": true"
            ));
        }
        _ => {}
    }
    if question.trim().is_empty() {
        return Err(format!("question {id} is empty"));
    }
    let placed = answers.into_iter().map(|AnswerOf { text, answer_start }| {
        if text.is_empty() {
            return Err(format!("question {id} has an empty answer"));
        }
        match starts.byte(answer_start) {
            Some(start) if context[start..].starts_with(&text) => Ok(GoldAnswer { text, start }),
            found => Err(misplaced(&id, &text, answer_start, found, context, starts)),
        }
    });
    Ok(Question {
        answers: placed.collect::<Result<_, _>>()?,
        id,
        text: question,
    })
}

/// That an answer does not stand where it should, and where it does.
fn misplaced(
    id: &str,
    wanted: &str,
    answer_start: usize,
    start: Option<usize>,
    context: &str,
    starts: &Starts,
) -> String {
    let there = match start {
        Some(start) => {
            let length = wanted.chars().count();
            let found: String = context[start..].chars().take(length).collect();
            format!("at character {answer_start} stands {found:?}")
        }
        None => format!("the text has {} characters", starts.count()),
    };
    let distance = |byte: usize| starts.character(byte).abs_diff(answer_start);
    let nearest = context
        .match_indices(wanted)
        .map(|(byte, _)| byte)
        .min_by_key(|&byte| distance(byte));
    let in_bytes = (context.as_bytes().get(answer_start..))
        .is_some_and(|rest| rest.starts_with(wanted.as_bytes()));
    let mend = match nearest {
        None => "the text does not hold it anywhere".to_owned(),
        Some(_) if in_bytes => {
            "it stands at that byte, but answer_start counts characters (Unicode code points)"
                .to_owned()
        }
        Some(byte) => format!("it stands at {}", starts.character(byte)),
    };
    format!(
        "question {id}: the answer {wanted:?} should stand at character {answer_start}, but {there}; {mend}"
    )
}

/// Where the characters of a text begin.
struct Starts {
    bytes: Vec<usize>,
}

impl Starts {
    fn of(text: &str) -> Starts {
        Starts {
            bytes: text.char_indices().map(|(byte, _)| byte).collect(),
        }
    }

    fn count(&self) -> usize {
        self.bytes.len()
    }

    /// The first byte of a character.
    fn byte(&self, character: usize) -> Option<usize> {
        self.bytes.get(character).copied()
    }

    /// The number of the character that begins at `byte`.
    fn character(&self, byte: usize) -> usize {
        self.bytes.partition_point(|&start| start < byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CONTEXT: &str = "Zoë’s boat – a ketch – came from Åland. The ketch is old.";

    fn file(qas: serde_json::Value) -> String {
        let paragraph = json!({"context": CONTEXT, "qas": qas});
        json!({"version": "v2.0", "data": [{"title": "Boats", "paragraphs": [paragraph]}]})
            .to_string()
    }

    fn with<T>(json: &str, read: impl Fn(&Path) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.json");
        std::fs::write(&path, json).unwrap();
        read(&path)
    }

    fn complaint(json: &str) -> String {
        with(json, |path| {
            let message = read(path, Version::V2).unwrap_err().to_string();
            message.replace(&path.display().to_string(), "train.json")
        })
    }

    fn about(answer: &str, start: usize) -> serde_json::Value {
        json!([{"id": "q1", "question": "What?", "answers": [{"text": answer, "answer_start": start}]}])
    }

    #[test]
    fn places_counted_in_code_points_become_bytes() {
        let read = with(&file(about("Åland", 33)), |path| {
            read(path, Version::V2).unwrap()
        });
        let question = &read.paragraphs[0].questions[0];
        let answer = &question.answers[0];
        assert_eq!(&CONTEXT[answer.start..][..answer.text.len()], "Åland");
        assert_eq!(
            (question.id.as_str(), question.text.as_str()),
            ("q1", "What?")
        );
    }

    #[test]
    fn questions_without_an_answer_are_kept_or_left_out() {
        let mut qas = about("ketch", 15);
        let none = json!({"id": "q2", "question": "Why?", "answers": [], "is_impossible": true,
                          "plausible_answers": [{"text": "boat", "answer_start": 6}]});
        qas.as_array_mut().unwrap().push(none.clone());
        let ids = |json: &str, version| -> Vec<String> {
            let read = with(json, |path| read(path, version).unwrap());
            let questions = read.paragraphs.into_iter().flat_map(|of| of.questions);
            questions.map(|question| question.id).collect()
        };
        assert_eq!(ids(&file(qas.clone()), Version::V2), ["q1", "q2"]);
        assert_eq!(ids(&file(qas), Version::V1), ["q1"]);
        with(&file(json!([none])), |path| {
            let message = read(path, Version::V1).unwrap_err().to_string();
            assert!(message.ends_with("there is no question in the file"));
        });
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_the_question() {
        let question = |more: serde_json::Value| {
            let mut question = json!({"id": "q1", "question": "What?"});
            let fields = more.as_object().unwrap().clone();
            question.as_object_mut().unwrap().extend(fields);
            complaint(&file(json!([question])))
        };
        let twice = json!([about("boat", 6)[0], about("boat", 6)[0]]);
        let complaints = [
            complaint(""),
            complaint("{\"version\": \"v2.0\",\n \"data\": 3}"),
            complaint("{\"version\": \"v2.0\"}"),
            complaint("{\"data\": []}"),
            question(json!({"answers": []})),
            question(
                json!({"answers": [{"text": "boat", "answer_start": 6}], "is_impossible": true}),
            ),
            question(json!({"question": " ", "answers": [{"text": "boat", "answer_start": 6}]})),
            complaint(&file(about("", 6))),
            complaint(&file(about("ketch", 45))),
            complaint(&file(about("Åland", 40))),
            complaint(&file(about("boat", 600))),
            complaint(&file(about("yacht", 3))),
            complaint(&file(twice)),
        ];
        insta::assert_snapshot!(complaints.join("\n"));
    }
}
