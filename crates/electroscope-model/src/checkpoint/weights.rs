//! A checkpoint's tensors by name, whatever the format of its files.
//!
//! Every format has a reader of its own below, which gives the tensors by the names that PyTorch
//! calls them by and says where their numbers lie; the numbers stay in the file until they are asked
//! for. A matrix that another framework keeps the other way round is described by its strides
//! and not copied.
//!
//! Names and shapes are checked strictly, and sizes against the length of the file before anything
//! is allocated. How much structure a file may have is bounded too ([`MOST_TENSORS`] and its
//! neighbours), because a few bytes can ask for a great many objects.

mod archive;
mod bundle;
mod flax;
mod hdf5;
mod json;
mod keras;
mod pickle;
mod safetensors;
mod shards;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use crate::bounded_read::{limits, read_bounded};
use crate::checkpoint::files;
use crate::{Error, text_file};
use bundle::Side;

/// The types of number that weights come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NumberType {
    F32,
    F16,
    BF16,
    F64,
    /// Eight-bit integers, a scale per row beside them; only in our own compact form.
    I8,
    /// Whatever else a file may hold, with its size in bytes; it can be listed but not be read as
    /// weights.
    Other(&'static str, usize),
}

impl NumberType {
    /// Bytes per number.
    fn size(self) -> usize {
        match self {
            NumberType::F64 => 8,
            NumberType::F32 => 4,
            NumberType::F16 | NumberType::BF16 => 2,
            NumberType::I8 => 1,
            NumberType::Other(_, size) => size,
        }
    }

    fn name(self) -> &'static str {
        match self {
            NumberType::F32 => "F32",
            NumberType::F16 => "F16",
            NumberType::BF16 => "BF16",
            NumberType::F64 => "F64",
            NumberType::I8 => "I8",
            NumberType::Other(name, _) => name,
        }
    }
}

/// More tensors than any transformer has.
const MOST_TENSORS: usize = 1 << 14;

/// More letters than any tensor's name has.
const LONGEST_NAME: usize = 512;

/// More axes than any tensor has.
const MOST_AXES: usize = 8;

/// More bytes than the description of any checkpoint takes.
const LONGEST_DESCRIPTION: usize = 8 << 20;

/// Where one tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    numbers: NumberType,
    shape: Vec<usize>,
    /// Steps between neighbours along each axis, in numbers, where they are not those of the shape.
    strides: Option<Vec<usize>>,
    /// Which of the files it is in.
    file: usize,
    /// First byte in that file.
    offset: usize,
    /// Where its numbers go on, if they do not all lie in one piece.
    pieces: Option<Pieces>,
    /// The CRC-32C of its bytes, if that is known.
    checksum: Option<u32>,
}

/// How a tensor is cut up, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pieces {
    /// Numbers in each piece but the last.
    each: usize,
    /// First byte of each piece in the file.
    starts: Vec<usize>,
}

impl Entry {
    /// A tensor whose numbers lie row by row from `offset` of the first file.
    fn plain(numbers: NumberType, shape: Vec<usize>, offset: usize) -> Entry {
        Entry {
            numbers,
            shape,
            strides: None,
            file: 0,
            offset,
            pieces: None,
            checksum: None,
        }
    }

    /// The same tensor with its axes in reverse order.
    fn transposed(self) -> Entry {
        let order: Vec<usize> = (0..self.shape.len()).rev().collect();
        self.permuted(&order)
    }

    /// The same tensor with its axes in another order.
    fn permuted(mut self, order: &[usize]) -> Entry {
        let mut step = 1usize;
        let mut strides = vec![1; self.shape.len()];
        for (stride, &extent) in strides.iter_mut().zip(&self.shape).rev() {
            *stride = step;
            step = step.saturating_mul(extent);
        }
        let pick = |list: &[usize]| -> Vec<usize> {
            order
                .iter()
                .filter_map(|&axis| list.get(axis).copied())
                .collect()
        };
        (self.shape, self.strides) = (pick(&self.shape), Some(pick(&strides)));
        self
    }

    /// How many numbers it has. The readers have checked that the product fits, but where an extent
    /// is 0 the others can be anything.
    fn count(&self) -> usize {
        if self.shape.contains(&0) {
            return 0;
        }
        self.shape.iter().product()
    }
}

/// Why a file is not taken, before it is said which file that is.
enum Fault {
    /// It does not hold together.
    Damaged(String),
    /// It holds together, but in a way that is not read here.
    Unread(String),
}

