//! Running text for pre-training: files, folders and patterns, plain or compressed with Zstandard,
//! read document by document.
//!
//! A file has one paragraph per line and an empty line after each document. Files are read in pieces,
//! because a corpus may be larger than memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Error;

/// A document of a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextDocument {
    /// The path of the file.
    pub path: Arc<Path>,
    /// The line that it begins at, counted from 1.
    pub line: usize,
    /// Its non-blank lines, each without surrounding white space.
    pub text: String,
}

/// The bytes of a document at most; a longer one is divided at the end of a line, so that a file
/// without empty lines is read in pieces that fit in memory.
const LONGEST_DOCUMENT: usize = 4 << 20;

/// The bytes of a line at most; a file with a longer one does not have one paragraph per line.
const LONGEST_LINE: usize = 16 << 20;

/// The documents of `paths`, file by file; see [`files`] for what a path may be. After an error, the
/// rest of the file is skipped.
///
/// # Errors
///
/// Those of [`files`]; errors in a file are items of the iterator.
pub fn documents(paths: &[PathBuf]) -> Result<Documents, Error> {
    Ok(Documents::of(files(paths)?))
}

/// The files that `paths` stand for, in order and each once. A path is a file; a folder, for its files
/// and those of its subfolders that end in `.txt`, `.text` or `.zst` and are not hidden; or a pattern
/// with `*`, `?`, `[…]`, `{…}` or `**`, for the files that match.
///
/// # Errors
///
/// A path that does not exist, a folder or a pattern without files.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        let found = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => files_below(path, &|file| is_text(file))?,
            Ok(_) => vec![path.clone()],
            Err(_) if is_pattern(path) => files_matching(path)?,
            Err(source) => {
                return Err(Error::Open {
                    path: path.clone(),
                    source,
                });
            }
        };
        if found.is_empty() {
            return Err(Error::Data {
                path: path.clone(),
                line: None,
                what: "no text files found; of a folder those that end in .txt, .text or .zst are read; name \
       others one by one or by a pattern such as 'books/**/*.md'"
    .to_owned(),
            });
        }
        for file in found {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// Whether a file of a folder is read.
fn is_text(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        ["txt", "text", "zst"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '[', '{'])
}

