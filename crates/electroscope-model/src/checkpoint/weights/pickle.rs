//! PyTorch's archive: a zip file with a pickle that says which stored bytes are which tensor; and the
//! format from before PyTorch 1.6, pickles in a row with the bytes after them.
//!
//! A pickle is a program. The interpreter here knows the few instructions and the few names that a
//! dictionary of tensors needs, builds plain data from them, and can call nothing. Everything else
//! is refused with its byte offset. Values live in an arena and are never walked recursively, so
//! that no nesting can exhaust the stack. A value costs a byte or two to ask for and a hundred to keep,
//! so their number is bounded, and texts are shared, not copied.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::archive::{self, Stored};
use super::{
    Entry, LONGEST_DESCRIPTION, LONGEST_NAME, MOST_AXES, MOST_TENSORS, NumberType, add, bytes_of,
};
use crate::Error;

/// More values than the pickle of any checkpoint makes: a tensor takes about thirty.
const MOST_VALUES: usize = 1 << 17;

/// What a file from before PyTorch 1.6 begins with: a pickle of the number 0x1950a86a20f9469cfc6c.
const LEGACY: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// The tensors that `data`, the whole file, holds.
pub(super) fn entries(data: &[u8], path: &Path) -> Result<BTreeMap<String, Entry>, Error> {
    // The two bytes before it name the version of the pickle's instructions.
    match data.get(2..).is_some_and(|data| data.starts_with(LEGACY)) {
        true if data.starts_with(b"\x80") => legacy_entries(data, path),
        _ if data.starts_with(b"PK") => archive_entries(data, path),
        _ => Err(Error::Unread {
            path: path.to_owned(),
            what: "it begins neither like a PyTorch archive nor like a checkpoint from before PyTorch \
                   1.6"
                .to_owned(),
            remedy: "get the model as safetensors",
        }),
    }
}

/// Those of an archive, as PyTorch has written them since 1.6.
fn archive_entries(data: &[u8], path: &Path) -> Result<BTreeMap<String, Entry>, Error> {
    let damaged = |what: String| Error::Damaged {
        path: path.to_owned(),
        what,
    };
    let files = archive::contents(data).map_err(damaged)?;
    let Some((root, program)) = files
        .iter()
        .find_map(|(name, stored)| Some((name.strip_suffix("data.pkl")?.to_owned(), *stored)))
    else {
        return Err(damaged("it holds no data.pkl".into()));
    };
    if let Some(order) = files.get(&format!("{root}byteorder"))
        && data.get(order.offset..order.offset + order.len) != Some(b"little")
    {
        return Err(damaged("its numbers are big-endian".into()));
    }
    let program = data
        .get(program.offset..program.offset + program.len)
        .unwrap_or_default();
    if program.len() > LONGEST_DESCRIPTION {
        return Err(damaged(format!(
            "its data.pkl has {} bytes, and no model needs more than {LONGEST_DESCRIPTION}",
            program.len()
        )));
    }
    let mut machine = Machine::new(program);
    let tensors = machine
        .run()
        .and_then(|result| machine.tensors(result))
        .map_err(|refusal| refusal.of(path))?;
    placed(tensors, path, |storage| {
        files.get(&format!("{root}data/{storage}")).copied()
    })
}

