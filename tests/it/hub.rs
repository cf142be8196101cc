//! Downloads, against a hub on loopback that behaves, misbehaves and vanishes.

#[path = "hub/server.rs"]
pub(crate) mod server;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use electroscope_model::Checkpoint;
use electroscope_model::hub::{self, Error, Fetched, HubSettings, Progress};
use electroscope_model::model_choice::{ModelChoice, NameError};
use server::{Answer, Gate, Hub, Repository, Request, WEIGHTS};

use crate::sandbox::{NOWHERE, Sandbox};

/// A cache that is gone when the test is over.
struct Cache(tempfile::TempDir);

impl Cache {
    fn new() -> Cache {
        Cache(tempfile::tempdir().unwrap())
    }

    /// The settings to use it with.
    fn at(&self, endpoint: &str) -> HubSettings {
        HubSettings {
            cache: self.0.path().join("hub"),
            endpoint: endpoint.to_owned(),
            token: None,
            offline: false,
            patience: Duration::from_secs(10),
            most_bytes: 1 << 30,
        }
    }

    fn repository(&self) -> PathBuf {
        self.0.path().join("hub/models--org--tiny")
    }

    /// The weights that are not whole yet.
    fn part(&self) -> PathBuf {
        let hash = server::sha256(Repository::tiny().weights());
        self.repository().join(format!("blobs/{hash}.incomplete"))
    }
}

/// Fetches `org/tiny`, and takes whatever progress there is.
fn fetch(settings: &HubSettings) -> Result<Fetched, Error> {
    hub::fetch("org/tiny", None, settings, &mut |_| {
        ControlFlow::Continue(())
    })
}

/// The message, with the hub and the cache called by name.
#[track_caller]
fn complaint(outcome: Result<Fetched, Error>, settings: &HubSettings) -> String {
    let message = outcome.expect_err("it was fetched").to_string();
    message
        .replace(&settings.endpoint, "HUB")
        .replace(&settings.cache.display().to_string(), "CACHE")
}

/// Whether what was fetched is the tiny model, to the last byte.
#[track_caller]
fn assert_whole(fetched: &Fetched) {
    for (name, bytes) in Repository::tiny().files {
        let found = std::fs::read(fetched.folder.join(&name)).unwrap();
        assert!(found == bytes, "{name} is not what the hub has");
    }
    Checkpoint::open(&fetched.folder).unwrap();
}

/// A hub where the weights are answered by `weights`, which is told how often they were asked for
/// before, and all else as it should be.
fn hub_with_weights(
    weights: impl Fn(&[u8], &Request, usize) -> Answer + Send + Sync + 'static,
) -> Hub {
    let repository = Repository::tiny();
    let times = Mutex::new(0);
    Hub::start(move |request| {
        if request.file() != WEIGHTS {
            return repository.answer(request);
        }
        let mut times = times.lock().unwrap();
        *times += 1;
        weights(repository.weights(), request, *times - 1)
    })
}

/// Every file below `folder` with what tells whether it was written again.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, u64)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let data = std::fs::symlink_metadata(entry.path()).unwrap();
        found.insert(entry.path(), (data.modified().unwrap(), data.len()));
        if data.is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found
}

