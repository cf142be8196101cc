//! The list of contents of a PyTorch archive: which stored file lies where.
//!
//! PyTorch writes a zip file of the plainest kind: nothing is compressed, encrypted or commented on,
//! and the list stands at the very end. The `zip` crate reads that and much more, but for a file made
//! with ill will it is too obliging: it reserves room for as many entries as the file claims, tries
//! every place that might be the end of the list (a quarter of a megabyte of such places kept
//! version 8.6 busy for half a second, and the time grows with the square of the size), and lets
//! the last of two equal names win. This reads the plain kind and no other.

use std::collections::BTreeMap;

use super::{LONGEST_NAME, MOST_TENSORS, overlap};

/// Where a stored file lies in the archive.
#[derive(Clone, Copy)]
pub(super) struct Stored {
    pub(super) offset: usize,
    pub(super) len: usize,
}

/// What a 32-bit field says when the number stands in the 64-bit one.
const SEE_64: u64 = 0xffff_ffff;

/// The stored files of the archive `data` by their names, or what is wrong with it.
pub(super) fn contents(data: &[u8]) -> Result<BTreeMap<String, Stored>, String> {
    let list = List::find(data).ok_or("the list of contents at its end is missing")?;
    if list.count > MOST_TENSORS as u64 {
        return Err(format!(
            "its list of contents claims {} entries, and no model has more than {MOST_TENSORS}",
            list.count
        ));
    }
    let mut rest = bytes(data, list.offset, list.len).ok_or_else(|| {
        format!(
            "its list of contents claims {} bytes from {} on, and the file has {} in all",
            list.len,
            list.offset,
            data.len()
        )
    })?;
    let mut files = BTreeMap::new();
    let mut taken = Vec::new();
    for index in 0..list.count {
        let entry;
        (entry, rest) = Entry::read(rest)
            .ok_or_else(|| format!("entry {index} of its list of contents is cut off"))?;
        let name = String::from_utf8_lossy(entry.name).into_owned();
        if name.len() > LONGEST_NAME {
            return Err(format!(
                "entry {index} has a name of {} bytes",
                entry.name.len()
            ));
        }
        if entry.method != 0 || entry.flags & 1 != 0 || entry.len != entry.packed {
            return Err(format!(
                "entry {name} is compressed or encrypted, and PyTorch stores plainly"
            ));
        }
        let stored = entry.locate(data).ok_or_else(|| {
            format!(
                "entry {name} claims {} bytes at {}, and there is no such entry in the {} bytes of the file",
                entry.len,
                entry.offset,
                data.len()
            )
        })?;
        taken.push((stored.offset, stored.offset + stored.len));
        if files.insert(name.clone(), stored).is_some() {
            return Err(format!("it has two entries {name}"));
        }
    }
    if let Some((from, to)) = overlap(taken) {
        return Err(format!("two entries share the bytes from {from} to {to}"));
    }
    Ok(files)
}

/// Where the list of contents is, by the record at the end of the file.
struct List {
    count: u64,
    len: u64,
    offset: u64,
}

impl List {
    fn find(data: &[u8]) -> Option<List> {
        const LEN: usize = 22;
        let end = data.len().checked_sub(LEN)?;
        let record = data.get(end..)?.strip_prefix(b"PK\x05\x06")?;
        let list = List {
            count: u16_at(record, 6)?.into(),
            len: u32_at(record, 8)?.into(),
            offset: u32_at(record, 12)?.into(),
        };
        if list.count < 0xffff && list.len < SEE_64 && list.offset < SEE_64 {
            return Some(list);
        }
        let locator = data.get(end.checked_sub(20)?..)?;
        let at = u64_at(locator.strip_prefix(b"PK\x06\x07")?, 4)?;
        let record = data.get(usize::try_from(at).ok()?..)?;
        let record = record.strip_prefix(b"PK\x06\x06")?;
        Some(List {
            count: u64_at(record, 28)?,
            len: u64_at(record, 36)?,
            offset: u64_at(record, 44)?,
        })
    }
}

/// An entry of the list.
struct Entry<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    packed: u64,
    len: u64,
    offset: u64,
}

impl<'a> Entry<'a> {
    /// The entry at the start of `list`, and the list after it.
    fn read(list: &'a [u8]) -> Option<(Entry<'a>, &'a [u8])> {
        const LEN: usize = 46;
        list.strip_prefix(b"PK\x01\x02")?;
        let lengths = [28, 30, 32].map(|at| u16_at(list, at).map(usize::from));
        let [Some(name), Some(extra), Some(comment)] = lengths else {
            return None;
        };
        let tail = list.get(LEN..)?;
        let (name, tail) = tail.split_at_checked(name)?;
        let (extra, tail) = tail.split_at_checked(extra)?;
        let (_, rest) = tail.split_at_checked(comment)?;
        let mut entry = Entry {
            name,
            flags: u16_at(list, 8)?,
            method: u16_at(list, 10)?,
            packed: u32_at(list, 20)?.into(),
            len: u32_at(list, 24)?.into(),
            offset: u32_at(list, 42)?.into(),
        };
        // The 64-bit numbers stand in this order, each only if its 32-bit field says so.
        let mut long = long_numbers(extra);
        for number in [&mut entry.len, &mut entry.packed, &mut entry.offset] {
            if *number == SEE_64 {
                *number = u64_at(long, 0)?;
                long = long.get(8..)?;
            }
        }
        Some((entry, rest))
    }

    /// Where its bytes are, by the header in front of them.
    fn locate(&self, data: &[u8]) -> Option<Stored> {
        const LEN: usize = 30;
        let start = usize::try_from(self.offset).ok()?;
        let header = data.get(start..)?;
        header.strip_prefix(b"PK\x03\x04")?;
        let (name, extra) = (u16_at(header, 26)?, u16_at(header, 28)?);
        header.get(LEN..)?.strip_prefix(self.name)?;
        (usize::from(name) == self.name.len()).then_some(())?;
        let offset = start + LEN + usize::from(name) + usize::from(extra);
        let len = usize::try_from(self.len).ok()?;
        data.get(offset..)?.get(..len)?;
        Some(Stored { offset, len })
    }
}

/// The extra field that holds 64-bit numbers, or nothing.
fn long_numbers(mut extra: &[u8]) -> &[u8] {
    while let (Some(kind), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let field = extra.get(4..).unwrap_or_default();
        let (field, rest) = field.split_at_checked(len.into()).unwrap_or((field, &[]));
        if kind == 1 {
            return field;
        }
        extra = rest;
    }
    &[]
}

fn bytes(data: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let rest = data.get(usize::try_from(offset).ok()?..)?;
    rest.get(..usize::try_from(len).ok()?)
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*data.get(at..)?.first_chunk()?))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*data.get(at..)?.first_chunk()?))
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*data.get(at..)?.first_chunk()?))
}