/// The files below `folder` that are `wanted`, in the order of their paths.
fn files_below(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>, Error> {
    let mut walk = ignore::WalkBuilder::new(folder);
    // Corpora are often ignored by git, so .gitignore does not apply.
    walk.standard_filters(false).hidden(true).follow_links(true);
    walk.sort_by_file_path(Path::cmp);
    let mut files = Vec::new();
    for entry in walk.build() {
        let entry = entry.map_err(|err| Error::Open {
            path: folder.to_owned(),
            source: io::Error::other(err),
        })?;
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if is_file && wanted(entry.path()) {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// The files that match a pattern, in the order of their paths.
fn files_matching(pattern: &Path) -> Result<Vec<PathBuf>, Error> {
    let glob = globset::GlobBuilder::new(&pattern.to_string_lossy())
        .literal_separator(true)
        .build()
        .map_err(|err| Error::Data {
            path: pattern.to_owned(),
            line: None,
            what: format!("no such file, and not a valid pattern: {}", err.kind()),
        })?
        .compile_matcher();
    // The components before the first wildcard are the folder to search.
    let fixed = pattern
        .components()
        .take_while(|part| !is_pattern(Path::new(part)));
    let root: PathBuf = fixed.collect();
    let here = root.as_os_str().is_empty();
    let root = if here { Path::new(".") } else { &root };
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let named = |path: &Path| match path.strip_prefix(".") {
        Ok(path) if here => path.to_owned(),
        _ => path.to_owned(),
    };
    let files = files_below(root, &|path| glob.is_match(named(path)))?;
    Ok(files.iter().map(|path| named(path)).collect())
}

/// An iterator over the documents of files.
pub struct Documents {
    files: std::vec::IntoIter<PathBuf>,
    open: Option<TextFile>,
}

impl Documents {
    /// The documents of `files`.
    pub fn of(files: Vec<PathBuf>) -> Documents {
        Documents {
            files: files.into_iter(),
            open: None,
        }
    }
}

impl Iterator for Documents {
    type Item = Result<TextDocument, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(document) = self.open.as_mut().and_then(Iterator::next) {
                if document.is_err() {
                    self.open = None;
                }
                return Some(document);
            }
            match TextFile::open(&self.files.next()?) {
                Ok(file) => self.open = Some(file),
                Err(err) => return Some(Err(err)),
            }
        }
    }
}

/// An iterator over the documents of one file. It ends after an error.
pub struct TextFile {
    path: Arc<Path>,
    input: Box<dyn BufRead + Send>,
    /// The number of the line read last.
    line: usize,
    /// The first line of the next document, if it was read already.
    next_document: Vec<u8>,
    ended: bool,
}

impl TextFile {
    /// Opens the file at `path`; it is compressed if it begins with the magic number of Zstandard.
    ///
    /// # Errors
    ///
    /// [`Error::Open`].
    pub fn open(path: &Path) -> Result<TextFile, Error> {
        let failed = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
        let start = file.fill_buf().map_err(failed)?;
        let input: Box<dyn BufRead + Send> = if is_compressed(start) {
            Box::new(BufReader::with_capacity(1 << 16, ZstdFrames::new(file)))
        } else {
            Box::new(file)
        };
        Ok(TextFile {
            path: path.into(),
            input,
            line: 0,
            next_document: Vec::new(),
            ended: false,
        })
    }

    /// Skips `count` documents and gives how many there were.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    pub fn skip_documents(&mut self, count: usize) -> Result<usize, Error> {
        for done in 0..count {
            match self.next() {
                Some(document) => drop(document?),
                None => return Ok(done),
            }
        }
        Ok(count)
    }

    /// Reads a line with its line feed into `line`; false at the end of the file.
    fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool, Error> {
        line.clear();
        let mut limited = (&mut self.input).take(LONGEST_LINE as u64 + 1);
        let count = limited.read_until(b'\n', line);
        let count = count.map_err(|source| Error::Open {
            path: self.path.to_path_buf(),
            source,
        })?;
        self.line += usize::from(count > 0);
        if count > LONGEST_LINE {
            return Err(self.refuse(format!(
                "the line has more than {} MiB; a text for pre-training has one paragraph per line",
                LONGEST_LINE >> 20
            )));
        }
        Ok(count > 0)
    }

    fn refuse(&self, what: String) -> Error {
        Error::Data {
            path: self.path.to_path_buf(),
            line: Some(self.line),
            what,
        }
    }

    /// Decodes a line and trims it.
    fn decode<'a>(&self, line: &'a [u8]) -> Result<&'a str, Error> {
        if let Some(at) = line.iter().position(|&byte| byte == 0) {
            return Err(self.refuse(format!(
                "byte {} of the line is NUL, so this is not text; give UTF-8 text, plain or as .zst",
                at + 1
            )));
        }
        let text = std::str::from_utf8(line).map_err(|err| {
            self.refuse(format!(
                "byte {} of the line is not UTF-8; save the file as UTF-8",
                err.valid_up_to() + 1
            ))
        })?;
        let text = match self.line {
            1 => text.strip_prefix('\u{feff}').unwrap_or(text),
            _ => text,
        };
        Ok(text.trim())
    }

    /// The next document; none at the end of the file.
    fn read(&mut self) -> Result<Option<TextDocument>, Error> {
        let mut text = String::new();
        let mut first = 0;
        let mut line = std::mem::take(&mut self.next_document);
        loop {
            if line.is_empty() && !self.read_line(&mut line)? {
                self.ended = true;
                break;
            }
            let decoded = self.decode(&line)?;
            if decoded.is_empty() {
                if !text.is_empty() {
                    break;
                }
            } else if !text.is_empty() && text.len() + decoded.len() >= LONGEST_DOCUMENT {
                self.next_document = line;
                break;
            } else {
                if text.is_empty() {
                    first = self.line;
                } else {
                    text.push('\n');
                }
                text.push_str(decoded);
            }
            line.clear();
        }
        Ok((!text.is_empty()).then(|| TextDocument {
            path: Arc::clone(&self.path),
            line: first,
            text,
        }))
    }
}

