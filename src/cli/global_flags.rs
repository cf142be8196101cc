//! Which commands use which of the flags that may stand anywhere.
//!
//! clap takes such a flag with every command. Here each command's help and completions are cut down
//! to the flags that it uses, and one that it does not use is an error that names the commands which
//! do: a flag that is taken in silence and does nothing misleads.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::catalog::BuiltinHead;
use crate::settings::Lens;
use electroscope_model::Task;

/// The screen, which needs no name.
const SCREEN: &str = "view";

/// The flags by their ids, each with the commands that use it. The name of a group of commands stands
/// for all of them.
const USED_BY: [(&str, &[&str]); 13] = [
    (
        "model",
        &[
            "view",
            "score",
            "fix",
            "lsp",
            "evaluate rtd",
            "evaluate errors",
            "model list",
            "model info",
            "model export",
        ],
    ),
    (
        "head",
        &[
            "view",
            "score",
            "fix",
            "lsp",
            "classify",
            "ask",
            "tag",
            "evaluate classification",
            "evaluate qa",
            "evaluate tagging",
            "evaluate errors",
            "model list",
            "model export",
        ],
    ),
    (
        "revision",
        &[
            "view",
            "score",
            "fix",
            "lsp",
            "classify",
            "ask",
            "tag",
            "finetune",
            "evaluate",
            "model info",
            "model pull",
            "model verify",
            "model export",
        ],
    ),
    ("device", COMPUTING),
    ("precision", COMPUTING),
    ("threads", COMPUTING),
    (
        "window",
        &[
            "view",
            "score",
            "classify",
            "ask",
            "tag",
            "evaluate rtd",
            "model info",
        ],
    ),
    (
        "offline",
        &[
            "view", "score", "fix", "lsp", "classify", "ask", "tag", "finetune", "evaluate",
            "model",
        ],
    ),
    (
        "config",
        &[
            "view",
            "score",
            "fix",
            "lsp",
            "classify",
            "ask",
            "tag",
            "finetune",
            "pretrain",
            "evaluate",
            "model",
            "completions",
            "paths",
        ],
    ),
    (
        "color",
        &[
            "view",
            "score",
            "fix",
            "classify",
            "ask",
            "tag",
            "evaluate rtd",
        ],
    ),
    // Each command keeps the promise of --quiet: it prints nothing but results and errors.
    (
        "quiet",
        &[
            "view",
            "score",
            "fix",
            "lsp",
            "classify",
            "ask",
            "tag",
            "finetune",
            "pretrain",
            "evaluate",
            "model",
            "dictionary",
            "completions",
            "man",
            "paths",
        ],
    ),
    ("verbose", LOGGING),
    (
        "log",
        &[
            "view", "score", "fix", "lsp", "classify", "ask", "tag", "finetune", "pretrain",
            "evaluate", "model", "paths",
        ],
    ),
];

/// The commands that compute.
const COMPUTING: &[&str] = &[
    "view",
    "score",
    "fix",
    "lsp",
    "classify",
    "ask",
    "tag",
    "finetune",
    "pretrain",
    "evaluate",
    "model info",
];

/// The commands that write a log.
const LOGGING: &[&str] = &[
    "view", "score", "fix", "lsp", "classify", "ask", "tag", "finetune", "pretrain", "evaluate",
    "model",
];

/// The commands that use the flag `id`.
fn used_by(id: &str) -> &'static [&'static str] {
    let row = USED_BY.iter().find(|(flag, _)| *flag == id);
    row.map_or(&[], |(_, commands)| commands)
}

/// Whether `command` uses the flag `id`. A group does if one of its commands does.
fn uses(command: &str, id: &str) -> bool {
    let within = |whole: &str, part: &str| {
        let rest = whole.strip_prefix(part);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    (used_by(id).iter()).any(|used| within(command, used) || within(used, command))
}

/// The name of a head and what it does, for completions.
pub(super) type HeadName = (String, Task);

/// The command line, in which each command shows only the flags that it uses.
pub(super) fn tailored(root: Command) -> Command {
    let named = &[];
    let flags: Vec<Arg> = (root.get_arguments())
        .filter(|arg| arg.is_global_set())
        .cloned()
        .collect();
    let root = root.mut_arg("head", |arg| offering(arg, "", named));
    root.mut_subcommands(|command| {
        let path = command.get_name().to_owned();
        cut_down(command, &path, &flags, named)
    })
}

/// The same for completions, which offer hidden flags too: each command has only the flags that it
/// uses, and `--head` offers the heads of the command's task, those that are built in and `named`.
pub(super) fn for_completions(root: Command, named: &[HeadName]) -> Command {
    let flags: Vec<Arg> = (root.get_arguments())
        .filter(|arg| arg.is_global_set())
        .map(|flag| flag.clone().global(false))
        .collect();
    let root = root.mut_args(|arg| arg.global(false));
    let root = root.mut_arg("head", |arg| offering(arg, "", named));
    root.mut_subcommands(|command| {
        let path = command.get_name().to_owned();
        with_used(command, &path, &flags, named)
    })
}

/// Gives the command with this path the flags that it uses, and so those below it.
fn with_used(command: Command, path: &str, flags: &[Arg], named: &[HeadName]) -> Command {
    let used = flags
        .iter()
        .filter(|flag| uses(path, flag.get_id().as_str()));
    let used = used.cloned().map(|flag| match flag.get_id().as_str() {
        "head" => offering(flag, path, named),
        _ => flag,
    });
    let command = command.args(used);
    command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        with_used(below, &path, flags, named)
    })
}

