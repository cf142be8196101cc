//! `electroscope evaluate errors`: how well mistakes that people corrected are found and mended.

mod report;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;

use self::report::{Flags, Mended, Report, Scores};
use super::rtd::{WikitextChoice, paragraphs_of};
use crate::cli::progress::{PrintedProgress, Progress};
use crate::cli::sources::{self, Source};
use crate::cli::{Exit, Global, InputArgs, probability, setup, terminal};
use crate::english;
use crate::report::write_json;
use electroscope_analysis::Engine;
use electroscope_analysis::dictionary::Dictionary;
use electroscope_analysis::suggestions::{CandidateKind, FEATURES, Suggestion, Suggestions};
use electroscope_text::{Document, Language, Span, blocks, word_starts};
use electroscope_training::data::corrections::{self, CorrectedText};
use electroscope_training::metrics;
use electroscope_training::rtd;
use electroscope_training::synthetic_errors::{Misspellings, REDISTRIBUTABLE_SOURCES};

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope evaluate errors corrections.jsonl\n  \
        electroscope evaluate errors --clean accepted.jsonl --share 0.005 corrections.jsonl\n  \
        electroscope evaluate errors --misspellings slips.tsv held-out.txt\n  \
        electroscope evaluate errors --format json corrections.jsonl | jq .mended.all.first\n\n\
        Exit codes: 0 measured, 2 something failed, 130 Ctrl-C.")]
pub(in crate::cli) struct ErrorsArgs {
    /// The data: JSON a line, or prose with --misspellings
    #[arg(value_name = "FILE")]
    data: PathBuf,
    /// Text without mistakes, JSON a line or prose, to find the thresholds on that flag --share of its
    /// words
    #[arg(long, value_name = "FILE")]
    clean: Option<PathBuf>,
    /// The share of the words of --clean that is flagged
    #[arg(long, value_name = "SHARE", default_value = "0.005", value_parser = probability, requires = "clean")]
    share: f32,
    /// Misspell one word of each paragraph, by a table of `wrong`, `right` and `sources`, divided by tabs
    #[arg(long, value_name = "FILE")]
    misspellings: Option<PathBuf>,
    /// The sources of that table that count
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values = REDISTRIBUTABLE_SOURCES, requires = "misspellings")]
    sources: Vec<String>,
    /// Another seed misspells other words
    #[arg(long, value_name = "N", default_value = "0", requires = "misspellings")]
    seed: u64,
    /// Only mend: leave out what is flagged, which takes most of the time
    #[arg(long, conflicts_with = "clean")]
    only_mend: bool,
    /// Take the first N texts only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Write what each suggestion's score is made of to FILE, as JSON a line, to fit the weights on
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to write what was found [default: pretty on a terminal, json into a pipe]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ErrorsFormat>,
}

/// How what was found is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ErrorsFormat {
    /// A table, for people
    Pretty,
    /// One JSON object
    Json,
}

/// Words with a smaller p get no suggestions: nobody would be shown them.
const WORTH_ASKING: f32 = 0.1;

