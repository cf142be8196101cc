"""Writes random answers with random truths, and what the references make of them.

    python -m venv target/reference
    target/reference/bin/pip install numpy scipy scikit-learn
    target/reference/bin/python tests/reference/make_metric_fixtures.py tests/reference/fixtures/metrics.json
    target/reference/bin/python tests/reference/make_metric_fixtures.py --check tests/reference/fixtures/metrics.json

scikit-learn and SciPy compute what they have. The comparison of answers (the evaluation script of
SQuAD 2.0) and of entities (conlleval of the CoNLL shared tasks) are written down here after those
scripts, which are no packages; for entities with E and S, of which conlleval knows the one in part
and the other not at all, the rules are those of seqeval.

The same seed gives the same file, byte for byte. With --check nothing is written; exits with 1 if
what would be written is not what is there.

The file that is checked in was made with numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1 on Python 3.11.
"""

import argparse
import collections
import json
import pathlib
import re
import string
import sys

import numpy as np
from scipy import stats
from sklearn import metrics

# The script of SQuAD 2.0.


def normalize_answer(s):
    def remove_articles(text):
        return re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)

    def white_space_fix(text):
        return " ".join(text.split())

    def remove_punc(text):
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


def get_tokens(s):
    return normalize_answer(s).split() if s else []


def compute_exact(a_gold, a_pred):
    return int(normalize_answer(a_gold) == normalize_answer(a_pred))


