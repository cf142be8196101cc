#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    electroscope_fuzz::read(&[("flax_model.msgpack", data)]);
});
