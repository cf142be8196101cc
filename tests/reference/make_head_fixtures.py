"""Writes small random fine-tuned checkpoints and what the reference implementation says of them.

    python -m venv target/reference
    target/reference/bin/pip install torch transformers safetensors
    target/reference/bin/python tests/reference/make_head_fixtures.py tests/reference/heads
    target/reference/bin/python tests/reference/make_head_fixtures.py --check tests/reference/heads

For each of ELECTRA, BERT and DistilBERT there are a classifier of one label out of three, one of any
labels out of four, a rating, a tagger and an answerer, in Hugging Face layout. expected.json holds
for some windows, of one text and of two, the logits of each by itself and of all of them padded into
one batch; what plain Python makes of the single ones; and for some texts the tokens with their bytes,
and the labels, words or answers that a reader of that text is told, at the bytes where they stand.
The weights are drawn wide, as in make_fixtures.py.

The same seed gives the same files, byte for byte. With --check nothing is written into the folder;
exits with 1 if what would be written is not what is there.

The files that are checked in were made, and made again, with torch 2.15.0, transformers 5.23.0,
safetensors 0.8.0 on Python 3.11.
"""

import argparse
import json
import math
import pathlib
import sys
import tempfile

import torch
import transformers
from transformers import AutoTokenizer

from make_fixtures import compare, round_off

WORDS = (
    "the a boat s harbour water committee approved bridge over river she go ##es to work every day "
    "and , . ! un ##believ ##able was ##er ##s 1 2 é 中 in of is it not ##ing wait build last spring "
    "anna oslo"
).split()
CASED = "The She Anna Oslo An ##na É cafe café I".split()

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
BIOES = ["O"] + [f"{place}-{kind}" for kind in ["PER", "LOC"] for place in "BIES"]
IO = ["O", "PER", "LOC"]

SINGLE = {"id2label": {0: "bad", 1: "so so", 2: "good"}}
MULTI = {"id2label": {0: "a", 1: "b", 2: "c", 3: "d"}, "problem_type": "multi_label_classification"}
RATING = {"num_labels": 1}


def tags(labels):
    return {"id2label": dict(enumerate(labels))}


LONGEST = 48

SEQUENCE, TOKENS, ANSWERS = "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"

CHECKPOINTS = {
    # name: (family, class, labels, what else is not the default and changes the numbers)
    "electra-single": ("Electra", SEQUENCE, SINGLE, {}),
    "electra-multi": ("Electra", SEQUENCE, MULTI, {"hidden_act": "relu"}),
    "electra-rating": ("Electra", SEQUENCE, RATING, {"embedding_size": 16}),
    "electra-tags": ("Electra", TOKENS, tags(BIO), {}),
    "electra-answers": ("Electra", ANSWERS, {}, {}),
    "bert-single": ("Bert", SEQUENCE, SINGLE, {}),
    "bert-multi": ("Bert", SEQUENCE, MULTI, {"hidden_act": "gelu_new"}),
    "bert-rating": ("Bert", SEQUENCE, RATING, {"layer_norm_eps": 0.05}),
    "bert-tags": ("Bert", TOKENS, tags(BIOES), {}),
    "bert-answers": ("Bert", ANSWERS, {}, {}),
    "distilbert-single": ("DistilBert", SEQUENCE, SINGLE, {}),
    "distilbert-multi": ("DistilBert", SEQUENCE, MULTI, {"activation": "relu"}),
    "distilbert-rating": ("DistilBert", SEQUENCE, RATING, {}),
    "distilbert-tags": ("DistilBert", TOKENS, tags(IO), {}),
    "distilbert-answers": ("DistilBert", ANSWERS, {}, {"sinusoidal_pos_embds": True}),
}

TEXTS = [
    ("The boat is unbelievable, Anna!", None),
    ("Anna waits in Oslo. É 中 café\tcafe\u0301 🚤", None),
    ("is it a boat", "She goes to the harbour every day"),
    ("who waits", "É 中 Anna was in Oslo!\n\nThe unbelievable café\t🚤 of the builder waits, and goes over the bridges."),
    ("", None),
]


