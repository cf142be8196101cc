//! Findings as text, for the commands without a screen.
//!
//! One result, many printers: [`ScorePrinter`] takes scored documents one by one and writes each in
//! the chosen [`Format`] as soon as it is whole; [`HeadPrinter`] does the same for what heads find, in
//! a [`HeadFormat`]. What a document contains reaches a terminal only
//! through [`electroscope_text::visible`]; JSON escapes what that would replace.

pub mod answers;
pub mod classes;
mod compact;
mod fingerprint;
mod github;
pub mod heat;
mod json;
mod line;
mod page;
mod pretty;
mod rule;
mod sarif;
mod suggested;
pub mod tags;
pub mod theme;

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anstyle::Style;

use crate::settings::Lens;
use electroscope_analysis::{Flagging, Readings, Word};
use electroscope_text::{AsRead, Document, Position, Span};

pub use json::write_json;
pub use suggested::Suggested;

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The text itself, tinted by heat.
    Pretty,
    /// A flagged word per line: `path:line:column: p word`.
    Compact,
    /// One JSON object.
    Json,
    /// A JSON object per document, each on its line, written as soon as it is ready.
    Jsonl,
    /// Annotations of GitHub Actions.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// How what a head finds is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum HeadFormat {
    /// For people, with colours where they are wanted.
    Pretty,
    /// A finding per line, with the place it begins at.
    Compact,
    /// One JSON object.
    Json,
    /// A JSON object per document, each on its line, written as soon as it is ready.
    Jsonl,
}

/// The model behind some findings.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Model {
    /// The name it was asked for by.
    pub id: String,
    /// The commit of a hub model.
    pub revision: Option<String>,
    /// Where it runs.
    pub device: String,
    /// What it computes in.
    pub precision: String,
}

/// A file that could not be read or scored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FileError {
    /// The file.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What is wrong with it, and what to do.
    pub message: String,
}

/// A path as text, whatever it is made of: a name that is not UTF-8 must not cost the whole report.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// A scored document.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// The document.
    pub document: &'a Document,
    /// What was found in it.
    pub readings: &'a Readings,
    /// How its reader sees it.
    pub read: &'a AsRead,
    /// Which words are flagged.
    pub flagging: Flagging,
    /// Where words begin that are not flagged all the same, in order.
    pub exempt: &'a [usize],
    /// The only lines on which words are flagged; all of them if it is absent.
    pub lines: Option<&'a ChangedLines>,
    /// What is suggested for flagged words, if that was asked for.
    pub suggested: Option<&'a Suggested>,
}

/// Some lines of a text, counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedLines {
    /// In order, and apart.
    ranges: Vec<Range<usize>>,
}

impl ChangedLines {
    /// The lines of `ranges`, which come in order and do not overlap.
    pub fn new(ranges: Vec<Range<usize>>) -> ChangedLines {
        ChangedLines { ranges }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `line` is one of them.
    pub fn contain(&self, line: usize) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= line);
        self.ranges
            .get(at)
            .is_some_and(|range| range.contains(&line))
    }
}

impl<'a> Scored<'a> {
    /// The words in order.
    pub fn words(&self) -> impl Iterator<Item = Word> + use<'a> {
        self.readings.words()
    }

    /// The flagged words in order, each with the place it begins at.
    pub fn flagged(&self) -> impl Iterator<Item = (Position, Word)> + use<'a> {
        let (flagging, lines, exempt) = (self.flagging, self.lines, self.exempt);
        let suggested = self.suggested;
        let mut places = Places::new(&self.document.text);
        self.words()
            .filter(move |word| flagging.flags(word) && !is_in(exempt, word))
            .filter(move |word| suggested.is_none_or(|suggested| suggested.allows(word)))
            .map(move |word| (places.of(word.span), word))
            .filter(move |(place, _)| lines.is_none_or(|lines| lines.contain(place.line)))
    }

    /// Whether `word`, which stands at `place`, is flagged.
    fn is_flagged(&self, place: Position, word: &Word) -> bool {
        self.flagging.flags(word)
            && !is_in(self.exempt, word)
            && self
                .suggested
                .is_none_or(|suggested| suggested.allows(word))
            && self.lines.is_none_or(|lines| lines.contain(place.line))
    }

    /// What people are shown of the suggestions for `word`.
    fn suggested_words(&self, word: &Word) -> Option<String> {
        self.suggested
            .and_then(|suggested| suggested.in_words(word))
    }

    /// What a reader sees at `span`.
    pub fn text(&self, span: Span) -> Cow<'a, str> {
        self.read.text(span)
    }

    /// What the document has at `span`.
    fn source(&self, span: Span) -> &'a str {
        span.of(&self.document.text).unwrap_or_default()
    }

    /// What JSON has for the text of a word or a token, and its source where that differs: the source,
    /// unless it has an entity in it, which stands for its character.
    fn wording(&self, span: Span) -> (Cow<'a, str>, Option<&'a str>) {
        let source = self.source(span);
        match source.contains('&') {
            true => with_source(self.text(span), source),
            false => (source.into(), None),
        }
    }
}

