//! An index, a zero, and a safetensors file that goes by both of the names that seeds use.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let (index, shard) = (parts.next().unwrap_or(&[]), parts.next().unwrap_or(&[]));
    electroscope_fuzz::read(&[
        ("model.safetensors.index.json", index),
        ("a.safetensors", shard),
        ("b.safetensors", shard),
    ]);
});
