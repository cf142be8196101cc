"""Writes small random ELECTRA checkpoints and what the reference implementation says of them.

    python -m venv target/reference
    target/reference/bin/pip install torch transformers safetensors
    target/reference/bin/python tests/reference/make_fixtures.py tests/reference/fixtures
    target/reference/bin/python tests/reference/make_fixtures.py --check tests/reference/fixtures

Each folder holds a discriminator in Hugging Face layout (model.safetensors and pytorch_model.bin),
its generator in generator/, and expected.json: for some windows the logits of both, each window by
itself and all of them padded into one batch. The weights are drawn wide, biases and layer norms
too, so that the logits differ a lot from token to token and no two operations can be exchanged
unnoticed.

The same seed gives the same files, byte for byte, but for old.bin: PyTorch's format from before 1.6
calls a storage by its address in memory, so only the tensors in it are the same. With --check
nothing is written into the folder; exits with 1 if what would be written is not what is there.

The files that are checked in were made, and made again, with torch 2.15.0, transformers 5.23.0,
safetensors 0.8.0, numpy 2.4.6 on Python 3.11.
"""

import argparse
import json
import pathlib
import sys
import tempfile

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


def compare(fresh, kept):
    """The files that differ between two folders, and how."""
    names = {str(path.relative_to(root)) for root in (fresh, kept) for path in root.rglob("*") if path.is_file()}
    problems = []
    for name in sorted(names):
        here, there = fresh / name, kept / name
        if not here.is_file() or not there.is_file():
            problems.append(f"{name} is only in {fresh if here.is_file() else kept}")
        elif name == "old.bin":
            ours, theirs = torch.load(here), torch.load(there)
            if ours.keys() != theirs.keys() or not all(torch.equal(ours[key], theirs[key]) for key in ours):
                problems.append(f"{name} has other tensors")
        elif here.read_bytes() != there.read_bytes():
            problems.append(f"{name} has other bytes")
    print(f"{len(names)} files, {len(problems)} differ")
    return problems


def write(out, seed):
    """Writes all fixtures into a folder."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS

    for index, (name, (layers, hidden, embedding, heads, inner)) in enumerate(SHAPES.items()):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        config = ElectraConfig(
            vocab_size=len(vocabulary), embedding_size=embedding, hidden_size=hidden, num_hidden_layers=layers,
            num_attention_heads=heads, intermediate_size=inner, max_position_embeddings=32,
        )
        discriminator = ElectraForPreTraining(config).eval()
        generator = ElectraForMaskedLM(config).eval()
        spread(discriminator, seed + 2 * index)
        spread(generator, seed + 2 * index + 1)
        generator.tie_weights()
        for model, place in [(discriminator, folder), (generator, folder / "generator")]:
            model.save_pretrained(place)
            torch.save(model.state_dict(), place / "pytorch_model.bin")
        if index == 0:
            old = out / "old.bin"
            torch.save(discriminator.state_dict(), old, _use_new_zipfile_serialization=False)
            # The same tensors, all of them views: matrices are transposed in memory, and vectors share
            # one storage, in which all but the first begin somewhere in the middle.
            state = discriminator.state_dict()
            views = {key: value.t().contiguous().t() if value.dim() == 2 else value for key, value in state.items()}
            vectors = [key for key, value in state.items() if value.dim() == 1]
            together = torch.cat([state[key] for key in vectors])
            views.update(zip(vectors, together.split([len(state[key]) for key in vectors])))
            torch.save(views, out / "strided.bin")
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")

        random = torch.Generator().manual_seed(seed)
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


if __name__ == "__main__":
    main()
