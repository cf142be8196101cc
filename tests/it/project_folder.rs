//! What the folder that the program runs in can do to it: nothing but accept words. It may be somebody
//! else's, from an archive or a repository.

use std::fs;
use std::path::Path;

use crate::sandbox::Sandbox;

/// A settings file that names a model which nobody here wants.
const PLANTED: &str = "model = \"org/evil\"\n";

fn text(here: &Sandbox) {
    fs::write(here.path().join("a.txt"), "She works every day.\n").unwrap();
}

/// Copies a checkpoint that works.
fn plant_checkpoint(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/fixtures/projected");
    for file in ["config.json", "vocab.txt", "model.safetensors"] {
        fs::copy(fixture.join(file), folder.join(file)).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn no_program_is_started_to_learn_the_size_of_the_terminal() {
    use std::os::unix::fs::PermissionsExt;
    let here = Sandbox::new();
    text(&here);
    let programs = here.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let tput = programs.join("tput");
    let script = format!(
        "#!/bin/sh\ntouch {}\n",
        here.path().join("started").display()
    );
    fs::write(&tput, script).unwrap();
    fs::set_permissions(&tput, PermissionsExt::from_mode(0o755)).unwrap();
    for arguments in [
        ["score", "--format", "json", "a.txt"],
        ["score", "--format", "pretty", "a.txt"],
        ["tag", "--format", "json", "a.txt"],
        ["tag", "--format", "pretty", "a.txt"],
    ] {
        let mut command = here.command(&arguments);
        let outcome = here.outcome(command.env("PATH", &programs).output().unwrap());
        assert!(outcome.code < 3, "{outcome:?}");
        assert!(!here.path().join("started").exists(), "{arguments:?}");
    }
}

#[test]
fn without_a_home_no_settings_are_read_from_the_working_folder() {
    let here = Sandbox::new();
    text(&here);
    // Where older versions looked, and where a home that is a relative path leads to.
    for place in [".electroscope", ".config/electroscope"] {
        let folder = here.path().join(place);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), PLANTED).unwrap();
    }
    for home in [".", ""] {
        let mut command = here.command(&["--offline", "score", "--exit-zero", "a.txt"]);
        command.env("HOME", home).env("USERPROFILE", home);
        let outcome = here.outcome(command.output().unwrap());
        assert_eq!(outcome.code, 0, "{home:?}: {outcome:?}");
        assert!(!outcome.err.contains("evil"), "{home:?}: {outcome:?}");
    }
    let mut command = here.command(&["paths"]);
    let outcome = here.outcome(command.env("HOME", ".").output().unwrap());
    assert!(
        outcome
            .out
            .contains("settings    none (there is no home folder)"),
        "{outcome:?}"
    );
}

#[test]
fn a_name_in_the_settings_is_never_a_folder_of_the_working_folder() {
    let here = Sandbox::new();
    text(&here);
    plant_checkpoint(&here.path().join("org/wanted"));
    let settings = here.path().join("settings.toml");
    let score = |model: &str| {
        fs::write(&settings, format!("model = {model:?}\n")).unwrap();
        here.run(&[
            "--config",
            "settings.toml",
            "--offline",
            "score",
            "--exit-zero",
            "a.txt",
        ])
    };
    let outcome = score("org/wanted");
    assert_eq!(outcome.code, 2, "{outcome:?}");
    assert!(outcome.err.contains("is not in the cache"), "{outcome:?}");
    for relative in ["./org/wanted", "org/wanted/", "../x", "a/b/c"] {
        let outcome = score(relative);
        assert_eq!(outcome.code, 2, "{outcome:?}");
        assert!(
            outcome.err.contains("kept by its whole path"),
            "{outcome:?}"
        );
    }
    // By its whole path it is found, and typed it is as well.
    let whole = here.path().join("org/wanted");
    assert_eq!(score(whole.to_str().unwrap()).code, 0);
    let typed = here.run(&[
        "--offline",
        "--model",
        "org/wanted",
        "score",
        "--exit-zero",
        "a.txt",
    ]);
    assert_eq!(typed.code, 0, "{typed:?}");
}

#[test]
fn the_name_of_a_head_in_the_settings_is_never_a_folder_of_the_working_folder() {
    let here = Sandbox::new();
    text(&here);
    plant_checkpoint(&here.path().join("org/wanted"));
    plant_checkpoint(&here.path().join("mine"));
    let settings = here.path().join("settings.toml");
    let named = "tagging = \"mine\"\n[heads.mine]\nmodel = \"org/wanted\"\ntask = \"tagging\"\n";
    for heads in ["tagging = \"org/wanted\"\n", named] {
        fs::write(&settings, format!("[heads]\n{heads}")).unwrap();
        let outcome = here.run(&["--config", "settings.toml", "--offline", "tag", "a.txt"]);
        assert_eq!(outcome.code, 2, "{outcome:?}");
        assert!(outcome.err.contains("org/wanted"), "{outcome:?}");
        assert!(outcome.err.contains("is not in the cache"), "{outcome:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn with_too_few_threads_fewer_compute_and_that_is_said() {
    let here = Sandbox::new();
    text(&here);
    let outcome = here.run(&["--threads", "1024", "score", "--exit-zero", "a.txt"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let cores = std::thread::available_parallelism().unwrap().get();
    if 4 * cores < 1024 {
        assert!(outcome.err.contains("not 1024"), "{outcome:?}");
    }
}