/// Those of a file from before PyTorch 1.6: five pickles in a row (a number to know the format by, its
/// version, facts about the machine, the tensors, the keys of the storages), and then the storages in
/// the order of their keys, each with the number of its elements before it.
fn legacy_entries(data: &[u8], path: &Path) -> Result<BTreeMap<String, Entry>, Error> {
    /// The only version that there ever was.
    const VERSION: i64 = 1001;
    let damaged = |what: String| Error::Damaged {
        path: path.to_owned(),
        what,
    };
    let refused = |refusal: Refusal| refusal.of(path);
    // The pickles cannot be longer than a description may be; what comes after them are numbers.
    let mut machine = Machine::new(data.get(..LONGEST_DESCRIPTION).unwrap_or(data));
    machine.at = 2 + LEGACY.len();
    let version = machine.run().map_err(refused)?;
    match machine.arena.get(version) {
        Some(Value::Int(VERSION)) => {}
        _ => {
            return Err(damaged(format!(
                "its version is not {VERSION}, the only one of this format"
            )));
        }
    }
    let facts = machine.run().map_err(refused)?;
    match machine.field(facts, "little_endian") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(damaged("its numbers are big-endian".into())),
        _ => {
            return Err(damaged(
                "it does not say in what order its bytes are".into(),
            ));
        }
    }
    machine.is_legacy = true;
    let result = machine.run().map_err(refused)?;
    let tensors = machine.tensors(result).map_err(refused)?;
    let keys = machine.run().map_err(refused)?;
    let Some(Value::List(keys)) = machine.arena.get(keys) else {
        return Err(damaged("it has no list of storages".into()));
    };
    let mut at = machine.at;
    let mut storages: BTreeMap<Rc<str>, Stored> = BTreeMap::new();
    for &key in keys {
        let Some(Value::Text(key)) = machine.arena.get(key) else {
            return Err(damaged("the key of a storage is not text".into()));
        };
        let Some(&(numbers, count)) = machine.storages.get(key) else {
            return Err(damaged(format!(
                "storage {key:?} is in the list of storages, and no tensor names it"
            )));
        };
        let noted = data.get(at..).and_then(|data| data.first_chunk::<8>());
        let noted = noted.map(|noted| u64::from_le_bytes(*noted));
        let len = count.checked_mul(numbers.size());
        let offset = at + size_of::<u64>();
        let end = len.and_then(|len| offset.checked_add(len));
        let (Some(len), Some(end)) = (len, end.filter(|&end| end <= data.len())) else {
            return Err(damaged(format!(
                "storage {key:?} claims {count} numbers at byte {offset}, and the file has {} bytes",
                data.len()
            )));
        };
        if noted != Some(count as u64) {
            return Err(damaged(format!(
                "storage {key:?} has {count} numbers by its description, but {} where it begins",
                noted.unwrap_or_default()
            )));
        }
        if storages
            .insert(Rc::clone(key), Stored { offset, len })
            .is_some()
        {
            return Err(damaged(format!("it has two storages {key:?}")));
        }
        at = end;
    }
    placed(tensors, path, |storage| storages.get(storage).copied())
}

/// Where the numbers of `tensors` lie, `find` giving the bytes of a storage.
fn placed(
    tensors: Vec<(String, StoredTensor)>,
    path: &Path,
    find: impl Fn(&str) -> Option<Stored>,
) -> Result<BTreeMap<String, Entry>, Error> {
    let damaged = |what: String| Error::Damaged {
        path: path.to_owned(),
        what,
    };
    let mut entries = BTreeMap::new();
    for (name, tensor) in tensors {
        let stored = find(&tensor.storage).ok_or_else(|| {
            damaged(format!(
                "tensor `{name}` is kept in storage {:?}, which is not in the file",
                tensor.storage
            ))
        })?;
        let size = tensor.numbers.size();
        // The byte after the last number, or nothing where the arithmetic overflows.
        let end = tensor
            .shape
            .iter()
            .zip(&tensor.strides)
            .try_fold(tensor.offset, |at, (&extent, &stride)| {
                at.checked_add(extent.saturating_sub(1).checked_mul(stride)?)
            })
            .and_then(|last| {
                last.checked_add(usize::from(!tensor.shape.contains(&0)))?
                    .checked_mul(size)
            });
        // A stride of 0 repeats numbers: the tensor would be larger than the file, as no weights are.
        let fits = end.is_some_and(|end| end <= stored.len)
            && bytes_of(tensor.numbers, &tensor.shape).is_some_and(|bytes| bytes <= stored.len);
        if !fits {
            return Err(damaged(format!(
                "tensor `{name}` of shape {:?} at number {} does not fit into its storage of {} bytes",
                tensor.shape, tensor.offset, stored.len
            )));
        }
        let strides = (!is_contiguous(&tensor.shape, &tensor.strides)).then_some(tensor.strides);
        let offset = stored.offset + tensor.offset * size;
        let entry = Entry {
            strides,
            ..Entry::plain(tensor.numbers, tensor.shape, offset)
        };
        add(&mut entries, name, entry).map_err(damaged)?;
    }
    Ok(entries)
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut step = 1usize;
    shape.iter().zip(strides).rev().all(|(&extent, &stride)| {
        let fits = extent == 1 || stride == step;
        step = step.saturating_mul(extent);
        fits
    })
}

/// Why the pickle is not run.
struct Refusal {
    offset: usize,
    what: String,
}

