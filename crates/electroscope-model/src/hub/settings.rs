//! Where the hub and its cache are, from the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::{Cache, Repo, RepoType};

use crate::bounded_read::{limits, read_text_bounded};

/// Where the hub and its cache are.
#[derive(Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// The folder of the cache.
    pub cache: PathBuf,
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    /// The user's access token.
    pub token: Option<String>,
    /// Whether no socket may be opened.
    pub offline: bool,
    /// How long a connection may take and a transfer may stand still.
    pub patience: Duration,
    /// The bytes of a model at most.
    pub most_bytes: u64,
}

impl std::fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubSettings")
            .field("cache", &self.cache)
            .field("endpoint", &self.endpoint)
            // A log is no place for a secret.
            .field("token", &self.token.as_ref().map(|_| "…"))
            .field("offline", &self.offline)
            .field("patience", &self.patience)
            .field("most_bytes", &self.most_bytes)
            .finish()
    }
}

impl HubSettings {
    /// Reads the variables that huggingface_hub reads: `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN`,
    /// `HF_TOKEN_PATH`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_HUB_DOWNLOAD_TIMEOUT` in seconds, and
    /// `XDG_CACHE_HOME` and `HOME` for the default place.
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> HubSettings {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let user = set("HOME").or_else(|| set("USERPROFILE"));
        // What no shell has expanded, such as a service's variables, may begin with `~`.
        let folder = |name: &str| {
            let path = PathBuf::from(set(name)?);
            match (path.strip_prefix("~"), &user) {
                (Ok(rest), Some(user)) => Some(Path::new(user).join(rest)),
                _ => Some(path),
            }
        };
        let home = folder("HF_HOME").unwrap_or_else(|| {
            let cache = folder("XDG_CACHE_HOME")
                .or_else(|| user.as_ref().map(|home| Path::new(home).join(".cache")));
            cache.unwrap_or_else(std::env::temp_dir).join("huggingface")
        });
        let text = |name: &str| set(name).map(|value| value.to_string_lossy().trim().to_owned());
        let token_path = folder("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = text("HF_TOKEN")
            .or_else(|| {
                read_text_bounded(&token_path, limits::SETTINGS)
                    .ok()
                    .map(|token| token.trim().to_owned())
            })
            .filter(|token| !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic()));
        let yes = |name: &str| {
            text(name).is_some_and(|value| {
                matches!(
                    value.to_ascii_uppercase().as_str(),
                    "1" | "ON" | "YES" | "TRUE"
                )
            })
        };
        HubSettings {
            cache: folder("HF_HUB_CACHE")
                .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
                .unwrap_or_else(|| home.join("hub")),
            endpoint: text("HF_ENDPOINT").map_or("https://huggingface.co".to_owned(), |endpoint| {
                endpoint.trim_end_matches('/').to_owned()
            }),
            token,
            offline: yes("HF_HUB_OFFLINE") || yes("TRANSFORMERS_OFFLINE"),
            patience: text("HF_HUB_DOWNLOAD_TIMEOUT")
                .and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok())
                .filter(|patience| !patience.is_zero())
                .unwrap_or(Duration::from_secs(10)),
            most_bytes: limits::WEIGHTS,
        }
    }

    pub(super) fn repo(&self, id: &str) -> hf_hub::CacheRepo {
        Cache::new(self.cache.clone()).repo(Repo::new(id.to_owned(), RepoType::Model))
    }

    /// The folder of a model in the cache.
    pub(super) fn repo_folder(&self, id: &str) -> PathBuf {
        self.cache
            .join(Repo::new(id.to_owned(), RepoType::Model).folder_name())
    }
}