impl Iterator for TextFile {
    type Item = Result<TextDocument, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let document = self.read();
        self.ended |= document.is_err();
        document.transpose()
    }
}

/// Whether bytes begin with the magic number of a Zstandard frame, skippable frames included.
fn is_compressed(start: &[u8]) -> bool {
    match start
        .first_chunk::<4>()
        .map(|magic| u32::from_le_bytes(*magic))
    {
        Some(magic) => magic == 0xFD2F_B528 || magic & 0xFFFF_FFF0 == 0x184D_2A50,
        None => false,
    }
}

/// Decodes the frames of a Zstandard file, one after the other.
struct ZstdFrames<R> {
    source: R,
    decoder: FrameDecoder,
    /// Whether a frame has begun whose checksum is not verified yet.
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(source: R) -> ZstdFrames<R> {
        ZstdFrames {
            source,
            decoder: FrameDecoder::new(),
            in_frame: false,
        }
    }

    /// Begins the next frame; false at the end of the file.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = (&mut self.source).take(u64::from(length));
                    io::copy(&mut skipped, &mut io::sink())?;
                }
                Err(err) => return Err(damaged(err)),
            }
        }
    }
}

fn damaged(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "the Zstandard file is damaged or incomplete ({why}); download or compress it again"
        ),
    )
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.in_frame && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.in_frame && self.decoder.is_finished() {
                self.in_frame = false;
                let (stored, found) = (
                    self.decoder.get_checksum_from_data(),
                    self.decoder.get_calculated_checksum(),
                );
                if stored.is_some() && stored != found {
                    return Err(damaged("its checksum does not match"));
                }
            }
            if !self.in_frame {
                self.in_frame = self.begin_frame()?;
                if !self.in_frame {
                    return Ok(0);
                }
            }
            let strategy = BlockDecodingStrategy::UptoBlocks(1);
            self.decoder
                .decode_blocks(&mut self.source, strategy)
                .map_err(damaged)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn texts(path: &Path) -> Vec<String> {
        documents(&[path.to_owned()])
            .unwrap()
            .map(|document| document.unwrap().text)
            .collect()
    }

    fn names(folder: &tempfile::TempDir, named: &str) -> Vec<String> {
        let files = files(&[folder.path().join(named)]).unwrap();
        let name = |path: &PathBuf| {
            let path = path.strip_prefix(folder.path()).unwrap();
            path.to_string_lossy().replace('\\', "/")
        };
        files.iter().map(name).collect()
    }

    const TWO: &[u8] = "\u{feff}\n  A boat.\r\nIt waits.\n \t\n\n\nA bridge, naïve.".as_bytes();

    #[test]
    fn an_empty_line_ends_a_document() {
        let folder = folder(&[("a.txt", TWO)]);
        let documents: Vec<TextDocument> = documents(&[folder.path().join("a.txt")])
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let found: Vec<(usize, &str)> = documents
            .iter()
            .map(|document| (document.line, document.text.as_str()))
            .collect();
        assert_eq!(found, [(2, "A boat.\nIt waits."), (7, "A bridge, naïve.")]);
    }

    #[test]
    fn compressed_files_give_the_same_documents_as_plain_ones() {
        let frame = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
        // Two frames, with a skippable one between them.
        let mut bytes = frame(&TWO[..20]);
        bytes.extend(0x184D_2A53u32.to_le_bytes());
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(b"abc");
        bytes.extend(frame(&TWO[20..]));
        let folder = folder(&[("a.txt", TWO), ("a.zst", &bytes)]);
        let read = |name| texts(&folder.path().join(name));
        assert_eq!(read("a.zst"), read("a.txt"));
    }

    #[test]
    fn an_incomplete_or_corrupt_compressed_file_is_an_error() {
        let long: String = (0..2000).map(|n| format!("Line {n} of many.\n")).collect();
        let bytes = compress_to_vec(long.as_bytes(), CompressionLevel::Fastest);
        let mut changed = bytes.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        let folder = folder(&[
            ("cut.zst", &bytes[..bytes.len() / 2]),
            ("changed.zst", &changed),
        ]);
        for name in ["cut.zst", "changed.zst"] {
            let mut documents = documents(&[folder.path().join(name)]).unwrap();
            let message = match documents.find_map(Result::err) {
                Some(Error::Open { path, source }) => format!("{}: {source}", path.display()),
                other => panic!("{name} gave {other:?}"),
            };
            assert!(
                message.contains(name) && message.contains("damaged or incomplete"),
                "{message}"
            );
        }
    }

    #[test]
    fn folders_and_patterns_expand_to_their_files() {
        let folder = folder(&[
            ("b/c.txt", b"x"),
            ("b/d.md", b"x"),
            ("b/e/f.txt.zst", b"x"),
            ("b/.hidden/g.txt", b"x"),
            ("a.text", b"x"),
            ("README.md", b"x"),
        ]);
        assert_eq!(names(&folder, ""), ["a.text", "b/c.txt", "b/e/f.txt.zst"]);
        assert_eq!(names(&folder, "b/*.md"), ["b/d.md"]);
        assert_eq!(names(&folder, "**/*.md"), ["README.md", "b/d.md"]);
        assert_eq!(names(&folder, "b/[cd].*"), ["b/c.txt", "b/d.md"]);
        let twice = [folder.path().to_owned(), folder.path().join("a.text")];
        assert_eq!(files(&twice).unwrap().len(), 3);
    }

    #[test]
    fn missing_files_and_files_that_are_not_text_are_errors_with_their_name() {
        let folder = folder(&[
            ("nul.txt", b"a\nb\0c\n"),
            ("latin.txt", b"caf\xe9\n"),
            ("none/x.bin", b""),
        ]);
        let message = |named: &str| {
            let documents = documents(&[folder.path().join(named)]);
            let err = match documents {
                Ok(mut documents) => documents.find_map(Result::err).unwrap(),
                Err(err) => err,
            };
            err.to_string()
                .replace(&folder.path().display().to_string(), "HERE")
        };
        let messages = [
            "nul.txt",
            "latin.txt",
            "none",
            "missing.txt",
            "*.tex",
            "[.txt",
        ]
        .map(message);
        insta::assert_snapshot!(messages.join("\n"));
    }

    #[test]
    fn reading_continues_with_the_next_file_after_an_error() {
        let folder = folder(&[("a.txt", b"A.\n\n\xff\n\nLost.\n"), ("b.txt", b"B.")]);
        let found: Vec<_> = documents(&[folder.path().to_owned()])
            .unwrap()
            .map(|document| document.ok().map(|document| document.text))
            .collect();
        assert_eq!(found, [Some("A.".to_owned()), None, Some("B.".to_owned())]);
    }

    #[test]
    fn a_long_text_without_empty_lines_is_divided() {
        let line = "word ".repeat(1000);
        let long: String = (0..1000).map(|_| format!("{}\n", line.trim())).collect();
        let folder = folder(&[("a.txt", long.as_bytes())]);
        let pieces = texts(&folder.path().join("a.txt"));
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|piece| piece.len() < LONGEST_DOCUMENT));
        assert_eq!(pieces.join("\n"), long.trim());
    }

    proptest! {
        #[test]
        fn documents_contain_every_non_blank_line(lines in prop::collection::vec("[a-c ]{0,3}", 0..40)) {
            let folder = folder(&[("a.txt", lines.join("\n").as_bytes())]);
            let read = texts(&folder.path().join("a.txt"));
            let found: Vec<&str> = read.iter().flat_map(|text| text.lines()).collect();
            let wanted: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(found, wanted);
            // As many as there are runs of non-blank lines.
            let blank = |line: &String| line.trim().is_empty();
            let runs = lines.iter().enumerate()
                .filter(|&(at, line)| !blank(line) && (at == 0 || blank(&lines[at - 1])))
                .count();
            prop_assert_eq!(read.len(), runs);
        }
    }
}
