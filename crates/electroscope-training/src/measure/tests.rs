//! Measuring with small random heads: what is measured is what the commands say.

use std::path::Path;
use std::sync::Arc;

use super::super::data::spans::MarkedText;
use super::super::data::{
    Classified, ClassifiedText, GoldAnswer, Paragraph, Question, Questions, Tagged, TaggedSentence,
};
use super::super::example::{Example, Target};
use super::*;
use electroscope_analysis::HeadReader;
use electroscope_model::{HeadCheckpoint, Problem, load_head};
use electroscope_text::{Document, Language};

/// A small random head of the reference, ready to answer.
struct Head {
    checkpoint: HeadCheckpoint,
    forward: Arc<dyn HeadForward>,
}

impl Head {
    fn open(name: &str) -> Head {
        let heads = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/heads");
        let checkpoint = HeadCheckpoint::open(&heads.join(name)).unwrap();
        let (forward, _) = load_head(&checkpoint, "cpu", "f32").unwrap();
        Head {
            checkpoint,
            forward,
        }
    }

    fn reader(&self) -> HeadReader {
        let tokenizer = Arc::clone(&self.checkpoint.tokenizer);
        HeadReader::new(
            tokenizer,
            Arc::clone(&self.forward),
            &self.checkpoint.config,
        )
    }

    fn positions(&self) -> usize {
        self.checkpoint.config.max_positions
    }

    fn labels(&self) -> &[String] {
        &self.checkpoint.config.labels
    }

    fn questions(&self, data: &Questions, refusals: Refusals) -> Measured<Answered> {
        let tokenizer = &self.checkpoint.tokenizer;
        questions(
            &*self.forward,
            data,
            tokenizer,
            self.positions(),
            refusals,
            &mut (),
        )
        .unwrap()
    }

    fn tagging(&self, data: &Tagged) -> Measured<Vec<Tag>> {
        let tokenizer = &self.checkpoint.tokenizer;
        tagging(&*self.forward, data, tokenizer, self.positions(), &mut ()).unwrap()
    }

    fn error_spans(
        &self,
        data: &[MarkedText],
    ) -> Result<Measured<Vec<(f64, bool)>>, super::super::Error> {
        let tokenizer = &self.checkpoint.tokenizer;
        error_spans(
            &*self.forward,
            data,
            self.labels(),
            tokenizer,
            self.positions(),
            &mut (),
        )
    }
}

fn plain(text: &str) -> Document {
    Document::new("a.txt", text, Language::Plain)
}

const CONTEXTS: [&str; 4] = [
    "She goes to the harbour every day. The unbelievable boats wait.",
    "Anna was in Oslo!\n\nThe builder's café waits, and the bridge is not approved.",
    "waits",
    "",
];

/// Questions about texts, with answers that some text has.
fn asked(contexts: &[&str]) -> Questions {
    let question = |(at, text): (usize, &str), answer: Option<&str>| Question {
        id: format!("q{at}"),
        text: text.to_owned(),
        answers: answer
            .into_iter()
            .map(|answer| GoldAnswer {
                text: answer.to_owned(),
                start: 0,
            })
            .collect(),
    };
    let paragraphs = contexts.iter().map(|context| Paragraph {
        context: (*context).to_owned(),
        questions: vec![
            question((0, "who waits"), Some("the boats")),
            question((1, "is it a boat"), None),
        ],
    });
    Questions {
        paragraphs: paragraphs.collect(),
    }
}

