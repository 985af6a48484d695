//! What a package manager is told of the caller's environment: enough that the user's own mirrors, proxies and
//! certificates hold, and nothing else.

use std::collections::BTreeMap;

use crate::config::environment::Environment;

/// Beginnings of names that are passed on besides those that every process is given: the package managers' own
/// settings, and where managers of versions keep theirs.
const PREFIXES: &[&str] = &["PIP_", "UV_", "npm_config_", "NPM_CONFIG_", "PYENV_", "NVM_", "VOLTA_", "FNM_", "ASDF_"];

/// The environment of a package manager.
pub(super) fn of_manager(caller: &Environment) -> BTreeMap<String, String> {
    let own = caller.with_prefix(PREFIXES).map(|(name, value)| (name.to_owned(), value.to_owned()));
    caller.base().into_iter().chain(own).collect()
}

/// The environment of a program that is only asked what it is.
pub(super) fn of_probe(caller: &Environment) -> BTreeMap<String, String> {
    let path = caller.get("PATH").unwrap_or_default().to_owned();
    BTreeMap::from([("PATH".to_owned(), path), ("LC_ALL".to_owned(), "C".to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_package_manager_needs_is_passed_on() {
        let names = ["PATH", "PIP_INDEX_URL", "npm_config_registry", "GITHUB_TOKEN", "PORT", "https_proxy"];
        let caller = Environment::new(names.map(|name| (name.to_owned(), "/x".to_owned())));
        let given: Vec<String> = of_manager(&caller).into_keys().collect();
        assert_eq!(given, ["PATH", "PIP_INDEX_URL", "https_proxy", "npm_config_registry"]);
    }
}
