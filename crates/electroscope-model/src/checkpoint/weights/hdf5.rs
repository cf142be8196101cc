//! HDF5, as far as Keras uses it: groups in groups, and in them arrays that lie in one piece.
//!
//! That is the layout which h5py writes unless told otherwise: superblock 0, a B-tree and a heap of
//! names for each group, object headers of version 1, contiguous data. What else the format allows
//! (newer groups, chunks, compression, numbers in other files, links to elsewhere) is refused by
//! name. Attributes are passed over.
//!
//! The crates that read HDF5 read all of it, and keep what the file asks them to keep: many short
//! entries may share one long name, so that hdf5-reader 0.12 took 2.9 GB for a file of 400 kB and
//! hdf5-pure 0.47 took 2 GB. Here names are looked at where they lie, every group is entered once,
//! and a budget of steps ends what goes round in circles.

use std::collections::BTreeSet;

use super::{Fault, LONGEST_NAME, MOST_AXES, MOST_TENSORS, NumberType, bytes_of};

/// An array in the file.
pub(super) struct Dataset {
    /// The names of its groups and its own, with slashes between.
    pub(super) path: String,
    pub(super) numbers: NumberType,
    pub(super) shape: Vec<usize>,
    /// Its first byte in the file.
    pub(super) offset: usize,
}

/// How many groups may stand in one another. An encoder's are ten deep.
const DEEPEST: usize = 24;

/// How deep the tree of a group's entries may be: with two to a node, enough for sixty thousand.
const HIGHEST_TREE: u8 = 16;

/// How many links and messages may be looked at. The largest models have some ten thousand.
const MOST_STEPS: usize = 1 << 18;

/// An address that leads nowhere.
const NOWHERE: u64 = u64::MAX;

/// The arrays in the file `data`, by their groups.
pub(super) fn datasets(data: &[u8]) -> Result<Vec<Dataset>, Fault> {
    let header = superblock(data)?;
    let mut walk = Walk {
        data,
        steps: MOST_STEPS,
        entered: BTreeSet::new(),
        found: Vec::new(),
    };
    walk.object(header, &mut String::new(), 0)?;
    Ok(walk.found)
}

/// The address of the root group's header.
fn superblock(data: &[u8]) -> Result<u64, Fault> {
    let rest = data
        .strip_prefix(b"\x89HDF\r\n\x1a\n")
        .ok_or("it does not begin like an HDF5 file")?;
    let cut = || format!("it has {} bytes, too few for an HDF5 file", data.len());
    let version = rest.first().copied().ok_or_else(cut)?;
    if version != 0 {
        return Err(Fault::Unread(format!(
            "its HDF5 superblock is of version {version}, and Keras writes version 0"
        )));
    }
    let sizes = (rest.get(5), rest.get(6));
    if sizes != (Some(&8), Some(&8)) {
        return Err(Fault::Unread("its addresses are not of 8 bytes".to_owned()));
    }
    let number = |at: usize| u64_at(data, at).ok_or_else(cut);
    let (base, end, root) = (number(24)?, number(40)?, number(64)?);
    if base != 0 {
        return Err(Fault::Unread(
            "something else stands before the HDF5 data".to_owned(),
        ));
    }
    if end > data.len() as u64 {
        return Err(Fault::Damaged(format!(
            "it should have {end} bytes, and has {}",
            data.len()
        )));
    }
    Ok(root)
}

struct Walk<'a> {
    data: &'a [u8],
    /// How many more links and messages may be looked at.
    steps: usize,
    /// The addresses of groups and of the nodes of their trees that have been read.
    entered: BTreeSet<u64>,
    found: Vec<Dataset>,
}

/// A message of an object's header: its kind, its flags, its content.
type Message<'a> = (u16, u8, &'a [u8]);

/// The kinds of message that matter.
mod kind {
    pub(super) const SPACE: u16 = 0x01;
    pub(super) const LINKS: u16 = 0x02;
    pub(super) const TYPE: u16 = 0x03;
    pub(super) const LINK: u16 = 0x06;
    pub(super) const OTHER_FILES: u16 = 0x07;
    pub(super) const LAYOUT: u16 = 0x08;
    pub(super) const FILTERS: u16 = 0x0b;
    pub(super) const GOES_ON: u16 = 0x10;
    pub(super) const SYMBOLS: u16 = 0x11;
}

