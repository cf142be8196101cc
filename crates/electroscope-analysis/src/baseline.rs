//! Findings that are known already, kept in a file, so that a tool can be adopted on old text.
//!
//! A finding is known by its file and its content ([`WordInContext`]), with a count, and not by its place:
//! text may be moved, and what is new is still told from what is old. A baseline belongs to a model, a lens
//! and a threshold, for what another flags cannot be compared. The file is JSON with a finding on each
//! line, in order, so that a change of it is easily read in a diff.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use electroscope_model::atomic_write::write_atomically;
use electroscope_model::bounded_read::read_text_bounded;

use super::word_in_context::WordInContext;

/// The version of the shape of the file; it changes when a field changes its meaning or goes.
const SCHEMA_VERSION: u64 = 1;

/// The most bytes that are read of a baseline, some half a million findings.
const LONGEST: u64 = 64 << 20;

/// The model behind a baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselinedModel {
    /// The name it was asked for by.
    pub id: String,
    /// The commit of a hub model.
    pub revision: Option<String>,
    /// The SHA-256 of its weights, in hexadecimal, unless its commit says as much.
    pub sha256: Option<String>,
}

impl BaselinedModel {
    /// Whether the two are the same model. What it is called counts only where nothing else is known.
    fn is_same(&self, other: &BaselinedModel) -> bool {
        match (&self.sha256, &other.sha256) {
            (Some(one), Some(other)) => one == other,
            _ => self.id == other.id && self.revision == other.revision,
        }
    }
}

impl fmt::Display for BaselinedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = |hash: &str| hash.chars().take(12).collect::<String>();
        write!(f, "{}", self.id)?;
        match (&self.revision, &self.sha256) {
            (Some(revision), _) => write!(f, " (revision {})", start(revision)),
            (None, Some(hash)) => write!(f, " (sha256 {})", start(hash)),
            (None, None) => Ok(()),
        }
    }
}

/// What the findings of a baseline were flagged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineOrigin {
    /// The model.
    pub model: BaselinedModel,
    /// What was asked of each word, by its name.
    pub lens: String,
    /// Words at or above it were flagged.
    pub threshold: f32,
}

/// What can be wrong with a baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// There is none.
    #[error("there is no baseline {path}; write one with --update-baseline")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the baseline {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no baseline.
    #[error("{path} is not a baseline as --update-baseline writes it")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// It is of a later version of the program.
    #[error(
        "the baseline {path} has schema_version {found}, and this version of the program reads \
         {SCHEMA_VERSION}; use a later version, or write the baseline anew with --update-baseline"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of its shape.
        found: u64,
    },
    /// It is of another model.
    #[error(
        "the baseline {path} was made with the model {found}, and this run uses {wanted}, whose findings \
         cannot be compared with it; use that model, or write the baseline anew with --update-baseline"
    )]
    Model {
        /// The file.
        path: PathBuf,
        /// The model that it says.
        found: Box<BaselinedModel>,
        /// The model that is used.
        wanted: Box<BaselinedModel>,
    },
    /// It is of another lens.
    #[error(
        "the baseline {path} was made for the lens {found}, and this run uses {wanted}; run with --lens \
         {found}, give each lens a baseline of its own, or write this one anew with --update-baseline"
    )]
    Lens {
        /// The file.
        path: PathBuf,
        /// The lens that it says.
        found: String,
        /// The lens that is used.
        wanted: String,
    },
    /// It is of another threshold.
    #[error(
        "the baseline {path} was made at a threshold of {found}, and this run uses {wanted}; run with \
         --threshold {found}, or write the baseline anew with --update-baseline"
    )]
    Threshold {
        /// The file.
        path: PathBuf,
        /// The threshold that it says.
        found: f32,
        /// The threshold that is used.
        wanted: f32,
    },
    /// It cannot be written.
    #[error("cannot write the baseline {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How often each finding stands in a document.
type Counts = BTreeMap<WordInContext, u32>;

/// Findings that are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    path: PathBuf,
    origin: BaselineOrigin,
    /// By the documents' paths from the folder of the baseline on.
    documents: BTreeMap<String, Counts>,
}

/// A finding of a baseline, as its line says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineEntry {
    /// The document's path from the folder of the baseline on, with forward slashes.
    pub path: String,
    /// The word, folded.
    pub word: String,
    /// Up to two words before it.
    pub before: Vec<String>,
    /// Up to two words after it.
    pub after: Vec<String>,
    /// How often it stands in the document.
    pub count: u32,
}

