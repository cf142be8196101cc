//! The text to learn from, in the order in which it is learnt.
//!
//! A corpus is looked through once before anything is learnt: so its troubles are known before the
//! first step, and which documents are held out. Then it is read again and again, in chunks of a few
//! megabytes that hold documents of all its files: what is in a chunk is a function of the seed, the
//! pass over the corpus and the chunk's number, and so is the order of its windows. So a training
//! can go on from any place, and no more than two chunks are ever in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::chance::Chance;
use super::segments::{Example, Special, windows};
use crate::Error;
use crate::text_files::{TextDocument, TextFile};
use electroscope_model::Tokenizer;

/// Bytes of text in a chunk: windows are shuffled within it.
const CHUNK: usize = 4 << 20;

/// Files that are open at once. Those of a large folder are taken by so many at a time.
const OPEN_FILES: usize = 64;

/// Of so many documents one is held out, where nothing else is there to measure on.
const HELD_OUT: usize = 100;

// What a choice is about, as the first part of its key.
pub(super) const ORDER_OF_FILES: u64 = 1;
pub(super) const ORDER_OF_WINDOWS: u64 = 2;
pub(super) const SEGMENTS: u64 = 3;

/// A file of the corpus, as it was found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CorpusFile {
    pub(super) path: PathBuf,
    /// All its documents.
    pub(super) documents: usize,
    /// Those at its end that are not learnt from.
    pub(super) held_out: usize,
    /// Bytes of text in all of them.
    pub(super) bytes: u64,
}

impl CorpusFile {
    fn learnt(&self) -> usize {
        self.documents - self.held_out
    }
}

/// Files to learn from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Corpus {
    pub(super) files: Vec<CorpusFile>,
}

/// A place in the course of learning: what comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Passes over the corpus that are done.
    pub(super) epoch: u64,
    /// Chunks of this pass that are done.
    pub(super) chunk: u64,
    /// Batches of this chunk that are done.
    pub(super) batch: u64,
}

impl Corpus {
    /// Looks through `files`. With `hold_out` the last document in a hundred of each file is kept for
    /// measuring, or where there are fewer, the very last one.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a file without text, too little text to hold any of it out.
    pub(super) fn survey(files: &[PathBuf], hold_out: bool) -> Result<Corpus, Error> {
        let counted: Result<Vec<CorpusFile>, Error> = files
            .par_iter()
            .map(|path| {
                let (mut documents, mut bytes) = (0, 0);
                for document in TextFile::open(path)? {
                    documents += 1;
                    bytes += document?.text.len() as u64;
                }
                if documents == 0 {
                    return Err(Error::Data {
                        path: path.clone(),
                        line: None,
                        what: "it has no text; leave it out, or put text into it".to_owned(),
                    });
                }
                Ok(CorpusFile {
                    path: path.clone(),
                    documents,
                    held_out: if hold_out { documents / HELD_OUT } else { 0 },
                    bytes,
                })
            })
            .collect();
        let mut corpus = Corpus { files: counted? };
        if hold_out && corpus.held_out() == 0 {
            let all: usize = corpus.files.iter().map(|file| file.documents).sum();
            if all < 2 {
                return Err(Error::Settings(
                    "the text is one document only, so that none can be held out to measure on; name \
                     a text with --eval, or put an empty line between documents"
                        .to_owned(),
                ));
            }
            if let Some(last) = corpus.files.last_mut() {
                last.held_out = 1;
            }
        }
        Ok(corpus)
    }

    /// Documents that are kept for measuring.
    pub(super) fn held_out(&self) -> usize {
        self.files.iter().map(|file| file.held_out).sum()
    }

    /// Documents that are learnt from.
    pub(super) fn learnt(&self) -> usize {
        self.files.iter().map(CorpusFile::learnt).sum()
    }

    /// The documents that are kept for measuring.
    pub(super) fn held_out_documents(&self) -> Result<Vec<TextDocument>, Error> {
        let mut documents = Vec::new();
        for file in self.files.iter().filter(|file| file.held_out > 0) {
            let mut open = TextFile::open(&file.path)?;
            open.skip_documents(file.learnt())?;
            for document in open {
                documents.push(document?);
            }
        }
        Ok(documents)
    }

    /// The documents that are learnt from, as they stand in their files.
    pub(super) fn learnt_documents(&self) -> impl Iterator<Item = Result<TextDocument, Error>> {
        self.files.iter().flat_map(|file| {
            let (documents, error) = match TextFile::open(&file.path) {
                Ok(open) => (Some(open.take(file.learnt())), None),
                Err(err) => (None, Some(Err(err))),
            };
            documents.into_iter().flatten().chain(error)
        })
    }