impl<'a> Walk<'a> {
    /// Reads the group or array whose header is at `address`.
    fn object(&mut self, address: u64, path: &mut String, depth: usize) -> Result<(), Fault> {
        let messages = self.messages(address, path)?;
        let find = |wanted: u16| {
            let mut found = messages.iter().filter(|message| message.0 == wanted);
            found.next().map(|&(_, flags, content)| (flags, content))
        };
        if find(kind::LINKS).is_some() || find(kind::LINK).is_some() {
            return Err(Fault::Unread(format!(
                "the group `/{path}` is of a newer kind than Keras writes"
            )));
        }
        match (find(kind::SYMBOLS), find(kind::LAYOUT)) {
            (Some((_, symbols)), None) => {
                if depth > DEEPEST {
                    return Err(Fault::Damaged(format!(
                        "groups stand in one another more than {DEEPEST} deep"
                    )));
                }
                if !self.entered.insert(address) {
                    return Err(Fault::Damaged(format!(
                        "the group `/{path}` is also another group"
                    )));
                }
                let addresses = (u64_at(symbols, 0), u64_at(symbols, 8));
                let (Some(tree), Some(heap)) = addresses else {
                    return Err(Fault::Damaged(format!(
                        "the group `/{path}` has no list of entries"
                    )));
                };
                let names = self.heap(heap, path)?;
                self.tree(tree, names, None, path, depth)
            }
            (None, Some((_, layout))) => {
                for (wanted, what) in [
                    (kind::OTHER_FILES, "has its numbers in other files"),
                    (kind::FILTERS, "is compressed"),
                ] {
                    if find(wanted).is_some() {
                        return Err(Fault::Unread(format!("the array `/{path}` {what}")));
                    }
                }
                let (Some(space), Some(numbers)) = (find(kind::SPACE), find(kind::TYPE)) else {
                    return Err(Fault::Damaged(format!(
                        "the array `/{path}` has no shape or type"
                    )));
                };
                self.dataset(path, space, numbers, layout)
            }
            _ => Err(Fault::Unread(format!(
                "`/{path}` is neither a group nor an array"
            ))),
        }
    }

