//! What the shell wants to know: completions, manual pages, paths.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

use super::{Exit, Global, common, heads, manual};
use crate::settings::{EXAMPLE, Paths};

/// Prints a completion script.
pub(super) fn completions(global: &Global, shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    // The script offers the names that the settings have now.
    let mut command = super::command(&heads::names_in_settings(global));
    // Into memory first: clap_complete panics if the pipe it writes to is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "electroscope", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Clean)
}

/// Prints the manual page, or writes one per command into `folder`.
pub(super) fn man(folder: Option<&Path>) -> anyhow::Result<Exit> {
    let pages = manual::pages(super::command(&[]));
    match folder {
        None => {
            let first = pages.first().map_or("", |page| page.text.as_str());
            io::stdout().write_all(first.as_bytes())?;
        }
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
            for page in pages {
                let path = folder.join(format!("{}.1", page.name));
                std::fs::write(&path, page.text)
                    .with_context(|| format!("cannot write the manual page {}", path.display()))?;
            }
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
    let config = global.config.as_deref().unwrap_or(&paths.config);
    let hub = common::hub_settings(global, false);
    let log = global
        .log
        .as_deref()
        .map_or("none (see --log)".to_owned(), |path| {
            path.display().to_string()
        });
    writeln!(out, "settings  {}", config.display())?;
    writeln!(out, "state     {}", paths.state.display())?;
    writeln!(out, "models    {}", hub.cache.display())?;
    writeln!(out, "log       {log}")?;
    Ok(Exit::Clean)
}