def compute_f1(a_gold, a_pred):
    gold_toks, pred_toks = get_tokens(a_gold), get_tokens(a_pred)
    common = collections.Counter(gold_toks) & collections.Counter(pred_toks)
    num_same = sum(common.values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(pred_toks)
    recall = 1.0 * num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


def raw_scores(answers, said):
    golds = [a for a in answers if normalize_answer(a)] or [""]
    return max(compute_exact(a, said) for a in golds), max(compute_f1(a, said) for a in golds)


def find_best_thresh(preds, scores, na_probs, qid_to_has_ans):
    cur_score = best_score = sum(1 for k in qid_to_has_ans if not qid_to_has_ans[k])
    best_thresh = None
    for qid in sorted(na_probs, key=lambda k: na_probs[k]):
        if qid_to_has_ans[qid]:
            diff = scores[qid]
        elif preds[qid]:
            diff = -1
        else:
            diff = 0
        cur_score += diff
        if cur_score > best_score:
            best_score = cur_score
            best_thresh = na_probs[qid]
    return best_score / len(scores), best_thresh


# conlleval, and what seqeval adds to it.


def end_of_chunk(prev_tag, tag, prev_type, type_):
    if prev_tag in ("E", "S"):
        return True
    if prev_tag in ("B", "I") and tag in ("B", "S", "O"):
        return True
    return prev_tag not in ("O", ".") and prev_type != type_


def start_of_chunk(prev_tag, tag, prev_type, type_):
    if tag in ("B", "S"):
        return True
    if prev_tag in ("E", "S", "O") and tag in ("E", "I"):
        return True
    return tag not in ("O", ".") and prev_type != type_


def conlleval_end(prev_tag, tag, prev_type, type_):
    pairs = ["BB", "BO", "IB", "IO", "EE", "EI", "EO"]
    return prev_tag + tag in pairs or (prev_tag not in ("O", ".") and prev_type != type_)


def conlleval_start(prev_tag, tag, prev_type, type_):
    pairs = ["BB", "IB", "OB", "EE", "EI", "OE", "OI"]
    return prev_tag + tag in pairs or (tag not in ("O", ".") and prev_type != type_)


def split(label):
    return ("O", "") if label == "O" else tuple(label.split("-", 1))


def chunks(labels, starts, ends):
    found, begin = [], None
    previous = ("O", "")
    for at, now in enumerate([split(label) for label in labels] + [("O", "")]):
        if begin is not None and ends(previous[0], now[0], previous[1], now[1]):
            found.append((previous[1], begin, at))
            begin = None
        if starts(previous[0], now[0], previous[1], now[1]):
            begin = at
        previous = now
    return found


def entities(sentences, starts, ends):
    counts = collections.defaultdict(lambda: [0, 0, 0])
    for gold, said in sentences:
        so, given = set(chunks(gold, starts, ends)), set(chunks(said, starts, ends))
        for kind, *_ in so & given:
            counts[kind][0] += 1
        for kind, *_ in given - so:
            counts[kind][1] += 1
        for kind, *_ in so - given:
            counts[kind][2] += 1
    return {kind: counts[kind] for kind in sorted(counts)}


def calibration_error(p, so, bins):
    place = np.minimum((p * bins).astype(int), bins - 1)
    total = 0.0
    for at in range(bins):
        here = place == at
        if here.any():
            total += here.sum() / len(p) * abs(p[here].mean() - so[here].mean())
    return total


# The cases.


def label_case(rng, labels, count, right):
    so = rng.integers(0, labels, count)
    said = np.where(rng.random(count) < right, so, rng.integers(0, labels, count))
    case = {
        "so": so.tolist(),
        "said": said.tolist(),
        "accuracy": metrics.accuracy_score(so, said),
        "macro_f1": metrics.f1_score(so, said, average="macro", zero_division=0),
        "matthews": metrics.matthews_corrcoef(so, said),
    }
    if labels == 2:
        case["f1"] = metrics.f1_score(so, said, zero_division=0)
    return case


def multi_case(rng, labels, count):
    so = rng.random((count, labels)) < 0.3
    said = so ^ (rng.random((count, labels)) < 0.2)
    so[:, -1] = said[:, -1] = False
    return {
        "so": so.astype(int).tolist(),
        "said": said.astype(int).tolist(),
        "micro_f1": metrics.f1_score(so, said, average="micro", zero_division=0),
        "macro_f1": metrics.f1_score(so, said, average="macro", zero_division=0),
        "exact": metrics.accuracy_score(so, said),
    }


def value_case(x, y):
    return {
        "x": x.tolist(),
        "y": y.tolist(),
        "pearson": stats.pearsonr(x, y).statistic,
        "spearman": stats.spearmanr(x, y).statistic,
    }


def detection_case(rng, count, rate, digits):
    so = rng.random(count) < rate
    p = np.round(1 / (1 + np.exp(-rng.normal(so * 1.2 - 1, 1.0))), digits)
    marked = p >= 0.5
    return {
        "p": p.tolist(),
        "so": so.astype(int).tolist(),
        "precision": metrics.precision_score(so, marked, zero_division=0),
        "recall": metrics.recall_score(so, marked, zero_division=0),
        "f_half": metrics.fbeta_score(so, marked, beta=0.5, zero_division=0),
        "auroc": metrics.roc_auc_score(so, p),
        "average_precision": metrics.average_precision_score(so, p),
        "brier": metrics.brier_score_loss(so, p),
        "calibration_error": calibration_error(p, so, 15),
        "f_half_of_all": metrics.fbeta_score(so, np.ones(count, bool), beta=0.5),
    }


NORMALIZED = [
    "The  Norman-conquest!",
    "a.n apple",
    "An",
    "the–end of a\u00a0day",
    "thé a\u0301 theatre",
    "Ａ ÉCOLE ΣΑΣ İ",
    "x\u001cy\u0085z \u2003the",
    "U.S. $5,000.00 (1066)",
    "a a a the an",
    "THE_THE snake_case",
    "",
    " \t\n",
    "it's \u201cthe\u201d — a test…",
]

ANSWERS = [
    (["Denver Broncos", "the Denver Broncos"], "Denver Broncos"),
    (["Denver Broncos"], "Broncos of Denver, Denver"),
    (["Denver Broncos"], "the Panthers"),
    (["gold gold blue"], "gold blue blue"),
    (["the", "blue"], "a"),
    (["the"], ""),
    ([], ""),
    ([], "something"),
    ([], "the"),
    (["in 1066", "1066", "the year 1066"], "year 1066"),
    (["İstanbul"], "i̇stanbul"),
]


def question_case(rng, count):
    has = rng.random(count) < 0.6
    scores = np.where(has, np.round(rng.random(count) * (rng.random(count) < 0.8), 3), 0.0)
    margins = np.round(rng.normal(np.where(has, -1.0, 1.0), 1.5), 6)
    assert len(set(margins)) == count
    ids = range(count)
    best, threshold = find_best_thresh(
        {i: "said" for i in ids},
        {i: scores[i] for i in ids},
        {i: margins[i] for i in ids},
        {i: bool(has[i]) for i in ids},
    )
    return {
        "has_answer": has.astype(int).tolist(),
        "answered": scores.tolist(),
        "margin": margins.tolist(),
        "score": float(best),
        "threshold": None if threshold is None else float(threshold),
    }


def entity_case(rng, labels, count, right, starts, ends):
    sentences = []
    for _ in range(count):
        length = int(rng.integers(0, 9))
        gold = [labels[i] for i in rng.integers(0, len(labels), length)]
        said = [tag if rng.random() < right else labels[rng.integers(0, len(labels))] for tag in gold]
        sentences.append((gold, said))
    return {
        "labels": labels,
        "sentences": [[labels.index(tag) for tag in gold] for gold, _ in sentences],
        "said": [[labels.index(tag) for tag in said] for _, said in sentences],
        "kinds": entities(sentences, starts, ends),
    }


def make():
    rng = np.random.default_rng(20)
    bio = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    iobes = ["O"] + [f"{place}-{kind}" for kind in ("PER", "LOC") for place in "BIES"]
    x = rng.normal(size=40)
    ties = rng.integers(0, 5, 40).astype(float)
    return {
        "labels": [
            label_case(rng, 2, 60, 0.6),
            label_case(rng, 2, 9, 0.0),
            label_case(rng, 5, 60, 0.5),
            label_case(rng, 3, 1, 1.0),
        ],
        "multi_label": [multi_case(rng, 5, 30)],
        "values": [
            value_case(x, x + rng.normal(size=40)),
            value_case(ties, np.round(ties + rng.normal(size=40))),
            value_case(x * 1e-3 + 1e3, -x),
        ],
        "detection": [
            detection_case(rng, 80, 0.3, 6),
            detection_case(rng, 80, 0.3, 1),
            detection_case(rng, 40, 0.05, 2),
        ],
        "normalized": [[text, normalize_answer(text)] for text in NORMALIZED],
        "answers": [[golds, said, *raw_scores(golds, said)] for golds, said in ANSWERS],
        "questions": [question_case(rng, 40), question_case(rng, 3), question_case(rng, 1)],
        "entities": [
            entity_case(rng, bio, 40, 0.7, conlleval_start, conlleval_end),
            entity_case(rng, bio, 40, 0.0, conlleval_start, conlleval_end),
            entity_case(rng, iobes, 40, 0.7, start_of_chunk, end_of_chunk),
        ],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    made = make()
    # A case a line: long enough to compare, short enough to read.
    rows = []
    for name, cases in made.items():
        lines = ",\n".join("    " + json.dumps(case, ensure_ascii=True) for case in cases)
        rows.append(f"  {json.dumps(name)}: [\n{lines}\n  ]")
    text = "{\n" + ",\n".join(rows) + "\n}\n"
    if arguments.check:
        if arguments.file.read_text() != text:
            sys.exit(f"{arguments.file} is not what would be written")
        return
    arguments.file.write_text(text)


if __name__ == "__main__":
    main()
