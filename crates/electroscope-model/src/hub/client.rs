//! The HTTP client: what a repository holds, and its files, with retries, resumption and checks.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::Uri;

use super::cache::link_or_copy;
use super::checksum::Checksum;
use super::pace::{Paced, is_too_slow};
use super::redirect::{is_same_origin, resolve};
use super::shared_files;
use super::{Error, HubSettings, Progress};
use crate::checkpoint::files;

/// Weights, by preference; all but TensorFlow 1's, which the hub has no convention for.
pub(super) const HUB_WEIGHTS: [&str; 5] = [
    "model.safetensors",
    files::SAFETENSORS_INDEX,
    "pytorch_model.bin",
    "flax_model.msgpack",
    "tf_model.h5",
];

/// What else is wanted if it is there.
const EXTRAS: [&str; 3] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "README.md",
];

/// The hub's description of a repository.
#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    pub(super) sha: String,
    pub(super) siblings: Vec<RemoteFile>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RemoteFile {
    #[serde(rename = "rfilename")]
    pub(super) name: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

impl RemoteFile {
    pub(super) fn size(&self) -> Option<u64> {
        self.lfs.as_ref().and_then(|lfs| lfs.size).or(self.size)
    }

    /// What its contents must hash to, if the hub says so.
    pub(super) fn checksum(&self) -> Option<Checksum<'_>> {
        let is_hash = |hash: &str, len| {
            hash.len() == len && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if let Some(lfs) = &self.lfs {
            let hash = lfs.sha256.as_deref().filter(|hash| is_hash(hash, 64))?;
            return Some(Checksum::Sha256(hash));
        }
        let hash = self.blob_id.as_deref().filter(|hash| is_hash(hash, 40))?;
        Some(Checksum::GitBlob(hash))
    }
}

/// The files of a checkpoint, out of all those in the repository.
pub(super) fn chosen<'a>(id: &str, listing: &'a Listing) -> Result<Vec<&'a RemoteFile>, Error> {
    let find = |name: &str| listing.siblings.iter().find(|file| file.name == name);
    let first = |names: &[&str]| names.iter().find_map(|name| find(name));
    let missing = |wanted| {
        /// More names, or longer ones, would bury the message.
        const MOST: usize = 12;
        let mut names: Vec<String> = listing
            .siblings
            .iter()
            .map(|file| file.name.chars().take(64).collect())
            .collect();
        names.sort_unstable();
        let found = match names.len() {
            0 => "no files".to_owned(),
            n if n > MOST => format!("{} and {} more", names[..MOST].join(", "), n - MOST),
            _ => names.join(", "),
        };
        Error::Incomplete {
            id: id.to_owned(),
            wanted,
            found,
        }
    };
    // An adapter brings what is its own, and whatever else of a checkpoint lies there; the rest is its
    // base's.
    if let (Some(about), None) = (find(files::ADAPTER_CONFIG), first(&HUB_WEIGHTS)) {
        let weights = first(&files::ADAPTER_WEIGHTS)
            .ok_or_else(|| missing("adapter_model.safetensors or adapter_model.bin"))?;
        let others = [find(files::CONFIG), first(&files::TOKENIZERS)]
            .into_iter()
            .flatten();
        let extras = EXTRAS.iter().filter_map(|name| find(name));
        return Ok([about, weights]
            .into_iter()
            .chain(others)
            .chain(extras)
            .collect());
    }
    let mut wanted = vec![find(files::CONFIG).ok_or_else(|| missing(files::CONFIG))?];
    wanted.push(first(&files::TOKENIZERS).ok_or_else(|| missing("tokenizer.json or vocab.txt"))?);
    wanted.extend(EXTRAS.iter().filter_map(|name| find(name)));
    let weights = first(&HUB_WEIGHTS).ok_or_else(|| {
        missing("model.safetensors, pytorch_model.bin, flax_model.msgpack or tf_model.h5")
    })?;
    if weights.name == files::SAFETENSORS_INDEX {
        let siblings = listing.siblings.iter();
        wanted.extend(siblings.filter(|file| files::shard_count(&file.name).is_some()));
    }
    wanted.push(weights);
    Ok(wanted)
}

/// Talks to the hub about one model.
pub(super) struct Client<'a> {
    id: &'a str,
    revision: &'a str,
    settings: &'a HubSettings,
    /// The hub's address: the token is for its origin.
    home: Uri,
    agent: ureq::Agent,
}

