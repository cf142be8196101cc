//! The text of a pre-training, and the order in which it is read.
//!
//! A corpus is surveyed once before training, so that unreadable files are reported before the first
//! step and held-out documents are known. Then it is read pass after pass, in chunks of a few megabytes
//! that contain documents of all files. The documents of a chunk and the order of its windows depend
//! only on the seed, the pass and the number of the chunk. So a training can resume at any position,
//! and at most two chunks are in memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use super::segments::{PretrainWindow, SpecialTokens, windows};
use crate::Error;
use crate::rng::SeededRng;
use crate::text_files::{TextDocument, TextFile};
use electroscope_model::Tokenizer;

/// Bytes of text in a chunk; windows are shuffled within a chunk.
const CHUNK: usize = 4 << 20;

/// Files that are open at once. More files are read in groups of this size.
const OPEN_FILES: usize = 64;

/// One document in this many is held out for evaluation, if no text is given for that.
const HELD_OUT: usize = 100;

// The first number of a random generator's key, which says what the generator is for. See also
// `prefetch` and `model_pair`.
pub(super) const ORDER_OF_FILES: u64 = 1;
pub(super) const ORDER_OF_WINDOWS: u64 = 2;
pub(super) const SEGMENTS: u64 = 3;

/// A file of the corpus, as the survey found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CorpusFile {
    pub(super) path: PathBuf,
    /// The number of documents.
    pub(super) documents: usize,
    /// The number of documents, at its end, that are held out for evaluation.
    pub(super) held_out: usize,
    /// The bytes of text of all documents.
    pub(super) bytes: u64,
    /// A hash of the text of all documents. States of earlier versions have none.
    #[serde(default)]
    pub(super) hash: Option<u64>,
}

impl CorpusFile {
    fn training_count(&self) -> usize {
        self.documents - self.held_out
    }
}

/// The files of a pre-training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Corpus {
    pub(super) files: Vec<CorpusFile>,
}

/// A position in the sequence of batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CorpusPosition {
    /// The passes over the corpus that are complete.
    pub(super) epoch: u64,
    /// The chunks of this pass that are complete.
    pub(super) chunk: u64,
    /// The batches of this chunk that are complete.
    pub(super) batch: u64,
}

impl Corpus {
    /// Counts the documents of `files`. With `hold_out`, the last hundredth of the documents of each file
    /// is held out for evaluation; if that is none, the last document of all.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a file without text, too little text to hold any out.
    pub(super) fn survey(files: &[PathBuf], hold_out: bool) -> Result<Corpus, Error> {
        let counted: Result<Vec<CorpusFile>, Error> = files
            .par_iter()
            .map(|path| {
                let (mut documents, mut bytes) = (0, 0);
                let mut hash = Xxh3Default::new();
                for document in TextFile::open(path)? {
                    let text = document?.text;
                    documents += 1;
                    bytes += text.len() as u64;
                    hash.update(text.as_bytes());
                    // No text has this byte.
                    hash.update(&[0xff]);
                }
                if documents == 0 {
                    return Err(Error::Data {
                        path: path.clone(),
                        line: None,
                        what: "it has no text; leave it out or add text".to_owned(),
                    });
                }
                Ok(CorpusFile {
                    path: path.clone(),
                    documents,
                    held_out: if hold_out { documents / HELD_OUT } else { 0 },
                    bytes,
                    hash: Some(hash.digest()),
                })
            })
            .collect();
        let mut corpus = Corpus { files: counted? };
        if hold_out && corpus.held_out() == 0 {
            let all: usize = corpus.files.iter().map(|file| file.documents).sum();
            if all < 2 {
                return Err(Error::Settings(
                    "the text has one document only, so that none can be held out for evaluation; name a text \
                    with --eval, or put an empty line between documents"
    .to_owned(),
                ));
            }
            if let Some(last) = corpus.files.last_mut() {
                last.held_out = 1;
            }
        }
        Ok(corpus)
    }

    /// The number of documents held out for evaluation.
    pub(super) fn held_out(&self) -> usize {
        self.files.iter().map(|file| file.held_out).sum()
    }

    /// The number of documents to train on.
    pub(super) fn training_count(&self) -> usize {
        self.files.iter().map(CorpusFile::training_count).sum()
    }

    /// The documents held out for evaluation.
    pub(super) fn held_out_documents(&self) -> Result<Vec<TextDocument>, Error> {
        let mut documents = Vec::new();
        for file in self.files.iter().filter(|file| file.held_out > 0) {
            let mut open = TextFile::open(&file.path)?;
            open.skip_documents(file.training_count())?;
            for document in open {
                documents.push(document?);
            }
        }
        Ok(documents)
    }

