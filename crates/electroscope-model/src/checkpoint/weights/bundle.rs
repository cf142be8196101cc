//! A TensorFlow 1 checkpoint: an index (`model.ckpt.index`) and the numbers
//! (`model.ckpt.data-00000-of-00001`).
//!
//! The index is a table as LevelDB writes it: sorted keys in blocks, a block that lists the blocks,
//! a footer. Under the empty key stands what the whole is, under each other one where the variable
//! of that name lies, both as protocol buffers. The published checkpoints of
//! google-research/electra hold a discriminator and its generator in one; which of the two is
//! meant decides what the variables are called here, by the rules of Transformers'
//! `load_tf_weights_in_electra`. What the optimizer kept is passed over.
//!
//! Every block and every variable has a CRC-32C beside it. Those of blocks are checked here, those
//! of variables when their numbers are read. Blocks must come one after the other and uncompressed,
//! as TensorFlow has written them since version 1.2, so that a small index cannot unfold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Entry, Fault, Files, LONGEST_DESCRIPTION, LONGEST_NAME, MOST_AXES, MOST_TENSORS};
use super::{NumberType, add, bytes_of, overlap};
use crate::Error;

/// Which of the two models in a checkpoint is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Discriminator,
    Generator,
}

/// The tensors of the checkpoint whose index is file number `index`. The files that hold their
/// numbers are opened beside it.
pub(super) fn entries(
    files: &mut Files,
    index: usize,
    side: Side,
) -> Result<BTreeMap<String, Entry>, Error> {
    let path = files.path(index).to_owned();
    let remedy = "load it in TensorFlow and save it again with tf.compat.v1.train.Saver";
    let (shards, variables) =
        read_index(files.data(index), side).map_err(|fault| fault.of(&path, remedy))?;

    let mut numbers_of = BTreeMap::new();
    for &shard in variables
        .values()
        .map(|(_, variable)| &variable.shard)
        .collect::<BTreeSet<_>>()
    {
        let file = files.open(&shard_path(&path, shard, shards))?;
        numbers_of.insert(shard, file);
    }
    let mut entries = BTreeMap::new();
    let mut taken: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (torch, (name, variable)) in variables {
        let file = numbers_of.get(&variable.shard).copied().unwrap_or_default();
        let in_shard = |what: String| Error::Damaged {
            path: files.path(file).to_owned(),
            what,
        };
        let Variable {
            numbers,
            shape,
            from,
            len,
            ..
        } = variable;
        let has = files.data(file).len();
        let range = usize::try_from(from)
            .ok()
            .and_then(|from| Some((from, from.checked_add(usize::try_from(len).ok()?)?)))
            .filter(|&(_, to)| to <= has)
            .ok_or_else(|| {
                in_shard(format!(
                    "by the index, variable `{name}` takes {len} bytes from {from} on, and the file has {has}"
                ))
            })?;
        taken.entry(file).or_default().push(range);
        let entry = Entry {
            file,
            checksum: Some(variable.checksum),
            ..Entry::plain(numbers, shape, range.0)
        };
        let entry = if name.rsplit('/').next() == Some("kernel") {
            entry.transposed()
        } else {
            entry
        };
        add(&mut entries, torch, entry).map_err(in_shard)?;
    }
    for (file, ranges) in taken {
        if let Some((from, to)) = overlap(ranges) {
            return Err(Error::Damaged {
                path: files.path(file).to_owned(),
                what: format!("by the index, two variables share the bytes from {from} to {to}"),
            });
        }
    }
    Ok(entries)
}

/// The file that holds the numbers of shard `shard` of `shards`.
fn shard_path(index: &Path, shard: u64, shards: u64) -> std::path::PathBuf {
    let name = index.file_stem().unwrap_or_default().to_string_lossy();
    index.with_file_name(format!("{name}.data-{shard:05}-of-{shards:05}"))
}

/// How many shards there are, and the variables that are tensors of the model that is meant, by
/// PyTorch's names, each with its own.
type Index = (u64, BTreeMap<String, (String, Variable)>);

