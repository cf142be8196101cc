"""Tokens per second of the same step of training as ../train.rs, in PyTorch.

    python train.py [--ours PROGRAM] [--rounds N] [MODEL ...]

With --ours, the measuring program that `cargo bench --bench train --no-run` built takes turns with
PyTorch, and the ratio of each turn and their median are printed. Each turn is a process of its own:
threads of PyTorch that wait in a loop would otherwise share the cores with what runs next. It needs
torch and transformers, and uses two threads unless OMP_NUM_THREADS says otherwise. Threads do not wait
in a loop unless OMP_WAIT_POLICY says so, and attention is eager unless --attention says otherwise:
which of these is the fastest depends on the machine and on what else it does, so try them all.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "2")

import torch  # noqa: E402
from transformers import ElectraConfig, ElectraForPreTraining  # noqa: E402

MODELS = {
    "mini": (dict(num_hidden_layers=6, hidden_size=256, embedding_size=128, num_attention_heads=4,
                  intermediate_size=1024), 32, 128, None),
    "small": (dict(num_hidden_layers=12, hidden_size=256, embedding_size=128, num_attention_heads=4,
                   intermediate_size=1024), 32, 128, None),
    "builtin": (dict(num_hidden_layers=6, hidden_size=384, embedding_size=384, num_attention_heads=12,
                     intermediate_size=1536), 32, 128, None),
    "builtin-lora": (dict(num_hidden_layers=6, hidden_size=384, embedding_size=384,
                          num_attention_heads=12, intermediate_size=1536), 32, 128, 16),
}
THROWN_AWAY, STEPS = 2, 7


class Adapted(torch.nn.Module):
    """A frozen linear layer beside a low-rank one."""

    def __init__(self, layer, rank):
        super().__init__()
        self.layer = layer
        self.a = torch.nn.Parameter(torch.randn(rank, layer.in_features) * 0.02)
        self.b = torch.nn.Parameter(torch.randn(layer.out_features, rank) * 0.02)

    def forward(self, x):
        return self.layer(x) + (x @ self.a.T) @ self.b.T


def model(shape, rank, attention):
    made = ElectraForPreTraining(ElectraConfig(**shape, attn_implementation=attention))
    if rank is not None:
        for parameter in made.electra.parameters():
            parameter.requires_grad_(False)
        for module in list(made.electra.encoder.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, torch.nn.Linear):
                    setattr(module, name, Adapted(child, rank))
    return made.train()


def measure(name, attention):
    shape, windows, tokens, rank = MODELS[name]
    net = model(shape, rank, attention)
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=1e-4, foreach=True)
    ids = torch.tensor([[1000 + (window * 7919 + at * 104729) % 20000 for at in range(tokens)]
                        for window in range(windows)])
    fake = (torch.arange(windows * tokens) % 7 == 0).float().view(windows, tokens)
    times = []
    for step in range(THROWN_AWAY + STEPS):
        started = time.perf_counter()
        logits = net(input_ids=ids).logits
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, fake)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step >= THROWN_AWAY:
            times.append(time.perf_counter() - started)
    return windows * tokens / statistics.median(times)


def turn(*command):
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(answer.stdout)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("models", nargs="*", default=list(MODELS), metavar="MODEL")
    arguments.add_argument("--ours", metavar="PROGRAM")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--attention", default="eager", choices=["eager", "sdpa"])
    arguments.add_argument("--once", action="store_true", help="print one model's tokens/s alone")
    arguments = arguments.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if arguments.once:
        print(measure(arguments.models[0], arguments.attention))
        return
    print("| model | PyTorch, tokens/s | ours, tokens/s | ours / PyTorch, each round | median |")
    print("|---|---|---|---|---|")
    for name in arguments.models:
        theirs, ours = [], []
        for _ in range(arguments.rounds):
            theirs.append(turn(sys.executable, os.path.abspath(__file__), "--once",
                               "--attention", arguments.attention, name))
            if arguments.ours:
                ours.append(turn(arguments.ours, name))
        ratios = [own / other for own, other in zip(ours, theirs)]
        print(f"| {name} | {statistics.median(theirs):.0f} "
              f"| {statistics.median(ours) if ours else float('nan'):.0f} "
              f"| {', '.join(f'{ratio:.2f}' for ratio in ratios)} "
              f"| {statistics.median(ratios) if ratios else float('nan'):.2f} |", flush=True)


if __name__ == "__main__":
    main()