/// Cuts down the flags of the command with this path, and of those below it.
fn cut_down(command: Command, path: &str, flags: &[Arg], named: &[HeadName]) -> Command {
    let own = flags.iter().cloned().map(|flag| {
        let id = flag.get_id().as_str().to_owned();
        let flag = match id.as_str() {
            "head" => offering(flag, path, named),
            _ => flag,
        };
        flag.hide(!uses(path, &id))
    });
    let command = command.args(own);
    command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        cut_down(below, &path, flags, named)
    })
}

/// `--head` with the names that the command with this path takes.
fn offering(arg: Arg, path: &str, named: &[HeadName]) -> Arg {
    let task = match path.rsplit(' ').next().unwrap_or_default() {
        "classify" | "classification" => Some(Task::Classification),
        "ask" | "qa" => Some(Task::QuestionAnswering),
        "tag" | "tagging" | "score" | "fix" | "lsp" | "errors" => Some(Task::Tagging),
        _ => None,
    };
    let built_in = BuiltinHead::all().iter().map(|head| (head.id(), head.task));
    let names = built_in.chain(named.iter().cloned());
    let names = names.filter(|(_, of)| task.is_none_or(|task| task == *of));
    let names = names.map(|(name, _)| name).collect();
    // The help says what else it takes.
    arg.value_parser(HeadNames(names))
        .hide_possible_values(true)
}

/// Takes any text, and offers some.
#[derive(Clone)]
struct HeadNames(Vec<String>);

impl TypedValueParser for HeadNames {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().cloned().map(PossibleValue::new)))
    }
}

