//! The key files: who may use the service. Looked up at every request, so a new, changed or removed file counts at once.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::model::secret::Secret;

/// The content of `<root>/keys/<access-key>.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    /// Equal to the file's name.
    pub(crate) access_key: String,
    pub(crate) secret_key: Secret,
    /// The one bucket that this key has. It exists as long as the key does.
    pub(crate) bucket: String,
    /// Objects older than this many days are gone; 0 keeps them.
    #[serde(default)]
    pub(crate) expire_days: u32,
}

/// The directory of key files.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    directory: Utf8PathBuf,
}

impl Keys {
    /// The keys of the service at `root`.
    pub(crate) fn new(root: &Utf8Path) -> Self {
        Self { directory: root.join("keys") }
    }

    /// The directory itself.
    pub(crate) fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Where the file of `access_key` lies, if such a key can be: the name comes from the request and must not lead
    /// anywhere else.
    pub(crate) fn path(&self, access_key: &str) -> Option<Utf8PathBuf> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let valid = (1..=64).contains(&access_key.len()) && access_key.bytes().all(plain);
        valid.then(|| self.directory.join(format!("{access_key}.json")))
    }

    /// The key file of `access_key`. An unreadable file is no key.
    pub(crate) fn find(&self, access_key: &str) -> Option<KeyFile> {
        let text = fs_err::read_to_string(self.path(access_key)?).ok()?;
        let file: KeyFile = serde_json::from_str(&text).ok()?;
        let complete = file.access_key == access_key && !file.secret_key.expose().is_empty() && !file.bucket.is_empty();
        complete.then_some(file)
    }

    /// The key that has `bucket`. For requests that carry no signature (CORS preflights).
    pub(crate) fn of_bucket(&self, bucket: &str) -> Option<KeyFile> {
        let same_name = self.find(bucket).filter(|key| key.bucket == bucket);
        same_name.or_else(|| self.all().into_iter().find(|key| key.bucket == bucket))
    }

    /// All keys there are.
    pub(crate) fn all(&self) -> Vec<KeyFile> {
        let Ok(entries) = self.directory.read_dir_utf8() else { return Vec::new() };
        entries.filter_map(Result::ok).filter_map(|entry| self.find(entry.file_name().strip_suffix(".json")?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("agent-1", true)]
    #[case("template", true)]
    #[case("", false)]
    #[case(".", false)]
    #[case("..", false)]
    #[case("../keys/agent-1", false)]
    #[case("agent-1/../agent-1", false)]
    #[case("agent-1\0", false)]
    #[case("ägent", false)]
    fn only_plain_names_become_paths(#[case] name: &str, #[case] valid: bool) {
        assert_eq!(Keys::new(Utf8Path::new("/nowhere")).path(name).is_some(), valid);
    }

    #[test]
    fn a_file_counts_only_under_its_own_name_and_complete() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(directory.path()).expect("UTF-8");
        let keys = Keys::new(root);
        fs_err::create_dir(keys.directory()).expect("created");
        let write = |name: &str, text: &str| fs_err::write(keys.directory().join(name), text).expect("written");
        write("a.json", r#"{"access_key":"a","secret_key":"s","bucket":"ba","expire_days":1}"#);
        write("b.json", r#"{"access_key":"a","secret_key":"s","bucket":"bb"}"#);
        write("c.json", r#"{"access_key":"c","secret_key":"","bucket":"bc"}"#);
        write("d.json", "{");
        assert_eq!(keys.find("a").map(|key| key.expire_days), Some(1));
        for name in ["b", "c", "d", "e"] {
            assert!(keys.find(name).is_none(), "{name}");
        }
        assert_eq!(keys.of_bucket("ba").map(|key| key.access_key), Some("a".to_owned()));
        assert_eq!(keys.all().len(), 1);
    }
}
