//! Manual pages, with the sections in the order that `man-pages(7)` asks for.
//!
//! A page is made from the same table of arguments as the help. What the help says at its end in one
//! piece (examples, exit codes, notes) is taken apart into sections.

use std::fmt::Write as _;

use clap::{Arg, Command};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::ui::keymap;

/// The manual page of a command, its name as in `electroscope-model-list`.
pub(super) struct ManualPage {
    /// The name of its file, without the `.1`.
    pub(super) name: String,
    /// Its text, for `man`.
    pub(super) text: String,
}

/// The pages of the program and of each command.
pub(super) fn pages(mut root: Command) -> Vec<ManualPage> {
    root.build();
    let mut pages = Vec::new();
    collect(&root, root.get_name(), &mut pages);
    pages
}

fn collect(command: &Command, path: &str, pages: &mut Vec<ManualPage>) {
    pages.push(ManualPage {
        name: path.replace(' ', "-"),
        text: page(command, path),
    });
    for below in subcommands(command) {
        collect(below, &format!("{path} {}", below.get_name()), pages);
    }
}

/// The commands that have a page.
fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    let has_page = |below: &&Command| !below.is_hide_set() && below.get_name() != "help";
    command.get_subcommands().filter(has_page)
}

fn page(command: &Command, path: &str) -> String {
    let name = path.replace(' ', "-");
    let version = format!("electroscope {}", env!("CARGO_PKG_VERSION"));
    let mut roff = Roff::new();
    roff.control(
        "TH",
        [name.as_str(), "1", " ", &version, "Electroscope manual"],
    );
    let about = plain(command.get_about()).unwrap_or_default();
    section(&mut roff, "NAME");
    roff.text([roman(format!("{name} - {about}"))]);
    section(&mut roff, "SYNOPSIS");
    synopsis(&mut roff, command, path);
    section(&mut roff, "DESCRIPTION");
    let description = plain(command.get_long_about()).unwrap_or(about);
    let paragraphs = description.split("\n\n").filter(|text| !text.is_empty());
    for paragraph in paragraphs {
        roff.control("PP", []);
        roff.text([roman(unwrapped(paragraph))]);
    }
    commands(&mut roff, command, path);
    section(&mut roff, "OPTIONS");
    for arg in shown(command) {
        option(&mut roff, arg);
    }
    let end = End::of(&plain(command.get_after_help()).unwrap_or_default());
    section(&mut roff, "EXIT STATUS");
    for (code, meaning) in &end.codes {
        item(&mut roff, [bold(code.as_str())], meaning);
    }
    environment(&mut roff, command);
    files(&mut roff, command);
    if path == "electroscope" || path == "electroscope view" {
        keys(&mut roff);
    }
    if !end.notes.is_empty() {
        section(&mut roff, "NOTES");
        for note in &end.notes {
            self::note(&mut roff, note);
        }
    }
    if !end.examples.is_empty() {
        section(&mut roff, "EXAMPLES");
        verbatim(&mut roff, &end.examples);
    }
    see_also(&mut roff, command, path);
    roff.to_roff()
}

fn section(roff: &mut Roff, title: &str) {
    roff.control("SH", [title]);
}

/// An indented paragraph under its head.
fn item(roff: &mut Roff, head: impl Into<Vec<Inline>>, body: &str) {
    roff.control("TP", []);
    roff.text(head);
    roff.text([roman(unwrapped(body))]);
}

/// Lines that stay as they are.
fn verbatim(roff: &mut Roff, text: &str) {
    roff.control("PP", []);
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// A paragraph, whose indented lines are a name and what is said of it, two blanks apart.
fn note(roff: &mut Roff, text: &str) {
    for line in text.lines() {
        let listed = line.strip_prefix("  ").map(str::trim_start);
        match listed.and_then(|line| line.split_once("  ")) {
            Some((name, about)) => item(roff, [bold(name)], about),
            None => {
                roff.control("PP", []);
                roff.text([roman(unwrapped(line))]);
            }
        }
    }
}

/// The text of something styled, without its styles.
fn plain(text: Option<&clap::builder::StyledStr>) -> Option<String> {
    text.map(ToString::to_string)
}

/// A paragraph on one line: `man` breaks lines where they end.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The arguments that the command shows, positional ones first.
fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_shown = |arg: &&Arg| !arg.is_hide_set();
    let positional = command.get_positionals().filter(is_shown);
    positional.chain(command.get_opts().chain(flags(command)).filter(is_shown))
}