    /// The documents of a pass in the order in which they are learnt.
    fn pass(&self, seed: u64, epoch: u64) -> Pass<'_> {
        let mut order: Vec<usize> = (0..self.files.len())
            .filter(|&file| self.files.get(file).is_some_and(|file| file.learnt() > 0))
            .collect();
        Chance::of(&[ORDER_OF_FILES, seed, epoch]).shuffle(&mut order);
        Pass {
            files: &self.files,
            order,
            open: Vec::new(),
        }
    }
}

/// A document, and which one it is.
struct Numbered {
    file: usize,
    number: usize,
    text: String,
}

/// A file that is being read.
struct Reading {
    file: usize,
    open: TextFile,
    done: usize,
    all: usize,
}

/// The documents of one pass: of the open files always the one that lags furthest behind gives the
/// next, so that all of them end together and every stretch holds some of each.
struct Pass<'a> {
    files: &'a [CorpusFile],
    /// Files that are not open yet, the next at the end.
    order: Vec<usize>,
    open: Vec<Reading>,
}

impl Pass<'_> {
    fn read(&mut self) -> Result<Option<Numbered>, Error> {
        if self.open.is_empty() {
            while self.open.len() < OPEN_FILES
                && let Some(file) = self.order.pop()
            {
                if let Some(facts) = self.files.get(file) {
                    self.open.push(Reading {
                        file,
                        open: TextFile::open(&facts.path)?,
                        done: 0,
                        all: facts.learnt(),
                    });
                }
            }
        }
        // By cross multiplication, for fractions would be rounded.
        let behind = |a: &Reading, b: &Reading| (a.done * b.all).cmp(&(b.done * a.all));
        let next = (self.open.iter().enumerate())
            .min_by(|(_, a), (_, b)| behind(a, b))
            .map(|(at, _)| at);
        let Some(at) = next else {
            return Ok(None);
        };
        let Some(reading) = self.open.get_mut(at) else {
            return Ok(None);
        };
        let Some(document) = reading.open.next() else {
            let path = self.files.get(reading.file).map(|file| file.path.clone());
            return Err(Error::Data {
                path: path.unwrap_or_default(),
                line: None,
                what: format!(
                    "it had {} documents when the training began, and now has {}; put it back as it \
                     was, for a training goes on only with the text that it began with",
                    reading.all, reading.done
                ),
            });
        };
        let numbered = Numbered {
            file: reading.file,
            number: reading.done,
            text: document?.text,
        };
        reading.done += 1;
        if reading.done == reading.all {
            self.open.remove(at);
        }
        Ok(Some(numbered))
    }

    /// The documents of the next chunk; empty at the end.
    fn chunk(&mut self) -> Result<Vec<Numbered>, Error> {
        let (mut documents, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK
            && let Some(document) = self.read()?
        {
            bytes += document.text.len();
            documents.push(document);
        }
        Ok(documents)
    }
}

/// How text becomes windows.
#[derive(Clone)]
pub(super) struct Cutter {
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) special: Special,
    /// Tokens in a window at most.
    pub(super) longest: usize,
    pub(super) seed: u64,
}

impl Cutter {
    /// The windows of a text; `key` is what its chance is made from.
    pub(super) fn cut(&self, text: &str, key: &[u64]) -> Vec<Example> {
        let lines: Vec<Vec<u32>> = text
            .lines()
            .map(|line| {
                let pieces = self.tokenizer.encode(line);
                pieces.into_iter().map(|piece| piece.id).collect()
            })
            .collect();
        let mut chance = Chance::of(key);
        windows(&lines, self.longest, self.special, &mut chance)
    }

    fn windows(
        &self,
        documents: &[Numbered],
        epoch: u64,
        chunk: u64,
        parallel: bool,
    ) -> Vec<Example> {
        let cut = |document: &Numbered| {
            let (file, number) = (document.file as u64, document.number as u64);
            self.cut(&document.text, &[SEGMENTS, self.seed, epoch, file, number])
        };
        let mut examples: Vec<Example> = if parallel {
            documents.par_iter().flat_map_iter(cut).collect()
        } else {
            documents.iter().flat_map(cut).collect()
        };
        Chance::of(&[ORDER_OF_WINDOWS, self.seed, epoch, chunk]).shuffle(&mut examples);
        examples
    }
}

/// A batch of windows, and what comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WindowBatch {
    pub(super) examples: Vec<Example>,
    pub(super) after: Position,
}

