//! The terminal that standard output is: its width, its colours, and Ctrl-C.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;

use crate::report::theme::{ColorFacts, Theme};
use crate::settings::{ColorChoice, EffectiveSettings};

/// The columns of the terminal; 80 if standard output is not one. The system is asked, because crossterm
/// would run the program `tput` where it does not know.
pub(super) fn width() -> u16 {
    const DEFAULT: u16 = 80;
    terminal_size::terminal_size_of(io::stdout())
        .map(|(terminal_size::Width(width), _)| width)
        .filter(|width| *width > 0)
        .unwrap_or(DEFAULT)
}

/// Makes Ctrl-C end the process at once with exit code 130.
pub(super) fn exit_on_interrupt() -> anyhow::Result<()> {
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGINT, 130, always)
        .context("cannot listen for Ctrl-C")?;
    Ok(())
}

/// The colours for standard output: the theme `typed`, else that of the settings, else one that fits the
/// terminal.
pub(super) fn theme(settings: &EffectiveSettings, typed: Option<&str>) -> anyhow::Result<Theme> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let facts = ColorFacts {
        theme: typed.or(settings.file.theme.as_deref()).map(str::to_owned),
        colors: has_colors(settings),
        colorterm: variable("COLORTERM"),
        term: variable("TERM"),
        colorfgbg: variable("COLORFGBG"),
    };
    Theme::choose(&facts).map_err(anyhow::Error::msg)
}

/// Whether standard output is coloured (<https://no-color.org>, and `CLICOLOR_FORCE`).
pub(super) fn has_colors(settings: &EffectiveSettings) -> bool {
    let set =
        |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != *"0");
    match settings.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto
            if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) =>
        {
            false
        }
        ColorChoice::Auto if set("CLICOLOR_FORCE") => true,
        ColorChoice::Auto => {
            io::stdout().is_terminal()
                && std::env::var_os("TERM").is_none_or(|term| term != *"dumb")
        }
    }
}
