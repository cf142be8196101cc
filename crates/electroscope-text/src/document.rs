//! A text with a name: bytes decoded, and the language that says which of it is prose.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which parts of a document are prose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// All of it.
    #[default]
    Plain,
    /// CommonMark with tables, footnotes, front matter and math: the prose only.
    Markdown,
    /// MDX: as Markdown, without modules, elements and expressions.
    Mdx,
    /// reStructuredText with the directives and roles of docutils and Sphinx: the prose only.
    ReStructuredText,
    /// AsciiDoc: the prose only.
    AsciiDoc,
    /// LaTeX: the prose of the body, of titles and of captions.
    Latex,
    /// Org: the prose only.
    Org,
    /// Typst: text and content blocks, without code, raw text and equations.
    Typst,
    /// HTML: the text of the body.
    Html,
    /// A program: its comments, which are read as Markdown.
    Code(CodeLanguage),
    /// What the first line says: a script by its `#!`, else plain. A [`Document`] is never of this
    /// language, for there the line has been read.
    ByFirstLine,
}

/// A language of programs, by the syntax of its strings and comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeLanguage {
    /// Rust.
    Rust,
    /// Python, with docstrings.
    Python,
    /// JavaScript and TypeScript, with JSX.
    JavaScript,
    /// Go.
    Go,
    /// C and C++.
    C,
    /// Java.
    Java,
    /// The shells of POSIX, Bash and Zsh.
    Shell,
}

/// Which language an extension stands for.
const EXTENSIONS: [(Language, &[&str]); 15] = [
    (Language::Plain, &["txt", "text", "textile", "wiki"]),
    (
        Language::Markdown,
        &["md", "markdown", "mdown", "mkd", "mkdn", "qmd", "rmd"],
    ),
    (Language::Mdx, &["mdx"]),
    (Language::ReStructuredText, &["rst", "rest"]),
    (Language::AsciiDoc, &["adoc", "asciidoc", "asc"]),
    (Language::Latex, &["tex", "latex", "ltx"]),
    (Language::Org, &["org"]),
    (Language::Typst, &["typ"]),
    (Language::Html, &["html", "htm", "xhtml"]),
    (Language::Code(CodeLanguage::Rust), &["rs"]),
    (Language::Code(CodeLanguage::Python), &["py", "pyi", "pyw"]),
    (
        Language::Code(CodeLanguage::JavaScript),
        &["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"],
    ),
    (Language::Code(CodeLanguage::Go), &["go"]),
    (
        Language::Code(CodeLanguage::C),
        &[
            "c", "h", "cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "inl", "ipp", "cu",
            "cuh",
        ],
    ),
    (Language::Code(CodeLanguage::Java), &["java"]),
];

/// The extensions of shell scripts.
const SHELL_EXTENSIONS: [&str; 5] = ["sh", "bash", "zsh", "ksh", "bats"];

impl Language {
    /// What the file name says: the extensions of the formats that are known, the first line for a name
    /// without an extension, and plain for all else.
    pub fn of(path: &Path) -> Language {
        let Some(extension) = path.extension() else {
            return Language::ByFirstLine;
        };
        by_extension(extension).unwrap_or_default()
    }

    /// The language of a text: itself, unless the first line is to say.
    fn settled(self, text: &str) -> Language {
        if self != Language::ByFirstLine {
            return self;
        }
        let first = text.trim_start_matches('\u{feff}').lines().next();
        let command = first.and_then(|line| line.strip_prefix("#!"));
        // `/usr/bin/env -S python3 -u`, `/bin/sh`.
        let mut words = command.unwrap_or_default().split_whitespace();
        let program = words.find_map(|word| {
            let name = word.rsplit('/').next().unwrap_or_default();
            let is_program = name != "env" && !name.starts_with('-') && !name.contains('=');
            is_program.then_some(name)
        });
        let program = program.unwrap_or_default();
        match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
            "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash" | "bats" => {
                Language::Code(CodeLanguage::Shell)
            }
            "python" | "pypy" => Language::Code(CodeLanguage::Python),
            "node" | "nodejs" | "deno" | "bun" => Language::Code(CodeLanguage::JavaScript),
            _ => Language::Plain,
        }
    }
}

/// The language that an extension stands for.
fn by_extension(extension: &std::ffi::OsStr) -> Option<Language> {
    let extension = extension.to_str()?.to_ascii_lowercase();
    if SHELL_EXTENSIONS.contains(&extension.as_str()) {
        return Some(Language::Code(CodeLanguage::Shell));
    }
    let mut known = EXTENSIONS.iter();
    let (language, _) = known.find(|(_, extensions)| extensions.contains(&extension.as_str()))?;
    Some(*language)
}

/// Whether the file's extension says that it holds prose: what is taken from a folder. Programs are not,
/// whatever their comments say.
pub fn is_prose(path: &Path) -> bool {
    let language = path.extension().and_then(by_extension);
    language.is_some_and(|language| !matches!(language, Language::Code(_)))
}

