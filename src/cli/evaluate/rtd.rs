//! `electroscope evaluate rtd`: what a discriminator is worth at finding replaced words.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use clap::Args;

use super::worth::{self, Compared, Found, TextFacts, WorthReport};
use crate::catalog::builtin;
use crate::cli::progress::{PrintedProgress, Progress};
use crate::cli::{Exit, Global, model::open_generator, probability};
use crate::cli::{messages, setup, sources, terminal};
use crate::report::{FileError, Model};
use electroscope_model::nn::plain::PlainGenerator;
use electroscope_model::{self as model, Checkpoint, Forward, Tokenizer};
use electroscope_text::{Document, Language, blocks};
use electroscope_training::rtd::{
    self, CorruptedText, Corruption, RtdPredictions, TokenizedText, wikitext,
};
use electroscope_training::synthetic_errors::{Misspellings, REDISTRIBUTABLE_SOURCES};

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope evaluate rtd held-out.txt\n  \
        electroscope evaluate rtd --model my-model/ --generator my-model/generator held-out.txt\n  \
        electroscope evaluate rtd --precision int8 --compare f32 --tokens 50000 held-out.txt\n  \
        electroscope evaluate rtd --corruption misspelling --misspellings misspellings.tsv *.txt\n  \
        electroscope evaluate rtd --format json wiki.valid.tokens | jq .corruptions.generator.auroc\n\n\
        Exit codes: 0 measured, 2 something failed, 130 Ctrl-C.")]
pub(in crate::cli) struct RtdArgs {
    /// Held-out texts, folders of texts, or `-` for standard input [default: `-` if it is a pipe]
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// How to write what was found [default: pretty on a terminal, json into a pipe]
    #[arg(long, value_name = "FORMAT")]
    format: Option<RtdFormat>,
    /// A way to spoil the text; several may be named [default: all of them]
    #[arg(long, value_name = "WAY", value_delimiter = ',')]
    corruption: Vec<CorruptionChoice>,
    /// The generator that replaces tokens, a folder in Hugging Face layout [default: the built-in one]
    #[arg(long, value_name = "DIR")]
    generator: Option<PathBuf>,
    /// A table of misspellings: `wrong`, `right` and `sources`, divided by tabs, with a line of these
    /// names at the head [default: letters swapped, lost, doubled and the like, by rule]
    #[arg(long, value_name = "FILE")]
    misspellings: Option<PathBuf>,
    /// The sources of that table that count
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values = REDISTRIBUTABLE_SOURCES, requires = "misspellings")]
    sources: Vec<String>,
    /// Flag what has a p of P or more, from 0 to 1 [default: the model's own, else 0.5]
    #[arg(long, value_name = "P", env = "ELECTROSCOPE_THRESHOLD", hide_env_values = true, value_parser = probability)]
    threshold: Option<f32>,
    /// Compute a second time in this precision, and say how far the two lie apart
    #[arg(long, value_name = "PRECISION")]
    compare: Option<PrecisionChoice>,
    /// Stop after the paragraph that holds token N [default: read all of the text]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    tokens: Option<u64>,
    /// Another seed replaces other words
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// Whether the text is WikiText, whose markup is taken out first
    #[arg(long, value_name = "WHETHER", default_value = "auto")]
    wikitext: WikitextChoice,
}

/// How what was found is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum RtdFormat {
    /// A table, for people
    Pretty,
    /// One JSON object
    Json,
}

/// A way to spoil a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CorruptionChoice {
    /// 15 in 100 tokens masked, and drawn from what a generator expects there
    Generator,
    /// 15 in 100 tokens replaced by others of the text, the frequent ones more often
    Random,
    /// A word of each paragraph misspelt; words are judged, not tokens
    Misspelling,
}

/// A precision to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PrecisionChoice {
    F32,
    Int8,
}

/// Whether a text is WikiText.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum WikitextChoice {
    /// If it has its marks, such as ` @-@ ` and `<unk>`
    Auto,
    /// Yes
    Always,
    /// No: every word counts as it stands
    Never,
}

impl CorruptionChoice {
    fn corruption(self) -> Corruption {
        match self {
            CorruptionChoice::Generator => Corruption::Generator,
            CorruptionChoice::Random => Corruption::Random,
            CorruptionChoice::Misspelling => Corruption::Misspelling,
        }
    }
}

/// The tokens of a window, special ones included, where `--window` says nothing.
const USUAL_WINDOW: usize = 128;