/// The whole file, but for its version.
#[derive(Deserialize)]
struct BaselineFile {
    #[serde(flatten)]
    origin: BaselineOrigin,
    findings: Vec<BaselineEntry>,
}

/// A finding of the baseline that is not there any more, and how many of it are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The finding, with the count of those that are gone.
    pub entry: BaselineEntry,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BaselineEntry {
            path,
            word,
            before,
            after,
            count,
        } = &self.entry;
        let parts = [before.join(" "), format!("[{word}]"), after.join(" ")];
        let quote: Vec<&str> = (parts.iter())
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        write!(f, "{path}: {}", quote.join(" "))?;
        match count {
            0 | 1 => Ok(()),
            count => write!(f, " ({count} times)"),
        }
    }
}

impl Baseline {
    /// One without findings, to be kept at `path`.
    pub fn new(path: &Path, origin: BaselineOrigin) -> Baseline {
        Baseline {
            path: path.to_owned(),
            origin,
            documents: BTreeMap::new(),
        }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`BaselineError`], but for those of [`Baseline::check`].
    pub fn read(path: &Path) -> Result<Baseline, BaselineError> {
        let owned = || path.to_owned();
        let text = read_text_bounded(path, LONGEST).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BaselineError::Missing { path: owned() },
            _ => BaselineError::Read {
                path: owned(),
                source,
            },
        })?;
        let syntax = |source| BaselineError::Syntax {
            path: owned(),
            source,
        };
        // The version first: another one may have other fields.
        #[derive(Deserialize)]
        struct Version {
            schema_version: u64,
        }
        let Version { schema_version } = serde_json::from_str(&text).map_err(syntax)?;
        if schema_version != SCHEMA_VERSION {
            return Err(BaselineError::Version {
                path: owned(),
                found: schema_version,
            });
        }
        let file: BaselineFile = serde_json::from_str(&text).map_err(syntax)?;
        let mut baseline = Baseline::new(path, file.origin);
        for entry in file.findings {
            let word = WordInContext {
                word: entry.word,
                before: entry.before,
                after: entry.after,
            };
            let document = baseline.documents.entry(entry.path).or_default();
            let count = document.entry(word).or_default();
            *count = count.saturating_add(entry.count);
        }
        Ok(baseline)
    }

    /// Whether its findings can be compared with those of `origin`.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Model`], [`BaselineError::Lens`] or [`BaselineError::Threshold`].
    pub fn check(&self, origin: &BaselineOrigin) -> Result<(), BaselineError> {
        let path = self.path.clone();
        if self.origin.lens != origin.lens {
            return Err(BaselineError::Lens {
                path,
                found: self.origin.lens.clone(),
                wanted: origin.lens.clone(),
            });
        }
        if !self.origin.model.is_same(&origin.model) {
            return Err(BaselineError::Model {
                path,
                found: Box::new(self.origin.model.clone()),
                wanted: Box::new(origin.model.clone()),
            });
        }
        if self.origin.threshold != origin.threshold {
            return Err(BaselineError::Threshold {
                path,
                found: self.origin.threshold,
                wanted: origin.threshold,
            });
        }
        Ok(())
    }

    /// How many findings it has, and in how many documents.
    pub fn counts(&self) -> (usize, usize) {
        let findings = self.documents.values().flat_map(Counts::values);
        let findings = findings.map(|&count| count as usize).sum();
        let documents = self.documents.values();
        let documents = documents.filter(|counts| !counts.is_empty()).count();
        (findings, documents)
    }

    /// Begins to compare what is found in documents with it.
    pub fn comparison(&self) -> Comparison<'_> {
        Comparison {
            baseline: self,
            found: BTreeMap::new(),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Write`]; the file is as it was.
    pub fn save(&self) -> Result<(), BaselineError> {
        let failed = |source| BaselineError::Write {
            path: self.path.clone(),
            source,
        };
        let text = self.to_json().map_err(|err| failed(err.into()))?;
        write_atomically(&self.path, text.as_bytes()).map_err(failed)
    }

    fn to_json(&self) -> Result<String, serde_json::Error> {
        use fmt::Write;
        let BaselineOrigin {
            model,
            lens,
            threshold,
        } = &self.origin;
        let mut text = format!("{{\n\"schema_version\": {SCHEMA_VERSION},\n");
        let fields = [
            ("model", serde_json::to_string(model)?),
            ("lens", serde_json::to_string(lens)?),
            ("threshold", serde_json::to_string(threshold)?),
        ];
        for (name, value) in fields {
            let _ = writeln!(text, "\"{name}\": {value},");
        }
        text.push_str("\"findings\": [");
        let mut is_first = true;
        for (path, counts) in &self.documents {
            for (word, &count) in counts {
                let line = serde_json::to_string(&entry(path, word, count))?;
                text.push_str(if is_first { "\n" } else { ",\n" });
                text.push_str(&line);
                is_first = false;
            }
        }
        text.push_str("\n]\n}\n");
        Ok(text)
    }

    /// The folder that the documents' paths begin in.
    fn folder(&self) -> PathBuf {
        let folder = whole(&self.path);
        folder.parent().unwrap_or(&folder).to_owned()
    }

    /// Whether there is such a document; standard input may always come again.
    fn exists(&self, path: &str) -> bool {
        path.starts_with('<') || self.folder().join(path).exists()
    }
}

fn entry(path: &str, word: &WordInContext, count: u32) -> BaselineEntry {
    BaselineEntry {
        path: path.to_owned(),
        word: word.word.clone(),
        before: word.before.clone(),
        after: word.after.clone(),
        count,
    }
}

/// What was found in some documents, beside what a baseline knows.
#[derive(Clone, Debug)]
pub struct Comparison<'b> {
    baseline: &'b Baseline,
    found: BTreeMap<String, Counts>,
}

impl Comparison<'_> {
    /// Compares what was found in the document at `path`: for each finding whether it is known. Of those
    /// with the same content the first are.
    pub fn document(&mut self, path: &Path, findings: &[WordInContext]) -> Vec<bool> {
        let path = relative(&self.baseline.folder(), &whole(path));
        let known = self.baseline.documents.get(&path);
        let mut counts = Counts::new();
        let is_known = findings.iter().map(|finding| {
            let count = counts.entry(finding.clone()).or_default();
            *count += 1;
            known.and_then(|known| known.get(finding)) >= Some(count)
        });
        let is_known = is_known.collect();
        self.found.insert(path, counts);
        is_known
    }

    /// The findings of the baseline that are gone: of the documents that were compared those that were not
    /// found, and all of the documents that there are no more.
    pub fn stale(&self) -> Vec<Stale> {
        let documents = self.baseline.documents.iter();
        let gone = documents.flat_map(|(path, known)| {
            let found = self.found.get(path);
            let is_there = found.is_some() || self.baseline.exists(path);
            known.iter().filter_map(move |(word, &count)| {
                let left = match found {
                    Some(found) => found.get(word).copied().unwrap_or(0),
                    None if is_there => count,
                    None => 0,
                };
                let gone = count.checked_sub(left).filter(|&gone| gone > 0)?;
                Some(Stale {
                    entry: entry(path, word, gone),
                })
            })
        });
        gone.collect()
    }

    /// The baseline that knows all that was found. Documents that were not compared and are still there
    /// keep what is known of them, if that is of the same `origin`.
    pub fn updated(self, origin: BaselineOrigin) -> Baseline {
        let mut updated = Baseline::new(&self.baseline.path, origin);
        if self.baseline.check(&updated.origin).is_ok() {
            let documents = self.baseline.documents.iter();
            let kept = documents.filter(|(path, _)| self.baseline.exists(path));
            updated.documents = kept
                .map(|(path, counts)| (path.clone(), counts.clone()))
                .collect();
        }
        updated.documents.extend(self.found);
        updated.documents.retain(|_, counts| !counts.is_empty());
        updated
    }

    /// The baseline without what is stale.
    pub fn pruned(&self) -> Baseline {
        let mut pruned = self.baseline.clone();
        for Stale { entry } in self.stale() {
            let Some(counts) = pruned.documents.get_mut(&entry.path) else {
                continue;
            };
            let word = WordInContext {
                word: entry.word,
                before: entry.before,
                after: entry.after,
            };
            if let Some(count) = counts.get_mut(&word) {
                *count = count.saturating_sub(entry.count);
            }
            counts.retain(|_, count| *count > 0);
        }
        pruned.documents.retain(|_, counts| !counts.is_empty());
        pruned
    }
}

/// The whole path of a file, which need not be there: by way of its folder, which mostly is.
fn whole(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return path;
    };
    match std::fs::canonicalize(folder) {
        Ok(folder) => folder.join(name),
        Err(_) => path,
    }
}

/// The way from `folder` to `file`, both whole paths, with forward slashes.
fn relative(folder: &Path, file: &Path) -> String {
    let (mut from, mut to) = (folder.components().peekable(), file.components().peekable());
    let mut is_first = true;
    while let (Some(one), Some(other)) = (from.peek(), to.peek())
        && one == other
    {
        from.next();
        to.next();
        is_first = false;
    }
    if is_first {
        // On another drive.
        return file.to_string_lossy().replace('\\', "/");
    }
    let up = from.map(|_| "..".to_owned());
    let down = to.map(|part| match part {
        Component::Normal(name) => name.to_string_lossy().into_owned(),
        other => other.as_os_str().to_string_lossy().into_owned(),
    });
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reading, Readings, Token, Word, WordsInContext};
    use electroscope_text::{
        AsRead, BlockText, Document, Language, Span, blocks, is_punctuation, word_starts,
    };
    use proptest::prelude::*;

    fn origin() -> BaselineOrigin {
        BaselineOrigin {
            model: BaselinedModel {
                id: "builtin".to_owned(),
                revision: None,
                sha256: Some("0123456789abcdef".to_owned()),
            },
            lens: "replaced".to_owned(),
            threshold: 0.53,
        }
    }

    /// What is found in a text by a model that flags every word with an `a` in it.
    fn found(path: &Path, text: &str) -> Vec<WordInContext> {
        let document = Document::new(path, text, Language::of(path));
        let mut readings = Readings::default();
        let mut flagged: Vec<Span> = Vec::new();
        for block in blocks(&document) {
            let read = BlockText::of(text, &block);
            let mut reading = Reading {
                span: block.span,
                ..Reading::default()
            };
            let starts: Vec<usize> = word_starts(read.text()).collect();
            let ends = starts.iter().skip(1).copied().chain([read.text().len()]);
            for (&start, end) in starts.iter().zip(ends) {
                let word = &read.text()[start..end];
                if word.trim().is_empty() {
                    continue;
                }
                let (span, _) = read.source(start..end);
                let p = if word.contains('a') { 0.9 } else { 0.1 };
                let tokens = reading.tokens.len() as u32..reading.tokens.len() as u32 + 1;
                reading.tokens.push(Token { span, p });
                reading.words.push(Word {
                    span,
                    p,
                    tokens,
                    is_punctuation: is_punctuation(word),
                    kind: None,
                });
                if p > 0.5 {
                    flagged.push(span);
                }
            }
            readings.push(&reading);
        }
        let read = AsRead::new(&document);
        let words = WordsInContext::new(&document, &readings, &read);
        flagged.into_iter().map(|span| words.at(span)).collect()
    }

    /// A folder with these documents, and the baseline of what is found in them.
    fn baseline_of(texts: &[(&str, &str)]) -> (tempfile::TempDir, Baseline) {
        let folder = tempfile::tempdir().unwrap();
        let empty = Baseline::new(&folder.path().join("base.json"), origin());
        let mut comparison = empty.comparison();
        for (name, text) in texts {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            comparison.document(&path, &found(&path, text));
        }
        let baseline = comparison.updated(origin());
        (folder, baseline)
    }

    const TEXT: &str = "The banana of the bridge, the banana\nof the bridge.\n\nA boat waits.\n";

    #[test]
    fn the_file_has_a_finding_a_line_in_order() {
        let (_folder, baseline) = baseline_of(&[
            ("docs/b.md", TEXT),
            ("a.txt", "One can.\n\nBananas, \u{201c}all\u{201d}\n"),
        ]);
        assert_eq!(baseline.counts(), (7, 2));
        insta::assert_snapshot!(baseline.to_json().unwrap(), @r#"
        {
        "schema_version": 1,
        "model": {"id":"builtin","revision":null,"sha256":"0123456789abcdef"},
        "lens": "replaced",
        "threshold": 0.53,
        "findings": [
        {"path":"a.txt","word":"all","before":[",","“"],"after":["”"],"count":1},
        {"path":"a.txt","word":"bananas","before":[],"after":[",","“"],"count":1},
        {"path":"a.txt","word":"can","before":["one"],"after":["."],"count":1},
        {"path":"docs/b.md","word":"banana","before":[",","the"],"after":["of","the"],"count":1},
        {"path":"docs/b.md","word":"banana","before":["the"],"after":["of","the"],"count":1},
        {"path":"docs/b.md","word":"boat","before":["a"],"after":["waits","."],"count":1},
        {"path":"docs/b.md","word":"waits","before":["a","boat"],"after":["."],"count":1}
        ]
        }
        "#);
    }

    #[test]
    fn of_findings_with_the_same_content_as_many_are_known_as_there_were() {
        let line = "the banana here\n\n";
        let (folder, baseline) = baseline_of(&[("a.md", &line.repeat(2))]);
        let path = folder.path().join("a.md");
        let mut comparison = baseline.comparison();
        let known = comparison.document(&path, &found(&path, &line.repeat(3)));
        assert_eq!(known, [true, true, false]);
        assert!(comparison.stale().is_empty());
        comparison.document(&path, &found(&path, line));
        let stale: Vec<String> = comparison.stale().iter().map(ToString::to_string).collect();
        assert_eq!(stale, ["a.md: the [banana] here"]);
        assert_eq!(comparison.pruned().counts(), (1, 1));
    }

    #[test]
    fn what_is_gone_is_stale_and_pruning_drops_it_and_nothing_else() {
        let (folder, baseline) = baseline_of(&[("a.md", TEXT), ("b.md", TEXT), ("c.md", TEXT)]);
        let path = |name: &str| folder.path().join(name);
        std::fs::remove_file(path("c.md")).unwrap();
        let mut comparison = baseline.comparison();
        let text = TEXT.replace("boat", "ship");
        let known = comparison.document(&path("a.md"), &found(&path("a.md"), &text));
        // The word beside the one that has changed is another finding.
        assert_eq!(known, [true, true, false]);
        let stale: Vec<String> = comparison.stale().iter().map(ToString::to_string).collect();
        assert_eq!(
            stale,
            [
                "a.md: a [boat] waits .",
                "a.md: a boat [waits] .",
                "c.md: , the [banana] of the",
                "c.md: the [banana] of the",
                "c.md: a [boat] waits .",
                "c.md: a boat [waits] .",
            ]
        );
        // The document that was not looked at keeps what is known of it.
        assert_eq!(comparison.pruned().counts(), (6, 2));
        assert_eq!(comparison.clone().updated(origin()).counts(), (7, 2));
        let mut other = origin();
        other.threshold = 0.7;
        assert_eq!(comparison.updated(other).counts(), (3, 1));
    }

    #[test]
    fn paths_go_from_the_folder_of_the_baseline_on() {
        let way = |folder: &str, file: &str| relative(Path::new(folder), Path::new(file));
        assert_eq!(way("/a/b", "/a/b/c/d.md"), "c/d.md");
        assert_eq!(way("/a/b", "/a/x.md"), "../x.md");
        assert_eq!(way("/a/b", "/a/b/<stdin>"), "<stdin>");
    }

    #[test]
    fn a_baseline_of_something_else_is_refused_with_what_to_do() {
        let (_folder, mut baseline) = baseline_of(&[("a.md", TEXT)]);
        baseline.path = "base.json".into();
        assert!(baseline.check(&origin()).is_ok());
        let refused = |change: fn(&mut BaselineOrigin)| {
            let mut other = origin();
            change(&mut other);
            baseline.check(&other).unwrap_err().to_string()
        };
        insta::assert_snapshot!(
            [
                refused(|other| other.model.sha256 = Some("f".repeat(64))),
                refused(|other| {
                    other.model = BaselinedModel {
                        id: "org/x".to_owned(),
                        revision: Some("abc".to_owned()),
                        sha256: None,
                    };
                }),
                refused(|other| other.lens = "errors".to_owned()),
                refused(|other| other.threshold = 0.6),
            ]
            .join("\n"),
            @r"
        the baseline base.json was made with the model builtin (sha256 0123456789ab), and this run uses builtin (sha256 ffffffffffff), whose findings cannot be compared with it; use that model, or write the baseline anew with --update-baseline
        the baseline base.json was made with the model builtin (sha256 0123456789ab), and this run uses org/x (revision abc), whose findings cannot be compared with it; use that model, or write the baseline anew with --update-baseline
        the baseline base.json was made for the lens replaced, and this run uses errors; run with --lens replaced, give each lens a baseline of its own, or write this one anew with --update-baseline
        the baseline base.json was made at a threshold of 0.53, and this run uses 0.6; run with --threshold 0.53, or write the baseline anew with --update-baseline
        "
        );
        // The same model by another name is the same.
        let mut renamed = origin();
        renamed.model.id = "/models/mine".to_owned();
        assert!(baseline.check(&renamed).is_ok());
    }

    #[test]
    fn what_is_no_baseline_is_refused_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("base.json");
        let refused = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            Baseline::read(&path).unwrap_err()
        };
        assert!(matches!(refused(b"{"), BaselineError::Syntax { .. }));
        assert!(matches!(refused(b"[]"), BaselineError::Syntax { .. }));
        assert!(matches!(refused(b"\xff"), BaselineError::Read { .. }));
        assert!(matches!(
            refused(b"{\"schema_version\": 1, \"findings\": []}"),
            BaselineError::Syntax { .. }
        ));
        assert!(matches!(
            refused(b"{\"schema_version\": 2, \"what\": []}"),
            BaselineError::Version { found: 2, .. }
        ));
        assert!(matches!(
            Baseline::read(&folder.path().join("none.json")).unwrap_err(),
            BaselineError::Missing { .. }
        ));
        assert!(matches!(
            Baseline::read(folder.path()).unwrap_err(),
            BaselineError::Read { .. }
        ));
    }

    /// A paragraph of words, some of which are flagged.
    const PARAGRAPH: &str = "[a-c]{1,3}( [a-c,]{1,3}){0,6}";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_baseline_that_is_written_and_read_at_once_knows_everything(
            paragraphs in prop::collection::vec(PARAGRAPH, 1..8), is_markdown: bool,
        ) {
            let name = if is_markdown { "a.md" } else { "a.txt" };
            let text = paragraphs.join("\n\n");
            let (folder, baseline) = baseline_of(&[(name, &text)]);
            baseline.save().unwrap();
            let read = Baseline::read(&baseline.path).unwrap();
            prop_assert_eq!(&read, &baseline);
            prop_assert!(read.check(&origin()).is_ok());
            let path = folder.path().join(name);
            let mut comparison = read.comparison();
            let known = comparison.document(&path, &found(&path, &text));
            prop_assert!(known.iter().all(|known| *known));
            prop_assert!(comparison.stale().is_empty());
            prop_assert_eq!(comparison.pruned(), read.clone());
            prop_assert_eq!(comparison.updated(origin()), read);
        }

        #[test]
        fn moving_a_paragraph_makes_no_finding_new(
            mut paragraphs in prop::collection::vec(PARAGRAPH, 2..8),
            from in 0..8usize, to in 0..8usize, is_markdown: bool,
        ) {
            let name = if is_markdown { "a.md" } else { "a.txt" };
            let (folder, baseline) = baseline_of(&[(name, &paragraphs.join("\n\n"))]);
            let moved = paragraphs.remove(from % paragraphs.len());
            paragraphs.insert(to % (paragraphs.len() + 1), moved);
            let path = folder.path().join(name);
            let mut comparison = baseline.comparison();
            let findings = found(&path, &paragraphs.join("\n\n\n"));
            let known = comparison.document(&path, &findings);
            prop_assert!(known.iter().all(|known| *known));
            prop_assert!(comparison.stale().is_empty());
        }

        #[test]
        fn of_a_new_paragraph_every_finding_is_new(
            paragraphs in prop::collection::vec(PARAGRAPH, 1..6), at in 0..6usize,
        ) {
            let (folder, baseline) = baseline_of(&[("a.md", &paragraphs.join("\n\n"))]);
            let mut longer = paragraphs.clone();
            longer.insert(at % (paragraphs.len() + 1), "a banana again".to_owned());
            let path = folder.path().join("a.md");
            let mut comparison = baseline.comparison();
            let findings = found(&path, &longer.join("\n\n"));
            let known = comparison.document(&path, &findings);
            prop_assert_eq!(known.iter().filter(|known| !**known).count(), 3);
        }
    }
}
