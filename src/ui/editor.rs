//! The user's editor, and how it is told where to begin.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// The command line of the user's editor: `$VISUAL`, else `$EDITOR`, else `vi`.
pub(super) fn choose(variable: impl Fn(&str) -> Option<OsString>) -> String {
    ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| variable(name)?.into_string().ok())
        .find(|command| !command.trim().is_empty())
        .unwrap_or_else(|| "vi".to_owned())
}

/// The command that opens `path` at `line` and `column`, both from 1, in the editor whose command
/// line is `editor`.
///
/// The editor is given an absolute path: to many editors, vi and ed among them, a name that begins
/// with `+`, `-` or `!` is a command to run, and few take `--` before it.
///
/// # Errors
///
/// A command line that cannot be taken apart, or a path that cannot be made absolute.
pub(super) fn command(
    editor: &str,
    path: &Path,
    line: usize,
    column: usize,
) -> Result<Command, String> {
    let words = shell_words::split(editor)
        .map_err(|err| format!("cannot understand the editor's command {editor:?}: {err}"))?;
    let (program, given) = words
        .split_first()
        .ok_or_else(|| "$VISUAL and $EDITOR name no editor".to_owned())?;
    let mut command = Command::new(program);
    command.args(given);
    let path = &std::path::absolute(path)
        .map_err(|err| format!("cannot tell where {} is: {err}", path.display()))?;
    let name = Path::new(program)
        .file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let with_place = || {
        let mut place = path.as_os_str().to_owned();
        place.push(format!(":{line}:{column}"));
        place
    };
    match name.as_str() {
        "vim" | "nvim" | "gvim" | "mvim" => {
            command.arg(format!("+call cursor({line},{column})"));
            command.arg("--").arg(path);
        }
        "hx" | "helix" | "zed" | "subl" | "lapce" | "flow" => {
            command.arg(with_place());
        }
        "code" | "codium" | "cursor" | "code-insiders" => {
            command.args(["--wait", "--goto"]).arg(with_place());
        }
        "kak" => {
            command.arg(format!("+{line}:{column}")).arg("--").arg(path);
        }
        "emacs" | "emacsclient" => {
            command.arg(format!("+{line}:{column}")).arg(path);
        }
        "nano" | "pico" => {
            command.arg(format!("+{line},{column}")).arg(path);
        }
        "micro" => {
            command.arg(format!("+{line}:{column}")).arg(path);
        }
        "ed" | "cat" => {
            command.arg(path);
        }
        // What vi and nearly every editor after it understand.
        _ => {
            command.arg(format!("+{line}")).arg(path);
        }
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the command that opens `path`, what stands for its folder being called HERE.
    fn words(editor: &str, path: &str) -> Vec<String> {
        let here = format!("{}/", std::env::current_dir().unwrap().display());
        let command = command(editor, Path::new(path), 3, 14).unwrap();
        [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .map(|word| word.to_string_lossy().replace(&here, "HERE/"))
            .collect()
    }

    #[test]
    fn each_editor_is_told_the_place_in_its_own_way() {
        let line = |editor| words(editor, "my notes.md").join("|");
        assert_eq!(line("vim"), "vim|+call cursor(3,14)|--|HERE/my notes.md");
        assert_eq!(line("/usr/bin/hx"), "/usr/bin/hx|HERE/my notes.md:3:14");
        assert_eq!(
            line("code -n"),
            "code|-n|--wait|--goto|HERE/my notes.md:3:14"
        );
        assert_eq!(
            line("emacsclient -t"),
            "emacsclient|-t|+3:14|HERE/my notes.md"
        );
        assert_eq!(line("'my editor' -x"), "my editor|-x|+3|HERE/my notes.md");
    }

    /// Editors that [`command`] knows, and two that it does not.
    const EDITORS: [&str; 26] = [
        "vi",
        "vim",
        "nvim",
        "gvim",
        "mvim",
        "hx",
        "helix",
        "zed",
        "subl",
        "lapce",
        "flow",
        "code",
        "codium",
        "cursor",
        "code-insiders",
        "kak",
        "emacs",
        "emacsclient",
        "nano",
        "pico",
        "micro",
        "ed",
        "cat",
        "ex",
        "joe",
        "sh script.sh",
    ];

    #[test]
    fn no_editor_can_take_the_name_of_a_file_for_an_option_or_a_command() {
        let names = [
            "+!touch pwned; .md",
            "-c!touch pwned; .md",
            "!touch pwned; .md",
            "--eval=(shell-command \"touch pwned\") ;.md",
            "--cmd",
            "-",
            "scp:/host/x.md",
        ];
        for editor in EDITORS {
            for name in names {
                let words = words(editor, name);
                // Besides the path there is only what the user and this module wrote.
                let with_name: Vec<_> = (words.iter())
                    .filter(|word| word.contains(name) && !editor.contains(word.as_str()))
                    .filter(|word| name != "-" || word.starts_with("HERE/"))
                    .collect();
                let [path] = with_name.as_slice() else {
                    panic!("{editor} {name}: {words:?}");
                };
                assert!(path.starts_with("HERE/"), "{editor} {name}: {words:?}");
                assert!(!words.contains(&name.to_owned()), "{editor} {name}");
            }
        }
    }

    #[test]
    fn visual_beats_editor_and_vi_is_the_last_resort() {
        let set = |pairs: &'static [(&str, &str)]| {
            choose(move |name| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.into())
            })
        };
        assert_eq!(set(&[("VISUAL", "hx"), ("EDITOR", "ed")]), "hx");
        assert_eq!(set(&[("VISUAL", " "), ("EDITOR", "nano")]), "nano");
        assert_eq!(set(&[]), "vi");
    }

    #[test]
    fn a_command_line_that_makes_no_sense_is_refused() {
        assert!(command("vim '", Path::new("x"), 1, 1).is_err());
        assert!(command("  ", Path::new("x"), 1, 1).is_err());
    }
}
