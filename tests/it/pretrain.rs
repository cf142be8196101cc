//! `electroscope pretrain` as a script and a person see it.

use std::fs;
#[cfg(unix)]
use std::io::{BufRead, BufReader, Lines};
use std::process::Command;
#[cfg(unix)]
use std::process::{Child, ChildStderr, Stdio};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// Sizes that a test can wait for.
const TINY: &str = "--layers 2 --hidden 16 --embedding 8 --generator-hidden 0.5 --dropout 0 \
    --vocab-size 80 --max-seq-length 24 --batch-size 4 --learning-rate 5e-3";

/// A sandbox with a text in `text/`.
fn home() -> Sandbox {
    let here = Sandbox::new();
    fs::create_dir(here.path().join("text")).unwrap();
    let (nouns, verbs) = (["boat", "bridge", "river"], ["waits", "opens", "turns"]);
    let mut text = String::new();
    for document in 0..60usize {
        for line in 0..4 {
            let noun = nouns[(document + line) % 3];
            let verb = verbs[(document * 7 + line) % 3];
            text += &format!("The {noun} {verb} by the {}.\n", nouns[document % 3]);
        }
        text.push('\n');
    }
    fs::write(here.path().join("text/a.txt"), text).unwrap();
    here
}

/// The command with these arguments, parted by white space.
fn command(here: &Sandbox, arguments: &str) -> Command {
    let mut command = here.command(&["pretrain", "--threads", "1"]);
    // A usage error lists what a variable says as if it had been given.
    command.env_remove("ELECTROSCOPE_PRECISION");
    command.args(arguments.split_whitespace());
    command
}

#[test]
fn a_model_is_trained_and_can_be_used_at_once() {
    let here = home();
    let output = command(&here, &format!("{TINY} --steps 12 --out tiny text")).output();
    let outcome = here.outcome(output.unwrap());
    assert_eq!(outcome.code, 0, "{outcome:?}");
    // Standard output has the numbers, for scripts.
    let names: Vec<&str> = (outcome.out.lines())
        .map(|line| line.split('\t').next().unwrap())
        .collect();
    insta::assert_snapshot!(names.join(" "), @"steps disc_auc disc_accuracy disc_precision disc_recall disc_loss masked_lm_accuracy sampled_masked_lm_accuracy masked_lm_loss");
    // Standard error tells its course in plain lines, for it is no terminal.
    assert!(outcome.err.contains("step 1/12  loss "), "{}", outcome.err);
    assert!(
        outcome.err.contains("step 12  disc_auc "),
        "{}",
        outcome.err
    );
    assert!(!outcome.err.contains('\x1b'), "{:?}", outcome.err);

    fs::write(
        here.path().join("note.txt"),
        "The boat waits by the river.\n",
    )
    .unwrap();
    let scored = here.run(&[
        "score",
        "--model",
        "tiny/discriminator",
        "--format",
        "json",
        "--exit-zero",
        "note.txt",
    ]);
    assert_eq!(scored.code, 0, "{scored:?}");
    let report: Value = serde_json::from_str(&scored.out).unwrap();
    assert_eq!(report["documents"][0]["summary"]["words"], 7);
    let training = fs::read(here.path().join("tiny/training.json")).unwrap();
    let training: Value = serde_json::from_slice(&training).unwrap();
    assert_eq!(
        (
            training["steps"].as_u64(),
            training["settings"]["seed"].as_u64()
        ),
        (Some(12), Some(1))
    );
    let log = fs::read_to_string(here.path().join("tiny/log.csv")).unwrap();
    let columns: Vec<usize> = log.lines().map(|row| row.split(',').count()).collect();
    assert!(
        columns.len() > 10 && columns.iter().all(|&count| count == 18),
        "{log}"
    );
}

/// A training that runs, once it has told of its first step.
#[cfg(unix)]
struct Running {
    child: Child,
    told: Lines<BufReader<ChildStderr>>,
}

