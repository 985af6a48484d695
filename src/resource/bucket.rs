//! An agent's S3 key and bucket.
//!
//! The key file decides who may come in and the server creates the bucket with the key; whether it is there is asked
//! from the server, by a signed request, and not from the file.

use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use hyper::StatusCode;
use rusty_s3::S3Action as _;

use crate::{
    config::paths::Paths,
    error::Diagnose,
    exit_code::ExitCode,
    infra::embedded::s3::keys::{KeyFile, Keys},
    model::{id::AgentId, secret::Secret},
    store::{
        StoreError,
        atomic::{self, Access},
    },
};

/// How long the server may take to answer one question.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the server may take to let go of a removed key.
const REMOVAL: Duration = Duration::from_secs(5);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(5);

/// The embedded S3 service as agents' buckets are made in it.
#[derive(Clone, Copy, Debug)]
pub struct Buckets<'a> {
    /// Where its key files and storage lie.
    pub paths: &'a Paths,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

/// Whose key it is. Key, bucket and storage root all bear this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketName(String);

/// What a process needs to use a bucket.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: Secret,
    /// The one bucket of this key.
    pub bucket: String,
}

/// What is there of a key and its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketState {
    /// Neither key nor storage.
    Absent,
    /// A key that the server takes, and its bucket.
    Ready,
    /// Something is missing, or is left of a removal: ensure or remove mends it.
    Partial,
}

/// A failure with a key or its bucket.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The text cannot be a key's name.
    #[error("{0:?} can be no name of a bucket")]
    Name(String),
    /// The key file could not be written.
    #[error("cannot write the S3 key {access_key}")]
    Write {
        /// The key.
        access_key: String,
        /// Why.
        source: Box<StoreError>,
    },
    /// Key file or storage could not be made or removed.
    #[error("cannot {action} {path}")]
    Files {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server gave no answer.
    #[error("s3 on 127.0.0.1:{port} does not answer")]
    Unreachable {
        /// The port.
        port: u16,
        /// Why.
        source: reqwest::Error,
    },
    /// The server gave another answer than a server with this key gives.
    #[error("s3 on 127.0.0.1:{port} answered {status} for bucket {bucket}")]
    Unexpected {
        /// The port.
        port: u16,
        /// The bucket.
        bucket: String,
        /// The answer.
        status: StatusCode,
    },
    /// The storage came back after it was removed.
    #[error("{path} is still there: somebody still writes to the bucket")]
    Remains {
        /// The storage root.
        path: Utf8PathBuf,
    },
}

impl Diagnose for BucketError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Name(_) => ExitCode::Usage,
            Self::Write { .. }
            | Self::Files { .. }
            | Self::Unreachable { .. }
            | Self::Unexpected { .. }
            | Self::Remains { .. } => ExitCode::StepFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { .. } => Some("agent-harness infra status".to_owned()),
            Self::Unexpected { .. } => Some("agent-harness infra logs s3".to_owned()),
            Self::Name(_) | Self::Write { .. } | Self::Files { .. } | Self::Remains { .. } => None,
        }
    }
}

impl From<AgentId> for BucketName {
    fn from(id: AgentId) -> Self {
        Self(id.name())
    }
}

impl BucketName {
    /// The name `text`, e.g. `template`.
    ///
    /// # Errors
    /// When it is none that both S3 and a file can have: 3 to 63 of `a-z`, `0-9` and inner `-`.
    pub fn new(text: &str) -> Result<Self, BucketError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let valid = (3..=63).contains(&text.len()) && plain && !text.starts_with('-') && !text.ends_with('-');
        if valid { Ok(Self(text.to_owned())) } else { Err(BucketError::Name(text.to_owned())) }
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Buckets<'_> {
    fn keys(&self) -> Keys {
        Keys::new(&self.paths.infra("s3"))
    }

    fn key_path(&self, name: &BucketName) -> Utf8PathBuf {
        self.keys().directory().join(format!("{}.json", name.0))
    }

    /// The storage root that the server makes for this key.
    fn root(&self, name: &BucketName) -> Utf8PathBuf {
        self.paths.infra("s3").join("roots").join(&name.0)
    }

    /// Makes the key, keeping the secret of one that is there, and sees to it that the server has its bucket.
    /// `expire_days` 0 keeps objects for ever.
    ///
    /// # Errors
    /// When the file cannot be written or the server does not confirm.
    ///
    /// # Panics
    /// When the kernel gives no random bytes, which it does once it has booted.
    pub async fn ensure(&self, name: &BucketName, expire_days: u32) -> Result<Credentials, BucketError> {
        let keys = self.keys();
        let before = keys.find(&name.0);
        let secret_key = before.as_ref().map_or_else(new_secret, |key| key.secret_key.clone());
        let key = KeyFile { access_key: name.0.clone(), secret_key, bucket: name.0.clone(), expire_days };
        if before.is_none_or(|before| before.expire_days != expire_days || before.bucket != key.bucket) {
            fs_err::create_dir_all(keys.directory()).map_err(|source| BucketError::Files {
                action: "create",
                path: keys.directory().to_owned(),
                source,
            })?;
            let text = serde_json::to_vec(&key).expect("a key file has only texts and numbers");
            atomic::write(&self.key_path(name), &text, Access::Private)
                .map_err(|source| BucketError::Write { access_key: name.0.clone(), source: Box::new(source) })?;
        }
        match self.head(&key).await? {
            StatusCode::OK => {}
            // Somebody deleted it with the agent's own key.
            StatusCode::NOT_FOUND => self.create(&key).await?,
            status => return Err(self.unexpected(&key, status)),
        }
        Ok(Credentials { access_key: key.access_key, secret: key.secret_key, bucket: key.bucket })
    }