def spread(model, seed):
    """Draws every weight wide, so that no two operations can be exchanged unnoticed; words and last
    layers wider still, so that one token does not get the label of the other."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "layernorm" in name.lower() or "layer_norm" in name
            if is_norm and name.endswith("weight"):
                parameter.copy_(1 + 0.3 * noise)
            elif "word_embeddings" in name or name in ("classifier.weight", "qa_outputs.weight"):
                parameter.copy_(1.5 * noise)
            else:
                parameter.copy_(0.4 * noise)


def softmax(values):
    largest = max(values)
    powers = [math.exp(value - largest) for value in values]
    return [power / sum(powers) for power in powers]


def classified(logits, config):
    if config.problem_type == "regression" or (config.problem_type is None and len(logits) == 1):
        p = logits
    elif config.problem_type == "multi_label_classification":
        p = [1 / (1 + math.exp(-logit)) for logit in logits]
    else:
        p = softmax(logits)
    order = sorted(range(len(p)), key=lambda label: -p[label])
    return {"p": p, "ranked": [config.id2label[label] for label in order]}


def answered(rows, window, second):
    """The twenty best spans of at most thirty tokens inside the second text."""
    spans = []
    for start in range(second, len(window) - 1):
        for end in range(start, min(start + 30, len(window) - 1)):
            spans.append((rows[start][0] + rows[end][1], start, end))
    spans = sorted(spans, key=lambda span: (-span[0], span[1], span[2]))[:20]
    scores = [score for score, _, _ in spans]
    nothing = rows[0][0] + rows[0][1]
    return {
        "spans": [{"first": start, "last": end, "score": score} for score, start, end in spans],
        "p": softmax(scores) if scores else [],
        "no_answer": nothing,
        "p_with_no_answer": softmax(scores + [nothing]),
    }


def kinds(labels):
    """For each label the place in an entity and the kind of entity, or None for outside."""
    marked = any(label[:2] in ("B-", "I-") for label in labels)
    if marked:
        return [(label[0], label[2:]) if label[1:2] == "-" else None for label in labels]
    if "O" in labels:
        return [None if label == "O" else ("I", label) for label in labels]
    return [None for _ in labels]


def tagged(rows, firsts, config):
    """A label for each word, by its first token, and the runs of labels that belong together."""
    labels = [config.id2label[label] for label in range(config.num_labels)]
    places = kinds(labels)
    words, entities, is_open = [], [], False
    for word, first in enumerate(firsts):
        p = softmax(rows[first])
        label = max(range(len(p)), key=lambda label: p[label])
        words.append({"label": labels[label], "p": p[label]})
        if places[label] is None:
            is_open = False
            continue
        place, kind = places[label]
        if not (is_open and place in "IE" and entities[-1]["label"] == kind):
            entities.append({"label": kind, "first": word, "last": word, "all": []})
        entities[-1]["last"] = word
        entities[-1]["all"].append(p[label])
        is_open = place not in "ES"
    for entity in entities:
        entity["p"] = sum(entity["all"]) / len(entity.pop("all"))
    return {"firsts": firsts, "words": words, "entities": entities}


def read_by(folder, run, text, pair, config, head):
    """What a reader of a text is told, or one who asks the text of a pair the question before it; None
    where a head is not made for that."""
    if not text or (pair is not None) != (head == ANSWERS):
        return None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = tokenizer(text, pair, return_offsets_mapping=True)
    ids, sequences, words = found.input_ids, found.sequence_ids(), found.word_ids()
    second = ids.index(tokenizer.sep_token_id) + 1 if pair else len(ids)
    rows = run([(ids, second)])[0]
    if head == SEQUENCE:
        return classified(rows[0], config)
    context = pair if pair else text
    inside = [at for at in range(len(ids)) if sequences[at] == (1 if pair else 0)]
    # The characters of each word, which are those of all its pieces.
    spans = {}
    for at in inside:
        start, end = found.offset_mapping[at]
        spans[words[at]] = (spans.get(words[at], (start, end))[0], end)
    if head == ANSWERS:
        # The words of the pieces that the head points at, as the question-answering pipeline had it
        # that was part of transformers until version 5 (align_to_words).
        best = {}
        for start in inside:
            for end in inside:
                if start <= end < start + 30:
                    span = (spans[words[start]][0], spans[words[end]][1])
                    score = rows[start][0] + rows[end][1]
                    best[span] = max(score, best.get(span, score))
        best = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:20]
        scores = [score for _, score in best]
        nothing = rows[0][0] + rows[0][1]
        return {
            "answers": [{"bytes": by_bytes(context, *span), "score": score} for span, score in best],
            "p": softmax(scores),
            "no_answer": nothing,
            "p_with_no_answer": softmax(scores + [nothing]),
        }
    firsts = [at for at in inside if words[at] != words[at - 1]]
    said = tagged(rows, firsts, config)
    return {
        "tagged": [
            {"bytes": by_bytes(context, *spans[words[at]]), **word} for at, word in zip(firsts, said["words"])
        ],
        "found": [
            {
                "label": entity["label"],
                "bytes": by_bytes(
                    context, spans[words[firsts[entity["first"]]]][0], spans[words[firsts[entity["last"]]]][1]
                ),
                "p": entity["p"],
            }
            for entity in said["entities"]
        ],
    }


def windows(vocabulary, random):
    """Windows of one text and of two, of different lengths; LONGEST is what the models take."""
    def some(count):
        return torch.randint(5, len(vocabulary), (count,), generator=random).tolist()

    built = [([2] + some(length) + [3], None) for length in [1, 7, LONGEST - 2, 15]]
    for first, second in [(4, LONGEST - 7), (1, 1), (12, 6)]:
        question = [2] + some(first) + [3]
        built.append((question + some(second) + [3], len(question)))
    return [(ids, len(ids) if second is None else second) for ids, second in built]


def by_bytes(text, start, end):
    return [len(text[:start].encode()), len(text[:end].encode())]


def tokenised(folder):
    """The reference's tokens of the texts, with the bytes of the first text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.is_fast
    encoded = []
    for text, pair in TEXTS:
        found = tokenizer(text, pair, return_offsets_mapping=True)
        segments = found.get("token_type_ids") or [sequence or 0 for sequence in found.sequence_ids()]
        count = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        inside = slice(1, 1 + count)
        # The last of DistilBERT's special tokens belongs to no text; BERT counts it to the second.
        second = found.input_ids.index(tokenizer.sep_token_id) + 1 if pair else len(found.input_ids)
        if "token_type_ids" in found:
            assert segments == [int(at >= second) for at in range(len(segments))], segments
        encoded.append({
            "text": text, "pair": pair, "ids": found.input_ids, "second": second,
            "bytes": [by_bytes(text, *offset) for offset in found.offset_mapping[inside]],
            "words": found.word_ids()[inside],
        })
    return encoded


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--check", action="store_true", help="compare with the folder instead of writing into it")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    print("torch", torch.__version__, "transformers", transformers.__version__)
    if not arguments.check:
        write(arguments.out, arguments.seed)
        return
    with tempfile.TemporaryDirectory() as fresh:
        write(pathlib.Path(fresh), arguments.seed)
        problems = compare(pathlib.Path(fresh), arguments.out)
    for problem in problems:
        print("FAILED", problem, file=sys.stderr)
    sys.exit(bool(problems))


