//! Which lines of a file have changed since a revision, as `git` says.
//!
//! `git` is asked about the working tree, which is what the documents are read from. A file that it
//! does not track at that revision is new, and so is each of its lines. Settings of the repository
//! that would run programs for this (a file system monitor, external diffs, text conversion) are
//! switched off; its clean filters run, for without them every filtered file would look changed.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

use crate::report::ChangedLines;

/// What has changed since one revision, asked for repository by repository.
pub(super) struct Changes {
    revision: String,
    /// The repository of each folder that was asked about.
    folders: HashMap<PathBuf, PathBuf>,
    repositories: HashMap<PathBuf, Repository>,
}

/// What is known of one repository.
struct Repository {
    /// The commit that the revision stands for there.
    commit: String,
    /// Files that are not as they were at the commit, relative to the top folder.
    changed: HashSet<PathBuf>,
    /// Files that `git` knows, relative to the top folder.
    tracked: HashSet<PathBuf>,
}

impl Changes {
    /// Changes since `revision`: a commit, a branch, a tag, or whatever else `git` takes for one.
    pub(super) fn since(revision: &str) -> Changes {
        Changes {
            revision: revision.to_owned(),
            folders: HashMap::new(),
            repositories: HashMap::new(),
        }
    }

    /// The lines of `file` that have changed, counted from 1; none if all of them have.
    ///
    /// # Errors
    ///
    /// Without `git`, outside a repository, and for a revision that the repository does not have.
    pub(super) fn lines(&mut self, file: &Path) -> anyhow::Result<Option<ChangedLines>> {
        let file = std::path::absolute(file)
            .with_context(|| format!("cannot find the folder of {}", file.display()))?;
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            bail!("{} is no file", file.display());
        };
        // Links in the folder's path are followed, as `git` does it; the file itself may be one.
        let folder = std::fs::canonicalize(folder)
            .with_context(|| format!("cannot find the folder {}", folder.display()))?;
        let file = folder.join(name);
        let top = self.top(&folder)?;
        let repository = self.repository(&top)?;
        let within = file.strip_prefix(&top).unwrap_or(&file);
        if !repository.tracked.contains(within) {
            return Ok(None);
        }
        if !repository.changed.contains(within) {
            return Ok(Some(ChangedLines::default()));
        }
        let arguments = ["diff", "--unified=0", "--no-color", "--no-ext-diff"];
        let more = ["--no-textconv", &repository.commit, "--"];
        let mut command = git(&top);
        command.args(arguments).args(more).arg(within);
        Ok(hunks(&finish(command, &top)?))
    }

    /// The top folder of the repository that `folder` is in.
    fn top(&mut self, folder: &Path) -> anyhow::Result<PathBuf> {
        if let Some(top) = self.folders.get(folder) {
            return Ok(top.clone());
        }
        let mut command = git(folder);
        let output = output(command.args(["rev-parse", "--show-toplevel"]))?;
        if !output.status.success() {
            let said = complaint(&output);
            if said.contains("not a git repository") {
                bail!(
                    "--since asks git for changed lines, but {} is in no git repository",
                    folder.display()
                );
            }
            bail!(
                "git cannot say which repository {} is in: {said}",
                folder.display()
            );
        }
        let top = path(output.stdout.trim_ascii_end());
        let top = std::fs::canonicalize(&top).unwrap_or(top);
        self.folders.insert(folder.to_owned(), top.clone());
        Ok(top)
    }

    /// What is known of the repository with this top folder.
    fn repository(&mut self, top: &Path) -> anyhow::Result<&Repository> {
        if !self.repositories.contains_key(top) {
            let repository = Repository::open(top, &self.revision)?;
            self.repositories.insert(top.to_owned(), repository);
        }
        (self.repositories.get(top)).context("a repository is known once it was opened")
    }
}