#[cfg(unix)]
impl Running {
    fn start(mut command: Command) -> Running {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        // Once it tells of a step it listens; it may be done with some more before a signal comes.
        told.find(|line| line.as_ref().unwrap().contains("step 1/"))
            .unwrap()
            .unwrap();
        Running { child, told }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code, and what else it told.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let rest = self.told.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

#[cfg(unix)]
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[cfg(unix)]
#[test]
fn a_training_that_a_signal_interrupts_goes_on_to_the_same_models() {
    let here = home();
    let weights = |out: &str| {
        let path = here
            .path()
            .join(out)
            .join("discriminator/model.safetensors");
        fs::read(path).unwrap()
    };
    let whole = command(&here, &format!("{TINY} --steps 40 --out whole text")).output();
    assert!(whole.unwrap().status.success());
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let out = format!("parts{signal}");
        let training = Running::start(command(
            &here,
            &format!("{TINY} --steps 40 --out {out} text"),
        ));
        training.signal(signal);
        let (ended, rest) = training.end();
        if !here.path().join(&out).join("discriminator").exists() {
            assert_eq!(ended, Some(code), "{rest:?}");
            let last = rest.last().unwrap();
            let wanted = format!("go on with: electroscope pretrain --resume {out}");
            assert!(last.contains(&wanted), "{last}");
            let output = command(&here, &format!("--resume {out}")).output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{err}");
        }
        assert!(weights(&out) == weights("whole"), "the two differ");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_that_is_ignored_does_not_stop_a_training() {
    let here = home();
    let mut shell = here.shell("trap '' HUP; exec \"$0\" \"$@\"");
    shell.env_remove("ELECTROSCOPE_PRECISION");
    shell.args([
        env!("CARGO_BIN_EXE_electroscope"),
        "pretrain",
        "--threads",
        "1",
    ]);
    shell.args(format!("{TINY} --steps 200 --out out text").split_whitespace());
    let training = Running::start(shell);
    training.signal("-HUP");
    let (ended, rest) = training.end();
    assert_eq!(ended, Some(0), "{rest:?}");
}

#[cfg(unix)]
#[test]
fn a_second_training_in_the_same_folder_is_refused_until_the_first_ends() {
    let here = home();
    let arguments = format!("{TINY} --steps 1000000 --out out text");
    let training = Running::start(command(&here, &arguments));
    let id = training.child.id();
    let refused = here.outcome(command(&here, "--resume out").output().unwrap());
    assert_eq!(refused.code, 2, "{refused:?}");
    let at = refused.err.find("error:").unwrap();
    assert_eq!(
        refused.err[at..].replace(&id.to_string(), "ID"),
        "error: out is in use: another training (process ID) writes into it; wait until it ends or stop \
         it, or name another folder\n"
    );
    // However it ends.
    training.signal("-KILL");
    assert_eq!(training.end().0, None);
    let refused = here.outcome(command(&here, "--resume out").output().unwrap());
    assert!(refused.err.contains("no saved training"), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn a_training_is_not_resumed_with_another_text_or_from_a_damaged_state() {
    let here = home();
    let arguments = format!("{TINY} --steps 1000000 --eval eval.txt --out out text");
    let (text, eval) = (here.path().join("text/a.txt"), here.path().join("eval.txt"));
    fs::write(&eval, "The boat waits by the river.\n").unwrap();
    let training = Running::start(command(&here, &arguments));
    training.signal("-TERM");
    assert_eq!(training.end().0, Some(143));
    let refusal = || {
        let outcome = here.outcome(command(&here, "--resume out").output().unwrap());
        assert_eq!(outcome.code, 2, "{outcome:?}");
        let at = outcome.err.find("error:").unwrap();
        let step = regex::Regex::new(r"step-\d+|[0-9a-f]{32}").unwrap();
        step.replace_all(outcome.err[at..].trim_end(), "NUMBER")
            .into_owned()
    };
    let mut said = Vec::new();
    for path in [&text, &eval] {
        let sound = fs::read_to_string(path).unwrap();
        fs::write(path, sound.replacen("boat", "coat", 1)).unwrap();
        said.push(refusal());
        fs::write(path, sound).unwrap();
    }
    let states = fs::read_dir(here.path().join("out/checkpoints")).unwrap();
    let state = states
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir());
    let weights = state.unwrap().join("moments.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 4;
    fs::write(&weights, bytes).unwrap();
    said.push(refusal());
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_cannot_be_is_said_with_exit_code_2() {
    let here = home();
    fs::write(here.path().join("empty.txt"), "").unwrap();
    fs::create_dir(here.path().join("taken")).unwrap();
    fs::write(here.path().join("taken/notes.md"), "mine").unwrap();
    let said = |arguments: &str| {
        let outcome = here.outcome(command(&here, arguments).output().unwrap());
        assert_eq!((outcome.code, outcome.out.as_str()), (2, ""), "{outcome:?}");
        // Before it stands what was being done.
        let at = outcome.err.find("error:").unwrap();
        outcome.err[at..].trim_end().to_owned()
    };
    let messages = [
        said("--steps 1 --out new empty.txt"),
        said("--steps 1 --out new missing.txt"),
        said("--steps 1 --out taken text"),
        said("--out new text"),
        said("--steps 1 --out new --hidden 100 --heads 3 text"),
        said("--steps 1 --out new --vocab-size 9 text"),
        said("--steps 1 --out new --tokenizer nowhere text"),
        said("--steps 1 --out new --from taken text"),
        said("--steps 1 --out new --precision bf16 text"),
        said("--steps 1 --out new --precision int8 text"),
        said("--steps 1 --out new --save-every nan text"),
        said("--steps 1 --out new --save-every=-1 text"),
        said("--steps 1 --out new --learning-rate nan text"),
        said("--steps 1 --out new --weight-decay nan text"),
        said("--resume taken"),
        said("--resume new --steps 3"),
    ];
    assert!(!here.path().join("new").exists());
    assert_eq!(fs::read_dir(here.path().join("taken")).unwrap().count(), 1);
    insta::assert_snapshot!(messages.join("\n---\n"));
}

#[test]
fn the_built_in_pair_is_trained_further() {
    let here = home();
    let arguments = "--from builtin --freeze-embeddings --max-seq-length 24 --batch-size 2 --steps 1 --out mine text";
    let outcome = here.outcome(command(&here, arguments).output().unwrap());
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let card = fs::read_to_string(here.path().join("mine/discriminator/README.md")).unwrap();
    assert!(card.contains("not trained from scratch"), "{card}");
    for folder in ["mine", "mine/discriminator", "mine/generator"] {
        let notice = fs::read_to_string(here.path().join(folder).join("NOTICE")).unwrap();
        assert!(notice.contains("MiniLM"), "{folder}: {notice}");
    }
    let config = fs::read(here.path().join("mine/discriminator/config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    // A threshold holds for the weights that it was found with.
    assert_eq!(config.get("electroscope"), None);
}
