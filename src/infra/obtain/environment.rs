//! What a package manager is told of the caller's environment: enough that the user's own mirrors, proxies and
//! certificates hold, and nothing else.

use std::collections::BTreeMap;

/// Names that are passed on as they are.
const NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    // Proxies.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    // Certificates.
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    // Where package managers keep configuration.
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "NVM_DIR",
    "VIRTUAL_ENV",
];

/// Beginnings of names that are passed on: the package managers' own settings.
const PREFIXES: &[&str] = &["PIP_", "UV_", "npm_config_", "NPM_CONFIG_"];

/// The environment of a package manager.
pub(super) fn of_manager(caller: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    caller
        .iter()
        .filter(|(name, _)| NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The environment of a program that is only asked what it is.
pub(super) fn of_probe(caller: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let path = caller.get("PATH").cloned().unwrap_or_default();
    BTreeMap::from([("PATH".to_owned(), path), ("LC_ALL".to_owned(), "C".to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_package_manager_needs_is_passed_on() {
        let caller = ["PATH", "PIP_INDEX_URL", "npm_config_registry", "GITHUB_TOKEN", "PORT", "https_proxy"]
            .map(|name| (name.to_owned(), "x".to_owned()));
        let given: Vec<String> = of_manager(&BTreeMap::from(caller)).into_keys().collect();
        assert_eq!(given, ["PATH", "PIP_INDEX_URL", "https_proxy", "npm_config_registry"]);
    }
}
