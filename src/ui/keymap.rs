//! What can be done from the keyboard: every action with its keys, its name in the command palette
//! and a line of help. The help overlay, the palette and the key hints are all made from this table.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Something the reader can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Moves the cursor a row up.
    Up,
    /// Moves the cursor a row down.
    Down,
    /// Moves the cursor a character to the left.
    Left,
    /// Moves the cursor a character to the right.
    Right,
    /// To the next word.
    NextWord,
    /// To the word before.
    PreviousWord,
    /// To the start of the line.
    LineStart,
    /// To the end of the line.
    LineEnd,
    /// Half a screen down.
    HalfPageDown,
    /// Half a screen up.
    HalfPageUp,
    /// A screen down.
    PageDown,
    /// A screen up.
    PageUp,
    /// To the first line.
    Top,
    /// To the last line.
    Bottom,
    /// To the blank line after the paragraph.
    NextParagraph,
    /// To the blank line before the paragraph.
    PreviousParagraph,
    /// Asks what to search for.
    Search,
    /// To the next match.
    NextMatch,
    /// To the match before.
    PreviousMatch,
    /// To the next flagged word.
    NextFlagged,
    /// To the flagged word before.
    PreviousFlagged,
    /// Lists flagged words by place, or by p.
    SortFlagged,
    /// Lists the flagged words of all open documents.
    AllFlagged,
    /// Flags fewer words.
    RaiseThreshold,
    /// Flags more words.
    LowerThreshold,
    /// Back to the threshold of the model or the settings.
    ResetThreshold,
    /// Lists what could stand in the place of the word under the cursor.
    Suggest,
    /// Accepts the word under the cursor in all documents.
    AcceptWord,
    /// Accepts it in the documents of the project.
    AcceptWordInProject,
    /// Writes a mark that silences it into the document.
    Silence,
    /// Takes back what was mended, accepted or silenced last.
    TakeBack,
    /// Asks of each word whether it is an error, or again whether it looks replaced.
    SwitchLens,
    /// The panel after this one.
    NextPanel,
    /// The panel before this one.
    PreviousPanel,
    /// The panel of words and numbers.
    HeatPanel,
    /// The panel of labels.
    ClassifyPanel,
    /// The panel of questions.
    AskPanel,
    /// The panel of tags.
    TagPanel,
    /// Shows or hides the panel.
    TogglePanel,
    /// Asks which head to use.
    PickHead,
    /// Classifies other units.
    NextUnit,
    /// Asks a question.
    Question,
    /// Lists tags of another kind.
    NextFilter,
    /// The next document.
    NextDocument,
    /// The document before.
    PreviousDocument,
    /// Shows or hides the list of documents.
    ToggleDocuments,
    /// Asks which document to open.
    Open,
    /// Closes the document.
    Close,
    /// Opens the editor at the cursor.
    Edit,
    /// Copies the word under the cursor.
    CopyWord,
    /// Copies the flagged words with their places.
    CopyFlagged,
    /// Opens the command palette.
    Palette,
    /// Shows the keys.
    Help,
    /// Another theme.
    NextTheme,
    /// Gives the mouse to the terminal, or takes it back.
    ToggleMouse,
    /// One step back.
    Back,
    /// Hands the terminal back to the shell for a while.
    Suspend,
    /// Paints everything anew.
    Redraw,
    /// Leaves.
    Quit,
    /// Leaves as Ctrl-C does.
    Interrupt,
}

/// An action, how it is reached, and what it is called.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The action.
    pub action: Action,
    /// Its keys, each a sequence as [`parse`] reads it, divided by spaces.
    pub keys: &'static str,
    /// Its name in the command palette.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// The bindings under their headings, in the order of the help.