/// The arguments that take no value.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_flag = |arg: &&Arg| !arg.is_positional() && !arg.get_action().takes_values();
    command.get_arguments().filter(is_flag)
}

/// The names of an argument's values: `FORMAT`.
fn values(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    match names.is_empty() {
        true => arg.get_id().as_str().to_uppercase(),
        false => names.join(" "),
    }
}

/// Whether an argument may be given several times.
fn repeats(arg: &Arg) -> bool {
    matches!(arg.get_action(), clap::ArgAction::Append)
        || arg
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1)
}

fn synopsis(roff: &mut Roff, command: &Command, path: &str) {
    let mut parts = vec![bold(path)];
    let mut push = |is_required: bool, repeats: bool, inlines: Vec<Inline>| {
        let (open, close) = if is_required { ("", "") } else { ("[", "]") };
        parts.push(roman(format!(" {open}")));
        parts.extend(inlines);
        parts.push(roman(format!(
            "{close}{}",
            if repeats { "..." } else { "" }
        )));
    };
    let options = shown(command).filter(|arg| !arg.is_positional());
    for arg in options {
        let name = match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => continue,
        };
        let mut inlines = vec![bold(name)];
        if arg.get_action().takes_values() {
            inlines.extend([roman(" "), italic(values(arg))]);
        }
        push(arg.is_required_set(), repeats(arg), inlines);
    }
    for arg in command.get_positionals().filter(|arg| !arg.is_hide_set()) {
        push(
            arg.is_required_set(),
            repeats(arg),
            vec![italic(values(arg))],
        );
    }
    let has_commands = subcommands(command).next().is_some();
    if has_commands && command.is_subcommand_required_set() {
        push(true, false, vec![italic("COMMAND"), roman(" ...")]);
    }
    roff.text(parts);
    if has_commands && !command.is_subcommand_required_set() {
        roff.control("PP", []);
        roff.text([
            bold(path),
            roman(" [OPTIONS] "),
            italic("COMMAND"),
            roman(" ..."),
        ]);
    }
}

fn commands(roff: &mut Roff, command: &Command, path: &str) {
    if subcommands(command).next().is_none() {
        return;
    }
    section(roff, "COMMANDS");
    for below in subcommands(command) {
        let page = format!("{path} {}", below.get_name()).replace(' ', "-");
        let about = plain(below.get_about()).unwrap_or_default();
        item(roff, [bold(page), roman("(1)")], &about);
    }
}

fn option(roff: &mut Roff, arg: &Arg) {
    let mut head = Vec::new();
    if let Some(short) = arg.get_short() {
        head.push(bold(format!("-{short}")));
    }
    if let Some(long) = arg.get_long() {
        if !head.is_empty() {
            head.push(roman(", "));
        }
        head.push(bold(format!("--{long}")));
    }
    if arg.is_positional() {
        head.push(italic(values(arg)));
    } else if arg.get_action().takes_values() {
        head.extend([roman(" "), italic(values(arg))]);
    }
    let help = plain(arg.get_long_help()).or_else(|| plain(arg.get_help()));
    let mut body = help.unwrap_or_default();
    let defaults = arg.get_default_values().iter();
    let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(body, " [default: {}]", defaults.join(" "));
    }
    item(roff, head, &body);
    if arg.is_hide_possible_values_set() || !arg.get_action().takes_values() {
        return;
    }
    let possible = arg.get_possible_values();
    let possible: Vec<_> = possible
        .iter()
        .filter(|value| !value.is_hide_set())
        .collect();
    if possible.iter().all(|value| value.get_help().is_none()) {
        if !possible.is_empty() {
            let names: Vec<&str> = possible.iter().map(|value| value.get_name()).collect();
            roff.control("IP", []);
            roff.text([roman(format!("One of {}.", names.join(", ")))]);
        }
        return;
    }
    roff.control("RS", []);
    for value in possible {
        let help = plain(value.get_help()).unwrap_or_default();
        item(roff, [bold(value.get_name())], &help);
    }
    roff.control("RE", []);
}

