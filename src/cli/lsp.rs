//! `electroscope lsp`: a language server on standard input and output.

use clap::Args;

use super::{Exit, Global, probability, setup};
use crate::lsp::{self, Ended, Start};
use crate::settings::{Lens, Paths};

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
        electroscope lsp                        what an editor is told to start\n  \
        electroscope lsp --lens replaced        words that look replaced, not errors\n  \
        electroscope lsp --log /tmp/lsp.log -v  with a log\n\n\
        docs/editors.md has recipes for editors, and the options that they can send.\n\n\
        Exit codes: 0 the editor ended it, 1 the editor left without `shutdown`, 2 something failed.")]
pub(super) struct LspArgs {
    /// Flag words whose p is P or more, from 0 to 1 [default: the model's own, else 0.5]
    #[arg(long, value_name = "P", env = "ELECTROSCOPE_THRESHOLD", hide_env_values = true, value_parser = probability)]
    threshold: Option<f32>,
    /// What is asked of each word, and so which model answers
    #[arg(long, value_name = "LENS", default_value = "errors")]
    lens: Lens,
    /// Does nothing: editors say it of servers on standard input and output, as this one always is
    #[arg(long)]
    stdio: bool,
}

pub(super) fn run(global: &Global, args: &LspArgs) -> anyhow::Result<Exit> {
    let LspArgs {
        threshold,
        lens,
        stdio: _,
    } = *args;
    let ended = lsp::serve(Start {
        catalog: setup::catalog(global)?,
        lens,
        threshold,
        dictionary: Paths::new().dictionary,
    })?;
    Ok(match ended {
        Ended::InOrder => Exit::Clean,
        // As the protocol has it.
        Ended::Abandoned => Exit::Code(1),
    })
}
