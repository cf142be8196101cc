//! Questions about paragraphs in the JSON of SQuAD 1.1 (Rajpurkar et al. 2016) and 2.0 (2018).
//!
//! Every answer is checked to stand where the file says: models learn the place, so a wrong one does
//! harm that nobody sees.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;

use super::super::Error;
use super::lines::{opened, refuse, unreadable};
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

/// An article of SQuAD's own layout, or a question with its text in a row, as Hugging Face's data sets
/// are exported.
#[derive(Deserialize)]
struct Article {
    paragraphs: Option<Vec<ParagraphOf>>,
    context: Option<String>,
    question: Option<String>,
    id: Option<Id>,
    answers: Option<AnswersOf>,
    is_impossible: Option<bool>,
}

#[derive(Deserialize)]
struct ParagraphOf {
    context: String,
    qas: Vec<QuestionOf>,
}

#[derive(Deserialize)]
struct QuestionOf {
    id: Id,
    question: String,
    answers: Option<AnswersOf>,
    is_impossible: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an id must be a text or a whole number")]
enum Id {
    Text(String),
    Number(i64),
}

impl Id {
    fn text(self) -> String {
        match self {
            Id::Text(text) => text,
            Id::Number(number) => number.to_string(),
        }
    }
}

/// Answers one by one, or their texts and their starts in a list each.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "answers must be a list of objects with `text` and `answer_start`, or an object with a \
                 list of each"
)]
enum AnswersOf {
    List(Vec<AnswerOf>),
    Columns {
        text: Vec<String>,
        answer_start: Vec<usize>,
    },
}

impl AnswersOf {
    /// The answers one by one; in words, that there are not as many texts as starts.
    fn list(self) -> Result<Vec<AnswerOf>, String> {
        match self {
            AnswersOf::List(list) => Ok(list),
            AnswersOf::Columns { text, answer_start } if text.len() != answer_start.len() => {
                Err(format!(
                    "there are {} texts of answers and {} starts",
                    text.len(),
                    answer_start.len()
                ))
            }
            AnswersOf::Columns { text, answer_start } => Ok((text.into_iter())
                .zip(answer_start)
                .map(|(text, answer_start)| AnswerOf { text, answer_start })
                .collect()),
        }
    }
}

#[derive(Deserialize)]
struct AnswerOf {
    text: String,
    /// Counted in Unicode code points.
    answer_start: usize,
}

/// Reads a file of questions: the JSON of SQuAD, or rows of a question with its text, as the data sets of
/// Hugging Face have them, in a list, under `data`, or a row a line. Fields that are not needed are
/// overlooked, the `plausible_answers` of questions that have none among them. Rows without an answer
/// are questions that have none; in SQuAD's layout they must say so.
///
/// # Errors
///
/// [`Error::Open`], and [`Error::Data`] for what is not the JSON of SQuAD, an answer that does not
/// stand where it should, a question that has no answer and does not say so, an id that two questions
/// have, and a file without a question.
pub fn read(path: &Path, version: Version) -> Result<Questions, Error> {
    let mut gathered = Gathered {
        path,
        version,
        ids: HashSet::new(),
        paragraphs: Vec::new(),
    };
    let mut number = 0;
    for article in articles(path)? {
        match article.paragraphs {
            Some(paragraphs) => {
                for ParagraphOf { context, qas } in paragraphs {
                    gathered.add(context, qas)?;
                }
            }
            None => {
                number += 1;
                let (Some(context), Some(question)) = (article.context, article.question) else {
                    let what = "an entry has neither `paragraphs` nor `context` and `question`";
                    return Err(refuse(path, None, what));
                };
                let answers = article.answers.map_or(Ok(Vec::new()), AnswersOf::list);
                let answers = answers.map_err(|what| refuse(path, None, what))?;
                let question = QuestionOf {
                    id: (article.id).unwrap_or_else(|| Id::Text(format!("row {number}"))),
                    question,
                    is_impossible: Some(article.is_impossible.unwrap_or(answers.is_empty())),
                    answers: Some(AnswersOf::List(answers)),
                };
                gathered.add(context, vec![question])?;
            }
        }
    }
    if gathered.paragraphs.is_empty() {
        return Err(refuse(path, None, "there is no question in the file"));
    }
    Ok(Questions {
        paragraphs: gathered.paragraphs,
    })
}

