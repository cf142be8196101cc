"""Holds an exported model against the reference implementation, from the files to the scores.

    python -m venv target/reference
    target/reference/bin/pip install torch transformers safetensors
    cargo build
    target/debug/electroscope model export target/exported
    target/reference/bin/python tests/reference/check_export.py target/exported --also builtin

Transformers loads the discriminator from the folder, and the generator from generator/ below it if
there is one, and must find every tensor it wants and none that it does not. Then it scores the
texts below, with the tokenizer of the folder, and so does `electroscope score`; they must agree on
the word pieces, on the bytes each is from, on the words that the pieces make up, and on p to 1e-4.
Exits with 1 if they do not. Any other folder in Hugging Face layout will do as well.

Last run with torch 2.15.0, transformers 5.23.0, tokenizers 0.23.3, numpy 2.4.6 on Python 3.11.
"""

import argparse
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import tokenizers
import torch
import transformers
from transformers import AutoTokenizer, ElectraForMaskedLM, ElectraForPreTraining

TOLERANCE = 1e-4

# Every text fits into one window: how longer ones are cut is not the reference's business. A text
# is written to a file byte for byte, so line ends stay what they are.
TEXTS = {
    "a sentence": "The committee approved the banana of the new bridge over the river last spring.",
    "paragraphs": "Harbour notes\n\nShe go to work every day.\nThe boats wait.\n\n\n\nIt was to late.\n",
    "carriage returns": "One line.\r\nAnother line.\r\n\r\nA new paragraph,\r\nand its end.\rAlone.",
    "upper case": "THE BOATS wAiT In THE HARBOUR, and NASA pays for İstanbul and STRASSE.",
    "accents": "Café crème, a naïve façade, Ångström, Łódź, smørrebrød, Dvořák.",
    "accents apart": "Cafe\u0301 cre\u0300me, A\u030angstro\u0308m, and Viet Nam as Vie\u0323\u0302t.",
    "emoji": "A smile 😀 and a family 👩\u200d👩\u200d👧\u200d👦, flags 🇳🇴🇫🇷, a thumb 👍🏽 close.",
    "CJK": "Tokyo is 東京 and Beijing 北京市, カタカナ too, 한국어도, 𠀀 beyond the plane.",
    "other scripts": "Привет мир, καλημέρα κόσμε, שלום עולם, مرحبا بالعالم, नमस्ते दुनिया.",
    "a long word": "It ends " + "a" * 101 + " here, " + "b" * 100 + " there; pneumonoultramicroscopicsilicovolcanoconiosis.",
    "punctuation": "“Curly,” she said—don't wait… £5.50 (or 3×10⁻⁴ m²) at 5–6 p.m.; e-mail a_b@c.de/f?g=h#i!",
    "special tokens": "A text may say [SEP] or [CLS], even [MASK] and [PAD][UNK], without meaning it.",
    "odd blanks": "A\ttab, a no\u00a0break, a thin\u2009blank, an ideographic\u3000one,\u2028a line\u2029a paragraph.",
    "what is not seen": "Zero\u200bwidth, soft\u00adhyphen, \u202eturned\u202c, bell\x07, \ufffd and \ufeffmark, \x7f del.",
    "a byte order mark": "\ufeffThe text begins after it.",
    "one letter": "a",
    "blanks only": " \n\t\r\n ",
}


def full_window(tokenizer, pieces):
    """Words out of a hat that make as many word pieces as a window holds."""
    hat = random.Random(20261123)
    words = "the boats wait in harbour because a storm was coming and nobody wanted to lose her".split()
    text = " ".join(hat.choice(words) for _ in range(pieces))
    assert len(tokenizer(text, add_special_tokens=False)["input_ids"]) == pieces
    return text


def load(model_class, folder):
    """Loads a model to compute in f32; what it lacks or has too much is a failure."""
    model, info = model_class.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {what: sorted(map(str, found)) for what, found in info.items() if found}
    if wrong:
        sys.exit(f"{folder}: {model_class.__name__} does not load cleanly: {wrong}")
    print(f"{folder}: {model_class.__name__}, {sum(p.numel() for p in model.parameters()):,} numbers")
    return model.eval()


def check_tokenizer_file(folder, tokenizer):
    """Programs that read tokenizer.json by itself must get the same pieces, special ones included."""
    alone = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = TEXTS["upper case"]
    found, wanted = alone.encode(text).ids, tokenizer(text)["input_ids"]
    if found != wanted:
        return [f"tokenizer.json by itself: {found[:4]}…{found[-4:]}, transformers: {wanted[:4]}…{wanted[-4:]}"]
    return []


