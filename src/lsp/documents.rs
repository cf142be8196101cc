//! The open documents: their text as the editor has it, and what was found in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use electroscope_analysis::{ErrorKind, Exemptions, Flagging, Reading, Readings, Word};
use electroscope_text::{AsRead, Document, Language, Span};
use gen_lsp_types::{
    CodeActionParams, Position, TextDocumentContentChangeEvent, TextDocumentItem, Uri,
};
use lsp_server::RequestId;

use super::positions::{Encoding, Positions};

/// How long nothing is typed before a text is scored.
const QUIET: Duration = Duration::from_millis(200);

/// A flagged word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) span: Span,
    pub(super) p: f32,
    pub(super) kind: Option<ErrorKind>,
    /// The word, as a reader sees it.
    pub(super) text: String,
}

/// One version of a document, for whoever answers a request on it.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub(super) uri: Uri,
    pub(super) version: i32,
    pub(super) document: Document,
    pub(super) positions: Arc<Positions>,
}

/// A request that is answered once the newest version has been scored.
pub(super) enum Waiting {
    Actions(RequestId, CodeActionParams),
    Hover(RequestId, Position),
    Pull(RequestId),
}

/// How far the newest version is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Progress {
    /// It is scored from then on.
    Due(Instant),
    Running,
    Done,
}

pub(super) struct OpenDocument {
    pub(super) now: Snapshot,
    /// Counts every version of every document.
    pub(super) revision: u64,
    /// The same, for the thread that scores.
    pub(super) latest: Arc<AtomicU64>,
    pub(super) progress: Progress,
    /// What was changed last.
    pub(super) changed: Span,
    /// What is read of it; made when it is scored.
    pub(super) read: AsRead,
    pub(super) exemptions: Exemptions,
    /// What has been scored of the newest version.
    pub(super) readings: Readings,
    /// In the order of the text. Until the newest version has been scored those of the one before, moved with
    /// the text around them.
    pub(super) findings: Vec<Finding>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) published: Instant,
}

impl OpenDocument {
    pub(super) fn new(item: TextDocumentItem, encoding: Encoding, revision: u64) -> OpenDocument {
        let path = path_of(item.uri.as_ref());
        let language = match item.language_id.to_string().as_str() {
            "markdown" => Language::Markdown,
            "mdx" => Language::Mdx,
            _ => Language::of(&path),
        };
        let document = Document::new(path, item.text, language);
        let now = Instant::now();
        OpenDocument {
            now: Snapshot {
                uri: item.uri,
                version: item.version,
                positions: Arc::new(Positions::new(Arc::clone(&document.text), encoding)),
                document,
            },
            revision,
            latest: Arc::new(AtomicU64::new(revision)),
            // There is nobody typing yet.
            progress: Progress::Due(now),
            changed: Span::default(),
            read: AsRead::default(),
            exemptions: Exemptions::default(),
            readings: Readings::default(),
            findings: Vec::new(),
            waiting: Vec::new(),
            published: now,
        }
    }

    /// Takes up what was changed. A client that was asked for whole texts may still send parts.
    pub(super) fn change(
        &mut self,
        changes: Vec<TextDocumentContentChangeEvent>,
        version: i32,
        encoding: Encoding,
    ) {
        for change in changes {
            let before = &*self.now.document.text;
            let text: Arc<str> = match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
                    whole.text.into()
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
                    let span = self.now.positions.span(part.range);
                    let mut text = before.to_owned();
                    text.replace_range(span.range(), &part.text);
                    text.into()
                }
            };
            let (old, new) = difference(before, &text);
            self.findings = moved(std::mem::take(&mut self.findings), old, new);
            self.changed = new;
            self.now.positions = Arc::new(Positions::new(Arc::clone(&text), encoding));
            self.now.document.text = text;
        }
        self.now.version = version;
    }

    /// Has it scored anew, and work on what it was end.
    pub(super) fn renew(&mut self, revision: u64) {
        self.revision = revision;
        self.latest.store(revision, Ordering::Relaxed);
        self.progress = Progress::Due(Instant::now() + QUIET);
    }

    /// Has it scored now, because somebody waits.
    pub(super) fn hurry(&mut self) {
        if let Progress::Due(_) = self.progress {
            self.progress = Progress::Due(Instant::now());
        }
    }

    /// Takes up a part that was scored.
    pub(super) fn scored(&mut self, part: Span, readings: &[Reading], flagging: Flagging) {
        let words = readings.iter().flat_map(|reading| &reading.words);
        let found: Vec<Finding> = words
            .filter_map(|word| self.finding(word, flagging))
            .collect();
        self.findings.retain(|finding| !finding.span.overlaps(part));
        self.findings.extend(found);
        self.findings.sort_by_key(|finding| finding.span);
        readings.iter().for_each(|one| self.readings.push(one));
    }

    /// Finds the flagged words of all that was scored.
    pub(super) fn flag(&mut self, flagging: Flagging) {
        let words: Vec<Word> = self.readings.words().collect();
        let found = words.iter().filter_map(|word| self.finding(word, flagging));
        self.findings = found.collect();
    }

    /// The finding that a word is, unless it is exempt.
    pub(super) fn finding(&self, word: &Word, flagging: Flagging) -> Option<Finding> {
        if !flagging.flags(word) {
            return None;
        }
        let text = self.read.text(word.span);
        let source = &self.now.document.text;
        let exemption = self.exemptions.of_word(source, word.span, &text);
        exemption.is_none().then(|| Finding {
            span: word.span,
            p: word.p,
            kind: word.kind,
            text: text.into_owned(),
        })
    }
}

