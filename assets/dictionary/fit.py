#!/usr/bin/env python3
"""Fits the weights of suggestions (WEIGHTS in crates/electroscope-analysis/src/suggestions.rs).

    electroscope evaluate errors fixes.train.jsonl --clean clean.train.jsonl --out fixes.asked
    electroscope evaluate errors prose.txt --misspellings slips.tsv --only-mend --out slips.asked
    python3 fit.py fixes.asked slips.asked [--test OTHER.asked]

Each line of these files is a word with its candidates, what the score of each is made of, and which one is
right, if not the word itself. The weights are those of a conditional logistic regression: the softmax of
the scores is how likely each of them is to be right. AdaGrad over 30 rounds, the same at every run. Needs
nothing but Python 3.9; some minutes.
"""

import json
import math
import random
import sys

ROUNDS = 30
RATE = 0.2
SHRINK = 1e-4


def read(path):
    """Names of the features, and for each word its rows (the word itself first) and the right row."""
    cases, names = [], None
    for line in open(path, encoding="utf-8"):
        asked = json.loads(line)
        names = asked["features"]
        right = asked["right"]
        if right is None or right == "missing":
            row = None
        else:
            row = 0 if right == "word" else right + 1
        rows = [asked["keep"]] + [candidate["features"] for candidate in asked["candidates"]]
        sparse = [[(at, value) for at, value in enumerate(row) if value] for row in rows]
        cases.append((sparse, row, right, asked))
    return names, cases


def scores(weights, rows):
    return [sum(weights[at] * value for at, value in row) for row in rows]


def fit(cases, size):
    shuffle = random.Random(0)
    weights, squares = [0.0] * size, [1e-8] * size
    for number in range(ROUNDS):
        shuffle.shuffle(cases)
        loss = 0.0
        for rows, right, _, _ in cases:
            found = scores(weights, rows)
            top = max(found)
            exps = [math.exp(score - top) for score in found]
            total = sum(exps)
            loss -= found[right] - top - math.log(total)
            gradient = {}
            for at, value in rows[right]:
                gradient[at] = gradient.get(at, 0.0) - value
            for row, exp in zip(rows, exps):
                share = exp / total
                if share > 1e-6:
                    for at, value in row:
                        gradient[at] = gradient.get(at, 0.0) + share * value
            for at, slope in gradient.items():
                slope += SHRINK * weights[at]
                squares[at] += slope * slope
                weights[at] -= RATE / math.sqrt(squares[at]) * slope
        print(f"round {number + 1}: {loss / len(cases):.4f}", file=sys.stderr)
    return weights


def report(path, weights, cases):
    mended, first, five, kept, words, verified, wrong = 0, 0, 0, 0, 0, 0, 0
    for rows, row, right, _ in cases:
        found = scores(weights, rows)
        if right == "word":
            words += 1
            kept += max(found[1:], default=-1e9) <= found[0]
        elif right is not None:
            mended += 1
            wrong += 1
            verified += max(found[1:], default=-1e9) > found[0]
            if row is not None:
                place = sum(score > found[row] for score in found[1:])
                first += place == 0
                five += place < 5
    print(
        f"{path}: of {mended} words that one word mends first {first / max(mended, 1):.4f}, in five "
        f"{five / max(mended, 1):.4f}, bettered {verified / max(wrong, 1):.4f}; of {words} right words kept {kept / max(words, 1):.4f}"
    )


def main():
    paths, tests = sys.argv[1:], []
    if "--test" in paths:
        at = paths.index("--test")
        paths, tests = paths[:at], paths[at + 1 :]
    names, cases = None, []
    for path in paths:
        names, of_path = read(path)
        cases += [case for case in of_path if case[1] is not None]
    weights = fit(cases, len(names))
    for name, weight in zip(names, weights):
        print(f"    {weight:.3f}, // {name}")
    for path in paths + tests:
        report(path, weights, read(path)[1])


main()
