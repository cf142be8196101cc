//! A checkpoint's tensors by name, whatever the format of the file.
//!
//! Names and shapes are checked strictly, and sizes against the length of the file before anything
//! is allocated. Nothing is read but what is asked for.

mod pickle;
mod safetensors;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use super::Error;

/// The types of number that weights come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberType {
    F32,
    F16,
    BF16,
    F64,
    /// Eight-bit integers, a scale per row beside them; only in our own compact form.
    I8,
    /// Whatever else a file may hold; it can be listed but not be read as weights.
    Other(&'static str),
}

impl NumberType {
    /// Bytes per number.
    fn size(self) -> usize {
        match self {
            NumberType::F64 => 8,
            NumberType::F32 => 4,
            NumberType::F16 | NumberType::BF16 => 2,
            NumberType::I8 | NumberType::Other(_) => 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            NumberType::F32 => "F32",
            NumberType::F16 => "F16",
            NumberType::BF16 => "BF16",
            NumberType::F64 => "F64",
            NumberType::I8 => "I8",
            NumberType::Other(name) => name,
        }
    }
}

/// Where one tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    numbers: NumberType,
    shape: Vec<usize>,
    /// Steps between neighbours along each axis, in numbers, where they are not those of the shape.
    strides: Option<Vec<usize>>,
    /// First byte in the file's data.
    offset: usize,
}

impl Entry {
    fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The bytes of a weights file.
enum Data {
    Mapped(memmap2::Mmap),
    Carried(&'static [u8]),
}

impl std::ops::Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Data::Mapped(map) => map,
            Data::Carried(bytes) => bytes,
        }
    }
}

/// The tensors of a checkpoint.
pub struct Weights {
    path: PathBuf,
    data: Data,
    entries: BTreeMap<String, Entry>,
}

/// An eight-bit matrix: value = number × scale of its row.
#[derive(Clone, Copy, Debug)]
pub struct Quantised<'a> {
    /// `(rows, columns)`, row by row.
    pub numbers: &'a [i8],
    /// `(rows)`.
    pub scales: &'a [f32],
}

impl Weights {
    /// Opens the weights in `folder`: `model.safetensors`, else `pytorch_model.bin`.
    ///
    /// # Errors
    ///
    /// [`Error::MissingFile`] if there are none, [`Error::UnreadFormat`] if they are in a format
    /// that is not read yet, and what [`Weights::open`] finds.
    pub fn open_folder(folder: &Path) -> Result<Weights, Error> {
        for name in ["model.safetensors", "pytorch_model.bin"] {
            let path = folder.join(name);
            if path.is_file() {
                return Weights::open(&path);
            }
        }
        let unread = [
            (
                "model.safetensors.index.json",
                "a checkpoint in several files",
            ),
            ("tf_model.h5", "a TensorFlow 2 checkpoint"),
            ("flax_model.msgpack", "a Flax checkpoint"),
            ("model.ckpt.index", "a TensorFlow 1 checkpoint"),
        ];
        for (name, format) in unread {
            if folder.join(name).exists() {
                let remedy = "save it as one model.safetensors with transformers (save_pretrained)";
                return Err(Error::UnreadFormat {
                    path: folder.join(name),
                    format,
                    remedy,
                });
            }
        }
        Err(Error::MissingFile {
            folder: folder.to_owned(),
            wanted: "model.safetensors or pytorch_model.bin",
            found: super::listing(folder),
        })
    }

    /// Opens a weights file, by its extension a safetensors file or PyTorch's archive.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Damaged`], [`Error::Pickle`], [`Error::UnreadFormat`].
    pub fn open(path: &Path) -> Result<Weights, Error> {
        let read_error = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let file = std::fs::File::open(path).map_err(read_error)?;
        let data = Data::Mapped(map(&file).map_err(read_error)?);
        let is_safetensors = path
            .extension()
            .is_some_and(|extension| extension == "safetensors");
        let entries = if is_safetensors {
            safetensors::entries(&data, path)?
        } else {
            pickle::entries(&data, path)?
        };
        Ok(Weights {
            path: path.to_owned(),
            data,
            entries: with_today_names(entries),
        })
    }