#[test]
fn answers_are_those_that_ask_gives() {
    for name in ["electra-answers", "bert-answers", "distilbert-answers"] {
        let head = Head::open(name);
        let data = asked(&CONTEXTS);
        let measured = head.questions(&data, Refusals::Above(0.0));
        let mut said = measured.said.iter();
        for paragraph in &data.paragraphs {
            for question in &paragraph.questions {
                let mut reader = head.reader();
                let document = plain(&paragraph.context);
                let answers = reader.ask(&document, &question.text, &|| false).unwrap();
                let (answers, _) = answers.unwrap();
                let said = said.next().unwrap();
                match answers.best.first() {
                    None => assert_eq!(said.text, ""),
                    Some(best) => {
                        assert_eq!(said.span, best.span.range(), "{name}: {said:?}");
                        assert_eq!(said.text, paragraph.context[best.span.range()]);
                        assert!((said.score - best.score).abs() < 1e-4);
                    }
                }
            }
        }
        assert_eq!(measured.scores.examples, 8);
    }
}

#[test]
fn a_long_text_is_read_to_its_end() {
    let head = Head::open("electra-answers");
    let long = "the boat goes over the river and ".repeat(30) + "Anna waits.";
    let measured = head.questions(&asked(&[&long]), Refusals::Never);
    let one = head.questions(&asked(&["the boat goes over the river"]), Refusals::Never);
    assert!(measured.scores.tokens > 10 * one.scores.tokens);
    for said in &measured.said {
        assert!(!said.text.is_empty() && said.text == long[said.span.clone()]);
        // Of many places that offer the same, the best window's is taken.
        assert!(said.score.is_finite() && said.margin.is_none() && !said.is_refused);
    }
}

#[test]
fn refusing_is_worth_what_its_threshold_makes_of_it() {
    let head = Head::open("electra-answers");
    let data = asked(&CONTEXTS);
    let never = head.questions(&data, Refusals::Never).scores;
    assert_eq!((never.main, never.no_answer_threshold), ("f1", None));
    assert_eq!(never.value("no_answer_f1"), Some(1.0 / 4.0));
    let always = head
        .questions(&data, Refusals::Above(f64::NEG_INFINITY))
        .scores;
    assert_eq!(always.value("f1"), Some(0.5));
    assert_eq!(always.value("no_answer_exact"), Some(1.0));
    assert_eq!(always.baseline.values[1], ("f1", 0.5));
    // What was found is what it is worth.
    let threshold = always.no_answer_threshold.unwrap();
    let best = head.questions(&data, Refusals::Above(threshold)).scores;
    assert_eq!(best.value("f1"), always.value("best_f1"));
    assert!(best.main() >= 0.5 && best.main == "best_f1");
}

/// Sentences whose tags are those that the head gives.
fn tagged_by(head: &Head, sentences: &[&str]) -> Tagged {
    let blank = Tagged {
        labels: head.labels().to_vec(),
        sentences: (sentences.iter())
            .map(|sentence| {
                let words = sentence.split(' ').map(str::to_owned);
                let words: Vec<String> = words.collect();
                let tags = vec![0; words.len()];
                TaggedSentence { words, tags }
            })
            .collect(),
    };
    let said = head.tagging(&blank).said;
    let mut tagged = blank;
    for (sentence, tags) in tagged.sentences.iter_mut().zip(said) {
        sentence.tags = tags.iter().map(|tag| tag.label.unwrap_or(0)).collect();
    }
    tagged
}

const SENTENCES: [&str; 3] = [
    "She goes to the harbour every day",
    "Anna was in Oslo , and the unbelievable boat was not",
    "over",
];

#[test]
fn tags_are_those_that_tag_gives() {
    for name in ["electra-tags", "bert-tags", "distilbert-tags"] {
        let head = Head::open(name);
        let tagged = tagged_by(&head, &SENTENCES);
        for (sentence, text) in tagged.sentences.iter().zip(SENTENCES) {
            let mut words = Vec::new();
            let mut reader = head.reader();
            reader
                .tag(&plain(text), None, &|| false, &mut |tagging| {
                    words.extend(tagging.words);
                })
                .unwrap();
            let labels: Vec<usize> = words.iter().map(|word| usize::from(word.label)).collect();
            assert_eq!(sentence.tags, labels, "{name}: {text}");
        }
        let right = head.tagging(&tagged).scores;
        assert_eq!((right.main, right.main()), ("f1", 1.0), "{name}");
        assert_eq!(right.baseline.values[2], ("f1", 0.0));
        assert!(!right.kinds.is_empty() && right.kinds.iter().all(|kind| kind.counts.f1() == 1.0));
        let mut wrong = tagged;
        let common = wrong.sentences[0].tags[0];
        wrong.sentences[0].tags[0] = (common + 1) % head.labels().len();
        assert_eq!(
            head.tagging(&wrong).scores.value("accuracy"),
            Some(18.0 / 19.0)
        );
    }
}

