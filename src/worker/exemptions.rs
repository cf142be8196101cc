//! The thread that knows which words are not to be flagged, and changes dictionaries and documents.
//!
//! It reads the dictionaries of the user and of projects, finds the marks in documents, and writes both
//! when the reader accepts a word or silences a place; a suggestion that is chosen it puts into the document. A change of a document is made only if its file
//! still says what the screen shows. Everything is done in order, so that what was done last can be taken
//! back. Never waits for the model.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use electroscope_analysis::{
    AcceptedWords, Addition, Edit, Exemptions, WordList, edit_file, mark_for_word, project_words,
    project_words_to_be, reversed,
};
use electroscope_text::{Document, Span};

use super::inference::{DocumentId, Generation};
use super::thread::{self, Worker};

/// Whose dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DictionaryOf {
    /// The user's, for all documents.
    User,
    /// The project's that the document is in.
    Project,
}

/// Something for the thread to do.
#[derive(Clone, Debug, PartialEq)]
pub enum ExemptionJob {
    /// Find what is not flagged in this version of a document.
    Find {
        /// Which document.
        id: DocumentId,
        /// Which version.
        generation: Generation,
        /// Its text.
        document: Document,
    },
    /// Accept a word.
    Accept {
        /// The word, as a reader sees it.
        word: String,
        /// The document that it stands in.
        path: PathBuf,
        /// Where it is to be kept.
        dictionary: DictionaryOf,
    },
    /// Write a mark for a word into a document.
    Silence {
        /// The document, as it is shown.
        document: Document,
        /// Where the word is.
        span: Span,
        /// The word, as a reader sees it.
        word: String,
    },
    /// Put a suggestion into a document.
    Mend {
        /// The document, as it is shown.
        document: Document,
        /// The change.
        edit: Edit,
        /// The word that it is for, as a reader sees it.
        word: String,
    },
    /// Take back what was done last.
    TakeBack,
}

/// What the thread has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum ExemptionReply {
    /// What is not flagged in this version of a document.
    Found {
        /// Which document.
        id: DocumentId,
        /// Which version.
        generation: Generation,
        /// What is not flagged in it.
        exemptions: Box<Exemptions>,
    },
    /// Something was done. If a dictionary has changed, everything is to be found anew.
    Done {
        /// What was done, a sentence.
        text: String,
        /// The document that was changed, as it is now; none if it was a dictionary.
        document: Option<Document>,
    },
    /// Something was not done; why.
    Failed(String),
}

/// Something that was done.
enum Done {
    Added {
        dictionary: PathBuf,
        word: String,
    },
    Edited {
        /// The document after the change.
        document: Document,
        /// What takes the change back.
        back: Vec<Edit>,
        /// What is said when it has been taken back.
        taken_back: String,
    },
}

/// Things that can be taken back at most.
const MOST_BACK: usize = 200;

/// The near end of the thread.
pub struct ExemptionThread {
    jobs: Option<Sender<ExemptionJob>>,
    thread: Worker,
}

