"""Counts which planted mistakes a lens flags, by kind, and how many words it flags in the same text without them.

    python tests/quality/planted.py [PROGRAM] [--lens replaced|errors]

The paragraphs of planted.txt were written for this purpose. `{wrong|right|kind}` marks a mistake; a missing word is
`{|the |missing}` and is found if the word after it is flagged. PROGRAM is `electroscope` unless it is named.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import tempfile

MARK = re.compile(r"\{([^|{}]*)\|([^|{}]*)\|([^|{}]*)\}")


def planted(text):
    """The text with its mistakes, the text without them, and the mistakes as (start, end, kind) in characters."""
    wrong, right, mistakes, last = "", "", [], 0
    for mark in MARK.finditer(text):
        between = text[last : mark.start()]
        wrong, right = wrong + between, right + between
        start = len(wrong)
        wrong, right = wrong + mark[1], right + mark[2]
        end = len(wrong)
        if not mark[1]:
            # A missing word: the next one counts.
            end = start + len(re.match(r"\w+", text[mark.end() :])[0])
        mistakes.append((start, end, mark[3]))
        last = mark.end()
    return wrong + text[last:], right + text[last:], mistakes


def flagged(program, lens, text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "text.txt")
        path.write_text(text, encoding="utf-8")
        command = [program, "score", "--lens", lens, "--format", "json", "--exit-zero", str(path)]
        report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    data = text.encode()
    words = report["documents"][0]["words"]
    at = lambda byte: len(data[:byte].decode())
    return [(at(word["start"]), at(word["end"])) for word in words if word["flagged"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", nargs="?", default="electroscope")
    parser.add_argument("--lens", default="errors")
    args = parser.parse_args()
    text = pathlib.Path(__file__).with_name("planted.txt").read_text(encoding="utf-8")
    wrong, right, mistakes = planted(text)
    found = flagged(args.program, args.lens, wrong)
    kinds = collections.defaultdict(lambda: [0, 0])
    for start, end, kind in mistakes:
        hit = any(word[0] < end and start < word[1] for word in found)
        kinds[kind][0] += hit
        kinds[kind][1] += 1
    for kind, (hits, all_of_kind) in sorted(kinds.items()):
        print(f"{kind:<12} {hits:>2} of {all_of_kind}")
    hits = sum(kind[0] for kind in kinds.values())
    spurious = [w for w in found if not any(w[0] < end and start < w[1] for start, end, _ in mistakes)]
    print(f"{'all':<12} {hits:>2} of {len(mistakes)}; {len(spurious)} other words flagged")
    print(f"{len(flagged(args.program, args.lens, right))} words flagged in the text without mistakes")


if __name__ == "__main__":
    main()