    /// The messages of the header at `address`.
    fn messages(&mut self, address: u64, path: &str) -> Result<Vec<Message<'a>>, Fault> {
        let cut = || {
            Fault::Damaged(format!(
                "the header of `/{path}` at {address} reaches past the end"
            ))
        };
        let header = self.from(address).ok_or_else(cut)?;
        if header.starts_with(b"OHDR") {
            return Err(Fault::Unread(format!(
                "the header of `/{path}` is of a newer kind than Keras writes"
            )));
        }
        if header.first() != Some(&1) {
            return Err(Fault::Damaged(format!(
                "there is no header of `/{path}` at {address}"
            )));
        }
        let count = u16_at(header, 2).ok_or_else(cut)?;
        let len = u32_at(header, 8).ok_or_else(cut)? as usize;
        let mut blocks = vec![
            header
                .get(16..)
                .and_then(|rest| rest.get(..len))
                .ok_or_else(cut)?,
        ];
        let mut messages = Vec::new();
        while let Some(mut block) = blocks.pop() {
            // What is left at the end of a block may be too short for a message.
            while block.len() >= 8 && messages.len() < count.into() {
                self.step()?;
                let (head, rest) = block.split_at_checked(8).ok_or_else(cut)?;
                let (kind, len) = (
                    u16_at(head, 0).ok_or_else(cut)?,
                    u16_at(head, 2).ok_or_else(cut)?,
                );
                let flags = head.get(4).copied().unwrap_or_default();
                let content;
                (content, block) = rest.split_at_checked(len.into()).ok_or_else(cut)?;
                if kind == kind::GOES_ON {
                    let (at, len) = (u64_at(content, 0), u64_at(content, 8));
                    let (Some(at), Some(len)) = (at, len.and_then(|len| usize::try_from(len).ok()))
                    else {
                        return Err(cut());
                    };
                    let more = self.from(at).and_then(|rest| rest.get(..len));
                    blocks.push(more.ok_or_else(cut)?);
                }
                messages.push((kind, flags, content));
            }
        }
        Ok(messages)
    }

    /// The bytes of the heap at `address` that names lie in.
    fn heap(&self, address: u64, path: &str) -> Result<&'a [u8], Fault> {
        let read = || {
            let heap = self.from(address)?;
            heap.strip_prefix(b"HEAP\0")?;
            let len = usize::try_from(u64_at(heap, 8)?).ok()?;
            self.from(u64_at(heap, 24)?)?.get(..len)
        };
        let damaged = || Fault::Damaged(format!("the names in group `/{path}` cannot be read"));
        read().ok_or_else(damaged)
    }

    /// Reads the node of a group's tree that is at `address`, and what is below it. A node below
    /// another knows its own height.
    fn tree(
        &mut self,
        address: u64,
        names: &'a [u8],
        height: Option<u8>,
        path: &mut String,
        depth: usize,
    ) -> Result<(), Fault> {
        if !self.entered.insert(address) {
            return Err(Fault::Damaged(format!(
                "entries of group `/{path}` are also those of another"
            )));
        }
        let damaged =
            |path: &str| Fault::Damaged(format!("the entries of group `/{path}` cannot be read"));
        let node = self
            .from(address)
            .filter(|node| node.starts_with(b"TREE\0"))
            .ok_or_else(|| damaged(path))?;
        let found = node.get(5).copied().ok_or_else(|| damaged(path))?;
        if found > HIGHEST_TREE || height.is_some_and(|height| found != height) {
            return Err(damaged(path));
        }
        for index in 0..usize::from(u16_at(node, 6).ok_or_else(|| damaged(path))?) {
            self.step()?;
            // A key stands before each child, and one after the last.
            let child = u64_at(node, 24 + 8 + 16 * index).ok_or_else(|| damaged(path))?;
            match found.checked_sub(1) {
                Some(below) => self.tree(child, names, Some(below), path, depth)?,
                None => self.symbols(child, names, path, depth)?,
            }
        }
        Ok(())
    }

    /// Reads the entries of a group that are listed at `address`.
    fn symbols(
        &mut self,
        address: u64,
        names: &'a [u8],
        path: &mut String,
        depth: usize,
    ) -> Result<(), Fault> {
        const LEN: usize = 40;
        let damaged =
            |path: &str| Fault::Damaged(format!("an entry of group `/{path}` cannot be read"));
        if !self.entered.insert(address) {
            return Err(Fault::Damaged(format!(
                "entries of group `/{path}` are also those of another"
            )));
        }
        let node = self
            .from(address)
            .filter(|node| node.starts_with(b"SNOD\x01"))
            .ok_or_else(|| damaged(path))?;
        for index in 0..usize::from(u16_at(node, 6).ok_or_else(|| damaged(path))?) {
            self.step()?;
            let entry = node.get(8 + LEN * index..).ok_or_else(|| damaged(path))?;
            let (at, target, how) = (u64_at(entry, 0), u64_at(entry, 8), u32_at(entry, 16));
            let (Some(at), Some(target), Some(how)) = (at, target, how) else {
                return Err(damaged(path));
            };
            let name = usize::try_from(at).ok().and_then(|at| name_at(names, at));
            let Some(name) = name else {
                return Err(Fault::Damaged(format!(
                    "an entry of group `/{path}` has no proper name"
                )));
            };
            let parent = path.len();
            if parent > 0 {
                path.push('/');
            }
            path.push_str(name);
            if path.len() > LONGEST_NAME {
                return Err(Fault::Damaged(format!(
                    "the name of an array has {} letters, and none has more than {LONGEST_NAME}",
                    path.len()
                )));
            }
            if how == 2 {
                return Err(Fault::Unread(format!("`/{path}` is a link to elsewhere")));
            }
            self.object(target, path, depth + 1)?;
            path.truncate(parent);
        }
        Ok(())
    }

    /// Notes the array that these messages describe.
    fn dataset(
        &mut self,
        path: &str,
        (_, space): (u8, &[u8]),
        (flags, numbers): (u8, &[u8]),
        layout: &[u8],
    ) -> Result<(), Fault> {
        const SHARED: u8 = 2;
        let of = |what: &str| format!("the array `/{path}` {what}");
        if flags & SHARED != 0 {
            return Err(Fault::Unread(of("has a type that stands elsewhere")));
        }
        let Some(numbers) = number_type(numbers, path)? else {
            return Ok(());
        };
        let shape = extents(space).ok_or_else(|| of("has a shape that cannot be read"))?;
        match (layout.first(), layout.get(1)) {
            (Some(3 | 4), Some(1)) => {}
            (Some(3 | 4), Some(2)) => return Err(Fault::Unread(of("lies in chunks"))),
            _ => return Err(Fault::Unread(of("does not lie in one piece of the file"))),
        }
        let cut = || of("has no place in the file");
        let address = u64_at(layout, 2).ok_or_else(cut)?;
        let len = u64_at(layout, 10).ok_or_else(cut)?;
        if bytes_of(numbers, &shape).map(|bytes| bytes as u64) != Some(len) {
            return Err(Fault::Damaged(of(&format!(
                "of shape {shape:?} in {} does not take {len} bytes",
                numbers.name()
            ))));
        }
        let offset = match (address, len) {
            (NOWHERE, 0) => Some(0),
            _ => usize::try_from(address).ok().filter(|_| {
                let end = address.checked_add(len);
                end.is_some_and(|end| end <= self.data.len() as u64)
            }),
        };
        let offset = offset.ok_or_else(|| {
            of(&format!(
                "claims {len} bytes at {address}, and the file has {}",
                self.data.len()
            ))
        })?;
        if self.found.len() >= MOST_TENSORS {
            return Err(Fault::Damaged(format!(
                "it has more arrays than any model, over {MOST_TENSORS}"
            )));
        }
        self.found.push(Dataset {
            path: path.to_owned(),
            numbers,
            shape,
            offset,
        });
        Ok(())
    }

    /// The file from `address` on.
    fn from(&self, address: u64) -> Option<&'a [u8]> {
        self.data.get(usize::try_from(address).ok()?..)
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.steps = self
            .steps
            .checked_sub(1)
            .ok_or("it has more groups and headers than any model needs")?;
        Ok(())
    }
}

