//! PyTorch's archive: a zip file with a pickle that says which stored bytes are which tensor.
//!
//! A pickle is a program. The interpreter here knows the few instructions and the few names that a
//! dictionary of tensors needs, builds plain data from them, and can call nothing. Everything else
//! is refused with its byte offset. Values live in an arena and are never walked recursively, so
//! that no nesting can exhaust the stack. A value costs a byte or two to ask for and a hundred to keep,
//! so their number is bounded, and texts are shared, not copied.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::archive;
use super::{
    Entry, LONGEST_DESCRIPTION, LONGEST_NAME, MOST_AXES, MOST_TENSORS, NumberType, add, bytes_of,
};
use crate::Error;

/// More values than the pickle of any checkpoint makes: a tensor takes about thirty.
const MOST_VALUES: usize = 1 << 17;

/// The tensors that `data`, the whole file, holds.
pub(super) fn entries(data: &[u8], path: &Path) -> Result<BTreeMap<String, Entry>, Error> {
    let damaged = |what: String| Error::Damaged {
        path: path.to_owned(),
        what,
    };
    if !data.starts_with(b"PK") {
        // Before 1.6 PyTorch wrote several pickles in a row.
        if data.starts_with(b"\x80\x02") {
            return Err(Error::UnreadFormat {
                path: path.to_owned(),
                format: "a checkpoint from before PyTorch 1.6",
                remedy: "load it in PyTorch and save it again, or save it as model.safetensors",
            });
        }
        return Err(damaged("it does not begin like a PyTorch archive".into()));
    }
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
    let mut machine = Machine {
        program,
        at: 0,
        arena: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    };
    let tensors = machine
        .run()
        .map_err(|Refusal { offset, what }| Error::Pickle {
            path: path.to_owned(),
            offset,
            what,
        })?;

    let mut entries = BTreeMap::new();
    for (name, tensor) in tensors {
        let stored = files
            .get(&format!("{root}data/{}", tensor.storage))
            .ok_or_else(|| {
                damaged(format!(
                    "tensor `{name}` is kept in storage {:?}, which is not in the archive",
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
    Bool,
    Int(i64),
    Text(Rc<str>),
    Tuple(Vec<Id>),
    List,
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
}

impl Machine<'_> {
    /// Runs the program and gives the tensors of the dictionary that it builds.
    fn run(&mut self) -> Result<Vec<(String, StoredTensor)>, Refusal> {
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
        let end = self.at;
        let refuse = |what: &str| Refusal {
            offset: end,
            what: what.to_owned(),
        };
        let Some(Value::Dict(items)) = self.stack.last().and_then(|&top| self.arena.get(top))
        else {
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
            0x88 | 0x89 => self.push(Value::Bool),
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
            b']' => self.push(Value::List),
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
            // No list holds anything that tensors need.
            b'a' => {
                self.pop()?;
            }
            b'e' => {
                self.since_mark()?;
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

    /// A storage: `('storage', type, key, location, count)`.
    fn persistent(&mut self) -> Result<(), String> {
        let id = self.pop()?;
        let storage = self.tuple(id).and_then(|items| {
            let [tag, kind, key, ..] = items else {
                return None;
            };
            match (
                self.arena.get(*tag)?,
                self.arena.get(*kind)?,
                self.arena.get(*key)?,
            ) {
                (Value::Text(tag), Value::Name(Name::Storage(numbers)), Value::Text(key))
                    if tag.as_ref() == "storage" =>
                {
                    Some(Value::Storage {
                        numbers: *numbers,
                        key: Rc::clone(key),
                    })
                }
                _ => None,
            }
        });
        self.push(storage.ok_or("there is a reference to something other than a storage")?);
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
            ("torch._utils", "_rebuild_tensor_v2") => Name::RebuildTensor,
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
