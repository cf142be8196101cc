"""Writes the `projected` fixture once more in the other formats that ELECTRA was published in.

Nothing here lays out a file: each is written by the framework that the format belongs to. PyTorch and
TensorFlow cannot be loaded into one process, so there are two environments and four runs:

    python -m venv target/reference
    target/reference/bin/pip install torch transformers safetensors
    target/reference/bin/python tests/reference/make_formats.py shards

    python -m venv target/formats
    target/formats/bin/pip install transformers==4.49.0 tensorflow-cpu tf-keras flax safetensors
    for format in keras flax bundle; do
        target/formats/bin/python tests/reference/make_formats.py $format
    done

- shards: `save_pretrained` of Transformers with a small `max_shard_size`.
- keras: `TFElectraForPreTraining.save_pretrained`, Transformers 4 being the last with TensorFlow
  classes; Keras writes the HDF5 file.
- flax: `FlaxElectraForPreTraining.save_pretrained`, likewise; and chunked.msgpack, the generator with
  arrays over 600 bytes cut in pieces, as Flax does with those over a gigabyte.
- bundle: variables named as google-research/electra names them, with a few of the optimizer's beside
  them, saved by `tf.compat.v1.train.Saver`. model.ckpt holds a discriminator and its generator;
  in tied.ckpt the generator has the discriminator's embeddings, as in the published checkpoints.

The numbers are those of `fixtures/projected`, and so are the logits that they must give. The files
that are checked in were made with torch 2.15.0, transformers 5.23.0 and 4.49.0, tensorflow-cpu 2.21.0,
tf-keras 2.21.0, flax 0.12.8, h5py 3.14.0, msgpack 1.2.4, numpy 2.4.6 on Python 3.11.
"""

import argparse
import os
import pathlib
import re
import tempfile

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

HERE = pathlib.Path(__file__).parent
PROJECTED = HERE / "fixtures" / "projected"
HEADS = {"": "ElectraForPreTraining", "generator": "ElectraForMaskedLM"}


def shards(out):
    import transformers

    for place, name in HEADS.items():
        model = getattr(transformers, name).from_pretrained(PROJECTED / place)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder, max_shard_size="8KB")
            keep(folder, out / place, "model*.safetensors*")


def keras(out):
    import transformers

    for place, name in HEADS.items():
        model = getattr(transformers, "TF" + name).from_pretrained(PROJECTED / place)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder, safe_serialization=False)
            keep(folder, out / place, "tf_model.h5")


def flax(out):
    import flax.serialization
    import jax.numpy
    import transformers
    from flax.traverse_util import flatten_dict, unflatten_dict
    from safetensors.numpy import load_file
    from transformers.modeling_flax_pytorch_utils import rename_key_and_reshape_tensor

    for place, name in HEADS.items():
        config = transformers.ElectraConfig.from_pretrained(PROJECTED / place)
        model = getattr(transformers, "Flax" + name)(config)
        wanted = flatten_dict(model.params)
        # What from_pretrained(from_pt=True) does, which would load PyTorch.
        found = dict(
            rename_key_and_reshape_tensor(tuple(key.split(".")), value, wanted, "electra")
            for key, value in load_file(PROJECTED / place / "model.safetensors").items()
        )
        assert found.keys() == wanted.keys(), found.keys() ^ wanted.keys()
        model.params = unflatten_dict({key: jax.numpy.asarray(value) for key, value in found.items()})
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder, safe_serialization=False)
            keep(folder, out / place, "flax_model.msgpack")
    flax.serialization.MAX_CHUNK_SIZE = 600
    (out / "chunked.msgpack").write_bytes(flax.serialization.to_bytes(model.params))


def bundle(out):
    import tensorflow
    from safetensors.numpy import load_file

    v1 = tensorflow.compat.v1
    discriminator = dict(variables(load_file(PROJECTED / "model.safetensors"), "electra"))
    generator = dict(variables(load_file(PROJECTED / "generator" / "model.safetensors"), "generator"))
    own = {name: value for name, value in generator.items() if not name.startswith("generator/embeddings/")}
    for checkpoint, values in [("model.ckpt", discriminator | generator), ("tied.ckpt", discriminator | own)]:
        with v1.Graph().as_default(), v1.Session() as session:
            kept = [v1.Variable(value, name=name) for name, value in values.items()]
            for name in ["electra/embeddings/word_embeddings", "discriminator_predictions/dense/kernel"]:
                kept += [v1.Variable(0 * values[name], name=f"{name}/{slot}") for slot in ["adam_m", "adam_v"]]
            kept.append(v1.Variable(1000, name="global_step", dtype=tensorflow.int64))
            session.run(v1.global_variables_initializer())
            with tempfile.TemporaryDirectory() as folder:
                v1.train.Saver(kept).save(session, f"{folder}/{checkpoint}", write_meta_graph=False)
                keep(folder, out, f"{checkpoint}.*")


def variables(state, scope):
    """The variables of google-research/electra by the names of Transformers."""
    for name, value in state.items():
        name = name.replace("generator_lm_head.bias", "generator_predictions.output_bias")
        name = name.replace("dense_prediction.", "dense_1.")
        name = re.sub(r"^electra\.", f"{scope}.", name)
        name = re.sub(r"layer\.(\d+)", r"layer_\1", name)
        name = re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", name)
        name = re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", name)
        if name.endswith("_embeddings.weight"):
            name = name.removesuffix(".weight")
        elif name.endswith(".weight"):
            name, value = name.removesuffix(".weight") + ".kernel", value.T
        yield name.replace(".", "/"), value


def keep(folder, out, pattern):
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(pathlib.Path(folder).glob(pattern)):
        (out / path.name).write_bytes(path.read_bytes())
        print(out / path.name, path.stat().st_size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    formats = {"shards": shards, "keras": keras, "flax": flax, "bundle": bundle}
    parser.add_argument("format", choices=formats)
    parser.add_argument("out", type=pathlib.Path, nargs="?", default=HERE / "formats")
    arguments = parser.parse_args()
    formats[arguments.format](arguments.out / arguments.format)


main()