pub(in crate::cli) fn run(global: &Global, args: &RtdArgs) -> anyhow::Result<Exit> {
    let catalog = setup::catalog(global)?;
    let settings = catalog.settings();
    let (named, mut errors) = sources::gather(global, &args.paths, "evaluate rtd")?;
    terminal::exit_on_interrupt()?;
    let mut ways: Vec<Corruption> = args
        .corruption
        .iter()
        .map(|choice| choice.corruption())
        .collect();
    ways.sort_unstable();
    ways.dedup();
    if ways.is_empty() {
        ways = Corruption::ALL.to_vec();
    }
    // What is named wrongly should be known before anything long begins.
    let list = match &args.misspellings {
        Some(path) => {
            let sources: Vec<&str> = args.sources.iter().map(String::as_str).collect();
            Some(Misspellings::read(path, &sources)?)
        }
        None => None,
    };
    let (checkpoint, revision) = catalog.open_model(&mut PrintedProgress::new(global))?;
    let generator = match ways.contains(&Corruption::Generator) {
        true => Some(generator(args, &checkpoint)?),
        false => None,
    };

    let mut facts = TextFacts {
        files: 0,
        wikitext: 0,
        paragraphs: 0,
        tokens: 0,
    };
    let mut paragraphs = Vec::new();
    for source in &named {
        match sources::read(source, &crate::cli::InputArgs::default()) {
            Ok(document) => {
                let (found, is_wikitext) = paragraphs_of(&document, args.wikitext);
                facts.files += 1;
                facts.wikitext += usize::from(is_wikitext);
                paragraphs.extend(found);
            }
            Err(error) => {
                sources::report_error(&error);
                errors.push(error);
            }
        }
    }
    let (forward, note) = model::load(&checkpoint, &settings.device, &settings.precision)?;
    note.iter().for_each(|note| messages::remark(global, note));
    let other = match args.compare {
        Some(precision) => {
            let name = match precision {
                PrecisionChoice::F32 => "f32",
                PrecisionChoice::Int8 => "int8",
            };
            Some((name, model::load(&checkpoint, &settings.device, name)?.0))
        }
        None => None,
    };

    let positions = checkpoint.config.max_position_embeddings;
    // As in pre-training, so that figures can be compared.
    let length = global.window.unwrap_or(USUAL_WINDOW).min(positions);
    let capacity = length.saturating_sub(2);
    let limit = args
        .tokens
        .map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let text = TokenizedText::of(&paragraphs, &checkpoint.tokenizer, capacity, limit)?;
    if text.tokens == 0 {
        bail!("there is no prose to measure on; name a text of at least a paragraph");
    }
    facts.tokens = text.tokens;
    facts.paragraphs = text.paragraphs;
    let threshold = settings.threshold(args.threshold, checkpoint.config.threshold);
    let progress = Progress::new(global, ways.len());
    let mut corruptions = Vec::new();
    for way in ways {
        // Three stretches of work, or two, of about the same length.
        let rounds = 1 + usize::from(other.is_some()) + usize::from(way == Corruption::Generator);
        let show = |round: usize, done: usize| {
            progress.show(
                Path::new(way.name()),
                round * facts.tokens + done.min(facts.tokens),
                rounds * facts.tokens,
            );
        };
        let mut round = 0;
        let corrupted = match (way, &generator) {
            (Corruption::Generator, Some(generator)) => {
                let done = AtomicUsize::new(0);
                round += 1;
                rtd::corrupt_by_generator(
                    &text,
                    &checkpoint.tokenizer,
                    &|window, places| generator.guesses(window, places),
                    args.seed,
                    &|tokens| show(0, done.fetch_add(tokens, Ordering::Relaxed) + tokens),
                )?
            }
            (Corruption::Misspelling, _) => rtd::corrupt_by_misspelling(
                &paragraphs,
                &checkpoint.tokenizer,
                capacity,
                limit,
                list.as_ref(),
                args.seed,
            )?,
            (Corruption::Random | Corruption::Generator, _) => {
                rtd::corrupt_at_random(&text, &checkpoint.tokenizer, args.seed)
            }
        };
        let mut read = |forward: &dyn Forward| -> Result<RtdPredictions, model::Error> {
            let said = rtd::predict(forward, &corrupted, &mut |done| show(round, done));
            round += 1;
            said
        };
        let said = read(&*forward)?;
        let compared = match &other {
            Some((precision, other)) => {
                let reference = read(&**other)?;
                Some(Compared {
                    precision,
                    difference: rtd::difference(&corrupted, &said, &reference),
                    tokens_per_second: speed(&reference),
                })
            }
            None => None,
        };
        corruptions.push((way, found(way, &corrupted, &said, threshold, compared)));
        progress.next();
    }
    progress.finish();

    let report = WorthReport {
        schema_version: 1,
        model: Model {
            id: settings.model.clone(),
            revision,
            device: forward.device(),
            precision: forward.precision(),
        },
        text: facts,
        seed: args.seed,
        corruptions,
        errors,
    };
    let is_terminal = io::stdout().is_terminal();
    let format = args.format.unwrap_or(match is_terminal {
        true => RtdFormat::Pretty,
        false => RtdFormat::Json,
    });
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        RtdFormat::Json => worth::json(&mut out, &report)?,
        RtdFormat::Pretty => {
            let bold = match terminal::has_colors(settings) {
                true => anstyle::Style::new().bold(),
                false => anstyle::Style::new(),
            };
            worth::pretty(&mut out, &report, bold)?;
        }
    }
    out.flush()?;
    Ok(exit(&report.errors))
}

