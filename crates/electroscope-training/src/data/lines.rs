//! The lines of a data file, one after the other, with their numbers.
//!
//! Apart from the formats, which all count lines and complain alike. It never looks into a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use super::super::Error;

/// A file that is read line by line.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    bytes: Vec<u8>,
    number: usize,
}

impl Lines {
    /// Opens `path`.
    pub(super) fn open(path: &Path) -> Result<Lines, Error> {
        Ok(Lines {
            path: path.to_owned(),
            reader: opened(path)?,
            bytes: Vec::new(),
            number: 0,
        })
    }

    /// The next line without what ends it; none at the end. The mark that some editors begin a file
    /// with is not part of the first.
    pub(super) fn read(&mut self) -> Result<Option<String>, Error> {
        self.bytes.clear();
        let mut limited = (&mut self.reader).take(LONGEST_ROW as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.bytes);
        if read.map_err(|source| unreadable(&self.path, source))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.bytes.len() > LONGEST_ROW {
            return Err(self.refuse(too_long()));
        }
        let mut line = self.bytes.as_slice();
        if self.number == 1 {
            line = electroscope_model::without_byte_order_mark(line);
        }
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some(line.to_owned())),
            Err(err) => Err(self.refuse(not_utf8(err.valid_up_to()))),
        }
    }

    /// That something is wrong with the line that was read last.
    pub(super) fn refuse(&self, what: impl Into<String>) -> Error {
        refuse(&self.path, Some(self.number), what)
    }

    /// That something is wrong with the whole file.
    pub(super) fn refuse_all(&self, what: impl Into<String>) -> Error {
        refuse(&self.path, None, what)
    }
}

/// The most bytes that a row may have: more than any text that a model can be trained on.
pub(super) const LONGEST_ROW: usize = 8 << 20;

/// That a row is too long.
pub(super) fn too_long() -> String {
    format!(
        "the row has more than {} MB; a row holds one text, so split it, or look for a quotation mark \
         that is not closed",
        LONGEST_ROW >> 20
    )
}

/// Opens a file of text. UTF-16, which spreadsheets write, is known by its byte order mark and becomes
/// UTF-8.
pub(super) fn opened(path: &Path) -> Result<Box<dyn BufRead>, Error> {
    let unreadable = |source| unreadable(path, source);
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let number: fn([u8; 2]) -> u16 = match reader.fill_buf().map_err(unreadable)? {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return Ok(Box::new(reader)),
    };
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(unreadable)?;
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> =
        char::decode_utf16(pairs.iter().skip(1).map(|&pair| number(pair))).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(Box::new(Cursor::new(text.into_bytes()))),
        _ => Err(refuse(
            path,
            None,
            "it begins as UTF-16 but is none; convert the file to UTF-8",
        )),
    }
}

/// That something is wrong with a file, or with a line of it.
pub(super) fn refuse(path: &Path, line: Option<usize>, what: impl Into<String>) -> Error {
    Error::Data {
        path: path.to_owned(),
        line,
        what: what.into(),
    }
}

/// That a file cannot be read.
pub(super) fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::Open {
        path: path.to_owned(),
        source,
    }
}

/// What is said of a line that is no text.
pub(super) fn not_utf8(valid: usize) -> String {
    format!(
        "byte {} of the line is not UTF-8; convert the file to UTF-8",
        valid + 1
    )
}

/// So many columns, for a message.
pub(super) fn columns(count: usize) -> String {
    match count {
        1 => "1 column".to_owned(),
        count => format!("{count} columns"),
    }
}

/// Some names for a message: all of a few, or as many as anyone reads.
pub(super) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    /// A message that lists more is not read.
    const MOST: usize = 24;
    let quoted: Vec<String> = (names.iter().take(MOST))
        .map(|name| format!("{:?}", name.as_ref()))
        .collect();
    match names.len().saturating_sub(MOST) {
        0 => quoted.join(", "),
        more => format!("{} and {more} more", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<String>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, bytes).unwrap();
        let mut lines = Lines::open(&path)?;
        let mut read = Vec::new();
        while let Some(line) = lines.read()? {
            read.push(line);
        }
        Ok(read)
    }

    #[test]
    fn utf_16_is_read_in_both_byte_orders() {
        let text = "\u{feff}Zoë 🙂\r\nb\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            assert_eq!(read(&bytes).unwrap(), ["Zoë 🙂", "b"]);
            let cut = read(&bytes[..bytes.len() - 1]).unwrap_err().to_string();
            assert!(cut.contains("begins as UTF-16"), "{cut}");
        }
    }

    #[test]
    fn a_row_of_many_megabytes_is_refused() {
        let mut bytes = vec![b'a'; LONGEST_ROW];
        bytes.extend(b"\nb\n");
        let said = read(&bytes).unwrap_err().to_string();
        assert!(said.contains(":1: the row has more than 8 MB"), "{said}");
    }

    #[test]
    fn a_line_ends_before_its_line_feed_and_carriage_return() {
        assert_eq!(read(b"a\r\nb\n\nc\rd").unwrap(), ["a", "b", "", "c\rd"]);
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text_but_only_at_its_beginning() {
        let lines = read("\u{feff}a\n\u{feff}b\n".as_bytes()).unwrap();
        assert_eq!(lines, ["a", "\u{feff}b"]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_refused_with_its_number() {
        let message = read(b"good\nca\xf1on\n").unwrap_err().to_string();
        assert!(
            message
                .ends_with("lines:2: byte 3 of the line is not UTF-8; convert the file to UTF-8")
        );
    }
}
