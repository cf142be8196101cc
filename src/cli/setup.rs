//! The start of a command: settings, log and threads.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::messages::remark;
use super::{Global, threads};
use crate::catalog::Catalog;
use crate::settings::{EffectiveSettings, FileSettings, GivenSettings, Paths};

/// The most threads that can be asked for: far more than are useful, and few enough for every system.
const MOST_THREADS: usize = 1024;

/// Reads the settings file, lays flags and variables over it, and starts the log and the threads.
pub(super) fn catalog(global: &Global) -> anyhow::Result<Catalog> {
    let config = config_path(global);
    let file = match &config {
        Some(config) => FileSettings::read(config, global.config.is_some())?,
        None => FileSettings::default(),
    };
    let threads = global.threads.or(file.threads);
    let settings = EffectiveSettings::new(given(global), config, file)?;
    if let Some(threads) = threads {
        anyhow::ensure!(
            (1..=MOST_THREADS).contains(&threads),
            "cannot compute with {threads} threads; it must be a number from 1 to {MOST_THREADS}"
        );
    }
    start_log(global)?;
    if let Some(note) = threads::start(threads)? {
        remark(global, &note);
    }
    tracing::info!(?settings, "settings");
    Ok(Catalog::new(settings))
}

/// The settings file, whether or not it exists; none where there is no home.
pub(super) fn config_path(global: &Global) -> Option<PathBuf> {
    global.config.clone().or_else(|| Paths::new().config)
}

/// What flags and variables say about the settings.
fn given(global: &Global) -> GivenSettings {
    GivenSettings {
        model: global.model.clone(),
        head: global.head.clone(),
        revision: global.revision.clone(),
        device: global.device.clone(),
        precision: global.precision.clone(),
        offline: global.offline,
        color: global.color,
        window: global.window,
    }
}

/// Sends the log to the file that `--log` names, or with `-v` to standard error.
fn start_log(global: &Global) -> anyhow::Result<()> {
    use tracing_subscriber::{EnvFilter, fmt};
    let level = match global.verbose {
        0 => "electroscope=info,warn",
        1 => "electroscope=debug,info",
        _ => "electroscope=trace,debug",
    };
    let filter = EnvFilter::try_from_env("ELECTROSCOPE_LOG_FILTER")
        .unwrap_or_else(|_| EnvFilter::new(level));
    if let Some(path) = &global.log {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot write the log file {}", path.display()))?;
        // A second call, in a test, keeps the subscriber of the first.
        let _ = fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(Arc::new(file))
            .try_init();
    } else if global.verbose > 0 {
        let _ = fmt()
            .with_env_filter(filter)
            .with_ansi(false)
            .with_writer(io::stderr)
            .try_init();
    }
    Ok(())
}