    /// The documents to train on, in the order of the files.
    pub(super) fn training_documents(&self) -> impl Iterator<Item = Result<TextDocument, Error>> {
        self.files.iter().flat_map(|file| {
            let (documents, error) = match TextFile::open(&file.path) {
                Ok(open) => (Some(open.take(file.training_count())), None),
                Err(err) => (None, Some(Err(err))),
            };
            documents.into_iter().flatten().chain(error)
        })
    }

    /// The documents to train on, in the order of a pass.
    fn pass(&self, seed: u64, epoch: u64) -> CorpusPass<'_> {
        let mut order: Vec<usize> = (0..self.files.len())
            .filter(|&file| (self.files.get(file)).is_some_and(|file| file.training_count() > 0))
            .collect();
        SeededRng::for_key(&[ORDER_OF_FILES, seed, epoch]).shuffle(&mut order);
        CorpusPass {
            files: &self.files,
            order,
            open: Vec::new(),
        }
    }
}

/// A document with the index of its file and its number there.
struct NumberedDocument {
    file: usize,
    number: usize,
    text: String,
}

/// A file that is read in a pass.
struct OpenFile {
    file: usize,
    open: TextFile,
    done: usize,
    all: usize,
}

/// The documents of one pass. The next document comes from the open file of which the smallest share
/// was read, so that every part of a pass has documents of all open files, and they end together.
struct CorpusPass<'a> {
    files: &'a [CorpusFile],
    /// The indices of files that are not open yet, the next one at the end.
    order: Vec<usize>,
    open: Vec<OpenFile>,
}

impl CorpusPass<'_> {
    fn read(&mut self) -> Result<Option<NumberedDocument>, Error> {
        if self.open.is_empty() {
            while self.open.len() < OPEN_FILES
                && let Some(file) = self.order.pop()
            {
                if let Some(metadata) = self.files.get(file) {
                    self.open.push(OpenFile {
                        file,
                        open: TextFile::open(&metadata.path)?,
                        done: 0,
                        all: metadata.training_count(),
                    });
                }
            }
        }
        // The shares are compared by cross-multiplication, which does not round.
        let by_share = |a: &OpenFile, b: &OpenFile| (a.done * b.all).cmp(&(b.done * a.all));
        let next = (self.open.iter().enumerate())
            .min_by(|(_, a), (_, b)| by_share(a, b))
            .map(|(at, _)| at);
        let Some(at) = next else {
            return Ok(None);
        };
        let Some(file) = self.open.get_mut(at) else {
            return Ok(None);
        };
        let Some(document) = file.open.next() else {
            let path = self.files.get(file.file).map(|file| file.path.clone());
            return Err(Error::Data {
                path: path.unwrap_or_default(),
                line: None,
                what: format!(
                    "it had {} documents when the training began, and now has {}; restore it, because a \
                    training can only be resumed with the text it began with",
                    file.all, file.done
                ),
            });
        };
        let numbered = NumberedDocument {
            file: file.file,
            number: file.done,
            text: document?.text,
        };
        file.done += 1;
        if file.done == file.all {
            self.open.remove(at);
        }
        Ok(Some(numbered))
    }

    /// The documents of the next chunk; none at the end of the pass.
    fn chunk(&mut self) -> Result<Vec<NumberedDocument>, Error> {
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

/// Cuts text into windows.
#[derive(Clone)]
pub(super) struct WindowCutter {
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) special: SpecialTokens,
    /// The tokens of a window at most.
    pub(super) longest: usize,
    pub(super) seed: u64,
}

impl WindowCutter {
    /// The windows of a text; `key` is the key of the random choices.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] if the text cannot be tokenized.
    pub(super) fn cut(&self, text: &str, key: &[u64]) -> Result<Vec<PretrainWindow>, Error> {
        let lines: Vec<Vec<u32>> = text
            .lines()
            .map(|line| {
                let pieces = self.tokenizer.encode(line)?;
                Ok(pieces.into_iter().map(|piece| piece.id).collect())
            })
            .collect::<Result<_, Error>>()?;
        let mut rng = SeededRng::for_key(key);
        Ok(windows(&lines, self.longest, self.special, &mut rng))
    }

    /// The windows of the documents of a chunk, shuffled.
    fn chunk_windows(
        &self,
        documents: &[NumberedDocument],
        epoch: u64,
        chunk: u64,
        parallel: bool,
    ) -> Result<Vec<PretrainWindow>, Error> {
        let cut = |document: &NumberedDocument| {
            let (file, number) = (document.file as u64, document.number as u64);
            self.cut(&document.text, &[SEGMENTS, self.seed, epoch, file, number])
        };
        let windows: Result<Vec<Vec<PretrainWindow>>, Error> = if parallel {
            documents.par_iter().map(cut).collect()
        } else {
            documents.iter().map(cut).collect()
        };
        let mut windows: Vec<PretrainWindow> = windows?.into_iter().flatten().collect();
        SeededRng::for_key(&[ORDER_OF_WINDOWS, self.seed, epoch, chunk]).shuffle(&mut windows);
        Ok(windows)
    }
}

