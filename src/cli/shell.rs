//! `electroscope completions`, `man` and `paths`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::CommandFactory;

use super::{Cli, Exit, Global, global_flags, manual, setup};
use crate::catalog;
use crate::settings::{EXAMPLE, FileSettings, Paths};
use electroscope_model::hub::HubSettings;

/// Prints a completion script.
pub(super) fn completions(global: &Global, shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    // The script offers the names that the settings file has now; none if that cannot be read.
    let read = |path: PathBuf| FileSettings::read(&path, global.config.is_some()).ok();
    let file = setup::config_path(global)
        .and_then(read)
        .unwrap_or_default();
    let names = catalog::names_in_file(&file);
    let mut command = global_flags::for_completions(Cli::command(), &names);
    // Into memory first: clap_complete panics if the pipe it writes to is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "electroscope", &mut script);
    if shell == clap_complete::Shell::Bash {
        script = with_colons(&String::from_utf8_lossy(&script)).into_bytes();
    }
    if shell == clap_complete::Shell::Zsh {
        script = with_escaped_value_names(&command, &String::from_utf8_lossy(&script)).into_bytes();
    }
    io::stdout().write_all(&script)?;
    Ok(Exit::Clean)
}

/// The script for zsh, in which colons of value names are escaped: clap_complete leaves them as they are, and
/// zsh runs what follows one.
fn with_escaped_value_names(command: &clap::Command, script: &str) -> String {
    let mut script = script.to_owned();
    let mut commands = vec![command];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        let names = command
            .get_arguments()
            .filter_map(clap::Arg::get_value_names);
        for name in names.flatten().filter(|name| name.contains(':')) {
            script = script.replace(
                &format!(":{name}:"),
                &format!(":{}:", name.replace(':', "\\:")),
            );
        }
    }
    script
}

/// The function that completes, called with words as they are typed: bash parts words at colons,
/// and the names of built-in heads have one.
const BASH_COLONS: &str = r#"
_electroscope_colons() {
    local joined=() count=0 i word
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if [[ count -gt 0 && ( "$word" == :* || "${joined[count-1]}" == *: ) ]]; then
            joined[count-1]+="$word"
        else
            joined[count]="$word"
            count=$((count + 1))
        fi
    done
    local COMP_WORDS=("${joined[@]}") COMP_CWORD=$((count - 1))
    local cur="${joined[count-1]}" prev="" prefix=""
    [[ count -gt 1 ]] && prev="${joined[count-2]}"
    _electroscope "$1" "$cur" "$prev"
    if [[ "$cur" == *:* ]]; then
        prefix="${cur%"${cur##*:}"}"
        COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
    fi
}
"#;

/// The script for bash, so that it completes words with colons.
fn with_colons(script: &str) -> String {
    const CALL: &str = "complete -F _electroscope ";
    // It is called at the end of the script, for either version of bash.
    let at = script.find("\nif [[ \"${BASH_VERSINFO[0]}\"");
    let (functions, calls) = script.split_at(at.unwrap_or(script.len()));
    let calls = calls.replace(CALL, "complete -F _electroscope_colons ");
    format!("{functions}\n{BASH_COLONS}{calls}")
}

/// Prints the manual page, or writes one per command into `folder`.
pub(super) fn man(folder: Option<&Path>) -> anyhow::Result<Exit> {
    let pages = manual::pages(super::command());
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
    let config = global.config.as_deref().or(paths.config.as_deref());
    let shown = |path: Option<&Path>| {
        path.map_or("none (there is no home folder)".to_owned(), |path| {
            path.display().to_string()
        })
    };
    let hub = HubSettings::from_env(|name| std::env::var_os(name));
    let log = global
        .log
        .as_deref()
        .map_or("none (see --log)".to_owned(), |path| {
            path.display().to_string()
        });
    writeln!(out, "settings    {}", shown(config))?;
    writeln!(out, "dictionary  {}", shown(paths.dictionary.as_deref()))?;
    writeln!(out, "state       {}", shown(paths.state.as_deref()))?;
    writeln!(out, "models      {}", hub.cache.display())?;
    writeln!(out, "log         {log}")?;
    Ok(Exit::Clean)
}
