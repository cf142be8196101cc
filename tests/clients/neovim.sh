#!/bin/sh
# Runs the language server in Neovim, without a display: diagnostics appear, a code action changes the buffer,
# the dictionary grows.
#
#   tests/clients/neovim.sh [PATH OF electroscope]
#
# Needs Neovim 0.7 or later; everything is done in a temporary folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=${1:-$here/../../target/debug/electroscope}
program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/.git" "$work/home"
printf 'The committee recieved the letter in the morning.\n\nThe boats will definately wait in the harbour.\n' > "$work/a.md"
cd "$work"
env -u XDG_CONFIG_HOME -u XDG_STATE_HOME HOME="$work/home" ELECTROSCOPE="$program" \
    nvim --headless --clean -c "luafile $here/neovim.lua" a.md