/// A batch of windows, and the position after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WindowBatch {
    pub(super) windows: Vec<PretrainWindow>,
    pub(super) after: CorpusPosition,
}

/// Calls `take` with batches of about `size` windows, from the position `from` on, pass after pass,
/// until it returns false. The windows of a chunk are divided evenly among its batches.
///
/// # Errors
///
/// A file that cannot be read any more, a corpus whose text has no tokens.
pub(super) fn batches(
    corpus: &Corpus,
    cutter: &WindowCutter,
    size: usize,
    from: CorpusPosition,
    mut take: impl FnMut(WindowBatch) -> bool,
) -> Result<(), Error> {
    let CorpusPosition {
        mut epoch,
        chunk: first_chunk,
        batch: first_batch,
    } = from;
    let mut skip = Some((first_chunk, first_batch));
    loop {
        let mut pass = corpus.pass(cutter.seed, epoch);
        let mut found_text = false;
        let (chunks_to_skip, mut batches_to_skip) = skip.take().unwrap_or_default();
        for _ in 0..chunks_to_skip {
            pass.chunk()?;
            found_text = true;
        }
        let mut chunk = chunks_to_skip;
        loop {
            let began = Instant::now();
            let documents = pass.chunk()?;
            if documents.is_empty() {
                break;
            }
            let read = began.elapsed();
            // The training waits for the first chunk, so it is cut on all threads; later chunks are cut on
            // one thread beside the training.
            let parallel = chunk == chunks_to_skip;
            let windows = cutter.chunk_windows(&documents, epoch, chunk, parallel)?;
            drop(documents);
            found_text |= !windows.is_empty();
            let count = windows.len().div_ceil(size.max(1));
            tracing::debug!(epoch, chunk, batches = count, ?read, took = ?began.elapsed(), "cut");
            let mut rest = windows.into_iter();
            for batch in 0..count {
                let here = rest.len().div_ceil(count - batch);
                let windows: Vec<PretrainWindow> = rest.by_ref().take(here).collect();
                if (batch as u64) < batches_to_skip {
                    continue;
                }
                let is_last = batch + 1 == count;
                let after = CorpusPosition {
                    epoch,
                    chunk: chunk + u64::from(is_last),
                    batch: if is_last { 0 } else { batch as u64 + 1 },
                };
                if !take(WindowBatch { windows, after }) {
                    return Ok(());
                }
            }
            batches_to_skip = 0;
            chunk += 1;
        }
        if !found_text {
            return Err(Error::Settings(
                "the text to train on has no tokens; add more text".to_owned(),
            ));
        }
        epoch += 1;
    }
}

