"""Writes small random ELECTRA checkpoints and what the reference implementation says of them.

    python -m venv venv && venv/bin/pip install torch transformers safetensors
    venv/bin/python tests/reference/make_fixtures.py tests/reference/fixtures

Each folder holds a discriminator in Hugging Face layout (model.safetensors and pytorch_model.bin),
its generator in generator/, and expected.json: for some windows the logits of both, each window by
itself and all of them padded into one batch. The weights are drawn wide, biases and layer norms
too, so that the logits differ a lot from token to token and no two operations can be exchanged
unnoticed. The same seed gives the same files.
"""

import argparse
import json
import pathlib

import torch
import transformers
from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining

WORDS = (
    "the a boat s harbour water committee approved bridge over river she go ##es to work every day "
    "and , . ! un ##believ ##able was ##er ##s 1 2 é 中 in of is it not ##ing wait build last spring"
).split()

SHAPES = {
    # name: (layers, hidden, embedding, heads, inner)
    "projected": (2, 16, 8, 4, 32),
    "equal": (2, 16, 16, 1, 24),
    "deep": (12, 8, 4, 4, 16),
}


def spread(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("LayerNorm.weight"):
                parameter.copy_(1 + 0.3 * noise)
            else:
                parameter.copy_(0.4 * noise)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=20261123)
    arguments = parser.parse_args()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
    print("torch", torch.__version__, "transformers", transformers.__version__)

    for index, (name, (layers, hidden, embedding, heads, inner)) in enumerate(SHAPES.items()):
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        config = ElectraConfig(
            vocab_size=len(vocabulary), embedding_size=embedding, hidden_size=hidden, num_hidden_layers=layers,
            num_attention_heads=heads, intermediate_size=inner, max_position_embeddings=32,
        )
        discriminator = ElectraForPreTraining(config).eval()
        generator = ElectraForMaskedLM(config).eval()
        spread(discriminator, arguments.seed + 2 * index)
        spread(generator, arguments.seed + 2 * index + 1)
        generator.tie_weights()
        for model, place in [(discriminator, folder), (generator, folder / "generator")]:
            model.save_pretrained(place)
            torch.save(model.state_dict(), place / "pytorch_model.bin")
        if index == 0:
            old = arguments.out / "old.bin"
            torch.save(discriminator.state_dict(), old, _use_new_zipfile_serialization=False)
            # The same tensors, some of them views: transposed in memory, and sharing one storage.
            state = {key: value for key, value in discriminator.state_dict().items()}
            views = {key: value.t().contiguous().t() if value.dim() == 2 else value for key, value in state.items()}
            torch.save(views, arguments.out / "strided.bin")
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")

        random = torch.Generator().manual_seed(arguments.seed)
        windows = []
        for length in [3, 9, 32, 17]:
            body = torch.randint(5, len(vocabulary), (length - 2,), generator=random).tolist()
            windows.append([2] + body + [3])
        longest = max(map(len, windows))
        padded = torch.tensor([window + [0] * (longest - len(window)) for window in windows])
        mask = torch.tensor([[1] * len(window) + [0] * (longest - len(window)) for window in windows])

        expected = {"windows": windows, "single": {}, "padded": {}}
        with torch.no_grad():
            for head, model in [("discriminator", discriminator), ("generator", generator)]:
                expected["single"][head] = [model(torch.tensor([window])).logits[0].tolist() for window in windows]
                together = model(padded, attention_mask=mask).logits
                expected["padded"][head] = [row[: len(window)].tolist() for row, window in zip(together, windows)]
        (folder / "expected.json").write_text(json.dumps(round_off(expected)))


def round_off(value):
    """Seven decimals are plenty for a comparison to 1e-4."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, list):
        return [round_off(item) for item in value]
    if isinstance(value, dict):
        return {key: round_off(item) for key, item in value.items()}
    return value


main()
