"""Turns sentences of word columns into texts with marked spans, for the evidence model.

    zstd -dc train.conll.zst | python columns_to_spans.py FIRST LAST > agreement.evidence.jsonl

Reads a word and its tag a line (C is correct), sentences divided by empty lines; writes sentences FIRST to
LAST, counted from 1, as JSON Lines. Blanks before punctuation go, as in running text.
"""

import json
import sys


def main(first, last):
    number, words = 0, []
    for line in [*sys.stdin, ""]:
        line = line.rstrip("\n")
        if line:
            words.append(line.split("\t"))
            continue
        if not words:
            continue
        number += 1
        if first <= number <= last:
            text, spans = "", []
            for word, tag in words:
                joins = word in ".,;:!?)%'" or word.startswith("'") or text.endswith("(")
                if text and not joins:
                    text += " "
                start = len(text)
                text += word
                if tag != "C":
                    spans.append([start, len(text)])
            print(json.dumps({"text": text, "spans": spans, "kind": "inflection/agreement"}))
        words = []
        if number >= last:
            return


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(int(sys.argv[1]), int(sys.argv[2]))