    /// Opens a safetensors file that the binary carries.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn carried(name: &str, bytes: &'static [u8]) -> Result<Weights, Error> {
        let path = PathBuf::from(name);
        let entries = safetensors::entries(bytes, &path)?;
        Ok(Weights {
            path,
            data: Data::Carried(bytes),
            entries,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The shape of a tensor, if there is one of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// The type of number of a tensor, if there is one of that name.
    pub fn number_type(&self, name: &str) -> Option<&'static str> {
        self.entries.get(name).map(|entry| entry.numbers.name())
    }

    /// How many numbers all the tensors hold, scales of eight-bit matrices not counted.
    pub fn parameters(&self) -> usize {
        let is_scale = |name: &str| {
            name.strip_suffix(SCALE)
                .is_some_and(|of| self.entries.contains_key(of))
        };
        self.entries
            .iter()
            .filter(|(name, _)| !is_scale(name))
            .map(|(_, entry)| entry.count())
            .sum()
    }

    /// The tensor `name` as f32, which must have shape `wanted`.
    ///
    /// # Errors
    ///
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::TensorType`].
    pub fn tensor(&self, name: &str, wanted: &[usize], device: &Device) -> Result<Tensor, Error> {
        Ok(Tensor::from_vec(
            self.numbers(name, wanted)?.into_owned(),
            wanted,
            device,
        )?)
    }

    /// The numbers of tensor `name`, row by row, as f32, without a copy where the file has them so.
    ///
    /// # Errors
    ///
    /// As [`Weights::tensor`].
    pub fn numbers(&self, name: &str, wanted: &[usize]) -> Result<Cow<'_, [f32]>, Error> {
        let entry = self.entry(name, wanted)?;
        if let Some(Quantised { numbers, scales }) = self.quantised(name) {
            let columns = wanted.last().copied().unwrap_or(1).max(1);
            let rows = numbers.chunks_exact(columns).zip(scales);
            return Ok(rows
                .flat_map(|(row, scale)| row.iter().map(move |&number| f32::from(number) * scale))
                .collect());
        }
        let count = entry.count();
        let bytes = self.data.get(entry.offset..).unwrap_or_default();
        let plain = entry.strides.is_none();
        if plain
            && entry.numbers == NumberType::F32
            && cfg!(target_endian = "little")
            && let Some(numbers) = bytes.get(..count * 4).and_then(as_f32s)
        {
            return Ok(Cow::Borrowed(numbers));
        }
        let size = entry.numbers.size();
        let place = |index: usize| match &entry.strides {
            None => index,
            Some(strides) => {
                let mut rest = index;
                let axes = entry.shape.iter().zip(strides).rev();
                axes.map(|(&extent, &stride)| {
                    let at = rest % extent;
                    rest /= extent;
                    at * stride
                })
                .sum()
            }
        };
        // The readers have checked that the last number lies inside the data.
        let number = |index: usize| bytes.get(place(index) * size..).unwrap_or_default();
        let values: Option<Vec<f32>> = match entry.numbers {
            NumberType::F32 => (0..count)
                .map(|at| number(at).first_chunk().map(|&b| f32::from_le_bytes(b)))
                .collect(),
            NumberType::F64 => (0..count)
                .map(|at| {
                    number(at)
                        .first_chunk()
                        .map(|&b| f64::from_le_bytes(b) as f32)
                })
                .collect(),
            NumberType::F16 => (0..count)
                .map(|at| {
                    number(at)
                        .first_chunk()
                        .map(|&b| half::f16::from_le_bytes(b).to_f32())
                })
                .collect(),
            NumberType::BF16 => (0..count)
                .map(|at| {
                    number(at)
                        .first_chunk()
                        .map(|&b| half::bf16::from_le_bytes(b).to_f32())
                })
                .collect(),
            NumberType::I8 | NumberType::Other(_) => {
                return Err(Error::TensorType {
                    path: self.path.clone(),
                    name: name.to_owned(),
                    found: entry.numbers.name().to_owned(),
                });
            }
        };
        values.map(Cow::Owned).ok_or_else(|| Error::Damaged {
            path: self.path.clone(),
            what: format!("tensor `{name}` reaches past the end of the file"),
        })
    }

    /// The parts of an eight-bit matrix, if `name` is one: an `I8` tensor `(rows, columns)` with an
    /// `F32` tensor `name.scale` of shape `(rows)`.
    pub fn quantised(&self, name: &str) -> Option<Quantised<'_>> {
        let entry = self
            .entries
            .get(name)
            .filter(|entry| entry.numbers == NumberType::I8)?;
        let scale = self.entries.get(&format!("{name}{SCALE}"))?;
        let rows = *entry.shape.first()?;
        if scale.numbers != NumberType::F32 || scale.shape != [rows] {
            return None;
        }
        let numbers = self.data.get(entry.offset..)?.get(..entry.count())?;
        let scales = as_f32s(self.data.get(scale.offset..)?.get(..rows * 4)?)?;
        Some(Quantised {
            numbers: as_i8s(numbers),
            scales,
        })
    }

    fn entry(&self, name: &str, wanted: &[usize]) -> Result<&Entry, Error> {
        let entry = self.entries.get(name).ok_or_else(|| Error::MissingTensor {
            path: self.path.clone(),
            name: name.to_owned(),
            wanted: wanted.to_vec(),
            hint: self.hint(name),
        })?;
        if entry.shape != wanted {
            return Err(Error::TensorShape {
                path: self.path.clone(),
                name: name.to_owned(),
                found: entry.shape.clone(),
                wanted: wanted.to_vec(),
            });
        }
        Ok(entry)
    }

    /// What the checkpoint may be, if its head is not the one that is missed.
    fn hint(&self, missed: &str) -> &'static str {
        let has = |prefix: &str| self.entries.keys().any(|name| name.starts_with(prefix));
        if missed.starts_with("discriminator_predictions") && has("generator_predictions") {
            "; it looks like a generator, and scoring needs a discriminator"
        } else if missed.starts_with("discriminator_predictions")
            && (has("classifier") || has("qa_outputs"))
        {
            "; it looks like a fine-tuned head, and scoring needs a discriminator"
        } else if missed.starts_with("generator_") && has("discriminator_predictions") {
            "; it looks like a discriminator, and a generator is wanted"
        } else {
            ""
        }
    }
}

/// What the scale of a matrix adds to its name.
pub(super) const SCALE: &str = ".scale";

/// Old checkpoints call the weights of a layer norm gamma and beta.
fn with_today_names(entries: BTreeMap<String, Entry>) -> BTreeMap<String, Entry> {
    entries
        .into_iter()
        .map(|(name, entry)| {
            let today = name
                .strip_suffix("LayerNorm.gamma")
                .map(|before| format!("{before}LayerNorm.weight"))
                .or_else(|| {
                    name.strip_suffix("LayerNorm.beta")
                        .map(|before| format!("{before}LayerNorm.bias"))
                });
            (today.unwrap_or(name), entry)
        })
        .collect()
}

/// Maps a file into memory.
#[expect(
    unsafe_code,
    reason = "memory-mapping a checkpoint instead of copying it"
)]
fn map(file: &std::fs::File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is read-only and nothing here assumes that its bytes keep their values: every
    // number in it is a plain bit pattern. A checkpoint that is cut short while it is open would
    // end the process by SIGBUS; the ones written by this program are renamed into place whole.
    unsafe { memmap2::Mmap::map(file) }
}

/// The same bytes as numbers, if they are aligned.
#[expect(
    unsafe_code,
    reason = "reinterpreting bytes of the file as the numbers that they are"
)]
fn as_f32s(bytes: &[u8]) -> Option<&[f32]> {
    // SAFETY: every pattern of four bytes is an f32, and `align_to` looks after the alignment.
    let (before, numbers, after) = unsafe { bytes.align_to::<f32>() };
    (before.is_empty() && after.is_empty()).then_some(numbers)
}

/// The same bytes as signed numbers.
#[expect(
    unsafe_code,
    reason = "reinterpreting bytes of the file as the numbers that they are"
)]
fn as_i8s(bytes: &[u8]) -> &[i8] {
    // SAFETY: u8 and i8 have the same size and alignment, and every byte is an i8.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}
