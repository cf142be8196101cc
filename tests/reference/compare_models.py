"""Says by how much two models of one vocabulary differ in p, token by token, on some files.

    cargo build
    python tests/reference/compare_models.py builtin ORIGINAL assets/sample.md

ORIGINAL being the half-precision folder that the built-in pair was packed from, this measures what
packing costs: the figures are in assets/builtin/README.md. Both are computed in f32. Needs nothing
but Python.
"""

import argparse
import json
import subprocess
import sys


def score(binary, model, files):
    """All tokens as (file, start, end, text, p), and whether each word is flagged."""
    command = [binary, "score", "--quiet", "--format", "json", "--exit-zero", "--device", "cpu", "--precision", "f32"]
    run = subprocess.run(command + ["--model", model] + files, capture_output=True, encoding="utf-8")
    if run.returncode != 0:
        sys.exit(f"electroscope score --model {model} exits with {run.returncode}: {run.stderr}")
    documents = json.loads(run.stdout)["documents"]
    tokens = [(document["path"], token) for document in documents for token in document["tokens"]]
    words = [(document["path"], word) for document in documents for word in document["words"]]
    return tokens, words


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", help="builtin, a folder or a hub id")
    parser.add_argument("second", help="another")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--electroscope", default="target/debug/electroscope", help="the program")
    arguments = parser.parse_args()
    first, first_words = score(arguments.electroscope, arguments.first, arguments.files)
    second, second_words = score(arguments.electroscope, arguments.second, arguments.files)

    def places(tokens):
        return [(path, token["start"], token["end"]) for path, token in tokens]

    if places(first) != places(second):
        sys.exit("the two models do not cut the text into the same tokens")
    if not first:
        sys.exit("there is no token in these files")
    changes = [(abs(a["p"] - b["p"]), path, a, b) for (path, a), (_, b) in zip(first, second)]
    flips = sum(a["flagged"] != b["flagged"] for (_, a), (_, b) in zip(first_words, second_words))
    worst, path, a, b = max(changes, key=lambda change: change[0])
    print(f"{len(changes)} tokens")
    print(f"mean change of p  {sum(change[0] for change in changes) / len(changes):.4f}")
    print(f"largest           {worst:.4f}  ({path}, byte {a['start']}, {a['text']!r}: {a['p']:.4f} and {b['p']:.4f})")
    print(f"words that are flagged by one of the two only: {flips} of {len(first_words)}")


if __name__ == "__main__":
    main()
