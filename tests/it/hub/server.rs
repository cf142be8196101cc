//! A hub on loopback that does what a test tells it to and remembers what it was asked.
//!
//! HTTP/1.1 over `std::net`, one request a connection, so that a test decides byte by byte what
//! arrives and when the line goes dead. It knows nothing of the code under test.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What the client asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The address after the host, as it was sent.
    pub(crate) path: String,
    /// The first byte that a `Range` header wants.
    pub(crate) from: Option<usize>,
    /// What an `Authorization` header holds.
    pub(crate) authorization: Option<String>,
    /// What the `Host` header names.
    pub(crate) host: String,
}

impl Request {
    fn read(stream: &mut TcpStream) -> Option<Request> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).ok()?;
        let mut lines = head.lines();
        let path = lines
            .next()?
            .strip_prefix("GET ")?
            .strip_suffix(" HTTP/1.1")?;
        let headers: BTreeMap<String, &str> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        let from = headers
            .get("range")
            .map(|range| range.strip_prefix("bytes=").unwrap())
            .map(|range| range.strip_suffix('-').unwrap().parse().unwrap());
        Some(Request {
            path: path.to_owned(),
            from,
            authorization: headers.get("authorization").map(|&value| value.to_owned()),
            host: headers.get("host").map(|&host| host.to_owned())?,
        })
    }

    /// Whether it asks for the list of files.
    pub(crate) fn is_listing(&self) -> bool {
        self.path.starts_with("/api/models/")
    }

    /// The file that it asks for, or nothing.
    pub(crate) fn file(&self) -> &str {
        self.path
            .split_once("/resolve/")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map_or("", |(_, file)| file)
    }
}

/// Opened once, waited for by any number of threads.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        let patience = Duration::from_secs(60);
        let waited = self.0.1.wait_timeout_while(open, patience, |open| !*open);
        assert!(*waited.unwrap().0, "nothing happened for a minute");
    }
}

/// A piece of what the server does after the head of an answer.
#[derive(Clone)]
enum Step {
    Send(Vec<u8>),
    Rest(Duration),
    Open(Gate),
    Wait(Gate),
    /// Says nothing more until the client hangs up.
    StandStill,
}

/// What the server answers. The connection is closed when all of it is done.
#[derive(Clone)]
pub(crate) struct Answer {
    head: String,
    steps: Vec<Step>,
}

impl Answer {
    fn head(status: u16, headers: &[(&str, &str)], length: usize) -> Answer {
        let mut head =
            format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Answer {
            head,
            steps: Vec::new(),
        }
    }

    /// A status and headers, without contents.
    pub(crate) fn status(status: u16, headers: &[(&str, &str)]) -> Answer {
        Answer::head(status, headers, 0)
    }

    /// All of some contents.
    pub(crate) fn whole(bytes: impl Into<Vec<u8>>) -> Answer {
        let bytes = bytes.into();
        Answer::announcing(bytes.len()).send(bytes)
    }

    /// A head that promises `length` bytes, whatever will come.
    pub(crate) fn announcing(length: usize) -> Answer {
        Answer::head(200, &[], length)
    }

    /// The head of an answer to a `Range` from `from` on.
    pub(crate) fn rest_of(all: &[u8], from: usize) -> Answer {
        let range = format!("bytes {from}-{}/{}", all.len().saturating_sub(1), all.len());
        Answer::head(206, &[("Content-Range", &range)], all.len() - from)
    }

    pub(crate) fn redirect(to: &str) -> Answer {
        Answer::status(302, &[("Location", to)])
    }