impl ExemptionThread {
    /// Starts the thread; the user's words are kept in `user_words`, if there is a place for them.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub fn spawn(
        user_words: Option<PathBuf>,
        reply: impl Fn(ExemptionReply) + Send + Sync + 'static,
    ) -> io::Result<ExemptionThread> {
        let (sender, jobs) = mpsc::channel();
        let reply = Arc::new(reply);
        let failed = {
            let reply = Arc::clone(&reply);
            move |text| reply(ExemptionReply::Failed(text))
        };
        let body = move || Exempter::new(user_words).run(&jobs, &*reply);
        Ok(ExemptionThread {
            jobs: Some(sender),
            thread: thread::spawn("exemptions", body, failed)?,
        })
    }

    /// Has something done.
    pub fn submit(&self, job: ExemptionJob) {
        if let Some(jobs) = &self.jobs {
            // After a panic, which was told, nobody listens.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for ExemptionThread {
    fn drop(&mut self) {
        self.jobs = None;
        // A file that is being written is to be whole.
        self.thread.wait_a_moment();
    }
}

struct Exempter {
    user_words: Option<PathBuf>,
    done: Vec<Done>,
    /// Dictionaries that could not be read, and what was said of them.
    told: HashMap<PathBuf, String>,
}

impl Exempter {
    fn new(user_words: Option<PathBuf>) -> Exempter {
        Exempter {
            user_words,
            done: Vec::new(),
            told: HashMap::new(),
        }
    }

    fn run(mut self, jobs: &Receiver<ExemptionJob>, reply: &dyn Fn(ExemptionReply)) {
        for job in jobs {
            let outcome = match job {
                ExemptionJob::Find {
                    id,
                    generation,
                    document,
                } => {
                    let accepted = self.accepted(&document.path, reply);
                    Ok(ExemptionReply::Found {
                        id,
                        generation,
                        exemptions: Box::new(Exemptions::of(&document, Arc::new(accepted))),
                    })
                }
                ExemptionJob::Accept {
                    word,
                    path,
                    dictionary,
                } => self.accept(&word, &path, dictionary),
                ExemptionJob::Silence {
                    document,
                    span,
                    word,
                } => self.silence(&document, span, &word),
                ExemptionJob::Mend {
                    document,
                    edit,
                    word,
                } => self.mend(&document, edit, &word),
                ExemptionJob::TakeBack => self.take_back(),
            };
            reply(outcome.unwrap_or_else(ExemptionReply::Failed));
        }
    }

    /// The words that are accepted in the document at `path`. A dictionary that cannot be read is told
    /// once.
    fn accepted(&mut self, path: &Path, reply: &dyn Fn(ExemptionReply)) -> AcceptedWords {
        let mut accepted = AcceptedWords::default();
        for dictionary in [self.user_words.clone(), project_words(path)]
            .into_iter()
            .flatten()
        {
            match WordList::read(&dictionary) {
                Ok(list) => {
                    accepted.extend(list.words());
                    self.told.remove(&dictionary);
                }
                Err(err) => {
                    let text = in_full(&err);
                    let told = self.told.insert(dictionary, text.clone());
                    if told.as_ref() != Some(&text) {
                        reply(ExemptionReply::Failed(text));
                    }
                }
            }
        }
        accepted
    }

    fn accept(
        &mut self,
        word: &str,
        path: &Path,
        dictionary: DictionaryOf,
    ) -> Result<ExemptionReply, String> {
        let dictionary = match dictionary {
            DictionaryOf::Project => project_words_to_be(path),
            DictionaryOf::User => self.user_words.clone().ok_or(
                "there is no home folder that a dictionary could be kept in; Z takes the project's",
            )?,
        };
        // Its possessive is accepted with it.
        let word = without_possessive(word);
        let mut list = WordList::read(&dictionary).map_err(|err| in_full(&err))?;
        match list.add(word).map_err(|err| err.to_string())? {
            Addition::Known(entry) => Err(format!("{} has {entry} already", list.path().display())),
            Addition::Added => {
                list.save().map_err(|err| in_full(&err))?;
                let shown = dictionary.display();
                let text = format!("accepted {word} in {shown}; u takes it back");
                self.remember(Done::Added {
                    dictionary,
                    word: word.to_owned(),
                });
                Ok(ExemptionReply::Done {
                    text,
                    document: None,
                })
            }
        }
    }

    fn silence(
        &mut self,
        document: &Document,
        span: Span,
        word: &str,
    ) -> Result<ExemptionReply, String> {
        if document.path == Path::new(super::pipe::NAME) {
            return Err("standard input is no file that a mark could be written to".to_owned());
        }
        let edit = mark_for_word(document, span, word).ok_or(
            "no place for a mark was found here that would leave the text as it is read; z accepts the \
             word instead",
        )?;
        let shown = document.path.display();
        self.change(
            document,
            edit,
            format!("a mark for {word} was written to the file; u takes it back"),
            format!("the mark was taken out of {shown}"),
        )
    }

    /// Puts a suggestion in the place of `word`.
    fn mend(
        &mut self,
        document: &Document,
        edit: Edit,
        word: &str,
    ) -> Result<ExemptionReply, String> {
        if document.path == Path::new(super::pipe::NAME) {
            return Err("standard input is no file, so it cannot be changed".to_owned());
        }
        let text = match edit.replacement.trim() {
            "" => format!("{word} was left out; u takes it back"),
            new => format!("{word} → {new}; u takes it back"),
        };
        self.change(document, edit, text, format!("{word} is there again"))
    }

    /// Makes a change in the file of `document`, and remembers how it is taken back.
    fn change(
        &mut self,
        document: &Document,
        edit: Edit,
        text: String,
        taken_back: String,
    ) -> Result<ExemptionReply, String> {
        let edits = [edit];
        let back = reversed(&document.text, &edits);
        let after = edit_file(document, &edits).map_err(|err| in_full(&err))?;
        self.remember(Done::Edited {
            document: after.clone(),
            back,
            taken_back,
        });
        Ok(ExemptionReply::Done {
            text,
            document: Some(after),
        })
    }

    fn take_back(&mut self) -> Result<ExemptionReply, String> {
        let done = self
            .done
            .pop()
            .ok_or("there is nothing to take back: u is for s, z, Z and x")?;
        match done {
            Done::Added { dictionary, word } => {
                let mut list = WordList::read(&dictionary).map_err(|err| in_full(&err))?;
                let shown = dictionary.display();
                if !list.remove(&word) {
                    return Err(format!("{word} is not in {shown} any more"));
                }
                list.save().map_err(|err| in_full(&err))?;
                Ok(ExemptionReply::Done {
                    text: format!("{word} is no longer accepted: taken out of {shown}"),
                    document: None,
                })
            }
            Done::Edited {
                document,
                back,
                taken_back,
            } => {
                let after = edit_file(&document, &back).map_err(|err| in_full(&err))?;
                Ok(ExemptionReply::Done {
                    text: taken_back,
                    document: Some(after),
                })
            }
        }
    }

    fn remember(&mut self, done: Done) {
        if self.done.len() == MOST_BACK {
            self.done.remove(0);
        }
        self.done.push(done);
    }
}

/// The word that is put into a dictionary for `word`: its possessive is accepted with it.
pub(crate) fn without_possessive(word: &str) -> &str {
    word.strip_suffix("'s")
        .or_else(|| word.strip_suffix("\u{2019}s"))
        .unwrap_or(word)
}

/// An error with its causes.
fn in_full(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use electroscope_text::Language;
    use std::time::Duration;

    /// A folder with a document, and the thread that works on it.
    struct Desk {
        folder: tempfile::TempDir,
        thread: ExemptionThread,
        replies: Receiver<ExemptionReply>,
    }

    const TEXT: &str = "The banana waits.\n";

    impl Desk {
        fn new() -> Desk {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join(".git")).unwrap();
            std::fs::write(folder.path().join("a.md"), TEXT).unwrap();
            let (sender, replies) = mpsc::channel();
            let user = folder.path().join("home/dictionary.txt");
            let reply = move |reply| drop(sender.send(reply));
            let thread = ExemptionThread::spawn(Some(user), reply).unwrap();
            Desk {
                folder,
                thread,
                replies,
            }
        }

        fn document(&self, text: &str) -> Document {
            Document::new(self.folder.path().join("a.md"), text, Language::Markdown)
        }

        fn ask(&self, job: ExemptionJob) -> ExemptionReply {
            self.thread.submit(job);
            self.replies.recv_timeout(Duration::from_secs(20)).unwrap()
        }

        fn accept(&self, word: &str, dictionary: DictionaryOf) -> ExemptionReply {
            self.ask(ExemptionJob::Accept {
                word: word.to_owned(),
                path: self.document("").path,
                dictionary,
            })
        }

        fn silence(&self, text: &str) -> ExemptionReply {
            let start = text.find("banana").unwrap();
            self.ask(ExemptionJob::Silence {
                document: self.document(text),
                span: Span::new(start, start + 6),
                word: "banana".to_owned(),
            })
        }

        /// Whether the last `banana` of `text` is not flagged.
        fn is_exempt(&self, text: &str) -> bool {
            let reply = self.ask(ExemptionJob::Find {
                id: DocumentId(1),
                generation: Generation(1),
                document: self.document(text),
            });
            let ExemptionReply::Found { exemptions, .. } = reply else {
                panic!("{reply:?}");
            };
            let start = text.rfind("banana").unwrap();
            let span = Span::new(start, start + 6);
            exemptions.of_word(text, span, "banana").is_some()
        }

        fn read(&self, path: &str) -> String {
            std::fs::read_to_string(self.folder.path().join(path)).unwrap_or_default()
        }
    }

    #[test]
    fn a_word_is_accepted_in_either_dictionary_and_taken_back() {
        let desk = Desk::new();
        assert!(!desk.is_exempt(TEXT));
        for (dictionary, path) in [
            (DictionaryOf::User, "home/dictionary.txt"),
            (DictionaryOf::Project, ".electroscope/dictionary.txt"),
        ] {
            let reply = desk.accept("banana\u{2019}s", dictionary);
            let is_done = matches!(reply, ExemptionReply::Done { document: None, .. });
            assert!(is_done, "{reply:?}");
            assert_eq!(desk.read(path), "banana\n");
            assert!(desk.is_exempt(TEXT));
            let reply = desk.accept("Banana", dictionary);
            assert!(matches!(reply, ExemptionReply::Failed(_)), "{reply:?}");
            desk.ask(ExemptionJob::TakeBack);
            assert_eq!(desk.read(path), "");
            assert!(!desk.is_exempt(TEXT));
        }
        let reply = desk.ask(ExemptionJob::TakeBack);
        assert!(matches!(reply, ExemptionReply::Failed(_)), "{reply:?}");
    }

    #[test]
    fn a_mark_is_written_to_the_file_and_taken_back() {
        let desk = Desk::new();
        desk.silence(TEXT);
        let marked = desk.read("a.md");
        assert_eq!(
            marked,
            format!("<!-- electroscope-disable-next-line banana -->\n{TEXT}")
        );
        assert!(desk.is_exempt(&marked));
        desk.ask(ExemptionJob::TakeBack);
        assert_eq!(desk.read("a.md"), TEXT);
    }

    fn mend(desk: &Desk, text: &str, wrong: &str, right: &str) -> ExemptionReply {
        let start = text.find(wrong).unwrap();
        desk.ask(ExemptionJob::Mend {
            document: desk.document(text),
            edit: Edit {
                span: Span::new(start, start + wrong.len()),
                replacement: right.to_owned(),
            },
            word: "banana".to_owned(),
        })
    }

    #[test]
    fn a_suggestion_is_put_into_the_file_and_taken_back_in_the_order_of_what_was_done() {
        let desk = Desk::new();
        let reply = mend(&desk, TEXT, "banana", "ferry");
        let ExemptionReply::Done {
            text,
            document: Some(after),
        } = reply
        else {
            panic!("{reply:?}");
        };
        assert_eq!(text, "banana → ferry; u takes it back");
        assert_eq!(&*after.text, "The ferry waits.\n");
        assert_eq!(desk.read("a.md"), "The ferry waits.\n");
        desk.accept("waits", DictionaryOf::Project);
        mend(&desk, "The ferry waits.\n", "ferry ", "");
        assert_eq!(desk.read("a.md"), "The waits.\n");
        for (text, words) in [
            ("The ferry waits.\n", "waits\n"),
            ("The ferry waits.\n", ""),
            (TEXT, ""),
        ] {
            let reply = desk.ask(ExemptionJob::TakeBack);
            assert!(matches!(reply, ExemptionReply::Done { .. }), "{reply:?}");
            assert_eq!(desk.read("a.md"), text);
            assert_eq!(desk.read(".electroscope/dictionary.txt"), words);
        }
    }

    #[test]
    fn a_suggestion_for_a_text_that_the_file_is_not_changes_nothing() {
        let desk = Desk::new();
        let reply = mend(&desk, "Another banana waits.\n", "banana", "ferry");
        let ExemptionReply::Failed(why) = reply else {
            panic!("{reply:?}");
        };
        assert!(why.contains("has changed since it was read"), "{why}");
        assert_eq!(desk.read("a.md"), TEXT);
        // Made twice it is refused too.
        mend(&desk, TEXT, "banana", "ferry");
        let reply = mend(&desk, TEXT, "banana", "ferry");
        assert!(matches!(reply, ExemptionReply::Failed(_)), "{reply:?}");
        assert_eq!(desk.read("a.md"), "The ferry waits.\n");
    }

    #[test]
    fn standard_input_cannot_be_changed() {
        let desk = Desk::new();
        let reply = desk.ask(ExemptionJob::Mend {
            document: Document::new(super::super::pipe::NAME, TEXT, Language::Markdown),
            edit: Edit {
                span: Span::new(4, 10),
                replacement: "ferry".to_owned(),
            },
            word: "banana".to_owned(),
        });
        let why = "standard input is no file, so it cannot be changed";
        assert_eq!(reply, ExemptionReply::Failed(why.to_owned()));
    }

    #[test]
    fn a_file_that_is_not_what_is_shown_is_left_alone() {
        let desk = Desk::new();
        let reply = desk.silence("Another banana waits.\n");
        let ExemptionReply::Failed(why) = reply else {
            panic!("{reply:?}");
        };
        assert!(why.contains("has changed since it was read"), "{why}");
        assert_eq!(desk.read("a.md"), TEXT);
        desk.silence(TEXT);
        std::fs::write(desk.folder.path().join("a.md"), "other").unwrap();
        let reply = desk.ask(ExemptionJob::TakeBack);
        assert!(matches!(reply, ExemptionReply::Failed(_)), "{reply:?}");
        assert_eq!(desk.read("a.md"), "other");
    }

    #[test]
    fn a_dictionary_that_is_no_text_is_told_once_and_is_left_alone() {
        let desk = Desk::new();
        std::fs::create_dir(desk.folder.path().join("home")).unwrap();
        let path = desk.folder.path().join("home/dictionary.txt");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        let reply = desk.ask(ExemptionJob::Find {
            id: DocumentId(1),
            generation: Generation(1),
            document: desk.document(TEXT),
        });
        let ExemptionReply::Failed(why) = reply else {
            panic!("{reply:?}");
        };
        assert!(why.contains("it is not UTF-8 text"), "{why}");
        let found = desk.replies.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(found, ExemptionReply::Found { .. }));
        assert!(!desk.is_exempt(TEXT));
        let reply = desk.accept("banana", DictionaryOf::User);
        assert!(matches!(reply, ExemptionReply::Failed(_)), "{reply:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"\xff\xfe");
    }
}