#[test]
fn a_word_of_the_data_has_the_tag_of_its_first_piece_and_an_unseen_one_has_none() {
    let head = Head::open("electra-tags");
    let tagged = tagged_by(&head, &["Anna! \u{200b} boat"]);
    let said = head.tagging(&tagged).said;
    assert_eq!(said[0].len(), 3);
    assert_eq!(said[0][1].label, None);
    let parts = head.tagging(&tagged_by(&head, &["Anna ! boat"])).said;
    assert_eq!((said[0][0], said[0][2]), (parts[0][0], parts[0][2]));
}

#[test]
fn a_long_sentence_is_tagged_to_its_end() {
    let head = Head::open("electra-tags");
    let long = "the boat goes over the river and ".repeat(30) + "Anna";
    let tagged = tagged_by(&head, &[&long]);
    let measured = head.tagging(&tagged);
    assert!(measured.said[0].iter().all(|tag| tag.label.is_some()));
    assert_eq!(measured.scores.main(), 1.0);
}

#[test]
fn marks_are_measured_by_words_between_blanks() {
    let head = Head::open("distilbert-tags");
    let text = "the builder's café, and the boat is in Oslo! over 1 2 day was not harbour a É 中";
    let unmarked = MarkedText {
        text: text.to_owned(),
        spans: Vec::new(),
    };
    let measured = head.error_spans(std::slice::from_ref(&unmarked)).unwrap();
    let words: Vec<&str> = text.split(' ').collect();
    assert_eq!(measured.said[0].len(), words.len());
    assert_eq!(measured.scores.value("auroc"), None);
    let mut spans = Vec::new();
    let mut at = 0;
    for (word, &(_, is_marked)) in words.iter().zip(&measured.said[0]) {
        if is_marked {
            // A part of a word will do.
            spans.push(at..at + 1);
        }
        at += word.len() + 1;
    }
    let said = &measured.said;
    assert!(!spans.is_empty() && spans.len() < words.len(), "{said:?}");
    let share = spans.len() as f64 / words.len() as f64;
    let marked = MarkedText { spans, ..unmarked };
    let scores = head.error_spans(&[marked]).unwrap().scores;
    assert_eq!((scores.main, scores.main()), ("f_half", 1.0));
    assert_eq!(scores.baseline.values[0], ("precision", share));
    assert!(scores.value("average_precision").unwrap() > share);
}

#[test]
fn a_head_without_an_o_marks_nothing() {
    let head = Head::open("electra-single");
    let err = head.error_spans(&[]).unwrap_err().to_string();
    assert!(err.contains("no label O") && err.contains("so so"), "{err}");
}

/// Texts that are windows already, with their targets.
fn examples(head: &Head, targets: &[Target]) -> Vec<Example> {
    let tokenizer = &head.checkpoint.tokenizer;
    let words = [
        "boat",
        "the harbour",
        "Anna goes to work",
        "bridge",
        "not",
        "day",
    ];
    (targets.iter().zip(words))
        .map(|(target, text)| {
            let mut ids = vec![tokenizer.cls_id()];
            ids.extend(tokenizer.encode(text).iter().map(|piece| piece.id));
            ids.push(tokenizer.sep_id());
            Example {
                input: HeadInput {
                    second: ids.len(),
                    ids,
                },
                target: target.clone(),
            }
        })
        .collect()
}