    pub(crate) fn send(mut self, bytes: impl Into<Vec<u8>>) -> Answer {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    /// Sends `bytes` in `pieces`, with a rest between.
    pub(crate) fn trickle(mut self, bytes: &[u8], pieces: usize) -> Answer {
        for piece in bytes.chunks(bytes.len().div_ceil(pieces)) {
            self.steps.push(Step::Send(piece.to_vec()));
            self.steps.push(Step::Rest(Duration::from_millis(10)));
        }
        self
    }

    pub(crate) fn open(mut self, gate: &Gate) -> Answer {
        self.steps.push(Step::Open(gate.clone()));
        self
    }

    pub(crate) fn wait(mut self, gate: &Gate) -> Answer {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    pub(crate) fn stand_still(mut self) -> Answer {
        self.steps.push(Step::StandStill);
        self
    }

    fn perform(self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(self.head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        for step in self.steps {
            match step {
                Step::Send(bytes) => stream.write_all(&bytes)?,
                Step::Rest(time) => thread::sleep(time),
                Step::Open(gate) => gate.open(),
                Step::Wait(gate) => gate.wait(),
                Step::StandStill => {
                    let _ = stream.read(&mut [0]);
                }
            }
        }
        stream.shutdown(Shutdown::Write)
    }
}

/// A server that answers until it is dropped.
pub(crate) struct Hub {
    /// Its address, for `HF_ENDPOINT`.
    pub(crate) endpoint: String,
    port: u16,
    asked: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Hub {
    /// Starts one that answers by `answer`.
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let hub = Hub {
            endpoint: format!("http://127.0.0.1:{port}"),
            port,
            asked: Arc::default(),
            connections: Arc::default(),
            over: Arc::default(),
        };
        let (asked, connections, over) = (
            Arc::clone(&hub.asked),
            Arc::clone(&hub.connections),
            Arc::clone(&hub.over),
        );
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    stream.set_nodelay(true).unwrap();
                    if let Some(request) = Request::read(&mut stream) {
                        asked.lock().unwrap().push(request.clone());
                        // A client that has gone away is part of some tests.
                        let _ = answer(&request).perform(&mut stream);
                    }
                });
            }
        });
        hub
    }

    /// Starts one that is a proper hub with one model.
    pub(crate) fn with(repository: Repository) -> Hub {
        Hub::start(move |request| repository.answer(request))
    }

    /// The same server under another host name.
    pub(crate) fn elsewhere(port: u16) -> String {
        format!("http://localhost:{port}")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All requests until now.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// The files asked for until now, each with the byte it was asked from.
    pub(crate) fn files(&self) -> Vec<(String, Option<usize>)> {
        let asked = self.asked();
        let files = asked.iter().filter(|request| !request.file().is_empty());
        files
            .map(|request| (request.file().to_owned(), request.from))
            .collect()
    }

    /// The bytes that the weights were asked from.
    pub(crate) fn weights(&self) -> Vec<Option<usize>> {
        let files = self.files().into_iter();
        files
            .filter(|(file, _)| file == WEIGHTS)
            .map(|(_, from)| from)
            .collect()
    }

    /// How many sockets were opened to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The file that is large.
pub(crate) const WEIGHTS: &str = "model.safetensors";

/// A model on the hub.
#[derive(Clone)]
pub(crate) struct Repository {
    pub(crate) id: String,
    /// The commit that `main` and the tag `v1` stand at.
    pub(crate) commit: String,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    /// A model of a few layers, as `org/tiny`.
    pub(crate) fn tiny() -> Repository {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/fixtures/projected");
        let files = ["config.json", "vocab.txt", WEIGHTS].map(|name| {
            (
                name.to_owned(),
                std::fs::read(from.join(name)).expect("the fixture is there"),
            )
        });
        Repository {
            id: "org/tiny".to_owned(),
            commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            files: files.into(),
        }
    }

    pub(crate) fn weights(&self) -> &[u8] {
        &self.files[WEIGHTS]
    }

    /// The list of files as the hub sends it; the weights are in its large file storage.
    pub(crate) fn listing(&self) -> Value {
        let siblings = self.files.iter().map(|(name, bytes)| {
            let blob = git_blob(bytes);
            let mut file = json!({"rfilename": name, "size": bytes.len(), "blobId": blob});
            if name == WEIGHTS {
                file["blobId"] = json!("ffffffffffffffffffffffffffffffffffffffff");
                file["lfs"] =
                    json!({"sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 134});
            }
            file
        });
        json!({"id": self.id, "sha": self.commit, "private": false, "siblings": siblings.collect::<Vec<_>>()})
    }

    /// Answers as the hub does.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        let missing = |what, message| {
            Answer::status(404, &[("X-Error-Code", what), ("X-Error-Message", message)])
        };
        let names_us = |rest: &str| rest.starts_with(&format!("{}/", self.id));
        let is_revision = |revision: &str| ["main", "v1", self.commit.as_str()].contains(&revision);
        if let Some(rest) = request.path.strip_prefix("/api/models/") {
            if !names_us(rest) {
                return missing("RepoNotFound", "Repository not found");
            }
            let revision = rest
                .split_once("/revision/")
                .and_then(|(_, rest)| rest.strip_suffix("?blobs=true"));
            return match revision {
                Some(revision) if is_revision(revision) => {
                    Answer::whole(self.listing().to_string())
                }
                _ => missing("RevisionNotFound", "Invalid rev id"),
            };
        }
        let revision = request
            .path
            .split_once("/resolve/")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map(|(revision, _)| revision);
        match (revision, self.files.get(request.file())) {
            (Some(revision), Some(bytes)) if is_revision(revision) => {
                Repository::file(bytes, request)
            }
            _ => missing("EntryNotFound", "Entry not found"),
        }
    }

    /// Answers with `bytes`, or those that are asked for.
    pub(crate) fn file(bytes: &[u8], request: &Request) -> Answer {
        match request.from {
            None => Answer::whole(bytes),
            Some(from) if from >= bytes.len() => Answer::status(416, &[]),
            Some(from) => Answer::rest_of(bytes, from).send(&bytes[from..]),
        }
    }
}

/// The name that git gives to these contents.
pub(crate) fn git_blob(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex(&hash.finalize())
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