impl Fault {
    /// The error for the file at `path`, with how to get one that can be read.
    fn of(self, path: &Path, remedy: &'static str) -> Error {
        let path = path.to_owned();
        match self {
            Fault::Damaged(what) => Error::Damaged { path, what },
            Fault::Unread(what) => Error::Unread { path, what, remedy },
        }
    }
}

impl From<String> for Fault {
    fn from(what: String) -> Fault {
        Fault::Damaged(what)
    }
}

impl From<&str> for Fault {
    fn from(what: &str) -> Fault {
        Fault::Damaged(what.to_owned())
    }
}

/// Puts a tensor among `entries`, or says why it cannot be one of them.
fn add(entries: &mut BTreeMap<String, Entry>, name: String, entry: Entry) -> Result<(), String> {
    if name.len() > LONGEST_NAME {
        let start: String = name.chars().take(40).collect();
        return Err(format!(
            "the name `{start}…` has {} letters, and no tensor's has more than {LONGEST_NAME}",
            name.len()
        ));
    }
    if entry.shape.len() > MOST_AXES {
        return Err(format!(
            "tensor `{name}` has {} axes, and no model's has more than {MOST_AXES}",
            entry.shape.len()
        ));
    }
    if entries.len() >= MOST_TENSORS {
        return Err(format!(
            "it has more tensors than any model, over {MOST_TENSORS}"
        ));
    }
    if entries.contains_key(&name) {
        return Err(format!("it has two tensors `{name}`"));
    }
    entries.insert(name, entry);
    Ok(())
}

/// How many bytes a tensor of this shape takes, unless the product is past all numbers.
fn bytes_of(numbers: NumberType, shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(numbers.size(), |bytes, &extent| bytes.checked_mul(extent))
}

/// The first two of `ranges` that share bytes, if any do.
fn overlap(mut ranges: Vec<(usize, usize)>) -> Option<(usize, usize)> {
    ranges.retain(|(from, to)| from < to);
    ranges.sort_unstable();
    ranges
        .windows(2)
        .find(|pair| pair[0].1 > pair[1].0)
        .map(|pair| (pair[1].0, pair[0].1.min(pair[1].1)))
}

/// The bytes of a weights file.
enum Data {
    Static(&'static [u8]),
    Held(Vec<u8>),
}

impl std::ops::Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Data::Static(bytes) => bytes,
            Data::Held(bytes) => bytes,
        }
    }
}

/// The files that the tensors of one checkpoint lie in, in the order in which they were opened.
#[derive(Default)]
struct Files {
    list: Vec<(PathBuf, Data)>,
    /// The only files there are, if the disk is not to be asked.
    held: Option<BTreeMap<PathBuf, Vec<u8>>>,
}

impl Files {
    /// Reads the file at `path`, and gives its number. It is not mapped: a mapped file that is cut
    /// short while it is used, by a copy that is written over it for instance, ends the process by
    /// SIGBUS. What that costs is a copy out of the system's cache.
    fn open(&mut self, path: &Path) -> Result<usize, Error> {
        let read_error = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        if let Some(held) = &mut self.held {
            let bytes = held
                .remove(path)
                .ok_or_else(|| read_error(std::io::ErrorKind::NotFound.into()))?;
            self.list.push((path.to_owned(), Data::Held(bytes)));
            return Ok(self.list.len() - 1);
        }
        let bytes = read_bounded(path, limits::WEIGHTS).map_err(read_error)?;
        self.list.push((path.to_owned(), Data::Held(bytes)));
        Ok(self.list.len() - 1)
    }

    /// The bytes of a file that was opened.
    fn data(&self, file: usize) -> &[u8] {
        self.list.get(file).map_or(&[], |(_, data)| data)
    }

    fn path(&self, file: usize) -> &Path {
        self.list.get(file).map_or(Path::new(""), |(path, _)| path)
    }
}

/// The tensors of a checkpoint.
pub struct Weights {
    path: PathBuf,
    files: Files,
    entries: BTreeMap<String, Entry>,
    /// What the user should know of how they were read.
    remark: Option<String>,
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
    /// Opens the weights in `folder`: the first that is there of `model.safetensors`, the same in
    /// several files with `model.safetensors.index.json`, `pytorch_model.bin`, `flax_model.msgpack`,
    /// `tf_model.h5`, and a TensorFlow 1 checkpoint, `model.ckpt.index` or the only other `*.index`.
    ///
    /// # Errors
    ///
    /// [`Error::MissingFile`] if there are none, [`Error::SeveralCheckpoints`] where it is not clear
    /// which is meant, and what [`Weights::open`] finds.
    pub fn open_folder(folder: &Path) -> Result<Weights, Error> {
        Weights::first_of(folder, Side::Discriminator)
    }

