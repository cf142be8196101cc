"""Writes what the reference implementation learns from a batch: losses, gradients, and ten steps.

    python -m venv target/reference
    target/reference/bin/pip install torch transformers safetensors numpy
    target/reference/bin/python tests/reference/make_training_fixtures.py tests/reference/training
    target/reference/bin/python tests/reference/make_training_fixtures.py --check tests/reference/training

For an ELECTRA whose embeddings are narrower than its states and for one where both are equal there
is NAME.safetensors. Its tensors start/PARAMETER are an encoder with all heads, drawn wide as in
make_fixtures.py, and beside it a smaller generator (generator.PARAMETER) that shares the encoder's
embeddings. CASE/PARAMETER is the gradient of the loss of that case; NAME.json holds the batch of each
case and its loss. Everything is computed in f64 and nothing is dropped. In the case "joint" the
smaller generator and the discriminator learn together, the loss being that of the masked tokens and
fifty times that of the replaced ones; all embeddings and their layer norm are shared, as in the
original ELECTRA, and get the gradients of both.

The case "steps" is ten steps of ELECTRA's own optimiser on the classifier, by the plain Python below,
which follows model/optimization.py of the original: steps/PARAMETER is where they lead to.

The same seed gives the same files, byte for byte. With --check nothing is written into the folder;
exits with 1 if what would be written is not what is there.

The files that are checked in were made, and made again, with torch 2.15.0, transformers 5.23.0,
safetensors 0.8.0, numpy 2.4.6 on Python 3.11.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy
import torch
import transformers
from safetensors.torch import save_file
from transformers import ElectraConfig

from make_fixtures import compare

SHAPES = {
    # name: (hidden, embedding)
    "projected": (8, 6),
    "equal": (8, 8),
}
LAYERS, VOCABULARY, LONGEST, MASK = 2, 23, 9, 4
GENERATOR = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 6}

# Of two texts, of one, and of two again; the second text begins at that place.
WINDOWS = [([2, 7, 11, 3, 19, 8, 7, 22, 3], 4), ([2, 14, 5, 20, 3], 5), ([2, 9, 3, 16, 11, 10, 3], 3)]
LABELS = [2, 0, 1]
SPANS = [(5, 7), (0, 0), (30, 30)]  # the last lies outside, and is passed over
TAGS = [[None, 1, 0, None, 2, 2, None, 0, None], [None, 0, 1, 2, None], [None, 1, None, 0, None, 2, None]]
# For each window, the places that are masked, and what the generator has put there.
MASKED = [{1: 13, 5: 8}, {3: 6}, {1: 9, 4: 21}]
RTD_WEIGHT = 50

STEPS = {"learning_rate": 0.01, "weight_decay": 0.05, "clip": 0.9, "layer_decay": 0.8, "warmup": 0.25, "of": 20}


def drawn(names, generator):
    """Draws every weight wide, so that no two operations can be exchanged unnoticed."""
    weights = {}
    for name, shape in names:
        noise = torch.randn(shape, generator=generator)
        weights[name] = 1 + 0.3 * noise if name.endswith("LayerNorm.weight") else 0.4 * noise
    return weights


def padded(rows, filling):
    return torch.tensor([list(row) + [filling] * (LONGEST - len(row)) for row in rows])


def batch(windows):
    """Windows in the reference's terms, with 1 in `attention_mask` where there is a token."""
    return {
        "input_ids": padded([ids for ids, _ in windows], 0),
        "attention_mask": padded([[1] * len(ids) for ids, _ in windows], 0),
        "token_type_ids": padded([[int(at >= second) for at in range(len(ids))] for ids, second in windows], 0),
    }


def model_of(config, kind, labels=None):
    sizes = config | ({"num_labels": labels} if labels else {})
    model = getattr(transformers, "Electra" + kind)(ElectraConfig(**sizes, attn_implementation="eager"))
    # The original has no row that is never learnt. It matters to an answerer alone, which weighs padding
    # as a place for its answer.
    model.electra.embeddings.word_embeddings.padding_idx = None
    if kind == "ForMaskedLM":
        model.generator_lm_head.weight = model.electra.embeddings.word_embeddings.weight
    return model.double().eval()


def filled(model, weights, prefix=""):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[prefix + name])
    return model


def gradients(named, loss):
    named = dict(named)
    for parameter in named.values():
        parameter.grad = None
    loss.backward()
    return {name: parameter.grad for name, parameter in named.items()}


def replaced(ids, by):
    return [by.get(at, token) for at, token in enumerate(ids)]


def depth_in_tensorflow(name):
    """The rate of a parameter by its name in the original checkpoints, where the layer is part of a
    word: the exponent of the layer decay."""
    if name.startswith("electra."):
        place = "electra/" + name.removeprefix("electra.").replace("layer.", "layer_").replace(".", "/")
    else:
        place = "task_specific/name/" + name.replace(".", "/")
    depths = {"/embeddings/": 0, "/embeddings_project/": 0, "task_specific/": LAYERS + 2}
    depths |= {f"encoder/layer_{layer}/": layer + 1 for layer in range(LAYERS)}
    (depth,) = [depth for key, depth in depths.items() if key in place]
    return LAYERS + 2 - depth


