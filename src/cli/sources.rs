//! Documents from files, folders and standard input.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::messages::{self, joined, remark};
use super::{Global, InputArgs, LanguageChoice};
use crate::report;
use crate::worker::finder::prose_files;
use crate::worker::pipe;
use electroscope_text::{CodeLanguage, Document, Language};

/// The source of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Stdin,
}

/// The sources that `paths` stand for: a folder for the prose in it, by the rules of `.gitignore`, and `-`
/// for standard input. No paths mean standard input if that is not a terminal.
///
/// Problems with a folder are errors of that path and stop nothing else.
pub(super) fn sources(paths: &[PathBuf]) -> (Vec<Source>, Vec<report::FileError>) {
    let mut sources = Vec::new();
    let mut errors = Vec::new();
    if paths.is_empty() && !io::stdin().is_terminal() {
        sources.push(Source::Stdin);
    }
    for path in paths {
        if path == Path::new("-") {
            if !sources.contains(&Source::Stdin) {
                sources.push(Source::Stdin);
            }
        } else if path.is_dir() {
            for found in prose_files(path) {
                match found {
                    Ok(file) => sources.push(Source::File(file)),
                    Err((place, why)) => errors.push(report::FileError {
                        path: place.unwrap_or_else(|| path.clone()),
                        message: why_unread(&why),
                    }),
                }
            }
        } else {
            sources.push(Source::File(path.clone()));
        }
    }
    (sources, errors)
}

/// The sources for a command that does `verb` with documents. Errors are printed, and returned too.
pub(super) fn gather(
    global: &Global,
    paths: &[PathBuf],
    verb: &str,
) -> anyhow::Result<(Vec<Source>, Vec<report::FileError>)> {
    let (sources, errors) = sources(paths);
    errors.iter().for_each(report_error);
    anyhow::ensure!(
        !sources.is_empty() || !errors.is_empty() || !paths.is_empty(),
        "nothing to {verb}: name a file or a folder, or pipe a text in (see `electroscope {verb} --help`)"
    );
    if sources.is_empty() && errors.is_empty() {
        // Folders without documents are not an error, but may be a mistake.
        let names: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        remark(
            global,
            &format!(
                "no documents in {}: of a folder the files that hold prose are taken, such as .md and .txt, \
                 as .gitignore allows; others can be named one by one",
                names.join(", ")
            ),
        );
    }
    Ok((sources, errors))
}

/// Prints the error of a file.
pub(super) fn report_error(error: &report::FileError) {
    messages::error(&joined(&error.path.display().to_string(), &error.message));
}

/// The language of a file, from the flag or from its name.
pub(super) fn language(choice: LanguageChoice, path: &Path) -> Language {
    match choice {
        LanguageChoice::Auto => Language::of(path),
        LanguageChoice::Plain => Language::Plain,
        LanguageChoice::Markdown => Language::Markdown,
        LanguageChoice::Mdx => Language::Mdx,
        LanguageChoice::Rst => Language::ReStructuredText,
        LanguageChoice::Asciidoc => Language::AsciiDoc,
        LanguageChoice::Latex => Language::Latex,
        LanguageChoice::Org => Language::Org,
        LanguageChoice::Typst => Language::Typst,
        LanguageChoice::Html => Language::Html,
        LanguageChoice::Rust => Language::Code(CodeLanguage::Rust),
        LanguageChoice::Python => Language::Code(CodeLanguage::Python),
        LanguageChoice::Javascript => Language::Code(CodeLanguage::JavaScript),
        LanguageChoice::Go => Language::Code(CodeLanguage::Go),
        LanguageChoice::C => Language::Code(CodeLanguage::C),
        LanguageChoice::Java => Language::Code(CodeLanguage::Java),
        LanguageChoice::Shell => Language::Code(CodeLanguage::Shell),
    }
}

/// Reads a document. The error is a sentence without the path.
pub(super) fn read(source: &Source, input: &InputArgs) -> Result<Document, report::FileError> {
    let (path, bytes) = match source {
        Source::Stdin => {
            let named = input.stdin_filename.clone();
            let path = named.unwrap_or_else(|| PathBuf::from(pipe::NAME));
            (path, read_all(io::stdin().lock()))
        }
        Source::File(path) => (path.clone(), read_file(path)),
    };
    let fail = |message: String| report::FileError {
        path: path.clone(),
        message,
    };
    let bytes = bytes.map_err(|err| fail(why_unread(&err)))?;
    let language = language(input.language, &path);
    Document::decode(path.clone(), bytes, language).map_err(|err| fail(err.to_string()))
}

/// The reason why a file or a folder could not be read, without its name.
fn why_unread(err: &io::Error) -> String {
    match err.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read: permission denied".to_owned(),
        _ => format!("it cannot be read: {err}"),
    }
}

/// The bytes of a file, which may be a named pipe (`<(…)`).
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let len = std::fs::metadata(path)?.len();
    if len > Document::MAX_LEN as u64 {
        return Err(too_long());
    }
    read_all(std::fs::File::open(path)?)
}

/// All bytes of `input`, up to the limit: a pipe may never end.
fn read_all(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input
        .take(Document::MAX_LEN as u64 + 1)
        .read_to_end(&mut bytes)?;
    match bytes.len() > Document::MAX_LEN {
        true => Err(too_long()),
        false => Ok(bytes),
    }
}

fn too_long() -> io::Error {
    io::Error::other(format!(
        "texts of up to {} MiB can be read",
        Document::MAX_LEN >> 20
    ))
}