impl Refusal {
    /// The error for the file at `path`.
    fn of(self, path: &Path) -> Error {
        let Refusal { offset, what } = self;
        Error::Pickle {
            path: path.to_owned(),
            offset,
            what,
        }
    }
}

/// A tensor as the pickle describes it.
#[derive(Clone)]
struct StoredTensor {
    numbers: NumberType,
    storage: Rc<str>,
    /// In numbers.
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// An index into the arena.
type Id = usize;

/// What a pickle of tensors may name.
#[derive(Clone, Copy, PartialEq)]
enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(NumberType),
}

#[derive(Clone)]
enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(Rc<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Name),
    Storage { numbers: NumberType, key: Rc<str> },
    Tensor(StoredTensor),
}

struct Machine<'a> {
    program: &'a [u8],
    at: usize,
    arena: Vec<Value>,
    stack: Vec<Id>,
    /// Stack heights.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
    /// The storages that were referred to, with their types and numbers of elements.
    storages: BTreeMap<Rc<str>, (NumberType, usize)>,
    /// Whether the program is from before PyTorch 1.6, where a storage may be a view of another.
    is_legacy: bool,
}

impl<'a> Machine<'a> {
    fn new(program: &'a [u8]) -> Machine<'a> {
        Machine {
            program,
            at: 0,
            arena: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            storages: BTreeMap::new(),
            is_legacy: false,
        }
    }

    /// Runs the program up to its next stop, and gives what it made. The values of all the programs
    /// that are run one after the other count together.
    fn run(&mut self) -> Result<Id, Refusal> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            let start = self.at;
            let opcode = self.byte()?;
            if opcode == b'.' {
                break;
            }
            let values = self.arena.len() + self.stack.len() + self.marks.len() + self.memo.len();
            let step = if values < MOST_VALUES {
                self.step(opcode)
            } else {
                Err(format!("it makes more than {MOST_VALUES} values"))
            };
            step.map_err(|what| Refusal {
                offset: start,
                what,
            })?;
        }
        self.stack.last().copied().ok_or_else(|| Refusal {
            offset: self.at,
            what: "it makes nothing".to_owned(),
        })
    }

    /// The value of `field` in a dictionary.
    fn field(&self, dictionary: Id, field: &str) -> Option<&Value> {
        let Value::Dict(items) = self.arena.get(dictionary)? else {
            return None;
        };
        let is_it = |key: Id| matches!(self.arena.get(key), Some(Value::Text(text)) if text.as_ref() == field);
        let &(_, value) = items.iter().rev().find(|&&(key, _)| is_it(key))?;
        self.arena.get(value)
    }

    /// The tensors of the dictionary that was made.
    fn tensors(&self, result: Id) -> Result<Vec<(String, StoredTensor)>, Refusal> {
        let end = self.at;
        let refuse = |what: &str| Refusal {
            offset: end,
            what: what.to_owned(),
        };
        let Some(Value::Dict(items)) = self.arena.get(result) else {
            return Err(refuse("the result is not a dictionary"));
        };
        if items.len() > MOST_TENSORS {
            return Err(refuse(
                "the dictionary has more entries than a model has tensors",
            ));
        }
        let mut tensors = Vec::new();
        for &(key, value) in items {
            let Some(Value::Text(name)) = self.arena.get(key) else {
                return Err(refuse("a key of the dictionary is not text"));
            };
            // Some checkpoints keep counters beside their tensors.
            if let Some(Value::Tensor(tensor)) = self.arena.get(value) {
                tensors.push((name.as_ref().to_owned(), tensor.clone()));
            }
        }
        if tensors.is_empty() {
            return Err(refuse("the dictionary holds no tensors"));
        }
        Ok(tensors)
    }

    fn step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88)),
            b'J' => {
                let number = i32::from_le_bytes(self.chunk()?);
                self.push(Value::Int(number.into()));
            }
            b'K' => {
                let [number] = self.chunk()?;
                self.push(Value::Int(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.chunk()?);
                self.push(Value::Int(number.into()));
            }
            0x8a => {
                let [len] = self.chunk()?;
                let digits = self.take(len.into())?;
                if digits.len() > 8 {
                    return Err(format!("there is a number of {} bytes", digits.len()));
                }
                let sign = digits
                    .last()
                    .map_or(0, |&last| if last & 0x80 != 0 { 0xff } else { 0 });
                let mut bytes = [sign; 8];
                bytes[..digits.len()].copy_from_slice(digits);
                self.push(Value::Int(i64::from_le_bytes(bytes)));
            }
            b'G' => {
                self.skip(8)?;
                self.push(Value::None);
            }
            b'X' => {
                let len = u32::from_le_bytes(self.chunk()?) as usize;
                self.push_text(len)?;
            }
            0x8c | b'U' => {
                let [len] = self.chunk()?;
                self.push_text(len.into())?;
            }
            b'q' => {
                let [key] = self.chunk()?;
                self.remember(key.into())?;
            }
            b'r' => {
                let key = u32::from_le_bytes(self.chunk()?);
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let [key] = self.chunk()?;
                self.recall(key.into())?;
            }
            b'j' => {
                let key = u32::from_le_bytes(self.chunk()?);
                self.recall(key)?;
            }
            b')' => self.push(Value::Tuple(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x84..opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Value::Tuple(items));
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.extend(&items)?;
            }
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.push_name(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.arena.get(module), self.arena.get(name)) {
                    (Some(Value::Text(module)), Some(Value::Text(name))) => {
                        let (module, name) = (Rc::clone(module), Rc::clone(name));
                        self.push_name(&module, &name)?;
                    }
                    _ => return Err("a name is not text".into()),
                }
            }
            b'Q' => self.persistent()?,
            b'R' => self.call()?,
            // The state of a dictionary: PyTorch keeps version numbers there.
            b'b' => {
                self.pop()?;
            }
            b'0' => {
                self.pop()?;
            }
            other => return Err(format!("there is the instruction 0x{other:02x}")),
        }
        Ok(())
    }

    /// A storage: `('storage', type, key, location, count)`, and in a legacy file the view of another
    /// storage that it is, or none.
    fn persistent(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let reference = self.tuple(id).and_then(|items| {
            let [tag, kind, key, rest @ ..] = items else {
                return None;
            };
            let rest: Vec<Option<&Value>> = rest.iter().map(|&id| self.arena.get(id)).collect();
            match (
                self.arena.get(*tag)?,
                self.arena.get(*kind)?,
                self.arena.get(*key)?,
            ) {
                (Value::Text(tag), Value::Name(Name::Storage(numbers)), Value::Text(key))
                    if tag.as_ref() == "storage" =>
                {
                    let count = match rest.get(1) {
                        Some(Some(Value::Int(count))) => usize::try_from(*count).ok(),
                        _ => None,
                    };
                    let is_view = !matches!(rest.get(2), None | Some(Some(Value::None)));
                    Some((*numbers, Rc::clone(key), count, is_view))
                }
                _ => None,
            }
        });
        let (numbers, key, count, is_view) =
            reference.ok_or("there is a reference to something other than a storage")?;
        if self.is_legacy {
            if is_view {
                return Err(
                    "a storage is a view of another, as PyTorch made them before 0.4".into(),
                );
            }
            let count = count.ok_or("a storage does not say how many numbers it has")?;
            let known = *(self.storages.entry(Rc::clone(&key))).or_insert((numbers, count));
            if known != (numbers, count) {
                return Err(format!("storage {key:?} is described in two ways"));
            }
        }
        self.push(Value::Storage { numbers, key });
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Some(&Value::Name(name)) = self.arena.get(function) else {
            return Err("something is called that is not a function".into());
        };
        let arguments = self.tuple(arguments).ok_or("arguments are not a tuple")?;
        let made = match (name, arguments) {
            (Name::OrderedDict, []) => Some(Value::Dict(Vec::new())),
            (Name::RebuildParameter, [tensor, ..]) => self
                .arena
                .get(*tensor)
                .filter(|value| matches!(value, Value::Tensor(_)))
                .cloned(),
            (Name::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                self.tensor(storage, offset, shape, strides)
            }
            _ => None,
        };
        self.push(made.ok_or("a tensor is described in a way that PyTorch does not")?);
        Ok(())
    }

    fn tensor(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Option<Value> {
        let Value::Storage { numbers, key } = self.arena.get(storage)? else {
            return None;
        };
        let number = |id: Id| match self.arena.get(id)? {
            Value::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        };
        let extents = |id: Id| -> Option<Vec<usize>> {
            let extents = self.tuple(id)?;
            (extents.len() <= MOST_AXES).then_some(())?;
            extents.iter().map(|&id| number(id)).collect()
        };
        let (shape, strides) = (extents(shape)?, extents(strides)?);
        (shape.len() == strides.len()).then_some(())?;
        Some(Value::Tensor(StoredTensor {
            numbers: *numbers,
            storage: Rc::clone(key),
            offset: number(offset)?,
            shape,
            strides,
        }))
    }

    fn push_name(&mut self, module: &str, name: &str) -> Result<(), String> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Name::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Name::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Name::RebuildParameter,
            ("torch", "FloatStorage") => Name::Storage(NumberType::F32),
            ("torch", "HalfStorage") => Name::Storage(NumberType::F16),
            ("torch", "BFloat16Storage") => Name::Storage(NumberType::BF16),
            ("torch", "DoubleStorage") => Name::Storage(NumberType::F64),
            ("torch", "LongStorage") => Name::Storage(NumberType::Other("I64", 8)),
            ("torch", "IntStorage") => Name::Storage(NumberType::Other("I32", 4)),
            ("torch", "ByteStorage") => Name::Storage(NumberType::Other("U8", 1)),
            ("torch", "BoolStorage") => Name::Storage(NumberType::Other("BOOL", 1)),
            _ => return Err(format!("it asks for `{module}.{name}`")),
        };
        self.push(Value::Name(known));
        Ok(())
    }

    fn push_text(&mut self, len: usize) -> Result<(), String> {
        let text = self.take(len)?;
        if len > LONGEST_NAME {
            return Err(format!("there is a text of {len} bytes"));
        }
        let text = std::str::from_utf8(text).map_err(|_| "a text is not UTF-8")?;
        let text = Value::Text(text.into());
        self.push(text);
        Ok(())
    }

    /// Appends to the list on top of the stack.
    fn extend(&mut self, items: &[Id]) -> Result<(), String> {
        let top = *self.stack.last().ok_or("a value is missing")?;
        match self.arena.get_mut(top) {
            Some(Value::List(list)) => {
                list.extend_from_slice(items);
                Ok(())
            }
            _ => Err("something is appended to what is not a list".into()),
        }
    }

    /// Puts pairs into the dictionary on top of the stack.
    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        let top = *self.stack.last().ok_or("a value is missing")?;
        match self.arena.get_mut(top) {
            Some(Value::Dict(pairs)) if items.len().is_multiple_of(2) => {
                pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err("pairs are put into something that is not a dictionary".into()),
        }
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.arena.len());
        self.arena.push(value);
    }

    fn pop(&mut self) -> Result<Id, String> {
        // Nothing may be taken from below the last mark.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("a value is missing".into());
        }
        self.stack.pop().ok_or_else(|| "a value is missing".into())
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self
            .marks
            .pop()
            .filter(|&mark| mark <= self.stack.len())
            .ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.arena.get(id)? {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let top = *self.stack.last().ok_or("a value is missing")?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = *self
            .memo
            .get(&key)
            .ok_or("something is recalled that was not remembered")?;
        self.stack.push(id);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        let offset = self.at;
        let byte = self.program.get(offset).copied();
        self.at += 1;
        byte.ok_or_else(|| Refusal {
            offset,
            what: "it ends in the middle".into(),
        })
    }

    fn take(&mut self, len: usize) -> Result<&[u8], String> {
        let bytes = self
            .at
            .checked_add(len)
            .and_then(|end| self.program.get(self.at..end));
        let bytes = bytes.ok_or("it ends in the middle")?;
        self.at += len;
        Ok(bytes)
    }

    fn skip(&mut self, len: usize) -> Result<(), String> {
        self.take(len).map(|_| ())
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?
            .first_chunk::<N>()
            .copied()
            .ok_or_else(|| "it ends in the middle".into())
    }

    /// The text up to the next line end.
    fn line(&mut self) -> Result<String, String> {
        /// No name that is known is longer.
        const LONGEST: usize = 256;
        let rest = self.program.get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .take(LONGEST)
            .position(|&byte| byte == b'\n')
            .ok_or("a name has no end")?;
        let line = String::from_utf8_lossy(rest.get(..len).unwrap_or_default()).into_owned();
        self.at += len + 1;
        Ok(line)
    }
}
