//! Which of the words over the threshold `score` does not report: accepted ones, those that a mark in the
//! text silences, those that a baseline knows.
//!
//! Also what is wrong with these: a dictionary that cannot be read, a mark that is misspelt or of no use,
//! entries of a baseline that are stale. None of it changes p.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Global, ScoreArgs, messages, model_identity};
use crate::report::{self, FileError};
use crate::settings::{Lens, Paths};
use electroscope_analysis::{
    AcceptedWords, Baseline, BaselineError, BaselineOrigin, Comparison, Exemption, Exemptions,
    Flagging, Readings, WordList, WordListError, WordsInContext, project_words,
};
use electroscope_text::{AsRead, Document, LineIndex, visible};

/// What is said of one document.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Where the words begin that are over the threshold and not reported, in order.
    pub(super) exempt: Vec<usize>,
    /// What is wrong with its marks and the dictionaries.
    pub(super) errors: Vec<FileError>,
    /// Marks that are of no use, a line for each.
    pub(super) unused: Vec<String>,
}

/// The checks of one run.
pub(super) struct Checks<'b> {
    flagging: Flagging,
    reports_unused: bool,
    user: Vec<String>,
    /// What is wrong with the user's dictionary, until that has been said.
    trouble: Option<FileError>,
    /// The accepted words by the project's dictionary.
    accepted: HashMap<Option<PathBuf>, Arc<AcceptedWords>>,
    baseline: Option<Comparison<'b>>,
    /// Whether all that is found is to be known from now on.
    updates_baseline: bool,
}

impl<'b> Checks<'b> {
    /// Checks against the user's dictionary, and `baseline` if there is one.
    pub(super) fn new(
        reports_unused: bool,
        flagging: Flagging,
        baseline: Option<&'b Baseline>,
        updates_baseline: bool,
    ) -> Checks<'b> {
        let (mut user, mut trouble) = (Vec::new(), None);
        if let Some(path) = Paths::new().dictionary {
            match WordList::read(&path) {
                Ok(list) => user = list.words().map(str::to_owned).collect(),
                Err(err) => trouble = Some(file_error(&path, &err)),
            }
        }
        Checks {
            flagging,
            reports_unused,
            user,
            trouble,
            accepted: HashMap::new(),
            baseline: baseline.map(Baseline::comparison),
            updates_baseline,
        }
    }

    /// Checks a document that was scored.
    pub(super) fn document(
        &mut self,
        document: &Document,
        readings: &Readings,
        read: &AsRead,
    ) -> Checked {
        let mut checked = Checked {
            errors: self.trouble.take().into_iter().collect(),
            ..Checked::default()
        };
        let accepted = self.accepted(&document.path, &mut checked.errors);
        let exemptions = Exemptions::of(document, accepted);
        let marks = exemptions.marks();
        checked
            .errors
            .extend(marks.misspelt().iter().map(|mark| FileError {
                path: document.path.clone(),
                message: mark.to_string(),
            }));
        let mut used = Vec::new();
        let mut left = Vec::new();
        for word in readings.words().filter(|word| self.flagging.flags(word)) {
            let text = read.text(word.span);
            match exemptions.of_word(&document.text, word.span, &text) {
                None => left.push(word.span),
                Some(exemption) => {
                    checked.exempt.push(word.span.start());
                    if let Exemption::Silenced(by) = exemption {
                        used.push(by);
                    }
                }
            }
        }
        if self.reports_unused && !marks.is_empty() {
            let path = report::visible_path(&document.path);
            let lines = LineIndex::new(&document.text);
            let unused = marks.unused(&used).into_iter().map(|mark| {
                let place = lines.position(&document.text, mark.span.start());
                format!("{path}:{}:{}: {mark}", place.line, place.column)
            });
            checked.unused = unused.collect();
        }
        if let Some(baseline) = &mut self.baseline {
            let words = WordsInContext::new(document, readings, read);
            let findings: Vec<_> = left.iter().map(|&span| words.at(span)).collect();
            let known = baseline.document(&document.path, &findings);
            let is_known = |&(_, is_known): &(_, bool)| is_known || self.updates_baseline;
            let known = left.iter().zip(known).filter(is_known);
            checked.exempt.extend(known.map(|(span, _)| span.start()));
            checked.exempt.sort_unstable();
        }
        checked
    }

    /// The words that are accepted in the document at `path`.
    fn accepted(&mut self, path: &Path, errors: &mut Vec<FileError>) -> Arc<AcceptedWords> {
        let project = project_words(path);
        if let Some(accepted) = self.accepted.get(&project) {
            return Arc::clone(accepted);
        }
        let mut accepted = AcceptedWords::of(self.user.iter().map(String::as_str));
        if let Some(path) = &project {
            match WordList::read(path) {
                Ok(list) => accepted.extend(list.words()),
                Err(err) => errors.push(file_error(path, &err)),
            }
        }
        let accepted = Arc::new(accepted);
        self.accepted.insert(project, Arc::clone(&accepted));
        accepted
    }

    /// What is wrong with the user's dictionary, if no document has had it said.
    pub(super) fn trouble(&mut self) -> Option<FileError> {
        self.trouble.take()
    }

    /// Says which entries of the baseline are stale, and writes it if that was asked for.
    pub(super) fn finish(
        self,
        global: &Global,
        args: &ScoreArgs,
        origin: Option<BaselineOrigin>,
    ) -> anyhow::Result<()> {
        let (Some(comparison), Some(path), Some(origin)) = (self.baseline, &args.baseline, origin)
        else {
            return Ok(());
        };
        let path = path.display();
        let stale = comparison.stale();
        if args.update_baseline {
            let updated = comparison.updated(origin);
            updated.save()?;
            let (findings, documents) = updated.counts();
            messages::remark(
                global,
                &format!(
                    "{path} knows {} in {} now",
                    counted(findings, "finding"),
                    counted(documents, "document")
                ),
            );
            return Ok(());
        }
        for stale in &stale {
            messages::remark(global, &format!("stale in {path}: {stale}"));
        }
        if args.prune_baseline {
            comparison.pruned().save()?;
        } else if !stale.is_empty() {
            messages::remark(
                global,
                &format!("--prune-baseline drops what is stale from {path}"),
            );
        }
        Ok(())
    }
}

