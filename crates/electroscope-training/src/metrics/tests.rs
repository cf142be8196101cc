//! The metrics against their references, and the laws that hold of them.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use electroscope_analysis::decode::Scheme;

/// What the references make of random cases.
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
fn labels_score_as_in_the_reference() {
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
fn values_correlate_as_in_the_reference() {
    for case in fixtures("values") {
        let pairs = zipped(numbers(&case["x"]), numbers(&case["y"]));
        close(&case, "pearson", pearson(&pairs).unwrap());
        close(&case, "spearman", spearman(&pairs).unwrap());
    }
}

#[test]
fn what_does_not_vary_does_not_correlate() {
    for pairs in [&[][..], &[(1.0, 2.0)], &[(1.0, 2.0), (1.0, 3.0)]] {
        assert_eq!((pearson(pairs), spearman(pairs)), (None, None));
    }
    assert_eq!(pearson(&[(f64::NAN, 1.0), (1.0, 2.0)]), None);
}

#[test]
fn probabilities_are_worth_what_the_reference_says() {
    for case in fixtures("detection") {
        let cases = zipped(numbers(&case["p"]), flags(&case["so"]));
        let words: Vec<_> = cases.iter().map(|&(p, so)| (p, p >= 0.5, so)).collect();
        let found = detection(&words);
        close(&case, "precision", found.precision);
        close(&case, "recall", found.recall);
        close(&case, "f_half", found.f_half);
        close(&case, "auroc", found.auroc.unwrap());
        close(&case, "average_precision", found.average_precision.unwrap());
        close(&case, "f_half_of_all", found.f_half_of_all);
        close(&case, "brier", brier(&cases));
        close(&case, "calibration_error", calibration_error(&cases, 15));
    }
}

#[test]
fn an_order_of_one_kind_alone_is_worth_nothing() {
    assert_eq!(area_under_curve(&[(0.3, true), (0.1, true)]), None);
    assert_eq!(area_under_curve(&[(0.3, false)]), None);
    assert_eq!(average_precision(&[(0.3, false)]), None);
    assert_eq!(average_precision(&[]), None);
}

#[test]
fn answers_are_compared_as_the_script_of_squad_does() {
    for case in fixtures("normalized") {
        let (text, want) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        assert_eq!(normalized(text), want, "{text:?}");
    }
    for case in fixtures("answers") {
        let golds = case[0].as_array().unwrap();
        let golds: Vec<&str> = golds.iter().map(|gold| gold.as_str().unwrap()).collect();
        let said = case[1].as_str().unwrap();
        let got = (
            best_exact(golds.iter().copied(), said),
            best_f1(golds.iter().copied(), said),
        );
        let want = (case[2].as_f64().unwrap(), case[3].as_f64().unwrap());
        assert!(
            got.0 == want.0 && (got.1 - want.1).abs() < 1e-9,
            "{case}: {got:?}"
        );
    }
}

/// What the questions come to if those with a greater margin than this are refused.
fn applied(verdicts: &[Verdict], threshold: f64) -> f64 {
    let score = |verdict: &Verdict| match verdict.margin > threshold {
        true => verdict.refused,
        false => verdict.answered,
    };
    verdicts.iter().map(score).sum::<f64>() / verdicts.len() as f64
}

#[test]
fn the_best_threshold_for_no_answer_is_that_of_the_script() {
    for case in fixtures("questions") {
        let (has, answered) = (flags(&case["has_answer"]), numbers(&case["answered"]));
        let rows = zipped(zipped(has, answered), numbers(&case["margin"]));
        let verdicts: Vec<Verdict> = (rows.into_iter())
            .map(|((has_answer, answered), margin)| Verdict {
                has_answer,
                answered,
                refused: f64::from(u8::from(!has_answer)),
                margin,
            })
            .collect();
        let found = no_answer_search(&verdicts);
        close(&case, "score", found.score);
        match case["threshold"].is_null() {
            true => assert!(
                verdicts
                    .iter()
                    .all(|verdict| verdict.margin > found.threshold)
            ),
            false => close(&case, "threshold", found.threshold),
        }
    }
}

#[test]
fn entities_are_counted_as_conlleval_does() {
    for case in fixtures("entities") {
        let labels: Vec<String> = serde_json::from_value(case["labels"].clone()).unwrap();
        let rows =
            |name: &str| -> Vec<_> { case[name].as_array().unwrap().iter().map(whole).collect() };
        let sentences: Vec<Vec<(usize, usize)>> = zipped(rows("sentences"), rows("said"))
            .into_iter()
            .map(|(so, said)| zipped(so, said))
            .collect();
        let (kinds, all) = entities(&sentences, &Scheme::of(&labels));
        let got: Vec<(String, Vec<usize>)> = (kinds.iter())
            .map(|Kind { label, counts }| {
                let Counts {
                    right,
                    false_alarms,
                    missed,
                } = *counts;
                (label.clone(), vec![right, false_alarms, missed])
            })
            .collect();
        let want: Vec<(String, Vec<usize>)> = (case["kinds"].as_object().unwrap().iter())
            .map(|(kind, counts)| (kind.clone(), whole(counts)))
            .collect();
        assert_eq!(got, want);
        assert_eq!(
            all.right,
            want.iter().map(|(_, counts)| counts[0]).sum::<usize>()
        );
    }
}

#[test]
fn nothing_comes_to_nothing() {
    assert_eq!(
        (accuracy(&[]), macro_f1(&[]), matthews(&[])),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(multi_label(&[]), (0.0, 0.0, 0.0));
    assert_eq!((brier(&[]), calibration_error(&[], 15)), (0.0, 0.0));
    assert_eq!(no_answer_search(&[]).score, 0.0);
    assert_eq!(entities(&[], &Scheme::of(&[])), (vec![], Counts::default()));
    assert_eq!(detection(&[]).f_half, 0.0);
}

proptest! {
    #[test]
    fn f1_lies_between_precision_and_recall(
        right in 0usize..50, false_alarms in 0usize..50, missed in 0usize..50,
    ) {
        let counts = Counts { right, false_alarms, missed };
        let (precision, recall) = (counts.precision(), counts.recall());
        for beta in [0.5, 1.0, 2.0] {
            let f = counts.f(beta);
            prop_assert!(f >= precision.min(recall) - 1e-12 && f <= precision.max(recall) + 1e-12);
        }
    }

    #[test]
    fn the_area_under_the_curve_is_turned_round_with_the_facts_and_with_the_order(
        cases in prop::collection::vec((0u8..6, any::<bool>()), 2..40),
    ) {
        let cases: Vec<(f64, bool)> = (cases.iter())
            .map(|&(p, is_so)| (f64::from(p) / 5.0, is_so))
            .collect();
        let other: Vec<(f64, bool)> = cases.iter().map(|&(p, is_so)| (p, !is_so)).collect();
        let turned: Vec<(f64, bool)> = cases.iter().map(|&(p, is_so)| (1.0 - p, is_so)).collect();
        match area_under_curve(&cases) {
            None => prop_assert_eq!(area_under_curve(&other), None),
            Some(area) => {
                prop_assert!((area + area_under_curve(&other).unwrap() - 1.0).abs() < 1e-9);
                prop_assert!((area + area_under_curve(&turned).unwrap() - 1.0).abs() < 1e-9);
                let best = average_precision(&cases).unwrap();
                prop_assert!(best > 0.0 && best <= 1.0 + 1e-12);
            }
        }
    }

    #[test]
    fn the_threshold_does_what_was_promised_and_no_other_does_better(
        cases in prop::collection::vec((any::<bool>(), 0u8..5, -3i8..3), 1..30),
        other in -4.0..4.0,
    ) {
        let verdicts: Vec<Verdict> = (cases.iter())
            .map(|&(has_answer, answered, margin)| Verdict {
                has_answer,
                answered: if has_answer { f64::from(answered) / 4.0 } else { 0.0 },
                refused: f64::from(u8::from(!has_answer)),
                margin: f64::from(margin),
            })
            .collect();
        let found = no_answer_search(&verdicts);
        prop_assert!((applied(&verdicts, found.threshold) - found.score).abs() < 1e-9);
        for threshold in [f64::INFINITY, f64::NEG_INFINITY, other] {
            prop_assert!(applied(&verdicts, threshold) <= found.score + 1e-9);
        }
    }

    #[test]
    fn answers_overlap_alike_both_ways_and_fully_where_they_match(
        a in "[ab the.]{0,12}", b in "[ab the.]{0,12}",
    ) {
        let f1 = overlap(&a, &b);
        prop_assert!((f1 - overlap(&b, &a)).abs() < 1e-12);
        prop_assert!((0.0..=1.0).contains(&f1));
        if exact_match(&a, &b) == 1.0 {
            prop_assert_eq!(f1, 1.0);
        }
    }
}