impl Drop for OpenDocument {
    fn drop(&mut self) {
        // No revision: it was closed.
        self.latest.store(u64::MAX, Ordering::Relaxed);
    }
}

/// Where two texts differ: the part of the old one and what stands there in the new one.
fn difference(old: &str, new: &str) -> (Span, Span) {
    let pairs = old.chars().zip(new.chars());
    let start: usize = (pairs.take_while(|(one, other)| one == other))
        .map(|(c, _)| c.len_utf8())
        .sum();
    let rest = |text: &str| text.get(start..).unwrap_or_default().to_owned();
    let (old_rest, new_rest) = (rest(old), rest(new));
    let pairs = old_rest.chars().rev().zip(new_rest.chars().rev());
    let end: usize = (pairs.take_while(|(one, other)| one == other))
        .map(|(c, _)| c.len_utf8())
        .sum();
    (
        Span::new(start, old.len() - end),
        Span::new(start, new.len() - end),
    )
}

/// The findings that a change leaves, where they stand after it.
fn moved(findings: Vec<Finding>, old: Span, new: Span) -> Vec<Finding> {
    let moved = findings.into_iter().filter_map(|finding| {
        let span = match finding.span {
            span if span.end() < old.start() => span,
            span if span.start() > old.end() => {
                let at = |byte: usize| byte - old.end() + new.end();
                Span::new(at(span.start()), at(span.end()))
            }
            // It was touched.
            _ => return None,
        };
        Some(Finding { span, ..finding })
    });
    moved.collect()
}

/// The path of a document: of a file its own, else the name that the client has for it.
pub(super) fn path_of(uri: &str) -> PathBuf {
    let decode = |text: &str| {
        let text = percent_encoding::percent_decode_str(text);
        text.decode_utf8_lossy().into_owned()
    };
    let Some(rest) = uri.strip_prefix("file://") else {
        let name = uri.split_once(':').map_or(uri, |(_, name)| name);
        return PathBuf::from(decode(name));
    };
    // A host may stand before the path; on this machine it is empty.
    let path = rest.find('/').and_then(|at| rest.get(at..));
    let path = decode(path.unwrap_or_default());
    match path.as_bytes() {
        [b'/', drive, b':', ..] if cfg!(windows) && drive.is_ascii_alphabetic() => {
            PathBuf::from(path.trim_start_matches('/'))
        }
        _ => Path::new(&path).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_that_of_the_file_and_without_one_the_name() {
        assert_eq!(path_of("file:///a/b%20c.md"), Path::new("/a/b c.md"));
        assert_eq!(path_of("file://host/%C3%A9.md"), Path::new("/é.md"));
        assert_eq!(path_of("untitled:Untitled-1"), Path::new("Untitled-1"));
    }

    #[test]
    fn findings_move_with_the_text_and_those_that_were_touched_are_gone() {
        let (old, new) = difference("one two three four", "one tw and three four");
        let finding = |start: usize, end: usize| Finding {
            span: Span::new(start, end),
            p: 1.0,
            kind: None,
            text: String::new(),
        };
        let before = vec![
            finding(0, 3),
            finding(4, 7),
            finding(8, 13),
            finding(14, 18),
        ];
        let after = moved(before, old, new);
        let spans: Vec<_> = after.iter().map(|finding| finding.span.range()).collect();
        assert_eq!(spans, [0..3, 11..16, 17..21]);
    }

    proptest! {
        #[test]
        fn the_difference_of_two_texts_makes_one_of_the_other(
            old in "[aé🦀]{0,8}", new in "[aé🦀]{0,8}",
        ) {
            let (from, to) = difference(&old, &new);
            let mut text = old.clone();
            text.replace_range(from.range(), to.of(&new).unwrap());
            prop_assert_eq!(text, new);
        }
    }
}
