//! Compares the metrics with their references, and tests their properties.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use electroscope_analysis::decode::Scheme;

/// The random cases of a metric, with the reference's results.
fn fixtures(name: &str) -> Vec<Value> {
    let text = include_str!("../../../../tests/reference/fixtures/metrics.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let cases = all[name].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn numbers(value: &Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap()).collect()
}

fn whole(value: &Value) -> Vec<usize> {
    numbers(value)
        .into_iter()
        .map(|number| number as usize)
        .collect()
}

fn flags(value: &Value) -> Vec<bool> {
    numbers(value)
        .into_iter()
        .map(|number| number != 0.0)
        .collect()
}

fn zipped<A, B>(a: Vec<A>, b: Vec<B>) -> Vec<(A, B)> {
    assert_eq!(a.len(), b.len());
    a.into_iter().zip(b).collect()
}

#[track_caller]
fn close(case: &Value, name: &str, got: f64) {
    let want = case[name].as_f64().unwrap();
    assert!((got - want).abs() < 1e-9, "{name}: {got}, not {want}");
}

#[test]
fn label_metrics_agree_with_the_reference() {
    for case in fixtures("labels") {
        let pairs = zipped(whole(&case["so"]), whole(&case["said"]));
        close(&case, "accuracy", accuracy(&pairs));
        close(&case, "macro_f1", macro_f1(&pairs));
        close(&case, "matthews", matthews(&pairs));
        if !case["f1"].is_null() {
            close(&case, "f1", binary_f1(&pairs));
        }
    }
    for case in fixtures("multi_label") {
        let rows = |name: &str| case[name].as_array().unwrap().iter().map(flags).collect();
        let (micro, mean, exact) = multi_label(&zipped(rows("so"), rows("said")));
        close(&case, "micro_f1", micro);
        close(&case, "macro_f1", mean);
        close(&case, "exact", exact);
    }
}

#[test]
fn correlations_agree_with_the_reference() {
    for case in fixtures("values") {
        let pairs = zipped(numbers(&case["x"]), numbers(&case["y"]));
        close(&case, "pearson", pearson(&pairs).unwrap());
        close(&case, "spearman", spearman(&pairs).unwrap());
    }
}

#[test]
fn constant_values_have_no_correlation() {
    for pairs in [&[][..], &[(1.0, 2.0)], &[(1.0, 2.0), (1.0, 3.0)]] {
        assert_eq!((pearson(pairs), spearman(pairs)), (None, None));
    }
    assert_eq!(pearson(&[(f64::NAN, 1.0), (1.0, 2.0)]), None);
}

#[test]
fn detection_metrics_agree_with_the_reference() {
    for case in fixtures("detection") {
        let cases = zipped(numbers(&case["p"]), flags(&case["so"]));
        let words: Vec<_> = cases
            .iter()
            .map(|&(p, truth)| (p, p >= 0.5, truth))
            .collect();
        let found = detection_scores(&words);
        close(&case, "precision", found.precision);
        close(&case, "recall", found.recall);
        close(&case, "f_half", found.f_half);
        close(&case, "auroc", found.auroc.unwrap());
        close(&case, "average_precision", found.average_precision.unwrap());
        close(&case, "f_half_of_all", found.f_half_if_all_marked);
        close(&case, "brier", brier(&cases));
        close(&case, "calibration_error", calibration_error(&cases, 15));
    }
}

#[test]
fn detection_metrics_need_positive_and_negative_cases() {
    assert_eq!(auroc(&[(0.3, true), (0.1, true)]), None);
    assert_eq!(auroc(&[(0.3, false)]), None);
    assert_eq!(average_precision(&[(0.3, false)]), None);
    assert_eq!(average_precision(&[]), None);
}

#[test]
fn answer_metrics_agree_with_squads_script() {
    for case in fixtures("normalized") {
        let (text, want) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        assert_eq!(normalize_answer(text), want, "{text:?}");
    }
    for case in fixtures("answers") {
        let golds = case[0].as_array().unwrap();
        let golds: Vec<&str> = golds.iter().map(|gold| gold.as_str().unwrap()).collect();
        let predicted = case[1].as_str().unwrap();
        let got = (
            best_exact_match(golds.iter().copied(), predicted),
            best_word_f1(golds.iter().copied(), predicted),
        );
        let want = (case[2].as_f64().unwrap(), case[3].as_f64().unwrap());
        assert!(
            got.0 == want.0 && (got.1 - want.1).abs() < 1e-9,
            "{case}: {got:?}"
        );
    }
}

/// The mean score if no answer is predicted for margins above the threshold.
fn mean_score(cases: &[NoAnswerCase], threshold: f64) -> f64 {
    let score = |case: &NoAnswerCase| match case.margin > threshold {
        true => case.score_of_no_answer,
        false => case.score_of_answer,
    };
    cases.iter().map(score).sum::<f64>() / cases.len() as f64
}

#[test]
fn the_best_no_answer_threshold_agrees_with_squads_script() {
    for case in fixtures("questions") {
        let (has, answered) = (flags(&case["has_answer"]), numbers(&case["answered"]));
        let rows = zipped(zipped(has, answered), numbers(&case["margin"]));
        let cases: Vec<NoAnswerCase> = (rows.into_iter())
            .map(|((has_answer, answered), margin)| NoAnswerCase {
                has_answer,
                score_of_answer: answered,
                score_of_no_answer: f64::from(u8::from(!has_answer)),
                margin,
            })
            .collect();
        let found = best_no_answer_threshold(&cases);
        close(&case, "score", found.score);
        match case["threshold"].is_null() {
            true => assert!(cases.iter().all(|case| case.margin > found.threshold)),
            false => close(&case, "threshold", found.threshold),
        }
    }
}

#[test]
fn entity_counts_agree_with_conlleval() {
    for case in fixtures("entities") {
        let labels: Vec<String> = serde_json::from_value(case["labels"].clone()).unwrap();
        let rows =
            |name: &str| -> Vec<_> { case[name].as_array().unwrap().iter().map(whole).collect() };
        let sentences: Vec<Vec<(usize, usize)>> = zipped(rows("sentences"), rows("said"))
            .into_iter()
            .map(|(truth, predicted)| zipped(truth, predicted))
            .collect();
        let (kinds, all) = entities(&sentences, &Scheme::of(&labels));
        let got: Vec<(String, Vec<usize>)> = (kinds.iter())
            .map(|LabelCounts { label, counts }| {
                let ConfusionCounts {
                    true_positives,
                    false_positives,
                    false_negatives,
                } = *counts;
                (
                    label.clone(),
                    vec![true_positives, false_positives, false_negatives],
                )
            })
            .collect();
        let want: Vec<(String, Vec<usize>)> = (case["kinds"].as_object().unwrap().iter())
            .map(|(kind, counts)| (kind.clone(), whole(counts)))
            .collect();
        assert_eq!(got, want);
        assert_eq!(
            all.true_positives,
            want.iter().map(|(_, counts)| counts[0]).sum::<usize>()
        );
    }
}

#[test]
fn metrics_of_no_cases_are_zero() {
    assert_eq!(
        (accuracy(&[]), macro_f1(&[]), matthews(&[])),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(multi_label(&[]), (0.0, 0.0, 0.0));
    assert_eq!((brier(&[]), calibration_error(&[], 15)), (0.0, 0.0));
    assert_eq!(best_no_answer_threshold(&[]).score, 0.0);
    assert_eq!(
        entities(&[], &Scheme::of(&[])),
        (vec![], ConfusionCounts::default())
    );
    assert_eq!(detection_scores(&[]).f_half, 0.0);
}

proptest! {
    #[test]
    fn f1_lies_between_precision_and_recall(
        true_positives in 0usize..50, false_positives in 0usize..50, false_negatives in 0usize..50,
    ) {
        let counts = ConfusionCounts { true_positives, false_positives, false_negatives };
        let (precision, recall) = (counts.precision(), counts.recall());
        for beta in [0.5, 1.0, 2.0] {
            let f = counts.f(beta);
            prop_assert!(f >= precision.min(recall) - 1e-12 && f <= precision.max(recall) + 1e-12);
        }
    }

    #[test]
    fn auroc_is_one_minus_itself_if_truth_or_order_is_reversed(
        cases in prop::collection::vec((0u8..6, any::<bool>()), 2..40),
    ) {
        let cases: Vec<(f64, bool)> = (cases.iter())
            .map(|&(p, is_positive)| (f64::from(p) / 5.0, is_positive))
            .collect();
        let other: Vec<(f64, bool)> = cases.iter().map(|&(p, is_positive)| (p, !is_positive)).collect();
        let turned: Vec<(f64, bool)> = cases.iter().map(|&(p, is_positive)| (1.0 - p, is_positive)).collect();
        match auroc(&cases) {
            None => prop_assert_eq!(auroc(&other), None),
            Some(area) => {
                prop_assert!((area + auroc(&other).unwrap() - 1.0).abs() < 1e-9);
                prop_assert!((area + auroc(&turned).unwrap() - 1.0).abs() < 1e-9);
                let best = average_precision(&cases).unwrap();
                prop_assert!(best > 0.0 && best <= 1.0 + 1e-12);
            }
        }
    }

    #[test]
    fn no_other_no_answer_threshold_has_a_better_score(
        cases in prop::collection::vec((any::<bool>(), 0u8..5, -3i8..3), 1..30),
        other in -4.0..4.0,
    ) {
        let cases: Vec<NoAnswerCase> = (cases.iter())
            .map(|&(has_answer, answered, margin)| NoAnswerCase {
                has_answer,
                score_of_answer: if has_answer { f64::from(answered) / 4.0 } else { 0.0 },
                score_of_no_answer: f64::from(u8::from(!has_answer)),
                margin: f64::from(margin),
            })
            .collect();
        let found = best_no_answer_threshold(&cases);
        prop_assert!((mean_score(&cases, found.threshold) - found.score).abs() < 1e-9);
        for threshold in [f64::INFINITY, f64::NEG_INFINITY, other] {
            prop_assert!(mean_score(&cases, threshold) <= found.score + 1e-9);
        }
    }

    #[test]
    fn word_f1_is_symmetric_and_one_for_exact_matches(
        a in "[ab the.]{0,12}", b in "[ab the.]{0,12}",
    ) {
        let f1 = word_f1(&a, &b);
        prop_assert!((f1 - word_f1(&b, &a)).abs() < 1e-12);
        prop_assert!((0.0..=1.0).contains(&f1));
        if exact_match(&a, &b) == 1.0 {
            prop_assert_eq!(f1, 1.0);
        }
    }
}
