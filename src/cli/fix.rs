//! `electroscope fix`: mends flagged words in files.

mod diff;
mod write;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::progress::PrintedProgress;
use super::score_checks::Checks;
use super::sources::{self, Source};
use super::{Exit, Global, InputArgs, messages, probability, setup, suggestions, terminal};
use crate::report::{FileError, Scored, Suggested, visible_path};
use crate::settings::Lens;
use electroscope_analysis::suggestions::{Edit, Suggester, Suggestion, apply};
use electroscope_analysis::{Engine, Flagging, Readings, Word};
use electroscope_text::{AsRead, Document, LineIndex, Position, Span, visible};

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope fix notes.md\n  \
        electroscope fix --dry-run letter.md docs/notes.md\n  \
        electroscope fix --dry-run letter.md > fixes.diff\n  \
        electroscope fix --all --certainty 0.95 --lens errors notes.md\n\n\
        Exit codes: 0 done, 2 something failed, 130 Ctrl-C; then nothing was written.")]
pub(super) struct FixArgs {
    /// Files to mend
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Ask nothing and write nothing: print what would change, as a unified diff
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Ask nothing: take the best suggestion of each flagged word that is certain enough
    #[arg(long)]
    all: bool,
    /// How certain a suggestion must be that --all takes, from 0 to 1
    #[arg(long, value_name = "P", default_value = "0.9", value_parser = probability)]
    certainty: f32,
    /// Suggestions shown for a word
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u8).range(1..=20))]
    suggest: u8,
    /// Flag words whose p is P or more, from 0 to 1 [default: the model's own, else 0.5]
    #[arg(long, value_name = "P", env = "ELECTROSCOPE_THRESHOLD", hide_env_values = true, value_parser = probability)]
    threshold: Option<f32>,
    /// What is asked of each word, and so which model answers [default: replaced]
    #[arg(long, value_name = "LENS")]
    lens: Option<Lens>,
}

/// What is done with suggestions.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Ask for each word.
    Ask,
    /// Take those that are at least so certain.
    Take(f32),
}

pub(super) fn run(global: &Global, args: &FixArgs) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let settings = catalog.settings();
    terminal::exit_on_interrupt()?;
    let mut observer = PrintedProgress::new(global);
    let lens = args.lens.unwrap_or_default();
    let (loaded, name) = match lens {
        Lens::Replaced => (catalog.load_model(&mut observer)?, settings.model.clone()),
        Lens::Errors => catalog.load_chosen_error_scorer(&mut observer)?,
    };
    let flagging = settings.flagging(&name, args.threshold, loaded.threshold, false);
    let mut fixer = Fixer {
        flagging,
        checks: Checks::new(false, flagging, None, false),
        suggester: catalog.load_suggester(lens, &loaded.engine, &mut observer)?,
        engine: loaded.engine,
        most: usize::from(args.suggest),
    };
    let way = match (args.all, args.dry_run) {
        (true, _) => Way::Take(args.certainty),
        (false, true) => Way::Take(0.0),
        (false, false) => Way::Ask,
    };
    let mut has_failed = false;
    let mut answers = io::stdin().lock();
    let mut out = io::stdout().lock();
    for file in &args.files {
        let mended = fixer.mend(file, way, &mut answers, &mut out);
        let mended = mended.and_then(|mended| {
            match args.dry_run {
                true => mended.print_diff(&mut out)?,
                false => mended.write(global, &mut out)?,
            }
            has_failed |= mended.has_failed;
            Ok(mended.goes_on)
        });
        match mended {
            Ok(true) => {}
            Ok(false) => break,
            Err(err) if is_broken_pipe(&err) => return Err(err),
            Err(err) => {
                has_failed = true;
                sources::report_error(&FileError {
                    path: file.clone(),
                    message: messages::in_full(&err),
                });
            }
        }
    }
    out.flush()?;
    Ok(if has_failed {
        Exit::Failed
    } else {
        Exit::Clean
    })
}

fn is_broken_pipe(err: &anyhow::Error) -> bool {
    let err = err.downcast_ref::<io::Error>();
    err.is_some_and(|err| err.kind() == io::ErrorKind::BrokenPipe)
}

struct Fixer {
    engine: Engine,
    suggester: Suggester<'static>,
    flagging: Flagging,
    /// Accepted words and those that a mark silences are left alone.
    checks: Checks<'static>,
    most: usize,
}

/// A file and what is to change in it.
struct Mended {
    document: Document,
    edits: Vec<Edit>,
    /// Whether the next file is wanted.
    goes_on: bool,
    /// Whether something was wrong with its marks or the dictionaries, which has been said.
    has_failed: bool,
}

impl Fixer {
    /// Chooses what is to change in `file`.
    fn mend(
        &mut self,
        file: &Path,
        way: Way,
        answers: &mut dyn BufRead,
        out: &mut dyn Write,
    ) -> anyhow::Result<Mended> {
        let source = Source::File(file.to_owned());
        let document = sources::read(&source, &InputArgs::default())
            .map_err(|error| anyhow::anyhow!(error.message))?;
        let (found, _) = self.engine.score(&document)?;
        let readings: Readings = found.iter().collect();
        let read = AsRead::new(&document);
        let checked = self.checks.document(&document, &readings, &read);
        checked.errors.iter().for_each(sources::report_error);
        let scored = Scored {
            document: &document,
            readings: &readings,
            read: &read,
            flagging: self.flagging,
            exempt: &checked.exempt,
            lines: None,
            suggested: None,
        };
        let suggested = suggestions::of_flagged(&self.suggester, &scored, self.most, true)?;
        let (edits, goes_on) = choose(&scored, &suggested, way, answers, out)?;
        Ok(Mended {
            document,
            edits,
            goes_on,
            has_failed: !checked.errors.is_empty(),
        })
    }
}

