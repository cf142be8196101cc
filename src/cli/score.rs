//! `electroscope score`: documents in, findings out, no screen.

use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::Context;

use super::common::{self, InForce, Source};
use super::{Exit, Global, ScoreArgs};
use crate::report::{self, FileError, Format, Looks, Scored};
use crate::settings;
use crate::text::Document;

pub(super) fn run(global: &Global, args: &ScoreArgs) -> anyhow::Result<Exit> {
    let in_force = InForce::new(global)?;
    let (sources, mut errors) = common::gather(global, &args.paths, "score")?;
    // Ctrl-C ends the process at once with the code that shells expect of it.
    common::exit_on_interrupt()?;
    let mut loaded = common::load(global, &in_force)?;
    if args.calibrate {
        return calibrate(global, &in_force, args, &sources, errors, &mut loaded);
    }

    let threshold = in_force.threshold(args.threshold, loaded.threshold);
    let format = args.format.unwrap_or(if io::stdout().is_terminal() {
        Format::Pretty
    } else {
        Format::Compact
    });
    // Where there is no terminal to ask, as many columns as people like to read.
    let width = crossterm::terminal::size().map_or(100, |(width, _)| width);
    let looks = Looks {
        theme: in_force.theme(None)?,
        width,
    };
    let mut printer = report::printer(format, looks);
    let mut out = BufWriter::new(io::stdout().lock());
    printer.begin(&mut out, &loaded.model)?;
    let mut flagged = false;
    let progress = common::Progress::new(global, sources.len());
    for source in &sources {
        let outcome = common::read(source, args.language).and_then(|document| {
            let readings =
                score(&mut loaded.engine, &document, &progress).map_err(|err| FileError {
                    path: document.path.clone(),
                    message: common::in_full(&err.into()),
                })?;
            Ok((document, readings))
        });
        match outcome {
            Ok((document, readings)) => {
                let scored = Scored {
                    document: &document,
                    readings: &readings,
                    threshold,
                };
                flagged |= scored.words().any(|(_, word)| word.p >= threshold);
                progress.aside(|| {
                    printer.document(&mut out, &scored)?;
                    // Whoever reads along sees each document when it is ready.
                    out.flush()
                })?;
            }
            Err(error) => {
                progress.aside(|| common::report_error(&error));
                errors.push(error);
            }
        }
    }
    progress.finish();
    printer.end(&mut out, &errors)?;
    Ok(match () {
        () if !errors.is_empty() => Exit::Failed,
        () if flagged && !args.exit_zero => Exit::Findings,
        () => Exit::Clean,
    })
}

/// Scores one document, with progress by its regions.
fn score(
    engine: &mut crate::analysis::Engine,
    document: &Document,
    progress: &common::Progress,
) -> Result<Vec<crate::analysis::Reading>, crate::model::Error> {
    let outline = engine.outline(document);
    let mut readings = Vec::new();
    for region in 0..outline.len() {
        progress.show(&document.path, region, outline.len());
        engine.score_region(
            document,
            &outline,
            region,
            None,
            &|| false,
            &mut |reading| readings.push(reading),
        )?;
    }
    progress.next();
    readings.sort_by_key(|reading| reading.span);
    Ok(readings)
}

/// Finds the threshold that `--false-alarms` of the words of accepted text lie above, and writes it
/// to the settings.
fn calibrate(
    global: &Global,
    in_force: &InForce,
    args: &ScoreArgs,
    sources: &[Source],
    errors: Vec<FileError>,
    loaded: &mut common::Loaded,
) -> anyhow::Result<Exit> {
    /// Fewer words than this say nothing about one in a hundred.
    const FEWEST_WORDS: usize = 500;

    anyhow::ensure!(
        errors.is_empty(),
        "not calibrated, because some of the text could not be read"
    );
    let progress = common::Progress::new(global, sources.len());
    let mut all: Vec<f32> = Vec::new();
    for source in sources {
        let document = common::read(source, args.language)
            .map_err(|error| anyhow::anyhow!("{}: {}", error.path.display(), error.message))?;
        let readings = score(&mut loaded.engine, &document, &progress)
            .with_context(|| format!("cannot score {}", document.path.display()))?;
        all.extend(
            readings
                .iter()
                .flat_map(|reading| &reading.words)
                .map(|word| word.p),
        );
    }
    progress.finish();
    anyhow::ensure!(
        all.len() >= FEWEST_WORDS,
        "{} words are too few to find a threshold on; give at least {FEWEST_WORDS} of text that you are content with",
        all.len()
    );
    let threshold = threshold_for(&mut all, args.false_alarms);
    settings::save_threshold(&in_force.config, &in_force.threshold_key(), threshold)?;
    common::remark(
        global,
        &format!(
            "the threshold for {} is now {threshold}: {} of {} words lie at or above it; written to {}",
            in_force.model,
            all.iter().filter(|&&p| p >= threshold).count(),
            all.len(),
            in_force.config.display()
        ),
    );
    Ok(Exit::Clean)
}

/// The smallest threshold, to four decimals, that at most `share` of the scores reach.
fn threshold_for(scores: &mut [f32], share: f32) -> f32 {
    scores.sort_by(f32::total_cmp);
    // A hair more, for 0.01 in f32 is a little less than one in a hundred.
    let above = (scores.len() as f64 * f64::from(share) + 1e-3).floor() as usize;
    // The highest score that must stay below the threshold.
    let below = scores
        .len()
        .checked_sub(above + 1)
        .and_then(|at| scores.get(at))
        .copied()
        .unwrap_or(0.0);
    (((f64::from(below) * 10_000.0).floor() + 1.0) / 10_000.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_lets_only_the_share_of_words_through() {
        let mut scores: Vec<f32> = (0..1000).map(|n| n as f32 / 1000.0).collect();
        let threshold = threshold_for(&mut scores, 0.01);
        assert_eq!(threshold, 0.9891);
        assert_eq!(scores.iter().filter(|&&p| p >= threshold).count(), 10);
        assert_eq!(threshold_for(&mut [0.2; 100], 0.5), 0.2001);
        assert_eq!(threshold_for(&mut [0.2, 0.7], 1.0), 0.0001);
    }
}
