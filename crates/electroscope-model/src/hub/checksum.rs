//! Hashes of files, and whether a download is what the hub announced.

use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::bounded_read::open_regular;

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
///
/// Those of reading it.
pub fn sha256(path: &Path) -> io::Result<String> {
    sha256_of(open_regular(path)?)
}

/// The SHA-256 of whatever `bytes` gives, in hexadecimal.
///
/// # Errors
///
/// Those of reading it.
pub fn sha256_of(bytes: impl Read) -> io::Result<String> {
    hash_of(bytes, Sha256::new())
}

/// Feeds bytes to `hash`; what it comes to, in hexadecimal.
fn hash_of(mut bytes: impl Read, mut hash: impl Digest) -> io::Result<String> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match bytes.read(&mut buffer)? {
            0 => break,
            len => hash.update(&buffer[..len]),
        }
    }
    let hash = hash.finalize();
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What the hub announces of a file's contents; also the name of its blob in the cache.
#[derive(Clone, Copy, Debug)]
pub(super) enum Checksum<'a> {
    /// Of a large file.
    Sha256(&'a str),
    /// Of a small one: the SHA-1 that git gives it, of `blob LENGTH` and the contents.
    GitBlob(&'a str),
}

impl<'a> Checksum<'a> {
    /// What a blob of this name in the cache hashes to; none if it is no hash.
    pub(super) fn of_blob(name: &'a str) -> Option<Checksum<'a>> {
        let is_hash = name.bytes().all(|byte| byte.is_ascii_hexdigit());
        match name.len() {
            64 if is_hash => Some(Checksum::Sha256(name)),
            40 if is_hash => Some(Checksum::GitBlob(name)),
            _ => None,
        }
    }

    pub(super) fn hash(self) -> &'a str {
        match self {
            Checksum::Sha256(hash) | Checksum::GitBlob(hash) => hash,
        }
    }

    /// What is wrong with the file at `path`, if anything is.
    pub(super) fn complaint(self, path: &Path) -> io::Result<Option<String>> {
        let (name, found) = match self {
            Checksum::Sha256(_) => ("SHA-256", sha256(path)?),
            Checksum::GitBlob(_) => {
                let file = open_regular(path)?;
                let len = file.metadata()?.len();
                let start = Sha1::new().chain_update(format!("blob {len}\0"));
                ("git hash", hash_of(file, start)?)
            }
        };
        let wanted = self.hash();
        let is_wrong = !found.eq_ignore_ascii_case(wanted);
        Ok(is_wrong.then(|| format!("its {name} is {found} instead of {wanted}")))
    }
}