/// Chooses among the suggestions for the words of a document; false if no more are wanted.
fn choose(
    scored: &Scored<'_>,
    suggested: &Suggested,
    way: Way,
    answers: &mut dyn BufRead,
    out: &mut dyn Write,
) -> anyhow::Result<(Vec<Edit>, bool)> {
    let mut edits: Vec<Edit> = Vec::new();
    for (place, word) in scored.flagged() {
        let all = suggested.of(&word);
        let end = edits.last().map_or(0, |edit| edit.span.end());
        // A change of the word before may have taken this one along.
        let free: Vec<&Suggestion> = all.iter().filter(|one| one.span.start() >= end).collect();
        if free.is_empty() || word.span.start() < end {
            continue;
        }
        // Of a word that stands twice one is left out, not both.
        let is_left = edits.last().is_some_and(|edit| {
            let text = scored.text(word.span);
            edit.replacement.is_empty() && edit.before.trim().eq_ignore_ascii_case(&text)
        });
        if is_left {
            continue;
        }
        let taken = match way {
            Way::Take(certainty) => {
                let best = free.first().copied();
                best.filter(|best| best.certainty >= certainty)
            }
            Way::Ask => match ask(scored, place, &word, &free, answers, out)? {
                Answer::Take(number) => free.get(number).copied(),
                Answer::Keep => None,
                Answer::End => return Ok((edits, false)),
            },
        };
        edits.extend(taken.map(|taken| taken.edit(scored.document)));
    }
    Ok((edits, true))
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The suggestion of this number, from 0.
    Take(usize),
    Keep,
    End,
}

/// Asks what to do with a word, until the answer is one.
fn ask(
    scored: &Scored<'_>,
    place: Position,
    word: &Word,
    suggestions: &[&Suggestion],
    answers: &mut dyn BufRead,
    out: &mut dyn Write,
) -> anyhow::Result<Answer> {
    let text = &*scored.document.text;
    let lines = LineIndex::new(text);
    let line = lines.span(lines.line_of(word.span.start()));
    let part = |start: usize, end: usize| {
        let part = Span::new(start, end.max(start))
            .of(text)
            .unwrap_or_default();
        visible(part.trim_matches(['\n', '\r']))
    };
    writeln!(
        out,
        "\n{}:{}:{}  p {:.2}\n  {}[{}]{}",
        visible_path(&scored.document.path),
        place.line,
        place.column,
        word.p,
        part(line.start(), word.span.start()),
        part(word.span.start(), word.span.end()),
        part(word.span.end(), line.end()),
    )?;
    for (number, suggestion) in suggestions.iter().enumerate() {
        let replacement = match suggestion.replacement.as_str() {
            "" => "(leave out)".to_owned(),
            replacement => visible(replacement),
        };
        writeln!(
            out,
            "  {}  {replacement:<24} p {:.2} → {:.2}  certainty {:.2}",
            number + 1,
            suggestion.p_before,
            suggestion.p_after,
            suggestion.certainty
        )?;
    }
    loop {
        write!(out, "1-{}, Enter to keep it, q to end: ", suggestions.len())?;
        out.flush()?;
        let mut answer = String::new();
        if answers.read_line(&mut answer)? == 0 {
            writeln!(out)?;
            return Ok(Answer::End);
        }
        if let Some(answer) = understood(&answer, suggestions.len()) {
            return Ok(answer);
        }
    }
}

fn understood(answer: &str, count: usize) -> Option<Answer> {
    match answer.trim() {
        "" | "k" | "n" => Some(Answer::Keep),
        "q" => Some(Answer::End),
        number => {
            let number: usize = number.parse().ok()?;
            (1..=count)
                .contains(&number)
                .then(|| Answer::Take(number - 1))
        }
    }
}

impl Mended {
    fn print_diff(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let diff = diff::unified(&self.document.path, &self.document.text, &self.edits);
        match io::stdout().is_terminal() {
            true => {
                for line in diff.lines() {
                    writeln!(out, "{}", visible(line))?;
                }
            }
            false => out.write_all(diff.as_bytes())?,
        }
        Ok(())
    }

    fn write(&self, global: &Global, out: &mut dyn Write) -> anyhow::Result<()> {
        let path = &self.document.path;
        let mut say = |what: &str| match global.quiet {
            true => Ok(()),
            false => writeln!(out, "{}: {what}", visible_path(path)),
        };
        let changes = match self.edits.len() {
            0 => {
                say("nothing changed")?;
                return Ok(());
            }
            1 => "1 word".to_owned(),
            count => format!("{count} words"),
        };
        let text = apply(&self.document.text, &self.edits)?;
        write::replace(&self.document, &text)?;
        say(&format!("changed {changes}"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_number_of_the_list_or_a_letter() {
        assert_eq!(understood("2\n", 3), Some(Answer::Take(1)));
        assert_eq!(understood("\n", 3), Some(Answer::Keep));
        assert_eq!(understood("q", 3), Some(Answer::End));
        for wrong in ["4", "0", "x", "-1", "1 2"] {
            assert_eq!(understood(wrong, 3), None, "{wrong}");
        }
    }
}