/// How the bytes of a file stood for characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-8 after a byte order mark. The mark stays in the text, so that offsets are the file's.
    Utf8Bom,
    /// UTF-16, little end first. The text is its UTF-8 form without the mark.
    Utf16Le,
    /// UTF-16, big end first. The text is its UTF-8 form without the mark.
    Utf16Be,
}

/// Why some bytes are not a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A NUL byte, the mark of a binary file.
    #[error(
        "byte {offset} is NUL, so this is not a text file; if it is UTF-16, save it with a byte order mark or as UTF-8"
    )]
    Nul {
        /// Offset in the file.
        offset: usize,
    },
    /// A byte sequence that UTF-8 does not allow.
    #[error(
        "byte {offset} (0x{byte:02x}) is not UTF-8; save the file as UTF-8, or as UTF-16 with a byte order mark"
    )]
    NotUtf8 {
        /// Offset in the file.
        offset: usize,
        /// The byte found there.
        byte: u8,
    },
    /// A half of a surrogate pair, or half a code unit at the end.
    #[error("byte {offset} is not UTF-16, though the file begins with a UTF-16 byte order mark")]
    NotUtf16 {
        /// Offset in the file.
        offset: usize,
    },
    /// More text than spans can address.
    #[error("the file has {len} bytes; texts of up to {limit} bytes can be read")]
    TooLong {
        /// Length of the file in bytes.
        len: usize,
        /// The longest text that can be read, in bytes.
        limit: usize,
    },
}

/// One version of a text. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it came from, or a name in angle brackets (`<stdin>`).
    pub path: PathBuf,
    /// Its text in UTF-8; every offset in the program points into this.
    pub text: Arc<str>,
    /// How the file was encoded.
    pub encoding: Encoding,
    /// What is prose in it.
    pub language: Language,
}

impl Document {
    /// The longest text in bytes: one gibibyte.
    pub const MAX_LEN: usize = 1 << 30;

    /// A document from text that is already at hand.
    pub fn new(
        path: impl Into<PathBuf>,
        text: impl Into<Arc<str>>,
        language: Language,
    ) -> Document {
        let text: Arc<str> = text.into();
        Document {
            path: path.into(),
            language: language.settled(&text),
            text,
            encoding: Encoding::Utf8,
        }
    }

    /// Decodes the bytes of a file.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] with the offset of the first byte that is not text.
    pub fn decode(
        path: impl Into<PathBuf>,
        bytes: Vec<u8>,
        language: Language,
    ) -> Result<Document, DecodeError> {
        if bytes.len() > Document::MAX_LEN {
            return Err(DecodeError::TooLong {
                len: bytes.len(),
                limit: Document::MAX_LEN,
            });
        }
        let (text, encoding) = match bytes.as_slice() {
            [0xff, 0xfe, rest @ ..] => (decode_utf16(rest, u16::from_le_bytes)?, Encoding::Utf16Le),
            [0xfe, 0xff, rest @ ..] => (decode_utf16(rest, u16::from_be_bytes)?, Encoding::Utf16Be),
            _ => {
                let encoding = if bytes.starts_with(b"\xef\xbb\xbf") {
                    Encoding::Utf8Bom
                } else {
                    Encoding::Utf8
                };
                let text = String::from_utf8(bytes).map_err(|err| {
                    let offset = err.utf8_error().valid_up_to();
                    // A binary file is better named by its first NUL than by where it stops being UTF-8.
                    match err
                        .as_bytes()
                        .get(..offset)
                        .unwrap_or_default()
                        .iter()
                        .position(|&byte| byte == 0)
                    {
                        Some(offset) => DecodeError::Nul { offset },
                        None => DecodeError::NotUtf8 {
                            offset,
                            byte: err.as_bytes().get(offset).copied().unwrap_or(0),
                        },
                    }
                })?;
                if let Some(offset) = text.bytes().position(|byte| byte == 0) {
                    return Err(DecodeError::Nul { offset });
                }
                (text, encoding)
            }
        };
        Ok(Document {
            path: path.into(),
            language: language.settled(&text),
            text: text.into(),
            encoding,
        })
    }
}

impl Document {
    /// The bytes of a file with its text, encoded as the file was that it came from.
    pub fn encoded(&self) -> Vec<u8> {
        let utf16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
            let mut encoded = mark.to_vec();
            encoded.extend(self.text.encode_utf16().flat_map(bytes));
            encoded
        };
        match self.encoding {
            // The mark is in the text.
            Encoding::Utf8 | Encoding::Utf8Bom => self.text.as_bytes().to_vec(),
            Encoding::Utf16Le => utf16([0xff, 0xfe], u16::to_le_bytes),
            Encoding::Utf16Be => utf16([0xfe, 0xff], u16::to_be_bytes),
        }
    }
}