    /// What is there. Asks the server when there is a key.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn inspect(&self, name: &BucketName) -> Result<BucketState, BucketError> {
        match self.keys().find(&name.0) {
            Some(key) => match self.head(&key).await? {
                StatusCode::OK => Ok(BucketState::Ready),
                _ => Ok(BucketState::Partial),
            },
            None if self.root(name).exists() || self.key_path(name).exists() || !self.doomed(name).is_empty() => {
                Ok(BucketState::Partial)
            }
            None => Ok(BucketState::Absent),
        }
    }

    /// The credentials of a key that is there.
    #[must_use]
    pub fn credentials(&self, name: &BucketName) -> Option<Credentials> {
        let key = self.keys().find(&name.0)?;
        Some(Credentials { access_key: key.access_key, secret: key.secret_key, bucket: key.bucket })
    }

    /// Removes the key and everything stored with it, also while the server has it open. The server is asked
    /// afterwards, if it runs, and must refuse the key.
    ///
    /// # Errors
    /// When something cannot be removed or the server still takes the key.
    pub async fn remove(&self, name: &BucketName) -> Result<(), BucketError> {
        let files = |action, path: &Utf8PathBuf| {
            let path = path.clone();
            move |source| BucketError::Files { action, path, source }
        };
        let (key, key_path, root) = (self.keys().find(&name.0), self.key_path(name), self.root(name));
        // First the key, so that no new request comes in; then the storage, away from its name in one step. The server
        // notices that the index is another one and lets go; what still runs writes to files without a name.
        gone(fs_err::remove_file(&key_path)).map_err(files("remove", &key_path))?;
        let deadline = Instant::now() + REMOVAL;
        loop {
            let aside = root.with_file_name(format!("{}{}", doomed_prefix(name), hex::encode(random::<8>())));
            gone(fs_err::rename(&root, &aside)).map_err(files("remove", &root))?;
            for tree in self.doomed(name) {
                remove_tree(tree.clone()).await.map_err(files("remove", &tree))?;
            }
            let refused = match &key {
                None => true,
                Some(key) => match self.head(key).await {
                    Ok(status) => status == StatusCode::FORBIDDEN,
                    // A server that does not run takes no key.
                    Err(BucketError::Unreachable { source, .. }) if source.is_connect() => true,
                    Err(error) => return Err(error),
                },
            };
            if refused && !root.exists() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(BucketError::Remains { path: root });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Storage that was taken away from its name and not yet deleted, also by a removal that did not end.
    fn doomed(&self, name: &BucketName) -> Vec<Utf8PathBuf> {
        let Ok(entries) = self.paths.infra("s3").join("roots").read_dir_utf8() else { return Vec::new() };
        let names = entries.filter_map(Result::ok).filter(|entry| entry.file_name().starts_with(&doomed_prefix(name)));
        names.map(camino::Utf8DirEntry::into_path).collect()
    }

    async fn head(&self, key: &KeyFile) -> Result<StatusCode, BucketError> {
        let (bucket, credentials) = self.signer(key);
        let url = bucket.head_bucket(Some(&credentials)).sign(ANSWER);
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build();
        let answer = async { client?.head(url).send().await };
        answer
            .await
            .map(|answer| answer.status())
            .map_err(|source| BucketError::Unreachable { port: self.port, source })
    }

    async fn create(&self, key: &KeyFile) -> Result<(), BucketError> {
        let (bucket, credentials) = self.signer(key);
        let url = bucket.create_bucket(&credentials).sign(ANSWER);
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build();
        let answer = async { client?.put(url).send().await };
        let answer = answer.await.map_err(|source| BucketError::Unreachable { port: self.port, source })?;
        if answer.status().is_success() { Ok(()) } else { Err(self.unexpected(key, answer.status())) }
    }

    fn unexpected(&self, key: &KeyFile, status: StatusCode) -> BucketError {
        BucketError::Unexpected { port: self.port, bucket: key.bucket.clone(), status }
    }

    fn signer(&self, key: &KeyFile) -> (rusty_s3::Bucket, rusty_s3::Credentials) {
        let endpoint = format!("http://127.0.0.1:{}", self.port).parse().expect("an address of ours is a URL");
        let bucket =
            rusty_s3::Bucket::new(endpoint, rusty_s3::UrlStyle::Path, key.bucket.clone(), "us-east-1".to_owned())
                .expect("an address of ours has scheme and host");
        (bucket, rusty_s3::Credentials::new(key.access_key.clone(), key.secret_key.expose().to_owned()))
    }
}

fn doomed_prefix(name: &BucketName) -> String {
    format!(".removed-{}-", name.0)
}

/// A removal of what is not there is done.
fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

async fn remove_tree(path: Utf8PathBuf) -> std::io::Result<()> {
    let removed = tokio::task::spawn_blocking(move || {
        let first = gone(fs_err::remove_dir_all(&path));
        // A request that still runs may have put a file into a directory that was being emptied.
        if first.is_err() { gone(fs_err::remove_dir_all(&path)) } else { first }
    });
    removed.await.map_err(std::io::Error::other)?
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

fn new_secret() -> Secret {
    Secret::new(hex::encode(random::<20>()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("agent-1", true)]
    #[case("template", true)]
    #[case("ab", false)]
    #[case("Agent", false)]
    #[case("../x", false)]
    #[case("a.b", false)]
    #[case("-ab", false)]
    #[case("ab-", false)]
    fn names_fit_s3_and_files(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(BucketName::new(text).is_ok(), valid);
    }
}
