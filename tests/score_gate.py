#!/usr/bin/env python3
"""Compares the p of every word of a text before and after a change.

    tests/score_gate.py BEFORE AFTER TEXT [--sentences N] [--moved P] [--allow N] [-- ARGUMENT...]

BEFORE and AFTER are two builds of the program, or what `score --format jsonl` printed with them. TEXT is
a plain text, or one compressed with Zstandard (for which `zstd` must be installed); its first 10,000
sentences are scored. Arguments after `--` go to both builds, such as `--model DIR` or `--precision int8`.

Prints how many p moved by more than 0.01, a histogram of the differences, which words are flagged by one
only, and the words that moved most. Exits with 1 if more than `--allow` moved, with 2 if the two
cannot be compared. Needs Python 3.9 or newer and nothing else.

    cp target/release/electroscope /tmp/before   # then the change, and a build
    tests/score_gate.py /tmp/before target/release/electroscope text.txt
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# The upper ends of the histogram's classes.
CLASSES = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def first_sentences(path, count):
    """The beginning of a text, to the end of the paragraph in which sentence `count` ends."""
    if path.suffix == ".zst":
        unpacked = subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE)
        text = unpacked.stdout.decode()
    else:
        text = path.read_text()
    found, lines = 0, []
    for line in text.splitlines():
        lines.append(line)
        found += len(re.findall(r"[.!?]+[\"')\]’”]*(?=\s|$)", line))
        if found >= count:
            break
    return "\n".join(lines) + "\n", found


def scored(source, text, arguments):
    """The words of the text by a build of the program, or by a file that it printed."""
    head = source.read_bytes()[:1]
    if head == b"{":
        out = source.read_text()
    else:
        command = [source.resolve(), "score", "--format", "jsonl", "--exit-zero", *arguments, text]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()
    words = []
    for number, line in enumerate(out.splitlines()):
        for word in json.loads(line)["words"]:
            words.append(((number, word["start"], word["end"]), word))
    return dict(words)


def quoted(text, word):
    """A word with what stands around it."""
    start, end = word["start"], word["end"]
    before = text[max(0, start - 40) : start].decode(errors="ignore")
    after = text[end : end + 40].decode(errors="ignore")
    shown = before + "[" + text[start:end].decode(errors="replace") + "]" + after
    return "".join(c if c.isprintable() else " " for c in shown)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--sentences", type=int, default=10_000, metavar="N")
    parser.add_argument("--moved", type=float, default=0.01, metavar="P")
    parser.add_argument("--allow", type=int, default=0, metavar="N")
    parser.add_argument("--top", type=int, default=20, metavar="N")
    own, arguments = sys.argv[1:], []
    if "--" in own:
        own, arguments = own[: own.index("--")], own[own.index("--") + 1 :]
    options = parser.parse_args(own)

    text, sentences = first_sentences(options.text, options.sentences)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "text.txt"
        path.write_text(text)
        before, after = (scored(build, path, arguments) for build in (options.before, options.after))
    text = text.encode()

    common = before.keys() & after.keys()
    if not common:
        print("the two have no word in common: were they made from the same text?", file=sys.stderr)
        return 2
    print(f"{sentences} sentences, {len(before)} words before, {len(after)} after")
    if len(common) < max(len(before), len(after)):
        print(f"{len(before) - len(common)} words are only before, {len(after) - len(common)} only after")
    differences = {key: abs(before[key]["p"] - after[key]["p"]) for key in common}
    moved = sorted((key for key in common if differences[key] > options.moved), key=lambda key: -differences[key])
    share = 100 * len(moved) / len(common)
    print(f"{len(moved)} of them ({share:.3f} %) moved by more than {options.moved}")

    print("\n|difference|      words")
    lower = None
    for upper in CLASSES:
        count = sum(1 for d in differences.values() if d <= upper and (lower is None or d > lower))
        print(f"{'0' if lower is None else f'up to {upper:g}':<12} {count:>10}")
        lower = upper

    changed = [key for key in common if before[key]["flagged"] != after[key]["flagged"]]
    new = sum(after[key]["flagged"] for key in changed)
    print(f"\n{new} words are flagged only after, {len(changed) - new} only before")
    if moved:
        print("\nbefore   after    word")
    for key in moved[: options.top]:
        print(f"{before[key]['p']:.4f}   {after[key]['p']:.4f}   {quoted(text, after[key])}")
    is_other = len(common) < max(len(before), len(after))
    return 1 if is_other or len(moved) > options.allow else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as err:
        print(f"error: {err}", file=sys.stderr)
        sys.exit(2)
