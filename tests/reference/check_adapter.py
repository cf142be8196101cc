#!/usr/bin/env python3
"""Has PEFT read an adapter that Electroscope wrote, and compares the logits of both.

    pip install torch transformers peft
    electroscope model export base                    # if the adapter stands on the built-in model
    python tests/reference/check_adapter.py ADAPTER base target/debug/electroscope

The base is given, for only Electroscope knows what `builtin` is.
"""

import argparse
import json
import subprocess
import sys

import torch
import transformers
from peft import PeftModel

TEXT = "The committee approved the new bridge over the river, and the boats wait in Oslo."
CLASSES = {
    "SEQ_CLS": transformers.AutoModelForSequenceClassification,
    "TOKEN_CLS": transformers.AutoModelForTokenClassification,
    "QUESTION_ANS": transformers.AutoModelForQuestionAnswering,
}


def run(program, *arguments):
    done = subprocess.run([program, *arguments], input=TEXT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["documents"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("adapter")
    parser.add_argument("base")
    parser.add_argument("program")
    arguments = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    with open(f"{arguments.adapter}/adapter_config.json") as file:
        task = json.load(file)["task_type"]
    config = transformers.AutoConfig.from_pretrained(arguments.adapter)
    base = CLASSES[task].from_pretrained(arguments.base, config=config)
    model = PeftModel.from_pretrained(base, arguments.adapter).eval()
    learnt = [name for name, _ in model.named_parameters() if "lora_" in name]
    assert learnt, "PEFT found no adapter"
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.adapter)
    options = ["--head", arguments.adapter, "--format", "json", "--offline", "-"]
    if task == "QUESTION_ANS":
        question = "What was approved?"
        best = run(arguments.program, "ask", question, *options)["answers"][0]
        found = tokenizer(question, TEXT, return_tensors="pt", return_offsets_mapping=True)
        spans = found.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            output = model.base_model.model(**found)  # PEFT's own forward loses token_type_ids
        inside = [at for at, sequence in enumerate(found.sequence_ids()) if sequence == 1]
        starts, ends = output.start_logits[0].tolist(), output.end_logits[0].tolist()
        first = next(at for at in inside if spans[at][0] == best["start"])
        last = next(at for at in inside if spans[at][1] == best["end"])
        pairs = [(best["score"], starts[first] + ends[last])]
    else:
        found = tokenizer(TEXT, return_tensors="pt")
        with torch.no_grad():
            p = model.base_model.model(**found).logits[0].softmax(-1)
        if task == "SEQ_CLS":
            labels = run(arguments.program, "classify", "--unit", "document", *options)["units"][0]["labels"]
            pairs = [(row["p"], p[config.label2id[row["label"]]].item()) for row in labels]
        else:
            words = run(arguments.program, "tag", *options)["words"]
            ids = found.word_ids()
            firsts = [at for at in range(1, len(ids) - 1) if ids[at] != ids[at - 1]]
            assert len(firsts) == len(words), (len(firsts), len(words))
            pairs = [
                (word["p"], p[at][config.label2id[word["label"]]].item()) for at, word in zip(firsts, words)
            ]
    apart = max(abs(ours - theirs) for ours, theirs in pairs)
    print(f"{len(learnt)} adapter tensors, {len(pairs)} numbers, {apart:.2e} apart at most")
    sys.exit(apart > 1e-4)


if __name__ == "__main__":
    main()