/// Refuses a flag that was typed and that the command does not use.
pub(super) fn check(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let mut path: Vec<&str> = Vec::new();
    let mut below = matches;
    while let Some((name, matches)) = below.subcommand() {
        path.push(name);
        below = matches;
    }
    let path = match path.is_empty() {
        true => SCREEN.to_owned(),
        false => path.join(" "),
    };
    // A variable is meant for whatever command it is of use to.
    let is_typed = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    for (id, commands) in USED_BY {
        if is_typed(id) && !uses(&path, id) {
            let message = format!(
                "--{id} does nothing for `electroscope {path}`; these commands use it: {}",
                commands.join(", ")
            );
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
    }
    if path == "score" || path == "fix" {
        // Suggestions are the discriminator's, whatever the lens.
        let suggests =
            path == "fix" || below.get_flag("only_verified") || below.contains_id("suggest");
        let lens = below.get_one::<Lens>("lens").copied().unwrap_or_default();
        let message = match lens {
            Lens::Replaced if is_typed("head") => format!(
                "--head does nothing for `electroscope {path}` without --lens errors: the head marks \
                 errors, and --model says which discriminator looks for replaced words"
            ),
            Lens::Errors if is_typed("model") && !suggests => {
                "--model does nothing for `electroscope score --lens errors`: it is the discriminator, \
                 which looks for replaced words; --head says which head marks errors"
                    .to_owned()
            }
            Lens::Replaced | Lens::Errors => return Ok(()),
        };
        return Err(command.error(ErrorKind::ArgumentConflict, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse;
    use std::ffi::OsString;

    /// Each command that does something, with arguments that it cannot do without.
    const COMMANDS: [(&str, &[&str]); 27] = [
        ("view", &[]),
        ("score", &[]),
        ("fix", &["x.md"]),
        ("lsp", &[]),
        ("classify", &[]),
        ("ask", &["Who?"]),
        ("tag", &[]),
        (
            "finetune classification",
            &["--train", "x.csv", "--out", "x"],
        ),
        ("finetune qa", &["--train", "x.json", "--out", "x"]),
        ("finetune tagging", &["--train", "x.conll", "--out", "x"]),
        (
            "finetune evidence",
            &["--train", "x.jsonl", "--clean", "y.jsonl", "--out", "x"],
        ),
        ("pretrain", &["x.txt", "--out", "x"]),
        ("evaluate classification", &["x.csv"]),
        ("evaluate qa", &["x.json"]),
        ("evaluate tagging", &["x.conll"]),
        ("evaluate rtd", &["x.txt"]),
        ("evaluate errors", &["x.jsonl"]),
        ("model list", &[]),
        ("model info", &[]),
        ("model pull", &["x/y"]),
        ("model verify", &[]),
        ("model export", &["x"]),
        ("dictionary add", &["x"]),
        ("dictionary remove", &["x"]),
        ("dictionary list", &[]),
        ("completions", &["bash"]),
        ("man", &[]),
    ];

    /// A value that the flag takes.
    fn value(id: &str) -> Option<&'static str> {
        match id {
            "threads" => Some("2"),
            "window" => Some("64"),
            "color" => Some("never"),
            "offline" | "quiet" | "verbose" => None,
            _ => Some("x"),
        }
    }

    fn tried(command: &str, needed: &[&str], id: &str, is_before: bool) -> Result<(), String> {
        let flag: Vec<String> = [Some(format!("--{id}")), value(id).map(str::to_owned)]
            .into_iter()
            .flatten()
            .collect();
        let mut line: Vec<String> = vec!["electroscope".to_owned()];
        let words = command.split(' ').map(str::to_owned);
        let needed = needed.iter().map(|&word| word.to_owned());
        if is_before {
            line.extend(flag.clone());
        }
        line.extend(words);
        line.extend(needed);
        if !is_before {
            line.extend(flag);
        }
        if ["score", "fix"].contains(&command) && id == "head" {
            line.extend(["--lens", "errors"].map(str::to_owned));
        }
        let parsed = parse(line.into_iter().map(OsString::from));
        parsed.map(drop).map_err(|err| err.to_string())
    }

    #[test]
    fn every_command_takes_the_flags_that_it_uses_and_no_others() {
        let paths = ("paths", [].as_slice());
        for (command, needed) in COMMANDS.into_iter().chain([paths]) {
            for (id, commands) in USED_BY {
                for is_before in [true, false] {
                    let said = tried(command, needed, id, is_before);
                    if uses(command, id) {
                        assert_eq!(said, Ok(()), "{command} --{id}");
                        continue;
                    }
                    let said = said.expect_err(&format!("{command} --{id} was taken"));
                    assert!(said.contains(&format!("--{id} does nothing")), "{said}");
                    assert!(said.contains(&commands.join(", ")), "{said}");
                }
            }
        }
    }

    #[test]
    fn the_table_has_every_flag_and_every_command_and_nothing_else() {
        fn leaves(command: &Command, path: &str, found: &mut Vec<String>) {
            for below in command.get_subcommands() {
                let path = format!("{path} {}", below.get_name());
                match below.has_subcommands() {
                    true => leaves(below, &path, found),
                    false => found.push(path.trim().to_owned()),
                }
            }
        }
        let root = crate::cli::command();
        let mut flags: Vec<&str> = (root.get_arguments())
            .filter(|arg| arg.is_global_set())
            .map(|arg| arg.get_id().as_str())
            .collect();
        let mut listed: Vec<&str> = USED_BY.iter().map(|(id, _)| *id).collect();
        flags.sort_unstable();
        listed.sort_unstable();
        assert_eq!(flags, listed);
        let mut commands = Vec::new();
        leaves(&root, "", &mut commands);
        let mut tested: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
        tested.push("paths");
        tested.sort_unstable();
        commands.sort();
        assert_eq!(commands, tested);
        for (id, used_by) in USED_BY {
            for name in used_by {
                let is_there =
                    |command: &&str| *command == *name || command.starts_with(&format!("{name} "));
                assert!(tested.iter().any(is_there), "{id}: {name}");
            }
        }
    }

    #[test]
    fn the_help_of_a_command_shows_the_flags_that_it_uses() {
        let mut root = crate::cli::command();
        root.build();
        let paths = root.find_subcommand_mut("paths").unwrap();
        let help = paths.render_long_help().to_string();
        assert!(
            help.contains("--config") && !help.contains("--model"),
            "{help}"
        );
    }

    #[test]
    fn a_flag_that_the_lens_does_not_use_is_refused() {
        let said = |line: &str| {
            let words = line.split(' ').map(OsString::from);
            parse(words).map(drop).map_err(|err| err.to_string())
        };
        assert_eq!(said("electroscope score --lens errors --head x"), Ok(()));
        assert_eq!(said("electroscope score --model x"), Ok(()));
        let err = said("electroscope score --head x").unwrap_err();
        assert!(err.contains("without --lens errors"), "{err}");
        let err = said("electroscope --model x score --lens errors").unwrap_err();
        assert!(err.contains("--head says which"), "{err}");
    }
}
