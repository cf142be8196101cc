//! Evaluates small random heads, and compares the predictions with those of the commands.

use std::path::Path;
use std::sync::Arc;

use super::super::data::spans::MarkedText;
use super::super::data::{
    GoldAnswer, LabelledSentence, LabelledSentences, LabelledText, LabelledTexts, Paragraph,
    Question, Questions,
};
use super::super::example::{Example, Target};
use super::*;
use electroscope_analysis::HeadReader;
use electroscope_model::{HeadCheckpoint, Problem, load_head};
use electroscope_text::{Document, Language};

/// A small random head of the reference fixtures, loaded.
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

    fn questions(&self, data: &Questions, policy: NoAnswerPolicy) -> Evaluated<AnswerPrediction> {
        let tokenizer = &self.checkpoint.tokenizer;
        question_answering(
            &*self.forward,
            data,
            tokenizer,
            self.positions(),
            policy,
            &mut |_, _| {},
        )
        .unwrap()
    }

    fn tagging(&self, data: &LabelledSentences) -> Evaluated<Vec<TagPrediction>> {
        let tokenizer = &self.checkpoint.tokenizer;
        tagging(
            &*self.forward,
            data,
            tokenizer,
            self.positions(),
            &mut |_, _| {},
        )
        .unwrap()
    }

    fn error_spans(
        &self,
        data: &[MarkedText],
    ) -> Result<Evaluated<Vec<(f64, bool)>>, super::super::Error> {
        let tokenizer = &self.checkpoint.tokenizer;
        error_spans(
            &*self.forward,
            data,
            self.labels(),
            tokenizer,
            self.positions(),
            &mut |_, _| {},
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

/// Two questions about each text, one with an answer.
fn questions_about(contexts: &[&str]) -> Questions {
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
fn predicted_answers_are_those_of_the_ask_command() {
    for name in ["electra-answers", "bert-answers", "distilbert-answers"] {
        let head = Head::open(name);
        // Each context as one block: the command ends an answer with its block.
        let contexts = CONTEXTS.map(|context| context.replace("\n\n", "\n "));
        let data = questions_about(&contexts.each_ref().map(String::as_str));
        let evaluated = head.questions(&data, NoAnswerPolicy::Above(0.0));
        let mut predictions = evaluated.predictions.iter();
        for paragraph in &data.paragraphs {
            for question in &paragraph.questions {
                let mut reader = head.reader();
                let document = plain(&paragraph.context);
                let answers = reader.ask(&document, &question.text, &|| false).unwrap();
                let (answers, _) = answers.unwrap();
                let prediction = predictions.next().unwrap();
                match answers.best.first() {
                    None => assert_eq!(prediction.text, ""),
                    Some(best) => {
                        assert_eq!(prediction.span, best.span.range(), "{name}: {prediction:?}");
                        assert_eq!(prediction.text, paragraph.context[best.span.range()]);
                        assert!((prediction.score - best.score).abs() < 1e-4);
                    }
                }
            }
        }
        assert_eq!(evaluated.scores.examples, 8);
    }
}

#[test]
fn answers_are_predicted_in_texts_longer_than_a_window() {
    let head = Head::open("electra-answers");
    let long = "the boat goes over the river and ".repeat(30) + "Anna waits.";
    let evaluated = head.questions(&questions_about(&[&long]), NoAnswerPolicy::Never);
    let one = head.questions(
        &questions_about(&["the boat goes over the river"]),
        NoAnswerPolicy::Never,
    );
    assert!(evaluated.scores.tokens > 10 * one.scores.tokens);
    for prediction in &evaluated.predictions {
        assert!(!prediction.text.is_empty() && prediction.text == long[prediction.span.clone()]);
        // Of equal answers in many windows one is predicted.
        assert!(prediction.score.is_finite() && prediction.margin.is_none());
        assert!(!prediction.is_no_answer);
    }
}

#[test]
fn the_found_no_answer_threshold_gives_the_best_f1() {
    let head = Head::open("electra-answers");
    let data = questions_about(&CONTEXTS);
    let never = head.questions(&data, NoAnswerPolicy::Never).scores;
    assert_eq!((never.main_metric, never.no_answer_threshold), ("f1", None));
    assert_eq!(never.value("no_answer_f1"), Some(1.0 / 4.0));
    let always = head
        .questions(&data, NoAnswerPolicy::Above(f64::NEG_INFINITY))
        .scores;
    assert_eq!(always.value("f1"), Some(0.5));
    assert_eq!(always.value("no_answer_exact"), Some(1.0));
    assert_eq!(always.baseline.values[1], ("f1", 0.5));
    // At the threshold that was found, the head has the best F1 that was promised.
    let threshold = always.no_answer_threshold.unwrap();
    let best = head
        .questions(&data, NoAnswerPolicy::Above(threshold))
        .scores;
    assert_eq!(best.value("f1"), always.value("best_f1"));
    assert!(best.main_value() >= 0.5 && best.main_metric == "best_f1");
}

/// Sentences whose tags are the head's predictions.
fn tagged_by(head: &Head, sentences: &[&str]) -> LabelledSentences {
    let blank = LabelledSentences {
        labels: head.labels().to_vec(),
        sentences: (sentences.iter())
            .map(|sentence| {
                let words = sentence.split(' ').map(str::to_owned);
                let words: Vec<String> = words.collect();
                let tags = vec![0; words.len()];
                LabelledSentence { words, tags }
            })
            .collect(),
    };
    let predictions = head.tagging(&blank).predictions;
    let mut tagged = blank;
    for (sentence, tags) in tagged.sentences.iter_mut().zip(predictions) {
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
fn predicted_tags_are_those_of_the_tag_command() {
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
        assert_eq!(
            (right.main_metric, right.main_value()),
            ("f1", 1.0),
            "{name}"
        );
        assert_eq!(right.baseline.values[2], ("f1", 0.0));
        assert!(!right.by_label.is_empty());
        assert!((right.by_label.iter()).all(|label| label.counts.f1() == 1.0));
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
fn a_word_has_the_tag_of_its_first_piece_and_none_without_pieces() {
    let head = Head::open("electra-tags");
    let tagged = tagged_by(&head, &["Anna! \u{200b} boat"]);
    let predictions = head.tagging(&tagged).predictions;
    assert_eq!(predictions[0].len(), 3);
    assert_eq!(predictions[0][1].label, None);
    let parts = head
        .tagging(&tagged_by(&head, &["Anna ! boat"]))
        .predictions;
    assert_eq!(
        (predictions[0][0], predictions[0][2]),
        (parts[0][0], parts[0][2])
    );
}

#[test]
fn sentences_longer_than_a_window_are_tagged_completely() {
    let head = Head::open("electra-tags");
    let long = "the boat goes over the river and ".repeat(30) + "Anna";
    let tagged = tagged_by(&head, &[&long]);
    let evaluated = head.tagging(&tagged);
    assert!(
        evaluated.predictions[0]
            .iter()
            .all(|tag| tag.label.is_some())
    );
    assert_eq!(evaluated.scores.main_value(), 1.0);
}

#[test]
fn error_marks_are_compared_word_by_word() {
    let head = Head::open("distilbert-tags");
    let text = "the builder's café, and the boat is in Oslo! over 1 2 day was not harbour a É 中";
    let unmarked = MarkedText {
        text: text.to_owned(),
        spans: Vec::new(),
        kind: None,
    };
    let evaluated = head.error_spans(std::slice::from_ref(&unmarked)).unwrap();
    let words: Vec<&str> = text.split(' ').collect();
    assert_eq!(evaluated.predictions[0].len(), words.len());
    assert_eq!(evaluated.scores.value("auroc"), None);
    let mut spans = Vec::new();
    let mut at = 0;
    for (word, &(_, is_marked)) in words.iter().zip(&evaluated.predictions[0]) {
        if is_marked {
            // A mark on a part of a word is enough.
            spans.push(at..at + 1);
        }
        at += word.len() + 1;
    }
    let predictions = &evaluated.predictions;
    assert!(
        !spans.is_empty() && spans.len() < words.len(),
        "{predictions:?}"
    );
    let share = spans.len() as f64 / words.len() as f64;
    let marked = MarkedText { spans, ..unmarked };
    let scores = head.error_spans(&[marked]).unwrap().scores;
    assert_eq!((scores.main_metric, scores.main_value()), ("f_half", 1.0));
    assert_eq!(scores.baseline.values[0], ("precision", share));
    assert!(scores.value("average_precision").unwrap() > share);
}

#[test]
fn a_head_without_the_label_o_is_an_error() {
    let head = Head::open("electra-single");
    let err = head.error_spans(&[]).unwrap_err().to_string();
    assert!(err.contains("no label O") && err.contains("so so"), "{err}");
}

/// Examples of one window each, with these targets.
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
            ids.extend(tokenizer.encode(text).unwrap().iter().map(|piece| piece.id));
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
    main_metric: Option<&'static str>,
) -> Result<Evaluated<Vec<f32>>, super::super::Error> {
    let options = ClassificationOptions {
        problem: head.checkpoint.config.problem,
        labels: head.labels(),
        positive: 1,
        main_metric,
    };
    let examples: Vec<&Example> = examples.iter().collect();
    classification(&*head.forward, &examples, &options, &mut |_, _| {})
}

#[test]
fn a_classifier_that_agrees_with_the_data_has_full_scores() {
    let head = Head::open("electra-single");
    let blank = examples(&head, &vec![Target::Label(0); 6]);
    let evaluated = classified(&head, &blank, None).unwrap();
    assert_eq!(evaluated.scores.main_metric, "accuracy");
    assert_eq!(evaluated.scores.baseline.values[0], ("accuracy", 1.0));
    let targets: Vec<Target> = (evaluated.predictions.iter())
        .map(|p| Target::Label(electroscope_analysis::decode::ranked(p)[0]))
        .collect();
    let agreed = examples(&head, &targets);
    let scores = classified(&head, &agreed, Some("matthews")).unwrap().scores;
    assert_eq!(
        (scores.value("accuracy"), scores.value("macro_f1")),
        (Some(1.0), Some(1.0))
    );
    assert_eq!((scores.main_metric, scores.value("f1")), ("matthews", None));
    let err = classified(&head, &agreed, Some("f1")).unwrap_err();
    assert!(err.to_string().contains("accuracy, macro_f1"), "{err}");
}

#[test]
fn regression_and_multi_label_heads_have_their_own_metrics() {
    let head = Head::open("electra-rating");
    let targets: Vec<Target> = (0..6).map(|at| Target::Value(at as f32)).collect();
    let data = examples(&head, &targets);
    let evaluated = classified(&head, &data, None).unwrap();
    assert_eq!(evaluated.scores.main_metric, "spearman");
    assert!(evaluated.scores.main_value().abs() <= 1.0);
    let [(_, error)] = evaluated.scores.baseline.values[..] else {
        panic!("{:?}", evaluated.scores.baseline);
    };
    assert!((error - 17.5 / 6.0).abs() < 1e-9);
    let same: Vec<Target> = (evaluated.predictions.iter())
        .map(|values| Target::Value(values[0]))
        .collect();
    let same = classified(&head, &examples(&head, &same), None)
        .unwrap()
        .scores;
    assert!((same.value("pearson").unwrap() - 1.0).abs() < 1e-9);

    let head = Head::open("electra-multi");
    let none = vec![Target::Labels(vec![false; 4]); 6];
    let evaluated = classified(&head, &examples(&head, &none), None).unwrap();
    let predicted = evaluated.predictions.iter();
    let predicted = predicted.map(|p| Target::Labels(p.iter().map(|&p| p >= 0.5).collect()));
    let predicted: Vec<Target> = predicted.collect();
    let scores = classified(&head, &examples(&head, &predicted), None)
        .unwrap()
        .scores;
    assert_eq!(
        (
            scores.main_metric,
            scores.main_value(),
            scores.value("exact")
        ),
        ("micro_f1", 1.0, Some(1.0))
    );
}

#[test]
fn targets_of_another_problem_are_an_error() {
    let head = Head::open("electra-rating");
    assert_eq!(head.checkpoint.config.problem, Problem::Regression);
    let err = classified(&head, &examples(&head, &[Target::Label(0)]), None);
    let err = err.unwrap_err().to_string();
    assert!(err.contains("gives a value"), "{err}");
}

#[test]
fn scores_serialise_as_an_object_with_metrics_by_name() {
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
fn progress_is_reported_up_to_the_last_window() {
    let head = Head::open("electra-tags");
    let tagged = tagged_by(&head, &["the boat goes over the river"; 1500]);
    let mut reports = Vec::new();
    let tokenizer = &head.checkpoint.tokenizer;
    let mut report_progress = |done: usize, all: usize| reports.push((done, all));
    tagging(
        &*head.forward,
        &tagged,
        tokenizer,
        head.positions(),
        &mut report_progress,
    )
    .unwrap();
    assert!(reports.len() > 1 && reports.is_sorted(), "{reports:?}");
    assert_eq!(reports.last(), Some(&(1500, 1500)));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn labels_are_matched_by_name_or_else_by_index() {
    let matched = |data_labels: &[&str], head_labels: &[&str]| {
        match_labels(&names(data_labels), &names(head_labels))
    };
    assert_eq!(
        matched(&["no", "YES"], &["Yes", "No", "?"]).unwrap(),
        [1, 0]
    );
    assert_eq!(matched(&["a", "A"], &["A", "a"]).unwrap(), [1, 0]);
    assert_eq!(
        matched(&["no", "yes"], &["LABEL_0", "LABEL_1"]).unwrap(),
        [0, 1]
    );
    assert_eq!(
        matched(&["label_0", "label_1"], &["no", "yes"]).unwrap(),
        [0, 1]
    );
    let err = matched(&["no", "maybe"], &["no", "yes"]).unwrap_err();
    insta::assert_snapshot!(err);
    assert!(matched(&["a", "b", "c"], &["LABEL_0", "LABEL_1"]).is_err());
}

#[test]
fn relabelled_data_has_the_heads_label_indices() {
    let texts = |targets: &[Target]| -> Vec<LabelledText> {
        let text = |target: &Target| LabelledText {
            text: "the boat".to_owned(),
            pair: None,
            target: target.clone(),
        };
        targets.iter().map(text).collect()
    };
    let data = LabelledTexts {
        labels: names(&["no", "yes"]),
        problem: Problem::SingleLabel,
        texts: texts(&[Target::Label(0), Target::Label(1)]),
    };
    let head_labels = names(&["Yes", "?", "No"]);
    let (read, positive) = relabel_texts(data.clone(), Problem::SingleLabel, &head_labels).unwrap();
    assert_eq!(read.texts, texts(&[Target::Label(2), Target::Label(0)]));
    assert_eq!((read.labels, positive), (head_labels.clone(), 0));
    let several = LabelledTexts {
        problem: Problem::MultiLabel,
        texts: texts(&[Target::Labels(vec![true, false])]),
        ..data.clone()
    };
    let (read, _) = relabel_texts(several, Problem::MultiLabel, &head_labels).unwrap();
    assert_eq!(
        read.texts,
        texts(&[Target::Labels(vec![false, false, true])])
    );
    let err = relabel_texts(data, Problem::Regression, &head_labels).unwrap_err();
    assert!(err.to_string().contains("a value for each text"), "{err}");
}

#[test]
fn tags_without_words_may_be_unknown_to_the_head() {
    let tagged = |tags: &[usize]| LabelledSentences {
        labels: names(&["O", "B-SHIP", "I-SHIP"]),
        sentences: vec![LabelledSentence {
            words: names(&["the", "boat"]),
            tags: tags.to_vec(),
        }],
    };
    let head_labels = names(&["b-ship", "O"]);
    let read = relabel_tags(tagged(&[0, 1]), &head_labels).unwrap();
    assert_eq!(
        (read.labels.len(), &read.sentences[0].tags[..]),
        (2, &[1, 0][..])
    );
    let err = relabel_tags(tagged(&[0, 2]), &head_labels).unwrap_err();
    assert!(err.to_string().contains("\"I-SHIP\""), "{err}");
}