#[test]
fn a_download_lands_in_the_cache_that_all_programs_share() {
    let repository = Repository::tiny();
    let (hub, cache) = (Hub::with(repository.clone()), Cache::new());
    let settings = cache.at(&hub.endpoint);
    let fetched = fetch(&settings).unwrap();
    assert_whole(&fetched);
    assert_eq!(fetched.revision, repository.commit);
    assert_eq!(fetched.note, None);

    // As huggingface_hub lays it out.
    let root = cache.repository();
    assert_eq!(
        std::fs::read_to_string(root.join("refs/main")).unwrap(),
        repository.commit
    );
    let snapshot = root.join("snapshots").join(&repository.commit);
    assert_eq!(fetched.folder, snapshot);
    let config = server::git_blob(&repository.files["config.json"]);
    let weights = server::sha256(repository.weights());
    for (name, blob) in [("config.json", config), (WEIGHTS, weights)] {
        assert!(root.join("blobs").join(&blob).is_file());
        #[cfg(unix)]
        assert_eq!(
            std::fs::read_link(snapshot.join(name)).unwrap(),
            Path::new("../../blobs").join(blob)
        );
    }
    let theirs = hf_hub::Cache::new(settings.cache.clone()).model("org/tiny".to_owned());
    assert_eq!(theirs.get(WEIGHTS), Some(snapshot.join(WEIGHTS)));

    // A second time it is asked what main is, and nothing is transferred or written.
    let (before, files) = (tree(cache.0.path()), hub.files());
    assert_eq!(fetch(&settings).unwrap(), fetched);
    assert_eq!(hub.files(), files);
    assert_eq!(tree(cache.0.path()), before);

    // What a commit is does not change, so it is not even asked.
    let connections = hub.connections();
    let by_commit = hub::fetch("org/tiny", Some(&repository.commit), &settings, &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(by_commit.unwrap(), fetched);
    assert_eq!(hub.connections(), connections);

    let cached = hub::cached(&settings);
    assert_eq!(cached.len(), 1);
    assert_eq!(
        (cached[0].id.as_str(), cached[0].architecture.as_str()),
        ("org/tiny", "ElectraForPreTraining")
    );
    let bytes: usize = repository.files.values().map(Vec::len).sum();
    assert_eq!(cached[0].bytes, bytes as u64);
}

#[test]
fn a_branch_that_moves_brings_only_what_is_new() {
    let (old, cache) = (Repository::tiny(), Cache::new());
    let first = Hub::with(old.clone());
    fetch(&cache.at(&first.endpoint)).unwrap();
    let mut new = old.clone();
    new.commit = "89abcdef0123456789abcdef0123456789abcdef".to_owned();
    new.files
        .insert("README.md".to_owned(), b"---\nlicense: mit\n---\n".to_vec());
    let second = Hub::with(new.clone());
    let fetched = fetch(&cache.at(&second.endpoint)).unwrap();
    assert_eq!(fetched.revision, new.commit);
    assert_whole(&fetched);
    assert_eq!(second.files(), [("README.md".to_owned(), None)]);
    let known = std::fs::read_to_string(cache.repository().join("refs/main")).unwrap();
    assert_eq!(known, new.commit);
    // The old commit is still there for whoever wants it.
    let settings = HubSettings {
        offline: true,
        ..cache.at(&second.endpoint)
    };
    let by_commit = hub::fetch("org/tiny", Some(&old.commit), &settings, &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(by_commit.unwrap().revision, old.commit);
}

#[test]
fn files_are_those_of_the_commit_that_was_listed() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    let fetched = hub::fetch(
        "org/tiny",
        Some("v1"),
        &cache.at(&hub.endpoint),
        &mut |_| ControlFlow::Continue(()),
    );
    assert_whole(&fetched.unwrap());
    let resolved: Vec<String> = hub
        .asked()
        .into_iter()
        .map(|request| request.path)
        .filter(|path| path.contains("/resolve/"))
        .collect();
    assert_eq!(resolved.len(), 3);
    let commit = format!("/resolve/{}/", Repository::tiny().commit);
    assert!(resolved.iter().all(|path| path.contains(&commit)));
    assert!(cache.repository().join("refs/v1").is_file());
}

#[test]
fn a_slow_server_is_waited_for_and_its_progress_told() {
    let hub = hub_with_weights(|bytes, _, _| Answer::announcing(bytes.len()).trickle(bytes, 20));
    let cache = Cache::new();
    let mut told: Vec<(u64, u64)> = Vec::new();
    let fetched = hub::fetch(
        "org/tiny",
        None,
        &cache.at(&hub.endpoint),
        &mut |Progress { file, done, total }| {
            if file == WEIGHTS {
                told.push((done, total));
            }
            ControlFlow::Continue(())
        },
    );
    assert_whole(&fetched.unwrap());
    let size = Repository::tiny().weights().len() as u64;
    assert!(told.len() > 5, "progress was told {} times", told.len());
    assert!(told.is_sorted());
    assert_eq!((told[0], told[told.len() - 1]), ((0, size), (size, size)));
    assert_eq!(hub.weights(), [None]);
}

#[test]
fn a_server_that_stands_still_is_given_up_and_what_came_is_kept() {
    let hub = hub_with_weights(|bytes, request, _| {
        match request.from {
            None => Answer::announcing(bytes.len()).send(&bytes[..5_000]),
            Some(from) => Answer::rest_of(bytes, from),
        }
        .stand_still()
    });
    let cache = Cache::new();
    let settings = HubSettings {
        patience: Duration::from_millis(300),
        ..cache.at(&hub.endpoint)
    };
    assert_eq!(
        complaint(fetch(&settings), &settings),
        format!(
            "the download of model.safetensors of org/tiny broke off after 5000 of {} bytes: \
             nothing came for 0.3 s; what came is kept, and the next try goes on from there \
             (`--model builtin` needs no download)",
            Repository::tiny().weights().len()
        )
    );
    assert_eq!(std::fs::metadata(cache.part()).unwrap().len(), 5_000);
    // Without its weights the snapshot is no model, and nobody is sent to it.
    assert_eq!(hub::cached(&settings), []);

    let sound = Hub::with(Repository::tiny());
    assert_whole(&fetch(&cache.at(&sound.endpoint)).unwrap());
    assert_eq!(sound.weights(), [Some(5_000)]);
    assert!(!cache.part().exists());
}

#[test]
fn a_download_that_is_cut_goes_on_from_where_it_was() {
    let hub = hub_with_weights(|bytes, request, time| match (request.from, time) {
        (None, 0) => Answer::announcing(bytes.len()).send(&bytes[..bytes.len() / 2]),
        // Cut again: what matters is that each time brings something.
        (Some(from), 1) => Answer::rest_of(bytes, from).send(&bytes[from..from + 100]),
        _ => Repository::file(bytes, request),
    });
    let cache = Cache::new();
    assert_whole(&fetch(&cache.at(&hub.endpoint)).unwrap());
    let half = Repository::tiny().weights().len() / 2;
    assert_eq!(hub.weights(), [None, Some(half), Some(half + 100)]);
}

#[test]
fn a_download_that_was_stopped_goes_on_in_the_next_run() {
    let hub = hub_with_weights(|bytes, request, _| match request.from {
        None => Answer::announcing(bytes.len()).trickle(bytes, 20),
        Some(_) => Repository::file(bytes, request),
    });
    let cache = Cache::new();
    let stopped = hub::fetch("org/tiny", None, &cache.at(&hub.endpoint), &mut |told| {
        if told.file == WEIGHTS && told.done > 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(matches!(stopped, Err(Error::Cancelled)));
    let kept = std::fs::metadata(cache.part()).unwrap().len() as usize;
    assert!(kept > 0 && kept < Repository::tiny().weights().len());
    let mut first = None;
    let fetched = hub::fetch("org/tiny", None, &cache.at(&hub.endpoint), &mut |told| {
        first.get_or_insert(told.done as usize);
        ControlFlow::Continue(())
    });
    assert_whole(&fetched.unwrap());
    assert_eq!(hub.weights(), [None, Some(kept)]);
    assert_eq!(first, Some(kept), "progress begins where the file goes on");
}

#[test]
fn a_server_that_knows_no_ranges_sends_it_all_again() {
    let hub = hub_with_weights(|bytes, _, time| {
        let answer = Answer::announcing(bytes.len());
        match time {
            0 => answer.send(&bytes[..bytes.len() / 2]),
            _ => answer.send(bytes),
        }
    });
    let cache = Cache::new();
    assert_whole(&fetch(&cache.at(&hub.endpoint)).unwrap());
    assert_eq!(hub.weights().len(), 2);

    // One that also breaks off every time, now here, now there, is given up in the end.
    let hub = hub_with_weights(|bytes, _, time| {
        Answer::announcing(bytes.len()).send(&bytes[..[9_000, 2_000, 4_000][time % 3]])
    });
    let cache = Cache::new();
    let outcome = fetch(&cache.at(&hub.endpoint));
    assert!(
        matches!(outcome, Err(Error::Interrupted { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_server_that_sends_another_part_is_not_believed() {
    let hub = hub_with_weights(|bytes, request, _| match request.from {
        None => Answer::announcing(bytes.len()).send(&bytes[..bytes.len() / 2]),
        Some(_) => Answer::rest_of(bytes, 7).send(&bytes[7..]),
    });
    let cache = Cache::new();
    let settings = cache.at(&hub.endpoint);
    let half = Repository::tiny().weights().len() / 2;
    assert_eq!(
        complaint(fetch(&settings), &settings),
        format!(
            "model.safetensors of org/tiny arrived damaged twice: the server sent it from byte 7 \
             on instead of byte {half}; try again later, or another network"
        )
    );
    assert!(!cache.part().exists());
}

#[test]
fn a_part_that_is_longer_than_the_file_is_begun_again() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    std::fs::create_dir_all(cache.part().parent().unwrap()).unwrap();
    std::fs::write(cache.part(), vec![0; 1 << 20]).unwrap();
    assert_whole(&fetch(&cache.at(&hub.endpoint)).unwrap());
    assert_eq!(hub.weights(), [None]);
}

#[test]
fn a_part_that_holds_something_else_is_found_out_and_begun_again() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    std::fs::create_dir_all(cache.part().parent().unwrap()).unwrap();
    std::fs::write(cache.part(), vec![0; 500]).unwrap();
    assert_whole(&fetch(&cache.at(&hub.endpoint)).unwrap());
    assert_eq!(hub.weights(), [Some(500), None]);
}

#[test]
fn what_does_not_exist_is_named() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    let settings = cache.at(&hub.endpoint);
    let ask = |id: &str, revision| {
        let outcome = hub::fetch(id, revision, &settings, &mut |_| ControlFlow::Continue(()));
        assert!(
            matches!(outcome, Err(Error::NotFound { .. })),
            "{outcome:?}"
        );
        complaint(outcome, &settings)
    };
    assert_eq!(
        ask("org/tiyn", None),
        "HUB has no model org/tiyn; look at the spelling; no folder is called so either"
    );
    assert_eq!(
        ask("org/tiny", Some("v2")),
        "HUB has no revision v2 of org/tiny; look at the spelling of --revision"
    );
    // A mirror that gives no reasons.
    let mirror = Hub::start(|_| Answer::status(404, &[]));
    let settings = cache.at(&mirror.endpoint);
    let outcome = hub::fetch("org/tiny", Some("v2"), &settings, &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(
        complaint(outcome, &settings),
        "HUB has no model org/tiny with a revision v2; look at the spelling of both; no folder is \
         called so either"
    );
    // A file that is listed but is not there.
    let hub = hub_with_weights(|_, _, _| Answer::status(404, &[("X-Error-Code", "EntryNotFound")]));
    let settings = cache.at(&hub.endpoint);
    assert_eq!(
        complaint(fetch(&settings), &settings),
        "HUB has no model.safetensors of org/tiny, although it lists it; try again later"
    );
}

#[test]
fn a_name_that_is_no_revision_is_sent_nowhere() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    let settings = cache.at(&hub.endpoint);
    let names = [
        "", ".", "..", "../../x", "a/../b", "/etc", "main/", "a//b", ".git", "a b", "x?y", "a%2Fb",
        "-f", "é",
    ];
    for name in names {
        let outcome = hub::fetch("org/tiny", Some(name), &settings, &mut |_| {
            ControlFlow::Continue(())
        });
        assert!(
            matches!(outcome, Err(Error::Revision { .. })),
            "{name:?}: {outcome:?}"
        );
    }
    assert_eq!(hub.connections(), 0);
    // And one that is: its slash is no part of the path.
    let outcome = hub::fetch("org/tiny", Some("refs/pr/1"), &settings, &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(outcome, Err(Error::NotFound { .. })));
    assert_eq!(
        hub.asked()[0].path,
        "/api/models/org/tiny/revision/refs%2Fpr%2F1?blobs=true"
    );
}

/// A hub that lets only the token `hf_right` in.
fn private_hub() -> Hub {
    let repository = Repository::tiny();
    Hub::start(move |request| match request.authorization.as_deref() {
        Some("Bearer hf_right") => repository.answer(request),
        Some("Bearer hf_weak") => Answer::status(403, &[("X-Error-Code", "GatedRepo")]),
        _ => Answer::status(401, &[("X-Error-Code", "RepoNotFound")]),
    })
}

#[test]
fn a_private_model_wants_a_token() {
    let (hub, cache) = (private_hub(), Cache::new());
    let with = |token: Option<&str>| HubSettings {
        token: token.map(str::to_owned),
        ..cache.at(&hub.endpoint)
    };
    assert_eq!(
        complaint(fetch(&with(None)), &with(None)),
        "HUB refuses org/tiny (status 401): there is no such model, or it is private or gated; \
         look at the spelling (no folder is called so either), or set HF_TOKEN to a token that may \
         read it"
    );
    assert_eq!(
        complaint(fetch(&with(Some("hf_wrong"))), &with(None)),
        "HUB refuses org/tiny (status 401): the token in HF_TOKEN (or in the token file of \
         HF_HOME) is not accepted; renew it, or take it away for a public model"
    );
    assert_eq!(
        complaint(fetch(&with(Some("hf_weak"))), &with(None)),
        "HUB refuses org/tiny (status 403): the token in HF_TOKEN (or in the token file of \
         HF_HOME) may not read it; ask for access, or accept the licence, on the model's page"
    );
    // Being refused is no trouble that the next try may be spared.
    assert_eq!(hub.connections(), 3);
    assert_whole(&fetch(&with(Some("hf_right"))).unwrap());
    // No message and no file may have kept it.
    let debug = format!("{:?}", with(Some("hf_right")));
    assert!(!debug.contains("hf_right"), "{debug}");
}

#[test]
fn the_token_is_not_sent_to_where_files_are_really_kept() {
    let repository = Repository::tiny();
    let port = std::sync::Arc::new(std::sync::OnceLock::new());
    let known = std::sync::Arc::clone(&port);
    let hub = Hub::start(move |request| {
        if let Some(_storage) = request.path.strip_prefix("/storage/") {
            return Repository::file(repository.weights(), request);
        }
        match request.file() {
            // As the hub does: small files on the same host, large ones elsewhere.
            "config.json" if !request.path.starts_with("/api/resolve-cache") => {
                Answer::redirect(&format!("/api/resolve-cache{}", request.path))
            }
            WEIGHTS => {
                let elsewhere = Hub::elsewhere(*known.get().unwrap());
                Answer::redirect(&format!("{elsewhere}/storage/x?Signature=y"))
            }
            _ => repository.answer(request),
        }
    });
    port.set(hub.port()).unwrap();
    let cache = Cache::new();
    // The first try ends in the middle, so that a Range has to follow the redirect too.
    std::fs::create_dir_all(cache.part().parent().unwrap()).unwrap();
    std::fs::write(cache.part(), &Repository::tiny().weights()[..1_000]).unwrap();
    let settings = HubSettings {
        token: Some("hf_right".to_owned()),
        ..cache.at(&hub.endpoint)
    };
    assert_whole(&fetch(&settings).unwrap());
    for request in hub.asked() {
        let is_storage = request.path.starts_with("/storage/");
        assert_eq!(request.host.starts_with("localhost"), is_storage);
        assert_eq!(request.authorization.is_none(), is_storage, "{request:?}");
        if is_storage {
            assert_eq!(request.from, Some(1_000));
        }
    }
}

#[test]
fn the_token_is_not_sent_to_another_port_of_the_same_host() {
    let storage = Hub::start(|request| Repository::file(Repository::tiny().weights(), request));
    let to = format!("{}/storage/x", storage.endpoint);
    let hub = hub_with_weights(move |_, _, _| Answer::redirect(&to));
    let cache = Cache::new();
    let settings = HubSettings {
        token: Some("hf_right".to_owned()),
        ..cache.at(&hub.endpoint)
    };
    assert_whole(&fetch(&settings).unwrap());
    let sent = |hub: &Hub| -> Vec<Option<String>> {
        let asked = hub.asked().into_iter();
        asked.map(|request| request.authorization).collect()
    };
    assert_eq!(sent(&storage), [None]);
    assert!(sent(&hub).iter().all(Option::is_some));
}

#[test]
fn redirects_that_lead_nowhere_are_told() {
    let said = ["/loop", "ftp://127.0.0.1/x", ""].map(|to| {
        let hub = Hub::start(move |_| Answer::redirect(to));
        let cache = Cache::new();
        let settings = cache.at(&hub.endpoint);
        complaint(fetch(&settings), &settings)
    });
    insta::assert_snapshot!(said.join("\n"));
}

/// A list of files without their sizes.
fn without_sizes(mut listing: serde_json::Value) -> serde_json::Value {
    for file in listing["siblings"].as_array_mut().unwrap() {
        let file = file.as_object_mut().unwrap();
        file.remove("size");
        if let Some(lfs) = file.get_mut("lfs") {
            lfs.as_object_mut().unwrap().remove("size");
        }
    }
    listing
}

#[test]
fn a_model_of_more_bytes_than_any_has_is_not_downloaded_to_its_end() {
    let repository = Repository::tiny();
    let all: usize = repository.files.values().map(Vec::len).sum();
    let announced = Hub::with(Repository::tiny());
    let silent = Hub::start(move |request| match request.is_listing() {
        true => Answer::whole(without_sizes(repository.listing()).to_string()),
        false => repository.answer(request),
    });
    for hub in [&announced, &silent] {
        let cache = Cache::new();
        let enough = HubSettings {
            most_bytes: all as u64,
            ..cache.at(&hub.endpoint)
        };
        let too_little = HubSettings {
            most_bytes: all as u64 - 1,
            ..enough.clone()
        };
        let said = complaint(fetch(&too_little), &too_little);
        let wanted = format!("and at most {} are downloaded", all - 1);
        assert!(said.contains(&wanted), "{said}");
        assert!(!cache.part().exists());
        assert_whole(&fetch(&enough).unwrap());
    }
    // What is announced needs no byte to be refused.
    let refused = announced.weights().len();
    assert_eq!((refused, silent.weights().len()), (1, 2));
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_is_given_up() {
    let drip = |bytes: &[u8]| Answer::announcing(bytes.len()).trickle(bytes, bytes.len());
    let weights = hub_with_weights(move |bytes, _, _| drip(bytes));
    let list = Hub::start(move |_| drip(Repository::tiny().listing().to_string().as_bytes()));
    let said = [&weights, &list].map(|hub| {
        let cache = Cache::new();
        let settings = HubSettings {
            patience: Duration::from_millis(100),
            ..cache.at(&hub.endpoint)
        };
        let said = complaint(fetch(&settings), &settings);
        let numbers = regex::Regex::new(r"\d+( of \d+)? bytes( came)?").unwrap();
        numbers.replace_all(&said, "N bytes$2").into_owned()
    });
    insta::assert_snapshot!(said.join("\n"));
    assert_eq!(weights.weights().len(), 1, "it was tried again");
}

#[cfg(unix)]
#[test]
fn links_that_others_put_into_a_shared_cache_are_not_followed() {
    use std::os::unix::fs::symlink;
    let hub = Hub::with(Repository::tiny());
    let hash = server::sha256(Repository::tiny().weights());
    let lock = PathBuf::from(format!("hub/.locks/models--org--tiny/{hash}.lock"));
    for place in ["refs/main", "part", "lock"] {
        let cache = Cache::new();
        let settings = cache.at(&hub.endpoint);
        let path = match place {
            "part" => cache.part(),
            "lock" => cache.0.path().join(&lock),
            _ => cache.repository().join(place),
        };
        let (victim, nothing) = (
            cache.0.path().join("victim"),
            cache.0.path().join("nothing"),
        );
        std::fs::write(&victim, "years of work").unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for target in [&victim, &nothing] {
            symlink(target, &path).unwrap();
            let outcome = fetch(&settings);
            if place == "refs/main" {
                assert_whole(&outcome.unwrap());
                assert!(path.symlink_metadata().unwrap().is_file());
            } else {
                let said = complaint(outcome, &settings);
                assert!(said.contains("it is a link, which somebody else"), "{said}");
                assert!(
                    said.contains(&*path.file_name().unwrap().to_string_lossy()),
                    "{said}"
                );
            }
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "years of work");
            assert!(!nothing.exists());
            std::fs::remove_file(&path).unwrap();
        }
        // Nor is a pipe waited for.
        if place != "refs/main" {
            assert!(
                Command::new("mkfifo")
                    .arg(&path)
                    .status()
                    .unwrap()
                    .success()
            );
            let said = complaint(fetch(&settings), &settings);
            assert!(said.contains("it is a pipe"), "{said}");
        }
    }
}

#[test]
fn a_file_in_the_cache_of_another_length_is_downloaded_again() {
    let hub = Hub::with(Repository::tiny());
    let cache = Cache::new();
    let settings = cache.at(&hub.endpoint);
    let fetched = fetch(&settings).unwrap();
    assert_eq!(fetched.note, None);
    let blob = std::fs::canonicalize(fetched.folder.join(WEIGHTS)).unwrap();
    std::fs::write(&blob, "cut").unwrap();
    let again = fetch(&settings).unwrap();
    assert_whole(&again);
    let size = Repository::tiny().weights().len();
    assert_eq!(
        again.note,
        Some(format!(
            "a damaged file of org/tiny in the cache, downloaded again: model.safetensors with 3 of {size} bytes"
        ))
    );
    assert_eq!(hub.weights(), [None, None]);
}

#[test]
fn a_flipped_bit_in_the_cache_is_found_when_it_is_asked_for() {
    let hub = Hub::with(Repository::tiny());
    let here = Sandbox::new();
    let run = |arguments: &[&str]| {
        let mut command = here.command(arguments);
        command.env("HF_ENDPOINT", &hub.endpoint);
        here.outcome(command.output().unwrap())
    };
    assert_eq!(run(&["model", "pull", "org/tiny"]).code, 0);
    let sound = run(&["model", "verify"]);
    assert_eq!(sound.code, 0, "{sound:?}");
    let blob = here
        .cache()
        .join("models--org--tiny/blobs")
        .join(server::sha256(Repository::tiny().weights()));
    let mut bytes = std::fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let damaged = run(&["model", "verify", "org/tiny"]);
    assert_eq!(damaged.code, 2, "{damaged:?}");
    let missing = run(&["model", "verify", "org/other"]);
    let hash = regex::Regex::new("is [0-9a-f]{64}").unwrap();
    let damaged = hash.replace(&damaged.out, "is FOUND").into_owned();
    insta::assert_snapshot!([sound.out, damaged, missing.err].join("---\n"));
    // As it says.
    std::fs::remove_file(&blob).unwrap();
    assert_eq!(run(&["model", "pull", "org/tiny"]).code, 0);
    assert_eq!(run(&["model", "verify"]).code, 0);
}

#[test]
fn a_busy_hub_is_asked_again() {
    let repository = Repository::tiny();
    let times = Mutex::new(BTreeMap::<String, usize>::new());
    let hub = Hub::start(move |request| {
        let mut times = times.lock().unwrap();
        let time = times.entry(request.path.clone()).or_default();
        *time += 1;
        match *time {
            1 => Answer::status(429, &[("Retry-After", "0")]),
            2 => Answer::status(503, &[]),
            _ => repository.answer(request),
        }
    });
    let cache = Cache::new();
    assert_whole(&fetch(&cache.at(&hub.endpoint)).unwrap());
}

#[test]
fn a_hub_that_stays_busy_is_called_busy() {
    let (hub, cache) = (
        Hub::start(|_| Answer::status(503, &[("Retry-After", "0")])),
        Cache::new(),
    );
    let settings = cache.at(&hub.endpoint);
    assert_eq!(
        complaint(fetch(&settings), &settings),
        "HUB is busy (status 503 for org/tiny); try again in a while, or use the built-in model \
         (`--model builtin`)"
    );
    let hub = hub_with_weights(|_, _, _| Answer::status(503, &[("Retry-After", "0")]));
    let settings = cache.at(&hub.endpoint);
    assert_eq!(
        complaint(fetch(&settings), &settings),
        format!(
            "the download of model.safetensors of org/tiny broke off after 0 of {} bytes: the \
             server is busy (status 503); what came is kept, and the next try goes on from there \
             (`--model builtin` needs no download)",
            Repository::tiny().weights().len()
        )
    );
}

#[test]
fn weights_of_another_size_or_content_are_refused() {
    type Break = fn(&mut Vec<u8>);
    let cases: [(&str, Break, &str); 4] = [
        (
            "shorter",
            |bytes| bytes.truncate(bytes.len() - 1),
            "the server's file ends before byte SHORT",
        ),
        (
            "longer",
            |bytes| bytes.push(0),
            "more than the announced SIZE bytes came",
        ),
        (
            "another byte",
            |bytes| bytes[20_000] ^= 1,
            "its SHA-256 is FOUND instead of WANTED",
        ),
        (
            "empty",
            Vec::clear,
            "the download of model.safetensors of org/tiny broke off after 0 of SIZE bytes: only 0 \
             of SIZE bytes came",
        ),
    ];
    for (what, break_it, wanted) in cases {
        let hub = hub_with_weights(move |bytes, request, _| {
            let mut bytes = bytes.to_vec();
            break_it(&mut bytes);
            Repository::file(&bytes, request)
        });
        let cache = Cache::new();
        let settings = cache.at(&hub.endpoint);
        let message = complaint(fetch(&settings), &settings);
        let mut broken = Repository::tiny().weights().to_vec();
        let (size, hash) = (broken.len(), server::sha256(&broken));
        break_it(&mut broken);
        let wanted = wanted
            .replace("SHORT", &(size - 1).to_string())
            .replace("SIZE", &size.to_string())
            .replace("WANTED", &hash)
            .replace("FOUND", &server::sha256(&broken));
        assert!(message.contains(&wanted), "{what}: {message}");

        // Nothing is left that anything would take for a model.
        let offline = HubSettings {
            offline: true,
            ..settings.clone()
        };
        assert!(matches!(fetch(&offline), Err(Error::Offline { .. })));
        assert_eq!(hub::cached(&settings), []);
        assert!(!cache.repository().join("blobs").join(&hash).exists());
        // And nothing that spoils the next try.
        let sound = Hub::with(Repository::tiny());
        assert_whole(&fetch(&cache.at(&sound.endpoint)).unwrap());
    }
}

#[test]
fn small_files_are_held_to_their_git_hash() {
    let repository = Repository::tiny();
    let hub = Hub::start(move |request| match request.file() {
        "vocab.txt" => {
            let mut bytes = repository.files["vocab.txt"].clone();
            bytes[0] ^= 1;
            Repository::file(&bytes, request)
        }
        _ => repository.answer(request),
    });
    let cache = Cache::new();
    let settings = cache.at(&hub.endpoint);
    let message = complaint(fetch(&settings), &settings);
    let wanted = server::git_blob(&Repository::tiny().files["vocab.txt"]);
    assert!(
        message.starts_with("vocab.txt of org/tiny arrived damaged twice: its git hash is ")
            && message.contains(&wanted),
        "{message}"
    );
}

#[test]
fn a_list_that_is_made_up_harms_nothing() {
    let tiny = Repository::tiny().listing();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut listing = tiny.clone();
        change(&mut listing);
        listing.to_string().into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a commit that is a path",
            with(&|listing| listing["sha"] = "../../../../home/someone/.ssh".into()),
            "LIST answered with the commit \"../../../../home/someone/.ssh\", which is none",
        ),
        (
            "a file that is a path",
            with(&|listing| listing["siblings"][1]["rfilename"] = "../../vocab.txt".into()),
            "org/tiny has no model.safetensors, pytorch_model.bin, flax_model.msgpack or tf_model.h5; it has ../../vocab.txt, \
             config.json, vocab.txt",
        ),
        (
            "a blob that is a path",
            with(&|listing| listing["siblings"][0]["blobId"] = "../../../../outside".into()),
            "LIST answered with a list of files that says nothing of the contents of config.json",
        ),
        (
            "a hash that is a path",
            with(&|listing| {
                listing["siblings"][1]["lfs"]["sha256"] = "../../../../outside".into();
            }),
            "LIST answered with a list of files that says nothing of the contents of \
             model.safetensors",
        ),
        (
            "no sizes",
            with(&|listing| {
                for file in listing["siblings"].as_array_mut().unwrap() {
                    file.as_object_mut()
                        .unwrap()
                        .retain(|name, _| name == "rfilename");
                }
            }),
            "LIST answered with a list of files that says nothing of the contents of config.json",
        ),
        (
            "nothing of ours",
            with(&|listing| {
                let files =
                    (0..20).map(|n| serde_json::json!({"rfilename": format!("{n:02}.txt")}));
                listing["siblings"] = files.collect();
            }),
            "org/tiny has no config.json; it has 00.txt, 01.txt, 02.txt, 03.txt, 04.txt, 05.txt, \
             06.txt, 07.txt, 08.txt, 09.txt, 10.txt, 11.txt and 8 more",
        ),
        (
            "an empty repository",
            with(&|listing| listing["siblings"] = serde_json::json!([])),
            "org/tiny has no config.json; it has no files",
        ),
        (
            "a page",
            b"<!DOCTYPE html><title>Welcome to our hotel</title>".to_vec(),
            "LIST answered with something other than a list of files: expected value at line 1 \
             column 1",
        ),
        (
            "deep nesting",
            [br#"{"x":"#.to_vec(), b"[".repeat(1 << 20)].concat(),
            "LIST answered with something other than a list of files: EOF while parsing a list at line 1 column 1048581",
        ),
        (
            "nothing",
            Vec::new(),
            "LIST answered with something other than a list of files: EOF while parsing a value at line 1 column 0",
        ),
    ];
    for (what, listing, wanted) in cases {
        let repository = Repository::tiny();
        let hub = Hub::start(move |request| match request.is_listing() {
            true => Answer::whole(listing.clone()),
            false => repository.answer(request),
        });
        let cache = Cache::new();
        let settings = cache.at(&hub.endpoint);
        let message = complaint(fetch(&settings), &settings);
        let list = "HUB/api/models/org/tiny/revision/main?blobs=true";
        assert_eq!(message.replace(list, "LIST"), wanted, "{what}");
        // Whatever was made lies in the cache, and is no model.
        let made: Vec<PathBuf> = tree(cache.0.path()).into_keys().collect();
        assert!(
            made.iter().all(|path| path.starts_with(&settings.cache)),
            "{what}: {made:?}"
        );
        assert_eq!(hub::cached(&settings), []);
    }
}

#[test]
fn a_list_without_end_is_not_read_to_its_end() {
    // 100 megabytes are announced; whoever reads on is told from the byte count.
    let hub = Hub::start(|_| {
        let answer = Answer::announcing(100 << 20).send(&br#"{"sha":""#[..]);
        (0..100).fold(answer, |answer, _| answer.send(vec![b'a'; 1 << 20]))
    });
    let cache = Cache::new();
    let settings = cache.at(&hub.endpoint);
    let list = "HUB/api/models/org/tiny/revision/main?blobs=true";
    assert_eq!(
        complaint(fetch(&settings), &settings).replace(list, "LIST"),
        "LIST answered with a list of files of more than 16777216 bytes, as no model has"
    );
}

#[test]
fn a_list_that_breaks_off_is_a_network_that_fails() {
    let hub = Hub::start(|_| Answer::announcing(5_000).send(&br#"{"sha":""#[..]));
    let cache = Cache::new();
    let settings = cache.at(&hub.endpoint);
    assert_eq!(
        complaint(fetch(&settings), &settings),
        "cannot reach HUB for org/tiny: the list of files breaks off: Peer disconnected; without a \
         network use the built-in model (`--model builtin`)"
    );
}

#[test]
fn offline_opens_no_socket() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    let offline = HubSettings {
        offline: true,
        ..cache.at(&hub.endpoint)
    };
    let message = "org/tiny (revision main) is not in the cache CACHE, no folder is called so, and \
         offline nothing is downloaded; use `--model builtin`, or run `electroscope model pull \
         org/tiny` where there is a network";
    assert_eq!(complaint(fetch(&offline), &offline), message);
    assert_eq!(hub.connections(), 0);

    let fetched = fetch(&cache.at(&hub.endpoint)).unwrap();
    let connections = hub.connections();
    assert_eq!(fetch(&offline).unwrap(), fetched);
    let outcome = hub::fetch("org/tiny", Some("v2"), &offline, &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(
        complaint(outcome, &offline),
        message
            .replace("revision main", "revision v2")
            .replace("CACHE", "CACHE (which has org/tiny)")
            .replace("model pull org/tiny", "model pull org/tiny --revision v2")
    );
    assert_eq!(hub.connections(), connections);
}

#[test]
fn without_a_network_the_message_names_the_built_in_model() {
    let (endpoint, cache) = (NOWHERE.to_owned(), Cache::new());
    let settings = cache.at(&endpoint);
    let message = complaint(fetch(&settings), &settings);
    assert!(
        message.starts_with("cannot reach HUB for org/tiny: Connection refused")
            && message.ends_with("; without a network use the built-in model (`--model builtin`)"),
        "{message}"
    );
    assert!(tree(cache.0.path()).is_empty(), "nothing was begun");
}

#[test]
fn an_address_that_is_none_is_named() {
    let cache = Cache::new();
    for endpoint in [
        "hub.example.org",
        "",
        "ftp://hub.example.org",
        "http://",
        "https:// x",
    ] {
        let settings = cache.at(endpoint);
        let outcome = fetch(&settings);
        assert_eq!(
            outcome.unwrap_err().to_string(),
            format!(
                "HF_ENDPOINT is {endpoint:?}; an address that begins with https:// or http:// is \
                 wanted"
            )
        );
    }
}

#[test]
fn a_hub_in_trouble_is_no_trouble_for_what_is_cached() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    let fetched = fetch(&cache.at(&hub.endpoint)).unwrap();
    let busy = Hub::start(|_| Answer::status(503, &[("Retry-After", "0")]));
    let hotel = Hub::start(|_| Answer::whole("<html>Please pay</html>"));
    let cases = [
        (NOWHERE.to_owned(), "cannot be reached"),
        (busy.endpoint.clone(), "is busy (status 503)"),
        (hotel.endpoint.clone(), "does not answer as a hub does"),
    ];
    for (endpoint, what) in cases {
        let found = fetch(&cache.at(&endpoint)).unwrap();
        assert_eq!(found.folder, fetched.folder);
        assert_eq!(
            found.note.unwrap(),
            format!("{endpoint} {what}; using org/tiny as it was downloaded before")
        );
    }
    // But that a model is gone, or not for us, is not passed over.
    let gone = Hub::start(|_| Answer::status(404, &[("X-Error-Code", "RepoNotFound")]));
    let outcome = fetch(&cache.at(&gone.endpoint));
    assert!(matches!(outcome, Err(Error::NotFound { .. })));
}

/// The tiny model with the weights in these files of `tests/reference/formats` instead.
fn repository_with(weights: &[&str]) -> Repository {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/formats");
    let mut repository = Repository::tiny();
    repository.files.remove(WEIGHTS);
    for path in weights {
        let (_, name) = path.rsplit_once('/').unwrap();
        let bytes = std::fs::read(from.join(path)).unwrap();
        repository.files.insert(name.to_owned(), bytes);
    }
    repository
}

#[test]
fn weights_are_fetched_in_whatever_format_there_is() {
    let shards = [
        "shards/model-00001-of-00003.safetensors",
        "shards/model-00002-of-00003.safetensors",
        "shards/model-00003-of-00003.safetensors",
        "shards/model.safetensors.index.json",
    ];
    for weights in [
        &shards[..],
        &["flax/flax_model.msgpack"],
        &["keras/tf_model.h5"],
    ] {
        let (hub, cache) = (Hub::with(repository_with(weights)), Cache::new());
        let settings = cache.at(&hub.endpoint);
        let fetched = fetch(&settings).unwrap();
        Checkpoint::open(&fetched.folder).unwrap();
        let offline = HubSettings {
            offline: true,
            ..settings
        };
        assert_eq!(fetch(&offline).unwrap().folder, fetched.folder);
        // Half of the weights are none.
        let (_, name) = weights[0].rsplit_once('/').unwrap();
        std::fs::remove_file(fetched.folder.join(name)).unwrap();
        assert!(fetch(&offline).is_err(), "{name} is missing");
    }
}

#[test]
fn a_repository_without_weights_is_told_with_what_it_has() {
    let mut repository = Repository::tiny();
    let weights = repository.files.remove(WEIGHTS).unwrap();
    repository
        .files
        .insert("model-00001-of-00002.safetensors".to_owned(), weights);
    let (hub, cache) = (Hub::with(repository), Cache::new());
    let settings = cache.at(&hub.endpoint);
    assert_eq!(
        complaint(fetch(&settings), &settings),
        "org/tiny has no model.safetensors, pytorch_model.bin, flax_model.msgpack or tf_model.h5; \
         it has config.json, model-00001-of-00002.safetensors, vocab.txt"
    );
    assert_eq!(
        hub.files(),
        [],
        "nothing is downloaded of what cannot be used"
    );
}

#[test]
fn who_waits_for_another_download_sees_it_and_may_leave() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    let settings = cache.at(&hub.endpoint);
    let hash = server::sha256(Repository::tiny().weights());
    let locks = settings.cache.join(".locks/models--org--tiny");
    std::fs::create_dir_all(&locks).unwrap();
    let lock = std::fs::File::create(locks.join(format!("{hash}.lock"))).unwrap();
    lock.lock().unwrap();
    std::fs::create_dir_all(cache.part().parent().unwrap()).unwrap();
    std::fs::write(cache.part(), &Repository::tiny().weights()[..3_000]).unwrap();

    let mut told = Vec::new();
    let outcome = hub::fetch("org/tiny", None, &settings, &mut |progress| {
        if progress.file != WEIGHTS {
            return ControlFlow::Continue(());
        }
        told.push(progress.done);
        ControlFlow::Break(())
    });
    assert!(matches!(outcome, Err(Error::Cancelled)));
    assert_eq!(told, [3_000]);

    // The other one finishes: nothing is left to transfer.
    let mut lock = Some(lock);
    let outcome = hub::fetch("org/tiny", None, &settings, &mut |progress| {
        if progress.file == WEIGHTS && lock.take().is_some() {
            let blob = cache.part().with_extension("");
            std::fs::remove_file(cache.part()).unwrap();
            std::fs::write(blob, Repository::tiny().weights()).unwrap();
        }
        ControlFlow::Continue(())
    });
    assert_whole(&outcome.unwrap());
    assert_eq!(hub.weights(), []);
}

#[test]
fn a_cached_model_is_found_by_the_snapshot_that_is_whole() {
    let (hub, cache) = (Hub::with(Repository::tiny()), Cache::new());
    let settings = cache.at(&hub.endpoint);
    fetch(&settings).unwrap();
    let root = cache.repository();
    std::fs::remove_dir_all(root.join("refs")).unwrap();
    // By name it comes first, but it was cut short.
    std::fs::create_dir(root.join("snapshots/0000000000000000000000000000000000000000")).unwrap();
    let cached = hub::cached(&settings);
    assert_eq!(cached.len(), 1);
    assert_eq!(cached[0].revision, Repository::tiny().commit);
}

fn from_env(variables: &[(&str, &str)]) -> HubSettings {
    HubSettings::from_env(|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    })
}

#[test]
fn the_variables_mean_what_they_mean_elsewhere() {
    let plain = from_env(&[("HOME", "/home/ada")]);
    assert_eq!(
        plain,
        HubSettings {
            cache: "/home/ada/.cache/huggingface/hub".into(),
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            offline: false,
            patience: Duration::from_secs(10),
            most_bytes: 16 << 30,
        }
    );
    let cache = |variables: &[(&str, &str)]| {
        let all = [variables, &[("HOME", "/home/ada")]].concat();
        from_env(&all).cache.display().to_string()
    };
    assert_eq!(cache(&[("XDG_CACHE_HOME", "/xdg")]), "/xdg/huggingface/hub");
    assert_eq!(
        cache(&[("HF_HOME", "/hf"), ("XDG_CACHE_HOME", "/xdg")]),
        "/hf/hub"
    );
    assert_eq!(cache(&[("HF_HOME", "~/hf")]), "/home/ada/hf/hub");
    assert_eq!(
        cache(&[("HF_HUB_CACHE", "/here"), ("HF_HOME", "/hf")]),
        "/here"
    );
    assert_eq!(
        cache(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HOME", "/hf")]),
        "/old"
    );
    // An empty variable is none.
    assert_eq!(
        cache(&[("HF_HOME", ""), ("HF_HUB_CACHE", "")]),
        plain.cache.display().to_string()
    );

    let endpoint = |value| from_env(&[("HF_ENDPOINT", value)]).endpoint;
    assert_eq!(
        endpoint("https://mirror.example.org/"),
        "https://mirror.example.org"
    );
    assert_eq!(endpoint(""), "https://huggingface.co");

    for value in ["1", "ON", "yes", "True"] {
        assert!(from_env(&[("HF_HUB_OFFLINE", value)]).offline, "{value}");
        assert!(
            from_env(&[("TRANSFORMERS_OFFLINE", value)]).offline,
            "{value}"
        );
    }
    for value in ["", "0", "no", "off"] {
        assert!(!from_env(&[("HF_HUB_OFFLINE", value)]).offline, "{value}");
    }

    let patience = |value| from_env(&[("HF_HUB_DOWNLOAD_TIMEOUT", value)]).patience;
    assert_eq!(patience("30"), Duration::from_secs(30));
    assert_eq!(patience("0.5"), Duration::from_millis(500));
    for value in ["", "0", "-1", "soon", "nan", "inf", "1e300"] {
        assert_eq!(patience(value), Duration::from_secs(10), "{value}");
    }
}

#[test]
fn the_token_is_the_variable_or_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
    std::fs::write(folder.path().join("other"), "  hf_other  ").unwrap();
    let other = folder.path().join("other");
    let other = other.to_str().unwrap();
    let token = |variables: &[(&str, &str)]| from_env(variables).token;
    assert_eq!(token(&[("HF_HOME", home)]).as_deref(), Some("hf_file"));
    assert_eq!(
        token(&[("HF_HOME", home), ("HF_TOKEN_PATH", other)]).as_deref(),
        Some("hf_other")
    );
    assert_eq!(
        token(&[("HF_HOME", home), ("HF_TOKEN", " hf_variable\n")]).as_deref(),
        Some("hf_variable")
    );
    assert_eq!(
        token(&[("HF_HOME", home), ("HF_TOKEN", "")]).as_deref(),
        Some("hf_file")
    );
    // What cannot be sent in a header is no token.
    assert_eq!(token(&[("HF_TOKEN", "hf_\nX-Evil: 1")]), None);
    assert_eq!(
        token(&[("HF_TOKEN_PATH", "/nowhere"), ("HOME", "/nowhere")]),
        None
    );
}

#[test]
fn names_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    std::fs::write(&file, "").unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(ModelChoice::parse("builtin").unwrap(), ModelChoice::Builtin);
    assert_eq!(
        ModelChoice::parse(path).unwrap(),
        ModelChoice::Folder(path.into())
    );
    for id in ["google/electra-small-discriminator", "electra.1_b"] {
        assert_eq!(ModelChoice::parse(id).unwrap(), ModelChoice::Hub(id.into()));
    }
    let refused = [
        ("", ""),
        ("./nope", "; there is no such folder"),
        ("/nope", "; there is no such folder"),
        ("~/nope", "; there is no such folder"),
        ("nope/", "; there is no such folder"),
        ("a/b/c", "; there is no such folder"),
        ("a\\b", "; there is no such folder"),
        ("../no-such-neighbour", "; there is no such folder"),
        ("a//b", "; there is no such folder"),
        ("org/a b", ""),
        ("org/a--b", ""),
        ("org/..", ""),
        ("org/x?y", ""),
        ("-x/y", ""),
        ("x/\u{1b}[31m", ""),
    ];
    for (name, wanted) in refused {
        match ModelChoice::parse(name) {
            Err(NameError { hint, .. }) => assert_eq!(hint, wanted, "{name:?}"),
            other => panic!("{name:?}: {other:?}"),
        }
    }
    let outcome = ModelChoice::parse(file.to_str().unwrap());
    assert!(
        outcome
            .unwrap_err()
            .to_string()
            .ends_with("; it is a file, and the folder that it lies in is wanted")
    );
}

// The same through the program.

/// Everything it says, with the hub called by name.
fn say(outcome: &crate::sandbox::Outcome, hub: &Hub) -> String {
    format!("{}\n{}{}", outcome.code, outcome.out, outcome.err).replace(&hub.endpoint, "HUB")
}

#[test]
fn pull_prints_the_folder_and_says_what_it_downloads() {
    let (hub, here) = (Hub::with(Repository::tiny()), Sandbox::new());
    let pull = |arguments: &[&str]| {
        let mut command = here.command(&["model", "pull", "org/tiny"]);
        command.args(arguments).env("HF_ENDPOINT", &hub.endpoint);
        say(&here.outcome(command.output().unwrap()), &hub)
    };
    let folder = "HERE/home/.cache/huggingface/hub/models--org--tiny/snapshots/\
                  0123456789abcdef0123456789abcdef01234567";
    assert_eq!(
        pull(&[]),
        format!("0\n{folder}\ndownloading org/tiny into HERE/home/.cache/huggingface/hub\n")
    );
    // Nothing is downloaded, so nothing is said of it.
    assert_eq!(pull(&[]), format!("0\n{folder}\n"));
    let connections = hub.connections();
    assert_eq!(pull(&["--offline"]), format!("0\n{folder}\n"));
    assert_eq!(hub.connections(), connections);
    assert_eq!(
        pull(&["--revision", "v2"]),
        "2\nerror: HUB has no revision v2 of org/tiny; look at the spelling of --revision\n"
    );
}

#[test]
fn a_model_is_downloaded_where_it_is_first_used() {
    let (hub, here) = (Hub::with(Repository::tiny()), Sandbox::new());
    let mut command = here.command(&["model", "info", "org/tiny", "--json", "-q"]);
    let output = command.env("HF_ENDPOINT", &hub.endpoint).output().unwrap();
    let outcome = here.outcome(output);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    let info: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(info["revision"], Repository::tiny().commit);
    // Then it is at hand without a network, with a note that says so, and offline without one.
    let info = here.run(&["model", "info", "org/tiny"]);
    assert_eq!(
        (info.code, info.err.as_str()),
        (
            0,
            "http://127.0.0.1:9 cannot be reached; using org/tiny as it was downloaded before\n"
        )
    );
    let info = here.run(&["model", "info", "org/tiny", "--offline"]);
    assert_eq!((info.code, info.err.as_str()), (0, ""));
}

#[test]
fn the_program_asks_nobody_when_it_is_offline() {
    let (hub, here) = (Hub::with(Repository::tiny()), Sandbox::new());
    std::fs::write(here.path().join("a.txt"), "The boat is late.\n").unwrap();
    let settings = here.path().join("offline.toml");
    std::fs::write(&settings, "offline = true\n").unwrap();
    let offline: [&dyn Fn(&mut Command); 4] = [
        &|command| {
            command.arg("--offline");
        },
        &|command| {
            command.env("HF_HUB_OFFLINE", "1");
        },
        &|command| {
            command.env("ELECTROSCOPE_OFFLINE", "true");
        },
        &|command| {
            command.arg("--config").arg(&settings);
        },
    ];
    for make_offline in offline {
        let mut command = here.command(&["score", "a.txt", "--model", "org/tiny"]);
        make_offline(command.env("HF_ENDPOINT", &hub.endpoint));
        assert_eq!(
            say(&here.outcome(command.output().unwrap()), &hub),
            "2\nerror: org/tiny (revision main) is not in the cache \
             HERE/home/.cache/huggingface/hub, no folder is called so, and offline nothing is \
             downloaded; use `--model builtin`, or run `electroscope model pull org/tiny` where \
             there is a network\n"
        );
    }
    assert_eq!(hub.connections(), 0);
    // The main job needs none of it.
    let outcome = here.run(&["score", "a.txt", "--exit-zero"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
}

#[test]
fn a_private_model_is_pulled_with_the_token_of_the_variable_or_the_file() {
    let (hub, here) = (private_hub(), Sandbox::new());
    let pull = |token: Option<&str>| {
        let mut command = here.command(&["model", "pull", "org/tiny", "-q"]);
        command.env("HF_ENDPOINT", &hub.endpoint);
        if let Some(token) = token {
            command.env("HF_TOKEN", token);
        }
        here.outcome(command.output().unwrap())
    };
    let refused = pull(None);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("set HF_TOKEN"), "{}", refused.err);
    let refused = pull(Some("hf_wrong"));
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("not accepted"), "{}", refused.err);
    assert!(!refused.err.contains("hf_wrong"), "{}", refused.err);
    let home = here.path().join("home/.cache/huggingface");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("token"), "hf_right\n").unwrap();
    let outcome = pull(None);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
}

#[test]
fn the_log_keeps_no_token() {
    let (hub, here) = (private_hub(), Sandbox::new());
    let mut command = here.command(&["model", "pull", "org/tiny", "-vv", "--log", "log.txt"]);
    command.env("HF_ENDPOINT", &hub.endpoint);
    let output = command.env("HF_TOKEN", "hf_right").output().unwrap();
    assert_eq!(here.outcome(output).code, 0);
    let log = std::fs::read_to_string(here.path().join("log.txt")).unwrap();
    assert!(!log.is_empty() && !log.contains("hf_right"), "{log}");
}

#[test]
fn without_a_network_the_program_names_the_built_in_model() {
    let here = Sandbox::new();
    let outcome = here.run(&["model", "pull", "org/tiny"]);
    assert_eq!(outcome.code, 2);
    assert_eq!(outcome.out, "");
    assert!(
        outcome
            .err
            .starts_with("error: cannot reach http://127.0.0.1:9 for org/tiny: ")
            && outcome.err.contains("`--model builtin`"),
        "{}",
        outcome.err
    );
}

#[test]
fn a_proxy_is_not_asked_for_a_hub_on_this_machine() {
    let (hub, here) = (Hub::with(Repository::tiny()), Sandbox::new());
    let mut command = here.command(&["model", "pull", "org/tiny", "-q"]);
    command
        .env("HF_ENDPOINT", &hub.endpoint)
        .env("ALL_PROXY", NOWHERE);
    let outcome = here.outcome(command.output().unwrap());
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_download_with_130_and_the_next_goes_on() {
    let (half, never) = (Gate::default(), Gate::default());
    let (reached, held) = (half.clone(), never.clone());
    let hub = hub_with_weights(move |bytes, request, time| match time {
        0 => Answer::announcing(bytes.len())
            .send(&bytes[..bytes.len() / 2])
            .open(&reached)
            .wait(&held),
        _ => Repository::file(bytes, request),
    });
    let here = Sandbox::new();
    let mut command = here.command(&["model", "pull", "org/tiny"]);
    command.env("HF_ENDPOINT", &hub.endpoint);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    half.wait();
    // Sent is not yet written; wait for the part to be as long as what was sent.
    let weights = Repository::tiny().weights().to_vec();
    let part = here.cache().join(format!(
        "models--org--tiny/blobs/{}.incomplete",
        server::sha256(&weights)
    ));
    let begin = Instant::now();
    while std::fs::metadata(&part).map_or(0, |data| data.len()) < weights.len() as u64 / 2 {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "nothing is written"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status();
    assert!(sent.unwrap().success());
    let outcome = here.outcome(child.wait_with_output().unwrap());
    assert_eq!((outcome.code, outcome.out.as_str()), (130, ""));
    never.open();

    let mut command = here.command(&["model", "pull", "org/tiny"]);
    let output = command.env("HF_ENDPOINT", &hub.endpoint).output().unwrap();
    assert_eq!(here.outcome(output).code, 0);
    assert_eq!(hub.weights(), [None, Some(weights.len() / 2)]);
}

#[test]
fn a_cache_that_cannot_be_made_is_named() {
    let (hub, here) = (Hub::with(Repository::tiny()), Sandbox::new());
    std::fs::write(here.path().join("file"), "").unwrap();
    let mut command = here.command(&["model", "pull", "org/tiny"]);
    command
        .env("HF_ENDPOINT", &hub.endpoint)
        .env("HF_HOME", here.path().join("file"));
    let outcome = here.outcome(command.output().unwrap());
    assert_eq!(outcome.code, 2);
    let err = &outcome.err;
    assert!(
        err.contains("error: cannot write HERE/file/hub/models--org--tiny/blobs: ")
            && err.ends_with("; HF_HOME or HF_HUB_CACHE can name another folder\n"),
        "{err}"
    );
}

/// Makes all folders below `folder` read-only, or writable again.
#[cfg(unix)]
fn set_read_only(folder: &Path, is_read_only: bool) {
    use std::os::unix::fs::PermissionsExt;
    let mode = if is_read_only { 0o555 } else { 0o755 };
    let folders = tree(folder).into_keys().filter(|path| path.is_dir());
    for folder in folders.chain([folder.to_owned()]) {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_cache_is_enough_for_what_it_holds() {
    let (hub, here) = (Hub::with(Repository::tiny()), Sandbox::new());
    let pull = |mut command: Command| {
        command.args(["model", "pull", "org/tiny", "-q"]);
        let output = command.env("HF_ENDPOINT", &hub.endpoint).output();
        here.outcome(output.unwrap())
    };
    assert_eq!(pull(here.command(&[])).code, 0);
    set_read_only(&here.cache(), true);
    let outcome = pull(here.command_bound_by_permissions());
    set_read_only(&here.cache(), false);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
}

#[cfg(unix)]
#[test]
fn a_download_into_a_read_only_cache_says_what_to_do() {
    let (hub, here) = (Hub::with(Repository::tiny()), Sandbox::new());
    std::fs::create_dir_all(here.cache()).unwrap();
    set_read_only(&here.cache(), true);
    let mut command = here.command_bound_by_permissions();
    command.args(["model", "pull", "org/tiny", "-q"]);
    let output = command.env("HF_ENDPOINT", &hub.endpoint).output();
    let outcome = here.outcome(output.unwrap());
    set_read_only(&here.cache(), false);
    assert_eq!(outcome.code, 2);
    assert_eq!(
        outcome.err,
        "error: cannot write HERE/home/.cache/huggingface/hub/models--org--tiny/blobs: Permission \
         denied (os error 13); HF_HOME or HF_HUB_CACHE can name another folder\n"
    );
}

#[test]
fn a_terminal_shows_how_far_the_download_is() {
    use std::io::Read;
    let rest = Gate::default();
    let held = rest.clone();
    let hub = hub_with_weights(move |bytes, _, _| {
        Answer::announcing(bytes.len())
            .send(&bytes[..bytes.len() / 2])
            .wait(&held)
            .send(&bytes[bytes.len() / 2..])
    });
    let here = Sandbox::new();
    let pair = portable_pty::native_pty_system()
        .openpty(portable_pty::PtySize {
            rows: 24,
            cols: 100,
            pixel_width: 0,
            pixel_height: 0,
        })
        .unwrap();
    let mut command = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_electroscope"));
    let plain = here.command(&[]);
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        }
    }
    command.env("HF_ENDPOINT", &hub.endpoint);
    command.env("TERM", "xterm-256color");
    command.args(["model", "pull", "org/tiny"]);
    command.cwd(here.path());
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut screen = vt100::Parser::new(24, 100, 0);
    let mut buffer = [0; 4096];
    let mut seen = false;
    // Until the program ends, which it cannot before the bar was seen.
    while let Ok(len @ 1..) = reader.read(&mut buffer) {
        screen.process(&buffer[..len]);
        let now = screen.screen().contents();
        if !seen && now.contains("model.safetensors") && now.contains("13.42 kB of 26.84 kB") {
            seen = true;
            rest.open();
        }
    }
    assert!(seen, "no bar on {:?}", screen.screen().contents());
    assert!(child.wait().unwrap().success());
    // The bar is gone, and the folder is there.
    let left = screen.screen().contents();
    assert!(
        !left.contains("left") && left.contains("snapshots"),
        "{left}"
    );
}
