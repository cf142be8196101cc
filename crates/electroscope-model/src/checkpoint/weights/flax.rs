//! A Flax checkpoint: nested maps in MessagePack, with arrays at their ends.
//!
//! The names on the way to an array make up its name, and the last says what it is: a `kernel` is
//! the transpose of what PyTorch calls `weight`, an `embedding` or a `scale` is one as it stands.
//! An array is an extension of type 1, itself a list of shape, type and bytes; one of more than a
//! gigabyte is a map of pieces. The rules are those of Transformers' `modeling_flax_pytorch_utils.py`.
//!
//! Nothing in the file decides how deep this goes or how much it keeps.

use std::collections::BTreeMap;
use std::path::Path;

use rmp::Marker;
use rmp::decode::{self, RmpRead};

use super::{Entry, LONGEST_NAME, MOST_AXES, NumberType, Pieces, add, bytes_of};
use crate::Error;

/// How many maps may stand in one another. An encoder's are seven deep.
const DEEPEST: usize = 16;

/// The extension that an array is.
const ARRAY: i8 = 1;

/// The first name in the map of an array in pieces.
const IN_PIECES: &str = "__msgpack_chunked_array__";

/// The tensors that `data`, the whole file, holds.
pub(super) fn entries(data: &[u8], path: &Path) -> Result<BTreeMap<String, Entry>, Error> {
    let mut reader = Reader { data, rest: data };
    let mut entries = BTreeMap::new();
    reader
        .map(&mut String::new(), 0, &mut entries)
        .and_then(|()| match reader.rest.len() {
            0 => Ok(()),
            more => Err(format!("{more} bytes follow its map of arrays")),
        })
        .map_err(|what| Error::Damaged {
            path: path.to_owned(),
            what: format!("{what} (byte {})", reader.at()),
        })?;
    Ok(entries)
}

struct Reader<'a> {
    data: &'a [u8],
    rest: &'a [u8],
}

/// An array as the file describes it.
struct Array {
    numbers: NumberType,
    shape: Vec<usize>,
    /// Its first byte in the file.
    offset: usize,
}

impl<'a> Reader<'a> {
    /// The byte that is next.
    fn at(&self) -> usize {
        self.data.len() - self.rest.len()
    }