pub(in crate::cli) fn run(global: &Global, args: &ErrorsArgs) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let settings = catalog.settings();
    terminal::exit_on_interrupt()?;
    let mut data = read(&args.data, args)?;
    let mut clean = match &args.clean {
        Some(path) => prose(path)?,
        None => Vec::new(),
    };
    if let Some(limit) = args.limit {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        data.truncate(limit);
        clean.truncate(limit);
    }
    if data.is_empty() {
        bail!("{} has no text to measure on", args.data.display());
    }
    let mut out = match &args.out {
        Some(path) => {
            let file = File::create(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            Some((BufWriter::new(file), path))
        }
        None => None,
    };
    let dictionary = english::dictionary()?;
    let mut observer = PrintedProgress::new(global);
    let loaded = catalog.load_model(&mut observer)?;
    let threshold = settings.threshold(None, loaded.threshold);
    let (mut errors, mut errors_threshold) = (None, 0.5);
    let (mut evidence, mut evidence_threshold) = (None, 0.5);
    let name = match &settings.given.head {
        Some(given) => Some(given.clone()),
        None => catalog.errors_head()?,
    };
    if let Some(name) = name.filter(|_| !args.only_mend) {
        let revision = settings.given.revision.as_deref();
        let head = catalog.open_head(&name, revision, &mut observer)?;
        let alone = catalog.load_tagger_scorer(head, "auto", &mut observer)?;
        errors_threshold = alone.threshold.unwrap_or(0.5);
        errors = Some(alone.engine);
        let (joined, _) = catalog.load_chosen_error_scorer(&mut observer)?;
        if joined.engine.has_evidence() {
            evidence_threshold = settings.threshold_for(&name, None, joined.threshold);
            evidence = Some(joined.engine);
        }
    }
    let mut reader = Reader {
        discriminator: loaded.engine,
        errors,
        evidence,
        dictionary,
        only_mend: args.only_mend,
        milliseconds: Vec::new(),
    };

    let progress = Progress::new(global, data.len() + clean.len());
    let mut mended: BTreeMap<String, Mended> = BTreeMap::new();
    let mut words = Vec::new();
    for text in &data {
        let read = reader.read(text)?;
        if let Some(case) = read.case {
            let kind = text.kind.as_deref().unwrap_or("unknown");
            for kind in ["all", kind] {
                mended.entry(kind.to_owned()).or_default().add(case);
            }
        }
        words.extend(read.words);
        if let Some((out, path)) = &mut out {
            write_asked(out, &read.asked)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        progress.next();
    }
    let mut clean_words = Vec::new();
    for text in &clean {
        let read = reader.read(text)?;
        clean_words.extend(read.words);
        if let Some((out, path)) = &mut out {
            write_asked(out, &read.asked)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        progress.next();
    }
    progress.finish();
    if let Some((mut out, path)) = out {
        out.flush()
            .with_context(|| format!("cannot write {}", path.display()))?;
    }

    let own = |name: &str| match name {
        "discriminator" | "only-verified" => f64::from(threshold),
        "errors" => f64::from(errors_threshold),
        "evidence" => f64::from(evidence_threshold),
        _ => 0.5,
    };
    let (has_errors, has_evidence) = (reader.errors.is_some(), reader.evidence.is_some());
    let names = Judged::NAMES.iter().enumerate();
    let names = names.filter(|(_, name)| match **name {
        "errors" => has_errors,
        "evidence" => has_evidence,
        _ => true,
    });
    let flagged: Vec<(&str, Flags)> = match args.only_mend {
        true => Vec::new(),
        false => names
            .map(|(at, &name)| {
                let of = |words: &[Judged]| -> Vec<(f64, bool)> {
                    words
                        .iter()
                        .map(|word| (word.p[at], word.is_wrong))
                        .collect()
                };
                let (words, clean) = (of(&words), of(&clean_words));
                let flags = Flags {
                    own: scores(&words, &clean, own(name)),
                    at_share: (!clean.is_empty())
                        .then(|| scores(&words, &clean, threshold_for(&clean, args.share))),
                };
                (name, flags)
            })
            .collect(),
    };
    let report = Report {
        schema_version: 1,
        model: loaded.model,
        data: args.data.display().to_string(),
        texts: data.len(),
        words: words.len(),
        wrong: words.iter().filter(|word| word.is_wrong).count(),
        clean_words: clean_words.len(),
        share: args.clean.as_ref().map(|_| args.share),
        mended,
        median_milliseconds: median(&mut reader.milliseconds),
        flagged,
    };
    let mut stdout = BufWriter::new(io::stdout().lock());
    let format = args.format.unwrap_or(match io::stdout().is_terminal() {
        true => ErrorsFormat::Pretty,
        false => ErrorsFormat::Json,
    });
    match format {
        ErrorsFormat::Json => report.json(&mut stdout)?,
        ErrorsFormat::Pretty => report.pretty(&mut stdout)?,
    }
    stdout.flush()?;
    Ok(Exit::Clean)
}

/// The texts to measure on.
fn read(path: &Path, args: &ErrorsArgs) -> anyhow::Result<Vec<CorrectedText>> {
    let Some(table) = &args.misspellings else {
        return Ok(corrections::read(path)?);
    };
    let sources: Vec<&str> = args.sources.iter().map(String::as_str).collect();
    let list = Misspellings::read(table, &sources)?;
    let paragraphs: Vec<String> = prose(path)?.into_iter().map(|text| text.text).collect();
    Ok(rtd::misspelt_paragraphs(
        &paragraphs,
        Some(&list),
        args.seed,
    ))
}

/// Texts in which nothing is wrong: JSON a line, or the paragraphs of a document.
fn prose(path: &Path) -> anyhow::Result<Vec<CorrectedText>> {
    if path.extension().is_some_and(|end| end == "jsonl") {
        return Ok(corrections::read(path)?);
    }
    let source = Source::File(path.to_owned());
    let document = sources::read(&source, &InputArgs::default())
        .map_err(|error| anyhow::anyhow!("{}: {}", error.path.display(), error.message))?;
    let (paragraphs, _) = paragraphs_of(&document, WikitextChoice::Auto);
    let clean = paragraphs.into_iter().map(|text| CorrectedText {
        text,
        ..CorrectedText::default()
    });
    Ok(clean.collect())
}

/// A word between blanks, as each way to flag words judges it.
struct Judged {
    p: [f64; Judged::NAMES.len()],
    is_wrong: bool,
}

impl Judged {
    const NAMES: [&'static str; 6] = [
        "discriminator",
        "errors",
        "evidence",
        "only-verified",
        "suggestions",
        "dictionary",
    ];
}

/// A word that suggestions were asked for.
struct Asked {
    word: String,
    kind: String,
    suggestions: Suggestions,
    /// Which of them is right, and none if the word is; unknown if neither is known.
    right: Right,
}

#[derive(Clone, Copy, PartialEq)]
enum Right {
    Word,
    Suggestion(usize),
    Missing,
    Unknown,
}

/// What was read of a text.
struct Read {
    words: Vec<Judged>,
    asked: Vec<Asked>,
    /// Where a word mends the text: the place of the right suggestion, if it is one.
    case: Option<Option<usize>>,
}

struct Reader {
    discriminator: Engine,
    errors: Option<Engine>,
    evidence: Option<Engine>,
    dictionary: &'static Dictionary,
    only_mend: bool,
    /// What the suggestions for each word took.
    milliseconds: Vec<f64>,
}

impl Reader {
    fn read(&mut self, text: &CorrectedText) -> anyhow::Result<Read> {
        let document = Document::new("<text>", text.text.as_str(), Language::Plain);
        let blocks = blocks(&document);
        let fix = text
            .corrected
            .as_deref()
            .filter(|corrected| is_one_word_fix(&text.text, corrected));
        let mut read = Read {
            words: Vec::new(),
            asked: Vec::new(),
            case: None,
        };
        // By the byte at which a word begins: what it was judged.
        let mut p: BTreeMap<usize, (f32, f32)> = BTreeMap::new();
        let mut by_errors: BTreeMap<usize, f32> = BTreeMap::new();
        let mut by_evidence: BTreeMap<usize, f32> = BTreeMap::new();
        if self.only_mend {
            let wrong = text.spans.first().map_or(usize::MAX, |span| span.start);
            p.insert(wrong, (1.0, 0.0));
        } else {
            let (readings, _) = self.discriminator.score(&document)?;
            for word in readings.iter().flat_map(|reading| &reading.words) {
                if !word.is_punctuation {
                    p.insert(word.span.start(), (word.p, 0.0));
                }
            }
            let engines = [
                (&mut self.errors, &mut by_errors),
                (&mut self.evidence, &mut by_evidence),
            ];
            for (engine, by_engine) in engines {
                let Some(engine) = engine else { continue };
                let (readings, _) = engine.score(&document)?;
                let words = readings.iter().flat_map(|reading| &reading.words);
                let words = words.filter(|word| !word.is_punctuation);
                by_engine.extend(words.map(|word| (word.span.start(), word.p)));
            }
        }
        let touches = |range: &Range<usize>| {
            (text.spans.iter()).any(|span| span.start < range.end && range.start < span.end)
        };
        let word_at = |start: usize| {
            let end = word_starts(&text.text)
                .find(|&at| at > start)
                .unwrap_or(text.text.len());
            start..end
        };
        let mut verified: BTreeMap<usize, (bool, f32)> = BTreeMap::new();
        for (&start, &(judged, _)) in &p {
            let range = word_at(start);
            let word = text.text.get(range.clone()).unwrap_or_default();
            let is_wrong = touches(&range);
            let is_case = fix.is_some() && is_wrong && read.case.is_none();
            let is_asked = judged >= WORTH_ASKING || !self.dictionary.contains(word);
            if !(is_case || is_asked) {
                continue;
            }
            let began = Instant::now();
            let span = Span::new(range.start, range.end);
            let suggester = self.discriminator.suggester(self.dictionary);
            let Some(suggestions) = suggester.suggest(&document, &blocks, span)? else {
                continue;
            };
            self.milliseconds
                .push(began.elapsed().as_secs_f64() * 1000.0);
            let best = suggestions.candidates.first();
            let is_verified = best.is_some_and(|best| best.is_verified);
            verified.insert(start, (is_verified, 1.0 - suggestions.keep));
            // Which of two equal words is marked is up to whoever marked it.
            let mut kinds = suggestions.candidates.iter().map(|one| one.kind);
            let is_doubled = kinds.any(|kind| kind == CandidateKind::Doubled);
            let right = match (is_wrong, fix) {
                (false, _) if is_doubled => Right::Unknown,
                (false, _) => Right::Word,
                (true, None) => Right::Unknown,
                (true, Some(corrected)) => {
                    let mends = |one: &Suggestion| is_same(&applied(&text.text, one), corrected);
                    match suggestions.candidates.iter().position(mends) {
                        Some(at) => Right::Suggestion(at),
                        None => Right::Missing,
                    }
                }
            };
            if is_case {
                read.case = Some(match right {
                    Right::Suggestion(at) => Some(at),
                    _ => None,
                });
            }
            read.asked.push(Asked {
                word: word.to_owned(),
                kind: text.kind.clone().unwrap_or_default(),
                suggestions,
                right,
            });
        }
        for range in between_blanks(&text.text) {
            let within = range.clone();
            let most =
                |values: &mut dyn Iterator<Item = f32>| f64::from(values.fold(0.0, f32::max));
            let by_discriminator = most(&mut p.range(within.clone()).map(|(_, &(p, _))| p));
            let errors = most(&mut by_errors.range(within.clone()).map(|(_, &p)| p));
            let evidence = most(&mut by_evidence.range(within.clone()).map(|(_, &p)| p));
            let only_verified = most(&mut p.range(within.clone()).map(|(start, &(p, _))| {
                let is_verified = verified
                    .get(start)
                    .is_some_and(|&(is_verified, _)| is_verified);
                if is_verified { p } else { 0.0 }
            }));
            let suggestions = most(&mut verified.range(within.clone()).map(|(_, &(_, p))| p));
            let unknown = most(&mut p.range(within).map(|(&start, _)| {
                let word = text.text.get(word_at(start)).unwrap_or_default();
                unknown(word, self.dictionary)
            }));
            read.words.push(Judged {
                p: [
                    by_discriminator,
                    errors,
                    evidence,
                    only_verified,
                    suggestions,
                    unknown,
                ],
                is_wrong: touches(&range),
            });
        }
        Ok(read)
    }
}

/// How sure a dictionary alone is that a word is wrong: 0 if it is in there, else from a half for the most
/// frequent words outside of it to 1 for those that were never counted.
fn unknown(word: &str, dictionary: &Dictionary) -> f32 {
    if dictionary.contains(word) || !word.contains(char::is_alphabetic) {
        return 0.0;
    }
    1.0 - dictionary.frequency(word).unwrap_or(0.0) / 40.0
}

/// The stretches of a text between white space.
fn between_blanks(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let runs = text.split_inclusive(char::is_whitespace).map(|run| {
        let range = start..start + run.trim_end().len();
        start += run.len();
        range
    });
    runs.filter(|range| !range.is_empty()).collect()
}

/// The text with a suggestion in it.
fn applied(text: &str, suggestion: &Suggestion) -> String {
    let (start, end) = (suggestion.span.start(), suggestion.span.end());
    let (before, after) = (text.get(..start), text.get(end..));
    format!(
        "{}{}{}",
        before.unwrap_or_default(),
        suggestion.replacement,
        after.unwrap_or_default()
    )
}

/// Whether two texts differ in nothing but white space, and in which apostrophe they have.
fn is_same(a: &str, b: &str) -> bool {
    let folded = |text: &str| -> Vec<String> {
        let words = text.split_whitespace();
        words.map(|word| word.replace('’', "'")).collect()
    };
    folded(a) == folded(b)
}

/// Whether a text and the corrected one differ in one place, in which one word at most stands in each, or one
/// stands for two.
fn is_one_word_fix(text: &str, corrected: &str) -> bool {
    let parts = |text: &str| -> Vec<String> {
        let starts: Vec<usize> = word_starts(text).chain([text.len()]).collect();
        let parts = starts.windows(2).filter_map(|pair| match pair {
            &[start, end] => text.get(start..end).map(|part| part.replace('’', "'")),
            _ => None,
        });
        parts.filter(|part| !part.trim().is_empty()).collect()
    };
    let (a, b) = (parts(text), parts(corrected));
    let same_start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (
        a.get(same_start..).unwrap_or_default(),
        b.get(same_start..).unwrap_or_default(),
    );
    let same_end = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let (a, b) = (a.len() - same_end, b.len() - same_end);
    matches!((a, b), (1, 1) | (0, 1) | (1, 0) | (1, 2) | (2, 1))
}

/// The scores of flagging from `threshold` on.
fn scores(words: &[(f64, bool)], clean: &[(f64, bool)], threshold: f64) -> Scores {
    let cases: Vec<(f64, bool, bool)> = (words.iter())
        .map(|&(p, is_wrong)| (p, p >= threshold, is_wrong))
        .collect();
    let found = metrics::detection_scores(&cases);
    let flagged = clean.iter().filter(|(p, _)| *p >= threshold).count();
    Scores {
        threshold,
        precision: found.precision,
        recall: found.recall,
        f_half: found.f_half,
        of_clean: (!clean.is_empty()).then(|| flagged as f64 / clean.len() as f64),
    }
}

/// The least threshold that at most `share` of the words of clean text reach.
fn threshold_for(clean: &[(f64, bool)], share: f32) -> f64 {
    let mut p: Vec<f64> = clean.iter().map(|&(p, _)| p).collect();
    p.sort_by(|a, b| b.total_cmp(a));
    let above = (p.len() as f64 * f64::from(share) + 1e-3).floor() as usize;
    // Just above the first that must stay below.
    p.get(above).map_or(0.0, |p| p.next_up())
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What a score is made of, to fit the weights on.
#[derive(Serialize)]
struct AskedLine<'a> {
    word: &'a str,
    kind: &'a str,
    /// The right one: the word, the number of a candidate, or neither.
    right: serde_json::Value,
    features: [&'static str; FEATURES.len()],
    keep: &'a [f32],
    candidates: Vec<CandidateLine<'a>>,
}

#[derive(Serialize)]
struct CandidateLine<'a> {
    text: &'a str,
    kind: &'static str,
    features: &'a [f32],
}

fn write_asked(out: &mut dyn Write, asked: &[Asked]) -> io::Result<()> {
    for one in asked {
        let right = match one.right {
            Right::Word => "word".into(),
            Right::Suggestion(at) => at.into(),
            Right::Missing => "missing".into(),
            Right::Unknown => serde_json::Value::Null,
        };
        let candidates = one
            .suggestions
            .candidates
            .iter()
            .map(|candidate| CandidateLine {
                text: &candidate.replacement,
                kind: candidate.kind.name(),
                features: &candidate.features,
            });
        let line = AskedLine {
            word: &one.word,
            kind: &one.kind,
            right,
            features: FEATURES,
            keep: &one.suggestions.features,
            candidates: candidates.collect(),
        };
        write_json(out, &line)?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_of_one_word_has_one_word_at_most_on_each_side() {
        let is = is_one_word_fix;
        assert!(is("He go home.", "He goes home."));
        assert!(is("He went the home.", "He went home."));
        assert!(is("He went to house.", "He went to the house."));
        assert!(is("I saw alot of it.", "I saw a lot of it."));
        assert!(!is("He go home to day.", "He goes home today."));
        assert!(!is("Same.", "Same."));
    }

    #[test]
    fn the_threshold_lets_only_the_share_of_words_through() {
        let clean: Vec<(f64, bool)> = (0..1000).map(|n| (f64::from(n) / 1000.0, false)).collect();
        let threshold = threshold_for(&clean, 0.01);
        let above = clean.iter().filter(|(p, _)| *p >= threshold).count();
        assert_eq!(above, 10);
    }
}
