"""Tokens per second of Electroscope's forward pass beside PyTorch's and ONNX Runtime's.

Makes an ELECTRA-small with random weights (12 layers, hidden 256, embedding 128, vocabulary 30,522),
exports it for each, checks that the answers agree, and times all of them in turn on the same number of
threads, round by round, so that whatever else the machine does falls on all alike.

    benches/peers/run forward [--rounds 7] [--threads 2]

which makes a virtual environment, builds the bench and starts this with its path.

A round runs every engine once on every shape; the table has the medians over the rounds, and the
ratios are medians of the ratios within a round.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("program", help="the bench `forward`, built")
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seconds", type=float, default=0.4, help="at least this long per engine, shape and round")
arguments = parser.parse_args()
# Before the libraries are loaded. Whether a thread that waits spins is left as each library has it: that
# takes a core from the next engine's first run only, and medians of many runs are compared.
os.environ.update(OMP_NUM_THREADS=str(arguments.threads))

import numpy
import onnxruntime
import torch
import transformers
from onnxruntime.quantization import QuantType, quantize_dynamic

SHAPES = [(1, 32), (1, 128), (1, 512), (8, 128), (4, 512), (32, 128)]


def ids(batch, length):
    window, at = numpy.ogrid[:batch, :length]
    return (1000 + (window * 7919 + at * 104_729) % 20_000).astype(numpy.int64)


class Ours:
    """The bench program, which runs once for every line it is sent."""

    def __init__(self, folder):
        environment = os.environ | {"RAYON_NUM_THREADS": str(arguments.threads)}
        self.process = subprocess.Popen(
            [arguments.program, "serve", folder], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


def main():
    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    config = transformers.ElectraConfig()
    model = transformers.ElectraForPreTraining(config).eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with open(f"{folder}/vocab.txt", "w") as file:
            names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
            file.writelines(f"{word}\n" for word in names)
            file.writelines(f"t{at}\n" for at in range(config.vocab_size - len(names)))

        class Logits(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, input_ids):
                return self.model(input_ids=input_ids).logits

        torch.onnx.export(
            Logits().eval(), (torch.from_numpy(ids(2, 16)),), f"{folder}/f32.onnx", dynamo=False,
            input_names=["input_ids"], output_names=["logits"],
            dynamic_axes={"input_ids": {0: "batch", 1: "length"}, "logits": {0: "batch", 1: "length"}},
            opset_version=17,
        )
        quantize_dynamic(f"{folder}/f32.onnx", f"{folder}/int8.onnx", weight_type=QuantType.QInt8)

        def session(name):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = arguments.threads
            return onnxruntime.InferenceSession(f"{folder}/{name}.onnx", options)

        ort = {name: session(name) for name in ["f32", "int8"]}
        half = transformers.ElectraForPreTraining(config).eval()
        half.load_state_dict(model.state_dict())
        half = half.to(torch.bfloat16)
        ours = Ours(folder)

        @torch.inference_mode()
        def torch_run(which, batch, length):
            return which(input_ids=torch.from_numpy(ids(batch, length))).logits.float().numpy()

        for batch, length in SHAPES[:4]:
            want = torch_run(model, batch, length)
            for engine, most in [("stock", 1e-4), ("plain", 1e-4), ("f32", 1e-4), ("int8", None)]:
                got = numpy.array([float(x) for x in ours.ask(f"logits {engine} {batch} {length}").split()])
                off = float(numpy.abs(got.reshape(batch, length) - want).max())
                print(f"{engine} {batch} × {length}: logits off PyTorch's by {off:.2e} at most", file=sys.stderr)
                if most is not None and off > most:
                    sys.exit(f"{engine} differs from PyTorch by {off}, more than {most}")

        def clocked(run):
            def once():
                begun = time.perf_counter()
                run()
                return time.perf_counter() - begun
            return once

        engines = {
            "PyTorch f32": lambda b, l: clocked(lambda: torch_run(model, b, l)),
            "PyTorch bf16": lambda b, l: clocked(lambda: torch_run(half, b, l)),
            "ONNX Runtime f32": lambda b, l: clocked(lambda: ort["f32"].run(None, {"input_ids": ids(b, l)})),
            "ONNX Runtime int8": lambda b, l: clocked(lambda: ort["int8"].run(None, {"input_ids": ids(b, l)})),
            "candle, stock operations": lambda b, l: lambda: float(ours.ask(f"stock {b} {l}")),
            "Electroscope plain f32": lambda b, l: lambda: float(ours.ask(f"plain {b} {l}")),
            "Electroscope f32": lambda b, l: lambda: float(ours.ask(f"f32 {b} {l}")),
            "Electroscope int8": lambda b, l: lambda: float(ours.ask(f"int8 {b} {l}")),
        }
        speeds = {(name, shape): [] for name in engines for shape in SHAPES}
        for turn in range(arguments.rounds + 1):
            for shape in SHAPES:
                for name, engine in engines.items():
                    once = engine(*shape)
                    times = [once()]
                    begun = time.perf_counter()
                    while turn and time.perf_counter() - begun < arguments.seconds:
                        times.append(once())
                    # The first round warms up.
                    if turn:
                        speeds[name, shape].append(shape[0] * shape[1] / statistics.median(times))
            print(f"round {turn} of {arguments.rounds}", file=sys.stderr)

        print(f"{platform.machine()}, {arguments.threads} threads, {arguments.rounds} rounds; PyTorch "
              f"{torch.__version__}, transformers {transformers.__version__}, ONNX Runtime "
              f"{onnxruntime.__version__}\n")
        names = list(engines)
        print(f"| batch × length | {' | '.join(names)} | f32 / ONNX Runtime | int8 / ONNX Runtime |")
        print("|" + "---|" * (len(names) + 3))
        for shape in SHAPES:
            cells = [f"{statistics.median(speeds[name, shape]):,.0f}" for name in names]
            for kind in ["f32", "int8"]:
                pairs = zip(speeds[f"Electroscope {kind}", shape], speeds[f"ONNX Runtime {kind}", shape])
                cells.append(f"{statistics.median(a / b for a, b in pairs):.2f}")
            print(f"| {shape[0]} × {shape[1]} | {' | '.join(cells)} |")


main()