pub const GROUPS: &[(&str, &[Binding])] = &[
    (
        "Move",
        &[
            bind(Action::Down, "j down", "down", "a row down"),
            bind(Action::Up, "k up", "up", "a row up"),
            bind(Action::Left, "h left", "left", "a character to the left"),
            bind(
                Action::Right,
                "l right",
                "right",
                "a character to the right",
            ),
            bind(Action::NextWord, "w", "next-word", "next word"),
            bind(Action::PreviousWord, "b", "previous-word", "previous word"),
            bind(
                Action::LineStart,
                "0 home",
                "line-start",
                "start of the line",
            ),
            bind(Action::LineEnd, "$ end", "line-end", "end of the line"),
            bind(
                Action::HalfPageDown,
                "ctrl-d",
                "half-page-down",
                "half a screen down",
            ),
            bind(
                Action::HalfPageUp,
                "ctrl-u",
                "half-page-up",
                "half a screen up",
            ),
            bind(
                Action::PageDown,
                "ctrl-f pagedown space",
                "page-down",
                "a screen down",
            ),
            bind(Action::PageUp, "ctrl-b pageup", "page-up", "a screen up"),
            bind(Action::Top, "gg ctrl-home", "top", "first line"),
            bind(
                Action::Bottom,
                "G ctrl-end",
                "bottom",
                "last line, or the line of the count",
            ),
            bind(
                Action::NextParagraph,
                "}",
                "next-paragraph",
                "end of the paragraph",
            ),
            bind(
                Action::PreviousParagraph,
                "{",
                "previous-paragraph",
                "start of the paragraph",
            ),
        ],
    ),
    (
        "Find",
        &[
            bind(
                Action::NextFlagged,
                "]d",
                "next-flagged",
                "next flagged word, or what the panel lists",
            ),
            bind(
                Action::PreviousFlagged,
                "[d",
                "previous-flagged",
                "previous flagged word, or what the panel lists",
            ),
            bind(
                Action::SortFlagged,
                "S",
                "sort-flagged",
                "list flagged words by p, or by place",
            ),
            bind(
                Action::AllFlagged,
                "F",
                "all-flagged",
                "list the flagged words of all open documents",
            ),
            bind(
                Action::Search,
                "/",
                "search",
                "search (a regular expression)",
            ),
            bind(Action::NextMatch, "n", "next-match", "next match"),
            bind(
                Action::PreviousMatch,
                "N",
                "previous-match",
                "previous match",
            ),
        ],
    ),
    (
        "Word",
        &[
            bind(
                Action::Suggest,
                "s enter",
                "suggest",
                "choose what is to stand in its place",
            ),
            bind(
                Action::AcceptWord,
                "z",
                "accept-word",
                "accept it: flag it nowhere (your dictionary)",
            ),
            bind(
                Action::AcceptWordInProject,
                "Z",
                "accept-word-in-project",
                "accept it in this project (.electroscope)",
            ),
            bind(
                Action::Silence,
                "x",
                "silence",
                "silence it here: write a mark into the file",
            ),
            bind(
                Action::TakeBack,
                "u",
                "take-back",
                "take the last of these back",
            ),
        ],
    ),
    (
        "Threshold",
        &[
            bind(
                Action::RaiseThreshold,
                "+",
                "raise-threshold",
                "raise it: flag fewer words",
            ),
            bind(
                Action::LowerThreshold,
                "-",
                "lower-threshold",
                "lower it: flag more words",
            ),
            bind(
                Action::ResetThreshold,
                "=",
                "reset-threshold",
                "back to the model's own",
            ),
            bind(
                Action::SwitchLens,
                "r",
                "errors",
                "show errors, or words that look replaced",
            ),
        ],
    ),
    (
        "Panels",
        &[
            bind(Action::NextPanel, "tab", "next-panel", "next panel"),
            bind(
                Action::PreviousPanel,
                "backtab",
                "previous-panel",
                "previous panel",
            ),
            bind(
                Action::HeatPanel,
                "1",
                "heat",
                "Heat: the word and the flagged ones",
            ),
            bind(Action::ClassifyPanel, "2", "classify", "Classify"),
            bind(Action::AskPanel, "3", "ask", "Ask"),
            bind(Action::TagPanel, "4", "tag", "Tag"),
            bind(
                Action::PickHead,
                "m",
                "head",
                "choose the head of the panel",
            ),
            bind(
                Action::NextUnit,
                "U",
                "next-unit",
                "classify the document, paragraphs or sentences",
            ),
            bind(Action::Question, "a", "question", "ask a question"),
            bind(
                Action::NextFilter,
                "f",
                "next-filter",
                "list tags of one kind (commonest first), or all",
            ),
            bind(
                Action::TogglePanel,
                "p",
                "toggle-panel",
                "show or hide the panel",
            ),
        ],
    ),
    (
        "Documents",
        &[
            bind(Action::NextDocument, "gt", "next-document", "next document"),
            bind(
                Action::PreviousDocument,
                "gT",
                "previous-document",
                "previous document",
            ),
            bind(
                Action::ToggleDocuments,
                "L",
                "toggle-documents",
                "show or hide the list",
            ),
            bind(Action::Open, "o", "open", "open a document"),
            bind(Action::Close, "X", "close", "close the document"),
            bind(
                Action::Edit,
                "e",
                "edit",
                "edit in $VISUAL or $EDITOR at the cursor",
            ),
            bind(
                Action::CopyWord,
                "y",
                "copy-word",
                "copy the word under the cursor",
            ),
            bind(
                Action::CopyFlagged,
                "Y",
                "copy-flagged",
                "copy the list of flagged words",
            ),
        ],
    ),
    (
        "Program",
        &[
            bind(Action::Palette, ":", "commands", "command palette"),
            bind(Action::Help, "? f1", "help", "this help"),
            bind(Action::NextTheme, "t", "next-theme", "next theme"),
            bind(
                Action::ToggleMouse,
                "M",
                "toggle-mouse",
                "give the mouse to the terminal, or take it",
            ),
            bind(Action::Back, "esc", "back", "one step back"),
            bind(Action::Redraw, "ctrl-l", "redraw", "paint everything anew"),
            bind(
                Action::Suspend,
                "ctrl-z",
                "suspend",
                "suspend (fg brings it back)",
            ),
            bind(Action::Quit, "q", "quit", "quit"),
            bind(
                Action::Interrupt,
                "ctrl-c",
                "interrupt",
                "quit with exit code 130",
            ),
        ],
    ),
];