/// Hands batches of about `size` windows to `take` from `from` on, pass after pass, until `take` says
/// that it wants no more. The windows of a chunk are shared out evenly over its batches, so none is
/// left over.
///
/// # Errors
///
/// A file that cannot be read any more, a corpus whose text has no tokens.
pub(super) fn batches(
    corpus: &Corpus,
    cutter: &Cutter,
    size: usize,
    from: Position,
    mut take: impl FnMut(WindowBatch) -> bool,
) -> Result<(), Error> {
    let Position {
        mut epoch,
        chunk: first_chunk,
        batch: first_batch,
    } = from;
    let mut skip = Some((first_chunk, first_batch));
    loop {
        let mut pass = corpus.pass(cutter.seed, epoch);
        let mut any = false;
        let (to_skip, mut done) = skip.take().unwrap_or_default();
        for _ in 0..to_skip {
            pass.chunk()?;
            any = true;
        }
        let mut chunk = to_skip;
        loop {
            let began = Instant::now();
            let documents = pass.chunk()?;
            if documents.is_empty() {
                break;
            }
            let read = began.elapsed();
            // The first chunk is waited for; the others are made beside the work that goes on.
            let is_waited_for = chunk == to_skip;
            let examples = cutter.windows(&documents, epoch, chunk, is_waited_for);
            drop(documents);
            any |= !examples.is_empty();
            let count = examples.len().div_ceil(size.max(1));
            tracing::debug!(epoch, chunk, batches = count, ?read, took = ?began.elapsed(), "cut");
            let mut rest = examples.into_iter();
            for batch in 0..count {
                let here = rest.len().div_ceil(count - batch);
                let examples: Vec<Example> = rest.by_ref().take(here).collect();
                if (batch as u64) < done {
                    continue;
                }
                let is_last = batch + 1 == count;
                let after = Position {
                    epoch,
                    chunk: chunk + u64::from(is_last),
                    batch: if is_last { 0 } else { batch as u64 + 1 },
                };
                if !take(WindowBatch { examples, after }) {
                    return Ok(());
                }
            }
            done = 0;
            chunk += 1;
        }
        if !any {
            return Err(Error::Settings(
                "the text to learn from has no tokens; give more of it".to_owned(),
            ));
        }
        epoch += 1;
    }
}

/// How often each word stands in the text to learn from, as the normaliser and the pre-tokeniser of a
/// vocabulary make words.
pub(super) fn count_words(
    corpus: &Corpus,
    words_of: &(dyn Fn(&str) -> Vec<String> + Sync),
    most_bytes: usize,
) -> Result<HashMap<String, u64>, Error> {
    /// Documents that are counted at once.
    const AT_ONCE: usize = 256;
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut documents = corpus.learnt_documents();
    let mut bytes = 0;
    while bytes < most_bytes {
        let texts = documents.by_ref().take(AT_ONCE);
        let texts: Vec<String> = texts
            .map(|document| Ok(document?.text))
            .collect::<Result<_, Error>>()?;
        if texts.is_empty() {
            break;
        }
        bytes += texts.iter().map(String::len).sum::<usize>();
        let counted: Vec<HashMap<String, u64>> = texts
            .par_iter()
            .map(|text| {
                let mut counts = HashMap::new();
                for word in words_of(text) {
                    *counts.entry(word).or_default() += 1;
                }
                counts
            })
            .collect();
        for (word, count) in counted.into_iter().flatten() {
            *counts.entry(word).or_default() += count;
        }
    }
    Ok(counts)
}

