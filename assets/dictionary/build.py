#!/usr/bin/env python3
"""Builds english.aff, english.dic and words.txt of this folder. See README.md.

    npm pack dictionary-en@4.0.0 dictionary-en-gb@3.0.0
    mkdir us gb
    tar xzf dictionary-en-4.0.0.tgz -C us
    tar xzf dictionary-en-gb-3.0.0.tgz -C gb
    python3 build.py us/package gb/package TEXT...

TEXT is UTF-8 text, or such text compressed with Zstandard (*.zst; needs the command `zstd`). Needs
nothing but Python 3.9. The same input gives the same bytes.
"""

import collections
import math
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent

# A word of letters with inner apostrophes that is no part of a path, an address or an identifier.
WORD = re.compile(r"(?<![\w.@/'’])[A-Za-z]+(?:['’][A-Za-z]+)*(?![\w@/]|\.\w)")

# A word outside the dictionary is listed if it stands in the texts this often,
FEWEST = 25
# and if no word of the dictionary at an edit distance of 1 is this many times as frequent: then it is
# likely a misspelling.
MISSPELLING = 400
# The levels of a doubling of the count.
LEVELS = 4


def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def rules(aff):
    """The prefixes and suffixes of the affix file, by flag."""
    affixes = collections.defaultdict(list)
    for line in aff.splitlines():
        parts = line.split()
        if len(parts) == 5 and parts[0] in ("PFX", "SFX"):
            kind, flag, strip, add, condition = parts
            strip = "" if strip == "0" else strip
            end = condition + "$" if kind == "SFX" else "^" + condition
            affixes[flag].append((kind, strip, add, re.compile(end)))
    return affixes


def forms(stem, flags, affixes):
    """The words that a line of the dictionary stands for, without possessives."""
    suffixed = [stem]
    prefixed = []
    for flag in flags:
        for kind, strip, add, condition in affixes.get(flag, []):
            if flag == "M" or not condition.search(stem):
                continue
            if kind == "SFX" and stem.endswith(strip):
                suffixed.append(stem[: len(stem) - len(strip)] + add)
            elif kind == "PFX":
                prefixed.append(add)
    return suffixed + [add + form for add in prefixed for form in suffixed]


def count(paths):
    counts = collections.Counter()
    for path in paths:
        if path.endswith(".zst"):
            process = subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE)
            lines = process.stdout
        else:
            process, lines = None, open(path, "rb")
        for line in lines:
            counts.update(WORD.findall(line.decode("utf-8", "replace")))
        if process is not None and process.wait() != 0:
            sys.exit(f"{path}: zstd failed")
        print(path, len(counts), file=sys.stderr)
    return counts


def neighbours(word):
    """Words at an edit distance of 1, transpositions included."""
    letters = "abcdefghijklmnopqrstuvwxyz'"
    splits = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    for left, right in splits:
        if right:
            yield left + right[1:]
            for letter in letters:
                yield left + letter + right[1:]
        if len(right) > 1:
            yield left + right[1] + right[0] + right[2:]
        for letter in letters:
            yield left + letter + right


def main():
    us, gb, texts = sys.argv[1], sys.argv[2], sys.argv[3:]
    aff = read(f"{us}/index.aff")
    if aff != read(f"{gb}/index.aff"):
        sys.exit("the two dictionaries have different affix files")
    entries = set()
    for folder in (us, gb):
        entries.update(read(f"{folder}/index.dic").splitlines()[1:])
    entries = sorted(entry for entry in entries if entry)
    (HERE / "english.aff").write_text(aff, encoding="utf-8")
    dic = "\n".join([str(len(entries)), *entries]) + "\n"
    (HERE / "english.dic").write_text(dic, encoding="utf-8")

    affixes = rules(aff)
    # The spelling of each word of the dictionary, by its lower case; lower case wins.
    spelling = {}
    # Words that no list of suggestions is to hold (flag `!`).
    taboo = set()
    for entry in entries:
        stem, _, flags = entry.partition("/")
        for form in forms(stem, flags, affixes):
            if form.lower() not in spelling or form == form.lower():
                spelling[form.lower()] = form
            if "!" in flags:
                taboo.add(form.lower())

    by_lower = collections.defaultdict(collections.Counter)
    for word, times in count(texts).items():
        word = word.replace("’", "'")
        lower = word.lower()
        if lower.endswith("'s") and lower not in spelling:
            word, lower = word[:-2], lower[:-2]
        by_lower[lower][word] += times
    total = {lower: sum(of.values()) for lower, of in by_lower.items()}

    listed = {}
    for lower, times in total.items():
        if lower in taboo:
            continue
        if lower in spelling:
            listed[spelling[lower]] = times
            continue
        if times < FEWEST or len(lower) < 3 or "'" in lower:
            continue
        better = (other for other in neighbours(lower) if other in spelling)
        if any(total.get(other, 0) >= MISSPELLING * times for other in better):
            continue
        # In lower case if people write it so now and then.
        cased = by_lower[lower]
        word = max(cased, key=lambda form: (cased[form], form))
        listed[lower if cased[lower] * 4 >= times else word] = times

    out = []
    previous = ""
    for word in sorted(listed, key=lambda word: (word.lower(), word)):
        shared = 0
        while shared < min(len(word), len(previous), 35) and word[shared] == previous[shared]:
            shared += 1
        level = min(round(math.log2(listed[word]) * LEVELS), 93)
        out.append("0123456789abcdefghijklmnopqrstuvwxyz"[shared] + word[shared:] + chr(33 + level))
        previous = word
    (HERE / "words.txt").write_text("\n".join(out) + "\n", encoding="ascii")
    print(len(entries), "entries,", len(listed), "counted words", file=sys.stderr)


main()