const fn bind(
    action: Action,
    keys: &'static str,
    name: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        action,
        keys,
        name,
        help,
    }
}

/// What is said below the bindings of a heading: keys that are in no table, and what they do.
pub const NOTES: &[(&str, &str, &str)] = &[
    (
        "Move",
        "5j 12G",
        "a number before a motion repeats it, or is a line",
    ),
    (
        "Panels",
        "1-4",
        "alone: the panel, in half a second or on Enter",
    ),
];

/// Whether a count before the keys of `action` repeats it, or names a line to it.
pub fn repeats(action: Action) -> bool {
    matches!(
        action,
        Action::Up
            | Action::Down
            | Action::Left
            | Action::Right
            | Action::NextWord
            | Action::PreviousWord
            | Action::HalfPageDown
            | Action::HalfPageUp
            | Action::PageDown
            | Action::PageUp
            | Action::Top
            | Action::Bottom
            | Action::NextParagraph
            | Action::PreviousParagraph
            | Action::NextMatch
            | Action::PreviousMatch
            | Action::NextFlagged
            | Action::PreviousFlagged
            | Action::NextDocument
            | Action::PreviousDocument
    )
}

/// All bindings in the order of the help.
pub fn bindings() -> impl Iterator<Item = &'static Binding> {
    GROUPS.iter().flat_map(|(_, bindings)| bindings.iter())
}

/// A key: what it is and what is held down with it. Shift is part of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which key.
    pub code: KeyCode,
    /// Ctrl and Alt.
    pub modifiers: KeyModifiers,
}

impl Key {
    /// The key of an event, so that it can be compared: Shift counts only where it makes no other
    /// character.
    pub fn of(event: KeyEvent) -> Key {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        let code = match event.code {
            // Terminals disagree on whether Ctrl with Shift sends the upper-case letter.
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            // AltGr is reported as Ctrl with Alt by some; the character it makes is what counts.
            code => code,
        };
        if matches!(code, KeyCode::Char(c) if !c.is_ascii_alphanumeric())
            && modifiers == (KeyModifiers::CONTROL | KeyModifiers::ALT)
        {
            modifiers = KeyModifiers::NONE;
        }
        Key { code, modifiers }
    }
}

/// Reads a sequence of keys: named ones and those with `ctrl-` or `alt-` stand alone; anything else
/// is a key per character.
pub fn parse(keys: &str) -> Vec<Key> {
    let plain = |code| Key {
        code,
        modifiers: KeyModifiers::NONE,
    };
    for (prefix, modifiers) in [
        ("ctrl-", KeyModifiers::CONTROL),
        ("alt-", KeyModifiers::ALT),
    ] {
        if let Some(rest) = keys.strip_prefix(prefix) {
            return parse(rest)
                .into_iter()
                .map(|key| Key { modifiers, ..key })
                .collect();
        }
    }
    let named = match keys {
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "pageup" => KeyCode::PageUp,
        "pagedown" => KeyCode::PageDown,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "esc" => KeyCode::Esc,
        "enter" => KeyCode::Enter,
        "space" => KeyCode::Char(' '),
        "f1" => KeyCode::F(1),
        _ => return keys.chars().map(|c| plain(KeyCode::Char(c))).collect(),
    };
    vec![plain(named)]
}