def write(out, seed):
    """Writes all fixtures into a folder."""
    for index, (name, (family, head, labels, others)) in enumerate(CHECKPOINTS.items()):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        # Names and places are written with capitals, and so there is a tagger that reads them.
        cased = name == "bert-tags"
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS + (CASED if cased else [])
        sizes = {"vocab_size": len(vocabulary), "max_position_embeddings": LONGEST}
        if family == "DistilBert":
            sizes |= {"n_layers": 2, "dim": 16, "n_heads": 4, "hidden_dim": 24}
        else:
            sizes |= {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24}
        if family == "Electra":
            sizes |= {"embedding_size": 8}
        config = getattr(transformers, family + "Config")(**(sizes | labels | others))
        model = getattr(transformers, family + head)(config).eval()
        spread(model, seed + index)
        random = torch.Generator().manual_seed(seed)
        inputs = windows(vocabulary, random)
        knows_pairs = family != "DistilBert"

        def run(batch):
            """Windows of any lengths, padded to the longest of them."""
            width = max(len(ids) for ids, _ in batch)
            ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in batch])
            mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in batch])
            segments = torch.tensor([
                [int(second <= at < len(ids)) for at in range(width)] for ids, second in batch
            ])
            extra = {"token_type_ids": segments} if knows_pairs else {}
            with torch.no_grad():
                output = model(input_ids=ids, attention_mask=mask, **extra)
            if head == ANSWERS:
                logits = torch.stack([output.start_logits, output.end_logits], -1)
            else:
                logits = output.logits
            if logits.dim() == 2:
                return [[row] for row in logits.tolist()]
            return [rows[: len(ids)] for rows, (ids, _) in zip(logits.tolist(), batch)]

        if head == TOKENS:
            # Takes away from each label what all tokens give it, or one label would get them all.
            rows = torch.tensor([row for rows in run(inputs) for row in rows])
            with torch.no_grad():
                model.classifier.bias -= (rows.mean(0) * 8).round() / 8
        model.save_pretrained(folder)
        (folder / "model.safetensors").chmod(0o644)
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
        if cased:
            settings = {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}
            (folder / "tokenizer_config.json").write_text(json.dumps(settings) + "\n")

        single = [run([window])[0] for window in inputs]
        decoded = []
        for rows, (ids, second) in zip(single, inputs):
            if head == SEQUENCE:
                decoded.append(classified(rows[0], config))
            elif head == ANSWERS:
                # Where there is one text, the text is the context.
                decoded.append(answered(rows, ids, second if second < len(ids) else 1))
            else:
                # A word begins at every piece that does not say it goes on, and after a special token.
                firsts = [
                    at for at, id in enumerate(ids)
                    if id > 4 and (not vocabulary[id].startswith("##") or ids[at - 1] <= 4)
                ]
                decoded.append(tagged(rows, firsts, config))
        expected = {
            "windows": [{"ids": ids, "second": second} for ids, second in inputs],
            "single": single,
            "padded": run(inputs),
            "decoded": decoded,
            "texts": [
                {**text, "read": read_by(folder, run, text["text"], text["pair"], config, head)}
                for text in tokenised(folder)
            ],
        }
        (folder / "expected.json").write_text(json.dumps(round_off(expected), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
