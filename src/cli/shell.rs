//! What the shell wants to know: completions, manual pages, paths.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use super::{Cli, Exit, Global, common};
use crate::settings::{EXAMPLE, Paths};

/// Prints a completion script.
pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    // Into memory first: clap_complete panics if the pipe it writes to is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "electroscope", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Clean)
}

/// Prints the manual page, or writes one per command into `folder`.
pub(super) fn man(folder: Option<&Path>) -> anyhow::Result<Exit> {
    match folder {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            io::stdout().write_all(&page)?;
        }
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
            clap_mangen::generate_to(Cli::command(), folder)
                .with_context(|| format!("cannot write manual pages into {}", folder.display()))?;
        }
    }
    Ok(Exit::Clean)
}

/// Prints where things are.
pub(super) fn paths(global: &Global, example: bool) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    if example {
        out.write_all(EXAMPLE.as_bytes())?;
        return Ok(Exit::Clean);
    }
    let paths = Paths::new();
    let config = global.config.as_deref().or(paths.config.as_deref());
    let shown = |path: Option<&Path>| {
        path.map_or("none (there is no home folder)".to_owned(), |path| {
            path.display().to_string()
        })
    };
    let hub = common::hub_settings(global, false);
    let log = global
        .log
        .as_deref()
        .map_or("none (see --log)".to_owned(), |path| {
            path.display().to_string()
        });
    writeln!(out, "settings  {}", shown(config))?;
    writeln!(out, "state     {}", shown(paths.state.as_deref()))?;
    writeln!(out, "models    {}", hub.cache.display())?;
    writeln!(out, "log       {log}")?;
    Ok(Exit::Clean)
}