/// A file that is in the cache.
pub(super) struct Brought {
    /// Its length.
    pub(super) bytes: u64,
    /// What was wrong with it before it was downloaded again.
    pub(super) damage: Option<String>,
}

/// Why a transfer has to be tried again.
enum Trouble {
    /// It can go on from where it is, after a pause.
    Interrupted {
        why: String,
        /// What the server asks for.
        pause: Option<Duration>,
    },
    /// What is there is not what was announced.
    Wrong(String),
    /// It is of no use to try again.
    Final(Error),
}

impl Trouble {
    fn interrupted(why: String) -> Trouble {
        Trouble::Interrupted { why, pause: None }
    }
}

impl<'a> Client<'a> {
    pub(super) fn new(
        id: &'a str,
        revision: &'a str,
        settings: &'a HubSettings,
    ) -> Result<Client<'a>, Error> {
        let endpoint = &settings.endpoint;
        let address: Option<Uri> = endpoint.parse().ok();
        let address = address.filter(|address| {
            matches!(address.scheme_str(), Some("http" | "https")) && address.host().is_some()
        });
        let Some(home) = address else {
            return Err(Error::Endpoint {
                endpoint: endpoint.clone(),
            });
        };
        let host = home.host().unwrap_or_default();
        let patience = Some(settings.patience);
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Followed by us, who say at each step whether the token goes along.
            .max_redirects(0)
            .timeout_connect(patience)
            .timeout_resolve(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .user_agent(concat!("electroscope/", env!("CARGO_PKG_VERSION")));
        if host == "localhost" || host.starts_with("127.") || host == "[::1]" {
            // A hub on this machine is on this side of any proxy.
            config = config.proxy(None);
        }
        Ok(Client {
            id,
            revision,
            settings,
            agent: config.build().into(),
            home,
        })
    }