def steps(model, loss_of, count):
    """Where so many steps lead, and the loss and the norm of the gradients of each."""
    named = dict(model.named_parameters())
    zeros = lambda: {name: numpy.zeros(parameter.shape) for name, parameter in named.items()}
    means, squares, losses, norms = zeros(), zeros(), [], []
    for step in range(count):
        loss = loss_of()
        found = {name: value.numpy() for name, value in gradients(named.items(), loss).items()}
        norm = numpy.sqrt(sum((value**2).sum() for value in found.values()))
        done = step / STEPS["of"]
        rate = STEPS["learning_rate"] * (1 - done) * min(1, done / STEPS["warmup"])
        for name, parameter in named.items():
            gradient = found[name] * min(1, STEPS["clip"] / norm)
            means[name] = 0.9 * means[name] + 0.1 * gradient
            squares[name] = 0.999 * squares[name] + 0.001 * gradient**2
            update = means[name] / (numpy.sqrt(squares[name]) + 1e-6)
            if "LayerNorm" not in name and "bias" not in name:
                update = update + STEPS["weight_decay"] * parameter.detach().numpy()
            own_rate = rate * STEPS["layer_decay"] ** depth_in_tensorflow(name)
            with torch.no_grad():
                parameter -= own_rate * torch.from_numpy(update)
        losses.append(loss.item())
        norms.append(float(norm))
    return named, losses, norms


def write(out, seed):
    """Writes all fixtures into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for index, (name, (hidden, embedding)) in enumerate(SHAPES.items()):
        config = {
            "vocab_size": VOCABULARY, "embedding_size": embedding, "hidden_size": hidden,
            "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 12,
            "max_position_embeddings": LONGEST, "hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0,
        }
        models = {
            "classification": model_of(config, "ForSequenceClassification", 3),
            "qa": model_of(config, "ForQuestionAnswering"),
            "tagging": model_of(config, "ForTokenClassification", 3),
            "generator": model_of(config, "ForMaskedLM"),
            "discriminator": model_of(config, "ForPreTraining"),
        }
        small = model_of(config | GENERATOR, "ForMaskedLM")
        shapes = {key: value.shape for model in models.values() for key, value in model.named_parameters()}
        shapes |= {
            "generator." + key: value.shape
            for key, value in small.named_parameters() if not key.startswith("electra.embeddings.")
        }
        weights = drawn(sorted(shapes.items()), torch.Generator().manual_seed(seed + index))
        for model in models.values():
            filled(model, weights)

        whole = batch(WINDOWS)
        hidden_words = [(replaced(ids, dict.fromkeys(by, MASK)), at) for (ids, at), by in zip(WINDOWS, MASKED)]
        corrupted = [(replaced(ids, by), at) for (ids, at), by in zip(WINDOWS, MASKED)]
        was_masked = padded(
            [[token if at in by else -100 for at, token in enumerate(ids)] for (ids, _), by in zip(WINDOWS, MASKED)],
            -100,
        )
        is_fake = padded(
            [[int(new != old) for new, old in zip(new_ids, ids)] for (new_ids, _), (ids, _) in zip(corrupted, WINDOWS)],
            0,
        )
        tags = padded([[-100 if tag is None else tag for tag in row] for row in TAGS], -100)
        starts, ends = (torch.tensor(places) for places in zip(*SPANS))
        losses = {
            "classification": lambda model: model(**whole, labels=torch.tensor(LABELS)).loss,
            "qa": lambda model: model(**whole, start_positions=starts.clone(), end_positions=ends.clone()).loss,
            "tagging": lambda model: model(**whole, labels=tags).loss,
            "generator": lambda model: model(**batch(hidden_words), labels=was_masked).loss,
            "discriminator": lambda model: model(**batch(corrupted), labels=is_fake.double()).loss,
        }
        tensors = {f"start/{key}": value for key, value in weights.items()}
        found = {}
        for case, model in models.items():
            loss = losses[case](model)
            found[case] = loss.item()
            for key, value in gradients(model.named_parameters(), loss).items():
                tensors[f"{case}/{key}"] = value

        discriminator = models["discriminator"]
        small.electra.embeddings = discriminator.electra.embeddings
        small.generator_lm_head.weight = discriminator.electra.embeddings.word_embeddings.weight
        own = {
            "generator." + key: value
            for key, value in small.named_parameters() if not key.startswith("electra.embeddings.")
        }
        with torch.no_grad():
            for key, parameter in own.items():
                parameter.copy_(weights[key])
        joint = losses["generator"](small) + RTD_WEIGHT * losses["discriminator"](discriminator)
        found["joint"] = joint.item()
        for key, value in gradients((own | dict(discriminator.named_parameters())).items(), joint).items():
            tensors[f"joint/{key}"] = value

        classifier = models["classification"]
        ends_at, by_step, norms = steps(classifier, lambda: losses["classification"](classifier), 10)
        tensors |= {f"steps/{key}": value.detach() for key, value in ends_at.items()}

        save_file({key: value.float().contiguous() for key, value in tensors.items()}, out / f"{name}.safetensors")
        described = {
            "config": config | {"model_type": "electra"},
            "generator": GENERATOR,
            "windows": [{"ids": ids, "second": second} for ids, second in WINDOWS],
            "labels": LABELS, "spans": SPANS, "tags": TAGS,
            "masked": [ids for ids, _ in hidden_words],
            "corrupted": [ids for ids, _ in corrupted],
            "was_masked": [sorted(by) for by in MASKED],
            "losses": found,
            "steps": STEPS | {"losses": by_step, "norms": norms},
        }
        (out / f"{name}.json").write_text(json.dumps(described) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=20261125)
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


if __name__ == "__main__":
    main()
