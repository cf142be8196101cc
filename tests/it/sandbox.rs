//! A home of its own for the program under test: no settings, no cache and no variable of whoever
//! runs the tests reaches it, and it has no network.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An address where nobody listens.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9";

/// A folder that is home, settings and cache to every command run in it; gone when it is dropped.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Its exit code; -1 if a signal ended it.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) out: String,
    /// What it complained of.
    pub(crate) err: String,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        Sandbox {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One with these files in it.
    pub(crate) fn with_files(files: &[(&str, &str)]) -> Sandbox {
        let here = Sandbox::new();
        for (path, text) in files {
            here.write(path, text.as_bytes());
        }
        here
    }

    /// Writes a file, and makes the folders above it.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The folder; commands run in it.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The cache of hub models.
    pub(crate) fn cache(&self) -> PathBuf {
        self.path().join("home/.cache/huggingface/hub")
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.prepare(Path::new(env!("CARGO_BIN_EXE_electroscope")));
        command.args(arguments);
        command
    }

    /// The program with these arguments, ended by the system when it asks for more than 128 MB of
    /// memory, the files included that it reads, or works for more than a second. Only Linux can do
    /// both; elsewhere there are no limits.
    pub(crate) fn command_within_limits(&self, arguments: &[&str]) -> Command {
        if !cfg!(target_os = "linux") {
            return self.command(arguments);
        }
        let mut command = self.prepare(Path::new("/bin/sh"));
        let script = "ulimit -d 131072 && ulimit -t 1 && exec \"$0\" \"$@\"";
        // Each thread has a stack, and a machine may have many cores.
        command
            .env("RAYON_NUM_THREADS", "2")
            .args(["-c", script, env!("CARGO_BIN_EXE_electroscope")])
            .args(arguments);
        command
    }

    /// The program as somebody whom the permissions of files bind: not as root.
    #[cfg(unix)]
    pub(crate) fn command_bound_by_permissions(&self) -> Command {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::CommandExt;
        let locked = self.path().join("locked");
        std::fs::create_dir(&locked).unwrap();
        std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o555)).unwrap();
        if std::fs::create_dir(locked.join("probe")).is_err() {
            return self.command(&[]);
        }
        // Root may keep the program where nobody else may look.
        let program = self.path().join("electroscope");
        std::fs::copy(env!("CARGO_BIN_EXE_electroscope"), &program).unwrap();
        std::fs::set_permissions(self.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = self.prepare(&program);
        command.uid(65_534).gid(65_534);
        command
    }

    /// A line for the shell, run in the folder; its home is that of the program.
    #[cfg(unix)]
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = self.prepare(Path::new("/bin/sh"));
        command.args(["-c", line]);
        for folder in [
            ".local/share/bash-completion/completions",
            ".zfunc",
            ".config/fish/completions",
            ".config/electroscope",
        ] {
            // Where shells look for completions, and a user has made them.
            let _ = std::fs::create_dir_all(self.path().join("home").join(folder));
        }
        command
    }

    fn prepare(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_uppercase();
            let is_ours = [
                "HF_",
                "HUGGING",
                "ELECTROSCOPE_",
                "XDG_",
                "TRANSFORMERS_",
                "CLICOLOR",
            ]
            .iter()
            .any(|start| text.starts_with(start));
            if is_ours || text.ends_with("_PROXY") || text == "NO_COLOR" {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.path())
            .env("HOME", self.path().join("home"))
            .env("USERPROFILE", self.path().join("home"))
            // Where nobody listens, so that a test that forgets its hub cannot reach a real one.
            .env("HF_ENDPOINT", NOWHERE)
            // What machines without instructions for eight bits compute in, so that all say the same.
            .env("ELECTROSCOPE_PRECISION", "f32")
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.outcome(self.command(arguments).output().unwrap())
    }

    /// What came of a command, with the sandbox's own folder called `HERE`, and without the names of
    /// the instructions that this machine has.
    pub(crate) fn outcome(&self, output: Output) -> Outcome {
        let path = regex::Regex::new(r"fused, [^()]+, \d+ threads?").unwrap();
        let text = |bytes| {
            let text = String::from_utf8(bytes).unwrap();
            let text = text.replace(&self.path().display().to_string(), "HERE");
            path.replace_all(&text, "fused, INSTRUCTIONS, THREADS")
                .into_owned()
        };
        Outcome {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}