/// Whether the command uses the flag.
fn has(command: &Command, id: &str) -> bool {
    shown(command).any(|arg| arg.get_id() == id)
}

fn environment(roff: &mut Roff, command: &Command) {
    /// The variables that other programs read too, each with the flag that it has to do with.
    const OTHERS: [(&str, &str, &str); 10] = [
        (
            "color",
            "NO_COLOR",
            "If it is set and not empty, nothing is coloured.",
        ),
        (
            "color",
            "CLICOLOR_FORCE",
            "If it is set and not 0, pipes and files are coloured too.",
        ),
        (
            "color",
            "COLORTERM",
            "truecolor or 24bit says that the terminal has 24-bit colours.",
        ),
        (
            "theme",
            "VISUAL, EDITOR",
            "What the key e opens a document with.",
        ),
        (
            "offline",
            "HF_HOME",
            "Folder of what Hugging Face programs keep; the cache is hub/ in it.",
        ),
        (
            "offline",
            "HF_HUB_CACHE",
            "Folder of the cache of hub models.",
        ),
        (
            "offline",
            "HF_TOKEN",
            "Token for models that are not public.",
        ),
        ("offline", "HF_ENDPOINT", "Address of the hub."),
        ("offline", "HF_HUB_OFFLINE", "If it is 1, as --offline."),
        (
            "config",
            "XDG_CONFIG_HOME",
            "Folder of the settings, in place of ~/.config.",
        ),
    ];
    let own: Vec<(String, String)> = shown(command)
        .filter_map(|arg| {
            let variable = arg.get_env()?.to_string_lossy().into_owned();
            Some((
                variable,
                format!("As --{}, which beats it.", arg.get_long()?),
            ))
        })
        .collect();
    let others = OTHERS.iter().filter(|(flag, ..)| has(command, flag));
    let others = others.map(|(_, name, help)| ((*name).to_owned(), (*help).to_owned()));
    let all: Vec<_> = own.into_iter().chain(others).collect();
    if all.is_empty() {
        return;
    }
    section(roff, "ENVIRONMENT");
    for (name, help) in all {
        item(roff, [bold(name)], &help);
    }
}

fn files(roff: &mut Roff, command: &Command) {
    const FILES: [(&str, &str, &str); 5] = [
        (
            "config",
            "~/.config/electroscope/config.toml",
            "The settings; a flag and a variable beat them. `electroscope paths --example` prints \
             one with everything explained.",
        ),
        (
            "threshold",
            "~/.config/electroscope/dictionary.txt",
            "Words that are never flagged, one a line; see electroscope-dictionary(1).",
        ),
        (
            "threshold",
            ".electroscope/dictionary.txt",
            "The same for the documents of a project, in their folder or above it.",
        ),
        (
            "theme",
            "~/.local/state/electroscope/",
            "What the screen remembers, and its log with -v.",
        ),
        (
            "offline",
            "~/.cache/huggingface/hub/",
            "Models that were downloaded.",
        ),
    ];
    let used: Vec<_> = FILES
        .iter()
        .filter(|(flag, ..)| has(command, flag))
        .collect();
    if used.is_empty() {
        return;
    }
    section(roff, "FILES");
    for (_, path, help) in used {
        item(roff, [italic(*path)], help);
    }
    roff.control("PP", []);
    roff.text([
        roman("Other systems have other folders: "),
        bold("electroscope paths"),
        roman(" prints them."),
    ]);
}

fn keys(roff: &mut Roff) {
    section(roff, "KEYS");
    for (heading, bindings) in keymap::GROUPS {
        roff.control("SS", [*heading]);
        for binding in *bindings {
            let keys: Vec<String> = binding.keys.split(' ').map(keymap::display).collect();
            item(roff, [bold(keys.join(", "))], binding.help);
        }
    }
}

