//! The environment of this command, read once, and the short allow-list of it that reaches processes.

use indexmap::IndexMap;

/// The variables that reach processes, by name: who and where the user is, how programs and folders are found.
const ALLOWED: [&str; 8] = ["HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "TMPDIR", "LANGUAGE"];
/// The variables that reach processes, by the start of their names.
const ALLOWED_PREFIXES: [&str; 2] = ["LC_", "XDG_"];
/// Proxies, asked for by some programs in capitals and by others not.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
/// Where certificate authorities are, for OpenSSL, Node, Python and curl.
const AUTHORITIES: [&str; 5] =
    ["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

/// The variables of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(IndexMap<String, String>);

impl Environment {
    /// This process's own. Variables that are no UTF-8 are left out: no child is given them, and none of ours is one.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::new(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// An environment of these variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// The value of `name`, unless it is empty: an empty variable says nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The variables whose names start with one of `prefixes`, for a program that has settings of its own in them.
    pub fn with_prefix<'a>(&'a self, prefixes: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let wanted = move |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(move |(name, _)| wanted(name))
    }

    /// What every process of an agent may have of it, recorded at launch and used again ever after. Empty elements of
    /// `PATH` are removed: they mean the current folder, which is another one for every process.
    #[must_use]
    pub fn base(&self) -> IndexMap<String, String> {
        let mut base: IndexMap<String, String> = self
            .0
            .iter()
            .filter(|(name, _)| is_allowed(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Some(path) = base.get_mut("PATH") {
            *path = path.split(':').filter(|element| !element.is_empty()).collect::<Vec<_>>().join(":");
        }
        base.sort_keys();
        base
    }
}

fn is_allowed(name: &str) -> bool {
    ALLOWED.contains(&name)
        || ALLOWED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || PROXIES.iter().any(|proxy| name == *proxy || name == proxy.to_ascii_lowercase())
        || AUTHORITIES.contains(&name)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("HOME", true)]
    #[case("LC_ALL", true)]
    #[case("XDG_RUNTIME_DIR", true)]
    #[case("https_proxy", true)]
    #[case("HTTPS_PROXY", true)]
    #[case("Https_Proxy", false)]
    #[case("NODE_EXTRA_CA_CERTS", true)]
    #[case("PORT", false)]
    #[case("GITHUB_TOKEN", false)]
    #[case("PGPASSWORD", false)]
    #[case("NODE_OPTIONS", false)]
    #[case("SSH_AUTH_SOCK", false)]
    #[case("AGENT_DB_PORT", false)]
    #[case("LD_PRELOAD", false)]
    fn only_the_list_reaches_processes(#[case] name: &str, #[case] reaches: bool) {
        let environment = Environment::new([(name.to_owned(), "x".to_owned())]);
        assert_eq!(environment.base().contains_key(name), reaches);
    }

    #[test]
    fn path_loses_its_empty_elements() {
        let environment = Environment::new([("PATH".to_owned(), ":/a::/b c:".to_owned())]);
        assert_eq!(environment.base()["PATH"], "/a:/b c");
    }
}
