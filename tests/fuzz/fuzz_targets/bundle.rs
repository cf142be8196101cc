//! The index of a TensorFlow checkpoint, whose checksums are set right first: no change to a block
//! would get past them otherwise. The numbers are zeros.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut index = data.to_vec();
    repair(&mut index);
    electroscope_fuzz::read(&[
        ("model.ckpt.index", &index),
        ("model.ckpt.data-00000-of-00001", &[0; 1 << 16]),
    ]);
});

/// Sets the checksums of the block of blocks and of the blocks that it lists.
fn repair(index: &mut Vec<u8>) -> Option<()> {
    let footer = index.get(index.len().checked_sub(48)?..)?;
    let (_, rest) = handle(footer)?;
    let (blocks, _) = handle(rest)?;
    seal(index, blocks)?;
    // Keys are of no interest here, only the values, which say where the blocks are.
    let list = index
        .get(blocks.0..blocks.0.checked_add(blocks.1)?)?
        .to_vec();
    let places = u32::from_le_bytes(*list.last_chunk()?) as usize;
    let tail = places.checked_add(1)?.checked_mul(4)?;
    let mut rest = list.get(..list.len().checked_sub(tail)?)?;
    while !rest.is_empty() {
        let (_, after) = number(rest)?;
        let (own, after) = number(after)?;
        let (len, after) = number(after)?;
        let value = after.get(own..)?;
        let (block, _) = handle(value)?;
        seal(index, block);
        rest = value.get(len..)?;
    }
    Some(())
}

fn seal(index: &mut [u8], (offset, len): (usize, usize)) -> Option<()> {
    let end = offset.checked_add(len)?.checked_add(1)?;
    let sum = crc32c::crc32c(index.get(offset..end)?);
    let masked = sum.rotate_right(15).wrapping_add(0xa282_ead8);
    index
        .get_mut(end..end.checked_add(4)?)?
        .copy_from_slice(&masked.to_le_bytes());
    Some(())
}

fn handle(data: &[u8]) -> Option<((usize, usize), &[u8])> {
    let (offset, rest) = number(data)?;
    let (len, rest) = number(rest)?;
    Some(((offset, len), rest))
}

fn number(data: &[u8]) -> Option<(usize, &[u8])> {
    let len = data.iter().take(9).position(|byte| byte & 0x80 == 0)?;
    let digits = data.get(..=len)?.iter().rev();
    let number = digits.fold(0usize, |number, byte| {
        number << 7 | usize::from(byte & 0x7f)
    });
    Some((number, data.get(len + 1..)?))
}