/// The type that an array's message describes; nothing where it is not of numbers.
fn number_type(message: &[u8], path: &str) -> Result<Option<NumberType>, Fault> {
    const INTEGER: u8 = 0;
    const FLOAT: u8 = 1;
    let cut = || format!("the type of array `/{path}` cannot be read");
    let class = message.first().ok_or_else(cut)? & 0x0f;
    let bits = message.get(1..4).ok_or_else(cut)?;
    let size = u32_at(message, 4).ok_or_else(cut)?;
    let (&[order, sign, ..], true) = (bits, matches!(class, INTEGER | FLOAT)) else {
        return Ok(None);
    };
    if order & 0x41 != 0 {
        return Err(Fault::Unread(format!("the array `/{path}` is big-endian")));
    }
    if class == INTEGER {
        return Ok(Some(match size {
            8 => NumberType::Other("I64", 8),
            4 => NumberType::Other("I32", 4),
            2 => NumberType::Other("I16", 2),
            1 => NumberType::Other("I8", 1),
            _ => return Ok(None),
        }));
    }
    // Where the bits begin and how many there are; then the exponent's and the mantissa's.
    let layout = message.get(8..16).ok_or_else(cut)?;
    let bias = u32_at(message, 16).ok_or_else(cut)?;
    Ok(Some(match (size, sign, layout, bias) {
        (4, 31, [0, 0, 32, 0, 23, 8, 0, 23], 127) => NumberType::F32,
        (2, 15, [0, 0, 16, 0, 10, 5, 0, 10], 15) => NumberType::F16,
        (2, 15, [0, 0, 16, 0, 7, 8, 0, 7], 127) => NumberType::BF16,
        (8, 63, [0, 0, 64, 0, 52, 11, 0, 52], 1023) => NumberType::F64,
        _ => {
            let what =
                format!("the array `/{path}` holds an unknown kind of number of {size} bytes");
            return Err(Fault::Unread(what));
        }
    }))
}

/// The extents that an array's message tells.
fn extents(message: &[u8]) -> Option<Vec<usize>> {
    let axes = usize::from(*message.get(1)?);
    let first = match message.first()? {
        1 => 8,
        2 => 4,
        _ => return None,
    };
    (axes <= MOST_AXES).then_some(())?;
    (0..axes)
        .map(|axis| usize::try_from(u64_at(message, first + 8 * axis)?).ok())
        .collect()
}

/// The name that begins at `at` and ends with a zero, if it is one.
fn name_at(names: &[u8], at: usize) -> Option<&str> {
    let rest = names.get(at..)?;
    let rest = rest.get(..=LONGEST_NAME).unwrap_or(rest);
    let len = rest.iter().position(|&byte| byte == 0)?;
    let name = std::str::from_utf8(rest.get(..len)?).ok()?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
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
