//! Messages to the user on standard error.

use std::io::{self, Write};

use super::Global;

/// Prints an error.
pub(super) fn error(message: &str) {
    write(&format!("error: {message}"));
}

/// Writes a text that may quote a document or a file name, without its control characters.
fn write(message: &str) {
    let lines: Vec<_> = message
        .split('\n')
        .map(electroscope_text::visible)
        .collect();
    // Nobody can be told that standard error is closed.
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// An error with its causes, each part once: some errors quote their cause, others do not, and several may
/// name the same file.
pub(super) fn in_full(err: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in err.chain().map(ToString::to_string) {
        text = joined(&text, &cause);
    }
    text
}

/// `cause` after `text`, without the part that `text` has already.
pub(super) fn joined(text: &str, cause: &str) -> String {
    let mut cause = cause;
    if text.contains(cause) {
        return text.to_owned();
    }
    let ends_with = |part: &str| {
        let before = text.strip_suffix(part);
        !part.is_empty() && before.is_some_and(|before| !before.ends_with(char::is_alphanumeric))
    };
    while let Some((first, rest)) = cause.split_once(": ")
        && ends_with(first)
    {
        cause = rest;
    }
    match (text.is_empty(), text.contains(cause)) {
        (true, _) => cause.to_owned(),
        (false, true) => text.to_owned(),
        (false, false) => format!("{text}: {cause}"),
    }
}

/// Prints a remark, unless `--quiet` is set.
pub(super) fn remark(global: &Global, message: &str) {
    if !global.quiet {
        write(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_an_error_is_printed_once() {
        let err = anyhow::anyhow!("permission denied")
            .context("locked: permission denied")
            .context("cannot read locked");
        assert_eq!(in_full(&err), "cannot read locked: permission denied");
        // A name that ends with another is a different one.
        let err = anyhow::anyhow!("a.md: it is empty").context("cannot read extra.md");
        assert_eq!(in_full(&err), "cannot read extra.md: a.md: it is empty");
        let err = anyhow::anyhow!("x: y").context("a");
        assert_eq!(in_full(&err), "a: x: y");
    }
}