    /// Opens the weights of the generator in `folder`. They lie as those of a discriminator do, but in
    /// a TensorFlow 1 checkpoint, which holds both, it makes a difference which is wanted.
    ///
    /// # Errors
    ///
    /// As [`Weights::open_folder`].
    pub fn open_generator_folder(folder: &Path) -> Result<Weights, Error> {
        Weights::first_of(folder, Side::Generator)
    }

    /// The first of the weights in `folder` that can be read. A file that is in no format that is read
    /// here is passed over where the same model lies beside it in another format. One that is damaged is
    /// an error: it was meant to be read.
    fn first_of(folder: &Path, side: Side) -> Result<Weights, Error> {
        let mut failed: Option<Error> = None;
        for path in find(folder)? {
            match (Weights::read(Files::default(), &path, side), &failed) {
                (Ok(weights), None) => return Ok(weights),
                (Ok(weights), Some(why)) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let remark = format!("{why}; {name} beside it is used instead");
                    return Ok(Weights {
                        remark: Some(remark),
                        ..weights
                    });
                }
                // The error of the file that is looked for first is the one that helps.
                (Err(err), _) => {
                    let is_unread = matches!(
                        err,
                        Error::Unread { .. } | Error::Pickle { .. } | Error::LfsPointer { .. }
                    );
                    failed = failed.or(Some(err));
                    if !is_unread {
                        break;
                    }
                }
            }
        }
        Err(failed.unwrap_or_else(|| missing(folder)))
    }

    /// What the user should know of how they were read, if anything.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// Opens weights by their first file: `*.safetensors`, `*.index.json` with the files that it
    /// names, Flax's `*.msgpack`, Keras's `*.h5`, the discriminator in the checkpoint of a TensorFlow
    /// `*.index`, or else PyTorch's archive.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Damaged`], [`Error::Unread`], [`Error::Pickle`],
    /// [`Error::LfsPointer`].
    pub fn open(path: &Path) -> Result<Weights, Error> {
        Weights::read(Files::default(), path, Side::Discriminator)
    }

    /// As [`Weights::open`] and [`Weights::open_generator_folder`], from memory: the first of `files`,
    /// and what it asks for from among the others. This is how the readers are tested.
    ///
    /// # Errors
    ///
    /// As [`Weights::open`].
    #[doc(hidden)]
    pub fn held(files: Vec<(PathBuf, Vec<u8>)>, generator: bool) -> Result<Weights, Error> {
        let first = files.first().map(|(path, _)| path.clone());
        let files = Files {
            held: Some(files.into_iter().collect()),
            ..Files::default()
        };
        let side = if generator {
            Side::Generator
        } else {
            Side::Discriminator
        };
        Weights::read(files, &first.unwrap_or_default(), side)
    }

    fn read(mut files: Files, path: &Path, side: Side) -> Result<Weights, Error> {
        let first = files.open(path)?;
        text_file::refuse_pointer(files.data(first), path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let entries = if name.ends_with(".safetensors") {
            safetensors::entries(files.data(first), path)?
        } else if name.ends_with(".index.json") {
            shards::entries(&mut files, first)?
        } else if name.ends_with(".msgpack") {
            flax::entries(files.data(first), path)?
        } else if name.ends_with(".h5") {
            keras::entries(files.data(first)).map_err(|fault| {
                fault.of(path, "load it in TensorFlow and save its weights again")
            })?
        } else if name.ends_with(".index") {
            bundle::entries(&mut files, first, side)?
        } else {
            pickle::entries(files.data(first), path)?
        };
        Ok(Weights {
            path: path.to_owned(),
            entries: with_today_names(entries, path)?,
            files,
            remark: None,
        })
    }

    /// Opens a safetensors file in memory; `name` stands for its path in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`].
    pub fn from_static(name: &str, bytes: &'static [u8]) -> Result<Weights, Error> {
        let path = PathBuf::from(name);
        let entries = safetensors::entries(bytes, &path)?;
        Ok(Weights {
            files: Files {
                list: vec![(path.clone(), Data::Static(bytes))],
                held: None,
            },
            path,
            entries,
            remark: None,
        })
    }

    /// The file, or the one of them that names the others.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All the files that were opened for it, that one first.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.list.iter().map(|(path, _)| path.as_path())
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
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::TensorType`],
    /// [`Error::WeightNotFinite`].
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
        let numbers = self.stored_numbers(name, wanted)?;
        match numbers.iter().position(|number| !number.is_finite()) {
            None => Ok(numbers),
            Some(place) => Err(Error::WeightNotFinite {
                path: self.path.clone(),
                name: name.to_owned(),
                found: numbers.get(place).copied().unwrap_or(f32::NAN),
                place,
            }),
        }
    }

    /// As [`Weights::numbers`], whatever the numbers are.
    fn stored_numbers(&self, name: &str, wanted: &[usize]) -> Result<Cow<'_, [f32]>, Error> {
        let entry = self.entry(name, wanted)?;
        if let Some(Quantised { numbers, scales }) = self.quantised(name) {
            let columns = wanted.last().copied().unwrap_or(1).max(1);
            let rows = numbers.chunks_exact(columns).zip(scales);
            return Ok(rows
                .flat_map(|(row, scale)| row.iter().map(move |&number| f32::from(number) * scale))
                .collect());
        }
        let count = entry.count();
        let bytes = self.bytes(entry);
        if let Some(noted) = entry.checksum {
            let bytes = bytes
                .get(..count * entry.numbers.size())
                .unwrap_or_default();
            let found = crc32c::crc32c(bytes);
            if found != noted {
                return Err(Error::Damaged {
                    path: self.files.path(entry.file).to_owned(),
                    what: format!(
                        "the bytes of tensor `{name}` have the checksum {found:08x}, and the index says {noted:08x}"
                    ),
                });
            }
        }
        if entry.strides.is_none()
            && entry.pieces.is_none()
            && entry.numbers == NumberType::F32
            && cfg!(target_endian = "little")
            && let Some(numbers) = bytes.get(..count * 4).and_then(as_f32s)
        {
            return Ok(Cow::Borrowed(numbers));
        }
        let data = self.files.data(entry.file);
        let values = match entry.numbers {
            NumberType::F32 => gather(entry, data, f32::from_le_bytes),
            NumberType::F64 => gather(entry, data, |b| f64::from_le_bytes(b) as f32),
            NumberType::F16 => gather(entry, data, |b| half::f16::from_le_bytes(b).to_f32()),
            NumberType::BF16 => gather(entry, data, |b| half::bf16::from_le_bytes(b).to_f32()),
            NumberType::I8 | NumberType::Other(..) => {
                return Err(Error::TensorType {
                    path: self.path.clone(),
                    name: name.to_owned(),
                    found: entry.numbers.name().to_owned(),
                });
            }
        };
        values.map(Cow::Owned).ok_or_else(|| Error::Damaged {
            path: self.files.path(entry.file).to_owned(),
            what: format!("tensor `{name}` reaches past the end of the file"),
        })
    }

    /// The parts of an eight-bit matrix, if `name` is one: an `I8` tensor `(rows, columns)` with an
    /// `F32` tensor `name.scale` of shape `(rows)`.
    pub fn quantised(&self, name: &str) -> Option<Quantised<'_>> {
        self.quantised_by(name, |entry| self.bytes(entry))
    }

    /// As [`Weights::quantised`], for weights from [`Weights::from_static`]: a model may read them in
    /// place instead of copying them.
    pub fn static_quantised(&self, name: &str) -> Option<Quantised<'static>> {
        let bytes = self.static_bytes()?;
        self.quantised_by(name, |entry| bytes.get(entry.offset..).unwrap_or_default())
    }

    /// The whole file, for weights from [`Weights::from_static`].
    pub(crate) fn static_bytes(&self) -> Option<&'static [u8]> {
        match self.files.list.as_slice() {
            &[(_, Data::Static(bytes))] => Some(bytes),
            _ => None,
        }
    }

    /// `bytes_from` gives the bytes from a tensor's first on.
    fn quantised_by<'a>(
        &self,
        name: &str,
        bytes_from: impl Fn(&Entry) -> &'a [u8],
    ) -> Option<Quantised<'a>> {
        let entry = self
            .entries
            .get(name)
            .filter(|entry| entry.numbers == NumberType::I8)?;
        let scale = self.entries.get(&format!("{name}{SCALE}"))?;
        let rows = *entry.shape.first()?;
        if scale.numbers != NumberType::F32 || scale.shape != [rows] {
            return None;
        }
        let numbers = bytes_from(entry).get(..entry.count())?;
        let scales = as_f32s(bytes_from(scale).get(..rows * 4)?)?;
        Some(Quantised {
            numbers: as_i8s(numbers),
            scales,
        })
    }

    /// The file's bytes from the tensor's first on.
    fn bytes(&self, entry: &Entry) -> &[u8] {
        let data = self.files.data(entry.file);
        data.get(entry.offset..).unwrap_or_default()
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

/// The first files of the weights in `folder`, one for each format that is there, in the order in which
/// they are tried.
fn find(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let paths = files::WEIGHTS.iter().map(|name| folder.join(name));
    let paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    if !paths.is_empty() {
        return Ok(paths);
    }
    // TensorFlow's own releases call the checkpoint after the model or the step.
    let listed = std::fs::read_dir(folder).into_iter().flatten();
    let mut indices: Vec<PathBuf> = listed
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "index") && path.is_file())
        .collect();
    indices.sort();
    match indices.as_slice() {
        [index] => return Ok(vec![index.clone()]),
        [first, second, ..] => {
            return Err(Error::SeveralCheckpoints {
                first: first.clone(),
                second: second.clone(),
            });
        }
        [] => {}
    }
    Err(missing(folder))
}

/// That there are no weights in `folder`.
fn missing(folder: &Path) -> Error {
    Error::MissingFile {
        folder: folder.to_owned(),
        wanted: "model.safetensors, pytorch_model.bin, flax_model.msgpack, tf_model.h5 or model.ckpt.index",
        found: files::listing(folder),
    }
}

/// What the scale of a matrix adds to its name.
pub(super) const SCALE: &str = ".scale";

/// What wrappers of PyTorch put before the name of every tensor: `DataParallel` and `torch.compile`.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// Names without what wrappers put before them. Old checkpoints call the weights of a layer norm gamma
/// and beta.
fn with_today_names(
    entries: BTreeMap<String, Entry>,
    path: &Path,
) -> Result<BTreeMap<String, Entry>, Error> {
    let mut renamed = BTreeMap::new();
    for (name, entry) in entries {
        let mut name = name.as_str();
        while let Some(inner) = WRAPPERS
            .iter()
            .find_map(|wrapper| name.strip_prefix(wrapper))
        {
            name = inner;
        }
        let today = name
            .strip_suffix("LayerNorm.gamma")
            .map(|before| format!("{before}LayerNorm.weight"))
            .or_else(|| {
                name.strip_suffix("LayerNorm.beta")
                    .map(|before| format!("{before}LayerNorm.bias"))
            });
        add(
            &mut renamed,
            today.unwrap_or_else(|| name.to_owned()),
            entry,
        )
        .map_err(|what| Error::Damaged {
            path: path.to_owned(),
            what,
        })?;
    }
    Ok(renamed)
}

/// The numbers of a tensor, row by row; nothing if one of them lies past the end of the file's `data`.
fn gather<const SIZE: usize>(
    entry: &Entry,
    data: &[u8],
    number: impl Fn([u8; SIZE]) -> f32,
) -> Option<Vec<f32>> {
    let at = |place: usize| {
        let (start, place) = match &entry.pieces {
            None => (entry.offset, place),
            Some(Pieces { each, starts }) => (*starts.get(place / each)?, place % each),
        };
        let bytes = data.get(start + place * SIZE..)?.first_chunk::<SIZE>()?;
        Some(number(*bytes))
    };
    let count = entry.count();
    let (Some(strides), Some(&columns)) = (&entry.strides, entry.shape.last()) else {
        return (0..count).map(at).collect();
    };
    let step = strides.last().copied().unwrap_or(1);
    let leading = || entry.shape.iter().zip(strides).rev().skip(1);
    let mut values = Vec::with_capacity(count);
    for row in 0..count.checked_div(columns).unwrap_or(0) {
        let mut rest = row;
        let mut start = 0;
        for (&extent, &stride) in leading() {
            start += rest % extent * stride;
            rest /= extent;
        }
        for column in 0..columns {
            values.push(at(start + column * step)?);
        }
    }
    Some(values)
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