/// Decodes UTF-16 code units that follow a two-byte mark.
fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DecodeError> {
    const MARK: usize = 2;
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut offset = MARK;
    let (pairs, rest) = bytes.as_chunks::<2>();
    for decoded in char::decode_utf16(pairs.iter().map(|&pair| unit(pair))) {
        match decoded {
            Ok('\0') => return Err(DecodeError::Nul { offset }),
            Ok(c) => {
                offset += 2 * c.len_utf16();
                text.push(c);
            }
            Err(_) => return Err(DecodeError::NotUtf16 { offset }),
        }
    }
    match rest {
        [] => Ok(text),
        _ => Err(DecodeError::NotUtf16 { offset }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<(String, Encoding), DecodeError> {
        Document::decode("x.txt", bytes.to_vec(), Language::Plain)
            .map(|doc| (doc.text.to_string(), doc.encoding))
    }

    #[test]
    fn utf8_keeps_its_byte_order_mark_so_that_offsets_are_the_files() {
        assert_eq!(decode(b"a"), Ok(("a".into(), Encoding::Utf8)));
        assert_eq!(
            decode(b"\xef\xbb\xbfa"),
            Ok(("\u{feff}a".into(), Encoding::Utf8Bom))
        );
        assert_eq!(decode(b""), Ok((String::new(), Encoding::Utf8)));
    }

    #[test]
    fn utf16_is_read_in_both_orders() {
        assert_eq!(
            decode(b"\xff\xfea\0\x3d\xd8\x42\xde"),
            Ok(("a🙂".into(), Encoding::Utf16Le))
        );
        assert_eq!(
            decode(b"\xfe\xff\0a\xd8\x3d\xde\x42"),
            Ok(("a🙂".into(), Encoding::Utf16Be))
        );
    }

    #[test]
    fn a_text_is_encoded_as_it_was_decoded() {
        let files: [&[u8]; 4] = [
            "a🙂".as_bytes(),
            b"\xef\xbb\xbfa",
            b"\xff\xfea\0\x3d\xd8\x42\xde",
            b"\xfe\xff\0a\xd8\x3d\xde\x42",
        ];
        for bytes in files {
            let document = Document::decode("x.txt", bytes.to_vec(), Language::Plain).unwrap();
            assert_eq!(document.encoded(), bytes);
        }
    }

    #[test]
    fn what_is_not_text_is_refused_by_its_byte() {
        assert_eq!(decode(b"ab\0c"), Err(DecodeError::Nul { offset: 2 }));
        assert_eq!(
            decode(b"ab\xffc"),
            Err(DecodeError::NotUtf8 {
                offset: 2,
                byte: 0xff
            })
        );
        assert_eq!(
            decode(b"\x7fELF\0\xff"),
            Err(DecodeError::Nul { offset: 4 })
        );
        assert_eq!(
            decode(b"\xff\xfea\0b"),
            Err(DecodeError::NotUtf16 { offset: 4 })
        );
        assert_eq!(
            decode(b"\xff\xfea\0\x3d\xd8"),
            Err(DecodeError::NotUtf16 { offset: 4 })
        );
    }

    #[test]
    fn the_extension_says_the_language() {
        assert_eq!(Language::of(Path::new("a/B.MD")), Language::Markdown);
        assert_eq!(Language::of(Path::new("intro.mdx")), Language::Mdx);
        assert_eq!(Language::of(Path::new("paper.qmd")), Language::Markdown);
        assert_eq!(Language::of(Path::new("notes.txt")), Language::Plain);
        for (name, language) in [
            ("a.rst", Language::ReStructuredText),
            ("a.adoc", Language::AsciiDoc),
            ("a.tex", Language::Latex),
            ("a.org", Language::Org),
            ("a.typ", Language::Typst),
            ("a.HTML", Language::Html),
            ("a.rs", Language::Code(CodeLanguage::Rust)),
            ("a.tsx", Language::Code(CodeLanguage::JavaScript)),
            ("a.hpp", Language::Code(CodeLanguage::C)),
            ("a.sh", Language::Code(CodeLanguage::Shell)),
        ] {
            assert_eq!(Language::of(Path::new(name)), language, "{name}");
        }
    }

    #[test]
    fn the_first_line_says_the_language_where_there_is_no_extension() {
        let of = |name: &str, text: &str| {
            Document::new(name, text, Language::of(Path::new(name))).language
        };
        let shell = Language::Code(CodeLanguage::Shell);
        assert_eq!(of("run", "#!/bin/sh -e\n"), shell);
        assert_eq!(of("run", "#!/usr/bin/env -S FOO=1 bash -x\n"), shell);
        let python = Language::Code(CodeLanguage::Python);
        assert_eq!(of("run", "\u{feff}#! /usr/bin/python3.12\n"), python);
        assert_eq!(
            of("run", "#!/usr/bin/env node"),
            Language::Code(CodeLanguage::JavaScript)
        );
        assert_eq!(of("run", "#!/usr/bin/env\n"), Language::Plain);
        assert_eq!(of("README", "Text\n#!/bin/sh\n"), Language::Plain);
        assert_eq!(of("run.txt", "#!/bin/sh\n"), Language::Plain);
        assert_eq!(
            Document::new("run", "#!/bin/sh\n", Language::Plain).language,
            Language::Plain
        );
    }

    #[test]
    fn programs_are_no_prose_in_a_folder() {
        let of = |name: &str| is_prose(Path::new(name));
        assert!(of("a.md") && of("a.rst") && of("a.TEX") && of("a.typ") && of("a.html"));
        assert!(!of("a.rs") && !of("a.sh") && !of("a.png") && !of("README"));
    }
}