fn exit(errors: &[FileError]) -> Exit {
    match errors {
        [] => Exit::Clean,
        _ => Exit::Failed,
    }
}

fn found(
    way: Corruption,
    corrupted: &CorruptedText,
    said: &RtdPredictions,
    threshold: f32,
    compared: Option<Compared>,
) -> Found {
    Found {
        unit: way.unit(),
        scores: rtd::score(corrupted, said, threshold),
        tokens: said.tokens,
        tokens_per_second: speed(said),
        compared,
    }
}

/// Tokens in a second; 0 where no time went by.
fn speed(said: &RtdPredictions) -> f64 {
    match said.time.as_secs_f64() {
        0.0 => 0.0,
        seconds => said.tokens as f64 / seconds,
    }
}

/// The generator that is named, else the built-in one. It must know the same tokens as the
/// discriminator.
fn generator(args: &RtdArgs, checkpoint: &Checkpoint) -> anyhow::Result<PlainGenerator> {
    let cpu = model::device::choose("cpu")?.0;
    match &args.generator {
        Some(folder) => {
            let (config, weights) = open_generator(folder, &checkpoint.config)?;
            if let Ok(tokenizer) = Tokenizer::open_folder(folder) {
                same_tokens(&tokenizer, checkpoint).with_context(|| {
                    format!("{} is no generator for this model", folder.display())
                })?;
            }
            Ok(PlainGenerator::load(
                &config,
                &weights,
                Some(&checkpoint.weights),
                &cpu,
            )?)
        }
        None => {
            if checkpoint.folder.is_some() {
                same_tokens(&builtin::discriminator()?.tokenizer, checkpoint).context(
                    "the built-in generator is none for this model; name its own with --generator, or \
                     leave it out: --corruption random,misspelling",
                )?;
            }
            Ok(builtin::plain_generator()?)
        }
    }
}

/// Checks that a token has the same number in both vocabularies, so that what is drawn by the one is
/// read by the other.
fn same_tokens(generator: &Tokenizer, checkpoint: &Checkpoint) -> anyhow::Result<()> {
    let (its, own) = (generator.vocabulary(), checkpoint.tokenizer.vocabulary());
    let differs = its.iter().zip(&own).position(|(its, own)| {
        // Places that nobody uses have all kinds of names.
        its != own && !(its.starts_with("[unused") || own.starts_with("[unused"))
    });
    match differs {
        None if its.len() == own.len() => Ok(()),
        None => bail!(
            "it has {} tokens, and the discriminator {}",
            its.len(),
            own.len()
        ),
        Some(id) => bail!(
            "its token {id} is {:?}, and the discriminator's is {:?}",
            its.get(id).map_or("", String::as_str),
            own.get(id).map_or("", String::as_str)
        ),
    }
}

/// The paragraphs of a document as the model is to read them, and whether it was WikiText.
pub(super) fn paragraphs_of(document: &Document, choice: WikitextChoice) -> (Vec<String>, bool) {
    let is_wikitext = match choice {
        WikitextChoice::Always => true,
        WikitextChoice::Never => false,
        WikitextChoice::Auto => {
            document.language == Language::Plain && wikitext::is_wikitext(&document.text)
        }
    };
    if is_wikitext {
        return (wikitext::paragraphs(&document.text), true);
    }
    let paragraphs = blocks(document)
        .into_iter()
        .map(|block| block.shown(&document.text, block.span).into_owned());
    (paragraphs.collect(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paragraphs_of_markdown_are_its_prose() {
        let text = "# A boat\n\nIt *waits*\nhere.\n\n```\ncode\n```\n";
        let document = Document::new("a.md", text, Language::Markdown);
        let (paragraphs, is_wikitext) = paragraphs_of(&document, WikitextChoice::Auto);
        assert_eq!(paragraphs, ["A boat", "It waits here."]);
        assert!(!is_wikitext);
        let wiki = Document::new(
            "a.txt",
            " = Boats = \n A well @-@ known boat . \n",
            Language::Plain,
        );
        let (paragraphs, is_wikitext) = paragraphs_of(&wiki, WikitextChoice::Auto);
        assert_eq!(paragraphs, ["A well-known boat."]);
        assert!(is_wikitext);
        assert!(!paragraphs_of(&wiki, WikitextChoice::Never).1);
    }
}
