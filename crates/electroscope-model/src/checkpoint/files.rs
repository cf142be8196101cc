//! The names of the files that a checkpoint is made of, for readers, writers and downloads.

use std::path::Path;

/// The configuration.
pub(crate) const CONFIG: &str = "config.json";

/// A tokenizer, by preference.
pub(crate) const TOKENIZERS: [&str; 2] = ["tokenizer.json", "vocab.txt"];

/// What names the file of every tensor where safetensors weights are in several files.
pub(crate) const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";

/// Weights, by preference. TensorFlow 1's checkpoint, the last, has its tensors in files beside it.
pub(crate) const WEIGHTS: [&str; 6] = [
    "model.safetensors",
    SAFETENSORS_INDEX,
    "pytorch_model.bin",
    "flax_model.msgpack",
    "tf_model.h5",
    "model.ckpt.index",
];

/// The file that says that a folder holds an adapter.
pub(crate) const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Its weights, by preference.
pub(crate) const ADAPTER_WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// How many files the weights are in, if `name` is that of one of several.
pub(crate) fn shard_count(name: &str) -> Option<usize> {
    let name = name.strip_prefix("model-")?.strip_suffix(".safetensors")?;
    let (number, count) = name.split_once("-of-")?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(number) && is_number(count)).then_some(())?;
    count.parse().ok()
}

/// The names in a folder, for a message.
pub(crate) fn listing(folder: &Path) -> String {
    /// A folder of a thousand files would bury the message.
    const MOST: usize = 12;
    let Ok(entries) = std::fs::read_dir(folder) else {
        return "nothing that can be listed".to_owned();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    match names.len() {
        0 => "no files".to_owned(),
        n if n > MOST => format!("{} and {} more", names[..MOST].join(", "), n - MOST),
        _ => names.join(", "),
    }
}
