"""Labels sentences by two word lists whose licences are free, for a sentiment head that may be shipped.

The labelled sets that everyone uses are for research only or say nothing of a licence. This takes
sentences from text that is free, and keeps those of which VADER (MIT) and TextBlob's pattern lexicon
(BSD/MIT) both say strongly the same. What comes out is noisy: it is for training, not for measuring.

    python -m venv venv && venv/bin/pip install vaderSentiment==3.3.2 textblob==0.20.1 zstandard
    venv/bin/python label_sentiment.py OUT.tsv SENTENCES_OF_EACH_LABEL TEXT...

TEXT is `.txt`, `.txt.zst` (a paragraph a line) or `.conllu`. The same texts give the same file.
"""

import hashlib
import io
import re
import sys

import zstandard
from textblob import TextBlob
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

WORDS = range(4, 41)
VADER, PATTERN = 0.35, 0.1


def sentences(path):
    if path.endswith(".conllu"):
        for block in open(path, encoding="utf-8").read().split("\n\n"):
            text = ""
            for line in block.splitlines():
                cells = line.split("\t")
                if len(cells) == 10 and cells[0].isdigit():
                    text += cells[1] + ("" if "SpaceAfter=No" in cells[9] else " ")
            yield text.strip()
        return
    file = open(path, "rb")
    if path.endswith(".zst"):
        file = zstandard.ZstdDecompressor().stream_reader(file)
    for line in io.TextIOWrapper(file, encoding="utf-8"):
        yield from re.split(r"(?<=[.!?])\s+(?=[A-Z\"'])", line.strip())


def main():
    out, number, texts = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    vader = SentimentIntensityAnalyzer()
    found = {"negative": [], "positive": []}
    for path in texts:
        kept = {"negative": 0, "positive": 0}
        share = number // len(texts) + 1
        for sentence in sentences(path):
            if len(sentence.split()) not in WORDS or "\t" in sentence:
                continue
            strength = vader.polarity_scores(sentence)["compound"]
            label = "positive" if strength > 0 else "negative"
            if abs(strength) < VADER or kept[label] >= share:
                continue
            pattern = TextBlob(sentence).sentiment.polarity
            if pattern * strength <= 0 or abs(pattern) < PATTERN:
                continue
            kept[label] += 1
            found[label].append(sentence)
            if min(kept.values()) >= share:
                break
    rows = [(text, label) for label, list_ in found.items() for text in list_]
    rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).digest())
    with open(out, "w", encoding="utf-8") as file:
        file.write("sentence\tlabel\n")
        for text, label in rows:
            file.write(f"{text}\t{label}\n")
    print({label: len(list_) for label, list_ in found.items()})


main()