fn read_index(table: &[u8], side: Side) -> Result<Index, Fault> {
    if table.len() > LONGEST_DESCRIPTION {
        return Err(Fault::Damaged(format!(
            "it has {} bytes, and no index needs more than {LONGEST_DESCRIPTION}",
            table.len()
        )));
    }
    let mut shards = None;
    let mut variables: BTreeMap<String, (String, Variable)> = BTreeMap::new();
    read_table(table, &mut |key, value| {
        let Some(shards) = shards else {
            shards = Some(read_header(key, value)?);
            return Ok(());
        };
        let name = std::str::from_utf8(key).map_err(|_| "a variable's name is not UTF-8")?;
        let Some((torch, lent)) = torch_name(name, side) else {
            return Ok(());
        };
        let Some(variable) = Variable::read(name, value)? else {
            return Ok(());
        };
        if variable.shard >= shards {
            return Err(Fault::Damaged(format!(
                "variable `{name}` is in file {} of {shards}",
                variable.shard
            )));
        }
        // A generator that has embeddings of its own does not borrow the discriminator's. The names
        // are sorted, so what is lent comes first.
        let before = variables.insert(torch, (name.to_owned(), variable));
        match before {
            Some((before, _))
                if lent || torch_name(&before, side).is_none_or(|(_, lent)| !lent) =>
            {
                Err(Fault::Damaged(format!(
                    "variables `{before}` and `{name}` would be the same tensor"
                )))
            }
            _ => Ok(()),
        }
    })?;
    let shards = shards.ok_or("it is empty")?;
    Ok((shards, variables))
}

/// What PyTorch calls the variable `name`, and whether it is lent by the other model; nothing for one
/// that does not belong to the model that is meant.
fn torch_name(name: &str, side: Side) -> Option<(String, bool)> {
    const NO_WEIGHTS: [&str; 4] = ["global_step", "temperature", "adam_m", "adam_v"];
    if name.split('/').any(|part| NO_WEIGHTS.contains(&part)) {
        return None;
    }
    let (scope, rest) = name.split_once('/')?;
    let (scope, lent) = match (side, scope) {
        (Side::Discriminator, "generator" | "generator_predictions") => return None,
        (Side::Generator, "electra") if rest.starts_with("embeddings/") => ("electra", true),
        (Side::Generator, "electra" | "discriminator_predictions") => return None,
        (Side::Generator, "generator") => ("electra", false),
        (Side::Generator, "generator_predictions") if rest == "output_bias" => {
            ("generator_lm_head", false)
        }
        _ => (scope, false),
    };
    let mut parts = vec![scope];
    for part in rest.split('/') {
        let numbered = part.rsplit_once('_').filter(|(word, number)| {
            let is = |text: &str, kind: fn(&u8) -> bool| {
                !text.is_empty() && text.bytes().all(|b| kind(&b))
            };
            is(word, u8::is_ascii_alphabetic) && is(number, u8::is_ascii_digit)
        });
        match (part, numbered) {
            ("dense_1", _) => parts.push("dense_prediction"),
            (_, Some((word, number))) => parts.extend([word, number]),
            ("kernel" | "gamma" | "output_weights", _) => parts.push("weight"),
            ("beta" | "output_bias", _) => parts.push("bias"),
            ("squad", _) => parts.push("classifier"),
            _ => parts.push(part),
        }
    }
    if rest.ends_with("_embeddings") {
        parts.push("weight");
    }
    Some((parts.join("."), lent))
}

/// A variable as the index describes it.
struct Variable {
    numbers: NumberType,
    shape: Vec<usize>,
    shard: u64,
    /// First byte in the shard.
    from: u64,
    /// Bytes.
    len: u64,
    /// Of its bytes.
    checksum: u32,
}

impl Variable {
    /// Reads what stands under `name`; nothing for one that holds no weights.
    fn read(name: &str, value: &[u8]) -> Result<Option<Variable>, Fault> {
        let wrong = || format!("variable `{name}` is not described as TensorFlow does");
        let (mut kind, mut shard, mut from, mut len, mut sum) = (0, 0, 0, 0, 0);
        let mut shape = Vec::new();
        let mut rest = value;
        while !rest.is_empty() {
            let (field, content);
            (field, content, rest) = read_field(rest).ok_or_else(wrong)?;
            match (field, content) {
                (1, Field::Number(number)) => kind = number,
                (2, Field::Bytes(bytes)) => shape = read_shape(bytes).ok_or_else(wrong)?,
                (3, Field::Number(number)) => shard = number,
                (4, Field::Number(number)) => from = number,
                (5, Field::Number(number)) => len = number,
                (6, Field::Fixed(number)) => sum = number,
                (7, Field::Bytes(_)) => {
                    return Err(Fault::Unread(format!(
                        "variable `{name}` is kept in slices"
                    )));
                }
                (1..=7, _) => return Err(Fault::Damaged(wrong())),
                _ => {}
            }
        }
        let numbers = match kind {
            1 => NumberType::F32,
            2 => NumberType::F64,
            14 => NumberType::BF16,
            19 => NumberType::F16,
            _ => return Ok(None),
        };
        if bytes_of(numbers, &shape).map(|bytes| bytes as u64) != Some(len) {
            return Err(Fault::Damaged(format!(
                "variable `{name}` of shape {shape:?} in {} does not take {len} bytes",
                numbers.name()
            )));
        }
        Ok(Some(Variable {
            numbers,
            shape,
            shard,
            from,
            len,
            checksum: unmask(sum),
        }))
    }
}