    fn get(&self, url: &str, from: Option<u64>) -> Result<ureq::http::Response<ureq::Body>, Error> {
        /// Redirects one after the other.
        const MOST: usize = 10;
        let answer = |what: String| Error::Answer {
            url: url.to_owned(),
            what,
        };
        let mut target: Uri = url
            .parse()
            .map_err(|err| answer(format!("nothing, for it is no address: {err}")))?;
        for _ in 0..=MOST {
            let mut request = self.agent.get(&target);
            // The token is for the hub; where files are really kept is another origin's business.
            if let Some(token) = &self.settings.token
                && is_same_origin(&target, &self.home)
            {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if let Some(from) = from {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let response = request.call().map_err(|err| Error::Network {
                id: self.id.to_owned(),
                endpoint: self.settings.endpoint.clone(),
                why: self.reason(&err),
            })?;
            if !matches!(response.status().as_u16(), 301..=303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get("location");
            let location = location.and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| resolve(&target, location));
            let next = next.ok_or_else(|| {
                answer(format!(
                    "with a redirect to {:?}, which is no address",
                    location.unwrap_or_default()
                ))
            })?;
            if target.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                return Err(answer(format!("with a redirect from https to {next}")));
            }
            target = next;
        }
        Err(answer(format!("with more than {MOST} redirects")))
    }

    /// Over how long a transfer has to come at its least rate.
    fn pace(&self) -> Duration {
        self.settings.patience * 3
    }

    /// What went wrong with a connection, in words.
    fn reason(&self, err: &ureq::Error) -> String {
        match err {
            ureq::Error::Timeout(_) => format!(
                "nothing came for {} s",
                self.settings.patience.as_secs_f32()
            ),
            ureq::Error::HostNotFound => "no such host is known".to_owned(),
            ureq::Error::Io(err) => err.to_string(),
            err => err.to_string(),
        }
    }

    pub(super) fn listing_url(&self) -> String {
        format!(
            "{}/api/models/{}/revision/{}?blobs=true",
            self.settings.endpoint,
            self.id,
            self.revision.replace('/', "%2F")
        )
    }

    pub(super) fn listing(&self) -> Result<Listing, Error> {
        /// No repository of a model has a list of files that is longer.
        const LONGEST: u64 = 16 << 20;
        let url = self.listing_url();
        let mut tries = 0;
        let response = loop {
            let outcome = self.get(&url, None);
            tries += 1;
            let mut pause = Duration::from_millis(200) * tries;
            match outcome {
                Ok(response) if is_passing(response.status().as_u16()) && tries < 3 => {
                    pause = self.retry_after(&response).unwrap_or(pause);
                }
                Ok(response) => break response,
                Err(err) if tries >= 2 => return Err(err),
                Err(_) => {}
            }
            std::thread::sleep(pause);
        };
        self.check_status(&response, &url, None)?;
        let mut body = Vec::new();
        let mut paced = Paced::new(response.into_body().into_reader(), self.pace());
        let read = (&mut paced).take(LONGEST + 1).read_to_end(&mut body);
        read.map_err(|err| Error::Network {
            id: self.id.to_owned(),
            endpoint: self.settings.endpoint.clone(),
            why: format!("the list of files breaks off: {}", self.reason(&err.into())),
        })?;
        if body.len() as u64 > LONGEST {
            return Err(Error::Answer {
                url,
                what: format!("with a list of files of more than {LONGEST} bytes, as no model has"),
            });
        }
        serde_json::from_slice(&body).map_err(|err| Error::Answer {
            url,
            what: format!("with something other than a list of files: {err}"),
        })
    }

    /// How long the server asks to be left alone, up to our patience.
    fn retry_after(&self, response: &ureq::http::Response<ureq::Body>) -> Option<Duration> {
        let seconds = response.headers().get("retry-after")?.to_str().ok()?;
        let wanted = Duration::from_secs(seconds.trim().parse().ok()?);
        Some(wanted.min(self.settings.patience))
    }

    /// Turns what the hub says of the list of files, or of `file`, into an error.
    fn check_status(
        &self,
        response: &ureq::http::Response<ureq::Body>,
        url: &str,
        file: Option<&str>,
    ) -> Result<(), Error> {
        let (id, endpoint) = (self.id.to_owned(), self.settings.endpoint.clone());
        let status = response.status().as_u16();
        let code = response.headers().get("x-error-code");
        let code = code.and_then(|code| code.to_str().ok()).unwrap_or_default();
        match status {
            200 | 206 => Ok(()),
            401 | 403 => {
                let hint = match (&self.settings.token, status) {
                    (Some(_), 401) => {
                        "the token in HF_TOKEN (or in the token file of HF_HOME) is not accepted; \
                         renew it, or take it away for a public model"
                    }
                    (Some(_), _) => {
                        "the token in HF_TOKEN (or in the token file of HF_HOME) may not read it; \
                         ask for access, or accept the licence, on the model's page"
                    }
                    (None, _) => {
                        "there is no such model, or it is private or gated; look at the spelling \
                         (no folder is called so either), or set HF_TOKEN to a token that may read it"
                    }
                };
                Err(Error::Denied {
                    id,
                    endpoint,
                    status,
                    hint,
                })
            }
            404 => {
                let (what, hint) = match file {
                    Some(file) => (
                        format!("{file} of {id}, although it lists it"),
                        "try again later",
                    ),
                    None if code == "RevisionNotFound" => (
                        format!("revision {} of {id}", self.revision),
                        "look at the spelling of --revision",
                    ),
                    None if code == "RepoNotFound" || self.revision == "main" => (
                        format!("model {id}"),
                        "look at the spelling; no folder is called so either",
                    ),
                    None => (
                        format!("model {id} with a revision {}", self.revision),
                        "look at the spelling of both; no folder is called so either",
                    ),
                };
                Err(Error::NotFound {
                    id,
                    endpoint,
                    what,
                    hint,
                })
            }
            status if is_passing(status) => Err(Error::Busy {
                id,
                endpoint,
                status,
            }),
            _ => Err(Error::Answer {
                url: url.to_owned(),
                what: format!("with status {status}"),
            }),
        }
    }

    /// Brings `file` of `commit` into the cache and links it into `folder`, the snapshot. One that is
    /// there already, but has another length than the hub says, is downloaded again. At most `room`
    /// bytes are downloaded.
    pub(super) fn download(
        &self,
        file: &RemoteFile,
        commit: &str,
        folder: &Path,
        room: u64,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Brought, Error> {
        let link = folder.join(&file.name);
        let len_of = |path: &Path| {
            let data = std::fs::metadata(path).ok();
            data.filter(std::fs::Metadata::is_file)
                .map(|data| data.len())
        };
        let is_whole = |len: u64| file.size().is_none_or(|size| size == len);
        let found = len_of(&link);
        if let Some(bytes) = found.filter(|&len| is_whole(len)) {
            return Ok(Brought {
                bytes,
                damage: None,
            });
        }
        let write_error = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Write { path, source }
        };
        let Some(checksum) = file.checksum() else {
            let what = format!(
                "with a list of files that says nothing of the contents of {}",
                file.name
            );
            return Err(Error::Answer {
                url: self.listing_url(),
                what,
            });
        };
        let blob_name = checksum.hash();
        let repo_folder = self.settings.repo_folder(self.id);
        let blob = repo_folder.join("blobs").join(blob_name);
        let part = repo_folder
            .join("blobs")
            .join(format!("{blob_name}.incomplete"));
        let locks = self
            .settings
            .cache
            .join(".locks")
            .join(repo_folder.file_name().unwrap_or_default());
        let lock = locks.join(format!("{blob_name}.lock"));
        for path in [&repo_folder.join("blobs"), &locks, folder] {
            std::fs::create_dir_all(path).map_err(write_error(path))?;
        }
        // Two processes may want the same file; the second waits and finds it done.
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let held = shared_files::open(&lock, &mut options).map_err(write_error(&lock))?;
        loop {
            match held.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(err)) => {
                    // Some network drives have no locks. Two downloads at a time are rare, and what
                    // they would make of each other's part does not pass the check.
                    tracing::warn!(path = %lock.display(), %err, "going on without a lock");
                    break;
                }
            }
            // What the other one has done so far is progress too.
            let done = shared_files::len(&part);
            let total = file.size().unwrap_or(0).max(done);
            let told = Progress {
                file: &file.name,
                done,
                total,
            };
            if progress(told).is_break() {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let damage = match (len_of(&blob).or(found), file.size()) {
            (Some(len), Some(size)) if len != size => {
                tracing::warn!(blob = %blob.display(), len, size, "damaged in the cache");
                // What is not there needs no removal.
                let _ = std::fs::remove_file(&blob);
                let _ = std::fs::remove_file(&link);
                Some(format!("{} with {len} of {size} bytes", file.name))
            }
            _ => None,
        };
        if !blob.is_file() {
            // At the commit, not at the branch, which may have moved on since it was listed.
            let url = format!(
                "{}/{}/resolve/{commit}/{}",
                self.settings.endpoint, self.id, file.name
            );
            self.transfer(file, checksum, &url, &part, room, progress)?;
            std::fs::rename(&part, &blob).map_err(write_error(&blob))?;
        }
        if !link.is_file() {
            // A link that points to nothing is in the way.
            let _ = std::fs::remove_file(&link);
            link_or_copy(&blob, &link).map_err(write_error(&link))?;
        }
        Ok(Brought {
            bytes: len_of(&blob).unwrap_or(0),
            damage,
        })
    }

    /// Fills `part` until it is `file`, going on where an earlier try ended.
    fn transfer(
        &self,
        file: &RemoteFile,
        checksum: Checksum<'_>,
        url: &str,
        part: &Path,
        room: u64,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        /// Tries in a row that bring nothing new.
        const PATIENCE: u32 = 4;
        let here = || shared_files::len(part);
        let (mut idle, mut wrong, mut most) = (0, 0, here());
        loop {
            let trouble = match self.try_transfer(file, checksum, url, part, room, progress) {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Final(err) => return Err(err),
                Trouble::Wrong(what) => {
                    std::fs::remove_file(part).map_err(|source| Error::Write {
                        path: part.to_owned(),
                        source,
                    })?;
                    wrong += 1;
                    if wrong == 2 {
                        return Err(Error::Damaged {
                            id: self.id.to_owned(),
                            file: file.name.clone(),
                            what,
                        });
                    }
                    most = 0;
                }
                Trouble::Interrupted { why, pause } => {
                    let done = here();
                    // Against the most there ever was, for a server that always begins at the
                    // start could break off for ever.
                    idle = if done > most { 0 } else { idle + 1 };
                    most = most.max(done);
                    if idle == PATIENCE {
                        return Err(Error::Interrupted {
                            id: self.id.to_owned(),
                            file: file.name.clone(),
                            done,
                            total: file.size().unwrap_or(done),
                            why,
                        });
                    }
                    tracing::warn!(file = file.name, %why, "the download broke off; going on");
                    let pause = pause.unwrap_or(Duration::from_millis(100 << idle));
                    std::thread::sleep(pause);
                }
            }
        }
    }

    fn try_transfer(
        &self,
        file: &RemoteFile,
        checksum: Checksum<'_>,
        url: &str,
        part: &Path,
        room: u64,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<(), Trouble> {
        let write_error = |source| {
            Trouble::Final(Error::Write {
                path: part.to_owned(),
                source,
            })
        };
        let mut out = shared_files::open(part, File::options().create(true).append(true))
            .map_err(write_error)?;
        let mut done = out.metadata().map_err(write_error)?.len();
        let size = file.size();
        if size.is_some_and(|size| done > size) {
            // Whatever wrote this, it is not the beginning of the file.
            out.set_len(0).map_err(write_error)?;
            done = 0;
        }
        // Before the first byte too: whoever watches sees where it goes on, and may stop it.
        let mut tell = |done| match progress(Progress {
            file: &file.name,
            done,
            total: size.unwrap_or(0).max(done),
        }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Trouble::Final(Error::Cancelled)),
        };
        tell(done)?;
        if size != Some(done) {
            let from = (done > 0).then_some(done);
            let response = match self.get(url, from) {
                Ok(response) => response,
                Err(Error::Network { why, .. }) => return Err(Trouble::interrupted(why)),
                Err(err) => return Err(Trouble::Final(err)),
            };
            let status = response.status().as_u16();
            if status == 416 {
                return Err(Trouble::Wrong(format!(
                    "the server's file ends before byte {done}"
                )));
            }
            if is_passing(status) {
                return Err(Trouble::Interrupted {
                    why: format!("the server is busy (status {status})"),
                    pause: self.retry_after(&response),
                });
            }
            self.check_status(&response, url, Some(&file.name))
                .map_err(Trouble::Final)?;
            match first_byte(&response) {
                // What was asked for, or what stands for it in an answer that does not say.
                Some(first) if first == done => {}
                None if status == 206 => {}
                // The server sends it from the start, whatever was asked.
                None => {
                    out.set_len(0).map_err(write_error)?;
                    done = 0;
                }
                Some(first) => {
                    return Err(Trouble::Wrong(format!(
                        "the server sent it from byte {first} on instead of byte {done}"
                    )));
                }
            }
            let mut body = Paced::new(response.into_body().into_reader(), self.pace());
            let mut buffer = vec![0; 1 << 16];
            loop {
                let len = match body.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(len) => len,
                    Err(err) if is_too_slow(&err) => {
                        return Err(Trouble::Final(Error::Interrupted {
                            id: self.id.to_owned(),
                            file: file.name.clone(),
                            done,
                            total: size.unwrap_or(done),
                            why: err.to_string(),
                        }));
                    }
                    Err(err) => return Err(Trouble::interrupted(self.reason(&err.into()))),
                };
                out.write_all(&buffer[..len]).map_err(write_error)?;
                done += len as u64;
                if let Some(size) = size.filter(|&size| done > size) {
                    return Err(Trouble::Wrong(format!(
                        "more than the announced {size} bytes came"
                    )));
                }
                if done > room {
                    // It is of no use to go on with it.
                    let _ = std::fs::remove_file(part);
                    return Err(Trouble::Final(Error::TooMuch {
                        id: self.id.to_owned(),
                        bytes: done,
                        most: self.settings.most_bytes,
                    }));
                }
                tell(done)?;
            }
        }
        if let Some(size) = size.filter(|&size| done < size) {
            return Err(Trouble::interrupted(format!(
                "only {done} of {size} bytes came"
            )));
        }
        out.sync_all().map_err(write_error)?;
        match checksum.complaint(part).map_err(write_error)? {
            Some(what) => Err(Trouble::Wrong(what)),
            None => Ok(()),
        }
    }
}

/// The byte that a part of a file begins at, if the answer is a part and says so.
fn first_byte(response: &ureq::http::Response<ureq::Body>) -> Option<u64> {
    if response.status().as_u16() != 206 {
        return None;
    }
    let range = response.headers().get("content-range")?.to_str().ok()?;
    let (first, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    first.trim().parse().ok()
}

/// Whether a status may be another one in a moment.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502..=504)
}
