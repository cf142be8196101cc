//! The commands that can be typed: every action by its name, and a few that take a value.

use std::path::PathBuf;

use super::keymap::{Action, bindings};
use super::prompt::Picker;
use super::theme::{Depth, Theme};

/// What was typed, understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Act(Action),
    /// To a line, from 1.
    Line(usize),
    Threshold(f32),
    Theme(Theme),
    Open(PathBuf),
}

/// Why what was typed is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A value is missing; the prompt goes on from this.
    Unfinished(&'static str),
    /// It means nothing; what would.
    Unknown(String),
}

/// Commands with a value: the word, what is shown for it, what it does.
const VALUED: [(&str, &str, &str); 4] = [
    ("line ", "line N", "to line N (a number alone does it too)"),
    ("threshold ", "threshold P", "flag words from P on, 0 to 1"),
    ("theme ", "theme NAME", "dark, light, ansi-16 or mono"),
    ("open ", "open PATH", "open a document by its path"),
];

/// The name, help and keys of every command, in the order of the list.
pub(super) fn commands() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let valued = VALUED.iter().map(|&(_, shown, help)| (shown, help, ""));
    bindings()
        .map(|binding| (binding.name, binding.help, binding.keys))
        .chain(valued)
}

/// What the list is filtered by.
pub(super) fn entries() -> Vec<String> {
    commands()
        .map(|(name, help, _)| format!("{name} {help}"))
        .collect()
}

/// Understands what was typed: a command with its value, a line number, else the chosen entry.
pub(super) fn command(picker: &Picker) -> Result<Command, Trouble> {
    let typed = picker.prompt.text().trim();
    if let Ok(line) = typed.parse() {
        return Ok(Command::Line(line));
    }
    if let Some((word, value)) = typed.split_once(' ')
        && VALUED.iter().any(|(known, ..)| known.trim_end() == word)
    {
        return valued(word, value.trim());
    }
    let count = bindings().count();
    match picker.chosen() {
        Some(at) if at < count => bindings()
            .nth(at)
            .map(|binding| Command::Act(binding.action))
            .ok_or_else(|| Trouble::Unknown("no such command".into())),
        Some(at) => VALUED.get(at - count).map_or_else(
            || Err(Trouble::Unknown("no such command".into())),
            |&(word, ..)| Err(Trouble::Unfinished(word)),
        ),
        None => Err(Trouble::Unknown(format!(
            "there is no command {typed:?}; what fits is listed as you type"
        ))),
    }
}

fn valued(word: &str, value: &str) -> Result<Command, Trouble> {
    let unknown = |wanted: &str| {
        Err(Trouble::Unknown(format!(
            "{word} wants {wanted}, not {value:?}"
        )))
    };
    match word {
        "line" => match value.parse() {
            Ok(line) => Ok(Command::Line(line)),
            Err(_) => unknown("a line number"),
        },
        "threshold" => match value.parse::<f32>() {
            Ok(p) if (0.0..=1.0).contains(&p) => Ok(Command::Threshold(p)),
            _ => unknown("a number from 0 to 1"),
        },
        "theme" => match value {
            "dark" => Ok(Command::Theme(Theme::Dark(Depth::True))),
            "light" => Ok(Command::Theme(Theme::Light(Depth::True))),
            "ansi-16" => Ok(Command::Theme(Theme::Ansi16)),
            "mono" => Ok(Command::Theme(Theme::Mono)),
            _ => unknown(&Theme::NAMES.join(", ")),
        },
        _ if value.is_empty() => unknown("a path"),
        _ => Ok(Command::Open(value.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    fn typed(text: &str) -> Result<Command, Trouble> {
        let mut picker = Picker::new(&entries());
        for c in text.chars() {
            picker.press(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
            picker.filter(&entries());
        }
        command(&picker)
    }

    #[test]
    fn commands_are_found_by_name_and_by_what_they_do() {
        assert_eq!(typed("next-theme"), Ok(Command::Act(Action::NextTheme)));
        assert_eq!(typed("copy list"), Ok(Command::Act(Action::CopyFlagged)));
        assert!(matches!(typed("zzzz"), Err(Trouble::Unknown(_))));
    }

    #[test]
    fn values_are_read_and_refused_by_name() {
        assert_eq!(typed("120"), Ok(Command::Line(120)));
        assert_eq!(typed("line 7"), Ok(Command::Line(7)));
        assert_eq!(typed("threshold 0.7"), Ok(Command::Threshold(0.7)));
        assert_eq!(typed("theme mono"), Ok(Command::Theme(Theme::Mono)));
        assert_eq!(typed("open a b.md"), Ok(Command::Open("a b.md".into())));
        assert_eq!(typed("thresholdp"), Err(Trouble::Unfinished("threshold ")));
        for (text, wanted) in [
            ("threshold 2", "0 to 1"),
            ("theme blue", "ansi-16"),
            ("line x", "number"),
        ] {
            let Err(Trouble::Unknown(why)) = typed(text) else {
                panic!("{text} was taken");
            };
            assert!(why.contains(wanted), "{why}");
        }
    }
}