impl Repository {
    fn open(top: &Path, revision: &str) -> anyhow::Result<Repository> {
        let mut command = git(top);
        command.args(["rev-parse", "--verify", "--quiet", "--end-of-options"]);
        command.arg(format!("{revision}^{{commit}}"));
        let output = output(&mut command)?;
        if !output.status.success() {
            bail!(
                "the git repository {} has no revision {revision:?}",
                top.display()
            );
        }
        let commit = String::from_utf8_lossy(output.stdout.trim_ascii_end()).into_owned();
        let mut command = git(top);
        command.args(["diff", "--name-only", "--no-ext-diff", "-z", &commit, "--"]);
        let changed = paths(&finish(command, top)?);
        let mut command = git(top);
        command.args(["ls-files", "-z"]);
        let tracked = paths(&finish(command, top)?);
        Ok(Repository {
            commit,
            changed,
            tracked,
        })
    }
}

/// `git` in `folder`, which writes nothing and starts no program that the repository names.
fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args(["-c", "core.fsmonitor=false", "-c", "diff.noprefix=false"])
        .env("GIT_OPTIONAL_LOCKS", "0")
        // Its messages are looked at.
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> anyhow::Result<Output> {
    match command.output() {
        Ok(output) => Ok(output),
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            bail!("--since asks git for changed lines, but there is no program git in PATH")
        }
        Err(err) => Err(err).context("cannot run git"),
    }
}

/// What `command` writes, if it succeeds.
fn finish(mut command: Command, top: &Path) -> anyhow::Result<Vec<u8>> {
    let output = output(&mut command)?;
    if !output.status.success() {
        let said = complaint(&output);
        bail!("git failed in {}: {said}", top.display());
    }
    Ok(output.stdout)
}

/// The first line of what `git` complained of.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let first = text.lines().next().unwrap_or("it did not say why");
    first.strip_prefix("fatal: ").unwrap_or(first).to_owned()
}

/// Paths that NUL bytes end.
fn paths(bytes: &[u8]) -> HashSet<PathBuf> {
    let parts = bytes.split(|&byte| byte == 0);
    parts.filter(|part| !part.is_empty()).map(path).collect()
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::new(&*String::from_utf8_lossy(bytes)))
}

/// The lines that a diff without context adds; none if the diff does not go by lines.
fn hunks(diff: &[u8]) -> Option<ChangedLines> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut is_by_lines = false;
    for line in diff.split(|&byte| byte == b'\n') {
        let Some(head) = line.strip_prefix(b"@@ ") else {
            continue;
        };
        is_by_lines = true;
        ranges.extend(added(&String::from_utf8_lossy(head)));
    }
    // Files that hold NUL bytes, such as UTF-16, differ as a whole.
    (is_by_lines || !contains(diff, b"Binary files ")).then(|| ChangedLines::new(ranges))
}

/// The lines that a hunk adds, from its head without the first `@@`: `-3,2 +3,4 @@ …`.
fn added(head: &str) -> Option<Range<usize>> {
    let added = head.split(' ').find_map(|part| part.strip_prefix('+'))?;
    let (first, count) = added.split_once(',').unwrap_or((added, "1"));
    let (first, count): (usize, usize) = (first.parse().ok()?, count.parse().ok()?);
    (count > 0).then(|| first..first + count)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_a_diff_adds_are_those_of_the_new_file() {
        let diff =
            b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n@@ -4,2 +3,0 @@ c\n-d\n@@ -9,0 +7,3 @@\n+e\n";
        let lines = hunks(diff).unwrap();
        let found: Vec<usize> = (0..12).filter(|&line| lines.contain(line)).collect();
        assert_eq!(found, [1, 7, 8, 9]);
    }

    #[test]
    fn of_a_file_that_differs_as_a_whole_all_lines_have_changed() {
        assert_eq!(hunks(b"Binary files a/x and b/x differ\n"), None);
        assert_eq!(hunks(b"old mode 100644\n"), Some(ChangedLines::default()));
    }
}
