//! A TensorFlow 2 checkpoint, `tf_model.h5`: the weights that Keras keeps for each layer, in HDF5.
//!
//! Under a group for each layer stand the layer's weights by their full names, which go through the
//! model from its class down: `electra/tf_electra_for_pre_training/electra/encoder/layer_._0/…`. The
//! rules by which these become PyTorch's names are those of Transformers'
//! `modeling_tf_pytorch_utils.py`; a `kernel` is the transpose of a `weight`.
//!
//! A weight that two layers share is written under both. It is taken once, and only if the two
//! copies are the same.

use std::collections::BTreeMap;

use super::hdf5::{self, Dataset};
use super::{Entry, Fault, add, bytes_of, overlap};

/// The tensors that `data`, the whole file, holds.
pub(super) fn entries(data: &[u8]) -> Result<BTreeMap<String, Entry>, Fault> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    // Where each tensor was found.
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    let mut taken = Vec::new();
    // First bytes and lengths of what must be equal.
    let mut copies = Vec::new();
    for Dataset {
        path,
        numbers,
        shape,
        offset,
    } in hdf5::datasets(data)?
    {
        let (name, is_kernel) = torch_name(&path);
        let len = bytes_of(numbers, &shape).unwrap_or_default();
        let entry = Entry::plain(numbers, shape, offset);
        let entry = match (is_kernel, entry.shape.len()) {
            // The kernel of a convolution.
            (true, 4) => entry.permuted(&[3, 2, 0, 1]),
            (true, _) => entry.transposed(),
            (false, _) => entry,
        };
        match (entries.get(&name), paths.get(&name)) {
            (Some(before), Some(other)) => {
                let alike = (before.numbers, &before.shape) == (entry.numbers, &entry.shape);
                if !alike || *other == path {
                    return Err(twice(other, &path));
                }
                // It may also be the same array by another name.
                if before.offset != offset {
                    taken.push((offset, offset + len));
                    copies.push((before.offset, offset, len, name, path));
                }
            }
            _ => {
                taken.push((offset, offset + len));
                paths.insert(name.clone(), path);
                add(&mut entries, name, entry)?;
            }
        }
    }
    if let Some((from, to)) = overlap(taken) {
        return Err(Fault::Damaged(format!(
            "two arrays share the bytes from {from} to {to}"
        )));
    }
    // Only now, since what overlaps could be compared for ever.
    let bytes = |from: usize, len: usize| data.get(from..).and_then(|rest| rest.get(..len));
    for (one, other, len, name, path) in copies {
        if bytes(one, len) != bytes(other, len) {
            let before = paths.get(&name).map_or("", String::as_str);
            return Err(twice(before, &path));
        }
    }
    Ok(entries)
}

fn twice(one: &str, other: &str) -> Fault {
    Fault::Damaged(format!(
        "the arrays `/{one}` and `/{other}` would be the same tensor"
    ))
}

/// What PyTorch calls the weight at `path`, and whether it is its transpose.
fn torch_name(path: &str) -> (String, bool) {
    // The layer's group, and the class of the model.
    let within = path.split_once('/').map_or(path, |(_, within)| within);
    let within = within.split_once('/').map_or(within, |(_, within)| within);
    let within = within.replace(":0", "");
    let mut parts: Vec<&str> = Vec::new();
    let mut places = within.split('/').peekable();
    while let Some(place) = places.next() {
        // What stands before `___` is TensorFlow's own name for the layer.
        let place = match place.rsplit_once("___") {
            Some((_, name)) if places.peek().is_some() => name,
            _ => place,
        };
        parts.extend(place.split("_._").filter(|part| !part.is_empty()));
    }
    let last = parts.pop().unwrap_or_default();
    parts.push(match last {
        "kernel" | "embeddings" | "gamma" => "weight",
        "beta" => "bias",
        _ => last,
    });
    (parts.join("."), last == "kernel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_pytorch() {
        for (path, name, is_kernel) in [
            (
                "electra/tf_electra_for_pre_training/electra/encoder/layer_._0/attention/self/query/kernel:0",
                "electra.encoder.layer.0.attention.self.query.weight",
                true,
            ),
            (
                "electra/tf_electra_for_pre_training/electra/embeddings/position_embeddings/embeddings:0",
                "electra.embeddings.position_embeddings.weight",
                false,
            ),
            (
                "bert/tf_bert_for_pre_training/bert/embeddings/LayerNorm/gamma:0",
                "bert.embeddings.LayerNorm.weight",
                false,
            ),
            (
                "mlm___cls/tf_bert_for_pre_training/mlm___cls/predictions/transform/LayerNorm/beta:0",
                "cls.predictions.transform.LayerNorm.bias",
                false,
            ),
            (
                "distilbert/tf_distil_bert_model/distilbert/transformer/layer_._5/ffn/lin1/bias:0",
                "distilbert.transformer.layer.5.ffn.lin1.bias",
                false,
            ),
            (
                "qa_outputs/tf_electra_for_question_answering/qa_outputs/kernel:0",
                "qa_outputs.weight",
                true,
            ),
            (
                "classifier/tf_electra_for_sequence_classification/classifier/out_proj/kernel:0",
                "classifier.out_proj.weight",
                true,
            ),
        ] {
            assert_eq!(torch_name(path), (name.to_owned(), is_kernel), "{path}");
        }
    }
}
