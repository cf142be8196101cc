//! `electroscope FILE…`: the screen.

use super::{Exit, Global, ViewArgs};

pub(super) fn run(_global: &Global, _args: &ViewArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("the screen is not connected yet")
}
