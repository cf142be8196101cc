//! `electroscope evaluate`: what models are worth, in numbers.

pub(super) mod rtd;
mod worth;

use clap::Subcommand;

use super::{Exit, Global};

#[derive(Debug, Subcommand)]
pub(super) enum EvaluateCommand {
    /// Measure how well a discriminator finds replaced words
    ///
    /// A held-out text is spoilt on purpose in three ways: 15 in 100 tokens are drawn anew by a
    /// generator, or replaced at random by others of the text, or one word in each paragraph is
    /// misspelt. What counts is whether the replaced ones have a higher p than the others (AUROC: 0.5
    /// is chance, 1 is perfect; average precision: chance is the share of replaced ones), how far p is
    /// from the share of replaced ones (ECE, Brier: 0 is perfect), and what is flagged at the
    /// threshold. In Markdown only the prose is read. Of WikiText, headings and sentences with an
    /// `<unk>` are left out, and ` @-@ ` and the like are put together.
    Rtd(rtd::RtdArgs),
}

pub(super) fn run(global: &Global, command: &EvaluateCommand) -> anyhow::Result<Exit> {
    match command {
        EvaluateCommand::Rtd(args) => rtd::run(global, args),
    }
}
