//! A PyTorch archive; or, where the input does not begin like one, a pickle that is put into one with
//! four kilobytes of numbers, so that the interpreter is reached without luck.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if data.starts_with(b"PK") {
        electroscope_fuzz::read(&[("pytorch_model.bin", data)]);
    } else {
        let archive = archive(&[("a/data.pkl", data), ("a/data/0", &[1; 4096])]);
        electroscope_fuzz::read(&[("pytorch_model.bin", &archive)]);
    }
});

/// A zip file of stored entries.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut list) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let offset = body.len() as u32;
        let (len, name_len) = (bytes.len() as u32, name.len() as u16);
        body.extend(b"PK\x03\x04");
        body.extend([0; 14]);
        body.extend(len.to_le_bytes());
        body.extend(len.to_le_bytes());
        body.extend(name_len.to_le_bytes());
        body.extend([0; 2]);
        body.extend(name.as_bytes());
        body.extend(*bytes);
        list.extend(b"PK\x01\x02");
        list.extend([0; 16]);
        list.extend(len.to_le_bytes());
        list.extend(len.to_le_bytes());
        list.extend(name_len.to_le_bytes());
        list.extend([0; 12]);
        list.extend(offset.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let (count, start, len) = (files.len() as u16, body.len() as u32, list.len() as u32);
    body.extend(list);
    body.extend(b"PK\x05\x06");
    body.extend([0; 4]);
    body.extend(count.to_le_bytes());
    body.extend(count.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(start.to_le_bytes());
    body.extend([0; 2]);
    body
}