def expected(text, tokenizer, model):
    """What the reference says: (start, end, p) per token, and per word; offsets in bytes."""
    # Special tokens that a document spells are text, so that no document can end its own window.
    encoding = tokenizer(text, return_offsets_mapping=True, split_special_tokens=True)
    with torch.no_grad():
        scores = torch.sigmoid(model(torch.tensor([encoding["input_ids"]])).logits[0]).tolist()
    # Python counts characters, Rust counts bytes.
    byte = list(itertools.accumulate((len(c.encode()) for c in text), initial=0))
    tokens, words = [], []
    previous = None
    for (start, end), word, p in zip(encoding["offset_mapping"], encoding.word_ids(), scores):
        if word is None:
            continue
        token = (byte[start], byte[end], p)
        tokens.append(token)
        if word == previous:
            words[-1] = (words[-1][0], token[1], max(words[-1][2], p))
        else:
            words.append(token)
        previous = word
    return tokens, words


def score(binary, model, files):
    """What we say, by file name."""
    command = [binary, "score", "--quiet", "--format", "json", "--language", "plain", "--exit-zero"]
    command += ["--device", "cpu", "--precision", "f32", "--model", model] + [str(file) for file in files]
    run = subprocess.run(command, capture_output=True, encoding="utf-8")
    if run.returncode != 0:
        sys.exit(f"{' '.join(command[:2])} --model {model} exits with {run.returncode}: {run.stderr}")
    return {pathlib.Path(document["path"]).name: document for document in json.loads(run.stdout)["documents"]}


def differences(text, kind, found, wanted):
    """Compares the tokens or the words of one text. The second value is the largest difference in p."""
    raw = text.encode()
    worst = 0.0
    problems = []
    if len(found) != len(wanted):
        problems.append(f"{len(found)} {kind}s, the reference has {len(wanted)}")
    for item, (start, end, p) in zip(found, wanted):
        place = raw[start:end].decode()
        if (item["start"], item["end"], item["text"]) != (start, end, place):
            problems.append(f"{kind} {item['text']!r} at {item['start']}..{item['end']}, the reference has {place!r} at {start}..{end}")
            break
        worst = max(worst, abs(item["p"] - p))
        if abs(item["p"] - p) > TOLERANCE:
            problems.append(f"{kind} {place!r} at {start}: p {item['p']:.6f}, the reference has {p:.6f}")
    return problems, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="what `electroscope model export` wrote")
    parser.add_argument("--also", action="append", default=[], help="another name of the same model, such as builtin")
    parser.add_argument("--electroscope", default="target/debug/electroscope", help="the program")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    print("torch", torch.__version__, "transformers", transformers.__version__, "tokenizers", tokenizers.__version__)

    tokenizer = AutoTokenizer.from_pretrained(arguments.folder)
    discriminator = load(ElectraForPreTraining, arguments.folder)
    failures = check_tokenizer_file(arguments.folder, tokenizer)
    texts = dict(TEXTS)
    texts["a full window"] = full_window(tokenizer, discriminator.config.max_position_embeddings - 2)
    answers = {name: expected(text, tokenizer, discriminator) for name, text in texts.items()}

    with tempfile.TemporaryDirectory() as folder:
        files = {name: pathlib.Path(folder) / f"{name}.txt" for name in texts}
        for name, file in files.items():
            file.write_bytes(texts[name].encode())
        for model in [str(arguments.folder)] + arguments.also:
            print(f"\n--model {model}")
            ours = score(arguments.electroscope, model, files.values())
            for name, text in texts.items():
                document = ours[files[name].name]
                tokens, words = answers[name]
                problems, worst = differences(text, "token", document["tokens"], tokens)
                problems += differences(text, "word", document["words"], words)[0]
                print(f"  {name:18} {len(tokens):4} tokens {len(words):4} words  p differs by {worst:.1e} at most")
                for problem in problems[:5]:
                    print(f"    {problem}")
                failures += [f"--model {model}, {name}: {problem}" for problem in problems]

    generator_folder = arguments.folder / "generator"
    if generator_folder.is_dir():
        print()
        generator = load(ElectraForMaskedLM, generator_folder)
        guess(generator, AutoTokenizer.from_pretrained(generator_folder))

    for failure in failures:
        print("FAILED", failure, file=sys.stderr)
    print(f"\n{len(failures)} differences" if failures else "\nno differences")
    sys.exit(bool(failures))


def guess(generator, tokenizer):
    """Prints what the generator puts in the place of each word: a look, not a check."""
    encoding = tokenizer(TEXTS["a sentence"], return_tensors="pt")
    for position in range(1, encoding["input_ids"].shape[1] - 1):
        masked = encoding["input_ids"].clone()
        masked[0, position] = tokenizer.mask_token_id
        with torch.no_grad():
            best = torch.softmax(generator(masked).logits[0, position], -1).topk(5)
        guesses = zip(tokenizer.convert_ids_to_tokens(best.indices.tolist()), best.values.tolist())
        original = tokenizer.convert_ids_to_tokens(encoding["input_ids"][0, position].item())
        print(f"  {original:10}", "  ".join(f"{token} {p:.3f}" for token, p in guesses))


if __name__ == "__main__":
    main()