/// The number of shards, by what stands under the empty key.
fn read_header(key: &[u8], value: &[u8]) -> Result<u64, Fault> {
    let wrong = "it does not begin with what a checkpoint says of itself";
    if !key.is_empty() {
        return Err(Fault::from(wrong));
    }
    let mut shards = 0;
    let mut rest = value;
    while !rest.is_empty() {
        let (field, content);
        (field, content, rest) = read_field(rest).ok_or(wrong)?;
        match (field, content) {
            (1, Field::Number(number)) => shards = number,
            (2, Field::Number(0)) => {}
            (2, _) => return Err(Fault::Unread("its numbers are big-endian".to_owned())),
            _ => {}
        }
    }
    // The names of the files have five digits.
    if shards == 0 || shards > 99_999 {
        return Err(Fault::Damaged(format!("it claims to have {shards} files")));
    }
    Ok(shards)
}

/// The extents in a `TensorShapeProto`.
fn read_shape(mut rest: &[u8]) -> Option<Vec<usize>> {
    let mut shape = Vec::new();
    while !rest.is_empty() {
        let (field, content);
        (field, content, rest) = read_field(rest)?;
        let (2, Field::Bytes(mut axis)) = (field, content) else {
            return None;
        };
        let mut extent = 0;
        while !axis.is_empty() {
            let (field, content);
            (field, content, axis) = read_field(axis)?;
            if let (1, Field::Number(number)) = (field, content) {
                extent = usize::try_from(number).ok()?;
            }
        }
        shape.push(extent);
        (shape.len() <= MOST_AXES).then_some(())?;
    }
    Some(shape)
}

/// The content of a field of a protocol buffer.
enum Field<'a> {
    Number(u64),
    Fixed(u32),
    Long,
    Bytes(&'a [u8]),
}

/// The number of the field at the start of `data`, its content, and what follows.
fn read_field(data: &[u8]) -> Option<(u64, Field<'_>, &[u8])> {
    let (tag, rest) = read_number(data)?;
    let (content, rest) = match tag & 7 {
        0 => {
            let (number, rest) = read_number(rest)?;
            (Field::Number(number), rest)
        }
        1 => (Field::Long, rest.get(8..)?),
        2 => {
            let (len, rest) = read_number(rest)?;
            let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            (Field::Bytes(bytes), rest)
        }
        5 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (Field::Fixed(u32::from_le_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    Some((tag >> 3, content, rest))
}

/// The number at the start of `data`, seven bits to a byte, and what follows.
fn read_number(data: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, &byte) in data.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        if shift > 57 && bits >> (64 - shift) > 0 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some((number, data.get(index + 1..)?));
        }
    }
    None
}

/// The last eight bytes of a table.
const MAGIC: u64 = 0xdb47_7524_8b80_fb57;

/// What is done with a key and its value.
type Take<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Fault> + 'a;

/// Gives `take` every key and value of a table, in order.
fn read_table(table: &[u8], take: &mut Take<'_>) -> Result<(), Fault> {
    const FOOTER: usize = 48;
    let end = table
        .len()
        .checked_sub(FOOTER)
        .ok_or_else(|| format!("it has {} bytes, too few for an index", table.len()))?;
    let (body, footer) = table.split_at(end);
    if footer.last_chunk() != Some(&MAGIC.to_le_bytes()) {
        return Err(Fault::from(
            "it does not end like the index of a checkpoint",
        ));
    }
    let handles = read_handle(footer).and_then(|(_, rest)| read_handle(rest));
    let (blocks, _) = handles.ok_or("its footer is damaged")?;
    let mut blocks = Block::read(body, blocks)?;
    let mut next = 0;
    let mut count = 0;
    let mut last: Option<Vec<u8>> = None;
    while let Some((_, value)) = blocks.entry()? {
        let (handle, _) = read_handle(value).ok_or("its list of blocks is damaged")?;
        if handle.0 < next {
            return Err(Fault::from("its blocks overlap or are out of order"));
        }
        next = handle.0.saturating_add(handle.1);
        let mut block = Block::read(body, handle)?;
        while let Some((key, value)) = block.entry()? {
            if last.as_deref().is_some_and(|last| last >= key) {
                return Err(Fault::Damaged(format!(
                    "the name `{}` is there twice or out of order",
                    String::from_utf8_lossy(key)
                )));
            }
            count += 1;
            if count > MOST_TENSORS {
                return Err(Fault::Damaged(format!(
                    "it has more variables than any model, over {MOST_TENSORS}"
                )));
            }
            take(key, value)?;
            last = Some(key.to_vec());
        }
    }
    Ok(())
}