fn classified(
    head: &Head,
    examples: &[Example],
    main: Option<&'static str>,
) -> Result<Measured<Vec<f32>>, super::super::Error> {
    let judging = Judging {
        problem: head.checkpoint.config.problem,
        labels: head.labels(),
        positive: 1,
        main,
    };
    let examples: Vec<&Example> = examples.iter().collect();
    classification(&*head.forward, &examples, &judging, &mut ())
}

#[test]
fn a_classifier_that_agrees_with_the_data_is_right() {
    let head = Head::open("electra-single");
    let blank = examples(&head, &vec![Target::Label(0); 6]);
    let said = classified(&head, &blank, None).unwrap();
    assert_eq!(said.scores.main, "accuracy");
    assert_eq!(said.scores.baseline.values[0], ("accuracy", 1.0));
    let targets: Vec<Target> = (said.said.iter())
        .map(|p| Target::Label(electroscope_analysis::decode::ranked(p)[0]))
        .collect();
    let agreed = examples(&head, &targets);
    let scores = classified(&head, &agreed, Some("matthews")).unwrap().scores;
    assert_eq!(
        (scores.value("accuracy"), scores.value("macro_f1")),
        (Some(1.0), Some(1.0))
    );
    assert_eq!((scores.main, scores.value("f1")), ("matthews", None));
    let err = classified(&head, &agreed, Some("f1")).unwrap_err();
    assert!(err.to_string().contains("accuracy, macro_f1"), "{err}");
}

#[test]
fn ratings_and_several_labels_are_measured_by_their_own_values() {
    let head = Head::open("electra-rating");
    let targets: Vec<Target> = (0..6).map(|at| Target::Value(at as f32)).collect();
    let data = examples(&head, &targets);
    let measured = classified(&head, &data, None).unwrap();
    assert_eq!(measured.scores.main, "spearman");
    assert!(measured.scores.main().abs() <= 1.0);
    let [(_, error)] = measured.scores.baseline.values[..] else {
        panic!("{:?}", measured.scores.baseline);
    };
    assert!((error - 17.5 / 6.0).abs() < 1e-9);
    let same: Vec<Target> = (measured.said.iter())
        .map(|said| Target::Value(said[0]))
        .collect();
    let same = classified(&head, &examples(&head, &same), None)
        .unwrap()
        .scores;
    assert!((same.value("pearson").unwrap() - 1.0).abs() < 1e-9);

    let head = Head::open("electra-multi");
    let none = vec![Target::Labels(vec![false; 4]); 6];
    let measured = classified(&head, &examples(&head, &none), None).unwrap();
    let so = measured.said.iter();
    let so = so.map(|p| Target::Labels(p.iter().map(|&p| p >= 0.5).collect()));
    let so: Vec<Target> = so.collect();
    let scores = classified(&head, &examples(&head, &so), None)
        .unwrap()
        .scores;
    assert_eq!(
        (scores.main, scores.main(), scores.value("exact")),
        ("micro_f1", 1.0, Some(1.0))
    );
}

#[test]
fn data_of_another_kind_is_refused() {
    let head = Head::open("electra-rating");
    assert_eq!(head.checkpoint.config.problem, Problem::Regression);
    let err = classified(&head, &examples(&head, &[Target::Label(0)]), None);
    let err = err.unwrap_err().to_string();
    assert!(err.contains("gives a value"), "{err}");
}

#[test]
fn scores_are_an_object_with_their_values_by_name() {
    let head = Head::open("electra-tags");
    let scores = head.tagging(&tagged_by(&head, &SENTENCES)).scores;
    let json = serde_json::to_value(&scores).unwrap();
    assert_eq!(json["main"], "f1");
    assert_eq!(json["metrics"]["f1"], 1.0);
    assert_eq!(json["baseline"]["answer"], "O for every word");
    assert_eq!(json["baseline"]["metrics"]["f1"], 0.0);
    assert_eq!(json["by_label"][0]["f1"], 1.0);
    assert_eq!(json["examples"], 3);
    assert!(json.get("no_answer_threshold").is_none());
}

