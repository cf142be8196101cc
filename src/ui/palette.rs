//! The commands that can be typed: every action by its name, and a few that take a value.

use std::path::PathBuf;

use super::keymap::{Action, Binding, GROUPS, bindings};
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

/// The commands that the list begins with, for they are what one comes to it for.
const FIRST: [Action; 15] = [
    Action::NextFlagged,
    Action::SwitchLens,
    Action::Question,
    Action::ClassifyPanel,
    Action::TagPanel,
    Action::PickHead,
    Action::Suggest,
    Action::AcceptWord,
    Action::Silence,
    Action::Open,
    Action::Edit,
    Action::RaiseThreshold,
    Action::LowerThreshold,
    Action::NextTheme,
    Action::Help,
];

/// An entry of the list.
#[derive(Clone, Copy, Debug)]
enum Entry {
    /// A command that a key has too.
    Bound(&'static Binding),
    /// One of [`VALUED`].
    Valued(&'static (&'static str, &'static str, &'static str)),
}

/// The list: what is looked for most, what takes a value, the rest, and motions last, for nobody
/// moves by their names.
fn list() -> impl Iterator<Item = Entry> {
    let is_motion = |group: &&(&str, &[Binding])| group.0 == "Move";
    let first = FIRST
        .iter()
        .filter_map(|&action| bindings().find(|binding| binding.action == action));
    let in_groups = |wanted: bool| {
        let groups = GROUPS
            .iter()
            .filter(move |group| is_motion(group) == wanted);
        groups
            .flat_map(|(_, bindings)| bindings.iter())
            .filter(|binding| !FIRST.contains(&binding.action))
    };
    first
        .map(Entry::Bound)
        .chain(VALUED.iter().map(Entry::Valued))
        .chain(in_groups(false).map(Entry::Bound))
        .chain(in_groups(true).map(Entry::Bound))
}

/// The name, help and keys of every command, in the order of the list.
pub(super) fn commands() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    list().map(|entry| match entry {
        Entry::Bound(binding) => (binding.name, binding.help, binding.keys),
        Entry::Valued(&(_, shown, help)) => (shown, help, ""),
    })
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
    match picker.chosen().and_then(|at| list().nth(at)) {
        Some(Entry::Bound(binding)) => Ok(Command::Act(binding.action)),
        Some(Entry::Valued(&(word, ..))) => Err(Trouble::Unfinished(word)),
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
    fn the_list_begins_with_what_is_looked_for_and_has_every_command_once() {
        let names: Vec<&str> = commands().map(|(name, ..)| name).collect();
        assert_eq!(names[..3], ["next-flagged", "errors", "question"]);
        assert_eq!(names.len(), bindings().count() + VALUED.len());
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
        assert!(names.iter().position(|&name| name == "down") > Some(30));
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