/// Counts the words of the text to train on, up to `most_bytes` of text. `words_of` normalises and
/// divides a text into words.
pub(super) fn count_words(
    corpus: &Corpus,
    words_of: &(dyn Fn(&str) -> Vec<String> + Sync),
    most_bytes: usize,
) -> Result<HashMap<String, u64>, Error> {
    /// Documents that are counted in parallel.
    const AT_ONCE: usize = 256;
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut documents = corpus.training_documents();
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

/// Checks that the files are what they were when a training began.
///
/// # Errors
///
/// [`Error::Data`] for the first file that has changed.
pub(super) fn check_unchanged(before: &Corpus, now: &Corpus) -> Result<(), Error> {
    let changed = |path: &Path, what: String| Error::Data {
        path: path.to_owned(),
        line: None,
        what: format!(
            "{what}; restore it, because a training can only be resumed with the text it began with"
        ),
    };
    for (before, now) in before.files.iter().zip(&now.files) {
        let is_counted_alike = CorpusFile {
            hash: now.hash,
            ..before.clone()
        } == *now;
        if !is_counted_alike {
            return Err(changed(
                &now.path,
                format!(
                    "it had {} documents with {} bytes when the training began, and now has {} with {}",
                    before.documents, before.bytes, now.documents, now.bytes
                ),
            ));
        }
        if before.hash.is_some() && before.hash != now.hash {
            return Err(changed(
                &now.path,
                "its text is not that of when the training began, although it has as many documents and \
                 bytes"
                    .to_owned(),
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

    fn cutter(longest: usize) -> WindowCutter {
        let letters: String = ('a'..='z').map(|c| format!("{c}\n##{c}\n")).collect();
        let vocabulary = format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{letters}");
        let options = VocabularyOptions::default();
        let path = Path::new("vocab.txt");
        let tokenizer = Tokenizer::from_vocabulary(vocabulary.as_bytes(), options, path).unwrap();
        WindowCutter {
            special: SpecialTokens {
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

    /// Files whose documents each begin with a different word.
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

    fn collect(
        corpus: &Corpus,
        size: usize,
        from: CorpusPosition,
        count: usize,
    ) -> Vec<WindowBatch> {
        let mut found = Vec::new();
        batches(corpus, &cutter(16), size, from, |batch| {
            found.push(batch);
            found.len() < count
        })
        .unwrap();
        found
    }

    #[test]
    fn every_document_is_read_once_in_a_pass() {
        let (_folder, corpus) = corpus(&[40, 3, 17], false);
        let batches = collect(&corpus, 8, CorpusPosition::default(), 16);
        let mut counts: BTreeMap<(u64, Vec<u32>), usize> = BTreeMap::new();
        let mut epoch = 0;
        for batch in &batches {
            for window in &batch.windows {
                *counts.entry((epoch, window.ids.clone())).or_default() += 1;
            }
            // A pass has one chunk here, so after the last batch of a chunk the next pass begins.
            epoch = batch.after.epoch + batch.after.chunk;
        }
        assert_eq!(counts.len(), 2 * 60);
        assert!(counts.values().all(|&count| count == 1));
        // Eight batches of 7 or 8 windows.
        assert!(
            batches
                .iter()
                .all(|batch| [7, 8].contains(&batch.windows.len()))
        );
        let first: Vec<_> = batches[..8].iter().flat_map(|b| &b.windows).collect();
        let second: Vec<_> = batches[8..].iter().flat_map(|b| &b.windows).collect();
        assert_ne!(first, second, "two passes have the same order");
    }

    #[test]
    fn batches_after_any_position_are_those_of_an_uninterrupted_reading() {
        let (_folder, corpus) = corpus(&[40, 3, 17], false);
        let whole = collect(&corpus, 7, CorpusPosition::default(), 30);
        for stop in [1, 4, 9, 10, 20] {
            let rest = collect(&corpus, 7, whole[stop - 1].after, 30 - stop);
            assert_eq!(rest, whole[stop..], "after {stop}");
        }
    }

    #[test]
    fn a_chunk_contains_documents_of_all_files() {
        let (_folder, corpus) = corpus(&[100, 50, 10], false);
        let mut pass = corpus.pass(1, 0);
        let mut counts = [0; 3];
        for _ in 0..32 {
            counts[pass.read().unwrap().unwrap().file] += 1;
        }
        assert_eq!(counts, [20, 10, 2]);
    }

    #[test]
    fn held_out_documents_are_not_trained_on() {
        let (_folder, corpus) = corpus(&[250, 99], true);
        assert_eq!((corpus.held_out(), corpus.training_count()), (2, 347));
        let held_out: Vec<String> = (corpus.held_out_documents().unwrap().into_iter())
            .map(|document| document.text)
            .collect();
        assert_eq!(held_out, ["ajo and", "ajp and"]);
        let training: Vec<String> = (corpus.training_documents())
            .map(|document| document.unwrap().text)
            .collect();
        assert_eq!(training.len(), 347);
        assert!(training.iter().all(|text| !held_out.contains(text)));
    }

    #[test]
    fn a_small_corpus_holds_out_its_last_document() {
        let (_folder, small) = corpus(&[4, 3], true);
        let held_out: Vec<usize> = small.files.iter().map(|file| file.held_out).collect();
        assert_eq!(held_out, [0, 1]);
        let (_folder, one) = corpus(&[1], false);
        let path = one.files[0].path.clone();
        let message = Corpus::survey(&[path], true).unwrap_err().to_string();
        assert!(message.contains("--eval"), "{message}");
    }

    #[test]
    fn a_file_without_text_is_an_error_with_its_name() {
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
    fn a_file_that_changed_is_an_error() {
        let (_folder, corpus) = corpus(&[40], false);
        let path = &corpus.files[0].path;
        std::fs::write(path, "a b\n").unwrap();
        let found = batches(&corpus, &cutter(16), 8, CorpusPosition::default(), |_| true);
        let message = found.unwrap_err().to_string();
        assert!(
            message.contains("had 40 documents when the training began, and now has 1"),
            "{message}"
        );
        let now = Corpus::survey(std::slice::from_ref(path), false).unwrap();
        assert!(check_unchanged(&corpus, &now).is_err());
        assert!(check_unchanged(&now, &now).is_ok());
        std::fs::write(path, "a c\n").unwrap();
        let other = Corpus::survey(std::slice::from_ref(path), false).unwrap();
        let message = check_unchanged(&now, &other).unwrap_err().to_string();
        assert!(message.contains("its text is not that"), "{message}");
        // What a state of an earlier version says.
        let mut earlier = now;
        earlier.files[0].hash = None;
        assert!(check_unchanged(&earlier, &other).is_ok());
    }
}