/// How a key sequence is written for people.
pub fn display(keys: &str) -> String {
    match keys {
        "up" => "↑".into(),
        "down" => "↓".into(),
        "left" => "←".into(),
        "right" => "→".into(),
        "backtab" => "Shift-Tab".into(),
        "pageup" => "PgUp".into(),
        "pagedown" => "PgDn".into(),
        "ctrl-home" => "Ctrl-Home".into(),
        "ctrl-end" => "Ctrl-End".into(),
        "home" | "end" | "tab" | "esc" | "enter" | "space" | "f1" => {
            let mut shown = keys.to_owned();
            if let Some(first) = shown.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            shown
        }
        _ => keys
            .strip_prefix("ctrl-")
            .map_or_else(|| keys.to_owned(), |rest| format!("Ctrl-{rest}")),
    }
}

/// What the keys pressed so far lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A whole sequence.
    Found(Action),
    /// The start of one or more.
    Prefix,
    /// Nothing.
    Unknown,
}

/// Looks up the keys pressed so far.
pub fn lookup(pressed: &[Key]) -> Lookup {
    let mut is_prefix = false;
    for binding in bindings() {
        for keys in binding.keys.split(' ') {
            let sequence = parse(keys);
            if sequence == pressed {
                return Lookup::Found(binding.action);
            }
            is_prefix |= sequence.starts_with(pressed);
        }
    }
    if is_prefix {
        Lookup::Prefix
    } else {
        Lookup::Unknown
    }
}

/// The sequences that `pressed` is the start of: what is still to be pressed, and what it does.
pub fn continuations(pressed: &[Key]) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for binding in bindings() {
        for keys in binding.keys.split(' ') {
            let sequence = parse(keys);
            if sequence.len() > pressed.len() && sequence.starts_with(pressed) {
                let rest = keys.chars().skip(pressed.len()).collect();
                found.push((rest, binding.help));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn press(keys: &str) -> Lookup {
        lookup(&parse(keys))
    }

    #[test]
    fn sequences_are_found_and_their_starts_are_prefixes() {
        assert_eq!(press("gg"), Lookup::Found(Action::Top));
        assert_eq!(press("g"), Lookup::Prefix);
        assert_eq!(press("]d"), Lookup::Found(Action::NextFlagged));
        assert_eq!(press("ctrl-d"), Lookup::Found(Action::HalfPageDown));
        assert_eq!(press("d"), Lookup::Unknown);
        assert_eq!(press("gx"), Lookup::Unknown);
        assert_eq!(
            continuations(&parse("g")),
            [
                ("g".to_owned(), "first line"),
                ("t".to_owned(), "next document"),
                ("T".to_owned(), "previous document"),
            ]
        );
    }

    #[test]
    fn no_key_has_two_meanings_and_no_command_two_names() {
        let mut keys = BTreeSet::new();
        let mut names = BTreeSet::new();
        for binding in bindings() {
            assert!(names.insert(binding.name), "{} twice", binding.name);
            for sequence in binding.keys.split(' ') {
                assert!(keys.insert(sequence), "{sequence} twice");
                let parsed = parse(sequence);
                assert_eq!(lookup(&parsed), Lookup::Found(binding.action), "{sequence}");
                let is_prefix = bindings()
                    .flat_map(|other| other.keys.split(' '))
                    .any(|other| other != sequence && parse(other).starts_with(&parsed));
                assert!(!is_prefix, "{sequence} hides a longer sequence");
            }
        }
    }

    #[test]
    fn events_become_the_keys_of_the_table() {
        let event = |code, modifiers| Key::of(KeyEvent::new(code, modifiers));
        let shift = KeyModifiers::SHIFT;
        assert_eq!(vec![event(KeyCode::Char('G'), shift)], parse("G"));
        assert_eq!(vec![event(KeyCode::Tab, shift)], parse("backtab"));
        assert_eq!(
            vec![event(KeyCode::Char('D'), KeyModifiers::CONTROL | shift)],
            parse("ctrl-d")
        );
        let alt_gr = KeyModifiers::CONTROL | KeyModifiers::ALT;
        assert_eq!(vec![event(KeyCode::Char('{'), alt_gr)], parse("{"));
    }

    #[test]
    fn every_line_of_help_fits_into_its_column() {
        let notes = NOTES.iter().map(|&(_, _, text)| text);
        for text in bindings().map(|binding| binding.help).chain(notes) {
            assert!(text.chars().count() <= 50, "{text}");
        }
    }

    #[test]
    fn digits_are_left_to_counts_but_for_those_of_the_panels() {
        let taken: Vec<char> = ('0'..='9')
            .filter(|digit| lookup(&parse(&digit.to_string())) != Lookup::Unknown)
            .collect();
        // 0 is the start of the line, unless a count is being typed.
        assert_eq!(taken, ['0', '1', '2', '3', '4']);
    }
}
