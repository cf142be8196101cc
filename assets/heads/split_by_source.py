"""Divides corrections and clean sentences by their source, between the error tagger and the evidence model.

    python split_by_source.py doc-fixes/ OUT/

The logits of a tagger are too good on the sentences that it was trained on, so the evidence model
(`electroscope finetune evidence`) is fitted on sources that the tagger has not seen. Reads train.jsonl and
clean.train.jsonl; writes corrections.tagger.jsonl, corrections.evidence.jsonl, clean.tagger.jsonl (every
other sentence) and clean.evidence.jsonl.
"""

import collections
import json
import random
import sys

# How many sentences the evidence model gets, at least.
CORRECTIONS, CLEAN = 3800, 6000
# A source with more corrections than this stays whole with the tagger.
LARGEST = 1200


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [(line, json.loads(line)["source"]) for line in file]


def main(data, out):
    corrections = lines(f"{data}/train.jsonl")
    clean = lines(f"{data}/clean.train.jsonl")
    counts = [collections.Counter(source for _, source in part) for part in (corrections, clean)]
    sources = sorted(set(counts[0]) | set(counts[1]))
    random.seed(7)
    random.shuffle(sources)
    evidence, corrected, correct = set(), 0, 0
    for source in sources:
        if counts[0][source] > LARGEST or counts[1][source] > 1500:
            continue
        wants_corrections = corrected < CORRECTIONS and counts[0][source] > 0
        wants_clean = correct < CLEAN and counts[1][source] > 0 and corrected < 4500
        if wants_corrections or wants_clean:
            evidence.add(source)
            corrected += counts[0][source]
            correct += counts[1][source]
        if corrected >= CORRECTIONS and correct >= CLEAN:
            break
    for name, part, step in (("corrections", corrections, 1), ("clean", clean, 2)):
        with open(f"{out}/{name}.evidence.jsonl", "w", encoding="utf-8") as file:
            file.writelines(line for line, source in part if source in evidence)
        with open(f"{out}/{name}.tagger.jsonl", "w", encoding="utf-8") as file:
            kept = [line for line, source in part if source not in evidence]
            # The second of every two, as awk's NR%2==0.
            file.writelines(kept[step - 1 :: step])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