/// Whether `word` begins in one of these places, which are in order.
fn is_in(places: &[usize], word: &Word) -> bool {
    places.binary_search(&word.span.start()).is_ok()
}

/// A text as it is read, and its source where that differs.
fn with_source<'a>(text: Cow<'a, str>, source: &'a str) -> (Cow<'a, str>, Option<&'a str>) {
    let differs = text != source;
    (text, differs.then_some(source))
}

/// What is known of the terminal that findings are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// Its colours.
    pub theme: theme::Theme,
    /// Its width in cells.
    pub width: u16,
}

impl Looks {
    /// What may be passed over.
    fn faint(self) -> Style {
        self.unless_mono(Style::new().dimmed())
    }

    /// What is looked for first.
    fn strong(self) -> Style {
        self.unless_mono(Style::new().bold())
    }

    /// Without colour nothing but text is written: it may go into a file.
    fn unless_mono(self, style: Style) -> Style {
        if self.theme == theme::Theme::Mono {
            Style::new()
        } else {
            style
        }
    }
}

/// Finds lines and columns of places that come in the order of the text, without going over any of
/// it twice.
struct Places<'a> {
    text: &'a str,
    byte: usize,
    at: Position,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Places<'a> {
        Places {
            text,
            byte: 0,
            at: Position { line: 1, column: 1 },
        }
    }

    fn of(&mut self, span: Span) -> Position {
        for c in self
            .text
            .get(self.byte..span.start())
            .unwrap_or_default()
            .chars()
        {
            match c {
                '\n' => {
                    self.at = Position {
                        line: self.at.line + 1,
                        column: 1,
                    }
                }
                '\u{feff}' => {}
                _ => self.at.column += 1,
            }
        }
        self.byte = self.byte.max(span.start());
        self.at
    }
}

/// Writes scored documents in one format.
pub trait ScorePrinter {
    /// Writes what stands before the first document.
    ///
    /// # Errors
    ///
    /// Those of the writer; also below.
    fn begin(&mut self, out: &mut dyn Write, model: &Model) -> io::Result<()>;

    /// Writes a document.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn document(&mut self, out: &mut dyn Write, scored: &Scored<'_>) -> io::Result<()>;

    /// Writes what stands after the last document, the errors included where the format has a place
    /// for them.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn end(&mut self, out: &mut dyn Write, errors: &[FileError]) -> io::Result<()>;
}

/// Writes documents that a head has read, in one format.
pub trait HeadPrinter<Found> {
    /// Writes what stands before the first document.
    ///
    /// # Errors
    ///
    /// Those of the writer; also below.
    fn begin(&mut self, _: &mut dyn Write, _: &Model) -> io::Result<()> {
        Ok(())
    }

    /// Writes what was found in a document.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn document(&mut self, out: &mut dyn Write, found: &Found) -> io::Result<()>;

    /// Writes what stands after the last document, the errors included where the format has a place
    /// for them.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    fn end(&mut self, out: &mut dyn Write, _: &[FileError]) -> io::Result<()> {
        out.flush()
    }
}

/// The printer for `format` of what `lens` finds. Only [`Format::Pretty`] wants to know the terminal.
pub fn printer(format: Format, terminal: Looks, lens: Lens) -> Box<dyn ScorePrinter> {
    let rule = rule::Rule::of(lens);
    match format {
        Format::Json => Box::new(json::Json::default()),
        Format::Jsonl => Box::new(json::JsonLines),
        Format::Github => Box::new(github::Github::new(rule)),
        Format::Sarif => Box::new(sarif::Sarif::new(rule)),
        Format::Compact => Box::new(compact::Compact),
        Format::Pretty => Box::new(pretty::Pretty::new(terminal)),
    }
}

/// A path as a terminal may show it.
pub fn visible_path(path: &Path) -> String {
    electroscope_text::visible(&path.to_string_lossy())
}