fn see_also(roff: &mut Roff, command: &Command, path: &str) {
    let above = path
        .rsplit_once(' ')
        .map(|(above, _)| above.replace(' ', "-"));
    let below = subcommands(command);
    let below = below.map(|below| format!("{path} {}", below.get_name()).replace(' ', "-"));
    let pages: Vec<String> = above.into_iter().chain(below).collect();
    if pages.is_empty() {
        return;
    }
    section(roff, "SEE ALSO");
    let mut inlines = Vec::new();
    for (at, page) in pages.into_iter().enumerate() {
        if at > 0 {
            inlines.push(roman(", "));
        }
        inlines.extend([bold(page), roman("(1)")]);
    }
    roff.text(inlines);
}

/// What stands at the end of a command's help, taken apart.
struct End {
    examples: String,
    codes: Vec<(String, String)>,
    notes: Vec<String>,
}

impl End {
    fn of(text: &str) -> End {
        let mut end = End {
            examples: String::new(),
            codes: Vec::new(),
            notes: Vec::new(),
        };
        for paragraph in text.split("\n\n").filter(|text| !text.trim().is_empty()) {
            if let Some(examples) = paragraph.strip_prefix("Examples:\n") {
                end.examples = examples.to_owned();
            } else if let Some(codes) = paragraph.strip_prefix("Exit codes: ") {
                end.codes = exit_codes(codes);
            } else {
                end.notes.push(paragraph.to_owned());
            }
        }
        if end.codes.is_empty() {
            let usual = [
                ("0", "It is done."),
                ("2", "Something failed."),
                ("130", "Ctrl-C."),
            ];
            end.codes = usual
                .map(|(code, text)| (code.into(), text.into()))
                .to_vec();
        }
        end
    }
}

/// Takes `0 nothing, 2 something failed, 130 Ctrl-C` apart: a code begins the text, or stands after a
/// comma.
fn exit_codes(text: &str) -> Vec<(String, String)> {
    let mut codes: Vec<(String, String)> = Vec::new();
    for part in text.trim_end_matches('.').split(", ") {
        let (first, rest) = part.split_once(' ').unwrap_or((part, ""));
        match (first.parse::<u8>(), codes.last_mut()) {
            (Ok(_), _) => codes.push((first.to_owned(), rest.to_owned())),
            (Err(_), Some((_, meaning))) => meaning.extend([", ", part]),
            (Err(_), None) => codes.push((String::new(), part.to_owned())),
        }
    }
    for (_, meaning) in &mut codes {
        meaning.push('.');
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(page: &str) -> Vec<&str> {
        page.lines()
            .filter_map(|line| line.strip_prefix(".SH "))
            .collect()
    }

    #[test]
    fn the_sections_come_in_the_usual_order() {
        let pages = pages(crate::cli::command());
        for page in &pages {
            let usual = [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "COMMANDS",
                "OPTIONS",
                "EXIT STATUS",
                "ENVIRONMENT",
                "FILES",
                "KEYS",
                "NOTES",
                "EXAMPLES",
                "SEE ALSO",
            ];
            let found = sections(&page.text);
            let unquoted: Vec<&str> = found.iter().map(|name| name.trim_matches('"')).collect();
            let wanted: Vec<&str> = (usual.iter().copied())
                .filter(|name| unquoted.contains(name))
                .collect();
            assert_eq!(unquoted, wanted, "{}", page.name);
            for name in [
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "EXIT STATUS",
                "EXAMPLES",
            ] {
                let is_there = unquoted.contains(&name);
                assert!(
                    is_there || name == "EXAMPLES",
                    "{} has no {name}",
                    page.name
                );
            }
        }
        let named = |name: &str| pages.iter().find(|page| page.name == name).unwrap();
        assert!(sections(&named("electroscope").text).contains(&"KEYS"));
        let score = &named("electroscope-score").text;
        assert!(
            score.contains("FORMAT") && !score.contains("KEYS"),
            "{score}"
        );
    }

    #[test]
    fn exit_codes_are_told_apart_and_keep_their_commas() {
        let codes = exit_codes("0 none (or a, or b), 1 some are, 130 Ctrl-C.");
        let wanted = [
            ("0", "none (or a, or b)."),
            ("1", "some are."),
            ("130", "Ctrl-C."),
        ];
        assert_eq!(
            codes,
            wanted.map(|(code, text)| (code.to_owned(), text.to_owned()))
        );
    }
}