/// Where a block is, first byte and length, and what follows.
fn read_handle(data: &[u8]) -> Option<((u64, u64), &[u8])> {
    let (offset, rest) = read_number(data)?;
    let (len, rest) = read_number(rest)?;
    Some(((offset, len), rest))
}

/// A key, which is the block's until the next is read, and its value in the table.
type Pair<'key, 'table> = (&'key [u8], &'table [u8]);

/// A block of a table, read entry by entry.
struct Block<'a> {
    rest: &'a [u8],
    /// The key of the last entry, part of which the next may share.
    key: Vec<u8>,
}

impl<'a> Block<'a> {
    /// The block that lies at `(offset, len)` of `table`. Its kind and checksum follow it.
    fn read(table: &'a [u8], (offset, len): (u64, u64)) -> Result<Block<'a>, Fault> {
        let lies = || {
            let block = table.get(usize::try_from(offset).ok()?..)?;
            let (content, tail) = block.split_at_checked(usize::try_from(len).ok()?)?;
            let (&kind, tail) = tail.split_first()?;
            let sum = u32::from_le_bytes(*tail.first_chunk()?);
            Some((content, block.get(..content.len() + 1)?, kind, sum))
        };
        let (content, summed, kind, sum) = lies().ok_or_else(|| {
            format!(
                "a block claims {len} bytes from {offset} on, and the index has {}",
                table.len()
            )
        })?;
        if crc32c::crc32c(summed) != unmask(sum) {
            return Err(Fault::Damaged(format!(
                "the block at {offset} has another checksum than is noted"
            )));
        }
        if kind != 0 {
            return Err(Fault::Unread("its index is compressed".to_owned()));
        }
        // At the end stands where in the block keys are whole, and how many such places there are.
        let wrong = || format!("the block at {offset} is too short for what it claims");
        let places = content.last_chunk().ok_or_else(wrong)?;
        let places = u32::from_le_bytes(*places) as usize;
        let tail = places
            .checked_add(1)
            .and_then(|numbers| numbers.checked_mul(4));
        let entries = tail.and_then(|tail| content.len().checked_sub(tail));
        let rest = entries.and_then(|entries| content.get(..entries));
        Ok(Block {
            rest: rest.ok_or_else(wrong)?,
            key: Vec::new(),
        })
    }

    /// The next key and value.
    fn entry(&mut self) -> Result<Option<Pair<'_, 'a>>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let wrong = "an entry of the index is cut off";
        let (shared, rest) = read_number(self.rest).ok_or(wrong)?;
        let (own, rest) = read_number(rest).ok_or(wrong)?;
        let (len, rest) = read_number(rest).ok_or(wrong)?;
        let as_len = |number: u64| usize::try_from(number).ok();
        let shared = as_len(shared).filter(|&shared| shared <= self.key.len());
        let split = as_len(own).and_then(|own| rest.split_at_checked(own));
        let (Some(shared), Some((own, rest))) = (shared, split) else {
            return Err(Fault::from(wrong));
        };
        let split = as_len(len).and_then(|len| rest.split_at_checked(len));
        let (value, rest) = split.ok_or(wrong)?;
        if shared + own.len() > LONGEST_NAME {
            return Err(Fault::Damaged(format!(
                "a name has {} letters, and no variable's has more than {LONGEST_NAME}",
                shared + own.len()
            )));
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(own);
        self.rest = rest;
        Ok(Some((&self.key, value)))
    }
}

/// The checksum that was noted: TensorFlow turns it, so that sums of sums do not come out even.
fn unmask(noted: u32) -> u32 {
    noted.wrapping_sub(0xa282_ead8).rotate_left(15)
}