/// Whether the files are still what they were when a training began.
///
/// # Errors
///
/// The first file that is not.
pub(super) fn check_unchanged(before: &Corpus, now: &Corpus) -> Result<(), Error> {
    let changed = |path: &Path, what: String| Error::Data {
        path: path.to_owned(),
        line: None,
        what,
    };
    for (before, now) in before.files.iter().zip(&now.files) {
        if before != now {
            return Err(changed(
                &now.path,
                format!(
                    "it had {} documents with {} bytes when the training began, and now has {} with {}; \
                     put it back as it was, for a training goes on only with the text that it began with",
                    before.documents, before.bytes, now.documents, now.bytes
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_model::VocabularyOptions;
    use std::collections::BTreeMap;

    fn cutter(longest: usize) -> Cutter {
        let letters: String = ('a'..='z').map(|c| format!("{c}\n##{c}\n")).collect();
        let vocabulary = format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{letters}");
        let options = VocabularyOptions::default();
        let path = Path::new("vocab.txt");
        let tokenizer = Tokenizer::from_vocabulary(vocabulary.as_bytes(), options, path).unwrap();
        Cutter {
            special: Special {
                cls: tokenizer.cls_id(),
                sep: tokenizer.sep_id(),
                mask: tokenizer.mask_id(),
                pad: 0,
            },
            tokenizer: Arc::new(tokenizer),
            longest,
            seed: 5,
        }
    }

    /// Files of documents that spell their own number.
    fn corpus(sizes: &[usize], hold_out: bool) -> (tempfile::TempDir, Corpus) {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = sizes
            .iter()
            .enumerate()
            .map(|(file, &size)| {
                let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
                let text: String = (0..size)
                    .map(|n| {
                        let spelt = [file, n / 26, n].map(letter);
                        format!("{} and\n\n", spelt.iter().collect::<String>())
                    })
                    .collect();
                let path = folder.path().join(format!("{file}.txt"));
                std::fs::write(&path, text).unwrap();
                path
            })
            .collect();
        let corpus = Corpus::survey(&files, hold_out).unwrap();
        (folder, corpus)
    }

    fn some(corpus: &Corpus, size: usize, from: Position, count: usize) -> Vec<WindowBatch> {
        let mut found = Vec::new();
        batches(corpus, &cutter(16), size, from, |batch| {
            found.push(batch);
            found.len() < count
        })
        .unwrap();
        found
    }

    #[test]
    fn every_document_is_learnt_once_in_a_pass() {
        let (_folder, corpus) = corpus(&[40, 3, 17], false);
        let batches = some(&corpus, 8, Position::default(), 16);
        let mut counts: BTreeMap<(u64, Vec<u32>), usize> = BTreeMap::new();
        let mut epoch = 0;
        for batch in &batches {
            for example in &batch.examples {
                *counts.entry((epoch, example.ids.clone())).or_default() += 1;
            }
            // A chunk ends a pass here, so the next batch is of the next.
            epoch = batch.after.epoch + batch.after.chunk;
        }
        assert_eq!(counts.len(), 2 * 60);
        assert!(counts.values().all(|&count| count == 1));
        // Eight batches of seven or eight.
        assert!(
            batches
                .iter()
                .all(|batch| [7, 8].contains(&batch.examples.len()))
        );
        let first: Vec<_> = batches[..8].iter().flat_map(|b| &b.examples).collect();
        let second: Vec<_> = batches[8..].iter().flat_map(|b| &b.examples).collect();
        assert_ne!(first, second, "two passes have one order");
    }

    #[test]
    fn reading_goes_on_from_any_place_as_if_it_had_not_stopped() {
        let (_folder, corpus) = corpus(&[40, 3, 17], false);
        let whole = some(&corpus, 7, Position::default(), 30);
        for stop in [1, 4, 9, 10, 20] {
            let rest = some(&corpus, 7, whole[stop - 1].after, 30 - stop);
            assert_eq!(rest, whole[stop..], "after {stop}");
        }
    }

    #[test]
    fn a_chunk_holds_documents_of_all_files() {
        let (_folder, corpus) = corpus(&[100, 50, 10], false);
        let mut pass = corpus.pass(1, 0);
        let mut counts = [0; 3];
        for _ in 0..32 {
            counts[pass.read().unwrap().unwrap().file] += 1;
        }
        assert_eq!(counts, [20, 10, 2]);
    }

    #[test]
    fn what_is_held_out_is_not_learnt() {
        let (_folder, corpus) = corpus(&[250, 99], true);
        assert_eq!((corpus.held_out(), corpus.learnt()), (2, 347));
        let held_out: Vec<String> = (corpus.held_out_documents().unwrap().into_iter())
            .map(|document| document.text)
            .collect();
        assert_eq!(held_out, ["ajo and", "ajp and"]);
        let learnt: Vec<String> = (corpus.learnt_documents())
            .map(|document| document.unwrap().text)
            .collect();
        assert_eq!(learnt.len(), 347);
        assert!(learnt.iter().all(|text| !held_out.contains(text)));
    }

    #[test]
    fn of_a_small_corpus_the_last_document_is_held_out() {
        let (_folder, small) = corpus(&[4, 3], true);
        let held_out: Vec<usize> = small.files.iter().map(|file| file.held_out).collect();
        assert_eq!(held_out, [0, 1]);
        let (_folder, one) = corpus(&[1], false);
        let path = one.files[0].path.clone();
        let message = Corpus::survey(&[path], true).unwrap_err().to_string();
        assert!(message.contains("--eval"), "{message}");
    }

    #[test]
    fn a_file_without_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.txt");
        std::fs::write(&path, " \n\n").unwrap();
        let message = Corpus::survey(&[path], false).unwrap_err().to_string();
        assert!(
            message.contains("empty.txt") && message.contains("no text"),
            "{message}"
        );
    }

    #[test]
    fn a_file_that_shrank_is_noticed() {
        let (_folder, corpus) = corpus(&[40], false);
        let path = &corpus.files[0].path;
        std::fs::write(path, "a b\n").unwrap();
        let found = batches(&corpus, &cutter(16), 8, Position::default(), |_| true);
        let message = found.unwrap_err().to_string();
        assert!(
            message.contains("had 40 documents when the training began, and now has 1"),
            "{message}"
        );
        let now = Corpus::survey(std::slice::from_ref(path), false).unwrap();
        assert!(check_unchanged(&corpus, &now).is_err());
        assert!(check_unchanged(&now, &now).is_ok());
    }
}