/// The entries of the file, in whichever layout it is.
fn articles(path: &Path) -> Result<Vec<Article>, Error> {
    let not_squad = |line: usize, err: &serde_json::Error| {
        refuse(
            path,
            Some(line),
            format!("it is not the JSON of SQuAD: {err}"),
        )
    };
    let mut bytes = Vec::new();
    let mut reader = opened(path)?;
    std::io::Read::read_to_end(&mut reader, &mut bytes)
        .map_err(|source| unreadable(path, source))?;
    let bytes = electroscope_model::without_byte_order_mark(&bytes);
    let first = bytes
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    // A row a line is often written into a file that is called .json.
    let is_row = |line: &[u8]| {
        serde_json::from_slice::<Article>(line).is_ok_and(|row| row.question.is_some())
    };
    let extension = path.extension().unwrap_or_default();
    if extension == "jsonl" || extension == "ndjson" || is_row(first) {
        return (1..)
            .zip(bytes.split(|&byte| byte == b'\n'))
            .filter(|(_, line)| !line.trim_ascii().is_empty())
            .map(|(number, line)| {
                serde_json::from_slice(line).map_err(|err| not_squad(number, &err))
            })
            .collect();
    }
    let read = match bytes.trim_ascii_start().starts_with(b"[") {
        true => serde_json::from_slice(bytes),
        false => serde_json::from_slice(bytes).map(|File { data }| data),
    };
    read.map_err(|err| not_squad(err.line(), &err))
}

/// What was read so far.
struct Gathered<'a> {
    path: &'a Path,
    version: Version,
    ids: HashSet<String>,
    paragraphs: Vec<Paragraph>,
}

impl Gathered<'_> {
    /// Adds the wanted ones of questions about a text. Those about the text before belong to it.
    fn add(&mut self, context: String, qas: Vec<QuestionOf>) -> Result<(), Error> {
        let starts = Starts::of(&context);
        let mut questions = Vec::new();
        for question in qas {
            let is_impossible = question.is_impossible.unwrap_or(false);
            if self.version == Version::V1 && is_impossible {
                continue;
            }
            let question = checked(question, &context, &starts)
                .map_err(|what| refuse(self.path, None, what))?;
            if !self.ids.insert(question.id.clone()) {
                let what = format!("two questions have the id {:?}", question.id);
                return Err(refuse(self.path, None, what));
            }
            questions.push(question);
        }
        match self.paragraphs.last_mut() {
            _ if questions.is_empty() => {}
            Some(last) if last.context == context => last.questions.extend(questions),
            _ => self.paragraphs.push(Paragraph { context, questions }),
        }
        Ok(())
    }
}

/// A question whose answers stand where they should; in words, what is wrong with it.
fn checked(of: QuestionOf, context: &str, starts: &Starts) -> Result<Question, String> {
    let QuestionOf {
        id,
        question,
        answers,
        is_impossible,
    } = of;
    let id = id.text();
    let answers = answers.map_or(Ok(Vec::new()), AnswersOf::list);
    let answers = answers.map_err(|what| format!("question {id}: {what}"))?;
    let is_impossible = is_impossible.unwrap_or(false);
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
    fn rows_of_exported_data_sets_are_read_in_each_layout() {
        let row = |id: serde_json::Value, text: &[&str], start: &[usize]| {
            json!({"id": id, "title": "Boats", "context": CONTEXT, "question": "What?",
                   "answers": {"text": text, "answer_start": start}, "is_impossible": null})
        };
        let rows = [row("a".into(), &["Åland"], &[33]), row(7.into(), &[], &[])];
        let lines = rows.each_ref().map(ToString::to_string).join("\n");
        for text in [
            json!(rows).to_string(),
            json!({"data": rows}).to_string(),
            lines,
        ] {
            let read = with(&text, |path| read(path, Version::V2).unwrap());
            let [paragraph] = read.paragraphs.as_slice() else {
                panic!("{read:?}");
            };
            let ids: Vec<&str> = (paragraph.questions.iter())
                .map(|question| question.id.as_str())
                .collect();
            assert_eq!(ids, ["a", "7"]);
            assert_eq!(paragraph.questions[0].answers[0].text, "Åland");
            assert_eq!(paragraph.questions[1].answers, []);
        }
        let uneven = complaint(&json!([row("a".into(), &["Åland"], &[])]).to_string());
        assert!(
            uneven.ends_with("there are 1 texts of answers and 0 starts"),
            "{uneven}"
        );
        let neither = complaint("[{\"title\": \"Boats\"}]");
        assert!(
            neither.contains("neither `paragraphs` nor `context`"),
            "{neither}"
        );
        // In SQuAD's own layout a question without an answer must say that there is none.
        let silent = json!([{"id": 1, "question": "Why?", "answers": [], "is_impossible": null}]);
        assert!(complaint(&file(silent)).contains("question 1 has no answer"));
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