#[test]
fn whoever_watches_is_told_of_every_window() {
    let head = Head::open("electra-tags");
    let tagged = tagged_by(&head, &["the boat goes over the river"; 1500]);
    let mut told = Vec::new();
    let tokenizer = &head.checkpoint.tokenizer;
    let mut watch = |done: usize, all: usize| told.push((done, all));
    tagging(
        &*head.forward,
        &tagged,
        tokenizer,
        head.positions(),
        &mut watch,
    )
    .unwrap();
    assert!(told.len() > 1 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&(1500, 1500)));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn labels_are_matched_by_name_or_where_there_is_none_by_number() {
    let match_up = |of_data: &[&str], of_head: &[&str]| matched(&names(of_data), &names(of_head));
    assert_eq!(
        match_up(&["no", "YES"], &["Yes", "No", "?"]).unwrap(),
        [1, 0]
    );
    assert_eq!(match_up(&["a", "A"], &["A", "a"]).unwrap(), [1, 0]);
    assert_eq!(
        match_up(&["no", "yes"], &["LABEL_0", "LABEL_1"]).unwrap(),
        [0, 1]
    );
    assert_eq!(
        match_up(&["label_0", "label_1"], &["no", "yes"]).unwrap(),
        [0, 1]
    );
    let err = match_up(&["no", "maybe"], &["no", "yes"]).unwrap_err();
    insta::assert_snapshot!(err);
    assert!(match_up(&["a", "b", "c"], &["LABEL_0", "LABEL_1"]).is_err());
}

#[test]
fn data_takes_the_numbers_of_the_head() {
    let texts = |targets: &[Target]| -> Vec<ClassifiedText> {
        let text = |target: &Target| ClassifiedText {
            text: "the boat".to_owned(),
            pair: None,
            target: target.clone(),
        };
        targets.iter().map(text).collect()
    };
    let data = Classified {
        labels: names(&["no", "yes"]),
        problem: Problem::SingleLabel,
        texts: texts(&[Target::Label(0), Target::Label(1)]),
    };
    let of_head = names(&["Yes", "?", "No"]);
    let (read, positive) = relabelled(data.clone(), Problem::SingleLabel, &of_head).unwrap();
    assert_eq!(read.texts, texts(&[Target::Label(2), Target::Label(0)]));
    assert_eq!((read.labels, positive), (of_head.clone(), 0));
    let several = Classified {
        problem: Problem::MultiLabel,
        texts: texts(&[Target::Labels(vec![true, false])]),
        ..data.clone()
    };
    let (read, _) = relabelled(several, Problem::MultiLabel, &of_head).unwrap();
    assert_eq!(
        read.texts,
        texts(&[Target::Labels(vec![false, false, true])])
    );
    let err = relabelled(data, Problem::Regression, &of_head).unwrap_err();
    assert!(err.to_string().contains("a value for each text"), "{err}");
}

#[test]
fn tags_that_no_word_has_need_not_be_known_to_the_head() {
    let tagged = |tags: &[usize]| Tagged {
        labels: names(&["O", "B-SHIP", "I-SHIP"]),
        sentences: vec![TaggedSentence {
            words: names(&["the", "boat"]),
            tags: tags.to_vec(),
        }],
    };
    let of_head = names(&["b-ship", "O"]);
    let read = retagged(tagged(&[0, 1]), &of_head).unwrap();
    assert_eq!(
        (read.labels.len(), &read.sentences[0].tags[..]),
        (2, &[1, 0][..])
    );
    let err = retagged(tagged(&[0, 2]), &of_head).unwrap_err();
    assert!(err.to_string().contains("\"I-SHIP\""), "{err}");
}