    /// Reads a map of maps and arrays, whose place is `place`, into `entries`.
    fn map(
        &mut self,
        place: &mut String,
        depth: usize,
        entries: &mut BTreeMap<String, Entry>,
    ) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!(
                "maps stand in one another more than {DEEPEST} deep"
            ));
        }
        let len = self.map_len()?;
        for index in 0..len {
            let key = self.text()?;
            if key == IN_PIECES {
                if index > 0 {
                    return Err("a map of arrays turns into an array in pieces".to_owned());
                }
                let entry = self.pieces(len)?;
                return insert(entries, place, entry);
            }
            let parent = place.len();
            if parent > 0 {
                place.push('/');
            }
            place.push_str(key);
            match self.peek()? {
                Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                    self.map(place, depth + 1, entries)?;
                }
                _ => {
                    // Some checkpoints keep counters beside their arrays.
                    if let Some(array) = self.array_or_scalar()? {
                        let entry = Entry::plain(array.numbers, array.shape, array.offset);
                        insert(entries, place, entry)?;
                    }
                }
            }
            place.truncate(parent);
        }
        Ok(())
    }

    /// Reads the rest of the map of an array in pieces, which has `len` names: the shape, and the
    /// pieces by their numbers.
    fn pieces(&mut self, len: usize) -> Result<Entry, String> {
        let wrong = || "an array in pieces is described in a way that Flax does not".to_owned();
        let is_true = matches!(self.marker()?, Marker::True);
        if !is_true || len != 3 || self.text()? != "shape" {
            return Err(wrong());
        }
        let axes = self.map_len()?;
        if axes > MOST_AXES {
            return Err(format!("an array has {axes} axes"));
        }
        let mut shape = Vec::new();
        for axis in 0..axes {
            if self.text()? != axis.to_string() {
                return Err(wrong());
            }
            shape.push(self.extent()?);
        }
        if self.text()? != "chunks" {
            return Err(wrong());
        }
        let mut kind = None;
        let mut lengths = Vec::new();
        let mut starts = Vec::new();
        for piece in 0..self.map_len()? {
            if self.text()? != piece.to_string() {
                return Err(wrong());
            }
            let array = self.array_or_scalar()?.ok_or_else(wrong)?;
            let &[length] = array.shape.as_slice() else {
                return Err(wrong());
            };
            if *kind.get_or_insert(array.numbers) != array.numbers || length == 0 {
                return Err(wrong());
            }
            lengths.push(length);
            starts.push(array.offset);
        }
        let (Some(numbers), Some(&each)) = (kind, lengths.first()) else {
            return Err(wrong());
        };
        // All but the last are equally long, and together they are the array.
        let last = lengths.pop().unwrap_or_default();
        let total = lengths.iter().sum::<usize>() + last;
        let even = lengths.iter().all(|&length| length == each) && last <= each;
        if !even || bytes_of(numbers, &shape) != Some(total * numbers.size()) {
            return Err(format!(
                "an array of shape {shape:?} comes in pieces of {each} numbers, {total} in all"
            ));
        }
        let offset = starts.first().copied().unwrap_or_default();
        Ok(Entry {
            pieces: Some(Pieces { each, starts }),
            ..Entry::plain(numbers, shape, offset)
        })
    }

    /// Reads a value that is no map: an array, or a single number or text, over which it goes.
    fn array_or_scalar(&mut self) -> Result<Option<Array>, String> {
        match self.peek()? {
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => {}
            _ => return self.scalar().map(|()| None),
        }
        let meta = decode::read_ext_meta(&mut self.rest).map_err(cut)?;
        let inside = self.take(meta.size)?;
        if meta.typeid != ARRAY {
            return Ok(None);
        }
        let mut inside = Reader {
            data: self.data.get(..self.at()).unwrap_or_default(),
            rest: inside,
        };
        let array = inside.array()?;
        match inside.rest.len() {
            0 => Ok(Some(array)),
            more => Err(format!("{more} bytes follow the array in its extension")),
        }
    }

    /// Goes over a single number or text.
    fn scalar(&mut self) -> Result<(), String> {
        let len = match self.marker()? {
            Marker::Null | Marker::True | Marker::False => 0,
            Marker::FixPos(_) | Marker::FixNeg(_) => 0,
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 => 2,
            Marker::U32 | Marker::I32 | Marker::F32 => 4,
            Marker::U64 | Marker::I64 | Marker::F64 => 8,
            Marker::FixStr(len) => len.into(),
            Marker::Str8 | Marker::Bin8 => self.rest.read_data_u8().map_err(cut)?.into(),
            Marker::Str16 | Marker::Bin16 => self.rest.read_data_u16().map_err(cut)?.into(),
            Marker::Str32 | Marker::Bin32 => self.rest.read_data_u32().map_err(cut)?,
            other => return Err(format!("there is a {other:?}, which Flax does not write")),
        };
        self.take(len).map(|_| ())
    }

    /// Reads the inside of an array: `[shape, type, bytes]`.
    fn array(&mut self) -> Result<Array, String> {
        if decode::read_array_len(&mut self.rest).ok() != Some(3) {
            return Err("an array is not a list of shape, type and bytes".to_owned());
        }
        let axes = decode::read_array_len(&mut self.rest).map_err(|_| "an array has no shape")?;
        if axes as usize > MOST_AXES {
            return Err(format!("an array has {axes} axes"));
        }
        let extents = (0..axes).map(|_| self.extent());
        let shape = extents.collect::<Result<Vec<usize>, String>>()?;
        let numbers = match self.text()? {
            "float32" => NumberType::F32,
            "float16" => NumberType::F16,
            "bfloat16" => NumberType::BF16,
            "float64" => NumberType::F64,
            "int64" => NumberType::Other("I64", 8),
            "int32" => NumberType::Other("I32", 4),
            "int16" => NumberType::Other("I16", 2),
            "int8" => NumberType::Other("I8", 1),
            "uint32" => NumberType::Other("U32", 4),
            "uint8" => NumberType::Other("U8", 1),
            "bool" => NumberType::Other("BOOL", 1),
            other => {
                return Err(format!(
                    "an array holds numbers of the unknown type {other:?}"
                ));
            }
        };
        let len = decode::read_bin_len(&mut self.rest).map_err(|_| "an array has no bytes")?;
        if bytes_of(numbers, &shape) != Some(len as usize) {
            return Err(format!(
                "an array of shape {shape:?} in {} does not take {len} bytes",
                numbers.name()
            ));
        }
        let offset = self.at();
        self.take(len)?;
        Ok(Array {
            numbers,
            shape,
            offset,
        })
    }

    fn extent(&mut self) -> Result<usize, String> {
        decode::read_int(&mut self.rest).map_err(|_| "an extent is no length".to_owned())
    }

    fn map_len(&mut self) -> Result<usize, String> {
        let len = decode::read_map_len(&mut self.rest);
        Ok(len.map_err(|_| "where a map should begin, there is none")? as usize)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let len = decode::read_str_len(&mut self.rest)
            .map_err(|_| "where a name should begin, there is none")?;
        if len as usize > LONGEST_NAME {
            return Err(format!("a name has {len} bytes"));
        }
        std::str::from_utf8(self.take(len)?).map_err(|_| "a name is not UTF-8".to_owned())
    }

    fn marker(&mut self) -> Result<Marker, String> {
        decode::read_marker(&mut self.rest).map_err(|err| cut(err.0))
    }

    fn peek(&self) -> Result<Marker, String> {
        decode::read_marker(&mut { self.rest }).map_err(|err| cut(err.0))
    }

    fn take(&mut self, len: u32) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(len as usize).ok_or_else(|| {
            format!(
                "{len} bytes should follow, and there are {}",
                self.rest.len()
            )
        })?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Puts the array at `place` among the entries, under PyTorch's name for it.
fn insert(entries: &mut BTreeMap<String, Entry>, place: &str, entry: Entry) -> Result<(), String> {
    let (parents, last) = place.rsplit_once('/').unwrap_or(("", place));
    let (last, entry) = match (last, entry.shape.len()) {
        // The kernel of a convolution.
        ("kernel", 4) => ("weight", entry.permuted(&[3, 2, 0, 1])),
        ("kernel", _) => ("weight", entry.transposed()),
        ("scale" | "embedding", _) => ("weight", entry),
        _ => (last, entry),
    };
    let mut name = parents.replace('/', ".");
    if !name.is_empty() {
        name.push('.');
    }
    name.push_str(last);
    add(entries, name, entry)
}

fn cut(_: impl std::fmt::Debug) -> String {
    "it ends in the middle".to_owned()
}