/// The baseline that `args` name and what it is compared with; none if they name none.
pub(super) fn open_baseline(
    args: &ScoreArgs,
    lens: Lens,
    threshold: f32,
    model: &report::Model,
) -> anyhow::Result<Option<(Baseline, BaselineOrigin)>> {
    let Some(path) = &args.baseline else {
        return Ok(None);
    };
    let origin = BaselineOrigin {
        model: model_identity::of(model)?,
        lens: match lens {
            Lens::Replaced => "replaced".to_owned(),
            Lens::Errors => "errors".to_owned(),
        },
        threshold,
    };
    let baseline = match Baseline::read(path) {
        Ok(baseline) => {
            if !args.update_baseline {
                baseline.check(&origin)?;
            }
            baseline
        }
        // It is written anew in any case; what is no baseline at all was hardly meant.
        Err(BaselineError::Missing { .. } | BaselineError::Version { .. })
            if args.update_baseline =>
        {
            Baseline::new(path, origin.clone())
        }
        Err(err) => return Err(err.into()),
    };
    Ok(Some((baseline, origin)))
}

/// So many of something.
fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Says which marks are of no use.
pub(super) fn tell_unused(unused: &[String]) {
    for line in unused {
        // There is nobody to tell that standard error is closed.
        let _ = writeln!(io::stderr(), "{}", visible(line));
    }
}

/// What is wrong with a dictionary, without its name.
fn file_error(path: &Path, err: &WordListError) -> FileError {
    let message = match err {
        WordListError::Read { source, .. } => format!("the dictionary cannot be read: {source}"),
        WordListError::Line { line, wrong, .. } => format!("line {line}: {wrong}"),
        WordListError::Write { .. } => err.to_string(),
    };
    FileError {
        path: path.to_owned(),
        message,
    }
}
