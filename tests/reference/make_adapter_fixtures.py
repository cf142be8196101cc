#!/usr/bin/env python3
"""Makes the adapters that tests/it/adapters.rs reads: LoRA, drawn at random on the random checkpoints
beside this script, and saved by PEFT.

    pip install torch transformers peft
    python tests/reference/make_adapter_fixtures.py [OUT]

Each folder has what PEFT writes, with a base that is named from the folder, and `expected.json`: windows
of token ids, where the second text of each begins, and the logits that PEFT's model has for them.
"""

import argparse
import json
import pathlib

import torch
import transformers
from peft import LoraConfig, get_peft_model

HERE = pathlib.Path(__file__).parent
ALL_SIX = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]

ADAPTERS = {
    # name: (base, class, task, labels, what the adapter is)
    "electra-labels": (
        "fixtures/projected", "ElectraForSequenceClassification", "SEQ_CLS", 3,
        {"r": 2, "lora_alpha": 8, "target_modules": ALL_SIX},
    ),
    "electra-tags": (
        "fixtures/projected", "ElectraForTokenClassification", "TOKEN_CLS", 5,
        {"r": 3, "lora_alpha": 3, "target_modules": ["query", "value", "embeddings_project"]},
    ),
    "electra-answers": (
        "fixtures/projected", "ElectraForQuestionAnswering", "QUESTION_ANS", 2,
        {"r": 4, "lora_alpha": 1, "target_modules": r".*\.attention\.self\.(query|key)"},
    ),
    "bert-labels": (
        "heads/bert-answers", "BertForSequenceClassification", "SEQ_CLS", 2,
        {"r": 2, "lora_alpha": 16, "target_modules": ["query", "value"], "layers_to_transform": [1],
         "modules_to_save": ["classifier", "pooler"]},
    ),
    "distilbert-labels": (
        "heads/distilbert-answers", "DistilBertForSequenceClassification", "SEQ_CLS", 4,
        {"r": 2, "lora_alpha": 3, "target_modules": ["q_lin", "out_lin", "lin1", "lin2"],
         "modules_to_save": ["classifier", "pre_classifier"]},
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=pathlib.Path, default=HERE / "adapters")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    for seed, (name, (base, kind, task, labels, settings)) in enumerate(ADAPTERS.items()):
        torch.manual_seed(20261124 + seed)
        load = getattr(transformers, kind).from_pretrained
        extra = {} if task == "QUESTION_ANS" else {"num_labels": labels}
        model = get_peft_model(load(HERE / base, **extra), LoraConfig(task_type=task, **settings)).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.copy_(0.4 * torch.randn(parameter.shape))
        folder = arguments.out / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        (folder / "adapter_model.safetensors").chmod(0o644)
        path = folder / "adapter_config.json"
        config = json.loads(path.read_text())
        config["base_model_name_or_path"] = f"../../{base}"
        if isinstance(config["target_modules"], list):
            config["target_modules"].sort()  # a set, which PEFT writes in another order each time
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")

        longest = model.config.max_position_embeddings
        inputs = []
        for first, second in [(1, 0), (longest - 2, 0), (4, longest - 7)]:
            ids = [2] + torch.randint(5, model.config.vocab_size, (first,)).tolist() + [3]
            start = len(ids)
            if second:
                ids += torch.randint(5, model.config.vocab_size, (second,)).tolist() + [3]
            inputs.append((ids, start))
        logits = []
        for ids, start in inputs:
            segments = torch.tensor([[int(at >= start) for at in range(len(ids))]])
            extra = {} if kind.startswith("Distil") else {"token_type_ids": segments}
            with torch.no_grad():
                # The model within: PEFT's own forward for questions (0.21) loses token_type_ids.
                output = model.base_model.model(input_ids=torch.tensor([ids]), **extra)
            if task == "QUESTION_ANS":
                rows = torch.stack([output.start_logits, output.end_logits], -1)
            else:
                rows = output.logits
            logits.append([round(value, 6) for value in rows.flatten().tolist()])
        expected = {
            "windows": [{"ids": ids, "second": second} for ids, second in inputs],
            "columns": labels,
            "logits": logits,
        }
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
